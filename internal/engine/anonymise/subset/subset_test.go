package subset

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
)

// TestAll takes the whole copy: every row, the same schema, the same sequences.
func TestAll(t *testing.T) {
	w := newWorld(t, "copy.sql")
	r := w.take(Subset{})
	all, got := w.contents(w.conn), w.contents(w.subset())
	within(t, got, all)
	within(t, all, got)
	w.holds(w.subset())
	if r.Share != 100 || r.Rows != r.Of || r.Run != "0123456789ab" || r.Database != w.name {
		t.Errorf("%+v", r)
	}
	plain := func(s string) string {
		return regexp.MustCompile(`(?m)^(--.*|\\.*|SELECT pg_catalog.set_config.*)?\n`).ReplaceAllString(s, "")
	}
	if a, b := plain(dumped(t, copies, w.copy, "--schema-only")), plain(dumped(t, laptop, w.name, "--schema-only")); a != b {
		t.Errorf("the schemas differ:\n%s\n----\n%s", a, b)
	}
	for _, sql := range []string{`SELECT last_value FROM shop.alone`, `SELECT last_value FROM shop.team_id_seq`, `SELECT last_value FROM shop.product_id_seq`, `SELECT count(*) FROM shop.spent`} {
		if a, b := ask[int64](w, w.conn, sql), ask[int64](w, w.subset(), sql); a != b {
			t.Errorf("%s: %d, want %d", sql, b, a)
		}
	}
}

// TestPercent samples below the tenants, of which there are too few.
func TestPercent(t *testing.T) {
	w := newWorld(t, "copy.sql")
	all := w.contents(w.conn)
	r := w.take(Subset{Kind: Percent, Percent: 2, Seed: "a"})
	s := w.subset()
	first := w.contents(s)
	within(t, first, all)
	w.holds(s)
	for _, whole := range []string{"shop.country", "shop.region", "shop.schema_migration", "shop.tenant", "shop.nothing"} {
		if len(first[whole]) != len(all[whole]) {
			t.Errorf("%s has %d rows of %d, want all", whole, len(first[whole]), len(all[whole]))
		}
	}
	for table, want := range map[string][2]float64{ // per cent
		"shop.audit": {0.8, 4.5}, "shop.husband": {1, 8}, "shop.wife": {1, 8}, "shop.ring_a": {1, 8}, "shop.ring_b": {1, 8}, "shop.ring_c": {1, 8}, "shop.event": {0.8, 4}, "shop.login": {0.8, 4},
		"shop.member": {0.8, 7}, "shop.log": {0.8, 4}, "shop.guarded": {0.8, 4}, "shop.line": {0.5, 5}, "shop.purchase": {0.5, 5}, "shop.ticket": {0.5, 6}, "shop.empty": {100, 100},
	} {
		if got := r.table(t, table); got.Share < want[0] || got.Share > want[1] {
			t.Errorf("%s: %.2f %% of %d rows (%s), want %v", table, got.Share, got.Of, got.How, want)
		}
	}
	// An order's lines come with the order: those of a member who was chosen are complete.
	chosen := ask[int](w, s, `SELECT count(DISTINCT (purchase_id, placed)) FROM shop.line`)
	complete := ask[int](w, s, `SELECT count(*) FROM (SELECT FROM shop.line GROUP BY purchase_id, placed HAVING count(*) = 3) x`)
	if chosen != complete || chosen == 0 {
		t.Errorf("%d of %d purchases have all their lines", complete, chosen)
	}
	for _, got := range r.Tables {
		if int(got.Rows) != ask[int](w, s, `SELECT count(*) FROM ONLY `+got.Table) && got.Table != "shop.purchase" {
			t.Errorf("the report says of %s %d rows", got.Table, got.Rows)
		}
	}
	if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.HasPrefix(n, "shop.tenant has too few rows") }) {
		t.Errorf("nothing tells that tenants are too few: %v", r.Notes)
	}

	// The same seed gives the same rows, another one others.
	w.take(Subset{Kind: Percent, Percent: 2, Seed: "a"})
	again := w.contents(w.subset())
	within(t, first, again)
	within(t, again, first)
	w.take(Subset{Kind: Percent, Percent: 2, Seed: "b"})
	if other := w.contents(w.subset()); slices.Equal(other["shop.audit"], first["shop.audit"]) || slices.Equal(other["shop.member"], first["shop.member"]) {
		t.Error("another seed gives the same rows")
	}
	// Wherever the rows lie.
	w.exec(`UPDATE shop.member SET label = label || '.'; UPDATE shop.member SET label = left(label, -1); CREATE TABLE shop.moved AS TABLE shop.log; DELETE FROM shop.log; INSERT INTO shop.log SELECT * FROM shop.moved ORDER BY said DESC; DROP TABLE shop.moved`)
	w.take(Subset{Kind: Percent, Percent: 2, Seed: "a"})
	moved := w.contents(w.subset())
	if !slices.Equal(moved["shop.log"], first["shop.log"]) || !slices.Equal(moved["shop.member"], first["shop.member"]) {
		t.Error("the choice depends on where rows lie")
	}
}

// TestPercentOfTenants chooses tenants where there are enough of them.
func TestPercentOfTenants(t *testing.T) {
	w := newWorld(t, "copy.sql")
	all := w.contents(w.conn)
	r := w.take(Subset{Kind: Percent, Percent: 10})
	s := w.subset()
	within(t, w.contents(s), all)
	w.holds(s)
	if got := r.table(t, "shop.tenant"); got.Rows < 1 || got.Rows > 12 {
		t.Errorf("%d tenants of 40", got.Rows)
	}
	w.hang(s, column[string](w, s, `SELECT id::text FROM shop.tenant`), "shop.ticket", "shop.log")
}

// hang makes sure that a subset has all rows of tables whose column tenant_id is one of some tenants, and no others.
func (w *world) hang(s *pgx.Conn, tenants []string, tables ...string) {
	w.t.Helper()
	for _, table := range tables {
		want := column[string](w, w.conn, `SELECT t::text FROM `+table+` t WHERE tenant_id::text = ANY ($1) ORDER BY 1`, tenants)
		got := column[string](w, s, `SELECT t::text FROM `+table+` t ORDER BY 1`)
		if !slices.Equal(got, want) || len(want) == 0 {
			w.t.Errorf("%s has %d rows, the tenants have %d", table, len(got), len(want))
		}
	}
}

// TestTenants takes two tenants with all that is theirs.
func TestTenants(t *testing.T) {
	w := newWorld(t, "copy.sql")
	all := w.contents(w.conn)
	ids := column[string](w, w.conn, `SELECT id::text FROM shop.tenant WHERE label IN ('tenant 6', 'tenant 13') ORDER BY 1`)
	visit, err := ParseReference(`shop.visit(ticket) -> shop.ticket(id)`)
	w.must(err)
	r := w.take(Subset{Kind: Tenants, Tenants: append(ids, ids[0]), References: []Reference{visit}})
	s := w.subset()
	within(t, w.contents(s), all)
	w.holds(s)
	w.hang(s, ids, "shop.member", "shop.team", "shop.purchase", "shop.ticket", "shop.log", "shop.guarded")
	// Lines hang on purchases; comments on tickets, whose types are written in two ways; visits by what was declared. Comments on products that nobody needs do not come.
	for _, sql := range []string{
		`SELECT l::text FROM shop.line l JOIN shop.purchase p ON p.id = l.purchase_id AND p.placed = l.placed WHERE p.tenant_id::text = ANY ($1) ORDER BY 1`,
		`SELECT v::text FROM shop.visit v JOIN shop.ticket t ON t.id = v.ticket WHERE t.tenant_id::text = ANY ($1) ORDER BY 1`,
		`SELECT c::text FROM shop.comment c JOIN shop.ticket t ON t.id = c.commentable_id AND c.commentable_type LIKE '%Ticket' WHERE t.tenant_id::text = ANY ($1) ORDER BY 1`,
	} {
		want, got := column[string](w, w.conn, sql, ids), column[string](w, s, sql, ids)
		if !slices.Equal(got, want) || len(want) == 0 {
			t.Errorf("%d rows instead of %d: %s", len(got), len(want), sql)
		}
	}
	if n := ask[int](w, s, `SELECT count(*) FROM shop.comment WHERE commentable_type NOT LIKE '%Ticket'`); n != 0 {
		t.Errorf("%d comments on what is no tenant's", n)
	}
	if r.table(t, "shop.product").Share > 50 || r.table(t, "shop.audit").Rows == 0 {
		t.Errorf("products and audits come only when they are needed: %+v", r.Tables)
	}

	// A name that is in none of its places.
	_, err = Take(t.Context(), w.options(Subset{Kind: Tenants, Tenants: []string{ids[0], "nobody"}}))
	if err == nil || !strings.Contains(err.Error(), "1 of 2 tenants are not in the copy") {
		t.Error(err)
	}
	w.only(w.name)
}

// TestQueries takes rows by conditions, with what hangs on them and what they need.
func TestQueries(t *testing.T) {
	w := newWorld(t, "copy.sql")
	all := w.contents(w.conn)
	odd, ok := catalog.ParseName(`shop."Odd ""Näme"`)
	if !ok {
		t.Fatal("the name is not read")
	}
	w.take(Subset{Kind: Queries, Queries: []Query{
		{catalog.Name{Schema: "shop", Table: "purchase"}, `placed >= '2026-03-01' AND purchase.placed < '2026-03-05' -- early`},
		{odd, `"select" = 1399`},
		{catalog.Name{Schema: "shop", Table: "ring_b"}, `id IN (SELECT 1250)`},
	}, Whole: []string{"shop.audit"}})
	s := w.subset()
	within(t, w.contents(s), all)
	w.holds(s)
	want := column[int64](w, w.conn, `SELECT id FROM shop.purchase WHERE placed >= '2026-03-01' AND placed < '2026-03-05' ORDER BY 1`)
	if got := column[int64](w, s, `SELECT id FROM shop.purchase ORDER BY 1`); !slices.Equal(got, want) || len(want) == 0 {
		t.Errorf("%d purchases, want %d", len(got), len(want))
	}
	if got := ask[int](w, s, `SELECT count(*) FROM shop.line`); got != 3*len(want) {
		t.Errorf("%d lines of %d purchases", got, len(want))
	}
	if got := ask[int](w, s, `SELECT count(*) FROM shop.audit`); got != 2500 {
		t.Errorf("%d rows of a table that was wanted whole", got)
	}
	// The chain of what row 1399 refers to: 699, 349, 174, 87, 43, 21, 10, 5, 2, 1, 0.
	if got := ask[int](w, s, `SELECT count(*) FROM shop."Odd ""Näme"`); got != 12 {
		t.Errorf("%d rows of the chain", got)
	}
	// A table with a condition has no more rows than that and those that others need, round the ring.
	steps := map[int]bool{}
	for b := 1250; !steps[b]; b = 1 + (b-2+b%2*2)%1200 {
		steps[b] = true
	}
	if got := ask[int](w, s, `SELECT count(*) FROM shop.ring_b`); got != len(steps) {
		t.Errorf("%d rows of the ring, want %d", got, len(steps))
	}
}
