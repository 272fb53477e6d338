package anonymise

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/plan"
	"github.com/garant-project/garant/internal/engine/anonymise/reidentify"
	"github.com/garant-project/garant/internal/engine/anonymise/run"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
)

// fault is a problem before it is an item.
type fault struct {
	problem          Problem
	expected, actual string
}

// lookAtPersons holds what the run proved of the copy that is served against the plan in force (ANO-1): nobody can be found again.
func (a *Anonymise) lookAtPersons(ctx context.Context, l *look) {
	if _, ok := a.arrive(ctx, l); !ok || l.missing() {
		return
	}
	for _, f := range findable(l.d, l.made) {
		l.add(f.problem, f.expected, f.actual)
	}
	l.raw["run"] = l.made.Run
	if r := l.made.Report; r != nil && r.Leaks != nil {
		l.count["scanned"], l.count["canaries"] = r.Leaks.Values, r.Leaks.Recall.Found
		for _, m := range r.Persons {
			if k := int(m.Classes.Smallest); l.count["smallest"] == 0 || k < l.count["smallest"] {
				l.count["smallest"] = k
			}
		}
	}
}

// findable lists why a copy may not be called anonymised; nothing means that it may. The thresholds are those of the plan in force, not those of the run.
func findable(d *estate.Database, made *Run) []fault {
	r := made.Report
	if r == nil {
		return []fault{{NoReport, "the report of run " + made.Run, "none"}}
	}
	if !r.Passed() {
		return []fault{{NotProven, "every proof", "the report of run " + made.Run + " lacks one"}}
	}
	p, err := plan.Load(plan.FileName, d.Anonymised.Plan)
	if err != nil {
		return []fault{{BadPlan, "a plan", "it cannot be read"}}
	}
	var out []fault
	if len(p.Persons) == 0 {
		out = append(out, fault{NotMeasured, "tables under persons", "none in the plan"})
	}
	for i := range p.Persons {
		out = append(out, judged(&p.Persons[i], r)...)
	}
	for i, link := range r.Linkable {
		if i == mostItems {
			out = append(out, fault{Linkable, "nothing", fmt.Sprintf("and %d more", len(r.Linkable)-i)})
			break
		}
		out = append(out, fault{Linkable, "nothing that stands in production too", joined(link.Where, string(link.By))})
	}
	return out
}

// judged holds what was measured of a table against the thresholds of today. What was counted below a smaller threshold says nothing of rows below a larger one.
func judged(id *plan.Identity, r *run.Report) (out []fault) {
	table := id.Table.String()
	i := slices.IndexFunc(r.Persons, func(m run.Measured) bool {
		return m.Table == table && slices.Equal(slices.Sorted(slices.Values(m.Quasi)), slices.Sorted(slices.Values(id.Quasi)))
	})
	if i < 0 {
		return []fault{{NotMeasured, "by " + strings.Join(id.Quasi, ", "), table}}
	}
	m := &r.Persons[i]
	if id.K > m.K && m.Classes.Smallest < int64(id.K) {
		out = append(out, fault{Recognisable, fmt.Sprintf("groups of at least %d", id.K), fmt.Sprintf("%s: a group of %d by %s", table, m.Classes.Smallest, strings.Join(id.Quasi, ", "))})
	}
	for _, name := range id.Sensitive {
		at := slices.IndexFunc(m.Classes.Diversity, func(d reidentify.Diversity) bool { return d.Column == name })
		if id.L > 0 && (at < 0 || id.L > m.L && m.Classes.Diversity[at].Least < int64(id.L)) {
			out = append(out, fault{Recognisable, fmt.Sprintf("at least %d values of %s in each group", id.L, name), table + ": fewer, or not measured"})
		}
	}
	judge := reidentify.Table{Schema: id.Table.Schema, Name: id.Table.Table, Quasi: id.Quasi, Sensitive: id.Sensitive}
	for _, p := range reidentify.Judge(judge, m.Classes, &m.Attack, reidentify.Thresholds{K: id.K, L: id.L, Small: id.Small, Linked: id.Linked}) {
		out = append(out, fault{Recognisable, "within the thresholds of the plan", joined(table, p.String())})
	}
	return out
}

func sumPersons(looks []*look) map[string]measure.Fact {
	scanned, canaries, smallest := 0, 0, 0
	for _, l := range looks {
		scanned += l.count["scanned"]
		canaries += l.count["canaries"]
		if k := l.count["smallest"]; smallest == 0 || k < smallest {
			smallest = k
		}
	}
	return map[string]measure.Fact{"scanned": measure.Count(scanned), "canaries": measure.Count(canaries), "smallest": measure.Count(smallest)}
}

// lookAtClasses holds the plan against the source as it is now, and against samples of it: every column and every path of a document has a class, and none
// contradicts what it looks like (CLS-1). Of what samples showed only the column is told.
func (a *Anonymise) lookAtClasses(ctx context.Context, l *look) {
	p, err := plan.Load(plan.FileName, l.d.Anonymised.Plan)
	if err != nil {
		l.add(BadPlan, "a plan", "it cannot be read")
		return
	}
	conn := l.source(ctx)
	if conn == nil {
		return
	}
	defer hangUp(ctx, conn)
	var db catalog.Database
	if err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		db, err = catalog.Read(ctx, tx)
		return err
	}); err != nil {
		l.add(SourceUnseen, "the catalogue", "it cannot be read"+state(err))
		return
	}
	samples, _, err := plan.Sample(ctx, conn, &db)
	if err != nil {
		l.add(SourceUnseen, "samples", "they cannot be read"+state(err))
		return
	}
	told := map[string]bool{}
	for _, found := range p.Check(&db) {
		told[string(found.Code)+" "+found.Where()] = true
		l.classed(found, oneLine(found.YAML), joined(found.Where(), found.Text))
	}
	for _, found := range p.CheckSamples(&db, samples) {
		if found.Path = ""; told[string(found.Code)+" "+found.Where()] {
			continue
		}
		told[string(found.Code)+" "+found.Where()] = true
		text, expected := "samples speak against the entry", "what garant anonymise plan --diff says"
		if found.Code == plan.NewPath {
			text = "documents have a path that the plan does not know"
		} else if t := db.Table(found.Table); t != nil && t.Column(found.Column) != nil && transform.FamilyOf(t.Column(found.Column).Type) != transform.JSON {
			expected, text = oneLine(found.YAML), found.Text
		}
		l.classed(found, expected, joined(found.Where(), text))
	}
	l.raw["tables"] = len(db.Planned())
}

// classed adds a problem of the plan, up to a number that can be read.
func (l *look) classed(found plan.Problem, expected, actual string) {
	p := PlanWrong
	switch found.Code {
	case plan.NewTable, plan.NewColumn, plan.NewPath:
		p = Unclassified
	case plan.Contradicts, plan.Kept, plan.Unanswered:
		p = Contradicted
	}
	if l.count[string(p)]++; l.count[string(p)] <= mostItems {
		l.add(p, expected, actual)
	}
}
