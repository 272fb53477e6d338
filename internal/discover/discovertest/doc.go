// Package discovertest holds every source of package discover to one contract.
//
// [Run] takes a source with the worlds it is tried in, each as real as it can be on loopback, and
// holds that the source
//
//   - says what it is and whom it asks;
//   - proposes something, with a reason on every line, that is a valid garant.yaml;
//   - finds the same again, in the same order;
//   - asks nobody but the resolver and what was named, through the Way that it was handed;
//   - changes nothing;
//   - ends when it is told to, and when its time is over, whatever hangs, and leaves nothing running;
//   - tells in a note what it could not see;
//   - shows no secret, in a proposal, a note, an error or progress;
//   - lets nothing that a stranger sends hang it or into the file as anything but text.
//
// A Subject that lacks one of the worlds fails. The suite itself is tried on sources that break each rule (suite_test.go).
package discovertest
