package console

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/sample"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/ui"
)

// The keys of the populations of this package. They are kept with samples.
const (
	entriesKey       = "record"
	versionsKey      = "estate_versions"
	confirmationsKey = "estate_confirmations"
	personsKey       = "persons_added"
)

// addPopulations registers what the house itself keeps records of.
func (h *pages) addPopulations() {
	whole := func(key string) func(p *ui.Printer, _ string) string {
		return func(p *ui.Printer, _ string) string { return p.T("console.population." + key) }
	}
	h.c.AddPopulation(Population{
		Key: entriesKey, Personal: true, List: listEntries, Records: h.entryRecords,
		Title: func(p *ui.Printer, name string) string {
			if part := partOf(name); part.Customers {
				return p.T("console.population.record_customers", "Action", actionWord(p, part.Action))
			}
			return p.T("console.population.record", "Action", actionWord(p, name))
		},
		Parts: func(r *web.Request, _ *ui.Printer) ([]string, error) {
			parts, err := audit.Parts(r.Context(), h.DB.Pool(pg.Staff))
			names := make([]string, 0, len(parts))
			for _, part := range parts {
				if part.Customers {
					part.Action = customersPrefix + part.Action
				}
				names = append(names, part.Action)
			}
			return names, err
		},
	})
	h.c.AddPopulation(Population{Key: versionsKey, Personal: true, Title: whole(versionsKey), Records: h.versionRecords, List: numbered(estate.VersionIDs)})
	h.c.AddPopulation(Population{Key: confirmationsKey, Personal: true, Title: whole(confirmationsKey), Records: h.confirmationRecords, List: numbered(estate.ConfirmationIDs)})
	h.c.AddPopulation(Population{Key: personsKey, Personal: true, Title: whole(personsKey), Records: h.personRecords, List: listPersons})
}

// customersPrefix tells what customers and applications did from what the company did under the same name.
const customersPrefix = "customers/"

func partOf(name string) audit.Part {
	action, customers := strings.CutPrefix(name, customersPrefix)
	return audit.Part{Action: action, Customers: customers}
}

// number reads the id of a record that is numbered; 0 for the empty one.
func number(id string) (int64, error) {
	if id == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return 0, errs.New(errs.Internal, "sample.list", "The population cannot be listed.").Wrap(err)
	}
	return n, nil
}

func numbersOf(ids []string) ([]int64, error) {
	out := make([]int64, 0, len(ids))
	for _, id := range ids {
		n, err := number(id)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

func texts(ids []int64) []string {
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		out = append(out, strconv.FormatInt(id, 10))
	}
	return out
}

func listEntries(ctx context.Context, on pg.Querier, s Span, after string, limit int) ([]string, error) {
	n, err := number(after)
	if err != nil {
		return nil, err
	}
	ids, err := audit.IDs(ctx, on, partOf(s.Part), s.From, s.Until, n, limit)
	return texts(ids), err
}

func (h *pages) entryRecords(r *web.Request, p *ui.Printer, on pg.Querier, ids []string) ([]Record, error) {
	wanted, err := numbersOf(ids)
	if err != nil {
		return nil, err
	}
	entries, err := audit.Load(r.Context(), on, wanted)
	if err != nil {
		return nil, err
	}
	names := h.c.Names(r, p)
	names.learnOf(r.Context(), entries, true)
	out := make([]Record, 0, len(entries))
	for _, e := range entries {
		who := names.Of(r.Context(), e.Actor.Kind, e.Actor.ID)
		object, href := names.object(r.Context(), e.Object)
		action, _ := done(p, e.Action)
		one := Record{
			ID: strconv.FormatInt(e.ID, 10), At: e.At, Href: href, Title: p.T("console.population.entry", "Who", who, "Action", actionWord(p, e.Action)), Note: object,
			Digest: sample.DigestOf("audit entry", e.ID, e.At, e.Actor.Kind, e.Actor.ID, e.Actor.Session, e.Actor.Origin, e.Action, e.Refused, e.Object.Kind, e.Object.ID, e.Detail),
			Detail: []ui.Detail{
				{Term: p.T("console.record.who"), Text: who},
				{Term: p.T("console.record.what"), Text: action, Code: e.Action},
				{Term: p.T("console.record.object"), Text: object},
			},
		}
		if e.Refused {
			one.Note += " · " + p.T("console.record.refused")
			one.Detail[1].Note = p.T("console.record.refused")
		}
		if d := p.Values(e.Detail, "console"); d != "" {
			one.Detail = append(one.Detail, ui.Detail{Term: p.T("console.record.detail"), Text: d})
		}
		if one.Href == "" {
			one.Href = ui.At(RecordPath, nil, "object", e.Object.Kind+":"+e.Object.ID, "action", e.Action)
		}
		out = append(out, one)
	}
	return out, nil
}

// numbered makes a list of one that tells its records apart by numbers.
func numbered(list listNumbers) func(context.Context, pg.Querier, Span, string, int) ([]string, error) {
	return func(ctx context.Context, on pg.Querier, s Span, after string, limit int) ([]string, error) {
		n, err := number(after)
		if err != nil {
			return nil, err
		}
		ids, err := list(ctx, on, s.From, s.Until, n, limit)
		return texts(ids), err
	}
}

func (h *pages) versionRecords(r *web.Request, p *ui.Printer, on pg.Querier, ids []string) ([]Record, error) {
	versions, err := heads(r, on, ids)
	names := h.c.Names(r, p)
	names.LearnIdentities(r.Context(), hands(versions)...)
	out := make([]Record, 0, len(versions))
	for _, v := range versions {
		link := versionLink(p, v.ID)
		by := names.Identity(r.Context(), v.AppliedBy)
		reduced := make([][]string, 0, len(v.Reductions))
		for _, one := range v.Reductions {
			reduced = append(reduced, append([]string{one.Key, one.From, one.To}, one.By...))
		}
		out = append(out, Record{
			ID: strconv.FormatInt(v.ID, 10), Title: link.Label, Href: link.Href, At: v.AppliedAt, Note: by,
			Digest: sample.DigestOf("estate version", v.ID, v.Hash, v.AppliedAt, v.AppliedBy.String(), reduced),
			Detail: []ui.Detail{
				{Term: p.T("console.estate.by"), Text: by},
				{Term: p.T("console.estate.hash"), Digest: v.Hash},
				{Term: p.T("console.estate.reductions"), Text: strconv.Itoa(len(v.Reductions))},
			},
		})
	}
	return out, err
}

func (h *pages) confirmationRecords(r *web.Request, p *ui.Printer, on pg.Querier, ids []string) ([]Record, error) {
	versions, err := heads(r, on, ids)
	names := h.c.Names(r, p)
	names.LearnIdentities(r.Context(), hands(versions)...)
	out := make([]Record, 0, len(versions))
	for _, v := range versions {
		if v.Confirmed == nil {
			continue
		}
		link := versionLink(p, v.ID)
		by := names.Identity(r.Context(), v.Confirmed.By)
		out = append(out, Record{
			ID: strconv.FormatInt(v.ID, 10), Title: p.T("console.population.confirmation", "Version", link.Label), Href: link.Href, At: v.Confirmed.At, Note: v.Confirmed.Reason,
			Digest: sample.DigestOf("estate confirmation", v.ID, v.Confirmed.At, v.Confirmed.By.String(), v.Confirmed.Reason),
			Detail: []ui.Detail{{Term: p.T("console.estate.by"), Text: by}, {Term: p.T("console.confirm.reason"), Text: v.Confirmed.Reason}},
		})
	}
	return out, err
}

func heads(r *web.Request, on pg.Querier, ids []string) ([]estate.Version, error) {
	wanted, err := numbersOf(ids)
	if err != nil {
		return nil, err
	}
	return estate.Heads(r.Context(), on, wanted)
}

func listPersons(ctx context.Context, on pg.Querier, s Span, after string, limit int) ([]string, error) {
	last := uuid.Nil
	if after != "" {
		var err error
		if last, err = uuid.Parse(after); err != nil {
			return nil, errs.New(errs.Internal, "sample.list", "The population cannot be listed.").Wrap(err)
		}
	}
	ids, err := directory.AddedIDs(ctx, on, s.From, s.Until, last, limit)
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		out = append(out, id.String())
	}
	return out, err
}

func (h *pages) personRecords(r *web.Request, p *ui.Printer, on pg.Querier, ids []string) ([]Record, error) {
	wanted := make([]uuid.UUID, 0, len(ids))
	for _, id := range ids {
		parsed, err := uuid.Parse(id)
		if err != nil {
			return nil, errs.New(errs.Internal, "sample.list", "The population cannot be listed.").Wrap(err)
		}
		wanted = append(wanted, parsed)
	}
	added, err := directory.Additions(r.Context(), on, wanted)
	names := h.c.Names(r, p)
	var persons []string
	for _, a := range added {
		persons = append(persons, a.ID.String(), a.By)
	}
	names.Learn(r.Context(), persons...)
	out := make([]Record, 0, len(added))
	for _, a := range added {
		kind := actor.System // added_by keeps the id alone: persons' are UUIDs, those of parts of Garant are names
		if _, err := uuid.Parse(a.By); err == nil {
			kind = actor.Person
		}
		by := names.Of(r.Context(), kind, a.By)
		one := Record{
			ID: a.ID.String(), Title: names.person(r.Context(), a.ID.String()), At: a.At, Note: p.T("console.population.added_by", "Who", by),
			Href:   ui.At(RecordPath, nil, "object", "person:"+a.ID.String(), "action", everything),
			Digest: sample.DigestOf("person added", a.ID, a.At, a.By),
			Detail: []ui.Detail{{Term: p.T("console.estate.by"), Text: by}},
		}
		if r.Actor.May(actor.ReadPersons) {
			one.Href = PeoplePath + "/" + one.ID
		}
		out = append(out, one)
	}
	return out, err
}

// listNumbers gives the numbers of the records of a period, upwards from one.
type listNumbers = func(ctx context.Context, on pg.Querier, from, until time.Time, after int64, limit int) ([]int64, error)
