package witness

import (
	"slices"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// Due puts on the desk every witness that is silent, and every measure that one disputes.
func (b *Book) Due() console.DueSource {
	return console.DueSource{
		Count: func(r *web.Request) (int, error) {
			list, err := b.due(r, nil)
			return len(list), err
		},
		List: b.due,
	}
}

// due lists what waits; the words are left out without p.
func (b *Book) due(r *web.Request, p *ui.Printer) ([]console.Due, error) {
	if !r.Actor.May(actor.ReadChecks) {
		return nil, nil
	}
	ctx := r.Context()
	view, err := b.Receiver.Effective(ctx)
	if err != nil || view.Estate == nil {
		return nil, err
	}
	statements, err := latest(ctx, b.DB.Pool(pg.Staff), view.Estate)
	if err != nil {
		return nil, err
	}
	say := func(id string, args ...any) string {
		if p == nil {
			return ""
		}
		return p.T(id, args...)
	}
	var list []console.Due
	for _, w := range view.Estate.Witnesses {
		k := statements[w.Name]
		switch {
		case k == nil:
			list = append(list, console.Due{State: ui.Unproven, What: say("witness.due.never", "Name", w.Name), Href: console.EstatePath,
				Why: say("witness.due.never.why"), Next: say("witness.due.never.next"), Urgency: console.Soon})
			continue
		case Silent(w, k.MadeAt, b.Now()):
			list = append(list, console.Due{State: ui.Stale, What: say("witness.due.silent", "Name", w.Name), Href: console.EstatePath,
				Why: say("witness.due.silent.why"), Next: say("witness.due.silent.next"), Since: k.MadeAt, Urgency: console.Stale})
			continue
		}
		var disputed []string
		for _, s := range k.States {
			if s.Disputed() {
				disputed = append(disputed, s.Measure)
			}
		}
		if len(disputed) > 0 {
			slices.Sort(disputed)
			due := console.Due{State: ui.NotMet, What: say("witness.due.disputed", "Name", w.Name), Href: console.ChecksPath,
				Why: say("witness.due.disputed.why"), Next: say("witness.due.disputed.next"), Since: k.MadeAt, Urgency: console.NotMet}
			if p != nil {
				due.Tag = p.List(disputed)
			}
			list = append(list, due)
		}
	}
	return list, nil
}
