package endpoint

import (
	"testing"

	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
)

// TestCatalogueKnowsTheChecks: the measures and facts that the checks name are the catalogue's.
func TestCatalogueKnowsTheChecks(t *testing.T) {
	known := must[*catalogue.Catalogue](t)(catalogue.Load())
	if _, err := measure.NewRegistry(known, New(Deps{})); err != nil {
		t.Error(err)
	}
}
