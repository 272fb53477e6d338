package tlsscan

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func ecdsaCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"www.example.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func rsaCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"www.example.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serve answers every connection with handle until the test ends.
func serve(t *testing.T, handle func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			wg.Go(func() {
				defer conn.Close()
				handle(conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for conn := range open {
			conn.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String()
}

func serveTLS(t *testing.T, config *tls.Config) string {
	t.Helper()
	return serve(t, func(conn net.Conn) { _ = tls.Server(conn, config).Handshake() })
}

func scan(t *testing.T, address string) *Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return Scan(ctx, Target{Address: address, ServerName: "www.example.test"},
		Options{Dial: (&net.Dialer{}).DialContext, Connection: 800 * time.Millisecond})
}

// verdicts writes a report as one letter a version, oldest first: A accepted, R refused,
// U unknown.
func verdicts(r *Report) string {
	var b strings.Builder
	for _, v := range r.Versions {
		b.WriteString(strings.ToUpper(string(v.Verdict[:1])))
	}
	return b.String()
}

// readHello reads one ClientHello and says which version it offers.
func readHello(conn net.Conn) (offered Version, session []byte) {
	var header [5]byte
	if _, err := io.ReadFull(conn, header[:]); err != nil {
		return 0, nil
	}
	body := make([]byte, int(header[3])<<8|int(header[4]))
	if _, err := io.ReadFull(conn, body); err != nil || len(body) < 40 {
		return 0, nil
	}
	offered = Version(uint16(body[4])<<8 | uint16(body[5]))
	if n := int(body[38]); n > 0 { // only the hello of TLS 1.3 has a session id
		return TLS13, body[39 : 39+n]
	}
	return offered, nil
}

func record(contentType byte, body ...byte) []byte {
	return append([]byte{contentType, 3, 1, byte(len(body) >> 8), byte(len(body))}, body...)
}

func message(messageType byte, body ...byte) []byte {
	return append([]byte{messageType, 0, byte(len(body) >> 8), byte(len(body))}, body...)
}

func serverHello(version Version, suite uint16, session []byte, extensions ...byte) []byte {
	body := []byte{byte(version >> 8), byte(version)}
	body = append(body, make([]byte, 32)...)
	body = append(append(body, byte(len(session))), session...)
	body = append(body, byte(suite>>8), byte(suite), 0)
	if len(extensions) > 0 {
		body = append(append(body, byte(len(extensions)>>8), byte(len(extensions))), extensions...)
	}
	return message(messageServerHello, body...)
}

// wholeFlight is a first flight of SSL 3.0 to TLS 1.2, with a certificate of four bytes.
func wholeFlight(version Version, suite uint16) []byte {
	return record(recordHandshake, slices.Concat(serverHello(version, suite, nil),
		message(messageCertificate, 0, 0, 1, 0), message(messageServerHelloDone))...)
}

// only answers as a server that knows one version and alerts, or does what else says, at
// every other.
func only(version Version, suite uint16, els func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		offered, _ := readHello(conn)
		if offered == version {
			conn.Write(wholeFlight(version, suite))
			io.Copy(io.Discard, conn)
			return
		}
		els(conn)
	}
}

func alert(code byte) func(net.Conn) {
	return func(conn net.Conn) {
		conn.Write(record(recordAlert, 2, code))
		io.Copy(io.Discard, conn)
	}
}

func hangUp(net.Conn)    {}
func sayNone(c net.Conn) { io.Copy(io.Discard, c) }
func sendReset(conn net.Conn) {
	conn.(*net.TCPConn).SetLinger(0)
}
func say(b []byte) func(net.Conn) {
	return func(conn net.Conn) {
		conn.Write(b)
		io.Copy(io.Discard, conn)
	}
}

func TestScanVerdicts(t *testing.T) {
	cert := ecdsaCertificate(t)
	modern := func(lowest, highest uint16) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: lowest, MaxVersion: highest}
	}
	asking := modern(tls.VersionTLS12, tls.VersionTLS13)
	asking.CurvePreferences = []tls.CurveID{tls.CurveP384}
	hybrid := modern(tls.VersionTLS13, tls.VersionTLS13)
	hybrid.CurvePreferences = []tls.CurveID{tls.X25519MLKEM768}
	mutual := modern(tls.VersionTLS12, tls.VersionTLS13)
	mutual.ClientAuth = tls.RequireAnyClientCert
	both := func(lower, upper func(net.Conn)) func(net.Conn) {
		var mu sync.Mutex
		n := 0
		return func(conn net.Conn) {
			mu.Lock()
			n++
			first := n%2 == 1
			mu.Unlock()
			if first {
				lower(conn)
			} else {
				upper(conn)
			}
		}
	}
	const suite = 0xC02B
	for _, test := range []struct {
		name   string
		handle func(net.Conn)
		config *tls.Config
		want   string // SSL 3.0, TLS 1.0, 1.1, 1.2, 1.3
	}{
		{name: "modern", config: modern(tls.VersionTLS12, tls.VersionTLS13), want: "RRRAA"},
		{name: "1.3 only", config: modern(tls.VersionTLS13, tls.VersionTLS13), want: "RRRRA"},
		{name: "1.2 only answers the 1.3 hello in 1.2", config: modern(tls.VersionTLS12, tls.VersionTLS12), want: "RRRAR"},
		{name: "1.1 and newer", config: modern(tls.VersionTLS11, tls.VersionTLS13), want: "RRAAA"},
		{name: "1.0 and newer", config: modern(tls.VersionTLS10, tls.VersionTLS13), want: "RAAAA"},
		{name: "1.0 only", config: modern(tls.VersionTLS10, tls.VersionTLS10), want: "RARRR"},
		{name: "asks for another group", config: asking, want: "RRRAA"},
		{name: "asks for the hybrid group", config: hybrid, want: "RRRRA"},
		{name: "asks for a client certificate", config: mutual, want: "RRRAA"},
		{name: "SSL 3.0 only", handle: only(SSL30, 0x0005, alert(70)), want: "ARRRR"},
		{name: "closes on all but 1.2", handle: only(TLS12, suite, hangUp), want: "RRRAR"},
		{name: "resets on all but 1.2", handle: only(TLS12, suite, sendReset), want: "RRRAR"},
		{name: "silent on all but 1.2", handle: only(TLS12, suite, sayNone), want: "UUUAU"},
		{name: "nonsense on all but 1.2", handle: only(TLS12, suite, say([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))), want: "UUUAU"},
		{name: "a cut record on all but 1.2", handle: only(TLS12, suite, func(c net.Conn) { c.Write(wholeFlight(TLS10, suite)[:30]) }), want: "UUUAU"},
		{name: "a hello and then a close on all but 1.2", want: "UUUAR", handle: func(conn net.Conn) {
			if v, _ := readHello(conn); v == TLS12 {
				say(wholeFlight(TLS12, suite))(conn)
			} else {
				conn.Write(record(recordHandshake, serverHello(min(v, TLS12), suite, nil)...))
			}
		}},
		{name: "a hello and then an alert is a refusal", want: "RRRAR", handle: func(conn net.Conn) {
			v, _ := readHello(conn)
			if v == TLS12 {
				say(wholeFlight(TLS12, suite))(conn)
			}
			conn.Write(record(recordHandshake, serverHello(min(v, TLS12), suite, nil)...))
			alert(40)(conn)
		}},
		{name: "answers 1.2 whatever is offered", want: "UUUAR", handle: func(conn net.Conn) {
			readHello(conn)
			say(wholeFlight(TLS12, suite))(conn)
		}},
		{name: "a version that does not exist", want: "UUUAU", handle: only(TLS12, suite, say(wholeFlight(0x0305, suite)))},
		{name: "a suite that was not offered", want: "UUUUU", handle: func(conn net.Conn) {
			v, _ := readHello(conn)
			say(wholeFlight(v, 0xFEED))(conn)
		}},
		{name: "alerts only", handle: func(c net.Conn) { readHello(c); alert(40)(c) }, want: "UUUUU"},
		{name: "closes only", handle: func(c net.Conn) { readHello(c) }, want: "UUUUU"},
		{name: "alert warnings before a hello", want: "RRRAR", handle: func(conn net.Conn) {
			v, _ := readHello(conn)
			conn.Write(record(recordAlert, 1, 112))
			if v == TLS12 {
				say(wholeFlight(TLS12, suite))(conn)
			}
			alert(70)(conn)
		}},
		{name: "silent", handle: sayNone, want: "UUUUU"},
		{name: "a flight without end", want: "UUUUU", handle: func(conn net.Conn) {
			v, _ := readHello(conn)
			conn.Write(record(recordHandshake, serverHello(min(v, TLS12), suite, nil)...))
			for {
				if _, err := conn.Write(record(recordHandshake, message(messageCertificate, make([]byte, 16000)...)...)); err != nil {
					return
				}
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var address string
			if test.config != nil {
				address = serveTLS(t, test.config)
			} else {
				address = serve(t, test.handle)
			}
			r := scan(t, address)
			if got := verdicts(r); got != test.want || !r.Reached {
				b, _ := json.Marshal(r.Versions)
				t.Errorf("%s, want %s: %s", got, test.want, b)
			}
		})
	}
	t.Run("a lost connection is tried again", func(t *testing.T) {
		server := func(conn net.Conn) { only(TLS12, suite, alert(70))(conn) }
		s := &scanner{target: Target{Address: serve(t, both(hangUp, server))},
			options: Options{Dial: (&net.Dialer{}).DialContext, Connection: time.Second}}
		if a := s.try(t.Context(), TLS12, []uint16{suite}); a.kind != accepted {
			t.Errorf("answer %+v", a)
		}
	})
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	r := scan(t, address)
	if r.Reached || r.Answered || len(r.Versions) > 0 || r.Cause != "connection refused" {
		t.Errorf("report of a closed port: %+v", r)
	}
	r = scan(t, serve(t, sayNone))
	if !r.Reached || r.Answered {
		t.Errorf("report of a silent server: %+v", r)
	}
}

func TestScanEndsWithItsContext(t *testing.T) {
	address := serve(t, sayNone)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	begin := time.Now()
	r := Scan(ctx, Target{Address: address}, Options{Dial: (&net.Dialer{}).DialContext, Connection: time.Minute})
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
	if len(r.Accepted()) > 0 || strings.Contains(verdicts(r), "R") {
		t.Errorf("verdicts %s", verdicts(r))
	}
}

func TestSuites(t *testing.T) {
	ids := func(suites []Suite) (ids []uint16) {
		for _, s := range suites {
			ids = append(ids, s.ID)
		}
		return ids
	}
	every := func() (all []uint16) {
		for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
			if slices.Contains(s.SupportedVersions, tls.VersionTLS12) {
				all = append(all, s.ID)
			}
		}
		return all
	}()
	bySigner := func(part string) (some []uint16) {
		for _, id := range every {
			name := tls.CipherSuiteName(id)
			if strings.Contains(name, part) || part == "RSA" && strings.HasPrefix(name, "TLS_RSA") {
				some = append(some, id)
			}
		}
		slices.Sort(some)
		return some
	}
	for _, test := range []struct {
		name string
		cert tls.Certificate
		all  []uint16
	}{{"ECDSA", ecdsaCertificate(t), bySigner("_ECDSA_")}, {"RSA", rsaCertificate(t), bySigner("RSA")}} {
		t.Run(test.name, func(t *testing.T) {
			for _, want := range [][]uint16{test.all, test.all[:1], test.all[1:3]} {
				r := scan(t, serveTLS(t, &tls.Config{Certificates: []tls.Certificate{test.cert}, CipherSuites: want,
					MinVersion: tls.VersionTLS12}))
				if got := ids(r.Suites); !slices.Equal(got, want) || !r.SuitesKnown {
					t.Errorf("suites %x, want %x, whole %v", got, want, r.SuitesKnown)
				}
			}
		})
	}
	t.Run("a server that tires", func(t *testing.T) {
		var mu sync.Mutex
		asked := map[Version]int{}
		r := scan(t, serve(t, func(conn net.Conn) {
			v, _ := readHello(conn)
			mu.Lock()
			asked[v]++
			tired := asked[v] > 1
			mu.Unlock()
			switch {
			case v == TLS12 && tired:
				sayNone(conn)
			case v == TLS12:
				say(wholeFlight(TLS12, 0xC02B))(conn)
			default:
				alert(70)(conn)
			}
		}))
		if r.SuitesKnown {
			t.Error("a list that was cut short counts as whole")
		}
	})
}

func TestScansOfAnUnchangedServerAreEqual(t *testing.T) {
	address := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{ecdsaCertificate(t)}, MinVersion: tls.VersionTLS10})
	first, err := json.Marshal(scan(t, address))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if again, _ := json.Marshal(scan(t, address)); !bytes.Equal(first, again) {
			t.Errorf("differ:\n%s\n%s", first, again)
		}
	}
}

// TestHelloIsRead lets crypto/tls read our hellos, which it does strictly.
func TestHelloIsRead(t *testing.T) {
	for _, v := range []Version{TLS10, TLS11, TLS12, TLS13} {
		var mu sync.Mutex
		var seen []*tls.ClientHelloInfo
		address := serveTLS(t, &tls.Config{GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, h)
			return nil, io.ErrUnexpectedEOF
		}})
		s := &scanner{target: Target{Address: address, ServerName: "www.example.test"},
			options: Options{Dial: (&net.Dialer{}).DialContext, Connection: time.Second}}
		if a := s.once(t.Context(), v, allSuites(v)); a.kind != alerted && a.kind != closed {
			t.Errorf("%s: answer %+v", v, a)
		}
		mu.Lock()
		if len(seen) != 1 {
			t.Fatalf("%s: %d hellos read", v, len(seen))
		}
		h := seen[0]
		mu.Unlock()
		if h.ServerName != "www.example.test" {
			t.Errorf("%s: SNI %q", v, h.ServerName)
		}
		if !slices.Contains(h.SupportedVersions, uint16(v)) || slices.Max(h.SupportedVersions) != uint16(v) {
			t.Errorf("%s: offers versions %x", v, h.SupportedVersions)
		}
		if v == TLS13 && len(h.SupportedVersions) != 1 {
			t.Errorf("the hello of TLS 1.3 offers %x", h.SupportedVersions)
		}
		if len(h.SupportedCurves) < 5 {
			t.Errorf("%s: curves %v", v, h.SupportedCurves)
		}
	}
}

func TestHelloSize(t *testing.T) {
	for _, v := range Versions() {
		for n := 1; n < len(KnownSuites()); n++ {
			o, err := newOffer(v, "www.example.test", allSuites(TLS12)[:n])
			if err != nil {
				t.Fatal(err)
			}
			b, err := o.record()
			if err != nil {
				t.Fatal(err)
			}
			if size := len(b) - 5; v != SSL30 && size >= 256 && size < 512 {
				t.Fatalf("%s with %d suites: a hello of %d bytes", v, n, size)
			}
		}
	}
}

func TestNoServerNameForAddresses(t *testing.T) {
	for name, want := range map[string]bool{"www.example.test": true, "127.0.0.1": false, "::1": false, "": false} {
		o, err := newOffer(TLS12, name, []uint16{0xC02B})
		if err != nil {
			t.Fatal(err)
		}
		b, err := o.record()
		if err != nil {
			t.Fatal(err)
		}
		if got := name != "" && bytes.Contains(b, []byte(name)); got != want {
			t.Errorf("%q in the hello: %v", name, got)
		}
	}
}
