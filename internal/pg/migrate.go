package pg

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/garant-project/garant/internal/errs"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

//go:embed roles.sql
var rolesSQL string

// RolesSQL returns the statements that make the roles, for administrators of an external
// cluster.
func RolesSQL() string { return rolesSQL }

// JobSchema is where the job queue keeps its tables.
const JobSchema = "river"

// migrationLock serialises migrations of one database: two servers may start at once.
const migrationLock = 0x6761_7261_6e74

// Bootstrap makes the roles and the database when they are absent. It connects as a role
// that may create both.
func Bootstrap(ctx context.Context, superuserDSN, database string) error {
	conn, err := pgx.Connect(ctx, superuserDSN)
	if err != nil {
		return Wrap(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "SELECT pg_catalog.pg_advisory_lock($1)", migrationLock); err != nil {
		return Wrap(err)
	}
	if _, err := conn.Exec(ctx, rolesSQL); err != nil {
		return Wrap(err)
	}
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1)", database).Scan(&exists); err != nil {
		return Wrap(err)
	}
	name := pgx.Identifier{database}.Sanitize()
	if !exists {
		if _, err := conn.Exec(ctx, "CREATE DATABASE "+name+" OWNER garant_owner ENCODING 'UTF8' TEMPLATE template0"); err != nil {
			return Wrap(err)
		}
	}
	if err := Secure(ctx, conn, database); err != nil {
		return err
	}
	return confine(ctx, conn, database)
}

// confine keeps the roles out of the cluster's other databases, and from large objects in theirs:
// PostgreSQL lets anybody make those, and temporary tables in a database that it made itself, so
// that a role which may only read could fill the disk.
func confine(ctx context.Context, conn *pgx.Conn, database string) error {
	if _, err := conn.Exec(ctx, "REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC"); err != nil {
		return Wrap(err)
	}
	cfg := conn.Config()
	cfg.Database = database
	inside, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return Wrap(err)
	}
	defer func() { _ = inside.Close(context.WithoutCancel(ctx)) }()
	_, err = inside.Exec(ctx, "REVOKE EXECUTE ON FUNCTION pg_catalog.lo_create(oid), pg_catalog.lo_creat(integer), pg_catalog.lo_from_bytea(oid, bytea) FROM PUBLIC")
	return Wrap(err)
}

// Secure takes from everybody the rights on a database that PostgreSQL gives to PUBLIC, and
// gives the roles of Garant theirs.
func Secure(ctx context.Context, conn *pgx.Conn, database string) error {
	name := pgx.Identifier{database}.Sanitize()
	_, err := conn.Exec(ctx, "REVOKE ALL ON DATABASE "+name+" FROM PUBLIC; "+
		"GRANT CONNECT ON DATABASE "+name+" TO garant_staff, garant_login, garant_public, garant_portal, garant_worker, garant_checker, garant_checkpoint, garant_retention")
	return Wrap(err)
}

// Migration is one step of the schema.
type Migration struct {
	Version int64
	Name    string
}

// Migrate brings the schema of a database up to this build, as its owner. It returns the
// steps it took. A database that a newer build has migrated is refused.
func Migrate(ctx context.Context, ownerDSN string) (taken []Migration, err error) {
	err = withMigrations(ctx, ownerDSN, func(p *goose.Provider, pool *pgxpool.Pool) error {
		current, target, err := p.GetVersions(ctx)
		if err != nil {
			return Wrap(err)
		}
		if current > target {
			return errs.New(errs.Conflict, "pg.newer", fmt.Sprintf("A newer Garant has migrated this database (schema %d, this build knows %d).", current, target)).
				WithFix("Start the newer build, or restore a backup made before it.")
		}
		if err := missingRoles(ctx, pool); err != nil {
			return err
		}
		results, err := p.Up(ctx)
		if err != nil {
			return Wrap(err)
		}
		for _, r := range results {
			taken = append(taken, Migration{Version: r.Source.Version, Name: r.Source.Path})
		}
		return migrateJobs(ctx, pool)
	})
	return taken, err
}

// missingRoles refuses a cluster that lacks roles of this build, whose rights the steps give.
func missingRoles(ctx context.Context, pool *pgxpool.Pool) error {
	var missing []string
	if err := pool.QueryRow(ctx, `SELECT coalesce(array_agg(r), '{}') FROM unnest($1::text[]) AS r WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = r)`, Roles()).Scan(&missing); err != nil {
		return Wrap(err)
	}
	if len(missing) == 0 {
		return nil
	}
	return errs.New(errs.Conflict, "pg.roles", "The database’s cluster lacks roles of this Garant: "+strings.Join(missing, ", ")+".").
		WithFix("As its administrator run garant migrate --roles | psql, and give them passwords and CONNECT; docs/install.md.")
}

// migrateJobs makes the tables of the job queue by its own migrator; they are not ours to
// describe. Only the worker may touch them.
func migrateJobs(ctx context.Context, pool *pgxpool.Pool) error {
	m, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Schema: JobSchema})
	if err != nil {
		return Wrap(err)
	}
	if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return Wrap(err)
	}
	_, err = pool.Exec(ctx, `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA river TO garant_worker;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA river TO garant_worker;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA river TO garant_worker`)
	return Wrap(err)
}

func withMigrations(ctx context.Context, ownerDSN string, fn func(*goose.Provider, *pgxpool.Pool) error) error {
	cfg, err := pgxpool.ParseConfig(ownerDSN)
	if err != nil {
		return errs.New(errs.Invalid, "pg.dsn", "The connection string of the database's owner cannot be read.")
	}
	cfg.MaxConns = 3
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return Wrap(err)
	}
	defer pool.Close()
	lock, err := pool.Acquire(ctx)
	if err != nil {
		return Wrap(err)
	}
	defer lock.Release()
	if _, err := lock.Exec(ctx, "SELECT pg_catalog.pg_advisory_lock($1)", migrationLock); err != nil {
		return Wrap(err)
	}
	defer func() {
		_, _ = lock.Exec(context.WithoutCancel(ctx), "SELECT pg_catalog.pg_advisory_unlock($1)", migrationLock)
	}()
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return err
	}
	db := stdlib.OpenDBFromPool(pool)
	defer func() { _ = db.Close() }()
	p, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return Wrap(err)
	}
	return fn(p, pool)
}
