// Command audit measures what the audit log costs and how fast it is, on a PostgreSQL that waits for its disk (fsync on) and with a real S3 server as
// the second account. Parts, each of which -only runs alone:
//
//	write    a row of the application and its entry in one transaction, while entries are put in order, against the bare row, and
//	         against a log whose entries are chained under a lock; the same sent at once; by 8 and by 32 writers
//	batch    1,000 entries in a transaction, against COPY of the same rows into an equal table; how fast a backlog is put in order and copied;
//	         what a heartbeat costs
//	lag      from commit to a signed checkpoint, and to the second account, under a steady load
//	verify   the database alone, and against the second account; a bundle, offline
//	search   lists of the record by person, object, action, customer and place
//	proof    inclusion of one of 100 million leaves, in a simulated tree
//	capture  triggers that record what an application writes, against the same writes to an equal table without
//
// Arms of a comparison take turns in one run, forth and back, and a ratio is the median of those of the rounds. Each figure stands beside the reference that was measured in
// the same run and the goal, and says whether it holds; what the machine had to do besides is printed as its load.
//
// Its figures stand in bench/README.md with the command that made them.
package main
