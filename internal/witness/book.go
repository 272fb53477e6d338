package witness

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
)

// Receiver says what is in force, and stores findings that were made elsewhere: *measure.Runner.
type Receiver interface {
	Effective(ctx context.Context) (measure.View, error)
	Receive(ctx context.Context, by actor.Actor, id string, f measure.Finding, observedAt time.Time) (measure.Result, error)
}

// Book takes and keeps statements.
type Book struct {
	DB       *pg.DB
	Receiver Receiver
	Now      func() time.Time
}

const maxStatement = 64 << 10

// Take verifies a statement and keeps it. It needs actor.ImportEvidence. The errors: Denied for one that is not
// signed by a witness of the estate in force; Invalid for one that is none; Conflict for one of another company,
// of the future, too old, or not newer than what is known. All of them are recorded.
func (b *Book) Take(ctx context.Context, by actor.Actor, signed Signed) (Statement, error) {
	s, err := b.take(ctx, by, signed)
	if k := errs.KindOf(err); err != nil && k != errs.Internal && k != errs.Unavailable {
		id := "web.invalid"
		var e *errs.Error
		if errors.As(err, &e) {
			id = e.ID
		}
		if err := audit.Refused(ctx, b.DB.Pool(pg.Staff), by, "witness.stated", audit.Object{Kind: "witness", ID: s.Witness}, map[string]any{"reason": id}); err != nil {
			return Statement{}, err
		}
		return Statement{}, err
	}
	return s, err
}

func (b *Book) take(ctx context.Context, by actor.Actor, signed Signed) (Statement, error) {
	if !by.May(actor.ImportEvidence) {
		return Statement{}, errs.New(errs.Denied, "web.denied", "You are not allowed to send in statements.").WithFix("Ask the security lead for the permission.")
	}
	view, err := b.Receiver.Effective(ctx)
	if err != nil {
		return Statement{}, err
	}
	if view.Estate == nil {
		return Statement{}, errs.New(errs.Conflict, "measure.no_estate", "No estate has been applied, so there is nothing to look at.").
			WithFix("Write garant.yaml and run garant estate apply.")
	}
	w, s, err := verify(view.Estate, signed, b.Now())
	if err != nil {
		return s, err
	}
	var disputed []string
	for _, state := range s.States {
		if state.Disputed() {
			disputed = append(disputed, state.Measure)
		}
	}
	err = pg.InTx(ctx, b.DB.Pool(pg.Checker), func(tx pgx.Tx) error {
		return insert(ctx, tx, by, s, signed, w.KeyText(), view.Version, disputed)
	})
	if err != nil {
		return s, err
	}
	return s, b.reached(ctx, by, view.Estate)
}

// verify holds a statement to the estate in force. The statement that it returns beside an error names a witness at
// most.
func verify(e *estate.Estate, signed Signed, now time.Time) (estate.Witness, Statement, error) {
	if len(signed.Statement) > maxStatement {
		return estate.Witness{}, Statement{}, invalid()
	}
	claimed, err := signed.read()
	if err != nil {
		return estate.Witness{}, Statement{}, invalid()
	}
	named := Statement{Witness: claimed.Witness}
	i := slices.IndexFunc(e.Witnesses, func(w estate.Witness) bool { return w.Name == claimed.Witness })
	if i < 0 {
		return estate.Witness{}, named, errs.New(errs.Denied, "witness.unknown", "The estate declares no witness of that name.").
			WithFix("Declare it under witness in garant.yaml, with the key that garant witness init printed.")
	}
	w := e.Witnesses[i]
	s, err := signed.Open(w.Key)
	switch {
	case err != nil:
		return w, named, errs.New(errs.Denied, "witness.signature", "The statement is not signed by the key that the estate declares.").
			WithFix("Compare the key in garant.yaml with what garant witness init printed; a key is replaced in garant.yaml first.")
	case s.Company != e.Company.LegalName:
		return w, named, errs.New(errs.Conflict, "witness.company", "The statement is about another company.").
			WithFix("Write in witness.yaml the legal name that the annex bears.")
	case s.MadeAt.After(now.Add(measure.Skew)):
		return w, named, errs.New(errs.Conflict, "witness.future", "The statement says that it was made in the future, so it was not taken.").
			WithFix("Set the clock of the witness.")
	case now.Sub(s.MadeAt) > patience(w):
		return w, named, errs.New(errs.Conflict, "witness.old", "The statement is too old, so it was not taken.").
			WithFix("Set the clock of the witness, and let it send its statements as it makes them.")
	case slices.ContainsFunc(s.States, func(x State) bool { return x.ObservedAt.After(s.MadeAt.Add(measure.Skew)) }):
		return w, named, invalid()
	}
	return w, s, nil
}

func invalid() error {
	return errs.New(errs.Invalid, "witness.form", "This is no statement of a witness.").WithFix("Send what garant witness makes, to the letter.")
}

// latest reads the last statement of each witness of an estate, by name. A witness that never said anything is not
// in it.
func latest(ctx context.Context, on pg.Querier, e *estate.Estate) (map[string]*kept, error) {
	out := map[string]*kept{}
	for _, w := range e.Witnesses {
		k, err := last(ctx, on, w.Name, w.KeyText())
		if err != nil {
			return nil, err
		}
		if k != nil {
			out[w.Name] = k
		}
	}
	return out, nil
}

// reached stores what the witnesses say of addresses that must not be reachable.
func (b *Book) reached(ctx context.Context, by actor.Actor, e *estate.Estate) error {
	statements, err := latest(ctx, b.DB.Pool(pg.Checker), e)
	if err != nil {
		return err
	}
	f, at := reachFinding(e, statements)
	if at.IsZero() {
		return nil
	}
	_, err = b.Receiver.Receive(ctx, by, CheckReach, f, at)
	var known *errs.Error
	if errors.As(err, &known) && known.ID == "measure.not_newer" { // the oldest of several witnesses has said nothing new
		return nil
	}
	return err
}

// Mark is a witness's confirmation of one measure.
type Mark struct {
	Name string
	At   time.Time // to the hour, so that it does not change with every statement
	Key  string    // fingerprint
}

// Marks tells which measures a witness confirms at a moment, of the published document of that hash. Of several
// the first by name is told.
func Marks(ctx context.Context, on pg.Querier, e *estate.Estate, document string, now time.Time) (map[string]Mark, error) {
	if len(e.Witnesses) == 0 {
		return nil, nil
	}
	statements, err := latest(ctx, on, e)
	if err != nil {
		return nil, err
	}
	marks, disputed := map[string]Mark{}, map[string]bool{}
	for _, w := range slices.SortedFunc(slices.Values(e.Witnesses), func(a, b estate.Witness) int { return strings.Compare(a.Name, b.Name) }) {
		k := statements[w.Name]
		if k == nil || Silent(w, k.MadeAt, now) || k.Document != document {
			continue
		}
		for _, s := range k.States {
			if s.Disputed() {
				disputed[s.Measure] = true
			}
			if _, taken := marks[s.Measure]; s.Confirmed() && !taken {
				marks[s.Measure] = Mark{Name: w.Name, At: s.ObservedAt.UTC().Truncate(time.Hour), Key: Fingerprint(w.Key)}
			}
		}
	}
	for id := range disputed { // no witness confirms what another saw to fail
		delete(marks, id)
	}
	return marks, nil
}

// Silent reports whether nothing was heard of a witness for longer than it is waited for.
func Silent(w estate.Witness, madeAt, now time.Time) bool { return now.Sub(madeAt) > patience(w) }
