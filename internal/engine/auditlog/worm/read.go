package worm

import (
	"bytes"
	"context"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/garant-project/garant/internal/errs"
)

// The modes of a retention.
const (
	Compliance = "COMPLIANCE" // nobody ends it early
	Governance = "GOVERNANCE" // whoever is allowed to ends it early: no proof of anything
)

// Object is one version of an object, with its content.
type Object struct {
	Key      string
	Version  string // empty when the bucket keeps no versions
	Data     []byte
	Modified time.Time // the store's clock
	History  History   // all versions; only from GetFirst
}

// Get reads the current version of an object of at most limit bytes and compares it with its checksum. It is what a
// plain reader sees; for what was put first see [Store.GetFirst]. Errors: errs.NotFound, also under a delete marker
// ([IDObject] or [IDHidden]); errs.Invalid when larger ([IDTooLarge]).
func (s *Store) Get(ctx context.Context, key string, limit int64) (Object, error) {
	return s.get(ctx, key, "", limit)
}

// GetFirst reads the oldest version of an object, which is the one that was put, whatever was put or deleted over it
// since. The object's History says whether that was the case.
func (s *Store) GetFirst(ctx context.Context, key string, limit int64) (Object, error) {
	h, err := s.Versions(ctx, key)
	if err != nil {
		return Object{}, err
	}
	return s.GetListed(ctx, h, limit)
}

// GetListed is GetFirst of an object of which all versions were listed.
func (s *Store) GetListed(ctx context.Context, h History, limit int64) (Object, error) {
	first, err := h.first()
	if err != nil {
		return Object{}, err
	}
	if first.Size > limit {
		return Object{}, tooLarge()
	}
	o, err := s.get(ctx, h.Key, first.ID, limit)
	o.History = h
	return o, err
}

func (h History) first() (Version, error) {
	first, ok := h.First()
	if !ok {
		return first, errs.New(errs.NotFound, IDObject, "There is no such object in the second account.").WithFix("Look whether the prefix is the right one.")
	}
	return first, nil
}

func (s *Store) get(ctx context.Context, key, version string, limit int64) (Object, error) {
	name, err := s.name(key)
	if err != nil {
		return Object{}, err
	}
	if limit < 0 || limit > MaxPut {
		limit = MaxPut
	}
	ctx, cancel := s.within(ctx, limit)
	defer cancel()
	var o Object
	for try := 1; ; try++ {
		o, err = s.getOnce(ctx, key, name, version, limit)
		// The SDK tries again until the answer's head is there; what breaks off after it is read again here.
		if err == nil || try == attempts || ctx.Err() != nil || !hasID(err, IDUnreachable) && !hasID(err, IDDamaged) {
			return o, err
		}
	}
}

func (s *Store) getOnce(ctx context.Context, key string, name *string, version string, limit int64) (Object, error) {
	out, err := s.api.GetObject(ctx, &s3.GetObjectInput{
		Bucket: s.bucket, Key: name, VersionId: optional(version), ExpectedBucketOwner: s.owner, ChecksumMode: types.ChecksumModeEnabled,
	})
	if err != nil {
		return Object{}, explain(ctx, "GetObject", err)
	}
	defer out.Body.Close()
	if aws.ToInt64(out.ContentLength) > limit {
		return Object{}, tooLarge()
	}
	data := bytes.NewBuffer(make([]byte, 0, max(0, aws.ToInt64(out.ContentLength))+bytes.MinRead))
	if _, err := data.ReadFrom(io.LimitReader(out.Body, limit+1)); err != nil {
		return Object{}, explain(ctx, "GetObject", err)
	}
	if int64(data.Len()) > limit {
		return Object{}, tooLarge()
	}
	return Object{Key: key, Version: aws.ToString(out.VersionId), Data: data.Bytes(), Modified: aws.ToTime(out.LastModified)}, nil
}

func tooLarge() error {
	return errs.New(errs.Invalid, IDTooLarge, "The object in the second account is larger than it can be.").
		WithFix("Look who has put it there: Garant puts none of that size under this name.")
}

// Retention reads back the retention of the first version of an object. mode is empty, without an error, when the object has
// none: it is not under lock.
func (s *Store) Retention(ctx context.Context, key string) (mode string, until time.Time, err error) {
	h, err := s.Versions(ctx, key)
	if err != nil {
		return "", time.Time{}, err
	}
	return s.RetentionListed(ctx, h)
}

// RetentionListed is Retention of an object of which all versions were listed.
func (s *Store) RetentionListed(ctx context.Context, h History) (mode string, until time.Time, err error) {
	first, err := h.first()
	if err != nil {
		return "", time.Time{}, err
	}
	return s.retention(ctx, h.Key, first.ID)
}

func (s *Store) retention(ctx context.Context, key, version string) (mode string, until time.Time, err error) {
	name, err := s.name(key)
	if err != nil {
		return "", time.Time{}, err
	}
	ctx, cancel := s.within(ctx, 0)
	defer cancel()
	out, err := s.api.GetObjectRetention(ctx, &s3.GetObjectRetentionInput{Bucket: s.bucket, Key: name, VersionId: optional(version), ExpectedBucketOwner: s.owner})
	if err != nil {
		// Both say that the version has no retention: Amazon documents the first, with 404.
		if _, code := codeOf(read("GetObjectRetention", err)); code == "NoSuchObjectLockConfiguration" || code == "ObjectLockConfigurationNotFoundError" {
			return "", time.Time{}, nil
		}
		return "", time.Time{}, explain(ctx, "GetObjectRetention", err)
	}
	if out.Retention == nil {
		return "", time.Time{}, nil
	}
	return string(out.Retention.Mode), aws.ToTime(out.Retention.RetainUntilDate).UTC(), nil
}

// LockEnabled reports whether the bucket is under object lock, so that objects can have a retention.
func (s *Store) LockEnabled(ctx context.Context) (bool, error) {
	ctx, cancel := s.within(ctx, 0)
	defer cancel()
	out, err := s.api.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: s.bucket, ExpectedBucketOwner: s.owner})
	if err != nil {
		err = explain(ctx, "GetObjectLockConfiguration", err)
		if hasID(err, IDNoLock) {
			return false, nil
		}
		return false, err
	}
	return out.ObjectLockConfiguration != nil && out.ObjectLockConfiguration.ObjectLockEnabled == types.ObjectLockEnabledEnabled, nil
}
