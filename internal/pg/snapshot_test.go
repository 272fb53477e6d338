package pg_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

// TestJoinSnapshot sees what the other session sees, until that session ends.
func TestJoinSnapshot(t *testing.T) {
	name := pgtest.NewName(t)
	holder, reader, writer := pgtest.Superuser(t, name), pgtest.Superuser(t, name), pgtest.Superuser(t, name)
	pgtest.Exec(t, writer, `CREATE TABLE seen (n int)`)
	pgtest.Exec(t, holder, `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`)
	var snapshot string
	if err := holder.QueryRow(t.Context(), `SELECT pg_export_snapshot()`).Scan(&snapshot); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, writer, `INSERT INTO seen VALUES (1)`)
	join := func() (pgx.Tx, error) {
		tx, err := reader.BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
		if err != nil {
			t.Fatal(err)
		}
		return tx, pg.JoinSnapshot(t.Context(), reader, snapshot)
	}
	tx, err := join()
	if err != nil {
		t.Fatal(err)
	}
	rows := -1
	if err := tx.QueryRow(t.Context(), `SELECT count(*) FROM seen`).Scan(&rows); err != nil || rows != 0 {
		t.Errorf("%d rows, %v: the snapshot is from before the first", rows, err)
	}
	_ = tx.Rollback(t.Context())
	pgtest.Exec(t, writer, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'`)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) { // it ends when it gets round to it
		tx, err = join()
		_ = tx.Rollback(t.Context())
		if err != nil || time.Now().After(end) {
			break
		}
	}
	if !errs.Is(err, errs.Unavailable) {
		t.Errorf("joined the snapshot of a session that has ended: %v", err)
	}
}
