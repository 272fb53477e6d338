package worm

import (
	"cmp"
	"context"
	"iter"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/garant-project/garant/internal/errs"
)

const (
	page        = 1000   // objects an answer, at most: S3's own limit
	maxVersions = 10_000 // of one key; more is somebody filling the bucket
)

// Item is an object as a plain listing shows it.
type Item struct {
	Key      string
	Size     int64
	Modified time.Time // the store's clock
}

// Version is one version of an object, or a delete marker.
type Version struct {
	ID       string
	Size     int64
	Modified time.Time // the store's clock
	Marker   bool      // a delete marker: no content
	Current  bool      // what a plain read meets
}

// History is all that was put under a key.
type History struct {
	Key      string
	Versions []Version // newest first, as the store lists them; delete markers in their place by time
}

// First returns the oldest version with content.
func (h History) First() (Version, bool) {
	for _, v := range slices.Backward(h.Versions) {
		if !v.Marker {
			return v, true
		}
	}
	return Version{}, false
}

// Overwritten reports whether a second content was put under the key.
func (h History) Overwritten() bool {
	n := 0
	for _, v := range h.Versions {
		if !v.Marker {
			n++
		}
	}
	return n > 1
}

// Marked reports whether a delete marker was put over the object, whether it still hides it or not.
func (h History) Marked() bool {
	return slices.ContainsFunc(h.Versions, func(v Version) bool { return v.Marker })
}

// List lists the objects whose keys begin with prefix and come after the key after, in the order of keys. It sees what a
// plain reader sees: not what a delete marker hides. It ends with the first error.
func (s *Store) List(ctx context.Context, prefix, after string) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		last, token := after, (*string)(nil)
		for {
			out, err := s.plainPage(ctx, prefix, after, token)
			if err != nil {
				yield(Item{}, err)
				return
			}
			for _, o := range out.Contents {
				key, ok := strings.CutPrefix(aws.ToString(o.Key), s.prefix)
				if !ok || !strings.HasPrefix(key, prefix) || key <= last {
					yield(Item{}, notBelieved("ListObjectsV2"))
					return
				}
				last = key
				if !yield(Item{Key: key, Size: aws.ToInt64(o.Size), Modified: aws.ToTime(o.LastModified)}, nil) {
					return
				}
			}
			if !aws.ToBool(out.IsTruncated) {
				return
			}
			if aws.ToString(out.NextContinuationToken) == "" || len(out.Contents) == 0 {
				yield(Item{}, notBelieved("ListObjectsV2"))
				return
			}
			token = out.NextContinuationToken
		}
	}
}

func (s *Store) plainPage(ctx context.Context, prefix, after string, token *string) (*s3.ListObjectsV2Output, error) {
	ctx, cancel := s.within(ctx, 0)
	defer cancel()
	in := &s3.ListObjectsV2Input{Bucket: s.bucket, Prefix: aws.String(s.prefix + prefix), MaxKeys: aws.Int32(page), ContinuationToken: token, EncodingType: types.EncodingTypeUrl, ExpectedBucketOwner: s.owner}
	if after != "" {
		in.StartAfter = aws.String(s.prefix + after)
	}
	out, err := s.api.ListObjectsV2(ctx, in)
	if err != nil {
		return nil, explain(ctx, "ListObjectsV2", err)
	}
	if aws.ToString(out.Name) != *s.bucket { // a page of something in between reads as an empty listing
		return nil, notBelieved("ListObjectsV2")
	}
	for _, o := range out.Contents {
		if !decode(out.EncodingType, o.Key) {
			return nil, notBelieved("ListObjectsV2")
		}
	}
	return out, nil
}

// Versions returns all versions of one key, none being a History without versions.
func (s *Store) Versions(ctx context.Context, key string) (History, error) {
	if _, err := s.name(key); err != nil {
		return History{}, err
	}
	for h, err := range s.histories(ctx, key, "", page) {
		if err != nil {
			return History{}, err
		}
		if h.Key == key { // the first of all keys that begin with it
			return h, nil
		}
		break
	}
	return History{Key: key}, nil
}

// Histories lists all versions of all keys that begin with prefix and come after the key after, in the order of keys. What
// was overwritten or hidden is seen. It ends with the first error.
func (s *Store) Histories(ctx context.Context, prefix, after string) iter.Seq2[History, error] {
	return s.histories(ctx, prefix, after, page)
}

func (s *Store) histories(ctx context.Context, prefix, after string, size int32) iter.Seq2[History, error] {
	return func(yield func(History, error) bool) {
		current := History{Key: after} // its versions are complete once a later key appears
		var key, version *string
		if after != "" {
			key = aws.String(s.prefix + after)
		}
		for {
			out, err := s.versionsPage(ctx, prefix, key, version, size)
			if err != nil {
				yield(History{}, err)
				return
			}
			entries, ok := s.entries(out, prefix)
			for _, e := range entries {
				switch {
				case !ok || e.key < current.Key:
					ok = false
				case e.key == current.Key:
					if e.key != after { // stores differ in whether the marker itself is listed
						ok = current.add(e.version)
					}
				default:
					if len(current.Versions) > 0 && !yield(current.sorted(), nil) {
						return
					}
					current = History{Key: e.key, Versions: []Version{e.version}}
				}
				if !ok {
					break
				}
			}
			next, nextVersion := out.NextKeyMarker, out.NextVersionIdMarker
			more := aws.ToBool(out.IsTruncated)
			if !ok || more && (aws.ToString(next) == "" || len(entries) == 0 ||
				aws.ToString(next) == aws.ToString(key) && aws.ToString(nextVersion) == aws.ToString(version)) {
				yield(History{}, notBelieved("ListObjectVersions"))
				return
			}
			if !more {
				if len(current.Versions) > 0 {
					yield(current.sorted(), nil)
				}
				return
			}
			key, version = next, optional(aws.ToString(nextVersion))
		}
	}
}

// add takes a further version, once: a store may repeat the last one of a page. It is false when there are too many.
func (h *History) add(v Version) bool {
	if !slices.ContainsFunc(h.Versions[max(0, len(h.Versions)-2*page):], func(o Version) bool { return o.ID == v.ID && o.Marker == v.Marker }) {
		h.Versions = append(h.Versions, v)
	}
	return len(h.Versions) <= maxVersions
}

// sorted puts delete markers, which answers list apart, in their place. Versions of the same second keep the store's order.
func (h History) sorted() History {
	slices.SortStableFunc(h.Versions, func(a, b Version) int { return b.Modified.Compare(a.Modified) })
	return h
}

type entry struct {
	key     string
	version Version
}

// entries puts an answer in the order of keys; ok is false when something in it was not asked for.
func (s *Store) entries(out *s3.ListObjectVersionsOutput, prefix string) (all []entry, ok bool) {
	ok = true
	ours := func(k *string) string {
		key, cut := strings.CutPrefix(aws.ToString(k), s.prefix)
		ok = ok && cut && strings.HasPrefix(key, prefix)
		return key
	}
	for _, v := range out.Versions {
		all = append(all, entry{ours(v.Key), Version{ID: aws.ToString(v.VersionId), Size: aws.ToInt64(v.Size), Modified: aws.ToTime(v.LastModified).UTC(), Current: aws.ToBool(v.IsLatest)}})
	}
	inOrder := slices.IsSortedFunc(all, byKey)
	markers := len(all)
	for _, m := range out.DeleteMarkers {
		all = append(all, entry{ours(m.Key), Version{ID: aws.ToString(m.VersionId), Modified: aws.ToTime(m.LastModified).UTC(), Marker: true, Current: aws.ToBool(m.IsLatest)}})
	}
	ok = ok && inOrder && slices.IsSortedFunc(all[markers:], byKey)
	slices.SortStableFunc(all, byKey)
	return all, ok
}

func byKey(a, b entry) int { return cmp.Compare(a.key, b.key) }

func (s *Store) versionsPage(ctx context.Context, prefix string, key, version *string, size int32) (*s3.ListObjectVersionsOutput, error) {
	ctx, cancel := s.within(ctx, 0)
	defer cancel()
	out, err := s.api.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{
		Bucket: s.bucket, Prefix: aws.String(s.prefix + prefix), KeyMarker: key, VersionIdMarker: version, MaxKeys: aws.Int32(size), EncodingType: types.EncodingTypeUrl, ExpectedBucketOwner: s.owner,
	})
	if err != nil {
		return nil, explain(ctx, "ListObjectVersions", err)
	}
	if aws.ToString(out.Name) != *s.bucket {
		return nil, notBelieved("ListObjectVersions")
	}
	ok := decode(out.EncodingType, out.NextKeyMarker)
	for _, v := range out.Versions {
		ok = ok && decode(out.EncodingType, v.Key)
	}
	for _, m := range out.DeleteMarkers {
		ok = ok && decode(out.EncodingType, m.Key)
	}
	if !ok {
		return nil, notBelieved("ListObjectVersions")
	}
	return out, nil
}

// decode undoes the encoding of a key in an answer. It is asked for, so that nobody makes a listing unreadable for good by
// a name under lock with characters that XML cannot hold; stores that do not know it send keys as they are.
func decode(encoding types.EncodingType, key *string) bool {
	if encoding != types.EncodingTypeUrl || key == nil {
		return encoding == "" || encoding == types.EncodingTypeUrl
	}
	plain, err := url.QueryUnescape(*key)
	*key = plain
	return err == nil
}

func notBelieved(op string) error {
	return errs.New(errs.Unavailable, IDListing, "The second account’s store gives a listing that cannot be right: out of order, without end, or of something else.").
		WithFix("Use a store that lists keys in order; what it holds cannot be judged like this.").Wrap(&answer{op: op, reason: "not in order"})
}
