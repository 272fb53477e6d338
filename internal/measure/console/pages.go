package console

import (
	"embed"
	"html/template"
	"net/http"
	"net/url"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

//go:embed messages/fr.yaml
var french []byte

//go:embed messages/en.yaml
var english []byte

//go:embed templates/*.html
var templates embed.FS

// Messages are the words of these pages, of the reasons of states and of the problems that the
// runner itself reports, by language, for ui.NewMessages.
func Messages() map[string][]byte { return map[string][]byte{"fr": french, "en": english} }

// pageSize is how many rows a list shows at a time.
const pageSize = 25

// pages are the handlers of this package.
type pages struct {
	c         *console.Chrome
	r         *measure.Runner
	templates map[string]*template.Template
	curve     curve
}

// Pages makes the routes of the desk, the checks, the evidence and the runs, and registers the
// checks that are not met with c as due, what checks leave behind as populations.
func Pages(c *console.Chrome, r *measure.Runner) ([]web.Route, error) {
	h := &pages{c: c, r: r, templates: map[string]*template.Template{}}
	for _, name := range []string{"desk", "checks", "check", "evidence", "run"} {
		t, err := ui.Parse("console", templates, "templates/"+name+".html")
		if err != nil {
			return nil, err
		}
		h.templates[name] = t
	}
	c.AddDue(console.DueSource{Count: h.countDue, List: h.due})
	h.addPopulations()
	return []web.Route{
		{Pattern: "GET /{$}", Permission: actor.ReadAnnex, Handler: h.desk}, // everybody has a desk; each source heeds what its reader may see
		{Pattern: "GET /desk.csv", Permission: actor.ReadAnnex, Handler: h.deskCSV},
		{Pattern: "GET /checks", Permission: actor.ReadChecks, Handler: h.checks},
		{Pattern: "GET /checks.csv", Permission: actor.ReadChecks, Handler: h.checksCSV},
		{Pattern: "GET /checks/{id}", Permission: actor.ReadChecks, Handler: h.check},
		{Pattern: "GET /checks/{id}/evidence.csv", Permission: actor.ReadChecks, Handler: h.evidenceCSV},
		{Pattern: "POST /checks/{id}/run", Permission: actor.RunChecks, Handler: h.runNow},
		{Pattern: "GET /evidence/{id}", Permission: actor.ReadChecks, Handler: h.evidence},
		{Pattern: "GET /runs/{id}", Permission: actor.ReadChecks, Handler: h.run},
	}, nil
}

func (h *pages) write(w http.ResponseWriter, name string, p *ui.Page) error {
	return h.c.Write(w, http.StatusOK, h.templates[name], p)
}

func (h *pages) staff() pg.Querier { return h.r.DB.Pool(pg.Staff) }

func checkPath(id string) string { return console.ChecksPath + "/" + url.PathEscape(id) }

// title is what a check is called.
func title(p *ui.Printer, check string) string {
	if id := "check." + check; p.Has(id) {
		return p.T(id)
	}
	return check
}

// name is what a check is called; the estate names those that it declares itself.
func name(p *ui.Printer, c measure.Check) string {
	if words := c.Title[p.Lang()]; words != "" {
		return words
	}
	return title(p, c.ID)
}

// about says what a check looks at.
func about(p *ui.Printer, check string) string {
	if id := "check." + check + ".about"; p.Has(id) {
		return p.T(id)
	}
	return ""
}

// problem is what is wrong, in words, and the next step.
func problem(p *ui.Printer, id string) (text, fix string) {
	if !p.Has(id) {
		return id, ""
	}
	if p.Has(id + ".fix") {
		fix = p.T(id + ".fix")
	}
	return p.T(id), fix
}

// reason is why a check is in its state.
func reason(p *ui.Printer, id string) string {
	if p.Has(id) {
		return p.T(id)
	}
	return id
}

// scope says how many of the declared targets the last finding examined.
func scope(p *ui.Printer, s measure.CheckStatus) string {
	if len(s.Scope) == 0 {
		return p.T("console.none")
	}
	return p.T("console.check.scope.of", "Examined", examined(s), "Declared", len(s.Scope))
}

// examined counts the declared targets that the last finding examined.
func examined(s measure.CheckStatus) int {
	if s.Current == nil {
		return 0
	}
	n := 0
	for _, target := range s.Scope {
		for _, seen := range s.Current.Finding.Scope {
			if seen == target {
				n++
				break
			}
		}
	}
	return n
}

// runAction is the button that runs a check now, for who may.
// A check whose results are sent in has none.
func runAction(r *web.Request, p *ui.Printer, c measure.Check) *ui.Action {
	if c.Pushed || !r.Actor.May(actor.RunChecks) {
		return nil
	}
	return &ui.Action{Post: checkPath(c.ID) + "/run", Button: ui.Button{Label: p.T("console.check.run"), Icon: "play", About: name(p, c)}}
}
