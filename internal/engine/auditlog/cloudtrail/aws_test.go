package cloudtrail

import (
	"crypto/md5" //nolint:gosec // S3's ETag of an object that was put in one part
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// awsServer speaks S3's REST protocol and CloudTrail's JSON protocol as far as the check uses them, and refuses what AWS would refuse:
//
//   - docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html, …_GetObject.html, …_GetObjectRetention.html, …/ErrorResponses.html
//   - docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_DescribeTrails.html, …_GetTrailStatus.html, …_ListPublicKeys.html, …/CommonErrors.html
//   - docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html: every signature is computed again
type awsServer struct {
	*httptest.Server

	t        testing.TB
	accounts map[string]account // by access key id

	mu      sync.Mutex
	buckets map[string]*bucket
	trail   trailState
	keys    map[string][]publicKey // by region
	page    int                    // keys of one page of a listing
	count   map[string]int         // of requests, by operation

	// Ways of being broken.
	denied   string        // operation that no policy allows
	throttle int           // requests that are answered with SlowDown or ThrottlingException; -1: all
	skew     time.Duration // of the server's clock
	down     bool          // every answer is 500
}

type account struct{ id, secret string }

type bucket struct {
	owner, region string
	objects       map[string]stored
}

type stored struct {
	body     []byte
	meta     map[string]string
	modified time.Time
	mode     string // of its lock; "": none
	until    time.Time
}

type trailState struct {
	arn, home, bucket, prefix          string
	multi, global, validated, logging  bool
	gone                               bool
	deliveryError, digestDeliveryError string
}

type publicKey struct {
	fingerprint string
	der         []byte
	from, until time.Time
}

func newAWS(t testing.TB) *awsServer {
	s := &awsServer{t: t, accounts: map[string]account{}, buckets: map[string]*bucket{}, keys: map[string][]publicKey{}, page: 9, count: map[string]int{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([A-Z0-9]+)/([0-9]{8})/([a-z0-9-]+)/(s3|cloudtrail)/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$`)

// signed returns who made a request, and for which region and service; code says why it is refused.
func (s *awsServer) signed(r *http.Request, body []byte) (who account, region, service, code string) {
	m := authorization.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil {
		return account{}, "", "", "MissingAuthenticationToken"
	}
	a, ok := s.accounts[m[1]]
	if !ok {
		return account{}, "", m[4], "InvalidAccessKeyId"
	}
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || at.Format("20060102") != m[2] {
		return account{}, "", m[4], "SignatureDoesNotMatch"
	}
	if time.Now().Add(s.skew).Sub(at).Abs() > 15*time.Minute {
		return account{}, "", m[4], "RequestTimeTooSkewed"
	}
	again := r.Clone(r.Context())
	again.Header = http.Header{}
	again.URL.Scheme, again.URL.Host = "http", r.Host
	again.ContentLength = 0
	for name := range strings.SplitSeq(m[5], ";") {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if given := r.Header.Get("X-Amz-Content-Sha256"); given != "" && given != hash && given != "UNSIGNED-PAYLOAD" {
		return account{}, "", m[4], "XAmzContentSHA256Mismatch"
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = m[4] == "s3" })
	if err := signer.SignHTTP(r.Context(), aws.Credentials{AccessKeyID: m[1], SecretAccessKey: a.secret}, again, hash, m[4], m[3], at); err != nil {
		s.t.Error(err)
	}
	if again.Header.Get("Authorization") != r.Header.Get("Authorization") {
		return account{}, "", m[4], "SignatureDoesNotMatch"
	}
	return a, m[3], m[4], ""
}

func (s *awsServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Date", time.Now().Add(s.skew).UTC().Format(http.TimeFormat))
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	target, isTrail := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "CloudTrail_20131101.")
	refuse := s.refuseS3
	if isTrail {
		refuse = s.refuseTrail
	}
	if s.down {
		refuse(w, http.StatusInternalServerError, "InternalError")
		return
	}
	if s.throttle != 0 {
		s.throttle--
		if isTrail {
			refuse(w, http.StatusBadRequest, "ThrottlingException")
		} else {
			refuse(w, http.StatusServiceUnavailable, "SlowDown")
		}
		return
	}
	who, region, service, code := s.signed(r, body)
	if code != "" {
		if isTrail {
			code = map[string]string{"InvalidAccessKeyId": "UnrecognizedClientException", "SignatureDoesNotMatch": "InvalidSignatureException", "RequestTimeTooSkewed": "RequestExpired"}[code]
		}
		refuse(w, http.StatusForbidden, code)
		return
	}
	if isTrail != (service == "cloudtrail") {
		refuse(w, http.StatusBadRequest, "InvalidRequest")
		return
	}
	if isTrail {
		s.serveTrail(w, r, who, region, target, body)
		return
	}
	s.serveS3(w, r, who, region)
}

func (s *awsServer) refuseS3(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+`<Error><Code>%s</Code><Message>Refused</Message><RequestId>4442587FB7D0A2F9</RequestId></Error>`, code)
}

func (s *awsServer) refuseTrail(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Requestid", "0a1b2c3d")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"__type":%q,"message":"Refused"}`, code)
}

func (s *awsServer) serveTrail(w http.ResponseWriter, r *http.Request, who account, region, target string, body []byte) {
	s.count[target]++
	var in struct {
		TrailNameList      []string
		Name               string
		StartTime, EndTime float64
		NextToken          string
	}
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-amz-json-1.1" || json.Unmarshal(body, &in) != nil {
		s.refuseTrail(w, http.StatusBadRequest, "SerializationException")
		return
	}
	if s.denied == target {
		s.refuseTrail(w, http.StatusBadRequest, "AccessDeniedException")
		return
	}
	answer := func(v any) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		if err := json.NewEncoder(w).Encode(v); err != nil {
			s.t.Error(err)
		}
	}
	epoch := func(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
	here := who.id == strings.Split(s.trail.arn, ":")[4] && region == s.trail.home && !s.trail.gone
	switch target {
	case "DescribeTrails":
		list := []map[string]any{}
		if here && slices.Contains(in.TrailNameList, s.trail.arn) {
			list = append(list, map[string]any{
				"TrailARN": s.trail.arn, "Name": s.trail.arn[strings.LastIndexByte(s.trail.arn, '/')+1:], "HomeRegion": s.trail.home, "S3BucketName": s.trail.bucket,
				"IsMultiRegionTrail": s.trail.multi, "IncludeGlobalServiceEvents": s.trail.global, "LogFileValidationEnabled": s.trail.validated, "IsOrganizationTrail": false,
			})
			if s.trail.prefix != "" {
				list[0]["S3KeyPrefix"] = s.trail.prefix
			}
		}
		answer(map[string]any{"trailList": list})
	case "GetTrailStatus":
		if !here || in.Name != s.trail.arn {
			s.refuseTrail(w, http.StatusBadRequest, "TrailNotFoundException")
			return
		}
		out := map[string]any{"IsLogging": s.trail.logging, "LatestDeliveryTime": epoch(time.Now()), "LatestDigestDeliveryTime": epoch(time.Now())}
		if s.trail.deliveryError != "" {
			out["LatestDeliveryError"] = s.trail.deliveryError
		}
		if s.trail.digestDeliveryError != "" {
			out["LatestDigestDeliveryError"] = s.trail.digestDeliveryError
		}
		answer(out)
	case "ListPublicKeys":
		var list []map[string]any
		for _, k := range s.keys[region] {
			if epoch(k.from) <= in.EndTime && epoch(k.until) >= in.StartTime {
				list = append(list, map[string]any{"Fingerprint": k.fingerprint, "Value": k.der, "ValidityStartTime": epoch(k.from), "ValidityEndTime": epoch(k.until)})
			}
		}
		at, _ := strconv.Atoi(in.NextToken) // one key a page
		out := map[string]any{"PublicKeyList": list[min(at, len(list)):min(at+1, len(list))]}
		if at+1 < len(list) {
			out["NextToken"] = strconv.Itoa(at + 1)
		}
		answer(out)
	default:
		s.refuseTrail(w, http.StatusBadRequest, "UnknownOperationException")
	}
}

type listResult struct {
	XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	Name, Prefix          string
	Delimiter             string `xml:",omitempty"`
	KeyCount, MaxKeys     int
	IsTruncated           bool
	ContinuationToken     string `xml:",omitempty"`
	NextContinuationToken string `xml:",omitempty"`
	Contents              []listed
	CommonPrefixes        []struct{ Prefix string }
}

type listed struct {
	Key, LastModified, ETag string
	Size                    int
	StorageClass            string
}

func (s *awsServer) serveS3(w http.ResponseWriter, r *http.Request, who account, region string) {
	name, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	query := r.URL.Query()
	operation := "GetObject"
	switch {
	case key == "":
		operation = "ListBucket"
	case query.Has("retention"):
		operation = "GetObjectRetention"
	}
	s.count[operation]++
	b := s.buckets[name]
	switch {
	case r.Method != http.MethodGet:
		s.refuseS3(w, http.StatusMethodNotAllowed, "MethodNotAllowed")
		return
	case b == nil:
		s.refuseS3(w, http.StatusNotFound, "NoSuchBucket")
		return
	case b.region != region:
		s.refuseS3(w, http.StatusBadRequest, "AuthorizationHeaderMalformed")
		return
	case who.id != b.owner, r.Header.Get("X-Amz-Expected-Bucket-Owner") != b.owner, s.denied == operation:
		s.refuseS3(w, http.StatusForbidden, "AccessDenied")
		return
	case operation == "ListBucket":
		s.listBucket(w, r, name, b)
		return
	}
	o, ok := b.objects[key]
	if !ok {
		s.refuseS3(w, http.StatusNotFound, "NoSuchKey")
		return
	}
	if operation == "GetObjectRetention" {
		if o.mode == "" {
			s.refuseS3(w, http.StatusNotFound, "NoSuchObjectLockConfiguration")
			return
		}
		w.Header().Set("Content-Type", "application/xml")
		fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Retention xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Mode>%s</Mode><RetainUntilDate>%s</RetainUntilDate></Retention>`,
			o.mode, o.until.UTC().Format(time.RFC3339))
		return
	}
	for name, value := range o.meta {
		w.Header().Set("X-Amz-Meta-"+name, value)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Encoding", "gzip")
	w.Header().Set("Etag", o.etag())
	w.Header().Set("Last-Modified", o.modified.UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Length", strconv.Itoa(len(o.body)))
	_, _ = w.Write(o.body)
}

func (o stored) etag() string {
	sum := md5.Sum(o.body) //nolint:gosec // as S3 does
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

func (s *awsServer) listBucket(w http.ResponseWriter, r *http.Request, name string, b *bucket) {
	q := r.URL.Query()
	if q.Get("list-type") != "2" {
		s.refuseS3(w, http.StatusBadRequest, "InvalidArgument")
		return
	}
	most := s.page
	if n, err := strconv.Atoi(q.Get("max-keys")); err == nil {
		most = min(n, most)
	}
	out := listResult{Name: name, Prefix: q.Get("prefix"), Delimiter: q.Get("delimiter"), MaxKeys: most, ContinuationToken: q.Get("continuation-token")}
	after, err := hex.DecodeString(out.ContinuationToken)
	if err != nil {
		s.refuseS3(w, http.StatusBadRequest, "InvalidArgument")
		return
	}
	last, group := "", ""
	for _, key := range slices.Sorted(maps.Keys(b.objects)) {
		rest, ok := strings.CutPrefix(key, out.Prefix)
		if !ok || key <= string(after) || group != "" && strings.HasPrefix(key, group) {
			continue
		}
		if out.KeyCount == most {
			out.IsTruncated, out.NextContinuationToken = true, hex.EncodeToString([]byte(last))
			break
		}
		out.KeyCount++
		if i := strings.Index(rest, "/"); out.Delimiter == "/" && i >= 0 {
			group = out.Prefix + rest[:i+1]
			out.CommonPrefixes = append(out.CommonPrefixes, struct{ Prefix string }{group})
			last = group + "\xff"
			continue
		}
		o := b.objects[key]
		out.Contents = append(out.Contents, listed{key, o.modified.UTC().Format("2006-01-02T15:04:05.000Z"), o.etag(), len(o.body), "STANDARD"})
		last = key
	}
	w.Header().Set("Content-Type", "application/xml")
	_, _ = io.WriteString(w, xml.Header)
	if err := xml.NewEncoder(w).Encode(out); err != nil {
		s.t.Error(err)
	}
}

func (s *awsServer) requests(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count[operation]
}

// marshalKey gives a public key as ListPublicKeys does.
func marshalKey(k signer) []byte { return x509.MarshalPKCS1PublicKey(&k.private.PublicKey) }
