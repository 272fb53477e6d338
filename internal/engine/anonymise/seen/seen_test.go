package seen

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

func TestFold(t *testing.T) {
	for in, want := range map[string]string{
		"Élodie":                            "elodie",
		norm.NFD.String("Élodie"):           "elodie",
		"STRAẞE Straße strasse":             "strasse strasse strasse",
		"Œuvre Æsop":                        "oeuvre aesop",
		"Søren Łukasz Đorđe Þór":            "soren lukasz dorde thor",
		"İstanbul ISTANBUL ıstanbul":        "istanbul istanbul istanbul",
		"Jean\u00a0Pierre\u202fDupont":      "jean pierre dupont",
		"Du\u00adpont Du\u200bpont\ufeff":   "dupont dupont",
		"\u202eDupont\u202c":                "dupont",
		"O’Brien O'Brien OʼBrien":           "o brien o brien o brien",
		"Jean-Pierre Jean‑Pierre Jean–Paul": "jean pierre jean pierre jean paul",
		"ﬁn ﬀ":                              "fin ff",
		"Ｄｕｐｏｎｔ １２":                         "dupont 12",
		"٠١٢٣ ०१२":                          "0123 012",
		"Ǆ ΣΊΣΥΦΟΣ Йод":                     "dz σισυφοσ иод",
		"a\xffb":                            "a b",
		"":                                  "",
		" .,;":                              "",
		"王伟":                                "王伟",
		"한글":                                "한글",
	} {
		if got := string(AppendFold(nil, []byte(in))); got != want {
			t.Errorf("AppendFold(%q) = %q, want %q", in, got, want)
		}
	}
	if got := string(AppendGlued(nil, []byte("BE68 5390-0754.7034"))); got != "be68539007547034" {
		t.Error(got)
	}
	if got := string(AppendDigits(nil, []byte("+32 (0)475/12.٣٤.56"))); got != "320475123456" {
		t.Error(got)
	}
}

// Folding goes the same way whatever the normal form, and once is enough.
func TestFoldIsStable(t *testing.T) {
	for r := range rune(0x20000) {
		if 0x1100 <= r && r < 0x1200 || 0xac00 <= r && r < 0xd7a4 {
			continue // Hangul is taken in syllables, as keyboards write it
		}
		s := "a" + string(r) + "b"
		once := string(AppendFold(nil, []byte(s)))
		if again := string(AppendFold(nil, []byte(once))); again != once {
			t.Errorf("%U: %q, folded again %q", r, once, again)
		}
		for _, f := range []norm.Form{norm.NFC, norm.NFD} {
			if other := string(AppendFold(nil, f.Bytes([]byte(s)))); other != once {
				t.Errorf("%U: %q, in another normal form %q", r, once, other)
			}
		}
	}
}

// held says how a set made of one value answers about another.
func held(t *testing.T, kind personal.Kind, added, asked string) bool {
	t.Helper()
	b := NewBuilder()
	if r := b.Adder().Add(kind, []byte(added)); r != Usable {
		t.Errorf("%s %q is %s", kind, added, r)
	}
	s := b.Freeze()
	defer s.Close()
	return s.Prober().Taken(kind, []byte(asked))
}

func TestOneValueManyWays(t *testing.T) {
	for _, c := range []struct {
		kind personal.Kind
		ways []string
	}{
		{personal.Phone, []string{"+32 475 12 34 56", "0475/12.34.56", "0032475123456", "+32 (0)475-12-34-56", "Tel. 0475 12 34 56", "+32475123456 ext. 12", "＋３２ ４７５ １２３４５６"}},
		{personal.Phone, []string{"02 345 67 89", "+32 2 345 67 89", "003223456789"}},
		{personal.Phone, []string{"+352 621 123 456", "00352621123456"}},
		{personal.Phone, []string{"+1 (212) 555-0123", "001 212 555 0123", "2125550123"}},
		{personal.Phone, []string{"+39 06 1234 5678", "06 12345678"}},
		{personal.Email, []string{"Jean.Dupont@exemple.example", "jean.dupont@EXEMPLE.example", "<jean.dupont@exemple.example>", "jeandupont+shop@exemple.example", "Jean Dupont <jean-dupont@exemple.example>"}},
		{personal.IBAN, []string{"BE68 5390 0754 7034", "be68539007547034", "BE68-5390-0754-7034"}},
		{personal.NationalNumber, []string{"85.07.30-033.28", "85073003328", "850730 033 28"}},
		{personal.NationalNumber, []string{"1 85 05 2A 033 044 12", "185052a03304412"}},
		{personal.Card, []string{"4111 1111 1111 1111", "4111-1111-1111-1111", "4111111111111111"}},
		{personal.FullName, []string{"Élodie Dupont", "DUPONT Elodie", "Mme Élodie DUPONT", "dupont, élodie"}},
		{personal.FullName, []string{"Jean-Pierre van den Berghe", "Jean Pierre Van Den Berghe", "van den Berghe Jean-Pierre"}},
		{personal.FullName, []string{"Jürgen Müller", "Jurgen Muller", norm.NFD.String("Jürgen Müller")}},
		{personal.FullName, []string{"Sinéad O'Brien", "Sinead OBrien", "O’Brien Sinéad"}},
		{personal.Address, []string{"12, rue de la Paix", "rue de la Paix 12", "12 RUE DE LA PAIX"}},
		{personal.IP, []string{"81.240.1.17", "81.240.1.17/32", "::ffff:81.240.1.17"}},
		{personal.IP, []string{"2a02:a03f:0:1::17", "2A02:A03F:0000:0001:0:0:0:17/128"}},
		{personal.Device, []string{"550e8400-e29b-41d4-a716-446655440000", "550E8400E29B41D4A716446655440000"}},
		{personal.Device, []string{"a4:83:e7:12:34:56", "a483e7123456"}},
		{personal.Coordinates, []string{"50.84670, 4.35250", "POINT(4.35250 50.84670)"}},
		{personal.Username, []string{"jean.dupont", "Jean_Dupont"}},
	} {
		for _, added := range c.ways {
			for _, asked := range c.ways {
				if !held(t, c.kind, added, asked) {
					t.Errorf("%s: %q was added and %q is not found", c.kind, added, asked)
				}
			}
		}
	}
}

// What an umlaut, a hyphen or the rest of an address may be left out of is found in the shorter spelling, not the other way round.
func TestShorterWays(t *testing.T) {
	for _, c := range []struct {
		kind         personal.Kind
		added, asked string
	}{
		{personal.FullName, "Jürgen Müller", "Juergen Mueller"},
		{personal.FullName, norm.NFD.String("Jürgen Müller"), "MUELLER Juergen"},
		{personal.FullName, "Åse Sørensen", "Aase Soerensen"},
		{personal.FullName, "Jean-Pierre Dupont", "JeanPierre Dupont"},
		{personal.FullName, "Sinéad O'Brien", "Sinead OBrien"},
		{personal.FullName, "Jean Pierre Dupont", "Jean Dupont"},
		{personal.FullName, "Jeanne van den Berghe", "Berghe Jeanne"},
		{personal.Address, "12, rue de la Paix, 75002 Paris", "12 rue de la Paix"},
		{personal.Address, "12 rue de la Paix 75002 Paris", "rue de la Paix 12"},
		{personal.Address, "Bâtiment C\n12 rue de la Paix\n75002 Paris", "12 rue de la Paix"},
		{personal.Address, "75002 Paris, 12 rue de la Paix", "12 rue de la Paix"},
		{personal.Address, "rue de la Paix, 12, 75002 Paris", "12 rue de la Paix"},
		{personal.NationalNumber, "1 85 05 78 033 044 12", "1850578033044"},
	} {
		if !held(t, c.kind, c.added, c.asked) {
			t.Errorf("%s: %q was added and %q is not found", c.kind, c.added, c.asked)
		}
	}
	if held(t, personal.Address, "75002 Paris, 12 rue de la Paix", "75002 Paris") {
		t.Error("a postcode with its town is nobody's address")
	}
}

func TestOthersAreNotFound(t *testing.T) {
	for _, c := range []struct {
		kind         personal.Kind
		added, asked string
	}{
		{personal.Phone, "+32 475 12 34 56", "+32 475 12 34 57"},
		{personal.Email, "jean.dupont@exemple.example", "jean.dupond@exemple.example"},
		{personal.Email, "a@b.example", "b@a.example"},
		{personal.FullName, "Élodie Dupont", "Élodie Durand"},
		{personal.FullName, "Élodie Dupont", "Élodie"},
		{personal.IBAN, "BE68539007547034", "BE68539007547043"},
		{personal.Address, "12 rue de la Paix", "14 rue de la Paix"},
		{personal.IP, "81.240.1.17", "81.240.11.7"},
	} {
		if held(t, c.kind, c.added, c.asked) {
			t.Errorf("%s: %q was added and %q is found", c.kind, c.added, c.asked)
		}
	}
	for _, order := range [][]personal.Kind{{personal.GivenName, personal.FamilyName}, {personal.FamilyName, personal.GivenName}} {
		b := NewBuilder()
		a := b.Adder()
		for _, k := range order {
			a.Add(k, []byte("Martin"))
		}
		a.Add(personal.Town, []byte("Liège"))
		s := b.Freeze()
		if p := s.Prober(); !p.Taken(personal.FamilyName, []byte("MARTIN")) || p.Taken(personal.GivenName, []byte("Martin")) || p.Taken(personal.FamilyName, []byte("Liège")) {
			t.Errorf("%v: of weak values only family names are taken", order)
		}
		_ = s.Close()
	}
	if !held(t, personal.FullName, "Élodie Dupont", "Élodie Dupont") || held(t, personal.GivenName, "Élodie", "Élodie") {
		t.Error("a full name counts by itself, a given name does not")
	}
}

func TestWhatProvesNothingIsCounted(t *testing.T) {
	b := NewBuilder()
	a := b.Adder()
	for _, c := range []struct {
		kind  personal.Kind
		value string
		want  Reason
	}{
		{personal.GivenName, "Léa", Short},
		{personal.GivenName, "  ", Empty},
		{personal.FullName, "Li", Short},
		{personal.Email, "nobody", Malformed},
		{personal.Email, "@x.example", Malformed},
		{personal.Phone, "12 34", Short},
		{personal.Phone, "0000000000", Common},
		{personal.Phone, "none", Malformed},
		{personal.IBAN, "BE68 5390", Short},
		{personal.Card, "4111 1111 1111 1x11", Malformed},
		{personal.IP, "192.168.1.4", Common},
		{personal.IP, "fe80::1", Common},
		{personal.IP, "localhost", Malformed},
		{personal.BirthDate, "1985-07-30", ByItself},
		{personal.Postcode, "1000", ByItself},
		{personal.Credential, "a1", Short},
		{personal.Coordinates, "50.8, 4.3", Short},
		{personal.NationalNumber, strings.Repeat("12", 20), Long},
	} {
		before := a.stats.Unusable[c.kind][c.want]
		if got := a.Add(c.kind, []byte(c.value)); got != c.want {
			t.Errorf("%s %q is %s, want %s", c.kind, c.value, got, c.want)
		}
		if a.stats.Unusable[c.kind][c.want] != before+1 {
			t.Errorf("%s %q was not counted", c.kind, c.value)
		}
	}
	s := b.Freeze()
	defer s.Close()
	if st := s.Stats(); st.Entries != 0 || len(st.Values) != 0 || st.Unusable[personal.GivenName][Short] != 1 {
		t.Errorf("%+v", st)
	}
}

func TestPersonFromTwoColumns(t *testing.T) {
	b := NewBuilder()
	a := b.Adder()
	a.AddPerson([]byte("Jean Pierre Marie"), []byte("Van den Berghe"))
	if r := a.AddPerson([]byte(""), []byte("Dupont")); r != Empty {
		t.Error(r)
	}
	s := b.Freeze()
	defer s.Close()
	p := s.Prober()
	for name, want := range map[string]bool{
		"Jean Pierre Marie Van den Berghe": true,
		"Jean van den Berghe":              true,
		"Van den Berghe, Jean":             true,
		"Jean Berghe":                      true,
		"Marc van den Berghe":              false,
	} {
		if p.Taken(personal.FullName, []byte(name)) != want {
			t.Errorf("%s: %t", name, !want)
		}
	}
}

// Where a plain word is somebody's name and a part of somebody else's user name, each counts as what it is.
func TestStrictWins(t *testing.T) {
	for _, kinds := range [][]personal.Kind{{personal.Username, personal.Town}, {personal.Town, personal.Username}} {
		b := NewBuilder()
		a := b.Adder()
		for _, k := range kinds {
			a.Add(k, []byte("Saint-Denis93"))
		}
		s := b.Freeze()
		if e, ok := s.Find(s.next([]byte("saint"), 0).Key + s.next([]byte("denis93"), 0).Key); !ok || e != (Entry{personal.Username, true, false}) {
			t.Errorf("%v: %+v", kinds, e)
		}
		_ = s.Close()
	}
	if m := (numberOf[personal.GivenName]).and(numberOf[personal.Email] | markStrict | markBare).entry(); m != (Entry{personal.Email, true, true}) {
		t.Error(m)
	}
	if m := (numberOf[personal.GivenName] | markStrict).and(numberOf[personal.Email]).entry(); m != (Entry{personal.GivenName, true, false}) {
		t.Error(m)
	}
}

// Several goroutines build what one would, and what was added is found, all of it.
func TestBuiltByMany(t *testing.T) {
	const each, workers = 20_000, 4
	b := NewBuilder()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			a := b.Adder()
			for i := range each {
				a.Add(personal.Email, fmt.Appendf(nil, "user%d@exemple.example", i+w%2*each))
			}
		})
	}
	wg.Wait()
	s := b.Freeze()
	defer s.Close()
	if st := s.Stats(); st.Entries != 2*each || st.Values[personal.Email] != workers*each {
		t.Errorf("%+v", st)
	}
	for range 2 {
		wg.Go(func() {
			p := s.Prober()
			for i := range 2 * each {
				if !p.Taken(personal.Email, fmt.Appendf(nil, "USER%d@exemple.example", i)) {
					t.Errorf("user%d is lost", i)
					return
				}
				if p.Taken(personal.Email, fmt.Appendf(nil, "nobody%d@exemple.example", i)) {
					t.Errorf("nobody%d is found", i)
					return
				}
			}
		})
	}
	wg.Wait()
	if s.Close() != nil || s.Close() == nil {
		t.Error("a set closes once")
	}
}

// What is read eight bytes at a time is what is read one by one, wherever words begin and end.
func TestWordsAgree(t *testing.T) {
	h, r := newHasher(), rand.New(rand.NewPCG(3, 4))
	alphabet := []rune("aZ09éŒß@[`{/:\x10\x19\x7f \u00ad\u0301\u00a0中𝐀٣. '-aaaaaaaaabbbbbb55")
	words := make([]Word, 0, 7)
	for range 20_000 {
		var text []byte
		for range r.IntN(40) {
			text = utf8.AppendRune(text, alphabet[r.IntN(len(alphabet))])
		}
		if r.IntN(4) == 0 {
			text = append(text, 0xc3)
		}
		from := 0
		words = h.words(words[:0], text, 0)
		for i, n := 0, 0; ; n++ {
			var b []byte
			if b, i = appendWord(nil, text, i); len(b) == 0 {
				if n != len(words) {
					t.Fatalf("%q: %d words, want %d", text, len(words), n)
				}
				break
			}
			if n == len(words) {
				from = int(words[n-1].End)
				words, n = h.words(words[:0], text, from), 0
				if len(words) == 0 {
					t.Fatalf("%q: nothing after %d", text, from)
				}
			}
			figures := 0
			for _, c := range b {
				if '0' <= c && c <= '9' {
					figures++
				}
			}
			if w := words[n]; w.Key != h.sum(tagWord, b) || int(w.Len) != len(b) || int(w.End) != i || int(w.Digits) != figures {
				t.Fatalf("%q: %+v, want %q to %d with %d digits", text, w, b, i, figures)
			}
		}
	}
}

func TestKeysDiffer(t *testing.T) {
	if a, b := newHasher(), newHasher(); a.sum(tagWord, []byte("dupont")) == b.sum(tagWord, []byte("dupont")) {
		t.Error("two sets have one key")
	}
	h := newHasher()
	if w := h.next([]byte("  Dupont-Élodie"), 0); w.Key != h.sum(tagWord, []byte("dupont")) || w.Start != 2 || w.End != 8 {
		t.Errorf("%+v", w)
	}
	for n := range 40 {
		s := strings.Repeat("é", n)
		if w := h.next([]byte(s), 0); n > 0 && w.Key != h.sum(tagWord, []byte(strings.Repeat("e", n))) || int(w.Len) != n {
			t.Errorf("%d: %+v", n, w)
		}
	}
}

// rss is the resident memory of this process.
func rss(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("only where /proc tells")
	}
	var size, resident int
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * os.Getpagesize()
}

// A value takes at most 40 bytes, also at the worst moment of growth, of kinds with several forms each.
func TestMemory(t *testing.T) {
	const persons = 50_000
	const values = persons * 4 // e-mail, phone, IBAN, full name
	before, worst := rss(t), 0
	b := NewBuilder()
	var done sync.WaitGroup
	stop := make(chan bool)
	done.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
				worst = max(worst, rss(t)-before)
			}
		}
	})
	a := b.Adder()
	r := rand.New(rand.NewPCG(1, 2))
	var buf []byte
	for i := range persons {
		buf = fmt.Appendf(buf[:0], "person.%d@exemple.example", i)
		a.Add(personal.Email, buf)
		buf = fmt.Appendf(buf[:0], "+32 4%08d", i)
		a.Add(personal.Phone, buf)
		buf = fmt.Appendf(buf[:0], "BE%02d%012d", i%97, i)
		a.Add(personal.IBAN, buf)
		buf = fmt.Appendf(buf[:0], "Prénom%d Nom%d", r.IntN(2000), i)
		a.Add(personal.FullName, buf)
	}
	s := b.Freeze()
	defer s.Close()
	close(stop)
	done.Wait()
	worst = max(worst, rss(t)-before)
	st := s.Stats()
	t.Logf("%d values, %d entries, %.1f bytes a value in the set, %.1f resident", values, st.Entries, float64(st.Bytes)/values, float64(worst)/values)
	if worst > values*40+(2<<20) || st.Bytes > values*40 {
		t.Errorf("%d values take %d bytes, resident %d", values, st.Bytes, worst)
	}
}

// The key of several words is the sum of theirs, so that no two pairs of words may share one: neither of short words that differ in a letter, nor of long ones that differ in the first eight bytes.
func TestSumsOfWordsAreApart(t *testing.T) {
	for _, format := range []string{"a%d", "%04dbcd", "%06xabcdefghijk", "abcdefgh%d"} {
		h := newHasher()
		keys := make([]Key, 1<<10)
		for i := range keys {
			keys[i] = h.WordKey(fmt.Appendf(nil, format, i))
		}
		sums := make([]Key, 0, len(keys)*(len(keys)+1)/2)
		for i, a := range keys {
			for _, b := range keys[i:] {
				sums = append(sums, a+b)
			}
		}
		slices.Sort(sums)
		for i := 1; i < len(sums); i++ {
			if sums[i] == sums[i-1] {
				t.Fatalf("two pairs of words like %q share a key", format)
			}
		}
		var low, high [256]int
		for _, s := range sums {
			low[s&0xff]++
			high[s>>56]++
		}
		for i, want := 0, len(sums)/256; i < 256; i++ {
			if max(low[i], high[i]) > want*23/20 || min(low[i], high[i]) < want*17/20 {
				t.Fatalf("sums of words like %q are not spread: %d and %d of about %d", format, low[i], high[i], want)
			}
		}
	}
}
