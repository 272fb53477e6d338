package catalog

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

var running *cluster.Cluster

func TestMain(m *testing.M) {
	os.Exit(pgtest.WithCluster(cluster.Options{Users: []string{"reader"}}, func(c *cluster.Cluster) int {
		running = c
		ctx := context.Background()
		admin, err := pgx.Connect(ctx, c.DSN(cluster.SuperUser, "postgres"))
		if err == nil {
			_, err = admin.Exec(ctx, "CREATE ROLE reader LOGIN")
			_ = admin.Close(ctx)
		}
		if err != nil {
			panic(err)
		}
		return m.Run()
	}))
}

// database makes a database with a schema, and returns what reads it as a role that may read the catalogue and nothing else.
func database(t *testing.T, name, schema string) func() Database {
	t.Helper()
	ctx := context.Background()
	admin, err := pgx.Connect(ctx, running.DSN(cluster.SuperUser, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(ctx)
	if _, err = admin.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	super, err := pgx.Connect(ctx, running.DSN(cluster.SuperUser, name))
	if err != nil {
		t.Fatal(err)
	}
	defer super.Close(ctx)
	if _, err = super.Exec(ctx, schema); err != nil {
		t.Fatal(err)
	}
	reader, err := pgx.Connect(ctx, running.DSN("reader", name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = reader.Close(ctx) })
	return func() Database {
		tx, err := reader.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback(ctx) }()
		db, err := Read(ctx, tx)
		if err != nil {
			t.Fatal(err)
		}
		var path string
		if err := tx.QueryRow(ctx, "SHOW search_path").Scan(&path); err != nil || path != `"$user", public` {
			t.Errorf("the path is left as %s: %v", path, err)
		}
		return db
	}
}

func TestReadOdd(t *testing.T) {
	schema, err := os.ReadFile("testdata/odd.sql")
	if err != nil {
		t.Fatal(err)
	}
	db := database(t, "odd", string(schema))()
	names := func(tables []Table) (out []string) {
		for _, t := range tables {
			out = append(out, t.Name.String())
		}
		return out
	}
	want := []string{
		`"Odd Schema"."T.x ""y"`, `"Odd Schema".event_2026_1`, `"Odd Schema".event_2026_d`, "public.booking", "public.contact", "public.country", "public.dropped", "public.empty", "public.event_2025", "public.member",
		"public.note", "public.person", "public.quick", "public.secret", "public.session", "public.supplier", "public.team", "public.visit", "public.wide",
	}
	if got := names(db.Tables); !reflect.DeepEqual(got, want) {
		t.Errorf("tables %q", got)
	}
	if got := names(db.Partitioned); !reflect.DeepEqual(got, []string{"public.event"}) {
		t.Errorf("partitioned %q", got)
	}
	if want := []string{"foreign table public.remote", "publication everything"}; !reflect.DeepEqual(db.Other, want) {
		t.Errorf("other %q", db.Other)
	}
	if db.LargeObjects != 2 || db.Name != "odd" || !slices.Contains(db.Sequences, Name{"public", "note_id_seq"}) || !slices.Contains(db.Sequences, Name{"public", "member_id_seq"}) {
		t.Errorf("%d large objects, name %s, sequences %v", db.LargeObjects, db.Name, db.Sequences)
	}
	table := func(schema, name string) *Table {
		found := db.Table(Name{schema, name})
		if found == nil {
			t.Fatalf("no table %s.%s", schema, name)
		}
		return found
	}
	member := table("public", "member")
	for name, want := range map[string]Column{
		"id":         {Type: "bigint", Declared: "bigint", NotNull: true, Unique: true, Identity: true},
		"email":      {Type: "citext", Declared: "public.citext", NotNull: true, Unique: true},
		"first_name": {Type: "character varying", Declared: "character varying(40)", Length: 40, Unique: true},
		"birth_date": {Type: "date", Declared: "date", Unique: true, Checks: []string{"CHECK ((birth_date > '1900-01-01'::date))"}},
		"country":    {Type: "character", Declared: "character(2)", Length: 2},
		"mobile":     {Type: "text", Declared: "text", Unique: true},
		"feeling":    {Type: "public.mood", Declared: "public.mood", Labels: []string{"glad", "sad", "it's so"}},
		"feelings":   {Type: "public.mood[]", Declared: "public.mood[]", Labels: []string{"glad", "sad", "it's so"}},
		"home":       {Type: "public.full_address", Declared: "public.full_address", Fields: []Field{{"street", "text"}, {"number", "integer"}, {"postcode", "character varying(10)"}}},
		"nick":       {Type: "character varying", Declared: "public.shorter", Length: 12, NotNull: true, Checks: []string{"CHECK ((length((VALUE)::text) < 10))", "CHECK (((VALUE)::text <> ''::text))"}},
		"tags":       {Type: "text[]", Declared: "public.words"},
		"nicks":      {Type: "character varying[]", Declared: "public.short[]", Length: 12, Checks: []string{"CHECK (((VALUE)::text <> ''::text))"}},
		"fee":        {Type: "numeric", Declared: "public.price", Precision: 8, Scale: 2},
		"ratio":      {Type: "numeric", Declared: "numeric(4,-2)", Precision: 4, Scale: -2},
		"remarks":    {Type: "text", Declared: "text", Comment: "What was said on the phone"},
		"initials":   {Type: "text", Declared: "text", Generated: true, Default: `("left"((first_name)::text, 1) || "left"((last_name)::text, 1))`},
		"created_at": {Type: "timestamp with time zone", Declared: "timestamp with time zone", NotNull: true, Default: "now()"},
	} {
		want.Name = name
		if got := member.Column(name); got == nil || !same(*got, want) {
			t.Errorf("%s:\n%#v\nnot\n%#v", name, got, want)
		}
	}
	if !reflect.DeepEqual(member.Key, []string{"id"}) || !reflect.DeepEqual(member.Unique, [][]string{{"id"}, {"email"}, {"mobile"}, {"first_name", "last_name", "birth_date"}}) || member.Comment != "" {
		t.Errorf("key %v, unique %v", member.Key, member.Unique)
	}
	if want := []Foreign{{Columns: []string{"country"}, To: Name{"public", "country"}, ToColumns: []string{"code"}}, {Columns: []string{"sponsor_id"}, To: Name{"public", "member"}, ToColumns: []string{"id"}}}; !reflect.DeepEqual(member.Foreign, want) {
		t.Errorf("%v", member.Foreign)
	}
	if want := []Foreign{{Columns: []string{"member_id", "nr"}, To: Name{"public", "visit"}, ToColumns: []string{"member_id", "nr"}}}; !reflect.DeepEqual(table("public", "note").Foreign, want) {
		t.Errorf("%v", table("public", "note").Foreign)
	}
	if f := table("public", "person").Foreign; len(f) != 1 || !f[0].Deferrable {
		t.Errorf("%v", f)
	}
	leaf, root := table("Odd Schema", "event_2026_1"), table("public", "event")
	if *leaf.Partition != root.Name || leaf.Columns[0].Name != "payload" || len(leaf.Foreign) != 1 || leaf.Inherits != nil {
		t.Errorf("leaf %+v", leaf)
	}
	if ip := root.Column("ip"); !ip.Unique || !ip.NotNull || !leaf.Column("ip").Unique || table("public", "event_2025").Column("ip").Unique {
		t.Errorf("a partition's demands do not reach the root: %+v", ip)
	}
	if b := table("public", "booking"); !b.Column("room").Excluded || !b.Column("during").Excluded || b.Column("guest").Excluded {
		t.Errorf("%+v", b)
	}
	if s := table("public", "supplier"); !reflect.DeepEqual(s.Inherits, []Name{{"public", "contact"}}) || len(s.Columns) != 3 || s.Partition != nil {
		t.Errorf("%+v", s)
	}
	if s := table("public", "secret"); !s.Guarded || !s.Filtered || !s.Unreadable {
		t.Errorf("%+v", s)
	}
	if odd := table("Odd Schema", `T.x "y`); odd.Column("line\nbreak") == nil || odd.Column("é🙂") == nil || !odd.Column("select").Unique {
		t.Errorf("%+v", odd)
	}
	if h := table("public", "quick").Column("h"); h.Type != "hstore" || h.Declared != "extra.hstore" {
		t.Errorf("%+v", h)
	}
	if d := table("public", "dropped"); len(d.Columns) != 2 || len(table("public", "wide").Columns) != 300 || len(table("public", "empty").Columns) != 0 || table("public", "country").Comment != "ISO 3166" {
		t.Errorf("%+v", d)
	}
	var planned []string
	for _, p := range db.Planned() {
		planned = append(planned, p.Name.String())
	}
	if !slices.Contains(planned, "public.event") || slices.Contains(planned, "public.event_2025") || !slices.IsSorted(planned[2:]) || len(planned) != len(want)-3+1 {
		t.Errorf("planned %q", planned)
	}
}

func same(a, b Column) bool {
	empty := func(c *Column) {
		for _, l := range []*[]string{&c.Labels, &c.Checks} {
			if len(*l) == 0 {
				*l = nil
			}
		}
		if len(c.Fields) == 0 {
			c.Fields = nil
		}
	}
	empty(&a)
	empty(&b)
	return reflect.DeepEqual(a, b)
}

// The catalogue of many tables is read by as many questions as that of few.
func TestReadManyTables(t *testing.T) {
	tables := 150
	if n, err := strconv.Atoi(os.Getenv("GARANT_TABLES")); err == nil {
		tables = n
	}
	create := fmt.Sprintf(`DO $$ BEGIN FOR i IN 1..%d LOOP
	EXECUTE format('CREATE TABLE t%%s (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, up bigint%%s, a text, b text, c timestamptz, d numeric(8,2) CHECK (d > 0), e jsonb, f varchar(20))',
		i, CASE WHEN i > 1 THEN ' REFERENCES t' || i - 1 END);
	IF i %% 100 = 0 THEN COMMIT; END IF;
END LOOP; END $$`, tables)
	read := database(t, "many", create)
	read()
	began := time.Now()
	db := read()
	t.Logf("%d tables in %s", len(db.Tables), time.Since(began))
	if len(db.Tables) != tables || len(db.Tables[5].Columns) != 8 {
		t.Errorf("%d tables", len(db.Tables))
	}
}

func TestNames(t *testing.T) {
	for _, n := range []Name{{"public", "member"}, {"Odd Schema", "T.x"}, {`a"b`, `"`}, {"é", "1"}, {".", "."}} {
		if got, ok := ParseName(n.String()); !ok || got != n {
			t.Errorf("%s gives %v", n, got)
		}
	}
	for _, s := range []string{"", "a", "a.b.c", "A.b", `"a`, `"a".b"`, `"".a`, "a. b", `"a"b.c`} {
		if n, ok := ParseName(s); ok {
			t.Errorf("%q gives %v", s, n)
		}
	}
}
