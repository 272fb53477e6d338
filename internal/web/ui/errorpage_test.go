package ui

import (
	"strings"
	"testing"
)

func TestErrorPage(t *testing.T) {
	m := messages(t)
	for _, layout := range layouts() {
		for _, lang := range languages() {
			for _, status := range []int{400, 401, 403, 404, 409, 410, 413, 421, 422, 429, 500, 502, 503, 504} {
				p := &Page{Printer: m.For(lang, nil), Site: "Garant", Layout: layout, Path: "/x?a=1&b=%22"}
				b, err := ErrorPage(p, status, "", "", "", "0199-abc")
				if err != nil {
					t.Fatalf("%s %d: %v", layout, status, err)
				}
				s := string(b)
				if strings.Contains(s, "⟦") {
					t.Errorf("%s %s %d: words are missing:\n%s", layout, lang, status, s)
				}
				if strings.Count(s, "<h1>") != 1 || !strings.Contains(s, "0199-abc") {
					t.Errorf("%s %s %d: heading or request id is missing:\n%s", layout, lang, status, s)
				}
				if p.Title != "" || p.Body != nil {
					t.Errorf("the caller's page was changed: %+v", p)
				}
			}
		}
	}
	b, err := ErrorPage(&Page{Printer: m.For("en", nil), Site: "G"}, 403, "No", `<script>alert("x")</script>`, "Ask.", "")
	if err != nil {
		t.Fatal(err)
	}
	if s := string(b); strings.Contains(s, "<script>alert") || !strings.Contains(s, "&lt;script&gt;") || !strings.Contains(s, "Ask.") {
		t.Errorf("words of an error are not escaped, or not shown:\n%s", s)
	}
	if _, err := ErrorPage(&Page{}, 404, "", "", "", ""); err == nil {
		t.Error("an error page without a printer was made")
	}
	if _, err := ErrorPage(&Page{Printer: m.For("en", nil), Layout: "none"}, 404, "", "", "", ""); err == nil {
		t.Error("an error page without a layout was made")
	}
}

func messages(t *testing.T) *Messages {
	t.Helper()
	m, err := NewMessages()
	if err != nil {
		t.Fatal(err)
	}
	return m
}
