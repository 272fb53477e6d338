package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
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
	dir := exampleDir(t)
	ctx := context.Background()
	for start := range 2 {
		d, err := OpenDemo(ctx, Options{DataDir: dir, Build: "test", Now: time.Now, Log: slog.New(slog.DiscardHandler)}, time.Minute, start == 0)
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
			if got, err := tokens.Exchange(ctx, "", id, access); err != nil || got.Claims().Tenant != demo.Customers()[0].ID() || got.Claims().Access != access || got.Claims().Kind != tenant.Login {
				t.Errorf("start %d: %+v, %v", start, got.Claims(), err)
			}
		}
		if _, err := tokens.Exchange(ctx, "", id[:len(id)-8]+"AAAAAAAA", tenant.Read); !errors.Is(err, sponsorship.ErrRefused) {
			t.Errorf("a changed ID token: %v", err)
		}
		for _, c := range demo.Customers() {
			got, err := tokens.Job(ctx, "", sponsorship.Purpose, c.ID())
			var moved *tenant.RefusedError
			if start == 1 && c.ID() == demo.OwnCustomer().ID() && errors.As(err, &moved) && moved.Place == demo.OwnName {
				continue // it was not cut off in time
			}
			if err != nil || got.Claims().Tenant != c.ID() || got.Claims().Kind != tenant.Service {
				t.Errorf("the job for %s: %v", c.Name, err)
			}
		}
		if _, err := tokens.Job(ctx, "", sponsorship.Purpose, tenant.Int(4)); err == nil {
			t.Error("the job gives a customer who is not listed")
		}
		if _, err := tokens.Job(ctx, "", "anything", tenant.Int(1)); !errors.Is(err, sponsorship.ErrRefused) {
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
		if start == 0 {
			d.CompleteLater(ctx) // and cut off
			time.Sleep(time.Second)
		} else {
			ownDatabase(t, d, application)
		}
		d.Close(ctx)
	}
}

// ownDatabase: one customer moves to a database of its own while its public form is asked for, again and again. The annex then
// says where it lives, until a row of it is put back among the others'.
func ownDatabase(t *testing.T, d *Demo, application *demo.Application) {
	t.Helper()
	ctx := context.Background()
	moved := d.Company.LivesAlone() // the first start was not cut off in time
	asked, stop := make(chan int), make(chan struct{})
	go func() {
		answers := 0
		defer func() { asked <- answers }()
		for {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
			port := application.Origin[strings.LastIndexByte(application.Origin, ':'):]
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1"+port+"/apply/mutuelle", nil)
			if err != nil {
				t.Error(err)
				return
			}
			r.Host = strings.TrimPrefix(application.Origin, "http://")
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			_ = res.Body.Close()
			if answers++; res.StatusCode != http.StatusOK {
				t.Errorf("during the move the customer's form answers %d", res.StatusCode)
			}
		}
	}()
	for range 2 { // the second time there is nothing left to do
		if err := d.Dedicate(ctx); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	if n := <-asked; !moved && n < 3 {
		t.Errorf("the form was asked for %d times", n)
	}
	for _, c := range demo.Customers() {
		id, err := application.Login.Sign(fmt.Sprintf("00000000-0000-4000-8000-0000000000%d1", c.Key))
		if err != nil {
			t.Fatal(err)
		}
		var refused *tenant.RefusedError
		_, err = d.tokens().Exchange(ctx, "", id, tenant.Read)
		if moved := c == demo.OwnCustomer(); moved != errors.As(err, &refused) || moved && refused.Place != demo.OwnName {
			t.Errorf("a token of %s for the shared database: %v", c.Name, err)
		}
		if _, err = d.tokens().Exchange(ctx, demo.OwnName, id, tenant.Read); (err == nil) != (c == demo.OwnCustomer()) {
			t.Errorf("a token of %s for the database of its own: %v", c.Name, err)
		}
	}
	seg3 := func(want measure.State) {
		t.Helper()
		if _, err := d.Runner.Run(ctx, actor.NewSystem("test"), "tenancy.dedicated"); err != nil {
			t.Fatal(err)
		}
		if err := d.Publisher.Publish(ctx); err != nil {
			t.Fatal(err)
		}
		s, err := d.Annex(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range s.List(d.Messages, d.Now()) {
			if m.ID == "SEG-3" && m.State != want {
				t.Errorf("SEG-3 is %s, want %s", m.State, want)
			}
		}
	}
	seg3(measure.Met)
	if page := annexPage(t, d, "SEG-3"); !strings.Contains(page, "Namur, BE") {
		t.Error("the annex does not say where the customer lives")
	}
	if err := d.Company.Break(guardedDatabase, demo.FaultLeftBehind); err != nil {
		t.Fatal(err)
	}
	seg3(measure.NotMet)
	if err := d.Company.Mend(guardedDatabase); err != nil {
		t.Fatal(err)
	}
	seg3(measure.Met)
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
