package token

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/tenant"
)

// Version of the SQL that this build carries.
const Version = 3

// Outbox is the version that brought the outbox of events.
const Outbox = 3

// Design says how the context of a transaction is held.
type Design string

// The designs.
const (
	Pinned    Design = "pinned"
	Statement Design = "statement"
)

// Roles that schema garant needs in the cluster.
const (
	Guard  = "garant_sec"    // owns the schema; nobody's login, nobody a member
	Keeper = "garant_keeper" // group: puts keys in, ends sessions
)

//go:embed schema/tables.sql
var tables string

// upgrades lead from a version to the next, before the functions are put in place. They wait for the transactions that have entered.
//
//go:embed schema/upgrade_1.sql
var upgrade1 string

//go:embed schema/upgrade_2.sql
var upgrade2 string

//go:embed schema/functions.sql
var functions string

//go:embed schema/events.sql
var events string

//go:embed schema/enter.sql
var entrance string

//go:embed schema/pinned.sql
var pinned string

//go:embed schema/statement.sql
var statement string

// Installed is what stands in a database.
type Installed struct {
	Version int
	Design  Design
}

// Here reports whether there is anything.
func (i Installed) Here() bool { return i.Design != "" }

// Look tells what stands in a database. Anybody who may connect may ask.
func Look(ctx context.Context, q pg.Querier) (Installed, error) {
	var i Installed
	var here bool
	err := q.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'garant')`).Scan(&here)
	if err != nil || !here {
		return i, pg.Wrap(err)
	}
	err = q.QueryRow(ctx, `SELECT version, design FROM garant.installed`).Scan(&i.Version, &i.Design)
	return i, pg.Wrap(err)
}

// Install puts schema garant of a design into the database of conn, brings an older version up to
// this one, changes the design, or puts back what somebody changed in it ([Drift]); it writes nothing
// when all is as it should be. It is one transaction, and two at once wait for each other.
//
// conn signs in as a superuser, or for [Statement] as a role that may create roles and schemas and,
// once, for [Pinned], a superuser has run what [PinnedNeeds] returns.
func Install(ctx context.Context, conn *pgx.Conn, d Design) (Installed, error) {
	body := d.body()
	if body == "" {
		return Installed{}, errs.New(errs.Invalid, "token.design", fmt.Sprintf("There is no design %q.", d)).WithFix("Choose pinned or statement.")
	}
	var was Installed
	err := pg.InTx(ctx, conn, func(tx pgx.Tx) error {
		var err error
		if was, err = begin(ctx, tx); err != nil {
			return err
		}
		if was.Version > Version {
			return errs.New(errs.Conflict, "token.newer", fmt.Sprintf("Schema garant of this database is of version %d, this program knows %d.", was.Version, Version)).
				WithFix("Use the newer program.")
		}
		if was == (Installed{Version, d}) {
			return repair(ctx, tx, d)
		}
		if err := roles(ctx, tx, d); err != nil {
			return err
		}
		member, err := become(ctx, tx)
		if err != nil {
			return err
		}
		steps := []string{functions, body, events}
		if was.Version == 1 || was.Version == 2 {
			steps = append([]string{upgrade1, upgrade2}[was.Version-1:], steps...)
		}
		if was.Here() {
			// Functions of one design call those of the same design only; those that are left over go.
			steps = append(steps, map[Design]string{
				Pinned: `DROP FUNCTION IF EXISTS garant.tenant(text); DROP FUNCTION IF EXISTS garant.mac(bytea, bytea, text)`,
			}[d], `UPDATE garant.installed SET version = `+fmt.Sprint(Version)+`, design = '`+string(d)+`', at = pg_catalog.clock_timestamp()`, `SELECT garant.note()`)
		} else {
			steps = append([]string{tables, `INSERT INTO garant.installed (version, design) VALUES (` + fmt.Sprint(Version) + `, '` + string(d) + `')`}, steps...)
		}
		for _, sql := range append(steps, rights, outboxRights) {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		rows, err := tx.Query(ctx, admitted)
		if err != nil {
			return err
		}
		apps, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		for _, app := range apps { // functions that are new in this version or design
			if err := admit(ctx, tx, d, app); err != nil {
				return err
			}
		}
		return leave(ctx, tx, member)
	})
	if err != nil {
		return Installed{}, err
	}
	return Installed{Version, d}, nil
}

// body is a design's SQL: its own functions, and enter, which ends in what the design does with a pin.
func (d Design) body() string {
	switch d {
	case Pinned:
		return pinned + strings.NewReplacer(
			"{setting}", "backtrace_functions",
			"{ticket}", "",
			"{held}", "pin",
			"{other}", "was <> pin AND starts_with(was, 'garant_')").Replace(entrance)
	case Statement:
		return statement + strings.NewReplacer(
			"{setting}", "garant.context",
			"{ticket}", "ticket := encode(int8send(coalesce(pg_sequence_last_value('garant.ends'), 0)) || substr(token, 93, 8), 'hex') || pin;",
			"{held}", "garant.mac(k.outer_pad, k.inner_pad, ticket) || ticket",
			"{other}", "garant.tenant(left(was, 96)) <> pin").Replace(entrance)
	}
	return ""
}

// rights are given anew at each install: nobody else has any on what schema garant holds. What
// the application's roles have stays.
const rights = `
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA garant FROM PUBLIC;
GRANT USAGE ON SCHEMA garant TO PUBLIC;
GRANT SELECT ON garant.installed TO PUBLIC;
GRANT EXECUTE ON FUNCTION garant.version(), garant.design(), garant.session(), garant.keys() TO PUBLIC;
GRANT EXECUTE ON FUNCTION garant.retire(smallint, timestamptz), garant.revoke(uuid, timestamptz), garant.sweep() TO garant_keeper;
`

// outboxRights are those on what version 3 brought.
const outboxRights = `
GRANT EXECUTE ON FUNCTION garant.try_event(), garant.take_events(integer), garant.forget_events(uuid[], bigint, bigint), garant.events_waiting() TO garant_keeper;
`

// Admit lets a role of the application enter with a token. It changes nothing else of the role.
func Admit(ctx context.Context, conn *pgx.Conn, role string) error {
	return asGuard(ctx, conn, func(tx pgx.Tx, d Design) error { return admit(ctx, tx, d, role) })
}

func admit(ctx context.Context, tx pgx.Tx, d Design, role string) error {
	_, err := tx.Exec(ctx, `GRANT EXECUTE ON FUNCTION `+strings.Join(Functions(d), ", ")+` TO `+pgx.Identifier{role}.Sanitize())
	return err
}

// asGuard runs fn in a transaction as the owner of schema garant.
func asGuard(ctx context.Context, conn *pgx.Conn, fn func(pgx.Tx, Design) error) error {
	return pg.InTx(ctx, conn, func(tx pgx.Tx) error {
		is, err := begin(ctx, tx)
		if err != nil {
			return err
		}
		if !is.Here() {
			return errs.New(errs.NotFound, "token.absent", "This database has no schema garant.").WithFix("Install it first: garant isolation apply does.")
		}
		member, err := become(ctx, tx)
		if err != nil {
			return err
		}
		if err := fn(tx, is.Design); err != nil {
			return err
		}
		return leave(ctx, tx, member)
	})
}

// RecordFunction is by which the application says what happened.
const RecordFunction = "garant.record(text, text, text, jsonb, jsonb, jsonb, text)"

// Functions are those that an application's role may execute, for a design.
func Functions(d Design) []string {
	f := []string{"garant.enter(bytea)", "garant.tenant_uuid()", "garant.tenant_bigint()", "garant.tenant_text()",
		"garant.writer_uuid()", "garant.writer_bigint()", "garant.writer_text()", RecordFunction}
	if d == Statement {
		f = append(f, "garant.tenant(text)")
	}
	return f
}

// admitted are the roles that may enter.
const admitted = `SELECT DISTINCT pg_catalog.pg_get_userbyid(a.grantee)::text
FROM pg_catalog.pg_proc p, pg_catalog.aclexplode(p.proacl) a
WHERE p.oid = pg_catalog.to_regprocedure('garant.enter(bytea)') AND a.grantee NOT IN (0, p.proowner)`

// PinnedNeeds is what a superuser runs once per cluster, so that design [Pinned] can be installed by who is none.
const PinnedNeeds = `GRANT SET ON PARAMETER backtrace_functions TO garant_sec`

// begin waits for others that install, and tells what is there. Transactions of the application
// are not made to wait behind ours for longer than a few seconds: then ours fails, and can be tried again.
func begin(ctx context.Context, tx pgx.Tx) (Installed, error) {
	if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '5s'`); err != nil {
		return Installed{}, err
	}
	if _, err := tx.Exec(ctx, `SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('schema garant', 0))`); err != nil {
		return Installed{}, err
	}
	return Look(ctx, tx)
}

// roles makes the two roles where they are missing, and sees that the guard has what its design needs.
func roles(ctx context.Context, tx pgx.Tx, d Design) error {
	for _, r := range []string{Guard, Keeper} {
		var login, here bool
		err := tx.QueryRow(ctx, `SELECT coalesce(bool_or(rolcanlogin OR rolsuper OR rolcreaterole OR rolbypassrls), false), count(*) > 0 FROM pg_catalog.pg_roles WHERE rolname = $1`, r).Scan(&login, &here)
		if err != nil {
			return err
		}
		if login {
			return errs.New(errs.Conflict, "token.role_taken", fmt.Sprintf("The role %s of this cluster may log in, or has rights of its own.", r)).
				WithFix("It must be NOLOGIN NOSUPERUSER NOCREATEROLE NOBYPASSRLS: alter it, or rename it if it is somebody else's.")
		}
		if !here {
			if _, err := tx.Exec(ctx, `CREATE ROLE `+r+` NOLOGIN`); err != nil {
				return err
			}
		}
	}
	var super, may, signals bool
	if err := tx.QueryRow(ctx, `SELECT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user),
	pg_catalog.has_parameter_privilege('garant_sec', 'backtrace_functions', 'SET'), pg_catalog.pg_has_role('garant_sec', 'pg_signal_backend', 'USAGE')`).Scan(&super, &may, &signals); err != nil {
		return err
	}
	if d == Pinned && !may {
		if !super {
			return errs.New(errs.Denied, "token.no_superuser", "The pinned design needs one statement of a superuser, and you are none.").
				WithFix("Have a superuser run: " + PinnedNeeds + ". Or choose the design \"statement\".")
		}
		if _, err := tx.Exec(ctx, PinnedNeeds); err != nil {
			return err
		}
	}
	if !signals {
		// Without it a session's open transactions cannot be ended: whoever may not grant it is told at the first sweep.
		if _, err := attempt(ctx, tx, `GRANT pg_signal_backend TO garant_sec`); err != nil {
			return err
		}
	}
	return nil
}

// attempt runs a statement that may be refused, and reports whether it was not.
func attempt(ctx context.Context, tx pgx.Tx, sql string) (bool, error) {
	sub, err := tx.Begin(ctx)
	if err != nil {
		return false, err
	}
	if _, err := sub.Exec(ctx, sql); err != nil {
		return false, sub.Rollback(ctx)
	}
	return true, sub.Commit(ctx)
}

// become takes the guard's part for the rest of the transaction, and makes the schema where it is
// missing. It reports whether it made the current role a member, which leave takes back.
func become(ctx context.Context, tx pgx.Tx) (member bool, err error) {
	var is bool
	if err := tx.QueryRow(ctx, `SELECT pg_catalog.pg_has_role(current_user, 'garant_sec', 'MEMBER')`).Scan(&is); err != nil {
		return false, err
	}
	if !is {
		if _, err := tx.Exec(ctx, `GRANT garant_sec TO CURRENT_USER`); err != nil {
			return false, err
		}
	}
	_, err = tx.Exec(ctx, `CREATE SCHEMA IF NOT EXISTS garant AUTHORIZATION garant_sec`)
	if err == nil {
		_, err = tx.Exec(ctx, `SET LOCAL ROLE garant_sec`)
	}
	return !is, err
}

func leave(ctx context.Context, tx pgx.Tx, member bool) error {
	_, err := tx.Exec(ctx, `RESET ROLE`)
	if err == nil && member {
		_, err = tx.Exec(ctx, `REVOKE garant_sec FROM CURRENT_USER`)
	}
	return err
}

// Remove takes schema garant out of the database, with its keys. It refuses while policies,
// defaults or views call its functions. The roles stay where another database of the cluster, or a
// member, still needs them.
func Remove(ctx context.Context, conn *pgx.Conn) error {
	return pg.InTx(ctx, conn, func(tx pgx.Tx) error {
		was, err := begin(ctx, tx)
		if err != nil || !was.Here() {
			return err
		}
		var users []string
		rows, err := tx.Query(ctx, dependents)
		if err != nil {
			return err
		}
		if users, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
			return err
		}
		if len(users) > 0 {
			return errs.New(errs.Conflict, "token.in_use", fmt.Sprintf("Schema garant is in use: %d policies, defaults or views call it, the first is %s.", len(users), users[0])).
				WithFix("Undo the isolation first: garant isolation undo.")
		}
		member, err := become(ctx, tx)
		if err != nil {
			return err
		}
		if err := leave(ctx, tx, false); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DROP SCHEMA garant CASCADE`); err != nil {
			return err
		}
		if member {
			if _, err := tx.Exec(ctx, `REVOKE garant_sec FROM CURRENT_USER`); err != nil {
				return err
			}
		}
		for _, sql := range []string{`REVOKE SET ON PARAMETER backtrace_functions FROM garant_sec`, `DROP ROLE garant_sec`, `DROP ROLE garant_keeper`} {
			var last bool
			if err := tx.QueryRow(ctx, unneeded).Scan(&last); err != nil {
				return err
			}
			if last {
				if _, err := attempt(ctx, tx, sql); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// unneeded: no database of the cluster holds anything of the guard, and the keeper has no members.
const unneeded = `SELECT NOT EXISTS (
	SELECT FROM pg_catalog.pg_shdepend d JOIN pg_catalog.pg_roles r ON r.oid = d.refobjid
	WHERE r.rolname = 'garant_sec' AND d.refclassid = 'pg_catalog.pg_authid'::regclass AND d.classid <> 'pg_catalog.pg_parameter_acl'::regclass)
AND NOT EXISTS (SELECT FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON r.oid = m.roleid WHERE r.rolname = 'garant_keeper')`

const dependents = `SELECT DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) AS what
FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_proc p ON d.refclassid = 'pg_catalog.pg_proc'::regclass AND d.refobjid = p.oid
WHERE p.pronamespace = 'garant'::regnamespace AND d.deptype = 'n'
	AND NOT (d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid IN (SELECT oid FROM pg_catalog.pg_proc WHERE pronamespace = 'garant'::regnamespace))
	AND NOT (d.classid = 'pg_catalog.pg_trigger'::regclass AND d.objid IN (SELECT t.oid FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace = 'garant'::regnamespace))
ORDER BY what`

// Audience names a database of an installation, for its tokens.
func Audience(installation, database [16]byte) tenant.Audience {
	h := sha256.New()
	h.Write([]byte("garant tenant token audience\x00"))
	h.Write(installation[:])
	h.Write(database[:])
	return tenant.Audience(h.Sum(nil)[:16])
}

// KeyState is what may be told of a key.
type KeyState struct {
	ID        byte
	Audience  tenant.Audience
	Database  string // in which it was put in
	Installed time.Time
	Retires   *time.Time // no token of it is accepted from then on
}

// InstallKey puts a key into a database, as a member of [Keeper]. It travels in a binary COPY, so
// that it stands in no statement, parameter or error.
func InstallKey(ctx context.Context, conn *pgx.Conn, k tenant.Key, retires *time.Time) error {
	inner, outer := k.Pads()
	_, err := conn.CopyFrom(ctx, pgx.Identifier{"garant", "key_inbox"}, []string{"id", "audience", "inner_pad", "outer_pad", "retires_at"},
		pgx.CopyFromRows([][]any{{int16(k.ID), k.Audience[:], inner[:], outer[:], retires}}))
	var fault *pg.Fault
	if err = pg.Wrap(err); errors.As(err, &fault) && fault.SQLState == "23505" {
		return errs.New(errs.Conflict, "token.key_there", fmt.Sprintf("A key %d is in this database already.", k.ID)).WithFix("Choose another id, or retire that key and wait a day.")
	}
	return err
}

// Keys tells which keys a database holds.
func Keys(ctx context.Context, q pg.Querier) ([]KeyState, error) {
	rows, err := q.Query(ctx, `SELECT id, audience, database, installed_at, retires_at FROM garant.keys()`)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (KeyState, error) {
		var k KeyState
		var id int16
		var audience []byte
		if err := row.Scan(&id, &audience, &k.Database, &k.Installed, &k.Retires); err != nil {
			return k, err
		}
		k.ID = byte(id) //nolint:gosec // 0 to 255, by the table's CHECK
		copy(k.Audience[:], audience)
		return k, nil
	})
	return keys, pg.Wrap(err)
}

// RetireKey lets no token of a key in from a moment on. It never makes its life longer.
func RetireKey(ctx context.Context, q pg.Execer, id byte, at time.Time) error {
	_, err := q.Exec(ctx, `SELECT garant.retire($1, $2)`, int16(id), at)
	return pg.Wrap(err)
}

// Revoke ends a session whose last token ends at until. [Sweep] ends what is open of it.
func Revoke(ctx context.Context, q pg.Execer, session [16]byte, until time.Time) error {
	_, err := q.Exec(ctx, `SELECT garant.revoke($1, $2)`, session, until)
	return pg.Wrap(err)
}

// Settled is how long after [Revoke] a transaction can still come in on an older snapshot: sweep
// again after it.
const Settled = 1100 * time.Millisecond

// Sweep ends the transactions of ended sessions and expired tokens, and returns how many.
func Sweep(ctx context.Context, q pg.Querier) (int, error) {
	var n int
	err := q.QueryRow(ctx, `SELECT garant.sweep()`).Scan(&n)
	return n, pg.Wrap(err)
}
