package directory

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// throttled counts an attempt and refuses it when there were too many in the running window. It
// commits by itself: an attempt that fails afterwards has been counted all the same.
//
// What is limited (kind) and for whom (value) is stored as a keyed hash, so that an address that
// belongs to nobody is counted like one that belongs to somebody.
func (d *Directory) throttled(ctx context.Context, by actor.Actor, kind, value string, limit int, now time.Time) error {
	var attempts int
	var started time.Time
	err := d.login.QueryRow(ctx, `INSERT INTO directory.throttle AS t (key, started_at, attempts) VALUES ($1, $2, 1)
ON CONFLICT (key) DO UPDATE SET
	attempts = CASE WHEN t.started_at > $3 AND t.started_at <= $4 THEN t.attempts + 1 ELSE 1 END,
	started_at = CASE WHEN t.started_at > $3 AND t.started_at <= $4 THEN t.started_at ELSE $2 END
RETURNING attempts, started_at`,
		d.box.Index("throttle", []byte(kind+"\x00"+value)), now, now.Add(-d.policy.Window), now.Add(skew)).Scan(&attempts, &started)
	if err != nil {
		return pg.Wrap(err)
	}
	if attempts <= limit {
		return nil
	}
	if attempts == limit+1 { // once a window: refusals must not fill the record
		if err := audit.Refused(ctx, d.login, by, "sign_in.throttled", audit.Object{Kind: "throttle", ID: kind}, map[string]any{"limit": limit}); err != nil {
			return err
		}
	}
	minutes := max(1, int(math.Ceil(started.Add(d.policy.Window).Sub(now).Minutes())))
	return errs.New(errs.Unavailable, "directory.throttled", fmt.Sprintf("There were too many attempts. Try again in %d min.", minutes)).
		WithFix("Wait, or ask the security lead for a recovery link.").With("Minutes", minutes)
}

// unthrottle forgets the attempts, after one that succeeded.
func (d *Directory) unthrottle(ctx context.Context, kind, value string) error {
	_, err := d.login.Exec(ctx, "DELETE FROM directory.throttle WHERE key = $1", d.box.Index("throttle", []byte(kind+"\x00"+value)))
	return pg.Wrap(err)
}
