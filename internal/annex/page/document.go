package page

import (
	"strconv"
	"time"

	"github.com/garant-project/garant/internal/web/ui"
)

// annexBody is the document as its template shows it.
type annexBody struct {
	Links    *links
	Company  Company
	Legal    string
	Replay   *replay
	Counts   []figure
	Shares   map[ui.State]int
	Details  []ui.Detail // about the document: version, digest
	JSON     string
	Form     form
	Orders   []ui.NavItem
	Lead     string // of the order; may be empty
	Own      bool   // the annex's own order
	Reduced  *reduction
	Valid    *validity
	Over     string // address of the coverage over time
	Sections []section
	Topics   []topic
	States   []definition
	Kinds    []definition
}

// replay is the banner of a moment of the past.
type replay struct {
	Text string
	Note string // which versions it is made of; may be empty
	Back string // address of today's page
	Word string // of the link there
}

// reduction is the notice that some measures cover less than they did.
type reduction struct {
	Title, Text string
	List        []ref
}

// validity says until when a copy of the page speaks of the present.
type validity struct{ Text, ISO string }

// ref points to a measure of this page or, where Href says so, of another.
type ref struct {
	ID, Title, Href string
	Pill            ui.Pill
}

// entry is a number of a standard.
type entry struct {
	Number string
	List   []ref
}

// topic is a question of readers.
type topic struct {
	Question, Answer string
	Mail             string
	Link             *ui.Link
	List             []ref
	None             bool
}

// figure is one of the row of counts.
type figure struct {
	Number, Label string
	Class         string // of a state that there are measures of; else empty
}

// form lets the reader choose a day of the past.
type form struct{ Action, Value, Max, Order string }

// section is a chapter: what is or was proven first, the rest behind one line.
type section struct {
	ID, Title, Law string
	Anchor         string
	Shown          []row
	Quiet          []fold
	Index          []entry
	Others         []ref
	Silent         bool
}

// fold is a list that stays out of the way until it is opened; printed pages show it whole.
type fold struct {
	Class, Summary, IDs, Note string
	Kinds                     bool // tell how each is to be proven
	Rows                      []row
}

// definition explains a word of the annex.
type definition struct {
	State ui.State // or:
	Kind  ui.Kind
	Text  string
}

func (t teller) annex(v Annex) annexBody {
	b := annexBody{Company: v.Company, Legal: v.Company.legal(), JSON: v.JSON}
	count := map[ui.State]int{}
	for _, s := range v.Sections {
		for _, m := range s.Measures {
			count[judged(m).State]++
		}
		b.Sections = append(b.Sections, t.section(s))
	}
	b.Counts, b.Shares = t.counts(count, v.Last), count
	b.Details = append(t.party(v.Company), t.identity(v.Version, v.Since, v.Hash)...)
	b.Details = append(b.Details, t.origin(v.Estate, v.Catalogue, v.Build)...)
	b.Own = v.Order == OwnOrder
	if !b.Own {
		b.Lead = t.T("annex.order." + string(v.Order) + ".lead")
	}
	b.Orders, b.Over = t.orders(v.Order), t.href(ChangesPath)+"#coverage"
	b.Reduced, b.Topics, b.Valid = t.reduction(v.Sections), t.topics(v.Topics), t.validity(v.Until)
	b.Form = form{Action: AnnexPath, Max: t.ISODay(t.now), Order: string(v.Order)}
	if !v.At.IsZero() {
		b.Form.Value = t.ISODay(v.At)
		b.Replay = t.replay(Address(AnnexPath, v.Order, ""), v.Version, v.Estate)
	}
	for _, s := range ui.States() {
		b.States = append(b.States, definition{State: s, Text: t.T("annex.define.state." + string(s))})
	}
	for _, k := range ui.Kinds() {
		b.Kinds = append(b.Kinds, definition{Kind: k, Text: t.T("annex.define.kind." + string(k))})
	}
	return b
}

// counts makes the row of figures. Exclusions are counted only where there are any.
func (t teller) counts(count map[ui.State]int, last time.Time) []figure {
	var out []figure
	for _, s := range ui.States() {
		n := count[s]
		if s == ui.Excluded && n == 0 {
			continue
		}
		f := figure{Number: t.Number(int64(n)), Label: t.T("annex.count."+string(s), "Count", n)}
		if n > 0 {
			f.Class = s.Class()
		}
		out = append(out, f)
	}
	f := figure{Number: t.T("annex.count.never"), Label: t.T("annex.count.last")}
	switch {
	case last.IsZero() && !t.at.IsZero():
		return out // not known of the past
	case last.IsZero():
	case t.at.IsZero() && t.today(last):
		f.Number = t.Clock(last)
	default:
		f.Number = t.DayMonth(last)
	}
	return append(out, f)
}

// identity says which document this is.
func (t teller) identity(version int64, since time.Time, hash string) []ui.Detail {
	var out []ui.Detail
	if version > 0 {
		out = append(out, ui.Detail{Term: t.T("annex.version"), Text: strconv.FormatInt(version, 10)})
	}
	if !since.IsZero() {
		out = append(out, ui.Detail{Term: t.T("annex.version.since"), Time: since})
	}
	if hash != "" {
		out = append(out, ui.Detail{Term: t.T("annex.hash"), Digest: hash})
	}
	return out
}

func (t teller) section(s Section) section {
	out := section{ID: s.ID, Title: s.Title, Law: t.GDPR(s.GDPR), Anchor: s.Anchor, Others: t.refs(s.Others, true), Silent: s.Silent}
	if out.Anchor == "" {
		out.Anchor = s.ID
	}
	for _, e := range s.Index {
		out.Index = append(out.Index, entry{Number: e.Number, List: t.refs(e.Measures, true)})
	}
	var unproven, excluded []row
	for _, m := range s.Measures {
		m = judged(m)
		switch r := t.row(m); {
		case m.State == ui.Excluded:
			excluded = append(excluded, r)
		case m.State == ui.Unproven && !withdrawn(m):
			unproven = append(unproven, r)
		default:
			out.Shown = append(out.Shown, r)
		}
	}
	out.Quiet = append(t.fold(ui.Unproven, unproven), t.fold(ui.Excluded, excluded)...)
	return out
}

func (t teller) fold(s ui.State, rows []row) []fold {
	if len(rows) == 0 {
		return nil
	}
	f := fold{Class: s.Class(), Kinds: s == ui.Unproven, Summary: t.T("annex.fold."+string(s), "Count", len(rows)), Note: t.T("annex.fold." + string(s) + ".note"), Rows: rows}
	for i, r := range rows {
		if i > 0 {
			f.IDs += ", "
		}
		f.IDs += r.ID
	}
	return []fold{f}
}
