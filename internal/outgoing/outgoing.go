// Package outgoing is the one HTTP client for addresses that somebody wrote down.
//
// An answer is bounded in size and time, its redirects in number. An address is judged after its
// name was resolved, when the connection is made, and again on each redirect:
//
//   - link-local addresses, where clouds answer with credentials of the machine (169.254.169.254,
//     fe80::/10, fd00:ec2::254, 100.100.100.200, 168.63.129.16, 192.0.0.192), multicast and unspecified ones: never
//   - loopback and private ones (RFC 1918, RFC 4193, RFC 6598): only where the address itself was
//     declared by the operator (Private), and never by way of a redirect to another origin
//
// Headers that hold a secret are sent to the origin they were meant for and to no other. No proxy of
// the environment is used, no cookie is kept. A redirect from https to http is not followed.
package outgoing

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"syscall"
	"time"
)

// The ways in which a call fails besides those of package net.
var (
	ErrAddress   = errors.New("an address that is not called")
	ErrRedirect  = errors.New("a redirect that is not followed")
	ErrTooLarge  = errors.New("an answer that is too large")
	ErrUntrusted = errors.New("a certificate that clients refuse")
)

// The usual bounds.
const (
	DefaultTimeout = 10 * time.Second
	DefaultBody    = 1 << 20
	maxHeader      = 64 << 10
)

// Client makes calls. The zero value calls public addresses only.
type Client struct {
	Private   bool           // the address was declared by the operator: it may be loopback or private
	Trust     *x509.CertPool // nil: the machine's
	Connect   string         // host:port to connect to instead of the first origin's; empty: resolve
	MinTLS    uint16         // least version; 0: TLS 1.2
	Timeout   time.Duration  // of the whole; 0: DefaultTimeout
	MaxBody   int64          // bytes; 0: DefaultBody
	Redirects int            // how many are followed
	UserAgent string
}

// Request is what is asked.
type Request struct {
	Method  string // empty: GET
	URL     string
	Header  http.Header
	Secrets http.Header // like Header, for the origin of URL alone
	Body    []byte
}

// Response is an answer, read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	TLS    uint16 // version; 0: none
	URL    string // where it came from at last
}

// Do makes a call.
func (c *Client) Do(ctx context.Context, r Request) (*Response, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Timeout, DefaultTimeout))
	defer cancel()
	first, err := parse(r.URL)
	if err != nil {
		return nil, err
	}
	at, method := first, cmp.Or(r.Method, http.MethodGet)
	for followed := 0; ; followed++ {
		response, next, err := c.once(ctx, r, method, at, sameOrigin(first, at))
		if err != nil || next == nil || c.Redirects == 0 {
			return response, err
		}
		switch {
		case followed == c.Redirects:
			return nil, ErrRedirect
		case at.Scheme == "https" && next.Scheme != "https":
			return nil, ErrRedirect
		case method != http.MethodGet && method != http.MethodHead:
			return nil, ErrRedirect
		}
		at = next
	}
}

func parse(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
		return nil, ErrAddress
	}
	return u, nil
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && a.Hostname() == b.Hostname() && port(a) == port(b)
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

// once asks one address. next is where the answer sends to, nil when it does not.
func (c *Client) once(ctx context.Context, r Request, method string, at *url.URL, home bool) (response *Response, next *url.URL, err error) {
	transport := c.transport(home)
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, method, at.String(), bytes.NewReader(r.Body))
	if err != nil {
		return nil, nil, ErrAddress
	}
	set(request.Header, r.Header)
	if home {
		set(request.Header, r.Secrets)
	}
	if request.Header.Get("User-Agent") == "" {
		request.Header.Set("User-Agent", cmp.Or(c.UserAgent, "Garant"))
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return nil, nil, explain(err)
	}
	defer answer.Body.Close() //nolint:errcheck // read to its end, or given up
	most := cmp.Or(c.MaxBody, DefaultBody)
	body, err := io.ReadAll(io.LimitReader(answer.Body, most+1))
	if err != nil {
		return nil, nil, explain(err)
	}
	if int64(len(body)) > most {
		return nil, nil, ErrTooLarge
	}
	response = &Response{Status: answer.StatusCode, Header: answer.Header, Body: body, URL: at.String()}
	if answer.TLS != nil {
		response.TLS = answer.TLS.Version
	}
	switch answer.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		if location := answer.Header.Get("Location"); location != "" {
			to, err := at.Parse(location)
			if err != nil {
				return nil, nil, ErrRedirect
			}
			if next, err = parse(to.String()); err != nil {
				return nil, nil, ErrRedirect
			}
		}
	}
	return response, next, nil
}

func set(to, from http.Header) {
	for name, values := range from {
		to[http.CanonicalHeaderKey(name)] = values
	}
}

func (c *Client) transport(home bool) *http.Transport {
	private := c.Private && home
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		if !Allowed(address, private) {
			return ErrAddress
		}
		return nil
	}}
	return &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if home && c.Connect != "" {
				address = c.Connect
			}
			return dialer.DialContext(ctx, network, address)
		},
		TLSClientConfig:        &tls.Config{RootCAs: c.Trust, MinVersion: cmp.Or(c.MinTLS, uint16(tls.VersionTLS12))},
		TLSHandshakeTimeout:    5 * time.Second,
		DisableKeepAlives:      true,
		DisableCompression:     true, // a small answer may unfold into a large one
		MaxResponseHeaderBytes: maxHeader,
		ForceAttemptHTTP2:      true,
	}
}

// Allowed reports whether a resolved host:port may be called; private: loopback and private networks too.
func Allowed(address string, private bool) bool {
	resolved, err := netip.ParseAddrPort(address)
	if err != nil {
		return false
	}
	ip := resolved.Addr().Unmap().WithZone("")
	switch {
	case !ip.IsValid(), ip.IsUnspecified(), ip.IsMulticast(), ip.IsLinkLocalUnicast(), ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return false
	case slices.Contains(metadata(), ip):
		return false
	case ip.IsLoopback(), ip.IsPrivate(), netip.MustParsePrefix("100.64.0.0/10").Contains(ip), netip.MustParsePrefix("0.0.0.0/8").Contains(ip):
		return private
	case embeds(ip):
		return false
	}
	return true
}

// metadata lists the addresses, besides the link-local ones, at which clouds answer the machine itself: Amazon,
// Alibaba, Azure (its wire server, of a public range), Oracle.
func metadata() []netip.Addr {
	return []netip.Addr{
		netip.MustParseAddr("fd00:ec2::254"), netip.AddrFrom4([4]byte{100, 100, 100, 200}),
		netip.AddrFrom4([4]byte{168, 63, 129, 16}), netip.AddrFrom4([4]byte{192, 0, 0, 192}),
	}
}

// embeds reports whether an IPv6 address leads to an IPv4 one by a translator or a tunnel, which
// would judge it in our place: NAT64 (RFC 6052), 6to4 (RFC 3056), Teredo (RFC 4380).
func embeds(ip netip.Addr) bool {
	for _, prefix := range []string{"64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"} {
		if netip.MustParsePrefix(prefix).Contains(ip) {
			return true
		}
	}
	return false
}

// explain keeps the cause of a failure and leaves out what a stranger said.
func explain(err error) error {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	switch {
	case errors.Is(err, ErrAddress):
		return ErrAddress
	case errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &invalid), errors.As(err, &verification):
		return ErrUntrusted
	}
	return err
}

// Reason says in a few words why a call failed; nothing in it comes from whoever was called.
func Reason(err error) string {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, ErrAddress), errors.Is(err, ErrRedirect), errors.Is(err, ErrTooLarge), errors.Is(err, ErrUntrusted):
		return err.Error()
	case errors.As(err, &dns):
		return "the name is not found"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer in time"
	case errors.Is(err, context.Canceled):
		return "stopped"
	}
	return "no answer that can be read"
}
