package apply_test

import (
	"context"
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/engine/tenancy/tenancytest"
	"github.com/garant-project/garant/internal/engine/tenancy/verify"
)

// What apply leaves is what verify asks for, but for what the database's people have to decide.
func TestVerified(t *testing.T) {
	super := tenancytest.Shop(t, tenancytest.Odd)
	m := decided(t, super)
	applied(t, super, m)
	keyed(t)
	r, err := verify.Run(context.Background(), verify.Options{URL: tenancytest.DSN(tenancytest.Superuser(), "shop"), Manifest: m})
	if err != nil {
		t.Fatal(err)
	}
	people := map[string]string{
		"around.reader reporting":                                "is to be declared, or to lose its rights",
		`tables.column_nullable "Odd Schema"."T.x y"`:            "follows a link that may be empty",
		"tables.column_nullable customer.template":               "may be empty",
		"tables.column_type customer.legacy":                     "has the customer in another type",
		"constraints.fk_without_tenant template_use_template_id": "refers to templates of nobody",
		"constraints.cascade_across organisation_parent_id":      "makes customers parents of customers",
	}
	seen := map[string]bool{}
	for _, c := range r.Results {
		family, _, _ := strings.Cut(c.ID, ".")
		switch family {
		case "roles", "around", "tables", "policies", "code", "constraints":
		default:
			continue // schema garant, its keys, the server
		}
		for _, f := range c.Findings {
			known := c.ID == "constraints.unique_without_tenant" || c.Severity == verify.Low // applications name unique keys in ON CONFLICT
			for what := range people {
				id, object, _ := strings.Cut(what, " ")
				if id == c.ID && strings.Contains(f.Object, object) {
					known, seen[what] = true, true
				}
			}
			if !known {
				t.Errorf("%s %s: %s: %s", c.Severity, c.ID, f.Object, f.Found)
			}
		}
		if c.Error != "" {
			t.Errorf("%s could not look: %s", c.ID, c.Error)
		}
	}
	for what, why := range people {
		if !seen[what] {
			t.Errorf("%s, which %s, is not found", what, why)
		}
	}
}
