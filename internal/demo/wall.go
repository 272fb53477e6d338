package demo

import (
	"context"
	_ "embed"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// PrizeID is the application of the second customer in which the arena's prize is.
const PrizeID = "0a7e0a00-0000-4000-8000-000000000002"

//go:embed production/wall.sql
var wallSQL string

// wall is the database of customers as the arena looks at it.
type wall struct {
	pool *pgxpool.Pool
	mu   sync.Mutex
	was  string // of when the arena was opened; empty: not seen yet
}

// wallName is what the arena's own connections call themselves.
const wallName = "garant arena"

func (c *Company) openWall(ctx context.Context) (*wall, error) {
	c.db.mu.Lock()
	running := c.db.cluster
	c.db.mu.Unlock()
	if running == nil {
		return nil, errs.New(errs.Conflict, "demo.database_down", "The example's database is stopped.").WithFix("Mend it first: garant demo mend " + databaseName + ".")
	}
	config, err := pgxpool.ParseConfig(running.DSN(cluster.SuperUser, productionDatabase))
	if err != nil {
		return nil, pg.Wrap(err)
	}
	config.MaxConns, config.ConnConfig.RuntimeParams["application_name"] = 2, wallName
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	return &wall{pool: pool}, nil
}

// Stands compares what guards the rows with what it was when the arena was opened.
func (w *wall) Stands(ctx context.Context) (whole, alone bool, err error) {
	var now string
	var others int
	if err := w.pool.QueryRow(ctx, wallSQL, []string{wallName, "garant tenant move"}).Scan(&now, &others); err != nil {
		return false, false, pg.Wrap(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.was == "" {
		w.was = now
	}
	return now == w.was, others == 0, nil
}

// Hide writes the prize into its row, which it makes when it is not there.
func (w *wall) Hide(ctx context.Context, text string) error {
	return pg.Wrap(pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
INSERT INTO customer.application (organisation_id, id, applicant_id, field, subject, description, amount)
SELECT 2, $1::uuid, a.id, 'culture', 'Le prix de l’arène', $2, 1 FROM customer.applicant a WHERE a.organisation_id = 2 ORDER BY a.id LIMIT 1
ON CONFLICT (organisation_id, id) DO UPDATE SET description = excluded.description`, PrizeID, text)
		return err
	}))
}

func (w *wall) close() { w.pool.Close() }

// psql are psql's arguments for the database of customers: as the superuser through the socket, or as the
// application with its password.
func (c *Company) psql(superuser bool) (connect, password string, err error) {
	if superuser {
		c.db.mu.Lock()
		defer c.db.mu.Unlock()
		if err := (production{c.db}).runs(); err != nil {
			return "", "", err
		}
		return c.db.cluster.DSN(cluster.SuperUser, productionDatabase), "", nil
	}
	password, address, err := c.db.address(productionApp, appAddress)
	if err != nil {
		return "", "", err
	}
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return "", "", pg.Wrap(err)
	}
	quoted := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(c.path("ca.pem"))
	return "host=" + config.Host + " port=" + portOf(c) + " dbname=" + productionDatabase + " user=" + productionApp + " sslmode=verify-ca sslrootcert='" + quoted + "'", password, nil
}
