// Package journey walks through the whole program as the people who use it do: the real binary,
// started by its one command, and a real browser before it.
//
// It holds tests only. Two companies are walked, each by the people who would, in profiles of their
// own with passkeys that verify them:
//
//   - one that has just heard of Garant: its security lead goes from garant init to a private
//     draft of the own annex, fits it, names owners, attests and proposes; a second person reads
//     the differences and publishes; an owner follows a reminder's link, confirms, takes it back
//     and confirms again, while a customer reads what becomes of the sentence
//   - the example: a reader with a feed, the security lead from the first sign-in to the end of a
//     session elsewhere, a real endpoint broken and mended, operations who import a list as
//     Windows writes it, a member of staff with a policy to read, an auditor until the seat ends;
//     and what can be done without JavaScript
//
// Every page on the way is held to what every page promises: nothing that axe-core objects to,
// nothing wider than the window, nothing refused by the content security policy, no error in the
// browser's console, no text missing; in both languages, and over the two in each theme at each
// width.
//
// With GARANT_SHOTS_DIR=directory a picture of each of them is left there for people to look at.
package journey
