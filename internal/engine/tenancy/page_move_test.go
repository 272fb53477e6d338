package tenancy

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/engine/tenancy/move"
	"github.com/garant-project/garant/internal/engine/tenancy/residence"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/web/console/consoletest"
	"github.com/garant-project/garant/tenant"
)

// moving tells Garant of a move of a tenant, as a mover does.
func (w *world) moving(of uuid.UUID, step move.Step, change func(*move.Progress)) uuid.UUID {
	w.t.Helper()
	s := &residence.Store{DB: w.db, By: actor.NewSystem("cli:test")}
	p := move.Progress{State: move.State{ID: uuid.Must(uuid.NewV7()), Tenant: of.String(), From: "shop", To: "acme", Fresh: true, Step: step, StartedAt: w.now().Add(-time.Minute), StartedBy: "cli:test", Rows: 12_345},
		Database: "shop", ID: tenant.UUID(of), Bytes: 5 << 20, Rate: 1 << 20, Behind: 17}
	if change != nil {
		change(&p)
	}
	if err := s.Progress(w.t.Context(), p); err != nil {
		w.t.Fatal(err)
	}
	place := "shop"
	if p.SwitchedAt != nil {
		place = "acme"
	}
	if err := s.Route(w.t.Context(), move.Route{Database: "shop", Tenant: tenant.UUID(of), Place: place, Move: p.State.ID, Step: step}); err != nil {
		w.t.Fatal(err)
	}
	return p.State.ID
}

// The pages of moves say where each customer lives, how far each move is, what proves it, and the next command.
func TestMovePages(t *testing.T) {
	w := newWorld(t)
	h := w.house()
	consoletest.Wants(t, h.get(Path), "[/tenancy/-/moves] See where customers live")
	consoletest.Wants(t, h.get(MovesPath), "No move is under way", "Every customer lives in the shared database", "No move has ended yet", "garant tenant move KEY", "--from env:PRODUCTION_URL --to env:ACME_URL", "--from-name production --to-name acme")

	now := w.now()
	going := w.moving(w.a, move.Journaled, nil)
	consoletest.Wants(t, h.get(MovesPath), "[/tenancy/-/moves/"+going.String()+"] "+w.a.String(), "shop → acme", "under way", "12,345", "5.2 MB sent, 1.0 MB a second; 17 changes")
	consoletest.Wants(t, h.get(MovesPath+"/"+going.String()), "under way", "step 3 of 10", "No proof yet", "Applications were told nothing yet")
	consoletest.Lacks(t, h.get(MovesPath+"/"+going.String()), "What to do next")

	exec(t, w.connect(cluster.SuperUser, w.name), `UPDATE hosting.move SET heard_at = heard_at - interval '1 minute'`)
	consoletest.Wants(t, h.get(MovesPath+"/"+going.String()), "nothing heard", "Go on", "garant tenant move "+w.a.String(), "garant tenant undo "+w.a.String())
	w.moving(w.a, move.Copied, func(p *move.Progress) { p.State.ID, p.Failure = going, "The target <b>is full</b>." })
	consoletest.Wants(t, h.get(MovesPath+"/"+going.String()), "stopped", "What the command said", "The target <b>is full</b>.", "Go on")

	proof := []move.Sum{{Table: `"Odd <b>"."T.x"`, Rows: 44, High: "-123456789012345678901", Low: "98765432109876543210"}}
	proved := func(p *move.Progress) {
		p.State.ID, p.SwitchedAt, p.Pause, p.Proof = going, &now, 834*time.Millisecond, proof
	}
	w.moving(w.a, move.Proved, proved)
	page := h.get(MovesPath + "/" + going.String())
	consoletest.Wants(t, page, "proved, to be decided", "834 ms", `"Odd <b>"."T.x"`, "-123456789012345678901 98765432109876543210", "Sums in shop", "Sums in acme", `garant tenant erase `+w.a.String(), "--restore-point", "garant tenant undo", "the command line (test)")
	consoletest.Wants(t, h.get(MovesPath), w.a.String(), "acme", "not declared")
	w.estate.Databases = append(w.estate.Databases, estate.Database{Name: "acme", Dedicated: &estate.Dedicated{Of: "shop", Tenant: w.a.String(), Place: "Brussels, BE"}})
	consoletest.Wants(t, h.get(MovesPath), "Brussels, BE")
	consoletest.Lacks(t, h.get(MovesPath), "not declared")

	w.moving(w.a, move.Done, func(p *move.Progress) { proved(p); p.Restore, p.FinishedAt = "backup of <i>tonight</i>", &now })
	consoletest.Wants(t, h.get(MovesPath), "No move is under way", "834 ms", "done")
	consoletest.Wants(t, h.get(MovesPath+"/"+going.String()), "backup of <i>tonight</i>", "Bring the customer back", "--from env:ACME_URL --to env:SHOP_URL")
	undone := w.moving(w.b, move.Undone, func(p *move.Progress) { p.FinishedAt = &now })
	consoletest.Wants(t, h.get(MovesPath+"/"+undone.String()), "undone", "Begin again")

	for _, bad := range []string{"x", uuid.NewString()} {
		if rec, _ := h.ask(http.MethodGet, MovesPath+"/"+bad, nil); rec.Code != http.StatusNotFound {
			t.Errorf("%s: %d", bad, rec.Code)
		}
	}
	h.reader.who.Permissions = actor.Member.Permissions()
	for _, target := range []string{MovesPath, MovesPath + "/" + going.String()} {
		if rec, _ := h.ask(http.MethodGet, target, nil); rec.Code != http.StatusForbidden {
			t.Errorf("a member reads %s: %d", target, rec.Code)
		}
	}
}

// Every step and condition has its words in both languages.
func TestStepsHaveWords(t *testing.T) {
	ids := []string{}
	for _, s := range append(move.Steps(), move.Undoing, move.Returned, move.Undone) {
		ids = append(ids, "step."+string(s))
	}
	for _, is := range []string{"going", "silent", "failed", "proved", "done", "undone"} {
		ids = append(ids, "is."+is, "about."+is)
	}
	for _, do := range []string{"go_on", "undo", "erase", "back", "again"} {
		ids = append(ids, "do."+do)
	}
	for lang, words := range Messages() {
		for _, id := range ids {
			if !strings.Contains(string(words), "\n  "+id+": ") {
				t.Errorf("%s lacks %s", lang, id)
			}
		}
	}
}
