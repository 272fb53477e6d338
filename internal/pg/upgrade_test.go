package pg_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

// What a database holds when customers are given their context is told to them as what comes later is.
func TestCustomersOfBefore(t *testing.T) {
	ctx := context.Background()
	const name, before = "t_before_customers", 20261127100050
	super := pgtest.Superuser(t, "postgres")
	if _, err := super.Exec(ctx, "CREATE DATABASE "+name+" OWNER garant_owner TEMPLATE template0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = super.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)") })
	owner := pgtest.DSN(string(pg.Owner), name)
	if err := pg.MigrateTo(ctx, owner, before); err != nil {
		t.Fatal(err)
	}
	const job, session = "0a7e0a00-0000-4000-8000-000000000001", "0a7e0a00-0000-4000-8000-00000000000a"
	inside := pgtest.Superuser(t, name)
	for _, sql := range []string{
		`INSERT INTO hosting.told (database, tenant_type, tenant, place, paused, move, step, told_by) VALUES ('production', 'bigint', '7', 'acme', false, gen_random_uuid(), 'x', 'system:x')`,
		`INSERT INTO hosting.residence (database, tenant_type, tenant, place, paused, move) VALUES ('production', 'bigint', '7', 'acme', false, gen_random_uuid())`,
		`INSERT INTO tenancy.job (id, database, name, why, access, tenants, any_tenant, ends_at, asked_by) VALUES ('` + job + `', 'production', 'x', 'x', 'r', '{7,8}', false, now() + interval '1 day', 'person:a')`,
		`INSERT INTO tenancy.job_decision (job, outcome, any_tenant, reason, decided_by) VALUES ('` + job + `', 'accepted', false, '', 'person:b')`,
		// One customer twice, where it belongs and where it lives; another.
		`INSERT INTO tenancy.minting (id, database, place, key_id, kind, tenant_type, tenant, session, access, expires_at, actor_kind, actor_id)
SELECT gen_random_uuid(), d, gen_random_uuid(), 1, 'probe', 'bigint', k, '` + session + `', 'r', now(), 'system', 'x' FROM (VALUES ('production', '7'), ('acme', '7'), ('production', '8')) AS v (d, k)`,
		`INSERT INTO tenancy.revocation (database, session, until, revoked_by, reason) VALUES ('production', '` + session + `', now(), 'person:a', '')`,
		`INSERT INTO tenancy.job_withdrawal (job, reason, withdrawn_by) VALUES ('` + job + `', '', 'person:a')`,
	} {
		if _, err := inside.Exec(ctx, sql); err != nil {
			t.Fatalf("%v in %s", err, sql)
		}
	}
	if _, err := pg.Migrate(ctx, owner); err != nil {
		t.Fatal(err)
	}
	// As the owner: forced policies bind it, and an upgrade that comes later must see all rows.
	conn, err := pgx.Connect(ctx, owner)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	for sql, want := range map[string]int{
		`SELECT count(*) FROM tenancy.minting WHERE customer = tenancy.customer_of('production', '7')`:                                        2,
		`SELECT count(*) FROM tenancy.minting WHERE customer = tenancy.customer_of('production', '8')`:                                        1,
		`SELECT count(DISTINCT customer) FROM tenancy.session_end WHERE database = 'production' AND session = '` + session + `'`:              2,
		`SELECT count(DISTINCT customer) FROM tenancy.customer_job WHERE job = '` + job + `' AND NOT any_tenant AND withdrawn_at IS NOT NULL`: 2,
		`SELECT count(*) FROM hosting.told WHERE customer = tenancy.customer_of('production', '7')`:                                           1,
		`SELECT count(*) FROM hosting.residence WHERE customer = tenancy.customer_of('production', '7')`:                                      1,
	} {
		var n int
		if err := conn.QueryRow(ctx, sql).Scan(&n); err != nil || n != want {
			t.Errorf("%d rows, want %d, %v: %s", n, want, err, sql)
		}
	}
}
