package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/garant-project/garant/internal/demo/servers/secondaccount"
	"github.com/garant-project/garant/internal/errs"
)

// The example's second account, which holds the record under object lock: a store of its own, with credentials of its own.
const (
	secondName     = "second-account"
	secondAccount  = "account"         // of the operating system's directory
	writerKey      = "writer.key"      // files with the parts of credentials
	writerSecret   = "writer.secret"   //nolint:gosec // the name of a file
	verifierKey    = "verifier.key"    //
	verifierSecret = "verifier.secret" //nolint:gosec // the name of a file
	lockedFor      = "1d"              // an example is thrown away: what it locks must be too
)

// second is the running account; nil fields: the example goes without.
type second struct {
	account *secondaccount.Account
	done    chan struct{}
	failed  error
}

// openSecond starts the second account beside whatever the caller does next. Where its program was never built the example
// goes without: the sentences that lean on it stay unproven.
func (c *Company) openSecond(ctx context.Context, log *slog.Logger) {
	c.second.done = make(chan struct{})
	go func() {
		defer close(c.second.done)
		if _, err := secondaccount.Find(); err != nil {
			log.Warn("the example has no second account", "error.message", err.Error())
			return
		}
		c.second.failed = c.startSecond(ctx)
	}()
}

func (c *Company) startSecond(ctx context.Context) error {
	account, err := secondaccount.Open(ctx, secondaccount.Config{Dir: filepath.Join(c.dir, secondAccount)})
	if err != nil {
		return err
	}
	for file, secret := range map[string]string{
		writerKey: account.Writer().AccessKey, writerSecret: account.Writer().SecretKey,
		verifierKey: account.Verifier().AccessKey, verifierSecret: account.Verifier().SecretKey,
	} {
		if err := c.save(file, []byte(secret+"\n"), 0o600); err != nil {
			account.Close()
			return err
		}
	}
	c.second.account = account
	return nil
}

// waitSecond waits until the account answers, or it is known that there is none.
func (c *Company) waitSecond() error {
	if c.second.done != nil {
		<-c.second.done
	}
	return c.second.failed
}

func (c *Company) closeSecond() {
	if c.second.done == nil {
		return
	}
	<-c.second.done
	if c.second.account != nil {
		c.second.account.Close()
	}
}

// declared is the second account as garant.yaml names it; nil: there is none, or it does not answer yet.
type declared struct{ Endpoint, Region, Bucket, WriterKey, WriterSecret, VerifierKey, VerifierSecret, Keep string }

func (c *Company) declaredSecond() *declared {
	select {
	case <-c.second.done:
	default:
		return nil
	}
	a := c.second.account
	if a == nil {
		return nil
	}
	return &declared{a.Endpoint(), secondaccount.Region, a.Bucket(), writerKey, writerSecret, verifierKey, verifierSecret, lockedFor}
}

// SecondFaults lists the faults that the second account knows.
func SecondFaults() []string { return secondaccount.Faults() }

// away is the second account as far as it can be broken.
type away struct{ *Company }

func (s away) find() (*secondaccount.Account, error) {
	if err := s.waitSecond(); err != nil {
		return nil, err
	}
	if s.second.account == nil {
		return nil, errs.New(errs.NotFound, "demo.second", "The example goes without a second account.").
			WithFix("Build its program with scripts/need versitygw, and start the example again.")
	}
	return s.second.account, nil
}

// Break gives it a fault.
func (s away) Break(fault string) error {
	a, err := s.find()
	if err != nil {
		return err
	}
	return a.Break(fault)
}

// Mend takes the fault away.
func (s away) Mend() error {
	a, err := s.find()
	if err != nil {
		return err
	}
	return a.Mend()
}

// Fault is what it suffers from; empty: nothing.
func (s away) Fault() string {
	a, err := s.find()
	if err != nil {
		return ""
	}
	return a.Fault()
}

// The faults of the record, which somebody with a superuser's rights on Garant's own database brings about.
const (
	FaultEditedEntry  = "edited-entry"
	FaultDeletedEntry = "deleted-entry"
	FaultHeldUp       = "held-up"
	FaultGranted      = "granted-update"

	recordName = "record"
)

// RecordFaults lists the faults that the record knows.
func RecordFaults() []string {
	return []string{FaultEditedEntry, FaultDeletedEntry, FaultHeldUp, FaultGranted}
}

// tampering are the faults as statements; what they take is kept beside, so that it can be put back.
func tampering(fault string) string {
	const kept = `CREATE TABLE IF NOT EXISTS public.demo_kept (LIKE audit.entry); INSERT INTO public.demo_kept SELECT e.* FROM audit.entry AS e JOIN audit.leaf AS l ON l.entry = e.id ORDER BY l.seq LIMIT 1;`
	return map[string]string{
		FaultEditedEntry:  kept + `UPDATE audit.entry SET actor_id = 'somebody-else' WHERE id IN (SELECT id FROM public.demo_kept)`,
		FaultDeletedEntry: kept + `DELETE FROM audit.entry WHERE id IN (SELECT id FROM public.demo_kept)`,
		FaultGranted:      `GRANT UPDATE ON audit.entry TO garant_staff`,
	}[fault]
}

// mendsRecord puts back what was taken, and does no harm where nothing was.
const mendsRecord = `REVOKE UPDATE ON audit.entry FROM garant_staff;
CREATE TABLE IF NOT EXISTS public.demo_kept (LIKE audit.entry);
DELETE FROM audit.entry WHERE id IN (SELECT id FROM public.demo_kept);
INSERT INTO audit.entry (id, xid, at, actor_kind, actor_id, session, origin, action, outcome, object_kind, object_id, detail, tenant, reason, request, subject, promise, changes, occurred, writer, n, written, mac)
SELECT id, xid, at, actor_kind, actor_id, session, origin, action, outcome, object_kind, object_id, detail, tenant, reason, request, subject, promise, changes, occurred, writer, n, written, mac FROM public.demo_kept;
DROP TABLE public.demo_kept`

// tampered is the record as far as it can be broken.
type tampered struct{ *Company }

// Fault is what it suffers from; empty: nothing.
func (s tampered) Fault() string {
	s.recordMu.Lock()
	defer s.recordMu.Unlock()
	return s.recordFault
}

// Break gives it a fault in the place of the one that it has.
func (s tampered) Break(fault string) error {
	if s.hands == nil {
		return errs.New(errs.Unavailable, "demo.record", "The example’s Garant does not run.").WithFix("Start it with garant demo.")
	}
	if err := s.Mend(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), longOrder)
	defer cancel()
	s.recordMu.Lock()
	defer s.recordMu.Unlock()
	var err error
	switch statements := tampering(fault); {
	case fault == FaultHeldUp:
		s.recordEnd, err = s.hands.HoldUp(ctx)
	case statements != "":
		err = s.hands.AsSuperuser(ctx, statements)
	default:
		err = errs.New(errs.Invalid, "demo.fault", fmt.Sprintf("The record cannot be given the fault %q.", fault))
	}
	if err == nil {
		s.recordFault = fault
	}
	return err
}

// Mend takes the fault away.
func (s tampered) Mend() error {
	if s.hands == nil {
		return errors.New("no hands")
	}
	ctx, cancel := context.WithTimeout(context.Background(), longOrder)
	defer cancel()
	s.recordMu.Lock()
	defer s.recordMu.Unlock()
	if s.recordEnd != nil {
		s.recordEnd()
		s.recordEnd = nil
	}
	if err := s.hands.AsSuperuser(ctx, mendsRecord); err != nil {
		return err
	}
	s.recordFault = ""
	return nil
}
