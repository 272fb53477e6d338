package directory_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/directory/directorytest"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const (
	host   = "admin.localhost"
	origin = "http://admin.localhost:8443"
)

// now is the moment at which every test begins; tests move it by hand.
var now = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)

var cli = actor.NewSystem("cli")

// house is a directory on a database of its own.
type house struct {
	*directory.Directory
	t  testing.TB
	db *pg.DB
}

func open(t testing.TB, change ...func(*directory.Policy)) house {
	t.Helper()
	db := pgtest.New(t)
	ctx := context.Background()
	p, err := crypt.OpenKeyfile(ctx, db.Pool(pg.Staff), filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	box, err := crypt.NewBox(ctx, db.Pool(pg.Login), p)
	if err != nil {
		t.Fatal(err)
	}
	policy := directory.DefaultPolicy()
	for _, c := range change {
		c(&policy)
	}
	d, err := directory.New(directory.Config{Staff: db.Pool(pg.Staff), Login: db.Pool(pg.Login), Box: box, Policy: policy,
		Site: directory.Site{Host: host, Origin: origin, Name: "Garant"}})
	if err != nil {
		t.Fatal(err)
	}
	return house{d, t, db}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (h house) person(email string, role actor.Role) directory.Person {
	h.t.Helper()
	return must(h.AddPerson(context.Background(), cli, email, "Camille Exemple", role, now))(h.t)
}

func (h house) link(person uuid.UUID, purpose directory.Purpose, at time.Time) string {
	h.t.Helper()
	return must(h.CreateLink(context.Background(), cli, person, purpose, at))(h.t).Token
}

var visit = directory.Visit{Origin: "192.0.2.7", Agent: "Firefox, Linux"}

// enrol signs a person in for the first time and returns who acts, with the passkey.
func (h house) enrol(person uuid.UUID, at time.Time) (actor.Actor, *directorytest.Authenticator, string) {
	h.t.Helper()
	ctx := context.Background()
	o := must(h.RedeemLink(ctx, visit, h.link(person, directory.SignIn, at), at))(h.t)
	by := h.actor(o.Token, at)
	c := must(h.BeginRegistration(ctx, by, at))(h.t)
	key := directorytest.New(h.t, origin, host)
	whole := must(h.FinishRegistration(ctx, by, c.ID, key.Register(h.t, c.Options), "Laptop", at))(h.t)
	return h.actor(whole.Token, at), key, whole.Token
}

func (h house) actor(token string, at time.Time) actor.Actor {
	h.t.Helper()
	return must(h.Authenticate(context.Background(), token, visit.Origin, at))(h.t).Actor
}

func (h house) login(key *directorytest.Authenticator, at time.Time) (directory.Opened, error) {
	h.t.Helper()
	c := must(h.BeginLogin(context.Background(), visit, at))(h.t)
	return h.FinishLogin(context.Background(), visit, c.ID, key.Login(h.t, c.Options), "", at)
}

// trail returns the actions of the record about an object, the newest first, refused ones with a
// leading "!".
func (h house) trail(filter audit.Filter) []string {
	h.t.Helper()
	var out []string
	for _, e := range must(audit.List(context.Background(), h.db.Pool(pg.Staff), filter))(h.t) {
		a := e.Action
		if e.Refused {
			a = "!" + a
		}
		out = append(out, a)
	}
	return out
}

func wantID(t testing.TB, err error, id string) {
	t.Helper()
	var e *errs.Error
	switch {
	case !errors.As(err, &e):
		t.Errorf("error %v, want %s", err, id)
	case e.ID != id:
		t.Errorf("error %s (%v), want %s", e.ID, err, id)
	}
}

func TestPersons(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	lead := h.person(" Camille@Example.test ", actor.Lead)
	reader := h.person("paul@example.test", actor.Reader)
	for email, id := range map[string]string{
		"camille@example.TEST": "directory.email_taken", "": "directory.email", "claire": "directory.email",
		"Camille <c@example.test>": "directory.email", "a@b.test, c@d.test": "directory.email", "a@b\r\nBcc: x@y.test": "directory.email",
		strings.Repeat("a", 250) + "@b.test": "directory.email",
	} {
		_, err := h.AddPerson(ctx, cli, email, "X", actor.Reader, now)
		wantID(t, err, id)
	}
	for _, name := range []string{"", "  ", strings.Repeat("x", 81), "a\nb", "a\xff", "a\u202eb"} {
		_, err := h.AddPerson(ctx, cli, "x@example.test", name, actor.Reader, now)
		wantID(t, err, "directory.name")
	}
	_, err := h.AddPerson(ctx, cli, "x@example.test", "X", "root", now)
	wantID(t, err, "directory.role")

	people := must(h.List(ctx, cli, uuid.Nil, 1))(t)
	if len(people) != 1 || people[0].ID != lead.ID || people[0].Email != "Camille@Example.test" || people[0].Name != "Camille Exemple" {
		t.Fatalf("first page %+v", people)
	}
	people = must(h.List(ctx, cli, people[0].ID, 1))(t)
	if len(people) != 1 || people[0].ID != reader.ID {
		t.Fatalf("second page %+v", people)
	}
	if rest := must(h.List(ctx, cli, reader.ID, 0))(t); len(rest) != 0 {
		t.Fatalf("third page %+v", rest)
	}
	if p := must(h.PersonByEmail(ctx, cli, "PAUL@example.test"))(t); p.ID != reader.ID {
		t.Fatalf("by e-mail: %+v", p)
	}
	_, err = h.PersonByEmail(ctx, cli, "nobody@example.test")
	wantID(t, err, "directory.no_person")
	_, err = h.Person(ctx, cli, uuid.New())
	wantID(t, err, "directory.no_person")
	if got := h.trail(audit.Filter{Object: audit.Object{Kind: "person", ID: lead.ID.String()}}); len(got) != 1 || got[0] != "person.added" {
		t.Errorf("trail %v", got)
	}
	// The database holds no address and no name in clear.
	super := pgtest.Superuser(t, databaseOf(t, h))
	var leaks int
	if err := super.QueryRow(ctx, `SELECT count(*) FROM directory.person p WHERE position('laire'::bytea in p.email) > 0 OR position('ubois'::bytea in p.name) > 0`).Scan(&leaks); err != nil || leaks != 0 {
		t.Errorf("%d rows in clear, %v", leaks, err)
	}
}

// What each role may not do is refused and recorded, whatever else is right about it.
func TestPermissions(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	lead := h.person("lead@example.test", actor.Lead)
	ops := h.person("ops@example.test", actor.Operator)
	by, _, _ := h.enrol(ops.ID, now)
	for name, try := range map[string]func(actor.Actor) error{
		"person.added": func(by actor.Actor) error {
			_, err := h.AddPerson(ctx, by, "x@example.test", "X", actor.Lead, now)
			return err
		},
		"person.listed":       func(by actor.Actor) error { _, err := h.List(ctx, by, uuid.Nil, 0); return err },
		"person.read":         func(by actor.Actor) error { _, err := h.Person(ctx, by, lead.ID); return err },
		"person.role_changed": func(by actor.Actor) error { return h.ChangeRole(ctx, by, ops.ID, actor.Lead, now) },
		"person.disabled":     func(by actor.Actor) error { return h.Disable(ctx, by, lead.ID, now) },
		"person.enabled":      func(by actor.Actor) error { return h.Enable(ctx, by, lead.ID, now) },
		"link.created": func(by actor.Actor) error {
			_, err := h.CreateLink(ctx, by, lead.ID, directory.Recover, now)
			return err
		},
	} {
		for _, who := range []actor.Actor{by, actor.Anonymous("192.0.2.7")} {
			if err := try(who); !errs.Is(err, errs.Denied) {
				t.Errorf("%s by %s: %v", name, who.ID, err)
			}
			if got := h.trail(audit.Filter{Action: name, ActorID: who.ID}); len(got) != 1 || got[0] != "!"+name {
				t.Errorf("%s by %s is recorded as %v", name, who.ID, got)
			}
		}
	}
	for name, try := range map[string]func(actor.Actor) error{
		"sessions": func(by actor.Actor) error { _, err := h.Sessions(ctx, by, now); return err },
		"passkeys": func(by actor.Actor) error { _, err := h.Passkeys(ctx, by); return err },
		"codes":    func(by actor.Actor) error { _, err := h.RenewRecoveryCodes(ctx, by, now); return err },
		"token": func(by actor.Actor) error {
			_, err := h.CreateToken(ctx, by, "x", []actor.Permission{actor.ReadChecks}, nil, now.Add(time.Hour), now)
			return err
		},
		"register": func(by actor.Actor) error { _, err := h.BeginRegistration(ctx, by, now); return err },
		"notices":  func(by actor.Actor) error { _, err := h.Notices(ctx, by); return err },
	} {
		for _, who := range []actor.Actor{actor.Anonymous("192.0.2.7"), cli} {
			if err := try(who); !errs.Is(err, errs.Denied) {
				t.Errorf("%s by %s: %v", name, who.ID, err)
			}
		}
	}
}

func TestLastLead(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	a, b := h.person("a@example.test", actor.Lead), h.person("b@example.test", actor.Lead)
	// Each takes the other's last colleague away at the same moment: both are held up by a third
	// until they have begun.
	super := pgtest.Superuser(t, databaseOf(t, h))
	third, err := super.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := third.Exec(ctx, "SELECT id FROM directory.person WHERE id = $1 FOR UPDATE", a.ID); err != nil {
		t.Fatal(err)
	}
	results := make(chan error, 2)
	go func() { results <- h.Disable(ctx, cli, a.ID, now) }()
	time.Sleep(200 * time.Millisecond)
	go func() { results <- h.ChangeRole(ctx, cli, b.ID, actor.Reader, now) }()
	time.Sleep(200 * time.Millisecond)
	if err := third.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	first, second := <-results, <-results
	if (first == nil) == (second == nil) {
		t.Fatalf("one of the two must be refused: %v, %v", first, second)
	}
	wantID(t, errors.Join(first, second), "directory.last_lead")
	if err := errors.Join(h.Enable(ctx, cli, a.ID, now), h.ChangeRole(ctx, cli, b.ID, actor.Lead, now)); err != nil {
		t.Fatal(err)
	}
	if err := h.Disable(ctx, cli, a.ID, now); err != nil {
		t.Fatal(err)
	}
	left := b
	wantID(t, h.Disable(ctx, cli, left.ID, now), "directory.last_lead")
	wantID(t, h.ChangeRole(ctx, cli, left.ID, actor.Operator, now), "directory.last_lead")
	if p := must(h.Person(ctx, cli, left.ID))(t); p.Role != actor.Lead || !p.DisabledAt.IsZero() {
		t.Errorf("after refusals: %+v", p)
	}
	wantID(t, h.Disable(ctx, cli, uuid.New(), now), "directory.no_person")
	wantID(t, h.ChangeRole(ctx, cli, left.ID, "root", now), "directory.role")
}

func TestDisableShutsEverything(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	h.person("lead@example.test", actor.Lead)
	p := h.person("ops@example.test", actor.Operator)
	by, key, token := h.enrol(p.ID, now)
	codes := must(h.RenewRecoveryCodes(ctx, by, now))(t)
	api := must(h.CreateToken(ctx, by, "ci", []actor.Permission{actor.ReadChecks}, nil, now.Add(24*time.Hour), now))(t)
	link := h.link(p.ID, directory.Recover, now)
	if err := h.Disable(ctx, cli, p.ID, now); err != nil {
		t.Fatal(err)
	}
	tries := map[string]func() error{
		"session":  func() error { _, err := h.Authenticate(ctx, token, "", now); return err },
		"token":    func() error { _, err := h.AuthenticateToken(ctx, api, "", now); return err },
		"link":     func() error { _, err := h.RedeemLink(ctx, visit, link, now); return err },
		"passkey":  func() error { _, err := h.login(key, now); return err },
		"recovery": func() error { _, err := h.UseRecoveryCode(ctx, visit, "ops@example.test", codes[0], now); return err },
	}
	for name, try := range tries {
		if err := try(); !errs.Is(err, errs.Denied) {
			t.Errorf("%s of a disabled person: %v", name, err)
		}
	}
	_, err := h.CreateLink(ctx, cli, p.ID, directory.Recover, now)
	wantID(t, err, "directory.disabled")
	// Not even when a session, a token and a link were made while the person was being disabled.
	for _, sql := range []string{"UPDATE directory.session SET ended_at = NULL, ended_reason = NULL", "UPDATE directory.api_token SET revoked_at = NULL", "UPDATE directory.link SET void_at = NULL"} {
		if _, err := pgtest.Superuser(t, databaseOf(t, h)).Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"session", "token", "link"} {
		if err := tries[name](); !errs.Is(err, errs.Denied) {
			t.Errorf("%s of a disabled person, though not ended: %v", name, err)
		}
	}
	if err := h.Enable(ctx, cli, p.ID, now); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"session", "token", "link"} {
		if err := tries[name](); !errs.Is(err, errs.Denied) {
			t.Errorf("%s came back with its person: %v", name, err)
		}
	}
	if err := tries["passkey"](); err != nil {
		t.Errorf("the passkey of an enabled person: %v", err)
	}
}

func databaseOf(t testing.TB, h house) (name string) {
	t.Helper()
	if err := h.db.Pool(pg.Staff).QueryRow(context.Background(), "SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	return name
}

// The database refuses each role the other's work, whatever the program above it does.
func TestRolesAreRefused(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	p := h.person("lead@example.test", actor.Lead)
	by, _, _ := h.enrol(p.ID, now)
	must(h.RenewRecoveryCodes(ctx, by, now))(t)
	for role, statements := range map[pg.Role][]string{
		pg.Staff: {
			"SELECT hash FROM directory.session", "SELECT hash FROM directory.link", "SELECT hash FROM directory.recovery_code", "SELECT hash FROM directory.api_token",
			"SELECT public_key FROM directory.passkey", "SELECT state FROM directory.ceremony", "SELECT kind FROM directory.notice", "SELECT key FROM directory.throttle",
			"INSERT INTO directory.session (id, hash, person_id, method, enrolled, opened_at, verified_at, last_seen_at, expires_at, origin, agent) SELECT gen_random_uuid(), sha256('x'), id, 'passkey', true, now(), now(), now(), now() + '1 h', '', '' FROM directory.person",
			"UPDATE directory.session SET ended_at = NULL, enrolled = true", "UPDATE directory.session SET expires_at = 'infinity'", "UPDATE directory.link SET used_at = NULL",
			"INSERT INTO directory.recovery_code (person_id, hash, created_at) SELECT id, sha256('x'), now() FROM directory.person",
			"DELETE FROM directory.passkey", "DELETE FROM directory.person", "DELETE FROM directory.session", "UPDATE directory.person SET email_index = sha256('x')", "UPDATE directory.api_token SET expires_at = now()",
		},
		pg.Login: {
			"INSERT INTO directory.person (id, email_index, email, name, role, created_at, created_by) VALUES (gen_random_uuid(), sha256('x'), '', '', 'lead', now(), 'x')",
			"UPDATE directory.person SET role = 'lead'", "UPDATE directory.person SET disabled_at = NULL", "DELETE FROM directory.person", "SELECT created_by FROM directory.person",
			"INSERT INTO directory.link (id, hash, person_id, purpose, created_at, created_by, expires_at) SELECT gen_random_uuid(), sha256('x'), id, 'recover', now(), 'x', now() + '1 min' FROM directory.person",
			"UPDATE directory.link SET expires_at = now()", "UPDATE directory.session SET person_id = person_id", "UPDATE directory.passkey SET public_key = ''", "UPDATE directory.passkey SET person_id = person_id",
			"UPDATE directory.api_token SET scopes = '{}'", "DELETE FROM crypt.key",
		},
		pg.Public:  {"SELECT id FROM directory.person", "SELECT id FROM directory.session"},
		pg.Worker:  {"SELECT id FROM directory.person", "SELECT id FROM directory.session"},
		pg.Checker: {"SELECT id FROM directory.person", "SELECT id FROM directory.session"},
	} {
		for _, sql := range statements {
			if _, err := h.db.Pool(role).Exec(ctx, sql); !errs.Is(pg.Wrap(err), errs.Denied) {
				t.Errorf("%s may run %q: %v", role, sql, err)
			}
		}
	}
}

func TestSiteIsChecked(t *testing.T) {
	h := open(t)
	for _, s := range []directory.Site{
		{Host: "127.0.0.1", Origin: "http://127.0.0.1", Name: "G"}, {Host: "not a host", Origin: "http://not a host", Name: "G"}, {Host: host, Name: "G"},
		{Host: host, Origin: "http://evil.localhost", Name: "G"}, {Host: host, Origin: "ftp://" + host, Name: "G"}, {Host: host, Origin: origin + "/path", Name: "G"},
	} {
		_, err := directory.New(directory.Config{Staff: h.db.Pool(pg.Staff), Login: h.db.Pool(pg.Login), Policy: directory.DefaultPolicy(), Site: s})
		wantID(t, err, "directory.site")
	}
	_, err := directory.New(directory.Config{})
	wantID(t, err, "directory.policy")
}
