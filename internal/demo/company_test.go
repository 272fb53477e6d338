package demo

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
)

func open(t *testing.T, dir string) *Company {
	t.Helper()
	c, err := Open(context.Background(), dir, 5*time.Second, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	return c
}

func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "garant-demo-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { // PostgreSQL's account passes through
		t.Fatal(err)
	}
	return dir
}

func TestSecondStartDeclaresTheSameEstate(t *testing.T) {
	t.Setenv(PortsVariable, "free") // nobody takes them between the two starts
	dir := scratch(t)
	c := open(t, dir)
	first := c.Config()
	e, err := estate.Parse(first, estate.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Endpoints) != len(endpoints()) {
		t.Errorf("%d endpoints declared, %d there", len(e.Endpoints), len(endpoints()))
	}
	for _, ep := range e.Endpoints {
		if len(ep.Identity) != 1 || ep.TrustPEM == nil {
			t.Errorf("%s is not pinned", ep.Name)
		}
	}
	c.Close()
	c = open(t, dir)
	defer c.Close()
	if again := c.Config(); string(again) != string(first) {
		t.Errorf("a second start declares another estate:\n%s\n%s", first, again)
	}
	for _, secret := range []string{"ca.key", "application.key", "database.key"} {
		if info, err := os.Stat(c.path(secret)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", secret, info, err)
		}
	}
}

func TestOrders(t *testing.T) {
	t.Setenv(PortsVariable, "free")
	dir := scratch(t)
	if _, err := Send(dir, Order{Do: "list"}); !errs.Is(err, errs.Unavailable) {
		t.Errorf("nothing runs: %v", err)
	}
	c := open(t, dir)
	defer c.Close()
	stop, err := c.Control()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	a, err := Send(dir, Order{Do: "list"})
	if err != nil || a.Endpoints["staging"] != "no-hsts" || a.Endpoints["application"] != "" {
		t.Errorf("%+v, %v", a, err)
	}
	if !strings.Contains(a.String(), "staging          broken: no-hsts") {
		t.Errorf("%s", a)
	}
	for _, o := range []Order{{Do: "break", Endpoint: "application", Fault: "tls10"}, {Do: "break", Endpoint: "database", Fault: "down"}} {
		if a, err := Send(dir, o); err != nil || a.Endpoints[o.Endpoint] != o.Fault {
			t.Errorf("%+v: %+v, %v", o, a, err)
		}
		if a, err := Send(dir, Order{Do: "mend", Endpoint: o.Endpoint}); err != nil || a.Endpoints[o.Endpoint] != "" {
			t.Errorf("mend %s: %+v, %v", o.Endpoint, a, err)
		}
	}
	for _, c := range []struct {
		order Order
		kind  errs.Kind
		names string
	}{
		{Order{Do: "break", Endpoint: "nowhere", Fault: "down"}, errs.NotFound, "application"},
		{Order{Do: "break", Endpoint: "application", Fault: "gremlins"}, errs.Invalid, "tls10"},
		{Order{Do: "break", Endpoint: "database", Fault: "tls10"}, errs.Invalid, "down"},
		{Order{Do: "dance"}, errs.Invalid, ""},
	} {
		_, err := Send(dir, c.order)
		if _, fix := errs.Sentence(err); !errs.Is(err, c.kind) || !strings.Contains(fix, c.names) {
			t.Errorf("%+v: %v (%s)", c.order, err, fix)
		}
	}
}

func TestTakenPortsAreLeftAlone(t *testing.T) {
	a := open(t, scratch(t))
	defer a.Close()
	b := open(t, scratch(t))
	defer b.Close()
	var taken []int
	for _, p := range a.ports {
		taken = append(taken, p[0], p[1])
	}
	for name, p := range b.ports {
		if name != ownListener && (slices.Contains(taken, p[0]) || p[1] != 0 && slices.Contains(taken, p[1])) {
			t.Errorf("%s took a port of the other example: %v", name, p)
		}
	}
}

// Two examples that start at the same moment share no port, though neither has taken any when
// the other asks, and though each has a directory for temporary files of its own.
func TestExamplesSideBySideShareNoPort(t *testing.T) {
	dirs := []string{scratch(t), scratch(t)}
	taken := map[int]string{}
	for _, dir := range dirs {
		t.Setenv("TMPDIR", dir)
		c := &Company{dir: dir, ports: map[string][2]int{}}
		c.hold()
		defer c.Close() //nolint:revive // both are there until the end
		if err := c.listeners(); err != nil {
			t.Fatal(err)
		}
		for _, port := range c.ports[ownListener] {
			if other := taken[port]; other != "" {
				t.Errorf("%s and %s both chose port %d", other, dir, port)
			}
			taken[port] = dir
		}
	}
}
