package console

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/sample"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

// comparedAtOnce is the size up to which a population is compared with what it was each time that
// the page of a sample is shown; larger ones when somebody asks.
const comparedAtOnce = 2_000

type samplePage struct {
	Path    string
	Seal    *ui.Notice
	Since   *ui.Notice
	Compare string // address that compares the population; empty: it was, or cannot be
	Details []ui.Detail
	Items   ui.Table
	Pager   ui.Pager
	Frame   string // command for the digest of the population
	Command string // command that draws again
	How     string
	Past    *Past
}

// openSample finds the sample of the address, with its population; nil when this build has none.
// Who sees names in it leaves an entry in the record.
func (h *pages) openSample(r *web.Request, doing string) (sample.Sample, *Population, error) {
	s, err := sample.Load(r.Context(), h.DB.Pool(pg.Staff), r.PathValue("id"))
	if err != nil {
		return s, nil, err
	}
	population := h.c.population(s.Population)
	if doing == "sample.read" && (population == nil || !population.Personal || !r.Actor.May(actor.ReadPersons)) {
		return s, population, nil
	}
	err = pg.InTx(r.Context(), h.DB.Pool(pg.Staff), func(tx pgx.Tx) error {
		return audit.Record(r.Context(), tx, r.Actor, doing, audit.Object{Kind: "sample", ID: s.ID}, map[string]any{"population": s.Population})
	})
	return s, population, err
}

// records reads items as they are now.
func (h *pages) records(r *web.Request, p *ui.Printer, population *Population, items []sample.Item) (map[string]Record, error) {
	out := map[string]Record{}
	if population == nil || len(items) == 0 {
		return out, nil
	}
	ids := make([]string, 0, len(items))
	for _, i := range items {
		ids = append(ids, i.ID)
	}
	list, err := population.Records(r, p, h.DB.Pool(pg.Staff), ids)
	for _, one := range list {
		out[one.ID] = one
	}
	return out, err
}

// since says what became of the population since the sample was drawn.
func (h *pages) since(r *web.Request, p *ui.Printer, s sample.Sample, population *Population) (*ui.Notice, error) {
	since, err := sample.Compare(r.Context(), func(ctx context.Context, after string, limit int) ([]string, error) {
		return population.List(ctx, h.DB.Pool(pg.Staff), spanOf(s.Order), after, limit)
	}, s.Frame)
	switch {
	case err != nil:
		return nil, err
	case !since.Same:
		return &ui.Notice{Tone: ui.Danger, Title: p.T("console.sample.since.other"), Text: p.T("console.sample.since.other.text", "Then", s.Frame.Size, "Now", since.Now)}, nil
	case since.Grown > 0:
		return &ui.Notice{Tone: ui.Warning, Title: p.T("console.sample.since.grown", "Count", since.Grown), Text: p.T("console.sample.since.grown.text")}, nil
	}
	return &ui.Notice{Tone: ui.Success, Title: p.T("console.sample.since.same"), Text: p.T("console.sample.since.same.text", "Count", since.Now)}, nil
}

func (h *pages) sample(w http.ResponseWriter, r *web.Request) error {
	after, err := position(r.URL.Query().Get("after"))
	if err != nil {
		return err
	}
	s, population, err := h.openSample(r, "sample.read")
	if err != nil {
		return err
	}
	notes, err := h.lastNotes(r, s.ID)
	if err != nil {
		return err
	}
	p := h.c.Printer(r)
	body := &samplePage{Path: samplePath(s.ID), Seal: seal(p, &s), Details: h.sampleDetails(r, p, s), Frame: sample.FrameCommand(), Command: s.Command(),
		How: p.T("console.sample.how."+string(s.Method), "Size", s.Size, "Count", sample.Step(s.Frame.Size, s.Size), "First", sample.Start(s.Seed, s.Frame.Size, s.Size)+1)}
	switch {
	case population == nil:
		body.Since = &ui.Notice{Tone: ui.Warning, Title: p.T("console.sample.unknown"), Text: p.T("console.sample.unknown.text")}
	case s.Frame.Size > comparedAtOnce && !r.URL.Query().Has("compare"):
		body.Compare = body.Path + "?compare=1"
	default:
		if body.Since, err = h.since(r, p, s, population); err != nil {
			return err
		}
	}
	shown := s.Items[min(after, len(s.Items)):]
	if after > 0 {
		body.Pager.Newer = body.Path
	}
	if len(shown) > pageSize {
		shown = shown[:pageSize]
		body.Pager.Older = body.Path + "?after=" + strconv.Itoa(shown[pageSize-1].Position)
	}
	records, err := h.records(r, p, population, shown)
	if err != nil {
		return err
	}
	body.Items = itemsTable(p, s, population, shown, records, notes)
	if body.Past, err = h.c.History(r, h.DB.Pool(pg.Staff), p, audit.Object{Kind: "sample", ID: s.ID}); err != nil {
		return err
	}
	page := h.c.Page(r, "console.sample.title", AuditPath, body)
	page.Crumbs = []ui.Link{{Label: page.Title, Href: AuditPath}, {Label: p.T("console.sample.one", "At", p.Instant(s.DrawnAt))}}
	page.Title = h.c.populationTitle(p, s.Order)
	return h.write(w, http.StatusOK, "sample", page)
}

// position reads the place of an item in a sample; 0 for nothing.
func position(s string) (int, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > sample.MaxSize {
		return 0, ErrBefore()
	}
	return n, nil
}

func seal(p *ui.Printer, s *sample.Sample) *ui.Notice {
	if s.Intact() {
		return nil
	}
	return &ui.Notice{Tone: ui.Danger, Title: p.T("console.sample.broken"), Text: p.T("console.sample.broken.text")}
}

func (h *pages) sampleDetails(r *web.Request, p *ui.Printer, s sample.Sample) []ui.Detail {
	details := []ui.Detail{
		{Term: p.T("console.sample.population"), Text: h.c.populationTitle(p, s.Order), Note: p.T("console.sample.records", "Count", s.Frame.Size)},
		{Term: p.T("console.sample.period"), Text: p.T("console.sample.instants", "From", p.Day(s.From), "FromClock", p.Clock(s.From), "Until", p.Day(s.Until), "UntilClock", p.Clock(s.Until))},
		{Term: p.T("console.sample.method"), Text: p.T("console.sample.method." + string(s.Method)), Note: p.T("console.sample.of", "Drawn", len(s.Items), "Size", s.Frame.Size)},
		{Term: p.T("console.sample.seed"), Code: s.Seed},
		{Term: p.T("console.sample.frame"), Digest: s.Frame.Digest},
		{Term: p.T("console.sample.drawn"), Time: s.DrawnAt, Note: h.c.Names(r, p).kept(r, s.DrawnBy)},
		{Term: p.T("console.sample.digest"), Digest: s.Digest},
	}
	if s.Purpose != "" {
		details = append(details, ui.Detail{Term: p.T("console.sample.purpose"), Text: s.Purpose})
	}
	return details
}

// lastNotes reads the note that counts of each item.
func (h *pages) lastNotes(r *web.Request, id string) (map[int]sample.Note, error) {
	notes, err := sample.Notes(r.Context(), h.DB.Pool(pg.Staff), id)
	last := map[int]sample.Note{}
	for _, n := range notes {
		last[n.Position] = n
	}
	return last, err
}

// The verdicts on the digest of an item.
const (
	same    = "same"
	changed = "changed"
	broken  = "broken" // it does not have the digest that it was written with
	gone    = "gone"
	unread  = "unread" // this build does not know the population
)

func verdict(population *Population, i sample.Item, now Record) string {
	switch {
	case population == nil:
		return unread
	case now.ID == "":
		return gone
	case now.Broken:
		return broken
	case now.Digest != i.Digest:
		return changed
	}
	return same
}

// verdictTitle is a verdict at the head of a page.
func verdictTitle(p *ui.Printer, v string) string {
	if id := "console.sample.digest." + v + ".title"; p.Has(id) {
		return p.T(id)
	}
	return p.T("console.sample.digest." + v)
}

func itemsTable(p *ui.Printer, s sample.Sample, population *Population, items []sample.Item, records map[string]Record, notes map[int]sample.Note) ui.Table {
	t := ui.Table{
		Caption: p.T("console.sample.items"),
		Columns: []ui.Column{{Label: p.T("console.sample.number"), Numeric: true}, {Label: p.T("console.sample.record")}, {Label: p.T("console.record.when")},
			{Label: p.T("console.sample.digest.now")}, {Label: p.T("console.sample.result")}},
		Empty: &ui.Empty{Icon: "search", Title: p.T("console.sample.no_item"), Text: p.T("console.sample.no_item.text"), Action: &ui.Button{Label: p.T("console.sample.first"), Href: samplePath(s.ID)}},
	}
	for _, i := range items {
		now := records[i.ID]
		title, v := recordTitle(p, i, now), verdict(population, i, now)
		what := ui.Cell{State: now.State, Link: &ui.Link{Label: title, Href: itemPath(s.ID, i.Position)}, Note: now.Note}
		when, digest, result := ui.Cell{Text: "–"}, ui.Cell{Text: p.T("console.sample.digest." + v)}, ui.Cell{Text: p.T("console.sample.open")}
		if !now.At.IsZero() {
			when.Text = p.Instant(now.At)
		}
		if v != same {
			digest = ui.Cell{Strong: digest.Text}
		}
		if n, ok := notes[i.Position]; ok {
			result = ui.Cell{Chip: p.T("console.sample.result." + string(n.Result)), Note: n.Text}
		}
		t.Rows = append(t.Rows, []ui.Cell{{Text: strconv.Itoa(i.Position)}, what, when, digest, result})
	}
	return t
}

func itemPath(id string, position int) string {
	return samplePath(id) + "/items/" + strconv.Itoa(position)
}

// recordTitle is what an item is called; its id when the record is gone.
func recordTitle(p *ui.Printer, i sample.Item, now Record) string {
	if now.Title != "" {
		return now.Title
	}
	return p.T("console.sample.lost", "ID", ShortID(i.ID))
}

type itemPage struct {
	Path    string
	Verdict *ui.Notice
	Details []ui.Detail
	Record  *ui.Button
	Form    []ui.Field
	Notes   ui.Table
	Before  string
	After   string
}

// item finds the item of the address.
func item(r *web.Request, s sample.Sample) (sample.Item, error) {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 1 || n > len(s.Items) {
		return sample.Item{}, errs.New(errs.NotFound, "sample.none", "There is no such sample.").WithFix("Look in the list of samples.")
	}
	return s.Items[n-1], nil
}

func (h *pages) sampleItem(w http.ResponseWriter, r *web.Request) error {
	return h.showItem(w, r, http.StatusOK, sample.Note{}, "", "")
}

// showItem shows an item, with the note that somebody is writing and the field that is wrong.
func (h *pages) showItem(w http.ResponseWriter, r *web.Request, status int, draft sample.Note, field, wrong string) error {
	s, population, err := h.openSample(r, "sample.read")
	if err != nil {
		return err
	}
	i, err := item(r, s)
	if err != nil {
		return err
	}
	p := h.c.Printer(r)
	records, err := h.records(r, p, population, []sample.Item{i})
	if err != nil {
		return err
	}
	now := records[i.ID]
	v := verdict(population, i, now)
	body := &itemPage{Path: itemPath(s.ID, i.Position), Form: noteFields(p, draft, field, wrong),
		Verdict: &ui.Notice{Tone: ui.Success, Title: verdictTitle(p, v), Text: p.T("console.sample.digest." + v + ".text")}}
	if v != same {
		body.Verdict.Tone = ui.Danger
	}
	body.Details = append([]ui.Detail{{Term: p.T("console.sample.id"), Code: i.ID}}, now.Detail...)
	if !now.At.IsZero() && !slices.ContainsFunc(now.Detail, func(d ui.Detail) bool { return d.Time.Equal(now.At) }) {
		body.Details = append(body.Details, ui.Detail{Term: p.T("console.record.when"), Time: now.At})
	}
	body.Details = append(body.Details, ui.Detail{Term: p.T("console.sample.digest.then"), Digest: i.Digest}, ui.Detail{Term: p.T("console.sample.digest.now"), Digest: now.Digest})
	if now.Href != "" {
		body.Record = &ui.Button{Label: p.T("console.sample.see"), Href: now.Href, Icon: "link"}
	}
	if i.Position > 1 {
		body.Before = itemPath(s.ID, i.Position-1)
	}
	if i.Position < len(s.Items) {
		body.After = itemPath(s.ID, i.Position+1)
	}
	notes, err := sample.Notes(r.Context(), h.DB.Pool(pg.Staff), s.ID)
	if err != nil {
		return err
	}
	body.Notes = h.noteTable(r, p, notes, i.Position)
	page := h.c.Page(r, "console.sample.title", AuditPath, body)
	page.Crumbs = []ui.Link{{Label: page.Title, Href: AuditPath}, {Label: p.T("console.sample.one", "At", p.Instant(s.DrawnAt)), Href: samplePath(s.ID)},
		{Label: p.T("console.sample.item", "Number", i.Position, "Drawn", len(s.Items))}}
	page.Title = recordTitle(p, i, now)
	if r.Method == http.MethodPost {
		page.Path = body.Path
	}
	return h.write(w, status, "sampleitem", page)
}

func noteFields(p *ui.Printer, draft sample.Note, field, wrong string) []ui.Field {
	options := []ui.Option{{Label: p.T("ui.form.choose")}}
	for _, res := range sample.Results() {
		options = append(options, ui.Option{Value: string(res), Label: p.T("console.sample.result." + string(res)), Selected: res == draft.Result})
	}
	fields := []ui.Field{
		{Name: "result", Type: "select", Label: p.T("console.sample.result"), Options: options, Required: true},
		{Name: "note", Type: "textarea", Label: p.T("console.sample.note"), Help: p.T("console.sample.note.help"), Value: draft.Text, MaxLength: 2000, Rows: 4},
	}
	for i := range fields {
		if fields[i].Name == field {
			fields[i].Error, fields[i].Focus = wrong, true
		}
	}
	return fields
}

// noteTable lists the notes of an item, the last first.
func (h *pages) noteTable(r *web.Request, p *ui.Printer, notes []sample.Note, position int) ui.Table {
	names := h.c.Names(r, p)
	t := ui.Table{
		Caption: p.T("console.sample.notes"),
		Columns: []ui.Column{{Label: p.T("console.sample.result")}, {Label: p.T("console.sample.note")}, {Label: p.T("console.record.when")}, {Label: p.T("console.record.who")}},
		Empty:   &ui.Empty{Icon: "inbox", Title: p.T("console.sample.notes.empty"), Text: p.T("console.sample.notes.empty.text")},
	}
	for i := len(notes) - 1; i >= 0; i-- {
		n := notes[i]
		if n.Position != position {
			continue
		}
		result := ui.Cell{Text: p.T("console.sample.result." + string(n.Result))}
		if len(t.Rows) == 0 {
			result = ui.Cell{Strong: result.Text}
		}
		text := ui.Cell{Text: n.Text}
		if n.Text == "" {
			text.Text = "–"
		}
		t.Rows = append(t.Rows, []ui.Cell{result, text, {Text: p.Instant(n.At)}, {Text: names.kept(r, n.By)}})
	}
	return t
}

func (h *pages) noteItem(w http.ResponseWriter, r *web.Request) error {
	if err := form(r); err != nil {
		return err
	}
	s, err := sample.Load(r.Context(), h.DB.Pool(pg.Staff), r.PathValue("id"))
	if err != nil {
		return err
	}
	i, err := item(r, s)
	if err != nil {
		return err
	}
	draft := sample.Note{Result: sample.Result(r.PostForm.Get("result")), Text: r.PostForm.Get("note")}
	err = sample.AddNote(r.Context(), h.DB.Pool(pg.Staff), r.Actor, s.ID, i.Position, draft.Result, draft.Text, r.Now)
	if err == nil {
		return web.SeeOther(w, r, itemPath(s.ID, i.Position)+"?done=sample_noted")
	}
	text, ok := Shown(h.c.Printer(r), err)
	if !ok {
		return err
	}
	field := "note"
	if isID(err, "sample.result") {
		field = "result"
	}
	return h.showItem(w, r, http.StatusUnprocessableEntity, draft, field, text)
}
