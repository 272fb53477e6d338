package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
)

// openerEnv makes the test binary open the cluster in the directory it names, say "ready" or
// the error, and stay until its standard input ends.
const openerEnv = "CLUSTER_TEST_OPEN"

// seedEnv names a cluster that is made once, for the tests to copy where making one is not
// what they are about.
const seedEnv = "CLUSTER_TEST_SEED"

func TestMain(m *testing.M) {
	if dir := os.Getenv(openerEnv); dir != "" {
		os.Exit(opener(dir))
	}
	seeds, err := os.MkdirTemp("", "cluster-seed-")
	if err != nil || os.Chmod(seeds, 0o755) != nil || os.Setenv(seedEnv, filepath.Join(seeds, "c")) != nil {
		fmt.Fprintln(os.Stderr, "no place for the tests:", err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(seeds)
	os.Exit(code)
}

func opener(dir string) int {
	c, err := Open(context.Background(), Options{Name: "garant", Dir: dir, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("ready", c.Status().Keeper, c.Status().PID)
	io.Copy(io.Discard, os.Stdin)
	if err := c.Close(context.Background()); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// otherProcess is the test binary as another Garant process.
type otherProcess struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	line chan string
}

func startOther(t *testing.T, dir string) *otherProcess {
	t.Helper()
	o := &otherProcess{cmd: exec.Command(os.Args[0]), line: make(chan string, 1)}
	o.cmd.Env = append(os.Environ(), openerEnv+"="+dir)
	o.cmd.Stderr = io.Discard
	o.in, _ = o.cmd.StdinPipe()
	out, err := o.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := o.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		b := make([]byte, 4096)
		n, _ := out.Read(b)
		o.line <- string(b[:n])
	}()
	t.Cleanup(func() { o.kill() })
	return o
}

// ready waits for the process's word.
func (o *otherProcess) ready(t *testing.T) string {
	t.Helper()
	select {
	case l := <-o.line:
		if !strings.HasPrefix(l, "ready") {
			t.Fatalf("the other process: %q", l)
		}
		return l
	case <-time.After(30 * time.Second):
		t.Fatal("the other process says nothing")
		return ""
	}
}

func (o *otherProcess) kill() {
	o.cmd.Process.Kill()
	o.cmd.Wait()
}

// leave lets the process close its cluster in good order.
func (o *otherProcess) leave(t *testing.T) {
	t.Helper()
	o.in.Close()
	if err := o.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

// base returns a directory that every account can pass through; testing's own cannot.
func base(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cluster-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		noProcess(t, dir)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func options(dir string) Options {
	return Options{Name: "garant", Dir: dir, Users: []string{"garant_owner", "garant_staff"}}
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// sow puts a copy of the seed's data into a directory that does not exist yet.
func sow(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Stat(dir); err == nil {
		return
	}
	seed := os.Getenv(seedEnv)
	if _, err := os.Stat(seed); err != nil {
		c, err := Open(within(t), options(seed))
		if err == nil {
			err = c.Close(within(t))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", "--", filepath.Join(seed, "data"), dir).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
}

// open opens a cluster, with the seed's data where there is none.
func open(t *testing.T, o Options) *Cluster {
	t.Helper()
	if o.SuperUser == "" {
		sow(t, o.Dir)
	}
	return openNew(t, o)
}

// openNew opens a cluster, which is made where there is none.
func openNew(t *testing.T, o Options) *Cluster {
	t.Helper()
	c, err := Open(within(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

func closeNow(t *testing.T, c *Cluster) {
	t.Helper()
	if err := c.Close(within(t)); err != nil {
		t.Fatal(err)
	}
}

// refused opens o, expects an errs.Error with this kind and id, and returns its sentence.
func refused(t *testing.T, o Options, kind errs.Kind, id string) string {
	t.Helper()
	c, err := Open(within(t), o)
	if err == nil {
		c.Close(context.Background())
		t.Fatal("opened")
	}
	var e *errs.Error
	if !errors.As(err, &e) || e.Kind != kind || e.ID != "cluster."+id {
		t.Fatalf("error %#v (%v), want kind %d and id cluster.%s", e, err, kind, id)
	}
	if e.Text == "" || e.Fix == "" {
		t.Fatalf("%#v lacks the sentence or the next step", e)
	}
	return e.Text
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(within(t), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func admin(t *testing.T, c *Cluster) *pgx.Conn {
	t.Helper()
	return connect(t, c.DSN(c.SuperUser(), "postgres"))
}

func run(t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(within(t), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func value[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) (v T) {
	t.Helper()
	if err := conn.QueryRow(within(t), sql, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// eventually waits until f holds.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if f() {
			return
		}
	}
	t.Fatalf("not within 20 s: %s", what)
}

// processes returns those that work in dir or have it in their command line, by means other
// than those of the package.
func processes(t *testing.T, dir string) (found []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if filepath.Base(p) == strconv.Itoa(os.Getpid()) {
			continue
		}
		cwd, _ := os.Readlink(p + "/cwd")
		line, _ := os.ReadFile(p + "/cmdline")
		if strings.HasPrefix(cwd, dir) || bytes.Contains(line, []byte(dir)) {
			found = append(found, filepath.Base(p)+" "+strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

func noProcess(t *testing.T, dir string) {
	t.Helper()
	if found := processes(t, dir); len(found) > 0 {
		t.Errorf("left running: %q", found)
	}
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("changing accounts needs root; the tests of `make test` run as root too")
	}
}

// listing names what is in dir, to see that nothing was changed.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.Walk(dir, func(path string, st os.FileInfo, err error) error {
		if err == nil {
			uid, _ := ownerOf(st)
			fmt.Fprintln(&b, path, st.Mode(), uid, st.ModTime())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
