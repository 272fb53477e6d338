// Package leaf says how an entry of the record is written down where it counts: what its writer signs, and what becomes a
// leaf of a tree. Both are JSON of one form only, so that they can be made again from the row, by anybody, years later.
//
//   - Members stand in the order of the fields below; what is empty is left out; there is no white space but in detail.
//   - In strings only the quotation mark, the backslash and what is below U+0020 are escaped, the last as \u00XX.
//   - Times are UTC with six decimals; UUIDs are lower case; bytes are standard base64 with padding.
//   - detail stands to the letter as it was said, up to MaxDetail bytes; of more there is "detail_digest", the hex SHA-256 of it.
//   - Personal data before and after a change is not in it, only a promise: SHA-256 over a salt and the changes (see Promise).
//     Both are sealed beside the entry. When their key is destroyed nobody can tell any more what was promised.
package leaf

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"hash"
	"strconv"
	"time"
)

// MaxDetail is how many bytes of detail a leaf holds; a leaf has to fit into 65,535 (C2SP tlog-tiles).
const MaxDetail = 16 << 10

// Said is what the writer of an entry says, and signs.
type Said struct {
	ActorKind, ActorID string
	Session, Origin    string
	Tenant             string // uuid of a customer
	Action             string
	Outcome            string
	ObjectKind         string
	ObjectID           string
	Reason, Request    string
	Detail             []byte // JSON
	Subject            string // whose key seals what was promised
	Promise            []byte
	Occurred           time.Time
	Written            time.Time // by the writer's clock
	Writer             string    // uuid of the process; empty: it signs nothing
	N                  int64     // how many it had written
}

// Entry is a row of the record.
type Entry struct {
	ID   int64
	At   time.Time // by the clock of the database
	Said Said
	MAC  []byte
}

// Append writes what is said.
func (s *Said) Append(b []byte) []byte {
	b = append(b, `{"by":{"kind":`...)
	b = appendString(b, s.ActorKind)
	b = append(b, `,"id":`...)
	b = appendString(b, s.ActorID)
	b = appendMember(b, "session", s.Session)
	b = appendMember(b, "origin", s.Origin)
	b = append(b, '}')
	b = appendMember(b, "tenant", s.Tenant)
	b = appendMember(b, "action", s.Action)
	b = appendMember(b, "outcome", s.Outcome)
	b = append(b, `,"object":{"kind":`...)
	b = appendString(b, s.ObjectKind)
	b = append(b, `,"id":`...)
	b = appendString(b, s.ObjectID)
	b = append(b, '}')
	b = appendMember(b, "reason", s.Reason)
	b = appendMember(b, "request", s.Request)
	switch {
	case len(s.Detail) == 0 || string(s.Detail) == "{}":
	case len(s.Detail) <= MaxDetail:
		b = append(b, `,"detail":`...)
		b = append(b, s.Detail...)
	default:
		digest := sha256.Sum256(s.Detail)
		b = append(b, `,"detail_digest":"`...)
		b = hex.AppendEncode(b, digest[:])
		b = append(b, '"')
	}
	b = appendMember(b, "subject", s.Subject)
	if len(s.Promise) > 0 {
		b = appendBytes(append(b, `,"promise":`...), s.Promise)
	}
	b = appendTime(b, "occurred", s.Occurred)
	b = appendTime(b, "written", s.Written)
	if s.Writer != "" {
		b = appendMember(b, "writer", s.Writer)
		b = strconv.AppendInt(append(b, `,"n":`...), s.N, 10)
	}
	return append(b, '}')
}

// Append writes the leaf.
func (e *Entry) Append(b []byte) []byte {
	b, _ = e.AppendBoth(b)
	return b
}

// AppendBoth writes the leaf, and gives the part of it that is what was said as well: what is signed.
func (e *Entry) AppendBoth(b []byte) (leaf, said []byte) {
	b = strconv.AppendInt(append(b, `{"v":1,"id":`...), e.ID, 10)
	b = appendTime(b, "at", e.At)
	b = append(b, `,"said":`...)
	from := len(b)
	b = e.Said.Append(b)
	until := len(b)
	if len(e.MAC) > 0 {
		b = appendBytes(append(b, `,"mac":`...), e.MAC)
	}
	b = append(b, '}')
	return b, b[from:until]
}

// MAC signs what is said with the key of its writer: HMAC-SHA-256 (RFC 2104).
func MAC(key []byte, said []byte) []byte {
	return NewSigner(key).MAC(nil, said)
}

// Signer is MAC for many with the same key. It is not for several goroutines at once.
type Signer struct {
	h   hash.Hash
	sum []byte
}

// NewSigner takes the key of a writer.
func NewSigner(key []byte) *Signer { return &Signer{h: hmac.New(sha256.New, key)} }

// MAC appends that of what is said.
func (s *Signer) MAC(b, said []byte) []byte {
	s.h.Reset()
	s.h.Write(said)
	return s.h.Sum(b)
}

// Signed reports whether a MAC is that of what is said.
func (s *Signer) Signed(said, mac []byte) bool {
	s.sum = s.MAC(s.sum[:0], said)
	return hmac.Equal(s.sum, mac)
}

// Change is one field of personal data before and after; nil: there was none.
type Change struct {
	Field  string  `json:"field"`
	Before *string `json:"before,omitempty"`
	After  *string `json:"after,omitempty"`
}

// Sealed is what is sealed beside an entry.
type Sealed struct {
	Salt    []byte   `json:"salt"` // 32 bytes
	Changes []Change `json:"changes"`
}

// Promise is what a leaf holds of it: SHA-256 over the salt and the JSON array of the changes, each {"field":…,"before":…,"after":…}
// in the form of this package.
func (s Sealed) Promise() []byte {
	b := append([]byte(nil), s.Salt...)
	b = append(b, '[')
	for i, c := range s.Changes {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(append(b, `{"field":`...), c.Field)
		if c.Before != nil {
			b = appendString(append(b, `,"before":`...), *c.Before)
		}
		if c.After != nil {
			b = appendString(append(b, `,"after":`...), *c.After)
		}
		b = append(b, '}')
	}
	b = append(b, ']')
	sum := sha256.Sum256(b)
	return sum[:]
}

// Parsed is a leaf as a reader finds it: the same members as in Entry.
type Parsed struct {
	V    int       `json:"v"`
	ID   int64     `json:"id"`
	At   time.Time `json:"at"`
	Said struct {
		By struct {
			Kind    string `json:"kind"`
			ID      string `json:"id"`
			Session string `json:"session"`
			Origin  string `json:"origin"`
		} `json:"by"`
		Tenant  string `json:"tenant"`
		Action  string `json:"action"`
		Outcome string `json:"outcome"`
		Object  struct {
			Kind string `json:"kind"`
			ID   string `json:"id"`
		} `json:"object"`
		Reason       string          `json:"reason"`
		Request      string          `json:"request"`
		Detail       json.RawMessage `json:"detail"`
		DetailDigest string          `json:"detail_digest"`
		Subject      string          `json:"subject"`
		Promise      []byte          `json:"promise"`
		Occurred     time.Time       `json:"occurred"`
		Written      time.Time       `json:"written"`
		Writer       string          `json:"writer"`
		N            int64           `json:"n"`
	} `json:"said"`
	MAC []byte `json:"mac"`
}

func appendMember(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, ',', '"')
	b = append(b, name...)
	return appendString(append(b, '"', ':'), value)
}

func appendTime(b []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, `":"`...)
	return append(AppendTime(b, t), '"')
}

// AppendTime writes a time as leaves have it: as AppendFormat does, but without reading a format each time.
func AppendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.AppendFormat(b, "2006-01-02T15:04:05.000000Z")
	}
	hour, minute, second := t.Clock()
	b = two(two(b, year/100), year%100)
	b = two(append(b, '-'), int(month))
	b = two(append(b, '-'), day)
	b = two(append(b, 'T'), hour)
	b = two(append(b, ':'), minute)
	b = two(append(b, ':'), second)
	micro := t.Nanosecond() / 1000
	return append(two(two(two(append(b, '.'), micro/10_000), micro/100%100), micro%100), 'Z')
}

// two writes a number below a hundred.
func two(b []byte, n int) []byte {
	return append(b, byte('0'+n/10), byte('0'+n%10)) //nolint:gosec // digits
}

func appendBytes(b, value []byte) []byte {
	return append(base64.StdEncoding.AppendEncode(append(b, '"'), value), '"')
}

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		for i+8 <= len(s) && plain(s[i:i+8]) {
			i += 8
		}
		if i == len(s) {
			break
		}
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		if c >= 0x20 {
			b = append(b, '\\', c)
			continue
		}
		const digits = "0123456789abcdef"
		b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
	}
	return append(append(b, s[from:]...), '"')
}

// plain reports whether none of eight bytes has to be escaped, in a few steps for all of them: where a byte is less than n, below 129, the highest bit of that byte
// is set in (w - n) &^ w, n in each byte; a byte that is a sign is 0, which is less than 1, when the sign is taken from it by XOR.
func plain(s string) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	_ = s[7]
	w := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
	quote, back := w^('"'*ones), w^('\\'*ones)
	return ((w-0x20*ones)&^w|(quote-ones)&^quote|(back-ones)&^back)&high == 0
}
