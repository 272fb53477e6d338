package cloudtrail

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/measuretest"
)

// fault breaks the world under the lock of its server, and mends it by putting back all that was there.
func (w *world) fault(name string, p Problem, brk func()) measuretest.Fault {
	type before struct {
		buckets map[string]*bucket
		trail   trailState
		keys    map[string][]publicKey
	}
	var was before
	want := measure.Fail
	if p.Blind() {
		want = measure.Error
	}
	return measuretest.Fault{
		Name: name, Want: want, Item: measure.Item{Target: "cloud", Problem: string(p)},
		Break: func(testing.TB) {
			w.aws.mu.Lock()
			defer w.aws.mu.Unlock()
			was = before{map[string]*bucket{}, w.aws.trail, maps.Clone(w.aws.keys)}
			for name, b := range w.aws.buckets {
				kept := *b
				kept.objects = maps.Clone(b.objects)
				was.buckets[name] = &kept
			}
			brk()
		},
		Mend: func(testing.TB) {
			w.aws.mu.Lock()
			defer w.aws.mu.Unlock()
			w.aws.buckets, w.aws.trail, w.aws.keys = was.buckets, was.trail, was.keys
			w.aws.denied, w.aws.throttle, w.aws.skew, w.aws.down = "", 0, 0, false
			w.t.Setenv("CLOUD_TEST_FIRST", "AKIAFIRST:first/secret")
		},
	}
}

func (w *world) faults() Set[[]measuretest.Fault] {
	digest, log := w.recent(home)
	far, farLog := w.recent(abroad)
	newest := w.keys[home][len(w.keys[home])-1]
	edited := func(o *stored) { o.body, o.modified = zipped(w.t, []byte(`{"Records":[]}`)), time.Now() }
	var budget int
	var transport http.RoundTripper
	trail := &w.aws.trail
	return Set[[]measuretest.Fault]{
		slices.Concat(w.copyFaults(log, digest), []measuretest.Fault{
			w.fault("a wrong secret key", BadCredentials, func() { w.aws.accounts["AKIAFIRST"] = account{firstAccount, "rotated"} }),
			w.fault("no key at all", BadCredentials, func() { w.t.Setenv("CLOUD_TEST_FIRST", "AKIAFIRST") }),
			w.fault("trails may not be described", Denied, func() { w.aws.denied = "DescribeTrails" }),
			w.fault("keys may not be listed", Denied, func() { w.aws.denied, w.trails.memory = "ListPublicKeys", map[string]*memory{} }),
			w.fault("the bucket may not be listed", Denied, func() { w.aws.denied = "ListBucket" }),
			w.fault("locks may not be read", Denied, func() { w.aws.denied, w.trails.memory = "GetObjectRetention", map[string]*memory{} }),
			w.fault("the copy belongs to another account", Denied, func() { w.aws.buckets[secondary].owner = "777788889999" }),
			w.fault("throttled again and again", Throttled, func() { w.aws.throttle = -1 }),
			w.fault("AWS is down", Unreachable, func() { w.aws.down = true }),
			w.fault("our clock is two minutes late", Clock, func() { w.aws.skew = 2 * time.Minute }),
			w.fault("our clock is an hour late", Clock, func() { w.aws.skew = time.Hour }),
			w.fault("a gzip bomb among the log files", Oversized, func() { w.change(primary, log, func(o *stored) { o.body, o.modified = bomb(w.t), time.Now() }) }),
			w.fault("no time for older days", Unfinished, func() {
				budget, w.trails.budget, w.trails.memory = w.trails.budget, -1, map[string]*memory{}
			}),
			w.fault("the check itself fails", CheckBroken, func() {
				transport, w.trails.http = w.trails.http, panicking{}
			}),
			w.fault("the trail is deleted", NoTrail, func() { trail.gone = true }),
			w.fault("logging is stopped", Stopped, func() { trail.logging = false }),
			w.fault("validation is switched off", ValidationOff, func() { trail.validated = false }),
			w.fault("one region alone", OneRegion, func() { trail.multi = false }),
			w.fault("no global events", NoGlobal, func() { trail.global = false }),
			w.fault("the trail delivers elsewhere", Elsewhere, func() { trail.bucket = "attackers-bucket" }),
			w.fault("log files are not delivered", NotDelivered, func() { trail.deliveryError = "AccessDenied" }),
			w.fault("digests are not delivered", NotDelivered, func() { trail.digestDeliveryError = "NoSuchBucket" }),
			w.fault("the bucket is deleted", NoBucket, func() { delete(w.aws.buckets, primary) }),
			w.fault("no digest for four hours", NoDigest, func() {
				for _, key := range w.keys[home][span-4:] {
					w.remove(primary, key)
					w.remove(secondary, key)
				}
			}),
			w.fault("no digest at all", NoDigest, func() { w.aws.buckets[primary].objects, w.aws.buckets[secondary].objects = nil, nil }),
			w.fault("the first three days are gone from both", NotKept, func() { w.estate.CloudLogs[0].Since = w.began.Add(-72 * time.Hour).Truncate(oneDay) }),
			w.fault("logging was off for two hours", Gap, func() { w.rechain(home, 2*time.Hour, true) }),
			w.fault("a digest covers not all since the one before", Gap, func() { w.rechain(home, time.Hour, false) }),
			w.fault("a digest is deleted", DigestMissing, func() { w.remove(primary, digest) }),
			w.fault("a digest is deleted in both", DigestMissing, func() { w.remove(primary, digest); w.remove(secondary, digest) }),
			w.fault("the newest digest is deleted", DigestMissing, func() { w.remove(primary, newest) }),
			w.fault("all of a region is deleted", DigestMissing, func() {
				maps.DeleteFunc(w.aws.buckets[primary].objects, func(key string, _ stored) bool { return strings.Contains(key, abroad) })
			}),
			w.fault("a digest is no digest", DigestChanged, func() { w.change(primary, far, edited) }),
			w.fault("a digest was moved", DigestChanged, func() {
				older := w.aws.buckets[primary].objects[w.keys[home][span-20]]
				w.change(primary, digest, func(o *stored) { o.body, o.meta, o.modified = older.body, older.meta, time.Now() })
			}),
			w.fault("a digest names one log file less", BadSignature, func() { w.forge(home, digest, signers()[home+"1"], true) }),
			w.fault("a digest signed by somebody else", BadSignature, func() { w.forge(home, digest, signers()["nobody"], false) }),
			w.fault("a digest without signature", BadSignature, func() { w.change(primary, digest, func(o *stored) { o.meta, o.modified = nil, time.Now() }) }),
			w.fault("a log file is deleted", LogMissing, func() { w.remove(primary, farLog) }),
			w.fault("a log file is deleted in both", LogMissing, func() { w.remove(primary, log); w.remove(secondary, log) }),
			w.fault("a log file is edited", LogChanged, func() { w.change(primary, log, edited) }),
			w.fault("a log file is edited in both", LogChanged, func() { w.change(primary, log, edited); w.change(secondary, log, edited) }),
			w.fault("a log file has something behind its end", LogChanged, func() {
				w.change(primary, log, func(o *stored) { o.body, o.modified = append(slices.Clone(o.body), "more"...), time.Now() })
			}),
			w.fault("a log file is added", LogAdded, func() {
				w.logFile(home, time.Now().UTC().Add(-3*time.Hour), "forged")
				w.replicate()
			}),
		}),
	}.restored(func() {
		if budget != 0 {
			w.trails.budget, budget = budget, 0
		}
		if transport != nil {
			w.trails.http, transport = transport, nil
		}
		w.aws.accounts["AKIAFIRST"] = account{firstAccount, "first/secret"}
		w.estate.CloudLogs[0].Since, _ = time.Parse(time.DateOnly, w.began.Format(time.DateOnly))
	})
}

func (w *world) copyFaults(log, digest string) []measuretest.Fault {
	_, farLog := w.recent(abroad)
	last := w.logs[home][len(w.logs[home])-1]
	return []measuretest.Fault{
		w.fault("a log file is missing from the copy", CopyMissing, func() { w.remove(secondary, log) }),
		w.fault("a digest is missing from the copy", CopyMissing, func() { w.remove(secondary, digest) }),
		w.fault("the last digest of a day is missing from the copy", CopyMissing, func() { w.remove(secondary, w.lastOfDay(home)) }),
		w.fault("replication stopped", CopyLate, func() {
			at := w.aws.buckets[primary].objects[last].modified
			maps.DeleteFunc(w.aws.buckets[secondary].objects, func(key string, o stored) bool { return !o.modified.Before(at) })
		}),
		w.fault("the copy of a log file differs", CopyDifferent, func() {
			w.change(secondary, farLog, func(o *stored) { o.body, o.modified = zipped(w.t, []byte(`{}`)), time.Now() })
		}),
		w.fault("the copy of a digest differs", CopyDifferent, func() { w.change(secondary, digest, func(o *stored) { o.body, o.modified = []byte("?"), time.Now() }) }),
		w.fault("a copy was put again without a lock", CopyUnlocked, func() { w.change(secondary, log, func(o *stored) { o.mode, o.modified = "", time.Now() }) }),
		w.fault("a copy under a lock that administrators lift", CopyUnlocked, func() { w.change(secondary, digest, func(o *stored) { o.mode, o.modified = "GOVERNANCE", time.Now() }) }),
		w.fault("a copy is locked for a month", CopyShort, func() {
			w.change(secondary, log, func(o *stored) { o.until, o.modified = time.Now().Add(30*24*time.Hour), time.Now() })
		}),
		w.fault("the copy is deleted", NoBucket, func() { delete(w.aws.buckets, secondary) }),
	}
}

// restored has something more done when a fault is mended.
func (s Set[T]) restored(after func()) Set[T] {
	if faults, ok := any(s.Cloud).([]measuretest.Fault); ok {
		for i := range faults {
			mend := faults[i].Mend
			faults[i].Mend = func(t testing.TB) { mend(t); after() }
		}
	}
	return s
}

type panicking struct{}

func (panicking) RoundTrip(*http.Request) (*http.Response, error) { panic("a fault of ours") }

// bomb is more than the bound in less than a megabyte.
func bomb(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	block := make([]byte, 1<<20)
	for range maxLogPlain>>20 + 1 {
		if _, err := z.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// read gives a digest as a map.
func (w *world) read(key string) map[string]any {
	var d map[string]any
	if err := json.Unmarshal(unzipped(w.t, w.aws.buckets[primary].objects[key].body), &d); err != nil {
		w.t.Fatal(err)
	}
	return d
}

// forge rewrites a digest without its first log file: keep leaves the signature that it had, else it is signed by the given key.
func (w *world) forge(region, key string, by signer, keep bool) {
	was := w.aws.buckets[primary].objects[key]
	d := w.read(key)
	d["logFiles"] = d["logFiles"].([]any)[1:] //nolint:forcetypeassert // made above
	k, _ := parseDigestKey(key)
	w.sign(region, d, k.end, by, "")
	w.change(primary, key, func(o *stored) {
		o.modified = time.Now()
		if keep {
			o.meta = was.meta
		}
	})
}

// rechain makes the newest digest again with AWS's own key: it begins later, and as a new chain if it is one.
func (w *world) rechain(region string, later time.Duration, anew bool) {
	key := w.keys[region][span-1]
	d := w.read(key)
	k, _ := parseDigestKey(key)
	d["digestStartTime"] = k.end.Add(-time.Hour + min(later, 50*time.Minute)).Format(time.RFC3339)
	if anew {
		for _, f := range []string{"S3Bucket", "S3Object", "HashValue", "HashAlgorithm", "Signature"} {
			d["previousDigest"+f] = nil
		}
	}
	w.sign(region, d, k.end, signers()[region+"1"], "")
	w.change(primary, key, func(o *stored) { o.modified = time.Now() })
	delete(w.aws.buckets[secondary].objects, key)
	w.replicate()
}

func TestFaults(t *testing.T) {
	w := newWorld(t)
	for i, check := range w.trails.Checks().All() {
		t.Run(check.ID, func(t *testing.T) {
			w.t = t
			measuretest.Run(t, measuretest.Subject{Check: check, Estate: w.estate, Faults: w.faults().All()[i]})
		})
	}
}

func TestEveryProblemHasAFault(t *testing.T) {
	w := newWorld(t)
	shown := map[string]bool{}
	for _, faults := range w.faults().All() {
		for _, f := range faults {
			shown[f.Item.Problem] = true
		}
	}
	for _, p := range Problems() {
		if !shown[string(p)] {
			t.Errorf("no fault brings about %s", p)
		}
	}
}

func TestWords(t *testing.T) {
	measuretest.Words(t, Messages(), Problems(), New().Checks().All()...)
	measuretest.Listed(t, Problems())
}
