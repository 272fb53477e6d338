package annex

import (
	"cmp"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/annex/page"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

const (
	// mostChanges is how many changes of state one page tells of.
	mostChanges = 200
	// mostColumns is how many days a drawing tells of; of a longer time it tells every second
	// or every third.
	mostColumns = 150
)

// history gathers the changes of the snapshot's days.
func (s *Snapshot) history(p *ui.Printer, now time.Time) page.Changes {
	v := page.Changes{From: now.AddDate(0, 0, -historyDays), At: s.At, Published: s.Published}
	for _, m := range s.Document.Measures {
		for _, c := range s.changesOf(m, p.Lang(), mostChanges) {
			// That a measure began without proof is told by its being published.
			if c.At.Before(v.From) || c.From == "" && c.To == ui.Unproven {
				continue
			}
			v.List = append(v.List, c)
		}
	}
	slices.SortStableFunc(v.List, func(a, b page.Change) int { return b.At.Compare(a.At) })
	v.List = v.List[:min(len(v.List), mostChanges)]
	for _, r := range s.Revisions {
		v.Revisions = append(v.Revisions, s.revision(p, r))
	}
	return v
}

func (s *Site) changes(w http.ResponseWriter, r *web.Request) error {
	return s.answer(w, r, "changes", kindHTML, func(out io.Writer, snap *Snapshot, now time.Time) error {
		p, at := s.words.For(r.Lang, snap.zone()), snap.moment(r)
		v := snap.history(p, now)
		v.Company, v.Moment = company(snap, r.Lang), at
		v.JSON, v.Address, v.Feed = page.Address("/changes.json", page.OwnOrder, at), s.origin+page.ChangesPath, page.FeedPath+"?lang="+r.Lang
		recent := midnight(now, snap.zone()).AddDate(0, 0, 1-historyDays)
		if snap.Published.Before(recent) {
			v.Whole = days(snap.Coverage(snap.Published, now, mostColumns))
		} else {
			recent = snap.Published
		}
		v.Recent = days(snap.Coverage(recent, now, historyDays))
		return s.pages.Changes(out, s.dress(r, p, page.Address(r.URL.Path, page.OwnOrder, at)), v)
	})
}

func (s *Site) feed(w http.ResponseWriter, r *web.Request) error {
	return s.answer(w, r, "changes.atom", kindAtom, func(out io.Writer, snap *Snapshot, now time.Time) error {
		p := s.words.For(r.Lang, snap.zone())
		v := page.Feed{Changes: snap.history(p, now), Origin: s.origin, Authority: authority(s.origin), Begun: snap.Published, Self: page.FeedPath + "?lang=" + r.Lang}
		v.Company = company(snap, r.Lang)
		return s.pages.Feed(out, p, v)
	})
}

// changed is when the newest of the changes happened that the snapshot knows of.
func (s *Snapshot) changed() time.Time {
	last := s.Published
	for _, list := range s.History {
		if n := len(list); n > 0 && list[n-1].At.After(last) {
			last = list[n-1].At
		}
	}
	if len(s.Revisions) > 0 && s.Revisions[0].At.After(last) {
		last = s.Revisions[0].At
	}
	return last
}

// settled is changed, once its second is over: more may come within one that a date does not tell
// apart. Zero until then.
func (s *Snapshot) settled() time.Time {
	if last := s.changed(); s.ReadAt.Sub(last.Truncate(time.Second)) > time.Second {
		return last
	}
	return time.Time{}
}

// authority is the host of the site, for tag URIs.
func authority(origin string) string {
	if u, err := url.Parse(origin); err == nil && u.Hostname() != "" {
		return strings.ToLower(u.Hostname())
	}
	return "localhost"
}

func (s *Site) changesJSON(w http.ResponseWriter, r *web.Request) error {
	return s.answer(w, r, "changes.json", kindJSON, func(out io.Writer, snap *Snapshot, _ time.Time) error {
		changes := []Change{}
		for _, list := range snap.History {
			changes = append(changes, list...)
		}
		slices.SortFunc(changes, func(a, b Change) int { return cmp.Compare(b.ID, a.ID) })
		revisions := snap.Revisions
		if revisions == nil {
			revisions = []Revision{}
		}
		return writeJSON(out, map[string]any{"changes": changes, "revisions": revisions})
	})
}

// revision tells a change of the text in a language.
func (s *Snapshot) revision(p *ui.Printer, r Revision) page.Revision {
	lang := p.Lang()
	v := page.Revision{Key: r.name() + "/" + strconv.FormatInt(r.ID, 10), Kind: string(r.Kind), ID: r.Measure, At: r.At, Effect: string(r.Effect), From: r.From, To: r.To}
	if m, ok := s.find(r.Measure); ok {
		v.Title = m.Title[lang]
	}
	if r.Before != nil {
		v.Before = r.Before.words(p)
		v.Title = cmp.Or(v.Title, r.Before.Title[lang])
	}
	if r.After != nil {
		v.After = r.After.words(p)
		v.Title = cmp.Or(v.Title, r.After.Title[lang])
	}
	if r.Before != nil && r.After != nil {
		v.Fields = reworded(p, *r.Before, *r.After)
	}
	for _, f := range r.Fields {
		v.Fields = append(v.Fields, page.Field{Name: "annex.company." + f.Field, Before: f.words(p, f.Before), After: f.words(p, f.After)})
	}
	for _, x := range r.Joined {
		v.Joined = append(v.Joined, x.view(lang))
	}
	for _, x := range r.Left {
		v.Left = append(v.Left, x.view(lang))
	}
	for _, x := range r.Altered {
		v.Altered = append(v.Altered, x.After.view(lang))
	}
	return v
}

// words is the sentence as it was announced, or empty where a value of it is missing.
func (s Said) words(p *ui.Printer) string {
	text, ok := Fill(s.Sentence[p.Lang()], p, s.Values, Row{}, time.Time{})
	if !ok {
		return ""
	}
	return Plain(text)
}

// reworded lists what else differs of a measure.
func reworded(p *ui.Printer, before, after Said) []page.Field {
	var out []page.Field
	add := func(name, a, b string) {
		if a != b {
			out = append(out, page.Field{Name: name, Before: a, After: b})
		}
	}
	operator := func(o string) string {
		if o == catalogue.Supplier {
			return p.T("annex.supplier")
		}
		return p.T("annex.own")
	}
	reason := func(e *Exclusion) string {
		if e == nil {
			return ""
		}
		return e.Reason[p.Lang()]
	}
	add("annex.said.title", before.Title[p.Lang()], after.Title[p.Lang()])
	add("annex.said.kind", p.KindName(ui.Kind(before.Kind)), p.KindName(ui.Kind(after.Kind)))
	add("annex.said.operator", operator(before.Operator), operator(after.Operator))
	add("annex.said.excluded", reason(before.Excluded), reason(after.Excluded))
	return out
}

// words writes a value of the company as a reader reads it.
func (f FieldChange) words(p *ui.Printer, value string) string {
	switch f.Field {
	case "country":
		return country(value, p.Lang())
	case "revised":
		if day, err := time.ParseInLocation(time.DateOnly, value, p.Zone()); err == nil {
			return p.Day(day)
		}
	}
	return value
}

// view is a sub-processor in a language.
func (s Subprocessor) view(lang string) page.Subprocessor {
	v := page.Subprocessor{
		Name: s.Name, Country: country(s.Country, lang), Service: s.Service[lang], Data: s.Data[lang], Safeguard: s.Safeguard[lang], Since: s.Since,
	}
	for _, place := range s.Places {
		v.Places = append(v.Places, country(place, lang))
	}
	return v
}

func (s *Site) subprocessors(w http.ResponseWriter, r *web.Request) error {
	return s.answer(w, r, "subprocessors", kindHTML, func(out io.Writer, snap *Snapshot, _ time.Time) error {
		p, at := s.words.For(r.Lang, snap.zone()), snap.moment(r)
		v := page.Subprocessors{
			Company: company(snap, r.Lang), Declared: snap.Document.Subprocessors != nil, At: snap.At, Moment: at, Hash: snap.Hash, Since: snap.Since,
			JSON: page.Address("/subprocessors.json", page.OwnOrder, at), Address: s.origin + page.SubprocessorsPath,
		}
		for _, x := range snap.Document.Subprocessors {
			v.List = append(v.List, x.view(r.Lang))
		}
		for _, revision := range snap.Revisions {
			if revision.Kind == Subcontracted {
				v.Changes = append(v.Changes, snap.revision(p, revision))
			}
		}
		return s.pages.Subprocessors(out, s.dress(r, p, page.Address(r.URL.Path, page.OwnOrder, at)), v)
	})
}

func (s *Site) subprocessorsJSON(w http.ResponseWriter, r *web.Request) error {
	return s.answer(w, r, "subprocessors.json", kindJSON, func(out io.Writer, snap *Snapshot, now time.Time) error {
		return writeJSON(out, map[string]any{
			"document": snap.Hash, "at": now.UTC(), "declared": snap.Document.Subprocessors != nil, "subprocessors": snap.Document.Subprocessors,
		})
	})
}

func (s *Site) verify(w http.ResponseWriter, r *web.Request) error {
	return s.answer(w, r, "verify", kindHTML, func(out io.Writer, snap *Snapshot, now time.Time) error {
		p, at := s.words.For(r.Lang, snap.zone()), snap.moment(r)
		v := page.Verify{
			Company: company(snap, r.Lang), Hash: snap.Hash, Since: snap.Since, Address: s.origin + page.VerifyPath, At: snap.At, Moment: at,
			Document: "curl -s '" + s.origin + page.Address("/document.json", page.OwnOrder, at) + "' | sha256sum",
		}
		for _, m := range snap.Document.Measures {
			if list := commands(m.ID); len(list) > 0 {
				v.Items = append(v.Items, page.Outside{Measure: snap.measure(p, m, r.Lang, now), Commands: list})
			}
		}
		return s.pages.Verify(out, s.dress(r, p, page.Address(r.URL.Path, page.OwnOrder, at)), v)
	})
}

// document answers with the document to the letter, so that its digest can be computed again.
func (s *Site) document(w http.ResponseWriter, r *web.Request) error {
	return s.answer(w, r, "document.json", kindJSON, func(out io.Writer, snap *Snapshot, _ time.Time) error {
		_, err := out.Write(snap.source)
		return err
	})
}
