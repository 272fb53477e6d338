package issuer

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// How long things live, and how many are kept at once.
const (
	codeLife    = time.Minute
	tokenLife   = 10 * time.Minute
	refreshLife = 12 * time.Hour
	maxKept     = 1000
)

// User is an invented user.
type User struct {
	ID           string // subject
	Name         string
	Email        string
	Organisation string // key of the customer within which the login was made
	Customer     string // what that customer is called
}

// Config is what an issuer needs.
type Config struct {
	URL       string // where programs ask it, without a slash at the end; the iss of its tokens
	Pages     string // where browsers find its page, when that is elsewhere; empty: URL
	Client    string // the one application it serves
	Redirect  string // where that application takes codes
	Users     []User
	Key       *rsa.PrivateKey // nil: made at the start
	TenantKey string          // name of the claim with the customer's key; empty: organisation
	Now       func() time.Time
}

// Issuer signs ID tokens for whichever of its users somebody chooses to be.
type Issuer struct {
	c     Config
	kid   string
	hosts []string

	mu      sync.Mutex
	codes   map[string]grant
	refresh map[string]grant
}

// grant is what a code or a refresh token stands for.
type grant struct {
	user      User
	session   string
	nonce     string
	challenge string
	signedIn  time.Time
	ends      time.Time
}

// New makes an issuer.
func New(c Config) (*Issuer, error) {
	if c.Pages == "" {
		c.Pages = c.URL
	}
	var hosts []string
	for _, address := range []string{c.URL, c.Pages} {
		u, err := url.Parse(address)
		switch {
		case err != nil || u.Host == "" || u.Path != "":
			return nil, errors.New("issuer: the address is to be of the form http://127.0.0.1:8483")
		case !loopback(u.Hostname()):
			return nil, errors.New("issuer: this issuer asks for no password, and answers on 127.0.0.1 or localhost only")
		}
		hosts = append(hosts, u.Host)
	}
	if c.Client == "" || c.Redirect == "" || len(c.Users) == 0 {
		return nil, errors.New("issuer: it needs a client, where to send codes, and at least one user")
	}
	var err error
	if c.Key == nil {
		if c.Key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return nil, err
		}
	}
	if c.TenantKey == "" {
		c.TenantKey = "organisation"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	i := &Issuer{c: c, hosts: hosts, codes: map[string]grant{}, refresh: map[string]grant{}}
	thumb, err := json.Marshal(struct { // RFC 7638, section 3.2: these members, in this order
		E   string `json:"e"`
		Kty string `json:"kty"`
		N   string `json:"n"`
	}{i.exponent(), "RSA", encode(c.Key.N.Bytes())})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(thumb)
	i.kid = encode(sum[:])
	return i, nil
}

// loopback reports whether a host name never leaves the machine (RFC 6761, section 6.3).
func loopback(host string) bool {
	return host == "127.0.0.1" || host == "::1" || host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// Sign gives an ID token of a user without a browser.
func (i *Issuer) Sign(user string) (string, error) {
	n := slices.IndexFunc(i.c.Users, func(u User) bool { return u.ID == user })
	if n < 0 {
		return "", errors.New("issuer: there is no such user")
	}
	now := i.c.Now()
	return i.sign(grant{user: i.c.Users[n], session: rand.Text(), signedIn: now}, now)
}

// Revoke ends what a refresh token could go on with.
func (i *Issuer) Revoke(refresh string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.refresh, refresh)
}

// sign writes an ID token (OpenID Connect Core 1.0, section 2) as a JWS (RFC 7515).
func (i *Issuer) sign(g grant, now time.Time) (string, error) {
	claims := map[string]any{
		"iss": i.c.URL, "sub": g.user.ID, "aud": i.c.Client, "iat": now.Unix(), "exp": now.Add(tokenLife).Unix(), "auth_time": g.signedIn.Unix(),
		"sid": g.session, "name": g.user.Name, "email": g.user.Email, i.c.TenantKey: g.user.Organisation,
	}
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	header, err := json.Marshal(map[string]string{"alg": "RS256", "kid": i.kid, "typ": "JWT"})
	if err != nil {
		return "", err
	}
	signed := encode(header) + "." + encode(payload)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, i.c.Key, crypto.SHA256, sum[:])
	if err != nil {
		return "", err
	}
	return signed + "." + encode(signature), nil
}

// keep remembers what a fresh random text stands for.
func (i *Issuer) keep(in map[string]grant, g grant) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.c.Now()
	for k, old := range in {
		if now.After(old.ends) || len(in) >= maxKept {
			delete(in, k)
		}
	}
	secret := rand.Text()
	in[secret] = g
	return secret
}

// take gives back what a text stands for, once.
func (i *Issuer) take(from map[string]grant, secret string) (grant, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	g, ok := from[secret]
	delete(from, secret)
	return g, ok && i.c.Now().Before(g.ends)
}

func (i *Issuer) exponent() string {
	b := binary.BigEndian.AppendUint32(nil, uint32(i.c.Key.E)) //nolint:gosec // 65537, or what fits an RSA key's exponent
	for len(b) > 1 && b[0] == 0 {
		b = b[1:]
	}
	return encode(b)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
