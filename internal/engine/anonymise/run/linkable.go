package run

import (
	"fmt"
	"slices"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/plan"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
)

// linkable lists the columns by which somebody who may also query production could lead rows of the copy back to those they come from: values that stay, in tables that speak of persons. Truth values and
// labels are too few to lead anywhere.
func linkable(p *plan.Plan, db *catalog.Database) (out []string) {
	about := ofPersons(p, db)
	for i := range p.Tables {
		t := &p.Tables[i]
		there := db.Table(t.Name)
		if there == nil || !about[t.Name] || t.Rows == plan.NoRows {
			continue
		}
		for j := range t.Columns {
			c := &t.Columns[j]
			column := there.Column(c.Name)
			if column == nil || column.Generated || !stays(c.Transform) || len(column.Labels) > 0 || transform.FamilyOf(column.Type) == transform.Boolean {
				continue
			}
			out = append(out, fmt.Sprintf("%s.%s", t.Name, catalog.Quote(c.Name)))
		}
	}
	return out
}

// stays reports whether a transformer leaves a value, or a piece of it, as it was. Of those that somebody else wrote it is not known, and so they count.
func stays(s transform.Spec) bool {
	switch s.Name {
	case "keep", "sql", "subprocess":
		return true
	case "free_text":
		return s.Args["replace"] != "all"
	case "json":
		paths, _ := s.Args["paths"].(map[string]any)
		for _, v := range paths {
			switch v := v.(type) {
			case string:
				if stays(transform.Spec{Name: v}) {
					return true
				}
			case transform.Spec:
				if stays(v) {
					return true
				}
			case map[string]any:
				name, _ := v["transformer"].(string)
				if stays(transform.Spec{Name: name, Args: v}) {
					return true
				}
			default:
				return true
			}
		}
	}
	return false
}

// ofPersons finds the tables that speak of persons: those with personal data or another key, and all that refer to one.
func ofPersons(p *plan.Plan, db *catalog.Database) map[catalog.Name]bool {
	about := map[catalog.Name]bool{}
	for _, t := range p.Tables {
		about[t.Name] = t.Subject != "" || slices.ContainsFunc(t.Columns, func(c plan.Column) bool {
			return c.Class != personal.Harmless && c.Class != "" || c.Transform.Name == "rekey"
		})
	}
	all := db.Planned()
	for more := true; more; {
		more = false
		for _, t := range all {
			if !about[t.Name] && slices.ContainsFunc(t.Foreign, func(f catalog.Foreign) bool { return about[root(db, f.To)] }) {
				about[t.Name], more = true, true
			}
		}
	}
	return about
}

// root is the table that a plan speaks of where a foreign key names a partition.
func root(db *catalog.Database, n catalog.Name) catalog.Name {
	if t := db.Table(n); t != nil && t.Partition != nil {
		return *t.Partition
	}
	return n
}
