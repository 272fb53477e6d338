package merkle

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/errs"
)

// Checkpoint is the head of a tree as it is signed. C2SP tlog-checkpoint.
type Checkpoint struct {
	Origin string
	Size   int64
	Root   Hash
	More   []string // extension lines
}

// Text is what is signed.
func (c Checkpoint) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%d\n%s\n", c.Origin, c.Size, base64.StdEncoding.EncodeToString(c.Root[:]))
	for _, m := range c.More {
		b.WriteString(m + "\n")
	}
	return b.String()
}

func errCheckpoint() *errs.Error {
	return errs.New(errs.Invalid, "merkle.checkpoint", "This is not a checkpoint of a log.")
}

// ParseCheckpoint reads what was signed.
func ParseCheckpoint(text string) (c Checkpoint, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 || lines[len(lines)-1] != "" || lines[0] == "" {
		return c, errCheckpoint()
	}
	c.Origin, c.More = lines[0], lines[3:len(lines)-1]
	if c.Size, err = strconv.ParseInt(lines[1], 10, 64); err != nil || c.Size < 0 || strconv.FormatInt(c.Size, 10) != lines[1] {
		return c, errCheckpoint()
	}
	root, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize || base64.StdEncoding.EncodeToString(root) != lines[2] {
		return c, errCheckpoint()
	}
	c.Root = Hash(root)
	for _, m := range c.More {
		if m == "" {
			return c, errCheckpoint()
		}
	}
	return c, nil
}

// NewKey makes a key for a log: what signs and what verifies, as package note writes them. name is the origin.
func NewKey(name string, seed []byte) (signer, verifier string, err error) {
	if len(seed) != ed25519.SeedSize {
		return "", "", errs.New(errs.Internal, "merkle.key", "A key of a log cannot be made.")
	}
	key := ed25519.NewKeyFromSeed(seed)
	public := key.Public().(ed25519.PublicKey)
	if verifier, err = note.NewEd25519VerifierKey(name, public); err != nil {
		return "", "", err
	}
	hash := strings.Split(verifier, "+")[1]
	return fmt.Sprintf("PRIVATE+KEY+%s+%s+%s", name, hash, base64.StdEncoding.EncodeToString(append([]byte{1}, seed...))), verifier, nil
}

// Sign makes a signed note of a checkpoint.
func Sign(c Checkpoint, signers ...note.Signer) (string, error) {
	signed, err := note.Sign(&note.Note{Text: c.Text()}, signers...)
	return string(signed), err
}

// Open reads a note that was signed by a log, and by no fewer witnesses than are given. Errors say what is missing.
func Open(signed string, log note.Verifier) (Checkpoint, error) {
	n, err := note.Open([]byte(signed), note.VerifierList(log))
	if err != nil {
		return Checkpoint{}, errs.New(errs.Denied, "merkle.signature", "The checkpoint is not signed by the key of its log.").
			WithFix("It was signed by another key, or changed afterwards: do not trust it, and ask where it comes from.").Wrap(err)
	}
	c, err := ParseCheckpoint(n.Text)
	if err != nil {
		return c, err
	}
	if c.Origin != log.Name() {
		return c, errs.New(errs.Denied, "merkle.origin", "The checkpoint is of another log than the key.")
	}
	return c, nil
}

// TreeLine is the leaf of the root log that holds the head of another tree.
func TreeLine(name string, size int64, root Hash) string {
	return fmt.Sprintf("garant/tree v1\n%s %d %s\n", name, size, base64.StdEncoding.EncodeToString(root[:]))
}

// ParseTreeLine reads such a leaf; false: it is another.
func ParseTreeLine(line string) (name string, size int64, root Hash, ok bool) {
	rest, is := strings.CutPrefix(line, "garant/tree v1\n")
	if !is {
		return "", 0, root, false
	}
	parts := strings.Split(strings.TrimSuffix(rest, "\n"), " ")
	if len(parts) != 3 {
		return "", 0, root, false
	}
	size, err := strconv.ParseInt(parts[1], 10, 64)
	raw, err2 := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || err2 != nil || len(raw) != tlog.HashSize {
		return "", 0, root, false
	}
	root = Hash(raw)
	return parts[0], size, root, TreeLine(parts[0], size, root) == line
}

// TimeLine is the leaf of the root log that says that it was looked after at a time.
func TimeLine(at time.Time) string {
	return "garant/time v1\n" + at.UTC().Format(time.RFC3339) + "\n"
}

// ParseTimeLine reads such a leaf; false: it is another.
func ParseTimeLine(line string) (at time.Time, ok bool) {
	rest, is := strings.CutPrefix(line, "garant/time v1\n")
	at, err := time.Parse(time.RFC3339+"\n", rest)
	return at, is && err == nil
}

// NoticedLine is the leaf of the root log that says what did not fit together: whoever deletes the row that tells of it does not delete this.
func NoticedLine(kind, about string) string {
	return "garant/noticed v1\n" + kind + "\n" + about + "\n"
}

// ParseNoticedLine reads such a leaf; false: it is another.
func ParseNoticedLine(line string) (kind, about string, ok bool) {
	rest, is := strings.CutPrefix(line, "garant/noticed v1\n")
	parts := strings.Split(rest, "\n")
	if !is || len(parts) != 3 || parts[2] != "" {
		return "", "", false
	}
	return parts[0], parts[1], true
}

// TreeOrigin is the origin of a tree of a log: the root log has the log's own.
func TreeOrigin(origin, name string) string {
	if name == "root" {
		return origin
	}
	return origin + "/" + name
}
