package demo

import (
	"context"
	"crypto/ecdsa"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/garant-project/garant/internal/demo/servers"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// The example's production database: a PostgreSQL of its own, beside Garant's.
const (
	databaseName = "database"
	databaseHost = "db.ardoise.example"
	databasePort = 18432
	certLife     = 90 * 24 * time.Hour
)

// database is the example's production PostgreSQL, reached over TLS only.
type database struct {
	options cluster.Options
	key     *ecdsa.PrivateKey
	path    func(name string) string
	save    func(name string, content []byte, mode os.FileMode) error

	mu      sync.Mutex // one order at a time
	cluster *cluster.Cluster
	fault   string
	damage  string       // fault of the rights within it
	system  atomic.Value // string: the cluster's identifier; empty before the first start
	own     atomic.Int32 // how far the database of one customer's own is: ownState
}

// newDatabase writes the certificate and says how the cluster runs.
func (c *Company) newDatabase(log *slog.Logger) (*database, error) {
	key, err := c.key(databaseName)
	if err != nil {
		return nil, err
	}
	if err := c.certify(databaseName, databaseHost, key); err != nil {
		return nil, err
	}
	port, err := c.portFor(databaseName, databasePort)
	if err != nil {
		return nil, err
	}
	system, err := os.ReadFile(c.path(productionSystem))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, cannot("read "+productionSystem, err)
	}
	d := &database{key: key, path: c.path, save: c.save, options: cluster.Options{
		Name: "production", Dir: filepath.Join(c.dir, "production"), Log: log,
		TCP:      &cluster.TCP{Port: port, CertFile: c.path(databaseName + ".pem"), KeyFile: c.path(databaseName + ".key")},
		Settings: map[string]string{"shared_buffers": "16MB", "max_connections": "30"},
	}}
	d.system.Store(strings.TrimSpace(string(system)))
	return d, d.readOwn()
}

// certify writes the certificate of a cluster.
func (c *Company) certify(name, host string, key *ecdsa.PrivateKey) error {
	now := time.Now()
	cert, err := c.ca.IssueFor(key, host, now.Add(-time.Hour), now.Add(certLife), "Ardoise Mécénat SRL")
	if err != nil {
		return err
	}
	var chain []byte
	for _, der := range cert.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return c.save(name+".pem", chain, 0o644)
}

// portFor is where a cluster answers: where it did, or at the usual port, or, the first time only, at any free one.
func (c *Company) portFor(name string, usual int) (int, error) {
	ports, known := c.ports[name]
	if !known {
		ports[0] = usual
		if !c.usual(usual) {
			var err error
			if ports[0], err = c.free.Free(); err != nil {
				return 0, err
			}
		}
		c.ports[name] = ports
	}
	return ports[0], nil
}

// open starts the cluster and sees that the database of customers is in it.
func (d *database) open(ctx context.Context) (err error) {
	if d.cluster, err = cluster.OpenNear(ctx, d.options); err != nil {
		return err
	}
	return d.prepare(ctx)
}

func (d *database) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stop()
}

func (d *database) stop() {
	if d.cluster == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_ = d.cluster.Close(ctx)
	d.cluster = nil
}

// Fault is what it suffers from; empty: nothing.
func (d *database) Fault() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fault
}

// Break stops the server: the only fault that this endpoint knows.
func (d *database) Break(fault string) error {
	if fault != servers.FaultDown {
		return errs.New(errs.Invalid, "demo.fault", fmt.Sprintf("The example's database cannot be given the fault %q.", fault)).WithFix("Choose down.")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stop()
	d.fault = fault
	return nil
}

// Mend starts it again.
func (d *database) Mend() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fault == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := d.open(ctx); err != nil {
		return err
	}
	d.fault = ""
	return nil
}

func (d *database) Pin() (string, error) { return servers.KeyPin(d.key.Public()) }

// identifier is the cluster's; empty before the first start.
func (d *database) identifier() string {
	system, _ := d.system.Load().(string)
	return system
}
