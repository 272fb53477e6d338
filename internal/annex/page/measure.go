package page

import (
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/garant-project/garant/internal/web/ui"
)

// row is a measure as templates show it: every decision is taken, every word chosen.
type row struct {
	ID, Title, Href string

	Asserted    bool   // the sentence is said, not quoted
	Lead        string // "Nous annoncions :"
	Open, Close string // quotation marks of a sentence that is only quoted
	Sentence    []piece
	Bare        string // the sentence without marks, for lists of what is not proven

	Notice  string // why the sentence is not asserted any more
	Tone    string // of the notice, as part of a class
	Reduced string
	Method  []piece
	Looked  string // what was examined and when

	Owner  string
	Refs   []string
	Digest string // short

	ProofWord, ProofLabel string // of the link to the proof

	VerifyHref string // of the commands that check it from outside; may be empty
	Confirmed  string // by its owner, when
	Witness    string // who else confirmed it
	Exclusion  string

	Pill  ui.Pill
	Kind  string // how it is proven, or is to be
	Strip []ui.Day
	Line  string // since when; empty: not known
	Next  string // the next look
}

// piece is a part of a sentence: words, or a fact.
type piece struct {
	Text string
	Fact *ui.Fact
}

// teller tells measures to one reader.
type teller struct {
	*ui.Printer
	now    time.Time // of the page
	at     time.Time // the moment that is replayed; zero: now
	moment string    // at, as links carry it
}

// withdrawn reports whether a sentence was asserted and is no more. A measure that lost its
// proof counts, whatever the reason; one that never had any does not.
func withdrawn(m Measure) bool {
	switch m.State {
	case ui.Met, ui.Excluded:
		return false
	case ui.NotMet, ui.Stale:
		return true
	}
	for _, d := range m.Strip {
		if d.State == ui.Met {
			return true
		}
	}
	return false
}

// judged makes of a measure what these pages may show of it: a state that they do not know, or a
// sentence that cannot be said, is not proven.
func judged(m Measure) Measure {
	if m.State = known(m.State); m.State == ui.Met && len(m.Sentence) == 0 {
		m.State, m.Reason, m.Since = ui.Unproven, "", time.Time{}
	}
	return m
}

// known returns s, or Unproven for a state that these pages do not know.
func known(s ui.State) ui.State {
	if slices.Contains(ui.States(), s) {
		return s
	}
	return ui.Unproven
}

// row tells a measure that has been judged.
func (t teller) row(m Measure) row {
	r := row{
		ID: m.ID, Title: m.Title, Href: t.href(ProofPath + m.ID), Asserted: m.State == ui.Met,
		Pill: t.Pill(m.State), Kind: t.KindName(m.Kind), Strip: m.Strip,
		Owner: t.owner(m), Refs: t.references(m.Refs),
	}
	r.Sentence = t.pieces(m, m.Sentence, r.Asserted)
	if len(m.Sentence) == 0 {
		r.Sentence = []piece{{Text: t.T("annex.unsaid")}}
	}
	for _, s := range m.Sentence {
		r.Bare += s.Text
	}
	if r.Bare == "" {
		r.Bare = t.T("annex.unsaid")
	}
	if r.Asserted {
		r.Method = t.pieces(m, m.Method, true)
	}
	if !r.Asserted && len(m.Sentence) > 0 {
		r.Lead = t.lead(m)
		r.Open, r.Close = t.quotes()
	}
	if m.State == ui.Unproven && !withdrawn(m) {
		r.Kind = t.planned(m.Kind)
	}
	if withdrawn(m) {
		r.Notice, r.Tone = t.withdrawal(m), "warning"
		if m.State == ui.NotMet {
			r.Tone = "danger"
		}
	}
	if m.Outside {
		r.VerifyHref = r.Href + "#verify"
	}
	t.testimony(m, &r)
	if m.Reduced {
		r.Reduced = t.T("annex.reduced")
	}
	if m.Expected > 0 && !m.LastLook.IsZero() && !m.ByPeople {
		r.Looked = t.T("annex.looked", "Systems", t.systems(m), "When", t.when(m.LastLook))
	}
	if first := digests(m); len(first) > 0 {
		r.Digest = short(first[0].SHA256)
		r.ProofWord, r.ProofLabel = t.T("annex.proof"), t.T("annex.proof.of", "ID", m.ID)
	}
	r.Line = t.line(m)
	switch {
	case !t.at.IsZero() || m.State == ui.Excluded:
	case m.ByPeople && m.Confirmed != nil && m.Confirmed.Until.After(t.now):
		r.Next = t.T("annex.line.confirm", "When", t.Until(m.Confirmed.Until, t.now))
	case !m.ByPeople && !m.NextLook.IsZero():
		r.Next = t.T("annex.line.next", "When", t.Until(m.NextLook, t.now))
	}
	return r
}

// digests are those of the checks, then those of what people said.
func digests(m Measure) []Digest {
	out := slices.Clone(m.Digests)
	if c := m.Confirmed; c != nil && c.Digest != "" {
		out = append(out, Digest{Check: attestation, SHA256: c.Digest, FirstAt: c.At, Passed: m.State == ui.Met})
	}
	return out
}

// attestation stands in place of the id of a check.
const attestation = "attestation"

// lead is what a sentence is called that is not asserted.
func (t teller) lead(m Measure) string {
	switch {
	case withdrawn(m):
		return t.T("annex.announced")
	case m.State == ui.Excluded:
		return t.T("annex.excluded")
	}
	return t.T("annex.to_prove")
}

// planned is the kind of a measure that nothing proves yet.
func (t teller) planned(k ui.Kind) string {
	if id := "annex.planned." + string(k); t.Has(id) {
		return t.T(id)
	}
	return t.KindName(k)
}

// testimony says who confirmed a measure. Only what is met is confirmed.
func (t teller) testimony(m Measure, r *row) {
	r.Exclusion = ""
	if m.State == ui.Excluded && m.Exclusion != "" {
		r.Exclusion = t.T("annex.exclusion", "Why", m.Exclusion)
	}
	if !r.Asserted {
		return
	}
	if c := m.Confirmed; c != nil && !c.At.IsZero() {
		r.Confirmed = t.T("annex.confirmed", "When", t.OnDay(c.At))
		if m.Owner != "" {
			r.Confirmed = t.T("annex.confirmed.by", "When", t.OnDay(c.At), "Owner", m.Owner)
		}
	}
	if w := m.Witness; w != nil && w.Name != "" {
		r.Witness = t.T("annex.witness", "Name", w.Name, "When", t.when(w.At))
	}
}

// href keeps the moment that is replayed.
func (t teller) href(path string) string { return Address(path, OwnOrder, t.moment) }

// Address is a path of the site in an order of the measures, at a moment; empty: now.
func Address(path string, o Order, moment string) string {
	q := url.Values{}
	if o != OwnOrder {
		q.Set("order", string(o))
	}
	if moment != "" {
		q.Set("at", moment)
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// pieces puts facts into a text. What is only quoted carries no fact: it is not asserted.
func (t teller) pieces(m Measure, spans []Span, asserted bool) []piece {
	var out []piece
	for _, s := range spans {
		if s.Fact && asserted {
			f := t.fact(s)
			f.Href = t.href(ProofPath+m.ID) + "#facts"
			out = append(out, piece{Fact: &f})
			continue
		}
		text := s.Text
		if !asserted {
			text = t.nested(text)
		}
		if last := len(out) - 1; last >= 0 && out[last].Fact == nil {
			out[last].Text += text
			continue
		}
		out = append(out, piece{Text: text})
	}
	return out
}

// fact says where a value comes from.
func (t teller) fact(s Span) ui.Fact {
	f := ui.Fact{Text: bound(s.Text), Source: t.T("annex.fact.announced"), Value: s.Value}
	if s.Source != "" {
		f.Source, f.At = t.T("annex.fact.check", "Check", t.check(s.Source)), s.At
	}
	if s.Value == s.Text {
		f.Value = ""
	}
	return f
}

// bound keeps the numbers of a value with the words before them: "TLS 1.2".
func bound(s string) string {
	b := []rune(s)
	for i := 1; i+1 < len(b); i++ {
		if b[i] == ' ' && unicode.IsDigit(b[i+1]) {
			b[i] = '\u00a0'
		}
	}
	return string(b)
}

// check names a check for readers.
func (t teller) check(id string) string {
	if name := "check." + id; t.Has(name) {
		return t.Quote(t.T(name))
	}
	return id
}

// quotes are the marks around a sentence that is only quoted.
func (t teller) quotes() (string, string) {
	before, after, _ := strings.Cut(t.Quote("\x00"), "\x00")
	return before, after
}

// nested turns the quotation marks of a text that is itself quoted into those of the second rank.
func (t teller) nested(s string) string {
	if t.Lang() == "fr" {
		return strings.NewReplacer("«\u202f", "“", "\u202f»", "”").Replace(s)
	}
	return strings.NewReplacer("“", "‘", "”", "’").Replace(s)
}

// reason returns the last word of a reason's id when a family of messages knows it, else "other".
func (t teller) reason(family, id string) string {
	_, word, _ := strings.Cut(id, ".")
	if word != "" && t.Has(family+word) {
		return word
	}
	return "other"
}

// refused is the reason of a measure that is not met because a person says so, and no check.
const refused = "reason.refused"

// withdrawal says why a sentence is not asserted any more.
func (t teller) withdrawal(m Measure) string {
	id := "annex.withdrawn." + t.reason("annex.withdrawn.", m.Reason)
	if m.State == ui.NotMet && m.Reason != refused {
		id = "annex.withdrawn.fail"
	}
	text := t.T(id)
	if m.Since.IsZero() {
		return t.T("annex.withdrawal", "Why", text)
	}
	return t.T("annex.withdrawal.since", "When", t.sinceWhen(m.Since), "Why", text)
}

// why says in a sentence why a measure is in its state.
func (t teller) why(m Measure) string {
	switch {
	case m.State == ui.NotMet && m.Reason != refused:
		return t.T("annex.reason.fail")
	case m.State == ui.Excluded:
		return t.T("annex.reason.excluded")
	}
	return t.T("annex.reason." + t.reason("annex.reason.", m.Reason))
}

// sinceWhen writes a moment after "since": a time of day for today, else a day.
func (t teller) sinceWhen(at time.Time) string {
	if t.today(at) {
		return t.T("annex.since.clock", "Time", t.Clock(at), "Instant", t.Instant(at))
	}
	return t.T("annex.since.day", "Date", t.Day(at))
}

// when writes when something was looked at, as part of a sentence.
func (t teller) when(at time.Time) string {
	if t.today(at) {
		return t.T("annex.moment.clock", "Time", t.Clock(at))
	}
	return t.T("annex.moment.day", "Instant", t.Instant(at))
}

func (t teller) today(at time.Time) bool { return t.ISODay(at) == t.ISODay(t.now) }

func (t teller) systems(m Measure) string {
	return t.T("annex.systems", "Count", m.Examined, "Expected", m.Expected)
}

// line says since when a state holds. A replayed moment counts nothing from today.
func (t teller) line(m Measure) string {
	id := "annex.line." + string(m.State)
	switch {
	case m.Since.IsZero():
		return ""
	case t.at.IsZero() && t.now.Sub(m.Since) >= time.Minute:
		return t.T(id, "Since", t.T("annex.since.span", "Span", t.Elapsed(m.Since, t.now)))
	}
	return t.T(id, "Since", t.sinceWhen(m.Since))
}

func (t teller) owner(m Measure) string {
	switch {
	case m.Owner == "" && m.Supplier:
		return t.T("annex.supplier")
	case m.Owner == "":
		return ""
	case m.Supplier:
		return t.T("annex.owner.supplier", "Owner", m.Owner)
	}
	return t.T("annex.owner", "Owner", m.Owner)
}

// references writes what a measure relates to, a text an entry.
func (t teller) references(r References) []string {
	var out []string
	if len(r.GDPR) > 0 {
		out = append(out, t.GDPR(r.GDPR))
	}
	var controls, clauses []string
	for _, c := range r.ISO {
		if n, ok := strings.CutPrefix(c, "clause "); ok {
			clauses = append(clauses, n)
			continue
		}
		controls = append(controls, c)
	}
	if len(controls) > 0 {
		out = append(out, t.T("annex.refs.iso", "Count", len(controls), "List", controls))
	}
	if len(clauses) > 0 {
		out = append(out, t.T("annex.refs.iso_clause", "Count", len(clauses), "List", clauses))
	}
	if len(r.CNIL) > 0 {
		out = append(out, t.T("annex.refs.cnil", "Count", len(r.CNIL), "List", r.CNIL))
	}
	return out
}

// short is the beginning of a digest, enough to recognise it by.
func short(digest string) string {
	if len(digest) > 12 {
		return digest[:12]
	}
	return digest
}
