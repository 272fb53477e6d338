package catalogue

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/garant-project/garant/internal/errs"
)

// attestedCadence is how often a measure is confirmed that the company chose to attest without
// saying how often.
const attestedCadence = 365 * 24 * time.Hour

// tailored is what a Catalogue keeps of the tailoring that it was made with.
type tailored struct {
	base   *Catalogue
	by     *Tailoring
	checks map[string][]string // own measure → names of own checks
}

func (t *tailored) declared() any {
	return map[string]any{"base": t.base.hash, "changes": t.by.declared()}
}

// Tailor returns the catalogue of a company: this one with the changes of t. The receiver is left
// as it is. What t cannot mean here is refused, all problems together, each an errs.Invalid that
// names the line of annex.yaml: there is no half a catalogue, also when t was written for
// another build.
//
// Wording of one's own quotes the same figures and facts in every language, none that has no
// value, and all that the words it replaces quote, unless drops names what it leaves out and
// why. A tailoring that changes nothing gives a catalogue of the same hash.
func (c *Catalogue) Tailor(t *Tailoring) (*Catalogue, error) {
	if c.tailored != nil {
		return nil, errs.New(errs.Internal, "tailoring.twice", "A catalogue that is tailored was to be tailored again.")
	}
	var problems []error
	w := &fitting{reader: &reader{file: TailoringFile, problems: &problems}, base: c, t: t, out: c.clone()}
	w.out.tailored = &tailored{base: c, by: t, checks: map[string][]string{}}
	w.parameters()
	w.teams()
	for _, id := range sortedByLine(t.Measures, t.lines, "measures.") {
		w.adjust(id, t.Measures[id])
	}
	for _, m := range t.Own {
		w.own(m)
	}
	w.also()
	if len(problems) > 0 {
		slices.SortStableFunc(problems, func(a, b error) int { return lineOf(a) - lineOf(b) })
		return nil, joinProblems(problems)
	}
	if err := w.out.seal(); err != nil {
		return nil, errs.New(errs.Internal, "catalogue.canonical", "The catalogue could not be written in its canonical form.").Wrap(err)
	}
	return w.out, nil
}

// Base returns the catalogue that this one was tailored from; itself when it was not.
func (c *Catalogue) Base() *Catalogue {
	if c.tailored == nil {
		return c
	}
	return c.tailored.base
}

// BaseHash is the hash of the catalogue that this one was tailored from; its own when it was not.
func (c *Catalogue) BaseHash() string { return c.Base().hash }

// Tailoring returns what this catalogue was tailored with; nil when it was not.
func (c *Catalogue) Tailoring() *Tailoring {
	if c.tailored == nil {
		return nil
	}
	return c.tailored.by
}

// Identity says whose annex it is; nothing of a catalogue that was not tailored.
func (c *Catalogue) Identity() Identity {
	if c.tailored == nil {
		return Identity{}
	}
	return c.tailored.by.Company
}

// OwnChecks lists the names of the company's own checks that prove one of its own measures.
func (c *Catalogue) OwnChecks(measure string) []string {
	if c.tailored == nil {
		return nil
	}
	return c.tailored.checks[measure]
}

// IsOwn reports whether a measure is the company's own and not of the catalogue that the program
// carries.
func (c *Catalogue) IsOwn(measure string) bool {
	_, theirs := c.Base().index[measure]
	_, known := c.index[measure]
	return known && !theirs
}

// Teams lists the keys of the teams, sorted.
func (c *Catalogue) Teams() []string {
	return sortedKeys(c.languages[c.Languages()[0]].teams)
}

func (c *Catalogue) clone() *Catalogue {
	out := *c
	out.Measures = slices.Clone(c.Measures)
	out.Parameters = maps.Clone(c.Parameters)
	out.index = maps.Clone(c.index)
	out.languages = make(map[string]language, len(c.languages))
	for lang, l := range c.languages {
		l.teams, l.measures = maps.Clone(l.teams), maps.Clone(l.measures)
		out.languages[lang] = l
	}
	return &out
}

// fitting holds a tailoring against a catalogue.
type fitting struct {
	*reader
	base *Catalogue
	t    *Tailoring
	out  *Catalogue
}

// wrong notes a problem about a place of the document.
func (w *fitting) wrong(at, id, text, fix string, args ...any) {
	line := 0
	for p := at; line == 0 && p != ""; {
		line = w.t.lines[p]
		p = p[:max(strings.LastIndexByte(p, '.'), 0)]
	}
	if len(*w.problems) >= maxProblems {
		return
	}
	e := bad("tailoring."+id, fmt.Sprintf("%s, line %d: %s.", TailoringFile, line, text), fix).
		With("file", TailoringFile).With("line", line).With("at", at)
	for i := 0; i+1 < len(args); i += 2 {
		e = e.With(fmt.Sprint(args[i]), args[i+1])
	}
	*w.problems = append(*w.problems, e)
}

func lineOf(err error) int {
	var e *errs.Error
	if errors.As(err, &e) {
		if n, ok := e.Args["line"].(int); ok {
			return n
		}
	}
	return 0
}

// sortedByLine gives the keys of a map in the order of the document.
func sortedByLine[V any](m map[string]V, lines map[string]int, prefix string) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int {
		if d := lines[prefix+a] - lines[prefix+b]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
}

const ownParameter = "own."

func (w *fitting) parameters() {
	for _, name := range sortedByLine(w.t.Parameters, w.t.lines, "parameters.") {
		s, at := w.t.Parameters[name], "parameters."+name
		p, known := w.base.Parameters[name]
		switch {
		case known && s.Kind != "" && s.Kind != p.Kind:
			w.wrong(at, "parameter_kind", fmt.Sprintf("the parameter %s is a %s, not a %s", name, p.Kind, s.Kind), "Write "+exampleOf(p.Kind)+".", "Name", name, "Kind", p.Kind)
			continue
		case known && (p.Kind == ListKind) != (s.node.Kind == yaml.SequenceNode):
			w.wrong(at, "parameter_kind", fmt.Sprintf("the parameter %s is a %s", name, p.Kind), "Write "+exampleOf(p.Kind)+".", "Name", name, "Kind", p.Kind)
			continue
		case !known && !strings.HasPrefix(name, ownParameter):
			w.wrong(at, "parameter_unknown", "the catalogue has no parameter "+name, "Correct the name, or begin it with own. and say its kind: {duration: 30d}.", "Name", name)
			continue
		case !known && s.Kind == "":
			w.wrong(at, "own_parameter_kind", "the parameter "+name+" is your own and does not say of which kind it is", "Write one of {count: 4}, {duration: 14d}, {text: AES-256}, {list: [a, b]}.", "Name", name)
			continue
		case !known:
			p = Parameter{Name: name, Kind: s.Kind}
		}
		fresh := Parameter{Name: name, Kind: p.Kind}
		if w.in(at).parameter(&fresh, s.node, "the parameter "+name) {
			w.out.Parameters[name] = fresh
		}
	}
}

func exampleOf(kind string) string {
	switch kind {
	case CountKind:
		return "a whole number such as 4"
	case DurationKind:
		return "a number and a unit: 30s, 15m, 6h or 14d"
	case ListKind:
		return "a list such as [a, b]"
	}
	return "a text such as AES-256"
}

// whole reports whether a text is there in every language and in no other.
func (w *fitting) whole(at, what string, words ByLanguage) bool {
	ok := true
	langs := w.base.Languages()
	for _, lang := range langs {
		if words[lang] == "" {
			w.wrong(at, "language_missing", what+" is not written in "+lang, "Write it in "+strings.Join(langs, " and ")+": no promise exists in one language only.", "Language", lang)
			ok = false
		}
	}
	for lang := range words {
		if !slices.Contains(langs, lang) {
			w.wrong(at+"."+lang, "language_unknown", what+" is written in "+lang+", a language that the annex does not speak", "Remove the line.", "Language", lang)
			ok = false
		}
	}
	return ok
}

func (w *fitting) teams() {
	for _, key := range sortedByLine(w.t.Teams, w.t.lines, "teams.") {
		if !w.whole("teams."+key, "the name of team "+key, w.t.Teams[key]) {
			continue
		}
		for lang, name := range w.t.Teams[key] {
			w.out.languages[lang].teams[key] = name
		}
	}
}

func (w *fitting) team(at, id, key string) {
	for _, lang := range w.base.Languages() {
		if w.out.TeamName(lang, key) == "" {
			w.wrong(at, "team_unknown", id+" is owned by the team "+key+", which has no name", "Name it under teams:, or use one of "+joined(w.out.Teams())+".", "Name", key)
			return
		}
	}
}

func (w *fitting) adjust(id string, a Adjustment) {
	at := "measures." + id
	i, known := w.base.index[id]
	if !known {
		w.wrong(at, "measure_unknown", "the catalogue has no measure "+id, "Correct its id; measures of your own stand under own:.", "Name", id)
		return
	}
	m := w.base.Measures[i]
	if a.Owner != "" {
		w.team(at+".owner", id, a.Owner)
		m.Owner = a.Owner
	}
	if a.Operator != "" {
		m.Operator = a.Operator
	}
	facts := m.Facts
	if a.Attested {
		// What its checks see, where there are any, still counts; but the words may not lean on it.
		m.Kind, m.Attest, facts = Attested, true, nil
		if m.Cadence == 0 {
			m.Cadence = attestedCadence
		}
	}
	if a.Cadence != 0 {
		if m.Cadence == 0 {
			w.wrong(at+".cadence", "cadence", id+" has a cadence, though nobody confirms it: its checks set the pace", "Remove the line, or add “attested: true”.", "Name", id)
		}
		m.Cadence = a.Cadence
	}
	if a.Excluded != nil && w.whole(at+".excluded.reason", "the reason why "+id+" is excluded", a.Excluded) {
		m.Excluded = &Exclusion{Reason: maps.Clone(map[string]string(a.Excluded))}
	}
	w.out.Measures[i] = m
	w.words(at, m, a, facts)
}

// words puts a company's words in the place of the catalogue's.
func (w *fitting) words(at string, m Measure, a Adjustment, facts []string) {
	now := map[string]Words{}
	for _, lang := range w.base.Languages() {
		now[lang] = w.base.Words(lang, m.ID)
	}
	if a.Title != nil && w.whole(at+".title", "the title of "+m.ID, a.Title) {
		for lang, s := range a.Title {
			words := now[lang]
			words.Title = s
			now[lang] = words
		}
	}
	gone := map[string]bool{}
	if a.Sentence != nil && w.whole(at+".sentence", "the sentence of "+m.ID, a.Sentence) {
		w.replace(at, m, "sentence", a, a.Sentence, nil, gone, now, func(x *Words) *Text { return &x.Sentence })
	}
	if a.Attested {
		// The words of a check are not those of a person; nothing is dropped by this, because it is
		// said openly that the measure is attested.
		for lang, words := range now {
			words.Method = attestedMethod(lang)
			now[lang] = words
		}
	}
	if a.Method != nil && w.whole(at+".method", "the method of "+m.ID, a.Method) {
		w.replace(at, m, "method", a, a.Method, append([]string{}, facts...), gone, now, func(x *Words) *Text { return &x.Method })
	}
	for _, name := range sortedByLine(a.Drops, w.t.lines, at+".drops.") {
		if !gone[name] {
			w.wrong(at+".drops."+name, "drops_nothing", m.ID+" drops {"+name+"}, which its words still quote or never did", "Remove the line.", "Name", name)
		}
	}
	for lang, words := range now {
		w.out.languages[lang].measures[m.ID] = words
	}
}

// replace holds new words to the old ones, and notes in gone what they no longer quote.
func (w *fitting) replace(at string, m Measure, field string, a Adjustment, words ByLanguage, facts []string, gone map[string]bool, now map[string]Words, of func(*Words) *Text) {
	at += "." + field
	what := "the " + field + " of " + m.ID
	for _, lang := range w.base.Languages() {
		text, f := parseText(words[lang])
		if f != nil {
			w.wrong(at+"."+lang, "unreadable", what+": "+f.text, f.fix)
			return
		}
		into := now[lang]
		missing := false
		for _, name := range of(&into).Names() {
			if slices.Contains(text.Names(), name) {
				continue
			}
			gone[name] = true
			if a.Drops[name] == "" {
				missing = true
				w.wrong(at+"."+lang, "dropped", what+" ("+lang+") no longer quotes {"+name+"}",
					"Quote {"+name+"} again; or, if the annex is to say less, add “drops: {"+name+": why}” to "+m.ID+".", "Name", name)
			}
		}
		w.reader.at = at + "." + lang
		w.out.resolve(w.reader, w.t.lines[w.reader.at], what+" ("+lang+")", text, facts, m.Facts)
		w.reader.at = ""
		if !missing {
			*of(&into) = text
			now[lang] = into
		}
	}
	w.sameEverywhere(at, what, words)
}

// sameEverywhere refuses a figure that stands in one language and not in another.
func (w *fitting) sameEverywhere(at, what string, words ByLanguage) {
	langs := w.base.Languages()
	names := func(lang string) []string {
		t, _ := parseText(words[lang])
		n := t.Names()
		slices.Sort(n)
		return n
	}
	first := names(langs[0])
	for _, lang := range langs[1:] {
		other := names(lang)
		for _, name := range first {
			if !slices.Contains(other, name) {
				w.wrong(at+"."+lang, "languages_differ", what+" quotes {"+name+"} in "+langs[0]+" and not in "+lang, "Quote the same names in every language.", "Name", name, "Language", lang)
			}
		}
		for _, name := range other {
			if !slices.Contains(first, name) {
				w.wrong(at+"."+langs[0], "languages_differ", what+" quotes {"+name+"} in "+lang+" and not in "+langs[0], "Quote the same names in every language.", "Name", name, "Language", langs[0])
			}
		}
	}
}

// attestedMethod is how a measure is proven that a person confirms.
func attestedMethod(lang string) Text {
	if lang == "fr" {
		return Text{{Text: "La personne responsable le confirme par des documents datés, et la confirmation expire d’elle-même."}}
	}
	return Text{{Text: "The person responsible confirms it with dated documents, and the confirmation lapses by itself."}}
}

func (w *fitting) own(o OwnMeasure) {
	at := "own." + o.ID
	family, _, _ := strings.Cut(o.ID, "-")
	for id := range w.base.index {
		if theirs, _, _ := strings.Cut(id, "-"); theirs == family {
			w.wrong(at, "own_id", "the ids that begin with "+family+"- are the catalogue’s", "Choose another beginning, such as OWN-1.", "Name", family)
			return
		}
	}
	last := -1
	for i, s := range w.base.Sections {
		if s.ID == o.Section {
			last = i
		}
	}
	if last < 0 {
		w.wrong(at+".section", "section_unknown", o.ID+" is in a section that the annex does not have", "Use one of "+joined(w.sections())+".", "Name", o.Section)
		return
	}
	w.team(at+".owner", o.ID, o.Owner)
	for _, key := range o.Refs.Clauses {
		if !slices.Contains(w.base.Clauses, key) {
			w.wrong(at+".refs", "clause_unknown", o.ID+" relates to the heading "+key+", which the standard clauses do not have", "Use one of "+joined(w.base.Clauses)+".", "Name", key)
		}
	}
	for _, fact := range o.Facts {
		if _, clash := w.out.Parameters[fact]; clash {
			w.wrong(at+".facts", "fact_taken", o.ID+" declares the fact "+fact+", which is a parameter", "Give one of them another name.", "Name", fact)
		}
	}
	m := Measure{
		ID: o.ID, Section: o.Section, Kind: o.Kind, Owner: o.Owner, Operator: o.Operator, Cadence: o.Cadence, Refs: o.Refs, Attest: o.Attest, Per: o.Per, Facts: o.Facts,
	}
	ok := w.whole(at+".title", "the title of "+o.ID, o.Title)
	ok = w.whole(at+".sentence", "the sentence of "+o.ID, o.Sentence) && ok
	ok = w.whole(at+".method", "the method of "+o.ID, o.Method) && ok
	if !ok {
		return
	}
	for _, lang := range w.base.Languages() {
		words := Words{Title: o.Title[lang]}
		for field, into := range map[string]struct {
			text string
			to   *Text
		}{"sentence": {o.Sentence[lang], &words.Sentence}, "method": {o.Method[lang], &words.Method}} {
			var facts []string
			if field == "method" {
				facts = append([]string{}, o.Facts...)
			}
			text, f := parseText(into.text)
			if f != nil {
				w.wrong(at+"."+field+"."+lang, "unreadable", "the "+field+" of "+o.ID+": "+f.text, f.fix)
				return
			}
			w.reader.at = at + "." + field + "." + lang
			w.out.resolve(w.reader, w.t.lines[w.reader.at], "the "+field+" of "+o.ID+" ("+lang+")", text, facts, o.Facts)
			w.reader.at = ""
			*into.to = text
		}
		w.out.languages[lang].measures[o.ID] = words
	}
	w.sameEverywhere(at+".sentence", "the sentence of "+o.ID, o.Sentence)
	w.sameEverywhere(at+".method", "the method of "+o.ID, o.Method)
	w.insert(m, last)
	if len(o.Checks) > 0 {
		w.out.tailored.checks[o.ID] = slices.Clone(o.Checks)
	}
}

func (w *fitting) sections() []string {
	ids := make([]string, len(w.base.Sections))
	for i, s := range w.base.Sections {
		ids[i] = s.ID
	}
	return ids
}

// insert puts a measure after those of its section.
func (w *fitting) insert(m Measure, section int) {
	order := map[string]int{}
	for i, s := range w.base.Sections {
		order[s.ID] = i
	}
	at := len(w.out.Measures)
	for i, other := range w.out.Measures {
		if order[other.Section] > section {
			at = i
			break
		}
	}
	w.out.Measures = slices.Insert(w.out.Measures, at, m)
	for i, each := range w.out.Measures {
		w.out.index[each.ID] = i
	}
}

func (w *fitting) also() {
	answers := map[string]map[string]string{}
	for _, topic := range sortedByLine(w.t.Also, w.t.lines, "also.") {
		at, words := "also."+topic, w.t.Also[topic]
		if !slices.Contains(w.base.topicKeys(), topic) {
			w.wrong(at, "topic_unknown", "nobody asks about "+topic, "Use one of "+joined(w.base.topicKeys())+".", "Name", topic)
			continue
		}
		if w.whole(at, "the answer on "+topic, words) {
			answers[topic] = maps.Clone(map[string]string(words))
		}
	}
	if len(answers) > 0 {
		w.out.Answers = answers
	}
}
