package tenant

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// Size is the length of a token in bytes. Where each field stands, the MAC covering all before it:
//
//	offset  length  field
//	     0       1  version, 1
//	     1       1  key id
//	     2      16  audience: of which installation and database
//	    18      40  tenant: type (u, i or t), length, at most 38 bytes, zeros
//	    58      16  session
//	    74       1  kind
//	    75      16  purpose: of a service token, the accepted job; else zeros
//	    91       1  access: r or w
//	    92       8  expiry: microseconds since 1970-01-01 UTC, big endian
//	   100      32  HMAC-SHA-256 (RFC 2104)
//
// Schema garant (internal/token/schema) reads the same places.
const Size = 132

const (
	version    = 1
	atKey      = 1
	atAudience = 2
	atTenant   = 18
	atSession  = 58
	atKind     = 74
	atPurpose  = 75
	atAccess   = 91
	atExpiry   = 92
	atMAC      = 100
	maxTenant  = 38
)

// Audience names one guarded database of one installation. A token for one is refused by every other.
type Audience [16]byte

// Kind says what a token was minted for.
type Kind byte

// The kinds.
const (
	Login       Kind = 'l' // a user signed in
	Service     Kind = 's' // a named job that two people accepted
	Development Kind = 'd' // made by a developer, for a database of their own
	Probe       Kind = 'p' // made by a check that tries to get past the walls
)

// Word names the kind.
func (k Kind) Word() string {
	switch k {
	case Login:
		return "login"
	case Service:
		return "service"
	case Development:
		return "development"
	case Probe:
		return "probe"
	}
	return "unknown"
}

// Access is what a transaction under the token may do.
type Access byte

// The accesses.
const (
	Read  Access = 'r' // the transaction is READ ONLY
	Write Access = 'w'
)

// ID is a tenant's key, as the guarded database has it: a uuid, a bigint or a text of at most 38
// bytes. The zero value names nobody.
type ID struct {
	form  byte
	value string // the bytes of the field
}

// UUID is the tenant with that uuid.
func UUID(id [16]byte) ID { return ID{'u', string(id[:])} }

// Int is the tenant with that smallint, integer or bigint.
func Int(id int64) ID { return ID{'i', string(binary.BigEndian.AppendUint64(nil, uint64(id)))} } //nolint:gosec // two's complement, as int8send gives it

// Text is the tenant with that text: 1 to 38 bytes of UTF-8 without NUL.
func Text(id string) (ID, error) {
	if id == "" || len(id) > maxTenant || !utf8.ValidString(id) || slices.Contains([]byte(id), 0) {
		return ID{}, fmt.Errorf("tenant: a text that names a tenant has 1 to %d bytes of UTF-8 and no NUL; this has %d bytes", maxTenant, len(id))
	}
	return ID{'t', id}, nil
}

// ParseID reads a tenant's key as PostgreSQL prints it; typ is uuid, bigint or text.
func ParseID(typ, text string) (ID, error) {
	switch typ {
	case "uuid":
		b, err := parseUUID(text)
		return UUID(b), err
	case "bigint":
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return ID{}, errors.New("tenant: the key of a tenant is not a whole number of 64 bits")
		}
		return Int(n), nil
	case "text":
		return Text(text)
	}
	return ID{}, fmt.Errorf("tenant: the key of a tenant is a uuid, a bigint or a text, not %q", typ)
}

// Type is uuid, bigint or text; empty for the zero value.
func (i ID) Type() string {
	switch i.form {
	case 'u':
		return "uuid"
	case 'i':
		return "bigint"
	case 't':
		return "text"
	}
	return ""
}

// String is the key as PostgreSQL prints it.
func (i ID) String() string {
	switch i.form {
	case 'u':
		return formatUUID([16]byte([]byte(i.value)))
	case 'i':
		return strconv.FormatInt(int64(binary.BigEndian.Uint64([]byte(i.value))), 10) //nolint:gosec // two's complement
	}
	return i.value
}

// Claims is what a token says.
type Claims struct {
	Tenant  ID
	Session [16]byte // of the login, or of the run of a job; what is revoked
	Kind    Kind
	Purpose [16]byte // of a service token: the accepted job
	Access  Access
	Expires time.Time
}

// Key mints tokens for one database. Whoever holds it can be any tenant: it stays with the key
// holder. It prints as nothing.
type Key struct {
	ID       byte
	Audience Audience
	Secret   [32]byte
}

// String redacts the key.
func (k Key) String() string { return "[key " + strconv.Itoa(int(k.ID)) + "]" }

// GoString redacts the key.
func (k Key) GoString() string { return k.String() }

// LogValue redacts the key.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalJSON refuses: a key goes nowhere by accident.
func (k Key) MarshalJSON() ([]byte, error) {
	return nil, errors.New("tenant: a key is not written as JSON")
}

// Format redacts the key under every verb.
func (k Key) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(k.String())) }

// Pads are the two blocks of HMAC-SHA-256 (RFC 2104, section 2) for this key: what the database
// holds, so that it computes a MAC with two calls of sha256. They are as secret as the key.
func (k Key) Pads() (inner, outer [64]byte) {
	copy(inner[:], k.Secret[:])
	outer = inner
	for i := range inner {
		inner[i] ^= 0x36
		outer[i] ^= 0x5c
	}
	return inner, outer
}

// Mint signs claims.
func (k Key) Mint(c Claims) (Token, error) {
	switch {
	case c.Tenant.form == 0:
		return Token{}, errors.New("tenant: a token needs a tenant")
	case c.Session == [16]byte{}:
		return Token{}, errors.New("tenant: a token needs a session, by which it can be revoked")
	case c.Kind.Word() == "unknown":
		return Token{}, errors.New("tenant: a token needs a kind")
	case c.Access != Read && c.Access != Write:
		return Token{}, errors.New("tenant: a token is for reading or for writing")
	case (c.Kind == Service) != (c.Purpose != [16]byte{}):
		return Token{}, errors.New("tenant: a token for a service names its job, and no other does")
	case !c.Expires.After(time.Unix(0, 0)) || c.Expires.Year() > 9999:
		return Token{}, errors.New("tenant: a token ends at a moment after 1970")
	}
	var t Token
	t.b[0], t.b[atKey] = version, k.ID
	copy(t.b[atAudience:], k.Audience[:])
	t.b[atTenant], t.b[atTenant+1] = c.Tenant.form, byte(len(c.Tenant.value)) //nolint:gosec // at most 38
	copy(t.b[atTenant+2:], c.Tenant.value)
	copy(t.b[atSession:], c.Session[:])
	t.b[atKind] = byte(c.Kind)
	copy(t.b[atPurpose:], c.Purpose[:])
	t.b[atAccess] = byte(c.Access)
	binary.BigEndian.PutUint64(t.b[atExpiry:], uint64(c.Expires.UnixMicro())) //nolint:gosec // after 1970
	copy(t.b[atMAC:], k.mac(&t))
	return t, nil
}

func (k Key) mac(t *Token) []byte {
	h := hmac.New(sha256.New, k.Secret[:])
	h.Write(t.b[:atMAC])
	return h.Sum(nil)
}

// Verify reads a token that this key minted. The errors: [ErrInvalid], [ErrExpired].
func (k Key) Verify(t Token, now time.Time) (Claims, error) {
	if t.b[0] != version || t.b[atKey] != k.ID || Audience(t.b[atAudience:atTenant]) != k.Audience || !hmac.Equal(k.mac(&t), t.b[atMAC:]) {
		return Claims{}, ErrInvalid
	}
	c := t.Claims()
	if !now.Before(c.Expires) {
		return Claims{}, ErrExpired
	}
	return c, nil
}

// Token proves a login within a tenant to the database. Who holds it is that login until it ends:
// it prints as nothing, and goes into no log.
type Token struct{ b [Size]byte }

// ParseToken reads a token as [Token.Encode] wrote it. It does not verify it: only the key holder and the
// database can.
func ParseToken(text string) (Token, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return Token{}, ErrInvalid
	}
	return TokenOf(b)
}

// TokenOf reads the bytes of a token, without verifying it.
func TokenOf(b []byte) (Token, error) {
	if len(b) != Size || b[0] != version {
		return Token{}, ErrInvalid
	}
	t := Token{[Size]byte(b)}
	n := t.b[atTenant+1]
	switch t.b[atTenant] {
	case 'u':
		if n == 16 {
			return t, nil
		}
	case 'i':
		if n == 8 {
			return t, nil
		}
	case 't':
		if n >= 1 && n <= maxTenant {
			return t, nil
		}
	}
	return Token{}, ErrInvalid
}

// IsZero reports whether this is no token at all.
func (t Token) IsZero() bool { return t.b[0] == 0 }

// Bytes are what garant.enter takes.
func (t Token) Bytes() []byte { return slices.Clone(t.b[:]) }

// Encode writes the token for a header or a JSON answer: base64url without padding (RFC 4648, section 5).
func (t Token) Encode() string { return base64.RawURLEncoding.EncodeToString(t.b[:]) }

// Claims is what the token says, unverified; it is for the holder's own use: to know when to ask for the next.
func (t Token) Claims() Claims {
	if t.IsZero() {
		return Claims{}
	}
	return Claims{
		Tenant:  ID{t.b[atTenant], string(t.b[atTenant+2 : atTenant+2+int(min(t.b[atTenant+1], maxTenant))])},
		Session: [16]byte(t.b[atSession:atKind]),
		Kind:    Kind(t.b[atKind]),
		Purpose: [16]byte(t.b[atPurpose:atAccess]),
		Access:  Access(t.b[atAccess]),
		Expires: time.UnixMicro(int64(binary.BigEndian.Uint64(t.b[atExpiry:]))).UTC(), //nolint:gosec // as it was written
	}
}

// Expires is when the token ends.
func (t Token) Expires() time.Time { return t.Claims().Expires }

// String redacts the token.
func (t Token) String() string { return "[token]" }

// GoString redacts the token.
func (t Token) GoString() string { return t.String() }

// LogValue redacts the token.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// Format redacts the token under every verb.
func (t Token) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(t.String())) }

func parseUUID(s string) (id [16]byte, err error) {
	bad := errors.New("tenant: the key of a tenant is not a uuid")
	switch {
	case len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-':
		s = s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	case len(s) != 32:
		return id, bad
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return id, bad
	}
	return id, nil
}

func formatUUID(id [16]byte) string {
	h := hex.EncodeToString(id[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
