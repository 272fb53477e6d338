package sequence

import (
	"context"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/pg"
)

// Changed is an entry that is not what its leaf holds.
type Changed struct {
	Seq   int64 // of the leaf
	Entry int64
	Gone  bool // there is none
}

// Recheck makes the leaves of some entries again, the newest and as many others, and names those that are not what was planted. What
// was dropped at the end of its time is left out. It is a quick look: package verify of engine auditlog looks at everything.
func Recheck(ctx context.Context, on pg.Querier, box *crypt.Box, newest, others int) (looked int, changed []Changed, err error) {
	gone, err := Gone(ctx, on, box)
	if err != nil {
		return 0, nil, err
	}
	var last int64
	if err := on.QueryRow(ctx, `SELECT coalesce(max(seq), 0) FROM audit.leaf`).Scan(&last); err != nil {
		return 0, nil, pg.Wrap(err)
	}
	for _, part := range []struct {
		sql  string
		args []any
	}{
		{`l.seq > $1 AND l.seq > $2 ORDER BY l.seq`, []any{last - int64(newest), gone.Leaf}},
		{`l.seq IN (SELECT $1 + floor(random() * ($2::bigint - $1))::bigint + 1 FROM generate_series(1, $3::integer)) AND l.seq <= $2 ORDER BY l.seq`, []any{gone.Leaf, max(gone.Leaf, last-int64(newest)), others}},
	} {
		rows, err := on.Query(ctx, `SELECT l.seq, l.entry, l.hash, e.id IS NULL, `+entryOrNothing+` FROM audit.leaf AS l LEFT JOIN audit.entry AS e ON e.id = l.entry WHERE `+part.sql, part.args...) //nolint:gosec // of this function
		if err != nil {
			return looked, changed, pg.Wrap(err)
		}
		var buf []byte
		for rows.Next() {
			var c Changed
			var hash []byte
			r, err := scanRow(prefixed{rows, []any{&c.Seq, &c.Entry, &hash, &c.Gone}})
			if err != nil {
				rows.Close()
				return looked, changed, pg.Wrap(err)
			}
			looked++
			if buf = r.Entry.Append(buf[:0]); c.Gone || tlog.RecordHash(buf) != merkle.Hash(hash) {
				changed = append(changed, c)
			}
		}
		if err := rows.Err(); err != nil {
			return looked, changed, pg.Wrap(err)
		}
	}
	return looked, changed, nil
}

// entryOrNothing are the columns of entryColumns where there may be no entry.
const entryOrNothing = `coalesce(e.id, 0), coalesce(e.xid::text, '0'), coalesce(e.at, now()), coalesce(e.actor_kind, ''), coalesce(e.actor_id, ''), coalesce(e.session, ''), coalesce(e.origin, ''), coalesce(e.tenant::text, ''), coalesce(e.action, ''), coalesce(e.outcome, ''), coalesce(e.object_kind, ''), coalesce(e.object_id, ''),
coalesce(e.reason, ''), coalesce(e.request, ''), coalesce(e.detail::text, ''), coalesce(e.subject, ''), e.promise, e.occurred, e.written, coalesce(e.writer::text, ''), coalesce(e.n, 0), e.mac`

// prefixed reads the first columns by themselves.
type prefixed struct {
	pgx.CollectableRow
	first []any
}

func (p prefixed) Scan(to ...any) error { return p.CollectableRow.Scan(append(p.first, to...)...) }
