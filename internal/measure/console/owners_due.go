package console

import (
	"slices"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

const (
	// firstWord is how long somebody who was named may take to speak for the first time before that
	// counts as overdue.
	firstWord = 14 * 24 * time.Hour
	// alone is how many tasks stand on the desk one by one; more stand together.
	alone = 5
	// lines is how many are named of those that stand together.
	lines = 5
)

func errNoMeasure() error {
	return errs.New(errs.NotFound, "measure.no_measure", "The annex has no such measure.").WithFix("Look for it in the list of measures.")
}

// tells is the check of owners, to who is told on the desk which measures have none.
func (h *ownerPages) tells(r *web.Request) ([]string, error) {
	if !r.Actor.May(actor.AssignMeasures) {
		return nil, nil
	}
	unowned, err := h.unowned(r)
	if err != nil || len(unowned) == 0 {
		return nil, err
	}
	return []string{measure.OwnersCheck}, nil
}

// unowned are the measures without somebody who answers for them, read once for a page.
func (h *ownerPages) unowned(r *web.Request) ([]measure.Unowned, error) {
	return web.Once(r.Context(), unownedKey{}, func() ([]measure.Unowned, error) {
		list, _, err := h.Owners.Unowned(r.Context(), h.staff())
		return list, err
	})
}

type unownedKey struct{}

func (h *ownerPages) countDue(r *web.Request) (int, error) {
	p := h.c.Messages.For(r.Lang, nil)
	list, err := h.dueFor(r, p, &names{h: h, p: p, quiet: true})
	return len(list), err
}

// due lists what waits for the reader's word, and, for who names owners, what waits for others.
func (h *ownerPages) due(r *web.Request, p *ui.Printer) ([]console.Due, error) {
	return h.dueFor(r, p, h.names(p))
}

func (h *ownerPages) dueFor(r *web.Request, p *ui.Printer, people *names) ([]console.Due, error) {
	mine := r.Actor.Kind == actor.Person && r.Actor.May(actor.OwnTasks)
	if !mine && !r.Actor.May(actor.AssignMeasures) {
		return nil, nil
	}
	tasks, view, err := h.Owners.Tasks(r.Context(), h.staff(), r.Now)
	if err != nil || view.Estate == nil {
		return nil, err
	}
	var list []console.Due
	var own []measure.Task
	if mine {
		own = pending(measure.Mine(tasks, r.Actor.ID, measure.Today(view, r.Now)), r.Now)
		list = append(list, h.dueMine(r, p, view, own, people)...)
	}
	if !r.Actor.May(actor.AssignMeasures) {
		return list, nil
	}
	others, err := h.dueOthers(r, p, view, tasks, own, people)
	return append(list, others...), err
}

func pending(tasks []measure.Task, now time.Time) []measure.Task {
	var out []measure.Task
	for _, t := range tasks {
		if t.Pending(now) {
			out = append(out, t)
		}
	}
	return out
}

// urgencyOf is how urgent a task is: overdue, or soon.
func urgencyOf(t measure.Task, now time.Time) int {
	switch {
	case !t.Overdue():
		return console.Soon
	case t.Attested.State == measure.Stale:
		return console.Stale
	case !t.Since.IsZero() && now.Sub(t.Since) > firstWord:
		return console.Stale
	}
	return console.Soon
}

// waitingSince is since when a task is overdue; zero while it is not.
func waitingSince(t measure.Task, now time.Time) time.Time {
	switch {
	case !t.Due.IsZero() && !now.Before(t.Due):
		return t.Due
	case t.Due.IsZero():
		return t.Since
	}
	return time.Time{}
}

func measureTitle(p *ui.Printer, view measure.View, m catalogue.Measure) string {
	return view.Registry.Catalogue.Words(p.Lang(), m.ID).Title
}

func (h *ownerPages) dueMine(r *web.Request, p *ui.Printer, view measure.View, tasks []measure.Task, people *names) []console.Due {
	var list []console.Due
	if len(tasks) <= alone {
		for _, t := range tasks {
			d := console.Due{
				State: ui.State(t.Attested.State), Tag: t.Measure.ID, What: measureTitle(p, view, t.Measure), Href: measurePath(t.Measure.ID), Why: measure.TaskWords(p, t, r.Now),
				Next: p.T("measures.due.next"), Since: waitingSince(t, r.Now), Urgency: urgencyOf(t, r.Now),
				Whom: r.Actor.Name, Mine: true, Teams: []string{t.Measure.Owner}, Until: t.Due,
				Button: &ui.Button{Label: p.T("measures.due.button"), Href: measurePath(t.Measure.ID) + "#attest", Primary: true, About: t.Measure.ID},
			}
			if t.Assignment.Responsible != r.Actor.ID {
				d.Why += " " + p.T("measures.due.for", "Name", people.of(r.Context(), t.Assignment.Responsible))
			}
			list = append(list, d)
		}
		return list
	}
	return []console.Due{h.together(r, p, view, tasks, console.Due{
		What: p.T("measures.due.mine", "Count", len(tasks)), Href: console.MeasuresPath + "?show=" + showMine, Why: p.T("measures.due.mine.why"), Next: p.T("measures.due.next"),
		Whom: r.Actor.Name, Mine: true,
		Button: &ui.Button{Label: p.T("measures.due.all"), Href: console.MeasuresPath + "?show=" + showMine, Primary: true},
	}, nil)}
}

// together makes one thing that is due of many tasks; whose names whom each waits for.
func (h *ownerPages) together(r *web.Request, p *ui.Printer, view measure.View, tasks []measure.Task, d console.Due, whose *names) console.Due {
	for i, t := range tasks {
		d.Urgency = max(d.Urgency, urgencyOf(t, r.Now))
		if !slices.Contains(d.Teams, t.Measure.Owner) {
			d.Teams = append(d.Teams, t.Measure.Owner)
		}
		if !t.Due.IsZero() && (d.Until.IsZero() || t.Due.Before(d.Until)) {
			d.Until = t.Due
		}
		if since := waitingSince(t, r.Now); !since.IsZero() && (d.Since.IsZero() || since.Before(d.Since)) {
			d.Since = since
		}
		if i == lines {
			d.Lines = append(d.Lines, console.DueLine{Text: p.T("console.due.more", "Count", len(tasks)-lines)})
		}
		if i < lines {
			text := measureTitle(p, view, t.Measure)
			if whose != nil {
				text = p.T("measures.due.line", "Title", text, "Name", whose.of(r.Context(), t.Assignment.Responsible))
			}
			d.Lines = append(d.Lines, console.DueLine{Target: t.Measure.ID, Text: text})
		}
	}
	return d
}

// dueOthers is what who names owners has to know: measures without one, owners who have left,
// statements that a measure is no longer so, and words that others owe.
func (h *ownerPages) dueOthers(r *web.Request, p *ui.Printer, view measure.View, tasks, own []measure.Task, people *names) ([]console.Due, error) {
	var list []console.Due
	unowned, err := h.unowned(r)
	if err != nil {
		return nil, err
	}
	for _, problem := range []string{measure.ProblemUnowned, measure.ProblemOwnerAbsent} {
		d := console.Due{State: ui.NotMet, Tag: measure.OwnersMeasure, Href: console.MeasuresPath + "?show=" + showUnowned, Urgency: console.Decide, Whom: p.Role(actor.Lead), Mine: true, Button: &ui.Button{Label: p.T("measures.due.assign"), Href: console.MeasuresPath + "?show=" + showUnowned}}
		n := 0
		for _, u := range unowned {
			if u.Problem != problem {
				continue
			}
			if n++; n <= lines {
				m, _ := view.Registry.Catalogue.Measure(u.Measure)
				text := measureTitle(p, view, m)
				if u.Person != "" {
					text = p.T("measures.due.line", "Title", text, "Name", people.of(r.Context(), u.Person))
				}
				d.Lines = append(d.Lines, console.DueLine{Target: u.Measure, Text: text})
			}
		}
		if n == 0 {
			continue
		}
		if n > lines {
			d.Lines = append(d.Lines, console.DueLine{Text: p.T("console.due.more", "Count", n-lines)})
		}
		id := map[string]string{measure.ProblemUnowned: "measures.due.unowned", measure.ProblemOwnerAbsent: "measures.due.absent"}[problem]
		d.What, d.Why, d.Next = p.T(id, "Count", n), p.T(id+".why"), p.T(id+".next")
		list = append(list, d)
	}
	var late []measure.Task
	for _, t := range tasks {
		if t.Attested.Reason == measure.ReasonRefused {
			d := console.Due{
				State: ui.NotMet, Tag: t.Measure.ID, What: measureTitle(p, view, t.Measure), Href: measurePath(t.Measure.ID), Why: p.T("reason.refused"), Next: p.T("measures.next.refused"),
				Urgency: console.NotMet, Whom: view.Registry.Catalogue.TeamName(p.Lang(), t.Measure.Owner), Teams: []string{t.Measure.Owner}, Button: &ui.Button{Label: p.T("measures.due.see"), Href: measurePath(t.Measure.ID), About: t.Measure.ID},
			}
			for _, a := range t.Attested.Last {
				if a.Refused && a.ReceivedAt.After(d.Since) {
					d.Since = a.ReceivedAt
				}
			}
			list = append(list, d)
		}
		if t.Overdue() && t.Assignment.Responsible != "" && urgencyOf(t, r.Now) >= console.Stale && !has(own, t.Measure.ID) {
			late = append(late, t)
		}
	}
	if len(late) > 0 {
		list = append(list, h.together(r, p, view, late, console.Due{
			What: p.T("measures.due.late", "Count", len(late)), Href: console.MeasuresPath + "?show=" + showDue, Why: p.T("measures.due.late.why"), Next: p.T("measures.due.late.next"),
			Button: &ui.Button{Label: p.T("measures.due.all"), Href: console.MeasuresPath + "?show=" + showDue},
		}, people))
	}
	return list, nil
}

func has(tasks []measure.Task, id string) bool {
	for _, t := range tasks {
		if t.Measure.ID == id {
			return true
		}
	}
	return false
}
