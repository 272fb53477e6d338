package tenancy

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web"
)

// The words of the protocols: token exchange (RFC 8693) and OAuth 2.0 (RFC 6749).
const (
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	grantClient   = "client_credentials"
	typeIDToken   = "urn:ietf:params:oauth:token-type:id_token" //nolint:gosec // a name, no secret
	typeTenant    = "urn:garant:token-type:tenant"
	tokenPath     = "/tenant/token"
)

// AddAPI adds the calls for programs.
func (t *Tenancy) AddAPI(a *web.API) {
	t.addPortal(a)
	web.Form(a, web.Operation{ID: "mint-tenant-token", Method: "POST", Path: tokenPath, Summary: "A token of a tenant, for an ID token (RFC 8693) or a service job", Permission: actor.MintTokens},
		map[string]string{
			"grant_type":         grantExchange + " or " + grantClient,
			"audience":           "Name of the database in the estate",
			"subject_token":      "Of an exchange: the ID token",
			"subject_token_type": typeIDToken,
			"purpose":            "Of client_credentials: the name of the accepted service job",
			"tenant":             "Of client_credentials: the key of the tenant",
			"scope":              "read: a token that only reads",
		}, t.token, t.tokenError)
	type revokeSessionIn struct {
		Session string `path:"session" format:"uuid"`
		Body    struct {
			Database string `json:"database,omitempty" doc:"Only in this one; all in which it has had tokens unless told"`
			Reason   string `json:"reason,omitempty" maxLength:"1000"`
		}
	}
	type revokeSessionOut struct {
		Body struct {
			Databases []string `json:"databases" doc:"In which the session has had tokens"`
			Ended     int      `json:"ended" doc:"Transactions that were ended at once"`
			Waiting   []string `json:"waiting" doc:"Databases that could not be reached; they are told as soon as they can be"`
		}
	}
	web.Handle(a, web.Operation{ID: "revoke-tenant-session", Method: "POST", Path: "/tenant/sessions/{session}/revoke", Summary: "End a session for good", Permission: actor.ChangeTenancy},
		func(ctx context.Context, by actor.Actor, in *revokeSessionIn) (*revokeSessionOut, error) {
			id, err := uuid.Parse(in.Session)
			if err != nil {
				return nil, errs.New(errs.Invalid, "tenancy.session_id", "This is not the id of a session.").WithFix("Copy it from the list of sessions of the database.")
			}
			r, err := t.Revoke(ctx, by, id, in.Body.Database, in.Body.Reason)
			o := &revokeSessionOut{}
			o.Body.Databases, o.Body.Ended, o.Body.Waiting = append([]string{}, r.Databases...), r.Ended, append([]string{}, r.Waiting...)
			return o, err
		})
}

// tokenAnswer is the answer of RFC 8693, section 2.2.1.
type tokenAnswer struct {
	AccessToken     string `json:"access_token"`
	IssuedTokenType string `json:"issued_token_type"`
	TokenType       string `json:"token_type"`
	ExpiresIn       int64  `json:"expires_in"`
	Scope           string `json:"scope"`
}

// token answers a request for a token.
func (t *Tenancy) token(w http.ResponseWriter, r *web.Request) error {
	if !strings.HasPrefix(r.Actor.Session, "token:") { // a person in a browser asks for no tokens
		return errs.New(errs.Denied, "tenancy.denied", "Tokens are minted for an application that shows its API token.").WithFix("Send Authorization: Bearer garant_….")
	}
	caller := r.Actor.Session
	if wait := t.failing.wait(caller, r.Now); wait > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64(wait/time.Second)+1, 10))
		return writeOAuth(w, http.StatusTooManyRequests, "temporarily_unavailable", "Too many requests have failed. Wait as long as Retry-After says.")
	}
	req, err := tokenRequest(r)
	var m Minted
	if err == nil {
		m, err = t.Mint(r.Context(), r.Actor, req)
	}
	if err != nil {
		if errs.KindOf(err) != errs.Internal && errs.KindOf(err) != errs.Unavailable && idOf(err) != elsewhere {
			t.failing.failed(caller, r.Now)
		}
		return err
	}
	scope := "read write"
	if req.ReadOnly {
		scope = "read"
	}
	return web.WriteJSON(w, http.StatusOK, tokenAnswer{m.Token.Encode(), typeTenant, "N_A", int64(m.Lifetime / time.Second), scope})
}

// tokenRequest reads the form. A field that comes twice, or stands in the address, is no request (RFC 6749,
// section 3.2; what stands in an address is logged on its way).
func tokenRequest(r *web.Request) (Request, error) {
	invalid := func(code, text string) (Request, error) {
		return Request{}, errs.New(errs.Invalid, "tenancy.oauth."+code, text)
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" || r.URL.RawQuery != "" {
		return invalid("invalid_request", "Send the fields as application/x-www-form-urlencoded in the body, none in the address.")
	}
	if err := r.ParseForm(); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return Request{}, err
		}
		return invalid("invalid_request", "The form cannot be read.")
	}
	for name, values := range r.PostForm {
		if len(values) > 1 {
			return invalid("invalid_request", "The field "+clean(name)+" is there more than once.")
		}
	}
	f := r.PostForm
	req := Request{Database: f.Get("audience")}
	if req.Database == "" {
		return invalid("invalid_request", "The field audience is missing: the name of the database in the estate.")
	}
	switch f.Get("scope") {
	case "", "write", "read write":
	case "read":
		req.ReadOnly = true
	default:
		return invalid("invalid_scope", "The scope is read, or left out.")
	}
	switch f.Get("grant_type") {
	case grantExchange:
		if f.Get("subject_token_type") != typeIDToken {
			return invalid("invalid_request", "The field subject_token_type must be "+typeIDToken+".")
		}
		if kind := f.Get("requested_token_type"); kind != "" && kind != typeTenant {
			return invalid("invalid_request", "The field requested_token_type must be "+typeTenant+", or left out.")
		}
		if req.IDToken = f.Get("subject_token"); req.IDToken == "" {
			return invalid("invalid_request", "The field subject_token is missing: the ID token.")
		}
	case grantClient:
		req.Job, req.Tenant = f.Get("purpose"), f.Get("tenant")
		if req.Job == "" || req.Tenant == "" {
			return invalid("invalid_request", "The fields purpose and tenant are missing: the name of the accepted job, and the key of the tenant.")
		}
	case "":
		return invalid("invalid_request", "The field grant_type is missing.")
	default:
		return invalid("unsupported_grant_type", "The grant_type is "+grantExchange+" or "+grantClient+".")
	}
	return req, nil
}

// tokenError answers with an error as RFC 6749, section 5.2, and RFC 8693, section 2.2.2, want them.
func (t *Tenancy) tokenError(w http.ResponseWriter, r *web.Request, status int, err error) {
	code, status := oauthError(r, status, err)
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="garant"`)
	}
	text, fix := errs.Sentence(err)
	if fix != "" {
		text += " " + fix
	}
	var e *errs.Error
	if errors.As(err, &e) && e.ID == elsewhere {
		_ = web.WriteJSON(w, status, map[string]any{"error": code, "error_description": ascii(text), "place": e.Args["Place"]})
		return
	}
	_ = writeOAuth(w, status, code, text)
}

func idOf(err error) string {
	var e *errs.Error
	if errors.As(err, &e) {
		return e.ID
	}
	return ""
}

func oauthError(r *web.Request, status int, err error) (string, int) {
	switch idOf(err) {
	case "tenancy.oauth.invalid_request", "tenancy.tenant", "tenancy.request", "web.too_large":
		return "invalid_request", http.StatusBadRequest
	case "tenancy.oauth.invalid_scope", "tenancy.job_access":
		return "invalid_scope", http.StatusBadRequest
	case "tenancy.oauth.unsupported_grant_type":
		return "unsupported_grant_type", http.StatusBadRequest
	case "tenancy.no_database", elsewhere: // RFC 8693, section 2.2.2
		return "invalid_target", http.StatusBadRequest
	case "web.denied":
		if r.Actor.Kind == actor.Public {
			return "invalid_client", http.StatusUnauthorized
		}
		return "unauthorized_client", http.StatusForbidden
	case "tenancy.denied":
		if !strings.HasPrefix(r.Actor.Session, "token:") {
			return "invalid_client", http.StatusUnauthorized
		}
		return "unauthorized_client", http.StatusForbidden
	case "directory.token": // unknown, expired or revoked
		return "invalid_client", http.StatusUnauthorized
	}
	switch {
	case errs.Is(err, errs.Denied):
		return "invalid_grant", http.StatusBadRequest
	case errs.Is(err, errs.Conflict), errs.Is(err, errs.Unavailable):
		return "temporarily_unavailable", http.StatusServiceUnavailable
	case status >= http.StatusInternalServerError:
		return "server_error", status
	}
	return "invalid_request", http.StatusBadRequest
}

// writeOAuth answers with an error. Nothing of it is kept by caches: the site says so of every answer.
func writeOAuth(w http.ResponseWriter, status int, code, text string) error {
	return web.WriteJSON(w, status, map[string]string{"error": code, "error_description": ascii(text)})
}

// ascii writes a text with what error_description may hold: printable ASCII without the quote and the
// backslash (RFC 6749, section 5.2).
func ascii(s string) string {
	out := make([]rune, 0, len(s))
	for _, r := range s {
		switch {
		case r == '’' || r == '"' || r == '“' || r == '”':
			out = append(out, '\'')
		case r == '\u202f' || r == '\u00a0':
			out = append(out, ' ')
		case r < ' ' || r > '~' || r == '\\':
			out = append(out, '?')
		default:
			out = append(out, r)
		}
	}
	return string(out)
}
