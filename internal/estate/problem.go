package estate

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

// FileName is what the declaration is called in messages.
const FileName = "garant.yaml"

// MaxProblems is how many mistakes of a file are told at once.
const MaxProblems = 20

// maxCollected bounds the work on a file that is nothing but mistakes.
const maxCollected = 500

// Problem is one mistake in garant.yaml.
type Problem struct {
	File   string // empty: garant.yaml
	Line   int    // from 1
	Column int    // from 1, in characters; 0: the whole line
	Key    string // "endpoints[2].environment"; empty: the file itself
	Text   string // what is wrong, a sentence
	Fix    string // what to write instead, a sentence
}

func (p Problem) String() string {
	s := cmp.Or(p.File, FileName) + ":" + strconv.Itoa(p.Line) + ": "
	if p.Key != "" {
		s += p.Key + ": "
	}
	s += p.Text
	if p.Fix != "" {
		s += " " + p.Fix
	}
	return s
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
		fmt.Fprintf(&b, "\n%s: and %d more.", cmp.Or(e.List[0].File, FileName), e.More)
	}
	return b.String()
}

// Unwrap gives the kind and the sentence for pages.
func (e *Problems) Unwrap() error {
	first := e.List[0]
	file := cmp.Or(first.File, FileName)
	text := file + " has a mistake. "
	if n := len(e.List) + e.More; n > 1 {
		text = fmt.Sprintf("%s has %d mistakes. The first: ", file, n)
	}
	return errs.New(errs.Invalid, "estate.invalid", text+first.String()).
		With("count", len(e.List)+e.More).With("line", first.Line).
		WithFix("Correct the file and apply it again; nothing was changed.")
}

// problems collects mistakes.
type problems struct {
	file  string // empty: garant.yaml
	found []Problem
}

func (p *problems) add(n *yaml.Node, key, text, fix string) {
	p.addAt(n.Line, n.Column, key, text, fix)
}

func (p *problems) addAt(line, column int, key, text, fix string) {
	if len(p.found) < maxCollected {
		p.found = append(p.found, Problem{File: p.file, Line: line, Column: column, Key: key, Text: text, Fix: fix})
	}
}

// err returns what was collected as an error, or nil. Both readers of a file tell of its
// syntax: the same mistake is told once.
func (p *problems) err() error {
	if len(p.found) == 0 {
		return nil
	}
	list := make([]Problem, 0, len(p.found))
	seen := map[Problem]bool{}
	for _, problem := range p.found {
		if !seen[problem] {
			seen[problem] = true
			list = append(list, problem)
		}
	}
	slices.SortStableFunc(list, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	e := &Problems{List: list}
	if len(list) > MaxProblems {
		e.List, e.More = list[:MaxProblems:MaxProblems], len(list)-MaxProblems
	}
	return e
}

// quote shows a value of the file in a message: short, and with nothing a terminal would obey.
func quote(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return strconv.Quote(s)
}

// join writes words as "a, b or c".
func join(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + last + " " + words[len(words)-1]
}

// nearest returns the word that the writer probably meant, or "".
func nearest(written string, words []string) string {
	if len(written) > 40 {
		return ""
	}
	best, distance := "", 3
	for _, w := range words {
		d := editDistance(strings.ToLower(written), w)
		if d < distance && d < (len(w)+1)/2 {
			best, distance = w, d
		}
	}
	return best
}

// editDistance counts insertions, deletions, replacements and swaps of neighbours (the
// restricted Damerau-Levenshtein distance).
func editDistance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
