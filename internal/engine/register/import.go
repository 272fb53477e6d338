package register

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Report is what came of reading a CSV file.
type Report struct {
	Lines     int    // with an entry on them
	Encoding  string // "UTF-8", "UTF-16 LE", "UTF-16 BE", "Latin-1" or "Windows-1252"
	Separator string // ";", "," or "\t"
	Imported  int    // all lines, or none
	Bad       int    // lines that are wrong
	Faults    []LineFault
}

// LineFault is one thing that is wrong in a file. Value is for who sent the file and for nobody
// else.
type LineFault struct {
	Line   int
	Column string // as the file calls it; empty: the line as a whole
	Fault
	Value string
}

const (
	maxLineFaults = 200
	importBatch   = 1000
)

// errStop rolls back an import that found something wrong.
var errStop = errs.New(errs.Invalid, "register.import.stopped", "Nothing was imported.")

// Import reads a CSV file into a register: all of it, or nothing when a single line is wrong or dry
// is set. Needs the permission to change the register. The error is errs.Invalid for what is no CSV
// of this register; lines that are wrong are no error, but in the report.
func (r *Registers) Import(ctx context.Context, by actor.Actor, key string, content []byte, dry bool, now time.Time) (Report, error) {
	d, err := r.Definition(key)
	if err != nil {
		return Report{}, err
	}
	if err := r.may(ctx, by, d.change(), "register.imported", object(key, "*")); err != nil {
		return Report{}, err
	}
	if len(content) > MaxImport {
		return Report{}, errs.New(errs.Invalid, "register.import.large", "The file is larger than 20 MB.").WithFix("Split it into several files.")
	}
	text, encoding, err := decodeText(content)
	if err != nil {
		return Report{}, err
	}
	t, err := openTable(text, func(h string) bool { return r.column(d, h) != "" })
	if err != nil {
		return Report{}, err
	}
	i := &importing{r: r, d: d, by: by, now: now, dry: dry, table: t, seen: map[string]int{}, refs: map[string]map[string]uuid.UUID{}}
	i.report.Encoding, i.report.Separator = encoding, string(t.separator)
	if !i.columns() {
		return i.report, nil
	}
	sum := sha256.Sum256(content)
	err = r.change(ctx, func(tx pgx.Tx) error {
		if err := i.run(ctx, tx); err != nil {
			return err
		}
		if dry || i.report.Bad > 0 {
			return errStop
		}
		i.report.Imported = i.report.Lines
		return audit.Record(ctx, tx, by, "register.imported", object(key, "*"), map[string]any{"count": i.report.Lines, "sha256": hex.EncodeToString(sum[:])})
	})
	switch {
	case errors.Is(err, errStop):
		err = nil
	case pg.Violates(err, "unique_value_once"):
		err = errs.New(errs.Conflict, "register.import.meanwhile", "Somebody else added one of these entries during the import.").WithFix("Import again; the line that comes twice will be named.")
	}
	return i.report, err
}

// importing is one file on its way into a register.
type importing struct {
	r      *Registers
	d      *Definition
	by     actor.Actor
	now    time.Time
	dry    bool
	table  *table
	fields []string // of each column: a field, "state", "-" for what is not imported, "" for nothing
	seen   map[string]int
	refs   map[string]map[string]uuid.UUID
	report Report
}

// column finds the field that a column of a file names, by its key or by its name in any language;
// "-" for columns of an export that are not read back, "" for none.
func (r *Registers) column(d *Definition, header string) string {
	name := fold(unguard(header))
	switch name {
	case "id", "revision", "updated_at":
		return "-"
	case "state":
		return "state"
	}
	for _, f := range d.Fields {
		if name == f.Key {
			return f.Key
		}
	}
	for _, lang := range r.Words.Languages() {
		p := r.Words.For(lang, nil)
		if name == fold(p.T("register.state")) {
			return "state"
		}
		for _, f := range d.Fields {
			if name == fold(fieldName(p, d, f.Key)) {
				return f.Key
			}
		}
	}
	return ""
}

// columns finds out what the columns of the file hold, and reports whether all are known.
func (i *importing) columns() bool {
	at := map[string]bool{}
	for _, h := range i.table.header {
		field := i.r.column(i.d, h)
		switch {
		case strings.TrimSpace(h) == "": // a separator too many at the end of lines
			field = "-"
		case field == "":
			i.add(1, h, *fault("", "unknown", "Field", shorten(h, 60)), "")
		case at[field] && field != "-":
			i.add(1, h, *fault(field, "column_twice"), "")
		}
		at[field] = true
		i.fields = append(i.fields, field)
	}
	i.report.Bad = min(len(i.report.Faults), 1)
	return len(i.report.Faults) == 0
}

func (i *importing) add(line int, column string, f Fault, value string) {
	if len(i.report.Faults) < maxLineFaults {
		i.report.Faults = append(i.report.Faults, LineFault{Line: line, Column: column, Fault: f, Value: shorten(value, 60)})
	}
}

// record is one line of the file.
type record struct {
	line   int
	state  string
	values Values // references as they were written, until they are resolved
	raw    map[string]string
	faults []Fault
}

func (i *importing) run(ctx context.Context, tx pgx.Tx) error {
	batch := make([]*record, 0, importBatch)
	for {
		cells, line, err := i.table.next()
		if err == io.EOF { //nolint:errorlint // bare
			return i.take(ctx, tx, batch)
		}
		if err != nil {
			return err
		}
		if i.report.Lines++; i.report.Lines > maxImportLines {
			return errs.New(errs.Invalid, "register.import.long", "The file has more than 50,000 lines.").WithFix("Split it into several files.")
		}
		if batch = append(batch, i.parse(cells, line)); len(batch) == importBatch {
			if err := i.take(ctx, tx, batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
}

// parse brings the cells of a line into their forms.
func (i *importing) parse(cells []string, line int) *record {
	rec := &record{line: line, state: i.d.States[0].Key, values: make(Values, len(i.fields)), raw: make(map[string]string, 4)}
	for c, cell := range cells {
		if c >= len(i.fields) {
			if strings.TrimSpace(cell) != "" {
				rec.faults = append(rec.faults, *fault("", "cells"))
				break
			}
			continue
		}
		cell = unguard(cell)
		switch field := i.fields[c]; field {
		case "-":
		case "state":
			i.parseState(rec, cell)
		default:
			f, _ := i.d.Field(field)
			if f.Fixed {
				continue
			}
			value, bad := parseValue(i.d, f, cell, i.r.option)
			if bad != nil {
				rec.faults = append(rec.faults, *bad)
				rec.raw[field] = strings.ToValidUTF8(cell, "\uFFFD")
				continue
			}
			if value != "" {
				rec.values[field] = strings.Clone(value)
			}
		}
	}
	for _, f := range i.d.Fields {
		if _, bad := rec.raw[f.Key]; f.Required && rec.values[f.Key] == "" && !bad {
			rec.faults = append(rec.faults, *fault(f.Key, "required"))
		}
	}
	return rec
}

func (i *importing) parseState(rec *record, cell string) {
	if cell = strings.TrimSpace(cell); cell == "" {
		return
	}
	state, ok := i.d.State(i.r.option(i.d.Key+".state", cell))
	switch {
	case !ok:
		rec.faults = append(rec.faults, *fault("state", "no_such_state"))
	case state.Publishes:
		rec.faults = append(rec.faults, *fault("state", "state_by_hand"))
	default:
		rec.state = state.Key
		return
	}
	rec.raw["state"] = strings.ToValidUTF8(cell, "\uFFFD")
}

// take looks a batch over against the register and the lines before, and stores it unless
// something of the file is wrong.
func (i *importing) take(ctx context.Context, tx pgx.Tx, batch []*record) error {
	if len(batch) == 0 {
		return nil
	}
	if err := i.references(ctx, tx, batch); err != nil {
		return err
	}
	if err := i.once(ctx, tx, batch); err != nil {
		return err
	}
	for _, rec := range batch {
		if len(rec.faults) == 0 && i.d.Rule != nil {
			rec.faults = i.d.Rule(open(i.d, rec.values), rec.state)
		}
		if len(rec.faults) == 0 {
			continue
		}
		i.report.Bad++
		for _, f := range rec.faults {
			value := rec.raw[f.Field]
			if value == "" {
				value = rec.values[f.Field]
			}
			i.add(rec.line, i.header(f.Field), f, value)
		}
	}
	if i.dry || i.report.Bad > 0 {
		return nil
	}
	return i.store(ctx, tx, batch)
}

// header is what the file calls a field.
func (i *importing) header(field string) string {
	if c := slices.Index(i.fields, field); c >= 0 && field != "" {
		return i.table.header[c]
	}
	return field
}

func (i *importing) references(ctx context.Context, tx pgx.Tx, batch []*record) error {
	ask := map[string][]string{}
	asked := map[string]bool{}
	for _, f := range i.d.Fields {
		if f.Type != Reference {
			continue
		}
		for _, rec := range batch {
			name := rec.values[f.Key]
			if _, known := i.refs[f.To][name]; name != "" && !known && !asked[f.To+"\x00"+name] {
				asked[f.To+"\x00"+name] = true
				ask[f.To] = append(ask[f.To], name)
			}
		}
	}
	found, err := i.r.resolve(ctx, tx, ask)
	if err != nil {
		return err
	}
	for register, names := range found {
		if i.refs[register] == nil {
			i.refs[register] = map[string]uuid.UUID{}
		}
		for name, id := range names {
			i.refs[register][name] = id
		}
	}
	for _, f := range i.d.Fields {
		if f.Type != Reference {
			continue
		}
		for _, rec := range batch {
			name := rec.values[f.Key]
			if name == "" {
				continue
			}
			id, ok := i.refs[f.To][name]
			if !ok {
				rec.faults = append(rec.faults, *fault(f.Key, "reference"))
				rec.raw[f.Key] = name
				continue
			}
			rec.values[f.Key] = id.String()
		}
	}
	return nil
}

// once finds what comes twice, in the file and in the register.
func (i *importing) once(ctx context.Context, tx pgx.Tx, batch []*record) error {
	var keys uniqueKeys
	at := map[string]*record{}
	for _, f := range i.d.Fields {
		if !f.Unique {
			continue
		}
		for _, rec := range batch {
			k := i.r.uniqueKey(i.d, f, rec.values[f.Key])
			if k == nil {
				continue
			}
			mark := f.Key + "\x00" + string(k)
			if line, twice := i.seen[mark]; twice {
				rec.faults = append(rec.faults, *fault(f.Key, "twice", "Line", line))
				continue
			}
			i.seen[mark], at[mark] = rec.line, rec
			keys.add(f.Key, k)
		}
	}
	known, err := takenOf(ctx, tx, i.d.Key, keys)
	if err != nil {
		return err
	}
	for _, t := range known {
		if rec := at[t.Field+"\x00"+string(t.Value)]; rec != nil {
			rec.faults = append(rec.faults, *fault(t.Field, "taken"))
		}
	}
	return nil
}

// store copies a batch into the tables.
func (i *importing) store(ctx context.Context, tx pgx.Tx, batch []*record) error {
	var entries, uniques, references, changes [][]any
	by := who(i.by)
	for _, rec := range batch {
		e := Entry{ID: uuid.Must(uuid.NewV7()), Register: i.d.Key, Revision: 1, State: rec.state, Values: rec.values}
		w, err := i.r.row(ctx, tx, i.d, e)
		if err != nil {
			return err
		}
		changed, err := json.Marshal(diff(i.d, nil, rec.values))
		if err != nil {
			return err
		}
		entries = append(entries, []any{w.ID, w.Register, int64(1), w.State, w.sortKey, w.search, w.open, w.sealed, w.purgeOn, i.now, by, i.now, by})
		changes = append(changes, []any{w.ID, int64(1), i.now, string(i.by.Kind), i.by.ID, "imported", json.RawMessage(changed)})
		for _, f := range i.d.Fields {
			value := rec.values[f.Key]
			if value == "" {
				continue
			}
			if f.Unique {
				uniques = append(uniques, []any{i.d.Key, f.Key, i.r.uniqueKey(i.d, f, value), w.ID})
			}
			if f.Type == Reference {
				references = append(references, []any{w.ID, f.Key, uuid.MustParse(value)})
			}
		}
	}
	for _, c := range []struct {
		table   string
		columns []string
		rows    [][]any
	}{
		{"entry", []string{"id", "register", "revision", "state", "sort_key", "search", "fields", "sealed", "purge_on", "created_at", "created_by", "updated_at", "updated_by"}, entries},
		{"unique_value", []string{"register", "field", "value", "entry_id"}, uniques},
		{"reference", []string{"entry_id", "field", "target_id"}, references},
		{"change", []string{"entry_id", "revision", "at", "actor_kind", "actor_id", "action", "changes"}, changes},
	} {
		if len(c.rows) == 0 {
			continue
		}
		if _, err := tx.CopyFrom(ctx, pgx.Identifier{"register", c.table}, c.columns, pgx.CopyFromRows(c.rows)); err != nil {
			return pg.Wrap(err)
		}
	}
	return nil
}
