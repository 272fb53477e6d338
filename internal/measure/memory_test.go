package measure_test

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

// What a Memory gives is what Load reads, whatever was there before.
func TestMemoryIsNeverOlderThanTheDatabase(t *testing.T) {
	o := openOffice(t)
	ctx, staff := context.Background(), o.db.Pool(pg.Staff)
	memory := &measure.Memory{}
	same := func(when string) {
		t.Helper()
		want, err := measure.Load(ctx, staff)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // read, then kept
			got, err := memory.Load(ctx, staff)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: memory has\n%+v, the database\n%+v", when, got, want)
			}
		}
	}
	super := pgtest.Superuser(t, database(t, o.db))
	exec := func(on pg.Execer, sql string, args ...any) {
		t.Helper()
		if _, err := on.Exec(ctx, sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	see := func(n int, check, outcome string) {
		t.Helper()
		id := fmt.Sprintf("00000000-0000-7000-8000-%012d", n)
		exec(super, `INSERT INTO measure.evidence (id, check_id, kind, outcome, finding, content_hash, digest, first_at, observed_at, observations, valid_until, catalogue_hash, estate_version, build)
VALUES ($1, $2, 'finding', $3, $4, 'c', $5, now(), now(), 1, now() + interval '1 hour', 'h', 1, 'b')`, id, check, outcome,
			fmt.Sprintf(`{"outcome": %q, "scope": ["a%d"], "facts": {"f%d": {"kind": "count", "count": %d}}}`, outcome, n, n, n), fmt.Sprint("digest", n))
		exec(super, `INSERT INTO measure.current AS c (check_id, evidence_id, content_hash, first_at, observed_at, valid_until, observations, written_at, written_count, estate_version, catalogue_hash, build, definite_id, definite_at)
VALUES ($1, $2, 'c', now(), now(), now() + interval '1 hour', 1, now(), 1, 1, 'h', 'b', CASE WHEN $3 THEN $2::uuid END, CASE WHEN $3 THEN now() END)
ON CONFLICT (check_id) DO UPDATE SET evidence_id = $2, observed_at = now(), observations = c.observations + 1,
	definite_id = CASE WHEN $3 THEN $2::uuid ELSE c.definite_id END, definite_at = CASE WHEN $3 THEN now() ELSE c.definite_at END`, check, id, outcome != "error")
	}
	same("nothing")
	see(1, "x.one", "pass")
	same("one check")
	see(2, "x.two", "error")
	same("one that never saw anything")
	see(3, "x.one", "error")
	same("one that went blind")
	exec(super, "UPDATE measure.current SET observed_at = observed_at + interval '1 minute', observations = observations + 1")
	same("the same again")
	see(4, "x.one", "fail")
	same("one that sees again")
	exec(super, "DELETE FROM measure.current WHERE check_id = 'x.two'")
	same("a check that is gone")

	const attest = `INSERT INTO measure.attestation (id, measure_id, targets, statement, person_id, observed_on, observed_at, valid_until, documents, words_hash, catalogue_hash, estate_version, build, digest)
VALUES (gen_random_uuid(), $1, $2, 'confirmed', gen_random_uuid(), now()::date, now(), now() + interval '1 day', '[]', repeat('a', 64), 'h', 1, 'b', repeat('b', 64))`
	exec(super, attest, "PHY-1", []string{""})
	same("a word")
	exec(super, attest, "PHY-2", []string{"x", "y"})
	same("of two sites")
	// One that has the lower number and is committed later.
	late := pgtest.Superuser(t, database(t, o.db))
	tx, err := late.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	exec(tx, attest, "PHY-3", []string{""})
	exec(super, attest, "PHY-4", []string{""})
	same("while another is being written")
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	same("once that is written")

	who := func() {
		t.Helper()
		want, err := measure.LoadAssignments(ctx, staff)
		if err != nil {
			t.Fatal(err)
		}
		got, err := o.Runner.Assignments(ctx, staff)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("who answers: %v, want %v: %v", got, want, err)
		}
	}
	who()
	for _, person := range []string{o.anna.ID, o.ben.ID, ""} {
		a, err := measure.LoadAssignment(ctx, staff, "PHY-1")
		if err == nil {
			err = o.Assign(ctx, o.lead, measure.Assigned{Measure: "PHY-1", Seen: a.ID, Responsible: person})
		}
		if err != nil {
			t.Fatal(err)
		}
		who()
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if _, err := memory.Load(ctx, staff); err != nil {
				t.Error(i, err)
			}
		})
	}
	wg.Wait()
}

func database(t testing.TB, db *pg.DB) (name string) {
	t.Helper()
	if err := db.Pool(pg.Staff).QueryRow(context.Background(), "SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	return name
}
