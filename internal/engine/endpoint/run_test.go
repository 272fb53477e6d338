package endpoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/demo/servers"
	"github.com/garant-project/garant/internal/engine/endpoint/tlsscan"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
)

func run(t testing.TB, check measure.Check, e *estate.Estate) measure.Finding {
	t.Helper()
	return check.Run(t.Context(), measure.In{Estate: e, Now: time.Now()})
}

func problems(f measure.Finding) (list []string) {
	for _, i := range f.Failed {
		list = append(list, i.Target+" "+i.Problem)
	}
	return list
}

// many copies the first endpoint of a world n times.
func (w *world) many(n int) {
	first := w.estate.Endpoints[0]
	w.estate.Endpoints = nil
	for i := range n {
		e := first
		e.Name = fmt.Sprintf("node-%02d.example.test", i)
		w.estate.Endpoints = append(w.estate.Endpoints, e)
	}
}

func TestOneSlowOfFifty(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.many(50)
	// Slow in the worst way: one byte at a time, never done.
	drip := newFront(t, func(conn net.Conn) {
		for {
			if _, err := conn.Write([]byte{22}); err != nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
	const slow = 7
	w.estate.Endpoints[slow].Dial, w.estate.Endpoints[slow].PlainHTTP = drip.address, drip.address
	d := Deps{Target: 4 * time.Second, Connection: 3 * time.Second}
	for _, check := range []measure.Check{Checks(d).TLS, Checks(d).PlainHTTP, Checks(d).HSTS, Checks(d).CertificateProduction} {
		begin := time.Now()
		f := run(t, check, w.estate)
		took := time.Since(begin)
		name := w.estate.Endpoints[slow].Name
		if f.Outcome != measure.Error || len(f.Scope) != 49 || slices.Contains(f.Scope, name) {
			t.Errorf("%s: %s, scope of %d, %v", check.ID, f.Outcome, len(f.Scope), problems(f))
		}
		for _, item := range f.Failed {
			if item.Target != name {
				t.Errorf("%s: %+v", check.ID, item)
			}
		}
		if took > 12*time.Second { // the slow one's 4 s, and the others' work beside it
			t.Errorf("%s took %v", check.ID, took)
		}
	}
}

// TestSlowDoNotWaitForEachOther has twice as many silent endpoints as are looked at together,
// and one sound one behind them in the list.
func TestSlowDoNotWaitForEachOther(t *testing.T) {
	w := newWorld(t)
	const mutes = 16 // two rounds of eight
	w.many(mutes + 1)
	mute := newFront(t, silent)
	for i := range mutes {
		w.estate.Endpoints[i].Dial = mute.address
	}
	d := Deps{Target: time.Second, Connection: 500 * time.Millisecond}
	begin := time.Now()
	f := run(t, Checks(d).CertificateProduction, w.estate)
	if took := time.Since(begin); took > 2500*time.Millisecond {
		t.Errorf("two rounds of half a second took %v", took)
	}
	if want := []string{w.estate.Endpoints[mutes].Name}; !slices.Equal(f.Scope, want) || f.Outcome != measure.Error {
		t.Errorf("%s, scope %v", f.Outcome, f.Scope)
	}
}

func TestFailBeatsError(t *testing.T) {
	w := newWorld(t)
	if err := w.www.server.Break(servers.FaultTLS11); err != nil {
		t.Fatal(err)
	}
	if err := w.staging.server.Break(servers.FaultDown); err != nil {
		t.Fatal(err)
	}
	w.estate.Endpoints[1].Dial = w.staging.server.Addr()
	f := run(t, Checks(deps()).TLS, w.estate)
	slices.Reverse(w.estate.Endpoints)
	if again := run(t, Checks(deps()).TLS, w.estate); again.Outcome != f.Outcome || !slices.Equal(problems(again), problems(f)) {
		t.Errorf("the order of the estate matters: %s %v", again.Outcome, problems(again))
	}
	want := []string{"staging.example.test endpoint.unreachable", "www.example.test endpoint.tls.old_version"}
	if f.Outcome != measure.Fail || !slices.Equal(problems(f), want) {
		t.Errorf("%s %v", f.Outcome, problems(f))
	}
	if !slices.Equal(f.Scope, []string{"www.example.test"}) {
		t.Errorf("scope %v holds what was not examined", f.Scope)
	}
	item := f.Failed[1]
	if item.Expected != "TLS 1.2, TLS 1.3" || item.Actual != "TLS 1.1" {
		t.Errorf("item %+v", item)
	}
}

func TestFacts(t *testing.T) {
	w := newWorld(t)
	for _, check := range Checks(deps()).All() {
		f := run(t, check, w.estate)
		if f.Outcome != measure.Pass {
			t.Fatalf("%s: %v", check.ID, problems(f))
		}
		if !slices.Equal(f.Scope, check.Scope(w.estate)) {
			t.Errorf("%s: examined %v of %v", check.ID, f.Scope, check.Scope(w.estate))
		}
		for _, name := range check.Facts {
			if _, ok := f.Facts[name]; !ok {
				t.Errorf("%s does not give %s", check.ID, name)
			}
		}
		if len(f.Facts) != len(check.Facts) {
			t.Errorf("%s gives %v, declares %v", check.ID, f.Facts, check.Facts)
		}
		switch check.ID {
		case "endpoint.tls":
			if got := f.Facts["endpoint.tls.versions"].List; !slices.Equal(got, []string{"TLS 1.2", "TLS 1.3"}) {
				t.Errorf("versions %v", got)
			}
			if got := f.Facts["endpoint.tls.suites"].Count; got != 3 {
				t.Errorf("%d suites", got)
			}
			if got := f.Facts["endpoint.tls.examined"].Count; got != 2 {
				t.Errorf("%d examined", got)
			}
		case "endpoint.hsts":
			if got := f.Facts["endpoint.hsts.max_age"].Duration; got != 365*24*time.Hour {
				t.Errorf("max-age %v", got)
			}
		case "endpoint.certificate.production", "endpoint.certificate.nonproduction":
			left := time.Until(f.Facts[check.ID+".next_expiry"].Instant)
			if left < 89*24*time.Hour || left > 90*24*time.Hour {
				t.Errorf("%s: next expiry in %v", check.ID, left)
			}
		}
	}
	f := run(t, Checks(deps()).CertificateNonProduction, w.estate)
	if got := f.Facts["endpoint.certificate.nonproduction.issuers"].List; !slices.Equal(got, []string{organisation}) {
		t.Errorf("issuers %v", got)
	}
	// The least max-age counts, and an endpoint without a valid header has none.
	w.www.secure.become(page(w.www.valid(t), ""))(t)
	f = run(t, Checks(deps()).HSTS, w.estate)
	if got := f.Facts["endpoint.hsts.max_age"]; got.Duration != 0 || f.Facts["endpoint.hsts.examined"].Count != 2 {
		t.Errorf("facts %+v", f.Facts)
	}
}

func TestScopes(t *testing.T) {
	e := &estate.Estate{Endpoints: []estate.Endpoint{
		{Name: "web", Protocol: estate.HTTPS, Environment: estate.Production, Audience: "public"},
		{Name: "admin", Protocol: estate.HTTPS, Environment: estate.NonProduction, Audience: "admin"},
		{Name: "db", Protocol: estate.Postgres, Environment: estate.Production, Audience: "admin"},
	}}
	want := [][]string{{"admin", "db", "web"}, {"admin", "web"}, {"admin", "web"}, {"db", "web"}, {"admin"}}
	ids := []string{"endpoint.tls", "endpoint.plainhttp", "endpoint.hsts", "endpoint.certificate.production", "endpoint.certificate.nonproduction"}
	proves := []string{"ENC-1", "ENC-1", "ENC-2", "CRT-1", "CRT-2"}
	for i, c := range New(Deps{}).Checks {
		if c.ID != ids[i] || !slices.Equal(c.Measures, []string{proves[i]}) {
			t.Errorf("check %d is %s for %v", i, c.ID, c.Measures)
		}
		if got := c.Scope(e); !slices.Equal(got, want[i]) {
			t.Errorf("%s: scope %v, want %v", c.ID, got, want[i])
		}
		if c.Valid < c.Every+c.Timeout {
			t.Errorf("%s: evidence that ends before the next run", c.ID)
		}
	}
}

func TestRawIsBounded(t *testing.T) {
	raw := map[string]any{}
	for i := range 2000 {
		raw[fmt.Sprintf("node-%04d", i)] = strings.Repeat("x", 100)
	}
	failed := []measure.Item{{Target: "node-1234"}, {Target: "node-1234"}, {Target: "node-0001"}}
	first := encodeRaw(raw, failed)
	if len(first) > maxRaw || !json.Valid(first) || !strings.Contains(string(first), `"node-1234":"xx`) {
		t.Errorf("%d bytes: %.200s", len(first), first)
	}
	raw["node-1999"] = "changed"
	if string(encodeRaw(raw, failed)) == string(first) {
		t.Error("a change does not show")
	}
	var all []measure.Item
	for name := range raw {
		all = append(all, measure.Item{Target: name})
	}
	if b := encodeRaw(raw, all); len(b) > maxRaw || len(b) < maxRaw/2 || !json.Valid(b) {
		t.Errorf("%d bytes", len(b))
	}
}

func TestPlainPortClosed(t *testing.T) {
	w := newWorld(t)
	w.estate.Endpoints = w.estate.Endpoints[:1]
	w.estate.Endpoints[0].PlainHTTP = net.JoinHostPort("127.0.0.1", fmt.Sprint(freePort(t)))
	f := run(t, Checks(deps()).PlainHTTP, w.estate)
	if f.Outcome != measure.Pass || !strings.Contains(string(f.Raw), "connection refused") {
		t.Errorf("%s %v %s", f.Outcome, problems(f), f.Raw)
	}
	// A filter that drops packets: nothing answers, and the evidence says how.
	dropped := w.estate.Endpoints[0].PlainHTTP
	d := deps()
	d.Connection = 300 * time.Millisecond
	d.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == dropped {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	f = run(t, Checks(d).PlainHTTP, w.estate)
	if f.Outcome != measure.Pass || !strings.Contains(string(f.Raw), "no connection in time") {
		t.Errorf("%s %v %s", f.Outcome, problems(f), f.Raw)
	}
	w.estate.Endpoints[0].Dial = dropped
	if f = run(t, Checks(d).PlainHTTP, w.estate); f.Outcome != measure.Error {
		t.Errorf("an endpoint of which nothing answers: %s", f.Outcome)
	}
}

func TestNoRedirectIsFollowed(t *testing.T) {
	w := newWorld(t)
	var asked atomic.Int32
	trap := newFront(t, func(net.Conn) { asked.Add(1) })
	to := "Location: https://" + trap.address + "/\r\nSet-Cookie: a=b\r\n"
	w.www.secure.become(over(config(w.www.valid(t)), answer("HTTP/1.1 302 Found\r\nContent-Length: 0\r\nStrict-Transport-Security: "+hsts+"\r\n"+to+"\r\n")))(t)
	w.www.plain.become(answer("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n" + to + "\r\n"))(t)
	w.estate.Endpoints = w.estate.Endpoints[:1]
	if f := run(t, Checks(deps()).HSTS, w.estate); f.Outcome != measure.Pass {
		t.Errorf("HSTS on a redirect: %v", problems(f))
	}
	if f := run(t, Checks(deps()).PlainHTTP, w.estate); !slices.Equal(problems(f), []string{"www.example.test " + string(PlainOtherHost)}) {
		t.Errorf("%v", problems(f))
	}
	if asked.Load() > 0 {
		t.Error("a redirect was followed")
	}
}

// TestBodiesAreNotRead serves a page without end, and a header without end: of neither more is taken from
// the network than what a head may hold, and what had been sent by then.
func TestBodiesAreNotRead(t *testing.T) {
	w := newWorld(t)
	w.estate.Endpoints = w.estate.Endpoints[:1]
	endless := func(head string, rest []byte) func(net.Conn) {
		return func(conn net.Conn) {
			answer(head)(conn)
			for {
				if _, err := conn.Write(rest); err != nil {
					return
				}
			}
		}
	}
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, c := range []struct {
		name   string
		handle func(net.Conn)
		want   measure.Outcome
		most   int64
	}{
		{"a page without end", endless(ok+"Strict-Transport-Security: "+hsts+"\r\n\r\n", make([]byte, 1<<16)), measure.Pass, 64 << 10},
		{"a header without end", endless(ok, []byte("X: "+strings.Repeat("y", 1000)+"\r\n")), measure.Error, maxHeader + 64<<10},
	} {
		w.www.secure.become(over(config(w.www.valid(t)), c.handle))(t)
		var taken atomic.Int64
		d := Deps{Target: 2 * time.Minute, Connection: time.Minute} // a slow machine is no slow server
		d.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			return &counted{Conn: conn, taken: &taken, most: c.most}, err
		}
		f := run(t, Checks(d).HSTS, w.estate)
		if f.Outcome != c.want {
			t.Errorf("%s: %s, %v", c.name, f.Outcome, problems(f))
		}
		if n := taken.Load(); n == 0 || n > c.most {
			t.Errorf("%s: %d bytes were read, at most %d are to be", c.name, n, c.most)
		}
	}
}

// counted counts what is read from it, and ends with more than most.
type counted struct {
	net.Conn
	taken *atomic.Int64
	most  int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.taken.Add(int64(n)) > c.most {
		return n, errors.Join(err, errors.New("more was read than is to be"))
	}
	return n, err
}

func TestRequest(t *testing.T) {
	w := newWorld(t)
	w.estate.Endpoints = w.estate.Endpoints[:1]
	e := &w.estate.Endpoints[0]
	e.Path = "/health?probe=1"
	seen := make(chan *http.Request, 1)
	server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		seen <- r
		http.Redirect(rw, r, "https://"+e.Host+"/", http.StatusMovedPermanently)
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	e.PlainHTTP = l.Addr().String()
	if f := run(t, Checks(deps()).PlainHTTP, w.estate); f.Outcome != measure.Pass {
		t.Error(problems(f))
	}
	r := <-seen
	if r.Method != "GET" || r.Host != e.Host || r.RequestURI != "/health?probe=1" || len(r.Cookies()) > 0 {
		t.Errorf("%s %s of %s", r.Method, r.RequestURI, r.Host)
	}
}

func TestPanicBlindsOneTarget(t *testing.T) {
	w := newWorld(t)
	p := newProber(deps())
	targets := []*estate.Endpoint{&w.estate.Endpoints[0], &w.estate.Endpoints[1]}
	f := p.run(t.Context(), measure.In{Estate: w.estate, Now: time.Now()}, targets,
		func(_ context.Context, e *estate.Endpoint, _ time.Time) *look {
			if e.Name == w.www.name {
				panic("a certificate from hell")
			}
			return &look{}
		}, func([]*look) map[string]measure.Fact { return nil })
	if f.Outcome != measure.Error || !slices.Equal(f.Scope, []string{w.staging.name}) ||
		!slices.Equal(problems(f), []string{w.www.name + " " + string(CheckBroken)}) {
		t.Errorf("%s %v %v", f.Outcome, f.Scope, problems(f))
	}
}

func TestRefusedThenBack(t *testing.T) {
	w := newWorld(t)
	w.estate.Endpoints = w.estate.Endpoints[:1]
	refuse := true
	d := deps()
	d.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if refuse {
			return nil, &net.OpError{Op: "dial", Err: syscall.ENETUNREACH}
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	for _, check := range Checks(d).All()[:4] {
		refuse = true
		if f := run(t, check, w.estate); f.Outcome != measure.Error || len(f.Scope) > 0 || f.Failed[0].Actual != "network unreachable" {
			t.Errorf("%s without a network: %s %+v", check.ID, f.Outcome, f.Failed)
		}
		refuse = false
		if f := run(t, check, w.estate); f.Outcome != measure.Pass {
			t.Errorf("%s with the network back: %v", check.ID, problems(f))
		}
	}
}

// What keeps us from connecting to the plain side is no word of the server's.
func TestFaultOnOurSideIsNoSilenceOfPlainHTTP(t *testing.T) {
	w := newWorld(t)
	w.estate.Endpoints = w.estate.Endpoints[:1]
	for cause, want := range map[error]measure.Outcome{
		syscall.EMFILE: measure.Error, syscall.EACCES: measure.Error, syscall.EPERM: measure.Error, syscall.EADDRNOTAVAIL: measure.Error,
		&net.DNSError{Err: "no such host"}: measure.Error,
		syscall.ECONNREFUSED:               measure.Pass, syscall.EHOSTUNREACH: measure.Pass, syscall.ETIMEDOUT: measure.Pass, context.DeadlineExceeded: measure.Pass,
	} {
		d := deps()
		d.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == w.estate.Endpoints[0].PlainHTTP {
				return nil, &net.OpError{Op: "dial", Err: cause}
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
		if f := run(t, Checks(d).PlainHTTP, w.estate); f.Outcome != want {
			t.Errorf("%v on the plain side: %s %v", cause, f.Outcome, problems(f))
		}
	}
}

func TestPolicyVersions(t *testing.T) {
	for _, test := range []struct {
		policy []string
		want   string
	}{{[]string{"1.2", "1.3"}, "TLS 1.2, TLS 1.3"}, {[]string{"1.3"}, "TLS 1.3"}, {nil, ""}, {[]string{"3.0", "TLS 1.2"}, ""}, {[]string{"1.0", "1.1", "1.3"}, "TLS 1.3"}} {
		if got := names(allowedVersions(&estate.Policy{TLSVersions: test.policy})); got != test.want {
			t.Errorf("%v allows %q", test.policy, got)
		}
	}
	// A policy of 1.3 alone finds 1.2 too old.
	w := newWorld(t)
	w.estate.Policy.TLSVersions = []string{"1.3"}
	f := run(t, Checks(deps()).TLS, w.estate)
	if f.Outcome != measure.Fail || f.Failed[0].Problem != string(OldVersion) || f.Failed[0].Actual != tlsscan.TLS12.String() {
		t.Errorf("%s %+v", f.Outcome, f.Failed)
	}
}
