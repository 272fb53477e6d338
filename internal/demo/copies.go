package demo

import (
	"context"
	_ "embed"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// The example's cluster for anonymised copies: a PostgreSQL of its own, beside production's and Garant's.
const (
	copiesName    = "copies"
	copiesHost    = "copies.ardoise.example"
	copiesPort    = 18433
	copiesSystem  = "copies.system" // the cluster's identifier, known from its first start on
	copierAddress = "copier.url"    // of who makes the copies
	issuerAddress = "credentials.url"
	planFile      = "anonymise.yaml" // what becomes of every column
	copyReader    = "copy_reader"    // in production
	readerAddress = "copy-reader.url"

	CopyName      = "ardoise_dev" // under which developers find the copy
	CopyDeveloper = "dev"
	copyEvery     = time.Minute
	copyMaxAge    = 5 * time.Minute
)

//go:embed production/copies.sql
var copiesRoles string

//go:embed production/anonymise.yaml
var copiesPlan []byte

// copies is the cluster for copies, reached by Garant and by developers over TLS, with passwords.
type copies struct {
	options cluster.Options
	path    func(name string) string
	save    func(name string, content []byte, mode os.FileMode) error

	mu      sync.Mutex
	cluster *cluster.Cluster
	closed  bool
	system  atomic.Value  // string: the cluster's identifier; empty before the first start
	fault   string        // that somebody gave the copies
	started chan struct{} // of a start beside everything else; nil: there was none
}

// newCopies writes the certificate and says how the cluster runs.
func (c *Company) newCopies(log *slog.Logger) (*copies, error) {
	key, err := c.key(copiesName)
	if err != nil {
		return nil, err
	}
	if err := c.certify(copiesName, copiesHost, key); err != nil {
		return nil, err
	}
	port, err := c.portFor(copiesName, copiesPort)
	if err != nil {
		return nil, err
	}
	system, err := os.ReadFile(c.path(copiesSystem))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, cannot("read "+copiesSystem, err)
	}
	k := &copies{path: c.path, save: c.save, options: cluster.Options{
		Name: copiesName, Dir: filepath.Join(c.dir, copiesName), Log: log,
		TCP: &cluster.TCP{Port: port, CertFile: c.path(copiesName + ".pem"), KeyFile: c.path(copiesName + ".key")},
		// A copy that a crash takes with it is made again within a minute.
		Settings: map[string]string{"shared_buffers": "16MB", "max_connections": "30", "synchronous_commit": "off"},
	}}
	k.system.Store(strings.TrimSpace(string(system)))
	return k, nil
}

func (k *copies) identifier() string {
	system, _ := k.system.Load().(string)
	return system
}

// early starts a cluster that is there already, beside everything else. A new one takes a second of the processor, and comes
// later.
func (k *copies) early(ctx context.Context, log *slog.Logger) {
	if k.identifier() == "" {
		return
	}
	k.started = make(chan struct{})
	go func() {
		defer close(k.started)
		if err := k.open(ctx); err != nil && ctx.Err() == nil {
			log.Warn("the example's cluster for copies does not start", "error.message", err.Error()) // tried again by OpenCopies
		}
	}()
}

// open starts the cluster, or makes it, and sees that its roles are there.
func (k *copies) open(ctx context.Context) (err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cluster != nil || k.closed {
		return nil
	}
	running, err := cluster.OpenNear(ctx, k.options)
	if err != nil {
		return err
	}
	if err := k.prepare(ctx, running); err != nil {
		_ = running.Close(context.WithoutCancel(ctx))
		return err
	}
	k.cluster = running
	system := strconv.FormatUint(running.SystemIdentifier(), 10)
	if err := k.save(copiesSystem, []byte(system+"\n"), 0o644); err != nil {
		return err
	}
	k.system.Store(system)
	return nil
}

func (k *copies) prepare(ctx context.Context, running *cluster.Cluster) error {
	return signIn(ctx, running.DSN(cluster.SuperUser, "postgres"), func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, copiesRoles); err != nil {
			return err
		}
		for role, file := range map[string]string{"copier": copierAddress, "issuer": issuerAddress} {
			password, address, err := addressOf(k.path, file, role, "postgres", k.options.TCP.Port)
			if err != nil {
				return err
			}
			if _, err := conn.Exec(ctx, `ALTER ROLE `+role+` PASSWORD '`+password+`'`); err != nil { // as in production
				return err
			}
			if err := k.save(file, []byte(address+"\n"), 0o600); err != nil {
				return err
			}
		}
		return nil
	})
}

func (k *copies) close() {
	if k.started != nil {
		<-k.started
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	if k.cluster == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_ = k.cluster.Close(ctx)
	k.cluster = nil
}

// OpenCopies starts the cluster for copies unless it runs, and declares that copies of production are made there. From then
// on garant.yaml says so.
func (c *Company) OpenCopies(ctx context.Context) error {
	if c.copies.started != nil {
		<-c.copies.started
	}
	if err := c.copies.open(ctx); err != nil {
		return err
	}
	c.db.mu.Lock() // garant.yaml is written by one at a time
	defer c.db.mu.Unlock()
	return c.save("garant.yaml", c.Config(), 0o644)
}

// CopierAddress is the address of the cluster for copies as who makes them; empty: it was never started.
func (c *Company) CopierAddress() string { return c.readAddress(copierAddress) }

func (c *Company) readAddress(file string) string {
	text, err := os.ReadFile(c.path(file))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// Copied is what the estate says of the copies of a database; nil: none are made.
type copied struct{ Plan, Reader, Target, Issuer, System, Name, Developer, Every, MaxAge string }

// copyDown is what an order that needs the copies comes to before they are there.
func copyDown() error {
	return errs.New(errs.Conflict, "demo.no_copy", "There is no copy yet.").WithFix("Try again in a moment: the first is made when the example has started.")
}
