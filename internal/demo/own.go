package demo

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// The database that the last of the example's customers has to itself.
const (
	OwnName     = "mutuelle" // in the estate
	ownDatabase = "mutuelle"
	ownPlace    = "Namur, BE"
	ownFile     = "own.state"
	ownManifest = "own-isolation.yaml"
)

// ownState is how far it is.
type ownState int32

const (
	ownNone     ownState = iota // not declared: it may be there, and the customer on its way
	ownDeclared                 // guarded like the shared one: the customer lives there
	ownAlone                    // and has no row left in the shared one
)

func (s ownState) String() string { return [...]string{"none", "declared", "alone"}[s] }

// own is the file of the same address in the database of one customer's own.
func own(file string) string { return "own-" + file }

func (d *database) ownState() ownState { return ownState(d.own.Load()) }

// readOwn reads how far it was at the last start.
func (d *database) readOwn() error {
	text, err := os.ReadFile(d.path(ownFile))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return cannot("read "+ownFile, err)
	}
	for _, s := range []ownState{ownDeclared, ownAlone} {
		if strings.TrimSpace(string(text)) == s.String() {
			d.own.Store(int32(s))
		}
	}
	return nil
}

// OwnCustomer is the customer who gets a database of its own.
func OwnCustomer() Customer { return Customers()[len(Customers())-1] }

// Manifest says which rows of the shared database are whose.
func (c *Company) Manifest() []byte { return productionManifest }

// MakeOwn makes the database, empty, and tells the addresses of both by which the customer is moved, and where the
// programs are that match the server. The other roles have no way into it before it is guarded.
func (c *Company) MakeOwn(ctx context.Context) (from, to, programs string, err error) {
	c.db.mu.Lock()
	defer c.db.mu.Unlock()
	if err := (production{c.db}).runs(); err != nil {
		return "", "", "", err
	}
	err = c.db.as(ctx, cluster.SuperUser, "postgres", func(conn *pgx.Conn) error {
		var there bool
		if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, ownDatabase).Scan(&there); err != nil {
			return err
		}
		if !there {
			if _, err := conn.Exec(ctx, `CREATE DATABASE `+ownDatabase+` OWNER app_owner`); err != nil {
				return err
			}
		}
		_, err := conn.Exec(ctx, `REVOKE ALL ON DATABASE `+ownDatabase+` FROM PUBLIC`)
		return err
	})
	return c.db.cluster.DSN(cluster.SuperUser, productionDatabase), c.db.cluster.DSN(cluster.SuperUser, ownDatabase), c.db.cluster.BinDir(), err
}

// GuardOwn guards the database as the shared one is, once the customer's tables are there, and declares it.
func (c *Company) GuardOwn(ctx context.Context) error {
	c.db.mu.Lock()
	defer c.db.mu.Unlock()
	if err := (production{c.db}).runs(); err != nil {
		return err
	}
	err := c.db.as(ctx, cluster.SuperUser, ownDatabase, func(conn *pgx.Conn) error {
		if err := enter(ctx, conn); err != nil {
			return err
		}
		return pg.InTx(ctx, conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '2s'; `+productionIsolation) // the application is not kept waiting: it is tried again
			return err
		})
	})
	if err != nil {
		return err
	}
	return c.declare(max(c.db.ownState(), ownDeclared))
}

// LivesAlone reports whether the customer has moved, and nothing of it is left in the shared database.
func (c *Company) LivesAlone() bool { return c.db.ownState() == ownAlone }

// OwnDeclared reports whether the customer's database is guarded and declared.
func (c *Company) OwnDeclared() bool { return c.db.ownState() >= ownDeclared }

// Moved declares that the customer lives in its own database, and nothing of it is left in the shared one.
func (c *Company) Moved() error {
	c.db.mu.Lock()
	defer c.db.mu.Unlock()
	return c.declare(ownAlone)
}

func (c *Company) declare(s ownState) error {
	c.db.own.Store(int32(s))
	if err := c.save("garant.yaml", c.Config(), 0o644); err != nil {
		return err
	}
	return c.save(ownFile, []byte(s.String()+"\n"), 0o600)
}

// notMoving is what a fault of a customer who has not moved yet comes to.
func notMoving() error {
	return errs.New(errs.Conflict, "demo.moving", "The customer has not moved to its own database yet.").WithFix("Try again in a moment: it moves when the example has started.")
}

// ownManifestText is the manifest of that database.
func ownManifestText() []byte {
	return bytes.Replace(productionManifest, []byte("\ndatabase: "+productionDatabase+"\n"), []byte("\ndatabase: "+ownDatabase+"\n"), 1)
}
