package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/errs"
)

func TestOptions(t *testing.T) {
	dir := filepath.Join(base(t), "c")
	for name, c := range map[string]struct {
		change func(*Options)
		id     string
	}{
		"no name":            {func(o *Options) { o.Name = "" }, "bad_name"},
		"name with a slash":  {func(o *Options) { o.Name = "a/b" }, "bad_name"},
		"no directory":       {func(o *Options) { o.Dir = "" }, "no_dir"},
		"newline":            {func(o *Options) { o.Dir += "\nx" }, "bad_dir"},
		"endless":            {func(o *Options) { o.Dir += strings.Repeat("/x", 500) }, "bad_dir"},
		"role all":           {func(o *Options) { o.Users = []string{"all"} }, "bad_role"},
		"role with a quote":  {func(o *Options) { o.Users = []string{`a" "b`} }, "bad_role"},
		"pattern":            {func(o *Options) { o.Users = []string{"/.*"} }, "bad_role"},
		"group":              {func(o *Options) { o.Users = []string{"+admins"} }, "bad_role"},
		"system role":        {func(o *Options) { o.Users = []string{"pg_monitor"} }, "bad_role"},
		"superuser":          {func(o *Options) { o.SuperUser = "a b" }, "bad_role"},
		"two lines":          {func(o *Options) { o.Settings = map[string]string{"jit": "on'\nfsync = 'off"} }, "bad_setting"},
		"capitals":           {func(o *Options) { o.Settings = map[string]string{"JIT": "on"} }, "bad_setting"},
		"hba":                {func(o *Options) { o.Settings = map[string]string{"hba_file": "/tmp/x"} }, "reserved_setting"},
		"statements logged":  {func(o *Options) { o.Settings = map[string]string{"log_statement": "all"} }, "reserved_setting"},
		"open to the world":  {func(o *Options) { o.Settings = map[string]string{"listen_addresses": "*"} }, "reserved_setting"},
		"include":            {func(o *Options) { o.Settings = map[string]string{"include": "/tmp/x"} }, "reserved_setting"},
		"port 0":             {func(o *Options) { o.TCP = &TCP{Port: 0, CertFile: "a", KeyFile: "b"} }, "bad_tcp"},
		"TLS without a key":  {func(o *Options) { o.TCP = &TCP{Port: 1, CertFile: "a"} }, "bad_tcp"},
		"programs elsewhere": {func(o *Options) { o.BinDir = "/nowhere" }, "no_binaries"},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(dir)
			c.change(&o)
			refused(t, o, errs.Invalid, c.id)
		})
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Error("something was made")
	}
	o := options(dir)
	o.Settings = map[string]string{"shared_buffers": "a lot"}
	if text := refused(t, o, errs.Unavailable, "start_failed"); !strings.Contains(text, "shared_buffers") && !strings.Contains(text, "configuration file") {
		t.Error(text)
	}
}

func TestBinaries(t *testing.T) {
	dir := base(t)
	fake := func(version string) string {
		d := filepath.Join(dir, version)
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"initdb", "postgres"} {
			text := fmt.Sprintf("#!/bin/sh\necho 'postgres (PostgreSQL) %s (Test)'\n", version)
			if err := os.WriteFile(filepath.Join(d, name), []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		return d
	}
	ctx := context.Background()
	for _, c := range []struct {
		dirs []string
		want int
		got  int
		kind errs.Kind
	}{
		{nil, 0, 0, errs.Unavailable},
		{[]string{dir, "/nowhere"}, 0, 0, errs.Unavailable},
		{[]string{fake("14.9")}, 0, 0, errs.Unavailable},
		{[]string{fake("15.2"), fake("14.9"), fake("17beta1"), fake("16.1")}, 0, 17, 0},
		{[]string{fake("15.2"), fake("14.9"), fake("17beta1"), fake("16.1")}, 16, 16, 0},
		{[]string{fake("15.2")}, 12, 15, 0},
	} {
		b, err := search(ctx, c.dirs, c.want)
		if b.major != c.got || errs.KindOf(err) != c.kind {
			t.Errorf("%v for %d: %+v, %v", c.dirs, c.want, b, err)
		}
		if err != nil {
			if _, fix := errs.Sentence(err); !strings.Contains(fix, "nstall") {
				t.Errorf("no way out: %q", fix)
			}
		}
	}
	if _, err := findBinaries(ctx, fake("9.6.24"), 0); !errs.Is(err, errs.Unavailable) {
		t.Errorf("9.6: %v", err)
	}
	if b, err := findBinaries(ctx, "", 0); err != nil || b.major < minMajor || !hasPrograms(b.dir) {
		t.Errorf("on this machine: %+v, %v", b, err)
	}
}

func TestWrongMajor(t *testing.T) {
	o := options(filepath.Join(base(t), "c"))
	c := open(t, o)
	closeNow(t, c)
	file := filepath.Join(c.p.data, "PG_VERSION")
	for _, version := range []string{"13", "9.6", "99"} {
		if err := os.WriteFile(file, []byte(version+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		before := listing(t, c.p.data)
		text := refused(t, o, errs.Conflict, "wrong_major")
		if !strings.Contains(text, "PostgreSQL "+version+";") || !strings.Contains(text, fmt.Sprint(c.Major())) {
			t.Error(text)
		}
		if listing(t, c.p.data) != before {
			t.Error("the data was touched")
		}
	}
	if err := os.WriteFile(file, []byte("garbage\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, o, errs.Invalid, "not_a_cluster")
}

func TestForeignOwner(t *testing.T) {
	dir := base(t)
	if os.Geteuid() != 0 {
		refused(t, options("/usr"), errs.Conflict, "foreign_owner")
		return
	}
	nobody, err := findAccount("nobody")
	if err != nil {
		t.Skip("no account nobody on this machine")
	}
	o := options(filepath.Join(dir, "c"))
	c := open(t, o)
	closeNow(t, c)
	if err := nobody.own(c.p.data); err != nil {
		t.Fatal(err)
	}
	text := refused(t, o, errs.Conflict, "foreign_owner")
	if !strings.Contains(text, `"nobody"`) || !strings.Contains(text, c.p.data) {
		t.Error(text)
	}
	if err := c.acct.own(c.p.data); err != nil {
		t.Fatal(err)
	}
	if err := nobody.own(o.Dir); err != nil {
		t.Fatal(err)
	}
	refused(t, o, errs.Conflict, "foreign_owner")

	// An empty directory made for the cluster's account, as packages do, is taken.
	o.Dir = filepath.Join(dir, "prepared")
	if err := os.Mkdir(o.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := c.acct.own(o.Dir); err != nil {
		t.Fatal(err)
	}
	open(t, o)

	o.Dir, o.OSUser = filepath.Join(dir, "x"), "no-such-account"
	refused(t, o, errs.Invalid, "no_account")
	o.OSUser = "root"
	refused(t, o, errs.Invalid, "no_account")
}

func TestClosedParent(t *testing.T) {
	needRoot(t)
	dir := base(t)
	closed := filepath.Join(dir, "closed")
	mkdir := func(path string) {
		t.Helper()
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	mkdir(closed)
	if err := os.WriteFile(filepath.Join(closed, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := listing(t, dir)
	text := refused(t, options(filepath.Join(closed, "c")), errs.Invalid, "cannot_enter")
	if !strings.Contains(text, closed) || !strings.Contains(text, "account") {
		t.Error(text)
	}
	if listing(t, dir) != before {
		t.Error("something was changed")
	}
	// Higher up, even when what is below is open.
	below := filepath.Join(closed, "below")
	if err := os.Mkdir(below, 0o755); err != nil {
		t.Fatal(err)
	}
	refused(t, options(filepath.Join(below, "c")), errs.Invalid, "cannot_enter")

	// An empty directory of ours lets the account pass, and no more.
	ours := filepath.Join(dir, "ours")
	mkdir(ours)
	c := openNew(t, options(filepath.Join(ours, "c")))
	if st, err := os.Stat(ours); err != nil || st.Mode().Perm() != 0o701 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	closeNow(t, c)
	open(t, options(filepath.Join(ours, "c")))
}

func TestNotACluster(t *testing.T) {
	dir := base(t)
	home := filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "letter"), []byte("dear"), 0o644); err != nil {
		t.Fatal(err)
	}
	before := listing(t, home)
	refused(t, options(home), errs.Invalid, "not_a_cluster")
	if listing(t, home) != before {
		t.Error("something was changed")
	}
	refused(t, options(filepath.Join(home, "letter")), errs.Invalid, "cannot_create")
	refused(t, options(filepath.Join(home, "letter", "c")), errs.Invalid, "cannot_create")

	o := options(filepath.Join(dir, "c"))
	c := open(t, o)
	closeNow(t, c)
	if c.acct.switched {
		refused(t, options(c.p.data), errs.Conflict, "foreign_owner")
	} else {
		refused(t, options(c.p.data), errs.Invalid, "not_a_cluster")
	}

	for _, path := range []string{c.p.data, c.p.run} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
		refused(t, o, errs.Conflict, "bad_permissions")
		if err := os.Chmod(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(c.p.data, filepath.Join(dir, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "elsewhere"), c.p.data); err != nil {
		t.Fatal(err)
	}
	refused(t, o, errs.Invalid, "not_a_cluster")
}

// A data directory brought back from a backup, alone, starts with our rules and not its own.
func TestBroughtFromElsewhere(t *testing.T) {
	dir := base(t)
	o := options(filepath.Join(dir, "c"))
	c := open(t, o)
	closeNow(t, c)
	for name, text := range map[string]string{
		"pg_hba.conf":          "local all all trust\nhost all all 0.0.0.0/0 trust\n",
		"postgresql.auto.conf": "listen_addresses = '*'\nlog_statement = 'all'\n",
	} {
		if err := os.WriteFile(filepath.Join(c.p.data, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o2 := options(filepath.Join(dir, "restored"))
	if err := os.Mkdir(o2.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(c.p.data, filepath.Join(o2.Dir, "data")); err != nil {
		t.Fatal(err)
	}
	r := open(t, o2)
	conn := admin(t, r)
	if r.SystemIdentifier() != c.SystemIdentifier() {
		t.Error("another cluster")
	}
	if got := value[string](t, conn, `SELECT string_agg(DISTINCT auth_method, ',') FROM pg_hba_file_rules`); got != "peer" {
		t.Errorf("authentication by %s", got)
	}
	if value[string](t, conn, `SHOW listen_addresses`) != "" || value[string](t, conn, `SHOW log_statement`) != "none" {
		t.Error("its own settings win")
	}
	closeNow(t, r)

	// One whose superuser has another name says so.
	o2.SuperUser = "somebody_else"
	if text := refused(t, o2, errs.Unavailable, "start_failed"); !strings.Contains(text, "somebody_else") {
		t.Error(text)
	}
}
