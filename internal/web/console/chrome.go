package console

import (
	"bytes"
	"context"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

// Addresses of the console that pages of several packages lead to.
const (
	DeskPath     = "/"
	AnnexPath    = "/annex" // the company's own, as a private draft
	ChecksPath   = "/checks"
	EstatePath   = "/estate"
	PeoplePath   = "/people"
	RecordPath   = "/record"
	LogPath      = "/record/log" // how the record is kept, of engine auditlog
	AuditPath    = "/audit"
	AccountPath  = "/account"
	SignOutPath  = "/sign-out"
	MeasuresPath = "/measures"

	IsolationPath = "/isolation" // guarded databases, of engine tenancy
)

// Chrome is the frame of the console. Its fields are set before the first request.
type Chrome struct {
	Messages *ui.Messages
	Company  func(ctx context.Context) string         // whose annex it is; may be nil
	Zone     func(ctx context.Context) *time.Location // of times of day; may be nil: UTC
	AnnexURL string                                   // of the public annex; empty: no link
	Private  func(ctx context.Context) bool           // the company has not published its annex yet; may be nil: it has
	// Target tells what a target of a check is called and where it is in this console; not ok of those that
	// need no other name, as endpoints do not. May be nil.
	Target func(p *ui.Printer, target string) (link ui.Link, ok bool)

	items       []func(r *web.Request) []ui.NavItem
	due         []DueSource
	populations []Population
	people      *directory.Directory // by Pages; nil: names are not known
	places      *http.ServeMux       // by Serves; nil: not known
}

// Serves tells which pages the console has, so that the desk leads nobody to one that it lacks.
// Not safe once requests are served.
func (c *Chrome) Serves(routes []web.Route) {
	c.places = http.NewServeMux()
	for _, r := range routes {
		c.places.Handle(r.Pattern, http.NotFoundHandler())
	}
}

// Has reports whether the console has a page at a path.
func (c *Chrome) Has(path string) bool {
	if c.places == nil {
		return false
	}
	_, pattern := c.places.Handler(&http.Request{Method: http.MethodGet, Host: "console", URL: &url.URL{Path: path}})
	return pattern != ""
}

// TargetLink tells what a target of a check is called and where it is in this console, if it needs
// another name than its own.
func (c *Chrome) TargetLink(p *ui.Printer, target string) (ui.Link, bool) {
	if c.Target == nil {
		return ui.Link{}, false
	}
	return c.Target(p, target)
}

// Due is one thing that waits for somebody.
type Due struct {
	State   ui.State // empty: no state to show
	Tag     string   // in bold before What: ids of measures
	What    string
	Href    string // page of it
	Lines   []DueLine
	Why     string
	Next    string    // the next step, a sentence
	Since   time.Time // zero: not said
	Whom    string    // for whom it is: a team, a role, or a person by name for who may read persons; empty: not said
	Teams   []string  // keys of the teams among Whom, as the catalogue names them
	Mine    bool      // for the reader, alone or among others
	Until   time.Time // when it must be done; zero: no day is set
	Button  *ui.Button
	Action  *ui.Action // shown without a Button
	Urgency int        // the greatest comes first, then the earliest Until
}

// DueLine is one part of what is due: a target and what is wrong with it.
type DueLine struct{ Target, Text string }

// The urgencies, by which the desk is sorted.
const (
	Soon    = 1
	Stale   = 2
	Decide  = 3 // waits for a decision
	NotMet  = 4
	Blocked = 5 // nothing works before this is done
)

// DueSource tells what waits for the people of a page. Both functions heed the reader's
// permissions and give nothing to who may not see it: to who lacks actor.ReadChecks, only what
// is Mine.
type DueSource struct {
	Count func(r *web.Request) (int, error) // as many as List has
	List  func(r *web.Request, p *ui.Printer) ([]Due, error)
	// Tells lists the checks whose failure List tells of in its own words, so that the same is not told by the
	// check as well. May be nil: none.
	Tells func(r *web.Request) ([]string, error)
}

// AddItems puts further pages into the navigation. Not safe once requests are served.
func (c *Chrome) AddItems(items func(r *web.Request) []ui.NavItem) { c.items = append(c.items, items) }

// AddDue registers a source. Not safe once requests are served.
func (c *Chrome) AddDue(s DueSource) { c.due = append(c.due, s) }

// Due lists what waits for the reader, unsorted. Who may not read checks is shown nothing but
// what is theirs, so that everything is.
func (c *Chrome) Due(r *web.Request, p *ui.Printer) ([]Due, error) {
	var all []Due
	for _, s := range c.due {
		list, err := s.List(r, p)
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	_, _ = web.Once(r.Context(), dueKey{}, func() (int, error) { return len(all), nil }) // waiting need not count them
	if !r.Actor.May(actor.ReadChecks) {
		for i := range all {
			all[i].Mine = true
		}
	}
	return all, nil
}

// Told are the checks whose failure some source tells the reader of in its own words.
func (c *Chrome) Told(r *web.Request) (map[string]bool, error) {
	return web.Once(r.Context(), toldKey{}, func() (map[string]bool, error) {
		told := map[string]bool{}
		for _, s := range c.due {
			if s.Tells == nil {
				continue
			}
			checks, err := s.Tells(r)
			if err != nil {
				return nil, err
			}
			for _, id := range checks {
				told[id] = true
			}
		}
		return told, nil
	})
}

// waiting counts what is due. Where it cannot be told, nothing is counted: the number is a
// courtesy of the navigation, and the desk itself fails when it cannot be told.
func (c *Chrome) waiting(r *web.Request) int {
	n, err := web.Once(r.Context(), dueKey{}, func() (n int, err error) {
		for _, s := range c.due {
			count, err := s.Count(r)
			if err != nil {
				return 0, err
			}
			n += count
		}
		return n, nil
	})
	if err != nil {
		return 0
	}
	return n
}

type (
	dueKey  struct{}
	toldKey struct{}
)

// Printer writes in the reader's language and the company's zone.
func (c *Chrome) Printer(r *web.Request) *ui.Printer {
	var zone *time.Location
	if c.Zone != nil {
		zone = c.Zone(r.Context())
	}
	return c.Messages.For(r.Lang, zone)
}

// Page makes the page around a body. titleID is a message id; current is the address of the
// navigation's item that the page belongs to. ?done=x shows the message console.done.x, which
// is how a page says what the change that led to it has done.
func (c *Chrome) Page(r *web.Request, titleID, current string, body any) *ui.Page {
	p := c.frame(r, c.Printer(r), current, c.waiting(r))
	p.Title, p.Body = p.Printer.T(titleID), body
	if c.Company != nil {
		p.Printed = "Garant · " + c.Company(r.Context()) + " · " + p.Printer.Instant(r.Now)
	}
	if q := r.URL.Query(); q.Has("done") {
		if id := "console.done." + q.Get("done"); p.Printer.Has(id) {
			p.Notice = &ui.Notice{Tone: ui.Success, Text: p.Printer.T(id), Live: true}
		}
		q.Del("done") // said once, not again in another language
		p.Path = ui.At(r.URL.EscapedPath(), q)
	}
	return p
}

// frame is a page without content. It asks the database for nothing.
func (c *Chrome) frame(r *web.Request, p *ui.Printer, current string, due int) *ui.Page {
	page := &ui.Page{
		Lang: p.Lang(), Path: r.URL.RequestURI(), Printer: p, Site: "Garant", Now: r.Now,
		Account: AccountPath, SignOut: SignOutPath, Layout: "console",
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		page.Path = current // a language switch cannot send a form again
	}
	if r.Actor.Kind == actor.Public {
		page.Layout = "card"
		return page
	}
	page.User, page.Role = r.Actor.Name, p.Role(r.Actor.Role)
	if page.User == "" {
		page.User = p.T("console.nameless")
	}
	page.Nav = c.nav(r, p, current, due)
	return page
}

func (c *Chrome) nav(r *web.Request, p *ui.Printer, current string, due int) []ui.NavItem {
	house := p.T("console.nav.house")
	var items []ui.NavItem
	add := func(may actor.Permission, href, icon, id, group string, count int) {
		if r.Actor.May(may) {
			items = append(items, ui.NavItem{Href: href, Label: p.T(id), Icon: icon, Group: group, Count: count, Current: href == current})
		}
	}
	add(actor.ReadAnnex, DeskPath, "inbox", "console.nav.desk", "", due)
	add(actor.ReadChecks, AnnexPath, "scroll", "console.nav.annex", "", 0)
	if c.AnnexURL != "" {
		add(actor.ReadAnnex, c.AnnexURL, "external", "console.nav.public", "", 0)
	}
	add(actor.ReadAnnex, MeasuresPath, "shield", "console.nav.measures", "", 0)
	add(actor.ReadChecks, ChecksPath, "radar", "console.nav.checks", "", 0)
	add(actor.ReadChecks, IsolationPath, "cells", "console.nav.isolation", "", 0)
	for _, more := range c.items {
		items = append(items, more(r)...)
	}
	add(actor.ReadEstate, EstatePath, "server", "console.nav.estate", house, 0)
	add(actor.ReadPersons, PeoplePath, "users", "console.nav.people", house, 0)
	add(actor.ReadAudit, RecordPath, "record", "console.nav.record", house, 0)
	add(actor.SampleRecords, AuditPath, "search", "console.nav.audit", house, 0)
	return items
}

// Write sends a page with a status. Nothing is sent when the page cannot be made.
func (c *Chrome) Write(w http.ResponseWriter, status int, t *template.Template, p *ui.Page) error {
	var b bytes.Buffer
	if err := ui.Render(&b, t, p); err != nil {
		return err
	}
	send(w, status, b.Bytes())
	return nil
}

func send(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a reader who went away is nobody to tell
}

// Error shows an error in the reader's language: a web.ErrorPage. It asks the database for
// nothing, so that it works when that is what failed.
func (c *Chrome) Error(w http.ResponseWriter, r *web.Request, status int, err error) {
	p := c.Messages.For(r.Lang, nil)
	text, fix := p.Error(err)
	body, failed := ui.ErrorPage(c.frame(r, p, "", 0), status, "", text, fix, r.ID)
	if failed != nil {
		web.WriteProblem(w, status, err)
		return
	}
	send(w, status, body)
}

// Shown reports whether err belongs on the page with the form that caused it, and returns its
// words as one text. Errors that are nobody's input are not shown there.
func Shown(p *ui.Printer, err error) (text string, ok bool) {
	switch errs.KindOf(err) {
	case errs.Invalid, errs.Conflict:
	default:
		return "", false
	}
	text, fix := p.Error(err)
	if fix != "" {
		text += " " + fix
	}
	return text, true
}
