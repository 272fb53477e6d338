package sequence_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/leaf"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// world is a record with a pen and somebody who puts it in order.
type world struct {
	t     testing.TB
	db    *pg.DB
	box   *crypt.Box
	pen   *audit.Pen
	seq   *sequence.Sequencer
	super *pgx.Conn
	now   func() time.Time
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, now: time.Now}
	name := pgtest.NewName(t)
	w.db = w.connect(name)
	provider, err := crypt.OpenKeyfile(t.Context(), w.db.Pool(pg.Staff), filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	if w.box, err = crypt.NewBox(t.Context(), w.db.Pool(pg.Staff), provider); err != nil {
		t.Fatal(err)
	}
	w.pen = w.newPen(w.db)
	w.super = pgtest.Superuser(t, name)
	w.seq = w.sequencer()
	return w
}

func (w *world) connect(name string) *pg.DB {
	w.t.Helper()
	db, err := pg.Open(w.t.Context(), func(r pg.Role) string { return pgtest.DSN(string(r), name) }, pg.ServingRoles()...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(db.Close)
	return db
}

func (w *world) newPen(db *pg.DB) *audit.Pen {
	w.t.Helper()
	pen, err := audit.NewPen(w.box, func() time.Time { return w.now() })
	if err != nil {
		w.t.Fatal(err)
	}
	pen.Use(db)
	return pen
}

func (w *world) sequencer() *sequence.Sequencer {
	return &sequence.Sequencer{DB: w.db, Box: w.box, Origin: "trust.example.com/log", Now: func() time.Time { return w.now() }, Log: slog.New(slog.DiscardHandler)}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

var by = actor.Actor{Kind: actor.Person, ID: "p1", Session: "s1", Origin: "127.0.0.1"}

// write records one event.
func (w *world) write(tenant, id string) {
	w.t.Helper()
	w.must(pg.InTx(context.Background(), w.db.Pool(pg.Staff), func(tx pgx.Tx) error {
		return audit.Write(context.Background(), tx, audit.Event{By: by, Tenant: tenant, Action: "thing.changed", On: audit.Object{Kind: "thing", ID: id}, Detail: map[string]any{"n": 1}})
	}))
}

func (w *world) drain() {
	w.t.Helper()
	err := w.seq.Drain(context.Background())
	for i := 0; errs.Is(err, errs.Conflict) && i < 100; i++ { // the lock of one that was killed goes with its connection
		time.Sleep(50 * time.Millisecond)
		err = w.seq.Drain(context.Background())
	}
	w.must(err)
}

func (w *world) speak() {
	w.t.Helper()
	w.must(w.pen.Speak(context.Background(), w.db.Pool(pg.Worker)))
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.super.Exec(context.Background(), sql, args...); err != nil {
		w.t.Fatalf("%v in %s", err, sql)
	}
}

func (w *world) count(sql string, args ...any) (n int64) {
	w.t.Helper()
	if err := w.super.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		w.t.Fatalf("%v in %s", err, sql)
	}
	return n
}

// anomalies lists what was noticed, by kind.
func (w *world) anomalies() map[string]int {
	w.t.Helper()
	rows, err := w.super.Query(context.Background(), "SELECT kind, count(*) FROM audit.anomaly GROUP BY kind")
	w.must(err)
	found := map[string]int{}
	var kind string
	var n int
	_, err = pgx.ForEachRow(rows, []any{&kind, &n}, func() error { found[kind] = n; return nil })
	w.must(err)
	return found
}

// sound holds everything that the database says of trees against the entries themselves: each is a leaf once, leaves are dense,
// heads and tiles are those of the leaves, and the last checkpoint signs the root.
func (w *world) sound() {
	w.t.Helper()
	if n := w.count(`SELECT count(*) FROM audit.entry AS e WHERE (SELECT count(*) FROM audit.leaf AS l JOIN audit.tree AS t USING (tree) JOIN audit.cursor AS c USING (generation) WHERE l.entry = e.id) <> 1`); n != 0 {
		w.t.Fatalf("%d entries are not a leaf, or are several", n)
	}
	type one struct {
		ID   int32
		Name string
		Size int64
		Edge []byte
	}
	rows, err := w.super.Query(context.Background(), `SELECT t.tree, t.name, t.size, t.edge FROM audit.tree AS t JOIN audit.cursor AS c USING (generation)`)
	w.must(err)
	trees, err := pgx.CollectRows(rows, pgx.RowToStructByPos[one])
	w.must(err)
	for _, t := range trees {
		sql := `SELECT l.index, l.hash FROM audit.leaf AS l WHERE l.tree = $1 ORDER BY l.index`
		if t.Name == "root" {
			sql = `SELECT l.index, l.hash FROM audit.root_leaf AS l WHERE l.tree = $1 ORDER BY l.index`
		}
		rows, err := w.super.Query(context.Background(), sql, t.ID)
		w.must(err)
		var head merkle.Head
		var index int64
		var hash []byte
		_, err = pgx.ForEachRow(rows, []any{&index, &hash}, func() error {
			if index != head.Size {
				w.t.Fatalf("tree %s: leaf %d in place of %d", t.Name, index, head.Size)
			}
			head.Append(merkle.Hash(hash))
			return nil
		})
		w.must(err)
		kept, err := merkle.Resume(t.Size, t.Edge)
		w.must(err)
		if head.Size != t.Size || head.Root() != kept.Root() {
			w.t.Fatalf("tree %s: head of %d leaves, %d are there", t.Name, t.Size, head.Size)
		}
		if n := w.count(`SELECT count(*) FROM audit.tile WHERE tree = $1 AND level = 0`, t.ID); n != t.Size/256 {
			w.t.Fatalf("tree %s: %d tiles of %d leaves", t.Name, n, t.Size)
		}
		if t.Name != "root" {
			continue
		}
		var signed, key string
		w.must(w.super.QueryRow(context.Background(), `SELECT c.note, g.key FROM audit.checkpoint AS c, audit.generation AS g JOIN audit.cursor USING (generation) WHERE c.tree = $1 ORDER BY c.size DESC LIMIT 1`, t.ID).Scan(&signed, &key))
		v, err := note.NewVerifier(key)
		w.must(err)
		c, err := merkle.Open(signed, v)
		w.must(err)
		if c.Size != t.Size || c.Root != head.Root() {
			w.t.Fatalf("the checkpoint signs %d leaves of %d", c.Size, t.Size)
		}
	}
}

// leafOf makes the leaf of an entry again.
func (w *world) leafOf(id int64) merkle.Hash {
	w.t.Helper()
	var e leaf.Entry
	var detail string
	s := &e.Said
	w.must(w.super.QueryRow(context.Background(), `SELECT id, at, actor_kind, actor_id, coalesce(session, ''), coalesce(origin, ''), action, outcome, object_kind, object_id, detail::text, coalesce(tenant::text, ''), writer::text, n, written, mac FROM audit.entry WHERE id = $1`, id).
		Scan(&e.ID, &e.At, &s.ActorKind, &s.ActorID, &s.Session, &s.Origin, &s.Action, &s.Outcome, &s.ObjectKind, &s.ObjectID, &detail, &s.Tenant, &s.Writer, &s.N, &s.Written, &e.MAC))
	s.Detail = []byte(detail)
	return tlog.RecordHash(e.Append(nil))
}

var tenants = []string{"", uuid.NewString(), uuid.NewString(), uuid.NewString()}
