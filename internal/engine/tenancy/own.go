package tenancy

import (
	"context"
	_ "embed"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
)

// Own names Garant's own database among those under guard. No database of an estate can have this
// name. A customer of the database production asks for a token of it with the audience "production@garant".
const Own = "@garant"

// OwnDatabase is Garant's own database as one under guard.
type OwnDatabase struct {
	Keeper func() string // address as a member of garant_keeper
}

//go:embed own.sql
var ownSQL string

// GuardOwn puts Garant's own database under guard, or brings it back to what this build carries: schema garant, the
// policies that show a customer its rows, the rights of garant_portal and of its keeper, garant_worker. It changes
// nothing when all is there. The schema of Garant has been migrated.
//
// conn signs in as a superuser, or as a role that may create roles and act as garant_owner; design says
// how the context is held, and empty takes the pinned one where it can be had.
func GuardOwn(ctx context.Context, conn *pgx.Conn, design token.Design) error {
	var ours, super, may bool
	err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'tenancy' AND c.relname = 'minting'), rolsuper, rolsuper OR rolcreaterole AND coalesce(pg_catalog.pg_has_role(pg_catalog.to_regrole('garant_owner'), 'USAGE'), false)
FROM pg_catalog.pg_roles WHERE rolname = current_user`).Scan(&ours, &super, &may)
	switch {
	case err != nil:
		return pg.Wrap(err)
	case !may:
		return errs.New(errs.Denied, "tenancy.own_rights", "This role may not put Garant’s database under guard.").
			WithFix("Sign in as a superuser, or as a role with CREATEROLE that is a member of garant_owner: GRANT garant_owner TO it.")
	case !ours:
		return errs.New(errs.Conflict, "tenancy.own_unmigrated", "This is not Garant’s database, or it was not migrated to this version.").
			WithFix("Run garant migrate first, and let the address name the same database.")
	}
	is, err := token.Look(ctx, conn)
	if err != nil {
		return err
	}
	if design == "" {
		design = designFor(is, super)
	}
	if is, err = token.Install(ctx, conn, design); err != nil {
		return err
	}
	var admitted, keeps, quiet bool
	err = conn.QueryRow(ctx, `SELECT (SELECT coalesce('track_activities=off' = ANY (rolconfig), false) FROM pg_catalog.pg_roles WHERE rolname = 'garant_portal'), bool_and(pg_catalog.has_function_privilege('garant_portal', f::regprocedure, 'EXECUTE')), pg_catalog.pg_has_role('garant_worker', 'garant_keeper', 'MEMBER') FROM unnest($1::text[]) AS f`,
		token.Functions(is.Design)).Scan(&quiet, &admitted, &keeps)
	if err != nil {
		return pg.Wrap(err)
	}
	if !admitted {
		if err := token.Admit(ctx, conn, string(pg.Portal)); err != nil {
			return err
		}
	}
	return pg.InTx(ctx, conn, func(tx pgx.Tx) error {
		if !keeps {
			if _, err := tx.Exec(ctx, `GRANT garant_keeper TO garant_worker`); err != nil {
				return err
			}
		}
		if super && !quiet { // sessions of one role show each other what they run
			if _, err := tx.Exec(ctx, `ALTER ROLE garant_portal SET track_activities = off`); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '5s'; `+ownSQL)
		return err
	})
}

// designFor is the design that is there, else pinned where somebody may grant what that needs.
func designFor(is token.Installed, super bool) token.Design {
	switch {
	case is.Here():
		return is.Design
	case super:
		return token.Pinned
	}
	return token.Statement
}

// own is Garant's own database as an estate would declare it.
func (t *Tenancy) own(ctx context.Context) (estate.Database, error) {
	d := estate.Database{Name: Own, Environment: estate.Production, Tenancy: &estate.Tenancy{
		KeyType: "uuid", Lifetime: estate.DefaultTokenLifetime, Rotate: estate.DefaultKeyRotation, Job: estate.DefaultJobDuration,
	}}
	if t.Own == nil {
		return d, errs.New(errs.NotFound, "tenancy.no_database", "Garant’s own database is not under guard.")
	}
	on := t.DB.Pool(pg.Checker)
	if err := on.QueryRow(ctx, `SELECT s.system_identifier::text, current_database()::text FROM pg_catalog.pg_control_system() AS s`).Scan(&d.System, &d.Database); err != nil {
		return d, pg.Wrap(err)
	}
	is, err := token.Look(ctx, on)
	if err != nil {
		return d, err
	}
	if !is.Here() {
		return d, ownAbsent()
	}
	d.Tenancy.Design = string(is.Design)
	return d, nil
}

func ownAbsent() error {
	return errs.New(errs.NotFound, "tenancy.own_absent", "Garant’s own database is not under guard: it has no schema garant.").
		WithFix("With the address of the administrator of its PostgreSQL in ADMIN_URL run garant migrate --guard env:ADMIN_URL; docs/install.md.")
}

// guardedIn lists the databases under guard of an estate and, when it has any, ours. What is wrong with ours
// is the second result.
func (t *Tenancy) guardedIn(ctx context.Context, e *estate.Estate) ([]estate.Database, error) {
	if e == nil {
		return nil, nil
	}
	list := e.Guarded()
	if len(list) == 0 || t.Own == nil {
		return list, nil
	}
	d, err := t.own(ctx)
	return append(list, d), err
}

// ownProblem is what is wrong with Garant's own database when own does not give it.
func ownProblem(err error) Problem {
	if errs.Is(err, errs.NotFound) {
		return Absent
	}
	return Unknown
}

// atOwn says whether an audience is that of customers at Garant itself: "production@garant".
func atOwn(audience string) (home string, own bool) { return strings.CutSuffix(audience, Own) }

// towardsOwn turns the right of a login in a database into the right to read what Garant itself knows of
// its customer, and records who that is.
func (t *Tenancy) towardsOwn(ctx context.Context, tx pgx.Tx, d *estate.Database, r right) (right, error) {
	var customer uuid.UUID
	if err := tx.QueryRow(ctx, `SELECT tenancy.customer_of($1, $2)`, home(d), r.tenant.String()).Scan(&customer); err != nil {
		return r, err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO tenancy.customer (customer, database, tenant) VALUES ($1, $2, $3) ON CONFLICT (customer) DO NOTHING`, customer, home(d), r.tenant.String()); err != nil {
		return r, err
	}
	r.tenant, r.access = tenant.UUID(customer), tenant.Read
	return r, nil
}
