package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
)

// shop is an application's database: two tables that are the same.
const shop = `
CREATE SCHEMA shop;
GRANT USAGE ON SCHEMA shop TO app`

const order = `
CREATE TABLE shop.%[1]s (tenant_id uuid NOT NULL DEFAULT garant.tenant_uuid(), id bigint NOT NULL, customer text NOT NULL, street text NOT NULL, city text NOT NULL, state text NOT NULL, amount numeric(12,2) NOT NULL,
	paid boolean NOT NULL DEFAULT false, at timestamptz NOT NULL DEFAULT now(), note text, PRIMARY KEY (tenant_id, id));
CREATE INDEX ON shop.%[1]s (tenant_id, at);
CREATE INDEX ON shop.%[1]s (tenant_id, customer);
GRANT SELECT, INSERT, UPDATE, DELETE ON shop.%[1]s TO app;
ALTER TABLE shop.%[1]s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY s ON shop.%[1]s FOR SELECT TO app USING (tenant_id = (SELECT garant.tenant_uuid()));
CREATE POLICY i ON shop.%[1]s FOR INSERT TO app WITH CHECK (tenant_id = (SELECT garant.writer_uuid()));
CREATE POLICY u ON shop.%[1]s FOR UPDATE TO app USING (tenant_id = (SELECT garant.writer_uuid())) WITH CHECK (tenant_id = (SELECT garant.writer_uuid()));
CREATE POLICY d ON shop.%[1]s FOR DELETE TO app USING (tenant_id = (SELECT garant.writer_uuid()))`

const filled = `INSERT INTO shop.%s (tenant_id, id, customer, street, city, state, amount, note)
SELECT '%s', n, 'Customer ' || n %% 1000, n %% 300 || ', rue du Moulin', 'Montquiers', 'open', n %% 500 + 0.5, 'ring twice' FROM generate_series(1, %d) AS n`

// both are the tables: without triggers, and with.
var both = [2]string{"plain", "captured"}

// statement is one that an application runs; %s is the table. i counts its runs, from 0.
type statement struct {
	name string
	sql  string
	rows int
	args func(i int) []any
}

func statements() (all []statement) {
	for _, rows := range []int{1, 100, 1000} {
		name := "one row"
		if rows > 1 {
			name = number(float64(rows)) + " rows"
		}
		base := rows * 1_000_000_000
		all = append(all,
			statement{"insert of " + name, `INSERT INTO shop.%s (id, customer, street, city, state, amount, note) SELECT n, 'Customer ' || n %% 1000, n %% 300 || ', rue du Moulin', 'Montquiers', 'new', 12.5, 'ring twice' FROM generate_series($1::bigint, $2::bigint) AS n`,
				rows, func(i int) []any { return []any{base + i*rows, base + (i+1)*rows - 1} }},
			statement{"update of " + name, `UPDATE shop.%s SET state = 'paid' || $3::bigint, paid = NOT paid WHERE id BETWEEN $1 AND $2`,
				rows, func(i int) []any { return []any{1 + i%40*rows, (i%40 + 1) * rows, i} }},
			statement{"delete of " + name, `DELETE FROM shop.%s WHERE id BETWEEN $1 AND $2`,
				rows, func(i int) []any { return []any{base + i*rows, base + (i+1)*rows - 1} }}, // of what was inserted above
		)
	}
	return all
}

// capture compares writes to a captured table with those to one that is not.
func (s *stand) capture(ctx context.Context) error {
	root, err := pgx.Connect(ctx, s.cluster.DSN(cluster.SuperUser, "postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = root.Close(context.WithoutCancel(ctx)) }()
	for _, sql := range []string{"CREATE ROLE app LOGIN", "CREATE DATABASE shop"} {
		if _, err := root.Exec(ctx, sql); err != nil {
			return err
		}
	}
	super, err := pgx.Connect(ctx, s.cluster.DSN(cluster.SuperUser, "shop"))
	if err != nil {
		return err
	}
	defer func() { _ = super.Close(context.WithoutCancel(ctx)) }()
	if _, err := token.Install(ctx, super, token.Pinned); err != nil {
		return err
	}
	if err := token.Admit(ctx, super, app); err != nil {
		return err
	}
	of := uuid.New()
	all := []string{shop}
	for _, table := range both {
		all = append(all, fmt.Sprintf(order, table), fmt.Sprintf(filled, table, of, 40_000))
	}
	for _, t := range (token.Capture{Table: "shop.captured", Tenant: "tenant_id", Type: "uuid", Keys: []string{"id"}, Mode: token.CaptureAll, As: "shop.captured"}).Triggers() {
		all = append(all, t.SQL)
	}
	for _, sql := range append(all, "VACUUM ANALYZE") {
		if _, err := super.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%w in %s", err, sql)
		}
	}
	key := tenant.Key{ID: 1, Audience: token.Audience(uuid.New(), uuid.New())}
	_, _ = rand.Read(key.Secret[:]) // never fails
	if err := token.InstallKey(ctx, super, key, nil); err != nil {
		return err
	}
	signed, err := key.Mint(tenant.Claims{Tenant: tenant.UUID(of), Session: uuid.New(), Kind: tenant.Login, Access: tenant.Write, Expires: time.Now().Add(12 * time.Hour)})
	if err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, s.cluster.DSN(app, "shop"))
	if err != nil {
		return err
	}
	defer pool.Close()
	for _, st := range statements() {
		if err := s.pair(ctx, super, pool, signed, st); err != nil {
			return fmt.Errorf("%s: %w", st.name, err)
		}
	}
	return nil
}

// pair runs a statement on either table in turn, in random order.
func (s *stand) pair(ctx context.Context, super *pgx.Conn, pool *pgxpool.Pool, signed tenant.Token, st statement) error {
	pairs := s.pairs
	if st.rows > 1 {
		pairs = max(3, pairs/4)
	}
	warm := min(20, pairs)
	if _, err := super.Exec(ctx, "TRUNCATE garant.event"); err != nil { // as what collects events would have taken them
		return err
	}
	dice := mathrand.New(mathrand.NewPCG(1, 2)) //nolint:gosec // the same draws each time
	var took [2][]time.Duration
	for i := range pairs + warm {
		first := dice.IntN(2)
		for _, side := range []int{first, 1 - first} {
			sql := fmt.Sprintf(st.sql, both[side])
			began := time.Now()
			tag, err := tenant.Exec(ctx, pool, signed, sql, st.args(i)...)
			if err != nil {
				return err
			}
			one := time.Since(began)
			if tag.RowsAffected() != int64(st.rows) {
				return fmt.Errorf("%d rows", tag.RowsAffected())
			}
			if i >= warm {
				took[side] = append(took[side], one)
			}
		}
	}
	var events int
	if err := super.QueryRow(ctx, "SELECT coalesce(sum(many), 0) FROM garant.event").Scan(&events); err != nil {
		return err
	}
	if events != (pairs+warm)*st.rows {
		return errors.New("not every row was captured")
	}
	var blocks []float64 // which slow drift does not reach
	size := max(1, pairs/20)
	for from := 0; from+size <= pairs; from += size {
		blocks = append(blocks, at(0.5, took[1][from:from+size])/at(0.5, took[0][from:from+size]))
	}
	r := middle(blocks)
	s.add(figure{
		What: "captured " + st.name + ", p50", Value: at(0.5, took[1]), Unit: "ms", Reference: "the same without triggers", Of: at(0.5, took[0]), Ratio: r,
		Note: fmt.Sprintf("p95 %s ms, without %s ms", number(at(0.95, took[1])), number(at(0.95, took[0]))),
	}.atMost(r, 1.3, "1.3×"))
	return nil
}
