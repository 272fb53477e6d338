package console

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

type peoplePage struct {
	Table ui.Table
	Pager ui.Pager
	Add   []ui.Field // empty: not for this reader
	Roles []ui.Detail
}

func (h *pages) people(w http.ResponseWriter, r *web.Request) error {
	return h.showPeople(w, r, http.StatusOK, personForm{})
}

// personForm is what somebody wrote to add a person, with what is wrong with it.
type personForm struct {
	email, name, role, until                     string
	wrongEmail, wrongName, wrongRole, wrongUntil string
}

func (h *pages) showPeople(w http.ResponseWriter, r *web.Request, status int, f personForm) error {
	after := uuid.Nil
	if v := r.URL.Query().Get("after"); v != "" {
		var err error
		if after, err = uuid.Parse(v); err != nil {
			return ErrBefore()
		}
	}
	list, err := h.Directory.List(r.Context(), r.Actor, after, pageSize+1)
	if err != nil {
		return err
	}
	p := h.c.Printer(r)
	body := &peoplePage{Table: ui.Table{
		Caption: p.T("console.people.caption"),
		Columns: []ui.Column{{Label: p.T("console.people.name")}, {Label: p.T("console.people.role")}, {Label: p.T("console.people.passkeys")}, {Label: p.T("console.people.seen")}},
		Empty:   &ui.Empty{Icon: "users", Title: p.T("console.people.empty"), Text: p.T("console.people.empty.text")},
	}}
	if after != uuid.Nil {
		body.Pager.Older = PeoplePath
	}
	if len(list) > pageSize {
		list = list[:pageSize]
		body.Pager.Newer = PeoplePath + "?after=" + list[pageSize-1].ID.String()
	}
	for _, person := range list {
		body.Table.Rows = append(body.Table.Rows, personRow(p, person, r.Now))
	}
	if r.Actor.May(actor.ChangePersons) {
		body.Add = f.fields(p, r.Now)
	}
	for _, role := range actor.Roles() {
		body.Roles = append(body.Roles, ui.Detail{Term: p.Role(role), Text: p.T("console.role." + string(role) + ".about")})
	}
	return h.write(w, status, "people", h.c.Page(r, "console.people.title", PeoplePath, body))
}

// personName is what a person is called on pages.
func personName(p *ui.Printer, person directory.Person) string {
	if person.Unreadable {
		return p.T("console.people.unreadable", "ID", ShortID(person.ID.String()))
	}
	return person.Name
}

func personRow(p *ui.Printer, person directory.Person, now time.Time) []ui.Cell {
	name := ui.Cell{Link: &ui.Link{Label: personName(p, person), Href: PeoplePath + "/" + person.ID.String()}, Note: person.Email}
	if !person.DisabledAt.IsZero() {
		name.Chip = p.T("console.people.disabled")
	}
	keys := ui.Cell{Text: p.T("console.people.no_passkey")}
	if person.Passkeys > 0 {
		keys.Text = p.Number(int64(person.Passkeys))
	}
	seen := ui.Cell{Time: person.LastSeenAt}
	if person.LastSeenAt.IsZero() {
		seen.Text = p.T("console.people.never")
	}
	role := ui.Cell{Text: p.Role(person.Role)}
	if !person.Until.IsZero() {
		role.Note = seatNote(p, person.Until, now)
	}
	return []ui.Cell{name, role, keys, seen}
}

func (f personForm) fields(p *ui.Printer, now time.Time) []ui.Field {
	fields := []ui.Field{
		{Name: "name", Label: p.T("console.people.name"), Value: f.name, Error: f.wrongName, Required: true, Autocomplete: "off", MaxLength: 80},
		{Name: "email", Type: "email", Label: p.T("console.people.email"), Value: f.email, Error: f.wrongEmail, Required: true, Autocomplete: "off", MaxLength: 254},
		{Name: "role", Type: "select", Label: p.T("console.people.role"), Error: f.wrongRole, Required: true, Options: roleOptions(p, actor.Role(f.role))},
		seatField(p, f.until, f.wrongUntil, now),
	}
	for i := range fields {
		if fields[i].Error != "" {
			fields[i].Focus = true
			break
		}
	}
	return fields
}

func roleOptions(p *ui.Printer, chosen actor.Role) []ui.Option {
	var options []ui.Option
	for _, role := range actor.Roles() {
		options = append(options, ui.Option{Value: string(role), Label: p.Role(role), Selected: role == chosen})
	}
	return options
}

func (h *pages) addPerson(w http.ResponseWriter, r *web.Request) error {
	if err := form(r); err != nil {
		return err
	}
	f := personForm{email: r.PostForm.Get("email"), name: r.PostForm.Get("name"), role: r.PostForm.Get("role"), until: r.PostForm.Get("until")}
	person, err := h.add(r, f)
	if err == nil {
		return web.SeeOther(w, r, PeoplePath+"/"+person.ID.String()+"?done=person_added")
	}
	text, ok := Shown(h.c.Printer(r), err)
	var known *errs.Error
	if !ok || !errors.As(err, &known) {
		return err
	}
	switch known.ID {
	case "directory.email", "directory.email_taken":
		f.wrongEmail = text
	case "directory.name":
		f.wrongName = text
	case "directory.role":
		f.wrongRole = text
	case "directory.seat_end", "directory.seat_length", "directory.seat_role", "console.seat":
		f.wrongUntil = text
	default:
		return err
	}
	return h.showPeople(w, r, http.StatusUnprocessableEntity, f)
}

// add adds whom a form tells of.
func (h *pages) add(r *web.Request, f personForm) (directory.Person, error) {
	until, err := h.seatUntil(r, f.until)
	if err != nil {
		return directory.Person{}, err
	}
	switch role := actor.Role(f.role); {
	case role == actor.Auditor:
		return h.Directory.AddAuditor(r.Context(), r.Actor, f.email, f.name, until, r.Now)
	case !until.IsZero():
		return directory.Person{}, errSeatRole()
	default:
		return h.Directory.AddPerson(r.Context(), r.Actor, f.email, f.name, role, r.Now)
	}
}

// peopleCSV exports the persons. That it was done is in the record.
func (h *pages) peopleCSV(w http.ResponseWriter, r *web.Request) error {
	err := pg.InTx(r.Context(), h.DB.Pool(pg.Staff), func(tx pgx.Tx) error {
		return audit.Record(r.Context(), tx, r.Actor, "person.exported", audit.Object{Kind: "person", ID: "*"}, nil)
	})
	if err != nil {
		return err
	}
	after, over := uuid.Nil, false
	return CSV(w, "people.csv", []string{"id", "name", "email", "role", "created_at", "disabled_at", "access_until", "passkeys", "last_seen_at"}, func() ([][]string, error) {
		if over {
			return nil, nil
		}
		const batch = 200
		list, err := h.Directory.List(r.Context(), r.Actor, after, batch)
		if err != nil {
			return nil, err
		}
		over = len(list) < batch
		rows := make([][]string, 0, len(list))
		for _, p := range list {
			rows = append(rows, []string{p.ID.String(), p.Name, p.Email, string(p.Role), Stamp(p.CreatedAt), Stamp(p.DisabledAt), Stamp(p.Until), strconv.Itoa(p.Passkeys), Stamp(p.LastSeenAt)})
			after = p.ID
		}
		return rows, nil
	})
}

// countPeople is 1 when somebody has no passkey: one line of the desk tells of all of them.
func (h *pages) countPeople(r *web.Request) (int, error) {
	if !r.Actor.May(actor.ReadPersons) {
		return 0, nil
	}
	n, err := countWithoutPasskey(r.Context(), h.DB.Pool(pg.Staff))
	return min(n, 1), err
}

func (h *pages) duePeople(r *web.Request, p *ui.Printer) ([]Due, error) {
	if !r.Actor.May(actor.ReadPersons) {
		return nil, nil
	}
	ctx, staff := r.Context(), h.DB.Pool(pg.Staff)
	n, err := countWithoutPasskey(ctx, staff)
	if err != nil || n == 0 {
		return nil, err
	}
	const named = 4
	ids, err := withoutPasskey(ctx, staff, named)
	if err != nil {
		return nil, err
	}
	due := Due{
		What: p.T("console.due.passkey", "Count", n), Href: PeoplePath, Why: p.T("console.due.passkey.why"),
		Next: p.T("console.due.passkey.next"), Urgency: Soon, Whom: p.Role(actor.Lead), Mine: r.Actor.May(actor.ChangePersons),
		Button: &ui.Button{Label: p.T("console.due.passkey.button"), Href: PeoplePath},
	}
	names := h.c.Names(r, p)
	shown := make([]string, len(ids))
	for i, id := range ids {
		shown[i] = id.String()
	}
	names.Learn(ctx, shown...)
	for _, id := range ids {
		due.Lines = append(due.Lines, DueLine{Text: names.person(ctx, id.String())})
	}
	if n == 1 {
		due.Button.Href = PeoplePath + "/" + ids[0].String()
	}
	if n > named {
		due.Lines = append(due.Lines, DueLine{Text: p.T("console.due.more", "Count", n-named)})
	}
	return []Due{due}, nil
}

// reviewers are the roles that may publish what somebody else has drafted.
func reviewers() []string {
	var roles []string
	for _, role := range actor.Roles() {
		if slices.Contains(role.Permissions(), actor.ReviewAnnex) {
			roles = append(roles, string(role))
		}
	}
	return roles
}

// alone reports whether the company cannot publish its annex for want of a second person.
func (h *pages) alone(r *web.Request) (bool, error) {
	if !r.Actor.May(actor.ChangePersons) || h.c.Private == nil || !h.c.Private(r.Context()) {
		return false, nil
	}
	n, err := countRoles(r.Context(), h.DB.Pool(pg.Staff), reviewers())
	return n < 2, err
}

func (h *pages) countSecond(r *web.Request) (int, error) {
	alone, err := h.alone(r)
	if alone {
		return 1, err
	}
	return 0, err
}

// dueSecond says before the first publication that it takes two.
func (h *pages) dueSecond(r *web.Request, p *ui.Printer) ([]Due, error) {
	alone, err := h.alone(r)
	if err != nil || !alone {
		return nil, err
	}
	return []Due{{
		What: p.T("console.due.second"), Href: PeoplePath + "#add", Why: p.T("console.due.second.why"), Next: p.T("console.due.second.next"),
		Whom: p.Role(actor.Lead), Mine: true, Urgency: Soon, Button: &ui.Button{Label: p.T("console.due.second.button"), Href: PeoplePath + "#add"},
	}}, nil
}
