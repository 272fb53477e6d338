// Package transformtest holds transformers to their contract: those of this program, and those that an operator writes.
//
//	func TestOurs(t *testing.T) {
//		transformtest.Run(t, transformtest.Case{
//			Spec:   transform.Spec{Name: "subprocess", Args: map[string]any{"command": []any{"./ours"}}},
//			Column: transform.Column{Name: "customer.ref", Type: "text", Length: 12},
//			Value:  func(i int) string { return fmt.Sprintf("REF-%06d", i) },
//		})
//	}
//
// What is wrong is told by Problems, one sentence each, so that a test can expect it.
package transformtest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
)

// A Case is a transformer on a column with the values that it is to replace.
type Case struct {
	Spec   transform.Spec
	Column transform.Column
	Value  func(i int) string // the values, all different
	Count  int                // how many to try; 0: 100,000 where replacements must be unique, 2,000 elsewhere

	// Make makes the transformer; nil: transform.New.
	Make func(transform.Env) (transform.Transformer, error)
	// Finder is given to those that read sentences.
	Finder transform.Finder

	// What is meant to be so; each is a promise less.
	Same    bool    // may give a value back as it is
	Fixed   bool    // gives what does not depend on the key
	Chance  float64 // how many of the values may become the same under two keys; 0: 2 %
	Allocs  float64 // how often a value may allocate in steady state
	Strict  bool    // may refuse values that are none of the column's type
	Growth  int     // how many bytes a replacement may be longer than its value; 0: 200
	Freely  bool    // does not look at the values of the source
	Subject bool    // needs to know the person
}

func (c *Case) env(key *transform.Key) transform.Env {
	return transform.Env{Key: key, Language: "fr-BE", Finder: c.Finder}
}

func (c *Case) make(env transform.Env) (transform.Transformer, error) {
	if c.Make != nil {
		return c.Make(env)
	}
	return transform.New(c.Spec, c.Column, env)
}

// unique reports whether replacements must differ.
func (c *Case) unique() bool {
	d, ok := transform.Describe(c.Spec.Name)
	return c.Column.Unique && (!ok || d.Unique)
}

func (c *Case) count() int {
	switch {
	case c.Count > 0:
		return c.Count
	case c.unique():
		return 100_000
	}
	return 2_000
}

// Run reports what is wrong with a transformer.
func Run(t *testing.T, c Case) {
	t.Helper()
	if testing.Short() && c.Count == 0 {
		c.Count = min(c.count(), 10_000)
	}
	for _, p := range Problems(c) {
		t.Error(p)
	}
}

// Problems tries a transformer and tells what is wrong with it, without any value.
func Problems(c Case) []string {
	var p problems
	key, other := transform.NewKey(), transform.NewKey()
	a, errA := c.make(c.env(key))
	b, errB := c.make(c.env(key))
	z, errZ := c.make(c.env(other))
	if err := errors.Join(errA, errB, errZ); err != nil {
		return []string{"cannot be made: " + err.Error()}
	}
	c.values(&p, a, b, z)
	c.strange(&p, a)
	if !c.Freely && !c.Fixed {
		c.taken(&p, key)
	}
	for _, t := range []transform.Transformer{a, b, z} {
		if err := t.Close(); err != nil {
			p.add("does not end well: %v", err)
		}
	}
	return p
}

// Outputs are what the values of a case become, for somebody who can say whether they are of the type; without those that become NULL.
func Outputs(c Case, n int) ([]string, error) {
	t, err := c.make(c.env(transform.NewKey()))
	if err != nil {
		return nil, err
	}
	defer func() { _ = t.Close() }()
	var all []string
	for i := range n {
		out, err := t.Append(nil, []byte(c.Value(i)), transform.Row{Subject: subject(i)})
		if errors.Is(err, transform.ErrNull) {
			continue
		} else if err != nil {
			return nil, err
		}
		all = append(all, string(out))
	}
	return all, nil
}

type problems []string

// add notes a problem once.
func (p *problems) add(format string, a ...any) {
	s := fmt.Sprintf(format, a...)
	if len(*p) < 20 {
		for _, q := range *p {
			if q == s {
				return
			}
		}
		*p = append(*p, s)
	}
}

func subject(i int) []byte { return fmt.Appendf(nil, "person %d", i/3) }

// values goes over the values of a case: a and b have one key, z another.
func (c *Case) values(p *problems, a, b, z transform.Transformer) {
	n, unique := c.count(), c.unique()
	seen := make(map[string]bool, n)
	all := make([]string, n)
	var buf, in []byte
	equal, linked, nulls := 0, 0, 0
	for i := range n {
		value := c.Value(i)
		in = append(in[:0], value...)
		buf = append(buf[:0], "before|"...)
		out, err := a.Append(buf, in, transform.Row{Subject: subject(i)})
		if errors.Is(err, transform.ErrNull) {
			nulls++
			all[i] = "\x00NULL"
			continue
		} else if err != nil {
			p.add("refuses a value: %v", err)
			return
		}
		buf = out
		if string(in) != value {
			p.add("writes into the value that it is given")
		}
		rest, ok := bytes.CutPrefix(out, []byte("before|"))
		if !ok {
			p.add("writes over what stands before")
			return
		}
		all[i] = string(rest)
		c.one(p, value, rest)
		if string(rest) == value {
			equal++
		}
		if unique && seen[all[i]] {
			p.add("gives two values the same replacement, and the column is unique")
		}
		seen[all[i]] = true
	}
	if equal > 0 && !c.Same {
		p.add("gives values back as they are: %d of %d", equal, n)
	}
	if c.Column.NotNull && nulls > 0 {
		p.add("gives NULL for a column that takes none")
	}
	for i := n - 1; i >= max(0, n-2_000); i-- { // in another order, by another worker
		out, err := b.Append(buf[:0], []byte(c.Value(i)), transform.Row{Subject: subject(i)})
		if buf = out; errors.Is(err, transform.ErrNull) {
			out = []byte("\x00NULL")
		}
		if string(out) != all[i] {
			p.add("gives a value two replacements under one key")
			break
		}
	}
	for i := range min(n, 2_000) {
		if out, _ := z.Append(nil, []byte(c.Value(i)), transform.Row{Subject: subject(i)}); string(out) == all[i] {
			linked++
		}
	}
	chance := c.Chance
	if chance == 0 {
		chance = 0.02
	}
	if most := chance * float64(min(n, 2_000)); !c.Fixed && !c.Same && float64(linked) > most && nulls == 0 {
		p.add("gives %d of %d values the same replacement under two keys; chance gives %.0f", linked, min(n, 2_000), most)
	}
	c.allocations(p, a)
}

// one looks at a replacement alone.
func (c *Case) one(p *problems, value string, out []byte) {
	growth := c.Growth
	if growth == 0 {
		growth = 200
	}
	switch {
	case !utf8.Valid(out):
		p.add("gives what is not UTF-8")
	case bytes.IndexByte(out, 0) >= 0:
		p.add("gives a NUL")
	case c.Column.Length > 0 && utf8.RuneCount(out) > c.Column.Length:
		p.add("gives more than the %d letters of the column", c.Column.Length)
	case len(out) > 3*len(value)+growth:
		p.add("gives a value that is much longer than its own: %d bytes for %d", len(out), len(value))
	}
}

func (c *Case) allocations(p *problems, t transform.Transformer) {
	values := make([][]byte, 64)
	for i := range values {
		values[i] = []byte(c.Value(i))
	}
	buf, row := make([]byte, 0, 4096), transform.Row{Subject: []byte("person")}
	at := 0
	next := func() {
		_, _ = t.Append(buf, values[at%len(values)], row)
		at++
	}
	for range len(values) {
		next()
	}
	if got := testing.AllocsPerRun(256, next); got > c.Allocs {
		p.add("allocates %.0f times for a value, %.0f are expected", got, c.Allocs)
	}
}

// Strange are values that no column should hold, and some does.
func Strange() []string {
	return []string{
		"", " ", "-", "\x00", "a\x00b", "\xff\xfe", "é\xc3", "\xed\xa0\x80", "🙂", "\u202eabc", "名前 太郎", strings.Repeat("a", 1<<20), strings.Repeat("é ", 1<<14), strings.Repeat("1", 1<<16),
		strings.Repeat("a.b@c,", 1<<12), strings.Repeat("-", 1<<20), strings.Repeat("{", 1<<20), "NULL", "null", "{}", "[]", "infinity", "0", "-1", "99999999999999999999999", "1e400", "\n", "a\nb\\c\td\"",
		"2024-02-30", "@", "@@", "a@", "::", "/", "+", "00", "2A", "$2a$", "\\x", "'; DROP TABLE t; --",
	}
}

// strange goes over values that are none: each is replaced or refused, in no more time than its length needs, and no error tells it.
func (c *Case) strange(p *problems, t transform.Transformer) {
	for _, value := range Strange() {
		out, err := t.Append(nil, []byte(value), transform.Row{Subject: []byte("person")})
		switch {
		case errors.Is(err, transform.ErrNull):
		case err != nil:
			if len(value) > 4 && strings.Contains(err.Error(), value) {
				p.add("tells a value in its error")
			}
			if !c.Strict {
				p.add("refuses %.20q: %.200v", value, err)
			}
		case !c.Same || c.Spec.Name != "keep" && c.Spec.Name != "sql":
			c.one(p, value, out)
		}
	}
}

// source is a set of values that a source holds.
type source map[string]bool

// Taken implements transform.Taken.
func (s source) Taken(_ personal.Kind, value []byte) bool { return s[string(value)] }

// full is a source that holds everything.
type full struct{}

// Taken implements transform.Taken.
func (full) Taken(personal.Kind, []byte) bool { return true }

// taken tries a transformer on a source that holds what it would give: it gives something else, and says so when there is nothing else.
func (c *Case) taken(p *problems, key *transform.Key) {
	env := c.env(key)
	free, err := c.make(env)
	if err != nil {
		return
	}
	defer func() { _ = free.Close() }()
	held := source{}
	for i := range 100 {
		out, _ := free.Append(nil, []byte(c.Value(i)), transform.Row{Subject: subject(i)})
		held[string(out)] = true
	}
	env.Taken = held
	wary, err := c.make(env)
	if err != nil {
		p.add("cannot be made for a source that holds something: %v", err)
		return
	}
	defer func() { _ = wary.Close() }()
	for i := range 100 {
		if out, err := wary.Append(nil, []byte(c.Value(i)), transform.Row{Subject: subject(i)}); err == nil && held[string(out)] {
			p.add("gives a value that the source holds")
		}
	}
	env.Taken = full{}
	none, err := c.make(env)
	if err != nil {
		return
	}
	defer func() { _ = none.Close() }()
	if _, err := none.Append(nil, []byte(c.Value(0)), transform.Row{Subject: subject(0)}); err == nil {
		p.add("gives something though the source holds everything")
	}
}
