package worm_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/garant-project/garant/internal/engine/auditlog/worm"
	"github.com/garant-project/garant/internal/engine/auditlog/worm/wormtest"
	"github.com/garant-project/garant/internal/errs"
)

func mustPut(t *testing.T, s *worm.Store, key string, data string, now time.Time) {
	t.Helper()
	if err := s.Put(t.Context(), key, []byte(data), now); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

func wantID(t *testing.T, err error, kind errs.Kind, id string) {
	t.Helper()
	e, ok := err.(*errs.Error) //nolint:errorlint // the outermost is what callers show
	if !ok || e.Kind != kind || e.ID != id {
		t.Fatalf("%#v (%v); want kind %d, id %s", err, err, kind, id)
	}
	if e.Fix == "" || strings.Contains(err.Error(), "X-Amz") || strings.Contains(err.Error(), "Signature=") {
		t.Fatalf("%q, fix %q", err, e.Fix)
	}
}

func TestComplianceHolds(t *testing.T) {
	a := wormtest.Start(t)
	w, v, now := a.Writer(), a.Verifier(), time.Now()
	mustPut(t, w, "seg/0001", "first", now)

	o, err := v.Get(t.Context(), "seg/0001", 100)
	if err != nil || string(o.Data) != "first" || o.Version == "" || time.Since(o.Modified).Abs() > time.Minute {
		t.Fatalf("%+v, %v", o, err)
	}
	mode, until, err := v.Retention(t.Context(), "seg/0001")
	if err != nil || mode != worm.Compliance || until.Before(now.Add(wormtest.Keep)) || until.After(now.Add(wormtest.Keep+2*time.Second)) {
		t.Fatalf("retention %q until %v, %v", mode, until, err)
	}
	if on, err := v.LockEnabled(t.Context()); err != nil || !on {
		t.Fatalf("lock %v, %v", on, err)
	}
	wantID(t, func() error { _, err := v.Get(t.Context(), "seg/0001", 4); return err }(), errs.Invalid, worm.IDTooLarge)
	wantID(t, func() error { _, err := v.Get(t.Context(), "seg/0002", 4); return err }(), errs.NotFound, worm.IDObject)
	wantID(t, func() error { _, err := v.GetFirst(t.Context(), "seg/0002", 4); return err }(), errs.NotFound, worm.IDObject)
	wantID(t, func() error { _, _, err := v.Retention(t.Context(), "seg/0002"); return err }(), errs.NotFound, worm.IDObject)
}

// The owner of the second account, with the root's credentials, cannot take back what is under lock.
func TestRootCannotUndo(t *testing.T) {
	a := wormtest.Start(t)
	mustPut(t, a.Writer(), "seg/0001", "first", time.Now())
	v := a.Verifier()
	h, err := v.Versions(t.Context(), "seg/0001")
	if err != nil || len(h.Versions) != 1 {
		t.Fatal(h, err)
	}
	root, bucket, key, version := a.Client(a.Account.Root()), aws.String(a.Bucket()), aws.String("garant/seg/0001"), &h.Versions[0].ID
	retain := func(mode types.ObjectLockRetentionMode, after time.Duration, bypass bool) error {
		_, err := root.PutObjectRetention(t.Context(), &s3.PutObjectRetentionInput{Bucket: bucket, Key: key, VersionId: version, BypassGovernanceRetention: &bypass,
			Retention: &types.ObjectLockRetention{Mode: mode, RetainUntilDate: aws.Time(time.Now().Add(after))}})
		return err
	}
	remove := func(bypass bool) error {
		_, err := root.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: key, VersionId: version, BypassGovernanceRetention: &bypass})
		return err
	}
	for what, do := range map[string]func() error{
		"delete":               func() error { return remove(false) },
		"delete by bypass":     func() error { return remove(true) },
		"shorten":              func() error { return retain(types.ObjectLockRetentionModeCompliance, time.Hour, false) },
		"shorten by bypass":    func() error { return retain(types.ObjectLockRetentionModeCompliance, time.Hour, true) },
		"governance":           func() error { return retain(types.ObjectLockRetentionModeGovernance, wormtest.Keep, false) },
		"governance by bypass": func() error { return retain(types.ObjectLockRetentionModeGovernance, wormtest.Keep+time.Hour, true) },
		"delete the bucket": func() error {
			_, err := root.DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: bucket})
			return err
		},
		"suspend the versions": func() error {
			_, err := root.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusSuspended}})
			return err
		},
		"delete among several": func() error {
			out, err := root.DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: bucket, BypassGovernanceRetention: aws.Bool(true), Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: key, VersionId: version}}}})
			if err == nil && len(out.Errors) == 1 {
				err = fmt.Errorf("%s", aws.ToString(out.Errors[0].Code))
			}
			return err
		},
	} {
		if err := do(); err == nil {
			t.Errorf("%s: the root could", what)
		} else {
			t.Logf("%s: %v", what, err)
		}
	}
	if err := retain(types.ObjectLockRetentionModeCompliance, wormtest.Keep+time.Hour, false); err != nil {
		t.Errorf("lengthening is allowed to all who may set it: %v", err)
	}
	if o, err := v.GetFirst(t.Context(), "seg/0001", 100); err != nil || string(o.Data) != "first" {
		t.Fatalf("%+v, %v", o, err)
	}
}

func TestPutIsOnce(t *testing.T) {
	a := wormtest.Start(t)
	w, v, now := a.Writer(), a.Verifier(), time.Now()
	mustPut(t, w, "seg/0001", "first", now)
	mustPut(t, w, "seg/0001", "first", now) // a retry
	wantID(t, w.Put(t.Context(), "seg/0001", []byte("other"), now), errs.Conflict, worm.IDConflict)
	wantID(t, w.Put(t.Context(), "seg/0001", []byte("first, and more"), now), errs.Conflict, worm.IDConflict)
	wantID(t, w.Put(t.Context(), "seg/0001", nil, now), errs.Conflict, worm.IDConflict)
	if h, err := v.Versions(t.Context(), "seg/0001"); err != nil || len(h.Versions) != 1 || h.Overwritten() || h.Marked() {
		t.Fatalf("%+v, %v", h, err)
	}

	// A later retry lengthens the lock to what was asked for.
	mustPut(t, w, "seg/0001", "first", now.Add(time.Hour))
	if _, until, err := v.Retention(t.Context(), "seg/0001"); err != nil || until.Before(now.Add(wormtest.Keep+time.Hour)) {
		t.Fatalf("until %v, %v", until, err)
	}
	// What was put without lock comes under it.
	_, err := a.Client(a.Account.Root()).PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(a.Bucket()), Key: aws.String("garant/seg/0002"), Body: strings.NewReader("second")})
	if err != nil {
		t.Fatal(err)
	}
	if mode, _, err := v.Retention(t.Context(), "seg/0002"); err != nil || mode != "" {
		t.Fatalf("mode %q, %v: want none", mode, err)
	}
	mustPut(t, w, "seg/0002", "second", now)
	if mode, until, err := v.Retention(t.Context(), "seg/0002"); err != nil || mode != worm.Compliance || until.Before(now.Add(wormtest.Keep)) {
		t.Fatalf("mode %q until %v, %v", mode, until, err)
	}

	// Without a reader, a writer that may not read says so, and nothing is lost.
	blind := wormtest.Open(t, a.Config(a.Account.Writer()))
	wantID(t, blind.Put(t.Context(), "seg/0001", []byte("first"), now), errs.Conflict, worm.IDUncompared)

	empty, large := []byte{}, bytes.Repeat([]byte("0123456789abcdef"), 300_000) // 4.8 MB: with Expect: 100-continue
	for key, data := range map[string][]byte{"seg/empty": empty, "seg/large": large} {
		if err := w.Put(t.Context(), key, data, now); err != nil {
			t.Fatal(key, err)
		}
		if o, err := v.GetFirst(t.Context(), key, int64(len(data))); err != nil || !bytes.Equal(o.Data, data) {
			t.Fatal(key, len(o.Data), err)
		}
	}
	wantID(t, w.Put(t.Context(), "seg/huge", make([]byte, worm.MaxPut+1), now), errs.Invalid, worm.IDTooLarge)
	for _, key := range []string{"", "/a", "a//b", "a/../b", "a b", "a/", "é", "..", strings.Repeat("a", 1020)} {
		wantID(t, w.Put(t.Context(), key, nil, now), errs.Invalid, worm.IDInvalid)
	}
	wantID(t, func() error {
		c := a.Config(a.Account.Writer())
		c.Keep = 0
		return wormtest.Open(t, c).Put(t.Context(), "a", nil, now)
	}(), errs.Invalid, worm.IDInvalid)
}

// Two servers put the same round, at once: one content stays, and whoever brought the other is told.
func TestTwoWriters(t *testing.T) {
	a := wormtest.Start(t)
	stores := []*worm.Store{a.Writer(), a.Writer(), a.Writer(), a.Writer()}
	for round := range 20 {
		key, results := fmt.Sprintf("seg/%04d", round), make(chan error)
		for i, s := range stores {
			go func() { results <- s.Put(t.Context(), key, fmt.Appendf(nil, "content %d", i%2), time.Now()) }()
		}
		won := 0
		for range stores {
			if err := <-results; err == nil {
				won++
			} else {
				wantID(t, err, errs.Conflict, worm.IDConflict)
			}
		}
		if won != 2 {
			t.Fatalf("round %d: %d of 4 writers were told that theirs is there; want the 2 with the same content", round, won)
		}
	}
	for h, err := range a.Verifier().Histories(t.Context(), "seg/", "") {
		if err != nil || len(h.Versions) != 1 {
			t.Fatal(h, err)
		}
	}
}

func TestFirstVersionCounts(t *testing.T) {
	a := wormtest.Start(t)
	w, v, now := a.Writer(), a.Verifier(), time.Now()
	root, bucket := a.Client(a.Account.Root()), aws.String(a.Bucket())
	for i := range 5 {
		mustPut(t, w, fmt.Sprintf("seg/%04d", i), fmt.Sprint("content ", i), now)
	}
	overwrite := func(key, data string) {
		t.Helper()
		if _, err := root.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: aws.String("garant/" + key), Body: strings.NewReader(data)}); err != nil {
			t.Fatal(err)
		}
	}
	hide := func(key string) {
		t.Helper()
		if _, err := root.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String("garant/" + key)}); err != nil {
			t.Fatal(err)
		}
	}
	overwrite("seg/0001", "false")
	overwrite("seg/0001", "falser")
	hide("seg/0003")
	hide("seg/0004")
	overwrite("seg/0004", "false")
	hide("seg/0004")

	plain := ""
	for item, err := range v.List(t.Context(), "seg/", "") {
		if err != nil {
			t.Fatal(err)
		}
		plain += item.Key + " "
	}
	if plain != "seg/0000 seg/0001 seg/0002 " {
		t.Fatalf("a plain reader sees %q", plain)
	}
	seen := ""
	for h, err := range v.Histories(t.Context(), "seg/", "seg/0000") {
		if err != nil {
			t.Fatal(err)
		}
		seen += fmt.Sprintf("%s %d %v %v, ", h.Key, len(h.Versions), h.Overwritten(), h.Marked())
	}
	if want := "seg/0001 3 true false, seg/0002 1 false false, seg/0003 2 false true, seg/0004 4 true true, "; seen != want {
		t.Fatalf("histories %q\nwant %q", seen, want)
	}
	for i := range 5 {
		key := fmt.Sprintf("seg/%04d", i)
		o, err := v.GetFirst(t.Context(), key, 100)
		if err != nil || string(o.Data) != fmt.Sprint("content ", i) || o.History.Key != key {
			t.Fatalf("%s: %+v, %v", key, o, err)
		}
		if mode, _, err := v.Retention(t.Context(), key); err != nil || mode != worm.Compliance {
			t.Fatal(key, mode, err)
		}
	}
	if _, err := v.Get(t.Context(), "seg/0003", 100); !errs.Is(err, errs.NotFound) {
		t.Fatalf("a plain reader does not see what is marked: %v", err)
	}
	if last, ok, err := v.Latest(t.Context(), "seg/"); err != nil || !ok || last.Key != "seg/0004" || !last.Marked() {
		t.Fatalf("latest %+v %v %v: a delete marker must not hide it", last, ok, err)
	}
	// Over a marker a store takes the object anew. The history keeps both, the first one counts.
	if err := w.Put(t.Context(), "seg/0003", []byte("other"), now); err != nil {
		wantID(t, err, errs.Conflict, worm.IDConflict)
	}
	if o, err := v.GetFirst(t.Context(), "seg/0003", 100); err != nil || string(o.Data) != "content 3" {
		t.Fatalf("%+v, %v", o, err)
	}
	// One key has more versions than a page.
	if testing.Short() {
		return
	}
	for i := range 1100 {
		overwrite("seg/0002", fmt.Sprint("false ", i))
	}
	o, err := v.GetFirst(t.Context(), "seg/0002", 100)
	if err != nil || string(o.Data) != "content 2" || len(o.History.Versions) != 1101 {
		t.Fatalf("%s of %d versions, %v", o.Data, len(o.History.Versions), err)
	}
}

func TestWriterLimits(t *testing.T) {
	a := wormtest.Start(t)
	limits := func(s *worm.Store) worm.Limits {
		t.Helper()
		l, err := s.TryWriterLimits(t.Context(), "canary", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		o, err := a.Verifier().GetFirst(t.Context(), l.Key, 1000)
		if err != nil || o.Version != l.Version || !strings.HasPrefix(string(o.Data), "canary of") {
			t.Fatalf("the canary afterwards: %+v, %v", o, err)
		}
		if mode, _, err := a.Verifier().Retention(t.Context(), l.Key); err != nil || mode != worm.Compliance {
			t.Fatal(mode, err)
		}
		return l
	}
	l := limits(wormtest.Open(t, a.Config(a.Account.Writer())))
	if !l.Held() || l.MayRead || l.MayList || fmt.Sprint(l.Weak) != "[overwrite]" {
		t.Fatalf("the writer: %+v", l)
	}
	l = limits(a.Root())
	if !l.Held() || !l.MayRead || !l.MayList || fmt.Sprint(l.Weak) != "[overwrite place_marker]" {
		t.Fatalf("the root: %+v", l)
	}
	if _, err := a.Verifier().TryWriterLimits(t.Context(), "canary", time.Now()); !errs.Is(err, errs.Denied) {
		t.Fatalf("the verifier may put: %v", err)
	}
	wantID(t, func() error {
		_, err := wormtest.Open(t, a.Config(a.Account.Writer())).Get(t.Context(), "canary", 1)
		return err
	}(), errs.Denied, worm.IDDenied)

	// On a bucket without lock nothing of it is taken for held.
	if err := a.NewBucket(t.Context(), "without-lock", false); err != nil {
		t.Fatal(err)
	}
	c := a.Config(a.Account.Root())
	c.Bucket = "without-lock"
	if _, err := wormtest.Open(t, c).TryWriterLimits(t.Context(), "canary", time.Now()); err == nil {
		t.Fatal("limits of a bucket without lock")
	} else {
		wantID(t, err, errs.Invalid, worm.IDNoLock)
	}
}

func TestOtherAccounts(t *testing.T) {
	a := wormtest.Start(t)
	now := time.Now()
	mustPut(t, a.Writer(), "seg/0001", "first", now)
	with := func(change func(*worm.Config)) *worm.Store {
		c := a.Config(a.Account.Root())
		change(&c)
		return wormtest.Open(t, c)
	}
	put := func(s *worm.Store) error { return s.Put(t.Context(), "seg/0009", []byte("x"), now) }
	get := func(s *worm.Store) error { _, err := s.Get(t.Context(), "seg/0001", 10); return err }
	if err := get(with(func(c *worm.Config) { c.Owner = a.Account.Root().AccessKey })); err != nil {
		t.Fatal("the right owner:", err)
	}
	wantID(t, get(with(func(c *worm.Config) { c.Owner = "123456789012" })), errs.Denied, worm.IDDenied)
	wantID(t, put(with(func(c *worm.Config) { c.Owner = "123456789012" })), errs.Denied, worm.IDDenied)
	for _, s := range []*worm.Store{
		with(func(c *worm.Config) { c.SecretKey += "x" }),
		with(func(c *worm.Config) { c.AccessKey = "AKIANOSUCHKEY0000000" }),
	} {
		wantID(t, put(s), errs.Denied, worm.IDCredentials)
		wantID(t, get(s), errs.Denied, worm.IDCredentials)
		if _, err := s.LockEnabled(t.Context()); !errs.Is(err, errs.Denied) {
			t.Fatal(err)
		}
		if strings.Contains(put(s).Error(), a.Account.Root().SecretKey) {
			t.Fatal("the secret is in the error")
		}
	}
	missing := with(func(c *worm.Config) { c.Bucket = "no-such-bucket" })
	wantID(t, put(missing), errs.NotFound, worm.IDBucket)
	for _, err := range missing.List(t.Context(), "", "") {
		wantID(t, err, errs.NotFound, worm.IDBucket)
	}
	if err := a.NewBucket(t.Context(), "without-lock", false); err != nil {
		t.Fatal(err)
	}
	unlocked := with(func(c *worm.Config) { c.Bucket = "without-lock" })
	wantID(t, put(unlocked), errs.Invalid, worm.IDNoLock)
	if on, err := unlocked.LockEnabled(t.Context()); err != nil || on {
		t.Fatal(on, err)
	}
	wantID(t, put(with(func(c *worm.Config) { c.Region = "us-west-1" })), errs.Invalid, worm.IDRegion)
	verifier := a.Verifier()
	wantID(t, put(verifier), errs.Denied, worm.IDDenied)
	if text := fmt.Sprintf("%v %+v %#v", a.Config(a.Account.Root()), a.Config(a.Account.Root()), a.Config(a.Account.Root())); strings.Contains(text, a.Account.Root().SecretKey) {
		t.Fatal(text)
	}
}
