package signin

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"html/template"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed messages/fr.yaml
var french []byte

//go:embed messages/en.yaml
var english []byte

//go:embed static
var staticFiles embed.FS

// Messages are the words of this package and of package directory's errors, by language, for
// ui.NewMessages.
func Messages() map[string][]byte { return map[string][]byte{"fr": french, "en": english} }

// Path is where people sign in; it is the SignInPath of the site.
const Path = "/sign-in"

// Config is what signing in works with.
type Config struct {
	Directory *directory.Directory
	Messages  *ui.Messages                             // made with Messages()
	Zone      func(ctx context.Context) *time.Location // of times of day, as the console's; may be nil: UTC
	HTTPS     bool                                     // as the site's: the cookie is Secure
	Home      string                                   // where people arrive; empty: "/"
	Now       func() time.Time
	// Frame gives the console's frame of the account page: navigation, name of the site, who is
	// signed in. May be nil.
	Frame func(r *web.Request) ui.Page
}

// SignIn is the pages, and the web.Authenticator of the site that they stand on.
type SignIn struct {
	cfg    Config
	pages  map[string]*template.Template
	assets map[string]file // by served name: "signin.1f2e3d4c5b6a.js"
	named  map[string]string
}

type file struct {
	content     []byte
	contentType string
}

// New checks the configuration.
func New(cfg Config) (*SignIn, error) {
	if cfg.Directory == nil || cfg.Messages == nil || cfg.Now == nil {
		return nil, errs.New(errs.Internal, "signin.config", "Signing in was wired without its directory, messages or clock.")
	}
	if cfg.Home == "" {
		cfg.Home = "/"
	}
	s := &SignIn{cfg: cfg, pages: map[string]*template.Template{}, assets: map[string]file{}, named: map[string]string{}}
	for _, name := range []string{"signin", "link", "linkfailed", "recovery", "enrol", "codes", "token", "signedout", "account"} {
		layout := "card"
		if name == "account" {
			layout = "console"
		}
		t, err := ui.Parse(layout, templateFiles, "templates/_parts.html", "templates/"+name+".html")
		if err != nil {
			return nil, err
		}
		s.pages[name] = t
	}
	for name, contentType := range map[string]string{"signin.js": "text/javascript; charset=utf-8", "signin.css": "text/css; charset=utf-8"} {
		b, err := staticFiles.ReadFile("static/" + name)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(b)
		served := strings.TrimSuffix(name, path.Ext(name)) + "." + hex.EncodeToString(sum[:6]) + path.Ext(name)
		s.assets[served], s.named[name] = file{b, contentType}, Path+"/static/"+served
	}
	return s, nil
}

// Routes are the addresses to add to the site.
func (s *SignIn) Routes() []web.Route {
	own := actor.OwnAccount
	return []web.Route{
		{Pattern: "GET /sign-in", Permission: web.Public, Handler: s.signInPage},
		{Pattern: "GET /sign-in/static/{name}", Permission: web.Public, Handler: s.static},
		{Pattern: "POST /sign-in/passkey/begin", Permission: web.Public, Handler: s.json(s.beginLogin)},
		{Pattern: "POST /sign-in/passkey/finish", Permission: web.Public, Handler: s.json(s.finishLogin)},
		{Pattern: "GET /sign-in/recovery", Permission: web.Public, Handler: s.recoveryPage},
		{Pattern: "POST /sign-in/recovery", Permission: web.Public, Handler: s.recover},
		{Pattern: "GET /link/{token}", Permission: web.Public, Handler: s.linkPage},
		{Pattern: "POST /link/{token}", Permission: web.Public, Handler: s.redeem},
		{Pattern: "POST /sign-out", Permission: web.Public, Handler: s.signOut},
		{Pattern: "GET /enrol", Permission: directory.EnrolPasskey, Handler: s.enrolPage},
		{Pattern: "POST /enrol/begin", Permission: directory.EnrolPasskey, Handler: s.json(s.beginEnrol)},
		{Pattern: "POST /enrol/finish", Permission: directory.EnrolPasskey, Handler: s.json(s.finishEnrol)},
		{Pattern: "GET /account", Permission: own, Handler: s.accountPage},
		{Pattern: "POST /account/codes", Permission: own, Handler: s.renewCodes},
		{Pattern: "POST /account/passkeys/delete", Permission: own, Handler: s.deletePasskey},
		{Pattern: "POST /account/sessions/end", Permission: own, Handler: s.endSession},
		{Pattern: "POST /account/sessions/end-others", Permission: own, Handler: s.endOthers},
		{Pattern: "POST /account/tokens", Permission: own, Handler: s.createToken},
		{Pattern: "POST /account/tokens/revoke", Permission: own, Handler: s.revokeToken},
		{Pattern: "POST /account/notices/dismiss", Permission: own, Handler: s.dismissNotices},
	}
}

// cookieName is the cookie's name; see the package comment.
func (s *SignIn) cookieName() string {
	if s.cfg.HTTPS {
		return "__Host-garant"
	}
	return "garant"
}

func (s *SignIn) cookie(r *http.Request) string {
	c, err := r.Cookie(s.cookieName())
	if err != nil || len(c.Value) > 100 {
		return ""
	}
	return c.Value
}

// setCookie gives the browser a token, or takes the one it has when token is empty.
func (s *SignIn) setCookie(w http.ResponseWriter, token string) {
	c := &http.Cookie{Name: s.cookieName(), Value: token, Path: "/", HttpOnly: true, Secure: s.cfg.HTTPS, SameSite: http.SameSiteLaxMode}
	if token == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// Authenticate tells who sends a request: by API token when there is one, else by the cookie.
// Somebody who has yet to register a passkey is a stranger to every page but that one, so that
// the site sends them to the sign-in page, which knows better where they belong.
func (s *SignIn) Authenticate(r *http.Request) (actor.Actor, error) {
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		id, err := s.cfg.Directory.AuthenticateToken(r.Context(), bearer, "", s.cfg.Now())
		return id.Actor, err
	}
	id, err := s.identity(r)
	if errs.Is(err, errs.Denied) {
		return actor.Anonymous(""), nil
	}
	if err != nil {
		return actor.Actor{}, err
	}
	if !id.Session.Enrolled {
		return actor.Actor{Kind: actor.Public, ID: "enrolling", Permissions: id.Actor.Permissions}, nil
	}
	return id.Actor, nil
}

// identity is who the cookie belongs to; errs.Denied when nobody.
func (s *SignIn) identity(r *http.Request) (directory.Identity, error) {
	token := s.cookie(r)
	if token == "" {
		return directory.Identity{}, errs.New(errs.Denied, "directory.signed_out", "You are signed out.").WithFix("Sign in.")
	}
	return s.cfg.Directory.Authenticate(r.Context(), token, "", s.cfg.Now())
}

// person is who acts on their own account: as in the request, and enrolling people too.
func (s *SignIn) person(r *web.Request) (directory.Identity, error) {
	id, err := s.identity(r.Request)
	id.Actor.Origin = r.Actor.Origin
	return id, err
}

// statusOf is errs.HTTPStatus with the one status that package errs has no kind for.
func statusOf(w http.ResponseWriter, err error) int {
	var e *errs.Error
	if errors.As(err, &e) && e.ID == "directory.throttled" {
		w.Header().Set("Retry-After", "60")
		return http.StatusTooManyRequests
	}
	return errs.HTTPStatus(err)
}

func (s *SignIn) static(w http.ResponseWriter, r *web.Request) error {
	f, ok := s.assets[r.PathValue("name")]
	if !ok {
		return errs.New(errs.NotFound, "web.not_found", "There is no page at this address.")
	}
	w.Header().Set("Content-Type", f.contentType)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(f.content) // a reader who went away is nobody to tell
	return nil
}
