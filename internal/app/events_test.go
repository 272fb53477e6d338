package app

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/demo"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/tenant"
)

// The joins of collecting: what the example's application records and what is written to its tables is an entry of its customer, by the login
// that Garant minted for; and the check of it passes until a trigger is switched off, by the manifest that the estate declares.
func TestExampleEvents(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the example")
	}
	dir := exampleDir(t)
	ctx := context.Background()
	d, err := OpenDemo(ctx, Options{DataDir: dir, Build: "test", Now: time.Now, Log: slog.New(slog.DiscardHandler)}, time.Minute, true)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close(ctx)
	application, err := d.OpenApplication(ctx)
	if err != nil {
		t.Fatal(err)
	}
	id, err := application.Login.Sign(demo.Users()[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	minted, err := d.tokens().Exchange(ctx, "", id, tenant.Write)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.New(ctx, addressOf(t, dir, "app.url"))
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var row string
	if err := tenant.InTx(ctx, pool, minted, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `UPDATE customer.application SET subject = 'Autre objet' WHERE id = (SELECT id FROM customer.application ORDER BY id LIMIT 1) RETURNING id::text`).Scan(&row); err != nil {
			return err
		}
		return tenant.Record(ctx, tx, tenant.Event{Action: "application.renamed", Kind: "customer.application", ID: row})
	}); err != nil {
		t.Fatal(err)
	}
	if n, err := d.Events.Collect(ctx, guardedDatabase); err != nil || n < 2 {
		t.Fatal(n, err)
	}
	list, err := audit.List(ctx, d.DB.Pool(pg.Staff), audit.Filter{Object: audit.Object{Kind: "customer.application", ID: row}})
	if err != nil || len(list) != 2 || list[0].Action != "application.renamed" || list[1].Action != "row.updated" {
		t.Fatalf("%+v, %v", list, err)
	}
	var customer string
	if err := d.DB.Pool(pg.Worker).QueryRow(ctx, `SELECT tenancy.customer_of($1, $2)::text`, guardedDatabase, minted.Claims().Tenant.String()).Scan(&customer); err != nil {
		t.Fatal(err)
	}
	if err := audit.Open(ctx, d.DB.Pool(pg.Staff), d.Box, list); err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if e.Tenant != customer || e.Actor.Kind != actor.User || !strings.HasPrefix(e.Actor.ID, "login:") {
			t.Errorf("%+v", e)
		}
	}
	if len(list[1].Changes) != 1 || list[1].Changes[0].Field != "subject" || list[1].Changes[0].After == nil || *list[1].Changes[0].After != "Autre objet" {
		t.Errorf("%+v", list[1].Changes)
	}

	// The check, with what collects at work.
	working, stop := context.WithCancel(ctx)
	done := make(chan bool)
	go func() {
		defer close(done)
		for working.Err() == nil {
			for _, name := range []string{guardedDatabase, demo.OwnName} {
				_, _ = d.Events.Collect(working, name)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	defer func() { stop(); <-done }()
	view, err := d.View(ctx)
	if err != nil {
		t.Fatal(err)
	}
	check := d.Events.Checks(5 * time.Second).Events
	look := func() measure.Finding {
		return measure.Observe(ctx, check, measure.In{Estate: view.Estate, Now: time.Now()}, slog.New(slog.DiscardHandler))
	}
	if f := look(); f.Outcome != measure.Pass {
		t.Fatalf("%s %+v", f.Outcome, f.Failed)
	}
}

// addressOf is an address that the example keeps in a file.
func addressOf(t *testing.T, dir, name string) (address string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() && e.Name() == name {
			text, err := os.ReadFile(path) //nolint:gosec // of the test's own example
			if err != nil {
				return err
			}
			address = strings.TrimSpace(string(text))
		}
		return nil
	})
	if err != nil || address == "" {
		t.Fatal("no address", err)
	}
	return address
}
