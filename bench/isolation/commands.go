package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg/cluster"
)

// commands times plan and verify as a developer runs them, against a pg_dump of the same schema.
func commands(ctx context.Context, out io.Writer, dir, garant string) error {
	c, err := cluster.Open(ctx, cluster.Options{Name: "bench", Dir: filepath.Join(dir, "pg"), Users: []string{"app", "owner"}, Settings: map[string]string{"max_locks_per_transaction": "1024"}})
	if err != nil {
		return err
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	root, err := pgx.Connect(ctx, c.DSN(cluster.SuperUser, "postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = root.Close(context.WithoutCancel(ctx)) }()
	if _, err := root.Exec(ctx, `CREATE ROLE app LOGIN; CREATE ROLE owner LOGIN`); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "%-42s %10s %10s %8s  %s\n", "", "measured", "pg_dump", "ratio", "goal")
	for _, b := range []struct {
		tables int
		what   string
		goal   time.Duration
		steps  [][]string
	}{
		{1000, "plan", 5 * time.Second, [][]string{{"plan"}}},
		{150, "verify with a scratch copy", time.Minute, [][]string{{"plan"}, {"apply"}, {"verify", "--scratch", "--timeout", "5m"}}},
	} {
		name := fmt.Sprintf("tables%d", b.tables)
		if _, err := root.Exec(ctx, `CREATE DATABASE `+name+` OWNER owner`); err != nil {
			return err
		}
		if err := many(ctx, c.DSN("owner", name), b.tables); err != nil {
			return err
		}
		at := root.Config()
		env := "BENCH_URL=" + (&url.URL{Scheme: "postgres", User: url.User(at.User), Path: "/" + name, RawQuery: url.Values{"host": {at.Host}, "port": {strconv.Itoa(int(at.Port))}}.Encode()}).String()
		var took time.Duration
		for _, args := range b.steps {
			if args[0] == "apply" {
				if err := decide(filepath.Join(dir, name+".yaml")); err != nil {
					return err
				}
			}
			args = append([]string{"isolation", args[0], "--url", "env:BENCH_URL", "--manifest", filepath.Join(dir, name+".yaml")}, args[1:]...)
			if args[1] == "plan" {
				args = append(args, "--app", "app")
			}
			if took, err = timed(ctx, env, garant, args...); err != nil {
				return err
			}
		}
		dump, err := timed(ctx, "PGOPTIONS=", filepath.Join(c.BinDir(), "pg_dump"), "--schema-only", "--dbname", c.DSN(cluster.SuperUser, name))
		if err != nil {
			return err
		}
		held := "held"
		if took > b.goal {
			held = "MISSED"
		}
		_, _ = fmt.Fprintf(out, "%-42s %10s %10s %7.1f×  %s: %s\n", fmt.Sprintf("%s of %d tables", b.what, b.tables), took.Round(10*time.Millisecond), dump.Round(10*time.Millisecond), float64(took)/float64(dump), held, b.goal)
	}
	return nil
}

// many makes tables of one tenant column, in chains of four.
func many(ctx context.Context, dsn string, tables int) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, `CREATE SCHEMA shop; GRANT USAGE ON SCHEMA shop TO app; CREATE TABLE shop.tenant (id uuid PRIMARY KEY, name text NOT NULL); GRANT SELECT ON shop.tenant TO app`); err != nil {
		return err
	}
	for i := range tables - 1 {
		key, up := fmt.Sprintf("CREATE TABLE shop.t%d (tenant_id uuid NOT NULL REFERENCES shop.tenant, id bigint GENERATED ALWAYS AS IDENTITY, a integer, b text, c timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (tenant_id, id)", i), ""
		if i%4 > 0 {
			up = fmt.Sprintf(", up bigint NOT NULL, FOREIGN KEY (tenant_id, up) REFERENCES shop.t%d ON DELETE CASCADE", i-1)
		}
		if _, err := conn.Exec(ctx, key+up+fmt.Sprintf("); CREATE INDEX ON shop.t%d (tenant_id, c); GRANT SELECT, INSERT, UPDATE, DELETE ON shop.t%[1]d TO app", i)); err != nil {
			return err
		}
	}
	return nil
}

// decide takes the doubts out of a manifest, as a person does who has answered them.
func decide(path string) error {
	b, err := os.ReadFile(path) //nolint:gosec // our own
	if err != nil {
		return err
	}
	var kept []string
	in := -1 // how far the doubts are indented
	for line := range strings.Lines(string(b)) {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		if in >= 0 && (indent > in || indent == in && strings.HasPrefix(line[indent:], "- ")) {
			continue
		}
		if in = -1; strings.HasPrefix(line[indent:], "doubts:") {
			in = indent
			continue
		}
		kept = append(kept, line)
	}
	return os.WriteFile(path, []byte(strings.Join(kept, "")), 0o600)
}

func timed(ctx context.Context, env, program string, args ...string) (time.Duration, error) {
	cmd := exec.CommandContext(ctx, program, args...) //nolint:gosec // our own programs
	cmd.Env = append(os.Environ(), env)
	var said strings.Builder
	cmd.Stderr = &said
	if args[0] == "isolation" {
		cmd.Stdout = &said
	}
	began := time.Now()
	err := cmd.Run()
	took := time.Since(began)
	var code *exec.ExitError
	if errors.As(err, &code) && code.ExitCode() == 3 && args[0] == "isolation" { // findings are findings
		err = nil
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, said.String())
	}
	return took, nil
}
