package names

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// counter draws all numbers in turn.
type counter struct{ n int }

func (c *counter) Below(n int) int { c.n++; return c.n % n }

func TestListsAreLarge(t *testing.T) {
	for _, l := range Languages() {
		lists := Of(l)
		if lists.Language != l {
			t.Errorf("%s: lists of %s", l, lists.Language)
		}
		for what, n := range map[string]int{
			"female": len(lists.Female), "male": len(lists.Male), "family": len(lists.Family), "composed": len(lists.heads) * len(lists.tails) / 60,
			"streets": len(lists.streets) * len(lists.ways) * len(lists.marks) / 20, "towns": len(lists.Towns) * 4,
		} {
			if n < 180 {
				t.Errorf("%s: %d %s", l, n, what)
			}
		}
		for what, list := range map[string][]string{"female": lists.Female, "male": lists.Male, "family": lists.Family, "heads": lists.heads, "streets": lists.streets} {
			seen := map[string]bool{}
			for _, w := range list {
				if first, _ := utf8.DecodeRuneInString(w); !unicode.IsUpper(first) || seen[w] || !utf8.ValidString(w) {
					t.Errorf("%s %s: %q is written badly, or twice", l, what, w)
				}
				seen[w] = true
			}
		}
	}
}

func TestTownsHavePostcodes(t *testing.T) {
	shape := func(s string) string {
		return strings.Map(func(r rune) rune {
			switch {
			case unicode.IsDigit(r):
				return '9'
			case unicode.IsUpper(r):
				return 'A'
			}
			return r
		}, s)
	}
	want := map[Language][]string{
		FrenchBelgium: {"9999"}, FrenchFrance: {"99999"}, DutchBelgium: {"9999"}, DutchHolland: {"9999 AA"}, German: {"99999"},
		English: {"A9 9AA", "A99 9AA", "AA9 9AA", "AA99 9AA"},
	}
	for _, l := range Languages() {
		for _, town := range Of(l).Towns {
			if !slices.Contains(want[l], shape(town.Postcode)) || town.Name == "" || strings.ContainsAny(town.Name, "0123456789|") {
				t.Errorf("%s: %q with postcode %q", l, town.Name, town.Postcode)
			}
		}
	}
}

func TestSexOfGivenNames(t *testing.T) {
	for name, want := range map[string]Sex{"Éric": Male, "ERIC": Male, "Élodie": Female, "Camille": Unknown, "Qwertz": Unknown, "Jan": Male} {
		if got := SexOf([]byte(Fold(name))); got != want {
			t.Errorf("%s: %d, not %d", name, got, want)
		}
	}
	if !IsGiven([]byte("camille")) || IsGiven([]byte("qwertz")) {
		t.Error("Camille is a given name, Qwertz is none")
	}
}

// The own table says what Unicode's decomposition says, where that says something.
func TestFoldIsUnicodes(t *testing.T) {
	for r := rune(0x80); r < 0x180; r++ {
		if !unicode.IsLetter(r) || r == 'ª' || r == 'º' || r == 'µ' || r == 'ŉ' {
			continue
		}
		var want string
		for _, d := range norm.NFKD.String(string(r)) {
			if d < 0x80 && unicode.IsLetter(d) {
				want += string(unicode.ToLower(d))
			}
		}
		if want != "" && Fold(string(r)) != want {
			t.Errorf("%c (%U) becomes %q, Unicode says %q", r, r, Fold(string(r)), want)
		}
	}
	for in, want := range map[string]string{"Éloïse": "eloise", "ELOISE": "eloise", "E\u0301loi\u0308se": "eloise", "Van den Berghe": "vandenberghe", "Groß": "gross", "Łukasz": "lukasz", "Ελένη": "ελένη", "a\xffb": "a\xffb"} {
		if got := Fold(in); got != want {
			t.Errorf("%q becomes %q, not %q", in, got, want)
		}
	}
}

func TestMadeNamesReadWell(t *testing.T) {
	for _, l := range Languages() {
		lists, p := Of(l), &counter{}
		for range 20_000 {
			name := string(lists.AppendComposed(nil, p))
			if first, _ := utf8.DecodeRuneInString(name); !unicode.IsUpper(first) || len(name) < 4 || strings.Contains(name, " ") {
				t.Fatalf("%s: %q", l, name)
			}
			street := string(lists.AppendStreet([]byte("x "), p))
			if !strings.ContainsAny(street, "123456789") || strings.Contains(street, "  ") || strings.HasSuffix(street, " ") {
				t.Fatalf("%s: %q", l, street)
			}
		}
	}
	for l, want := range map[Language]string{
		FrenchFrance: "3 rue des Lilas", FrenchBelgium: "Rue des Lilas 3", DutchHolland: "Acaciastraat 3", German: "Ahornstraße 3", English: "3 Abbey Street",
	} {
		if got := string(Of(l).AppendStreet(nil, &fixed{2, 0, 0, 0})); got != want {
			t.Errorf("%s: %q, not %q", l, got, want)
		}
	}
}

type fixed []int

func (f *fixed) Below(int) int { n := (*f)[0]; *f = (*f)[1:]; return n }

func TestParse(t *testing.T) {
	for s, want := range map[string]Language{"fr": FrenchFrance, "nl": DutchHolland, "fr-BE": FrenchBelgium} {
		if got, err := Parse(s); err != nil || got != want {
			t.Errorf("%s: %v %v", s, got, err)
		}
	}
	if _, err := Parse("it"); err == nil {
		t.Error("there are no Italian names")
	}
}
