package servers

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"errors"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/errs"
)

// The faults that a server can be given.
const (
	FaultTLS10     = "tls10"      // accepts TLS 1.0 and everything newer
	FaultTLS11     = "tls11"      // accepts TLS 1.1 and everything newer
	FaultWeakSuite = "weak-suite" // accepts RC4 in TLS 1.2
	FaultExpired   = "expired"    // its certificate ended an hour ago
	FaultExpiring  = "expiring"   // its certificate ends in two days
	FaultWrongName = "wrong-name" // its certificate is for another name
	FaultDecoy     = "decoy"      // a good certificate of the same authority for a foreign key
	FaultNoHSTS    = "no-hsts"    // sends no Strict-Transport-Security
	FaultShortHSTS = "short-hsts" // sends one of five minutes
	FaultPlainHTTP = "plain-http" // serves its page without TLS
	FaultDown      = "down"       // refuses connections
	FaultSilent    = "silent"     // takes connections and says nothing
)

// Faults returns every fault, in the order in which they are documented.
func Faults() []string {
	return []string{FaultTLS10, FaultTLS11, FaultWeakSuite, FaultExpired, FaultExpiring, FaultWrongName, FaultDecoy,
		FaultNoHSTS, FaultShortHSTS, FaultPlainHTTP, FaultDown, FaultSilent}
}

const (
	shortMaxAge   = 5 * time.Minute
	expiringIn    = 48 * time.Hour
	defaultLife   = 90 * 24 * time.Hour
	defaultMaxAge = 365 * 24 * time.Hour
	reopenFor     = 3 * time.Second // how long Mend tries to take a port back
)

// Config says what a server is.
type Config struct {
	Name         string            // host name that it answers for and that its certificate bears
	Company      string            // shown on its page
	CA           *CA               // issues its certificates
	Key          *ecdsa.PrivateKey // of its certificates, kept across renewals; nil: a new one
	Organisation string            // holder in its certificates; may be empty
	Lifetime     time.Duration     // of its certificates; 0: 90 days
	HSTSMaxAge   time.Duration     // 0: a year
	Address      string            // of the TLS side; empty: 127.0.0.1, any free port
	PlainAddress string            // of plain HTTP; empty: 127.0.0.1, any free port
	Now          func() time.Time  // nil: time.Now
}

// Server is one endpoint: HTTPS, and plain HTTP that redirects to it.
type Server struct {
	config Config
	secure *door
	plain  *door
	http   *http.Server

	switching sync.Mutex // one Break, Mend or Close at a time

	mu    sync.Mutex
	fault string
	cert  tls.Certificate // for the present fault
	done  bool
}

// Start opens both addresses and serves. The caller must Close the server.
func Start(config Config) (*Server, error) {
	if config.Name == "" || config.CA == nil {
		return nil, errs.New(errs.Invalid, "demo.server.config", "A server of the example needs a name and an authority.")
	}
	for _, address := range []*string{&config.Address, &config.PlainAddress} {
		if *address == "" {
			*address = "127.0.0.1:0"
		}
		if host, _, err := net.SplitHostPort(*address); err != nil || net.ParseIP(host) == nil || !net.ParseIP(host).IsLoopback() {
			return nil, errs.New(errs.Invalid, "demo.server.address", "A server of the example listens on a loopback address only.").
				WithFix("Use 127.0.0.1 with a port.")
		}
	}
	if config.Lifetime <= 0 {
		config.Lifetime = defaultLife
	}
	if config.HSTSMaxAge <= 0 {
		config.HSTSMaxAge = defaultMaxAge
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Key == nil {
		var err error
		if config.Key, err = NewKey(); err != nil {
			return nil, err
		}
	}
	s := &Server{config: config}
	if _, err := s.certificate(); err != nil {
		return nil, err
	}
	quiet := log.New(discard{}, "", 0) // failed handshakes are this server's daily bread
	s.http = &http.Server{Handler: http.HandlerFunc(s.serve), ErrorLog: quiet,
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	s.secure = newDoor(config.Address, func(l net.Listener) net.Listener {
		return tls.NewListener(l, &tls.Config{GetConfigForClient: s.clientConfig})
	}, s.http)
	s.plain = newDoor(config.PlainAddress, nil, s.http)
	if err := s.secure.open(0); err != nil {
		return nil, err
	}
	if err := s.plain.open(0); err != nil {
		s.secure.shut()
		return nil, err
	}
	return s, nil
}

// Name is the host name that the server answers for.
func (s *Server) Name() string { return s.config.Name }

// Addr is the address of the TLS side; it stays the same through every fault.
func (s *Server) Addr() string { return s.secure.address }

// Port is the port of the TLS side.
func (s *Server) Port() int {
	_, port, _ := net.SplitHostPort(s.secure.address)
	n, _ := strconv.Atoi(port)
	return n
}

// PlainAddr is the address of plain HTTP.
func (s *Server) PlainAddr() string { return s.plain.address }

// Pin names the server's key as garant.yaml does. Renewals keep it; a decoy does not have it.
func (s *Server) Pin() (string, error) { return KeyPin(s.config.Key.Public()) }

// Faults returns the faults that Break knows.
func (s *Server) Faults() []string { return Faults() }

// Fault is the fault that the server has now, or empty.
func (s *Server) Fault() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault
}

// Break gives the server a fault, instead of the one it may have. Open connections end; the
// next one meets the fault.
func (s *Server) Break(fault string) error {
	if !slices.Contains(Faults(), fault) {
		return errs.New(errs.Invalid, "demo.server.fault", "There is no such fault.").With("fault", fault)
	}
	return s.become(fault)
}

// Mend takes the fault away. Open connections end.
func (s *Server) Mend() error { return s.become("") }

func (s *Server) become(fault string) error {
	s.switching.Lock()
	defer s.switching.Unlock()
	s.mu.Lock()
	if s.done {
		s.mu.Unlock()
		return errs.New(errs.Conflict, "demo.server.closed", "The example's server was stopped.")
	}
	before, beforeCert := s.fault, s.cert
	s.fault, s.cert = fault, tls.Certificate{}
	s.mu.Unlock()
	if _, err := s.certificate(); err != nil {
		s.mu.Lock()
		s.fault, s.cert = before, beforeCert
		s.mu.Unlock()
		return err
	}
	for _, d := range []*door{s.secure, s.plain} {
		if fault == FaultDown {
			d.shut()
			continue
		}
		d.hold(fault == FaultSilent)
		if err := d.open(reopenFor); err != nil {
			return err
		}
	}
	return nil
}

// Close stops the server and ends its connections.
func (s *Server) Close() error {
	s.switching.Lock()
	defer s.switching.Unlock()
	s.mu.Lock()
	s.done = true
	s.mu.Unlock()
	s.secure.shut()
	s.plain.shut()
	if err := s.http.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return errs.New(errs.Internal, "demo.server.close", "The example's server could not be stopped.").Wrap(err)
	}
	return nil
}

// certificate returns the certificate to show now, and issues it if there is none yet or if
// less than a third of its life remains. Faulty certificates are not renewed.
func (s *Server) certificate() (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.config.Now()
	if leaf := s.cert.Leaf; leaf != nil {
		life := leaf.NotAfter.Sub(leaf.NotBefore)
		if s.fault == FaultExpired || s.fault == FaultExpiring || leaf.NotAfter.Sub(now) >= life/3 {
			return &s.cert, nil
		}
	}
	name, key := s.config.Name, s.config.Key
	// Whole seconds: a certificate holds no fractions. Backdated by at most a tenth of its life.
	notBefore := now.Truncate(time.Second).Add(-min(backdate, s.config.Lifetime/10))
	notAfter := notBefore.Add(s.config.Lifetime)
	switch s.fault {
	case FaultExpired:
		notAfter = now.Add(-backdate)
		notBefore = notAfter.Add(-s.config.Lifetime)
	case FaultExpiring:
		notAfter = now.Add(expiringIn)
		notBefore = notAfter.Add(-s.config.Lifetime)
	case FaultWrongName:
		name = "elsewhere." + name
	case FaultDecoy:
		var err error
		if key, err = NewKey(); err != nil {
			return nil, err
		}
	}
	cert, err := s.config.CA.IssueFor(key, name, notBefore, notAfter, s.config.Organisation)
	if err != nil {
		return nil, err
	}
	s.cert = cert
	return &cert, nil
}

// clientConfig is asked for at each handshake, so that a fault shows at once.
func (s *Server) clientConfig(*tls.ClientHelloInfo) (*tls.Config, error) {
	cert, err := s.certificate()
	if err != nil {
		return nil, err
	}
	config := &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		SessionTicketsDisabled: true,
		CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}}
	switch s.Fault() {
	case FaultTLS10:
		config.MinVersion = tls.VersionTLS10
		config.CipherSuites = append(config.CipherSuites, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA)
	case FaultTLS11:
		config.MinVersion = tls.VersionTLS11
		config.CipherSuites = append(config.CipherSuites, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA)
	case FaultWeakSuite:
		config.CipherSuites = append(config.CipherSuites, tls.TLS_ECDHE_ECDSA_WITH_RC4_128_SHA)
	}
	return config, nil
}

// door is a listening address that can be shut, opened again, and made to hold whoever comes.
type door struct {
	wrap func(net.Listener) net.Listener
	http *http.Server

	mu       sync.Mutex
	address  string // with the real port once opened
	listener net.Listener
	stopped  chan struct{} // closed when the present listener's server has returned
	holding  bool
	conns    map[*tracked]struct{}
}

func newDoor(address string, wrap func(net.Listener) net.Listener, server *http.Server) *door {
	return &door{address: address, wrap: wrap, http: server, conns: map[*tracked]struct{}{}}
}

// open listens, unless it does already. A port that the system has not given back yet is tried
// again for a while.
func (d *door) open(patience time.Duration) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listener != nil {
		return nil
	}
	var listener net.Listener
	var err error
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if listener, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", d.address); err == nil || time.Now().After(end) {
			break
		}
	}
	if err != nil {
		return errs.New(errs.Unavailable, "demo.server.listen", "The example's server could not open its address "+d.address+".").
			With("address", d.address).WithFix("End the program that uses the port, or choose another port.").Wrap(err)
	}
	d.address = listener.Addr().String()
	d.listener = listener
	d.stopped = make(chan struct{})
	var outer net.Listener = &gate{Listener: listener, door: d}
	if d.wrap != nil {
		outer = d.wrap(outer)
	}
	go func(stopped chan struct{}) {
		defer close(stopped)
		_ = d.http.Serve(outer) // returns when the listener is closed, which shut waits for
	}(d.stopped)
	return nil
}

// shut stops listening and ends every connection.
func (d *door) shut() {
	d.mu.Lock()
	listener, stopped := d.listener, d.stopped
	d.listener = nil
	d.mu.Unlock()
	if listener != nil {
		listener.Close()
		<-stopped
	}
	d.drop()
}

// hold sets whether new connections are held, and ends those that are open.
func (d *door) hold(holding bool) {
	d.mu.Lock()
	d.holding = holding
	d.mu.Unlock()
	d.drop()
}

func (d *door) drop() {
	d.mu.Lock()
	conns := d.conns
	d.conns = map[*tracked]struct{}{}
	d.mu.Unlock()
	for c := range conns {
		c.Conn.Close()
	}
}

// gate hands connections to the server, or keeps them.
type gate struct {
	net.Listener
	door *door
}

// maxHeld bounds the connections that a silent server keeps.
const maxHeld = 256

func (g *gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &tracked{Conn: conn, door: g.door}
		g.door.mu.Lock()
		holding, full := g.door.holding, len(g.door.conns) >= maxHeld
		if !holding || !full {
			g.door.conns[c] = struct{}{}
		}
		g.door.mu.Unlock()
		switch {
		case !holding:
			return c, nil
		case full:
			conn.Close()
		}
	}
}

// tracked is a connection that its door can end.
type tracked struct {
	net.Conn
	door *door
}

func (c *tracked) Close() error {
	c.door.mu.Lock()
	delete(c.door.conns, c)
	c.door.mu.Unlock()
	return c.Conn.Close()
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
