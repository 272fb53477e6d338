package access

import (
	"testing"

	"github.com/garant-project/garant/internal/measure/measuretest"
)

func TestMessages(t *testing.T) {
	measuretest.Words(t, Messages(), Problems(), Checks(Deps{}).All()...)
	measuretest.Listed(t, Problems())
}
