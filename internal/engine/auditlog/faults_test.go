package auditlog

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/measuretest"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// world is a record that is kept in order on demand.
type world struct {
	t     testing.TB
	name  string
	db    *pg.DB
	log   *Log
	pen   *audit.Pen
	seq   *sequence.Sequencer
	super *pgx.Conn
	ahead time.Duration // of the clock
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, name: pgtest.NewName(t)}
	var err error
	if w.db, err = pg.Open(t.Context(), func(r pg.Role) string { return pgtest.DSN(string(r), w.name) }, pg.ServingRoles()...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.db.Close)
	provider, err := crypt.OpenKeyfile(t.Context(), w.db.Pool(pg.Staff), filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	box, err := crypt.NewBox(t.Context(), w.db.Pool(pg.Staff), provider)
	if err != nil {
		t.Fatal(err)
	}
	if w.pen, err = audit.NewPen(box, time.Now); err != nil {
		t.Fatal(err)
	}
	w.pen.Use(w.db)
	w.super = pgtest.Superuser(t, w.name)
	log := slog.New(slog.DiscardHandler)
	w.log = Open(Deps{DB: w.db, Box: box, Now: w.now, Log: log})
	w.seq = &sequence.Sequencer{DB: w.db, Box: box, Origin: "trust.example.com/log", Now: time.Now, Log: log}
	return w
}

func (w *world) now() time.Time { return time.Now().Add(w.ahead) }

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.super.Exec(context.Background(), sql, args...); err != nil {
		w.t.Fatalf("%v in %s", err, sql)
	}
}

func (w *world) write(action string) {
	w.t.Helper()
	err := pg.InTx(context.Background(), w.db.Pool(pg.Staff), func(tx pgx.Tx) error {
		return audit.Record(context.Background(), tx, lead, action, audit.Object{Kind: "thing", ID: "1"}, nil)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) drain() {
	w.t.Helper()
	if err := w.pen.Speak(context.Background(), w.db.Pool(pg.Worker)); err != nil {
		w.t.Fatal(err)
	}
	if err := w.seq.Drain(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

var (
	lead    = actor.Actor{Kind: actor.Person, ID: uuid.NewString(), Role: actor.Lead, Permissions: actor.Lead.Permissions()}
	reader  = actor.Actor{Kind: actor.Person, ID: uuid.NewString(), Role: actor.Reader, Permissions: actor.Reader.Permissions()}
	company = &estate.Estate{Company: estate.Company{Name: "Exemple"}}
)

func TestFaults(t *testing.T) {
	w := newWorld(t)
	w.write("thing.changed")
	w.drain()
	for i, check := range w.log.Checks().All() {
		t.Run(check.ID, func(t *testing.T) {
			w.t = t
			measuretest.Run(t, measuretest.Subject{Check: check, Estate: company, Faults: w.faults().All()[i], Now: w.now})
		})
	}
	w.t = t
}

func (w *world) fault(name string, p Problem, broken, mend func()) measuretest.Fault {
	within := func(do func()) func(testing.TB) {
		return func(t testing.TB) {
			outer := w.t
			w.t = t
			do()
			w.t = outer
		}
	}
	return measuretest.Fault{Name: name, Want: measure.Fail, Item: measure.Item{Target: Scope, Problem: string(p)}, Break: within(broken), Mend: within(mend)}
}

func (w *world) faults() Set[[]measuretest.Fault] {
	sql := func(name string, p Problem, broken, mend string) measuretest.Fault {
		return w.fault(name, p, func() { w.exec(broken) }, func() { w.exec(mend) })
	}
	var late pgx.Tx
	var session uuid.UUID
	return Set[[]measuretest.Fault]{
		[]measuretest.Fault{
			sql("somebody grants UPDATE", Granted, `GRANT UPDATE ON audit.entry TO garant_staff`, `REVOKE UPDATE ON audit.entry FROM garant_staff`),
			sql("UPDATE of one column", Granted, `GRANT UPDATE (detail) ON audit.entry TO garant_worker`, `REVOKE UPDATE (detail) ON audit.entry FROM garant_worker`),
			sql("DELETE on a part", Granted, `GRANT DELETE ON audit.entry_rest TO garant_login`, `REVOKE DELETE ON audit.entry_rest FROM garant_login`),
			sql("TRUNCATE of leaves", Granted, `GRANT TRUNCATE ON audit.leaf TO garant_checkpoint`, `REVOKE TRUNCATE ON audit.leaf FROM garant_checkpoint`),
			sql("leaves by another", Granted, `GRANT INSERT ON audit.leaf TO garant_worker`, `REVOKE INSERT ON audit.leaf FROM garant_worker`),
			sql("everybody may read", Granted, `GRANT SELECT ON audit.entry TO PUBLIC`, `REVOKE SELECT ON audit.entry FROM PUBLIC`),
			sql("a trigger swallows entries", Trigger, `CREATE FUNCTION public.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER swallow BEFORE INSERT ON audit.entry FOR EACH ROW EXECUTE FUNCTION public.swallow()`,
				`DROP TRIGGER swallow ON audit.entry; DROP FUNCTION public.swallow()`),
			sql("a rule swallows entries", Rule, `CREATE RULE swallow AS ON INSERT TO audit.leaf DO INSTEAD NOTHING`, `DROP RULE swallow ON audit.leaf`),
			sql("a policy hides entries", Policy, `CREATE POLICY hidden ON audit.entry AS RESTRICTIVE USING (actor_id <> 'x')`, `DROP POLICY hidden ON audit.entry`),
			sql("row-level security off", Policy, `ALTER TABLE audit.entry NO FORCE ROW LEVEL SECURITY`, `ALTER TABLE audit.entry FORCE ROW LEVEL SECURITY`),
			sql("another owner", OtherHand, `ALTER TABLE audit.tile OWNER TO garant_staff`, `ALTER TABLE audit.tile OWNER TO garant_owner`),
			sql("a part detached", Detached, `ALTER TABLE audit.entry DETACH PARTITION audit.entry_rest`, `ALTER TABLE audit.entry ATTACH PARTITION audit.entry_rest DEFAULT`),
			sql("a view in its place", Replaced, `ALTER TABLE audit.tile RENAME TO tile_; CREATE VIEW audit.tile AS SELECT * FROM audit.tile_`, `DROP VIEW audit.tile; ALTER TABLE audit.tile_ RENAME TO tile`),
			sql("a role acts as the owner", Member, `GRANT garant_owner TO garant_staff`, `REVOKE garant_owner FROM garant_staff`),
			sql("a role passes row-level security", Member, `ALTER ROLE garant_worker BYPASSRLS`, `ALTER ROLE garant_worker NOBYPASSRLS`),
		},
		[]measuretest.Fault{
			w.fault("sequencing blocked by an open transaction", HeldUp, func() {
				var err error
				if late, err = w.db.Pool(pg.Staff).Begin(context.Background()); err == nil {
					err = audit.Record(context.Background(), late, lead, "thing.changed", audit.Object{Kind: "thing", ID: "late"}, nil)
				}
				if err != nil {
					w.t.Fatal(err)
				}
				w.write("thing.after")
				w.drain()
				// As if both had happened a while ago.
				w.exec(`UPDATE audit.entry SET at = at - interval '9 seconds' WHERE action = 'thing.after'`)
				deadline := time.Now().Add(40 * time.Second)
				for time.Now().Before(deadline) {
					if h, err := sequence.Look(context.Background(), w.db.Pool(pg.Worker)); err == nil && h.Oldest > mayWait && len(h.Horizon) > 0 {
						return
					}
					time.Sleep(200 * time.Millisecond)
				}
			}, func() {
				_ = late.Commit(context.Background())
				w.exec(`UPDATE audit.entry SET at = at + interval '9 seconds' WHERE action = 'thing.after'`)
				w.drain()
			}),
			w.fault("nobody puts entries in order", Stopped, func() { w.ahead = 5 * time.Minute }, func() { w.ahead = 0 }),
			w.fault("entries wait", Behind, func() {
				w.write("thing.waits")
				w.exec(`UPDATE audit.entry SET at = at - interval '1 minute' WHERE action = 'thing.waits'`)
			}, func() {
				w.exec(`UPDATE audit.entry SET at = at + interval '1 minute' WHERE action = 'thing.waits'`)
				w.drain()
			}),
			w.fault("an entry edited", DoesNotFit, func() {
				w.write("thing.edited")
				w.exec(`UPDATE audit.entry SET object_id = '2' WHERE action = 'thing.edited'`)
				w.drain()
			}, w.answer),
			w.fault("an entry deleted", DoesNotFit, func() {
				w.write("thing.gone")
				w.exec(`DELETE FROM audit.entry WHERE action = 'thing.gone'`)
				w.drain()
			}, w.answer),
			w.fault("never in order", NeverOrdered, func() {
				w.exec(`ALTER TABLE audit.cursor RENAME TO cursor_; CREATE TABLE audit.cursor (LIKE audit.cursor_); GRANT SELECT ON audit.cursor TO garant_worker`)
			},
				func() { w.exec(`DROP TABLE audit.cursor; ALTER TABLE audit.cursor_ RENAME TO cursor`) }),
		},
		[]measuretest.Fault{
			w.fault("a session that nobody recorded", NotRecorded, func() {
				session = uuid.New()
				w.exec(`INSERT INTO directory.person (id, email_index, email, name, role, created_at, created_by) VALUES ($1::uuid, decode(md5($1::uuid::text) || md5($1::uuid::text), 'hex'), '', '', 'member', now(), 'x')`, session)
				w.exec(`INSERT INTO directory.session (id, hash, person_id, method, enrolled, opened_at, verified_at, last_seen_at, expires_at, origin, agent)
VALUES ($1::uuid, decode(md5($1::uuid::text) || md5($1::uuid::text), 'hex'), $1::uuid, 'link', true, now(), now(), now(), now() + interval '1 hour', 'x', 'x')`, session)
			}, func() {
				w.exec(`DELETE FROM directory.session WHERE id = $1`, session)
			}),
		},
	}
}

// answer says of every anomaly what it was.
func (w *world) answer() {
	w.t.Helper()
	list, err := unanswered(context.Background(), w.db.Pool(pg.Staff), 100)
	if err != nil || len(list) == 0 {
		w.t.Fatalf("%d anomalies, %v", len(list), err)
	}
	for _, a := range list {
		if err := w.log.Acknowledge(context.Background(), lead, a.ID, "A drill of ours."); err != nil {
			w.t.Fatal(err)
		}
	}
	w.drain()
}

func TestAcknowledge(t *testing.T) {
	w := newWorld(t)
	w.write("thing.changed")
	w.exec(`UPDATE audit.entry SET object_id = '2'`)
	w.drain()
	ctx := context.Background()
	list, err := unanswered(ctx, w.db.Pool(pg.Staff), 10)
	if err != nil || len(list) != 2 { // one forged, one missing
		t.Fatalf("%v, %v", list, err)
	}
	id := list[0].ID
	for name, c := range map[string]struct {
		by     actor.Actor
		id     int64
		reason string
		kind   errs.Kind
	}{
		"a reader":          {reader, id, "nothing", errs.Denied},
		"without a reason":  {lead, id, "  ", errs.Invalid},
		"what is not there": {lead, 999, "nothing", errs.NotFound},
	} {
		if err := w.log.Acknowledge(ctx, c.by, c.id, c.reason); !errs.Is(err, c.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := w.log.Acknowledge(ctx, lead, id, "Restored by hand after the drill."); err != nil {
		t.Fatal(err)
	}
	if list, _ = unanswered(ctx, w.db.Pool(pg.Staff), 10); len(list) != 1 || list[0].ID == id {
		t.Errorf("still %v", list)
	}
	entries, err := audit.List(ctx, w.db.Pool(pg.Staff), audit.Filter{Action: "anomaly.answered"})
	if err != nil || len(entries) != 2 || entries[0].Reason != "Restored by hand after the drill." || !entries[1].Refused {
		t.Errorf("%+v, %v", entries, err)
	}
	all, err := Anomalies(ctx, w.db.Pool(pg.Staff), 0, 10)
	if err != nil || len(all) != 2 || len(all[1].Words) != 1 || len(all[0].Words) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestWords(t *testing.T) {
	measuretest.Listed(t, Problems())
	measuretest.Words(t, CheckMessages(), Problems(), Open(Deps{}).Checks().All()...)
}
