package audit

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit/leaf"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Object is what an action was done to.
type Object struct{ Kind, ID string }

// Change is one field of personal data before and after; nil: there was none.
type Change = leaf.Change

// Event is what an entry is made of.
type Event struct {
	By      actor.Actor // Kind, ID, Session and Origin only
	Tenant  string      // customer (uuid) whose entry it is; empty: the company's own
	Action  string      // "estate.applied": object.past_participle
	On      Object
	Refused bool
	Reason  string         // why, in the words of who did it; at most 4,000 bytes
	Request string         // by which it is found in the logs
	Detail  map[string]any // ids, counts, names of fields; no personal data, no secret

	// Changes is personal data before and after. It is sealed under the key of Subject: when that is destroyed nothing of it
	// can be read any more, and what was proven stays so. Subject empty: the customer's key, or the company's.
	Changes []Change
	Subject string

	Occurred time.Time // when it happened, where that was elsewhere and is told later
}

// Entry is one line of the record.
type Entry struct {
	ID      int64
	At      time.Time
	Actor   actor.Actor // Kind, ID, Session and Origin only
	Tenant  string
	Action  string
	Object  Object
	Refused bool
	Reason  string
	Request string
	Detail  map[string]any

	Occurred time.Time
	Subject  string
	Changes  []Change // when Open was asked to open them
	Sealed   bool     // there are changes
	Erased   bool     // the key that sealed them was destroyed
	Unopened bool     // they do not open, though there is a key: sealed under one that was destroyed before, or changed

	sealed  []byte
	promise []byte // of what is sealed: it stands in the leaf, and sealed does not
}

// Record adds an entry in the transaction of the change it tells of.
func Record(ctx context.Context, tx pgx.Tx, by actor.Actor, action string, on Object, detail map[string]any) error {
	return write(ctx, tx, tx.Conn(), []Event{{By: by, Action: action, On: on, Detail: detail}})
}

// Write adds entries in the transaction of the changes they tell of.
func Write(ctx context.Context, tx pgx.Tx, events ...Event) error {
	return write(ctx, tx, tx.Conn(), events)
}

// Refused adds an entry for an attempt that was not allowed, in a transaction of its own.
func Refused(ctx context.Context, on pg.Execer, by actor.Actor, action string, object Object, detail map[string]any) error {
	events := []Event{{By: by, Action: action, On: Object{Kind: object.Kind, ID: recordable(object.ID)}, Refused: true, Detail: detail}}
	switch on := on.(type) {
	case *pgxpool.Pool:
		return pg.Wrap(on.AcquireFunc(ctx, func(c *pgxpool.Conn) error { return write(ctx, c, c.Conn(), events) }))
	case interface{ Conn() *pgx.Conn }: // a transaction, or a connection of a pool
		return write(ctx, on.(pg.Execer), on.Conn(), events)
	case *pgx.Conn:
		return write(ctx, on, on, events)
	}
	return write(ctx, on, nil, events)
}

// May returns refused when an actor lacks a permission, after the attempt is recorded; that of nobody in particular is not.
func May(ctx context.Context, on pg.Execer, by actor.Actor, needed actor.Permission, action string, object Object, refused error) error {
	if by.May(needed) {
		return nil
	}
	if by.Kind == actor.Public {
		return refused
	}
	if err := Refused(ctx, on, by, action, object, map[string]any{"permission": string(needed)}); err != nil {
		return err
	}
	return refused
}

// maxTried is how many bytes of what somebody tried to reach are kept; an index entry of
// PostgreSQL takes a third of a page at most.
const maxTried = 500

// recordable makes what somebody wrote fit for the database, which takes no NUL, nothing that is
// not UTF-8 and no long keys: nobody escapes the record by how they write an address.
func recordable(id string) string {
	id = strings.ToValidUTF8(strings.ReplaceAll(id, "\x00", "\uFFFD"), "\uFFFD")
	if len(id) <= maxTried {
		return id
	}
	return strings.ToValidUTF8(id[:maxTried], "") + "…"
}

// The longest that an entry holds of what people write.
const (
	maxReason  = 4000
	maxRequest = 200
	maxSaid    = 60_000 // bytes of an entry; a leaf has to fit into 65,535
)

// writing is entries that are ready to be added.
type writing struct {
	pen    *Pen // nil: nothing is signed
	said   []leaf.Said
	sealed [][]byte
	macs   [][]byte
}

// prepare seals and signs entries. on runs on conn, which may be nil: then nothing is signed.
func prepare(ctx context.Context, on pg.Execer, conn *pgx.Conn, events []Event) (*writing, error) {
	w := &writing{pen: penOf(conn), said: make([]leaf.Said, len(events)), sealed: make([][]byte, len(events)), macs: make([][]byte, len(events))}
	for i, e := range events {
		var err error
		if w.said[i], err = e.said(); err != nil {
			return nil, err
		}
		if len(e.Changes) > 0 {
			if w.sealed[i], err = seal(ctx, on, w.pen, &w.said[i], e.Changes); err != nil {
				return nil, err
			}
		}
	}
	if w.pen != nil && len(events) > 0 {
		first, now := w.pen.take(conn, len(events)), w.pen.now().UTC().Truncate(time.Microsecond)
		var b []byte
		signer := leaf.NewSigner(w.pen.key)
		for i := range w.said {
			s := &w.said[i]
			s.Writer, s.N, s.Written = w.pen.writer.String(), first+int64(i), now
			if b = s.Append(b[:0]); len(b) > maxSaid {
				w.pen.Ended(conn, false)
				return nil, errs.New(errs.Invalid, "audit.too_long", fmt.Sprintf("What is to be recorded is too long, so nothing was done: %d bytes.", len(b))).WithFix("Say it in fewer words.")
			}
			w.macs[i] = signer.MAC(nil, b)
		}
	}
	return w, nil
}

// write signs and adds entries. on runs on conn, which may be nil: then nothing is signed.
func write(ctx context.Context, on pg.Execer, conn *pgx.Conn, events []Event) error {
	if len(events) == 0 {
		return nil
	}
	w, err := prepare(ctx, on, conn, events)
	if err != nil {
		return err
	}
	for from := 0; from < len(w.said) && err == nil; from += atOnce {
		sql, args := w.statement(from, min(from+atOnce, len(w.said)))
		err = pg.Later(ctx, on, sql, args...)
	}
	if _, in := on.(pgx.Tx); w.pen != nil && !in && conn.PgConn().TxStatus() == 'I' { // it was a transaction of its own
		w.pen.Ended(conn, err == nil)
	}
	return pg.Wrap(err)
}

// named is how actions are: the database holds to it too.
var named = regexp.MustCompile(`^[a-z_]+(\.[a-z_]+)+$`)

func (e *Event) said() (s leaf.Said, err error) {
	if e.By.ID == "" {
		return s, errs.New(errs.Internal, "audit.no_actor", "An action without an actor cannot be recorded, so it was not done.")
	}
	if !named.MatchString(e.Action) {
		return s, errs.New(errs.Internal, "audit.action", "An action without a proper name cannot be recorded, so it was not done.")
	}
	s = leaf.Said{
		ActorKind: string(e.By.Kind), ActorID: e.By.ID, Session: e.By.Session, Origin: e.By.Origin, Action: e.Action, Outcome: "permitted",
		ObjectKind: e.On.Kind, ObjectID: e.On.ID, Reason: e.Reason, Request: e.Request, Subject: e.Subject,
	}
	if e.Refused {
		s.Outcome = "refused"
	}
	if _, err := uuid.Parse(e.By.Session); e.Tenant != "" && e.By.Kind == actor.Person && err == nil {
		s.Origin = "" // a customer's log says who of the company it was, not from where: that stands at the sign-in, in the company's own
	}
	if len(s.Reason) > maxReason || len(s.Request) > maxRequest {
		return s, errs.New(errs.Invalid, "audit.too_long", fmt.Sprintf("The reason is too long to be recorded, so nothing was done: at most %d bytes.", maxReason)).WithFix("Say it in fewer words.")
	}
	if e.Tenant != "" {
		id, err := uuid.Parse(e.Tenant)
		if err != nil {
			return s, errs.New(errs.Internal, "audit.tenant", "An action of no customer that can be told cannot be recorded, so it was not done.")
		}
		s.Tenant = id.String()
	}
	if !e.Occurred.IsZero() {
		s.Occurred = e.Occurred.UTC().Truncate(time.Microsecond)
	}
	s.Detail = []byte("{}")
	if len(e.Detail) > 0 {
		if s.Detail, err = json.Marshal(e.Detail); err != nil {
			return s, errs.New(errs.Internal, "audit.detail", "The detail of an action cannot be recorded, so it was not done.").Wrap(err)
		}
		s.Detail = bytes.ReplaceAll(s.Detail, []byte(`\u0000`), []byte(`\ufffd`)) // PostgreSQL reads no NUL out of it
	}
	return s, nil
}

// seal keeps changes for who has the key, and says in s what was promised.
func seal(ctx context.Context, on pg.Execer, pen *Pen, s *leaf.Said, changes []Change) ([]byte, error) {
	keys, ok := on.(crypt.Querier)
	if pen == nil || !ok {
		return nil, errs.New(errs.Internal, "audit.no_pen", "Personal data cannot be recorded here, so nothing was done: there is no key to seal it with.")
	}
	if s.Subject == "" {
		s.Subject = SubjectOf(s.Tenant)
	}
	what := leaf.Sealed{Salt: make([]byte, 32), Changes: make([]Change, len(changes))}
	for i, c := range changes { // as JSON will have it: what is promised is what can be read again
		what.Changes[i] = Change{Field: valid(c.Field), Before: validOr(c.Before), After: validOr(c.After)}
	}
	if _, err := rand.Read(what.Salt); err != nil {
		return nil, err
	}
	plain, err := json.Marshal(what)
	if err != nil {
		return nil, err
	}
	s.Promise = what.Promise()
	return pen.box.Seal(ctx, keys, s.Subject, SealedField, plain)
}

func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func validOr(s *string) *string {
	if s == nil {
		return nil
	}
	v := valid(*s)
	return &v
}

// SealedField is what changes are sealed as.
const SealedField = "audit.changes"

// SubjectOf is whose key seals what no person's does: a customer's, or the company's.
func SubjectOf(tenant string) string {
	if tenant == "" {
		return "audit"
	}
	return "tenant:" + tenant
}

// atOnce is how many entries go into one statement. It is no COPY: that knows nothing of row-level security.
const atOnce = 1000

// statement adds some of the entries.
func (w *writing) statement(from, until int) (sql string, args []any) {
	said, sealed, macs := w.said[from:until], w.sealed[from:until], w.macs[from:until]
	if len(said) == 1 {
		s := &said[0]
		return `INSERT INTO audit.entry (actor_kind, actor_id, session, origin, action, outcome, object_kind, object_id, detail, tenant, reason, request, subject, promise, changes, occurred, writer, n, written, mac)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)`, []any{
				s.ActorKind, s.ActorID, null(s.Session), null(s.Origin), s.Action, s.Outcome, s.ObjectKind, s.ObjectID, s.Detail, null(s.Tenant), null(s.Reason), null(s.Request), null(s.Subject),
				s.Promise, sealed[0], null(s.Occurred), null(s.Writer), null(s.N), null(s.Written), macs[0]}
	}
	columns := make([][]*string, 13)
	var occurred, written []*time.Time
	var numbers []*int64
	var promises [][]byte
	for i := range said {
		s := &said[i]
		detail := string(s.Detail)
		for c, v := range []*string{&s.ActorKind, &s.ActorID, null(s.Session), null(s.Origin), &s.Action, &s.Outcome, &s.ObjectKind, &s.ObjectID, &detail, null(s.Tenant), null(s.Reason), null(s.Request), null(s.Subject)} {
			columns[c] = append(columns[c], v)
		}
		promises = append(promises, s.Promise)
		occurred, written, numbers = append(occurred, null(s.Occurred)), append(written, null(s.Written)), append(numbers, null(s.N))
	}
	writers := make([]*string, len(said))
	for i := range said {
		writers[i] = null(said[i].Writer)
	}
	return `INSERT INTO audit.entry (actor_kind, actor_id, session, origin, action, outcome, object_kind, object_id, detail, tenant, reason, request, subject, promise, changes, occurred, writer, n, written, mac)
SELECT u.actor_kind, u.actor_id, u.session, u.origin, u.action, u.outcome, u.object_kind, u.object_id, u.detail::json, u.tenant::uuid, u.reason, u.request, u.subject, u.promise, u.changes, u.occurred, u.writer::uuid, u.n, u.written, u.mac
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::bytea[], $15::bytea[], $16::timestamptz[], $17::text[], $18::bigint[], $19::timestamptz[], $20::bytea[])
	WITH ORDINALITY AS u(actor_kind, actor_id, session, origin, action, outcome, object_kind, object_id, detail, tenant, reason, request, subject, promise, changes, occurred, writer, n, written, mac, place) ORDER BY u.place`, []any{
			columns[0], columns[1], columns[2], columns[3], columns[4], columns[5], columns[6], columns[7], columns[8], columns[9], columns[10], columns[11], columns[12],
			promises, sealed, occurred, writers, numbers, written, macs}
}

// null is what the database keeps for a value that is none.
func null[T comparable](v T) *T {
	var none T
	if v == none {
		return nil
	}
	return &v
}
