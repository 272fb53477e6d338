package sequence

import (
	"context"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/pg"
)

// tree is a tree that grows: its head, and the tiles at its right edge that are not full.
type tree struct {
	id    int32
	name  string
	head  merkle.Head
	stood int64    // size as it is in the database
	part  [][]byte // by level: the hashes of the tile that is not full
	tiles []tile   // that became full
}

type tile struct {
	level  int16
	n      int64
	hashes []byte
	root   merkle.Hash
}

// grow adds a leaf.
func (t *tree) grow(hash merkle.Hash) {
	over := t.head.Grow(hash)
	for level := 0; ; level++ {
		if level == len(t.part) {
			t.part = append(t.part, nil)
		}
		t.part[level] = append(t.part[level], hash[:]...)
		if level == len(over) {
			return
		}
		hash = over[level]
		t.tiles = append(t.tiles, tile{int16(level), t.head.Size>>(8*(level+1)) - 1, t.part[level], hash}) //nolint:gosec // a tree has eight levels
		t.part[level] = nil
	}
}

// tree is one of the generation's, made when there is none of that name.
func (s *Sequencer) tree(ctx context.Context, on pg.Querier, st *state, name string) (*tree, error) {
	if t, ok := st.trees[name]; ok {
		return t, nil
	}
	t := &tree{name: name}
	var edge []byte
	if err := on.QueryRow(ctx, `WITH made AS (INSERT INTO audit.tree (generation, name) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING tree, size, edge)
SELECT tree, size, edge FROM made UNION ALL SELECT tree, size, edge FROM audit.tree WHERE generation = $1 AND name = $2 LIMIT 1`, st.generation, name).Scan(&t.id, &t.head.Size, &edge); err != nil {
		return nil, pg.Wrap(err)
	}
	var err error
	if t.head, err = merkle.Resume(t.head.Size, edge); err != nil {
		return nil, errBroken(err)
	}
	t.stood = t.head.Size
	for level, size := 0, t.head.Size; size > 0; level, size = level+1, size/merkle.TileWidth {
		hashes, err := partOf(ctx, on, t, level, size)
		if err != nil {
			return nil, err
		}
		t.part = append(t.part, hashes)
	}
	if len(st.trees) >= mostTrees {
		for name, old := range st.trees {
			if name != "root" && old.stood == old.head.Size {
				delete(st.trees, name)
				break
			}
		}
	}
	st.trees[name] = t
	return t, nil
}

// partOf reads the hashes of the tile at the right edge of a level that has size of them.
func partOf(ctx context.Context, on pg.Querier, t *tree, level int, size int64) ([]byte, error) {
	from := size / merkle.TileWidth * merkle.TileWidth
	if from == size {
		return nil, nil
	}
	sql, args := `SELECT string_agg(hash, '' ORDER BY index), count(*) FROM audit.leaf WHERE tree = $1 AND index >= $2 AND index < $3`, []any{t.id, from, size}
	switch {
	case level == 0 && t.name == "root":
		sql = `SELECT string_agg(hash, '' ORDER BY index), count(*) FROM audit.root_leaf WHERE tree = $1 AND index >= $2 AND index < $3`
	case level > 0:
		sql, args = `SELECT string_agg(root, '' ORDER BY n), count(*) FROM audit.tile WHERE tree = $1 AND n >= $2 AND n < $3 AND level = $4`, append(args, level-1)
	}
	var hashes []byte
	var many int64
	if err := on.QueryRow(ctx, sql, args...).Scan(&hashes, &many); err != nil {
		return nil, pg.Wrap(err)
	}
	if many != size-from {
		return nil, errBroken(nil)
	}
	return hashes, nil
}
