// Package cluster runs private PostgreSQL clusters from the PostgreSQL programs that are
// installed on the machine, and keeps them running.
//
// # What a cluster looks like
//
//	Dir/             owned by whoever runs Garant; readable by nobody else
//	  keeper.lock    held by the process that keeps the cluster running
//	  server.lock    inherited by every process of the PostgreSQL server
//	  conf/          postgresql.conf, pg_hba.conf, pg_ident.conf, TLS files: rewritten at each start
//	  data/          PostgreSQL's data directory, owned by the cluster's account
//	  run/           the socket, 0700, owned by the cluster's account
//	  log/           the server's log, two files of at most 8 MiB
//
// The configuration stands outside data/, so that a data directory brought back from a
// backup starts with our rules and not with those it came with. What decides who may
// connect and what is logged is moreover given on the server's command line, where neither
// a setting of Options nor ALTER SYSTEM can undo it.
//
// # Who gets in
//
// Only through the socket (peer authentication; no password, no trust), and only the
// account that runs Garant and the account that runs PostgreSQL, as the superuser role or
// one of Options.Users. With Options.TCP, roles other than the superuser may also come in
// from the loopback interface over TLS with a SCRAM password.
//
// # Root
//
// PostgreSQL refuses to run as root. When Garant runs as root, initdb and the server run
// as an unprivileged account without supplementary groups and with an empty environment.
// Root writes only into directories that root owns, never below data/ or run/.
//
// That account must be able to pass through every directory above Dir. Those that Open makes
// let it; an empty one of ours just above Dir is opened for passing through (o+x); any other
// that is closed is an error that names it. Who makes a directory for Dir and more, and wants
// it closed, makes it 0711 or calls Open before putting something else into it.
//
// # Keepers and guests
//
// The process that holds keeper.lock is the keeper: it starts the server, starts it again
// when it dies, and stops it in Close. A second process that opens the same directory is a
// guest: it uses the server and never stops it. When the keeper leaves, in good order or
// killed, the first guest to notice becomes the keeper and starts the server with its own
// Options; for its clients this is a server restart: connections break, and new ones are
// refused for about a second. All processes of one directory must therefore open it with
// the same Options.
//
// When the keeper is killed, the kernel sends the server the signal of an orderly shutdown
// (PR_SET_PDEATHSIG). Whatever may be left is found by server.lock, which stays locked
// until the last process that descends from the server is gone; a new server is never
// started before. This holds across containers that share the directory, where process
// numbers tell nothing.
package cluster
