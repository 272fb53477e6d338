package scanner

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
)

const day = 24 * time.Hour // a date alone may have begun elsewhere

const maxItems = 100 // named in a finding; the others are counted

// judge weighs the results of one report for one check.
type judge struct {
	relevant    func(Result) bool
	expect      []string            // names as the report has them
	target      func(string) string // their scope names
	whole       string              // scope name of the check as a whole
	deadlines   map[string]time.Duration
	acceptMuted bool
	now         time.Time

	counts map[string]int
	scopes map[string]map[string]int // expected → counts
	items  []measure.Item
	fails  int
	blind  int
	more   int
}

// take weighs a result.
func (j *judge) take(r Result) {
	if !j.relevant(r) {
		return
	}
	problem, kind := j.weigh(r)
	j.count(r, kind)
	switch problem {
	case "":
		return
	case ProblemFailed, ProblemOverdue, ProblemUndated:
		j.fails++
	default:
		j.blind++
	}
	if len(j.items) == maxItems {
		j.more++
		return
	}
	actual := clean(r.Item)
	if d := clean(r.Detail); d != "" {
		actual = clean(strings.TrimPrefix(actual+": "+d, ": "))
	}
	j.items = append(j.items, measure.Item{Target: j.where(r), Problem: problem, Expected: clean(j.expected(r)), Actual: cmp.Or(actual, clean(r.Check))})
}

// weigh says what is wrong with a result, and what it counts as.
func (j *judge) weigh(r Result) (problem, kind string) {
	switch {
	case r.Muted && r.Status == Failed && !j.acceptMuted:
		return ProblemMuted, "muted"
	case r.Muted:
		return "", "muted"
	case r.Status == Skipped:
		return "", "skipped"
	case r.Status == Passed:
		return "", "passed"
	case r.Status != Failed:
		return ProblemUndecided, "undecided"
	case !r.Vulnerability:
		return ProblemFailed, "failed"
	}
	deadline, has := j.deadline(r)
	switch {
	case !has:
		return "", "open"
	case r.Published.IsZero(), r.Published.After(j.now.Add(day)): // of the future: nobody knows
		return ProblemUndated, "failed"
	case j.now.Sub(r.Published) > deadline:
		return ProblemOverdue, "failed"
	}
	return "", "open" // in time: neither right nor wrong
}

// deadline of a vulnerability. A severity that is not known is held to the shortest.
func (j *judge) deadline(r Result) (time.Duration, bool) {
	if slices.Contains(estate.Severities(), r.Severity) || r.Severity == "negligible" {
		d, ok := j.deadlines[r.Severity]
		return d, ok
	}
	if len(j.deadlines) == 0 {
		return 0, false
	}
	return slices.Min(slices.Collect(maps.Values(j.deadlines))), true
}

func (j *judge) expected(r Result) string {
	if r.Vulnerability {
		if d, ok := j.deadline(r); ok {
			return cmp.Or(r.Severity, "unknown severity") + " corrected within " + estate.FormatDuration(d)
		}
	}
	return r.Check
}

// where names the declared thing that a result lies in, or what the report calls it.
func (j *judge) where(r Result) string {
	for _, e := range j.expect {
		if slices.Contains(r.Scopes, e) {
			return j.target(e)
		}
	}
	if len(j.expect) == 0 || len(r.Scopes) == 0 {
		return j.whole
	}
	return clean(j.whole + "/" + r.Scopes[0])
}

func (j *judge) count(r Result, kind string) {
	j.counts[kind]++
	for _, e := range j.expect {
		if slices.Contains(r.Scopes, e) {
			if j.scopes[e] == nil {
				j.scopes[e] = map[string]int{}
			}
			j.scopes[e][kind]++
		}
	}
}

type rawReport struct {
	Tool      string                    `json:"tool"`
	Version   string                    `json:"version,omitempty"`
	SHA256    string                    `json:"sha256"`
	Time      string                    `json:"time"` // "report", "report without zone" or "given"
	Counts    map[string]int            `json:"counts"`
	Scopes    map[string]map[string]int `json:"scopes,omitempty"`
	NotListed int                       `json:"items_not_listed,omitempty"`
}

// finding is what the report says of the check.
func (j *judge) finding(head Head, sum, timed string) measure.Finding {
	f := measure.Finding{Outcome: measure.Pass, Failed: j.items, Source: source(head, sum, timed)}
	if j.more > 0 {
		f.Failed = append(f.Failed, measure.Item{Target: j.whole, Problem: ProblemMore, Actual: strconv.Itoa(j.more)})
	}
	decided := func(counts map[string]int) bool { return counts["passed"]+counts["failed"]+counts["open"] > 0 }
	missing := 0
	for _, e := range j.expect {
		if decided(j.scopes[e]) {
			f.Scope = append(f.Scope, j.target(e))
			continue
		}
		missing++
		f.Failed = append(f.Failed, measure.Item{Target: j.target(e), Problem: ProblemNoResults, Expected: "a result that decides", Actual: "none in the report"})
	}
	if len(j.expect) == 0 {
		if decided(j.counts) {
			f.Scope = []string{j.whole}
		} else {
			missing++
			f.Failed = append(f.Failed, measure.Item{Target: j.whole, Problem: ProblemNoResults, Expected: "a result that decides", Actual: "none in the report"})
		}
	}
	switch {
	case j.fails > 0:
		f.Outcome = measure.Fail
	case j.blind > 0 || missing > 0:
		f.Outcome = measure.Error
	}
	slices.Sort(f.Scope)
	raw := rawReport{Tool: clean(head.Tool), Version: clean(head.Version), SHA256: sum, Time: timed, Counts: j.counts, Scopes: j.scopes, NotListed: j.more}
	if b, err := json.Marshal(raw); err == nil && len(b) <= maxRaw {
		f.Raw = b
	} else {
		raw.Scopes = nil
		f.Raw, _ = json.Marshal(raw) // of texts and numbers: always encodes
	}
	return f
}

// maxRaw is how much of it evidence keeps.
const maxRaw = 64 << 10

func source(head Head, sum, timed string) string {
	s := clean(cmp.Or(head.Tool, "unknown tool"))
	if v := clean(head.Version); v != "" {
		s += " " + v
	}
	s += ", sha256:" + sum
	if timed != timedByReport {
		s += fmt.Sprintf(" (time: %s)", timed)
	}
	return s
}
