package manifest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/garant-project/garant/internal/estate"
)

// Problem is one mistake in isolation.yaml, told as one in garant.yaml is: file, line, key, what is
// wrong, what to write instead.
type Problem = estate.Problem

// Problems is the error for a file with mistakes, in the order of the lines. It is of kind
// errs.Invalid.
type Problems = estate.Problems

func (r *reader) add(n *yaml.Node, key, text, fix string) {
	if len(r.found) < 10*estate.MaxProblems {
		r.found = append(r.found, Problem{File: FileName, Line: max(n.Line, 1), Key: key, Text: text, Fix: fix})
	}
}

// err returns what was found as an error, or nil.
func (r *reader) err() error {
	if len(r.found) == 0 {
		return nil
	}
	slices.SortStableFunc(r.found, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	shown := min(len(r.found), estate.MaxProblems)
	return &Problems{List: r.found[:shown:shown], More: len(r.found) - shown}
}

// shown writes a word of the file in a message: short, and with nothing a terminal would obey.
func shown(s string) string {
	const most = 80
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return strconv.Quote(s)
}

// listed writes words as "a, b or c".
func listed(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + last + " " + words[len(words)-1]
}
