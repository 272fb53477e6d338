package discover_test

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/garant-project/garant/internal/discover"
	"github.com/garant-project/garant/internal/errs"
)

// pretend answers every lookup with two addresses, one of them a cloud's own, and every connection with a pipe.
type pretend struct{ asked []string }

func (p *pretend) Addresses(_ context.Context, host string) ([]netip.Addr, string, error) {
	p.asked = append(p.asked, host)
	return []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("169.254.169.254")}, host, nil
}

func (p *pretend) Servers(_ context.Context, host string) ([]string, error) {
	p.asked = append(p.asked, host)
	return nil, nil
}

func (p *pretend) Dial(_ context.Context, _, address string) (net.Conn, error) {
	p.asked = append(p.asked, address)
	a, b := net.Pipe()
	_ = b.Close()
	return a, nil
}

func TestGuardLeadsOnlyToWhatWasNamed(t *testing.T) {
	database, err := discover.ParseDatabase("postgres://u@db.elsewhere.example:5433/x", "env:X")
	if err != nil {
		t.Fatal(err)
	}
	socket, err := discover.ParseDatabase("postgres:///x?host=/run/db", "env:Y")
	if err != nil {
		t.Fatal(err)
	}
	p := &pretend{}
	g := discover.Guard(p, discover.Ask{Domains: []string{domain}, Databases: []discover.Database{database, socket}})
	ctx := t.Context()
	dial := func(network, address string) error {
		conn, err := g.Dial(ctx, network, address)
		if err == nil {
			_ = conn.Close()
		}
		return err
	}
	lookup := func(host string) error {
		_, _, err := g.Addresses(ctx, host)
		return err
	}
	if err := dial("tcp", "192.0.2.1:443"); !errs.Is(err, errs.Denied) {
		t.Errorf("an address that nothing resolved to: %v", err)
	}
	for _, refused := range []string{"example", "xardoise.example", "ardoise.example.evil.example", "elsewhere.example", "localhost", "127.0.0.1", ""} {
		if err := lookup(refused); !errs.Is(err, errs.Denied) {
			t.Errorf("the lookup of %q: %v", refused, err)
		}
		if _, err := g.Servers(ctx, refused); !errs.Is(err, errs.Denied) {
			t.Errorf("the servers of %q: %v", refused, err)
		}
	}
	if len(p.asked) > 0 {
		t.Errorf("what was refused was asked: %v", p.asked)
	}
	for _, allowed := range []string{domain, "a.b." + domain, "db.elsewhere.example"} {
		if err := lookup(allowed); err != nil {
			t.Errorf("the lookup of %q: %v", allowed, err)
		}
	}
	if err := dial("tcp", "192.0.2.1:443"); err != nil {
		t.Errorf("an address that a name resolved to: %v", err)
	}
	if err := dial("unix", "/run/db/.s.PGSQL.5432"); err != nil {
		t.Errorf("the socket that was named: %v", err)
	}
	if err := dial("tcp", "169.254.169.254:80"); !errs.Is(err, errs.Denied) {
		t.Errorf("where a cloud answers with credentials: %v", err)
	}
	for network, address := range map[string]string{"udp": "192.0.2.1:443", "tcp": "192.0.2.2:443", "tcp4": "192.0.2.1:443", "unix": "/run/other/.s.PGSQL.5432", "unixgram": "/run/db/.s.PGSQL.5432"} {
		if err := dial(network, address); !errs.Is(err, errs.Denied) {
			t.Errorf("%s %s: %v", network, address, err)
		}
	}
}

func TestParseDomain(t *testing.T) {
	for written, want := range map[string]string{
		"company.example": "company.example", "Company.Example.": "company.example", "app.company.example": "app.company.example", "bücher.example": "xn--bcher-kva.example",
		"corp.internal": "corp.internal",
	} {
		if got, err := discover.ParseDomain(written); err != nil || got != want {
			t.Errorf("%q: %q, %v", written, got, err)
		}
	}
	for _, bad := range []string{"", "com", "co.uk", "github.io", "example", "localhost", "https://company.example", "company.example/x", "a@company.example", "company.example:443", "192.0.2.1", "::1", "a b.example",
		"-.example", "*.company.example", "x\n.example", "company..example", ".company.example"} {
		if got, err := discover.ParseDomain(bad); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q is taken as %q", bad, got)
		}
	}
}
