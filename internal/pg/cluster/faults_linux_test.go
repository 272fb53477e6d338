package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/errs"
)

// A keeper killed without warning takes its server with it; whoever comes at once waits for
// that, and nothing committed is lost.
func TestKeeperKilled(t *testing.T) {
	dir := base(t)
	o := options(filepath.Join(dir, "c"))
	sow(t, o.Dir)
	other := startOther(t, o.Dir)
	if got := other.ready(t); !strings.HasPrefix(got, "ready true") {
		t.Fatal(got)
	}
	guest := open(t, o)
	run(t, admin(t, guest), `CREATE TABLE t AS SELECT 1 AS n`)
	closeNow(t, guest)
	other.kill()
	eventually(t, "the server ends with its keeper", func() bool { return len(processes(t, dir)) == 0 })

	other = startOther(t, o.Dir)
	other.ready(t)
	guest = open(t, o)
	killed := time.Now()
	other.kill()
	eventually(t, "the guest takes over", func() bool { return guest.Status().Keeper && guest.Healthy() == nil })
	t.Logf("taken over after %v", time.Since(killed).Round(time.Millisecond))
	run(t, admin(t, guest), `INSERT INTO t VALUES (2)`)
	closeNow(t, guest)

	other = startOther(t, o.Dir)
	other.ready(t)
	other.kill()
	c := open(t, o) // at once
	if got := value[int](t, admin(t, c), `SELECT count(*)::int FROM t`); got != 2 {
		t.Errorf("%d rows", got)
	}
	if !c.Status().Keeper {
		t.Error("guest of a dead process")
	}
}

// A server that outlived its keeper is stopped, not joined: nobody supervises it.
func TestServerOutlivesKeeper(t *testing.T) {
	dir := base(t)
	o := options(filepath.Join(dir, "c"))
	sow(t, o.Dir)
	other := startOther(t, o.Dir)
	var keeper bool
	var pid int
	if _, err := fmt.Sscanf(other.ready(t), "ready %t %d", &keeper, &pid); err != nil {
		t.Fatal(err)
	}
	syscall.Kill(pid, syscall.SIGSTOP) // the death signal waits
	other.kill()
	time.AfterFunc(500*time.Millisecond, func() { syscall.Kill(pid, syscall.SIGCONT) })
	c := open(t, o)
	if c.Status().PID == pid {
		t.Error("joined")
	}
	if err := syscall.Kill(pid, 0); err == nil && serverRuns(pid, c.p.data, c.acct.uid) {
		t.Error("two servers")
	}
}

// The server killed without warning comes back by itself, even when one of its processes
// never looks up from its work to see that it is gone.
func TestServerKilled(t *testing.T) {
	dir := base(t)
	c := open(t, options(filepath.Join(dir, "c")))
	conn := admin(t, c)
	run(t, conn, `CREATE TABLE t AS SELECT 1 AS n`)
	for _, busy := range []bool{false, true} {
		if busy {
			endless := admin(t, c)
			go endless.Exec(t.Context(), `DO $$ BEGIN LOOP END LOOP; END $$`)
			eventually(t, "an endless loop", func() bool {
				return value[bool](t, admin(t, c), `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'DO %' AND state = 'active')`)
			})
		}
		pid, killed := c.Status().PID, time.Now()
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		eventually(t, "back by itself", func() bool {
			st := c.Status()
			return st.Ready && st.PID != pid && c.Healthy() == nil
		})
		t.Logf("back after %v (busy: %v)", time.Since(killed).Round(time.Millisecond), busy)
		if value[int](t, admin(t, c), `SELECT n FROM t`) != 1 {
			t.Error("data lost")
		}
	}
	if c.Status().Starts != 3 {
		t.Errorf("%d starts", c.Status().Starts)
	}
	// Killed again and closed at once: nothing may linger.
	syscall.Kill(c.Status().PID, syscall.SIGKILL)
	closeNow(t, c)
	noProcess(t, dir)
}

// postmaster.pid of a dead server whose number now is another process's.
func TestStalePIDFile(t *testing.T) {
	o := options(filepath.Join(base(t), "c"))
	c := open(t, o)
	closeNow(t, c)
	sleep := exec.Command("sleep", "60")
	sleep.SysProcAttr = c.acct.attributes(syscall.SIGKILL)
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { sleep.Process.Kill(); sleep.Wait() }()
	for _, pid := range []int{sleep.Process.Pid, 4194304} {
		stale := fmt.Sprintf("%d\n%s\n1700000000\n5432\n%s\n\n    1234  5678\nready   \n", pid, c.p.data, c.p.run)
		file := filepath.Join(c.p.data, "postmaster.pid")
		if err := os.WriteFile(file, []byte(stale), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := c.acct.own(file); err != nil {
			t.Fatal(err)
		}
		closeNow(t, open(t, o))
	}
	if syscall.Kill(sleep.Process.Pid, 0) != nil {
		t.Error("a stranger's process was ended")
	}
}

// A server somebody started by hand is neither joined nor stopped.
func TestStartedByHand(t *testing.T) {
	dir := base(t)
	o := options(filepath.Join(dir, "c"))
	c := open(t, o)
	closeNow(t, c)
	hand := exec.Command(c.bin.path("postgres"), arguments(c.opt, c.p, c.p.run)...)
	hand.Dir, hand.Env, hand.SysProcAttr = c.p.root, environment(), c.acct.attributes(syscall.SIGINT)
	if err := hand.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server started by hand", func() bool { _, _, _, ready := c.observe(); return ready })
	refused(t, o, errs.Conflict, "already_running")
	if !serverRuns(hand.Process.Pid, c.p.data, c.acct.uid) {
		t.Error("it was stopped")
	}
	hand.Process.Signal(syscall.SIGINT)
	hand.Wait()
	open(t, o)
}

// Killed in the middle of initdb: the next start begins anew.
func TestUnfinished(t *testing.T) {
	dir := base(t)
	o := options(filepath.Join(dir, "c"))
	hits := 0
	for _, file := range []string{"PG_VERSION", "base/1/PG_VERSION", "pg_hba.conf"} {
		os.RemoveAll(o.Dir)
		other := startOther(t, o.Dir)
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if m, _ := filepath.Glob(filepath.Join(o.Dir, unfinished+"*", file)); len(m) > 0 {
				break
			}
		}
		other.kill()
		if _, err := os.Stat(filepath.Join(o.Dir, "data")); os.IsNotExist(err) {
			hits++
		}
		c := openNew(t, o)
		if left, _ := filepath.Glob(filepath.Join(o.Dir, unfinished+"*")); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
		closeNow(t, c)
		eventually(t, "initdb is gone", func() bool { return len(processes(t, dir)) == 0 })
	}
	if hits == 0 {
		t.Error("initdb was never hit")
	}
}

// The data directory vanishes under a running keeper, as when a disk is unmounted: no new
// cluster takes its place, and the old one comes back by itself when the disk does.
func TestDataGone(t *testing.T) {
	o := options(filepath.Join(base(t), "c"))
	c := open(t, o)
	id, pid := c.SystemIdentifier(), c.Status().PID
	syscall.Kill(pid, syscall.SIGSTOP)
	away := filepath.Join(o.Dir, "away")
	if err := os.Rename(c.p.data, away); err != nil {
		t.Fatal(err)
	}
	syscall.Kill(pid, syscall.SIGKILL)
	eventually(t, "the keeper says so", func() bool {
		st := c.Status()
		return st.Err != nil && strings.Contains(st.Err.Error(), "is gone")
	})
	if err := c.Healthy(); !errs.Is(err, errs.Unavailable) {
		t.Errorf("healthy: %v", err)
	}
	if _, err := os.Stat(c.p.data); !os.IsNotExist(err) {
		t.Fatalf("a cluster in its place: %v", err)
	}
	if err := os.Rename(away, c.p.data); err != nil {
		t.Fatal(err)
	}
	eventually(t, "back by itself", func() bool { return c.Healthy() == nil })
	if c.SystemIdentifier() != id {
		t.Error("another cluster")
	}
}

func TestDiskFull(t *testing.T) {
	needRoot(t)
	disk := func(options string) string {
		dir := filepath.Join(base(t), "disk")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount("none", dir, "tmpfs", 0, options); err != nil {
			t.Skip("no right to mount on this machine: ", err)
		}
		t.Cleanup(func() { syscall.Unmount(dir, 0) })
		return dir
	}
	t.Run("before initdb", func(t *testing.T) {
		o := options(filepath.Join(disk("size=150m"), "c"))
		if text := refused(t, o, errs.Unavailable, "no_space"); !strings.Contains(text, "150 MiB") {
			t.Error(text)
		}
	})
	t.Run("within initdb", func(t *testing.T) {
		o := options(filepath.Join(disk("size=300m,nr_inodes=300"), "c"))
		refused(t, o, errs.Unavailable, "no_space")
		if left, _ := filepath.Glob(filepath.Join(o.Dir, "*", "PG_VERSION")); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
	})
	t.Run("at start", func(t *testing.T) {
		dir := disk("size=300m")
		o := options(filepath.Join(dir, "c"))
		closeNow(t, openNew(t, o))
		fill := filepath.Join(dir, "fill")
		if err := exec.Command("dd", "if=/dev/zero", "of="+fill, "bs=4k").Run(); err == nil {
			t.Fatal("the disk does not fill")
		}
		refused(t, o, errs.Unavailable, "no_space")
		if err := os.Remove(fill); err != nil {
			t.Fatal(err)
		}
		closeNow(t, open(t, o))
	})
}

func TestLogIsBounded(t *testing.T) {
	p := pathsOf(base(t))
	log, err := openLog(p, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		fmt.Fprintf(log.w, "2026-01-01 UTC [1] postmaster 00000 LOG:  line %d of the log\n", i)
	}
	fmt.Fprintf(log.w, "2026-01-01 UTC [1] postmaster 53100 FATAL:  the last word\n%s\n", strings.Repeat("x", 3*lineMax))
	log.close()
	if got := log.cause(); got != "the last word" {
		t.Errorf("cause %q", got)
	}
	var lines string
	for _, name := range []string{logName + ".1", logName} {
		b, err := os.ReadFile(filepath.Join(p.log, name))
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > 1000+lineMax {
			t.Errorf("%s: %d bytes", name, len(b))
		}
		lines += string(b)
	}
	if all, _ := os.ReadDir(p.log); len(all) != 2 {
		t.Errorf("%d files", len(all))
	}
	if !strings.HasSuffix(lines, "x\n") {
		t.Error("the end is lost")
	}
}
