package signin

import (
	"bytes"
	"errors"
	"net/http"
	"time"

	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

// common is what the body of every page here has.
type common struct {
	Script string
	Style  string
	Next   string // where to go afterwards; a path of this site, or empty
}

func (s *SignIn) common(r *web.Request) common {
	return common{Script: s.named["signin.js"], Style: s.named["signin.css"], Next: web.LocalPath(r.URL.Query().Get("next"), "")}
}

func (s *SignIn) printer(r *web.Request) *ui.Printer {
	var zone *time.Location
	if s.cfg.Zone != nil {
		zone = s.cfg.Zone(r.Context())
	}
	return s.cfg.Messages.For(r.Lang, zone)
}

// card makes a page in the plain frame.
func (s *SignIn) card(r *web.Request, title string, body any) *ui.Page {
	p := s.printer(r)
	return &ui.Page{Printer: p, Title: p.T(title), Site: "Garant", Path: r.URL.RequestURI(), Home: s.cfg.Home, Now: r.Now, Body: body}
}

// framed makes a page in the frame of the console.
func (s *SignIn) framed(r *web.Request, title string, body any) *ui.Page {
	frame := ui.Page{Site: "Garant", Home: s.cfg.Home}
	if s.cfg.Frame != nil {
		frame = s.cfg.Frame(r)
	}
	p := s.printer(r)
	frame.Printer, frame.Title, frame.Path, frame.Now, frame.Body = p, p.T(title), "/account", r.Now, body
	return &frame
}

// render writes a page; when it cannot be made, nothing is written but the error returned.
func (s *SignIn) render(w http.ResponseWriter, status int, name string, p *ui.Page) error {
	var b bytes.Buffer
	if err := ui.Render(&b, s.pages[name], p); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // a reader who went away is nobody to tell
	return nil
}

// failed makes the notice of an error, above the form that it is about.
func (s *SignIn) failed(r *web.Request, err error) *ui.Notice {
	text, fix := s.printer(r).Error(err)
	return &ui.Notice{Tone: ui.Danger, Title: text, Text: fix, Live: true}
}

// expected reports whether an error is an answer to what the reader sent, to be shown with the
// form, and not a fault of ours.
func expected(err error) bool {
	switch errs.KindOf(err) {
	case errs.Denied, errs.Invalid, errs.Conflict:
		return true
	}
	var e *errs.Error
	return errors.As(err, &e) && e.ID == "directory.throttled"
}

func (s *SignIn) signInPage(w http.ResponseWriter, r *web.Request) error {
	id, err := s.identity(r.Request)
	if err != nil && !errs.Is(err, errs.Denied) {
		return err
	}
	switch next := web.LocalPath(r.URL.Query().Get("next"), s.cfg.Home); {
	case err == nil && id.Session.Enrolled:
		return web.SeeOther(w, r, next)
	case err == nil:
		return web.SeeOther(w, r, "/enrol")
	}
	p := s.card(r, "signin.title", s.common(r))
	if s.cookie(r.Request) != "" {
		s.setCookie(w, "")
		p.Notice = &ui.Notice{Tone: ui.Info, Title: p.Printer.T("signin.ended"), Text: p.Printer.T("signin.ended_text")}
	}
	return s.render(w, http.StatusOK, "signin", p)
}

// linkPage asks for a press on a button. It looks nothing up: programs that follow links find out
// nothing and use nothing up.
func (s *SignIn) linkPage(w http.ResponseWriter, r *web.Request) error {
	return s.render(w, http.StatusOK, "link", s.card(r, "signin.link.title", struct {
		common
		Action string
	}{s.common(r), r.URL.Path}))
}

func (s *SignIn) redeem(w http.ResponseWriter, r *web.Request) error {
	opened, err := s.cfg.Directory.RedeemLink(r.Context(), visit(r), r.PathValue("token"), r.Now)
	if err != nil && expected(err) {
		p := s.card(r, "signin.link.failed", s.common(r))
		p.Notice, p.Path = s.failed(r, err), Path
		return s.render(w, statusOf(w, err), "linkfailed", p)
	}
	if err != nil {
		return err
	}
	s.setCookie(w, opened.Token)
	return web.SeeOther(w, r, "/enrol")
}

type recoveryForm struct {
	common
	Email, Code ui.Field
}

func (s *SignIn) recoveryForm(r *web.Request, email string) *ui.Page {
	p := s.printer(r)
	return s.card(r, "signin.recovery.title", recoveryForm{
		common: s.common(r),
		Email:  ui.Field{Name: "email", Type: "email", Label: p.T("signin.email"), Value: email, Required: true, Autocomplete: "username", MaxLength: 254, Focus: true},
		Code: ui.Field{Name: "code", Label: p.T("signin.recovery.code"), Help: p.T("signin.recovery.code_help"),
			Required: true, Autocomplete: "one-time-code", MaxLength: 40},
	})
}

func (s *SignIn) recoveryPage(w http.ResponseWriter, r *web.Request) error {
	return s.render(w, http.StatusOK, "recovery", s.recoveryForm(r, ""))
}

func (s *SignIn) recover(w http.ResponseWriter, r *web.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	email := r.PostForm.Get("email")
	opened, err := s.cfg.Directory.UseRecoveryCode(r.Context(), visit(r), email, r.PostForm.Get("code"), r.Now)
	if err != nil && expected(err) {
		f := s.recoveryForm(r, email)
		f.Notice = s.failed(r, err)
		status := statusOf(w, err)
		if status == http.StatusForbidden {
			status = http.StatusUnprocessableEntity
		}
		return s.render(w, status, "recovery", f)
	}
	if err != nil {
		return err
	}
	s.setCookie(w, opened.Token)
	return web.SeeOther(w, r, "/enrol")
}

type enrolPage struct {
	common
	Who      string // whose account it is
	Name     ui.Field
	Recovery bool // the session was opened by a recovery code
	First    bool // codes are made afterwards
	Fresh    bool
}

// enrolPage registers a passkey: the first one, or a further one from the account page.
func (s *SignIn) enrolPage(w http.ResponseWriter, r *web.Request) error {
	id, err := s.person(r)
	if err != nil {
		return err
	}
	p := s.printer(r)
	e := enrolPage{common: s.common(r), Who: id.Actor.Name, Recovery: id.Session.Method == "recovery" && !id.Session.Enrolled,
		First: !id.Session.Enrolled, Fresh: !id.Session.Enrolled || s.fresh(id, r.Now)}
	e.Name = ui.Field{Name: "name", Label: p.T("signin.enrol.name"), MaxLength: 80, Help: p.T("signin.enrol.name_help"),
		Value: agentName(r.UserAgent()), Required: true, Autocomplete: "off"}
	return s.render(w, http.StatusOK, "enrol", s.card(r, "signin.enrol.title", e))
}

func (s *SignIn) fresh(id directory.Identity, now time.Time) bool {
	return now.Sub(id.Session.VerifiedAt) < s.cfg.Directory.Policy().Fresh
}

func (s *SignIn) signOut(w http.ResponseWriter, r *web.Request) error {
	if token := s.cookie(r.Request); token != "" {
		if err := s.cfg.Directory.SignOut(r.Context(), token, r.Actor.Origin, r.Now); err != nil {
			return err
		}
	}
	s.setCookie(w, "")
	w.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	p := s.card(r, "signin.out.title", s.common(r))
	p.Path = Path
	return s.render(w, http.StatusOK, "signedout", p)
}

func parseForm(r *web.Request) error {
	if err := r.ParseForm(); err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return err
		}
		return errs.New(errs.Invalid, "signin.body", "What was sent could not be read.").Wrap(err)
	}
	return nil
}
