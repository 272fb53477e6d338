package cloudtrail

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strings"
	"time"
)

// What CloudTrail calls its algorithms.
const (
	signatureAlgorithm = "SHA256withRSA"
	hashAlgorithm      = "SHA-256"
)

// Digest is one digest file, as documented in "CloudTrail digest file structure" of the CloudTrail user guide.
type Digest struct {
	Account      string    `json:"awsAccountId"`
	Start        time.Time `json:"digestStartTime"`
	EndText      string    `json:"digestEndTime"` // signed as it is written
	Bucket       string    `json:"digestS3Bucket"`
	Object       string    `json:"digestS3Object"`
	Fingerprint  string    `json:"digestPublicKeyFingerprint"`
	Algorithm    string    `json:"digestSignatureAlgorithm"`
	PrevBucket   *string   `json:"previousDigestS3Bucket"`
	PrevObject   *string   `json:"previousDigestS3Object"`
	PrevHash     *string   `json:"previousDigestHashValue"`
	PrevHashAlgo *string   `json:"previousDigestHashAlgorithm"`
	PrevSig      *string   `json:"previousDigestSignature"`
	Logs         []LogFile `json:"logFiles"`

	End       time.Time `json:"-"`
	Hash      string    `json:"-"` // hex SHA-256 of the uncompressed file
	Signature string    `json:"-"` // hex, from the metadata of the object
}

// LogFile is what a digest says of a log file: the hash is that of its uncompressed content.
type LogFile struct {
	Bucket    string `json:"s3Bucket"`
	Object    string `json:"s3Object"`
	Hash      string `json:"hashValue"`
	Algorithm string `json:"hashAlgorithm"`
}

// fault is why a digest is not believed.
type fault struct {
	problem Problem
	text    string // what is so, in a few words; nothing of the content
}

func (f *fault) Error() string { return string(f.problem) + ": " + f.text }

// ParseDigest reads an uncompressed digest file. The error says what is wrong, in a few words.
func ParseDigest(plain []byte) (*Digest, error) {
	d := &Digest{}
	if err := json.NewDecoder(bytes.NewReader(plain)).Decode(d); err != nil {
		return nil, &fault{DigestChanged, "not a digest file"}
	}
	end, err := time.Parse(time.RFC3339, d.EndText)
	if err != nil || d.Start.IsZero() || !d.Start.Before(end) || d.Object == "" || d.Bucket == "" {
		return nil, &fault{DigestChanged, "not a digest file: times or places are missing"}
	}
	d.End = end
	starts := d.PrevObject == nil
	if starts != (d.PrevSig == nil) || starts != (d.PrevHash == nil) {
		return nil, &fault{DigestChanged, "names half of a previous digest"}
	}
	for _, l := range d.Logs {
		if sum, err := hex.DecodeString(l.Hash); err != nil || len(sum) != sha256.Size || l.Algorithm != hashAlgorithm || l.Object == "" {
			return nil, &fault{DigestChanged, "a log file is named without a SHA-256 hash"}
		}
	}
	sum := sha256.Sum256(plain)
	d.Hash = hex.EncodeToString(sum[:])
	return d, nil
}

// Verify holds a digest to its place and its signature: the string that is signed is documented in "Custom implementations of
// CloudTrail log file integrity validation". keys are those of the region, by fingerprint.
func (d *Digest) Verify(bucket, key, signature, algorithm string, keys map[string]*rsa.PublicKey) error {
	if d.Bucket != bucket || d.Object != key {
		return &fault{DigestChanged, "says that it belongs at another place"}
	}
	if algorithm != signatureAlgorithm || d.Algorithm != signatureAlgorithm {
		return &fault{BadSignature, "not signed with " + signatureAlgorithm}
	}
	public := keys[d.Fingerprint]
	if public == nil {
		return &fault{BadSignature, "signed with a key that the region does not have"}
	}
	raw, err := hex.DecodeString(signature)
	if err != nil || len(raw) == 0 {
		return &fault{BadSignature, "without a signature"}
	}
	previous := "null" // of the first digest of a trail
	if d.PrevSig != nil {
		previous = *d.PrevSig
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{d.EndText, bucket + "/" + key, d.Hash, previous}, "\n")))
	if rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], raw) != nil {
		return &fault{BadSignature, "the signature does not fit"}
	}
	d.Signature = strings.ToLower(signature)
	return nil
}

// Follows holds that previous, which was verified, is the digest that d names as the one before.
func (d *Digest) Follows(previous *Digest) error {
	switch {
	case d.PrevObject == nil || *d.PrevObject != previous.Object:
		return &fault{DigestChanged, "stands where another digest is named"}
	case d.PrevHashAlgo != nil && *d.PrevHashAlgo != hashAlgorithm || !strings.EqualFold(*d.PrevHash, previous.Hash):
		return &fault{DigestChanged, "its hash is not the one that the next digest has"}
	case !strings.EqualFold(*d.PrevSig, previous.Signature):
		return &fault{DigestChanged, "its signature is not the one that the next digest has"}
	}
	return nil
}

// ParsePublicKey reads a key as ListPublicKeys gives it: DER in PKCS #1, and in the examples SubjectPublicKeyInfo too.
func ParsePublicKey(der []byte) *rsa.PublicKey {
	if key, err := x509.ParsePKCS1PublicKey(der); err == nil {
		return key
	}
	any, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil
	}
	key, _ := any.(*rsa.PublicKey)
	return key
}

var digestName = regexp.MustCompile(`^([0-9]{12})_CloudTrail-Digest_([a-z0-9-]+)_(.+)_([a-z0-9-]+)_([0-9]{8}T[0-9]{6}Z)(_backfill)?\.json\.gz$`)

// digestKey is what the name of a digest file says.
type digestKey struct {
	key      string
	end      time.Time
	trail    string // its name
	home     string
	backfill bool // names log files that were late; not one of the hourly chain
}

func parseDigestKey(key string) (digestKey, bool) {
	m := digestName.FindStringSubmatch(key[strings.LastIndexByte(key, '/')+1:])
	if m == nil {
		return digestKey{}, false
	}
	end, err := time.Parse("20060102T150405Z", m[5])
	return digestKey{key: key, end: end, trail: m[3], home: m[4], backfill: m[6] != ""}, err == nil
}
