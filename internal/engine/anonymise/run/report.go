package run

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/anonymise/leak"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/plan"
	"github.com/garant-project/garant/internal/engine/anonymise/reidentify"
	"github.com/garant-project/garant/internal/engine/anonymise/seen"
)

// Report tells of a run what was done and what is proven. It holds no value of the source.
type Report struct {
	Run             string        `json:"run"`
	Name            string        `json:"name"`
	Database        string        `json:"database,omitempty"` // of the proven copy, until it is published
	Origin          string        `json:"origin"`             // what started the run
	Began           time.Time     `json:"began"`
	Ended           time.Time     `json:"ended,omitzero"` // when everything was proven
	Plan            string        `json:"plan"`           // SHA-256 of the plan as it is written
	Source          SourceReport  `json:"source"`
	Seconds         float64       `json:"seconds"`
	SnapshotSeconds float64       `json:"snapshot_seconds"` // for which the source's vacuum was held back
	Pauses          int           `json:"pauses,omitempty"` // since the source was busy
	PausedSeconds   float64       `json:"paused_seconds,omitempty"`
	Before          []Attempt     `json:"before,omitempty"` // runs with other keys that ended since two values became one
	Resumed         []Resumption  `json:"resumed,omitempty"`
	Stages          []StageReport `json:"stages"`
	Set             SetReport     `json:"set"`
	Tables          []TableReport `json:"tables,omitempty"`
	Schema          SchemaReport  `json:"schema"`
	LeftOut         []string      `json:"left_out,omitempty"` // of the source's schema
	Leaks           *leak.Report  `json:"leaks,omitempty"`
	Persons         []Measured    `json:"persons,omitempty"`
	Linkable        []Linked      `json:"linkable,omitempty"`  // values by which somebody who may query production leads rows back; none: the copy is anonymised, else pseudonymised
	Questions       []Question    `json:"questions,omitempty"` // that the plan leaves open
	Problems        []string      `json:"problems,omitempty"`  // for which the copy must not be published
	Proven          bool          `json:"proven"`
	Failed          Stage         `json:"failed,omitempty"` // in which the run ended
	Error           string        `json:"error,omitempty"`

	held *pgx.Conn // with the lock that keeps Clean away
}

// Attempt is a run that came to nothing, and after which another was tried.
type Attempt struct {
	Run     string    `json:"run"`
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"`
	Error   string    `json:"error"`
}

// SourceReport is which database was copied.
type SourceReport struct {
	System   string `json:"system"` // identifier of the cluster, that replicas share
	Database string `json:"database"`
}

// Linked is a value that stays, and what it is that leads back to production.
type Linked struct {
	Where string      `json:"where"`
	By    plan.LinkBy `json:"by"`
}

// StageReport is how long a part of the run took.
type StageReport struct {
	Stage   Stage   `json:"stage"`
	Seconds float64 `json:"seconds"`
	Rows    int64   `json:"rows,omitempty"`
	Bytes   int64   `json:"bytes,omitempty"` // of the source's files
}

// SetReport tells of the set of identifying values how large it is.
type SetReport struct {
	Values   map[personal.Kind]int `json:"values,omitempty"`
	Unusable map[string]int        `json:"unusable,omitempty"` // that prove nothing, by reason
	Entries  int                   `json:"entries"`
	Bytes    int                   `json:"bytes"`
	Canaries int                   `json:"canaries"`
}

// TableReport is how many rows there are: under the snapshot, on their way, in the copy.
type TableReport struct {
	Table  string `json:"table"`
	Source int64  `json:"source"`
	Copied int64  `json:"copied"`
	There  int64  `json:"there"`
}

// SchemaReport compares the schemas.
type SchemaReport struct {
	Objects     int      `json:"objects"`
	ForeignKeys int      `json:"foreign_keys"`
	Checks      int      `json:"checks"`
	NotValid    int      `json:"not_valid"` // constraints that the source has not validated either
	Problems    []string `json:"problems,omitempty"`
}

// Measured is whether somebody can be found again in a table.
type Measured struct {
	Table    string             `json:"table"`
	Quasi    []string           `json:"quasi"`
	K        int                `json:"k"`
	L        int                `json:"l,omitempty"`
	Classes  reidentify.Classes `json:"classes"`
	Attack   reidentify.Outcome `json:"attack"`
	Problems []string           `json:"problems,omitempty"`
}

// Passed reports whether all proofs are there and none failed: only then a copy may be published.
func (r *Report) Passed() bool {
	return r.Proven && r.Error == "" && len(r.Problems) == 0 && r.Leaks != nil && r.Leaks.Passed() && r.Leaks.Recall.Complete()
}

// Anonymised reports whether nobody can be found again in the copy, neither from it nor with a look into production: re-identification was measured and is within its thresholds, and no column links
// rows. Of a copy that is not, one may only say that it is pseudonymised.
func (r *Report) Anonymised() bool {
	return r.Passed() && len(r.Persons) > 0 && len(r.Linkable) == 0
}

func (r *Report) set(s seen.Stats, canaries int) {
	r.Set = SetReport{Values: s.Values, Unusable: map[string]int{}, Entries: s.Entries, Bytes: s.Bytes, Canaries: canaries}
	for _, m := range s.Unusable {
		for reason, n := range m {
			r.Set.Unusable[reason.String()] += n
		}
	}
}

// proved says what stands in the way of publication, once everything was looked at.
func (r *Report) proved() {
	for _, t := range r.Tables {
		if t.Source != t.Copied || t.Source != t.There {
			r.Problems = append(r.Problems, fmt.Sprintf("%s: the snapshot has %d rows, %d were carried over, the copy has %d", t.Table, t.Source, t.Copied, t.There))
		}
	}
	r.Problems = append(r.Problems, r.Schema.Problems...)
	for _, m := range r.Persons {
		for _, p := range m.Problems {
			r.Problems = append(r.Problems, m.Table+": "+p)
		}
	}
	for _, h := range r.Leaks.Hits {
		p := fmt.Sprintf("%s.%s: %d times a value of the source of kind %s", h.Table, h.Column, h.Count, h.Kind)
		if h.Path != "" {
			p += ", at " + h.Path
		}
		if h.Encoding != "" {
			p += ", in " + h.Encoding
		}
		r.Problems = append(r.Problems, p)
	}
	if r.Leaks.More > 0 {
		r.Problems = append(r.Problems, fmt.Sprintf("%d leaks of further kinds", r.Leaks.More))
	}
	for _, s := range r.Leaks.NotScanned {
		r.Problems = append(r.Problems, fmt.Sprintf("%s.%s: %d values could not be looked into: %s", s.Table, s.Column, s.Count, s.Reason))
	}
	if !r.Leaks.Recall.Complete() {
		r.Problems = append(r.Problems, fmt.Sprintf("%d of %d canaries were found: the scan proves nothing", r.Leaks.Recall.Found, r.Leaks.Recall.Planted))
	}
	r.Proven = true
}

// Proof is a hash of the report, by which a database says that it is the one that was proven.
func (r *Report) Proof() string {
	b, _ := json.Marshal(r) // no type of it fails
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func (r *Report) provenance() provenance {
	p := provenance{
		Garant: "copy", Run: r.Run, Name: r.Name, Origin: r.Origin, Began: r.Began, Ended: r.Ended, Plan: r.Plan, Source: r.Source, Anonymised: r.Anonymised(), Proof: r.Proof(),
		Proofs: &Proofs{Tables: len(r.Tables), Objects: r.Schema.Objects, ForeignKeys: r.Schema.ForeignKeys, Persons: len(r.Persons), Linkable: len(r.Linkable), Entries: r.Set.Entries},
	}
	for _, t := range r.Tables {
		p.Proofs.Rows += t.There
	}
	if r.Leaks != nil {
		p.Proofs.Scanned, p.Proofs.Canaries, p.Proofs.Found = int64(r.Leaks.Values), r.Leaks.Recall.Planted, r.Leaks.Recall.Found
	}
	return p
}

// digest is a hash of a plan as it is written.
func digest(p *plan.Plan) string {
	h := sha256.Sum256(p.Write())
	return hex.EncodeToString(h[:])
}

// Close gives a proven copy up that is not published: Clean may take it then.
func (r *Report) Close() {
	if r.held != nil {
		hangUp(r.held)
		r.held = nil
	}
}
