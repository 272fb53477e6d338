package scale

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg/cluster"
)

// machine runs PostgreSQL's own programs: a primary and its standby need what package cluster
// does not give.
type machine struct {
	t   testing.TB
	dir string
	bin string
}

var binaries string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "garant-scale-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := 1
	func() {
		defer func() { _ = os.RemoveAll(dir) }()
		if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // PostgreSQL's account must enter
			fmt.Fprintln(os.Stderr, err)
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		c, err := cluster.Open(ctx, cluster.Options{Name: "test", Dir: filepath.Join(dir, "pg"), Settings: map[string]string{"fsync": "off"}})
		if err != nil {
			fmt.Fprintln(os.Stderr, "the test cluster does not start:", err)
			return
		}
		running, binaries = c, c.BinDir()
		code = m.Run()
		_ = c.Close(context.Background())
	}()
	os.Exit(code)
}

// running is the cluster for what needs one server only.
var running *cluster.Cluster

func newMachine(t testing.TB) *machine {
	t.Helper()
	dir, err := os.MkdirTemp("", "garant-replica-")
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, dir: dir, bin: binaries}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // PostgreSQL's account must enter
		t.Fatal(err)
	}
	m.own(dir)
	return m
}

// own gives a path to the account that PostgreSQL runs as, when this process is root.
func (m *machine) own(path string) {
	if os.Geteuid() != 0 {
		return
	}
	if out, err := exec.Command("chown", running.Account(), path).CombinedOutput(); err != nil {
		m.t.Fatalf("%v: %s", err, out)
	}
}

func (m *machine) run(program string, args ...string) {
	m.t.Helper()
	name := filepath.Join(m.bin, program)
	if os.Geteuid() == 0 {
		args = append([]string{"-u", running.Account(), "--", name}, args...)
		name = "runuser"
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		if logs, second := filepath.Glob(filepath.Join(m.dir, "*.log")); second == nil {
			for _, name := range logs {
				text, _ := os.ReadFile(name)
				out.Write(text)
			}
		}
		m.t.Fatalf("%s: %v: %s", program, err, out.String())
	}
}

// start runs a server in a directory, on a socket of its own.
func (m *machine) start(data string) {
	m.t.Helper()
	if err := os.Mkdir(data+".sock", 0o755); err != nil { //nolint:gosec // the test connects through it
		m.t.Fatal(err)
	}
	m.own(data + ".sock")
	m.run("pg_ctl", "start", "-w", "-s", "-D", data, "-l", data+".log", "-o", "-c listen_addresses='' -c unix_socket_directories="+data+".sock -c fsync=off -c hot_standby=on")
	m.t.Cleanup(func() { m.run("pg_ctl", "stop", "-s", "-m", "immediate", "-D", data) })
}

func (m *machine) connect(data, role, database string) *pgx.Conn {
	m.t.Helper()
	conn, err := pgx.Connect(context.Background(), fmt.Sprintf("host=%s.sock user=%s dbname=%s", data, role, database))
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (m *machine) exec(on *pgx.Conn, sql string) {
	m.t.Helper()
	if _, err := on.PgConn().Exec(context.Background(), sql).ReadAll(); err != nil {
		m.t.Fatalf("%v in %s", err, strings.TrimSpace(sql))
	}
}

// follows waits until the standby has what the primary has.
func (m *machine) follows(primary, standby *pgx.Conn) time.Duration {
	m.t.Helper()
	began := time.Now()
	var lsn string
	if err := primary.QueryRow(context.Background(), "SELECT pg_current_wal_lsn()::text").Scan(&lsn); err != nil {
		m.t.Fatal(err)
	}
	for time.Since(began) < time.Minute {
		var there bool
		if err := standby.QueryRow(context.Background(), "SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn", lsn).Scan(&there); err == nil && there {
			return time.Since(began)
		}
		time.Sleep(5 * time.Millisecond)
	}
	m.t.Fatal("the standby does not follow")
	return 0
}
