package plan

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/names"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
)

// maker tries transformers on columns and remembers what fits.
type maker struct {
	env   transform.Env
	tried map[string]error
}

func newMaker(language, country string) *maker {
	env := trial()
	env.Language, env.Country = names.Language(language), country
	return &maker{env: env, tried: map[string]error{}}
}

// fits says why a transformer does not fit a column, nil when it does.
func (m *maker) fits(s transform.Spec, t *catalog.Table, c *catalog.Column, k personal.Kind) error {
	target := Target(t, c, k)
	if err := m.fitsColumn(s, target); err != nil {
		return err
	}
	if c.Excluded && !slices.Contains([]string{"keep", "rekey", "hash", "sql"}, s.Name) && (s.Name != "suppress" || c.NotNull) {
		return errors.New("the column stands in an exclusion constraint, which the replacement may break; take keep, rekey, hash or sql")
	}
	return nil
}

func (m *maker) fitsColumn(s transform.Spec, target transform.Column) error {
	target.Name = ""
	key := fmt.Sprintf("%s\x00%+v", value(s), target)
	err, ok := m.tried[key]
	if !ok {
		err = m.try(s, target)
		m.tried[key] = err
	}
	return err
}

func (m *maker) try(s transform.Spec, target transform.Column) error {
	if s.Name == "subprocess" { // which New would start
		if wrong := subprocessArguments(s); wrong != "" {
			return errors.New(wrong)
		}
		d := descriptions()[s.Name]
		if f := transform.FamilyOf(target.Type); !slices.Contains(d.Fits, f) && len(target.Labels) == 0 {
			return fmt.Errorf("does not fit type %s", target.Type)
		}
		return nil
	}
	made, err := transform.New(s, target, m.env)
	if err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), fmt.Sprintf(": transformer %q: ", s.Name)))
	}
	return made.Close()
}

// candidates are the transformers that may serve a kind, the best first. subject tells that rows name the person they speak of.
func candidates(k personal.Kind, f transform.Family, subject bool) []transform.Spec {
	type s = transform.Spec
	args := func(name string, a map[string]any) s { return s{Name: name, Args: a} }
	var out []s
	switch k {
	case personal.None:
		return []s{{Name: "keep"}}
	case personal.BirthDate:
		switch f {
		case transform.Integer, transform.Number:
			out = []s{args("generalise", map[string]any{"band": 10})}
		case transform.Text:
			out = []s{{Name: "date_shift"}}
		default:
			out = []s{args("generalise", map[string]any{"to": "year"})}
		}
	case personal.Postcode, personal.Town:
		if subject { // drawn for the person, it says nothing of where they live
			out = append(out, args(defaults()[k].Name, map[string]any{"by": "subject"}))
		}
		out = append(out, defaults()[k])
	case personal.Sex, personal.Special, personal.Text, personal.File:
		out = []s{defaults()[k]}
		switch {
		case (k == personal.Text || k == personal.File) && f == transform.Text:
			out = append(out, s{Name: "hash"})
		case k == personal.File && f == transform.Bytes: // in a key
			out = append(out, s{Name: "credential"})
		}
		return append(out, s{Name: "suppress"})
	default:
		out = append(out, defaults()[k])
	}
	return append(out, s{Name: "hash"}, s{Name: "credential"}, s{Name: "suppress"})
}

// choose finds the transformer for a kind in a column; false when there is none.
func (m *maker) choose(t *catalog.Table, c *catalog.Column, k personal.Kind, subject bool) (transform.Spec, bool) {
	for _, s := range candidates(k, transform.FamilyOf(c.Type), subject) {
		if s.Name == "suppress" && c.NotNull {
			if allowed := literals(c.Checks); len(allowed) > 0 { // the empty text is none of them
				s = transform.Spec{Name: "constant", Args: map[string]any{"value": allowed[0]}}
			}
		}
		if m.fits(s, t, c, k) == nil {
			return s, true
		}
	}
	return transform.Spec{Name: "suppress"}, false
}

// chooseFor finds one transformer for columns that must agree, of which some are unique.
func (m *maker) chooseFor(nodes []node, k personal.Kind) (transform.Spec, bool) {
	for _, s := range candidates(k, transform.FamilyOf(nodes[0].column().Type), false) {
		d := descriptions()[s.Name]
		if slices.ContainsFunc(d.Args, func(a transform.Argument) bool { return a.Name == "unique" }) {
			s = transform.Spec{Name: s.Name, Args: map[string]any{"unique": true}}
		}
		if d.Unique && m.fitsAll(s, nodes, k) {
			return s, true
		}
	}
	return transform.Spec{}, false
}

func (m *maker) fitsAll(s transform.Spec, nodes []node, k personal.Kind) bool {
	return !slices.ContainsFunc(nodes, func(n node) bool { return m.fits(s, n.t.src, n.column(), k) != nil })
}

var quoted = regexp.MustCompile(`'((?:[^']|'')*)'`)

// literals lists the values that a check allows, when it lists them.
func literals(checks []string) []string {
	for _, c := range checks {
		if !strings.Contains(c, "= ANY (") {
			continue
		}
		var out []string
		for _, m := range quoted.FindAllStringSubmatch(c, -1) {
			out = append(out, strings.ReplaceAll(m[1], "''", "'"))
		}
		return out
	}
	return nil
}
