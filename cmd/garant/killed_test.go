package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/app"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// asHand makes the test binary be somebody of the company who does one thing by the operations of the
// console, and ends: what no command does, because two persons have to.
const asHand = "GARANT_TEST_AS_HAND"

// hand does one thing on a data directory: "propose" a draft that differs from the last, or "publish" what is proposed.
func hand(what, dataDir, config string) error {
	ctx := context.Background()
	g, err := app.Open(ctx, app.Options{DataDir: dataDir, Config: config, Build: build(), Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	defer g.Close(ctx)
	dir, err := g.Directory("", "")
	if err != nil {
		return err
	}
	lead := func(email string) (actor.Actor, error) {
		p, err := dir.PersonByEmail(ctx, actor.NewSystem("test"), email)
		return actor.Actor{Kind: actor.Person, ID: p.ID.String(), Role: p.Role, Permissions: p.Role.Permissions()}, err
	}
	by, err := lead(map[string]string{"propose": "une@ardoise.example", "publish": "autre@ardoise.example"}[what])
	if err != nil {
		return err
	}
	if what == "publish" {
		last, err := g.Book.Last(ctx)
		if err != nil {
			return err
		}
		_, err = g.Book.Publish(ctx, by, last.ID, "")
		return err
	}
	draft, err := g.Book.Draft(ctx)
	if err != nil {
		return err
	}
	text := fmt.Sprintf("parameters: {backup.database.retention: %dd}\n", 30-draft.Revision)
	if draft, err = g.Book.Edit(ctx, by, draft.Revision, text); err != nil {
		return err
	}
	_, err = g.Book.Propose(ctx, by, draft.Revision, "")
	return err
}

// asked runs hand when the environment asks for it, and ends.
func asked() {
	if what := os.Getenv(asHand); what != "" {
		if err := hand(what, os.Args[1], os.Args[2]); err != nil {
			text, fix := errs.Sentence(err)
			fmt.Fprintln(os.Stderr, text, fix)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

// victim is a company on a data directory of its own, with a server.
type victim struct {
	*testing.T
	dir, config string
}

func newVictim(t *testing.T) *victim {
	t.Helper()
	dir := scratch(t)
	v := &victim{T: t, dir: filepath.Join(dir, "data"), config: filepath.Join(dir, "garant.yaml")}
	var ports []any
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, l.Addr().(*net.TCPAddr).Port) //nolint:forcetypeassert // of a TCP listener
		defer func() { _ = l.Close() }()                    //nolint:revive // held until all are chosen
	}
	if err := os.WriteFile(v.config, fmt.Appendf(nil, `company: {name: Ardoise Mécénat, country: BE, languages: [fr, en], time_zone: Europe/Brussels, contact: dpo@ardoise.example}
listen: {console: "127.0.0.1:%d", annex: "127.0.0.1:%d", portal: "127.0.0.1:%d"}
`, ports...), 0o600); err != nil {
		t.Fatal(err)
	}
	v.run("estate", "apply")
	v.run("person", "add", "une@ardoise.example", "Une (exemple)", "--role", "lead")
	v.run("person", "add", "autre@ardoise.example", "Autre (exemple)", "--role", "lead")
	return v
}

func (v *victim) serve() *program {
	v.Helper()
	return launch(v.T, "serve", "--data", v.dir, "--config", v.config)
}

// command is garant on the data directory; hand is a person of the company.
func (v *victim) command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], append(args, "--data", v.dir, "--config", v.config)...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

func (v *victim) hand(what string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], v.dir, v.config)
	cmd.Env = append(os.Environ(), asHand+"="+what)
	return cmd
}

func (v *victim) run(args ...string) string {
	v.Helper()
	return v.ends(v.command(args...))
}

// ends runs something that has to succeed.
func (v *victim) ends(cmd *exec.Cmd) string {
	v.Helper()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		v.Fatalf("%q: %v\n%s%s", cmd.Args[1:], err, out, &stderr)
	}
	return string(out)
}

// super connects as the superuser of the private cluster.
func (v *victim) super() *pgx.Conn {
	v.Helper()
	pid, err := os.ReadFile(filepath.Join(v.dir, "pg", "data", "postmaster.pid"))
	lines := strings.Split(string(pid), "\n") // PostgreSQL, miscadmin.h: the 4th is the port, the 5th the directory of the socket
	if err != nil || len(lines) < 5 {
		v.Fatalf("no private cluster is running: %v", err)
	}
	conn, err := pgx.Connect(context.Background(), fmt.Sprintf("host=%s port=%s user=%s dbname=garant", lines[4], lines[3], cluster.SuperUser))
	if err != nil {
		v.Fatal(err)
	}
	v.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (v *victim) number(conn *pgx.Conn, sql string, args ...any) (n int) {
	v.Helper()
	if err := conn.QueryRow(context.Background(), sql, args...).Scan(&n); err != nil {
		v.Fatal(err)
	}
	return n
}

// waiting counts the sessions that wait for a table.
const waiting = "SELECT count(*) FROM pg_catalog.pg_locks WHERE NOT granted AND locktype = 'relation' AND relation = $1::pg_catalog.regclass"

// killedAt starts something, lets it come to where it writes to a table, and kills it there with SIGKILL.
func (v *victim) killedAt(table string, start func() (kill func())) {
	v.Helper()
	ctx, conn, look := context.Background(), v.super(), v.super()
	if _, err := conn.Exec(ctx, "BEGIN; LOCK TABLE "+table+" IN EXCLUSIVE MODE"); err != nil {
		v.Fatal(err)
	}
	kill := start()
	v.until("it writes to "+table, func() bool { return v.number(look, waiting, table) > 0 })
	kill()
	_ = conn.Close(ctx) // what was under way on the dead connection ends by itself
	_ = look.Close(ctx)
}

func (v *victim) until(what string, so func() bool) {
	v.Helper()
	for end := time.Now().Add(patience); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			v.Fatalf("never: %s", what)
		}
	}
}

// killed starts a command and returns how it is killed.
func (v *victim) killed(cmd *exec.Cmd) func() (kill func()) {
	return func() func() {
		if err := cmd.Start(); err != nil {
			v.Fatal(err)
		}
		v.Cleanup(func() { _ = cmd.Process.Kill() })
		return func() {
			_ = cmd.Process.Signal(syscall.SIGKILL)
			_ = cmd.Wait()
		}
	}
}

// settled waits until nobody but the caller is in a transaction: of the dead, nothing is under way any more.
func (v *victim) settled(conn *pgx.Conn) {
	v.Helper()
	v.until("nothing is under way", func() bool {
		return v.number(conn, "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = 'garant' AND xact_start IS NOT NULL AND pid <> pg_catalog.pg_backend_pid()") == 0
	})
}

// An import that is killed has imported nothing, wherever it was; the next one imports all of it.
func TestKilledWhileImporting(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the whole program")
	}
	v := newVictim(t)
	v.serve()
	const lines = 2500 // in three batches
	file := filepath.Join(filepath.Dir(v.dir), "assets.csv")
	var b strings.Builder
	b.WriteString("tag,name,kind\n")
	for i := range lines {
		fmt.Fprintf(&b, "EX-%d,Poste,laptop\n", i)
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	conn := v.super()
	count := func(table, where string) int {
		return v.number(conn, "SELECT count(*) FROM "+table+" WHERE "+where)
	}
	for _, table := range []string{"register.change", "audit.entry"} { // in the first batch, and after the last
		v.killedAt(table, v.killed(v.command("register", "import", "assets", file)))
		v.settled(conn)
		for table, where := range map[string]string{"register.entry": "true", "register.unique_value": "true", "register.change": "true", "audit.entry": "action = 'register.imported'"} {
			if n := count(table, where); n > 0 {
				t.Errorf("%d rows of an import that was killed are in %s", n, table)
			}
		}
	}
	if said := v.run("register", "import", "assets", file); !strings.Contains(said, strconv.Itoa(lines)) {
		t.Errorf("the next import says %s", said)
	}
	if n, audited := count("register.entry", "true"), count("audit.entry", "action = 'register.imported'"); n != lines || audited != 1 {
		t.Errorf("%d entries, %d imports on record", n, audited)
	}
}

// A publication that is killed has published nothing; a server that is killed while it makes a version public
// makes it so at its next start, once.
func TestKilledWhilePublishing(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the whole program")
	}
	v := newVictim(t)
	p := v.serve()
	conn := v.super()
	v.ends(v.hand("propose"))

	v.killedAt("audit.entry", v.killed(v.hand("publish")))
	v.settled(conn)
	for _, table := range []string{"measure.annex_decision", "annex.document"} {
		if n := v.number(conn, "SELECT count(*) FROM "+table); n > 0 {
			t.Errorf("%d rows of a publication that was killed are in %s", n, table)
		}
	}
	if states, err := p.states(); err == nil {
		t.Errorf("the public reads %v", states)
	}
	if said := v.run("annex", "versions", "--json"); strings.TrimSpace(said) != "[]" {
		t.Errorf("the versions are %s", said)
	}
	v.ends(v.hand("publish"))
	p.eventually("ENC-1", "unproven")

	// The server is killed between the document and what it changes, which are told together.
	v.ends(v.hand("propose"))
	v.killedAt("annex.revision", func() func() {
		v.ends(v.hand("publish"))
		return func() { p.stop(syscall.SIGKILL) }
	})
	p = v.serve()
	conn = v.super()
	public := func() int {
		return v.number(conn, "SELECT coalesce(max((payload ->> 'tailoring')::int), 0) FROM annex.document")
	}
	v.until("the second version is public", func() bool { return public() == 2 })
	p.eventually("ENC-1", "unproven")
	if n := v.number(conn, "SELECT count(*) FROM annex.document"); n != 2 {
		t.Errorf("the public was given %d documents of two versions", n)
	}
	told := "FROM annex.revision WHERE kind = 'wording'" // of each measure that quotes the figure which changed
	if n, of := v.number(conn, "SELECT count(*) "+told), v.number(conn, "SELECT count(DISTINCT measure_id) "+told); n == 0 || n != of {
		t.Errorf("the public was told %d times of %d measures with another figure", n, of)
	}
	if code := p.stop(syscall.SIGINT); code != 0 {
		t.Errorf("exit code %d after an interrupt\n%s", code, &p.err)
	}
	if left := leftovers(v.dir); len(left) > 0 {
		t.Errorf("left running: %q", left)
	}
}
