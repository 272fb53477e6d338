package register

import (
	"context"
	"iter"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/pg"
)

// emptyRegister reports whether one of the registers has no entry.
func emptyRegister(ctx context.Context, q pg.Querier, registers []string) (empty bool, err error) {
	err = q.QueryRow(ctx, `SELECT EXISTS (SELECT FROM unnest($1::text[]) AS k (register)
WHERE NOT EXISTS (SELECT FROM register.entry e WHERE e.register = k.register AND e.deleted_at IS NULL))`, registers).Scan(&empty)
	return empty, pg.Wrap(err)
}

// countAssets counts the assets that were not disposed of.
func countAssets(ctx context.Context, q pg.Querier) (n int, err error) {
	err = q.QueryRow(ctx, "SELECT count(*) FROM register.entry a WHERE a.register = 'assets' AND a.deleted_at IS NULL AND a.state <> 'disposed'").Scan(&n)
	return n, pg.Wrap(err)
}

// countOffice counts the assets in use and the offices.
func countOffice(ctx context.Context, q pg.Querier) (n, offices int, err error) {
	err = q.QueryRow(ctx, `SELECT (SELECT count(*) FROM register.entry a WHERE a.register = 'assets' AND a.deleted_at IS NULL AND a.state <> 'disposed'),
	(SELECT count(*) FROM register.entry s WHERE s.register = 'sites' AND s.deleted_at IS NULL AND s.state = 'active' AND s.fields ->> 'kind' = 'office')`).Scan(&n, &offices)
	return n, offices, pg.Wrap(err)
}

// infrastructure lists the servers and storage in use with the kind of site that they stand at; empty:
// nobody knows.
func infrastructure(ctx context.Context, q pg.Querier) ([]called, error) {
	return collectCalled(q.Query(ctx, `SELECT a.id, coalesce(a.fields ->> 'tag', ''), coalesce(s.fields ->> 'kind', '')
FROM register.entry a LEFT JOIN register.entry s ON s.id = (a.fields ->> 'site')::uuid AND s.deleted_at IS NULL
WHERE a.register = 'assets' AND a.deleted_at IS NULL AND a.state <> 'disposed' AND a.fields ->> 'kind' IN ('server', 'storage')
ORDER BY 2, 1`))
}

// unlabelled lists the assets and documents in use without a class, with their register.
func unlabelled(ctx context.Context, q pg.Querier) ([]called, error) {
	return collectCalled(q.Query(ctx, `SELECT e.id, coalesce(e.fields ->> 'tag', e.fields ->> 'title', ''), e.register
FROM register.entry e WHERE e.register IN ('assets', 'documents') AND e.deleted_at IS NULL AND e.state NOT IN ('disposed', 'withdrawn') AND e.fields ->> 'class' IS NULL
ORDER BY 3, 2, 1`))
}

// medium is a removable medium.
type medium struct {
	Tag       string
	Encrypted string
	Place     string
	Kept      bool // by somebody who is present
}

func removable(ctx context.Context, q pg.Querier, today calendar.Date) ([]medium, error) {
	rows, err := q.Query(ctx, `SELECT coalesce(a.fields ->> 'tag', ''), coalesce(a.fields ->> 'encrypted', ''), coalesce(a.fields ->> 'place', ''),
	coalesce((a.fields ->> 'keeper')::uuid IN (SELECT p.id FROM register.entry p WHERE `+present+`), false)
FROM register.entry a WHERE a.register = 'assets' AND a.deleted_at IS NULL AND a.state <> 'disposed' AND a.fields ->> 'kind' = 'removable_media'
ORDER BY 1`, today.String())
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[medium])
	return list, pg.Wrap(err)
}

// countSigned counts the present persons, and those of them who have signed.
func countSigned(ctx context.Context, q pg.Querier, today calendar.Date) (n, signed int, err error) {
	err = q.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE p.fields ->> 'nda' <= $1) FROM register.entry p WHERE `+present, today.String()).Scan(&n, &signed)
	return n, signed, pg.Wrap(err)
}

// unsigned lists the present persons who arrived before a day and have not signed.
func unsigned(ctx context.Context, q pg.Querier, today, since calendar.Date) ([]called, error) {
	return collectCalled(q.Query(ctx, `SELECT p.id, '', '' FROM register.entry p WHERE `+present+`
	AND p.fields ->> 'arrival' < $2 AND (p.fields ->> 'nda' IS NULL OR p.fields ->> 'nda' > $1) ORDER BY p.id`, today.String(), since.String()))
}

// valued is an entry by its open values.
type valued struct {
	ID     uuid.UUID
	Values Values
}

func suppliersInUse(ctx context.Context, q pg.Querier) ([]valued, error) {
	rows, err := q.Query(ctx, `SELECT s.id, s.fields FROM register.entry s
WHERE s.register = 'suppliers' AND s.deleted_at IS NULL AND s.state = 'active' ORDER BY s.fields ->> 'name', s.id`)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[valued])
	return list, pg.Wrap(err)
}

// servingDocument is a document that serves a measure, with its version in force.
type servingDocument struct {
	ID          uuid.UUID
	Title       string
	Published   bool
	Review      string
	Acknowledge bool
	Owned       bool // by somebody who is present
	Version     int
	At          time.Time // of the publication
}

// serving lists the documents that serve a measure, withdrawn ones left out.
func serving(ctx context.Context, q pg.Querier, measure string, today calendar.Date) ([]servingDocument, error) {
	rows, err := q.Query(ctx, `SELECT d.id, coalesce(d.fields ->> 'title', ''), d.state = 'published' AND v.version IS NOT NULL, coalesce(d.fields ->> 'review', ''),
	coalesce(d.fields ->> 'acknowledge', '') = 'true', coalesce((d.fields ->> 'owner')::uuid IN (SELECT p.id FROM register.entry p WHERE `+present+`), false), coalesce(v.version, 0), coalesce(v.at, 'epoch')
FROM register.entry d
LEFT JOIN LATERAL (SELECT x.version, x.at FROM register.publication x WHERE x.entry_id = d.id ORDER BY x.version DESC LIMIT 1) v ON true
WHERE d.register = 'documents' AND d.deleted_at IS NULL AND d.state <> 'withdrawn' AND $2 = ANY (string_to_array(d.fields ->> 'measures', ', '))
ORDER BY 2, 1`, today.String(), measure)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[servingDocument])
	return list, pg.Wrap(err)
}

// askedPerson is a present person who is asked to read a document.
type askedPerson struct {
	Arrival      string
	Acknowledged bool
}

func askedWithArrival(ctx context.Context, q pg.Querier, document uuid.UUID, version int, today calendar.Date) iter.Seq2[askedPerson, error] {
	return func(yield func(askedPerson, error) bool) {
		rows, err := q.Query(ctx, `SELECT coalesce(p.fields ->> 'arrival', ''), a.at IS NOT NULL FROM register.entry p
JOIN register.entry d ON d.id = $2
LEFT JOIN register.entry t ON t.id = (p.fields ->> 'team')::uuid
LEFT JOIN register.acknowledgement a ON a.document_id = $2 AND a.version = $3 AND a.person_id = p.id
WHERE `+present+` AND (nullif(d.fields ->> 'teams', '') IS NULL OR t.fields ->> 'key' = ANY (string_to_array(d.fields ->> 'teams', ', ')))`, today.String(), document, version)
		if err != nil {
			yield(askedPerson{}, pg.Wrap(err))
			return
		}
		list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[askedPerson])
		if err != nil {
			yield(askedPerson{}, pg.Wrap(err))
			return
		}
		for _, p := range list {
			if !yield(p, nil) {
				return
			}
		}
	}
}
