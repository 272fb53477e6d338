package transform

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/anonymise/names"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// maker is what a transformer is made of. Reading an argument marks it as known; what is left over is an error.
type maker struct {
	args   map[string]any
	used   map[string]bool
	column Column
	family Family
	env    Env
	err    error // the first argument that was wrong
}

func (m *maker) fail(format string, a ...any) {
	if m.err == nil {
		m.err = fmt.Errorf(format, a...)
	}
}

// finish reports arguments that were wrong or that nobody asked for.
func (m *maker) finish(d Description) error {
	if m.err != nil {
		return m.err
	}
	for _, name := range slices.Sorted(maps.Keys(m.args)) {
		if m.used[name] {
			continue
		}
		var known []string
		for _, a := range d.Args {
			known = append(known, a.Name)
		}
		if len(known) == 0 {
			return fmt.Errorf("takes no arguments; remove %q", name)
		}
		return fmt.Errorf("has no argument %q; it has %s", name, strings.Join(known, ", "))
	}
	return nil
}

func (m *maker) get(name string) (any, bool) {
	m.used[name] = true
	v, ok := m.args[name]
	return v, ok && v != nil
}

// text reads an argument that is one of some words; none given: any text.
func (m *maker) text(name, otherwise string, allowed ...string) string {
	v, ok := m.get(name)
	if !ok {
		return otherwise
	}
	s, ok := v.(string)
	switch {
	case !ok:
		m.fail("argument %q must be text", name)
	case len(allowed) > 0 && !slices.Contains(allowed, s):
		m.fail("argument %q is %q; it may be %s", name, s, strings.Join(allowed, ", "))
	}
	return s
}

// integer reads a whole number between two bounds.
func (m *maker) integer(name string, otherwise, least, most int64) int64 {
	v, ok := m.get(name)
	if !ok {
		return otherwise
	}
	var n int64
	switch v := v.(type) {
	case int:
		n = int64(v)
	case int64:
		n = v
	default:
		m.fail("argument %q must be a whole number", name)
		return otherwise
	}
	if n < least || n > most {
		m.fail("argument %q is %d; it may be %d to %d", name, n, least, most)
	}
	return n
}

// flag reads a truth value.
func (m *maker) flag(name string) bool {
	v, ok := m.get(name)
	if !ok {
		return false
	}
	b, ok := v.(bool)
	if !ok {
		m.fail("argument %q must be true or false", name)
	}
	return b
}

// language reads from whose lists to draw.
func (m *maker) language() *names.Lists {
	s := m.text("language", "")
	if s == "" {
		return names.Of(m.env.Language)
	}
	l, err := names.Parse(s)
	if err != nil {
		m.fail("argument \"language\": %w", err)
	}
	return names.Of(l)
}

// country reads whose numbers are meant where they do not say so.
func (m *maker) country() string {
	s := strings.ToUpper(m.text("country", m.env.Country))
	if s == "" {
		lang := m.env.Language
		if lang == "" {
			lang = names.FrenchFrance
		}
		s = string(lang[len(lang)-2:])
	}
	if len(s) != 2 {
		m.fail("argument \"country\" is %q; it is two letters, such as BE", s)
		return "FR"
	}
	return s
}

// wide reports whether the large range is needed that serves unique columns.
func (m *maker) wide() bool { return m.flag("unique") || m.column.Unique }

// taken reports whether the source holds a value, as one of the kinds.
func (m *maker) taken(kinds ...personal.Kind) func([]byte) bool {
	held := m.env.Taken
	return func(value []byte) bool {
		if held == nil {
			return false
		}
		for _, k := range kinds {
			if held.Taken(k, value) {
				return true
			}
		}
		return false
	}
}

// leaks is taken for replacements that may look like values of other kinds: the account in an IBAN like a phone number, a user name like the name of a person.
func (m *maker) leaks(kind personal.Kind) func([]byte) bool {
	taken, leaks := m.taken(kind), m.env.Leaks
	if leaks == nil {
		return taken
	}
	return func(value []byte) bool { return taken(value) || leaks(value) }
}

// limit is how many letters fit; a value without limit has room for more than any replacement.
func (m *maker) limit() int {
	if m.column.Length > 0 {
		return m.column.Length
	}
	return 1 << 20
}

var (
	argLanguage = Argument{Name: "language", Words: Words{"listes de noms et de lieux : fr-BE, fr-FR, nl-BE, nl-NL, de, en ; à défaut, celles du plan", "lists of names and places: fr-BE, fr-FR, nl-BE, nl-NL, de, en; those of the plan otherwise"}}
	argCountry  = Argument{Name: "country", Words: Words{"pays des numéros écrits sans indicatif ; à défaut, celui du plan", "country of numbers written without a country code; that of the plan otherwise"}}
	argUnique   = Argument{Name: "unique", Default: "false", Words: Words{"prendre la grande plage, pour s’accorder avec une colonne unique", "draw from the large range, to agree with a unique column"}}
)
