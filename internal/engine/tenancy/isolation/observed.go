package isolation

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"sort"
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

// observe keeps as much of the reports as there is room for: of each check the first finding before the
// second of any, the worst checks first, up to ten, and the names of all relations in trouble. Where
// not even the names fit they are counted; where that does not fit, a digest stands for all.
func observe(reports map[string]report) json.RawMessage {
	trouble := map[string]map[verify.Severity][]string{}
	for name, r := range reports {
		trouble[name] = r.trouble()
	}
	slots := slotsOf(reports)
	keep := func(n int, named bool) []byte {
		kept := map[string]map[string]int{}
		for _, s := range slots[:n] {
			if kept[s.database] == nil {
				kept[s.database] = map[string]int{}
			}
			kept[s.database][s.check]++
		}
		raw := map[string]observed{}
		for name, r := range reports {
			raw[name] = r.kept(kept[name], trouble[name], named)
		}
		whole, _ := json.Marshal(raw) // of strings and numbers: cannot fail
		return whole
	}
	for _, named := range []bool{true, false} {
		if len(keep(0, named)) > maxRaw {
			continue
		}
		// A finding is never shorter than this, which spares trying to write what cannot fit.
		most := min(len(slots), maxRaw/len(`{"object":"","found":""}`))
		return keep(sort.Search(most, func(n int) bool { return len(keep(n+1, named)) > maxRaw }), named)
	}
	whole := keep(0, false)
	sum := sha256.Sum256(whole)
	short, _ := json.Marshal(map[string]any{"sha256": "sha256:" + hex.EncodeToString(sum[:]), "databases": len(reports), "bytes": len(whole)})
	return short
}

// slot is a finding that evidence keeps where there is room.
type slot struct {
	database, check string
	severity, place int // place: which one of its check
}

// slotsOf lists the findings in the order in which they are kept.
func slotsOf(reports map[string]report) []slot {
	var list []slot
	for name, r := range reports {
		for _, one := range r.Results {
			for i := range min(maxFindings, len(one.Findings)) {
				list = append(list, slot{name, one.ID, slices.Index(verify.Severities(), one.Severity), i})
			}
		}
	}
	slices.SortFunc(list, func(a, b slot) int {
		return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.severity, b.severity), cmp.Compare(a.database, b.database), cmp.Compare(a.check, b.check))
	})
	return list
}

// kept is the report with so many findings of each check, and the names of what is in trouble or their number.
func (r report) kept(findings map[string]int, trouble map[verify.Severity][]string, named bool) observed {
	o := observed{Manifest: r.print, Design: r.Design, Looked: r.Looked, Tried: r.Tried, Tables: r.Tables, Passed: map[string]int{}, Results: map[string]result{}}
	for _, one := range r.Results {
		if one.Outcome == verify.Pass {
			o.Passed[one.ID] = one.Examined
			continue
		}
		n := findings[one.ID]
		o.Results[one.ID] = result{one.Outcome, one.Examined, one.Findings[:n], len(one.Findings) - n, one.Error}
	}
	if named {
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

// attributed are the relations of a manifest, by the names by which findings speak of them.
type attributed map[string]bool

func attribution(m *manifest.Manifest) attributed {
	names := attributed{}
	for i := range m.Tables {
		names[m.Tables[i].QualifiedName()] = true
	}
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

// qualified is a name with its schema as PostgreSQL prints it.
var qualified = regexp.MustCompile(`("(?:[^"]|"")+"|[a-z_][a-z0-9_]*)\.("(?:[^"]|"")+"|[a-z_][a-z0-9_]*)`)

// in lists the relations that a text names, sorted; not functions of their names.
func (a attributed) in(text string) []string {
	const within = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$\"."
	var list []string
	for _, at := range qualified.FindAllStringIndex(text, -1) {
		name, after := text[at[0]:at[1]], text[at[1]:]
		part := at[0] > 0 && strings.ContainsAny(text[at[0]-1:at[0]], within)
		goesOn := after != "" && (after[0] == '(' || len(after) > 1 && after[0] == '.' && after[1] != ' ')
		if a[name] && !part && !goesOn {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// area is the first part of a check's id.
func area(check string) string {
	first, _, _ := strings.Cut(check, ".")
	return first
}
