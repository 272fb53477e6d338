package move

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/token"
)

// pauses are tried before the move gives up, each after the last changes were carried over once more.
const pauses = 5

// change is the switch: it makes the tenant's writers wait, carries over what is left, and closes
// the source in one commit. Where that takes too long, it lets the writers go on and tries again.
func (m *Mover) change(ctx context.Context) error {
	for i := 1; ; i++ {
		if err := m.revive(ctx); err != nil {
			return err
		}
		if err := m.unfire(ctx); err != nil {
			return err
		}
		if err := m.catchUp(ctx, m.src, m.dst); err != nil {
			return err
		}
		if err := m.sameShape(ctx); err != nil {
			return err
		}
		if err := m.watched(ctx, m.dst); err != nil {
			return err
		}
		fires := ""
		if m.st.Fresh {
			var err error
			m.dropDump()
			if fires, err = m.fires(ctx); err == nil {
				err = m.filler(ctx, token.LendFiller)
			}
			if err != nil {
				return err
			}
		}
		// What changed while all that was read follows now, so that little is left for the pause.
		if err := m.catchUp(ctx, m.src, m.dst); err != nil {
			return err
		}
		err := m.pause(ctx, m.src, m.dst, func(ctx context.Context) error {
			if fires != "" {
				if err := m.restore(ctx, fires); err != nil {
					return err
				}
			}
			return m.sequences(ctx, m.src, m.dst)
		}, func(ctx context.Context, tx pgx.Tx) error {
			if err := m.writeStep(ctx, tx, Switched); err != nil {
				return err
			}
			return token.Close(ctx, tx, m.id)
		})
		if err == nil {
			now := time.Now()
			m.st.Step, m.st.SwitchedAt = Switched, &now
			return m.revive(ctx)
		}
		if !tooLong(err) || i == pauses || ctx.Err() != nil {
			if tooLong(err) && ctx.Err() == nil {
				return errs.New(errs.Unavailable, "move.pause", fmt.Sprintf("The switch was tried %d times, and each time a transaction of the tenant or the last changes took too long; writers went on.", i)).
					WithFix("Run the move again at a quieter time, or allow a longer pause: --max-pause. It goes on where it stands.")
			}
			return err
		}
		m.o.Log("The switch would have taken too long: the tenant's writers went on. Trying again.")
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(i) * 500 * time.Millisecond):
		}
	}
}

func tooLong(err error) bool {
	state := pg.SQLState(err)
	return errors.Is(err, context.DeadlineExceeded) || state == "55P03" || state == "57014"
}

// pause makes writers at from wait while the last changes are carried to to and last is done, and
// then closes the gate in the commit of a transaction that commit adds to. Writers who waited are
// refused from then on. If this process dies before, its lock goes with its connection and they go on.
func (m *Mover) pause(ctx context.Context, from, to *end, last func(context.Context) error, commit func(context.Context, pgx.Tx) error) (err error) {
	if err := m.publish(ctx, from.Name, true); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			_ = m.publish(undo, from.Name, false) // told again by whoever goes on
		}
	}()
	gate, err := from.another(ctx)
	if err != nil {
		return err
	}
	defer hangUp(gate) // lets go of the lock, whatever happened
	ctx, cancel := context.WithTimeout(ctx, m.o.MaxPause)
	defer cancel()
	began := time.Now()
	// While this waits for a transaction that is open, later writers wait behind it: not for long.
	if _, err := gate.Exec(ctx, fmt.Sprintf(`SET lock_timeout = '%dms'; SELECT pg_advisory_lock(%d); SET lock_timeout = 0`, min(m.o.MaxPause.Milliseconds()/2+1, 1000), m.gateKey)); err != nil {
		return from.named(err)
	}
	m.o.at("paused")
	if err := m.watched(ctx, from); err != nil {
		return err
	}
	if _, err := m.round(ctx, from, to, m.st.Fresh && from == m.src, nil); err != nil {
		return err
	}
	left, err := m.waiting(ctx, from.conn, true)
	if err != nil {
		return from.named(err)
	}
	if left > 0 {
		return errs.New(errs.Conflict, "move.leak", "Rows of the tenant change although its writers wait.").
			WithFix("Somebody writes past the gate: find out who, then run the move again.")
	}
	if err := last(ctx); err != nil {
		return err
	}
	m.o.at("ready to switch")
	err = from.named(pg.InTx(ctx, gate, func(tx pgx.Tx) error {
		if err := m.through(ctx, tx, from); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE garant_move.gate SET state = 'away' WHERE tenant = $1 AND move = $2`, m.o.Tenant, m.st.ID); err != nil {
			return err
		}
		m.st.Pause = time.Since(began)
		return commit(ctx, tx)
	}))
	if err != nil {
		// The commit may have happened although nobody was told.
		if err = m.wasSwitched(context.WithoutCancel(ctx), from, err); err != nil {
			m.st.Pause = 0
			return err
		}
	}
	m.o.at("switching")
	return nil
}

// wasSwitched looks whether the commit that closes an end came through.
func (m *Mover) wasSwitched(ctx context.Context, e *end, err error) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	conn, second := e.another(ctx)
	if second != nil {
		return err
	}
	defer hangUp(conn)
	var away bool
	if second := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM garant_move.gate WHERE tenant = $1 AND move = $2 AND state = 'away')`, m.o.Tenant, m.st.ID).Scan(&away); second != nil || !away {
		return err
	}
	return nil
}

// open lets the tenant's tokens into the target, tells the route, and ends what was open in the source.
func (m *Mover) open(ctx context.Context) error {
	if err := m.filler(ctx, token.EndFiller); err != nil {
		return err
	}
	if err := m.admit(ctx, m.dst); err != nil {
		return err
	}
	m.o.at("admitted")
	if err := m.patiently(ctx, func() error { return m.publish(ctx, m.o.To.Name, false) }); err != nil {
		return err
	}
	m.sweep(ctx, m.src)
	return nil
}

// admit opens an end for the tenant.
func (m *Mover) admit(ctx context.Context, e *end) error {
	return m.tx(ctx, e, func(tx pgx.Tx) error { return m.admitIn(ctx, tx) })
}

func (m *Mover) admitIn(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `UPDATE garant_move.gate SET state = 'open' WHERE tenant = $1`, m.o.Tenant); err != nil {
		return err
	}
	return token.Open(ctx, tx, m.id)
}

// sweep ends what the tenant has open at an end that it left. It only reads what is old there, so
// that it may go wrong: Garant sweeps every minute.
func (m *Mover) sweep(ctx context.Context, e *end) {
	if _, err := token.Sweep(ctx, e.conn); err != nil {
		m.o.Log("Transactions of the tenant that are open at the " + e.word + " end by themselves: " + err.Error())
	}
}

// patiently tries again what must come to pass, for a minute.
func (m *Mover) patiently(ctx context.Context, fn func() error) error {
	for began := time.Now(); ; {
		err := fn()
		if err == nil || time.Since(began) > m.o.Patience {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// forget undoes a move before its switch: the source as if nothing had been, the target without the tenant's rows.
func (m *Mover) forget(ctx context.Context) error {
	if err := m.publish(ctx, m.o.From.Name, false); err != nil {
		return err
	}
	if err := m.unwatch(ctx, m.src); err != nil {
		return err
	}
	if err := m.leaveTarget(ctx); err != nil {
		return err
	}
	return m.closeBooks(ctx, Undone)
}

// lead undoes a move after its switch: what the tenant changed in the target since comes back with it.
func (m *Mover) lead(ctx context.Context) error {
	if m.st.Step != Returned {
		if err := m.carryBack(ctx); err != nil {
			return err
		}
	}
	m.o.at("admitted")
	if err := m.patiently(ctx, func() error { return m.publish(ctx, m.o.From.Name, false) }); err != nil {
		return err
	}
	m.sweep(ctx, m.dst)
	if err := m.unwatch(ctx, m.src); err != nil {
		return err
	}
	if err := m.leaveTarget(ctx); err != nil {
		return err
	}
	return m.closeBooks(ctx, Undone)
}

// carryBack brings what the tenant changed in the target, proves that nothing is missing, and opens
// the source in the commit that says so: from then on the source is not written to from the target again.
func (m *Mover) carryBack(ctx context.Context) error {
	if err := m.revive(ctx); err != nil {
		return err
	}
	if err := m.catchUp(ctx, m.dst, m.src); err != nil {
		return err
	}
	_, err := m.round(ctx, m.dst, m.src, false, func(dst pgx.Tx) error {
		var snapshot string
		if err := dst.QueryRow(ctx, `SELECT pg_export_snapshot()`).Scan(&snapshot); err != nil {
			return err
		}
		return m.compare(ctx, "", snapshot, false, nil)
	})
	if err != nil {
		return err
	}
	err = m.pause(ctx, m.dst, m.src, func(ctx context.Context) error { return m.sequences(ctx, m.dst, m.src) },
		func(ctx context.Context, tx pgx.Tx) error { return token.Close(ctx, tx, m.id) })
	if err != nil {
		return err
	}
	err = m.tx(ctx, m.src, func(tx pgx.Tx) error {
		if err := m.admitIn(ctx, tx); err != nil {
			return err
		}
		return m.writeStep(ctx, tx, Returned)
	})
	if err == nil {
		m.st.Step = Returned
	}
	return err
}

// leaveTarget takes the tenant's rows and the triggers of the move out of the target. Of a
// database that was made for the move the tables stay: it is to be dropped.
func (m *Mover) leaveTarget(ctx context.Context) error {
	here := false
	for _, t := range m.tables {
		var there bool
		if err := m.dst.conn.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, t.qualified()).Scan(&there); err != nil {
			return m.dst.named(err)
		}
		here = here || there
	}
	if here {
		if err := m.erase(ctx, m.dst); err != nil {
			return err
		}
	}
	return m.unwatch(ctx, m.dst)
}

// release takes the triggers off both ends when nothing is left to follow.
func (m *Mover) release(ctx context.Context) error {
	if err := m.unwatch(ctx, m.dst); err != nil {
		return err
	}
	if err := m.unwatch(ctx, m.src); err != nil {
		return err
	}
	return m.closeTarget(ctx, true)
}

// closeTarget ends the move's record at the target; lives: the tenant stays there.
func (m *Mover) closeTarget(ctx context.Context, lives bool) error {
	return m.tx(ctx, m.dst, func(tx pgx.Tx) error {
		sql := `UPDATE garant_move.gate SET state = 'away' WHERE tenant = $1`
		if lives {
			sql = `DELETE FROM garant_move.gate WHERE tenant = $1`
		}
		if _, err := tx.Exec(ctx, sql, m.o.Tenant); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE garant_move.move SET finished_at = coalesce(finished_at, clock_timestamp()), step = $2 WHERE id = $1`, m.st.ID, string(m.st.Step))
		return err
	})
}

func (m *Mover) closeBooks(ctx context.Context, as Step) error {
	if err := m.closeTarget(ctx, false); err != nil {
		return err
	}
	err := m.tx(ctx, m.src, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `DELETE FROM garant_move.gate WHERE tenant = $1 AND move = $2`, m.o.Tenant, m.st.ID); err != nil {
			return err
		}
		return m.writeStep(ctx, tx, as)
	})
	if err == nil {
		m.st.Step = as
	}
	return err
}
