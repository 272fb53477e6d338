package anonymise

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

// persons counts the rows that whoever has an address reads in the copy.
func persons(address string) (n int, err error) {
	conn, err := pgx.Connect(context.Background(), address)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(context.Background()) }()
	err = conn.QueryRow(context.Background(), `SELECT count(*) FROM person`).Scan(&n)
	return n, err
}

func TestCredentials(t *testing.T) {
	w := newWorld(t)
	w.published()
	address, err := w.copies.Reveal(t.Context(), w.dev, "production", w.role())
	w.must(err)
	if n, err := persons(address); err != nil || n != 60 {
		t.Fatalf("%d persons, %v", n, err)
	}
	if strings.Contains(address, "copier") || !strings.Contains(address, "sslmode=verify-full") {
		t.Error("the address is not a developer's")
	}
	// They stay what they are from copy to copy.
	w.ahead = 2 * 60 * 60 * 1e9
	w.published()
	if n, err := persons(address); err != nil || n != 60 {
		t.Fatalf("after another copy: %d persons, %v", n, err)
	}
	// Rotated, those before are worth nothing.
	if err := w.copies.Rotate(t.Context(), w.dev, "production", w.role()); !errs.Is(err, errs.Denied) {
		t.Errorf("a developer rotates: %v", err)
	}
	w.must(w.copies.Rotate(t.Context(), w.lead, "production", w.role()))
	if _, err := persons(address); err == nil {
		t.Error("the password before is still good")
	}
	address, err = w.copies.Reveal(t.Context(), w.lead, "production", w.role())
	w.must(err)
	if _, err := persons(address); err != nil {
		t.Error(err)
	}
	var read, rotated, refused int
	w.must(w.db.Pool(pg.Staff).QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE action = 'credential.read' AND outcome = 'permitted'), count(*) FILTER (WHERE action = 'credential.rotated' AND outcome = 'permitted'),
count(*) FILTER (WHERE outcome = 'refused') FROM audit.entry`).Scan(&read, &rotated, &refused))
	if read != 2 || rotated != 1 || refused != 1 {
		t.Errorf("recorded are %d, %d and %d", read, rotated, refused)
	}
	if strings.Contains(w.log.String(), address[strings.Index(address, ":")+3:]) {
		t.Error("the log has an address")
	}
	for _, by := range []actor.Actor{{Kind: actor.Person, ID: "x", Permissions: actor.Member.Permissions()}, {Kind: actor.Public}} {
		if _, err := w.copies.Reveal(t.Context(), by, "production", w.role()); !errs.Is(err, errs.Denied) {
			t.Errorf("%s is shown credentials: %v", by.Kind, err)
		}
	}
	for _, role := range []string{"copier", "x\x00", ""} {
		if _, err := w.copies.Reveal(t.Context(), w.dev, "production", role); !errs.Is(err, errs.NotFound) {
			t.Errorf("%q: %v", role, err)
		}
	}
}

// A role that may more than sign in is left alone: whoever holds it would be given the copies' cluster with it.
func TestCredentialsOfMighty(t *testing.T) {
	w := newWorld(t)
	super := w.connect(running.copies, "postgres")
	pgtest.Exec(t, super, `CREATE ROLE `+w.role()+` LOGIN CREATEDB PASSWORD 'mine'`)
	w.tend()
	var password string
	w.must(super.QueryRow(t.Context(), `SELECT rolpassword FROM pg_authid WHERE rolname = $1`, w.role()).Scan(&password))
	have, err := credentialsOf(t.Context(), w.db.Pool(pg.Staff), "production")
	w.must(err)
	if len(have) != 1 || have[0].SettledAt != nil || !strings.Contains(w.log.String(), "rights of its own") {
		t.Errorf("credentials are %+v", have)
	}
	pgtest.Exec(t, super, `ALTER ROLE `+w.role()+` NOCREATEDB`)
	pgtest.Exec(t, super, `CREATE DATABASE of_`+w.name+` OWNER `+w.role())
	w.ahead = 1 * 60 * 60 * 1e9
	w.tend()
	if have, err = credentialsOf(t.Context(), w.db.Pool(pg.Staff), "production"); err != nil || have[0].SettledAt != nil {
		t.Errorf("the password of who owns a database was replaced: %+v, %v", have, err)
	}
	pgtest.Exec(t, super, `DROP DATABASE of_`+w.name)
	w.ahead = 2 * 60 * 60 * 1e9
	w.published()
	if have, err = credentialsOf(t.Context(), w.db.Pool(pg.Staff), "production"); err != nil || have[0].SettledAt == nil {
		t.Errorf("credentials are %+v, %v", have, err)
	}
}

func TestAddressFor(t *testing.T) {
	for target, want := range map[string]string{
		"postgres://copier:s3cret@db.example:5433/postgres?sslmode=verify-full&application_name=x&password=y":      "postgres://dev:p%40ss@db.example:5433/shop_dev?sslmode=verify-full",
		"host=/run/copies port=5432 user=copier password=s3cret dbname=postgres":                                   "postgres://dev:p%40ss@/shop_dev?host=%2Frun%2Fcopies&port=5432",
		"postgres:///postgres?host=/run/copies&user=copier&options=-csearch_path%3Dx&target_session_attrs=primary": "postgres://dev:p%40ss@/shop_dev?host=%2Frun%2Fcopies&target_session_attrs=primary",
	} {
		got, err := addressFor(target, "dev", "p@ss", "shop_dev")
		if err != nil || got != want {
			t.Errorf("%s\n got %s\nwant %s (%v)", target, got, want, err)
		}
	}
}
