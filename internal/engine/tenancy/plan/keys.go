package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/pg/sqlname"
)

// widened is a foreign key between two tables of tenants as it should be: with the tenant on both
// sides, so that a row can neither refer to another tenant's nor go with it.
type widened struct {
	key             schema.ForeignKey
	columns, refers []string
	here            *schema.ForeignKey
	keep            bool // the key without the tenant has to stay beside
}

// wide lists the foreign keys of a table that have, or need, the tenant on both sides.
func (b *builder) wide(r *schema.Relation) []widened {
	t := b.tenant(r)
	var all []widened
	for _, k := range r.ForeignKeys {
		to := b.tenant(k.Target)
		if k.Inherited || to == nil || k.Target.Bound != "" || r.Bound != "" {
			continue
		}
		if slices.Contains(k.Refers, to.Column) || slices.Contains(k.Columns, t.Column) {
			continue // has the tenant, or is the tenant
		}
		if stays(k) || !b.certain(k.Target, to) && !reaches(k) {
			continue
		}
		w := widened{key: k, keep: !b.certain(r, t) && !b.source(r, t, k),
			columns: append([]string{t.Column}, k.Columns...), refers: append([]string{to.Column}, k.Refers...)}
		for i := range r.ForeignKeys {
			o := &r.ForeignKeys[i]
			if o.Target == k.Target && slices.Equal(o.Columns, w.columns) && slices.Equal(o.Refers, w.refers) {
				w.here = o
			}
		}
		all = append(all, w)
	}
	return all
}

// stays reports whether a key cannot have the tenant: what empties it would empty the tenant too.
func stays(k schema.ForeignKey) bool {
	return strings.ContainsAny(k.OnUpdate, "nd") || k.OnDelete == "d"
}

// reaches reports whether what happens to the row referred to happens to the row that refers. Such a
// key is widened even where rows referred to may be of nobody: what refers to those keeps apply from finishing.
func reaches(k schema.ForeignKey) bool { return strings.ContainsAny(k.OnDelete+k.OnUpdate, "cn") }

// source reports whether a table takes its tenant from the row that a key refers to, so that it is
// empty only where the key is.
func (b *builder) source(r *schema.Relation, t *manifest.Table, k schema.ForeignKey) bool {
	if !t.Add {
		return false
	}
	hops, problem := trace(b.db, b.m, r, t)
	return problem == "" && len(hops) == 1 && hops[0].target == k.Target && slices.Equal(hops[0].columns, k.Columns)
}

// keys gives the tables that others refer to a unique key with the tenant in it.
func (b *builder) keys(r *schema.Relation) {
	t := b.tenant(r)
	seen := map[string]bool{}
	for _, w := range b.to[r] {
		id := strings.Join(w.refers, "\x00")
		if !seen[id] && w.here == nil && r.UniqueOn(w.refers) == nil {
			seen[id], b.keyed[r] = true, true
			b.createIndex(r, named("key", r.Name, strings.Join(w.key.Refers, "_"), t.Column), w.refers, true,
				"Make "+strings.Join(w.refers, ", ")+" of "+r.QualifiedName()+" a key, for others to refer to the row within its tenant")
		}
	}
}

// index sees that the rows of one tenant are found without reading those of others.
func (b *builder) index(r *schema.Relation) {
	t := b.tenant(r)
	if r.LedBy(t.Column) != nil || b.keyed[r] {
		return
	}
	b.createIndex(r, named("tenant", r.Name, t.Column), []string{t.Column}, false, "Index "+t.Column+" of "+r.QualifiedName()+", to find a tenant's rows without reading the others'")
}

// createIndex makes an index beside readers and writers; on a partitioned table one for each partition, then attached.
func (b *builder) createIndex(r *schema.Relation, name string, columns []string, unique bool, title string) {
	word := "INDEX"
	if unique {
		word = "UNIQUE INDEX"
	}
	partitioned := r.Kind == manifest.KindPartitioned || r.Kind == manifest.KindPartition && len(r.Children) > 0
	if partitioned {
		b.partitionedIndex(r, name, columns, word, title)
		return
	}
	full := sqlname.Qualified(r.Schema, name)
	drop := "DROP INDEX CONCURRENTLY IF EXISTS " + full
	sql := []string{fmt.Sprintf("CREATE %s CONCURRENTLY %s ON %s (%s)", word, sqlname.Quote(name), r.QualifiedName(), quoted(columns))}
	if slices.ContainsFunc(r.Indexes, func(x schema.Index) bool { return x.Name == name }) {
		sql = append([]string{drop}, sql...) // an earlier attempt was cut off
	}
	undo, back := [][]string{{drop}}, "drops the index"
	if r.Bound != "" {
		undo, back = nil, "goes with that of the table above"
	}
	b.add(Step{ID: "index:" + full, Mode: Alone, Table: r.QualifiedName(), Title: title, SQL: sql, Lock: lockAlongside,
		Cost: "reads the table twice: " + size(r), Undo: undo, Back: back})
}

// partIndexes lists the indexes below that of a partitioned table, attached or not yet.
func partIndexes(r *schema.Relation, name string) []string {
	var all []string
	for _, c := range r.Children {
		below := named("part", name, c.Name)
		all = append(append(all, sqlname.Qualified(c.Schema, below)), partIndexes(c, below)...)
	}
	return all
}

func (b *builder) partitionedIndex(r *schema.Relation, name string, columns []string, word, title string) {
	full := sqlname.Qualified(r.Schema, name)
	if !slices.ContainsFunc(r.Indexes, func(x schema.Index) bool { return x.Name == name }) {
		undo := [][]string{{"DROP INDEX IF EXISTS " + full}} // with those that are attached
		for _, part := range partIndexes(r, name) {
			undo[0] = append(undo[0], "DROP INDEX IF EXISTS "+part)
		}
		if r.Bound != "" {
			undo = nil
		}
		b.add(Step{ID: "index:" + full, Table: r.QualifiedName(), Title: title, SQL: []string{fmt.Sprintf("CREATE %s %s ON ONLY %s (%s)", word, sqlname.Quote(name), r.QualifiedName(), quoted(columns))},
			Lock: lockWrites + ", for a moment", Cost: catalogueOnly, Undo: undo, Back: "drops the index, with those of the partitions"})
	}
	for _, c := range r.Children {
		below := named("part", name, c.Name)
		i := slices.IndexFunc(c.Indexes, func(x schema.Index) bool { return x.Name == below })
		if i < 0 || !c.Indexes[i].Valid {
			b.createIndex(c, below, columns, strings.HasPrefix(word, "UNIQUE"), "The same for "+c.QualifiedName())
		}
		b.add(Step{ID: "attach:" + sqlname.Qualified(c.Schema, below), Table: c.QualifiedName(), Title: "Attach it to that of " + r.QualifiedName(),
			SQL:  []string{fmt.Sprintf("ALTER INDEX %s ATTACH PARTITION %s", full, sqlname.Qualified(c.Schema, below))},
			Lock: lockBrief, Cost: catalogueOnly, Back: "goes with the index"})
	}
}

// foreignKeys puts keys with the tenant in the place of those without.
func (b *builder) foreignKeys(r *schema.Relation) {
	for _, w := range b.wider[r] {
		b.widen(r, w)
	}
}

func (b *builder) widen(r *schema.Relation, w widened) {
	name, target := r.QualifiedName(), w.key.Target.QualifiedName()
	fresh := named("fk", r.Name, w.key.Name)
	alter := "ALTER TABLE " + name + " "
	definition := fmt.Sprintf("FOREIGN KEY (%s) REFERENCES %s (%s)%s", quoted(w.columns), target, quoted(w.refers), actions(w.key))
	find := fmt.Sprintf("SELECT %s FROM %s t JOIN %s p ON %s WHERE t.%s IS DISTINCT FROM p.%s", identity(r, "t."), name, target, equal("p.", w.key.Refers, "t.", w.key.Columns), sqlname.Quote(w.columns[0]), sqlname.Quote(w.refers[0]))
	whole := r.Kind == manifest.KindPartitioned // PostgreSQL has no NOT VALID there
	drop := [][]string{{alter + "DROP CONSTRAINT IF EXISTS " + sqlname.Quote(fresh)}}
	if w.here != nil {
		fresh = w.here.Name
	} else if whole {
		b.add(Step{ID: "fk:" + name + "." + w.key.Name, Table: name, Title: "Let " + w.key.Name + " of " + name + " refer within one tenant: " + strings.Join(w.columns, ", "),
			SQL: []string{alter + "ADD CONSTRAINT " + sqlname.Quote(fresh) + " " + definition}, Find: find, Lock: lockWrites + ", on both tables while it reads", Cost: "reads the table once: " + size(r),
			Undo: drop, Back: "drops it"})
	} else {
		b.add(Step{ID: "fk:" + name + "." + w.key.Name, Table: name, Title: "Let " + w.key.Name + " of " + name + " refer within one tenant: " + strings.Join(w.columns, ", "),
			SQL: []string{alter + "ADD CONSTRAINT " + sqlname.Quote(fresh) + " " + definition + " NOT VALID"}, Lock: lockWrites + ", on both tables for a moment", Cost: catalogueOnly,
			Undo: drop, Back: "drops it"})
	}
	if !whole && (w.here == nil || !w.here.Validated) {
		b.add(Step{ID: "fk-validate:" + name + "." + w.key.Name, Table: name, Title: "Hold that every row of " + name + " refers within its tenant",
			SQL: []string{alter + "VALIDATE CONSTRAINT " + sqlname.Quote(fresh)}, Find: find, Lock: lockAlongside + "; ROW SHARE on " + target, Cost: "reads the table once: " + size(r), Back: "nothing to take back"})
	}
	if w.keep {
		return
	}
	add := alter + "ADD CONSTRAINT " + sqlname.Quote(w.key.Name) + " " + strings.TrimSuffix(w.key.Definition, " NOT VALID")
	rename := alter + "RENAME CONSTRAINT " + sqlname.Quote(w.key.Name) + " TO " + sqlname.Quote(fresh)
	undo := [][]string{{rename, add + " NOT VALID"}}
	switch {
	case whole:
		undo = [][]string{{rename, add}}
	case w.key.Validated:
		undo = append(undo, []string{alter + "VALIDATE CONSTRAINT " + sqlname.Quote(w.key.Name)})
	}
	b.add(Step{ID: "fk-swap:" + name + "." + w.key.Name, Table: name, Title: "Put it in the place of the key without the tenant, under its name",
		SQL:  []string{alter + "DROP CONSTRAINT " + sqlname.Quote(w.key.Name), alter + "RENAME CONSTRAINT " + sqlname.Quote(fresh) + " TO " + sqlname.Quote(w.key.Name)},
		Lock: lockBrief + "; also on " + target, Cost: catalogueOnly, Undo: undo, Back: "brings the key back as it was, first for new rows, then held for all"})
}

// actions writes what follows the columns of a foreign key.
func actions(k schema.ForeignKey) string {
	var s strings.Builder
	switch k.OnUpdate {
	case "c":
		s.WriteString(" ON UPDATE CASCADE")
	case "r":
		s.WriteString(" ON UPDATE RESTRICT")
	}
	switch k.OnDelete {
	case "c":
		s.WriteString(" ON DELETE CASCADE")
	case "r":
		s.WriteString(" ON DELETE RESTRICT")
	case "n":
		set := k.SetColumns
		if len(set) == 0 {
			set = k.Columns
		}
		s.WriteString(" ON DELETE SET NULL (" + quoted(set) + ")")
	}
	if k.Deferrable {
		s.WriteString(" DEFERRABLE")
		if k.Deferred {
			s.WriteString(" INITIALLY DEFERRED")
		}
	}
	return s.String()
}
