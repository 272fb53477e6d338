package auditlog

import (
	"context"
	"log/slog"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/engine/auditlog/replica"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
)

// Deps is what the engine needs from outside.
type Deps struct {
	DB   *pg.DB // with the pools of pg.Staff and pg.Worker
	Box  *crypt.Box
	View func(ctx context.Context) (measure.View, error)
	Now  func() time.Time
	Log  *slog.Logger
	// Replica is the copy in the second account as it is declared; error NotFound: none is.
	Replica func(ctx context.Context) (*replica.Replica, error)
}

// Log is the record as it is looked after.
type Log struct {
	Deps
	tried tried
}

// Open makes it. Nothing is asked of anybody yet.
func Open(deps Deps) *Log { return &Log{Deps: deps} }

// New returns the engine.
func New(l *Log) measure.Engine {
	return measure.Engine{Name: "auditlog", Checks: l.Checks().All(), Messages: Messages()}
}

// may refuses who lacks a permission, and records the attempt.
func (l *Log) may(ctx context.Context, by actor.Actor, needed actor.Permission, action string, on audit.Object) error {
	return audit.May(ctx, l.DB.Pool(pg.Staff), by, needed, action, on,
		errs.New(errs.Denied, "auditlog.denied", "You may not do this with the audit log.").WithFix("Ask the security lead for the permission."))
}

// Acknowledge keeps somebody's word of what an anomaly was; the checks do not fail because of it any more. Permission
// actor.AnswerAnomalies. Errors: denied, invalid without a reason, not found.
func (l *Log) Acknowledge(ctx context.Context, by actor.Actor, id int64, reason string) error {
	a, err := anomaly(ctx, l.DB.Pool(pg.Staff), id)
	if err != nil {
		return err
	}
	object := audit.Object{Kind: "anomaly", ID: a.Kind + ": " + a.About}
	if err := l.may(ctx, by, actor.AnswerAnomalies, "anomaly.answered", object); err != nil {
		return err
	}
	reason = strings.TrimSpace(strings.ReplaceAll(reason, "\r\n", "\n")) // a browser counts the end of a line once, and sends it as two
	if reason == "" || !utf8.ValidString(reason) || strings.ContainsRune(reason, 0) || utf8.RuneCountInString(reason) > mostWord || len(reason) > mostReason {
		return errs.New(errs.Invalid, "auditlog.reason", "What you found out is missing, or too long.").WithFix("Write what you found out, in up to 2,000 characters.")
	}
	return pg.InTx(ctx, l.DB.Pool(pg.Staff), func(tx pgx.Tx) error {
		w := sequence.Word{Kind: a.Kind, About: a.About, By: string(by.Kind) + ":" + by.ID, Reason: reason}
		added, err := answer(ctx, tx, id, w, w.MAC(l.Box))
		if err != nil || !added {
			return err
		}
		return audit.Write(ctx, tx, audit.Event{By: by, Action: "anomaly.answered", On: object, Reason: reason})
	})
}

// record writes an entry in a transaction of its own.
func (l *Log) record(ctx context.Context, e audit.Event) error {
	return pg.InTx(ctx, l.DB.Pool(pg.Staff), func(tx pgx.Tx) error { return audit.Write(ctx, tx, e) })
}

// witnessKeys are named in bundles as hints: who verifies one pins them from elsewhere.
func (l *Log) witnessKeys(ctx context.Context) []string {
	if l.View == nil {
		return nil
	}
	view, err := l.View(ctx)
	if err != nil || view.Estate == nil {
		return nil
	}
	return view.Estate.CosignerKeys()
}
