package stream

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/garant-project/garant/internal/engine/auditlog/export"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
)

// objects puts each batch into a bucket as an object of JSON lines.
type objects struct {
	*Streams
	d estate.Stream
}

// sameNames is how many names are tried for one batch.
const sameNames = 9

func (o objects) send(ctx context.Context, b batch) error {
	if o.Putter == nil {
		return &failure{problem: Unwritable, said: "this build has no store for objects"}
	}
	store, err := o.Putter(o.d)
	if err != nil {
		return secretFailure("access_key or secret_key", err)
	}
	// A name may be taken by an attempt whose end nobody saw, and credentials that only put cannot compare: then another is taken,
	// and the lines are there twice, under the uids by which readers drop one.
	for i := range sameNames {
		err = store.Put(ctx, o.key(b, i), b.body, o.Now())
		if !errs.Is(err, errs.Conflict) {
			break
		}
	}
	if err == nil {
		return nil
	}
	f := &failure{problem: NoAnswer, said: "the store did not answer"}
	var known *errs.Error
	if errors.As(err, &known) {
		f.said = known.ID
	}
	switch errs.KindOf(err) {
	case errs.Unavailable, errs.Internal:
	default:
		f.problem = Refused
	}
	return f
}

// key names an object by day, positions and content: names sort as entries were sequenced, but for the day, which is that of the first
// entry.
func (o objects) key(b batch, again int) string {
	sum := sha256.Sum256(b.body)
	suffix := ""
	if again > 0 {
		suffix = fmt.Sprintf("-%d", again+1)
	}
	return fmt.Sprintf("streams/%s/%s/%020d-%020d-%s%s%s", o.d.Name, b.lines[0].Entry.At.UTC().Format("2006/01/02"), b.first(), b.last(),
		hex.EncodeToString(sum[:8]), suffix, export.Format(o.d.Format).Extension())
}
