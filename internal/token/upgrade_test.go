package token

import (
	"context"
	_ "embed"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/tenant"
)

//go:embed testdata/version_1.sql
var version1 string

// What version 1 kept holds after an upgrade: keys let in, and sessions and tenants that were ended stay out.
func TestUpgradeFromVersion1(t *testing.T) {
	w := newWorld(t, Pinned) // for its roles
	ctx := context.Background()
	root := w.connect(cluster.SuperUser, "postgres")
	w.exec(root, "CREATE DATABASE old")
	t.Cleanup(func() { w.exec(w.connect(cluster.SuperUser, "postgres"), "DROP DATABASE old WITH (FORCE)") })
	old := w.connect(cluster.SuperUser, "old")
	w.exec(old, `CREATE SCHEMA garant AUTHORIZATION garant_sec; SET ROLE garant_sec`)
	w.exec(old, version1+rights+`; RESET ROLE`)
	w.exec(old, `GRANT EXECUTE ON FUNCTION garant.enter(bytea) TO app`)
	keeper := w.connect("keeper", "old")
	retires := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	w.must(InstallKey(ctx, keeper, w.key, nil))
	w.must(InstallKey(ctx, keeper, w.newKey(2), &retires))
	ended, away, stays := w.claims(w.a), w.claims(uuid.New()), w.claims(w.b)
	w.must(Revoke(ctx, keeper, ended.Session, ended.Expires))
	stands, who := standsFor(away.Tenant)
	_, err := old.Exec(ctx, `INSERT INTO garant.revocation (session, until) VALUES ($1, 'infinity')`, stands)
	w.must(err)

	if is, err := Install(ctx, old, Pinned); err != nil || is.Version != Version {
		t.Fatal(is, err)
	}
	app := w.connect("app", "old")
	for claims, want := range map[tenant.Claims]error{stays: nil, ended: tenant.ErrRevoked, away: tenant.ErrMoved} {
		w.wants(enter(app, w.mint(claims).Bytes()), want)
	}
	keys, err := Keys(ctx, app)
	if err != nil || len(keys) != 2 || keys[0].Retires != nil || keys[1].Retires == nil || !keys[1].Retires.Equal(retires) {
		t.Errorf("%+v, %v", keys, err)
	}
	// A tenant whose hash was not known is looked for in the table; once it is back, no more than hashes are compared.
	known := func() (known bool) {
		w.must(old.QueryRow(ctx, `SELECT bool_and(ended IS NOT NULL) FROM garant.key`).Scan(&known))
		return known
	}
	if known() {
		t.Error("the hash of a tenant that is away is known, who is not")
	}
	tx := w.begin(old)
	w.must(Close(ctx, tx, away.Tenant))
	w.must(tx.Commit(ctx))
	var hash, want int
	w.must(old.QueryRow(ctx, `SELECT hash, hashtext($2) FROM garant.revocation WHERE session = $1`, stands, who).Scan(&hash, &want))
	if hash != want || !known() {
		t.Error("the hash of a tenant that is closed again is not known")
	}
	w.wants(enter(app, w.mint(away).Bytes()), tenant.ErrMoved)
	tx = w.begin(old)
	w.must(Open(ctx, tx, away.Tenant))
	w.must(tx.Commit(ctx))
	w.wants(enter(app, w.mint(away).Bytes()), nil)
}

// Past the number of hashes that are kept beside a key, and back, what was ended stays out.
func TestManyEnds(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		claims := w.claims(w.a)
		app := w.app()
		kept := func() (n int) {
			w.must(w.super.QueryRow(ctx, `SELECT coalesce(cardinality(ended), -1) FROM garant.key`).Scan(&n))
			return n
		}
		w.must(Revoke(ctx, w.keeper, claims.Session, claims.Expires))
		if n := kept(); n != 1 {
			t.Errorf("%d hashes are kept, want 1", n)
		}
		w.exec(w.super, `INSERT INTO garant.revocation (session, hash, until) SELECT gen_random_uuid(), n, clock_timestamp() - interval '2 minutes' FROM generate_series(1, 500) AS n`)
		w.must(Revoke(ctx, w.keeper, uuid.New(), claims.Expires))
		if n := kept(); n != -1 {
			t.Errorf("%d hashes are kept, want none and a look at the table", n)
		}
		w.wants(enter(app, w.mint(claims).Bytes()), tenant.ErrRevoked)
		w.wants(enter(app, w.token(w.a).Bytes()), nil)
		if _, err := Sweep(ctx, w.keeper); err != nil {
			t.Fatal(err)
		}
		if n := kept(); n != 2 {
			t.Errorf("%d hashes are kept after the sweep, want 2", n)
		}
		w.wants(enter(app, w.mint(claims).Bytes()), tenant.ErrRevoked)
		// Another session of the same hash is not ended by it.
		w.exec(w.super, `UPDATE garant.revocation SET session = gen_random_uuid()`)
		w.wants(enter(app, w.mint(claims).Bytes()), nil)
	})
}

// Sessions ended by two at once are both kept beside the keys, and so is one that ends while a key comes in.
func TestEndsAtOnce(t *testing.T) {
	w := newWorld(t, Pinned)
	ctx := context.Background()
	first, second := w.claims(w.a), w.claims(w.b)
	tx, err := w.keeper.Begin(ctx)
	w.must(err)
	w.must(Revoke(ctx, tx, first.Session, first.Expires))
	done := make(chan error, 2)
	go func() {
		done <- Revoke(ctx, w.connect("keeper", "shop"), second.Session, second.Expires)
	}()
	next := w.newKey(2)
	go func() { done <- InstallKey(ctx, w.connect("keeper", "shop"), next, nil) }()
	for waiting := 0; waiting < 2; {
		w.must(w.super.QueryRow(ctx, `SELECT count(*) FROM pg_locks WHERE NOT granted`).Scan(&waiting))
	}
	w.must(tx.Commit(ctx))
	w.must(<-done)
	w.must(<-done)
	app := w.app()
	for _, c := range []tenant.Claims{first, second} {
		w.wants(enter(app, w.mint(c).Bytes()), tenant.ErrRevoked)
		token, err := next.Mint(c)
		w.must(err)
		w.wants(enter(app, token.Bytes()), tenant.ErrRevoked)
	}
}
