package merkle

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"

	"github.com/garant-project/garant/internal/errs"
)

// algCosignature is the signature type of a timestamped Ed25519 cosignature. C2SP signed-note, "Signature types".
const algCosignature = 4

// maxSignatures is how many signature lines of a checkpoint are read. C2SP signed-note asks for 16 at least.
const maxSignatures = 64

// NewWitnessKey makes a key for a witness from 32 secret bytes: what cosigns (NewCosigner) and what verifies (NewWitness). The second
// is a C2SP vkey of type 0x04; the first has the form of package note's private keys, with the same type.
func NewWitnessKey(name string, seed []byte) (signer, verifier string, err error) {
	if len(seed) != ed25519.SeedSize || !validName(name) {
		return "", "", errs.New(errs.Internal, "merkle.key", "A key of a witness cannot be made.").
			WithFix("Give it a name without spaces and plus signs, and 32 secret bytes.")
	}
	public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	hash := cosignatureKeyHash(name, public)
	return fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", name, hash, base64.StdEncoding.EncodeToString(append([]byte{algCosignature}, seed...))),
		fmt.Sprintf("%s+%08x+%s", name, hash, base64.StdEncoding.EncodeToString(append([]byte{algCosignature}, public...))), nil
}

func errWitnessKey() *errs.Error {
	return errs.New(errs.Invalid, "merkle.witness_key", "This is not the key of a witness.").
		WithFix("Give it as NAME+HASH+BASE64 with a key of type 4 (C2SP tlog-cosignature), as the witness prints it.")
}

// Witness verifies cosignatures of one witness. It is a note.Verifier.
type Witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

// NewWitness reads a C2SP vkey of type 0x04.
func NewWitness(vkey string) (*Witness, error) {
	name, rest, _ := strings.Cut(vkey, "+")
	hash, key, err := splitKey(name, rest)
	if err != nil || len(key) != ed25519.PublicKeySize || cosignatureKeyHash(name, key) != hash {
		return nil, errWitnessKey()
	}
	return &Witness{name: name, hash: hash, key: key}, nil
}

// Name implements note.Verifier.
func (w *Witness) Name() string { return w.name }

// KeyHash implements note.Verifier.
func (w *Witness) KeyHash() uint32 { return w.hash }

// Key is the Ed25519 key itself.
func (w *Witness) Key() ed25519.PublicKey { return w.key }

// Verify implements note.Verifier: sig is the time and the signature.
func (w *Witness) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	said, ok := cosigned(binary.BigEndian.Uint64(sig), msg)
	return ok && ed25519.Verify(w.key, said, sig[8:])
}

// String is the vkey.
func (w *Witness) String() string {
	return fmt.Sprintf("%s+%08x+%s", w.name, w.hash, base64.StdEncoding.EncodeToString(append([]byte{algCosignature}, w.key...)))
}

// Cosigned reads one signature line under the text of a checkpoint (as Checkpoint.Text gives it), and tells when it was signed. The error is of kind Denied
// when the line is another's or does not hold for the text.
func (w *Witness) Cosigned(text, line string) (time.Time, error) {
	s, err := ParseSignature(line)
	if err != nil {
		return time.Time{}, err
	}
	if s.Name != w.name || s.Hash != w.hash {
		return time.Time{}, errs.New(errs.Denied, "merkle.other_witness", "The cosignature is of another key than that of the witness.")
	}
	raw, _ := base64.StdEncoding.DecodeString(s.Base64) // ParseSignature did
	if !w.Verify([]byte(text), raw[4:]) {
		return time.Time{}, errs.New(errs.Denied, "merkle.cosignature", "The cosignature is not of this checkpoint, or was changed.")
	}
	return CosignedAt(s)
}

// Cosigner cosigns checkpoints. It is a note.Signer; what it says of a log (that it saw no larger tree of it) is up to who calls.
type Cosigner struct {
	of  Witness
	key ed25519.PrivateKey
	now func() time.Time
}

// NewCosigner reads a signing key of NewWitnessKey.
func NewCosigner(key string, now func() time.Time) (*Cosigner, error) {
	rest, ok := strings.CutPrefix(key, "PRIVATE+KEY+")
	name, rest, _ := strings.Cut(rest, "+")
	hash, seed, err := splitKey(name, rest)
	if !ok || err != nil || len(seed) != ed25519.SeedSize {
		return nil, errWitnessKey()
	}
	c := &Cosigner{key: ed25519.NewKeyFromSeed(seed), now: now}
	c.of = Witness{name: name, hash: hash, key: c.key.Public().(ed25519.PublicKey)}
	if cosignatureKeyHash(name, c.of.key) != hash {
		return nil, errWitnessKey()
	}
	return c, nil
}

// Name implements note.Signer.
func (c *Cosigner) Name() string { return c.of.name }

// KeyHash implements note.Signer.
func (c *Cosigner) KeyHash() uint32 { return c.of.hash }

// Witness verifies what this signs.
func (c *Cosigner) Witness() *Witness { w := c.of; return &w }

// Sign implements note.Signer: the time and the signature.
func (c *Cosigner) Sign(msg []byte) ([]byte, error) {
	at := c.now().Unix()
	said, ok := cosigned(uint64(at), msg) //nolint:gosec // refused when negative
	if at < 0 || !ok {
		return nil, errCheckpoint()
	}
	return append(binary.BigEndian.AppendUint64(nil, uint64(at)), ed25519.Sign(c.key, said)...), nil
}

// Line cosigns the text of a checkpoint (without signatures): the line to be put under it.
func (c *Cosigner) Line(text string) (string, error) {
	sig, err := c.Sign([]byte(text))
	if err != nil {
		return "", err
	}
	return SignatureLine(c.of.name, c.of.hash, sig), nil
}

// SignatureLine writes a line of a signed note, newline included. C2SP signed-note.
func SignatureLine(name string, hash uint32, sig []byte) string {
	return "— " + name + " " + base64.StdEncoding.EncodeToString(append(binary.BigEndian.AppendUint32(nil, hash), sig...)) + "\n"
}

// ParseSignature reads one line of a signed note; a newline at its end may be missing.
func ParseSignature(line string) (s note.Signature, err error) {
	rest, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "— ")
	name, b64, _ := strings.Cut(rest, " ")
	raw, err := base64.StdEncoding.Strict().DecodeString(b64)
	if !ok || err != nil || !validName(name) || len(raw) < 5 || len(line) > 20_000 || strings.ContainsAny(b64, "\r\n") {
		return s, errs.New(errs.Invalid, "merkle.signature_line", "This is not a signature line of a checkpoint.")
	}
	return note.Signature{Name: name, Hash: binary.BigEndian.Uint32(raw), Base64: b64}, nil
}

// CosignedAt is when a cosignature says that it was made.
func CosignedAt(s note.Signature) (time.Time, error) {
	raw, err := base64.StdEncoding.DecodeString(s.Base64)
	if err == nil && len(raw) == 4+8+ed25519.SignatureSize {
		if at := binary.BigEndian.Uint64(raw[4:]); at <= math.MaxInt64 {
			return time.Unix(int64(at), 0).UTC(), nil
		}
	}
	return time.Time{}, errs.New(errs.Invalid, "merkle.cosignature_time", "The signature is no cosignature with a time.")
}

// AddLines puts signature lines under a signed note; a line of a name and key that signed already is left out.
func AddLines(signed string, lines ...string) (string, error) {
	_, sigs, err := SplitNote(signed)
	if err != nil {
		return "", err
	}
	for _, line := range lines {
		s, err := ParseSignature(line)
		if err != nil {
			return "", err
		}
		double := false
		for _, is := range sigs {
			double = double || is.Name == s.Name && is.Hash == s.Hash
		}
		if double {
			continue
		}
		sigs = append(sigs, s)
		signed += strings.TrimSuffix(line, "\n") + "\n"
	}
	return signed, nil
}

// SplitNote parts the text of a signed note from its signatures, of which none is verified.
func SplitNote(signed string) (text string, sigs []note.Signature, err error) {
	bad := errs.New(errs.Invalid, "merkle.note", "This is not a signed checkpoint of a log.")
	i := strings.LastIndex(signed, "\n\n")
	if i < 0 || len(signed) > 1<<20 || !utf8.ValidString(signed) || !strings.HasSuffix(signed, "\n") {
		return "", nil, bad
	}
	text, rest := signed[:i+1], signed[i+2:]
	if strings.IndexFunc(signed, func(r rune) bool { return r < 0x20 && r != '\n' }) >= 0 {
		return "", nil, bad
	}
	for line := range strings.Lines(rest) {
		s, err := ParseSignature(line)
		if err != nil || len(sigs) == maxSignatures {
			return "", nil, bad
		}
		sigs = append(sigs, s)
	}
	if len(sigs) == 0 {
		return "", nil, bad
	}
	return text, sigs, nil
}

// Cosignature is who put a name under a checkpoint, and when by its own clock.
type Cosignature struct {
	Witness string
	KeyHash uint32
	At      time.Time
}

// OpenCosigned reads a checkpoint that was signed by a log, and tells which of the given witnesses cosigned it. How many are
// enough the caller says. A line of the log or of one of these that does not hold is an error; lines of others are passed over.
func OpenCosigned(signed string, log note.Verifier, witnesses ...*Witness) (c Checkpoint, by []Cosignature, err error) {
	if c, err = Open(signed, log); err != nil {
		return c, nil, err
	}
	text, sigs, err := SplitNote(signed)
	if err != nil {
		return c, nil, err
	}
	done := map[string]bool{}
	for _, s := range sigs {
		for _, w := range witnesses {
			if s.Name != w.name || s.Hash != w.hash || done[w.String()] {
				continue
			}
			at, err := w.Cosigned(text, SignatureLineOf(s))
			if err != nil {
				return c, nil, err
			}
			done[w.String()] = true
			by = append(by, Cosignature{Witness: w.name, KeyHash: w.hash, At: at})
		}
	}
	return c, by, nil
}

// SignatureLineOf writes a signature as its line.
func SignatureLineOf(s note.Signature) string { return "— " + s.Name + " " + s.Base64 + "\n" }

// cosigned is what a witness signs: C2SP tlog-cosignature, "Ed25519 signed message". Only a checkpoint is.
func cosigned(at uint64, msg []byte) ([]byte, bool) {
	if at > math.MaxInt64 {
		return nil, false
	}
	if c, err := ParseCheckpoint(string(msg)); err != nil || c.Text() != string(msg) {
		return nil, false
	}
	b := strconv.AppendUint([]byte("cosignature/v1\ntime "), at, 10)
	return append(append(b, '\n'), msg...), true
}

func cosignatureKeyHash(name string, public []byte) uint32 {
	sum := sha256.Sum256(append([]byte(name+"\n\x04"), public...))
	return binary.BigEndian.Uint32(sum[:])
}

// splitKey reads HASH+BASE64 of a key of a witness, without the type.
func splitKey(name, rest string) (hash uint32, key []byte, err error) {
	hex, b64, _ := strings.Cut(rest, "+")
	n, err := strconv.ParseUint(hex, 16, 32)
	raw, err2 := base64.StdEncoding.Strict().DecodeString(b64)
	if err != nil || err2 != nil || len(hex) != 8 || len(raw) < 2 || raw[0] != algCosignature || !validName(name) {
		return 0, nil, errWitnessKey()
	}
	return uint32(n), raw[1:], nil
}

// ValidName tells what may be the name of a key. C2SP signed-note.
func ValidName(name string) bool { return validName(name) }

func validName(name string) bool {
	return name != "" && len(name) <= 255 && utf8.ValidString(name) && !strings.Contains(name, "+") &&
		strings.IndexFunc(name, func(r rune) bool { return unicode.IsSpace(r) || r < 0x20 }) < 0
}
