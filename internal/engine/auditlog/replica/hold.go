package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/engine/auditlog/worm"
	"github.com/garant-project/garant/internal/errs"
)

// Standing is how far the log of a generation is in the bucket.
type Standing struct {
	Generation int
	Key        string // of the newest segment; empty: there is none
	Size       int64  // of the root log
	Seq        int64
	Root       merkle.Hash
	Foreign    bool // there are objects in the place of segments, and none of them is signed by the log's key
}

// Newest finds the newest segment of a generation that is signed by a key. known is the key of a segment that is there, when one is known: then only a
// few requests are needed. by nil: any segment counts that is signed by the key it names itself.
func Newest(ctx context.Context, bucket *worm.Store, generation int, by note.Verifier, known string) (Standing, error) {
	s := Standing{Generation: generation}
	prefix := SegmentPrefix(generation)
	h, ok, err := bucket.LatestAfter(ctx, prefix, known)
	if err != nil {
		return s, err
	}
	if !ok && known != "" {
		h.Key, ok = known, true
	}
	if !ok {
		return s, nil
	}
	there, err := s.read(ctx, bucket, h.Key, by)
	if err != nil || there {
		return s, err
	}
	// Somebody put something else behind it, or what was known is gone: look at all that there is.
	for h, err := range bucket.Histories(ctx, prefix, "") {
		if err != nil {
			return s, err
		}
		if known != "" && h.Key < known {
			continue
		}
		if _, err := s.read(ctx, bucket, h.Key, by); err != nil {
			return s, err
		}
	}
	return s, nil
}

// read takes a segment for the newest, if it is one; false: it is not.
func (s *Standing) read(ctx context.Context, bucket *worm.Store, key string, by note.Verifier) (bool, error) {
	o, err := bucket.GetFirst(ctx, key, worm.MaxPut)
	if errs.Is(err, errs.NotFound) && !isID(err, worm.IDBucket) {
		return false, nil
	}
	large := isID(err, worm.IDTooLarge) // none of ours is
	if err != nil && !large {
		return false, err
	}
	segment, c, ok := check(key, o.Data, by)
	if large || !ok {
		s.Foreign = s.Key == ""
		return false, nil
	}
	*s = Standing{Generation: s.Generation, Key: key, Size: segment.To, Seq: segment.ToSeq, Root: c.Root}
	return true, nil
}

// check reads an object as the segment that its key says, signed by a key.
func check(key string, object []byte, by note.Verifier) (*Segment, merkle.Checkpoint, bool) {
	s, err := Decode(object)
	if err != nil || s.Kind != KindSegment || SegmentKey(s.Generation, s.From, s.To) != key {
		return nil, merkle.Checkpoint{}, false
	}
	if by == nil {
		if by, err = note.NewVerifier(s.Header.Key); err != nil {
			return nil, merkle.Checkpoint{}, false
		}
	}
	c, err := s.Signed(by)
	return s, c, err == nil
}

// Compare holds the newest segment in the bucket against the database. Errors that say what is wrong have the ids IDSetBack, IDForked, IDOtherLog and IDLost; others
// say that it could not be told.
func (r *Replica) Compare(ctx context.Context) (Standing, error) {
	ctx, cancel := context.WithTimeout(ctx, comparing)
	defer cancel()
	l, err := current(ctx, r.pool())
	if errs.Is(err, errs.NotFound) { // nothing was ever put in order here
		s, err := Newest(ctx, r.Reader, 1, nil, "")
		if err == nil && (s.Key != "" || s.Foreign) {
			err = errOtherLog()
		}
		return s, err
	}
	if err != nil {
		return Standing{}, err
	}
	later, err := Newest(ctx, r.Reader, l.generation+1, nil, "")
	if err != nil {
		return later, err
	}
	if later.Key != "" {
		return later, errSetBack(fmt.Sprintf("it has generation %d of the log, and the database is at generation %d", later.Generation, l.generation))
	}
	last, err := newest(ctx, r.pool(), r.Place, l.generation, true)
	known := ""
	switch {
	case err == nil:
		known = SegmentKey(l.generation, last.From, last.To)
	case !errs.Is(err, errs.NotFound):
		return Standing{}, err
	}
	s, err := Newest(ctx, r.Reader, l.generation, l.verifier, known)
	switch {
	case err != nil:
		return s, err
	case s.Key == "" && known != "":
		return s, errLost(known)
	case s.Key == "" && s.Foreign:
		return s, errOtherLog()
	case s.Key == "":
		return s, nil
	case s.Size > l.size:
		return s, errSetBack(fmt.Sprintf("its log has %d lines, and the database's %d", s.Size, l.size))
	}
	head, err := HeadAt(ctx, r.pool(), l.root, true, s.Size)
	if err != nil {
		return s, err
	}
	if head.Root() != s.Root {
		return s, errForked(s.Size)
	}
	return s, nil
}

func errSetBack(how string) *errs.Error {
	return errs.New(errs.Conflict, IDSetBack, "The second account has more of the audit log than the database: "+how+". The database was set back.").
		WithFix("If it was restored from a backup, run garant audit recover --reason \"…\": the log goes on as a new generation, and what was lost is listed. Nothing is put in order until then.")
}

func errForked(size int64) *errs.Error {
	return errs.New(errs.Conflict, IDForked, fmt.Sprintf("The audit log of the database is another than that in the second account: their first %d lines differ.", size)).
		WithFix("Run garant audit verify to see what differs. If the database was restored and went on by itself, run garant audit recover --reason \"…\". Nothing is put in order until then.")
}

func errOtherLog() *errs.Error {
	return errs.New(errs.Conflict, IDOtherLog, "The bucket in the second account holds another audit log than this database's.").
		WithFix("Write another bucket or prefix in garant.yaml (audit.copy). If the log in it is this company's and the database is new, restore the database from a backup first.")
}

func errLost(key string) *errs.Error {
	return errs.New(errs.Conflict, IDLost, "The bucket in the second account lacks what was put there, or is another one behind the same name: "+key+" is not in it.").
		WithFix("Ask whoever administers the second account. When the bucket is lost for good, write another bucket or prefix in garant.yaml (audit.copy): everything is copied anew.")
}

// Held is retain.Held: up to which leaf the second account has the log, as its newest signed segment says. What the database says of that counts for nothing.
func (r *Replica) Held(ctx context.Context) (seq int64, err error) {
	s, err := r.Compare(ctx)
	return s.Seq, err
}

// verdict reports whether an error of Compare says that something is wrong, rather than that it could not be told.
func verdict(err error) bool {
	for _, id := range []string{IDSetBack, IDForked, IDOtherLog, IDLost, IDChanged} {
		if isID(err, id) {
			return true
		}
	}
	return false
}

// compareNow compares, and remembers of which cluster the database is when all is well.
func (r *Replica) compareNow(ctx context.Context) error {
	if _, err := r.Compare(ctx); err != nil {
		return err
	}
	return well(ctx, r.pool(), r.Place)
}

// Hold is sequence.Sequencer's: it forbids to go on with the log when the database was set back or forked. A bucket that cannot be asked
// forbids it only when the database is not certain to be the one that was compared last: of another cluster, or another time line of it.
func (r *Replica) Hold(ctx context.Context) error {
	err := r.compareNow(ctx)
	if err == nil || verdict(err) {
		return err
	}
	asking, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	same, dbErr := sameCluster(asking, r.pool(), r.Place)
	if dbErr != nil {
		return dbErr
	}
	if same {
		r.Log.Warn("the audit log goes on without having been compared with the second account", "error.message", err.Error())
		return nil
	}
	held := errs.New(errs.Unavailable, IDBlind, "The second account cannot be asked how far the audit log is, and this database may be a restored one, so nothing is put in order.").
		WithFix("Let the second account answer; it is tried again by itself.").Wrap(err)
	var e *errs.Error
	if errors.As(err, &e) && e.Fix != "" {
		held.Fix = e.Fix + " It is tried again by itself."
	}
	return held
}
