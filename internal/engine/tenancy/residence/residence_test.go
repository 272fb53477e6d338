package residence_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/engine/tenancy/move"
	"github.com/garant-project/garant/internal/engine/tenancy/residence"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/tenant"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// signedIn lets everybody in as one actor.
type signedIn struct{ who actor.Actor }

func (s signedIn) Authenticate(*http.Request) (actor.Actor, error) { return s.who, nil }

func serve(t *testing.T, api *web.API, by actor.Actor) http.Handler {
	t.Helper()
	site, err := web.NewSite(web.Config{Name: "console", Hosts: []string{"127.0.0.1"}, Routes: api.Routes(), Languages: []string{"en"}, Now: time.Now,
		Log: slog.New(slog.DiscardHandler), Metrics: web.NewMetrics(), Auth: signedIn{by}})
	if err != nil {
		t.Fatal(err)
	}
	return site
}

// What Garant tells of a tenant follows the move, is written down once a change, and ends when the
// tenant is at home again.
func TestResidences(t *testing.T) {
	ctx := context.Background()
	db := pgtest.New(t)
	s := &residence.Store{DB: db, By: actor.NewSystem("cli:test")}
	id := uuid.New()
	r := move.Route{Database: "production", Tenant: tenant.UUID(id), Move: uuid.New(), By: "test"}
	where := func() residence.Residence {
		t.Helper()
		got, err := residence.Where(ctx, db.Pool(pg.Checker), "production", tenant.UUID(id))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := where(); got.Place != "production" || got.Paused {
		t.Errorf("%+v", got)
	}
	for _, step := range []struct {
		place  string
		paused bool
	}{{"production", true}, {"production", true}, {"acme", false}, {"acme", false}, {"acme", true}, {"production", false}} {
		r.Place, r.Paused = step.place, step.paused
		if err := s.Route(ctx, r); err != nil {
			t.Fatal(err)
		}
		if got := where(); got.Place != step.place || got.Paused != step.paused {
			t.Errorf("%+v, not %+v", got, step)
		}
		list, err := residence.Dedicated(ctx, db.Pool(pg.Worker))
		if err != nil || len(list) == 1 != (step.place == "acme") {
			t.Errorf("%v %v", list, err)
		}
	}
	super := pgtest.Superuser(t, db.Pool(pg.Staff).Config().ConnConfig.Database)
	var told, audited, left int
	if err := super.QueryRow(ctx, `SELECT (SELECT count(*) FROM hosting.told), (SELECT count(*) FROM audit.entry WHERE action = 'tenant.routed'), (SELECT count(*) FROM hosting.residence)`).Scan(&told, &audited, &left); err != nil {
		t.Fatal(err)
	}
	if told != 4 || audited != 4 || left != 0 {
		t.Errorf("told %d times, audited %d, %d left", told, audited, left)
	}
	if _, err := db.Pool(pg.Checker).Exec(ctx, "DELETE FROM hosting.told"); err == nil {
		t.Error("what was told can be taken back")
	}
}

// What a mover tells of its move is kept, last word last; what it copied never becomes less.
func TestProgress(t *testing.T) {
	ctx := context.Background()
	db := pgtest.New(t)
	s := &residence.Store{DB: db, By: actor.NewSystem("cli:test")}
	now := time.Now().UTC().Truncate(time.Microsecond)
	p := move.Progress{State: move.State{ID: uuid.New(), From: "production", To: "acme", Step: move.Copied, Rows: 40, StartedAt: now, StartedBy: "cli:test"}, Database: "production", ID: tenant.Int(7), Bytes: 900, Rate: 3, Behind: 2, Failure: "no space"}
	tell := func(p move.Progress) residence.Moved {
		t.Helper()
		if err := s.Progress(ctx, p); err != nil {
			t.Fatal(err)
		}
		m, err := residence.MoveOf(ctx, db.Pool(pg.Checker), p.State.ID)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	if m := tell(p); m.Failure != "no space" || m.Tenant != "7" || m.Rows != 40 || m.Bytes != 900 || m.Rate != 3 || m.Behind != 2 || m.SwitchedAt != nil || !m.StartedAt.Equal(now) {
		t.Errorf("%+v", m)
	}
	p.Failure, p.Bytes, p.Rows, p.Step, p.SwitchedAt, p.Pause, p.Proof = "", 10, 0, move.Proved, &now, 834*time.Millisecond, []move.Sum{{Table: "t", Rows: 40, High: "-1", Low: "2"}}
	if m := tell(p); m.Failure != "" || m.Rows != 40 || m.Bytes != 900 || m.Step != move.Proved || m.Pause != p.Pause || len(m.Proof) != 1 || m.Proof[0] != p.Proof[0] {
		t.Errorf("%+v", m)
	}
	over := p
	over.State.ID, over.FinishedAt, over.StartedAt = uuid.New(), &now, now.Add(time.Hour)
	tell(over)
	list, err := residence.Moves(ctx, db.Pool(pg.Staff), 10)
	if err != nil || len(list) != 2 || list[0].ID != p.State.ID {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := residence.MoveOf(ctx, db.Pool(pg.Staff), uuid.New()); !errs.Is(err, errs.NotFound) {
		t.Error(err)
	}
	if _, err := db.Pool(pg.Staff).Exec(ctx, "DELETE FROM hosting.move"); err == nil {
		t.Error("what is known of a move can be taken away")
	}
}

// The answer is what the SDKs' routers read.
func TestAPI(t *testing.T) {
	ctx := context.Background()
	db := pgtest.New(t)
	id := uuid.New()
	s := &residence.Store{DB: db, By: actor.NewSystem("cli:test")}
	api := web.NewAPI("Garant", "test")
	residence.AddAPI(api, actor.ImportEvidence, db, func(_ context.Context, name string) (string, bool, error) { return "uuid", name == "production", nil })
	ask := func(by actor.Actor, query string) (int, residence.APIRoute) {
		t.Helper()
		req := httptest.NewRequest(http.MethodGet, web.APIPath+"/tenant/route?"+query, nil)
		req.Host = "127.0.0.1"
		rec := httptest.NewRecorder()
		serve(t, api, by).ServeHTTP(rec, req)
		var got residence.APIRoute
		if rec.Code == http.StatusOK {
			if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
		}
		return rec.Code, got
	}
	may := actor.Actor{Kind: actor.Person, ID: uuid.NewString(), Permissions: []actor.Permission{actor.ImportEvidence}}
	query := "audience=production&type=uuid&tenant=" + id.String()
	if code, got := ask(may, query); code != http.StatusOK || got != (residence.APIRoute{Place: "production", MaxAge: 30}) {
		t.Errorf("%d %+v", code, got)
	}
	if err := s.Route(ctx, move.Route{Database: "production", Tenant: tenant.UUID(id), Place: "acme", Paused: true, Move: uuid.New()}); err != nil {
		t.Fatal(err)
	}
	if code, got := ask(may, query); code != http.StatusOK || got != (residence.APIRoute{Place: "acme", Paused: true}) {
		t.Errorf("%d %+v", code, got)
	}
	for q, want := range map[string]int{"audience=nowhere&tenant=" + id.String(): 404, "audience=production&tenant=Acme": 422, "audience=production&type=text&tenant=x": 422} {
		if code, _ := ask(may, q); code != want {
			t.Errorf("%s: %d, not %d", q, code, want)
		}
	}
	if code, _ := ask(actor.Actor{Kind: actor.Person, ID: uuid.NewString()}, query); code != http.StatusForbidden {
		t.Errorf("without the right: %d", code)
	}
	// A token that is bound to databases learns nothing of another, not even whether it is there.
	bound := may
	bound.Minting = &actor.Minting{Databases: []string{"acme"}}
	for _, q := range []string{query, "audience=nowhere&tenant=" + id.String()} {
		if code, got := ask(bound, q); code != http.StatusForbidden || got != (residence.APIRoute{}) {
			t.Errorf("%s with a token for another database: %d %+v", q, code, got)
		}
	}
	bound.Minting = &actor.Minting{Databases: []string{"acme", "production"}}
	if code, _ := ask(bound, query); code != http.StatusOK {
		t.Errorf("with a token for the database: %d", code)
	}
}
