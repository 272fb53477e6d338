package plan

import (
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/pg/sqlname"
)

// way is how a table without the key reaches one that has it.
type way struct {
	cost     int
	via      []string
	target   *schema.Relation // the first table on the way
	nullable []string         // columns on the way that may be empty
	named    []string         // steps that no foreign key says, only the names of columns
	rivals   []string         // other first steps as good
}

// link is one step from a table to another: a foreign key, or columns named like the other's key.
type link struct {
	columns, refers []string
	target          *schema.Relation
	named           bool
}

// String is the step as the manifest has it.
func (l link) String() string {
	if !l.named {
		return strings.Join(l.columns, ",")
	}
	return strings.Join(l.columns, ",") + " = " + l.target.QualifiedName() + "(" + strings.Join(l.refers, ",") + ")"
}

// readLink reads a step of the manifest that no foreign key says: "dag_id = public.dag(id)".
func readLink(db *schema.Database, from *schema.Relation, step string) (l link, isNamed, ok bool) {
	left, right, isNamed := strings.Cut(step, " = ")
	open := strings.LastIndex(right, "(")
	if !isNamed || open < 0 || !strings.HasSuffix(right, ")") {
		return l, isNamed, false
	}
	s, n, ok := sqlname.Split(right[:open])
	if !ok {
		return l, true, false
	}
	l = link{columns: strings.Split(left, ","), refers: strings.Split(right[open+1:len(right)-1], ","), target: db.Relation(s, n), named: true}
	ok = l.target != nil && len(l.columns) == len(l.refers)
	for i := 0; ok && i < len(l.columns); i++ {
		ok = from.Column(l.columns[i]) != nil && l.target.Column(l.refers[i]) != nil
	}
	return l, true, ok
}

// links lists the steps from a table. named finds tables by what one row of them is called.
func links(r *schema.Relation, named map[string][]*schema.Relation) []link {
	var all []link
	held := map[string]bool{}
	for _, k := range r.ForeignKeys {
		if !k.Inherited && k.Target != r {
			all = append(all, link{columns: k.Columns, refers: k.Refers, target: k.Target})
		}
		for _, c := range k.Columns {
			held[c] = true
		}
	}
	for _, c := range r.Columns {
		w := words(c.Name)
		if held[c.Name] || len(w) < 2 || w[len(w)-1] != "id" {
			continue
		}
		stem := strings.Join(w[:len(w)-1], "")
		own := entity(r.Name)
		for _, name := range []string{stem + " " + own[len(own)-1], stem} { // tables of one family first
			before := len(all)
			for _, target := range named[name] {
				if l, ok := alikeKey(r, target, stem); ok && target != r {
					all = append(all, l)
				}
			}
			if len(all) > before {
				break
			}
		}
	}
	return all
}

// alikeKey matches the columns of a table with the primary key of another: dag_id and
// dag_inserted_at with id and inserted_at of dag.
func alikeKey(r, target *schema.Relation, stem string) (link, bool) {
	l := link{target: target, refers: target.Primary(), named: true}
	for _, name := range l.refers {
		i := slices.IndexFunc(r.Columns, func(c schema.Column) bool {
			return squeezed(c.Name) == stem+squeezed(name) || squeezed(c.Name) == squeezed(name) && strings.HasPrefix(squeezed(name), stem)
		})
		if i < 0 || r.Columns[i].Base != target.Column(name).Base {
			return l, false
		}
		l.columns = append(l.columns, r.Columns[i].Name)
	}
	return l, len(l.columns) > 0
}

// byEntity finds tables by what one row of them is called, with and without a version before it, and
// with a family after it apart: v1_dag is a dag, v1_dags_olap is a "dag olap" too.
func byEntity(db *schema.Database) map[string][]*schema.Relation {
	all := map[string][]*schema.Relation{}
	for _, r := range db.Relations {
		w := entity(r.Name)
		if !stored(r) || len(w) == 0 {
			continue
		}
		names := [][]string{w}
		if len(w) > 1 && len(w[0]) == 2 && w[0][0] == 'v' && w[0][1] >= '0' && w[0][1] <= '9' {
			names = append(names, w[1:])
		}
		for _, n := range names {
			all[strings.Join(n, "")] = append(all[strings.Join(n, "")], r)
			if last := len(n) - 1; last > 0 {
				name := strings.Join(n[:last-1], "") + singular(n[last-1]) + " " + n[last]
				all[name] = append(all[name], r)
			}
		}
	}
	return all
}

// What a step costs beside its length.
const (
	emptyCosts = 100    // a column that may be empty
	namedCosts = 10_000 // no foreign key
)

// reach finds the ways of all tables to those that carry the key: the shortest, by foreign keys
// rather than by names, by columns that are never empty where there are such. The first result
// holds the tables without any.
func reach(db *schema.Database, f *found) (unreached []*schema.Relation, ways map[*schema.Relation]*way) {
	ways = map[*schema.Relation]*way{}
	cost := func(r *schema.Relation) (int, bool) {
		if _, ok := f.direct[r]; ok {
			return 0, true
		}
		if w := ways[r]; w != nil {
			return w.cost, true
		}
		return 0, false
	}
	named, steps := byEntity(db), map[*schema.Relation][]link{}
	for _, r := range db.Relations {
		if _, has := f.direct[r]; !has && stored(r) {
			steps[r] = links(r, named)
		}
	}
	for changed := true; changed; {
		changed = false
		for _, r := range db.Relations {
			for _, l := range steps[r] {
				at, ok := cost(l.target)
				if !ok || passesThrough(l.target, r, ways) {
					continue
				}
				w := extend(r, l, at, ways[l.target])
				if old := ways[r]; old == nil || w.cost < old.cost {
					ways[r], changed = w, true
				}
			}
		}
	}
	for _, r := range db.Relations {
		w := ways[r]
		if _, has := f.direct[r]; w == nil && !has && stored(r) {
			unreached = append(unreached, r)
		}
		for _, l := range steps[r] {
			if at, ok := cost(l.target); w != nil && ok && l.target != w.target && !l.named && extend(r, l, at, nil).cost == w.cost {
				w.rivals = append(w.rivals, l.String())
			}
		}
	}
	return unreached, ways
}

// extend is the way that begins with a step and goes on as the target's.
func extend(r *schema.Relation, l link, at int, below *way) *way {
	w := &way{cost: at + 1, via: []string{l.String()}, target: l.target}
	for _, name := range l.columns {
		if c := r.Column(name); c != nil && !c.NotNull {
			w.nullable = append(w.nullable, r.QualifiedName()+"."+sqlname.Quote(name))
			w.cost += emptyCosts
		}
	}
	if l.named {
		w.named = []string{l.String()}
		w.cost += namedCosts
	}
	if below != nil {
		w.via, w.nullable, w.named = append(w.via, below.via...), append(w.nullable, below.nullable...), append(w.named, below.named...)
	}
	return w
}

// passesThrough reports whether the way of a table leads over another, so that the other's cannot lead over it.
func passesThrough(from, over *schema.Relation, ways map[*schema.Relation]*way) bool {
	for w := ways[from]; w != nil; w = ways[w.target] {
		if w.target == over {
			return true
		}
	}
	return false
}
