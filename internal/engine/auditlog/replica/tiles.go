package replica

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/engine/auditlog/worm"
	"github.com/garant-project/garant/internal/errs"
)

// atTheSameTime is how many tiles are on their way at once.
const atTheSameTime = 8

// tiles puts the tiles that a segment makes full, of all levels, and the leaves of those of level 0, so that any client of a transparency log
// can read the bucket.
func (w *writing) tiles(ctx context.Context) error {
	names := slices.Sorted(maps.Keys(w.grown))
	numbers, err := treeNumbers(ctx, w.conn, w.generation, names)
	if err != nil {
		return err
	}
	out := &sending{w: w, places: make(chan struct{}, atTheSameTime)}
	for _, name := range names {
		tree, ok := numbers[name]
		if !ok {
			return errChanged("the tree " + name + " is missing")
		}
		g := w.grown[name]
		for level := 0; g.until>>(8*(level+1)) > 0; level++ {
			for n := g.from >> (8 * (level + 1)); n < g.until>>(8*(level+1)); n++ {
				if err := out.failed(); err != nil {
					return out.wait(ctx)
				}
				if err := w.tile(ctx, out, name, tree, level, n); err != nil {
					_ = out.wait(ctx)
					return err
				}
			}
		}
	}
	return out.wait(ctx)
}

func (w *writing) tile(ctx context.Context, out *sending, name string, tree int32, level int, n int64) error {
	hashes, root, err := tile(ctx, w.conn, tree, level, n)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	if over := merkle.TileRoot(hashes); len(hashes) != merkle.TileWidth*tlog.HashSize || string(over[:]) != string(root) {
		return audit.Note(ctx, w.conn, AnomalyTile, fmt.Sprintf("tile %s %d/%d", name, level, n), map[string]any{"generation": w.generation})
	}
	out.put(ctx, TilePath(w.generation, name, level, n), hashes)
	if level > 0 {
		return nil
	}
	bundle, ok, err := w.bundle(ctx, name, tree, n, hashes)
	if err != nil || !ok {
		return err
	}
	out.put(ctx, TilePath(w.generation, name, -1, n), bundle)
	return nil
}

// bundle is the leaves of a tile, each after its length; false: some are there by their hash only.
func (w *writing) bundle(ctx context.Context, name string, tree int32, n int64, hashes []byte) (bundle []byte, ok bool, err error) {
	add := func(i int, leaf string) bool {
		hash := tlog.RecordHash([]byte(leaf))
		if len(leaf) > math.MaxUint16 || string(hash[:]) != string(hashes[i*tlog.HashSize:(i+1)*tlog.HashSize]) {
			return false
		}
		bundle = binary.BigEndian.AppendUint16(bundle, uint16(len(leaf))) //nolint:gosec // compared above
		bundle = append(bundle, leaf...)
		return true
	}
	from, until := n*merkle.TileWidth, (n+1)*merkle.TileWidth
	if name == "root" {
		lines, err := rootLines(ctx, w.conn, tree, from, until, merkle.TileWidth)
		if err != nil {
			return nil, false, err
		}
		for i, l := range lines {
			if !add(i, l.Text) {
				return nil, false, errChanged(fmt.Sprintf("line %d is not what its tile holds", l.Index))
			}
		}
		return bundle, len(lines) == merkle.TileWidth, nil
	}
	list, err := leavesOf(ctx, w.conn, w.r.Box, tree, from, until)
	if err != nil || len(list) != merkle.TileWidth {
		return nil, false, err
	}
	for i := range list {
		if list[i].Gone != "" {
			return nil, false, nil
		}
		if !add(i, list[i].Bytes) {
			return nil, false, audit.Note(ctx, w.conn, AnomalyTile, fmt.Sprintf("tile %s 0/%d", name, n), map[string]any{"generation": w.generation})
		}
	}
	return bundle, true, nil
}

// sending is what is on its way into the bucket.
type sending struct {
	w      *writing
	places chan struct{}
	group  sync.WaitGroup

	mu       sync.Mutex
	err      error
	occupied []string
	bytes    int64
	objects  int
}

func (s *sending) put(ctx context.Context, key string, data []byte) {
	s.places <- struct{}{}
	s.group.Go(func() {
		defer func() { <-s.places }()
		err := s.w.r.Writer.Put(ctx, key, data, s.w.r.Now())
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case isID(err, worm.IDConflict): // the segment holds the same leaves: what is there is found when both are compared
			s.occupied = append(s.occupied, key)
		case err != nil && s.err == nil:
			s.err = err
		case err == nil:
			s.bytes += int64(len(data))
			s.objects++
		}
	})
}

func (s *sending) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// wait ends when everything has arrived, or something did not.
func (s *sending) wait(ctx context.Context) error {
	s.group.Wait()
	s.w.bytes += s.bytes
	s.w.objects += s.objects
	if s.err != nil {
		return s.err
	}
	for _, key := range s.occupied {
		if err := audit.Note(ctx, s.w.conn, AnomalyOccupied, "object "+key, nil); err != nil {
			return err
		}
	}
	return nil
}
