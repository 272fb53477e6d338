package tenancy

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
)

// A key is replaced when its age has come, or by hand, and lives on as long as its last token.
func TestRotation(t *testing.T) {
	w := newWorld(t)
	w.tend()
	old := w.mustLogin(w.a)
	garant := w.connect(cluster.SuperUser, w.name)
	exec(t, garant, `UPDATE tenancy.key SET installed_at = installed_at - interval '89 days'`)
	w.tend()
	if got := w.keys(); got != "1 mints" {
		t.Fatalf("before its time: %s", got)
	}
	exec(t, garant, `UPDATE tenancy.key SET installed_at = installed_at - interval '2 days'`)
	w.tend()
	if got := w.keys(); got != "2 mints, 1 retires" {
		t.Fatalf("after 91 days: %s", got)
	}
	fresh := w.mustLogin(w.a)
	if fresh.Token.Bytes()[1] != 2 {
		t.Error("the old key still mints")
	}
	w.opens(old, 3)
	w.opens(fresh, 3)
	keys, err := token.Keys(context.Background(), w.connect("keeper", "shop"))
	if err != nil || len(keys) != 2 || keys[0].Retires == nil || keys[0].Retires.Sub(old.Expires) < retireMargin-time.Minute || keys[0].Retires.Sub(old.Expires) > retireMargin+time.Minute || keys[1].Retires != nil {
		t.Errorf("there: %+v, %v; the last token ends at %s", keys, err, old.Expires)
	}
	exec(t, garant, `UPDATE tenancy.key SET retires_at = retires_at - interval '21 minutes'`)
	w.tend()
	if got := w.keys(); got != "2 mints, 1 retired" {
		t.Errorf("when its last token has ended: %s", got)
	}

	// By hand, at once.
	if err := w.tenancy.Rotate(context.Background(), w.bob, "shop", true); err != nil {
		t.Fatal(err)
	}
	if _, err := w.rows(fresh); !errors.Is(err, tenant.ErrInvalid) {
		t.Errorf("a token of a key that went at once: %v", err)
	}
	w.opens(w.mustLogin(w.b), 5)
	if got := w.keys(); !strings.HasPrefix(got, "3 mints") {
		t.Error(got)
	}
	reader := actor.Actor{Kind: actor.Person, ID: uuid.NewString(), Permissions: actor.Operator.Permissions()}
	if err := w.tenancy.Rotate(context.Background(), reader, "shop", false); !errs.Is(err, errs.Denied) {
		t.Errorf("by who may not: %v", err)
	}
	if got := w.actions(); !strings.Contains(got, "tenancy.key_retired permitted") || !strings.HasSuffix(got, "tenancy.key_rotated refused") {
		t.Error(got)
	}
}

// What was cut off between two steps is taken up again, by whoever comes next.
func TestCutOff(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a few seconds")
	}
	ctx := context.Background()
	for name, cut := range map[string]func(w *world, pool *pg.DB, p place, k *keeper){
		"sealed here": func(*world, *pg.DB, place, *keeper) {},
		"installed there": func(w *world, db *pg.DB, p place, k *keeper) {
			keys, err := keysOf(ctx, db.Pool(pg.Staff), p.id, true)
			if err != nil {
				t.Fatal(err)
			}
			key, err := w.tenancy.open(ctx, db.Pool(pg.Staff), p, keys[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := token.InstallKey(ctx, k.Conn, key, nil); err != nil {
				t.Fatal(err)
			}
		},
		"noted here, the old one not told": func(w *world, db *pg.DB, p place, k *keeper) {
			keys, err := keysOf(ctx, db.Pool(pg.Staff), p.id, true)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.tenancy.install(ctx, db.Pool(pg.Staff), w.bob, k, p, keys[0]); err != nil {
				t.Fatal(err)
			}
		},
	} {
		for _, urgent := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, urgent %v", name, urgent), func(t *testing.T) {
				w := newWorld(t)
				w.tend()
				old := w.mustLogin(w.a)
				d, _ := w.estate.Database("shop")
				k, err := reach(ctx, &d)
				if err != nil {
					t.Fatal(err)
				}
				defer k.close(ctx)
				p, keys, err := w.tenancy.keyed(ctx, w.db.Pool(pg.Staff), &d, k)
				if err != nil {
					t.Fatal(err)
				}
				if err := w.tenancy.makeKey(ctx, w.db.Pool(pg.Staff), w.bob, p, keys, k.seen.keys, urgent); err != nil {
					t.Fatal(err)
				}
				cut(w, w.db, p, k)
				w.mustLogin(w.a) // whatever was cut off, tokens are minted
				w.tenancy = w.server()
				w.tend()
				fresh := w.mustLogin(w.a)
				if fresh.Token.Bytes()[1] != 2 {
					t.Errorf("the old key mints; %s", w.keys())
				}
				w.opens(fresh, 3)
				if _, err := w.rows(old); (err == nil) == urgent {
					t.Errorf("a token of the old key: %v", err)
				}
			})
		}
	}
}

// child is what a process of its own is told.
type child struct {
	Garant, KeyFile, Source string
	CA                      []byte
	Work                    string
}

// TestChild is the process that TestKilled kills; by itself it does nothing.
func TestChild(t *testing.T) {
	told := os.Getenv("GARANT_TENANCY_CHILD")
	if told == "" {
		t.Skip("only as a process of another test")
	}
	var c child
	if err := json.Unmarshal([]byte(told), &c); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	db, err := pg.Open(ctx, func(r pg.Role) string { return strings.Replace(c.Garant, "garant_staff", string(r), 1) }, pg.ServingRoles()...)
	if err != nil {
		t.Fatal(err)
	}
	provider, err := crypt.KeyfileProvider(c.KeyFile, false)
	if err != nil {
		t.Fatal(err)
	}
	box, err := crypt.NewBox(ctx, db.Pool(pg.Staff), provider)
	if err != nil {
		t.Fatal(err)
	}
	e, err := parseWith(c.Source, c.CA)
	if err != nil {
		t.Fatal(err)
	}
	x, err := Open(Deps{DB: db, Box: box, Now: time.Now, View: func(context.Context) (measure.View, error) { return measure.View{Estate: e}, nil }})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("ready")
	for n := 0; ; n++ {
		by := actor.NewSystem("cli:test")
		var err error
		if c.Work == "rekey" {
			err = x.Rekey(ctx, by, "shop")
		} else {
			err = x.Rotate(ctx, by, "shop", n%2 == 1)
		}
		if err != nil {
			fmt.Println("failed", err)
		}
	}
}

// A process that replaces keys is killed again and again; what it leaves is put in order by the next
// look, and tokens are minted and accepted.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a few seconds")
	}
	w := newWorld(t)
	w.tend()
	keyFile := filepath.Join(t.TempDir(), "key")
	provider, err := crypt.KeyfileProvider(keyFile, true)
	if err != nil {
		t.Fatal(err)
	}
	w.anew(t, provider)
	for _, work := range []string{"rotate", "rekey"} {
		told, err := json.Marshal(child{running.cluster.DSN("garant_staff", w.name), keyFile, w.source(running.cluster), w.idp.ca(), work})
		if err != nil {
			t.Fatal(err)
		}
		for range 8 {
			cmd := osexec.Command(os.Args[0], "-test.run=^TestChild$") //nolint:gosec // ourselves
			cmd.Env = append(os.Environ(), "GARANT_TENANCY_CHILD="+string(told), "GARANT_TENANCY_CLUSTER=none")
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			ready := make([]byte, 6)
			if _, err := out.Read(ready); err != nil || string(ready[:5]) != "ready" {
				t.Fatalf("%s: %q, %v", work, ready, err)
			}
			time.Sleep(time.Duration(mathrand.IntN(120)) * time.Millisecond) //nolint:gosec // when to kill
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			w.tend()
			if problem := w.trouble(); problem != "" {
				t.Fatalf("%s: %s", work, problem)
			}
			if got := w.keys(); strings.Count(got, "mints") != 1 || strings.Contains(got, "comes") {
				t.Fatalf("%s: %s", work, got)
			}
			w.opens(w.mustLogin(w.a), 3)
		}
	}
}

// anew gives the world another Garant with a key file of its own, and keys the database anew.
func (w *world) anew(t *testing.T, provider crypt.Provider) {
	t.Helper()
	w.openGarant()
	exec(t, w.connect(cluster.SuperUser, w.name), `DELETE FROM crypt.key`)
	var err error
	if w.box, err = crypt.NewBox(context.Background(), w.db.Pool(pg.Staff), provider); err != nil {
		t.Fatal(err)
	}
	w.tenancy = w.server()
	if err := w.tenancy.Rekey(context.Background(), w.anna, "shop"); err != nil {
		t.Fatal(err)
	}
}

// Two servers at once make one key, and each step is done once.
func TestTwoServers(t *testing.T) {
	w := newWorld(t)
	servers := []*Tenancy{w.server(), w.server(), w.server()}
	at := func(do func(x *Tenancy) error) {
		t.Helper()
		var wg sync.WaitGroup
		for _, x := range servers {
			wg.Go(func() {
				for range 3 {
					if err := do(x); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
	}
	at(func(x *Tenancy) error { return x.Tend(context.Background(), "shop") })
	if got := w.keys(); got != "1 mints" {
		t.Fatalf("made together: %s", got)
	}
	if got := w.actions(); strings.Count(got, "tenancy.key_made") != 1 || strings.Count(got, "tenancy.key_installed") != 1 || strings.Count(got, "tenancy.place_opened") != 1 || strings.Count(got, "tenancy.keyed") != 1 {
		t.Errorf("the record: %s", got)
	}
	exec(t, w.connect(cluster.SuperUser, w.name), `UPDATE tenancy.key SET installed_at = installed_at - interval '91 days'`)
	at(func(x *Tenancy) error { return x.Tend(context.Background(), "shop") })
	if got := w.keys(); got != "2 mints, 1 retires" {
		t.Fatalf("rotated together: %s", got)
	}
	at(func(x *Tenancy) error { return x.Rotate(context.Background(), w.anna, "shop", false) })
	w.tend()
	if got := w.keys(); strings.Count(got, "mints") != 1 || strings.Contains(got, "comes") {
		t.Errorf("rotated by hand together: %s", got)
	}
	w.opens(w.mustLogin(w.a), 3)
}

// A database that was restored, copied or moved, or in which somebody put a key, is told apart; it gets
// tokens when somebody has keyed it anew, and no other key is accepted there from then on.
func TestRekey(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a few seconds")
	}
	ctx := context.Background()
	stopped := func(t *testing.T, w *world, want Problem) {
		t.Helper()
		w.tend()
		if got := w.trouble(); got != want {
			t.Errorf("seen: %q, want %q", got, want)
		}
		var e *errs.Error
		if _, err := w.login(w.a); !errors.As(err, &e) || e.ID != "tenancy.other_place" {
			t.Errorf("minted for: %v", err)
		}
		if err := w.tenancy.Rotate(ctx, w.anna, "shop", false); !errs.Is(err, errs.Conflict) {
			t.Errorf("rotated: %v", err)
		}
	}
	again := func(t *testing.T, w *world, old ...Minted) {
		t.Helper()
		if err := w.tenancy.Rekey(ctx, w.anna, "shop"); err != nil {
			t.Fatal(err)
		}
		w.tend()
		if got := w.trouble(); got != "" {
			t.Errorf("keyed anew: %q", got)
		}
		w.opens(w.mustLogin(w.b), 5)
		for _, m := range old {
			if _, err := w.rows(m); !errors.Is(err, tenant.ErrInvalid) {
				t.Errorf("a token from before: %v", err)
			}
		}
		if n := one[int](w, `SELECT count(*) FROM tenancy.key WHERE sealed IS NOT NULL`); n != 1 {
			t.Errorf("%d keys are kept", n)
		}
	}
	t.Run("restored from before a rotation", func(t *testing.T) {
		w := newWorld(t)
		w.tend()
		old := w.mustLogin(w.a)
		root := w.connect(cluster.SuperUser, "postgres")
		_ = w.super.Close(ctx)
		exec(t, root, `CREATE DATABASE backup TEMPLATE shop`)
		if err := w.tenancy.Rotate(ctx, w.anna, "shop", true); err != nil {
			t.Fatal(err)
		}
		w.tend()
		exec(t, root, `DROP DATABASE shop WITH (FORCE)`)
		exec(t, root, `ALTER DATABASE backup RENAME TO shop`)
		w.opens(old, 3) // what makes it dangerous: a key that had ended lives again
		stopped(t, w, Restored)
		again(t, w, old)
	})
	t.Run("the key is gone", func(t *testing.T) {
		w := newWorld(t)
		w.tend()
		exec(t, w.super, `SET ROLE garant_sec; DELETE FROM garant.key; RESET ROLE`)
		stopped(t, w, KeyMissing)
		again(t, w)
	})
	t.Run("somebody else’s key", func(t *testing.T) {
		w := newWorld(t)
		w.tend()
		foreign := tenant.Key{ID: 77, Audience: token.Audience(uuid.New(), uuid.New())}
		_, _ = rand.Read(foreign.Secret[:])
		if err := token.InstallKey(ctx, w.connect("keeper", "shop"), foreign, nil); err != nil {
			t.Fatal(err)
		}
		forged, err := foreign.Mint(tenant.Claims{Tenant: tenant.UUID(w.a), Session: uuid.New(), Kind: tenant.Login, Access: tenant.Write, Expires: time.Now().Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		w.opens(Minted{Token: forged}, 3)
		stopped(t, w, ForeignKey)
		again(t, w, Minted{Token: forged})
	})
	t.Run("a key there before the first of ours", func(t *testing.T) {
		w := newWorld(t)
		foreign := tenant.Key{ID: 1, Audience: token.Audience(uuid.New(), uuid.New())}
		if err := token.InstallKey(ctx, w.connect("keeper", "shop"), foreign, nil); err != nil {
			t.Fatal(err)
		}
		w.tend()
		if got := w.trouble(); got != ForeignKey {
			t.Errorf("seen: %q", got)
		}
		again(t, w)
	})
	t.Run("a copy under another name", func(t *testing.T) {
		w := newWorld(t)
		w.tend()
		old := w.mustLogin(w.a)
		root := w.connect(cluster.SuperUser, "postgres")
		_ = w.super.Close(ctx)
		exec(t, root, `CREATE DATABASE copied TEMPLATE shop`)
		exec(t, root, `ALTER DATABASE shop RENAME TO origin`)
		exec(t, root, `ALTER DATABASE copied RENAME TO shop`)
		w.opens(old, 3) // same name, same system, same keys: nobody could tell, and a rekey by hand parts the two
		again(t, w, old)
		exec(t, root, `DROP DATABASE shop WITH (FORCE)`)
		exec(t, root, `ALTER DATABASE origin RENAME TO shop`)
		stopped(t, w, ForeignKey) // the origin is now what is not ours
		again(t, w)
		// Declared under the name of the copy.
		exec(t, root, `ALTER DATABASE shop RENAME TO elsewhere`)
		w.estate = w.parse(strings.Replace(w.source(running.cluster), "database: shop", "database: elsewhere", 1))
		t.Setenv("GARANT_TEST_KEEPER", running.cluster.DSN("keeper", "elsewhere"))
		stopped(t, w, Moved)
		if err := w.tenancy.Rekey(ctx, w.anna, "shop"); err != nil {
			t.Fatal(err)
		}
		w.tend()
		if got := w.trouble(); got != "" {
			t.Errorf("keyed anew: %q", got)
		}
		w.mustLogin(w.a)
		exec(t, root, `ALTER DATABASE elsewhere RENAME TO shop`)
	})
	t.Run("moved to another cluster", func(t *testing.T) {
		w := newWorld(t)
		w.tend()
		old := w.mustLogin(w.a)
		other, err := startCluster(ctx, filepath.Join(running.dir, "other", "pg"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = other.Close(ctx) })
		guard(t, other, w.a, w.b)
		t.Setenv("GARANT_TEST_KEEPER", other.DSN("keeper", "shop"))
		w.tend()
		if got := w.trouble(); got != Impostor {
			t.Errorf("another system behind the address: %q", got)
		}
		if err := w.tenancy.Rekey(ctx, w.anna, "shop"); !errs.Is(err, errs.Conflict) {
			t.Errorf("keyed, though it is not the declared one: %v", err)
		}
		w.estate = w.parse(w.source(other))
		stopped(t, w, Moved)
		if err := w.tenancy.Rekey(ctx, w.anna, "shop"); err != nil {
			t.Fatal(err)
		}
		fresh := w.mustLogin(w.a)
		if n, err := rowsIn(t, other, fresh); err != nil || n != 3 {
			t.Errorf("%d rows, %v", n, err)
		}
		if _, err := rowsIn(t, other, old); !errors.Is(err, tenant.ErrInvalid) {
			t.Errorf("a token of the old place: %v", err)
		}
		if _, err := w.rows(fresh); !errors.Is(err, tenant.ErrInvalid) {
			t.Errorf("a token of the new place in the old: %v", err)
		}
	})
	t.Run("cut off", func(t *testing.T) {
		w := newWorld(t)
		w.tend()
		old := w.mustLogin(w.a)
		d, _ := w.estate.Database("shop")
		p, err := lastPlace(ctx, w.db.Pool(pg.Staff), "shop")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.tenancy.newPlace(ctx, w.db.Pool(pg.Staff), w.anna, p, &d, "tenancy.rekeyed"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.login(w.a); !errs.Is(err, errs.Unavailable) {
			t.Errorf("in between: %v", err)
		}
		w.tend()
		w.opens(w.mustLogin(w.a), 3)
		if _, err := w.rows(old); !errors.Is(err, tenant.ErrInvalid) {
			t.Errorf("a token from before: %v", err)
		}
	})
	t.Run("who may not", func(t *testing.T) {
		w := newWorld(t)
		operator := actor.Actor{Kind: actor.Person, ID: uuid.NewString(), Permissions: actor.Operator.Permissions()}
		if err := w.tenancy.Rekey(ctx, operator, "shop"); !errs.Is(err, errs.Denied) {
			t.Error(err)
		}
	})
}
