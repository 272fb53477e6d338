package measure

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/pg"
)

// Task is what the owner of a measure has to say about it next.
type Task struct {
	Measure    catalogue.Measure
	Assignment Assignment
	Attested   AttestationStatus
	// Due is when what was said expires, or has expired; zero where nothing was said of the sentence
	// that holds now: it is due at once.
	Due time.Time
	// Since is since when somebody answers for the measure; zero: nobody does.
	Since time.Time
}

// leads is how many days before it expires an owner is reminded, the longest first. Of what is
// attested every month nobody is reminded on the day on which they have attested it.
func leads(m catalogue.Measure) []int {
	every := int(m.Cadence / day)
	if every == 0 {
		every = int(aYear / day)
	}
	var out []int
	for _, days := range []int{30, 7, 1} {
		if 2*days <= every {
			out = append(out, days)
		}
	}
	return out
}

// Pending reports whether something is to be done now: what was said expires within 30 days (sooner,
// where it is said more often), or has, or nothing was said of what holds now. What was refused waits for a mend, not for its owner's word.
func (t Task) Pending(now time.Time) bool {
	switch t.Attested.Reason {
	case ReasonAttested:
		before := leads(t.Measure)
		return !t.Due.IsZero() && len(before) > 0 && t.Due.Sub(now) <= time.Duration(before[0])*day
	case ReasonRefused, ReasonNoScope:
		return false
	}
	return true
}

// Overdue reports whether the public annex lacks the owner's word now.
func (t Task) Overdue() bool {
	return t.Attested.State != Met && t.Attested.Reason != ReasonRefused && t.Attested.Reason != ReasonNoScope
}

// Tasks lists every measure that is attested, with what its owner has to say next, in the order of
// the annex. None before an estate was applied.
func (o *Owners) Tasks(ctx context.Context, on pg.Querier, now time.Time) ([]Task, View, error) {
	view, err := o.Runner.Effective(ctx)
	if err != nil || view.Estate == nil {
		return nil, view, err
	}
	known, err := o.Runner.knowledge(ctx, on)
	if err != nil {
		return nil, view, err
	}
	var tasks []Task
	for _, m := range view.Registry.Catalogue.Measures {
		if !m.Attest || m.Excluded != nil {
			continue
		}
		t := Task{Measure: m, Assignment: known.assigned[m.ID], Attested: deriveAttested(view.Registry.Catalogue, m, view, known.Attested[m.ID], now)}
		t.Assignment.Measure = m.ID
		if t.Assignment.Responsible != "" {
			t.Since = known.since[m.ID]
		}
		if t.Attested.Reason == ReasonAttested || t.Attested.Reason == ReasonAttestationExpired {
			for _, a := range t.Attested.Last {
				t.Due = earliest(t.Due, a.ValidUntil)
			}
		}
		tasks = append(tasks, t)
	}
	return tasks, view, nil
}

// reminder names the reminder of a task that is due on a day, the last one when several are: 30, 7 and
// 1 days before what was said expires, then every week; every week where nothing was said yet. Empty:
// none is due. A name comes once in the life of a task.
func (t Task) reminder(today calendar.Date, zone *time.Location, sentence string) string {
	if !t.Due.IsZero() {
		expires := calendar.Of(t.Due, zone)
		left := expires.Since(today)
		if left <= 0 {
			return fmt.Sprintf("expired %s: week %d", expires, -left/7)
		}
		name := ""
		for _, days := range leads(t.Measure) {
			if left <= days {
				name = fmt.Sprintf("expires %s: %d days", expires, days)
			}
		}
		return name
	}
	if t.Since.IsZero() || !t.Overdue() {
		return ""
	}
	since := calendar.Of(t.Since, zone)
	what := "waiting"
	if t.Attested.Reason == ReasonTextChanged {
		what = "changed " + sentence[:min(12, len(sentence))]
	}
	return fmt.Sprintf("%s since %s: week %d", what, since, max(0, today.Since(since))/7)
}

// readers are the persons who can do a task today: who answers for the measure and their deputy.
func (t Task) readers(today calendar.Date) []string {
	var out []string
	for _, person := range []string{t.Assignment.Responsible, t.Assignment.Deputy} {
		if _, ok := t.Assignment.May(person, today); ok {
			out = append(out, person)
		}
	}
	return out
}

// remindFrom is the hour of the company's day from which reminders are given.
const remindFrom = 7

// Remind gives every reminder that is due, each once, as garant_worker: one message a person, through
// send, which runs in the transaction that marks its reminders as given.
func (o *Owners) Remind(ctx context.Context, send func(ctx context.Context, tx pgx.Tx, person uuid.UUID, measures []string) error) error {
	now := o.Runner.Now()
	pool := o.Runner.DB.Pool(pg.Worker)
	tasks, view, err := o.Tasks(ctx, pool, now)
	if err != nil || view.Estate == nil {
		return err
	}
	zone := zoneOf(view)
	if now.In(zone).Hour() < remindFrom {
		return nil
	}
	today := calendar.Of(now, zone)
	type due struct{ measure, name string }
	waiting := map[string][]due{}
	var order []string
	for _, t := range tasks {
		name := t.reminder(today, zone, view.Registry.Catalogue.SentenceHash(t.Measure.ID))
		if name == "" {
			continue
		}
		for _, person := range t.readers(today) {
			if waiting[person] == nil {
				order = append(order, person)
			}
			waiting[person] = append(waiting[person], due{t.Measure.ID, name})
		}
	}
	for _, person := range order {
		id, err := uuid.Parse(person)
		if err != nil {
			continue // a person that there cannot be
		}
		err = pg.InTx(ctx, pool, func(tx pgx.Tx) error {
			var measures []string
			for _, d := range waiting[person] {
				fresh, err := insertReminder(ctx, tx, d.measure, person, d.name)
				if err != nil {
					return err
				}
				if fresh {
					measures = append(measures, d.measure)
				}
			}
			if len(measures) == 0 {
				return nil
			}
			return send(ctx, tx, id, measures)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Mine keeps the tasks that a person can do today.
func Mine(tasks []Task, person string, today calendar.Date) []Task {
	var out []Task
	for _, t := range tasks {
		for _, reader := range t.readers(today) {
			if reader == person {
				out = append(out, t)
			}
		}
	}
	return out
}

// Today is the day that it is for the company of a view.
func Today(v View, now time.Time) calendar.Date { return calendar.Of(now, zoneOf(v)) }

// named writes and reads the measures of a message.
func named(measures []string) string   { return strings.Join(measures, " ") }
func unnamed(measures string) []string { return strings.Fields(measures) }
