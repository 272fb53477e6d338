package leaf

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// golden are leaves to the letter: what is written otherwise is another leaf, and no tree holds it.
func golden() map[string]Entry {
	at := time.Date(2026, 11, 27, 9, 8, 7, 6000, time.FixedZone("", 3600))
	full := Said{
		ActorKind: "user", ActorID: "u\"1\\", Session: "s", Origin: "::1", Tenant: "0192f3c4-0000-7000-8000-000000000001", Action: "thing.changed", Outcome: "permitted", ObjectKind: "thing", ObjectID: "é\n\x01<&>\u2028",
		Reason: "because", Request: "r", Detail: []byte(`{ "b":1, "a":"x"}`), Subject: "person:p", Promise: []byte{1, 2, 3}, Occurred: at.Add(-time.Hour), Written: at, Writer: "0192f3c4-0000-7000-8000-00000000000a", N: 7,
	}
	long := Said{ActorKind: "person", ActorID: "p", Action: "a.b", Outcome: "refused", Detail: []byte(`"` + strings.Repeat("x", MaxDetail) + `"`)}
	return map[string]Entry{
		`{"v":1,"id":0,"said":{"by":{"kind":"","id":""},"object":{"kind":"","id":""}}}`: {},
		`{"v":1,"id":9,"at":"2026-11-27T08:08:07.000006Z","said":{"by":{"kind":"user","id":"u\"1\\","session":"s","origin":"::1"},"tenant":"0192f3c4-0000-7000-8000-000000000001","action":"thing.changed","outcome":"permitted","object":{"kind":"thing","id":"é\u000a\u0001<&>` + "\u2028" +
			`"},"reason":"because","request":"r","detail":{ "b":1, "a":"x"},"subject":"person:p","promise":"AQID","occurred":"2026-11-27T07:08:07.000006Z","written":"2026-11-27T08:08:07.000006Z","writer":"0192f3c4-0000-7000-8000-00000000000a","n":7},"mac":"/w=="}`: {ID: 9, At: at, Said: full, MAC: []byte{255}},
		`{"v":1,"id":10,"said":{"by":{"kind":"person","id":"p"},"action":"a.b","outcome":"refused","object":{"kind":"","id":""},"detail_digest":"` + hex.EncodeToString(sum(long.Detail)) + `"}}`: {ID: 10, Said: long},
	}
}

func sum(b []byte) []byte { s := sha256.Sum256(b); return s[:] }

func TestGolden(t *testing.T) {
	for want, e := range golden() {
		if got := string(e.Append(nil)); got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
		got, said := e.AppendBoth([]byte("before"))
		if string(got) != "before"+want || !bytes.Equal(said, e.Said.Append(nil)) {
			t.Errorf("%s, said %s", got, said)
		}
	}
}

func TestAppendTimeIsAppendFormat(t *testing.T) {
	dice := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same draws each time
	times := []time.Time{{}, time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)}
	for range 100_000 {
		times = append(times, time.Unix(dice.Int64N(600_000_000_000)-100_000_000_000, dice.Int64N(1e9)).In(time.FixedZone("", dice.IntN(80_000)-40_000)))
	}
	for _, at := range times {
		if got, want := string(AppendTime(nil, at)), at.UTC().Format("2006-01-02T15:04:05.000000Z"); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	}
}

func TestSigner(t *testing.T) {
	key := []byte("key")
	s := NewSigner(key)
	for _, said := range []string{"", "a", strings.Repeat("b", 200), "a"} {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(said))
		want := h.Sum(nil)
		if !bytes.Equal(s.MAC(nil, []byte(said)), want) || !bytes.Equal(MAC(key, []byte(said)), want) || !s.Signed([]byte(said), want) || s.Signed([]byte(said+"x"), want) || s.Signed([]byte(said), nil) {
			t.Errorf("the MAC of %q is another", said)
		}
	}
}

// Strings of all lengths are escaped byte by byte where they have to be, wherever that is in them.
func TestEscapes(t *testing.T) {
	dice := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // the same draws each time
	signs := []byte("\"\\\x00\x1f\x20\x21\x7f\x80\xa2\xdc\xffabc\u00e9")
	for range 100_000 {
		s := make([]byte, dice.IntN(40))
		var want []byte
		for i := range s {
			if s[i] = 'a'; dice.IntN(8) == 0 {
				s[i] = signs[dice.IntN(len(signs))]
			}
			switch c := s[i]; {
			case c == '"' || c == '\\':
				want = append(want, '\\', c)
			case c < 0x20:
				want = fmt.Appendf(want, `\u%04x`, c)
			default:
				want = append(want, c)
			}
		}
		if got := appendString(nil, string(s)); string(got) != `"`+string(want)+`"` {
			t.Fatalf("%q is %q, want %q", s, got, want)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	e := Entry{ID: 9, At: time.Now(), MAC: make([]byte, 32), Said: Said{ActorKind: "person", ActorID: "p1", Session: "s1", Origin: "192.0.2.7", Tenant: "0192f3c4-0000-7000-8000-000000000001", Action: "thing.changed", Outcome: "permitted", ObjectKind: "thing", ObjectID: "12",
		Detail: []byte(`{"number":1}`), Written: time.Now(), Writer: "0192f3c4-0000-7000-8000-00000000000a", N: 7}}
	var buf []byte
	s := NewSigner([]byte("key"))
	for b.Loop() {
		var said []byte
		buf, said = e.AppendBoth(buf[:0])
		if s.Signed(said, e.MAC) {
			b.Fatal("signed")
		}
	}
}
