package tenancy

import (
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

//go:embed templates/*.html
var templates embed.FS

// Path is where guarded databases are in the console.
const Path = "/tenancy"

// pages are the handlers of this package.
type pages struct {
	c         *console.Chrome
	t         *Tenancy
	templates map[string]*template.Template
}

// Pages makes the routes of tenancy, puts it into the navigation of c, and registers with it what is
// due.
func Pages(c *console.Chrome, t *Tenancy) ([]web.Route, error) {
	h := &pages{c: c, t: t, templates: map[string]*template.Template{}}
	for _, name := range []string{"databases", "database", "ask", "job", "moves", "move"} {
		one, err := ui.Parse("console", templates, "templates/"+name+".html")
		if err != nil {
			return nil, err
		}
		h.templates[name] = one
	}
	c.AddItems(h.items)
	c.AddDue(console.DueSource{Count: h.countDue, List: h.due})
	const one, job = Path + "/{database}", Path + "/{database}/jobs/{id}"
	return []web.Route{
		{Pattern: "GET " + Path, Permission: actor.ReadTenancy, Handler: h.databases},
		{Pattern: "GET " + MovesPath, Permission: actor.ReadTenancy, Handler: h.moves},
		{Pattern: "GET " + MovesPath + "/{id}", Permission: actor.ReadTenancy, Handler: h.move},
		{Pattern: "GET " + one, Permission: actor.ReadTenancy, Handler: h.database},
		{Pattern: "POST " + one + "/rotate", Permission: actor.KeepKeys, Handler: h.rotate},
		{Pattern: "POST " + one + "/rekey", Permission: actor.KeepKeys, Handler: h.rekey},
		{Pattern: "POST " + one + "/revoke", Permission: actor.ChangeTenancy, Handler: h.revoke},
		{Pattern: "GET " + one + "/jobs/new", Permission: actor.ChangeTenancy, Handler: h.ask},
		{Pattern: "POST " + one + "/jobs", Permission: actor.ChangeTenancy, Handler: h.asked},
		{Pattern: "GET " + job, Permission: actor.ReadTenancy, Handler: h.job},
		{Pattern: "POST " + job + "/accept", Permission: actor.AcceptJobs, Handler: h.accept},
		{Pattern: "POST " + job + "/refuse", Permission: actor.AcceptJobs, Handler: h.refuse},
		{Pattern: "POST " + job + "/withdraw", Permission: actor.ChangeTenancy, Handler: h.withdraw},
	}, nil
}

func (h *pages) items(r *web.Request) []ui.NavItem {
	if !r.Actor.May(actor.ReadTenancy) {
		return nil
	}
	return []ui.NavItem{{Href: Path, Label: h.c.Printer(r).T("tenancy.title"), Icon: "key", Current: r.URL.Path == Path || strings.HasPrefix(r.URL.Path, Path+"/")}}
}

func pathOf(database string) string { return Path + "/" + url.PathEscape(database) }

func jobPath(j Job) string { return pathOf(j.Database) + "/jobs/" + j.ID.String() }

func (h *pages) write(w http.ResponseWriter, status int, name string, p *ui.Page) error {
	return h.c.Write(w, status, h.templates[name], p)
}

// page makes a page below the list; trail leads from the list to it.
func (h *pages) page(r *web.Request, title string, body any, trail ...ui.Link) *ui.Page {
	page := h.c.Page(r, "tenancy.title", Path, body)
	page.Crumbs = append([]ui.Link{{Label: page.Title, Href: Path}}, trail...)
	page.Crumbs = append(page.Crumbs, ui.Link{Label: title})
	page.Title = title
	return page
}

// form reads what a form sent.
func readForm(r *web.Request) error {
	if err := r.ParseForm(); err != nil {
		return errs.New(errs.Invalid, "console.form", "What was sent could not be read.").WithFix("Go back, reload the page and try again.").Wrap(err)
	}
	return nil
}

// find is the guarded database that an address names.
func (h *pages) find(r *web.Request) (Database, error) {
	list, err := h.t.Databases(r.Context(), r.Actor)
	if err != nil {
		return Database{}, err
	}
	i := slices.IndexFunc(list, func(d Database) bool { return d.Name == r.PathValue("database") })
	if i < 0 {
		return Database{}, errs.New(errs.NotFound, "tenancy.no_page", "There is no guarded database of that name.").WithFix("Choose one from the list.")
	}
	return list[i], nil
}

// state says of a database in a word whether tokens are minted for it.
func (d Database) state() ui.State {
	switch {
	case d.LookedAt == nil || d.Trouble == Unkeyed:
		return ui.Unproven
	case d.Trouble != "":
		return ui.NotMet
	case !slices.ContainsFunc(d.Keys, Key.mints):
		return ui.Unproven
	}
	return ui.Met
}

// databasesPage is the list of guarded databases.
type databasesPage struct {
	About string
	Table ui.Table
	Moves string // address
}

func (h *pages) databases(w http.ResponseWriter, r *web.Request) error {
	p := h.c.Printer(r)
	list, err := h.t.Databases(r.Context(), r.Actor)
	if err != nil {
		return err
	}
	body := &databasesPage{Moves: MovesPath, About: p.T("tenancy.lead"), Table: ui.Table{
		Caption: p.T("tenancy.databases"),
		Columns: []ui.Column{{Label: p.T("tenancy.database")}, {Label: p.T("tenancy.state")}, {Label: p.T("tenancy.design")}, {Label: p.T("tenancy.key")}, {Label: p.T("tenancy.looked")}},
		Empty:   &ui.Empty{Icon: "key", Title: p.T("tenancy.none"), Text: p.T("tenancy.none.text"), Action: &ui.Button{Label: p.T("tenancy.none.button"), Href: console.EstatePath}},
	}}
	for _, d := range list {
		key := ui.Cell{Text: p.T("tenancy.key.none")}
		if i := slices.IndexFunc(d.Keys, Key.mints); i >= 0 {
			key = ui.Cell{Code: strconv.Itoa(int(d.Keys[i].ID)), Time: *d.Keys[i].InstalledAt}
		}
		looked := ui.Cell{Text: p.T("tenancy.never")}
		if d.LookedAt != nil {
			looked = ui.Cell{Time: *d.LookedAt}
		}
		state := ui.Cell{State: d.state()}
		if d.Trouble != "" {
			state.Note = p.T(string(d.Trouble))
		}
		body.Table.Rows = append(body.Table.Rows, []ui.Cell{
			{Link: &ui.Link{Label: d.Name, Href: pathOf(d.Name)}}, state, {Text: p.T("tenancy.design." + d.Design)}, key, looked,
		})
	}
	return h.write(w, http.StatusOK, "databases", h.c.Page(r, "tenancy.title", Path, body))
}

func (h *pages) rotate(w http.ResponseWriter, r *web.Request) error {
	if err := readForm(r); err != nil {
		return err
	}
	err := h.t.Rotate(r.Context(), r.Actor, r.PathValue("database"), r.PostForm.Get("now") != "")
	return h.after(w, r, err, "tenancy_rotated")
}

func (h *pages) rekey(w http.ResponseWriter, r *web.Request) error {
	return h.after(w, r, h.t.Rekey(r.Context(), r.Actor, r.PathValue("database")), "tenancy_rekeyed")
}

func (h *pages) revoke(w http.ResponseWriter, r *web.Request) error {
	if err := readForm(r); err != nil {
		return err
	}
	session, err := uuid.Parse(r.PostForm.Get("session"))
	if err != nil {
		return h.after(w, r, errs.New(errs.Invalid, "tenancy.session_id", "This is not the id of a session.").WithFix("Copy it from the list of sessions of the database."), "")
	}
	out, err := h.t.Revoke(r.Context(), r.Actor, session, r.PathValue("database"), r.PostForm.Get("reason"))
	done := "tenancy_revoked"
	if len(out.Waiting) > 0 {
		done = "tenancy_revoked_later"
	}
	return h.after(w, r, err, done)
}

// after leads back to the page of the database, or shows it with what went wrong.
func (h *pages) after(w http.ResponseWriter, r *web.Request, err error, done string) error {
	if err == nil {
		return web.SeeOther(w, r, pathOf(r.PathValue("database"))+"?done="+done)
	}
	p := h.c.Printer(r)
	if errs.Is(err, errs.Unavailable) || errs.Is(err, errs.Invalid) || errs.Is(err, errs.Conflict) {
		text, fix := p.Error(err)
		return h.show(w, r, http.StatusUnprocessableEntity, strings.TrimSpace(text+" "+fix))
	}
	return err
}

func (h *pages) countDue(r *web.Request) (int, error) {
	list, err := h.waiting(r)
	return len(list), err
}

// waiting lists the jobs that the reader can decide on.
func (h *pages) waiting(r *web.Request) ([]Job, error) {
	if !r.Actor.May(actor.AcceptJobs) {
		return nil, nil
	}
	type key struct{}
	list, err := web.Once(r.Context(), key{}, func() ([]Job, error) { return jobsAsked(r.Context(), h.t.DB.Pool(pg.Staff)) })
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(list), func(j Job) bool { return j.AskedBy == identity(r.Actor) }), nil
}

func (h *pages) due(r *web.Request, p *ui.Printer) ([]console.Due, error) {
	list, err := h.waiting(r)
	var out []console.Due
	for _, j := range list {
		out = append(out, console.Due{
			What: p.T("tenancy.due", "Name", j.Name, "Database", j.Database), Href: jobPath(j), Why: j.Why, Next: p.T("tenancy.due.next"), Since: j.AskedAt, Urgency: console.Decide,
			Button: &ui.Button{Label: p.T("tenancy.due.button"), Href: jobPath(j), About: j.Name},
		})
	}
	return out, err
}

// who names somebody that a row keeps.
func who(names *console.Names, r *web.Request, kept string) string {
	kind, id, _ := strings.Cut(kept, ":")
	return names.Identity(r.Context(), estate.Identity{Kind: actor.Kind(kind), ID: id})
}

// dayBefore is the beginning of a day so many days ago, in a zone.
func dayBefore(now time.Time, zone *time.Location, days int) time.Time {
	if zone == nil {
		zone = time.UTC
	}
	y, m, d := now.In(zone).Date()
	return time.Date(y, m, d-days, 0, 0, 0, 0, zone)
}
