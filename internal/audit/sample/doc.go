// Package sample draws samples of records for auditors, and keeps them with what was found.
//
// # What it promises
//
//   - A sample can be drawn again by anybody who has the ids of the population and the seed: the
//     methods are two lines each, need nothing but HMAC-SHA-256 (RFC 2104), and are written on the
//     page of the sample.
//   - The population is frozen by its size and one digest over its ids, so that a record that
//     vanished, or one that was slipped in later, is seen.
//   - Each item has the digest of what it held when it was drawn.
//   - Samples, items and notes are only ever added. The digest of a sample covers everything that
//     was drawn, so that a row added to it by whoever may insert is seen, too.
//
// # Populations of the record
//
// An action is a population. What users of customers and their applications did under the same name is one of its own: they
// choose names and numbers of what they record, and could hide what the company did among it (audit.Part).
//
// # The methods
//
// The ids of the population stand in its own order, which only grows at its end; size is how many
// are asked for, N how many there are.
//
//   - Random: the HMAC-SHA-256 of each id, with the seed as the key, both as the bytes of their
//     text. The ids with the size smallest values are drawn.
//   - Systematic: the step is N/size, rounded down; the first place is the HMAC-SHA-256 of "start",
//     its first seven bytes as a number (the highest first, so that shells can reckon with it),
//     modulo the step, counted from 0; then every step-th.
//
// Where size is N or more, all are drawn. The digest of the population is the SHA-256 of its ids,
// each followed by a line feed: what sha256sum says of the list that the page gives out.
package sample
