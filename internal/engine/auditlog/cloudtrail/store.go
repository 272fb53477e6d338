package cloudtrail

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/garant-project/garant/internal/estate"
)

// The bounds of what is downloaded. CloudTrail closes a log file long before it is this large.
const (
	maxCompressed = 64 << 20
	maxLogPlain   = 256 << 20 // hashed as it streams, never held
	maxDigest     = 16 << 20  // uncompressed, held
	mostListed    = 256       // folders whose listing is held
	maxPages      = 2000      // of one listing of a day
	attempts      = 4         // of one call, throttling included
	mostBackoff   = 5 * time.Second
	mostSkew      = 30 * time.Second // between our clock and a server's
)

var (
	errOversized   = errors.New("larger than a file of CloudTrail can be")
	errNotGzip     = errors.New("not a gzip file")
	errBroken      = errors.New("the check itself failed")
	errCredentials = errors.New("not ACCESS_KEY_ID:SECRET_ACCESS_KEY")
)

// object is what a listing says of a file.
type object struct {
	etag     string
	size     int64
	modified time.Time
}

// same reports whether a file is, as far as listings tell, the one that was read before.
func (o object) same(p object) bool {
	return o.etag == p.etag && o.size == p.size && o.modified.Equal(p.modified)
}

// store is a bucket, read with credentials of its own.
type store struct {
	name   string // of the bucket
	copy   bool   // it is the second account's
	client *s3.Client
	owner  *string // who must own the bucket: S3 refuses else

	mu     sync.Mutex
	listed map[string]map[string]object // by prefix, in this look
}

// skewed watches how far the clocks of the servers are from ours.
type skewed struct {
	http.RoundTripper

	now   func() time.Time
	mu    sync.Mutex
	worst time.Duration
}

// RoundTrip notes the Date of the answer, whose resolution is a second.
func (s *skewed) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := s.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if at, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		s.mu.Lock()
		s.worst = max(s.worst, s.now().Sub(at).Abs())
		s.mu.Unlock()
	}
	return res, nil
}

func (s *skewed) most() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.worst
}

// keyPair reads a secret of the form ACCESS_KEY_ID:SECRET_ACCESS_KEY.
func keyPair(s estate.Secret) (aws.CredentialsProvider, error) {
	text, err := s.Reveal()
	if err != nil {
		return nil, err
	}
	id, secret, ok := strings.Cut(strings.TrimSpace(text), ":")
	if !ok || id == "" || secret == "" || strings.ContainsAny(text, " \n\t") {
		return nil, errCredentials
	}
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}, nil
	}), nil
}

func retryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff = attempts, mostBackoff
	})
}

func openStore(client *http.Client, provider aws.CredentialsProvider, bucket, owner, region, endpoint string) *store {
	o := s3.Options{
		Region: region, Credentials: provider, HTTPClient: client, Retryer: retryer(),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	}
	if endpoint != "" {
		o.BaseEndpoint, o.UsePathStyle = aws.String(endpoint), true
	}
	return &store{name: bucket, client: s3.New(o), owner: aws.String(owner), listed: map[string]map[string]object{}}
}

func openTrail(client *http.Client, provider aws.CredentialsProvider, region, endpoint string) *cloudtrail.Client {
	o := cloudtrail.Options{Region: region, Credentials: provider, HTTPClient: client, Retryer: retryer()}
	if endpoint != "" {
		o.BaseEndpoint = aws.String(endpoint)
	}
	return cloudtrail.New(o)
}

// list reads what is below a prefix, once for days that are looked at in a row.
func (s *store) list(ctx context.Context, prefix string) (map[string]object, error) {
	s.mu.Lock()
	found, ok := s.listed[prefix]
	s.mu.Unlock()
	if ok {
		return found, nil
	}
	found = map[string]object{}
	pager := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.name, Prefix: &prefix, ExpectedBucketOwner: s.owner})
	for n := 0; pager.HasMorePages(); n++ {
		if n == maxPages {
			return nil, errOversized
		}
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			found[aws.ToString(o.Key)] = object{etag: aws.ToString(o.ETag), size: aws.ToInt64(o.Size), modified: aws.ToTime(o.LastModified)}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.listed) >= mostListed {
		clear(s.listed)
	}
	s.listed[prefix] = found
	return found, nil
}

// below lists the names of the folders directly below a prefix.
func (s *store) below(ctx context.Context, prefix string) ([]string, error) {
	var names []string
	pager := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.name, Prefix: &prefix, Delimiter: aws.String("/"), ExpectedBucketOwner: s.owner})
	for n := 0; pager.HasMorePages(); n++ {
		if n == maxPages {
			return nil, errOversized
		}
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, c := range page.CommonPrefixes {
			names = append(names, strings.TrimSuffix(strings.TrimPrefix(aws.ToString(c.Prefix), prefix), "/"))
		}
	}
	return names, nil
}

// first returns the first key below a prefix in the order of names, which for digest files is the oldest; "": there is none.
func (s *store) first(ctx context.Context, prefix string) (string, error) {
	page, err := s.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &s.name, Prefix: &prefix, MaxKeys: aws.Int32(1), ExpectedBucketOwner: s.owner})
	if err != nil || len(page.Contents) == 0 {
		return "", err
	}
	return aws.ToString(page.Contents[0].Key), nil
}

// content is a file that was read to its end.
type content struct {
	raw       [sha256.Size]byte // of the bytes as they are stored
	plain     [sha256.Size]byte // of what they are when uncompressed
	text      []byte            // uncompressed, of a digest
	signature string
	algorithm string
}

// read downloads a file and hashes it. Nothing larger than the bounds is read to its end, compressed or not.
func (s *store) read(ctx context.Context, key string, digest bool) (*content, error) {
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.name, Key: &key, ExpectedBucketOwner: s.owner})
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Body.Close() }()
	if aws.ToInt64(out.ContentLength) > maxCompressed {
		return nil, errOversized
	}
	c := &content{signature: out.Metadata["signature"], algorithm: out.Metadata["signature-algorithm"]}
	raw, plain := sha256.New(), sha256.New()
	body := &bounded{r: out.Body, left: maxCompressed, sum: raw}
	var held bytes.Buffer
	most, into := int64(maxLogPlain), io.Writer(plain)
	if digest {
		most, into = maxDigest, io.MultiWriter(plain, &held)
	}
	unpacked, err := gzip.NewReader(body)
	if err == nil {
		var n int64
		if n, err = io.Copy(into, io.LimitReader(unpacked, most+1)); err == nil && n > most {
			return nil, errOversized
		}
	}
	if err != nil {
		return nil, body.why(err)
	}
	c.text = held.Bytes()
	raw.Sum(c.raw[:0])
	plain.Sum(c.plain[:0])
	return c, nil
}

// bounded hashes what is read, up to a limit, and tells why reading ended.
type bounded struct {
	r    io.Reader
	left int64
	sum  hash.Hash
	err  error // of the transport
}

// Read reads and hashes.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		b.err = errOversized
		return 0, b.err
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	b.sum.Write(p[:n])
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// why tells a broken connection from a broken file.
func (b *bounded) why(err error) error {
	if b.err != nil {
		return b.err
	}
	return errors.Join(errNotGzip, err)
}

// retention reads how long a file of the copy is locked; the zero time: it is not, in the mode that holds against everybody.
func (s *store) retention(ctx context.Context, key string) (time.Time, error) {
	out, err := s.client.GetObjectRetention(ctx, &s3.GetObjectRetentionInput{Bucket: &s.name, Key: &key, ExpectedBucketOwner: s.owner})
	if err != nil {
		switch code(err) {
		case "NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError", "InvalidRequest":
			return time.Time{}, nil
		}
		return time.Time{}, err
	}
	if out.Retention == nil || out.Retention.Mode != types.ObjectLockRetentionModeCompliance {
		return time.Time{}, nil
	}
	return aws.ToTime(out.Retention.RetainUntilDate), nil
}

// code is what AWS calls an error; "": it is none of AWS.
func code(err error) string {
	var api interface {
		error
		ErrorCode() string
	}
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

func gone(err error) bool { return code(err) == "NoSuchKey" || code(err) == "NotFound" }

// why says what an error of AWS means. permission is what the call needs, as policies of IAM name it.
func why(err error, permission string) (p Problem, text string) {
	var response interface {
		error
		HTTPStatusCode() int
	}
	status := 0
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	switch c := code(err); {
	case errors.Is(err, errBroken):
		return CheckBroken, errBroken.Error()
	case errors.Is(err, errOversized):
		return Oversized, errOversized.Error()
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return Unreachable, "no time was left for " + permission
	case c == "TrailNotFoundException":
		return NoTrail, "AWS does not know it"
	case c == "NoSuchBucket":
		return NoBucket, "AWS does not know it"
	case c == "RequestTimeTooSkewed", c == "RequestExpired":
		return Clock, "AWS refuses our time"
	case c == "InvalidAccessKeyId", c == "SignatureDoesNotMatch", c == "UnrecognizedClientException", c == "InvalidSignatureException", c == "InvalidClientTokenId",
		c == "ExpiredToken", c == "ExpiredTokenException", c == "IncompleteSignature", c == "MissingAuthenticationToken", c == "InvalidToken":
		return BadCredentials, "AWS does not accept them: " + c
	case strings.HasPrefix(c, "AccessDenied"), c == "AllAccessDisabled", c == "UnauthorizedOperation", c == "OptInRequired", status == http.StatusForbidden:
		return Denied, permission
	case strings.HasPrefix(c, "Throttl"), c == "SlowDown", c == "RequestLimitExceeded", c == "TooManyRequestsException", c == "BandwidthLimitExceeded", status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return Throttled, permission
	case c != "":
		return Unreachable, permission + ": " + c
	}
	return Unreachable, "no answer to " + permission
}
