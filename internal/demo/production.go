package demo

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/token"
)

// The database of customers in the example's production cluster, as garant.yaml declares it.
const (
	productionName     = "production"
	productionDatabase = "ardoise"
	productionReader   = "garant_reader"
	productionApp      = "app"
	productionKeeper   = "garant_keys"
	productionBackup   = "backup"
	productionCounter  = "garant_counter"
	productionAddress  = "production.url"    // the address with the reader's password
	appAddress         = "app.url"           // with the application's
	keeperAddress      = "keeper.url"        // with that of who puts keys in
	backupAddress      = "backup.url"        // with that of who copies the schema
	counterAddress     = "counter.url"       // with that of who asks whose rows there are
	manifestFile       = "isolation.yaml"    // which rows are whose
	productionSystem   = "production.system" // the cluster's identifier, known from its first start on
)

// The faults of who may get in.
const (
	FaultDeveloperGrant = "developer-grant"
	FaultSuperuser      = "superuser"
	FaultPublicSchema   = "public-schema"
	FaultHBATrust       = "hba-trust"
	FaultUnlabelled     = "unlabelled"
)

// The faults of what holds its organisations apart.
const (
	FaultDroppedPolicy     = "dropped-policy"
	FaultUnclassifiedTable = "unclassified-table"
	FaultAppOwner          = "app-owner"
	FaultLeftBehind        = "left-behind" // of the customer who has a database of its own
)

// ProductionFaults lists the faults that the database of customers knows.
func ProductionFaults() []string {
	return []string{FaultDeveloperGrant, FaultSuperuser, FaultPublicSchema, FaultHBATrust, FaultUnlabelled, FaultDroppedPolicy, FaultUnclassifiedTable, FaultAppOwner, FaultLeftBehind}
}

//go:embed production/roles.sql
var productionRoles string

//go:embed production/schema.sql
var productionSchema string

//go:embed production/third.sql
var productionThird string

//go:embed production/isolation.sql
var productionIsolation string

//go:embed production/isolation.yaml
var productionManifest []byte

// breaks and mends are the faults as statements; mends does no harm to a sound database.
func breaks(fault string) string {
	return map[string]string{
		FaultDeveloperGrant: `GRANT CONNECT ON DATABASE ardoise TO developers; GRANT app_rw TO developers`,
		FaultSuperuser:      `ALTER ROLE reporting SUPERUSER`,
		FaultPublicSchema:   `GRANT CREATE ON SCHEMA public TO PUBLIC`,
		FaultUnlabelled:     `ALTER TABLE customer.organisation ADD COLUMN IF NOT EXISTS contact_email text`,

		FaultDroppedPolicy: `DROP POLICY garant_select ON customer.application`,
		FaultUnclassifiedTable: `CREATE TABLE customer.survey (organisation_id bigint, answer text);
ALTER TABLE customer.survey OWNER TO app_owner; GRANT SELECT, INSERT ON customer.survey TO app_rw`,
		FaultAppOwner:   `ALTER TABLE customer.application OWNER TO app`,
		FaultLeftBehind: `INSERT INTO customer.organisation VALUES (3, 'Mutuelle de l’Exemple', 'BE', '2025-03-03') ON CONFLICT DO NOTHING`,
	}[fault]
}

// mends is all that takes faults away. What a customer who left is said to have left behind goes only once it has left.
func (d *database) mends() string {
	if d.ownState() == ownAlone {
		return mendsAny + `DELETE FROM customer.organisation WHERE id = 3;`
	}
	return mendsAny
}

const mendsAny = `REVOKE app_rw FROM developers;
REVOKE CONNECT ON DATABASE ardoise FROM developers;
ALTER ROLE reporting NOSUPERUSER;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
ALTER TABLE customer.organisation DROP COLUMN IF EXISTS contact_email;
DROP TABLE IF EXISTS customer.survey;
`

// prepare makes the roles, the database with its rows, what holds the organisations apart and the
// passwords, or finds them there, and takes away what faults an earlier run left.
func (d *database) prepare(ctx context.Context) error {
	logins := map[string]string{copyReader: readerAddress, productionCounter: counterAddress, productionReader: productionAddress, productionApp: appAddress, productionKeeper: keeperAddress, productionBackup: backupAddress}
	err := d.as(ctx, cluster.SuperUser, "postgres", func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, productionRoles); err != nil {
			return err
		}
		for _, role := range slices.Sorted(maps.Keys(logins)) {
			password, address, err := d.address(role, logins[role])
			if err != nil {
				return err
			}
			// The password is of letters and digits; the cluster logs no statement.
			if _, err := conn.Exec(ctx, `ALTER ROLE `+role+` PASSWORD '`+password+`'`); err != nil {
				return err
			}
			for file, text := range map[string]string{logins[role]: address, own(logins[role]): strings.Replace(address, "/"+productionDatabase+"?", "/"+ownDatabase+"?", 1)} {
				if err := d.save(file, []byte(text+"\n"), 0o600); err != nil {
					return err
				}
			}
		}
		var there bool
		if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, productionDatabase).Scan(&there); err != nil || there {
			return err
		}
		_, err := conn.Exec(ctx, `CREATE DATABASE `+productionDatabase+` OWNER app_owner`)
		return err
	})
	if err != nil {
		return err
	}
	if err := d.as(ctx, cluster.SuperUser, productionDatabase, func(conn *pgx.Conn) error { return d.fill(ctx, conn) }); err != nil {
		return err
	}
	d.damage = ""
	system := strconv.FormatUint(d.cluster.SystemIdentifier(), 10)
	d.system.Store(system)
	return d.save(productionSystem, []byte(system+"\n"), 0o644)
}

// as runs do on a connection of a role through the socket.
func (d *database) as(ctx context.Context, role, name string, do func(*pgx.Conn) error) error {
	return signIn(ctx, d.cluster.DSN(role, name), do)
}

func signIn(ctx context.Context, dsn string, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return pg.Wrap(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return pg.Wrap(do(conn))
}

// fill puts schema garant, the tables with their rows and the policies into the database. A
// database of an example before there was tenancy is made anew: all in it is invented.
func (d *database) fill(ctx context.Context, conn *pgx.Conn) error {
	if err := enter(ctx, conn); err != nil {
		return err
	}
	return pg.InTx(ctx, conn, func(tx pgx.Tx) error {
		var there, moves bool
		if err := tx.QueryRow(ctx, `SELECT to_regclass('customer.event') IS NOT NULL, to_regclass('garant_move.move') IS NOT NULL`).Scan(&there, &moves); err != nil {
			return err
		}
		var steps []string
		if !there {
			steps = []string{`DROP SCHEMA IF EXISTS customer, billing CASCADE`, productionSchema, `RESET ROLE`}
		}
		for _, sql := range steps {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		var third bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM customer.organisation WHERE id = 3)`).Scan(&third); err != nil {
			return err
		}
		steps = []string{`GRANT garant_keeper TO ` + productionKeeper, `GRANT CONNECT ON DATABASE ` + productionDatabase + ` TO ` + copyReader, d.mends(), mendsCopies, productionIsolation}
		if !third && !moves {
			steps = append(steps, productionThird)
		}
		for _, sql := range steps {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
}

// enter puts schema garant into a database, and lets in who asks it.
func enter(ctx context.Context, conn *pgx.Conn) error {
	if _, err := token.Install(ctx, conn, token.Pinned); err != nil {
		return err
	}
	for _, role := range []string{productionApp, "app_owner"} { // the default of a tenant column calls a function
		if err := token.Admit(ctx, conn, role); err != nil {
			return err
		}
	}
	return nil
}

// address returns a role's password, made once, and the address that holds it.
func (d *database) address(role, file string) (password, address string, err error) {
	return addressOf(d.path, file, role, productionDatabase, d.options.TCP.Port)
}

func addressOf(path func(string) string, file, role, database string, port int) (password, address string, err error) {
	known, err := os.ReadFile(path(file))
	switch {
	case err == nil:
		if u, err := url.Parse(strings.TrimSpace(string(known))); err == nil {
			password, _ = u.User.Password()
		}
	case !errors.Is(err, os.ErrNotExist):
		return "", "", cannot("read "+file, err)
	}
	if len(password) < 20 || strings.ContainsFunc(password, func(r rune) bool { return !(r >= 'A' && r <= 'Z' || r >= '2' && r <= '7') }) {
		password = rand.Text()
	}
	u := url.URL{
		Scheme: "postgres", User: url.UserPassword(role, password), Host: loopback(port), Path: "/" + database,
		// The certificate bears the name of the host that does not exist; the authority is the example's own.
		RawQuery: url.Values{"sslmode": {"verify-ca"}, "sslrootcert": {path("ca.pem")}}.Encode(),
	}
	return password, u.String(), nil
}

// production is the database of customers, as far as rights in it can be broken.
type production struct{ *database }

// Fault is what it suffers from; empty: nothing.
func (p production) Fault() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.damage
}

// Break gives somebody a way in that nobody declared.
func (p production) Break(fault string) error {
	if !slices.Contains(ProductionFaults(), fault) {
		return errs.New(errs.Invalid, "demo.fault", fmt.Sprintf("The example's database of customers cannot be given the fault %q.", fault)).
			WithFix("Choose one of: " + strings.Join(ProductionFaults(), ", ") + ".")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if fault == FaultLeftBehind && p.ownState() != ownAlone {
		return notMoving()
	}
	if p.damage != "" {
		if err := p.restore(); err != nil {
			return err
		}
	}
	if fault == FaultHBATrust {
		if err := p.rules("hostssl all all 127.0.0.1/32 trust\n"); err != nil {
			return err
		}
	} else if err := p.exec(breaks(fault)); err != nil {
		return err
	}
	p.damage = fault
	return nil
}

// Mend takes the way away again, and puts back policies, owners and row security, whoever took them away.
func (p production) Mend() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.restore()
}

func (p production) restore() error {
	if err := p.rules(""); err != nil {
		return err
	}
	if err := p.exec(p.mends() + productionIsolation); err != nil {
		return err
	}
	p.damage = ""
	return nil
}

// exec runs statements as one transaction. Garant looks at this database and copies its schema all the
// while: where the two are in each other's way, the statements are tried again.
func (p production) exec(statements string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
	defer cancel()
	if err := p.runs(); err != nil {
		return err
	}
	for {
		err := p.as(ctx, cluster.SuperUser, productionDatabase, func(conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, `SET lock_timeout = '2s'; `+statements)
			return err
		})
		if !inTheWay(err) || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// inTheWay reports whether somebody else's work on the catalogue stopped a statement; a row of the
// catalogue changed by two at once is XX000 in PostgreSQL 15.
func inTheWay(err error) bool { return pg.InTheWay(err) || pg.SQLState(err) == "XX000" }

func (p production) runs() error {
	if p.cluster == nil {
		return errs.New(errs.Conflict, "demo.database_down", "The example's database is stopped.").WithFix("Mend it first: garant demo mend " + databaseName + ".")
	}
	return nil
}

// rules puts a line before those of pg_hba.conf, or takes it away again.
func (p production) rules(first string) error {
	if err := p.runs(); err != nil {
		return err
	}
	path := filepath.Join(p.options.Dir, "conf", "pg_hba.conf")
	content, err := os.ReadFile(path)
	if err != nil {
		return cannot("read pg_hba.conf", err)
	}
	const mark = "# The example's fault ends here.\n"
	if _, sound, broken := strings.Cut(string(content), mark); broken {
		content = []byte(sound)
	}
	if first != "" {
		content = []byte(first + mark + string(content))
	}
	if err := os.WriteFile(path, content, 0o640); err != nil { //nolint:gosec // as the cluster writes it; its account reads it
		return cannot("write pg_hba.conf", err)
	}
	return p.cluster.Reload()
}
