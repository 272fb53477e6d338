package secondaccount

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/garant-project/garant/internal/errs"
)

// The faults that the account can be given.
const (
	FaultDown = "down" // its server is stopped: connections are refused
	FaultHang = "hang" // its server takes connections and says nothing
)

// Faults returns every fault.
func Faults() []string { return []string{FaultDown, FaultHang} }

const (
	health     = "/-/health" // no bucket has such a name
	startTime  = 20 * time.Second
	stopTime   = 5 * time.Second
	maxLogSize = 1 << 20
	descriptor = 3 // of the program in the child: the first of exec.Cmd.ExtraFiles
)

// process is one run of the server.
type process struct {
	handle *os.Process
	done   chan struct{} // closed once it has ended
	ended  error         // to be read after done
}

// Start starts the server unless it runs, and returns when it answers.
func (a *Account) Start(ctx context.Context) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.start(ctx)
}

func (a *Account) start(ctx context.Context) error {
	if a.runs() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	p, err := a.launch()
	if err != nil {
		return err
	}
	a.running = p
	if err := a.ready(ctx, p); err != nil {
		a.stop(syscall.SIGKILL)
		return err
	}
	return nil
}

// runs reports whether the server runs.
func (a *Account) runs() bool {
	if a.running == nil {
		return false
	}
	select {
	case <-a.running.done:
		return false
	default:
		return true
	}
}

// Running reports whether the server runs.
func (a *Account) Running() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.runs()
}

// arguments of the server. Secrets are in its environment and in files, where other users do not see them.
func (a *Account) arguments() []string {
	args := []string{"versitygw", "--port", a.Address(), "--region", Region, "--iam-dir", a.path("users"), "--health", health, "--keep-alive", "--quiet"}
	if a.config.CA != nil {
		args = append(args, "--cert", a.path("tls.crt"), "--key", a.path("tls.key"))
	}
	args = append(args, "posix", "--versioning-dir", a.path("versions"))
	if a.sidecar {
		args = append(args, "--sidecar", a.path("metadata"))
	}
	return append(args, a.path("objects"))
}

// launch starts the server on a thread that lives as long as it: its death signal hangs on that thread.
func (a *Account) launch() (*process, error) {
	flags := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if st, err := os.Stat(a.path("server.log")); err == nil && st.Size() > maxLogSize {
		flags |= os.O_TRUNC
	}
	log, err := os.OpenFile(a.path("server.log"), flags, 0o600)
	if err != nil {
		return nil, cannot("open its log", err)
	}
	defer log.Close()
	cmd := &exec.Cmd{
		Path: a.config.Program, Args: a.arguments(), Dir: filepath.Join(a.config.Dir, "objects"), Stdout: log, Stderr: log,
		Env:         []string{"PATH=/usr/local/bin:/usr/bin:/bin", "TZ=UTC", "ROOT_ACCESS_KEY_ID=" + a.keys.Root.AccessKey, "ROOT_SECRET_ACCESS_KEY=" + a.keys.Root.SecretKey},
		SysProcAttr: &syscall.SysProcAttr{Setsid: true}, // Ctrl-C on the terminal reaches only us
	}
	dieWithThread(cmd.SysProcAttr)
	if a.config.UID != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.config.UID), Gid: uint32(a.config.GID)}
		opened, err := passProgram(cmd)
		if err != nil {
			return nil, cannot("open its program", err)
		}
		if opened != nil {
			defer opened.Close()
		}
	}
	started := make(chan error)
	p := &process{done: make(chan struct{})}
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		p.handle = cmd.Process
		started <- err
		if err == nil {
			p.ended = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, cannot("start", err)
	}
	return p, nil
}

// stop ends the server and waits until it has ended.
func (a *Account) stop(how syscall.Signal) {
	if !a.runs() {
		a.running = nil
		return
	}
	p := a.running
	p.handle.Signal(syscall.SIGCONT)
	p.handle.Signal(how)
	select {
	case <-p.done:
	case <-time.After(stopTime):
		p.handle.Kill()
		<-p.done
	}
	a.running = nil
}

// Stop ends the server in order. What it acknowledged stays.
func (a *Account) Stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stop(syscall.SIGTERM)
}

// Kill ends the server at once, in the middle of whatever it does.
func (a *Account) Kill() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stop(syscall.SIGKILL)
}

// Close ends the server and gives the directory free. The account stays in it.
func (a *Account) Close() {
	a.Stop()
	if a.lock != nil {
		a.lock.Close()
	}
}

// Break gives the account a fault instead of the one that it has.
func (a *Account) Break(fault string) error {
	if err := a.Mend(); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch fault {
	case FaultDown:
		a.stop(syscall.SIGTERM)
	case FaultHang:
		if err := a.running.handle.Signal(syscall.SIGSTOP); err != nil {
			return cannot("be halted", err)
		}
		halted(a.running.handle.Pid)
	default:
		return errs.New(errs.Invalid, "secondaccount.fault", "The second account knows no such fault.").WithFix("Choose one of: " + strings.Join(Faults(), ", ") + ".")
	}
	a.fault = fault
	return nil
}

// Mend takes the fault away, and starts the server when it does not run.
func (a *Account) Mend() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.runs() {
		if err := a.running.handle.Signal(syscall.SIGCONT); err != nil {
			return cannot("be continued", err)
		}
	}
	if err := a.start(context.Background()); err != nil {
		return err
	}
	a.fault = ""
	return nil
}

// Fault is the one that the account has, empty when it has none.
func (a *Account) Fault() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.fault
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
