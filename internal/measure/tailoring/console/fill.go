package console

import (
	"time"

	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/web/ui"
)

// unknown stands in a preview for what no check has seen yet.
const unknown = "…"

// Fill writes a sentence with its figures; … stands for what no check has seen yet.
func Fill(p *ui.Printer, text catalogue.Text, figures, facts map[string]measure.Fact) string {
	out := ""
	for _, s := range text {
		if !s.Placeholder() {
			out += s.Text
			continue
		}
		if s.Chooses() {
			out += measure.Chosen(s, facts[s.Name])
			continue
		}
		f, ok := figures[s.Name]
		if !ok {
			f, ok = facts[s.Name]
		}
		switch {
		case !ok && s.Many != "":
			out += unknown + " " + s.Many
		case !ok:
			out += unknown
		case s.One != "" && f.Kind == measure.CountFact:
			out += p.CountOf(f.Count, s.One, s.Many)
		default:
			out += f.Words(p, func(t time.Time) string { return p.Instant(t) })
		}
	}
	return out
}
