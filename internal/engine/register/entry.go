package register

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Entry is one entry of a register, as somebody may see it.
type Entry struct {
	ID         uuid.UUID
	Register   string
	Revision   int64 // counted up by each change
	State      string
	Values     Values // without personal ones, unless the reader may see them
	Hidden     bool   // it has personal values that the reader may not see
	Unreadable bool   // its personal values cannot be opened
	CreatedAt  time.Time
	CreatedBy  string // kind:id of an actor
	UpdatedAt  time.Time
	UpdatedBy  string
}

// Changed is an errs.Conflict: somebody else changed the entry meanwhile. Nothing was written.
type Changed struct {
	Current Entry // as it is now, as far as the reader may see it
}

func (e *Changed) Error() string { return "register: the entry was changed meanwhile" }

func errChanged(current Entry) error {
	return errs.New(errs.Conflict, "register.changed", "Somebody else has changed this entry meanwhile.").
		WithFix("Compare the two versions and save again.").Wrap(&Changed{Current: current})
}

// Create adds an entry in the first state of its register. Needs the permission to change the
// register. An errs.Invalid error holds an *Invalid.
func (r *Registers) Create(ctx context.Context, by actor.Actor, key string, in Values, now time.Time) (Entry, error) {
	d, err := r.Definition(key)
	if err != nil {
		return Entry{}, err
	}
	id := uuid.Must(uuid.NewV7())
	if err := r.may(ctx, by, d.change(), "register.entry_created", object(key, id.String())); err != nil {
		return Entry{}, err
	}
	e := Entry{ID: id, Register: key, Revision: 1, State: d.States[0].Key, CreatedAt: now, CreatedBy: who(by), UpdatedAt: now, UpdatedBy: who(by)}
	err = r.change(ctx, func(tx pgx.Tx) error {
		next, faults, err := r.prepare(ctx, tx, d, nil, in, e.State)
		if err != nil {
			return err
		}
		e.Values = next
		if len(faults) == 0 {
			if faults, err = r.write(ctx, tx, d, e, nil); err != nil {
				return err
			}
		}
		if len(faults) > 0 {
			return r.invalid(d, faults)
		}
		if err := addChange(ctx, tx, by, e, "created", diff(d, nil, next)); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, "register.entry_created", object(key, id.String()), map[string]any{"fields": slices.Sorted(maps.Keys(next))})
	})
	if err != nil {
		return Entry{}, err
	}
	return d.seenBy(by, e), nil
}

// Update changes the given fields of an entry and leaves the others; an empty value takes a
// value away. revision is the one that the changes were made from: errs.Conflict with a *Changed
// when the entry has another by now. Needs the permission to change the register.
func (r *Registers) Update(ctx context.Context, by actor.Actor, key string, id uuid.UUID, revision int64, in Values, now time.Time) (Entry, error) {
	d, err := r.Definition(key)
	if err != nil {
		return Entry{}, err
	}
	if err := r.may(ctx, by, d.change(), "register.entry_changed", object(key, id.String())); err != nil {
		return Entry{}, err
	}
	var e Entry
	err = r.change(ctx, func(tx pgx.Tx) error {
		before, err := r.lock(ctx, tx, d, id, revision, by)
		if err != nil {
			return err
		}
		next, faults, err := r.prepare(ctx, tx, d, before.Values, in, before.State)
		if err != nil {
			return err
		}
		if len(faults) > 0 {
			return r.invalid(d, faults)
		}
		e = before
		changes := diff(d, before.Values, next)
		if len(changes) == 0 {
			return nil
		}
		e.Values, e.Revision, e.UpdatedAt, e.UpdatedBy = next, before.Revision+1, now, who(by)
		if faults, err = r.write(ctx, tx, d, e, &before); err != nil {
			return err
		}
		if len(faults) > 0 {
			return r.invalid(d, faults)
		}
		if err := addChange(ctx, tx, by, e, "changed", changes); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, "register.entry_changed", object(key, id.String()), map[string]any{"fields": slices.Sorted(maps.Keys(changes)), "revision": e.Revision})
	})
	if err != nil {
		return Entry{}, err
	}
	return d.seenBy(by, e), nil
}

// Move brings an entry into another state, which its present one must allow. Coming into a state
// that publishes adds a version. The errors are those of Update, and errs.Conflict for a state
// that may not follow.
func (r *Registers) Move(ctx context.Context, by actor.Actor, key string, id uuid.UUID, revision int64, to string, now time.Time) (Entry, error) {
	d, err := r.Definition(key)
	if err != nil {
		return Entry{}, err
	}
	state, ok := d.State(to)
	if !ok {
		return Entry{}, errs.New(errs.Invalid, "register.no_state", "There is no such state.")
	}
	needed := d.change()
	if state.May != "" {
		needed = state.May
	}
	if err := r.may(ctx, by, needed, "register.entry_moved", object(key, id.String())); err != nil {
		return Entry{}, err
	}
	var e Entry
	err = r.change(ctx, func(tx pgx.Tx) error {
		before, err := r.lock(ctx, tx, d, id, revision, by)
		if err != nil {
			return err
		}
		from, _ := d.State(before.State)
		if !slices.Contains(from.To, to) {
			return errs.New(errs.Conflict, "register.not_from_here", "This state cannot follow the present one.").WithFix("Reload the page: the states that can follow are shown there.")
		}
		e = before
		e.State, e.Revision, e.UpdatedAt, e.UpdatedBy = to, before.Revision+1, now, who(by)
		if d.Rule != nil {
			if faults := d.Rule(open(d, e.Values), to); len(faults) > 0 {
				return r.invalid(d, faults)
			}
		}
		detail := map[string]any{"from": before.State, "to": to}
		action := "moved"
		if state.Publishes {
			version, err := r.publish(ctx, tx, by, d, &e, now)
			if err != nil {
				return err
			}
			detail["version"], action = version, "published"
		}
		if _, err = r.write(ctx, tx, d, e, &before); err != nil {
			return err
		}
		changes := diff(d, before.Values, e.Values)
		changes["state"] = Diff{From: before.State, To: to}
		if err := addChange(ctx, tx, by, e, action, changes); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, "register.entry_moved", object(key, id.String()), detail)
	})
	if err != nil {
		return Entry{}, err
	}
	return d.seenBy(by, e), nil
}

// Remove takes away an entry that should not be there; its personal values are destroyed. An
// entry that others name stays: errs.Conflict.
func (r *Registers) Remove(ctx context.Context, by actor.Actor, key string, id uuid.UUID, revision int64, now time.Time) error {
	d, err := r.Definition(key)
	if err != nil {
		return err
	}
	if err := r.may(ctx, by, d.change(), "register.entry_removed", object(key, id.String())); err != nil {
		return err
	}
	return r.change(ctx, func(tx pgx.Tx) error {
		before, err := r.lock(ctx, tx, d, id, revision, by)
		if err != nil {
			return err
		}
		n, err := countNaming(ctx, tx, id)
		if err != nil {
			return err
		}
		if n > 0 {
			return errs.New(errs.Conflict, "register.named", "Other entries name this one.").With("Count", n).WithFix("Change them first, or give this entry its last state.")
		}
		if err := r.forgetFiles(ctx, tx, by, d, id); err != nil {
			return err
		}
		if err := remove(ctx, tx, id, who(by), now); err != nil {
			return err
		}
		if _, err := r.Box.Forget(ctx, tx, subject(id)); err != nil {
			return err
		}
		before.Revision++
		if err := addChange(ctx, tx, by, before, "removed", nil); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, "register.entry_removed", object(key, id.String()), nil)
	})
}

// Get returns one entry. Needs the permission to read the register.
func (r *Registers) Get(ctx context.Context, by actor.Actor, key string, id uuid.UUID) (Entry, error) {
	d, err := r.Definition(key)
	if err != nil {
		return Entry{}, err
	}
	if err := r.may(ctx, by, d.read(), "register.entry_read", object(key, id.String())); err != nil {
		return Entry{}, err
	}
	e, err := r.load(ctx, r.DB.Pool(pg.Staff), d, id, false)
	if err != nil {
		return Entry{}, err
	}
	return d.seenBy(by, e), nil
}

// change runs fn in a transaction of garant_staff; once it has committed, what is remembered of the
// registers no longer holds.
func (r *Registers) change(ctx context.Context, fn func(pgx.Tx) error) error {
	err := pg.InTx(ctx, r.DB.Pool(pg.Staff), fn)
	r.generation.Add(1)
	return err
}

// lock holds an entry for the transaction and refuses when it has another revision by now.
func (r *Registers) lock(ctx context.Context, tx pgx.Tx, d *Definition, id uuid.UUID, revision int64, by actor.Actor) (Entry, error) {
	e, err := r.load(ctx, tx, d, id, true)
	if err != nil {
		return Entry{}, err
	}
	if e.Unreadable {
		return Entry{}, errs.New(errs.Conflict, "register.unreadable_entry", "The personal values of this entry cannot be opened, so it cannot be changed.").WithFix("Restore the key file that they were sealed with.")
	}
	if e.Revision != revision {
		return Entry{}, errChanged(d.seenBy(by, e))
	}
	return e, nil
}

// load reads an entry with its personal values.
func (r *Registers) load(ctx context.Context, q pg.Querier, d *Definition, id uuid.UUID, lock bool) (Entry, error) {
	row, err := loadRow(ctx, q, d.Key, id, lock)
	if errors.Is(err, pgx.ErrNoRows) {
		return Entry{}, errGone()
	}
	if err != nil {
		return Entry{}, pg.Wrap(err)
	}
	list, err := r.unseal(ctx, q, []storedRow{row})
	if err != nil {
		return Entry{}, err
	}
	return list[0], nil
}

// unseal opens the personal values of rows, with one question to the database.
func (r *Registers) unseal(ctx context.Context, q pg.Querier, rows []storedRow) ([]Entry, error) {
	out := make([]Entry, len(rows))
	var sealed []crypt.Sealed
	var of []int
	for i, row := range rows {
		out[i] = row.Entry
		if row.sealed != nil {
			sealed, of = append(sealed, crypt.Sealed{Subject: subject(row.ID), Field: sealedField, Value: row.sealed}), append(of, i)
		}
	}
	if len(sealed) == 0 {
		return out, nil
	}
	opened, err := r.Box.OpenAll(ctx, q, sealed)
	if err != nil {
		return nil, err
	}
	for n, o := range opened {
		e := &out[of[n]]
		personal := Values{}
		if o.Err != nil || json.Unmarshal(o.Plaintext, &personal) != nil {
			e.Unreadable = true
			continue
		}
		maps.Copy(e.Values, personal)
	}
	return out, nil
}

// sealedField is the name under which the personal values of an entry are sealed.
const sealedField = "fields"

// seenBy leaves out what somebody may not see.
func (d *Definition) seenBy(by actor.Actor, e Entry) Entry {
	if !d.personal() || by.May(d.readPersonal()) {
		return e
	}
	e.Values, e.Hidden = open(d, e.Values), true
	return e
}

// open returns the values that are not personal.
func open(d *Definition, v Values) Values {
	out := Values{}
	for _, f := range d.Fields {
		if value, ok := v[f.Key]; ok && !f.Personal {
			out[f.Key] = value
		}
	}
	return out
}

// personalOf returns the personal values.
func personalOf(d *Definition, v Values) Values {
	out := Values{}
	for _, f := range d.Fields {
		if value, ok := v[f.Key]; ok && f.Personal {
			out[f.Key] = value
		}
	}
	return out
}

// prepare makes the values of an entry of what it has and what was given, each in its form, and
// says what is wrong with them.
func (r *Registers) prepare(ctx context.Context, q pg.Querier, d *Definition, before, in Values, state string) (Values, []Fault, error) {
	next := Values{}
	maps.Copy(next, before)
	var faults []Fault
	refs := map[string][]string{} // register → names to look up
	for _, key := range slices.Sorted(maps.Keys(in)) {
		f, ok := d.Field(key)
		if !ok {
			faults = append(faults, *fault("", "unknown", "Field", shorten(key, 60)))
			continue
		}
		if f.Fixed {
			continue
		}
		value, bad := parseValue(d, f, in[key], r.option)
		switch {
		case bad != nil:
			faults = append(faults, *bad)
		case value == "":
			delete(next, key)
		default:
			next[key] = value
			if f.Type == Reference && before[key] != value {
				refs[f.To] = append(refs[f.To], value)
			}
		}
	}
	found, err := r.resolve(ctx, q, refs)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range d.Fields {
		value, ok := next[f.Key]
		switch {
		case ok && f.Type == Reference && before[f.Key] != value:
			id, known := found[f.To][value]
			if !known {
				faults = append(faults, *fault(f.Key, "reference"))
				continue
			}
			next[f.Key] = id.String()
		case !ok && f.Required && !slices.ContainsFunc(faults, func(x Fault) bool { return x.Field == f.Key }):
			faults = append(faults, *fault(f.Key, "required"))
		}
	}
	if d.Rule != nil && len(faults) == 0 {
		faults = d.Rule(open(d, next), state)
	}
	return next, faults, nil
}

// Diff is what a field was and what it is now. A personal field has neither.
type Diff struct {
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
}

// diff lists the fields that differ.
func diff(d *Definition, before, after Values) map[string]Diff {
	out := map[string]Diff{}
	for _, f := range d.Fields {
		a, b := before[f.Key], after[f.Key]
		switch {
		case a == b:
		case f.Personal:
			out[f.Key] = Diff{}
		default:
			out[f.Key] = Diff{From: a, To: b}
		}
	}
	return out
}

// write stores an entry with what is found by: unique values and references. before is nil for
// a new one. The faults are unique values that another entry has.
func (r *Registers) write(ctx context.Context, tx pgx.Tx, d *Definition, e Entry, before *Entry) ([]Fault, error) {
	w, err := r.row(ctx, tx, d, e)
	if err != nil {
		return nil, err
	}
	if before == nil {
		err = insertRow(ctx, tx, w)
	} else {
		err = updateRow(ctx, tx, w)
	}
	if err != nil {
		return nil, err
	}
	var faults []Fault
	for _, f := range d.Fields {
		was, is := "", e.Values[f.Key]
		if before != nil {
			was = before.Values[f.Key]
		}
		if was == is {
			continue
		}
		if f.Unique {
			once, err := replaceUnique(ctx, tx, d.Key, f.Key, e.ID, r.uniqueKey(d, f, is))
			if err != nil {
				return nil, err
			}
			if !once {
				faults = append(faults, *fault(f.Key, "taken"))
			}
		}
		if f.Type == Reference {
			if err := replaceReference(ctx, tx, e.ID, f.Key, is); err != nil {
				return nil, err
			}
		}
	}
	return faults, nil
}

// uniqueKey is what tells a unique value from others: itself, or its keyed hash when personal.
func (r *Registers) uniqueKey(d *Definition, f Field, value string) []byte {
	if value == "" {
		return nil
	}
	same := []byte(sameOnce(f, value))
	if f.Personal {
		return r.Box.Index("register."+d.Key+"."+f.Key, same)
	}
	return same
}

// row makes what is stored of an entry.
func (r *Registers) row(ctx context.Context, tx pgx.Tx, d *Definition, e Entry) (written, error) {
	w := written{Entry: e, open: open(d, e.Values), sortKey: sortKey(d, e.Values), search: searchText(d, e.Values)}
	if personal := personalOf(d, e.Values); len(personal) > 0 {
		plain, err := json.Marshal(personal)
		if err != nil {
			return w, err
		}
		if w.sealed, err = r.Box.Seal(ctx, tx, subject(e.ID), sealedField, plain); err != nil {
			return w, err
		}
	}
	w.purgeOn = purgeOn(d, e.Values)
	return w, nil
}

// purgeOn is the day from which an entry is to be erased; nil: none is known.
func purgeOn(d *Definition, v Values) *time.Time {
	if d.Retention == nil || v[d.Retention.From] == "" {
		return nil
	}
	from, err := calendar.Parse(v[d.Retention.From])
	if err != nil {
		return nil
	}
	t := calendar.Add(from, d.Retention.After).Start(time.UTC)
	return &t
}

// sortKey is what entries are sorted by; nothing where that would tell a personal value.
func sortKey(d *Definition, v Values) string {
	if f, ok := d.Field(d.Label); ok && f.Personal {
		return ""
	}
	return shorten(fold(v[d.Label]), 200)
}

// searchText is what an entry is found by, without personal values.
func searchText(d *Definition, v Values) string {
	var parts []string
	for _, f := range d.Fields {
		if f.Personal {
			continue
		}
		switch f.Type {
		case Text, LongText, List, URL, Email, Number:
			if value := v[f.Key]; value != "" {
				parts = append(parts, fold(value))
			}
		}
	}
	return shorten(strings.Join(parts, "\n"), 4000)
}

// shorten cuts a text after so many letters.
func shorten(s string, letters int) string {
	n := 0
	for i := range s {
		if n == letters {
			return s[:i]
		}
		n++
	}
	return s
}
