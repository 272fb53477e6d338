package search_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/retain"
	"github.com/garant-project/garant/internal/audit/search"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

type world struct {
	t     testing.TB
	db    *pg.DB
	super *pgx.Conn
	seq   *sequence.Sequencer
	keep  *search.Keeper
}

var (
	ann = actor.Actor{Kind: actor.Person, ID: uuid.NewString()}
	bob = actor.Actor{Kind: actor.Person, ID: uuid.NewString()}
)

func newWorld(t testing.TB) *world {
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
	log := slog.New(slog.DiscardHandler)
	return &world{t: t, db: db, super: pgtest.Superuser(t, name), seq: &sequence.Sequencer{DB: db, Box: box, Origin: "trust.example.com/log", Now: time.Now, Log: log}, keep: &search.Keeper{DB: db, Log: log}}
}

func (w *world) write(events ...audit.Event) {
	w.t.Helper()
	if err := pg.InTx(context.Background(), w.db.Pool(pg.Staff), func(tx pgx.Tx) error { return audit.Write(context.Background(), tx, events...) }); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.super.Exec(context.Background(), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) order() {
	w.t.Helper()
	if err := w.seq.Drain(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) drain() {
	w.t.Helper()
	w.order()
	if err := w.keep.Drain(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

// finds expects the entries whose actions are named, the newest first.
func (w *world) finds(f audit.Filter, want ...string) {
	w.t.Helper()
	list, err := audit.List(context.Background(), w.db.Pool(pg.Staff), f)
	if err != nil {
		w.t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		got = append(got, e.Action)
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("%+v finds %q, want %q", f, got, want)
	}
}

// What is searched for is found at every stage: before it has a leaf, before its words are kept, and afterwards.
func TestKept(t *testing.T) {
	w := newWorld(t)
	request := uuid.NewString()
	w.write(audit.Event{By: ann, Action: "a.first", On: audit.Object{Kind: "invoice", ID: "F-2026/17"}, Reason: "Demande créée par téléphone", Request: request},
		audit.Event{By: bob, Action: "a.second", On: audit.Object{Kind: "invoice", ID: "F-2026/18"}, Detail: map[string]any{"table": "public.invoice"}, Refused: true})
	for stage, next := range []func(){func() {}, w.order, w.drain} {
		next()
		for _, c := range []struct {
			f    audit.Filter
			want []string
		}{
			{audit.Filter{Text: "CREEE telephone"}, []string{"a.first"}},
			{audit.Filter{Text: "téléph*"}, []string{"a.first"}},
			{audit.Filter{Text: "2026"}, []string{"a.second", "a.first"}},
			{audit.Filter{Text: "2026", Before: 2}, []string{"a.first"}},
			{audit.Filter{Text: "2026", Limit: 1}, []string{"a.second"}},
			{audit.Filter{Text: "invoice"}, []string{"a.second"}},
			{audit.Filter{Text: "invoice", ActorID: ann.ID}, nil},
			{audit.Filter{Text: "2026", Actors: []string{ann.ID, bob.ID}}, []string{"a.second", "a.first"}},
			{audit.Filter{Text: "deux"}, nil},
			{audit.Filter{Text: " ' | * "}, nil},
			{audit.Filter{Request: request}, []string{"a.first"}},
			{audit.Filter{Request: request, Text: "18"}, nil},
			{audit.Filter{Request: request[:8]}, nil},
			{audit.Filter{Actors: []string{ann.ID, bob.ID}}, []string{"a.second", "a.first"}},
			{audit.Filter{Actors: []string{ann.ID, bob.ID}, Limit: 1}, []string{"a.second"}},
			{audit.Filter{Object: audit.Object{Kind: "invoice"}, ObjectIDs: []string{"F-2026/17", "F-2026/99"}, Actors: []string{ann.ID}}, []string{"a.first"}},
			{audit.Filter{From: time.Now().Add(-time.Hour)}, []string{"a.second", "a.first"}},
			{audit.Filter{From: time.Now().Add(time.Hour)}, nil},
			{audit.Filter{Until: time.Now().Add(-time.Hour)}, nil},
			{audit.Filter{From: time.Now().Add(-time.Hour), Until: time.Now().Add(time.Hour), Text: "17"}, []string{"a.first"}},
		} {
			w.finds(c.f, c.want...)
		}
		if t.Failed() {
			t.Fatalf("at stage %d", stage)
		}
	}
	hours, err := search.Hours(t.Context(), w.db.Pool(pg.Staff), time.Now().Add(-24*time.Hour))
	if err != nil || len(hours) != 1 || hours[0].Entries != 2 || hours[0].Refused != 1 {
		t.Errorf("%v, %v", hours, err)
	}
	w.exec(`UPDATE audit.words SET words = ''`)
	w.finds(audit.Filter{Text: "2026"}) // it was found by its words, not one by one
}

// A clock that was set back hides nothing from a search by time.
func TestClockSetBack(t *testing.T) {
	w := newWorld(t)
	w.write(audit.Event{By: ann, Action: "a.before", On: audit.Object{Kind: "x", ID: "1"}})
	w.write(audit.Event{By: ann, Action: "a.jumped", On: audit.Object{Kind: "x", ID: "1"}})
	w.write(audit.Event{By: ann, Action: "a.after", On: audit.Object{Kind: "x", ID: "1"}})
	w.exec(`UPDATE audit.entry SET at = at - interval '1 day' WHERE action = 'a.jumped'`)
	yesterday := audit.Filter{From: time.Now().Add(-25 * time.Hour), Until: time.Now().Add(-23 * time.Hour)}
	w.finds(yesterday, "a.jumped")
	w.drain()
	w.finds(yesterday, "a.jumped")
	w.finds(audit.Filter{From: time.Now().Add(-time.Hour)}, "a.after", "a.before")
}

// Two servers put nothing in twice and leave nothing out.
func TestTwoKeepers(t *testing.T) {
	w := newWorld(t)
	var events []audit.Event
	for i := range 2500 {
		events = append(events, audit.Event{By: ann, Action: "a.done", On: audit.Object{Kind: "x", ID: fmt.Sprint("n", i)}})
	}
	w.write(events...)
	w.order()
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			for range 20 {
				if _, err := w.keep.Step(context.Background()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
	var words, counted int64
	if err := w.super.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM audit.words), (SELECT sum(entries) FROM audit.hour)`).Scan(&words, &counted); err != nil || words != 2500 || counted != 2500 {
		t.Errorf("%d have words, %d are counted: %v", words, counted, err)
	}
	w.finds(audit.Filter{Text: "n2042"}, "a.done")
}

// Entries that are dropped at the end of their time have no words any more.
func TestDropped(t *testing.T) {
	w := newWorld(t)
	w.write(audit.Event{By: ann, Action: "a.old", On: audit.Object{Kind: "x", ID: "secretive"}})
	w.write(audit.Event{By: ann, Action: "a.new", On: audit.Object{Kind: "x", ID: "secretive"}})
	w.exec(`UPDATE audit.entry SET at = at - interval '400 days' WHERE action = 'a.old'`)
	w.drain()
	w.finds(audit.Filter{Text: "secretive"}, "a.new", "a.old")
	if gone, err := retain.Drop(t.Context(), w.db, w.seq.Box, time.Now(), 365*24*time.Hour, nil); err != nil || gone != 1 {
		t.Fatal(gone, err)
	}
	w.drain()
	w.finds(audit.Filter{Text: "secretive"}, "a.new")
	var n int
	if err := w.super.QueryRow(t.Context(), `SELECT count(*) FROM audit.words WHERE words @@ 'secretive'`).Scan(&n); err != nil || n != 1 {
		t.Errorf("%d have words: %v", n, err)
	}
}

// Words are found however rare they are and however far back: beside each way of asking stands what going through all entries finds.
func TestFar(t *testing.T) {
	w := newWorld(t)
	w.drain()
	const all = 130_000 // more than the newest that are looked through one by one
	w.exec(`INSERT INTO audit.entry (id, at, actor_kind, actor_id, action, outcome, object_kind, object_id, detail)
SELECT n, now(), 'person', CASE WHEN n % 1000 = 1 THEN 'odd' WHEN n % 10000 = 2 THEN 'seldom' ELSE 'often' END, 'a.done', 'permitted', 'x', n % 5000, '{}' FROM generate_series(1000, $1::int) AS n`, all)
	w.exec(`INSERT INTO audit.words (entry, words)
SELECT n, array_to_tsvector(array_remove(ARRAY[CASE WHEN n % 2 = 0 THEN 'even' END, CASE WHEN n % 20000 = 0 THEN 'rare' END, CASE WHEN n < 6000 THEN 'past' END], NULL)) FROM generate_series(1000, $1::int) AS n`, all)
	w.exec(`UPDATE audit.cursor SET xid = pg_current_xact_id(), entry = 0`)
	w.exec(`ANALYZE audit.entry, audit.words`)
	actor := func(n int64) string {
		switch {
		case n%1000 == 1:
			return "odd"
		case n%10000 == 2:
			return "seldom"
		default:
			return "often"
		}
	}
	has := map[string]func(n int64) bool{
		"even":      func(n int64) bool { return n%2 == 0 },
		"rare":      func(n int64) bool { return n%20000 == 0 },
		"past":      func(n int64) bool { return n < 6000 },
		"even past": func(n int64) bool { return n%2 == 0 && n < 6000 },
		"nothing":   func(int64) bool { return false },
	}
	for text, worded := range has {
		for _, f := range []audit.Filter{
			{}, {Limit: 3}, {Before: 60_000}, {Before: 1_500, Limit: 200}, {Before: 1}, {ActorID: "odd"}, {ActorID: "seldom"}, {ActorID: "nobody"}, {ActorID: "seldom", Before: 90_000},
			{Actors: []string{"odd", "seldom"}}, {Actors: []string{"odd", "often"}, Limit: 7, Before: 30_000}, {Object: audit.Object{Kind: "x", ID: "0"}},
			{Object: audit.Object{Kind: "x"}, ObjectIDs: []string{"0", "1"}, Actors: []string{"often", "odd"}}, {Action: "a.done", ActorID: "odd"}, {Action: "a.other"},
		} {
			f.Text = text
			var want []int64
			for n := int64(all); n >= 1000 && len(want) < cmp.Or(f.Limit, 50); n-- {
				ids, actors := f.ObjectIDs, f.Actors
				if f.Object.ID != "" {
					ids = []string{f.Object.ID}
				}
				if f.ActorID != "" {
					actors = []string{f.ActorID}
				}
				if worded(n) && (f.Before == 0 || n < f.Before) && (ids == nil || slices.Contains(ids, fmt.Sprint(n%5000))) && (actors == nil || slices.Contains(actors, actor(n))) && (f.Action == "" || f.Action == "a.done") {
					want = append(want, n)
				}
			}
			list, err := audit.List(t.Context(), w.db.Pool(pg.Staff), f)
			if err != nil {
				t.Fatal(err)
			}
			var got []int64
			for _, e := range list {
				got = append(got, e.ID)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%+v finds %d, want %d", f, got, want)
			}
		}
	}
}
