package estate

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Dedicated says that a database is one customer's own: their rows are there and no longer in the
// database that they belong to. docs/dedicated-hosting.md.
type Dedicated struct {
	Of     string // name of the shared database, which has a section tenancy with its manifest
	Tenant string // the customer's key, as the databases have it
	Place  string // where it stands, as the annex says it: "Brussels, BE"
	// Counter and SharedCounter are addresses of logins that policies hide no row from, here and in the shared
	// database: whose rows are where is counted with them, and nothing else is read.
	Counter, SharedCounter Secret
}

// segDedicated is the measure that leans on it.
const segDedicated = "SEG-3"

func (p *parser) dedicated(n *yaml.Node, at string) *Dedicated {
	if n == nil {
		return nil
	}
	values := p.fields(n, at, "of", "tenant", "place", "counter", "shared_counter")
	if values == nil {
		return nil
	}
	d := &Dedicated{}
	d.Of, _ = p.text(p.required(n, values, at, "of", "Name the shared database that the customer belongs to."), at+".of")
	if key := p.required(n, values, at, "tenant", "Write the customer's key, as the database has it, in quotes."); key != nil {
		if v, ok := p.text(key, at+".tenant"); ok && len(v) <= 38 {
			d.Tenant = v
		} else if ok {
			p.add(key, at+".tenant", "The key is longer than those of customers can be.", "Write the key as the database has it, at most 38 bytes.")
		}
	}
	d.Place, _ = p.text(p.required(n, values, at, "place", "Say where it stands, such as Brussels, BE."), at+".place")
	d.Counter = p.connection(p.required(n, values, at, "counter", "Write env:NAME or file:/PATH, with the address of a login that sees every row here."), at+".counter")
	d.SharedCounter = p.connection(p.required(n, values, at, "shared_counter", "Write env:NAME or file:/PATH, with the address of a login that sees every row in the shared database."), at+".shared_counter")
	return d
}

// dedicatedOf holds each dedicated database to the shared one that it names, once all are read.
func (p *parser) dedicatedOf(databases []Database, nodes []*yaml.Node) {
	homes := map[string]string{}
	for i, d := range databases {
		if d.Dedicated == nil || d.Dedicated.Of == "" || nodes[i] == nil {
			continue
		}
		at := slices.IndexFunc(databases, func(o Database) bool { return o.Name == d.Dedicated.Of })
		switch {
		case d.Dedicated.Of == d.Name:
			p.add(nodes[i], "databases."+d.Name+".dedicated.of", "A database cannot be dedicated out of itself.", "Name the shared database.")
		case at < 0:
			p.add(nodes[i], "databases."+d.Name+".dedicated.of", "There is no database "+quote(d.Dedicated.Of)+".", "Name an entry of databases.")
		case databases[at].Tenancy == nil || databases[at].Tenancy.Manifest == nil:
			p.add(nodes[i], "databases."+d.Name+".dedicated.of", "The database "+quote(d.Dedicated.Of)+" does not say which tables are customers'.", "Give it a section tenancy with its manifest.")
		}
		key := d.Dedicated.Of + "\x00" + d.Dedicated.Tenant
		if first, twice := homes[key]; twice {
			p.add(nodes[i], "databases."+d.Name+".dedicated.tenant", "The same customer lives in "+quote(first)+" already.", "Keep one of them.")
		}
		homes[key] = d.Name
	}
}

// shownDedicated is the section in a few words; empty: there is none.
func shownDedicated(d Database) string {
	if d.Dedicated == nil {
		return ""
	}
	return d.Dedicated.Tenant + " of " + d.Dedicated.Of
}

// dedicatedFacets is what of the section is compared: who looks where, and what is promised of the place.
func dedicatedFacets() []databaseFacet {
	of := func(show func(*Dedicated) string) func(Database) string {
		return func(d Database) string {
			if d.Dedicated == nil {
				return ""
			}
			return show(d.Dedicated)
		}
	}
	differs := func(show func(*Dedicated) string) func(x, now Database) bool {
		return func(x, now Database) bool {
			return x.Dedicated != nil && now.Dedicated != nil && show(x.Dedicated) != show(now.Dedicated)
		}
	}
	on := func(Database) []string { return []string{segDedicated} }
	place := func(d *Dedicated) string { return d.Place }
	counters := func(d *Dedicated) string {
		return strings.Join([]string{d.Counter.reference(), d.SharedCounter.reference()}, ", ")
	}
	keep := func(set func(to, x *Dedicated)) func(to *Database, x Database) {
		return func(to *Database, x Database) {
			copied := *to.Dedicated // an estate is never changed
			set(&copied, x.Dedicated)
			to.Dedicated = &copied
		}
	}
	return []databaseFacet{
		{"dedicated", TargetRemoved, shownDedicated, func(x, now Database) bool {
			return x.Dedicated != nil && shownDedicated(x) != shownDedicated(now)
		}, on, func(to *Database, x Database) { to.Dedicated = x.Dedicated }},
		{"dedicated.place", Replaced, of(place), differs(place), on, keep(func(to, x *Dedicated) { to.Place = x.Place })},
		{"dedicated.counters", Replaced, of(counters), differs(counters), on,
			keep(func(to, x *Dedicated) { to.Counter, to.SharedCounter = x.Counter, x.SharedCounter })},
	}
}
