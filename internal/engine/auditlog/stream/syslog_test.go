package stream

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/engine/auditlog/export"
	"github.com/garant-project/garant/internal/estate"
)

// listener takes syslog over TLS and refuses whatever the RFCs do not know.
type listener struct {
	ledger
	t                     testing.TB
	authority             *authority
	clientCert, clientKey string
	pair                  tls.Certificate
	net                   net.Listener
	behave                func(c *tls.Conn, raw *net.TCPConn) bool // true: it did; nothing is kept
	config                func(*tls.Config)
	messages              []string
	peers                 []string
	wg                    sync.WaitGroup
	hold                  chan struct{}
}

func newListener(t testing.TB) *listener {
	l := &listener{t: t, authority: newAuthority(t), hold: make(chan struct{})}
	l.single = true
	_, _, l.pair = l.authority.issue(t)
	certificate, key, _ := l.authority.issue(t)
	l.clientCert, l.clientKey = string(certificate), string(key)
	var err error
	if l.net, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	l.wg.Go(func() {
		for {
			c, err := l.net.Accept()
			if err != nil {
				return
			}
			l.wg.Go(func() { l.serve(c.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() { close(l.hold); _ = l.net.Close(); l.wg.Wait() })
	return l
}

func (l *listener) address() string { return l.net.Addr().String() }

func (l *listener) set(behave func(*tls.Conn, *net.TCPConn) bool, config func(*tls.Config)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.behave, l.config = behave, config
}

func (l *listener) serve(raw *net.TCPConn) {
	defer raw.Close() //nolint:errcheck // a test
	_ = raw.SetDeadline(time.Now().Add(10 * time.Second))
	l.mu.Lock()
	behave, change := l.behave, l.config
	l.mu.Unlock()
	config := &tls.Config{Certificates: []tls.Certificate{l.pair}, MinVersion: tls.VersionTLS12}
	if change != nil {
		change(config)
	}
	c := tls.Server(raw, config)
	if c.Handshake() != nil {
		return
	}
	if behave != nil && behave(c, raw) {
		return
	}
	in := bufio.NewReader(c)
	var batch []received
	for {
		message, err := frame(in)
		if errors.Is(err, io.EOF) {
			break
		}
		var one received
		if err == nil {
			one, err = rfc5424(message)
		}
		if err != nil {
			l.mu.Lock()
			l.wrong = append(l.wrong, err.Error())
			l.mu.Unlock()
			return
		}
		l.mu.Lock()
		l.messages = append(l.messages, message)
		l.mu.Unlock()
		batch = append(batch, one)
	}
	l.take(batch)
	l.mu.Lock()
	for _, p := range c.ConnectionState().PeerCertificates {
		l.peers = append(l.peers, p.Subject.CommonName)
	}
	l.mu.Unlock()
	_ = c.Close()
}

// frame reads MSG-LEN SP SYSLOG-MSG (RFC 5425, section 4.3).
func frame(in *bufio.Reader) (string, error) {
	var digits []byte
	for {
		b, err := in.ReadByte()
		switch {
		case err != nil && len(digits) == 0:
			return "", err
		case err != nil:
			return "", errors.New("a length is cut off")
		case b == ' ' && len(digits) > 0:
			n, err := strconv.Atoi(string(digits))
			if err != nil || n > 1<<20 {
				return "", errors.New("a length that is none")
			}
			message := make([]byte, n)
			if _, err := io.ReadFull(in, message); err != nil {
				return "", errors.New("a message is cut off")
			}
			return string(message), nil
		case b < '0' || b > '9' || b == '0' && len(digits) == 0:
			return "", fmt.Errorf("byte %q in a length", b)
		}
		digits = append(digits, b)
	}
}

// header of RFC 5424, section 6: PRI, VERSION, TIMESTAMP, HOSTNAME, APP-NAME, PROCID, MSGID.
var header = regexp.MustCompile(`^<([1-9][0-9]{0,2}|0)>1 (\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{1,6}Z) ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) `)

// element is SD-ELEMENT: its id with an enterprise number, parameters with escaped values.
var element = regexp.MustCompile(`^\[([!#-<>-\\^-~]{1,32})( [!#-<>-\\^-~]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*\]`)

func rfc5424(message string) (one received, err error) {
	h := header.FindStringSubmatch(message)
	if h == nil {
		return one, fmt.Errorf("no header of RFC 5424: %.80q", message)
	}
	pri, _ := strconv.Atoi(h[1])
	if _, err := time.Parse(time.RFC3339Nano, h[2]); err != nil || pri != 13*8+6 && pri != 13*8+4 {
		return one, fmt.Errorf("time or priority: %.80q", message)
	}
	rest := message[len(h[0]):]
	switch {
	case strings.HasPrefix(rest, "- "):
		rest = rest[2:]
	default:
		e := element.FindString(rest)
		id := element.FindStringSubmatch(rest)
		if e == "" || !strings.Contains(id[1], "@") || !strings.HasPrefix(rest[len(e):], " ") {
			return one, fmt.Errorf("structured data: %.200q", rest)
		}
		rest = rest[len(e)+1:]
	}
	for _, r := range rest { // without a byte order mark a message is ASCII at most
		if r < ' ' || r > '~' {
			return one, fmt.Errorf("%U in a message", r)
		}
	}
	if err := json.Unmarshal([]byte(rest), &one); err != nil {
		return one, err
	}
	if (pri == 13*8+4) != (one.Outcome == "refused") {
		return one, errors.New("severity and outcome differ")
	}
	return one, nil
}

func TestSyslog(t *testing.T) {
	w := newWorld(t)
	w.record.add(600, w.clock.Now(), nil)
	w.record.add(1, w.clock.Now(), func(l *export.Line) {
		l.Entry.Object.ID, l.Entry.Tenant, l.Entry.Action = "é\u202e\x00\n]\"\\\U0001F600", "a]b\"c\\d\ne", "odd action\u00e9.that_is_longer_than_thirty_two_characters"
	})
	w.record.add(1, w.clock.Now(), func(l *export.Line) { l.Entry.Detail = map[string]any{"long": strings.Repeat("é", 100<<10)} })
	if err := w.drive("logs"); err != nil {
		t.Fatal(err)
	}
	w.syslog.sound(t, 602)
	for _, m := range w.syslog.messages {
		if len(m) > estate.DefaultMaxMessage {
			t.Errorf("a message of %d bytes", len(m))
		}
	}
	last := w.syslog.messages[len(w.syslog.messages)-1]
	if !strings.Contains(last, `"shortened":true`) || !strings.Contains(last, `"leaf":"`) {
		t.Errorf("%.300s", last)
	}
	if odd := w.syslog.messages[600]; !strings.Contains(odd, `tenant="a\]b\"c\\d`+"\uFFFD"+`e"`) || !strings.Contains(odd, `\u202e`) {
		t.Errorf("%.500s", odd)
	}
	if !strings.Contains(w.syslog.messages[0], `[garant@60001 uid="garant.example/log/1" outcome="permitted" tree="company" index="0"]`) {
		t.Errorf("%.300s", w.syslog.messages[0])
	}
	w.change("logs", func(d *estate.Stream) { d.Enterprise, d.Format = 0, estate.StreamJSON })
	w.record.add(1, w.clock.Now(), nil)
	if err := w.drive("logs"); err != nil || !strings.Contains(w.syslog.messages[602], " person.role_changed - {") {
		t.Errorf("no structured data: %v %.200s", err, w.syslog.messages[len(w.syslog.messages)-1])
	}
	w.syslog.sound(t, 603)
}

func TestSyslogClientCertificate(t *testing.T) {
	w := newWorld(t)
	w.record.add(1, w.clock.Now(), nil)
	asks := func(c *tls.Config) {
		c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		c.ClientCAs.AppendCertsFromPEM(w.syslog.authority.pem)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		w.syslog.set(nil, func(c *tls.Config) { asks(c); c.MaxVersion = version })
		if err := w.drive("logs"); problemOf(err) != Refused {
			t.Errorf("TLS %x, no certificate: %v", version, err)
		}
	}
	if w.syslog.at() != 0 || w.state("logs").Position != 0 {
		t.Error("something was taken")
	}
	w.change("logs", func(d *estate.Stream) { d.Certificate, d.Key = []byte(w.syslog.clientCert), secretOf(t, "STREAM_KEY") })
	if err := w.drive("logs"); err != nil || len(w.syslog.peers) != 1 {
		t.Errorf("with a certificate: %v %v", err, w.syslog.peers)
	}
	_, other, _ := w.syslog.authority.issue(t)
	t.Setenv("STREAM_KEY", string(other))
	w.record.add(1, w.clock.Now(), nil)
	if err := w.drive("logs"); problemOf(err) != BadSecret {
		t.Errorf("the key of another: %v", err)
	}
}

func (l *listener) hangs(c *tls.Conn, _ *net.TCPConn) bool { // reads, and never closes
	go func() { _, _ = io.Copy(io.Discard, c) }()
	<-l.hold
	return true
}

func (l *listener) deaf(*tls.Conn, *net.TCPConn) bool { // does not read
	<-l.hold
	return true
}

func resets(c *tls.Conn, raw *net.TCPConn) bool {
	_, _ = io.CopyN(io.Discard, c, 5)
	_ = raw.SetLinger(0)
	return true
}

// dropsTLS reads to the end and closes without the alert, as some receivers do.
func dropsTLS(l *listener) func(*tls.Conn, *net.TCPConn) bool {
	return func(c *tls.Conn, _ *net.TCPConn) bool {
		in, batch := bufio.NewReader(c), []received{}
		for {
			message, err := frame(in)
			if err != nil {
				break
			}
			one, err := rfc5424(message)
			if err != nil {
				l.t.Error(err)
			}
			batch = append(batch, one)
		}
		l.take(batch)
		return true
	}
}

func TestSyslogReceiversMisbehave(t *testing.T) {
	w := newWorld(t)
	fill := func() {
		for range 40 { // more than the buffers of a connection hold
			w.record.add(10, w.clock.Now(), func(l *export.Line) { l.Entry.Detail = map[string]any{"x": strings.Repeat("y", 6000)} })
		}
	}
	for _, c := range []struct {
		name    string
		behave  func(*tls.Conn, *net.TCPConn) bool
		config  func(*tls.Config)
		problem Problem
	}{
		{"hang", w.syslog.hangs, nil, Unconfirmed},
		{"deaf", w.syslog.deaf, nil, ""},
		{"reset", resets, nil, NoAnswer},
		{"old TLS", nil, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, Refused},
	} {
		fill()
		last := w.syslog.at()
		w.syslog.set(c.behave, c.config)
		err := w.drive("logs")
		if err == nil || c.problem != "" && problemOf(err) != c.problem {
			t.Errorf("%s: %v", c.name, err)
		}
		if st := w.state("logs"); st.Position != last || st.Problem == "" {
			t.Errorf("%s: %+v", c.name, st)
		}
		w.syslog.set(nil, nil)
		if err := w.drive("logs"); err != nil {
			t.Errorf("%s mended: %v", c.name, err)
		}
	}
	fill()
	w.syslog.set(dropsTLS(w.syslog), nil)
	if err := w.drive("logs"); err != nil {
		t.Errorf("closed without an alert: %v", err)
	}
	w.syslog.sound(t, int64(len(w.record.lines)))
	w.syslog.set(nil, nil)
	fill()
	w.change("logs", func(d *estate.Stream) { d.Private = false })
	if err := w.drive("logs"); problemOf(err) != BadAddress {
		t.Errorf("not declared private: %v", err)
	}
	w.change("logs", func(d *estate.Stream) { d.Private, d.TrustPEM = true, newAuthority(t).pem })
	if err := w.drive("logs"); problemOf(err) != Untrusted {
		t.Errorf("another authority: %v", err)
	}
}

// What somebody took away or changed is an alert, of no time.
func TestTamperedIsAnAlert(t *testing.T) {
	g := syslog{&Streams{Deps{Host: "h"}}, estate.Stream{Format: estate.StreamJSON, MaxMessage: estate.MinMaxMessage}}
	for _, action := range []string{Missing, Altered} {
		message, err := g.message(export.Line{Place: export.Place{Log: "log", Position: 7}, Entry: export.StandIn(action, 3)})
		if err != nil || !strings.HasPrefix(string(message), "<105>1 - h garant - "+action+" - {") {
			t.Errorf("%v: %s", err, message)
		}
	}
}

// FuzzMessage: whatever an entry holds, a message is one that the grammar knows, and no longer than receivers take.
func FuzzMessage(f *testing.F) {
	f.Add("a]b\"c\\d", "é\u202e\x00", "thing.done", "host name", "\xff")
	f.Add(strings.Repeat("]", 300), strings.Repeat("\U0001F600", 3000), "", "", "\n12 <13>1 forged")
	f.Fuzz(func(t *testing.T, tenant, id, action, host, reason string) {
		g := syslog{&Streams{Deps{Host: host}}, estate.Stream{Format: estate.StreamJSON, Enterprise: 60001, MaxMessage: estate.MinMaxMessage, Values: true}}
		l := entryAt(7, time.Date(2026, 5, 4, 3, 2, 1, 9000, time.UTC))
		l.Entry.Tenant, l.Entry.Object.ID, l.Entry.Action, l.Entry.Reason, l.Entry.Actor.ID = tenant, id, action, reason, reason
		for _, format := range []string{estate.StreamJSON, estate.StreamOCSF} {
			g.d.Format = format
			message, err := g.message(l)
			if err != nil || len(message) > estate.MinMaxMessage {
				t.Fatalf("%d bytes, %v", len(message), err)
			}
			one, err := rfc5424(string(message))
			if format == estate.StreamOCSF && err != nil && strings.Contains(err.Error(), "outcome") {
				err = nil // it is said otherwise there
			}
			if err != nil || format == estate.StreamJSON && one.UID != l.UID() {
				t.Fatalf("%v: %q", err, message)
			}
		}
	})
}
