package trees

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// height is that of tiles: 256 hashes. C2SP tlog-tiles.
const height = 8

// place is where a tile stands.
type place struct {
	level int
	n     int64
}

// width is how many hashes a tile has at a size of the tree; 0: there is none.
func width(size int64, p place) int {
	if p.level < 0 || p.level > 7 || p.n < 0 {
		return 0 // a level above has hashes from 2^64 leaves on
	}
	have := size>>(height*p.level) - p.n*merkle.TileWidth
	if p.n > size>>(height*p.level) {
		return 0
	}
	return int(max(0, min(have, merkle.TileWidth)))
}

// Hashes reads hashes of the tree, each tile once: it is for one task, not to be kept. It is not for several goroutines.
func (t *Tree) Hashes(ctx context.Context) tlog.HashReader {
	return &reader{ctx: ctx, tree: t, tiles: map[place][]byte{}}
}

type reader struct {
	ctx   context.Context //nolint:containedctx // of the task; tlog.HashReader passes none
	tree  *Tree
	tiles map[place][]byte
}

// keep is how many tiles a reader remembers: 8 MiB.
const keep = 1024

// ReadHashes implements tlog.HashReader with one question to the database.
func (r *reader) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	if len(r.tiles) > keep {
		clear(r.tiles)
	}
	tiles := make([]tlog.Tile, len(indexes))
	var missing []place
	for i, index := range indexes {
		tiles[i] = tlog.TileForIndex(height, index)
		at := place{tiles[i].L, tiles[i].N}
		w := width(r.tree.Size, at)
		if tiles[i].W > w {
			return nil, errBeyond(r.tree.Size)
		}
		tiles[i].W = w
		if _, ok := r.tiles[at]; !ok {
			r.tiles[at] = nil
			missing = append(missing, at)
		}
	}
	found, err := r.tree.tiles(r.ctx, missing)
	for i, at := range missing {
		if err != nil {
			delete(r.tiles, at)
			continue
		}
		r.tiles[at] = found[i]
	}
	if err != nil {
		return nil, err
	}
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if hashes[i], err = tlog.HashFromTile(tiles[i], r.tiles[place{tiles[i].L, tiles[i].N}], index); err != nil {
			return nil, errs.New(errs.Internal, "trees.tile", "A tile of the log has another size than it should.").Wrap(err)
		}
	}
	return hashes, nil
}

// Tile reads the first hashes of a tile: C2SP tlog-tiles. Any width up to what the tree holds is there.
func (t *Tree) Tile(ctx context.Context, level int, n int64, wide int) ([]byte, error) {
	if wide < 1 || wide > merkle.TileWidth || wide > width(t.Size, place{level, n}) {
		return nil, errBeyond(t.Size)
	}
	found, err := t.tiles(ctx, []place{{level, n}})
	if err != nil {
		return nil, err
	}
	return found[0][:wide*tlog.HashSize], nil
}

// tiles reads tiles, as wide as they are at its size, with one question: full ones as they are stored; the others from the
// leaves, or from what stands beside the full tiles of the level below.
func (t *Tree) tiles(ctx context.Context, places []place) ([][]byte, error) {
	if len(places) == 0 {
		return nil, nil
	}
	var fullLevels, upLevels, upWidths, leafWidths []int32
	var fullNs, upNs, leafNs []int64
	of := make(map[place]int, len(places))
	for i, p := range places {
		of[p] = i
		switch w := width(t.Size, p); {
		case w == 0:
			return nil, errBeyond(t.Size)
		case w == merkle.TileWidth, p.level == 0 && width(t.most, p) == merkle.TileWidth: // of a smaller tree: its leaves may have no rows any more
			fullLevels, fullNs = append(fullLevels, int32(p.level)), append(fullNs, p.n) //nolint:gosec // at most 7
		case p.level > 0:
			upLevels, upNs, upWidths = append(upLevels, int32(p.level)), append(upNs, p.n), append(upWidths, int32(w)) //nolint:gosec // small
		default:
			leafNs, leafWidths = append(leafNs, p.n), append(leafWidths, int32(w)) //nolint:gosec // at most 255
		}
	}
	leaves := "audit.leaf"
	if t.Name == Root {
		leaves = "audit.root_leaf"
	}
	var parts []string // not asked what is not needed: a role need not be able to read it
	args := []any{t.id}
	ask := func(sql string, values ...any) {
		numbers := make([]any, len(values))
		for i := range values {
			numbers[i] = len(args) + 1 + i
		}
		parts, args = append(parts, fmt.Sprintf(sql, numbers...)), append(args, values...)
	}
	// Each tile is looked up by its key (LATERAL with LIMIT): no statistics lead to a scan of the table.
	if len(fullNs) > 0 {
		ask(`SELECT w.level, w.n, f.hashes FROM unnest($%d::integer[], $%d::bigint[]) AS w(level, n)
CROSS JOIN LATERAL (SELECT t.hashes FROM audit.tile t WHERE t.tree = $1 AND t.level = w.level AND t.n = w.n LIMIT 1) AS f`, fullLevels, fullNs)
	}
	if len(upNs) > 0 {
		ask(`SELECT w.level, w.n, f.hashes FROM unnest($%d::integer[], $%d::bigint[], $%d::integer[]) AS w(level, n, wide)
CROSS JOIN LATERAL (SELECT string_agg(p.root, ''::bytea ORDER BY p.n) AS hashes FROM (
	SELECT t.n, t.root FROM audit.tile t WHERE t.tree = $1 AND t.level = w.level - 1 AND t.n >= w.n * 256 AND t.n < w.n * 256 + w.wide ORDER BY t.n LIMIT 256) AS p) AS f`, upLevels, upNs, upWidths)
	}
	if len(leafNs) > 0 {
		ask(`SELECT 0, w.n, f.hashes FROM unnest($%d::bigint[], $%d::integer[]) AS w(n, wide)
CROSS JOIN LATERAL (SELECT string_agg(p.hash, ''::bytea ORDER BY p.index) AS hashes FROM (
	SELECT l.index, l.hash FROM `+leaves+` l WHERE l.tree = $1 AND l.index >= w.n * 256 AND l.index < w.n * 256 + w.wide ORDER BY l.index LIMIT 256) AS p) AS f`, leafNs, leafWidths)
	}
	rows, err := t.on.Query(ctx, strings.Join(parts, "\nUNION ALL\n"), args...)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	defer rows.Close()
	found := make([][]byte, len(places))
	for rows.Next() {
		var p place
		var hashes []byte
		if err := rows.Scan(&p.level, &p.n, &hashes); err != nil {
			return nil, pg.Wrap(err)
		}
		if most := width(t.Size, p) * tlog.HashSize; len(hashes) == merkle.TileWidth*tlog.HashSize {
			hashes = hashes[:most]
		}
		found[of[p]] = hashes
	}
	if err := rows.Err(); err != nil {
		return nil, pg.Wrap(err)
	}
	for i, p := range places {
		if len(found[i]) != width(t.Size, p)*tlog.HashSize {
			return nil, errs.New(errs.Internal, "trees.tile_missing", fmt.Sprintf("Tile %d of level %d of the log is not whole: the database was changed.", p.n, p.level)).
				WithFix("Run `garant audit verify`.")
		}
	}
	return found, nil
}
