package apply_test

import (
	"context"
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/tenancy/apply"
	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/plan"
	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/engine/tenancy/tenancytest"
	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
)

func TestMain(m *testing.M) { tenancytest.Main(m) }

// proposed is the manifest that plan writes, with its doubts.
func proposed(t testing.TB, conn *pgx.Conn, w plan.Wish) *manifest.Manifest {
	t.Helper()
	db, err := schema.Read(context.Background(), conn)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Propose(db, nil, w)
	if err != nil {
		t.Fatal(err)
	}
	return p.Manifest
}

// decided is the manifest after a reviewer who agrees with all of it.
func decided(t testing.TB, conn *pgx.Conn) *manifest.Manifest {
	t.Helper()
	m := proposed(t, conn, plan.Wish{App: []string{"app"}})
	for i := range m.Tables {
		m.Tables[i].Doubts = nil
	}
	return m
}

// applied applies a manifest as a role, and fails the test when it does not work.
func applied(t testing.TB, conn *pgx.Conn, m *manifest.Manifest) int {
	t.Helper()
	n, err := apply.Run(context.Background(), conn, m, apply.Options{Patience: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// keyed puts a key into the database, and returns how to mint tokens of it.
func keyed(t testing.TB) func(tenantID string) []byte {
	t.Helper()
	super := tenancytest.Connect(t, tenancytest.Superuser(), "shop")
	tenancytest.Exec(t, super, "GRANT garant_keeper TO keeper")
	k := tenant.Key{ID: 1, Audience: token.Audience(uuid.New(), uuid.New())}
	_, _ = rand.Read(k.Secret[:]) // never fails
	conn := tenancytest.Connect(t, "keeper", "shop")
	if err := token.InstallKey(context.Background(), conn, k, nil); err != nil {
		t.Fatal(err)
	}
	return func(id string) []byte {
		t.Helper()
		minted, err := k.Mint(tenant.Claims{Tenant: tenant.UUID(uuid.MustParse(id)), Session: uuid.New(), Kind: tenant.Login, Access: tenant.Write, Expires: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		return minted.Bytes()
	}
}

// as runs fn in a transaction of the application that entered as a customer; "" enters as none.
// It is rolled back.
func as(t testing.TB, app *pgx.Conn, token []byte, fn func(pgx.Tx)) {
	t.Helper()
	ctx := context.Background()
	tx, err := app.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if token != nil {
		if _, err := tx.Exec(ctx, "SELECT garant.enter($1)", token); err != nil {
			t.Fatal(err)
		}
	}
	fn(tx)
}

// missing are the steps that a manifest lacks.
func missing(t testing.TB, conn *pgx.Conn, m *manifest.Manifest) []string {
	t.Helper()
	_, steps, _, err := apply.Missing(context.Background(), conn, m)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, s := range steps {
		ids = append(ids, s.ID)
	}
	slices.Sort(ids)
	return ids
}
