package register

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Grace is how long a person has to acknowledge a version: from its publication, or from their
// arrival when that is later. The annex quotes it.
const Grace = 30 * 24 * time.Hour

// Publication is a version of a document as it was published.
type Publication struct {
	Document uuid.UUID
	Version  int
	At       time.Time
	By       string // kind:id of an actor
	Values   Values
	Digest   string // hex SHA-256 of the values as published
}

// publish adds the next version of a document, made of its values as they are, and notes the
// version in them.
func (r *Registers) publish(ctx context.Context, tx pgx.Tx, by actor.Actor, d *Definition, e *Entry, now time.Time) (int, error) {
	if e.Values["text"] == "" && e.Values["link"] == "" {
		return 0, r.invalid(d, []Fault{*fault("text", "nothing_to_read")})
	}
	last, err := latestVersion(ctx, tx, e.ID)
	if err != nil {
		return 0, err
	}
	version := last + 1
	next := Values{}
	for k, v := range e.Values {
		next[k] = v
	}
	next["version"], next["published"] = strconv.Itoa(version), r.today(ctx, now).String()
	e.Values = next
	values := open(d, next)
	encoded, err := json.Marshal(values) // keys are sorted
	if err != nil {
		return 0, err
	}
	sum := sha256.Sum256(encoded)
	return version, insertPublication(ctx, tx, Publication{Document: e.ID, Version: version, At: now, By: who(by), Values: values, Digest: hex.EncodeToString(sum[:])})
}

// PersonOf returns the entry of somebody who is signed in: the one that names their account, or
// the one with their e-mail address, which then names it. errs.NotFound when there is none.
func (r *Registers) PersonOf(ctx context.Context, by actor.Actor, now time.Time) (uuid.UUID, error) {
	none := errs.New(errs.NotFound, "register.no_person", "You are not in the register of persons yet.").
		WithFix("Ask the security lead to add you, with the e-mail address that you sign in with.")
	account, err := uuid.Parse(by.ID)
	if by.Kind != actor.Person || err != nil {
		return uuid.Nil, none
	}
	staff := r.DB.Pool(pg.Staff)
	id, err := personByAccount(ctx, staff, account)
	if err == nil || !errors.Is(err, pgx.ErrNoRows) {
		return id, pg.Wrap(err)
	}
	if r.Directory == nil {
		return uuid.Nil, none
	}
	system := actor.NewSystem("register")
	signedIn, err := r.Directory.Person(ctx, system, account)
	if errs.Is(err, errs.NotFound) || err == nil && signedIn.Unreadable {
		return uuid.Nil, none
	}
	if err != nil {
		return uuid.Nil, err
	}
	found, err := r.resolve(ctx, staff, map[string][]string{Persons: {signedIn.Email}})
	if err != nil {
		return uuid.Nil, err
	}
	id, ok := found[Persons][signedIn.Email]
	if !ok {
		return uuid.Nil, none
	}
	d := r.byKey[Persons]
	e, err := r.load(ctx, staff, d, id, false)
	if err != nil {
		return uuid.Nil, err
	}
	if e.Values["account"] != "" { // of somebody else: an address is not enough
		return uuid.Nil, none
	}
	_, err = r.Update(ctx, system, Persons, id, e.Revision, Values{"account": account.String()}, now)
	return id, err
}

// Task is a version that a person is to acknowledge.
type Task struct {
	Document uuid.UUID
	Title    string
	Version  int
	At       time.Time // of the publication
	Due      calendar.Date
}

// Tasks lists what somebody who is signed in still has to acknowledge, the oldest first; nothing
// for who is not in the register of persons. Needs actor.OwnTasks.
func (r *Registers) Tasks(ctx context.Context, by actor.Actor, now time.Time) ([]Task, error) {
	if err := r.may(ctx, by, actor.OwnTasks, "register.tasks_read", object(Documents, "*")); err != nil {
		return nil, err
	}
	person, err := r.PersonOf(ctx, by, now)
	if errs.Is(err, errs.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return outstandingOf(ctx, r.DB.Pool(pg.Staff), person, r.zone(ctx))
}

// Reading is a published version with what one person has to do with it.
type Reading struct {
	Publication
	Acknowledged time.Time // zero: not yet
}

// Read returns the latest version of a document, for who is signed in. Needs actor.OwnTasks;
// errs.NotFound when it is not published, and when the person is not known.
func (r *Registers) Read(ctx context.Context, by actor.Actor, document uuid.UUID, now time.Time) (Reading, error) {
	if err := r.may(ctx, by, actor.OwnTasks, "register.document_read", object(Documents, document.String())); err != nil {
		return Reading{}, err
	}
	person, err := r.PersonOf(ctx, by, now)
	if err != nil {
		return Reading{}, err
	}
	staff := r.DB.Pool(pg.Staff)
	p, err := latestPublication(ctx, staff, document)
	if errors.Is(err, pgx.ErrNoRows) {
		return Reading{}, errs.New(errs.NotFound, "register.not_published", "This document is not published.").WithFix("Ask its owner.")
	}
	if err != nil {
		return Reading{}, pg.Wrap(err)
	}
	at, err := acknowledgedAt(ctx, staff, document, p.Version, person)
	return Reading{p, at}, err
}

// Acknowledge records that who is signed in has read a version of a document. digest is that of
// what was shown. Needs actor.OwnTasks. errs.Conflict when another version was published since;
// a second time changes nothing.
func (r *Registers) Acknowledge(ctx context.Context, by actor.Actor, document uuid.UUID, version int, digest string, now time.Time) error {
	reading, err := r.Read(ctx, by, document, now)
	if err != nil {
		return err
	}
	if reading.Version != version || reading.Digest != digest {
		return errs.New(errs.Conflict, "register.newer_version", "A newer version has been published meanwhile.").WithFix("Read it, then confirm again.")
	}
	person, err := r.PersonOf(ctx, by, now)
	if err != nil {
		return err
	}
	account, err := uuid.Parse(by.ID)
	if err != nil {
		return errs.New(errs.Internal, "register.account", "Who is signed in has no id.")
	}
	return r.change(ctx, func(tx pgx.Tx) error {
		added, err := insertAcknowledgement(ctx, tx, document, version, person, account, digest, now)
		if err != nil || !added {
			return err
		}
		return audit.Record(ctx, tx, by, "register.acknowledged", object(Documents, document.String()), map[string]any{"version": version})
	})
}

// Acknowledgements tells of the latest version of a document who has acknowledged it.
type Acknowledgements struct {
	Version int // 0: none was published
	At      time.Time
	Asked   int         // present persons who are asked to
	Missing []uuid.UUID // those of them who have not, at most 500
	Dated   map[uuid.UUID]time.Time
}

// Acknowledgements counts who has acknowledged the latest version of a document. Needs the
// permission to read the register.
func (r *Registers) Acknowledgements(ctx context.Context, by actor.Actor, document uuid.UUID, now time.Time) (Acknowledgements, error) {
	if err := r.may(ctx, by, r.byKey[Documents].read(), "register.entry_read", object(Documents, document.String())); err != nil {
		return Acknowledgements{}, err
	}
	staff := r.DB.Pool(pg.Staff)
	p, err := latestPublication(ctx, staff, document)
	if errors.Is(err, pgx.ErrNoRows) {
		return Acknowledgements{}, nil
	}
	if err != nil {
		return Acknowledgements{}, pg.Wrap(err)
	}
	out := Acknowledgements{Version: p.Version, At: p.At, Dated: map[uuid.UUID]time.Time{}}
	err = askedFor(ctx, staff, document, p.Version, r.today(ctx, now), func(person uuid.UUID, at *time.Time) {
		out.Asked++
		switch {
		case at != nil:
			out.Dated[person] = *at
		case len(out.Missing) < 500:
			out.Missing = append(out.Missing, person)
		}
	})
	return out, err
}
