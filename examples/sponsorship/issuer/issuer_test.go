package issuer

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

type world struct {
	t   *testing.T
	i   *Issuer
	h   http.Handler
	now time.Time
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: time.Now()}
	var err error
	w.i, err = New(Config{URL: "http://127.0.0.1:8483", Client: "app", Redirect: "http://app.localhost:1/callback", Now: func() time.Time { return w.now },
		Users: []User{{"u1", "Une (exemple)", "une@a.example", "1", "A"}, {"u2", "Deux <b>", "deux@b.example", "2", "B"}}})
	if err != nil {
		t.Fatal(err)
	}
	w.h = w.i.Handler()
	return w
}

func (w *world) ask(method, target string, form url.Values, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
	r.Host, r.RemoteAddr = "127.0.0.1:8483", "127.0.0.1:5000"
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range change {
		c(r)
	}
	rec := httptest.NewRecorder()
	w.h.ServeHTTP(rec, r)
	return rec
}

const verifier = "a-verifier-of-forty-three-characters-or-more-0"

func request() url.Values {
	sum := sha256.Sum256([]byte(verifier))
	return url.Values{"client_id": {"app"}, "redirect_uri": {"http://app.localhost:1/callback"}, "response_type": {"code"}, "scope": {"openid offline_access"}, "state": {"0123456789abcdef"},
		"nonce": {"n"}, "code_challenge": {encode(sum[:])}, "code_challenge_method": {"S256"}}
}

func (w *world) code(user string) string {
	form := request()
	form.Set("user", user)
	rec := w.ask("POST", "/authorize", form)
	to, err := url.Parse(rec.Header().Get("Location"))
	if rec.Code != 303 || err != nil || to.Query().Get("state") != "0123456789abcdef" || to.Query().Get("iss") != "http://127.0.0.1:8483" {
		w.t.Fatalf("%d %s", rec.Code, rec.Header().Get("Location"))
	}
	return to.Query().Get("code")
}

func redeem(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "client_id": {"app"}, "redirect_uri": {"http://app.localhost:1/callback"}, "code_verifier": {verifier}}
}

func (w *world) claims(rec *httptest.ResponseRecorder) (claims map[string]any, refresh string) {
	w.t.Helper()
	var answer struct {
		ID      string `json:"id_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil || rec.Code != 200 {
		w.t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	payload, err := jsonPart(answer.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return payload, answer.Refresh
}

func TestFlow(t *testing.T) {
	w := newWorld(t)
	page := w.ask("GET", "/authorize?"+request().Encode(), nil)
	for _, want := range []string{"Une (exemple)", "Deux &lt;b&gt;", "For development only", `value="u1"`} {
		if !strings.Contains(page.Body.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if fr := w.ask("GET", "/authorize?"+request().Encode(), nil, func(r *http.Request) { r.Header.Set("Accept-Language", "fr-BE,en") }); !strings.Contains(fr.Body.String(), "Pour le développement seulement") {
		t.Error("no French")
	}
	code := w.code("u2")
	claims, refresh := w.claims(w.ask("POST", "/token", redeem(code)))
	if claims["sub"] != "u2" || claims["organisation"] != "2" || claims["nonce"] != "n" || claims["aud"] != "app" || claims["iss"] != "http://127.0.0.1:8483" || claims["sid"] == "" {
		t.Errorf("%v", claims)
	}
	if again := w.ask("POST", "/token", redeem(code)); again.Code != 400 {
		t.Error("a code works twice")
	}
	renewed, next := w.claims(w.ask("POST", "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {"app"}}))
	if renewed["sub"] != "u2" || renewed["sid"] != claims["sid"] || renewed["nonce"] != nil || next == refresh {
		t.Errorf("%v", renewed)
	}
	if again := w.ask("POST", "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {"app"}}); again.Code != 400 {
		t.Error("a refresh token works twice")
	}
	w.now = w.now.Add(refreshLife + time.Second)
	if late := w.ask("POST", "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {next}, "client_id": {"app"}}); late.Code != 400 {
		t.Error("a refresh token has no end")
	}
}

func TestRefused(t *testing.T) {
	w := newWorld(t)
	without := func(key, value string) url.Values {
		v := request()
		v.Set(key, value)
		return v
	}
	for name, v := range map[string]url.Values{
		"another application": without("client_id", "x"), "another address": without("redirect_uri", "http://evil.example"), "implicit": without("response_type", "token"), "no openid": without("scope", "email"),
		"plain challenge": without("code_challenge_method", "plain"), "no challenge": without("code_challenge", ""), "a short state": without("state", "x"),
	} {
		if rec := w.ask("GET", "/authorize?"+v.Encode(), nil); rec.Code != 400 {
			t.Errorf("%s: %d", name, rec.Code)
		}
		v.Set("user", "u1")
		if rec := w.ask("POST", "/authorize", v); rec.Code != 400 || rec.Header().Get("Location") != "" {
			t.Errorf("%s, sent: %d", name, rec.Code)
		}
	}
	form := request()
	form.Set("user", "nobody")
	if rec := w.ask("POST", "/authorize", form); rec.Code != 400 {
		t.Errorf("nobody: %d", rec.Code)
	}
	for name, spoil := range map[string]func(url.Values){
		"another verifier": func(v url.Values) { v.Set("code_verifier", "x") }, "another address": func(v url.Values) { v.Set("redirect_uri", "x") }, "another application": func(v url.Values) { v.Set("client_id", "x") }, "another grant": func(v url.Values) { v.Set("grant_type", "password") },
	} {
		v := redeem(w.code("u1"))
		spoil(v)
		if rec := w.ask("POST", "/token", v); rec.Code != 400 {
			t.Errorf("%s: %d", name, rec.Code)
		}
	}
	late := w.code("u1")
	w.now = w.now.Add(codeLife + time.Second)
	if rec := w.ask("POST", "/token", redeem(late)); rec.Code != 400 {
		t.Error("a code has no end")
	}
	for name, change := range map[string]func(*http.Request){
		"another machine": func(r *http.Request) { r.RemoteAddr = "192.0.2.1:5000" }, "another name": func(r *http.Request) { r.Host = "evil.example" },
	} {
		if rec := w.ask("GET", "/", nil, change); rec.Code != 421 {
			t.Errorf("%s: %d", name, rec.Code)
		}
	}
	if rec := w.ask("POST", "/authorize", request(), func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }); rec.Code != 403 {
		t.Errorf("another site chooses: %d", rec.Code)
	}
	for _, c := range []Config{{URL: "https://login.example", Client: "a", Redirect: "b", Users: []User{{}}}, {URL: "http://127.0.0.1/", Client: "a", Redirect: "b", Users: []User{{}}}, {URL: "http://127.0.0.1:1"}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

func jsonPart(token string) (claims map[string]any, err error) {
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	return claims, err
}
