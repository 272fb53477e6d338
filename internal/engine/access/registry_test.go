package access

import (
	"testing"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
)

// TestCatalogueKnowsTheChecks: the measures and facts that the checks name are the catalogue's.
func TestCatalogueKnowsTheChecks(t *testing.T) {
	known, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := measure.NewRegistry(known, New(Deps{})); err != nil {
		t.Error(err)
	}
	// The teams that the sentence of ACC-2 names are those that the check holds the roles to.
	e := &estate.Estate{Policy: estate.DefaultPolicy()}
	announced, ok := known.Parameters["access.customer_data.teams"]
	if given := New(Deps{}).Parameters(e)["access.customer_data.teams"]; !ok || len(given.List) != len(e.Policy.CustomerDataTeams) {
		t.Errorf("announced %v, held to %v", announced, given)
	}
}
