package subset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"github.com/garant-project/garant/internal/engine/anonymise/run"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// place is where a database is made: beside the one that it will replace, under a name of its own, or in a server that is there for this alone.
type place struct {
	server   *run.Server // with a database that is always there
	keeper   *pgx.Conn   // in that one, holding the lock of this pull
	name     string      // that the database will have; empty: it is only for pg_dump
	there    bool        // something has the name
	id       string
	database string // in the making; empty: not made, or finished
	cluster  *cluster.Cluster
	scratch  *scratch
}

// lockPull tells pulls that live from dead ones.
const lockPull = `hashtextextended('garant anonymise pull ' || $1, 0)`

func (p *pull) openPlace(ctx context.Context) (_ *place, err error) {
	pl := &place{id: newID()}
	defer func() {
		if err != nil {
			pl.close()
		}
	}()
	if p.o.Target == "" {
		return pl, pl.private(ctx)
	}
	given, err := run.WriteTo(p.o.Target, "local server")
	if err != nil {
		return nil, err
	}
	pl.name = given.Database()
	switch pl.name {
	case "postgres", "template0", "template1":
		return nil, errs.New(errs.Invalid, "anonymise.name", "The database "+pl.name+" belongs to the server.").WithFix("Name the one to make, such as postgres:///shop_dev.")
	}
	if len(pl.name) > 40 {
		return nil, errs.New(errs.Invalid, "anonymise.name", "The name of the database is too long.").WithFix("Use up to 40 characters.")
	}
	for _, always := range []string{"postgres", "template1"} {
		pl.server = given.At(always)
		if pl.keeper, err = pl.server.Connect(ctx, ""); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	if _, err = pl.keeper.Exec(ctx, `SELECT pg_advisory_lock(`+lockPull+`)`, pl.id); err != nil {
		return nil, pl.server.Failed("Making ready", err)
	}
	if err = pl.clean(ctx); err != nil {
		return nil, err
	}
	return pl, pl.free(ctx, p.o.Replace)
}

// private starts a server that goes when the pull ends.
func (pl *place) private(ctx context.Context) (err error) {
	if pl.scratch, err = newScratch(filepath.Join(os.TempDir(), "garant-pull-"), pl.id); err != nil {
		return err
	}
	pl.cluster, err = cluster.Open(ctx, cluster.Options{Name: "pull", Dir: filepath.Join(pl.scratch.path, "pg"), Settings: map[string]string{
		"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off", "max_wal_size": "4GB", "maintenance_work_mem": "128MB",
	}})
	if err != nil {
		return err
	}
	if pl.server, err = run.WriteTo(pl.cluster.DSN(cluster.SuperUser, "postgres"), "temporary server"); err != nil {
		return err
	}
	pl.keeper, err = pl.server.Connect(ctx, "")
	return err
}

// clean takes away what pulls left behind that are no more.
func (pl *place) clean(ctx context.Context) error {
	rows, err := pl.keeper.Query(ctx, `SELECT datname::text FROM pg_database WHERE starts_with(datname, $1 || '_pull_')`, pl.name)
	if err != nil {
		return pl.server.Failed("Looking for what is left of other pulls", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return pl.server.Failed("Looking for what is left of other pulls", err)
	}
	form := regexp.MustCompile(`^_pull_(?:old_)?([0-9a-f]{12})$`)
	for _, n := range names {
		m := form.FindStringSubmatch(strings.TrimPrefix(n, pl.name))
		if m == nil {
			continue
		}
		var dead bool
		if err := pl.keeper.QueryRow(ctx, `SELECT pg_try_advisory_lock(`+lockPull+`)`, m[1]).Scan(&dead); err != nil {
			return pl.server.Failed("Looking for what is left of other pulls", err)
		}
		if !dead {
			continue
		}
		if _, err := pl.keeper.Exec(ctx, `DROP DATABASE IF EXISTS `+quoted(n)+` WITH (FORCE)`); err != nil {
			return pl.server.Failed("Taking away what is left of a pull that ended", err)
		}
	}
	return nil
}

// free makes sure that the name may be taken.
func (pl *place) free(ctx context.Context, replace bool) error {
	var comment *string
	err := pl.keeper.QueryRow(ctx, `SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1`, pl.name).Scan(&comment)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return pl.server.Failed("Looking for the database", err)
	}
	pl.there = true
	var says struct {
		Garant string `json:"garant"`
	}
	if comment != nil && json.Unmarshal([]byte(*comment), &says) == nil && says.Garant == "copy" {
		return errs.New(errs.Conflict, "anonymise.copy", "The database "+pl.name+" is a copy that garant anonymise run publishes.").WithFix("Name a database of your own.")
	}
	if replace {
		return nil
	}
	conn, err := pl.server.Connect(ctx, pl.name)
	if err != nil {
		return err
	}
	defer run.HangUp(conn)
	var holds bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')`).Scan(&holds); err != nil {
		return pl.server.Failed("Looking into the database", err)
	}
	if holds {
		return errs.New(errs.Conflict, "anonymise.there", "The database "+pl.name+" is there and not empty.").WithFix("Say --replace to have it replaced, or name another one.")
	}
	return nil
}

// apart refuses to replace the copy that is read.
func (pl *place) apart(ctx context.Context, source pgx.Tx, copied string) error {
	if pl.name != copied {
		return nil
	}
	here, err := run.System(ctx, source.Conn())
	if err != nil {
		return pl.server.Failed("Asking which server it is", err)
	}
	there, err := run.System(ctx, pl.keeper)
	if err != nil {
		return pl.server.Failed("Asking which server it is", err)
	}
	if here == there {
		return errs.New(errs.Conflict, "anonymise.copy", "The database to make is the copy itself.").WithFix("Name a database of your own.")
	}
	return nil
}

// create makes the empty database. Where the server does not know how the copy sorts, it sorts as the server does.
func (pl *place) create(ctx context.Context, source pgx.Tx, r *Report) error {
	name := "subset"
	if pl.name != "" {
		name = pl.name + "_pull_" + pl.id
	}
	sql, err := run.EmptyLike(ctx, source, name)
	if err != nil {
		return pl.server.Failed("Reading the database's locale", err)
	}
	pl.database = name
	if _, err = pl.keeper.Exec(ctx, sql); err != nil {
		var f *pg.Fault
		if !errors.As(pg.Wrap(err), &f) || !strings.HasPrefix(f.SQLState, "22") && !strings.HasPrefix(f.SQLState, "42") || f.SQLState == "42501" {
			return pl.server.Failed("Making the database", err)
		}
		if _, err = pl.keeper.Exec(ctx, `CREATE DATABASE `+quoted(name)+` TEMPLATE template0 ENCODING 'UTF8'`); err != nil {
			return pl.server.Failed("Making the database", err)
		}
		r.Notes = append(r.Notes, "The server does not know the copy's locale: text sorts by its own.")
	}
	note, err := json.Marshal(map[string]any{"garant": "pull", "run": r.Run, "data": r.Data})
	if err != nil {
		return err
	}
	if _, err := pl.keeper.Exec(ctx, `COMMENT ON DATABASE `+quoted(name)+` IS '`+strings.ReplaceAll(string(note), `'`, `''`)+`'`); err != nil {
		return pl.server.Failed("Making the database", err)
	}
	return pl.roles(ctx, source, r)
}

// roles makes those that the copy's policies name, without any right to sign in.
func (pl *place) roles(ctx context.Context, source pgx.Tx, r *Report) error {
	rows, err := source.Query(ctx, `SELECT DISTINCT r.rolname::text FROM pg_policy p CROSS JOIN LATERAL unnest(p.polroles) u(oid) JOIN pg_roles r ON r.oid = u.oid ORDER BY 1`)
	if err != nil {
		return pl.server.Failed("Reading policies", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return pl.server.Failed("Reading policies", err)
	}
	for _, n := range names {
		var there bool
		if err := pl.keeper.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, n).Scan(&there); err != nil {
			return pl.server.Failed("Looking for roles", err)
		}
		if there {
			continue
		}
		if _, err := pl.keeper.Exec(ctx, `CREATE ROLE `+quoted(n)+` NOLOGIN`); err != nil {
			return errs.New(errs.Denied, "anonymise.role", "Policies name the role "+n+", which the server has not.").WithFix("Make it there: CREATE ROLE … NOLOGIN.").Wrap(pg.Wrap(err))
		}
		if pl.name != "" {
			r.Notes = append(r.Notes, "Made the role "+n+", which policies name; nobody can sign in as it.")
		}
	}
	return nil
}

// finish gives the database its name, in one step, and then destroys what had it.
func (pl *place) finish(ctx context.Context) error {
	if pl.name == "" {
		return nil
	}
	old := pl.name + "_pull_old_" + pl.id
	steps := []string{`ALTER DATABASE ` + quoted(pl.database) + ` RENAME TO ` + quoted(pl.name)}
	if pl.there {
		steps = append([]string{`ALTER DATABASE ` + quoted(pl.name) + ` RENAME TO ` + quoted(old)}, steps...)
	}
	if err := run.SwitchNames(ctx, pl.server, pl.keeper, steps, []string{pl.name}); err != nil {
		if e, ok := asError(err); ok && e.ID == "anonymise.sessions" {
			return errs.New(errs.Conflict, "anonymise.sessions", "Somebody is connected to "+pl.name+" and cannot be sent away.").WithFix("Stop what uses it, and pull again.")
		}
		return pl.server.Failed("Giving the database its name", err)
	}
	pl.database = ""
	if pl.there {
		// The new one is there; what had the name goes now, or with the next pull.
		_, _ = pl.keeper.Exec(ctx, `DROP DATABASE IF EXISTS `+quoted(old)+` WITH (FORCE)`)
	}
	return nil
}

// close takes away what is not finished, also when the pull was broken off.
func (pl *place) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if pl.keeper != nil && pl.database != "" && pl.name != "" {
		sql := `DROP DATABASE IF EXISTS ` + quoted(pl.database) + ` WITH (FORCE)`
		if _, err := pl.keeper.Exec(ctx, sql); err != nil {
			if conn, err := pl.server.Connect(ctx, ""); err == nil {
				_, _ = conn.Exec(ctx, sql) // else the next pull does it
				run.HangUp(conn)
			}
		}
	}
	if pl.keeper != nil {
		run.HangUp(pl.keeper)
	}
	if pl.cluster != nil {
		_ = pl.cluster.Close(ctx) // its files go
	}
	pl.scratch.remove()
}

// scratch is a directory that goes when the process ends in order, and with the next pull when it does not.
type scratch struct {
	path string
	held *os.File
}

// newScratch makes a directory and removes those of pulls that are no more.
func newScratch(prefix, id string) (*scratch, error) {
	left, _ := filepath.Glob(quoteGlob(prefix) + strings.Repeat("[0-9a-f]", len(id))) // only a malformed pattern fails
	for _, path := range left {
		if held, err := lockDirectory(path); err == nil {
			(&scratch{path, held}).remove()
		}
	}
	path := prefix + id
	if err := os.Mkdir(path, 0o711); err != nil { //nolint:gosec // PostgreSQL's account passes through
		return nil, errs.New(errs.Unavailable, "anonymise.temp", "A directory cannot be made in "+filepath.Dir(path)+".").WithFix("See that it is there and that you may write to it.").Wrap(err)
	}
	held, err := lockDirectory(path)
	if err != nil {
		_ = os.Remove(path)
		return nil, errs.New(errs.Unavailable, "anonymise.temp", "A directory in "+filepath.Dir(path)+" cannot be locked.").Wrap(err)
	}
	return &scratch{path, held}, nil
}

func quoteGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

func lockDirectory(path string) (*os.File, error) {
	f, err := os.Open(path) //nolint:gosec // one of ours
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("another process holds it: %w", err)
	}
	return f, nil
}

func (s *scratch) remove() {
	if s != nil {
		_ = os.RemoveAll(s.path)
		_ = s.held.Close()
	}
}
