package plan

import (
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/detect"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
	"github.com/garant-project/garant/internal/strictyaml"
)

// look says what a column holds.
func look(t *catalog.Table, c *catalog.Column, beside *detect.Names, samples []string) detect.Result {
	d := detect.Column{
		Schema: t.Name.Schema, Table: t.Name.Table, Name: c.Name, Type: c.Type, Comment: c.Comment, Checks: c.Checks, Enum: c.Labels, References: references(t, c.Name),
		Beside: beside, Unique: c.Unique, Samples: samples,
	}
	if d.Comment == "" && domain(c) { // a domain has a name of its own, which says as much as a comment
		_, d.Comment, _ = strings.Cut(strings.TrimSuffix(c.Declared, "[]"), ".")
	}
	if len(c.Fields) == 0 {
		return detect.Detect(d)
	}
	// A value of a composite type is what the most careful of its fields is.
	var worst detect.Result
	for i, f := range c.Fields {
		r := detect.Detect(detect.Column{Schema: t.Name.Schema, Table: c.Name, Name: f.Name, Type: f.Type, TableColumns: fieldNames(c)})
		if i == 0 || careful(r.Kind) < careful(worst.Kind) {
			worst = r
		}
	}
	return worst
}

// domain reports whether a column is declared by a domain.
func domain(c *catalog.Column) bool {
	return strings.Contains(c.Declared, ".") && len(c.Labels)+len(c.Fields) == 0 && !strings.HasSuffix(strings.TrimSuffix(c.Declared, "[]"), "."+strings.TrimSuffix(c.Type, "[]")) && c.Declared != c.Type
}

func fieldNames(c *catalog.Column) (out []string) {
	for _, f := range c.Fields {
		out = append(out, f.Name)
	}
	return out
}

// careful ranks kinds: the smaller, the more care.
func careful(k personal.Kind) int {
	if i := slices.Index(personal.Kinds(), k); i >= 0 {
		return i
	}
	return len(personal.Kinds())
}

// references names the column that a foreign key of this column alone leads to.
func references(t *catalog.Table, column string) string {
	for _, f := range t.Foreign {
		if len(f.Columns) == 1 && f.Columns[0] == column && len(f.ToColumns) == 1 {
			return f.To.Table + "." + f.ToColumns[0]
		}
	}
	return ""
}

// ask writes a question: what it may be, and why that is not clear.
func ask(r *detect.Result) string {
	may := []string{string(r.Kind)}
	for _, k := range r.Alternatives {
		may = append(may, string(k))
	}
	return strictyaml.Listed(may, "or") + "? " + because(r)
}

func because(r *detect.Result) string {
	var why []string
	for _, b := range r.Because {
		why = append(why, b.English())
	}
	return strings.Join(why, "; ") + "."
}

// documentPath writes a path as transformer json reads it.
func documentPath(p *detect.Path) (path string, keys bool) {
	path = p.Path
	if p.Keys {
		path = strings.TrimSuffix(strings.TrimSuffix(path, "*"), ".")
	}
	switch path {
	case "":
		path = "$"
	case "$":
		path = `"$"`
	}
	return path, p.Keys
}

// longestPath is how long a path may be that a plan writes: YAML has no longer keys.
const longestPath = 900

// document makes the transformer of a JSON column out of what its paths hold. It reports false when the paths cannot be listed.
func (m *maker) document(t *catalog.Table, c *catalog.Column, r *detect.Result) (transform.Spec, []Path, bool) {
	if len(r.Paths) == 0 || transform.FamilyOf(c.Type) != transform.JSON {
		return transform.Spec{}, nil, false
	}
	paths, keys := map[string]any{}, map[string]any{}
	var notes []Path
	for i := range r.Paths {
		p := &r.Paths[i]
		path, named := documentPath(p)
		if len(path) > longestPath {
			return transform.Spec{}, nil, false
		}
		note := Path{Path: path, Keys: named, Kind: p.Kind}
		if p.Question() {
			note.Question = ask(&p.Result)
		}
		if named && p.Kind == personal.None {
			continue
		}
		spec := m.pathTransform(p.Kind, named)
		if named {
			keys[path] = spec
		} else {
			paths[path] = spec
		}
		if note.Kind != impliedKind(spec.Name) || note.Question != "" {
			notes = append(notes, note)
		}
	}
	if len(paths) == 0 {
		return transform.Spec{}, nil, false
	}
	spec := transform.Spec{Name: "json", Args: map[string]any{"paths": paths}}
	if len(keys) > 0 {
		spec.Args["keys"] = keys
	}
	sortPaths(notes)
	return spec, notes, m.fits(spec, t, c, personal.Text) == nil
}

// pathTransform is what replaces the values of a path, or the keys of an object.
func (m *maker) pathTransform(k personal.Kind, keys bool) transform.Spec {
	if keys {
		for _, s := range candidates(k, transform.Text, false) {
			if d := descriptions()[s.Name]; d.Unique && m.fitsColumn(s, transform.Column{Type: "text", Unique: true}) == nil {
				return s
			}
		}
		return transform.Spec{Name: "hash"}
	}
	for _, s := range candidates(k, transform.Text, false) {
		if m.fitsColumn(s, transform.Column{Type: "text"}) == nil {
			return s
		}
	}
	return transform.Spec{Name: "suppress"}
}
