package workspace

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	customer = "C03az79cb"
	admin    = "audit@ardoise.example"
	clientID = "104022222222222222222"
	email    = "garant@ardoise.iam.gserviceaccount.com"
	scope    = "https://www.googleapis.com/auth/admin.reports.audit.readonly"
)

// google speaks Google's token endpoint and activities.list of the Reports API as far as the check uses them, and refuses what Google would refuse:
//
//   - developers.google.com/identity/protocols/oauth2/service-account (the assertion is verified)
//   - developers.google.com/workspace/admin/reports/reference/rest/v1/activities/list, …/v1/limits and …/v1/guides/troubleshoot-error-codes (errors)
//   - developers.google.com/workspace/admin/reports/v1/appendix/activity/token: what it records of each call
type google struct {
	*httptest.Server

	t      testing.TB
	public *rsa.PublicKey

	mu       sync.Mutex
	logs     map[string][]activity // the newest first
	customer string                // for which it answers
	asked    int                   // calls of activities.list
	granted  int

	// Ways of being broken.
	records    bool          // what the service account does is recorded
	tokenError string        // of the token endpoint
	apiStatus  int           // of activities.list
	apiReason  string        // with it
	fails      int           // how often; -1: always
	retryAfter string        // with it
	denied     string        // log that the administrator may not read
	skew       time.Duration // of its clock
	emptyFirst bool          // the first page of every answer has no item
}

type activity struct {
	at       time.Time
	customer string
	event    string
	client   string
}

func newGoogle(t testing.TB, public *rsa.PublicKey) *google {
	g := &google{t: t, public: public, logs: map[string][]activity{}, customer: customer, records: true}
	g.Server = httptest.NewServer(g)
	t.Cleanup(g.Close)
	return g
}

func (g *google) now() time.Time { return time.Now().Add(g.skew) }

func (g *google) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w.Header().Set("Date", g.now().UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	if r.URL.Path == "/token" {
		g.token(w, r)
		return
	}
	g.list(w, r)
}

func (g *google) token(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, code string) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error":%q,"error_description":"Refused for %s."}`, code, admin)
	}
	if g.fails != 0 && g.tokenError != "" {
		g.fails--
		status := http.StatusBadRequest
		switch g.tokenError {
		case "unauthorized_client", "invalid_client":
			status = http.StatusUnauthorized
		case "internal_failure":
			status = http.StatusInternalServerError
		case "rate_limit_exceeded":
			status = http.StatusTooManyRequests
		}
		refuse(status, g.tokenError)
		return
	}
	if r.Method != http.MethodPost || r.ParseForm() != nil || r.PostForm.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
		refuse(http.StatusBadRequest, "unsupported_grant_type")
		return
	}
	parts := strings.Split(r.PostForm.Get("assertion"), ".")
	if len(parts) != 3 {
		refuse(http.StatusBadRequest, "invalid_grant")
		return
	}
	var claims struct {
		Iss, Sub, Aud, Scope string
		Iat, Exp             int64
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	signature, err2 := base64.RawURLEncoding.DecodeString(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	switch {
	case err != nil, err2 != nil, json.Unmarshal(body, &claims) != nil, rsa.VerifyPKCS1v15(g.public, crypto.SHA256, sum[:], signature) != nil,
		claims.Iss != email, claims.Aud != g.URL+"/token", claims.Exp-claims.Iat > 3600, time.Unix(claims.Exp, 0).Before(g.now()), time.Unix(claims.Iat, 0).After(g.now().Add(5 * time.Minute)):
		refuse(http.StatusBadRequest, "invalid_grant")
		return
	case claims.Sub != admin, claims.Scope != scope:
		refuse(http.StatusUnauthorized, "unauthorized_client")
		return
	}
	g.granted++
	fmt.Fprintf(w, `{"access_token":"ya29.t%d","expires_in":3599,"token_type":"Bearer"}`, g.granted)
}

func (g *google) refuse(w http.ResponseWriter, status int, reason string) {
	if g.retryAfter != "" {
		w.Header().Set("Retry-After", g.retryAfter)
	}
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error":{"code":%d,"message":"Refused for %s.","errors":[{"message":"Refused.","domain":"global","reason":%q}]}}`, status, admin, reason)
}

func (g *google) list(w http.ResponseWriter, r *http.Request) {
	log, ok := strings.CutPrefix(r.URL.Path, "/admin/reports/v1/activity/users/all/applications/")
	q := r.URL.Query()
	most, err := strconv.Atoi(q.Get("maxResults"))
	switch {
	case r.Header.Get("Authorization") != fmt.Sprintf("Bearer ya29.t%d", g.granted):
		g.refuse(w, http.StatusUnauthorized, "authError")
		return
	case !ok || r.Method != http.MethodGet:
		g.refuse(w, http.StatusNotFound, "notFound")
		return
	case err != nil || most < 1 || most > 1000 || q.Get("filters") != "" && q.Get("eventName") == "" || q.Get("customerId") != customer:
		g.refuse(w, http.StatusBadRequest, "invalid")
		return
	case log == g.denied:
		g.refuse(w, http.StatusForbidden, "forbidden")
		return
	case g.fails != 0 && g.apiStatus != 0:
		g.fails--
		g.refuse(w, g.apiStatus, g.apiReason)
		return
	}
	if g.asked++; g.records { // Google makes an entry of each call
		g.logs["token"] = slices.Insert(g.logs["token"], 0, activity{g.now(), g.customer, "activity", clientID})
	}
	since := time.Time{}
	if text := q.Get("startTime"); text != "" {
		if since, err = time.Parse(time.RFC3339, text); err != nil || since.After(g.now()) {
			g.refuse(w, http.StatusBadRequest, "invalid")
			return
		}
	}
	at := 0
	if token := q.Get("pageToken"); token != "" {
		if at, err = strconv.Atoi(strings.TrimPrefix(token, "A:")); err != nil {
			g.refuse(w, http.StatusBadRequest, "invalid")
			return
		}
	} else if g.emptyFirst {
		fmt.Fprint(w, `{"kind":"admin#reports#activities","nextPageToken":"A:0"}`)
		return
	}
	var items []map[string]any
	for _, a := range g.logs[log] {
		if a.at.Before(since) || q.Get("eventName") != "" && a.event != q.Get("eventName") || q.Get("filters") != "" && q.Get("filters") != "client_id=="+a.client {
			continue
		}
		item := map[string]any{"id": map[string]any{"time": a.at.UTC().Format("2006-01-02T15:04:05.000Z"), "customerId": a.customer, "applicationName": log}}
		if strings.Contains(q.Get("fields"), "events") { // a partial response has no more than was asked for
			item["events"] = []map[string]any{{"name": a.event, "parameters": []map[string]any{{"name": "client_id", "value": a.client}, {"name": "num_response_bytes", "intValue": "312"}}}}
		}
		items = append(items, item)
	}
	out := map[string]any{"kind": "admin#reports#activities", "items": items[min(at, len(items)):min(at+most, len(items))]}
	if at+most < len(items) {
		out["nextPageToken"] = fmt.Sprintf("A:%d", at+most)
	}
	if err := json.NewEncoder(w).Encode(out); err != nil {
		g.t.Error(err)
	}
}

// serviceAccount is made once: its key, and the JSON file that Google's console gives.
var serviceAccount = sync.OnceValues(func() (*rsa.PrivateKey, string) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "ardoise", "private_key_id": "0123456789abcdef", "private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"client_email": email, "client_id": clientID, "token_uri": "https://attacker.example/token",
	})
	if err != nil {
		panic(err)
	}
	return key, string(text)
})
