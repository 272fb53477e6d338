package verify

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/pg/sqlname"
	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
)

// scratch is a copy of the database without its rows, in a cluster of its own on this machine: the
// same roles, rights, policies and code, two tenants that do not exist, and a key of its own. It is
// thrown away.
//
// Superusers of the original are none here, and neither programs nor files of the server are given
// to anybody but the application, if it has them: the code of the copy runs on this machine. User
// mappings, subscriptions and event triggers are left out: nothing in the copy reaches elsewhere.
type scratch struct {
	cluster *cluster.Cluster
	leave   func(context.Context) // the cluster
	dir     string
	name    string // of the database
	root    *pgx.Conn
	key     tenant.Key
}

// close throws the copy away.
func (s *scratch) close(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	if s.root != nil {
		_ = s.root.Close(ctx)
	}
	if s.leave != nil {
		s.leave(ctx)
	}
	_ = os.RemoveAll(s.dir)
}

// opener starts a cluster for a copy, and tells how it is left.
type opener func(context.Context, cluster.Options) (*cluster.Cluster, func(context.Context), error)

// ownCluster is one that nothing else uses, which ends with the copy.
func ownCluster(ctx context.Context, o cluster.Options) (*cluster.Cluster, func(context.Context), error) {
	c, err := cluster.Open(ctx, o)
	return c, func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		_ = c.Close(ctx) // without error or not, the directory goes
	}, err
}

func noCopy(err error, what, fix string) error {
	return errs.New(errs.Unavailable, "tenancy.verify.no_copy", "The scratch copy cannot be made: "+what+".").WithFix(fix).Wrap(err)
}

// copyOf makes a scratch copy of the database behind an address.
func copyOf(ctx context.Context, address string, c *catalogue, apps []login, d token.Design, start opener) (_ *scratch, err error) {
	sweepLeft()
	dir, err := os.MkdirTemp("", scratchDir)
	if err != nil {
		return nil, noCopy(err, "there is no directory for it", "Set TMPDIR to a directory with 300 MiB of space.")
	}
	s := &scratch{dir: dir, name: c.database}
	defer func() {
		if err != nil {
			s.close(ctx)
		}
	}()
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // PostgreSQL's account passes through
		return nil, noCopy(err, "its directory cannot be opened", "Set TMPDIR to a directory of your own.")
	}
	super := "garant_scratch"
	for c.byName[super] != nil {
		super += "_"
	}
	var users []string
	for _, a := range apps {
		if plain(a.role.name) {
			users = append(users, a.role.name)
		}
	}
	var leave func(context.Context)
	s.cluster, leave, err = start(ctx, cluster.Options{
		Name: "scratch", Dir: filepath.Join(dir, "pg"), SuperUser: super, Users: users,
		Settings: map[string]string{
			"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off", "max_connections": "20", "shared_buffers": "32MB",
			"max_wal_senders": "0", "wal_level": "minimal", "max_parallel_workers": "4",
		},
	})
	if err != nil {
		return nil, err
	}
	s.leave = leave
	first, err := open(ctx, s.cluster.DSN(super, "template1"))
	if err != nil {
		return nil, noCopy(err, "its cluster does not answer", "Try again.")
	}
	defer func() { _ = first.Close(context.WithoutCancel(ctx)) }()
	if err := run1(ctx, first, c.recreateRoles(apps)...); err != nil {
		return nil, noCopy(err, "the roles cannot be made again", "Read the cause.")
	}
	if err := s.restore(ctx, address, super); err != nil {
		return nil, err
	}
	s.root, err = open(ctx, s.cluster.DSN(super, s.name))
	if err != nil {
		return nil, noCopy(err, "its database does not answer", "Try again.")
	}
	if err := run1(ctx, s.root, c.recreateDefaults(apps)...); err != nil {
		return nil, noCopy(err, "the defaults of roles cannot be made again", "Read the cause.")
	}
	if err := s.installKey(ctx, c, d); err != nil {
		return nil, err
	}
	return s, nil
}

const scratchDir = "garant-scratch-"

// sweepLeft removes copies whose process was killed a day ago or more: no look lasts as long.
func sweepLeft() {
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), scratchDir+"*"))
	for _, dir := range left {
		if st, err := os.Lstat(dir); err == nil && st.IsDir() && time.Since(st.ModTime()) > 24*time.Hour {
			_ = os.RemoveAll(dir) // what is not ours stays: it cannot be removed
		}
	}
}

// open connects without keeping statements prepared: roles and tables change under them.
func open(ctx context.Context, dsn string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("the address cannot be read")
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	return pgx.ConnectConfig(ctx, cfg)
}

// plain reports whether a role can sign in to the copy's cluster by its name.
func plain(role string) bool {
	return regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`).MatchString(role) && role != "all" && !strings.HasPrefix(role, "pg_")
}

func run1(ctx context.Context, on *pgx.Conn, statements ...string) error {
	for _, sql := range statements {
		if _, err := on.Exec(ctx, sql); err != nil {
			return fmt.Errorf("SQLSTATE %s", code(err))
		}
	}
	return nil
}

// recreateRoles writes the roles of the original: attributes, memberships, parameters.
func (c *catalogue) recreateRoles(apps []login) []string {
	isApp := func(id uint32) bool { return slices.ContainsFunc(apps, func(a login) bool { return a.role.oid == id }) }
	serves := func(id uint32) bool { return slices.ContainsFunc(apps, func(a login) bool { return a.reach[id] }) }
	var list []string
	for _, id := range sortedKeys(c.roles) {
		r := c.roles[id]
		if r.system() {
			continue
		}
		sql := "CREATE ROLE " + r.printed
		for _, x := range []struct {
			has  bool
			word string
		}{{r.login, " LOGIN"}, {r.createRole && !r.super, " CREATEROLE"}, {r.createDB, " CREATEDB"}, {r.replication, " REPLICATION"}, {r.bypassRLS || r.super, " BYPASSRLS"}, {!r.inherit, " NOINHERIT"}, {r.super && serves(id), " SUPERUSER"}} {
			if x.has {
				sql += x.word
			}
		}
		list = append(list, sql)
		if r.super && !serves(id) {
			list = append(list, "GRANT pg_read_all_data, pg_write_all_data TO "+r.printed)
		}
	}
	for _, m := range c.members {
		member, group := c.roles[m.member], c.roles[m.group]
		outside := slices.Contains([]string{"pg_execute_server_program", "pg_read_server_files", "pg_write_server_files"}, group.name)
		if member.system() || outside && !isApp(m.member) && !serves(m.member) || !m.usable {
			continue
		}
		sql := "GRANT " + group.printed + " TO " + member.printed
		if m.admin {
			sql += " WITH ADMIN OPTION"
		}
		list = append(list, sql)
	}
	for _, p := range c.parameters {
		for _, g := range p.acl {
			if r := c.roles[g.grantee]; g.grantee == everybody || r != nil && g.grantee != bootstrapRole {
				list = append(list, "GRANT "+g.privilege+" ON PARAMETER "+p.name+" TO "+c.grantee(g.grantee))
			}
		}
	}
	list = append(list, "DROP DATABASE IF EXISTS "+c.printed+" WITH (FORCE)", // the copy's own is called postgres
		"CREATE DATABASE "+c.printed+" TEMPLATE template0 OWNER "+c.nameOf(c.owner), "REVOKE ALL ON DATABASE "+c.printed+" FROM PUBLIC")
	for _, g := range c.acl {
		if g.grantee != c.owner {
			list = append(list, "GRANT "+g.privilege+" ON DATABASE "+c.printed+" TO "+c.grantee(g.grantee))
		}
	}
	return list
}

// grantee writes who gets a right.
func (c *catalogue) grantee(id uint32) string { return c.nameOf(id) }

// recreateDefaults writes what sessions of the application start with. A library to load is left
// out: it may not be on this machine.
func (c *catalogue) recreateDefaults(apps []login) []string {
	var list []string
	type at struct {
		role     string
		database bool
	}
	lines := map[at][]string{}
	var order []at
	for _, s := range c.settings {
		if s.role != everybody && !slices.ContainsFunc(apps, func(a login) bool { return a.role.oid == s.role }) || strings.HasSuffix(s.name, "_preload_libraries") {
			continue
		}
		key := at{"0", s.database}
		if s.role != everybody {
			key.role = "(SELECT oid FROM pg_roles WHERE rolname = " + sqlname.Literal(c.roles[s.role].name) + ")"
		}
		if lines[key] == nil {
			order = append(order, key)
		}
		lines[key] = append(lines[key], sqlname.Literal(s.name+"="+s.value))
	}
	for _, key := range order {
		database := "0"
		if key.database {
			database = "(SELECT oid FROM pg_database WHERE datname = current_database())"
		}
		list = append(list, "INSERT INTO pg_db_role_setting (setdatabase, setrole, setconfig) VALUES ("+database+", "+key.role+", ARRAY["+strings.Join(lines[key], ", ")+"])")
	}
	return list
}

// withoutPassword takes the password out of an address, so that it stands in no list of processes.
func withoutPassword(address string) (string, error) {
	if !strings.HasPrefix(address, "postgres://") && !strings.HasPrefix(address, "postgresql://") {
		return regexp.MustCompile(`(?i)\bpassword\s*=\s*('(?:[^'\\]|\\.)*'|\S+)`).ReplaceAllString(address, ""), nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", errors.New("the address cannot be read")
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	q := u.Query()
	q.Del("password")
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// restore dumps the original without its rows and brings it into the copy.
func (s *scratch) restore(ctx context.Context, address, super string) error {
	clean, err := withoutPassword(address)
	if err != nil {
		return noCopy(nil, err.Error(), "Check --url.")
	}
	cfg, err := pgx.ParseConfig(address)
	if err != nil {
		return noCopy(nil, "the address cannot be read", "Check --url.")
	}
	file, contents := filepath.Join(s.dir, "copy.dump"), filepath.Join(s.dir, "contents")
	if err := s.program(ctx, cfg.Password, "pg_dump", "--dbname="+clean, "--schema-only", "--format=custom", "--no-subscriptions", "--no-publications", "--no-tablespaces",
		"--no-security-labels", "--lock-wait-timeout=5000", "--file="+file); err != nil {
		return noCopy(err, "pg_dump cannot read the database", "The role of --url must be able to dump: a member of pg_read_all_data, and the programs of PostgreSQL here no older than the server.")
	}
	var list bytes.Buffer
	if err := s.programTo(ctx, &list, "", "pg_restore", "--list", file); err != nil {
		return noCopy(err, "pg_restore cannot read the dump", "Install PostgreSQL's programs of the server's version.")
	}
	var kept strings.Builder
	for line := range strings.Lines(list.String()) {
		if regexp.MustCompile(`^\d+; \d+ \d+ (USER MAPPING|SUBSCRIPTION|EVENT TRIGGER|PUBLICATION) `).MatchString(line) {
			continue
		}
		kept.WriteString(line)
	}
	if err := os.WriteFile(contents, []byte(kept.String()), 0o600); err != nil {
		return noCopy(err, "there is no space for it", "Free some space.")
	}
	target := s.cluster.DSN(super, s.name)
	if err := s.program(ctx, "", "pg_restore", "--dbname="+target, "--exit-on-error", "--no-tablespaces", "--use-list="+contents, file); err != nil {
		return noCopy(err, "the dump cannot be restored here", "Install the extensions of the database on this machine, or run verify where they are.")
	}
	return nil
}

func (s *scratch) program(ctx context.Context, password, name string, args ...string) error {
	return s.programTo(ctx, nil, password, name, args...)
}

// programTo runs a program of PostgreSQL. Of what it says only a name of an extension or a
// SQLSTATE is kept: the rest may quote.
func (s *scratch) programTo(ctx context.Context, out *bytes.Buffer, password, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, filepath.Join(s.cluster.BinDir(), name), args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PGAPPNAME=garant isolation verify")
	if password != "" {
		cmd.Env = append(cmd.Env, "PGPASSWORD="+password)
	}
	var stderr bytes.Buffer
	cmd.Stderr, cmd.WaitDelay = &stderr, time.Second
	if out != nil {
		cmd.Stdout = out
	}
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if m := regexp.MustCompile(`extension "([a-zA-Z0-9_-]+)"`).FindStringSubmatch(stderr.String()); m != nil {
			return fmt.Errorf("%s failed at the extension %s", name, m[1])
		}
		if m := regexp.MustCompile(`(?:permission denied|server version|does not exist|already exists|could not connect|syntax error|must be)[a-z ]*`).FindString(stderr.String()); m != "" {
			return fmt.Errorf("%s: %s", name, strings.TrimSpace(m))
		}
		return fmt.Errorf("%s failed", name)
	}
	return nil
}

// installKey brings schema garant of the copy to life with a key that exists nowhere else.
func (s *scratch) installKey(ctx context.Context, c *catalogue, d token.Design) error {
	s.key = tenant.Key{ID: 1}
	_, _ = rand.Read(s.key.Secret[:])   // never fails
	_, _ = rand.Read(s.key.Audience[:]) // never fails
	if c.tenancy.version == 0 {
		return nil // there is no schema garant: the probes say so
	}
	if _, err := s.root.Exec(ctx, `INSERT INTO garant.installed (version, design) VALUES ($1, $2)`, c.tenancy.version, string(d)); err != nil {
		return noCopy(errors.New("SQLSTATE "+code(err)), "schema garant of the copy does not take its version", "Run garant isolation apply on the database first.")
	}
	if err := token.InstallKey(ctx, s.root, s.key, nil); err != nil {
		return noCopy(err, "schema garant of the copy takes no key", "Run garant isolation apply on the database first.")
	}
	return nil
}

// app signs in to the copy as a login of the application, or takes its part where its name cannot
// sign in.
func (s *scratch) app(ctx context.Context, a login) (*pgx.Conn, error) {
	if plain(a.role.name) {
		return open(ctx, s.cluster.DSN(a.role.name, s.name))
	}
	conn, err := open(ctx, s.cluster.DSN(s.cluster.SuperUser(), s.name))
	if err == nil {
		_, err = conn.Exec(ctx, "SET SESSION AUTHORIZATION "+a.role.printed)
	}
	return conn, err
}
