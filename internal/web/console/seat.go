package console

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

// seatNotice is how long before the end of a seat the desk says so; for as long it says that it
// has ended.
const seatNotice = 7 * 24 * time.Hour

// seatField asks for the last day of an auditor's seat.
func seatField(p *ui.Printer, value, wrong string, now time.Time) ui.Field {
	today := calendar.Of(now, p.Zone())
	return ui.Field{
		Name: "until", Type: "date", Label: p.T("console.seat.until"), Help: p.T("console.seat.help"), Value: value, Error: wrong,
		Min: today.String(), Max: today.AddDays(int(directory.MaxSeat/(24*time.Hour)) - 1).String(), Autocomplete: "off",
	}
}

// lastDay is the last day of a seat that ends at a moment, in the form of a date field.
func lastDay(p *ui.Printer, until time.Time) string {
	return calendar.Of(until.Add(-time.Microsecond), p.Zone()).String()
}

// seatUntil reads the last day of a seat as a form has it: the seat ends when that day does where
// the company is. Zero without one.
func (h *pages) seatUntil(r *web.Request, value string) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	day, err := calendar.Parse(value)
	if err != nil {
		return time.Time{}, errs.New(errs.Invalid, "console.seat", "This is not a date.").WithFix("Write it as year-month-day.").Wrap(err)
	}
	return day.End(h.c.Printer(r).Zone()), nil
}

func errSeatRole() error {
	return errs.New(errs.Invalid, "directory.seat_role", "Only the seat of an auditor has an end.").WithFix("Leave the end empty, or choose the role auditor.")
}

// seatNote says when a seat ends, or that it has.
func seatNote(p *ui.Printer, until, now time.Time) string {
	day := p.Day(until.Add(-time.Microsecond))
	if now.Before(until) {
		return p.T("console.seat.ends", "Day", day)
	}
	return p.T("console.seat.ended", "Day", day)
}

// setSeat sets another end to the seat of an auditor.
func (h *pages) setSeat(w http.ResponseWriter, r *web.Request) error {
	return h.change(w, r, "seat_set", func(id uuid.UUID) error {
		until, err := h.seatUntil(r, r.PostForm.Get("until"))
		if err != nil {
			return err
		}
		person, err := h.Directory.Person(r.Context(), r.Actor, id)
		if err != nil {
			return err
		}
		if person.Role != actor.Auditor {
			return errSeatRole()
		}
		return h.Directory.SetSeat(r.Context(), r.Actor, id, until, r.Now)
	})
}

// countSeats counts the seats that end soon, or have ended not long ago.
func (h *pages) countSeats(r *web.Request) (int, error) {
	if !r.Actor.May(actor.ChangePersons) {
		return 0, nil
	}
	return h.Directory.CountSeats(r.Context(), r.Actor, r.Now.Add(-seatNotice), r.Now.Add(seatNotice))
}

func (h *pages) dueSeats(r *web.Request, p *ui.Printer) ([]Due, error) {
	if !r.Actor.May(actor.ChangePersons) {
		return nil, nil
	}
	list, err := h.Directory.Seats(r.Context(), r.Actor, r.Now.Add(-seatNotice), r.Now.Add(seatNotice))
	if err != nil {
		return nil, err
	}
	due := make([]Due, 0, len(list))
	for _, person := range list {
		d := Due{
			Href: PeoplePath + "/" + person.ID.String(), Whom: p.Role(actor.Lead), Mine: true, Until: person.Until,
			What: p.T("console.due.seat", "Name", personName(p, person)), Why: seatNote(p, person.Until, r.Now),
			Next: p.T("console.due.seat.next"), Urgency: Soon,
		}
		if !r.Now.Before(person.Until) {
			d.What, d.Next = p.T("console.due.seat.over", "Name", personName(p, person)), p.T("console.due.seat.over.next")
		}
		d.Button = &ui.Button{Label: p.T("console.due.seat.button"), Href: d.Href, About: personName(p, person)}
		due = append(due, d)
	}
	return due, nil
}
