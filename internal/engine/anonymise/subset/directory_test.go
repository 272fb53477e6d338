package subset

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// restored brings a directory into a new database of the laptop, by pg_restore alone.
func (w *world) restored(dir string) map[string][]string {
	w.t.Helper()
	name := w.name + "_restored"
	super := laptop.DSN(cluster.SuperUser, "postgres")
	w.must(execute(super, `DROP DATABASE IF EXISTS `+name+` WITH (FORCE)`))
	w.must(execute(super, `CREATE DATABASE `+name))
	out, err := exec.CommandContext(w.t.Context(), filepath.Join(laptop.BinDir(), "pg_restore"), "--exit-on-error", "--dbname="+laptop.DSN(cluster.SuperUser, name), dir).CombinedOutput() //nolint:gosec // of the installation
	if err != nil {
		w.t.Fatalf("pg_restore: %v: %s", err, out)
	}
	conn := w.connect(laptop, name)
	w.holds(conn)
	return w.contents(conn)
}

// TestDirectory writes a directory that pg_restore makes the same database of as a pull into a server does, without any server but its own.
func TestDirectory(t *testing.T) {
	w := newWorld(t, "copy.sql")
	dir := filepath.Join(t.TempDir(), "shop [dump]*")
	what := Subset{Kind: Percent, Percent: 3}
	o := w.options(what)
	o.Target, o.Directory, o.Replace = "", dir, false
	r, err := Take(t.Context(), o)
	w.must(err)
	t.Log(r.Stages)
	if r.Directory != dir || r.Database != "" {
		t.Errorf("%+v", r)
	}
	w.alone(dir)
	w.take(what) // makes the role that a policy names
	got, want := w.restored(dir), w.contents(w.subset())
	within(t, got, want)
	within(t, want, got)

	// Again: it is not overwritten unless that is said, and then with a database too.
	if _, err := Take(t.Context(), o); err == nil || err.Error() != "The directory holds a dump." {
		t.Error(err)
	}
	o = w.options(Subset{Kind: Percent, Percent: 0})
	o.Directory = dir
	if _, err := Take(t.Context(), o); errs.KindOf(err) != errs.Denied { // the owner cannot read shop.guarded
		t.Error(err)
	}
	o.Target = laptop.DSN(cluster.SuperUser, w.name)
	_ = w.subset().Close(t.Context())
	_, err = Take(t.Context(), o)
	w.must(err)
	w.alone(dir)
	got, want = w.restored(dir), w.contents(w.subset())
	within(t, got, want)
	within(t, want, got)
	if len(got["shop.country"]) != 60 || len(got["shop.log"]) != 0 {
		t.Errorf("0 per cent is %d countries and %d log entries, want the small tables alone", len(got["shop.country"]), len(got["shop.log"]))
	}

	// Something else is never touched.
	other := t.TempDir()
	w.must(os.WriteFile(filepath.Join(other, "thesis.tex"), []byte("x"), 0o600))
	o.Directory = other
	if _, err := Take(t.Context(), o); err == nil || err.Error() != "The directory holds something else than a dump." {
		t.Error(err)
	}
	o.Directory = filepath.Join(other, "thesis.tex")
	if _, err := Take(t.Context(), o); err == nil || err.Error() != "There is a file of this name, where the directory should be." {
		t.Error(err)
	}
}

// alone makes sure that nothing else was left beside a directory, nor where private servers run.
func (w *world) alone(dir string) {
	w.t.Helper()
	for _, d := range []string{filepath.Dir(dir), os.TempDir()} {
		entries, err := os.ReadDir(d)
		w.must(err)
		for _, e := range entries {
			if ok, _ := filepath.Match("garant-pull-*", e.Name()); ok || d == filepath.Dir(dir) && e.Name() != filepath.Base(dir) {
				w.t.Errorf("%s is left in %s", e.Name(), d)
			}
		}
	}
}
