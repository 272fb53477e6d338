package trees_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/retain"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/audit/trees"
	"github.com/garant-project/garant/internal/errs"
)

// After entries were dropped as they really are, whose leaves go too where a full tile holds their hashes, everything can be proven as before; and what somebody
// takes away besides is no part of it.
func TestDroppedForReal(t *testing.T) {
	l := newLogs(t)
	ctx := context.Background()
	l.exec("DELETE FROM audit.tree")
	l.exec("DELETE FROM audit.generation")
	s := &sequence.Sequencer{DB: l.db, Box: l.box, Origin: origin, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	drain := func() {
		t.Helper()
		if err := s.Drain(ctx); err != nil {
			t.Fatal(err)
		}
	}
	name := trees.TenantTree(acme)
	l.write(acme, 300)
	l.write(other, 20)
	l.exec("UPDATE audit.entry SET at = at - interval '500 days'")
	drain()
	all, err := trees.Generations(ctx, l.pool)
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v %v", all, err)
	}
	l.key = all[0].Key
	_, kept, _ := l.holds(trees.BundleOrder{Tree: name}, merkle.Pins{})
	l.write(acme, 300)
	l.write("", 5)
	drain()
	tree := l.open(name)
	hashes := map[int64]merkle.Hash{}
	for size := int64(1); size <= tree.Size; size += 13 {
		at, err := tree.At(size)
		if err != nil {
			t.Fatal(err)
		}
		if hashes[size], err = at.Hash(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if gone, err := retain.Drop(ctx, l.db, l.box, time.Now(), 400*24*time.Hour, nil); err != nil || gone != 320 {
		t.Fatalf("%d dropped, %v", gone, err)
	}
	drain()

	order := trees.BundleOrder{Tree: name, SinceLog: kept.Log.Size, SinceTree: kept.Head.Size}
	pins := merkle.Pins{KeptLog: &kept.Log, KeptTree: &kept.Head}
	if _, r, _ := l.holds(order, pins); r.Dropped != 300 || r.Entries != 300 {
		t.Errorf("the whole tree: %d dropped, %d entries", r.Dropped, r.Entries)
	}
	order.From = time.Now().Add(-24 * time.Hour)
	if _, r, _ := l.holds(order, pins); r.Dropped != 0 || r.Entries != 300 {
		t.Errorf("the last day: %d dropped, %d entries", r.Dropped, r.Entries)
	}
	if _, r, _ := l.holds(trees.BundleOrder{Tree: trees.TenantTree(other)}, merkle.Pins{}); r.Dropped != 20 || r.Entries != 0 {
		t.Errorf("of whom all was dropped: %d dropped, %d entries", r.Dropped, r.Entries)
	}
	tree = l.open(name)
	for size, want := range hashes {
		at, err := tree.At(size)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := at.Hash(ctx); err != nil || got != want {
			t.Errorf("the root at %d leaves: %v", size, err)
		}
	}
	if _, err := tree.EntryBundle(ctx, 0, 256); !errs.Is(err, errs.NotFound) {
		t.Errorf("leaves that were dropped: %v", err)
	}
	if at, err := tree.LeavesAt(ctx, []int64{3, 299, 300}); err != nil || !at[0].Dropped || !at[1].Dropped || at[2].Dropped || at[2].Bytes == nil {
		t.Errorf("%+v, %v", at, err)
	}

	for what, sql := range map[string]string{
		"entries and leaves behind what was dropped":    "index >= 300 AND index < 350",
		"entries and leaves in the middle":              "index >= 320 AND index < 330",
		"all entries and leaves of the customer's tree": "index >= 300",
	} {
		tx, err := l.super.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		of := " (SELECT tree FROM audit.tree WHERE name = $1) AND " + sql
		if _, err := tx.Exec(ctx, "DELETE FROM audit.entry WHERE id IN (SELECT entry FROM audit.leaf WHERE tree ="+of+")", name); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(ctx, "DELETE FROM audit.leaf WHERE tree ="+of, name); err != nil {
			t.Fatal(err)
		}
		altered, err := trees.Open(ctx, tx, 1, name)
		if err != nil {
			t.Fatal(err)
		}
		altered.Keys = l.box
		if leaves, err := altered.Leaves(ctx, 256, 512); !errs.Is(err, errs.Internal) {
			t.Errorf("%s: %d leaves, %v", what, len(leaves), err)
		}
		if err := tx.Rollback(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// A row of audit.dropped that somebody put there says nothing: what is gone was deleted, whoever asks.
func TestForgedDropHidesNothing(t *testing.T) {
	l := newLogs(t)
	ctx := context.Background()
	name := trees.TenantTree(acme)
	l.write(acme, 20)
	l.sequence()
	leaves, err := l.open(name).Leaves(ctx, 0, 20)
	if err != nil {
		t.Fatal(err)
	}
	l.exec("DELETE FROM audit.entry WHERE id = $1", leaves[4].Entry)
	missing := func(how string) {
		t.Helper()
		if _, err := l.open(name).Leaves(ctx, 0, 20); !errs.Is(err, errs.Internal) {
			t.Errorf("%s: leaves: %v", how, err)
		}
		if _, _, err := l.bundle(trees.BundleOrder{Tree: name}); !errs.Is(err, errs.Internal) {
			t.Errorf("%s: a bundle: %v", how, err)
		}
		if p, err := trees.ProveEntry(ctx, l.pool, l.box, leaves[4].Entry); err != nil || p.Failed != trees.StepLeaf || p.Dropped {
			t.Errorf("%s: a proof: %+v, %v", how, p, err)
		}
	}
	missing("nothing said")
	l.drops(20, false)
	missing("said by nobody")
	l.drops(3, true)
	missing("another drop told of")
	l.drops(20, true)
	if p, err := trees.ProveEntry(ctx, l.pool, l.box, leaves[4].Entry); err != nil || p.Failed != "" || !p.Dropped {
		t.Errorf("told of: %+v, %v", p, err)
	}
	// Of the one who asks without keys nothing was dropped.
	if p, err := trees.ProveEntry(ctx, l.pool, nil, leaves[4].Entry); err != nil || p.Failed != trees.StepLeaf {
		t.Errorf("without keys: %+v, %v", p, err)
	}
}
