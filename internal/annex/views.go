package annex

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"github.com/garant-project/garant/internal/annex/page"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

func (s *Site) annex(w http.ResponseWriter, r *web.Request) error {
	order := page.Order(r.URL.Query().Get("order"))
	if !slices.Contains(page.Orders(), order) {
		return errs.New(errs.Invalid, "annex.order.unknown", "There is no such order of reading.").WithFix("Choose one of the three orders at the head of the annex.")
	}
	return s.answer(w, r, "annex/"+string(order), kindHTML, func(out io.Writer, snap *Snapshot, now time.Time) error {
		p, at := s.words.For(r.Lang, snap.zone()), snap.moment(r)
		v := page.Annex{
			Company: company(snap, r.Lang), Hash: snap.Hash, Version: snap.Version, Since: snap.Since, At: snap.At, Last: snap.lastLook(),
			JSON: page.Address("/annex.json", page.OwnOrder, at), Address: s.origin + "/",
			Order: order, Moment: at, Until: snap.until(now), Estate: snap.Document.Estate, Catalogue: snap.Document.Catalogue, Build: snap.Document.Build,
		}
		v.Sections, v.Topics = snap.sections(p, order, now), snap.topics(p, now)
		return s.pages.Annex(out, s.dress(r, p, page.Address(r.URL.Path, order, at)), v)
	})
}

func (s *Site) proof(w http.ResponseWriter, r *web.Request) error {
	id := r.PathValue("id")
	if err := s.known(r, id); err != nil {
		return err
	}
	return s.answer(w, r, "m/"+id, kindHTML, func(out io.Writer, snap *Snapshot, now time.Time) error {
		p, at := s.words.For(r.Lang, snap.zone()), snap.moment(r)
		m, ok := snap.find(id)
		if !ok {
			return errNoMeasure()
		}
		v := page.Proof{
			Company: company(snap, r.Lang), Measure: snap.measure(p, m, r.Lang, now), Hash: snap.Hash, Since: snap.Since, At: snap.At,
			JSON: page.Address("/m/"+id+"/proof.json", page.OwnOrder, at), Address: s.origin + "/m/" + id, Commands: commands(m.ID),
			Moment: at, Version: snap.Version, Estate: snap.Document.Estate,
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
		for _, revision := range snap.Revisions {
			if revision.Measure == id {
				v.Revisions = append(v.Revisions, snap.revision(p, revision))
			}
		}
		return s.pages.Proof(out, s.dress(r, p, page.Address(r.URL.Path, page.OwnOrder, at)), v)
	})
}

func (s *Site) annexJSON(w http.ResponseWriter, r *web.Request) error {
	return s.answer(w, r, "annex.json", kindJSON, func(out io.Writer, snap *Snapshot, now time.Time) error {
		v := map[string]any{
			"company": snap.Document.Company, "document": snap.Hash, "version": snap.Version, "since": snap.Since, "estate": snap.Document.Estate,
			"at": now.UTC(), "catalogue": snap.Document.Catalogue, "build": snap.Document.Build, "measures": snap.Details(s.words, now),
			"also": snap.Document.Topics, "subprocessors": snap.Document.Subprocessors,
		}
		if until := snap.until(now); !until.IsZero() {
			v["valid_until"] = until.UTC()
		}
		return writeJSON(out, v)
	})
}

func (s *Site) proofJSON(w http.ResponseWriter, r *web.Request) error {
	id := r.PathValue("id")
	if err := s.known(r, id); err != nil {
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

// known keeps what strangers ask for out of the cache: only ids of the present document enter.
// A page of the past is not kept, and may tell of a measure that is no more.
func (s *Site) known(r *web.Request, id string) error {
	if at, err := s.moment(r); err != nil || !at.IsZero() {
		return err
	}
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
		c, zone = company(snap, r.Lang), snap.zone()
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

// moment is the moment of the past that a reader asked for, as links carry it; empty: the
// present. It is made anew from what was understood, and a page of the present, which is kept and
// shown to others, has nothing of its first reader's address.
func (s *Snapshot) moment(r *web.Request) string {
	if s.At.IsZero() {
		return ""
	}
	text := r.URL.Query().Get("at")
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC().Format(time.RFC3339Nano)
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t.Format(time.DateOnly)
	}
	return ""
}

// copyFor is how long a copy of a page may be taken for the present.
const copyFor = time.Minute

// until is when a copy of a page stops speaking of the present: soon, and not after evidence
// behind it expires. Zero in a replay, which never does.
func (s *Snapshot) until(now time.Time) time.Time {
	if !s.At.IsZero() {
		return time.Time{}
	}
	until := now.Add(copyFor)
	for _, m := range s.Document.Measures {
		if f, ok := s.Fresh[m.ID]; ok && f.ValidUntil.After(now) && f.ValidUntil.Before(until) && s.Effective(m.ID, now).State == measure.Met {
			until = f.ValidUntil
		}
	}
	return until
}

func company(s *Snapshot, lang string) page.Company {
	c := s.Document.Company
	return page.Company{Name: c.Name, LegalName: c.LegalName, Country: country(c.Country, lang), Contact: c.Contact, DPO: c.DPO, Revised: c.Revised,
		Address: c.Address, Registration: c.Registration, Revision: day(c.Revision, s.zone())}
}

// country names a country of ISO 3166-1 in a language; what is none stays as it is.
func country(code, lang string) string {
	region, err := language.ParseRegion(code)
	if err != nil || !region.IsCountry() {
		return code
	}
	if name := display.Regions(language.Make(lang)).Name(region); name != "" {
		return name
	}
	return code
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
		Refs: page.References{GDPR: m.Refs.GDPR, ISO: m.Refs.ISO, CNIL: m.Refs.CNIL}, Outside: len(commands(m.ID)) > 0,
		ByPeople: len(m.Checks) == 0 && m.Attest,
	}
	if c := row.Confirmed; c != nil {
		v.Confirmed = &page.Confirmation{At: c.At, Until: c.Until, Digest: c.Digest}
	}
	if w := row.Witness; w != nil {
		v.Witness = &page.Witness{Name: w.Name, At: w.At, Key: w.Key}
	}
	if m.Exclusion != nil {
		v.Exclusion = m.Exclusion.Reason[lang]
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
		c := page.Change{Key: "state/" + strconv.FormatInt(list[i].ID, 10), ID: m.ID, Title: m.Title[lang], At: list[i].At, To: ui.State(list[i].State), Reason: list[i].Reason}
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

// day reads a day as annex.yaml has it; zero when there is none.
func day(text string, zone *time.Location) time.Time {
	t, err := time.ParseInLocation(time.DateOnly, text, zone)
	if err != nil {
		return time.Time{}
	}
	return t
}
