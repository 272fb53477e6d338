package page

import (
	"strconv"
	"time"

	"github.com/garant-project/garant/internal/web/ui"
)

// annexBody is the document as its template shows it.
type annexBody struct {
	Company  Company
	Legal    string
	Replay   *replay
	Counts   []figure
	Shares   map[ui.State]int
	Details  []ui.Detail // about the document: version, digest
	JSON     string
	Form     form
	Sections []section
	States   []definition
	Kinds    []definition
}

// replay is the banner of a moment of the past.
type replay struct {
	Text string
	Back string // address of today's page
	Word string // of the link there
}

// figure is one of the row of counts.
type figure struct {
	Number, Label string
	Class         string // of a state that there are measures of; else empty
}

// form lets the reader choose a day of the past.
type form struct{ Action, Value, Max string }

// section is a chapter: what is or was proven first, the rest behind one line.
type section struct {
	ID, Title, Law string
	Shown          []row
	Quiet          []fold
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
	b.Details = t.identity(v.Version, v.Since, v.Hash)
	b.Form = form{Action: AnnexPath, Max: t.ISODay(t.now)}
	if !v.At.IsZero() {
		b.Form.Value = t.ISODay(v.At)
		b.Replay = &replay{Text: t.T("annex.replay.banner", "Instant", t.Instant(v.At)), Back: AnnexPath, Word: t.T("annex.replay.back")}
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
	out := section{ID: s.ID, Title: s.Title, Law: t.GDPR(s.GDPR)}
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
