package directory_test

import (
	"context"
	"slices"
	"strings"
	"sync"
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

func TestLinks(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	p := h.person("lead@example.test", actor.Lead)
	token := h.link(p.ID, directory.SignIn, now)

	// Forged, too early, too late.
	for name, c := range map[string]struct {
		token string
		at    time.Time
	}{
		"forged":  {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", now},
		"empty":   {"", now},
		"expired": {token, now.Add(15 * time.Minute)},
		"jumped":  {token, now.Add(-24 * time.Hour)},
		"case":    {strings.ToUpper(token), now},
	} {
		_, err := h.RedeemLink(ctx, visit, c.token, c.at)
		t.Run(name, func(t *testing.T) { wantID(t, err, "directory.link") })
	}
	o := must(h.RedeemLink(ctx, visit, token, now.Add(14*time.Minute)))(t)
	_, err := h.RedeemLink(ctx, visit, token, now.Add(14*time.Minute))
	wantID(t, err, "directory.link")
	if got := h.trail(audit.Filter{Action: "link.redeemed"}); got[0] != "!link.redeemed" || got[1] != "link.redeemed" {
		t.Errorf("trail %v", got)
	}

	// The session may register a passkey and nothing else.
	by := h.actor(o.Token, now.Add(14*time.Minute))
	if !slices.Equal(by.Permissions, []actor.Permission{directory.EnrolPasskey}) {
		t.Errorf("a link's session may %v", by.Permissions)
	}
	if _, err := h.Sessions(ctx, by, now); !errs.Is(err, errs.Denied) {
		t.Errorf("lists sessions: %v", err)
	}
	if _, err := h.RenewRecoveryCodes(ctx, by, now); !errs.Is(err, errs.Denied) {
		t.Errorf("takes recovery codes: %v", err)
	}
	if _, err := h.Authenticate(ctx, o.Token, "", now.Add(45*time.Minute)); !errs.Is(err, errs.Denied) {
		t.Errorf("lasts longer than half an hour: %v", err)
	}
}

// Two browsers and a mail scanner press the button at once.
func TestLinkIsRedeemedOnce(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	p := h.person("lead@example.test", actor.Lead)
	token := h.link(p.ID, directory.SignIn, now)
	var wg sync.WaitGroup
	opened := make([]directory.Opened, 8)
	refused := make([]error, 8)
	for i := range opened {
		wg.Go(func() { opened[i], refused[i] = h.RedeemLink(ctx, visit, token, now) })
	}
	wg.Wait()
	good := 0
	for i := range opened {
		if refused[i] == nil {
			good++
		} else {
			wantID(t, refused[i], "directory.link")
		}
	}
	if good != 1 {
		t.Fatalf("%d of %d redeemed one link", good, len(opened))
	}
}

// A link made by somebody else must not stand in for the passkey that a person holds.
func TestSignInLinkDoesNotBypassThePasskey(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	p := h.person("lead@example.test", actor.Lead)
	early := h.link(p.ID, directory.SignIn, now)
	h.enrol(p.ID, now)
	_, err := h.RedeemLink(ctx, visit, early, now)
	wantID(t, err, "directory.link")
	// Nor when enrolling failed to make it void.
	if _, err := pgtest.Superuser(t, databaseOf(t, h)).Exec(ctx, "UPDATE directory.link SET void_at = NULL"); err != nil {
		t.Fatal(err)
	}
	_, err = h.RedeemLink(ctx, visit, early, now)
	wantID(t, err, "directory.link")
	_, err = h.CreateLink(ctx, cli, p.ID, directory.SignIn, now)
	wantID(t, err, "directory.has_passkey")
	_, err = h.CreateLink(ctx, cli, p.ID, "anything", now)
	wantID(t, err, "directory.purpose")
	_, err = h.CreateLink(ctx, cli, uuid.New(), directory.SignIn, now)
	wantID(t, err, "directory.no_person")
}

func TestRecoveryLink(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	p := h.person("lead@example.test", actor.Lead)
	_, key, stolen := h.enrol(p.ID, now)
	o := must(h.RedeemLink(ctx, visit, h.link(p.ID, directory.Recover, now), now))(t)
	if _, err := h.Authenticate(ctx, stolen, "", now); !errs.Is(err, errs.Denied) {
		t.Errorf("an older session outlives the recovery: %v", err)
	}
	by := h.actor(o.Token, now)
	c := must(h.BeginRegistration(ctx, by, now))(t)
	second := directorytest.New(t, origin, host)
	whole := must(h.FinishRegistration(ctx, by, c.ID, second.Register(t, c.Options), "Phone", now))(t)
	if _, err := h.Authenticate(ctx, o.Token, "", now); !errs.Is(err, errs.Denied) {
		t.Errorf("the token from before the passkey still works: %v", err)
	}
	by = h.actor(whole.Token, now)
	if kinds := h.notices(by); !slices.Equal(kinds, []string{"link_used", "passkey_added"}) {
		t.Errorf("notices %v", kinds)
	}
	if err := h.DismissNotices(ctx, by, now, now); err != nil || len(h.notices(by)) != 0 {
		t.Errorf("after reading: %v, %v", h.notices(by), err)
	}
	keys := must(h.Passkeys(ctx, by))(t)
	if len(keys) != 2 || keys[0].Name != "Laptop" || keys[1].Name != "Phone" {
		t.Fatalf("passkeys %+v", keys)
	}
	if err := h.DeletePasskey(ctx, by, keys[0].ID, now); err != nil {
		t.Fatal(err)
	}
	if _, err := h.login(key, now); !errs.Is(err, errs.Denied) {
		t.Errorf("a deleted passkey signs in: %v", err)
	}
	wantID(t, h.DeletePasskey(ctx, by, keys[1].ID, now), "directory.last_passkey")
	wantID(t, h.DeletePasskey(ctx, by, keys[0].ID, now), "directory.no_passkey")
	must(h.RenewRecoveryCodes(ctx, by, now))(t)
	if err := h.DeletePasskey(ctx, by, keys[1].ID, now); err != nil {
		t.Errorf("the last passkey of who has recovery codes: %v", err)
	}
}

func (h house) notices(by actor.Actor) []string {
	h.t.Helper()
	var kinds []string
	for _, n := range must(h.Notices(context.Background(), by))(h.t) {
		kinds = append(kinds, n.Kind)
	}
	slices.Sort(kinds)
	return kinds
}

func TestPasskeyLogin(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	p := h.person("lead@example.test", actor.Lead)
	_, key, old := h.enrol(p.ID, now)
	c := must(h.BeginLogin(ctx, visit, now))(t)
	if o := directorytest.ReadOptions(t, c.Options); o.UserVerification != "required" || o.RPID != host {
		t.Errorf("login asks for %+v", o)
	}
	answer := key.Login(t, c.Options)
	opened := must(h.FinishLogin(ctx, visit, c.ID, answer, old, now))(t)
	by := h.actor(opened.Token, now)
	if by.ID != p.ID.String() || by.Role != actor.Lead || by.Name != "Camille Exemple" || !by.May(actor.ChangePersons) || !opened.Enrolled {
		t.Errorf("signed in as %+v", by)
	}
	if _, err := h.Authenticate(ctx, old, "", now); !errs.Is(err, errs.Denied) {
		t.Errorf("the session it replaces goes on: %v", err)
	}
	// The same answer once more, and to another ceremony.
	_, err := h.FinishLogin(ctx, visit, c.ID, answer, "", now)
	wantID(t, err, "directory.ceremony")
	c2 := must(h.BeginLogin(ctx, visit, now))(t)
	_, err = h.FinishLogin(ctx, visit, c2.ID, answer, "", now)
	wantID(t, err, "directory.passkey")
	// A failed attempt used its ceremony up.
	_, err = h.FinishLogin(ctx, visit, c2.ID, key.Login(t, c2.Options), "", now)
	wantID(t, err, "directory.ceremony")
	// Too late.
	c3 := must(h.BeginLogin(ctx, visit, now))(t)
	_, err = h.FinishLogin(ctx, visit, c3.ID, key.Login(t, c3.Options), "", now.Add(5*time.Minute))
	wantID(t, err, "directory.ceremony")
	_, err = h.FinishLogin(ctx, visit, "forged", answer, "", now)
	wantID(t, err, "directory.ceremony")
}

// An authenticator, browser or proxy that lies about one thing is refused.
func TestPasskeyLies(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	p, q := h.person("lead@example.test", actor.Lead), h.person("reader@example.test", actor.Reader)
	_, honest, _ := h.enrol(p.ID, now)
	_, other, _ := h.enrol(q.ID, now)
	lies := map[string]func(*directorytest.Authenticator){
		"user not verified":      func(a *directorytest.Authenticator) { a.NotVerified = true },
		"another origin":         func(a *directorytest.Authenticator) { a.Origin = "http://evil.localhost:8443" },
		"another port":           func(a *directorytest.Authenticator) { a.Origin = "http://admin.localhost:9999" },
		"another scheme":         func(a *directorytest.Authenticator) { a.Origin = "https://admin.localhost:8443" },
		"a name that begins so":  func(a *directorytest.Authenticator) { a.Origin = origin + ".evil.test" },
		"another host":           func(a *directorytest.Authenticator) { a.RPID = "localhost" },
		"another person":         func(a *directorytest.Authenticator) { a.UserHandle = other.UserHandle },
		"nobody":                 func(a *directorytest.Authenticator) { u := uuid.New(); a.UserHandle = u[:] },
		"no person":              func(a *directorytest.Authenticator) { a.UserHandle = nil },
		"another's credential":   func(a *directorytest.Authenticator) { a.CredentialID = other.CredentialID },
		"a credential of nobody": func(a *directorytest.Authenticator) { a.CredentialID = make([]byte, 32) },
	}
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			a := *honest
			lie(&a)
			o, err := h.login(&a, now)
			wantID(t, err, "directory.passkey")
			if o.Token != "" {
				t.Error("a session was opened")
			}
		})
	}
	if _, err := h.login(honest, now); err != nil {
		t.Errorf("the honest one: %v", err)
	}
	if got := h.trail(audit.Filter{Action: "sign_in.passkey", Limit: 200}); len(got) != len(lies)+1 || got[0] != "sign_in.passkey" || got[1] != "!sign_in.passkey" {
		t.Errorf("trail %v", got)
	}

	// The same for registration.
	h.person("new@example.test", actor.Reader)
	for name, lie := range lies {
		if !slices.Contains([]string{"user not verified", "another origin", "another port", "another scheme", "a name that begins so", "another host"}, name) {
			continue
		}
		t.Run("register: "+name, func(t *testing.T) {
			n := must(h.PersonByEmail(ctx, cli, "new@example.test"))(t)
			o := must(h.RedeemLink(ctx, visit, h.link(n.ID, directory.SignIn, now), now))(t)
			by := h.actor(o.Token, now)
			c := must(h.BeginRegistration(ctx, by, now))(t)
			if opt := directorytest.ReadOptions(t, c.Options).AuthenticatorSelection; opt.UserVerification != "required" || opt.ResidentKey != "required" {
				t.Errorf("registration asks for %+v", opt)
			}
			a := directorytest.New(t, origin, host)
			lie(a)
			answer := a.Register(t, c.Options)
			_, err := h.FinishRegistration(ctx, by, c.ID, answer, "Laptop", now)
			wantID(t, err, "directory.passkey")
			_, err = h.FinishRegistration(ctx, by, c.ID, directorytest.New(t, origin, host).Register(t, c.Options), "Laptop", now)
			wantID(t, err, "directory.ceremony")
			if n := must(h.Person(ctx, cli, n.ID))(t); n.Passkeys != 0 {
				t.Errorf("%d passkeys", n.Passkeys)
			}
			// A ceremony of one session is not another's to finish.
			c = must(h.BeginRegistration(ctx, by, now))(t)
			mine := by
			mine.Session = uuid.NewString()
			_, err = h.FinishRegistration(ctx, mine, c.ID, directorytest.New(t, origin, host).Register(t, c.Options), "Laptop", now)
			wantID(t, err, "directory.ceremony")
		})
	}
	// A passkey that another person has registered.
	n := must(h.PersonByEmail(ctx, cli, "new@example.test"))(t)
	o := must(h.RedeemLink(ctx, visit, h.link(n.ID, directory.SignIn, now), now))(t)
	by := h.actor(o.Token, now)
	c := must(h.BeginRegistration(ctx, by, now))(t)
	stolen := *other
	_, err := h.FinishRegistration(ctx, by, c.ID, stolen.Register(t, c.Options), "Laptop", now)
	wantID(t, err, "directory.passkey_known")
}

// A registration that one session began is not another's to finish, even of the same person:
// who reads the page of one must not add a passkey through the other.
func TestCeremonyStaysWithItsSession(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	p, q := h.person("lead@example.test", actor.Lead), h.person("reader@example.test", actor.Reader)
	a, key, _ := h.enrol(p.ID, now)
	b := h.actor(must(h.login(key, now))(t).Token, now)
	stranger, _, _ := h.enrol(q.ID, now)
	c := must(h.BeginRegistration(ctx, a, now))(t)
	for _, by := range []actor.Actor{b, stranger} {
		_, err := h.FinishRegistration(ctx, by, c.ID, directorytest.New(t, origin, host).Register(t, c.Options), "Phone", now)
		wantID(t, err, "directory.ceremony")
	}
	// A session that ended meanwhile does not become whole.
	n := h.person("new@example.test", actor.Reader)
	o := must(h.RedeemLink(ctx, visit, h.link(n.ID, directory.SignIn, now), now))(t)
	narrow := h.actor(o.Token, now)
	late := must(h.BeginRegistration(ctx, narrow, now))(t)
	if err := h.SignOut(ctx, o.Token, "", now); err != nil {
		t.Fatal(err)
	}
	_, err := h.FinishRegistration(ctx, narrow, late.ID, directorytest.New(t, origin, host).Register(t, late.Options), "Phone", now)
	wantID(t, err, "directory.ceremony")
	if p := must(h.Person(ctx, cli, n.ID))(t); p.Passkeys != 0 {
		t.Error("an ended session added a passkey")
	}
	// Nor is a registration a login, or the reverse.
	_, err = h.FinishLogin(ctx, visit, c.ID, key.Login(t, c.Options), "", now)
	wantID(t, err, "directory.ceremony")
	if o := must(h.FinishRegistration(ctx, a, c.ID, directorytest.New(t, origin, host).Register(t, c.Options), "Phone", now))(t); o.Token != "" {
		t.Error("a whole session got a new token")
	}
}

func TestCounterGoesBack(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	p := h.person("lead@example.test", actor.Lead)
	by, key, _ := h.enrol(p.ID, now)
	key.Counts, key.Counter = true, 10
	must(h.login(key, now))(t) // 11
	copied := *key
	must(h.login(key, now))(t) // 12
	copied.Counter = 9
	_, err := h.login(&copied, now) // 10
	wantID(t, err, "directory.passkey_suspect")
	copied.Counter = 11
	_, err = h.login(&copied, now) // 12 once more
	wantID(t, err, "directory.passkey_suspect")
	copied.Counts, copied.Counter = false, 0
	_, err = h.login(&copied, now) // stops counting
	wantID(t, err, "directory.passkey_suspect")
	keys := must(h.Passkeys(ctx, by))(t)
	if !keys[0].SuspectAt.Equal(now) {
		t.Errorf("not recorded: %+v", keys)
	}
	if !slices.Contains(h.notices(by), "passkey_suspect") {
		t.Error("the person is not told")
	}
	entries := must(audit.List(ctx, h.db.Pool(pg.Staff), audit.Filter{Action: "sign_in.passkey", ActorID: p.ID.String()}))(t)
	if len(entries) != 5 || !entries[0].Refused || entries[0].Detail["reason"] != "counter_went_back" {
		t.Errorf("trail %+v", entries)
	}
	must(h.login(key, now))(t)
}

func TestSessions(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	p, q := h.person("lead@example.test", actor.Lead), h.person("reader@example.test", actor.Reader)
	_, key, token := h.enrol(p.ID, now)
	other, _, _ := h.enrol(q.ID, now)
	alive := func(token string, at time.Time) bool {
		_, err := h.Authenticate(ctx, token, "", at)
		if err != nil {
			wantID(t, err, "directory.signed_out")
		}
		return err == nil
	}
	if !alive(token, now.Add(29*time.Minute)) || alive(token, now.Add(-3*time.Minute)) {
		t.Error("not alive, or alive before it was opened")
	}
	if alive(token, now.Add(59*time.Minute)) || !alive(token, now.Add(58*time.Minute)) {
		t.Error("idle end is not half an hour after the last request")
	}
	// Kept busy, it ends after twelve hours.
	at := now.Add(58 * time.Minute)
	for ; at.Before(now.Add(12 * time.Hour)); at = at.Add(20 * time.Minute) {
		if !alive(token, at) {
			t.Fatalf("ended early, after %v", at.Sub(now))
		}
	}
	if alive(token, now.Add(12*time.Hour)) {
		t.Error("outlives twelve hours")
	}

	a, b := must(h.login(key, now))(t), must(h.login(key, now))(t)
	by := h.actor(a.Token, now)
	if list := must(h.Sessions(ctx, by, now))(t); len(list) != 2 || list[0].Agent != visit.Agent || list[0].Origin != visit.Origin {
		t.Errorf("sessions %+v", list)
	}
	// Others' sessions are not there to be ended.
	wantID(t, h.EndSession(ctx, other, b.ID, now), "directory.no_session")
	if !alive(b.Token, now) {
		t.Fatal("another person ended the session")
	}
	if err := h.EndSession(ctx, by, b.ID, now); err != nil || alive(b.Token, now) {
		t.Errorf("a stolen cookie works after the revocation (%v)", err)
	}
	wantID(t, h.EndSession(ctx, by, b.ID, now), "directory.no_session")
	c := must(h.login(key, now))(t)
	if n := must(h.EndOtherSessions(ctx, by, now))(t); n != 2 || alive(c.Token, now) || !alive(a.Token, now) {
		// The enrolment's own session is idle, but was never ended.
		t.Errorf("ended %d others", n)
	}
	if err := h.SignOut(ctx, a.Token, "", now); err != nil || alive(a.Token, now) {
		t.Errorf("after signing out: %v", err)
	}
	if err := h.SignOut(ctx, a.Token, "", now); err != nil {
		t.Errorf("signing out twice: %v", err)
	}
	// A role that changes holds at once.
	d := must(h.login(key, now))(t)
	h.person("second@example.test", actor.Lead)
	if err := h.ChangeRole(ctx, cli, p.ID, actor.Reader, now); err != nil {
		t.Fatal(err)
	}
	if by := h.actor(d.Token, now); by.Role != actor.Reader || by.May(actor.ChangePersons) {
		t.Errorf("still %+v", by)
	}
}

// last_seen_at is written at most once a minute, also by many requests at once.
func TestLastSeenIsWrittenRarely(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	p := h.person("lead@example.test", actor.Lead)
	_, _, token := h.enrol(p.ID, now)
	version := func() (x string) {
		must(0, h.db.Pool(pg.Login).QueryRow(ctx, "SELECT xmin::text FROM directory.session WHERE ended_at IS NULL").Scan(&x))(t)
		return x
	}
	before := version()
	for s := range 59 {
		must(h.Authenticate(ctx, token, "", now.Add(time.Duration(s)*time.Second)))(t)
	}
	if version() != before {
		t.Error("written within the minute")
	}
	must(h.Authenticate(ctx, token, "", now.Add(time.Minute)))(t)
	if version() == before {
		t.Error("not written after a minute")
	}
}

func TestFreshness(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	p := h.person("lead@example.test", actor.Lead)
	by, _, _ := h.enrol(p.ID, now)
	key := must(h.Passkeys(ctx, by))(t)[0]
	later := now.Add(10 * time.Minute)
	for name, try := range map[string]func() error{
		"passkey": func() error { _, err := h.BeginRegistration(ctx, by, later); return err },
		"delete":  func() error { return h.DeletePasskey(ctx, by, key.ID, later) },
		"codes":   func() error { _, err := h.RenewRecoveryCodes(ctx, by, later); return err },
		"token": func() error {
			_, err := h.CreateToken(ctx, by, "x", []actor.Permission{actor.ReadChecks}, nil, later.Add(time.Hour), later)
			return err
		},
	} {
		err := try()
		t.Run(name, func(t *testing.T) { wantID(t, err, "directory.verify_again") })
	}
}
