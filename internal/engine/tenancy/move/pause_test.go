package move

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestSoakPause measures the move of a big tenant while it writes: the pause, and the whole beside what a
// plain copy of the same rows takes in the same minute. GARANT_MOVE_MB is the tenant's size, 1,024 unless told.
func TestSoakPause(t *testing.T) {
	soaks(t)
	size := 1024
	if s := os.Getenv("GARANT_MOVE_MB"); s != "" {
		var err error
		if size, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	w := newWorld(t)
	ctx := context.Background()
	// Rows of about 270 bytes in two tables with four indexes.
	n := size * 1024 * 1024 / 540
	w.exec(w.shared, fmt.Sprintf(`ALTER TABLE shop.item DISABLE TRIGGER USER;
INSERT INTO shop.item (tenant_id, name, price, big) SELECT '%[1]s', 'big ' || n, n %% 1000, repeat(md5(n::text), 6) FROM generate_series(1, %[2]d) n;
ALTER TABLE shop.item ENABLE TRIGGER USER;
INSERT INTO "Odd Schema"."T.x" ("tenantId", doc, raw, at, item_id) SELECT '%[1]s', jsonb_build_object('n', n, 'text', repeat(md5(n::text), 4)), decode(md5(n::text), 'hex'), now(), (SELECT min(id) FROM shop.item WHERE tenant_id = '%[1]s') FROM generate_series(1, %[2]d) n;
ANALYZE`, w.a, n))
	bytes := w.one(w.shared, `SELECT ((pg_total_relation_size('shop.item') + pg_total_relation_size('"Odd Schema"."T.x"')) / 1048576)::int`)
	// The reference: the same rows through a pipe into tables that have only their keys' indexes.
	w.exec(w.own, `CREATE TABLE public.item (id bigint PRIMARY KEY, tenant_id uuid, name text, price numeric(12,2), country text, parent bigint, big text);
CREATE TABLE public.x ("tenantId" uuid, "No" int PRIMARY KEY, state text, doc jsonb, raw bytea, ratio float8, at timestamptz, span interval, tags text[], item_id bigint)`)
	began := time.Now()
	for from, to := range map[string]string{
		"(SELECT id, tenant_id, name, price, country, parent, big FROM shop.item WHERE tenant_id = '" + w.a.String() + "')":                                  "public.item",
		`(SELECT "tenantId", "No", state::text, doc, raw, ratio, at, span, tags, item_id FROM "Odd Schema"."T.x" WHERE "tenantId" = '` + w.a.String() + `')`: "public.x",
	} {
		if _, err := pipe(ctx, w.shared.PgConn(), "COPY "+from+" TO STDOUT", w.own.PgConn(), "COPY "+to+" FROM STDIN", new(atomic.Int64)); err != nil {
			t.Fatal(err)
		}
	}
	reference := time.Since(began)
	w.exec(w.own, "DROP TABLE public.item, public.x")
	var stop atomic.Bool
	var wg sync.WaitGroup
	r := w.writer(w.a)
	wg.Go(func() {
		for n := 0; !stop.Load(); n++ {
			if err := r.once(ctx, n); err != nil {
				t.Error(err)
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	o := w.out()
	var once sync.Once
	var paused time.Time
	o.at = func(p string) {
		switch p {
		case "paused":
			paused = time.Now()
		case "carried over", "ready to switch", "switching":
			if !paused.IsZero() {
				t.Logf("in the pause, %s after %v", p, time.Since(paused).Round(time.Millisecond))
			}
		}
		if p == "before equal" {
			once.Do(func() { w.newKey(running.own, w.own) })
		}
	}
	began = time.Now()
	m := w.run(o)
	whole := time.Since(began)
	stop.Store(true)
	wg.Wait()
	t.Logf("%d MB with indexes, %d rows: pause %v, longest write %v (%d writes); whole move %v, plain copy %v: %.2f times",
		bytes, m.State().Rows, m.State().Pause.Round(time.Millisecond), r.longest.Round(time.Millisecond), len(r.acked), whole.Round(time.Second/10), reference.Round(time.Second/10), whole.Seconds()/reference.Seconds())
	if m.State().Pause > 2*time.Second {
		t.Errorf("writers waited %v", m.State().Pause)
	}
}
