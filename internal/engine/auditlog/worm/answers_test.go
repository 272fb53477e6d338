package worm_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/engine/auditlog/worm"
	"github.com/garant-project/garant/internal/engine/auditlog/worm/wormtest"
	"github.com/garant-project/garant/internal/errs"
)

const testSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" //nolint:gosec // the example of Amazon's manual

// front is a local server that answers in S3's wire format, where a real one does not answer like this when asked to:
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html and the pages of each operation there.
func front(t *testing.T, handle http.HandlerFunc) (*worm.Store, *atomic.Int64) {
	t.Helper()
	n := new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		handle(w, r)
	}))
	t.Cleanup(server.Close)
	return wormtest.Open(t, worm.Config{Endpoint: server.URL, Region: "eu-west-3", Bucket: "bucket", PathStyle: true,
		AccessKey: "AKIAIOSFODNN7EXAMPLE", SecretKey: testSecret, Keep: time.Hour, Timeout: 30 * time.Second}), n
}

func refuse(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("X-Amz-Request-Id", "4442587FB7D0A2F9")
	w.WriteHeader(status)
	type answer struct {
		XMLName   xml.Name `xml:"Error"`
		Code      string
		Message   string
		Resource  string
		RequestID string `xml:"RequestId"`
	}
	if code != "" {
		xml.NewEncoder(w).Encode(answer{Code: code, Message: message, Resource: "/bucket/key", RequestID: "4442587FB7D0A2F9"})
	}
}

func accept(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	w.Header().Set("ETag", `"9b2cf535f27731c974343645a3985328"`)
	w.Header().Set("X-Amz-Version-Id", "3HL4kqtJlcpXroDTDmJ.rmSpXd3dIbrHY")
}

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance-guidelines.html: 503 Slow Down, to be tried
// again with exponential back-off and jitter.
func TestThrottling(t *testing.T) {
	var busy atomic.Int64
	s, n := front(t, func(w http.ResponseWriter, r *http.Request) {
		if busy.Add(-1) >= 0 {
			refuse(w, r, http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate.")
			return
		}
		accept(w, r)
	})
	busy.Store(2)
	if err := s.Put(t.Context(), "key", []byte("data"), time.Now()); err != nil || n.Load() != 3 {
		t.Fatalf("%v after %d requests", err, n.Load())
	}
	busy.Store(1000)
	n.Store(0)
	wantID(t, s.Put(t.Context(), "key", []byte("data"), time.Now()), errs.Unavailable, worm.IDThrottled)
	if n.Load() != 5 {
		t.Fatalf("%d attempts", n.Load())
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := s.Put(ctx, "key", []byte("data"), time.Now())
	if took := time.Since(start); took > 500*time.Millisecond || !errs.Is(err, errs.Unavailable) {
		t.Fatalf("%v after %v: waiting must end with the context", err, took)
	}
	wantID(t, err, errs.Unavailable, worm.IDThrottled) // what it was waiting for is not forgotten
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		status        int
		code, message string
		kind          errs.Kind
		id            string
	}{
		{403, "InvalidAccessKeyId", "The AWS access key ID that you provided does not exist in our records.", errs.Denied, worm.IDCredentials},
		{403, "SignatureDoesNotMatch", "", errs.Denied, worm.IDCredentials},
		{400, "ExpiredToken", "", errs.Denied, worm.IDCredentials},
		{403, "AccessDenied", "User: arn:aws:iam::111122223333:user/writer is not authorized to perform: s3:PutObject", errs.Denied, worm.IDDenied},
		{403, "", "", errs.Denied, worm.IDDenied},
		{404, "NoSuchBucket", "The specified bucket does not exist", errs.NotFound, worm.IDBucket},
		{400, "InvalidRequest", "Bucket is missing Object Lock Configuration", errs.Invalid, worm.IDNoLock},
		{400, "InvalidRequest", "something else", errs.Unavailable, worm.IDUnknown},
		{403, "RequestTimeTooSkewed", "The difference between the request time and the server's time is too large.", errs.Unavailable, worm.IDClock},
		{301, "PermanentRedirect", "The bucket you are attempting to access must be addressed using the specified endpoint.", errs.Invalid, worm.IDRegion},
		{400, "AuthorizationHeaderMalformed", "the region 'eu-west-3' is wrong; expecting 'eu-central-1'", errs.Invalid, worm.IDRegion},
		{429, "", "", errs.Unavailable, worm.IDThrottled},
		{503, "SlowDownWrite", "Resource requested is unwritable, please reduce your request rate", errs.Unavailable, worm.IDThrottled},
		{507, "InsufficientStorage", "No space left on device.", errs.Unavailable, worm.IDFull},
		{507, "XMinioStorageFull", "Storage backend has reached its minimum free drive threshold.", errs.Unavailable, worm.IDFull},
		{403, "QuotaExceeded", "Your request was denied due to quota exceeded.", errs.Unavailable, worm.IDFull},
		{400, "BadDigest", "The Content-MD5 or checksum value that you specified did not match what the server received.", errs.Unavailable, worm.IDDamaged},
		{500, "InternalError", "An internal error occurred. Try again.", errs.Unavailable, worm.IDFailed},
		{503, "ServiceUnavailable", "Reduce your request rate.", errs.Unavailable, worm.IDFailed},
		{502, "", "", errs.Unavailable, worm.IDFailed},
		{418, "Teapot", "", errs.Unavailable, worm.IDUnknown},
	} {
		t.Run(fmt.Sprint(c.status, c.code), func(t *testing.T) {
			t.Parallel() // they mostly wait between attempts
			s, _ := front(t, func(w http.ResponseWriter, r *http.Request) {
				if c.status == 301 {
					w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
				}
				refuse(w, r, c.status, c.code, c.message)
			})
			err := s.Put(t.Context(), "key", []byte("data"), time.Now())
			wantID(t, err, c.kind, c.id)
			if c.message != "" && strings.Contains(err.Error(), c.message) {
				t.Errorf("%v repeats what the store said", err)
			}
		})
	}
}

// A store that repeats what it was sent gets none of it into our errors and logs.
func TestNoSecretsInErrors(t *testing.T) {
	s, _ := front(t, func(w http.ResponseWriter, r *http.Request) {
		said := r.Header.Get("Authorization") + " " + testSecret
		refuse(w, r, http.StatusForbidden, said, said)
	})
	for what, err := range map[string]error{
		"put":    s.Put(t.Context(), "key", []byte("data"), time.Now()),
		"get":    func() error { _, err := s.Get(t.Context(), "key", 1); return err }(),
		"latest": func() error { _, _, err := s.Latest(t.Context(), "key"); return err }(),
		"lock":   func() error { _, err := s.LockEnabled(t.Context()); return err }(),
	} {
		text := fmt.Sprintf("%v %+v", err, err)
		for ; err != nil; err = unwrap(err) {
			text += err.Error()
		}
		if text == "" || strings.Contains(text, testSecret) || strings.Contains(text, "AKIA") || strings.Contains(text, "Credential") || strings.Contains(text, "127.0.0.1") {
			t.Errorf("%s: %s", what, text)
		}
	}
}

func unwrap(err error) error {
	u, ok := err.(interface{ Unwrap() error }) //nolint:errorlint // each link of the chain
	if !ok {
		return nil
	}
	return u.Unwrap()
}

func listing(versions, rest string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name>` + versions + rest + `</ListVersionsResult>`
}

func versionOf(key string) string {
	return `<Version><Key>` + key + `</Key><VersionId>` + key + `-v</VersionId><IsLatest>true</IsLatest><LastModified>2026-03-01T00:00:00.000Z</LastModified><Size>4</Size></Version>`
}

// Listings that a store must not give are errors, never an end.
func TestListings(t *testing.T) {
	const more = `<IsTruncated>true</IsTruncated><NextKeyMarker>seg/2</NextKeyMarker><NextVersionIdMarker>seg/2-v</NextVersionIdMarker>`
	for name, body := range map[string]string{
		"out of order":        listing(versionOf("seg/2")+versionOf("seg/1"), ""),
		"without end":         listing(versionOf("seg/1")+versionOf("seg/2"), more),
		"without a marker":    listing(versionOf("seg/1"), `<IsTruncated>true</IsTruncated>`),
		"empty and unended":   listing("", more),
		"nobody asked for it": listing(versionOf("other/1"), ""),
		"of another bucket":   strings.Replace(listing(versionOf("seg/1"), ""), ">bucket<", ">other<", 1),
		"no listing":          "<html>Welcome</html>",
	} {
		s, _ := front(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, body) })
		n := 0
		var last error
		for _, err := range s.Histories(t.Context(), "seg/", "") {
			if last = err; err != nil {
				break
			}
			if n++; n > 100 {
				t.Fatalf("%s: no end", name)
			}
		}
		wantID(t, last, errs.Unavailable, worm.IDListing)
	}
	s, _ := front(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name><IsTruncated>false</IsTruncated><Contents><Key>seg/2</Key></Contents><Contents><Key>seg/1</Key></Contents></ListBucketResult>`)
	})
	var last error
	for _, last = range s.List(t.Context(), "seg/", "") {
	}
	wantID(t, last, errs.Unavailable, worm.IDListing)
}

// A name that XML cannot hold, put under lock by a stolen writer, does not make the listing unreadable.
func TestStrangeNames(t *testing.T) {
	s, _ := front(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("encoding-type") != "url" {
			io.WriteString(w, listing(versionOf("seg/&#x1;"), ""))
			return
		}
		if r.URL.Query().Get("key-marker") >= "seg/\x01 +" {
			io.WriteString(w, listing(versionOf("seg/2"), "<EncodingType>url</EncodingType>"))
			return
		}
		io.WriteString(w, listing(versionOf("seg/%01+%2B"), "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextKeyMarker>seg/%01+%2B</NextKeyMarker><NextVersionIdMarker>v</NextVersionIdMarker>"))
	})
	keys := ""
	for h, err := range s.Histories(t.Context(), "seg/", "") {
		if err != nil {
			t.Fatal(err)
		}
		keys += fmt.Sprintf("%q ", h.Key)
	}
	if keys != `"seg/\x01 +" "seg/2" ` {
		t.Fatal(keys)
	}
	if last, ok, err := s.Latest(t.Context(), "seg/"); err != nil || !ok || last.Key != "seg/2" {
		t.Fatal(last, ok, err)
	}
}

func TestDamagedObject(t *testing.T) {
	var broken atomic.Int64
	s, n := front(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Amz-Checksum-Crc32", "rfPzYw==") // of "data"
		if broken.Add(-1) >= 0 {
			io.WriteString(w, "dada")
			return
		}
		io.WriteString(w, "data")
	})
	if o, err := s.Get(t.Context(), "key", 10); err != nil || string(o.Data) != "data" {
		t.Fatal(o, err)
	}
	broken.Store(2) // on its way
	n.Store(0)
	if o, err := s.Get(t.Context(), "key", 10); err != nil || string(o.Data) != "data" || n.Load() != 3 {
		t.Fatal(o, err, n.Load())
	}
	broken.Store(1000) // where it is kept
	_, err := s.Get(t.Context(), "key", 10)
	wantID(t, err, errs.Unavailable, worm.IDDamaged)

	s, n = front(t, func(w http.ResponseWriter, r *http.Request) { // cut in the middle of the content
		w.Header().Set("Content-Length", "8")
		io.WriteString(w, "data")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	_, err = s.Get(t.Context(), "key", 10)
	wantID(t, err, errs.Unavailable, worm.IDUnreachable)
	if n.Load() != 5 {
		t.Fatalf("%d attempts", n.Load())
	}
	s, _ = front(t, func(w http.ResponseWriter, r *http.Request) { // more than it says, and than is wanted
		for range 1000 {
			io.WriteString(w, strings.Repeat("x", 1000))
		}
	})
	_, err = s.Get(t.Context(), "key", 10)
	wantID(t, err, errs.Invalid, worm.IDTooLarge)
}

// What Put sends: the lock, the checksum, the condition.
func TestPutOnTheWire(t *testing.T) {
	var seen http.Header
	s, _ := front(t, func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Clone()
		accept(w, r)
	})
	now := time.Date(2026, 3, 1, 12, 0, 0, 1, time.UTC)
	if err := s.Put(t.Context(), "key", []byte("data"), now); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"X-Amz-Object-Lock-Mode":              "COMPLIANCE",
		"X-Amz-Object-Lock-Retain-Until-Date": "2026-03-01T13:00:01Z",
		"If-None-Match":                       "*",
		"X-Amz-Checksum-Sha256":               "Om6weQ85rIfJT8BbprDpaT7FmnRKsUv0zRY7RPt8e2k=",
	} {
		if got := seen.Get(name); got != want && !(name == "X-Amz-Checksum-Sha256" && len(got) == 44) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if !strings.HasPrefix(seen.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/") {
		t.Error("not signed")
	}
}

// A store that takes an object and knows nothing of locks says nothing of a version.
func TestStoreWithoutLock(t *testing.T) {
	s, _ := front(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) })
	wantID(t, s.Put(t.Context(), "key", []byte("data"), time.Now()), errs.Invalid, worm.IDNoLock)
}

// A store without conditional puts (501 NotImplemented) is looked at first.
func TestWithoutConditions(t *testing.T) {
	there := false
	s, _ := front(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPut && r.Header.Get("If-None-Match") != "":
			refuse(w, r, http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented.")
		case r.Method == http.MethodPut:
			there = true
			accept(w, r)
		case r.URL.Query().Has("versions") && there:
			io.WriteString(w, listing(versionOf("key"), ""))
		case r.URL.Query().Has("versions"):
			io.WriteString(w, listing("", ""))
		case r.URL.Query().Has("retention"):
			fmt.Fprintf(w, `<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>%s</RetainUntilDate></Retention>`, time.Now().Add(48*time.Hour).UTC().Format(time.RFC3339))
		default:
			io.WriteString(w, "data")
		}
	})
	if err := s.Put(t.Context(), "key", []byte("data"), time.Now()); err != nil || !there {
		t.Fatal(err, there)
	}
	if err := s.Put(t.Context(), "key", []byte("data"), time.Now()); err != nil {
		t.Fatal(err)
	}
	wantID(t, s.Put(t.Context(), "key", []byte("dada"), time.Now()), errs.Conflict, worm.IDConflict)
}

// A store that lets a writer do everything is found out, and one that answers nonsense is not taken for one that refuses.
func TestLimitsOfABadStore(t *testing.T) {
	s, _ := front(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if r.Method == http.MethodPut {
			accept(w, r)
			return
		}
		io.WriteString(w, `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>false</IsTruncated></ListBucketResult>`)
	})
	l, err := s.TryWriterLimits(t.Context(), "canary", time.Now())
	if err != nil || l.Held() || !l.MayRead || !l.MayList || fmt.Sprint(l.Broken) != "[shorten_retention lower_mode bypass_governance]" || fmt.Sprint(l.Weak) != "[overwrite place_marker]" {
		t.Fatalf("%+v, %v", l, err)
	}
	s, _ = front(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPut && !r.URL.Query().Has("retention"):
			accept(w, r)
		case r.Method == http.MethodPut:
			refuse(w, r, http.StatusNotImplemented, "NotImplemented", "")
		default:
			refuse(w, r, http.StatusForbidden, "AccessDenied", "")
		}
	})
	if l, err := s.TryWriterLimits(t.Context(), "canary", time.Now()); err == nil && l.Held() {
		t.Fatalf("%+v: taken for held", l)
	}
}

func TestConfig(t *testing.T) {
	good := worm.Config{Endpoint: "https://s3.example", Region: "eu-west-3", Bucket: "bucket", AccessKey: "a", SecretKey: "s", Keep: time.Hour}
	for name, change := range map[string]func(*worm.Config){
		"plain http elsewhere": func(c *worm.Config) { c.Endpoint = "http://s3.example" },
		"plain http, private":  func(c *worm.Config) { c.Endpoint = "http://10.0.0.1" },
		"credentials in it":    func(c *worm.Config) { c.Endpoint = "https://a:b@s3.example" },
		"a path":               func(c *worm.Config) { c.Endpoint = "https://s3.example/bucket" },
		"no host":              func(c *worm.Config) { c.Endpoint = "s3.example" },
		"another scheme":       func(c *worm.Config) { c.Endpoint = "ftp://s3.example" },
		"no region":            func(c *worm.Config) { c.Region = "" },
		"a bad bucket":         func(c *worm.Config) { c.Bucket = "Bucket" },
		"a bucket with dots":   func(c *worm.Config) { c.Bucket = "a.bucket" },
		"no key":               func(c *worm.Config) { c.AccessKey = "" },
		"no secret":            func(c *worm.Config) { c.SecretKey = "" },
		"a prefix upwards":     func(c *worm.Config) { c.Prefix = "../x" },
		"a prefix from root":   func(c *worm.Config) { c.Prefix = "/x" },
		"too long":             func(c *worm.Config) { c.Keep = 101 * 365 * 24 * time.Hour },
		"not a certificate":    func(c *worm.Config) { c.CA = []byte("x") },
	} {
		c := good
		change(&c)
		if _, err := worm.Open(c); !errs.Is(err, errs.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, endpoint := range []string{"", "https://s3.example:9000/", "http://127.0.0.1:9000", "http://[::1]:9000", "http://localhost:9000"} {
		c := good
		c.Endpoint = endpoint
		if _, err := worm.Open(c); err != nil {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
}
