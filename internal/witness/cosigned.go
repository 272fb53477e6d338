package witness

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/note"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/audit/trees"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
)

// CheckCosigned is the check that witnesses cosign the audit log as it is.
const CheckCosigned = "auditlog.cosigned"

// The problems of its findings, as message ids.
const (
	ProblemSilent     = "cosigned.silent"      // no cosignature for three intervals
	ProblemBehind     = "cosigned.behind"      // of an old checkpoint only
	ProblemForked     = "cosigned.forked"      // a witness was shown what the log does not hold
	ProblemRewritten  = "cosigned.rewritten"   // the log does not hold any more what was cosigned
	ProblemRolledBack = "cosigned.rolled_back" // the log is smaller than what was cosigned
	ProblemWrongKey   = "cosigned.wrong_key"   // cosignatures are of another key than the declared one
	ProblemNoAnswer   = "cosigned.unknown"     // could not be told
)

const (
	cosignedEvery   = time.Minute
	cosignedValid   = 10 * time.Minute
	cosignedTimeout = 20 * time.Second
)

// cosignedCheck sees, of an estate in which a witness declares a cosigner, that each such witness cosigns what the log holds. Without one
// there is no such check, and its facts are given by nobody.
func cosignedCheck(db *pg.DB, box *crypt.Box, e *estate.Estate) []measure.Check {
	if len(cosignedScope(e)) == 0 {
		return nil
	}
	return []measure.Check{{
		ID: CheckCosigned, Measures: []string{"LOG-1", "ACC-6"}, Every: cosignedEvery, Valid: cosignedValid, Timeout: cosignedTimeout, Self: true, OwnPace: true,
		Scope: cosignedScope,
		Run: func(ctx context.Context, in measure.In) measure.Finding {
			return lookAtCosigned(ctx, db.Pool(pg.Worker), box, in)
		},
	}}
}

func cosignedScope(e *estate.Estate) []string {
	var scope []string
	for _, w := range e.Witnesses {
		if w.Cosigner != "" {
			scope = append(scope, w.Log())
		}
	}
	slices.Sort(scope)
	return scope
}

func lookAtCosigned(ctx context.Context, on pg.Querier, box *crypt.Box, in measure.In) measure.Finding {
	f := measure.Finding{Outcome: measure.Pass}
	if len(cosignedScope(in.Estate)) == 0 {
		return measure.Finding{Outcome: measure.NotApplicable}
	}
	raw := map[string]any{}
	for _, w := range in.Estate.Witnesses {
		if w.Cosigner == "" {
			continue
		}
		age, items, err := judgeCosigned(ctx, on, box, w, in.Now)
		if err != nil {
			items = []measure.Item{{Problem: ProblemNoAnswer, Expected: "an answer", Actual: "Garant’s own database does not answer"}}
		}
		for i := range items {
			items[i].Target = w.Log()
		}
		measure.Look(&f, w.Log(), items, func(i measure.Item) bool { return i.Problem == ProblemNoAnswer })
		f.Failed = append(f.Failed, items...)
		raw[w.Name] = map[string]any{"key": w.Cosigner, "intervals": int64((age + w.Every - 1) / w.Every)}
	}
	slices.Sort(f.Scope)
	f.Raw, _ = json.Marshal(raw) // texts and numbers: cannot fail
	return f
}

// judgeCosigned sees what a witness cosigned last: how old that is, and what is wrong with it.
func judgeCosigned(ctx context.Context, on pg.Querier, box *crypt.Box, w estate.Witness, now time.Time) (age time.Duration, items []measure.Item, err error) {
	add := func(problem, expected, actual string) {
		items = append(items, measure.Item{Problem: problem, Expected: expected, Actual: measure.Shown(actual, 300)})
	}
	forks, err := forksShown(ctx, on, box, w.Name)
	if err != nil {
		return 0, nil, err
	}
	for _, about := range forks {
		add(ProblemForked, "what the log holds", about)
	}
	fresh := "at most " + patience(w).String()
	missing := func(actual string) error {
		refused, err := lastRefusal(ctx, on, w.Name)
		if err != nil {
			return err
		}
		if refused == refusedKey {
			add(ProblemWrongKey, "the key that the estate declares", "another")
		} else {
			add(ProblemSilent, fresh, actual)
		}
		return nil
	}
	root, err := trees.Open(ctx, on, 0, trees.Root)
	if errs.Is(err, errs.NotFound) {
		return 0, items, missing("nothing: the log has not begun")
	}
	if err != nil {
		return 0, nil, err
	}
	list, err := newest(ctx, on, root.Generation.Number, w.Name, 1)
	if err != nil {
		return 0, nil, err
	}
	if len(list) == 0 {
		return 0, items, missing("no cosignature of this log")
	}
	last := list[0]
	if last.note == "" {
		add(ProblemRolledBack, "the checkpoint that was cosigned", "none of that size is kept")
		return 0, items, nil
	}
	c, problem, err := cosignedHead(w, root, last)
	if err != nil {
		return 0, nil, err
	}
	switch problem {
	case ProblemWrongKey:
		add(problem, "the key that the estate declares", "another")
		return 0, items, nil
	case ProblemRewritten:
		add(problem, "what was cosigned", "another checkpoint in its place")
		return 0, items, nil
	}
	switch is, err := holds(ctx, root, c); {
	case damaged(err):
		add(ProblemRewritten, "what was cosigned", "a tree that is not whole")
	case err != nil:
		return 0, nil, err
	case !is && c.Size > root.Size:
		add(ProblemRolledBack, "the leaves that were cosigned", "fewer")
	case !is:
		add(ProblemRewritten, "what was cosigned", "other hashes")
	}
	age = now.Sub(last.made)
	switch {
	case now.Sub(last.at) > patience(w):
		if err := missing("none for " + now.Sub(last.at).Truncate(time.Second).String()); err != nil {
			return 0, nil, err
		}
	case age > patience(w) || age < -measure.Skew:
		add(ProblemBehind, fresh, "a checkpoint of "+last.made.UTC().Format(time.RFC3339))
	}
	return max(age, 0), items, nil
}

// cosignedHead reads the checkpoint under a kept cosignature, whose row may have been changed since.
func cosignedHead(w estate.Witness, root *trees.Tree, p put) (c merkle.Checkpoint, problem string, err error) {
	key, err := merkle.NewWitness(w.Cosigner)
	if err != nil {
		return c, "", err
	}
	line, err := merkle.ParseSignature(p.line)
	if err != nil || line.Name != key.Name() || line.Hash != key.KeyHash() {
		return c, ProblemWrongKey, nil //nolint:nilerr // that is the problem
	}
	verifier, err := note.NewVerifier(root.Generation.Key)
	if err != nil {
		return c, "", errs.New(errs.Internal, "witness.log_key", "The key of the audit log cannot be read.").Wrap(err)
	}
	c, err = merkle.Open(p.note, verifier)
	if err != nil {
		return c, ProblemRewritten, nil //nolint:nilerr // that is the problem
	}
	if _, err := key.Cosigned(c.Text(), p.line); err != nil || c.Size != p.size {
		return c, ProblemRewritten, nil //nolint:nilerr // that is the problem
	}
	return c, "", nil
}

// damaged reports whether a tree cannot be read because it was changed, rather than because the database does not answer.
func damaged(err error) bool {
	var e *errs.Error
	return errors.As(err, &e) && strings.HasPrefix(e.ID, "trees.")
}

// forksShown lists what a witness was shown that the log does not hold, as long as nobody has said what it was.
func forksShown(ctx context.Context, on pg.Querier, box *crypt.Box, witness string) ([]string, error) {
	answered, err := sequence.Answered(ctx, on, box)
	if err != nil {
		return nil, err
	}
	rows, err := on.Query(ctx, `SELECT a.about FROM audit.anomaly AS a WHERE a.kind = $1 AND a.detail->>'witness' = $2
	AND a.id <> ALL ($3) ORDER BY a.id LIMIT 12`, ForkedKind, witness, slices.AppendSeq([]int64{}, maps.Keys(answered)))
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return list, pg.Wrap(err)
}

// lastRefusal is why the last cosignature that a witness sent was refused; empty: it was taken, or none came.
func lastRefusal(ctx context.Context, on pg.Querier, witness string) (reason string, err error) {
	err = on.QueryRow(ctx, `SELECT CASE outcome WHEN 'refused' THEN coalesce(detail->>'reason', '') ELSE '' END FROM audit.entry
WHERE object_kind = 'witness' AND object_id = $1 AND action = $2 ORDER BY id DESC LIMIT 1`, witness, Action).Scan(&reason)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return reason, pg.Wrap(err)
}
