package tenancy

import (
	"context"

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
		pg.Checkpoint: "puts the record in order, of all customers", pg.Retention: "drops the record of all customers at the end of its time",
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
		root := r.Root()
		if column, ok := customerTables()[root.QualifiedName()]; ok {
			t.Class, t.Column, t.Reason = manifest.Tenant, column, "what a customer may know of itself"
			t.Unowned = column == "tenant" && r == root // the record is the company's as well as its customers'
			if r == root {
				t.Grants = []string{"SELECT"}
			}
		}
		m.Tables = append(m.Tables, t)
	}
	m.Accepted = []manifest.Acceptance{
		{Check: "tables.column_unindexed", Objects: []string{"audit.entry"}, By: "Garant", Date: "2026-11-27", Reason: "entry_tenant leaves out the company’s own, of which no customer asks"},
	}
	m.Sort()
	return m, nil
}

// customerTables are those that own.sql shows to customers, with the column that says whose a row is.
func customerTables() map[string]string {
	return map[string]string{
		"tenancy.minting": "customer", "tenancy.customer": "customer", "tenancy.session_end": "customer", "tenancy.customer_job": "customer",
		"hosting.residence": "customer", "hosting.told": "customer", "audit.entry": "tenant",
	}
}
