package stream

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/engine/auditlog/export"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/outgoing"
)

// webhook posts batches, signed as Standard Webhooks 1.0.0 has it:
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
type webhook struct {
	*Streams
	d estate.Stream
}

// The names of the headers.
const (
	headerID        = "Webhook-Id"
	headerTime      = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"
)

func (w webhook) send(ctx context.Context, b batch) error {
	signatures := make([]string, 0, 2)
	now := w.Now()
	for _, one := range []struct {
		key    string
		secret estate.Secret
	}{{"secret", w.d.Secret}, {"previous_secret", w.d.Previous}} {
		if one.secret.IsZero() && one.key != "secret" {
			continue
		}
		text, err := one.secret.Reveal() // each time: a secret that was replaced counts at once
		if err != nil {
			return secretFailure(one.key, err)
		}
		key, ok := webhookKey(text)
		if !ok {
			return &failure{problem: BadSecret, said: one.key + " is not whsec_ and the base64 of 24 to 64 bytes"}
		}
		signatures = append(signatures, sign(key, b.id, now, b.body))
	}
	client := &outgoing.Client{Private: w.d.Private, Trust: authorities(w.d.TrustPEM), Timeout: w.Timeout, MaxBody: 64 << 10, UserAgent: "Garant/" + w.Build}
	answer, err := client.Do(ctx, outgoing.Request{
		Method: http.MethodPost, URL: w.d.URL, Body: b.body,
		Header:  http.Header{"Content-Type": {export.Format(w.d.Format).ContentType()}, headerID: {b.id}, headerTime: {strconv.FormatInt(now.Unix(), 10)}},
		Secrets: http.Header{headerSignature: {strings.Join(signatures, " ")}},
	})
	if err != nil {
		return unanswered(err)
	}
	return judged(answer, now)
}

// webhookKey reads a secret of Standard Webhooks.
func webhookKey(text string) ([]byte, bool) {
	encoded, found := strings.CutPrefix(strings.TrimSpace(text), "whsec_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	return key, found && err == nil && len(key) >= 24 && len(key) <= 64
}

// sign makes a signature of version 1: HMAC-SHA-256 over id, time and body.
func sign(key []byte, id string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// judged says what the status of an answer means. Its words count for nothing.
func judged(answer *outgoing.Response, now time.Time) error {
	status := answer.Status
	f := &failure{said: "HTTP " + strconv.Itoa(status), wait: retryAfter(answer.Header.Get("Retry-After"), now)}
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusTooManyRequests:
		f.problem = Throttled
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status >= 500:
		f.problem = Failing
	case status == http.StatusRequestEntityTooLarge:
		f.problem, f.tooLarge = Refused, true
	default: // redirects too: entries go to the address that was declared
		f.problem = Refused
	}
	return f
}

// retryAfter reads seconds or a date (RFC 9110, section 10.2.3).
func retryAfter(value string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second //nolint:gosec // 31 bits
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// unanswered says why nothing was heard.
func unanswered(err error) error {
	f := &failure{problem: NoAnswer, said: outgoing.Reason(err)}
	switch {
	case errors.Is(err, outgoing.ErrAddress):
		f.problem = BadAddress
	case errors.Is(err, outgoing.ErrUntrusted):
		f.problem = Untrusted
	case errors.Is(err, outgoing.ErrRedirect):
		f.problem = Refused
	}
	return f
}

// authorities are those to trust; nil: the machine's.
func authorities(pem []byte) *x509.CertPool {
	if pem == nil {
		return nil
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return pool
}
