package sdktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/tenant"
)

// pooler runs a pgbouncer that hands one or a few server connections to many clients, transaction by transaction.
func (w *world) pooler(t *testing.T, servers int, extra string) *pgxpool.Pool {
	t.Helper()
	bin, err := exec.LookPath("pgbouncer")
	if err != nil {
		if bin, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil {
			t.Fatal("pgbouncer is missing, through which this has to hold: run scripts/need pgbouncer")
		}
	}
	behind, err := pgx.ParseConfig(running.cluster.DSN("app", w.database))
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "gpb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	ini := filepath.Join(dir, "pgbouncer.ini")
	config := fmt.Sprintf(`[databases]
%[1]s = host=%[2]s port=%[3]d dbname=%[1]s user=app
[pgbouncer]
unix_socket_dir = %[4]s
listen_port = 6432
auth_type = any
pool_mode = transaction
default_pool_size = %[5]d
%[6]s
`, w.database, behind.Host, behind.Port, dir, servers, extra)
	if err := os.WriteFile(ini, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, ini)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 { // pgbouncer does not run as root; the cluster lets its own account in
		cred := account(t)
		cmd.SysProcAttr.Credential = cred
		if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	c := w.config(t)
	c.ConnConfig.Host, c.ConnConfig.Port = dir, 6432
	c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	c.MaxConns = 8
	p := open(t, c)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if err = p.Ping(context.Background()); err == nil {
			return p
		}
		if time.Now().After(deadline) {
			t.Fatalf("pgbouncer does not answer: %v\n%s", err, said.String())
		}
	}
}

// account is the one that PostgreSQL runs as here.
func account(t *testing.T) *syscall.Credential {
	t.Helper()
	for _, name := range []string{"garant", "postgres"} {
		if u, err := user.Lookup(name); err == nil && u.Uid != "0" {
			uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
			gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
			if err1 == nil && err2 == nil {
				return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
			}
		}
	}
	t.Fatal("there is no account garant or postgres on this machine")
	return nil
}

// poison is what one tenant can leave on a connection that goes to the next.
const poison = `
DECLARE kept CURSOR WITH HOLD FOR SELECT name FROM shop.item;
CREATE TEMP TABLE item AS SELECT tenant_id, name, n FROM shop.item;
PREPARE stolen AS SELECT name FROM pg_temp.item;
SET search_path = pg_temp, shop;
SELECT set_config('garant.context', current_setting('garant.context', true), false)`

// Through a pooler that resets its connections, nothing of one tenant reaches another.
func TestPooler(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		p := w.pooler(t, 1, "server_reset_query = DISCARD ALL\nserver_reset_query_always = 1")
		if err := leave(ctx, p, w.token(t, w.a)); err != nil {
			t.Fatal(err)
		}
		b := w.token(t, w.b)
		if n := scalar[int](t, tenant.QueryRow(ctx, p, b, count)); n != 5 {
			t.Errorf("%d rows, want 5", n)
		}
		if n := scalar[int](t, p.QueryRow(ctx, count)); n != 0 {
			t.Errorf("%d rows without a token", n)
		}
		for _, sql := range []string{`FETCH ALL FROM kept`, `SELECT name FROM item`, `SELECT name FROM pg_temp.item`, `EXECUTE stolen`} {
			if _, err := tenant.Exec(ctx, p, b, sql); err == nil {
				t.Errorf("%s: what another tenant left is there", sql)
			}
		}
		var all sync.WaitGroup
		until := time.Now().Add(2 * time.Second)
		for i := range 8 {
			all.Go(func() {
				tk, want := w.token(t, w.a), 3
				if i%2 == 1 {
					tk, want = w.token(t, w.b), 5
				}
				for time.Now().Before(until) {
					n, m := 0, 0
					err := tenant.QueryRow(ctx, p, tk, count).Scan(&n)
					tx, err2 := tenant.Begin(ctx, p, tk)
					if err = errors.Join(err, err2); err == nil {
						err = errors.Join(tx.QueryRow(ctx, count).Scan(&m), tx.Commit(ctx))
					}
					if err != nil || n != want || m != want {
						t.Errorf("%d and %d rows, %v; want %d", n, m, err, want)
						return
					}
				}
			})
		}
		all.Wait()
		w.atRest(t, p)
	})
}

// Through a pooler that does not reset, an open cursor keeps everybody out until it is closed; it is never read by another.
func TestPoolerWithoutReset(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		p := w.pooler(t, 1, "")
		if err := leave(ctx, p, w.token(t, w.a)); err != nil {
			t.Fatal(err)
		}
		if _, err := tenant.Begin(ctx, p, w.token(t, w.b)); !errors.Is(err, tenant.ErrCursor) {
			t.Error("beside another tenant's cursor:", err)
		}
		if _, err := tenant.Exec(ctx, p, w.token(t, w.b), `FETCH ALL FROM kept`); !errors.Is(err, tenant.ErrCursor) {
			t.Error("another tenant's cursor:", err)
		}
		if n := scalar[int](t, p.QueryRow(ctx, count)); n != 0 {
			t.Errorf("%d rows without a token: the context of the last one stands", n)
		}
		if _, err := p.Exec(ctx, `CLOSE ALL`); err != nil {
			t.Fatal(err)
		}
		if n := scalar[int](t, tenant.QueryRow(ctx, p, w.token(t, w.b), count)); n != 5 {
			t.Errorf("%d rows, want 5", n)
		}
	})
}

func leave(ctx context.Context, p *pgxpool.Pool, tk tenant.Token) error {
	tx, err := tenant.Begin(ctx, p, tk)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, poison); err != nil {
		return errors.Join(err, tx.Rollback(ctx))
	}
	return tx.Commit(ctx)
}
