package console

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/words"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

// recordNames are the filters in the address.
func recordNames() []string {
	return []string{"action", "actor", "object", "from", "until", "tenant", "request", "text"}
}

// actionGroups are the parts of the choice of actions, in their order, with what the actions of each begin with. What an application names, which has
// no words here, is in the last.
func actionGroups() [][]string {
	return [][]string{
		{"people", "sign_in", "session", "passkey", "link", "recovery", "token", "notice", "request", "person", "credential"},
		{"evidence", "check", "evidence", "measure", "sample", "witness"},
		{"annex", "annex", "estate", "register", "document", "mail"},
		{"customers", "tenant", "tenancy", "tenant_token", "tenant_session", "service_job", "trail"},
		{"copies", "copies", "copy"},
		{"log", "record", "anomaly", "audit_log"},
		{"applications", "row", "table"},
	}
}

// actionOptions are the actions that there are, in the words that lists have for them.
func actionOptions(p *ui.Printer, there []string, chosen string) []ui.Option {
	if chosen != "" && chosen != everything && !slices.Contains(there, chosen) {
		there = append(there, chosen)
	}
	groups := actionGroups()
	grouped := make([][]ui.Option, len(groups))
	for _, action := range there {
		kind, _, _ := strings.Cut(action, ".")
		at := slices.IndexFunc(groups, func(g []string) bool { return slices.Contains(g[1:], kind) })
		if _, code := done(p, action); code != "" || at < 0 {
			at = len(groups) - 1
		}
		grouped[at] = append(grouped[at], ui.Option{Value: action, Label: actionWord(p, action), Selected: action == chosen, Group: p.T("console.record.group." + groups[at][0])})
	}
	var list []ui.Option
	for _, g := range grouped {
		slices.SortFunc(g, func(a, b ui.Option) int { return strings.Compare(a.Label, b.Label) })
		list = append(list, g...)
	}
	return list
}

func recordFields(p *ui.Printer, query url.Values, there []string) []ui.Field {
	chosen := query.Get("action")
	options := []ui.Option{{Label: p.T("console.record.any")}, {Value: everything, Label: p.T("console.record.everything"), Selected: chosen == everything}}
	fields := []ui.Field{{Name: "action", Type: "select", Label: p.T("console.record.what"), Options: append(options, actionOptions(p, there, chosen)...)}}
	for _, name := range recordNames()[1:] {
		f := ui.Field{Name: name, Label: p.T("console.record." + name + ".label"), Value: query.Get(name), Autocomplete: "off"}
		if name == "from" || name == "until" {
			f.Type = "datetime-local"
		}
		fields = append(fields, f)
	}
	return fields
}

// longestFilter is how much of a filter is taken, in bytes.
const longestFilter = 500

// recordFilter reads the address. query holds what narrows the list, without the page; nobody is whom the reader named and nobody is called.
func (h *pages) recordFilter(r *web.Request, p *ui.Printer) (f audit.Filter, query url.Values, nobody string, err error) {
	in, query := r.URL.Query(), url.Values{}
	for _, name := range recordNames() {
		if v := strings.TrimSpace(in.Get(name)); v != "" {
			if !utf8.ValidString(v) || strings.ContainsRune(v, 0) || len(v) > longestFilter { // the database would not take it
				return f, nil, "", ErrBefore()
			}
			query.Set(name, v)
		}
	}
	f.Action, f.Request, f.Text = query.Get("action"), query.Get("request"), query.Get("text")
	switch {
	case f.Action == everything:
		f.Action = ""
	case len(query) == 0:
		f.Without = hidden()
	}
	if tenant := query.Get("tenant"); tenant != "" {
		id, err := uuid.Parse(tenant)
		if err != nil {
			return f, nil, "", errs.New(errs.Invalid, "console.tenant", "A customer is named by its whole id here.").WithFix("Copy it from the page of an entry.")
		}
		f.Tenant = id.String()
	}
	for _, t := range []struct {
		name string
		to   *time.Time
	}{{"from", &f.From}, {"until", &f.Until}} {
		if *t.to, err = moment(query.Get(t.name), p.Zone()); err != nil {
			return f, nil, "", err
		}
	}
	if nobody, err = h.whom(r, p, query.Get("actor"), query.Get("object"), &f); err != nil {
		return f, nil, "", err
	}
	if before := in.Get("before"); before != "" {
		if f.Before, err = strconv.ParseInt(before, 10, 64); err != nil || f.Before <= 0 {
			return f, nil, "", ErrBefore()
		}
	}
	return f, query, nobody, nil
}

// moment reads what a field for day and time sends, in the company's zone; a day alone begins at midnight.
func moment(text string, zone *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errs.New(errs.Invalid, "console.moment", "That is no day and time.").WithFix("Write it as in 2026-11-27T14:30, or choose it in the field.")
}

// whom reads who acted, and what it was done to: ids, or the names by which the reader knows them.
func (h *pages) whom(r *web.Request, p *ui.Printer, who, what string, f *audit.Filter) (nobody string, err error) {
	if who != "" {
		ids, err := h.called(r, p, who)
		if err != nil {
			return "", err
		}
		if f.ActorID = who; len(ids) > 0 {
			f.Actors = ids
		} else if strings.Contains(who, " ") || strings.Contains(who, "@") { // no id is written so
			nobody = who
		}
	}
	if what == "" {
		return nobody, nil
	}
	if kind, id, ok := strings.Cut(what, ":"); ok || !strings.ContainsAny(what, " @") && words.Of(what) != nil && !h.mayBeName(r, p, what) {
		f.Object.Kind, f.Object.ID = kind, id
		return nobody, nil
	}
	ids, err := h.called(r, p, what)
	f.Object.Kind, f.Object.ID, f.ObjectIDs = "person", what, ids
	if len(ids) == 0 {
		nobody = what
	}
	return nobody, err
}

// mayBeName reports whether somebody is called so, for what could also be a kind of object.
func (h *pages) mayBeName(r *web.Request, p *ui.Printer, what string) bool {
	ids, err := h.called(r, p, what)
	return err == nil && len(ids) > 0
}

// called finds the ids of who is called so: by a name or a part of it, an address, the end of an id as lists show it, or the word for a part of Garant.
func (h *pages) called(r *web.Request, p *ui.Printer, name string) (ids []string, err error) {
	if _, err := uuid.Parse(name); err == nil {
		return nil, nil
	}
	ctx := r.Context()
	if len(name) == 8 && strings.Trim(name, "0123456789abcdef") == "" {
		return personsEnding(ctx, h.DB.Pool(pg.Staff), name)
	}
	word, account, _ := strings.Cut(strings.TrimSuffix(name, ")"), " (") // "the command line (root)", as lists show it
	for _, id := range h.c.Messages.IDs() {
		part, ok := strings.CutPrefix(id, "console.actor.")
		if !ok || !strings.EqualFold(p.T(id), word) {
			continue
		}
		switch {
		case part == "public":
			part = "anonymous"
		case account != "":
			part += ":" + account
		}
		ids = append(ids, part)
	}
	if len(ids) > 0 || !r.Actor.May(actor.ReadPersons) {
		return ids, nil
	}
	if strings.Contains(name, "@") {
		person, err := h.Directory.PersonByEmail(ctx, r.Actor, name)
		if errs.Is(err, errs.NotFound) || errs.Is(err, errs.Invalid) {
			return nil, nil
		}
		return []string{person.ID.String()}, err
	}
	all, err := h.Directory.Everybody(ctx, r.Actor)
	asked := words.Ask(strings.Join(strings.Fields(name), "* ") + "*") // by the beginnings of its words
	for _, n := range all {
		if n.Name != "" && !asked.None() && asked.In(words.Of(n.Name)) {
			ids = append(ids, n.ID.String())
		}
	}
	return ids, err
}

// ErrBefore is said of an address that names no place in a list.
func ErrBefore() error {
	return errs.New(errs.Invalid, "console.before", "This address names no place in the list.").WithFix("Start from the newest.")
}
