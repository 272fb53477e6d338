package replica_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/engine/auditlog/replica"
	"github.com/garant-project/garant/internal/engine/auditlog/worm/wormtest"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const place = "https://second.example/audit/garant"

// world is a record that is put in order and copied into a second account.
type world struct {
	t       testing.TB
	name    string
	keyfile string
	db      *pg.DB
	box     *crypt.Box
	super   *pgx.Conn
	account *wormtest.Account
	seq     *sequence.Sequencer
	rep     *replica.Replica
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, name: pgtest.NewName(t), keyfile: filepath.Join(t.TempDir(), "key"), account: wormtest.Start(t)}
	w.open()
	return w
}

// open connects to the world's database.
func (w *world) open() {
	w.t.Helper()
	var err error
	if w.db, err = pg.Open(w.t.Context(), func(r pg.Role) string { return pgtest.DSN(string(r), w.name) }, pg.ServingRoles()...); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(w.db.Close)
	provider, err := crypt.OpenKeyfile(w.t.Context(), w.db.Pool(pg.Staff), w.keyfile)
	w.must(err)
	w.box, err = crypt.NewBox(w.t.Context(), w.db.Pool(pg.Staff), provider)
	w.must(err)
	pen, err := audit.NewPen(w.box, time.Now)
	w.must(err)
	pen.Use(w.db)
	w.super = pgtest.Superuser(w.t, w.name)
	w.seq = &sequence.Sequencer{DB: w.db, Box: w.box, Origin: "trust.example.com/log", Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	w.rep = w.replica()
}

func (w *world) replica() *replica.Replica {
	w.t.Helper()
	return &replica.Replica{DB: w.db, Box: w.box, Writer: w.account.Writer(), Reader: w.account.Verifier(), Place: place, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

var by = actor.Actor{Kind: actor.Person, ID: "p1", Session: "s1", Origin: "127.0.0.1"}

var tenants = []string{"", uuid.NewString(), uuid.NewString(), uuid.NewString()}

// write records so many events in one transaction.
func (w *world) write(many int) {
	w.t.Helper()
	events := make([]audit.Event, many)
	for i := range events {
		events[i] = audit.Event{By: by, Tenant: tenants[i%len(tenants)], Action: "thing.changed", On: audit.Object{Kind: "thing", ID: strconv.Itoa(i)}, Detail: map[string]any{"n": i}}
		if i%10 == 0 {
			before, after := "old", "new"
			events[i].Changes = []audit.Change{{Field: "name", Before: &before, After: &after}}
		}
	}
	w.must(pg.InTx(context.Background(), w.db.Pool(pg.Staff), func(tx pgx.Tx) error { return audit.Write(context.Background(), tx, events...) }))
}

func (w *world) drain() {
	w.t.Helper()
	w.must(alone(w.seq.Drain))
}

func (w *world) copy() {
	w.t.Helper()
	w.must(alone(w.rep.Drain))
}

// alone waits for the lock of a server that went: PostgreSQL gives it free a moment after its connection has ended.
func alone(drain func(context.Context) error) error {
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		err := drain(context.Background())
		var e *errs.Error
		if !errors.As(err, &e) || e.ID != "replica.moved" && e.ID != "sequence.led" || time.Now().After(end) {
			return err
		}
	}
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

// tolerant is whether leaves by their hash only are allowed.
type tolerant bool

// inBucket reads the bucket as somebody without the database does, holds that its segments are dense and that trees have the roots that were
// signed, and gives the size of the root log, and the leaves by entry.
func (w *world) inBucket(generation int, gone tolerant) (size int64, leaves map[int64]replica.Leaf) {
	w.t.Helper()
	var key string
	w.must(w.super.QueryRow(context.Background(), "SELECT key FROM audit.generation WHERE generation = $1", generation).Scan(&key))
	verifier, err := note.NewVerifier(key)
	w.must(err)
	reader := w.account.Verifier()
	heads := map[string]*merkle.Head{"root": {}}
	dropped := false
	leaves = map[int64]replica.Leaf{}
	var seq int64 = -1
	for h, err := range reader.Histories(w.t.Context(), replica.SegmentPrefix(generation), "") {
		w.must(err)
		if h.Overwritten() || h.Marked() {
			w.t.Fatalf("%s was put twice", h.Key)
		}
		s, err := replica.ReadSegment(w.t.Context(), reader, h, verifier)
		if err != nil {
			w.t.Fatalf("%s: %v", h.Key, err)
		}
		if s.From != size || seq >= 0 && s.FromSeq != seq {
			w.t.Fatalf("%s begins at %d, %d; the one before ended at %d, %d", h.Key, s.From, s.FromSeq, size, seq)
		}
		size, seq = s.To, s.ToSeq
		for _, l := range s.Leaves {
			if l.Gone != "" && !gone {
				w.t.Fatalf("entry %d is gone: %s", l.Entry, l.Gone)
			}
			if l.Tree == "" {
				dropped = true
				continue
			}
			head := heads[l.Tree]
			if head == nil {
				head = &merkle.Head{}
				heads[l.Tree] = head
			}
			if dropped {
				leaves[l.Entry] = l
				continue
			}
			if l.Index != head.Size {
				w.t.Fatalf("leaf %d of %s where %d should be", l.Index, l.Tree, head.Size)
			}
			head.Append(l.LeafHash())
			if _, twice := leaves[l.Entry]; twice {
				w.t.Fatalf("entry %d is there twice", l.Entry)
			}
			leaves[l.Entry] = l
		}
		for _, r := range s.Roots {
			heads["root"].Append(tlog.RecordHash([]byte(r.Text)))
			if name, n, root, ok := merkle.ParseTreeLine(r.Text); ok && heads[name] != nil && heads[name].Size == n && heads[name].Root() != root {
				w.t.Fatalf("tree %s has another root at %d", name, n)
			}
		}
		c, err := s.Signed(verifier)
		w.must(err)
		if heads["root"].Root() != c.Root {
			w.t.Fatalf("the root log has another root at %d", c.Size)
		}
	}
	return size, leaves
}

// complete holds that the bucket has all that the database has.
func (w *world) complete() {
	w.t.Helper()
	generation := int(w.count("SELECT generation FROM audit.cursor"))
	size, leaves := w.inBucket(generation, false)
	if n := w.count("SELECT size FROM audit.tree WHERE generation = $1 AND name = 'root'", generation); n != size {
		w.t.Fatalf("%d of %d lines are in the bucket", size, n)
	}
	if n := w.count("SELECT count(*) FROM audit.leaf JOIN audit.tree USING (tree) WHERE generation = $1", generation); n != int64(len(leaves)) {
		w.t.Fatalf("%d of %d leaves are in the bucket", len(leaves), n)
	}
}

func wantID(t testing.TB, err error, kind errs.Kind, id string) {
	t.Helper()
	var e *errs.Error
	if !errors.As(err, &e) || e.ID != id || e.Kind != kind || e.Fix == "" {
		t.Fatalf("not %s: %v", id, err)
	}
}

// backup is the database as it is now, under another name.
func (w *world) backup() string {
	w.t.Helper()
	name := w.name + "_b" + strconv.FormatInt(time.Now().UnixNano()%1e6, 10)
	w.copyDatabase(w.name, name)
	w.open()
	return name
}

// restore has the world go on with a backup. same: its cluster takes it for the database that it was, as after a restore of files.
func (w *world) restore(backup string, same bool) {
	w.t.Helper()
	name := backup + strconv.FormatInt(time.Now().UnixNano()%1e6, 10)
	w.copyDatabase(backup, name)
	w.name = name
	w.open()
	if same {
		w.exec(`UPDATE audit.cursor SET system = (SELECT system_identifier::text || '/' || (SELECT oid FROM pg_database WHERE datname = current_database()) FROM pg_control_system())`)
	}
}

func (w *world) copyDatabase(from, to string) {
	w.t.Helper()
	w.db.Close()
	_ = w.super.Close(context.Background())
	super := pgtest.Superuser(w.t, "postgres")
	defer super.Close(context.Background())
	var err error
	for range 50 {
		if _, err = super.Exec(context.Background(), "CREATE DATABASE "+pgx.Identifier{to}.Sanitize()+" TEMPLATE "+pgx.Identifier{from}.Sanitize()+" OWNER garant_owner"); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	w.must(err)
	w.must(pg.Secure(context.Background(), super, to))
	w.t.Cleanup(func() {
		super := pgtest.Superuser(w.t, "postgres")
		_, _ = super.Exec(context.Background(), "DROP DATABASE IF EXISTS "+pgx.Identifier{to}.Sanitize()+" WITH (FORCE)")
	})
}
