package move

import (
	"context"
	"slices"
	"testing"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/verify"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// A move leaves nothing behind that verify would find in either database: what it found before in
// the source is what it finds afterwards, and in the target.
func TestVerifyAfterMove(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	w.m.Around = append(w.m.Around, manifest.Path{Role: cluster.SuperUser, Kind: "superuser", Why: "test"})
	found := func(c *cluster.Cluster) []string {
		t.Helper()
		r, err := verify.Run(ctx, verify.Options{URL: c.DSN(cluster.SuperUser, "shop"), Manifest: w.m, AppURL: c.DSN("app", "shop")})
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, one := range r.Results {
			if one.ID == "token.key_age" || one.ID == "token.no_key" {
				continue
			}
			for _, f := range one.Findings {
				all = append(all, one.ID+" "+f.Object)
			}
		}
		slices.Sort(all)
		return all
	}
	before := found(running.shared)
	m := w.run(w.out())
	if err := m.Erase(ctx, "test"); err != nil {
		t.Fatal(err)
	}
	w.newKey(running.own, w.own)
	for name, c := range map[string]*cluster.Cluster{"source": running.shared, "target": running.own} {
		for _, f := range found(c) {
			if !slices.Contains(before, f) {
				t.Errorf("new at the %s: %s", name, f)
			}
		}
	}
	if len(before) == 0 {
		t.Error("nothing was found before either: that proves little of a schema made to be odd")
	}
}
