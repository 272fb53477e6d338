package sponsorship

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/tenant"
)

// store is all the SQL of the application, for one login or job. Whose rows a statement meets, and in which database they
// are, its tokens decide.
type store struct{ db *tenant.DB }

// The states of an application, and the roles of a customer's staff.
const (
	submitted = "submitted"
	granted   = "granted"
	refused   = "refused"
	paid      = "paid"

	reviewer  = "review"
	treasurer = "pay"
)

// member is somebody of a customer's staff.
type member struct {
	ID, Name, Role string
	Organisation   string
}

// application is what somebody asks for.
type application struct {
	ID          string
	Applicant   string
	Subject     string
	FieldFR     string
	FieldEN     string
	Cents       int64
	Status      string
	SubmittedAt time.Time
}

// dossier is an application with all that belongs to it.
type dossier struct {
	application
	Description, Email, Phone, City, IBAN, Motivation string
	Steps                                             []step
}

// step is something that happened to an application.
type step struct {
	At             time.Time
	Kind, By, Note string
}

// field is what a sponsorship can be for; the list is the same for all customers.
type field struct{ Code, FR, EN string }

// logged is an error as the log may have it: of the database's, code and place, no value.
func logged(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return fmt.Sprintf("database: %s %s %s", e.Code, e.TableName, e.ConstraintName)
	}
	return err.Error()
}

func (s store) me(ctx context.Context, subject string) (member, error) {
	var m member
	if !isID(subject) {
		return m, errNotFound
	}
	err := s.db.QueryRow(ctx, `
SELECT m.id::text, m.first_name || ' ' || m.last_name, m.role, o.name
FROM customer.member m CROSS JOIN customer.organisation o
WHERE m.id = $1::uuid`, subject).Scan(&m.ID, &m.Name, &m.Role, &m.Organisation)
	if errors.Is(err, pgx.ErrNoRows) {
		err = errNotFound
	}
	return m, reachable(err)
}

// summary are the columns of an application in a list.
const summary = `p.id::text, a.first_name || ' ' || a.last_name, p.subject, f.name_fr, f.name_en, (p.amount * 100)::bigint, p.status, p.submitted_at
FROM customer.application p
JOIN customer.applicant a ON a.id = p.applicant_id
JOIN customer.field f ON f.code = p.field`

func (a *application) columns() []any {
	return []any{&a.ID, &a.Applicant, &a.Subject, &a.FieldFR, &a.FieldEN, &a.Cents, &a.Status, &a.SubmittedAt}
}

func scanApplication(row pgx.CollectableRow) (a application, err error) {
	return a, row.Scan(a.columns()...)
}

// perPage is how many applications one page lists.
const perPage = 20

// list gives applications, the newest first, after a place in that order; status may be empty.
func (s store) list(ctx context.Context, status string, after *place) ([]application, error) {
	at, id := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), "ffffffff-ffff-ffff-ffff-ffffffffffff"
	if after != nil {
		at, id = after.at, after.id
	}
	rows, err := s.db.Query(ctx, `SELECT `+summary+`
WHERE (p.status = $1 OR $1 = '') AND (p.submitted_at, p.id) < ($2, $3::uuid)
ORDER BY p.submitted_at DESC, p.id DESC LIMIT $4`, status, at, id, perPage+1)
	if err != nil {
		return nil, reachable(err)
	}
	all, err := pgx.CollectRows(rows, scanApplication)
	return all, reachable(err)
}

// counts tells how many applications there are in each state, and how much they come to.
func (s store) counts(ctx context.Context) (map[string]int64, map[string]int64, error) {
	rows, err := s.db.Query(ctx, `SELECT status, count(*), (sum(amount) * 100)::bigint FROM customer.application GROUP BY status`)
	if err != nil {
		return nil, nil, reachable(err)
	}
	n, cents := map[string]int64{}, map[string]int64{}
	var status string
	var many, sum int64
	_, err = pgx.ForEachRow(rows, []any{&status, &many, &sum}, func() error { n[status], cents[status] = many, sum; return nil })
	return n, cents, reachable(err)
}

// one gives an application with its applicant and what happened to it.
func (s store) one(ctx context.Context, id string) (d dossier, err error) {
	if !isID(id) {
		return d, errNotFound
	}
	tx, err := s.db.Begin(ctx)
	if err != nil {
		return d, reachable(err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	err = tx.QueryRow(ctx, `SELECT p.description, a.email, coalesce(a.phone, ''), coalesce(a.city, ''), coalesce(a.iban, ''), coalesce(a.motivation, ''), `+summary+` WHERE p.id = $1::uuid`, id).
		Scan(append([]any{&d.Description, &d.Email, &d.Phone, &d.City, &d.IBAN, &d.Motivation}, d.columns()...)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return d, errNotFound
	}
	if err != nil {
		return d, reachable(err)
	}
	rows, err := tx.Query(ctx, `
SELECT e.at, e.kind, coalesce(m.first_name || ' ' || m.last_name, ''), coalesce(e.note, '')
FROM customer.event e LEFT JOIN customer.member m ON m.id = e.member_id
WHERE e.application_id = $1::uuid ORDER BY e.at, e.id`, id)
	if err != nil {
		return d, reachable(err)
	}
	d.Steps, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (st step, err error) {
		return st, row.Scan(&st.At, &st.Kind, &st.By, &st.Note)
	})
	return d, reachable(errors.Join(err, tx.Commit(ctx)))
}

// decide grants or refuses what waits for it. errGone: it waits no more.
func (s store) decide(ctx context.Context, id, status, by, note string) error {
	return s.change(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE customer.application SET status = $2, decided_by = $3::uuid, decided_at = now() WHERE id = $1::uuid AND status = 'submitted'`, id, status, by)
		if err != nil {
			return err
		}
		if tag.RowsAffected() != 1 {
			return errGone
		}
		if _, err = tx.Exec(ctx, `INSERT INTO customer.event (application_id, kind, member_id, note) VALUES ($1::uuid, $2, $3::uuid, nullif($4, ''))`, id, status, by, note); err != nil {
			return err
		}
		decided := said("application."+status, applications, id)
		if note != "" {
			decided.After = map[string]any{"note": note}
		}
		return tenant.Record(ctx, tx, decided)
	})
}

// pay pays what was granted, once. errGone: it is not to be paid.
func (s store) pay(ctx context.Context, id, by string) error {
	return s.change(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
INSERT INTO customer.payment (application_id, amount, iban, member_id)
SELECT p.id, p.amount, a.iban, $2::uuid FROM customer.application p JOIN customer.applicant a ON a.id = p.applicant_id
WHERE p.id = $1::uuid AND p.status = 'granted' AND a.iban IS NOT NULL
FOR UPDATE OF p`, id, by)
		if err != nil {
			return err
		}
		if tag.RowsAffected() != 1 {
			return errGone
		}
		if _, err = tx.Exec(ctx, `UPDATE customer.application SET status = 'paid' WHERE id = $1::uuid`, id); err != nil {
			return err
		}
		if _, err = tx.Exec(ctx, `INSERT INTO customer.event (application_id, kind, member_id) VALUES ($1::uuid, 'paid', $2::uuid)`, id, by); err != nil {
			return err
		}
		return tenant.Record(ctx, tx, said("application.paid", applications, id))
	})
}

// payment is money that went out.
type payment struct {
	ID, Applicant, Subject, IBAN, By string
	Cents                            int64
	At                               time.Time
}

func (s store) payments(ctx context.Context) ([]payment, error) {
	rows, err := s.db.Query(ctx, `
SELECT p.id::text, a.first_name || ' ' || a.last_name, p.subject, y.iban, m.first_name || ' ' || m.last_name, (y.amount * 100)::bigint, y.paid_at
FROM customer.payment y
JOIN customer.application p ON p.id = y.application_id
JOIN customer.applicant a ON a.id = p.applicant_id
JOIN customer.member m ON m.id = y.member_id
ORDER BY y.paid_at DESC, y.id DESC LIMIT 100`)
	if err != nil {
		return nil, reachable(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (y payment, err error) {
		return y, row.Scan(&y.ID, &y.Applicant, &y.Subject, &y.IBAN, &y.By, &y.Cents, &y.At)
	})
	return all, reachable(err)
}

func (s store) fields(ctx context.Context) ([]field, error) {
	rows, err := s.db.Query(ctx, `SELECT code, name_fr, name_en FROM customer.field ORDER BY code`)
	if err != nil {
		return nil, reachable(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (f field, err error) {
		return f, row.Scan(&f.Code, &f.FR, &f.EN)
	})
	return all, reachable(err)
}

// submission is what the public form sends, looked at.
type submission struct {
	FirstName, LastName, Email, Phone, City, IBAN string
	Field, Subject, Description                   string
	Cents                                         int64
}

// submit takes an application in and returns its id.
func (s store) submit(ctx context.Context, f submission) (id string, err error) {
	err = s.change(ctx, func(tx pgx.Tx) error {
		var applicant string
		if err := tx.QueryRow(ctx, `
INSERT INTO customer.applicant (first_name, last_name, email, phone, city, iban) VALUES ($1, $2, $3, nullif($4, ''), nullif($5, ''), $6) RETURNING id::text`,
			f.FirstName, f.LastName, f.Email, f.Phone, f.City, f.IBAN).Scan(&applicant); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, `
INSERT INTO customer.application (applicant_id, field, subject, description, amount) VALUES ($1::uuid, $2, $3, $4, $5::numeric / 100) RETURNING id::text`,
			applicant, f.Field, f.Subject, f.Description, f.Cents).Scan(&id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO customer.event (application_id, kind) VALUES ($1::uuid, 'submitted')`, id); err != nil {
			return err
		}
		return tenant.Record(ctx, tx, said("application.submitted", applications, id))
	})
	return id, err
}

// What events are about, by the names under which the audit log has the rows too.
const (
	applications = "customer.application"
	members      = "customer.member"
)

// said is something that a user did, for the audit log.
func said(action, kind, id string) tenant.Event {
	return tenant.Event{Action: action, Kind: kind, ID: id}
}

// tell has the audit log know of something that is no change of a row.
func (s store) tell(ctx context.Context, e tenant.Event) error {
	return s.change(ctx, func(tx pgx.Tx) error { return tenant.Record(ctx, tx, e) })
}

// change does something in one transaction, all or nothing; once more where the customer went, when it moved to another
// database meanwhile.
func (s store) change(ctx context.Context, do func(pgx.Tx) error) error {
	err := s.db.InTx(ctx, do)
	if errors.Is(err, tenant.ErrMoved) {
		err = s.db.InTx(ctx, do)
	}
	return reachable(err)
}

// reachable marks an error that is not of the application's or of a token: the database is not
// there, or not as it should be.
func reachable(err error) error {
	var e *pgconn.PgError
	switch {
	case err == nil, errors.Is(err, errNotFound), errors.Is(err, errGone), errors.Is(err, ErrRefused), errors.Is(err, tenant.ErrRevoked), errors.Is(err, tenant.ErrExpired), errors.Is(err, tenant.ErrInvalid):
		return err
	case errors.As(err, &e) && e.Code == "23505": // twice the same, such as a second payment
		return errGone
	case errors.As(err, &e) && e.Code[:2] != "57" && e.Code[:2] != "53" && !errors.Is(err, tenant.ErrMoved):
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}
