package app

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/annex"
	"github.com/garant-project/garant/internal/annex/page"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/document"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	checks "github.com/garant-project/garant/internal/measure/console"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/signin"
	"github.com/garant-project/garant/internal/web/ui"
)

// Garant is the house with its lights on: what commands and servers work with.
type Garant struct {
	Options
	*Store
	Server    *estate.Server // settings of this server
	Messages  *ui.Messages
	Engines   []measure.Engine
	Registry  *measure.Registry
	Runner    *measure.Runner
	Publisher *annex.Publisher

	configPath string
	config     []byte
	views      views
}

// Open reads the settings, opens the store and wires everything that does not listen.
func Open(ctx context.Context, o Options) (*Garant, error) {
	path, source, server, err := o.config()
	if err != nil {
		return nil, err
	}
	engines := Engines()
	reg, err := newRegistry(engines)
	if err != nil {
		return nil, err
	}
	words, err := messages(engines)
	if err != nil {
		return nil, err
	}
	store, err := OpenStore(ctx, o, server)
	if err != nil {
		return nil, err
	}
	g := &Garant{Options: o, Store: store, Server: server, Messages: words, Engines: engines, Registry: reg, configPath: path, config: source}
	g.views.db, g.views.now, g.views.build = store.DB, o.Now, reg
	g.Publisher = annex.NewPublisher(annex.Publisher{
		DB: store.DB, Registry: reg, View: g.View, Build: o.Build, Now: o.Now, Log: o.Log,
	})
	g.Runner = &measure.Runner{
		Registry: reg, DB: store.DB, View: g.View, Build: o.Build, Now: o.Now, Log: o.Log, Stored: g.Publisher.Wake,
	}
	return g, nil
}

// messages are the words of every page and engine.
func messages(engines []measure.Engine) (*ui.Messages, error) {
	extra := []map[string][]byte{document.Messages(), page.Messages(), signin.Messages(), console.Messages(), checks.Messages()}
	for _, e := range engines {
		extra = append(extra, e.Messages)
	}
	return ui.NewMessages(extra...)
}

// Words is a message in a language.
func (g *Garant) Words(lang, id string) string {
	return g.Messages.For(lang, time.UTC).T(id)
}

// View is the estate in force.
func (g *Garant) View(ctx context.Context) (measure.View, error) { return g.views.current(ctx) }

// ConfigPath is where garant.yaml stands; empty: nowhere.
func (g *Garant) ConfigPath() string { return g.configPath }

func openBox(ctx context.Context, o Options, server *estate.Server, db *pg.DB) (*crypt.Box, error) {
	path := server.Keys.Path
	if path == "" {
		path = filepath.Join(o.DataDir, "key")
	}
	provider, err := crypt.OpenKeyfile(ctx, db.Pool(pg.Staff), path)
	if err != nil {
		return nil, err
	}
	return crypt.NewBox(ctx, db.Pool(pg.Staff), provider)
}

// views holds the estate in force for a moment: it is asked for many times a second.
type views struct {
	db    *pg.DB
	now   func() time.Time
	build *measure.Registry // with the catalogue as this build carries it

	mu     sync.Mutex
	view   measure.View
	readAt time.Time
	past   map[int64]*estate.Estate
}

// reset forgets the estate in force, after another was applied.
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
	pool := v.db.Pool(pg.Worker)
	version, err := estate.Current(ctx, pool)
	switch {
	case errs.Is(err, errs.NotFound):
		return measure.View{}, nil
	case err != nil:
		return measure.View{}, err
	}
	view := measure.View{Estate: version.Estate, Version: version.ID, Past: v.earlier}
	if view.Registry, err = v.registry(version); err != nil {
		return measure.View{}, err
	}
	for _, r := range version.Pending() {
		view.Reduced = append(view.Reduced, r.Measures...)
	}
	v.view, v.readAt = view, v.now()
	return view, nil
}

// registry is what holds for the version in force.
func (v *views) registry(version estate.Version) (*measure.Registry, error) {
	if v.view.Registry != nil && v.view.Version == version.ID {
		return v.view.Registry, nil
	}
	return v.build.For(v.build.Catalogue, version.Estate)
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

// hostname names this machine in the log.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}
