package replica

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/engine/auditlog/worm"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
)

// IDUndeclared is the id of the error when no copy is declared.
const IDUndeclared = "replica.undeclared"

// Keeper has the copy made that the estate declares, whenever it declares one.
type Keeper struct {
	DB   *pg.DB // with the pools of pg.Worker and pg.Staff
	Box  *crypt.Box
	Copy func(ctx context.Context) (c estate.AuditCopy, declared bool, err error)
	Now  func() time.Time
	Log  *slog.Logger

	mu   sync.Mutex
	is   string // what the replica was opened with
	open *Replica
}

// reopen is how often it is looked whether the estate, or a secret that it names, is another.
const reopen = 5 * time.Second

// Reader opens the bucket of a declared copy with the verifier's credentials.
func Reader(c estate.AuditCopy) (*worm.Store, error) {
	config, err := config(c, c.Reader)
	if err != nil {
		return nil, err
	}
	return worm.Open(config)
}

func config(c estate.AuditCopy, by estate.BucketKey) (worm.Config, error) {
	access, err := by.AccessKey.Reveal()
	if err != nil {
		return worm.Config{}, err
	}
	secret, err := by.SecretKey.Reveal()
	if err != nil {
		return worm.Config{}, err
	}
	return worm.Config{
		Endpoint: c.Endpoint, Region: c.Region, Bucket: c.Bucket, Prefix: c.Prefix, Owner: c.Owner, PathStyle: c.PathStyle, CA: c.CA, Keep: c.Keep,
		AccessKey: access, SecretKey: secret,
	}, nil
}

// Replica is the copy as it is declared now. Error NotFound (IDUndeclared): none is.
func (k *Keeper) Replica(ctx context.Context) (*Replica, error) {
	c, declared, err := k.Copy(ctx)
	if err != nil {
		return nil, err
	}
	if !declared {
		return nil, errs.New(errs.NotFound, IDUndeclared, "No second account is declared, in which the audit log is kept.").
			WithFix("Declare one in garant.yaml: audit.copy. docs/audit.md.")
	}
	reader, err := config(c, c.Reader)
	if err != nil {
		return nil, err
	}
	writer, err := config(c, c.Writer)
	if err != nil {
		return nil, err
	}
	is := fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%#v", []any{
		c.Endpoint, c.Region, c.Bucket, c.Prefix, c.Owner, c.PathStyle, string(c.CA), c.Keep, reader.AccessKey, reader.SecretKey, writer.AccessKey, writer.SecretKey,
	})))
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.open != nil && k.is == is {
		return k.open, nil
	}
	r := &Replica{DB: k.DB, Box: k.Box, Place: Place(c.Endpoint, c.Region, c.Bucket, c.Prefix), Now: k.Now, Log: k.Log}
	if r.Reader, err = worm.Open(reader); err != nil {
		return nil, err
	}
	writer.Compare = r.Reader
	if r.Writer, err = worm.Open(writer); err != nil {
		return nil, err
	}
	k.open, k.is = r, is
	return r, nil
}

// Run has the copy made until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	failing := false
	for ctx.Err() == nil {
		r, err := k.Replica(ctx)
		if err != nil && !errs.Is(err, errs.NotFound) && ctx.Err() == nil && !failing {
			k.Log.Error("the second account of the audit log cannot be opened", "error.message", err.Error())
		}
		failing = err != nil
		if err != nil {
			pause(ctx, reopen)
			continue
		}
		running, stop := context.WithCancel(ctx)
		var group sync.WaitGroup
		group.Go(func() { r.Run(running) })
		for ctx.Err() == nil {
			pause(ctx, reopen)
			if now, err := k.Replica(ctx); err == nil && now != r || errs.Is(err, errs.NotFound) {
				break
			}
		}
		stop()
		group.Wait()
		r.Reader.Close()
		r.Writer.Close()
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// Hold is sequence.Sequencer's: it asks the copy that is declared; where none is, nobody.
func (k *Keeper) Hold(ctx context.Context) error {
	r, err := k.Replica(ctx)
	switch {
	case err == nil:
		return r.Hold(ctx)
	case errs.Is(err, errs.NotFound):
		return nil
	}
	return err
}
