package discovertest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/demo/servers"
	"github.com/garant-project/garant/internal/discover"
)

// Authority is the organisation that issues the hosts' certificates.
const Authority = "Autorité d’exemple"

// Hosts are servers on addresses of loopback of their own (127.0.0.0/8), all on the same three
// ports, as real hosts are.
type Hosts struct {
	Resolver *Resolver
	Ports    discover.Ports
	CA       *servers.CA

	mu   sync.Mutex
	next int
	net  int
}

// NewHosts makes an empty company with a resolver.
func NewHosts(t testing.TB) *Hosts {
	t.Helper()
	ca, err := servers.NewCA(Authority, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	h := &Hosts{Resolver: NewResolver(t), CA: ca}
	for _, port := range []*int{&h.Ports.HTTPS, &h.Ports.HTTP, &h.Ports.Postgres} {
		l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		*port = l.Addr().(*net.TCPAddr).Port
		t.Cleanup(func() { _ = l.Close() }) // held, so that nobody else gets the port
	}
	h.net = 1 + h.Ports.HTTPS%250
	return h
}

// Address gives a new address of loopback.
func (h *Hosts) Address() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next++
	return fmt.Sprintf("127.%d.%d.%d", h.net, 1+h.next/250, 1+h.next%250)
}

// Serve starts a sound server of HTTPS and plain HTTP that redirects to it.
func (h *Hosts) Serve(t testing.TB, name string) *servers.Server {
	t.Helper()
	address := h.Address()
	s, err := servers.Start(servers.Config{Name: name, CA: h.CA, Organisation: "Ardoise Mécénat SRL",
		Address: join(address, h.Ports.HTTPS), PlainAddress: join(address, h.Ports.HTTP)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	h.Resolver.Name(name, address)
	return s
}

// Listen starts a server of our own making on one port of a new address, under a name.
func (h *Hosts) Listen(t testing.TB, name string, port int, serve func(net.Conn)) {
	t.Helper()
	address := h.Address()
	h.ListenAt(t, address, port, serve)
	h.Resolver.Name(name, address)
}

// ListenAt is Listen on an address that has a name already.
func (h *Hosts) ListenAt(t testing.TB, address string, port int, serve func(net.Conn)) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", join(address, port))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		_ = l.Close()
		all.Wait()
	})
}

// Hang takes a connection and says nothing until the other side goes.
func Hang(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// Endless sends without end, once something was asked.
func Endless(prefix, piece string) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4096))
		_, err := io.WriteString(conn, prefix)
		for err == nil {
			_, err = io.WriteString(conn, piece)
		}
	}
}

// Say answers once, when something was asked.
func Say(answer string) func(net.Conn) {
	return func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4096))
		_, _ = io.WriteString(conn, answer)
	}
}

// TLS speaks TLS with a certificate, then serves what is under it.
func TLS(certificate tls.Certificate, under func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		secured := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12})
		if secured.Handshake() == nil {
			under(secured)
			_ = secured.CloseWrite()
		}
	}
}

// SelfSigned makes a certificate for names, by an issuer that signs itself.
func SelfSigned(t testing.TB, organisation string, names ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{Organization: []string{organisation}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour), DNSNames: names}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func join(address string, port int) string { return net.JoinHostPort(address, strconv.Itoa(port)) }
