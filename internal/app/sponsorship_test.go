package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/garant-project/garant/examples/sponsorship"
	"github.com/garant-project/garant/internal/demo"
	"github.com/garant-project/garant/internal/engine/tenancy"
	"github.com/garant-project/garant/tenant"
)

// The join of the example's application with the engine: its login is exchanged, its public form's
// job was accepted by a second person, and neither gives more. A second start asks for nothing again.
func TestExampleTokens(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the example")
	}
	t.Setenv(demo.PortsVariable, "free")
	dir, err := os.MkdirTemp("", "garant-tokens-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // PostgreSQL's account passes through
		t.Fatal(err)
	}
	ctx := context.Background()
	for start := range 2 {
		d, err := OpenDemoAt(ctx, Options{DataDir: dir, Build: "test", Now: time.Now, Log: slog.New(slog.DiscardHandler)}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		application, err := d.OpenApplication(ctx)
		if err != nil {
			t.Fatal(err)
		}
		tokens := d.tokens()
		id, err := application.Login.Sign(demo.Users()[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, access := range []tenant.Access{tenant.Read, tenant.Write} {
			if got, err := tokens.Exchange(ctx, id, access); err != nil || got.Claims().Tenant != demo.Customers()[0].ID() || got.Claims().Access != access || got.Claims().Kind != tenant.Login {
				t.Errorf("start %d: %+v, %v", start, got.Claims(), err)
			}
		}
		if _, err := tokens.Exchange(ctx, id[:len(id)-8]+"AAAAAAAA", tenant.Read); !errors.Is(err, sponsorship.ErrRefused) {
			t.Errorf("a changed ID token: %v", err)
		}
		for _, c := range demo.Customers() {
			if got, err := tokens.Job(ctx, sponsorship.Purpose, c.ID()); err != nil || got.Claims().Tenant != c.ID() || got.Claims().Kind != tenant.Service {
				t.Errorf("the job for %s: %v", c.Name, err)
			}
		}
		if _, err := tokens.Job(ctx, sponsorship.Purpose, tenant.Int(3)); err == nil {
			t.Error("the job gives a customer who is not listed")
		}
		if _, err := tokens.Job(ctx, "anything", tenant.Int(1)); !errors.Is(err, sponsorship.ErrRefused) {
			t.Errorf("a job that nobody accepted: %v", err)
		}
		jobs, err := d.Tenancy.Jobs(ctx, d.tokens().by, guardedDatabase)
		if err != nil || len(jobs) != 1 || jobs[0].State != tenancy.JobAccepted || jobs[0].AskedBy == jobs[0].DecidedBy {
			t.Errorf("start %d: %+v, %v", start, jobs, err)
		}
		// The arena's words come from the published annex.
		if err := d.Publisher.Publish(ctx); err != nil {
			t.Fatal(err)
		}
		sentences, err := d.disputed(ctx)
		if err != nil || len(sentences) != 2 || sentences[0].Text["fr"] == "" {
			t.Errorf("%+v, %v", sentences, err)
		}
		d.Close(ctx)
	}
}
