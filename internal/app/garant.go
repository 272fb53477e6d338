package app

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/garant-project/garant/internal/annex"
	"github.com/garant-project/garant/internal/annex/page"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/document"
	"github.com/garant-project/garant/internal/engine/anonymise"
	"github.com/garant-project/garant/internal/engine/auditlog"
	"github.com/garant-project/garant/internal/engine/auditlog/collect"
	"github.com/garant-project/garant/internal/engine/auditlog/portal"
	"github.com/garant-project/garant/internal/engine/auditlog/replica"
	"github.com/garant-project/garant/internal/engine/auditlog/ship"
	"github.com/garant-project/garant/internal/engine/auditlog/stream"
	"github.com/garant-project/garant/internal/engine/register"
	"github.com/garant-project/garant/internal/engine/scanner"
	"github.com/garant-project/garant/internal/engine/tenancy"
	"github.com/garant-project/garant/internal/engine/tenancy/isolation"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/mail"
	"github.com/garant-project/garant/internal/measure"
	checks "github.com/garant-project/garant/internal/measure/console"
	"github.com/garant-project/garant/internal/measure/tailoring"
	annexes "github.com/garant-project/garant/internal/measure/tailoring/console"
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
	Registry  *measure.Registry // of the build; View has the one in force
	Book      *tailoring.Book
	Runner    *measure.Runner
	Owners    *measure.Owners
	Registers *register.Registers
	Tenancy   *tenancy.Tenancy
	Copies    *anonymise.Anonymise
	Record    *auditlog.Log
	AuditCopy *replica.Keeper    // of the record, in the second account
	Streams   *stream.Streams    // of the record, to SIEMs
	Ship      *ship.Ship         // of log lines
	Events    *collect.Collector // of what applications record
	Publisher *annex.Publisher

	post       *mail.Post // of the console; nil in commands
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
	store, err := OpenStore(ctx, o, server)
	if err != nil {
		return nil, err
	}
	g := &Garant{Options: o, Store: store, Server: server, configPath: path, config: source}
	if err := g.wire(); err != nil {
		store.Close(context.WithoutCancel(ctx))
		return nil, err
	}
	return g, nil
}

// wire makes what works on the store.
func (g *Garant) wire() (err error) {
	tap := ship.NewTap(g.Log.Handler()) // first of all: what is logged from here on can be shipped
	g.Log = slog.New(tap)
	o, store := g.Options, g.Store
	if err := store.takePen(o.Now); err != nil {
		return err
	}
	g.Ship = ship.New(ship.Deps{DataDir: o.DataDir, Estate: g.inForce, Tap: tap, Log: g.Log, Now: o.Now})
	g.AuditCopy = g.newAuditCopy()
	g.Streams = stream.Open(stream.Deps{
		DB: store.DB, Source: stream.Record{DB: store.DB, Box: store.Box}, Putter: (&streamStores{}).store, Declared: g.declaredStreams, Now: o.Now, Log: g.Log, Build: o.Build, Host: hostname(),
	})
	g.Runner = &measure.Runner{DB: store.DB, View: g.View, Build: o.Build, Now: o.Now, Log: o.Log}
	if g.Engines, err = g.engines(); err != nil {
		return err
	}
	reg, err := newRegistry(g.Engines)
	if err != nil {
		return err
	}
	if g.Messages, err = messages(g.Engines); err != nil {
		return err
	}
	g.Registry = reg
	g.Book = &tailoring.Book{DB: store.DB.Pool(pg.Staff), Base: reg.Catalogue}
	g.views.db, g.views.now, g.views.build, g.views.book, g.views.subjects = store.DB, o.Now, reg, g.Book, g.subjects
	g.Publisher = annex.NewPublisher(annex.Publisher{
		DB: store.DB, Registry: reg, View: g.views.latest, Subprocessors: g.subprocessors, Build: o.Build, Now: o.Now, Log: o.Log, Witnessed: g.witnessed,
	})
	g.Runner.Registry, g.Runner.Stored = reg, g.Publisher.Wake
	return nil
}

// messages are the words of every page and engine.
func messages(engines []measure.Engine) (*ui.Messages, error) {
	extra := []map[string][]byte{
		document.Messages(), page.Messages(), signin.Messages(), console.Messages(), checks.Messages(), checks.OwnerMessages(), mail.Messages(), annexes.Messages(),
		isolation.PageMessages(), portal.Messages(),
	}
	for _, e := range engines {
		extra = append(extra, e.Messages)
	}
	return ui.NewMessages(extra...)
}

// Importer takes reports of scanners.
func (g *Garant) Importer() *scanner.Importer {
	return &scanner.Importer{Receiver: g.Runner, Now: g.Now}
}

// Words is a message in a language.
func (g *Garant) Words(lang, id string) string {
	return g.Messages.For(lang, time.UTC).T(id)
}

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

// hostname names this machine in the log.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}
