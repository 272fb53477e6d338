package plan

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
)

// LinkBy says what of a row is in the copy and in production alike.
type LinkBy string

// What links.
const (
	ByKey       LinkBy = "key"       // a key, or a reference to one, is what it was
	ByTime      LinkBy = "time"      // a time of day is what it was
	ByInterval  LinkBy = "interval"  // all times of one person moved together: what lies between them is what it was
	ByAmount    LinkBy = "amount"    // a number is what it was, or nearly
	ByUnique    LinkBy = "unique"    // many different values, as the statistics know, and each is what it was
	ByText      LinkBy = "text"      // sentences are what they were, but for who is named in them
	ByDocument  LinkBy = "document"  // a whole document is what it was
	ByReference LinkBy = "reference" // rows that are known by their keys say which person wrote them
	ByPersonal  LinkBy = "personal"  // personal data is what it was
	ByUnjudged  LinkBy = "unjudged"  // an expression or a program gives what nobody but the plan's reader knows
)

// A Link is a value by which somebody who can query production may find the row that a row of the copy was made from.
type Link struct {
	Table  catalog.Name
	Column string
	Path   string // of a document; empty: the column
	By     LinkBy
	Line   int
}

// Where names the value.
func (l Link) Where() string { return Problem{Table: l.Table, Column: l.Column, Path: l.Path}.Where() }

// Linkable lists what the plan leaves of rows that speak of persons, or name one, by which a row can be joined with production. The plan has to pass Check: what
// it does not know is not listed. Nothing means that no id, time, amount, sentence or near-unique value is left; what several coarse values say together is not
// judged here but by what is measured under persons.
func (p *Plan) Linkable(db *catalog.Database) []Link {
	var out []Link
	h := hold(db, p)
	for _, d := range h.tables {
		if d.entry.Rows == NoRows {
			continue
		}
		for i := range d.entry.Columns {
			out = append(out, h.links(node{d, i})...)
		}
	}
	return out
}

// held is a plan beside its database, without a look at what columns hold.
type held struct {
	*proposal
	joined  links
	targets map[node]bool
	refers  map[node]node // of a reference: the column that it leads to
}

func hold(db *catalog.Database, p *Plan) *held {
	pr := &proposal{old: p, maker: newMaker(p.Language, p.Country), by: map[catalog.Name]*draft{}, held: true}
	for _, t := range db.Planned() {
		pr.tables = append(pr.tables, pr.draft(t))
	}
	pr.index(db)
	pr.subjects()
	h := &held{proposal: pr, joined: links{}, targets: map[node]bool{}, refers: map[node]node{}}
	pr.references(h.joined, h.targets, map[node]bool{}, h.refers)
	return h
}

// links says how a column links.
func (h *held) links(n node) []Link {
	e := n.entry()
	link := Link{Table: n.t.src.Name, Column: e.Name, Line: e.Line}
	if !n.t.about {
		if to, ok := h.refers[n]; ok && to.t.about && to.t.entry.Rows != NoRows && remains(e.Transform) {
			link.By = ByReference
			return []Link{link}
		}
		return nil
	}
	if e.Transform.Name == "json" {
		return h.inDocument(n, link)
	}
	if link.By = h.by(n); link.By == "" {
		return nil
	}
	return []Link{link}
}

func (h *held) by(n node) LinkBy {
	e, family := n.entry(), n.elements()
	if by := coarse(e.Transform, family == transform.Timestamp && n.t.entry.Subject != "", e.Reason); by != "keep" {
		return by
	}
	c := n.column()
	to, refers := h.refers[n]
	few := c.Distinct > 0 && c.Distinct <= 100 // and at least ten rows for each: PostgreSQL writes more of them as a part of the rows
	switch {
	case e.Class != personal.Harmless:
		return ByPersonal
	case family == transform.JSON:
		return ByDocument
	case family == transform.Timestamp:
		return ByTime
	case refers && !to.t.about, family == transform.Boolean, len(c.Labels) > 0:
		return "" // a list, which says the same of many rows
	case refers, family == transform.UUID, len(n.t.src.Key) == 1 && n.t.src.Key[0] == c.Name:
		return ByKey
	case n.alone():
		return ByKey
	case c.Unique && !few:
		return ByKey
	case (named(c.Name) || strings.HasSuffix(strings.ToLower(c.Name), "by")) && family != transform.Date && !few:
		return ByKey
	case family == transform.Number, c.Type == "money", family == transform.Integer && ofAmount(c.Name) && !few:
		return ByAmount
	case family != transform.Date && (c.Distinct < 0 || c.Distinct > 1000):
		return ByUnique
	}
	return ""
}

// coarse judges what is no plain keep; "keep" when it is one.
func coarse(s transform.Spec, together bool, reason string) LinkBy {
	number := func(name string) int64 {
		switch v := s.Args[name].(type) {
		case int:
			return int64(v)
		case int64:
			return v
		}
		return 0
	}
	switch s.Name {
	case "keep":
		return "keep"
	case "date_shift":
		if together {
			return ByInterval
		}
	case "generalise":
		if band := number("band"); band > 0 && band < 10 || number("digits") > 2 {
			return ByAmount
		}
	case "free_text":
		if s.Args["replace"] != "all" {
			return ByText
		}
	case "sql", "subprocess":
		if reason == "" {
			return ByUnjudged
		}
	}
	return ""
}

// inDocument judges paths by the names of their last keys; what their values are the plan does not know.
func (h *held) inDocument(n node, link Link) (out []Link) {
	paths, _ := n.entry().Transform.Args["paths"].(map[string]any)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		s, ok := paths[path].(transform.Spec)
		if !ok {
			continue
		}
		last := lastKey(path)
		dated := last == "date" || last == "time" || last == "timestamp" || strings.HasSuffix(last, "_at") || strings.HasSuffix(last, "At") || strings.HasSuffix(strings.ToLower(last), "date") ||
			strings.HasSuffix(strings.ToLower(last), "time")
		link.Path = path
		link.By = coarse(s, n.t.entry.Subject != "" && dated, n.entry().note(path, false).Reason)
		if link.By == "keep" {
			switch note := n.entry().note(path, false); {
			case note.Kind != personal.None:
				link.By = ByPersonal
			case dated:
				link.By = ByTime
			case named(last):
				link.By = ByKey
			case ofAmount(last):
				link.By = ByAmount
			default:
				continue
			}
		}
		if link.By != "" {
			out = append(out, link)
		}
	}
	return out
}

func lastKey(path string) string {
	steps := slices.DeleteFunc(stepsOf(path), func(s string) bool { return s == "[]" })
	if len(steps) == 0 {
		return ""
	}
	return strings.Trim(steps[len(steps)-1], `"`)
}

// elements is the family of a column, or of the elements of an array.
func (n node) elements() transform.Family {
	return transform.FamilyOf(strings.TrimSuffix(n.column().Type, "[]"))
}

// alone reports whether a column is unique by itself.
func (n node) alone() bool {
	name := n.entry().Name
	return slices.ContainsFunc(n.t.src.Unique, func(set []string) bool { return len(set) == 1 && set[0] == name })
}

// ofAmount tells the name of a number that differs from row to row.
func ofAmount(column string) bool {
	for _, w := range strings.FieldsFunc(strings.ToLower(column), func(c rune) bool { return c < 'a' || c > 'z' }) {
		switch w {
		case "amount", "total", "subtotal", "price", "cents", "cost", "fee", "balance", "salary", "revenue", "income", "turnover", "paid", "due", "tax", "vat", "discount", "budget", "sum", "weight",
			"montant", "prix", "solde", "salaire", "revenu", "tva", "somme", "bedrag", "prijs", "saldo", "btw", "loon", "betrag", "preis", "gehalt", "mwst", "summe", "bytes", "size", "duration", "seconds", "ms", "milliseconds":
			return true
		}
	}
	return false
}

// Unlink returns the plan with other transformers where a column links to production, and the links that none takes away. Keys that stay together are
// replaced together; times keep their day, numbers two digits, sentences their length.
func Unlink(p *Plan, db *catalog.Database) (Plan, []Link) {
	h := hold(db, p)
	for _, l := range p.Linkable(db) {
		d := h.by1(l.Table)
		h.unlink(node{d, d.index[l.Column]}, l)
	}
	out := *p
	out.Tables = slices.Clone(p.Tables)
	for i := range out.Tables {
		if d := h.by1(out.Tables[i].Name); d != nil && len(out.Tables[i].Columns) > 0 {
			out.Tables[i].Columns = slices.Clone(out.Tables[i].Columns)
			for j := range out.Tables[i].Columns {
				if at, ok := d.index[out.Tables[i].Columns[j].Name]; ok && d.fixed[at] {
					out.Tables[i].Columns[j] = d.entry.Columns[at]
				}
			}
		}
	}
	return out, out.Linkable(db)
}

// English says what is left, as a sentence.
func (b LinkBy) English() string {
	switch b {
	case ByKey:
		return "The key is that of production."
	case ByTime:
		return "The time of day is that of production."
	case ByInterval:
		return "All times of one person move together: what lies between them is that of production."
	case ByAmount:
		return "The number is that of production, or close to it."
	case ByUnique:
		return "Nearly every row has a value of its own, and it is that of production."
	case ByText:
		return "The sentences are those of production, but for who is named in them."
	case ByDocument:
		return "The document is that of production."
	case ByReference:
		return "The rows can be known by what is kept, and name a person of the copy."
	case ByPersonal:
		return "Personal data is that of production."
	case ByUnjudged:
		return "What the expression or program leaves is not known here; say in reason that nothing is left to join by."
	}
	return string(b)
}

// Linked tells of each link as a problem, with the lines that take it away where there are some.
func (p *Plan) Linked(db *catalog.Database) []Problem {
	found := p.Linkable(db)
	without, left := Unlink(p, db)
	var out []Problem
	for _, l := range found {
		one := Problem{Code: Links, Table: l.Table, Column: l.Column, Path: l.Path, Line: l.Line, Text: l.By.English() + " Who can query production finds the row."}
		if !slices.ContainsFunc(left, func(o Link) bool { return o.Where() == l.Where() }) {
			e := without.Table(l.Table).Column(l.Column)
			if one.YAML = lines(e); l.Path != "" {
				spec, _ := e.spec(l.Path, false)
				one.YAML = pathLines(spec, e.note(l.Path, false))
			}
		}
		out = append(out, one)
	}
	return out
}

// pathLines writes the entry of a path as it stands in the file.
func pathLines(s transform.Spec, note Path) string {
	one := Column{Transform: transform.Spec{Name: "json", Args: map[string]any{"paths": map[string]any{note.Path: s}}}, Paths: []Path{note}}
	_, line, _ := bytes.Cut(one.documents("        "), []byte("\n"))
	return string(line)
}

func (h *held) by1(n catalog.Name) *draft { return h.proposal.by[n] }

func (h *held) unlink(n node, l Link) {
	type s = transform.Spec
	e, c := n.entry(), n.column()
	day := s{Name: "generalise", Args: map[string]any{"to": "day"}}
	digits := s{Name: "generalise", Args: map[string]any{"digits": 2}}
	all := s{Name: "free_text", Args: map[string]any{"replace": "all"}}
	var try []s
	switch l.By {
	case ByKey:
		if l.Path == "" {
			h.rekey(n)
			return
		}
		try = []s{{Name: "rekey"}, {Name: "hash"}}
	case ByTime, ByInterval:
		try = []s{day}
	case ByAmount:
		try = []s{digits}
	case ByUnique:
		try = []s{digits, {Name: "hash"}}
		if n.elements() == transform.Text {
			try = try[1:]
		}
	case ByText:
		try = []s{all}
	case ByReference:
		if !c.NotNull {
			try = []s{{Name: "suppress"}}
		}
	}
	for _, spec := range try {
		if l.Path != "" {
			args := maps.Clone(e.Transform.Args)
			paths := maps.Clone(args["paths"].(map[string]any)) //nolint:forcetypeassert // it was listed from it
			paths[l.Path], args["paths"] = spec, paths
			spec = s{Name: "json", Args: args}
		} else if checked(c) && (spec.Name == "hash" || spec.Name == "free_text") {
			continue // what a check lists is no longer itself
		}
		if h.maker.fits(spec, n.t.src, c, e.Kind) == nil {
			note := e.note(l.Path, false)
			e.Transform = spec
			if l.Path != "" && e.note(l.Path, false).Kind != note.Kind { // what it is stays
				e.Paths = append(slices.Clone(e.Paths), note)
				sortPaths(e.Paths)
			}
			return
		}
	}
	if (l.By == ByTime || l.By == ByInterval) && l.Path == "" && !c.Excluded && n.besideKey() {
		quoted := `"` + strings.ReplaceAll(c.Name, `"`, `""`) + `"`
		e.Transform = s{Name: "sql", Args: map[string]any{"expression": "date_trunc('day', " + quoted + ")"}}
		e.Reason = "the day of it, which the key beside it keeps apart"
	}
}

// besideKey reports whether each unique index of a column has another column that is replaced by other keys.
func (n node) besideKey() bool {
	for _, set := range n.t.src.Unique {
		if slices.Contains(set, n.entry().Name) && !slices.ContainsFunc(set, func(name string) bool {
			i, ok := n.t.index[name]
			return ok && n.t.entry.Columns[i].Transform.Name == "rekey"
		}) {
			return false
		}
	}
	return true
}

// checked reports whether a check lists or shapes the values of a text.
func checked(c *catalog.Column) bool {
	return len(c.Labels) > 0 || slices.ContainsFunc(c.Checks, func(s string) bool { return strings.Contains(s, "'") })
}

// rekey gives a key and all that refers to it another one, where one transformer fits them all.
func (h *held) rekey(n node) {
	root := h.joined.of(n)
	var group []node
	for _, d := range h.tables {
		for i := range d.entry.Columns {
			if m := (node{d, i}); h.joined.of(m) == root {
				if m.entry().Transform.Name != "keep" || checked(m.column()) {
					return // a person decided, or a program knows the values
				}
				group = append(group, m)
			}
		}
	}
	for _, spec := range []transform.Spec{{Name: "rekey"}, {Name: "hash"}} {
		if spec.Name == "rekey" && n.elements() == transform.Text {
			continue // which fits every text, and reads as none of it
		}
		if h.maker.fitsAll(spec, group, personal.None) {
			for _, m := range group {
				m.entry().Transform = spec
			}
			return
		}
	}
}
