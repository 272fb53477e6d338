package transform

import (
	"regexp"
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/engine/anonymise/names"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// fixedKey is the same in each run of a test.
func fixedKey(b byte) *Key {
	k := new(Key)
	for i := range k.secret {
		k.secret[i] = b + byte(i)
	}
	return k
}

func env() Env { return Env{Key: fixedKey(1), Language: names.FrenchBelgium} }

// text is a column without limits.
func text() Column { return Column{Name: "t.c", Type: "text"} }

func must(t testing.TB, name string, args map[string]any, column Column, env Env) Transformer {
	t.Helper()
	tr, err := New(Spec{name, args}, column, env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

func apply(t testing.TB, tr Transformer, value string) string {
	t.Helper()
	out, err := tr.Append([]byte("before|"), []byte(value), Row{})
	if err != nil {
		t.Fatalf("%q: %v", value, err)
	}
	rest, ok := strings.CutPrefix(string(out), "before|")
	if !ok {
		t.Fatalf("%q: what stood before is gone: %q", value, out)
	}
	return rest
}

// A full name is made of what the columns of its parts hold, in whatever order and writing.
func TestFullNamesAgreeWithTheirParts(t *testing.T) {
	e := env()
	given, family, full := must(t, "given_name", nil, text(), e), must(t, "family_name", nil, text(), e), must(t, "full_name", nil, text(), e)
	for _, c := range []struct{ value, format, given, family string }{
		{"Éric Dupont", "G F", "Éric", "Dupont"},
		{"Dupont Éric", "F G", "Éric", "Dupont"},
		{"DUPONT Éric", "F G", "Éric", "DUPONT"},
		{"M. DUPONT, Éric", "M. F, G", "Éric", "DUPONT"},
		{"Dr Éric Dupont", "Dr G F", "Éric", "Dupont"},
		{"Mme Élodie Lefèvre née Moreau-Petit", "Mme G F née H", "Élodie", "Lefèvre"},
		{"Jean-Pierre Van den Berghe", "G F", "Jean-Pierre", "Van den Berghe"},
		{"Van den Berghe Jean-Pierre", "F G", "Jean-Pierre", "Van den Berghe"},
		{"JEAN-PIERRE VAN DEN BERGHE", "G F", "JEAN-PIERRE", "VAN DEN BERGHE"},
		{"Thomas Robin", "G F", "Thomas", "Robin"},
		{"Marie Claire de la Tour", "G F", "Marie Claire", "de la Tour"},
		{"Qwertz Asdfgh", "G F", "Qwertz", "Asdfgh"},
		{"J. Dupont", "G. F", "J", "Dupont"},
		{"Monsieur Dupont", "Monsieur F", "", "Dupont"},
		{"Éric", "G", "Éric", ""},
		{"Éric Dupont-Martin", "G F", "Éric", "Dupont-Martin"},
		{"Jack Lord", "G F", "Jack", "Lord"},
		{"Éric Dupont Jr", "G F Jr", "Éric", "Dupont"},
		{"Éric Garcia Lopez", "G F", "Éric", "Garcia Lopez"},
	} {
		want := c.format
		want = strings.Replace(want, "H", apply(t, family, "Moreau-Petit"), 1)
		want = regexp.MustCompile(`\bF\b`).ReplaceAllLiteralString(want, apply(t, family, c.family))
		want = regexp.MustCompile(`\bG\b`).ReplaceAllLiteralString(want, apply(t, given, c.given))
		if got := apply(t, full, c.value); got != want {
			t.Errorf("%s becomes %q, its parts become %q", c.value, got, want)
		}
	}
}

// However a name is written, it is the same name.
func TestNamesAreTheSameInAllWritings(t *testing.T) {
	given, family := must(t, "given_name", nil, text(), env()), must(t, "family_name", nil, text(), env())
	for _, tr := range []Transformer{given, family} {
		want := names.Fold(apply(t, tr, "Élodie"))
		for _, other := range []string{"ELODIE", "elodie", "E\u0301lodie", "élodie "} {
			if got := names.Fold(apply(t, tr, other)); got != want {
				t.Errorf("%q becomes %q, Élodie %q", other, got, want)
			}
		}
	}
	if a, b := names.Fold(apply(t, family, "Van den Berghe")), names.Fold(apply(t, family, "vandenberghe")); a != b {
		t.Errorf("Van den Berghe becomes %q, vandenberghe %q", a, b)
	}
	for value, want := range map[string]string{"MARTIN": `^[^a-zà-ÿ]+$`, "martin": `^[^A-ZÀ-Ý]+$`, "Martin": `^\p{Lu}\p{Ll}+`, "Jean-Luc": `^\p{Lu}\p{Ll}+-\p{Lu}\p{Ll}+$`, "": `^$`, "-": `^-$`} {
		if got := apply(t, given, value); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%q becomes %q", value, got)
		}
	}
}

// The sex that a given name tells is that of its replacement.
func TestSexIsKept(t *testing.T) {
	given := must(t, "given_name", map[string]any{"language": "nl"}, text(), env())
	for _, name := range names.Of(names.German).Female {
		if names.SexOf([]byte(names.Fold(name))) == names.Female && names.SexOf([]byte(names.Fold(apply(t, given, name)))) == names.Male {
			t.Errorf("%s becomes %s", name, apply(t, given, name))
		}
	}
}

// set is what a source holds.
type set map[personal.Kind]map[string]bool

func (s set) Taken(k personal.Kind, value []byte) bool { return s[k][names.Fold(string(value))] }
func (s set) add(k personal.Kind, values ...string) {
	if s[k] == nil {
		s[k] = map[string]bool{}
	}
	for _, v := range values {
		s[k][names.Fold(v)] = true
	}
}

// No family name of the source comes out, and so no full name, however many the source has.
func TestFamilyNamesOfTheSourceAreNotGiven(t *testing.T) {
	e, held := env(), set{}
	for _, l := range names.Languages() {
		held.add(personal.FamilyName, names.Of(l).Family...)
	}
	free := must(t, "family_name", nil, text(), e)
	for _, n := range names.Of(names.FrenchFrance).Family {
		held.add(personal.FamilyName, apply(t, free, n)) // what is drawn first is taken as well
	}
	e.Taken = held
	family, full := must(t, "family_name", nil, text(), e), must(t, "full_name", nil, text(), e)
	for _, l := range names.Languages() {
		for _, n := range names.Of(l).Family {
			got := apply(t, family, n)
			if held.Taken(personal.FamilyName, []byte(got)) {
				t.Fatalf("%s becomes %s, which the source has", n, got)
			}
			if name := apply(t, full, "Jean "+n); !strings.HasSuffix(name, " "+got) {
				t.Fatalf("Jean %s becomes %s, without %s", n, name, got)
			}
		}
	}
}

// everything is a source that holds all that can be thought of.
type everything struct{}

func (everything) Taken(personal.Kind, []byte) bool { return true }

func TestNothingFreeIsAnError(t *testing.T) {
	e := env()
	e.Taken = everything{}
	for _, name := range []string{"family_name", "full_name", "email", "username", "phone"} {
		out, err := must(t, name, nil, text(), e).Append(nil, []byte("Éric Dupont 0470123456"), Row{})
		if err == nil {
			t.Errorf("%s gives %q, which is taken", name, out)
		} else if strings.Contains(err.Error(), "Dupont") {
			t.Errorf("%s tells the value in its error: %v", name, err)
		}
	}
}

func TestEmails(t *testing.T) {
	e := env()
	mail, given, family := must(t, "email", nil, text(), e), must(t, "given_name", map[string]any{"ascii": true}, text(), e), must(t, "family_name", map[string]any{"ascii": true}, text(), e)
	low := func(tr Transformer, s string) string { return strings.ToLower(apply(t, tr, s)) }
	address := regexp.MustCompile(`^[a-z0-9._'-]+@[a-z]+\.example\.(org|com|net)$`)
	for value, begin := range map[string]string{
		"eric.dupont@firm.be":     low(given, "eric") + "." + low(family, "dupont") + ".",
		"Eric_Dupont@firm.be":     low(given, "eric") + "_" + low(family, "dupont") + ".",
		"dupont.eric@firm.be":     low(family, "dupont") + "." + low(given, "eric") + ".",
		"jean-luc.dupont@firm.be": low(given, "jean") + "-" + low(given, "luc") + "." + low(family, "dupont") + ".",
		"info@firm.be":            "",
		"élodie@exämple.be":       "",
		"x":                       "",
		"\xff\xfe@\x00":           "",
	} {
		got := apply(t, mail, value)
		if !address.MatchString(got) || !strings.HasPrefix(got, begin) {
			t.Errorf("%q becomes %q, which does not begin with %q", value, got, begin)
		}
		if other := apply(t, mail, " "+strings.ToLower(value)+" "); other != got {
			t.Errorf("%q becomes %q, in small letters %q", value, got, other)
		}
	}
	if got := apply(t, mail, "ERIC.DUPONT@FIRM.BE"); got != strings.ToUpper(apply(t, mail, "eric.dupont@firm.be")) {
		t.Errorf("in capitals: %q", got)
	}
	a, b := apply(t, mail, "a@firm.be"), apply(t, mail, "b@firm.be")
	if a == b || a[strings.IndexByte(a, '@'):] != b[strings.IndexByte(b, '@'):] {
		t.Errorf("colleagues are at %q and %q", a, b)
	}
	full := must(t, "full_name", nil, text(), e)
	if got, want := apply(t, mail, `"Éric Dupont" <eric@firm.be>, b@firm.be`), `"`+apply(t, full, "Éric Dupont")+`" <`+apply(t, mail, "eric@firm.be")+`>, `+b; got != want {
		t.Errorf("%q, not %q", got, want)
	}
	for _, limit := range []int{20, 25, 30, 64} {
		column := text()
		column.Length, column.Unique = limit, true
		if got := apply(t, must(t, "email", nil, column, e), "maximiliane.vandenberghe-rosenstein@firm.be"); len(got) > limit || !strings.Contains(got, "@") {
			t.Errorf("limit %d: %q", limit, got)
		}
	}
	column := text()
	column.Length, column.Unique = 12, true
	if _, err := New(Spec{Name: "email"}, column, e); err == nil {
		t.Error("a unique address in varchar(12)")
	}
}

func TestPhones(t *testing.T) {
	e := env()
	phone := must(t, "phone", nil, text(), e)
	for value, want := range map[string]string{
		"+33 6 12 34 56 78":      `^\+33 6 39 98 \d\d \d\d$`,
		"+33 1 42 34 56 78":      `^\+33 1 99 00 \d\d \d\d$`,
		"+33 (0)4 42 34 56 78":   `^\+33 \(0\)4 65 71 \d\d \d\d$`,
		"0033612345678":          `^003363998\d{4}$`,
		"0470/12.34.56":          `^045[234]/\d\d\.\d\d\.\d\d$`,
		"02 345 67 89":           `^0(17|18|62|66|1 7|1 8|6 2|6 6).*$`,
		"+32 470 12 34 56":       `^\+32 45[234] \d\d \d\d \d\d$`,
		"32470123456":            `^3245[234]\d{6}$`,
		"+31 6 12345678":         `^\+31 6 0\d{7}$`,
		"+49 171 1234567":        `^\+49 (171 39200\d\d|176 040690\d\d)$`,
		"+44 20 7123 4567":       `^\+44 \d\d \d{4} \d{4}$`,
		"+44 7700 123456":        `^\+44 7700 900\d{3}$`,
		"+1 (212) 736-5000":      `^\+1 \(\d{3}\) 555-01\d\d$`,
		"+352 621 123 456":       `^\+999\d{8}$`,
		"0470 12 34 56 poste 12": `^045[234] \d\d \d\d \d\d$`,
		"inconnu":                `^0(17|18|62|66)\d{6}$`,
		"":                       `^$`,
	} {
		if got := apply(t, phone, value); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%q becomes %q", value, got)
		}
	}
	digits := func(s string) string {
		s = regexp.MustCompile(`\D`).ReplaceAllString(s, "")
		return strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(s, "00"), "32"), "0")
	}
	want := digits(apply(t, phone, "+32470123456"))
	for _, other := range []string{"0470 12 34 56", "0032 470 12 34 56", "+32 (0)470/12.34.56", "32470123456", "0470-123456"} {
		got := digits(apply(t, phone, other))
		if strings.TrimPrefix(got, "0") != want {
			t.Errorf("%q becomes %q, not %q", other, got, want)
		}
	}
	column := Column{Name: "t.c", Type: "bigint", Unique: true}
	wide := must(t, "phone", nil, column, e)
	seen := map[string]bool{}
	for n := range 5000 {
		got := apply(t, wide, "3247"+string(appendPadded(nil, uint64(n), 7)))
		if seen[got] || !regexp.MustCompile(`^999\d{12}$`).MatchString(got) {
			t.Fatalf("%q twice, or not under 999", got)
		}
		seen[got] = true
	}
}
