package app

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/demo"
	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/move"
	"github.com/garant-project/garant/internal/engine/tenancy/residence"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/tenant"
)

// later is what the example goes on with once it is there.
type later struct {
	stop context.CancelFunc
	done chan struct{}
}

func (m *later) end() {
	m.stop()
	<-m.done
}

// retryLater is how long what failed is left alone: its database may be stopped, or of a process that was killed.
const retryLater = 2 * time.Second

// CompleteLater is [Demo.Complete] beside everything else, until it is done or Close: the example is there without.
func (d *Demo) CompleteLater(ctx context.Context) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	d.later = &later{stop, make(chan struct{})}
	go func() {
		defer close(d.later.done)
		steps := d.steps()
		for len(steps) > 0 {
			steps = slices.DeleteFunc(steps, func(s step) bool {
				err := s.do(ctx)
				if err != nil && ctx.Err() == nil {
					d.Log.Warn(s.otherwise, "error.message", err.Error())
				}
				return err == nil
			})
			if len(steps) == 0 {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(retryLater):
			}
		}
	}()
}

// Complete gives the last of the example's customers a database of its own, and the developers a copy.
func (d *Demo) Complete(ctx context.Context) error {
	for _, s := range d.steps() {
		if err := s.do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Alive does what a server does all the time beside answering, for who looks at the example without one: events are collected, the record is kept in order
// and in the second account. stop ends it.
func (d *Demo) Alive(ctx context.Context) (stop func(), err error) {
	running, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { d.keepRecord(running) })
	group.Go(func() {
		for running.Err() == nil {
			if err := d.collect(running); err != nil && running.Err() == nil {
				d.Log.Warn("events of the example's application cannot be collected", "error.message", err.Error())
			}
			select {
			case <-running.Done():
			case <-time.After(time.Second):
			}
		}
	})
	stop = func() { cancel(); group.Wait() }
	if err := d.settled(ctx); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// settled waits until what is recorded so far is in order, and in the second account where there is one.
func (d *Demo) settled(ctx context.Context) error {
	for {
		h, err := sequence.Look(ctx, d.DB.Pool(pg.Worker), d.Box)
		done := err == nil && h.Waiting == 0
		if err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
		if r, err := d.AuditCopy.Replica(ctx); err == nil && done {
			s, err := r.Status(ctx)
			if err != nil {
				return err
			}
			done = !s.LastPut.IsZero()
		}
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

type step struct {
	do        func(context.Context) error
	otherwise string
}

func (d *Demo) steps() []step {
	return []step{
		{d.Dedicate, "the example's customer has not moved to its own database yet"},
		{d.OpenCopies, "the example's developers have no copy yet"},
	}
}

// Dedicate gives the last of the example's customers a database of its own, by the move that garant tenant move makes, and
// goes on where an earlier one was cut off.
func (d *Demo) Dedicate(ctx context.Context) error {
	if d.Company.LivesAlone() {
		return d.Company.GuardOwn(ctx) // with what this build guards databases with
	}
	from, to, programs, err := d.Company.MakeOwn(ctx)
	if err != nil {
		return err
	}
	m, err := manifest.Parse(d.Company.Manifest())
	if err != nil {
		return err
	}
	by := actor.NewSystem("demo")
	o := move.Options{
		Tenant: demo.OwnCustomer().ID().String(), Manifest: m, BinDir: programs, By: by.ID,
		From: move.Place{Name: guardedDatabase, DSN: from}, To: move.Place{Name: demo.OwnName, DSN: to},
		Routes: &ownRoute{residence.Store{DB: d.DB, By: by}, d},
	}
	earlier, err := move.List(ctx, o.From)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(earlier, func(s move.State) bool { return s.Tenant == o.Tenant && s.Step == move.Done }) {
		if err := carry(ctx, o); err != nil {
			return err
		}
	}
	if err := d.ownIsGuarded(ctx); err != nil {
		return err
	}
	if err := d.Company.Moved(); err != nil {
		return err
	}
	_, err = d.ApplyEstate(ctx, by)
	return err
}

// carry moves the customer, and then takes its rows out of the shared database.
func carry(ctx context.Context, o move.Options) error {
	m, err := move.Open(ctx, o)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := m.Run(ctx); err != nil {
		return err
	}
	return m.Erase(ctx, "nothing: the example invents its rows, garant demo makes them anew in another directory")
}

// ownRoute tells where the customer lives once its database takes tokens: until then applications wait, as during the switch.
type ownRoute struct {
	residence.Store
	demo *Demo
}

// Route is of [move.Routes].
func (r *ownRoute) Route(ctx context.Context, to move.Route) error {
	if to.Place == demo.OwnName && !to.Paused {
		if err := r.demo.ownIsGuarded(ctx); err != nil {
			return err
		}
	}
	return r.Store.Route(ctx, to)
}

// ownIsGuarded declares the customer's database, puts its key in, and lets its public form run.
func (d *Demo) ownIsGuarded(ctx context.Context) error {
	if !d.Company.OwnDeclared() {
		if err := d.Company.GuardOwn(ctx); err != nil {
			return err
		}
	}
	if _, err := d.ApplyEstate(ctx, actor.NewSystem("demo")); err != nil {
		return err
	}
	if err := d.Tenancy.Tend(ctx, demo.OwnName); err != nil {
		return err
	}
	return d.accept(ctx, demo.OwnName, []demo.Customer{demo.OwnCustomer()})
}

// routes answers the example's application where a customer lives. It runs in this process and asks without HTTP, as its
// tokens come (decision 0130).
type routes struct{ garant *Garant }

// RoundTrip is of [http.RoundTripper].
func (r routes) RoundTrip(req *http.Request) (*http.Response, error) {
	q := req.URL.Query()
	id, err := tenant.ParseID(q.Get("type"), q.Get("tenant"))
	if err != nil {
		return nil, err
	}
	answer, err := residence.Answer(req.Context(), r.garant.DB.Pool(pg.Staff), q.Get("audience"), id)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(answer)
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), Request: req}, err
}
