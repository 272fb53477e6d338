package estate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// databaseFacet is one thing that a database declares, as far as expectations go.
type databaseFacet struct {
	key      string
	kind     ReductionKind
	show     func(Database) string
	reduced  func(expected, now Database) bool // looking at now proves less than was expected
	measures func(expected Database) []string  // that lean on it
	keep     func(to *Database, expected Database)
}

// databaseFacets lists what a database declares, in the order of garant.yaml. To give a label is
// what the annex asks for, and without it the check fails; what a label takes away is a verdict
// that columns hold no personal data.
func databaseFacets() []databaseFacet {
	differs := func(show func(Database) string) func(a, b Database) bool {
		return func(a, b Database) bool { return show(a) != show(b) }
	}
	on := func(measures ...string) func(Database) []string { return func(Database) []string { return measures } }
	reference := func(d Database) string { return d.URL.reference() }
	database := func(d Database) string { return d.Database }
	environment := func(d Database) string { return string(d.Environment) }
	return append([]databaseFacet{
		{"url", Replaced, reference, differs(reference), measuresOfDatabase,
			func(to *Database, x Database) { to.URL = x.URL }},
		{"database", Replaced, database, differs(database), measuresOfDatabase,
			func(to *Database, x Database) { to.Database = x.Database }},
		{"system", IdentityChanged, func(d Database) string { return d.System },
			func(x, now Database) bool { return x.System != now.System }, measuresOfDatabase,
			func(to *Database, x Database) { to.System = x.System }},
		{"environment", EnvironmentChanged, environment,
			func(x, now Database) bool { return x.Environment == Production && now.Environment != Production }, on(segDevelopers),
			func(to *Database, x Database) { to.Environment = x.Environment }},
		{"customer_data", Weakened, func(d Database) string { return strconv.FormatBool(d.CustomerData) },
			func(x, now Database) bool { return x.CustomerData && !now.CustomerData }, on(accTeams, clsLabels),
			func(to *Database, x Database) { to.CustomerData = x.CustomerData }},
		{"readers", Weakened, func(d Database) string { return names(d.Readers) },
			func(x, now Database) bool { return !within(now.Readers, x.Readers) }, on(accTeams),
			func(to *Database, x Database) { to.Readers = x.Readers }},
		{"privileged", Weakened, func(d Database) string { return names(d.Privileged) },
			func(x, now Database) bool { return !within(now.Privileged, x.Privileged) }, on(accTeams, accRegister),
			func(to *Database, x Database) { to.Privileged = x.Privileged }},
		{"developers", Weakened, func(d Database) string { return strings.Join(d.Developers, ", ") },
			func(x, now Database) bool { return !within(x.Developers, now.Developers) }, on(segDevelopers),
			func(to *Database, x Database) { to.Developers = x.Developers }},
		{"labels", Weakened, func(d Database) string { return names(d.Labels) },
			func(x, now Database) bool {
				return !within(judged(now.Labels, NotPersonal), judged(x.Labels, NotPersonal)) || !within(judged(x.Labels, IsPersonal), judged(now.Labels, IsPersonal))
			}, on(accTeams, clsLabels),
			func(to *Database, x Database) { to.Labels = x.Labels }},
	}, slices.Concat(tenancyFacets(), dedicatedFacets(), anonymisedFacets())...)
}

// databaseReductions tells what is taken away from the databases, by name.
func databaseReductions(before, after *Estate) []Reduction {
	var reductions []Reduction
	expected := slices.SortedFunc(slices.Values(before.Databases), func(a, b Database) int { return strings.Compare(a.Name, b.Name) })
	for _, was := range expected {
		now, ok := after.Database(was.Name)
		if !ok {
			reductions = append(reductions, Reduction{Kind: TargetRemoved, Target: was.Name, Key: "databases." + was.Name, From: was.Database, Measures: measuresOfDatabase(was)})
			continue
		}
		for _, f := range databaseFacets() {
			if f.reduced(was, now) {
				reductions = append(reductions, Reduction{Kind: f.kind, Target: was.Name, Key: "databases." + was.Name + "." + f.key, From: f.show(was), To: f.show(now), Measures: f.measures(was)})
			}
		}
	}
	return reductions
}

// expectDatabases is the part of Expect for databases.
func expectDatabases(expected, next []Database) []Database {
	grown := slices.Clone(next)
	for _, was := range expected {
		i := slices.IndexFunc(grown, func(d Database) bool { return d.Name == was.Name })
		if i < 0 {
			grown = append(grown, was)
			continue
		}
		now := grown[i]
		for _, f := range databaseFacets() {
			if f.reduced(was, now) {
				f.keep(&grown[i], was)
			}
		}
	}
	return grown
}

// measuresOfDatabase lists the measures that a database proves, sorted.
func measuresOfDatabase(d Database) []string {
	measures := []string{accRegister, encTransport, netPrivate}
	if d.CustomerData {
		measures = append(measures, accTeams, clsLabels)
	}
	if d.Environment == Production {
		measures = append(measures, segDevelopers)
	}
	if d.Tenancy != nil {
		measures = append(measures, segApart, segLogin)
	}
	if d.Dedicated != nil {
		measures = append(measures, segDedicated)
	}
	if d.Anonymised != nil {
		measures = append(measures, copyMeasures()...)
	}
	slices.Sort(measures)
	return slices.Compact(measures)
}

// everyMeasure lists the measures of whatever is looked at over and over.
func everyMeasure(e *Estate) []string {
	measures := []string{crtProduction, crtOther, encTransport, encHSTS}
	for _, d := range e.Databases {
		measures = append(measures, measuresOfDatabase(d)...)
	}
	slices.Sort(measures)
	return slices.Compact(measures)
}

// within reports whether all of a are among b.
func within[T comparable](a, b []T) bool {
	return !slices.ContainsFunc(a, func(one T) bool { return !slices.Contains(b, one) })
}

// names writes a list in the order of its names, so that the order of the file is no difference.
func names[T fmt.Stringer](list []T) string {
	text := make([]string, 0, len(list))
	for _, one := range list {
		text = append(text, one.String())
	}
	slices.Sort(text)
	return strings.Join(text, ", ")
}

// judged lists the columns of the labels with a verdict.
func judged(labels []Label, v Verdict) []string {
	var columns []string
	for _, l := range labels {
		if l.Personal == v {
			columns = append(columns, l.Columns)
		}
	}
	return columns
}
