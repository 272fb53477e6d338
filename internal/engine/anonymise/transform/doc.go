// Package transform replaces personal values by others that lead to nobody.
//
// # Contract
//
// A plan says of each column which transformer replaces its values and with what arguments (Spec); the catalogue says what the column is (Column). New
// joins them, or says why they do not fit, before anything is copied:
//
//	t, err := transform.New(transform.Spec{Name: "email"}, column, env)
//	dst, err = t.Append(dst, value, transform.Row{Subject: person})
//
// Values are what PostgreSQL's output functions write (the text form), with the escapes of COPY already taken away. The caller handles NULL: it never comes in,
// and stays NULL. ErrNull, returned as an error, says that NULL takes the value's place. Any other error ends the run:
// it names what is wrong and never the value.
//
// A Transformer keeps buffers and belongs to one goroutine; New is called once per worker and column, all with one Env. Close ends what a transformer has started.
// In steady state a value costs one HMAC-SHA-256 and no allocation (BenchmarkTransformers).
//
// # What is replaced by what
//
// Every replacement is drawn by HMAC with a key that lives as long as the run (Key), in a domain for each kind of value, from the value's folded form. So
// the same person is the same person in every column, every path of a JSON document and every sentence, however it is written; and nothing in the copy
// leads to the copy of another day. What differs between two writings stays: case, separators, order, titles, country.
//
// Replacements come from ranges in which no real value lies (documents and ranges: docs/anonymise-transformers.md). Where no such range
// exists, as for names, each is looked up in the values of the source (Taken) and drawn again, with a counter, until it is none of them; a
// transformer that finds none gives an error, never a value of the source.
//
// # Unique columns
//
// A transformer whose Description says Unique serves unique columns. How it stays unique is one of:
//
//	permutation  different values have different replacements, by construction: rekey, card, national_number, short hashes
//	wide         drawn from at least 2^46: two of a million values meet with a chance of 1 in 140 at most; the unique index of the copy finds it, the run begins
//	             again with another key, and nothing is published
//
// Some kinds have a small range that looks real, and a large one that does not (phone, iban, national_number). They take the large one when the column is unique, or
// when the argument "unique" says so: write it for every column that must agree with a unique one.
//
// # Threat model
//
// Somebody who has the copy, not the key, and knows persons of the source. The key is random, in memory only, and forgotten when the copy phase
// ends. What a transformer keeps on purpose (country, sex of a given name, length, order of dates of one person) is in its words and in the
// manual, and is judged by the run's re-identification check. Two values that fold to the same are one, so frequencies survive: a name borne by one in
// ten is replaced by a name borne by one in ten. keep, constant and sql say of themselves that they protect nothing or are not judged here.
//
// Proven by: transformtest, which every transformer passes and which catches one that does nothing; TestKeysDoNotLink, TestSamePersonEverywhere,
// TestFamilyNamesOfTheSourceAreNotGiven, TestNothingFreeIsAnError, TestMisfitsAreRefused, and transformtest's TestPostgreSQLReadsThem and TestSuiteFindsFaults.
package transform
