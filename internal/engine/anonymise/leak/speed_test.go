//go:build unix

package leak

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/seen"
)

var (
	given  = strings.Fields("Jean Marie Pierre Élodie Jeanne Paul Louise Anne Marc Sophie Luc Emma Jan Pieter Lotte Jürgen Heike Aïcha Noëlle Tom")
	family = strings.Fields("Dupont Durand Lefèvre Janssens Peeters Müller Schmidt Martin Bernard Petit Rousseau Moreau Vermeulen Maes Claes Wouters Fontaine Lambert Simon Laurent")
)

// people adds n persons of four values each.
func people(t testing.TB, n int) *seen.Set {
	return build(t, func(a *seen.Adder) {
		var buf []byte
		for i := range n {
			g, f := given[i%len(given)], family[i/len(given)%len(family)]
			buf = fmt.Appendf(buf[:0], "%s %s%d", g, f, i)
			a.Add(personal.FullName, buf)
			buf = fmt.Appendf(buf[:0], "%s.%s.%d@exemple.example", g, f, i)
			a.Add(personal.Email, buf)
			buf = fmt.Appendf(buf[:0], "+32 4%08d", i*37%100_000_000)
			a.Add(personal.Phone, buf)
			buf = fmt.Appendf(buf[:0], "BE%02d 5390 %08d", i%97, i)
			a.Add(personal.IBAN, buf)
			a.Add(personal.GivenName, []byte(g))
			a.Add(personal.FamilyName, []byte(f))
		}
	})
}

// samples are what columns of a copy hold.
var samples = []struct {
	name string
	typ  Type
	text string
}{
	{"prose", Text, strings.Repeat("Le client a téléphoné ce matin pour demander où en était son dossier ; la gestionnaire lui a répondu que la décision serait prise avant la fin du mois. "+
		"Une relance sera faite le 12 mars si rien n'arrive. We will get back to you as soon as we have heard from the other side. ", 4)},
	{"names", Text, "Jeanne Fontaine"},
	{"email", Text, "jeanne.fontaine.4711@copie.example"},
	{"json", JSON, `{"id": 4711, "status": "open", "contact": {"name": "Jeanne Fontaine", "phone": "+32 475 00 47 11"}, "tags": ["nouveau", "urgent"], "amount": 1520.75, "at": "2026-03-01T10:20:30Z"}`},
	{"event", JSON, `{"by": "jeanne.fontaine.k3m9x2abcd@mail.example.org", "ms": 417, "kind": "view", "path": "/dossiers/483920/decision", "tags": ["web", "v7"], "agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "status": 200, "request": "550e8400-e29b-41d4-a716-446655440000"}`},
	{"numbers", Text, "2026-03-01 10:20:30.123456+00"},
	{"uuid", Text, "550e8400-e29b-41d4-a716-446655440000"},
	{"html", Text, strings.Repeat("<p>Le client a <b>t&eacute;l&eacute;phon&eacute;</b> ce matin.</p>\n<ul><li>dossier</li></ul>", 8)},
	{"bytea", Bytea, `\x` + strings.Repeat("00ff13fe7a9b", 40)},
}

func BenchmarkScan(b *testing.B) {
	set := people(b, 400_000)
	for _, sample := range samples {
		b.Run(sample.name, func(b *testing.B) {
			scan := begin(b, set, nil)
			s := scan.Scanner()
			f := &Field{"t", "c", sample.typ}
			text := []byte(sample.text)
			s.Row(1)
			s.Own(personal.GivenName, []byte("Élodie"))
			s.Value(f, text)
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			before := processorTime()
			for b.Loop() {
				s.Value(f, text)
			}
			b.ReportMetric(float64(len(text))*float64(b.N)/(processorTime()-before).Seconds()/1e6, "cpu-MB/s")
		})
	}
}

// Time grows with the length of a value and not faster, also of those that are made to be slow.
func TestLinearTime(t *testing.T) {
	set := dupont(t)
	for name, unit := range map[string]string{
		"at": "a@b.", "numbers": "12 34-56.", "brackets": "[{", "percent": "%25", "entities": "&amp;", "tags": "<b", "equals": "=3D", "backslashes": `\\\\`, "gzip": "\x1f\x8b\x08", "words": "elodie ",
		"slashes": "a/b=", "base64": "QUJD", "zip": "PK\x03\x04", "quotes": `"\"`, "colons": "1::", "lines": strings.Repeat("QUJD", 19) + "\n",
	} {
		took := func(n int) time.Duration {
			best := time.Hour
			for range 3 {
				from := processorTime()
				scanned(t, set, DefaultLimits(), Bytea, base16(strings.Repeat(unit, n/len(unit))))
				best = min(best, processorTime()-from)
			}
			return best
		}
		short, long := took(1<<15), took(1<<18)
		if long > 24*short+20*time.Millisecond {
			t.Errorf("%s: eight times the length takes %s instead of %s", name, long, short)
		}
	}
}

// processorTime is what this process has had of the processor: the clock goes on while others have it.
func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkReference is what the cost of a scan may be compared with on a machine with other work: one keyed hash of a short value.
func BenchmarkReference(b *testing.B) {
	m := hmac.New(sha256.New, make([]byte, 32))
	var sum [32]byte
	before := processorTime()
	for b.Loop() {
		m.Reset()
		_, _ = m.Write(sum[:20])
		m.Sum(sum[:0])
	}
	b.ReportMetric(float64((processorTime()-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
}
