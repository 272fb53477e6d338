package console

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/measure/tailoring"
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

// Messages are the words of these pages and of what can be wrong with a tailoring, by language.
func Messages() map[string][]byte { return map[string][]byte{"fr": french, "en": english} }

// Addresses of these pages.
const (
	Path           = console.AnnexPath
	ParametersPath = Path + "/parameters"
	CompanyPath    = Path + "/company"
	OwnPath        = Path + "/own"
	TextPath       = Path + "/text"
	ReviewPath     = Path + "/review"
	VersionsPath   = Path + "/versions"
)

// pageSize is how many versions are shown at a time.
const pageSize = 25

// maxBody is the largest form: a text of 1 MiB, each byte of which may take three.
const maxBody = 4 << 20

// Deps is what the pages work with.
type Deps struct {
	Book      *tailoring.Book
	Runner    *measure.Runner
	Directory *directory.Directory
	// Published is told after a version was published, so that it is in force at once; may be nil.
	Published func()
	// Attest is the page on which a measure is attested; nil: the page of the measure.
	Attest func(measure string) string
	// Unowned tells which measures need somebody to answer for them and have nobody; may be nil.
	Unowned func(ctx context.Context) (map[string]bool, error)
	// Assign is the page on which somebody is named who answers for a measure; nil: that of the measure.
	Assign func(measure string) string
	// Sites is the page on which the company's sites are declared; empty: the estate.
	Sites string
}

type pages struct {
	Deps
	c         *console.Chrome
	templates map[string]*template.Template
	made      made
	kept      kept
}

// Pages makes the routes of the annex, and registers with c what waits there.
func Pages(c *console.Chrome, deps Deps) ([]web.Route, error) {
	if deps.Book == nil || deps.Runner == nil || deps.Directory == nil {
		return nil, errs.New(errs.Internal, "annexes.deps", "The pages of the annex lack a book, a runner or a directory.")
	}
	h := &pages{Deps: deps, c: c, templates: map[string]*template.Template{}}
	for _, name := range []string{"list", "measure", "own", "parameters", "company", "text", "review", "versions", "version"} {
		t, err := ui.Parse("console", templates, "templates/shared.html", "templates/"+name+".html")
		if err != nil {
			return nil, err
		}
		h.templates[name] = t
	}
	c.AddDue(console.DueSource{Count: h.countDue, List: h.due})
	read := func(pattern string, handler web.Handler) web.Route {
		return web.Route{Pattern: "GET " + pattern, Permission: actor.ReadChecks, Handler: handler}
	}
	change := func(pattern string, handler web.Handler) web.Route {
		return web.Route{Pattern: "POST " + pattern, Permission: actor.ChangeAnnex, Handler: handler, MaxBody: maxBody}
	}
	review := func(pattern string, handler web.Handler) web.Route {
		return web.Route{Pattern: "POST " + pattern, Permission: actor.ReviewAnnex, Handler: handler}
	}
	return []web.Route{
		read(Path, h.list), read(Path+".csv", h.listCSV), read(Path+".yaml", h.draftYAML),
		read(Path+"/{id}", h.measure), change(Path+"/{id}", h.saveMeasure),
		change(Path+"/{id}/exclude", h.exclude), change(Path+"/{id}/include", h.include), change(Path+"/{id}/remove", h.removeOwn),
		read(OwnPath, h.own), change(OwnPath, h.addOwn),
		read(ParametersPath, h.parameters), change(ParametersPath, h.saveParameters),
		read(CompanyPath, h.company), change(CompanyPath, h.saveCompany),
		read(TextPath, h.text), change(TextPath, h.saveText),
		read(ReviewPath, h.review), change(ReviewPath, h.propose), change(ReviewPath+"/{proposal}/withdraw", h.withdraw),
		review(ReviewPath+"/{proposal}/publish", h.publish), review(ReviewPath+"/{proposal}/refuse", h.refuse),
		read(VersionsPath, h.versions), read(VersionsPath+".csv", h.versionsCSV),
		read(VersionsPath+"/{version}", h.version), read(VersionsPath+"/{version}/annex.yaml", h.versionYAML),
	}, nil
}

func (h *pages) write(w http.ResponseWriter, status int, name string, p *ui.Page) error {
	return h.c.Write(w, status, h.templates[name], p)
}

func (h *pages) staff() pg.Querier { return h.Runner.DB.Pool(pg.Staff) }

// page makes a page below the annex.
func (h *pages) page(r *web.Request, title, path string, body any) *ui.Page {
	page := h.c.Page(r, "annexes.title", Path, body)
	page.Crumbs = []ui.Link{{Label: page.Title, Href: Path}, {Label: title}}
	page.Title = title
	if r.Method == http.MethodPost {
		page.Path = path
	}
	return page
}

func measurePath(id string) string { return Path + "/" + url.PathEscape(id) }

// made keeps the catalogues of the last texts: many pages are made of one.
type made struct {
	mu   sync.Mutex
	list []madeOf
}

type madeOf struct {
	text string
	cat  *catalogue.Catalogue
	err  error
}

const keepMade = 6

// tailor returns the catalogue that a text makes.
func (h *pages) tailor(text string) (*catalogue.Catalogue, error) {
	h.made.mu.Lock()
	defer h.made.mu.Unlock()
	for i, m := range h.made.list {
		if m.text == text {
			h.made.list = append(slices.Delete(h.made.list, i, i+1), m)
			return m.cat, m.err
		}
	}
	cat, err := h.Book.Tailor(text)
	h.made.list = append(h.made.list, madeOf{text, cat, err})
	if len(h.made.list) > keepMade {
		h.made.list = slices.Delete(h.made.list, 0, 1)
	}
	return cat, err
}

// annex is what a request reads of the company's annex.
type annex struct {
	draft     tailoring.Draft
	cat       *catalogue.Catalogue // of the draft; nil: it cannot be read
	broken    error                // why
	published *tailoring.Version   // nil: none
	was       *catalogue.Catalogue // of the published version, or the catalogue as it comes; nil: it cannot be read
	outdated  error                // why
	last      *tailoring.Proposal  // nil: none was ever made

	compare sync.Once
	differs []tailoring.Difference
}

// kept is what was read last of the annex, and the registry that was made last of a draft: both are
// asked for on every page of the console.
type kept struct {
	mu       sync.Mutex
	mark     tailoring.Mark
	annex    *annex
	cat      *catalogue.Catalogue // of registry
	estate   *estate.Estate       // of registry
	registry *measure.Registry
}

// read returns the annex as it stands. It is shared and must not be changed.
func (h *pages) read(ctx context.Context) (*annex, error) {
	mark, err := tailoring.LastMark(ctx, h.staff())
	if err != nil {
		return nil, err
	}
	h.kept.mu.Lock()
	a, same := h.kept.annex, h.kept.mark == mark
	h.kept.mu.Unlock()
	if a != nil && same {
		return a, nil
	}
	if a, err = h.readAll(ctx); err != nil {
		return nil, err
	}
	h.kept.mu.Lock()
	defer h.kept.mu.Unlock()
	h.kept.annex, h.kept.mark = a, mark
	return a, nil
}

func (h *pages) readAll(ctx context.Context) (*annex, error) {
	a := &annex{}
	var err error
	if a.draft, err = h.Book.Draft(ctx); err != nil {
		return nil, err
	}
	if a.last, err = h.Book.Last(ctx); err != nil {
		return nil, err
	}
	switch v, err := h.Book.Published(ctx); {
	case err == nil:
		a.published = &v
		a.was, a.outdated = h.tailor(v.Text)
	case errs.Is(err, errs.NotFound):
		a.was, a.outdated = h.tailor("")
	default:
		return nil, err
	}
	a.cat, a.broken = h.tailor(a.draft.Text)
	return a, nil
}

// differences are those of the draft against what is published.
func (a *annex) differences() []tailoring.Difference {
	if a.cat == nil || a.was == nil {
		return nil
	}
	a.compare.Do(func() { a.differs = tailoring.Diff(a.was, a.cat) })
	return a.differs
}

// places counts the places in which two versions differ: words in two languages are one.
func places(changes []tailoring.Difference) int {
	seen := map[[3]string]bool{}
	for _, c := range changes {
		seen[[3]string{c.Measure, c.Field, c.Name}] = true
	}
	return len(seen)
}

// waiting is the proposal that nobody has decided on; nil: none.
func (a *annex) waiting() *tailoring.Proposal {
	if a.last == nil || a.last.Decision != nil {
		return nil
	}
	return a.last
}

// registry derives states on the draft, as if it were published.
func (h *pages) registry(ctx context.Context, cat *catalogue.Catalogue) (measure.View, measure.Known, error) {
	view, err := h.Runner.Effective(ctx)
	if err != nil {
		return view, measure.Known{}, err
	}
	if view.Registry, err = h.registryOf(cat, view.Estate); err != nil {
		return view, measure.Known{}, err
	}
	known, err := h.Runner.Known(ctx, h.staff())
	return view, known, err
}

func (h *pages) registryOf(cat *catalogue.Catalogue, e *estate.Estate) (*measure.Registry, error) {
	h.kept.mu.Lock()
	defer h.kept.mu.Unlock()
	if h.kept.registry != nil && h.kept.cat == cat && h.kept.estate == e {
		return h.kept.registry, nil
	}
	reg, err := h.Runner.Registry.For(cat, e)
	if err != nil {
		return nil, err
	}
	h.kept.registry, h.kept.cat, h.kept.estate = reg, cat, e
	return reg, nil
}

// form reads what a form sent.
func form(r *web.Request) error {
	if err := r.ParseForm(); err != nil {
		return errs.New(errs.Invalid, "console.form", "What was sent could not be read.").WithFix("Go back, reload the page and try again.").Wrap(err)
	}
	return nil
}

// sent is a field of a form as one paragraph, without spaces at its ends.
func sent(r *web.Request, name string) string {
	return strings.Join(strings.FieldsFunc(r.PostForm.Get(name), func(c rune) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }), " ")
}

// langs are the languages of the annex, French first as on every page.
func langs(cat *catalogue.Catalogue) []string {
	list := cat.Languages()
	slices.SortStableFunc(list, func(a, b string) int {
		switch {
		case a == b:
			return 0
		case a == "fr":
			return -1
		case b == "fr":
			return 1
		}
		return strings.Compare(a, b)
	})
	return list
}

// isConflict reports whether an error says that somebody else was faster.
func isConflict(err error) (*tailoring.Conflict, bool) {
	var c *tailoring.Conflict
	ok := errors.As(err, &c)
	return c, ok
}
