package directory

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Purpose is what a link is for.
type Purpose string

// The purposes of links.
const (
	SignIn  Purpose = "sign_in" // the first time: the person has no passkey yet
	Recover Purpose = "recover" // the person lost their passkeys; ends their other sessions
)

// Link is a one-time link as it was made. Token is known to nobody else and not stored.
type Link struct {
	Token     string
	ExpiresAt time.Time
}

// CreateLink makes a one-time link by which a person registers a passkey. Needs
// actor.ChangePersons. The errors: NotFound without such a person; Conflict when the person is
// disabled or their seat is over, or has a passkey and the purpose is SignIn.
func (d *Directory) CreateLink(ctx context.Context, by actor.Actor, person uuid.UUID, purpose Purpose, now time.Time) (Link, error) {
	object := audit.Object{Kind: "person", ID: person.String()}
	if err := d.may(ctx, d.staff, by, actor.ChangePersons, "link.created", object); err != nil {
		return Link{}, err
	}
	if purpose != SignIn && purpose != Recover {
		return Link{}, errs.New(errs.Invalid, "directory.purpose", "A link is made for signing in or for recovering an account.")
	}
	token, hash := secret()
	link := Link{Token: token, ExpiresAt: now.Add(d.policy.Link)}
	id := newID()
	err := pg.InTx(ctx, d.staff, func(tx pgx.Tx) error {
		_, disabled, err := lockPerson(ctx, tx, person, false)
		if err != nil {
			return err
		}
		if disabled {
			return errs.New(errs.Conflict, "directory.disabled", "This person is disabled.").WithFix("Enable the person first.")
		}
		if err := mustBeSeated(ctx, tx, person, now); err != nil {
			return err
		}
		if purpose == SignIn {
			var passkeys int
			if err := tx.QueryRow(ctx, "SELECT count(*) FROM directory.passkey WHERE person_id = $1", person).Scan(&passkeys); err != nil {
				return err
			}
			if passkeys > 0 {
				return errs.New(errs.Conflict, "directory.has_passkey", "This person has a passkey and signs in with it.").
					WithFix("If it is lost, make a link for recovery.")
			}
		}
		if _, err := tx.Exec(ctx, `INSERT INTO directory.link (id, hash, person_id, purpose, created_at, created_by, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)`, id, hash, person, purpose, now, by.ID, link.ExpiresAt); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, "link.created", object, map[string]any{"link": id.String(), "purpose": string(purpose)})
	})
	if err != nil {
		return Link{}, err
	}
	return link, nil
}

// errLink is all that a stranger learns about a link: not whether it ever was one.
func errLink() error {
	return errs.New(errs.Denied, "directory.link", "This link does not work. It was used already, is too old, or was never made.").
		WithFix("Ask the security lead for a new one.")
}

// RedeemLink opens a session that may register a passkey, and nothing else. The link is used up,
// also when two arrive at once: one of them gets errs.Denied, as do forged, expired and void ones.
// A sign-in link of a person who has a passkey meanwhile is void.
func (d *Directory) RedeemLink(ctx context.Context, from Visit, token string, now time.Time) (Opened, error) {
	by := actor.Anonymous(from.Origin)
	if err := d.throttled(ctx, by, "link_origin", from.Origin, d.policy.LinkAttempts, now); err != nil {
		return Opened{}, err
	}
	var opened Opened
	err := pg.InTx(ctx, d.login, func(tx pgx.Tx) error {
		var id, person uuid.UUID
		var purpose Purpose
		err := tx.QueryRow(ctx, `UPDATE directory.link l SET used_at = $2 FROM directory.person p
WHERE l.hash = $1 AND l.used_at IS NULL AND l.void_at IS NULL AND l.expires_at > $2 AND l.created_at <= $3
	AND p.id = l.person_id AND p.disabled_at IS NULL AND `+seated("$2")+`
	AND (l.purpose = 'recover' OR NOT EXISTS (SELECT 1 FROM directory.passkey k WHERE k.person_id = p.id))
RETURNING l.id, l.person_id, l.purpose`, hashOf(token), now, now.Add(skew)).Scan(&id, &person, &purpose)
		if errors.Is(err, pgx.ErrNoRows) {
			return errLink()
		}
		if err != nil {
			return err
		}
		detail := map[string]any{"link": id.String(), "purpose": string(purpose)}
		if purpose == Recover {
			ended, err := endSessions(ctx, tx, person, uuid.Nil, "recovered", now)
			if err != nil {
				return err
			}
			detail["sessions_ended"] = ended
			if err := notify(ctx, tx, person, "link_used", now); err != nil {
				return err
			}
		}
		if opened, err = d.open(ctx, tx, person, "link", from, now); err != nil {
			return err
		}
		return audit.Record(ctx, tx, opened.actor(from), "link.redeemed", audit.Object{Kind: "person", ID: person.String()}, detail)
	})
	if errs.Is(err, errs.Denied) {
		if err := d.endSeats(ctx, now); err != nil {
			return Opened{}, err
		}
		if err := audit.Refused(ctx, d.login, by, "link.redeemed", audit.Object{Kind: "link", ID: "unknown"}, nil); err != nil {
			return Opened{}, err
		}
	}
	if err != nil {
		return Opened{}, err
	}
	return opened, nil
}

// voidLinks makes the unused links of a person worthless.
func voidLinks(ctx context.Context, tx pgx.Tx, person uuid.UUID, now time.Time) (int64, error) {
	tag, err := tx.Exec(ctx, "UPDATE directory.link SET void_at = $2 WHERE person_id = $1 AND used_at IS NULL AND void_at IS NULL", person, now)
	return tag.RowsAffected(), pg.Wrap(err)
}
