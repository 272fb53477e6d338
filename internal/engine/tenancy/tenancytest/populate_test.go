package tenancytest

import (
	"context"
	"slices"
	"testing"
)

func TestMain(m *testing.M) { Main(m) }

// A schema of somebody else gets rows of each tenant in every table, and references stay within one.
func TestPopulate(t *testing.T) {
	super := Shop(t, Odd)
	rows, left, err := Populate(context.Background(), super, Population{Root: "customer.organisation", Key: "id", Names: []string{"organisation_id", "organisationId"}, Tenants: 2, Rows: 3})
	if err != nil {
		t.Fatal(err)
	}
	few := []string{"reference.country"} // a key of two characters
	for name, n := range rows {
		if want := 6; n < want && name != "customer.organisation" && !slices.Contains(few, name) {
			t.Errorf("%s has %d rows: %s", name, n, left[name])
		}
	}
	if n := Value[int](t, super, `SELECT count(DISTINCT "organisationId") FROM customer."Member"`); n != 4 { // two were there
		t.Errorf("members of %d tenants", n)
	}
	if n := Value[int](t, super, `SELECT count(*) FROM customer.template_use u JOIN customer.template t ON t.id = u.template_id WHERE t.organisation_id <> u.organisation_id`); n != 0 {
		t.Errorf("%d rows refer to another tenant's", n)
	}
}
