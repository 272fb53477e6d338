package estate

import (
	"bytes"
	"fmt"
	"maps"
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

// copiesApart holds that no two copies of a cluster have the same name, and no role is of the developers of two: each would be issued a password of
// its own, and the last one would count.
func (p *parser) copiesApart(databases []Database, nodes []*yaml.Node) {
	names, roles := map[string]string{}, map[string]string{}
	for i, d := range databases {
		a := d.Anonymised
		if a == nil || a.System == "" {
			continue
		}
		at := "databases." + d.Name + ".anonymised"
		if first, taken := names[a.System+"/"+a.Name]; taken {
			p.add(nodes[i], at+".name", "The copy of "+quote(first)+" has the same name in the same cluster.", "Give each copy a name of its own.")
		}
		names[a.System+"/"+a.Name] = d.Name
		for _, role := range a.Developers {
			if first, taken := roles[a.System+"/"+role]; taken {
				p.add(nodes[i], at+".developers", "The role "+quote(role)+" is of the developers of "+quote(first)+" already, in the same cluster.", "Give the developers of each copy a role of their own.")
			}
			roles[a.System+"/"+role] = d.Name
		}
	}
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

// decision is what was decided of one thing.
type decision struct {
	text string
	keep bool // its values stay as they are: no other decision takes less away
	wild bool // a document with a path that speaks of any key
}

// decisions are all that the plan decides, by what it decides of: the plan itself, a table, a column, a path, the persons in a table. What is only said, and questions, which stop a copy, are none.
// Names are compared without quotes and backslashes, since one name can be written in several ways.
func (o planOutline) decisions() map[string]decision {
	found := map[string]decision{}
	put := func(at string, d decision) {
		if was, twice := found[at]; twice { // one thing under two names: which holds is not known here
			lines := []string{was.text, d.text}
			slices.Sort(lines)
			d = decision{text: strings.Join(lines, "\x00")}
		}
		found[at] = d
	}
	var spec func(at string, v any)
	spec = func(at string, v any) {
		entry, ok := mapping(v)
		if !ok {
			name, _, _ := strings.Cut(strings.TrimSpace(canonical(v)), " ")
			put(at, decision{text: canonical(v), keep: name == "keep"})
			return
		}
		d := decision{text: canonical(without(entry, "reason", "question", "paths", "keys")), keep: entry["transform"] == "keep"}
		for _, argument := range []string{"paths", "keys"} {
			paths, ok := mapping(entry[argument])
			if !ok && entry[argument] != nil {
				d.text += canonical(entry[argument])
			}
			for path, one := range paths {
				d.wild = d.wild || strings.Contains(path, "*")
				spec(at+"\x00"+argument+"\x00"+unquoted(path), one)
			}
		}
		put(at, d)
	}
	for key, v := range o.root {
		each, ok := mapping(v)
		switch {
		case key == "tables" && ok:
			for name, v := range each {
				at := "tables\x00" + unquoted(name)
				table, ok := mapping(v)
				if !ok {
					put(at, decision{text: canonical(v)})
					continue
				}
				own := without(table, "reason", "question", "columns")
				put(at, decision{text: canonical(own), keep: len(own) == 0})
				columns, _ := mapping(table["columns"])
				for name, v := range columns {
					spec(at+"\x00columns\x00"+name, v)
				}
			}
		case key == "persons" && ok:
			for name, v := range each {
				put("persons\x00"+unquoted(name), decision{text: canonical(v)})
			}
		default:
			put("\x00"+key, decision{text: canonical(v)})
		}
	}
	return found
}

// mapping is a map of YAML with its keys as text.
func mapping(v any) (map[string]any, bool) {
	switch v := v.(type) {
	case map[string]any:
		return v, true
	case map[any]any:
		m := make(map[string]any, len(v))
		for key, one := range v {
			m[fmt.Sprint(key)] = one
		}
		return m, true
	}
	return nil, false
}

func without(m map[string]any, keys ...string) map[string]any {
	m = maps.Clone(m)
	for _, key := range keys {
		delete(m, key)
	}
	return m
}

func canonical(v any) string {
	text, _ := yaml.Marshal(v)
	return string(text)
}

func unquoted(name string) string { return strings.NewReplacer(`"`, "", `\`, "").Replace(name) }

// planLoosened reports whether a decision that was taken is another now, or is gone: whoever wants a value to stay as it is changes one, or takes one away and comes again with another. What is new may be
// added by one person: proofs hold it. But where a document has a path for any key, a new one takes its place.
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
	decided, decides := was.decisions(), next.decisions()
	for at, d := range decided {
		if n, there := decides[at]; there && n.text != d.text || !there && !d.keep {
			return true
		}
	}
	for at := range decides {
		if _, there := decided[at]; !there && decided[document(at)].wild {
			return true
		}
	}
	return false
}

// document is what a path stands in; empty: at is no path.
func document(at string) string {
	steps := strings.Split(at, "\x00")
	if len(steps) < 6 {
		return ""
	}
	return strings.Join(steps[:len(steps)-2], "\x00")
}

func shownPlan(a *Anonymised) string {
	o, err := readPlan(a.Plan)
	if err != nil {
		return "unreadable"
	}
	tables, _ := o.root["tables"].(map[string]any)
	return strconv.Itoa(len(tables)) + " tables, " + strconv.Itoa(len(o.decisions())) + " decisions"
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

// CopyWaits reports whether a second person still has to confirm what somebody changed of the plan or of where the copy stands: no copy is made by it until then. While somebody took a database or its
// copies away, none is made of any: the same database may have come again under another name, with another plan.
func (d Database) CopyWaits(pending []Reduction) bool {
	return slices.ContainsFunc(pending, func(r Reduction) bool {
		return r.HoldsCopies() && (r.Kind == TargetRemoved || strings.HasPrefix(r.Key, "databases."+d.Name+".anonymised."))
	})
}

// HoldsCopies reports whether some copy is not made until the reduction is confirmed.
func (r Reduction) HoldsCopies() bool {
	if !strings.HasPrefix(r.Key, "databases.") {
		return false
	}
	return strings.HasSuffix(r.Key, ".anonymised.plan") || strings.HasSuffix(r.Key, ".anonymised.place") || r.Kind == TargetRemoved && slices.Contains(r.Measures, segUnattended)
}
