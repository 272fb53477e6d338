package leak

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/seen"
)

// scanned is the report on one value.
func scanned(t testing.TB, set *seen.Set, limits Limits, typ Type, text string) *Report {
	t.Helper()
	scan, err := New(set, nil, limits)
	if err != nil {
		t.Fatal(err)
	}
	s := scan.Scanner()
	s.Row(1)
	s.Value(&Field{"t", "c", typ}, []byte(text))
	return scan.Report()
}

// grep finds what a person would with a search over folded text: written apart from the scanner, slow and plain.
func grep(text string, kind personal.Kind, value string) bool {
	plain := func(s string) string {
		var b strings.Builder
		for _, r := range norm.NFD.String(strings.ToLower(s)) {
			switch {
			case unicode.Is(unicode.Mn, r) || r == '\u200b' || r == '\u00ad':
			case unicode.IsLetter(r) || unicode.IsDigit(r):
				b.WriteRune(r)
			default:
				b.WriteByte(' ')
			}
		}
		return " " + strings.Join(strings.Fields(b.String()), " ") + " "
	}
	switch kind {
	case personal.FullName:
		w := strings.Fields(plain(value))
		return strings.Contains(plain(text), " "+w[0]+" "+w[1]+" ") || strings.Contains(plain(text), " "+w[1]+" "+w[0]+" ")
	case personal.Email:
		for _, part := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return r == ' ' || r == '\n' }) {
			if strings.TrimSuffix(part, ".") == strings.ToLower(value) {
				return true
			}
		}
		return false
	case personal.IBAN:
		value = value[4:] // the account is the person's whatever stands before it
		fallthrough
	default:
		return strings.Contains(strings.ReplaceAll(plain(text), " ", ""), strings.ReplaceAll(plain(value), " ", ""))
	}
}

// The scanner and the plain search agree on random texts, most of which hold nothing or nearly a value.
func TestAgreesWithPlainSearch(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	type value struct {
		kind personal.Kind
		text string
	}
	var values []value
	for i := range 60 {
		values = append(values, value{personal.FullName, pick("Élodie", "Jürgen", "Anne", "Pieter") + " " + fmt.Sprint("Dupont", i)},
			value{personal.Email, fmt.Sprintf("p%d.x@exemple.example", i)}, value{personal.IBAN, fmt.Sprintf("BE%02d 5390 %08d", i, i*7919)},
			value{personal.NationalNumber, fmt.Sprintf("8507%07d", i*104729)})
	}
	set := build(t, func(a *seen.Adder) {
		for _, v := range values {
			a.Add(v.kind, []byte(v.text))
		}
	})
	found := 0
	for range 1500 {
		var b strings.Builder
		for range r.IntN(12) {
			switch r.IntN(7) {
			case 0:
				v := values[r.IntN(len(values))].text
				if r.IntN(3) == 0 { // nearly
					i := r.IntN(len(v))
					v = v[:i] + pick("q", "Q", "") + v[i:]
				}
				b.WriteString(v)
			case 1:
				w := strings.Fields(values[4*r.IntN(60)].text)
				b.WriteString(pick(strings.ToUpper(w[1]), w[1]) + pick(" ", ", ", "\n", "\u00a0", "-") + pick(norm.NFD.String(w[0]), w[0], "Marc"))
			default:
				b.WriteString(pick("le client", "a dit", "n° 12", "Dupont3", "élodie", "rue", "voir annexe"))
			}
			b.WriteString(pick(" | ", " ; ", ". Et ", "\n — "))
		}
		text := b.String()
		report := scanned(t, set, DefaultLimits(), Text, text)
		for _, kind := range []personal.Kind{personal.FullName, personal.Email, personal.IBAN, personal.NationalNumber} {
			theirs, ours := false, false
			for _, v := range values {
				theirs = theirs || v.kind == kind && grep(text, kind, v.text)
			}
			for _, h := range report.Hits {
				ours = ours || h.Kind == kind
			}
			if ours != theirs {
				t.Errorf("%s in %q: the scanner says %t, the search %t", kind, text, ours, theirs)
			}
			if ours {
				found++
			}
		}
	}
	if found < 300 {
		t.Errorf("only %d found: the test is blind", found)
	}
}

// Names and towns may stand in the copy, only not in their own row.
func TestOwnRow(t *testing.T) {
	set := build(t, func(a *seen.Adder) {
		for kind, values := range map[personal.Kind][]string{
			personal.GivenName: {"Élodie", "Marie-Claire", "Léa"}, personal.FamilyName: {"Dupont", "van den Berghe"}, personal.Town: {"Liège"}, personal.Username: {"soleil"},
		} {
			for _, v := range values {
				a.Add(kind, []byte(v))
			}
		}
	})
	for _, c := range []struct {
		kind      personal.Kind
		own, text string
		hit       bool
	}{
		{personal.GivenName, "Élodie", "ELODIE", true},
		{personal.GivenName, "Élodie", "vu avec Élodie hier", true},
		{personal.GivenName, "Anne", "Élodie", false},
		{personal.GivenName, "Marie-Claire", "Marie Claire", true},
		{personal.GivenName, "Marie-Claire", "marieclaire", true},
		{personal.GivenName, "Léa", "lea", true}, // too short for evidence, not for a whole value
		{personal.GivenName, "Léa", "avec lea", false},
		{personal.FamilyName, "van den Berghe", "Mme Van Den Berghe, absente", true},
		{personal.Town, "Liège", "LIEGE", true},
		{personal.Town, "Namur", "LIEGE", false},
		{personal.Username, "soleil", "@soleil", true},
		{personal.FamilyName, "Dupont", "VnUgYXZlYyBEdXBvbnQgaGllcg==", true}, // base64
	} {
		scan := begin(t, set, nil)
		s := scan.Scanner()
		s.Row(1)
		s.Own(c.kind, []byte(c.own))
		s.Value(&Field{"t", "c", Text}, []byte(c.text))
		s.Row(2) // another row
		s.Value(&Field{"t", "c", Text}, []byte(c.text))
		r := scan.Report()
		if hit := len(r.Hits) == 1 && r.Hits[0].Own && r.Hits[0].Kind == c.kind && r.Hits[0].Count == 1 && r.Hits[0].First[0].Row == 1; hit != c.hit || !c.hit && len(r.Hits) > 0 {
			t.Errorf("%s %q in %q: %+v", c.kind, c.own, c.text, r.Hits)
		}
	}
}

// What a phone number looks like without its prefix any number may look like.
func TestBareNumbers(t *testing.T) {
	for _, c := range []struct {
		source, text string
		want         int
	}{
		{"+32 475 12 34 56", "475123456", 0},
		{"+32 475 12 34 56", "32475123456", 1},
		{"+32 475 12 34 56", "1475123456", 0},
		{"475123456", "475123456", 1},
		{"32475123456", "0475 12 34 56", 1},
		{"0475 12 34 56", "+33 475 12 34 56", 1}, // which country it is of, the source does not say
		{"+32 2 345 67 89", "3223456789", 1},
	} {
		set := build(t, func(a *seen.Adder) { a.Add(personal.Phone, []byte(c.source)) })
		if r := scanned(t, set, DefaultLimits(), Text, c.text); len(r.Hits) != c.want {
			t.Errorf("%s in %s: %+v", c.source, c.text, r.Hits)
		}
	}
}

func dupont(t testing.TB) *seen.Set {
	return build(t, func(a *seen.Adder) {
		a.Add(personal.FullName, []byte("Élodie Dupont"))
		a.Add(personal.Email, []byte("elodie@exemple.example"))
	})
}

func TestPaths(t *testing.T) {
	for doc, want := range map[string]string{
		`{"a": {"contact": [{"x": 1}, {"name": "Elodie Dupont"}]}}`:            "a.contact[].name",
		`["x", "Elodie Dupont"]`:                                               "[]",
		`{"élodie": "Elodie Dupont"}`:                                          "*",
		`{"a": {"Elodie_Dupont": 1}}`:                                          "a",
		`{"Elodie-Dupont": {"b": "Elodie Dupont"}}`:                            "",
		`{"q\"{[": 1, "b": {"c": "x", "d": "Elodie Dupont"}}`:                  "b.d",
		`{"a": "{\"b\": \"Elodie Dupont\"}"}`:                                  "a",
		`{"k": "` + b64([]byte("Bonjour Elodie Dupont, bonne journée")) + `"}`: "k",
		`{"n": {"elodie@exemple.example": [1]}}`:                               "n",
	} {
		r := scanned(t, dupont(t), DefaultLimits(), JSON, doc)
		if len(r.Hits) == 0 || want != "" && r.Hits[0].Path != want {
			t.Errorf("%s: %+v, want %s", doc, r.Hits, want)
		}
		for _, h := range r.Hits {
			if s := strings.ToLower(fmt.Sprintf("%+v", h)); strings.Contains(s, "dupont") || strings.Contains(s, "lodie") {
				t.Errorf("%s: the report holds the value: %s", doc, s)
			}
		}
	}
}

func TestEncodingsAreTold(t *testing.T) {
	for want, text := range map[string]string{
		"":                           "Elodie Dupont",
		"base64":                     b64([]byte("Bonjour Elodie Dupont")),
		"percent":                    "elodie%20dupont",
		"base64 > gzip":              b64([]byte(must(gzipOf("Elodie Dupont")))),
		"percent+entities":           "elodie&nbsp;dupont%20",
		"base64 > escapes":           b64([]byte(`xx \u0045lodie Dupont`)),
		"quoted-printable":           "=C3=89lodie=20Dupont",
		"hex":                        fmt.Sprintf("%x", "Elodie Dupont"),
		"markup":                     "El<b>odie</b> Dupont",
		"base64 > base64":            b64([]byte(b64([]byte("Elodie Dupont")))),
		"percent+entities > percent": "elodie%2520dupont &amp;",
	} {
		r := scanned(t, dupont(t), DefaultLimits(), Text, text)
		if len(r.Hits) != 1 || r.Hits[0].Encoding != want || r.Hits[0].Count != 1 {
			t.Errorf("%s: %+v, want %s once", text, r.Hits, want)
		}
	}
}

func TestSchemaIsScanned(t *testing.T) {
	scan := begin(t, dupont(t), nil)
	s := scan.Scanner()
	for i, ddl := range []string{
		`'Elodie Dupont'::text`, `CHECK ((author <> 'elodie@exemple.example'::text))`, `FOR VALUES IN ('Dupont, Élodie')`, `Ask Élodie Dupont`, `elodie_dupont`,
		"BEGIN\n  -- E. Dupont\n  PERFORM notify(E'\\u00c9lodie ' || 'Dupont');\nEND", `(owner = 'elodie@exemple.example'::text)`, `SELECT 1`,
	} {
		s.Text(fmt.Sprint("text ", i), []byte(ddl))
	}
	r := scan.Report()
	if len(r.Hits) != 7 {
		t.Errorf("%+v", r.Hits)
	}
}

// What cannot be looked into is reported, and the report has not passed.
func TestNotScanned(t *testing.T) {
	set := dupont(t)
	limits := DefaultLimits()
	limits.Inflated, limits.Unbroken = 1<<20, 2<<20
	bomb := must(gzipOf(strings.Repeat("0 ", 1<<20)))
	deep := "Elodie Dupont"
	for range 5 {
		deep = b64([]byte("voici: " + deep))
	}
	sealed := []byte(must(zipOf("Elodie Dupont")))
	for _, mark := range []string{"PK\x03\x04", "PK\x01\x02"} { // the flag of encryption
		i := bytes.Index(sealed, []byte(mark))
		sealed[i+map[string]int{"PK\x03\x04": 6, "PK\x01\x02": 8}[mark]] |= 1
	}
	cut := must(gzipOf(strings.Repeat("Elodie Dupond ", 1000)))
	for _, c := range []struct {
		name, reason string
		typ          Type
		text         string
	}{
		{"bomb", tooMuch, Bytea, base16(bomb)},
		{"bomb in base64", tooMuch, Text, b64([]byte(bomb))},
		{"bomb in a zip file", tooMuch, Bytea, base16(must(zipOf(strings.Repeat("0 ", 1<<20))))},
		{"deep", tooDeep, Text, deep},
		{"deep percent", tooDeep, Text, "elodie%2525252525C3%2525252525A9"},
		{"deep gzip", tooDeep, Bytea, base16(must(gzipOf(must(gzipOf(must(gzipOf(must(gzipOf(must(gzipOf("x")))))))))))},
		{"encrypted", encrypted, Bytea, base16(string(sealed))},
		{"damaged zip", damaged, Bytea, base16(must(zipOf("x"))[:30])},
		{"damaged gzip", damaged, Bytea, base16(cut[:len(cut)-12])},
		{"unbroken", unbroken, Text, strings.Repeat("x", 5<<20)},
		{"long zip", unbroken, Bytea, base16("PK\x03\x04" + strings.Repeat("x", 5<<20))},
		{"no bytea", noHex, Bytea, `\xzz`},
	} {
		r := scanned(t, set, limits, c.typ, c.text)
		told := false
		for _, n := range r.NotScanned {
			told = told || n.Reason == c.reason
		}
		if !told || r.Passed() {
			t.Errorf("%s: %+v", c.name, r.NotScanned)
		}
	}
}

// A value of 40 MB, of 200 MB in long runs, is scanned in bounded memory, whatever it is, and what stands across the pieces is found.
func TestLongValues(t *testing.T) {
	size := 40 << 20
	if os.Getenv("GARANT_SOAK") != "" {
		size = 200 << 20
	}
	set := dupont(t)
	filler := []byte(strings.Repeat("Rien à signaler ce jour, le dossier suit son cours. ", 1<<10))
	for _, typ := range []Type{Text, Bytea} {
		scan := begin(t, set, nil)
		s := scan.Scanner()
		s.Row(1)
		s.Begin(&Field{"t", "c", typ})
		write := func(b []byte) {
			if typ == Bytea {
				b = fmt.Appendf(nil, "%x", b)
			}
			s.Write(b)
		}
		if typ == Bytea {
			s.Write([]byte(`\x`))
		}
		planted := 0
		var worst runtime.MemStats
		for n := 0; n < size; n += len(filler) {
			k := n % 997
			write(filler[:k])
			write([]byte(" Élodie "))
			write([]byte("Dupont, "))
			planted++
			write(filler[k:])
			if n>>20&31 == 0 {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				worst.HeapInuse = max(worst.HeapInuse, m.HeapInuse)
			}
		}
		s.End()
		r := scan.Report()
		if len(r.Hits) != 1 || r.Hits[0].Count != planted || len(r.NotScanned) > 0 {
			t.Errorf("%d: %d planted, %+v %+v", typ, planted, r.Hits, r.NotScanned)
		}
		if worst.HeapInuse > 64<<20 {
			t.Errorf("%d: %d MB of heap", typ, worst.HeapInuse>>20)
		}
		t.Logf("type %d: %d MB, heap at most %d MB", typ, r.Bytes>>20, worst.HeapInuse>>20)
	}
}

// A long file that is compressed is inflated on the way, with all its members, and what follows it is read.
func TestLongCompressed(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	noise := make([]byte, 3<<20)
	for i := range noise {
		noise[i] = "abcdefghijklmnopqrstuvwxyz0123456789 \n"[r.IntN(38)]
	}
	set := dupont(t)
	file := must(gzipOf(string(noise) + " Elodie Dupont " + string(noise[:1000])))
	for name, c := range map[string]struct {
		value string
		want  int
	}{
		"one":            {file, 1},
		"two":            {file + file, 2},
		"text behind":    {file + " Elodie Dupont " + string(noise) + " elodie dupont ", 3},
		"text only":      {string(noise) + " Elodie Dupont", 1},
		"a small behind": {file + must(gzipOf("Elodie Dupont")), 2},
	} {
		report := scanned(t, set, DefaultLimits(), Bytea, base16(c.value))
		n := 0
		for _, h := range report.Hits {
			n += h.Count
		}
		if n != c.want || len(report.NotScanned) > 0 {
			t.Errorf("%s: %d of %d, %+v", name, n, c.want, report.NotScanned)
		}
	}
}

// Base64 in lines that is longer than a piece is not torn.
func TestLongLines(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	noise := make([]byte, 1<<20)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	file := must(gzipOf(string(noise) + " Elodie Dupont "))
	text := strings.Repeat("Bonjour. ", 60_000) + "\r\n\r\n" + lines(b64([]byte(file)), 76, "\r\n") + "\r\n--fin " + strings.Repeat("Merci. ", 1000)
	report := scanned(t, dupont(t), DefaultLimits(), Text, text)
	if len(report.Hits) != 1 || report.Hits[0].Encoding != "base64 > gzip" || len(report.NotScanned) > 0 {
		t.Errorf("%+v %+v", report.Hits, report.NotScanned)
	}
}

func FuzzScan(f *testing.F) {
	for _, e := range encodings {
		f.Add([]byte(e.do("Vu avec Élodie Dupont.")), uint8(e.typ))
	}
	set := dupont(f)
	f.Fuzz(func(t *testing.T, text []byte, typ uint8) {
		scan := begin(t, set, nil)
		s := scan.Scanner()
		s.Own(personal.GivenName, []byte("Élodie"))
		fields := [...]*Field{{"t", "c", Type(typ % 5)}, {"t", "d", Type(typ % 5)}}
		s.Value(fields[0], text)
		s.Begin(fields[1])
		for i := 0; i < len(text); i += 7 {
			s.Write(text[i:min(i+7, len(text))])
		}
		s.End()
		counts := map[string]int{}
		for _, h := range scan.Report().Hits {
			counts[h.Column+fmt.Sprint(h.Kind, h.Encoding)] += h.Count
			if h.Own {
				return // a value as a whole is looked at only where it comes as a whole
			}
		}
		for k, n := range counts {
			if k[0] == 'c' && counts["d"+k[1:]] != n {
				t.Errorf("whole %d times, in pieces %d times: %s", n, counts["d"+k[1:]], k[1:])
			}
		}
	})
}
