package directory

import (
	"context"
	"errors"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/text/unicode/norm"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Person is a member of staff or a contractor.
type Person struct {
	ID         uuid.UUID
	Email      string
	Name       string
	Role       actor.Role
	CreatedAt  time.Time
	DisabledAt time.Time // zero: enabled
	Passkeys   int
	LastSeenAt time.Time // of any session; zero: never signed in
	Until      time.Time // the seat ends, and everything of the person with it; zero: it has no end
	Unreadable bool      // e-mail and name do not open; see the log
}

// NormalEmail returns the form of an address by which persons are told apart: Unicode in one
// form, lower case. It refuses what is not one plain address.
func NormalEmail(email string) (string, error) {
	email = norm.NFKC.String(strings.TrimSpace(email))
	parsed, err := mail.ParseAddress(email)
	if err != nil || parsed.Name != "" || parsed.Address != email || len(email) > 254 || strings.ContainsFunc(email, unicode.IsControl) {
		return "", errs.New(errs.Invalid, "directory.email", "This is not an e-mail address.").WithFix("Write it like name@example.org.")
	}
	return strings.ToLower(email), nil
}

// plainName checks a name that people will read.
func plainName(name string) (string, error) {
	name = norm.NFC.String(strings.TrimSpace(name))
	if name == "" || !utf8.ValidString(name) || utf8.RuneCountInString(name) > 80 || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "", errs.New(errs.Invalid, "directory.name", "A name has 1 to 80 letters, on one line.")
	}
	return name, nil
}

func knownRole(role actor.Role) error {
	if slices.Contains(actor.Roles(), role) {
		return nil
	}
	return errs.New(errs.Invalid, "directory.role", "There is no such role.").WithFix("The roles are member, reader, auditor, operator and lead.")
}

// AddPerson adds a person, who signs in by a link made with CreateLink. Needs
// actor.ChangePersons. The errors: Invalid for a bad address, name or role; Conflict when the
// address belongs to a person already, disabled ones included. An auditor is added by AddAuditor.
func (d *Directory) AddPerson(ctx context.Context, by actor.Actor, email, name string, role actor.Role, now time.Time) (Person, error) {
	return d.add(ctx, by, email, name, role, time.Time{}, now)
}

// add adds a person whose seat ends at a moment; zero: it has no end.
func (d *Directory) add(ctx context.Context, by actor.Actor, email, name string, role actor.Role, until, now time.Time) (Person, error) {
	p := Person{ID: newID(), Role: role, CreatedAt: now}
	object := audit.Object{Kind: "person", ID: p.ID.String()}
	if err := d.may(ctx, d.staff, by, actor.ChangePersons, "person.added", object); err != nil {
		return Person{}, err
	}
	normal, err := NormalEmail(email)
	if err != nil {
		return Person{}, err
	}
	p.Email = strings.TrimSpace(email)
	if p.Name, err = plainName(name); err != nil {
		return Person{}, err
	}
	if err := knownRole(role); err != nil {
		return Person{}, err
	}
	if p.Until, err = seatEnd(role, until, now); err != nil {
		return Person{}, err
	}
	err = pg.InTx(ctx, d.staff, func(tx pgx.Tx) error {
		sealedEmail, err := d.box.Seal(ctx, tx, keySubject(p.ID), "email", []byte(p.Email))
		if err != nil {
			return err
		}
		sealedName, err := d.box.Seal(ctx, tx, keySubject(p.ID), "name", []byte(p.Name))
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO directory.person (id, email_index, email, name, role, created_at, created_by, access_until)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, p.ID, d.box.Index("email", []byte(normal)), sealedEmail, sealedName, role, now, by.ID, orNull(p.Until)); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, "person.added", object, withSeat(map[string]any{"role": string(role)}, p.Until))
	})
	if pg.Violates(err, "person_email_once") {
		return Person{}, errs.New(errs.Conflict, "directory.email_taken", "This e-mail address belongs to a person already.").
			WithFix("Look in the list of persons, disabled ones included.")
	}
	if err != nil {
		return Person{}, err
	}
	return p, nil
}

const personColumns = `p.id, p.email, p.name, p.role, p.created_at, p.disabled_at, p.access_until,
	(SELECT count(*) FROM directory.passkey k WHERE k.person_id = p.id),
	(SELECT max(s.last_seen_at) FROM directory.session s WHERE s.person_id = p.id)`

// List returns persons in the order they were added. after is the id of the last person of the
// page before, uuid.Nil for the first page; limit is at most 200. Needs actor.ReadPersons.
func (d *Directory) List(ctx context.Context, by actor.Actor, after uuid.UUID, limit int) ([]Person, error) {
	if err := d.may(ctx, d.staff, by, actor.ReadPersons, "person.listed", audit.Object{Kind: "person", ID: "*"}); err != nil {
		return nil, err
	}
	if limit <= 0 {
		limit = 50
	}
	rows, err := d.staff.Query(ctx, `SELECT `+personColumns+` FROM directory.person p WHERE p.id > $1 ORDER BY p.id LIMIT $2`, after, min(limit, 200))
	if err != nil {
		return nil, pg.Wrap(err)
	}
	return d.collect(ctx, rows)
}

// Person returns one person. Needs actor.ReadPersons. The error is NotFound when there is none.
func (d *Directory) Person(ctx context.Context, by actor.Actor, id uuid.UUID) (Person, error) {
	if err := d.may(ctx, d.staff, by, actor.ReadPersons, "person.read", audit.Object{Kind: "person", ID: id.String()}); err != nil {
		return Person{}, err
	}
	rows, err := d.staff.Query(ctx, `SELECT `+personColumns+` FROM directory.person p WHERE p.id = $1`, id)
	if err != nil {
		return Person{}, pg.Wrap(err)
	}
	return d.one(ctx, rows)
}

// PersonByEmail returns the person with an address. Needs actor.ReadPersons.
func (d *Directory) PersonByEmail(ctx context.Context, by actor.Actor, email string) (Person, error) {
	if err := d.may(ctx, d.staff, by, actor.ReadPersons, "person.read", audit.Object{Kind: "person", ID: "by_email"}); err != nil {
		return Person{}, err
	}
	normal, err := NormalEmail(email)
	if err != nil {
		return Person{}, err
	}
	rows, err := d.staff.Query(ctx, `SELECT `+personColumns+` FROM directory.person p WHERE p.email_index = $1`, d.box.Index("email", []byte(normal)))
	if err != nil {
		return Person{}, pg.Wrap(err)
	}
	return d.one(ctx, rows)
}

func errNoPerson() error {
	return errs.New(errs.NotFound, "directory.no_person", "There is no such person.").WithFix("Look in the list of persons.")
}

func (d *Directory) one(ctx context.Context, rows pgx.Rows) (Person, error) {
	found, err := d.collect(ctx, rows)
	if err != nil {
		return Person{}, err
	}
	if len(found) == 0 {
		return Person{}, errNoPerson()
	}
	return found[0], nil
}

func (d *Directory) collect(ctx context.Context, rows pgx.Rows) ([]Person, error) {
	var sealed []crypt.Sealed
	people, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Person, err error) {
		var email, name []byte
		var disabled, until, seen *time.Time
		err = row.Scan(&p.ID, &email, &name, &p.Role, &p.CreatedAt, &disabled, &until, &p.Passkeys, &seen)
		p.DisabledAt, p.Until, p.LastSeenAt = orZero(disabled), orZero(until), orZero(seen)
		sealed = append(sealed, crypt.Sealed{Subject: keySubject(p.ID), Field: "email", Value: email},
			crypt.Sealed{Subject: keySubject(p.ID), Field: "name", Value: name})
		return p, err
	})
	if err != nil {
		return nil, pg.Wrap(err)
	}
	opened, err := d.box.OpenAll(ctx, d.staff, sealed)
	if err != nil {
		return nil, err
	}
	for i := range people {
		email, name := opened[2*i], opened[2*i+1]
		people[i].Email, people[i].Name = string(email.Plaintext), string(name.Plaintext)
		people[i].Unreadable = email.Err != nil || name.Err != nil
	}
	return people, nil
}

// ChangeRole gives a person another role, which holds from their next request on; the end of an
// auditor's seat goes with the role. Needs actor.ChangePersons. The error is Conflict when the
// person is the last lead. A person becomes an auditor by SetSeat.
func (d *Directory) ChangeRole(ctx context.Context, by actor.Actor, id uuid.UUID, role actor.Role, now time.Time) error {
	object := audit.Object{Kind: "person", ID: id.String()}
	if err := d.may(ctx, d.staff, by, actor.ChangePersons, "person.role_changed", object); err != nil {
		return err
	}
	if err := knownRole(role); err != nil {
		return err
	}
	if role == actor.Auditor {
		return errSeatEnd()
	}
	return pg.InTx(ctx, d.staff, func(tx pgx.Tx) error {
		before, disabled, err := lockPerson(ctx, tx, id, role != actor.Lead)
		if err != nil || before == role {
			return err
		}
		if err := shutOver(ctx, tx, id, now); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE directory.person SET role = $2, access_until = NULL WHERE id = $1", id, role); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, "person.role_changed", object,
			map[string]any{"from": string(before), "to": string(role), "disabled": disabled})
	})
}

// Disable takes everything from a person that lets them in: sessions and API tokens end, links
// become worthless, passkeys and recovery codes stop working. Needs actor.ChangePersons. The
// error is Conflict when the person is the last lead.
func (d *Directory) Disable(ctx context.Context, by actor.Actor, id uuid.UUID, now time.Time) error {
	object := audit.Object{Kind: "person", ID: id.String()}
	if err := d.may(ctx, d.staff, by, actor.ChangePersons, "person.disabled", object); err != nil {
		return err
	}
	return pg.InTx(ctx, d.staff, func(tx pgx.Tx) error {
		_, disabled, err := lockPerson(ctx, tx, id, true)
		if err != nil || disabled {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE directory.person SET disabled_at = $2 WHERE id = $1", id, now); err != nil {
			return err
		}
		detail, err := shut(ctx, tx, id, "disabled", now)
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, "person.disabled", object, detail)
	})
}

// Enable lets a disabled person in again, by the passkeys they had. What was ended stays ended.
// Needs actor.ChangePersons.
func (d *Directory) Enable(ctx context.Context, by actor.Actor, id uuid.UUID, now time.Time) error {
	object := audit.Object{Kind: "person", ID: id.String()}
	if err := d.may(ctx, d.staff, by, actor.ChangePersons, "person.enabled", object); err != nil {
		return err
	}
	return pg.InTx(ctx, d.staff, func(tx pgx.Tx) error {
		_, disabled, err := lockPerson(ctx, tx, id, false)
		if err != nil || !disabled {
			return err
		}
		// A session that was being opened while the person was disabled ends here at last.
		if _, err := shut(ctx, tx, id, "disabled", now); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE directory.person SET disabled_at = NULL WHERE id = $1", id); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, "person.enabled", object, nil)
	})
}

// lockPerson holds a person for the transaction and, when a lead may be lost by it, all leads:
// two that each take away the other's last colleague must not both succeed.
func lockPerson(ctx context.Context, tx pgx.Tx, id uuid.UUID, losing bool) (role actor.Role, disabled bool, err error) {
	leads := map[uuid.UUID]bool{}
	if losing {
		rows, err := tx.Query(ctx, "SELECT id FROM directory.person WHERE role = 'lead' AND disabled_at IS NULL ORDER BY id FOR UPDATE")
		if err != nil {
			return "", false, err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil {
			return "", false, err
		}
		for _, l := range ids {
			leads[l] = true
		}
	}
	err = tx.QueryRow(ctx, "SELECT role, disabled_at IS NOT NULL FROM directory.person WHERE id = $1 FOR UPDATE", id).Scan(&role, &disabled)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", false, errNoPerson()
	}
	if err == nil && leads[id] && len(leads) == 1 {
		err = errs.New(errs.Conflict, "directory.last_lead", "This is the last security lead: without one, nobody could manage persons any more.").
			WithFix("Make somebody else a lead first.")
	}
	return role, disabled, err
}

// shut ends what is open of a person, as garant_staff or garant_login.
func shut(ctx context.Context, tx pgx.Tx, id uuid.UUID, reason string, now time.Time) (map[string]any, error) {
	sessions, err := tx.Exec(ctx, "UPDATE directory.session SET ended_at = $2, ended_reason = $3 WHERE person_id = $1 AND ended_at IS NULL", id, now, reason)
	if err != nil {
		return nil, err
	}
	links, err := tx.Exec(ctx, "UPDATE directory.link SET void_at = $2 WHERE person_id = $1 AND used_at IS NULL AND void_at IS NULL", id, now)
	if err != nil {
		return nil, err
	}
	tokens, err := tx.Exec(ctx, "UPDATE directory.api_token SET revoked_at = $2 WHERE person_id = $1 AND revoked_at IS NULL", id, now)
	if err != nil {
		return nil, err
	}
	return map[string]any{"sessions": sessions.RowsAffected(), "links": links.RowsAffected(), "tokens": tokens.RowsAffected()}, nil
}
