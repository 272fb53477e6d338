package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/engine/tenancy"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// Options say where Garant keeps what it has and how it is set up.
type Options struct {
	DataDir string // keys, the private cluster
	Config  string // garant.yaml; empty: DataDir/garant.yaml when there is one
	Build   string // version of this program, named by evidence
	Log     *slog.Logger
	Now     func() time.Time
}

const databaseName = "garant"

// DefaultDataDir is where Garant keeps its data unless told: /var/lib/garant for root, the
// user's own data directory for others.
func DefaultDataDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/garant"
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "garant")
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "share", "garant")
	}
	return "garant-data"
}

// config reads the server's settings and, where garant.yaml is, its source.
func (o Options) config() (path string, source []byte, server *estate.Server, err error) {
	path = o.Config
	if path == "" {
		path = filepath.Join(o.DataDir, estate.FileName)
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			return "", nil, estate.DefaultServer(), nil
		}
	}
	source, dir, err := estate.ReadSource(path)
	if err != nil {
		return path, nil, nil, err
	}
	server, err = estate.ParseServer(source, dir)
	return path, source, server, err
}

// Store is the opened database with the keys that unlock what is sealed in it.
type Store struct {
	DB      *pg.DB
	Box     *crypt.Box
	Pen     *audit.Pen // that the connections of DB carry
	cluster *cluster.Cluster
	dsn     pg.DSN
}

// OpenStore starts or joins the private cluster, or goes to the database that garant.yaml
// names, and brings its schema up to this build.
func OpenStore(ctx context.Context, o Options, server *estate.Server) (*Store, error) {
	if err := makeDataDir(o.DataDir); err != nil {
		return nil, err
	}
	s := &Store{}
	if err := s.open(ctx, o, server); err != nil {
		s.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, o Options, server *estate.Server) (err error) {
	if s.dsn, err = s.reach(ctx, o, server); err != nil {
		return err
	}
	if _, err = s.migrate(ctx); err != nil {
		return err
	}
	if s.DB, err = pg.Open(ctx, s.dsn, pg.ServingRoles()...); err != nil {
		return err
	}
	if s.Box, err = openBox(ctx, o, server, s.DB); err != nil {
		return err
	}
	return s.takePen(o.Now)
}

// takePen has the connections of DB carry a pen, once.
func (s *Store) takePen(now func() time.Time) (err error) {
	if s.Pen != nil {
		return nil
	}
	if s.Pen, err = audit.NewPen(s.Box, now); err != nil {
		return err
	}
	s.Pen.Use(s.DB)
	return nil
}

// migrate brings the schema of the database up to this build, and a private cluster's database under guard. One of
// somebody else's is put there by its administrator, with Guard.
func (s *Store) migrate(ctx context.Context) ([]pg.Migration, error) {
	taken, err := pg.Migrate(ctx, s.dsn(pg.Owner))
	if err == nil && s.cluster != nil {
		err = guard(ctx, s.cluster.DSN(s.cluster.SuperUser(), databaseName))
	}
	return taken, err
}

func guard(ctx context.Context, address string) error {
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return pg.Wrap(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	return tenancy.GuardOwn(ctx, conn, "")
}

// own is Garant's own database as its tenancy looks after it.
func (s *Store) own() *tenancy.OwnDatabase {
	if s.dsn == nil {
		return nil
	}
	return &tenancy.OwnDatabase{Keeper: func() string { return s.dsn(pg.Worker) }}
}

// makeDataDir makes the data directory, or takes an empty one, such that the account that
// PostgreSQL runs as can pass through it; what lies in it has rights of its own.
func makeDataDir(dir string) error {
	err := os.MkdirAll(dir, 0o711) //nolint:gosec // as said above
	if err == nil {
		var inside []os.DirEntry
		if inside, err = os.ReadDir(dir); err == nil && len(inside) == 0 {
			err = os.Chmod(dir, 0o711) //nolint:gosec // as said above
		}
	}
	if err == nil {
		return nil
	}
	return errs.New(errs.Unavailable, "app.data_dir", "The data directory cannot be created.").
		WithFix("Choose one that this account may write to, with --data.").Wrap(err)
}

// reach makes the database reachable and says how each role connects.
func (s *Store) reach(ctx context.Context, o Options, server *estate.Server) (pg.DSN, error) {
	if urls := server.Database.URLs; len(urls) > 0 {
		known := map[pg.Role]string{}
		for role, secret := range urls {
			url, err := secret.Reveal()
			if err != nil {
				return nil, err
			}
			known[role] = url
		}
		return func(r pg.Role) string { return known[r] }, nil
	}
	var users []string
	for _, r := range pg.Roles() {
		users = append(users, string(r))
	}
	c, err := cluster.OpenNear(ctx, cluster.Options{
		Name: "garant", Dir: filepath.Join(o.DataDir, "pg"), Users: users, Log: o.Log,
		Settings: map[string]string{"shared_buffers": "64MB", "max_connections": "80"},
	})
	if err != nil {
		return nil, err
	}
	s.cluster = c
	if err := pg.Bootstrap(ctx, c.DSN(c.SuperUser(), "postgres"), databaseName); err != nil {
		return nil, err
	}
	return func(r pg.Role) string { return c.DSN(string(r), databaseName) }, nil
}

// Close leaves the database, and stops the private cluster if this process keeps it.
func (s *Store) Close(ctx context.Context) {
	if s.DB != nil {
		if s.Pen != nil {
			farewell, cancel := context.WithTimeout(ctx, 2*time.Second)
			_ = s.Pen.End(farewell, s.DB.Pool(pg.Worker)) // a process that is killed says none either
			cancel()
		}
		s.DB.Close()
	}
	if s.cluster != nil {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		_ = s.cluster.Close(ctx)
	}
}
