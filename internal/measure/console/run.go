package console

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// The phases of a run that somebody asked for.
const (
	queued   = "queued"
	running  = "running"
	finished = "finished"
	stuck    = "stuck" // queued for too long
)

// slow is how long a run may wait before the page says that nobody seems to take it.
const slow = 20 * time.Second

type runPage struct {
	ID       string
	Phase    string
	Waiting  bool // not finished
	Progress ui.Progress
	Slow     *ui.Notice
	Result   *ui.Notice
	Details  []ui.Detail
	Items    ui.Table
	Failing  bool
	Evidence string // address
	Check    string // address
	Again    *ui.Action
}

// runNow asks for a run of a check and shows its progress.
func (h *pages) runNow(w http.ResponseWriter, r *web.Request) error {
	id, err := h.r.Ask(r.Context(), r.Actor, r.PathValue("id"))
	if err != nil {
		return err
	}
	return web.SeeOther(w, r, "/runs/"+id)
}

func phaseOf(a measure.Asked, now time.Time) string {
	switch {
	case a.FinishedAt != nil:
		return finished
	case a.StartedAt != nil:
		return running
	case now.Sub(a.AskedAt) > slow:
		return stuck
	}
	return queued
}

// run shows how far a run is. With ?phase= it is asked whether anything has changed since, and
// answers 204 while nothing has: the page is left alone, and is read aloud only when it says
// something new.
func (h *pages) run(w http.ResponseWriter, r *web.Request) error {
	a, err := measure.LoadAsked(r.Context(), h.staff(), r.PathValue("id"))
	if err != nil {
		return err
	}
	phase := phaseOf(a, r.Now)
	if r.Header.Get("HX-Request") == "true" && r.URL.Query().Get("phase") == phase {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	p := h.c.Printer(r)
	body := &runPage{ID: a.ID, Phase: phase, Waiting: phase != finished, Check: checkPath(a.CheckID)}
	switch phase {
	case running:
		body.Progress = ui.Progress{Label: p.T("console.run.running"), Text: p.T("console.run.running.text")}
	case queued, stuck:
		body.Progress = ui.Progress{Label: p.T("console.run.queued"), Text: p.T("console.run.queued.text")}
	}
	if phase == stuck {
		body.Slow = &ui.Notice{Tone: ui.Warning, Title: p.T("console.run.slow"), Text: p.T("console.run.slow.text")}
	}
	names := h.c.Names(r, p)
	who := actor.System // asked_by keeps the id alone: persons' are UUIDs, those of parts of Garant are names
	if _, err := uuid.Parse(a.AskedBy); err == nil {
		who = actor.Person
	}
	body.Details = []ui.Detail{
		{Term: p.T("console.check.name"), Link: &ui.Link{Label: title(p, a.CheckID), Href: body.Check}},
		{Term: p.T("console.run.asked"), Time: a.AskedAt, Note: names.Of(r.Context(), who, a.AskedBy)},
	}
	if a.StartedAt != nil {
		body.Details = append(body.Details, ui.Detail{Term: p.T("console.run.started"), Time: *a.StartedAt})
	}
	if phase == finished {
		if err := h.finish(r, p, a, body); err != nil {
			return err
		}
	}
	page := h.c.Page(r, "console.run.title", console.ChecksPath, body)
	page.Crumbs = []ui.Link{{Label: p.T("console.checks.title"), Href: console.ChecksPath}, {Label: title(p, a.CheckID), Href: body.Check}, {Label: page.Title}}
	page.Path = "/runs/" + a.ID
	return h.write(w, "run", page)
}

// finish tells what came of a run.
func (h *pages) finish(r *web.Request, p *ui.Printer, a measure.Asked, body *runPage) error {
	if a.StartedAt != nil {
		took := p.T("console.run.instant")
		if d := a.FinishedAt.Sub(*a.StartedAt); d >= time.Second {
			took = p.Duration(d.Round(time.Second))
		}
		body.Details = append(body.Details, ui.Detail{Term: p.T("console.run.took"), Text: took})
	}
	body.Again = runAction(r, p, measure.Check{ID: a.CheckID})
	came := "refused" // the run ended before it had a finding
	if a.Outcome != nil {
		came = *a.Outcome
	}
	tone := map[string]ui.Tone{string(measure.Pass): ui.Success, string(measure.Fail): ui.Danger, string(measure.Error): ui.Warning, "refused": ui.Danger}[came]
	id := "console.run.came." + came
	if !p.Has(id) {
		id = "console.run.came.refused"
	}
	body.Result = &ui.Notice{Tone: tone, Title: p.T(id), Text: p.T(id + ".text")}
	if a.EvidenceID == nil {
		return nil
	}
	e, err := measure.LoadEvidence(r.Context(), h.staff(), *a.EvidenceID)
	if err != nil {
		return err
	}
	body.Evidence = "/evidence/" + e.ID
	body.Failing, body.Items = len(e.Finding.Failed) > 0, h.itemTable(p, e.Finding.Failed)
	return nil
}
