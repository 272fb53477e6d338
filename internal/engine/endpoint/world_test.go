package endpoint

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/tls"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/demo/servers"
	"github.com/garant-project/garant/internal/estate"
)

// front is an address whose behaviour a test can replace while it listens. By itself it hands
// connections on to a real server.
type front struct {
	address string
	mu      sync.Mutex
	handle  func(net.Conn)
	normal  func(net.Conn)
	open    map[net.Conn]bool
}

func newFront(t testing.TB, normal func(net.Conn)) *front {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{address: l.Addr().String(), handle: normal, normal: normal, open: map[net.Conn]bool{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			handle := f.handle
			f.open[conn] = true
			f.mu.Unlock()
			wg.Go(func() {
				handle(conn)
				conn.Close()
				f.mu.Lock()
				delete(f.open, conn)
				f.mu.Unlock()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		f.mu.Lock()
		for conn := range f.open {
			conn.Close()
		}
		f.mu.Unlock()
		wg.Wait()
	})
	return f
}

func (f *front) become(handle func(net.Conn)) func(testing.TB) {
	return func(testing.TB) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.handle = handle
	}
}

func (f *front) mend(t testing.TB) { f.become(f.normal)(t) }

// forward hands a connection on to the server at the address.
func forward(address string) func(net.Conn) {
	return func(conn net.Conn) {
		to, err := net.Dial("tcp", address)
		if err != nil {
			conn.(*net.TCPConn).SetLinger(0)
			return
		}
		defer to.Close()
		go func() {
			io.Copy(to, conn)
			to.(*net.TCPConn).CloseWrite()
		}()
		io.Copy(conn, to)
	}
}

// answer reads one HTTP request and says text.
func answer(text string) func(net.Conn) {
	return func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			io.WriteString(conn, text)
		}
	}
}

// over does then within TLS.
func over(config *tls.Config, then func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		server := tls.Server(conn, config)
		if server.Handshake() == nil {
			then(server)
			server.CloseWrite()
		}
	}
}

func silent(conn net.Conn) { io.Copy(io.Discard, conn) }

func garbage(conn net.Conn) {
	io.ReadFull(conn, make([]byte, 8))
	io.WriteString(conn, "220 mail.example.test ESMTP\r\n")
	io.Copy(io.Discard, conn)
}

// system is one endpoint of the world: a real server, and the fronts through which it is seen.
type system struct {
	server        *servers.Server
	secure, plain *front
	issuer        *servers.CA
	key           *ecdsa.PrivateKey
	name          string
}

// world is a small company: an authority with an intermediate, two web servers.
type world struct {
	root, other *servers.CA // both trusted; other is of another organisation
	stranger    *servers.CA // not trusted
	www         *system     // production
	staging     *system     // not production
	estate      *estate.Estate
}

const (
	organisation = "Example Trust"
	hsts         = "max-age=31536000; includeSubDomains"
	okay         = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n"
)

// deps are short enough for tests of what never answers.
func deps() Deps {
	return Deps{Target: 6 * time.Second, Connection: 1200 * time.Millisecond}
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newWorld(t testing.TB) *world {
	t.Helper()
	now := time.Now()
	ca := must[*servers.CA](t)
	w := &world{root: ca(servers.NewCA(organisation, now)), other: ca(servers.NewCA("Other Trust", now)),
		stranger: ca(servers.NewCA("Unknown Trust", now))}
	intermediate := ca(w.root.Intermediate("Example Issuing", now))
	w.www = newSystem(t, "www.example.test", intermediate)
	w.staging = newSystem(t, "staging.example.test", intermediate)
	w.estate = &estate.Estate{Endpoints: []estate.Endpoint{
		w.endpoint(t, w.www, estate.Production), w.endpoint(t, w.staging, estate.NonProduction)}, Policy: testPolicy()}
	return w
}

func testPolicy() estate.Policy {
	const day = 24 * time.Hour
	return estate.Policy{TLSVersions: []string{"1.2", "1.3"}, HSTSMaxAge: 365 * day, HSTSSubdomains: true,
		CertRemaining: 14 * day, CertLifetimeMax: 100 * day, Every: time.Minute}
}

func newSystem(t testing.TB, name string, issuer *servers.CA) *system {
	t.Helper()
	key := must[*ecdsa.PrivateKey](t)(servers.NewKey())
	server := must[*servers.Server](t)(servers.Start(servers.Config{Name: name, CA: issuer, Key: key}))
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	return &system{server: server, issuer: issuer, key: key, name: name,
		secure: newFront(t, forward(server.Addr())), plain: newFront(t, forward(server.PlainAddr()))}
}

func (w *world) endpoint(t testing.TB, s *system, environment estate.Environment) estate.Endpoint {
	t.Helper()
	_, port, _ := net.SplitHostPort(s.secure.address)
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return estate.Endpoint{Name: s.name, Protocol: estate.HTTPS, Host: s.name, Port: number, Path: "/", Dial: s.secure.address,
		PlainHTTP: s.plain.address, Environment: environment, Audience: "public", Issuer: organisation,
		TrustPEM: append(w.root.PEM(), w.other.PEM()...), Identity: []string{must[string](t)(s.server.Pin())}}
}

// config serves the certificate with the usual versions.
func config(cert tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}
}

// valid is a certificate like the server's own.
func (s *system) valid(t testing.TB) tls.Certificate {
	t.Helper()
	return s.with(t, s.issuer, s.name, -time.Hour, 80*24*time.Hour)
}

// with is a certificate of the server's key, with a validity told from now.
func (s *system) with(t testing.TB, issuer *servers.CA, name string, from, until time.Duration) tls.Certificate {
	t.Helper()
	now := time.Now()
	return must[tls.Certificate](t)(issuer.IssueFor(s.key, name, now.Add(from), now.Add(until), ""))
}

// page answers a request within TLS under the certificate.
func page(cert tls.Certificate, header string) func(net.Conn) {
	return over(config(cert), answer(okay+header+"\r\n"))
}

func encodeChain(cert tls.Certificate) []byte {
	var text []byte
	for _, der := range cert.Certificate {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return text
}
