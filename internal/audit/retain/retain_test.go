package retain_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/retain"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

type world struct {
	*testing.T
	db    *pg.DB
	seq   *sequence.Sequencer
	super *pgx.Conn
}

func newWorld(t *testing.T) *world {
	t.Helper()
	name := pgtest.NewName(t)
	db, err := pg.Open(t.Context(), func(r pg.Role) string { return pgtest.DSN(string(r), name) }, pg.ServingRoles()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	provider, err := crypt.OpenKeyfile(t.Context(), db.Pool(pg.Staff), filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	box, err := crypt.NewBox(t.Context(), db.Pool(pg.Staff), provider)
	if err != nil {
		t.Fatal(err)
	}
	pen, err := audit.NewPen(box, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	pen.Use(db)
	return &world{t, db, &sequence.Sequencer{DB: db, Box: box, Origin: "trust.example.com/log", Now: time.Now, Log: slog.New(slog.DiscardHandler)}, pgtest.Superuser(t, name)}
}

func (w *world) exec(sql string, args ...any) {
	w.Helper()
	if _, err := w.super.Exec(context.Background(), sql, args...); err != nil {
		w.Fatalf("%v in %s", err, sql)
	}
}

func (w *world) count(sql string) (n int64) {
	w.Helper()
	if err := w.super.QueryRow(context.Background(), sql).Scan(&n); err != nil {
		w.Fatal(err)
	}
	return n
}

// write records entries and says that they are as old as that.
func (w *world) write(many int, age string) {
	w.Helper()
	err := pg.InTx(context.Background(), w.db.Pool(pg.Staff), func(tx pgx.Tx) error {
		events := make([]audit.Event, many)
		for i := range events {
			events[i] = audit.Event{By: actor.NewSystem("test"), Action: "thing.changed", On: audit.Object{Kind: "thing", ID: age}}
		}
		return audit.Write(context.Background(), tx, events...)
	})
	if err != nil {
		w.Fatal(err)
	}
	w.exec(`UPDATE audit.entry SET at = at - $1::text::interval WHERE object_id = $1`, age)
}

func (w *world) drain() {
	w.Helper()
	if err := w.seq.Drain(context.Background()); err != nil {
		w.Fatal(err)
	}
}

const day = 24 * time.Hour

func TestMonths(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	made, err := retain.Months(ctx, w.db, time.Now())
	if err != nil || made != 3 {
		t.Fatalf("%d, %v", made, err)
	}
	if made, err = retain.Months(ctx, w.db, time.Now()); err != nil || made != 0 {
		t.Errorf("again: %d, %v", made, err)
	}
	w.write(3, "0 days")
	w.write(2, "-40 days") // comes to lie in a month ahead
	w.drain()
	if n := w.count(`SELECT count(*) FROM audit.entry WHERE tableoid <> 'audit.entry_rest'::regclass`); n != 2 {
		t.Errorf("%d entries in months", n)
	}
	if _, err := w.db.Pool(pg.Retention).Exec(ctx, `SELECT audit.add_month('2020-01-01')`); err == nil {
		t.Error("a part was made of a month that is over")
	}
	for _, role := range []pg.Role{pg.Staff, pg.Worker, pg.Checkpoint} {
		if _, err := w.db.Pool(role).Exec(ctx, `SELECT audit.add_month('2099-01-01')`); err == nil {
			t.Errorf("%s makes parts", role)
		}
	}
}

func TestDrops(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	w.write(600, "500 days")
	w.write(10, "5 days")
	w.drain()
	gone, err := retain.Drop(ctx, w.db, w.seq.Box, time.Now(), 400*day, nil)
	if err != nil || gone != 600 {
		t.Fatalf("%d, %v", gone, err)
	}
	w.drain()
	if n := w.count(`SELECT count(*) FROM audit.entry`); n != 11 { // and what tells of it
		t.Errorf("%d entries are left", n)
	}
	if n := w.count(`SELECT count(*) FROM audit.leaf`); n != 600-512+11 {
		t.Errorf("%d leaves are left", n)
	}
	if n := w.count(`SELECT count(*) FROM audit.dropped WHERE entries = 600 AND seq = 600`); n != 1 {
		t.Errorf("%d rows tell of it", n)
	}
	if gone, err = retain.Drop(ctx, w.db, w.seq.Box, time.Now(), 400*day, nil); err != nil || gone != 0 {
		t.Errorf("again: %d, %v", gone, err)
	}
	if g, err := sequence.Gone(ctx, w.db.Pool(pg.Worker), w.seq.Box); err != nil || g.Leaf != 600 || len(g.Forged) != 0 {
		t.Errorf("dropped up to leaf %d, forged %v, %v", g.Leaf, g.Forged, err)
	}
	w.exec(`UPDATE audit.dropped SET seq = 605`) // and takes away five more
	if g, err := sequence.Gone(ctx, w.db.Pool(pg.Worker), w.seq.Box); err != nil || g.Leaf != 0 || len(g.Forged) != 1 {
		t.Errorf("dropped up to leaf %d, forged %v, %v", g.Leaf, g.Forged, err)
	}
}

// Who makes an entry older than it is does not have it dropped.
func TestMadeOlder(t *testing.T) {
	w := newWorld(t)
	w.write(5, "2 days")
	w.write(1, "1 days")
	w.drain()
	w.exec(`UPDATE audit.entry SET at = at - interval '500 days' WHERE object_id = '1 days'`)
	if gone, err := retain.Drop(context.Background(), w.db, w.seq.Box, time.Now(), 400*day, nil); gone != 0 || !errs.Is(err, errs.Conflict) {
		t.Errorf("%d, %v", gone, err)
	}
}

// Nor does who makes all of them older, so that none is younger than another.
func TestAllMadeOlder(t *testing.T) {
	w := newWorld(t)
	w.write(3, "500 days")
	w.write(5, "40 days")
	w.drain()
	w.exec(`UPDATE audit.entry SET at = at - interval '500 days' WHERE object_id = '40 days'`)
	if gone, err := retain.Drop(context.Background(), w.db, w.seq.Box, time.Now(), 400*day, nil); gone != 0 || !errs.Is(err, errs.Conflict) {
		t.Errorf("%d, %v", gone, err)
	}
	if n := w.count(`SELECT count(*) FROM audit.entry`); n != 8 {
		t.Errorf("%d entries are left", n)
	}
}

// What was changed goes once a person has said what it was, and that person alone.
func TestKeptBack(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	w.write(3, "500 days")
	w.drain()
	w.exec(`UPDATE audit.entry SET reason = 'nothing' WHERE id IN (SELECT id FROM audit.entry ORDER BY id LIMIT 2)`)
	stays := func(when string) {
		t.Helper()
		if gone, err := retain.Drop(ctx, w.db, w.seq.Box, time.Now(), 400*day, nil); gone != 0 || !errs.Is(err, errs.Conflict) {
			t.Errorf("%s: %d, %v", when, gone, err)
		}
		if n := w.count(`SELECT count(*) FROM audit.anomaly WHERE kind = 'kept_back'`); n != 2 {
			t.Errorf("%s: %d are noted", when, n)
		}
	}
	stays("at first")
	stays("and again")
	say := func(about, of string) {
		word := sequence.Word{Kind: retain.KeptBack, About: of, By: "person:ann", Reason: "a test"}
		w.exec(`INSERT INTO audit.anomaly_word (anomaly, by, reason, mac) SELECT id, $2, $3, $4 FROM audit.anomaly WHERE kind = 'kept_back' AND about = $1`, about, word.By, word.Reason, word.MAC(w.seq.Box))
	}
	say("entry 1, leaf 1", "entry 1, leaf 1")
	stays("one is explained")
	say("entry 2, leaf 2", "entry 1, leaf 1")
	stays("the other by a word about the first")
	w.exec(`INSERT INTO audit.anomaly_word (anomaly, by, reason, mac) SELECT id, 'person:ann', 'a test', '\x00' FROM audit.anomaly WHERE about = 'entry 2, leaf 2'`)
	stays("the other by hand")
	say("entry 2, leaf 2", "entry 2, leaf 2")
	if gone, err := retain.Drop(ctx, w.db, w.seq.Box, time.Now(), 400*day, nil); err != nil || gone != 3 {
		t.Errorf("explained: %d, %v", gone, err)
	}
}

// A clock that is years ahead or behind has nothing dropped.
func TestClocks(t *testing.T) {
	w := newWorld(t)
	w.write(3, "100 days")
	w.drain()
	for _, now := range []time.Time{time.Now().AddDate(3, 0, 0), time.Now().AddDate(-3, 0, 0)} {
		if gone, err := retain.Drop(context.Background(), w.db, w.seq.Box, now, 400*day, nil); gone != 0 || !errs.Is(err, errs.Conflict) {
			t.Errorf("%s: %d, %v", now, gone, err)
		}
	}
	if gone, err := retain.Drop(context.Background(), w.db, w.seq.Box, time.Now().Add(time.Hour), 400*day, nil); gone != 0 || err != nil {
		t.Errorf("an hour ahead: %d, %v", gone, err)
	}
	if n := w.count(`SELECT count(*) FROM audit.entry`); n != 3 {
		t.Errorf("%d entries are left", n)
	}
}

func TestRefusesToDrop(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	w.write(5, "500 days")
	w.drain()
	for name, held := range map[string]retain.Held{
		"what the second account lacks":          func(context.Context) (int64, error) { return 4, nil },
		"while the second account does not tell": func(context.Context) (int64, error) { return 0, errors.New("away") },
	} {
		if gone, err := retain.Drop(ctx, w.db, w.seq.Box, time.Now(), 400*day, held); gone != 0 {
			t.Errorf("%s: %d, %v", name, gone, err)
		}
	}
	w.write(1, "501 days") // in no tree
	if gone, err := retain.Drop(ctx, w.db, w.seq.Box, time.Now(), 400*day, nil); gone != 0 || err == nil {
		t.Errorf("what is in no tree: %d, %v", gone, err)
	}
	w.drain()
	for name, sql := range map[string]string{
		"what is young":           `SELECT audit.drop_before(now()::date, (SELECT tree FROM audit.tree WHERE name = 'root'), (SELECT max(size) FROM audit.checkpoint))`,
		"under no checkpoint":     `SELECT audit.drop_before('2025-11-01', (SELECT tree FROM audit.tree WHERE name = 'root'), 999999)`,
		"under another tree's":    `SELECT audit.drop_before('2025-11-01', (SELECT tree FROM audit.tree WHERE name = 'company'), 1)`,
		"by hand":                 `DELETE FROM audit.entry`,
		"by taking the part away": `DROP TABLE audit.entry_rest`,
	} {
		if _, err := w.db.Pool(pg.Retention).Exec(ctx, sql); err == nil {
			t.Errorf("%s: dropped", name)
		}
	}
	if gone, err := retain.Drop(ctx, w.db, w.seq.Box, time.Now(), 400*day, func(context.Context) (int64, error) { return 6, nil }); err != nil || gone != 6 {
		t.Errorf("at last: %d, %v", gone, err)
	}
}

// A day within a month means that month: nothing of it goes, whoever asks.
func TestDropsWholeMonthsOnly(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	w.write(3, "500 days")
	w.drain()
	var month time.Time
	if err := w.super.QueryRow(ctx, `SELECT date_trunc('month', now() AT TIME ZONE 'UTC' - interval '62 days')::date`).Scan(&month); err != nil {
		t.Fatal(err)
	}
	part := "entry_" + month.Format("2006_01")
	w.exec(`CREATE TABLE audit.` + part + ` (LIKE audit.entry INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)`)
	w.exec(`ALTER TABLE audit.` + part + ` OWNER TO garant_owner`)
	w.exec(`ALTER TABLE audit.entry ATTACH PARTITION audit.` + part + ` FOR VALUES FROM ('` + month.Format(time.DateOnly) + ` 00:00Z') TO ('` + month.AddDate(0, 1, 0).Format(time.DateOnly) + ` 00:00Z')`)
	if _, err := w.db.Pool(pg.Retention).Exec(ctx, `SELECT audit.drop_before($1, c.tree, c.size::bigint) FROM audit.checkpoint AS c ORDER BY c.size DESC LIMIT 1`, month.AddDate(0, 0, 14)); err != nil {
		t.Fatal(err)
	}
	if n := w.count(`SELECT count(*) FROM pg_class WHERE relname = '` + part + `'`); n != 1 {
		t.Error("a day in the middle of a month had the month dropped")
	}
	if n := w.count(`SELECT count(*) FROM audit.entry`); n != 0 {
		t.Errorf("%d entries are left", n)
	}
}
