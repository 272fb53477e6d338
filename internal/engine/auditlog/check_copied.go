package auditlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/engine/auditlog/replica"
	"github.com/garant-project/garant/internal/engine/auditlog/verify"
	"github.com/garant-project/garant/internal/engine/auditlog/worm"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
)

// CopyScope is what the check of the second account examines.
const CopyScope = "second-account"

func copyScope(e *estate.Estate) []string {
	if e == nil || e.Company.Name == "" {
		return nil
	}
	return []string{CopyScope}
}

// tried remembers when it was tried what the writer may: each try leaves an object that nobody can delete for a day.
type tried struct {
	mu   sync.Mutex
	at   time.Time
	with *replica.Replica
	is   worm.Limits
}

const tryEvery = 6 * time.Hour

// lookAtCopied sees that the second account has the record, that it is the same one, and that nobody can delete it there.
func (l *Log) lookAtCopied(ctx context.Context, k *look) error {
	copied, declared := k.estate.AuditCopy()
	if !declared {
		k.add(CopyNone, "audit.copy in garant.yaml", "none")
		return nil
	}
	r, err := l.Replica(ctx)
	if err != nil {
		k.addError(CopyUnseen, "the second account that is declared", err)
		return nil
	}
	s, err := r.Status(ctx)
	if err != nil {
		return err
	}
	if !s.Failing.IsZero() {
		k.addError(CopyFails, "copies that succeed", &errs.Error{ID: s.Problem, Text: s.Why})
	}
	if s.LastPut.IsZero() {
		k.add(CopyEmpty, "the audit log", "nothing was ever put there")
		return nil
	}
	if s.Lag > copied.MaxLag {
		k.add(CopyLate, "at most "+copied.MaxLag.String(), fmt.Sprintf("%d entries are not there, the oldest for %s", s.Backlog, s.Lag.Truncate(time.Second)))
	}
	stands, err := r.Compare(ctx)
	switch id := errID(err); {
	case err == nil:
	case id == replica.IDChanged, id == replica.IDSetBack, id == replica.IDForked, id == replica.IDOtherLog, id == replica.IDLost:
		k.addError(CopyDiffers, "the same log as here", err)
		return nil
	default:
		k.addError(CopyUnseen, "an answer of the second account", err)
		return nil
	}
	l.lookAtLock(ctx, k, r, stands, copied)
	k.raw["generation"] = stands.Generation
	k.facts["kept"] = measure.Span(copied.Keep)
	return nil
}

// lookAtLock reads back how the newest segment is locked, and tries what the writer's credentials may besides putting.
func (l *Log) lookAtLock(ctx context.Context, k *look, r *replica.Replica, stands replica.Standing, copied estate.AuditCopy) {
	if stands.Key == "" {
		return
	}
	mode, until, err := r.Reader.Retention(ctx, stands.Key)
	switch {
	case err != nil:
		k.addError(CopyUnseen, "the lock of the newest object", err)
	case mode != "COMPLIANCE":
		k.add(CopyUnlocked, "COMPLIANCE", "the newest object has "+cmp.Or(mode, "no lock"))
	case until.Before(k.now.Add(copied.Keep - day)):
		k.add(CopyUnlocked, "locked for "+estate.FormatDuration(copied.Keep), "the newest object is locked until "+until.UTC().Format(time.DateOnly))
	}
	l.tried.mu.Lock()
	defer l.tried.mu.Unlock()
	if l.tried.with != r || k.now.Sub(l.tried.at) > tryEvery || !l.tried.is.Held() {
		limits, err := r.Writer.TryWriterLimits(ctx, "limits/"+k.now.UTC().Format("20060102T150405.000000000"), k.now)
		if errID(err) == worm.IDNoLock {
			k.addError(CopyUnlocked, "a bucket under object lock", err)
			return
		}
		if err != nil {
			k.addError(CopyUnseen, "what the writer’s credentials may", err)
			return
		}
		l.tried.at, l.tried.with, l.tried.is = k.now, r, limits
	}
	for _, broken := range l.tried.is.Broken {
		k.add(CopyOpen, "a writer that may only put", string(broken))
	}
	for _, unclear := range l.tried.is.Unclear {
		k.add(CopyUnseen, "a writer that may only put", string(unclear)+" was neither done nor refused")
	}
}

const day = 24 * time.Hour

// lookAtIntact looks at everything: each entry against its leaf, each leaf against its tree, each tree against what is signed.
func (l *Log) lookAtIntact(ctx context.Context, k *look) error {
	report, err := verify.Verify(ctx, verify.Options{Database: l.DB.Pool(pg.Worker), Box: l.Box, Witnesses: k.estate.CosignerKeys(), Now: l.Now, Alone: true})
	if report.Outcome == verify.Broken {
		said, err := answered(ctx, l.DB.Pool(pg.Worker), l.Box)
		if err != nil {
			return err
		}
		for _, f := range report.Findings {
			if f.Kind == verify.Noticed && f.Tree == "" || said.about(f) { // the check of the order tells of these, until a person has said what they were; but not of those whose row is gone
				continue
			}
			k.add(NotIntact, "the audit log as it was signed", string(f.Kind)+": "+f.Text)
		}
	}
	if err != nil && len(k.items) == 0 {
		k.addError(NotExamined, "all of it examined", err)
	}
	for _, skipped := range report.NotExamined {
		k.add(NotExamined, "all of it examined", skipped)
	}
	k.raw["verified"] = report.Entries > 0
	return nil
}

// explained are the anomalies of which somebody has said what they were.
type explained []Anomaly

// about reports whether a finding is one of these: an entry with a false signature, or numbers of a writer that are missing.
func (e explained) about(f verify.Finding) bool {
	return slices.ContainsFunc(e, func(a Anomaly) bool {
		switch a.Kind {
		case sequence.Forged:
			return f.Kind == verify.WrongMAC && strings.HasPrefix(a.About, fmt.Sprintf("entry %d,", f.Entry))
		case sequence.Unsigned:
			return f.Kind == verify.Inserted && strings.HasPrefix(a.About, fmt.Sprintf("entry %d,", f.Entry))
		case sequence.Missing:
			process, _, _ := strings.Cut(strings.TrimPrefix(a.About, "writer "), ",")
			return f.Kind == verify.Unclaimed && strings.Contains(f.Text, process)
		}
		return false
	})
}

// sentence is what may be shown of an error.
func sentence(err error) string {
	text, _ := errs.Sentence(err)
	return text
}

func errID(err error) string {
	var e *errs.Error
	if errors.As(err, &e) {
		return e.ID
	}
	return ""
}
