package leak

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"mime/quotedprintable"
	"net/url"
	"os"
	"strings"
	"testing"
	"unicode/utf16"

	"golang.org/x/text/unicode/norm"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/seen"
)

// source is a person of each kind of value, with spellings under which each must be found.
var source = []struct {
	kind personal.Kind
	ways []string
}{
	{personal.Email, []string{"elodie.van-den-berghe@exemple.example", "Elodie.Van-Den-Berghe@EXEMPLE.example", "elodie.van-den-berghe+news@exemple.example", "elodie.van-den-berghe@exem\u00adple.example"}},
	{personal.Phone, []string{"+32 475 12 34 56", "0475/12.34.56", "0475123456", "0032475123456", "32475123456", "+32 (0)475 12 34 56", "0475\u00a012\u202f34 56", "04 75 12 34 56", "+32-475-12\n34-56"}},
	{personal.IBAN, []string{"BE68 5390 0754 7034", "be68539007547034", "BE68.5390.0754.7034", "539-0075470-34", "BE68\u00a05390\u00a00754\u00a07034", "BE68/5390/0754/7034"}},
	{personal.Card, []string{"4111 1111 1111 1234", "4111-1111-1111-1234", "4111111111111234"}},
	{personal.NationalNumber, []string{"85.07.30-033.28", "85073003328", "850730-033-28", "850730/033.28", "85 07 30 033 28"}},
	{personal.IdentityPaper, []string{"EJ 1234567", "ej1234567", "EJ-123.4567"}},
	{personal.FullName, []string{"Élodie van den Berghe-Dupont", "DUPONT elodie", "ÉLODIE VAN DEN BERGHE DUPONT", norm.NFD.String("Élodie van den Berghe-Dupont"), "Elo\u200bdie van den Berghe‑Dupont",
		"Élodie\nvan den\r\nBerghe-Dupont", "Dupont, Élodie", "van den Berghe-Dupont, Élodie"}},
	{personal.Address, []string{"12, rue de la Paix", "12 RUE DE LA PAIX", "rue de la paix 12", "12 rue de la\nPaix"}},
	{personal.IP, []string{"81.240.1.17"}},
	{personal.IP, []string{"2a02:a03f::b0:17", "2A02:A03F:0:0:0:0:00B0:17"}},
	{personal.Device, []string{"550e8400-e29b-41d4-a716-446655440000", "550E8400E29B41D4A716446655440000"}},
	{personal.Credential, []string{"$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"}},
	{personal.Username, []string{"elo_vdb85", "ELO_VDB85"}},
	{personal.PersonURL, []string{"https://reseau.example/in/elodie-vdb-8507"}},
	{personal.Coordinates, []string{"50.84670,4.35250", "4.35250 50.84670"}},
}

// sentences hold a value at their beginning, within and at their end, between several kinds of punctuation.
var sentences = []string{
	"%s", "%s a appelé ce matin.", "Le dossier de %s est clos.", "Réponse envoyée à %s", "« %s »", "(%s)", "Client : %s.", "Contact:%s, puis rien", "<b>%s</b>", `{"note":"%s"}`, "a;%s;b", "…%s!", "[%s]",
	"x\t%s\ty", "user=%s&x=1", "Vu\u00a0:\u00a0%s\u00a0!", "l'avis de %s", "“%s”",
}

type encoding struct {
	name string
	typ  Type
	do   func(string) string
}

func base16(s string) string { return `\x` + hex.EncodeToString([]byte(s)) }

func must(b []byte, err error) string {
	if err != nil {
		panic(err)
	}
	return string(b)
}

func escaped(s string) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		fmt.Fprintf(&b, `\u%04X`, u)
	}
	return b.String()
}

func wide(s string, order binary.AppendByteOrder, mark bool) string {
	var b []byte
	if mark {
		s = "\ufeff" + s
	}
	for _, u := range utf16.Encode([]rune(s)) {
		b = order.AppendUint16(b, u)
	}
	return base16(string(b))
}

func lines(s string, n int, end string) string {
	var b strings.Builder
	for len(s) > n {
		b.WriteString(s[:n] + end)
		s = s[n:]
	}
	return b.String() + s
}

func marshal(s string) string { return must(json.Marshal(s)) }

var b64 = base64.StdEncoding.EncodeToString

var encodings = []encoding{
	{"plain", Text, func(s string) string { return s }},
	{"base64", Text, func(s string) string { return b64([]byte(s)) }},
	{"base64 url unpadded", Text, func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }},
	{"base64 in a sentence", Text, func(s string) string { return "jeton: " + b64([]byte(s)) + ", valable un jour" }},
	{"base64 in a path", Text, func(s string) string {
		return "https://a.example/v1/" + base64.RawURLEncoding.EncodeToString([]byte(s)) + "/ok"
	}},
	{"base64 in lines", Text, func(s string) string {
		return "Pièce jointe\n\n" + lines(b64([]byte(strings.Repeat("Bonjour à tous. ", 9)+s)), 76, "\r\n") + "\r\n"
	}},
	{"base64 of base64 of base64", Text, func(s string) string { return b64([]byte(b64([]byte(b64([]byte(s)))))) }},
	{"hex", Text, func(s string) string { return hex.EncodeToString([]byte(s)) }},
	{"hex with 0x", Text, func(s string) string { return "0x" + strings.ToUpper(hex.EncodeToString([]byte(s))) }},
	{"percent", Text, url.QueryEscape},
	{"percent path", Text, func(s string) string { return "/a/" + url.PathEscape(s) }},
	{"percent twice", Text, func(s string) string { return url.QueryEscape(url.QueryEscape(s)) }},
	{"entities", Text, html.EscapeString},
	{"entities by number", Text, func(s string) string {
		var b strings.Builder
		for _, r := range s {
			fmt.Fprintf(&b, "&#%d;", r)
		}
		return b.String()
	}},
	{"entities by name", Text, strings.NewReplacer("é", "&eacute;", "É", "&Eacute;", " ", "&nbsp;", "@", "&commat;", ".", "&period;").Replace},
	{"quoted-printable", Text, func(s string) string {
		var b bytes.Buffer
		w := quotedprintable.NewWriter(&b)
		fmt.Fprintf(w, "é %s é", s)
		_ = w.Close()
		return b.String()
	}},
	{"escapes", Text, escaped},
	{"json", JSON, func(s string) string { return `{"a": [{"b": ` + marshal(s) + `}]}` }},
	{"json in json", JSON, func(s string) string { return `{"a": ` + marshal(`{"b": `+marshal(s)+`}`) + `}` }},
	{"json of escapes in json", JSON, func(s string) string { return `{"a": ` + marshal(`{"b": "`+escaped(s)+`"}`) + `}` }},
	{"array", Array, func(s string) string { return string(element("x") + "," + element(s)) }},
	{"hstore", Text, func(s string) string { return `"note"=>"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }},
	{"xml", Text, func(s string) string { return `<?xml version="1.0"?><r a="1"><n>` + html.EscapeString(s) + `</n></r>` }},
	{"tags within", Text, func(s string) string { return "<p>" + strings.Replace(s, "e", "<b>e</b>", 1) + "</p>" }},
	{"data url", Text, func(s string) string {
		return `<img src="data:text/plain;charset=utf-8;base64,` + b64([]byte(s)) + `">`
	}},
	{"bytea", Bytea, base16},
	{"array of bytea", Array, func(s string) string { return `{"\\x` + hex.EncodeToString([]byte(s)) + `"}` }},
	{"utf-16 le", Bytea, func(s string) string { return wide("Note "+s, binary.LittleEndian, true) }},
	{"utf-16 be without mark", Bytea, func(s string) string { return wide("Note de service : "+s, binary.BigEndian, false) }},
	{"gzip", Bytea, func(s string) string { return base16(must(gzipOf(s))) }},
	{"zlib", Bytea, func(s string) string { return base16(must(zlibOf(s))) }},
	{"zip", Bytea, func(s string) string { return base16(must(zipOf(s))) }},
	{"gzip behind a header", Bytea, func(s string) string { return base16("\x00\x01HDR\xfe" + must(gzipOf(s)) + "tail") }},
	{"text behind gzip", Bytea, func(s string) string { return base16(must(gzipOf("rien")) + s) }},
	{"gzip in base64", Text, func(s string) string { return b64([]byte(must(gzipOf(s)))) }},
	{"zlib in base64 url", Text, func(s string) string { return base64.URLEncoding.EncodeToString([]byte(must(zlibOf(s)))) }},
	{"json in gzip in base64 in json", JSON, func(s string) string { return `{"blob":"` + b64([]byte(must(gzipOf(`{"x":"`+escaped(s)+`"}`)))) + `"}` }},
	{"percent in gzip in gzip", Bytea, func(s string) string { return base16(must(gzipOf(must(gzipOf(url.QueryEscape(s)))))) }},
}

func build(t testing.TB, add func(a *seen.Adder)) *seen.Set {
	t.Helper()
	b := seen.NewBuilder()
	add(b.Adder())
	s := b.Freeze()
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func begin(t testing.TB, set *seen.Set, canaries []Canary) *Scan {
	t.Helper()
	s, err := New(set, canaries, DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Every kind is found in every spelling, at every place of a sentence, in every encoding; all of them together in long runs.
func TestAttacks(t *testing.T) {
	set := build(t, func(a *seen.Adder) {
		for _, p := range source {
			if r := a.Add(p.kind, []byte(p.ways[0])); r != seen.Usable {
				t.Errorf("%s is %s", p.ways[0], r)
			}
		}
	})
	attacks := 0
	for _, e := range encodings {
		for _, p := range source {
			for w, way := range p.ways {
				for i, sentence := range sentences {
					if (w+i)%4 > 0 && os.Getenv("GARANT_SOAK") == "" { // a quarter, so that each way and each place still meet each encoding
						continue
					}
					attacks++
					text := e.do(fmt.Sprintf(sentence, way))
					scan := begin(t, set, nil)
					s := scan.Scanner()
					s.Row(7)
					s.Value(&Field{"t", "c", e.typ}, []byte(text))
					r := scan.Report()
					found := false
					for _, h := range r.Hits {
						found = found || h.Kind == p.kind && !h.Own && h.First[0].Row == 7
					}
					if !found {
						t.Errorf("%s, %s: %q in %q is missed", e.name, p.kind, way, fmt.Sprintf(sentence, way))
					}
					if len(r.NotScanned) > 0 {
						t.Errorf("%s: %q: %v", e.name, text, r.NotScanned)
					}
				}
			}
		}
	}
	t.Logf("%d attacks", attacks)
}
