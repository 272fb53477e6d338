package sample

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Settled is how long ago a period must have ended: no record of it is still being written.
const Settled = 2 * time.Minute

// Order is what is to be drawn.
type Order struct {
	Population  string // key
	Part        string // of it; empty: the whole
	From, Until time.Time
	Method      Method
	Seed        string // empty: one is made
	Size        int
	Purpose     string // what the auditor wants to know; may be empty
}

// Sample is what was drawn. It is never changed.
type Sample struct {
	Order
	ID      string
	Frame   Frame
	Items   []Item
	Digest  string // over everything above
	DrawnAt time.Time
	DrawnBy string // "person:ID"
}

// Item is one record of a sample.
type Item struct {
	Position int    // from 1, in the order of the population
	ID       string // in its population
	Digest   string // hex SHA-256 over what it held when it was drawn
}

// Source is where the records of a population are read, in the transaction of the drawing.
type Source struct {
	List    func(ctx context.Context, on pg.Querier, after string, limit int) ([]string, error)
	Digests func(ctx context.Context, on pg.Querier, ids []string) (map[string]string, error)
}

// on binds the list to a connection.
func (s Source) on(q pg.Querier) List {
	return func(ctx context.Context, after string, limit int) ([]string, error) {
		return s.List(ctx, q, after, limit)
	}
}

// seal computes the digest: SHA-256 over a JSON array of the fields.
func (s *Sample) seal() string {
	items := make([][2]string, 0, len(s.Items))
	for _, i := range s.Items {
		items = append(items, [2]string{i.ID, i.Digest})
	}
	return DigestOf("garant sample v1", s.ID, s.Population, s.Part, s.From, s.Until, s.Method, s.Seed, s.Size,
		s.Frame.Size, s.Frame.Digest, s.Purpose, s.DrawnAt, s.DrawnBy, items)
}

// Intact reports whether a sample read back still has the digest that it was drawn with.
func (s *Sample) Intact() bool { return s.seal() == s.Digest }

// check refuses an order that cannot be carried out.
func (o *Order) check(now time.Time) error {
	o.Purpose = strings.TrimSpace(o.Purpose)
	invalid := func(id, text, fix string) error { return errs.New(errs.Invalid, id, text).WithFix(fix) }
	switch {
	case o.Population == "":
		return invalid("sample.population", "There is no such population.", "Choose one of those that are offered.")
	case !slices.Contains(Methods(), o.Method):
		return invalid("sample.method", "There is no such method.", "Choose random or systematic.")
	case o.Size < 1 || o.Size > MaxSize:
		return invalid("sample.size", "A sample has 1 to 500 items.", "Choose a number between these.")
	case !seedForm.MatchString(o.Seed):
		return invalid("sample.seed", "A seed has 1 to 64 letters, digits, dots, dashes or underscores.", "Write another, or leave it empty.")
	case !o.From.Before(o.Until):
		return invalid("sample.period", "The period ends before it begins, or has not begun yet.", "Choose days that are past, or today.")
	case o.Until.After(now.Add(-Settled)):
		return invalid("sample.unsettled", "The period ends so late that records of it are still being written.", "Choose an earlier end.")
	case !plain(o.Purpose, 500):
		return invalid("sample.purpose", "The purpose has at most 500 characters.", "Shorten it.")
	}
	return nil
}

// plain reports whether a text can be kept and shown: UTF-8, no control characters but line breaks.
func plain(s string, most int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= most &&
		!strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' })
}

func denied(ctx context.Context, db *pgxpool.Pool, by actor.Actor, action, id string) error {
	if by.May(actor.SampleRecords) {
		return nil
	}
	if err := audit.Refused(ctx, db, by, action, audit.Object{Kind: "sample", ID: id}, map[string]any{"permission": string(actor.SampleRecords)}); err != nil {
		return err
	}
	return errs.New(errs.Denied, "sample.denied", "You may not draw samples.").WithFix("Ask the security lead.")
}

// Draw draws a sample and keeps it. Needs actor.SampleRecords; db is the pool of garant_staff. The
// population is read in one snapshot of the database, in the transaction that keeps the sample.
// The errors are Invalid for what cannot be drawn, a population without a record included.
func Draw(ctx context.Context, db *pgxpool.Pool, by actor.Actor, o Order, src Source, now time.Time) (Sample, error) {
	if err := denied(ctx, db, by, "sample.drawn", "new"); err != nil {
		return Sample{}, err
	}
	now = now.UTC().Truncate(time.Microsecond) // as PostgreSQL keeps it
	o.From, o.Until = o.From.UTC().Truncate(time.Microsecond), o.Until.UTC().Truncate(time.Microsecond)
	if o.Seed == "" {
		o.Seed = NewSeed()
	}
	if err := o.check(now); err != nil {
		return Sample{}, err
	}
	s := Sample{Order: o, ID: uuid.Must(uuid.NewV7()).String(), DrawnAt: now, DrawnBy: string(by.Kind) + ":" + by.ID}
	err := pgx.BeginTxFunc(ctx, db, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}, func(tx pgx.Tx) error {
		if err := s.draw(ctx, tx, src); err != nil {
			return err
		}
		s.Digest = s.seal()
		if err := insert(ctx, tx, &s); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, "sample.drawn", audit.Object{Kind: "sample", ID: s.ID}, map[string]any{
			"population": s.Population, "part": s.Part, "size": len(s.Items), "of": s.Frame.Size, "digest": s.Digest,
		})
	})
	return s, pg.Wrap(err)
}

func (s *Sample) draw(ctx context.Context, tx pgx.Tx, src Source) (err error) {
	if s.Frame, err = FrameOf(ctx, src.on(tx)); err != nil {
		return err
	}
	if s.Frame.Size == 0 {
		return errs.New(errs.Invalid, "sample.empty", "There is nothing to draw from in this period.").WithFix("Choose a longer one, or another population.")
	}
	ids, err := choose(ctx, src.on(tx), s.Method, s.Seed, s.Size, s.Frame.Size)
	if err != nil {
		return err
	}
	digests, err := src.Digests(ctx, tx, ids)
	if err != nil {
		return err
	}
	for i, id := range ids {
		if digests[id] == "" {
			return errs.New(errs.Internal, "sample.list", "The population cannot be listed.")
		}
		s.Items = append(s.Items, Item{Position: i + 1, ID: id, Digest: digests[id]})
	}
	return nil
}

// Result is what an auditor found of an item.
type Result string

// The results.
const (
	OK            Result = "ok"
	Exception     Result = "exception"
	NotAssessable Result = "not_assessable"
)

// Results lists the results.
func Results() []Result { return []Result{OK, Exception, NotAssessable} }

// Note is what an auditor wrote of an item. It is never changed; the last of an item counts.
type Note struct {
	ID       string
	Position int
	Result   Result
	Text     string
	At       time.Time
	By       string // "person:ID"
}

// AddNote keeps a note. Needs actor.SampleRecords. The errors: NotFound without such an item;
// Invalid for an unknown result, a text that is too long, or an exception without one.
func AddNote(ctx context.Context, db *pgxpool.Pool, by actor.Actor, id string, position int, result Result, text string, now time.Time) error {
	if err := denied(ctx, db, by, "sample.noted", id); err != nil {
		return err
	}
	text = strings.TrimSpace(text)
	switch {
	case !slices.Contains(Results(), result):
		return errs.New(errs.Invalid, "sample.result", "There is no such result.").WithFix("Choose one of those that are offered.")
	case !plain(text, 2000):
		return errs.New(errs.Invalid, "sample.note", "A note has at most 2000 characters.").WithFix("Shorten it.")
	case result != OK && text == "":
		return errs.New(errs.Invalid, "sample.note_missing", "Say what you found: anything but \"in order\" needs a note.").WithFix("Write it below the result.")
	}
	if _, err := uuid.Parse(id); err != nil {
		return errNone()
	}
	n := Note{ID: uuid.Must(uuid.NewV7()).String(), Position: position, Result: result, Text: text, At: now, By: string(by.Kind) + ":" + by.ID}
	err := pg.InTx(ctx, db, func(tx pgx.Tx) error {
		if err := insertNote(ctx, tx, id, n); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, "sample.noted", audit.Object{Kind: "sample", ID: id}, map[string]any{"item": position, "result": string(result)})
	})
	if pg.Violates(err, "sample_note_sample_id_position_fkey") {
		return errNone()
	}
	return err
}

func errNone() error {
	return errs.New(errs.NotFound, "sample.none", "There is no such sample.").WithFix("Look in the list of samples.")
}
