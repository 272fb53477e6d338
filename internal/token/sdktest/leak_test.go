package sdktest

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/tenant"
	"github.com/garant-project/garant/tenant/stdsql"
)

// gossip is a tracer that writes down all that it is told, in every usual way.
type gossip struct {
	mu    sync.Mutex
	heard strings.Builder
	told  int
}

func (g *gossip) note(what any, parts ...any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.told++
	for _, p := range append(parts, what) {
		b, _ := json.Marshal(p)
		_, _ = fmt.Fprintf(&g.heard, "%v %+v %#v %s %x %s\n", p, p, p, p, p, b)
	}
}

func (g *gossip) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	g.note(d, d.SQL, d.Args)
	return ctx
}
func (g *gossip) TraceQueryEnd(_ context.Context, _ *pgx.Conn, d pgx.TraceQueryEndData) {
	g.note(d, d.Err)
}
func (g *gossip) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	for _, q := range d.Batch.QueuedQueries {
		g.note(q, q.SQL, q.Arguments)
	}
	return ctx
}
func (g *gossip) TraceBatchQuery(_ context.Context, _ *pgx.Conn, d pgx.TraceBatchQueryData) {
	g.note(d, d.SQL, d.Args, d.Err)
}
func (g *gossip) TraceBatchEnd(_ context.Context, _ *pgx.Conn, d pgx.TraceBatchEndData) {
	g.note(d, d.Err)
}
func (g *gossip) TracePrepareStart(ctx context.Context, _ *pgx.Conn, d pgx.TracePrepareStartData) context.Context {
	g.note(d)
	return ctx
}
func (g *gossip) TracePrepareEnd(_ context.Context, _ *pgx.Conn, d pgx.TracePrepareEndData) {
	g.note(d, d.Err)
}

// A token stands in no trace, error, list of activity, nor in a log that writes every statement down.
func TestTokenIsNotTold(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		if _, err := w.super.Exec(ctx, fmt.Sprintf(`ALTER DATABASE %[1]s SET log_statement = 'all'; ALTER DATABASE %[1]s SET log_min_error_statement = 'error';
			ALTER DATABASE %[1]s SET log_error_verbosity = 'verbose'; ALTER DATABASE %[1]s SET log_min_duration_statement = 0`, w.database)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _, _ = w.super.Exec(ctx, `ALTER DATABASE `+w.database+` RESET ALL`) })
		var all gossip
		var secrets []tenant.Token
		secret := func(tk tenant.Token) tenant.Token { secrets = append(secrets, tk); return tk }
		for _, mode := range modes {
			c := w.config(t)
			c.ConnConfig.DefaultQueryExecMode = mode
			c.ConnConfig.Tracer = &all
			p := open(t, c)
			for _, tk := range []tenant.Token{secret(w.token(t, w.a)), secret(w.expired(t, w.a))} {
				for _, sql := range []string{count, `SELECT 1/0`, `SELEC`, `SELECT $1::int`} {
					_, err := tenant.Exec(ctx, p, tk, sql)
					all.note(err)
					err = tenant.QueryRow(ctx, p, tk, sql).Scan(new(string))
					all.note(err)
				}
				tx, err := tenant.Begin(ctx, p, tk)
				all.note(err, tx)
				if err == nil {
					all.note(scalar[string](t, w.super.QueryRow(ctx, `SELECT string_agg(query, ' ') FROM pg_stat_activity WHERE usename = 'app'`)))
					_ = tx.Rollback(ctx)
				}
				db := stdsql.Open(c.ConnConfig)
				_, err = db.ExecContext(stdsql.With(ctx, tk), count)
				all.note(err)
				_ = db.Close()
			}
		}
		if all.told < 50 || !strings.Contains(all.heard.String(), "[token]") {
			t.Fatalf("the tracer was told of %d things, and of no token", all.told)
		}
		time.Sleep(200 * time.Millisecond) // the server writes its log
		logged := serverLog(t)
		if !strings.Contains(logged, "garant.enter($1)") {
			t.Fatal("the server's log has no statements: nothing was looked at")
		}
		for _, tk := range secrets {
			mac := tk.Bytes()[100:]
			list := strings.Trim(fmt.Sprintf("%d", mac), "[]")
			for _, form := range []string{hex.EncodeToString(mac), strings.ToUpper(hex.EncodeToString(mac)), string(mac), list, strings.ReplaceAll(list, " ", ","), tk.Encode()[140:]} {
				for where, said := range map[string]string{"what was traced": all.heard.String(), "the server's log": logged} {
					if strings.Contains(said, form) {
						t.Errorf("a token stands in %s", where)
					}
				}
			}
		}
	})
}

// serverLog is all that the server has logged.
func serverLog(t testing.TB) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(filepath.Join(running.dir, "pg"), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ".log") {
			b, err := os.ReadFile(path)
			all.Write(b)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
