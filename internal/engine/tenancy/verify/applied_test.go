package verify

import (
	"context"
	"testing"

	"github.com/garant-project/garant/internal/engine/tenancy/apply"
	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/plan"
	model "github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// raw is a database that nobody has isolated: the tenant by foreign keys only, keys without it, a
// view with its owner's rights, everything granted.
const raw = `
CREATE ROLE shop_owner NOLOGIN; CREATE ROLE shop_rw NOLOGIN; CREATE ROLE app LOGIN IN ROLE shop_rw;
CREATE ROLE backup LOGIN BYPASSRLS; CREATE ROLE keeper LOGIN; CREATE ROLE visitor LOGIN;
`

const rawObjects = `
CREATE SCHEMA customer AUTHORIZATION shop_owner;
GRANT USAGE ON SCHEMA customer TO shop_rw;
SET ROLE shop_owner;
CREATE TABLE customer.organisation (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL);
CREATE TABLE customer.member (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), organisation_id uuid NOT NULL REFERENCES customer.organisation ON DELETE CASCADE, email text NOT NULL);
CREATE TABLE customer.invoice (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, member_id uuid NOT NULL REFERENCES customer.member ON DELETE CASCADE, total numeric NOT NULL DEFAULT 0);
CREATE TABLE customer.line (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), invoice_id bigint NOT NULL REFERENCES customer.invoice ON DELETE CASCADE, "What is it" text);
CREATE TABLE customer.country (code text PRIMARY KEY, name text NOT NULL);
CREATE VIEW customer.mails AS SELECT email FROM customer.member;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA customer TO shop_rw;
INSERT INTO customer.organisation (name) SELECT 'o' || n FROM generate_series(1, 3) AS n;
INSERT INTO customer.member (organisation_id, email) SELECT id, name FROM customer.organisation;
INSERT INTO customer.invoice (member_id) SELECT id FROM customer.member;
INSERT INTO customer.line (invoice_id) SELECT id FROM customer.invoice;
RESET ROLE;
`

// What plan proposes and apply does is sound, checks and probes alike.
func TestAppliedIsSound(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a few seconds")
	}
	ctx := context.Background()
	w := &world{t: t, now: nil}
	root := w.connect(cluster.SuperUser, "postgres")
	w.exec(root, raw)
	w.exec(root, "CREATE DATABASE shop")
	t.Cleanup(func() {
		root := w.connect(cluster.SuperUser, "postgres")
		w.exec(root, "DROP DATABASE shop WITH (FORCE)")
		w.exec(root, "REVOKE SET ON PARAMETER backtrace_functions FROM garant_sec")
		w.exec(root, "DROP ROLE app, shop_rw, shop_owner, backup, keeper, visitor, garant_sec, garant_keeper")
	})
	w.super = w.connect(cluster.SuperUser, "shop")
	w.exec(w.super, rawObjects)
	db, err := model.Read(ctx, w.super)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Propose(db, nil, plan.Wish{App: []string{"app"}})
	if err != nil {
		t.Fatal(err)
	}
	w.manifest = p.Manifest
	for i := range w.manifest.Tables { // the reviewer's decisions
		if e := &w.manifest.Tables[i]; e.Name == "country" {
			e.Class, e.Grants, e.Doubts = manifest.Shared, []string{"SELECT"}, nil
		} else {
			e.Doubts = nil
		}
	}
	if _, err := apply.Run(ctx, w.super, w.manifest, apply.Options{}); err != nil {
		t.Fatal(err)
	}
	w.exec(w.super, "GRANT garant_keeper TO keeper")
	w.putKey(newKey(1))
	r := w.whole(nil)
	wants(t, redOf(t, r.Results))
}
