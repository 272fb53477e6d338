package endpoint

import (
	"testing"

	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
)

// TestCatalogueKnowsTheChecks: the measures and facts that the checks name are the catalogue's.
func TestCatalogueKnowsTheChecks(t *testing.T) {
	known := must[*catalogue.Catalogue](t)(catalogue.Load())
	engine := must[measure.Engine](t)(New(Deps{}))
	if _, err := measure.NewRegistry(known, engine); err != nil {
		t.Error(err)
	}
}
