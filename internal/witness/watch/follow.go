package watch

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/trees"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/outgoing"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/witness"
)

// Cosigned is what came of following the log in a round.
type Cosigned struct {
	Origin string
	Size   int64
	Root   string // base64
	Line   string // the cosignature made in this round; empty: none
	Sent   bool   // Garant has it
	Hidden int64  // of a log that goes on from an earlier one: how many leaves of that were cosigned here and are not told of there
}

// logSeen is what a look at the log saw.
type logSeen struct {
	trouble  string // kind of alarm; empty: it is as it should be
	reason   string
	patience int      // rounds before that is an alarm
	proof    []string // checkpoints, both signed by the log, that contradict each other
	sendErr  error
	cosigned *Cosigned
}

func trouble(kind, reason string, proof ...string) *logSeen {
	return &logSeen{trouble: kind, reason: reason, patience: 1, proof: proof}
}

// The bounds of a look at the log.
const (
	followTime    = time.Minute
	maxCheckpoint = 64 << 10
	maxBundle     = 17 << 20 // 256 leaves of 64 KiB, which is more than lines of a root log ever are
	tileHeight    = 8
)

// follow looks at the log, and cosigns its head when that goes on from the last one that was cosigned. The head is kept before
// it is signed. The error is one of this side: nothing was signed.
func (w *Watch) follow(ctx context.Context) (*logSeen, error) {
	ctx, cancel := context.WithTimeout(ctx, followTime)
	defer cancel()
	m, err := remember(w.File.State+".log", w.state.Cosigner == w.Cosigner.Witness().String())
	if err != nil {
		return nil, err
	}
	defer m.unlock()
	kept := m.Logs[w.File.Log.Key]
	head, signed, bad := w.head(ctx, kept)
	if bad != nil {
		return bad, nil
	}
	seen := &logSeen{cosigned: &Cosigned{Origin: head.Origin, Size: head.Size, Root: base64.StdEncoding.EncodeToString(head.Root[:])}}
	switch {
	case kept != nil && head.Size < kept.Size:
		return trouble(Rollback, "", kept.Note, signed), nil
	case kept != nil && head.Size == kept.Size && head.Root != kept.Root:
		return trouble(Fork, "", kept.Note, signed), nil
	case kept == nil || head.Size > kept.Size:
		if bad := w.agrees(ctx, m, kept, head, signed, seen); bad != nil {
			return bad, nil
		}
		if err := w.at("verified"); err != nil {
			return nil, err
		}
		kept = &followed{Origin: head.Origin, Size: head.Size, Root: head.Root, Note: signed, GrewAt: w.Now().UTC()}
		m.Logs[w.File.Log.Key] = kept
		if err := m.keep(); err != nil { // before it is signed: what is signed is never forgotten
			return nil, err
		}
		if err := w.at("kept"); err != nil {
			return nil, err
		}
	default:
		if still := w.Now().Sub(kept.GrewAt); still > w.File.Log.Quiet {
			seen.trouble, seen.reason, seen.patience = LogSilent, noGrowth, 1
		}
	}
	if kept.Sent || seen.trouble != "" {
		seen.cosigned.Sent = kept.Sent
		return seen, nil
	}
	text, _, err := merkle.SplitNote(kept.Note)
	if err != nil {
		return nil, errMemory("the file "+m.path+" was changed", "Put it back from a copy.")
	}
	if seen.cosigned.Line, err = w.Cosigner.Line(text); err != nil {
		return nil, err
	}
	if err := w.at("signed"); err != nil {
		return nil, err
	}
	if w.File.Garant == nil {
		return seen, nil
	}
	if seen.sendErr = w.cosign(ctx, kept.Note, seen.cosigned.Line); seen.sendErr != nil {
		return seen, nil
	}
	if err := w.at("sent"); err != nil {
		return nil, err
	}
	kept.Sent, seen.cosigned.Sent = true, true
	return seen, m.keep()
}

func (w *Watch) at(step string) error {
	if w.interrupt != nil {
		return w.interrupt(step)
	}
	return nil
}

// head fetches the checkpoint of the log, and verifies its signature.
func (w *Watch) head(ctx context.Context, kept *followed) (c merkle.Checkpoint, signed string, bad *logSeen) {
	blind := func(reason string) (merkle.Checkpoint, string, *logSeen) {
		s := trouble(LogSilent, reason)
		s.patience = w.File.Misses
		if kept != nil && w.Now().Sub(kept.GrewAt) > w.File.Log.Quiet {
			s.patience = 1
		}
		return c, "", s
	}
	body, err := w.get(ctx, "/checkpoint", maxCheckpoint)
	switch {
	case errors.Is(err, errStatus):
		return blind("the log answers with an error")
	case err != nil:
		return blind("the log does not answer")
	}
	signed = string(body)
	text, _, err := merkle.SplitNote(signed)
	if err != nil {
		return blind("what it shows is no checkpoint")
	}
	said, err := merkle.ParseCheckpoint(text)
	if err != nil {
		return blind("what it shows is no checkpoint")
	}
	verifier, err := note.NewVerifier(w.File.Log.Key)
	if err != nil { // was read with the configuration
		return blind("the pinned key is none")
	}
	if said.Origin != verifier.Name() {
		if generation(said.Origin, verifier.Name()) > generation(verifier.Name(), said.Origin) {
			return c, "", trouble(LogRestored, "")
		}
		return c, "", trouble(LogWrong, "it bears another name")
	}
	if c, err = merkle.Open(signed, verifier); err != nil {
		return c, "", trouble(LogWrong, "it is signed with another key")
	}
	if c.Size == 0 {
		return blind("it holds nothing")
	}
	return c, signed, nil
}

// generation tells the number of an origin, as one of the same log as another; 0: it is of another log.
func generation(origin, other string) int {
	number := func(s string) (base string, n int) {
		base, last := s, ""
		if i := strings.LastIndexByte(s, '/'); i >= 0 {
			base, last = s[:i], s[i+1:]
		}
		if n, err := strconv.Atoi(last); err == nil && n > 1 && strconv.Itoa(n) == last {
			return base, n
		}
		return s, 1
	}
	base, n := number(origin)
	if otherBase, _ := number(other); base != otherBase {
		return 0
	}
	return n
}

// agrees verifies with hashes of the log, each checked against the signed head, that the log holds what it held when it was last cosigned.
func (w *Watch) agrees(ctx context.Context, m *memory, kept *followed, head merkle.Checkpoint, signed string, seen *logSeen) *logSeen {
	tiles := &tileReader{ctx: ctx, get: w.get}
	hashes := tlog.TileHashReader(tlog.Tree{N: head.Size, Hash: head.Root}, tiles)
	wrong := func() *logSeen {
		if tiles.failed != nil {
			s := trouble(LogSilent, "its hashes cannot be read")
			s.patience = w.File.Misses
			return s
		}
		return trouble(LogWrong, "its hashes are not those of the head that it signed")
	}
	if kept == nil {
		first, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, 0), tlog.StoredHashIndex(0, head.Size-1)})
		if err != nil {
			return wrong()
		}
		if generation(head.Origin, head.Origin) > 1 {
			return w.goesOn(ctx, m, head, first[0], signed, seen)
		}
		return nil
	}
	before, err := tlog.TreeHash(kept.Size, hashes)
	if err != nil {
		return wrong()
	}
	if before != kept.Root {
		return trouble(Fork, "", kept.Note, signed)
	}
	return nil
}

// goesOn verifies that a log of a later generation says first what it goes on from, and holds that against what was cosigned of it.
func (w *Watch) goesOn(ctx context.Context, m *memory, head merkle.Checkpoint, first merkle.Hash, signed string, seen *logSeen) *logSeen {
	wide := int(min(head.Size, merkle.TileWidth))
	body, err := w.get(ctx, trees.TilePath(-1, 0, wide), maxBundle)
	if err != nil {
		s := trouble(LogSilent, "its entries cannot be read")
		s.patience = w.File.Misses
		return s
	}
	silent := trouble(LogWrong, "it does not say what it goes on from")
	if len(body) < 2 || len(body)-2 < int(binary.BigEndian.Uint16(body)) {
		return silent
	}
	line := body[2 : 2+int(binary.BigEndian.Uint16(body))]
	if tlog.RecordHash(line) != first {
		return trouble(LogWrong, "its hashes are not those of the head that it signed")
	}
	lines := strings.Split(string(line), "\n")
	if len(lines) < 3 || lines[0] != "garant/restored v1" {
		return silent
	}
	parts := strings.Split(lines[1], " ")
	if len(parts) != 3 || generation(parts[0], head.Origin) == 0 {
		return silent
	}
	size, err := strconv.ParseInt(parts[1], 10, 64)
	root, err2 := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || err2 != nil || size < 0 {
		return silent
	}
	for _, f := range m.Logs {
		if f.Origin != parts[0] {
			continue
		}
		if size == f.Size && string(root) != string(f.Root[:]) {
			return trouble(Fork, "", f.Note, signed)
		}
		seen.cosigned.Hidden = max(seen.cosigned.Hidden, f.Size-size)
	}
	return nil
}

// get reads a part of the log.
func (w *Watch) get(ctx context.Context, path string, most int64) ([]byte, error) {
	c := client(w.File.Log.WebAddress)
	c.MaxBody = most
	answer, err := c.Do(ctx, outgoing.Request{URL: w.File.Log.URL + path})
	if err != nil {
		return nil, err
	}
	if answer.Status != http.StatusOK {
		return nil, errStatus
	}
	return answer.Body, nil
}

// tileReader fetches tiles. What they hold is checked by tlog.TileHashReader.
type tileReader struct {
	ctx    context.Context //nolint:containedctx // of the look; tlog.TileReader passes none
	get    func(ctx context.Context, path string, most int64) ([]byte, error)
	failed error
}

// Height implements tlog.TileReader.
func (*tileReader) Height() int { return tileHeight }

// SaveTiles implements tlog.TileReader: nothing is kept.
func (*tileReader) SaveTiles([]tlog.Tile, [][]byte) {}

// ReadTiles implements tlog.TileReader.
func (r *tileReader) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(tiles))
	for i, t := range tiles {
		b, err := r.get(r.ctx, trees.TilePath(t.L, t.N, t.W), merkle.TileWidth*tlog.HashSize)
		if err == nil && len(b) != t.W*tlog.HashSize {
			err = errForm
		}
		if err != nil {
			r.failed = err
			return nil, fmt.Errorf("a tile of the log: %w", err)
		}
		out[i] = b
	}
	return out, nil
}

// cosign gives Garant a checkpoint with a cosignature, or one that was shown and is not cosigned (line is empty).
func (w *Watch) cosign(ctx context.Context, signed, line string) error {
	body, err := json.Marshal(witness.Shown{Checkpoint: signed, Cosignature: line})
	if err != nil {
		return err
	}
	return w.post(ctx, web.APIPath+witness.CosignaturePath(w.File.Name), body)
}

// showProof gives Garant heads that contradict each other: it may not know of one of them.
func (w *Watch) showProof(ctx context.Context, proof []string) {
	for _, signed := range proof {
		if err := w.cosign(ctx, signed, ""); err != nil {
			w.Log.Info("Garant was shown a head of the log that contradicts another", "event.outcome", "failure")
		}
	}
}

// unfollowed is what is alarmed of when the fault is on this side.
func unfollowed(err error, misses int) *logSeen {
	s := trouble(LogSilent, "what this witness needs to cosign it cannot be used")
	s.patience = misses
	if errs.Is(err, errs.Conflict) {
		s.reason = "another process of this witness works with it"
	}
	return s
}

const noGrowth = "it does not grow"
