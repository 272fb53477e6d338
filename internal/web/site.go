package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
)

// Public is the permission of routes that anybody may use.
const Public actor.Permission = "public"

// Request is what a handler is given.
type Request struct {
	*http.Request
	Actor actor.Actor
	Lang  string // "fr" or "en"
	Now   time.Time
	ID    string // also in the X-Request-Id header and the log

	site *Site
	once sync.Map // see Once
}

// Handler answers a request, or returns an error for the kit to show.
type Handler func(w http.ResponseWriter, r *Request) error

// Serve makes a Handler of one that decides everything by itself.
func Serve(h http.Handler) Handler {
	return func(w http.ResponseWriter, r *Request) error {
		h.ServeHTTP(w, r.Request)
		return nil
	}
}

// Route is one address of a site.
type Route struct {
	Pattern    string           // of net/http.ServeMux: "GET /checks/{id}"
	Permission actor.Permission // who may; Public for anybody
	Handler    Handler
	// CrossOrigin exempts a route from cross-origin protection; say why in a comment beside it.
	CrossOrigin bool
	// MaxBody is the largest body in bytes; 0: 64 KiB.
	MaxBody int64
	// Fail answers with an error where a protocol says how errors look; nil: as the site does.
	Fail ErrorPage
}

// Authenticator tells who sends a request; the anonymous actor when nobody is signed in. An
// error means that it could not tell, and the request is refused.
type Authenticator interface {
	Authenticate(r *http.Request) (actor.Actor, error)
}

// ErrorPage shows an error to a reader. status is already decided; err may be internal, and
// only errs.Sentence and the message id of it may be shown.
type ErrorPage func(w http.ResponseWriter, r *Request, status int, err error)

// Config says what a site is.
type Config struct {
	Name       string   // "console", "annex": in logs and metrics
	Hosts      []string // host names it answers for, without port
	Routes     []Route
	Auth       Authenticator // nil: everybody is anonymous
	SignInPath string        // where anonymous readers are sent who ask for a page; empty: 403
	ErrorPage  ErrorPage
	Languages  []string // the first is the default
	HTTPS      bool     // the public side speaks TLS: HSTS and Secure cookies
	// Proxies end TLS before this site. When there are any, requests from elsewhere are refused
	// (they came without TLS), and the last address in X-Forwarded-For is the reader's.
	Proxies []netip.Prefix
	Log     *slog.Logger
	Metrics *Metrics
	Now     func() time.Time
	// Refused is told when somebody who is signed in lacks a permission, so that the attempt can
	// be recorded; may be nil.
	Refused func(r *Request, needed actor.Permission)
}

// Site is one origin.
type Site struct {
	cfg     Config
	mux     *http.ServeMux
	handler http.Handler
}

// NewSite checks the configuration and makes the site.
func NewSite(cfg Config) (*Site, error) {
	s := &Site{cfg: cfg, mux: http.NewServeMux()}
	protect := http.NewCrossOriginProtection()
	for _, r := range cfg.Routes {
		if r.Permission == "" {
			return nil, errs.New(errs.Internal, "web.no_permission", "The route "+r.Pattern+" names no permission.").
				WithFix("Give it one, or web.Public.")
		}
		if r.Permission != Public && cfg.Auth == nil {
			return nil, errs.New(errs.Internal, "web.no_auth", "The route "+r.Pattern+" needs a permission on a site that signs nobody in.")
		}
		if r.CrossOrigin {
			if _, path, ok := strings.Cut(r.Pattern, " "); ok {
				protect.AddInsecureBypassPattern(path)
			}
		}
		s.mux.Handle(r.Pattern, s.route(r))
	}
	protect.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, s.request(w, r), errs.New(errs.Denied, "web.cross_origin", "This request came from another site and was refused.").
			WithFix("Go back, reload the page and try again."))
	}))
	s.handler = protect.Handler(s.mux)
	return s, nil
}

// ServeHTTP answers one request.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	rec := &recorder{ResponseWriter: w}
	req := s.request(rec, r)
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler { //nolint:errorlint // a sentinel that is thrown, not returned
				panic(p)
			}
			s.cfg.Log.Error("panic", "site", s.cfg.Name, "trace.id", req.ID, "url.path", r.URL.Path, "error.stack_trace", string(debug.Stack()))
			if rec.status == 0 {
				s.fail(rec, req, errors.New("panic"))
			}
		}
		s.cfg.Metrics.observe(s.cfg.Name, r, rec, time.Since(start))
	}()
	s.headers(rec, req)
	if s.direct(r) {
		http.Error(rec, "This server is reached through its proxy only.", http.StatusForbidden)
		return
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if !slices.Contains(s.cfg.Hosts, strings.ToLower(strings.Trim(host, "[]"))) {
		http.Error(rec, "This server does not answer for that name.", http.StatusMisdirectedRequest)
		return
	}
	if _, pattern := s.mux.Handler(r); pattern == "" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		if err := s.identify(req); err != nil {
			s.fail(rec, req, err)
			return
		}
		s.fail(rec, req, errs.New(errs.NotFound, "web.not_found", "There is no page at this address."))
		return
	}
	s.handler.ServeHTTP(rec, r.WithContext(context.WithValue(r.Context(), requestKey{}, req)))
}

type requestKey struct{}

func (s *Site) request(w http.ResponseWriter, r *http.Request) *Request {
	if req, ok := r.Context().Value(requestKey{}).(*Request); ok {
		req.Request = r
		return req
	}
	id := uuid.Must(uuid.NewV7()).String()
	w.Header().Set("X-Request-Id", id)
	return &Request{Request: r, Actor: actor.Anonymous(s.origin(r)), Lang: s.language(w, r), Now: s.cfg.Now(), ID: id, site: s}
}

// origin is the reader's address.
func (s *Site) origin(r *http.Request) string {
	peer, ok := peerOf(r)
	if !ok {
		return "unknown"
	}
	if len(s.cfg.Proxies) == 0 {
		return peer.String()
	}
	forwarded := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	if reader, err := netip.ParseAddr(strings.TrimSpace(forwarded[len(forwarded)-1])); err == nil {
		return reader.Unmap().String()
	}
	return peer.String()
}

func peerOf(r *http.Request) (netip.Addr, bool) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return peer.Addr().Unmap(), err == nil
}

// direct reports whether a request passed by the declared proxies.
func (s *Site) direct(r *http.Request) bool {
	if len(s.cfg.Proxies) == 0 {
		return false
	}
	peer, ok := peerOf(r)
	return !ok || !slices.ContainsFunc(s.cfg.Proxies, func(p netip.Prefix) bool { return p.Contains(peer) })
}

// language takes ?lang=, then the cookie that it leaves, then what the browser prefers.
func (s *Site) language(w http.ResponseWriter, r *http.Request) string {
	if l := r.URL.Query().Get("lang"); slices.Contains(s.cfg.Languages, l) {
		http.SetCookie(w, &http.Cookie{Name: "lang", Value: l, Path: "/", MaxAge: 365 * 86400, SameSite: http.SameSiteLaxMode, HttpOnly: true, Secure: s.cfg.HTTPS})
		return l
	}
	if c, err := r.Cookie("lang"); err == nil && slices.Contains(s.cfg.Languages, c.Value) {
		return c.Value
	}
	return PreferredLanguage(r.Header.Get("Accept-Language"), s.cfg.Languages)
}

func (s *Site) headers(w http.ResponseWriter, _ *Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cache-Control", "no-store")
	if s.cfg.HTTPS {
		h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	}
}

func (s *Site) route(route Route) http.Handler {
	limit := route.MaxBody
	if limit == 0 {
		limit = 64 << 10
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req := s.request(w, r)
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		if err := s.identify(req); err != nil {
			s.failRoute(w, req, route, err)
			return
		}
		if route.Permission != Public && !req.Actor.May(route.Permission) {
			s.refuse(w, req, route)
			return
		}
		if err := route.Handler(w, req); err != nil {
			s.failRoute(w, req, route, err)
		}
	})
}

// identify finds out who sends a request.
func (s *Site) identify(r *Request) error {
	if s.cfg.Auth == nil {
		return nil
	}
	who, err := s.cfg.Auth.Authenticate(r.Request)
	if err != nil {
		return err
	}
	who.Origin = r.Actor.Origin
	r.Actor = who
	return nil
}

// refuse sends anonymous readers of pages to sign in, and tells everybody else no.
func (s *Site) refuse(w http.ResponseWriter, r *Request, route Route) {
	if r.Actor.Kind == actor.Public && s.cfg.SignInPath != "" && !WantsJSON(r.Request) {
		target := s.cfg.SignInPath
		if r.Method == http.MethodGet && r.URL.Path != "/" {
			target += "?next=" + url.QueryEscape(r.URL.RequestURI())
		}
		http.Redirect(w, r.Request, target, http.StatusSeeOther)
		return
	}
	r.refused(route.Permission)
	s.failRoute(w, r, route, errs.New(errs.Denied, "web.denied", "You are not allowed to do this.").
		WithFix("Ask the security lead for the permission.").With("Permission", string(route.Permission)))
}

// refused tells the site that the actor lacks a permission. Strangers are not told of: anybody
// could fill the record.
func (r *Request) refused(needed actor.Permission) {
	if r.Actor.Kind != actor.Public && r.site.cfg.Refused != nil {
		r.site.cfg.Refused(r, needed)
	}
}

func (s *Site) fail(w http.ResponseWriter, r *Request, err error) {
	status, err := s.failure(r, err)
	if WantsJSON(r.Request) || s.cfg.ErrorPage == nil {
		WriteProblem(w, status, err)
		return
	}
	s.cfg.ErrorPage(w, r, status, err)
}

// failRoute is fail for a route that may have answers of its own.
func (s *Site) failRoute(w http.ResponseWriter, r *Request, route Route, err error) {
	if route.Fail == nil {
		s.fail(w, r, err)
		return
	}
	status, err := s.failure(r, err)
	route.Fail(w, r, status, err)
}

// failure decides the status of an error, and logs what is our fault.
func (s *Site) failure(r *Request, err error) (int, error) {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		err = errs.New(errs.Invalid, "web.too_large", "What was sent is larger than this address accepts.").Wrap(err)
	}
	status := errs.HTTPStatus(err)
	if status >= 500 && r.Context().Err() == nil {
		s.cfg.Log.Error("request failed", "site", s.cfg.Name, "trace.id", r.ID, "http.request.method", r.Method, "url.path", r.URL.Path, "error.message", err.Error())
	}
	return status, err
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Routes lists the addresses of the site.
func (s *Site) Routes() []Route { return slices.Clone(s.cfg.Routes) }
