package endpoint

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/garant-project/garant/internal/engine/endpoint/tlsscan"
	"github.com/garant-project/garant/internal/estate"
)

const (
	maxHeader = 64 << 10
	userAgent = "Garant endpoint check"
)

// errUntrusted ends a handshake with a server that is not the one declared.
var errUntrusted = errors.New("the certificate is not to be trusted")

// get asks for the endpoint's path once and returns the status and header of the first answer.
// No redirect is followed, no cookie or proxy is used and the body is not read.
func (p *prober) get(ctx context.Context, e *estate.Endpoint, scheme, address string, now time.Time) (*reply, error) {
	// Connected here and not by the transport, which would not tell a connection that cannot be
	// opened in time from an answer that does not come in time.
	conn, err := p.connect(ctx, address)
	if err != nil {
		return nil, &dialError{err}
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, p.connection)
	defer cancel()
	transport := &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		TLSClientConfig: &tls.Config{
			ServerName:         e.Host,
			InsecureSkipVerify: true, //nolint:gosec // VerifyConnection verifies, with the run's clock and the declared identity
			MinVersion:         tls.VersionTLS10,
			CipherSuites:       everySuite(),
			VerifyConnection: func(state tls.ConnectionState) error {
				return trust(e, state.PeerCertificates, now)
			},
		},
		ForceAttemptHTTP2:      true,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
	}
	defer transport.CloseIdleConnections()
	host := e.Host
	if scheme == "https" && e.Port != 443 {
		host = net.JoinHostPort(e.Host, strconv.Itoa(e.Port))
	} else if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	target, err := url.Parse(scheme + "://" + host + cmp.Or(e.Path, "/"))
	if err != nil {
		return nil, err
	}
	request := (&http.Request{Method: http.MethodGet, URL: target, Host: host,
		Header: http.Header{"User-Agent": {userAgent}, "Accept": {"*/*"}}}).WithContext(ctx)
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	to, err := response.Location() // resolved against the request
	if err != nil {
		to = nil
	}
	return &reply{status: response.StatusCode, header: response.Header, location: to}, nil
}

// reply is the head of an answer.
type reply struct {
	status   int
	header   http.Header
	location *url.URL // where the Location header leads; nil without one that can be read
}

// dialError tells a connection that could not be opened from one that went wrong later.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// trust accepts a chain that a browser would accept at the given moment, and that holds the
// declared identity if there is one.
func trust(e *estate.Endpoint, chain []*x509.Certificate, now time.Time) error {
	if len(chain) == 0 {
		return errUntrusted
	}
	s := &served{endpoint: e, now: now, chain: chain}
	s.verify()
	leaf := chain[0]
	if s.err != nil || now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) || leaf.VerifyHostname(e.Host) != nil || !s.identified() {
		return errUntrusted
	}
	return nil
}

// rawHTTP is what evidence keeps of an answer.
type rawHTTP struct {
	Answer   string `json:"answer"` // "answered", or why not
	Status   int    `json:"status,omitempty"`
	Location string `json:"location,omitempty"`
	HSTS     string `json:"strict_transport_security,omitempty"`
	Fields   int    `json:"strict_transport_security_fields,omitempty"`
}

// hsts reads the Strict-Transport-Security header of one endpoint, for ENC-2.
func (p *prober) hsts(ctx context.Context, policy *estate.Policy, e *estate.Endpoint, now time.Time) *look {
	l := &look{}
	response, err := p.get(ctx, e, "https", e.Address(), now)
	if err != nil {
		problem, cause := httpSilence(err)
		l.raw = rawHTTP{Answer: cause}
		l.add(problem, "an answer over verified TLS", cause)
		return l
	}
	// Only the first field counts (RFC 6797 §8.1), whatever the others say.
	fields := response.header.Values("Strict-Transport-Security")
	raw := rawHTTP{Answer: "answered", Status: response.status, Fields: len(fields)}
	if len(fields) > 0 {
		raw.HSTS = clean(fields[0])
	}
	l.raw = raw
	expected := expectedHSTS(policy)
	if len(fields) == 0 {
		if response.status >= 500 {
			// What stands in for a server that is away says nothing about the server.
			l.add(HSTSUnreadable, expected, "HTTP "+strconv.Itoa(response.status))
			return l
		}
		l.add(HSTSMissing, expected, "no header")
		return l
	}
	header, err := parseHSTS(fields[0])
	switch {
	case err != nil:
		l.add(HSTSMalformed, expected, fields[0]+" ("+err.Error()+")")
		return l
	case header.maxAge == 0:
		l.add(HSTSDisabled, expected, fields[0])
	case header.maxAge < policy.HSTSMaxAge:
		l.add(HSTSShort, expected, fields[0])
	}
	if policy.HSTSSubdomains && !header.subdomains {
		l.add(HSTSSubdomains, expected, fields[0])
	}
	l.maxAge = header.maxAge
	return l
}

func expectedHSTS(policy *estate.Policy) string {
	s := fmt.Sprintf("max-age=%d", int64(policy.HSTSMaxAge/time.Second))
	if policy.HSTSSubdomains {
		s += "; includeSubDomains"
	}
	return s
}

// httpSilence says why there was no answer to read over TLS.
func httpSilence(err error) (Problem, string) {
	var dial *dialError
	var timeout net.Error
	switch {
	case errors.Is(err, errUntrusted):
		return HSTSUntrusted, "a certificate that clients refuse"
	case errors.As(err, &dial):
		return Unreachable, tlsscan.DialReason(dial.err)
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return Silent, "no answer in time"
	}
	return HSTSUnreadable, "the answer is no HTTP over TLS"
}

// plainHTTP asks one endpoint for its page without TLS, for ENC-1. Nothing answering is as
// good as a redirect to https on the same host, but only of an endpoint that is up: of one
// whose TLS side cannot be reached either nothing is known.
func (p *prober) plainHTTP(ctx context.Context, e *estate.Endpoint, now time.Time) *look {
	l := &look{}
	response, err := p.get(ctx, e, "http", plainAddress(e), now)
	if err != nil {
		p.plainSilence(ctx, l, e, err)
		return l
	}
	location := response.header.Get("Location")
	l.raw = rawHTTP{Answer: "answered", Status: response.status, Location: clean(location)}
	const expected = "no answer, or a redirect to https on the same host"
	actual := "HTTP " + strconv.Itoa(response.status)
	if location != "" {
		actual += " to " + location
	}
	redirects := []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect}
	if !slices.Contains(redirects, response.status) {
		l.add(PlainContent, expected, actual)
		return l
	}
	to := response.location
	switch {
	case to == nil:
		l.add(PlainContent, expected, actual)
	case to.Scheme != "https":
		l.add(PlainInsecure, expected, actual)
	case !sameHost(to.Hostname(), e.Host):
		l.add(PlainOtherHost, expected, actual)
	}
	return l
}

// plainSilence judges why plain HTTP gave no answer.
func (p *prober) plainSilence(ctx context.Context, l *look, e *estate.Endpoint, err error) {
	var dial *dialError
	var timeout net.Error
	switch {
	case errors.As(err, &dial):
		cause := tlsscan.DialReason(dial.err)
		l.raw = rawHTTP{Answer: cause}
		if !unanswered(dial.err) {
			l.add(Unreachable, "an answer", cause)
			return
		}
		conn, err := p.connect(ctx, e.Address())
		if err != nil {
			l.add(Unreachable, "an answer on the TLS side", tlsscan.DialReason(err))
			return
		}
		conn.Close()
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		l.raw = rawHTTP{Answer: "no answer in time"}
		l.add(Silent, "an answer or a refused connection", "no answer in time")
	case errors.Is(err, syscall.ECONNRESET):
		l.raw = rawHTTP{Answer: "reset"}
		l.add(PlainUnreadable, "an HTTP answer or a refused connection", "reset")
	default:
		l.raw = rawHTTP{Answer: "no HTTP"}
		l.add(PlainUnreadable, "an HTTP answer or a refused connection", "the answer is no HTTP")
	}
}

// unanswered reports whether a failed connection says that nothing answers at the address: it was
// refused, went unanswered or was turned back on the way. All else is a fault on our side, such as
// no name, no file descriptor or no right to connect, and says nothing.
func unanswered(err error) bool {
	var timeout net.Error
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return false
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return true
	}
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.ENETUNREACH)
}

func sameHost(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, "."), strings.TrimSuffix(b, "."))
}
