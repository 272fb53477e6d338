package main

import (
	"bytes"
	"testing"

	"github.com/garant-project/garant/internal/app"
	"github.com/garant-project/garant/internal/measure"
	checks "github.com/garant-project/garant/internal/measure/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// What several targets have in common is said once; what is not known is not printed as empty.
func TestPrintResult(t *testing.T) {
	messages, err := ui.NewMessages(checks.Messages())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	printResult(console{out: &out}, &app.Garant{Messages: messages}, measure.Result{Check: measure.Check{ID: "x", Measures: []string{"ENC-1"}}, Finding: measure.Finding{
		Outcome: measure.Fail, Scope: []string{"a", "b"}, Failed: []measure.Item{
			{Target: "a", Problem: "measure.not_examined", Actual: "AST-2"}, {Target: "a", Problem: "measure.not_examined", Actual: "BCP-1"},
			{Target: "b", Problem: "measure.not_examined", Expected: "one", Actual: "none"}, {Target: "b", Problem: measure.ProblemTimeout, Expected: "an answer"},
		}}})
	const want = `FAIL   x                                      ENC-1    2 examined, 0 ms
       a: This target is declared but was not examined.
         AST-2
         BCP-1
       b: This target is declared but was not examined.
         expected one, saw none
         → Run the check again; if it happens once more, read the server’s log.
       b: The check took longer than it is given.
         expected an answer
         → See whether the target answers slowly or not at all, then run the check again.
`
	if out.String() != want {
		t.Errorf("%s", out.String())
	}
}
