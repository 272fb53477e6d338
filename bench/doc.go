// Command bench measures what Garant promises of speed and size, each figure as a ratio to a
// named reference taken in the same run: machines differ and are noisy, ratios less.
//
// It starts the built program (bin/garant) on scratch directories and talks to it over
// loopback only. Its figures stand in bench/README.md with the command that made them.
package main
