package tenancy

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
)

// idp is an issuer of logins: OpenID Connect discovery and keys over TLS, and what it signs.
type idp struct {
	t      testing.TB
	server *httptest.Server
	asked  atomic.Int64 // for keys

	mu   sync.Mutex
	keys map[string]*rsa.PrivateKey
	ec   *ecdsa.PrivateKey
	kid  string // that signs
	away bool
	jwks func(w http.ResponseWriter, r *http.Request) // instead of the keys
	doc  map[string]any                               // instead of parts of the description
}

func newIDP(t testing.TB) *idp {
	t.Helper()
	p := &idp{t: t, keys: map[string]*rsa.PrivateKey{}}
	p.rotate("k1")
	var err error
	if p.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(p.serve))
	p.server.Config.ErrorLog = nil
	p.server.StartTLS()
	t.Cleanup(p.server.Close)
	return p
}

func (p *idp) issuer() string { return p.server.URL }

func (p *idp) ca() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
}

// rotate makes a new key sign, and forgets the others.
func (p *idp) rotate(kid string) {
	p.t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kid, p.keys = kid, map[string]*rsa.PrivateKey{kid: key}
}

func (p *idp) set(fn func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fn()
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (p *idp) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.away {
		http.Error(w, "away", http.StatusBadGateway)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		doc := map[string]any{"issuer": p.server.URL, "jwks_uri": p.server.URL + "/keys", "authorization_endpoint": p.server.URL + "/a", "token_endpoint": p.server.URL + "/t",
			"id_token_signing_alg_values_supported": []string{"RS256", "ES256", "none", "HS256"}}
		maps.Copy(doc, p.doc)
		_ = json.NewEncoder(w).Encode(doc)
	case "/keys":
		p.asked.Add(1)
		if p.jwks != nil {
			p.jwks(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(p.set1())
	default:
		http.NotFound(w, r)
	}
}

// set1 is the set of keys (RFC 7517).
func (p *idp) set1() map[string]any {
	list := []map[string]any{{"kty": "EC", "crv": "P-256", "kid": "e1", "use": "sig", "x": b64(p.ec.X.FillBytes(make([]byte, 32))), "y": b64(p.ec.Y.FillBytes(make([]byte, 32)))}}
	for kid, k := range p.keys {
		list = append(list, map[string]any{"kty": "RSA", "kid": kid, "use": "sig", "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes())})
	}
	return map[string]any{"keys": list}
}

// claims are those of somebody of a tenant who has just signed in.
func (p *idp) claims(tenant any) map[string]any {
	now := time.Now().Unix()
	return map[string]any{"iss": p.issuer(), "aud": "sponsorship", "sub": "user-" + uuid.NewString(), "iat": now, "exp": now + 300, "org_id": tenant, "sid": uuid.NewString()}
}

// sign makes an ID token; header changes its header.
func (p *idp) sign(claims map[string]any, header ...map[string]any) string {
	p.t.Helper()
	p.mu.Lock()
	key, kid := p.keys[p.kid], p.kid
	p.mu.Unlock()
	head := map[string]any{"alg": "RS256", "kid": kid, "typ": "JWT"}
	for _, h := range header {
		maps.Copy(head, h)
	}
	return p.signed(key, p.body(head, claims))
}

// signText makes an ID token whose claims have a text before their last brace, or, without claims, are that text.
func (p *idp) signText(claims map[string]any, text string, header ...map[string]any) string {
	p.t.Helper()
	payload := text
	if claims != nil {
		c, err := json.Marshal(claims)
		if err != nil {
			p.t.Fatal(err)
		}
		payload = strings.TrimSuffix(string(c), "}") + text + "}"
	}
	token := p.sign(nil, header...)
	return p.signed(p.keys[p.kid], token[:strings.IndexByte(token, '.')]+"."+b64([]byte(payload)))
}

func (p *idp) signed(key *rsa.PrivateKey, signed string) string {
	p.t.Helper()
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		p.t.Fatal(err)
	}
	return signed + "." + b64(signature)
}

func (p *idp) body(head, claims map[string]any) string {
	p.t.Helper()
	h, err := json.Marshal(head)
	if err != nil {
		p.t.Fatal(err)
	}
	c, err := json.Marshal(claims)
	if err != nil {
		p.t.Fatal(err)
	}
	return b64(h) + "." + b64(c)
}

// signEC signs with the other key.
func (p *idp) signEC(claims map[string]any) string {
	p.t.Helper()
	signed := p.body(map[string]any{"alg": "ES256", "kid": "e1"}, claims)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, p.ec, sum[:])
	if err != nil {
		p.t.Fatal(err)
	}
	return signed + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// signHMAC signs with what is public, as if it were a secret.
func (p *idp) signHMAC(claims map[string]any, secret []byte) string {
	p.t.Helper()
	signed := p.body(map[string]any{"alg": "HS256", "kid": p.kid}, claims)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(signed))
	return signed + "." + b64(mac.Sum(nil))
}

// unsigned is a token that nobody signed.
func (p *idp) unsigned(claims map[string]any, alg string) string {
	return p.body(map[string]any{"alg": alg}, claims) + "."
}

// publicPEM is the key that signs, as everybody may have it.
func (p *idp) modulus() []byte { return p.keys[p.kid].N.Bytes() }

func tampered(token string, claims map[string]any) string {
	part := strings.Split(token, ".")
	c, _ := json.Marshal(claims)
	return part[0] + "." + b64(c) + "." + part[2]
}
