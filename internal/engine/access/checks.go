package access

import (
	"context"
	"strconv"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
)

// Set holds one T for each check of this engine. Its literals are written without keys, so
// that a new check does not compile until it has a T everywhere one is due, fault injections
// included.
type Set[T any] struct {
	Readers    T
	Privileged T
	Developers T
	Transport  T
	Network    T
	Labels     T
}

// All returns the set's members in the order of its fields.
func (s Set[T]) All() []T {
	return []T{s.Readers, s.Privileged, s.Developers, s.Transport, s.Network, s.Labels}
}

// Checks returns the checks of this engine.
func Checks(deps Deps) Set[measure.Check] {
	k := newLooker(deps)
	return Set[measure.Check]{
		k.check("access.readers", "ACC-2", withCustomerData, readers, "roles", "tables"),
		k.check("access.privileged", "ACC-5", anyDatabase, privileged, "roles"),
		k.check("access.developers", "SEG-5", inProduction, developers, "roles"),
		k.check("access.transport", "ENC-1", anyDatabase, transport),
		k.check("access.network", "NET-1", anyDatabase, network),
		k.check("access.labels", "CLS-1", withCustomerData, labels, "columns"),
	}
}

// check fills in what all checks of this engine share. A check gives the number of databases
// examined; counted are further figures of its looks, which are added up. The sentence of ENC-1 is
// about endpoints, and must read well where no database is declared: its check gives no figure.
func (k *looker) check(id, proves string, in func(*estate.Database) bool, verdict judge, counted ...string) measure.Check {
	var names []string
	if proves != "ENC-1" {
		names = append(names, id+".examined")
	}
	for _, c := range counted {
		names = append(names, id+"."+c)
	}
	facts := func(looks []*look) map[string]measure.Fact {
		if len(names) == 0 {
			return nil
		}
		facts := map[string]measure.Fact{id + ".examined": measure.Count(len(looks))}
		for _, c := range counted {
			sum := 0
			for _, l := range looks {
				sum += l.count[c]
			}
			facts[id+"."+c] = measure.Count(sum)
		}
		return facts
	}
	return measure.Check{ID: id, Measures: []string{proves}, Every: every, Valid: valid, Timeout: timeout, Facts: names,
		Scope: func(e *estate.Estate) []string {
			var scope []string
			for _, d := range e.DatabasesWhere(in) {
				scope = append(scope, d.Name)
			}
			return scope
		},
		Run: func(ctx context.Context, run measure.In) measure.Finding {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			return k.run(ctx, run, run.Estate.DatabasesWhere(in), verdict, facts)
		},
	}
}

func anyDatabase(*estate.Database) bool        { return true }
func withCustomerData(d *estate.Database) bool { return d.CustomerData }
func inProduction(d *estate.Database) bool     { return d.Environment == estate.Production }
func number(n int) string                      { return strconv.Itoa(n) }
