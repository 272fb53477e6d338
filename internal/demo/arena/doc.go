// Package arena is the page on which anybody may attack the example: it hands out the application's
// own database password and a login of one customer, and says which row of the other customer is the
// prize. What is counted is what can be counted honestly: logins that were given, texts that were
// sent in, and among those the prize.
//
// A prize that was read while the wall was down, or while a superuser was signed in, is counted
// apart: the page itself offers a superuser's shell, for which no row is hidden. Then the prize is made anew
// as soon as the wall stands and the superuser has left.
//
// It serves its own machine only.
package arena
