package plan

import (
	"cmp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/detect"
	"github.com/garant-project/garant/internal/engine/anonymise/names"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
)

// Samples are values of a database's columns in text form, by table (a partitioned one by its root) and column.
type Samples map[catalog.Name]map[string][]string

// Options are what a new plan cannot know from the database.
type Options struct {
	Language string // empty: fr-FR
	Country  string // empty: that of the language
}

// Propose writes a plan for a database: the same database and samples, the same plan.
func Propose(db *catalog.Database, samples Samples, o Options) Plan {
	p := propose(db, samples, &Plan{Language: cmp.Or(o.Language, string(names.FrenchFrance)), Country: o.Country, LargeObjects: NoRows})
	return p.plan()
}

// proposal is a plan in the making. What an older plan says of columns that are as they were stands.
type proposal struct {
	old     *Plan
	samples Samples
	maker   *maker
	tables  []*draft
	by      map[catalog.Name]*draft
	held    bool // a plan is held to its database as it is: what columns hold is not looked at
}

// draft is the entry of a table in the making. Its columns are those of the table that are not generated, in their order.
type draft struct {
	src     *catalog.Table
	entry   Table
	index   map[string]int  // of columns of the entry
	results []detect.Result // of each column of the entry
	fixed   []bool          // columns that an older plan has decided
	known   bool            // an older plan has the table
	person  bool            // rows are persons
	about   bool            // rows speak of persons
}

// node is a column of a draft.
type node struct {
	t *draft
	i int
}

func (n node) entry() *Column          { return &n.t.entry.Columns[n.i] }
func (n node) column() *catalog.Column { return n.t.src.Column(n.entry().Name) }
func (n node) result() *detect.Result  { return &n.t.results[n.i] }
func (n node) fixed() bool             { return n.t.fixed[n.i] }
func (n node) family() transform.Family {
	return transform.FamilyOf(n.column().Type)
}

func propose(db *catalog.Database, samples Samples, old *Plan) *proposal {
	p := &proposal{old: old, samples: samples, maker: newMaker(old.Language, old.Country), by: map[catalog.Name]*draft{}}
	planned := db.Planned()
	p.tables = make([]*draft, len(planned))
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(planned)) {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(planned)); i = next.Add(1) - 1 {
				p.tables[i] = p.draft(planned[i])
			}
		})
	}
	all.Wait()
	p.index(db)
	p.subjects()
	for _, d := range p.tables {
		for i := range d.entry.Columns {
			if n := (node{d, i}); n.fixed() {
				p.extend(n)
			} else {
				p.decide(n)
			}
		}
	}
	p.keys()
	p.empty()
	return p
}

// index lists the drafts by name. What refers to a partition refers to its root.
func (p *proposal) index(db *catalog.Database) {
	for _, d := range p.tables {
		p.by[d.src.Name] = d
	}
	for _, t := range db.Tables {
		if t.Partition != nil {
			p.by[t.Name] = p.by[*t.Partition]
		}
	}
}

// draft begins the entry of a table with what its columns hold.
func (p *proposal) draft(t *catalog.Table) *draft {
	d := &draft{src: t, entry: Table{Name: t.Name, Rows: AllRows}, index: map[string]int{}}
	before := p.old.Table(t.Name)
	if before != nil {
		d.known = true
		d.entry = *before
		d.entry.Columns = nil
	}
	all := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		all[i] = c.Name
	}
	var beside *detect.Names
	if !p.held {
		beside = detect.NamesOf(all)
	}
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.Generated {
			continue
		}
		entry := Column{Name: c.Name, Type: c.Declared}
		fixed := false
		if before != nil {
			if was := before.Column(c.Name); was != nil && was.Type == c.Declared {
				entry, fixed = *was, true
			}
		}
		d.index[c.Name] = len(d.entry.Columns)
		d.entry.Columns = append(d.entry.Columns, entry)
		var found detect.Result
		if !p.held {
			found = look(t, c, beside, p.samples[t.Name][c.Name])
		}
		d.results = append(d.results, found)
		d.fixed = append(d.fixed, fixed)
	}
	return d
}

// kindOf is the kind of a column as far as it is decided.
func (d *draft) kindOf(i int) (k personal.Kind, sure bool) {
	if d.fixed[i] {
		return d.entry.Columns[i].Kind, d.entry.Columns[i].Question == ""
	}
	return d.results[i].Kind, !d.results[i].Question()
}

// subjects finds the tables of persons, and the columns that name the person a row speaks of.
func (p *proposal) subjects() {
	own := map[*draft]bool{} // persons that are no part of another's data: they sign in, or have a birthday
	for _, d := range p.tables {
		if len(d.src.Key) != 1 {
			continue
		}
		for i := range d.entry.Columns {
			k, sure := d.kindOf(i)
			if !sure {
				continue
			}
			unique := d.src.Column(d.entry.Columns[i].Name).Unique
			switch k {
			case personal.GivenName, personal.FamilyName, personal.FullName:
				d.person = true
			case personal.BirthDate, personal.NationalNumber:
				d.person, own[d] = true, true
			case personal.Email, personal.Username:
				d.person, own[d] = d.person || unique, own[d] || unique
			}
		}
	}
	for _, d := range p.tables {
		if d.known {
			continue
		}
		if d.person {
			d.entry.Subject = d.src.Key[0]
		}
		if own[d] {
			continue
		}
		for _, f := range d.src.Foreign {
			to := p.by[f.To]
			if to != nil && to != d && to.person && len(f.Columns) == 1 && f.ToColumns[0] == to.src.Key[0] && !ofAudit(f.Columns[0]) {
				d.entry.Subject = f.Columns[0]
				break
			}
		}
	}
	// What refers to a person, or to what refers to one, speaks of persons. A list of places does not.
	pointed := map[*draft]bool{}
	for _, d := range p.tables {
		for _, f := range d.src.Foreign {
			if to := p.by[f.To]; to != d {
				pointed[to] = true
			}
		}
	}
	for _, d := range p.tables {
		d.about = d.person || d.entry.Subject != ""
		var places []string
		for i := range d.entry.Columns {
			k, sure := d.kindOf(i)
			if k == personal.Town || k == personal.Postcode {
				places = append(places, d.entry.Columns[i].Name)
			} else if sure && (k.Class() == personal.Identifier || k.Class() == personal.Quasi || k == personal.Special) {
				d.about = true
			}
		}
		d.about = d.about || len(places) > 0 && !pointed[d] && !slices.ContainsFunc(d.src.Unique, func(set []string) bool { return slices.Contains(set, places[0]) })
	}
	for again := true; again; {
		again = false
		for _, d := range p.tables {
			for _, f := range d.src.Foreign {
				if to := p.by[f.To]; !d.about && to != nil && to.about && !ofAudit(f.Columns[0]) {
					d.about, again = true, true
				}
			}
		}
	}
}

// ofAudit tells a column that says who last touched a row: of a list of countries too, which speaks of nobody.
func ofAudit(column string) bool {
	for _, w := range strings.FieldsFunc(strings.ToLower(column), func(c rune) bool { return c == '_' || c == ' ' }) {
		switch w {
		case "by", "created", "updated", "modified", "deleted", "creator", "updater", "editor", "createdby", "updatedby", "modifiedby":
			return true
		}
	}
	return false
}

// decide fills the entry of a column by what it holds.
func (p *proposal) decide(n node) {
	t, c, e, r := n.t.src, n.column(), n.entry(), n.result()
	e.Class, e.Kind = r.Class, r.Kind
	if r.Question() {
		e.Question = ask(r)
	}
	if before := p.old.Table(t.Name); before != nil {
		if was := before.Column(c.Name); was != nil {
			if p.maker.fits(was.Transform, t, c, was.Kind) == nil {
				*e = *was
				e.Type = c.Declared
			} else if spec, ok := p.maker.choose(t, c, r.Kind, n.t.entry.Subject != ""); ok {
				e.Transform = spec
			}
			e.Question = changed + was.Type + " and is " + c.Declared + ": does the entry still stand?"
			return
		}
	}
	if spec, paths, ok := p.maker.document(t, c, r); ok {
		e.Transform, e.Paths = spec, paths
		if personalPaths(r) {
			e.Class, e.Kind = personal.FreeText, personal.Text
		}
		return
	}
	if transform.FamilyOf(c.Type) == transform.JSON && r.Question() {
		e.Question = "What do its documents hold? Plan with samples lists their paths under transform: json; suppress leaves nothing of them."
	}
	spec, ok := p.maker.choose(t, c, r.Kind, n.t.entry.Subject != "")
	e.Transform = spec
	if !ok {
		e.Question = "No transformer for " + string(r.Kind) + " fits type " + c.Declared + " as it is constrained here: write one, such as sql, or keep with a reason. " + because(r)
	}
}

// changed begins the question that a type asks which is another.
const changed = "The type was "

// personalPaths reports whether a document holds anything of persons.
func personalPaths(r *detect.Result) bool {
	return slices.ContainsFunc(r.Paths, func(p detect.Path) bool { return p.Kind != personal.None })
}

// plan returns the proposal as a plan.
func (p *proposal) plan() Plan {
	out := Plan{Language: p.old.Language, Country: p.old.Country, LargeObjects: p.old.LargeObjects}
	for _, d := range p.tables {
		t := d.entry
		if t.Rows == NoRows {
			t.Columns = slices.DeleteFunc(slices.Clone(t.Columns), func(c Column) bool { return !d.fixed[d.index[c.Name]] })
			if len(t.Columns) == 0 {
				t.Columns, t.Subject = nil, ""
			}
		}
		out.Tables = append(out.Tables, t)
	}
	out.Persons = p.persons()
	out.sort()
	return out
}

// persons lists where somebody could be found again by what is left.
func (p *proposal) persons() []Identity {
	var out []Identity
	for _, d := range p.tables {
		if d.entry.Rows == NoRows || !d.about && p.old.identity(d.src.Name) == nil {
			continue
		}
		i := Identity{Table: d.src.Name, K: 5}
		if was := p.old.identity(d.src.Name); was != nil {
			i = *was
			i.Quasi, i.Sensitive = slices.Clone(was.Quasi), slices.Clone(was.Sensitive)
			gone := func(name string) bool { _, ok := d.index[name]; return !ok }
			i.Quasi, i.Sensitive = slices.DeleteFunc(i.Quasi, gone), slices.DeleteFunc(i.Sensitive, gone)
		}
		for j := range d.entry.Columns {
			c := &d.entry.Columns[j]
			switch {
			case c.Class == personal.Quasi && remains(c.Transform) && !slices.Contains(i.Quasi, c.Name):
				i.Quasi = append(i.Quasi, c.Name)
			case c.Class == personal.Sensitive && remains(c.Transform) && c.Kind != personal.Credential && !slices.Contains(i.Sensitive, c.Name):
				i.Sensitive = append(i.Sensitive, c.Name)
				i.L = max(i.L, 2)
			}
		}
		if len(i.Quasi) > 0 {
			out = append(out, i)
		}
	}
	return out
}

// remains reports whether something of a value is left that leads back to it.
func remains(s transform.Spec) bool {
	switch s.Name {
	case "suppress", "constant", "file", "credential":
		return false
	}
	return s.Args["by"] != "subject"
}

func (p *Plan) identity(n catalog.Name) *Identity {
	i := slices.IndexFunc(p.Persons, func(i Identity) bool { return i.Table == n })
	if i < 0 {
		return nil
	}
	return &p.Persons[i]
}
