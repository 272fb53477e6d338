package leak

import (
	"testing"

	"github.com/garant-project/garant/internal/engine/anonymise/seen"
)

func planted(t testing.TB, rounds int) ([]Canary, *seen.Set) {
	t.Helper()
	canaries, err := Canaries([]byte("a key of this test"), rounds)
	if err != nil {
		t.Fatal(err)
	}
	return canaries, build(t, func(a *seen.Adder) {
		for _, c := range canaries {
			if r := a.Add(c.Kind, []byte(c.Value)); r != seen.Usable {
				t.Errorf("canary %s is %s", c.Kind, r)
			}
		}
	})
}

// Every canary is found; one that was not scanned is missing, and then the report has not passed.
func TestCanaries(t *testing.T) {
	canaries, set := planted(t, 2)
	fields := map[Type]*Field{}
	for typ := Text; typ <= Bytea; typ++ {
		fields[typ] = &Field{"t", "c", typ}
	}
	for without := -1; without < len(canaries); without += 97 {
		scan := begin(t, set, canaries)
		s := scan.Scanner()
		for i, c := range canaries {
			s.Row(uint64(i))
			if i != without {
				s.Value(fields[c.Type], c.Text)
			}
		}
		r := scan.Report()
		if len(r.Hits) > 0 || len(r.NotScanned) > 0 {
			t.Errorf("%+v", r)
		}
		if without < 0 {
			if !r.Passed() || r.Recall.Found != len(canaries) {
				t.Errorf("%d of %d: %v", r.Recall.Found, len(canaries), r.Recall.Missing)
			}
			t.Logf("%d canaries", len(canaries))
		} else if r.Passed() || len(r.Recall.Missing) != 1 || r.Recall.Missing[0] != (Lost{canaries[without].Kind, canaries[without].Encoding}) {
			t.Errorf("without %d: %+v", without, r.Recall)
		}
	}
	scan := begin(t, set, nil)
	scan.Scanner().Value(fields[Text], []byte("nothing"))
	if scan.Report().Passed() {
		t.Error("a scan without canaries has passed")
	}
	if _, err := New(build(t, func(*seen.Adder) {}), canaries, DefaultLimits()); err == nil {
		t.Error("canaries that are not in the set are taken")
	}
}
