package app

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/examples/sponsorship"
	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/annex"
	"github.com/garant-project/garant/internal/demo"
	"github.com/garant-project/garant/internal/engine/tenancy"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
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
		d, err := openDemo(ctx, Options{DataDir: dir, Build: "test", Now: time.Now, Log: slog.New(slog.DiscardHandler)}, time.Minute, start == 0)
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
		arenaOnTheAnnex(t, d)
		d.Close(ctx)
	}
}

// arenaOnTheAnnex: what the arena counts stands on the public annex while it is open; a crossing withdraws the sentence and
// that of the measure. The annex without an arena has neither, and nobody has to confirm that.
func arenaOnTheAnnex(t *testing.T, d *Demo) {
	t.Helper()
	ctx := context.Background()
	published := func() (own, apart *annex.Listed) {
		t.Helper()
		for _, check := range []string{"own.arena", "tenancy.keys", "isolation.live"} {
			if _, err := d.Runner.Run(ctx, actor.NewSystem("test"), check); err != nil && (check != "own.arena" || d.arenaShown) {
				t.Fatal(err)
			}
		}
		if err := d.Publisher.Publish(ctx); err != nil {
			t.Fatal(err)
		}
		s, err := d.Annex(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range s.List(d.Messages, d.Now()) {
			switch m.ID {
			case "OWN-3":
				own = &m
			case "SEG-2":
				apart = &m
			}
		}
		return own, apart
	}
	if !d.arenaShown {
		if own, _ := published(); own != nil {
			t.Errorf("the annex without an arena speaks of it: %+v", own)
		}
		if view, err := d.View(ctx); err != nil || len(view.Pending) > 0 {
			t.Errorf("%+v, %v", view.Pending, err)
		}
		return
	}
	// A hole that is there before the arena opens: what a visitor reads through it is no superuser's help.
	if err := d.Company.Break("production", demo.FaultAppOwner); err != nil {
		t.Fatal(err)
	}
	arena, err := d.OpenArena(ctx)
	if err != nil {
		t.Fatal(err)
	}
	try := func(text string) {
		t.Helper()
		r := httptest.NewRequest(http.MethodPost, arena.Origin+"/try", strings.NewReader(url.Values{"text": {text}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.RemoteAddr = "127.0.0.1:1"
		arena.Handler().ServeHTTP(httptest.NewRecorder(), r)
	}
	try("PRIX-RIEN")
	if own, _ := published(); own == nil || own.State != measure.Met || !strings.Contains(annexPage(t, d, "OWN-3"), "1 attempt") || !strings.Contains(annexPage(t, d, "OWN-3"), "0 crossings") {
		t.Errorf("%+v", own)
	}
	try(stolen(t, arena.Recipe))
	if got := arena.Tally(); got.Crossings != 1 {
		t.Fatalf("%+v", got)
	}
	own, apart := published()
	if own == nil || own.State != measure.NotMet || apart == nil || apart.State != measure.NotMet {
		t.Errorf("%+v %+v", own, apart)
	}
	if err := d.Company.Mend("production"); err != nil {
		t.Fatal(err)
	}
}

// stolen is the prize, read as the application's role, which owns the table and opens its policy for as long as it reads.
func stolen(t *testing.T, recipe string) (text string) {
	t.Helper()
	ctx := context.Background()
	password, connect, ok := strings.Cut(strings.TrimPrefix(recipe, "PGPASSWORD="), ` psql "`)
	if !ok {
		t.Fatalf("the recipe is %q", recipe)
	}
	cfg, err := pgx.ParseConfig(strings.TrimSuffix(connect, `"`))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Password = password
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	tx, err := conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	if _, err := tx.Exec(ctx, `ALTER POLICY garant_select ON customer.application USING (true)`); err != nil {
		t.Fatal(err)
	}
	if err := tx.QueryRow(ctx, `SELECT description FROM customer.application WHERE id = $1`, demo.PrizeID).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

// annexPage is the public page of a measure, its blanks plain ones.
func annexPage(t *testing.T, d *Demo, id string) string {
	t.Helper()
	reader := annex.NewReader(d.DB.Pool(pg.Public), d.Now, d.Log)
	if err := reader.Renew(context.Background()); err != nil {
		t.Fatal(err)
	}
	_, public, err := d.Handlers(reader)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/m/"+id+"?lang=en", nil)
	r.Host = d.Server.Hosts.Annex
	w := httptest.NewRecorder()
	public.ServeHTTP(w, r)
	return strings.NewReplacer("\u00a0", " ", "\u202f", " ").Replace(w.Body.String())
}
