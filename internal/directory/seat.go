package directory

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// MaxSeat is how far away the end of a seat may be when it is set.
const MaxSeat = 366 * 24 * time.Hour

// AddAuditor adds a person who reads everything until a moment, and nothing from then on. Needs
// actor.ChangePersons. The errors are those of AddPerson; Invalid for an end that is not to come
// or further away than MaxSeat.
func (d *Directory) AddAuditor(ctx context.Context, by actor.Actor, email, name string, until, now time.Time) (Person, error) {
	return d.add(ctx, by, email, name, actor.Auditor, until, now)
}

// SetSeat makes a person an auditor until a moment, or sets another end to the seat of one: a
// later one, or one that has come sooner. A seat that was over opens again. Needs
// actor.ChangePersons. The errors: Invalid for an end as in AddAuditor; NotFound; Conflict when
// the person is the last lead.
func (d *Directory) SetSeat(ctx context.Context, by actor.Actor, id uuid.UUID, until, now time.Time) error {
	object := audit.Object{Kind: "person", ID: id.String()}
	if err := d.may(ctx, d.staff, by, actor.ChangePersons, "person.seat_set", object); err != nil {
		return err
	}
	until, err := seatEnd(actor.Auditor, until, now)
	if err != nil {
		return err
	}
	return pg.InTx(ctx, d.staff, func(tx pgx.Tx) error {
		before, disabled, err := lockPerson(ctx, tx, id, true)
		if err != nil {
			return err
		}
		var was *time.Time
		if err := tx.QueryRow(ctx, "SELECT access_until FROM directory.person WHERE id = $1", id).Scan(&was); err != nil {
			return err
		}
		if before == actor.Auditor && was != nil && was.Equal(until) {
			return nil
		}
		if err := shutOver(ctx, tx, id, now); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE directory.person SET role = 'auditor', access_until = $2 WHERE id = $1", id, until); err != nil {
			return err
		}
		if before != actor.Auditor {
			return audit.Record(ctx, tx, by, "person.role_changed", object,
				withSeat(map[string]any{"from": string(before), "to": string(actor.Auditor), "disabled": disabled}, until))
		}
		detail := withSeat(map[string]any{}, until)
		if was != nil {
			detail["was_until"] = stamp(*was)
		}
		return audit.Record(ctx, tx, by, "person.seat_set", object, detail)
	})
}

// shutOver ends what is open of a person whose seat is over, before it opens again: what ended
// with the seat stays ended, whether or not anybody had noticed.
func shutOver(ctx context.Context, tx pgx.Tx, id uuid.UUID, now time.Time) error {
	var over bool
	err := tx.QueryRow(ctx, "SELECT NOT "+seated("$2")+" FROM directory.person p WHERE p.id = $1", id, now).Scan(&over)
	if err != nil || !over {
		return err
	}
	_, err = shut(ctx, tx, id, "seat_ended", now)
	return err
}

func errSeatEnd() error {
	return errs.New(errs.Invalid, "directory.seat_end", "An auditor's seat needs an end.").
		WithFix("Say until when the auditor may read, at most a year from now.")
}

// seatEnd checks the end that a seat is to have, and returns it as the database keeps it. Only
// auditors have one.
func seatEnd(role actor.Role, until, now time.Time) (time.Time, error) {
	switch {
	case role != actor.Auditor && until.IsZero():
		return until, nil
	case role != actor.Auditor:
		return until, errs.New(errs.Invalid, "directory.seat_role", "Only the seat of an auditor has an end.").WithFix("Leave the end empty, or choose the role auditor.")
	case until.IsZero():
		return until, errSeatEnd()
	}
	until = until.UTC().Truncate(time.Microsecond)
	if !until.After(now) || until.After(now.Add(MaxSeat)) {
		return until, errs.New(errs.Invalid, "directory.seat_length", "An auditor's seat ends on a day to come, at most a year from now.").
			WithFix("Choose a nearer day; the seat can be extended before it ends.")
	}
	return until, nil
}

// seated is the condition for the seat of the person p not to be over, with the placeholder of
// now. What was once seen to be over stays over when the clock goes back.
func seated(now string) string {
	return `(p.access_until IS NULL OR p.access_until > ` + now + ` AND NOT EXISTS (
	SELECT FROM directory.seat_end e WHERE e.person_id = p.id AND e.access_until = p.access_until))`
}

// mustBeSeated refuses to make something for a person whose seat is over.
func mustBeSeated(ctx context.Context, tx pgx.Tx, person uuid.UUID, now time.Time) error {
	var ok bool
	if err := tx.QueryRow(ctx, "SELECT "+seated("$2")+" FROM directory.person p WHERE p.id = $1", person, now).Scan(&ok); err != nil {
		return err
	}
	if !ok {
		return errs.New(errs.Conflict, "directory.seat_over", "This person's seat has ended.").WithFix("Set another end to the seat first.")
	}
	return nil
}

// endSeats writes down which seats are over, ends what is open of their persons, and records it
// once for each. What they hold has stopped working before, by the clock alone; this is what
// keeps it so.
func (d *Directory) endSeats(ctx context.Context, now time.Time) error {
	rows, err := d.login.Query(ctx, `SELECT p.id FROM directory.person p WHERE p.access_until <= $1
	AND NOT EXISTS (SELECT FROM directory.seat_end e WHERE e.person_id = p.id AND e.access_until = p.access_until)
ORDER BY p.id LIMIT 100`, now)
	if err != nil {
		return pg.Wrap(err)
	}
	over, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return pg.Wrap(err)
	}
	for _, id := range over {
		if err := d.endSeat(ctx, id, now); err != nil {
			return err
		}
	}
	return nil
}

func (d *Directory) endSeat(ctx context.Context, id uuid.UUID, now time.Time) error {
	return pg.InTx(ctx, d.login, func(tx pgx.Tx) error {
		var until time.Time
		err := tx.QueryRow(ctx, `INSERT INTO directory.seat_end (person_id, access_until, ended_at)
SELECT p.id, p.access_until, $2 FROM directory.person p WHERE p.id = $1 AND p.access_until <= $2
ON CONFLICT DO NOTHING RETURNING access_until`, id, now).Scan(&until)
		if err == pgx.ErrNoRows { //nolint:errorlint // returned bare by pgx
			return nil // another server was first, or the seat was extended meanwhile
		}
		if err != nil {
			return err
		}
		detail, err := shut(ctx, tx, id, "seat_ended", now)
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, actor.NewSystem("directory"), "person.seat_ended", audit.Object{Kind: "person", ID: id.String()}, withSeat(detail, until))
	})
}

// withSeat adds the end of a seat to the detail of an entry.
func withSeat(detail map[string]any, until time.Time) map[string]any {
	if !until.IsZero() {
		detail["until"] = stamp(until)
	}
	return detail
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Seats lists the auditors whose seat ends between two moments, the first to end first; disabled
// persons are left out, and all after the hundredth. Needs actor.ReadPersons.
func (d *Directory) Seats(ctx context.Context, by actor.Actor, from, to time.Time) ([]Person, error) {
	if err := d.may(ctx, d.staff, by, actor.ReadPersons, "person.listed", audit.Object{Kind: "person", ID: "seats"}); err != nil {
		return nil, err
	}
	rows, err := d.staff.Query(ctx, `SELECT `+personColumns+` FROM directory.person p
WHERE p.access_until >= $1 AND p.access_until < $2 AND p.disabled_at IS NULL ORDER BY p.access_until, p.id LIMIT 100`, from, to)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	return d.collect(ctx, rows)
}

// CountSeats counts what Seats lists.
func (d *Directory) CountSeats(ctx context.Context, by actor.Actor, from, to time.Time) (n int, err error) {
	if err := d.may(ctx, d.staff, by, actor.ReadPersons, "person.listed", audit.Object{Kind: "person", ID: "seats"}); err != nil {
		return 0, err
	}
	err = d.staff.QueryRow(ctx, `SELECT least(count(*), 100) FROM directory.person p
WHERE p.access_until >= $1 AND p.access_until < $2 AND p.disabled_at IS NULL`, from, to).Scan(&n)
	return n, pg.Wrap(err)
}
