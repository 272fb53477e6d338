package journey

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/demo"
	"github.com/garant-project/garant/internal/demo/servers"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// program is one garant: a binary, a data directory, and what runs on it.
type program struct {
	binary  string
	dir     string // its data directory
	config  string // its garant.yaml
	annex   string // addresses, without a slash at the end
	console string
	signIn  string // of the example
	cmd     *exec.Cmd
	said    said
	ended   chan struct{}
}

// said keeps what a process wrote on standard error.
type said struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// build builds garant, in a new directory that goes with the test.
func build(t *testing.T) (binary string) {
	t.Helper()
	dir := scratch(t)
	binary = filepath.Join(dir, "garant")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "./cmd/garant")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the program does not build: %v\n%s", err, out)
	}
	return binary
}

// scratch is a directory that PostgreSQL's account can pass through.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "garant-journey-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // as said above
		t.Fatal(err)
	}
	return dir
}

// example starts garant demo on a new data directory, on ports of its own: other tests start
// examples at the same moment, and the usual ports are the first comer's.
func example(t *testing.T, binary string) *program {
	t.Helper()
	p := &program{binary: binary, dir: filepath.Join(scratch(t), "data")}
	p.config = filepath.Join(p.dir, "demo", "garant.yaml")
	p.reserve(t)
	p.launch(t, []string{"demo"}, map[*string]string{&p.annex: `Public annex +(\S+)`, &p.console: `Console +(\S+)`, &p.signIn: `Sign in once +(\S+)`})
	return p
}

// serve starts garant serve on the data directory.
func (p *program) serve(t *testing.T) {
	t.Helper()
	p.launch(t, []string{"serve", "--config", p.config}, map[*string]string{&p.annex: `Public annex +(\S+)`, &p.console: `Console +(\S+)`})
}

// launch starts the program and waits until it has printed what the patterns read.
func (p *program) launch(t *testing.T, args []string, reads map[*string]string) {
	t.Helper()
	p.ended = make(chan struct{})
	p.cmd = exec.Command(p.binary, append(args, "--data", p.dir)...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Stderr = &p.said
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.end(t) })
	ready := make(chan struct{})
	go func() {
		defer close(p.ended)
		greet(out, reads, ready)
		_ = p.cmd.Wait() // end reads the exit code
	}()
	select {
	case <-ready:
	case <-p.ended:
		t.Fatalf("garant %s ended at once\n%s", args[0], &p.said)
	case <-time.After(90 * time.Second):
		t.Fatalf("garant %s is not ready after 90 s\n%s", args[0], &p.said)
	}
}

// greet reads the addresses that the program prints when it is ready.
func greet(out io.Reader, reads map[*string]string, ready chan<- struct{}) {
	left := len(reads)
	for lines := bufio.NewScanner(out); left > 0 && lines.Scan(); {
		for into, pattern := range reads {
			if m := regexp.MustCompile(pattern).FindStringSubmatch(lines.Text()); m != nil && *into == "" {
				*into = strings.TrimSuffix(m[1], "/")
				left--
			}
		}
	}
	if left == 0 {
		close(ready)
	}
	_, _ = io.Copy(io.Discard, out) // what it prints later is for people
}

// garant runs a command on the data directory, as somebody at a terminal does, and returns what it
// printed.
func (p *program) garant(t *testing.T, args ...string) string {
	t.Helper()
	args = append(args, "--data", p.dir)
	if !slices.Contains(args, "init") {
		args = append(args, "--config", p.config)
	}
	cmd := exec.Command(p.binary, args...)
	var failed strings.Builder
	cmd.Stderr = &failed
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("garant %s: %v\n%s%s", strings.Join(args, " "), err, out, &failed)
	}
	return string(out)
}

// holds fails when something took longer than it may. On a busy machine it may take four times as long as
// one look by hand takes now, from the command to the published annex.
func (j *journey) holds(what string, took, quiet time.Duration) {
	j.Helper()
	if took <= quiet {
		return
	}
	begin := time.Now()
	j.garant(j.T, "check", "ENC-1")
	byHand := time.Since(begin)
	if most := 4 * byHand; took > most {
		j.Errorf("%s only after %v; at most %v is allowed, or %v while a look by hand takes %v", what, took, quiet, most, byHand)
	}
}

var oneTimeLink = regexp.MustCompile(`https?://\S+/link/\S+`)

// link makes the one-time link by which somebody signs in.
func (p *program) link(t *testing.T, email string) string {
	t.Helper()
	said := p.garant(t, "person", "link", email)
	link := oneTimeLink.FindString(said)
	if link == "" {
		t.Fatalf("no link in %q", said)
	}
	return link
}

// database runs SQL as the superuser of the private cluster: for what only the passing of time would
// bring about.
func (p *program) database(t *testing.T, sql string, args ...any) {
	t.Helper()
	pid, err := os.ReadFile(filepath.Join(p.dir, "pg", "data", "postmaster.pid"))
	lines := strings.Split(string(pid), "\n") // PostgreSQL, miscadmin.h: the 4th is the port, the 5th the directory of the socket
	if err != nil || len(lines) < 5 {
		t.Fatalf("no private cluster is running: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, fmt.Sprintf("host=%s port=%s user=%s dbname=garant", lines[4], lines[3], cluster.SuperUser))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	tag, err := conn.Exec(ctx, sql, args...)
	if err != nil || tag.RowsAffected() != 1 {
		t.Fatalf("%s: %v, %d rows", sql, err, tag.RowsAffected())
	}
}

// freePorts finds ports that differ, and stay free until something of ours listens there.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	var ports []int
	var free servers.Ports
	for range n {
		port, err := free.Free()
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, port)
	}
	return ports
}

// reserve finds free ports and leaves them where the example keeps those of its last start.
func (p *program) reserve(t *testing.T) {
	t.Helper()
	names := []string{"garant", "application", "administration", "files", "staging", "database"}
	free := freePorts(t, 2*len(names))
	ports := map[string][2]int{}
	for i, name := range names {
		ports[name] = [2]int{free[2*i], free[2*i+1]}
	}
	ports["database"] = [2]int{ports["database"][0], 0} // which has no plain HTTP
	kept, err := json.Marshal(ports)
	dir := filepath.Join(p.dir, "demo")
	if err == nil {
		err = errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "ports.json"), kept, 0o600)) //nolint:gosec // PostgreSQL's account passes through
	}
	if err != nil {
		t.Fatal(err)
	}
}

// end interrupts the program as Ctrl-C does; it must leave nothing running.
func (p *program) end(t *testing.T) {
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		t.Errorf("the program does not end 30 s after an interrupt\n%s", &p.said)
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.ended
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 && !t.Failed() {
		t.Errorf("exit code %d after an interrupt\n%s", code, &p.said)
	}
	var left []string
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if left = naming(p.dir); len(left) == 0 || time.Now().After(end) {
			break
		}
	}
	if len(left) > 0 {
		t.Errorf("left running: %q", left)
	}
}

// naming lists the processes that name a directory on their command line.
func naming(dir string) []string {
	var out []string
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range all {
		b, err := os.ReadFile(f)
		if err == nil && strings.Contains(string(b), dir) && filepath.Base(filepath.Dir(f)) != fmt.Sprint(os.Getpid()) {
			out = append(out, strings.ReplaceAll(string(b), "\x00", " "))
		}
	}
	return out
}

// order breaks or mends an endpoint of the example.
func (p *program) order(t *testing.T, o demo.Order) {
	t.Helper()
	if _, err := demo.Send(filepath.Join(p.dir, "demo"), o); err != nil {
		t.Fatal(err)
	}
}
