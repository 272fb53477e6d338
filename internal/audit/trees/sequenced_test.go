package trees_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/audit/trees"
)

// The trees that the sequencer makes are read, served and bundled.
func TestTreesOfTheSequencer(t *testing.T) {
	l := newLogs(t)
	ctx := context.Background()
	l.exec("DELETE FROM audit.tree")
	l.exec("DELETE FROM audit.generation")
	s := &sequence.Sequencer{DB: l.db, Box: l.box, Origin: origin, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	name := trees.TenantTree(acme)
	var kept *merkle.Report
	for _, many := range []int{30, 300, 1} {
		l.write(acme, many)
		l.write("", 3)
		l.write(other, 2)
		if err := s.Drain(ctx); err != nil {
			t.Fatal(err)
		}
		all, err := trees.Generations(ctx, l.pool)
		if err != nil || len(all) != 1 {
			t.Fatalf("%+v %v", all, err)
		}
		l.key = all[0].Key
		o, pins := trees.BundleOrder{Tree: name}, merkle.Pins{}
		if kept != nil {
			o.SinceLog, o.SinceTree, pins.KeptLog, pins.KeptTree = kept.Log.Size, kept.Head.Size, &kept.Log, &kept.Head
		}
		_, r, _ := l.holds(o, pins)
		if tree := l.open(name); r.Entries != tree.Size {
			t.Errorf("%d of %d entries", r.Entries, tree.Size)
		}
		kept = &r
		l.holds(trees.BundleOrder{Tree: trees.Company}, merkle.Pins{})
	}
	if kept.Entries != 331 {
		t.Errorf("%d entries", kept.Entries)
	}
}
