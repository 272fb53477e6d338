// Package strictyaml reads and writes the files that a command drafts, people correct and the
// command writes again: isolation.yaml, anonymise.yaml. It reads YAML of one document in which each
// value stands in one place, and tells every mistake with its line, its key and what to write instead;
// it writes texts so that YAML reads the same texts back.
package strictyaml
