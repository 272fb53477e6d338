package manifest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/garant-project/garant/internal/errs"
)

// MaxProblems is how many mistakes of a file are told at once.
const MaxProblems = 20

// Problem is one mistake in isolation.yaml.
type Problem struct {
	Line int    // from 1
	Key  string // `tables.customer.member.class`; empty: the file itself
	Text string // what is wrong, a sentence
	Fix  string // what to write instead, a sentence
}

func (p Problem) String() string {
	s := FileName + ":" + strconv.Itoa(p.Line) + ": "
	if p.Key != "" {
		s += p.Key + ": "
	}
	return strings.TrimSuffix(s+p.Text+" "+p.Fix, " ")
}

// Problems is the error for a file with mistakes, in the order of the lines. It is of kind
// errs.Invalid.
type Problems struct {
	List []Problem // never empty, at most MaxProblems
	More int       // how many mistakes were left out
}

// Error lists the mistakes, one a line.
func (e *Problems) Error() string {
	var b strings.Builder
	for i, p := range e.List {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.String())
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "\n%s: and %d more.", FileName, e.More)
	}
	return b.String()
}

// Unwrap gives the kind and the sentence for pages.
func (e *Problems) Unwrap() error {
	first, n := e.List[0], len(e.List)+e.More
	text := FileName + " has a mistake. "
	if n > 1 {
		text = fmt.Sprintf("%s has %d mistakes. The first: ", FileName, n)
	}
	return errs.New(errs.Invalid, "tenancy.manifest.invalid", text+first.String()).
		With("count", n).With("line", first.Line).
		WithFix("Correct the file and try again; nothing was changed.")
}

func (r *reader) add(n *yaml.Node, key, text, fix string) {
	if len(r.found) < 10*MaxProblems {
		r.found = append(r.found, Problem{Line: max(n.Line, 1), Key: key, Text: text, Fix: fix})
	}
}

// err returns what was found as an error, or nil.
func (r *reader) err() error {
	if len(r.found) == 0 {
		return nil
	}
	slices.SortStableFunc(r.found, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	e := &Problems{List: r.found}
	if len(r.found) > MaxProblems {
		e.List, e.More = r.found[:MaxProblems:MaxProblems], len(r.found)-MaxProblems
	}
	return e
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
