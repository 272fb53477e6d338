package auditlog

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit/search"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/engine/auditlog/collect"
	"github.com/garant-project/garant/internal/engine/auditlog/replica"
	"github.com/garant-project/garant/internal/engine/auditlog/stream"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// The bounds of the page.
const (
	anomaliesShown = 20
	roundsShown    = 120
	dropsShown     = 12
	mayLag         = 5 * time.Second // of the second account, when no estate says otherwise
	mostWord       = 2000            // characters
	mostReason     = 4000            // bytes, which is what an entry takes
)

// healthPage is how the record is kept.
type healthPage struct {
	Tabs      []console.Tab
	Volume    *drawing
	Lag       *drawing
	Key       string
	Bundle    *ui.Action
	Parts     []part
	Anomalies []anomalyView
	Open      int64
	Pager     ui.Pager
}

// part is one thing that is looked after.
type part struct {
	ID, Title string
	Pill      ui.Pill
	Text      string
	Details   []ui.Detail
	Table     *ui.Table
	Items     []line
}

// Wide reports that it needs the whole width.
func (p part) Wide() bool { return p.Table != nil && len(p.Table.Columns) > 3 }

// line is something that has to be known. Lang is of Text, where it is not the page's.
type line struct{ Title, Text, Lang string }

// anomalyView is something that does not fit, with what was said of it.
type anomalyView struct {
	ID     string
	Pill   ui.Pill
	Kind   string
	About  string
	When   string
	Words  []spoken
	Action string
	Field  *ui.Field // nil: the reader may not say
}

type spoken struct{ Who, When, Text string }

func (h *pages) write(w http.ResponseWriter, r *web.Request, status int, refused refusedAnswer) error {
	ctx, p, staff := r.Context(), h.c.Printer(r), h.l.DB.Pool(pg.Staff)
	body := &healthPage{Tabs: h.c.RecordTabs(p, Path)}
	var e *estate.Estate
	if view, err := h.l.View(ctx); err == nil {
		e = view.Estate
	}
	health, err := sequence.Look(ctx, staff, h.l.Box)
	begun := err == nil
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	if begun {
		list, err := rounds(ctx, staff, health.Generation, roundsShown)
		if err != nil {
			return err
		}
		body.Lag, body.Key = lags(p, list), health.Key
		body.Bundle = &ui.Action{Post: Path + "/bundle", Button: ui.Button{Label: p.T("record_log.bundle"), Icon: "download"}}
	}
	hours, err := search.Hours(ctx, staff, r.Now.Add(-volumeDays*24*time.Hour))
	if err != nil {
		return err
	}
	body.Volume = volume(p, hours, r.Now)
	for _, make := range []func(context.Context, *web.Request, *ui.Printer, *estate.Estate) ([]part, error){
		func(ctx context.Context, r *web.Request, p *ui.Printer, _ *estate.Estate) ([]part, error) {
			return h.order(ctx, r, p, health, begun)
		},
		h.second, h.streams, h.canaries, h.collected, h.retention,
	} {
		parts, err := make(ctx, r, p, e)
		if err != nil {
			return err
		}
		body.Parts = append(body.Parts, parts...)
	}
	body.Open = health.Anomalies
	if err := h.anomalies(r, p, body, refused); err != nil {
		return err
	}
	page := h.c.Page(r, "record_log.title", console.RecordPath, body)
	if r.Method == http.MethodPost {
		page.Path = Path
	}
	return h.c.Write(w, status, h.health, page)
}

func pill(p *ui.Printer, s ui.State, id string) ui.Pill {
	return ui.Pill{Class: s.Class(), Icon: s.Icon(), Label: p.T("record_log.is." + id)}
}

func newPart(p *ui.Printer, id string, s ui.State, word string) part {
	return part{ID: id, Title: p.T("record_log." + id), Text: p.T("record_log." + id + ".about"), Pill: pill(p, s, word)}
}

// order is how entries come into their trees, who writes them, and who vouches for the signed heads.
func (h *pages) order(ctx context.Context, r *web.Request, p *ui.Printer, health sequence.Health, begun bool) ([]part, error) {
	staff := h.l.DB.Pool(pg.Staff)
	one := newPart(p, "order", ui.Met, "well")
	if !begun {
		one.Pill = pill(p, ui.Unproven, "never")
		one.Items = []line{{Title: p.T("record_log.order.never"), Text: p.T("record_log.order.never.text")}}
		return []part{one}, nil
	}
	if r.Now.Sub(health.At) > mayRest {
		one.Pill = pill(p, ui.NotMet, "stopped")
	} else if health.Oldest > mayWait {
		one.Pill = pill(p, ui.NotMet, "late")
	}
	waiting := p.Number(health.Waiting)
	if health.Waiting >= sequence.MostWaiting {
		waiting = p.T("record_log.or_more", "Count", health.Waiting)
	}
	oldest := ui.Detail{Term: p.T("record_log.waiting"), Text: waiting}
	if health.Waiting > 0 {
		oldest.Note = p.T("record_log.oldest", "Age", short(p, health.Oldest))
	}
	one.Details = []ui.Detail{
		{Term: p.T("record_log.generation"), Text: p.Number(int64(health.Generation))},
		{Term: p.T("record_log.origin"), Code: health.Origin},
		{Term: p.T("record_log.leaves"), Text: p.Number(health.Leaves)},
		{Term: p.T("record_log.size"), Text: p.Number(health.Size)},
		{Term: p.T("record_log.last"), Time: health.At},
		oldest,
	}
	for _, b := range health.Horizon {
		who := p.T("record_log.blocker", "Role", b.Role, "Database", b.Database, "PID", strconv.Itoa(int(b.PID)))
		if b.PID == 0 {
			who = p.T("record_log.prepared", "Role", b.Role, "Database", b.Database, "Name", b.Prepared)
		}
		if health.Oldest > mayWait {
			one.Items = append(one.Items, line{Title: who, Text: p.T("record_log.blocker.fix")})
		}
	}
	found, err := search.Look(ctx, staff)
	if err != nil {
		return nil, err
	}
	one.Details = append(one.Details, ui.Detail{Term: p.T("record_log.search"), Text: p.T("record_log.search.behind", "Count", found.Behind)})

	processes, err := countWriters(ctx, staff)
	if err != nil {
		return nil, err
	}
	two := newPart(p, "writers", ui.Met, "well")
	if processes.Silent > 0 {
		two.Pill = pill(p, ui.Stale, "silent")
	}
	two.Details = []ui.Detail{{Term: p.T("record_log.alive"), Text: p.Number(processes.Alive)}, {Term: p.T("record_log.ended"), Text: p.Number(processes.Ended)},
		{Term: p.T("record_log.silent"), Text: p.Number(processes.Silent), Note: p.T("record_log.silent.note")}}

	three := newPart(p, "heads", ui.Unproven, "unwitnessed")
	newest, err := newestHead(ctx, staff, health.Generation)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return nil, err
	}
	if err == nil {
		three.Details = []ui.Detail{{Term: p.T("record_log.head"), Text: p.T("record_log.lines", "Count", newest.Size)}, {Term: p.T("record_log.signed"), Time: newest.At}}
	}
	witnesses, err := cosignatures(ctx, staff, health.Generation)
	if err != nil {
		return nil, err
	}
	if len(witnesses) > 0 {
		three.Pill = pill(p, ui.Met, "witnessed")
		t := ui.Table{Caption: p.T("record_log.witnesses"), Columns: []ui.Column{{Label: p.T("record_log.witness")}, {Label: p.T("record_log.witness.size"), Numeric: true}, {Label: p.T("record_log.witness.at")}}}
		for _, c := range witnesses {
			t.Rows = append(t.Rows, []ui.Cell{{Strong: c.Witness}, {Text: p.Number(c.Size)}, {Time: c.At}})
			if r.Now.Sub(c.At) > time.Hour {
				three.Pill = pill(p, ui.Stale, "witness_silent")
			}
		}
		three.Table = &t
	}
	return []part{one, two, three}, nil
}

// second is the copy in the second account.
func (h *pages) second(ctx context.Context, r *web.Request, p *ui.Printer, e *estate.Estate) ([]part, error) {
	if e == nil || len(e.AuditCopies) == 0 {
		one := newPart(p, "second", ui.Unproven, "undeclared")
		one.Items = []line{{Title: p.T("record_log.second.none"), Text: p.T("record_log.second.none.text")}}
		return []part{one}, nil
	}
	c := e.AuditCopies[0]
	rep := &replica.Replica{DB: h.l.DB, Place: replica.Place(c.Endpoint, c.Region, c.Bucket, c.Prefix), Now: h.l.Now}
	if h.l.Replica != nil { // where it cannot be opened, what is known of it is shown all the same
		if opened, err := h.l.Replica(ctx); err == nil && opened != nil {
			rep = opened
		}
	}
	s, err := rep.Status(ctx)
	if err != nil {
		return nil, err
	}
	one := newPart(p, "second", ui.Met, "well")
	most := c.MaxLag
	if most == 0 {
		most = mayLag
	}
	switch {
	case !s.Failing.IsZero():
		one.Pill = pill(p, ui.NotMet, "failing")
		why, lang := p.Reason(s.Problem, s.Why)
		fix, _ := p.Reason(s.Problem+".fix", s.Fix) // has words where the problem has
		one.Items = []line{{Title: p.T("record_log.failing", "Since", p.Elapsed(s.Failing, r.Now)), Text: strings.TrimSpace(why + " " + fix), Lang: lang}}
	case s.LastPut.IsZero():
		one.Pill = pill(p, ui.Unproven, "never")
	case s.Lag > most:
		one.Pill = pill(p, ui.NotMet, "late")
	}
	last := ui.Detail{Term: p.T("record_log.put"), Text: p.T("record_log.never")}
	if !s.LastPut.IsZero() {
		last = ui.Detail{Term: last.Term, Time: s.LastPut}
	}
	lag := p.T("record_log.none_waits")
	if s.Lag > 0 {
		lag = short(p, s.Lag)
	}
	one.Details = []ui.Detail{
		{Term: p.T("record_log.place"), Code: strings.TrimSuffix(c.Bucket+"/"+c.Prefix, "/"), Note: cmp.Or(c.Endpoint, c.Region)}, last,
		{Term: p.T("record_log.lag"), Text: lag, Note: p.T("record_log.lag.most", "Most", short(p, most))},
		{Term: p.T("record_log.backlog"), Text: p.Number(s.Backlog)},
		{Term: p.T("record_log.objects"), Text: p.Number(s.Objects), Note: p.Bytes(s.Bytes)},
	}
	if !s.Compared.IsZero() {
		one.Details = append(one.Details, ui.Detail{Term: p.T("record_log.compared"), Time: s.Compared})
	}
	return []part{one}, nil
}

// streams are those to SIEMs.
func (h *pages) streams(ctx context.Context, r *web.Request, p *ui.Printer, e *estate.Estate) ([]part, error) {
	if e == nil || len(e.Streams) == 0 {
		one := newPart(p, "streams", ui.Excluded, "undeclared")
		one.Items = []line{{Title: p.T("record_log.streams.none"), Text: p.T("record_log.streams.none.text")}}
		return []part{one}, nil
	}
	states, err := stream.States(ctx, h.l.DB.Pool(pg.Staff))
	if err != nil {
		return nil, err
	}
	one := newPart(p, "streams", ui.Met, "well")
	t := ui.Table{Caption: p.T("record_log.streams"), Columns: []ui.Column{{Label: p.T("record_log.stream")}, {Label: p.T("record_log.stream.taken"), Numeric: true}, {Label: p.T("record_log.stream.at")}, {Label: p.T("record_log.stream.state")}}}
	for _, d := range e.Streams {
		i := slices.IndexFunc(states, func(s stream.State) bool { return s.Name == d.Name })
		if i < 0 {
			one.Pill = pill(p, ui.Unproven, "never")
			t.Rows = append(t.Rows, []ui.Cell{{Strong: d.Name, Note: d.Kind}, {Text: "–"}, {Text: p.T("record_log.never")}, {Pill: pill(p, ui.Unproven, "never")}})
			continue
		}
		s := states[i]
		at, state := ui.Cell{Text: p.T("record_log.never")}, ui.Cell{Pill: pill(p, ui.Met, "well")}
		if s.SentAt != nil {
			at = ui.Cell{Time: *s.SentAt}
		}
		if s.FailedSince != nil {
			one.Pill = pill(p, ui.NotMet, "failing")
			state = ui.Cell{Pill: pill(p, ui.NotMet, "failing"), Note: p.T("record_log.failing", "Since", p.Elapsed(*s.FailedSince, r.Now))}
			one.Items = append(one.Items, h.wrong(p, d.Name, string(s.Problem), s.Said)...)
		}
		t.Rows = append(t.Rows, []ui.Cell{{Strong: d.Name, Note: d.Kind}, {Text: p.Number(s.Sent)}, at, state})
	}
	one.Table = &t
	return []part{one}, nil
}

// wrong is what a problem says, and the next step. A problem without words, of another build, stands as it was written.
func (*pages) wrong(p *ui.Printer, title, problem, english string) []line {
	if word, ok := p.Word(problem); ok {
		fix, _ := p.Word(problem + ".fix")
		return []line{{Title: title, Text: strings.TrimSpace(word + " " + fix)}}
	}
	text, lang := p.Reason("", cmp.Or(english, problem))
	return []line{{Title: title, Text: text, Lang: lang}}
}

// canaries are what the checks of system and application logs last saw.
func (h *pages) canaries(ctx context.Context, r *web.Request, p *ui.Printer, e *estate.Estate) ([]part, error) {
	list, err := h.checks.Statuses(ctx)
	if err != nil {
		return nil, err
	}
	one := newPart(p, "canaries", ui.Unproven, "unproven")
	t := ui.Table{Caption: p.T("record_log.canaries"), Columns: []ui.Column{{Label: p.T("record_log.canary.log")}, {Label: p.T("record_log.canary.state")}, {Label: p.T("record_log.canary.took")}, {Label: p.T("record_log.canary.at")}}}
	worst := ui.State("")
	for _, s := range list {
		if s.Check.ID != "auditlog.system_logs" && s.Check.ID != "auditlog.application_logs" || s.State == "" {
			continue
		}
		state := ui.State(s.State)
		if worst == "" || worst == ui.Met {
			worst = state
		}
		name := s.Check.ID
		if p.Has("check." + name) {
			name = p.T("check." + name)
		}
		row := []ui.Cell{{Link: &ui.Link{Label: name, Href: console.ChecksPath + "/" + s.Check.ID}, Note: strings.Join(s.Scope, ", ")}, {State: state}, {Text: "–"}, {Text: p.T("record_log.never")}}
		if s.Current != nil {
			if f, ok := s.Current.Finding.Facts[s.Check.ID+".slowest"]; ok && f.Kind == measure.DurationFact {
				row[2] = ui.Cell{Text: short(p, f.Duration), Note: p.T("record_log.canary.agreed", "Most", short(p, s.Current.Finding.Facts[s.Check.ID+".agreed"].Duration))}
			}
			row[3] = ui.Cell{Time: s.Current.ObservedAt}
			for _, item := range s.Current.Finding.Failed {
				one.Items = append(one.Items, h.wrong(p, item.Target, item.Problem, item.Actual)...)
			}
		}
		t.Rows = append(t.Rows, row)
	}
	if len(t.Rows) == 0 {
		one.Pill = pill(p, ui.Excluded, "undeclared")
		one.Items = []line{{Title: p.T("record_log.canaries.none"), Text: p.T("record_log.canaries.none.text")}}
		return []part{one}, nil
	}
	one.Pill, one.Table = p.Pill(worst), &t
	return []part{one}, nil
}

// collected is how it stands with the events of guarded databases.
func (h *pages) collected(ctx context.Context, r *web.Request, p *ui.Printer, e *estate.Estate) ([]part, error) {
	list, err := collect.Statuses(ctx, h.l.DB.Pool(pg.Staff))
	if err != nil {
		return nil, err
	}
	one := newPart(p, "collected", ui.Met, "well")
	if len(list) == 0 {
		one.Pill = pill(p, ui.Excluded, "undeclared")
		one.Items = []line{{Title: p.T("record_log.collected.none"), Text: p.T("record_log.collected.none.text")}}
		return []part{one}, nil
	}
	t := ui.Table{Caption: p.T("record_log.collected"), Columns: []ui.Column{{Label: p.T("record_log.database")}, {Label: p.T("record_log.events"), Numeric: true}, {Label: p.T("record_log.outbox"), Numeric: true}, {Label: p.T("record_log.emptied")}}}
	for _, s := range list {
		at := ui.Cell{Text: p.T("record_log.never")}
		if s.Collected != nil {
			at = ui.Cell{Time: *s.Collected}
		}
		if s.Trouble != "" {
			one.Pill = pill(p, ui.NotMet, "failing")
			one.Items = append(one.Items, h.wrong(p, s.Database, string(s.Trouble), "")...)
		}
		waits := ui.Cell{Text: p.Number(s.Waiting)}
		if s.Waiting > 0 {
			waits.Note = p.T("record_log.oldest", "Age", short(p, s.Oldest))
		}
		t.Rows = append(t.Rows, []ui.Cell{{Strong: s.Database}, {Text: p.Number(s.Events)}, waits, at})
	}
	one.Table = &t
	return []part{one}, nil
}

// retention is how long entries are kept, and what went.
func (h *pages) retention(ctx context.Context, r *web.Request, p *ui.Printer, e *estate.Estate) ([]part, error) {
	list, err := drops(ctx, h.l.DB.Pool(pg.Staff), h.l.Box, dropsShown)
	if err != nil {
		return nil, err
	}
	one := newPart(p, "retention", ui.Met, "kept")
	if e != nil && e.AuditKeep > 0 {
		one.Details = []ui.Detail{{Term: p.T("record_log.keep"), Text: p.Duration(e.AuditKeep)}}
	} else {
		one.Details = []ui.Detail{{Term: p.T("record_log.keep"), Text: p.T("record_log.keep.all")}}
	}
	if len(list) > 0 {
		t := ui.Table{Caption: p.T("record_log.dropped"), Columns: []ui.Column{{Label: p.T("record_log.dropped.before")}, {Label: p.T("record_log.dropped.entries"), Numeric: true}, {Label: p.T("record_log.dropped.head"), Numeric: true}, {Label: p.T("record_log.dropped.at")}}}
		for _, d := range list {
			t.Rows = append(t.Rows, []ui.Cell{{Strong: d.Part}, {Text: p.Number(d.Entries)}, {Text: p.Number(d.Size)}, {Time: d.At}})
		}
		one.Table = &t
	} else {
		one.Details = append(one.Details, ui.Detail{Term: p.T("record_log.dropped"), Text: p.T("record_log.dropped.none")})
	}
	return []part{one}, nil
}

// anomalies lists what does not fit, the newest first.
func (h *pages) anomalies(r *web.Request, p *ui.Printer, body *healthPage, refused refusedAnswer) error {
	before := int64(0)
	if text := r.URL.Query().Get("before"); text != "" {
		var err error
		if before, err = strconv.ParseInt(text, 10, 64); err != nil || before <= 0 {
			return console.ErrBefore()
		}
		body.Pager.Newer = Path
	}
	list, err := Anomalies(r.Context(), h.l.DB.Pool(pg.Staff), h.l.Box, before, anomaliesShown+1)
	if err != nil {
		return err
	}
	if len(list) > anomaliesShown {
		list = list[:anomaliesShown]
		body.Pager.Older = Path + "?before=" + strconv.FormatInt(list[anomaliesShown-1].ID, 10)
	}
	names := h.c.Names(r, p)
	for _, a := range list {
		number := strconv.FormatInt(a.ID, 10)
		v := anomalyView{ID: "anomaly-" + number, Pill: pill(p, ui.NotMet, "unanswered"), Kind: a.Kind, About: a.About, When: p.Instant(a.At), Action: Path + "/anomalies/" + number}
		if word, ok := p.Word("record_log.anomaly." + a.Kind); ok {
			v.Kind = word
		}
		said := false
		for _, w := range a.Words {
			v.Pill = pill(p, ui.Met, "answered")
			kind, id, _ := strings.Cut(w.By, ":")
			said = said || id == r.Actor.ID
			v.Words = append(v.Words, spoken{names.Of(r.Context(), actor.Kind(kind), id), p.Instant(w.At), w.Reason})
		}
		if r.Actor.May(actor.AnswerAnomalies) && !said {
			v.Field = &ui.Field{Name: "reason", Label: p.T("record_log.answer.label"), Help: p.T("record_log.answer.help"), Type: "textarea", Required: true, MaxLength: mostWord, Rows: 3}
			if refused.ID == a.ID {
				v.Field.Value, v.Field.Error = refused.Text, refused.Error
			}
		}
		body.Anomalies = append(body.Anomalies, v)
	}
	return nil
}
