package register

import (
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

type taskPage struct {
	Path     string
	Version  string
	Number   int
	Digest   string
	Text     string
	Link     *ui.Link
	Problem  *ui.Notice
	Done     *ui.Notice
	Button   string // empty: acknowledged already
	Download string
}

func (h *pages) task(w http.ResponseWriter, r *web.Request) error {
	return h.showTask(w, r, http.StatusOK, nil)
}

func (h *pages) showTask(w http.ResponseWriter, r *web.Request, status int, problem error) error {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return errGone()
	}
	reading, err := h.r.Read(r.Context(), r.Actor, id, r.Now)
	if err != nil {
		return err
	}
	p := h.c.Printer(r)
	body := &taskPage{
		Path: TaskPath + id.String(), Number: reading.Version, Digest: reading.Digest, Text: reading.Values["text"],
		Version: p.T("register.task.version", "Version", reading.Version, "Day", p.OnDay(reading.At)),
		Button:  p.T("register.task.confirm"),
	}
	if link := reading.Values["link"]; link != "" {
		body.Link = &ui.Link{Label: link, Href: link}
	}
	if !reading.Acknowledged.IsZero() {
		body.Button = ""
		body.Done = &ui.Notice{Tone: ui.Success, Text: p.T("register.task.done", "Day", p.OnDay(reading.Acknowledged)), Live: r.URL.Query().Has("confirmed")}
	}
	if problem != nil {
		body.Problem = h.problem(p, h.r.byKey[Documents], problem)
	}
	page := h.c.Page(r, "register.task.title", TaskPath, body)
	page.Title = reading.Values["title"]
	return h.write(w, status, "task", page)
}

func (h *pages) acknowledge(w http.ResponseWriter, r *web.Request) error {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return errGone()
	}
	if err := form(r); err != nil {
		return err
	}
	version, _ := strconv.Atoi(r.PostForm.Get("version")) // none: a conflict
	err = h.r.Acknowledge(r.Context(), r.Actor, id, version, r.PostForm.Get("digest"), r.Now)
	if errs.Is(err, errs.Conflict) {
		return h.showTask(w, r, http.StatusConflict, err)
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, r, TaskPath+id.String()+"?confirmed=1")
}
