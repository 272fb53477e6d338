package app

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/engine/tenancy"
	"github.com/garant-project/garant/internal/engine/tenancy/verify"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
)

// Applied says what came of applying an estate.
type Applied struct {
	Version    int64              `json:"version"`
	New        bool               `json:"new"` // false: it was in force already
	Changes    []estate.Change    `json:"changes,omitempty"`
	Reductions []estate.Reduction `json:"reductions,omitempty"` // waiting for a second person
}

func (a Applied) String() string {
	var b strings.Builder
	if !a.New {
		fmt.Fprintf(&b, "Version %d is in force already: nothing changed.\n", a.Version)
	} else {
		fmt.Fprintf(&b, "Version %d is in force.\n", a.Version)
	}
	for _, c := range a.Changes {
		fmt.Fprintf(&b, "  %s\n", c)
	}
	if len(a.Reductions) > 0 {
		b.WriteString("Until a second person confirms it in the console, the public annex says \"scope reduced\":\n")
	}
	for _, r := range a.Reductions {
		fmt.Fprintf(&b, "  %s: %s → %s (%s)\n", r.Key, r.From, r.To, strings.Join(r.Measures, ", "))
	}
	if slices.ContainsFunc(a.Reductions, estate.Reduction.HoldsCopies) {
		b.WriteString("No anonymised copy is made by it before that.\n")
	}
	return b.String()
}

// ApplyEstate puts the garant.yaml of this Garant in force.
func (g *Garant) ApplyEstate(ctx context.Context, by actor.Actor) (Applied, error) {
	if g.configPath == "" {
		return Applied{}, errs.New(errs.NotFound, "app.no_config", "There is no garant.yaml to apply.").
			WithFix("Name one, or put it at " + filepath.Join("DATA", estate.FileName) + "; docs/garant.yaml is a commented example.")
	}
	source, dir, err := estate.ReadSource(g.configPath)
	if err != nil {
		return Applied{}, err
	}
	before, err := estate.Current(ctx, g.DB.Pool(pg.Staff))
	if err != nil && !errs.Is(err, errs.NotFound) {
		return Applied{}, err
	}
	version, err := estate.Apply(ctx, g.DB.Pool(pg.Staff), by, source, dir)
	if err != nil {
		return Applied{}, err
	}
	g.views.reset()
	applied := Applied{Version: version.ID, New: !version.Already, Reductions: version.Pending()}
	if applied.New && before.Estate != nil {
		applied.Changes = estate.Diff(before.Estate, version.Estate)
	}
	return applied, nil
}

// EstateSource returns the garant.yaml in force.
func (g *Garant) EstateSource(ctx context.Context) (string, error) {
	v, err := estate.Current(ctx, g.DB.Pool(pg.Staff))
	return v.Source, err
}

// Migrate brings the schema of the database up to this build.
func Migrate(ctx context.Context, o Options) ([]pg.Migration, error) {
	_, _, server, err := o.config()
	if err != nil {
		return nil, err
	}
	if err := makeDataDir(o.DataDir); err != nil {
		return nil, err
	}
	s := &Store{}
	defer func() { s.Close(context.WithoutCancel(ctx)) }()
	if s.dsn, err = s.reach(ctx, o, server); err != nil {
		return nil, err
	}
	return s.migrate(ctx)
}

// Guard puts Garant's own database, in a PostgreSQL of somebody else's, under guard: schema garant, and what customers
// may read of themselves. address leads there as its administrator.
func Guard(ctx context.Context, address string) error {
	cfg, err := pgx.ParseConfig(address)
	if err != nil {
		return errs.New(errs.Invalid, "app.guard_address", "This is not an address of PostgreSQL.").WithFix("Write postgres://USER@HOST:PORT/garant?sslmode=verify-full.")
	}
	if !pg.Verified(cfg) {
		return errs.New(errs.Invalid, "app.guard_unverified", "The server’s certificate would not be verified.").WithFix("Write sslmode=verify-full in the address.")
	}
	return guard(ctx, address)
}

// VerifyOwn holds Garant's own database to what customers may read there, as garant isolation verify does with others.
func VerifyOwn(ctx context.Context, o Options) (*verify.Report, error) {
	_, _, server, err := o.config()
	if err != nil {
		return nil, err
	}
	s := &Store{}
	defer func() { s.Close(context.WithoutCancel(ctx)) }()
	if s.dsn, err = s.reach(ctx, o, server); err != nil {
		return nil, err
	}
	address := s.dsn(pg.Owner)
	if s.cluster != nil {
		address = s.cluster.DSN(s.cluster.SuperUser(), databaseName)
	}
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	m, err := tenancy.OwnManifest(ctx, conn)
	if err != nil {
		return nil, err
	}
	return verify.Run(ctx, verify.Options{URL: address, AppURL: s.dsn(pg.Portal), Manifest: m, MaxKeyAge: estate.DefaultKeyRotation + 24*time.Hour, Now: o.Now})
}
