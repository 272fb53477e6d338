package annex_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/annex"
	"github.com/garant-project/garant/internal/measure"
)

// TestWitnessIsNamedWhileItConfirms: the mark of a witness stands on what is met, for the document that was confirmed, and goes when
// the witness is silent.
func TestWitnessIsNamedWhileItConfirms(t *testing.T) {
	h := newHouse(t)
	var asked string
	marks := map[string]annex.WitnessMark{"ENC-2": {Name: "Cabinet Exemple", At: time.Now().Truncate(time.Hour), Key: "0011 2233 4455"}, "ENC-1": {Name: "Cabinet Exemple"}}
	h.publisher.Witnessed = func(_ context.Context, _ measure.View, document string, _ time.Time) (map[string]annex.WitnessMark, error) {
		asked = document
		return marks, nil
	}
	said := func() string {
		t.Helper()
		h.publish()
		h.shift(3 * time.Second) // a rendered page is kept for two
		_, body := h.get("/m/ENC-2/proof.json")
		return body
	}
	if body := said(); !strings.Contains(body, `"witness":{"name":"Cabinet Exemple"`) || len(asked) != 64 || !strings.Contains(body, asked) {
		t.Errorf("of document %s: %s", asked, body)
	}
	if _, body := h.get("/m/ENC-1/proof.json"); strings.Contains(body, "Cabinet") {
		t.Errorf("what is not met bears a name: %s", body)
	}
	h.see(h.fail())
	if body := said(); strings.Contains(body, "Cabinet") {
		t.Errorf("what fails bears a name: %s", body)
	}
	h.see(h.pass())
	marks = nil
	if body := said(); strings.Contains(body, "Cabinet") || !strings.Contains(body, `"state":"met"`) {
		t.Errorf("a silent witness is named: %s", body)
	}
}
