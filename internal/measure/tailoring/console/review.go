package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/measure/tailoring"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// group is what changes of one measure, or of the annex as a whole.
type group struct {
	Title, Href string
	Rows        []changeRow
}

// changeRow is one difference, side by side.
type changeRow struct {
	Field, Language, Lang string
	Effect                string
	Tone                  string // class: weakened, strengthened, wording, changed
	Before, After         []piece
}

type reviewPage struct {
	Waiting  bool
	Notices  []*ui.Notice
	Details  []ui.Detail
	Groups   []group
	Weakened int
	None     *ui.Empty
	Outdated bool // what is published cannot be compared
	Problems []problem

	Revision string
	Note     *ui.Field // of the form to submit; nil: no form
	Publish  string    // address; empty: no form
	Remark   ui.Field
	Refuse   string
	Reason   ui.Field
	Withdraw *ui.Action
	Who      *ui.Notice // who may review
	Past     *console.Past
}

func (h *pages) review(w http.ResponseWriter, r *web.Request) error {
	return h.showReview(w, r, http.StatusOK, nil)
}

func (h *pages) showReview(w http.ResponseWriter, r *web.Request, status int, wrong error) error {
	ctx, p := r.Context(), h.c.Printer(r)
	a, err := h.read(ctx)
	if err != nil {
		return err
	}
	body := &reviewPage{Revision: strconv.FormatInt(a.draft.Revision, 10), Notices: h.warnings(p, a)}
	names := h.c.Names(r, p)
	cat := a.cat
	if proposal := a.waiting(); proposal != nil {
		body.Waiting = true
		if cat, err = h.tailor(proposal.Draft.Text); err != nil {
			body.Problems = problemsOf(p, err)
		}
		if err := h.decide(r, p, names, body, proposal, cat != nil); err != nil {
			return err
		}
	} else {
		if body.Problems = problemsOf(p, a.broken); cat != nil {
			if err := h.submit(r, p, body, a); err != nil {
				return err
			}
		}
		if last := a.last; last != nil && last.Decision.Outcome == tailoring.Refused && last.Draft.Revision <= a.draft.Revision {
			body.Notices = append(body.Notices, &ui.Notice{Tone: ui.Warning, Text: last.Decision.Reason,
				Title: p.T("annexes.review.refused", "Name", names.Identity(ctx, last.Decision.By), "At", p.Instant(last.Decision.At))})
		}
	}
	body.Outdated = a.was == nil
	if cat != nil && a.was != nil {
		changes := tailoring.Diff(a.was, cat)
		body.Groups, body.Weakened = groups(p, cat, changes)
	}
	if wrong != nil {
		text, fix := p.Error(wrong)
		switch id := errorID(wrong); {
		case id == "tailoring.no_refusal_reason" && body.Refuse != "":
			body.Reason.Error, body.Reason.Focus, body.Reason.Value = text, true, r.PostForm.Get("reason")
		case len(catalogue.Problems(wrong)) > 0 && id != "tailoring.note":
			body.Problems = problemsOf(p, wrong)
		default:
			body.Notices = append([]*ui.Notice{{Tone: ui.Danger, Title: text, Text: fix, Live: true}}, body.Notices...)
		}
		if body.Note != nil {
			body.Note.Value = r.PostForm.Get("note")
		}
	}
	if body.Past, err = h.c.History(r, h.staff(), p, audit.Object{Kind: "annex", ID: "draft"}); err != nil {
		return err
	}
	return h.write(w, status, "review", h.page(r, p.T("annexes.review.title"), ReviewPath, body))
}

func errorID(err error) string {
	var known *errs.Error
	if errors.As(err, &known) {
		return known.ID
	}
	return ""
}

// submit puts the form to submit on the page, or says why there is nothing to.
func (h *pages) submit(r *web.Request, p *ui.Printer, body *reviewPage, a *annex) error {
	same := a.published != nil && a.draft.Revision <= a.published.Revision
	switch {
	case a.draft.Revision == 0 && a.published == nil:
		body.None = &ui.Empty{Icon: "scroll", Title: p.T("annexes.review.none"), Text: p.T("annexes.review.none.text"), Action: &ui.Button{Label: p.T("annexes.review.company"), Href: CompanyPath, Primary: true}}
	case same:
		body.None = &ui.Empty{Icon: "check-circle", Title: p.T("annexes.review.same"), Text: p.T("annexes.review.same.text")}
		return nil
	}
	if !r.Actor.May(actor.ChangeAnnex) {
		body.Notices = append(body.Notices, &ui.Notice{Tone: ui.Info, Title: p.T("annexes.denied"), Text: p.T("annexes.denied.text")})
		return nil
	}
	body.Note = &ui.Field{Name: "note", Type: "textarea", Rows: 3, Label: p.T("annexes.review.note"), Help: p.T("annexes.review.note.help"), MaxLength: 1000}
	return nil
}

// decide puts on the page what the reader may do with a proposal that waits.
func (h *pages) decide(r *web.Request, p *ui.Printer, names *console.Names, body *reviewPage, proposal *tailoring.Proposal, readable bool) error {
	ctx, path := r.Context(), ReviewPath+"/"+strconv.FormatInt(proposal.ID, 10)
	body.Details = []ui.Detail{
		{Term: p.T("annexes.review.by"), Text: names.Identity(ctx, proposal.By)}, {Term: p.T("annexes.review.at"), Time: proposal.At},
		{Term: p.T("annexes.review.hands"), Text: p.List(namesOf(ctx, names, proposal.Hands))}, {Term: p.T("annexes.review.hash"), Digest: proposal.Draft.Hash},
	}
	if proposal.Note != "" {
		body.Details = append(body.Details, ui.Detail{Term: p.T("annexes.review.said"), Text: proposal.Note})
	}
	if r.Actor.May(actor.ChangeAnnex) {
		body.Withdraw = &ui.Action{Post: path + "/withdraw", Button: ui.Button{Label: p.T("annexes.review.withdraw")}}
	}
	reviewer := r.Actor.Kind == actor.Person && r.Actor.May(actor.ReviewAnnex) && !proposal.HadAHand(r.Actor)
	if reviewer {
		if readable {
			body.Publish = path + "/publish"
			body.Remark = ui.Field{Name: "remark", Type: "textarea", Rows: 2, Label: p.T("annexes.review.remark"), Help: p.T("annexes.review.remark.help"), MaxLength: 1000}
		}
		body.Refuse = path + "/refuse"
		body.Reason = ui.Field{Name: "reason", Type: "textarea", Rows: 2, Label: p.T("annexes.review.reason"), Help: p.T("annexes.review.reason.help"), MaxLength: 1000, Required: true}
		return nil
	}
	who, err := h.reviewers(r, proposal)
	if err != nil {
		return err
	}
	n := &ui.Notice{Tone: ui.Info, Title: p.T("annexes.review.other"), Text: p.T("annexes.review.other.lead")}
	if !r.Actor.May(actor.ReviewAnnex) {
		n.Title = p.T("annexes.review.denied")
	}
	switch {
	case who == nil: // not for this reader to know
	case len(who) > 0:
		n.Text = p.T("annexes.review.who", "Names", who)
	default:
		n.Tone, n.Title, n.Text = ui.Warning, p.T("annexes.review.nobody"), p.T("annexes.review.nobody.text")
		n.Link = &ui.Link{Label: p.T("annexes.review.nobody.link"), Href: console.PeoplePath}
	}
	body.Who = n
	return nil
}

func namesOf(ctx context.Context, names *console.Names, list []estate.Identity) []string {
	out := make([]string, len(list))
	for i, id := range list {
		out[i] = names.Identity(ctx, id)
	}
	return out
}

// reviewers names those who may review a proposal; nil when the reader may not know persons.
func (h *pages) reviewers(r *web.Request, proposal *tailoring.Proposal) ([]string, error) {
	if !r.Actor.May(actor.ReadPersons) {
		return nil, nil
	}
	out, after := []string{}, uuid.Nil
	for {
		const batch = 200
		list, err := h.Directory.List(r.Context(), r.Actor, after, batch)
		if err != nil {
			return nil, err
		}
		for _, person := range list {
			after = person.ID
			may := slices.Contains(person.Role.Permissions(), actor.ReviewAnnex) && person.DisabledAt.IsZero()
			if may && !proposal.HadAHand(actor.Actor{Kind: actor.Person, ID: person.ID.String()}) {
				out = append(out, person.Name)
			}
		}
		if len(list) < batch || len(out) > 20 {
			return out, nil
		}
	}
}

// groups shows differences by measure, and counts what is weaker.
func groups(p *ui.Printer, cat *catalogue.Catalogue, changes []tailoring.Difference) (out []group, weakened int) {
	at := map[string]int{}
	weaker := map[[3]string]bool{}
	for _, d := range changes {
		i, ok := at[d.Measure]
		if !ok {
			g := group{Title: p.T("annexes.review.whole")}
			if d.Measure != "" {
				g.Title = d.Measure
				if _, still := cat.Measure(d.Measure); still {
					g.Title, g.Href = d.Measure+" · "+cat.Words(p.Lang(), d.Measure).Title, measurePath(d.Measure)
				}
			}
			i = len(out)
			at[d.Measure] = i
			out = append(out, g)
		}
		row := changeRow{Field: capital(fieldOf(p, d)), Lang: d.Lang, Effect: p.T("annexes.effect." + string(d.Effect)), Tone: string(d.Effect)}
		if d.Lang != "" {
			row.Language = language(p, d.Lang)
		}
		before, after := d.Before, d.After
		if d.Field == tailoring.FieldOwner {
			before, after = teamOr(p, cat, before), teamOr(p, cat, after)
		}
		row.Before, row.After = compareWords(value(p, d, before), value(p, d, after))
		out[i].Rows = append(out[i].Rows, row)
		if d.Effect == tailoring.Weakened {
			weaker[[3]string{d.Measure, d.Field, d.Name}] = true
		}
	}
	return out, len(weaker)
}

func teamOr(p *ui.Printer, cat *catalogue.Catalogue, key string) string {
	if s := cat.TeamName(p.Lang(), key); s != "" {
		return s
	}
	return key
}

// fieldOf is what a difference is about, in words.
func fieldOf(p *ui.Printer, d tailoring.Difference) string {
	switch d.Field {
	case tailoring.FieldParameter:
		if name := called(p, d.Name); name != d.Name {
			return name
		}
		return p.T("annexes.field."+d.Field) + " " + d.Name
	case tailoring.FieldTeam:
		return p.T("annexes.field."+d.Field) + " " + d.Name
	case tailoring.FieldAnswer:
		return p.T("annexes.field."+d.Field) + " " + d.Name
	case tailoring.FieldCompany:
		return p.T("annexes.field.company." + d.Name)
	}
	return p.T("annexes.field." + d.Field)
}

func (h *pages) propose(w http.ResponseWriter, r *web.Request) error {
	if err := form(r); err != nil {
		return err
	}
	seen, err := revision(r)
	if err != nil {
		return err
	}
	if seen == 0 { // the catalogue as it comes
		draft, err := h.Book.Edit(r.Context(), r.Actor, 0, "")
		if err != nil {
			return h.decided(w, r, err, "")
		}
		seen = draft.Revision
	}
	_, err = h.Book.Propose(r.Context(), r.Actor, seen, r.PostForm.Get("note"))
	return h.decided(w, r, err, "annex_proposed")
}

// proposalOf is the proposal that the address names.
func proposalOf(r *web.Request) int64 {
	n, err := strconv.ParseInt(r.PathValue("proposal"), 10, 64)
	if err != nil {
		return 0 // there is none of that number
	}
	return n
}

func (h *pages) withdraw(w http.ResponseWriter, r *web.Request) error {
	return h.decided(w, r, h.Book.Withdraw(r.Context(), r.Actor, proposalOf(r)), "annex_withdrawn")
}

func (h *pages) publish(w http.ResponseWriter, r *web.Request) error {
	if err := form(r); err != nil {
		return err
	}
	_, err := h.Book.Publish(r.Context(), r.Actor, proposalOf(r), r.PostForm.Get("remark"))
	if err == nil && h.Published != nil {
		h.Published()
	}
	return h.decided(w, r, err, "annex_published")
}

func (h *pages) refuse(w http.ResponseWriter, r *web.Request) error {
	if err := form(r); err != nil {
		return err
	}
	return h.decided(w, r, h.Book.Refuse(r.Context(), r.Actor, proposalOf(r), r.PostForm.Get("reason")), "annex_refused")
}

func (h *pages) decided(w http.ResponseWriter, r *web.Request, err error, done string) error {
	switch {
	case err == nil && done == "annex_published":
		return web.SeeOther(w, r, Path+"?done="+done)
	case err == nil:
		return web.SeeOther(w, r, ReviewPath+"?done="+done)
	case correctable(err), errorID(err) == "tailoring.second_person":
		if r.PostForm == nil {
			if err := form(r); err != nil {
				return err
			}
		}
		return h.showReview(w, r, http.StatusUnprocessableEntity, err)
	}
	return err
}
