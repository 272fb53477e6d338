package estate

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Anonymised says that developers are given a copy of a database in which nobody is to be found. docs/anonymise.md.
type Anonymised struct {
	Plan       []byte        // anonymise.yaml: what becomes of every column
	Reader     Secret        // address of the database or of a replica, as a role that only reads and sees every row
	Target     Secret        // address of a database that is always there, in another cluster, as a role that makes databases
	Issuer     Secret        // the same cluster, as a role that makes roles: the developers' credentials are issued by it
	System     string        // identifier of that cluster
	Name       string        // under which the copy is served
	Developers []string      // roles there that may work in it
	Every      time.Duration // from one copy to the next; 0: back to back
	MaxAge     time.Duration // that the data in the copy may have
	PauseAbove int           // active sessions of the source above which a run waits; 0: it never does
}

// What holds unless told, and the bounds.
const (
	DefaultCopyEvery = 24 * time.Hour
	MaxCopyEvery     = 31 * day
	MinCopyAge       = 10 * time.Second
	MaxCopyAge       = 62 * day
	MaxPauseAbove    = 10000
	backToBack       = "back-to-back"
)

// The measures that lean on the copies.
const (
	segTaken      = "SEG-6"
	segOffered    = "SEG-7"
	segUnattended = "SEG-8"
	anoPersons    = "ANO-1"
)

func copyMeasures() []string {
	return []string{anoPersons, clsLabels, segTaken, segOffered, segUnattended}
}

// WithCopies lists the databases of which anonymised copies are made.
func (e *Estate) WithCopies() []*Database {
	return e.DatabasesWhere(func(d *Database) bool { return d.Anonymised != nil })
}

func (p *parser) anonymised(n *yaml.Node, at string) *Anonymised {
	if n == nil {
		return nil
	}
	values := p.fields(n, at, "plan", "reader", "target", "issuer", "system", "name", "developers", "every", "max_age", "pause_above")
	if values == nil {
		return nil
	}
	a := &Anonymised{Every: DefaultCopyEvery}
	if plan := p.required(n, values, at, "plan", "Write file:anonymise.yaml, as garant anonymise plan wrote it."); plan != nil {
		a.Plan = p.attached(plan, at+".plan", "The plan stands in a file.", "Write file:anonymise.yaml, as garant anonymise plan wrote it.", func(content []byte) (text, fix string) {
			if o, err := readPlan(content); err != nil || o.root["anonymise"] != 1 || o.root["tables"] == nil {
				return "The file is not a plan of a copy.", "Let garant anonymise plan write it; it says what is wrong in it."
			}
			return "", ""
		})
	}
	a.Reader = p.connection(p.required(n, values, at, "reader", "Write env:NAME or file:/PATH, with the address of a login that only reads and sees every row."), at+".reader")
	a.Target = p.connection(p.required(n, values, at, "target", "Write env:NAME or file:/PATH, with the address of a login that makes databases in the cluster for copies."), at+".target")
	a.Issuer = p.connection(p.required(n, values, at, "issuer", "Write env:NAME or file:/PATH, with the address of a login that makes roles in the cluster for copies."), at+".issuer")
	a.System = p.systemIdentifier(p.required(n, values, at, "system", "Write what SELECT system_identifier FROM pg_control_system() gives in the cluster for copies, in quotes."), at+".system")
	if name := p.required(n, values, at, "name", "Write the name under which developers find the copy, such as shop_dev."); name != nil {
		if a.Name = p.identifier(name, at+".name"); len(a.Name) > 40 {
			p.add(name, at+".name", "The name is too long: runs add to it.", "Use at most 40 bytes.")
		}
	}
	developers := p.required(n, values, at, "developers", "List the roles that may work in the copy, such as [dev].")
	a.Developers = p.developers(developers, at+".developers")
	if developers != nil && len(a.Developers) == 0 {
		p.add(developers, at+".developers", "Nobody may work in the copy.", "List the roles that may, such as [dev].")
	}
	if v := values["every"]; v != nil && strings.TrimSpace(v.Value) == backToBack {
		a.Every = 0
	} else if v != nil {
		a.Every = p.duration(v, at+".every", time.Second, MaxCopyEvery)
	}
	if v := p.required(n, values, at, "max_age", "Write how old the data in the copy may be, such as 36h."); v != nil {
		a.MaxAge = p.duration(v, at+".max_age", MinCopyAge, MaxCopyAge)
		if a.MaxAge > 0 && a.MaxAge <= a.Every {
			p.add(v, at+".max_age", "A copy would be too old before the next one is due.", "Write more than every: a run takes its time too.")
		}
	}
	if v := values["pause_above"]; v != nil {
		a.PauseAbove = p.number(v, at+".pause_above", 1, MaxPauseAbove)
	}
	return a
}

// planOutline is what an estate has to know of anonymise.yaml: enough to tell when it protects less. The
// whole is read by package plan of engine anonymise.
type planOutline struct {
	root map[string]any
}

func readPlan(content []byte) (planOutline, error) {
	var o planOutline
	err := yaml.NewDecoder(bytes.NewReader(content)).Decode(&o.root)
	return o, err
}

// entries are all decisions of the plan, by the path that leads to them. What is only said, and questions,
// which stop a copy, are none.
func (o planOutline) entries() map[string]string {
	found := map[string]string{}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, one := range v {
				if key != "reason" && key != "question" {
					walk(at+"\x00"+key, one)
				}
			}
		default:
			text, _ := yaml.Marshal(v)
			found[at] = string(text)
		}
	}
	walk("", o.root)
	return found
}

// has reports whether the plan still speaks of what a decision was about: a plan that no longer knows a table, a column
// or a path stops the run itself while the database has it.
func (o planOutline) has(at string) bool {
	steps := strings.Split(at, "\x00")[1:]
	if steps[0] != "tables" {
		return true
	}
	var v any = o.root
	for i, step := range steps {
		m, ok := v.(map[string]any)
		if !ok {
			return true
		}
		if v, ok = m[step]; !ok {
			return i == 0 || !slices.Contains([]string{"tables", "columns", "paths"}, steps[i-1])
		}
	}
	return true
}

// planLoosened reports whether a decision that was taken is another now: whoever wants a value to stay as it is changes
// one. What is new may be added by one person: proofs hold it.
func planLoosened(x, now *Anonymised) bool {
	if bytes.Equal(x.Plan, now.Plan) {
		return false
	}
	was, err := readPlan(x.Plan)
	if err != nil {
		return false // nothing was promised
	}
	next, err := readPlan(now.Plan)
	if err != nil {
		return true
	}
	entries := next.entries()
	for at, decided := range was.entries() {
		if entries[at] != decided && next.has(at) {
			return true
		}
	}
	return false
}

func shownPlan(a *Anonymised) string {
	o, err := readPlan(a.Plan)
	if err != nil {
		return "unreadable"
	}
	tables, _ := o.root["tables"].(map[string]any)
	return strconv.Itoa(len(tables)) + " tables, " + strconv.Itoa(len(o.entries())) + " decisions"
}

func shownAnonymised(d Database) string {
	if d.Anonymised == nil {
		return ""
	}
	return d.Anonymised.Name
}

func shownEvery(a *Anonymised) string {
	if a.Every == 0 {
		return backToBack
	}
	return FormatDuration(a.Every)
}

// anonymisedFacets is what of the section is compared: what the copy must do to values, how old it may be, where it is
// and who makes it.
func anonymisedFacets() []databaseFacet {
	of := func(show func(*Anonymised) string) func(Database) string {
		return func(d Database) string {
			if d.Anonymised == nil {
				return ""
			}
			return show(d.Anonymised)
		}
	}
	both := func(reduced func(x, now *Anonymised) bool) func(x, now Database) bool {
		return func(x, now Database) bool {
			return x.Anonymised != nil && now.Anonymised != nil && reduced(x.Anonymised, now.Anonymised)
		}
	}
	on := func(measures ...string) func(Database) []string { return func(Database) []string { return measures } }
	keep := func(set func(to, x *Anonymised)) func(to *Database, x Database) {
		return func(to *Database, x Database) {
			copied := *to.Anonymised // an estate is never changed
			set(&copied, x.Anonymised)
			to.Anonymised = &copied
		}
	}
	place := func(a *Anonymised) string {
		return strings.Join([]string{a.Reader.reference(), a.Target.reference(), a.Issuer.reference(), a.System, a.Name}, ", ")
	}
	developers := func(a *Anonymised) string { return sorted(a.Developers) }
	age := func(a *Anonymised) string { return FormatDuration(a.MaxAge) }
	return []databaseFacet{
		{"anonymised", TargetRemoved, shownAnonymised, func(x, now Database) bool { return x.Anonymised != nil && now.Anonymised == nil }, on(copyMeasures()...),
			func(to *Database, x Database) { to.Anonymised = x.Anonymised }},
		{"anonymised.plan", Weakened, of(shownPlan), both(planLoosened), on(anoPersons, clsLabels),
			keep(func(to, x *Anonymised) { to.Plan = x.Plan })},
		{"anonymised.place", Replaced, of(place), both(func(x, now *Anonymised) bool { return place(x) != place(now) }), on(copyMeasures()...),
			keep(func(to, x *Anonymised) {
				to.Reader, to.Target, to.Issuer, to.System, to.Name = x.Reader, x.Target, x.Issuer, x.System, x.Name
			})},
		{"anonymised.developers", Weakened, of(developers), both(func(x, now *Anonymised) bool { return lacks(x.Developers, now.Developers) }), on(segOffered),
			keep(func(to, x *Anonymised) { to.Developers = slices.Clone(x.Developers) })},
		{"anonymised.every", Weakened, of(shownEvery), both(func(x, now *Anonymised) bool { return now.Every > x.Every }), on(segTaken),
			keep(func(to, x *Anonymised) { to.Every = x.Every })},
		{"anonymised.max_age", Weakened, of(age), both(func(x, now *Anonymised) bool { return now.MaxAge > x.MaxAge }), on(segTaken),
			keep(func(to, x *Anonymised) { to.MaxAge = x.MaxAge })},
	}
}

// CopyWaits reports whether a second person still has to confirm what somebody changed of the plan or of where the copy stands: no copy is made by it until then.
func (d Database) CopyWaits(pending []Reduction) bool {
	return slices.ContainsFunc(pending, func(r Reduction) bool {
		return r.Key == "databases."+d.Name+".anonymised.plan" || r.Key == "databases."+d.Name+".anonymised.place"
	})
}
