// Package demo is the example: a fictitious Belgian company whose endpoints really answer.
//
// Ardoise Mécénat does not exist; its names end in .example (RFC 2606). `garant demo` starts
// its endpoints on loopback with a certificate authority of their own, writes the garant.yaml
// that declares them, and leaves one deliberate fault in place: staging sends no HSTS. A
// socket in the data directory takes orders to break and to mend an endpoint while everything
// runs, so that anybody can watch a sentence withdraw itself and come back.
//
// The authority, the keys and the ports are kept in the data directory: a second start
// declares the same estate.
package demo
