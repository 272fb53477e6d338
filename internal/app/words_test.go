package app

import (
	"testing"

	"github.com/garant-project/garant/internal/engine/anonymise"
	"github.com/garant-project/garant/internal/engine/auditlog"
	"github.com/garant-project/garant/internal/engine/register"
	"github.com/garant-project/garant/internal/engine/tenancy"
	"github.com/garant-project/garant/internal/measure"
)

// The words of all packages agree: an id has one text, in both languages. Otherwise the program
// does not start.
func TestWordsAgree(t *testing.T) {
	if _, err := messages(append(Engines(), measure.Engine{Name: "register", Messages: register.Messages()}, measure.Engine{Name: "tenancy", Messages: tenancy.Messages()},
		measure.Engine{Name: "anonymise", Messages: anonymise.Messages()},
		measure.Engine{Name: "auditlog", Messages: auditlog.Messages()})); err != nil {
		t.Fatal(err)
	}
}
