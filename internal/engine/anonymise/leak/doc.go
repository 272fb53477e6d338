// Package leak scans the values of a copy for those of its source, and its schema too. It reports places, never values.
//
// A [Scan] holds the set of the source's values (package seen); each goroutine of a run takes a [Scanner] from it and hands it rows: [Scanner.Row], what the
// source's row must not share with the copy's ([Scanner.Own]), and the values in PostgreSQL's text form ([Scanner.Value], or in pieces [Scanner.Begin], Write and
// End). [Scan.Report] puts together what was found. The report has passed when everything was looked into, nothing was found and every canary was.
//
// # What is found
//
// Names and addresses are found as words that stand beside each other, at most 64 bytes apart, in any order, up to eight of them, whatever stands between and
// around them; numbers as groups of digits with little between them; phone numbers however they are dialled; e-mail addresses whatever touches them; user names, devices, secrets and addresses
// of profiles between blanks, slashes and equals signs. Folding is described in package seen.
//
// Decoded on the way, up to four within each other: percent signs, entities, the escapes of JSON, JavaScript and SQL, tags of HTML and XML, quoted-printable,
// base64 in both alphabets with and without padding and in lines, hexadecimal, gzip, zlib, zip (and so the files of office programs), UTF-16, Latin-1. Documents within documents are
// found by their escapes, data URLs by their base64.
//
// What cannot be looked into is reported as not scanned, which is as bad as a leak: what is encoded more often, inflates beyond the limit, is encrypted or damaged, or has no place to
// be divided at (see [Limits]).
//
// # What is not found
//
// Letters of other scripts that look alike, and those of text that was decoded wrongly; addresses of e-mail and of hosts written as a part of others (VERP, in-addr.arpa); base32, ascii85, uuencode, UTF-7, UTF-32 and raw deflate; figures that a number lost, as
// a telephone number without its first 0; coordinates with words between; words cut in the middle by a hyphen and a new line; words written backwards or in cipher; e-mail addresses with words for @ and dot; the
// text of pictures and of PDF files; base64 behind more than three characters that touch it; phone numbers within a UUID or a hexadecimal hash, where every ten figures are somebody's by chance; names that are glued to other words, unless the source writes them so; given and family names in two fields
// of a document with other words between, which is the matter of Own.
//
// # Proof
//
// [Canaries] are values of each kind, in each encoding, that exist nowhere. They enter the set before it is frozen and go through the scan among the rows; the report says which were found ([Recall]). A run
// that did not find all of them proves nothing.
//
// # Threat model
//
// A column, a path or a way of writing that the plan overlooked; a transformer that does nothing; personal data in the schema. A value chosen to bring the scan down: no panic (fuzzed), time and memory in proportion to its
// length. Hashes and values stay in memory. Not covered: what a developer does with other knowledge, which is the matter of package reidentify.
package leak
