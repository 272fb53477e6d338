package trees_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/trees"
)

// uniform makes the tiles that proofs of some leaves of a tree of so many equal leaves need: in such a tree all full tiles of a level are the same.
func uniform(t testing.TB, l *logs, size int64, indexes ...int64) (root tlog.Hash) {
	t.Helper()
	id := l.tree(trees.Company)
	h := numbered(0)
	var rows [][]any
	var partial [][]any
	for level := 0; size>>(8*level) > 0; level++ {
		var tile []byte
		for range 256 {
			tile = append(tile, h[:]...)
		}
		up := merkle.TileRoot(tile)
		full := size >> (8 * level) / 256
		want := map[int64]bool{}
		for _, i := range indexes {
			want[i>>(8*(level+1))] = true
		}
		for n := full &^ 255; n < full; n++ { // beside which stand the hashes of the partial tile above
			want[n] = true
		}
		for n := range want {
			if n < full {
				rows = append(rows, []any{id, int16(level), n, tile, up[:]}) //nolint:gosec // at most 7
			}
		}
		if level == 0 {
			for i := full * 256; i < size; i++ {
				partial = append(partial, []any{i + 1, id, i, i + 1, bytes.Clone(h[:])})
			}
		}
		h = up
	}
	ctx := context.Background()
	if _, err := l.super.CopyFrom(ctx, pgx.Identifier{"audit", "tile"}, []string{"tree", "level", "n", "hashes", "root"}, pgx.CopyFromRows(rows)); err != nil {
		t.Fatal(err)
	}
	if _, err := l.super.CopyFrom(ctx, pgx.Identifier{"audit", "leaf"}, []string{"seq", "tree", "index", "entry", "hash"}, pgx.CopyFromRows(partial)); err != nil {
		t.Fatal(err)
	}
	l.exec("UPDATE audit.tree SET size = $2 WHERE tree = $1", id, pgtype.Int8{Int64: size, Valid: true})
	root, err := l.open(trees.Company).Hash(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

const hundredMillion = 100_000_000 + 77

// One leaf among 100 million is to be proven within 5 ms.
func BenchmarkProof(b *testing.B) {
	l := newLogs(b)
	index := int64(61_234_567)
	root := uniform(b, l, hundredMillion, index)
	ctx := context.Background()
	b.Run("proof", func(b *testing.B) {
		for b.Loop() {
			tree, err := trees.Open(ctx, l.pool, 1, trees.Company)
			if err != nil {
				b.Fatal(err)
			}
			p, err := tree.ProveInclusion(ctx, index)
			if err != nil {
				b.Fatal(err)
			}
			if err := tlog.CheckRecord(p, tree.Size, root, index, numbered(0)); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("two questions of nothing", func(b *testing.B) { // to compare with
		var n int
		for b.Loop() {
			for range 2 {
				if err := l.pool.QueryRow(ctx, "SELECT 1").Scan(&n); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

func TestAProofAmongAHundredMillion(t *testing.T) {
	l := newLogs(t)
	indexes := []int64{0, 61_234_567, hundredMillion - 300, hundredMillion - 1}
	root := uniform(t, l, hundredMillion, indexes...)
	ctx := context.Background()
	on := &counting{Querier: l.pool}
	tree, err := trees.Open(ctx, on, 1, trees.Company)
	if err != nil {
		t.Fatal(err)
	}
	for _, index := range indexes {
		on.n = 0
		p, err := tree.ProveInclusion(ctx, index)
		if err != nil || on.n != 1 {
			t.Fatalf("%d questions: %v", on.n, err)
		}
		if err := tlog.CheckRecord(p, tree.Size, root, index, numbered(0)); err != nil {
			t.Errorf("leaf %d: %v", index, err)
		}
	}
}
