package anonymise

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/engine/anonymise/run"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// silent is how long nothing is heard of a run before the page says so: it tells every second while rows are carried.
const silent = 2 * time.Minute

// copyPage is a database with its copies.
type copyPage struct {
	Path         string
	Tabs         []tab
	Notices      []*ui.Notice
	Watching     string // address of this page while a run is under way; empty: none is
	Going        *going
	Ended        *ui.Notice // of the run that was watched
	Details      []ui.Detail
	Line         *timeline
	Runs         ui.Table
	Pager        ui.Pager
	Certificates ui.Table
}

// going is the run under way.
type going struct {
	Progress ui.Progress
	Details  []ui.Detail
	Notice   *ui.Notice
	Href     string
}

func (h *pages) copy(w http.ResponseWriter, r *web.Request) error {
	c, err := h.find(r)
	if err != nil {
		return err
	}
	p := h.c.Printer(r)
	names := h.c.Names(r, p)
	body := &copyPage{Path: pathOf(c.Database), Tabs: tabs(p, c.Database, "runs"), Line: timelineOf(p, c, r.Now)}
	body.Notices = notices(r, p, c)
	body.Details = h.facts(p, c, r.Now)
	if c.Served != nil {
		body.Details = append(body.Details, ui.Detail{Term: p.T("copies.vacuum"), Text: p.Duration(seconds(c.Served.Vacuum.Seconds())), Note: p.T("copies.vacuum.about")})
	}
	if c.Going != nil {
		body.Watching, body.Going = body.Path+"?watch="+c.Going.ID.String(), h.progress(p, c, r.Now)
	}
	if err := h.watched(r, p, c, body); err != nil {
		return err
	}
	before, _ := uuid.Parse(r.URL.Query().Get("before"))
	list, more, err := h.a.Runs(r.Context(), r.Actor, c.Database, before)
	if err != nil {
		return err
	}
	body.Runs = h.runTable(r, p, names, list)
	if more {
		body.Pager.Older = body.Path + "?before=" + list[len(list)-1].ID.String()
	}
	if before != uuid.Nil {
		body.Pager.Newer = body.Path
	}
	destroyed, err := h.a.Certificates(r.Context(), r.Actor, c.Database)
	if err != nil {
		return err
	}
	body.Certificates = certificateTable(p, destroyed)
	return h.write(w, http.StatusOK, "copy", h.page(r, c.Database, body))
}

// watched says how a run ended that the reader has been watching.
func (h *pages) watched(r *web.Request, p *ui.Printer, c *Copy, body *copyPage) error {
	id, err := uuid.Parse(r.URL.Query().Get("watch"))
	if err != nil || c.Going != nil && c.Going.ID == id {
		return nil //nolint:nilerr // nobody watched one
	}
	i := slices.IndexFunc(c.Recent, func(s Summary) bool { return s.ID == id })
	if i < 0 {
		return nil
	}
	s := &c.Recent[i]
	n := &ui.Notice{Tone: ui.Danger, Title: p.T("copies.ended", "Outcome", p.T("copies.is."+string(s.Outcome))), Text: p.T("copies.outcome." + string(s.Outcome)), Link: &ui.Link{Label: p.T("copies.ended.see"), Href: runPath(c.Database, s.ID)}, Live: true}
	if s.Outcome == Published {
		n.Tone = ui.Success
	}
	body.Ended = n
	return nil
}

// notices say what has to be known of a copy, and the next step.
func notices(r *web.Request, p *ui.Printer, c *Copy) (list []*ui.Notice) {
	standing := c.Standing(r.Now)
	say := func(tone ui.Tone, id string, link *ui.Link) {
		list = append(list, &ui.Notice{Tone: tone, Title: p.T("copies.notice." + id), Text: p.T("copies.notice." + id + ".text"), Link: link})
	}
	estateLink := func() *ui.Link {
		if !r.Actor.May(actor.ReadEstate) {
			return nil
		}
		return &ui.Link{Label: p.T("copies.waits.link"), Href: console.EstatePath}
	}
	switch standing {
	case Waits:
		say(ui.Warning, "waits", estateLink())
	case NoneYet:
		say(ui.Info, "none", nil)
	case First:
		say(ui.Info, "first", nil)
	case TooOld:
		say(ui.Danger, "old", nil)
	}
	if c.Bad() {
		say(ui.Danger, string(c.Last.Outcome), &ui.Link{Label: p.T("copies.see_why"), Href: runPath(c.Database, c.Last.ID)})
	}
	return list
}

// progress is how far the run under way is.
func (h *pages) progress(p *ui.Printer, c *Copy, now time.Time) *going {
	s := c.Going
	g := &going{Href: runPath(c.Database, s.ID)}
	step := max(1, slices.Index(stageOrder(), s.Stage)+1)
	g.Progress = ui.Progress{Label: stageWord(p, s.Stage), Text: p.T("copies.going.step", "Step", step, "All", len(stageOrder()))}
	if s.Stage == "" {
		g.Progress.Label = p.T("copies.going.begins")
	}
	if s.All > 0 {
		g.Progress.Done, g.Progress.Total = int(min(s.Bytes, s.All)/1000), max(1, int(s.All/1000))
		g.Progress.Text += " · " + p.T("copies.going.bytes", "Done", p.Bytes(s.Bytes), "All", p.Bytes(s.All), "Part", p.Percent(min(s.Bytes, s.All), s.All))
	}
	if s.Waiting {
		g.Notice = &ui.Notice{Tone: ui.Info, Text: p.T("copies.going.waiting", "Above", c.declared.PauseAbove)}
	} else if now.Sub(s.HeardAt) > silent {
		g.Notice = &ui.Notice{Tone: ui.Warning, Text: p.T("copies.going.silent", "Since", p.Elapsed(s.HeardAt, now))}
	}
	g.Details = []ui.Detail{{Term: p.T("copies.began"), Text: p.Ago(s.BeganAt, now)}}
	if s.Table != "" {
		g.Details = append(g.Details, ui.Detail{Term: p.T("copies.going.table"), Code: clean(s.Table)})
	}
	if s.Rows > 0 {
		d := ui.Detail{Term: p.T("copies.rows"), Text: p.Number(s.Rows)}
		if lasted := s.HeardAt.Sub(s.BeganAt).Seconds(); lasted >= 1 && s.Bytes > 0 {
			d.Note = p.T("copies.going.rate", "Rate", p.Bytes(int64(float64(s.Bytes)/lasted)))
		}
		g.Details = append(g.Details, d)
	}
	if c.Served != nil && c.Served.EndedAt != nil { // the last one that went well tells more than the rate of a part
		if end := s.BeganAt.Add(c.Served.EndedAt.Sub(c.Served.BeganAt)); end.After(now) {
			g.Details = append(g.Details, ui.Detail{Term: p.T("copies.going.end"), Text: p.Until(end, now), Note: p.T("copies.going.end.about")})
		}
	}
	return g
}

func columns(p *ui.Printer, ids ...string) (list []ui.Column) {
	for _, id := range ids {
		id, number := strings.CutSuffix(id, "#")
		list = append(list, ui.Column{Label: p.T(id), Numeric: number})
	}
	return list
}

func (h *pages) runTable(r *web.Request, p *ui.Printer, names *console.Names, list []Summary) ui.Table {
	t := ui.Table{Caption: p.T("copies.runs"), Columns: columns(p, "copies.began", "copies.outcome", "copies.took#", "copies.rows#", "copies.by", "copies.said"),
		Empty: &ui.Empty{Icon: "clock", Title: p.T("copies.runs.none"), Text: p.T("copies.runs.none.text")}}
	for i := range list {
		s := &list[i]
		duration, rows := ui.Cell{Text: "–"}, ui.Cell{Text: "–"}
		if text := took(p, &s.Run); text != "" {
			duration.Text = text
		}
		if n := max(s.Copied, s.Rows); n > 0 {
			rows.Text = p.Number(n)
		}
		said := ui.Cell{Text: "–"}
		switch {
		case s.Outcome == Published:
			said = ui.Cell{Text: p.T("copies.proved")}
			if is, _ := word(p, s); s.Anonymised != nil {
				said.Text += ", " + is
			}
		case s.Questions > 0:
			said = ui.Cell{Text: p.T("copies.questions", "Count", s.Questions)}
		case s.Outcome != Running:
			said = ui.Cell{Text: p.T("copies.outcome." + string(s.Outcome))}
			if text, _ := known(p, s.Code); text != "" {
				said.Text = text
			}
		}
		t.Rows = append(t.Rows, []ui.Cell{{Link: &ui.Link{Label: p.Instant(s.BeganAt), Href: runPath(s.Database, s.ID)}}, {Pill: pill(p, Standing(s.Outcome))}, duration, rows, {Text: h.began(r, p, names, &s.Run)}, said})
	}
	return t
}

func certificateTable(p *ui.Printer, list []run.Certificate) ui.Table {
	t := ui.Table{Caption: p.T("copies.certificates"), Columns: columns(p, "copies.certificate.copy", "copies.certificate.made", "copies.certificate.bytes#", "copies.certificate.at", "copies.certificate.reason"),
		Empty: &ui.Empty{Icon: "trash", Title: p.T("copies.certificates.none"), Text: p.T("copies.certificates.none.text")}}
	for _, c := range list {
		made := ui.Cell{Text: p.T("copies.certificate.unknown")}
		if !c.Began.IsZero() {
			made = ui.Cell{Text: p.Instant(c.Began)}
		}
		why := ui.Cell{Text: clean(c.Reason)}
		if id := "copies.reason." + c.Reason; p.Has(id) {
			why.Text = p.T(id)
		}
		t.Rows = append(t.Rows, []ui.Cell{{Code: clean(c.Database)}, made, {Text: p.Bytes(c.Bytes)}, {Text: p.Instant(c.Destroyed)}, why})
	}
	return t
}

// who names somebody that a row keeps.
func who(names *console.Names, r *web.Request, kept string) string {
	kind, id, _ := strings.Cut(kept, ":")
	return names.Identity(r.Context(), estate.Identity{Kind: actor.Kind(kind), ID: id})
}
