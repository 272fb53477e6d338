package isolation

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/web/console/consoletest"
)

func connectOwn() (*pgx.Conn, error) {
	return pgx.Connect(context.Background(), own.cluster.DSN(cluster.SuperUser, "garant"))
}

// careless is what a hurried night leaves behind.
const careless = `
CREATE TABLE shop.export (customer_id uuid NOT NULL, line text);
GRANT SELECT ON shop.export TO app;
ALTER TABLE shop.orders DISABLE ROW LEVEL SECURITY;
DROP POLICY garant_select ON shop.line;
CREATE POLICY garant_select ON shop.line FOR SELECT TO app USING (true);
GRANT TRUNCATE ON shop.line TO app`

// accepted is what somebody answers for that is not there.
const accepted = "accepted:\n  - {check: constraints.unique_without_tenant, objects: [shop.line_pkey], reason: keys are drawn at random, by: the architect, date: 2026-11-27}\n"

// A database that plan and apply have isolated, looked at by the check, on the pages; then broken, looked
// at again, mended by what the page says.
func TestPagesOfARealDatabase(t *testing.T) {
	w := newWorld(t)
	h := newHouse(t, Checks(Deps{}))
	h.forget()
	h.estate = w.estate
	for _, lang := range []string{"fr", "en"} {
		for _, path := range []string{"/isolation", "/isolation/production"} {
			consoletest.Sound(t, path+" before any look, "+lang, h.page(path, lang))
		}
	}
	consoletest.Wants(t, consoletest.Text(t, h.page("/isolation/production", "en")), "This database was not looked at yet", "not known now 4", "An empty list is no proof", "not tried")
	h.look()
	text := consoletest.Text(t, h.page("/isolation/production", "en"))
	consoletest.Lacks(t, text, "not known now", "was not looked at yet")
	consoletest.Wants(t, text, "as declared 4", "3 of tenants · 1 shared", "/evidence/", "[/checks/isolation.live/run]", "customer_id", "added by apply")
	consoletest.Wants(t, consoletest.Text(t, h.page("/isolation", "fr")), "3 de clients · 1 commune", "[/isolation/production]")

	w.exec(careless)
	h.look()
	for _, lang := range []string{"fr", "en"} {
		for _, path := range []string{"/isolation", "/isolation/production", "/isolation/production?severity=critical", "/isolation/production?class=shared", "/isolation/production?q=orders"} {
			consoletest.Sound(t, path+" "+lang, h.page(path, lang))
		}
	}
	text = consoletest.Text(t, h.page("/isolation/production", "en"))
	consoletest.Wants(t, text, "not met", "shop.export", "not classified 1", "critical finding 2", "tables.rls_off",
		"ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY; ALTER TABLE shop.orders FORCE ROW LEVEL SECURITY;", "REVOKE TRUNCATE ON shop.line FROM app;",
		"Policies do not bind TRUNCATE", "REVOKE ALL ON shop.export FROM PUBLIC, app;", "then classify it: garant isolation plan.")
	french := consoletest.Text(t, h.page("/isolation/production", "fr"))
	consoletest.Wants(t, french, "non tenu", "La sécurité au niveau des lignes est désactivée sur une table de clients", "non classée 1", "ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY;")
	consoletest.Wants(t, french, "Ses politiques ne sont pas en vigueur.", "Elle est vraie pour chaque ligne.", "Le manifeste ne la nomme pas. L’application a des droits sur elle.", "puis classez-la : garant isolation plan.", "app a TRUNCATE. Il peut vider la table")
	consoletest.Lacks(t, french, "Row-level security is off", "It is true of every row", "The manifest does not name it")

	only := consoletest.Text(t, h.page("/isolation/production?severity=high", "en"))
	consoletest.Lacks(t, after(only, "Findings and repairs"), "REVOKE TRUNCATE")
	consoletest.Wants(t, after(only, "Findings and repairs"), "tables.unclassified")
	only = consoletest.Text(t, h.page("/isolation/production?class=shared", "en"))
	consoletest.Wants(t, after(only, "Findings and repairs"), "country", "Nothing matches")
	consoletest.Lacks(t, after(only, "Tables of schema"), "order_id")
	if code, _ := h.get("/isolation/production?severity=awful", "en"); code != http.StatusBadRequest && code != http.StatusUnprocessableEntity {
		t.Errorf("a severity that there is not: %d", code)
	}
	if code, _ := h.get("/isolation/nowhere", "en"); code != http.StatusNotFound {
		t.Errorf("a database that there is not: %d", code)
	}
	_, csv := h.get("/isolation/production/tables.csv", "en")
	consoletest.Wants(t, csv, "shop,orders,table,tenant,customer_id,critical,", "shop,country,table,shared,,held,")
	_, csv = h.get("/isolation.csv", "en")
	consoletest.Wants(t, csv, "production,shop,pinned,not_met,", ",3,1,0,2,")

	// An auditor sees everything, mends included, and is offered nothing to run.
	h.as(actor.Auditor)
	page := h.page("/isolation/production", "en")
	consoletest.Wants(t, page, "REVOKE TRUNCATE ON shop.line FROM app;")
	consoletest.Lacks(t, page, "/run\"")
	h.as(actor.Member)
	if code, _ := h.get("/isolation/production", "en"); code != http.StatusForbidden {
		t.Errorf("a member of staff: %d", code)
	}
	h.as(actor.Lead)

	// What is old, or was held to another manifest, is not asserted.
	h.ahead = 10 * time.Minute
	text = consoletest.Text(t, h.page("/isolation/production", "en"))
	consoletest.Wants(t, text, "critical finding 2", "not known now 2")
	h.ahead = 0
	w.declare([]byte(strings.Replace(string(w.manifest), "reason: no key leads to a tenant", "reason: Countries of ISO 3166", 1)))
	h.estate, h.number = w.estate, 2
	text = consoletest.Text(t, h.page("/isolation/production", "en"))
	consoletest.Wants(t, text, "The manifest has changed since the last look", "not known now 2")
	w.declare(w.manifest)
	h.estate, h.number = w.estate, 1

	// What somebody answers for is shown with who does, and that it is not there any more.
	w.declare([]byte(strings.Replace(string(w.manifest), "\ntables:", "\n"+accepted+"tables:", 1)))
	h.estate, h.number = w.estate, 2
	h.look()
	text = consoletest.Text(t, h.page("/isolation/production", "en"))
	consoletest.Wants(t, text, "Accepted findings", "keys are drawn at random", "the architect", "27 November 2026", "1 is not found any more")
	consoletest.Wants(t, consoletest.Text(t, h.page("/isolation/production", "fr")), "Constats acceptés", "1 n’est plus constaté", "Le manifeste en accepte constraints.unique_without_tenant, qui n’y est pas constaté.")
	w.declare(w.manifest)
	h.estate, h.number = w.estate, 1
	h.look()

	// Garant goes blind: what was seen last is shown, and called that.
	w.address("GARANT_TEST_URL", "postgres://reader@127.0.0.1:1/shop?connect_timeout=1")
	h.look()
	text = consoletest.Text(t, h.page("/isolation/production", "en"))
	consoletest.Wants(t, text, "Garant cannot look now", "The database could not be looked at.", "REVOKE TRUNCATE", "not known now 2", "not met")
	w.declare(w.manifest)

	// What the page says mends it.
	w.exec(`REVOKE ALL ON shop.export FROM app; DROP TABLE shop.export;
ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY; ALTER TABLE shop.orders FORCE ROW LEVEL SECURITY; REVOKE TRUNCATE ON shop.line FROM app;
ALTER POLICY garant_select ON shop.line USING (customer_id = (SELECT garant.tenant_uuid()))`)
	h.look()
	text = consoletest.Text(t, h.page("/isolation/production", "en"))
	consoletest.Wants(t, text, "as declared 4")
	consoletest.Lacks(t, text, "shop.export", "REVOKE TRUNCATE", "not classified 1")
}

func after(text, mark string) string {
	_, rest, _ := strings.Cut(text, mark)
	return rest
}

// Without a guarded database the page says how to have one.
func TestNothingIsGuarded(t *testing.T) {
	h := newHouse(t, Checks(Deps{}))
	shop := []byte("isolation: 1\ndatabase: shop\ndesign: pinned\nkey: {column: id, type: uuid}\napp: [app]\ntables: {shop.customer: {class: tenant, column: id, reason: tenants}}\n")
	e, err := estate.Parse([]byte("company: {name: Test, country: BE, languages: [fr], time_zone: UTC, contact: a@company.example}\n"+sample), estate.Files{"isolation.yaml": shop})
	if err != nil || len(e.Guarded()) != 1 {
		t.Errorf("what the page says to write does not do: %v", err)
	}
	for _, lang := range []string{"fr", "en"} {
		page := h.page("/isolation", lang)
		consoletest.Sound(t, "/isolation", page)
		consoletest.Wants(t, page, "docs/isolation.md", "garant isolation plan", "manifest: file:isolation.yaml")
	}
}
