package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

// pageSize is how many rows a list shows at a time.
const pageSize = 50

// actions are what the record can tell of, for the filter. Others are found by writing the
// filter into the address.
func actions() []string {
	return []string{
		"check.run_asked", "estate.applied", "estate.reduction_confirmed", "evidence.stored",
		"link.created", "link.redeemed", "notice.dismissed", "passkey.added", "passkey.deleted",
		"person.added", "person.disabled", "person.enabled", "person.exported", "person.listed", "person.read", "person.role_changed", "person.seat_ended", "person.seat_set",
		"recovery.renewed", "recovery.used", "request.refused", "sample.drawn", "sample.exported", "sample.noted", "sample.population_exported", "sample.read", "session.ended", "session.others_ended", "sign_in.passkey", "sign_in.throttled",
		"tenant_token.minted", "tenant_token.refused", "token.created", "token.revoked",
	}
}

// hidden are the actions that programs leave behind all day: they would hide what people do. The page says how many
// there are, and leads to them. What was refused of them is shown.
func hidden() []string { return []string{"evidence.stored", "tenant_token.minted"} }

// counted is how many of the newest hidden entries are counted.
const counted = 10_000

// everything is the action that filters nothing.
const everything = "all"

type recordPage struct {
	Filters  []ui.Field
	Filtered bool
	Hidden   []ui.Link
	Table    ui.Table
	Pager    ui.Pager
	CSV      string
	Newest   string // without filter
}

func (h *pages) record(w http.ResponseWriter, r *web.Request) error {
	filter, query, err := recordFilter(r)
	if err != nil {
		return err
	}
	filter.Limit = pageSize + 1
	entries, err := audit.List(r.Context(), h.DB.Pool(pg.Staff), filter)
	if err != nil {
		return err
	}
	p := h.c.Printer(r)
	body := &recordPage{Filtered: len(query) > 0, Newest: RecordPath, CSV: at(RecordPath+".csv", query)}
	if filter.Before > 0 {
		body.Pager.Newer = at(RecordPath, query)
	}
	if len(entries) > pageSize {
		entries = entries[:pageSize]
		body.Pager.Older = at(RecordPath, query, "before", strconv.FormatInt(entries[pageSize-1].ID, 10))
	}
	body.Table = h.c.Trail(r, p, entries, true)
	if body.Filtered {
		body.Table.Empty = &ui.Empty{Icon: "record", Title: p.T("console.record.none"), Text: p.T("console.record.none.text"),
			Action: &ui.Button{Label: p.T("console.record.all"), Href: RecordPath}}
	}
	body.Filters = recordFields(p, query)
	if len(filter.Without) > 0 && filter.Before == 0 {
		if body.Hidden, err = h.hidden(r, p); err != nil {
			return err
		}
	}
	return h.write(w, http.StatusOK, "record", h.c.Page(r, "console.record.title", RecordPath, body))
}

// hidden says what of the last day is not listed.
func (h *pages) hidden(r *web.Request, p *ui.Printer) (out []ui.Link, err error) {
	for _, action := range hidden() {
		n, err := audit.Recent(r.Context(), h.DB.Pool(pg.Staff), action, r.Now.Add(-24*time.Hour), counted)
		if err != nil {
			return nil, err
		}
		id := "console.record.hidden." + strings.ReplaceAll(action, ".", "_")
		if n == counted {
			id += "_many"
		}
		if n > 0 {
			out = append(out, ui.Link{Label: p.T(id, "Count", n), Href: at(RecordPath, nil, "action", action)})
		}
	}
	return out, nil
}

func recordFields(p *ui.Printer, query url.Values) []ui.Field {
	chosen := query.Get("action")
	options := []ui.Option{{Label: p.T("console.record.any")}, {Value: everything, Label: p.T("console.record.everything"), Selected: chosen == everything}}
	for _, a := range actions() {
		options = append(options, ui.Option{Value: a, Label: actionWord(p, a), Selected: a == chosen})
	}
	if chosen != "" && chosen != everything && !slices.Contains(actions(), chosen) {
		options = append(options, ui.Option{Value: chosen, Label: chosen, Selected: true})
	}
	return []ui.Field{
		{Name: "action", Type: "select", Label: p.T("console.record.what"), Options: options},
		{Name: "actor", Label: p.T("console.record.who.label"), Value: query.Get("actor"), Autocomplete: "off"},
		{Name: "object", Label: p.T("console.record.object.label"), Value: query.Get("object"), Autocomplete: "off"},
	}
}

// recordFilter reads the address. query holds what narrows the list, without the page.
func recordFilter(r *web.Request) (f audit.Filter, query url.Values, err error) {
	in, query := r.URL.Query(), url.Values{}
	for _, name := range []string{"object", "actor", "action"} {
		if v := strings.TrimSpace(in.Get(name)); v != "" {
			if !utf8.ValidString(v) || strings.ContainsRune(v, 0) { // the database would not take it
				return f, nil, ErrBefore()
			}
			query.Set(name, v)
		}
	}
	f.ActorID, f.Action = query.Get("actor"), query.Get("action")
	switch {
	case f.Action == everything:
		f.Action = ""
	case len(query) == 0:
		f.Without = hidden()
	}
	f.Object.Kind, f.Object.ID, _ = strings.Cut(query.Get("object"), ":")
	if before := in.Get("before"); before != "" {
		if f.Before, err = strconv.ParseInt(before, 10, 64); err != nil || f.Before <= 0 {
			return f, nil, ErrBefore()
		}
	}
	return f, query, nil
}

// ErrBefore is said of an address that names no place in a list.
func ErrBefore() error {
	return errs.New(errs.Invalid, "console.before", "This address names no place in the list.").WithFix("Start from the newest.")
}

// at is an address with a query, to which names and values in turn are added.
func at(path string, query url.Values, add ...string) string {
	q := url.Values{}
	for name, values := range query {
		q[name] = values
	}
	for i := 0; i+1 < len(add); i += 2 {
		q.Set(add[i], add[i+1])
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

func (h *pages) recordCSV(w http.ResponseWriter, r *web.Request) error {
	filter, _, err := recordFilter(r)
	if err != nil {
		return err
	}
	filter.Limit = 200
	over := false
	return CSV(w, "record.csv", []string{"id", "at", "actor_kind", "actor_id", "session", "origin", "action", "outcome", "object_kind", "object_id", "detail"}, func() ([][]string, error) {
		if over {
			return nil, nil
		}
		entries, err := audit.List(r.Context(), h.DB.Pool(pg.Staff), filter)
		if err != nil {
			return nil, err
		}
		over = len(entries) < filter.Limit
		rows := make([][]string, 0, len(entries))
		for _, e := range entries {
			detail, err := detailJSON(e.Detail)
			if err != nil {
				return nil, err
			}
			outcome := "permitted"
			if e.Refused {
				outcome = "refused"
			}
			rows = append(rows, []string{strconv.FormatInt(e.ID, 10), Stamp(e.At), string(e.Actor.Kind), e.Actor.ID, e.Actor.Session, e.Actor.Origin,
				e.Action, outcome, e.Object.Kind, e.Object.ID, detail})
			filter.Before = e.ID
		}
		return rows, nil
	})
}
