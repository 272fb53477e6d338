package anonymise

import (
	"bytes"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/engine/anonymise/leak"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/plan"
	"github.com/garant-project/garant/internal/engine/anonymise/run"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// The lengths of the lists of a run.
const (
	questionsShown = 20
	rowsShown      = 200 // of a table in a proof
	linksShown     = 100
)

// runPage is one run.
type runPage struct {
	Notices   []*ui.Notice
	Watching  string
	Going     *going
	Ended     *ui.Notice
	Said      string // in English, as the command would say it
	Questions []question
	More      string // questions that are not shown
	Next      []ui.Detail
	Details   []ui.Detail
	Stages    *proportions
	Parts     *ui.Table
	Proofs    *ui.Table
	Hits      *ui.Table
	Blind     *ui.Table // places that could not be looked into, canaries that were not found
	Persons   *ui.Table
	Unequal   *ui.Table
	Tables    *ui.Table
	TablesAre string
	Schema    []string // problems, in English
	Links     *ui.Table
	LinksMore string
	LeftOut   []string
}

// question is what the plan left open.
type question struct {
	Where string
	Asked string // in the reader's language
	Text  string // more of it, in English; may be empty
	Line  string
	YAML  ui.Code
}

func (h *pages) run(w http.ResponseWriter, r *web.Request) error {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return errs.New(errs.NotFound, "anonymise.no_run", "There is no such run of this database.").WithFix("Choose one from the list.")
	}
	c, err := h.find(r)
	if err != nil {
		return err
	}
	one, err := h.a.RunOf(r.Context(), r.Actor, c.Database, id)
	if err != nil {
		return err
	}
	p := h.c.Printer(r)
	names := h.c.Names(r, p)
	body := &runPage{Notices: []*ui.Notice{runNotice(p, one)}, Said: one.Said, Details: h.runDetails(r, p, names, c, one)}
	if one.Outcome == Running && c.Going != nil && c.Going.ID == one.ID {
		body.Notices, body.Going, body.Watching = nil, h.progress(p, c, r.Now), runPath(c.Database, one.ID)+"?watch="+one.ID.String()
	}
	if r.URL.Query().Has("watch") {
		watched := &copyPage{}
		if err := h.watched(r, p, c, watched); err != nil {
			return err
		}
		body.Ended = watched.Ended
	}
	if one.Report != nil {
		body.report(p, one.Report)
	}
	if one.Outcome != Published && one.Outcome != Running {
		body.Next = next(p, c, one)
	}
	return h.write(w, http.StatusOK, "run", h.page(r, p.T("copies.run.title", "At", moment(p, one.BeganAt)), body, ui.Link{Label: c.Database, Href: pathOf(c.Database)}))
}

// runNotice says how a run ended, and what that means.
func runNotice(p *ui.Printer, one *Run) *ui.Notice {
	n := &ui.Notice{Tone: ui.Danger, Title: p.T("copies.outcome.title." + string(one.Outcome)), Text: p.T("copies.outcome." + string(one.Outcome))}
	switch one.Outcome {
	case Published:
		n.Tone = ui.Success
	case Running:
		n.Tone = ui.Info
	}
	if text, fix := known(p, one.Code); text != "" {
		n.Text = text + " " + fix
	}
	return n
}

func (h *pages) runDetails(r *web.Request, p *ui.Printer, names *console.Names, c *Copy, one *Run) []ui.Detail {
	list := []ui.Detail{{Term: p.T("copies.name"), Code: one.Name}, {Term: p.T("copies.began"), Time: one.BeganAt, Note: p.T("copies.by") + " " + h.began(r, p, names, one)}}
	if one.EndedAt != nil {
		list = append(list, ui.Detail{Term: p.T("copies.took"), Text: took(p, one)})
	}
	if one.SnapshotAt != nil {
		list = append(list, ui.Detail{Term: p.T("copies.data_of"), Time: *one.SnapshotAt})
	}
	if one.Report != nil && one.Report.SnapshotSeconds > 0 {
		list = append(list, ui.Detail{Term: p.T("copies.vacuum"), Text: p.Duration(seconds(one.Report.SnapshotSeconds)), Note: p.T("copies.vacuum.about")})
	}
	if rep := one.Report; rep != nil {
		if rep.Pauses > 0 {
			list = append(list, ui.Detail{Term: p.T("copies.paused"), Text: p.Duration(seconds(rep.PausedSeconds)), Note: p.T("copies.paused.times", "Count", rep.Pauses)})
		}
		if n := len(rep.Before); n > 0 {
			list = append(list, ui.Detail{Term: p.T("copies.again"), Text: p.T("copies.again.times", "Count", n), Note: p.T("copies.again.about")})
		}
		if n := len(rep.Resumed); n > 0 {
			list = append(list, ui.Detail{Term: p.T("copies.resumed"), Text: p.T("copies.again.times", "Count", n), Note: p.T("copies.resumed.about")})
		}
	}
	made := ui.Detail{Term: p.T("copies.plan.digest"), Digest: hexOf(one.Plan), Note: p.T("copies.plan.other")}
	if digest := planDigest(c.declared); bytes.Equal(one.Plan, digest[:]) {
		made.Note = p.T("copies.plan.same")
	}
	list = append(list, made)
	if one.Proof != "" {
		list = append(list, ui.Detail{Term: p.T("copies.proof.digest"), Digest: one.Proof, Note: p.T("copies.proof.digest.about")})
	}
	return list
}

// report shows what a run did and proved.
func (b *runPage) report(p *ui.Printer, r *run.Report) {
	for i, q := range r.Questions {
		if i == questionsShown {
			b.More = p.T("copies.questions.more", "Count", len(r.Questions)-i)
			break
		}
		one := question{Where: q.Table, Text: q.Text}
		if q.Column != "" {
			one.Where += "." + q.Column
		}
		if q.Path != "" {
			one.Where += " · " + q.Path
		}
		if q.Line > 0 {
			one.Line = p.T("copies.question.line", "Line", q.Line)
		}
		if id := "copies.ask." + string(q.Code); p.Has(id) {
			one.Asked = p.T(id)
			if slices.Contains([]plan.Code{plan.NewTable, plan.NewColumn, plan.NewPath, plan.GoneTable, plan.GoneColumn}, q.Code) {
				one.Text = "" // says the same
			}
		}
		if q.YAML != "" {
			one.YAML = ui.Code{Label: p.T("copies.question.yaml"), Text: strings.TrimRight(q.YAML, "\n")}
		}
		b.Questions = append(b.Questions, one)
	}
	b.Stages = stages(p, r.Stages)
	b.Parts = partsTable(p, r.Stages)
	b.Schema, b.LeftOut = shown(r.Schema.Problems), shown(r.LeftOut)
	if r.Leaks == nil {
		return // it ended before there was anything to prove
	}
	b.Proofs = proofTable(p, r)
	b.Hits, b.Blind, b.Persons = hitTable(p, r.Leaks), blindTable(p, r.Leaks), personTable(p, r.Persons)
	b.rows(p, r.Tables)
	if len(r.Linkable) > 0 {
		b.Links = &ui.Table{Caption: p.T("copies.links"), Columns: columns(p, "copies.links.where", "copies.links.by")}
		for i, l := range r.Linkable {
			if i == linksShown {
				b.LinksMore = p.T("copies.more", "Count", len(r.Linkable)-i)
				break
			}
			b.Links.Rows = append(b.Links.Rows, []ui.Cell{{Code: l.Where}, {Text: p.T("copies.link." + string(l.By))}})
		}
	}
}

func partsTable(p *ui.Printer, list []run.StageReport) *ui.Table {
	t := &ui.Table{Caption: p.T("copies.stages"), Columns: columns(p, "copies.stage", "copies.took#", "copies.rows#", "copies.bytes#", "copies.rate#"), Empty: &ui.Empty{Icon: "clock", Title: p.T("copies.stages.none"), Text: p.T("copies.stages.none.text")}}
	for _, s := range list {
		row := []ui.Cell{{Text: stageWord(p, s.Stage)}, {Text: p.Duration(seconds(s.Seconds))}, {Text: "–"}, {Text: "–"}, {Text: "–"}}
		if s.Rows > 0 {
			row[2].Text = p.Number(s.Rows)
		}
		if s.Bytes > 0 {
			row[3].Text = p.Bytes(s.Bytes)
			if s.Seconds >= 0.1 {
				row[4].Text = p.T("copies.per_second", "Bytes", p.Bytes(int64(float64(s.Bytes)/s.Seconds)))
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// proofTable says of each proof whether it stands, by which figures.
func proofTable(p *ui.Printer, r *run.Report) *ui.Table {
	t := &ui.Table{Caption: p.T("copies.proofs"), Columns: columns(p, "copies.proof", "copies.proof.state", "copies.proof.figures")}
	add := func(id string, fine bool, figures, note string) {
		state := ui.Pill{Class: ui.Met.Class(), Icon: ui.Met.Icon(), Label: p.T("copies.proof.holds")}
		if !fine {
			state = ui.Pill{Class: ui.NotMet.Class(), Icon: ui.NotMet.Icon(), Label: p.T("copies.proof.fails")}
		}
		t.Rows = append(t.Rows, []ui.Cell{{Strong: p.T("copies.proof." + id), Note: p.T("copies.proof." + id + ".about")}, {Pill: state}, {Text: figures, Note: note}})
	}
	rows, equal := int64(0), 0
	for _, one := range r.Tables {
		rows += one.There
		if one.Source == one.There && one.Copied == one.There {
			equal++
		}
	}
	add("rows", equal == len(r.Tables), p.T("copies.proof.rows.figures", "Rows", rows, "Count", len(r.Tables)), p.T("copies.proof.rows.note", "Equal", equal, "All", len(r.Tables)))
	hits := r.Leaks.More
	for _, hit := range r.Leaks.Hits {
		hits += hit.Count
	}
	add("leaks", hits == 0 && len(r.Leaks.NotScanned) == 0 && r.Leaks.Values > 0, p.T("copies.proof.leaks.figures", "Count", hits, "Values", r.Leaks.Values, "Bytes", p.Bytes(r.Leaks.Bytes)),
		p.T("copies.proof.leaks.note", "Entries", r.Set.Entries, "Memory", p.Bytes(int64(r.Set.Bytes))))
	add("canaries", r.Leaks.Recall.Complete(), p.T("copies.proof.canaries.figures", "Found", r.Leaks.Recall.Found, "Planted", r.Leaks.Recall.Planted), "")
	fine, least := true, int64(0)
	for i, m := range r.Persons {
		fine = fine && len(m.Problems) == 0
		if i == 0 || m.Classes.Smallest < least {
			least = m.Classes.Smallest
		}
	}
	if len(r.Persons) > 0 {
		add("persons", fine, p.T("copies.proof.persons.figures", "Count", len(r.Persons), "Least", least), "")
	} else {
		t.Rows = append(t.Rows, []ui.Cell{{Strong: p.T("copies.proof.persons"), Note: p.T("copies.proof.persons.about")}, {Pill: ui.Pill{Class: ui.Unproven.Class(), Icon: ui.Unproven.Icon(), Label: p.T("copies.proof.unasked")}}, {Text: p.T("copies.proof.persons.none")}})
	}
	note := ""
	if r.Schema.NotValid > 0 {
		note = p.T("copies.proof.schema.not_valid", "Count", r.Schema.NotValid)
	}
	add("schema", len(r.Schema.Problems) == 0, p.T("copies.proof.schema.figures", "Objects", r.Schema.Objects, "Keys", r.Schema.ForeignKeys, "Checks", r.Schema.Checks), note)
	return t
}

func hitTable(p *ui.Printer, r *leak.Report) *ui.Table {
	if len(r.Hits) == 0 {
		return nil
	}
	t := &ui.Table{Caption: p.T("copies.hits"), Columns: columns(p, "copies.hit.where", "copies.hit.kind", "copies.hit.count#", "copies.hit.encoding")}
	for _, hit := range r.Hits {
		where, encoding := ui.Cell{Code: hit.Table + "." + hit.Column}, ui.Cell{Text: p.T("copies.hit.plain")}
		if hit.Path != "" {
			where.Note = p.T("copies.hit.path", "Path", hit.Path)
		}
		if hit.Encoding != "" {
			encoding = ui.Cell{Code: hit.Encoding}
		}
		kind := ui.Cell{Text: kindWord(p, hit.Kind)}
		if hit.Own {
			kind.Note = p.T("copies.hit.own")
		}
		t.Rows = append(t.Rows, []ui.Cell{where, kind, {Text: p.Number(int64(hit.Count))}, encoding})
	}
	return t
}

// blindTable lists what the scan did not see.
func blindTable(p *ui.Printer, r *leak.Report) *ui.Table {
	t := &ui.Table{Caption: p.T("copies.blind"), Columns: columns(p, "copies.hit.where", "copies.hit.count#", "copies.blind.why")}
	for _, s := range r.NotScanned {
		t.Rows = append(t.Rows, []ui.Cell{{Code: s.Table + "." + s.Column}, {Text: p.Number(int64(s.Count))}, {Text: s.Reason}})
	}
	missing := map[leak.Lost]int64{}
	for _, l := range r.Recall.Missing {
		missing[l]++
	}
	for l, n := range missing {
		t.Rows = append(t.Rows, []ui.Cell{{Text: p.T("copies.blind.canary")}, {Text: p.Number(n)}, {Text: kindWord(p, l.Kind), Code: l.Encoding}})
	}
	if len(t.Rows) == 0 {
		return nil
	}
	return t
}

func personTable(p *ui.Printer, list []run.Measured) *ui.Table {
	if len(list) == 0 {
		return nil
	}
	t := &ui.Table{Caption: p.T("copies.persons"), Columns: columns(p, "copies.persons.table", "copies.persons.by", "copies.persons.k#", "copies.persons.l#", "copies.persons.small#", "copies.persons.attack#")}
	for _, m := range list {
		l := ui.Cell{Text: "–"}
		for _, d := range m.Classes.Diversity {
			if l.Text == "–" || d.Least < 0 {
				l.Text = p.T("copies.persons.of", "Got", d.Least, "Want", m.L)
			}
			l.Note = p.List([]string{d.Column})
		}
		row := []ui.Cell{
			{Code: m.Table, Note: p.T("copies.persons.rows", "Count", m.Classes.Rows, "Classes", m.Classes.Classes)}, {Text: p.List(m.Quasi)},
			{Text: p.T("copies.persons.of", "Got", m.Classes.Smallest, "Want", m.K)}, l, {Text: p.Percent(m.Classes.Small, m.Classes.Rows), Note: p.T("copies.persons.alone", "Count", m.Classes.Alone)},
			{Text: p.Percent(m.Attack.Worst.Right, m.Attack.Rows), Note: p.T("copies.persons.worst", "Columns", m.Attack.Worst.Columns)},
		}
		if m.Attack.Worst.Right == 0 {
			row[5].Note = ""
		}
		if len(m.Problems) > 0 {
			row[0].Pill = ui.Pill{Class: ui.NotMet.Class(), Icon: ui.NotMet.Icon(), Label: p.T("copies.proof.fails")}
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// rows lists the tables whose rows were counted, those that differ by themselves.
func (b *runPage) rows(p *ui.Printer, list []run.TableReport) {
	heads := columns(p, "copies.table", "copies.rows.source#", "copies.rows.copied#", "copies.rows.there#")
	all, unequal := &ui.Table{Caption: p.T("copies.tables"), Columns: heads}, &ui.Table{Caption: p.T("copies.unequal"), Columns: heads}
	for _, one := range list {
		row := []ui.Cell{{Code: one.Table}, {Text: p.Number(one.Source)}, {Text: p.Number(one.Copied)}, {Text: p.Number(one.There)}}
		if one.Source != one.There || one.Copied != one.There {
			unequal.Rows = append(unequal.Rows, row)
		}
		if len(all.Rows) < rowsShown {
			all.Rows = append(all.Rows, row)
		}
	}
	if len(unequal.Rows) > 0 {
		b.Unequal = unequal
	}
	if len(all.Rows) > 0 {
		b.Tables, b.TablesAre = all, p.T("copies.tables.count", "Count", len(list))
		if len(list) > rowsShown {
			b.TablesAre += " " + p.T("copies.tables.first", "Count", rowsShown)
		}
	}
}

// next are the commands that help after a run that was no good.
func next(p *ui.Printer, c *Copy, one *Run) (list []ui.Detail) {
	if one.Report != nil && len(one.Report.Questions) > 0 {
		list = append(list, ui.Detail{Term: p.T("copies.do.diff"), Text: "garant anonymise plan --database env:TEST_DATABASE_URL --no-samples --diff"})
	}
	if one.Outcome == Stopped {
		list = append(list, ui.Detail{Term: p.T("copies.do.apply"), Text: "garant estate apply"})
	}
	return list
}

func kindWord(p *ui.Printer, k personal.Kind) string {
	if id := "copies.kind." + string(k); p.Has(id) {
		return p.T(id)
	}
	return string(k)
}

// shown makes texts of others fit to be shown.
func shown(list []string) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		out = append(out, clean(s))
	}
	return out
}
