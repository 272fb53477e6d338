package sponsorship

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// identity is what an ID token says of somebody.
type identity struct {
	Subject, Name, Customer string
	nonce                   string
	expires                 time.Time
	raw                     string
}

// login speaks with the issuer: authorization code flow with PKCE (OpenID Connect Core 1.0,
// section 3.1; RFC 7636).
//
// ID tokens come straight from the issuer's token endpoint, so that their signature need not be
// looked at here (section 3.1.3.7, point 6). Whoever gives a tenant token for one does look at it.
type login struct {
	issuer, client, redirect string
	http                     *http.Client
	now                      func() time.Time

	mu    sync.Mutex
	known *endpoints
}

type endpoints struct {
	Issuer        string `json:"issuer"`
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
}

// discover reads where the issuer's endpoints are, once.
func (l *login) discover(ctx context.Context) (endpoints, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known != nil {
		return *l.known, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.issuer+"/.well-known/openid-configuration", nil)
	if err != nil {
		return endpoints{}, err
	}
	var e endpoints
	if err := l.do(req, &e); err != nil {
		return e, err
	}
	if e.Issuer != l.issuer || !strings.HasPrefix(e.Authorization, "http") || !strings.HasPrefix(e.Token, "http") {
		return e, fmt.Errorf("%w: the issuer describes another", ErrUnavailable)
	}
	l.known = &e
	return e, nil
}

// start gives the address to send somebody to.
func (l *login) start(ctx context.Context, p pending, lang string) (string, error) {
	e, err := l.discover(ctx)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(p.verifier))
	q := url.Values{
		"response_type": {"code"}, "client_id": {l.client}, "redirect_uri": {l.redirect}, "scope": {"openid offline_access"}, "state": {p.state}, "nonce": {p.nonce}, "ui_locales": {lang},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	return e.Authorization + "?" + q.Encode(), nil
}

func (l *login) redeem(ctx context.Context, code string, p pending) (identity, string, error) {
	who, refresh, err := l.ask(ctx, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {l.redirect}, "client_id": {l.client}, "code_verifier": {p.verifier}})
	if err == nil && subtle.ConstantTimeCompare([]byte(who.nonce), []byte(p.nonce)) != 1 {
		return identity{}, "", errSignIn
	}
	return who, refresh, err
}

func (l *login) renew(ctx context.Context, refresh string) (identity, string, error) {
	if refresh == "" {
		return identity{}, "", ErrRefused
	}
	return l.ask(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {l.client}})
}

func (l *login) ask(ctx context.Context, form url.Values) (identity, string, error) {
	e, err := l.discover(ctx)
	if err != nil {
		return identity{}, "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.Token, strings.NewReader(form.Encode()))
	if err != nil {
		return identity{}, "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var answer struct {
		ID      string `json:"id_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := l.do(req, &answer); err != nil {
		return identity{}, "", err
	}
	who, err := l.read(answer.ID)
	return who, answer.Refresh, err
}

// read takes an ID token apart, and looks at issuer, audience and time.
func (l *login) read(raw string) (identity, error) {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return identity{}, errSignIn
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return identity{}, errSignIn
	}
	var c struct {
		Issuer   string   `json:"iss"`
		Subject  string   `json:"sub"`
		Audience audience `json:"aud"`
		Expires  int64    `json:"exp"`
		Nonce    string   `json:"nonce"`
		Name     string   `json:"name"`
		Customer string   `json:"organisation"`
	}
	if json.Unmarshal(payload, &c) != nil {
		return identity{}, errSignIn
	}
	expires := time.Unix(c.Expires, 0)
	if c.Issuer != l.issuer || c.Subject == "" || c.Customer == "" || !slices.Contains(c.Audience, l.client) || !l.now().Before(expires) {
		return identity{}, errSignIn
	}
	return identity{Subject: c.Subject, Name: c.Name, Customer: c.Customer, nonce: c.Nonce, expires: expires, raw: raw}, nil
}

// audience is one text, or several (RFC 7519, section 4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// do asks the issuer. Its refusal is [ErrRefused]; anything else that is no answer, [ErrUnavailable].
func (l *login) do(req *http.Request, into any) error {
	res, err := l.http.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer func() { _ = res.Body.Close() }()
	switch {
	case res.StatusCode == http.StatusBadRequest || res.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%w: the issuer answered %d", ErrRefused, res.StatusCode)
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("%w: the issuer answered %d", ErrUnavailable, res.StatusCode)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 256<<10)).Decode(into); err != nil {
		return fmt.Errorf("%w: the issuer's answer cannot be read", ErrUnavailable)
	}
	return nil
}

// pending is a sign-in that has begun. It lives in a cookie of the browser that began it, so that
// a stranger's visits cost the server no memory.
type pending struct{ state, nonce, verifier string }

func (p pending) String() string { return p.state + "." + p.nonce + "." + p.verifier }

func parsePending(s string) (pending, bool) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 || slices.Contains(parts, "") {
		return pending{}, false
	}
	return pending{parts[0], parts[1], parts[2]}, true
}

func (a *app) signIn(w http.ResponseWriter, r *http.Request) {
	p := pending{rand.Text(), rand.Text(), rand.Text() + rand.Text()} // a verifier has 43 characters or more
	to, err := a.login.start(r.Context(), p, a.lang(r))
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.setCookie(w, "signin", p.String(), 10*time.Minute)
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func (a *app) callback(w http.ResponseWriter, r *http.Request) {
	p, ok := parsePending(a.cookie(r, "signin"))
	q := r.URL.Query()
	a.setCookie(w, "signin", "", 0)
	if !ok || subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(p.state)) != 1 || q.Get("code") == "" || q.Has("iss") && q.Get("iss") != a.login.issuer {
		a.fail(w, r, errSignIn)
		return
	}
	who, refresh, err := a.login.redeem(r.Context(), q.Get("code"), p)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	s := a.newSession(who, refresh)
	_, err = s.read.me(r.Context(), who.Subject) // a login of a customer that knows no such member gets no session
	if errors.Is(err, errNotFound) {
		err = errSignIn
	}
	if err == nil {
		err = s.write.tell(r.Context(), said("session.signed_in", members, who.Subject)) // who cannot be recorded does not get in
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	if old := a.cookie(r, "session"); old != "" {
		a.sessions.end(old)
	}
	a.setCookie(w, "session", a.sessions.begin(s), longest)
	http.Redirect(w, r, "/applications", http.StatusSeeOther)
}

func (a *app) signOut(w http.ResponseWriter, r *http.Request) {
	s := a.sessions.find(a.cookie(r, "session"))
	a.sessions.end(a.cookie(r, "session"))
	if s != nil {
		if err := s.write.tell(r.Context(), said("session.signed_out", members, s.subject())); err != nil { // they are out all the same
			a.Log.Warn("a sign-out could not be recorded", "error.message", logged(err))
		}
	}
	a.setCookie(w, "session", "", 0)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
