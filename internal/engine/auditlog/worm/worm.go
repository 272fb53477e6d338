package worm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/outgoing"
)

const (
	// MaxPut is the largest object that Put takes, in bytes.
	MaxPut = 64 << 20
	// MaxKeep is the longest retention that stores accept.
	MaxKeep = 100 * 365 * 24 * time.Hour

	maxKey         = 1024 // bytes, prefix included
	defaultTimeout = 30 * time.Second
	attempts       = 5
	maxBackoff     = 5 * time.Second
	slowest        = 256 << 10 // bytes a second that a connection has to carry, on top of the timeout
)

// Config says where the second account's bucket is, and as whom it is spoken to.
type Config struct {
	Endpoint  string // https://host[:port]; http only on loopback; empty: Amazon's of the region
	Region    string
	Bucket    string
	Prefix    string        // below which all keys are, such as "garant/"; may be empty
	Owner     string        // account that has to own the bucket; empty: not looked at
	AccessKey string        // already revealed
	SecretKey string        // already revealed
	PathStyle bool          // endpoint/bucket/key rather than bucket.endpoint/key; stores other than Amazon's mostly want it
	CA        []byte        // PEM of the authorities that may vouch for the endpoint; nil: the system's
	Keep      time.Duration // retention of each object from the time it is put; required of a writer
	Timeout   time.Duration // of one call, all attempts together; 0: 30 s

	// Compare reads what is there when a Put meets an object of its name: a store opened with the verifier's credentials, for
	// the writer's should not be able to read. nil: this store tries it itself.
	Compare *Store
}

// String leaves the credentials out.
func (c Config) String() string { return "second account's bucket " + c.Bucket }

// GoString leaves the credentials out.
func (c Config) GoString() string { return c.String() }

// LogValue leaves the credentials out.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Store is a bucket of the second account, seen with one pair of credentials. It may be used from several goroutines.
type Store struct {
	api     *s3.Client
	conns   *http.Transport
	bucket  *string
	owner   *string
	prefix  string
	keep    time.Duration
	timeout time.Duration
	compare *Store
}

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// Open checks the configuration and prepares the connection; it calls nobody. Errors: errs.Invalid.
func Open(c Config) (*Store, error) {
	endpoint, err := c.endpoint()
	if err != nil {
		return nil, err
	}
	switch {
	case c.Region == "":
		return nil, invalid("The second account has no region.", "Write the region of the bucket, such as eu-west-3; where the store has none, us-east-1.")
	case !bucketName.MatchString(c.Bucket):
		return nil, invalid("The name of the second account's bucket is not one that S3 allows.", "Use 3 to 63 small letters, digits, dots and hyphens.")
	case !c.PathStyle && strings.Contains(c.Bucket, "."):
		return nil, invalid("A bucket whose name has dots cannot be a host name in a certificate.", "Turn path style on, or make a bucket without dots.")
	case c.AccessKey == "" || c.SecretKey == "":
		return nil, invalid("The second account's credentials are missing.", "Give an access key and a secret key.")
	case c.Keep < 0 || c.Keep > MaxKeep:
		return nil, invalid("The retention in the second account is out of range.", "Choose between a second and a hundred years.")
	case c.Timeout < 0:
		return nil, invalid("The timeout of the second account is negative.", "Leave it out, or write a duration such as 30s.")
	}
	prefix := c.Prefix
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	if prefix != "" && checkKey(strings.TrimSuffix(prefix, "/")) != nil {
		return nil, invalid("The prefix in the second account's bucket is not usable.", "Use letters, digits, . _ = - and single slashes, without one at the beginning.")
	}
	conns, err := c.transport()
	if err != nil {
		return nil, err
	}
	s := &Store{conns: conns, bucket: &c.Bucket, prefix: prefix, keep: c.Keep, timeout: c.Timeout, compare: c.Compare}
	if s.timeout == 0 {
		s.timeout = defaultTimeout
	}
	if c.Owner != "" {
		s.owner = &c.Owner
	}
	s.api = s3.New(s3.Options{
		BaseEndpoint: endpoint,
		Region:       c.Region,
		UsePathStyle: c.PathStyle,
		Credentials:  credentials.NewStaticCredentialsProvider(c.AccessKey, c.SecretKey, ""),
		HTTPClient: &http.Client{
			Transport:     noting{conns},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		Retryer: retry.NewStandard(patience),
		Logger:  logging.Nop{},
		DisableLogOutputChecksumValidationSkipped: true,
	})
	return s, nil
}

// patience is how often and how fast a call is tried again: exponential with jitter, from the SDK, ended by the context.
// The SDK's own budget of attempts is left out: the deadline is the budget here.
func patience(o *retry.StandardOptions) {
	o.MaxAttempts = attempts
	o.MaxBackoff = maxBackoff
	o.RateLimiter = ratelimit.None
	o.Retryables = append(o.Retryables, retry.RetryableErrorCode{Codes: map[string]struct{}{
		"ConditionalRequestConflict": {}, "OperationAborted": {}, // another is writing the same key just now
		"SlowDownRead": {}, "SlowDownWrite": {}, // MinIO's
		"BadDigest": {}, "XAmzContentSHA256Mismatch": {}, // damaged on the way
	}})
}

// endpoint returns the base address, nil for Amazon's own.
func (c *Config) endpoint() (*string, error) {
	if c.Endpoint == "" {
		return nil, nil //nolint:nilnil // the SDK's way to say its own
	}
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return nil, invalid("The endpoint of the second account is not an address.", "Write https://host or https://host:port, without credentials, path or query.")
	}
	switch u.Scheme {
	case "https":
	case "http":
		if ip, err := netip.ParseAddr(u.Hostname()); u.Hostname() != "localhost" && (err != nil || !ip.IsLoopback()) {
			return nil, invalid("The endpoint of the second account is on another machine and has no TLS.", "Write https://.")
		}
	default:
		return nil, invalid("The endpoint of the second account is neither https nor http.", "Write https://host or https://host:port.")
	}
	return aws.String(u.Scheme + "://" + u.Host), nil
}

func (c *Config) transport() (*http.Transport, error) {
	roots := (*x509.CertPool)(nil)
	if c.CA != nil {
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(c.CA) {
			return nil, invalid("The authority of the second account's endpoint is not a certificate in PEM.", "Give the file that begins with BEGIN CERTIFICATE.")
		}
	}
	timeout := c.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	dialer := &net.Dialer{Timeout: timeout / 3, KeepAlive: 30 * time.Second}
	plain := strings.HasPrefix(c.Endpoint, "http://")
	return &http.Transport{
		Proxy: nil,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			// Judged after the name was resolved. The operator wrote the address: private networks are theirs to use.
			at := conn.RemoteAddr().String()
			peer, err := netip.ParseAddrPort(at)
			if err != nil || !outgoing.Allowed(at, true) || plain && !peer.Addr().Unmap().IsLoopback() {
				conn.Close()
				return nil, outgoing.ErrAddress
			}
			return conn, nil
		},
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    timeout / 3,
		ResponseHeaderTimeout:  timeout / 3, // one that hangs is tried again within the call's time
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        time.Minute,
		MaxIdleConnsPerHost:    16, // a verifier has eight on their way, and one more at either end of them
		MaxConnsPerHost:        32,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
	}, nil
}

// Close ends idle connections. Calls that are under way end by themselves.
func (s *Store) Close() { s.conns.CloseIdleConnections() }

// Keep is the retention that each object is put with.
func (s *Store) Keep() time.Duration { return s.keep }

// within bounds a call that moves size bytes.
func (s *Store) within(ctx context.Context, size int64) (context.Context, context.CancelFunc) {
	ctx = context.WithValue(ctx, statusKey{}, new(atomic.Int64))
	return context.WithTimeout(ctx, s.timeout+time.Duration(size/slowest)*time.Second)
}

// statusKey is the context's key of the last status that a call was answered with.
type statusKey struct{}

// noting keeps that status: an SDK whose time ends while it waits to try again says only that it ended.
type noting struct{ *http.Transport }

func (n noting) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := n.Transport.RoundTrip(r)
	if status, ok := r.Context().Value(statusKey{}).(*atomic.Int64); ok && err == nil {
		status.Store(int64(response.StatusCode))
	}
	return response, err
}

func lastStatus(ctx context.Context) int {
	if status, ok := ctx.Value(statusKey{}).(*atomic.Int64); ok {
		return int(status.Load())
	}
	return 0
}

// name is the key in the bucket of a key of ours.
func (s *Store) name(key string) (*string, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	if len(s.prefix)+len(key) > maxKey {
		return nil, invalid("The key of an object for the second account is too long.", "Shorten the prefix.")
	}
	return aws.String(s.prefix + key), nil
}

var keyText = regexp.MustCompile(`^[A-Za-z0-9._=+-]+(/[A-Za-z0-9._=+-]+)*$`)

// checkKey allows keys that every store keeps apart as they are written, also one that keeps objects as files.
func checkKey(key string) error {
	if !keyText.MatchString(key) || len(key) > maxKey {
		return invalid("The key of an object for the second account is not usable.", "Use letters, digits, . _ = + - and single slashes.")
	}
	for part := range strings.SplitSeq(key, "/") {
		if strings.Trim(part, ".") == "" {
			return invalid("A part of the key of an object for the second account consists of dots.", "Use letters and digits as well.")
		}
	}
	return nil
}

func invalid(text, fix string) error { return errs.New(errs.Invalid, IDInvalid, text).WithFix(fix) }
