package page

import (
	"embed"
	"errors"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web/ui"
)

//go:embed templates
var templateFiles embed.FS

//go:embed messages/fr.yaml
var french []byte

//go:embed messages/en.yaml
var english []byte

// Paths of the public site.
const (
	AnnexPath         = "/"
	ChangesPath       = "/changes"
	FeedPath          = "/changes.atom"
	SubprocessorsPath = "/subprocessors"
	VerifyPath        = "/verify"
	ProofPath         = "/m/" // followed by the measure's id
)

// Messages are the words of these pages, by language, for ui.NewMessages.
func Messages() map[string][]byte { return map[string][]byte{"fr": french, "en": english} }

// Pages makes the pages of the public site. It is safe for use from many goroutines.
type Pages struct {
	annex, proof, changes, subprocessors, verify, unavailable *template.Template
}

// New reads the templates. It fails when msgs lacks the words of this package.
func New(msgs *ui.Messages) (*Pages, error) {
	if !msgs.Has("annex.title") {
		return nil, errs.New(errs.Internal, "annex.no_words", "The words of the public annex are missing.")
	}
	s := &Pages{}
	for _, p := range []struct {
		into **template.Template
		file string
	}{{&s.annex, "annex"}, {&s.proof, "proof"}, {&s.changes, "changes"}, {&s.subprocessors, "subprocessors"}, {&s.verify, "verify"}, {&s.unavailable, "unavailable"}} {
		t, err := ui.Parse("public", templateFiles, "templates/parts.html", "templates/"+p.file+".html")
		if err != nil {
			return nil, err
		}
		*p.into = t
	}
	return s, nil
}

// Annex writes the document. Of p, the printer is needed; Path is the request's, for the
// language switch; Now is the moment that ages count from; whatever else is empty is filled in.
// p itself is not changed. Nothing is written when it fails; so with every page.
func (s *Pages) Annex(w io.Writer, p *ui.Page, v Annex) error {
	own, t, err := open(p, v.At, v.Moment)
	if err != nil {
		return err
	}
	t.dress(own, v.Company, t.T("annex.title"), AnnexPath)
	t.number(own, v.Company, v.Hash, v.Since, v.Address)
	b := t.annex(v)
	b.Links = t.links(own, v.Address, v.Until)
	own.Body = b
	return ui.Render(w, s.annex, own)
}

// Proof writes what stands behind one measure.
func (s *Pages) Proof(w io.Writer, p *ui.Page, v Proof) error {
	own, t, err := open(p, v.At, v.Moment)
	if err != nil {
		return err
	}
	title := v.Measure.ID
	if v.Measure.Title != "" {
		title += " · " + v.Measure.Title
	}
	t.dress(own, v.Company, title, ProofPath)
	t.number(own, v.Company, v.Hash, v.Since, v.Address)
	if own.Crumbs == nil {
		own.Crumbs = t.crumbs(v)
	}
	b := t.proof(v)
	b.Links = t.links(own, v.Address, time.Time{})
	own.Body = b
	return ui.Render(w, s.proof, own)
}

// Changes writes the changes of state and of the text, and the coverage over time.
func (s *Pages) Changes(w io.Writer, p *ui.Page, v Changes) error {
	own, t, err := open(p, v.At, v.Moment)
	if err != nil {
		return err
	}
	t.dress(own, v.Company, t.T("annex.changes"), ChangesPath)
	t.number(own, v.Company, "", time.Time{}, v.Address)
	b := t.changes(v)
	b.Links = t.links(own, v.Address, time.Time{})
	own.Body = b
	return ui.Render(w, s.changes, own)
}

// Subprocessors writes the list of sub-processors.
func (s *Pages) Subprocessors(w io.Writer, p *ui.Page, v Subprocessors) error {
	own, t, err := open(p, v.At, v.Moment)
	if err != nil {
		return err
	}
	t.dress(own, v.Company, t.T("annex.sub"), SubprocessorsPath)
	t.number(own, v.Company, v.Hash, v.Since, v.Address)
	b := t.subprocessors(v)
	b.Links = t.links(own, v.Address, time.Time{})
	own.Body = b
	return ui.Render(w, s.subprocessors, own)
}

// Verify writes how readers check by themselves.
func (s *Pages) Verify(w io.Writer, p *ui.Page, v Verify) error {
	own, t, err := open(p, v.At, v.Moment)
	if err != nil {
		return err
	}
	t.dress(own, v.Company, t.T("annex.verify"), VerifyPath)
	t.number(own, v.Company, v.Hash, v.Since, v.Address)
	b := t.verify(v)
	b.Links = t.links(own, v.Address, time.Time{})
	own.Body = b
	return ui.Render(w, s.verify, own)
}

// Unavailable writes that nothing can be asserted at this moment. The status is 503.
func (s *Pages) Unavailable(w io.Writer, p *ui.Page, v Unavailable) error {
	own, t, err := open(p, time.Time{}, "")
	if err != nil {
		return err
	}
	t.dress(own, v.Company, t.T("annex.unavailable"), "")
	body := unavailableBody{Retry: ui.Button{Label: t.T("annex.unavailable.retry"), Icon: "refresh", Href: AnnexPath, Primary: true}}
	if strings.HasPrefix(p.Path, "/") && !strings.HasPrefix(p.Path, "//") {
		body.Retry.Href = p.Path
	}
	if !v.Since.IsZero() {
		body.Since = t.T("annex.unavailable.since", "When", t.sinceWhen(v.Since))
	}
	own.Body = body
	return ui.Render(w, s.unavailable, own)
}

// unavailableBody is the page of a moment at which nothing can be verified.
type unavailableBody struct {
	Since string
	Retry ui.Button
}

// Error writes an error: what happened and the next step.
func (s *Pages) Error(w io.Writer, p *ui.Page, v Failure) error {
	own, t, err := open(p, time.Time{}, "")
	if err != nil {
		return err
	}
	t.dress(own, v.Company, "", "")
	own.Layout = "public"
	var title, text, fix string
	if v.Err != nil {
		text, fix = t.Error(v.Err)
	}
	var known *errs.Error
	if errors.As(v.Err, &known) && t.Has(known.ID+".title") {
		title = t.T(known.ID + ".title")
	}
	whole, err := ui.ErrorPage(own, v.Status, title, text, fix, v.Request)
	if err != nil {
		return err
	}
	_, err = w.Write(whole)
	return err
}

// open copies the caller's page, which may be shared, and makes the teller of its reader.
func open(p *ui.Page, at time.Time, moment string) (*ui.Page, teller, error) {
	if p == nil || p.Printer == nil {
		return nil, teller{}, errs.New(errs.Internal, "annex.no_printer", "A page of the annex was to be written without a printer.")
	}
	own := *p
	if own.Now.IsZero() {
		own.Now = time.Now()
	}
	switch {
	case at.IsZero():
		moment = ""
	case moment == "":
		moment = own.Printer.ISODay(at)
	}
	return &own, teller{Printer: own.Printer, now: own.Now, at: at, moment: moment}, nil
}

// dress fills in what every page has. current is the path of the open part of the navigation.
func (t teller) dress(p *ui.Page, c Company, title, current string) {
	if p.Title == "" {
		p.Title = title
	}
	if p.Site == "" {
		p.Site = c.Name
	}
	if p.Site == "" { // nothing is known, or nothing is to be told: there is nowhere to go
		p.Site = t.T("annex.nameless")
		return
	}
	if p.Nav != nil {
		return
	}
	for _, item := range []struct{ word, path string }{
		{"annex.nav.measures", AnnexPath}, {"annex.nav.changes", ChangesPath}, {"annex.nav.subprocessors", SubprocessorsPath}, {"annex.nav.verify", VerifyPath},
	} {
		p.Nav = append(p.Nav, ui.NavItem{Label: t.T(item.word), Href: t.href(item.path), Current: current == item.path})
	}
}

// number says which version of whose document a page is of, in its head and at the foot of
// printed pages.
func (t teller) number(p *ui.Page, c Company, hash string, since time.Time, address string) {
	if p.Version == "" && !since.IsZero() {
		p.Version = t.T("annex.version.of", "Date", t.Day(since))
	}
	if p.Printed != "" || c.legal() == "" {
		return
	}
	parts := []string{c.legal()}
	if hash != "" {
		parts = append(parts, t.T("annex.foot.hash", "Hash", short(hash)))
	}
	as := t.now
	if !t.at.IsZero() {
		as = t.at
	}
	parts = append(parts, t.T("annex.foot.state", "Instant", t.Instant(as)))
	if address != "" {
		parts = append(parts, address)
	}
	p.Printed = strings.Join(parts, " · ")
}

// legal is the name under which the company signs.
func (c Company) legal() string {
	if c.LegalName != "" {
		return c.LegalName
	}
	return c.Name
}
