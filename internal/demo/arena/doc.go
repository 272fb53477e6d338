// Package arena is the page on which anybody may attack the example: it hands out the application's
// own database password and a login of one customer, and says which row of the other customer is the
// prize. What is counted is what can be counted honestly: logins that were given, texts that were
// sent in, and among those the prize.
//
// A prize that was read while the wall was down, or while a superuser was signed in, is counted
// apart: the page itself offers a superuser's shell, for which no row is hidden. Then the prize is made anew
// as soon as the wall stands and the superuser has left.
//
// What it has counted it also writes down for the annex, each second while it sees its wall ([Config].Report): an own check
// of the example reads it (docs/own-checks.md), so that the public page shows the counts and a crossing withdraws its sentence.
//
// It serves its own machine only.
package arena
