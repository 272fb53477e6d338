package anonymise

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/engine/anonymise/plan"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// changesShown is how many changes of a schema are listed.
const changesShown = 60

// developersPage says how to work with the copy.
type developersPage struct {
	Path    string
	Tabs    []tab
	Alert   string
	Notices []*ui.Notice
	Details []ui.Detail
	Roles   []roleView
	Reveal  bool // the reader may see passwords
	Rotate  bool // and may replace them
	Root    bool // the address names a certificate by a path of Garant's machine
	Changes []changeView
	Pull    ui.Code
	LeftOut []string
	Word    string
	Why     string
}

// roleView is a developers' role.
type roleView struct {
	Name    string
	ID      string
	Psql    ui.Code
	Env     ui.Code
	Details []ui.Detail
	Issued  bool
	Sure    ui.Field
}

// changeView is a copy whose schema was another than that of the one before.
type changeView struct {
	Link  ui.Link
	Table ui.Table
	More  string
}

func (h *pages) developers(w http.ResponseWriter, r *web.Request) error {
	return h.showDevelopers(w, r, http.StatusOK, "", "")
}

// showDevelopers writes the page; alert is what is wrong with a change that was asked for, of a role.
func (h *pages) showDevelopers(w http.ResponseWriter, r *web.Request, status int, alert, of string) error {
	c, err := h.find(r)
	if err != nil {
		return err
	}
	p := h.c.Printer(r)
	body := &developersPage{Path: pathOf(c.Database) + "/developers", Tabs: tabs(p, c.Database, "developers"), Alert: alert, Reveal: r.Actor.May(actor.UseCopies), Rotate: r.Actor.May(actor.ChangeCopies)}
	if c.Served == nil {
		body.Notices = append(body.Notices, &ui.Notice{Tone: ui.Info, Title: p.T("copies.dev.none"), Text: p.T("copies.dev.none.text")})
	} else if age, known := c.Age(r.Now); known && age > c.declared.MaxAge {
		body.Notices = append(body.Notices, &ui.Notice{Tone: ui.Warning, Title: p.T("copies.notice.old"), Text: p.T("copies.notice.old.text")})
	}
	body.Details = h.devDetails(p, c, r)
	if err := h.roleViews(r, p, c, body, of); err != nil {
		return err
	}
	if err := h.changeViews(r, p, c, body); err != nil {
		return err
	}
	if body.LeftOut, err = h.leftOut(r, p, c); err != nil {
		return err
	}
	body.Word, body.Why = word(p, c.Served)
	page := h.page(r, p.T("copies.dev.title", "Database", c.Database), body, ui.Link{Label: c.Database, Href: pathOf(c.Database)})
	if r.Method == http.MethodPost {
		page.Path = body.Path
	}
	return h.write(w, status, "developers", page)
}

func (h *pages) devDetails(p *ui.Printer, c *Copy, r *web.Request) []ui.Detail {
	list := []ui.Detail{{Term: p.T("copies.name"), Code: c.declared.Name, Note: p.T("copies.name.about")}}
	if age, known := c.Age(r.Now); known {
		list = append(list, ui.Detail{Term: p.T("copies.age"), Text: p.T("copies.dev.age", "Age", p.Elapsed(r.Now.Add(-age), r.Now), "At", moment(p, *c.Served.SnapshotAt)), Note: p.T("copies.age.limit", "Most", c.declared.MaxAge)})
	}
	return append(list, ui.Detail{Term: p.T("copies.next"), Text: h.next(p, c, r.Now), Note: p.T("copies.dev.next")})
}

func (h *pages) roleViews(r *web.Request, p *ui.Printer, c *Copy, body *developersPage, of string) error {
	list, err := h.a.Roles(r.Context(), r.Actor, c.Database)
	if err != nil {
		return err
	}
	names := h.c.Names(r, p)
	for _, one := range list {
		address, err := h.a.Address(r.Context(), r.Actor, c.Database, one.Role)
		if err != nil {
			return err
		}
		body.Root = body.Root || strings.Contains(address, "sslrootcert=")
		v := roleView{Name: one.Role, ID: "r-" + hexOf(sum(one.Role)), Issued: !one.IssuedAt.IsZero(), Psql: ui.Code{Label: p.T("copies.dev.psql"), Text: "psql " + quoted(address)}, Env: ui.Code{Label: p.T("copies.dev.env"), Text: "export DATABASE_URL=" + quoted(address)}}
		if v.Issued {
			d := ui.Detail{Term: p.T("copies.dev.issued"), Time: one.IssuedAt, Note: p.T("copies.dev.issued.schedule")}
			if one.IssuedBy != identity(making()) {
				d.Note = p.T("copies.dev.issued.by", "Name", who(names, r, one.IssuedBy))
			}
			v.Details = append(v.Details, d)
			if one.SettledAt == nil {
				v.Details = append(v.Details, ui.Detail{Term: p.T("copies.dev.settled"), Text: p.T("copies.dev.settled.not")})
			}
		}
		v.Sure = ui.Field{Name: "sure-" + v.ID, Type: "checkbox", Label: p.T("copies.dev.rotate.sure")}
		if of == one.Role {
			v.Sure.Error = p.T("copies.dev.rotate.unsure")
		}
		body.Roles = append(body.Roles, v)
	}
	return nil
}

// quoted writes a word as a shell reads it.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func (h *pages) changeViews(r *web.Request, p *ui.Printer, c *Copy, body *developersPage) error {
	list, err := h.a.Changes(r.Context(), r.Actor, c.Database)
	if err != nil {
		return err
	}
	for _, one := range list {
		v := changeView{Link: ui.Link{Label: p.T("copies.dev.changed", "At", moment(p, one.At)), Href: runPath(c.Database, one.Run)}}
		v.Table = ui.Table{Caption: v.Link.Label, Columns: columns(p, "copies.dev.what", "copies.dev.before", "copies.dev.after"), Empty: &ui.Empty{Title: "–"}}
		for i, x := range one.List {
			if i == changesShown {
				v.More = p.T("copies.more", "Count", len(one.List)-i)
				break
			}
			v.Table.Rows = append(v.Table.Rows, changeRow(p, x))
		}
		body.Changes = append(body.Changes, v)
	}
	return nil
}

func changeRow(p *ui.Printer, x Change) []ui.Cell {
	side := func(s string) ui.Cell {
		switch {
		case s == "":
			return ui.Cell{Text: "–"}
		case x.Column == "":
			return ui.Cell{Text: p.T("copies.dev.there")}
		}
		return ui.Cell{Code: s}
	}
	what := ui.Cell{Code: x.Table}
	if x.Column != "" {
		what = ui.Cell{Code: x.Table + "." + x.Column}
	}
	return []ui.Cell{what, side(x.Before), side(x.After)}
}

// leftOut says what the copy does not have of production.
func (h *pages) leftOut(r *web.Request, p *ui.Printer, c *Copy) (list []string, err error) {
	if read := h.planOf(c); read.err == nil {
		var empty []string
		for i := range read.plan.Tables {
			if read.plan.Tables[i].Rows == plan.NoRows {
				empty = append(empty, read.plan.Tables[i].Name.String())
			}
		}
		if len(empty) > 0 {
			const most = 12
			more := len(empty) - most
			if more > 0 {
				empty = append(empty[:most:most], p.T("copies.dev.more", "Count", more))
			}
			list = append(list, p.T("copies.dev.empty_tables", "Tables", empty))
		}
	}
	if c.Served == nil {
		return list, nil
	}
	one, err := h.a.RunOf(r.Context(), r.Actor, c.Database, c.Served.ID)
	if err != nil || one.Report == nil {
		return list, err
	}
	return append(list, shown(one.Report.LeftOut)...), nil
}

// credentialsPage shows a password, once.
type credentialsPage struct {
	Back  ui.Link
	Lines []ui.Code
	Root  bool
}

func (h *pages) reveal(w http.ResponseWriter, r *web.Request) error {
	if err := readForm(r); err != nil {
		return err
	}
	database, role := r.PathValue("database"), r.PostForm.Get("role")
	p := h.c.Printer(r)
	address, err := h.a.Reveal(r.Context(), r.Actor, database, role)
	if err != nil {
		return h.refused(w, r, err)
	}
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	password, _ := u.User.Password()
	body := &credentialsPage{Back: ui.Link{Label: p.T("copies.cred.back"), Href: pathOf(database) + "/developers"}, Root: strings.Contains(address, "sslrootcert=")}
	add := func(id, text string) { body.Lines = append(body.Lines, ui.Code{Label: p.T(id), Text: text}) }
	add("copies.cred.password", password)
	add("copies.cred.env", "export DATABASE_URL="+quoted(address))
	if host, port := u.Hostname(), u.Port(); host != "" {
		if port == "" {
			port = "5432"
		}
		escape := strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace
		add("copies.cred.pgpass", strings.Join([]string{escape(host), port, escape(strings.TrimPrefix(u.Path, "/")), escape(u.User.Username()), password}, ":"))
	}
	page := h.page(r, p.T("copies.cred.title", "Role", u.User.Username()), body, ui.Link{Label: database, Href: pathOf(database)}, ui.Link{Label: p.T("copies.tab.developers"), Href: body.Back.Href})
	page.Path = body.Back.Href
	w.Header().Set("Cache-Control", "no-store")
	return h.write(w, http.StatusOK, "credentials", page)
}

func (h *pages) rotate(w http.ResponseWriter, r *web.Request) error {
	if err := readForm(r); err != nil {
		return err
	}
	database, role := r.PathValue("database"), r.PostForm.Get("role")
	if r.PostForm.Get("sure-r-"+hexOf(sum(role))) == "" {
		return h.showDevelopers(w, r, http.StatusUnprocessableEntity, "", role)
	}
	if err := h.a.Rotate(r.Context(), r.Actor, database, role); err != nil {
		return h.refused(w, r, err)
	}
	return web.SeeOther(w, r, pathOf(database)+"/developers?done=copies_rotated")
}

// refused shows the developers' page with what went wrong.
func (h *pages) refused(w http.ResponseWriter, r *web.Request, err error) error {
	text, ok := console.Shown(h.c.Printer(r), err)
	if errs.Is(err, errs.Unavailable) {
		said, fix := h.c.Printer(r).Error(err)
		text, ok = strings.TrimSpace(said+" "+fix), true
	}
	if !ok {
		return err
	}
	return h.showDevelopers(w, r, http.StatusUnprocessableEntity, text, "")
}
