// Package estate knows the systems under guard: what garant.yaml declares, checked line by
// line, and every version of it that was ever applied.
//
// # Reading
//
// [Parse] reads what the checks look at (company, endpoints, databases, checks, imports, witness,
// audit, logs, cloud_logs, workspace, policy); [ParseServer] reads what this server needs to run (database, listen, hosts, tls,
// trusted_proxy, keys, mail) from the same file; [Validate] does both. All are strict: an unknown key, a key written twice, a number
// where a text belongs, an anchor, a second document are mistakes. Every mistake is told, up
// to [MaxProblems], each with its line, the key and what to write instead; a file with a
// mistake gives nothing.
//
// A secret never stands in the file: it is named by env:NAME or file:PATH and read when it is
// needed ([Secret]). A message of this package never repeats a value that might be a secret.
//
// # Versions
//
// An estate is applied by command ([Apply]), never read from disk while serving. A version
// keeps the text of garant.yaml and of the files it names, so that any past day replays without
// the disk. Its hash covers what is declared, as written, with those files; comments, layout
// and server settings do not count, so that replicas may listen on addresses of their own.
//
// # Reductions
//
// What a check must look at is expected, and what is expected only grows by itself: a version
// that adds an endpoint or tightens a threshold is believed at once. Removing, replacing or
// weakening something leaves it expected, and is pending ([Pending]) in every later version
// until the thing is put back or a second person confirms ([Confirm]). Second means: a person,
// none of those who applied a version since the scope was last whole. The database holds this
// too (migration 20261124000003): it refuses such a confirmation to every role.
//
// The proof is in reduce_test.go (each kind of reduction, laundering by steps) and
// store_test.go (privileges, two appliers at once, self-confirmation, replay).
package estate
