package catalog

import (
	"context"
	"slices"
	"strings"
)

// named returns the columns of a table by their numbers.
func (r *reader) named(table uint32, numbers []int16) []string {
	var out []string
	for _, n := range numbers {
		if i, ok := r.columns[column{table, n}]; ok {
			out = append(out, r.by[table].Columns[i].Name)
		}
	}
	return out
}

func (r *reader) constraints(ctx context.Context) error {
	var table uint32
	var typ, definition string
	var numbers []int16
	err := r.each(ctx, `SELECT c.oid, k.contype::text, k.conkey, CASE k.contype WHEN 'c' THEN pg_get_constraintdef(k.oid) ELSE '' END
FROM `+tables+` JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype IN ('c', 'p', 'x') AND k.conkey IS NOT NULL ORDER BY c.oid, k.conname`, []any{&table, &typ, &numbers, &definition}, func() {
		t := r.by[table]
		if t == nil {
			return
		}
		if typ == "p" {
			t.Key = r.named(table, numbers)
			return
		}
		for _, name := range r.named(table, numbers) {
			if c := t.Column(name); typ == "c" {
				c.Checks = append(c.Checks, definition)
			} else {
				c.Excluded = true
			}
		}
	})
	if err != nil {
		return err
	}
	var f Foreign
	return r.each(ctx, `SELECT c.oid, k.conkey, tn.nspname, tc.relname, k.condeferrable,
	ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(number, nr) JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number ORDER BY u.nr)
FROM `+tables+` JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'f' AND k.conparentid = 0
JOIN pg_class tc ON tc.oid = k.confrelid JOIN pg_namespace tn ON tn.oid = tc.relnamespace ORDER BY c.oid, k.conname`,
		[]any{&table, &numbers, &f.To.Schema, &f.To.Table, &f.Deferrable, &f.ToColumns}, func() {
			if t := r.by[table]; t != nil {
				t.Foreign = append(t.Foreign, Foreign{Columns: r.named(table, numbers), To: f.To, ToColumns: slices.Clone(f.ToColumns), Deferrable: f.Deferrable})
			}
		})
}

// indexes reads the unique ones. Of an expression the columns count that it names.
func (r *reader) indexes(ctx context.Context) error {
	var table uint32
	var numbers, within []int16
	var expressions string
	return r.each(ctx, `SELECT c.oid, (i.indkey::int2[])[0:i.indnkeyatts - 1], coalesce(pg_get_expr(i.indexprs, i.indrelid), ''),
	ARRAY(SELECT x.refobjsubid::int2 FROM pg_depend x WHERE i.indexprs IS NOT NULL AND x.classid = 'pg_class'::regclass AND x.objid = i.indexrelid
		AND x.refclassid = 'pg_class'::regclass AND x.refobjid = i.indrelid AND x.refobjsubid > 0 ORDER BY x.refobjsubid)
FROM `+tables+` JOIN pg_index i ON i.indrelid = c.oid AND i.indisunique AND i.indislive ORDER BY c.oid, i.indexrelid`, []any{&table, &numbers, &expressions, &within}, func() {
		t := r.by[table]
		if t == nil {
			return
		}
		set := r.named(table, numbers)
		for _, name := range r.named(table, within) {
			if !slices.Contains(set, name) && mentions(expressions, name) {
				set = append(set, name)
			}
		}
		if len(set) > 0 {
			t.Unique = append(t.Unique, set)
		}
	})
}

// mentions reports whether an expression, as PostgreSQL prints it, names a column. Columns of the predicate are recorded beside those of the expressions and
// are not in it.
func mentions(expression, name string) bool {
	quoted := `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	if strings.Contains(expression, quoted) {
		return true
	}
	for rest := expression; ; {
		i := strings.Index(rest, name)
		if i < 0 {
			return false
		}
		end := i + len(name)
		if (i == 0 || !inWord(rest[i-1])) && (end == len(rest) || !inWord(rest[end])) {
			return true
		}
		rest = rest[end:]
	}
}

func inWord(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// statistics reads how many different values columns have, where the role may know that.
func (r *reader) statistics(ctx context.Context) error {
	var table uint32
	var number int16
	var distinct float64
	return r.each(ctx, `SELECT c.oid, a.attnum, s.n_distinct::float8 FROM `+tables+` JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname AND s.inherited = (c.relkind = 'p')
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = s.attname`, []any{&table, &number, &distinct}, func() {
		if i, ok := r.columns[column{table, number}]; ok {
			r.by[table].Columns[i].Distinct = distinct
		}
	})
}

// rest reads what is no table.
func (r *reader) rest(ctx context.Context) error {
	var s Name
	err := r.each(ctx, `SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S' AND `+own+` AND `+notOfExtension,
		[]any{&s.Schema, &s.Table}, func() { r.db.Sequences = append(r.db.Sequences, s) })
	if err != nil {
		return err
	}
	if err := r.each(ctx, `SELECT count(*) FROM pg_largeobject_metadata`, []any{&r.db.LargeObjects}, func() {}); err != nil {
		return err
	}
	var what, extension string
	err = r.each(ctx, `SELECT CASE c.relkind WHEN 'f' THEN 'foreign table' ELSE 'table' END, n.nspname, c.relname, coalesce(e.extname::text, '')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND `+own+`
LEFT JOIN pg_depend x ON x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.deptype = 'e' AND x.refclassid = 'pg_extension'::regclass
LEFT JOIN pg_extension e ON e.oid = x.refobjid WHERE c.relkind = 'f' OR c.relkind IN ('r', 'p') AND e.oid IS NOT NULL`, []any{&what, &s.Schema, &s.Table, &extension}, func() {
		line := what + " " + s.String()
		if extension != "" {
			line += " of extension " + Quote(extension)
		}
		r.db.Other = append(r.db.Other, line)
	})
	if err != nil {
		return err
	}
	return r.each(ctx, `SELECT 'publication', pubname FROM pg_publication UNION ALL SELECT 'event trigger', evtname FROM pg_event_trigger
UNION ALL SELECT 'subscription', s.subname FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid AND d.datname = current_database()`, []any{&what, &s.Table}, func() {
		r.db.Other = append(r.db.Other, what+" "+Quote(s.Table))
	})
}

// finish brings what was read into its places.
func (r *reader) finish() {
	partition := map[uint32]uint32{} // of a leaf or a partitioned table that is itself a partition: the table above it
	for child, parents := range r.above {
		if len(parents) == 1 && r.root[parents[0]] {
			partition[child] = parents[0]
		}
	}
	for _, oid := range r.order {
		t := r.by[oid]
		t.Unique = least(t.Unique)
		for _, set := range t.Unique {
			for _, name := range set {
				t.Column(name).Unique = true
			}
		}
	}
	foreign := map[uint32][]Foreign{} // of each table itself
	for _, oid := range r.order {
		foreign[oid] = slices.Clip(r.by[oid].Foreign)
	}
	for _, oid := range r.order { // foreign keys of the tables above, then what the root must ask
		t := r.by[oid]
		top := oid
		for up, ok := partition[oid]; ok; up, ok = partition[up] {
			t.Foreign = append(t.Foreign, foreign[up]...)
			top = up
		}
		if top != oid {
			root := r.by[top]
			name := root.Name
			t.Partition = &name
			root.demand(t)
			if !r.root[oid] {
				root.Bytes += t.Bytes
				root.Guarded, root.Filtered, root.Unreadable = root.Guarded || t.Guarded, root.Filtered || t.Filtered, root.Unreadable || t.Unreadable
			}
		} else {
			for _, up := range r.above[oid] {
				if p := r.by[up]; p != nil {
					t.Inherits = append(t.Inherits, p.Name)
				}
			}
		}
	}
	for _, oid := range r.order {
		switch t := r.by[oid]; {
		case !r.root[oid]:
			r.db.Tables = append(r.db.Tables, *t)
		case t.Partition == nil:
			r.db.Partitioned = append(r.db.Partitioned, *t)
		}
	}
	byName := func(a, b Table) int { return a.Name.Compare(b.Name) }
	slices.SortFunc(r.db.Tables, byName)
	slices.SortFunc(r.db.Partitioned, byName)
	slices.SortFunc(r.db.Sequences, Name.Compare)
	slices.Sort(r.db.Other)
}

// demand makes a partitioned table ask of its columns what a partition does.
func (t *Table) demand(partition *Table) {
	for i := range t.Columns {
		c := &t.Columns[i]
		p := partition.Column(c.Name)
		if p == nil {
			continue
		}
		c.NotNull, c.Unique, c.Excluded = c.NotNull || p.NotNull, c.Unique || p.Unique, c.Excluded || p.Excluded
		if c.Distinct == 0 || c.Distinct > 0 && (p.Distinct < 0 || p.Distinct > c.Distinct) {
			c.Distinct = p.Distinct
		}
		for _, check := range p.Checks {
			if !slices.Contains(c.Checks, check) {
				c.Checks = append(c.Checks, check)
			}
		}
	}
}

// least leaves out the sets of columns that have all columns of another: what is unique by fewer is unique by more.
func least(sets [][]string) [][]string {
	var out [][]string
	for i, s := range sets {
		larger := slices.ContainsFunc(sets, func(o []string) bool {
			return len(o) < len(s) && !slices.ContainsFunc(o, func(c string) bool { return !slices.Contains(s, c) })
		})
		again := slices.ContainsFunc(sets[:i], func(o []string) bool {
			return len(o) == len(s) && !slices.ContainsFunc(o, func(c string) bool { return !slices.Contains(s, c) })
		})
		if !larger && !again {
			out = append(out, s)
		}
	}
	return out
}
