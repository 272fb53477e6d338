package console

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

type textPage struct {
	Revision string
	Text     ui.Field
	Change   bool
	Problems []problem
	Conflict *conflict
	Broken   *ui.Notice
}

func (h *pages) text(w http.ResponseWriter, r *web.Request) error {
	return h.showText(w, r, http.StatusOK, nil, nil)
}

func (h *pages) showText(w http.ResponseWriter, r *web.Request, status int, written *string, wrong error) error {
	p := h.c.Printer(r)
	a, err := h.read(r.Context())
	if err != nil {
		return err
	}
	body := &textPage{Revision: strconv.FormatInt(a.draft.Revision, 10), Change: r.Actor.May(actor.ChangeAnnex),
		Text: ui.Field{Name: "text", Type: "textarea", Rows: 28, Label: p.T("annexes.text.label"), Help: p.T("annexes.text.help"), Value: a.draft.Text}}
	if written != nil {
		body.Text.Value = *written
	}
	switch c, conflicted := isConflict(wrong); {
	case conflicted:
		body.Conflict = &conflict{Notice: conflictNotice(p), Text: c.Theirs.Text}
		body.Revision = strconv.FormatInt(c.Theirs.Revision, 10)
	case wrong != nil:
		body.Text.Error = p.T("annexes.text.wrong")
		if body.Problems = problemsOf(p, wrong); len(body.Problems) == 0 {
			text, fix := p.Error(wrong)
			body.Problems = []problem{{Text: text, Fix: fix}}
		}
	case a.broken != nil:
		body.Broken = &ui.Notice{Tone: ui.Danger, Title: p.T("annexes.broken"), Text: p.T("annexes.broken.text")}
		body.Problems = problemsOf(p, a.broken)
	}
	return h.write(w, status, "text", h.page(r, p.T("annexes.text.title"), TextPath, body))
}

func (h *pages) saveText(w http.ResponseWriter, r *web.Request) error {
	if err := form(r); err != nil {
		return err
	}
	seen, err := revision(r)
	if err != nil {
		return err
	}
	written := strings.ReplaceAll(r.PostForm.Get("text"), "\r\n", "\n")
	switch _, err = h.Book.Edit(r.Context(), r.Actor, seen, written); {
	case err == nil:
		return web.SeeOther(w, r, TextPath+"?done=annex_saved")
	case correctable(err):
		return h.showText(w, r, http.StatusUnprocessableEntity, &written, err)
	}
	return err
}
