package journey

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
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

	"github.com/garant-project/garant/internal/demo"
)

// program is a running garant demo.
type program struct {
	dir     string // its data directory
	annex   string // addresses, without a slash at the end
	console string
	signIn  string
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

// start builds garant and starts the example on a new data directory, on ports of its own: other
// tests start examples at the same moment, and the usual ports are the first comer's.
func start(t *testing.T) *program {
	t.Helper()
	dir, err := os.MkdirTemp("", "garant-journey-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // PostgreSQL's account passes through
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "garant")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "./cmd/garant")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the program does not build: %v\n%s", err, out)
	}
	p := &program{dir: filepath.Join(dir, "data"), ended: make(chan struct{})}
	p.reserve(t)
	p.cmd = exec.Command(binary, "demo", "--data", p.dir)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Stderr = &p.said
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.end(t, dir) })
	ready := make(chan [3]string, 1)
	go func() {
		defer close(p.ended)
		greet(out, ready)
		_ = p.cmd.Wait() // end reads the exit code
	}()
	select {
	case a := <-ready:
		p.annex, p.console, p.signIn = a[0], a[1], a[2]
	case <-p.ended:
		t.Fatalf("garant demo ended at once\n%s", &p.said)
	case <-time.After(90 * time.Second):
		t.Fatalf("garant demo is not ready after 90 s\n%s", &p.said)
	}
	return p
}

// reserve finds free ports and leaves them where the example keeps those of its last start.
func (p *program) reserve(t *testing.T) {
	t.Helper()
	ports := map[string][2]int{}
	for _, name := range []string{"garant", "application", "administration", "files", "staging", "database"} {
		var pair [2]int
		for i := range pair {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()       //nolint:revive // held until all are chosen, so that they differ
			pair[i] = l.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // of a TCP listener
		}
		if name == "database" { // which has no plain HTTP
			pair[1] = 0
		}
		ports[name] = pair
	}
	kept, err := json.Marshal(ports)
	dir := filepath.Join(p.dir, "demo")
	if err == nil {
		err = errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "ports.json"), kept, 0o600)) //nolint:gosec // PostgreSQL's account passes through
	}
	if err != nil {
		t.Fatal(err)
	}
}

// greet reads the addresses that the program prints when it is ready.
func greet(out io.Reader, ready chan<- [3]string) {
	patterns := []*regexp.Regexp{
		regexp.MustCompile(`Public annex +(\S+)`), regexp.MustCompile(`Console +(\S+)`), regexp.MustCompile(`Sign in once +(\S+)`),
	}
	var found [3]string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		for i, p := range patterns {
			if m := p.FindStringSubmatch(lines.Text()); m != nil {
				found[i] = strings.TrimSuffix(m[1], "/")
			}
		}
		if !slices.Contains(found[:], "") {
			ready <- found
			break
		}
	}
	_, _ = io.Copy(io.Discard, out) // what it prints later is for people
}

// end interrupts the program as Ctrl-C does; it must leave nothing running.
func (p *program) end(t *testing.T, dir string) {
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-p.ended:
	case <-time.After(30 * time.Second):
		t.Errorf("garant demo does not end 30 s after an interrupt\n%s", &p.said)
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		<-p.ended
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 && !t.Failed() {
		t.Errorf("exit code %d after an interrupt\n%s", code, &p.said)
	}
	var left []string
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if left = naming(dir); len(left) == 0 || time.Now().After(end) {
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
