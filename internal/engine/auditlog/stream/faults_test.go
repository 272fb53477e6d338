package stream

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/engine/auditlog/export"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/measure/measuretest"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

// all sends what can be sent on every stream.
func (w *world) all() {
	for _, d := range w.estate.Streams {
		_ = w.drive(d.Name) // what it meets with is the check's to tell
	}
}

func (w *world) fault(name string, p Problem, target string, wait time.Duration, broken, mend func()) measuretest.Fault {
	want := measure.Fail
	if p.Blind() {
		want = measure.Error
	}
	return measuretest.Fault{
		Name: name, Want: want, Item: measure.Item{Target: "stream:" + target, Problem: string(p)},
		Break: func(testing.TB) {
			broken()
			w.record.add(1, w.clock.Now(), nil)
			w.all()
			w.clock.pass(wait)
		},
		Mend: func(testing.TB) { mend(); w.all() },
	}
}

func (w *world) sql(sql string) func() {
	return func() {
		pgtest.Exec(w.t, pgtest.Superuser(w.t, w.db.Pool("garant_worker").Config().ConnConfig.Database), sql)
	}
}

func (w *world) faults() []measuretest.Fault {
	const soon, late = time.Second, 2 * time.Minute
	siem := func(change func(*estate.Stream)) func() { return func() { w.change("siem", change) } }
	sound := func() { w.webhook.set(nil) }
	return []measuretest.Fault{
		w.fault("the webhook hangs", NoAnswer, "siem", late, func() { w.webhook.set(w.webhook.hangs) }, sound),
		w.fault("the webhook is slow without end", NoAnswer, "siem", late, func() { w.webhook.set(w.webhook.dribbles) }, sound),
		w.fault("the webhook cuts off", Late, "siem", late, func() { w.webhook.set(cuts) }, sound),
		w.fault("the webhook fails", Failing, "siem", late, func() { w.webhook.set(answers(503)) }, sound),
		w.fault("the webhook asks for less", Throttled, "siem", late, func() { w.webhook.set(answers(429, "Retry-After", "3600")) }, sound),
		w.fault("the webhook refuses an entry", Refused, "siem", soon, func() { w.webhook.set(answers(422)) }, sound),
		w.fault("the webhook has another secret", Refused, "siem", soon, func() { w.webhook.secret = freshSecret(w.t) }, func() { w.webhook.secret = secretText }),
		w.fault("the webhook's certificate is not known", Untrusted, "siem", soon, siem(func(d *estate.Stream) { d.TrustPEM = newAuthority(w.t).pem }), siem(func(d *estate.Stream) { d.TrustPEM = w.webhook.trust })),
		w.fault("the webhook's address leads inside", BadAddress, "siem", soon, siem(func(d *estate.Stream) { d.Private = false }), siem(func(d *estate.Stream) { d.Private = true })),
		w.fault("the secret is gone", BadSecret, "siem", soon, siem(func(d *estate.Stream) { d.Secret = secretOf(w.t, "NOT_SET_ANYWHERE") }), siem(func(d *estate.Stream) { d.Secret = secretOf(w.t, "STREAM_SECRET") })),
		w.fault("syslog never closes", Unconfirmed, "logs", late, func() { w.syslog.set(w.syslog.hangs, nil) }, func() { w.syslog.set(nil, nil) }),
		w.fault("syslog resets", Late, "logs", late, func() { w.syslog.set(resets, nil) }, func() { w.syslog.set(nil, nil) }),
		w.fault("the bucket is full", Late, "lake", late, func() { w.store.behave = context.DeadlineExceeded }, func() { w.store.behave = nil }),
		w.fault("no server sends", Late, "siem", late, func() { w.leader.close() }, func() { w.lead() }),
		w.fault("the row is gone", Unstarted, "logs", soon, func() { w.leader.close(); w.sql(`DELETE FROM auditlog.stream WHERE name = 'logs'`)() }, func() { w.lead() }),
		w.fault("somebody moves the position on", Ahead, "siem", soon, w.sql(`UPDATE auditlog.stream SET position = position + 1000000 WHERE name = 'siem'`), w.sql(`UPDATE auditlog.stream SET position = position - 1000000 WHERE name = 'siem'`)),
		w.fault("an entry cannot be written", Unwritable, "lake", soon,
			func() {
				w.record.add(1, w.clock.Now(), func(l *export.Line) { l.Entry.Detail = map[string]any{"f": func() {}} })
			},
			func() { w.record.each(func(l *export.Line) { l.Entry.Detail = nil }) }),
		w.fault("the record is out of order", Disorder, "siem", soon,
			func() { w.record.add(2, w.clock.Now(), nil); w.record.swap() }, func() { w.record.swap() }),
		w.fault("the record does not answer", Unknown, "siem", soon, func() { w.record.broken = errors.New("away") }, func() { w.record.broken = nil }),
		w.fault("the positions cannot be read", Unknown, "lake", soon, w.sql(`REVOKE SELECT ON auditlog.stream FROM garant_checker`), w.sql(`GRANT SELECT ON auditlog.stream TO garant_checker`)),
	}
}

func (r *record) each(change func(*export.Line)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.lines {
		change(&r.lines[i])
	}
}

// swap exchanges the last two of three entries that came last.
func (r *record) swap() {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := slices.IndexFunc(r.lines, func(l export.Line) bool { return l.Place.Position == r.outOf() })
	r.lines[n], r.lines[n+1] = r.lines[n+1], r.lines[n]
}

// outOf is the position of the entry at which the order breaks, or would.
func (r *record) outOf() int64 {
	for i := 1; i < len(r.lines); i++ {
		if r.lines[i].Place.Position < r.lines[i-1].Place.Position {
			return r.lines[i-1].Place.Position
		}
	}
	return r.lines[len(r.lines)-2].Place.Position
}

// TestFaults breaks receivers, the record and the database in every way that the check claims to see.
func TestFaults(t *testing.T) {
	w := newWorld(t)
	w.record.add(3, w.clock.Now(), nil)
	w.all()
	measuretest.Run(t, measuretest.Subject{Check: w.streams.Check(), Estate: w.estate, Faults: w.faults(), Now: w.clock.Now})
	if len(w.webhook.wrong) != 0 {
		t.Error(w.webhook.wrong)
	}
}

func TestMessages(t *testing.T) {
	measuretest.Words(t, Messages(), Problems(), (&Streams{}).Check())
	measuretest.Listed(t, Problems())
}

// TestProblemsHaveFaults: no problem is claimed that no fault brings about.
func TestProblemsHaveFaults(t *testing.T) {
	brought := map[string]bool{}
	for _, f := range (&world{t: t, record: &record{}, webhook: &receiver{}, syslog: &listener{}}).faults() {
		brought[f.Item.Problem] = true
	}
	for _, p := range Problems() {
		if !brought[string(p)] && p != CheckBroken { // a panic is ours, and no state of a system
			t.Errorf("no fault brings about %s", p)
		}
	}
}

func TestCatalogueKnowsTheCheck(t *testing.T) {
	known, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := measure.NewRegistry(known, measure.Engine{Name: "auditlog", Checks: []measure.Check{(&Streams{}).Check()}}); err != nil {
		t.Fatal(err)
	}
}
