package measure

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/job"
	"github.com/garant-project/garant/internal/mail"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web/ui"
)

const (
	jobRemind        = "measure.remind"
	reminderTemplate = "measure.reminder"
)

// Reminders is the work of reminding people of what they have to attest, by messages of a queue that
// is on. Marks are made only with a message, so that nothing is lost while mail is off.
func (o *Owners) Reminders(q *mail.Queue) job.Kind {
	return job.Kind{Name: jobRemind, Timeout: 2 * time.Minute, Work: func(ctx context.Context, _ json.RawMessage) error {
		if !q.On {
			return nil
		}
		return o.Remind(ctx, func(ctx context.Context, tx pgx.Tx, person uuid.UUID, measures []string) error {
			_, err := q.Add(ctx, tx, mail.Message{
				Template: reminderTemplate, Person: person, Due: uuid.Must(uuid.NewV7()).String(), Args: map[string]string{"measures": named(measures)},
			})
			return err
		})
	}}
}

// ReminderRecurrence is how often it is looked for who is to be reminded.
func ReminderRecurrence() job.Recurrence {
	return job.Recurrence{Name: jobRemind, Kind: jobRemind, Every: 15 * time.Minute}
}

// ReminderTemplate writes the reminders: of what was asked for, what the reader still has to say.
func (o *Owners) ReminderTemplate() mail.Template {
	return mail.Template{Name: reminderTemplate, Write: func(ctx context.Context, to mail.Reader, m mail.Message) (*mail.Letter, error) {
		tasks, view, err := o.Tasks(ctx, o.Runner.DB.Pool(pg.Worker), to.Now)
		if err != nil {
			return nil, err
		}
		asked := unnamed(m.Args["measures"])
		l := &mail.Letter{}
		p := to.Printer
		for _, t := range Mine(tasks, to.Person.ID.String(), Today(view, to.Now)) {
			if !slices.Contains(asked, t.Measure.ID) || !t.Pending(to.Now) {
				continue
			}
			title := view.Registry.Catalogue.Words(p.Lang(), t.Measure.ID).Title
			l.Items = append(l.Items, mail.Item{Text: t.Measure.ID + " · " + title + p.T("measure.mail.colon") + " " + TaskWords(p, t, to.Now), Link: "/measures/" + t.Measure.ID})
		}
		if len(l.Items) == 0 {
			return nil, nil
		}
		l.Subject = p.T("measure.mail.subject", "Count", len(l.Items))
		l.Paragraphs = []string{p.T("measure.mail.text", "Count", len(l.Items))}
		l.After = []string{p.T("measure.mail.how")}
		return l, nil
	}}
}

// TaskWords says why a task is due, as a sentence.
func TaskWords(p *ui.Printer, t Task, now time.Time) string {
	switch {
	case t.Attested.Reason == ReasonTextChanged:
		return p.T("measure.task.changed")
	case t.Attested.Reason == ReasonNewScope:
		return p.T("measure.task.scope")
	case t.Due.IsZero():
		return p.T("measure.task.first")
	case !now.Before(t.Due):
		return p.T("measure.task.expired", "Day", p.OnDay(t.Due))
	}
	return p.T("measure.task.expires", "Day", p.OnDay(t.Due))
}
