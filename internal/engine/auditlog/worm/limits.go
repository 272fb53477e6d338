package worm

import (
	"context"
	"crypto/rand"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/garant-project/garant/internal/errs"
)

// canaryKeep is the retention of canaries: long enough that no attempt meets its end, short so that they can be
// cleared away.
const canaryKeep = 24 * time.Hour

// Attempt is something that a writer must not be able to do, or had better not.
type Attempt string

// The attempts that break the lock.
const (
	DeleteVersion    Attempt = "delete_version"    // what is under lock is gone
	BypassGovernance Attempt = "bypass_governance" // gone, by the header that overrides GOVERNANCE
	ShortenRetention Attempt = "shorten_retention" // the end of the retention comes earlier
	LowerMode        Attempt = "lower_mode"        // COMPLIANCE becomes GOVERNANCE
)

// The attempts that hide objects from a plain reader, take nothing away, and show in the history.
const (
	PlaceMarker Attempt = "place_marker" // a delete marker over the object
	Overwrite   Attempt = "overwrite"    // a second version; stores without conditions in policies allow it to all who may put
)

// Limits says what a writer could do with a canary.
type Limits struct {
	Key     string // the canary that was put
	Version string // its first version, for the verifier to look at afterwards

	Broken  []Attempt // succeeded, and break the lock
	Weak    []Attempt // succeeded, and hide or add
	Unclear []Attempt // neither succeeded nor were refused: nothing is known of them

	MayRead bool // the writer may read: weaker than it need be
	MayList bool // the writer may list, objects or versions
}

// Held reports whether every attempt to break the lock was made and refused.
func (l Limits) Held() bool { return len(l.Broken) == 0 && len(l.Unclear) == 0 }

// TryWriterLimits tries, with this store's own credentials, what a writer must not be able to do, on a canary that it puts
// below key, under lock for a day. Each call leaves one object there (more versions of it where the writer may add them):
// let the bucket's life cycle expire them. When it ends with an error, nothing is known.
func (s *Store) TryWriterLimits(ctx context.Context, key string, now time.Time) (Limits, error) {
	canary := key + "/" + now.UTC().Format("20060102T150405Z") + "-" + rand.Text()[:8]
	name, err := s.name(canary)
	if err != nil {
		return Limits{}, err
	}
	until := now.Add(canaryKeep).UTC().Truncate(time.Second)
	content := []byte("canary of " + now.UTC().Format(time.RFC3339) + ": may be deleted after " + until.Format(time.RFC3339) + "\n")
	version, err := s.put(ctx, canary, content, until, true)
	if err != nil {
		return Limits{}, err
	}
	l := Limits{Key: canary, Version: version}
	if l.MayRead, err = s.attempt(ctx, func(ctx context.Context) error {
		out, err := s.api.GetObject(ctx, &s3.GetObjectInput{Bucket: s.bucket, Key: name, VersionId: &version, ExpectedBucketOwner: s.owner})
		if err == nil {
			out.Body.Close()
		}
		return err
	}); err != nil {
		return Limits{}, err
	}
	l.MayList, err = s.attempt(ctx, func(ctx context.Context) error {
		_, err := s.api.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: s.bucket, Prefix: aws.String(s.prefix), MaxKeys: aws.Int32(1), ExpectedBucketOwner: s.owner})
		return err
	})
	if err == nil && !l.MayList {
		l.MayList, err = s.attempt(ctx, func(ctx context.Context) error {
			_, err := s.api.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: s.bucket, Prefix: aws.String(s.prefix), MaxKeys: aws.Int32(1), ExpectedBucketOwner: s.owner})
			return err
		})
	}
	if err != nil {
		return Limits{}, err
	}
	retention := func(ctx context.Context, mode types.ObjectLockRetentionMode, until time.Time, bypass bool) error {
		_, err := s.api.PutObjectRetention(ctx, &s3.PutObjectRetentionInput{
			Bucket: s.bucket, Key: name, VersionId: &version, ExpectedBucketOwner: s.owner, BypassGovernanceRetention: optionalBool(bypass),
			Retention: &types.ObjectLockRetention{Mode: mode, RetainUntilDate: &until},
		})
		return err
	}
	remove := func(ctx context.Context, version *string, bypass bool) error {
		_, err := s.api.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: s.bucket, Key: name, VersionId: version, ExpectedBucketOwner: s.owner, BypassGovernanceRetention: optionalBool(bypass)})
		return err
	}
	earlier := until.Add(-canaryKeep / 2)
	attempts := []struct {
		what Attempt
		list *[]Attempt
		do   func(context.Context) error
	}{
		{ShortenRetention, &l.Broken, func(ctx context.Context) error {
			return retention(ctx, types.ObjectLockRetentionModeCompliance, earlier, false)
		}},
		{LowerMode, &l.Broken, func(ctx context.Context) error {
			return retention(ctx, types.ObjectLockRetentionModeGovernance, until, false)
		}},
		{Overwrite, &l.Weak, func(ctx context.Context) error {
			_, err := s.put(ctx, canary, append([]byte("overwritten "), content...), until, false)
			return err
		}},
		{PlaceMarker, &l.Weak, func(ctx context.Context) error { return remove(ctx, nil, false) }},
		// These go last: a store answers that it deleted a version, whether it is still there or not.
		{BypassGovernance, &l.Broken, func(ctx context.Context) error { return remove(ctx, &version, true) }},
		{DeleteVersion, &l.Broken, func(ctx context.Context) error { return remove(ctx, &version, false) }},
	}
	gone := false
	for _, a := range attempts {
		if gone {
			break
		}
		done, err := s.attempt(ctx, a.do)
		switch {
		case errs.Is(err, errs.Unavailable) || hasID(err, IDCredentials) || hasID(err, IDBucket):
			return Limits{}, err
		case err != nil:
			l.Unclear = append(l.Unclear, a.what)
		case done:
			*a.list = append(*a.list, a.what)
			gone = a.what == BypassGovernance
		}
	}
	return l, nil
}

// attempt reports whether something was done; an error says that it was neither done nor refused.
func (s *Store) attempt(ctx context.Context, do func(context.Context) error) (done bool, err error) {
	ctx, cancel := s.within(ctx, 0)
	defer cancel()
	err = do(ctx)
	if err == nil {
		return true, nil
	}
	a := read("attempt", err)
	if status, code := codeOf(err); status != 0 { // an error of ours already
		a.status, a.code = status, code
	} else {
		err = explain(ctx, "attempt", err)
	}
	switch {
	case hasID(err, IDDenied):
		return false, nil
	case a.status == http.StatusBadRequest && (a.code == "InvalidRequest" || a.code == "ObjectLocked"), a.status == http.StatusMethodNotAllowed:
		return false, nil // MinIO refuses with 400 what is under lock
	}
	return false, err
}

func optionalBool(b bool) *bool {
	if !b {
		return nil
	}
	return &b
}
