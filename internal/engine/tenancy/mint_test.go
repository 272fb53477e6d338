package tenancy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/tenant"
)

// A login becomes a token that opens the rows of its tenant and no others, and is recorded.
func TestMinting(t *testing.T) {
	w := newWorld(t)
	if _, err := w.login(w.a); !errs.Is(err, errs.Unavailable) {
		t.Errorf("before there is a key: %v", err)
	}
	w.tend()
	if got := w.keys(); got != "1 mints" {
		t.Fatalf("keys: %s", got)
	}
	a, b := w.mustLogin(w.a), w.mustLogin(w.b)
	w.opens(a, 3)
	w.opens(b, 5)
	if a.Lifetime != 15*time.Minute || a.Token.Claims().Kind != tenant.Login {
		t.Errorf("%s, %s", a.Lifetime, a.Token.Claims().Kind.Word())
	}
	if n := one[int](w, `SELECT count(*) FROM tenancy.minting WHERE tenant = $1 AND session = $2 AND kind = 'login' AND access = 'w' AND key_id = 1 AND actor_id = $3 AND actor_session = $4 AND octet_length(subject) = 32`,
		w.a.String(), uuid.UUID(a.Token.Claims().Session), w.app.ID, w.app.Session); n != 1 {
		t.Errorf("%d rows record it", n)
	}
	if got := w.actions(); strings.Count(got, "tenant_token.minted permitted") != 2 || strings.Count(got, "tenant_token.refused refused") != 1 {
		t.Errorf("the record: %s", got)
	}
	// To read only.
	m, err := w.tenancy.Mint(context.Background(), w.app, Request{Database: "shop", IDToken: w.idp.sign(w.idp.claims(w.a.String())), ReadOnly: true})
	if err != nil || m.Token.Claims().Access != tenant.Read {
		t.Errorf("%v, %c", err, m.Token.Claims().Access)
	}
	w.opens(m, 3)
	// The same login is the same session, by its sid, or without one by who signed in when.
	c := w.idp.claims(w.a.String())
	first, _ := w.tenancy.Mint(context.Background(), w.app, Request{Database: "shop", IDToken: w.idp.sign(c)})
	c["iat"] = c["iat"].(int64) - 5
	again, _ := w.tenancy.Mint(context.Background(), w.app, Request{Database: "shop", IDToken: w.idp.sign(c)})
	if first.Token.IsZero() || first.Token.Claims().Session != again.Token.Claims().Session {
		t.Error("one login has two sessions")
	}
	delete(c, "sid")
	first, _ = w.tenancy.Mint(context.Background(), w.app, Request{Database: "shop", IDToken: w.idp.sign(c)})
	again, _ = w.tenancy.Mint(context.Background(), w.app, Request{Database: "shop", IDToken: w.idp.signEC(c)})
	if first.Token.IsZero() || first.Token.Claims().Session != again.Token.Claims().Session {
		t.Error("one login without a sid has two sessions")
	}
	c["iat"] = c["iat"].(int64) - 1
	if again, _ = w.tenancy.Mint(context.Background(), w.app, Request{Database: "shop", IDToken: w.idp.sign(c)}); first.Token.Claims().Session == again.Token.Claims().Session {
		t.Error("two logins are one session")
	}
}

// Who may not, asks for nothing, or asks for a database that is none.
func TestMintingRefused(t *testing.T) {
	w := newWorld(t)
	w.tend()
	good := w.idp.sign(w.idp.claims(w.a.String()))
	nobody := actor.Actor{Kind: actor.Person, ID: uuid.NewString(), Permissions: actor.Reader.Permissions()}
	for _, c := range []struct {
		name string
		by   actor.Actor
		req  Request
		id   string
	}{
		{"without the permission", nobody, Request{Database: "shop", IDToken: good}, "tenancy.denied"},
		{"a stranger", actor.Anonymous("1.2.3.4"), Request{Database: "shop", IDToken: good}, "tenancy.denied"},
		{"another database", w.app, Request{Database: "other\x00'", IDToken: good}, "tenancy.no_database"},
		{"by nothing", w.app, Request{Database: "shop"}, "tenancy.request"},
		{"by two rights", w.app, Request{Database: "shop", IDToken: good, Job: "x", Tenant: w.a.String()}, "tenancy.request"},
		{"a login that is told its tenant", w.app, Request{Database: "shop", IDToken: good, Tenant: w.b.String()}, "tenancy.request"},
		{"a probe by an application", w.app, Request{Database: "shop", Probe: true, Tenant: w.a.String()}, "tenancy.probe"},
		{"a job that is none", w.app, Request{Database: "shop", Job: "x", Tenant: w.a.String()}, "tenancy.job_not_accepted"},
		{"a tenant that is none", w.app, Request{Database: "shop", Job: "x", Tenant: "42"}, "tenancy.tenant"},
	} {
		m, err := w.tenancy.Mint(context.Background(), c.by, c.req)
		var e *errs.Error
		if !errors.As(err, &e) || e.ID != c.id || !m.Token.IsZero() {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if n := one[int](w, `SELECT count(*) FROM tenancy.minting`); n != 0 {
		t.Errorf("%d tokens were recorded", n)
	}
	// A check of Garant's own gets one to probe with, of a kind of its own.
	m, err := w.tenancy.Mint(context.Background(), actor.NewSystem("runner"), Request{Database: "shop", Probe: true, Tenant: w.b.String()})
	if err != nil || m.Token.Claims().Kind != tenant.Probe {
		t.Fatal(err)
	}
	w.opens(m, 5)
	// What waits for a second person mints nothing by the new issuer.
	before := w.estate
	w.estate = w.parse(strings.Replace(w.source(running.cluster), "audience: sponsorship", "audience: other", 1))
	w.pending = nil
	d, _ := w.estate.Database("shop")
	_ = d
	w.pending = append(w.pending, reductionsOf(before, w)...)
	c := w.idp.claims(w.a.String())
	c["aud"] = "other"
	var e *errs.Error
	if _, err := w.tenancy.Mint(context.Background(), w.app, Request{Database: "shop", IDToken: w.idp.sign(c)}); !errors.As(err, &e) || e.ID != "tenancy.login_waits" {
		t.Errorf("an audience that nobody has confirmed: %v", err)
	}
	w.pending = nil
	if _, err := w.tenancy.Mint(context.Background(), w.app, Request{Database: "shop", IDToken: w.idp.sign(c)}); err != nil {
		t.Errorf("confirmed: %v", err)
	}
}

// What is no proof of a login within a tenant opens nothing.
func TestIDTokens(t *testing.T) {
	w := newWorld(t)
	w.tend()
	with := func(changes ...any) map[string]any {
		c := w.idp.claims(w.a.String())
		for i := 0; i < len(changes); i += 2 {
			if changes[i+1] == nil {
				delete(c, changes[i].(string))
				continue
			}
			c[changes[i].(string)] = changes[i+1]
		}
		return c
	}
	now := time.Now().Unix()
	stranger := newIDP(t)
	good := w.idp.sign(with())
	theirs := with("org_id", w.b.String())
	for name, token := range map[string]string{
		"nothing that is a token":      "x",
		"three dots":                   "a.b.c.d",
		"unsigned":                     w.idp.unsigned(theirs, "none"),
		"unsigned, in other letters":   w.idp.unsigned(theirs, "nOnE"),
		"signed with the public key":   w.idp.signHMAC(theirs, w.idp.modulus()),
		"signed by another issuer":     stranger.sign(with()),
		"another issuer’s name":        w.idp.sign(with("iss", stranger.issuer())),
		"the issuer with a slash":      w.idp.sign(with("iss", w.idp.issuer()+"/")),
		"another audience":             w.idp.sign(with("aud", "other")),
		"no audience":                  w.idp.sign(with("aud", nil)),
		"several, for another party":   w.idp.sign(with("aud", []string{"sponsorship", "other"}, "azp", "other")),
		"several, for nobody":          w.idp.sign(with("aud", []string{"sponsorship", "other"})),
		"expired":                      w.idp.sign(with("exp", now-60)),
		"without an expiry":            w.idp.sign(with("exp", nil)),
		"of tomorrow":                  w.idp.sign(with("iat", now+86400, "exp", now+90000)),
		"not valid yet":                w.idp.sign(with("nbf", now+3600)),
		"without a time of issue":      w.idp.sign(with("iat", nil)),
		"without a subject":            w.idp.sign(with("sub", nil)),
		"a subject without end":        w.idp.sign(with("sub", strings.Repeat("x", 600))),
		"without a tenant":             w.idp.sign(with("org_id", nil)),
		"a number for a uuid":          w.idp.sign(with("org_id", 42)),
		"a list of tenants":            w.idp.sign(with("org_id", []string{w.a.String(), w.b.String()})),
		"an object":                    w.idp.sign(with("org_id", map[string]any{"id": w.a.String()})),
		"null":                         w.idp.sign(with("org_id", json.RawMessage("null"))),
		"an empty tenant":              w.idp.sign(with("org_id", "")),
		"a tenant and more":            w.idp.sign(with("org_id", w.a.String()+"' OR true")),
		"another tenant put in":        tampered(good, theirs),
		"its signature taken off":      good[:strings.LastIndex(good, ".")+1],
		"an access token":              w.idp.sign(with(), map[string]any{"typ": "at+jwt"}),
		"an access token, spelled out": w.idp.sign(with(), map[string]any{"typ": "application/AT+JWT"}),
		"an unknown key":               w.idp.sign(with(), map[string]any{"kid": "nobody"}),
		"a critical extension":         w.idp.sign(with(), map[string]any{"crit": []string{"b64"}, "b64": false}),
		"got by another client":        w.idp.sign(with("azp", "other")),
		"a party that is no name":      w.idp.sign(with("azp", []string{"sponsorship"})),
		"a bearer token":               w.idp.sign(with("typ", "Bearer")),
		"a refresh token":              w.idp.sign(with("typ", "Refresh")),
		"for access":                   w.idp.sign(with("token_use", "access")),
		"a logout token":               w.idp.sign(with("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}})),
		"a logout token, by its type":  w.idp.sign(with(), map[string]any{"typ": "logout+jwt"}),
		"two audiences":                w.idp.signText(with("aud", "other"), `,"aud":"sponsorship"`),
		"two spellings of audience":    w.idp.signText(with("aud", "other"), `,"Aud":"sponsorship"`),
		"two spellings of a subject":   w.idp.signText(with(), `,"\u017fub":"somebody else"`),
		"two tenants":                  w.idp.signText(with(), `,"org_id":"`+w.b.String()+`"`),
		"two tenants, spelled apart":   w.idp.signText(with(), `,"Org_Id":"`+w.b.String()+`"`),
		"two expiries":                 w.idp.signText(with("exp", now-60), fmt.Sprintf(`,"EXP":%d`, now+60)),
		"more after the claims":        w.idp.signText(with(), `}{"org_id":"`+w.b.String()+`"`),
		"a token within":               w.idp.signText(nil, good, map[string]any{"cty": "JWT"}),
		"its key in the header":        stranger.sign(with(), map[string]any{"jwk": stranger.set1()["keys"].([]map[string]any)[1]}),
		"a stranger’s key, no name":    stranger.sign(with(), map[string]any{"kid": ""}),
		"a tenant in braces":           w.idp.sign(with("org_id", "{"+w.a.String()+"}")),
		"a tenant as a URN":            w.idp.sign(with("org_id", "urn:uuid:"+w.a.String())),
		"its own key along":            w.idp.sign(with(), map[string]any{"kid": "x", "jku": stranger.issuer() + "/keys"}),
		"too long":                     w.idp.sign(with("x", strings.Repeat("x", maxIDToken))),
	} {
		m, err := w.tenancy.Mint(context.Background(), w.app, Request{Database: "shop", IDToken: token})
		if !errs.Is(err, errs.Denied) || !m.Token.IsZero() {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, token := range map[string]string{
		"as it should be":             good,
		"with another key":            w.idp.signEC(with()),
		"several, for us":             w.idp.sign(with("aud", []string{"other", "sponsorship"}, "azp", "sponsorship")),
		"a clock that differs a bit":  w.idp.sign(with("exp", now-10)),
		"in capitals":                 w.idp.sign(with("org_id", strings.ToUpper(w.a.String()))),
		"one, for us":                 w.idp.sign(with("azp", "sponsorship")),
		"which says what it is":       w.idp.sign(with("typ", "ID", "token_use", "id")),
		"with other claims twice":     w.idp.signText(with("Name", "x"), `,"name":"y"`),
		"without the name of its key": w.idp.sign(with(), map[string]any{"kid": ""}),
		"a clock that is ahead a bit": w.idp.sign(with("iat", now+10)),
	} {
		m, err := w.tenancy.Mint(context.Background(), w.app, Request{Database: "shop", IDToken: token})
		if err != nil || m.Token.Claims().Tenant.String() != w.a.String() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Claims become keys of the declared type only when they are of it.
func TestTenantClaims(t *testing.T) {
	id := uuid.NewString()
	for _, c := range []struct{ claim, typ, want string }{
		{`"` + id + `"`, "uuid", id}, {`42`, "uuid", ""}, {`42`, "bigint", "42"}, {`"42"`, "bigint", "42"}, {`-7`, "bigint", "-7"}, {`4.2`, "bigint", ""}, {`4e2`, "bigint", ""},
		{`9223372036854775808`, "bigint", ""}, {`true`, "bigint", ""}, {`[1]`, "bigint", ""}, {`"acme"`, "text", "acme"}, {`42`, "text", ""}, {`null`, "text", ""}, {`""`, "text", ""}, {``, "text", ""},
		{`"` + strings.Repeat("x", 39) + `"`, "text", ""}, {`"a\u0000b"`, "text", ""},
		{`"007"`, "bigint", ""}, {`"+7"`, "bigint", ""}, {`-0`, "bigint", ""}, {`" 7"`, "bigint", ""}, {`9007199254740993`, "bigint", "9007199254740993"}, {`42.0`, "bigint", ""},
		{`"\ud800"`, "text", ""}, {"\"\xff\"", "text", ""}, {`"Acme"`, "text", "Acme"}, {`"e\u0301"`, "text", "e\u0301"}, {`"acme "`, "text", "acme "},
	} {
		got, err := tenantOf(json.RawMessage(c.claim), c.typ)
		if err != nil && c.want != "" || err == nil && got.String() != c.want {
			t.Errorf("%s as %s: %q, %v", c.claim, c.typ, got, err)
		}
	}
}

// An issuer that replaces its keys is asked again, and not for every token that does not verify.
func TestIssuerKeys(t *testing.T) {
	w := newWorld(t)
	w.tend()
	w.mustLogin(w.a)
	old := w.idp.sign(w.idp.claims(w.a.String()))
	w.idp.rotate("k2")
	w.ahead += issuerPause
	w.mustLogin(w.a)
	if _, err := w.tenancy.Mint(context.Background(), w.app, Request{Database: "shop", IDToken: old}); !errs.Is(err, errs.Denied) {
		t.Errorf("a token of a key that is gone: %v", err)
	}
	asked := w.idp.asked.Load()
	for range 50 {
		_, _ = w.tenancy.Mint(context.Background(), w.app, Request{Database: "shop", IDToken: w.idp.sign(w.idp.claims(w.a.String()), map[string]any{"kid": uuid.NewString()})})
	}
	if n := w.idp.asked.Load() - asked; n > 1 {
		t.Errorf("50 tokens of unknown keys asked the issuer %d times", n)
	}
}

// While the issuer is away, its keys hold until they are too old.
func TestIssuerAway(t *testing.T) {
	w := newWorld(t)
	w.tend()
	w.idp.set(func() { w.idp.away = true })
	if _, err := w.login(w.a); !errs.Is(err, errs.Unavailable) {
		t.Errorf("never reached: %v", err)
	}
	w.idp.set(func() { w.idp.away = false })
	w.ahead += issuerPause
	w.mustLogin(w.a)
	w.idp.set(func() { w.idp.away = true })
	sign := func() string {
		c := w.idp.claims(w.a.String())
		c["iat"], c["exp"] = w.now().Unix(), w.now().Unix()+300
		return w.idp.sign(c)
	}
	for _, later := range []time.Duration{time.Minute, issuerFresh, 12 * time.Hour} {
		w.ahead += later
		if _, err := w.tenancy.Mint(context.Background(), w.app, Request{Database: "shop", IDToken: sign()}); err != nil {
			t.Errorf("after %s: %v", later, err)
		}
	}
	w.ahead += 12 * time.Hour
	if _, err := w.tenancy.Mint(context.Background(), w.app, Request{Database: "shop", IDToken: sign()}); !errs.Is(err, errs.Unavailable) {
		t.Errorf("after a day: %v", err)
	}
	w.idp.set(func() { w.idp.away = false })
	w.ahead += issuerPause
	if _, err := w.tenancy.Mint(context.Background(), w.app, Request{Database: "shop", IDToken: sign()}); err != nil {
		t.Errorf("back again: %v", err)
	}
}

// An issuer that answers with something else leads nowhere.
func TestHostileIssuer(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a few seconds")
	}
	w := newWorld(t)
	w.tend()
	elsewhere := newIDP(t)
	secret := false
	inside := newIDP(t)
	inside.jwks = func(http.ResponseWriter, *http.Request) { secret = true }
	for name, change := range map[string]func(){
		"keys without end": func() {
			w.idp.jwks = func(rw http.ResponseWriter, _ *http.Request) {
				for range 10_000 {
					_, _ = rw.Write([]byte(strings.Repeat(" ", 1024)))
				}
			}
		},
		"a redirect to an address inside": func() {
			w.idp.jwks = func(rw http.ResponseWriter, r *http.Request) {
				http.Redirect(rw, r, inside.issuer()+"/keys", http.StatusFound)
			}
		},
		"keys at an address inside": func() { w.idp.doc = map[string]any{"jwks_uri": inside.issuer() + "/keys"} },
		"keys where clouds answer":  func() { w.idp.doc = map[string]any{"jwks_uri": "https://169.254.169.254/keys"} },
		"keys without TLS": func() {
			w.idp.doc = map[string]any{"jwks_uri": "http" + strings.TrimPrefix(w.idp.issuer(), "https") + "/keys"}
		},
		"keys in a file":        func() { w.idp.doc = map[string]any{"jwks_uri": "file:///etc/passwd"} },
		"another issuer’s name": func() { w.idp.doc = map[string]any{"issuer": elsewhere.issuer()} },
		"no keys": func() {
			w.idp.jwks = func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(`{"keys": []}`)) }
		},
		"a page": func() {
			w.idp.jwks = func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write([]byte(`<html>`)) }
		},
		"an answer that never comes": func() { w.idp.jwks = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() } },
	} {
		w.idp.set(func() { w.idp.doc, w.idp.jwks = nil, nil; change() })
		w.tenancy = w.server() // remembers nothing
		began := time.Now()
		m, err := w.login(w.a)
		if !errs.Is(err, errs.Unavailable) && !errs.Is(err, errs.Denied) || !m.Token.IsZero() {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(began); took > askTimeout+2*time.Second {
			t.Errorf("%s: after %s", name, took)
		}
		if err != nil && strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: the error names an address: %v", name, err)
		}
	}
	if secret {
		t.Error("an address inside was called")
	}
}

// Nothing of a token, an ID token or a key is in what is kept, logged or said.
func TestNothingLeaks(t *testing.T) {
	w := newWorld(t)
	w.tend()
	id := w.idp.sign(w.idp.claims(w.a.String()))
	m, err := w.tenancy.Mint(context.Background(), w.app, Request{Database: "shop", IDToken: id})
	if err != nil {
		t.Fatal(err)
	}
	bad := tampered(id, w.idp.claims(w.b.String()))
	_, refused := w.tenancy.Mint(context.Background(), w.app, Request{Database: "shop", IDToken: bad})
	key, err := w.tenancy.open(context.Background(), w.db.Pool(pg.Staff), must(minterOf(context.Background(), w.db.Pool(pg.Staff), "shop")).place, must(minterOf(context.Background(), w.db.Pool(pg.Staff), "shop")).key)
	if err != nil {
		t.Fatal(err)
	}
	kept := refused.Error() + w.log.String() +
		one[string](w, `SELECT coalesce(string_agg(e::text, ''), '') FROM audit.entry AS e`) + one[string](w, `SELECT coalesce(string_agg(m::text, ''), '') FROM tenancy.minting AS m`) +
		one[string](w, `SELECT coalesce(string_agg(k::text, ''), '') FROM tenancy.key AS k`)
	secrets := []string{m.Token.Encode(), string(key.Secret[:]), hexOf(key.Secret[:])}
	for _, token := range []string{id, bad} {
		secrets = append(secrets, strings.Split(token, ".")...)
	}
	for _, s := range secrets {
		if len(s) > 40 && strings.Contains(kept, s) || len(s) <= 40 && s != "" && len(s) > 20 && strings.Contains(kept, s) {
			t.Errorf("something of %d bytes is kept or said", len(s))
		}
	}
	if strings.Contains(kept, hexOf(m.Token.Bytes()[100:])) || strings.Contains(kept, hexOf(m.Token.Bytes()[:40])) {
		t.Error("a part of the token is kept")
	}
}

// BenchmarkMint is one exchange, record included, once the issuer's keys are known.
func BenchmarkMint(b *testing.B) {
	w := newWorld(b)
	w.tend()
	token := w.idp.sign(w.idp.claims(w.a.String()))
	for b.Loop() {
		if _, err := w.tenancy.Mint(context.Background(), w.app, Request{Database: "shop", IDToken: token}); err != nil {
			b.Fatal(err)
		}
	}
}
