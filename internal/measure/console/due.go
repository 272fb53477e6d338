package console

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// waiting lists the checks that wait for somebody: they have something to look at and are not met. One whose
// failure is told in other words is left out, unless it is blind: that is told by nobody else.
func (h *pages) waiting(r *web.Request) ([]measure.CheckStatus, error) {
	all, err := h.r.Statuses(r.Context())
	if err != nil {
		return nil, err
	}
	told, err := h.c.Told(r)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(s measure.CheckStatus) bool {
		return s.State == "" || s.State == measure.Met || told[s.Check.ID] && (s.Reason == measure.ReasonFail || s.Current == nil)
	}), nil
}

func (h *pages) countDue(r *web.Request) (int, error) {
	if !r.Actor.May(actor.ReadChecks) {
		return 0, nil
	}
	view, err := h.r.Effective(r.Context())
	if err != nil {
		return 0, err
	}
	if view.Estate == nil {
		return 1, nil
	}
	waiting, err := h.waiting(r)
	return len(h.steps(r, h.c.Printer(r), view)) + len(waiting), err
}

// due lists the first steps that are left and the checks that are not met; or, before any estate
// was applied, that.
func (h *pages) due(r *web.Request, p *ui.Printer) ([]console.Due, error) {
	if !r.Actor.May(actor.ReadChecks) {
		return nil, nil
	}
	ctx := r.Context()
	view, err := h.r.Effective(ctx)
	if err != nil {
		return nil, err
	}
	if view.Estate == nil {
		return []console.Due{{
			State: ui.Unproven, What: p.T("console.due.estate"), Href: console.EstatePath, Why: p.T("console.due.estate.why"),
			Next: p.T("console.due.estate.next"), Urgency: console.Blocked, Whom: p.Role(actor.Lead), Mine: r.Actor.May(actor.ChangeEstate),
			Button: &ui.Button{Label: p.T("console.due.estate.button"), Href: console.EstatePath, Primary: true},
		}}, nil
	}
	waiting, err := h.waiting(r)
	if err != nil {
		return nil, err
	}
	var measures []string
	for _, s := range waiting {
		measures = append(measures, s.Check.Measures...)
	}
	published, err := measure.LastStates(ctx, h.staff(), measures)
	if err != nil {
		return nil, err
	}
	assigned, err := h.r.Assignments(ctx, h.staff())
	if err != nil {
		return nil, err
	}
	list := h.steps(r, p, view)
	owners := &whose{r: r, p: p, view: view, assigned: assigned, names: h.c.Names(r, p)}
	var persons []string
	for _, id := range measures {
		persons = append(persons, assigned[id].Responsible)
	}
	owners.names.Learn(ctx, persons...)
	for _, s := range waiting {
		due := h.dueCheck(r, p, view, s, published)
		owners.of(&due, s.Check)
		list = append(list, due)
	}
	return list, nil
}

// whose says for whom checks are.
type whose struct {
	r        *web.Request
	p        *ui.Printer
	view     measure.View
	assigned map[string]measure.Assignment
	names    *console.Names
}

// of fills in whom a check that is not met is for: who answers for its measures, as far as the
// reader may know them, else the team.
func (w *whose) of(due *console.Due, c measure.Check) {
	today := measure.Today(w.view, w.r.Now)
	var whom []string
	add := func(name string) {
		if name != "" && !slices.Contains(whom, name) {
			whom = append(whom, name)
		}
	}
	for _, id := range c.Measures {
		m, ok := w.view.Registry.Catalogue.Measure(id)
		if !ok {
			continue
		}
		if !slices.Contains(due.Teams, m.Owner) {
			due.Teams = append(due.Teams, m.Owner)
		}
		a := w.assigned[id]
		if _, mine := a.May(w.r.Actor.ID, today); mine && w.r.Actor.Kind == actor.Person {
			due.Mine = true
		}
		if a.Responsible != "" && (a.Responsible == w.r.Actor.ID || w.r.Actor.May(actor.ReadPersons)) {
			add(w.names.Of(w.r.Context(), actor.Person, a.Responsible))
		} else {
			add(w.view.Registry.Catalogue.TeamName(w.p.Lang(), m.Owner))
		}
	}
	due.Whom = w.p.List(whom)
}

// steps are what is left to do before the annex is published for the first time. Each is shown to
// who can take it, and where there is a page for it.
func (h *pages) steps(r *web.Request, p *ui.Printer, view measure.View) []console.Due {
	if !view.Private || view.Outdated != nil {
		return nil
	}
	const sitesPath, annexPath = "/registers/sites", console.AnnexPath
	var list []console.Due
	perSite := slices.ContainsFunc(view.Registry.Catalogue.Measures, func(m catalogue.Measure) bool { return m.Per == catalogue.PerSite && m.Excluded == nil })
	if perSite && len(view.Subjects[catalogue.PerSite]) == 0 && r.Actor.May(actor.ChangeRegisters) && h.c.Has(sitesPath) {
		list = append(list, console.Due{
			What: p.T("console.step.sites"), Href: sitesPath, Why: p.T("console.step.sites.why"), Next: p.T("console.step.sites.next"), Urgency: console.Decide,
			Whom: p.Role(actor.Operator), Mine: true, Button: &ui.Button{Label: p.T("console.step.sites.button"), Href: sitesPath},
		})
	}
	if r.Actor.May(actor.ChangeAnnex) && h.c.Has(annexPath) {
		list = append(list, console.Due{
			What: p.T("console.step.annex"), Href: annexPath, Why: p.T("console.step.annex.why"), Next: p.T("console.step.annex.next"), Urgency: console.Decide,
			Whom: p.Role(actor.Lead), Mine: true, Button: &ui.Button{Label: p.T("console.step.annex.button"), Href: annexPath},
		})
	}
	return list
}

func (h *pages) dueCheck(r *web.Request, p *ui.Printer, view measure.View, s measure.CheckStatus, published map[string]measure.StateChange) console.Due {
	due := console.Due{
		State: ui.State(s.State), Tag: strings.Join(s.Check.Measures, ", "), What: name(p, s.Check), Href: checkPath(s.Check.ID),
		Why: withdrawn(r, p, view, s, published), Since: since(s, published), Action: runAction(r, p, s.Check), Urgency: urgency(s.State),
	}
	if s.Reason != measure.ReasonFail {
		due.Why = strings.TrimSpace(reason(p, s.Reason) + " " + due.Why)
	}
	if id := "console.next." + strings.TrimPrefix(s.Reason, "reason."); p.Has(id) {
		due.Next = p.T(id)
		if s.Check.Pushed {
			due.Next = p.T("console.next.pushed")
		}
	}
	if register := measure.RegisterOf(s.Scope); register != "" && s.Reason == measure.ReasonNoScope && h.c.Has("/registers/"+register) {
		due.Why = p.T("reason.no_entry")
		due.Next, due.Action = p.T("console.next.no_entry"), nil
		due.Button = &ui.Button{Label: p.T("console.due.register"), Href: "/registers/" + register, About: due.What}
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
		target := item.Target
		_, named := h.c.TargetLink(p, target)
		if named { // what was seen names the entry; the check's title the register
			target = ""
		}
		if tells(item.Actual) && (named || alike(s.Current.Finding.Failed, item)) {
			actual, _ := p.Reason(item.Said, item.Actual)
			text = p.T("console.due.which", "Text", strings.TrimSuffix(text, "."), "Actual", actual)
		}
		due.Lines = append(due.Lines, console.DueLine{Target: target, Text: text})
	}
	if s.State == measure.NotMet {
		due.Button = &ui.Button{Label: p.T("console.due.mend"), Href: due.Href + "#mending", Primary: true, About: due.What}
	}
	return due
}

// tells reports whether what was seen tells people anything: the id of an entry does not.
func tells(actual string) bool {
	words := strings.Fields(actual)
	if len(words) == 0 {
		return false
	}
	_, err := uuid.Parse(words[len(words)-1])
	return err != nil
}

// alike reports whether another item says the same of the same target: what was seen then tells
// them apart.
func alike(items []measure.Item, one measure.Item) bool {
	n := 0
	for _, item := range items {
		if item.Target == one.Target && item.Problem == one.Problem {
			n++
		}
	}
	return n > 1
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

// withdrawn says what the public sees of it, or would see of a private annex.
func withdrawn(r *web.Request, p *ui.Printer, view measure.View, s measure.CheckStatus, published map[string]measure.StateChange) string {
	if view.Private && s.State != measure.Unproven {
		return p.T("console.due.private", "Count", len(s.Check.Measures))
	}
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

// order puts the most urgent first, then what must be done soonest, then what has waited longest.
func order(list []console.Due) {
	slices.SortStableFunc(list, func(a, b console.Due) int {
		if a.Urgency != b.Urgency {
			return b.Urgency - a.Urgency
		}
		if c := earlier(a.Until, b.Until); c != 0 {
			return c
		}
		return earlier(a.Since, b.Since)
	})
}

// earlier compares two moments; one that is not known comes last.
func earlier(a, b time.Time) int {
	switch {
	case a.IsZero() == b.IsZero():
		return a.Compare(b)
	case a.IsZero():
		return 1
	}
	return -1
}
