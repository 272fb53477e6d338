package main

import (
	"os"
	"path/filepath"
	"testing"
)

// --estate takes the plan that garant.yaml names, wherever it lies, and the reader, who sees rows; what is named by --file goes before.
func TestPlanOfTheEstate(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	planned := write("migrations/copy.yaml", "anonymise: 1\ntables:\n  public.person: {rows: none, reason: test}\n")
	config := write("garant.yaml", `company: {name: Test, country: BE, languages: [en], time_zone: Europe/Brussels, contact: dpo@test.example}
databases:
  - name: production
    url: env:TEST_LOOKER_URL
    database: shop
    system: "7312345678901234567"
    environment: production
    customer_data: true
    anonymised:
      plan: file:migrations/copy.yaml
      reader: env:TEST_READER_URL
      target: env:TEST_TARGET_URL
      issuer: env:TEST_ISSUER_URL
      system: "7512345678901234567"
      name: shop_dev
      developers: [dev]
      max_age: 36h
`)
	for _, role := range []string{"LOOKER", "READER", "TARGET", "ISSUER"} {
		t.Setenv("TEST_"+role+"_URL", "postgres://"+role+"@localhost/shop")
	}
	for _, c := range []struct{ given, want string }{{"", planned}, {"other.yaml", "other.yaml"}} {
		k := copied{Estate: "production", File: c.given}
		url, err := k.source(&cli{Config: config}, console{})
		if err != nil {
			t.Fatal(err)
		}
		if url != "postgres://READER@localhost/shop" || k.File != c.want {
			t.Errorf("--file %q: %s by %s, want %s by the reader", c.given, k.File, url, c.want)
		}
	}
}
