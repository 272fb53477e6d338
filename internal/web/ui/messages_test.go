package ui

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestNewMessagesRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		extra []map[string][]byte
		want  string
	}{
		"one language only":   {[]map[string][]byte{{"fr": []byte("a.b: x")}}, "a.b has words in fr and none in en"},
		"the other only":      {[]map[string][]byte{{"en": []byte("a.b: x")}}, "a.b has words in en and none in fr"},
		"two texts":           {[]map[string][]byte{{"fr": []byte("a: x"), "en": []byte("a: x")}, {"fr": []byte("a: y"), "en": []byte("a: x")}}, "a has two texts"},
		"a text of ours":      {[]map[string][]byte{{"fr": []byte("ui.now: x"), "en": []byte("ui.now: just now")}}, "ui.now has two texts"},
		"twice in a file":     {[]map[string][]byte{{"fr": []byte("a: x\na: y"), "en": []byte("a: x")}}, "a comes twice"},
		"empty":               {[]map[string][]byte{{"fr": []byte("a: ''"), "en": []byte("a: x")}}, "a is empty"},
		"an empty form":       {[]map[string][]byte{{"fr": []byte("a: {one: '', other: x}"), "en": []byte("a: x")}}, "a lacks a form"},
		"not YAML":            {[]map[string][]byte{{"fr": []byte("a: [")}}, "words in fr"},
		"a list":              {[]map[string][]byte{{"fr": []byte("a: [x]"), "en": []byte("a: x")}}, "ids and texts are expected"},
		"a plural in one":     {[]map[string][]byte{{"fr": []byte("a: x"), "en": []byte("a: {one: x, other: y}")}}, "a has plural forms in one"},
		"an unknown language": {[]map[string][]byte{{"de": []byte("a: x")}}, `words in "de"`},
	} {
		m, err := NewMessages(c.extra...)
		if err == nil || m != nil {
			t.Errorf("%s: was taken", name)
			continue
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %q does not say %q", name, err, c.want)
		}
	}
}

func TestMessagesTakeExtras(t *testing.T) {
	same := map[string][]byte{"fr": []byte("x: {a: \"Oui ?\"}\nn: {one: '{Count} clé', other: '{Count} clés'}"), "en": []byte("x.a: Yes?\nn: {one: '{Count} key', other: '{Count} keys'}")}
	m, err := NewMessages(same, same, nil, map[string][]byte{"fr": nil})
	if err != nil {
		t.Fatal(err)
	}
	fr, en := m.For("fr", nil), m.For("en", nil)
	for _, c := range []struct{ got, want string }{
		{fr.T("x.a"), "Oui\u202f?"},
		{en.T("x.a"), "Yes?"},
		{fr.T("n", "Count", 0), "0 clé"},
		{fr.T("n", "Count", 1), "1 clé"},
		{fr.T("n", "Count", 2), "2 clés"},
		{fr.T("n", "Count", int64(1_000_000)), "1\u202f000\u202f000 clés"},
		{en.T("n", "Count", 0), "0 keys"},
		{en.T("n", "Count", 1), "1 key"},
		{en.T("n", map[string]any{"Count": 2}), "2 keys"},
		{en.T("n"), "⟦n Count⟧"},
		{en.T("n", "Count", "many"), "⟦n Count⟧"},
		{en.T("none"), "⟦none⟧"},
		{en.T("ui.ago"), "⟦Span⟧ ago"},
		{en.T("ui.ago", "Span", []string{"a", "b"}), "a and b ago"},
		{en.T("ui.ago", "Span", 90*time.Second), "90\u00a0seconds ago"},
		{en.T("ui.ago", "Span", 1.5), "1.5 ago"},
		{en.T("ui.ago", "Span", NotMet), "not_met ago"},
		{en.T("ui.ago", "Span", time.Date(2026, 3, 1, 9, 5, 0, 0, time.UTC)), "1\u00a0March 2026, 09:05 ago"},
		{m.For("xx", nil).Lang(), "fr"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
	if !m.Has("x.a") || m.Has("x") || m.Has("none") {
		t.Error("Has does not tell what there is")
	}
}

func TestTypeset(t *testing.T) {
	for in, want := range map[string]string{
		"Quoi ? Non !":            "Quoi\u202f? Non\u202f!",
		"a : « b » ; 5 %":         "a\u202f: «\u202fb\u202f»\u202f; 5\u202f%",
		"déjà\u00a0: «\u00a0b »":  "déjà\u202f: «\u202fb\u202f»",
		"l'annexe d'aujourd'hui":  "l’annexe d’aujourd’hui",
		"https://x.example/?a=1":  "https://x.example/?a=1",
		"« b »":                   "«\u202fb\u202f»",
		"«b»":                     "«\u202fb»",
		"rien":                    "rien",
		"":                        "",
		"Set 'x' to 1; go (12:5)": "Set 'x' to 1; go (12:5)",
	} {
		got := Typeset("fr", in)
		if got != want {
			t.Errorf("Typeset(%q) = %q, want %q", in, got, want)
		}
		if again := Typeset("fr", got); again != got {
			t.Errorf("Typeset is not idempotent: %q, then %q", got, again)
		}
	}
	if got := Typeset("en", "don't : « x »"); got != "don’t : « x »" {
		t.Errorf("English was set as French: %q", got)
	}
}

// badFrench finds what French typography does not allow: a straight apostrophe, a high sign
// without its narrow space, guillemets without theirs.
var badFrench = regexp.MustCompile(`\pL'\pL|[^\x{202f}\s][;!?%»]|[^\x{202f}\pN\s]:(?:\s|$)|[ \x{00a0}][;:!?%»]|«[^\x{202f}]|\.\.\.`)

func TestFrenchTypography(t *testing.T) {
	for _, bad := range []string{"l'eau", "Quoi?", "Quoi ?", "Quoi\u00a0?", "« a", "a »", "a:", "a : b", "5%", "et..."} {
		if !badFrench.MatchString(bad) {
			t.Errorf("%q passes for good typography", bad)
		}
	}
	m := messages(t)
	for id, msg := range m.sets["fr"] {
		for _, s := range []string{msg.one, msg.other} {
			if at := badFrench.FindString(s); at != "" {
				t.Errorf("%s: %q in %q", id, at, s)
			}
		}
	}
	for id, msg := range m.sets["en"] {
		for _, s := range []string{msg.one, msg.other} {
			if strings.ContainsAny(s, "\u202f«»") || regexp.MustCompile(`\pL'\pL|\s[;:!?%]`).MatchString(s) {
				t.Errorf("%s is set in the French manner, or with a straight apostrophe: %q", id, s)
			}
		}
	}
}

// Every message is whole: no stray braces, no placeholder that the other form of a plural or the
// other language does not know.
func TestOwnPlaceholders(t *testing.T) {
	m := messages(t)
	names := func(s string) string { return strings.Join(placeholder.FindAllString(s, -1), " ") }
	for id, fr := range m.sets["fr"] {
		en := m.sets["en"][id]
		if len(names(fr.other)) != len(names(en.other)) {
			t.Errorf("%s fills in %q in French and %q in English", id, names(fr.other), names(en.other))
		}
		for _, s := range []string{fr.one, fr.other, en.one, en.other} {
			if rest := placeholder.ReplaceAllString(s, ""); strings.ContainsAny(rest, "{}") {
				t.Errorf("%s has braces that are no placeholder: %q", id, s)
			}
		}
	}
	if len(m.IDs()) < 80 {
		t.Errorf("only %d messages", len(m.IDs()))
	}
}
