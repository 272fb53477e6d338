package mail

import (
	"context"
	"embed"
	"html/template"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// The addresses of these pages.
const (
	Path           = "/mail"
	PreferencePath = "/mail/preferences"
)

const (
	pageSize     = 50
	testTemplate = "mail.test"
	again        = 2 * 24 * time.Hour // how long a message that is tried anew is worth sending
)

//go:embed messages/fr.yaml
var french []byte

//go:embed messages/en.yaml
var english []byte

//go:embed templates/*.html
var templates embed.FS

// Messages are the words of these pages and of the letters, by language, for ui.NewMessages.
func Messages() map[string][]byte { return map[string][]byte{"fr": french, "en": english} }

// pages are the handlers of this package.
type pages struct {
	p    *Post
	c    *console.Chrome
	list *template.Template
	own  *template.Template
}

// Pages makes the routes of the messages and of how a person wants to be written to, and registers
// what could not be sent as due.
func (p *Post) Pages(c *console.Chrome) ([]web.Route, error) {
	h := &pages{p: p, c: c}
	var err error
	if h.list, err = ui.Parse("console", templates, "templates/list.html"); err != nil {
		return nil, err
	}
	if h.own, err = ui.Parse("console", templates, "templates/preferences.html"); err != nil {
		return nil, err
	}
	c.AddDue(console.DueSource{Count: h.countDue, List: h.due})
	return []web.Route{
		{Pattern: "GET " + Path, Permission: actor.ReadPersons, Handler: h.messages},
		{Pattern: "GET /mail.csv", Permission: actor.ReadPersons, Handler: h.csv},
		{Pattern: "POST /mail/test", Permission: actor.ChangePersons, Handler: h.test},
		{Pattern: "POST /mail/retry", Permission: actor.ChangePersons, Handler: h.retry},
		{Pattern: "GET " + PreferencePath, Permission: actor.OwnTasks, Handler: h.preferences},
		{Pattern: "POST " + PreferencePath, Permission: actor.OwnTasks, Handler: h.setPreferences},
	}, nil
}

func (h *pages) staff() interface {
	pg.Querier
	pg.Execer
	pg.Beginner
} {
	return h.p.cfg.DB.Pool(pg.Staff)
}

type listPage struct {
	State   *ui.Notice
	Details []ui.Detail
	Test    *ui.Action
	Retry   *ui.Action
	Table   ui.Table
	Pager   ui.Pager
}

func (h *pages) messages(w http.ResponseWriter, r *web.Request) error {
	before := uuid.Nil
	if v := r.URL.Query().Get("before"); v != "" {
		var err error
		if before, err = uuid.Parse(v); err != nil {
			return console.ErrBefore()
		}
	}
	ctx, p := r.Context(), h.c.Printer(r)
	sent, err := list(ctx, h.staff(), "", before, pageSize+1)
	if err != nil {
		return err
	}
	failed, err := countFailed(ctx, h.staff())
	if err != nil {
		return err
	}
	body := &listPage{Details: h.settings(p)}
	if !h.p.On {
		body.State = &ui.Notice{Tone: ui.Info, Title: p.T("mail.off"), Text: p.T("mail.off.text")}
	}
	if r.Actor.May(actor.ChangePersons) {
		if h.p.On {
			body.Test = &ui.Action{Post: "/mail/test", Button: ui.Button{Label: p.T("mail.test.button"), Icon: "play"}}
		}
		if failed > 0 && h.p.On {
			body.Retry = &ui.Action{Post: "/mail/retry", Button: ui.Button{Label: p.T("mail.retry", "Count", failed), Icon: "refresh", Primary: true}}
		}
	}
	if before != uuid.Nil {
		body.Pager.Newer = Path
	}
	if len(sent) > pageSize {
		sent = sent[:pageSize]
		body.Pager.Older = Path + "?before=" + sent[pageSize-1].ID.String()
	}
	body.Table = h.table(r, p, sent)
	return h.c.Write(w, http.StatusOK, h.list, h.c.Page(r, "mail.title", Path, body))
}

func (h *pages) settings(p *ui.Printer) []ui.Detail {
	if !h.p.On {
		return nil
	}
	s := h.p.cfg.Settings
	where := ui.Detail{Term: p.T("mail.outbox"), Code: s.Outbox, Note: p.T("mail.outbox.text")}
	if s.Host != "" {
		where = ui.Detail{Term: p.T("mail.server"), Code: s.Host, Note: p.T("mail.server.starttls")}
		if s.Implicit {
			where.Note = p.T("mail.server.tls")
		}
	}
	return []ui.Detail{{Term: p.T("mail.from"), Code: s.From.Address}, where}
}

func (h *pages) table(r *web.Request, p *ui.Printer, sent []Sent) ui.Table {
	t := ui.Table{
		Caption: p.T("mail.caption"),
		Columns: []ui.Column{{Label: p.T("mail.when")}, {Label: p.T("mail.what")}, {Label: p.T("mail.to")}, {Label: p.T("mail.state")}},
		Empty:   &ui.Empty{Icon: "inbox", Title: p.T("mail.empty"), Text: p.T("mail.empty.text")},
	}
	names := h.c.Names(r, p)
	persons := make([]string, len(sent))
	for i, s := range sent {
		persons[i] = s.Person.String()
	}
	names.Learn(r.Context(), persons...)
	for _, s := range sent {
		state := ui.Cell{Text: p.T("mail.state." + s.State)}
		if s.Problem != "" && p.Has(s.Problem) && s.State != "sent" {
			state.Note = p.T(s.Problem)
		}
		if s.State == "waiting" && s.Attempts > 0 {
			state.Note += " " + p.T("mail.next", "At", p.Instant(s.NextAt))
		}
		t.Rows = append(t.Rows, []ui.Cell{{Text: p.Instant(s.CreatedAt)}, {Text: word(p, s.Template)}, {Text: names.Of(r.Context(), actor.Person, s.Person.String())}, state})
	}
	return t
}

// word is what a kind of message is called.
func word(p *ui.Printer, template string) string {
	if id := "mail.template." + template; p.Has(id) {
		return p.T(id)
	}
	return template
}

func (h *pages) csv(w http.ResponseWriter, r *web.Request) error {
	before, over := uuid.Nil, false
	return console.CSV(w, "mail.csv", []string{"id", "template", "person", "due", "created_at", "state", "attempts", "problem", "done_at"}, func() ([][]string, error) {
		if over {
			return nil, nil
		}
		sent, err := list(r.Context(), h.staff(), "", before, 200)
		if err != nil {
			return nil, err
		}
		over = len(sent) < 200
		rows := make([][]string, 0, len(sent))
		for _, s := range sent {
			done := ""
			if s.DoneAt.Unix() > 0 {
				done = console.Stamp(s.DoneAt)
			}
			rows = append(rows, []string{s.ID.String(), s.Template, s.Person.String(), s.Due, console.Stamp(s.CreatedAt), s.State, strconv.Itoa(s.Attempts), s.Problem, done})
			before = s.ID
		}
		return rows, nil
	})
}

// test asks for a message to the reader, who then sees whether it arrives.
func (h *pages) test(w http.ResponseWriter, r *web.Request) error {
	id, err := uuid.Parse(r.Actor.ID)
	if err != nil || r.Actor.Kind != actor.Person {
		return errs.New(errs.Denied, "web.denied", "You are not allowed to do this.").WithFix("Sign in as a person.")
	}
	err = pg.InTx(r.Context(), h.staff(), func(tx pgx.Tx) error {
		if _, err := h.p.Add(r.Context(), tx, Message{Template: testTemplate, Person: id, Due: r.ID, Expires: r.Now.Add(time.Hour)}); err != nil {
			return err
		}
		return audit.Record(r.Context(), tx, r.Actor, "mail.tested", audit.Object{Kind: "person", ID: r.Actor.ID}, nil)
	})
	if err != nil {
		return err
	}
	return web.SeeOther(w, r, Path+"?done=mail_tested")
}

func (h *pages) retry(w http.ResponseWriter, r *web.Request) error {
	err := pg.InTx(r.Context(), h.staff(), func(tx pgx.Tx) error {
		n, err := retry(r.Context(), tx, r.Now, r.Now.Add(again))
		if err != nil || n == 0 {
			return err
		}
		return audit.Record(r.Context(), tx, r.Actor, "mail.retried", audit.Object{Kind: "mail", ID: "*"}, map[string]any{"count": n})
	})
	if err != nil {
		return err
	}
	return web.SeeOther(w, r, Path+"?done=mail_retried")
}

func (p *Post) testTemplate() Template {
	return Template{Name: testTemplate, Write: func(_ context.Context, to Reader, _ Message) (*Letter, error) {
		return &Letter{Subject: to.Printer.T("mail.test.subject"), Paragraphs: []string{to.Printer.T("mail.test.text", "At", to.Printer.Instant(to.Now))}}, nil
	}}
}

type ownPage struct {
	Off    *ui.Notice
	Fields []ui.Field
}

func (h *pages) preferences(w http.ResponseWriter, r *web.Request) error {
	id, err := uuid.Parse(r.Actor.ID)
	if err != nil {
		return errs.New(errs.Denied, "web.denied", "You are not allowed to do this.").WithFix("Sign in as a person.")
	}
	now, err := preferences(r.Context(), h.staff(), id)
	if err != nil {
		return err
	}
	return h.showOwn(w, r, http.StatusOK, now, "")
}

func (h *pages) showOwn(w http.ResponseWriter, r *web.Request, status int, now Preference, wrong string) error {
	p := h.c.Printer(r)
	body := &ownPage{Fields: []ui.Field{
		{Name: "language", Type: "select", Label: p.T("mail.language"), Error: wrong, Options: []ui.Option{
			{Value: "", Label: p.T("mail.language.company"), Selected: now.Language == ""},
			{Value: "fr", Label: "Français", Selected: now.Language == "fr"},
			{Value: "en", Label: "English", Selected: now.Language == "en"},
		}},
		{Name: "digest", Type: "checkbox", Label: p.T("mail.digest.wanted"), Help: p.T("mail.digest.help"), Value: "yes", Checked: now.Digest},
	}}
	if !h.p.On {
		body.Off = &ui.Notice{Tone: ui.Info, Title: p.T("mail.off"), Text: p.T("mail.off.own")}
	}
	return h.c.Write(w, status, h.own, h.c.Page(r, "mail.own", PreferencePath, body))
}

func (h *pages) setPreferences(w http.ResponseWriter, r *web.Request) error {
	if err := r.ParseForm(); err != nil {
		return errs.New(errs.Invalid, "console.form", "What was sent could not be read.").WithFix("Go back, reload the page and try again.")
	}
	wanted := Preference{Language: r.PostForm.Get("language"), Digest: r.PostForm.Get("digest") == "yes"}
	err := pg.InTx(r.Context(), h.staff(), func(tx pgx.Tx) error {
		if err := h.p.SetPreference(r.Context(), tx, r.Actor, wanted); err != nil {
			return err
		}
		return audit.Record(r.Context(), tx, r.Actor, "mail.preference_changed", audit.Object{Kind: "person", ID: r.Actor.ID}, map[string]any{"digest": wanted.Digest})
	})
	if text, ok := console.Shown(h.c.Printer(r), err); err != nil && ok {
		return h.showOwn(w, r, http.StatusUnprocessableEntity, wanted, text)
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, r, PreferencePath+"?done=mail_preference")
}

// countDue is 1 when something could not be sent.
func (h *pages) countDue(r *web.Request) (int, error) {
	if !r.Actor.May(actor.ChangePersons) {
		return 0, nil
	}
	n, err := countFailed(r.Context(), h.staff())
	return min(n, 1), err
}

func (h *pages) due(r *web.Request, p *ui.Printer) ([]console.Due, error) {
	if !r.Actor.May(actor.ChangePersons) {
		return nil, nil
	}
	n, err := countFailed(r.Context(), h.staff())
	if err != nil || n == 0 {
		return nil, err
	}
	failed, err := list(r.Context(), h.staff(), "failed", uuid.Nil, 1)
	if err != nil || len(failed) == 0 {
		return nil, err
	}
	d := console.Due{
		What: p.T("mail.due", "Count", n), Href: Path, Why: p.T(failed[0].Problem), Since: failed[0].DoneAt, Urgency: console.Stale,
		Button: &ui.Button{Label: p.T("mail.due.button"), Href: Path},
	}
	if p.Has(failed[0].Problem + ".fix") {
		d.Next = p.T(failed[0].Problem + ".fix")
	}
	return []console.Due{d}, nil
}
