// Package detect finds personal data: in a column, by its name, type, comment, constraints, neighbours and sampled values; in a value or a sentence; in the
// paths of JSON documents. It is pure: it reads nothing, keeps nothing, and the same input gives the same answer.
//
// Invariants:
//
//   - Fail closed. What is not understood is a question (Result.Question), never harmless: a text column whose name says nothing and that has no samples,
//     a type that is not known, samples that contradict a name. Harmless is only said of what a type, a name or samples speak for.
//   - A name alone never gives more than Fair; samples or a type that agree give Strong. So a plan made in a developer's CI, without samples, says so.
//   - Reasons (Because) are ids with arguments. They hold words of the schema and shares of samples, never a sampled value.
//   - DetectValue is linear in the length of the value, does not allocate beyond its result, and takes any bytes.
//
// What it does not see stands in docs/anonymise-detection.md, with the figures that corpus_test.go measures on testdata/corpus.
//
// Tests: corpus_test.go (precision and recall on labelled columns, names only and with samples), value_test.go (each kind in values and sentences),
// detect_test.go (each reason, and what undoes it), fuzz_test.go (any bytes, linear time).
package detect
