// Package tailoring keeps a company's own annex: what it changes of the catalogue, as a private
// draft that persons edit, as proposals to a second person, and as published versions.
//
// # What is true
//
//   - A draft can always be read: an edit that the catalogue of this build refuses changes nothing.
//     Only a newer build can make a draft unreadable; then everything says so, with the lines, and
//     the last published version stays what it is.
//   - Two people who edit at once do not overwrite each other. A change of one place goes through
//     when that place is as its editor saw it; else, and for a whole text, the answer is a
//     Conflict that holds both texts.
//   - Nothing is public before a version was published, and none is published without the word of
//     a person who had no hand in it since the last one: who edited, by whichever text, or
//     proposed. The database refuses the rest to every role (migration 20261127000040).
//   - Drafts, proposals, decisions and versions are only ever added. A version keeps its text to
//     the letter, the hash of the catalogue that came of it and of the one it was tailored from,
//     and what it changed.
//   - A change and its entry in the record commit together; a refused attempt is recorded by
//     itself. The record holds names of fields, never words or figures.
//
// What this does not hold: a person who edits from the command line acts as a part of Garant
// ("system:cli:ACCOUNT"), whom the database cannot tell from themselves in the console. The
// reviewer is shown who edited; who has an account on the server has more than the annex.
//
// The proof: edit_test.go (places, comments kept, conflicts, weaker and stronger), store_test.go
// (rights, self-review in SQL too, two at once, a transaction cut off).
package tailoring
