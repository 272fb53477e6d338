package tenant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Endpoint is where Garant answers applications over HTTP.
type Endpoint struct {
	URL string // https, or http to this machine itself
	// APIToken gives the application's own token for Garant, which an administrator made. It is asked for
	// each time, so that it can be replaced while the application runs.
	APIToken func(context.Context) (string, error)
	Client   *http.Client // nil: one of its own that waits 10 seconds at most; redirects are never followed
}

// Exchange gives tokens in exchange for the verified ID token of a login (RFC 8693).
type Exchange struct {
	Endpoint
	Audience string // name of the database in Garant's estate
	ReadOnly bool
	IDToken  func(context.Context) (string, error) // of the login; the company's provider signed it
}

// Token asks for a token. The errors: [*RefusedError], or what the network said.
func (e Exchange) Token(ctx context.Context) (Token, error) {
	id, err := e.IDToken(ctx)
	if err != nil {
		return Token{}, err
	}
	form := url.Values{
		"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token":      {id},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:id_token"},
		"audience":           {e.Audience},
	}
	if e.ReadOnly {
		form.Set("scope", "read")
	}
	return e.token(ctx, form)
}

// At is the same login's, for another database.
func (e Exchange) At(database string) Source {
	e.Audience = database
	return e
}

// Job gives tokens for a job that runs for a tenant without a login, and that was accepted by name.
type Job struct {
	Endpoint
	Audience string // name of the database in Garant's estate
	Purpose  string // name of the accepted job
	Tenant   ID
	ReadOnly bool
}

// Token asks for a token. The errors are those of [Exchange.Token].
func (j Job) Token(ctx context.Context) (Token, error) {
	form := url.Values{"grant_type": {"client_credentials"}, "audience": {j.Audience}, "purpose": {j.Purpose}, "tenant": {j.Tenant.String()}}
	if j.ReadOnly {
		form.Set("scope", "read")
	}
	return j.token(ctx, form)
}

// At is the same job's, for another database.
func (j Job) At(database string) Source {
	j.Audience = database
	return j
}

// RefusedError is Garant's refusal to give a token (RFC 6749, section 5.2), or an answer that is none.
type RefusedError struct {
	Status      int
	Code        string // invalid_grant, invalid_client, …; empty: the answer was not understood
	Description string
	Place       string // of a tenant that lives in another database: its name in the estate; a token is to be asked for there
}

func (e *RefusedError) Error() string {
	switch {
	case e.Code == "":
		return fmt.Sprintf("tenant: the endpoint of tokens answered %d, and nothing that is understood: is the address right?", e.Status)
	case e.Description == "":
		return fmt.Sprintf("tenant: no token: %s", e.Code)
	}
	return fmt.Sprintf("tenant: no token: %s (%s)", e.Description, e.Code)
}

func (e Endpoint) token(ctx context.Context, form url.Values) (Token, error) {
	status, body, err := e.ask(ctx, http.MethodPost, e.URL, form)
	if err != nil {
		return Token{}, err
	}
	var answer struct {
		AccessToken string `json:"access_token"`
		IssuedType  string `json:"issued_token_type"`
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Place       string `json:"place"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || status != http.StatusOK || answer.Error != "" {
		return Token{}, &RefusedError{status, answer.Error, answer.Description, answer.Place}
	}
	t, err := ParseToken(answer.AccessToken)
	if err != nil || answer.IssuedType != "urn:garant:token-type:tenant" {
		return Token{}, &RefusedError{Status: status}
	}
	return t, nil
}

// most is what is read of an answer.
const most = 64 << 10

func (e Endpoint) ask(ctx context.Context, method, address string, form url.Values) (status int, body []byte, err error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return 0, nil, errors.New("tenant: the address of the endpoint is not a URL")
	}
	if u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		return 0, nil, errors.New("tenant: the endpoint is asked by https only, because tokens go there and come back")
	}
	bearer, err := e.APIToken(ctx)
	if err != nil {
		return 0, nil, err
	}
	var in io.Reader
	if form != nil {
		in = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(ctx, method, address, in)
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Authorization", "Bearer "+bearer)
	r.Header.Set("Accept", "application/json")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	client := http.Client{Timeout: 10 * time.Second}
	if e.Client != nil {
		client = *e.Client
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(r)
	if err != nil {
		return 0, nil, fmt.Errorf("tenant: asking Garant: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(res.Body, most+1))
	if err == nil && len(body) > most {
		err = errors.New("the answer is too long")
	}
	if err != nil {
		return 0, nil, fmt.Errorf("tenant: asking Garant: %w", err)
	}
	return res.StatusCode, body, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
