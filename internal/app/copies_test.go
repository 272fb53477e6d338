package app

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/demo"
	"github.com/garant-project/garant/internal/measure"
)

// exampleDir is a data directory for the example, which finds itself free ports.
func exampleDir(t *testing.T) string {
	t.Helper()
	t.Setenv(demo.PortsVariable, "free")
	dir, err := os.MkdirTemp("", "garant-example-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // PostgreSQL's account passes through
		t.Fatal(err)
	}
	return dir
}

// TestExampleCopies: the example's developers have an anonymised copy of production, with which the annex speaks of four measures;
// each fault withdraws the sentence that it is about, and mended it comes back. A second start keeps the credentials.
func TestExampleCopies(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the example")
	}
	dir := exampleDir(t)
	ctx := t.Context()
	start := func() *Demo {
		t.Helper()
		d, err := OpenDemo(ctx, Options{DataDir: dir, Build: "test", Now: time.Now, Log: slog.New(slog.DiscardHandler)}, time.Minute, false)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close(context.WithoutCancel(ctx)) })
		d.Company.Lend(hands{d})
		return d
	}
	d := start()
	if err := d.OpenCopies(ctx); err != nil {
		t.Fatal(err)
	}
	c, err := d.served(ctx)
	if err != nil || c == nil || !c.Anonymised {
		t.Fatalf("served is %+v, %v", c, err)
	}
	first := c.Run
	annex := func(broken ...string) {
		t.Helper()
		if err := d.lookAtCopies(ctx); err != nil {
			t.Fatal(err)
		}
		if err := d.Publisher.Publish(ctx); err != nil {
			t.Fatal(err)
		}
		s, err := d.Annex(ctx)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]measure.State{"SEG-6": measure.Met, "SEG-7": measure.Met, "SEG-8": measure.Met, "ANO-1": measure.Met}
		for _, id := range broken {
			want[id] = measure.NotMet
		}
		for _, m := range s.List(d.Messages, d.Now()) {
			if state, ok := want[m.ID]; ok && m.State != state {
				t.Errorf("%s is %s, want %s (broken: %q)", m.ID, m.State, state, d.Company.Fault("copies"))
			}
		}
	}
	annex()

	// What the developer is given opens the copy, and nothing else.
	address, err := hands{d}.Developer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	var applicants, known int
	err = conn.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE email LIKE '%@mail.example' OR last_name LIKE 'Exemple%' OR street LIKE 'Rue de l’Exemple%') FROM customer.applicant`).Scan(&applicants, &known)
	_ = conn.Close(ctx)
	if err != nil || applicants < 60 || known != 0 {
		t.Errorf("the copy has %d applicants, %d of them production's: %v", applicants, known, err)
	}

	// Another minute passes, as the schedule sees it.
	var ahead time.Duration
	d.Copies.Now = func() time.Time { return time.Now().Add(ahead) }
	due := func() {
		t.Helper()
		ahead += time.Hour
		if err := d.Copies.Tend(ctx, guardedDatabase); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []struct {
		fault  string
		runs   bool // it is seen by the next run
		breaks string
	}{
		{demo.FaultNewColumn, true, "SEG-6"},
		{demo.FaultLeak, true, "SEG-6"},
		{demo.FaultDeveloperPath, false, "SEG-7"},
		{demo.FaultByHand, false, "SEG-8"},
	} {
		if err := d.Company.Break("copies", f.fault); err != nil {
			t.Fatal(err)
		}
		if f.runs {
			due()
		}
		broken := []string{f.breaks}
		if f.fault == demo.FaultByHand { // Garant knows no run that made it
			broken = append(broken, "SEG-6", "SEG-7", "ANO-1")
		}
		annex(broken...)
		if err := d.Company.Mend("copies"); err != nil {
			t.Fatal(err)
		}
		due()
		if f.fault == demo.FaultByHand {
			due() // it is the copy before, to which one can go back, until the next but one
		}
		annex()
		if fault := d.Company.Fault("copies"); fault != "" {
			t.Errorf("%s is left after mending %s", fault, f.fault)
		}
	}
	if c, err = d.served(ctx); err != nil || c == nil || c.Run == first {
		t.Fatalf("served is %+v, %v", c, err)
	}
	d.Close(ctx)

	d = start()
	if err := d.OpenCopies(ctx); err != nil {
		t.Fatal(err)
	}
	if again, err := (hands{d}).Developer(ctx); err != nil || again != address {
		t.Errorf("after a second start the developer has another address: %v", err)
	}
	if c, err = d.served(ctx); err != nil || c == nil || !c.Anonymised {
		t.Errorf("served is %+v, %v", c, err)
	}
	view, err := d.View(ctx)
	if err != nil || len(view.Pending) != 0 {
		t.Errorf("a second person is asked for %+v, %v", view.Pending, err)
	}
	if _, err := d.Copies.Reveal(ctx, d.staff["contractor"], guardedDatabase, demo.CopyDeveloper); err == nil || d.staff["developer"].Role != actor.Developer {
		t.Errorf("credentials for somebody of another role: %v", err)
	}
}
