package isolation

import (
	"fmt"
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/web/browsertest"
)

// large adds a schema of 150 tables to a world, some with doubts, and classifies them anew.
func (w *world) large() {
	w.t.Helper()
	var sql strings.Builder
	sql.WriteString("SET ROLE app_owner; CREATE SCHEMA accounting; GRANT USAGE ON SCHEMA accounting TO app; SET search_path = accounting;")
	m, err := manifest.Parse(w.manifest)
	if err != nil {
		w.t.Fatal(err)
	}
	for i := range 150 {
		name := fmt.Sprintf("%s_%03d", []string{"invoice", "payment_reminder", "ledger_entry_of_the_customer", "rate"}[i%4], i)
		fmt.Fprintf(&sql, "CREATE TABLE %s (id bigint PRIMARY KEY, customer_id uuid);", name)
		entry := manifest.Table{Schema: "accounting", Name: name, Kind: manifest.KindTable, Class: []manifest.Class{manifest.Tenant, manifest.Private, manifest.Tenant, manifest.Private}[i%4], Reason: "customer_id refers to shop.customer"}
		if entry.Class == manifest.Tenant {
			entry.Column, entry.Grants = "customer_id", []string{"SELECT"}
		}
		if i%23 == 0 {
			entry.Doubts = []string{"It may be emptied each night: is it kept on purpose?", manifest.Blocks + " whose rows are these?"}
		}
		m.Tables = append(m.Tables, entry)
	}
	sql.WriteString("RESET ROLE; RESET search_path")
	w.exec(sql.String())
	var b strings.Builder
	if err := m.Write(&b); err != nil {
		w.t.Fatal(err)
	}
	w.declare([]byte(b.String()))
}

// The pages keep what every page promises, of no database, of a real one that is sound, broken, out of
// sight, large and in trouble all over, and of one without a manifest.
func TestAccessibility(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	w := newWorld(t)
	h := newHouse(t, Checks(Deps{}))
	h.forget()
	tab := browsertest.Open(t, h.site)
	looks := browsertest.Looks()
	tab.Accessible(map[string]string{"none": "/isolation"}, looks...)
	h.estate = w.estate
	h.look()
	tab.Accessible(map[string]string{"sound": "/isolation/production"}, looks[0])
	w.exec(careless)
	w.declare([]byte(strings.Replace(string(w.manifest), "\ntables:", "\n"+accepted+"tables:", 1)))
	h.estate, h.number = w.estate, 2
	h.look()
	tab.Accessible(map[string]string{"list": "/isolation", "filtered": "/isolation/production?severity=critical&q=line"}, looks...)
	tab.Accessible(map[string]string{"broken": "/isolation/production"}, append(looks, browsertest.Look{Theme: "light", Lang: "en", Width: 360}, browsertest.Look{Theme: "dark", Lang: "fr", Width: 1280})...)
	w.address("GARANT_TEST_URL", "postgres://reader@127.0.0.1:1/shop?connect_timeout=1")
	h.look()
	tab.Accessible(map[string]string{"blind": "/isolation/production"}, looks[1])
	w.large()
	h.estate, h.number = w.estate, 3
	h.look()
	tab.Accessible(map[string]string{"large": "/isolation/production"}, looks[1])
	bare, tenancy := *h.estate, *h.estate.Databases[0].Tenancy
	bare.Databases, tenancy.Manifest = []estate.Database{h.estate.Databases[0]}, nil
	bare.Databases[0].Tenancy = &tenancy
	h.estate, h.number = &bare, 4
	tab.Accessible(map[string]string{"bare": "/isolation/production", "list-bare": "/isolation"}, looks[0])
}
