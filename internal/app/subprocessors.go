package app

import (
	"context"

	"github.com/garant-project/garant/internal/annex"
	"github.com/garant-project/garant/internal/calendar"
)

// subprocessors joins the register of suppliers with the public annex: those on the public list
// whose end has not come.
func (g *Garant) subprocessors(ctx context.Context) ([]annex.Subprocessor, error) {
	list, err := g.Registers.Subprocessors(ctx)
	if err != nil {
		return nil, err
	}
	zone := g.zone(ctx)
	today := calendar.Of(g.Now(), zone)
	var out []annex.Subprocessor
	for _, s := range list {
		if !s.Until.IsZero() && !today.Before(s.Until) {
			continue
		}
		p := annex.Subprocessor{ID: s.ID, Name: s.Name, Country: s.Country, Service: s.Purpose, Data: s.Data, Places: []string{s.Country}, Since: s.Since.Start(zone)}
		if s.Safeguard != "" && s.Safeguard != "eea" {
			p.Safeguard = map[string]string{}
			for _, lang := range g.Messages.Languages() {
				p.Safeguard[lang] = g.Words(lang, "register.option.suppliers_safeguard."+s.Safeguard)
			}
		}
		out = append(out, p)
	}
	return out, nil
}
