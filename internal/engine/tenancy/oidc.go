package tenancy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/outgoing"
	"github.com/garant-project/garant/tenant"
)

// The bounds of what is asked of an issuer and taken from an ID token.
const (
	maxIDToken   = 16 << 10
	maxDocument  = 256 << 10        // of discovery and of keys
	issuerFresh  = 10 * time.Minute // how long what an issuer said is used without asking again
	issuerOldest = 24 * time.Hour   // how long it is used while the issuer is away
	issuerPause  = 10 * time.Second // the least time between two questions for one address
	askTimeout   = 5 * time.Second
	clockSkew    = 30 * time.Second
	maxClaim     = 512 // bytes of a subject or a session
)

// algorithms are those that only the issuer can sign with.
func algorithms() []string {
	return []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA}
}

// login is what a verified ID token says.
type login struct {
	tenant  json.RawMessage
	session uuid.UUID
	subject string
}

// issuers remembers what issuers said of themselves. Safe for use by many goroutines.
type issuers struct {
	now func() time.Time
	mu  sync.Mutex
	by  map[[32]byte]*issuer
}

func newIssuers(now func() time.Time) *issuers {
	return &issuers{now: now, by: map[[32]byte]*issuer{}}
}

// maxIssuers bounds what is remembered: estates change, and a database has one issuer.
const maxIssuers = 256

func (i *issuers) of(l *estate.OIDCLogin) *issuer {
	key := sha256.Sum256([]byte(l.Issuer + "\x00" + string(l.TrustPEM)))
	i.mu.Lock()
	defer i.mu.Unlock()
	one, ok := i.by[key]
	if !ok {
		if len(i.by) >= maxIssuers {
			clear(i.by)
		}
		one = &issuer{name: l.Issuer, now: i.now, asked: map[string]*document{}}
		if l.TrustPEM != nil {
			one.trust = x509.NewCertPool()
			one.trust.AppendCertsFromPEM(l.TrustPEM)
		}
		i.by[key] = one
	}
	return one
}

// verify holds an ID token to OpenID Connect Core 1.0, section 3.1.3.7: issuer, audience,
// signature by a key of the issuer, expiry, time of issue. No nonce: the application has checked the one it
// sent. Errors hold nothing of the token.
func (i *issuers) verify(ctx context.Context, l *estate.OIDCLogin, raw string) (login, error) {
	bad := func(id, text string) (login, error) {
		return login{}, errs.New(errs.Denied, id, text).WithFix("Send the ID token as the issuer gave it, for the client and the issuer that garant.yaml declares.")
	}
	if len(raw) > maxIDToken || strings.Count(raw, ".") != 2 {
		return bad("tenancy.id_token", "This is not an ID token.")
	}
	if typ := typeOf(raw); typ != "" && typ != "jwt" {
		return bad("tenancy.id_token", "This is not an ID token.") // an access token (RFC 9068) is no proof of a login for us
	}
	now := i.now()
	at := i.of(l)
	provider, err := at.ready(ctx)
	if err != nil {
		return login{}, at.away(err)
	}
	token, err := provider.Verifier(&oidc.Config{
		ClientID: l.Audience, SupportedSigningAlgs: algorithms(), Now: func() time.Time { return now.Add(-clockSkew) },
	}).Verify(ctx, raw)
	var expired *oidc.TokenExpiredError
	switch {
	case errors.As(err, &expired):
		return bad("tenancy.id_token_expired", "The ID token has expired.")
	case err != nil && at.failed():
		return login{}, at.away(err)
	case err != nil:
		return bad("tenancy.id_token", "This ID token does not verify: its signature, its issuer or its audience is not the declared one.")
	}
	claims, ok := claimsOf(token, l)
	if !ok {
		return bad("tenancy.id_token", "This is not an ID token.")
	}
	if token.IssuedAt.Unix() <= 0 || token.IssuedAt.After(now.Add(clockSkew)) {
		return bad("tenancy.id_token_future", "The ID token is dated later than now, or not at all.")
	}
	// Who is named as the party asked for it: for another, our audience in it is no login at ours.
	var party string
	if azp, named := claims["azp"]; (named || len(token.Audience) > 1) && (json.Unmarshal(azp, &party) != nil || party != l.Audience) {
		return bad("tenancy.id_token", "This ID token was issued to another client as well, and does not say that it is for ours.")
	}
	if token.Subject == "" || len(token.Subject) > maxClaim {
		return bad("tenancy.id_token", "The ID token names nobody.")
	}
	out := login{tenant: claims[l.TenantClaim], subject: token.Subject}
	var session string
	if json.Unmarshal(claims[l.SessionClaim], &session) == nil && session != "" && len(session) <= maxClaim {
		out.session = sessionOf("sid", token.Issuer, session)
		return out, nil
	}
	// auth_time stays when tokens are renewed; iat does for one token only.
	var when json.Number
	if json.Unmarshal(claims["auth_time"], &when) != nil || when == "" {
		when = json.Number(claims["iat"])
	}
	out.session = sessionOf("sub", token.Issuer, token.Subject, when.String())
	return out, nil
}

// claimsOf reads the claims of a verified token. It reports false for a token that says itself that it is
// something else than an ID token, and for one that says something twice: who reads JSON takes the first or the
// last, and some take "Aud" for "aud", as package oidc does.
func claimsOf(token *oidc.IDToken, l *estate.OIDCLogin) (map[string]json.RawMessage, bool) {
	var payload json.RawMessage
	if token.Claims(&payload) != nil {
		return nil, false
	}
	read := []string{"iss", "sub", "aud", "azp", "exp", "nbf", "iat", "auth_time", "typ", "token_use", "events", "_claim_names", "_claim_sources", l.TenantClaim, l.SessionClaim}
	claims := map[string]json.RawMessage{}
	d := json.NewDecoder(bytes.NewReader(payload))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, false
	}
	for d.More() {
		key, err := d.Token()
		name, ok := key.(string)
		var value json.RawMessage
		if err != nil || !ok || d.Decode(&value) != nil {
			return nil, false
		}
		for _, r := range read {
			if _, twice := claims[name]; strings.EqualFold(name, r) && (twice || name != r && !slices.Contains(read, name)) {
				return nil, false
			}
		}
		claims[name] = value
	}
	// Keycloak and Cognito tell access and refresh tokens by a claim; events are those of a logout token (OpenID Connect Back-Channel Logout).
	for name, own := range map[string]string{"typ": "ID", "token_use": "id"} {
		var kind string
		if value, named := claims[name]; named && (json.Unmarshal(value, &kind) != nil || kind != own) {
			return nil, false
		}
	}
	_, events := claims["events"]
	return claims, !events
}

// typeOf is the typ of a token's header, in small letters and without "application/"; empty: none.
func typeOf(raw string) string {
	head, _, _ := strings.Cut(raw, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	var header struct {
		Typ string `json:"typ"`
	}
	if err != nil || json.Unmarshal(text, &header) != nil {
		return ""
	}
	return strings.TrimPrefix(strings.ToLower(header.Typ), "application/")
}

// tenantOf reads a tenant claim as a key of the declared type: a number or its text for bigint, a
// text for the others.
func tenantOf(claim json.RawMessage, typ string) (tenant.ID, error) {
	var text string
	if err := json.Unmarshal(claim, &text); err != nil || len(claim) == 0 || claim[0] != '"' {
		if typ != "bigint" || len(claim) == 0 || claim[0] != '-' && (claim[0] < '0' || claim[0] > '9') {
			return tenant.ID{}, errors.New("not of the type")
		}
		text = string(claim)
	}
	id, err := tenant.ParseID(typ, text)
	// Two claims that differ must not become one tenant: 7 and 007, or texts that are no Unicode, of which U+FFFD is left.
	if err != nil || typ == "bigint" && id.String() != text || typ == "text" && strings.ContainsRune(text, utf8.RuneError) {
		return tenant.ID{}, errors.New("not of the type")
	}
	return id, nil
}

// issuer is one issuer: its description, its keys, and how long ago it gave them.
type issuer struct {
	name  string
	trust *x509.CertPool
	now   func() time.Time

	mu       sync.Mutex
	provider *oidc.Provider
	made     time.Time
	asked    map[string]*document // by address
	broken   bool                 // the last question had no answer that can be used
}

// document is what an address answered.
type document struct {
	body  []byte
	at    time.Time // when it did
	tried time.Time // when it was last asked
}

// ready returns the provider, made anew when what it knows is no longer fresh.
func (i *issuer) ready(ctx context.Context) (*oidc.Provider, error) {
	i.mu.Lock()
	provider, made := i.provider, i.made
	i.mu.Unlock()
	if age := i.now().Sub(made); provider != nil && age >= 0 && age < issuerFresh {
		return provider, nil
	}
	client := &http.Client{Transport: i, Timeout: askTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	// The provider keeps the context's client for later questions, and nothing else of it.
	fresh, err := oidc.NewProvider(oidc.ClientContext(ctx, client), i.name)
	if err != nil {
		return nil, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.provider, i.made = fresh, i.now()
	return fresh, nil
}

// failed reports whether the issuer was asked and did not answer.
func (i *issuer) failed() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.broken
}

func (i *issuer) away(err error) error {
	return errs.New(errs.Unavailable, "tenancy.issuer_away", "The issuer of the logins does not answer as OpenID Connect wants it.").
		WithFix("Look whether the issuer in garant.yaml is right and reachable from Garant, and whether its certificate verifies.").Wrap(errors.New(outgoing.Reason(err)))
}

// RoundTrip asks the issuer through package outgoing: within bounds, without redirects, and for private
// addresses only where the operator declared the origin. While an address does not answer, what it
// answered last is given, until that is too old. However often keys are asked for, the issuer is
// asked once in a while.
func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	address := r.URL.String()
	if r.Method != http.MethodGet || r.URL.Scheme != "https" {
		return nil, outgoing.ErrAddress
	}
	i.mu.Lock()
	defer i.mu.Unlock() // one question at a time: others wait for its answer
	known := i.asked[address]
	now := i.now()
	if known == nil || now.Sub(known.tried) >= issuerPause || now.Before(known.tried) {
		if known == nil {
			if len(i.asked) > 8 { // discovery and keys are two; an issuer that keeps moving them does not fill memory
				clear(i.asked)
			}
			known = &document{}
			i.asked[address] = known
		}
		known.tried = now
		answer, err := (&outgoing.Client{Private: sameOrigin(i.name, r.URL), Trust: i.trust, Timeout: askTimeout, MaxBody: maxDocument}).Do(r.Context(), outgoing.Request{URL: address})
		if i.broken = err != nil || answer.Status != http.StatusOK || !json.Valid(answer.Body); !i.broken {
			known.body, known.at = answer.Body, now
		} else if err == nil {
			err = errors.New("an answer that is not " + http.StatusText(http.StatusOK))
		}
		if i.broken && known.body == nil {
			return nil, err
		}
	}
	if known.body == nil || now.Sub(known.at) >= issuerOldest {
		i.broken = true
		return nil, errors.New("no answer that is fresh enough")
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(known.body)), ContentLength: int64(len(known.body)),
	}, nil
}

// sameOrigin reports whether an address is of the origin that the operator wrote down.
func sameOrigin(declared string, u *url.URL) bool {
	d, err := url.Parse(declared)
	if err != nil {
		return false
	}
	port := func(u *url.URL) string {
		if p := u.Port(); p != "" {
			return p
		}
		return "443"
	}
	return d.Scheme == u.Scheme && strings.EqualFold(d.Hostname(), u.Hostname()) && port(d) == port(u)
}
