package portal

import (
	"net/http"

	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

type listPage struct {
	Table ui.Table
	Pager ui.Pager
}

// signIns are the tokens that were minted for the customer: who signed in, and which jobs ran.
func (p *Portal) signIns(w http.ResponseWriter, r *web.Request, v *visit) error {
	pr := p.printer(r)
	before := r.URL.Query().Get("before")
	list, next, err := v.SignIns(r.Context(), before, pageSize)
	if err != nil {
		return err
	}
	own := &listPage{Table: ui.Table{
		Caption: pr.T("portal.signins.title"),
		Columns: []ui.Column{{Label: pr.T("portal.when")}, {Label: pr.T("portal.whom")}, {Label: pr.T("portal.signins.where")}, {Label: pr.T("portal.signins.access")}, {Label: pr.T("portal.signins.until")}},
		Empty:   &ui.Empty{Icon: "key", Title: pr.T("portal.signins.empty"), Text: pr.T("portal.signins.empty.text")},
	}}
	for _, s := range list {
		whom := ui.Cell{Text: pr.T("portal.kind." + s.Kind)}
		switch {
		case s.Kind == "login" && s.Subject != "" && s.Subject == v.who.Subject:
			whom.Text = pr.T("portal.who.you")
		case s.Kind == "login" && s.Subject != "":
			whom.Text = pr.T("portal.who.user", "ID", short(s.Subject))
		case s.Kind == "service":
			whom.Note = s.Purpose
		}
		until := ui.Cell{Text: pr.Clock(s.Expires)}
		if s.Ended != nil {
			until = ui.Cell{Chip: pr.T("portal.signins.ended"), Note: pr.Instant(*s.Ended)}
		}
		where := ui.Cell{Text: s.Database}
		if s.Database == "@garant" {
			where = ui.Cell{Text: pr.T("portal.signins.here")}
		}
		own.Table.Rows = append(own.Table.Rows, []ui.Cell{{Text: pr.Instant(s.At)}, whom, where, {Text: pr.T("portal.access." + s.Access)}, until})
	}
	if before != "" {
		own.Pager.Newer = signInPath
	}
	if next != "" {
		own.Pager.Older = ui.At(signInPath, nil, "before", next)
	}
	return p.write(w, http.StatusOK, "signins", p.page(r, pr, v, signInPath, "portal.signins.title", own))
}

// jobs are the service jobs of the customer.
func (p *Portal) jobs(w http.ResponseWriter, r *web.Request, v *visit) error {
	pr := p.printer(r)
	before := r.URL.Query().Get("before")
	list, next, err := v.Jobs(r.Context(), before, pageSize)
	if err != nil {
		return err
	}
	own := &listPage{Table: ui.Table{
		Caption: pr.T("portal.jobs.title"),
		Columns: []ui.Column{{Label: pr.T("portal.jobs.name")}, {Label: pr.T("portal.jobs.why")}, {Label: pr.T("portal.signins.access")}, {Label: pr.T("portal.jobs.accepted")}, {Label: pr.T("portal.jobs.ends")}},
		Empty:   &ui.Empty{Icon: "clock", Title: pr.T("portal.jobs.empty"), Text: pr.T("portal.jobs.empty.text")},
	}}
	for _, j := range list {
		name := ui.Cell{Strong: j.Name, Note: j.Database}
		if j.Any {
			name.Note = j.Database + " · " + pr.T("portal.jobs.any")
		}
		ends := ui.Cell{Text: pr.Day(j.EndsAt)}
		switch {
		case j.WithdrawnAt != nil:
			ends = ui.Cell{Chip: pr.T("portal.jobs.withdrawn"), Note: pr.Instant(*j.WithdrawnAt)}
		case !r.Now.Before(j.EndsAt):
			ends.Chip = pr.T("portal.jobs.over")
		}
		own.Table.Rows = append(own.Table.Rows, []ui.Cell{name, {Text: j.Why}, {Text: pr.T("portal.access." + j.Access)}, {Text: pr.Day(j.AcceptedAt)}, ends})
	}
	if before != "" {
		own.Pager.Newer = jobsPath
	}
	if next != "" {
		own.Pager.Older = ui.At(jobsPath, nil, "before", next)
	}
	return p.write(w, http.StatusOK, "jobs", p.page(r, pr, v, jobsPath, "portal.jobs.title", own))
}
