package console

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

type estatePage struct {
	None      *ui.Empty // no estate was applied yet
	Details   []ui.Detail
	Pending   *ui.Notice
	Endpoints ui.Table
	Databases *ui.Table // nil: none is declared
	Policy    []ui.Detail
	Source    string
	Versions  ui.Table
	Pager     ui.Pager
}

func (h *pages) estate(w http.ResponseWriter, r *web.Request) error {
	before, err := beforeVersion(r)
	if err != nil {
		return err
	}
	ctx, staff, p := r.Context(), h.DB.Pool(pg.Staff), h.c.Printer(r)
	current, err := estate.Current(ctx, staff)
	if errs.Is(err, errs.NotFound) {
		body := &estatePage{None: &ui.Empty{Icon: "server", Title: p.T("console.estate.none"), Text: p.T("console.estate.none.text")}}
		return h.write(w, http.StatusOK, "estate", h.c.Page(r, "console.estate.title", EstatePath, body))
	}
	if err != nil {
		return err
	}
	versions, err := estate.Versions(ctx, staff, before, pageSize+1)
	if err != nil {
		return err
	}
	names := h.c.Names(r, p)
	body := &estatePage{
		Source: current.Source, Endpoints: endpointTable(p, current.Estate), Policy: policyDetails(p, current.Estate.Policy),
		Details: []ui.Detail{
			{Term: p.T("console.estate.in_force"), Link: versionLink(p, current.ID)},
			{Term: p.T("console.estate.applied"), Time: current.AppliedAt, Note: names.Identity(ctx, current.AppliedBy)},
			{Term: p.T("console.estate.hash"), Digest: current.Hash},
		},
	}
	if len(current.Estate.Databases) > 0 {
		t := databaseTable(p, current.Estate)
		body.Databases = &t
	}
	if n := len(current.Pending()); n > 0 {
		body.Pending = &ui.Notice{Tone: ui.Warning, Title: p.T("console.estate.pending", "Count", n), Text: p.T("console.estate.pending.text"),
			Link: &ui.Link{Label: p.T("console.estate.pending.link"), Href: EstatePath + "/" + strconv.FormatInt(current.ID, 10)}}
	}
	if before > 0 {
		body.Pager.Newer = EstatePath
	}
	if len(versions) > pageSize {
		versions = versions[:pageSize]
		body.Pager.Older = EstatePath + "?before=" + strconv.FormatInt(versions[pageSize-1].ID, 10)
	}
	body.Versions = versionTable(r, p, names, versions, current.ID)
	return h.write(w, http.StatusOK, "estate", h.c.Page(r, "console.estate.title", EstatePath, body))
}

func beforeVersion(r *web.Request) (int64, error) {
	v := r.URL.Query().Get("before")
	if v == "" {
		return 0, nil
	}
	before, err := strconv.ParseInt(v, 10, 64)
	if err != nil || before <= 0 {
		return 0, ErrBefore()
	}
	return before, nil
}

func versionLink(p *ui.Printer, id int64) *ui.Link {
	n := strconv.FormatInt(id, 10)
	return &ui.Link{Label: p.T("console.estate.version", "Version", n), Href: EstatePath + "/" + n}
}

func endpointTable(p *ui.Printer, e *estate.Estate) ui.Table {
	t := ui.Table{
		Caption: p.T("console.estate.endpoints"),
		Columns: []ui.Column{{Label: p.T("console.estate.endpoint")}, {Label: p.T("console.estate.address")}, {Label: p.T("console.estate.environment")}, {Label: p.T("console.estate.audience")}},
		Empty:   &ui.Empty{Icon: "server", Title: p.T("console.estate.no_endpoint"), Text: p.T("console.estate.no_endpoint.text")},
	}
	for _, ep := range e.Endpoints {
		t.Rows = append(t.Rows, []ui.Cell{
			{Strong: ep.Name}, {Code: ep.URL()},
			{Text: word(p, "console.estate.environment.", string(ep.Environment))}, {Text: word(p, "console.estate.audience.", ep.Audience)},
		})
	}
	return t
}

func databaseTable(p *ui.Printer, e *estate.Estate) ui.Table {
	t := ui.Table{
		Caption: p.T("console.estate.databases"),
		Columns: []ui.Column{{Label: p.T("console.estate.endpoint")}, {Label: p.T("console.estate.database")}, {Label: p.T("console.estate.environment")},
			{Label: p.T("console.estate.readers")}, {Label: p.T("console.estate.privileged")}},
	}
	for _, d := range e.Databases {
		data := "console.estate.customer_data.no"
		if d.CustomerData {
			data = "console.estate.customer_data.yes"
		}
		t.Rows = append(t.Rows, []ui.Cell{
			{Strong: d.Name}, {Code: d.Database, Note: p.T(data)}, {Text: word(p, "console.estate.environment.", string(d.Environment))},
			{Text: p.Number(int64(len(d.Readers)))}, {Text: p.Number(int64(len(d.Privileged)))},
		})
	}
	return t
}

// word is the text of a value that has one; else the value itself.
func word(p *ui.Printer, prefix, value string) string {
	if id := prefix + strings.ReplaceAll(value, "-", "_"); value != "" && p.Has(id) {
		return p.T(id)
	}
	return value
}

func policyDetails(p *ui.Printer, policy estate.Policy) []ui.Detail {
	key := func(name string) string { return p.T("console.estate.policy." + name) }
	return []ui.Detail{
		{Term: key("tls_versions"), Text: strings.Join(policy.TLSVersions, ", ")},
		{Term: key("hsts_max_age"), Text: p.Duration(policy.HSTSMaxAge)},
		{Term: key("hsts_subdomains"), Text: p.T("ui.value." + strconv.FormatBool(policy.HSTSSubdomains))},
		{Term: key("certificate_remaining"), Text: p.Duration(policy.CertRemaining)},
		{Term: key("certificate_lifetime_max"), Text: p.Duration(policy.CertLifetimeMax)},
		{Term: key("customer_data_teams"), Text: p.List(policy.CustomerDataTeams)},
		{Term: key("every"), Text: p.Duration(policy.Every)},
	}
}

// hands are who applied and confirmed versions.
func hands(versions []estate.Version) []estate.Identity {
	var list []estate.Identity
	for _, v := range versions {
		list = append(list, v.AppliedBy)
		if v.Confirmed != nil {
			list = append(list, v.Confirmed.By)
		}
	}
	return list
}

func versionTable(r *web.Request, p *ui.Printer, names *Names, versions []estate.Version, current int64) ui.Table {
	t := ui.Table{
		Caption: p.T("console.estate.versions"),
		Columns: []ui.Column{{Label: p.T("console.estate.number")}, {Label: p.T("console.estate.applied")}, {Label: p.T("console.estate.by")}, {Label: p.T("console.estate.reductions")}},
		Empty:   &ui.Empty{Icon: "history", Title: p.T("console.estate.no_version")},
	}
	names.LearnIdentities(r.Context(), hands(versions)...)
	for _, v := range versions {
		number := ui.Cell{Link: versionLink(p, v.ID)}
		if v.ID == current {
			number.Chip = p.T("console.estate.is_in_force")
		}
		reductions := ui.Cell{Text: p.T("console.none")}
		switch {
		case v.Confirmed != nil:
			reductions.Text, reductions.Note = p.T("console.estate.reduced", "Count", len(v.Reductions)), p.T("console.estate.confirmed_by", "Name", names.Identity(r.Context(), v.Confirmed.By))
		case len(v.Reductions) > 0:
			reductions.Text, reductions.Chip = p.T("console.estate.reduced", "Count", len(v.Reductions)), p.T("console.estate.waiting")
		}
		t.Rows = append(t.Rows, []ui.Cell{number, {Text: p.Instant(v.AppliedAt)}, {Text: names.Identity(r.Context(), v.AppliedBy)}, reductions})
	}
	return t
}

func (h *pages) estateCSV(w http.ResponseWriter, r *web.Request) error {
	before, over := int64(0), false
	return CSV(w, "estate.csv", []string{"version", "hash", "applied_at", "applied_by", "reductions", "confirmed_at", "confirmed_by", "reason"}, func() ([][]string, error) {
		if over {
			return nil, nil
		}
		const batch = 200
		versions, err := estate.Versions(r.Context(), h.DB.Pool(pg.Staff), before, batch)
		if err != nil {
			return nil, err
		}
		over = len(versions) < batch
		rows := make([][]string, 0, len(versions))
		for _, v := range versions {
			row := []string{strconv.FormatInt(v.ID, 10), v.Hash, Stamp(v.AppliedAt), v.AppliedBy.String(), strconv.Itoa(len(v.Reductions)), "", "", ""}
			if c := v.Confirmed; c != nil {
				row[5], row[6], row[7] = Stamp(c.At), c.By.String(), c.Reason
			}
			rows = append(rows, row)
			before = v.ID
		}
		return rows, nil
	})
}

type versionPage struct {
	Path       string
	Details    []ui.Detail
	Changes    ui.Table
	First      bool   // no version before it
	Against    string // number of the version before
	Unreadable bool   // the version before cannot be read by this build
	Reductions ui.Table
	Reduced    bool
	Confirmed  *ui.Notice
	Reason     ui.Field // of the form to confirm; no name: no form
	Stop       *ui.Notice
	Alert      *ui.Notice
	Source     string
	Past       *Past
}

// versionOf finds the version of the address.
func (h *pages) versionOf(r *web.Request) (estate.Version, error) {
	id, err := strconv.ParseInt(r.PathValue("version"), 10, 64)
	if err == nil && id > 0 {
		var v estate.Version
		if v, err = estate.Get(r.Context(), h.DB.Pool(pg.Staff), id); err == nil || !errs.Is(err, errs.NotFound) {
			return v, err
		}
	}
	return estate.Version{}, errs.New(errs.NotFound, "console.no_version", "There is no such version of the estate.").WithFix("Look in the list of versions.")
}

func (h *pages) version(w http.ResponseWriter, r *web.Request) error {
	return h.showVersion(w, r, http.StatusOK, "", nil)
}

func (h *pages) showVersion(w http.ResponseWriter, r *web.Request, status int, reason string, wrong error) error {
	v, err := h.versionOf(r)
	if err != nil {
		return err
	}
	ctx, staff, p := r.Context(), h.DB.Pool(pg.Staff), h.c.Printer(r)
	names, number := h.c.Names(r, p), strconv.FormatInt(v.ID, 10)
	body := &versionPage{
		Path: EstatePath + "/" + number, Source: v.Source, Reduced: len(v.Reductions) > 0,
		Details: []ui.Detail{
			{Term: p.T("console.estate.applied"), Time: v.AppliedAt},
			{Term: p.T("console.estate.by"), Text: names.Identity(ctx, v.AppliedBy)},
			{Term: p.T("console.estate.hash"), Digest: v.Hash},
		},
	}
	current, err := h.compare(r, p, v, body)
	if err != nil {
		return err
	}
	body.Reductions = reductionTable(r, p, names, v.Reductions)
	if c := v.Confirmed; c != nil {
		body.Confirmed = &ui.Notice{Tone: ui.Success, Text: c.Reason,
			Title: p.T("console.estate.confirmed", "Name", names.Identity(ctx, c.By), "At", p.Instant(c.At))}
	}
	if current == v.ID && len(v.Pending()) > 0 {
		body.offer(r, p, v)
	}
	if wrong != nil {
		body.Reason.Value = reason
		text, fix := p.Error(wrong)
		if errorID(wrong) == "estate.reason" && body.Reason.Name != "" {
			body.Reason.Error, body.Reason.Focus = text, true
		} else {
			body.Alert, body.Stop = &ui.Notice{Tone: ui.Danger, Title: text, Text: fix, Live: true}, nil
		}
	}
	if body.Past, err = h.c.History(r, staff, p, audit.Object{Kind: "estate", ID: number}); err != nil {
		return err
	}
	page := h.c.Page(r, "console.estate.title", EstatePath, body)
	page.Crumbs = []ui.Link{{Label: page.Title, Href: EstatePath}, {Label: versionLink(p, v.ID).Label}}
	page.Title = versionLink(p, v.ID).Label
	if r.Method == http.MethodPost {
		page.Path = body.Path
	}
	return h.write(w, status, "version", page)
}

// offer puts the form to confirm on the page, or says why the reader cannot.
func (b *versionPage) offer(r *web.Request, p *ui.Printer, v estate.Version) {
	me := estate.Of(r.Actor).String()
	stop := ""
	switch {
	case !r.Actor.May(actor.ChangeEstate):
		stop = "console.confirm.denied"
	case hadAHand(v, me):
		stop = "console.confirm.second"
	}
	if stop != "" {
		b.Stop = &ui.Notice{Tone: ui.Info, Title: p.T(stop), Text: p.T(stop + ".text")}
		return
	}
	b.Reason = ui.Field{Name: "reason", Type: "textarea", Label: p.T("console.confirm.reason"), Help: p.T("console.confirm.reason.help"), Required: true, MaxLength: 1000}
}

func hadAHand(v estate.Version, identity string) bool {
	for _, reduction := range v.Reductions {
		for _, by := range reduction.By {
			if by == identity {
				return true
			}
		}
	}
	return false
}

func errorID(err error) string {
	var known *errs.Error
	if errors.As(err, &known) {
		return known.ID
	}
	return ""
}

// compare tells what a version changed, and returns the id of the version in force.
func (h *pages) compare(r *web.Request, p *ui.Printer, v estate.Version, body *versionPage) (current int64, err error) {
	ctx, staff := r.Context(), h.DB.Pool(pg.Staff)
	newest, err := estate.Versions(ctx, staff, 0, 1)
	if err != nil || len(newest) == 0 {
		return 0, err
	}
	earlier, err := estate.Versions(ctx, staff, v.ID, 1)
	if err != nil {
		return 0, err
	}
	body.Changes = ui.Table{
		Caption: p.T("console.change.caption"),
		Columns: []ui.Column{{Label: p.T("console.change.what")}, {Label: p.T("console.change.before")}, {Label: p.T("console.change.after")}},
		Empty:   &ui.Empty{Icon: "history", Title: p.T("console.change.none"), Text: p.T("console.change.none.text")},
	}
	if len(earlier) == 0 {
		body.First = true
		return newest[0].ID, nil
	}
	body.Against = strconv.FormatInt(earlier[0].ID, 10)
	past, err := estate.Get(ctx, staff, earlier[0].ID)
	switch {
	case errorID(err) == "estate.unreadable_version":
		body.Unreadable = true
		return newest[0].ID, nil
	case err != nil:
		return 0, err
	}
	for _, c := range estate.Diff(past.Estate, v.Estate) {
		what := ui.Cell{Text: keyWord(p, c.Key), Chip: p.T("console.change." + string(c.Kind)), Note: c.Key}
		body.Changes.Rows = append(body.Changes.Rows, []ui.Cell{what, value(p, c.From), value(p, c.To)})
	}
	return newest[0].ID, nil
}

// value shows a value as garant.yaml would have it.
func value(p *ui.Printer, v string) ui.Cell {
	if v == "" {
		return ui.Cell{Text: p.T("console.change.nothing")}
	}
	return ui.Cell{Code: v}
}

// keyWord says in words what a key of garant.yaml is about: "Point d'accès back-office : adresse".
func keyWord(p *ui.Printer, key string) string {
	section, rest, _ := strings.Cut(key, ".")
	switch section {
	case "endpoints", "databases":
		name, facet, _ := strings.Cut(rest, ".")
		target := p.T("console.estate.key."+strings.TrimSuffix(section, "s"), "Name", name)
		if facet == "" {
			return target
		}
		if id := "console.estate.facet." + facet; p.Has(id) {
			return p.T("console.estate.key.facet", "Target", target, "Facet", p.T(id))
		}
	case "policy", "company":
		if id := "console.estate." + key; p.Has(id) {
			return p.T(id)
		}
	}
	return key
}

func reductionTable(r *web.Request, p *ui.Printer, names *Names, reductions []estate.Reduction) ui.Table {
	t := ui.Table{
		Caption: p.T("console.reduction.caption"),
		Columns: []ui.Column{{Label: p.T("console.reduction.what")}, {Label: p.T("console.reduction.from")}, {Label: p.T("console.reduction.to")}, {Label: p.T("console.reduction.measures")}, {Label: p.T("console.reduction.by")}},
		Empty:   &ui.Empty{Icon: "check-circle", Title: p.T("console.reduction.none")},
	}
	for _, reduction := range reductions {
		t.Rows = append(t.Rows, []ui.Cell{
			{Strong: p.T("console.reduction." + string(reduction.Kind)), Note: keyWord(p, reduction.Key)},
			value(p, reduction.From), value(p, reduction.To), {Text: strings.Join(reduction.Measures, ", ")},
			{Text: strings.Join(identities(r, names, reduction.By), ", "), Note: p.Instant(reduction.Since)},
		})
	}
	return t
}

func identities(r *web.Request, names *Names, kept []string) []string {
	list := make([]string, 0, len(kept))
	for _, k := range kept {
		kind, id, _ := strings.Cut(k, ":")
		list = append(list, names.Of(r.Context(), actor.Kind(kind), id))
	}
	return list
}

// confirm takes the reductions of a version upon the reader. What stands against it is told on
// the page itself.
func (h *pages) confirm(w http.ResponseWriter, r *web.Request) error {
	if err := form(r); err != nil {
		return err
	}
	v, err := h.versionOf(r)
	if err != nil {
		return err
	}
	reason := r.PostForm.Get("reason")
	err = estate.Confirm(r.Context(), h.DB.Pool(pg.Staff), r.Actor, v.ID, reason)
	switch {
	case err == nil:
		if h.Changed != nil {
			h.Changed()
		}
		return web.SeeOther(w, r, EstatePath+"/"+strconv.FormatInt(v.ID, 10)+"?done=confirmed")
	case errs.Is(err, errs.Invalid), errs.Is(err, errs.Conflict), errorID(err) == "estate.second_person":
		return h.showVersion(w, r, http.StatusUnprocessableEntity, reason, err)
	}
	return err
}

// countReductions is 1 when reductions wait to be confirmed: one line of the desk tells of all.
func (h *pages) countReductions(r *web.Request) (int, error) {
	if !r.Actor.May(actor.ReadEstate) {
		return 0, nil
	}
	newest, err := estate.Versions(r.Context(), h.DB.Pool(pg.Staff), 0, 1)
	if err != nil || len(newest) == 0 || len(newest[0].Pending()) == 0 {
		return 0, err
	}
	return 1, nil
}

func (h *pages) dueReductions(r *web.Request, p *ui.Printer) ([]Due, error) {
	if !r.Actor.May(actor.ReadEstate) {
		return nil, nil
	}
	newest, err := estate.Versions(r.Context(), h.DB.Pool(pg.Staff), 0, 1)
	if err != nil || len(newest) == 0 {
		return nil, err
	}
	pending := newest[0].Pending()
	if len(pending) == 0 {
		return nil, nil
	}
	path := EstatePath + "/" + strconv.FormatInt(newest[0].ID, 10)
	due := Due{
		What: p.T("console.due.reduction", "Count", len(pending)), Href: path, Urgency: Decide, Since: pending[0].Since, Whom: p.Role(actor.Lead), Mine: r.Actor.May(actor.ChangeEstate),
		Why: p.T("console.due.reduction.why"), Next: p.T("console.due.reduction.next"),
		Button: &ui.Button{Label: p.T("console.due.reduction.button"), Href: path},
	}
	const named = 4
	for i, reduction := range pending {
		if i == named {
			due.Lines = append(due.Lines, DueLine{Text: p.T("console.due.more", "Count", len(pending)-named)})
			break
		}
		due.Lines = append(due.Lines, DueLine{Target: reduction.Target, Text: p.T("console.reduction."+string(reduction.Kind)) + " (" + strings.Join(reduction.Measures, ", ") + ")"})
		if reduction.Since.Before(due.Since) {
			due.Since = reduction.Since
		}
	}
	return []Due{due}, nil
}
