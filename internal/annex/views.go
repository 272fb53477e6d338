package annex

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/garant-project/garant/internal/annex/page"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

func (s *Site) annex(w http.ResponseWriter, r *web.Request) error {
	return s.answer(w, r, "annex", kindHTML, func(out io.Writer, snap *Snapshot, now time.Time) error {
		p := s.words.For(r.Lang, snap.zone())
		v := page.Annex{
			Company: company(snap), Hash: snap.Hash, Version: snap.Version, Since: snap.Since, At: snap.At, Last: snap.lastLook(),
			JSON: "/annex.json", Address: s.origin + "/",
		}
		for _, section := range snap.Document.Sections {
			part := page.Section{ID: section.ID, Title: section.Title[r.Lang], GDPR: section.GDPR}
			for _, m := range snap.Document.Measures {
				if m.Section == section.ID {
					part.Measures = append(part.Measures, snap.measure(p, m, r.Lang, now))
				}
			}
			v.Sections = append(v.Sections, part)
		}
		return s.pages.Annex(out, s.dress(r, p, address(r, snap)), v)
	})
}

func (s *Site) proof(w http.ResponseWriter, r *web.Request) error {
	id := r.PathValue("id")
	if err := s.known(id); err != nil {
		return err
	}
	return s.answer(w, r, "m/"+id, kindHTML, func(out io.Writer, snap *Snapshot, now time.Time) error {
		p := s.words.For(r.Lang, snap.zone())
		m, ok := snap.find(id)
		if !ok {
			return errNoMeasure()
		}
		v := page.Proof{
			Company: company(snap), Measure: snap.measure(p, m, r.Lang, now), Hash: snap.Hash, Since: snap.Since, At: snap.At,
			JSON: "/m/" + id + "/proof.json", Address: s.origin + "/m/" + id, Commands: commands(m.ID),
		}
		for _, section := range snap.Document.Sections {
			if section.ID == m.Section {
				v.Section = page.Section{ID: section.ID, Title: section.Title[r.Lang], GDPR: section.GDPR}
			}
		}
		for _, c := range m.Checks {
			v.Every = max(v.Every, snap.Document.Checks[c].Every)
		}
		v.History = snap.changesOf(m, r.Lang, 50)
		return s.pages.Proof(out, s.dress(r, p, address(r, snap)), v)
	})
}

func (s *Site) changes(w http.ResponseWriter, r *web.Request) error {
	return s.answer(w, r, "changes", kindHTML, func(out io.Writer, snap *Snapshot, now time.Time) error {
		v := page.Changes{Company: company(snap), From: now.AddDate(0, 0, -historyDays), JSON: "/changes.json", Address: s.origin + "/changes"}
		for _, m := range snap.Document.Measures {
			if len(m.Checks) > 0 || m.Attest {
				v.List = append(v.List, snap.changesOf(m, r.Lang, 200)...)
			}
		}
		slices.SortStableFunc(v.List, func(a, b page.Change) int { return b.At.Compare(a.At) })
		v.List = v.List[:min(len(v.List), 200)]
		return s.pages.Changes(out, s.dress(r, s.words.For(r.Lang, snap.zone()), address(r, snap)), v)
	})
}

func (s *Site) annexJSON(w http.ResponseWriter, r *web.Request) error {
	return s.answer(w, r, "annex.json", kindJSON, func(out io.Writer, snap *Snapshot, now time.Time) error {
		return writeJSON(out, map[string]any{
			"company": snap.Document.Company, "document": snap.Hash, "version": snap.Version, "since": snap.Since,
			"at": now.UTC(), "catalogue": snap.Document.Catalogue, "build": snap.Document.Build, "measures": snap.Details(s.words, now),
		})
	})
}

func (s *Site) proofJSON(w http.ResponseWriter, r *web.Request) error {
	id := r.PathValue("id")
	if err := s.known(id); err != nil {
		return err
	}
	return s.answer(w, r, "proof.json/"+id, kindJSON, func(out io.Writer, snap *Snapshot, now time.Time) error {
		m, ok := snap.find(id)
		if !ok {
			return errNoMeasure()
		}
		history := snap.History[id]
		if history == nil {
			history = []Change{}
		}
		return writeJSON(out, map[string]any{
			"document": snap.Hash, "at": now.UTC(), "measure": snap.detail(s.words, m, now), "facts": snap.Effective(id, now).Facts, "history": history,
		})
	})
}

func (s *Site) changesJSON(w http.ResponseWriter, r *web.Request) error {
	return s.answer(w, r, "changes.json", kindJSON, func(out io.Writer, snap *Snapshot, _ time.Time) error {
		changes := []Change{}
		for _, list := range snap.History {
			changes = append(changes, list...)
		}
		slices.SortFunc(changes, func(a, b Change) int { return cmp.Compare(b.ID, a.ID) })
		return writeJSON(out, map[string]any{"changes": changes})
	})
}

// known keeps what strangers ask for out of the cache: only ids of the present document enter.
func (s *Site) known(id string) error {
	snap, err := s.reader.Now()
	if err != nil {
		return err
	}
	if _, ok := snap.find(id); !ok {
		return errNoMeasure()
	}
	return nil
}

func errNoMeasure() error {
	return errs.New(errs.NotFound, "annex.no_measure", "The annex has no measure of that name.").WithFix("Go back to the annex and choose one.")
}

// Fail shows an error: 503 when nothing can be verified.
func (s *Site) Fail(w http.ResponseWriter, r *web.Request, status int, err error) {
	var c page.Company
	zone := time.UTC
	if snap := s.reader.last.Load(); snap != nil {
		c, zone = company(snap), snap.zone()
	}
	p := s.dress(r, s.words.For(r.Lang, zone), r.URL.RequestURI())
	w.Header().Set("Content-Type", kindHTML)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(status)
		_ = s.pages.Unavailable(w, p, page.Unavailable{Company: c})
		return
	}
	w.WriteHeader(status)
	_ = s.pages.Error(w, p, page.Failure{Company: c, Status: status, Err: err, Request: r.ID})
}

func (s *Site) dress(r *web.Request, p *ui.Printer, path string) *ui.Page {
	return &ui.Page{Lang: r.Lang, Printer: p, Path: path, Now: r.Now}
}

// address is what the links between languages lead to. A page of the present is kept and shown
// to others, so of its first reader's address it holds the path alone: the rest is a stranger's
// to choose.
func address(r *web.Request, snap *Snapshot) string {
	if snap.At.IsZero() {
		return r.URL.Path
	}
	return r.URL.RequestURI()
}

func company(s *Snapshot) page.Company {
	c := s.Document.Company
	return page.Company{Name: c.Name, LegalName: c.LegalName, Contact: c.Contact}
}

func (s *Snapshot) find(id string) (Measure, bool) {
	i := slices.IndexFunc(s.Document.Measures, func(m Measure) bool { return m.ID == id })
	if i < 0 {
		return Measure{}, false
	}
	return s.Document.Measures[i], true
}

// lastLook is the latest look of any check; zero in a replay, which does not know it.
func (s *Snapshot) lastLook() (last time.Time) {
	if !s.At.IsZero() {
		return last
	}
	for _, f := range s.Fresh {
		if f.ObservedAt.After(last) {
			last = f.ObservedAt
		}
	}
	return last
}

// measure makes the view of one measure at a moment.
func (s *Snapshot) measure(p *ui.Printer, m Measure, lang string, now time.Time) page.Measure {
	row := s.Effective(m.ID, now)
	v := page.Measure{
		ID: m.ID, Title: m.Title[lang], State: ui.State(row.State), Kind: ui.Kind(m.Kind), Reason: row.Reason, Since: row.Since,
		Examined: row.Examined, Expected: row.Expected, Reduced: row.Reduced, Owner: m.Owner[lang], Supplier: m.Operator == catalogue.Supplier,
		Refs: page.References{GDPR: m.Refs.GDPR, ISO: m.Refs.ISO, CNIL: m.Refs.CNIL},
	}
	if f, ok := s.Fresh[m.ID]; ok && s.At.IsZero() {
		v.LastLook, v.NextLook, v.ValidUntil = f.ObservedAt, f.NextAt, f.ValidUntil
	}
	v.Sentence, _ = spans(m.Sentence[lang], p, s.Document.Parameters, row, v.LastLook)
	if row.State == measure.Met {
		v.Method, _ = spans(m.Method[lang], p, s.Document.Parameters, row, v.LastLook)
	}
	for _, proof := range row.Proofs {
		v.Digests = append(v.Digests, page.Digest{Check: proof.Check, SHA256: proof.Digest, FirstAt: proof.FirstAt, Passed: proof.Outcome == measure.Pass})
	}
	if len(m.Checks) > 0 || m.Attest {
		for _, d := range s.Strip(m.ID, now, s.zone()) {
			v.Strip = append(v.Strip, ui.Day{Date: d.Date, State: ui.State(d.State)})
		}
	}
	return v
}

func spans(text string, p *ui.Printer, parameters map[string]measure.Fact, row Row, seen time.Time) ([]page.Span, bool) {
	filled, ok := Fill(text, p, parameters, row, seen)
	out := make([]page.Span, 0, len(filled))
	for _, s := range filled {
		out = append(out, page.Span{Text: s.Text, Fact: s.Name != "", Source: s.Source, At: s.At})
	}
	return out, ok
}

// changesOf lists the changes of state of a measure, the newest first.
func (s *Snapshot) changesOf(m Measure, lang string, most int) []page.Change {
	list := s.History[m.ID]
	var out []page.Change
	for i := len(list) - 1; i >= 0 && len(out) < most; i-- {
		c := page.Change{ID: m.ID, Title: m.Title[lang], At: list[i].At, To: ui.State(list[i].State), Reason: list[i].Reason}
		if i > 0 {
			c.From = ui.State(list[i-1].State)
		}
		out = append(out, c)
	}
	return out
}

// commands are what a reader can run to check a sentence from outside. HOST stands for an
// address of the company, which the reader knows: the annex does not list them.
func commands(id string) []page.Command {
	host := net.JoinHostPort("HOST", "443")
	switch id {
	case "ENC-1":
		var out []page.Command
		for _, v := range []string{"1", "1_1", "1_2", "1_3"} {
			out = append(out, page.Command{Label: "annex.try.tls" + v, Line: fmt.Sprintf("openssl s_client -connect %s -servername HOST -tls%s -cipher 'ALL:@SECLEVEL=0' </dev/null", host, v)})
		}
		out[3].Line = fmt.Sprintf("openssl s_client -connect %s -servername HOST -tls1_3 </dev/null", host)
		return append(out, page.Command{Label: "annex.try.plain", Line: "curl -sI http://HOST/"})
	case "ENC-2":
		return []page.Command{{Label: "annex.try.hsts", Line: "curl -sI https://HOST/ | grep -i strict-transport-security"}}
	case "CRT-1", "CRT-2":
		return []page.Command{{Label: "annex.try.certificate", Line: fmt.Sprintf("openssl s_client -connect %s -servername HOST -verify_return_error </dev/null | openssl x509 -noout -dates -issuer", host)}}
	}
	return nil
}
