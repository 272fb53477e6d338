package schema_test

import (
	"context"
	"testing"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/engine/tenancy/tenancytest"
	"github.com/garant-project/garant/internal/pg/sqlname"
)

func TestMain(m *testing.M) { tenancytest.Main(m) }

func TestRead(t *testing.T) {
	super := tenancytest.Shop(t, tenancytest.Odd)
	db, err := schema.Read(context.Background(), super)
	if err != nil {
		t.Fatal(err)
	}
	if n := tenancytest.Value[int](t, super, "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND nspname IN ('customer', 'reference', 'Odd Schema', 'public')"); n != len(db.Relations) {
		t.Errorf("%d of %d relations were read", len(db.Relations), n)
	}
	odd := db.Relation("Odd Schema", "T.x y")
	if odd == nil || odd.QualifiedName() != `"Odd Schema"."T.x y"` || len(odd.Columns) != 4 || odd.Columns[1].Name != `ref "q"` {
		t.Fatalf("%+v", odd)
	}
	if k := odd.ForeignKeys[0]; !k.Deferrable || !k.Deferred || k.OnDelete != "n" || k.Target != db.Relation("customer", "invoice") || k.Definition != `FOREIGN KEY ("ref ""q""") REFERENCES customer.invoice(id) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED` {
		t.Errorf("%+v", k)
	}
	team := db.Relation("customer", "team")
	if c := team.Column("organisation_id"); c.Type != "customer.strict_org" || c.Base != "uuid" || team.ForeignKeys[0].Validated {
		t.Errorf("%+v %+v", c, team.ForeignKeys)
	}
	event := db.Relation("customer", "event")
	var leaves []string
	for _, l := range event.Leaves() {
		leaves = append(leaves, l.Name)
	}
	if event.Kind != manifest.KindPartitioned || len(leaves) != 3 || db.Relation("customer", "event_new_0").Root() != event {
		t.Errorf("%v", leaves)
	}
	if rows, _, known := event.Size(); rows != 120 || !known {
		t.Errorf("%v rows, known %t", rows, known)
	}
	if keys := db.Relation("customer", "event_note").ForeignKeys; len(keys) != 1 {
		t.Errorf("the copies for partitions are taken for keys: %+v", keys)
	}
	player := db.Relation("customer", "player")
	if !player.Holds("app", "UPDATE") || schema.Has(player.ACL, "app", "UPDATE") || !player.Holds("", "SELECT") {
		t.Errorf("%+v %+v", player.ACL, player.ColumnACL)
	}
	if v := db.Relation("customer", "mail_count"); v.Invoker || !v.InvokerSet || len(v.Reads) != 1 || v.Reads[0].Name != "mails" {
		t.Errorf("%+v", v)
	}
	if d := db.Definers; len(d) != 1 || d[0].Name != "everything" {
		t.Errorf("%+v", d)
	}
	if r := db.Role("app"); r == nil || r.MemberOf[0] != "shop_rw" || r.Super {
		t.Errorf("%+v", r)
	}
}

// Identifiers are quoted as the server quotes them: its keywords are known.
func TestQuotedAsTheServerDoes(t *testing.T) {
	super := tenancytest.Shop(t)
	rows, err := super.Query(context.Background(), `SELECT w, quote_ident(w) FROM (SELECT word AS w FROM pg_get_keywords() UNION ALL VALUES ('a b'), ('A'), ('é'), ('a$'), ('1a'), ('_'), ('a"b'), ('')) x`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var word, quoted string
		if err := rows.Scan(&word, &quoted); err != nil {
			t.Fatal(err)
		}
		n++
		if got := sqlname.Quote(word); got != quoted {
			t.Errorf("%s is quoted %s, the server says %s", word, got, quoted)
		}
	}
	if err := rows.Err(); err != nil || n < 400 {
		t.Error(n, err)
	}
}
