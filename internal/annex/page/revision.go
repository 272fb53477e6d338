package page

import (
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/web/ui"
)

// merged brings the changes of state and those of the text into one list, the newest first.
func (t teller) merged(states []Change, revisions []Revision, when func(time.Time) string) []change {
	var out []change
	for _, c := range states {
		out = append(out, t.change(c, when(c.At)))
	}
	for _, r := range revisions {
		out = append(out, t.revision(r, when(r.At)))
	}
	slices.SortStableFunc(out, func(a, b change) int { return b.at.Compare(a.at) })
	return out
}

// revision tells a change of what the annex says.
func (t teller) revision(r Revision, when string) change {
	out := change{ID: r.ID, Title: r.Title, Time: when, ISO: t.ISO(r.At), key: r.Key, at: r.At}
	word := "annex.revision." + r.Kind
	if r.Effect != "" {
		word = "annex.revision." + r.Effect
	}
	if !t.Has(word) {
		word = "annex.revision.other"
	}
	out.Chip = t.T(word)
	switch {
	case r.ID != "" && r.Kind != "removed":
		out.Href = t.href(ProofPath + r.ID)
	case r.Kind == "subprocessors":
		out.Href = t.href(SubprocessorsPath)
	}
	switch r.Kind {
	case "estate", "scope":
		out.Why = t.T(word+".text", "From", r.From, "To", r.To)
	default:
		if t.Has(word + ".text") {
			out.Why = t.T(word + ".text")
		}
	}
	if r.Before != r.After {
		out.Diff = difference(r.Before, r.After)
	}
	for _, f := range r.Fields {
		name := f.Name
		if t.Has(name) {
			name = t.T(name)
		}
		out.Lines = append(out.Lines, t.field(name, f.Before, f.After))
	}
	for _, s := range r.Joined {
		out.Lines = append(out.Lines, t.T("annex.sub.joined", "Name", t.who(s)))
	}
	for _, s := range r.Altered {
		out.Lines = append(out.Lines, t.T("annex.sub.altered", "Name", t.who(s)))
	}
	for _, s := range r.Left {
		out.Lines = append(out.Lines, t.T("annex.sub.left", "Name", t.who(s)))
	}
	return out
}

func (t teller) field(name, before, after string) string {
	switch {
	case before == "":
		return t.T("annex.field.new", "Name", name, "After", after)
	case after == "":
		return t.T("annex.field.gone", "Name", name, "Before", before)
	}
	return t.T("annex.field", "Name", name, "Before", before, "After", after)
}

// who names a sub-processor in a line: name, service, country.
func (t teller) who(s Subprocessor) string {
	var parts []string
	for _, v := range []string{s.Name, s.Service, s.Country} {
		if v != "" {
			parts = append(parts, v)
		}
	}
	return strings.Join(parts, ", ")
}

// subBody is the list of sub-processors as its template shows it.
type subBody struct {
	Links   *links
	Replay  *replay
	Table   *ui.Table
	Empty   *ui.Empty
	Changes []change
	JSON    string
}

func (t teller) subprocessors(v Subprocessors) subBody {
	b := subBody{JSON: v.JSON, Changes: t.merged(nil, v.Changes, t.Instant)}
	if !v.At.IsZero() {
		b.Replay = t.replay(SubprocessorsPath, 0, 0)
	}
	if len(v.List) == 0 {
		id := "annex.sub.none"
		if !v.Declared {
			id = "annex.sub.undeclared"
		}
		b.Empty = &ui.Empty{Icon: "users", Title: t.T(id), Text: t.T(id + ".text"), Action: &ui.Button{Label: t.T("annex.back"), Href: t.href(AnnexPath)}}
		return b
	}
	b.Table = &ui.Table{Caption: t.T("annex.sub"), Columns: []ui.Column{
		{Label: t.T("annex.sub.name")}, {Label: t.T("annex.sub.service")}, {Label: t.T("annex.sub.data")},
		{Label: t.T("annex.sub.places")}, {Label: t.T("annex.sub.since")},
	}}
	for _, s := range v.List {
		since := ui.Cell{Text: "–"}
		if !s.Since.IsZero() {
			since.Text = t.Day(s.Since)
			if s.Since.After(t.present()) {
				since.Note = t.T("annex.sub.planned")
			}
		}
		places := ui.Cell{Text: t.List(s.Places), Note: s.Safeguard}
		if places.Text == "" {
			places.Text = "–"
		}
		b.Table.Rows = append(b.Table.Rows, []ui.Cell{
			{Strong: s.Name, Note: s.Country}, {Text: dash(s.Service)}, {Text: dash(s.Data)}, places, since,
		})
	}
	return b
}

// present is the moment that the page speaks of.
func (t teller) present() time.Time {
	if t.at.IsZero() {
		return t.now
	}
	return t.at
}

func dash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// verifyBody is how to check by oneself, as its template shows it.
type verifyBody struct {
	Links    *links
	Replay   *replay
	Items    []outside
	Hash     string
	Document ui.Code
	Past     ui.Code
}

type outside struct {
	Row      row
	Commands []ui.Code
}

func (t teller) verify(v Verify) verifyBody {
	b := verifyBody{Hash: v.Hash, Document: ui.Code{Label: t.T("annex.verify.document.command"), Text: v.Document}}
	if v.Address != "" {
		b.Past = ui.Code{Label: t.T("annex.verify.past.label"), Text: strings.TrimSuffix(v.Address, VerifyPath) + Address(AnnexPath, OwnOrder, t.ISODay(t.now.AddDate(0, 0, -30)))}
	}
	if !v.At.IsZero() {
		b.Replay = t.replay(VerifyPath, 0, 0)
	}
	for _, i := range v.Items {
		o := outside{Row: t.row(judged(i.Measure)), Commands: t.commands(i.Commands)}
		for k := range o.Commands { // two measures may be checked in the same way
			o.Commands[k].Label = i.Measure.ID + " · " + o.Commands[k].Label
		}
		b.Items = append(b.Items, o)
	}
	return b
}

func (t teller) commands(list []Command) []ui.Code {
	var out []ui.Code
	for _, c := range list {
		label := c.Label
		if t.Has(label) {
			label = t.T(label)
		}
		out = append(out, ui.Code{Label: label, Text: c.Line})
	}
	return out
}
