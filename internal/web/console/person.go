package console

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

type personPage struct {
	Path     string
	Details  []ui.Detail
	Sessions ui.Table
	Past     *Past
	Changes  bool // the reader may change the person
	Disabled bool
	Role     []ui.Field
	Seat     ui.Field // without a name: the person is no auditor
	Purpose  directory.Purpose
	Alert    string // what is wrong with the change that was asked for
}

// personOf finds the person of the address.
func (h *pages) personOf(r *web.Request) (directory.Person, error) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return directory.Person{}, errs.New(errs.NotFound, "directory.no_person", "There is no such person.").WithFix("Look in the list of persons.")
	}
	return h.Directory.Person(r.Context(), r.Actor, id)
}

func (h *pages) person(w http.ResponseWriter, r *web.Request) error {
	return h.showPerson(w, r, http.StatusOK, "")
}

func (h *pages) showPerson(w http.ResponseWriter, r *web.Request, status int, alert string) error {
	person, err := h.personOf(r)
	if err != nil {
		return err
	}
	ctx, staff, p := r.Context(), h.DB.Pool(pg.Staff), h.c.Printer(r)
	body := &personPage{
		Path: PeoplePath + "/" + person.ID.String(), Changes: r.Actor.May(actor.ChangePersons), Disabled: !person.DisabledAt.IsZero(), Alert: alert,
		Role: []ui.Field{
			{Name: "role", Type: "select", Label: p.T("console.person.role.label"), Options: roleOptions(p, person.Role), Help: p.T("console.person.role.help")},
		},
		Purpose: directory.SignIn,
	}
	if person.Role == actor.Auditor {
		body.Seat = seatField(p, lastDay(p, person.Until), "", r.Now)
		body.Seat.Required, body.Seat.Help = true, p.T("console.seat.help.longest")
	} else {
		body.Role = append(body.Role, seatField(p, "", "", r.Now))
	}
	if person.Passkeys > 0 {
		body.Purpose = directory.Recover
	}
	body.Details = personDetails(p, person, r.Now)
	sessions, err := openSessions(ctx, staff, person.ID, h.Directory.Policy().Idle, r.Now)
	if err != nil {
		return err
	}
	body.Sessions = sessionTable(p, sessions)
	if body.Past, err = h.c.History(r, staff, p, audit.Object{Kind: "person", ID: person.ID.String()}); err != nil {
		return err
	}
	page := h.c.Page(r, "console.people.title", PeoplePath, body)
	page.Crumbs = []ui.Link{{Label: page.Title, Href: PeoplePath}, {Label: personName(p, person)}}
	page.Title = personName(p, person)
	if r.Method == http.MethodPost {
		page.Path = body.Path
	}
	return h.write(w, status, "person", page)
}

func personDetails(p *ui.Printer, person directory.Person, now time.Time) []ui.Detail {
	details := []ui.Detail{
		{Term: p.T("console.people.email"), Text: person.Email},
		{Term: p.T("console.people.role"), Text: p.Role(person.Role), Note: p.T("console.role." + string(person.Role) + ".about")},
		{Term: p.T("console.people.passkeys"), Text: p.T("console.people.no_passkey")},
		{Term: p.T("console.person.added"), Time: person.CreatedAt},
		{Term: p.T("console.people.seen"), Time: person.LastSeenAt},
	}
	if person.Passkeys > 0 {
		details[2].Text = p.Number(int64(person.Passkeys))
	}
	if person.LastSeenAt.IsZero() {
		details[4].Text = p.T("console.people.never")
	}
	if person.Unreadable {
		details[0].Text = p.T("console.person.unreadable")
	}
	if !person.Until.IsZero() {
		details = append(details, ui.Detail{Term: p.T("console.seat.end"), Time: person.Until, Note: seatNote(p, person.Until, now)})
	}
	if !person.DisabledAt.IsZero() {
		details = append(details, ui.Detail{Term: p.T("console.person.disabled"), Time: person.DisabledAt})
	}
	return details
}

func sessionTable(p *ui.Printer, sessions []openSession) ui.Table {
	t := ui.Table{
		Caption: p.T("console.session.caption"),
		Columns: []ui.Column{{Label: p.T("console.session.device")}, {Label: p.T("console.session.opened")}, {Label: p.T("console.session.seen")}},
		Empty:   &ui.Empty{Icon: "passkey", Title: p.T("console.session.empty")},
	}
	for _, s := range sessions {
		device := ui.Cell{Text: s.Agent, Note: s.Origin}
		if device.Text == "" {
			device.Text = p.T("console.session.unknown")
		}
		opened := ui.Cell{Time: s.OpenedAt, Note: p.T("console.session." + s.Method)}
		if !s.Enrolled {
			opened.Note = p.T("console.session.enrolling")
		}
		t.Rows = append(t.Rows, []ui.Cell{device, opened, {Time: s.LastSeenAt}})
	}
	return t
}

// change carries out a change of the person of the address, then shows the person.
func (h *pages) change(w http.ResponseWriter, r *web.Request, done string, do func(id uuid.UUID) error) error {
	if err := form(r); err != nil {
		return err
	}
	person, err := h.personOf(r)
	if err != nil {
		return err
	}
	if err := do(person.ID); err != nil {
		if text, ok := Shown(h.c.Printer(r), err); ok {
			return h.showPerson(w, r, http.StatusUnprocessableEntity, text)
		}
		return err
	}
	return web.SeeOther(w, r, PeoplePath+"/"+person.ID.String()+"?done="+done)
}

func (h *pages) changeRole(w http.ResponseWriter, r *web.Request) error {
	return h.change(w, r, "role_changed", func(id uuid.UUID) error {
		until, err := h.seatUntil(r, r.PostForm.Get("until"))
		if err != nil {
			return err
		}
		switch role := actor.Role(r.PostForm.Get("role")); {
		case role == actor.Auditor && r.PostForm.Has("until"):
			return h.Directory.SetSeat(r.Context(), r.Actor, id, until, r.Now)
		case role == actor.Auditor: // of an auditor, whose form asks for no end: nothing changes
			return nil
		case !until.IsZero():
			return errSeatRole()
		default:
			return h.Directory.ChangeRole(r.Context(), r.Actor, id, role, r.Now)
		}
	})
}

func (h *pages) disable(w http.ResponseWriter, r *web.Request) error {
	return h.change(w, r, "person_disabled", func(id uuid.UUID) error {
		return h.Directory.Disable(r.Context(), r.Actor, id, r.Now)
	})
}

func (h *pages) enable(w http.ResponseWriter, r *web.Request) error {
	return h.change(w, r, "person_enabled", func(id uuid.UUID) error {
		return h.Directory.Enable(r.Context(), r.Actor, id, r.Now)
	})
}

type linkPage struct {
	Back      string
	Name      string
	URL       string
	ExpiresAt time.Time
	Recover   bool
}

// makeLink shows a one-time link in its own answer: an address or a cookie to show it on another
// page would keep what must not be kept.
func (h *pages) makeLink(w http.ResponseWriter, r *web.Request) error {
	if err := form(r); err != nil {
		return err
	}
	person, err := h.personOf(r)
	if err != nil {
		return err
	}
	purpose := directory.Purpose(r.PostForm.Get("purpose"))
	link, err := h.Directory.CreateLink(r.Context(), r.Actor, person.ID, purpose, r.Now)
	if err != nil {
		if text, ok := Shown(h.c.Printer(r), err); ok {
			return h.showPerson(w, r, http.StatusUnprocessableEntity, text)
		}
		return err
	}
	p := h.c.Printer(r)
	body := &linkPage{
		Back: PeoplePath + "/" + person.ID.String(), Name: personName(p, person), URL: h.LinkURL(link.Token),
		ExpiresAt: link.ExpiresAt, Recover: purpose == directory.Recover,
	}
	page := h.c.Page(r, "console.link.title", PeoplePath, body)
	page.Path = body.Back
	page.Crumbs = []ui.Link{{Label: p.T("console.people.title"), Href: PeoplePath}, {Label: body.Name, Href: body.Back}, {Label: page.Title}}
	return h.write(w, http.StatusOK, "link", page)
}
