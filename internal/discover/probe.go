package discover

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// probeWithin bounds everything that one host is asked on one port.
const probeWithin = 6 * time.Second

// maxHeader bounds what is read of an answer over HTTP, in bytes.
const maxHeader = 32 << 10

// contact is what one port of one host gave.
type contact struct {
	opened bool   // something took the connection
	failed string // why there is nothing more to tell; empty: there is
	tls    *handshake
	web    *webAnswer
}

// handshake is what a server showed while TLS was agreed on.
type handshake struct {
	version string // "TLS 1.3"
	leaf    *x509.Certificate
	trouble string // why a client that checks would refuse the certificate; empty: it would not
	private bool   // it is trusted, by the authorities of Ask.Trust alone
}

// webAnswer is the head of an answer over HTTP.
type webAnswer struct {
	status   int
	location string
	hsts     string // value of Strict-Transport-Security
}

// dialAny connects to the first address that takes the connection.
func dialAny(ctx context.Context, way Way, addresses []netip.Addr, port int) (net.Conn, error) {
	var last error
	for _, a := range addresses {
		attempt, cancel := context.WithTimeout(ctx, dialWithin)
		conn, err := way.Dial(attempt, "tcp", netip.AddrPortFrom(a, uint16(port)).String()) //nolint:gosec // ports are checked where they are read
		cancel()
		if err == nil {
			return conn, nil
		}
		last = err
		if ctx.Err() != nil {
			break
		}
	}
	if last == nil {
		last = errNoAnswer
	}
	return nil, last
}

// open connects and bounds all that follows on the connection, which done ends. conn is nil when
// nothing took it.
func open(ctx context.Context, way Way, addresses []netip.Addr, port int) (conn net.Conn, done func(), c *contact) {
	conn, err := dialAny(ctx, way, addresses, port)
	if err != nil {
		return nil, nil, &contact{failed: whyNot(err)}
	}
	end := time.Now().Add(probeWithin)
	if d, ok := ctx.Deadline(); ok && d.Before(end) {
		end = d
	}
	_ = conn.SetDeadline(end) // a connection that takes no deadline is ended with ctx
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	return conn, func() {
		stop()
		_ = conn.Close()
	}, &contact{opened: true}
}

// whyNot says in words why a connection or an answer failed.
func whyNot(err error) string {
	var netErr net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refuses connections"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netErr) && netErr.Timeout():
		return "says nothing"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "cannot be reached from here"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "ends the connection"
	}
	return "gives an answer that cannot be read"
}

// shake agrees on TLS with whoever answers. Any certificate and any version is taken: this
// reads them, to tell what they are, and trusts nothing. Nothing secret is ever sent after it.
func shake(ctx context.Context, conn net.Conn, host string, trust *x509.CertPool, now time.Time) (*tls.Conn, *handshake, error) {
	secured := tls.Client(conn, &tls.Config{
		InsecureSkipVerify: true,             //nolint:gosec // see above
		MinVersion:         tls.VersionTLS10, //nolint:gosec // see above
		ServerName:         host,
		NextProtos:         []string{"http/1.1"},
	})
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, nil, err
	}
	state := secured.ConnectionState()
	h := &handshake{version: tls.VersionName(state.Version), leaf: state.PeerCertificates[0]}
	h.trouble, h.private = judge(state.PeerCertificates, host, trust, now)
	return secured, h, nil
}

// judge says why a client that checks would refuse a chain.
func judge(chain []*x509.Certificate, host string, trust *x509.CertPool, now time.Time) (trouble string, private bool) {
	leaf := chain[0]
	between := x509.NewCertPool()
	for _, c := range chain[1:min(len(chain), 10)] {
		between.AddCert(c)
	}
	options := x509.VerifyOptions{Intermediates: between, CurrentTime: now}
	_, err := leaf.Verify(options)
	if err != nil && trust != nil {
		options.Roots = trust
		if _, err = leaf.Verify(options); err == nil {
			private = true
		}
	}
	switch {
	case now.After(leaf.NotAfter):
		return "it ended on " + day(leaf.NotAfter), private
	case now.Before(leaf.NotBefore):
		return "it begins only on " + day(leaf.NotBefore), private
	case leaf.VerifyHostname(host) != nil:
		return "it is for another name", private
	case err != nil:
		return "this machine does not trust its issuer", false
	}
	return "", private
}

// ask sends one GET and reads the head of the answer.
func ask(conn net.Conn, host string) (*webAnswer, error) {
	request := "GET / HTTP/1.1\r\nHost: " + host + "\r\nUser-Agent: garant-init\r\nAccept: */*\r\nConnection: close\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		return nil, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(io.LimitReader(conn, maxHeader)), &http.Request{Method: http.MethodGet})
	if err != nil {
		return nil, err
	}
	_ = answer.Body.Close() // the body is not wanted; closing the connection ends it
	return &webAnswer{status: answer.StatusCode, location: answer.Header.Get("Location"), hsts: answer.Header.Get("Strict-Transport-Security")}, nil
}

// lookHTTPS looks at a port that should speak HTTP under TLS.
func (d *DNS) lookHTTPS(ctx context.Context, way Way, a Ask, host string, addresses []netip.Addr) *contact {
	conn, done, c := open(ctx, way, addresses, a.Ports.HTTPS)
	if conn == nil {
		return c
	}
	defer done()
	secured, shown, err := shake(ctx, conn, host, a.Trust, d.Now())
	if err != nil {
		c.failed = "takes connections, but no TLS comes about: it " + whyNot(err)
		return c
	}
	c.tls = shown
	if c.web, err = ask(secured, hostHeader(host, a.Ports.HTTPS, 443)); err != nil {
		c.failed = "speaks TLS, but HTTP under it " + whyNot(err)
	}
	return c
}

// lookHTTP looks at a port where HTTP would answer without TLS.
func (d *DNS) lookHTTP(ctx context.Context, way Way, a Ask, host string, addresses []netip.Addr) *contact {
	conn, done, c := open(ctx, way, addresses, a.Ports.HTTP)
	if conn == nil {
		return c
	}
	defer done()
	var err error
	if c.web, err = ask(conn, hostHeader(host, a.Ports.HTTP, 80)); err != nil {
		c.failed = whyNot(err)
	}
	return c
}

// sslRequest is PostgreSQL's question whether TLS is there (protocol 3.0, "SSL Session Encryption").
const sslRequest = 80877103

// lookPostgres looks at a port where PostgreSQL would answer.
func (d *DNS) lookPostgres(ctx context.Context, way Way, a Ask, host string, addresses []netip.Addr) *contact {
	conn, done, c := open(ctx, way, addresses, a.Ports.Postgres)
	if conn == nil {
		return c
	}
	defer done()
	question := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 8), sslRequest)
	var reply [1]byte
	if _, err := conn.Write(question); err != nil {
		c.failed = whyNot(err)
		return c
	}
	if _, err := io.ReadFull(conn, reply[:]); err != nil {
		c.failed = whyNot(err)
		return c
	}
	switch reply[0] {
	case 'S':
		_, shown, err := shake(ctx, conn, host, a.Trust, d.Now())
		if err != nil {
			c.failed = "promises TLS, but none comes about: it " + whyNot(err)
			return c
		}
		c.tls = shown
	case 'N': // PostgreSQL without TLS
	default:
		c.failed = "is not PostgreSQL"
	}
	return c
}

func hostHeader(host string, port, usual int) string {
	if port == usual {
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// issuer names who issued a certificate, as garant.yaml writes it.
func issuer(c *x509.Certificate) string {
	if len(c.Issuer.Organization) > 0 {
		return strings.TrimSpace(c.Issuer.Organization[0])
	}
	return strings.TrimSpace(c.Issuer.CommonName)
}
