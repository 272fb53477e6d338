package cloudtrail

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
)

const (
	firstAccount  = "111122223333"
	secondAccount = "444455556666"
	primary       = "ardoise-trail"
	secondary     = "ardoise-copy"
	home          = "eu-west-1"
	abroad        = "us-east-1"
	arn           = "arn:aws:cloudtrail:" + home + ":" + firstAccount + ":trail/audit"
	span          = 60 // hours of log
)

// signer is a key of a region.
type signer struct {
	private     *rsa.PrivateKey
	fingerprint string
}

// signers are made once: two for each region, of which the second takes over half way; and one of nobody.
var signers = sync.OnceValue(func() map[string]signer {
	out := map[string]signer{}
	for i, name := range []string{home + "0", home + "1", abroad + "0", abroad + "1", "nobody"} {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		out[name] = signer{key, fmt.Sprintf("%032x", i+1)}
	}
	return out
})

// world is a trail in one account, replicated into another, as CloudTrail and S3 would have left it.
type world struct {
	t      *testing.T
	aws    *awsServer
	trails *Trails
	estate *estate.Estate
	began  time.Time
	root   string // of keys, before the account

	keys map[string][]string // of digests, by region, upwards
	logs map[string][]string // of log files that digests name, by region
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, root: "AWSLogs/", aws: newAWS(t), trails: New(), keys: map[string][]string{}, logs: map[string][]string{}}
	w.aws.accounts = map[string]account{"AKIAFIRST": {firstAccount, "first/secret"}, "AKIASECOND": {secondAccount, "second+secret"}}
	w.aws.buckets[primary] = &bucket{owner: firstAccount, region: home, objects: map[string]stored{}}
	w.aws.buckets[secondary] = &bucket{owner: secondAccount, region: "eu-central-1", objects: map[string]stored{}}
	w.aws.trail = trailState{arn: arn, home: home, bucket: primary, multi: true, global: true, validated: true, logging: true}
	t.Setenv("CLOUD_TEST_FIRST", "AKIAFIRST:first/secret")
	t.Setenv("CLOUD_TEST_SECOND", "AKIASECOND:second+secret")
	now := time.Now().UTC()
	w.began = now.Add(-span * time.Hour).Add(-10 * time.Minute).Truncate(time.Second)
	for _, region := range []string{home, abroad} {
		half := w.began.Add(span / 2 * time.Hour)
		w.aws.keys[region] = []publicKey{
			{signers()[region+"0"].fingerprint, marshalKey(signers()[region+"0"]), w.began.Add(-time.Hour), half.Add(time.Hour)},
			{signers()[region+"1"].fingerprint, marshalKey(signers()[region+"1"]), half, now.Add(time.Hour)},
		}
		for hour := range span {
			w.deliver(region, hour)
		}
		// Delivered since the last digest, and named by none yet.
		w.logFile(region, now.Add(-8*time.Minute), "pending")
	}
	w.replicate()
	var err error
	w.estate, err = estate.Parse([]byte(w.yaml()), nil)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) yaml() string {
	return fmt.Sprintf(`company: {name: Ardoise, country: BE, languages: [fr, en], time_zone: Europe/Brussels, contact: dpo@ardoise.example}
cloud_logs:
  - name: cloud
    trail: %s
    bucket: %s
    reader: env:CLOUD_TEST_FIRST
    since: %s
    keep: 365d
    max_lag: 15m
    endpoint: %s
    copy: {bucket: %s, account: "%s", region: eu-central-1, reader: env:CLOUD_TEST_SECOND, endpoint: %s}
`, arn, primary, w.began.Format(time.DateOnly), w.aws.URL, secondary, secondAccount, w.aws.URL)
}

func zipped(t testing.TB, plain []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// logFile puts a log file, and returns what a digest says of it.
func (w *world) logFile(region string, at time.Time, id string) LogFile {
	plain := fmt.Appendf(nil, `{"Records":[{"eventID":"%s-%s","awsRegion":"%s"}]}`, id, at.Format(time.RFC3339), region)
	key := w.root + fmt.Sprintf("%s/CloudTrail/%s/%s%s_CloudTrail_%s_%s_%s.json.gz", firstAccount, region, folder(at), firstAccount, region, at.Format("20060102T1504Z"), id)
	w.aws.buckets[primary].objects[key] = stored{body: zipped(w.t, plain), modified: at}
	sum := sha256.Sum256(plain)
	return LogFile{primary, key, hex.EncodeToString(sum[:]), hashAlgorithm}
}

// deliver makes an hour: two log files, of every fifth hour none, and the digest over them.
func (w *world) deliver(region string, hour int) {
	start := w.began.Add(time.Duration(hour) * time.Hour)
	logs := []LogFile{}
	if hour%5 != 4 {
		for i := range 2 {
			f := w.logFile(region, start.Add(time.Duration(20*i+5)*time.Minute), fmt.Sprintf("h%d-%d", hour, i))
			logs = append(logs, f)
			w.logs[region] = append(w.logs[region], f.Object)
		}
	}
	key := signers()[region+"0"]
	if hour >= span/2 {
		key = signers()[region+"1"]
	}
	d := map[string]any{
		"awsAccountId": firstAccount, "digestStartTime": start.Format(time.RFC3339), "digestEndTime": start.Add(time.Hour).Format(time.RFC3339), "digestS3Bucket": primary,
		"digestSignatureAlgorithm": signatureAlgorithm, "newestEventTime": nil, "oldestEventTime": nil, "previousDigestS3Bucket": nil, "previousDigestS3Object": nil,
		"previousDigestHashValue": nil, "previousDigestHashAlgorithm": nil, "previousDigestSignature": nil, "logFiles": logs,
	}
	if n := len(w.keys[region]); n > 0 {
		previous := w.keys[region][n-1]
		o := w.aws.buckets[primary].objects[previous]
		sum := sha256.Sum256(unzipped(w.t, o.body))
		d["previousDigestS3Bucket"], d["previousDigestS3Object"], d["previousDigestHashValue"] = primary, previous, hex.EncodeToString(sum[:])
		d["previousDigestHashAlgorithm"], d["previousDigestSignature"] = hashAlgorithm, o.meta["signature"]
	}
	w.keys[region] = append(w.keys[region], w.sign(region, d, start.Add(time.Hour), key, ""))
}

// sign puts a digest where CloudTrail would, and returns its key.
func (w *world) sign(region string, d map[string]any, end time.Time, by signer, suffix string) string {
	key := w.root + fmt.Sprintf("%s/CloudTrail-Digest/%s/%s%s_CloudTrail-Digest_%s_audit_%s_%s%s.json.gz", firstAccount, region, folder(end), firstAccount, region, home, end.Format("20060102T150405Z"), suffix)
	d["digestS3Object"], d["digestPublicKeyFingerprint"] = key, by.fingerprint
	plain, err := json.Marshal(d)
	if err != nil {
		w.t.Fatal(err)
	}
	previous, _ := d["previousDigestSignature"].(string)
	if previous == "" {
		previous = "null"
	}
	sum := sha256.Sum256(plain)
	signing := sha256.Sum256([]byte(d["digestEndTime"].(string) + "\n" + primary + "/" + key + "\n" + hex.EncodeToString(sum[:]) + "\n" + previous))
	signature, err := rsa.SignPKCS1v15(rand.Reader, by.private, crypto.SHA256, signing[:])
	if err != nil {
		w.t.Fatal(err)
	}
	w.aws.buckets[primary].objects[key] = stored{
		body: zipped(w.t, plain), modified: end.Add(5 * time.Minute),
		meta: map[string]string{"signature": hex.EncodeToString(signature), "signature-algorithm": signatureAlgorithm},
	}
	return key
}

func unzipped(t testing.TB, body []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(z); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// replicate copies what the copy lacks, as S3 replication does: with the time of the original, under lock.
func (w *world) replicate() {
	from, to := w.aws.buckets[primary].objects, w.aws.buckets[secondary].objects
	for key, o := range from {
		if _, there := to[key]; !there {
			o.mode, o.until = "COMPLIANCE", o.modified.Add(365*24*time.Hour+time.Minute)
			to[key] = o
		}
	}
}

// change rewrites one object, of now.
func (w *world) change(bucket, key string, with func(*stored)) {
	objects := w.aws.buckets[bucket].objects
	o, ok := objects[key]
	if !ok {
		w.t.Fatalf("there is no %s", key)
	}
	o.meta = maps.Clone(o.meta)
	with(&o)
	objects[key] = o
}

func (w *world) remove(bucket, key string) {
	if _, ok := w.aws.buckets[bucket].objects[key]; !ok {
		w.t.Fatalf("there is no %s", key)
	}
	delete(w.aws.buckets[bucket].objects, key)
}

// lastOfDay is the last digest of the last day on which another one follows.
func (w *world) lastOfDay(region string) string {
	keys := w.keys[region]
	for i := len(keys) - 2; ; i-- {
		if path.Dir(keys[i]) != path.Dir(keys[i+1]) {
			return keys[i]
		}
	}
}

// recent is a digest of the last day, and a log file that it names.
func (w *world) recent(region string) (digest, log string) {
	keys := w.keys[region]
	for i := len(keys) - 8; ; i++ {
		if d, err := ParseDigest(unzipped(w.t, w.aws.buckets[primary].objects[keys[i]].body)); err != nil {
			w.t.Fatal(err)
		} else if len(d.Logs) > 0 {
			return keys[i], d.Logs[0].Object
		}
	}
}

func (w *world) look() measure.Finding {
	w.t.Helper()
	return w.lookAt(time.Now())
}

func (w *world) lookAt(now time.Time) measure.Finding {
	w.t.Helper()
	return measure.Observe(context.Background(), w.trails.Checks().Cloud, measure.In{Estate: w.estate, Now: now}, slog.New(slog.DiscardHandler))
}

func has(f measure.Finding, p Problem, actual string) bool {
	for _, i := range f.Failed {
		if i.Problem == string(p) && (strings.Contains(i.Actual, actual) || strings.Contains(i.Expected, actual)) {
			return true
		}
	}
	return false
}
