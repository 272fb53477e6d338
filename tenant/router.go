package tenant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Router tells which pool leads to the database where a tenant's rows are.
type Router interface {
	Pool(ctx context.Context, tenant ID) (*pgxpool.Pool, error)
}

// Pools is a [Router] that is known beforehand: a pool for all, and those of tenants that have a database of their own.
type Pools struct {
	Shared *pgxpool.Pool
	Own    map[ID]*pgxpool.Pool
}

// Single is a [Router] with one pool for all.
func Single(pool *pgxpool.Pool) Router { return Pools{Shared: pool} }

// Pool tells the tenant's pool.
func (p Pools) Pool(_ context.Context, tenant ID) (*pgxpool.Pool, error) {
	if own := p.Own[tenant]; own != nil {
		return own, nil
	}
	if p.Shared == nil {
		return nil, errors.New("tenant: no pool leads to the database of this tenant")
	}
	return p.Shared, nil
}

// Places is a [Router] that asks Garant (GET /api/v1/tenant/route) where a tenant is, and remembers the answer as long as
// Garant says. While a tenant is on the move, who asks waits. It is to be used by pointer, one for the whole application.
type Places struct {
	Endpoint
	Audience string                   // name of the database in Garant's estate
	Pools    map[string]*pgxpool.Pool // by the place's name in Garant's estate
	// Grace is how long an answer is used beyond its time when Garant does not answer. Zero: not at all.
	Grace time.Duration

	mu    sync.Mutex
	known map[ID]*place
}

// place is what is known of one tenant. Who holds the turn asks Garant, so that it is asked once.
type place struct {
	turn  chan struct{}
	name  string
	until time.Time
}

const (
	knownMost  = 100_000                // tenants that are remembered
	routeMost  = 5 * time.Minute        // an answer is remembered
	askAgain   = 100 * time.Millisecond // while a tenant is on the move
	movesAtMax = 30 * time.Second       // a tenant is waited for
)

// ErrMoving says that the tenant's rows are being moved to another database, for longer than anybody waits.
var ErrMoving = errors.New("tenant: the rows of this tenant are being moved to another database: try again in a moment")

// Pool tells the tenant's pool, and waits while the tenant is on the move.
func (p *Places) Pool(ctx context.Context, tenant ID) (*pgxpool.Pool, error) {
	pool, _, err := p.Place(ctx, tenant)
	return pool, err
}

// Place is [Places.Pool], and tells the name of the database in Garant's estate: tokens are asked for by it.
func (p *Places) Place(ctx context.Context, tenant ID) (*pgxpool.Pool, string, error) {
	p.mu.Lock()
	at := p.known[tenant]
	if at == nil {
		if p.known == nil || len(p.known) >= knownMost {
			p.known = map[ID]*place{}
		}
		at = &place{turn: make(chan struct{}, 1)}
		p.known[tenant] = at
	}
	p.mu.Unlock()
	name, err := p.find(ctx, tenant, at)
	if err != nil {
		return nil, "", err
	}
	pool := p.Pools[name]
	if pool == nil {
		return nil, "", fmt.Errorf("tenant: the rows of this tenant are at %q, and this application has no pool that leads there", name)
	}
	return pool, name, nil
}

func (p *Places) find(ctx context.Context, tenant ID, at *place) (string, error) {
	select {
	case at.turn <- struct{}{}:
	case <-ctx.Done():
		return "", fmt.Errorf("tenant: waiting to be told where the tenant is: %w", ctx.Err())
	}
	defer func() { <-at.turn }()
	if time.Now().Before(at.until) {
		return at.name, nil
	}
	for began := time.Now(); ; {
		name, moving, age, err := p.where(ctx, tenant)
		switch {
		case err != nil && at.name != "" && time.Now().Before(at.until.Add(p.Grace)):
			return at.name, nil
		case err != nil:
			return "", err
		case !moving:
			at.name, at.until = name, time.Now().Add(min(age, routeMost))
			return name, nil
		case time.Since(began) > movesAtMax:
			return "", ErrMoving
		}
		at.name = "" // it is not there any more, or not for long
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
			return "", fmt.Errorf("%w (%w)", ErrMoving, ctx.Err())
		}
	}
}

// Forget lets go of what is known of where a tenant is.
func (p *Places) Forget(tenant ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, tenant)
}

func (p *Places) where(ctx context.Context, tenant ID) (name string, moving bool, age time.Duration, err error) {
	q := url.Values{"audience": {p.Audience}, "type": {tenant.Type()}, "tenant": {tenant.String()}}
	status, body, err := p.ask(ctx, http.MethodGet, p.URL+"?"+q.Encode(), nil)
	if err != nil {
		return "", false, 0, err
	}
	var answer struct {
		Place  string `json:"place"`
		Paused bool   `json:"paused"`
		MaxAge int    `json:"max_age"` // seconds
	}
	if err := json.Unmarshal(body, &answer); err != nil || status != http.StatusOK || answer.Place == "" && !answer.Paused {
		return "", false, 0, fmt.Errorf("tenant: Garant does not say where this tenant is: it answered %d", status)
	}
	return answer.Place, answer.Paused, time.Duration(answer.MaxAge) * time.Second, nil
}
