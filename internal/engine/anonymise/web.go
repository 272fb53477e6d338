package anonymise

import (
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/engine/anonymise/run"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

//go:embed templates/*.html
var templates embed.FS

// Path is where anonymised copies are in the console.
const Path = "/copies"

// pages are the handlers of this package.
type pages struct {
	c         *console.Chrome
	a         *Anonymise
	templates map[string]*template.Template
	plans     sync.Map // by database: the plan as it was read last
}

// Pages makes the routes of anonymised copies, puts them into the navigation of c, and registers with it what is due.
func Pages(c *console.Chrome, a *Anonymise) ([]web.Route, error) {
	h := &pages{c: c, a: a, templates: map[string]*template.Template{}}
	for _, name := range []string{"copies", "copy", "run", "plan", "developers", "credentials"} {
		one, err := ui.Parse("console", templates, "templates/"+name+".html", "templates/parts.html")
		if err != nil {
			return nil, err
		}
		h.templates[name] = one
	}
	c.AddItems(h.items)
	c.AddDue(console.DueSource{Count: h.countDue, List: h.due, Tells: h.tells})
	const one = Path + "/{database}"
	return []web.Route{
		{Pattern: "GET " + Path, Permission: actor.ReadCopies, Handler: h.copies},
		{Pattern: "GET " + one, Permission: actor.ReadCopies, Handler: h.copy},
		{Pattern: "GET " + one + "/runs/{id}", Permission: actor.ReadCopies, Handler: h.run},
		{Pattern: "GET " + one + "/plan", Permission: actor.ReadCopies, Handler: h.plan},
		{Pattern: "GET " + one + "/developers", Permission: actor.ReadCopies, Handler: h.developers},
		{Pattern: "POST " + one + "/developers/reveal", Permission: actor.UseCopies, Handler: h.reveal},
		{Pattern: "POST " + one + "/developers/rotate", Permission: actor.ChangeCopies, Handler: h.rotate},
	}, nil
}

func (h *pages) items(r *web.Request) []ui.NavItem {
	if !r.Actor.May(actor.ReadCopies) {
		return nil
	}
	return []ui.NavItem{{Href: Path, Label: h.c.Printer(r).T("copies.title"), Icon: "mask", Current: r.URL.Path == Path || strings.HasPrefix(r.URL.Path, Path+"/")}}
}

func pathOf(database string) string { return Path + "/" + url.PathEscape(database) }

func runPath(database string, id uuid.UUID) string { return pathOf(database) + "/runs/" + id.String() }

func (h *pages) write(w http.ResponseWriter, status int, name string, p *ui.Page) error {
	return h.c.Write(w, status, h.templates[name], p)
}

// page makes a page below the list; trail leads from the list to it.
func (h *pages) page(r *web.Request, title string, body any, trail ...ui.Link) *ui.Page {
	page := h.c.Page(r, "copies.title", Path, body)
	page.Crumbs = append([]ui.Link{{Label: page.Title, Href: Path}}, trail...)
	page.Crumbs = append(page.Crumbs, ui.Link{Label: title})
	page.Title = title
	return page
}

// tab is one of the pages of a database.
type tab struct {
	Label, Href string
	Here        bool
}

func tabs(p *ui.Printer, database, here string) (list []tab) {
	for _, one := range []string{"runs", "plan", "developers"} {
		href := pathOf(database)
		if one != "runs" {
			href += "/" + one
		}
		list = append(list, tab{p.T("copies.tab." + one), href, one == here})
	}
	return list
}

// pill is a standing or an outcome as icon, word and colour.
func pill(p *ui.Printer, s Standing) ui.Pill {
	look := map[Standing]ui.State{UpToDate: ui.Met, Standing(Published): ui.Met, TooOld: ui.Stale, Waits: ui.Stale, NoneYet: ui.Unproven, First: ui.Unproven, Standing(Running): ui.Unproven, Standing(Lost): ui.Unproven}[s]
	if look == "" {
		look = ui.NotMet
	}
	return ui.Pill{Class: look.Class(), Icon: look.Icon(), Label: p.T("copies.is." + string(s))}
}

// took is how long a run lasted; empty: it has not ended.
func took(p *ui.Printer, r *Run) string {
	if r.EndedAt == nil {
		return ""
	}
	return p.Duration(seconds(r.EndedAt.Sub(r.BeganAt).Seconds()))
}

// word says whether a copy may be called anonymised, and why not.
func word(p *ui.Printer, s *Summary) (is, why string) {
	switch {
	case s == nil || s.Anonymised == nil:
		return "–", ""
	case *s.Anonymised:
		return p.T("copies.anonymised"), p.T("copies.anonymised.why")
	case s.Links == 0:
		return p.T("copies.pseudonymised"), p.T("copies.pseudonymised.unmeasured")
	}
	return p.T("copies.pseudonymised"), p.T("copies.pseudonymised.why", "Count", s.Links)
}

// began says who had a run made.
func (h *pages) began(r *web.Request, p *ui.Printer, names *console.Names, x *Run) string {
	if x.Origin == run.OriginSchedule {
		return p.T("copies.by.schedule")
	}
	return p.T("copies.by.hand", "Name", who(names, r, x.Origin))
}

// card is one database on the list.
type card struct {
	Name, Path string
	Pill       ui.Pill
	About      string
	Details    []ui.Detail
	Line       *timeline
	Stopped    *ui.Link
	Connect    string
}

// copiesPage is the list of databases of which copies are made.
type copiesPage struct {
	Cards []card
	Empty ui.Empty
}

func (h *pages) copies(w http.ResponseWriter, r *web.Request) error {
	p := h.c.Printer(r)
	list, err := h.a.Copies(r.Context(), r.Actor)
	if err != nil {
		return err
	}
	body := &copiesPage{Empty: ui.Empty{Icon: "mask", Title: p.T("copies.none"), Text: p.T("copies.none.text")}}
	if r.Actor.May(actor.ReadEstate) {
		body.Empty.Action = &ui.Button{Label: p.T("copies.none.button"), Href: console.EstatePath}
	}
	for i := range list {
		c := &list[i]
		one := card{Name: c.Database, Path: pathOf(c.Database), Pill: pill(p, c.Standing(r.Now)), About: p.T("copies.about." + string(c.Standing(r.Now))), Details: h.facts(p, c, r.Now), Line: timelineOf(p, c, r.Now)}
		if c.Bad() {
			one.Stopped = &ui.Link{Label: p.T("copies.see_why"), Href: runPath(c.Database, c.Last.ID)}
		}
		if c.Served != nil {
			one.Connect = one.Path + "/developers"
		}
		body.Cards = append(body.Cards, one)
	}
	return h.write(w, http.StatusOK, "copies", h.c.Page(r, "copies.title", Path, body))
}

// facts are what is known of a copy at a glance.
func (h *pages) facts(p *ui.Printer, c *Copy, now time.Time) []ui.Detail {
	limit := p.T("copies.age.limit", "Most", c.declared.MaxAge)
	list := []ui.Detail{{Term: p.T("copies.name"), Code: c.declared.Name}}
	if age, known := c.Age(now); known {
		list = append(list, ui.Detail{Term: p.T("copies.age"), Text: p.Elapsed(now.Add(-age), now), Note: limit})
	} else {
		list = append(list, ui.Detail{Term: p.T("copies.age"), Text: "–", Note: limit})
	}
	is, why := word(p, c.Served)
	list = append(list, ui.Detail{Term: p.T("copies.word"), Text: is, Note: why})
	last := ui.Detail{Term: p.T("copies.last"), Text: p.T("copies.never")}
	if c.Last != nil {
		last = ui.Detail{Term: last.Term, Text: p.Ago(c.Last.BeganAt, now), Note: p.T("copies.last.took", "Outcome", p.T("copies.is."+string(c.Last.Outcome)), "Time", took(p, &c.Last.Run))}
	}
	return append(list, last, ui.Detail{Term: p.T("copies.next"), Text: h.next(p, c, now), Note: rhythm(p, c)})
}

// next says when a run is due.
func (h *pages) next(p *ui.Printer, c *Copy, now time.Time) string {
	switch {
	case c.Going != nil:
		return p.T("copies.next.now")
	case c.Next.IsZero():
		return p.T("copies.next.waits")
	case !c.Next.After(now.Add(tendEvery)): // it is asked so often
		return p.T("copies.next.soon")
	}
	return p.Until(c.Next, now)
}

func rhythm(p *ui.Printer, c *Copy) string {
	if c.declared.Every == 0 {
		return p.T("copies.back_to_back")
	}
	return p.T("copies.every", "Every", c.declared.Every)
}

func (h *pages) countDue(r *web.Request) (int, error) {
	list, err := h.stopped(r)
	return len(list), err
}

// stopped names the databases whose last run was no good.
func (h *pages) stopped(r *web.Request) ([]string, error) {
	if !r.Actor.May(actor.ReadCopies) || !r.Actor.May(actor.UseCopies) && !r.Actor.May(actor.ReadChecks) {
		return nil, nil
	}
	type key struct{}
	return web.Once(r.Context(), key{}, func() ([]string, error) { return h.a.Troubled(r.Context(), r.Actor) })
}

func (h *pages) due(r *web.Request, p *ui.Printer) (out []console.Due, err error) {
	list, err := h.stopped(r)
	if err != nil {
		return nil, err
	}
	for _, database := range list {
		c, err := h.a.CopyOf(r.Context(), r.Actor, database)
		if err != nil {
			return nil, err
		}
		if !c.Bad() || c.Last.Outcome == Lost {
			continue // a copy was published meanwhile
		}
		d := console.Due{
			State: ui.NotMet, What: p.T("copies.due", "Database", c.Database), Href: runPath(c.Database, c.Last.ID), Why: p.T("copies.due.why." + string(c.Last.Outcome)),
			Next: p.T("copies.due.next." + string(c.Last.Outcome)), Since: since(c), Whom: p.List([]string{p.Role(actor.Developer), p.Role(actor.Lead)}), Mine: r.Actor.May(actor.UseCopies), Urgency: console.NotMet,
			Button: &ui.Button{Label: p.T("copies.due.button"), Href: runPath(c.Database, c.Last.ID), About: c.Database},
		}
		if age, known := c.Age(r.Now); known {
			d.Lines = []console.DueLine{{Target: c.declared.Name, Text: p.T("copies.due.age", "Age", p.Elapsed(r.Now.Add(-age), r.Now), "Most", c.declared.MaxAge)}}
			d.Until = c.Served.SnapshotAt.Add(c.declared.MaxAge)
		}
		out = append(out, d)
	}
	return out, nil
}

// tells names the check of copies while its whole failure is told here: as long as every copy that is not as agreed is listed.
func (h *pages) tells(r *web.Request) ([]string, error) {
	list, err := h.stopped(r)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	all, err := h.a.Copies(r.Context(), r.Actor)
	if err != nil {
		return nil, err
	}
	for i := range all {
		judged := all[i].Bad() && (all[i].Last.Outcome == Stopped || all[i].Last.Outcome == Unproven)
		if !judged && all[i].Standing(r.Now) != UpToDate {
			return nil, nil
		}
	}
	return []string{"anonymise.copied"}, nil
}

// since is when the first of the runs that were no good one after another began.
func since(c *Copy) time.Time {
	at := c.Last.BeganAt
	for _, s := range c.Recent {
		switch s.Outcome {
		case Published:
			return at
		case Running:
		default:
			at = s.BeganAt
		}
	}
	return at
}

// known says what an error is in the reader's language; empty: there are no words for it.
func known(p *ui.Printer, code string) (text, fix string) {
	id := "copies.code." + strings.TrimPrefix(code, "anonymise.")
	if !p.Has(id) {
		return "", ""
	}
	return p.T(id), p.T(id + ".fix")
}

// find answers with the copies of the database that an address names.
func (h *pages) find(r *web.Request) (*Copy, error) {
	return h.a.CopyOf(r.Context(), r.Actor, r.PathValue("database"))
}

// readForm reads what a form sent.
func readForm(r *web.Request) error {
	if err := r.ParseForm(); err != nil {
		return errs.New(errs.Invalid, "console.form", "What was sent could not be read.").WithFix("Go back, reload the page and try again.").Wrap(err)
	}
	return nil
}
