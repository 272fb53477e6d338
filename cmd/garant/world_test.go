package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/garant-project/garant/internal/demo/servers/secondaccount"
	"github.com/garant-project/garant/internal/discover/discovertest"
	"github.com/garant-project/garant/internal/engine/auditlog/worm/wormtest"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

// worlds are commands of scripts that start systems for garant init to find.
func worlds(t *testing.T) map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		// second starts a second account, and says in the environment where it is and who may do what there.
		"second": func(ts *testscript.TestScript, _ bool, _ []string) {
			a := wormtest.Start(t)
			for name, value := range map[string]string{
				"ENDPOINT": a.Endpoint(), "REGION": secondaccount.Region, "BUCKET": a.Bucket(),
				"WRITER": a.Account.Writer().AccessKey, "WRITER_SECRET": a.Account.Writer().SecretKey, "READER": a.Account.Verifier().AccessKey, "READER_SECRET": a.Account.Verifier().SecretKey,
			} {
				ts.Setenv("SECOND_"+name, value)
			}
			for _, site := range []string{"CONSOLE", "ANNEX", "PORTAL"} { // free just now
				l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
				ts.Check(err)
				ts.Setenv("SECOND_"+site, l.Addr().String())
				ts.Check(l.Close())
			}
		},
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
			conn, address := postgres(t, ts)
			for _, sql := range []string{
				"CREATE ROLE ardoise_app LOGIN", "CREATE ROLE dev_anna LOGIN",
				"CREATE TABLE public.applicant (first_name text, email text)",
				"GRANT SELECT ON public.applicant TO ardoise_app",
			} {
				_, err := conn.Exec(context.Background(), sql)
				ts.Check(err)
			}
			ts.Setenv("PRODUCTION_URL", address)
		},
		// shop runs the statements of a file in a PostgreSQL, which it starts the first time, and says
		// in the environment how to reach it.
		"shop": func(ts *testscript.TestScript, _ bool, args []string) {
			conn, err := pgx.Connect(context.Background(), ts.Getenv("SHOP_URL"))
			if ts.Getenv("SHOP_URL") == "" {
				var address string
				conn, address = postgres(t, ts)
				ts.Setenv("SHOP_URL", address)
			} else {
				ts.Check(err)
			}
			_, err = conn.Exec(context.Background(), ts.ReadFile(args[0]))
			ts.Check(err)
			var system string
			ts.Check(conn.QueryRow(context.Background(), "SELECT system_identifier::text FROM pg_control_system()").Scan(&system))
			ts.Setenv("SHOP_SYSTEM", system)
			ts.Setenv("SHOP_DATABASE", conn.Config().Database)
			ts.Check(conn.Close(context.Background()))
		},
		// copy publishes a copy of what the statements of a file make, as garant anonymise run leaves it, and says in the environment how to reach it and a database
		// that could be made for a developer.
		"copy": func(ts *testscript.TestScript, _ bool, args []string) {
			conn, address := postgres(t, ts)
			for _, sql := range []string{`CREATE DATABASE shop_dev`, `COMMENT ON DATABASE shop_dev IS '{"garant": "copy", "run": "0123456789ab", "name": "shop_dev", "began": "2026-11-27T06:00:00Z", "proof": "passed"}'`} {
				_, err := conn.Exec(context.Background(), sql)
				ts.Check(err)
			}
			ts.Setenv("COPY_URL", strings.Replace(address, "/postgres?", "/shop_dev?", 1))
			ts.Setenv("MINE_URL", strings.Replace(address, "/postgres?", "/mine?", 1))
			ts.Setenv("OTHER_URL", address)
			shop, err := pgx.Connect(context.Background(), ts.Getenv("COPY_URL"))
			ts.Check(err)
			_, err = shop.Exec(context.Background(), ts.ReadFile(args[0]))
			ts.Check(err)
			ts.Check(shop.Close(context.Background()))
		},
	}
}

// postgres starts a PostgreSQL that goes with the test, and returns a connection of its superuser
// and the URL of it, with a password that means nothing to it.
func postgres(t *testing.T, ts *testscript.TestScript) (conn *pgx.Conn, address string) {
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
	conn, err = pgx.Connect(ctx, c.DSN(cluster.SuperUser, "postgres"))
	ts.Check(err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	config := conn.Config()
	return conn, fmt.Sprintf("postgres://%s:hunter2@/postgres?host=%s&port=%d", config.User, url.QueryEscape(config.Host), config.Port)
}

// Ctrl-C while hosts are asked leaves nothing: no file, no directory.
func TestInitInterrupted(t *testing.T) {
	h := discovertest.NewHosts(t)
	h.Listen(t, "app.ardoise.example", h.Ports.HTTPS, discovertest.Hang)
	data := filepath.Join(scratch(t), "data")
	out := filepath.Join(filepath.Dir(data), "garant.yaml")
	cmd := exec.Command(os.Args[0], "init", "--company", "X", "--country", "BE", "--domain", "ardoise.example", "--resolver", h.Resolver.Address(),
		fmt.Sprintf("--https-port=%d", h.Ports.HTTPS), "--yes", "--data", data, "--out", out)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	for lines.Scan() && !strings.Contains(lines.Text(), "Looking up") {
	}
	start := time.Now()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(stderr)
	err = cmd.Wait()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it went on for %s", took)
	}
	if cmd.ProcessState.ExitCode() != 7 || !strings.Contains(string(rest), "nothing was written") {
		t.Errorf("%v: %s", err, rest)
	}
	entries, err := os.ReadDir(filepath.Dir(data))
	if err != nil || len(entries) > 0 {
		t.Errorf("%v, %v is left", err, entries)
	}
}
