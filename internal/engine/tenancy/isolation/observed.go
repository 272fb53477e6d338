package isolation

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/verify"
)

// maxFindings is how many findings of one check evidence keeps of one database; the rest is counted.
const maxFindings = 10

// observed is what evidence keeps of one look at one database: the report of package verify
// without the words that every report has. What did not fit is counted, never left out in silence.
type observed struct {
	Manifest string            `json:"manifest"` // printOf the manifest that the database was held to
	Design   string            `json:"design"`
	Looked   string            `json:"looked"`
	Tried    string            `json:"tried"`
	Tables   int               `json:"tables"`
	Passed   map[string]int    `json:"passed"`            // check → how much it examined
	Results  map[string]result `json:"results,omitempty"` // of the checks that did not pass
	// Trouble are the relations of the manifest that something was found of, by the worst of it: all
	// of them, however many findings are kept.
	Trouble map[verify.Severity][]string `json:"trouble,omitempty"`
	Unnamed int                          `json:"unnamed,omitempty"` // how many Trouble would name, had there been room
}

// result is what a check saw that did not pass.
type result struct {
	Outcome  verify.Outcome   `json:"outcome"`
	Examined int              `json:"examined"`
	Findings []verify.Finding `json:"findings,omitempty"`
	More     int              `json:"more,omitempty"` // findings that are not kept
	Error    string           `json:"error,omitempty"`
}

// report is what was seen of a database, with the manifest that it was held to.
type report struct {
	*verify.Report
	manifest *manifest.Manifest
	print    string
}

// printOf is the fingerprint of a manifest, which tells whether it is the one that is in force.
func printOf(source []byte) string {
	sum := sha256.Sum256(source)
	return hex.EncodeToString(sum[:8])
}

// observe keeps as much of the reports as there is room for: up to ten findings of each check and the
// names of all relations in trouble; else fewer findings, else no names; else what they count to.
func observe(reports map[string]report) json.RawMessage {
	var whole []byte
	trouble := map[string]map[verify.Severity][]string{}
	for name, r := range reports {
		trouble[name] = r.trouble()
	}
	for _, keep := range []struct {
		findings int
		names    bool
	}{{maxFindings, true}, {5, true}, {2, true}, {1, true}, {0, true}, {0, false}} {
		raw := map[string]observed{}
		for name, r := range reports {
			raw[name] = r.kept(keep.findings, trouble[name], keep.names)
		}
		var err error
		if whole, err = json.Marshal(raw); err != nil {
			return nil
		}
		if len(whole) <= maxRaw {
			return whole
		}
	}
	sum := sha256.Sum256(whole)
	short, err := json.Marshal(map[string]any{"sha256": "sha256:" + hex.EncodeToString(sum[:]), "databases": len(reports), "bytes": len(whole)})
	if err != nil {
		return nil
	}
	return short
}

// kept is the report with so many findings of each check, and the names of what is in trouble or their number.
func (r report) kept(most int, trouble map[verify.Severity][]string, names bool) observed {
	o := observed{Manifest: r.print, Design: r.Design, Looked: r.Looked, Tried: r.Tried, Tables: r.Tables, Passed: map[string]int{}, Results: map[string]result{}}
	for _, one := range r.Results {
		if one.Outcome == verify.Pass {
			o.Passed[one.ID] = one.Examined
			continue
		}
		n := min(most, len(one.Findings))
		o.Results[one.ID] = result{one.Outcome, one.Examined, one.Findings[:n], len(one.Findings) - n, one.Error}
	}
	if names {
		o.Trouble = trouble
		return o
	}
	for _, list := range trouble {
		o.Unnamed += len(list)
	}
	return o
}

// trouble are the relations of the manifest that checks failed on, by the worst severity, sorted.
func (r report) trouble() map[verify.Severity][]string {
	of := attribution(r.manifest)
	worst := map[string]verify.Severity{}
	for _, one := range r.Results {
		for _, found := range one.Findings {
			for _, name := range of.relations(one.ID, found) {
				if was, known := worst[name]; !known || one.Severity.AtLeast(was) {
					worst[name] = one.Severity
				}
			}
		}
	}
	list := map[verify.Severity][]string{}
	for _, name := range slices.Sorted(maps.Keys(worst)) {
		list[worst[name]] = append(list[worst[name]], name)
	}
	return list
}

// observedOf reads what evidence kept of one database. Not ok when it kept nothing of it, or no more
// than a digest.
func observedOf(raw json.RawMessage, database string) (o observed, ok bool) {
	all := map[string]json.RawMessage{}
	if json.Unmarshal(raw, &all) != nil || json.Unmarshal(all[database], &o) != nil || o.Passed == nil {
		return observed{}, false
	}
	return o, true
}

// digestOnly reports whether evidence keeps no more than a digest of what was seen.
func digestOnly(raw json.RawMessage) bool {
	var short struct {
		Digest string `json:"sha256"`
		Bytes  int    `json:"bytes"`
	}
	return json.Unmarshal(raw, &short) == nil && strings.HasPrefix(short.Digest, "sha256:") && short.Bytes > 0
}

// attributed finds the relations of a manifest that a finding speaks of.
type attributed []string

// attribution lists the names of a manifest's relations, the longest first.
func attribution(m *manifest.Manifest) attributed {
	var names attributed
	for i := range m.Tables {
		names = append(names, m.Tables[i].QualifiedName())
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	return names
}

// relations are those that the object of a finding names. An index names none itself; what was found
// of it names its table.
func (a attributed) relations(check string, f verify.Finding) []string {
	if list := a.in(f.Object); len(list) > 0 {
		return list
	}
	if area(check) == "constraints" || area(check) == "probe" {
		return a.in(f.Found)
	}
	return nil
}

func (a attributed) in(text string) []string {
	var list []string
	for _, name := range a {
		if mentions(text, name) {
			list = append(list, name)
		}
	}
	return list
}

// mentions reports whether a text names a relation, and not one whose name begins or ends with it, or a
// function of that name.
func mentions(text, name string) bool {
	const within = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$\""
	for from := 0; ; {
		at := strings.Index(text[from:], name)
		if at < 0 {
			return false
		}
		at += from
		after := text[at+len(name):]
		end := after == "" || !strings.ContainsAny(after[:1], within+"(") && (after[0] != '.' || len(after) == 1 || after[1] == ' ')
		if end && (at == 0 || !strings.ContainsAny(text[at-1:at], within+".")) {
			return true
		}
		from = at + 1
	}
}

// area is the first part of a check's id.
func area(check string) string {
	first, _, _ := strings.Cut(check, ".")
	return first
}
