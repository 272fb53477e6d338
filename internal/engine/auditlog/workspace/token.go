package workspace

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	reports "google.golang.org/api/admin/reports/v1"
)

// tokenURL is where Google gives tokens for the assertion of a service account. What a key file says of it is not followed.
const tokenURL = "https://oauth2.googleapis.com/token" //nolint:gosec // an address

const (
	grantType     = "urn:ietf:params:oauth:grant-type:jwt-bearer" // RFC 7523
	assertionLife = 10 * time.Minute
	maxToken      = 64 << 10
)

// serviceKey is what is needed of the JSON key of a service account.
type serviceKey struct {
	Type     string `json:"type"`
	Email    string `json:"client_email"`
	ClientID string `json:"client_id"`
	KeyID    string `json:"private_key_id"`
	Private  string `json:"private_key"`

	key *rsa.PrivateKey
}

var errKey = errors.New("not the JSON key of a service account")

func parseKey(text string) (serviceKey, error) {
	var k serviceKey
	if json.Unmarshal([]byte(text), &k) != nil || k.Type != "service_account" || k.Email == "" || k.ClientID == "" {
		return serviceKey{}, errKey
	}
	block, _ := pem.Decode([]byte(k.Private))
	if block == nil {
		return serviceKey{}, errKey
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return serviceKey{}, errKey
	}
	var ok bool
	if k.key, ok = parsed.(*rsa.PrivateKey); !ok {
		return serviceKey{}, errKey
	}
	return k, nil
}

// tokenError is a refusal of the token endpoint (RFC 6749, section 5.2), without its description, which may name people.
type tokenError struct {
	status int
	code   string
	header http.Header
}

func (e *tokenError) Error() string { return "no token: " + strconv.Itoa(e.status) + " " + e.code }

// token asks for a token to read audit reports on behalf of an administrator
// (developers.google.com/identity/protocols/oauth2/service-account, "HTTP/REST").
func (k serviceKey) token(ctx context.Context, client *http.Client, from, admin string) (string, error) {
	now := time.Now()
	encode := func(v map[string]any) string {
		text, _ := json.Marshal(v) // of texts and numbers: cannot fail
		return base64.RawURLEncoding.EncodeToString(text)
	}
	signing := encode(map[string]any{"alg": "RS256", "typ": "JWT", "kid": k.KeyID}) + "." + encode(map[string]any{
		"iss": k.Email, "sub": admin, "aud": from, "scope": reports.AdminReportsAuditReadonlyScope, "iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
	sum := sha256.Sum256([]byte(signing))
	signature, err := rsa.SignPKCS1v15(rand.Reader, k.key, crypto.SHA256, sum[:])
	if err != nil {
		return "", errKey
	}
	form := url.Values{"grant_type": {grantType}, "assertion": {signing + "." + base64.RawURLEncoding.EncodeToString(signature)}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, from, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		Token string `json:"access_token"`
		Type  string `json:"token_type"`
		Error string `json:"error"`
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxToken))
	if err != nil {
		return "", err
	}
	if json.Unmarshal(body, &answer) != nil || res.StatusCode != http.StatusOK || answer.Token == "" || !strings.EqualFold(answer.Type, "Bearer") {
		return "", &tokenError{status: res.StatusCode, code: answer.Error, header: res.Header}
	}
	return answer.Token, nil
}
