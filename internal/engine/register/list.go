package register

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Query narrows a list of entries. Zero fields do not narrow, but entries whose state is over are
// left out unless asked for.
type Query struct {
	Search  string            // words in fields that are not personal; a whole unique personal value, as an e-mail address
	Filters map[string]string // field of Definition.Filters → value; None: entries without one
	State   string            // a state; Any: all of them
	Due     string            // the field of a reminder: entries that it is time for
	After   string            // Cursor of the last entry of the page before
	Limit   int               // at most 500; 0: 50
}

// None asks for entries without a value, Any for entries in any state.
const (
	None = "-"
	Any  = "*"
)

// Listing is a page of entries.
type Listing struct {
	Entries []Entry
	Next    string // Query.After of the next page; empty: this is the last
	Total   int    // of all pages; -1: not counted
}

// Cursor is the place of an entry in a list.
func (d *Definition) cursor(e Entry) string {
	return base64.RawURLEncoding.EncodeToString([]byte(sortKey(d, e.Values) + "\x00" + e.ID.String()))
}

func parseCursor(s string) (sort string, id uuid.UUID, err error) {
	if s == "" {
		return "", uuid.Nil, nil
	}
	wrong := errs.New(errs.Invalid, "register.cursor", "This address names no place in the list.").WithFix("Start from the beginning of the list.")
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return "", uuid.Nil, wrong
	}
	sort, text, ok := strings.Cut(string(b), "\x00")
	if id, err = uuid.Parse(text); err != nil || !ok || !utf8.ValidString(sort) {
		return "", uuid.Nil, wrong
	}
	return sort, id, nil
}

// condition is the part of a question that narrows a list: SQL of this file, and its arguments.
type condition struct {
	sql  []string
	args []any
}

// and adds a condition in which each ? stands for the next argument.
func (c *condition) and(sql string, args ...any) {
	for _, a := range args {
		c.args = append(c.args, a)
		sql = strings.Replace(sql, "?", fmt.Sprintf("$%d", len(c.args)), 1)
	}
	c.sql = append(c.sql, sql)
}

func (c *condition) where() string { return strings.Join(c.sql, " AND ") }

// condition makes the conditions of a query. An address that asks for what there is not is
// errs.Invalid.
func (r *Registers) condition(d *Definition, q Query, today calendar.Date) (*condition, error) {
	unknown := errs.New(errs.Invalid, "register.filter", "The list cannot be narrowed in this way.").WithFix("Start from the list of the register.")
	c := &condition{}
	c.and("e.register = ?", d.Key)
	c.and("e.deleted_at IS NULL")
	equal := map[string]string{}
	for _, field := range slices.Sorted(maps.Keys(q.Filters)) {
		value := q.Filters[field]
		f, ok := d.Field(field)
		if !ok || !slices.Contains(d.Filters, field) || !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
			return nil, unknown
		}
		switch {
		case value == None:
			c.and("NOT jsonb_exists(e.fields, ?)", f.Key)
		case f.Type == Reference:
			id, err := uuid.Parse(value)
			if err != nil {
				return nil, unknown
			}
			c.and("e.id IN (SELECT r.entry_id FROM register.reference r WHERE r.target_id = ? AND r.field = ?)", id, f.Key)
		default:
			equal[field] = value
		}
	}
	if len(equal) > 0 {
		encoded, err := json.Marshal(equal)
		if err != nil {
			return nil, err
		}
		c.and("e.fields @> ?::jsonb", string(encoded))
	}
	switch q.State {
	case Any:
	case "":
		var over []string
		for _, s := range d.States {
			if s.Over {
				over = append(over, s.Key)
			}
		}
		if len(over) > 0 {
			c.and("e.state <> ALL (?)", over)
		}
	default:
		if _, ok := d.State(q.State); !ok {
			return nil, unknown
		}
		c.and("e.state = ?", q.State)
	}
	if q.Due != "" {
		i := slices.IndexFunc(d.Reminders, func(x Reminder) bool { return x.Field == q.Due })
		if i < 0 {
			return nil, unknown
		}
		c.and("e.fields ->> ? <= ?", q.Due, calendar.Add(today, d.Reminders[i].Before).String())
	}
	if words := strings.TrimSpace(q.Search); words != "" {
		if !utf8.ValidString(words) || strings.ContainsRune(words, 0) {
			return nil, unknown
		}
		r.search(c, d, shorten(words, 200))
	}
	return c, nil
}

// search looks for words in what is not personal, and for a whole personal value among those that
// are unique: whoever knows an address finds its entry, and nobody can leaf through addresses.
func (r *Registers) search(c *condition, d *Definition, words string) {
	like := "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(fold(words)) + "%"
	sql, args := "e.search LIKE ?", []any{like}
	for _, f := range d.Fields {
		if f.Unique && f.Personal {
			sql += " OR e.id = (SELECT u.entry_id FROM register.unique_value u WHERE u.register = ? AND u.field = ? AND u.value = ?)"
			args = append(args, d.Key, f.Key, r.uniqueKey(d, f, words))
		}
	}
	c.and("("+sql+")", args...)
}

// List returns a page of the entries of a register, sorted by what they are called. Needs the
// permission to read the register.
func (r *Registers) List(ctx context.Context, by actor.Actor, key string, q Query, now time.Time) (Listing, error) {
	d, err := r.Definition(key)
	if err != nil {
		return Listing{}, err
	}
	if err := r.may(ctx, by, d.read(), "register.listed", object(key, "*")); err != nil {
		return Listing{}, err
	}
	c, err := r.condition(d, q, r.today(ctx, now))
	if err != nil {
		return Listing{}, err
	}
	staff := r.DB.Pool(pg.Staff)
	total, err := countEntries(ctx, staff, c)
	if err != nil {
		return Listing{}, err
	}
	sort, id, err := parseCursor(q.After)
	if err != nil {
		return Listing{}, err
	}
	if total == 0 {
		return Listing{Entries: []Entry{}}, nil
	}
	if q.After != "" {
		c.and("(e.sort_key, e.id) > (?, ?)", sort, id)
	}
	limit := min(cmp.Or(q.Limit, 50), 500)
	rows, err := listRows(ctx, staff, c, limit+1)
	if err != nil {
		return Listing{}, err
	}
	more := len(rows) > limit
	if more {
		rows = rows[:limit]
	}
	out := Listing{Total: total}
	if out.Entries, err = r.shown(ctx, staff, d, rows, by); err != nil {
		return Listing{}, err
	}
	if more {
		out.Next = d.cursor(out.Entries[limit-1])
	}
	return out, nil
}

// shown opens what the reader may see of rows.
func (r *Registers) shown(ctx context.Context, q pg.Querier, d *Definition, rows []storedRow, by actor.Actor) ([]Entry, error) {
	if !by.May(d.readPersonal()) { // what is not shown is not opened
		out := make([]Entry, len(rows))
		for i, row := range rows {
			out[i] = row.Entry
			out[i].Hidden = d.personal()
		}
		return out, nil
	}
	return r.unseal(ctx, q, rows)
}

// Names tells what entries of any register are called: a word for each id, by which a reference
// is shown. What the reader may not see is called by the end of its id, and so is what is gone.
func (r *Registers) Names(ctx context.Context, by actor.Actor, ids []uuid.UUID) (map[uuid.UUID]string, error) {
	out := map[uuid.UUID]string{}
	if len(ids) == 0 {
		return out, nil
	}
	staff := r.DB.Pool(pg.Staff)
	rows, err := rowsByID(ctx, staff, ids)
	if err != nil {
		return nil, err
	}
	byRegister := map[string][]storedRow{}
	for _, row := range rows {
		byRegister[row.Register] = append(byRegister[row.Register], row)
	}
	for key, list := range byRegister {
		d := r.byKey[key]
		if d == nil || !by.May(d.read()) {
			continue
		}
		f, _ := d.Field(d.Label)
		var entries []Entry
		if f.Personal {
			entries, err = r.shown(ctx, staff, d, list, by)
		} else {
			for _, row := range list {
				entries = append(entries, row.Entry)
			}
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if name := e.Values[d.Label]; name != "" {
				out[e.ID] = name
			}
		}
	}
	return out, nil
}

// Option is an entry that a field may name.
type Option struct {
	ID   uuid.UUID
	Name string
	sort string
}

// maxOptions is how many entries a form offers to choose from; of a register with more, a name is
// written.
const maxOptions = 1000

// Options lists what a reference to a register may name, by name; nil when there are too many to
// choose from.
func (r *Registers) Options(ctx context.Context, by actor.Actor, key string) ([]Option, error) {
	return r.atMost(ctx, by, key, maxOptions)
}

// atMost lists the entries in use of a register by name; nil when there are more.
func (r *Registers) atMost(ctx context.Context, by actor.Actor, key string, most int) ([]Option, error) {
	d, err := r.Definition(key)
	if err != nil {
		return nil, err
	}
	c, err := r.condition(d, Query{}, calendar.Date{})
	if err != nil {
		return nil, err
	}
	staff := r.DB.Pool(pg.Staff)
	rows, err := labelRows(ctx, staff, d, c, most+1)
	if err != nil || len(rows) > most {
		return nil, err
	}
	entries, err := r.shown(ctx, staff, d, rows, by)
	if err != nil {
		return nil, err
	}
	out := make([]Option, 0, len(entries))
	for _, e := range entries {
		out = append(out, Option{ID: e.ID, Name: e.Values[d.Label], sort: fold(e.Values[d.Label])})
	}
	slices.SortStableFunc(out, func(a, b Option) int { return strings.Compare(a.sort, b.sort) })
	return out, nil
}

// resolve finds the entries that references name, by id or by a unique value: register → name →
// id. Names that are not there are left out.
func (r *Registers) resolve(ctx context.Context, q pg.Querier, names map[string][]string) (map[string]map[string]uuid.UUID, error) {
	out := map[string]map[string]uuid.UUID{}
	for register, list := range names {
		d, found := r.byKey[register], map[string]uuid.UUID{}
		out[register] = found
		var ids []uuid.UUID
		byKey := map[string][]string{} // field and key → names
		var keys uniqueKeys
		for _, name := range list {
			if id, err := uuid.Parse(name); err == nil {
				ids = append(ids, id)
				continue
			}
			for _, f := range d.Fields {
				if f.Unique {
					k := r.uniqueKey(d, f, name)
					keys.add(f.Key, k)
					byKey[f.Key+"\x00"+string(k)] = append(byKey[f.Key+"\x00"+string(k)], name)
				}
			}
		}
		if len(ids) > 0 {
			there, err := existing(ctx, q, register, ids)
			if err != nil {
				return nil, err
			}
			for _, id := range there {
				for _, name := range list { // as it was written, capitals and all
					if parsed, err := uuid.Parse(name); err == nil && parsed == id {
						found[name] = id
					}
				}
			}
		}
		known, err := takenOf(ctx, q, register, keys)
		if err != nil {
			return nil, err
		}
		for _, t := range known {
			for _, name := range byKey[t.Field+"\x00"+string(t.Value)] {
				found[name] = t.Entry
			}
		}
	}
	return out, nil
}

func countEntries(ctx context.Context, q pg.Querier, c *condition) (n int, err error) {
	err = q.QueryRow(ctx, "SELECT count(*) FROM register.entry e WHERE "+c.where(), c.args...).Scan(&n) //nolint:gosec // conditions are literals of this file
	return n, pg.Wrap(err)
}

func listRows(ctx context.Context, q pg.Querier, c *condition, limit int) ([]storedRow, error) {
	args := append(slices.Clone(c.args), limit)
	rows, err := q.Query(ctx, "SELECT "+entryColumns+" FROM register.entry e WHERE "+c.where()+ //nolint:gosec // conditions are literals of this file
		fmt.Sprintf(" ORDER BY e.sort_key, e.id LIMIT $%d", len(args)), args...)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	return collectRows(rows)
}

// labelRows is listRows with nothing but what entries are called: there may be a thousand.
func labelRows(ctx context.Context, q pg.Querier, d *Definition, c *condition, limit int) ([]storedRow, error) {
	f, _ := d.Field(d.Label)
	args := append(slices.Clone(c.args), d.Label, f.Personal, limit)
	n := len(args)
	rows, err := q.Query(ctx, fmt.Sprintf("SELECT e.id, coalesce(e.fields ->> $%d, ''), CASE WHEN $%d THEN e.sealed END FROM register.entry e WHERE ", n-2, n-1)+c.where()+ //nolint:gosec // conditions are literals of this file
		fmt.Sprintf(" ORDER BY e.sort_key, e.id LIMIT $%d", n), args...)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s storedRow, err error) {
		var label string
		err = row.Scan(&s.ID, &label, &s.sealed)
		s.Values = Values{}
		if label != "" {
			s.Values[d.Label] = label
		}
		return s, err
	})
	return list, pg.Wrap(err)
}

// rowsByID reads entries of any register, removed ones left out.
func rowsByID(ctx context.Context, q pg.Querier, ids []uuid.UUID) ([]storedRow, error) {
	rows, err := q.Query(ctx, "SELECT "+entryColumns+" FROM register.entry e WHERE e.id = ANY ($1) AND e.deleted_at IS NULL", ids)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	return collectRows(rows)
}

// Change is a line of the history of an entry.
type Change struct {
	ID       int64
	Revision int64
	At       time.Time
	Kind     actor.Kind
	Actor    string
	Action   string // created, imported, changed, moved, published, removed, purged or attached
	Changes  map[string]Diff
}

// History lists what was changed of an entry, the latest first. before is the id of the last
// change of the page before, 0 for the first page. Needs the permission to read the register.
func (r *Registers) History(ctx context.Context, by actor.Actor, key string, id uuid.UUID, before int64, limit int) ([]Change, error) {
	d, err := r.Definition(key)
	if err != nil {
		return nil, err
	}
	if err := r.may(ctx, by, d.read(), "register.entry_read", object(key, id.String())); err != nil {
		return nil, err
	}
	rows, err := r.DB.Pool(pg.Staff).Query(ctx, `SELECT c.id, c.revision, c.at, c.actor_kind, c.actor_id, c.action, c.changes
FROM register.change c JOIN register.entry e ON e.id = c.entry_id
WHERE c.entry_id = $1 AND e.register = $2 AND ($3 = 0 OR c.id < $3) ORDER BY c.id DESC LIMIT $4`, id, key, before, min(limit, 200))
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Change])
	return list, pg.Wrap(err)
}
