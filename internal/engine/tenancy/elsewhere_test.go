package tenancy

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/engine/tenancy/move"
	"github.com/garant-project/garant/internal/engine/tenancy/residence"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/tenant"
)

// A tenant that lives in another database gets no token for the one that it left, and is told over HTTP where to ask; after
// its return it is the other way round. Other tenants notice nothing, and the caller is not slowed down.
func TestElsewhere(t *testing.T) {
	w := newWorld(t)
	w.tenancy.Residences = residence.Places{}
	w.tend()
	h := w.api(bearers{"app": w.app})
	ask := func(of uuid.UUID, audience string) (int, map[string]any) {
		rec, answer := post(h, "app", form("grant_type", grantExchange, "subject_token", w.idp.sign(w.idp.claims(of.String())), "subject_token_type", typeIDToken, "audience", audience))
		return rec.Code, answer
	}
	told := func(place string) {
		t.Helper()
		s := &residence.Store{DB: w.db, By: actor.NewSystem("cli:test")}
		if err := s.Route(t.Context(), move.Route{Database: "shop", Tenant: tenant.UUID(w.a), Place: place, Move: uuid.New(), Step: move.Opened, By: "test"}); err != nil {
			t.Fatal(err)
		}
	}
	if code, answer := ask(w.a, "shop"); code != http.StatusOK {
		t.Fatalf("at home: %d %v", code, answer)
	}
	told("acme")
	for range maxFailures + 1 {
		if code, answer := ask(w.a, "shop"); code != http.StatusBadRequest || answer["error"] != "invalid_target" || answer["place"] != "acme" || !strings.Contains(answer["error_description"].(string), "audience=acme") {
			t.Fatalf("away: %d %v", code, answer)
		}
	}
	if n := one[int](w, `SELECT count(*) FROM tenancy.minting WHERE tenant = $1`, w.a.String()); n != 1 {
		t.Errorf("%d tokens of a tenant that left", n)
	}
	if code, answer := ask(w.b, "shop"); code != http.StatusOK {
		t.Errorf("another tenant: %d %v", code, answer)
	}
	told("shop")
	if code, answer := ask(w.a, "shop"); code != http.StatusOK {
		t.Errorf("at home again: %d %v", code, answer)
	}

	// The same database, declared as a tenant's own: of a shared one that it left.
	w.estate.Databases[0].Dedicated = &estate.Dedicated{Of: "all", Tenant: w.a.String(), Place: "Brussels, BE"}
	if code, answer := ask(w.a, "shop"); code != http.StatusOK {
		t.Errorf("a move that nobody told of: %d %v", code, answer)
	}
	if code, answer := ask(w.b, "shop"); code != http.StatusBadRequest || answer["place"] != "all" {
		t.Errorf("another tenant in a tenant's own database: %d %v", code, answer)
	}
	s := &residence.Store{DB: w.db, By: actor.NewSystem("cli:test")}
	for i, step := range []struct {
		place string
		code  int
	}{{"shop", http.StatusOK}, {"all", http.StatusBadRequest}} {
		if err := s.Route(t.Context(), move.Route{Database: "all", Tenant: tenant.UUID(w.a), Place: step.place, Move: uuid.New()}); err != nil {
			t.Fatal(err)
		}
		if code, answer := ask(w.a, "shop"); code != step.code {
			t.Errorf("step %d: %d %v", i, code, answer)
		}
	}
}
