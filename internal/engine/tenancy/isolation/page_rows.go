package isolation

import (
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/verify"
	"github.com/garant-project/garant/internal/pg/sqlname"
	"github.com/garant-project/garant/internal/web/ui"
)

// schemas are the relations of the manifest by schema.
func (v view) schemas(only filter) []schemaPart {
	var list []schemaPart
	for i := range v.Relations {
		r := &v.Relations[i]
		if only.class != "" && r.Class != only.class || only.severity != "" && !v.foundAt(r, only.severity) ||
			!only.says(append([]string{r.Name, r.Column, r.Reason}, r.Doubts...)...) && !slices.ContainsFunc(r.Findings, func(f finding) bool { return only.says(f.Check.ID, v.title(f.Check), f.Found, v.said(f.Found).Text) }) {
			continue
		}
		if len(list) == 0 || list[len(list)-1].Name != r.Schema {
			list = append(list, schemaPart{Name: r.Schema})
		}
		last := &list[len(list)-1]
		last.Rows = append(last.Rows, v.row(r))
	}
	return list
}

func (v view) foundAt(r *relation, s verify.Severity) bool {
	return r.Mark == mark(s) || slices.ContainsFunc(r.Findings, func(f finding) bool { return f.Check.Severity == s })
}

func (v view) row(r *relation) relationRow {
	row := relationRow{
		glyph: glyph{string(r.Class), string(r.Mark)}, Anchor: v.at[r.Name], Name: sqlname.Quote(r.Table.Name),
		ClassWord: v.T("isolation.page.class." + string(r.Class)), MarkWord: v.T("isolation.page.mark." + string(r.Mark)),
		Column: r.Column, Grants: v.grants(r.Grants), Reason: r.Reason,
	}
	if r.Kind != "" && r.Kind != manifest.KindTable {
		row.Kind = v.T("isolation.page.kind." + r.Kind)
	}
	if r.Add {
		row.Via = v.T("isolation.page.added")
		if len(r.Via) > 0 {
			row.Via = v.T("isolation.page.via", "Path", strings.Join(r.Via, " → "))
		}
	}
	for _, d := range r.Doubts {
		if rest, blocks := strings.CutPrefix(d, manifest.Blocks); blocks {
			d = v.T("isolation.page.decide", "Doubt", strings.TrimSpace(rest))
		}
		row.Doubts = append(row.Doubts, d)
	}
	shown := map[string]bool{}
	for _, f := range r.Findings {
		if !shown[f.Check.ID] {
			shown[f.Check.ID] = true
			row.Findings = append(row.Findings, relationFinding{Severity: v.severity(f.Check.Severity), Link: ui.Link{Label: f.Check.ID, Href: "#f-" + f.Check.ID}, Note: v.title(f.Check)})
		}
	}
	return row
}

// grants says what the application may do with a relation.
func (v view) grants(list []string) string {
	switch {
	case len(list) == 1 && list[0] == "SELECT":
		return v.T("isolation.page.grants.read")
	case len(list) == len(manifest.GrantWords()):
		return v.T("isolation.page.grants.all")
	}
	return strings.Join(list, ", ")
}

// areaOrder is the order of the documentation.
func areaOrder() []string {
	return []string{"roles", "around", "tables", "policies", "code", "constraints", "side", "events", "token", "accepted", "probe"}
}

// areas are all checks with what came of them.
func (v view) areas(only filter) []areaPart {
	var list []areaPart
	at := map[string]int{}
	count := map[string]map[verify.Outcome]int{}
	for i := range v.Checks {
		c := &v.Checks[i]
		if only.severity != "" && c.Severity != only.severity || !only.says(c.ID, v.title(c), v.why(c), c.Error, v.said(c.Error).Text) {
			continue
		}
		name := area(c.ID)
		n, ok := at[name]
		if !ok {
			n = len(list)
			at[name], count[name] = n, map[verify.Outcome]int{}
			list = append(list, areaPart{Name: name, Open: only != filter{}})
		}
		count[name][c.Outcome]++
		list[n].Rows = append(list[n].Rows, v.checkRow(c))
	}
	slices.SortStableFunc(list, func(a, b areaPart) int { return slices.Index(areaOrder(), a.Name) - slices.Index(areaOrder(), b.Name) })
	for i := range list {
		var parts []string
		for _, o := range []verify.Outcome{verify.Fail, verify.Error, "", verify.Pass} {
			if n := count[list[i].Name][o]; n > 0 {
				parts = append(parts, v.T("isolation.page.outcomes."+outcomeWord(o), "Count", n))
			}
		}
		list[i].Counts = strings.Join(parts, " · ")
		if id := "isolation.page.area." + list[i].Name; v.Has(id) {
			list[i].Name = v.T(id)
		}
	}
	return list
}

func outcomeWord(o verify.Outcome) string {
	if o == "" {
		return "untried"
	}
	return string(o)
}

func (v view) checkRow(c *checked) checkRow {
	row := checkRow{ID: c.ID, Title: v.title(c), Severity: v.severity(c.Severity), Examined: "–", Note: v.said(c.Error)}
	row.Outcome = severityWord{"met", "check-circle", v.T("isolation.page.outcome." + outcomeWord(c.Outcome))}
	switch c.Outcome {
	case verify.Fail:
		row.Outcome.Class, row.Outcome.Icon = "not_met", "x-circle"
		row.Link = &ui.Link{Label: v.T("isolation.page.found.count", "Count", c.Found), Href: "#f-" + c.ID}
	case verify.Error:
		row.Outcome.Class, row.Outcome.Icon = "stale", "alert"
	case verify.Pass:
	default:
		row.Outcome.Class, row.Outcome.Icon = "unproven", "circle-dashed"
	}
	if c.Outcome != "" {
		row.Examined = v.Number(int64(c.Examined))
	}
	return row
}
