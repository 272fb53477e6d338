package witness

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/note"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/trees"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
)

// Shown is a checkpoint of the root log that a witness was shown.
type Shown struct {
	Checkpoint  string `json:"checkpoint" maxLength:"65536" doc:"Signed note of the log (C2SP tlog-checkpoint)"`
	Cosignature string `json:"cosignature,omitempty" maxLength:"2000" doc:"Signature line of the witness (C2SP tlog-cosignature); none: it does not cosign that, and tells of it"`
}

// Action is what the record calls the arrival of a cosignature.
const Action = "witness.cosigned"

// ForkedKind is the kind of anomaly that a checkpoint is which the log signed and does not hold.
const ForkedKind = "forked"

// The reasons for which a cosignature is refused that the check tells apart.
const (
	refusedKey    = "witness.cosigner_key"
	refusedForked = "witness.forked"
)

// Cosigned takes a checkpoint with the cosignature of a witness, and keeps that when the checkpoint is the log's own. It needs actor.ImportEvidence. A checkpoint
// that the log signed and does not hold is kept as an anomaly, cosigned or not: somebody was shown another history. The errors: Denied when it is
// not signed by the log, or not by the key that the estate declares; Invalid for what is no checkpoint; Conflict for one of another log, of another history, of the
// future, too old, or older than what is known. All of them are recorded. What is known already is taken again and changes nothing.
func (b *Book) Cosigned(ctx context.Context, by actor.Actor, name string, shown Shown) (merkle.Checkpoint, error) {
	c, w, err := b.cosigned(ctx, by, name, shown)
	if k := errs.KindOf(err); err != nil && k != errs.Internal && k != errs.Unavailable {
		id := "web.invalid"
		var e *errs.Error
		if errors.As(err, &e) {
			id = e.ID
		}
		if err := audit.Refused(ctx, b.DB.Pool(pg.Staff), by, Action, audit.Object{Kind: "witness", ID: w}, map[string]any{"reason": id, "size": c.Size}); err != nil {
			return merkle.Checkpoint{}, err
		}
	}
	return c, err
}

// cosigned does. The name that it returns is that of a witness of the estate, or empty.
func (b *Book) cosigned(ctx context.Context, by actor.Actor, name string, shown Shown) (c merkle.Checkpoint, known string, err error) {
	if !by.May(actor.ImportEvidence) {
		return c, "", errs.New(errs.Denied, "web.denied", "You are not allowed to send in cosignatures.").WithFix("Ask the security lead for the permission.")
	}
	view, err := b.Receiver.Effective(ctx)
	if err != nil {
		return c, "", err
	}
	if view.Estate == nil {
		return c, "", errs.New(errs.Conflict, "measure.no_estate", "No estate has been applied, so there is nothing to look at.").
			WithFix("Write garant.yaml and run garant estate apply.")
	}
	i := slices.IndexFunc(view.Estate.Witnesses, func(w estate.Witness) bool { return w.Name == name })
	if i < 0 {
		return c, "", errs.New(errs.Denied, "witness.unknown", "The estate declares no witness of that name.").
			WithFix("Declare it under witness in garant.yaml, with the key that garant witness init printed.")
	}
	w := view.Estate.Witnesses[i]
	if w.Cosigner == "" {
		return c, w.Name, errs.New(errs.Denied, "witness.no_cosigner", "The estate declares no key with which this witness cosigns.").
			WithFix("Write under cosigner of the witness in garant.yaml what garant witness init printed.")
	}
	text, _, err := merkle.SplitNote(shown.Checkpoint)
	if err != nil || len(shown.Checkpoint) > maxStatement {
		return c, w.Name, noCheckpoint()
	}
	if c, err = merkle.ParseCheckpoint(text); err != nil || c.Size == 0 {
		return c, w.Name, noCheckpoint()
	}
	root, err := b.own(ctx, c, shown.Checkpoint)
	if err != nil {
		return c, w.Name, err
	}
	cosignedAt, cosignErr := cosignature(w, text, shown.Cosignature)
	if is, err := holds(ctx, root, c); err != nil {
		return c, w.Name, err
	} else if !is {
		return c, w.Name, b.forked(ctx, w, root, c, shown, cosignErr == nil && shown.Cosignature != "")
	}
	now := b.Now()
	switch {
	case shown.Cosignature == "": // it tells of what it was shown, which is ours
		return c, w.Name, nil
	case cosignErr != nil:
		return c, w.Name, cosignErr
	case cosignedAt.After(now.Add(measure.Skew)):
		return c, w.Name, errs.New(errs.Conflict, "witness.future", "The cosignature says that it was made in the future, so it was not taken.").WithFix("Set the clock of the witness.")
	case now.Sub(cosignedAt) > patience(w):
		return c, w.Name, errs.New(errs.Conflict, "witness.old", "The cosignature is too old, so it was not taken.").
			WithFix("Set the clock of the witness, and let it send its cosignatures as it makes them.")
	}
	return c, w.Name, pg.InTx(ctx, b.DB.Pool(pg.Staff), func(tx pgx.Tx) error {
		return keep(ctx, tx, by, w, root, c, shown, cosignedAt)
	})
}

func noCheckpoint() *errs.Error {
	return errs.New(errs.Invalid, "witness.no_checkpoint", "This is no signed checkpoint of the audit log.").WithFix("Send what garant witness makes, to the letter.")
}

// own finds the root log of a checkpoint, and verifies that it was signed with the key of that.
func (b *Book) own(ctx context.Context, c merkle.Checkpoint, signed string) (*trees.Tree, error) {
	list, err := trees.Generations(ctx, b.DB.Pool(pg.Staff))
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list, func(g trees.Generation) bool { return g.Origin == c.Origin })
	if i < 0 {
		return nil, errs.New(errs.Conflict, "witness.other_log", "The checkpoint is of another log.").
			WithFix("Write in witness.yaml the address and the key of this company’s log.")
	}
	verifier, err := note.NewVerifier(list[i].Key)
	if err != nil {
		return nil, errs.New(errs.Internal, "witness.log_key", "The key of the audit log cannot be read.").Wrap(err)
	}
	if _, err := merkle.Open(signed, verifier); err != nil {
		return nil, errs.New(errs.Denied, "witness.log_key", "The checkpoint is not signed with the key of the audit log.").
			WithFix("Compare the key in witness.yaml with that of the log, and find out who showed the witness this checkpoint.")
	}
	return trees.Open(ctx, b.DB.Pool(pg.Staff), list[i].Number, trees.Root)
}

// holds reports whether a tree holds a checkpoint: by its hashes, not by what is kept of checkpoints.
func holds(ctx context.Context, root *trees.Tree, c merkle.Checkpoint) (bool, error) {
	if c.Size > root.Size {
		return false, nil
	}
	at, err := root.At(c.Size)
	if err != nil {
		return false, err
	}
	hash, err := at.Hash(ctx)
	return hash == c.Root, err
}

// cosignature verifies a line under the text of a checkpoint, of the declared key.
func cosignature(w estate.Witness, text, line string) (time.Time, error) {
	key, err := merkle.NewWitness(w.Cosigner)
	if err != nil {
		return time.Time{}, err
	}
	at, err := key.Cosigned(text, line)
	if err != nil {
		return at, errs.New(errs.Denied, refusedKey, "The cosignature is not of the key that the estate declares for this witness.").
			WithFix("Compare cosigner in garant.yaml with what garant witness cosigner prints; a key is replaced in garant.yaml first.")
	}
	return at, nil
}

// forked keeps the proof that the log signed what it does not hold.
func (b *Book) forked(ctx context.Context, w estate.Witness, root *trees.Tree, c merkle.Checkpoint, shown Shown, cosigned bool) error {
	about := fmt.Sprintf("generation %d at %d: %s", root.Generation.Number, c.Size, base64.StdEncoding.EncodeToString(c.Root[:]))
	detail := map[string]any{"witness": w.Name, "checkpoint": shown.Checkpoint, "cosigned": cosigned}
	if cosigned {
		detail["cosignature"] = shown.Cosignature
	}
	if err := audit.Note(ctx, b.DB.Pool(pg.Worker), ForkedKind, about, detail); err != nil {
		return err
	}
	return errs.New(errs.Conflict, refusedForked, "The audit log signed this checkpoint and does not hold it: somebody was shown another history.").
		WithFix("Run garant audit verify, and find out who can use the signing key of the log. The checkpoint is kept as proof.")
}

// keep keeps a cosignature that was verified, of a checkpoint of the log.
func keep(ctx context.Context, tx pgx.Tx, by actor.Actor, w estate.Witness, root *trees.Tree, c merkle.Checkpoint, shown Shown, at time.Time) error {
	// One writer for a witness at a time.
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 9))", w.Name); err != nil {
		return pg.Wrap(err)
	}
	list, err := newest(ctx, tx, root.Generation.Number, w.Name, 1)
	if err != nil {
		return err
	}
	if len(list) > 0 {
		switch text, _, _ := merkle.SplitNote(list[0].note); {
		case list[0].size == c.Size && list[0].of(w, text):
			return nil // the answer was lost
		case list[0].size == c.Size:
			return errs.New(errs.Conflict, "witness.cosigned_before", "This checkpoint bears a cosignature of that witness with another key already.").WithFix("Wait for the next checkpoint.")
		case list[0].size > c.Size:
			return errs.New(errs.Conflict, "witness.cosigned_later", "A later checkpoint bears the cosignature of this witness already, so this one was not taken.").WithFix("Send the newest one.")
		}
	}
	tag, err := tx.Exec(ctx, `INSERT INTO audit.cosignature (tree, size, witness, line, at)
SELECT c.tree, c.size, $3, $4, $5 FROM audit.checkpoint AS c JOIN audit.tree AS t ON t.tree = c.tree AND t.generation = $1 AND t.name = 'root' WHERE c.size = $2 AND c.root = $6`,
		root.Generation.Number, c.Size, w.Name, shown.Cosignature, at, c.Root[:])
	if err != nil {
		return pg.Wrap(err)
	}
	if tag.RowsAffected() == 0 {
		return errs.New(errs.Conflict, "witness.checkpoint_gone", "The log holds this, and keeps no checkpoint of that size any more.").WithFix("Send the newest one.")
	}
	return audit.Record(ctx, tx, by, Action, audit.Object{Kind: "witness", ID: w.Name}, map[string]any{"generation": root.Generation.Number, "size": c.Size})
}

// put is a cosignature as it is kept.
type put struct {
	size int64
	line string
	at   time.Time
	note string    // of its checkpoint; empty: there is none any more
	made time.Time // when that was signed
}

// of reports whether it is a cosignature of a text with the key that is declared now.
func (p put) of(w estate.Witness, text string) bool {
	_, err := cosignature(w, text, p.line)
	return err == nil
}

// newest reads the cosignatures of a witness under the root log of a generation, the newest first.
func newest(ctx context.Context, on pg.Querier, generation int, witness string, most int) ([]put, error) {
	rows, err := on.Query(ctx, `SELECT s.size, s.line, s.at, coalesce(c.note, ''), coalesce(c.at, s.at)
FROM audit.cosignature AS s JOIN audit.tree AS t ON t.tree = s.tree AND t.generation = $1 AND t.name = 'root'
LEFT JOIN audit.checkpoint AS c ON c.tree = s.tree AND c.size = s.size
WHERE s.witness = $2 ORDER BY s.size DESC LIMIT $3`, generation, witness, most)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (p put, err error) {
		err = r.Scan(&p.size, &p.line, &p.at, &p.note, &p.made)
		return p, err
	})
	return list, pg.Wrap(err)
}
