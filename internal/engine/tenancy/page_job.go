package tenancy

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// askPage is the form by which a service job is asked for.
type askPage struct {
	Path   string
	About  string
	Alert  string
	Fields []ui.Field
}

func (h *pages) ask(w http.ResponseWriter, r *web.Request) error {
	d, err := h.find(r)
	if err != nil {
		return err
	}
	zone := h.c.Printer(r).Zone()
	return h.showAsk(w, r, http.StatusOK, d, map[string]string{"access": "r", "ends": dayBefore(r.Now, zone, -30).Format(time.DateOnly)}, nil)
}

func (h *pages) showAsk(w http.ResponseWriter, r *web.Request, status int, d Database, given map[string]string, wrong error) error {
	p := h.c.Printer(r)
	body := &askPage{Path: pathOf(d.Name) + "/jobs", About: p.T("tenancy.ask.lead", "Longest", d.declared.Job)}
	var e *errs.Error
	field, said := "", ""
	if wrong != nil {
		text, fix := p.Error(wrong)
		said = strings.TrimSpace(text + " " + fix)
		if errors.As(wrong, &e) {
			field, _ = e.Args["Field"].(string)
		}
		if field == "" {
			body.Alert = said
		}
	}
	last := dayBefore(r.Now, p.Zone(), -int(d.declared.Job/(24*time.Hour)))
	body.Fields = []ui.Field{
		{Name: "name", Label: p.T("tenancy.ask.name"), Help: p.T("tenancy.ask.name.help"), Required: true, MaxLength: 63, Autocomplete: "off"},
		{Name: "why", Label: p.T("tenancy.ask.why"), Help: p.T("tenancy.ask.why.help"), Required: true, Type: "textarea", MaxLength: maxReason},
		{Name: "access", Label: p.T("tenancy.job.access"), Type: "select", Options: []ui.Option{{Value: "r", Label: p.T("tenancy.reads"), Selected: given["access"] != "w"}, {Value: "w", Label: p.T("tenancy.writes"), Selected: given["access"] == "w"}}},
		{Name: "tenants", Label: p.T("tenancy.job.tenants"), Help: p.T("tenancy.ask.tenants.help", "Type", d.KeyType), Type: "textarea", MaxLength: 50_000},
		{Name: "any", Label: p.T("tenancy.ask.any"), Help: p.T("tenancy.ask.any.help"), Type: "checkbox", Checked: given["any"] != ""},
		{Name: "ends", Label: p.T("tenancy.ask.ends"), Type: "date", Required: true, Min: dayBefore(r.Now, p.Zone(), -1).Format(time.DateOnly), Max: last.Format(time.DateOnly)},
	}
	for i := range body.Fields {
		f := &body.Fields[i]
		if f.Type != "checkbox" {
			f.Value = given[f.Name]
		}
		if f.Name == field {
			f.Error, f.Focus = said, true
		}
	}
	page := h.page(r, p.T("tenancy.ask"), body, ui.Link{Label: d.Name, Href: pathOf(d.Name)})
	if r.Method == http.MethodPost {
		page.Path = body.Path + "/new"
	}
	return h.write(w, status, "ask", page)
}

func (h *pages) asked(w http.ResponseWriter, r *web.Request) error {
	d, err := h.find(r)
	if err != nil {
		return err
	}
	if err := readForm(r); err != nil {
		return err
	}
	given := map[string]string{}
	for _, name := range []string{"name", "why", "access", "tenants", "any", "ends"} {
		given[name] = strings.ReplaceAll(r.PostForm.Get(name), "\r\n", "\n")
	}
	a := Ask{
		Database: d.Name, Name: strings.TrimSpace(given["name"]), Why: given["why"], Write: given["access"] == "w", AnyTenant: given["any"] != "",
		Tenants: strings.FieldsFunc(given["tenants"], func(r rune) bool { return r == '\n' || r == ',' || r == ';' || r == ' ' || r == '\t' }),
	}
	if day, err := time.ParseInLocation(time.DateOnly, given["ends"], h.c.Printer(r).Zone()); err == nil {
		a.EndsAt = day.AddDate(0, 0, 1) // that day included
	}
	id, err := h.t.AskJob(r.Context(), r.Actor, a)
	if errs.Is(err, errs.Invalid) || errs.Is(err, errs.Conflict) {
		return h.showAsk(w, r, http.StatusUnprocessableEntity, d, given, err)
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, r, pathOf(d.Name)+"/jobs/"+id.String()+"?done=tenancy_asked")
}

// jobPage is a service job.
type jobPage struct {
	Path     string
	Alert    string
	Details  []ui.Detail
	Accept   bool // the reader may decide
	Any      *ui.Field
	Reason   ui.Field
	Second   *ui.Notice // why the reader may not decide
	Withdraw bool
	Why      ui.Field // of the withdrawal
	Past     *console.Past
	Recipe   *ui.Code
}

// jobIn is the job that an address names.
func (h *pages) jobIn(r *web.Request) (Database, Job, error) {
	d, err := h.find(r)
	if err != nil {
		return d, Job{}, err
	}
	missing := errs.New(errs.NotFound, "tenancy.no_job", "There is no such service job.").WithFix("Look for it on the page of its database.")
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return d, Job{}, missing
	}
	j, err := h.t.jobOf(r.Context(), h.t.DB.Pool(pg.Staff), id)
	if err == nil && j.Database != d.Name {
		err = missing
	}
	return d, j, err
}

func (h *pages) job(w http.ResponseWriter, r *web.Request) error {
	return h.showJob(w, r, http.StatusOK, nil)
}

func (h *pages) showJob(w http.ResponseWriter, r *web.Request, status int, wrong error) error {
	d, j, err := h.jobIn(r)
	if err != nil {
		return err
	}
	p := h.c.Printer(r)
	names := h.c.Names(r, p)
	body := &jobPage{Path: jobPath(j)}
	body.Details = []ui.Detail{
		{Term: p.T("tenancy.state"), Text: p.T("tenancy.job.state." + string(j.State))},
		{Term: p.T("tenancy.ask.why"), Text: j.Why},
		{Term: p.T("tenancy.job.access"), Text: accessWord(p, j.Write)},
		{Term: p.T("tenancy.job.tenants"), Text: tenantsWord(p, j), Note: strings.Join(j.Tenants, ", ")},
		{Term: p.T("tenancy.job.ends"), Time: j.EndsAt},
		{Term: p.T("tenancy.job.asked"), Time: j.AskedAt, Note: who(names, r, j.AskedBy)},
	}
	if j.DecidedAt != nil {
		body.Details = append(body.Details, ui.Detail{Term: p.T("tenancy.job.decided"), Time: *j.DecidedAt, Note: who(names, r, j.DecidedBy)})
	}
	if j.Reason != "" {
		body.Details = append(body.Details, ui.Detail{Term: p.T("tenancy.reason"), Text: j.Reason})
	}
	body.Reason = ui.Field{Name: "reason", Label: p.T("tenancy.reason"), Required: true, Type: "textarea", Rows: 2, MaxLength: maxReason}
	body.Why = ui.Field{Name: "why", Label: p.T("tenancy.reason"), Type: "textarea", Rows: 2, MaxLength: maxReason}
	if j.State == JobAsked && r.Actor.May(actor.AcceptJobs) {
		if body.Accept = j.AskedBy != identity(r.Actor); !body.Accept {
			body.Second = &ui.Notice{Tone: ui.Info, Text: p.T("tenancy.job.second")}
		}
		if j.AnyTenant {
			body.Any = &ui.Field{Name: "any", Label: p.T("tenancy.job.any.confirm"), Type: "checkbox", Required: true}
		}
	}
	body.Withdraw = (j.State == JobAsked || j.State == JobAccepted) && r.Actor.May(actor.ChangeTenancy)
	if j.State == JobAccepted {
		body.Recipe = &ui.Code{Label: p.T("tenancy.job.recipe"), Text: recipe(j)}
	}
	if wrong != nil {
		text, fix := p.Error(wrong)
		body.Alert = strings.TrimSpace(text + " " + fix)
	}
	if body.Past, err = h.c.History(r, h.t.DB.Pool(pg.Staff), p, jobObject(j.ID)); err != nil {
		return err
	}
	page := h.page(r, j.Name, body, ui.Link{Label: d.Name, Href: pathOf(d.Name)})
	if r.Method == http.MethodPost {
		page.Path = body.Path
	}
	return h.write(w, status, "job", page)
}

// recipe is how a program asks for a token of the job.
func recipe(j Job) string {
	scope := ""
	if !j.Write {
		scope = " \\\n  -d scope=read"
	}
	return `curl https://GARANT` + web.APIPath + tokenPath + ` \
  -H "Authorization: Bearer $GARANT_TOKEN" \
  -d grant_type=` + grantClient + ` -d audience=` + j.Database + ` \
  -d purpose=` + j.Name + ` -d tenant=KEY` + scope
}

// decided leads back to the page of the job, or shows it with what went wrong.
func (h *pages) decided(w http.ResponseWriter, r *web.Request, err error, done string) error {
	if errs.Is(err, errs.Invalid) || errs.Is(err, errs.Conflict) || errs.Is(err, errs.Unavailable) {
		return h.showJob(w, r, http.StatusUnprocessableEntity, err)
	}
	if err != nil {
		return err
	}
	return web.SeeOther(w, r, r.URL.Path[:strings.LastIndex(r.URL.Path, "/")]+"?done="+done)
}

func (h *pages) accept(w http.ResponseWriter, r *web.Request) error {
	if err := readForm(r); err != nil {
		return err
	}
	_, j, err := h.jobIn(r)
	if err != nil {
		return err
	}
	return h.decided(w, r, h.t.AcceptJob(r.Context(), r.Actor, j.ID, r.PostForm.Get("any") != ""), "tenancy_accepted")
}

func (h *pages) refuse(w http.ResponseWriter, r *web.Request) error {
	if err := readForm(r); err != nil {
		return err
	}
	_, j, err := h.jobIn(r)
	if err != nil {
		return err
	}
	return h.decided(w, r, h.t.RefuseJob(r.Context(), r.Actor, j.ID, r.PostForm.Get("reason")), "tenancy_refused")
}

func (h *pages) withdraw(w http.ResponseWriter, r *web.Request) error {
	if err := readForm(r); err != nil {
		return err
	}
	_, j, err := h.jobIn(r)
	if err != nil {
		return err
	}
	err = h.t.WithdrawJob(r.Context(), r.Actor, j.ID, r.PostForm.Get("why"))
	var x *trouble
	if errors.As(err, &x) {
		err = nil // withdrawn: the database is told as soon as it can be reached
	}
	return h.decided(w, r, err, "tenancy_withdrawn")
}
