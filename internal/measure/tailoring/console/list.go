package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// What a measure waits for.
const (
	waitsAttestation = "attestation"
	waitsCheck       = "check"
	waitsTarget      = "target"
	waitsOwner       = "owner"
	waitsMending     = "mending"
)

func everyWait() []string {
	return []string{waitsMending, waitsTarget, waitsCheck, waitsAttestation, waitsOwner}
}

// line is a measure in the list.
type line struct {
	ID, Title, Href string
	Section         string
	State           ui.State
	Kind            ui.Kind
	Reason          string
	Owner           string // team, in words
	OwnerKey        string
	Waits           []string // keys
	Waiting         []string // in words
	Next            string
	Button          *ui.Button
	Own, Changed    bool
	Operator        string
	Cadence         string // as annex.yaml has it
}

// chapter is a section of the annex with its measures.
type chapter struct {
	ID, Title string
	Lines     []line
}

type filter struct {
	Href    string
	Label   string
	State   ui.State
	Count   int
	Current bool
}

type listPage struct {
	Banner   *ui.Notice
	Notices  []*ui.Notice
	Problems []problem // with the draft
	Counts   map[ui.State]int
	States   []filter
	Selects  []ui.Field
	State    string // of the filter, kept by the form
	Narrowed bool
	Chapters []chapter
	Empty    ui.Empty
	CSV      string
	Change   bool // the reader may
	Shown    int
	Total    int
}

// selection is what the address narrows the list to.
type selection struct{ state, kind, owner, waits string }

func selectionOf(r *web.Request, cat *catalogue.Catalogue) (selection, error) {
	q := r.URL.Query()
	s := selection{state: q.Get("state"), kind: q.Get("kind"), owner: q.Get("owner"), waits: q.Get("waits")}
	known := s.state == "" || slices.Contains(ui.States(), ui.State(s.state))
	known = known && (s.kind == "" || slices.Contains(ui.Kinds(), ui.Kind(s.kind)))
	known = known && (s.owner == "" || slices.Contains(cat.Teams(), s.owner))
	known = known && (s.waits == "" || slices.Contains(everyWait(), s.waits))
	if !known {
		return s, errs.New(errs.Invalid, "annexes.filter", "The list cannot be narrowed to that.").WithFix("Choose from the list.")
	}
	return s, nil
}

func (s selection) with(state string) string {
	q := url.Values{}
	for key, v := range map[string]string{"state": state, "kind": s.kind, "owner": s.owner, "waits": s.waits} {
		if v != "" {
			q.Set(key, v)
		}
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

func (s selection) takes(l line) bool {
	return (s.kind == "" || string(l.Kind) == s.kind) && (s.owner == "" || l.OwnerKey == s.owner) && (s.waits == "" || slices.Contains(l.Waits, s.waits))
}

// lines derives every measure of the draft.
func (h *pages) lines(r *web.Request, p *ui.Printer, a *annex) ([]line, error) {
	view, known, err := h.registry(r.Context(), a.cat)
	if err != nil {
		return nil, err
	}
	unowned := map[string]bool{}
	if h.Unowned != nil {
		if unowned, err = h.Unowned(r.Context()); err != nil {
			return nil, err
		}
	}
	changed := map[string]bool{}
	for _, d := range a.differences() {
		changed[d.Measure] = true
	}
	out := make([]line, 0, len(a.cat.Measures))
	for _, m := range a.cat.Measures {
		s := view.Registry.Derive(m.ID, view, known, r.Now)
		l := line{
			ID: m.ID, Title: a.cat.Words(p.Lang(), m.ID).Title, Href: measurePath(m.ID), Section: m.Section, State: ui.State(s.State), Kind: ui.Kind(m.Kind),
			Reason: reason(p, s.Reason), Owner: a.cat.TeamName(p.Lang(), m.Owner), OwnerKey: m.Owner, Own: a.cat.IsOwn(m.ID), Changed: changed[m.ID], Operator: m.Operator,
		}
		h.next(r, p, &l, m, s, unowned[m.ID])
		for _, w := range l.Waits {
			l.Waiting = append(l.Waiting, p.T("annexes.waits."+w))
		}
		out = append(out, l)
	}
	return out, nil
}

// registerPath is the page of the register in which checks of a measure found nothing to look at;
// empty where there is none.
func registerPath(s measure.Status) string {
	for _, c := range s.Checks {
		if register := measure.RegisterOf(c.Scope); register != "" && c.Reason == measure.ReasonNoScope {
			return "/registers/" + register
		}
	}
	return ""
}

// next says what a measure waits for, and gives the one link to the next step.
func (h *pages) next(r *web.Request, p *ui.Printer, l *line, m catalogue.Measure, s measure.Status, unowned bool) {
	button := func(id, href string) {
		l.Button = &ui.Button{Label: p.T("annexes.button." + id), Href: href, About: m.ID}
	}
	say := func(waits, id string) {
		if waits != "" {
			l.Waits = append(l.Waits, waits)
		}
		l.Next = p.T("annexes.next." + id)
	}
	check := func() string {
		for _, c := range s.Checks {
			if c.Reason == s.Reason && c.State == s.State {
				return console.ChecksPath + "/" + url.PathEscape(c.Check.ID)
			}
		}
		return console.ChecksPath
	}
	attest := l.Href
	if h.Attest != nil {
		attest = h.Attest(m.ID)
	}
	switch s.Reason {
	case measure.ReasonFail:
		say(waitsMending, "fail")
		button("mend", check()+"#mending")
		l.Button.Primary = true
	case measure.ReasonBlind, measure.ReasonExpired, measure.ReasonFuture:
		say(waitsCheck, "blind")
		button("check", check())
	case measure.ReasonNoEvidence:
		say(waitsCheck, "no_evidence")
		button("check", check())
	case measure.ReasonRefused:
		say(waitsMending, "refused")
		button("attest", attest)
	case measure.ReasonUnattested, measure.ReasonAttestationExpired, measure.ReasonTextChanged:
		say(waitsAttestation, "attest")
		button("attest", attest)
	case measure.ReasonNewScope:
		if s.Attested != nil && s.Attested.Reason == s.Reason {
			say(waitsAttestation, "attest")
			button("attest", attest)
			break
		}
		say(waitsCheck, "no_evidence")
		button("check", check())
	case measure.ReasonNoScope:
		switch {
		case m.Per == catalogue.PerSite && s.Attested != nil && s.Attested.Reason == s.Reason:
			say(waitsTarget, "no_site")
			sites := h.Sites
			if sites == "" {
				sites = console.EstatePath
			}
			button("site", sites)
		case registerPath(s) != "" && h.c.Has(registerPath(s)):
			l.Reason = reason(p, "reason.no_entry")
			say(waitsTarget, "no_entry")
			button("register", registerPath(s))
		default:
			say(waitsTarget, "no_scope")
			button("declare", console.EstatePath)
		}
	case measure.ReasonNoCheck:
		if l.Own {
			say(waitsCheck, "own_check")
			button("declare", console.EstatePath)
			break
		}
		say(waitsCheck, "no_check")
		if r.Actor.May(actor.ChangeAnnex) {
			button("choose", l.Href+"#kind")
		}
	}
	if unowned && s.State != measure.Excluded {
		l.Waits = append(l.Waits, waitsOwner)
		if s.State == measure.Met || s.Attested != nil && l.Waits[0] == waitsAttestation {
			l.Next = p.T("annexes.next.owner")
			assign := l.Href
			if h.Assign != nil {
				assign = h.Assign(m.ID)
			}
			button("owner", assign)
		}
	}
}

// reason is why a measure is in its state.
func reason(p *ui.Printer, id string) string {
	if p.Has(id) {
		return p.T(id)
	}
	return id
}

func (h *pages) list(w http.ResponseWriter, r *web.Request) error {
	p := h.c.Printer(r)
	a, err := h.read(r.Context())
	if err != nil {
		return err
	}
	body := &listPage{Counts: map[ui.State]int{}, Change: r.Actor.May(actor.ChangeAnnex), Banner: banner(p, a), Notices: h.warnings(p, a)}
	page := func() *ui.Page {
		page := h.c.Page(r, "annexes.title", Path, body)
		return page
	}
	if a.cat == nil {
		body.Problems = problemsOf(p, a.broken)
		return h.write(w, http.StatusOK, "list", page())
	}
	s, err := selectionOf(r, a.cat)
	if err != nil {
		return err
	}
	all, err := h.lines(r, p, a)
	if err != nil {
		return err
	}
	body.fill(p, a.cat, s, all)
	return h.write(w, http.StatusOK, "list", page())
}

// fill puts the measures on the page that its address asks for.
func (b *listPage) fill(p *ui.Printer, cat *catalogue.Catalogue, s selection, all []line) {
	b.Total, b.State, b.Narrowed = len(all), s.state, s != selection{}
	b.CSV = Path + ".csv" + s.with(s.state)
	b.Empty = ui.Empty{Icon: "filter", Title: p.T("annexes.list.empty"), Text: p.T("annexes.list.empty.text"), Action: &ui.Button{Label: p.T("annexes.list.all"), Href: Path}}
	counts, narrowed := map[ui.State]int{}, 0
	for _, l := range all {
		b.Counts[l.State]++
		if s.takes(l) {
			counts[l.State]++
			narrowed++
		}
	}
	b.States = []filter{{Href: Path + s.with(""), Label: p.T("annexes.list.every"), Count: narrowed, Current: s.state == ""}}
	for _, state := range ui.States() {
		if counts[state] > 0 || s.state == string(state) {
			b.States = append(b.States, filter{Href: Path + s.with(string(state)), Label: p.StateName(state), State: state, Count: counts[state], Current: s.state == string(state)})
		}
	}
	b.Selects = selects(p, cat, s)
	for _, section := range cat.Sections {
		c := chapter{ID: section.ID, Title: cat.SectionTitle(p.Lang(), section.ID)}
		for _, l := range all {
			if l.Section == section.ID && s.takes(l) && (s.state == "" || string(l.State) == s.state) {
				c.Lines = append(c.Lines, l)
			}
		}
		if len(c.Lines) > 0 {
			b.Chapters = append(b.Chapters, c)
			b.Shown += len(c.Lines)
		}
	}
}

func selects(p *ui.Printer, cat *catalogue.Catalogue, s selection) []ui.Field {
	field := func(name, now string) ui.Field {
		return ui.Field{Name: name, Type: "select", Label: p.T("annexes.list.by." + name), Options: []ui.Option{{Label: p.T("annexes.list.any"), Selected: now == ""}}}
	}
	kind, owner, waits := field("kind", s.kind), field("owner", s.owner), field("waits", s.waits)
	for _, k := range ui.Kinds() {
		kind.Options = append(kind.Options, ui.Option{Value: string(k), Label: p.KindName(k), Selected: s.kind == string(k)})
	}
	for _, t := range cat.Teams() {
		owner.Options = append(owner.Options, ui.Option{Value: t, Label: cat.TeamName(p.Lang(), t), Selected: s.owner == t})
	}
	for _, w := range everyWait() {
		waits.Options = append(waits.Options, ui.Option{Value: w, Label: p.T("annexes.waits." + w), Selected: s.waits == w})
	}
	return []ui.Field{kind, owner, waits}
}

// banner says whether the annex is public, and how far the draft is from it.
func banner(p *ui.Printer, a *annex) *ui.Notice {
	n := &ui.Notice{Tone: ui.Info, Link: &ui.Link{Label: p.T("annexes.banner.review"), Href: ReviewPath}}
	changes := places(a.differences())
	switch {
	case a.waiting() != nil:
		n.Title, n.Text = p.T("annexes.banner.waiting"), p.T("annexes.banner.waiting.text")
		n.Link.Label = p.T("annexes.banner.see")
		if a.published != nil {
			n.Text = p.T("annexes.banner.waiting.published", "Version", strconv.FormatInt(a.published.Number, 10))
		}
	case a.published == nil:
		n.Title, n.Text = p.T("annexes.banner.private"), p.T("annexes.banner.private.text")
		n.Tone = ui.Warning
	case a.was == nil || a.cat == nil:
		n.Title = p.T("annexes.banner.version", "Version", strconv.FormatInt(a.published.Number, 10), "Day", p.Day(a.published.At))
		n.Link = nil
	case changes == 0:
		n.Tone = ui.Success
		n.Title = p.T("annexes.banner.version", "Version", strconv.FormatInt(a.published.Number, 10), "Day", p.Day(a.published.At))
		n.Text = p.T("annexes.banner.same")
		n.Link = &ui.Link{Label: p.T("annexes.banner.versions"), Href: VersionsPath}
	default:
		n.Title = p.T("annexes.banner.version", "Version", strconv.FormatInt(a.published.Number, 10), "Day", p.Day(a.published.At))
		n.Text = p.T("annexes.banner.differs", "Count", changes)
	}
	return n
}

// warnings say what keeps the annex from being what it should.
func (h *pages) warnings(p *ui.Printer, a *annex) []*ui.Notice {
	var out []*ui.Notice
	if a.broken != nil {
		out = append(out, &ui.Notice{Tone: ui.Danger, Title: p.T("annexes.broken"), Text: p.T("annexes.broken.text"), Link: &ui.Link{Label: p.T("annexes.broken.link"), Href: TextPath}})
	}
	if a.outdated != nil && a.published != nil {
		out = append(out, &ui.Notice{Tone: ui.Danger, Title: p.T("annexes.outdated", "Version", strconv.FormatInt(a.published.Number, 10)), Text: p.T("annexes.outdated.text"),
			Link: &ui.Link{Label: p.T("annexes.outdated.link"), Href: VersionsPath + "/" + strconv.FormatInt(a.published.Number, 10)}})
	}
	return out
}

func (h *pages) listCSV(w http.ResponseWriter, r *web.Request) error {
	p := h.c.Printer(r)
	a, err := h.read(r.Context())
	if err != nil {
		return err
	}
	if a.cat == nil {
		return a.broken
	}
	s, err := selectionOf(r, a.cat)
	if err != nil {
		return err
	}
	all, err := h.lines(r, p, a)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, l := range all {
		if !s.takes(l) || s.state != "" && string(l.State) != s.state {
			continue
		}
		m, _ := a.cat.Measure(l.ID)
		rows = append(rows, []string{
			l.ID, l.Section, l.Title, string(l.Kind), string(l.State), l.Reason, l.Owner, l.Operator, cadence(m), strings.Join(l.Waits, " "), l.Next, strconv.FormatBool(l.Own), strconv.FormatBool(l.Changed),
		})
	}
	return console.CSV(w, "annex.csv", []string{"measure", "section", "title", "kind", "state", "reason", "owner", "operator", "cadence", "waits", "next", "own", "changed"}, console.Once(rows))
}

func (h *pages) draftYAML(w http.ResponseWriter, r *web.Request) error {
	d, err := h.Book.Draft(r.Context())
	if err != nil {
		return err
	}
	return sendYAML(w, d.Text)
}

// sendYAML sends a text of annex.yaml as a file.
func sendYAML(w http.ResponseWriter, text string) error {
	w.Header().Set("Content-Type", "application/yaml; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+catalogue.TailoringFile+`"`)
	_, err := w.Write([]byte(text))
	return err
}
