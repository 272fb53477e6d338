package tenancy

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// The lengths of the lists of a page.
const (
	customersShown = 25
	sessionsShown  = 50
	jobsShown      = 50
	refusalsShown  = 10
)

// databasePage is a guarded database.
type databasePage struct {
	Path      string
	Notices   []*ui.Notice
	Details   []ui.Detail
	Keys      ui.Table
	Rotate    bool // the reader may replace keys
	Rekey     bool // and has to
	Customers []customerRow
	Empty     ui.Empty // of customers
	Others    string
	Sessions  ui.Table
	Jobs      ui.Table
	Ask       string // address of the form; empty: the reader may not
	Refusals  *ui.Table
}

// customerRow is one customer with what was minted for them.
type customerRow struct {
	Tenant, Total string
	Chart         chart
	Last          time.Time
}

func (h *pages) database(w http.ResponseWriter, r *web.Request) error {
	return h.show(w, r, http.StatusOK, "")
}

// show writes the page; alert is what is wrong with a change that was asked for.
func (h *pages) show(w http.ResponseWriter, r *web.Request, status int, alert string) error {
	d, err := h.find(r)
	if err != nil {
		return err
	}
	p := h.c.Printer(r)
	body := &databasePage{Path: pathOf(d.Name), Rotate: r.Actor.May(actor.KeepKeys) && len(d.Keys) > 0, Rekey: r.Actor.May(actor.KeepKeys) && d.Trouble.Stops() && d.Trouble != Impostor}
	if alert != "" {
		body.Notices = append(body.Notices, &ui.Notice{Tone: ui.Danger, Text: alert, Live: true})
	}
	if d.Trouble != "" {
		body.Notices = append(body.Notices, &ui.Notice{Tone: ui.Danger, Title: p.T(string(d.Trouble)), Text: p.T(string(d.Trouble) + ".fix")})
	}
	if d.minting != nil && d.minting.Login == nil && d.declared.Login != nil {
		body.Notices = append(body.Notices, &ui.Notice{Tone: ui.Warning, Title: p.T("tenancy.login_waits"), Text: p.T("tenancy.login_waits.fix"), Link: &ui.Link{Label: p.T("tenancy.login_waits.link"), Href: console.EstatePath}})
	}
	body.Details = databaseDetails(p, d)
	names := h.c.Names(r, p)
	body.Keys = keyTable(p, names, r, d)
	if err := h.customers(r, p, d, body); err != nil {
		return err
	}
	if body.Sessions, err = h.sessionTable(r, p, d); err != nil {
		return err
	}
	if err := h.jobTable(r, p, names, d, body); err != nil {
		return err
	}
	if r.Actor.May(actor.ReadAudit) {
		if body.Refusals, err = h.refusals(r, p, names, d); err != nil {
			return err
		}
	}
	page := h.page(r, d.Name, body)
	if r.Method == http.MethodPost {
		page.Path = body.Path
	}
	return h.write(w, status, "database", page)
}

func databaseDetails(p *ui.Printer, d Database) []ui.Detail {
	details := []ui.Detail{
		{Term: p.T("tenancy.state"), State: d.state()},
		{Term: p.T("tenancy.design"), Text: p.T("tenancy.design." + d.Design), Note: p.T("tenancy.design." + d.Design + ".about")},
		{Term: p.T("tenancy.key_type"), Code: d.KeyType},
		{Term: p.T("tenancy.lifetime"), Text: p.Duration(d.minting.Lifetime)},
		{Term: p.T("tenancy.rotation"), Text: p.Duration(d.declared.Rotate)},
	}
	if l := d.declared.Login; l != nil {
		details = append(details, ui.Detail{Term: p.T("tenancy.issuer"), Code: l.Issuer, Note: p.T("tenancy.issuer.about", "Audience", l.Audience, "Claim", l.TenantClaim)})
	} else {
		details = append(details, ui.Detail{Term: p.T("tenancy.issuer"), Text: p.T("tenancy.issuer.none"), Note: p.T("tenancy.issuer.none.about")})
	}
	looked, swept := ui.Detail{Term: p.T("tenancy.looked"), Text: p.T("tenancy.never")}, ui.Detail{Term: p.T("tenancy.swept"), Text: p.T("tenancy.never")}
	if d.LookedAt != nil {
		looked = ui.Detail{Term: looked.Term, Time: *d.LookedAt}
	}
	if d.SweptAt != nil {
		swept = ui.Detail{Term: swept.Term, Time: *d.SweptAt}
		if d.Ended > 0 {
			swept.Note = p.T("tenancy.ended", "Count", d.Ended)
		}
	}
	return append(details, looked, swept)
}

func keyTable(p *ui.Printer, names *console.Names, r *web.Request, d Database) ui.Table {
	t := ui.Table{Caption: p.T("tenancy.keys"),
		Columns: []ui.Column{{Label: p.T("tenancy.key.id")}, {Label: p.T("tenancy.state")}, {Label: p.T("tenancy.key.made")}, {Label: p.T("tenancy.key.by")}, {Label: p.T("tenancy.key.until")}},
		Empty:   &ui.Empty{Icon: "key", Title: p.T("tenancy.keys.none"), Text: p.T("tenancy.keys.none.text")},
	}
	for _, k := range d.Keys {
		until := ui.Cell{Text: "–"}
		switch {
		case k.RetiredAt != nil:
			until = ui.Cell{Time: *k.RetiresAt}
		case k.RetiresAt != nil:
			until = ui.Cell{Due: *k.RetiresAt}
		case k.mints():
			until = ui.Cell{Due: k.InstalledAt.Add(d.declared.Rotate), Note: p.T("tenancy.key.rotates")}
		}
		t.Rows = append(t.Rows, []ui.Cell{
			{Code: strconv.Itoa(int(k.ID))}, {Chip: p.T("tenancy.key." + string(k.State()))}, {Time: k.MadeAt}, {Text: who(names, r, k.MadeBy)}, until,
		})
	}
	return t
}

func (h *pages) customers(r *web.Request, p *ui.Printer, d Database, body *databasePage) error {
	first := dayBefore(r.Now, p.Zone(), chartDays-1)
	list, others, err := mintings(r.Context(), h.t.DB.Pool(pg.Staff), d.Name, first, customersShown)
	if err != nil {
		return err
	}
	body.Empty = ui.Empty{Icon: "calendar", Title: p.T("tenancy.customers.none"), Text: p.T("tenancy.customers.none.text")}
	for _, c := range list {
		body.Customers = append(body.Customers, customerRow{Tenant: c.tenant, Total: p.Number(int64(c.total)), Chart: draw(p, c, first), Last: c.last})
	}
	if others > 0 {
		body.Others = p.T("tenancy.customers.others", "Count", others)
	}
	return nil
}

// chart is what was minted in some days, a bar each.
type chart struct{ Path, Label string }

const (
	barPitch  = 4 // of a day, in units of the drawing: a bar of 3 and a gap of 1
	barHeight = 28
)

// ChartWidth is the width of the drawing.
func (c chart) Width() int { return chartDays*barPitch - 1 }

// Height is the height of the drawing.
func (c chart) Height() int { return barHeight }

func draw(p *ui.Printer, c customer, first time.Time) chart {
	most, when := 0, 0
	for i, n := range c.days {
		if n > most {
			most, when = n, i
		}
	}
	var path strings.Builder
	for i, n := range c.days {
		if n == 0 {
			continue
		}
		height := max(2, n*barHeight/max(1, most))
		path.WriteString("M" + strconv.Itoa(i*barPitch) + " " + strconv.Itoa(barHeight) + "v-" + strconv.Itoa(height) + "h3v" + strconv.Itoa(height) + "z")
	}
	return chart{path.String(), p.T("tenancy.customers.label", "Tenant", c.tenant, "Count", c.total, "Most", most, "Day", p.Day(first.AddDate(0, 0, when)))}
}

func (h *pages) sessionTable(r *web.Request, p *ui.Printer, d Database) (ui.Table, error) {
	t := ui.Table{Caption: p.T("tenancy.sessions"),
		Columns: []ui.Column{{Label: p.T("tenancy.session")}, {Label: p.T("tenancy.customer")}, {Label: p.T("tenancy.session.kind")}, {Label: p.T("tenancy.session.began")}, {Label: p.T("tenancy.session.until")}},
		Empty:   &ui.Empty{Icon: "person", Title: p.T("tenancy.sessions.none"), Text: p.T("tenancy.sessions.none.text")},
	}
	list, err := sessions(r.Context(), h.t.DB.Pool(pg.Staff), d.Name, r.Now, sessionsShown)
	if err != nil {
		return t, err
	}
	may := r.Actor.May(actor.ChangeTenancy)
	if may {
		t.Columns = append(t.Columns, ui.Column{Label: p.T("tenancy.session.end"), Quiet: true})
	}
	for _, s := range list {
		kind := ui.Cell{Text: p.T("tenancy.kind." + s.kind)}
		if s.job != "" {
			kind.Note = s.job
		}
		if !s.write {
			kind.Chip = p.T("tenancy.reads")
		}
		row := []ui.Cell{{Code: s.id.String()}, {Code: s.tenant}, kind, {Time: s.began}, {Due: s.expires, Note: p.T("tenancy.session.tokens", "Count", s.tokens)}}
		if s.ended != nil {
			row[4] = ui.Cell{Chip: p.T("tenancy.session.ended"), Time: *s.ended}
		}
		if may {
			end := ui.Cell{}
			if s.ended == nil {
				end.Action = &ui.Action{Button: ui.Button{Label: p.T("tenancy.session.end"), Danger: true, About: console.ShortID(s.id.String())}, Post: pathOf(d.Name) + "/revoke", Hidden: []ui.Hidden{{Name: "session", Value: s.id.String()}}}
			}
			row = append(row, end)
		}
		t.Rows = append(t.Rows, row)
	}
	return t, nil
}

func (h *pages) jobTable(r *web.Request, p *ui.Printer, names *console.Names, d Database, body *databasePage) error {
	body.Jobs = ui.Table{Caption: p.T("tenancy.jobs"),
		Columns: []ui.Column{{Label: p.T("tenancy.job")}, {Label: p.T("tenancy.state")}, {Label: p.T("tenancy.job.access")}, {Label: p.T("tenancy.job.tenants")}, {Label: p.T("tenancy.job.asked")}, {Label: p.T("tenancy.job.ends")}},
		Empty:   &ui.Empty{Icon: "clock", Title: p.T("tenancy.jobs.none"), Text: p.T("tenancy.jobs.none.text")},
	}
	if r.Actor.May(actor.ChangeTenancy) {
		body.Ask = body.Path + "/jobs/new"
	}
	list, err := jobsOf(r.Context(), h.t.DB.Pool(pg.Staff), d.Name, jobsShown)
	if err != nil {
		return err
	}
	for _, j := range list {
		ends := ui.Cell{Due: j.EndsAt}
		if j.EndsAt.Before(r.Now) {
			ends = ui.Cell{Time: j.EndsAt}
		}
		body.Jobs.Rows = append(body.Jobs.Rows, []ui.Cell{
			{Link: &ui.Link{Label: j.Name, Href: jobPath(j)}, Note: measureShort(j.Why)}, {Chip: p.T("tenancy.job.state." + string(j.State))}, {Text: accessWord(p, j.Write)}, {Text: tenantsWord(p, j)},
			{Time: j.AskedAt, Note: who(names, r, j.AskedBy)}, ends,
		})
	}
	return nil
}

// measureShort is the beginning of a text, for tables.
func measureShort(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	if r := []rune(line); len(r) > 80 {
		return string(r[:79]) + "…"
	}
	return line
}

func accessWord(p *ui.Printer, write bool) string {
	if write {
		return p.T("tenancy.writes")
	}
	return p.T("tenancy.reads")
}

func tenantsWord(p *ui.Printer, j Job) string {
	if j.AnyTenant {
		return p.T("tenancy.job.any")
	}
	return p.T("tenancy.job.count", "Count", len(j.Tenants))
}

// refusals are the last requests for tokens that were refused.
func (h *pages) refusals(r *web.Request, p *ui.Printer, names *console.Names, d Database) (*ui.Table, error) {
	entries, err := audit.List(r.Context(), h.t.DB.Pool(pg.Staff), audit.Filter{Object: object(d.Name), Action: actionRefused, Limit: refusalsShown})
	if err != nil {
		return nil, err
	}
	t := &ui.Table{Caption: p.T("tenancy.refusals"),
		Columns: []ui.Column{{Label: p.T("tenancy.refusal.at")}, {Label: p.T("tenancy.refusal.why")}, {Label: p.T("tenancy.session.kind")}, {Label: p.T("tenancy.refusal.by")}},
		Empty:   &ui.Empty{Icon: "check-circle", Title: p.T("tenancy.refusals.none"), Text: p.T("tenancy.refusals.none.text")},
	}
	for _, e := range entries {
		reason, _ := e.Detail["reason"].(string)
		why := reason
		if p.Has(reason) {
			why = p.T(reason, "Name", d.Name, "Database", d.Name, "Claim", claimOf(d.declared), "Type", d.KeyType, "Longest", d.declared.Job)
		}
		by, _ := e.Detail["by"].(string)
		kind := "–"
		if p.Has("tenancy.kind." + by) {
			kind = p.T("tenancy.kind." + by)
		}
		t.Rows = append(t.Rows, []ui.Cell{{Time: e.At}, {Text: why}, {Text: kind}, {Text: names.Of(r.Context(), e.Actor.Kind, e.Actor.ID), Note: e.Actor.Origin}})
	}
	return t, nil
}

func claimOf(t *estate.Tenancy) string {
	if t.Login == nil {
		return "–"
	}
	return t.Login.TenantClaim
}
