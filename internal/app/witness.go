package app

import (
	"context"
	"log/slog"
	"time"

	"github.com/garant-project/garant/internal/annex"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/engine/endpoint"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/witness"
	"github.com/garant-project/garant/internal/witness/watch"
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

// OpenWatch makes a witness of its configuration. It needs nothing of Garant's: its checks are those of endpoints, over
// its own list.
func OpenWatch(path string, log *slog.Logger, now func() time.Time) (*watch.Watch, error) {
	source, dir, err := estate.ReadFile(path, estate.WitnessFileName)
	if err != nil {
		return nil, err
	}
	file, err := estate.ParseWitness(source, dir)
	if err != nil {
		return nil, err
	}
	key, err := watch.LoadKey(file.Key.Path())
	if err != nil {
		return nil, err
	}
	var cosigner *merkle.Cosigner
	if file.Log != nil {
		if cosigner, err = watch.LoadCosigner(file.Log.Cosigner.Path(), file.Log.Name, now); err != nil {
			return nil, err
		}
	}
	engine := endpoint.New(endpoint.Deps{})
	reg, err := newRegistry([]measure.Engine{engine})
	if err != nil {
		return nil, err
	}
	figures := reg.Figures(&estate.Estate{Endpoints: file.Endpoints, Policy: file.Policy})
	return watch.Open(watch.Config{File: file, Key: key, Cosigner: cosigner, Checks: engine.Checks, Figures: figures, Now: now, Log: log})
}
