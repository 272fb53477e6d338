package auditlog

import (
	"context"
	"embed"
	"html/template"
	"net/http"
	"strconv"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/trees"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

//go:embed templates/*.html
var templates embed.FS

// Path is where the console shows how the record is kept.
const Path = console.LogPath

// Checked tells how the checks stand: measure.Runner.
type Checked interface {
	Statuses(ctx context.Context) ([]measure.CheckStatus, error)
}

// pages are the handlers of this package.
type pages struct {
	c      *console.Chrome
	l      *Log
	checks Checked
	health *template.Template
}

// Pages makes the routes of how the record is kept.
func Pages(c *console.Chrome, l *Log, checks Checked) ([]web.Route, error) {
	h := &pages{c: c, l: l, checks: checks}
	var err error
	if h.health, err = ui.Parse("console", templates, "templates/health.html"); err != nil {
		return nil, err
	}
	return []web.Route{
		{Pattern: "GET " + Path, Permission: actor.ReadAudit, Handler: h.show},
		{Pattern: "POST " + Path + "/bundle", Permission: actor.ReadAudit, Handler: h.bundle},
		{Pattern: "POST " + Path + "/anomalies/{id}", Permission: actor.AnswerAnomalies, Handler: h.answer},
	}, nil
}

func (h *pages) show(w http.ResponseWriter, r *web.Request) error {
	return h.write(w, r, http.StatusOK, refusedAnswer{})
}

// refusedAnswer is what somebody said of an anomaly, and why it does not do.
type refusedAnswer struct {
	ID          int64
	Text, Error string
}

// answer keeps somebody's word of what an anomaly was.
func (h *pages) answer(w http.ResponseWriter, r *web.Request) error {
	if err := r.ParseForm(); err != nil {
		return errs.New(errs.Invalid, "console.form", "What was sent could not be read.").WithFix("Go back, reload the page and try again.").Wrap(err)
	}
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return errs.New(errs.NotFound, "auditlog.no_anomaly", "There is nothing of that number.").WithFix("Look in the list.")
	}
	err = h.l.Acknowledge(r.Context(), r.Actor, id, r.PostForm.Get("reason"))
	if errs.Is(err, errs.NotFound) {
		return errs.New(errs.NotFound, "auditlog.no_anomaly", "There is nothing of that number.").WithFix("Look in the list.")
	}
	if text, ok := console.Shown(h.c.Printer(r), err); err != nil && ok {
		return h.write(w, r, http.StatusUnprocessableEntity, refusedAnswer{id, r.PostForm.Get("reason"), text})
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, r, Path+"?done=anomaly_answered#anomaly-"+strconv.FormatInt(id, 10))
}

// bundle sends the company's tree as a signed bundle. Personal data stay sealed in it. That it was made is an entry, written before it is sent.
func (h *pages) bundle(w http.ResponseWriter, r *web.Request) error {
	staff := h.l.DB.Pool(pg.Staff)
	tree, err := trees.Open(r.Context(), staff, 0, trees.Company)
	if err != nil {
		return err
	}
	root, err := trees.Open(r.Context(), staff, 0, trees.Root)
	if err != nil {
		return err
	}
	if _, err := root.Latest(r.Context()); err != nil {
		return err
	}
	if err := h.l.record(r.Context(), audit.Event{By: r.Actor, Action: "record.bundle_exported", On: audit.Object{Kind: "record", ID: trees.Company}, Detail: map[string]any{"leaves": tree.Size, "generation": tree.Generation.Number}}); err != nil {
		return err
	}
	out := &download{w: w, name: "audit-log-" + r.Now.UTC().Format("20060102-150405") + ".garant.json"}
	if _, err := trees.Bundle(r.Context(), staff, trees.BundleOrder{Tree: trees.Company, Keys: h.l.Box, WitnessKeys: h.l.witnessKeys(r.Context()), Now: h.l.Now}, out); err != nil {
		if out.begun {
			panic(http.ErrAbortHandler) // what was received is not the whole
		}
		return err
	}
	return nil
}

// download begins an answer with the first byte of it: before that, an error is a page.
type download struct {
	w     http.ResponseWriter
	name  string
	begun bool
}

func (d *download) Write(b []byte) (int, error) {
	if !d.begun {
		d.begun = true
		head := d.w.Header()
		head.Set("Content-Type", "application/octet-stream")
		head.Set("Content-Disposition", `attachment; filename="`+d.name+`"`)
		head.Set("X-Content-Type-Options", "nosniff")
	}
	return d.w.Write(b)
}
