package ui

import (
	"io"
	"testing"
	"testing/fstest"
	"time"
)

// BenchmarkAnnex writes a page with the parts of eighty measures.
func BenchmarkAnnex(b *testing.B) {
	m, err := NewMessages()
	if err != nil {
		b.Fatal(err)
	}
	tmpl, err := Parse("public", fstest.MapFS{"x.html": {Data: []byte(`{{define "main"}}{{range .Body.Measures}}<p>{{fact $ $.Body.Fact}} {{pill $ "met"}}{{kind $ "checked"}}{{strip $ $.Body.Days}}{{ago $ $.Body.At}}</p>{{end}}{{end}}`)}}, "x.html")
	if err != nil {
		b.Fatal(err)
	}
	now := time.Date(2026, 11, 12, 20, 4, 0, 0, time.UTC)
	body := sample(now)
	body["Measures"] = make([]int, 80)
	p := samplePage(m.For("fr", time.UTC), now)
	p.Body = body
	for b.Loop() {
		if err := Render(io.Discard, tmpl, p); err != nil {
			b.Fatal(err)
		}
	}
}
