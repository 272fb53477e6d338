package tailoring

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/measure/catalogue"
)

// Effect is what a change means to those to whom the annex was given.
type Effect string

// The effects.
const (
	Weakened     Effect = "weakened"     // less is promised
	Strengthened Effect = "strengthened" // more is promised
	Wording      Effect = "wording"      // the same is said otherwise
	Changed      Effect = "changed"      // it cannot be said which of the two
)

// The fields that a Difference is about.
const (
	FieldMeasure   = "measure" // the measure as a whole: added or removed
	FieldTitle     = "title"
	FieldSentence  = "sentence"
	FieldMethod    = "method"
	FieldKind      = "kind"
	FieldOwner     = "owner"
	FieldOperator  = "operator"
	FieldCadence   = "cadence"
	FieldChecks    = "checks"
	FieldPer       = "per"
	FieldSection   = "section"
	FieldRefs      = "refs"
	FieldExcluded  = "excluded"
	FieldParameter = "parameter"
	FieldTeam      = "team"
	FieldAnswer    = "answer"
	FieldCompany   = "company"
)

// Difference is one thing in which two versions of an annex differ.
type Difference struct {
	Measure string `json:"measure,omitempty"` // id; empty: of the annex as a whole
	Field   string `json:"field"`
	Name    string `json:"name,omitempty"` // of the parameter, the team, the topic or the particular of the company
	Lang    string `json:"lang,omitempty"` // of words
	Kind    string `json:"kind,omitempty"` // of a value that is no text: "duration" in seconds, "list", "count"
	Before  string `json:"before,omitempty"`
	After   string `json:"after,omitempty"`
	Effect  Effect `json:"effect"`
}

// Diff tells what changed from one catalogue to another, both tailored from the same one: first of
// the company, then the figures, then the measures in the order of the annex, then the rest.
func Diff(before, after *catalogue.Catalogue) []Difference {
	d := &differ{before: before, after: after}
	d.company()
	d.parameters()
	for _, m := range after.Measures {
		d.measure(m.ID)
	}
	for _, m := range before.Measures {
		if _, still := after.Measure(m.ID); !still {
			d.measure(m.ID)
		}
	}
	d.teams()
	d.answers()
	return d.found
}

type differ struct {
	before, after *catalogue.Catalogue
	found         []Difference
}

// langs are the languages, French first as on every page.
func (d *differ) langs() []string {
	list := d.after.Languages()
	if i := slices.Index(list, "fr"); i > 0 {
		list = append([]string{"fr"}, slices.Delete(list, i, i+1)...)
	}
	return list
}

func (d *differ) add(x Difference) {
	if x.Before != x.After {
		d.found = append(d.found, x)
	}
}

func (d *differ) company() {
	a, b := d.before.Identity(), d.after.Identity()
	for _, f := range []struct{ name, before, after string }{
		{"legal_name", a.LegalName, b.LegalName}, {"address", a.Address, b.Address}, {"registration", a.Registration, b.Registration},
		{"dpo.email", a.DPO.Email, b.DPO.Email}, {"dpo.phone", a.DPO.Phone, b.DPO.Phone}, {"dpo.address", a.DPO.Address, b.DPO.Address}, {"revision", a.Revision, b.Revision},
	} {
		d.add(Difference{Field: FieldCompany, Name: f.name, Before: f.before, After: f.after, Effect: Changed})
	}
}

func (d *differ) parameters() {
	for _, name := range union(d.before.Parameters, d.after.Parameters) {
		a, hadA := d.before.Parameters[name]
		b, hasB := d.after.Parameters[name]
		x := Difference{Field: FieldParameter, Name: name, Kind: b.Kind, Effect: Changed}
		if hadA {
			x.Before = valueOf(a)
		}
		if hasB {
			x.After = valueOf(b)
		} else {
			x.Kind = a.Kind
		}
		if hadA && hasB {
			x.Effect = Strength(a, b)
		}
		d.add(x)
	}
}

// valueOf writes a parameter so that two can be compared.
func valueOf(p catalogue.Parameter) string {
	switch p.Kind {
	case catalogue.CountKind:
		return strconv.FormatInt(p.Count, 10)
	case catalogue.DurationKind:
		return seconds(p.Duration)
	case catalogue.ListKind:
		return strings.Join(p.List, ", ")
	}
	return p.Text
}

func seconds(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return strconv.FormatInt(int64(d/time.Second), 10)
}

// Strength tells whether a figure announces more or less than another of the same name. What is
// kept, guaranteed or left before an end is stronger the longer it is; what lies between two
// events, or between an event and its notice, the shorter; a list of what is let in, the fewer
// names it has. Of other figures nobody can say.
func Strength(before, after catalogue.Parameter) Effect {
	if before.Kind != after.Kind {
		return Changed
	}
	stronger := func(yes bool) Effect {
		if yes {
			return Strengthened
		}
		return Weakened
	}
	last := after.Name[strings.LastIndexByte(after.Name, '.')+1:]
	switch after.Kind {
	case catalogue.DurationKind:
		switch {
		case anySuffix(last, "retention", "max_age", "remaining", "notice_period"):
			return stronger(after.Duration > before.Duration)
		case anySuffix(last, "interval", "period", "authority", "delay", "deadline", "within", "rpo", "rto", "age", "duration", "timeout", "grace", "onboarding"):
			return stronger(after.Duration < before.Duration)
		}
	case catalogue.CountKind:
		switch {
		case anySuffix(last, "minimum", "min", "copies"):
			return stronger(after.Count > before.Count)
		case anySuffix(last, "maximum", "max", "attempts"):
			return stronger(after.Count < before.Count)
		}
	case catalogue.ListKind:
		if anySuffix(last, "teams", "accepted", "accepted_issuers", "versions", "allowed") {
			return stronger(subset(after.List, before.List) && !subset(before.List, after.List))
		}
	}
	return Changed
}

// StrengthOfKind tells whether a measure is proven more or less strongly than before.
func StrengthOfKind(before, after catalogue.Kind) Effect {
	kinds := []catalogue.Kind{catalogue.Attested, catalogue.Run, catalogue.Checked, catalogue.Enforced}
	if slices.Index(kinds, after) > slices.Index(kinds, before) {
		return Strengthened
	}
	return Weakened
}

func anySuffix(s string, suffixes ...string) bool {
	return slices.ContainsFunc(suffixes, func(x string) bool { return s == x || strings.HasSuffix(s, "_"+x) })
}

// subset reports whether every name of a is in b.
func subset(a, b []string) bool {
	return !slices.ContainsFunc(a, func(s string) bool { return !slices.Contains(b, s) })
}

func (d *differ) measure(id string) {
	a, hadA := d.before.Measure(id)
	b, hasB := d.after.Measure(id)
	langs := d.langs()
	if hadA != hasB {
		from, effect := d.after, Strengthened
		if hadA {
			from, effect = d.before, Weakened
		}
		for _, lang := range langs {
			x := Difference{Measure: id, Field: FieldMeasure, Lang: lang, Effect: effect}
			said := from.Words(lang, id).Sentence.String()
			if hadA {
				x.Before = said
			} else {
				x.After = said
			}
			d.add(x)
		}
		return
	}
	d.excluded(a, b, langs)
	d.add(Difference{Measure: id, Field: FieldKind, Before: string(a.Kind), After: string(b.Kind), Effect: StrengthOfKind(a.Kind, b.Kind)})
	d.cadence(a, b)
	d.add(Difference{Measure: id, Field: FieldOwner, Before: a.Owner, After: b.Owner, Effect: Changed})
	d.add(Difference{Measure: id, Field: FieldOperator, Before: a.Operator, After: b.Operator, Effect: Changed})
	d.add(Difference{Measure: id, Field: FieldSection, Before: a.Section, After: b.Section, Effect: Changed})
	d.add(Difference{Measure: id, Field: FieldPer, Before: a.Per, After: b.Per, Effect: Changed})
	d.add(Difference{Measure: id, Field: FieldRefs, Before: refs(a.Refs), After: refs(b.Refs), Effect: Changed})
	if was, is := d.before.OwnChecks(id), d.after.OwnChecks(id); !slices.Equal(was, is) {
		effect := Changed
		switch {
		case subset(is, was):
			effect = Weakened
		case subset(was, is):
			effect = Strengthened
		}
		d.add(Difference{Measure: id, Field: FieldChecks, Kind: catalogue.ListKind, Before: strings.Join(was, ", "), After: strings.Join(is, ", "), Effect: effect})
	}
	for _, lang := range langs {
		d.words(id, lang, d.before.Words(lang, id), d.after.Words(lang, id))
	}
}

func refs(r catalogue.Refs) string {
	return strings.Join(slices.Concat(r.GDPR, r.ISO, r.CNIL, r.Clauses), ", ")
}

func (d *differ) excluded(a, b catalogue.Measure, langs []string) {
	reason := func(m catalogue.Measure, lang string) string {
		if m.Excluded == nil {
			return ""
		}
		return m.Excluded.Reason[lang]
	}
	effect := Wording
	switch {
	case a.Excluded == nil:
		effect = Weakened
	case b.Excluded == nil:
		effect = Strengthened
	}
	for _, lang := range langs {
		d.add(Difference{Measure: b.ID, Field: FieldExcluded, Lang: lang, Before: reason(a, lang), After: reason(b, lang), Effect: effect})
	}
}

func (d *differ) cadence(a, b catalogue.Measure) {
	effect := Changed
	switch {
	case a.Cadence == 0 || b.Cadence == 0:
	case b.Cadence > a.Cadence:
		effect = Weakened
	default:
		effect = Strengthened
	}
	d.add(Difference{Measure: b.ID, Field: FieldCadence, Kind: catalogue.DurationKind, Before: seconds(a.Cadence), After: seconds(b.Cadence), Effect: effect})
}

// words compares what a measure says. Who no longer quotes a figure says less.
func (d *differ) words(id, lang string, a, b catalogue.Words) {
	effect := func(was, is catalogue.Text) Effect {
		gone, come := !subset(was.Names(), is.Names()), !subset(is.Names(), was.Names())
		switch {
		case gone:
			return Weakened
		case come:
			return Strengthened
		}
		return Wording
	}
	d.add(Difference{Measure: id, Field: FieldTitle, Lang: lang, Before: a.Title, After: b.Title, Effect: Wording})
	d.add(Difference{Measure: id, Field: FieldSentence, Lang: lang, Before: a.Sentence.String(), After: b.Sentence.String(), Effect: effect(a.Sentence, b.Sentence)})
	d.add(Difference{Measure: id, Field: FieldMethod, Lang: lang, Before: a.Method.String(), After: b.Method.String(), Effect: effect(a.Method, b.Method)})
}

func (d *differ) teams() {
	keys := map[string]bool{}
	for _, k := range slices.Concat(d.before.Teams(), d.after.Teams()) {
		keys[k] = true
	}
	for _, key := range sorted(keys) {
		for _, lang := range d.langs() {
			d.add(Difference{Field: FieldTeam, Name: key, Lang: lang, Before: d.before.TeamName(lang, key), After: d.after.TeamName(lang, key), Effect: Wording})
		}
	}
}

func (d *differ) answers() {
	for _, topic := range union(d.before.Answers, d.after.Answers) {
		for _, lang := range d.langs() {
			d.add(Difference{Field: FieldAnswer, Name: topic, Lang: lang, Before: d.before.Answers[topic][lang], After: d.after.Answers[topic][lang], Effect: Changed})
		}
	}
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func union[V any](a, b map[string]V) []string {
	all := map[string]V{}
	maps.Copy(all, a)
	maps.Copy(all, b)
	return sorted(all)
}
