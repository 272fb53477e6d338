package tenancy

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/pg"
)

// OwnManifest classifies the tables of Garant's own database, for garant isolation verify: those that customers
// read, and all others, which they do not. conn may read the catalogue. Error NotFound: it is not under guard.
func OwnManifest(ctx context.Context, conn *pgx.Conn) (*manifest.Manifest, error) {
	db, err := schema.Read(ctx, conn)
	if err != nil {
		return nil, err
	}
	if db.Design == "" {
		return nil, ownAbsent()
	}
	m := &manifest.Manifest{
		Version: 1, Database: db.Name, Design: db.Design, Key: manifest.Key{Table: "tenancy.customer", Column: "customer", Type: manifest.TypeUUID}, App: []string{string(pg.Portal)},
		Around: []manifest.Path{{Role: string(pg.Owner), Kind: "owner", Why: "makes the schema; garant migrate and the start of garant serve"}},
	}
	for r, why := range map[pg.Role]string{
		pg.Checker: "checks, of all customers", pg.Staff: "the company’s people, who answer for all customers", pg.Worker: "jobs, for all customers",
		pg.Login: "people sign in; it has no right on customers’ tables", pg.Public: "the public annex; it has no right on customers’ tables",
	} {
		m.Around = append(m.Around, manifest.Path{Role: string(r), Kind: "bypass", Why: why})
	}
	for _, r := range db.Roles {
		if r.Super {
			m.Around = append(m.Around, manifest.Path{Role: r.Name, Kind: "superuser", Why: "the administrator of the cluster"})
		}
	}
	for _, r := range db.Relations {
		t := manifest.Table{Schema: r.Schema, Name: r.Name, Kind: r.Kind, Class: manifest.Private, Reason: "customers have no business here"}
		if root := r.Root(); slices.Contains(customerTables(), root.QualifiedName()) {
			t.Class, t.Column, t.Reason = manifest.Tenant, "customer", "what a customer may know of itself"
			if r == root {
				t.Grants = []string{"SELECT"}
			}
		}
		m.Tables = append(m.Tables, t)
	}
	m.Sort()
	return m, nil
}

// customerTables are those that own.sql shows to customers.
func customerTables() []string {
	return []string{"tenancy.minting", "tenancy.customer", "tenancy.session_end", "tenancy.customer_job", "hosting.residence", "hosting.told"}
}
