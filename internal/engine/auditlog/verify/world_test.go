package verify_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/engine/auditlog/entries"
	"github.com/garant-project/garant/internal/engine/auditlog/replica"
	"github.com/garant-project/garant/internal/engine/auditlog/verify"
	"github.com/garant-project/garant/internal/engine/auditlog/worm/wormtest"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"
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
	pen     *audit.Pen
	seq     *sequence.Sequencer
	rep     *replica.Replica
	shifted []string
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
	w.pen, err = audit.NewPen(w.box, time.Now)
	w.must(err)
	w.pen.Use(w.db)
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
	w.must(w.seq.Drain(context.Background()))
}

func (w *world) copy() {
	w.t.Helper()
	w.must(w.rep.Drain(context.Background()))
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

// options verify the database against the second account, with the log's key pinned.
func (w *world) options() verify.Options {
	w.t.Helper()
	var key string
	w.must(w.super.QueryRow(context.Background(), "SELECT key FROM audit.generation ORDER BY generation LIMIT 1").Scan(&key))
	return verify.Options{Database: w.db.Pool(pg.Staff), Bucket: w.account.Verifier(), Box: w.box, Keys: []string{key}}
}

func (w *world) verify(o verify.Options) verify.Report {
	w.t.Helper()
	r, err := verify.Verify(context.Background(), o)
	if err != nil {
		w.t.Fatalf("%v; %+v", err, r)
	}
	return r
}

// leafOf makes the leaf of an entry again.
func (w *world) leafOf(id int64) merkle.Hash {
	w.t.Helper()
	rows, err := w.super.Query(context.Background(), `SELECT `+entries.Columns+` FROM audit.entry AS e WHERE e.id = $1`, entries.Binary, id)
	w.must(err)
	defer rows.Close()
	var row entries.Row
	if !rows.Next() {
		w.t.Fatalf("there is no entry %d", id)
	}
	w.must(row.Decode(rows.RawValues(), true))
	return tlog.RecordHash(row.Append(nil))
}
