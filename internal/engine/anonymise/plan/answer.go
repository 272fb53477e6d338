package plan

import (
	"maps"
	"slices"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
)

// Answer writes what somebody says a column holds, or a path of its documents: kind, class, the transformer that fits, reason
// where it is given, and no question any more; columns that
// refer to it, or that it refers to, become the same. It reports false,
// and changes nothing, when there is no such entry or no transformer is known to fit.
func (p *Plan) Answer(db *catalog.Database, table catalog.Name, column, path string, k personal.Kind, reason string) bool {
	t, src := p.Table(table), db.Table(table)
	if t == nil || src == nil {
		return false
	}
	e, c := t.Column(column), src.Column(column)
	if e == nil || c == nil {
		return false
	}
	m := newMaker(p.Language, p.Country)
	if path == "" {
		return p.answer(db, m, t, src, c, k, reason)
	}
	known, ok := e.Transform.Args["paths"].(map[string]any)
	if !ok || e.Transform.Name != "json" {
		return false
	}
	paths := maps.Clone(known)
	paths[path] = m.pathTransform(k, false)
	args := maps.Clone(e.Transform.Args)
	args["paths"] = paths
	spec := transform.Spec{Name: "json", Args: args}
	if m.fits(spec, src, c, e.Kind) != nil {
		return false
	}
	e.Transform = spec
	e.Paths = slices.DeleteFunc(slices.Clone(e.Paths), func(o Path) bool { return o.Path == path && !o.Keys })
	if e.note(path, false).Kind != k || reason != "" {
		e.Paths = append(e.Paths, Path{Path: path, Kind: k, Reason: reason})
		sortPaths(e.Paths)
	}
	if k != personal.None && e.Class == personal.Harmless {
		e.Kind, e.Class = personal.Text, personal.FreeText
	}
	return true
}

// answer decides a column, and with it all that must become the same.
func (p *Plan) answer(db *catalog.Database, m *maker, t *Table, src *catalog.Table, c *catalog.Column, k personal.Kind, reason string) bool {
	h := hold(db, p)
	d := h.proposal.by[src.Name]
	root := h.joined.of(node{d, d.index[c.Name]})
	var group []node
	for _, d := range h.tables {
		for i := range d.entry.Columns {
			if n := (node{d, i}); h.joined.of(n) == root && d.fixed[i] {
				group = append(group, n)
			}
		}
	}
	spec, ok := m.choose(src, c, k, t.Subject != "")
	if len(group) > 1 && k != personal.None {
		spec, ok = m.chooseFor(group, k)
	}
	if !ok {
		return false
	}
	for _, n := range group {
		if e := p.Table(n.t.src.Name).Column(n.entry().Name); e != nil {
			e.Kind, e.Class, e.Transform, e.Paths, e.Reason, e.Question = k, k.Class(), spec, nil, reason, ""
		}
	}
	return true
}
