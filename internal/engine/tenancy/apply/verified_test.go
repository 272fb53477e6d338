package apply_test

import (
	"context"
	"testing"

	"github.com/garant-project/garant/internal/engine/tenancy/tenancytest"
	"github.com/garant-project/garant/internal/engine/tenancy/verify"
)

// What apply leaves is what verify asks for.
func TestVerified(t *testing.T) {
	super := tenancytest.Shop(t, tenancytest.Odd)
	m := decided(t, super)
	applied(t, super, m)
	keyed(t)
	r, err := verify.Run(context.Background(), verify.Options{URL: tenancytest.DSN(tenancytest.Superuser(), "shop"), Manifest: m})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range r.Results {
		for _, f := range c.Findings {
			t.Logf("%s %s: %s: %s | %s", c.Severity, c.ID, f.Object, f.Found, f.Mend)
		}
		if c.Error != "" {
			t.Logf("%s: error %s", c.ID, c.Error)
		}
	}
}
