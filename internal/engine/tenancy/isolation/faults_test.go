package isolation

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/measure/measuretest"
)

func TestFaults(t *testing.T) {
	w := newWorld(t)
	item := func(p Problem) measure.Item { return measure.Item{Target: "production", Problem: string(p)} }
	sql := func(name string, p Problem, broken, mended string) measuretest.Fault {
		return measuretest.Fault{Name: name, Item: item(p),
			Break: func(testing.TB) { w.exec(broken) }, Mend: func(testing.TB) { w.exec(mended) }}
	}
	const policy = `CREATE POLICY everything ON shop.orders FOR SELECT TO app USING (true)`
	// What is declared is broken by changing the estate, which the subject holds.
	declared := func(name string, p Problem, broken func(*estate.Database), outcome measure.Outcome) measuretest.Fault {
		var before estate.Database
		var tenancy estate.Tenancy
		return measuretest.Fault{Name: name, Item: item(p), Want: outcome,
			Break: func(testing.TB) {
				before, tenancy = w.estate.Databases[0], *w.tenancy()
				broken(&w.estate.Databases[0])
			},
			Mend: func(testing.TB) {
				w.estate.Databases[0] = before
				*w.estate.Databases[0].Tenancy = tenancy
			}}
	}
	address := func(name string, p Problem, variable, url string) measuretest.Fault {
		var before string
		return measuretest.Fault{Name: name, Item: item(p), Want: measure.Error,
			Break: func(testing.TB) { before = os.Getenv(variable); w.address(variable, url) },
			Mend:  func(testing.TB) { w.address(variable, before) }}
	}
	faults := Set[[]measuretest.Fault]{
		[]measuretest.Fault{
			sql("row-level security off", Open, `ALTER TABLE shop.orders DISABLE ROW LEVEL SECURITY`, `ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY`),
			sql("not forced", Weak, `ALTER TABLE shop.orders NO FORCE ROW LEVEL SECURITY`, `ALTER TABLE shop.orders FORCE ROW LEVEL SECURITY`),
			sql("a policy for all", Crossed, policy, `DROP POLICY everything ON shop.orders`),
			sql("a table nobody classified", Unclassified, `CREATE TABLE shop.note (id bigint PRIMARY KEY, text text)`, `DROP TABLE shop.note`),
			sql("the application owns a table", Open, `ALTER TABLE shop.line OWNER TO app`, `ALTER TABLE shop.line OWNER TO app_owner`),
			sql("a reader around", Undeclared, `CREATE ROLE bi LOGIN BYPASSRLS`, `DROP ROLE bi`),
			sql("a standing pin", Open, `ALTER DATABASE shop SET backtrace_functions = 'garant_x'`, `ALTER DATABASE shop RESET backtrace_functions`),
			sql("the application may make temporary tables", Shows, `GRANT TEMPORARY ON DATABASE shop TO app`, `REVOKE TEMPORARY ON DATABASE shop FROM app`),
			{Name: "a catalogue that may not be read", Item: item(Unseen), Want: measure.Error,
				Break: func(testing.TB) { w.exec(`REVOKE SELECT ON pg_catalog.pg_file_settings FROM reader`) },
				Mend:  func(testing.TB) { w.exec(`GRANT SELECT ON pg_catalog.pg_file_settings TO reader`) }},
			declared("another system", Impostor, func(d *estate.Database) { d.System = "7000000000000000001" }, measure.Error),
			declared("no application", NoApplication, func(d *estate.Database) { d.Tenancy.Application = estate.Secret{} }, measure.Error),
			declared("a manifest that is none", BadManifest, func(d *estate.Database) {
				d.Tenancy.Manifest = []byte(strings.Replace(string(w.manifest), "class: tenant", "class: everybody", 1))
			}, measure.Error),
			address("nobody answers", Unreachable, "GARANT_TEST_URL", "postgres://reader@127.0.0.1:1/shop?connect_timeout=2"),
			address("no address", BadAddress, "GARANT_TEST_URL", ""),
			address("the application cannot sign in", Unreachable, "GARANT_TEST_APP", "postgres://nobody@127.0.0.1:1/shop?connect_timeout=2"),
		},
		[]measuretest.Fault{
			sql("a policy for all that write", Crossed, `CREATE POLICY everything ON shop.orders FOR INSERT TO app WITH CHECK (true)`, `DROP POLICY everything ON shop.orders`),
			address("nobody answers", Unreachable, "GARANT_TEST_COPY", "postgres://reader@127.0.0.1:1/shop?connect_timeout=2"),
		},
	}
	checks := Checks(Deps{})
	for i, check := range checks.All() {
		t.Run(check.ID, func(t *testing.T) {
			measuretest.Run(t, measuretest.Subject{Check: check, Estate: w.estate, Faults: faults.All()[i]})
		})
	}
}

// Out of time, nothing is said.
func TestOutOfTime(t *testing.T) {
	w := newWorld(t)
	f := measure.Observe(context.Background(), Checks(Deps{Live: time.Millisecond}).Live, measure.In{Estate: w.estate, Now: time.Now()}, slog.New(slog.DiscardHandler))
	if f.Outcome != measure.Error || len(f.Failed) != 1 || f.Failed[0].Problem != string(OutOfTime) {
		t.Errorf("%s %+v", f.Outcome, f.Failed)
	}
}

func TestMessages(t *testing.T) {
	measuretest.Words(t, Messages(), Problems(), Checks(Deps{}).All()...)
	measuretest.Listed(t, Problems())
}

// The measures and facts that the checks name are the catalogue's.
func TestCatalogueKnowsTheChecks(t *testing.T) {
	known, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := measure.NewRegistry(known, New(Deps{})); err != nil {
		t.Error(err)
	}
}
