//go:build unix

package seen

import (
	"fmt"
	"hash/maphash"
	"strings"
	"syscall"
	"testing"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

const prose = "Le client a téléphoné ce matin pour demander où en était son dossier ; la gestionnaire lui a répondu que la décision serait prise avant la fin du mois. "

// processor reports the processor's time besides that of the clock, which other work on the machine spoils.
func processor(b *testing.B, bytes int) func() {
	var before syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
		b.Fatal(err)
	}
	return func() {
		var after syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
			b.Fatal(err)
		}
		ns := float64(after.Utime.Nano()+after.Stime.Nano()-before.Utime.Nano()-before.Stime.Nano()) / float64(b.N)
		b.ReportMetric(ns, "cpu-ns/op")
		if bytes > 0 {
			b.ReportMetric(float64(bytes)/ns*1e3, "cpu-MB/s")
		}
	}
}

func BenchmarkWords(b *testing.B) {
	text := []byte(strings.Repeat(prose, 100))
	h, words := newHasher(), make([]Word, 0, 512)
	b.ReportAllocs()
	done := processor(b, len(text))
	defer done()
	for b.Loop() {
		for i := 0; ; i = int(words[len(words)-1].End) {
			if words = h.words(words[:0], text, i); len(words) == 0 {
				break
			}
		}
	}
}

func BenchmarkHash(b *testing.B) {
	for _, word := range []string{"la", "dupont", "gestionnaire", "jean.dupont@exemple.example"} {
		w := []byte(word)
		b.Run(fmt.Sprintf("folded/%d", len(w)), func(b *testing.B) {
			h := newHasher()
			defer processor(b, 0)()
			for b.Loop() {
				h.sum(tagWord, w)
			}
		})
		b.Run(fmt.Sprintf("maphash/%d", len(w)), func(b *testing.B) {
			seed := maphash.MakeSeed()
			defer processor(b, 0)()
			for b.Loop() {
				maphash.Bytes(seed, w)
			}
		})
	}
}

func BenchmarkAdd(b *testing.B) {
	for _, c := range []struct {
		kind   personal.Kind
		format string
	}{{personal.Email, "person.%d@exemple.example"}, {personal.Phone, "+32 475 %d"}, {personal.FullName, "Élodie Dupont%d"}, {personal.IBAN, "BE68 5390 %d"}} {
		b.Run(string(c.kind), func(b *testing.B) {
			values := make([][]byte, 1<<16)
			for i := range values {
				values[i] = fmt.Appendf(nil, c.format, 1000000+i)
			}
			builder := NewBuilder()
			defer builder.Discard()
			a, i := builder.Adder(), 0
			b.ReportAllocs()
			defer processor(b, 0)()
			for b.Loop() {
				a.Add(c.kind, values[i&0xffff])
				i++
			}
		})
	}
}

func BenchmarkFind(b *testing.B) {
	for _, n := range []int{100_000, 4_000_000} {
		builder := NewBuilder()
		x := uint64(1)
		next := func() Key {
			x += 0x9e3779b97f4a7c15
			z := (x ^ x>>30) * 0xbf58476d1ce4e5b9
			z = (z ^ z>>27) * 0x94d049bb133111eb
			return Key(z ^ z>>31)
		}
		for range n {
			builder.add(next(), 1)
		}
		s := builder.Freeze()
		b.Run(fmt.Sprintf("absent/%d", n), func(b *testing.B) {
			defer processor(b, 0)()
			for b.Loop() {
				s.Find(next())
			}
		})
		b.Run(fmt.Sprintf("held/%d", n), func(b *testing.B) {
			defer processor(b, 0)()
			for i := 0; b.Loop(); i++ {
				if i%n == 0 {
					x = 1
				}
				if _, ok := s.Find(next()); !ok {
					b.Fatal("lost")
				}
			}
		})
		_ = s.Close()
	}
}
