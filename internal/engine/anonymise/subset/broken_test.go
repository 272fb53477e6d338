package subset

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// TestRefused is about pulls that do not begin, or end before rows are copied: each says why, holds no value, and leaves the laptop as it was.
func TestRefused(t *testing.T) {
	w := newWorld(t, "copy.sql")
	me := laptop.DSN(cluster.SuperUser, "postgres")
	w.must(execute(me, `CREATE DATABASE `+w.name+` OWNER me`))
	w.must(execute(laptop.DSN("me", w.name), `CREATE TABLE mine (id integer); INSERT INTO mine VALUES (1)`))
	query := func(table, condition string) Subset {
		return Subset{Kind: Queries, Queries: []Query{{catalog.Name{Schema: "shop", Table: table}, condition}}}
	}
	set := func(fn func(*Options)) func(*Options) { return fn }
	for _, x := range []struct {
		name   string
		change func(*Options)
		kind   errs.Kind
		says   string
	}{
		{"there", set(func(o *Options) { o.Replace = false }), errs.Conflict, "is there and not empty"},
		{"nowhere", set(func(o *Options) { o.Target = "" }), errs.Invalid, "not said where"},
		{"server's own", set(func(o *Options) { o.Target = laptop.DSN("me", "postgres") }), errs.Invalid, "belongs to the server"},
		{"too much", set(func(o *Options) { o.Subset = Subset{Kind: Percent, Percent: 101} }), errs.Invalid, "0 to 100 per cent"},
		{"too little", set(func(o *Options) { o.Subset = Subset{Kind: Percent, Percent: -1} }), errs.Invalid, "0 to 100 per cent"},
		{"no tenant", set(func(o *Options) { o.Subset = Subset{Kind: Tenants} }), errs.Invalid, "No tenant is named"},
		{"no table of tenants", set(func(o *Options) {
			o.Subset = Subset{Kind: Tenants, Tenants: []string{"1"}, TenantTable: "shop.customer"}
		}), errs.Invalid, "no table shop.customer"},
		{"no such table", set(func(o *Options) { o.Subset = query("nobody", "true") }), errs.Invalid, "no table shop.nobody"},
		{"a partition", set(func(o *Options) { o.Subset = query("purchase_2026", "true") }), errs.Invalid, "no table shop.purchase_2026"},
		{"no such column", set(func(o *Options) { o.Subset = query("purchase", "geheim = 1") }), errs.Invalid, "The condition on shop.purchase cannot be asked"},
		{"a value", set(func(o *Options) { o.Subset = query("audit", "said::integer = 1") }), errs.Invalid, "The condition on shop.audit cannot be asked"},
		{"a change", set(func(o *Options) { o.Subset = query("audit", "nextval('shop.alone') = 1") }), errs.Denied, "The condition on shop.audit cannot be asked"},
		{"whole", set(func(o *Options) { o.Subset.Whole = []string{"x"} }), errs.Invalid, "no table x"},
		{"reference", set(func(o *Options) {
			o.Subset.References = []Reference{{Child: catalog.Name{Schema: "shop", Table: "visit"}, Parent: catalog.Name{Schema: "shop", Table: "tenant"}, ChildColumns: []string{"ticket"}, ParentColumns: []string{"id"}}}
		}), errs.Invalid, "cannot be compared"},
		{"filtered", set(func(o *Options) { o.Source = copies.DSN("hidden", w.copy) }), errs.Denied, "Row-level security hides rows of shop.guarded"},
		{"not a copy", set(func(o *Options) { o.Source = copies.DSN("dev", "postgres") }), errs.Denied, "is not a copy"},
		{"the copy itself", set(func(o *Options) { o.Target = copies.DSN(cluster.SuperUser, w.copy) }), errs.Conflict, "is a copy that garant"},
		{"no right to make databases", set(func(o *Options) { o.Target = copies.DSN("dev", w.name) }), errs.Denied, "Making the database"},
		{"nobody there", set(func(o *Options) { o.Target = "postgres://me@127.0.0.1:1/x" }), errs.Unavailable, "does not answer"},
	} {
		t.Run(x.name, func(t *testing.T) {
			o := w.options(Subset{Kind: Percent, Percent: 5})
			x.change(&o)
			_, err := Take(t.Context(), o)
			if text, _ := errs.Sentence(err); errs.KindOf(err) != x.kind || !strings.Contains(text, x.says) || strings.Contains(err.Error(), "audit 1") {
				t.Errorf("%v, want %q", err, x.says)
			}
		})
	}
	w.only(w.name)
	if got := column[int](w, w.subset(), `SELECT id FROM mine`); !slices.Equal(got, []int{1}) {
		t.Errorf("what was there holds %v", got)
	}
	// An empty one may be filled.
	w.must(execute(laptop.DSN("me", w.name), `DROP TABLE mine`))
	_ = w.sub.Close(t.Context())
	o := w.options(Subset{Kind: Percent, Percent: 1})
	o.Replace = false
	if _, err := Take(t.Context(), o); err != nil {
		t.Error(err)
	}
	w.only(w.name)
}

// TestUnproven refuses copies that are not served, or not proven.
func TestUnproven(t *testing.T) {
	w := newWorld(t, "")
	for _, comment := range []string{`{"garant": "copy", "run": "x", "name": "` + w.copy + `"}`, `{"garant": "copy", "run": "x", "name": "other", "proof": "p"}`, `{"garant": "pull"}`, `shop`} {
		w.must(execute(copies.DSN(cluster.SuperUser, "postgres"), `COMMENT ON DATABASE `+w.copy+` IS '`+comment+`'`))
		if _, err := Take(t.Context(), w.options(Subset{})); errs.KindOf(err) != errs.Denied {
			t.Errorf("%s: %v", comment, err)
		}
	}
	w.only()
}

// TestBrokenOff ends pulls in each of their stages: what was there stays, nothing is left.
func TestBrokenOff(t *testing.T) {
	w := newWorld(t, "copy.sql")
	w.take(Subset{Kind: Percent, Percent: 0})
	before := w.contents(w.subset())
	dir := filepath.Join(t.TempDir(), "dump")
	cut := `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name LIKE 'garant anonymise%'`
	for _, stage := range []Stage{StageSchema, StageChoose, StageCopy, StageAfter, StageDirectory} {
		for how, end := range map[string]func(context.CancelFunc){
			"cancelled":  func(cancel context.CancelFunc) { cancel() },
			"copy cut":   func(context.CancelFunc) { _ = execute(copies.DSN(cluster.SuperUser, "postgres"), cut) },
			"laptop cut": func(context.CancelFunc) { _ = execute(laptop.DSN(cluster.SuperUser, "postgres"), cut) },
			"copy replaced": func(context.CancelFunc) {
				_ = execute(copies.DSN(cluster.SuperUser, "postgres"), strings.Replace(cut, "application_name", "datname = '"+w.copy+"' AND application_name", 1))
			},
		} {
			if stage == StageDirectory && strings.HasPrefix(how, "copy") {
				continue // is no longer read
			}
			t.Run(string(stage)+" "+how, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				o := w.options(Subset{Kind: Percent, Percent: 5})
				o.Directory, o.Target = dir, laptop.DSN(cluster.SuperUser, w.name)
				ended := false
				o.Say = func(p Progress) {
					if p.Stage == stage && !ended {
						ended = true
						end(cancel)
					}
				}
				_, err := Take(ctx, o)
				var e *errs.Error
				if err == nil || !errors.As(err, &e) && !errors.Is(err, context.Canceled) {
					t.Errorf("ended in %v", err)
				}
			})
			w.only(w.name)
			if _, err := os.Stat(dir); err == nil {
				t.Error("there is a directory")
			}
			w.alone(dir)
		}
	}
	got := w.contents(w.subset())
	within(t, got, before)
	within(t, before, got)
}

// TestLeftBehind takes away what killed pulls left, and not what a living one makes.
func TestLeftBehind(t *testing.T) {
	w := newWorld(t, "copy.sql")
	super := laptop.DSN(cluster.SuperUser, "postgres")
	dead, alive, other := w.name+"_pull_0123456789ab", w.name+"_pull_ba9876543210", w.name+"_pull_by_hand"
	for _, d := range []string{dead, alive, other, w.name + "_pull_old_0123456789ab"} {
		w.must(execute(super, `CREATE DATABASE `+d+` OWNER me`))
	}
	holder := w.connect(laptop, "postgres")
	_, err := holder.Exec(t.Context(), `SELECT pg_advisory_lock(`+lockPull+`)`, "ba9876543210")
	w.must(err)
	prefix := filepath.Join(t.TempDir(), "garant-pull-")
	w.must(os.MkdirAll(filepath.Join(prefix+"0123456789ab", "pg"), 0o700))
	living, err := newScratch(prefix, "ba9876543210")
	w.must(err)
	if _, err := os.Stat(prefix + "0123456789ab"); err == nil {
		t.Error("the directory of a pull that is no more is there")
	}
	next, err := newScratch(prefix, "aaaaaaaaaaaa")
	w.must(err)
	if _, err := os.Stat(living.path); err != nil {
		t.Error("the directory of a living pull is gone")
	}
	living.remove()
	next.remove()
	_, err = Take(t.Context(), w.options(Subset{Kind: Percent, Percent: 0}))
	w.must(err)
	w.only(w.name, alive, other)
}

// TestChangedMeanwhile lets somebody write to the copy while it is pulled: the subset is of one moment.
func TestChangedMeanwhile(t *testing.T) {
	w := newWorld(t, "copy.sql")
	all := w.contents(w.conn)
	o := w.options(Subset{})
	var wrote error
	o.Say = func(p Progress) {
		if p.Stage == StageChoose && p.Rows == 0 && wrote == nil {
			wrote = execute(copies.DSN(cluster.SuperUser, w.copy), `DELETE FROM shop.line; UPDATE shop.audit SET said = 'other'; INSERT INTO shop.country VALUES ('ZZ', 'new'); SET lock_timeout = '200ms'`)
			if err := execute(copies.DSN(cluster.SuperUser, w.copy), `SET lock_timeout = '200ms'; TRUNCATE shop.log`); err == nil {
				t.Error("a table could be emptied under the pull")
			}
		}
	}
	began := time.Now()
	_, err := Take(t.Context(), o)
	w.must(errors.Join(err, wrote))
	got := w.contents(w.subset())
	within(t, got, all)
	within(t, all, got)
	if time.Since(began) > 5*time.Minute {
		t.Error("it waited for somebody")
	}
}
