// Package consoletest holds pages of the console to what holds of every page, and reads them as
// a person would.
package consoletest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// Ask sends a request to the console, with a form as a page of it would send one, and holds what comes to what holds of all pages.
func Ask(t testing.TB, site http.Handler, method, target string, form url.Values) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
	r.Host = "admin.localhost:8480"
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	w := httptest.NewRecorder()
	site.ServeHTTP(w, r)
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		Sound(t, target, w.Body.String())
	}
	return w
}

// Sound holds a page to what holds of all: words for every id, elements that are closed, ids that
// come once, references that lead somewhere, nothing inline.
func Sound(t testing.TB, target, page string) {
	t.Helper()
	if i := strings.Index(page, "⟦"); i >= 0 {
		t.Errorf("%s: a word is missing: %s", target, page[i:min(len(page), i+80)])
	}
	void := map[string]bool{"meta": true, "link": true, "input": true, "br": true, "path": true, "rect": true, "circle": true, "line": true, "polyline": true}
	var stack []string
	ids, refs := map[string]int{}, map[string]bool{}
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			if z.Err() != io.EOF { //nolint:errorlint // returned bare
				t.Errorf("%s: %v", target, z.Err())
			}
			break
		}
		token := z.Token()
		for _, a := range token.Attr {
			switch {
			case a.Key == "id":
				ids[a.Val]++
			case a.Key == "for", a.Key == "aria-labelledby", a.Key == "aria-describedby":
				for _, ref := range strings.Fields(a.Val) {
					refs[ref] = true
				}
			case a.Key == "style", strings.HasPrefix(a.Key, "on"):
				t.Errorf("%s: <%s> has %s, which the policy of the site refuses", target, token.Data, a.Key)
			}
		}
		switch {
		case kind == html.StartTagToken && !void[token.Data]:
			stack = append(stack, token.Data)
		case kind == html.EndTagToken && !void[token.Data]:
			if len(stack) == 0 || stack[len(stack)-1] != token.Data {
				t.Fatalf("%s: </%s> closes %v", target, token.Data, stack)
			}
			stack = stack[:len(stack)-1]
		}
	}
	if len(stack) > 0 {
		t.Errorf("%s: never closed: %v", target, stack)
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("%s: the id %s comes %d times", target, id, n)
		}
	}
	for ref := range refs {
		if ids[ref] == 0 {
			t.Errorf("%s: nothing has the id %s", target, ref)
		}
	}
}

// Text is what a reader sees of the work on a page, on one line, with the addresses of links.
func Text(t testing.TB, page string) string {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.TextNode {
			b.WriteString(n.Data + " ")
		}
		for _, a := range n.Attr {
			switch a.Key {
			case "href", "action":
				b.WriteString("[" + a.Val + "] ")
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	walk(doc)
	return strings.Join(strings.Fields(b.String()), " ")
}

// Wants expects a page to say each of the parts.
func Wants(t testing.TB, page string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(page, part) {
			t.Errorf("the page does not say %q:\n%s", part, page)
		}
	}
}

// Lacks expects a page to say none of the parts.
func Lacks(t testing.TB, page string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if strings.Contains(page, part) {
			t.Errorf("the page says %q:\n%s", part, page)
		}
	}
}
