package words

import (
	"slices"
	"strings"
	"testing"
)

func TestOf(t *testing.T) {
	got := OfEntry("019ac3d1-7c1b-7d2e-9f00-0123456789AB", "Créé à la demande de l’école : ticket n° 42-B", "req_7", map[string]any{"table": "public.person", "rows": 12.0, "names": []any{"Émile", nil, true}, "in": map[string]any{"deep": "x"}})
	want := strings.Fields("019ac3d1-7c1b-7d2e-9f00-0123456789ab 456789ab 12 42 7 a b cree de deep demande ecole emile in l la n names person public req rows table ticket x")
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := Of(strings.Repeat("é", 500)); len(got) != 1 || len(got[0]) != longest {
		t.Errorf("a long word is %q", got)
	}
	var many strings.Builder
	for i := range 2000 {
		many.WriteString(strings.Repeat("x", 1+i/40) + string(rune('a'+i%26)) + " ")
	}
	if got := Of(many.String()); len(got) > mostOf {
		t.Errorf("%d words", len(got))
	}
}

func TestQuery(t *testing.T) {
	for asked, want := range map[string]string{
		"École Ticket":                         "'ecole' & 'ticket'",
		"019ac3d1-7c1b-7d2e-9f00-0123456789AB": "'019ac3d1-7c1b-7d2e-9f00-0123456789ab'",
		"fact*":                                "'fact':*",
		"n°42 inv*":                            "'42' & 'n' & 'inv':*",
		"' | ! ( ) : & * \\":                   "",
		"a'b\\c":                               "'a' & 'b' & 'c'",
	} {
		if got := Ask(asked).Query(); got != want {
			t.Errorf("%q: %s, want %s", asked, got, want)
		}
	}
	list := Of("Facture de l’école, ticket 42")
	for asked, want := range map[string]bool{"facture": true, "fact": false, "fact*": true, "ecole 42": true, "école 43": false, "z*": false, "FACTURE tick*": true} {
		if got := Ask(asked).In(list); got != want {
			t.Errorf("%q: %t", asked, got)
		}
	}
	if !Ask(" * ").None() || Ask("a").None() {
		t.Error("no words are some, or some none")
	}
}

// Whatever is typed, the query holds no sign that could mean something to PostgreSQL but those put there, and what was found by a text is found by each of its words.
func FuzzQuery(f *testing.F) {
	f.Add("l’école 42*")
	f.Add("019ac3d1-7c1b-7d2e-9f00-0123456789ab")
	f.Fuzz(func(t *testing.T, s string) {
		q := Ask(s).Query()
		for part := range strings.SplitSeq(q, " & ") {
			body := strings.TrimSuffix(part, ":*")
			if q != "" && (len(body) < 3 || body[0] != '\'' || body[len(body)-1] != '\'' || strings.ContainsAny(body[1:len(body)-1], "'\\\x00:&|!()<> ")) {
				t.Errorf("%q asks %q", s, q)
			}
		}
		if s = strings.ReplaceAll(s, "*", " "); len(strings.Fields(s)) < mostAsked && len(Of(s)) < mostAsked && !Ask(s).In(Of(s)) {
			t.Errorf("%q is not found in itself: %q in %q", s, Ask(s).Query(), Of(s))
		}
	})
}
