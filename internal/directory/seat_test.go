package directory_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/directory/directorytest"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

const day = 24 * time.Hour

func (h house) auditor(email string, until time.Time) directory.Person {
	h.t.Helper()
	return must(h.AddAuditor(context.Background(), cli, email, "Auditrice (exemple)", until, now))(h.t)
}

// opens tries everything that a person could come in by, and returns what opened something.
type keysOf struct {
	session, token, link, code string
	email                      string
	key                        *directorytest.Authenticator
}

func (h house) opens(k keysOf, at time.Time) (open []string) {
	h.t.Helper()
	ctx := context.Background()
	try := func(what string, err error) {
		switch {
		case err == nil:
			open = append(open, what)
		case !errs.Is(err, errs.Denied):
			h.t.Errorf("%s: %v is no refusal", what, err)
		}
	}
	_, err := h.Authenticate(ctx, k.session, "", at)
	try("session", err)
	_, err = h.AuthenticateToken(ctx, k.token, "", at)
	try("token", err)
	if k.link != "" {
		_, err = h.RedeemLink(ctx, visit, k.link, at)
		try("link", err)
	}
	if k.code != "" {
		_, err = h.UseRecoveryCode(ctx, visit, k.email, k.code, at)
		try("code", err)
	}
	_, err = h.login(k.key, at)
	try("passkey", err)
	return open
}

func (h house) keys(p directory.Person) keysOf {
	h.t.Helper()
	ctx := context.Background()
	by, key, session := h.enrol(p.ID, now)
	codes := must(h.RenewRecoveryCodes(ctx, by, now))(h.t)
	token := must(h.CreateToken(ctx, by, "Export", []actor.Permission{actor.ReadAudit}, nil, now.Add(60*day), now))(h.t)
	return keysOf{session: session, token: token, code: codes[0], email: p.Email, key: key}
}

func TestSeatEnds(t *testing.T) {
	h := open(t)
	until := now.Add(10 * time.Minute)
	p := h.auditor("auditor@example.test", until)
	k := h.keys(p)
	k.link = h.link(p.ID, directory.Recover, now)
	before := k
	before.link, before.code = "", "" // are used up by trying
	if got := h.opens(before, until.Add(-time.Second)); !slices.Equal(got, []string{"session", "token", "passkey"}) {
		t.Fatalf("a second before the end %v open something", got)
	}
	if got := h.opens(k, until); got != nil {
		t.Errorf("at the end %v still open something", got)
	}
	if got := h.opens(k, until.Add(-5*time.Minute)); got != nil {
		t.Errorf("with the clock put back %v open something again", got)
	}
	if got := h.trail(audit.Filter{Action: "person.seat_ended"}); len(got) != 1 {
		t.Errorf("the end is recorded %d times", len(got))
	}
	if _, err := h.CreateLink(context.Background(), cli, p.ID, directory.Recover, until); !errs.Is(err, errs.Conflict) {
		t.Errorf("a link for a seat that is over: %v", err)
	}
}

// Each way in is refused at the end by itself, also when nobody has noticed the end before.
func TestSeatEndIsSeenByEachWayIn(t *testing.T) {
	ctx := context.Background()
	for name, try := range map[string]func(h house, p directory.Person, k keysOf, at time.Time) error{
		"session": func(h house, _ directory.Person, k keysOf, at time.Time) error {
			_, err := h.Authenticate(ctx, k.session, "", at)
			return err
		},
		"token": func(h house, _ directory.Person, k keysOf, at time.Time) error {
			_, err := h.AuthenticateToken(ctx, k.token, "", at)
			return err
		},
		"link": func(h house, _ directory.Person, k keysOf, at time.Time) error {
			_, err := h.RedeemLink(ctx, visit, k.link, at)
			return err
		},
		"code": func(h house, _ directory.Person, k keysOf, at time.Time) error {
			_, err := h.UseRecoveryCode(ctx, visit, k.email, k.code, at)
			return err
		},
		"passkey": func(h house, _ directory.Person, k keysOf, at time.Time) error {
			_, err := h.login(k.key, at)
			return err
		},
		"another passkey": func(h house, _ directory.Person, k keysOf, at time.Time) error {
			_, err := h.BeginRegistration(ctx, h.actor(k.session, at.Add(-time.Second)), at)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			until := now.Add(9 * time.Minute)
			p := h.auditor("auditor@example.test", until)
			k := h.keys(p)
			k.link = h.link(p.ID, directory.Recover, now)
			if err := try(h, p, k, until); err == nil {
				t.Error("opens something at the end of the seat")
			}
		})
	}
}

func TestSweepEndsSeats(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	until := now.Add(9 * time.Minute)
	p := h.auditor("auditor@example.test", until)
	k := h.keys(p)
	if err := h.Sweep(ctx, until.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := h.Sweep(ctx, until.Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	entries := must(audit.List(ctx, h.db.Pool(pg.Staff), audit.Filter{Action: "person.seat_ended"}))(t)
	if len(entries) != 1 || fmt.Sprintf("%v %v", entries[0].Detail["sessions"], entries[0].Detail["tokens"]) != "1 1" || entries[0].Detail["until"] != until.Format(time.RFC3339) {
		t.Errorf("recorded %+v", entries)
	}
	if got := h.opens(k, until.Add(-time.Minute)); got != nil {
		t.Errorf("with the clock put back %v open something again", got)
	}
}

func TestSeatIsExtended(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	lead := h.person("lead@example.test", actor.Lead)
	by, _, _ := h.enrol(lead.ID, now)
	until := now.Add(9 * time.Minute)
	p := h.auditor("auditor@example.test", until)
	k := h.keys(p)

	// In time: nothing is interrupted.
	later := until.Add(20 * time.Minute)
	if err := h.SetSeat(ctx, by, p.ID, later, now); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Authenticate(ctx, k.session, "", until.Add(time.Minute)); err != nil {
		t.Errorf("after an extension in time: %v", err)
	}
	// After the end: what was open stays closed, the passkey works again. Nobody has noticed the end.
	over := later.Add(time.Minute)
	if err := h.SetSeat(ctx, by, p.ID, over.Add(10*day), over); err != nil {
		t.Fatal(err)
	}
	if got := h.opens(keysOf{session: k.session, token: k.token, key: k.key}, over.Add(time.Second)); !slices.Equal(got, []string{"passkey"}) {
		t.Errorf("after an extension that came too late %v open something", got)
	}
	entries := must(audit.List(ctx, h.db.Pool(pg.Staff), audit.Filter{Action: "person.seat_set"}))(t)
	if len(entries) != 2 || entries[0].Actor.ID != lead.ID.String() || entries[0].Detail["was_until"] != later.Format(time.RFC3339) {
		t.Errorf("recorded %+v", entries)
	}
	// Sooner, too.
	if err := h.SetSeat(ctx, by, p.ID, over.Add(2*time.Minute), over.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.login(k.key, over.Add(3*time.Minute)); !errs.Is(err, errs.Denied) {
		t.Errorf("after a shortened seat: %v", err)
	}
}

func TestSeatRules(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	add := func(until time.Time) error {
		_, err := h.AddAuditor(ctx, cli, uuid.NewString()+"@example.test", "Auditrice (exemple)", until, now)
		return err
	}
	_, err := h.AddPerson(ctx, cli, "a@example.test", "Auditrice (exemple)", actor.Auditor, now)
	wantID(t, err, "directory.seat_end")
	wantID(t, add(time.Time{}), "directory.seat_end")
	wantID(t, add(now), "directory.seat_length")
	wantID(t, add(now.Add(-day)), "directory.seat_length")
	wantID(t, add(now.Add(directory.MaxSeat+time.Second)), "directory.seat_length")
	if err := add(now.Add(directory.MaxSeat - 4*day)); err != nil { // the database has its own clock
		t.Error(err)
	}
	lead := h.person("lead@example.test", actor.Lead)
	wantID(t, h.SetSeat(ctx, cli, lead.ID, now.Add(day), now), "directory.last_lead")
	wantID(t, h.SetSeat(ctx, cli, uuid.New(), now.Add(day), now), "directory.no_person")
	reader := h.person("reader@example.test", actor.Reader)
	wantID(t, h.ChangeRole(ctx, cli, reader.ID, actor.Auditor, now), "directory.seat_end")
	if err := h.SetSeat(ctx, cli, reader.ID, now.Add(day), now); err != nil {
		t.Fatal(err)
	}
	if p := must(h.Person(ctx, cli, reader.ID))(t); p.Role != actor.Auditor || !p.Until.Equal(now.Add(day)) {
		t.Errorf("became %+v", p)
	}
	if err := h.ChangeRole(ctx, cli, reader.ID, actor.Operator, now); err != nil {
		t.Fatal(err)
	}
	if p := must(h.Person(ctx, cli, reader.ID))(t); p.Role != actor.Operator || !p.Until.IsZero() {
		t.Errorf("became %+v", p)
	}
	other := actor.Actor{Kind: actor.Person, ID: reader.ID.String(), Role: actor.Auditor, Permissions: actor.Auditor.Permissions()}
	if err := h.SetSeat(ctx, other, reader.ID, now.Add(day), now); !errs.Is(err, errs.Denied) {
		t.Errorf("an auditor sets a seat: %v", err)
	}
	if got := h.trail(audit.Filter{Action: "person.seat_set"}); !slices.Equal(got, []string{"!person.seat_set"}) {
		t.Errorf("trail %v", got)
	}
	if _, err := h.Seats(ctx, other, now, now.Add(day)); !errs.Is(err, errs.Denied) {
		t.Errorf("an auditor lists seats: %v", err)
	}
}

// The database holds it by itself, for roles that serve.
func TestSeatInTheDatabase(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	staff, login := h.db.Pool(pg.Staff), h.db.Pool(pg.Login)
	p := h.auditor("auditor@example.test", now.Add(30*day))
	for name, c := range map[string]struct{ sql, constraint string }{
		"no end":          {"UPDATE directory.person SET access_until = NULL", "person_seat_end"},
		"an endless seat": {"UPDATE directory.person SET access_until = 'infinity'", "person_seat_length"},
		"two years":       {"UPDATE directory.person SET access_until = clock_timestamp() + interval '2 years'", "person_seat_length"},
		"an auditor without an end": {`INSERT INTO directory.person (id, email_index, email, name, role, created_at, created_by)
VALUES (gen_random_uuid(), decode(repeat('ab', 32), 'hex'), '', '', 'auditor', now(), 'x')`, "person_seat_end"},
		"when it was set, of one's own": {`INSERT INTO directory.person (id, email_index, email, name, role, created_at, created_by, access_until, access_set_at)
VALUES (gen_random_uuid(), decode(repeat('ac', 32), 'hex'), '', '', 'auditor', now(), 'x', now() + interval '3 years', now() + interval '3 years')`, "person_seat_length"},
	} {
		if _, err := staff.Exec(ctx, c.sql); !pg.Violates(err, c.constraint) {
			t.Errorf("%s: %v, want a violation of %s", name, err, c.constraint)
		}
	}
	for name, sql := range map[string]string{
		"staff says when it was set": "UPDATE directory.person SET access_set_at = now()",
		"staff writes ends":          "INSERT INTO directory.seat_end VALUES ('" + p.ID.String() + "', now(), now())",
		"staff forgets ends":         "DELETE FROM directory.seat_end",
	} {
		if _, err := staff.Exec(ctx, sql); !errs.Is(pg.Wrap(err), errs.Denied) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, sql := range map[string]string{
		"login extends":            "UPDATE directory.person SET access_until = now()",
		"login forgets ends":       "DELETE FROM directory.seat_end",
		"login changes ends":       "UPDATE directory.seat_end SET ended_at = now()",
		"login reads when set":     "SELECT access_set_at FROM directory.person",
		"login reads samples":      "SELECT id FROM audit.sample",
		"login notes in a sample":  "INSERT INTO audit.sample_note (id) VALUES (gen_random_uuid())",
		"login reads sample notes": "SELECT note FROM audit.sample_note",
	} {
		if _, err := login.Exec(ctx, sql); !errs.Is(pg.Wrap(err), errs.Denied) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Leaving the seat alone keeps the day on which it was set: disabling does not renew it.
	var before, after time.Time
	conn := pgtest.Superuser(t, staff.Config().ConnConfig.Database)
	if err := conn.QueryRow(ctx, "SELECT access_set_at FROM directory.person WHERE id = $1", p.ID).Scan(&before); err != nil {
		t.Fatal(err)
	}
	if err := h.Disable(ctx, cli, p.ID, now); err != nil {
		t.Fatal(err)
	}
	if err := conn.QueryRow(ctx, "SELECT access_set_at FROM directory.person WHERE id = $1", p.ID).Scan(&after); err != nil || !after.Equal(before) {
		t.Errorf("set at %v, then %v (%v)", before, after, err)
	}
}

func TestSeats(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	soon, late := h.auditor("soon@example.test", now.Add(3*day)), h.auditor("late@example.test", now.Add(300*day))
	gone := h.auditor("gone@example.test", now.Add(2*day))
	if err := h.Disable(ctx, cli, gone.ID, now); err != nil {
		t.Fatal(err)
	}
	h.person("lead@example.test", actor.Lead)
	list := must(h.Seats(ctx, cli, now, now.Add(7*day)))(t)
	if n := must(h.CountSeats(ctx, cli, now, now.Add(7*day)))(t); len(list) != 1 || n != 1 || list[0].ID != soon.ID || list[0].Name != "Auditrice (exemple)" {
		t.Errorf("within a week: %+v, counted %d", list, n)
	}
	if list := must(h.Seats(ctx, cli, now.Add(4*day), now.Add(5*day)))(t); len(list) != 0 {
		t.Errorf("on another day: %+v", list)
	}
	if list := must(h.Seats(ctx, cli, now, now.Add(301*day)))(t); len(list) != 2 || list[1].ID != late.ID {
		t.Errorf("within a year: %+v", list)
	}
}
