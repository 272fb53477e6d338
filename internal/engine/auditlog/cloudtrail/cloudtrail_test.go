package cloudtrail

import (
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/measure"
)

// TestLooksAreIncremental: what was verified is read again only when listings tell of a change, or its day comes round.
func TestLooksAreIncremental(t *testing.T) {
	w := newWorld(t)
	f := w.look()
	if f.Outcome != measure.Pass {
		t.Fatalf("%s %+v", f.Outcome, f.Failed)
	}
	over := 0 // log files of days that are over
	for _, keys := range w.logs {
		for _, key := range keys {
			if w.aws.buckets[primary].objects[key].modified.Before(time.Now().UTC().Truncate(oneDay).Add(-oneDay)) {
				over++
			}
		}
	}
	if files := f.Facts[FactFiles]; files.Count < int64(over) || files.Count == 0 {
		t.Errorf("%d files verified, of %d", files.Count, over)
	}
	if f.Facts[FactLag].Duration != lagStep || f.Facts[FactTrails].Count != 1 || !f.Facts[FactOldest].Instant.Equal(w.began.Add(time.Hour)) {
		t.Errorf("facts: %+v", f.Facts)
	}
	reads, locks := w.aws.requests("GetObject"), w.aws.requests("GetObjectRetention")
	if w.look().Outcome != measure.Pass || w.aws.requests("GetObject") != reads || w.aws.requests("GetObjectRetention") != locks {
		t.Errorf("%d files were read again, and %d locks", w.aws.requests("GetObject")-reads, w.aws.requests("GetObjectRetention")-locks)
	}

	// An edit of a day that is over is found when the day comes round, and by every server that starts.
	old := w.logs[home][2]
	w.change(primary, old, func(o *stored) { o.body = zipped(t, []byte(`{"Records":[1]}`)) })
	if f := w.look(); f.Outcome != measure.Pass {
		t.Errorf("before its time: %s %+v", f.Outcome, f.Failed)
	}
	if f := w.lookAt(time.Now().Add(again + time.Minute)); !has(f, LogChanged, old) {
		t.Errorf("after a day: %s %+v", f.Outcome, f.Failed)
	}
	w.trails = New()
	if f := w.look(); f.Outcome != measure.Fail || !has(f, LogChanged, old) {
		t.Errorf("after a start: %s %+v", f.Outcome, f.Failed)
	}
	w.change(primary, old, func(o *stored) { o.body = w.aws.buckets[secondary].objects[old].body })
	if f := w.look(); f.Outcome != measure.Pass { // what was wrong is looked at in every run
		t.Errorf("mended: %s %+v", f.Outcome, f.Failed)
	}
}

// TestRetries: a moment of throttling is ridden out.
func TestRetries(t *testing.T) {
	w := newWorld(t)
	w.aws.throttle = 2
	if f := w.look(); f.Outcome != measure.Pass {
		t.Errorf("%s %+v", f.Outcome, f.Failed)
	}
}

// TestBackfill: files that were late are named by a digest beside the chain, and neither breaks it nor counts as added.
func TestBackfill(t *testing.T) {
	w := newWorld(t)
	at := w.began.Add((span - 6) * time.Hour)
	late := w.logFile(home, at, "late")
	d := w.read(w.keys[home][span-2])
	d["logFiles"] = []LogFile{late}
	end := at.Add(70 * time.Minute)
	d["digestEndTime"] = end.Format(time.RFC3339)
	d["digestStartTime"] = at.Format(time.RFC3339)
	key := w.sign(home, d, end, signers()[home+"1"], "_backfill")
	w.replicate()
	if f := w.look(); f.Outcome != measure.Pass {
		t.Errorf("%s %+v", f.Outcome, f.Failed)
	}
	w.remove(primary, key)
	w.remove(secondary, key)
	if f := w.look(); !has(f, LogAdded, late.Object) {
		t.Errorf("named by none: %s %+v", f.Outcome, f.Failed)
	}
}

// TestOrganisation: the accounts of an organisation's trail are found below its prefix, and held to the same.
func TestOrganisation(t *testing.T) {
	w := newWorld(t)
	w.root, w.aws.trail.prefix = "logs/AWSLogs/o-exampleorgid/", "logs"
	w.aws.buckets[primary].objects, w.aws.buckets[secondary].objects = map[string]stored{}, map[string]stored{}
	w.keys, w.logs = map[string][]string{}, map[string][]string{}
	for hour := range span {
		w.deliver(home, hour)
	}
	w.replicate()
	if f := w.look(); f.Outcome != measure.Pass {
		t.Errorf("%s %+v", f.Outcome, f.Failed)
	}
	// The same files where they were not delivered to are not believed.
	objects := map[string]stored{}
	for key, o := range w.aws.buckets[primary].objects {
		objects[strings.TrimPrefix(key, "logs/")] = o
	}
	w.aws.trail.prefix, w.aws.buckets[primary].objects = "", objects
	w.replicate()
	if f := w.look(); f.Outcome != measure.Fail || !has(f, DigestChanged, "belongs at another place") {
		t.Errorf("%s %+v", f.Outcome, f.Failed)
	}
}

// TestDigest holds digests to what the user guide says of them, without any server.
func TestDigest(t *testing.T) {
	w := newWorld(t)
	bucketObjects := w.aws.buckets[primary].objects
	keys := map[string]*rsa.PublicKey{}
	for _, s := range signers() {
		keys[s.fingerprint] = ParsePublicKey(marshalKey(s))
	}
	delete(keys, signers()["nobody"].fingerprint)
	read := func(key string) (*Digest, stored) {
		o := bucketObjects[key]
		d, err := ParseDigest(unzipped(t, o.body))
		if err != nil {
			t.Fatal(err)
		}
		return d, o
	}
	verify := func(d *Digest, key string, o stored) error {
		return d.Verify(primary, key, o.meta["signature"], o.meta["signature-algorithm"], keys)
	}
	for i, key := range w.keys[home] {
		d, o := read(key)
		if err := verify(d, key, o); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		if i == 0 {
			if d.PrevObject != nil {
				t.Error("the first digest names one before")
			}
			continue
		}
		before, bo := read(w.keys[home][i-1])
		if err := verify(before, before.Object, bo); err != nil {
			t.Fatal(err)
		}
		if err := d.Follows(before); err != nil {
			t.Errorf("%s: %v", key, err)
		}
		if err := before.Follows(d); err == nil {
			t.Error("a digest follows the one after it")
		}
	}
	key := w.keys[home][3]
	for name, c := range map[string]struct {
		brk  func(*Digest, *stored)
		want Problem
	}{
		"another key of the bucket": {func(d *Digest, _ *stored) { d.Object += "x" }, DigestChanged},
		"another end":               {func(d *Digest, _ *stored) { d.EndText = "2026-01-01T00:00:00Z" }, BadSignature},
		"another content":           {func(d *Digest, _ *stored) { d.Hash = strings.Repeat("0", 64) }, BadSignature},
		"another digest before":     {func(d *Digest, _ *stored) { s := "00"; d.PrevSig = &s }, BadSignature},
		"no digest before":          {func(d *Digest, _ *stored) { d.PrevSig = nil }, BadSignature},
		"an unknown key":            {func(d *Digest, _ *stored) { d.Fingerprint = signers()["nobody"].fingerprint }, BadSignature},
		"the key of another region": {func(d *Digest, _ *stored) { d.Fingerprint = signers()[abroad+"0"].fingerprint }, BadSignature},
		"another algorithm":         {func(d *Digest, _ *stored) { d.Algorithm = "none" }, BadSignature},
		"another algorithm beside":  {func(_ *Digest, o *stored) { o.meta["signature-algorithm"] = "none" }, BadSignature},
		"no signature":              {func(_ *Digest, o *stored) { delete(o.meta, "signature") }, BadSignature},
		"signature is no hex":       {func(_ *Digest, o *stored) { o.meta["signature"] = "zz" }, BadSignature},
	} {
		d, o := read(key)
		o.meta = maps.Clone(o.meta)
		c.brk(d, &o)
		var wrong *fault
		if err := verify(d, key, o); !errors.As(err, &wrong) || wrong.problem != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBadDigests: nothing that a stranger puts in the place of a digest makes the reader stumble or believe.
func TestBadDigests(t *testing.T) {
	good := map[string]any{
		"digestStartTime": "2026-01-01T00:00:00Z", "digestEndTime": "2026-01-01T01:00:00Z", "digestS3Bucket": "b", "digestS3Object": "o",
		"logFiles": []any{map[string]any{"s3Bucket": "b", "s3Object": "l", "hashValue": strings.Repeat("0", 64), "hashAlgorithm": "SHA-256"}},
	}
	encode := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if _, err := ParseDigest(encode(good)); err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]any{
		"digestStartTime": "2026-01-01T02:00:00Z", "digestEndTime": "yesterday", "digestS3Bucket": "", "digestS3Object": 3, "previousDigestSignature": "00",
		"previousDigestS3Object": "only this", "logFiles": []any{map[string]any{"s3Object": "l", "hashValue": "00", "hashAlgorithm": "SHA-256"}},
	} {
		bad := maps.Clone(good)
		bad[key] = value
		if _, err := ParseDigest(encode(bad)); err == nil {
			t.Errorf("%s %v is read", key, value)
		}
	}
	for _, text := range []string{"", "null", "[]", "{", "\x00", `{"logFiles": {}}`} {
		if _, err := ParseDigest([]byte(text)); err == nil {
			t.Errorf("%q is read", text)
		}
	}
	for _, key := range []string{"", "x", "AWSLogs/1/x.json.gz", "111122223333_CloudTrail-Digest_eu-west-1_audit_eu-west-1_20261399T000000Z.json.gz"} {
		if _, ok := parseDigestKey(key); ok {
			t.Errorf("%q is the name of a digest", key)
		}
	}
	if k, ok := parseDigestKey("a/b/111122223333_CloudTrail-Digest_eu-west-1_my_trail_us-east-1_20260102T030405Z_backfill.json.gz"); !ok || k.trail != "my_trail" || k.home != "us-east-1" || !k.backfill {
		t.Errorf("%+v", k)
	}
}

func FuzzParseDigest(f *testing.F) {
	f.Add([]byte(`{"digestEndTime":"2026-01-01T01:00:00Z","logFiles":[{}]}`))
	f.Fuzz(func(_ *testing.T, text []byte) {
		if d, err := ParseDigest(text); err == nil {
			_ = d.Verify("b", d.Object, "00", signatureAlgorithm, nil)
			_ = fmt.Sprint(parseDigestKey(d.Object))
		}
	})
}
