package witness

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/estate"
)

// Format is the first word of every statement.
const Format = "garant witness statement v1"

// Outcomes of what a witness saw of a measure.
const (
	SawPass  = "pass"
	SawFail  = "fail"
	SawError = "error"
)

// Statement is what a witness says at a moment.
type Statement struct {
	Format   string    `json:"format"`
	Witness  string    `json:"witness"`
	Company  string    `json:"company"`  // legal name in the annex
	Sequence int64     `json:"sequence"` // grows with every statement of a key
	MadeAt   time.Time `json:"made_at"`  // UTC, whole seconds
	Document string    `json:"document"` // hexadecimal hash of the published document; "": the annex did not answer
	Version  int64     `json:"version"`  // of that document
	States   []State   `json:"states"`   // sorted by measure
	Reach    *Reach    `json:"reach"`    // null: nothing had to be refused
}

// State is one measure as the annex announced it and as the witness saw it.
type State struct {
	Measure    string    `json:"measure"`
	Announced  string    `json:"announced"` // state in the annex; "": none
	Saw        string    `json:"saw"`
	ObservedAt time.Time `json:"observed_at"`
}

// Confirmed reports whether the witness saw what is announced as met.
func (s State) Confirmed() bool { return s.Announced == "met" && s.Saw == SawPass }

// Disputed reports whether the witness saw the contrary of what is announced as met.
func (s State) Disputed() bool { return s.Announced == "met" && s.Saw == SawFail }

// Reach is what came of connecting to addresses that must not be reachable. Each is in one list.
type Reach struct {
	Refused []string `json:"refused"`
	Open    []string `json:"open"`
	Unknown []string `json:"unknown"` // it could not be told
}

// Signed is a statement to the letter, with its signature.
type Signed struct {
	Statement string `json:"statement"` // JSON
	Signature string `json:"signature"` // Ed25519 (RFC 8032) over prefix and statement, base64
}

// prefix keeps signatures of statements from being taken for those of anything else.
const prefix = Format + "\n"

// canonical writes a statement in the only form that is accepted: members in the order of the type, no
// white space, lists sorted, times in UTC.
func (s Statement) canonical() ([]byte, error) {
	s.MadeAt = s.MadeAt.UTC()
	s.States = slices.Clone(s.States)
	for i := range s.States {
		s.States[i].ObservedAt = s.States[i].ObservedAt.UTC()
	}
	slices.SortFunc(s.States, func(a, b State) int { return strings.Compare(a.Measure, b.Measure) })
	if s.States == nil {
		s.States = []State{}
	}
	if s.Reach != nil {
		r := Reach{sortedOf(s.Reach.Refused), sortedOf(s.Reach.Open), sortedOf(s.Reach.Unknown)}
		s.Reach = &r
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), nil
}

func sortedOf(list []string) []string {
	if len(list) == 0 {
		return []string{}
	}
	return slices.Sorted(slices.Values(list))
}

// Sign signs a statement.
func Sign(s Statement, key ed25519.PrivateKey) (Signed, error) {
	s.Format = Format
	text, err := s.canonical()
	if err != nil {
		return Signed{}, err
	}
	signature := ed25519.Sign(key, append([]byte(prefix), text...))
	return Signed{Statement: string(text), Signature: base64.StdEncoding.EncodeToString(signature)}, nil
}

// The ways in which a statement is not one.
var (
	ErrSignature = errors.New("it is not signed by that key")
	ErrForm      = errors.New("it is not a statement in its only form")
)

// Open checks the signature and reads the statement.
func (s Signed) Open(key ed25519.PublicKey) (Statement, error) {
	signature, err := base64.StdEncoding.Strict().DecodeString(s.Signature)
	if err != nil || len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, append([]byte(prefix), s.Statement...), signature) {
		return Statement{}, ErrSignature
	}
	return s.read()
}

// read reads what is not verified yet: only to find out whose key to verify it with.
func (s Signed) read() (Statement, error) {
	decoder := json.NewDecoder(strings.NewReader(s.Statement))
	decoder.DisallowUnknownFields()
	var out Statement
	if err := decoder.Decode(&out); err != nil || out.Format != Format {
		return Statement{}, ErrForm
	}
	again, err := out.canonical()
	if err != nil || string(again) != s.Statement {
		return Statement{}, ErrForm
	}
	return out, nil
}

// Fingerprint is how people compare keys: the first 12 hexadecimal digits of its SHA-256, in groups.
func Fingerprint(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	text := hex.EncodeToString(sum[:6])
	return text[:4] + " " + text[4:8] + " " + text[8:]
}

// silentAfter is after how many intervals without a statement a witness is silent.
const silentAfter = 3

// patience is how long after its last statement a witness is not silent yet.
func patience(w estate.Witness) time.Duration { return silentAfter * w.Every }
