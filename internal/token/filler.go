package token

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Filler makes the function by whose triggers the columns are filled that garant isolation apply adds. It runs as garant_sec.
const Filler = `
CREATE OR REPLACE FUNCTION garant.fill() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
-- Fills column TG_ARGV[0] of a new row with what the query TG_ARGV[1] answers for it. With the
-- rights, and under the policies, of who writes.
DECLARE
	tenant text;
BEGIN
	EXECUTE TG_ARGV[1] INTO tenant USING NEW;
	IF tenant IS NOT NULL THEN
		NEW := pg_catalog.jsonb_populate_record(NEW, pg_catalog.jsonb_build_object(TG_ARGV[0], tenant));
	END IF;
	RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION garant.fill() FROM PUBLIC;
`

// LendFiller makes the function of [Filler] and lets the role of conn make triggers of it, until [EndFiller].
func LendFiller(ctx context.Context, conn *pgx.Conn) error {
	return filler(ctx, conn, Filler, `GRANT EXECUTE ON FUNCTION garant.fill() TO `)
}

// EndFiller takes back what [LendFiller] let the role of conn do. Triggers that were made stay.
func EndFiller(ctx context.Context, conn *pgx.Conn) error {
	return filler(ctx, conn, ``, `REVOKE ALL ON FUNCTION garant.fill() FROM `)
}

func filler(ctx context.Context, conn *pgx.Conn, sql, right string) error {
	return asGuard(ctx, conn, func(tx pgx.Tx, _ Design) error {
		var me string
		err := tx.QueryRow(ctx, `SELECT pg_catalog.quote_ident(session_user)`).Scan(&me)
		if err == nil {
			_, err = tx.Exec(ctx, sql+right+me)
		}
		return err
	})
}
