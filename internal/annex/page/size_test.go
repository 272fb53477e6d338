package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/garant-project/garant/internal/web/ui"
)

// fullAnnex is the heaviest annex that there can be: every measure is met, with facts, a witness,
// a confirmation and a history that changed every few days; no two digests or times are the same.
func fullAnnex(t testing.TB, words *ui.Messages, lang string, o Order) Annex {
	t.Helper()
	v := sampleAnnex(t, words, lang)
	if o != OwnOrder {
		v = sampleOrder(t, words, lang, o)
	}
	n := 0
	for i := range v.Sections {
		for j := range v.Sections[i].Measures {
			n++
			m := &v.Sections[i].Measures[j]
			at := func(d int) time.Time { return sampleNow.Add(-time.Duration(d*n) * 733 * time.Second) }
			digest := func(what string) string {
				sum := sha256.Sum256([]byte(what + m.ID))
				return hex.EncodeToString(sum[:])
			}
			m.State, m.Reason, m.Since = ui.Met, "reason.pass", at(97)
			m.LastLook, m.NextLook, m.ValidUntil = at(1), sampleNow.Add(time.Duration(n)*71*time.Second), sampleNow.Add(time.Duration(n)*173*time.Second)
			m.Examined, m.Expected = n+3, n+3
			m.Digests = []Digest{{Check: "endpoint.tls", SHA256: digest("a"), FirstAt: at(3), Passed: true}}
			m.Witness = &Witness{Name: fmt.Sprintf("Témoin Exemple %d", n), At: at(2), Key: digest("k")[:12]}
			m.Confirmed = &Confirmation{At: at(11), Until: at(-400), Digest: digest("c")}
			m.Outside = n%8 == 0
			for k, s := range m.Sentence {
				if s.Fact {
					m.Sentence[k].Source, m.Sentence[k].At = "endpoint.tls", at(1)
				}
			}
			for k, s := range m.Method {
				if s.Fact {
					m.Method[k].Source, m.Method[k].At = "endpoint.tls", at(1)
				}
			}
			m.Strip = nil
			for d := range 90 {
				state := ui.Met
				if (d+n*7)%23 == 0 {
					state = ui.NotMet
				} else if (d+n*5)%31 == 0 {
					state = ui.Stale
				}
				m.Strip = append(m.Strip, ui.Day{Date: sampleNow.AddDate(0, 0, d-89), State: state})
			}
		}
	}
	return v
}

func packed(t testing.TB, b []byte) int {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out) // as the site packs its pages
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Len()
}

// mostBytes is what a reader has to load of an annex of eighty measures, fonts apart.
const mostBytes = 60 << 10

// The whole annex and its style sheet stay below 60 KB as they travel, in every order.
func TestSize(t *testing.T) {
	pages, words := samplePages(t)
	r := httptest.NewRequest(http.MethodGet, ui.Asset("garant.css"), nil)
	r.Header.Set("Accept-Encoding", "gzip")
	w := httptest.NewRecorder()
	ui.Static().ServeHTTP(w, r)
	if w.Code != 200 || w.Header().Get("Content-Encoding") != "gzip" {
		t.Fatalf("the style sheet: %d %v", w.Code, w.Header())
	}
	css := w.Body.Len()
	for _, lang := range []string{"fr", "en"} {
		for _, o := range Orders() {
			v := fullAnnex(t, words, lang, o)
			var b bytes.Buffer
			if err := pages.Annex(&b, samplePage(t, words, lang, "/"), v); err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(b.String(), "<article"); n != 80 {
				t.Fatalf("%d measures are shown in full", n)
			}
			size := packed(t, b.Bytes())
			t.Logf("%s %q: %d bytes of HTML (%d unpacked) and %d of CSS", lang, o, size, b.Len(), css)
			if size+css > mostBytes {
				t.Errorf("%s %q: %d bytes, and %d are allowed", lang, o, size+css, mostBytes)
			}
		}
	}
}

// No page loads anything from anybody else, nor says a word to them.
func TestNoThirdParty(t *testing.T) {
	for name, b := range written(t, "fr") {
		for _, n := range elements(parse(t, b)) {
			for _, a := range []string{"src", "href", "action", "srcset", "poster", "data"} {
				v, ok := attr(n, a)
				if !ok || n.Data == "a" && strings.HasPrefix(v, "mailto:") {
					continue
				}
				if own := strings.HasPrefix(v, "/") && !strings.HasPrefix(v, "//") || strings.HasPrefix(v, "#") || strings.HasPrefix(v, "https://trust.ardoise.example/"); !own {
					t.Errorf("%s: <%s %s=%q> leads to somebody else", name, n.Data, a, v)
				}
			}
			if n.Data == "link" || n.Data == "meta" {
				if rel, _ := attr(n, "rel"); rel == "preconnect" || rel == "dns-prefetch" {
					t.Errorf("%s: %s", name, rel)
				}
			}
		}
		for d := range parse(t, b).Descendants() {
			if d.Type == html.CommentNode {
				t.Errorf("%s holds a remark", name)
			}
		}
	}
}
