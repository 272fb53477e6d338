package app

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/demo"
	"github.com/garant-project/garant/internal/engine/tenancy/apply"
	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/plan"
	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/engine/tenancy/verify"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
)

// The example's database is as its manifest says, in the eyes of plan and of verify; each of its
// faults of isolation is seen, and gone when mended.
func TestExampleIsApart(t *testing.T) {
	ctx := context.Background()
	dir := exampleDir(t)
	c, err := demo.Open(ctx, dir, time.Minute, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	e, err := estate.Parse(c.Config(), estate.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	d, ok := e.Database("production")
	if !ok || d.Tenancy == nil {
		t.Fatal("no tenancy is declared")
	}
	m, err := manifest.Parse(d.Tenancy.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	reveal := func(s estate.Secret) string {
		url, err := s.Reveal()
		if err != nil {
			t.Fatal(err)
		}
		return url
	}
	reader := reveal(d.URL)

	conn, err := pgx.Connect(ctx, reader)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	model, err := schema.Read(ctx, conn)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Propose(model, m, plan.Wish{})
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range [][]string{p.New, p.Changed, p.Gone, plan.Refusals(model, p.Manifest)} {
		for _, s := range what {
			t.Errorf("plan finds %s", s)
		}
	}
	version, err := apply.Version(ctx, conn, p.Manifest.Design)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range plan.Steps(model, p.Manifest, version, nil) {
		t.Errorf("apply would have something to do: %+v", s)
	}

	// A key, as Garant puts one in.
	keeper, err := pgx.Connect(ctx, reveal(d.Tenancy.Keeper))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = keeper.Close(ctx) }()
	if err := token.InstallKey(ctx, keeper, tenant.Key{ID: 1, Secret: [32]byte{1}}, nil); err != nil {
		t.Fatal(err)
	}

	look := func(o verify.Options) []string {
		t.Helper()
		o.Manifest, o.System, o.Timeout, o.MaxKeyAge, o.Now = m, d.System, 5*time.Minute, 24*time.Hour, time.Now
		r, err := verify.Run(ctx, o)
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, one := range r.Results {
			if one.Outcome == verify.Error {
				found = append(found, one.ID+" could not look: "+one.Error)
			}
			for _, f := range one.Findings {
				if one.Outcome == verify.Fail && one.Severity.AtLeast(verify.Medium) {
					found = append(found, one.ID+": "+f.Object+": "+f.Found)
				}
			}
		}
		return found
	}
	live := verify.Options{URL: reader, AppURL: reveal(d.Tenancy.Application)}
	for _, f := range look(live) {
		t.Errorf("sound: %s", f)
	}
	for _, f := range look(verify.Options{URL: reveal(d.Tenancy.Copy), AppURL: reveal(d.Tenancy.Application), Scratch: true}) {
		t.Errorf("sound, writes on a copy: %s", f)
	}
	for fault, want := range map[string]string{
		demo.FaultDroppedPolicy: "policies.command_missing: customer.application", demo.FaultUnclassifiedTable: "tables.unclassified: customer.survey", demo.FaultAppOwner: "roles.owner: customer.application",
	} {
		if err := c.Break("production", fault); err != nil {
			t.Fatal(err)
		}
		if found := look(live); len(found) != 1 || !strings.HasPrefix(found[0], want) {
			t.Errorf("%s: %v, want %s alone", fault, found, want)
		}
		if err := c.Mend("production"); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range look(live) {
		t.Errorf("mended: %s", f)
	}
}
