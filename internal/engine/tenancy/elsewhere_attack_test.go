package tenancy

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/engine/tenancy/move"
	"github.com/garant-project/garant/internal/engine/tenancy/residence"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/tenant"
)

// ownOf makes the guarded database a tenant's own, which it moved to from a shared one named all.
func (w *world) ownOf(of uuid.UUID) {
	w.t.Helper()
	w.tenancy.Residences = residence.Places{}
	w.estate.Databases[0].Dedicated = &estate.Dedicated{Of: "all", Tenant: of.String(), Place: "Brussels, BE"}
	s := &residence.Store{DB: w.db, By: actor.NewSystem("cli:test")}
	if err := s.Route(context.Background(), move.Route{Database: "all", Tenant: tenant.UUID(of), Place: "shop", Move: uuid.New()}); err != nil {
		w.t.Fatal(err)
	}
}

// A session that was ended where its tenant lived, or belongs, is not given a token where the tenant went, although it never had one there.
func TestEndedSessionDoesNotMove(t *testing.T) {
	w := newWorld(t)
	w.tend()
	w.mustLogin(w.a)
	w.ownOf(w.a)
	ask := func(sid string) error {
		claims := w.idp.claims(w.a.String())
		claims["sid"] = sid
		_, err := w.tenancy.Mint(t.Context(), w.app, Request{Database: "shop", IDToken: w.idp.sign(claims)})
		return err
	}
	for _, lived := range []string{"all", "before"} { // where it belongs; and one that it lived in meanwhile
		ended := sessionOf("sid", w.idp.issuer(), lived)
		if lived == "before" {
			exec(t, w.connect("garant_staff", w.name), `INSERT INTO hosting.told (database, tenant_type, tenant, place, paused, move, step, told_by) VALUES ('all', 'uuid', $1, 'before', false, gen_random_uuid(), 'x', 'system:test')`, w.a.String())
		}
		exec(t, w.connect("garant_staff", w.name), `INSERT INTO tenancy.minting (id, database, place, key_id, kind, tenant_type, tenant, session, access, expires_at, subject, actor_kind, actor_id)
SELECT gen_random_uuid(), $2, place, key_id, kind, tenant_type, tenant, $1, access, expires_at, subject, actor_kind, actor_id FROM tenancy.minting LIMIT 1`, ended, lived)
		if _, err := w.tenancy.Revoke(t.Context(), w.anna, ended, "", ""); err != nil {
			t.Fatal(err)
		}
		if err := ask(lived); idOf(err) != "tenancy.session_ended" {
			t.Errorf("a session that was ended in %s: %v", lived, err)
		}
	}
	if err := ask("another"); err != nil {
		t.Error(err)
	}
}

// A login of one tenant's own database is not shown what Garant knows of another tenant, whatever its issuer says.
func TestOwnLoginShowsOneTenant(t *testing.T) {
	w := newWorld(t)
	w.guardOwn()
	w.ownOf(w.a)
	if _, err := w.atGarant(w.b, "b"); idOf(err) != elsewhere || !errs.Is(err, errs.Conflict) {
		t.Errorf("another tenant: %v", err)
	}
	m, err := w.atGarant(w.a, "a")
	if err != nil {
		t.Fatal(err)
	}
	if seen := askPortal(t, w.api(bearers{}), "residence", m.Token.Encode()); seen.json.Database != "all" || seen.json.Tenant != w.a.String() || seen.json.Place != "shop" {
		t.Errorf("%s", seen.body)
	}
}

// A session that is ended while a token for it is minted in another database is ended there too.
func TestRevokeSeesWhoIsMinting(t *testing.T) {
	w := newWorld(t)
	w.tend()
	m := w.mustLogin(w.a)
	session := m.Token.Claims().Session
	minting := w.connect("garant_staff", w.name)
	tx, err := minting.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = tx.Exec(t.Context(), `INSERT INTO tenancy.minting (id, database, place, key_id, kind, tenant_type, tenant, session, access, expires_at, subject, actor_kind, actor_id)
SELECT gen_random_uuid(), 'other', place, key_id, kind, tenant_type, tenant, session, access, expires_at, subject, actor_kind, actor_id FROM tenancy.minting`)
	if err != nil {
		t.Fatal(err)
	}
	type end struct {
		Revoked
		err error
	}
	done := make(chan end, 1)
	go func() {
		r, err := w.tenancy.Revoke(context.WithoutCancel(t.Context()), w.anna, session, "", "")
		done <- end{r, err}
	}()
	for waits := false; !waits; {
		waits = one[bool](w, `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)`)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got.err != nil || len(got.Databases) != 2 {
		t.Errorf("ended in %q, %v; want both", got.Databases, got.err)
	}
}
