package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/trees"
	"github.com/garant-project/garant/internal/pg"
)

// proof measures inclusion of one leaf in a tree that is simulated: all its leaves are the same, so that all full tiles of a level are, and only those are there
// that the proofs ask for.
func (s *stand) proof(ctx context.Context) error {
	l, err := s.newLog(ctx, "simulated")
	if err != nil {
		return err
	}
	defer l.close()
	const places = 50
	indexes := []int64{0, s.leaves / 2, s.leaves - 1}
	for i := range int64(places) {
		indexes = append(indexes, (i*2_654_435_761+17)%s.leaves)
	}
	same := tlog.RecordHash(binary.BigEndian.AppendUint64(nil, 0))
	if err := l.uniform(ctx, s.leaves, same, indexes); err != nil {
		return err
	}
	on := l.dbs[0].Pool(pg.Staff)
	tree, err := trees.Open(ctx, on, 1, trees.Company)
	if err != nil {
		return err
	}
	root, err := tree.Hash(ctx)
	if err != nil {
		return err
	}
	var took, nothing []time.Duration
	for i := range s.proofs + 10 {
		index := indexes[i%len(indexes)]
		began := time.Now()
		tree, err := trees.Open(ctx, on, 1, trees.Company)
		if err != nil {
			return err
		}
		p, err := tree.ProveInclusion(ctx, index)
		if err != nil {
			return err
		}
		one := time.Since(began)
		if err := tlog.CheckRecord(p, tree.Size, root, index, same); err != nil {
			return fmt.Errorf("leaf %d is not proven: %w", index, err)
		}
		two, err := asking(ctx, on, 2)
		if err != nil {
			return err
		}
		if i >= 10 {
			took, nothing = append(took, one), append(nothing, two[0]+two[1])
		}
	}
	p50 := at(0.5, took)
	s.add(figure{
		What: fmt.Sprintf("proof of one among %s leaves, p50", number(float64(s.leaves))), Value: p50, Unit: "ms", Reference: "two questions of nothing", Of: at(0.5, nothing), Ratio: p50 / at(0.5, nothing),
		Note: fmt.Sprintf("p99 %s ms", number(at(0.99, took))),
	}.atMost(p50, 5, "5 ms"))
	return nil
}

// uniform makes the tiles that proofs of some leaves need, of a tree of so many equal leaves.
func (l *log) uniform(ctx context.Context, size int64, hash tlog.Hash, indexes []int64) error {
	if size < merkle.TileWidth {
		return errors.New("a tree of less than a tile proves nothing here")
	}
	if err := l.exec(ctx, `INSERT INTO audit.generation (generation, origin, key, sealed, began_by, reason) VALUES (1, 'simulated.example/log', 'none', '', 'bench', '')`); err != nil {
		return err
	}
	id, err := l.count(ctx, `INSERT INTO audit.tree (generation, name) VALUES (1, $1) RETURNING tree`, trees.Company)
	if err != nil {
		return err
	}
	var tiles, leaves [][]any
	for level, h := 0, hash; size>>(8*level) > 0; level++ {
		hashes := bytes.Repeat(h[:], merkle.TileWidth)
		up := merkle.TileRoot(hashes)
		full := size >> (8 * level) / merkle.TileWidth
		want := map[int64]bool{}
		for _, i := range indexes {
			want[i>>(8*(level+1))] = true
		}
		for n := full &^ (merkle.TileWidth - 1); n < full; n++ { // beside which stand the hashes of the partial tile above
			want[n] = true
		}
		for n := range want {
			if n < full {
				tiles = append(tiles, []any{id, int16(level), n, hashes, up[:]}) //nolint:gosec // a tree has eight levels
			}
		}
		if level == 0 {
			for i := full * merkle.TileWidth; i < size; i++ {
				leaves = append(leaves, []any{i + 1, id, i, i + 1, bytes.Clone(h[:])})
			}
		}
		h = up
	}
	if _, err := l.super.CopyFrom(ctx, pgx.Identifier{"audit", "tile"}, []string{"tree", "level", "n", "hashes", "root"}, pgx.CopyFromRows(tiles)); err != nil {
		return err
	}
	if _, err := l.super.CopyFrom(ctx, pgx.Identifier{"audit", "leaf"}, []string{"seq", "tree", "index", "entry", "hash"}, pgx.CopyFromRows(leaves)); err != nil {
		return err
	}
	if err := l.exec(ctx, "UPDATE audit.tree SET size = $2 WHERE tree = $1", id, size); err != nil {
		return err
	}
	return l.exec(ctx, "ANALYZE")
}
