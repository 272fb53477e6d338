package console

import (
	"context"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

// Names tells who actors are, for one request.
type Names struct {
	chrome *Chrome
	reader actor.Actor
	p      *ui.Printer
	known  map[string]string
}

// Names returns what tells the reader who actors are. Names of persons are looked up only for
// who may read persons, each once.
func (c *Chrome) Names(r *web.Request, p *ui.Printer) *Names {
	type key struct{ lang string }
	known, _ := web.Once(r.Context(), key{p.Lang()}, func() (map[string]string, error) { return map[string]string{}, nil })
	return &Names{chrome: c, reader: r.Actor, p: p, known: known}
}

// Of is the name of an actor: of a person, or a word for a part of Garant.
func (n *Names) Of(ctx context.Context, kind actor.Kind, id string) string {
	switch kind {
	case actor.Person:
		return n.person(ctx, id)
	case actor.System:
		part, account, _ := strings.Cut(id, ":") // "cli:root": the command line, as that account
		if word := "console.actor." + part; n.p.Has(word) {
			part = n.p.T(word)
		}
		if account != "" {
			part += " (" + account + ")"
		}
		return part
	case actor.Public:
		return n.p.T("console.actor.public")
	case actor.User:
		return n.p.T("console.user", "ID", ShortID(id))
	}
	return id
}

// Identity is the name of who applied or confirmed a version of the estate.
func (n *Names) Identity(ctx context.Context, i estate.Identity) string {
	return n.Of(ctx, i.Kind, i.ID)
}

// person is a person's name, or a short id where it is not for the reader, not there or cannot
// be opened.
func (n *Names) person(ctx context.Context, id string) string {
	n.Learn(ctx, id)
	return n.known[id]
}

// Learn looks up the names of persons that a list is going to show, all at once.
func (n *Names) Learn(ctx context.Context, ids ...string) {
	var ask []uuid.UUID
	for _, id := range ids {
		if _, ok := n.known[id]; ok {
			continue
		}
		n.known[id] = n.p.T("console.person", "ID", ShortID(id))
		switch parsed, err := uuid.Parse(id); {
		case n.reader.Kind == actor.Person && n.reader.ID == id && n.reader.Name != "":
			n.known[id] = n.reader.Name
		case err != nil || n.chrome.people == nil || !n.reader.May(actor.ReadPersons):
		default:
			ask = append(ask, parsed)
		}
	}
	if len(ask) == 0 {
		return
	}
	found, err := n.chrome.people.Names(ctx, n.reader, ask)
	if err != nil {
		return // ids are shown instead
	}
	for _, id := range ids {
		if parsed, err := uuid.Parse(id); err == nil && found[parsed].Name != "" {
			n.known[id] = found[parsed].Name
		}
	}
}

// learnOf is Learn for the actors of entries and, with objects, for the persons that they are about.
func (n *Names) learnOf(ctx context.Context, entries []audit.Entry, objects bool) {
	var ids []string
	for _, e := range entries {
		if e.Actor.Kind == actor.Person {
			ids = append(ids, e.Actor.ID)
		}
		if _, err := uuid.Parse(e.Object.ID); objects && e.Object.Kind == "person" && err == nil {
			ids = append(ids, e.Object.ID)
		}
	}
	n.Learn(ctx, ids...)
}

// LearnIdentities is Learn for those among identities who are persons.
func (n *Names) LearnIdentities(ctx context.Context, list ...estate.Identity) {
	var ids []string
	for _, i := range list {
		if i.Kind == actor.Person {
			ids = append(ids, i.ID)
		}
	}
	n.Learn(ctx, ids...)
}

// ShortID is the end of an id, enough to tell two apart: the beginning of a UUIDv7 is its time.
func ShortID(id string) string {
	if len(id) <= 8 {
		return id
	}
	return id[len(id)-8:]
}

// object returns what an action was done to, in words, with its page where it has one.
func (n *Names) object(ctx context.Context, o audit.Object) (label, href string) {
	switch o.Kind {
	case "check":
		if id := "check." + o.ID; n.p.Has(id) {
			return n.p.T(id), ChecksPath + "/" + url.PathEscape(o.ID)
		}
	case "person":
		if _, err := uuid.Parse(o.ID); err == nil {
			if n.reader.May(actor.ReadPersons) {
				href = PeoplePath + "/" + o.ID
			}
			return n.person(ctx, o.ID), href
		}
	case "database":
		return o.ID, "" // a name from garant.yaml
	case "estate":
		if version, err := strconv.ParseInt(o.ID, 10, 64); err == nil {
			return n.p.T("console.estate.version", "Version", strconv.FormatInt(version, 10)), EstatePath + "/" + o.ID
		}
	}
	if id := "console.object." + o.Kind; n.p.Has(id) {
		return n.p.T(id, "ID", ShortID(o.ID)), ""
	}
	return o.Kind + " " + wholeID(o.ID), "" // of an application's own
}

// wholeID is an id that people may know, such as the number of an invoice, and of a longer one, which is no such, its end.
func wholeID(id string) string {
	if len(id) <= 24 {
		return id
	}
	return ShortID(id)
}

// actionWord is what was done, in words; the code of an action that has none.
func actionWord(p *ui.Printer, action string) string {
	text, code := done(p, action)
	return text + code
}

// done is what was done: in words, or the code of an action that has none, as of what an application names.
func done(p *ui.Printer, action string) (text, code string) {
	if word, ok := p.Word("console.action." + action); ok {
		return word, ""
	}
	return "", action
}

// Trail makes the table of entries of the record. all adds the object, for lists of more than
// one.
func (c *Chrome) Trail(r *web.Request, p *ui.Printer, entries []audit.Entry, all bool) ui.Table {
	names, ctx := c.Names(r, p), r.Context()
	t := ui.Table{
		Caption: p.T("console.record.caption"),
		Columns: []ui.Column{{Label: p.T("console.record.when")}, {Label: p.T("console.record.who")}, {Label: p.T("console.record.what")}},
		Empty:   &ui.Empty{Icon: "record", Title: p.T("console.record.empty"), Text: p.T("console.record.empty.text")},
	}
	if all {
		t.Columns = append(t.Columns, ui.Column{Label: p.T("console.record.object")})
	}
	t.Columns = append(t.Columns, ui.Column{Label: p.T("console.record.detail")})
	names.learnOf(ctx, entries, all)
	for _, e := range entries {
		var what ui.Cell
		if what.Text, what.Code = done(p, e.Action); e.Refused {
			what.Chip = p.T("console.record.refused")
		}
		who := ui.Cell{Text: names.Of(ctx, e.Actor.Kind, e.Actor.ID), Note: e.Actor.Origin}
		if all {
			who.Link, who.Text = &ui.Link{Label: who.Text, Href: ui.At(RecordPath, nil, "actor", e.Actor.ID)}, ""
		}
		row := []ui.Cell{{Text: p.Instant(e.At)}, who, what}
		if all {
			label, href := names.object(ctx, e.Object)
			if href == "" {
				row = append(row, ui.Cell{Text: label})
			} else {
				row = append(row, ui.Cell{Link: &ui.Link{Label: label, Href: href}})
			}
		}
		t.Rows = append(t.Rows, append(row, ui.Cell{Note: p.Values(e.Detail, "console")}))
	}
	return t
}

// History returns the latest entries on an object, for who may read the record.
func (c *Chrome) History(r *web.Request, on pg.Querier, p *ui.Printer, object audit.Object) (*Past, error) {
	if !r.Actor.May(actor.ReadAudit) {
		return nil, nil //nolint:nilnil // nothing for this reader
	}
	const shown = 10
	entries, err := audit.List(r.Context(), on, audit.Filter{Object: object, Limit: shown + 1})
	if err != nil {
		return nil, err
	}
	past := &Past{}
	if len(entries) > shown {
		entries, past.All = entries[:shown], storyPath(object)
	}
	past.Table = c.Trail(r, p, entries, false)
	return past, nil
}

// Past is the trail of an object.
type Past struct {
	Table ui.Table
	All   string // address of the whole, when there is more
}

// detailJSON is the detail as CSV has it: the whole, as JSON.
func detailJSON(values map[string]any) (string, error) {
	if len(values) == 0 {
		return "", nil
	}
	b, err := json.Marshal(values)
	if err != nil {
		return "", errs.New(errs.Internal, "console.detail", "An entry of the audit log cannot be written.").Wrap(err)
	}
	return string(b), nil
}
