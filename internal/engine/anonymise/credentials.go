package anonymise

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
)

// reachTimeout is the longest time that a look at the cluster for copies may take.
const reachTimeout = 8 * time.Second

// credentialField is the name of the sealed value; its subject is the key of the row.
const credentialField = "password"

func credentialSubject(database, role string) string {
	return "anonymise:" + strconv.Quote(database) + ":" + strconv.Quote(role)
}

// issue makes the credentials of the developers' roles that have none, and brings to the cluster what it does not have yet. That the cluster does not answer is no error: the
// check reports it.
func (a *Anonymise) issue(ctx context.Context, d *estate.Database) error {
	pool := a.DB.Pool(pg.Worker)
	have, err := credentialsOf(ctx, pool, d.Name)
	if err != nil {
		return err
	}
	for _, role := range d.Anonymised.Developers {
		i := slices.IndexFunc(have, func(c Credential) bool { return c.Role == role })
		if i < 0 {
			if err := a.seal(ctx, d.Name, role, making(), "credential.issued"); err != nil {
				return err
			}
		}
	}
	if have, err = credentialsOf(ctx, pool, d.Name); err != nil {
		return err
	}
	for _, c := range have {
		if c.SettledAt != nil || !slices.Contains(d.Anonymised.Developers, c.Role) {
			continue
		}
		if err := a.settle(ctx, d, c); err != nil {
			if a.Log != nil {
				text, _ := errs.Sentence(err)
				a.Log.Error("a developers' role has no credentials yet", "database.name", d.Name, "role.name", c.Role, "error.message", text)
			}
		}
	}
	return nil
}

// seal keeps a new password for a role.
func (a *Anonymise) seal(ctx context.Context, database, role string, by actor.Actor, action string) error {
	secret := make([]byte, 24)
	_, _ = rand.Read(secret) // never fails
	password := base64.RawURLEncoding.EncodeToString(secret)
	on := a.DB.Pool(pg.Staff)
	if by.Kind == actor.System {
		on = a.DB.Pool(pg.Worker)
	}
	return pg.InTx(ctx, on, func(tx pgx.Tx) error {
		sealed, err := a.Box.Seal(ctx, tx, credentialSubject(database, role), credentialField, []byte(password))
		if err != nil {
			return err
		}
		if err := putCredential(ctx, tx, database, role, sealed, identity(by)); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, action, object(database), map[string]any{"role": role})
	})
}

// settle gives the cluster a role's password, and makes the role where it is missing: one that may sign in, and nothing else. A role that may more is not
// touched.
func (a *Anonymise) settle(ctx context.Context, d *estate.Database, c Credential) error {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	password, err := a.Box.Open(ctx, a.DB.Pool(pg.Worker), credentialSubject(d.Name, c.Role), credentialField, c.sealed)
	if err != nil {
		return err
	}
	address, err := d.Anonymised.Issuer.Reveal()
	if err != nil {
		return err
	}
	conn, err := connect(ctx, address, "")
	if err != nil {
		return err
	}
	defer hangUp(ctx, conn)
	verifier, err := scram(password)
	if err != nil {
		return err
	}
	role := pgx.Identifier{c.Role}.Sanitize()
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var system string
		var there, mighty bool
		if err := tx.QueryRow(ctx, `SELECT (SELECT system_identifier::text FROM pg_control_system()),
	count(*) > 0, coalesce(bool_or(r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls OR EXISTS (SELECT FROM pg_auth_members AS m WHERE m.member = r.oid) OR EXISTS (SELECT FROM pg_database AS d WHERE d.datdba = r.oid)), false)
FROM pg_roles AS r WHERE r.rolname = $1`, c.Role).Scan(&system, &there, &mighty); err != nil {
			return err
		}
		switch {
		case system != d.Anonymised.System:
			return errs.New(errs.Conflict, "anonymise.impostor", "The cluster for copies is not the one that is declared.").WithFix("Correct system or issuer in garant.yaml.")
		case mighty:
			return errs.New(errs.Conflict, "anonymise.mighty", fmt.Sprintf("The role %q has rights of its own in the cluster for copies.", clean(c.Role))).WithFix("Take them away, or name another role under developers.")
		case !there:
			if _, err := tx.Exec(ctx, `CREATE ROLE `+role+` LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS`); err != nil {
				return err
			}
		}
		// The verifier holds letters, digits and + / = $ : - only, so that no text of a password or quote of it is in the statement.
		_, err := tx.Exec(ctx, `ALTER ROLE `+role+` LOGIN PASSWORD '`+verifier+`'`)
		return err
	})
	var known *errs.Error
	if errors.As(err, &known) {
		return err
	}
	if err != nil {
		return errs.New(errs.Unavailable, "anonymise.issuer", "The credentials cannot be put into the cluster for copies.").WithFix("See that issuer may make roles there.").Wrap(pg.Wrap(err))
	}
	return settleCredential(ctx, a.DB.Pool(pg.Worker), d.Name, c)
}

// scram is the verifier of a password as PostgreSQL keeps it (RFC 5802, RFC 7677).
func scram(password []byte) (string, error) {
	const rounds = 4096
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	salted, err := pbkdf2.Key(sha256.New, string(password), salt, rounds, sha256.Size)
	if err != nil {
		return "", err
	}
	keyed := func(text string) []byte {
		m := hmac.New(sha256.New, salted)
		m.Write([]byte(text))
		return m.Sum(nil)
	}
	stored := sha256.Sum256(keyed("Client Key"))
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", rounds, encode(salt), encode(stored[:]), encode(keyed("Server Key"))), nil
}

// Rotate gives a role another password: the one before is worth nothing as soon as the cluster has it. It needs actor.ChangeCopies.
func (a *Anonymise) Rotate(ctx context.Context, by actor.Actor, database, role string) error {
	if err := a.may(ctx, by, actor.ChangeCopies, "credential.rotated", object(clean(database))); err != nil {
		return err
	}
	d, err := a.developers(ctx, database, role)
	if err != nil {
		return err
	}
	if err := a.seal(ctx, d.Name, role, by, "credential.rotated"); err != nil {
		return err
	}
	have, err := credentialsOf(ctx, a.DB.Pool(pg.Staff), d.Name)
	if err != nil {
		return err
	}
	for _, c := range have {
		if c.Role == role {
			return a.settle(ctx, &d, c)
		}
	}
	return nil
}

// developers is a database of which copies are made, one of whose developers' roles is named.
func (a *Anonymise) developers(ctx context.Context, database, role string) (estate.Database, error) {
	d, _, err := a.copied(ctx, database)
	if err != nil {
		return d, err
	}
	if !slices.Contains(d.Anonymised.Developers, role) {
		return d, errs.New(errs.NotFound, "anonymise.no_role", fmt.Sprintf("%q is no role of developers here.", clean(role))).WithFix("Choose one of the list.")
	}
	return d, nil
}

// Reveal returns the address, password included, by which a role reaches the copy under its stable name. It needs actor.UseCopies, and is recorded.
func (a *Anonymise) Reveal(ctx context.Context, by actor.Actor, database, role string) (address string, err error) {
	if err := a.may(ctx, by, actor.UseCopies, "credential.read", object(clean(database))); err != nil {
		return "", err
	}
	d, err := a.developers(ctx, database, role)
	if err != nil {
		return "", err
	}
	err = pg.InTx(ctx, a.DB.Pool(pg.Staff), func(tx pgx.Tx) error {
		if address, err = a.address(ctx, tx, &d, role); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, "credential.read", object(d.Name), map[string]any{"role": role})
	})
	return address, err
}

// address is how a role reaches the copy.
func (a *Anonymise) address(ctx context.Context, q pg.Querier, d *estate.Database, role string) (string, error) {
	have, err := credentialsOf(ctx, q, d.Name)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(have, func(c Credential) bool { return c.Role == role })
	if i < 0 {
		return "", errs.New(errs.NotFound, "anonymise.no_credential", "No credentials were issued yet.").WithFix("Wait for a moment: they are made with the first run.")
	}
	password, err := a.Box.Open(ctx, q, credentialSubject(d.Name, role), credentialField, have[i].sealed)
	if err != nil {
		return "", err
	}
	target, err := d.Anonymised.Target.Reveal()
	if err != nil {
		return "", err
	}
	return addressFor(target, role, string(password), d.Anonymised.Name)
}

// addressFor is the address of the cluster for copies as a developer writes it. password empty: without.
func addressFor(target, role, password, name string) (string, error) {
	config, err := pgx.ParseConfig(target)
	if err != nil {
		return "", errs.New(errs.Invalid, "anonymise.address", "The address of the target cannot be read.").WithFix("Write it as postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full.")
	}
	u := url.URL{Scheme: "postgres", Path: "/" + name, User: url.User(role)}
	if password != "" {
		u.User = url.UserPassword(role, password)
	}
	q := url.Values{}
	if given, err := url.Parse(target); err == nil && given.Scheme != "" {
		q = given.Query()
		for key := range q {
			if !slices.Contains([]string{"host", "port", "sslmode", "sslrootcert", "target_session_attrs", "channel_binding"}, key) {
				q.Del(key)
			}
		}
		u.Host = given.Host
	} else {
		q.Set("host", config.Host)
		q.Set("port", strconv.Itoa(int(config.Port)))
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// connect reaches the cluster for copies; database empty: the one of the address.
func connect(ctx context.Context, address, database string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, errs.New(errs.Invalid, "anonymise.address", "The address cannot be read.").WithFix("Write it as postgres://USER@HOST:PORT/DATABASE?sslmode=verify-full.")
	}
	if database != "" {
		config.Database = database
	}
	config.RuntimeParams = map[string]string{"application_name": "garant anonymise", "search_path": "pg_catalog", "statement_timeout": "5s", "client_min_messages": "error"}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, errs.New(errs.Unavailable, "anonymise.unreachable", "The cluster for copies does not answer.").WithFix("See that it runs, and that the address is right.").Wrap(pg.Wrap(err))
	}
	return conn, nil
}

func hangUp(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}
