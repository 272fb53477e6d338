package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/demo"
	"github.com/garant-project/garant/internal/demo/servers"
)

// asProgram makes the test binary be garant.
const asProgram = "GARANT_TEST_AS_PROGRAM"

// patience is how long a slow machine may need for anything that comes by itself. Nothing waits that
// long unless it never comes.
const patience = 2 * time.Minute

// program is a running garant.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	out    strings.Builder
	err    strings.Builder
	ended  chan error
	annex  string
	signIn string
}

func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "garant-process-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { // PostgreSQL's account passes through
		t.Fatal(err)
	}
	return dir
}

// A directory below one that only root may enter is where mktemp -d puts things.
func TestDataDirectoryThatOnlyRootMayEnter(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the whole program")
	}
	dir := scratch(t)
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	for range 2 {
		cmd := exec.Command(os.Args[0], "demo", "--once", "--json", "--data", data)
		cmd.Env = append(os.Environ(), asProgram+"=1")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil || !strings.HasPrefix(string(out), `{"measures":[`) {
			t.Fatalf("%v\n%s\n%s", err, out, &stderr)
		}
	}
	if where, err := os.ReadFile(filepath.Join(data, "pg.path")); err == nil {
		t.Cleanup(func() { _ = os.RemoveAll(strings.TrimSpace(string(where))) })
	} else if os.Geteuid() == 0 {
		t.Errorf("nothing says where the database is: %v", err)
	}
}

var (
	annexLine  = regexp.MustCompile(`Public annex +(\S+)`)
	signInLine = regexp.MustCompile(`Sign in once +(\S+)`)
)

// launch starts garant and waits until it says that it is ready, or has ended.
func launch(t *testing.T, args ...string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command(os.Args[0], args...), ended: make(chan error, 1)}
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = &p.err
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			p.out.WriteString(lines.Text() + "\n")
			if m := annexLine.FindStringSubmatch(lines.Text()); m != nil {
				p.annex = m[1]
			}
			if m := signInLine.FindStringSubmatch(lines.Text()); m != nil {
				p.signIn = m[1]
			}
			if p.annex != "" && (p.signIn != "" || strings.Contains(args[0], "serve")) {
				close(ready)
				break
			}
		}
		_, _ = io.Copy(io.Discard, out)
		p.ended <- p.cmd.Wait()
	}()
	t.Cleanup(func() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) })
	select {
	case <-ready:
	case err := <-p.ended:
		p.ended <- err
	case <-time.After(patience):
		t.Fatalf("garant is not ready\n%s\n%s", &p.out, &p.err)
	}
	return p
}

// stop interrupts it and returns its exit code.
func (p *program) stop(s syscall.Signal) int {
	p.t.Helper()
	_ = p.cmd.Process.Signal(s)
	select {
	case <-p.ended:
	case <-time.After(patience):
		p.t.Fatalf("garant does not end\n%s", &p.err)
	}
	return p.cmd.ProcessState.ExitCode()
}

type published struct {
	Measures []struct{ ID, State, Reason string }
}

// states reads the public annex as a program would.
func (p *program) states() (map[string]string, error) {
	u := strings.TrimSuffix(p.annex, "/") + "/annex.json"
	_, port, err := net.SplitHostPort(strings.TrimPrefix(strings.TrimSuffix(p.annex, "/"), "http://"))
	if err != nil {
		return nil, err
	}
	c := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, "127.0.0.1:"+port)
		}}}
	res, err := c.Get(u)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s", res.Status)
	}
	var doc published
	if err := json.NewDecoder(res.Body).Decode(&doc); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, m := range doc.Measures {
		out[m.ID] = m.State
	}
	return out, nil
}

// eventually waits until the public annex gives a measure a state.
func (p *program) eventually(measure, state string) {
	p.t.Helper()
	var got map[string]string
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if got, err = p.states(); err == nil && got[measure] == state {
			return
		}
	}
	p.t.Fatalf("%s is %q after %v, not %s (%v)\n%s", measure, got[measure], patience, state, err, &p.err)
}

// leftovers lists the processes that still name a directory on their command line after a while.
func leftovers(dir string) (out []string) {
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if out = naming(dir); len(out) == 0 || time.Now().After(end) {
			return out
		}
	}
}

func naming(dir string) []string {
	var out []string
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range all {
		b, err := os.ReadFile(f)
		if err == nil && strings.Contains(string(b), dir) && filepath.Base(filepath.Dir(f)) != strconv.Itoa(os.Getpid()) {
			out = append(out, strings.ReplaceAll(string(b), "\x00", " "))
		}
	}
	return out
}

// TestDemoLivesThroughEverything is the example's day: a sentence withdraws itself when the
// thing breaks and comes back when it is mended; the server and the database are killed and
// come back; an interrupt leaves nothing behind.
func TestDemoLivesThroughEverything(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the whole program several times")
	}
	dir := scratch(t)
	p := launch(t, "demo", "--data", dir)
	p.eventually("ENC-1", "met")
	p.eventually("ENC-2", "not_met")
	digested(t, filepath.Join(dir, "demo"))
	order := func(o demo.Order) {
		t.Helper()
		if _, err := demo.Send(filepath.Join(dir, "demo"), o); err != nil {
			t.Fatal(err)
		}
	}
	order(demo.Order{Do: "break", Endpoint: "application", Fault: servers.FaultTLS10})
	p.eventually("ENC-1", "not_met")
	order(demo.Order{Do: "mend", Endpoint: "application"})
	p.eventually("ENC-1", "met")
	order(demo.Order{Do: "break", Endpoint: "files", Fault: servers.FaultDown})
	p.eventually("CRT-1", "stale")
	order(demo.Order{Do: "mend", Endpoint: "files"})
	p.eventually("CRT-1", "met")
	order(demo.Order{Do: "break", Endpoint: "application", Fault: servers.FaultDecoy})
	p.eventually("CRT-1", "not_met")
	order(demo.Order{Do: "mend", Endpoint: "application"})
	p.eventually("CRT-1", "met")

	// The postmaster is killed: pages stay or say that they cannot tell; then all is back.
	pid := postmaster(t, dir)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	p.eventually("ENC-1", "met")
	order(demo.Order{Do: "break", Endpoint: "application", Fault: servers.FaultTLS10})
	p.eventually("ENC-1", "not_met")
	order(demo.Order{Do: "mend", Endpoint: "application"})
	p.eventually("ENC-1", "met")

	// The server is killed: a new one works on the same directory.
	p.stop(syscall.SIGKILL)
	p = launch(t, "demo", "--data", dir)
	p.eventually("ENC-1", "met")
	if code := p.stop(syscall.SIGINT); code != 0 {
		t.Errorf("exit code %d after an interrupt\n%s", code, &p.err)
	}
	if left := leftovers(dir); len(left) > 0 {
		t.Errorf("left running: %q", left)
	}
}

// digested waits until the example's security lead has got a digest, which names what is not met. At night
// nobody is written to.
func digested(t *testing.T, dir string) {
	t.Helper()
	brussels, err := time.LoadLocation("Europe/Brussels")
	if err != nil {
		t.Fatal(err)
	}
	if hour := time.Now().In(brussels).Hour(); hour < 7 {
		t.Logf("it is %d o'clock in Brussels: no digest is due", hour)
		return
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		files, _ := filepath.Glob(filepath.Join(dir, "outbox", "*.eml"))
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "<securite@ardoise.example>") && strings.Contains(string(text), "List-Unsubscribe: ") && strings.Contains(string(text), "AST-1") {
				return
			}
		}
	}
	t.Fatal("the example's security lead has got no digest")
}

func postmaster(t *testing.T, dir string) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "pg", "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestPortTakenIsSaidAndNothingStays(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the whole program")
	}
	dir := scratch(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	config := filepath.Join(dir, "garant.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, "listen:\n  console: %s\n", l.Addr()), 0o600); err != nil {
		t.Fatal(err)
	}
	p := launch(t, "serve", "--data", filepath.Join(dir, "data"), "--config", config)
	if code := p.stop(syscall.SIGINT); code != 7 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"console cannot listen", "another program", "listen.console"} {
		if !strings.Contains(p.err.String(), want) {
			t.Errorf("the error does not say %q:\n%s", want, &p.err)
		}
	}
	if left := leftovers(dir); len(left) > 0 {
		t.Errorf("left running: %q", left)
	}
}

func TestToldToStopWhileItStarts(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the whole program")
	}
	dir := scratch(t)
	for _, after := range []time.Duration{300 * time.Millisecond, 900 * time.Millisecond} { // initdb takes longer
		cmd := exec.Command(os.Args[0], "serve", "--data", filepath.Join(dir, "data"+after.String()))
		cmd.Env = append(os.Environ(), asProgram+"=1")
		var said strings.Builder
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after)
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil || strings.Contains(said.String(), "garant: ") {
			t.Errorf("stopped %s after its start: %v\n%s", after, err, &said)
		}
		if left := leftovers(dir); len(left) > 0 {
			t.Errorf("left running: %q", left)
		}
	}
}
