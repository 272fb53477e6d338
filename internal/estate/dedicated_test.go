package estate_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/estate"
)

const sharedDatabase = company + `databases:
  - name: production
    url: env:A
    database: app
    system: "7312345678901234567"
    environment: production
    customer_data: true
    tenancy:
      keeper: env:K
      design: pinned
      key: {type: uuid}
      manifest: file:isolation.yaml
`

const ownDatabase = `  - name: acme
    url: env:B
    database: acme
    system: "7312345678901234567"
    environment: production
    customer_data: true
    dedicated:
      of: production
      tenant: 0198c2c1-6d3f-7aa0-8c11-1f0e5c8a2b01
      place: Brussels, BE
      counter: env:C
      shared_counter: env:D
`

func dedicated(t *testing.T, source string) (*estate.Estate, error) {
	t.Helper()
	return estate.Parse([]byte(source), estate.Files{"isolation.yaml": []byte("isolation: 1\ndatabase: app\ndesign: pinned\nkey: {column: id, type: uuid}\napp: [app]\ntables: {a.b: {class: private}}\n")})
}

func TestDedicated(t *testing.T) {
	e, err := dedicated(t, sharedDatabase+ownDatabase)
	if err != nil {
		t.Fatal(err)
	}
	d, _ := e.Database("acme")
	if d.Dedicated == nil || d.Dedicated.Of != "production" || d.Dedicated.Place != "Brussels, BE" || d.Dedicated.Tenant[:4] != "0198" {
		t.Errorf("%+v", d.Dedicated)
	}
	for _, c := range []struct{ from, to, want string }{
		{"      place: Brussels, BE\n", "", "Say where it stands"},
		{"of: production", "of: nowhere", `There is no database "nowhere"`},
		{"of: production", "of: acme", "cannot be dedicated out of itself"},
		{"counter: env:C", "counter: postgres://x", "counter"},
		{"0198c2c1-6d3f-7aa0-8c11-1f0e5c8a2b01", strings.Repeat("x", 39), "longer than those of customers"},
		{ownDatabase, ownDatabase + strings.NewReplacer("acme", "second").Replace(ownDatabase), `The same customer lives in "acme" already`},
	} {
		if _, err := dedicated(t, sharedDatabase+strings.Replace(ownDatabase, c.from, c.to, 1)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v", c.to, err)
		}
	}
	if _, err := dedicated(t, strings.Replace(sharedDatabase, "      manifest: file:isolation.yaml\n", "", 1)+ownDatabase); err == nil || !strings.Contains(err.Error(), "does not say which tables are customers'") {
		t.Errorf("without a manifest: %v", err)
	}
}

// Taking the declaration away, or changing whom or where it speaks of, waits for a second person.
func TestDedicatedReduced(t *testing.T) {
	before, err := dedicated(t, sharedDatabase+ownDatabase)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ from, to, key string }{
		"gone":   {ownDatabase[strings.Index(ownDatabase, "    dedicated:"):], "", "databases.acme.dedicated"},
		"place":  {"Brussels, BE", "Paris, FR", "databases.acme.dedicated.place"},
		"tenant": {"0198c2c1", "0198c2c2", "databases.acme.dedicated"},
		"login":  {"env:D", "env:E", "databases.acme.dedicated.counters"},
	} {
		after, err := dedicated(t, sharedDatabase+strings.Replace(ownDatabase, c.from, c.to, 1))
		if err != nil {
			t.Fatal(name, err)
		}
		found := slices.ContainsFunc(estate.Reductions(before, after), func(r estate.Reduction) bool { return r.Key == c.key && slices.Equal(r.Measures, []string{"SEG-3"}) })
		if !found {
			t.Errorf("%s: %+v", name, estate.Reductions(before, after))
		}
	}
	if got := estate.Reductions(before, before); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}
