package ui

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
)

func get(t *testing.T, method, target, encoding string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	if encoding != "" {
		r.Header.Set("Accept-Encoding", encoding)
	}
	w := httptest.NewRecorder()
	Static().ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEveryFileIsServed(t *testing.T) {
	l, err := assets()
	if err != nil {
		t.Fatal(err)
	}
	if len(l.byName) < 8 || len(l.icons) < 30 {
		t.Fatalf("only %d files and %d icons", len(l.byName), len(l.icons))
	}
	for name := range l.byName {
		p := Asset(name)
		plain := get(t, "GET", p, "")
		content := body(t, plain.Body)
		sum := sha256.Sum256([]byte(content))
		if !strings.Contains(p, hex.EncodeToString(sum[:6])) {
			t.Errorf("%s is not named after its content", p)
		}
		if plain.StatusCode != 200 || !strings.Contains(plain.Header.Get("Cache-Control"), "immutable") || plain.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %d %v", p, plain.StatusCode, plain.Header)
		}
		packed := get(t, "GET", p, "br, gzip;q=0.5")
		if path.Ext(name) == ".woff2" {
			if packed.Header.Get("Content-Encoding") != "" {
				t.Errorf("%s is packed twice", name)
			}
			continue
		}
		if packed.Header.Get("Content-Encoding") != "gzip" || packed.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%s: %v", p, packed.Header)
			continue
		}
		z, err := gzip.NewReader(packed.Body)
		if err != nil {
			t.Fatal(err)
		}
		if body(t, z) != content {
			t.Errorf("%s: packed and plain differ", p)
		}
	}
	for _, c := range []struct {
		method, target string
		status         int
	}{
		{"HEAD", Asset("garant.css"), 200}, {"GET", "/static/garant.css", 404}, {"GET", "/static/", 404}, {"GET", "/static/../page.go", 404},
		{"GET", "/static/fonts/inter-LICENSE.txt", 404}, {"POST", Asset("garant.css"), 405},
	} {
		res := get(t, c.method, c.target, "")
		if res.StatusCode != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.target, res.StatusCode, c.status)
		}
		if c.method == "HEAD" && body(t, res.Body) != "" {
			t.Error("HEAD has a body")
		}
	}
	if Asset("none.css") != "" {
		t.Error("a file that there is not has a path")
	}
}

func TestAcceptsGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "br, gzip": true, "gzip;q=0": false, "gzip; q=0.0": false, "gzip;q=1": true, "xgzip": false, "identity": false, "gzip;q=x": false,
	} {
		if AcceptsGzip(header) != want {
			t.Errorf("%q: %t", header, !want)
		}
	}
}

// A style sheet that names a file that there is not, or one from elsewhere, shows at once.
func TestStyleSheet(t *testing.T) {
	l, err := assets()
	if err != nil {
		t.Fatal(err)
	}
	sheet := string(l.byName["garant.css"].plain)
	urls := regexp.MustCompile(`url\(([^)]*)\)`).FindAllStringSubmatch(sheet, -1)
	if len(urls) < 4 {
		t.Fatalf("only %d urls", len(urls))
	}
	for _, u := range urls {
		if l.byPath[u[1]] == nil {
			t.Errorf("the style sheet asks for %s", u[1])
		}
	}
	if strings.Contains(sheet, "@import") || strings.Contains(sheet, "http") {
		t.Error("the style sheet asks for something from elsewhere")
	}
	if n := strings.Count(sheet, "{") - strings.Count(sheet, "}"); n != 0 {
		t.Errorf("%d braces stay open", n)
	}
	// A variable that nobody sets is silently nothing.
	set := map[string]bool{}
	for _, m := range regexp.MustCompile(`(--[a-z-]+):`).FindAllStringSubmatch(sheet, -1) {
		set[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`var\((--[a-z-]+)`).FindAllStringSubmatch(sheet, -1) {
		if !set[m[1]] {
			t.Errorf("%s is used and never set", m[1])
		}
	}
	for _, s := range States() {
		for _, class := range []string{"pill-" + s.Class(), "day-" + s.Class(), "share-" + s.Class()} {
			if !regexp.MustCompile(`\.` + class + `\b`).MatchString(sheet) {
				t.Errorf("there is no rule for .%s", class)
			}
		}
	}
}

// Every icon is of our drawing: 24 units, lines of 2, no colour of its own.
func TestIcons(t *testing.T) {
	l, err := assets()
	if err != nil {
		t.Fatal(err)
	}
	for name, svg := range l.icons {
		s := string(svg)
		if !strings.Contains(s, `viewBox="0 0 24 24"`) || !strings.Contains(s, `stroke="currentColor"`) || !strings.Contains(s, `aria-hidden="true"`) || strings.Contains(s, "style=") {
			t.Errorf("%s: %s", name, s)
		}
	}
	for _, s := range States() {
		if _, err := icon(s.Icon()); err != nil {
			t.Error(err)
		}
	}
	for _, tone := range []Tone{Info, Success, Warning, Danger, "other"} {
		if _, err := icon(Notice{Tone: tone}.Icon()); err != nil {
			t.Error(err)
		}
	}
}
