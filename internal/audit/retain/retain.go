// Package retain keeps the record for its time: it makes the parts of the months ahead, and drops what is older than the record is
// kept, as garant_retention, which can do nothing else. The database itself refuses to drop what no signed head of the root log
// holds (function audit.drop_before); whoever calls says besides up to where a second account has it. What goes is told by an
// entry and by a row of audit.dropped; hashes stay, and with them every proof.
//
// Nothing is dropped while what would go stands behind what is younger, or while this machine and the database do not agree what day it is: who changes
// times, of entries or of a machine, has nothing dropped by it. Nor is anything dropped while an entry that would go was changed in the database: that is
// an anomaly, and the entry goes once a person has said what it was.
//
// Proven by TestDrops, TestRefusesToDrop, TestMadeOlder, TestAllMadeOlder, TestKeptBack, TestClocks and TestMonths.
package retain

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/audit/trees"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// apartMost is how far the clocks of this machine and of the database may be apart.
const apartMost = 24 * time.Hour

// ahead is how many months have their parts before they begin.
const ahead = 3

// Months makes the parts of the next months, and returns how many it made.
func Months(ctx context.Context, db *pg.DB, now time.Time) (made int, err error) {
	for i := 1; i <= ahead; i++ {
		month := firstOf(now).AddDate(0, i, 0)
		var one bool
		if err := db.Pool(pg.Retention).QueryRow(ctx, `SELECT audit.add_month($1)`, month).Scan(&one); err != nil {
			return made, pg.Wrap(err)
		}
		if one {
			made++
		}
	}
	return made, nil
}

// Held tells up to which leaf (seq) a second account has the record, as that account says itself; nil: there is none, and the signed heads here are enough.
type Held func(ctx context.Context) (seq int64, err error)

// Drop takes away the whole months that are older than keep, and returns how many entries went. Nothing goes that the
// second account does not have. db has the pools of pg.Retention and pg.Worker.
func Drop(ctx context.Context, db *pg.DB, box *crypt.Box, now time.Time, keep time.Duration, held Held) (gone int64, err error) {
	pool := db.Pool(pg.Retention)
	var there time.Time
	if err := pool.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&there); err != nil {
		return 0, pg.Wrap(err)
	}
	if apart := now.Sub(there); apart > apartMost || apart < -apartMost { // times of entries are the database's: by a clock that is years ahead all of them would be old
		return 0, errs.New(errs.Conflict, "retain.clock", "The clock of this machine and that of the database are more than a day apart. Nothing was dropped.").WithFix("Set both clocks, with NTP.")
	}
	month := firstOf(now.Add(-keep))
	var old, inTrees int64
	err = pool.QueryRow(ctx, `SELECT count(*), coalesce(max(l.seq), 0) FROM audit.entry AS e LEFT JOIN audit.leaf AS l ON l.entry = e.id WHERE e.at < $1`, month).Scan(&old, &inTrees)
	if err != nil || old == 0 {
		return 0, pg.Wrap(err)
	}
	// Entries stand in the order in which they were written, but for what long transactions wrote: who makes one older than it is would have us drop it.
	var young int64
	if err := pool.QueryRow(ctx, `SELECT count(*) FROM (SELECT FROM audit.leaf AS l JOIN audit.entry AS e ON e.id = l.entry WHERE l.seq < $1 AND e.at >= $2 LIMIT 1) AS y`, inTrees, month.Add(24*time.Hour)).Scan(&young); err != nil {
		return 0, pg.Wrap(err)
	}
	if young > 0 {
		return 0, errs.New(errs.Conflict, "retain.order", "Entries that are to be dropped stand behind younger ones: somebody changed their times. Nothing was dropped.").WithFix("Run garant audit verify: it names what was changed.")
	}
	if err := unchanged(ctx, db, box, month); err != nil {
		return 0, err
	}
	if held != nil {
		have, err := held(ctx)
		if err != nil {
			return 0, err
		}
		if have < inTrees {
			return 0, nil // it will be there at another time
		}
	}
	err = pg.InTx(ctx, pool, func(tx pgx.Tx) error {
		var tree, size int64
		if err := tx.QueryRow(ctx, `SELECT c.tree, c.size FROM audit.checkpoint AS c JOIN audit.tree AS t ON t.tree = c.tree AND t.name = 'root' JOIN audit.cursor AS k ON k.generation = t.generation ORDER BY c.size DESC LIMIT 1`).
			Scan(&tree, &size); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, `SELECT audit.drop_before($1, $2, $3)`, month, tree, size).Scan(&gone); err != nil || gone == 0 {
			return err
		}
		d := sequence.Drop{Entries: gone, Size: size}
		if err := tx.QueryRow(ctx, `SELECT seq FROM audit.dropped ORDER BY id DESC LIMIT 1`).Scan(&d.Leaf); err != nil {
			return err
		}
		return audit.Record(ctx, tx, actor.NewSystem("retention"), sequence.DroppedAction, audit.Object{Kind: "record", ID: month.Format("2006-01")},
			map[string]any{"entries": d.Entries, "kept_days": int(keep.Hours() / 24), "checkpoint": d.Size, "leaf": d.Leaf})
	})
	return gone, err
}

// KeptBack is the kind of anomaly that an entry is which is to be dropped, and is not what the log holds.
const KeptBack = "kept_back"

// mostKeptBack is how many of them are noted at once.
const mostKeptBack = 100

// unchanged is an error while something that is to go was changed, and nobody has said what it was: gone for good, what it was then could be told from what is left only.
func unchanged(ctx context.Context, db *pg.DB, box *crypt.Box, month time.Time) error {
	explained, err := sequence.Explained(ctx, db.Pool(pg.Worker), box, KeptBack)
	if err != nil {
		return err
	}
	var changed []string
	err = trees.AlteredBefore(ctx, db.Pool(pg.Retention), month, func(entry, seq int64) bool {
		if about := fmt.Sprintf("entry %d, leaf %d", entry, seq); !explained[about] {
			changed = append(changed, about)
		}
		return len(changed) < mostKeptBack
	})
	if err != nil || len(changed) == 0 {
		return err
	}
	for _, about := range changed {
		if err := audit.Note(ctx, db.Pool(pg.Worker), KeptBack, about, nil); err != nil {
			return err
		}
	}
	return errs.New(errs.Conflict, "retain.altered", fmt.Sprintf("Entries that are to be dropped are not what the signed log holds (%s first): they were changed in the database. Nothing was dropped.", changed[0])).
		WithFix("Find out what happened; garant audit verify names what was changed. They are dropped once a lead has said below Audit log, How it is kept, what it was.")
}

func firstOf(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}
