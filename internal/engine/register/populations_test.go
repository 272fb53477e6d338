package register_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/engine/register"
	"github.com/garant-project/garant/internal/web/console/consoletest"
)

// An auditor draws samples of changes and of acknowledgements, and reads each record of them.
func TestAuditorsSample(t *testing.T) {
	w := open(t)
	h := w.site()
	ana, _ := w.signedIn("Ana", nil)
	e := w.move(w.policy("Clear desk", nil), "published")
	reading := must[register.Reading](t)(w.r.Read(w.ctx, ana, e.ID, w.now))
	if err := w.r.Acknowledge(w.ctx, ana, e.ID, 1, reading.Digest, w.now); err != nil {
		t.Fatal(err)
	}
	for i := range 7 {
		w.add(register.Assets, register.Values{"tag": fmt.Sprintf("PC-%d", i), "kind": "laptop"})
	}
	h.auth.who = person(actor.ReadRegisters, actor.ReadAudit, actor.SampleRecords, actor.ReadChecks)
	w.now = w.now.Add(2 * time.Hour)
	for population, says := range map[string]string{"register_changes:assets": "created the entry", "acknowledgements": "confirmed “Clear desk”, version 1"} {
		day := func(days int) string { return w.now.AddDate(0, 0, days).Format(time.DateOnly) }
		rw, _ := h.post("/audit", url.Values{"population": {population}, "from": {day(-3)}, "until": {day(1)}, "method": {"random"}, "size": {"5"}, "seed": {"2026-Q4"}, "purpose": {"Test"}}, http.StatusSeeOther)
		path, _, _ := strings.Cut(rw.Header().Get("Location"), "?")
		consoletest.Wants(t, h.get(path), says, "as when it was drawn")
		consoletest.Lacks(t, h.get(path), "Ana Exemple")
	}
}

// An import that is cut off leaves nothing behind.
func TestImportThatIsCutOff(t *testing.T) {
	w := open(t)
	var b strings.Builder
	b.WriteString("tag;kind\n")
	for i := range 20_000 {
		fmt.Fprintf(&b, "PC-%05d;laptop\n", i)
	}
	for _, after := range []time.Duration{20 * time.Millisecond, 150 * time.Millisecond, 400 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(w.ctx, after)
		_, err := w.r.Import(ctx, w.lead, register.Assets, []byte(b.String()), false, w.now)
		cancel()
		if n := w.count(register.Assets); err != nil && n != 0 || err == nil && n != 20_000 {
			t.Fatalf("cut off after %s: %v, and %d entries", after, err, n)
		} else if err == nil {
			return // a fast machine: it was whole before
		}
	}
	for _, table := range []string{"entry", "unique_value", "change"} {
		if n := w.all("SELECT count(*)::text FROM register." + table)[0]; n != "0" {
			t.Errorf("%s rows of %s are left", n, table)
		}
	}
}
