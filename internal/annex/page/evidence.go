package page

import (
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/web/ui"
)

// proofBody is the proof behind a measure as its template shows it.
type proofBody struct {
	Links    *links
	Row      row
	From, To string // the ends of the history strip
	Replay   *replay
	Why      string
	Look     []ui.Detail // scope, times, who
	Facts    []ui.Detail // the values that the sentence and the method quote
	Digests  []digest
	Changes  []change
	Commands []ui.Code
	JSON     string
	Verify   string // address of how to check by oneself
}

// digest is one evidence record.
type digest struct {
	Check, SHA256 string
	Result        string // may be empty
}

// change is one change of state.
type change struct {
	ID, Title, Href, Time, ISO string
	Pill                       *ui.Pill // nil: the state is not what changed
	Chip                       string   // what changed instead
	Before                     string   // the state before, in words
	Why                        string
	Lines                      []string
	Diff                       []part // of the sentence
	Many                       string // "24 mesures": of which Group is the list
	Group                      []ref
	key                        string
	at                         time.Time
}

// crumbs lead back to the measure's chapter.
func (t teller) crumbs(v Proof) []ui.Link {
	out := []ui.Link{{Label: t.T("annex.nav.measures"), Href: t.href(AnnexPath)}}
	if section := strings.TrimSpace(v.Section.ID + " " + v.Section.Title); section != "" {
		out = append(out, ui.Link{Label: section, Href: t.href(AnnexPath) + "#s-" + v.Section.ID})
	}
	return append(out, ui.Link{Label: v.Measure.ID})
}

func (t teller) proof(v Proof) proofBody {
	m := judged(v.Measure)
	b := proofBody{Row: t.row(m), Why: t.why(m), JSON: v.JSON}
	if !v.At.IsZero() {
		b.Replay = t.replay(ProofPath+m.ID, v.Version, v.Estate)
	}
	if n := len(m.Strip); n > 0 {
		b.From, b.To = t.Day(m.Strip[0].Date), t.Day(m.Strip[n-1].Date)
	}
	b.Look = t.look(m, v.Every)
	if b.Row.Asserted {
		b.Facts = t.values(m)
	}
	for _, d := range digests(m) {
		out := digest{Check: d.Check, SHA256: d.SHA256}
		if name := "check." + d.Check; t.Has(name) {
			out.Check = t.T(name)
		}
		// Of a withdrawn sentence it is not told which check failed, nor since when.
		if b.Row.Asserted && d.Passed {
			out.Result = t.T("annex.digest.passed")
			switch {
			case d.Check == attestation:
				out.Check, out.Result = t.T("annex.digest.attestation"), t.T("annex.digest.confirmed", "When", t.OnDay(d.FirstAt))
			case !d.FirstAt.IsZero():
				out.Result = t.T("annex.digest.since", "Instant", t.Instant(d.FirstAt))
			}
		}
		b.Digests = append(b.Digests, out)
	}
	b.Changes = t.merged(v.History, v.Revisions, t.Instant)
	b.Verify = t.href(VerifyPath)
	b.Commands = t.commands(v.Commands)
	return b
}

// look says what was examined, when, how often and by whom.
func (t teller) look(m Measure, every time.Duration) []ui.Detail {
	var out []ui.Detail
	add := func(id string, d ui.Detail) {
		d.Term = t.T("annex.look." + id)
		out = append(out, d)
	}
	switch {
	case m.ByPeople:
		t.said(m, add)
	case m.Expected > 0:
		add("scope", ui.Detail{Text: t.systems(m)})
	default:
		add("scope", ui.Detail{Text: t.T("annex.look.scope.none")})
	}
	switch {
	case m.ByPeople:
	case !m.LastLook.IsZero():
		add("last", ui.Detail{Time: m.LastLook})
	case t.at.IsZero(): // of the past it is not known
		add("last", ui.Detail{Text: t.T("annex.look.never")})
	}
	if m.State == ui.Met && !m.ByPeople && !m.ValidUntil.IsZero() {
		add("valid", ui.Detail{Time: m.ValidUntil})
	}
	if t.at.IsZero() && !m.ByPeople && !m.NextLook.IsZero() {
		add("next", ui.Detail{Time: m.NextLook})
	}
	if !m.ByPeople {
		t.said(m, add)
	}
	if w := m.Witness; w != nil && m.State == ui.Met {
		add("witness", ui.Detail{Text: w.Name, Time: w.At, Note: w.Key})
	}
	if every > 0 && !m.ByPeople {
		add("every", ui.Detail{Text: t.Duration(every)})
	}
	if m.Owner != "" {
		add("owner", ui.Detail{Text: m.Owner})
	}
	operator := "annex.own"
	if m.Supplier {
		operator = "annex.supplier"
	}
	add("operator", ui.Detail{Text: t.T(operator)})
	return out
}

// said tells of the owner's confirmation, while it holds.
func (t teller) said(m Measure, add func(id string, d ui.Detail)) {
	c := m.Confirmed
	if c == nil || m.State != ui.Met {
		if m.ByPeople {
			add("confirmed", ui.Detail{Text: t.T("annex.look.never")})
		}
		return
	}
	add("confirmed", ui.Detail{Text: t.Day(c.At)})
	if !c.Until.IsZero() {
		add("due", ui.Detail{Text: t.Day(c.Until)})
	}
}

// values lists the facts of a measure in plain sight, each once.
func (t teller) values(m Measure) []ui.Detail {
	var out []ui.Detail
	seen := map[ui.Fact]bool{}
	for _, spans := range [][]Span{m.Sentence, m.Method} {
		for _, s := range spans {
			f := t.fact(s)
			if !s.Fact || seen[f] {
				continue
			}
			seen[f] = true
			d := ui.Detail{Term: f.Text, Text: t.T("annex.proof.from", "Source", f.Source)}
			if !f.At.IsZero() {
				d.Text = t.T("annex.proof.from_at", "Source", f.Source, "Instant", t.Instant(f.At))
			}
			if f.Value != "" {
				d.Note = t.T("annex.proof.exact", "Value", f.Value)
			}
			out = append(out, d)
		}
	}
	return out
}

// change tells a change of state; when is written as the place asks.
func (t teller) change(c Change, when string) change {
	pill := t.Pill(c.To)
	out := change{
		ID: c.ID, Title: c.Title, Href: t.href(ProofPath + c.ID), Time: when, ISO: t.ISO(c.At), Pill: &pill,
		Why: t.why(Measure{State: c.To, Reason: c.Reason}), key: c.Key, at: c.At,
	}
	if c.From != "" {
		out.Before = t.T("annex.change.before", "State", t.StateName(c.From))
	}
	return out
}

// fewest is how many measures must have gone the same way in the same minute to be told at once.
const fewest = 4

// grouped tells at once what happened to many measures for one reason: to read the same line
// eighty times tells nobody more.
func (t teller) grouped(list []change) []change {
	type way struct{ minute, state, before, why string }
	of := func(c change) way {
		return way{t.ISODay(c.at) + " " + c.Time, c.Pill.Class, c.Before, c.Why}
	}
	members := map[way][]ref{}
	for _, c := range list {
		if c.Pill != nil {
			members[of(c)] = append(members[of(c)], ref{ID: c.ID, Title: c.Title, Href: c.Href})
		}
	}
	var out []change
	for _, c := range list {
		if c.Pill == nil || len(members[of(c)]) < fewest {
			if c.Pill == nil || members[of(c)] != nil {
				out = append(out, c)
			}
			continue
		}
		c.Group = slices.Clone(members[of(c)])
		slices.Reverse(c.Group) // they were recorded in the order of the annex
		c.Many = t.T("annex.changes.many", "Count", len(c.Group))
		members[of(c)] = nil
		out = append(out, c)
	}
	return out
}

// changesBody is the list of changes as its template shows it.
type changesBody struct {
	Links  *links
	Replay *replay
	Days   []changeDay
	Empty  ui.Empty
	From   string
	Older  string // address of what came before; may be empty
	JSON   string
	Feed   string

	Coverage *coverage
}

// changeDay is the changes of one day.
type changeDay struct {
	Date, ISO string
	List      []change
}

func (t teller) changes(v Changes) changesBody {
	b := changesBody{JSON: v.JSON, Feed: v.Feed, Coverage: t.coverage(v)}
	if !v.At.IsZero() {
		b.Replay = t.replay(ChangesPath, 0, 0)
	}
	if !v.From.IsZero() {
		b.From = t.T("annex.changes.from", "Date", t.Day(v.From))
		if v.Published.Before(v.From) && !v.Published.IsZero() {
			b.Older = Address(ChangesPath, OwnOrder, t.ISODay(v.From))
		}
	}
	b.Empty = ui.Empty{
		Icon: "history", Title: t.T("annex.changes.none"), Text: t.T("annex.changes.none.text"),
		Action: &ui.Button{Label: t.T("annex.back"), Href: t.href(AnnexPath)},
	}
	for _, c := range t.grouped(t.merged(v.List, v.Revisions, t.Clock)) {
		day := t.ISODay(c.at)
		if last := len(b.Days) - 1; last < 0 || b.Days[last].ISO != day {
			b.Days = append(b.Days, changeDay{Date: t.Day(c.at), ISO: day})
		}
		d := &b.Days[len(b.Days)-1]
		d.List = append(d.List, c)
	}
	return b
}
