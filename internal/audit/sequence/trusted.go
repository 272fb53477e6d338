package sequence

import (
	"context"
	"crypto/hmac"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/leaf"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/pg"
)

// Word is what somebody says of an anomaly: that it was looked into, and what it was.
type Word struct{ Kind, About, By, Reason string }

// MAC signs a word with a key from outside the database: who puts a row there by hand has none.
func (w Word) MAC(box *crypt.Box) []byte {
	said, _ := json.Marshal(w) // texts
	return leaf.MAC(box.Index("audit.anomaly.word", nil), said)
}

// Answered tells of which anomalies a person has said what they were.
func Answered(ctx context.Context, on pg.Querier, box *crypt.Box) (map[int64]bool, error) {
	answered := map[int64]bool{}
	return answered, said(ctx, on, box, func(id int64, _ Word) { answered[id] = true })
}

// Explained tells of which anomalies of a kind, by what they are about, a person has said what they were.
func Explained(ctx context.Context, on pg.Querier, box *crypt.Box, kind string) (map[string]bool, error) {
	explained := map[string]bool{}
	return explained, said(ctx, on, box, func(_ int64, w Word) {
		if w.Kind == kind {
			explained[w.About] = true
		}
	})
}

// said reads the words that are signed.
func said(ctx context.Context, on pg.Querier, box *crypt.Box, each func(anomaly int64, w Word)) error {
	rows, err := on.Query(ctx, `SELECT a.id, a.kind, a.about, w.by, w.reason, w.mac FROM audit.anomaly_word AS w JOIN audit.anomaly AS a ON a.id = w.anomaly`)
	if err != nil {
		return pg.Wrap(err)
	}
	var id int64
	var w Word
	var mac []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &w.Kind, &w.About, &w.By, &w.Reason, &mac}, func() error {
		if hmac.Equal(mac, w.MAC(box)) {
			each(id, w)
		}
		return nil
	})
	return pg.Wrap(err)
}

// DroppedAction is that of the entry by which who drops entries at the end of their time tells of it: with a Drop.
const DroppedAction = "record.dropped"

// Drop is what was dropped, besides the month before which.
type Drop struct {
	Entries int64 `json:"entries"`
	Size    int64 `json:"checkpoint"` // of the signed head of the root log that holds them
	Leaf    int64 `json:"leaf"`       // the last of theirs (seq)
}

// AtItsEnd is what was dropped at the end of its time.
type AtItsEnd struct {
	Leaf   int64     // the last (seq); what is gone after it was not dropped
	Before time.Time // no entry that was dropped is of this moment or younger
	Forged []string  // rows of audit.dropped that say more
}

// Gone tells what was dropped at the end of its time: by the last row of audit.dropped of which a signed entry tells, as that entry says it.
func Gone(ctx context.Context, on pg.Querier, box *crypt.Box) (g AtItsEnd, err error) {
	rows, err := on.Query(ctx, `SELECT d.id, d.part, d.entries, d.size, d.seq, e.id IS NULL, `+entryOrNothing+` FROM audit.dropped AS d
LEFT JOIN audit.entry AS e ON e.object_kind = 'record' AND e.object_id = d.part AND e.action = $1 AND e.outcome = 'permitted' AND e.writer IS NOT NULL ORDER BY d.seq DESC, d.id`, DroppedAction)
	if err != nil {
		return AtItsEnd{}, pg.Wrap(err)
	}
	defer rows.Close()
	told := map[int64]string{}
	for rows.Next() {
		var id int64
		var none bool
		var part string
		var d Drop
		r, err := scanRow(prefixed{rows, []any{&id, &part, &d.Entries, &d.Size, &d.Leaf, &none}})
		if err != nil {
			return AtItsEnd{}, pg.Wrap(err)
		}
		if d.Leaf < g.Leaf {
			break // it went with what was dropped later
		}
		if before, ok := tellsOf(&r, d, box); ok && !none {
			g.Leaf = d.Leaf
			if before.After(g.Before) {
				g.Before = before
			}
			delete(told, id)
			continue
		}
		if d.Leaf > g.Leaf {
			told[id] = fmt.Sprintf("drop %d, of entries from before %s up to leaf %s", id, part, strconv.FormatInt(d.Leaf, 10))
		}
	}
	for _, about := range told {
		g.Forged = append(g.Forged, about)
	}
	slices.Sort(g.Forged)
	return g, pg.Wrap(rows.Err())
}

// tellsOf reports whether an entry tells of a drop, and that its writer signed it; before is the month that it names.
func tellsOf(r *row, d Drop, box *crypt.Box) (before time.Time, ok bool) {
	var said Drop
	s := &r.Said
	before, err := time.Parse("2006-01", s.ObjectID)
	return before, err == nil && s.ActorKind == "system" && s.ActorID == "retention" && s.Tenant == "" &&
		leaf.NewSigner(audit.Key(box, s.Writer)).Signed(s.Append(nil), r.MAC) && json.Unmarshal(s.Detail, &said) == nil && said == d
}
