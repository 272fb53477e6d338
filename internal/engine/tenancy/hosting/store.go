package hosting

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/pg/sqlname"
)

// errHidden says that policies hide rows from the login that counts.
var errHidden = errors.New("hosting: policies hide rows")

// counter is a connection that asks whether there are rows, in transactions that only read.
type counter struct{ conn *pgx.Conn }

func connect(ctx context.Context, dsn string) (*counter, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	config.ConnectTimeout = 5 * time.Second
	for k, v := range map[string]string{"application_name": "garant hosting", "search_path": "pg_catalog", "default_transaction_read_only": "on", "statement_timeout": "20s"} {
		config.RuntimeParams[k] = v
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	return &counter{conn}, nil
}

func (c *counter) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	_ = c.conn.Close(ctx)
}

func (c *counter) identity(ctx context.Context) (system, name string, err error) {
	err = c.conn.QueryRow(ctx, `SELECT (SELECT system_identifier::text FROM pg_control_system()), current_database()::text`).Scan(&system, &name)
	return system, name, err
}

// presence is whose rows a table has: the customer's, and those of others or of nobody.
type presence struct{ mine, others bool }

func (c *counter) rows(ctx context.Context, t *manifest.Table, key string) (p presence, err error) {
	if all, err := schema.Sees(ctx, c.conn, t.QualifiedName(), false); err != nil {
		return p, err
	} else if !all {
		return p, errHidden
	}
	var typ string
	if err := c.conn.QueryRow(ctx, `SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = $1::regclass AND attname = $2 AND NOT attisdropped`, t.QualifiedName(), t.Column).Scan(&typ); err != nil {
		return p, err
	}
	column := sqlname.Quote(t.Column)
	err = c.conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM `+t.QualifiedName()+` WHERE `+column+` = $1::text::`+typ+`), EXISTS (SELECT FROM `+t.QualifiedName()+` WHERE `+column+` IS DISTINCT FROM $1::text::`+typ+`)`, key).Scan(&p.mine, &p.others)
	return p, err
}

// unclassified are tables with rows of their own that the manifest does not have: nobody says whose they are.
func (c *counter) unclassified(ctx context.Context, m *manifest.Manifest) ([]string, error) {
	rows, err := c.conn.Query(ctx, `SELECT n.nspname, r.relname FROM pg_class r JOIN pg_namespace n ON n.oid = r.relnamespace
WHERE r.relkind IN ('r', 'p', 'm') AND NOT r.relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'garant', 'garant_move') AND n.nspname !~ '^pg_(toast|temp)'
	AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = r.oid AND x.deptype = 'e') ORDER BY 1, 2`)
	if err != nil {
		return nil, err
	}
	var unknown []string
	var schema, name string
	_, err = pgx.ForEachRow(rows, []any{&schema, &name}, func() error {
		if m.Table(schema, name) == nil {
			unknown = append(unknown, sqlname.Qualified(schema, name))
		}
		return nil
	})
	return unknown, err
}
