// Package own carries out the checks that a company declares itself, under checks: in garant.yaml:
// a question to a declared database, a call to an address, a command. They prove the company's own
// measures, or add to those of the annex. Results that are pushed (imported:) are taken by package
// scanner.
//
// # Invariants
//
//   - Declared in garant.yaml only, which is applied by command and versioned; never on a page.
//     Removing, slowing or changing one is a reduction of the scope.
//   - What cannot be understood is an error, never a pass: a value that is no number, an answer or
//     an output that is too large, cut or late, an exit code other than 0 and 1, a decoy in the
//     place of the database (TestFaults, TestHostile…).
//   - Nothing of a row goes into the finding but how many there are, or the one value that the check
//     declares. Nothing of an answer goes into it but what was compared. Of a command's output goes
//     what it says in the documented shape, with the secrets that it was given taken out.
//   - A question runs in a transaction that cannot write, with a time limit, through the protocol
//     that takes one statement alone; rows are counted in the database (TestSQL…).
//   - A call is made by package outgoing: bounded in size, time and redirects.
//   - A command is run without a shell, with the environment that is declared and nothing else, and
//     is killed with its process group when its time is over or its output too large (TestCommand…).
//
// # Threat model
//
// Who writes garant.yaml is trusted with Garant's account on the machine: a command runs as it. A
// server, a database or a command that lies can make its own check pass and no other. A program that
// leaves its process group (setsid) outlives the check; it no longer holds it up.
package own
