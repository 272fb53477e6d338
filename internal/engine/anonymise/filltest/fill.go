package filltest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// Options say how much.
type Options struct {
	Seed   uint64
	Rows   int // of each table; 0: 100
	People int // who are in them; 0: as many as rows
	Hide   int // in one of so many columns of text whose names promise nobody, every second row speaks of somebody; 0: in none
}

// A Planted value leads to somebody.
type Planted struct {
	Table  catalog.Name
	Column string
	Path   string // of a document
	Kind   personal.Kind
	Value  string // empty: many bear it, as a town or a given name, and finding it proves nothing
}

// Filled is what was done.
type Filled struct {
	Tables, Rows int
	Deleted      int64    // rows that referred to nothing in the end
	Empty        []string // tables that could not be filled, with the SQLSTATE and constraint of the last attempt
	planted      map[Planted]bool
}

// Values lists what must not be in a copy, sorted, each once.
func (f *Filled) Values() []string {
	set := map[string]bool{}
	for p := range f.planted {
		if p.Value != "" {
			set[p.Value] = true
		}
	}
	out := make([]string, 0, len(set))
	for v := range set {
		out = append(out, v)
	}
	slices.Sort(out)
	return out
}

// Truth says what a column or a path of its documents holds: personal.None when it holds nobody.
func (f *Filled) Truth(table catalog.Name, column, path string) personal.Kind {
	for p := range f.planted {
		if p.Table == table && p.Column == column && p.Path == path {
			return p.Kind
		}
	}
	return personal.None
}

// Columns lists the places that hold somebody.
func (f *Filled) Columns() []Planted {
	set := map[Planted]bool{}
	for p := range f.planted {
		p.Value = ""
		set[p] = true
	}
	out := make([]Planted, 0, len(set))
	for p := range set {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b Planted) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return out
}

type filler struct {
	o      Options
	conn   *pgx.Conn
	db     catalog.Database
	rnd    *rand.Rand
	people []person
	rules  []compiled
	rows   map[catalog.Name][]map[string]string // of what foreign keys lead to: its columns in text form
	bounds map[catalog.Name][][]string
	out    *Filled
}

// Fill fills the tables of a database, as a superuser: triggers of the schema do not fire.
func Fill(ctx context.Context, conn *pgx.Conn, o Options) (*Filled, error) {
	if o.Rows == 0 {
		o.Rows = 100
	}
	if o.People == 0 {
		o.People = o.Rows
	}
	f := &filler{
		o: o, conn: conn, rnd: rand.New(rand.NewPCG(o.Seed, 1)), people: people(o.People, o.Seed), rules: compile(), //nolint:gosec // for tests: the same every time
		rows: map[catalog.Name][]map[string]string{}, bounds: map[catalog.Name][][]string{}, out: &Filled{planted: map[Planted]bool{}},
	}
	for _, step := range []func(context.Context) error{f.begin, f.read, f.fill, f.finish} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return f.out, nil
}

func (f *filler) exec(ctx context.Context, sql string) error {
	return f.conn.PgConn().Exec(ctx, sql).Close()
}

// begin gives each partitioned table that has no partition one for everything.
func (f *filler) begin(ctx context.Context) error {
	return f.exec(ctx, `SET session_replication_role = replica; SET search_path = public;
DO $$ DECLARE r record; BEGIN
	FOR r IN SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'p' AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid) LOOP
		EXECUTE CASE pg_get_partkeydef(format('%I.%I', r.nspname, r.relname)::regclass) LIKE 'HASH%' WHEN true
			THEN format('CREATE TABLE %I.%I PARTITION OF %I.%I FOR VALUES WITH (MODULUS 1, REMAINDER 0)', r.nspname, r.relname || '_rest', r.nspname, r.relname)
			ELSE format('CREATE TABLE %I.%I PARTITION OF %I.%I DEFAULT', r.nspname, r.relname || '_rest', r.nspname, r.relname) END;
	END LOOP;
END $$`)
}

func (f *filler) read(ctx context.Context) error {
	err := pgx.BeginTxFunc(ctx, f.conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) (err error) {
		f.db, err = catalog.Read(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	var schema, table, bound string
	rows, err := f.conn.Query(ctx, `SELECT n.nspname, c.relname, coalesce(pg_get_expr(p.relpartbound, p.oid), '') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL pg_partition_tree(c.oid) x JOIN pg_class p ON p.oid = x.relid WHERE c.relkind = 'p' AND x.isleaf ORDER BY p.relname`)
	if err != nil {
		return err
	}
	_, err = pgx.ForEachRow(rows, []any{&schema, &table, &bound}, func() error {
		var all []string
		for _, m := range quoted.FindAllStringSubmatch(bound, -1) {
			all = append(all, m[1])
		}
		n := catalog.Name{Schema: schema, Table: table}
		f.bounds[n] = append(f.bounds[n], all)
		return nil
	})
	return err
}

// root is the table that a foreign key leads to, by its root where it is a partition.
func (f *filler) root(n catalog.Name) catalog.Name {
	if t := f.db.Table(n); t != nil && t.Partition != nil {
		return *t.Partition
	}
	return n
}

// order puts tables behind those that they refer to, as far as there is such an order.
func (f *filler) order() []*catalog.Table {
	var out []*catalog.Table
	state := map[catalog.Name]bool{}
	var visit func(t *catalog.Table)
	visit = func(t *catalog.Table) {
		if state[t.Name] {
			return
		}
		state[t.Name] = true
		for pass := range 2 { // first what may not be empty
			for _, k := range t.Foreign {
				needed := !slices.ContainsFunc(k.Columns, func(c string) bool { return !t.Column(c).NotNull })
				if to := f.db.Table(f.root(k.To)); to != nil && needed == (pass == 0) {
					visit(to)
				}
			}
		}
		out = append(out, t)
	}
	for _, t := range f.db.Planned() {
		visit(t)
	}
	return out
}

func (f *filler) fill(ctx context.Context) error {
	done := map[catalog.Name]bool{}
	for _, t := range f.order() {
		if t.Partition != nil {
			continue
		}
		n, err := f.table(ctx, t, done)
		if err != nil {
			return err
		}
		done[t.Name] = true
		f.out.Tables++
		f.out.Rows += n
	}
	return nil
}

// table fills one table.
func (f *filler) table(ctx context.Context, t *catalog.Table, done map[catalog.Name]bool) (int, error) {
	if err := f.exec(ctx, "BEGIN"); err != nil {
		return 0, err
	}
	filled, missed := 0, 0
	var last *pgconn.PgError
	for row := 1; row <= f.o.Rows && missed < 3; row++ {
		made := false
		for attempt := 0; attempt < 30 && !made; attempt++ {
			one := &try{filler: f, table: t, row: row, attempt: attempt, who: &f.people[f.rnd.IntN(len(f.people))]}
			if attempt == 0 && personTable(t.Name.Table) {
				one.who = &f.people[(row-1)%len(f.people)]
			}
			if b := f.bounds[t.Name]; len(b) > 0 {
				one.bounds = b[f.rnd.IntN(len(b))]
			}
			err := one.insert(ctx, done)
			if made = err == nil; made {
				break
			}
			if !errors.As(err, &last) {
				return 0, err
			}
		}
		if made {
			filled++
			missed = 0
		} else {
			missed++
		}
	}
	if filled == 0 && last != nil {
		f.out.Empty = append(f.out.Empty, fmt.Sprintf("%s (%s %s %s)", t.Name, last.Code, last.ConstraintName, last.ColumnName))
	}
	return filled, f.exec(ctx, "COMMIT")
}

// insert tries one row.
func (t *try) insert(ctx context.Context, done map[catalog.Name]bool) error {
	cells := map[string]cell{}
	for _, k := range t.table.Foreign {
		t.refer(cells, k, done)
	}
	var names, values, back []string
	var planted []Planted
	for i := range t.table.Columns {
		c := &t.table.Columns[i]
		if c.Generated {
			continue
		}
		v, ok := cells[c.Name]
		if !ok {
			v = t.value(c)
		}
		names = append(names, pgx.Identifier{c.Name}.Sanitize())
		values = append(values, v.sql)
		planted = append(planted, v.planted...)
	}
	for i := range t.table.Columns {
		back = append(back, pgx.Identifier{t.table.Columns[i].Name}.Sanitize()+"::text")
	}
	into := pgx.Identifier{t.table.Name.Schema, t.table.Name.Table}.Sanitize()
	sql := "INSERT INTO " + into + " (" + strings.Join(names, ", ") + ") OVERRIDING SYSTEM VALUE VALUES (" + strings.Join(values, ", ") + ")"
	if len(names) == 0 {
		sql = "INSERT INTO " + into + " DEFAULT VALUES"
	}
	if len(back) > 0 {
		sql += " RETURNING " + strings.Join(back, ", ")
	}
	results, err := t.conn.PgConn().Exec(ctx, "SAVEPOINT s; "+sql+"; RELEASE s").ReadAll()
	if err != nil {
		if rolled := t.exec(ctx, "ROLLBACK TO s"); rolled != nil {
			return rolled
		}
		return err
	}
	stored := map[string]string{}
	for _, r := range results {
		for _, row := range r.Rows {
			for i, v := range row {
				if v != nil {
					stored[t.table.Columns[i].Name] = string(v)
				}
			}
		}
	}
	t.rows[t.table.Name] = append(t.rows[t.table.Name], stored)
	for _, p := range planted {
		t.out.planted[p] = true
	}
	return nil
}

// refer chooses the row that a foreign key leads to, one that agrees with what other keys of the row have chosen.
func (t *try) refer(cells map[string]cell, k catalog.Foreign, done map[catalog.Name]bool) {
	to := t.root(k.To)
	var fitting []map[string]string
	for _, r := range t.rows[to] {
		if !done[to] {
			break // it comes later: finish mends it
		}
		fits := true
		for i, c := range k.Columns {
			v, ok := r[k.ToColumns[i]]
			had, chosen := cells[c]
			fits = fits && ok && (!chosen || had.sql == text(v).sql)
		}
		if fits {
			fitting = append(fitting, r)
		}
	}
	nullable := func(c string) bool { return !t.table.Column(c).NotNull }
	if len(fitting) == 0 || t.attempt > 1 && slices.ContainsFunc(k.Columns, nullable) && t.rnd.IntN(2) == 0 {
		for _, c := range k.Columns {
			if _, chosen := cells[c]; !chosen && nullable(c) {
				cells[c] = null()
			}
		}
		return
	}
	pick := fitting[t.rnd.IntN(len(fitting))]
	if t.attempt == 0 {
		pick = fitting[(t.row-1)%len(fitting)]
	}
	for i, c := range k.Columns {
		cells[c] = text(pick[k.ToColumns[i]])
	}
}

// finish closes the circles, takes away what refers to nothing, and brings sequences, views and statistics up to date.
func (f *filler) finish(ctx context.Context) error {
	for _, t := range f.db.Planned() {
		for _, k := range t.Foreign {
			if err := f.close(ctx, t, k); err != nil {
				return err
			}
		}
	}
	for range 20 {
		gone := int64(0)
		for _, t := range f.db.Planned() {
			for _, k := range t.Foreign {
				tag, err := f.conn.Exec(ctx, "DELETE FROM "+dangling(t, k))
				if err != nil {
					return err
				}
				gone += tag.RowsAffected()
			}
		}
		if f.out.Deleted += gone; gone == 0 {
			break
		}
	}
	return f.exec(ctx, `SET session_replication_role = origin;
DO $$ DECLARE r record; s text; BEGIN
	FOR r IN SELECT format('%I.%I', n.nspname, c.relname) AS t, a.attname AS a, quote_ident(a.attname) AS q FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname !~ '^pg_|information_schema'
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped WHERE c.relkind IN ('r', 'p') LOOP
		s := pg_get_serial_sequence(r.t, r.a);
		IF s IS NOT NULL THEN EXECUTE format('SELECT setval(%L, greatest((SELECT max(%s) FROM %s), 1))', s, r.q, r.t); END IF;
	END LOOP;
	FOR r IN SELECT format('%I.%I', schemaname, matviewname) AS t FROM pg_matviews LOOP
		BEGIN EXECUTE 'REFRESH MATERIALIZED VIEW ' || r.t; EXCEPTION WHEN OTHERS THEN NULL; END;
	END LOOP;
END $$;
ANALYZE`)
}

func dangling(t *catalog.Table, k catalog.Foreign) string {
	var set, same []string
	for i, c := range k.Columns {
		here := "t." + pgx.Identifier{c}.Sanitize()
		set = append(set, here+" IS NOT NULL")
		same = append(same, "o."+pgx.Identifier{k.ToColumns[i]}.Sanitize()+" = "+here)
	}
	return pgx.Identifier{t.Name.Schema, t.Name.Table}.Sanitize() + " t WHERE " + strings.Join(set, " AND ") + " AND NOT EXISTS (SELECT FROM " + pgx.Identifier{k.To.Schema, k.To.Table}.Sanitize() + " o WHERE " + strings.Join(same, " AND ") + ")"
}

// close gives rows that could not refer to what came later something to refer to. What the schema does not allow stays as it is.
func (f *filler) close(ctx context.Context, t *catalog.Table, k catalog.Foreign) error {
	targets := f.rows[f.root(k.To)]
	if len(targets) == 0 {
		return nil
	}
	var open, columns []string
	shared := make([]bool, len(k.Columns)) // with another foreign key, whose choice stands
	for i, c := range k.Columns {
		q := pgx.Identifier{c}.Sanitize()
		open, columns = append(open, "t."+q+" IS NULL"), append(columns, "coalesce(t."+q+"::text, '')")
		shared[i] = slices.ContainsFunc(t.Foreign, func(o catalog.Foreign) bool {
			return slices.Contains(o.Columns, c) && !slices.Equal(o.Columns, k.Columns)
		})
	}
	name := pgx.Identifier{t.Name.Schema, t.Name.Table}.Sanitize()
	read := "SELECT t.tableoid::text, t.ctid::text, ARRAY[" + strings.Join(columns, ", ") + "], "
	rows, err := f.conn.Query(ctx, read+"false FROM "+dangling(t, k)+" UNION ALL "+read+"true FROM "+name+" t WHERE "+strings.Join(open, " OR ")+" ORDER BY 1, 2")
	if err != nil {
		return err
	}
	type place struct {
		Table, Row string
		Now        []string
		Null       bool
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[place])
	if err != nil {
		return err
	}
	if err := f.exec(ctx, "BEGIN"); err != nil {
		return err
	}
	for _, at := range all {
		if at.Null && f.rnd.IntN(3) == 0 {
			continue
		}
		start := f.rnd.IntN(len(targets))
		for i := range min(len(targets), 40) {
			target := targets[(start+i)%len(targets)]
			var set []string
			fits := true
			for j, c := range k.Columns {
				v, ok := target[k.ToColumns[j]]
				fits = fits && ok && (!shared[j] || at.Now[j] == "" || at.Now[j] == v)
				set = append(set, pgx.Identifier{c}.Sanitize()+" = "+text(v).sql)
			}
			if !fits {
				continue
			}
			err := f.exec(ctx, "SAVEPOINT s; UPDATE "+name+" SET "+strings.Join(set, ", ")+" WHERE tableoid = "+at.Table+" AND ctid = '"+at.Row+"'; RELEASE s")
			if err == nil {
				break
			}
			var refused *pgconn.PgError
			if !errors.As(err, &refused) {
				return err
			}
			if err := f.exec(ctx, "ROLLBACK TO s"); err != nil {
				return err
			}
		}
	}
	return f.exec(ctx, "COMMIT")
}
