package replica

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/engine/auditlog/entries"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// log is the generation of the log that entries are put into, as the database has it.
type log struct {
	generation int
	origin     string
	key        string
	verifier   note.Verifier
	root       int32 // tree
	size       int64 // of the root log
	seq        int64
}

func errChanged(what string) *errs.Error {
	return errs.New(errs.Internal, IDChanged, "What the database holds of the root log is not what was signed, so nothing more of it is copied: "+what+".").
		WithFix("Run garant audit verify: it names what was changed. docs/audit.md.")
}

// current reads the log. Error NotFound: nothing was ever put in order.
func current(ctx context.Context, on pg.Querier) (l log, err error) {
	err = on.QueryRow(ctx, `SELECT c.generation, g.origin, g.key, t.tree, t.size, c.seq FROM audit.cursor AS c JOIN audit.generation AS g ON g.generation = c.generation
JOIN audit.tree AS t ON t.generation = c.generation AND t.name = 'root'`).Scan(&l.generation, &l.origin, &l.key, &l.root, &l.size, &l.seq)
	if err != nil {
		return l, pg.Wrap(err)
	}
	if l.verifier, err = note.NewVerifier(l.key); err != nil || l.verifier.Name() != l.origin {
		return l, errChanged("its key cannot be read")
	}
	return l, nil
}

// segment is a row of auditlog.segment.
type segment struct {
	From, To       int64
	FromSeq, ToSeq int64
	Root           []byte
	Note           string
	Put            bool
}

// newest is the last segment that was planned; NotFound: there is none.
func newest(ctx context.Context, on pg.Querier, place string, generation int, put bool) (s segment, err error) {
	err = on.QueryRow(ctx, `SELECT from_size, to_size, from_seq, to_seq, root, note, put_at IS NOT NULL FROM auditlog.segment
WHERE place = $1 AND generation = $2 AND (put_at IS NOT NULL OR NOT $3) ORDER BY from_size DESC LIMIT 1`, place, generation, put).
		Scan(&s.From, &s.To, &s.FromSeq, &s.ToSeq, &s.Root, &s.Note, &s.Put)
	return s, pg.Wrap(err)
}

// firstSeq is the last leaf before those of a generation.
func firstSeq(ctx context.Context, on pg.Querier, generation int) (seq int64, err error) {
	err = on.QueryRow(ctx, `SELECT coalesce(min(seq) - 1, (SELECT seq FROM audit.cursor)) FROM (
	SELECT (SELECT l.seq FROM audit.leaf AS l WHERE l.tree = t.tree ORDER BY l.index LIMIT 1) AS seq FROM audit.tree AS t WHERE t.generation = $1 AND t.name <> 'root') AS f`, generation).Scan(&seq)
	return seq, pg.Wrap(err)
}

// next chooses a signed head that a segment may reach: the last within what fits into one object, or else the first. NotFound: there is nothing new.
func next(ctx context.Context, on pg.Querier, l log, from, fromSeq int64) (s segment, err error) {
	s.From, s.FromSeq = from, fromSeq
	err = on.QueryRow(ctx, `SELECT size, root, note, seq FROM (
	(SELECT size, root, note, seq, true AS fits FROM audit.checkpoint WHERE tree = $1 AND size > $2 AND size <= $2 + $4 AND seq <= $3 + $4 ORDER BY size DESC LIMIT 1)
	UNION ALL (SELECT size, root, note, seq, false FROM audit.checkpoint WHERE tree = $1 AND size > $2 ORDER BY size LIMIT 1)) AS c ORDER BY fits DESC LIMIT 1`, l.root, from, fromSeq, atOnce).
		Scan(&s.To, &s.Root, &s.Note, &s.ToSeq)
	return s, pg.Wrap(err)
}

// plan writes down what is put next, if nothing else was meanwhile.
func plan(ctx context.Context, on pg.Execer, place string, generation int, s segment) error {
	tag, err := on.Exec(ctx, `INSERT INTO auditlog.segment (place, generation, from_size, to_size, from_seq, to_seq, root, note)
SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE coalesce((SELECT max(to_size) FROM auditlog.segment WHERE place = $1 AND generation = $2), 0) = $3
ON CONFLICT DO NOTHING`, place, generation, s.From, s.To, s.FromSeq, s.ToSeq, s.Root, s.Note)
	if err != nil {
		return pg.Wrap(err)
	}
	if tag.RowsAffected() != 1 {
		return errMoved()
	}
	return nil
}

// replan gives what was planned another end.
func replan(ctx context.Context, on pg.Execer, place string, generation int, was, now segment) error {
	tag, err := on.Exec(ctx, `UPDATE auditlog.segment SET to_size = $5, to_seq = $6, root = $7, note = $8 WHERE place = $1 AND generation = $2 AND from_size = $3 AND to_size = $4 AND put_at IS NULL`,
		place, generation, was.From, was.To, now.To, now.ToSeq, now.Root, now.Note)
	if err == nil && tag.RowsAffected() != 1 {
		return errMoved()
	}
	return pg.Wrap(err)
}

// noted writes down that a segment is in the bucket.
func noted(ctx context.Context, on pg.Beginner, place string, generation int, s segment, bytes int64, objects int) error {
	return pg.InTx(ctx, on, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE auditlog.segment SET put_at = clock_timestamp(), note = '', bytes = $5, objects = $6 WHERE place = $1 AND generation = $2 AND from_size = $3 AND to_size = $4 AND put_at IS NULL`,
			place, generation, s.From, s.To, bytes, objects)
		if err == nil && tag.RowsAffected() != 1 {
			return errMoved()
		}
		if err == nil {
			_, err = tx.Exec(ctx, `INSERT INTO auditlog.replica (place, put_at, bytes, objects, segments) VALUES ($1, clock_timestamp(), $2, $3, 1)
ON CONFLICT (place) DO UPDATE SET put_at = clock_timestamp(), bytes = replica.bytes + excluded.bytes, objects = replica.objects + excluded.objects, segments = replica.segments + 1,
	failing = NULL, why = NULL, fix = NULL, problem = NULL`, place, bytes, objects)
		}
		return err
	})
}

func errMoved() *errs.Error {
	return errs.New(errs.Conflict, "replica.moved", "Another server copies the log meanwhile.")
}

// prune forgets segments that nothing begins at any more, but for the last of each day.
func prune(ctx context.Context, on pg.Execer, place string) error {
	_, err := on.Exec(ctx, `DELETE FROM auditlog.segment AS s WHERE s.place = $1 AND s.put_at < clock_timestamp() - interval '7 days'
	AND EXISTS (SELECT FROM auditlog.segment AS later WHERE later.place = s.place AND later.generation = s.generation AND later.from_size > s.from_size
		AND later.put_at >= s.put_at AND date_trunc('day', later.put_at) = date_trunc('day', s.put_at))`, place)
	return pg.Wrap(err)
}

func failed(ctx context.Context, on pg.Execer, place string, why error) error {
	e := errs.New(errs.Internal, "replica.stopped", "The copy in the second account does not go on.").WithFix("Read the server's log.")
	_ = errors.As(why, &e)
	_, err := on.Exec(ctx, `INSERT INTO auditlog.replica (place, failing, why, fix, problem) VALUES ($1, clock_timestamp(), $2, $3, $4)
ON CONFLICT (place) DO UPDATE SET failing = coalesce(replica.failing, clock_timestamp()), why = excluded.why, fix = excluded.fix, problem = excluded.problem`,
		place, e.Text, e.Fix, e.ID)
	return pg.Wrap(err)
}

// well writes down that both were compared, of which cluster the database is, and that nothing fails.
func well(ctx context.Context, on pg.Execer, place string) error {
	_, err := on.Exec(ctx, `INSERT INTO auditlog.replica (place, system, timeline, compared_at)
SELECT $1, s.system_identifier::text, c.timeline_id, clock_timestamp() FROM pg_control_system() AS s, pg_control_checkpoint() AS c
ON CONFLICT (place) DO UPDATE SET system = excluded.system, timeline = excluded.timeline, compared_at = excluded.compared_at`, place)
	return pg.Wrap(err)
}

// sameCluster reports whether the database is the one it was when it was last compared.
func sameCluster(ctx context.Context, on pg.Querier, place string) (same bool, err error) {
	err = on.QueryRow(ctx, `SELECT coalesce((SELECT r.system = s.system_identifier::text AND r.timeline = c.timeline_id FROM auditlog.replica AS r WHERE r.place = $1), false)
FROM pg_control_system() AS s, pg_control_checkpoint() AS c`, place).Scan(&same)
	return same, pg.Wrap(err)
}

// HeadAt reads the head that a tree had at a size.
func HeadAt(ctx context.Context, on pg.Querier, tree int32, root bool, size int64) (merkle.Head, error) {
	var levels [][]byte
	for level, n := 0, size; n > 0; level, n = level+1, n/merkle.TileWidth {
		from := n / merkle.TileWidth * merkle.TileWidth
		sql, args := `SELECT string_agg(hash, '' ORDER BY index), count(*) FROM audit.leaf WHERE tree = $1 AND index >= $2 AND index < $3`, []any{tree, from, n}
		switch {
		case level == 0 && root:
			sql = `SELECT string_agg(hash, '' ORDER BY index), count(*) FROM audit.root_leaf WHERE tree = $1 AND index >= $2 AND index < $3`
		case level > 0:
			sql, args = `SELECT string_agg(root, '' ORDER BY n), count(*) FROM audit.tile WHERE tree = $1 AND n >= $2 AND n < $3 AND level = $4`, append(args, level-1)
		}
		var hashes []byte
		var many int64
		if err := on.QueryRow(ctx, sql, args...).Scan(&hashes, &many); err != nil {
			return merkle.Head{}, pg.Wrap(err)
		}
		if many != n-from || int64(len(hashes)) != many*tlog.HashSize {
			return merkle.Head{}, errChanged("hashes are missing")
		}
		var part merkle.Head
		for ; len(hashes) > 0; hashes = hashes[tlog.HashSize:] {
			part.Append(merkle.Hash(hashes[:tlog.HashSize]))
		}
		levels = append(levels, part.Edge())
	}
	var edge []byte
	for i := len(levels) - 1; i >= 0; i-- {
		edge = append(edge, levels[i]...)
	}
	return merkle.Resume(size, edge)
}

// rootLines reads leaves of the root log from an index on, as many as are there below another and fit.
func rootLines(ctx context.Context, on pg.Querier, tree int32, from, until int64, most int) ([]RootLeaf, error) {
	rows, err := on.Query(ctx, `SELECT index, text FROM audit.root_leaf WHERE tree = $1 AND index >= $2 AND index < $3 ORDER BY index LIMIT $4`, tree, from, until, most)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[RootLeaf])
	for i, l := range list {
		if l.Index != from+int64(i) {
			return nil, errChanged("a line is missing")
		}
	}
	if err == nil && from < until && len(list) == 0 {
		return nil, errChanged("a line is missing")
	}
	return list, pg.Wrap(err)
}

// leaves reads leaves after seq, until another and as many as fit into an object, and what they hash.
func leaves(ctx context.Context, on pg.Querier, keys *crypt.Box, after, until int64, mostBytes int) (list []Leaf, err error) {
	found, dropped, err := readLeaves(ctx, on, keys, mostBytes, `l.seq > $1 AND l.seq <= $2 ORDER BY l.seq`, after, until)
	if err != nil {
		return nil, err
	}
	// Of what was dropped in full tiles the database has no leaf any more: which tree it was of stands in the tiles.
	list = make([]Leaf, 0, len(found))
	next := after + 1
	fill := func(to int64) {
		for ; next < to && next <= dropped; next++ {
			list = append(list, Leaf{Seq: next, Gone: Dropped})
		}
	}
	for _, l := range found {
		fill(l.Seq)
		list = append(list, l)
		next = l.Seq + 1
	}
	if len(found) == 0 {
		fill(until + 1)
	}
	return list, nil
}

// past says where the leaves of trees begin that the database still has, of those that lack some.
func past(ctx context.Context, on pg.Querier, generation int) (map[string]int64, error) {
	rows, err := on.Query(ctx, `SELECT t.name, coalesce((SELECT l.index FROM audit.leaf AS l WHERE l.tree = t.tree ORDER BY l.index LIMIT 1), t.size / 256 * 256) FROM audit.tree AS t
WHERE t.generation = $1 AND t.name <> 'root' AND EXISTS (SELECT FROM audit.dropped)`, generation)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	begins := map[string]int64{}
	var name string
	var index int64
	_, err = pgx.ForEachRow(rows, []any{&name, &index}, func() error {
		if index > 0 {
			begins[name] = index
		}
		return nil
	})
	return begins, pg.Wrap(err)
}

// leavesOf reads leaves of one tree.
func leavesOf(ctx context.Context, on pg.Querier, keys *crypt.Box, tree int32, from, until int64) (list []Leaf, err error) {
	list, _, err = readLeaves(ctx, on, keys, most, `l.tree = $1 AND l.index >= $2 AND l.index < $3 ORDER BY l.index`, tree, from, until)
	return list, err
}

// readLeaves reads leaves, and up to which of them entries were dropped at the end of their time: as a signed entry tells, whatever audit.dropped says. Without
// keys nothing was.
func readLeaves(ctx context.Context, on pg.Querier, keys *crypt.Box, mostBytes int, where string, args ...any) (list []Leaf, dropped int64, err error) {
	rows, err := on.Query(ctx, `SELECT l.seq, t.name, l.index, l.entry, l.hash, `+entries.Columns+` FROM audit.leaf AS l JOIN audit.tree AS t ON t.tree = l.tree LEFT JOIN audit.entry AS e ON e.id = l.entry
WHERE `+where, append([]any{entries.Binary}, args...)...) //nolint:gosec // where is a literal of this package
	if err != nil {
		return nil, 0, pg.Wrap(err)
	}
	defer rows.Close()
	var row entries.Row
	var buf []byte
	size := 0
	for rows.Next() {
		raw := rows.RawValues()
		l := Leaf{Seq: entries.Int(raw[0]), Tree: string(raw[1]), Index: entries.Int(raw[2]), Entry: entries.Int(raw[3])}
		hash := append([]byte{}, raw[4]...)
		if raw[5] == nil {
			l.Gone = Missing
		} else {
			if err := row.Decode(raw[5:], true); err != nil {
				return nil, 0, err
			}
			buf = row.Append(buf[:0])
			if h := tlog.RecordHash(buf); string(h[:]) != string(hash) {
				l.Gone = Altered
			} else {
				l.of(&row.Entry, row.Changes, buf)
			}
		}
		if l.Gone != "" {
			l.Hash = hash
		}
		if last := len(list) - 1; last >= 0 && list[last].Seq == l.Seq { // a second row of that number: the right one counts
			if list[last].Gone != "" {
				list[last] = l
			}
			continue
		}
		if size > mostBytes {
			break
		}
		size += len(l.Bytes) + len(l.Sealed) + len(l.Detail) + 200
		list = append(list, l)
	}
	rows.Close()
	if err := rows.Err(); err != nil || keys == nil {
		return list, 0, pg.Wrap(err)
	}
	gone, err := sequence.Gone(ctx, on, keys) // asked last: something may have been dropped meanwhile
	if err != nil {
		return nil, 0, err
	}
	for i := range list {
		if list[i].Gone == Missing && list[i].Seq <= gone.Leaf {
			list[i].Gone = Dropped
		}
	}
	return list, gone.Leaf, nil
}

// tile reads a full tile and the hash over it; NotFound: it is not there.
func tile(ctx context.Context, on pg.Querier, tree int32, level int, n int64) (hashes, root []byte, err error) {
	err = on.QueryRow(ctx, `SELECT hashes, root FROM audit.tile WHERE tree = $1 AND level = $2 AND n = $3`, tree, level, n).Scan(&hashes, &root)
	return hashes, root, pg.Wrap(err)
}

// treeNumbers gives the numbers of a generation's trees.
func treeNumbers(ctx context.Context, on pg.Querier, generation int, names []string) (map[string]int32, error) {
	rows, err := on.Query(ctx, `SELECT name, tree FROM audit.tree WHERE generation = $1 AND name = ANY ($2)`, generation, names)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	numbers := map[string]int32{}
	var name string
	var tree int32
	_, err = pgx.ForEachRow(rows, []any{&name, &tree}, func() error { numbers[name] = tree; return nil })
	return numbers, pg.Wrap(err)
}

// Status is how the copy in the second account stands.
type Status struct {
	Place      string
	Generation int
	Size       int64         // of the root log that is in the bucket
	Seq        int64         // the last leaf in it
	Backlog    int64         // leaves that are not
	Lag        time.Duration // age of the oldest of them; 0: there is none
	LastPut    time.Time     // zero: nothing was ever put
	Compared   time.Time     // when bucket and database were last compared
	Failing    time.Time     // since; zero: it goes on
	Why        string        // a sentence
	Fix        string
	Problem    string // message id of these; may be empty
	Bytes      int64
	Objects    int64
	Segments   int64
}

func status(ctx context.Context, on pg.Querier, place string, now time.Time) (s Status, err error) {
	s.Place = place
	var failing, put, compared *time.Time
	err = on.QueryRow(ctx, `SELECT put_at, compared_at, failing, coalesce(why, ''), coalesce(fix, ''), coalesce(problem, ''), bytes, objects, segments FROM auditlog.replica WHERE place = $1`, place).
		Scan(&put, &compared, &failing, &s.Why, &s.Fix, &s.Problem, &s.Bytes, &s.Objects, &s.Segments)
	if err = pg.Wrap(err); err != nil && !errs.Is(err, errs.NotFound) {
		return s, err
	}
	for _, t := range []struct {
		to   *time.Time
		from *time.Time
	}{{&s.LastPut, put}, {&s.Compared, compared}, {&s.Failing, failing}} {
		if t.from != nil {
			*t.to = *t.from
		}
	}
	l, err := current(ctx, on)
	if errs.Is(err, errs.NotFound) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	s.Generation = l.generation
	switch last, err := newest(ctx, on, place, l.generation, true); {
	case err == nil:
		s.Size, s.Seq = last.To, last.ToSeq
	case !errs.Is(err, errs.NotFound):
		return s, err
	default:
		if s.Seq, err = firstSeq(ctx, on, l.generation); err != nil {
			return s, err
		}
	}
	if s.Backlog = l.seq - s.Seq; s.Backlog <= 0 {
		return s, nil
	}
	var oldest *time.Time
	if err = on.QueryRow(ctx, `SELECT min(e.at) FROM (SELECT entry FROM audit.leaf WHERE seq > $1 ORDER BY seq LIMIT 1000) AS l JOIN audit.entry AS e ON e.id = l.entry`, s.Seq).Scan(&oldest); err != nil {
		return s, pg.Wrap(err)
	}
	if oldest != nil {
		s.Lag = max(now.Sub(*oldest), time.Millisecond)
	}
	return s, nil
}
