package console

import (
	"html/template"
	"net/http"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

// Deps is what the pages of this package work with.
type Deps struct {
	DB        *pg.DB // with the pool of pg.Staff
	Directory *directory.Directory
	// LinkURL is the whole address at which a one-time link is redeemed.
	LinkURL func(token string) string
	// Changed is told after something of the estate was confirmed, so that what is derived from
	// it is derived anew at once; may be nil.
	Changed func()
	// Box opens personal data before and after changes; nil: they stay sealed on the pages.
	Box *crypt.Box
}

// pages are the handlers of this package.
type pages struct {
	Deps
	c         *Chrome
	templates map[string]*template.Template
}

// Pages makes the routes of People, Estate, Record and Audit, lets c name persons, and registers what
// waits on these pages with it.
func Pages(c *Chrome, deps Deps) ([]web.Route, error) {
	if deps.DB == nil || deps.Directory == nil || deps.LinkURL == nil {
		return nil, errs.New(errs.Internal, "console.deps", "The console's pages lack a database, a directory or the address of links.")
	}
	h := &pages{Deps: deps, c: c, templates: map[string]*template.Template{}}
	for _, name := range []string{"people", "person", "link", "estate", "version", "record", "story", "entry", "samples", "sample", "sampleitem"} {
		t, err := ui.Parse("console", templates, "templates/"+name+".html")
		if err != nil {
			return nil, err
		}
		h.templates[name] = t
	}
	c.people = deps.Directory
	c.AddDue(DueSource{Count: h.countReductions, List: h.dueReductions})
	c.AddDue(DueSource{Count: h.countPeople, List: h.duePeople})
	c.AddDue(DueSource{Count: h.countSeats, List: h.dueSeats})
	c.AddDue(DueSource{Count: h.countSecond, List: h.dueSecond})
	h.addPopulations()
	return []web.Route{
		{Pattern: "GET " + PeoplePath, Permission: actor.ReadPersons, Handler: h.people},
		{Pattern: "POST " + PeoplePath, Permission: actor.ChangePersons, Handler: h.addPerson},
		{Pattern: "GET " + PeoplePath + ".csv", Permission: actor.ReadPersons, Handler: h.peopleCSV},
		{Pattern: "GET " + PeoplePath + "/{id}", Permission: actor.ReadPersons, Handler: h.person},
		{Pattern: "POST " + PeoplePath + "/{id}/role", Permission: actor.ChangePersons, Handler: h.changeRole},
		{Pattern: "POST " + PeoplePath + "/{id}/seat", Permission: actor.ChangePersons, Handler: h.setSeat},
		{Pattern: "POST " + PeoplePath + "/{id}/link", Permission: actor.ChangePersons, Handler: h.makeLink},
		{Pattern: "POST " + PeoplePath + "/{id}/disable", Permission: actor.ChangePersons, Handler: h.disable},
		{Pattern: "POST " + PeoplePath + "/{id}/enable", Permission: actor.ChangePersons, Handler: h.enable},
		{Pattern: "GET " + EstatePath, Permission: actor.ReadEstate, Handler: h.estate},
		{Pattern: "GET " + EstatePath + ".csv", Permission: actor.ReadEstate, Handler: h.estateCSV},
		{Pattern: "GET " + EstatePath + "/{version}", Permission: actor.ReadEstate, Handler: h.version},
		{Pattern: "POST " + EstatePath + "/{version}/confirm", Permission: actor.ChangeEstate, Handler: h.confirm},
		{Pattern: "GET " + RecordPath, Permission: actor.ReadAudit, Handler: h.record},
		{Pattern: "GET " + RecordPath + ".csv", Permission: actor.ReadAudit, Handler: h.recordCSV},
		{Pattern: "GET " + RecordPath + "/object", Permission: actor.ReadAudit, Handler: h.story},
		{Pattern: "POST " + RecordPath + "/object", Permission: actor.ReadAudit, Handler: h.openStory},
		{Pattern: "GET " + RecordPath + "/entry/{id}", Permission: actor.ReadAudit, Handler: h.entry},
		{Pattern: "GET " + AuditPath, Permission: actor.SampleRecords, Handler: h.samples},
		{Pattern: "POST " + AuditPath, Permission: actor.SampleRecords, Handler: h.drawSample},
		{Pattern: "GET " + AuditPath + ".csv", Permission: actor.SampleRecords, Handler: h.samplesCSV},
		{Pattern: "GET " + AuditPath + "/{id}", Permission: actor.SampleRecords, Handler: h.sample},
		{Pattern: "GET " + AuditPath + "/{id}/paper.csv", Permission: actor.SampleRecords, Handler: h.paperCSV},
		{Pattern: "GET " + AuditPath + "/{id}/paper.json", Permission: actor.SampleRecords, Handler: h.paperJSON},
		{Pattern: "GET " + AuditPath + "/{id}/population.txt", Permission: actor.SampleRecords, Handler: h.populationList},
		{Pattern: "GET " + AuditPath + "/{id}/items/{n}", Permission: actor.SampleRecords, Handler: h.sampleItem},
		{Pattern: "POST " + AuditPath + "/{id}/items/{n}", Permission: actor.SampleRecords, Handler: h.noteItem},
	}, nil
}

func (h *pages) write(w http.ResponseWriter, status int, name string, p *ui.Page) error {
	return h.c.Write(w, status, h.templates[name], p)
}

// form reads what a form sent.
func form(r *web.Request) error {
	if err := r.ParseForm(); err != nil {
		return errs.New(errs.Invalid, "console.form", "What was sent could not be read.").WithFix("Go back, reload the page and try again.").Wrap(err)
	}
	return nil
}
