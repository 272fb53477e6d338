package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/plan"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// databases lists those that arms have made.
func databases(ctx context.Context, dsn string) ([]string, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	rows, err := conn.Query(ctx, `SELECT datname::text FROM pg_database WHERE datname = 'made' OR datname ~ '^copy(_|$)'`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// timePlan times what garant anonymise plan does for a database of many tables: read the catalogue, sample, propose, write. The reference is a pg_dump of the schema.
func (s *stand) timePlan(ctx context.Context) error {
	if err := execute(ctx, s.target.DSN(cluster.SuperUser, "postgres"), `CREATE DATABASE many`); err != nil {
		return err
	}
	dsn := s.target.DSN(cluster.SuperUser, "many")
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for i := range s.tables {
		if _, err := conn.Exec(ctx, fmt.Sprintf(`CREATE TABLE t%d (id bigint PRIMARY KEY, up bigint %s, first_name text, family_name text, email text, phone text, iban text, street text, city text, zip text, born date, amount numeric, state text, note text,
	payload jsonb, ip inet, created_at timestamptz, token text, active boolean, code varchar(12))`, i, map[bool]string{true: fmt.Sprintf("REFERENCES t%d", i-1)}[i%4 > 0])); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, fmt.Sprintf(`INSERT INTO t%d SELECT n, n, 'Zoé', 'Brechébert', 'zoe.' || n || '@firma.example', '+32 470 00 00 ' || 10 + n %% 90, 'BE68 5390 0754 7034', 'rue du Moulin ' || n, 'Montquiers', '5000', '1980-01-01', n, 'open', 'Le dossier a été transmis.',
	'{"by": "zoe@firma.example", "n": 1}', '81.2.3.4', now(), md5(n::text), true, 'AB' || n FROM generate_series(1, 50) AS n`, i)); err != nil {
			return err
		}
	}
	if _, err := conn.Exec(ctx, `ANALYZE`); err != nil {
		return err
	}
	began := time.Now()
	var db catalog.Database
	if err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) (err error) {
		db, err = catalog.Read(ctx, tx)
		return err
	}); err != nil {
		return err
	}
	samples, _, err := plan.Sample(ctx, conn, &db)
	if err != nil {
		return err
	}
	p := plan.Propose(&db, samples, plan.Options{Language: "fr-BE"})
	text := p.Write()
	if _, err := plan.Load(plan.FileName, text); err != nil {
		return err
	}
	took := time.Since(began)
	began = time.Now()
	if err := (&job{BinDir: s.target.BinDir()}).program(ctx, "pg_dump", "--schema-only", "--file=/dev/null", "--dbname="+dsn); err != nil {
		return err
	}
	reference := time.Since(began)
	s.say("%-7s plan of %d tables of 20 columns: %.2f s, at most 10 s; pg_dump of the schema %.2f s; load %s", mark(took.Seconds(), 10), len(p.Tables), took.Seconds(), reference.Seconds(), load1())
	return nil
}
