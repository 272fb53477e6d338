package issuer

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"encoding/json"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

//go:embed page.html
var pageText string

// Handler answers what an OpenID provider is asked.
func (i *Issuer) Handler() http.Handler {
	page := template.Must(template.New("page").Parse(pageText))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { i.show(w, r, page, http.StatusOK, nil, "") })
	mux.HandleFunc("GET /.well-known/openid-configuration", i.discovery)
	mux.HandleFunc("GET /jwks", i.keys)
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		asked, fault := i.asked(r.URL.Query())
		if fault != "" {
			i.show(w, r, page, http.StatusBadRequest, nil, fault)
			return
		}
		i.show(w, r, page, http.StatusOK, asked, "")
	})
	mux.HandleFunc("POST /authorize", func(w http.ResponseWriter, r *http.Request) {
		asked, fault := i.asked(r.PostForm)
		n := slices.IndexFunc(i.c.Users, func(u User) bool { return u.ID == r.PostForm.Get("user") })
		if fault == "" && n < 0 {
			fault = "There is no such user."
		}
		if fault != "" {
			i.show(w, r, page, http.StatusBadRequest, nil, fault)
			return
		}
		now := i.c.Now()
		code := i.keep(i.codes, grant{user: i.c.Users[n], session: rand.Text(), nonce: asked.Get("nonce"), challenge: asked.Get("code_challenge"), signedIn: now, ends: now.Add(codeLife)})
		http.Redirect(w, r, i.c.Redirect+"?"+url.Values{"code": {code}, "state": {asked.Get("state")}, "iss": {i.c.URL}}.Encode(), http.StatusSeeOther)
	})
	mux.HandleFunc("POST /token", i.token)
	cross := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self' "+origin(i.c.Redirect)+"; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		remote, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil || !net.ParseIP(remote).IsLoopback() || !slices.Contains(i.hosts, r.Host) {
			http.Error(w, "This issuer is for development: it serves its own machine only, at "+i.c.Pages+".", http.StatusMisdirectedRequest)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
		if err := r.ParseForm(); err != nil {
			http.Error(w, "The form could not be read.", http.StatusBadRequest)
			return
		}
		cross.Handler(mux).ServeHTTP(w, r)
	})
}

// parameters of an authorization request that come back with the form.
func parameters() []string {
	return []string{"client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method", "ui_locales"}
}

// asked reads an authorization request, and says what is wrong with it.
func (i *Issuer) asked(q url.Values) (url.Values, string) {
	v := url.Values{}
	for _, p := range parameters() {
		v.Set(p, q.Get(p))
	}
	switch {
	case v.Get("client_id") != i.c.Client || v.Get("redirect_uri") != i.c.Redirect:
		return nil, "This issuer does not know that application, or not at that address."
	case v.Get("response_type") != "code" || !slices.Contains(strings.Fields(v.Get("scope")), "openid"):
		return nil, "This issuer serves the authorization code flow of OpenID Connect only."
	case v.Get("code_challenge_method") != "S256" || len(v.Get("code_challenge")) != 43:
		return nil, "The application must use PKCE with S256."
	case len(v.Get("state")) < 16 || len(v.Get("state")) > 200 || len(v.Get("nonce")) > 200:
		return nil, "The application must send a state of 16 to 200 characters."
	}
	return v, ""
}

func (i *Issuer) show(w http.ResponseWriter, r *http.Request, page *template.Template, status int, asked url.Values, fault string) {
	type group struct {
		Customer string
		Users    []User
	}
	data := struct {
		French   bool
		Fault    string
		Fields   [][2]string
		Groups   []group
		Redirect string
	}{French: french(r), Fault: fault, Redirect: origin(i.c.Redirect)}
	if asked != nil {
		for _, p := range parameters() {
			data.Fields = append(data.Fields, [2]string{p, asked.Get(p)})
		}
		for _, u := range i.c.Users {
			n := slices.IndexFunc(data.Groups, func(g group) bool { return g.Customer == u.Customer })
			if n < 0 {
				data.Groups, n = append(data.Groups, group{Customer: u.Customer}), len(data.Groups)
			}
			data.Groups[n].Users = append(data.Groups[n].Users, u)
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = page.Execute(w, data) // the client may have gone
}

// french reports whether the application or the browser would rather have French than English.
func french(r *http.Request) bool {
	wanted := strings.Join(strings.Fields(r.FormValue("ui_locales")), ",") + "," + r.Header.Get("Accept-Language")
	for _, tag := range strings.Split(wanted, ",") {
		switch tag = strings.ToLower(strings.TrimSpace(tag)); {
		case strings.HasPrefix(tag, "fr"):
			return true
		case strings.HasPrefix(tag, "en"):
			return false
		}
	}
	return false
}

func (i *Issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"issuer": i.c.URL, "authorization_endpoint": i.c.Pages + "/authorize", "token_endpoint": i.c.URL + "/token", "jwks_uri": i.c.URL + "/jwks",
		"response_types_supported": []string{"code"}, "grant_types_supported": []string{"authorization_code", "refresh_token"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"}, "scopes_supported": []string{"openid", "offline_access"},
		"token_endpoint_auth_methods_supported": []string{"none"}, "code_challenge_methods_supported": []string{"S256"},
		"authorization_response_iss_parameter_supported": true,
		"claims_supported": []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "sid", "name", "email", i.c.TenantKey},
	})
}

func (i *Issuer) keys(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"keys": []map[string]string{
		{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": i.kid, "n": encode(i.c.Key.N.Bytes()), "e": i.exponent()},
	}})
}

// token serves codes and refresh tokens; errors as RFC 6749, section 5.2.
func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	refuse := func(code, why string) {
		answer(w, http.StatusBadRequest, map[string]string{"error": code, "error_description": why})
	}
	f := r.PostForm
	if f.Get("client_id") != i.c.Client {
		refuse("invalid_client", "This issuer does not know that application.")
		return
	}
	var g grant
	var ok bool
	switch f.Get("grant_type") {
	case "authorization_code":
		sum := sha256.Sum256([]byte(f.Get("code_verifier")))
		g, ok = i.take(i.codes, f.Get("code"))
		ok = ok && f.Get("redirect_uri") == i.c.Redirect && subtle.ConstantTimeCompare([]byte(encode(sum[:])), []byte(g.challenge)) == 1
	case "refresh_token":
		g, ok = i.take(i.refresh, f.Get("refresh_token"))
		g.nonce = ""
	default:
		refuse("unsupported_grant_type", "Send authorization_code or refresh_token.")
		return
	}
	if !ok {
		refuse("invalid_grant", "The code or token is not known, was used, or has expired.")
		return
	}
	now := i.c.Now()
	id, err := i.sign(g, now)
	if err != nil {
		answer(w, http.StatusInternalServerError, map[string]string{"error": "server_error"})
		return
	}
	g.ends = now.Add(refreshLife)
	answer(w, http.StatusOK, map[string]any{
		"id_token": id, "access_token": rand.Text(), "token_type": "Bearer", "expires_in": int(tokenLife.Seconds()), "refresh_token": i.keep(i.refresh, g),
	})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client may have gone
}

func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "'none'"
	}
	return u.Scheme + "://" + u.Host
}
