package worm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/garant-project/garant/internal/errs"
)

// Put stores data under key, in COMPLIANCE mode until Keep after now, and returns when the store has acknowledged it.
//
// It never replaces an object. When one is there already, put by a second server or by an attempt of ours whose answer
// was lost, the first version is read (see Config.Compare): the same content is success, and its retention is set where
// it is missing or ends earlier; other content is errs.Conflict ([IDConflict]), and so is one that may not be read
// ([IDUncompared]). A store that does not know If-None-Match is looked at first and then put to; two writers at once both
// succeed there, and the first version tells.
//
// Over a delete marker, stores take the object as a new version: see [Store.Histories].
func (s *Store) Put(ctx context.Context, key string, data []byte, now time.Time) error {
	if s.keep < time.Second {
		return invalid("The second account has no retention.", "Say how long objects are to be kept there.")
	}
	_, err := s.put(ctx, key, data, s.until(now), true)
	return err
}

// until is the end of a retention that begins now, in whole seconds, never early.
func (s *Store) until(now time.Time) time.Time {
	return now.Add(s.keep + time.Second - 1).UTC().Truncate(time.Second)
}

// put returns the new version, empty when the object was there already. once: not over another.
func (s *Store) put(ctx context.Context, key string, data []byte, until time.Time, once bool) (version string, err error) {
	name, err := s.name(key)
	if err != nil {
		return "", err
	}
	if len(data) > MaxPut {
		return "", errs.New(errs.Invalid, IDTooLarge, "The object is too large for the second account.").WithFix("Put it in several parts of at most 64 MB.")
	}
	ctx, cancel := s.within(ctx, int64(len(data)))
	defer cancel()
	sum := sha256.Sum256(data)
	in := &s3.PutObjectInput{
		Bucket: s.bucket, Key: name, ExpectedBucketOwner: s.owner,
		Body: bytes.NewReader(data), ContentLength: aws.Int64(int64(len(data))), ContentType: aws.String("application/octet-stream"),
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256, ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(sum[:])),
		ObjectLockMode: types.ObjectLockModeCompliance, ObjectLockRetainUntilDate: &until,
	}
	if once {
		in.IfNoneMatch = aws.String("*")
	}
	out, err := s.api.PutObject(ctx, in)
	if err == nil {
		// Under object lock each object has a version; a store that does not know the lock may pass over what was asked for.
		if aws.ToString(out.VersionId) == "" {
			return "", noLock(&answer{op: "PutObject", reason: "no version"})
		}
		return aws.ToString(out.VersionId), nil
	}
	a := read("PutObject", err)
	switch {
	case a.status == http.StatusPreconditionFailed, a.code == "ConditionalRequestConflict":
		return "", s.settle(ctx, key, data, until)
	case once && (a.code == "NotImplemented" || a.status == http.StatusNotImplemented):
		if err := s.settle(ctx, key, data, until); !errs.Is(err, errs.NotFound) {
			return "", err
		}
		return s.put(ctx, key, data, until, false)
	}
	return "", explain(ctx, "PutObject", err)
}

// settle judges the object that is there under the key of a Put.
func (s *Store) settle(ctx context.Context, key string, data []byte, until time.Time) error {
	reader := s.compare
	if reader == nil {
		reader = s
	}
	first, err := reader.GetFirst(ctx, key, int64(len(data)))
	switch {
	case errs.Is(err, errs.Denied):
		return errs.New(errs.Conflict, IDUncompared, "The second account has an object of this name already, and these credentials may not read whether it is the same.").
			WithFix("Give the verifier’s credentials too, so that it is compared.").Wrap(err)
	case hasID(err, IDTooLarge), err == nil && !bytes.Equal(first.Data, data):
		return errs.New(errs.Conflict, IDConflict, "The second account has another object under the same name.").
			WithFix("Look for a second server that writes the same log, and for a database that was put back to an earlier state: what is in the second account was written first.")
	case err != nil:
		return err
	}
	mode, end, err := reader.retention(ctx, key, first.Version)
	if err != nil && !errs.Is(err, errs.Denied) {
		return err
	}
	if err == nil && mode == Compliance && !end.Before(until) {
		return nil
	}
	return s.lock(ctx, key, first.Version, until)
}

// lock sets the retention of a version.
func (s *Store) lock(ctx context.Context, key, version string, until time.Time) error {
	name, err := s.name(key)
	if err != nil {
		return err
	}
	_, err = s.api.PutObjectRetention(ctx, &s3.PutObjectRetentionInput{
		Bucket: s.bucket, Key: name, VersionId: optional(version), ExpectedBucketOwner: s.owner,
		Retention: &types.ObjectLockRetention{Mode: types.ObjectLockRetentionModeCompliance, RetainUntilDate: &until},
	})
	if err != nil {
		return explain(ctx, "PutObjectRetention", err)
	}
	return nil
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
