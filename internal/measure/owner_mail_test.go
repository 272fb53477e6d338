package measure_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
)

// reminded runs the work of reminding and returns who got a message about what.
func (o *office) reminded() []string {
	o.t.Helper()
	var got []string
	err := o.Remind(context.Background(), func(_ context.Context, _ pgx.Tx, person uuid.UUID, measures []string) error {
		name := map[string]string{o.anna.ID: "anna", o.ben.ID: "ben"}[person.String()]
		got = append(got, name+": "+strings.Join(measures, " "))
		return nil
	})
	if err != nil {
		o.t.Fatal(err)
	}
	slices.Sort(got)
	return got
}

// at moves the clock to nine in the morning of a day of the company's zone.
func (o *office) at(d calendar.Date) {
	y, m, dd := d.Year, d.Month, d.Day
	o.ahead = time.Until(time.Date(y, m, dd, 9, 0, 0, 0, o.zone))
}

// Reminders come 30, 7 and 1 days before the expiry and every week after, each once, whatever the
// number of turns, servers and days that nobody ran.
func TestReminders(t *testing.T) {
	o := openOffice(t)
	o.mustAssign(whole, o.anna)
	a := o.mustSay(o.anna, whole)
	expires := calendar.Of(a.ValidUntil, o.zone)
	var days []int
	for left := 40; left >= -20; left-- {
		o.at(expires.AddDays(-left))
		for range 2 {
			switch got := o.reminded(); {
			case len(got) == 1 && got[0] == "anna: "+whole:
				days = append(days, left)
			case len(got) > 0:
				t.Fatalf("%d days before: %v", left, got)
			}
		}
	}
	if !slices.Equal(days, []int{30, 7, 1, 0, -7, -14}) {
		t.Errorf("reminded so many days before: %v", days)
	}
}

func TestRemindersAfterSilence(t *testing.T) {
	o := openOffice(t)
	o.mustAssign(whole, o.anna)
	a := o.mustSay(o.anna, whole)
	// Nobody ran for weeks: one reminder, not one for each that was missed.
	o.at(calendar.Of(a.ValidUntil, o.zone).AddDays(-3))
	if got := o.reminded(); len(got) != 1 {
		t.Errorf("%v", got)
	}
	if got := o.reminded(); len(got) != 0 {
		t.Errorf("twice: %v", got)
	}
}

func TestWhoIsReminded(t *testing.T) {
	o := openOffice(t)
	if got := o.reminded(); len(got) != 0 {
		t.Errorf("of measures that nobody answers for: %v", got)
	}
	o.mustAssign(whole, o.anna, o.ben, o.today().AddDays(7))
	o.mustAssign(perSite, o.anna)
	o.at(o.today().AddDays(1))
	// All that is new in one message a person; the deputy of what is delegated.
	if got := o.reminded(); !slices.Equal(got, []string{"anna: " + perSite + " " + whole, "ben: " + whole}) {
		t.Errorf("%v", got)
	}
	o.at(o.today().AddDays(4))
	if got := o.reminded(); len(got) != 0 {
		t.Errorf("within the week: %v", got)
	}
	o.at(o.today().AddDays(20)) // the delegation is over
	if got := o.reminded(); !slices.Equal(got, []string{"anna: " + perSite + " " + whole}) {
		t.Errorf("%v", got)
	}
	// At night nobody is.
	night := o.today().AddDays(10)
	o.ahead = time.Until(time.Date(night.Year, night.Month, night.Day, 6, 59, 0, 0, o.zone))
	if got := o.reminded(); len(got) != 0 {
		t.Errorf("before seven: %v", got)
	}
	// Who has said that it is no longer so is not asked again: somebody has to mend it.
	o.ahead = 0
	o.mustSay(o.anna, whole, refuse)
	o.at(night)
	if got := o.reminded(); !slices.Equal(got, []string{"anna: " + perSite}) {
		t.Errorf("%v", got)
	}
}

// Two servers that look at the same moment give a reminder once; one that fails to send leaves
// it to be given.
func TestRemindersOnManyServers(t *testing.T) {
	o := openOffice(t)
	o.mustAssign(whole, o.anna)
	o.at(o.today().AddDays(1))
	ctx := context.Background()
	failed := o.Remind(ctx, func(context.Context, pgx.Tx, uuid.UUID, []string) error { return context.DeadlineExceeded })
	if failed == nil {
		t.Error("a message that cannot be queued is no error")
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	n := 0
	for range 8 {
		wg.Go(func() {
			if err := o.Remind(ctx, func(context.Context, pgx.Tx, uuid.UUID, []string) error {
				mu.Lock()
				defer mu.Unlock()
				n++
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n != 1 {
		t.Errorf("%d reminders", n)
	}
}

func TestTasks(t *testing.T) {
	o := openOffice(t)
	ctx := context.Background()
	task := func(id string, at time.Time) measure.Task {
		t.Helper()
		tasks, _, err := o.Tasks(ctx, o.db.Pool(pg.Worker), at)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(tasks, func(k measure.Task) bool { return k.Measure.ID == id })
		if i < 0 {
			t.Fatalf("no task %s", id)
		}
		return tasks[i]
	}
	now := o.Runner.Now()
	if k := task(whole, now); !k.Pending(now) || !k.Overdue() || !k.Since.IsZero() || !k.Due.IsZero() {
		t.Errorf("unassigned: %+v", k)
	}
	o.mustAssign(whole, o.ben)
	o.mustAssign(whole, o.anna)
	first := task(whole, now).Since
	o.mustAssign(whole, o.anna, o.ben, o.today().AddDays(3))
	if k := task(whole, now); !k.Since.Equal(first) || k.Since.IsZero() {
		t.Errorf("since %v, want %v: naming a deputy begins nothing anew", k.Since, first)
	}
	a := o.mustSay(o.anna, whole)
	now = o.Runner.Now()
	if k := task(whole, now); k.Pending(now) || k.Overdue() || !k.Due.Equal(a.ValidUntil) {
		t.Errorf("attested: %+v", k)
	}
	for at, want := range map[time.Time]struct{ pending, overdue bool }{
		a.ValidUntil.Add(-31 * 24 * time.Hour): {false, false}, a.ValidUntil.Add(-30 * 24 * time.Hour): {true, false}, a.ValidUntil: {true, true},
	} {
		if k := task(whole, at); k.Pending(at) != want.pending || k.Overdue() != want.overdue {
			t.Errorf("at %v: pending %v, overdue %v", at, k.Pending(at), k.Overdue())
		}
	}
	tasks, view, err := o.Tasks(ctx, o.db.Pool(pg.Worker), now)
	if err != nil {
		t.Fatal(err)
	}
	today := measure.Today(view, now)
	if n := len(measure.Mine(tasks, o.ben.ID, today)); n != 1 {
		t.Errorf("%d tasks of the deputy", n)
	}
	if n := len(measure.Mine(tasks, o.ben.ID, today.AddDays(4))); n != 0 {
		t.Errorf("%d tasks after the delegation", n)
	}
	if n := len(measure.Mine(tasks, actor.NewSystem("x").ID, today)); n != 0 {
		t.Errorf("%d tasks of a program", n)
	}
	o.view.Estate = nil
	if tasks, _, err = o.Tasks(ctx, o.db.Pool(pg.Worker), now); err != nil || len(tasks) != 0 {
		t.Errorf("before any estate: %v, %v", tasks, err)
	}
}
