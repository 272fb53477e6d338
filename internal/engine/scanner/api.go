package scanner

import (
	"context"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/web"
)

// Taken is what came of a report, for one check.
type Taken struct {
	Check    string          `json:"check"`
	Outcome  measure.Outcome `json:"outcome"`
	Evidence string          `json:"evidence"`
	Source   string          `json:"source"`
	Failed   []measure.Item  `json:"failed"`
}

// TakenOf shortens results for programs.
func TakenOf(results []measure.Result) []Taken {
	out := make([]Taken, 0, len(results))
	for _, r := range results {
		t := Taken{Check: r.Check.ID, Outcome: r.Finding.Outcome, Evidence: r.EvidenceID, Source: r.Finding.Source, Failed: r.Finding.Failed}
		if t.Failed == nil {
			t.Failed = []measure.Item{}
		}
		out = append(out, t)
	}
	return out
}

// ParseObserved reads the time that is given with a report; zero for "".
func ParseObserved(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, errs.New(errs.Invalid, "scanner.bad_time", "The time given with the report is none.").WithFix("Write it with its zone, such as 2026-03-01T04:00:00Z.")
	}
	return t, nil
}

// AddAPI adds the call by which reports are sent in.
func (im *Importer) AddAPI(a *web.API) {
	op := web.Operation{ID: "import-evidence", Method: "POST", Path: "/evidence/{id}", Summary: "Send in a report of a scanner", Permission: actor.ImportEvidence, Status: 201}
	query := map[string]string{"observed_at": "When the report was made (RFC 3339), for one that does not say so itself"}
	web.Stream(a, op, MaxReport+1, query, func(r *web.Request) (any, error) {
		given, err := ParseObserved(r.URL.Query().Get("observed_at"))
		if err != nil {
			return nil, err
		}
		results, err := im.Import(context.WithoutCancel(r.Context()), r.Actor, r.PathValue("id"), r.Body, given)
		if err != nil {
			return nil, err
		}
		return map[string]any{"results": TakenOf(results)}, nil
	})
}
