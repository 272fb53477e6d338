package register

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit/sample"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/ui"
)

// addPopulations lets auditors draw samples of what was changed in registers and of what was
// acknowledged: both are only ever added to.
func (h *pages) addPopulations() {
	h.c.AddPopulation(console.Population{
		Key: "register_changes", Personal: true, List: listChanges, Records: h.changeRecords,
		Title: func(p *ui.Printer, part string) string {
			d := h.r.byKey[part]
			if d == nil {
				return part
			}
			return p.T("register.population.changes", "Register", p.T(titleID(d)))
		},
		Parts: func(r *web.Request, _ *ui.Printer) ([]string, error) {
			var keys []string
			for _, d := range h.r.Definitions() {
				if r.Actor.May(d.read()) {
					keys = append(keys, d.Key)
				}
			}
			return keys, nil
		},
	})
	h.c.AddPopulation(console.Population{
		Key: "acknowledgements", Personal: true, List: listAcknowledgements, Records: h.acknowledgementRecords,
		Title: func(p *ui.Printer, _ string) string { return p.T("register.population.acknowledgements") },
	})
}

func errPopulation(err error) error {
	return errs.New(errs.Internal, "sample.list", "The population cannot be listed.").Wrap(err)
}

func listChanges(ctx context.Context, on pg.Querier, s console.Span, after string, limit int) ([]string, error) {
	last := int64(0)
	if after != "" {
		var err error
		if last, err = strconv.ParseInt(after, 10, 64); err != nil {
			return nil, errPopulation(err)
		}
	}
	rows, err := on.Query(ctx, `SELECT c.id::text FROM register.change c JOIN register.entry e ON e.id = c.entry_id
WHERE e.register = $1 AND c.at >= $2 AND c.at < $3 AND c.id > $4 ORDER BY c.id LIMIT $5`, s.Part, s.From, s.Until, last, limit)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return list, pg.Wrap(err)
}

func (h *pages) changeRecords(r *web.Request, p *ui.Printer, on pg.Querier, ids []string) ([]console.Record, error) {
	numbers := make([]int64, 0, len(ids))
	for _, id := range ids {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil {
			return nil, errPopulation(err)
		}
		numbers = append(numbers, n)
	}
	rows, err := on.Query(r.Context(), `SELECT c.id, c.revision, c.at, c.actor_kind, c.actor_id, c.action, c.changes, c.entry_id, e.register
FROM register.change c JOIN register.entry e ON e.id = c.entry_id WHERE c.id = ANY ($1)`, numbers)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	type line struct {
		Change
		Entry    uuid.UUID
		Register string
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l line, err error) {
		err = row.Scan(&l.ID, &l.Revision, &l.At, &l.Kind, &l.Actor, &l.Action, &l.Changes, &l.Entry, &l.Register)
		return l, err
	})
	if err != nil {
		return nil, pg.Wrap(err)
	}
	names := h.c.Names(r, p)
	changes := make([]Change, len(list))
	for i, l := range list {
		changes[i] = l.Change
	}
	names.Learn(r.Context(), changedBy(changes)...)
	var out []console.Record
	for _, l := range list {
		d := h.r.byKey[l.Register]
		if d == nil || !r.Actor.May(d.read()) {
			continue
		}
		from, to := Values{}, Values{}
		for field, x := range l.Changes {
			from[field], to[field] = x.From, x.To
		}
		s, err := h.show(r, p, d, from, to)
		if err != nil {
			return nil, err
		}
		who, done := names.Of(r.Context(), l.Kind, l.Actor), p.T("register.entry.action."+l.Action)
		out = append(out, console.Record{
			ID: strconv.FormatInt(l.ID, 10), At: l.At, Href: entryPath(d, l.Entry.String()), Title: p.T("register.population.change", "Who", who, "Action", done),
			Note:   p.T("register.nameless", "ID", console.ShortID(l.Entry.String())),
			Digest: sample.DigestOf("register change", l.ID, l.Entry, l.Revision, l.At, l.Kind, l.Actor, l.Action, l.Changes),
			Detail: []ui.Detail{
				{Term: p.T("register.entry.history.who"), Text: who}, {Term: p.T("register.entry.history.what"), Text: done, Note: s.changes(d, l.Change)},
				{Term: p.T("register.entry.revision"), Text: strconv.FormatInt(l.Revision, 10)},
			},
		})
	}
	return out, nil
}

// ackID tells an acknowledgement from others: document, version and person.
type ackID struct {
	document uuid.UUID
	version  int
	person   uuid.UUID
}

func (a ackID) String() string { return fmt.Sprintf("%s/%d/%s", a.document, a.version, a.person) }

func parseAckID(s string) (a ackID, err error) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 {
		return a, errPopulation(fmt.Errorf("%d parts", len(parts)))
	}
	if a.document, err = uuid.Parse(parts[0]); err == nil {
		if a.version, err = strconv.Atoi(parts[1]); err == nil {
			a.person, err = uuid.Parse(parts[2])
		}
	}
	if err != nil {
		return a, errPopulation(err)
	}
	return a, nil
}

func listAcknowledgements(ctx context.Context, on pg.Querier, s console.Span, after string, limit int) ([]string, error) {
	sql := `SELECT a.document_id, a.version, a.person_id FROM register.acknowledgement a WHERE a.at >= $1 AND a.at < $2`
	args := []any{s.From, s.Until, limit}
	if after != "" {
		last, err := parseAckID(after)
		if err != nil {
			return nil, err
		}
		sql += ` AND (a.at, a.document_id, a.version, a.person_id) > (SELECT b.at, b.document_id, b.version, b.person_id FROM register.acknowledgement b
	WHERE b.document_id = $4 AND b.version = $5 AND b.person_id = $6)`
		args = append(args, last.document, last.version, last.person)
	}
	rows, err := on.Query(ctx, sql+" ORDER BY a.at, a.document_id, a.version, a.person_id LIMIT $3", args...)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var a ackID
		err := row.Scan(&a.document, &a.version, &a.person)
		return a.String(), err
	})
	return list, pg.Wrap(err)
}

func (h *pages) acknowledgementRecords(r *web.Request, p *ui.Printer, on pg.Querier, ids []string) ([]console.Record, error) {
	var documents, persons []uuid.UUID
	var versions []int
	for _, id := range ids {
		a, err := parseAckID(id)
		if err != nil {
			return nil, err
		}
		documents, versions, persons = append(documents, a.document), append(versions, a.version), append(persons, a.person)
	}
	rows, err := on.Query(r.Context(), `SELECT a.document_id, a.version, a.person_id, a.account_id, a.digest, a.at
FROM unnest($1::uuid[], $2::int[], $3::uuid[]) AS k (document_id, version, person_id) JOIN register.acknowledgement a USING (document_id, version, person_id)`, documents, versions, persons)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	names := h.c.Names(r, p)
	titles, err := h.r.Names(r.Context(), r.Actor, documents)
	if err != nil {
		return nil, err
	}
	s := &shower{p: p, names: titles}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (console.Record, error) {
		var a ackID
		var account uuid.UUID
		var digest string
		var at time.Time
		if err := row.Scan(&a.document, &a.version, &a.person, &account, &digest, &at); err != nil {
			return console.Record{}, err
		}
		who := names.Of(r.Context(), actor.Person, account.String())
		title := s.name(Documents, a.document.String())
		return console.Record{
			ID: a.String(), At: at, Href: Path + "/" + Documents + "/" + a.document.String(), Title: p.T("register.population.acknowledgement", "Who", who, "Title", title, "Version", a.version),
			Digest: sample.DigestOf("acknowledgement", a.document, a.version, a.person, account, digest, at),
			Detail: []ui.Detail{{Term: p.T("register.entry.history.who"), Text: who}, {Term: p.T("register.population.read"), Digest: digest}},
		}, nil
	})
	return list, pg.Wrap(err)
}
