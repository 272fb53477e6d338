package discover_test

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/demo/servers"
	"github.com/garant-project/garant/internal/discover"
	"github.com/garant-project/garant/internal/discover/discovertest"
	"github.com/garant-project/garant/internal/estate"
)

const domain = "ardoise.example"

func ask(h *discovertest.Hosts) discover.Ask {
	return discover.Ask{Domains: []string{domain}, Ports: h.Ports}
}

func world(t testing.TB, h *discovertest.Hosts) discovertest.World {
	return discovertest.World{Ask: ask(h), Way: h.Resolver.Way(t)}
}

// postgresWithout answers an SSLRequest with "no".
func postgresWithout(conn net.Conn) { discovertest.Say("N")(conn) }

// evil is text that tries to leave its place.
const evil = "x\"\n  - name: evil\n    url: https://evil.example\r\u2028\u202E\x1b[31m'# "

func TestDNSPassesTheSuite(t *testing.T) {
	sound := func(t testing.TB) discovertest.World {
		h := discovertest.NewHosts(t)
		h.Serve(t, "app."+domain)
		h.Serve(t, "admin."+domain)
		h.Serve(t, "staging."+domain)
		h.Listen(t, "db."+domain, h.Ports.Postgres, postgresWithout)
		h.Listen(t, "legacy."+domain, h.Ports.HTTP, discovertest.Say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
		h.Listen(t, "www."+domain, h.Ports.HTTPS, discovertest.TLS(discovertest.SelfSigned(t, "X", "www."+domain, "legacy."+domain, "outside.example"),
			discovertest.Say("HTTP/1.1 301 Moved\r\nLocation: https://app.ardoise.example/\r\nContent-Length: 0\r\n\r\n")))
		w := world(t, h)
		w.Ask.Domains = append(w.Ask.Domains, "mecenat.example")
		h.Serve(t, "mecenat.example")
		return w
	}
	hostile := map[string]func(testing.TB) discovertest.World{
		"endless and garbage": func(t testing.TB) discovertest.World {
			h := discovertest.NewHosts(t)
			cert := discovertest.SelfSigned(t, "X", "app."+domain)
			h.Listen(t, "app."+domain, h.Ports.HTTPS, discovertest.TLS(cert, discovertest.Endless("HTTP/1.1 200 OK\r\n", "X: y\r\n")))
			h.Listen(t, "api."+domain, h.Ports.HTTPS, discovertest.Endless("", "\x00\xff\x16\x03\x01"))
			h.Listen(t, "www."+domain, h.Ports.HTTP, discovertest.Endless("HTTP/1.1 200 OK\r\n", strings.Repeat("a", 5000)))
			h.Listen(t, "db."+domain, h.Ports.Postgres, discovertest.Endless("", "SSSSSSSS"))
			h.Listen(t, "pg."+domain, h.Ports.Postgres, discovertest.Say("HTTP/1.1 400 Bad Request\r\n\r\n"))
			h.Resolver.Broken("login." + domain)
			return world(t, h)
		},
		"names that are none": func(t testing.TB) discovertest.World {
			h := discovertest.NewHosts(t)
			names := []string{"*." + domain, "*", "a b." + domain, "x'y." + domain, "-." + domain, "evil.example", "ardoise.example.evil.example",
				"evilardoise.example", "localhost", "127.0.0.1", "..", strings.Repeat("a", 70) + "." + domain}
			h.Listen(t, "app."+domain, h.Ports.HTTPS, discovertest.TLS(discovertest.SelfSigned(t, evil, names...),
				discovertest.Say("HTTP/1.1 302 Found\r\nLocation: https://evil.example/"+"\r\nStrict-Transport-Security: max-age=99999999999999999999\r\nContent-Length: 0\r\n\r\n")))
			h.Resolver.Mail(domain, "mx.evil.example", "mx."+domain)
			h.Resolver.Alias("docs."+domain, "pages.evil.example")
			h.Resolver.Name("pages.evil.example", "127.0.0.9")
			h.Resolver.Name("vpn."+domain, "169.254.169.254", "0.0.0.0")
			return world(t, h)
		},
		"a certificate of a thousand names, and every name exists": func(t testing.TB) discovertest.World {
			h := discovertest.NewHosts(t)
			var names []string
			for i := range 1000 {
				names = append(names, fmt.Sprintf("n%d.%s", i, domain))
			}
			h.Resolver.Name("*."+domain, "127.0.0.7")
			h.Listen(t, "app."+domain, h.Ports.HTTPS, discovertest.TLS(discovertest.SelfSigned(t, "X", names...), discovertest.Say("HTTP/1.1 204 No\r\n\r\n")))
			return world(t, h)
		},
	}
	discovertest.Run(t, discovertest.Subject{
		Source: &discover.DNS{Now: time.Now},
		Sound:  sound,
		Partial: func(t testing.TB) discovertest.World {
			h := discovertest.NewHosts(t)
			h.Serve(t, "app."+domain)
			h.Listen(t, "portal."+domain, h.Ports.HTTPS, discovertest.Hang)
			w := world(t, h)
			w.Missing = "portal." + domain
			return w
		},
		Silent: func(t testing.TB) discovertest.World {
			h := discovertest.NewHosts(t)
			h.Resolver.Silent("*")
			return world(t, h)
		},
		Hostile: hostile,
	})
}

func find(t *testing.T, h *discovertest.Hosts, more ...func(*discover.Ask)) (discover.Found, string) {
	t.Helper()
	a := ask(h)
	for _, m := range more {
		m(&a)
	}
	found, err := discover.Find(t.Context(), a, h.Resolver.Way(t), 0, &discover.DNS{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	r, err := discover.Draft(discovertest.Company(), found, estate.Dir(t.TempDir()), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return found, string(r.Source)
}

func has(t *testing.T, text string, wants ...string) {
	t.Helper()
	joined := strings.Join(strings.Fields(strings.ReplaceAll(text, "\n  #", "\n")), " ")
	for _, want := range wants {
		if !strings.Contains(text, want) && !strings.Contains(joined, want) {
			t.Errorf("missing %q in\n%s", want, text)
		}
	}
}

// Each thing that a security lead should hear of is said of the host that has it.
func TestDNSTellsWhatItSaw(t *testing.T) {
	h := discovertest.NewHosts(t)
	app := h.Serve(t, "app."+domain)
	for name, fault := range map[string]string{"files": servers.FaultNoHSTS, "api": servers.FaultPlainHTTP, "portal": servers.FaultExpired, "login": servers.FaultTLS10} {
		if err := h.Serve(t, name+"."+domain).Break(fault); err != nil {
			t.Fatal(err)
		}
	}
	_ = app
	h.Listen(t, "db."+domain, h.Ports.Postgres, postgresWithout)
	h.Listen(t, "help."+domain, h.Ports.HTTP, discovertest.Say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(h.CA.PEM())
	_, text := find(t, h, func(a *discover.Ask) { a.Trust = pool })
	has(t, text,
		fmt.Sprintf("url: 'https://app.ardoise.example:%d'", h.Ports.HTTPS)[:5],
		"ENC-2 not met: no Strict-Transport-Security",
		fmt.Sprintf("ENC-1 not met: port %d answers 200 without TLS", h.Ports.HTTP),
		"CRT-1 not met: of the certificate, it ended on",
		"ENC-1 not met: it has no TLS",
		"# - name: help",
		"HSTS of 365 days",
	)
	if strings.Contains(text, "trust its issuer") {
		t.Errorf("the authorities that were given are not believed:\n%s", text)
	}
	_, text = find(t, h)
	has(t, text, "this machine does not trust its issuer")
}

// Outside production the annex names the issuer of certificates, Let's Encrypt unless the estate says otherwise:
// the draft names the one that was seen. In production any that is trusted will do, and the line stays behind #.
func TestDNSNamesTheIssuerOutsideProduction(t *testing.T) {
	h := discovertest.NewHosts(t)
	h.Serve(t, "app."+domain)
	h.Serve(t, "staging."+domain)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(h.CA.PEM())
	_, text := find(t, h, func(a *discover.Ask) { a.Trust = pool })
	e, _, err := estate.Validate([]byte(text), estate.Dir(t.TempDir()))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	issuers := map[string]string{}
	for _, endpoint := range e.Endpoints {
		issuers[endpoint.Name] = endpoint.Issuer
	}
	if issuers["app"] != "" || issuers["staging"] != discovertest.Authority || strings.Count(text, "# issuer: ") != 1 {
		t.Errorf("issuers %v\n%s", issuers, text)
	}
}

// Names lead to names: a certificate's, a redirect's, a mail server's; and no further than the
// domains.
func TestDNSFollowsWhatLiesBelow(t *testing.T) {
	h := discovertest.NewHosts(t)
	h.Listen(t, "app."+domain, h.Ports.HTTPS, discovertest.TLS(discovertest.SelfSigned(t, "X", "app."+domain, "hidden."+domain, "outside.example"),
		discovertest.Say("HTTP/1.1 302 Found\r\nLocation: https://deeper.eu.ardoise.example/login\r\nContent-Length: 0\r\n\r\n")))
	h.Serve(t, "hidden."+domain)
	h.Serve(t, "deeper.eu."+domain)
	h.Serve(t, "post."+domain)
	h.Resolver.Mail(domain, "post."+domain, "mx.elsewhere.example")
	_, text := find(t, h)
	has(t, text, "name: hidden", "the certificate at app.ardoise.example bears it", "name: deeper-eu", "redirects to it", "name: post", "outside.example",
		"which were not asked")
	for _, name := range h.Resolver.Asked() {
		if !discover.Below(name, domain) {
			t.Errorf("the resolver was asked for %s", name)
		}
	}
}

// Where every name exists, a name alone says nothing.
func TestDNSSeesThroughWildcards(t *testing.T) {
	h := discovertest.NewHosts(t)
	h.Serve(t, "app."+domain)
	other := h.Address()
	h.Resolver.Name("*."+domain, other)
	found, _ := find(t, h)
	if len(found.Proposals) != 1 || !strings.Contains(found.Proposals[0].Subject, "app.") {
		t.Errorf("proposals: %+v", found.Proposals)
	}
	if !slices.ContainsFunc(found.Notes, func(n discover.Note) bool { return strings.Contains(n.Text, "wildcard") }) {
		t.Errorf("no note tells of the wildcard: %+v", found.Notes)
	}
}

// A resolver that is away is told, and costs little time.
func TestDNSWithoutResolver(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for what never answers")
	}
	h := discovertest.NewHosts(t)
	h.Resolver.Silent("*")
	start := time.Now()
	found, text := find(t, h)
	if took := time.Since(start); took > 15*time.Second {
		t.Errorf("it took %s", took)
	}
	if len(found.Proposals) > 0 || len(found.Notes) == 0 {
		t.Errorf("%+v", found)
	}
	has(t, text, "the resolver did not answer in time")
}

// The figure of docs/init.md: twenty hosts, of which five hang.
func TestTwentyHostsOfWhichFiveHang(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for what never answers")
	}
	h := discovertest.NewHosts(t)
	labels := []string{"www", "app", "admin", "api", "portal", "login", "auth", "sso", "id", "account", "my", "secure", "staging", "test", "dev"}
	for _, label := range labels {
		h.Serve(t, label+"."+domain)
	}
	for _, label := range []string{"files", "static", "vpn", "git", "db"} {
		address := h.Address()
		for _, port := range []int{h.Ports.HTTPS, h.Ports.HTTP, h.Ports.Postgres} {
			h.ListenAt(t, address, port, discovertest.Hang)
		}
		h.Resolver.Name(label+"."+domain, address)
	}
	start := time.Now()
	found, _ := find(t, h)
	took := time.Since(start)
	t.Logf("20 hosts of which 5 hang: %.1f s, %d proposals, %d notes", took.Seconds(), len(found.Proposals), len(found.Notes))
	if took > 20*time.Second {
		t.Errorf("it took %s", took)
	}
	if len(found.Proposals) != len(labels) {
		t.Errorf("%d proposals, want %d", len(found.Proposals), len(labels))
	}
	if len(found.Notes) < 5 {
		t.Errorf("the hosts that hang are not told: %+v", found.Notes)
	}
}

// A source that ignores its context is not waited for.
func TestFindDoesNotWaitForeverForASource(t *testing.T) {
	start := time.Now()
	found, err := discover.Find(t.Context(), discover.Ask{}, nil, 100*time.Millisecond, deafSource{})
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 6*time.Second {
		t.Errorf("it took %s", took)
	}
	if len(found.Notes) != 1 || !strings.Contains(found.Notes[0].Text, "did not end in time") {
		t.Errorf("%+v", found)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := discover.Find(ctx, discover.Ask{}, nil, time.Minute, deafSource{}); err == nil {
		t.Error("a search that was stopped gives a result")
	}
}

type deafSource struct{}

func (deafSource) Name() string             { return "deaf" }
func (deafSource) Asks(discover.Ask) string { return "nobody" }
func (deafSource) Find(context.Context, discover.Ask, discover.Way) (discover.Found, error) {
	time.Sleep(20 * time.Second)
	return discover.Found{}, nil
}

// However many hosts hang, the search ends when its time is over, with what it saw till then.
func TestFindEndsInTimeWhateverHangs(t *testing.T) {
	h := discovertest.NewHosts(t)
	hanging := h.Address()
	for _, port := range []int{h.Ports.HTTPS, h.Ports.HTTP, h.Ports.Postgres} {
		h.ListenAt(t, hanging, port, discovertest.Hang)
	}
	a := ask(h)
	a.Domains = nil
	for i := range 20 {
		name := fmt.Sprintf("d%d.example", i)
		a.Domains = append(a.Domains, name)
		for _, label := range []string{"app", "api", "www", "admin"} {
			h.Resolver.Name(label+"."+name, hanging)
		}
	}
	start := time.Now()
	found, err := discover.Find(t.Context(), a, h.Resolver.Way(t), 3*time.Second, &discover.DNS{Now: time.Now})
	took := time.Since(start)
	t.Logf("80 hosts that hang, 3 s to look: %.1f s", took.Seconds())
	if err != nil || took > 6*time.Second {
		t.Errorf("%v after %s", err, took)
	}
	if !slices.ContainsFunc(found.Notes, func(n discover.Note) bool { return strings.Contains(n.Text, "The time was over") }) {
		t.Errorf("nothing tells that the time was over: %+v", found.Notes)
	}
}
