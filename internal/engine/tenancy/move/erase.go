package move

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/tenancy/schema"
	"github.com/garant-project/garant/internal/errs"
)

// batch is how many rows go in one transaction.
const batch = 5000

// passes over the tables are made before erase gives up: where the session may not switch
// triggers off, the application's write rows of the tenant while others go.
const passes = 5

// erase takes the tenant's rows out of an end, in batches, those that refer before those that are
// referred to, and looks afterwards whether one is left. Where the session may, no trigger fires on it.
func (m *Mover) erase(ctx context.Context, e *end) error {
	left := ""
	for range passes {
		for _, group := range m.order() {
			if err := m.eraseGroup(ctx, e, group); err != nil {
				return err
			}
		}
		left = ""
		for _, t := range m.tables {
			if !t.tenant() {
				continue
			}
			some, err := m.holds(ctx, e, t, t.of)
			if err != nil {
				return err
			}
			if some {
				left = t.qualified()
			}
		}
		if left == "" {
			return nil
		}
	}
	return errs.New(errs.Conflict, "move.left", fmt.Sprintf("Rows of the tenant are still in %s at the %s.", left, e.word)).
		WithFix("Somebody writes there, or a trigger puts them back: find out who, then run this again.")
}

func (m *Mover) eraseGroup(ctx context.Context, e *end, group []*table) error {
	circle := len(group) > 1 || slices.ContainsFunc(group[0].relation.ForeignKeys, func(k schema.ForeignKey) bool { return k.Target == group[0].relation })
	if circle && !e.replica { // they refer to each other: in one statement, at whose end the keys are asked
		return m.eraseTogether(ctx, e, group)
	}
	for _, t := range group {
		if err := m.eraseTable(ctx, e, t); err != nil {
			return err
		}
	}
	return nil
}

func (m *Mover) eraseTable(ctx context.Context, e *end, t *table) error {
	leaves := []string{t.from()}
	if t.whole {
		leaves = nil
		for _, l := range t.relation.Leaves() {
			leaves = append(leaves, "ONLY "+l.QualifiedName())
		}
	}
	for _, leaf := range leaves {
		for {
			var n int64
			err := m.tx(ctx, e, func(tx pgx.Tx) error {
				tag, err := tx.Exec(ctx, fmt.Sprintf(`DELETE FROM %s t WHERE t.ctid = ANY (ARRAY(SELECT t.ctid FROM %s t WHERE %s LIMIT %d)) AND %s`, leaf, leaf, t.of, batch, t.of))
				n = tag.RowsAffected()
				return err
			})
			if err != nil {
				return err
			}
			if n == 0 {
				break
			}
			m.o.at("erased a batch")
		}
	}
	return nil
}

func (m *Mover) eraseTogether(ctx context.Context, e *end, group []*table) error {
	var parts []string
	for i, t := range group {
		parts = append(parts, fmt.Sprintf("d%d AS (DELETE FROM %s t WHERE %s)", i, t.from(), t.of))
	}
	return m.tx(ctx, e, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `WITH `+strings.Join(parts, ", ")+` SELECT 1`)
		return err
	})
}

// order groups the tenant's tables: each group is referred to by earlier ones only; tables of one
// group refer to each other in a circle. (Tarjan's strongly connected components give the groups
// that are referred to first.)
func (m *Mover) order() [][]*table {
	by := map[*schema.Relation]*table{}
	for _, t := range m.tables {
		if t.tenant() {
			by[t.relation] = t
		}
	}
	index, low, on := map[*table]int{}, map[*table]int{}, map[*table]bool{}
	var stack []*table
	var groups [][]*table
	var visit func(t *table)
	visit = func(t *table) {
		index[t] = len(index) + 1
		low[t] = index[t]
		stack = append(stack, t)
		on[t] = true
		for _, r := range append(t.relation.Leaves(), t.relation) {
			for _, k := range r.ForeignKeys {
				if k.Target == nil {
					continue
				}
				to := by[k.Target.Root()]
				switch {
				case to == nil || to == t:
				case index[to] == 0:
					visit(to)
					low[t] = min(low[t], low[to])
				case on[to]:
					low[t] = min(low[t], index[to])
				}
			}
		}
		if low[t] != index[t] {
			return
		}
		at := slices.Index(stack, t)
		group := slices.Clone(stack[at:])
		for _, member := range group {
			on[member] = false
		}
		stack = stack[:at]
		groups = append(groups, group)
	}
	for _, t := range m.tables {
		if t.tenant() && index[t] == 0 {
			visit(t)
		}
	}
	slices.Reverse(groups)
	return groups
}

func sorted(proof []Sum) []Sum {
	slices.SortFunc(proof, func(a, b Sum) int { return strings.Compare(a.Table, b.Table) })
	return proof
}
