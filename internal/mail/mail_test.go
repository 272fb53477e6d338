package mail_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/quotedprintable"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/directory/directorytest"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/mail"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/console/consoletest"
	"github.com/garant-project/garant/internal/web/signin"
	"github.com/garant-project/garant/internal/web/ui"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// start is a Wednesday, nine in the morning in Brussels.
var start = time.Date(2026, 12, 2, 8, 0, 0, 0, time.UTC)

type house struct {
	t      testing.TB
	db     *pg.DB
	dir    *directory.Directory
	post   *mail.Post
	chrome *console.Chrome
	msgs   *ui.Messages
	now    time.Time
	outbox string
	letter *mail.Letter // what the template writes; nil: nothing to say
	due    map[string][]console.Due
	camille,
	karim directory.Person
}

func open(t testing.TB, settings ...estate.Mail) *house {
	t.Helper()
	h := &house{t: t, db: pgtest.New(t), now: start, outbox: filepath.Join(t.TempDir(), "out"), due: map[string][]console.Due{},
		letter: &mail.Letter{Subject: "À relire : l'accès aux bureaux", Paragraphs: []string{"Bonjour le monde."}, Items: []mail.Item{{Text: "PHY-1", Link: "/measures/PHY-1"}}}}
	h.dir, _ = directorytest.Open(t, h.db)
	var err error
	if h.msgs, err = ui.NewMessages(mail.Messages(), console.Messages(), signin.Messages()); err != nil {
		t.Fatal(err)
	}
	h.camille, h.karim = h.person("camille@ardoise.example", "Camille Éléonore (exemple)", actor.Lead), h.person("karim@ardoise.example", "Karim (exemple)", actor.Member)
	h.chrome = &console.Chrome{Messages: h.msgs}
	h.chrome.AddDue(console.DueSource{
		Count: func(r *web.Request) (int, error) { return len(h.due[r.Actor.ID]), nil },
		List:  func(r *web.Request, _ *ui.Printer) ([]console.Due, error) { return h.due[r.Actor.ID], nil },
	})
	set := estate.Mail{From: netmail.Address{Name: "Garant", Address: "garant@ardoise.example"}, Outbox: h.outbox}
	if len(settings) > 0 {
		set = settings[0]
	}
	h.post = h.another(set)
	return h
}

// another is a further server on the same database.
func (h *house) another(settings estate.Mail) *mail.Post {
	h.t.Helper()
	zone, err := time.LoadLocation("Europe/Brussels")
	if err != nil {
		h.t.Fatal(err)
	}
	p, err := mail.New(mail.Config{
		DB: h.db, Settings: settings, Directory: h.dir, Messages: h.msgs, Chrome: h.chrome, Origin: "https://admin.ardoise.example", Log: slog.New(slog.DiscardHandler),
		Company: func(context.Context) string { return "Ardoise Mécénat" }, Language: func(context.Context) string { return "fr" },
		Zone: func(context.Context) *time.Location { return zone }, Now: func() time.Time { return h.now },
	}, mail.Template{Name: "test.letter", Write: func(context.Context, mail.Reader, mail.Message) (*mail.Letter, error) { return h.letter, nil }})
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

func (h *house) person(email, name string, role actor.Role) directory.Person {
	h.t.Helper()
	p, err := h.dir.AddPerson(context.Background(), actor.NewSystem("cli"), email, name, role, time.Now())
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

func as(p directory.Person) actor.Actor {
	return actor.Actor{Kind: actor.Person, ID: p.ID.String(), Name: p.Name, Role: p.Role, Permissions: p.Role.Permissions()}
}

func (h *house) add(person directory.Person, due string) bool {
	h.t.Helper()
	added, err := h.post.Add(context.Background(), h.db.Pool(pg.Worker), mail.Message{Template: "test.letter", Person: person.ID, Due: due})
	if err != nil {
		h.t.Fatal(err)
	}
	return added
}

func (h *house) deliver() {
	h.t.Helper()
	if err := h.post.Deliver(context.Background()); err != nil {
		h.t.Fatal(err)
	}
}

// row is the state of the message of a due.
func (h *house) row(due string) (state, problem string, attempts int) {
	h.t.Helper()
	err := h.db.Pool(pg.Staff).QueryRow(context.Background(), "SELECT state, coalesce(problem, ''), attempts FROM mail.message WHERE due = $1", due).Scan(&state, &problem, &attempts)
	if err != nil {
		h.t.Fatal(err)
	}
	return state, problem, attempts
}

func (h *house) expect(due, state, problem string, attempts int) {
	h.t.Helper()
	if s, p, n := h.row(due); s != state || p != problem || n != attempts {
		h.t.Errorf("%s: %s %s after %d attempts, want %s %s after %d", due, s, p, n, state, problem, attempts)
	}
}

// sent reads the files in the outbox.
func (h *house) sent() []*netmail.Message {
	h.t.Helper()
	files, err := filepath.Glob(filepath.Join(h.outbox, "*.eml"))
	if err != nil {
		h.t.Fatal(err)
	}
	var out []*netmail.Message
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			h.t.Fatal(err)
		}
		out = append(out, parse(h.t, string(b)))
	}
	return out
}

func parse(t testing.TB, s string) *netmail.Message {
	t.Helper()
	m, err := netmail.ReadMessage(strings.NewReader(s))
	if err != nil {
		t.Fatalf("%v\n%s", err, s)
	}
	return m
}

func header(t testing.TB, m *netmail.Message, name string) string {
	t.Helper()
	s, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get(name))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func text(t testing.TB, m *netmail.Message) string {
	t.Helper()
	b, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), "\r\n", "\n")
}

func TestOutbox(t *testing.T) {
	h := open(t)
	if !h.add(h.camille, "a") || h.add(h.camille, "a") || !h.add(h.karim, "a") {
		t.Error("the same message is asked for once")
	}
	h.deliver()
	h.deliver()
	got := h.sent()
	if len(got) != 2 {
		t.Fatalf("%d messages", len(got))
	}
	m := got[0]
	if header(t, m, "To") != `"Camille Éléonore (exemple)" <camille@ardoise.example>` && header(t, m, "To") != `Camille Éléonore (exemple) <camille@ardoise.example>` {
		t.Errorf("To: %s", header(t, m, "To"))
	}
	for name, want := range map[string]string{"Subject": "À relire : l'accès aux bureaux", "Auto-Submitted": "auto-generated", "Content-Language": "fr", "List-Unsubscribe": ""} {
		if s := header(t, m, name); s != want {
			t.Errorf("%s: %q", name, s)
		}
	}
	if id := m.Header.Get("Message-ID"); !strings.HasSuffix(id, "@ardoise.example>") || strings.Contains(id, "localhost") {
		t.Errorf("Message-ID: %s", id)
	}
	consoletest.Wants(t, text(t, m), "Bonjour Camille Éléonore (exemple),\n", "– PHY-1\n  https://admin.ardoise.example/measures/PHY-1\n", "-- \nGarant, pour Ardoise Mécénat\nhttps://admin.ardoise.example/\n")
	if info, err := os.Stat(h.outbox); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v %v", info, err)
	}
	// Nothing personal waits in the queue.
	var leak int
	if err := h.db.Pool(pg.Staff).QueryRow(context.Background(), "SELECT count(*) FROM mail.message m WHERE m::text ~* 'camille|ardoise|bureaux'").Scan(&leak); err != nil || leak > 0 {
		t.Errorf("%d rows hold personal data, %v", leak, err)
	}
}

// Two servers at once send each message once.
func TestOnceOnManyServers(t *testing.T) {
	h := open(t)
	for i := range 20 {
		h.add(h.camille, fmt.Sprint(i))
	}
	servers := []*mail.Post{h.post, h.another(estate.Mail{From: netmail.Address{Address: "garant@ardoise.example"}, Outbox: h.outbox})}
	var wg sync.WaitGroup
	for _, p := range servers {
		wg.Go(func() {
			if err := p.Deliver(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var sent, attempts int
	if err := h.db.Pool(pg.Staff).QueryRow(context.Background(), "SELECT count(*) FILTER (WHERE state = 'sent'), sum(attempts) FROM mail.message").Scan(&sent, &attempts); err != nil || sent != 20 || attempts != 20 {
		t.Errorf("%d sent in %d attempts, %v", sent, attempts, err)
	}
	if n := len(h.sent()); n != 20 {
		t.Errorf("%d files", n)
	}
}

func TestOffIsOff(t *testing.T) {
	h := open(t, estate.Mail{})
	if h.add(h.camille, "a") || h.post.Recurrences() != nil {
		t.Error("mail that is off is queued")
	}
	h.deliver()
}

func TestNotSentAnyMore(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	h.letter = nil
	h.add(h.camille, "nothing")
	h.add(h.karim, "gone")
	h.deliver()
	h.expect("nothing", "dropped", "mail.problem.nothing", 1)
	h.letter = &mail.Letter{Subject: "x"}
	h.add(h.camille, "late")
	h.add(h.karim, "left")
	if err := h.dir.Disable(ctx, actor.NewSystem("cli"), h.karim.ID, time.Now()); err != nil {
		t.Fatal(err)
	}
	h.now = h.now.Add(8 * 24 * time.Hour)
	h.deliver()
	h.expect("late", "dropped", "mail.problem.expired", 1)
	if _, err := h.post.Add(ctx, h.db.Pool(pg.Worker), mail.Message{Template: "test.letter", Person: h.karim.ID, Due: "leaver"}); err != nil {
		t.Fatal(err)
	}
	h.deliver()
	h.expect("leaver", "dropped", "mail.problem.gone", 1)
	if n := len(h.sent()); n != 0 {
		t.Errorf("%d messages were sent", n)
	}
}

// Whoever writes a line break into a name or a subject writes no header.
func TestHeaderInjection(t *testing.T) {
	h := open(t)
	for i, subject := range []string{"x\r\nBcc: thief@evil.example", "x\nBcc: thief@evil.example", "x\rBcc: thief@evil.example", "x\u2028Bcc: y", "x\x00y", "x\u0085Bcc: y"} {
		h.letter = &mail.Letter{Subject: subject}
		due := fmt.Sprint("bad", i)
		h.add(h.camille, due)
		h.deliver()
		h.expect(due, "failed", "mail.problem.letter", 1)
	}
	// In the text it is a text.
	h.letter = &mail.Letter{Subject: "x", Paragraphs: []string{"a\r\n.\r\nMAIL FROM:<thief@evil.example>\n\nBcc: thief@evil.example"}}
	h.add(h.camille, "body")
	h.deliver()
	h.expect("body", "sent", "", 1)
	got := h.sent()
	if len(got) != 1 || got[0].Header.Get("Bcc") != "" || !strings.Contains(text(t, got[0]), "a . MAIL FROM:<thief@evil.example> Bcc: thief@evil.example\n") {
		t.Errorf("%+v", got)
	}
}

func TestLanguageOfTheReader(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	set := func(p mail.Preference) error {
		tx, err := h.db.Pool(pg.Staff).Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.post.SetPreference(ctx, tx, as(h.camille), p); err != nil {
			_ = tx.Rollback(ctx)
			return err
		}
		return tx.Commit(ctx)
	}
	if err := set(mail.Preference{Language: "de"}); !errs.Is(err, errs.Invalid) {
		t.Errorf("%v", err)
	}
	if err := set(mail.Preference{Language: "en"}); err != nil {
		t.Fatal(err)
	}
	h.add(h.camille, "a")
	h.deliver()
	got := h.sent()
	if len(got) != 1 || header(t, got[0], "Content-Language") != "en" || !strings.HasPrefix(text(t, got[0]), "Hello Camille") {
		t.Errorf("%+v", got)
	}
}

func smtp(s *sink, user string, t *testing.T) estate.Mail {
	t.Helper()
	scheme := "smtp"
	if s.implicit {
		scheme = "smtps"
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{"ca.pem": s.pem, "password": []byte("s3cret pässword\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	yaml := "mail: {from: Garant <garant@ardoise.example>, trust: 'file:ca.pem', server: '" + scheme + "://" + s.address() + "'}"
	if user != "" {
		yaml = "mail: {from: Garant <garant@ardoise.example>, trust: 'file:ca.pem', password: 'file:password', server: '" + scheme + "://" + user + "@" + s.address() + "'}"
	}
	server, err := estate.ParseServer([]byte(yaml), estate.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	return server.Mail
}

func TestServers(t *testing.T) {
	for name, c := range map[string]struct {
		sink          *sink
		names         []string
		user          string
		state, reason string
	}{
		"implicit TLS":            {&sink{implicit: true}, nil, "", "sent", ""},
		"STARTTLS":                {&sink{starttls: true}, nil, "", "sent", ""},
		"a password":              {&sink{starttls: true, user: "garant s3cret pässword"}, nil, "garant", "sent", ""},
		"no STARTTLS":             {&sink{}, nil, "", "waiting", "mail.problem.tls"},
		"another name":            {&sink{implicit: true}, []string{"other.example"}, "", "waiting", "mail.problem.tls"},
		"another name, STARTTLS":  {&sink{starttls: true}, []string{"other.example"}, "", "waiting", "mail.problem.tls"},
		"a wrong password":        {&sink{starttls: true, user: "garant other"}, nil, "garant", "waiting", "mail.problem.sign_in"},
		"a mailbox that is full":  {&sink{implicit: true, refuse: "452 4.2.2 full"}, nil, "", "waiting", "mail.problem.refused"},
		"a mailbox that is wrong": {&sink{implicit: true, refuse: "550 5.1.1 unknown"}, nil, "", "failed", "mail.problem.refused"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startSink(t, c.sink, c.names...)
			h := open(t, smtp(s, c.user, t))
			h.add(h.camille, "a")
			h.deliver()
			h.expect("a", c.state, c.reason, 1)
			for _, verb := range s.clear {
				if verb != "EHLO" && verb != "HELO" && verb != "STARTTLS" && verb != "QUIT" && verb != "NOOP" && verb != "RSET" {
					t.Errorf("%s was said without TLS", verb)
				}
			}
			got := s.messages()
			if (len(got) == 1) != (c.state == "sent") {
				t.Fatalf("%d messages arrived", len(got))
			}
			if len(got) == 1 {
				m := parse(t, got[0])
				if header(t, m, "Subject") != "À relire : l'accès aux bureaux" || !strings.Contains(strings.Join(s.envelope, " "), "RCPT TO:<camille@ardoise.example>") {
					t.Errorf("%v %v", m.Header, s.envelope)
				}
			}
		})
	}
}

// A server that does not answer is asked again, later and later, and then given up; a person may
// have it tried anew.
func TestTriedAgain(t *testing.T) {
	s := startSink(t, &sink{implicit: true})
	settings := smtp(s, "", t)
	_ = s.listener.Close()
	h := open(t, settings)
	if _, err := h.post.Add(context.Background(), h.db.Pool(pg.Staff), mail.Message{Template: "test.letter", Person: h.camille.ID, Due: "a", Expires: h.now.AddDate(0, 0, 30)}); err != nil {
		t.Fatal(err)
	}
	first := h.now
	for n := 1; ; n++ {
		h.deliver()
		h.deliver() // not before its time
		state, problem, attempts := h.row("a")
		if attempts != n || problem != "mail.problem.unreachable" {
			t.Fatalf("%s %s %d after %d attempts", state, problem, attempts, n)
		}
		if state == "failed" {
			break
		}
		var next time.Time
		if err := h.db.Pool(pg.Staff).QueryRow(context.Background(), "SELECT next_at FROM mail.message").Scan(&next); err != nil || !next.After(h.now) {
			t.Fatalf("%v %v", next, err)
		}
		h.now = next
	}
	if took := h.now.Sub(first); took < 36*time.Hour || took > 72*time.Hour {
		t.Errorf("given up after %v", took)
	}
	page := h.get(as(h.camille), "/mail")
	consoletest.Wants(t, page, "Try the failed message again", "The mail server does not answer.", "failed")
	desk, err := h.chrome.Due(&web.Request{Request: httptest.NewRequest(http.MethodGet, "/", nil), Actor: as(h.camille), Lang: "en", Now: h.now}, h.msgs.For("en", nil))
	if err != nil || len(desk) != 1 || desk[0].What != "A message could not be sent" || !strings.Contains(desk[0].Next, "mail.server") {
		t.Errorf("%+v, %v", desk, err)
	}
	if w := h.ask(as(h.camille), http.MethodPost, "/mail/retry", ""); w.Code != http.StatusSeeOther {
		t.Errorf("%d", w.Code)
	}
	h.expect("a", "waiting", "mail.problem.unreachable", 0)
}

// A server that dies while it sends leaves the message to another, after a while, under the same
// Message-ID.
func TestKilledWhileSending(t *testing.T) {
	h := open(t)
	h.add(h.camille, "a")
	if _, err := h.db.Pool(pg.Worker).Exec(context.Background(), "UPDATE mail.message SET state = 'sending', attempts = 1, next_at = $1", h.now.Add(3*time.Minute)); err != nil {
		t.Fatal(err)
	}
	h.deliver()
	h.expect("a", "sending", "", 1)
	h.now = h.now.Add(3 * time.Minute)
	h.deliver()
	h.expect("a", "sent", "", 2)
	var id uuid.UUID
	if err := h.db.Pool(pg.Staff).QueryRow(context.Background(), "SELECT id FROM mail.message").Scan(&id); err != nil {
		t.Fatal(err)
	}
	if got := h.sent(); len(got) != 1 || !strings.Contains(got[0].Header.Get("Message-ID"), id.String()) {
		t.Errorf("%+v", got)
	}
}

// A disk that is full, or a directory that cannot be written, is tried again.
func TestOutboxCannotBeWritten(t *testing.T) {
	h := open(t)
	if err := os.WriteFile(h.outbox, nil, 0o600); err != nil { // a file where the directory should be
		t.Fatal(err)
	}
	h.add(h.camille, "a")
	h.deliver()
	h.expect("a", "waiting", "mail.problem.outbox", 1)
	if err := os.Remove(h.outbox); err != nil {
		t.Fatal(err)
	}
	h.now = h.now.Add(time.Minute)
	h.deliver()
	h.expect("a", "sent", "", 2)
}

func TestDigests(t *testing.T) {
	h := open(t)
	digests := func() int {
		t.Helper()
		if err := h.post.Digests(context.Background()); err != nil {
			t.Fatal(err)
		}
		h.deliver()
		return len(h.sent())
	}
	soon := console.Due{Tag: "PHY-1", What: "Revoir l'accès", Href: "/measures/PHY-1", Why: "Expire bientôt.", Next: "Attestez.", Urgency: console.Soon}
	late := soon
	late.Urgency = console.Stale
	h.due[h.karim.ID.String()] = []console.Due{soon}

	if n := digests(); n != 0 { // Wednesday, nothing overdue
		t.Fatalf("%d digests on a quiet Wednesday", n)
	}
	h.now = time.Date(2026, 12, 7, 5, 59, 0, 0, time.UTC) // Monday before seven
	if n := digests(); n != 0 {
		t.Fatalf("%d digests before seven", n)
	}
	h.now = h.now.Add(time.Minute)
	if n := digests(); n != 1 {
		t.Fatalf("%d digests on Monday", n)
	}
	if n := digests(); n != 1 {
		t.Fatalf("%d digests after the second turn", n)
	}
	m := h.sent()[0]
	if header(t, m, "Subject") != "Garant\u202f: une chose vous attend" && header(t, m, "Subject") != "Garant\u00a0: une chose vous attend" {
		t.Errorf("%q", header(t, m, "Subject"))
	}
	if header(t, m, "List-Unsubscribe") != "<https://admin.ardoise.example/mail/preferences>" {
		t.Errorf("%q", header(t, m, "List-Unsubscribe"))
	}
	consoletest.Wants(t, text(t, m), "PHY-1 · Revoir l'accès. Expire bientôt. Attestez.\n  https://admin.ardoise.example/measures/PHY-1\n", "Vous pouvez vous passer de ce récapitulatif.\nhttps://admin.ardoise.example/mail/preferences")

	h.now = h.now.Add(24 * time.Hour) // Tuesday
	if n := digests(); n != 1 {
		t.Fatalf("%d digests on a quiet Tuesday", n)
	}
	h.due[h.karim.ID.String()] = []console.Due{late, soon}
	h.now = h.now.Add(24 * time.Hour) // Wednesday, overdue
	if n := digests(); n != 2 {
		t.Fatalf("%d digests when something is overdue", n)
	}
	// Karim has had enough; his reminders still come.
	w := h.ask(as(h.karim), http.MethodPost, mail.PreferencePath, "language=fr")
	if w.Code != http.StatusSeeOther {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	h.now = h.now.Add(24 * time.Hour)
	if n := digests(); n != 2 {
		t.Fatalf("%d digests after they were declined", n)
	}
	h.add(h.karim, "reminder")
	h.deliver()
	if n := len(h.sent()); n != 3 {
		t.Errorf("%d messages", n)
	}
}

// TestSeatIsOver: an auditor whose seat has ended is told nothing any more, not even what was in the queue before.
func TestSeatIsOver(t *testing.T) {
	h := open(t)
	ctx := context.Background()
	until := h.now.Add(time.Hour)
	auditor, err := h.dir.AddAuditor(ctx, actor.NewSystem("cli"), "vera@audit.example", "Vera (exemple)", until, h.now)
	if err != nil {
		t.Fatal(err)
	}
	h.due[auditor.ID.String()] = []console.Due{{Tag: "ENC-1", What: "Un certificat expire", Href: "/measures/ENC-1", Urgency: console.Stale}}
	h.add(auditor, "a")
	h.now = until
	if err := h.post.Digests(ctx); err != nil {
		t.Fatal(err)
	}
	h.deliver()
	h.expect("a", "dropped", "mail.problem.gone", 1)
	if n := len(h.sent()); n != 0 {
		t.Errorf("%d messages after the end of the seat", n)
	}
}

func (h *house) ask(who actor.Actor, method, target, form string) *httptest.ResponseRecorder {
	h.t.Helper()
	c := &console.Chrome{Messages: h.msgs}
	routes, err := h.post.Pages(c)
	if err != nil {
		h.t.Fatal(err)
	}
	site, err := web.NewSite(web.Config{
		Name: "console", Hosts: []string{"admin.localhost"}, Routes: routes, Auth: signedIn{who}, ErrorPage: c.Error, Languages: []string{"fr", "en"},
		Log: slog.New(slog.DiscardHandler), Metrics: web.NewMetrics(), Now: func() time.Time { return h.now },
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.chrome = c
	r := httptest.NewRequest(method, target, strings.NewReader(form))
	r.Host = "admin.localhost"
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	site.ServeHTTP(w, r)
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		consoletest.Sound(h.t, target, w.Body.String())
	}
	return w
}

type signedIn struct{ who actor.Actor }

func (s signedIn) Authenticate(*http.Request) (actor.Actor, error) { return s.who, nil }

// get expects a page in both languages and returns what the English one says.
func (h *house) get(who actor.Actor, target string) string {
	h.t.Helper()
	page := ""
	for _, lang := range []string{"fr", "en"} {
		w := h.ask(who, http.MethodGet, target+"?lang="+lang, "")
		if w.Code != http.StatusOK {
			h.t.Fatalf("%s: %d %s", target, w.Code, w.Body)
		}
		page = w.Body.String()
	}
	return consoletest.Text(h.t, page)
}

func TestPages(t *testing.T) {
	h := open(t)
	consoletest.Wants(t, h.get(as(h.camille), "/mail"), "No message yet", "garant@ardoise.example", h.outbox, "Send me a test message")
	if w := h.ask(as(h.camille), http.MethodPost, "/mail/test", ""); w.Code != http.StatusSeeOther {
		t.Fatalf("%d", w.Code)
	}
	h.deliver()
	if got := h.sent(); len(got) != 1 || !strings.Contains(header(t, got[0], "Subject"), "ce message est bien arrivé") {
		t.Errorf("%+v", got)
	}
	consoletest.Wants(t, h.get(as(h.camille), "/mail"), "Test message", "sent")
	if w := h.ask(as(h.camille), http.MethodGet, "/mail.csv", ""); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "mail.test") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := h.ask(as(h.camille), http.MethodGet, "/mail?before=x", ""); w.Code != http.StatusUnprocessableEntity && w.Code != http.StatusNotFound {
		t.Errorf("%d", w.Code)
	}
	consoletest.Wants(t, h.get(as(h.karim), mail.PreferencePath), "Language of my messages", "Send me a digest")
	if w := h.ask(as(h.karim), http.MethodGet, "/mail", ""); w.Code != http.StatusForbidden {
		t.Errorf("a member reads the list of messages: %d", w.Code)
	}
	if w := h.ask(as(h.karim), http.MethodPost, mail.PreferencePath, "language=de"); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("%d", w.Code)
	}
	off := open(t, estate.Mail{})
	consoletest.Wants(t, off.get(as(off.camille), "/mail"), "Mail is off")
	consoletest.Wants(t, off.get(as(off.karim), mail.PreferencePath), "Mail is off")
}

func TestEveryErrorHasWords(t *testing.T) {
	h := open(t)
	for _, id := range []string{"mail.header", "mail.language", "mail.gone"} {
		if !h.msgs.Has(id) || !h.msgs.Has(id+".fix") {
			t.Errorf("%s: no words, or no next step", id)
		}
	}
	for _, problem := range []string{"unreachable", "tls", "sign_in", "refused", "outbox", "settings", "letter"} {
		if id := "mail.problem." + problem; !h.msgs.Has(id) || !h.msgs.Has(id+".fix") {
			t.Errorf("%s: no words, or no next step", id)
		}
	}
	var known *errs.Error
	if _, err := mail.New(mail.Config{Now: time.Now}, mail.Template{Name: "mail.test"}); !errors.As(err, &known) || known.ID != "mail.twice" {
		t.Errorf("%v", err)
	}
}
