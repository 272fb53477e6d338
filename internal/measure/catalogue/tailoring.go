package catalogue

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/garant-project/garant/internal/web/ui"
)

// TailoringFile is what a tailoring is called in messages.
const TailoringFile = "annex.yaml"

// Tailoring is what a company changes of the catalogue, as one strict YAML document:
//
//	company:
//	  legal_name: Ardoise Mécénat SRL
//	  address: Rue de l’Exemple 1, Bruxelles
//	  registration: BE 0000.000.000
//	  dpo: {email: dpo@ardoise.example, phone: +32 2 000 00 00}
//	  revision: 2027-11-12            # when the annex is revised next
//	parameters:
//	  backup.database.retention: 30d  # as the catalogue has it: of the same kind
//	  own.training.period: {duration: 365d}   # one's own: own.NAME, with its kind
//	teams:
//	  platform: {fr: Plateforme, en: Platform}
//	measures:
//	  ENC-1:
//	    title: {fr: …, en: …}         # also sentence and method; always in every language
//	    owner: platform
//	    operator: supplier
//	    cadence: 180d
//	    attested: true                # an owner confirms it, no check is needed
//	    drops: {endpoint.tls.accepted: why the sentence no longer says it}
//	  BAK-4:
//	    excluded: {reason: {fr: …, en: …}}
//	own:
//	  OWN-1:
//	    section: 1.2
//	    kind: attested                # or checked, with checks: [NAME of garant.yaml] and facts of theirs
//	    owner: security
//	    cadence: 365d
//	    refs: {gdpr: [32(1)(b)]}
//	    title: {fr: …, en: …}
//	    sentence: {fr: …, en: …}
//	    method: {fr: …, en: …}
//	also:
//	  training: {fr: …, en: …}        # answers to what readers ask besides
//
// Texts are typeset as they are read: an ordinary space before ; : ! ? and a straight apostrophe
// become what the language wants. It is never changed after ParseTailoring.
type Tailoring struct {
	Company    Identity
	Parameters map[string]Setting
	Teams      map[string]ByLanguage
	Measures   map[string]Adjustment
	Own        []OwnMeasure // in the order of the document
	Also       map[string]ByLanguage

	lines     map[string]int // at → line
	canonical []byte
	hash      string
}

// ByLanguage is a text in each language.
type ByLanguage map[string]string

// Identity says whose annex it is, whom to write to, and when it is revised next.
type Identity struct {
	LegalName    string
	Address      string
	Registration string
	DPO          Contact
	Revision     string // a day, "2027-11-12"; empty: not said
}

// Contact is how a function is reached. A person's name has no place in it (GDPR 37(7) asks for
// contact details only).
type Contact struct{ Email, Phone, Address string }

// Setting is the value that a company gives a parameter.
type Setting struct {
	Kind string // of an own parameter, or written though the catalogue has it; empty: the catalogue's
	Text string // "30d", "AES-256", "4"; of a list, its names joined by ", "

	node *yaml.Node
}

// Adjustment is what a company changes of a measure. Zero fields change nothing.
type Adjustment struct {
	Title, Sentence, Method ByLanguage
	Owner                   string
	Operator                string
	Cadence                 time.Duration
	Attested                bool
	Excluded                ByLanguage        // the reason
	Drops                   map[string]string // name of a figure or fact that the words no longer quote → reason
}

// OwnMeasure is a measure that the catalogue does not have.
type OwnMeasure struct {
	ID                      string
	Section                 string
	Kind                    Kind // Checked or Attested
	Owner                   string
	Operator                string
	Cadence                 time.Duration
	Attest                  bool
	Per                     string
	Checks                  []string // names of own checks, declared in garant.yaml
	Facts                   []string // what they give and the method may quote: "own.NAME.FACT"
	Refs                    Refs
	Title, Sentence, Method ByLanguage
}

// Hash is the hexadecimal SHA-256 of Canonical.
func (t *Tailoring) Hash() string { return t.hash }

// Canonical is what the document declares as JSON in the form of RFC 8785: comments, layout and
// the order of keys do not count.
func (t *Tailoring) Canonical() []byte { return slices.Clone(t.canonical) }

// Empty reports whether nothing is changed.
func (t *Tailoring) Empty() bool { return string(t.canonical) == "{}" }

var (
	dayPattern   = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)
	emailPattern = regexp.MustCompile(`^[^@\s<>"',;:\\]+@[^@\s<>"',;:\\]+\.[^@\s<>"',;:\\]+$`)
	ownCheck     = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`) // as estate has it
)

// ParseTailoring reads a tailoring. It is as strict as Parse, and says of each problem the line
// and, as the argument "at" of the error, what it is about. What depends on the catalogue is
// held against it by Catalogue.Tailor. A text of comments alone, or an empty one, changes nothing.
func ParseTailoring(text []byte) (*Tailoring, error) {
	var problems []error
	r := &reader{file: TailoringFile, problems: &problems}
	t := &Tailoring{
		Parameters: map[string]Setting{}, Teams: map[string]ByLanguage{}, Measures: map[string]Adjustment{}, Also: map[string]ByLanguage{},
		lines: map[string]int{},
	}
	t.read(r, text)
	if len(problems) > 0 {
		return nil, joinProblems(problems)
	}
	var err error
	if t.canonical, t.hash, err = canonical(t.declared()); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Tailoring) read(r *reader, text []byte) {
	if !utf8.Valid(text) {
		r.fail(1, "tailoring.encoding", "the text is not valid UTF-8", "Save the file as UTF-8.")
		return
	}
	if len(text) <= maxFile && blank(text) {
		return
	}
	root := r.root(text)
	if root == nil || !r.readable(root) {
		return
	}
	top, ok := r.fields(root, "the file", "company", "parameters", "teams", "measures", "own", "also")
	if !ok {
		return
	}
	if n := top["company"]; n != nil {
		t.readCompany(r.in("company"), n)
	}
	if n := top["parameters"]; n != nil {
		t.readSettings(r.in("parameters"), n)
	}
	if n := top["teams"]; n != nil {
		t.readTeams(r.in("teams"), n)
	}
	if n := top["measures"]; n != nil {
		t.readAdjustments(r.in("measures"), n)
	}
	if n := top["own"]; n != nil {
		t.readOwn(r.in("own"), n)
	}
	if n := top["also"]; n != nil {
		t.readAlso(r.in("also"), n)
	}
}

// blank reports whether a text holds only comments.
func blank(text []byte) bool {
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return false
		}
	}
	return true
}

// in returns a reader whose problems are about at.
func (r *reader) in(at string) *reader { return &reader{file: r.file, problems: r.problems, at: at} }

// under returns a reader whose problems are about what stands below.
func (r *reader) under(key string) *reader { return r.in(r.at + "." + key) }

// readable refuses what nobody sees: line breaks in a value, control and invisible characters.
func (r *reader) readable(n *yaml.Node) bool {
	ok := true
	if n.Kind == yaml.ScalarNode && strings.ContainsFunc(n.Value, func(c rune) bool { return unicode.In(c, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) }) {
		r.fail(n.Line, "catalogue.text_invisible", "the text holds a line break or an invisible character", "Write it as one paragraph, without control characters.")
		ok = false
	}
	for _, c := range n.Content {
		ok = r.readable(c) && ok
	}
	return ok
}

// short reads a line of at most 200 characters.
func (r *reader) short(n *yaml.Node, what string) string {
	s, ok := r.word(n, what)
	if !ok {
		return ""
	}
	if s != strings.TrimSpace(s) || utf8.RuneCountInString(s) > 200 {
		r.fail(n.Line, "tailoring.long", what+" is longer than 200 characters, or has spaces at its ends", "Shorten it.")
		return ""
	}
	return s
}

func (t *Tailoring) readCompany(r *reader, n *yaml.Node) {
	f, ok := r.fields(n, "company", "legal_name", "address", "registration", "dpo", "revision")
	if !ok {
		return
	}
	for key, to := range map[string]*string{"legal_name": &t.Company.LegalName, "address": &t.Company.Address, "registration": &t.Company.Registration} {
		if f[key] != nil {
			*to = r.under(key).short(f[key], key)
			t.lines[r.at+"."+key] = f[key].Line
		}
	}
	if v := f["revision"]; v != nil {
		in := r.under("revision")
		t.Company.Revision = in.short(v, "revision")
		t.lines[in.at] = v.Line
		if _, err := time.Parse(time.DateOnly, t.Company.Revision); t.Company.Revision != "" && (err != nil || !dayPattern.MatchString(t.Company.Revision)) {
			in.fail(v.Line, "tailoring.day", "the date of the next revision is not a day", "Write year, month and day: 2027-11-12.")
		}
	}
	if f["dpo"] == nil {
		return
	}
	r = r.under("dpo")
	d, ok := r.fields(f["dpo"], "dpo", "email", "phone", "address")
	if !ok {
		return
	}
	for key, to := range map[string]*string{"email": &t.Company.DPO.Email, "phone": &t.Company.DPO.Phone, "address": &t.Company.DPO.Address} {
		if d[key] != nil {
			*to = r.under(key).short(d[key], key)
			t.lines[r.at+"."+key] = d[key].Line
		}
	}
	if email := t.Company.DPO.Email; email != "" && !emailPattern.MatchString(email) {
		r.under("email").fail(d["email"].Line, "tailoring.email", "the address of the data protection officer is no e-mail address", "Write one such as dpo@company.example.")
	}
}

func (t *Tailoring) readSettings(r *reader, n *yaml.Node) {
	ps, ok := r.pairs(n, "parameters")
	if !ok {
		return
	}
	for _, p := range ps {
		in := r.under(p.key)
		t.lines[in.at] = p.line
		if !namePattern.MatchString(p.key) {
			in.fail(p.line, "catalogue.parameter_name", "the name of a parameter is not made of small letters, digits, _ and dots", "Name it like backup.database.retention, or own.training.period for one of your own.")
			continue
		}
		s := Setting{node: p.value}
		if p.value.Kind == yaml.MappingNode {
			kinds, ok := in.fields(p.value, "the parameter "+p.key, CountKind, DurationKind, TextKind, ListKind)
			if !ok {
				continue
			}
			if len(kinds) != 1 {
				in.fail(p.line, "catalogue.parameter_kind", "the parameter "+p.key+" does not have exactly one value", "Write one of {count: 4}, {duration: 14d}, {text: AES-256}, {list: [a, b]}.")
				continue
			}
			for kind, v := range kinds {
				s.Kind, s.node = kind, v
			}
		}
		switch s.node.Kind {
		case yaml.SequenceNode:
			s.Text = strings.Join(in.wordList(s.node, "the parameter "+p.key), ", ")
		default:
			s.Text = in.short(s.node, "the parameter "+p.key)
		}
		t.Parameters[p.key] = s
	}
}

func (t *Tailoring) readTeams(r *reader, n *yaml.Node) {
	ps, ok := r.pairs(n, "teams")
	if !ok {
		return
	}
	for _, p := range ps {
		in := r.under(p.key)
		if !teamPattern.MatchString(p.key) {
			in.fail(p.line, "catalogue.team", "the key of a team is not made of small letters, digits and _", "Use a key such as operations.")
			continue
		}
		t.Teams[p.key] = t.byLanguage(in, p.value, "the name of team "+p.key, (*reader).label)
	}
}

// The readers of texts in one language. Each typesets first.
type textReader func(r *reader, lang string, n *yaml.Node, what string) string

func sentence(r *reader, lang string, n *yaml.Node, what string) string {
	return r.text(lang, n, what).String()
}

// answer reads what the company says on a topic: no measure stands behind it, so that it holds
// figures of its own and quotes none.
func answer(r *reader, lang string, n *yaml.Node, what string) string {
	s := reason(r, lang, n, what)
	if s == "" {
		return ""
	}
	if f := words(lang, s); f != nil {
		r.fail(n.Line, f.id, what+": "+f.text, f.fix)
	}
	if !strings.HasSuffix(s, ".") {
		r.fail(n.Line, "catalogue.full_stop", what+" does not end with a full stop", "End it with one.")
	}
	return s
}

// reason reads a text that may hold figures and hedge, because it promises nothing.
func reason(r *reader, lang string, n *yaml.Node, what string) string {
	s, ok := r.word(n, what)
	if !ok {
		return ""
	}
	t, f := parseText(s)
	if f == nil && len(t.Names()) > 0 {
		f = &flaw{"tailoring.reason_quotes", "the text quotes a figure by its name", "Write it without braces."}
	}
	for _, rule := range []func(string, string) *flaw{characters, spaces} {
		if f == nil {
			f = rule(lang, s)
		}
	}
	if f != nil {
		r.fail(n.Line, f.id, what+": "+f.text, f.fix)
		return ""
	}
	return s
}

// byLanguage reads a text in each language.
func (t *Tailoring) byLanguage(r *reader, n *yaml.Node, what string, read textReader) ByLanguage {
	t.lines[r.at] = n.Line
	ps, ok := r.pairs(n, what)
	if !ok {
		return nil
	}
	out := ByLanguage{}
	for _, p := range ps {
		in := r.under(p.key)
		t.lines[in.at] = p.line
		if !languagePattern.MatchString(p.key) {
			in.fail(p.line, "catalogue.language", fmt.Sprintf("%q is not the code of a language", p.key), "Use the code of ISO 639: fr, en.")
			continue
		}
		v := *p.value
		v.Value = ui.Typeset(p.key, v.Value)
		out[p.key] = read(in, p.key, &v, what+" ("+p.key+")")
	}
	if len(out) == 0 {
		r.fail(n.Line, "catalogue.empty", what+" is empty", "Write it in every language, or remove the line.")
	}
	return out
}

func (t *Tailoring) readAdjustments(r *reader, n *yaml.Node) {
	ps, ok := r.pairs(n, "measures")
	if !ok {
		return
	}
	for _, p := range ps {
		in := r.under(p.key)
		t.lines[in.at] = p.line
		f, ok := in.fields(p.value, p.key, "title", "sentence", "method", "owner", "operator", "cadence", "attested", "excluded", "drops")
		if !ok {
			continue
		}
		a := Adjustment{Owner: in.team(f["owner"], p.key), Operator: in.operator(f["operator"], p.key)}
		a.Title, a.Sentence, a.Method = t.readOwnWords(in, p.key, f)
		if v := f["cadence"]; v != nil {
			a.Cadence, _ = in.under("cadence").span(v, "the cadence of "+p.key)
			t.lines[in.at+".cadence"] = v.Line
		}
		if v := f["attested"]; v != nil {
			a.Attested = in.under("attested").yes(v, p.key+" attested")
		}
		if v := f["excluded"]; v != nil {
			a.Excluded = t.readExclusion(in.under("excluded"), v, p.key)
		}
		if v := f["drops"]; v != nil {
			a.Drops = t.readDrops(in.under("drops"), v, p.key)
		}
		for _, key := range []string{"owner", "operator"} {
			if f[key] != nil {
				t.lines[in.at+"."+key] = f[key].Line
			}
		}
		t.Measures[p.key] = a
	}
}

func (t *Tailoring) readOwnWords(r *reader, id string, f map[string]*yaml.Node) (title, sentence_, method ByLanguage) {
	if v := f["title"]; v != nil {
		title = t.byLanguage(r.under("title"), v, "the title of "+id, (*reader).label)
	}
	if v := f["sentence"]; v != nil {
		sentence_ = t.byLanguage(r.under("sentence"), v, "the sentence of "+id, sentence)
	}
	if v := f["method"]; v != nil {
		method = t.byLanguage(r.under("method"), v, "the method of "+id, sentence)
	}
	return title, sentence_, method
}

func (t *Tailoring) readExclusion(r *reader, n *yaml.Node, id string) ByLanguage {
	f, ok := r.fields(n, "excluded", "reason")
	if !ok {
		return nil
	}
	if f["reason"] == nil {
		r.under("reason").fail(n.Line, "tailoring.no_reason", id+" is excluded without a reason", "Write “excluded: {reason: {fr: …, en: …}}”: readers are told why.")
		return nil
	}
	return t.byLanguage(r.under("reason"), f["reason"], "the reason why "+id+" is excluded", reason)
}

func (t *Tailoring) readDrops(r *reader, n *yaml.Node, id string) map[string]string {
	t.lines[r.at] = n.Line
	ps, ok := r.pairs(n, "drops of "+id)
	if !ok {
		return nil
	}
	out := map[string]string{}
	for _, p := range ps {
		in := r.under(p.key)
		t.lines[in.at] = p.line
		if why := in.short(p.value, "the reason why "+id+" drops "+p.key); why != "" {
			out[p.key] = why
		}
	}
	return out
}

func (r *reader) team(n *yaml.Node, id string) string {
	if n == nil {
		return ""
	}
	in := r.under("owner")
	s, _ := in.word(n, "the owner of "+id)
	if s != "" && !teamPattern.MatchString(s) {
		in.fail(n.Line, "catalogue.team", id+" has an owner that is not the key of a team", "Use a key such as operations.")
	}
	return s
}

func (r *reader) operator(n *yaml.Node, id string) string {
	if n == nil {
		return ""
	}
	in := r.under("operator")
	s, _ := in.word(n, "the operator of "+id)
	if s != "" && s != Own && s != Supplier {
		in.fail(n.Line, "catalogue.operator", id+" has an unknown operator", "Use own or supplier.")
	}
	return s
}

func (r *reader) yes(n *yaml.Node, what string) bool {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
		r.fail(n.Line, "tailoring.boolean", what+" is neither true nor false", "Write true or false.")
		return false
	}
	return strings.EqualFold(n.Value, "true")
}

func (t *Tailoring) readOwn(r *reader, n *yaml.Node) {
	ps, ok := r.pairs(n, "own")
	if !ok {
		return
	}
	for _, p := range ps {
		in := r.under(p.key)
		t.lines[in.at] = p.line
		if !idPattern.MatchString(p.key) {
			in.fail(p.line, "catalogue.measure_id", "the id of a measure is not capitals, a hyphen and a number", "Write it like OWN-1.")
			continue
		}
		f, ok := in.fields(p.value, p.key, "section", "kind", "owner", "operator", "cadence", "attest", "per", "checks", "facts", "refs", "title", "sentence", "method")
		if !ok || !in.need(p.value, p.key, f, "section", "kind", "owner", "refs", "title", "sentence", "method") {
			continue
		}
		t.Own = append(t.Own, t.readOwnMeasure(in, p, f))
	}
}

func (t *Tailoring) readOwnMeasure(r *reader, p pair, f map[string]*yaml.Node) OwnMeasure {
	for key, n := range f {
		if _, known := t.lines[r.at+"."+key]; !known {
			t.lines[r.at+"."+key] = n.Line
		}
	}
	m := OwnMeasure{ID: p.key, Owner: r.team(f["owner"], p.key), Operator: r.operator(f["operator"], p.key)}
	if m.Operator == "" {
		m.Operator = Own
	}
	m.Section, _ = r.under("section").word(f["section"], "the section of "+p.key)
	kind, _ := r.under("kind").word(f["kind"], "the kind of "+p.key)
	m.Kind = Kind(kind)
	if kind != "" && m.Kind != Checked && m.Kind != Attested {
		r.under("kind").fail(f["kind"].Line, "tailoring.own_kind", p.key+" is neither checked nor attested", "Write checked, with checks that garant.yaml declares, or attested: what the product itself does not carry out is one of the two.")
	}
	if v := f["cadence"]; v != nil {
		m.Cadence, _ = r.under("cadence").span(v, "the cadence of "+p.key)
	}
	if v := f["attest"]; v != nil {
		m.Attest = r.under("attest").yes(v, p.key+" attest")
	}
	m.Attest = m.Attest || m.Kind == Attested
	if v := f["per"]; v != nil {
		m.Per, _ = r.under("per").word(v, "per of "+p.key)
		if m.Per != "" && (m.Per != PerSite || !m.Attest) {
			r.under("per").fail(v.Line, "tailoring.per", p.key+" is confirmed for each of something that is not known", "Write “per: site” for a measure that is attested, or remove the line.")
		}
	}
	if v := f["checks"]; v != nil {
		m.Checks = r.under("checks").wordList(v, "the checks of "+p.key)
		for _, c := range m.Checks {
			if !ownCheck.MatchString(c) {
				r.under("checks").fail(v.Line, "tailoring.check_name", p.key+" names a check as garant.yaml cannot", "Write the name that the check has under checks: in garant.yaml.")
			}
		}
	}
	if v := f["facts"]; v != nil {
		m.Facts = r.under("facts").wordList(v, "the facts of "+p.key)
		for _, name := range m.Facts {
			if !namePattern.MatchString(name) {
				r.under("facts").fail(v.Line, "catalogue.fact", p.key+" declares a fact whose name is not made of small letters, digits, _ and dots", "Name it like own.vpn.users.")
			}
		}
	}
	switch {
	case m.Kind == Checked && len(m.Checks) == 0:
		r.under("checks").fail(p.line, "tailoring.no_check", p.key+" is checked, but names no check", "Add “checks: [NAME]” with one that garant.yaml declares, or write “kind: attested”.")
	case m.Attest && m.Cadence == 0:
		r.under("cadence").fail(p.line, "catalogue.cadence", p.key+" depends on people and has no cadence, so it would never expire", "Add “cadence: 365d”.")
	case !m.Attest && m.Cadence != 0:
		r.under("cadence").fail(p.line, "tailoring.cadence", p.key+" has a cadence, though nobody confirms it: its checks set the pace", "Remove the line.")
	}
	m.Refs = r.refs(f["refs"], p.key)
	m.Title, m.Sentence, m.Method = t.readOwnWords(r, p.key, f)
	return m
}

// refs reads the texts that a measure relates to.
func (r *reader) refs(n *yaml.Node, id string) (out Refs) {
	r = r.under("refs")
	f, ok := r.fields(n, "the references of "+id, "gdpr", "iso", "cnil", "clauses")
	if !ok || !r.need(n, "the references of "+id, f, "gdpr") {
		return out
	}
	out.GDPR = r.wordList(f["gdpr"], "gdpr of "+id)
	if len(out.GDPR) == 0 {
		r.fail(f["gdpr"].Line, "catalogue.empty", id+" relates to no article of the GDPR", "List at least one.")
	}
	if f["iso"] != nil {
		out.ISO = r.wordList(f["iso"], "iso of "+id)
	}
	if f["cnil"] != nil {
		out.CNIL = r.wordList(f["cnil"], "cnil of "+id)
	}
	if f["clauses"] != nil {
		out.Clauses = r.wordList(f["clauses"], "clauses of "+id)
	}
	return out
}

func (t *Tailoring) readAlso(r *reader, n *yaml.Node) {
	ps, ok := r.pairs(n, "also")
	if !ok {
		return
	}
	for _, p := range ps {
		in := r.under(p.key)
		if !teamPattern.MatchString(p.key) {
			in.fail(p.line, "tailoring.topic", "the name of a topic is not made of small letters, digits and _", "Use one such as training.")
			continue
		}
		t.Also[p.key] = t.byLanguage(in, p.value, "the answer on "+p.key, answer)
	}
}
