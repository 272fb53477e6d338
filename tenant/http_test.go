package tenant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	apiToken = "api-5ecret"
	idToken  = "id-5ecret"
)

func say(s string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return s, nil }
}

func serve(t *testing.T, h http.HandlerFunc) Endpoint {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return Endpoint{URL: s.URL + "/api/v1/tenant/token", APIToken: say(apiToken)}
}

// What is sent is what RFC 8693 and RFC 6749 say, and what is answered is read.
func TestExchange(t *testing.T) {
	token := mint(t, time.Minute)
	var form map[string][]string
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer "+apiToken {
			t.Error(r.Method, r.Header, err)
		}
		form = r.PostForm
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": token.Encode(), "issued_token_type": "urn:garant:token-type:tenant", "token_type": "N_A", "expires_in": 60})
	})
	for _, x := range []struct {
		source Source
		want   string
	}{
		{Exchange{Endpoint: at, Audience: "shop", IDToken: say(idToken)},
			"map[audience:[shop] grant_type:[urn:ietf:params:oauth:grant-type:token-exchange] subject_token:[id-5ecret] subject_token_type:[urn:ietf:params:oauth:token-type:id_token]]"},
		{Exchange{Endpoint: at, Audience: "shop", ReadOnly: true, IDToken: say("x")},
			"map[audience:[shop] grant_type:[urn:ietf:params:oauth:grant-type:token-exchange] scope:[read] subject_token:[x] subject_token_type:[urn:ietf:params:oauth:token-type:id_token]]"},
		{Job{Endpoint: at, Audience: "shop", Purpose: "invoices", Tenant: Int(42)}, "map[audience:[shop] grant_type:[client_credentials] purpose:[invoices] tenant:[42]]"},
	} {
		got, err := x.source.Token(t.Context())
		if err != nil || got != token {
			t.Error(got, err)
		}
		if fmt.Sprint(form) != x.want {
			t.Errorf("sent %v, want %v", form, x.want)
		}
	}
}

// A login whose tenant lives in another database is led there by the refusal, once and no further, and asked for there from then on.
func TestLedElsewhere(t *testing.T) {
	token := mint(t, time.Minute)
	var asked []string
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		to := r.PostFormValue("audience")
		asked = append(asked, to)
		if next := map[string]string{"shop": "acme", "lost": "found", "found": "lost"}[to]; next != "" {
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]any{"error": "invalid_target", "error_description": "elsewhere", "place": next})
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": token.Encode(), "issued_token_type": "urn:garant:token-type:tenant", "token_type": "N_A", "expires_in": 60})
	})
	c := Cache(Exchange{Endpoint: at, Audience: "shop", IDToken: say(idToken)})
	for range 3 {
		if got, err := c.Token(t.Context()); err != nil || got != token {
			t.Fatal(got, err)
		}
	}
	if fmt.Sprint(asked) != "[shop acme]" {
		t.Errorf("asked %v", asked)
	}
	asked = nil
	var refused *RefusedError
	if _, err := Cache(Exchange{Endpoint: at, Audience: "lost", IDToken: say(idToken)}).Token(t.Context()); !errors.As(err, &refused) || refused.Place != "lost" {
		t.Error(err)
	}
	if fmt.Sprint(asked) != "[lost found]" {
		t.Errorf("asked %v", asked)
	}
}

// Refusals say what Garant said; nothing else is taken for a token, followed elsewhere or told on.
func TestExchangeRefused(t *testing.T) {
	stolen := make(chan string, 100)
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { stolen <- r.Header.Get("Authorization") }))
	defer thief.Close()
	good := mint(t, time.Minute).Encode()
	for name, x := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"refused":     {400, `{"error":"invalid_grant","error_description":"The ID token has expired."}`, "The ID token has expired. (invalid_grant)"},
		"no words":    {401, `{"error":"invalid_client"}`, "invalid_client"},
		"a page":      {200, `<html>`, "is the address right?"},
		"not found":   {404, ``, "404"},
		"no token":    {200, `{"access_token":"x","issued_token_type":"urn:garant:token-type:tenant"}`, "is the address right?"},
		"other type":  {200, `{"access_token":"` + good + `","issued_token_type":"urn:ietf:params:oauth:token-type:jwt"}`, "is the address right?"},
		"error in it": {200, `{"access_token":"` + good + `","issued_token_type":"urn:garant:token-type:tenant","error":"x"}`, "no token: x"},
		"status":      {201, `{"access_token":"` + good + `","issued_token_type":"urn:garant:token-type:tenant"}`, "201"},
		"endless":     {200, strings.Repeat(" ", most+1), "too long"},
		"redirect":    {307, ``, "307"},
	} {
		at := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", thief.URL)
			w.WriteHeader(x.status)
			_, _ = w.Write([]byte(x.body))
		})
		got, err := Exchange{Endpoint: at, Audience: "shop", IDToken: say(idToken)}.Token(t.Context())
		if err == nil || !got.IsZero() || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", name, err, x.want)
		} else if said := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(said, "5ecret") || strings.Contains(said, good) {
			t.Errorf("%s: a secret is told: %s", name, said)
		}
	}
	if len(stolen) > 0 {
		t.Error("the redirect was followed with", <-stolen)
	}
	for _, url := range []string{"http://garant.example.com/x", "ftp://127.0.0.1/x", "/x", "", "http://127.0.0.1.example.com"} {
		at := Endpoint{URL: url, APIToken: say(apiToken), Client: &http.Client{Transport: refuse{t}}}
		if _, err := (Exchange{Endpoint: at, IDToken: say(idToken)}).Token(t.Context()); err == nil {
			t.Errorf("%q was asked", url)
		}
	}
	gone := serve(t, func(http.ResponseWriter, *http.Request) {})
	gone.Client = &http.Client{Transport: refuse{}}
	if _, err := (Exchange{Endpoint: gone, IDToken: say(idToken)}).Token(t.Context()); err == nil || strings.Contains(err.Error(), "5ecret") {
		t.Error(err)
	}
	failing := errors.New("signed out")
	if _, err := (Exchange{Endpoint: gone, IDToken: func(context.Context) (string, error) { return "", failing }}).Token(t.Context()); !errors.Is(err, failing) {
		t.Error(err)
	}
}

// refuse is a network that is not there, and must not be needed when t is set.
type refuse struct{ t *testing.T }

func (r refuse) RoundTrip(*http.Request) (*http.Response, error) {
	if r.t != nil {
		r.t.Error("the network was used")
	}
	return nil, errors.New("unreachable")
}

func pools(t *testing.T, names ...string) map[string]*pgxpool.Pool {
	all := map[string]*pgxpool.Pool{}
	for _, n := range names {
		p, err := pgxpool.New(t.Context(), "host=/nowhere user=x dbname="+n) // connects when it is used
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		all[n] = p
	}
	return all
}

func TestPools(t *testing.T) {
	all := pools(t, "shared", "own")
	p := Pools{Shared: all["shared"], Own: map[ID]*pgxpool.Pool{Int(7): all["own"]}}
	for id, want := range map[ID]string{Int(7): "own", Int(8): "shared"} {
		if got, err := p.Pool(t.Context(), id); err != nil || got != all[want] {
			t.Errorf("%s: %v, want %s", id, err, want)
		}
	}
	if _, err := (Pools{Own: p.Own}).Pool(t.Context(), Int(8)); err == nil {
		t.Error("a tenant without a pool")
	}
}

// A tenant on the move is waited for, then found where it went; meanwhile Garant is asked by one, and others' contexts end.
func TestPlaces(t *testing.T) {
	all := pools(t, "paris", "berlin")
	var asked, status atomic.Int32
	var answer atomic.Value
	answer.Store(`{"place":"paris","max_age":60}`)
	status.Store(200)
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if q := r.URL.Query(); q.Get("audience") != "shop" || q.Get("type") != "bigint" || q.Get("tenant") != "7" || r.Header.Get("Authorization") != "Bearer "+apiToken {
			t.Error(r.URL, r.Header)
		}
		w.WriteHeader(int(status.Load()))
		_, _ = w.Write([]byte(answer.Load().(string)))
	})
	p := &Places{Endpoint: at, Audience: "shop", Pools: all}
	where := func(want string) {
		t.Helper()
		if got, err := p.Pool(t.Context(), Int(7)); err != nil || got != all[want] {
			t.Errorf("%v, want %s", err, want)
		}
	}
	var crowd sync.WaitGroup
	for range 50 {
		crowd.Go(func() { where("paris") })
	}
	crowd.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times, want 1", n)
	}

	answer.Store(`{"paused":true}`)
	p.Forget(Int(7))
	short, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if _, err := p.Pool(short, Int(7)); !errors.Is(err, ErrMoving) || !errors.Is(err, context.DeadlineExceeded) {
		t.Error("while it moves:", err)
	}
	crowd.Go(func() { where("berlin") })
	time.Sleep(20 * time.Millisecond)
	answer.Store(`{"place":"berlin","max_age":1}`)
	crowd.Wait()

	status.Store(503) // Garant is away
	where("berlin")
	time.Sleep(1100 * time.Millisecond)
	if _, err := p.Pool(t.Context(), Int(7)); err == nil || !strings.Contains(err.Error(), "503") {
		t.Error("an old answer is used:", err)
	}
	p.Grace = time.Minute
	where("berlin")
	status.Store(200)
	for _, x := range []string{`{"place":"rome","max_age":1}`, `{}`, `[]`, `x`} {
		answer.Store(x)
		p.Forget(Int(7))
		if _, err := p.Pool(t.Context(), Int(7)); err == nil {
			t.Errorf("%s was understood", x)
		}
	}
}
