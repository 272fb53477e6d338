// Command isolation measures what tenancy costs: the same work on the same rows, once with WHERE tenant_id = $1 written by hand
// as a role that sees everything, once through the SDK as a role that sees only what a token shows it. The two take turns, each
// pair with the same parameters and in random order, so that both see the same machine.
//
// Its figures stand in bench/README.md with the command that made them.
package main
