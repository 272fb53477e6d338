package app

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/auditlog/collect"
	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/verify"
)

// captures holds the recording of a guarded database to its manifest, for the check of what applications record. A partition that is newer than
// the last apply is left to the isolation check: the application does not write to it by itself.
func captures(ctx context.Context, conn *pgx.Conn, source []byte) (int, []collect.Wrong, error) {
	m, err := manifest.Parse(source)
	if err != nil {
		return 0, nil, err
	}
	tables, results, err := verify.Recording(ctx, conn, m)
	if err != nil {
		return 0, nil, err
	}
	problems := map[string]collect.Problem{
		"events.not_captured": collect.NotCaptured, "events.disabled": collect.CaptureOff, "events.differs": collect.CaptureDiffers, "events.undeclared": collect.CaptureDiffers,
		"events.replica": collect.WaysPast, "events.cast": collect.WaysPast, "token.missing": collect.NoOutbox, "token.version": collect.NoOutbox, "token.function_changed": collect.FunctionChanged,
	}
	var wrong []collect.Wrong
	for _, r := range results {
		problem, known := problems[r.ID]
		if !known {
			continue
		}
		if r.Error != "" {
			wrong = append(wrong, collect.Wrong{Problem: collect.Unreadable, Object: r.ID, Found: r.Error})
		}
		for _, f := range r.Findings {
			wrong = append(wrong, collect.Wrong{Problem: problem, Object: f.Object, Found: f.Found})
		}
	}
	return tables, wrong, nil
}
