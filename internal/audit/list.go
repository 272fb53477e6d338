package audit

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/garant-project/garant/internal/audit/leaf"
	"github.com/garant-project/garant/internal/audit/words"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Filter narrows a list of entries. Zero fields do not narrow.
type Filter struct {
	Object    Object
	ObjectIDs []string // any of them, of Object.Kind, in place of Object.ID; at most 20
	ActorID   string
	Actors    []string // any of them, in place of ActorID; at most 20
	Tenant    string   // customer
	Action    string
	Without   []string // actions to leave out, unless they were refused
	From      time.Time
	Until     time.Time // before this moment
	Request   string
	Text      string // words of object, reason, request and detail, all of them: package audit/words
	Before    int64  // id; for the next page
	Limit     int    // at most 200; 0: 50
}

// List returns entries, the newest first. It needs what garant_staff may read when it is narrowed by words, a request or times.
func List(ctx context.Context, on pg.Querier, f Filter) ([]Entry, error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	f.Limit = min(f.Limit, 200)
	asked := words.Ask(f.Text + " " + f.Request)
	if asked.None() && (f.Text != "" || f.Request != "") {
		return nil, nil
	}
	where, args := f.conditions()
	least, greatest := int64(0), int64(math.MaxInt64)
	timed := !f.From.IsZero() || !f.Until.IsZero()
	var late []int64 // asked for first: what is put into words and hours meanwhile comes twice, and nothing is missed
	if timed || !asked.None() {
		var err error
		if late, err = unsearched(ctx, on); err != nil {
			return nil, err
		}
	}
	if timed {
		var err error
		if least, greatest, err = numbers(ctx, on, f.From, f.Until, late); err != nil || least > greatest {
			return nil, err
		}
		args = append(args, least, greatest)
		where = append(where, "id >= $"+strconv.Itoa(len(args)-1), "id <= $"+strconv.Itoa(len(args)))
	}
	if asked.None() {
		return f.list(ctx, on, byNumber, where, args)
	}
	list, err := f.worded(ctx, on, asked.Query(), least, greatest, where, args)
	if err != nil || len(late) == 0 {
		return list, err
	}
	more, err := f.oneByOne(ctx, on, asked, late, where, args)
	if err != nil {
		return nil, err
	}
	list = append(list, more...)
	slices.SortStableFunc(list, func(a, b Entry) int { return cmp.Compare(b.ID, a.ID) })
	list = slices.CompactFunc(list, func(a, b Entry) bool { return a.ID == b.ID })
	return list[:min(len(list), f.Limit)], nil
}

// conditions are those of the columns. Only what narrows is said, so that the index for it is found.
func (f *Filter) conditions() (where []string, args []any) {
	and := func(condition string, value any, given bool) {
		if given {
			args = append(args, value)
			where = append(where, strings.ReplaceAll(condition, "?", "$"+strconv.Itoa(len(args))))
		}
	}
	and("object_kind = ?", f.Object.Kind, f.Object.Kind != "")
	and("object_id = ?", f.Object.ID, f.Object.ID != "" && len(f.ObjectIDs) == 0)
	and("actor_id = ?", f.ActorID, f.ActorID != "" && len(f.Actors) == 0)
	and("tenant = ?", f.Tenant, f.Tenant != "")
	and("action = ?", f.Action, f.Action != "")
	and("request = ?", f.Request, f.Request != "")
	and("(outcome = 'refused' OR action <> ALL (?))", f.Without, len(f.Without) > 0)
	and("at >= ?", f.From, !f.From.IsZero())
	and("at < ?", f.Until, !f.Until.IsZero())
	and("id < ?", f.Before, f.Before != 0)
	return where, args
}

// mostOf is how many ids a filter may name.
const mostOf = 20

// A way is from where entries are listed, and what gives the order.
type way int

const (
	byNumber    way = iota // the index of a column that is asked for, or numbers
	newestWords            // the numbers of words
	ledWords               // as entries, each with its words
)

// list asks once for each actor and object, so that an index gives the newest of each, and takes the newest of all.
func (f *Filter) list(ctx context.Context, on pg.Querier, by way, where []string, args []any) ([]Entry, error) {
	branches := [][]string{nil}
	each := func(column string, ids []string) {
		if len(ids) == 0 {
			return
		}
		var more [][]string
		for _, id := range ids[:min(len(ids), mostOf)] {
			args = append(args, id)
			for _, b := range branches {
				more = append(more, append(slices.Clone(b), column+" = $"+strconv.Itoa(len(args))))
			}
		}
		branches = more
	}
	each("actor_id", f.Actors)
	each("object_id", f.ObjectIDs)
	args = append(args, f.Limit)
	limit := " DESC LIMIT $" + strconv.Itoa(len(args))
	from := "audit.entry"
	if by != byNumber {
		from = "audit.words AS w JOIN audit.entry ON id = w.entry"
	}
	var parts []string
	for _, b := range branches {
		conditions, order := append(append([]string{"true"}, where...), b...), "w.entry"
		if by != newestWords {
			conditions, order = led(conditions)
		}
		parts = append(parts, "(SELECT "+columns+" FROM "+from+" WHERE "+strings.Join(conditions, " AND ")+" ORDER BY "+order+limit+")")
	}
	sql := strings.Join(parts, "\nUNION ALL\n")
	if len(parts) > 1 {
		sql = "SELECT " + names + " FROM (" + sql + ") AS of (" + names + ") ORDER BY id DESC LIMIT $" + strconv.Itoa(len(args))
	}
	// It is planned for these values: for others another index is the right one.
	rows, err := on.Query(ctx, sql, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	entries, err := pgx.CollectRows(rows, scan)
	return entries, pg.Wrap(err)
}

// led has the index of a column give the newest: an equation would let the planner go down the numbers of all entries instead, which takes long when
// those that are meant are old.
func led(conditions []string) (out []string, order string) {
	for _, column := range []string{"object_id", "actor_id", "action"} {
		for i, c := range conditions {
			value, ok := strings.CutPrefix(c, column+" = ")
			if !ok {
				continue
			}
			out = slices.Clone(conditions)
			out[i] = column + " >= " + value + " AND " + column + " <= " + value
			return out, column + " DESC, id"
		}
	}
	return conditions, "id"
}

// Where words are looked for. Of one that is in no statistics PostgreSQL believes that one entry in 200 has it, and would go down all numbers for it.
const (
	near = 100_000 // of the newest numbers, which are looked through one by one
	few  = 5000    // hits that are taken together
)

// worded lists by words, with no guess at how common they are. What is common is soon found among the newest entries; of what is rare the index of words
// gives all hits at once; what is left goes by the column that is asked for besides.
func (f Filter) worded(ctx context.Context, on pg.Querier, query string, least, greatest int64, where []string, args []any) ([]Entry, error) {
	if f.Before != 0 {
		greatest = min(greatest, f.Before-1)
	}
	var newest int64
	if err := on.QueryRow(ctx, `SELECT coalesce(max(entry), 0) FROM audit.words WHERE entry <= $1`, greatest).Scan(&newest); err != nil {
		return nil, pg.Wrap(err)
	}
	from := newest - near
	joined := func(by way, side string) ([]Entry, error) { // a bound of one side of the join tells PostgreSQL nothing of the other
		bound := side + " $" + strconv.Itoa(len(args)+1)
		return f.list(ctx, on, by, append(slices.Clone(where), "id "+bound, "w.entry "+bound, "w.words @@ $"+strconv.Itoa(len(args)+2)+"::tsquery"), append(slices.Clone(args), from, query))
	}
	list, err := joined(newestWords, ">")
	if err != nil || len(list) == f.Limit || from < least {
		return list, err
	}
	f.Limit -= len(list)
	// Nothing of the LIMIT goes into the plan: for a few of many it would be to read all.
	rows, err := on.Query(ctx, `WITH hits AS MATERIALIZED (SELECT entry FROM audit.words WHERE words @@ $1::tsquery AND entry BETWEEN $2 AND $3)
SELECT entry FROM hits LIMIT $4`, pgx.QueryExecModeCacheDescribe, query, least, from, few+1)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	hits, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, pg.Wrap(err)
	}
	var older []Entry
	switch {
	case len(hits) > few:
		older, err = joined(ledWords, "<=")
	case len(hits) > 0:
		older, err = f.list(ctx, on, byNumber, append(slices.Clone(where), "id = ANY ($"+strconv.Itoa(len(args)+1)+")"), append(slices.Clone(args), hits))
	}
	return append(list, older...), err
}

// MostUnsearched is how many entries whose words are not known yet are looked through one by one.
const MostUnsearched = 5000

// unsearchedSQL are the numbers of the newest entries whose words and hour are not known yet: those without a leaf, and those whose leaf came after.
const unsearchedSQL = `(SELECT l.entry AS id FROM audit.leaf AS l WHERE l.seq > (SELECT s.seq FROM audit.searched AS s) ORDER BY l.seq DESC LIMIT 5001)
UNION (SELECT e.id FROM audit.entry AS e WHERE (e.xid, e.id) > (coalesce((SELECT k.xid FROM audit.cursor AS k), '0'::xid8), coalesce((SELECT k.entry FROM audit.cursor AS k), 0)) ORDER BY e.xid DESC, e.id DESC LIMIT 5001)`

func unsearched(ctx context.Context, on pg.Querier) ([]int64, error) {
	rows, err := on.Query(ctx, unsearchedSQL)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	return ids, pg.Wrap(err)
}

// oneByOne finds the entries that have the words among some whose words are not known yet.
func (f *Filter) oneByOne(ctx context.Context, on pg.Querier, asked words.Asked, ids []int64, where []string, args []any) (found []Entry, err error) {
	list, err := (&Filter{Limit: MostUnsearched, Actors: f.Actors, ObjectIDs: f.ObjectIDs}).
		list(ctx, on, byNumber, append(slices.Clone(where), "id = ANY ($"+strconv.Itoa(len(args)+1)+")"), append(slices.Clone(args), ids))
	for _, e := range list {
		if asked.In(words.OfEntry(e.Object.ID, e.Reason, e.Request, e.Detail)) {
			found = append(found, e)
		}
	}
	return found, err
}

// numbers bounds the numbers of entries of a time, those whose hour is not known yet among them; least > greatest: there are none.
func numbers(ctx context.Context, on pg.Querier, from, until time.Time, late []int64) (least, greatest int64, err error) {
	if len(late) > MostUnsearched { // most of them are not known: then the time alone narrows
		return 0, math.MaxInt64, nil
	}
	if until.IsZero() {
		until = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	var a, b, c, d *int64
	err = on.QueryRow(ctx, `SELECT h.least, h.greatest, u.least, u.greatest
FROM (SELECT min(least) AS least, max(greatest) AS greatest FROM audit.hour WHERE hour > $1::timestamptz - interval '1 hour' AND hour < $2) AS h,
	(SELECT min(e.id) AS least, max(e.id) AS greatest FROM audit.entry AS e WHERE e.id = ANY ($3) AND e.at >= $1 AND e.at < $2) AS u`, from, until, late).Scan(&a, &b, &c, &d)
	if err != nil {
		return 0, 0, pg.Wrap(err)
	}
	least, greatest = math.MaxInt64, 0
	for _, n := range []*int64{a, b, c, d} {
		if n != nil {
			least, greatest = min(least, *n), max(greatest, *n)
		}
	}
	return least, greatest, nil
}

// Recent counts the entries of an action since a moment that were not refused, looking at no more than most of its newest.
func Recent(ctx context.Context, on pg.Querier, action string, since time.Time, most int) (n int, err error) {
	err = on.QueryRow(ctx, `SELECT count(*) FILTER (WHERE at > $2 AND outcome <> 'refused')
FROM (SELECT at, outcome FROM audit.entry WHERE action = $1 ORDER BY id DESC LIMIT $3) AS newest`, action, since, most).Scan(&n)
	return n, pg.Wrap(err)
}

// names are those of columns.
const names = `id, at, actor_kind, actor_id, session, origin, action, refused, object_kind, object_id, detail, tenant, reason, request, subject, occurred, changes, promise`

const columns = `id, at, actor_kind, actor_id, coalesce(session, ''), coalesce(origin, ''), action, outcome = 'refused', object_kind, object_id, detail,
coalesce(tenant::text, ''), coalesce(reason, ''), coalesce(request, ''), coalesce(subject, ''), coalesce(occurred, '-infinity'), changes, promise`

func scan(row pgx.CollectableRow) (e Entry, err error) {
	var occurred pgtype.Timestamptz
	err = row.Scan(&e.ID, &e.At, &e.Actor.Kind, &e.Actor.ID, &e.Actor.Session, &e.Actor.Origin, &e.Action, &e.Refused, &e.Object.Kind, &e.Object.ID, (*detail)(&e.Detail),
		&e.Tenant, &e.Reason, &e.Request, &e.Subject, &occurred, &e.sealed, &e.promise)
	if occurred.InfinityModifier == pgtype.Finite {
		e.Occurred = occurred.Time
	}
	e.Sealed = e.sealed != nil
	return e, err
}

// detail reads what was said with its numbers as they were said: one that no float holds, which an application may say,
// takes no page, export or stream down.
type detail map[string]any

// Scan implements sql.Scanner.
func (d *detail) Scan(from any) error {
	*d = nil
	var text []byte
	switch from := from.(type) {
	case string:
		text = []byte(from)
	case []byte:
		text = from
	}
	in := json.NewDecoder(bytes.NewReader(text))
	in.UseNumber()
	return in.Decode((*map[string]any)(d))
}

// Open reads what is sealed beside entries: their Changes, or that they were Erased. What is not what was promised when the entry was written is of another entry of the same
// subject: it stays closed, as what was changed does. Other errors are those of the box.
func Open(ctx context.Context, on pg.Querier, box *crypt.Box, entries []Entry) error {
	var values []crypt.Sealed
	var of []int
	for i, e := range entries {
		if e.sealed != nil {
			values, of = append(values, crypt.Sealed{Subject: e.Subject, Field: SealedField, Value: e.sealed}), append(of, i)
		}
	}
	opened, err := box.OpenAll(ctx, on, values)
	if err != nil {
		return err
	}
	for i, o := range opened {
		e := &entries[of[i]]
		if o.Err != nil {
			switch {
			case errs.Is(o.Err, errs.NotFound):
				e.Erased = true
			case errs.Is(o.Err, errs.Unavailable):
				return o.Err
			default:
				e.Unopened = true
			}
			continue
		}
		var s leaf.Sealed
		if err := json.Unmarshal(o.Plaintext, &s); err != nil {
			return errs.New(errs.Internal, "audit.sealed", "What is sealed beside an entry cannot be read.").Wrap(errors.New("no changes"))
		}
		if !bytes.Equal(s.Promise(), e.promise) {
			e.Unopened = true
			continue
		}
		e.Changes = s.Changes
	}
	return nil
}

// Find returns one entry. Error NotFound: there is none, or it was dropped at the end of its time.
func Find(ctx context.Context, on pg.Querier, id int64) (Entry, error) {
	rows, err := on.Query(ctx, `SELECT `+columns+` FROM audit.entry WHERE id = $1 ORDER BY at LIMIT 1`, id)
	if err != nil {
		return Entry{}, pg.Wrap(err)
	}
	e, err := pgx.CollectExactlyOneRow(rows, scan)
	return e, pg.Wrap(err)
}
