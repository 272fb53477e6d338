package sponsorship

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/garant-project/garant/tenant"
)

// How long a session lives, and how many there are at most.
const (
	idle        = 30 * time.Minute
	longest     = 12 * time.Hour
	maxSessions = 10_000
)

// session is a login. Its tokens are here and in the database's memory, nowhere else.
type session struct {
	begun, seen time.Time
	read, write store // a page that shows reads with a token that cannot write; the other says in the audit log that it was shown

	mu      sync.Mutex // one renewal at a time
	who     identity
	refresh string
}

func (a *app) newSession(who identity, refresh string) *session {
	s := &session{who: who, refresh: refresh}
	open := func(access tenant.Access) store {
		return a.store(func(ctx context.Context, database string) (tenant.Token, error) {
			raw, err := s.idToken(ctx, a)
			if err != nil {
				return tenant.Token{}, err
			}
			return a.Exchanger.Exchange(ctx, database, raw, access)
		})
	}
	s.read, s.write = open(tenant.Read), open(tenant.Write)
	return s
}

// idToken is the ID token of the login, renewed when it is about to end.
func (s *session) idToken(ctx context.Context, a *app) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.Now().Add(time.Minute).Before(s.who.expires) {
		return s.who.raw, nil
	}
	who, refresh, err := a.login.renew(ctx, s.refresh)
	if err != nil {
		return "", err
	}
	if who.Subject != s.who.Subject || who.Customer != s.who.Customer {
		return "", ErrRefused // the login is of somebody else now
	}
	s.who, s.refresh = who, refresh
	return who.raw, nil
}

// subject is who signed in, which never changes.
func (s *session) subject() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.who.Subject
}

// sessions keeps them by the hash of what the cookie holds: who reads this memory's dump by half
// cannot sign in with what they read.
type sessions struct {
	now func() time.Time
	mu  sync.Mutex
	by  map[[32]byte]*session
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, by: map[[32]byte]*session{}}
}

// begin keeps a session and returns what its cookie holds.
func (s *sessions) begin(n *session) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	n.begun, n.seen = s.now(), s.now()
	for k, old := range s.by {
		if s.over(old) || len(s.by) >= maxSessions {
			delete(s.by, k)
		}
	}
	secret := rand.Text()
	s.by[sha256.Sum256([]byte(secret))] = n
	return secret
}

func (s *sessions) find(secret string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := sha256.Sum256([]byte(secret))
	n := s.by[key]
	if n == nil {
		return nil
	}
	if s.over(n) {
		delete(s.by, key)
		return nil
	}
	n.seen = s.now()
	return n
}

func (s *sessions) end(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.by, sha256.Sum256([]byte(secret)))
}

func (s *sessions) over(n *session) bool {
	return s.now().Sub(n.seen) > idle || s.now().Sub(n.begun) > longest
}

// cookieName is bound to the host by its prefix where there is TLS (RFC 6265bis, section 4.1.3.2).
func (a *app) cookieName(name string) string {
	if a.secure {
		return "__Host-" + name
	}
	return name
}

func (a *app) setCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	c := &http.Cookie{Name: a.cookieName(name), Value: value, Path: "/", HttpOnly: true, Secure: a.secure, SameSite: http.SameSiteLaxMode, MaxAge: int(life.Seconds())}
	if life <= 0 {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

func (a *app) cookie(r *http.Request, name string) string {
	c, err := r.Cookie(a.cookieName(name))
	if err != nil {
		return ""
	}
	return c.Value
}

// visit is one request of somebody who has signed in.
type visit struct {
	session *session
	secret  string
}

// signedIn lets a page be seen by who has a session. When the login no longer counts, at the
// issuer, at Garant or in the database, the session ends and the person signs in again.
func (a *app) signedIn(page func(http.ResponseWriter, *http.Request, *visit) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := &visit{secret: a.cookie(r, "session")}
		if v.session = a.sessions.find(v.secret); v.session == nil {
			http.Redirect(w, r, "/?signin=needed", http.StatusSeeOther)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), 10*time.Second)
		defer cancel()
		err := page(w, r.WithContext(ctx), v)
		switch {
		case err == nil:
		case errors.Is(err, ErrRefused), errors.Is(err, tenant.ErrRevoked), errors.Is(err, tenant.ErrExpired):
			a.sessions.end(v.secret)
			a.setCookie(w, "session", "", 0)
			http.Redirect(w, r, "/?signin=again", http.StatusSeeOther)
		default:
			a.fail(w, r, err)
		}
	}
}
