package isolation

import (
	"context"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// Path is where the guarded databases are in the console.
const Path = console.IsolationPath

//go:embed templates/*.html
var templates embed.FS

// pages are the handlers of this package.
type pages struct {
	c         *console.Chrome
	r         *measure.Runner
	templates map[string]*template.Template
	said      map[string]sayings // what verify says, by language; English as it is
}

// Pages makes the routes of the guarded databases and of the map of each. They read evidence and the
// estate in force, change nothing, and are open to who may read checks.
func Pages(c *console.Chrome, r *measure.Runner) ([]web.Route, error) {
	french, err := readSayings("fr", read("said.fr.yaml"))
	if err != nil {
		return nil, err
	}
	h := &pages{c: c, r: r, templates: map[string]*template.Template{}, said: map[string]sayings{"fr": french}}
	for _, name := range []string{"list", "map"} {
		t, err := ui.Parse("console", templates, "templates/"+name+".html")
		if err != nil {
			return nil, err
		}
		h.templates[name] = t
	}
	return []web.Route{
		{Pattern: "GET " + Path, Permission: actor.ReadChecks, Handler: h.list},
		{Pattern: "GET " + Path + ".csv", Permission: actor.ReadChecks, Handler: h.listCSV},
		{Pattern: "GET " + Path + "/{database}", Permission: actor.ReadChecks, Handler: h.database},
		{Pattern: "GET " + Path + "/{database}/tables.csv", Permission: actor.ReadChecks, Handler: h.tablesCSV},
	}, nil
}

func databasePath(name string) string { return Path + "/" + url.PathEscape(name) }

// looks are the checks of this package as they stand, with the estate in force.
type looks struct {
	estate       *estate.Estate
	live, writes *measure.CheckStatus // nil: this build does not have them
	older        map[string][]measure.Evidence
}

// rows is how many earlier rows of evidence are looked through for what the last look did not see.
const rows = 5

func (h *pages) looks(ctx context.Context, r *web.Request) (looks, error) {
	var l looks
	view, err := h.r.Effective(ctx)
	if err != nil {
		return l, err
	}
	l.estate = view.Estate
	if l.estate == nil {
		return l, nil
	}
	all, err := h.r.Statuses(ctx)
	if err != nil {
		return l, err
	}
	l.older = map[string][]measure.Evidence{}
	for i := range all {
		s := &all[i]
		switch s.Check.ID {
		case "isolation.live":
			l.live = s
		case "isolation.writes":
			l.writes = s
		default:
			continue
		}
		if s.Current != nil && s.Current.Finding.Outcome == measure.Error {
			if l.older[s.Check.ID], err = measure.ListEvidence(ctx, h.r.DB.Pool(pg.Staff), s.Check.ID, "", rows); err != nil {
				return l, err
			}
		}
	}
	return l, nil
}

func (h *pages) paint(l looks, d *estate.Database) *picture {
	return paint(d, l.live, l.writes, l.older, h.r.Now())
}

// guarded are the databases with tenancy, by name.
func (l looks) guarded() []*estate.Database {
	var list []*estate.Database
	if l.estate == nil {
		return nil
	}
	for i := range l.estate.Databases {
		if l.estate.Databases[i].Tenancy != nil {
			list = append(list, &l.estate.Databases[i])
		}
	}
	slices.SortFunc(list, func(a, b *estate.Database) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// one paints the database that the address names.
func (h *pages) one(r *web.Request) (*picture, looks, error) {
	l, err := h.looks(r.Context(), r)
	if err != nil {
		return nil, l, err
	}
	for _, d := range l.guarded() {
		if d.Name == r.PathValue("database") {
			return h.paint(l, d), l, nil
		}
	}
	return nil, l, errs.New(errs.NotFound, "isolation.no_database", "No database of that name is under guard.").
		WithFix("Choose one from the list, or declare tenancy of the database in garant.yaml.")
}

type listPage struct {
	Table  ui.Table
	CSV    string
	Empty  *ui.Empty // no database is under guard
	Sample string
	Runs   []ui.Action
}

func (h *pages) list(w http.ResponseWriter, r *web.Request) error {
	l, err := h.looks(r.Context(), r)
	if err != nil {
		return err
	}
	p := h.c.Printer(r)
	body := &listPage{CSV: Path + ".csv"}
	guarded := l.guarded()
	if len(guarded) == 0 {
		body.Empty = &ui.Empty{Icon: "cells", Title: p.T("isolation.page.none"), Text: p.T("isolation.page.none.text")}
		body.Sample = sample
	} else {
		body.Table = ui.Table{
			Caption: p.T("isolation.page.caption"),
			Columns: []ui.Column{
				{Label: p.T("isolation.page.state")}, {Label: p.T("isolation.page.database")}, {Label: p.T("isolation.page.tables")},
				{Label: p.T("isolation.page.live")}, {Label: p.T("isolation.page.writes")}, {Label: p.T("isolation.page.around")},
			},
		}
		for _, d := range guarded {
			body.Table.Rows = append(body.Table.Rows, h.row(p, h.paint(l, d)))
		}
		body.Runs = h.runs(r, p, l)
	}
	return h.c.Write(w, http.StatusOK, h.templates["list"], h.c.Page(r, "isolation.page.title", Path, body))
}

// row is one guarded database in the list.
func (h *pages) row(p *ui.Printer, one *picture) []ui.Cell {
	d := one.Database
	tables := ui.Cell{Text: p.T("isolation.page.no_manifest"), Note: p.T("isolation.page.no_manifest.short")}
	around := ui.Cell{Text: "–"}
	switch {
	case one.Manifest != nil:
		tables = ui.Cell{Text: classes(p, one.Manifest)}
		if n := one.count(func(m mark) bool { return slices.Contains(severe(), m) }); n > 0 {
			tables.Note = p.T("isolation.page.in_trouble", "Count", n)
		}
		around = ui.Cell{Text: p.Number(int64(len(one.Manifest.Around)))}
	case one.Wrong != "":
		tables = ui.Cell{Text: p.T("isolation.manifest"), Note: one.Wrong}
	}
	return []ui.Cell{
		{State: ui.State(one.Live.State)},
		{Link: &ui.Link{Label: d.Name, Href: databasePath(d.Name)}, Note: d.Database},
		tables, lookCell(p, one.Live, false), lookCell(p, one.Writes, true), around,
	}
}

// lookCell tells when a check last saw a database, and of the trial of writes, what came of it.
func lookCell(p *ui.Printer, one proof, withState bool) ui.Cell {
	switch {
	case !one.Declared:
		return ui.Cell{Text: p.T("isolation.page.undeclared")}
	case one.At.IsZero():
		return ui.Cell{Text: p.T("isolation.page.never")}
	}
	cell := ui.Cell{Time: one.At}
	if withState {
		cell.State = ui.State(one.State)
	}
	if len(one.Blind) > 0 {
		cell.Note = p.T(one.Blind[0])
	}
	return cell
}

// severe are the marks of what was found.
func severe() []mark { return marks()[:4] }

// count counts the relations with such a mark.
func (p *picture) count(of func(mark) bool) int {
	n := 0
	for _, r := range p.Relations {
		if of(r.Mark) {
			n++
		}
	}
	return n
}

// classes counts the tables of a manifest by class, in words.
func classes(p *ui.Printer, m *manifest.Manifest) string {
	count := map[manifest.Class]int{}
	for _, t := range m.Tables {
		count[t.Class]++
	}
	var parts []string
	for _, c := range manifest.Classes() {
		if count[c] > 0 {
			parts = append(parts, p.T("isolation.page.count."+string(c), "Count", count[c]))
		}
	}
	return strings.Join(parts, " · ")
}

// runs are the buttons that run the checks now, for who may.
func (h *pages) runs(r *web.Request, p *ui.Printer, l looks) []ui.Action {
	var list []ui.Action
	for _, s := range []*measure.CheckStatus{l.writes, l.live} {
		if s == nil || len(s.Scope) == 0 || !r.Actor.May(actor.RunChecks) {
			continue
		}
		list = append(list, ui.Action{Post: console.ChecksPath + "/" + url.PathEscape(s.Check.ID) + "/run", Button: ui.Button{
			Label: p.T("isolation.page.run." + strings.TrimPrefix(s.Check.ID, "isolation.")), Icon: "play", Primary: s == l.live,
		}})
	}
	return list
}

func (h *pages) listCSV(w http.ResponseWriter, r *web.Request) error {
	l, err := h.looks(r.Context(), r)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, d := range l.guarded() {
		one := h.paint(l, d)
		row := []string{d.Name, d.Database, d.Tenancy.Design, string(one.Live.State), stamp(one.Live), one.Live.Evidence, string(one.Writes.State), stamp(one.Writes), one.Writes.Evidence, "", "", "", "", ""}
		if one.Manifest != nil {
			for i, c := range manifest.Classes() {
				n := 0
				for _, t := range one.Manifest.Tables {
					if t.Class == c {
						n++
					}
				}
				row[9+i] = strconv.Itoa(n)
			}
			row[12] = strconv.Itoa(one.count(func(m mark) bool { return slices.Contains(severe(), m) }))
			row[13] = strconv.Itoa(len(one.Manifest.Around))
		}
		rows = append(rows, row)
	}
	return console.CSV(w, "isolation.csv", []string{"name", "database", "design", "live", "live_at", "live_evidence", "writes", "writes_at", "writes_evidence", "tenant", "shared", "private", "in_trouble", "around"}, console.Once(rows))
}

func stamp(p proof) string {
	if p.At.IsZero() {
		return ""
	}
	return console.Stamp(p.At)
}

func (h *pages) tablesCSV(w http.ResponseWriter, r *web.Request) error {
	one, _, err := h.one(r)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, t := range one.Relations {
		var checks []string
		for _, f := range t.Findings {
			checks = append(checks, f.Check.ID)
		}
		slices.Sort(checks)
		rows = append(rows, []string{t.Schema, t.Table.Name, t.Kind, string(t.Class), t.Column, string(t.Mark), strings.Join(slices.Compact(checks), " "), strings.Join(t.Grants, " "), t.Reason, strings.Join(t.Doubts, "; ")})
	}
	return console.CSV(w, "tables.csv", []string{"schema", "relation", "kind", "class", "column", "state", "checks", "grants", "reason", "doubts"}, console.Once(rows))
}

// sample is what garant.yaml says of a guarded database.
const sample = `databases:
  - name: production
    url: env:GARANT_READER_URL
    database: shop
    system: "7412345678901234567" # SELECT system_identifier FROM pg_control_system()
    environment: production
    customer_data: true
    tenancy:
      keeper: env:GARANT_KEEPER_URL
      design: pinned
      key: {type: uuid}
      manifest: file:isolation.yaml
      application: env:GARANT_APP_URL
      copy: env:GARANT_COPY_URL
`
