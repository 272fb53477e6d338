package verify

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Outcome is what came of a verification.
type Outcome string

// The outcomes. Nothing is intact of which something was left out.
const (
	Intact     Outcome = "intact"
	Broken     Outcome = "not intact"
	Incomplete Outcome = "not fully examined"
)

// Kind says what was done to a log.
type Kind string

// The kinds.
const (
	Edited    Kind = "edited"          // an entry is another than the one in its tree
	Deleted   Kind = "deleted"         // an entry is gone, and not at the end of its time
	Inserted  Kind = "inserted"        // an entry, or a leaf, that was never put in order
	Reordered Kind = "reordered"       // leaves stand in each other's places
	Truncated Kind = "truncated"       // the end of the log is gone
	Forked    Kind = "forked"          // two histories were signed
	ReSigned  Kind = "re-signed"       // a head is signed by another key than the log's
	Tile      Kind = "tile changed"    // a tile is not that of its leaves
	RootLine  Kind = "root log"        // a line of the root log was changed
	Head      Kind = "head changed"    // what is kept of a tree is not that of its leaves
	WrongMAC  Kind = "wrong signature" // of an entry: its writer did not write it, or not so
	LeftOut   Kind = "left out"        // an entry that its writer signed was passed over
	Unclaimed Kind = "missing"         // a writer says that it wrote entries which are not there
	Noticed   Kind = "noticed"         // what the sequencer noticed and nobody has explained
	Structure Kind = "structure"       // tables are not those that Garant made
	Excused   Kind = "wrongly excused" // what the database says was dropped at the end of its time was not at it
	Segment   Kind = "second account"  // what stands there is not whole
	Unlocked  Kind = "not locked"      // an object there can be deleted
	Witness   Kind = "witness"         // a cosignature is not that of its witness
	Sealed    Kind = "sealed"          // personal data before and after is not what was promised
)

// Finding is one thing that is wrong.
type Finding struct {
	Kind       Kind   `json:"kind"`
	Generation int    `json:"generation,omitempty"`
	Tree       string `json:"tree,omitempty"`
	Index      int64  `json:"index"`           // in the tree; -1: of no leaf
	Entry      int64  `json:"entry,omitempty"` // number of the row
	Text       string `json:"text"`            // a sentence

	seq    int64 // where it stands among all leaves; 0: nowhere
	bucket bool  // found by comparing with the second account
}

// Counted is something that was looked at.
type Counted struct {
	What string `json:"what"`
	N    int64  `json:"n"`
}

// Report is what a verification found, and what it did not look at.
type Report struct {
	Outcome     Outcome       `json:"outcome"`
	Against     string        `json:"against"` // what was held against what
	Trust       string        `json:"trust"`
	First       *Finding      `json:"first,omitempty"`
	Findings    []Finding     `json:"findings"` // at most MostFindings
	Found       int           `json:"found"`    // how many there are
	Examined    []Counted     `json:"examined"`
	NotExamined []string      `json:"not_examined"`
	Notes       []string      `json:"notes"`
	Remains     []string      `json:"remains"` // what could be without being seen here
	Entries     int64         `json:"entries"`
	Took        time.Duration `json:"took_ns"`

	byKind map[Kind]int
}

// MostFindings is how many findings a report names, of each kind.
const MostFindings = 50

// ExitCode is 0 when the log is intact, 1 when it is not, 2 when something was not examined.
func (r *Report) ExitCode() int {
	switch r.Outcome {
	case Intact:
		return 0
	case Broken:
		return 1
	}
	return 2
}

func (r *Report) find(f Finding) {
	r.Found++
	if r.byKind == nil {
		r.byKind = map[Kind]int{}
	}
	if r.byKind[f.Kind]++; r.byKind[f.Kind] <= MostFindings {
		r.Findings = append(r.Findings, f)
	}
}

func (r *Report) examined(what string, n int64) {
	for i := range r.Examined {
		if r.Examined[i].What == what {
			r.Examined[i].N += n
			return
		}
	}
	r.Examined = append(r.Examined, Counted{what, n})
}

func (r *Report) skipped(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(r.NotExamined, text) {
		r.NotExamined = append(r.NotExamined, text)
	}
}

func (r *Report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

func (r *Report) remains(format string, args ...any) {
	r.Remains = append(r.Remains, fmt.Sprintf(format, args...))
}

// conclude puts findings in the order of the log and says what came of it all.
func (r *Report) conclude() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		if c := cmp.Compare(a.exactness(), b.exactness()); c != 0 {
			return c
		}
		if c := cmp.Compare(a.seq, b.seq); c != 0 {
			return c
		}
		if a.bucket != b.bucket { // of one entry, what the second account says
			if a.bucket {
				return -1
			}
			return 1
		}
		return 0
	})
	switch {
	case r.Found > 0:
		r.Outcome, r.First = Broken, &r.Findings[0]
	case len(r.NotExamined) > 0:
		r.Outcome = Incomplete
	default:
		r.Outcome = Intact
	}
}

// exactness sorts what names an entry before what names a place, and that before the rest.
func (f *Finding) exactness() int {
	switch {
	case f.Entry > 0 && f.seq > 0:
		return 0
	case f.seq > 0:
		return 1
	}
	return 2
}
