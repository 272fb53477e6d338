package isolation

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/verify"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg/sqlname"
)

// picture is what pages show of one guarded database: its manifest, with what the last looks saw.
type picture struct {
	Database  *estate.Database
	Manifest  *manifest.Manifest // nil: none is declared, or it cannot be read
	Wrong     string             // why it cannot be read
	Live      proof
	Writes    proof
	Relations []relation
	Checks    []checked
	Findings  []finding
}

// proof is what the last run of a check says of one database.
type proof struct {
	Check    string
	Known    bool // this build has the check
	Declared bool // the estate declares what it needs
	State    measure.State
	Blind    []string // problems that hide the database now
	Seen     *observed
	Evidence string // id of the row that Seen stands in
	At       time.Time
	Past     bool // Seen is older than the last look, which saw nothing
	Old      bool // the last look is out of date
	Earlier  bool // Seen was held to another manifest than the one in force
	Digest   bool // evidence keeps no more than a digest
}

// holds reports whether what was seen is true now: looked at lately, whole, against this manifest.
func (p proof) holds() bool {
	return p.Seen != nil && !p.Past && !p.Old && !p.Earlier && (p.State == measure.Met || p.State == measure.NotMet)
}

// mark is what a relation shows at a glance.
type mark string

// The marks beside the severities of what was found.
const (
	asDeclared mark = "held"    // as the manifest says
	doubt      mark = "doubt"   // the manifest still asks something
	unknown    mark = "unknown" // nothing is known of it now
)

// marks lists them in the order in which they matter.
func marks() []mark {
	list := make([]mark, 0, 7)
	for _, s := range verify.Severities() {
		list = append(list, mark(s))
	}
	return append(list, unknown, doubt, asDeclared)
}

// relation is an entry of the manifest with what was found of it.
type relation struct {
	*manifest.Table
	Name     string
	Mark     mark
	Findings []finding // those that evidence keeps
}

// checked is one check of package verify with its outcome.
type checked struct {
	verify.Check
	Outcome  verify.Outcome // empty: it was not tried
	Examined int
	Found    int
	Kept     []verify.Finding
	Error    string
	By       string // the check of the runner that saw it
}

// more is how many findings evidence does not keep.
func (c checked) more() int { return c.Found - len(c.Kept) }

// finding is one thing that is wrong.
type finding struct {
	verify.Finding
	Check     *checked
	Relations []string // of the manifest
	Unlisted  bool     // speaks of a relation that the manifest does not have
}

// paint makes the picture. older are earlier rows of evidence by check, the newest first, for what the
// last look did not see.
func paint(d *estate.Database, live, writes *measure.CheckStatus, older map[string][]measure.Evidence, now time.Time) *picture {
	p := &picture{Database: d}
	print := ""
	if d.Tenancy.Manifest != nil {
		print = printOf(d.Tenancy.Manifest)
		m, err := manifest.Parse(d.Tenancy.Manifest)
		if err != nil {
			p.Wrong, _ = errs.Sentence(err)
		} else {
			p.Manifest = m
		}
	}
	p.Live = proven("isolation.live", d.Name, held(d), live, older, print, now)
	p.Writes = proven("isolation.writes", d.Name, copied(d), writes, older, print, now)
	p.check()
	if p.Manifest != nil {
		p.relate()
	}
	return p
}

// proven reads what a check says of one database.
func proven(id, database string, declared bool, s *measure.CheckStatus, older map[string][]measure.Evidence, print string, now time.Time) proof {
	p := proof{Check: id, Known: s != nil, Declared: declared, State: measure.Unproven}
	if s == nil || s.Current == nil {
		return p
	}
	c := s.Current
	p.State, p.Blind = stateOf(s, database, now)
	p.At, p.Evidence, p.Digest = c.ObservedAt, c.EvidenceID, digestOnly(c.Finding.Raw)
	p.Old = !now.Before(c.ValidUntil) || c.ObservedAt.After(now.Add(measure.Skew))
	see := func(raw json.RawMessage) bool {
		o, ok := observedOf(raw, database)
		if ok {
			p.Seen, p.Earlier = &o, o.Manifest != print
		}
		return ok
	}
	if see(c.Finding.Raw) {
		return p
	}
	for _, e := range older[id] {
		if see(e.Finding.Raw) {
			p.Past, p.Evidence, p.At = true, e.ID, e.ObservedAt
			break
		}
	}
	return p
}

// stateOf is the part of one database in the state of a check, which is of all of them together; and
// what keeps Garant from seeing it now.
func stateOf(s *measure.CheckStatus, database string, now time.Time) (measure.State, []string) {
	f := s.Current.Finding
	failed := false
	var blind []string
	for _, item := range f.Failed {
		if item.Target != database && item.Target != "" {
			continue
		}
		if p := Problem(item.Problem); slices.Contains(Problems(), p) && !p.Blind() {
			failed = true
		} else if !slices.Contains(blind, item.Problem) { // those of the runner hide it as well
			blind = append(blind, item.Problem)
		}
	}
	switch {
	case !slices.Contains(s.Scope, database):
		return measure.Unproven, blind
	case failed, s.State == measure.NotMet && f.Outcome == measure.Error && len(blind) > 0: // going blind clears no failure
		return measure.NotMet, blind
	case len(blind) > 0 && s.State == measure.Stale:
		return measure.Stale, blind
	case len(blind) > 0, !slices.Contains(f.Scope, database), s.State == measure.Unproven && s.Reason != measure.ReasonBlind:
		return measure.Unproven, blind
	case s.State == measure.Stale && s.Reason != measure.ReasonBlind, !now.Before(s.Current.ValidUntil):
		return measure.Stale, blind
	}
	return measure.Met, blind
}

// check takes the outcome of each check from the live look, and what is tried on a copy only from
// the trial of writes.
func (p *picture) check() {
	known := verify.Checks()
	for _, id := range p.unknownChecks(known) {
		known = append(known, verify.Check{ID: id, Severity: verify.High, Title: id})
	}
	for _, c := range known {
		one := checked{Check: c}
		first, second := &p.Live, &p.Writes
		if c.Scratch {
			first, second = second, first
		}
		if !one.from(first) {
			one.from(second)
		}
		p.Checks = append(p.Checks, one)
	}
	var of attributed
	if p.Manifest != nil {
		of = attribution(p.Manifest)
	}
	for i := range p.Checks {
		c := &p.Checks[i]
		for _, f := range c.Kept {
			p.Findings = append(p.Findings, finding{f, c, of.relations(c.ID, f), c.ID == "tables.unclassified"})
		}
	}
	slices.SortStableFunc(p.Findings, func(a, b finding) int {
		return cmp.Compare(slices.Index(verify.Severities(), a.Check.Severity), slices.Index(verify.Severities(), b.Check.Severity))
	})
}

// unknownChecks are those that evidence of another version names.
func (p *picture) unknownChecks(known []verify.Check) []string {
	var list []string
	for _, seen := range []*observed{p.Live.Seen, p.Writes.Seen} {
		if seen == nil {
			continue
		}
		for id := range seen.Results {
			if !slices.ContainsFunc(known, func(c verify.Check) bool { return c.ID == id }) {
				list = append(list, id)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// from takes what a proof says of the check, if it says something.
func (c *checked) from(p *proof) bool {
	if p.Seen == nil {
		return false
	}
	if n, ok := p.Seen.Passed[c.ID]; ok {
		c.Outcome, c.Examined, c.By = verify.Pass, n, p.Check
		return true
	}
	r, ok := p.Seen.Results[c.ID]
	if ok {
		c.Outcome, c.Examined, c.Kept, c.Found, c.Error, c.By = r.Outcome, r.Examined, r.Findings, len(r.Findings)+r.More, r.Error, p.Check
	}
	return ok
}

// relate marks the relations of the manifest. Nothing is called held that the last live look did not
// hold to this manifest, whole.
func (p *picture) relate() {
	sure := p.Live.holds() && p.Live.Seen.Unnamed == 0
	worst := map[string]verify.Severity{}
	for _, seen := range []*observed{p.Live.Seen, p.Writes.Seen} {
		if seen == nil {
			continue
		}
		for severity, list := range seen.Trouble {
			for _, name := range list {
				if was, known := worst[name]; !known || severity.AtLeast(was) {
					worst[name] = severity
				}
			}
		}
	}
	for _, c := range p.Checks {
		if c.Outcome == verify.Error && c.By == p.Live.Check {
			sure = false
		}
	}
	for i := range p.Manifest.Tables {
		t := &p.Manifest.Tables[i]
		r := relation{Table: t, Name: t.QualifiedName(), Mark: asDeclared}
		switch severity, in := worst[r.Name]; {
		case in:
			r.Mark = mark(severity)
		case !sure:
			r.Mark = unknown
		case len(t.Doubts) > 0:
			r.Mark = doubt
		}
		for _, f := range p.Findings {
			if slices.Contains(f.Relations, r.Name) {
				r.Findings = append(r.Findings, f)
			}
		}
		p.Relations = append(p.Relations, r)
	}
}

// drift tells what kind of departure from the manifest a check finds: of tables, of policies and
// rights, of ways around. Empty: it finds something else.
func drift(check string) string {
	switch check {
	case "tables.unclassified", "tables.gone", "tables.kind_differs", "tables.key", "tables.column_missing", "tables.column_type":
		return "tables"
	case "tables.rls_off", "tables.rls_not_forced", "tables.no_policy", "tables.grant_undeclared", "tables.private_granted", "token.design_differs", "token.function_changed", "token.stranger":
		return "policies"
	case "token.admitted", "roles.session_undeclared", "code.cron", "side.slot":
		return "paths"
	}
	switch area(check) {
	case "policies":
		return "policies"
	case "around":
		return "paths"
	}
	return ""
}

// around tells what was found of a declared way around.
func (p *picture) around(path manifest.Path) (found []finding) {
	for _, f := range p.Findings {
		if f.Check.ID == "around.gone" && f.Object == sqlname.Quote(path.Role) && strings.HasSuffix(f.Found, " declares it as "+path.Kind+".") {
			found = append(found, f)
		}
	}
	return found
}

// mended splits what a check says of mending into SQL that can be copied and words.
func mended(text string) (sql, words string) {
	if before, after, ok := strings.Cut(text, ", or: "); ok && statement(after) {
		return lines(after), before
	}
	if !statement(text) {
		return "", text
	}
	for _, cut := range []string{"; then ", "; or "} {
		if before, after, ok := strings.Cut(text, cut); ok {
			return lines(before + ";"), strings.TrimPrefix(cut, "; ") + after
		}
	}
	return lines(text), ""
}

// statement reports whether a text begins as SQL, or as a command of Garant's.
func statement(text string) bool {
	first, _, _ := strings.Cut(text, " ")
	return slices.Contains([]string{"ALTER", "CREATE", "DELETE", "DROP", "GRANT", "REINDEX", "REVOKE", "SELECT", "UPDATE", "COMMENT", "garant"}, first)
}

// lines puts each statement on a line of its own.
func lines(sql string) string {
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(sql); i++ {
		c := sql[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		}
		if quote == 0 && c == ' ' && i > 0 && sql[i-1] == ';' && !strings.HasPrefix(sql[i:], " --") {
			b.WriteByte('\n')
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
