package signin

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

type accountPage struct {
	common
	Who         string
	Role        string
	Fresh       bool // the passkey was used not long ago: what needs it goes straight through
	Notices     []*ui.Notice
	NoticesUpTo string
	Passkeys    []passkeyRow
	CodesLeft   int
	CodesNotice *ui.Notice
	Sessions    []sessionRow
	Others      bool
	Tokens      []tokenRow
	TokenForm   tokenForm
}

type passkeyRow struct {
	ID, Name, Created, Used string
	Suspect                 bool
}

type sessionRow struct {
	ID, Agent, Origin, Opened, Seen string
	Current                         bool
}

type tokenRow struct{ ID, Name, Scopes, Minting, Created, Expires, Used string }

type tokenForm struct {
	Name, Expires ui.Field
	Scopes        []scope
	Minting       *mintingForm // nil: one's role cannot give it
}

type mintingForm struct {
	Databases, Jobs ui.Field
	Logins          bool
}

type scope struct {
	Value, Label string
	Checked      bool
}

func (s *SignIn) accountPage(w http.ResponseWriter, r *web.Request) error {
	a, err := s.account(r)
	if err != nil {
		return err
	}
	p := s.framed(r, "signin.account.title", a)
	if done := r.URL.Query().Get("done"); p.Printer.Has("signin.done." + done) {
		p.Notice = &ui.Notice{Tone: ui.Success, Title: p.Printer.T("signin.done." + done), Live: true}
	}
	return s.render(w, http.StatusOK, "account", p)
}

func (s *SignIn) account(r *web.Request) (*accountPage, error) {
	id, err := s.person(r)
	if err != nil {
		return nil, err
	}
	d, ctx := s.cfg.Directory, r.Context()
	p := s.printer(r)
	a := &accountPage{common: s.common(r), Who: r.Actor.Name, Role: p.Role(r.Actor.Role), Fresh: s.fresh(id, r.Now)}
	notices, err := d.Notices(ctx, r.Actor)
	if err != nil {
		return nil, err
	}
	for i, n := range notices {
		if i == 0 {
			a.NoticesUpTo = n.At.UTC().Format(time.RFC3339Nano)
		}
		tone := ui.Info
		if n.Kind == "passkey_suspect" || n.Kind == "recovery_used" || n.Kind == "link_used" {
			tone = ui.Warning
		}
		a.Notices = append(a.Notices, &ui.Notice{Tone: tone, Title: p.T("signin.notice."+n.Kind, "At", p.Instant(n.At))})
	}
	passkeys, err := d.Passkeys(ctx, r.Actor)
	if err != nil {
		return nil, err
	}
	for _, k := range passkeys {
		a.Passkeys = append(a.Passkeys, passkeyRow{ID: k.ID.String(), Name: k.Name, Created: p.Day(k.CreatedAt), Used: ago(p, k.LastUsedAt, r.Now), Suspect: !k.SuspectAt.IsZero()})
	}
	if a.CodesLeft, err = d.RecoveryCodesLeft(ctx, r.Actor); err != nil {
		return nil, err
	}
	if a.CodesLeft < 3 {
		a.CodesNotice = &ui.Notice{Tone: ui.Warning, Title: p.T("signin.codes.few", "Count", a.CodesLeft), Text: p.T("signin.codes.few_text")}
	}
	sessions, err := d.Sessions(ctx, r.Actor, r.Now)
	if err != nil {
		return nil, err
	}
	for _, v := range sessions {
		current := v.ID.String() == r.Actor.Session
		a.Others = a.Others || !current
		a.Sessions = append(a.Sessions, sessionRow{ID: v.ID.String(), Agent: v.Agent, Origin: v.Origin, Opened: p.Instant(v.OpenedAt), Seen: p.Ago(v.LastSeenAt, r.Now), Current: current})
	}
	tokens, err := d.Tokens(ctx, r.Actor, r.Now)
	if err != nil {
		return nil, err
	}
	for _, t := range tokens {
		var scopes []string
		for _, sc := range t.Scopes {
			scopes = append(scopes, s.scopeName(r, sc))
		}
		a.Tokens = append(a.Tokens, tokenRow{ID: t.ID.String(), Name: t.Name, Scopes: strings.Join(scopes, ", "), Minting: minting(p, t), Created: p.Day(t.CreatedAt), Expires: p.Day(t.ExpiresAt), Used: ago(p, t.LastUsedAt, r.Now)})
	}
	a.TokenForm = s.tokenForm(r, url.Values{"days": {"90"}, "logins": {"yes"}})
	return a, nil
}

// minting says what a token may have tokens of customers minted for; nothing when it may not.
func minting(p *ui.Printer, t directory.Token) string {
	switch {
	case !slices.Contains(t.Scopes, actor.MintTokens):
		return ""
	case t.Minting == nil:
		return p.T("signin.token.unbound")
	}
	in := p.T("signin.token.in", "Names", strings.Join(t.Minting.Databases, ", "))
	if t.Minting.Logins {
		in += " · " + p.T("signin.token.by_logins")
	}
	if len(t.Minting.Jobs) > 0 {
		in += " · " + p.T("signin.token.by_jobs", "Count", len(t.Minting.Jobs), "Names", strings.Join(t.Minting.Jobs, ", "))
	}
	return in
}

// ago writes how long ago something was, nothing for what never was.
func ago(p *ui.Printer, t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return p.Ago(t, now)
}

func (s *SignIn) scopeName(r *web.Request, p actor.Permission) string {
	printer := s.printer(r)
	if id := "signin.scope." + strings.ReplaceAll(string(p), ":", "_"); printer.Has(id) {
		return printer.T(id)
	}
	return string(p)
}

func (s *SignIn) tokenForm(r *web.Request, sent url.Values) tokenForm {
	p := s.printer(r)
	f := tokenForm{
		Name:    ui.Field{Name: "name", Label: p.T("signin.token.name"), Help: p.T("signin.token.name_help"), Value: sent.Get("name"), Required: true, Autocomplete: "off"},
		Expires: ui.Field{Name: "days", Type: "select", Label: p.T("signin.token.days"), Required: true},
	}
	for _, days := range []int{7, 30, 90, 365} {
		v := strconv.Itoa(days)
		f.Expires.Options = append(f.Expires.Options, ui.Option{Value: v, Label: p.T("signin.token.for", "Count", days), Selected: sent.Get("days") == v})
	}
	for _, g := range directory.Grantable(r.Actor.Role) {
		checked := false
		for _, v := range sent["scope"] {
			checked = checked || v == string(g)
		}
		f.Scopes = append(f.Scopes, scope{Value: string(g), Label: s.scopeName(r, g), Checked: checked})
	}
	if slices.Contains(directory.Grantable(r.Actor.Role), actor.MintTokens) {
		f.Minting = &mintingForm{
			Databases: ui.Field{Name: "databases", Label: p.T("signin.token.databases"), Help: p.T("signin.token.databases_help"), Value: sent.Get("databases"), Autocomplete: "off"},
			Jobs:      ui.Field{Name: "jobs", Label: p.T("signin.token.jobs"), Help: p.T("signin.token.jobs_help"), Value: sent.Get("jobs"), Autocomplete: "off"},
			Logins:    sent.Get("logins") != "",
		}
	}
	return f
}

// names reads a list that somebody typed.
func names(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ';' || unicode.IsSpace(r) })
}

type secretPage struct {
	common
	Code  ui.Code
	Who   string
	Home  string // where to go on
	First bool   // the second step of the first sign-in
}

// renewCodes shows ten new recovery codes; the page is the only place they ever stand.
func (s *SignIn) renewCodes(w http.ResponseWriter, r *web.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	codes, err := s.cfg.Directory.RenewRecoveryCodes(r.Context(), r.Actor, r.Now)
	if err != nil {
		return err
	}
	p := s.printer(r)
	first, home := r.PostForm.Get("first") != "", "/account"
	if first {
		home = s.cfg.Home
	}
	page := s.card(r, "signin.codes.title", secretPage{common: s.common(r), Who: r.Actor.Name, Home: home, First: first,
		Code: ui.Code{Label: p.T("signin.codes.label", "Day", p.Day(r.Now)), Text: strings.Join(codes, "\n")}})
	page.Path = "/account"
	return s.render(w, http.StatusOK, "codes", page)
}

func (s *SignIn) createToken(w http.ResponseWriter, r *web.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	days, err := strconv.Atoi(r.PostForm.Get("days"))
	if err != nil || days < 1 || days > 365 {
		days = 0 // refused below, with the words of the directory
	}
	var scopes []actor.Permission
	for _, v := range r.PostForm["scope"] {
		scopes = append(scopes, actor.Permission(v))
	}
	bound := &actor.Minting{Databases: names(r.PostForm.Get("databases")), Logins: r.PostForm.Get("logins") != "", Jobs: names(r.PostForm.Get("jobs"))}
	text, err := s.cfg.Directory.CreateToken(r.Context(), r.Actor, r.PostForm.Get("name"), scopes, bound, r.Now.AddDate(0, 0, days), r.Now)
	if err != nil && errs.Is(err, errs.Invalid) {
		a, pageErr := s.account(r)
		if pageErr != nil {
			return pageErr
		}
		a.TokenForm = s.tokenForm(r, r.PostForm)
		p := s.framed(r, "signin.account.title", a)
		p.Notice = s.failed(r, err)
		return s.render(w, http.StatusUnprocessableEntity, "account", p)
	}
	if err != nil {
		return err
	}
	p := s.printer(r)
	page := s.card(r, "signin.token.title", secretPage{common: s.common(r), Who: r.Actor.Name, Home: "/account",
		Code: ui.Code{Label: p.T("signin.token.label"), Text: text}})
	page.Path = "/account"
	return s.render(w, http.StatusOK, "token", page)
}

// onID does something to the thing whose id a form sends, and returns to the account page.
func (s *SignIn) onID(w http.ResponseWriter, r *web.Request, done string, fn func(uuid.UUID) error) error {
	if err := parseForm(r); err != nil {
		return err
	}
	id, err := uuid.Parse(r.PostForm.Get("id"))
	if err != nil {
		return errs.New(errs.Invalid, "signin.body", "What was sent could not be read.")
	}
	if err := fn(id); err != nil {
		return err
	}
	return web.SeeOther(w, r, "/account?done="+done)
}

func (s *SignIn) deletePasskey(w http.ResponseWriter, r *web.Request) error {
	return s.onID(w, r, "passkey_deleted", func(id uuid.UUID) error { return s.cfg.Directory.DeletePasskey(r.Context(), r.Actor, id, r.Now) })
}

func (s *SignIn) revokeToken(w http.ResponseWriter, r *web.Request) error {
	return s.onID(w, r, "token_revoked", func(id uuid.UUID) error { return s.cfg.Directory.RevokeToken(r.Context(), r.Actor, id, r.Now) })
}

func (s *SignIn) endSession(w http.ResponseWriter, r *web.Request) error {
	return s.onID(w, r, "session_ended", func(id uuid.UUID) error { return s.cfg.Directory.EndSession(r.Context(), r.Actor, id, r.Now) })
}

func (s *SignIn) endOthers(w http.ResponseWriter, r *web.Request) error {
	if _, err := s.cfg.Directory.EndOtherSessions(r.Context(), r.Actor, r.Now); err != nil {
		return err
	}
	return web.SeeOther(w, r, "/account?done=others_ended")
}

func (s *SignIn) dismissNotices(w http.ResponseWriter, r *web.Request) error {
	if err := parseForm(r); err != nil {
		return err
	}
	upTo, err := time.Parse(time.RFC3339Nano, r.PostForm.Get("up_to"))
	if err != nil {
		return errs.New(errs.Invalid, "signin.body", "What was sent could not be read.")
	}
	if err := s.cfg.Directory.DismissNotices(r.Context(), r.Actor, upTo, r.Now); err != nil {
		return err
	}
	return web.SeeOther(w, r, "/account")
}
