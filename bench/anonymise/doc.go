// Command anonymise measures what an anonymised copy costs: of one database in one cluster to a usable one in another, with all indexes, keys
// and statistics, by
//
//	floor   binary COPY from the one into the other, two at once, nothing replaced; indexes and keys after
//	bare    garant with all its replacements and none of its proofs: no set of identifying values, no scan, no attack, no counting
//	full    garant as it is
//	dump    pg_dump -Fd -j2, then pg_restore -j2, nothing replaced
//
// The arms take turns in one run, forth and back, each in a process of its own. Ratios are to the floor of the same run.
//
// Its figures stand in bench/README.md with the command that made them.
package main
