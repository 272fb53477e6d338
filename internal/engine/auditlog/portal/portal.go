package portal

import (
	"bytes"
	"context"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

// Who is a customer who came in.
type Who struct {
	Customer uuid.UUID // as Garant names it
	Database string    // that it belongs to
	Tenant   string    // its key there
	Session  uuid.UUID
	Subject  string // stands for who signed in; empty: not known
	Expires  time.Time
}

// SignIn is a token that was minted for the customer.
type SignIn struct {
	At, Expires                     time.Time
	Database, Kind, Purpose, Access string // Kind: login, service, probe; Access: read, write
	Session                         uuid.UUID
	Subject                         string
	Ended                           *time.Time
}

// Job is a service job that the customer accepted, or that was accepted for whatever customer and has had a token for this one.
type Job struct {
	Database, Name, Why, Access string
	Any                         bool // for whatever customer
	AcceptedAt, EndsAt          time.Time
	WithdrawnAt                 *time.Time
}

// Visitor reads what is one customer's, under its token. Engine tenancy has it.
type Visitor interface {
	pg.Querier
	Who() Who
	SignIns(ctx context.Context, before string, limit int) (list []SignIn, next string, err error)
	Jobs(ctx context.Context, before string, limit int) (list []Job, next string, err error)
}

// Deps is what the portal works with.
type Deps struct {
	// Enter lets a token in. Errors: Denied of one that does not count, Unavailable when somebody tries many.
	Enter    func(ctx context.Context, by actor.Actor, token string) (Visitor, error)
	DB       *pg.DB // with the pool of pg.Staff: keys of what is sealed, places in the log, entries of exports
	Box      *crypt.Box
	Messages *ui.Messages
	Company  func(ctx context.Context) string         // may be nil
	Zone     func(ctx context.Context) *time.Location // may be nil: UTC
	Annex    string                                   // origin of the public annex; empty: no link
	HTTPS    bool
	Build    string
	Now      func() time.Time
	Log      *slog.Logger
}

// Portal is the pages and the calls.
type Portal struct {
	Deps
	templates map[string]*template.Template
}

// New makes it.
func New(deps Deps) (*Portal, error) {
	if deps.Enter == nil || deps.DB == nil || deps.Box == nil || deps.Messages == nil || deps.Now == nil || deps.Log == nil {
		return nil, errs.New(errs.Internal, "portal.deps", "The portal lacks something that it works with.")
	}
	p := &Portal{Deps: deps, templates: map[string]*template.Template{}}
	for _, name := range []string{"welcome", "trail", "story", "signins", "jobs", "export"} {
		t, err := ui.Parse("public", templateFiles, "templates/frame.html", "templates/"+name+".html")
		if err != nil {
			return nil, err
		}
		p.templates[name] = t
	}
	return p, nil
}

// Addresses of the portal.
const (
	trailPath  = "/"
	storyPath  = "/object"
	signInPath = "/sign-ins"
	jobsPath   = "/jobs"
	exportPath = "/export"
	enterPath  = "/enter"
	leavePath  = "/leave"
)

// Routes are the addresses of the portal's site.
func (p *Portal) Routes() []web.Route {
	return []web.Route{
		{Pattern: "GET /{$}", Permission: web.Public, Handler: p.inside(p.trail)},
		{Pattern: "GET " + storyPath, Permission: web.Public, Handler: p.inside(p.story)},
		{Pattern: "GET " + signInPath, Permission: web.Public, Handler: p.inside(p.signIns)},
		{Pattern: "GET " + jobsPath, Permission: web.Public, Handler: p.inside(p.jobs)},
		{Pattern: "GET " + exportPath, Permission: web.Public, Handler: p.inside(p.exportPage)},
		{Pattern: "POST " + exportPath, Permission: web.Public, Handler: p.inside(p.download)},
		{Pattern: "GET " + enterPath, Permission: web.Public, Handler: func(w http.ResponseWriter, r *web.Request) error { return web.SeeOther(w, r, trailPath) }},
		// The form stands on a page of the application, which is another origin. What another site can do by it is to show a reader the
		// log of a customer whose token it has: every page says whose log it is.
		{Pattern: "POST " + enterPath, Permission: web.Public, CrossOrigin: true, Handler: p.enter},
		{Pattern: "POST " + leavePath, Permission: web.Public, Handler: p.leave},
		{Pattern: "GET /static/", Permission: web.Public, Handler: web.Serve(ui.Static())},
	}
}

// visit is one request of somebody who came in.
type visit struct {
	Visitor
	who  Who
	by   actor.Actor
	back *url.URL // to the application; nil: not known
}

// enter takes a token from a page of the application.
func (p *Portal) enter(w http.ResponseWriter, r *web.Request) error {
	if err := r.ParseForm(); err != nil {
		return errs.New(errs.Invalid, "portal.form", "What was sent could not be read.").WithFix("Open your activity log from your application again.").Wrap(err)
	}
	token := r.PostForm.Get("token")
	v, err := p.Enter(r.Context(), r.Actor, token)
	if err != nil {
		p.setCookie(w, cookieToken, "", 0)
		return p.welcome(w, r, err)
	}
	life := v.Who().Expires.Sub(r.Now)
	p.setCookie(w, cookieToken, token, life)
	back := r.PostForm.Get("back")
	if application(back) == nil {
		back, life = "", 0
	}
	p.setCookie(w, cookieBack, url.QueryEscape(back), life)
	return web.SeeOther(w, r, trailPath)
}

// leave forgets the token.
func (p *Portal) leave(w http.ResponseWriter, r *web.Request) error {
	p.setCookie(w, cookieToken, "", 0)
	return p.welcome(w, r, nil)
}

// inside lets a page be seen by who shows a token that counts at this moment.
func (p *Portal) inside(page func(http.ResponseWriter, *web.Request, *visit) error) web.Handler {
	return func(w http.ResponseWriter, r *web.Request) error {
		token := p.cookie(r.Request, cookieToken)
		if token == "" {
			return p.welcome(w, r, errs.New(errs.Denied, "portal.nobody", "Nobody has come in."))
		}
		v, err := p.Enter(r.Context(), r.Actor, token)
		if err != nil {
			if errs.Is(err, errs.Denied) {
				p.setCookie(w, cookieToken, "", 0)
			}
			return p.welcome(w, r, err)
		}
		back := ""
		if text, err := url.QueryUnescape(p.cookie(r.Request, cookieBack)); err == nil {
			back = text
		}
		return page(w, r, p.visitOf(v, r.Actor, application(back)))
	}
}

func (p *Portal) visitOf(v Visitor, from actor.Actor, back *url.URL) *visit {
	who := v.Who()
	by := actor.Actor{Kind: actor.User, ID: "login:" + who.Subject, Session: who.Session.String(), Origin: from.Origin} // as the application's own events name them
	if who.Subject == "" {
		by.ID = "session:" + by.Session
	}
	return &visit{Visitor: v, who: who, by: by, back: back}
}

// application reads where an application is to be found again: https, or this machine.
func application(address string) *url.URL {
	u, err := url.Parse(address)
	switch {
	case err != nil || len(address) > 500 || u.Host == "" || u.User != nil || u.Opaque != "":
		return nil
	case u.Scheme == "https", u.Scheme == "http" && (u.Hostname() == "localhost" || strings.HasSuffix(u.Hostname(), ".localhost")):
		return u
	}
	return nil
}

// What the cookies hold: the token, and where the application is.
const (
	cookieToken = "garant-portal"
	cookieBack  = "garant-portal-back"
)

// cookieName is bound to the host by its prefix where there is TLS (RFC 6265bis, section 4.1.3.2).
func (p *Portal) cookieName(name string) string {
	if p.HTTPS {
		return "__Host-" + name
	}
	return name
}

func (p *Portal) setCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	c := &http.Cookie{Name: p.cookieName(name), Value: value, Path: "/", HttpOnly: true, Secure: p.HTTPS, SameSite: http.SameSiteLaxMode, MaxAge: int(life / time.Second)}
	if c.MaxAge <= 0 {
		c.Value, c.MaxAge = "", -1
	}
	http.SetCookie(w, c)
}

func (p *Portal) cookie(r *http.Request, name string) string {
	c, err := r.Cookie(p.cookieName(name))
	if err != nil || len(c.Value) > 2000 {
		return ""
	}
	return c.Value
}

func (p *Portal) printer(r *web.Request) *ui.Printer {
	var zone *time.Location
	if p.Zone != nil {
		zone = p.Zone(r.Context())
	}
	return p.Messages.For(r.Lang, zone)
}

// head says whose log a page shows.
type head struct {
	Tenant, Database string
	Until            time.Time
	Back, BackHost   string
}

// body is a page's own part, with whose it is.
type body struct {
	Head *head // nil: nobody has come in
	Page any
}

func (p *Portal) page(r *web.Request, pr *ui.Printer, v *visit, current, title string, own any) *ui.Page {
	page := &ui.Page{Lang: pr.Lang(), Title: pr.T(title), Path: r.URL.RequestURI(), Printer: pr, Site: "Garant", Now: r.Now, Layout: "public"}
	if p.Company != nil {
		if name := p.Company(r.Context()); name != "" {
			page.Site = name
		}
	}
	if p.Annex != "" {
		page.Footer = []ui.Link{{Label: pr.T("portal.annex"), Href: p.Annex}}
	}
	b := body{Page: own}
	if v != nil {
		for _, item := range []struct{ href, id string }{{trailPath, "portal.trail"}, {signInPath, "portal.signins"}, {jobsPath, "portal.jobs"}} {
			page.Nav = append(page.Nav, ui.NavItem{Href: item.href, Label: pr.T(item.id + ".tab"), Current: item.href == current})
		}
		b.Head = &head{Tenant: v.who.Tenant, Database: v.who.Database, Until: v.who.Expires}
		if v.back != nil {
			b.Head.Back, b.Head.BackHost = v.back.String(), v.back.Host
		}
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		page.Path = trailPath // a language switch cannot send a form again
	}
	page.Body = b
	return page
}

func (p *Portal) write(w http.ResponseWriter, status int, name string, page *ui.Page) error {
	var b bytes.Buffer
	if err := ui.Render(&b, p.templates[name], page); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a reader who went away is nobody to tell
	return nil
}

type welcomePage struct {
	Text, Fix string
	Back      string
	BackHost  string
}

// welcome says how one comes in. why is what was refused; nil: somebody left.
func (p *Portal) welcome(w http.ResponseWriter, r *web.Request, why error) error {
	if why != nil && !errs.Is(why, errs.Denied) {
		return why
	}
	pr := p.printer(r)
	own, status := &welcomePage{Text: pr.T("portal.welcome.left")}, http.StatusOK
	if why != nil {
		status = http.StatusForbidden
		own.Text, own.Fix = pr.Error(why)
		var known *errs.Error
		if errors.As(why, &known) {
			if _, id, _ := strings.Cut(known.ID, "."); pr.Has("portal.refused." + id) {
				own.Text, own.Fix = pr.T("portal.refused."+id), ""
			}
		}
	}
	if text, err := url.QueryUnescape(p.cookie(r.Request, cookieBack)); err == nil {
		if u := application(text); u != nil {
			own.Back, own.BackHost = u.String(), u.Host
		}
	}
	return p.write(w, status, "welcome", p.page(r, pr, nil, "", "portal.title", own))
}

// Error shows an error in the reader's language: a web.ErrorPage. It asks the database for nothing.
func (p *Portal) Error(w http.ResponseWriter, r *web.Request, status int, err error) {
	pr := p.Messages.For(r.Lang, nil)
	text, fix := pr.Error(err)
	page := &ui.Page{Lang: pr.Lang(), Path: r.URL.RequestURI(), Printer: pr, Site: "Garant", Now: r.Now, Layout: "public"}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		page.Path = trailPath
	}
	b, failed := ui.ErrorPage(page, status, "", text, fix, r.ID)
	if failed != nil {
		web.WriteProblem(w, status, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}
