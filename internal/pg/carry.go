package pg

import (
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// carriedKey is where a connection keeps what its DB carries.
const carriedKey = "garant.carried"

type carried struct{ what atomic.Pointer[any] }

// Watcher is what a DB carries and is told when a transaction of its connections ends: committed only when the database has
// said so. A savepoint that is rolled back is told as one that was not.
type Watcher interface {
	Ended(conn *pgx.Conn, committed bool)
}

// Carry gives every connection of the DB something to carry, from now on, which Carried gives back: what a package above needs
// wherever a transaction of this DB gets to, and nowhere else. Once.
func (db *DB) Carry(what any) { db.carried.what.Store(&what) }

// Carried is what the DB of a connection carries; nil: nothing, or the connection is of none.
func Carried(conn *pgx.Conn) any {
	if conn == nil {
		return nil
	}
	c, ok := conn.PgConn().CustomData()[carriedKey].(*carried)
	if !ok {
		return nil
	}
	if what := c.what.Load(); what != nil {
		return *what
	}
	return nil
}
