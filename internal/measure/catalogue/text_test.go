package catalogue

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/garant-project/garant/internal/errs"
)

func TestParseText(t *testing.T) {
	for in, want := range map[string]Text{
		"Plain.":     {{Text: "Plain."}},
		"{a}":        {{Name: "a"}},
		"{a}{b.c_1}": {{Name: "a"}, {Name: "b.c_1"}},
		"Kept {backup.retention} long.": {
			{Text: "Kept "}, {Name: "backup.retention"}, {Text: " long."}},
		"Sur {n|suite de chiffrement|suites de chiffrement}.": {
			{Text: "Sur "}, {Name: "n", One: "suite de chiffrement", Many: "suites de chiffrement"}, {Text: "."}},
		"A bar | outside is a bar.": {{Text: "A bar | outside is a bar."}},
		"Une base {a.b?anonymisée|pseudonymisée}.": {
			{Text: "Une base "}, {Name: "a.b", Proven: "anonymisée", Else: "pseudonymisée"}, {Text: "."}},
		"Who knows {n|one?|many?}?": {{Text: "Who knows "}, {Name: "n", One: "one?", Many: "many?"}, {Text: "?"}},
	} {
		got, err := ParseText(in)
		if err != nil {
			t.Errorf("%q: %v", in, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", in, diff)
		}
		if got.String() != in {
			t.Errorf("%q is written back as %q", in, got.String())
		}
	}
}

func TestParseTextRefuses(t *testing.T) {
	for in, id := range map[string]string{
		"":                        "catalogue.text_empty",
		" \t ":                    "catalogue.text_empty",
		strings.Repeat("é", 2001): "catalogue.text_long",
		"a\xffb":                  "catalogue.text_encoding",
		"two\nlines":              "catalogue.text_invisible",
		"a\tb":                    "catalogue.text_invisible",
		"zero\u200bwidth":         "catalogue.text_invisible",
		"right\u202eto left":      "catalogue.text_invisible",
		"line\u2028break":         "catalogue.text_invisible",
		"open {a":                 "catalogue.text_brace",
		"open {":                  "catalogue.text_brace",
		"close }":                 "catalogue.text_brace",
		"{a}}":                    "catalogue.text_brace",
		"{a{b}}":                  "catalogue.text_brace",
		"{}":                      "catalogue.text_name",
		"{A}":                     "catalogue.text_name",
		"{a.}":                    "catalogue.text_name",
		"{.a}":                    "catalogue.text_name",
		"{1a}":                    "catalogue.text_name",
		"{a b}":                   "catalogue.text_name",
		"{a }":                    "catalogue.text_name",
		"{|one|many}":             "catalogue.text_name",
		"{a|one}":                 "catalogue.text_placeholder",
		"{a|one|two|many}":        "catalogue.text_placeholder",
		"{a?}":                    "catalogue.text_placeholder",
		"{a?one}":                 "catalogue.text_placeholder",
		"{a?one|two|three}":       "catalogue.text_placeholder",
		"{a?|two}":                "catalogue.text_noun",
		"{a? one|two}":            "catalogue.text_noun",
		"{?one|two}":              "catalogue.text_name",
		"{a||many}":               "catalogue.text_noun",
		"{a|one|}":                "catalogue.text_noun",
		"{a| one|many}":           "catalogue.text_noun",
		"{a|one|many\u202f}":      "catalogue.text_noun",
	} {
		got, err := ParseText(in)
		var e *errs.Error
		if err == nil {
			t.Errorf("%q is read as %v", in, got)
			continue
		}
		if !errors.As(err, &e) {
			t.Errorf("%q: %T", in, err)
			continue
		}
		if e.Kind != errs.Invalid || e.ID != id || e.Fix == "" || got != nil {
			t.Errorf("%q: %+v, want %s", in, e, id)
		}
	}
}

func TestNamesAppearOnce(t *testing.T) {
	text, err := ParseText("{b} {a} {b} {c|x|y}.")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"b", "a", "c"}, text.Names()); diff != "" {
		t.Error(diff)
	}
}

func FuzzParseText(f *testing.F) {
	for _, s := range []string{"Plain.", "{a}", "a {b.c|d|e f} g", "{a|b}", "{", "}", "{}", "a|b", "\u202f:", "{a{b}}", "é{x}\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text, err := ParseText(s)
		if err != nil {
			if !errs.Is(err, errs.Invalid) || text != nil {
				t.Fatalf("%q: %v and %v", s, text, err)
			}
			return
		}
		if text.String() != s {
			t.Fatalf("%q is written back as %q", s, text.String())
		}
		for i, seg := range text {
			switch {
			case seg.Placeholder() && (seg.Text != "" || (seg.One == "") != (seg.Many == "") || !namePattern.MatchString(seg.Name)):
				t.Fatalf("%q: a bad placeholder %+v", s, seg)
			case !seg.Placeholder() && (seg.Text == "" || strings.ContainsAny(seg.Text, "{}") || seg.One+seg.Many != ""):
				t.Fatalf("%q: a bad literal %+v", s, seg)
			case i > 0 && !seg.Placeholder() && !text[i-1].Placeholder():
				t.Fatalf("%q: two literals follow each other", s)
			}
		}
		again, err := ParseText(text.String())
		if err != nil || !cmp.Equal(again, text) {
			t.Fatalf("%q: read again as %v (%v)", s, again, err)
		}
	})
}
