package app

import (
	"context"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/engine/auditlog/replica"
	"github.com/garant-project/garant/internal/engine/auditlog/verify"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
)

func (g *Garant) declaredCopy(ctx context.Context) (c estate.AuditCopy, declared bool, err error) {
	view, err := g.View(ctx)
	if err != nil || view.Estate == nil {
		return c, false, err
	}
	c, declared = view.Estate.AuditCopy()
	return c, declared, nil
}

// mayAudit refuses who lacks a permission, and records the attempt.
func (g *Garant) mayAudit(ctx context.Context, by actor.Actor, needed actor.Permission, action string) error {
	return audit.May(ctx, g.DB.Pool(pg.Staff), by, needed, action, audit.Object{Kind: "audit_log", ID: g.LogOrigin()},
		errs.New(errs.Denied, "app.audit", "You may not do this with the audit log.").WithFix("Ask the security lead for the permission."))
}

// VerifyAudit verifies the log: against the second account, where one is declared, unless only the database is wanted. keys are pinned keys of
// the log. An error says that it ended early; the report says how far it got.
func (g *Garant) VerifyAudit(ctx context.Context, by actor.Actor, keys []string, databaseOnly bool) (verify.Report, error) {
	if err := g.mayAudit(ctx, by, actor.ReadAudit, "audit_log.verified"); err != nil {
		return verify.Report{}, err
	}
	o := verify.Options{Database: g.DB.Pool(pg.Staff), Box: g.Box, Keys: keys, Now: g.Now}
	if e, err := g.inForce(ctx); err != nil {
		return verify.Report{}, err
	} else if e != nil {
		o.Witnesses = e.CosignerKeys()
	}
	c, declared, err := g.declaredCopy(ctx)
	if err != nil {
		return verify.Report{}, err
	}
	if declared && !databaseOnly {
		if o.Bucket, err = replica.Reader(c); err != nil {
			return verify.Report{}, err
		}
		defer o.Bucket.Close()
	}
	return verify.Verify(ctx, o)
}

// AuditStatus is how the log is kept.
type AuditStatus struct {
	Sequence sequence.Health
	Begun    bool // something was put in order
	Copy     replica.Status
	Declared bool // a second account is
}

// AuditStatus reads how the log is kept.
func (g *Garant) AuditStatus(ctx context.Context, by actor.Actor) (s AuditStatus, err error) {
	if err := g.mayAudit(ctx, by, actor.ReadAudit, "audit_log.read"); err != nil {
		return s, err
	}
	s.Sequence, err = sequence.Look(ctx, g.DB.Pool(pg.Worker), g.Box)
	s.Begun = err == nil
	if err != nil && !errs.Is(err, errs.NotFound) {
		return s, err
	}
	r, err := g.AuditCopy.Replica(ctx)
	if errs.Is(err, errs.NotFound) {
		return s, nil
	}
	s.Declared = true
	if err != nil {
		return s, err
	}
	s.Copy, err = r.Status(ctx)
	return s, err
}

// RecoverAudit has the log go on after the database was restored. Permission actor.ChangeEstate.
func (g *Garant) RecoverAudit(ctx context.Context, by actor.Actor, reason string) (replica.Recovered, error) {
	if err := g.mayAudit(ctx, by, actor.ChangeEstate, replica.Action); err != nil {
		return replica.Recovered{}, err
	}
	r, err := g.AuditCopy.Replica(ctx)
	if err != nil {
		return replica.Recovered{}, err
	}
	return r.Recover(ctx, g.Sequencer(), by, reason)
}

// LostAudit lists entries that only the second account still has, at most so many, and says how many there are.
func (g *Garant) LostAudit(ctx context.Context, by actor.Actor, most int) ([]replica.LostEntry, int, error) {
	if err := g.mayAudit(ctx, by, actor.ReadAudit, "audit_log.read"); err != nil {
		return nil, 0, err
	}
	r, err := g.AuditCopy.Replica(ctx)
	if err != nil {
		return nil, 0, err
	}
	return r.Lost(ctx, most)
}
