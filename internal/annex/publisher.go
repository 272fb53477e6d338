package annex

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
)

// Publisher writes the published projection.
type Publisher struct {
	DB       *pg.DB
	Registry *measure.Registry // of the build
	// View is what is in force at the moment of asking, read anew: what is remembered from before another
	// server published would take that back.
	View  func(ctx context.Context) (measure.View, error)
	Build string
	Now   func() time.Time
	Log   *slog.Logger
	// Subprocessors lists the company's sub-processors; nil: none are declared here yet.
	Subprocessors func(context.Context) ([]Subprocessor, error)

	// Witnessed says which measures somebody outside the company confirms, of the document of that hash; nil:
	// nobody does.
	Witnessed func(ctx context.Context, view measure.View, document string, now time.Time) (map[string]WitnessMark, error)

	memory *measure.Memory
	wake   chan struct{}
}

// NewPublisher fills in what Wake needs.
func NewPublisher(p Publisher) *Publisher {
	p.memory, p.wake = &measure.Memory{}, make(chan struct{}, 1)
	return &p
}

// Wake makes a running publisher look now.
func (p *Publisher) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Run publishes every second, and when woken, until ctx ends.
func (p *Publisher) Run(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for failing := false; ; {
		err := p.Publish(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			p.Log.Error("the annex cannot be published", "error.message", err.Error())
		case err == nil && failing:
			p.Log.Info("the annex is published again")
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-p.wake:
		}
	}
}

// Publish brings the projection up to date once. Where another server is at it, it does
// nothing.
func (p *Publisher) Publish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return pg.InTx(ctx, p.DB.Pool(pg.Worker), func(tx pgx.Tx) error {
		if mine, err := tryLock(ctx, tx); err != nil || !mine {
			return err
		}
		view, err := p.View(ctx)
		if err != nil {
			return err
		}
		if view.Registry == nil {
			view.Registry = p.Registry
		}
		if view.Estate == nil { // whose annex would it be?
			return pulse(ctx, tx)
		}
		known, err := p.memory.Load(ctx, tx)
		if err != nil {
			return err
		}
		if view.Private {
			return p.private(ctx, tx, view, known)
		}
		hash, err := p.document(ctx, tx, view)
		if err != nil {
			return err
		}
		if err := p.rows(ctx, tx, view, known, hash); err != nil {
			return err
		}
		return pulse(ctx, tx)
	})
}

// document publishes what the annex says, and returns its hash.
func (p *Publisher) document(ctx context.Context, tx pgx.Tx, view measure.View) (string, error) {
	document := newDocument(view, p.Build)
	if p.Subprocessors != nil {
		list, err := p.Subprocessors(ctx)
		if err != nil {
			return "", err
		}
		document.Subprocessors = sorted(list)
	}
	payload, err := json.Marshal(document)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(payload)
	hash := hex.EncodeToString(sum[:])
	return hash, insertDocument(ctx, tx, hash, payload)
}

// private records changes of state of an annex that the company keeps to itself, for its own desk.
func (p *Publisher) private(ctx context.Context, tx pgx.Tx, view measure.View, known measure.Known) error {
	ids := measureIDs(view)
	last, err := measure.LastStates(ctx, tx, ids)
	if err != nil {
		return err
	}
	now := p.Now()
	for _, id := range ids {
		status := view.Registry.Derive(id, view, known, now)
		if change, seen := last[id]; seen && change.State == status.State {
			continue
		}
		if _, err := p.change(ctx, tx, status); err != nil {
			return err
		}
	}
	return pulse(ctx, tx)
}

func measureIDs(view measure.View) []string {
	ids := make([]string, 0, len(view.Registry.Catalogue.Measures))
	for _, m := range view.Registry.Catalogue.Measures {
		ids = append(ids, m.ID)
	}
	return ids
}

func (p *Publisher) rows(ctx context.Context, tx pgx.Tx, view measure.View, known measure.Known, document string) error {
	ids := measureIDs(view)
	last, err := measure.LastStates(ctx, tx, ids)
	if err != nil {
		return err
	}
	published, err := lastRows(ctx, tx, ids)
	if err != nil {
		return err
	}
	reduced := map[string]bool{}
	for _, id := range view.Reduced {
		reduced[id] = true
	}
	now := p.Now()
	var witnessed map[string]WitnessMark
	if p.Witnessed != nil {
		if witnessed, err = p.Witnessed(ctx, view, document, now); err != nil {
			return err
		}
	}
	fresh := map[string]Freshness{}
	for _, id := range ids {
		status := view.Registry.Derive(id, view, known, now)
		change, seen := last[id]
		if !seen || change.State != status.State {
			if change, err = p.change(ctx, tx, status); err != nil {
				return err
			}
		}
		row := rowOf(status, change.At, reduced[id])
		if mark, ok := witnessed[id]; ok && status.State == measure.Met {
			row.Witness = &mark
		}
		payload, err := json.Marshal(row)
		if err != nil {
			return err
		}
		if !bytes.Equal(payload, published[id]) {
			if err := insertHistory(ctx, tx, change); err != nil {
				return err
			}
			if err := insertRow(ctx, tx, id, published[id], payload); err != nil {
				return err
			}
		}
		if !status.ObservedAt.IsZero() {
			fresh[id] = Freshness{ObservedAt: status.ObservedAt, ValidUntil: status.ValidUntil, NextAt: status.NextAt}
		}
	}
	return setFreshness(ctx, tx, fresh)
}

// change records that a measure changed state, for us.
func (p *Publisher) change(ctx context.Context, tx pgx.Tx, s measure.Status) (measure.StateChange, error) {
	cause := ""
	for _, c := range s.Checks {
		if c.Current != nil && c.Reason == s.Reason {
			cause = c.Current.EvidenceID
		}
	}
	return measure.AppendState(ctx, tx, measure.StateChange{Measure: s.Measure, State: s.State, Cause: cause, Reason: s.Reason})
}
