package catalogue

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/garant-project/garant/internal/errs"
)

// Parse reads a catalogue from the text of measures.yaml and, by language ("fr"), of the
// files of words. It is strict: unknown and repeated keys, missing words, literal figures and
// everything else that the package promises not to hold are refused. Problems come together,
// each an errs.Invalid that names file and line and says what to do; there is no half a
// catalogue.
func Parse(measures []byte, words map[string][]byte) (*Catalogue, error) {
	var problems []error
	c := &Catalogue{Parameters: map[string]Parameter{}, index: map[string]int{}, languages: map[string]language{}}
	lines := c.readMeasures(&reader{file: "measures.yaml", problems: &problems}, measures)
	if len(problems) > 0 {
		return nil, joinProblems(problems)
	}
	if len(words) == 0 {
		return nil, bad("catalogue.no_language", "The catalogue has no words in any language.", "Add a file such as fr.yaml.")
	}
	for _, lang := range sortedKeys(words) {
		if !languagePattern.MatchString(lang) {
			problems = append(problems, bad("catalogue.language", fmt.Sprintf("%q is not the code of a language.", lang), "Use the code of ISO 639: fr, en, nl."))
			continue
		}
		c.readWords(&reader{file: lang + ".yaml", problems: &problems}, lang, words[lang])
	}
	if len(problems) == 0 {
		c.compare(&problems, lines)
	}
	if len(problems) > 0 {
		return nil, joinProblems(problems)
	}
	if err := c.seal(); err != nil {
		return nil, errs.New(errs.Internal, "catalogue.canonical", "The catalogue could not be written in its canonical form.").Wrap(err)
	}
	return c, nil
}

func joinProblems(problems []error) error {
	if len(problems) == 1 {
		return problems[0]
	}
	return errors.Join(problems...)
}

var (
	idPattern       = regexp.MustCompile(`^[A-Z]{2,5}-[1-9][0-9]{0,2}$`)
	sectionPattern  = regexp.MustCompile(`^[1-9][0-9]?(\.[1-9][0-9]?)*$`)
	teamPattern     = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	languagePattern = regexp.MustCompile(`^[a-z]{2,3}$`)
	spanPattern     = regexp.MustCompile(`^([1-9][0-9]{0,8})(s|m|h|d)$`)
)

// readMeasures fills sections, parameters and measures, and returns the line of each measure.
func (c *Catalogue) readMeasures(r *reader, b []byte) map[string]int {
	lines := map[string]int{}
	root := r.root(b)
	if root == nil {
		return nil
	}
	top, ok := r.fields(root, "the file", "sections", "parameters", "clauses", "also", "measures")
	if !ok {
		return nil
	}
	for _, key := range []string{"sections", "measures"} {
		if top[key] == nil {
			r.fail(root.Line, "catalogue.missing", "the key "+key+" is missing", "Add it.")
		}
	}
	if top["sections"] != nil {
		c.readSections(r, top["sections"])
	}
	if top["parameters"] != nil {
		c.readParameters(r, top["parameters"])
	}
	if top["clauses"] != nil {
		c.readClauses(r, top["clauses"])
	}
	if top["measures"] != nil {
		last := -1
		for _, n := range r.items(top["measures"], "measures") {
			m, ok := c.readMeasure(r, n)
			if !ok {
				continue
			}
			if first, twice := lines[m.ID]; twice {
				r.fail(n.Line, "catalogue.duplicate", fmt.Sprintf("the measure %s stands twice (first on line %d)", m.ID, first), "Keep one of them.")
				continue
			}
			at := slices.IndexFunc(c.Sections, func(s Section) bool { return s.ID == m.Section })
			if at < last {
				r.fail(n.Line, "catalogue.order", fmt.Sprintf("the measure %s stands after measures of a later section", m.ID), "Move it up, among those of its section.")
			}
			last = max(last, at)
			lines[m.ID] = n.Line
			c.index[m.ID] = len(c.Measures)
			c.Measures = append(c.Measures, m)
		}
		if len(c.Measures) == 0 {
			r.fail(top["measures"].Line, "catalogue.missing", "there is no measure", "Add one.")
		}
	}
	if top["also"] != nil {
		c.readTopics(r, top["also"])
	}
	return lines
}

func (c *Catalogue) readSections(r *reader, n *yaml.Node) {
	seen := map[string]bool{}
	for _, item := range r.items(n, "sections") {
		f, ok := r.fields(item, "a section", "id", "gdpr")
		if !ok || !r.need(item, "a section", f, "id", "gdpr") {
			continue
		}
		id, ok := r.word(f["id"], "the id of a section")
		if !ok {
			continue
		}
		if !sectionPattern.MatchString(id) {
			r.fail(f["id"].Line, "catalogue.section_id", "the id of a section is not a number such as 1.2", "Number it in the order of the annex.")
			continue
		}
		if seen[id] {
			r.fail(f["id"].Line, "catalogue.duplicate", "the section "+id+" stands twice", "Keep one of them.")
			continue
		}
		seen[id] = true
		c.Sections = append(c.Sections, Section{ID: id, GDPR: r.wordList(f["gdpr"], "gdpr")})
	}
}

func (c *Catalogue) readParameters(r *reader, n *yaml.Node) {
	ps, ok := r.pairs(n, "parameters")
	if !ok {
		return
	}
	for _, p := range ps {
		if !namePattern.MatchString(p.key) {
			r.fail(p.line, "catalogue.parameter_name", "the name of a parameter is not made of small letters, digits, _ and dots", "Name it like backup.database.retention.")
			continue
		}
		what := "the parameter " + p.key
		kinds, ok := r.fields(p.value, what, CountKind, DurationKind, TextKind, ListKind)
		if !ok {
			continue
		}
		if len(kinds) != 1 {
			r.fail(p.line, "catalogue.parameter_kind", what+" does not have exactly one value", "Write one of {count: 4}, {duration: 14d}, {text: AES-256}, {list: [a, b]}.")
			continue
		}
		out := Parameter{Name: p.key}
		good := false
		for kind, v := range kinds {
			out.Kind = kind
			good = r.parameter(&out, v, what)
		}
		if good {
			c.Parameters[p.key] = out
		}
	}
}

// parameter reads the value of a parameter whose kind is known.
func (r *reader) parameter(p *Parameter, v *yaml.Node, what string) bool {
	if p.Kind == ListKind {
		p.List = r.wordList(v, what)
		if len(p.List) == 0 {
			r.fail(v.Line, "catalogue.empty", what+" lists nothing", "List at least one name.")
			return false
		}
		for _, s := range p.List {
			if !r.name(v, s, what) {
				return false
			}
		}
		return true
	}
	s, ok := r.word(v, what)
	if !ok {
		return false
	}
	switch p.Kind {
	case CountKind:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < 0 || n > 1<<52 || s != strconv.FormatInt(n, 10) {
			r.fail(v.Line, "catalogue.count", what+" is not a whole number", "Write a number such as 4.")
			return false
		}
		p.Count = n
	case DurationKind:
		d, ok := r.span(v, what)
		p.Duration = d
		return ok
	case TextKind:
		p.Text = s
		return r.name(v, s, what)
	}
	return true
}

// name refuses a value that would break the sentence it is put into.
func (r *reader) name(n *yaml.Node, s, what string) bool {
	t, f := parseText(s)
	if f != nil || len(t.Names()) > 0 || s != strings.TrimSpace(s) {
		r.fail(n.Line, "catalogue.parameter_text", what+" is not a plain name", "Write it without braces, line breaks or spaces at its ends.")
		return false
	}
	return true
}

// span reads a duration: a whole number of seconds, minutes, hours or days of 24 hours.
func (r *reader) span(n *yaml.Node, what string) (time.Duration, bool) {
	units := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}
	const longest = 100 * 366 * 24 * time.Hour // also keeps the product below from overflowing
	m := spanPattern.FindStringSubmatch(n.Value)
	if n.Kind == yaml.ScalarNode && m != nil {
		v, err := strconv.ParseInt(m[1], 10, 64)
		if u := units[m[2]]; err == nil && v <= int64(longest/u) {
			return time.Duration(v) * u, true
		}
	}
	r.fail(n.Line, "catalogue.duration", what+" is not a duration of at most a hundred years", "Write a number and a unit: 30s, 15m, 6h or 14d.")
	return 0, false
}

// need notes each key that is missing.
func (r *reader) need(n *yaml.Node, what string, f map[string]*yaml.Node, keys ...string) bool {
	ok := true
	for _, k := range keys {
		if f[k] == nil {
			r.fail(n.Line, "catalogue.missing", what+" has no "+k, "Add “"+k+":”.")
			ok = false
		}
	}
	return ok
}

func (c *Catalogue) readMeasure(r *reader, n *yaml.Node) (Measure, bool) {
	var m Measure
	f, ok := r.fields(n, "a measure", "id", "section", "kind", "owner", "operator", "cadence", "facts", "attest", "per", "refs")
	if !ok || !r.need(n, "a measure", f, "id") {
		return m, false
	}
	if m.ID, ok = r.word(f["id"], "the id of a measure"); !ok {
		return m, false
	}
	if !idPattern.MatchString(m.ID) {
		r.fail(f["id"].Line, "catalogue.measure_id", "the id of a measure is not capitals, a hyphen and a number", "Write it like ENC-1.")
		return m, false
	}
	if !r.need(n, m.ID, f, "section", "kind", "owner", "operator", "refs") {
		return m, false
	}
	m.Section, _ = r.word(f["section"], "the section of "+m.ID)
	if m.Section != "" && !slices.ContainsFunc(c.Sections, func(s Section) bool { return s.ID == m.Section }) {
		r.fail(f["section"].Line, "catalogue.section", m.ID+" is in a section that is not declared", "Declare it under sections, or correct the number.")
	}
	kind, _ := r.word(f["kind"], "the kind of "+m.ID)
	m.Kind = Kind(kind)
	if kind != "" && !slices.Contains([]Kind{Enforced, Checked, Run, Attested}, m.Kind) {
		r.fail(f["kind"].Line, "catalogue.kind", m.ID+" has an unknown kind", "Use enforced, checked, run or attested.")
	}
	m.Owner, _ = r.word(f["owner"], "the owner of "+m.ID)
	if m.Owner != "" && !teamPattern.MatchString(m.Owner) {
		r.fail(f["owner"].Line, "catalogue.team", m.ID+" has an owner that is not the key of a team", "Use a key such as operations.")
	}
	m.Operator, _ = r.word(f["operator"], "the operator of "+m.ID)
	if m.Operator != "" && m.Operator != Own && m.Operator != Supplier {
		r.fail(f["operator"].Line, "catalogue.operator", m.ID+" has an unknown operator", "Use own or supplier.")
	}
	if f["cadence"] != nil {
		m.Cadence, _ = r.span(f["cadence"], "the cadence of "+m.ID)
	} else if m.Kind == Run || m.Kind == Attested {
		r.fail(n.Line, "catalogue.cadence", m.ID+" depends on people and has no cadence, so it would never expire", "Add “cadence: 365d”.")
	}
	m.Attest = m.Kind == Attested
	if f["attest"] != nil {
		m.Attest = c.readAttest(r, f["attest"], m)
	}
	if f["per"] != nil {
		if m.Per, _ = r.word(f["per"], "what "+m.ID+" is attested for"); m.Per != PerSite || !m.Attest {
			r.fail(f["per"].Line, "catalogue.per", m.ID+" is attested for each of something that is not known", "Write site, for a measure that is attested, or remove the line.")
		}
	}
	if f["facts"] != nil {
		m.Facts = r.wordList(f["facts"], "the facts of "+m.ID)
		for _, fact := range m.Facts {
			if !namePattern.MatchString(fact) {
				r.fail(f["facts"].Line, "catalogue.fact", m.ID+" declares a fact whose name is not made of small letters, digits, _ and dots", "Name it like endpoint.tls.examined.")
			} else if _, clash := c.Parameters[fact]; clash {
				r.fail(f["facts"].Line, "catalogue.fact", m.ID+" declares the fact "+fact+", which is a parameter", "Give one of them another name.")
			}
		}
	}
	refs, ok := r.fields(f["refs"], "the references of "+m.ID, "gdpr", "iso", "cnil", "clauses")
	if !ok || !r.need(f["refs"], "the references of "+m.ID, refs, "gdpr") {
		return m, true
	}
	m.Refs.GDPR = r.wordList(refs["gdpr"], "gdpr of "+m.ID)
	if len(m.Refs.GDPR) == 0 {
		r.fail(refs["gdpr"].Line, "catalogue.empty", m.ID+" relates to no article of the GDPR", "List at least one.")
	}
	if refs["iso"] != nil {
		m.Refs.ISO = r.wordList(refs["iso"], "iso of "+m.ID)
	}
	if refs["cnil"] != nil {
		m.Refs.CNIL = r.wordList(refs["cnil"], "cnil of "+m.ID)
	}
	if refs["clauses"] != nil {
		m.Refs.Clauses = c.readHeadings(r, refs["clauses"], m.ID)
	}
	return m, true
}

// readAttest reads whether a measure needs an owner's attestation beside its checks.
func (c *Catalogue) readAttest(r *reader, n *yaml.Node, m Measure) bool {
	word, _ := r.word(n, "attest of "+m.ID)
	switch {
	case word != "true":
		r.fail(n.Line, "catalogue.attest", m.ID+" says something else of its attestation than that it is needed", "Write “attest: true”, or remove the line.")
	case m.Cadence == 0:
		r.fail(n.Line, "catalogue.cadence", m.ID+" is attested and has no cadence, so the attestation would never expire", "Add “cadence: 365d”.")
	}
	return true
}

// readWords fills one language.
func (c *Catalogue) readWords(r *reader, lang string, b []byte) {
	root := r.root(b)
	if root == nil {
		return
	}
	top, ok := r.fields(root, "the file", "sections", "teams", "clauses", "also", "measures")
	if !ok || !r.need(root, "the file", top, "sections", "teams", "measures") {
		return
	}
	l := language{sections: map[string]string{}, teams: map[string]string{}, measures: map[string]Words{}}
	l.clauses = c.readLabels(r, lang, root, top["clauses"], labels{key: "clauses", what: "heading", known: c.Clauses})
	l.topics = c.readLabels(r, lang, root, top["also"], labels{key: "also", what: "topic", known: c.topicKeys(), question: true})
	if ps, ok := r.pairs(top["sections"], "sections"); ok {
		for _, p := range ps {
			if !slices.ContainsFunc(c.Sections, func(s Section) bool { return s.ID == p.key }) {
				r.fail(p.line, "catalogue.section", "the section "+p.key+" is not in measures.yaml", "Remove it, or declare it there.")
				continue
			}
			l.sections[p.key] = r.label(lang, p.value, "the title of section "+p.key)
		}
		for _, s := range c.Sections {
			if _, ok := l.sections[s.ID]; !ok {
				r.fail(top["sections"].Line, "catalogue.no_words", "the section "+s.ID+" has no title", "Add it.")
			}
		}
	}
	if ps, ok := r.pairs(top["teams"], "teams"); ok {
		for _, p := range ps {
			if !teamPattern.MatchString(p.key) {
				r.fail(p.line, "catalogue.team", "the key of a team is not made of small letters, digits and _", "Use a key such as operations.")
				continue
			}
			l.teams[p.key] = r.label(lang, p.value, "the name of team "+p.key)
		}
		for _, m := range c.Measures {
			if _, ok := l.teams[m.Owner]; !ok {
				r.fail(top["teams"].Line, "catalogue.team", fmt.Sprintf("the team %s, owner of %s, has no name", m.Owner, m.ID), "Add it under teams.")
			}
		}
	}
	if ps, ok := r.pairs(top["measures"], "measures"); ok {
		for _, p := range ps {
			m, known := c.Measure(p.key)
			if !known {
				r.fail(p.line, "catalogue.unknown_measure", "the measure "+p.key+" is not in measures.yaml", "Remove it, or correct its id.")
				continue
			}
			l.measures[p.key] = c.readMeasureWords(r, lang, m, p)
		}
		for _, m := range c.Measures {
			if _, ok := l.measures[m.ID]; !ok {
				r.fail(top["measures"].Line, "catalogue.no_words", "the measure "+m.ID+" has no words", "Add its title, sentence and method.")
			}
		}
	}
	c.languages[lang] = l
}

func (c *Catalogue) readMeasureWords(r *reader, lang string, m Measure, p pair) Words {
	var w Words
	f, ok := r.fields(p.value, m.ID, "title", "sentence", "method")
	if !ok {
		return w
	}
	for _, k := range []string{"title", "sentence", "method"} {
		if f[k] == nil {
			r.fail(p.line, "catalogue.no_words", m.ID+" has no "+k, "Add “"+k+":”.")
		}
	}
	if f["title"] != nil {
		w.Title = r.label(lang, f["title"], "the title of "+m.ID)
	}
	if f["sentence"] != nil {
		w.Sentence = r.text(lang, f["sentence"], "the sentence of "+m.ID)
		c.resolve(r, f["sentence"].Line, "the sentence of "+m.ID, w.Sentence, nil, m.Facts)
	}
	if f["method"] != nil {
		w.Method = r.text(lang, f["method"], "the method of "+m.ID)
		c.resolve(r, f["method"].Line, "the method of "+m.ID, w.Method, m.Facts, m.Facts)
	}
	return w
}

// label reads a title or a name: plain words without a placeholder or a full stop.
func (r *reader) label(lang string, n *yaml.Node, what string) string {
	s, ok := r.word(n, what)
	if !ok {
		return ""
	}
	if t, f := parseText(s); f != nil || len(t.Names()) > 0 || strings.HasSuffix(s, ".") {
		r.fail(n.Line, "catalogue.label", what+" is not plain words", "Write it without braces, line breaks or a full stop.")
		return ""
	}
	if f := style(lang, s); f != nil {
		r.fail(n.Line, f.id, what+": "+f.text, f.fix)
	}
	return s
}

// text reads a sentence.
func (r *reader) text(lang string, n *yaml.Node, what string) Text {
	s, ok := r.word(n, what)
	if !ok {
		return nil
	}
	t, f := parseText(s)
	if f != nil {
		r.fail(n.Line, f.id, what+": "+f.text, f.fix)
		return nil
	}
	plain := t.plain()
	if f := style(lang, plain); f != nil {
		r.fail(n.Line, f.id, what+": "+f.text, f.fix)
	}
	if !strings.HasSuffix(plain, ".") {
		r.fail(n.Line, "catalogue.full_stop", what+" does not end with a full stop", "End it with one.")
	}
	return t
}

// resolve holds the placeholders of a text to what has a value. What only chooses words by a fact needs none: it always says
// something.
func (c *Catalogue) resolve(r *reader, line int, what string, t Text, facts, choosing []string) {
	for _, s := range t {
		if !s.Placeholder() {
			continue
		}
		p, isParameter := c.Parameters[s.Name]
		switch {
		case s.Chooses():
			if !slices.Contains(choosing, s.Name) {
				r.fail(line, "catalogue.placeholder", what+" chooses words by {"+s.Name+"}, which is no fact of the measure", "Declare it under the facts of the measure in measures.yaml.")
			}
		case !isParameter && !slices.Contains(facts, s.Name):
			fix := "Declare it under parameters in measures.yaml."
			if facts != nil {
				fix = "Declare it under parameters, or under the facts of the measure, in measures.yaml."
			}
			r.fail(line, "catalogue.placeholder", what+" quotes {"+s.Name+"}, which has no value", fix)
		case isParameter && s.One != "" && p.Kind != CountKind:
			r.fail(line, "catalogue.placeholder", what+" counts {"+s.Name+"}, which is a "+p.Kind, "Quote it as {"+s.Name+"}.")
		}
	}
}

// compare refuses a figure or a team that stands in one language and not in another.
func (c *Catalogue) compare(problems *[]error, lines map[string]int) {
	langs := c.Languages()
	r := &reader{file: "measures.yaml", problems: problems}
	first := c.languages[langs[0]]
	same := func(a, b Text) bool {
		x, y := a.Names(), b.Names()
		slices.Sort(x)
		slices.Sort(y)
		return slices.Equal(x, y)
	}
	for _, l := range langs[1:] {
		other := c.languages[l]
		for _, m := range c.Measures {
			a, b := first.measures[m.ID], other.measures[m.ID]
			if !same(a.Sentence, b.Sentence) || !same(a.Method, b.Method) {
				r.fail(lines[m.ID], "catalogue.languages_differ", fmt.Sprintf("%s quotes other figures in %s than in %s", m.ID, langs[0], l), "Quote the same names in every language.")
			}
		}
		if !slices.Equal(sortedKeys(first.teams), sortedKeys(other.teams)) {
			r.fail(1, "catalogue.languages_differ", fmt.Sprintf("%s and %s do not name the same teams", langs[0], l), "Name the same teams in every language.")
		}
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func joined(words []string) string { return strings.Join(words, ", ") }
