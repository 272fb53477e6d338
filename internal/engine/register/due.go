package register

import (
	"context"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// named is how many things a line of the desk names.
const namedOnDesk = 4

// due is what waits for somebody: documents to acknowledge; and for who keeps registers, reviews,
// assets without a present owner, and what leavers leave behind.
func (h *pages) due(r *web.Request, p *ui.Printer) ([]console.Due, error) {
	out, err := h.dueTasks(r, p)
	if err != nil || !r.Actor.May(actor.ChangeRegisters) {
		return out, err
	}
	for _, part := range []func(*web.Request, *ui.Printer) ([]console.Due, error){h.dueReviews, h.dueOwners, h.dueLeavers} {
		more, err := part(r, p)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

func (h *pages) dueTasks(r *web.Request, p *ui.Printer) ([]console.Due, error) {
	if !r.Actor.May(actor.OwnTasks) {
		return nil, nil
	}
	tasks, err := h.r.Tasks(r.Context(), r.Actor, r.Now)
	if err != nil {
		return nil, err
	}
	today := h.r.today(r.Context(), r.Now)
	var out []console.Due
	for _, task := range tasks {
		d := console.Due{
			What: p.T("register.task.due", "Title", task.Title), Href: TaskPath + task.Document.String(), Since: task.At, Urgency: console.Decide, Mine: true, Until: task.Due.End(p.Zone()),
			Why: p.T("register.task.due.why", "Day", p.OnDay(task.At)), Next: p.T("register.task.due.next") + " " + p.T("register.task.due.before", "Day", p.OnDay(task.Due.Start(p.Zone()))),
			Button: &ui.Button{Label: p.T("register.task.due.button"), Href: TaskPath + task.Document.String(), Primary: true, About: task.Title},
		}
		if today.After(task.Due) {
			d.State, d.Urgency = ui.Stale, console.NotMet
			d.Next = p.T("register.task.due.next") + " " + p.T("register.task.due.late", "Day", p.Day(task.Due.Start(p.Zone())))
		}
		out = append(out, d)
	}
	return out, nil
}

// dueReviews is one line for each register with dates that are near or past.
func (h *pages) dueReviews(r *web.Request, p *ui.Printer) ([]console.Due, error) {
	today := h.r.today(r.Context(), r.Now)
	var out []console.Due
	for _, d := range h.r.Definitions() {
		for _, reminder := range d.Reminders {
			list, err := h.r.List(r.Context(), r.Actor, d.Key, Query{Due: reminder.Field, Limit: namedOnDesk}, r.Now)
			if err != nil {
				return nil, err
			}
			if list.Total == 0 {
				continue
			}
			href := at(listPath(d), url.Values{"due": {reminder.Field}})
			line := console.Due{What: p.T("register.due.review", "Count", list.Total, "Register", p.T(titleID(d))), Href: href, Urgency: console.Soon,
				Why: p.T("register.due.review.why"), Next: p.T("register.due.review.next"),
				Button: &ui.Button{Label: p.T("register.due.review.button"), Href: href}}
			s := &shower{p: p, r: h.r}
			for _, e := range list.Entries {
				line.Lines = append(line.Lines, console.DueLine{Target: s.label(d, e), Text: p.T("register.due.review.line", "Day", s.day(e.Values[reminder.Field]))})
				if e.Values[reminder.Field] < today.String() {
					line.State, line.Urgency = ui.Stale, console.Stale
				}
			}
			line.Lines = h.more(p, line.Lines, list.Total)
			out = append(out, line)
		}
	}
	return out, nil
}

func (h *pages) more(p *ui.Printer, lines []console.DueLine, total int) []console.DueLine {
	if total > len(lines) {
		lines = append(lines, console.DueLine{Text: p.T("register.due.more", "Count", total-len(lines))})
	}
	return lines
}

// The check that assets have owners who are present, and its measure.
const (
	ownersCheck   = "register.owners"
	ownersMeasure = "AST-1"
)

// tells is that check, to who is told on the desk which assets have none.
func (h *pages) tells(r *web.Request) ([]string, error) {
	if !r.Actor.May(actor.ChangeRegisters) {
		return nil, nil
	}
	n, err := h.r.counts.get(ownersCheck, r.Now, h.r.generation.Load(), func() (int, error) {
		list, err := h.ownerless(r)
		return len(list), err
	})
	if err != nil || n == 0 {
		return nil, err
	}
	return []string{ownersCheck}, nil
}

func (h *pages) ownerless(r *web.Request) ([]called, error) {
	return ownerless(r.Context(), h.r.DB.Pool(pg.Staff), h.r.today(r.Context(), r.Now))
}

func (h *pages) dueOwners(r *web.Request, p *ui.Printer) ([]console.Due, error) {
	list, err := h.ownerless(r)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	href := Path + "/" + Assets
	d := console.Due{Tag: ownersMeasure, State: ui.NotMet, What: p.T("register.due.owners", "Count", len(list)), Href: href, Urgency: console.NotMet, Whom: p.Role(actor.Operator),
		Why: p.T("register.due.owners.why"), Next: p.T("register.due.owners.next"), Button: &ui.Button{Label: p.T("register.due.owners.button"), Href: href}}
	for _, one := range list[:min(len(list), namedOnDesk)] {
		d.Lines = append(d.Lines, console.DueLine{Target: one.Name})
	}
	d.Lines = h.more(p, d.Lines, len(list))
	if len(list) == 1 {
		d.Href = href + "/" + list[0].ID.String()
		d.Button.Href = d.Href
	}
	return []console.Due{d}, nil
}

func (h *pages) dueLeavers(r *web.Request, p *ui.Printer) ([]console.Due, error) {
	list, err := h.r.Leavers(r.Context(), r.Now)
	if err != nil {
		return nil, err
	}
	// Who has gone and is named by nothing but assets is told of by these.
	today := h.r.today(r.Context(), r.Now)
	list = slices.DeleteFunc(list, func(l Leaver) bool { return l.Leaving.Before(today) && l.Entries == l.Assets })
	if len(list) == 0 {
		return nil, nil
	}
	shown := list[:min(len(list), namedOnDesk)]
	var ids []uuid.UUID
	for _, l := range shown {
		ids = append(ids, l.Person)
	}
	names, err := h.r.Names(r.Context(), r.Actor, ids)
	if err != nil {
		return nil, err
	}
	s := &shower{p: p, r: h.r, names: names}
	href := Path + "/" + Persons + "/" + list[0].Person.String()
	d := console.Due{What: p.T("register.due.leavers", "Count", len(list)), Href: href, Urgency: console.Decide,
		Why: p.T("register.due.leavers.why"), Next: p.T("register.due.leavers.next"), Button: &ui.Button{Label: p.T("register.due.leavers.button"), Href: href}}
	for _, l := range shown {
		d.Lines = append(d.Lines, console.DueLine{Target: s.name(Persons, l.Person.String()), Text: p.T("register.due.leavers.line", "Count", l.Entries, "Day", p.OnDay(l.Leaving.Start(p.Zone())))})
	}
	d.Lines = h.more(p, d.Lines, len(list))
	return []console.Due{d}, nil
}

// countDue counts what due lists. It is asked for on every page, so it is remembered for a moment,
// until something of the registers changes in this process.
func (h *pages) countDue(r *web.Request) (int, error) {
	return h.r.counts.get(r.Actor.ID, r.Now, h.r.generation.Load(), func() (int, error) {
		list, err := h.due(r, h.c.Printer(r))
		return len(list), err
	})
}

// remembered holds counts for a moment.
type remembered struct {
	mu    sync.Mutex
	byKey map[string]countAt
}

type countAt struct {
	n          int
	at         time.Time
	generation int64
}

const (
	rememberFor = 5 * time.Second
	rememberAll = 2000 // counts held in memory
)

func (m *remembered) get(key string, now time.Time, generation int64, count func() (int, error)) (int, error) {
	m.mu.Lock()
	known, ok := m.byKey[key]
	m.mu.Unlock()
	if age := now.Sub(known.at); ok && known.generation == generation && age >= 0 && age < rememberFor {
		return known.n, nil
	}
	n, err := count()
	if err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byKey == nil || len(m.byKey) >= rememberAll {
		m.byKey = map[string]countAt{}
	}
	m.byKey[key] = countAt{n, now, generation}
	return n, nil
}

// Leaver is a person who has left or is about to, and still answers for something.
type Leaver struct {
	Person  uuid.UUID // entry of the register of persons
	Account uuid.UUID // in the directory; uuid.Nil: none
	Leaving calendar.Date
	Entries int // entries that name the person
	Assets  int // of them, those that are assets of theirs
}

// leavingSoon is how long before the last day what a person answers for becomes due.
const leavingSoon = 30

// Leavers lists who has left, or leaves within thirty days, and is still named by entries in use.
func (r *Registers) Leavers(ctx context.Context, now time.Time) ([]Leaver, error) {
	over := []string{}
	for _, d := range r.Definitions() {
		for _, s := range d.States {
			if s.Over {
				over = append(over, d.Key+"/"+s.Key)
			}
		}
	}
	return leavers(ctx, r.DB.Pool(pg.Staff), r.today(ctx, now).AddDays(leavingSoon), over)
}
