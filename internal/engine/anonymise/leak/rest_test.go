package leak

import (
	"encoding/base64"
	"math/rand/v2"
	"testing"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
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

// What hopeless throws away sniff would have called noise.
func TestHopelessIsNoise(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2))
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	thrown := 0
	for range 1_000_000 {
		run := make([]byte, 16)
		for i := range run {
			run[i] = alphabet[dice.IntN(64)]
			if dice.IntN(3) == 0 {
				run[i] = "AAgBHC"[dice.IntN(6)] // zeros, and what files begin with
			}
		}
		if hopeless(run) {
			thrown++
			if looks := sniff(appendBase64(nil, run, 16)); looks != noise {
				t.Fatalf("%s looks like %d", run, looks)
			}
		}
	}
	for _, s := range []string{"é à la", "plain text", "\xff\xfea\x00b\x00", "a\x00b\x00c\x00", "\x00a\x00b\x00c", "\x1f\x8b\x08\x00", "x\x9c\x01", "\x18\x19\x00", "PK\x03\x04", "\n\r\t "} {
		if run := base64.StdEncoding.EncodeToString([]byte(s + "123456")); hopeless([]byte(run)) {
			t.Errorf("%q is thrown away", s)
		}
	}
	if thrown < 100_000 {
		t.Errorf("only %d of a million were thrown away", thrown)
	}
}

// A value that is scanned again is found again, and one that is clean stays so only until a row has it as its own.
func TestShortValuesAreScannedAgain(t *testing.T) {
	set := build(t, func(a *seen.Adder) {
		a.Add(personal.GivenName, []byte("Élodie"))
		a.Add(personal.Email, []byte("elodie.dupont@firm.be"))
	})
	s := begin(t, set, nil).Scanner()
	f := &Field{"t", "c", Text}
	for range 3 {
		s.Row(1)
		s.Value(f, []byte("elodie.dupont@firm.be"))
		s.Value(f, []byte("offen"))
		s.Value(f, []byte("Élodie"))
	}
	hits := func() (strict, own int) {
		for k, p := range s.hits {
			if k.own {
				own += p.count
			} else {
				strict += p.count
			}
		}
		return strict, own
	}
	strict, own := hits()
	if strict == 0 || strict%3 != 0 || own != 0 || s.weak != 6 || s.values != 9 {
		t.Errorf("three times the same: %d hits, %d own ones, %d weak, %d values", strict, own, s.weak, s.values)
	}
	s.Own(personal.GivenName, []byte("offen"))
	s.Value(f, []byte("offen"))
	if _, own := hits(); own != 1 {
		t.Errorf("a value that is the row's own is found %d times", own)
	}
}
