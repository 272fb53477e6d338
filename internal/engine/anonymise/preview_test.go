package anonymise

import (
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/engine/anonymise/names"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/plan"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
)

// Every kind has a sample in every language, in a column of text, that its own transformer replaces by another value or by nothing.
func TestPreviewOfKinds(t *testing.T) {
	for _, l := range names.Languages() {
		v := newPreviewer(&plan.Plan{Language: string(l)})
		for _, kind := range personal.Kinds() {
			spec := transform.For(kind)
			c := plan.Column{Name: "c", Type: "text", Kind: kind, Class: kind.Class(), Transform: spec}
			if kind == personal.BirthDate {
				c.Type = "date"
			}
			list := v.column(&c)
			if len(list) == 0 {
				t.Errorf("%s: nothing is shown of %s by %s", l, kind, spec.Name)
			}
			for _, s := range list {
				if !s.Null && s.Before == s.After {
					t.Errorf("%s: %s by %s: %q stays", l, kind, spec.Name, s.Before)
				}
			}
		}
		v.close()
	}
}

// Types with modifiers, arrays, documents; and nothing where only the server or a program of the run could tell.
func TestPreviewOfTypes(t *testing.T) {
	v := newPreviewer(&plan.Plan{Language: "fr-BE", Country: "BE"})
	defer v.close()
	spec := func(name string, args ...any) transform.Spec {
		s := transform.Spec{Name: name, Args: map[string]any{}}
		for i := 0; i < len(args); i += 2 {
			s.Args[args[i].(string)] = args[i+1]
		}
		return s
	}
	for _, c := range []struct {
		typ  string
		kind personal.Kind
		spec transform.Spec
		want func(Sample) bool
	}{
		{"character varying(12)", personal.FamilyName, spec("family_name"), func(s Sample) bool { return len([]rune(s.After)) <= 12 && s.After != "" }},
		{"numeric(10,2)", personal.None, spec("generalise", "digits", 2), func(s Sample) bool { return strings.HasPrefix(s.After, "12") || strings.HasPrefix(s.After, "87") }},
		{"timestamp(3) with time zone", personal.None, spec("generalise", "to", "day"), func(s Sample) bool { return strings.HasPrefix(s.After, "2026-03-14 00:00") }},
		{"bigint", personal.None, spec("rekey"), func(s Sample) bool { return s.After != "" && s.After != s.Before }},
		{"uuid", personal.None, spec("rekey"), func(s Sample) bool { return len(s.After) == 36 && s.After != s.Before }},
		{"text[]", personal.Email, spec("email"), func(s Sample) bool {
			return strings.HasPrefix(s.After, "{") && strings.Count(s.After, "@") == 2 && !strings.Contains(s.After, "mail.example")
		}},
		{"date", personal.BirthDate, spec("generalise", "to", "decade"), func(s Sample) bool { return strings.HasSuffix(s.After, "0-01-01") }},
		{"bytea", personal.File, spec("suppress"), func(s Sample) bool { return s.Null }},
		{"inet", personal.IP, spec("ip"), func(s Sample) bool { return s.After != s.Before }},
	} {
		column := plan.Column{Name: "c", Type: c.typ, Kind: c.kind, Transform: c.spec}
		list := v.column(&column)
		if len(list) == 0 {
			t.Errorf("nothing is shown of %s by %s", c.typ, c.spec.Name)
		}
		for _, s := range list {
			if !c.want(s) {
				t.Errorf("%s by %s: %+v", c.typ, c.spec.Name, s)
			}
		}
	}
	for _, c := range []plan.Column{
		{Name: "c", Type: "text", Transform: spec("sql", "expression", "upper(c)")},
		{Name: "c", Type: "text", Transform: spec("subprocess", "command", []any{"/bin/false"})},
		{Name: "c", Type: "date", Kind: personal.Email, Transform: spec("email")},
		{Name: "c", Type: "tsrange", Transform: spec("suppress")},
	} {
		if list := v.column(&c); len(list) > 0 {
			t.Errorf("%s of %s shows %+v", c.Transform.Name, c.Type, list)
		}
	}
}

// A sentence is shown with the name and the number of its replaced, in one step with their own columns.
func TestPreviewOfSentences(t *testing.T) {
	v := newPreviewer(&plan.Plan{Language: "fr-FR"})
	defer v.close()
	name := v.column(&plan.Column{Name: "n", Type: "text", Kind: personal.FullName, Transform: transform.For(personal.FullName)})[0]
	note := v.column(&plan.Column{Name: "t", Type: "text", Kind: personal.Text, Transform: transform.For(personal.Text)})[0]
	if !strings.Contains(note.Before, name.Before) || strings.Contains(note.After, name.Before) || !strings.Contains(note.After, name.After) || !strings.HasPrefix(note.After, "Rappeler ") {
		t.Errorf("%+v becomes %+v", name, note)
	}
}

// The paths of documents are shown each by itself, however they are written.
func TestPreviewOfDocuments(t *testing.T) {
	v := newPreviewer(&plan.Plan{Language: "en-GB"})
	defer v.close()
	c := plan.Column{Name: "doc", Type: "jsonb", Kind: personal.Text, Transform: transform.Spec{Name: "json"}}
	for path, kind := range map[string]personal.Kind{
		"phone": personal.Phone, "contact.emails[].address": personal.Email, `"a.b"."c\"d".x`: personal.FullName, "*": personal.Town, "$": personal.FamilyName, "[][].who": personal.GivenName, "list[]": personal.IBAN,
	} {
		list := v.path(&c, path, kind, transform.For(kind))
		if len(list) == 0 {
			t.Errorf("nothing is shown of %s", path)
		}
		for _, s := range list {
			if s.Before == s.After || s.After == "" || strings.ContainsAny(s.After, "{[") {
				t.Errorf("%s: %+v", path, s)
			}
		}
	}
	if list := v.path(&c, "gone", personal.Special, transform.Spec{Name: "suppress"}); len(list) != 1 || !list[0].Null {
		t.Errorf("%+v", list)
	}
	for _, bad := range []string{"", "a..b", `"open`} {
		if list := v.path(&c, bad, personal.Phone, transform.For(personal.Phone)); len(list) > 0 && bad != "" {
			t.Errorf("%q shows %+v", bad, list)
		}
	}
}
