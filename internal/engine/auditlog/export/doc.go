// Package export writes entries of the record as they leave Garant: as CSV for people, as JSON lines
// for programs, as events of the Open Cybersecurity Schema Framework (OCSF 1.6.0) for SIEMs.
//
// It guards that what leaves is whole, can be told apart and can be asked a proof for later:
//
//   - a writer holds one entry at a time, however many there are
//   - each line has a uid that is the same whenever it is written, and, once sequenced, its place in the
//     record: tree, index and leaf hash; the last line of a batch may carry the checkpoint over all of it
//   - names of fields are stable: they are added, never changed or taken away (docs/audit-streams.md)
//   - values are what the record holds. What a format cannot carry is replaced in a way that shows:
//     U+FFFD for NUL in CSV and for what is not UTF-8. No cell of CSV is a formula for a spreadsheet; no
//     character that turns text around stands bare in JSON
//   - values before and after a change leave only where they were asked for (Options.Values): elsewhere the
//     names of the fields that changed do
//
// Against: entries that strangers shaped (an object's id may be whatever somebody typed into an address),
// readers that split at line breaks, spreadsheets that calculate, terminals that obey.
//
// Shown by TestCSV, TestJSON, TestOCSF (required attributes, constraints and activities by tables taken from
// the published schema), TestEveryActionHasAClass and the fuzz tests, which read everything back.
package export
