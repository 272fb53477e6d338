package sponsorship

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/tenant"
)

// Purpose is the service job under which the public forms run.
const Purpose = "application-form"

// Config is what the application needs.
type Config struct {
	Origin    string          // where browsers find it: http://ardoise.localhost:8482
	Pools     tenant.Router   // the customers' databases, as the application's role
	Exchanger Exchanger       // where tenant tokens come from
	Issuer    string          // the login: an OpenID issuer
	Client    string          // this application's name there
	HTTP      *http.Client    // for the issuer; nil: one with a timeout
	Forms     []Form          // the public forms
	Links     map[string]Link // further words at the foot of each page, by language
	Portal    Portal          // where customers' staff read their activity log; zero: nowhere
	Log       *slog.Logger    // nil: nothing is logged
	Now       func() time.Time
}

// Form is a customer's public form.
type Form struct {
	Slug     string // in the address: /apply/brasserie
	Customer tenant.ID
	Name     string
}

// Link stands at the foot of each page.
type Link struct{ Text, Address string }

// Portal is Garant's site where a customer reads its own activity log.
type Portal struct {
	Origin   string // https://portal.garant.example
	Audience string // of the token that it takes: production@garant
}

// app is the running application.
type app struct {
	Config
	sessions *sessions
	login    *login
	jobs     map[string]*formJob // of the public forms, by slug
	views    *views
	secure   bool
}

// New makes the application.
func New(c Config) (http.Handler, error) {
	u, err := url.Parse(c.Origin)
	switch {
	case err != nil || u.Host == "" || u.Path != "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("sponsorship: %q is no origin: write it as https://sponsorship.example", c.Origin)
	case u.Scheme == "http" && !strings.HasSuffix("."+u.Hostname(), ".localhost") && u.Hostname() != "127.0.0.1":
		return nil, errors.New("sponsorship: without TLS the application serves its own machine only: give an https origin")
	case c.Pools == nil || c.Exchanger == nil || c.Issuer == "" || c.Client == "":
		return nil, errors.New("sponsorship: a database, an exchanger, an issuer and a client are needed")
	}
	if c.Portal.Origin != "" {
		if p, err := url.Parse(c.Portal.Origin); err != nil || p.Host == "" || p.Path != "" || p.Scheme != "https" && p.Scheme != u.Scheme || c.Portal.Audience == "" {
			return nil, errors.New("sponsorship: the portal needs an origin, as https://portal.garant.example, and the audience of its tokens, as production@garant")
		}
	}
	for i, f := range c.Forms {
		if f.Slug == "" || f.Customer.Type() == "" || f.Name == "" || slices.ContainsFunc(c.Forms[:i], func(g Form) bool { return g.Slug == f.Slug }) {
			return nil, errors.New("sponsorship: each public form needs a slug of its own, a customer and a name")
		}
	}
	if c.HTTP == nil {
		c.HTTP = &http.Client{Timeout: 10 * time.Second}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	a := &app{Config: c, sessions: newSessions(c.Now), jobs: map[string]*formJob{}, secure: u.Scheme == "https"}
	a.login = &login{issuer: strings.TrimSuffix(c.Issuer, "/"), client: c.Client, redirect: c.Origin + "/callback", http: c.HTTP, now: c.Now}
	for _, f := range c.Forms {
		tokens := placed(func(ctx context.Context, database string) (tenant.Token, error) {
			return c.Exchanger.Job(ctx, database, Purpose, f.Customer)
		})
		a.jobs[f.Slug] = &formJob{tokens: tokens, open: a.store(tokens)}
	}
	if a.views, err = newViews(); err != nil {
		return nil, err
	}
	return a.guard(u.Host, a.routes()), nil
}

func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("GET /language/{tag}", a.language)
	mux.HandleFunc("GET /signin", a.signIn)
	mux.HandleFunc("GET /callback", a.callback)
	mux.HandleFunc("POST /signout", a.signOut)
	mux.HandleFunc("GET /applications", a.signedIn(a.list))
	mux.HandleFunc("GET /applications/{id}", a.signedIn(a.one))
	mux.HandleFunc("POST /applications/{id}/decision", a.signedIn(a.decide))
	mux.HandleFunc("POST /applications/{id}/payment", a.signedIn(a.pay))
	mux.HandleFunc("GET /payments", a.signedIn(a.payments))
	if a.Portal.Origin != "" {
		mux.HandleFunc("GET /activity-log", a.signedIn(a.activityLog))
	}
	mux.HandleFunc("GET /apply/{form}", a.apply)
	mux.HandleFunc("POST /apply/{form}", a.submit)
	mux.HandleFunc("GET /apply/{form}/received", a.received)
	mux.HandleFunc("GET /static/{hash}/{name}", a.static)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { a.fail(w, r, errNotFound) })
	return mux
}

// guard is around every request: headers, limits, the host's name, requests of other sites.
func (a *app) guard(host string, next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.fail(w, r, errCrossOrigin) }))
	inner := cross.Handler(next)
	const policy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if a.secure {
			h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
		}
		if r.Host != host {
			http.Error(w, "This server answers at "+a.Origin+".", http.StatusMisdirectedRequest)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // it is that very value
				a.Log.Error("a page failed", "error.message", fmt.Sprint(p), "url.path", r.URL.Path)
				a.fail(w, r, errors.New("panic"))
			}
		}()
		inner.ServeHTTP(w, r)
	})
}

// The faults that a page can show.
var (
	errNotFound    = errors.New("sponsorship: there is no such page")
	errCrossOrigin = errors.New("sponsorship: the request comes from another site")
	errForbidden   = errors.New("sponsorship: this user may not do that")
	errGone        = errors.New("sponsorship: somebody was faster, or it cannot be done in this state")
	errSignIn      = errors.New("sponsorship: the sign-in did not work")
)

// fail shows what went wrong, in words for people; what the log needs goes there, without values.
func (a *app) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, words := http.StatusInternalServerError, "fault.internal"
	switch {
	case errors.Is(err, errNotFound):
		status, words = http.StatusNotFound, "fault.not_found"
	case errors.Is(err, errCrossOrigin):
		status, words = http.StatusForbidden, "fault.cross_origin"
	case errors.Is(err, errForbidden):
		status, words = http.StatusForbidden, "fault.forbidden"
	case errors.Is(err, errGone):
		status, words = http.StatusConflict, "fault.gone"
	case errors.Is(err, errSignIn), errors.Is(err, ErrRefused):
		status, words = http.StatusBadRequest, "fault.sign_in"
	case errors.Is(err, ErrUnavailable), errors.Is(err, context.DeadlineExceeded), errors.Is(err, tenant.ErrInvalid):
		status, words = http.StatusServiceUnavailable, "fault.unavailable"
	case errors.As(err, new(*http.MaxBytesError)):
		status, words = http.StatusRequestEntityTooLarge, "fault.too_large"
	}
	if status >= http.StatusInternalServerError {
		a.Log.Error("a page failed", "error.message", logged(err), "url.path", r.URL.Path)
	}
	a.render(w, r, status, faultPage{base: a.base(r, "fault.title"), Words: words})
}

// static serves what the pages are dressed in. The address holds the content's hash: it never changes.
func (a *app) static(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	content, err := fs.ReadFile(assets, "static/"+name)
	if err != nil || r.PathValue("hash") != hash(content) {
		a.fail(w, r, errNotFound)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	kind := "text/css; charset=utf-8"
	switch {
	case strings.HasSuffix(name, ".svg"):
		kind = "image/svg+xml"
	case strings.HasSuffix(name, ".js"):
		kind = "text/javascript; charset=utf-8"
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(content) // the client may have gone
}

func hash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:6])
}
