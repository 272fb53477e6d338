package servers

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func start(t *testing.T, config Config) *Server {
	t.Helper()
	if config.CA == nil {
		ca, err := NewCA("Example Trust", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		config.CA = ca
	}
	if config.Name == "" {
		config.Name = "www.example.test"
	}
	s, err := Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *Server) clientTLS() *tls.Config {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.config.CA.PEM())
	return &tls.Config{RootCAs: roots, ServerName: s.config.Name, Time: s.config.Now, MinVersion: tls.VersionTLS10}
}

func (s *Server) handshake(config *tls.Config) (tls.ConnectionState, error) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 2 * time.Second}, "tcp", s.Addr(), config)
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer conn.Close()
	return conn.ConnectionState(), nil
}

func (s *Server) fetch(scheme string) (*http.Response, string, error) {
	transport := &http.Transport{TLSClientConfig: s.clientTLS(), DisableKeepAlives: true}
	address := s.Addr()
	if scheme == "http" {
		address = s.PlainAddr()
	}
	request, err := http.NewRequest(http.MethodGet, scheme+"://"+address+"/", nil)
	if err != nil {
		return nil, "", err
	}
	request.Host = s.config.Name
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response, string(body), err
}

// sound fails unless the server is as it should be: everything that a fault can change.
func (s *Server) sound() error {
	state, err := s.handshake(s.clientTLS())
	if err != nil {
		return err
	}
	if pin, _ := s.Pin(); pinOf(state.PeerCertificates[0]) != pin {
		return errors.New("foreign key")
	}
	if left := time.Until(state.PeerCertificates[0].NotAfter); left < 7*24*time.Hour {
		return errors.New("expiring")
	}
	for version, name := range map[uint16]string{tls.VersionTLS10: "1.0", tls.VersionTLS11: "1.1"} {
		old := s.clientTLS()
		old.MaxVersion = version
		if _, err := s.handshake(old); err == nil {
			return errors.New("accepts TLS " + name)
		}
	}
	weak := s.clientTLS()
	weak.MaxVersion = tls.VersionTLS12
	weak.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA}
	if _, err := s.handshake(weak); err == nil {
		return errors.New("accepts RC4")
	}
	response, body, err := s.fetch("https")
	switch {
	case err != nil:
		return err
	case !strings.Contains(body, "fictitious") || !strings.Contains(body, "fictif"):
		return errors.New("the page does not say what it is")
	case response.Header.Get("Strict-Transport-Security") != "max-age=31536000; includeSubDomains":
		return errors.New("HSTS: " + response.Header.Get("Strict-Transport-Security"))
	}
	response, _, err = s.fetch("http")
	switch {
	case err != nil:
		return err
	case response.StatusCode != 308 || !strings.HasPrefix(response.Header.Get("Location"), "https://"+s.config.Name):
		return errors.New("plain HTTP answers")
	}
	return nil
}

func TestFaults(t *testing.T) {
	s := start(t, Config{Company: "Example & Co"})
	if err := s.sound(); err != nil {
		t.Fatal(err)
	}
	want := map[string]func(error) bool{
		FaultTLS10:     func(err error) bool { return strings.HasPrefix(err.Error(), "accepts TLS 1.") },
		FaultTLS11:     func(err error) bool { return err.Error() == "accepts TLS 1.1" },
		FaultWeakSuite: func(err error) bool { return err.Error() == "accepts RC4" },
		FaultExpired: func(err error) bool {
			var invalid x509.CertificateInvalidError
			return errors.As(err, &invalid) && invalid.Reason == x509.Expired
		},
		FaultExpiring:  func(err error) bool { return err.Error() == "expiring" },
		FaultWrongName: func(err error) bool { return errors.As(err, new(x509.HostnameError)) },
		FaultDecoy:     func(err error) bool { return err.Error() == "foreign key" },
		FaultNoHSTS:    func(err error) bool { return err.Error() == "HSTS: " },
		FaultShortHSTS: func(err error) bool { return strings.HasPrefix(err.Error(), "HSTS: max-age=300") },
		FaultPlainHTTP: func(err error) bool { return err.Error() == "plain HTTP answers" },
		FaultDown:      func(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) },
		FaultSilent: func(err error) bool {
			var timeout net.Error
			return errors.As(err, &timeout) && timeout.Timeout()
		},
	}
	for _, fault := range s.Faults() {
		if want[fault] == nil {
			t.Errorf("fault %s is not tested", fault)
			continue
		}
		if err := s.Break(fault); err != nil {
			t.Fatal(err)
		}
		if s.Fault() != fault {
			t.Errorf("fault is %q, want %q", s.Fault(), fault)
		}
		if err := s.sound(); err == nil || !want[fault](err) {
			t.Errorf("%s: seen as %v", fault, err)
		}
		if err := s.Mend(); err != nil {
			t.Fatal(err)
		}
		if err := s.sound(); err != nil {
			t.Errorf("after %s was mended: %v", fault, err)
		}
	}
	if err := s.Break("no such fault"); err == nil || s.Fault() != "" {
		t.Errorf("an unknown fault: %v, now %q", err, s.Fault())
	}
}

func TestBreakEndsConnections(t *testing.T) {
	s := start(t, Config{})
	for _, fault := range []string{FaultNoHSTS, FaultDown, FaultSilent} {
		conn, err := tls.Dial("tcp", s.Addr(), s.clientTLS())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Break(fault); err != nil {
			t.Fatal(err)
		}
		conn.SetReadDeadline(time.Now().Add(2 * time.Second))
		var timeout net.Error
		if _, err := conn.Read(make([]byte, 1)); err == nil || errors.As(err, &timeout) && timeout.Timeout() {
			t.Errorf("%s: the old connection lives on: %v", fault, err)
		}
		conn.Close()
		if err := s.Mend(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRenewal(t *testing.T) {
	var now atomic.Int64
	now.Store(time.Now().Unix())
	clock := func() time.Time { return time.Unix(now.Load(), 0) }
	s := start(t, Config{Lifetime: 90 * 24 * time.Hour, Now: clock})
	leaf := func() *x509.Certificate {
		t.Helper()
		state, err := s.handshake(s.clientTLS())
		if err != nil {
			t.Fatal(err)
		}
		return state.PeerCertificates[0]
	}
	first := leaf()
	now.Add(59 * 24 * 3600)
	if !leaf().Equal(first) {
		t.Error("renewed with more than a third of its life left")
	}
	now.Add(2 * 24 * 3600)
	second := leaf()
	if second.Equal(first) {
		t.Error("not renewed with less than a third of its life left")
	}
	if pinOf(first) != pinOf(second) {
		t.Error("the renewal changed the key")
	}
	if got := second.NotAfter.Sub(second.NotBefore); got != 90*24*time.Hour {
		t.Errorf("lifetime %v", got)
	}
}

func TestKeptAuthority(t *testing.T) {
	ca, err := NewCA("Example Trust", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key, err := ca.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadCA(ca.PEM(), key)
	if err != nil {
		t.Fatal(err)
	}
	if again.Pin() != ca.Pin() {
		t.Error("another authority came back")
	}
	s := start(t, Config{CA: again})
	s.config.CA = ca // the client trusts the first
	if err := s.sound(); err != nil {
		t.Error(err)
	}
	other, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	otherPEM, err := EncodeKey(other)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := ParseKey(otherPEM); err != nil || !back.Equal(other) {
		t.Errorf("a key did not come back: %v", err)
	}
	if _, err := LoadCA(ca.PEM(), otherPEM); err == nil {
		t.Error("an authority was made of a certificate and a foreign key")
	}
	leaf, err := ca.Issue("www.example.test", time.Now(), time.Now().Add(time.Hour), "")
	if err != nil {
		t.Fatal(err)
	}
	if pinOf(leaf.Leaf) == ca.Pin() {
		t.Error("a leaf has the authority's key")
	}
}

func TestLoopbackOnly(t *testing.T) {
	ca, err := NewCA("Example Trust", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range []string{"0.0.0.0:0", ":0", "192.0.2.1:443", "example.test:443", "127.0.0.1"} {
		if s, err := Start(Config{Name: "www.example.test", CA: ca, Address: address}); err == nil {
			s.Close()
			t.Errorf("listens on %s", address)
		}
	}
}

func TestPortTaken(t *testing.T) {
	s := start(t, Config{})
	_, err := Start(Config{Name: "www.example.test", CA: s.config.CA, Address: s.Addr()})
	if err == nil || !strings.Contains(err.Error(), s.Addr()) {
		t.Errorf("a taken port: %v", err)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	s := start(t, Config{})
	if err := s.Break(FaultSilent); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := net.DialTimeout("tcp", s.Addr(), time.Second); err == nil {
		t.Error("still listening")
	}
	if err := s.Mend(); err == nil {
		t.Error("a stopped server was mended")
	}
	for end := time.Now().Add(3 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines before, %d after", before, after)
	}
}

// Ports that are kept for later are not those of outgoing connections, differ, and are nobody's.
func TestFreePort(t *testing.T) {
	seen := map[int]bool{}
	var free Ports
	for range 200 {
		port, err := free.Free()
		if err != nil {
			t.Fatal(err)
		}
		if seen[port] || port < 20_000 || port > 32_767 {
			t.Fatalf("port %d", port)
		}
		seen[port] = true
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
	}
}
