package console

import (
	"context"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit/sample"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// The keys of the populations of this package. They are kept with samples.
const (
	evidenceKey = "evidence"
	changesKey  = "state_changes"
	attestedKey = "attestations"
)

// addPopulations registers what checks leave behind for auditors to draw from.
func (h *pages) addPopulations() {
	h.c.AddPopulation(console.Population{
		Key: evidenceKey, List: listEvidence, Records: h.evidenceRecords,
		Title: func(p *ui.Printer, check string) string {
			return p.T("console.population.evidence", "Check", title(p, check))
		},
		Parts: func(r *web.Request, _ *ui.Printer) ([]string, error) {
			view, err := h.r.Effective(r.Context())
			if err != nil {
				return nil, err
			}
			var ids []string
			for _, c := range view.Registry.Checks() {
				ids = append(ids, c.ID)
			}
			return ids, nil
		},
	})
	h.c.AddPopulation(console.Population{
		Key: changesKey, List: listChanges, Records: h.changeRecords,
		Title: func(p *ui.Printer, _ string) string { return p.T("console.population.state_changes") },
	})
	h.c.AddPopulation(console.Population{
		Key: attestedKey, Personal: true, Records: h.attestationRecords,
		Title: func(p *ui.Printer, _ string) string { return p.T("console.population.attestations") },
		List: func(ctx context.Context, on pg.Querier, s console.Span, after string, limit int) ([]string, error) {
			return measure.AttestationIDs(ctx, on, s.From, s.Until, after, limit)
		},
	})
}

func (h *pages) attestationRecords(r *web.Request, p *ui.Printer, on pg.Querier, ids []string) ([]console.Record, error) {
	wanted, err := uuids(ids)
	if err != nil {
		return nil, err
	}
	list, err := measure.AttestationsOf(r.Context(), on, wanted)
	if err != nil {
		return nil, err
	}
	view, err := h.r.Effective(r.Context())
	if err != nil {
		return nil, err
	}
	names := h.c.Names(r, p)
	out := make([]console.Record, 0, len(list))
	for _, a := range list {
		who := names.Of(r.Context(), actor.Person, a.Person)
		one := console.Record{
			ID: a.ID, At: a.ReceivedAt, Href: measurePath(a.Measure), Note: who, Broken: !a.Intact(),
			Title:  strings.TrimSpace(a.Measure + " " + view.Registry.Catalogue.Words(p.Lang(), a.Measure).Title),
			State:  ui.Met,
			Digest: sample.DigestOf("attestation", a.ID, a.Digest, a.ReceivedAt),
			Detail: []ui.Detail{
				{Term: p.T("console.record.who"), Text: who},
				{Term: p.T("console.population.observed_on"), Text: p.Day(a.ObservedAt)},
				{Term: p.T("console.evidence.received"), Time: a.ReceivedAt},
				{Term: p.T("console.population.holds_until"), Time: a.ValidUntil},
				{Term: p.T("console.population.documents"), Text: p.Number(int64(len(a.Documents)))},
				{Term: p.T("console.evidence.digest"), Digest: a.Digest},
			},
		}
		if a.Statement == measure.NoLongerSo {
			one.State = ui.NotMet
		}
		if a.OnBehalfOf != "" {
			one.Detail[0].Note = p.T("console.population.on_behalf", "Name", names.Of(r.Context(), actor.Person, a.OnBehalfOf))
		}
		if len(a.Documents) == 0 {
			one.Detail[4].Text = p.T("console.none")
		}
		out = append(out, one)
	}
	return out, nil
}

func uuids(ids []string) ([]uuid.UUID, error) {
	out := make([]uuid.UUID, 0, len(ids))
	for _, id := range ids {
		parsed, err := uuid.Parse(id)
		if err != nil {
			return nil, errList(err)
		}
		out = append(out, parsed)
	}
	return out, nil
}

func errList(err error) error {
	return errs.New(errs.Internal, "sample.list", "The population cannot be listed.").Wrap(err)
}

func listEvidence(ctx context.Context, on pg.Querier, s console.Span, after string, limit int) ([]string, error) {
	last := uuid.Nil
	if after != "" {
		var err error
		if last, err = uuid.Parse(after); err != nil {
			return nil, errList(err)
		}
	}
	ids, err := measure.EvidenceIDs(ctx, on, s.Part, s.From, s.Until, last, limit)
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		out = append(out, id.String())
	}
	return out, err
}

func (h *pages) evidenceRecords(r *web.Request, p *ui.Printer, on pg.Querier, ids []string) ([]console.Record, error) {
	wanted, err := uuids(ids)
	if err != nil {
		return nil, err
	}
	list, err := measure.EvidenceOf(r.Context(), on, wanted)
	out := make([]console.Record, 0, len(list))
	for _, e := range list {
		out = append(out, console.Record{
			ID: e.ID, Title: p.T("console.population.look", "Check", title(p, e.CheckID), "Outcome", outcome(p, e.Outcome)), Href: "/evidence/" + e.ID, At: e.ObservedAt,
			Note: p.T("console.check.targets", "Count", len(e.Finding.Scope)), Broken: !e.Intact(), Detail: evidenceDetails(p, e),
			Digest: sample.DigestOf("evidence", e.ID, e.Digest, string(e.Source), e.ReceivedAt),
		})
	}
	return out, err
}

func listChanges(ctx context.Context, on pg.Querier, s console.Span, after string, limit int) ([]string, error) {
	var last int64
	if after != "" {
		var err error
		if last, err = strconv.ParseInt(after, 10, 64); err != nil {
			return nil, errList(err)
		}
	}
	ids, err := measure.ChangeIDs(ctx, on, s.From, s.Until, last, limit)
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		out = append(out, strconv.FormatInt(id, 10))
	}
	return out, err
}

func (h *pages) changeRecords(r *web.Request, p *ui.Printer, on pg.Querier, ids []string) ([]console.Record, error) {
	wanted := make([]int64, 0, len(ids))
	for _, id := range ids {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return nil, errList(err)
		}
		wanted = append(wanted, n)
	}
	list, err := measure.Changes(r.Context(), on, wanted)
	if err != nil {
		return nil, err
	}
	view, err := h.r.Effective(r.Context())
	if err != nil {
		return nil, err
	}
	out := make([]console.Record, 0, len(list))
	for _, c := range list {
		one := console.Record{
			ID: strconv.FormatInt(c.ID, 10), State: ui.State(c.State), At: c.At, Note: reason(p, c.Reason),
			Title:  strings.TrimSpace(c.Measure + " " + view.Registry.Catalogue.Words(p.Lang(), c.Measure).Title),
			Digest: sample.DigestOf("state change", c.ID, c.Measure, c.State, c.At, c.Cause, c.Reason),
			Detail: []ui.Detail{{Term: p.T("console.check.state.label"), State: ui.State(c.State), Note: reason(p, c.Reason)}},
		}
		if _, err := uuid.Parse(c.Cause); err == nil { // evidence, or an attestation that another package shows
			if _, err := measure.LoadEvidence(r.Context(), on, c.Cause); err == nil {
				one.Href = "/evidence/" + c.Cause
				one.Detail = append(one.Detail, ui.Detail{Term: p.T("console.evidence.title"), Link: &ui.Link{Label: console.ShortID(c.Cause), Href: one.Href}})
			}
		}
		out = append(out, one)
	}
	return out, nil
}
