package console

import (
	"cmp"
	"context"
	"embed"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/document"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

//go:embed messages/owners.fr.yaml
var ownersFrench []byte

//go:embed messages/owners.en.yaml
var ownersEnglish []byte

//go:embed templates/owners/*.html
var ownerTemplates embed.FS

// OwnerMessages are the words of the pages on measures, their owners and their attestations, of the
// reminders and of the check of owners.
func OwnerMessages() map[string][]byte {
	return map[string][]byte{"fr": ownersFrench, "en": ownersEnglish}
}

// Persons is where names are looked up.
type Persons interface {
	Names(ctx context.Context, by actor.Actor, ids []uuid.UUID) (map[uuid.UUID]directory.Called, error)
	Roster(ctx context.Context, by actor.Actor) ([]directory.Named, error)
}

// OwnerDeps is what the pages on measures work with.
type OwnerDeps struct {
	Owners  *measure.Owners
	Persons Persons
	// SiteName is what a site is called in a language; nil or an empty answer: its id.
	SiteName func(ctx context.Context, lang, id string) string
}

// ownerPages are the handlers of the pages on measures.
type ownerPages struct {
	c *console.Chrome
	OwnerDeps
	list, one *template.Template
}

// OwnerPages makes the routes of the measures, of who answers for them and of what they say, and
// registers what waits for somebody's word as due.
func OwnerPages(c *console.Chrome, d OwnerDeps) ([]web.Route, error) {
	h := &ownerPages{c: c, OwnerDeps: d}
	var err error
	if h.list, err = ui.Parse("console", ownerTemplates, "templates/owners/measures.html"); err != nil {
		return nil, err
	}
	if h.one, err = ui.Parse("console", ownerTemplates, "templates/owners/measure.html"); err != nil {
		return nil, err
	}
	c.AddDue(console.DueSource{Count: h.countDue, List: h.due, Tells: h.tells})
	return []web.Route{
		{Pattern: "GET /measures", Permission: actor.ReadAnnex, Handler: h.measures},
		{Pattern: "GET /measures.csv", Permission: actor.ReadAnnex, Handler: h.csv},
		{Pattern: "POST /measures/team", Permission: actor.AssignMeasures, Handler: h.assignTeam},
		{Pattern: "GET /measures/{id}", Permission: actor.ReadAnnex, Handler: h.measure},
		{Pattern: "POST /measures/{id}/owner", Permission: actor.AssignMeasures, Handler: h.assign},
		{Pattern: "POST /measures/{id}/deputy", Permission: actor.OwnTasks, Handler: h.delegate},
		{Pattern: "POST /measures/{id}/attestations", Permission: actor.OwnTasks, Handler: h.attest, MaxBody: document.MaxForm},
		{Pattern: "GET /measures/{id}/attestations.csv", Permission: actor.ReadChecks, Handler: h.attestationsCSV},
		{Pattern: "GET /measures/{id}/attestations/{attestation}/{document}", Permission: actor.ReadAnnex, Handler: h.document},
	}, nil
}

func (h *ownerPages) staff() pg.Querier { return h.Owners.Runner.DB.Pool(pg.Staff) }

func measurePath(id string) string { return console.MeasuresPath + "/" + url.PathEscape(id) }

// names looks persons up for readers of these pages: who answers for a measure is known to all
// who may read it.
type names struct {
	h     *ownerPages
	p     *ui.Printer
	known map[string]string
	quiet bool // nobody reads them: ids will do
}

func (h *ownerPages) names(p *ui.Printer) *names {
	return &names{h: h, p: p, known: map[string]string{}}
}

func (n *names) of(ctx context.Context, id string) string {
	if id == "" {
		return ""
	}
	if n.quiet {
		return id
	}
	if name, ok := n.known[id]; ok {
		return name
	}
	n.learn(ctx, id)
	return n.known[id]
}

// learn looks up names that a list is going to show, all at once; with them those of everybody who
// answers for a measure, whom most lists are about.
func (n *names) learn(ctx context.Context, ids ...string) {
	if n.quiet {
		return
	}
	if assigned, err := n.h.Owners.Runner.Assignments(ctx, n.h.staff()); err == nil && len(n.known) == 0 {
		for _, a := range assigned {
			ids = append(ids, a.Responsible, a.Deputy)
		}
	}
	var ask []uuid.UUID
	for _, id := range ids {
		if _, ok := n.known[id]; ok || id == "" {
			continue
		}
		n.known[id] = n.p.T("console.person", "ID", console.ShortID(id))
		if parsed, err := uuid.Parse(id); err == nil {
			ask = append(ask, parsed)
		}
	}
	found, err := n.h.Persons.Names(ctx, lookup(), ask)
	if err != nil {
		return // ids are shown instead
	}
	for id := range n.known {
		parsed, err := uuid.Parse(id)
		called, ok := found[parsed]
		if err != nil || !ok || called.Unreadable {
			continue
		}
		n.known[id] = called.Name
		if called.Disabled {
			n.known[id] += " " + n.p.T("measures.left")
		}
	}
}

// lookup reads names for people who may not read the directory.
func lookup() actor.Actor { return actor.NewSystem("measures") }

// choose marks the choice of a field among people.
func choose(people []ui.Option, chosen string) []ui.Option {
	out := slices.Clone(people)
	for i := range out {
		out[i].Selected = out[i].Value == chosen
	}
	return out
}

// people are the choices of a field that names a person: nobody, then everybody who is there.
func (h *ownerPages) people(ctx context.Context, p *ui.Printer) ([]ui.Option, error) {
	options := []ui.Option{{Value: "", Label: p.T("measures.nobody"), Selected: true}}
	list, err := h.Persons.Roster(ctx, lookup())
	if err != nil {
		return nil, err
	}
	for _, person := range list {
		options = append(options, ui.Option{Value: person.ID.String(), Label: person.Name})
	}
	slices.SortStableFunc(options[1:], func(a, b ui.Option) int { return cmp.Compare(strings.ToLower(a.Label), strings.ToLower(b.Label)) })
	return options, nil
}

// siteName is what a site is called.
func (h *ownerPages) siteName(ctx context.Context, p *ui.Printer, id string) string {
	if h.SiteName != nil {
		if name := h.SiteName(ctx, p.Lang(), id); name != "" {
			return name
		}
	}
	return id
}

func (h *ownerPages) siteNames(ctx context.Context, p *ui.Printer, ids []string) []string {
	var out []string
	for _, id := range ids {
		if id != "" {
			out = append(out, h.siteName(ctx, p, id))
		}
	}
	return out
}

// filled is a text of the catalogue with its figures.
func filled(p *ui.Printer, text catalogue.Text, figures map[string]measure.Fact) string {
	var b strings.Builder
	for _, s := range text {
		fact, known := figures[s.Name]
		switch {
		case !s.Placeholder():
			b.WriteString(s.Text)
		case s.Chooses():
			b.WriteString(measure.Chosen(s, fact))
		case !known:
			b.WriteString("…")
		case s.One != "":
			b.WriteString(p.CountOf(fact.Count, s.One, s.Many))
		default:
			b.WriteString(fact.Words(p, p.Day))
		}
	}
	return b.String()
}

// own reports whether the reader may attest a measure today.
func own(r *web.Request, a measure.Assignment, view measure.View) bool {
	_, ok := a.May(r.Actor.ID, measure.Today(view, r.Now))
	return ok && r.Actor.Kind == actor.Person && r.Actor.May(actor.OwnTasks)
}

// hidden reports whether a measure is none of the reader's business yet: the company keeps its annex to itself, and
// the reader has only tasks of their own.
func hidden(r *web.Request, mine bool, view measure.View) bool {
	return view.Private && !mine && !r.Actor.May(actor.ReadChecks)
}

// stateNote says why a measure is in its state.
func stateNote(p *ui.Printer, s measure.Status) string { return reason(p, s.Reason) }

// lastDay is the last day on which something still counts that expires at a moment.
func lastDay(until time.Time) time.Time { return until.Add(-time.Second) }
