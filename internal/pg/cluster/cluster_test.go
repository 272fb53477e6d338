package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/garant-project/garant/internal/errs"
)

func TestNewAndReopen(t *testing.T) {
	dir := filepath.Join(base(t), "a", "b") // the parent is made, too
	o := options(dir)
	begun := time.Now()
	c := openNew(t, o)
	t.Logf("new: %v", time.Since(begun).Round(time.Millisecond))
	if st := c.Status(); !st.Keeper || !st.Ready || st.PID == 0 || st.Starts != 1 || st.Err != nil {
		t.Fatalf("status %+v", st)
	}
	if err := c.Healthy(); err != nil {
		t.Fatal(err)
	}
	conn := admin(t, c)
	for name, want := range map[string]string{
		"data_checksums": "on", "server_encoding": "UTF8", "listen_addresses": "", "TimeZone": "UTC", "jit": "off",
		"log_statement": "none", "log_min_error_statement": "panic", "log_parameter_max_length": "0",
		"log_min_messages": "log", "log_error_verbosity": "terse", "fsync": "on", "full_page_writes": "on", "synchronous_commit": "on",
	} {
		if got := value[string](t, conn, `SELECT current_setting($1)`, name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if got := value[string](t, conn, `SELECT datcollate || ' ' || datctype FROM pg_database WHERE datname = 'template1'`); got != "C.UTF-8 C.UTF-8" {
		t.Errorf("locale %q", got)
	}
	if got := value[string](t, conn, `SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules`); got != "peer" {
		t.Errorf("authentication by %s", got)
	}
	run(t, conn, `CREATE TABLE kept AS SELECT 42 AS n`)
	if c.Major() < minMajor || !strings.HasPrefix(c.Version(), fmt.Sprint(c.Major())) {
		t.Errorf("version %q, major %d", c.Version(), c.Major())
	}
	id := c.SystemIdentifier()
	if id == 0 {
		t.Error("no system identifier")
	}
	if sid, err := unix.Getsid(c.Status().PID); err != nil || sid != c.Status().PID {
		t.Errorf("the server is in session %d (%v): Ctrl-C on the terminal would reach it", sid, err)
	}
	for path, mode := range map[string]os.FileMode{c.p.run: 0o700, c.p.data: 0o700, c.p.log: 0o700} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: mode %v, %v", path, st.Mode(), err)
		}
	}
	closeNow(t, c)
	noProcess(t, dir)
	select {
	case <-c.Done():
	default:
		t.Error("Done is open after Close")
	}
	if err := c.Healthy(); !errs.Is(err, errs.Unavailable) {
		t.Errorf("healthy after Close: %v", err)
	}
	closeNow(t, c) // again

	begun = time.Now()
	c = open(t, o)
	t.Logf("reopened: %v", time.Since(begun).Round(time.Millisecond))
	if c.SystemIdentifier() != id || value[int](t, admin(t, c), `SELECT n FROM kept`) != 42 {
		t.Error("another cluster came back")
	}
	begun = time.Now()
	closeNow(t, c)
	t.Logf("closed: %v", time.Since(begun).Round(time.Millisecond))
}

func TestTwoSideBySide(t *testing.T) {
	dir := base(t)
	garant := openNew(t, options(filepath.Join(dir, "garant")))
	o := options(filepath.Join(dir, "production"))
	o.Name, o.SuperUser, o.Users = "production", "dba", nil
	production := open(t, o)
	if garant.SystemIdentifier() == production.SystemIdentifier() {
		t.Fatal("one cluster under two names")
	}
	closeNow(t, garant)
	if got := value[string](t, connect(t, production.DSN("dba", "postgres")), `SELECT current_user::text`); got != "dba" {
		t.Fatal(got)
	}
	if !strings.HasPrefix(value[string](t, admin(t, production), `SHOW cluster_name`), "garant-production-") {
		t.Error("processes cannot be told apart")
	}
	closeNow(t, production)
	noProcess(t, dir)
}

func TestGuest(t *testing.T) {
	dir := base(t)
	o := options(filepath.Join(dir, "c"))
	keeper, guest := open(t, o), open(t, o)
	if keeper.Status().PID != guest.Status().PID || guest.Status().Keeper || guest.Status().Starts != 0 {
		t.Fatalf("keeper %+v, guest %+v", keeper.Status(), guest.Status())
	}
	if guest.DSN("a", "b") != keeper.DSN("a", "b") || guest.SystemIdentifier() != keeper.SystemIdentifier() || guest.Version() != keeper.Version() {
		t.Fatal("the guest is elsewhere")
	}
	if err := guest.Reload(); !errs.Is(err, errs.Unavailable) {
		t.Errorf("a guest reloads: %v", err)
	}
	closeNow(t, guest)
	run(t, admin(t, keeper), `CREATE TABLE t AS SELECT 1 AS n`) // the guest stopped nothing

	guest = open(t, o)
	closeNow(t, keeper)
	eventually(t, "the guest takes over", func() bool { return guest.Status().Keeper && guest.Healthy() == nil })
	if value[int](t, admin(t, guest), `SELECT n FROM t`) != 1 {
		t.Error("data lost")
	}
	closeNow(t, guest)

	// The same with the keeper in another process, which leaves in good order.
	other := startOther(t, o.Dir)
	other.ready(t)
	guest = open(t, o)
	other.leave(t)
	eventually(t, "the guest takes over", func() bool { return guest.Status().Keeper && guest.Healthy() == nil })
	closeNow(t, guest)
	noProcess(t, dir)
}

// Many open a directory that does not exist yet: one makes it, all get it.
func TestAllAtOnce(t *testing.T) {
	dir := base(t)
	o := options(filepath.Join(dir, "new", "c"))
	clusters := make([]*Cluster, 5)
	var all sync.WaitGroup
	for i := range clusters {
		all.Go(func() {
			c, err := Open(context.Background(), o)
			if err != nil {
				t.Error(err)
				return
			}
			clusters[i] = c
		})
	}
	all.Wait()
	keepers := 0
	for _, c := range clusters {
		if c == nil {
			continue
		}
		t.Cleanup(func() { c.Close(context.Background()) })
		if c.Status().Keeper {
			keepers++
		}
		if c.SystemIdentifier() != clusters[0].SystemIdentifier() {
			t.Error("two clusters")
		}
	}
	if keepers != 1 {
		t.Errorf("%d keepers", keepers)
	}
}

func TestPeer(t *testing.T) {
	dir := base(t)
	c := open(t, options(filepath.Join(dir, "c")))
	conn := admin(t, c)
	run(t, conn, `CREATE ROLE garant_owner LOGIN`)
	run(t, conn, `CREATE ROLE stranger LOGIN SUPERUSER PASSWORD 'x'`)
	if got := value[string](t, connect(t, c.DSN("garant_owner", "postgres")), `SELECT current_user::text`); got != "garant_owner" {
		t.Fatal(got)
	}
	psql := func(account string, extra ...string) string {
		cmd := exec.Command(c.bin.path("psql"), append([]string{"-XAtc", "SELECT 'in as ' || current_user"}, extra...)...)
		cmd.Env, cmd.Dir = append(environment(), "PGPASSWORD=x"), "/"
		if account != "" {
			a, err := findAccount(account)
			if err != nil {
				t.Fatal(err)
			}
			cmd.SysProcAttr = a.attributes(0)
		}
		out, _ := cmd.CombinedOutput()
		return string(out)
	}
	if got := psql("", c.DSN("garant_owner", "postgres")); got != "in as garant_owner\n" {
		t.Fatalf("libpq reads the connection string otherwise: %s", got)
	}
	for _, role := range []string{"stranger", "garant_staff"} { // not listed; listed but not made
		if got := psql("", c.DSN(role, "postgres")); !strings.Contains(got, "FATAL") {
			t.Errorf("%s: %s", role, got)
		}
	}
	needRoot(t)
	if got := psql(c.Account(), c.DSN("garant_owner", "postgres")); got != "in as garant_owner\n" {
		t.Errorf("the cluster's account: %s", got)
	}
	if got := psql("nobody", c.DSN("garant_owner", "postgres")); !strings.Contains(got, "Permission denied") {
		t.Errorf("another account passes the socket's directory: %s", got)
	}
	// Were the directories open, the map of accounts would still hold.
	for path, mode := range map[string]os.FileMode{c.p.root: 0o755, c.p.run: 0o755, socketPath(c.p.run, defaultPort): 0o777} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, role := range []string{SuperUser, "garant_owner", "stranger", "nobody"} {
		if got := psql("nobody", c.DSN(role, "postgres")); !strings.Contains(got, "Peer authentication failed") {
			t.Errorf("nobody as %s: %s", role, got)
		}
	}
	if os.Chmod(c.p.run, 0o700) != nil {
		t.Error("not closed again")
	}
}

func TestNoPrivilegesForTheServer(t *testing.T) {
	needRoot(t)
	c := open(t, options(filepath.Join(base(t), "c")))
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Status().PID))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		fmt.Sprintf("Uid:\t%d\t%d\t%d\t%d\n", c.acct.uid, c.acct.uid, c.acct.uid, c.acct.uid),
		fmt.Sprintf("Gid:\t%d\t%d\t%d\t%d\n", c.acct.gid, c.acct.gid, c.acct.gid, c.acct.gid),
		"Groups:\t \n", "CapEff:\t0000000000000000\n",
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%q is not in\n%s", want, b)
		}
	}
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", c.Status().PID))
	if err != nil || strings.Contains(string(env), "HOME") {
		t.Errorf("the server sees our environment: %q, %v", env, err)
	}
}

// What people type never reaches the server's log.
func TestLogHoldsNoValues(t *testing.T) {
	c := open(t, options(filepath.Join(base(t), "c")))
	conn := admin(t, c)
	run(t, conn, `CREATE TABLE person (mail text PRIMARY KEY, age int CHECK (age > 0))`)
	run(t, conn, `INSERT INTO person VALUES ('secret1@example.org', 3)`)
	for _, sql := range []string{
		`INSERT INTO person VALUES ('secret1@example.org', 4)`,
		`INSERT INTO person VALUES ('secret2@example.org', -1)`,
		`SELECT 'secret3'::int`,
		`SELEKT 'secret4'`,
		`DO $$ BEGIN RAISE WARNING 'secret5'; END $$; SELECT 1/0 AS secret6`,
	} {
		if _, err := conn.Exec(within(t), sql); err == nil {
			t.Fatalf("%s went well", sql)
		}
	}
	if _, err := conn.Exec(within(t), `INSERT INTO person VALUES ($1, $2)`, "secret7@example.org", -1); err == nil {
		t.Fatal("went well")
	}
	run(t, conn, `ALTER SYSTEM SET log_statement = 'all'`) // cannot win over the command line
	run(t, conn, `SELECT pg_reload_conf()`)
	run(t, conn, `SELECT pg_sleep(0.3), 'secret8'`)
	closeNow(t, c)
	b, err := os.ReadFile(filepath.Join(c.p.log, logName))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), "database system is ready") {
		t.Fatalf("the log is empty: %s", b)
	}
	if strings.Contains(string(b), "secret") {
		t.Errorf("values in the log:\n%s", b)
	}
}

func TestSettingsAndOddPaths(t *testing.T) {
	dir := filepath.Join(base(t), `it's a "dir", [x]* é\`)
	o := options(dir)
	o.Settings = map[string]string{"garant.note": `a'b\c "d" # é`, "max_connections": "17"}
	c := open(t, o)
	conn := admin(t, c)
	for name, want := range map[string]string{"garant.note": `a'b\c "d" # é`, "max_connections": "17"} {
		if got := value[string](t, conn, `SELECT current_setting($1)`, name); got != want {
			t.Errorf("%s = %q", name, got)
		}
	}
}

// A path that no socket address can hold gets its socket elsewhere.
func TestLongPath(t *testing.T) {
	dir := filepath.Join(base(t), strings.Repeat("long", 20), strings.Repeat("path", 10))
	o := options(dir)
	c := open(t, o)
	b, err := os.ReadFile(c.p.socketDir)
	if err != nil {
		t.Fatal(err)
	}
	sockets := strings.TrimSpace(string(b))
	st, err := os.Stat(sockets)
	if err != nil || st.Mode().Perm() != 0o700 || len(socketPath(sockets, defaultPort)) > socketPathMax {
		t.Fatalf("%s: %v, %v", sockets, st, err)
	}
	if uid, _ := ownerOf(st); uid != c.acct.uid {
		t.Error("the socket's directory belongs to another account")
	}
	guest := open(t, o)
	if value[int](t, admin(t, guest), `SELECT 1`) != 1 {
		t.Error("no answer")
	}
	closeNow(t, guest)
	closeNow(t, c)
	if _, err := os.Stat(sockets); !os.IsNotExist(err) {
		t.Errorf("%s is left: %v", sockets, err)
	}

	// One that a killed keeper left is removed by the next.
	other := startOther(t, dir)
	other.ready(t)
	b, _ = os.ReadFile(c.p.socketDir)
	sockets = strings.TrimSpace(string(b))
	other.kill()
	c = open(t, o)
	if _, err := os.Stat(sockets); !os.IsNotExist(err) || value[int](t, admin(t, c), `SELECT 1`) != 1 {
		t.Errorf("%s is left: %v", sockets, err)
	}
}

// The longest path that fits and the first that does not.
func TestSocketPathBorder(t *testing.T) {
	b := base(t)
	for _, n := range []int{socketPathMax, socketPathMax + 1} {
		dir := filepath.Join(b, strings.Repeat("x", n-len(b)-len("//run/.s.PGSQL.5432")))
		if got := len(socketPath(pathsOf(dir).run, defaultPort)); got != n {
			t.Fatalf("%d bytes, meant %d", got, n)
		}
		c := open(t, options(dir))
		_, err := os.Stat(c.p.socketDir)
		if elsewhere := err == nil; elsewhere != (n > socketPathMax) {
			t.Errorf("%d bytes: elsewhere is %v", n, elsewhere)
		}
		closeNow(t, c)
	}
}

func TestCloseInAHurry(t *testing.T) {
	dir := base(t)
	o := options(filepath.Join(dir, "c"))
	c := open(t, o)
	run(t, admin(t, c), `CREATE TABLE t AS SELECT 1 AS n`)
	if err := syscall.Kill(c.Status().PID, syscall.SIGSTOP); err != nil { // it does not hear SIGINT
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := c.Close(ctx); !errs.Is(err, errs.Unavailable) {
		t.Errorf("%v", err)
	}
	noProcess(t, dir)
	c = open(t, o)
	if value[int](t, admin(t, c), `SELECT n FROM t`) != 1 {
		t.Error("a committed row is lost")
	}
}

// Open given up at any moment leaves nothing running and nothing that stops the next.
func TestOpenGivenUp(t *testing.T) {
	dir := base(t)
	o := options(filepath.Join(dir, "c"))
	for _, d := range []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 450 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(context.Background(), d)
		c, err := Open(ctx, o)
		cancel()
		if err == nil {
			c.Close(context.Background())
		} else if !errs.Is(err, errs.Unavailable) {
			t.Errorf("after %v: %v", d, err)
		}
		noProcess(t, dir)
	}
	open(t, o)
	if left, _ := filepath.Glob(filepath.Join(o.Dir, unfinished+"*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// The same as an ordinary user, when these tests run as root.
func TestAsOrdinaryUser(t *testing.T) {
	needRoot(t)
	a, err := findAccount("nobody")
	if err != nil {
		t.Skip("no account nobody on this machine")
	}
	dir := base(t)
	binary, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	copied, tmp := filepath.Join(dir, "cluster.test"), filepath.Join(dir, "tmp")
	if err := os.WriteFile(copied, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := a.own(tmp); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(copied, "-test.v", "-test.timeout=2m",
		"-test.run=^(TestNewAndReopen|TestGuest|TestPeer|TestLongPath|TestKeeperKilled|TestServerKilled|TestForeignOwner|TestUnfinished)$")
	cmd.Dir, cmd.Env = tmp, append(environment(), "TMPDIR="+tmp)
	cmd.SysProcAttr = a.attributes(syscall.SIGKILL)
	out, err := cmd.CombinedOutput()
	t.Logf("as nobody:\n%s", out)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(out), "--- PASS"); n < 5 {
		t.Errorf("only %d tests passed", n)
	}
}
