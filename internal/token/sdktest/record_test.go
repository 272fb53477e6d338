package sdktest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
	"github.com/garant-project/garant/tenant/stdsql"
)

// recorded takes what waits in the outbox of the world.
func (w *world) recorded(t testing.TB) []token.Event {
	t.Helper()
	ctx := context.Background()
	list, err := token.TakeEvents(ctx, w.super, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := token.ForgetEvents(ctx, w.super, list); err != nil || n != len(list) {
		t.Fatal(n, err)
	}
	return list
}

// An event is kept with the transaction in which it is recorded, in every mode and whether it comes first or later, and is of the login of its
// token.
func TestRecord(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		w.recorded(t)
		event := tenant.Event{Action: "application.decided", Kind: "application", ID: "17 é", Detail: map[string]any{"grant": true, "n": 3}, Before: map[string]any{"state": "open"}, After: map[string]any{"state": "granted", "note": nil}, User: "Ana"}
		for _, mode := range modes {
			c := w.config(t)
			c.ConnConfig.DefaultQueryExecMode = mode
			p := open(t, c)
			for what, do := range map[string]func(tenant.Token) error{
				"first": func(tk tenant.Token) error {
					return tenant.InTx(ctx, p, tk, func(tx pgx.Tx) error { return tenant.Record(ctx, tx, event) })
				},
				"later": func(tk tenant.Token) error {
					return tenant.InTx(ctx, p, tk, func(tx pgx.Tx) error {
						if err := tx.QueryRow(ctx, count).Scan(new(int)); err != nil {
							return err
						}
						return tenant.Record(ctx, tx, event)
					})
				},
				"begun": func(tk tenant.Token) error {
					tx, err := tenant.Begin(ctx, p, tk)
					if err != nil {
						return err
					}
					if err := tenant.Record(ctx, tx, event); err != nil {
						return err
					}
					return tx.Commit(ctx)
				},
			} {
				claims := w.claims(w.a)
				if err := do(w.mint(t, claims)); err != nil {
					t.Fatalf("%v, %s: %v", mode, what, err)
				}
				got := w.recorded(t)
				if len(got) != 1 {
					t.Fatalf("%v, %s: %+v", mode, what, got)
				}
				g := got[0]
				if g.Session == nil || [16]byte(*g.Session) != claims.Session || g.Tenant != claims.Tenant.String() {
					t.Errorf("%v, %s: %+v", mode, what, g)
				}
				want := []string{"application.decided", "application", "17 é", `{"n": 3, "grant": true}`, `{"state": "open"}`, `{"note": null, "state": "granted"}`, "Ana"}
				if diff := cmp.Diff(want, []string{g.Action, g.ObjectKind, g.ObjectID, string(g.Detail), string(g.Before), string(g.After), g.Actor}); diff != "" {
					t.Errorf("%v, %s: %s", mode, what, diff)
				}
			}
			no := errors.New("no")
			if err := tenant.InTx(ctx, p, w.token(t, w.a), func(tx pgx.Tx) error {
				if err := tenant.Record(ctx, tx, event); err != nil {
					return err
				}
				return no
			}); !errors.Is(err, no) {
				t.Error(err)
			}
			if got := w.recorded(t); len(got) != 0 {
				t.Errorf("%v: rolled back, and %+v", mode, got)
			}
		}
	})
}

// The same by database/sql.
func TestStdRecord(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.recorded(t)
		db := w.openStd(t, 2)
		ctx := stdsql.With(context.Background(), w.token(t, w.b))
		for _, commit := range []bool{true, false} {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := stdsql.Record(ctx, tx, tenant.Event{Action: "a.b", After: map[string]any{"x": "1"}}); err != nil {
				t.Fatal(err)
			}
			if err := stdsql.Record(ctx, tx, tenant.Event{Action: "applicant.read", Kind: "applicant", ID: "9"}); err != nil {
				t.Fatal(err)
			}
			if commit {
				err = tx.Commit()
			} else {
				err = tx.Rollback()
			}
			if err != nil {
				t.Fatal(err)
			}
			got := w.recorded(t)
			if commit && (len(got) != 2 || got[0].Kind != token.EventSaid || string(got[0].After) != `{"x": "1"}` || got[1].Kind != token.EventRead) || !commit && len(got) != 0 {
				t.Errorf("%t: %+v", commit, got)
			}
		}
		if err := stdsql.Record(ctx, db, tenant.Event{Action: "Wrong"}); !errors.Is(err, tenant.ErrEvent) {
			t.Error(err)
		}
	})
}

// What is no event, and what nobody entered for, is told by errors that hold no value of it.
func TestRecordErrors(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		p := w.one(t)
		const secret = "s3cr3t"
		for what, c := range map[string]struct {
			event tenant.Event
			want  error
		}{
			"one word": {tenant.Event{Action: secret}, tenant.ErrEvent},
			"too long": {tenant.Event{Action: "a.b", Detail: map[string]any{"x": strings.Repeat(secret, 5000)}}, tenant.ErrEvent},
			"no kind":  {tenant.Event{Action: "a.b", ID: secret}, tenant.ErrEvent},
			"no json":  {tenant.Event{Action: "a.b", After: map[string]any{secret: math.Inf(1)}}, nil},
			"a func":   {tenant.Event{Action: "a.b", After: map[string]any{secret: func() {}}}, nil},
		} {
			err := tenant.InTx(ctx, p, w.token(t, w.a), func(tx pgx.Tx) error { return tenant.Record(ctx, tx, c.event) })
			var answer *pgconn.PgError
			if err == nil || c.want != nil && !errors.Is(err, c.want) || strings.Contains(fmt.Sprintf("%+v", err), secret) || errors.As(err, &answer) && strings.Contains(fmt.Sprintf("%+v", *answer), secret) {
				t.Errorf("%s: %v", what, err)
			}
		}
		conn, err := pgx.Connect(ctx, w.config(t).ConnString())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(ctx) }()
		if err := tenant.Record(ctx, conn, tenant.Event{Action: "a.b"}); !errors.Is(err, tenant.ErrNotEntered) {
			t.Error("nobody entered:", err)
		}
		reads := w.claims(w.a)
		reads.Access = tenant.Read
		err = tenant.InTx(ctx, p, w.mint(t, reads), func(tx pgx.Tx) error { return tenant.Record(ctx, tx, tenant.Event{Action: "a.read"}) })
		var answer *pgconn.PgError
		if !errors.As(err, &answer) || answer.Code != "25006" {
			t.Error("with a token for reading:", err)
		}
	})
}
