package token

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

//go:embed state.sql
var state string

// known is what an installation of this version leaves behind: design, kind, name and state of each piece, one a
// line. TestInstalledIsKnown writes it anew with GARANT_UPDATE=1.
//
//go:embed installed.txt
var known string

// piece is one thing of schema garant, or of what stands in it.
type piece struct{ Kind, Name, Of, State, Undo string }

func (p piece) is(other piece) bool { return p.Kind == other.Kind && p.Name == other.Name }

// pieces reads what stands in a database of a design, within a transaction.
func pieces(ctx context.Context, tx pgx.Tx, d Design) ([]piece, error) {
	if _, err := tx.Exec(ctx, `SET LOCAL search_path = pg_catalog`); err != nil { // names are printed by it
		return nil, err
	}
	rows, err := tx.Query(ctx, state, Functions(d))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[piece])
}

// installed lists what an installation of a design leaves behind.
func installed(d Design) (list []piece) {
	for line := range strings.Lines(known) {
		if f := strings.Split(strings.TrimSuffix(line, "\n"), "\t"); len(f) == 4 && f[0] == string(d) {
			list = append(list, piece{Kind: f[1], Name: f[2], State: f[3]})
		}
	}
	return list
}

// drift is how a schema garant differs from what was installed.
type drift struct {
	lacking []piece // as they should be: they are not there, or otherwise
	foreign []piece // as they stand: otherwise, or made by somebody else
}

// names are what differs, each once.
func (d drift) names() []string {
	var list []string
	for _, p := range slices.Concat(d.lacking, d.foreign) {
		kind := p.Kind
		if kind == "shape" || kind == "body" {
			kind = "function"
		}
		list = append(list, kind+" "+p.Name)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// differs compares what stands with what should. It says nothing of functions, tables and triggers that no version of
// ours installs: the check token.stranger does, and nobody gives or takes rights on what may be a trap.
func differs(there []piece, d Design) (found drift) {
	want := installed(d)
	// Bodies are printed by PostgreSQL, by each version in its own way: compared where they were written down.
	same := slices.ContainsFunc(there, func(t piece) bool {
		return t.Kind == "printed" && slices.ContainsFunc(want, func(w piece) bool { return w.is(t) && w.State == t.State })
	})
	passes := func(p piece) bool { return p.Kind == "printed" || p.Kind == "body" && !same }
	for _, w := range want {
		if !passes(w) && !slices.ContainsFunc(there, func(t piece) bool { return t.is(w) && t.State == w.State }) {
			found.lacking = append(found.lacking, w)
		}
	}
	for _, t := range there {
		at := slices.IndexFunc(want, t.is)
		switch {
		case passes(t), at >= 0 && want[at].State == t.State:
		case at >= 0:
			found.foreign = append(found.foreign, t)
		case t.Kind == "right" || t.Kind == "policy" || t.Kind == "owner":
			if t.Of == "garant" || slices.ContainsFunc(want, func(w piece) bool { return w.Name == t.Of }) {
				found.foreign = append(found.foreign, t)
			}
		}
	}
	return found
}

// Drift tells what of schema garant is not as this version installs it: functions that were changed or dropped, rights,
// policies, row-level security, columns. [Install] puts it back. It is nothing where another version or
// design stands, or none. Anybody who may connect may ask.
func Drift(ctx context.Context, conn *pgx.Conn, d Design) (names []string, err error) {
	err = pg.InTx(ctx, conn, func(tx pgx.Tx) error {
		is, err := Look(ctx, tx)
		if err != nil || is != (Installed{Version, d}) {
			return err
		}
		there, err := pieces(ctx, tx, d)
		names = differs(there, d).names()
		return err
	})
	return names, err
}

// repair puts back what differs, and refuses where that takes more than a statement that can be said again.
func repair(ctx context.Context, tx pgx.Tx, d Design) error {
	there, err := pieces(ctx, tx, d)
	if err != nil {
		return err
	}
	found := differs(there, d)
	if len(found.lacking)+len(found.foreign) == 0 {
		return nil
	}
	mends := []string{} // in the order of the statements of an installation
	add := func(sql string) {
		if !slices.Contains(mends, sql) {
			mends = append(mends, sql)
		}
	}
	for _, p := range found.lacking {
		switch p.Kind {
		case "shape", "function", "body", "trigger":
			add(functions)
			add(d.body())
			add(events)
		case "row-level security":
			add("ALTER TABLE " + p.Name + map[bool]string{true: " ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY", false: " DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY"}[p.State == "true true"])
		case "policy":
			table, name, _ := strings.Cut(strings.TrimPrefix(p.Name, "garant."), ".")
			add("CREATE POLICY " + name + " ON garant." + table + " TO garant_sec USING (true) WITH CHECK (true)")
		case "samples":
			table, column, _ := strings.Cut(strings.TrimPrefix(p.Name, "garant."), ".")
			add("ALTER TABLE garant." + table + " ALTER " + column + " SET STATISTICS 0")
		case "right":
			// All of them, below.
		default:
			return damaged(p)
		}
	}
	for _, p := range found.foreign {
		if p.Kind == "owner" && !strings.HasPrefix(p.Undo, "ALTER function ") && p.Of != "garant" {
			return damaged(p) // its owner read the keys, and may have left what runs as garant_sec
		}
	}
	add(rights)
	add(outboxRights)
	add(`GRANT INSERT ON garant.key_inbox TO garant_keeper`)
	if err := roles(ctx, tx, d); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, `SELECT who FROM (`+admitted+`) AS a (who)`)
	if err != nil {
		return err
	}
	apps, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	member, err := become(ctx, tx)
	if err != nil {
		return err
	}
	undo := func(owners bool) error {
		for _, p := range found.foreign {
			if p.Undo == "" || (p.Kind == "owner") != owners {
				continue
			}
			if _, err := tx.Exec(ctx, p.Undo); err != nil {
				return stuck(p, err)
			}
		}
		return nil
	}
	if _, err := tx.Exec(ctx, `RESET ROLE`); err != nil {
		return err
	}
	if err := undo(true); err != nil { // garant_sec cannot take what is another's
		return err
	}
	if _, err := tx.Exec(ctx, `SET LOCAL ROLE garant_sec`); err != nil {
		return err
	}
	if err := undo(false); err != nil {
		return err
	}
	for _, sql := range mends {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	for _, app := range apps { // what was dropped took their rights along
		if err := admit(ctx, tx, d, app); err != nil {
			return err
		}
	}
	if err := leave(ctx, tx, member); err != nil {
		return err
	}
	there, err = pieces(ctx, tx, d)
	if err != nil {
		return err
	}
	if left := differs(there, d).names(); len(left) > 0 {
		return errs.New(errs.Internal, "token.not_mended", "Schema garant still differs from what was installed: "+strings.Join(left, ", ")+".").WithFix("First " + again)
	}
	return nil
}

// again is how schema garant comes anew where it cannot be mended.
const again = "find out who changed it; then garant isolation undo, garant isolation apply, and a new key: garant token rekey."

func damaged(p piece) error {
	return errs.New(errs.Conflict, "token.damaged", fmt.Sprintf("Schema garant is damaged: %s %s is not as it was installed, and this program does not mend it.", p.Kind, p.Name)).WithFix("First " + again)
}

// stuck is why a piece cannot be taken away: it is another's, or something depends on it.
func stuck(p piece, err error) error {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != "42501" && refused.Code != "2BP01" {
		return err
	}
	return errs.New(errs.Conflict, "token.stuck", fmt.Sprintf("Schema garant cannot be mended: PostgreSQL refuses %s (%s).", p.Undo, refused.Code)).
		WithFix("Do that as a superuser, once nothing depends on it, and run this again. Or: " + again)
}
