package apply

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/tenancy/plan"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/token"
)

// Taken is one recorded step, as undo would take it back.
type Taken struct {
	Step  string     `json:"step"`
	Title string     `json:"title"`
	Undo  [][]string `json:"undo"`
}

// Record lists what was applied, in the order in which undo takes it back.
func Record(ctx context.Context, conn *pgx.Conn) ([]Taken, error) {
	if err := readable(ctx, conn); err != nil {
		return nil, err
	}
	entries, err := list(ctx, conn)
	err = errors.Join(err, withdraw(ctx, conn))
	all := make([]Taken, 0, len(entries))
	for _, e := range entries {
		all = append(all, Taken{e.step, e.title, e.undo[min(e.undone, len(e.undo)):]})
	}
	return all, err
}

// Undo takes back everything that Run did, the last first, and returns how many steps. Errors as
// of Run; what was taken back is no longer recorded, and the next run goes on.
func Undo(ctx context.Context, conn *pgx.Conn, o Options) (undone int, err error) {
	r := newRun(conn, o)
	err = r.alone(ctx, func() error {
		if err := readable(ctx, conn); err != nil {
			return err
		}
		entries, err := list(ctx, conn)
		if err != nil {
			return err
		}
		r.of = len(entries)
		for i, e := range entries {
			r.n, r.step = i+1, plan.Step{ID: e.step, Title: e.title, Table: tableOf(e.step)}
			r.tell(Begins, "Take back: %s", e.title)
			if err := r.takeBack(ctx, e); err != nil {
				return err
			}
			undone++
			r.tell(Done, "Taken back: %s", e.title)
		}
		return clearAway(ctx, conn)
	})
	return undone, err
}

// tableOf is the table that the id of a step names.
func tableOf(step string) string {
	_, table, _ := strings.Cut(step, ":")
	return table
}

func (r *run) takeBack(ctx context.Context, e entry) error {
	if e.step == installStep {
		// The record goes with the schema, in the one transaction in which it is removed.
		return token.Remove(ctx, r.conn)
	}
	for ; e.undone < len(e.undo); e.undone++ {
		group := e.undo[e.undone]
		if len(group) == 1 && strings.Contains(group[0], " CONCURRENTLY ") {
			if err := r.concurrently(ctx, group[0]); err != nil {
				return err
			}
			group = nil
		}
		err := r.patiently(ctx, r.step.Table, func() error {
			return pgx.BeginFunc(ctx, r.conn, func(tx pgx.Tx) error {
				if err := r.statements(ctx, tx, e.guard, group); err != nil {
					return err
				}
				if e.undone+1 == len(e.undo) {
					return forget(ctx, tx, e.id)
				}
				return came(ctx, tx, e.id, e.undone+1)
			})
		})
		if err != nil {
			return err
		}
	}
	if len(e.undo) == 0 {
		return pg.Wrap(forget(ctx, r.conn, e.id))
	}
	return nil
}

func (r *run) concurrently(ctx context.Context, sql string) error {
	return r.patiently(ctx, r.step.Table, func() error {
		for _, s := range []string{"SET statement_timeout = 0", "SET lock_timeout = 0", sql} {
			if _, err := r.conn.Exec(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
}
