package merkle

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Limits of a bundle: what is larger is refused before it is kept in memory.
const (
	mostLeaves  = 1 << 30 // of a tree that is there as a whole
	longestLeaf = 1 << 16 // C2SP tlog-tiles
	longestText = LongestText
	longestNote = 1 << 20
	longestPath = 64
	mostHints   = 100
)

// LongestText is how many bytes the detail of an entry and a value of personal data have in a bundle at most.
const LongestText = 16 << 20

// VerifyBundle reads a bundle and verifies everything in it against what is pinned. It needs neither a network nor a database, and memory for one
// leaf and 32 bytes for each 256 leaves. The error is a *Problem, or that of the reader or of a pin. What is said in the
// report of a bundle that does not hold is only how far it got.
func VerifyBundle(r io.Reader, pins Pins) (Report, error) {
	v := &verification{s: newStrict(r), pins: pins}
	err := v.run()
	if err != nil {
		return v.r, err
	}
	v.r.Holds = true
	v.r.conclude(pins)
	return v.r, nil
}

type verification struct {
	s    *strict
	pins Pins
	r    Report

	key        string   // hints
	witnesses  []string //
	checkpoint Checkpoint
	owner      string // uuid of the customer whose tree it is
	roots      []Hash

	count int64
	text  []byte  // of a leaf, after a zero
	given []given // of a block
}

// broken is what the reader found wrong with the form.
func (v *verification) broken() error {
	err := v.s.failed
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errTruncated):
		return problem(Truncated, "The bundle is cut off: its end is missing.")
	case isIO(err):
		return err
	}
	return problem(Malformed, "This is not a bundle, or it was changed: "+err.Error()+".")
}

// isIO tells errors of the reader, which are wrapped or of others, from ours.
func isIO(err error) bool {
	var form *formError
	return !errors.As(err, &form)
}

func (v *verification) run() error {
	s := v.s
	s.delim('{')
	s.name("format", true)
	format := s.str(100)
	if err := v.broken(); err != nil {
		return err
	}
	if format != BundleFormat {
		return problem(Version, "The form of this bundle is not known here.")
	}
	s.name("made", false)
	if _, err := time.Parse(time.RFC3339, s.str(40)); err != nil && s.failed == nil {
		s.fail(formf("the time at byte %d is none", s.at))
	}
	s.name("keys", false)
	s.delim('{')
	s.name("log", true)
	v.key = s.str(1000)
	s.name("witnesses", false)
	s.list(func(i int) {
		if i >= mostHints {
			s.fail(formf("there are more than %d witnesses", mostHints))
		}
		v.witnesses = append(v.witnesses, s.str(1000))
	})
	s.delim('}')
	s.name("checkpoint", false)
	signed := s.str(longestNote)
	if err := v.broken(); err != nil {
		return err
	}
	if err := v.signed(signed); err != nil {
		return err
	}
	if err := v.tree(); err != nil {
		return err
	}
	if err := v.since(); err != nil {
		return err
	}
	if err := v.body(); err != nil {
		return err
	}
	s.name("end", false)
	s.delim('{')
	s.name("leaves", true)
	count := s.num()
	s.delim('}')
	s.delim('}')
	s.end()
	if err := v.broken(); err != nil {
		return err
	}
	if v.count == 0 {
		return problem(Removed, "The bundle holds no entry at all.")
	}
	if count != v.count {
		kind := Removed
		if count < v.count {
			kind = Inserted
		}
		return problem(kind, fmt.Sprintf("The bundle was made with %d entries and has %d.", count, v.count))
	}
	return nil
}

// signed verifies the checkpoint.
func (v *verification) signed(signed string) error {
	text, sigs, err := SplitNote(signed)
	if err != nil {
		return problem(Malformed, "The checkpoint in the bundle is none.")
	}
	c, err := ParseCheckpoint(text)
	if err != nil {
		return problem(Malformed, "The checkpoint in the bundle is none.")
	}
	v.checkpoint = c
	v.r.Origin, v.r.Log = c.Origin, Point{c.Size, c.Root}
	keys := v.pins.Logs
	v.r.Trust = Pinned
	if len(keys) == 0 {
		keys, v.r.Trust = []string{v.key}, FirstUse
	}
	verifiers, names, err := logVerifier(keys, c.Origin)
	switch {
	case err != nil && v.r.Trust == FirstUse:
		return problem(Malformed, "The key in the bundle is none.")
	case err != nil:
		return err
	case len(verifiers) == 0:
		return problem(WrongLog, "The bundle is of a log of which no key is pinned.")
	}
	found := false
	for _, by := range verifiers {
		is, holds := signedBy(text, sigs, by)
		if is && !holds {
			return problem(BadSign, "The signature of the log does not hold: the checkpoint was changed after it was signed.")
		}
		if holds {
			found = true
			v.r.Key = names[by]
			v.r.Signed = append(v.r.Signed, Signature{Name: by.Name(), Key: names[by], Pinned: v.r.Trust == Pinned})
		}
	}
	if !found {
		return problem(Resigned, "The checkpoint is not signed by the pinned key of the log, but by another one.")
	}
	return v.cosigned(text, sigs)
}

// signedBy reports whether there is a line of a key, and whether each of them holds.
func signedBy(text string, sigs []note.Signature, by note.Verifier) (is, holds bool) {
	holds = true
	for _, s := range sigs {
		if s.Name != by.Name() || s.Hash != by.KeyHash() {
			continue
		}
		is = true
		raw, err := base64.StdEncoding.DecodeString(s.Base64)
		holds = holds && err == nil && len(raw) > 4 && by.Verify([]byte(text), raw[4:])
	}
	return is, is && holds
}

func (v *verification) cosigned(text string, sigs []note.Signature) error {
	pinned := map[string]bool{}
	held := 0
	for i, k := range append(append([]string{}, v.pins.Witnesses...), v.witnesses...) {
		mine := i < len(v.pins.Witnesses)
		w, err := NewWitness(k)
		switch {
		case err != nil && mine:
			return err
		case err != nil:
			return problem(Malformed, "The key of a witness in the bundle is none.")
		case pinned[w.String()]:
			continue
		}
		pinned[w.String()] = true
		is, holds := signedBy(text, sigs, w)
		if is && !holds {
			return problem(BadCosign, "The cosignature of a witness does not hold: the checkpoint was changed after it was signed.")
		}
		if !is {
			continue
		}
		for _, s := range sigs {
			if s.Name == w.Name() && s.Hash == w.KeyHash() {
				at, err := CosignedAt(s)
				if err != nil {
					return problem(BadCosign, "The cosignature of a witness has no time.")
				}
				v.r.Signed = append(v.r.Signed, Signature{Name: w.Name(), Key: w.String(), At: at, Witness: true, Pinned: mine})
				break
			}
		}
		if mine {
			held++
		}
	}
	need := v.pins.Need
	if need <= 0 {
		need = len(v.pins.Witnesses)
	}
	if held < need {
		return problem(BadCosign, fmt.Sprintf("%d of the pinned witnesses cosigned the checkpoint; %d are needed.", held, need))
	}
	if need > 0 && v.r.Trust == Pinned {
		v.r.Trust = Witnessed
	}
	return nil
}

// tree verifies that the root log holds the head of the tree.
func (v *verification) tree() error {
	s := v.s
	s.name("tree", false)
	s.delim('{')
	s.name("name", true)
	v.r.Tree = s.str(200)
	s.delim(',')
	v.r.Head = v.point()
	s.delim('}')
	s.name("head", false)
	s.delim('{')
	s.name("index", true)
	index := s.num()
	s.name("line", false)
	line := s.str(1000)
	s.name("proof", false)
	proof := v.path()
	s.delim('}')
	if err := v.broken(); err != nil {
		return err
	}
	if v.pins.Tree != "" && v.r.Tree != v.pins.Tree {
		return problem(WrongTree, "The bundle is of another tree than that which was asked for.")
	}
	owner, ok := ownerOf(v.r.Tree)
	if !ok {
		return problem(WrongTree, "There are no bundles of a tree of that name.")
	}
	v.owner = owner
	name, size, root, ok := ParseTreeLine(line)
	if !ok || name != v.r.Tree {
		return problem(WrongTree, "The line of the log in the bundle is about another tree.")
	}
	if size != v.r.Head.Size || root != v.r.Head.Root || size == 0 {
		return problem(Altered, "The head of the tree in the bundle is not the one of which the log has a line.")
	}
	if err := tlog.CheckRecord(proof, v.checkpoint.Size, v.checkpoint.Root, index, tlog.RecordHash([]byte(line))); err != nil {
		return problem(WrongTree, "The signed log does not hold this head of the tree.")
	}
	return nil
}

// point reads size and root.
func (v *verification) point() (p Point) {
	v.s.called("size")
	p.Size = v.s.num()
	v.s.name("root", false)
	p.Root = v.hash()
	return p
}

func (v *verification) hash() (h Hash) {
	raw, err := base64.StdEncoding.Strict().DecodeString(v.s.str(100))
	if (err != nil || len(raw) != len(h)) && v.s.failed == nil {
		v.s.fail(formf("the string before byte %d is no hash", v.s.at))
		return h
	}
	copy(h[:], raw)
	return h
}

func (v *verification) path() (p []Hash) {
	v.s.list(func(i int) {
		if i >= longestPath {
			v.s.fail(formf("the proof at byte %d is longer than any", v.s.at))
		}
		p = append(p, v.hash())
	})
	return p
}

// since verifies that log and tree go on from what was kept.
func (v *verification) since() error {
	s := v.s
	s.name("since", false)
	s.delim('{')
	points := map[string]*SincePoint{}
	if s.peek() == '}' {
		s.next()
	} else {
		last := ""
		for name, ok := s.str(100), true; ok && s.failed == nil; name, ok = s.another() {
			if name <= last || name != "log" && name != "tree" {
				s.unknown(name)
				break
			}
			if last == "" {
				s.delim(':')
			}
			last = name
			s.delim('{')
			p := &SincePoint{Point: v.point()}
			s.name("proof", false)
			p.Proof = v.path()
			s.delim('}')
			points[name] = p
		}
	}
	if err := v.broken(); err != nil {
		return err
	}
	if v.pins.KeptOrigin != "" && v.pins.KeptOrigin != v.r.Origin {
		return problem(Restarted, "The log began anew under another origin since the checkpoint that was kept.")
	}
	if err := goesOn("log", v.r.Log, points["log"], v.pins.KeptLog); err != nil {
		return err
	}
	return goesOn("tree", v.r.Head, points["tree"], v.pins.KeptTree)
}

// goesOn verifies that a tree holds what it held at an earlier point, which the bundle names and the verifier may have kept.
func goesOn(what string, now Point, said *SincePoint, kept *Point) error {
	fork := problem(Forked, "There are two histories of the "+what+": it does not go on from what was kept.")
	if said != nil {
		if said.Size > now.Size || said.Size < 1 {
			return problem(Malformed, "The bundle proves nothing about the earlier "+what+" that it names.")
		}
		if kept != nil && said.Size == kept.Size && said.Root != kept.Root {
			return fork
		}
		if err := tlog.CheckTree(said.Proof, now.Size, now.Root, said.Size, said.Root); err != nil {
			return fork
		}
	}
	switch {
	case kept == nil || kept.Size == 0:
		return nil
	case kept.Size > now.Size:
		return problem(Older, "The "+what+" in the bundle is smaller than the one that was kept: the bundle is older, or the log was set back.")
	case kept.Size == now.Size:
		if kept.Root != now.Root {
			return fork
		}
		return nil
	case said == nil || said.Size != kept.Size:
		return problem(NoProof, "The bundle does not prove that the "+what+" goes on from the one that was kept.")
	}
	return nil
}
