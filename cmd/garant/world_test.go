package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/garant-project/garant/internal/discover/discovertest"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

// worlds are commands of scripts that start systems for garant init to find.
func worlds(t *testing.T) map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		// company starts a resolver and hosts below ardoise.example, one of which hangs, and says in
		// the environment where they are.
		"company": func(ts *testscript.TestScript, _ bool, _ []string) {
			h := discovertest.NewHosts(t)
			h.Serve(t, "app.ardoise.example")
			h.Serve(t, "staging.ardoise.example")
			h.Listen(t, "vpn.ardoise.example", h.Ports.HTTPS, discovertest.Hang)
			ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), h.CA.PEM(), 0o600))
			ts.Setenv("RESOLVER", h.Resolver.Address())
			ts.Setenv("PORTS", fmt.Sprintf("--https-port=%d", h.Ports.HTTPS))
			ts.Setenv("HTTP_PORT", strconv.Itoa(h.Ports.HTTP))
			ts.Setenv("POSTGRES_PORT", strconv.Itoa(h.Ports.Postgres))
		},
		// production starts a PostgreSQL with personal data and says in the environment how to reach
		// it, with a password that means nothing to it.
		"production": func(ts *testscript.TestScript, _ bool, _ []string) {
			dir, err := os.MkdirTemp("", "garant-init-")
			ts.Check(err)
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			c, err := pgtest.Start(ctx, filepath.Join(dir, "pg"))
			ts.Check(err)
			t.Cleanup(func() {
				_ = c.Close(context.Background())
				_ = os.RemoveAll(dir)
			})
			conn, err := pgx.Connect(ctx, c.DSN(cluster.SuperUser, "postgres"))
			ts.Check(err)
			defer func() { _ = conn.Close(ctx) }()
			for _, sql := range []string{
				"CREATE ROLE ardoise_app LOGIN", "CREATE ROLE dev_anna LOGIN",
				"CREATE TABLE public.applicant (first_name text, email text)",
				"GRANT SELECT ON public.applicant TO ardoise_app",
			} {
				_, err := conn.Exec(ctx, sql)
				ts.Check(err)
			}
			config := conn.Config()
			ts.Setenv("PRODUCTION_URL", fmt.Sprintf("postgres://%s:hunter2@/postgres?host=%s&port=%d", config.User, url.QueryEscape(config.Host), config.Port))
		},
	}
}
