package app

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/tailoring"
	"github.com/garant-project/garant/internal/pg"
)

// View is the estate and the annex in force.
func (g *Garant) View(ctx context.Context) (measure.View, error) { return g.views.current(ctx) }

// views holds what is in force for a moment: it is asked for many times a second.
type views struct {
	db    *pg.DB
	now   func() time.Time
	build *measure.Registry // with the catalogue as this build carries it
	book  *tailoring.Book
	// subjects lists what attestations have to cover one by one.
	subjects func(ctx context.Context) (map[string][]string, error)

	mu        sync.Mutex
	view      measure.View
	at        inForce // what view is made of
	readAt    time.Time
	past      map[int64]*estate.Estate
	published tailoring.Version // of view
	draft     int64             // revision that view is made of, while nothing is published; else 0
}

// reset forgets what is in force, after something else was applied or published.
func (v *views) reset() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.readAt = time.Time{}
}

const (
	viewFor  = 250 * time.Millisecond
	keepPast = 16 // versions held in memory
)

func (v *views) current(ctx context.Context) (measure.View, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if age := v.now().Sub(v.readAt); age >= 0 && age < viewFor {
		return v.view, nil
	}
	return v.renew(ctx)
}

// latest is current, of this moment and not of a little before: for who writes what others will read.
// Another server may have published since.
func (v *views) latest(ctx context.Context) (measure.View, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.renew(ctx)
}

// renew looks at what is in force now. Its caller holds the lock.
func (v *views) renew(ctx context.Context) (measure.View, error) {
	pool := v.db.Pool(pg.Worker)
	at, err := v.marks(ctx, pool)
	switch {
	case errs.Is(err, errs.NotFound):
		return measure.View{Registry: v.build, Private: true}, nil
	case err != nil:
		return measure.View{}, err
	}
	view := v.view
	if view.Registry == nil || at != v.at {
		if view, err = v.read(ctx, pool); err != nil {
			return measure.View{}, err
		}
	}
	if view.Subjects, err = v.subjects(ctx); err != nil {
		return measure.View{}, err
	}
	v.view, v.at, v.readAt = view, at, v.now()
	return view, nil
}

// inForce tells apart what can be in force.
type inForce struct {
	estate estate.Mark
	annex  tailoring.Mark
}

// marks tells what is in force without reading it.
func (v *views) marks(ctx context.Context, on pg.Querier) (m inForce, err error) {
	if m.estate, err = estate.InForce(ctx, on); err != nil {
		return m, err
	}
	m.annex, err = tailoring.LastMark(ctx, on)
	return m, err
}

// read makes the view of what is in force.
func (v *views) read(ctx context.Context, on pg.Querier) (measure.View, error) {
	version, err := estate.Current(ctx, on)
	if err != nil {
		return measure.View{}, err
	}
	view := measure.View{Estate: version.Estate, Version: version.ID, Past: v.earlier}
	view.Pending = version.Pending()
	for _, r := range view.Pending {
		view.Reduced = append(view.Reduced, r.Measures...)
	}
	return view, v.annex(ctx, on, &view)
}

// annex fills in the annex that the company has published; before the first publication its draft,
// so that what people attest meanwhile is what they are about to publish. A version that this build
// cannot read is not shown any further: what is public then goes stale by itself, and the desk says why.
func (v *views) annex(ctx context.Context, on pg.Querier, view *measure.View) error {
	var draft tailoring.Draft
	published, err := tailoring.LastPublished(ctx, on)
	switch {
	case errs.Is(err, errs.NotFound):
		view.Private = true
		if draft, err = tailoring.LastDraft(ctx, on); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	view.Tailoring, view.Published = published.Number, published.At
	if last := v.view; last.Registry != nil && last.Version == view.Version && last.Tailoring == view.Tailoring && v.draft == draft.Revision {
		view.Registry, view.Private, view.Outdated = last.Registry, last.Private, last.Outdated
		return nil
	}
	cat := v.build.Catalogue
	if view.Private {
		if drafted, err := v.book.Tailor(draft.Text); err == nil { // else its pages say what is wrong with it
			cat = drafted
		}
	} else {
		tailored, err := v.book.Tailor(published.Text)
		var problems *tailoring.Outdated
		switch {
		case errs.Is(err, errs.Invalid) || errors.As(err, &problems):
			view.Private, view.Outdated = true, &tailoring.Outdated{Version: published.Number, Problems: err}
		case err != nil:
			return err
		default:
			cat = tailored
		}
	}
	v.published, v.draft = published, draft.Revision
	view.Registry, err = v.build.For(cat, view.Estate)
	return err
}

// earlier returns the estate of an earlier version, or nil: what an unreadable version declared
// is unknown, so its evidence does not count.
func (v *views) earlier(id int64) *estate.Estate {
	v.mu.Lock()
	defer v.mu.Unlock()
	if e, ok := v.past[id]; ok {
		return e
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	version, err := estate.Get(ctx, v.db.Pool(pg.Worker), id)
	if err != nil {
		return nil
	}
	if v.past == nil || len(v.past) >= keepPast {
		v.past = map[int64]*estate.Estate{}
	}
	v.past[id] = version.Estate
	return version.Estate
}
