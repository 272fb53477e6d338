package plan

import (
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
)

// links joins columns that must get the same replacement.
type links map[node]node

// of finds the column that stands for all that are joined with n.
func (l links) of(n node) node {
	for {
		up, ok := l[n]
		if !ok || up == n {
			return n
		}
		if further, ok := l[up]; ok {
			l[n] = further
		}
		n = up
	}
}

func (l links) join(a, b node) {
	if a, b = l.of(a), l.of(b); a != b {
		l[a] = b
	}
}

// node returns a column, false when there is none: of a table that is not read, or generated.
func (p *proposal) node(table *draft, column string) (node, bool) {
	if table == nil {
		return node{}, false
	}
	i, ok := table.index[column]
	return node{table, i}, ok
}

// keys gives the columns on both sides of foreign keys the same transformer, and rows that speak of persons other keys.
func (p *proposal) keys() {
	l, targets, linked := links{}, map[node]bool{}, map[node]bool{}
	p.references(l, targets, linked, map[node]node{})
	var order []node
	groups := map[node][]node{}
	for _, d := range p.tables {
		for i := range d.entry.Columns {
			n := node{d, i}
			if name := d.entry.Columns[i].Name; !linked[n] && (!slices.Contains(d.src.Key, name) || len(d.src.Key) > 1 && !named(name)) {
				continue
			}
			root := l.of(n)
			if groups[root] == nil {
				order = append(order, root)
			}
			groups[root] = append(groups[root], n)
		}
	}
	rekeyed := false
	for _, root := range order {
		group := groups[root]
		p.agree(group, targets)
		rekeyed = rekeyed || slices.ContainsFunc(group, func(n node) bool { return n.entry().Transform.Name == "rekey" })
	}
	if rekeyed {
		p.dangling(linked)
	}
}

// references joins columns with what they refer to, by foreign keys or by name.
func (p *proposal) references(l links, targets, linked map[node]bool, refers map[node]node) {
	for _, d := range p.tables {
		for _, f := range d.src.Foreign {
			for i := range f.Columns {
				from, ok := p.node(d, f.Columns[i])
				to, there := p.node(p.by[f.To], f.ToColumns[i])
				if ok && there {
					l.join(from, to)
					targets[to], linked[from], linked[to], refers[from] = true, true, true, to
				}
			}
		}
	}
	p.undeclared(l, targets, linked, refers)
}

// agree gives the columns of a group one transformer.
func (p *proposal) agree(group []node, targets map[node]bool) {
	first := group[0] // whose entry the others follow: decided before, then what is referred to
	rank := func(n node) int {
		switch {
		case n.fixed() && targets[n]:
			return 0
		case n.fixed():
			return 1
		case targets[n]:
			return 2
		}
		return 3
	}
	for _, n := range group[1:] {
		if rank(n) < rank(first) {
			first = n
		}
	}
	lead := *first.entry()
	if !first.fixed() {
		for _, n := range group { // the most careful of them
			if careful(n.entry().Kind) < careful(lead.Kind) {
				lead.Kind, lead.Class = n.entry().Kind, n.entry().Class
			}
		}
		switch {
		case lead.Kind == personal.None:
			lead.Transform = transform.Spec{Name: "keep"}
			if s := (transform.Spec{Name: "rekey"}); p.personalKey(group, targets) && p.maker.fitsAll(s, group, personal.None) {
				lead.Transform = s
			}
		case len(group) > 1:
			spec, ok := p.maker.chooseFor(group, lead.Kind)
			if !ok {
				lead.Question = "No one transformer for " + string(lead.Kind) + " fits all columns that refer to each other here."
				spec = transform.Spec{Name: "keep"}
			}
			lead.Transform = spec
		}
	}
	for _, n := range group {
		if n.fixed() {
			continue
		}
		e := n.entry()
		e.Kind, e.Class, e.Transform, e.Paths = lead.Kind, lead.Class, lead.Transform, nil
		switch {
		case n == first:
			e.Question = lead.Question
		case strings.HasPrefix(e.Question, changed):
		default:
			e.Question = ""
		}
		if err := p.maker.fits(e.Transform, n.t.src, n.column(), e.Kind); err != nil {
			e.Question = "It must become what " + first.t.src.Name.String() + "." + catalog.Quote(first.entry().Name) + " becomes, whose transformer does not fit here."
		}
	}
}

// personalKey reports whether a group of keys belongs to rows that speak of persons, and is one that says nothing by itself.
func (p *proposal) personalKey(group []node, targets map[node]bool) bool {
	about := false
	if !slices.ContainsFunc(group, func(n node) bool {
		return named(n.entry().Name) || len(n.t.src.Key) == 1 && n.t.src.Key[0] == n.entry().Name
	}) {
		return false // the second part of a key, such as the number of a line
	}
	for _, n := range group {
		switch n.family() {
		case transform.Integer, transform.Number, transform.UUID:
		case transform.Text: // an identifier that is no word: of 19 signs and more
			if c := n.column(); c.Length > 0 && c.Length < 19 || len(c.Checks) > 0 || !named(c.Name) {
				return false
			}
		default:
			return false
		}
		if targets[n] || len(group) == 1 {
			about = about || n.t.about
		}
	}
	return about
}

// named tells the name of a key.
func named(column string) bool {
	c := strings.ToLower(column)
	return c == "id" || c == "uuid" || c == "guid" || strings.HasSuffix(c, "_id") || strings.HasSuffix(c, "uuid") || strings.HasSuffix(column, "Id") || strings.HasSuffix(column, "ID")
}

// undeclared joins columns that by their name refer to a table, without a foreign key: member_id to member or members.
func (p *proposal) undeclared(l links, targets, linked map[node]bool, refers map[node]node) {
	byTable := map[string][]*draft{}
	for _, d := range p.tables {
		if len(d.src.Key) == 1 && named(d.src.Key[0]) {
			name := strings.ToLower(strings.ReplaceAll(d.src.Name.Table, "_", ""))
			byTable[name] = append(byTable[name], d)
		}
	}
	for _, d := range p.tables {
		for i := range d.entry.Columns {
			from := node{d, i}
			stem, ok := stemOf(d.entry.Columns[i].Name)
			if k, sure := d.kindOf(i); linked[from] || !ok || d.fixed[i] && !p.held || k != personal.None || !sure {
				continue
			}
			var to *draft
			for _, plural := range []string{stem, stem + "s", stem + "es", strings.TrimSuffix(stem, "y") + "ies"} {
				for _, t := range byTable[plural] {
					if to == nil || t.src.Name.Schema == d.src.Name.Schema && to.src.Name.Schema != d.src.Name.Schema {
						to = t
					}
				}
			}
			if to == nil {
				continue
			}
			if n, ok := p.node(to, to.src.Key[0]); ok && n != from && n.family() == from.family() {
				l.join(from, n)
				targets[n], linked[from], linked[n], refers[from] = true, true, true, n
			}
		}
	}
}

// stemOf cuts the ending of a reference off: memberId gives member.
func stemOf(column string) (string, bool) {
	for _, ending := range []string{"_id", "_uuid", "Id", "ID"} {
		if stem, ok := strings.CutSuffix(column, ending); ok && stem != "" {
			return strings.ToLower(strings.ReplaceAll(stem, "_", "")), true
		}
	}
	return "", false
}

// dangling gives other keys to columns that refer to a table that nobody names, since keys of persons may stand there.
func (p *proposal) dangling(linked map[node]bool) {
	for _, d := range p.tables {
		for i := range d.entry.Columns {
			n := node{d, i}
			e := n.entry()
			if _, ok := stemOf(e.Name); !ok || linked[n] || n.fixed() || e.Question != "" || e.Kind != personal.None || e.Transform.Name != "keep" {
				continue
			}
			if f := n.family(); f != transform.Integer && f != transform.UUID {
				continue
			}
			if s := (transform.Spec{Name: "rekey"}); p.maker.fits(s, d.src, n.column(), personal.None) == nil {
				e.Transform, e.Reason = s, "it may name a row of a table whose keys are replaced; the schema does not say which"
			}
		}
	}
}
