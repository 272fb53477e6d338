package detect

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// holds tells what is always true of an answer.
func holds(t *testing.T, s string, found []Found) {
	t.Helper()
	last := 0
	for _, f := range found {
		if f.Start < last || f.End <= f.Start || f.End > len(s) {
			t.Fatalf("%q: %v after %d", s, f, last)
		}
		if f.Kind.Class() == personal.Harmless {
			t.Fatalf("%q: found %q", s, f.Kind)
		}
		last = f.End
	}
}

func FuzzDetectValue(f *testing.F) {
	for _, s := range []string{
		"Élodie Lefèvre, rue de la Gare 12 bte 4, 1000 Bruxelles", "née le 12/05/1984, 0470 12 34 56, jo@example.com", "BE68 5390 0754 7034", "291112A00400721", "%40%40@@a.b@c.d",
		"-----BEGIN RSA PRIVATE KEY-----", "Mozilla/5.0 (", "https://u:p@h/?token=", "data:;base64,", "50.8503,4.3517", "2001:db8::/129", "d'", "O'Brien’s", "\xc2", "\xe2\x80", "M. ", "12 bis",
		"A.B.-C", "van den", "SW1A 1AA", "1012 AB Amsterdam", "(((0470)))", "+", "-1.000,-", "'’'’", "e\u0301\u0301", "jan-jan jan, jan", "\\x" + strings.Repeat("00", 40),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		found := DetectValue(s)
		holds(t, s, found)
		holds(t, s, AppendFound(nil, strings.Repeat(s, 3))[:0])
		if again := DetectValue(s); fmt.Sprint(again) != fmt.Sprint(found) {
			t.Fatalf("%q: %v, then %v", s, found, again)
		}
	})
}

func FuzzDetect(f *testing.F) {
	f.Add("users", "email", "varchar(80)", "l’adresse", "CHECK (x IN ('M','F'))", "jo@example.com")
	f.Add("", "", "", "", "", "{}")
	f.Add("a_b", "ÉÉ9", "public.\"x\"[]", "", "'", `{"a":[{"b.c":null}]}`)
	f.Add("t", "name", "jsonb", "", "", `[[[[1]]],{"":{}},{"*":1}]`)
	f.Fuzz(func(t *testing.T, table, name, typ, comment, check, sample string) {
		r := Detect(Column{Table: table, Name: name, Type: typ, Comment: comment, Checks: []string{check}, TableColumns: []string{name, comment}, Samples: []string{sample, sample}})
		if r.Class != r.Kind.Class() || r.Question() && r.Kind == personal.None || len(r.Because) == 0 {
			t.Fatalf("%+v", r)
		}
		for _, p := range DetectJSON([]string{sample}) {
			if p.Class != p.Kind.Class() || p.Question() && p.Kind == personal.None {
				t.Fatalf("%+v", p)
			}
		}
	})
}

// hostile are the pieces of long values that would make a careless scan quadratic.
var hostile = []string{
	"a", "A", "@", "a@", "a@b.c", "%40", "1", "12 ", "1.1.1.1.", "0 ", "Jan ", "van ", "de la ", "Van Den ", "Jan-", "12 rue ", "12 High ", "Mme ", "Mozilla/5.0 (", "-----BEGIN RSA PRIVATE KEY-----",
	"://", "https://a/@", "&token=", "BE68 ", "BE68539007547034", "é", "e\u0301", "'", "d'", "\xff", "\x00", "1.0001,", "-1.0001 ", "+32", "(", "M. ", "\\x", "::", "ab:", "Kerkstraat ", "rue de la Gare 12, ", "née le ", "\n",
}

// cpu is the time that this thread has worked: other work on the machine does not count.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(1 /* RUSAGE_THREAD */, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestLinear: 32 times the length takes about 32 times the work, for half a megabyte of each hostile piece; 1024 times would be quadratic.
func TestLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	DetectValue("Jan") // the lists are read once
	found := make([]Found, 0, 1<<19)
	took := func(piece string, size int) time.Duration {
		s := strings.Repeat(piece, size/len(piece)+1)
		start := cpu(t)
		found = AppendFound(found[:0], s)
		took := cpu(t) - start
		holds(t, s, found)
		return took
	}
	for _, piece := range hostile {
		small := max(time.Millisecond/2, took(piece, 16<<10), took(piece, 16<<10))
		if large := took(piece, 512<<10); large > 128*small {
			t.Errorf("%q: %v for 16 KiB, %v for 512 KiB", piece, small, large)
		} else if os.Getenv("GARANT_CORPUS") != "" {
			t.Logf("%q: %v, %v", piece, small, large)
		}
	}
}

func BenchmarkDetectValue(b *testing.B) {
	for _, c := range []struct{ name, value string }{
		{"email", "jo.dubois@example.com"},
		{"code", "active"},
		{"name", "Élodie Lefèvre"},
		{"phone", "0470 12 34 56"},
		{"uuid", "0191f8a0-7c11-7d3e-9a55-0b2f3c4d5e6f"},
		{"sentence", "Bonjour, je vous contacte au sujet de mon dossier, merci de rappeler Élodie Lefèvre au 0470 12 34 56 demain."},
		{"plain sentence", "the order arrived broken and the customer wants a refund before the end of next week"},
		{"page", strings.Repeat("Bonjour, je vous contacte au sujet de mon dossier, merci de me rappeler demain. ", 100)},
	} {
		b.Run(c.name, func(b *testing.B) {
			var found []Found
			b.SetBytes(int64(len(c.value)))
			b.ReportAllocs()
			for b.Loop() {
				found = AppendFound(found[:0], c.value)
			}
		})
	}
}

func BenchmarkDetect(b *testing.B) {
	columns := readCorpus(b, "build.txt")
	for _, samples := range []bool{false, true} {
		b.Run(fmt.Sprintf("samples=%v", samples), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				c := columns[i%len(columns)].Column
				if !samples {
					c.Samples = nil
				}
				Detect(c)
			}
		})
	}
}
