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

// Visit is where an attempt to sign in comes from.
type Visit struct {
	Origin string // address
	Agent  string // short name of browser and system, to tell sessions apart; at most 120 letters
}

// Session is a person being signed in on one device.
type Session struct {
	ID         uuid.UUID
	PersonID   uuid.UUID
	Method     string // link, recovery, passkey: how it was opened
	Enrolled   bool   // false: may only register a passkey
	OpenedAt   time.Time
	VerifiedAt time.Time // when the passkey was last used for it
	LastSeenAt time.Time // to the minute
	ExpiresAt  time.Time
	Origin     string
	Agent      string
}

// Opened is a session with the token that belongs to it, which is not stored.
type Opened struct {
	Session
	Token string
}

// actor returns who acts while a session is being opened.
func (o Opened) actor(from Visit) actor.Actor {
	return actor.Actor{Kind: actor.Person, ID: o.PersonID.String(), Session: o.ID.String(), Origin: from.Origin}
}

// Identity is who a token belongs to.
type Identity struct {
	Actor   actor.Actor
	Session Session // zero for an API token
}

// touchEvery is how often at most last_seen_at is written.
const touchEvery = time.Minute

// open adds a session, in the transaction of what opened it. One opened by a passkey is whole.
func (d *Directory) open(ctx context.Context, tx pgx.Tx, person uuid.UUID, method string, from Visit, now time.Time) (Opened, error) {
	token, hash := secret()
	o := Opened{Token: token, Session: Session{
		ID: newID(), PersonID: person, Method: method, Enrolled: method == "passkey",
		OpenedAt: now, VerifiedAt: now, LastSeenAt: now, ExpiresAt: now.Add(d.policy.Enrol),
		Origin: from.Origin, Agent: from.Agent,
	}}
	if o.Enrolled {
		o.ExpiresAt = now.Add(d.policy.Absolute)
	}
	_, err := tx.Exec(ctx, `INSERT INTO directory.session
	(id, hash, person_id, method, enrolled, opened_at, verified_at, last_seen_at, expires_at, origin, agent)
VALUES ($1, $2, $3, $4, $5, $6, $6, $6, $7, $8, left($9, 120))`,
		o.ID, hash, person, method, o.Enrolled, now, o.ExpiresAt, from.Origin, from.Agent)
	return o, pg.Wrap(err)
}

// alive is the condition for a session to be good, with $1 for the caller; then now, the oldest
// last_seen_at that is not idle, the latest moment that is not the future.
const alive = `s.ended_at IS NULL AND s.expires_at > $2 AND s.last_seen_at > $3 AND s.last_seen_at <= $4 AND s.opened_at <= $4`

func (d *Directory) aliveArgs(first any, now time.Time) []any {
	return []any{first, now, now.Add(-d.policy.Idle), now.Add(skew)}
}

// Authenticate tells who a session's token belongs to. The error is errs.Denied when it belongs to
// nobody (any more): unknown, ended, idle, expired, its person disabled or their seat over.
func (d *Directory) Authenticate(ctx context.Context, token, origin string, now time.Time) (Identity, error) {
	var s Session
	var role actor.Role
	var sealedName []byte
	err := d.login.QueryRow(ctx, `SELECT s.id, s.person_id, s.method, s.enrolled, s.opened_at, s.verified_at, s.last_seen_at, s.expires_at, s.origin, s.agent, p.role, p.name
FROM directory.session s JOIN directory.person p ON p.id = s.person_id
WHERE s.hash = $1 AND p.disabled_at IS NULL AND `+seated("$2")+` AND `+alive, d.aliveArgs(hashOf(token), now)...).
		Scan(&s.ID, &s.PersonID, &s.Method, &s.Enrolled, &s.OpenedAt, &s.VerifiedAt, &s.LastSeenAt, &s.ExpiresAt, &s.Origin, &s.Agent, &role, &sealedName)
	if errors.Is(err, pgx.ErrNoRows) {
		if err := d.endSeats(ctx, now); err != nil {
			return Identity{}, err
		}
		return Identity{}, errs.New(errs.Denied, "directory.signed_out", "You are signed out.").WithFix("Sign in.")
	}
	if err != nil {
		return Identity{}, pg.Wrap(err)
	}
	if now.Sub(s.LastSeenAt) >= touchEvery {
		if _, err := d.login.Exec(ctx, "UPDATE directory.session SET last_seen_at = $2 WHERE id = $1 AND ended_at IS NULL AND last_seen_at < $2", s.ID, now); err != nil {
			return Identity{}, pg.Wrap(err)
		}
		s.LastSeenAt = now
	}
	permissions := []actor.Permission{EnrolPasskey}
	if s.Enrolled {
		permissions = append(role.Permissions(), EnrolPasskey)
	}
	return Identity{Session: s, Actor: actor.Actor{
		Kind: actor.Person, ID: s.PersonID.String(), Name: d.openName(ctx, s.PersonID, sealedName),
		Role: role, Session: s.ID.String(), Origin: origin, Permissions: permissions,
	}}, nil
}

// openName opens a person's name for display. A name that does not open must not lock anybody
// out; the list of persons shows the fault.
func (d *Directory) openName(ctx context.Context, person uuid.UUID, sealed []byte) string {
	name, err := d.box.Open(ctx, d.login, keySubject(person), "name", sealed)
	if err != nil {
		return ""
	}
	return string(name)
}

// Sessions returns the actor's own open sessions, the last seen first. Needs actor.OwnAccount.
func (d *Directory) Sessions(ctx context.Context, by actor.Actor, now time.Time) ([]Session, error) {
	person, err := d.own(ctx, by, "session.listed")
	if err != nil {
		return nil, err
	}
	rows, err := d.login.Query(ctx, `SELECT s.id, s.person_id, s.method, s.enrolled, s.opened_at, s.verified_at, s.last_seen_at, s.expires_at, s.origin, s.agent
FROM directory.session s WHERE s.person_id = $1 AND `+alive+`
ORDER BY s.last_seen_at DESC, s.id DESC LIMIT 100`, d.aliveArgs(person, now)...)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Session])
	return out, pg.Wrap(err)
}

// EndSession ends one of the actor's own sessions. Needs actor.OwnAccount. The error is NotFound
// for sessions of others and for ended ones.
func (d *Directory) EndSession(ctx context.Context, by actor.Actor, id uuid.UUID, now time.Time) error {
	person, err := d.own(ctx, by, "session.ended")
	if err != nil {
		return err
	}
	reason := "revoked"
	if id.String() == by.Session {
		reason = "signed_out"
	}
	return pg.InTx(ctx, d.login, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE directory.session SET ended_at = $3, ended_reason = $4
WHERE id = $1 AND person_id = $2 AND ended_at IS NULL`, id, person, now, reason)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return errs.New(errs.NotFound, "directory.no_session", "This session has ended already.")
		}
		return audit.Record(ctx, tx, by, "session.ended", audit.Object{Kind: "session", ID: id.String()}, map[string]any{"reason": reason})
	})
}

// EndOtherSessions ends all of the actor's sessions but the one that asks, and returns how many.
func (d *Directory) EndOtherSessions(ctx context.Context, by actor.Actor, now time.Time) (ended int64, err error) {
	person, err := d.own(ctx, by, "session.others_ended")
	if err != nil {
		return 0, err
	}
	keep, err := uuid.Parse(by.Session)
	if err != nil {
		return 0, errs.New(errs.Denied, "directory.no_session", "Only a session can end the others.")
	}
	err = pg.InTx(ctx, d.login, func(tx pgx.Tx) error {
		if ended, err = endSessions(ctx, tx, person, keep, "revoked", now); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, "session.others_ended", audit.Object{Kind: "person", ID: by.ID}, map[string]any{"count": ended})
	})
	return ended, err
}

// SignOut ends the session that a token belongs to, whatever state it is in. Nothing happens when
// it belongs to none.
func (d *Directory) SignOut(ctx context.Context, token, origin string, now time.Time) error {
	return pg.InTx(ctx, d.login, func(tx pgx.Tx) error {
		var id, person uuid.UUID
		err := tx.QueryRow(ctx, `UPDATE directory.session SET ended_at = $2, ended_reason = 'signed_out'
WHERE hash = $1 AND ended_at IS NULL RETURNING id, person_id`, hashOf(token), now).Scan(&id, &person)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		by := actor.Actor{Kind: actor.Person, ID: person.String(), Session: id.String(), Origin: origin}
		return audit.Record(ctx, tx, by, "session.ended", audit.Object{Kind: "session", ID: id.String()}, map[string]any{"reason": "signed_out"})
	})
}

func endSessions(ctx context.Context, tx pgx.Tx, person, except uuid.UUID, reason string, now time.Time) (int64, error) {
	tag, err := tx.Exec(ctx, `UPDATE directory.session SET ended_at = $3, ended_reason = $4
WHERE person_id = $1 AND id <> $2 AND ended_at IS NULL`, person, except, now, reason)
	return tag.RowsAffected(), pg.Wrap(err)
}
