package register_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/directory/directorytest"
	"github.com/garant-project/garant/internal/engine/register"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// world is the registers of a company over a database of the test's own.
type world struct {
	t    testing.TB
	db   *pg.DB
	box  *crypt.Box
	dir  *directory.Directory
	r    *register.Registers
	now  time.Time
	lead actor.Actor // may do everything
	op   actor.Actor // keeps registers, may not read persons
	ctx  context.Context
}

func must[T any](t testing.TB) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			var bad *register.Invalid
			if errors.As(err, &bad) {
				t.Fatalf("%v %+v", err, bad.Faults)
			}
			t.Fatal(err)
		}
		return v
	}
}

func person(permissions ...actor.Permission) actor.Actor {
	return actor.Actor{Kind: actor.Person, ID: uuid.Must(uuid.NewV7()).String(), Name: "Camille Exemple", Role: actor.Lead, Session: "s", Permissions: permissions}
}

func open(t testing.TB, own ...register.Definition) *world {
	t.Helper()
	w := &world{t: t, db: pgtest.New(t), now: time.Date(2026, 11, 26, 22, 30, 0, 0, time.UTC), ctx: context.Background()}
	w.dir, w.box = directorytest.Open(t, w.db)
	brussels := must[*time.Location](t)(time.LoadLocation("Europe/Brussels"))
	w.r = must[*register.Registers](t)(register.Open(register.Deps{
		DB: w.db, Box: w.box, Directory: w.dir, Own: own,
		Zone: func(context.Context) *time.Location { return brussels },
	}))
	w.lead = person(actor.ReadRegisters, actor.ChangeRegisters, actor.ReadPersons, actor.OwnTasks, actor.ReadAudit, actor.ReadChecks)
	w.op = person(actor.ReadRegisters, actor.ChangeRegisters, actor.OwnTasks, actor.ReadChecks)
	return w
}

func (w *world) add(key string, v register.Values) register.Entry {
	w.t.Helper()
	return must[register.Entry](w.t)(w.r.Create(w.ctx, w.lead, key, v, w.now))
}

// person adds somebody who has arrived; more changes the values.
func (w *world) person(name string, more register.Values) register.Entry {
	w.t.Helper()
	v := register.Values{"name": name + " Exemple", "email": strings.ToLower(name) + "@ardoise.example", "kind": "employee", "arrival": "2024-02-29"}
	for k, value := range more {
		v[k] = value
	}
	return w.add(register.Persons, v)
}

func (w *world) set(e register.Entry, v register.Values) register.Entry {
	w.t.Helper()
	return must[register.Entry](w.t)(w.r.Update(w.ctx, w.lead, e.Register, e.ID, w.get(e).Revision, v, w.now))
}

func (w *world) get(e register.Entry) register.Entry {
	w.t.Helper()
	return must[register.Entry](w.t)(w.r.Get(w.ctx, w.lead, e.Register, e.ID))
}

func (w *world) move(e register.Entry, to string) register.Entry {
	w.t.Helper()
	return must[register.Entry](w.t)(w.r.Move(w.ctx, w.lead, e.Register, e.ID, w.get(e).Revision, to, w.now))
}

// faults are the ids of what is wrong, with their fields: "serial taken".
func faults(t testing.TB, err error) []string {
	t.Helper()
	var bad *register.Invalid
	if !errors.As(err, &bad) {
		t.Fatalf("not invalid: %v", err)
	}
	var out []string
	for _, f := range bad.Faults {
		out = append(out, strings.TrimSpace(f.Field+" "+strings.TrimPrefix(f.ID, "register.fault.")))
	}
	return out
}

// all reads one text of each row of a question, as the superuser.
func (w *world) all(sql string, args ...any) []string {
	w.t.Helper()
	conn := pgtest.Superuser(w.t, w.db.Pool(pg.Staff).Config().ConnConfig.Database)
	rows, err := conn.Query(w.ctx, sql, args...)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			w.t.Fatal(err)
		}
		out = append(out, s)
	}
	if rows.Err() != nil {
		w.t.Fatal(rows.Err())
	}
	return out
}

func asError(err error, to **errs.Error) bool { return errors.As(err, to) }
