package run

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// crash ends a server as a power cut does, and returns when it is back.
func (w *world) crash(c *cluster.Cluster) {
	pid := c.Status().PID
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		w.t.Error(err)
	}
	for range 1200 {
		if st := c.Status(); st.Ready && st.PID != pid && c.Healthy() == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	w.t.Error("the server does not come back")
}

// TestServersCrash crashes the source in the middle of the copy, and the target in the stages behind it.
func TestServersCrash(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 12)
	first := w.published()
	for _, c := range []struct {
		stage Stage
		of    *cluster.Cluster
	}{{StageCopy, production}, {StageCopy, developers}, {StageAfter, developers}, {StageProof, developers}} {
		t.Run(fmt.Sprintf("%s %v", c.stage, c.of == production), func(t *testing.T) {
			w.t = t
			var once sync.Once
			var crashing sync.WaitGroup
			w.say = func(p Progress) {
				if p.Stage == c.stage {
					once.Do(func() {
						at, database := production, w.database
						if c.of == developers {
							at, database = developers, w.staged()
						}
						release := w.hold(at.DSN(cluster.SuperUser, database), "shop.customer")
						crashing.Go(func() {
							defer release()
							w.whenWaiting(at.DSN(cluster.SuperUser, "postgres"), database, func() { w.crash(at) })
						})
					})
				}
			}
			r, err := Copy(t.Context(), w.options())
			crashing.Wait()
			w.say = nil
			if c.stage == StageCopy {
				if !errs.Is(err, errs.Unavailable) || r.Failed != StageCopy {
					t.Errorf("ended in %s: %v", r.Failed, err)
				}
				return
			}
			if err != nil || !r.Passed() || len(r.Resumed) != 1 {
				t.Fatalf("%v, resumed %+v, problems %v", err, r.Resumed, r.Problems)
			}
			w.publish(r)
			first = r
			w.must(execute(developers.DSN("copier", "postgres"), `DROP DATABASE `+w.name+`_previous`))
			if n := ask[int64](w, `SELECT count(*) FROM shop.customer JOIN shop.basket ON customer_id = id`); n != 24 {
				t.Errorf("the copy has %d baskets", n)
			}
			if n := ask[int64](w, `SELECT last_value - (SELECT max(id) FROM shop.item) FROM shop.item_id_seq`); n < 0 && n > -1000 {
				t.Errorf("the sequence is %d behind", -n)
			}
		})
		w.t = t
		if _, err := Clean(t.Context(), developers.DSN("copier", "postgres"), w.name); err != nil {
			t.Error(err)
		}
		w.only(w.name)
		have, err := List(t.Context(), developers.DSN("copier", "postgres"), w.name)
		w.must(err)
		if have[0].Run != first.Run {
			t.Errorf("served is %+v", have)
		}
	}
}

// owned tells who PostgreSQL's account is.
func owned(t *testing.T) (uid, gid int) {
	t.Helper()
	st, err := os.Stat(production.DataDir())
	if err != nil {
		t.Fatal(err)
	}
	s := st.Sys().(*syscall.Stat_t) //nolint:forcetypeassert // on Linux
	return int(s.Uid), int(s.Gid)
}

// TestTargetFull makes a copy in a cluster on a small disk.
func TestTargetFull(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	dir, err := os.MkdirTemp("", "garant-full-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // PostgreSQL's account must enter
		t.Fatal(err)
	}
	o := cluster.Options{Name: "small", Dir: filepath.Join(dir, "pg"), Users: []string{"copier", "dev"}, Settings: map[string]string{"fsync": "off"}}
	small, err := cluster.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := small.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The tables, and not the log, get a small disk: one that has no space for its log ends the server.
	base := filepath.Join(small.DataDir(), "base")
	uid, gid := owned(t)
	if err := os.Rename(base, base+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(base, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("none", base, "tmpfs", 0, fmt.Sprintf("size=100m,mode=0700,uid=%d,gid=%d", uid, gid)); err != nil {
		t.Skip("no disk can be mounted here:", err)
	}
	defer func() { _ = syscall.Unmount(base, syscall.MNT_DETACH) }()
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", base+".old/.", base).CombinedOutput(); err != nil { //nolint:gosec // directories of the test
		t.Fatalf("%v: %s", err, out)
	}
	if small, err = cluster.Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = small.Close(context.Background()) }()
	shared := developers
	developers = small
	defer func() { developers = shared }()
	if err := execute(small.DSN(cluster.SuperUser, "postgres"), `CREATE ROLE copier LOGIN CREATEDB IN ROLE pg_signal_backend; CREATE ROLE dev LOGIN`); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, 12)
	first := w.published()
	w.exec(`CREATE TABLE shop.bulk (id int, filler text); ALTER TABLE shop.bulk ALTER filler SET STORAGE EXTERNAL; INSERT INTO shop.bulk SELECT n, repeat('x', 100000) FROM generate_series(1, 3000) n`)
	w.plan = w.proposed()
	w.say = func(p Progress) {
		if p.Stage == StageCopy && p.Rows == 0 { // files with holes in them would fail whoever touches them, this test included
			w.must(execute(small.DSN(cluster.SuperUser, "postgres"), `CHECKPOINT`))
		}
	}
	r := w.stopped(errs.Unavailable, "no space left")
	w.say = nil
	if r.Failed != StageCopy {
		t.Errorf("ended in %s", r.Failed)
	}
	w.exec(`DROP TABLE shop.bulk`)
	w.plan = w.proposed()
	have, err := List(t.Context(), small.DSN("copier", "postgres"), w.name)
	w.must(err)
	if len(have) != 1 || have[0].Run != first.Run {
		t.Errorf("served is %+v", have)
	}
	w.published() // there is room again
}

// replica makes a streaming replica of production.
func replica(t *testing.T) *cluster.Cluster {
	t.Helper()
	dir, err := os.MkdirTemp("", "garant-replica-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	home := filepath.Join(dir, "pg")
	for _, d := range []string{dir, home} {
		_ = os.Mkdir(d, 0o711)                     //nolint:gosec // PostgreSQL's account must enter
		if err := os.Chmod(d, 0o711); err != nil { //nolint:gosec // the same
			t.Fatal(err)
		}
	}
	data := filepath.Join(home, "data")
	cmd := exec.CommandContext(t.Context(), filepath.Join(production.BinDir(), "pg_basebackup"), "-D", data, "-d", production.DSN(cluster.SuperUser, "postgres"), "-X", "stream", "-c", "fast", "--no-sync") //nolint:gosec // of the installation
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("pg_basebackup: %v: %s", err, out)
	}
	if err := os.WriteFile(filepath.Join(data, "standby.signal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	uid, gid := owned(t)
	if out, err := exec.CommandContext(t.Context(), "chown", "-R", strconv.Itoa(uid)+":"+strconv.Itoa(gid), data).CombinedOutput(); err != nil { //nolint:gosec // two numbers
		t.Fatalf("%v: %s", err, out)
	}
	cfg, err := pgx.ParseConfig(production.DSN(cluster.SuperUser, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := cluster.Open(t.Context(), cluster.Options{Name: "replica", Dir: home, Users: []string{"reader", "app"}, Settings: map[string]string{
		"primary_conninfo": fmt.Sprintf("host=%s port=%d user=%s", cfg.Host, cfg.Port, cluster.SuperUser), "hot_standby_feedback": "on", "fsync": "off", "wal_receiver_status_interval": "1s",
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func TestReplicaIsTheSource(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 50)
	c := replica(t)
	primary := production
	from := func(o *Options) { o.Source = c.DSN("reader", w.database) }
	w.opt = from
	conn, err := pgx.Connect(t.Context(), c.DSN(cluster.SuperUser, w.database))
	w.must(err)
	defer func() { _ = conn.Close(context.Background()) }()
	for range 400 { // until it has followed
		var n int
		if conn.QueryRow(t.Context(), `SELECT count(*) FROM shop.customer`).Scan(&n) == nil && n == 50 {
			break
		}
		time.Sleep(25 * time.Millisecond)
	}
	r := w.published()
	if n := ask[int64](w, `SELECT count(*) FROM shop.customer`); n != 50 || r.Source.Database != w.database {
		t.Errorf("%d customers of %+v", n, r.Source)
	}
	// What happens at the primary meanwhile is not in the copy.
	var once sync.Once
	w.say = func(p Progress) {
		if p.Stage == StageCopy {
			once.Do(func() {
				w.must(execute(primary.DSN(cluster.SuperUser, w.database), `DELETE FROM shop.event; INSERT INTO shop.country VALUES ('XX', 'xx')`))
			})
		}
	}
	w.published()
	if n := ask[int64](w, `SELECT count(*) FROM shop.event`); n != 50 {
		t.Errorf("%d events", n)
	}
	// A replica that is too far behind is waited for. It stops to follow, and goes on when the run has said that it waits.
	w.must(execute(c.DSN(cluster.SuperUser, "postgres"), `SELECT pg_wal_replay_pause()`))
	w.must(execute(primary.DSN(cluster.SuperUser, w.database), `DELETE FROM shop.country WHERE code = 'XX'`))
	waited := make(chan string, 16)
	w.say = func(p Progress) {
		if p.Waiting != "" {
			select {
			case waited <- p.Waiting:
			default:
			}
			w.must(execute(c.DSN(cluster.SuperUser, "postgres"), `SELECT pg_wal_replay_resume()`))
		}
	}
	time.Sleep(1500 * time.Millisecond)
	w.opt = func(o *Options) { from(o); o.Pause, o.look = Pause{Lag: time.Second}, 20*time.Millisecond }
	r = w.published()
	if r.Pauses == 0 || len(waited) == 0 {
		t.Errorf("the run did not wait: %d", r.Pauses)
	}
	// A target that is the replica's primary is the same cluster.
	w.say, w.opt = nil, func(o *Options) { from(o); o.Target = primary.DSN("app", "postgres") }
	w.stopped(errs.Invalid, "cluster of the source")
}
