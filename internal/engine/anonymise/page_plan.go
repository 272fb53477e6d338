package anonymise

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/plan"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

// The lengths of a page of the plan.
const (
	columnsShown = 120
	pathsShown   = 40 // of a document
	widest       = 80 // of a value in a preview, in characters
)

// planPage is what becomes of every column.
type planPage struct {
	Path    string
	Tabs    []tab
	Notices []*ui.Notice
	Broken  string // what is wrong with the plan, in English; empty: nothing
	Classes *proportions
	Details []ui.Detail
	Fields  []ui.Field
	Found   string
	All     string // address without filters; empty: there are none
	Tables  []planTable
	Empty   ui.Empty
	Pager   ui.Pager
	Persons *ui.Table
}

// planTable is a table, or a part of one where it is long.
type planTable struct {
	ID, Name string
	About    []string
	Question string
	Reason   string
	Columns  []planColumn
}

type planColumn struct {
	Name, Type                string
	Class, Mark, Kind         string
	Transformer, Args, Effect string
	Keeps                     bool
	Samples                   []Sample
	Paths                     []planPath
	More                      string
	Reason, Question          string
}

type planPath struct {
	Path, Kind, Transformer, Args, Effect string
	Keeps                                 bool
	Samples                               []Sample
	Reason, Question                      string
}

// readPlan is a plan as it was read once.
type readPlan struct {
	digest [sha256.Size]byte
	plan   plan.Plan
	err    error
	count  map[personal.Class]int
	total  int
}

// planOf reads the plan of a database; a long one takes a while, so that it is kept until it is another.
func (h *pages) planOf(c *Copy) *readPlan {
	digest := planDigest(c.declared)
	if kept, ok := h.plans.Load(c.Database); ok {
		if one, ok := kept.(*readPlan); ok && one.digest == digest {
			return one
		}
	}
	one := &readPlan{digest: digest, count: map[personal.Class]int{}}
	if one.plan, one.err = plan.Load(plan.FileName, c.declared.Plan); one.err == nil {
		for i := range one.plan.Tables {
			for j := range one.plan.Tables[i].Columns {
				one.count[one.plan.Tables[i].Columns[j].Class]++
				one.total++
			}
		}
	}
	h.plans.Store(c.Database, one)
	return one
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }

// sought is what the reader looks for in a plan.
type sought struct {
	text  string
	class personal.Class
	show  string
	page  int
}

// The narrower views of a plan.
const (
	showKept      = "kept"      // not harmless, and stays
	showQuestions = "questions" // not answered
	showDocuments = "documents"
)

func soughtOf(q url.Values) sought {
	s := sought{text: strings.ToLower(strings.TrimSpace(q.Get("q"))), page: 1}
	if c, err := personal.ParseClass(q.Get("class")); err == nil {
		s.class = c
	}
	if show := q.Get("show"); slices.Contains([]string{showKept, showQuestions, showDocuments}, show) {
		s.show = show
	}
	if n, err := strconv.Atoi(q.Get("page")); err == nil && n > 1 && n < 1e6 {
		s.page = n
	}
	return s
}

func (s sought) some() bool { return s.text != "" || s.class != "" || s.show != "" }

// address is that of a page of what is sought.
func (s sought) address(path string) string {
	q := url.Values{}
	for key, v := range map[string]string{"q": s.text, "class": string(s.class), "show": s.show} {
		if v != "" {
			q.Set(key, v)
		}
	}
	if s.page > 1 {
		q.Set("page", strconv.Itoa(s.page))
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// found reports whether a column is sought.
func (s sought) found(t *plan.Table, c *plan.Column) bool {
	if s.class != "" && c.Class != s.class {
		return false
	}
	asked := c.Question != ""
	hit := s.text == "" || strings.Contains(strings.ToLower(t.Name.String()+"."+c.Name), s.text)
	for _, path := range c.Paths {
		asked = asked || path.Question != ""
		hit = hit || strings.Contains(strings.ToLower(path.Path), s.text)
	}
	switch s.show {
	case showKept:
		return hit && c.Class != personal.Harmless && c.Transform.Name == "keep"
	case showQuestions:
		return hit && asked
	case showDocuments:
		return hit && c.Transform.Name == "json"
	}
	return hit
}

// place is a column of a table, or a table of which nothing is copied.
type place struct {
	table  *plan.Table
	column *plan.Column
}

func (s sought) places(p *plan.Plan) (list []place) {
	for i := range p.Tables {
		t := &p.Tables[i]
		for j := range t.Columns {
			if s.found(t, &t.Columns[j]) {
				list = append(list, place{t, &t.Columns[j]})
			}
		}
		whole := strings.Contains(strings.ToLower(t.Name.String()), s.text) && s.class == "" && (s.show == "" || s.show == showQuestions && t.Question != "")
		if whole && len(t.Columns) == 0 {
			list = append(list, place{t, nil})
		}
	}
	return list
}

func (h *pages) plan(w http.ResponseWriter, r *web.Request) error {
	c, err := h.find(r)
	if err != nil {
		return err
	}
	p := h.c.Printer(r)
	body := &planPage{Path: pathOf(c.Database) + "/plan", Tabs: tabs(p, c.Database, "plan")}
	read := h.planOf(c)
	if read.err != nil {
		body.Notices = append(body.Notices, &ui.Notice{Tone: ui.Danger, Title: p.T("copies.plan.broken"), Text: p.T("copies.plan.broken.text")})
		body.Broken = read.err.Error()
	} else {
		body.fill(p, c, read, soughtOf(r.URL.Query()))
	}
	if c.waits {
		body.Notices = append(body.Notices, notices(r, p, c)[0])
	}
	return h.write(w, http.StatusOK, "plan", h.page(r, p.T("copies.plan.title", "Database", c.Database), body, ui.Link{Label: c.Database, Href: pathOf(c.Database)}))
}

func (b *planPage) fill(p *ui.Printer, c *Copy, read *readPlan, s sought) {
	if n := read.plan.Questions(); n > 0 {
		b.Notices = append(b.Notices, &ui.Notice{Tone: ui.Danger, Title: p.T("copies.plan.questions", "Count", n), Text: p.T("copies.plan.questions.text"), Link: &ui.Link{Label: p.T("copies.plan.questions.link"), Href: b.Path + "?show=" + showQuestions}})
	}
	b.Classes = classBar(p, read.count, func(class personal.Class) (string, bool) {
		one := s
		one.page = 1
		if one.class = class; class == s.class {
			one.class = ""
		}
		return one.address(b.Path), class == s.class
	})
	b.Details = planDetails(p, c, read)
	b.Fields = s.fields(p)
	if s.some() {
		b.All = b.Path
	}
	list := s.places(&read.plan)
	b.Empty = ui.Empty{Icon: "search", Title: p.T("copies.plan.nothing"), Text: p.T("copies.plan.nothing.text")}
	from := min(len(list), (s.page-1)*columnsShown)
	to := min(len(list), from+columnsShown)
	if len(list) > 0 {
		b.Found = p.T("copies.plan.found", "From", from+1, "To", to, "Count", len(list))
	}
	if to < len(list) {
		later := s
		later.page++
		b.Pager.Older = later.address(b.Path)
	}
	if from > 0 {
		before := s
		before.page--
		b.Pager.Newer = before.address(b.Path)
	}
	v := newPreviewer(&read.plan)
	defer v.close()
	for i, one := range list[from:to] {
		if i == 0 || list[from+i-1].table != one.table {
			b.Tables = append(b.Tables, tableOf(p, one.table, from+i > 0 && list[max(0, from+i-1)].table == one.table))
		}
		if one.column != nil {
			t := &b.Tables[len(b.Tables)-1]
			t.Columns = append(t.Columns, columnView(p, v, one.column))
		}
	}
	b.Persons = identities(p, &read.plan)
}

func planDetails(p *ui.Printer, c *Copy, read *readPlan) []ui.Detail {
	list := []ui.Detail{{Term: p.T("copies.plan.covers"), Text: p.T("copies.plan.tables", "Count", len(read.plan.Tables)) + ", " + p.T("copies.plan.columns", "Count", read.total)}}
	language := read.plan.Language
	if language == "" {
		language = "fr-FR"
	}
	list = append(list, ui.Detail{Term: p.T("copies.plan.language"), Code: language})
	digest := planDigest(c.declared)
	made := ui.Detail{Term: p.T("copies.plan.digest"), Digest: hexOf(digest[:])}
	if c.Served != nil {
		made.Note = p.T("copies.plan.unserved")
		if bytes.Equal(c.Served.Plan, digest[:]) {
			made.Note = p.T("copies.plan.served")
		}
	}
	return append(list, made)
}

func (s sought) fields(p *ui.Printer) []ui.Field {
	class := ui.Field{Name: "class", Label: p.T("copies.class"), Type: "select", Options: []ui.Option{{Label: p.T("copies.plan.any")}}}
	for _, c := range classes() {
		class.Options = append(class.Options, ui.Option{Value: string(c), Label: p.T("copies.class." + string(c)), Selected: c == s.class})
	}
	show := ui.Field{Name: "show", Label: p.T("copies.plan.show"), Type: "select", Options: []ui.Option{{Label: p.T("copies.plan.all")}}}
	for _, one := range []string{showQuestions, showKept, showDocuments} {
		show.Options = append(show.Options, ui.Option{Value: one, Label: p.T("copies.plan.show." + one), Selected: one == s.show})
	}
	return []ui.Field{{Name: "q", Label: p.T("copies.plan.search"), Type: "search", Value: s.text, MaxLength: 200}, class, show}
}

func tableOf(p *ui.Printer, t *plan.Table, goesOn bool) planTable {
	out := planTable{Name: t.Name.String(), ID: "t-" + hexOf(sum(t.Name.String())), Reason: t.Reason, Question: t.Question}
	if goesOn {
		out.About = append(out.About, p.T("copies.plan.goes_on"))
	}
	if t.Rows == plan.NoRows {
		out.About = append(out.About, p.T("copies.plan.no_rows"))
	}
	if t.Subject != "" {
		out.About = append(out.About, p.T("copies.plan.subject", "Column", t.Subject))
	}
	return out
}

func sum(s string) []byte {
	d := sha256.Sum256([]byte(s))
	return d[:6]
}

func columnView(p *ui.Printer, v *previewer, c *plan.Column) planColumn {
	out := planColumn{
		Name: c.Name, Type: c.Type, Class: p.T("copies.class." + string(c.Class)), Mark: "copies-part-" + strconv.Itoa(max(0, slices.Index(classes(), c.Class))+1),
		Transformer: c.Transform.Name, Args: arguments(c.Transform), Effect: effect(p, c.Transform.Name), Keeps: c.Transform.Name == "keep", Reason: c.Reason, Question: c.Question,
	}
	if c.Kind != personal.None && c.Kind != "" {
		out.Kind = kindWord(p, c.Kind)
	}
	if c.Transform.Name != "json" {
		if !out.Keeps {
			out.Samples = short(v.column(c))
		}
		return out
	}
	out.Paths, out.More = documentView(p, v, c)
	return out
}

// documentView shows a document path by path.
func documentView(p *ui.Printer, v *previewer, c *plan.Column) (list []planPath, more string) {
	noted := map[string]plan.Path{}
	for _, one := range c.Paths {
		noted[one.Path+"\x00"+strconv.FormatBool(one.Keys)] = one
	}
	for _, keys := range []bool{false, true} {
		argument := map[bool]string{false: "paths", true: "keys"}[keys]
		all, _ := c.Transform.Args[argument].(map[string]any)
		for i, path := range slices.Sorted(maps.Keys(all)) {
			if i == pathsShown {
				more = p.T("copies.plan.paths.more", "Count", len(all)-i)
				break
			}
			spec, ok := all[path].(transform.Spec)
			if !ok {
				continue
			}
			note := noted[path+"\x00"+strconv.FormatBool(keys)]
			one := planPath{Path: path, Transformer: spec.Name, Args: arguments(spec), Effect: effect(p, spec.Name), Keeps: spec.Name == "keep", Reason: note.Reason, Question: note.Question}
			kind := note.Kind
			if d, known := transform.Describe(spec.Name); kind == "" && known && len(d.DefaultOf) > 0 {
				kind = d.DefaultOf[0]
			}
			if kind != personal.None && kind != "" {
				one.Kind = kindWord(p, kind)
			}
			if keys {
				one.Path = p.T("copies.plan.keys", "Path", path)
			} else if !one.Keeps {
				one.Samples = short(v.path(c, path, kind, spec))
			}
			list = append(list, one)
		}
	}
	return list, more
}

// effect is what a transformer does, in a few words.
func effect(p *ui.Printer, name string) string {
	d, ok := transform.Describe(name)
	switch {
	case !ok:
		return ""
	case p.Lang() == "fr":
		return d.Words.FR
	}
	return d.Words.EN
}

// arguments writes those of a transformer as the plan has them, but for the paths of documents.
func arguments(s transform.Spec) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(s.Args)) {
		if name == "paths" || name == "keys" {
			continue
		}
		switch v := s.Args[name].(type) {
		case []any:
			words := make([]string, len(v))
			for i, one := range v {
				words[i] = fmt.Sprint(one)
			}
			list = append(list, name+": ["+strings.Join(words, ", ")+"]")
		default:
			list = append(list, name+": "+fmt.Sprint(v))
		}
	}
	return strings.Join(list, ", ")
}

// short cuts long values.
func short(list []Sample) []Sample {
	cut := func(s string) string {
		if r := []rune(s); len(r) > widest {
			return string(r[:widest-1]) + "…"
		}
		return s
	}
	for i := range list {
		list[i].Before, list[i].After = cut(list[i].Before), cut(list[i].After)
	}
	return list
}

func identities(p *ui.Printer, pl *plan.Plan) *ui.Table {
	if len(pl.Persons) == 0 {
		return nil
	}
	t := &ui.Table{Caption: p.T("copies.plan.persons"), Columns: columns(p, "copies.persons.table", "copies.persons.by", "copies.plan.sensitive", "copies.plan.k#", "copies.plan.l#", "copies.plan.small#", "copies.plan.linked#")}
	for _, id := range pl.Persons {
		l := "–"
		if id.L > 0 {
			l = p.Number(int64(id.L))
		}
		sensitive := "–"
		if len(id.Sensitive) > 0 {
			sensitive = p.List(id.Sensitive)
		}
		t.Rows = append(t.Rows, []ui.Cell{{Code: id.Table.String()}, {Text: p.List(id.Quasi)}, {Text: sensitive}, {Text: p.Number(int64(id.K))}, {Text: l}, {Text: p.Percent(int64(id.Small*1e6), 1e6)}, {Text: p.Percent(int64(id.Linked*1e6), 1e6)}})
	}
	return t
}
