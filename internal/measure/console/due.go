package console

import (
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// waits reports whether a check waits for somebody: it has something to look at and is not met.
func waits(s measure.CheckStatus) bool { return s.State != "" && s.State != measure.Met }

func (h *pages) countDue(r *web.Request) (int, error) {
	if !r.Actor.May(actor.ReadChecks) {
		return 0, nil
	}
	view, err := h.r.View(r.Context())
	if err != nil {
		return 0, err
	}
	if view.Estate == nil {
		return 1, nil
	}
	all, err := h.r.Statuses(r.Context())
	n := 0
	for _, s := range all {
		if waits(s) {
			n++
		}
	}
	return n, err
}

// due lists the checks that are not met; or, before any estate was applied, that.
func (h *pages) due(r *web.Request, p *ui.Printer) ([]console.Due, error) {
	if !r.Actor.May(actor.ReadChecks) {
		return nil, nil
	}
	ctx := r.Context()
	view, err := h.r.View(ctx)
	if err != nil {
		return nil, err
	}
	if view.Estate == nil {
		return []console.Due{{
			State: ui.Unproven, What: p.T("console.due.estate"), Href: console.EstatePath, Why: p.T("console.due.estate.why"),
			Next: p.T("console.due.estate.next"), Urgency: console.Blocked,
			Button: &ui.Button{Label: p.T("console.due.estate.button"), Href: console.EstatePath, Primary: true},
		}}, nil
	}
	all, err := h.r.Statuses(ctx)
	if err != nil {
		return nil, err
	}
	var waiting []measure.CheckStatus
	var measures []string
	for _, s := range all {
		if waits(s) {
			waiting = append(waiting, s)
			measures = append(measures, s.Check.Measures...)
		}
	}
	published, err := measure.LastStates(ctx, h.staff(), measures)
	if err != nil {
		return nil, err
	}
	list := make([]console.Due, 0, len(waiting))
	for _, s := range waiting {
		list = append(list, h.dueCheck(r, p, s, published))
	}
	return list, nil
}

func (h *pages) dueCheck(r *web.Request, p *ui.Printer, s measure.CheckStatus, published map[string]measure.StateChange) console.Due {
	due := console.Due{
		State: ui.State(s.State), Tag: strings.Join(s.Check.Measures, ", "), What: name(p, s.Check), Href: checkPath(s.Check.ID),
		Why: withdrawn(r, p, s, published), Since: since(s, published), Action: runAction(r, p, s.Check), Urgency: urgency(s.State),
	}
	if s.Reason != measure.ReasonFail {
		due.Why = strings.TrimSpace(reason(p, s.Reason) + " " + due.Why)
	}
	if id := "console.next." + strings.TrimPrefix(s.Reason, "reason."); p.Has(id) {
		due.Next = p.T(id)
	}
	if s.Current == nil {
		return due
	}
	const named = 3
	for i, item := range s.Current.Finding.Failed {
		text, fix := problem(p, item.Problem)
		if i == 0 && fix != "" {
			due.Next = fix
		}
		if i == named {
			due.Lines = append(due.Lines, console.DueLine{Text: p.T("console.due.more", "Count", len(s.Current.Finding.Failed)-named)})
			break
		}
		due.Lines = append(due.Lines, console.DueLine{Target: item.Target, Text: text})
	}
	if s.State == measure.NotMet {
		due.Button = &ui.Button{Label: p.T("console.due.mend"), Href: due.Href + "#mending", Primary: true, About: due.What}
	}
	return due
}

func urgency(s measure.State) int {
	switch s {
	case measure.NotMet:
		return console.NotMet
	case measure.Stale:
		return console.Stale
	}
	return console.Soon
}

// since is when a check came into the state it is in, as far as its evidence tells; or when its
// measures did, where that is longer ago: a finding that differs a little begins anew.
func since(s measure.CheckStatus, published map[string]measure.StateChange) time.Time {
	var at time.Time
	switch {
	case s.Current == nil:
	case s.Reason == measure.ReasonExpired:
		at = s.Current.ValidUntil
	default:
		at = s.Current.FirstAt
	}
	for _, id := range s.Check.Measures {
		if c, ok := published[id]; ok && c.State == s.State && (at.IsZero() || c.At.Before(at)) {
			at = c.At
		}
	}
	return at
}

// withdrawn says what the public sees of it.
func withdrawn(r *web.Request, p *ui.Printer, s measure.CheckStatus, published map[string]measure.StateChange) string {
	var gone []string
	var first time.Time
	for _, id := range s.Check.Measures {
		c, ok := published[id]
		if !ok || c.State != measure.NotMet && c.State != measure.Stale {
			continue
		}
		gone = append(gone, id)
		if first.IsZero() || c.At.Before(first) {
			first = c.At
		}
	}
	if len(gone) == 0 {
		if s.State == measure.Unproven {
			return p.T("console.due.unproven", "Count", len(s.Check.Measures))
		}
		return p.T("console.due.withdrawing", "Count", len(s.Check.Measures))
	}
	return p.T("console.due.withdrawn", "Count", len(gone), "Measures", p.List(gone), "Span", p.Elapsed(first, r.Now))
}

// order puts the most urgent first, then what has waited longest.
func order(list []console.Due) {
	slices.SortStableFunc(list, func(a, b console.Due) int {
		switch {
		case a.Urgency != b.Urgency:
			return b.Urgency - a.Urgency
		case a.Since.IsZero() != b.Since.IsZero():
			if a.Since.IsZero() {
				return 1
			}
			return -1
		}
		return a.Since.Compare(b.Since)
	})
}
