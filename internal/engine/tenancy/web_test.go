package tenancy

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/console/consoletest"
	"github.com/garant-project/garant/internal/web/signin"
	"github.com/garant-project/garant/internal/web/ui"
)

// reader signs everybody in as one actor.
type reader struct{ who actor.Actor }

func (a *reader) Authenticate(*http.Request) (actor.Actor, error) { return a.who, nil }

// house is the pages in the console.
type house struct {
	*world
	reader *reader
	chrome *console.Chrome
	site   *web.Site
}

func (w *world) house() *house {
	w.t.Helper()
	brussels := must(time.LoadLocation("Europe/Brussels"))
	c := &console.Chrome{Messages: must(ui.NewMessages(console.Messages(), signin.Messages(), Messages())), Company: func(context.Context) string { return "Ardoise Mécénat" }, Zone: func(context.Context) *time.Location { return brussels }}
	h := &house{world: w, reader: &reader{w.anna}, chrome: c}
	routes := must(Pages(c, w.tenancy))
	routes = append(routes, web.Route{Pattern: "GET /due", Permission: web.Public, Handler: func(rw http.ResponseWriter, r *web.Request) error {
		list, err := c.Due(r, c.Printer(r))
		for _, d := range list {
			_, _ = io.WriteString(rw, d.What+" "+d.Href+" "+d.Why+" "+d.Next+"\n")
		}
		return err
	}})
	h.site = must(web.NewSite(web.Config{Name: "console", Hosts: []string{"admin.localhost"}, Routes: routes, Auth: h.reader, SignInPath: "/sign-in", ErrorPage: c.Error,
		Languages: []string{"fr", "en"}, Log: slog.New(slog.DiscardHandler), Metrics: web.NewMetrics(), Now: w.now}))
	return h
}

func (h *house) ask(method, target string, form url.Values) (*httptest.ResponseRecorder, string) {
	h.t.Helper()
	w := consoletest.Ask(h.t, h.site, method, target, form)
	text := w.Body.String()
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		text = consoletest.Text(h.t, strings.ReplaceAll(text, "\u00a0", " "))
	}
	return w, text
}

// get expects a page in both languages and returns the English one.
func (h *house) get(target string) (page string) {
	h.t.Helper()
	for _, lang := range []string{"fr", "en"} {
		w, text := h.ask(http.MethodGet, target+"?lang="+lang, nil)
		if w.Code != http.StatusOK {
			h.t.Fatalf("GET %s in %s: %d\n%s", target, lang, w.Code, text)
		}
		page = text
	}
	return page
}

// send posts a form and expects a status; it returns what the page says, or where it leads.
func (h *house) send(target string, want int, pairs ...string) string {
	h.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	w, text := h.ask(http.MethodPost, target+"?lang=en", form)
	if w.Code != want {
		h.t.Fatalf("POST %s: %d, want %d\n%s", target, w.Code, want, text)
	}
	if want == http.StatusSeeOther {
		return w.Header().Get("Location")
	}
	return text
}

// Before anything, the pages say the next step; with a key and tokens, they show them.
func TestPages(t *testing.T) {
	w := newWorld(t)
	h := w.house()
	declared := w.estate
	w.estate = w.parse(strings.SplitN(w.source(running.cluster), "databases:", 2)[0] + "endpoints:\n  - {name: a, url: \"https://a.example\", environment: production, audience: public}\n")
	consoletest.Wants(t, h.get(Path), "No database is declared with tenancy yet", "[/estate] See the estate")
	w.estate = declared
	consoletest.Wants(t, h.get(Path), "[/tenancy/shop] shop", "never", "none yet")
	consoletest.Wants(t, h.get(Path+"/shop"), "No key yet", "Nothing was minted in the last 30 days", "No session has a token now", "No service job was asked for", "Nothing was refused", "[/tenancy/shop/jobs/new] Ask for a service job")
	if w, _ := h.ask(http.MethodGet, Path+"/other", nil); w.Code != http.StatusNotFound {
		t.Errorf("a database that is none: %d", w.Code)
	}

	w.tend()
	a := w.mustLogin(w.a)
	w.mustLogin(w.a)
	w.mustLogin(w.b)
	_, _ = w.tenancy.Mint(context.Background(), w.app, Request{Database: "shop", IDToken: "a.b.c"})
	page := h.get(Path + "/shop")
	session := uuid.UUID(a.Token.Claims().Session).String()
	consoletest.Wants(t, page, "mints", "then replaced", w.a.String(), w.b.String(), session, "a login", "15 minutes", w.idp.issuer(), "This ID token does not verify", "Replace the key")
	raw, _ := h.ask(http.MethodGet, Path+"/shop?lang=en", nil)
	for _, want := range []string{w.a.String() + ": 2 tokens in 30 days, most of them on", `class="mintings-days" d="M116 28v-28h3v28z"`} {
		if !strings.Contains(raw.Body.String(), want) {
			t.Errorf("the drawing lacks %s", want)
		}
	}
	// The end of a session.
	open := w.inside(a)
	if to := h.send(Path+"/shop/revoke", http.StatusSeeOther, "session", session); !strings.Contains(to, "tenancy_revoked") {
		t.Error(to)
	}
	if alive(open) {
		t.Error("the session goes on")
	}
	consoletest.Wants(t, h.get(Path+"/shop"), "ended")
	consoletest.Wants(t, h.send(Path+"/shop/revoke", http.StatusUnprocessableEntity, "session", "x"), "This is not the id of a session.")
	// Keys.
	h.send(Path+"/shop/rotate", http.StatusSeeOther)
	consoletest.Wants(t, h.get(Path+"/shop"), "retiring")
	h.send(Path+"/shop/rotate", http.StatusSeeOther, "now", "1")
	exec(t, w.super, `SET ROLE garant_sec; DELETE FROM garant.key; RESET ROLE`)
	w.tend()
	consoletest.Wants(t, h.get(Path+"/shop"), "The key that mints tokens is not in the database any more.", "Key this database anew")
	consoletest.Wants(t, h.send(Path+"/shop/rotate", http.StatusUnprocessableEntity), "not in the database any more")
	h.send(Path+"/shop/rekey", http.StatusSeeOther)
	consoletest.Lacks(t, h.get(Path+"/shop"), "Key this database anew")
	consoletest.Wants(t, h.get(Path), "met")

	// A login that waits for a second person is said.
	before := w.estate
	w.estate = w.parse(strings.Replace(w.source(running.cluster), "audience: sponsorship", "audience: other", 1))
	w.pending = reductionsOf(before, w)
	consoletest.Wants(t, h.get(Path+"/shop"), "nobody has confirmed it yet", "[/estate] See what waits")
	w.pending = nil

	// Who reads only changes nothing, and who may not read is refused.
	h.reader.who.Permissions = actor.Reader.Permissions()
	consoletest.Lacks(t, h.get(Path+"/shop"), "Replace the key", "Ask for a service job", "End ")
	for _, target := range []string{"/rotate", "/rekey", "/revoke", "/jobs"} {
		if w, _ := h.ask(http.MethodPost, Path+"/shop"+target, url.Values{}); w.Code != http.StatusForbidden {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	h.reader.who.Permissions = actor.Member.Permissions()
	if w, _ := h.ask(http.MethodGet, Path, nil); w.Code != http.StatusForbidden {
		t.Errorf("a member reads: %d", w.Code)
	}
}

// A service job from the asking to the end, by two people.
func TestJobPages(t *testing.T) {
	w := newWorld(t)
	w.tend()
	h := w.house()
	consoletest.Wants(t, h.get(Path+"/shop/jobs/new"), "Ask for a service job", "90 days", "uuid")
	day := w.now().AddDate(0, 0, 20).Format(time.DateOnly)
	for field, c := range map[string][]string{
		"name":    {"name", "A B", "small letters"},
		"why":     {"why", " ", "what the job is for"},
		"tenants": {"tenants", "*", "is not the key of a tenant"},
		"any":     {"any", "1", "expressly for any"},
		"ends":    {"ends", "2001-01-01", "between tomorrow and"},
		"day":     {"ends", "soon", "between tomorrow and"},
	} {
		pairs := []string{"name", "monthly", "why", "Statements", "access", "w", "tenants", w.a.String(), "ends", day, c[0], c[1]}
		said := h.send(Path+"/shop/jobs", http.StatusUnprocessableEntity, pairs...)
		consoletest.Wants(t, said, c[2])
		if field != "why" {
			consoletest.Wants(t, said, "Statements")
		}
	}
	to := h.send(Path+"/shop/jobs", http.StatusSeeOther, "name", "monthly", "why", "Statements of the month <b>", "access", "r", "tenants", w.a.String()+"\r\n"+w.b.String(), "ends", day)
	job, _, _ := strings.Cut(to, "?")
	consoletest.Wants(t, h.get(job), "waits for a second person", "You asked for this job", "Statements of the month <b>", w.a.String(), "Withdraw")
	consoletest.Lacks(t, h.get(job), "Accept the job")
	if w, _ := h.ask(http.MethodGet, "/due", nil); strings.Contains(w.Body.String(), "monthly") {
		t.Error("who asked is told to decide")
	}
	if w, text := h.ask(http.MethodPost, job+"/accept", url.Values{}); w.Code != http.StatusForbidden {
		t.Errorf("accepted by who asked: %d %s", w.Code, text)
	}
	h.reader.who = w.bob
	if w, _ := h.ask(http.MethodGet, "/due?lang=en", nil); !strings.Contains(w.Body.String(), "Service job monthly on shop "+job) {
		t.Errorf("nobody is told to decide: %s", w.Body)
	}
	consoletest.Wants(t, h.get(job), "Accept the job", "Refuse the job")
	consoletest.Wants(t, h.send(job+"/refuse", http.StatusUnprocessableEntity, "reason", ""), "Say why the job is not accepted.")
	h.send(job+"/accept", http.StatusSeeOther)
	consoletest.Wants(t, h.get(job), "accepted", "How a program gets a token", "purpose=monthly", "scope=read")
	consoletest.Wants(t, h.get(Path+"/shop"), "monthly", "2 customers", "accepted")
	consoletest.Wants(t, h.send(job+"/accept", http.StatusUnprocessableEntity), "does not wait for a decision")
	h.send(job+"/withdraw", http.StatusSeeOther, "why", "done")
	consoletest.Wants(t, h.get(job), "withdrawn", "done")
	consoletest.Wants(t, h.send(job+"/withdraw", http.StatusUnprocessableEntity, "why", ""), "does not wait for a decision")

	// For any customer, said twice.
	to = h.send(Path+"/shop/jobs", http.StatusSeeOther, "name", "all", "why", "Migration", "access", "w", "any", "1", "ends", day)
	job, _, _ = strings.Cut(to, "?")
	h.reader.who = w.anna
	consoletest.Wants(t, h.get(job), "any customer", "Yes, for any customer")
	consoletest.Wants(t, h.send(job+"/accept", http.StatusUnprocessableEntity), "was not confirmed")
	h.send(job+"/accept", http.StatusSeeOther, "any", "1")
	for _, bad := range []string{"x", uuid.NewString()} {
		if w, _ := h.ask(http.MethodGet, Path+"/shop/jobs/"+bad, nil); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", bad, w.Code)
		}
	}
}
