package estate

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Import is a scanner whose reports are taken as evidence.
type Import struct {
	Name     string
	Format   string   // one of ReportFormats
	Measures []string // ids that it is evidence for, sorted
	Expect   []string // accounts, images or repositories that a report must hold, as it names them
	MaxAge   time.Duration
	// Mapping adds check ids of the scanner to those that Garant knows, by measure.
	Mapping map[string][]string
	// Deadlines are the longest time from the publication of a vulnerability to its correction, by
	// severity in small letters. A severity that is not named has none.
	Deadlines map[string]time.Duration
	// AcceptMuted lets a result that was muted in the scanner count for nothing, instead of making
	// the whole undecided.
	AcceptMuted bool
	Line        int
}

// Target is the scope name of something that a report must hold.
func (i Import) Target(expected string) string { return "import:" + i.Name + "/" + expected }

// Targets lists the scope names of all that a report must hold.
func (i Import) Targets() []string {
	targets := make([]string, 0, len(i.Expect))
	for _, e := range i.Expect {
		targets = append(targets, i.Target(e))
	}
	slices.Sort(targets)
	return targets
}

// CheckID is the id of the check of one of its measures: import.cloud.enc_3.
func (i Import) CheckID(measure string) string {
	return "import." + strings.ReplaceAll(i.Name, "-", "_") + "." + strings.ToLower(strings.ReplaceAll(measure, "-", "_"))
}

// DefaultDeadlines hold unless garant.yaml says otherwise.
func DefaultDeadlines() map[string]time.Duration {
	return map[string]time.Duration{"critical": 7 * day, "high": 30 * day, "medium": 90 * day}
}

// Severities lists the severities of vulnerabilities, the gravest first.
func Severities() []string { return []string{"critical", "high", "medium", "low"} }

var scopeNameForm = regexp.MustCompile(`^[^\s/][^\s]{0,198}$`)

func (p *parser) imports(n *yaml.Node) []Import {
	const at = "imports"
	var list []Import
	names := map[string]int{}
	for i, item := range p.list(n, at, "List each scanner with a name, a format, measures, what a report must hold and max_age, or remove the section.") {
		key := fmt.Sprintf("%s[%d]", at, i)
		one, values := p.importOf(item, key)
		if first, seen := names[one.Name]; seen && one.Name != "" {
			p.add(values["name"], key+".name", fmt.Sprintf("The name %s is taken by the import on line %d.", quote(one.Name), first), "Names are unique: evidence is filed under them.")
		}
		names[one.Name] = item.Line
		list = append(list, one)
	}
	return list
}

func (p *parser) importOf(n *yaml.Node, at string) (Import, map[string]*yaml.Node) {
	i := Import{Line: n.Line, Deadlines: DefaultDeadlines()}
	values := p.fields(n, at, "name", "format", "measures", "expect", "max_age", "mapping", "deadlines", "accept_muted")
	if values == nil {
		return i, nil
	}
	i.Name = p.entryName(p.required(n, values, at, "name", "Give the scanner a short name that will not change, such as cloud."), at+".name")
	i.Format, _ = p.oneOf(p.required(n, values, at, "format", "Write prowler, trivy, steampipe, sarif or json."), at+".format", "a format of reports", ReportFormats()...)
	i.Measures = p.measureIDs(p.required(n, values, at, "measures", "List the measures that it is evidence for, such as [ENC-3]."), at+".measures")
	i.Expect = p.scopeNames(p.required(n, values, at, "expect", "List the accounts, images or repositories that a report must hold: one that lacks some does not pass."), at+".expect")
	if v := p.required(n, values, at, "max_age", "Write how old a report may be, such as 2d."); v != nil {
		i.MaxAge = p.duration(v, at+".max_age", time.Hour, 366*day)
	}
	p.mapping(values["mapping"], at+".mapping", &i)
	if v := values["deadlines"]; v != nil {
		i.Deadlines = map[string]time.Duration{}
		given := p.fields(v, at+".deadlines", Severities()...)
		for _, severity := range Severities() {
			if d := given[severity]; d != nil {
				i.Deadlines[severity] = p.duration(d, at+".deadlines."+severity, time.Hour, 3650*day)
			}
		}
	}
	i.AcceptMuted, _ = p.boolean(values["accept_muted"], at+".accept_muted")
	return i, values
}

func (p *parser) mapping(n *yaml.Node, at string, i *Import) {
	p.pairs(n, at, func(k, v *yaml.Node, key string) {
		if !slices.Contains(i.Measures, k.Value) {
			p.add(k, key, quote(k.Value)+" is not one of the measures of this import.", "List it under measures, or remove the line.")
			return
		}
		for j, item := range p.list(v, key, "List ids of the scanner's checks.") {
			id, ok := p.text(item, fmt.Sprintf("%s[%d]", key, j))
			if !ok {
				continue
			}
			if i.Mapping == nil {
				i.Mapping = map[string][]string{}
			}
			i.Mapping[k.Value] = append(i.Mapping[k.Value], id)
		}
	})
}

func (p *parser) scopeNames(n *yaml.Node, at string) []string {
	var names []string
	for i, item := range p.list(n, at, "List the names as the report has them.") {
		key := fmt.Sprintf("%s[%d]", at, i)
		if item.Kind == yaml.ScalarNode && item.Tag == "!!int" {
			p.add(item, key, "The name is a text, not a number.", "Put it in quotes.")
			continue
		}
		switch name, ok := p.text(item, key); {
		case !ok:
		case !scopeNameForm.MatchString(name):
			p.add(item, key, quote(name)+" is not a name.", "Write it as the report has it, without spaces.")
		case slices.Contains(names, name):
			p.add(item, key, quote(name)+" is listed twice.", "Keep one of them.")
		default:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// importSection says what of imports is compared.
func importSection() section[Import] {
	format := func(i Import) string { return i.Format }
	mapping := func(i Import) string {
		var all []string
		for _, m := range slices.Sorted(maps.Keys(i.Mapping)) {
			all = append(all, m+": "+sorted(i.Mapping[m]))
		}
		return strings.Join(all, "; ")
	}
	muted := func(i Import) string { return map[bool]string{true: "true", false: "false"}[i.AcceptMuted] }
	return section[Import]{
		name: "imports", of: func(e *Estate) *[]Import { return &e.Imports },
		id: func(i Import) string { return i.Name }, target: func(i Import) string { return "import:" + i.Name }, shown: format,
		measures: func(i Import) []string { return i.Measures },
		parts: []part[Import]{
			{"format", Replaced, format, differ(format), func(to *Import, x Import) { to.Format = x.Format }},
			{"measures", Weakened, func(i Import) string { return sorted(i.Measures) },
				func(x, now Import) bool { return lacks(x.Measures, now.Measures) },
				func(to *Import, x Import) { to.Measures = union(to.Measures, x.Measures) }},
			{"expect", TargetRemoved, func(i Import) string { return sorted(i.Expect) },
				func(x, now Import) bool { return lacks(x.Expect, now.Expect) },
				func(to *Import, x Import) { to.Expect = union(to.Expect, x.Expect) }},
			{"max_age", Slowed, func(i Import) string { return span(i.MaxAge) },
				func(x, now Import) bool { return now.MaxAge > x.MaxAge },
				func(to *Import, x Import) { to.MaxAge = x.MaxAge }},
			{"mapping", Weakened, mapping,
				func(x, now Import) bool {
					for m, ids := range x.Mapping {
						if lacks(ids, now.Mapping[m]) {
							return true
						}
					}
					return false
				},
				func(to *Import, x Import) {
					all := maps.Clone(to.Mapping)
					if all == nil {
						all = map[string][]string{}
					}
					for m, ids := range x.Mapping {
						all[m] = union(all[m], ids)
					}
					to.Mapping = all
				}},
			{"deadlines", Weakened, deadlines,
				func(x, now Import) bool {
					for severity, d := range x.Deadlines {
						if other, ok := now.Deadlines[severity]; !ok || other > d {
							return true
						}
					}
					return false
				},
				func(to *Import, x Import) {
					all := maps.Clone(to.Deadlines)
					for severity, d := range x.Deadlines {
						if other, ok := all[severity]; !ok || other > d {
							all[severity] = d
						}
					}
					to.Deadlines = all
				}},
			{"accept_muted", Weakened, muted, func(x, now Import) bool { return now.AcceptMuted && !x.AcceptMuted },
				func(to *Import, x Import) { to.AcceptMuted = x.AcceptMuted }},
		},
	}
}

// asks is all that decides what a report is held to, in one line. Of what it must hold each is a
// target of its own.
func (i Import) asks() string {
	parts := make([]string, 0, 4)
	for _, p := range importSection().parts {
		if slices.Contains([]string{"format", "mapping", "deadlines", "accept_muted"}, p.key) {
			parts = append(parts, p.key+" "+p.show(i))
		}
	}
	return strings.Join(parts, ", ")
}

func deadlines(i Import) string {
	var all []string
	for _, severity := range Severities() {
		if d, ok := i.Deadlines[severity]; ok {
			all = append(all, severity+" "+FormatDuration(d))
		}
	}
	return strings.Join(all, ", ")
}
