// Package journey walks through the whole program as the people who use it do: the real binary,
// started by its one command, and a real browser before it.
//
// It holds tests only. They read the public annex in both languages, follow the one-time link,
// enrol a passkey with user verification, run a check, break a real endpoint of the example and
// see the sentence withdrawn and come back, end a session from another machine, and do without
// JavaScript what can be done without it. Every page on the way is held, in both languages, both
// themes and at two widths, to what every page promises: nothing that axe-core objects to,
// nothing wider than the window, nothing refused by the content security policy, no error in the
// browser's console, no text missing.
//
// With GARANT_SHOTS_DIR=directory a picture of each of them is left there for people to look at.
package journey
