package leak

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net/url"
	"strings"
	"unicode/utf16"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// A Canary is a value that exists nowhere and must be found.
type Canary struct {
	Kind     personal.Kind
	Encoding string
	Value    string // what enters the set
	Type     Type   // of the column that Text belongs to
	Text     []byte // what is put among the copy's values, in PostgreSQL's text form
}

// A Lost canary was not found.
type Lost struct {
	Kind     personal.Kind
	Encoding string
}

// Recall says how many canaries were found.
type Recall struct {
	Planted, Found int
	Missing        []Lost
}

// Complete reports whether all were, and there were any.
func (r Recall) Complete() bool { return r.Planted > 0 && r.Found == r.Planted }

// Canaries makes canaries of each kind in each encoding, rounds times, from a key that no other run has.
func Canaries(key []byte, rounds int) ([]Canary, error) {
	var out []Canary
	g := generator{key: key}
	for range rounds {
		for _, kind := range canaryKinds {
			for _, e := range canaryEncodings() {
				value := g.value(kind)
				text, err := e.encode("Vu avec " + value + " ce matin.")
				if err != nil {
					return nil, fmt.Errorf("canary as %s: %w", e.name, err)
				}
				out = append(out, Canary{Kind: kind, Encoding: e.name, Value: value, Type: e.typ, Text: text})
			}
		}
	}
	return out, nil
}

var canaryKinds = []personal.Kind{
	personal.Email, personal.Phone, personal.IBAN, personal.Card, personal.NationalNumber, personal.IdentityPaper, personal.FullName, personal.Username, personal.Address,
	personal.IP, personal.Device, personal.Credential, personal.Coordinates, personal.PersonURL,
}

// generator draws from a key.
type generator struct {
	key []byte
	n   uint64
}

func (g *generator) draw(n uint64) uint64 {
	m := hmac.New(sha256.New, g.key)
	_ = binary.Write(m, binary.BigEndian, g.n)
	g.n++
	return binary.BigEndian.Uint64(m.Sum(nil)) % n
}

func (g *generator) digits(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = '0' + byte(g.draw(10))
	}
	b[0] = '1' + b[0]%9
	return string(b)
}

// word is one of no language; its accents show that folding works.
func (g *generator) word() string {
	consonants, vowels := []string{"b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z"}, []string{"a", "é", "i", "o", "ü", "u", "œ"}
	var b strings.Builder
	for range 5 {
		b.WriteString(consonants[g.draw(uint64(len(consonants)))])
		b.WriteString(vowels[g.draw(uint64(len(vowels)))])
	}
	return b.String()
}

// value draws a value that nobody has: names of no language, a country's code and a bank that do not exist, a reserved domain.
func (g *generator) value(kind personal.Kind) string {
	switch kind {
	case personal.Email:
		return fmt.Sprintf("%s.%s@%s.invalid", "x"+g.digits(8), "y"+g.digits(6), "z"+g.digits(6))
	case personal.Phone:
		return "+999 " + g.digits(12)
	case personal.IBAN:
		return "XX" + g.digits(22)
	case personal.Card:
		return "0" + g.digits(17)
	case personal.NationalNumber:
		return "9" + g.digits(18)
	case personal.IdentityPaper:
		return "XQ" + g.digits(14)
	case personal.Username:
		return g.word() + "_" + g.digits(6)
	case personal.Address:
		return g.digits(3) + " rue " + g.word() + " " + g.word()
	case personal.IP:
		return fmt.Sprintf("2001:db8:%s:%s:%s::%s", g.digits(4), g.digits(4), g.digits(4), g.digits(4)) // RFC 3849
	case personal.Device, personal.Credential:
		return fmt.Sprintf("%08x-%04x-%04x-%012x", g.draw(1<<32), g.draw(1<<16), g.draw(1<<16), g.draw(1<<48))
	case personal.Coordinates:
		return "-90." + g.digits(9) + ",0." + g.digits(9) // beyond the pole
	case personal.PersonURL:
		return "https://" + "x" + g.digits(8) + ".invalid/u/" + "y" + g.digits(8)
	default:
		return g.word() + " " + g.word()
	}
}

type canaryEncoding struct {
	name   string
	typ    Type
	encode func(string) ([]byte, error)
}

func plain(f func(string) string) func(string) ([]byte, error) {
	return func(s string) ([]byte, error) { return []byte(f(s)), nil }
}

// bytea writes bytes as PostgreSQL does.
func bytea(b []byte) []byte { return []byte(`\x` + fmt.Sprintf("%x", b)) }

func quote(s string) string {
	b, _ := json.Marshal(s) // a string always has a form
	return string(b)
}

// element writes an element of an array as PostgreSQL does.
func element(s string) string {
	return `{"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"}`
}

func canaryEncodings() []canaryEncoding {
	return []canaryEncoding{
		{"plain", Text, plain(func(s string) string { return s })},
		{"upper case", Text, plain(strings.ToUpper)},
		{"json", JSON, plain(func(s string) string { return `{"note": {"lines": [` + quote(s) + `]}}` })},
		{"json in json", JSON, plain(func(s string) string {
			return `{"payload": ` + quote(`{"note": `+strings.Trim(strings.ReplaceAll(quote(s), "é", `\u00e9`), " ")+`}`) + `}`
		})},
		{"unicode escapes", Text, plain(func(s string) string {
			var b strings.Builder
			for _, u := range utf16.Encode([]rune(s)) {
				fmt.Fprintf(&b, `\u%04x`, u)
			}
			return b.String()
		})},
		{"array", Array, plain(element)},
		{"percent", Text, plain(func(s string) string { return "https://a.invalid/?q=" + url.QueryEscape(s) + "&r=1" })},
		{"entities", Text, plain(func(s string) string {
			var b strings.Builder
			for i, r := range s {
				if i%2 == 0 {
					fmt.Fprintf(&b, "&#%d;", r)
				} else {
					fmt.Fprintf(&b, "&#x%x;", r)
				}
			}
			return b.String()
		})},
		{"quoted-printable", Text, func(s string) ([]byte, error) { return quotedOf("é " + s) }},
		{"base64", Text, plain(func(s string) string { return "voir " + base64.StdEncoding.EncodeToString([]byte(s)) })},
		{"base64, url, unpadded", Text, plain(func(s string) string { return "jeton=" + base64.RawURLEncoding.EncodeToString([]byte(s)) })},
		{"data url", Text, plain(func(s string) string { return "data:text/plain;base64," + base64.StdEncoding.EncodeToString([]byte(s)) })},
		{"hex", Text, plain(func(s string) string { return "0x" + fmt.Sprintf("%x", s) })},
		{"bytea", Bytea, plain(func(s string) string { return string(bytea([]byte(s))) })},
		{"utf-16", Bytea, plain(func(s string) string {
			var b []byte
			for _, u := range utf16.Encode([]rune("\ufeff" + s)) {
				b = binary.LittleEndian.AppendUint16(b, u)
			}
			return string(bytea(b))
		})},
		{"gzip", Bytea, func(s string) ([]byte, error) {
			b, err := gzipOf(s)
			return bytea(b), err
		}},
		{"zlib", Bytea, func(s string) ([]byte, error) {
			b, err := zlibOf(s)
			return bytea(b), err
		}},
		{"zip", Bytea, func(s string) ([]byte, error) {
			b, err := zipOf(s)
			return bytea(b), err
		}},
		{"gzip in base64 in json", JSON, func(s string) ([]byte, error) {
			b, err := gzipOf(s)
			return []byte(`{"blob": ` + quote(base64.StdEncoding.EncodeToString(b)) + `}`), err
		}},
	}
}

// written gives what a writer that is made for a buffer leaves there.
func written(s string, make func(io.Writer) (io.Writer, io.Closer, error)) ([]byte, error) {
	var buf bytes.Buffer
	w, c, err := make(&buf)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(w, s); err != nil {
		return nil, err
	}
	if err := c.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func gzipOf(s string) ([]byte, error) {
	return written(s, func(w io.Writer) (io.Writer, io.Closer, error) { z := gzip.NewWriter(w); return z, z, nil })
}

func zlibOf(s string) ([]byte, error) {
	return written(s, func(w io.Writer) (io.Writer, io.Closer, error) { z := zlib.NewWriter(w); return z, z, nil })
}

func zipOf(s string) ([]byte, error) {
	return written(s, func(w io.Writer) (io.Writer, io.Closer, error) {
		z := zip.NewWriter(w)
		f, err := z.Create("a.txt")
		return f, z, err
	})
}

func quotedOf(s string) ([]byte, error) {
	return written(s, func(w io.Writer) (io.Writer, io.Closer, error) { z := quotedprintable.NewWriter(w); return z, z, nil })
}
