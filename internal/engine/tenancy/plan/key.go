package plan

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg/sqlname"
)

// found is the tenant key, and what columns that carry it are called.
type found struct {
	key     manifest.Key
	root    *schema.Relation // nil when tenants live in no table here
	names   map[string]bool  // squeezed
	rest    []string         // of other levels that were not chosen, best first
	direct  map[*schema.Relation]string
	another map[*schema.Relation][]string // further columns with a tenant's key
}

// keyType is the type of a token's tenant that fits a column, "" when none does.
func keyType(base string) string {
	switch name, _, _ := strings.Cut(base, "("); name {
	case "uuid":
		return manifest.TypeUUID
	case "bigint", "integer", "smallint":
		return manifest.TypeBigint
	case "text", "character varying", "character", "bpchar", "citext":
		return manifest.TypeText
	}
	return ""
}

// single returns the column by which rows of a table are referred to.
func single(r *schema.Relation) *schema.Column {
	if p := r.Primary(); len(p) == 1 {
		return r.Column(p[0])
	}
	for _, x := range r.Indexes {
		if x.Unique && x.Valid && !x.Partial && len(x.Columns) == 1 {
			if c := r.Column(x.Columns[0]); c != nil && c.NotNull && keyType(c.Base) != "" {
				return c
			}
		}
	}
	return nil
}

// stored reports whether a relation stands by itself and holds rows that a policy can guard.
func stored(r *schema.Relation) bool {
	return r.Kind == manifest.KindTable || r.Kind == manifest.KindPartitioned
}

// findKey chooses what tells tenants apart. wanted, of the form schema.table.column, or of a
// manifest, decides; empty: the table whose name and references speak most for it.
func findKey(db *schema.Database, wanted *manifest.Key) (*found, error) {
	if wanted != nil {
		f := &found{key: *wanted}
		if wanted.Table != "" {
			s, n, _ := sqlname.Split(wanted.Table)
			f.root = db.Relation(s, n)
			if f.root == nil || f.root.Column(wanted.Column) == nil {
				return nil, errs.New(errs.Invalid, "tenancy.plan.key", fmt.Sprintf("%s has no column %s here.", wanted.Table, wanted.Column)).
					WithFix("Name the table that has one row for each tenant and its key: --key customer.organisation.id.")
			}
			if t := keyType(f.root.Column(wanted.Column).Base); t != "" && wanted.Type == "" {
				f.key.Type = t
			}
		} else if wanted.Type == "" {
			for _, r := range db.Relations {
				if c := r.Column(wanted.Column); c != nil && f.key.Type == "" {
					f.key.Type = keyType(c.Base)
				}
			}
		}
		if f.key.Type == "" {
			return nil, errs.New(errs.Invalid, "tenancy.plan.key", fmt.Sprintf("The column %s is in no table here, or of a type in which no tenant's key is held.", wanted.Column)).
				WithFix("Name a column of type uuid, an integer type or text: --key customer.organisation.id.")
		}
		f.columns(db)
		return f, nil
	}
	type candidate struct {
		r     *schema.Relation
		score float64
	}
	var all []candidate
	for _, r := range db.Relations {
		if !stored(r) || single(r) == nil || keyType(single(r).Base) == "" || weight(r.Name) == 0 {
			continue
		}
		f := &found{root: r, key: manifest.Key{Table: r.QualifiedName(), Column: single(r).Name, Type: keyType(single(r).Base)}}
		f.columns(db)
		_, ways := reach(db, f)
		maps.DeleteFunc(ways, func(_ *schema.Relation, w *way) bool { return len(w.named) > 0 })
		if len(f.direct) < 2 && len(ways) < 2 {
			continue // of itself alone
		}
		all = append(all, candidate{r, weight(r.Name) * (float64(len(f.direct))/2 + float64(len(ways)))})
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(b.score, a.score) })
	if len(all) == 0 {
		return keyWithoutTable(db)
	}
	best := all[0]
	f := &found{root: best.r, key: manifest.Key{Table: best.r.QualifiedName(), Column: single(best.r).Name, Type: keyType(single(best.r).Base)}}
	f.columns(db)
	for _, c := range all[1:] {
		if c.score > best.score/20 && len(f.rest) < 4 {
			f.rest = append(f.rest, c.r.QualifiedName())
		}
	}
	return f, nil
}

// keyWithoutTable finds a column of tenants that many tables have, while the tenants live elsewhere.
func keyWithoutTable(db *schema.Database) (*found, error) {
	type column struct{ name, typ string }
	count := map[column]float64{}
	for _, r := range db.Relations {
		if !stored(r) {
			continue
		}
		for _, c := range r.Columns {
			w := words(c.Name)
			if len(w) == 2 && slices.Contains([]string{"id", "uuid", "key"}, w[1]) && keyType(c.Base) != "" {
				count[column{c.Name, keyType(c.Base)}] += tenantWords()[w[0]]
			}
		}
	}
	var best column
	for c, n := range count {
		if n > count[best] || n == count[best] && n > 0 && c.name < best.name {
			best = c
		}
	}
	if count[best] == 0 {
		return nil, errs.New(errs.Invalid, "tenancy.plan.no_key", "Nothing in this database looks like the key of a tenant.").
			WithFix("Name the table that has one row for each tenant and its key: --key customer.organisation.id.")
	}
	f := &found{key: manifest.Key{Column: best.name, Type: best.typ}}
	f.columns(db)
	return f, nil
}

// columns finds the tables that carry the key themselves.
func (f *found) columns(db *schema.Database) {
	f.names, f.direct, f.another = map[string]bool{}, map[*schema.Relation]string{}, map[*schema.Relation][]string{}
	if f.root == nil {
		f.names[squeezed(f.key.Column)] = true
	} else {
		whole := strings.Join(entity(f.root.Name), "")
		for _, suffix := range []string{"id", "uuid", "key"} {
			f.names[whole+suffix] = true
		}
		// Tables name their references alike: "org_id" twice is a convention.
		uses := map[string]int{}
		for _, r := range db.Relations {
			for _, k := range r.ForeignKeys {
				if c := f.refers(&k); c != "" && !k.Inherited && weight(strings.TrimSuffix(squeezed(c), "id")) > 0 {
					uses[squeezed(c)]++
				}
			}
		}
		for name, n := range uses {
			if n > 1 {
				f.names[name] = true
			}
		}
	}
	for _, r := range db.Relations {
		if stored(r) || r.Kind == manifest.KindPartition {
			if best, rest := f.carried(r); best != "" {
				f.direct[r], f.another[r] = best, rest
			}
		}
	}
}

// refers returns the column of a foreign key that holds the tenant's key, "" when none does.
func (f *found) refers(k *schema.ForeignKey) string {
	if k.Target != f.root {
		return ""
	}
	if i := slices.Index(k.Refers, f.key.Column); i >= 0 {
		return k.Columns[i]
	}
	return ""
}

// carried returns the column of a table with the tenant's key, and further ones.
func (f *found) carried(r *schema.Relation) (best string, rest []string) {
	if r == f.root {
		return f.key.Column, nil
	}
	type column struct {
		name  string
		score int
	}
	var all []column
	for _, c := range r.Columns {
		if keyType(c.Base) == "" {
			continue
		}
		score := 0
		if f.names[squeezed(c.Name)] {
			score += 4
			if keyType(c.Base) == f.key.Type {
				score += 4
			}
		}
		for _, k := range r.ForeignKeys {
			if f.refers(&k) == c.Name {
				score += 5
			}
		}
		if score > 0 && c.NotNull {
			score += 2
		}
		if score > 0 {
			all = append(all, column{c.Name, score})
		}
	}
	slices.SortStableFunc(all, func(a, b column) int { return cmp.Compare(b.score, a.score) })
	for i, c := range all {
		if i == 0 {
			best = c.name
		} else {
			rest = append(rest, c.name)
		}
	}
	return best, rest
}
