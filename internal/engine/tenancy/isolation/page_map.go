package isolation

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/engine/tenancy/verify"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg/sqlname"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

type mapPage struct {
	Lead     string
	Declared bool // there is a manifest to hold the database to
	Runs     []ui.Action
	Notices  []*ui.Notice
	Details  []ui.Detail
	Overview *overview // nil: no manifest
	Drift    driftPart
	Around   *ui.Table
	Accepted *ui.Table // nil: nothing is
	Action   string    // of the filter
	Filters  []ui.Field
	Filtered bool
	Findings findingsPart
	Schemas  []schemaPart
	NoTables *ui.Empty
	Areas    []areaPart
	NoChecks *ui.Empty
	CSV      string
}

// overview draws each relation as a cell.
type overview struct {
	Many    bool // too many for their names
	Schemas []cells
	Classes []legend
	Marks   []legend
}

type cells struct {
	Name  string
	Cells []cell
}

type cell struct {
	glyph
	Name, Href, Says string
}

// glyph is what is drawn for a relation: the shape is the class, the sign in its corner the mark.
type glyph struct{ Class, Mark string }

type legend struct {
	glyph
	Word  string
	Count int
}

type driftPart struct {
	Known *ui.Notice // nothing departs, or it is not known
	Rows  []driftRow
}

// driftRow is a check that found the database to be other than its manifest says.
type driftRow struct {
	What, Title string
	Objects     []string
	More        string
	Link        ui.Link
}

type findingsPart struct {
	None   *ui.Empty
	Groups []group
}

// group is a check that came out false, with what it found.
type group struct {
	Anchor, ID, Title, Why string
	Severity               severityWord
	Found                  []foundPart
	SQL, About             string // statements that mend all of Found which have none of their own
	More                   string
	Evidence               *ui.Link // of another look than the last one
}

type foundPart struct {
	Object       string
	Found, Words said
	SQL, About   string // where there is a choice
	Tables       []ui.Link
}

// severityWord is a severity as icon, word and colour.
type severityWord struct{ Class, Icon, Word string }

type schemaPart struct {
	Name string
	Rows []relationRow
}

type relationRow struct {
	glyph
	Anchor, Name, Kind, ClassWord, MarkWord, Column, Via, Grants, Reason string
	Doubts                                                               []string
	Findings                                                             []relationFinding
}

type relationFinding struct {
	Severity severityWord
	Link     ui.Link
	Note     string
}

type areaPart struct {
	Name, Counts string
	Open         bool
	Rows         []checkRow
}

type checkRow struct {
	Outcome  severityWord
	ID       string
	Title    string
	Severity severityWord
	Examined string
	Link     *ui.Link
	Note     said
}

// many is from how many relations on the overview shows their cells without names; fewObjects, how many
// objects a row names.
const (
	many       = 90
	fewObjects = 6
)

func (h *pages) database(w http.ResponseWriter, r *web.Request) error {
	only, err := readFilter(r)
	if err != nil {
		return err
	}
	one, l, err := h.one(r)
	if err != nil {
		return err
	}
	p := h.c.Printer(r)
	v := view{p, one, anchors(one), h.said[p.Lang()]}
	body := &mapPage{Lead: v.lead(), Declared: one.Live.Declared, Runs: h.runs(r, p, l), Notices: v.notices(), Details: v.details(), Drift: v.drift(), Action: databasePath(one.Database.Name), CSV: databasePath(one.Database.Name) + "/tables.csv"}
	if one.Manifest != nil {
		body.Overview = v.overview()
		t := v.around()
		body.Around = &t
		body.Accepted = v.accepted()
	}
	body.Filters, body.Filtered = only.fields(p), only != filter{}
	body.Findings = v.findings(only)
	body.Schemas = v.schemas(only)
	if len(body.Schemas) == 0 && one.Manifest != nil {
		body.NoTables = v.nothing(body.Action)
	}
	if body.Areas = v.areas(only); len(body.Areas) == 0 {
		body.NoChecks = v.nothing(body.Action)
	}
	page := h.c.Page(r, "isolation.page.title", Path, body)
	page.Crumbs = []ui.Link{{Label: page.Title, Href: Path}, {Label: one.Database.Name}}
	page.Title = one.Database.Name
	return h.c.Write(w, http.StatusOK, h.templates["map"], page)
}

// view writes a picture in a language.
type view struct {
	*ui.Printer
	*picture
	at     map[string]string // relation → id of its row
	theirs sayings
}

// said is a text of verify in the language of the page, or in English where it has none.
type said struct{ Lang, Text string }

func (v view) said(text string) said {
	if v.theirs == nil || text == "" {
		return said{"", text}
	}
	if s, ok := v.theirs.say(text); ok {
		return said{"", s}
	}
	return said{"en", text}
}

// anchors gives each relation an id.
func anchors(one *picture) map[string]string {
	at := map[string]string{}
	for i, r := range one.Relations {
		at[r.Name] = "t" + strconv.Itoa(i+1)
	}
	return at
}

// filter is what the address asks for.
type filter struct {
	class    manifest.Class
	severity verify.Severity
	text     string
}

func readFilter(r *web.Request) (filter, error) {
	q := r.URL.Query()
	f := filter{manifest.Class(q.Get("class")), verify.Severity(q.Get("severity")), strings.TrimSpace(q.Get("q"))}
	if f.class != "" && !slices.Contains(manifest.Classes(), f.class) || f.severity != "" && !slices.Contains(verify.Severities(), f.severity) {
		return f, errs.New(errs.Invalid, "isolation.filter", "There is no such class or severity.").WithFix("Choose one above the list.")
	}
	return f, nil
}

func (f filter) fields(p *ui.Printer) []ui.Field {
	class := ui.Field{Name: "class", Type: "select", Label: p.T("isolation.page.class"), Options: []ui.Option{{Label: p.T("isolation.page.any")}}}
	for _, c := range manifest.Classes() {
		class.Options = append(class.Options, ui.Option{Value: string(c), Label: p.T("isolation.page.class." + string(c)), Selected: f.class == c})
	}
	severity := ui.Field{Name: "severity", Type: "select", Label: p.T("isolation.page.severity"), Options: []ui.Option{{Label: p.T("isolation.page.any")}}}
	for _, s := range verify.Severities() {
		severity.Options = append(severity.Options, ui.Option{Value: string(s), Label: p.T("isolation.page.severity." + string(s)), Selected: f.severity == s})
	}
	return []ui.Field{class, severity, {Name: "q", Type: "search", Label: p.T("isolation.page.text"), Value: f.text, Autocomplete: "off"}}
}

// says reports whether one of the texts holds what is asked for.
func (f filter) says(texts ...string) bool {
	return f.text == "" || slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(strings.ToLower(s), strings.ToLower(f.text)) })
}

func (v view) nothing(all string) *ui.Empty {
	return &ui.Empty{Icon: "filter", Title: v.T("isolation.page.nothing"), Text: v.T("isolation.page.nothing.text"), Action: &ui.Button{Label: v.T("isolation.page.all"), Href: all}}
}

// title and why are the words of a check.
func (v view) title(c *checked) string {
	if id := "isolation.verify." + c.ID; v.Has(id) {
		return v.T(id)
	}
	return c.ID
}

func (v view) why(c *checked) string {
	if id := "isolation.verify." + c.ID + ".why"; v.Has(id) {
		return v.T(id)
	}
	return v.T("isolation.page.other_version")
}

func (v view) severity(s verify.Severity) severityWord {
	w := severityWord{"not_met", "x-circle", v.T("isolation.page.severity." + string(s))}
	switch s {
	case verify.High:
		w.Icon = "alert"
	case verify.Medium:
		w.Class, w.Icon = "stale", "alert"
	case verify.Low:
		w.Class, w.Icon = "unproven", "info"
	}
	return w
}

func (v view) lead() string {
	if v.Manifest == nil {
		return v.T("isolation.page.map.no_manifest")
	}
	return v.T("isolation.page.map.lead", "Database", v.Database.Database, "Classes", classes(v.Printer, v.Manifest))
}

// details is what there is to know before one looks closer.
func (v view) details() []ui.Detail {
	list := []ui.Detail{{Term: v.T("isolation.page.state"), State: ui.State(v.Live.State)}}
	for _, one := range []struct {
		proof
		term string
	}{{v.Live, "isolation.page.live"}, {v.Writes, "isolation.page.writes"}} {
		d := ui.Detail{Term: v.T(one.term)}
		switch {
		case !one.Declared:
			d.Text, d.Note = v.T("isolation.page.undeclared"), v.T(one.term+".undeclared")
		case one.At.IsZero():
			d.Text = v.T("isolation.page.never")
		default:
			d.Link, d.Note = &ui.Link{Label: v.Instant(one.At), Href: "/evidence/" + one.Evidence}, v.T("isolation.page.evidence")
			if one.term == "isolation.page.writes" {
				d.State = ui.State(one.State)
			}
			if one.Seen != nil {
				d.Note = v.T("isolation.page.evidence.by", "Role", one.Seen.Looked)
			}
		}
		list = append(list, d)
	}
	list = append(list, ui.Detail{Term: v.T("isolation.page.checks"), Link: &ui.Link{Label: v.T("check." + v.Live.Check), Href: console.ChecksPath + "/" + v.Live.Check}})
	if v.Manifest == nil {
		return list
	}
	key := v.Manifest.Key.Column + " " + v.Manifest.Key.Type
	if v.Manifest.Key.Table != "" {
		key = v.Manifest.Key.Table + "." + key
	}
	return append(list,
		ui.Detail{Term: v.T("isolation.page.design"), Text: v.T("isolation.page.design." + v.Manifest.Design)},
		ui.Detail{Term: v.T("isolation.page.key"), Code: key},
		ui.Detail{Term: v.T("isolation.page.app"), Code: strings.Join(v.Manifest.App, ", ")})
}

// notices say what keeps the page from being the truth of this moment.
func (v view) notices() []*ui.Notice {
	var list []*ui.Notice
	add := func(tone ui.Tone, id string, args ...any) {
		list = append(list, &ui.Notice{Tone: tone, Title: v.T(id, args...), Text: v.T(id+".text", args...)})
	}
	switch {
	case v.Wrong != "":
		list = append(list, &ui.Notice{Tone: ui.Danger, Title: v.T("isolation.manifest"), Text: v.Wrong + " " + v.T("isolation.manifest.fix")})
	case v.Manifest == nil:
		add(ui.Warning, "isolation.page.no_manifest")
	}
	for _, one := range []proof{v.Live, v.Writes} {
		for _, problem := range one.Blind {
			n := &ui.Notice{Tone: ui.Warning, Title: v.T("check."+one.Check) + v.T("isolation.page.colon") + v.T(problem)}
			if v.Has(problem + ".fix") {
				n.Text = v.T(problem + ".fix")
			}
			list = append(list, n)
		}
	}
	switch {
	case !v.Live.Declared:
	case v.Live.At.IsZero():
		add(ui.Info, "isolation.page.unseen")
	case v.Live.Digest:
		add(ui.Warning, "isolation.page.digest")
	case v.Live.Seen == nil:
	case v.Live.Past:
		add(ui.Warning, "isolation.page.past", "At", v.Instant(v.Live.At))
	case v.Live.Earlier:
		add(ui.Info, "isolation.page.earlier")
	case !v.Live.holds():
		add(ui.Warning, "isolation.page.old", "At", v.Instant(v.Live.At))
	case v.Live.Seen.Unnamed > 0:
		add(ui.Warning, "isolation.page.unnamed", "Count", v.Live.Seen.Unnamed)
	}
	return list
}

func (v view) overview() *overview {
	o := &overview{}
	byClass, byMark := map[string]int{}, map[mark]int{}
	at := map[string]int{}
	place := func(schema string, c cell) {
		i, ok := at[schema]
		if !ok {
			i = len(o.Schemas)
			at[schema] = i
			o.Schemas = append(o.Schemas, cells{Name: schema})
		}
		c.Says = v.T("isolation.page.cell", "Class", v.T("isolation.page.class."+c.Class), "State", v.T("isolation.page.mark."+c.Mark))
		o.Schemas[i].Cells = append(o.Schemas[i].Cells, c)
		byClass[c.Class]++
		byMark[mark(c.Mark)]++
	}
	for _, r := range v.Relations {
		place(r.Schema, cell{glyph{string(r.Class), string(r.Mark)}, r.Table.Name, "#" + v.at[r.Name], ""})
	}
	for _, f := range v.Findings {
		if schema, name, ok := sqlname.Split(f.Object); ok && f.Unlisted {
			place(schema, cell{glyph{"none", string(f.Check.Severity)}, name, "#f-" + f.Check.ID, ""})
		}
	}
	order := []string{"tenant", "shared", "private", "none"}
	for _, s := range o.Schemas {
		slices.SortStableFunc(s.Cells, func(a, b cell) int { return slices.Index(order, a.Class) - slices.Index(order, b.Class) })
	}
	slices.SortStableFunc(o.Schemas, func(a, b cells) int { return strings.Compare(a.Name, b.Name) })
	o.Many = len(v.Relations) > many
	for _, class := range order {
		if byClass[class] > 0 {
			o.Classes = append(o.Classes, legend{glyph{class, string(asDeclared)}, v.T("isolation.page.class." + class), byClass[class]})
		}
	}
	for _, m := range marks() {
		if byMark[m] > 0 {
			o.Marks = append(o.Marks, legend{glyph{"any", string(m)}, v.T("isolation.page.mark." + string(m)), byMark[m]})
		}
	}
	return o
}

// drift tells what the last look saw that the manifest does not have, a row for each check.
func (v view) drift() driftPart {
	part := driftPart{}
	for _, kind := range []string{"tables", "policies", "paths"} {
		for i := range v.Checks {
			c := &v.Checks[i]
			if drift(c.ID) != kind || len(c.Kept) == 0 {
				continue
			}
			row := driftRow{What: v.T("isolation.page.drift." + kind), Title: v.title(c), Link: ui.Link{Label: v.T("isolation.page.see_mend"), Href: "#f-" + c.ID}}
			for _, f := range c.Kept {
				if !slices.Contains(row.Objects, f.Object) && len(row.Objects) < fewObjects {
					row.Objects = append(row.Objects, f.Object)
				}
			}
			if n := c.Found - len(row.Objects); n > 0 {
				row.More = v.T("isolation.page.and_more", "Count", n)
			}
			part.Rows = append(part.Rows, row)
		}
	}
	more := 0
	for _, c := range v.Checks {
		if drift(c.ID) != "" && len(c.Kept) == 0 {
			more += c.Found
		}
	}
	switch {
	case more > 0:
		part.Known = &ui.Notice{Tone: ui.Warning, Text: v.T("isolation.page.more", "Count", more)}
	case len(part.Rows) > 0:
	case v.Live.holds():
		part.Known = &ui.Notice{Tone: ui.Success, Text: v.T("isolation.page.drift.none")}
	default:
		part.Known = &ui.Notice{Tone: ui.Warning, Text: v.T("isolation.page.drift.unknown")}
	}
	return part
}

// around lists the declared ways around tenancy.
func (v view) around() ui.Table {
	t := ui.Table{
		Caption: v.T("isolation.page.around"),
		Columns: []ui.Column{{Label: v.T("isolation.page.role")}, {Label: v.T("isolation.page.kind")}, {Label: v.T("isolation.page.reason")}, {Label: v.T("isolation.page.last")}},
		Empty:   &ui.Empty{Icon: "lock", Title: v.T("isolation.page.around.none"), Text: v.T("isolation.page.around.none.text")},
	}
	for _, path := range v.Manifest.Around {
		last := ui.Cell{Text: v.T("isolation.page.mark.unknown")}
		if v.Live.holds() {
			last.Text = v.T("isolation.page.around.there")
		}
		if gone := v.picture.around(path); len(gone) > 0 {
			last = ui.Cell{Text: v.T("isolation.page.around.gone"), Note: v.said(gone[0].Found).Text}
		}
		why := ui.Cell{Text: path.Why}
		if path.Why == "" {
			why.Text = v.T("isolation.page.around.no_reason")
		}
		t.Rows = append(t.Rows, []ui.Cell{{Code: path.Role}, {Text: v.T("isolation.page.path." + path.Kind)}, why, last})
	}
	return t
}

// accepted lists the findings that somebody answers for.
func (v view) accepted() *ui.Table {
	if len(v.Manifest.Accepted) == 0 {
		return nil
	}
	t := &ui.Table{
		Caption: v.T("isolation.page.accepted"),
		Columns: []ui.Column{{Label: v.T("isolation.page.check")}, {Label: v.T("isolation.page.object")}, {Label: v.T("isolation.page.reason")}, {Label: v.T("isolation.page.accepted.by")}, {Label: v.T("isolation.page.last")}},
	}
	for _, a := range v.Manifest.Accepted {
		check := ui.Cell{Code: a.Check}
		if i := slices.IndexFunc(v.Checks, func(c checked) bool { return c.ID == a.Check }); i >= 0 {
			check = ui.Cell{Text: v.title(&v.Checks[i]), Note: a.Check}
		}
		objects := ui.Cell{Code: strings.Join(a.Objects[:min(len(a.Objects), fewObjects)], ", ")}
		if more := len(a.Objects) - fewObjects; more > 0 {
			objects.Note = v.T("isolation.page.and_more", "Count", more)
		}
		last := ui.Cell{Text: v.T("isolation.page.mark.unknown")}
		if v.Live.holds() {
			last.Text = v.T("isolation.page.accepted.there")
			gone := 0
			for _, f := range v.Findings {
				if f.Check.ID == "accepted.gone" && slices.Contains(a.Objects, f.Object) {
					gone++
				}
			}
			if gone > 0 {
				last.Text = v.T("isolation.page.accepted.gone", "Count", gone)
			}
		}
		t.Rows = append(t.Rows, []ui.Cell{check, objects, {Text: a.Reason}, {Text: a.By, Note: v.day(a.Date)}, last})
	}
	return t
}

// day writes a date of the manifest.
func (v view) day(written string) string {
	at, err := time.Parse(time.DateOnly, written)
	if err != nil {
		return written
	}
	return v.Day(at)
}

// findings are the checks that came out false, the worst first.
func (v view) findings(only filter) findingsPart {
	part := findingsPart{}
	byCheck := map[string]int{}
	for _, f := range v.Findings {
		if only.severity != "" && f.Check.Severity != only.severity || only.class != "" && !v.ofClass(f, only.class) ||
			!only.says(f.Check.ID, v.title(f.Check), v.why(f.Check), f.Object, f.Found, v.said(f.Found).Text) {
			continue
		}
		i, ok := byCheck[f.Check.ID]
		if !ok {
			i = len(part.Groups)
			byCheck[f.Check.ID] = i
			part.Groups = append(part.Groups, v.group(f.Check))
		}
		g := &part.Groups[i]
		found := foundPart{Object: f.Object, Found: v.said(f.Found)}
		switch sql, words := mended(f.Mend); {
		case words == "":
			g.mend(sql)
		case sql == "":
			found.Words = v.said(words)
		default:
			found.Words, found.SQL, found.About = v.said(words), sql, v.T("isolation.page.mend.of", "Object", f.Object, "Check", f.Check.ID+" "+strconv.Itoa(len(g.Found)+1))
		}
		for _, name := range f.Relations {
			if name != f.Object {
				found.Tables = append(found.Tables, ui.Link{Label: name, Href: "#" + v.at[name]})
			}
		}
		g.Found = append(g.Found, found)
	}
	for i := range v.Checks { // those of which evidence keeps the number only
		c := &v.Checks[i]
		if _, shown := byCheck[c.ID]; !shown && c.Found > 0 && len(c.Kept) == 0 && only == (filter{}) {
			part.Groups = append(part.Groups, v.group(c))
		}
	}
	switch {
	case len(part.Groups) > 0:
	case only != filter{} && len(v.Findings) > 0:
		part.None = v.nothing(databasePath(v.Database.Name))
	case v.Live.holds():
		part.None = &ui.Empty{Icon: "check-circle", Title: v.T("isolation.page.findings.none"), Text: v.T("isolation.page.findings.none.text")}
	default:
		part.None = &ui.Empty{Icon: "circle-dashed", Title: v.T("isolation.page.findings.unknown"), Text: v.T("isolation.page.findings.unknown.text")}
	}
	return part
}

func (v view) group(c *checked) group {
	g := group{Anchor: "f-" + c.ID, ID: c.ID, Title: v.title(c), Why: v.why(c), Severity: v.severity(c.Severity), About: v.T("isolation.page.mend.all", "Check", c.ID)}
	if n := c.more(); n > 0 {
		g.More = v.T("isolation.page.more", "Count", n)
	}
	if c.By == v.Writes.Check {
		g.Evidence = &ui.Link{Label: v.T("isolation.page.seen_by", "Check", v.T("check."+c.By)), Href: "/evidence/" + v.Writes.Evidence}
	}
	return g
}

// mend adds statements to those that mend what the check found, each once.
func (g *group) mend(sql string) {
	if !strings.Contains("\n"+g.SQL+"\n", "\n"+sql+"\n") {
		g.SQL = strings.TrimPrefix(g.SQL+"\n"+sql, "\n")
	}
}

// ofClass reports whether a finding speaks of a relation of a class.
func (v view) ofClass(f finding, class manifest.Class) bool {
	return slices.ContainsFunc(v.Relations, func(r relation) bool { return r.Class == class && slices.Contains(f.Relations, r.Name) })
}
