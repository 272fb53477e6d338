package tenancy

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/measure/measuretest"

	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
)

func (w *world) fault(name string, want measure.Outcome, p Problem, broken, mend func()) measuretest.Fault {
	return measuretest.Fault{Name: name, Want: want, Item: measure.Item{Target: "shop", Problem: string(p)}, Break: func(testing.TB) { broken() }, Mend: func(testing.TB) { mend() }}
}

// sql breaks the guarded database.
func (w *world) sql(name string, p Problem, broken, mend string) measuretest.Fault {
	return w.fault(name, measure.Fail, p, func() { exec(w.t, w.super, broken) }, func() { exec(w.t, w.super, mend) })
}

// here breaks what Garant knows.
func (w *world) here(name string, p Problem, broken, mend string) measuretest.Fault {
	return w.fault(name, measure.Fail, p, func() { exec(w.t, w.connect(cluster.SuperUser, w.name), broken) }, func() { exec(w.t, w.connect(cluster.SuperUser, w.name), mend) })
}

// address leads the keeper elsewhere.
func (w *world) address(name string, p Problem, url string) measuretest.Fault {
	sound := running.cluster.DSN("keeper", "shop")
	set := func(url string) func() { return func() { w.t.(*testing.T).Setenv("GARANT_TEST_KEEPER", url) } }
	return w.fault(name, measure.Error, p, set(url), set(sound))
}

// declared changes what the estate says.
func (w *world) declared(name string, want measure.Outcome, p Problem, change func(*estate.Database)) measuretest.Fault {
	sound := w.estate.Databases[0]
	section := *sound.Tenancy
	return w.fault(name, want, p, func() { change(&w.estate.Databases[0]) }, func() {
		*sound.Tenancy = section
		w.estate.Databases[0] = sound
	})
}

// faults is every way in which a guarded database is broken, for each check. The literal has no
// keys: a check without faults does not compile.
func (w *world) faults() Set[[]measuretest.Fault] {
	return Set[[]measuretest.Fault]{w.keyFaults()}
}

func (w *world) keyFaults() []measuretest.Fault {
	foreign := tenant.Key{ID: 77, Audience: token.Audience(uuid.New(), uuid.New())}
	_, _ = rand.Read(foreign.Secret[:])
	const sec = `SET ROLE garant_sec; `
	return []measuretest.Fault{
		w.address("no address", BadAddress, ""),
		w.address("an address that is none", BadAddress, "https://db.example.test"),
		w.address("not verified", Unverified, "postgres://keeper:x@db.example.test:5432/shop?sslmode=require"),
		w.address("nobody there", Unreachable, "postgres://keeper@127.0.0.1:1/shop?sslmode=disable&connect_timeout=2"),
		w.address("a database that is not there", Refused, running.cluster.DSN("keeper", "gone")),
		w.address("a neighbour", Impostor, running.cluster.DSN("keeper", "neighbour")),
		w.declared("another system", measure.Error, Impostor, func(d *estate.Database) { d.System = "7312345678901234567" }),
		w.fault("a schema that may not be used", measure.Error, Unreadable, func() { exec(w.t, w.super, `REVOKE USAGE ON SCHEMA garant FROM PUBLIC`) }, func() { exec(w.t, w.super, `GRANT USAGE ON SCHEMA garant TO PUBLIC`) }),
		w.sql("not a member of the keepers", CannotSweep, `REVOKE garant_keeper FROM keeper`, `GRANT garant_keeper TO keeper`),
		w.sql("no schema", Absent, `ALTER SCHEMA garant RENAME TO hidden`, `ALTER SCHEMA hidden RENAME TO garant`),
		w.sql("another version", OtherSchema, sec+`UPDATE garant.installed SET version = 99; RESET ROLE`, sec+fmt.Sprintf(`UPDATE garant.installed SET version = %d; RESET ROLE`, token.Version)),
		w.declared("another design", measure.Fail, OtherDesign, func(d *estate.Database) { d.Tenancy.Design = "statement" }),
		w.here("no key yet", Unkeyed, `UPDATE tenancy.place SET settled_at = NULL`, `UPDATE tenancy.place SET settled_at = now()`),
		w.fault("somebody else’s key", measure.Fail, ForeignKey, func() {
			if err := token.InstallKey(context.Background(), w.connect("keeper", "shop"), foreign, nil); err != nil {
				w.t.Fatal(err)
			}
		}, func() { exec(w.t, w.super, sec+`DELETE FROM garant.key WHERE id = 77; RESET ROLE`) }),
		w.here("another place", Moved, `UPDATE tenancy.place SET system = '1'`, `UPDATE tenancy.place SET system = '`+w.estate.Databases[0].System+`'`),
		w.sql("put in under another name", Copied, sec+`UPDATE garant.key SET database = 'elsewhere'; RESET ROLE`, sec+`UPDATE garant.key SET database = 'shop'; RESET ROLE`),
		w.here("a key that lives again", Restored, `UPDATE tenancy.key SET retires_at = now(), retired_at = now()`, `UPDATE tenancy.key SET retires_at = NULL, retired_at = NULL`),
		w.sql("the key is gone", KeyMissing, sec+`UPDATE garant.key SET retires_at = now() - interval '1 hour'; RESET ROLE`, sec+`UPDATE garant.key SET retires_at = 'infinity'; RESET ROLE`),
		w.here("an old key", KeyOld, `UPDATE tenancy.key SET installed_at = installed_at - interval '92 days'`, `UPDATE tenancy.key SET installed_at = installed_at + interval '92 days'`),
		w.sql("no right to end transactions", CannotSweep, `REVOKE pg_signal_backend FROM garant_sec`, `GRANT pg_signal_backend TO garant_sec`),
		w.sql("no right to sweep", CannotSweep, `REVOKE EXECUTE ON FUNCTION garant.sweep() FROM garant_keeper`, `GRANT EXECUTE ON FUNCTION garant.sweep() TO garant_keeper`),
		w.here("nobody sweeps", Unswept, `UPDATE tenancy.status SET swept_at = swept_at - interval '2 minutes'`, `UPDATE tenancy.status SET swept_at = swept_at + interval '2 minutes'`),
		w.sql("a keeper with power", KeeperPower, `ALTER ROLE keeper BYPASSRLS`, `ALTER ROLE keeper NOBYPASSRLS`),
		w.sql("a keeper who guards", KeeperPower, `GRANT garant_sec TO keeper`, `REVOKE garant_sec FROM keeper`),
		w.fault("Garant’s own database is away", measure.Error, Unknown,
			func() {
				exec(w.t, w.connect(cluster.SuperUser, w.name), `REVOKE SELECT ON tenancy.status FROM garant_checker`)
			},
			func() {
				exec(w.t, w.connect(cluster.SuperUser, w.name), `GRANT SELECT ON tenancy.status TO garant_checker`)
			}),
	}
}

// TestFaults breaks a real database in every way that the checks claim to see.
func TestFaults(t *testing.T) {
	w := newWorld(t)
	w.tend()
	root := w.connect(cluster.SuperUser, "postgres")
	exec(t, root, `CREATE DATABASE neighbour`)
	t.Cleanup(func() { exec(t, w.connect(cluster.SuperUser, "postgres"), `DROP DATABASE neighbour WITH (FORCE)`) })
	at := w.now()
	for i, check := range w.tenancy.Checks().All() {
		t.Run(check.ID, func(t *testing.T) {
			w.t = t
			measuretest.Run(t, measuretest.Subject{Check: check, Estate: w.estate, Faults: w.faults().All()[i], Now: func() time.Time { return at }})
		})
	}
	w.t = t
}

func TestMessages(t *testing.T) {
	w := &Tenancy{}
	measuretest.Words(t, CheckMessages(), Problems(), w.Checks().All()...)
	measuretest.Listed(t, Problems())
}

// TestCatalogueKnowsTheChecks: the measures that the checks name are the catalogue's.
func TestCatalogueKnowsTheChecks(t *testing.T) {
	known, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	x, err := Open(Deps{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := measure.NewRegistry(known, New(x)); err != nil {
		t.Error(err)
	}
}
