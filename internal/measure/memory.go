package measure

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/web"
)

// Memory reads what is known as Load does, and keeps what never changes once it is written: findings,
// by the id of their evidence, and the rows that owners leave behind, until one is added. One short
// question to the database tells what is new, so that what it gives is never older than its answer.
// The zero Memory is ready; it is safe for use by many goroutines. What it gives is shared and must not
// be changed.
type Memory struct {
	mu       sync.Mutex
	findings map[string]kept // by the id of their evidence; of the last reading
	words    words
}

// kept is what does not change of a row of evidence.
type kept struct {
	digest  string
	outcome Outcome
	finding Finding
}

// words is what owners said, and who they are.
type words struct {
	mark     wordsMark
	attested map[string][]*Attested
	assigned map[string]Assignment
	since    map[string]time.Time // of assigned
}

// wordsMark tells whether a row was added. Numbers are given before rows are committed, so that the
// last one alone would not tell.
type wordsMark struct{ attestations, lastAttestation, assignments, lastAssignment int64 }

// Load reads what is known now.
func (m *Memory) Load(ctx context.Context, on pg.Querier) (Known, error) {
	all, err := m.load(ctx, on)
	return all.Known, err
}

// knowledge is what is known, with who answers for each measure and since when.
type knowledge struct {
	Known
	assigned map[string]Assignment
	since    map[string]time.Time
}

func (m *Memory) load(ctx context.Context, on pg.Querier) (knowledge, error) {
	mark, runs, definite, err := readMarks(ctx, on)
	if err != nil {
		return knowledge{}, err
	}
	if err := m.find(ctx, on, runs, definite); err != nil {
		return knowledge{}, err
	}
	w, err := m.read(ctx, on, mark)
	if err != nil {
		return knowledge{}, err
	}
	out := knowledge{Known: Known{Runs: make(map[string]*Current, len(runs)), Attested: w.attested}, assigned: w.assigned, since: w.since}
	for _, c := range runs {
		out.Runs[c.CheckID] = c
	}
	return out, nil
}

// readMarks reads the runs that checks are in, without their findings; the evidence of the last
// definite finding of each, empty where there is none; and how much owners have said.
func readMarks(ctx context.Context, on pg.Querier) (mark wordsMark, runs []*Current, definite []string, err error) {
	rows, err := on.Query(ctx, `SELECT a.n, a.last, s.n, s.last, coalesce(c.check_id, ''), coalesce(c.evidence_id::text, ''), c.first_at, c.observed_at, c.valid_until, coalesce(c.observations, 0),
	coalesce(c.estate_version, 0), coalesce(c.catalogue_hash, ''), coalesce(c.build, ''), coalesce(c.definite_id::text, ''), coalesce(c.definite_at, 'epoch')
FROM (SELECT count(*) AS n, coalesce(max(n), 0) AS last FROM measure.attestation) AS a
CROSS JOIN (SELECT count(*) AS n, coalesce(max(id), 0) AS last FROM measure.assignment) AS s
LEFT JOIN measure.current AS c ON true`)
	if err != nil {
		return mark, nil, nil, pg.Wrap(err)
	}
	for rows.Next() {
		var c Current
		var first, observed, until *time.Time
		var d string
		err := rows.Scan(&mark.attestations, &mark.lastAttestation, &mark.assignments, &mark.lastAssignment, &c.CheckID, &c.EvidenceID, &first, &observed, &until, &c.Observations,
			&c.EstateVersion, &c.CatalogueHash, &c.Build, &d, &c.DefiniteAt)
		if err != nil {
			rows.Close()
			return mark, nil, nil, pg.Wrap(err)
		}
		if c.CheckID == "" { // no check has run yet
			continue
		}
		c.FirstAt, c.ObservedAt, c.ValidUntil = *first, *observed, *until
		runs, definite = append(runs, &c), append(definite, d)
	}
	return mark, runs, definite, pg.Wrap(rows.Err())
}

// find fills in the findings of runs, and reads those that are not kept yet.
func (m *Memory) find(ctx context.Context, on pg.Querier, runs []*Current, definite []string) error {
	m.mu.Lock()
	known := m.findings
	m.mu.Unlock()
	next := make(map[string]kept, 2*len(runs))
	var missing []string
	need := func(id string) {
		if k, ok := known[id]; ok {
			next[id] = k
		} else if id != "" {
			missing = append(missing, id)
		}
	}
	for i, c := range runs {
		need(c.EvidenceID)
		if definite[i] != c.EvidenceID {
			need(definite[i])
		}
	}
	if len(missing) > 0 {
		rows, err := on.Query(ctx, "SELECT id, digest, outcome, finding FROM measure.evidence WHERE id = ANY ($1::uuid[])", missing)
		if err != nil {
			return pg.Wrap(err)
		}
		var id string
		var k kept
		if _, err := pgx.ForEachRow(rows, []any{&id, &k.digest, &k.outcome, &k.finding}, func() error {
			next[id] = k
			k = kept{} // so that the next finding is not read into the maps of this one
			return nil
		}); err != nil {
			return pg.Wrap(err)
		}
		m.mu.Lock()
		m.findings = next
		m.mu.Unlock()
	}
	for i, c := range runs {
		k := next[c.EvidenceID]
		c.Digest, c.Finding = k.digest, k.finding
		if definite[i] != "" {
			c.Definite = next[definite[i]].outcome
		}
	}
	return nil
}

// read returns what owners said and who they are, anew when a row was added.
func (m *Memory) read(ctx context.Context, on pg.Querier, mark wordsMark) (words, error) {
	m.mu.Lock()
	w := m.words
	m.mu.Unlock()
	if w.attested != nil && w.mark == mark {
		return w, nil
	}
	w = words{mark: mark, attested: map[string][]*Attested{}}
	said, err := loadAttested(ctx, on, "")
	if err != nil {
		return w, err
	}
	for _, a := range said {
		w.attested[a.Measure] = append(w.attested[a.Measure], a)
	}
	if w.assigned, err = LoadAssignments(ctx, on); err != nil {
		return w, err
	}
	if w.since, err = assignedAt(ctx, on); err != nil {
		return w, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.words = w
	return w, nil
}

type knowledgeKey struct{}

// knowledge reads what is known now, once for a page.
func (r *Runner) knowledge(ctx context.Context, on pg.Querier) (knowledge, error) {
	return web.Once(ctx, knowledgeKey{}, func() (knowledge, error) { return r.memory.load(ctx, on) })
}

// Known reads what is known now, as Load does and faster.
func (r *Runner) Known(ctx context.Context, on pg.Querier) (Known, error) {
	all, err := r.knowledge(ctx, on)
	return all.Known, err
}

// Assignments reads who answers for each measure now, as LoadAssignments does and faster.
func (r *Runner) Assignments(ctx context.Context, on pg.Querier) (map[string]Assignment, error) {
	all, err := r.knowledge(ctx, on)
	return all.assigned, err
}
