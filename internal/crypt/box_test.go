package crypt_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func newBox(t testing.TB, q crypt.Querier, keyfile string) *crypt.Box {
	t.Helper()
	p, err := crypt.OpenKeyfile(context.Background(), q, keyfile)
	if err != nil {
		t.Fatal(err)
	}
	b, err := crypt.NewBox(context.Background(), q, p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBox(t *testing.T) {
	ctx := context.Background()
	db := pgtest.New(t)
	staff, login := db.Pool(pg.Staff), db.Pool(pg.Login)
	keyfile := filepath.Join(t.TempDir(), "key")
	a, b := newBox(t, staff, keyfile), newBox(t, login, keyfile)

	secret := []byte("camille@example.test")
	sealed, err := a.Seal(ctx, staff, "person:1", "email", secret)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, secret[:6]) {
		t.Fatal("the sealed value shows the value")
	}
	if got, err := b.Open(ctx, login, "person:1", "email", sealed); err != nil || !bytes.Equal(got, secret) {
		t.Fatalf("another server opens %q, %v", got, err)
	}
	if !bytes.Equal(a.Index("email", secret), b.Index("email", secret)) {
		t.Error("two servers make different indexes")
	}
	if bytes.Equal(a.Index("email", secret), a.Index("name", secret)) || bytes.Equal(a.Index("ab", []byte("c")), a.Index("a", []byte("bc"))) {
		t.Error("indexes of different purposes meet")
	}

	other, err := a.Seal(ctx, staff, "person:2", "email", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(sealed)
	changed[len(changed)-1] ^= 1
	for name, c := range map[string]struct {
		subject, field string
		value          []byte
		want           string
	}{
		"tampered":      {"person:1", "email", changed, "crypt.unreadable"},
		"cut":           {"person:1", "email", sealed[:8], "crypt.unreadable"},
		"empty":         {"person:1", "email", nil, "crypt.unreadable"},
		"wrong subject": {"person:2", "email", sealed, "crypt.unreadable"},
		"wrong field":   {"person:1", "name", sealed, "crypt.unreadable"},
		"no key":        {"person:3", "email", sealed, "crypt.destroyed"},
		"index":         {"index", "email", sealed, "crypt.destroyed"},
	} {
		_, err := b.Open(ctx, login, c.subject, c.field, c.value)
		t.Run(name, func(t *testing.T) { wantID(t, err, c.want) })
	}

	// One row put in another's place, on a server that has the key in memory and on a new one.
	super := pgtest.Superuser(t, database(t, staff))
	if _, err := super.Exec(ctx, "UPDATE crypt.key SET wrapped = (SELECT wrapped FROM crypt.key WHERE subject = 'person:1') WHERE subject = 'person:2'"); err != nil {
		t.Fatal(err)
	}
	for _, box := range []*crypt.Box{a, b, newBox(t, staff, keyfile)} {
		_, err = box.Open(ctx, staff, "person:2", "email", other)
		wantID(t, err, "crypt.key_unreadable")
	}

	for _, subject := range []string{"", "index"} {
		_, err = a.Seal(ctx, staff, subject, "email", secret)
		wantID(t, err, "crypt.subject")
	}
	err = pg.InTx(ctx, staff, func(tx pgx.Tx) error { _, err := a.Forget(ctx, tx, "index"); return err })
	wantID(t, err, "crypt.subject")
}

// Erasing on one server holds at once on the other, which has the key in memory.
func TestForget(t *testing.T) {
	ctx := context.Background()
	db := pgtest.New(t)
	pool := db.Pool(pg.Staff)
	keyfile := filepath.Join(t.TempDir(), "key")
	a, b := newBox(t, pool, keyfile), newBox(t, pool, keyfile)
	sealed, err := a.Seal(ctx, pool, "person:1", "name", []byte("Camille"))
	if err != nil {
		t.Fatal(err)
	}
	forget := func(tx pgx.Tx) error {
		had, err := a.Forget(ctx, tx, "person:1")
		if err == nil && !had {
			err = errors.New("there was no key")
		}
		return err
	}
	undone := errors.New("undone")
	if err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return errors.Join(forget(tx), undone) }); !errors.Is(err, undone) {
		t.Fatal(err)
	}
	if got, err := b.Open(ctx, pool, "person:1", "name", sealed); err != nil || string(got) != "Camille" {
		t.Fatalf("after an erasure that was rolled back: %q, %v", got, err)
	}
	if err := pg.InTx(ctx, pool, forget); err != nil {
		t.Fatal(err)
	}
	for _, box := range []*crypt.Box{a, b} {
		_, err = box.Open(ctx, pool, "person:1", "name", sealed)
		wantID(t, err, "crypt.destroyed")
	}
	// A key of the same subject made later does not bring the value back.
	again, err := b.Seal(ctx, pool, "person:1", "name", []byte("Camille"))
	if err != nil {
		t.Fatal(err)
	}
	out, err := a.OpenAll(ctx, pool, []crypt.Sealed{{Subject: "person:1", Field: "name", Value: sealed}, {Subject: "person:1", Field: "name", Value: again}})
	if err != nil || out[1].Err != nil || string(out[1].Plaintext) != "Camille" {
		t.Fatalf("%v, %v", out, err)
	}
	wantID(t, out[0].Err, "crypt.unreadable")
	// Serving roles that do not erase may not destroy keys.
	for _, role := range []pg.Role{pg.Login, pg.Worker} {
		err := pg.InTx(ctx, db.Pool(role), func(tx pgx.Tx) error { _, err := a.Forget(ctx, tx, "person:1"); return err })
		if !errs.Is(err, errs.Denied) {
			t.Errorf("%s destroys keys: %v", role, err)
		}
	}
}

// A key made in a transaction that rolled back must not be used afterwards: what it sealed could
// be read by nobody.
func TestKeyOfRolledBackTransaction(t *testing.T) {
	ctx := context.Background()
	pool := pgtest.New(t).Pool(pg.Staff)
	keyfile := filepath.Join(t.TempDir(), "key")
	a := newBox(t, pool, keyfile)
	undone := errors.New("undone")
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		sealed, err := a.Seal(ctx, tx, "person:1", "name", []byte("x"))
		if err != nil {
			return err
		}
		if _, err := a.Open(ctx, tx, "person:1", "name", sealed); err != nil {
			return err
		}
		return undone
	})
	if !errors.Is(err, undone) {
		t.Fatal(err)
	}
	sealed, err := a.Seal(ctx, pool, "person:1", "name", []byte("Camille"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := newBox(t, pool, keyfile).Open(ctx, pool, "person:1", "name", sealed)
	if err != nil || string(got) != "Camille" {
		t.Fatalf("after a start: %q, %v", got, err)
	}
}

func TestFirstUseAtOnce(t *testing.T) {
	ctx := context.Background()
	pool := pgtest.New(t).Pool(pg.Staff)
	keyfile := filepath.Join(t.TempDir(), "key")
	boxes := []*crypt.Box{newBox(t, pool, keyfile), newBox(t, pool, keyfile)}
	values := make([][]byte, 8)
	var wg sync.WaitGroup
	for i := range values {
		wg.Go(func() {
			var err error
			if values[i], err = boxes[i%2].Seal(ctx, pool, "person:1", "name", []byte("x")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, v := range values {
		if _, err := boxes[(i+1)%2].Open(ctx, pool, "person:1", "name", v); err != nil {
			t.Errorf("value %d: %v", i, err)
		}
	}
}

func TestKeyfileOfAnotherDatabase(t *testing.T) {
	ctx := context.Background()
	pool := pgtest.New(t).Pool(pg.Staff)
	dir := t.TempDir()
	keyfile := filepath.Join(dir, "key")
	b := newBox(t, pool, keyfile)
	sealed, err := b.Seal(ctx, pool, "person:1", "name", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(keyfile, filepath.Join(dir, "moved")); err != nil {
		t.Fatal(err)
	}
	_, err = crypt.OpenKeyfile(ctx, pool, keyfile)
	wantID(t, err, "crypt.key_file_missing")
	if _, err := os.Stat(keyfile); !errors.Is(err, os.ErrNotExist) {
		t.Error("a new key file was made although the database needs the old one")
	}
	other := provider(t, filepath.Join(dir, "other"), true)
	_, err = crypt.NewBox(ctx, pool, other)
	wantID(t, err, "crypt.other_key")
	// A box of the right key that meets a row of another provider says so too.
	if _, err := pgtest.Superuser(t, database(t, pool)).Exec(ctx, "UPDATE crypt.key SET provider = 'keyfile:other' WHERE subject = 'person:1'"); err != nil {
		t.Fatal(err)
	}
	_, err = b.Open(ctx, pool, "person:1", "name", sealed)
	wantID(t, err, "crypt.other_key")
}

// More subjects than are remembered: the oldest are unwrapped again, none is lost.
func TestManySubjects(t *testing.T) {
	ctx := context.Background()
	pool := pgtest.New(t).Pool(pg.Staff)
	b := newBox(t, pool, filepath.Join(t.TempDir(), "key"))
	var all []crypt.Sealed
	err := pg.InTx(ctx, pool, func(tx pgx.Tx) error {
		for i := range 2100 {
			subject := "person:" + string(rune('a'+i%26)) + string(rune('0'+i/26%10)) + string(rune('0'+i/260))
			v, err := b.Seal(ctx, tx, subject, "name", []byte(subject))
			if err != nil {
				return err
			}
			all = append(all, crypt.Sealed{Subject: subject, Field: "name", Value: v})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := b.OpenAll(ctx, pool, all)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range out {
		if o.Err != nil || string(o.Plaintext) != all[i].Subject {
			t.Fatalf("%s: %q, %v", all[i].Subject, o.Plaintext, o.Err)
		}
	}
}

func database(t testing.TB, q pg.Querier) (name string) {
	t.Helper()
	if err := q.QueryRow(context.Background(), "SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	return name
}
