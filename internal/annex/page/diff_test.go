package page

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDifference(t *testing.T) {
	for _, tt := range []struct {
		before, after, want string
	}{
		{"", "", ""},
		{"Une phrase.", "Une phrase.", "Une phrase."},
		{"", "Une phrase.", "+Une phrase.+"},
		{"Une phrase.", "", "-Une phrase.-"},
		{"Copies gardées 14 jours ici.", "Copies gardées 1 an ici.", "Copies gardées -14 jours -+1 an +ici."},
		{"a b c d", "a c d e", "a -b -c -d-+d e+"}, // a word with the space after it is another than the last word
		{"un deux trois", "quatre cinq", "-un deux trois-+quatre cinq+"},
		{"été\u202f: là", "été\u202f: ici", "été\u202f: -là-+ici+"},
	} {
		var got strings.Builder
		for _, p := range difference(tt.before, tt.after) {
			mark := map[op]string{removed: "-", added: "+"}[p.Op]
			got.WriteString(mark + p.Text + mark)
		}
		if diff := cmp.Diff(tt.want, got.String()); diff != "" {
			t.Error(diff)
		}
	}
}

// Whatever two texts are, what was and what is can be read from their difference, and no length
// makes it slow.
func FuzzDifference(f *testing.F) {
	f.Add("a b", "b a")
	f.Add(strings.Repeat("x ", 5000), strings.Repeat("y ", 5000))
	f.Fuzz(func(t *testing.T, a, b string) {
		var before, after strings.Builder
		for _, p := range difference(a, b) {
			if p.Op != added {
				before.WriteString(p.Text)
			}
			if p.Op != removed {
				after.WriteString(p.Text)
			}
			if p.Text == "" {
				t.Error("an empty part")
			}
		}
		if before.String() != a || after.String() != b {
			t.Errorf("%q and %q became %q and %q", a, b, before.String(), after.String())
		}
	})
}
