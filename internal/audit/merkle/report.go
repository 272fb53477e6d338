package merkle

import (
	"fmt"
	"strconv"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/garant-project/garant/internal/errs"
)

// Kind tells apart what can be wrong with a bundle.
type Kind string

// What can be wrong.
const (
	Malformed  Kind = "malformed"       // it is no bundle, to the letter
	Version    Kind = "unknown_version" // it is one of a form that is not known here
	Truncated  Kind = "truncated"       // the end is missing
	Edited     Kind = "edited"          // an entry has other content
	Removed    Kind = "removed"         // an entry is missing
	Inserted   Kind = "inserted"        // an entry is in it that the tree does not hold there
	Reordered  Kind = "reordered"       // entries stand in another order
	Altered    Kind = "altered"         // entries and hashes were changed together, so that it cannot be told how
	BadLeaf    Kind = "leaf"            // an entry is in the tree, but not written in the one form that leaves have
	FalseDetl  Kind = "detail"          // the full detail is not the one of the leaf
	FalseOpen  Kind = "opened"          // what was opened is not what was sealed
	WrongLog   Kind = "wrong_log"       // it is of another log than the pinned one
	WrongTree  Kind = "wrong_tree"      // of another tree than asked for, or the root log holds no such head of it
	WrongOwner Kind = "wrong_tenant"    // an entry is of another customer
	Resigned   Kind = "resigned"        // signed by another key
	BadSign    Kind = "signature"       // the signature does not hold
	BadCosign  Kind = "cosignature"     // a cosignature does not hold, or there are too few
	Forked     Kind = "forked"          // there are two histories
	Older      Kind = "older"           // it is older than what was kept
	Restarted  Kind = "restarted"       // it is of a later generation of the log than what was kept
	NoProof    Kind = "no_proof"        // it does not prove that it goes on from what was kept
)

// Problem is why a bundle does not hold. It is an errs.Error of kind Invalid where it is no bundle, of kind Denied otherwise.
type Problem struct {
	Kind  Kind
	First int64 // the first bad leaf, -1: none in particular
	Until int64 // it is one of [First, Until)
	Entry int64 // its number in the record as the bundle says; 0: not told
	Text  string
	Fix   string
}

func (p *Problem) Error() string { return p.Text }

// Unwrap gives it a kind, and words for pages.
func (p *Problem) Unwrap() error {
	kind := errs.Denied
	if p.Kind == Malformed || p.Kind == Version || p.Kind == Truncated {
		kind = errs.Invalid
	}
	return errs.New(kind, "merkle.bundle_"+string(p.Kind), p.Text).WithFix(p.Fix).With("first", p.First).With("entry", p.Entry)
}

func problem(kind Kind, text string) *Problem {
	p := &Problem{Kind: kind, First: -1, Until: -1, Text: text}
	switch kind {
	case Malformed, Truncated:
		p.Fix = "Download it again, and do not open and save it with another program."
	case Version:
		p.Fix = "Verify it with a newer program."
	case Older, NoProof:
		p.Fix = "Ask for a bundle since the checkpoint that you kept."
	case Restarted:
		p.Fix = "Ask why the log began anew: its first line says what was before. Then verify this bundle without what you kept, and keep both."
	case WrongTree:
		p.Fix = "Ask for the bundle of your own tree."
	default:
		p.Fix = "Do not rely on it. Keep the file, and ask where it comes from."
	}
	return p
}

func (p *Problem) at(index, entry int64) *Problem {
	p.First, p.Until, p.Entry = index, index+1, entry
	return p
}

// Trust is what verification rests on.
type Trust string

// What verification can rest on, from nothing upwards.
const (
	FirstUse  Trust = "first_use" // the key came with the bundle: whoever made it can have made the key
	Pinned    Trust = "pinned"    // the log's key came from the verifier
	Witnessed Trust = "witnessed" // so did the keys of as many witnesses as asked for, and they cosigned
)

// Pins is what a verifier knows from elsewhere.
type Pins struct {
	Logs      []string // keys of the log, one for each generation; none: trust on first use
	Witnesses []string // keys of witnesses (C2SP vkeys)
	Need      int      // how many of them must have cosigned; 0: all
	Tree      string   // that it has to be of; "": any

	KeptOrigin        string // of an earlier bundle's Report; empty: that of this one
	KeptLog, KeptTree *Point // Log and Head of it
}

// Signature is who signed the checkpoint.
type Signature struct {
	Name    string
	Key     string    // of the log or the witness, to be compared
	At      time.Time // of a witness; the log says no time
	Witness bool
	Pinned  bool
}

// Statement is a sentence of a report; its id does not change.
type Statement struct{ ID, Text string }

// Report says what was verified. When VerifyBundle fails it says how far it got, and Holds is false.
type Report struct {
	Holds bool  // nothing that is in the bundle contradicts the rest of it, or what is pinned
	Trust Trust // what that rests on

	Origin string
	Key    string // of the log, that signed
	Tree   string
	Log    Point // signed: to be kept, and pinned the next time
	Head   Point // of the tree: the same
	Signed []Signature

	Whole       bool
	Entries     int64 // leaves verified, with what is in them
	Dropped     int64 // leaves of which the entry is not there any more
	Opened      int64 // entries whose personal data is in it, as promised
	Erased      int64 // entries whose personal data cannot be opened any more, as it says
	Sealed      int64 // entries whose personal data was not opened
	ErasedIDs   []int64
	Ranges      [][2]int64 // leaves without a gap: from, until; the first hundred
	RangesTotal int64
	From, Until time.Time // of the entries, by the clock of the database

	Checked   []Statement
	NotProven []Statement
}

// Verified reports whether it holds and rests on a key that came from elsewhere. Without that nothing is verified fully.
func (r *Report) Verified() bool { return r.Holds && r.Trust != FirstUse }

// Verdict is one sentence.
func (r *Report) Verdict() string {
	switch {
	case !r.Holds:
		return "NOT VERIFIED."
	case r.Trust == FirstUse:
		return "NOT FULLY VERIFIED: it holds together, on first use of a key that came with it."
	case r.Trust == Pinned:
		return "Verified with the pinned key of the log, without a witness."
	}
	return "Verified with the pinned keys of the log and of its witnesses."
}

func (r *Report) checked(id, format string, args ...any) {
	r.Checked = append(r.Checked, Statement{id, fmt.Sprintf(format, args...)})
}

func (r *Report) unproven(id, format string, args ...any) {
	r.NotProven = append(r.NotProven, Statement{id, fmt.Sprintf(format, args...)})
}

// mostErased is how many numbers of erased entries a report names.
const mostErased = 1000

// mostRanges is how many ranges of leaves a report names.
const mostRanges = 100

// covers notes that a leaf was verified.
func (r *Report) covers(index int64) {
	if n := len(r.Ranges); n > 0 && r.RangesTotal == int64(n) && r.Ranges[n-1][1] == index {
		r.Ranges[n-1][1]++
		return
	}
	r.RangesTotal++
	if len(r.Ranges) < mostRanges {
		r.Ranges = append(r.Ranges, [2]int64{index, index + 1})
	}
}

func entries(n int64) string { return counted(n, "entry", "entries") }

func lines(n int64) string { return counted(n, "line", "lines") }

func counted(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(n, 10) + " " + many
}

// conclude says what was checked and what was not.
func (r *Report) conclude(p Pins) {
	r.checked("signature", "The checkpoint of the log %s with %s is signed by %s.", r.Origin, lines(r.Log.Size), r.Key)
	for _, s := range r.Signed {
		switch {
		case s.Witness && s.Pinned:
			r.checked("witness", "The witness %s cosigned it at %s.", s.Name, s.At.Format(time.RFC3339))
		case s.Witness:
			r.unproven("witness_unknown", "A witness that is not pinned, %s, is said to have cosigned it at %s.", s.Name, s.At.Format(time.RFC3339))
		}
	}
	r.checked("head", "The log holds the head of the tree %s with %s.", r.Tree, entries(r.Head.Size))
	if r.Whole {
		r.checked("whole", "Every place of the tree is accounted for, in order: %s, %d dropped.", entries(r.Entries), r.Dropped)
	} else {
		r.checked("selection", "In the tree at the place it claims: each of %s; %d more dropped.", entries(r.Entries), r.Dropped)
		r.unproven("selection", "It is a selection: that no entry which you would look for is left out is proven only between neighbouring places.")
	}
	if r.Opened > 0 {
		r.checked("opened", "The personal data beside %s is what was promised at the time of writing.", entries(r.Opened))
	}
	if p.KeptLog != nil {
		r.checked("since_log", "The log goes on from what you had kept: %s.", lines(p.KeptLog.Size))
	}
	if p.KeptTree != nil {
		r.checked("since_tree", "The tree goes on from what you had kept: %s.", entries(p.KeptTree.Size))
	}
	if p.KeptLog == nil || p.KeptTree == nil {
		r.unproven("since", "Nothing kept from earlier was given for %s: whether this goes on from what you were shown before is not known.", map[bool]string{true: "the log and the tree", false: "one of log and tree"}[p.KeptLog == nil && p.KeptTree == nil])
	}
	if r.Trust == FirstUse {
		r.unproven("key", "The key of the log came with the bundle. Compare it with what the company publishes elsewhere, and pin it: %s", r.Key)
	}
	if r.Trust != Witnessed {
		r.unproven("views", "No witness whose key you know has seen this checkpoint: others may have been shown another history.")
	}
	if p.Tree == "" {
		r.unproven("tree", "You did not say whose tree it should be: it is that of %s.", r.Tree)
	}
	if r.Dropped > 0 {
		r.unproven("dropped", "What was dropped is not in it, only place and hash: %s.", entries(r.Dropped))
	}
	if r.Erased > 0 {
		r.unproven("erased", "The personal data beside %s is said to be erased; that the key is destroyed nobody can prove.", entries(r.Erased))
	}
	if r.Sealed > 0 {
		r.unproven("sealed", "The personal data beside %s was not opened for this bundle.", entries(r.Sealed))
	}
	r.unproven("later", "What was written after this checkpoint, and whether the log held a later head of the tree, is not in it.")
	r.unproven("entry", "That what was recorded was true when it was written, and that the process named wrote it, cannot be told from it.")
}

// logVerifier finds who verifies for the origin among keys; nil: none.
func logVerifier(keys []string, origin string) (list []note.Verifier, text map[note.Verifier]string, err error) {
	text = map[note.Verifier]string{}
	for _, k := range keys {
		v, err := note.NewVerifier(k)
		if err != nil {
			return nil, nil, errs.New(errs.Invalid, "merkle.log_key", "A pinned key of a log cannot be read.").
				WithFix("Give it as NAME+HASH+BASE64, as the log's page shows it.")
		}
		if v.Name() == origin {
			list = append(list, v)
			text[v] = k
		}
	}
	return list, text, nil
}
