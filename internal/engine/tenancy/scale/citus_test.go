package scale

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/pg/cluster"
)

const sound = `
CREATE SCHEMA shop;
CREATE TABLE shop.currency (code text PRIMARY KEY);
CREATE TABLE shop.country (code text PRIMARY KEY, currency text REFERENCES shop.currency);
CREATE TABLE shop.customer (id uuid PRIMARY KEY, country text REFERENCES shop.country);
CREATE TABLE shop."Order" (tenant_id uuid NOT NULL REFERENCES shop.customer, id bigint GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (tenant_id, id));
CREATE TABLE shop.line (tenant_id uuid NOT NULL, id uuid, "order" bigint, PRIMARY KEY (tenant_id, id), FOREIGN KEY (tenant_id, "order") REFERENCES shop."Order");
CREATE TABLE shop.event (tenant_id uuid NOT NULL, at date NOT NULL, PRIMARY KEY (tenant_id, at)) PARTITION BY RANGE (at);
CREATE TABLE shop.event_1 PARTITION OF shop.event DEFAULT;
CREATE TABLE shop.secret (id int PRIMARY KEY);`

func soundManifest() *manifest.Manifest {
	m := &manifest.Manifest{Version: 1, Database: "shop", Design: manifest.Pinned, App: []string{"app"}, Key: manifest.Key{Table: "shop.customer", Column: "id", Type: "uuid"}}
	for name, class := range map[string]manifest.Class{"currency": manifest.Shared, "country": manifest.Shared, "customer": manifest.Tenant, "Order": manifest.Tenant, "line": manifest.Tenant, "event": manifest.Tenant, "secret": manifest.Private, "event_1": manifest.Tenant} {
		t := manifest.Table{Schema: "shop", Name: name, Kind: manifest.KindTable, Class: class}
		if class == manifest.Tenant {
			t.Column = "tenant_id"
		}
		switch name {
		case "customer":
			t.Column = "id"
		case "event":
			t.Kind = manifest.KindPartitioned
		case "event_1":
			t.Kind = manifest.KindPartition
		}
		m.Tables = append(m.Tables, t)
	}
	m.Sort()
	return m
}

// read makes a database of a schema and reads its catalogue.
func read(t *testing.T, sql string) *schema.Database {
	t.Helper()
	ctx := context.Background()
	root, err := pgx.Connect(ctx, running.DSN(cluster.SuperUser, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close(ctx)
	for _, s := range []string{"DROP DATABASE IF EXISTS shop WITH (FORCE)", "CREATE DATABASE shop"} {
		if _, err := root.Exec(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := pgx.Connect(ctx, running.DSN(cluster.SuperUser, "shop"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		t.Fatal(err)
	}
	db, err := schema.Read(ctx, conn)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func TestCitus(t *testing.T) {
	d := Citus(read(t, sound), soundManifest())
	if len(d.Obstacles) != 0 {
		t.Errorf("%+v", d.Obstacles)
	}
	want := []string{
		"CREATE EXTENSION IF NOT EXISTS citus",
		"SELECT create_reference_table('shop.currency')",
		"SELECT create_reference_table('shop.country')",
		`SELECT create_distributed_table('shop.customer', 'id')`,
		`SELECT create_distributed_table('shop."Order"', 'tenant_id', colocate_with => 'shop.customer')`,
		`SELECT create_distributed_table('shop.event', 'tenant_id', colocate_with => 'shop.customer')`,
		`SELECT create_distributed_table('shop.line', 'tenant_id', colocate_with => 'shop.customer')`,
	}
	if !slices.Equal(d.Statements, want) {
		t.Errorf("%s", strings.Join(d.Statements, "\n"))
	}
	if len(d.Notes) == 0 {
		t.Error("nothing is said of what does not hold")
	}
}

// Each thing that Citus refuses is named with its table and what to do.
func TestObstacles(t *testing.T) {
	for name, c := range map[string]struct{ sql, relation, found string }{
		"unique":           {`CREATE UNIQUE INDEX x ON shop.line (id)`, "shop.line", "unique index x"},
		"exclusion":        {`ALTER TABLE shop.line ADD CONSTRAINT x EXCLUDE USING btree (id WITH =)`, "shop.line", "unique index x"},
		"foreign key":      {`ALTER TABLE shop."Order" ADD COLUMN other uuid; ALTER TABLE shop."Order" ADD CONSTRAINT x FOREIGN KEY (other) REFERENCES shop.customer`, `shop."Order"`, "foreign key x does not hold"},
		"to private":       {`ALTER TABLE shop.line ADD COLUMN s int CONSTRAINT x REFERENCES shop.secret`, "shop.line", "stays on the coordinator"},
		"shared to tenant": {`ALTER TABLE shop.country ADD COLUMN c uuid CONSTRAINT x REFERENCES shop.customer`, "shop.country", "leads to shop.customer"},
		"nullable":         {`ALTER TABLE shop.line DROP CONSTRAINT line_pkey; ALTER TABLE shop.line ALTER tenant_id DROP NOT NULL`, "shop.line", "may be empty"},
		"trigger":          {`CREATE FUNCTION shop.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER x AFTER INSERT ON shop.line FOR EACH ROW EXECUTE FUNCTION shop.f()`, "shop.line", "trigger x"},
		"small numbers":    {`ALTER TABLE shop.line ADD COLUMN n serial`, "shop.line", "no bigint"},
		"inheritance":      {`CREATE TABLE shop.child () INHERITS (shop.line)`, "shop.line", "inherit"},
		"unclassified":     {`CREATE TABLE shop.new (id int)`, "shop.new", "nobody classified"},
		"another type":     {`ALTER TABLE shop.event ADD COLUMN t text; DROP TABLE shop.line; CREATE TABLE shop.line (tenant_id text NOT NULL)`, "shop.line", "their hashes differ"},
		"no column":        {`DROP TABLE shop.line; CREATE TABLE shop.line (x int)`, "shop.line", "not there yet"},
		"gone":             {`DROP TABLE shop.line`, "shop.line", "not in the database"},
	} {
		t.Run(name, func(t *testing.T) {
			d := Citus(read(t, sound+c.sql), soundManifest())
			if !slices.ContainsFunc(d.Obstacles, func(o Obstacle) bool {
				return o.Relation == c.relation && strings.Contains(o.Found, c.found) && o.Fix != ""
			}) {
				t.Errorf("%+v", d.Obstacles)
			}
		})
	}
}
