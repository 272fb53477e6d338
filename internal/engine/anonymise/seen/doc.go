// Package seen is the set of identifying values that a source holds, against which its copy is scanned and its replacements are drawn. It
// holds keyed hashes and no value, in memory and nowhere else.
//
// [Builder] takes the values, from as many goroutines as there are [Adder]s; [Builder.Freeze] makes the [Set], which only answers.
//
// # Folding
//
// Two spellings that a reader takes for one value are one here ([AppendFold], [AppendCanonical]): case, accents, composed or decomposed,
// ligatures, wide and other digits, invisible characters, every kind of blank and punctuation. Names are sums of the hashes of their words, so
// that their order does not matter; numbers are their digits and letters without what stands between; a phone number is the number within its
// country, whichever way it was dialled. What stays apart: letters of other scripts that look alike, transliterations (but ä, ö, ü, å as ae, oe,
// ue, aa), abbreviations, Hangul in single letters, words broken in the middle by a hyphen and a new line.
//
// # Hashes
//
// Folded 128-bit products with random factors of 256 bits in all, as wyhash takes them, of the folded words. They belong to one set and leave it never. That is no cryptographic hash, and need not be:
// no answer of the scan carries a hash, nor tells anything of one but that a value is there, so that who writes into the source knows nothing that a collision could be aimed with.
// Sums are as good as single hashes since each goes through two products, and no one of them is linear in what is hashed. Two values share all 64 bits with probability 2⁻⁶⁴: of 10
// million entries a word that is none of them meets one with 5·10⁻¹³, so that one in some 16,000 runs with 122 million look-ups each is stopped by a hit
// that is none. A value that was added is always found.
//
// # Evidence
//
// An entry is strict where a single hit in the copy means a leak: e-mail addresses, phone numbers, IBANs, cards, national numbers, papers,
// full names, addresses, devices, credentials, addresses of profiles, public IP addresses. It is weak where other people bear the value
// too, and the copy may hold it, only not in the same row: single given and family names, towns, user names that are one plain word.
//
// Values that prove nothing wherever they are found do not enter the set; they are counted by reason ([Stats]), so that a report can
// say how many, and a plan replaces them unseen.
package seen
