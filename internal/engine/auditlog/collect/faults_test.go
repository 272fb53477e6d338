package collect

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/measuretest"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/token"
)

// captures looks at the triggers of shop.item, as engine tenancy does of a whole manifest (verify.Recording; the join is tested in app).
func captures(ctx context.Context, conn *pgx.Conn, manifest []byte) (int, []Wrong, error) {
	if bytes.Contains(manifest, []byte("nothing")) {
		return 0, nil, nil
	}
	rows, err := conn.Query(ctx, `SELECT t.tgname, `+token.TriggerColumns+` FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid WHERE c.relname = 'item' AND NOT t.tgisinternal`)
	if err != nil {
		return 0, nil, err
	}
	there := map[string]token.FoundTrigger{}
	for rows.Next() {
		var name string
		var f token.FoundTrigger
		if err := rows.Scan(append([]any{&name}, f.Targets()...)...); err != nil {
			return 0, nil, err
		}
		there[name] = f
	}
	var wrong []Wrong
	for _, want := range item().Triggers() {
		f, ok := there[want.Name]
		switch {
		case !ok:
			wrong = append(wrong, Wrong{NotCaptured, want.Name, "It is not there."})
		case !want.Is(f):
			wrong = append(wrong, Wrong{CaptureDiffers, want.Name, "It is another."})
		case !f.Enabled():
			wrong = append(wrong, Wrong{CaptureOff, want.Name, "It does not fire."})
		}
	}
	var replica bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_db_role_setting WHERE 'session_replication_role=replica' = ANY (setconfig))`).Scan(&replica); err != nil {
		return 0, nil, err
	}
	if replica {
		wrong = append(wrong, Wrong{WaysPast, "session_replication_role", "A default is replica."})
	}
	return 1, wrong, rows.Err()
}

func item() token.Capture {
	return token.Capture{Table: "shop.item", Tenant: "tenant_id", Type: "uuid", Keys: []string{"id"}, Mode: token.CaptureAll, As: "shop.item"}
}

// collecting is a collector at work, which can be held.
type collecting struct {
	mu   sync.Mutex
	stop context.CancelFunc
	done sync.WaitGroup
}

func (w *world) collecting() *collecting {
	ctx, stop := context.WithCancel(context.Background())
	p := &collecting{stop: stop}
	c := w.server()
	if _, err := c.Collect(ctx, "shop"); err != nil { // once before anybody looks
		w.t.Fatal(err)
	}
	p.done.Go(func() {
		for ctx.Err() == nil {
			p.mu.Lock()
			_, _ = c.Collect(ctx, "shop") // faults are what the check is to find
			p.mu.Unlock()
			time.Sleep(50 * time.Millisecond)
		}
	})
	w.t.Cleanup(func() { p.stop(); p.done.Wait() })
	return p
}

// thief takes events out of the outbox, as another member of garant_keeper could.
func (w *world) thief() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	conn := w.connect("garant_superuser", "shop")
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			_, _ = conn.Exec(ctx, `DELETE FROM garant.event`)
			time.Sleep(20 * time.Millisecond)
		}
	})
	return func() { cancel(); done.Wait() }
}

// faults is every way in which recording is broken. The literal has no keys: a check without faults does not compile.
func (w *world) faults(p *collecting) Set[[]measuretest.Fault] {
	fault := func(name string, want measure.Outcome, problem Problem, breaks, mends func()) measuretest.Fault {
		return measuretest.Fault{Name: name, Want: want, Item: measure.Item{Target: "shop", Problem: string(problem)}, Break: func(testing.TB) { breaks() }, Mend: func(testing.TB) { mends() }}
	}
	sql := func(name string, want measure.Outcome, problem Problem, on *pgx.Conn, breaks, mends string) measuretest.Fault {
		return fault(name, want, problem, func() { pgtest.Exec(w.t, on, breaks) }, func() { pgtest.Exec(w.t, on, mends) })
	}
	declared := func(name string, want measure.Outcome, problem Problem, change func(*estate.Database)) measuretest.Fault {
		sound, tenancy := w.estate.Databases[0], *w.estate.Databases[0].Tenancy
		return fault(name, want, problem, func() { change(&w.estate.Databases[0]) }, func() {
			w.estate.Databases[0] = sound
			again := tenancy
			w.estate.Databases[0].Tenancy = &again
		})
	}
	keeper := func(name string, problem Problem, address string) measuretest.Fault {
		was := running.cluster.DSN("keeper", "shop")
		set := func(v string) { w.t.(interface{ Setenv(key, value string) }).Setenv("GARANT_TEST_KEEPER", v) }
		return fault(name, measure.Error, problem, func() { set(address) }, func() { set(was) })
	}
	again := func(name string) string {
		for _, g := range item().Triggers() {
			if g.Name == name {
				return `DROP TRIGGER IF EXISTS ` + name + ` ON shop.item; ` + g.SQL
			}
		}
		return ""
	}
	var stop func()
	fixed := uuid.NewString()
	return Set[[]measuretest.Fault]{[]measuretest.Fault{
		sql("a trigger dropped", measure.Fail, NotCaptured, w.shop, `DROP TRIGGER garant_capture_delete ON shop.item`, again("garant_capture_delete")),
		sql("a trigger switched off", measure.Fail, CaptureOff, w.shop, `ALTER TABLE shop.item DISABLE TRIGGER garant_capture_update`, `ALTER TABLE shop.item ENABLE TRIGGER garant_capture_update`),
		sql("other columns", measure.Fail, CaptureDiffers, w.shop, `DROP TRIGGER garant_capture_insert ON shop.item;
CREATE TRIGGER garant_capture_insert AFTER INSERT ON shop.item REFERENCING NEW TABLE AS garant_new FOR EACH STATEMENT EXECUTE FUNCTION garant.capture('tenant_id', 'uuid', '{"id"}', 'only', '{}', 'shop.item')`, again("garant_capture_insert")),
		sql("sessions without triggers", measure.Fail, WaysPast, w.shop, `ALTER ROLE app SET session_replication_role = replica`, `ALTER ROLE app RESET session_replication_role`),
		sql("the function that captures changed", measure.Fail, FunctionChanged, w.shop, `ALTER FUNCTION garant.capture() SECURITY INVOKER`, `ALTER FUNCTION garant.capture() SECURITY DEFINER`),
		sql("the function that records changed", measure.Fail, FunctionChanged, w.shop, `ALTER FUNCTION garant.record(text, text, text, jsonb, jsonb, jsonb, text) SET row_security = off`,
			`ALTER FUNCTION garant.record(text, text, text, jsonb, jsonb, jsonb, text) SET row_security = on`),
		declared("nothing declared", measure.Fail, NothingDeclared, func(d *estate.Database) { d.Tenancy.Manifest = []byte("nothing") }),
		declared("no manifest", measure.Error, BadManifest, func(d *estate.Database) { d.Tenancy.Manifest = nil }),
		fault("nobody has collected yet", measure.Error, NeverYet, func() {
			p.mu.Lock()
			pgtest.Exec(w.t, w.super, `CREATE TABLE public.kept AS TABLE auditlog.collected; DELETE FROM auditlog.collected`)
		}, func() {
			pgtest.Exec(w.t, w.super, `INSERT INTO auditlog.collected SELECT * FROM public.kept; DROP TABLE public.kept`)
			p.mu.Unlock()
			time.Sleep(500 * time.Millisecond)
		}),
		fault("nobody collects", measure.Fail, Late, func() { p.mu.Lock() }, func() { p.mu.Unlock() }),
		fault("nobody collected for long", measure.Fail, Late, func() {
			p.mu.Lock()
			pgtest.Exec(w.t, w.super, `UPDATE auditlog.collected SET collected_at = clock_timestamp() - interval '2 minutes'`)
		}, func() { p.mu.Unlock(); time.Sleep(500 * time.Millisecond) }),
		fault("a transaction holds events back", measure.Fail, Late, func() { pgtest.Exec(w.t, w.shop, `BEGIN; SELECT pg_current_xact_id()`) }, func() { pgtest.Exec(w.t, w.shop, `ROLLBACK`) }),
		fault("somebody takes events away", measure.Fail, Lost, func() { p.mu.Lock(); stop = w.thief() }, func() { stop(); p.mu.Unlock() }),
		fault("an event of nothing", measure.Fail, Invented, func() {
			pgtest.Exec(w.t, w.super, `INSERT INTO auditlog.collected_event (mark, database) VALUES ('`+fixed+`', 'shop')`)
			pgtest.Exec(w.t, w.shop, `ALTER FUNCTION garant.try_event() RENAME TO real_try_event; CREATE FUNCTION garant.try_event() RETURNS uuid LANGUAGE sql AS $$ SELECT '`+fixed+`'::uuid $$; GRANT EXECUTE ON FUNCTION garant.try_event() TO garant_keeper`)
		}, func() {
			pgtest.Exec(w.t, w.shop, `DROP FUNCTION garant.try_event(); ALTER FUNCTION garant.real_try_event() RENAME TO try_event`)
		}),
		sql("the portal sees nothing", measure.Fail, PortalBlind, w.super, `REVOKE SELECT (action) ON audit.entry FROM garant_portal`, `GRANT SELECT (action) ON audit.entry TO garant_portal`),
		sql("an earlier schema", measure.Fail, NoOutbox, w.shop, `UPDATE garant.installed SET version = 2`, `UPDATE garant.installed SET version = 3`),
		sql("the keeper shut out", measure.Error, Unreachable, w.shop, `ALTER ROLE keeper NOLOGIN`, `ALTER ROLE keeper LOGIN`),
		keeper("no address", BadAddress, "nonsense"),
		keeper("a keeper that is none", Unreadable, running.cluster.DSN("weak", "shop")),
		declared("another cluster", measure.Error, Impostor, func(d *estate.Database) { d.System = "1" }),
		sql("our own database shut", measure.Error, Unknown, w.super, `REVOKE SELECT ON auditlog.collected FROM garant_checker`, `GRANT SELECT ON auditlog.collected TO garant_checker`),
		declared("a check that breaks", measure.Error, CheckBroken, func(d *estate.Database) { d.Tenancy.Manifest = []byte("panic") }),
	}}
}

// TestFaults breaks real databases in every way that the check claims to see.
func TestFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a few seconds")
	}
	w := newWorld(t)
	w.estate.Databases[0].Tenancy.Manifest = []byte("something")
	w.c.Captures = func(ctx context.Context, conn *pgx.Conn, manifest []byte) (int, []Wrong, error) {
		if bytes.Contains(manifest, []byte("panic")) {
			panic(errors.New("a fault of ours"))
		}
		return captures(ctx, conn, manifest)
	}
	p := w.collecting()
	check := w.c.Checks(1500 * time.Millisecond)
	faults := w.faults(p)
	for i, check := range check.All() {
		t.Run(check.ID, func(t *testing.T) {
			w.t = t
			measuretest.Run(t, measuretest.Subject{Check: check, Estate: w.estate, Faults: faults.All()[i]})
		})
	}
	for _, problem := range Problems() {
		if !slices.ContainsFunc(faults.Events, func(f measuretest.Fault) bool { return f.Item.Problem == string(problem) }) {
			t.Errorf("no fault brings %s about", problem)
		}
	}
	// What the check makes is collected, and is no entry of the record.
	if got := one[int](w, w.super, `SELECT count(*) FROM audit.entry WHERE action = 'events.tried'`); got != 0 {
		t.Errorf("%d entries tell of events that a check made", got)
	}
	if got := one[int](w, w.super, `SELECT count(*) FROM auditlog.collected_event`); got < 10 {
		t.Errorf("only %d events were collected", got)
	}
	if _, err := w.db.Pool(pg.Checker).Exec(context.Background(), `DELETE FROM auditlog.collected_event`); err == nil {
		t.Error("the checker deletes marks")
	}
}

// Every problem, check and fact has its words in both languages, and nothing besides.
func TestWords(t *testing.T) {
	measuretest.Words(t, Messages(), Problems(), New(Deps{}).Checks(0).All()...)
	for language, words := range Messages() {
		if strings.Contains(string(words), "'") {
			t.Errorf("%s: an apostrophe is ’", language)
		}
	}
}
