package workspace

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	reports "google.golang.org/api/admin/reports/v1"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
)

// The bounds of asking.
const (
	attempts = 4
	backoff  = time.Second
	patience = 30 * time.Second // for one Retry-After
	maxPages = 50
	mostSkew = 30 * time.Second
)

// client asks the Reports API on behalf of an administrator.
type client struct {
	service *reports.Service
	key     serviceKey
	wait    func(context.Context, time.Duration) error

	mu    sync.Mutex
	skew  time.Duration
	since func(time.Time) time.Duration // how far a time of Google is from ours
}

// open gets a token of its own, which Google records, and a client with it.
func (w *Workspaces) open(ctx context.Context, key serviceKey, admin string, since func(time.Time) time.Duration) (*client, error) {
	c := &client{key: key, wait: w.wait, since: since}
	plain := &http.Client{Transport: watched{w.http, c}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var token string
	err := c.again(ctx, func() (err error) {
		token, err = key.token(ctx, plain, w.tokenURL, admin)
		return err
	})
	if err != nil {
		return c, err
	}
	signed := *plain
	signed.Transport = bearer{plain.Transport, token}
	options := []option.ClientOption{option.WithHTTPClient(&signed)}
	if w.endpoint != "" {
		options = append(options, option.WithEndpoint(w.endpoint))
	}
	c.service, err = reports.NewService(ctx, options...)
	return c, err
}

// bearer sends a token with each request (RFC 6750).
type bearer struct {
	http.RoundTripper

	token string
}

// RoundTrip adds the token to a request that is otherwise left as it is.
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.RoundTripper.RoundTrip(r)
}

// watched notes how far the clock of Google is from ours.
type watched struct {
	http.RoundTripper

	c *client
}

// RoundTrip notes the Date of the answer.
func (w watched) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := w.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if at, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		w.c.mu.Lock()
		w.c.skew = max(w.c.skew, w.c.since(at).Abs())
		w.c.mu.Unlock()
	}
	return res, nil
}

func (c *client) clock() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.skew
}

// again tries a call a few times, as long as Google says that it may go better.
func (c *client) again(ctx context.Context, call func() error) error {
	for n := 1; ; n++ {
		err := call()
		if err == nil || n == attempts {
			return err
		}
		p, _ := why(err)
		if p != Throttled && p != Unreachable || ctx.Err() != nil {
			return err
		}
		pause := backoff << (n - 1)
		if told, ok := retryAfter(err); ok {
			if pause = told; pause > patience {
				return err
			}
		}
		if c.wait(ctx, pause) != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// retryAfter reads what Google asks for: seconds, or a date (RFC 9110, section 10.2.3).
func retryAfter(err error) (time.Duration, bool) {
	var header http.Header
	var api *googleapi.Error
	var token *tokenError
	switch {
	case errors.As(err, &api):
		header = api.Header
	case errors.As(err, &token):
		header = token.header
	}
	text := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at)), true
	}
	return 0, false
}

// why says what an error of Google means; nothing of its text is kept, which may name people.
func why(err error) (p Problem, text string) {
	var token *tokenError
	if errors.As(err, &token) {
		switch code := token.code; {
		case code == "unauthorized_client", code == "access_denied", code == "invalid_scope":
			return NotDelegated, code
		case code == "invalid_grant", code == "invalid_client", code == "disabled_client", code == "deleted_client", code == "admin_policy_enforced":
			return BadCredentials, code
		case token.status == http.StatusTooManyRequests, code == "rate_limit_exceeded":
			return Throttled, "tokens"
		}
		return Unreachable, "tokens: " + strconv.Itoa(token.status)
	}
	var api *googleapi.Error
	if errors.As(err, &api) {
		limited := slices.ContainsFunc(api.Errors, func(e googleapi.ErrorItem) bool {
			return slices.Contains([]string{"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded"}, e.Reason)
		})
		switch {
		case api.Code == http.StatusTooManyRequests, api.Code == http.StatusForbidden && limited:
			return Throttled, "activities.list"
		case api.Code == http.StatusUnauthorized:
			return BadCredentials, "the token is refused"
		case api.Code == http.StatusForbidden:
			return Denied, "activities.list"
		}
		return Unreachable, "activities.list: " + strconv.Itoa(api.Code)
	}
	return Unreachable, "no answer"
}

// entry is what is asked of an activity: who did what is left with Google.
type entry struct {
	at       time.Time
	customer string
	log      string
	own      bool // made by the service account of the key
}

// What is asked for of each activity.
const (
	idFields    = "nextPageToken,items/id(time,customerId,applicationName)"
	eventFields = "nextPageToken,items(id(time,customerId,applicationName),events(name,parameters(name,value)))"
)

// newest finds the newest entry of a log since a time; since zero: of all that Google keeps. ok: there is one.
func (c *client) newest(ctx context.Context, log, customer string, since time.Time) (entry, bool, error) {
	return c.find(ctx, log, customer, since, "", false)
}

// own finds the newest entry that Google made of what the service account did.
func (c *client) own(ctx context.Context, log, customer string, since time.Time) (entry, bool, error) {
	for _, event := range []string{"activity", "authorize"} { // a call of an API, and the grant of a token
		if e, ok, err := c.find(ctx, log, customer, since, event, true); ok || err != nil {
			return e, ok, err
		}
	}
	return entry{}, false, nil
}

// find reads pages until there is an entry; Google gives the newest first, and may give a page without any.
func (c *client) find(ctx context.Context, log, customer string, since time.Time, event string, own bool) (entry, bool, error) {
	next := ""
	for range maxPages {
		call := c.service.Activities.List("all", log).CustomerId(customer).MaxResults(50).Context(ctx)
		if own {
			call = call.EventName(event).Filters("client_id==" + c.key.ClientID).Fields(eventFields)
		} else {
			call = call.Fields(idFields)
		}
		if !since.IsZero() {
			call = call.StartTime(since.UTC().Format("2006-01-02T15:04:05.000Z"))
		}
		if next != "" {
			call = call.PageToken(next)
		}
		var page *reports.Activities
		if err := c.again(ctx, func() (err error) {
			page, err = call.Do()
			return err
		}); err != nil {
			return entry{}, false, err
		}
		var best entry
		found := false
		for _, a := range page.Items {
			e, ok := c.entry(a)
			if ok && e.customer == customer && e.log != log {
				continue // not what was asked for
			}
			if !ok || own && !e.own && e.customer == customer {
				continue
			}
			if e.customer != customer { // whatever else is there
				return e, true, nil
			}
			if !found || e.at.After(best.at) {
				best, found = e, true
			}
		}
		if found || page.NextPageToken == "" {
			return best, found, nil
		}
		next = page.NextPageToken
	}
	return entry{}, false, nil
}

func (c *client) entry(a *reports.Activity) (entry, bool) {
	if a == nil || a.Id == nil {
		return entry{}, false
	}
	at, err := time.Parse(time.RFC3339, a.Id.Time)
	if err != nil {
		return entry{}, false
	}
	e := entry{at: at, customer: a.Id.CustomerId, log: a.Id.ApplicationName}
	for _, event := range a.Events {
		if event == nil {
			continue
		}
		for _, p := range event.Parameters {
			e.own = e.own || p != nil && p.Name == "client_id" && p.Value == c.key.ClientID
		}
	}
	return e, true
}
