package app

import (
	"context"
	"time"

	"github.com/garant-project/garant/internal/annex"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/witness"
)

// Statements takes what witnesses say.
func (g *Garant) Statements() *witness.Book {
	return &witness.Book{DB: g.DB, Receiver: g.Runner, Now: g.Now}
}

// witnessed joins the annex with what its witnesses confirm.
func (g *Garant) witnessed(ctx context.Context, view measure.View, document string, now time.Time) (map[string]annex.WitnessMark, error) {
	marks, err := witness.Marks(ctx, g.DB.Pool(pg.Worker), view.Estate, document, now)
	if err != nil || len(marks) == 0 {
		return nil, err
	}
	out := make(map[string]annex.WitnessMark, len(marks))
	for id, m := range marks {
		out[id] = annex.WitnessMark{Name: m.Name, At: m.At, Key: m.Key}
	}
	return out, nil
}
