package annex

import (
	"strings"
	"time"

	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/web/ui"
)

// Span is a piece of a sentence: words, or a value read from configuration or a running system.
type Span struct {
	Text   string
	Name   string    // of the fact or parameter; empty for words
	Source string    // check that saw it; empty: announced in the configuration
	At     time.Time // when it was last seen
}

// Fill puts values into a text of the catalogue. A fact that evidence gives comes before the
// announced parameter of the same name. Of a choice of words the weaker one is said when no evidence gives the
// fact. ok is false when a value is missing: the text then
// cannot be said.
func Fill(text string, p *ui.Printer, parameters map[string]measure.Fact, row Row, seen time.Time) (spans []Span, ok bool) {
	parsed, err := catalogue.ParseText(text)
	if err != nil {
		return nil, false
	}
	for _, s := range parsed {
		if !s.Placeholder() {
			spans = append(spans, Span{Text: s.Text})
			continue
		}
		fact, found := row.Facts[s.Name]
		source := row.Sources[s.Name]
		if s.Chooses() {
			span := Span{Text: measure.Chosen(s, fact)}
			if source != "" {
				span.Name, span.Source, span.At = s.Name, source, seen
			}
			spans = append(spans, span)
			continue
		}
		if !found {
			if fact, found = parameters[s.Name]; !found {
				return nil, false
			}
			source = ""
		}
		span := Span{Text: format(p, fact, s), Name: s.Name, Source: source}
		if source != "" {
			span.At = seen
		}
		spans = append(spans, span)
	}
	return spans, true
}

func format(p *ui.Printer, f measure.Fact, s catalogue.Segment) string {
	if s.One != "" {
		return p.CountOf(f.Count, s.One, s.Many)
	}
	return f.Words(p, p.Day)
}

// Plain is the spans as one string.
func Plain(spans []Span) string {
	var b strings.Builder
	for _, s := range spans {
		b.WriteString(s.Text)
	}
	return b.String()
}
