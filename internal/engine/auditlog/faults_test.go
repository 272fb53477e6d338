package auditlog

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/engine/auditlog/replica"
	"github.com/garant-project/garant/internal/engine/auditlog/worm/wormtest"
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

	account *wormtest.Account
	rep     *replica.Replica
	estate  *estate.Estate
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
	w.log = Open(Deps{DB: w.db, Box: box, Now: w.now, Log: log, Replica: func(context.Context) (*replica.Replica, error) { return w.rep, nil }})
	w.estate = &estate.Estate{Company: estate.Company{Name: "Exemple"}, AuditCopies: []estate.AuditCopy{{Keep: 400 * day, MaxLag: 30 * time.Second}}}
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
	err := w.seq.Drain(context.Background())
	for i := 0; errs.Is(err, errs.Conflict) && i < 100; i++ { // the lock goes with the connection of before
		time.Sleep(20 * time.Millisecond)
		err = w.seq.Drain(context.Background())
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// copied has everything that is in order copied into a real second account.
func (w *world) copied() {
	w.t.Helper()
	if w.account == nil {
		w.account = wormtest.Start(w.t)
		config := w.account.Config(w.account.Account.Writer())
		config.Keep, config.Compare = 400*day, w.account.Verifier()
		w.rep = &replica.Replica{DB: w.db, Writer: wormtest.Open(w.t, config), Reader: w.account.Verifier(), Place: "test", Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	}
	if err := w.rep.Drain(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

var (
	lead   = actor.Actor{Kind: actor.Person, ID: uuid.NewString(), Role: actor.Lead, Permissions: actor.Lead.Permissions()}
	reader = actor.Actor{Kind: actor.Person, ID: uuid.NewString(), Role: actor.Reader, Permissions: actor.Reader.Permissions()}
)

func TestFaults(t *testing.T) {
	w := newWorld(t)
	w.write("thing.changed")
	w.drain()
	w.copied()
	for i, check := range w.log.Checks().All() {
		t.Run(check.ID, func(t *testing.T) {
			w.t = t
			measuretest.Run(t, measuretest.Subject{Check: check, Estate: w.estate, Faults: w.faults().All()[i], Now: w.now})
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
	want := measure.Fail
	if p.Blind() {
		want = measure.Error
	}
	return measuretest.Fault{Name: name, Want: want, Item: measure.Item{Target: Scope, Problem: string(p)}, Break: within(broken), Mend: within(mend)}
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
			sql("a trigger goes with the cursor", Trigger, `CREATE FUNCTION public.along() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER along AFTER UPDATE ON audit.cursor FOR EACH ROW EXECUTE FUNCTION public.along()`,
				`DROP TRIGGER along ON audit.cursor; DROP FUNCTION public.along()`),
			sql("another moves the cursor", Granted, `GRANT UPDATE ON audit.cursor TO garant_worker`, `REVOKE UPDATE ON audit.cursor FROM garant_worker`),
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
					if h, err := sequence.Look(context.Background(), w.db.Pool(pg.Worker), w.log.Box); err == nil && h.Oldest > mayWait && len(h.Horizon) > 0 {
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
			w.fault("an answer that nobody gave", DoesNotFit, func() {
				w.exec(`INSERT INTO audit.anomaly (kind, about) VALUES ('object_in_bucket', 'x')`)
				w.exec(`INSERT INTO audit.anomaly_word (anomaly, by, reason, mac) SELECT a.id, $1, 'A drill of ours.', coalesce((SELECT mac FROM audit.anomaly_word LIMIT 1), '') FROM audit.anomaly AS a WHERE a.about = 'x'`, "person:"+lead.ID)
			}, w.answer),
			w.fault("the cursor moved over entries", DoesNotFit, func() {
				w.exec(`UPDATE audit.cursor SET xid = pg_current_xact_id(), entry = 0`)
				w.drain()
			}, w.answer),
			w.fault("heartbeats taken away, and their process kept fresh", DoesNotFit, func() {
				w.write("thing.unheard")
				if err := w.pen.Speak(context.Background(), w.db.Pool(pg.Worker)); err != nil {
					w.t.Fatal(err)
				}
				w.exec(`DELETE FROM audit.heartbeat WHERE n > (SELECT max(spoke) FROM audit.writer)`)
				w.exec(`UPDATE audit.writer SET last_at = clock_timestamp()`)
				if err := w.pen.Heard(context.Background(), w.db.Pool(pg.Worker)); err == nil {
					w.t.Error("the process takes itself to be heard")
				}
			}, func() {
				w.write("thing.heard") // the sequencer misses them with the next
				w.drain()
				w.answer()
			}),
			w.fault("entries said to have been dropped", DoesNotFit, func() {
				w.exec(`INSERT INTO audit.dropped (part, before, seq, entries, tree, size) SELECT '2020-01', '2020-01-01', max(l.seq), 9, 1, 1 FROM audit.leaf AS l`)
				w.drain()
			}, func() {
				w.exec(`DELETE FROM audit.dropped`)
				w.answer()
			}),
			sql("the newest entry edited when it is in a tree", Changed, `UPDATE audit.entry SET session = 'other' WHERE action = 'thing.changed'`, `UPDATE audit.entry SET session = NULL WHERE action = 'thing.changed'`),
			w.fault("never in order", NeverOrdered, func() {
				w.exec(`ALTER TABLE audit.cursor RENAME TO cursor_; CREATE TABLE audit.cursor (LIKE audit.cursor_); GRANT SELECT ON audit.cursor TO garant_worker`)
			},
				func() { w.exec(`DROP TABLE audit.cursor; ALTER TABLE audit.cursor_ RENAME TO cursor`) }),
		},
		[]measuretest.Fault{
			sql("an old entry edited", NotIntact, `UPDATE audit.entry SET object_id = 'other' WHERE action = 'thing.changed' AND object_id = '1'`, `UPDATE audit.entry SET object_id = '1' WHERE object_id = 'other'`),
			sql("an entry deleted", NotIntact, `CREATE TABLE public.kept AS SELECT * FROM audit.entry WHERE action = 'thing.changed'; DELETE FROM audit.entry WHERE action = 'thing.changed'`,
				`INSERT INTO audit.entry SELECT * FROM public.kept; DROP TABLE public.kept`),
			w.fault("what was noticed taken away", NotIntact, func() {
				w.exec(`INSERT INTO audit.anomaly (kind, about) VALUES ('object_in_bucket', 'y')`)
				w.drain()
				w.exec(`DELETE FROM audit.anomaly WHERE about = 'y'`)
			}, func() {
				w.exec(`INSERT INTO audit.anomaly (kind, about) VALUES ('object_in_bucket', 'y')`)
				w.answer()
			}),
			sql("a leaf changed", NotIntact, `CREATE TABLE public.kept AS SELECT * FROM audit.leaf; UPDATE audit.leaf SET hash = sha256(hash) WHERE seq = 1`, `UPDATE audit.leaf AS l SET hash = k.hash FROM public.kept AS k WHERE k.seq = l.seq; DROP TABLE public.kept`),
			sql("a head changed", NotIntact, `CREATE TABLE public.kept AS SELECT * FROM audit.tree; UPDATE audit.tree SET size = size - 1 WHERE name = 'company'`, `UPDATE audit.tree AS t SET size = k.size FROM public.kept AS k WHERE k.tree = t.tree; DROP TABLE public.kept`),
			w.fault("entries wait", NotExamined, func() {
				w.write("thing.waiting")
				w.exec(`UPDATE audit.entry SET at = at - interval '3 minutes' WHERE action = 'thing.waiting'`)
			}, func() {
				w.exec(`UPDATE audit.entry SET at = at + interval '3 minutes' WHERE action = 'thing.waiting'`)
				w.drain()
			}),
		},
		w.copyFaults(),
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
	list, err := unanswered(context.Background(), w.db.Pool(pg.Staff), w.log.Box, 100)
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
	list, err := unanswered(ctx, w.db.Pool(pg.Staff), w.log.Box, 10)
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
	if list, _ = unanswered(ctx, w.db.Pool(pg.Staff), w.log.Box, 10); len(list) != 1 || list[0].ID == id {
		t.Errorf("still %v", list)
	}
	entries, err := audit.List(ctx, w.db.Pool(pg.Staff), audit.Filter{Action: "anomaly.answered"})
	if err != nil || len(entries) != 2 || entries[0].Reason != "Restored by hand after the drill." || !entries[1].Refused {
		t.Errorf("%+v, %v", entries, err)
	}
	all, err := Anomalies(ctx, w.db.Pool(pg.Staff), w.log.Box, 0, 10)
	if err != nil || len(all) != 2 || len(all[1].Words) != 1 || len(all[0].Words) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestWords(t *testing.T) {
	measuretest.Listed(t, Problems())
	measuretest.Words(t, CheckMessages(), Problems(), Open(Deps{}).Checks().All()...)
}

// copyFaults break the second account, which is real, and what is known of it.
func (w *world) copyFaults() []measuretest.Fault {
	fault := func(name string, p Problem, broken, mend func()) measuretest.Fault {
		f := w.fault(name, p, broken, mend)
		f.Item.Target = CopyScope
		return f
	}
	sql := func(name string, p Problem, broken, mend string) measuretest.Fault {
		return fault(name, p, func() { w.exec(broken) }, func() { w.exec(mend) })
	}
	sound := w.rep
	declared := w.estate.AuditCopies
	// answering has a store that answers like this when a version is to be deleted.
	answering := func(status int) {
		at, err := url.Parse(w.account.Endpoint())
		if err != nil {
			w.t.Fatal(err)
		}
		forward := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(at); r.Out.Host = r.In.Host }}
		loose := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodDelete && r.URL.Query().Get("versionId") != "" {
				rw.WriteHeader(status)
				return
			}
			forward.ServeHTTP(rw, r)
		}))
		w.t.(*testing.T).Cleanup(loose.Close)
		config := w.account.Config(w.account.Account.Writer())
		config.Endpoint = loose.URL
		other := *sound
		other.Writer, w.rep = wormtest.Open(w.t, config), &other
	}
	return []measuretest.Fault{
		fault("none is declared", CopyNone, func() { w.estate.AuditCopies = nil }, func() { w.estate.AuditCopies = declared }),
		fault("it is away", CopyUnseen, func() { w.account.Stop() }, func() {
			if err := w.account.Start(context.Background()); err != nil {
				w.t.Fatal(err)
			}
		}),
		fault("replication stops", CopyLate, func() {
			w.write("thing.uncopied")
			w.exec(`UPDATE audit.entry SET at = at - interval '2 minutes' WHERE action = 'thing.uncopied'`)
			w.drain()
		}, func() { w.copied() }),
		sql("copying fails", CopyFails, `UPDATE auditlog.replica SET failing = now(), why = 'The bucket refuses.'`, `UPDATE auditlog.replica SET failing = NULL, why = NULL`),
		fault("nothing was put", CopyEmpty, func() {
			other := *sound
			other.Place, w.rep = "elsewhere", &other
		}, func() { w.rep = sound }),
		sql("the database has another log", CopyDiffers, `CREATE TABLE public.kept AS SELECT * FROM audit.root_leaf; UPDATE audit.root_leaf SET hash = sha256(hash) WHERE index = 0`,
			`UPDATE audit.root_leaf AS l SET hash = k.hash FROM public.kept AS k WHERE k.tree = l.tree AND k.index = l.index; DROP TABLE public.kept`),
		fault("the retention is shorter than announced", CopyUnlocked, func() { w.estate.AuditCopies = []estate.AuditCopy{{Keep: 4000 * day, MaxLag: 30 * time.Second}} }, func() { w.estate.AuditCopies = declared }),
		fault("a bucket without a lock", CopyUnlocked, func() {
			if err := w.account.NewBucket(context.Background(), "unlocked", false); err != nil {
				w.t.Fatal(err)
			}
			config := w.account.Config(w.account.Account.Root())
			config.Bucket = "unlocked"
			other := *sound
			other.Writer, w.rep = wormtest.Open(w.t, config), &other
		}, func() { w.rep = sound }),
		fault("a store that deletes what is locked", CopyOpen, func() { answering(http.StatusNoContent) }, func() { w.rep = sound }),
		fault("a store that does not say whether it deletes", CopyUnseen, func() { answering(http.StatusTeapot) }, func() { w.rep = sound }),
	}
}
