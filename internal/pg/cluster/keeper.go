package cluster

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/internal/errs"
)

const (
	// inherited is the descriptor under which the server's processes hold server.lock: the
	// first of exec.Cmd.ExtraFiles.
	inherited = 3

	firstTries = 10 * time.Second // Open tries again for so long where time may help
	lastOnes   = time.Second      // that processes of a dead server get to end by themselves
	longStop   = time.Minute      // that an earlier server gets for its orderly shutdown
	steady     = 30 * time.Second // after which the back-off starts anew
	maxBackoff = 10 * time.Second
)

var errStopped = errors.New("stopped")

// run supervises until Close. What it first achieves or fails at goes to opened.
//
// It stays on one thread, which ends with it: the server's death signal hangs on the thread
// that started the server.
func (c *Cluster) run(opened chan<- error) {
	runtime.LockOSThread()
	defer close(c.done)
	first := true
	report := func(err error) {
		if first {
			first = false
			opened <- err
		}
	}
	for {
		lock, err := tryLock(c.p.keeperLock)
		if err != nil && first {
			report(err)
			return
		}
		switch {
		case lock != nil:
			err = c.keep(report, &first)
			lock.Close()
			if err != nil { // only before the first report
				report(err)
				return
			}
		case err == nil:
			if err = c.visit(report, &first); err != nil {
				report(err)
				return
			}
		}
		if c.stopped() {
			report(errStopped)
			return
		}
		if err != nil {
			c.set(func(s *Status) { s.Ready, s.Err = false, err })
			c.pause(time.Second)
		}
	}
}

// keep is what a keeper does. It returns nil after Close, and an error only when the cluster
// never became ready.
func (c *Cluster) keep(report func(error), first *bool) error {
	log, err := openLog(c.p, logMax)
	if err != nil {
		if *first {
			return err
		}
		c.set(func(s *Status) { s.Ready, s.Err = false, err })
		c.pause(time.Second)
		return nil
	}
	defer log.close()
	defer dropSocketDir(c.p)
	defer c.sweep()
	c.set(func(s *Status) { s.Keeper, s.Ready, s.PID = true, false, 0 })
	if !*first {
		c.opt.Log.Info("database server taken over from the process that left")
	}
	begun, wait := time.Now(), time.Duration(0)
	for {
		lasted, err := c.life(log, *first, func() { report(nil) })
		if c.stopped() {
			c.set(func(s *Status) { s.Ready, s.PID = false, 0 })
			return nil
		}
		if *first && !(passing(err) && time.Since(begun) < firstTries) {
			return err
		}
		c.set(func(s *Status) { s.Ready, s.PID, s.Err = false, 0, err })
		if lasted > steady {
			wait = 0
		}
		c.opt.Log.Error("database server ended; it is started again", "error", err, "after", lasted.Round(time.Millisecond), "wait", wait)
		if !c.pause(wait) {
			return nil
		}
		wait = min(max(2*wait, 100*time.Millisecond), maxBackoff)
	}
}

// passing reports whether a failed start may succeed a moment later: what an earlier server
// leaves behind takes a while to go.
func passing(err error) bool {
	if err == nil {
		return true
	}
	text := err.Error()
	return strings.Contains(text, "pre-existing shared memory block") || strings.Contains(text, `lock file "postmaster.pid"`)
}

// life is one life of the server: from waiting for what is left of the one before to the end
// of its process. It returns how long the server was ready and why it ended.
func (c *Cluster) life(log *serverLog, mayCreate bool, onReady func()) (time.Duration, error) {
	lock, err := c.takeServerLock()
	if err != nil {
		return 0, err
	}
	defer lock.Close() // the server's processes keep theirs
	found, err := checkData(c.p, c.acct)
	if err != nil {
		return 0, err
	}
	switch {
	case found:
		if major, version, err := dataMajor(c.p.data); err != nil || major != c.bin.major {
			return 0, wrongMajor(c.p.data, version, strconv.Itoa(c.bin.major))
		}
	case !mayCreate:
		// An empty cluster in the place of one that was running would look like data loss
		// at best and like a fresh start at worst.
		return 0, problem(errs.Unavailable, "data_gone", "Bring the disk back, or restore a backup and start again.",
			"The data directory %s is gone.", c.p.data)
	default:
		if err := c.initdb(lock); err != nil {
			return 0, err
		}
	}
	if err := c.dropStalePID(); err != nil {
		return 0, err
	}
	if err := writeConfig(c.opt, c.p, c.acct); err != nil {
		return 0, err
	}
	sockets, err := pickSocketDir(c.p, c.acct, c.opt.port())
	if err != nil {
		return 0, err
	}
	c.mu.Lock()
	c.sockets, c.port = sockets, c.opt.port()
	c.mu.Unlock()
	if t := c.opt.TCP; t != nil {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(t.Port)))
		if err != nil {
			return 0, portTaken(t.Port, err)
		}
		l.Close()
	}
	return c.serve(log, lock, sockets, onReady)
}

// serve starts the server, waits until it is ready, and then until it ends or is to be stopped.
func (c *Cluster) serve(log *serverLog, lock *os.File, sockets string, onReady func()) (time.Duration, error) {
	log.mark()
	cmd := exec.Command(c.bin.path("postgres"), arguments(c.opt, c.p, sockets)...)
	cmd.Dir, cmd.Env = c.p.root, environment()
	cmd.Stdout, cmd.Stderr = log.w, log.w
	cmd.ExtraFiles = []*os.File{lock}
	cmd.SysProcAttr = c.acct.attributes(syscall.SIGINT)
	if err := cmd.Start(); err != nil {
		return 0, startFailed("the program cannot be run", err)
	}
	lock.Close()
	started := time.Now()
	exit := make(chan error, 1)
	go func() { exit <- cmd.Wait() }()
	c.set(func(s *Status) { s.PID = cmd.Process.Pid; s.Starts++ })

	var ready time.Time
	remind := 10 * time.Second
	probe := time.NewTimer(10 * time.Millisecond)
	defer probe.Stop()
	for {
		select {
		case err := <-exit:
			if !ready.IsZero() {
				return time.Since(ready), problem(errs.Unavailable, "ended", "It is started again by itself.",
					"The database server of cluster %s ended.", c.opt.Name).Wrap(err)
			}
			time.Sleep(20 * time.Millisecond) // for the last words to come through the pipe
			return 0, startFailed(log.cause(), err)
		case <-c.stopping:
			c.stop(cmd, exit)
			return 0, nil
		case <-probe.C:
			id, err := c.ask(c.DSN(c.opt.superUser(), "postgres"))
			var refusal *pgconn.PgError
			switch {
			case err == nil:
				ready = time.Now()
				c.mu.Lock()
				c.identity = id
				c.mu.Unlock()
				c.set(func(s *Status) { s.Ready = true })
				c.opt.Log.Info("database server ready", "version", id.version, "took", ready.Sub(started).Round(time.Millisecond))
				onReady()
				continue
			case errors.As(err, &refusal) && refusal.Code != "57P03": // cannot_connect_now: it is recovering
				c.stop(cmd, exit)
				return 0, startFailed("it does not let its keeper in ("+refusal.Code+": "+refusal.Message+")", nil)
			}
			c.set(func(s *Status) { s.Err = err })
			lasts := time.Since(started)
			if lasts > remind {
				remind += 30 * time.Second
				c.opt.Log.Warn("database server is not ready yet; after a crash it recovers first", "after", lasts.Round(time.Second), "error", err)
			}
			wait := 10 * time.Millisecond
			if lasts > 2*time.Second {
				wait = 200 * time.Millisecond
			}
			probe.Reset(wait)
		}
	}
}

// ask connects and lets the server say who it is.
func (c *Cluster) ask(dsn string) (id identity, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return id, err
	}
	// What the environment (PGOPTIONS…) puts in belongs to other programs.
	cfg.RuntimeParams = map[string]string{"application_name": "garant-keeper"}
	cfg.Fallbacks = nil
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return id, err
	}
	defer func() { _ = conn.Close(ctx) }()
	var num, data string
	var system int64
	err = conn.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('server_version_num'),
		current_setting('data_directory'), (SELECT system_identifier FROM pg_control_system())`).
		Scan(&id.version, &num, &data, &system)
	if err != nil {
		return id, err
	}
	if data != c.p.data {
		return id, errors.New("the server on the socket works on another data directory")
	}
	n, err := strconv.Atoi(num)
	id.major, id.system = n/10000, uint64(system)
	return id, err
}

// stop ends the server: in good order (SIGINT), when Close is in a hurry at once (SIGQUIT),
// and if that does not help by force.
func (c *Cluster) stop(cmd *exec.Cmd, exit <-chan error) {
	c.set(func(s *Status) { s.Ready = false })
	cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-exit:
		c.opt.Log.Info("database server stopped")
		return
	case <-c.hurry:
	}
	cmd.Process.Signal(syscall.SIGQUIT)
	select {
	case <-exit:
	case <-time.After(5 * time.Second):
		cmd.Process.Kill()
		<-exit
	}
	late := problem(errs.Unavailable, "stopped_at_once", "Nothing is to be done: it recovers at its next start.",
		"The database server of cluster %s did not stop in time and was ended.", c.opt.Name)
	c.opt.Log.Warn("database server ended at once", "error", late)
	c.mu.Lock()
	c.stopErr = late
	c.mu.Unlock()
}

// sweep makes sure that no process of the server is left when its keeper leaves: there may be
// some when the server was killed a moment before, or ended at once.
func (c *Cluster) sweep() {
	lock, err := c.takeServerLock()
	if err == nil {
		lock.Close()
		return
	}
	c.opt.Log.Error("processes of the database server are left", "error", err)
	c.mu.Lock()
	c.stopErr = errors.Join(c.stopErr, err)
	c.mu.Unlock()
}

// takeServerLock returns server.lock once no process of an earlier server is left. A server
// that outlived its keeper is told to stop; processes that outlived their server get a
// moment, for they end by themselves, and are then killed: their work is lost with the
// server in any case, and the next one recovers it from the WAL.
func (c *Cluster) takeServerLock() (*os.File, error) {
	name := title(c.opt, c.p)
	begun, warned, asked := time.Now(), false, false
	for {
		lock, err := tryLock(c.p.serverLock)
		if lock != nil || err != nil {
			return lock, err
		}
		st, err := os.Stat(c.p.serverLock)
		if err != nil {
			return nil, cannotCreate(c.p.serverLock, err)
		}
		old := time.Since(begun)
		sig := syscall.Signal(0)
		server := serverPID(c.p.data)
		switch alive := server > 0 && serverRuns(server, c.p.data, c.acct.uid); {
		case alive && old < longStop:
			if !asked {
				asked = true
				signalMember(server, syscall.SIGINT, st, name, c.acct.uid)
			}
		case alive && old < longStop+5*time.Second:
			signalMember(server, syscall.SIGQUIT, st, name, c.acct.uid)
		case alive:
			sig = syscall.SIGKILL
		case old > 3*lastOnes:
			sig = syscall.SIGKILL
		case old > lastOnes:
			sig = syscall.SIGQUIT
		}
		if sig != 0 {
			for _, pid := range family(st, name, c.acct.uid) {
				signalMember(pid, sig, st, name, c.acct.uid)
			}
		}
		switch {
		case !warned && old > lastOnes:
			warned = true
			c.opt.Log.Warn("waiting for the processes of an earlier database server to end")
		case old > firstTries && server == 0, old > longStop+firstTries:
			return nil, stillRunning(c.p.data)
		}
		time.Sleep(20 * time.Millisecond)
		if c.stopped() && old > 10*time.Second {
			return nil, errStopped
		}
	}
}

// serverPID reads the process number in postmaster.pid; 0 when there is none.
func serverPID(data string) int {
	lines := pidFile(data)
	if len(lines) == 0 {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || pid < 2 {
		return 0
	}
	return pid
}

// pidFile returns the lines of postmaster.pid (src/include/utils/pidfile.h): process, data
// directory, start, port, socket directory, address, shared memory, state.
func pidFile(data string) []string {
	b, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return nil
	}
	return strings.Split(string(b), "\n")
}

// dropStalePID removes a postmaster.pid whose server is gone. PostgreSQL does that itself
// unless the number now belongs to another process, or to one that is dead but not yet
// collected by its parent. It is called with server.lock held, so no server of ours runs.
func (c *Cluster) dropStalePID() error {
	pid := serverPID(c.p.data)
	if pid == 0 {
		return nil
	}
	if serverRuns(pid, c.p.data, c.acct.uid) {
		return alreadyRunning(c.p.data, pid)
	}
	if err := os.Remove(filepath.Join(c.p.data, "postmaster.pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return cannotCreate(c.p.data, err)
	}
	return nil
}

// Reload writes the configuration anew, with the certificate and key as they are now, and
// has the server read it. Only the keeper can do it.
func (c *Cluster) Reload() error {
	st := c.Status()
	if !st.Keeper || !st.Ready {
		return problem(errs.Unavailable, "not_keeper", "Ask the process that started the database server.",
			"This process does not keep the database server of cluster %s running.", c.opt.Name)
	}
	if err := writeTLS(c.opt, c.p, c.acct); err != nil {
		return err
	}
	return syscall.Kill(st.PID, syscall.SIGHUP)
}
