package worm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/outgoing"
)

// The ids of this package's errors, by which pages find the words.
const (
	IDInvalid     = "worm.invalid"     // Invalid: configuration, key or size
	IDCredentials = "worm.credentials" // Denied: the store does not know the credentials
	IDDenied      = "worm.denied"      // Denied: the credentials may not do this
	IDBucket      = "worm.bucket"      // NotFound: no such bucket
	IDObject      = "worm.object"      // NotFound: no such object or version
	IDHidden      = "worm.hidden"      // NotFound: a delete marker lies over the object
	IDNoLock      = "worm.no_lock"     // Invalid: the bucket has no object lock
	IDRegion      = "worm.region"      // Invalid: the bucket is in another region
	IDTooLarge    = "worm.too_large"   // Invalid: larger than the caller allows
	IDConflict    = "worm.conflict"    // Conflict: another content under the same key
	IDUncompared  = "worm.uncompared"  // Conflict: something under the same key, and it may not be read
	IDThrottled   = "worm.throttled"   // Unavailable: too many requests, still after the retries
	IDClock       = "worm.clock"       // Unavailable: the clocks differ
	IDTLS         = "worm.tls"         // Unavailable: the endpoint cannot prove who it is
	IDUnreachable = "worm.unreachable" // Unavailable: no connection, or one that broke
	IDTimeout     = "worm.timeout"     // Unavailable: no answer within the deadline
	IDFull        = "worm.full"        // Unavailable: no room, or a quota
	IDFailed      = "worm.failed"      // Unavailable: the store failed by itself
	IDDamaged     = "worm.damaged"     // Unavailable: content and checksum differ
	IDListing     = "worm.listing"     // Unavailable: a listing that cannot be believed
	IDUnknown     = "worm.unknown"     // Unavailable: an answer that this package does not know
)

// answer is the cause that errors of this package carry: what was asked, and the store's code. Nothing else that a store
// says is kept, for it may repeat what was signed.
type answer struct {
	op     string
	status int
	code   string
	reason string
	ctx    error // of the context, so that callers see that it ended
}

func (a *answer) Error() string {
	switch {
	case a.code != "":
		return fmt.Sprintf("%s: %d %s", a.op, a.status, a.code)
	case a.status != 0:
		return fmt.Sprintf("%s: %d", a.op, a.status)
	}
	return a.op + ": " + a.reason
}

func (a *answer) Unwrap() error { return a.ctx }

// read takes from an error of the SDK what may be kept.
func read(op string, err error) *answer {
	a := &answer{op: op, reason: outgoing.Reason(err)}
	var api smithy.APIError
	if errors.As(err, &api) && plainCode(api.ErrorCode()) {
		a.code = api.ErrorCode()
	}
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		a.status = response.HTTPStatusCode()
	}
	switch {
	case errors.Is(err, context.Canceled):
		a.ctx = context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		a.ctx = context.DeadlineExceeded
	}
	return a
}

// plainCode reports whether the text is a code, not something that a stranger wrote in its place.
func plainCode(code string) bool {
	return len(code) <= 64 && code != "" && strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.") == ""
}

// explain gives an error of the SDK its kind and words. text is what the API error said, looked at and never kept.
func explain(ctx context.Context, op string, err error) error {
	a := read(op, err)
	var text string
	var api smithy.APIError
	if errors.As(err, &api) {
		text = strings.ToLower(api.ErrorMessage())
	}
	if a.code == "" && a.status == 0 {
		if last := lastStatus(ctx); errors.Is(err, context.DeadlineExceeded) && (last == http.StatusTooManyRequests || last == http.StatusServiceUnavailable) {
			a.status = last // the time ended between two attempts
			return throttled(a)
		}
		return explainConnection(a, err)
	}
	say := func(kind errs.Kind, id, text, fix string) error { return errs.New(kind, id, text).WithFix(fix).Wrap(a) }
	switch a.code {
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "TokenRefreshRequired", "InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure", "NotSignedUp", "AccountProblem":
		return say(errs.Denied, IDCredentials, "The second account does not accept the credentials.", "Compare the access key and the secret with those of the second account; make new ones there when they were revoked.")
	case "NoSuchBucket":
		return say(errs.NotFound, IDBucket, "The bucket does not exist in the second account.", "Make it there with object lock, or correct its name, region and endpoint.")
	case "NoSuchKey", "NoSuchVersion":
		return say(errs.NotFound, IDObject, "There is no such object in the second account.", "Look whether the prefix is the right one.")
	case "ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration":
		return noLock(a)
	case "InvalidRequest", "InvalidBucketState":
		if strings.Contains(text, "lock") {
			return noLock(a)
		}
	case "RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture":
		return say(errs.Unavailable, IDClock, "The second account’s clock and this machine’s differ by too much.", "Set the clock of this machine by NTP.")
	case "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		return say(errs.Invalid, IDRegion, "The bucket of the second account is in another region, or at another endpoint.", "Write the region and the endpoint that the second account shows for the bucket.")
	case "SlowDown", "SlowDownRead", "SlowDownWrite", "Throttling", "ThrottlingException", "ThrottledException", "RequestLimitExceeded", "RequestThrottled", "TooManyRequests", "TooManyRequestsException", "BandwidthLimitExceeded":
		return throttled(a)
	case "InsufficientStorage", "QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "StorageFull":
		return full(a)
	case "BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "IncompleteBody":
		return say(errs.Unavailable, IDDamaged, "What reached the second account was not what was sent.", "Try again; when it stays so, look for a device on the way that changes requests.")
	case "AccessDenied", "AllAccessDisabled":
		return denied(a)
	}
	switch {
	case a.status == http.StatusMovedPermanently, a.status == http.StatusTemporaryRedirect:
		return say(errs.Invalid, IDRegion, "The bucket of the second account is in another region, or at another endpoint.", "Write the region and the endpoint that the second account shows for the bucket.")
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		return denied(a)
	case a.status == http.StatusNotFound:
		return say(errs.NotFound, IDObject, "There is no such object in the second account.", "Look whether the prefix is the right one.")
	case a.status == http.StatusMethodNotAllowed && strings.HasPrefix(op, "Get"):
		return say(errs.NotFound, IDHidden, "A delete marker lies over the object in the second account.", "Read its versions: what is under lock is still there.")
	case a.status == http.StatusTooManyRequests:
		return throttled(a)
	case a.status == http.StatusInsufficientStorage:
		return full(a)
	case a.status >= 500:
		return say(errs.Unavailable, IDFailed, "The second account’s store failed.", "It is tried again by itself; when it stays so, ask whoever runs it.")
	}
	return say(errs.Unavailable, IDUnknown, "The second account’s store gave an answer that is not known here.", "Look the code up in the store’s manual.")
}

// explainConnection is for errors without an answer.
func explainConnection(a *answer, err error) error {
	var verification *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var certificate x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &verification), errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &certificate):
		a.reason = outgoing.ErrUntrusted.Error()
		return errs.New(errs.Unavailable, IDTLS, "The certificate of the second account’s endpoint is not trusted.").
			WithFix("Give the authority that issued it, or use the host name that the certificate bears.").Wrap(a)
	case errors.As(err, &record), errors.As(err, &alert), errors.Is(err, http.ErrSchemeMismatch), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		a.reason = "no TLS"
		return errs.New(errs.Unavailable, IDTLS, "The second account’s endpoint does not speak TLS 1.2 or newer.").
			WithFix("Correct the port, or turn TLS on there.").Wrap(a)
	case errors.Is(err, outgoing.ErrAddress):
		return errs.New(errs.Invalid, IDInvalid, "The second account’s endpoint leads to an address that is not called.").
			WithFix("Use the store’s own address; link-local ones, and other machines without TLS, are never called.").Wrap(a)
	case errors.Is(err, context.Canceled):
		return errs.New(errs.Unavailable, IDTimeout, "The call to the second account was stopped.").WithFix("Try again.").Wrap(a)
	case errors.Is(err, context.DeadlineExceeded), a.reason == "no answer in time":
		return errs.New(errs.Unavailable, IDTimeout, "The second account did not answer in time.").
			WithFix("Look whether its store is up and the network carries it; it is tried again by itself.").Wrap(a)
	case isChecksum(err):
		return errs.New(errs.Unavailable, IDDamaged, "What came from the second account does not have its checksum.").
			WithFix("Try again; when it stays so, the object is damaged there: compare it with the database.").Wrap(a)
	}
	return errs.New(errs.Unavailable, IDUnreachable, "The second account cannot be reached.").
		WithFix("Look whether its store is up, and whether firewalls let this machine through; it is tried again by itself.").Wrap(a)
}

// isChecksum recognises the SDK's complaint about a body, which has no type of its own.
func isChecksum(err error) bool {
	return strings.Contains(err.Error(), "checksum did not match")
}

func noLock(a *answer) error {
	return errs.New(errs.Invalid, IDNoLock, "The bucket in the second account has no object lock.").
		WithFix("Make a new bucket with object lock enabled: in most stores it cannot be turned on later.").Wrap(a)
}

func denied(a *answer) error {
	return errs.New(errs.Denied, IDDenied, "The second account does not allow this to these credentials.").
		WithFix("Compare the policy of the writer or of the verifier with the one in docs/audit-second-account.md.").Wrap(a)
}

func throttled(a *answer) error {
	return errs.New(errs.Unavailable, IDThrottled, "The second account’s store asks to slow down.").
		WithFix("It is tried again by itself; when it stays so, ask whoever runs it for a higher limit.").Wrap(a)
}

func full(a *answer) error {
	return errs.New(errs.Unavailable, IDFull, "The second account’s store has no room left.").
		WithFix("Enlarge it, or raise its quota; what waits is put as soon as there is room.").Wrap(a)
}

// hasID reports whether err is one of this package's errors of the given id.
func hasID(err error, id string) bool {
	var e *errs.Error
	return errors.As(err, &e) && e.ID == id
}

// codeOf is the store's code in an error of this package.
func codeOf(err error) (status int, code string) {
	var a *answer
	if errors.As(err, &a) {
		return a.status, a.code
	}
	return 0, ""
}
