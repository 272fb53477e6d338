package ui

import (
	"net/url"
	"strings"
	"testing"
)

// Whatever a stranger asks for, the language switch stays on the site.
func FuzzSwitch(f *testing.F) {
	for _, s := range []string{"/", "/checks?state=met&lang=fr", "//evil.example", `/\evil.example`, "/%2F/evil", "https://evil.example/", "/a?lang=%zz", "/\t/evil", "*", "/?\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		for _, l := range (&Page{Path: path, Lang: "fr"}).Switch() {
			if !strings.HasPrefix(l.Href, "/") || strings.HasPrefix(l.Href, "//") || strings.ContainsAny(l.Href, "\\\t\r\n \"<>") {
				t.Errorf("%q leads to %q", path, l.Href)
			}
			u, err := url.ParseRequestURI(l.Href)
			if err != nil || u.Host != "" || u.Query().Get("lang") != l.Lang {
				t.Errorf("%q leads to %q (%v)", path, l.Href, err)
			}
		}
	})
}

// Setting text twice is setting it once, and keeps every letter.
func FuzzTypeset(f *testing.F) {
	for _, s := range []string{"Quoi ?", "« a » : b", "l'eau", "a'b'c'd'e", " ;", "«", "a\u00a0\u202f!"} {
		f.Add(s)
	}
	letters := func(s string) string {
		return strings.NewReplacer(" ", "", nbsp, "", narrow, "", "’", "'").Replace(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := Typeset("fr", s)
		if twice := Typeset("fr", once); twice != once {
			t.Errorf("%q: once %q, twice %q", s, once, twice)
		}
		if letters(once) != letters(s) {
			t.Errorf("%q became %q", s, once)
		}
	})
}
