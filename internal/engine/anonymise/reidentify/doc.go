// Package reidentify measures whether a person can be found again in a copy whose names are gone: by what is left of them.
//
// # Classes
//
// Rows that share all their quasi-identifiers are a class. [Measure] asks the copy, and the copy alone, how many classes there are, how small the smallest is
// (k-anonymity), how many rows stand in classes smaller than asked for and how many stand alone, and how few values a sensitive column has within a class (l-diversity). Where a column names the
// person, classes are counted in persons: ten rows of one person hide nobody.
//
// # The attack
//
// An [Attack] is what somebody does who knows the source's people: join on the quasi-identifiers. It sees each row on its way into the copy, the person with what is known of them
// and what the copy shows, and counts the rows of the copy that lead to exactly one person of the source who is the right one. It does so for every
// selection of the columns, since a column that was changed protects only until it is left out, and reports the selection that finds most.
//
// Known is what the attacker can make of a value: where the copy shows the year of a date, the year; where it shows a date moved by a secret number
// of days, the date itself. Values are hashed under a random key at once; nothing in clear is kept, and nothing of the source leaves the process.
// Up to [Attack.Limit] combinations everything is counted; of more, those whose hash is small, which is a fair sample of the
// combinations, and [Linked.Sampled] says how large a part it is.
//
// # Verdict
//
// [Thresholds] say what is tolerable; [Judge] lists what is not. A table without rows proves nothing.
package reidentify
