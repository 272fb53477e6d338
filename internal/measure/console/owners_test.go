package console_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/calendar"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/directory/directorytest"
	"github.com/garant-project/garant/internal/document"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	checks "github.com/garant-project/garant/internal/measure/console"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/console/consoletest"
	"github.com/garant-project/garant/internal/web/signin"
	"github.com/garant-project/garant/internal/web/ui"
)

// whole and perSite are measures that are attested, for the whole and for each site.
const whole, perSite = "PHY-6", "PHY-1"

// firm is the pages on measures over a company with people.
type firm struct {
	*house
	owners    *measure.Owners
	dir       *directory.Directory
	anna, ben actor.Actor
	sites     []string
}

func openFirm(t testing.TB) *firm {
	t.Helper()
	f := &firm{house: &house{t: t, db: pgtest.New(t), auth: &auth{}, sees: map[string]measure.Finding{}, scope: map[string][]string{}}, sites: []string{"bruxelles", "liege"}}
	cat, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	dir, box := directorytest.Open(t, f.db)
	f.dir = dir
	f.owners = &measure.Owners{Box: box, Documents: document.New(f.db, box), People: f.dir}
	reg, err := measure.NewRegistry(cat, f.owners.Engine(), measure.Engine{Name: "test", Checks: []measure.Check{f.checkOf("test.org", "ORG-1")}})
	if err != nil {
		t.Fatal(err)
	}
	view := func(ctx context.Context) (measure.View, error) {
		v, err := f.view(ctx)
		v.Subjects = map[string][]string{catalogue.PerSite: f.sites}
		return v, err
	}
	f.runner = &measure.Runner{Registry: reg, DB: f.db, View: view, Build: "0.1.0-test", Now: f.now, Log: slog.New(slog.DiscardHandler)}
	f.owners.Runner = f.runner
	msgs, err := ui.NewMessages(console.Messages(), checks.Messages(), checks.OwnerMessages(), signin.Messages(), document.Messages(), engineWords())
	if err != nil {
		t.Fatal(err)
	}
	c := &console.Chrome{Messages: msgs, Company: func(context.Context) string { return "Ardoise Mécénat" }}
	routes, err := console.Pages(c, console.Deps{DB: f.db, Directory: f.dir, LinkURL: func(token string) string { return token }})
	if err != nil {
		t.Fatal(err)
	}
	looks, err := checks.Pages(c, f.runner)
	if err != nil {
		t.Fatal(err)
	}
	measures, err := checks.OwnerPages(c, checks.OwnerDeps{Owners: f.owners, Persons: f.dir, SiteName: func(_ context.Context, _, id string) string {
		return map[string]string{"bruxelles": "Bureau de Bruxelles", "liege": "Liège <nord>"}[id]
	}})
	if err != nil {
		t.Fatal(err)
	}
	f.site, err = web.NewSite(web.Config{
		Name: "console", Hosts: []string{"admin.localhost", "127.0.0.1"}, Routes: append(append(append(routes, looks...), measures...), web.Route{Pattern: "GET /static/", Permission: web.Public, Handler: web.Serve(ui.Static())}),
		Auth: f.auth, SignInPath: "/sign-in", ErrorPage: c.Error,
		Languages: []string{"fr", "en"}, Log: slog.New(slog.DiscardHandler), Metrics: web.NewMetrics(), Now: f.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	f.lead, f.anna, f.ben = f.hire("lead", "Camille Exemple", actor.Lead), f.hire("anna", "Anna Exemple", actor.Member), f.hire("ben", "Ben <Exemple>", actor.Reader)
	f.auth.who = f.lead
	f.apply()
	return f
}

func (f *firm) hire(email, name string, role actor.Role) actor.Actor {
	f.t.Helper()
	p, err := f.dir.AddPerson(context.Background(), actor.NewSystem("cli:root"), email+"@ardoise.example", name, role, time.Now())
	if err != nil {
		f.t.Fatal(err)
	}
	return actor.Actor{Kind: actor.Person, ID: p.ID.String(), Name: name, Role: role, Permissions: role.Permissions()}
}

func (f *firm) is(who actor.Actor) { f.auth.who = who }

// post sends a form as somebody, and expects a status.
func (f *firm) post(target string, status int, values ...string) (*httptest.ResponseRecorder, string) {
	f.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(values); i += 2 {
		form.Add(values[i], values[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return f.send(r, target, status)
}

func (f *firm) send(r *http.Request, target string, status int) (*httptest.ResponseRecorder, string) {
	f.t.Helper()
	r.Host = "admin.localhost"
	r.Header.Set("Accept-Language", "en")
	w := httptest.NewRecorder()
	f.site.ServeHTTP(w, r)
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		consoletest.Sound(f.t, target, w.Body.String())
	}
	if w.Code != status {
		f.t.Fatalf("POST %s: %d, want %d\n%s", target, w.Code, status, consoletest.Text(f.t, w.Body.String()))
	}
	return w, w.Body.String()
}

// upload sends the form of an attestation with a document.
func (f *firm) upload(target string, status int, name, content string, values ...string) (*httptest.ResponseRecorder, string) {
	f.t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i+1 < len(values); i += 2 {
		_ = w.WriteField(values[i], values[i+1])
	}
	part, err := w.CreateFormFile("documents", name)
	if err == nil {
		_, err = part.Write([]byte(content))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		f.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, target, &b)
	r.Header.Set("Content-Type", w.FormDataContentType())
	return f.send(r, target, status)
}

func (f *firm) words(id string) string { return f.runner.Registry.Catalogue.SentenceHash(id) }

func (f *firm) today() string {
	zone, err := time.LoadLocation("Europe/Brussels")
	if err != nil {
		f.t.Fatal(err)
	}
	return calendar.Of(f.now(), zone).String()
}

// A lead names somebody; she confirms with a document, from the page, and later says that it is no
// longer so; the lead sees both.
func TestMeasurePages(t *testing.T) {
	f := openFirm(t)
	page := f.get("/measures")
	consoletest.Wants(t, page, "Without an owner", "Name somebody for a whole team", "[/measures/"+whole+"]", "nobody")
	page = f.get("/measures/" + whole)
	consoletest.Wants(t, page, "State: not proven", "It waits for the first confirmation", "Nobody answers for this measure yet", "Français", "English", "Nobody has said anything yet.")
	consoletest.Lacks(t, page, "I confirm that this is so", "⟦")

	f.post("/measures/"+whole+"/owner", http.StatusSeeOther, "seen", "0", "responsible", f.anna.ID)
	_, body := f.post("/measures/"+whole+"/owner", http.StatusUnprocessableEntity, "seen", "0", "responsible", f.ben.ID) // somebody else was faster
	consoletest.Wants(t, consoletest.Text(t, body), "Somebody else has decided meanwhile")
	consoletest.Wants(t, f.get("/measures/"+whole), "Anna Exemple answers for this measure and confirms it.", "named who answers for a measure")

	// Anna, a member, has a desk with what is hers.
	f.is(f.anna)
	page = f.get("/")
	consoletest.Wants(t, page, "1 item is due.", whole, "Anna Exemple", "[/measures/"+whole+"#attest]")
	consoletest.Lacks(t, page, "Coverage of the annex")
	page = f.get("/measures?show=Mine") // as somebody types it
	consoletest.Wants(t, page, whole+" · ", "Anna Exemple")
	consoletest.Lacks(t, page, "Name somebody for a whole team", perSite+" · ")
	page = f.get("/measures/" + whole)
	consoletest.Wants(t, page, "Is this so?", "I confirm that this is so", "This is no longer so", "[/measures/"+whole+"/attestations]", "Somebody stands in for me")
	target := "/measures/" + whole + "/attestations"
	pdf := "%PDF-1.7\nThe guard said so.\n%%EOF\n"
	f.upload(target, http.StatusSeeOther, "rapport <1>.pdf", pdf, "words", f.words(whole), "observed_on", f.today(), "note", "Vu sur place <b>", "statement", "confirmed")
	page = f.get("/measures/" + whole + "?done=measure_attested")
	consoletest.Wants(t, page, "Confirmed. The annex follows within a moment.", "State: met", "Anna Exemple confirmed it on", "Vu sur place <b>", "rapport _1_.pdf")

	// The document comes back as an attachment, to her and to who reads checks; to no other member.
	href := regexp.MustCompile(`\[(/measures/` + whole + `/attestations/[^\]]+)\] rapport`).FindStringSubmatch(page)
	if href == nil {
		t.Fatalf("no document: %s", page)
	}
	for _, who := range []actor.Actor{f.anna, f.lead} {
		f.is(who)
		w, got := f.ask(http.MethodGet, href[1])
		if w.Code != http.StatusOK || got != pdf || !strings.HasPrefix(w.Header().Get("Content-Disposition"), "attachment;") || !strings.HasPrefix(w.Header().Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("%s: %d %v", who.Name, w.Code, w.Header())
		}
	}
	f.is(f.hire("other", "Autre Exemple", actor.Member))
	if w, _ := f.ask(http.MethodGet, href[1]); w.Code != http.StatusForbidden {
		t.Errorf("a document is for everybody: %d", w.Code)
	}
	consoletest.Lacks(t, f.get("/measures/"+whole), "Vu sur place", "rapport")
	f.is(f.lead)
	if w, _ := f.ask(http.MethodGet, strings.Replace(href[1], whole, perSite, 1)); w.Code != http.StatusNotFound {
		t.Errorf("a document of another measure: %d", w.Code)
	}

	f.is(f.anna)
	f.post(target, http.StatusSeeOther, "words", f.words(whole), "observed_on", f.today(), "statement", "refused", "note", "La serrure est cassée.")
	f.is(f.lead)
	page = f.get("/measures/" + whole)
	consoletest.Wants(t, page, "State: not met", "The person who answers for it has said that it is no longer so.", "that it is no longer so", "La serrure est cassée.", "Mend it")
	consoletest.Wants(t, f.get("/"), whole, "The person who answers for it has said that it is no longer so.")
	if w, csv := f.ask(http.MethodGet, target+".csv"); w.Code != http.StatusOK || strings.Count(csv, "\n") != 3 || !strings.Contains(csv, "refused") || strings.Contains(csv, "serrure") {
		t.Errorf("%d %s", w.Code, csv)
	}
	if w, csv := f.ask(http.MethodGet, "/measures.csv?show=not_met"); w.Code != http.StatusOK || !strings.Contains(csv, "\n"+whole+",") || strings.Count(csv, "\n") != 2 {
		t.Errorf("%d %s", w.Code, csv)
	}
}

// Who is not asked is not heard, and the attempt is in the record.
func TestNotTheOwner(t *testing.T) {
	f := openFirm(t)
	f.post("/measures/"+whole+"/owner", http.StatusSeeOther, "seen", "0", "responsible", f.anna.ID)
	for _, who := range []actor.Actor{f.lead, f.ben} {
		f.is(who)
		f.post("/measures/"+whole+"/attestations", http.StatusForbidden, "words", f.words(whole), "observed_on", f.today(), "statement", "confirmed")
		f.post("/measures/"+whole+"/deputy", http.StatusForbidden, "own_deputy", f.ben.ID, "own_until", "2099-01-01")
	}
	f.is(f.ben)
	f.post("/measures/"+whole+"/owner", http.StatusForbidden, "seen", "1", "responsible", f.ben.ID)
	f.post("/measures/team", http.StatusForbidden, "team", "facilities", "person", f.ben.ID)
	f.is(f.lead)
	consoletest.Wants(t, f.get("/measures/"+whole), "refused")
	consoletest.Wants(t, f.get("/measures/"+whole), "Nobody has said anything yet.")
}

// While the company keeps its annex to itself, who has only tasks of their own sees what they answer for and
// nothing else of the draft: no sentence, no state, no count.
func TestPrivateDraft(t *testing.T) {
	f := openFirm(t)
	f.post("/measures/"+whole+"/owner", http.StatusSeeOther, "seen", "0", "responsible", f.anna.ID)
	f.tells = func(v *measure.View) { v.Private = true }
	for _, who := range []actor.Actor{f.lead, f.ben} {
		f.is(who)
		consoletest.Wants(t, f.get("/measures"), "ENC-1", whole)
		f.get("/measures/ENC-1")
	}
	f.is(f.anna)
	consoletest.Wants(t, f.get("/measures"), whole)
	f.get("/measures/" + whole)
	for _, target := range []string{"/measures", "/measures.csv", "/measures?show=unproven", "/measures?show=unowned"} {
		if _, body := f.ask(http.MethodGet, target); strings.Contains(body, "ENC-1") || strings.Contains(body, "SEG-1") {
			t.Errorf("%s shows the draft", target)
		}
	}
	if w, body := f.ask(http.MethodGet, "/measures/ENC-1"); w.Code != http.StatusNotFound || strings.Contains(body, "TLS 1.3") {
		t.Errorf("%d %s", w.Code, body)
	}
	f.tells = nil
	consoletest.Wants(t, f.get("/measures"), "ENC-1", whole)
}

// Bad input changes nothing, says what is wrong in its place, and keeps the form.
func TestAttestFormAgain(t *testing.T) {
	f := openFirm(t)
	for _, id := range []string{whole, perSite} {
		f.post("/measures/"+id+"/owner", http.StatusSeeOther, "seen", "0", "responsible", f.anna.ID)
	}
	f.is(f.anna)
	target := "/measures/" + whole + "/attestations"
	ok := func(change ...string) []string {
		values := map[string]string{"words": f.words(whole), "observed_on": f.today(), "note": "à garder", "statement": "confirmed"}
		for i := 0; i+1 < len(change); i += 2 {
			values[change[i]] = change[i+1]
		}
		var out []string
		for k, v := range values {
			out = append(out, k, v)
		}
		return out
	}
	for says, change := range map[string][]string{
		"The day you saw it is today or before.":           {"observed_on", "2099-01-01"},
		"This is not a day of the calendar.":               {"observed_on", "2026-02-30"},
		"What you saw that day no longer counts":           {"observed_on", "2020-01-01"},
		"The sentence has changed since you opened":        {"words", "x"},
		"You have not said whether this is still so":       {"statement", "maybe"},
		"A note has 2,000 letters at most.":                {"note", strings.Repeat("x", 2001)},
		"This measure is attested as a whole. Reload the ": {"site", "liege"},
	} {
		_, body := f.post(target, http.StatusUnprocessableEntity, ok(change...)...)
		if says != "This measure is attested as a whole. Reload the " { // its words are those of a site that is gone
			consoletest.Wants(t, consoletest.Text(t, body), says)
		}
		if change[0] != "note" {
			consoletest.Wants(t, body, ">à garder</textarea>")
		}
	}
	_, body := f.upload(target, http.StatusUnprocessableEntity, "scan.pdf", "<html>", ok()...)
	consoletest.Wants(t, body, "which a browser could run", ">à garder</textarea>", `id="documents-error"`)
	_, body = f.upload("/measures/"+perSite+"/attestations", http.StatusUnprocessableEntity, "scan.pdf", "%PDF-1.7\n%%EOF\n", ok("words", f.words(perSite))...)
	consoletest.Wants(t, consoletest.Text(t, body), "No site was chosen.", "Liège <nord>", "Bureau de Bruxelles")
	f.upload("/measures/"+perSite+"/attestations", http.StatusSeeOther, "scan.pdf", "%PDF-1.7\n%%EOF\n", ok("words", f.words(perSite), "site", "liege")...)
	consoletest.Wants(t, f.get("/measures/"+perSite), "1 of 2 confirmed", "Bureau de Bruxelles", "confirmed until")
	// Too large for the form: told, not kept.
	big := strings.Repeat("x", document.MaxForm)
	if w, _ := f.upload(target, http.StatusUnprocessableEntity, "big.txt", big, ok()...); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("%d", w.Code)
	}
	f.sites = nil
	consoletest.Wants(t, f.get("/measures/"+perSite), "No site is in the register yet.")
}

func TestDeputies(t *testing.T) {
	f := openFirm(t)
	owner, deputy := "/measures/"+whole+"/owner", "/measures/"+whole+"/deputy"
	f.post(owner, http.StatusSeeOther, "seen", "0", "responsible", f.anna.ID)
	f.is(f.anna)
	_, body := f.post(deputy, http.StatusUnprocessableEntity, "own_deputy", f.ben.ID, "own_until", "")
	consoletest.Wants(t, consoletest.Text(t, body), "A delegation needs a last day that is still to come.")
	_, body = f.post(deputy, http.StatusUnprocessableEntity, "own_deputy", f.ben.ID, "own_until", "yesterday")
	consoletest.Wants(t, consoletest.Text(t, body), "This is not a day of the calendar.")
	f.post(deputy, http.StatusSeeOther, "own_deputy", f.ben.ID, "own_until", f.today())
	f.is(f.ben)
	page := f.get("/measures/" + whole)
	consoletest.Wants(t, page, "You stand in for Anna Exemple.", "I confirm that this is so", "until and including")
	consoletest.Wants(t, f.get("/"), whole, "It waits for the first confirmation.", "You stand in for Anna Exemple.", "[/measures/"+whole+"#attest]")
	f.post("/measures/"+whole+"/attestations", http.StatusSeeOther, "words", f.words(whole), "observed_on", f.today(), "statement", "confirmed")
	f.is(f.lead)
	consoletest.Wants(t, f.get("/measures/"+whole), "Ben <Exemple> confirmed it", "Standing in for", "named a deputy")
	_, body = f.post(owner, http.StatusUnprocessableEntity, "seen", "2", "responsible", f.anna.ID, "deputy", f.anna.ID, "until", "2026-12-01")
	consoletest.Wants(t, consoletest.Text(t, body), "The deputy is the person who answers for the measure.")
	f.post(owner, http.StatusUnprocessableEntity, "seen", "nothing")
}

// The desk says what waits for whom, as the clock moves.
func TestDueMeasures(t *testing.T) {
	f := openFirm(t)
	ctx := context.Background()
	consoletest.Wants(t, f.get("/"), "measures have no owner", "Name a person for each, or for a whole team at once.")
	// Everybody's measures to one person, team by team.
	for range 20 {
		m := regexp.MustCompile(`<select id="team"[^>]*>\s*<option value="([a-z_]+)"`).FindStringSubmatch(rawPage(f))
		if m == nil {
			break
		}
		f.post("/measures/team", http.StatusSeeOther, "team", m[1], "person", f.ben.ID)
	}
	page := f.get("/")
	consoletest.Lacks(t, page, "Nobody answers for")
	f.is(f.ben)
	consoletest.Wants(t, f.get("/?whose=mine"), "measures wait for your answer", "Ben <Exemple>")
	f.ahead = 15 * 24 * time.Hour // he takes his time
	f.is(f.lead)
	consoletest.Wants(t, f.get("/"), "are overdue", "(Ben <Exemple>)", "Speak to them, or name a deputy.")
	f.ahead = 0

	f.is(f.ben)
	for _, m := range f.runner.Registry.Catalogue.Measures {
		if !m.Attest {
			continue
		}
		values := []string{"words", f.words(m.ID), "observed_on", f.today(), "statement", "confirmed"}
		if m.Per != "" {
			values = append(values, "site", "bruxelles", "site", "liege")
		}
		f.post("/measures/"+m.ID+"/attestations", http.StatusSeeOther, values...)
	}
	consoletest.Lacks(t, f.get("/"), whole+" ·", "wait for your answer")
	f.ahead = 336 * 24 * time.Hour
	page = f.get("/?whose=mine")
	consoletest.Wants(t, page, "measures wait for your answer")
	consoletest.Lacks(t, page, "late")
	f.ahead = 366 * 24 * time.Hour
	consoletest.Wants(t, f.get("/?whose=mine"), "measures wait for your answer", "late")
	f.ahead = 0

	// He leaves.
	id, err := f.dir.PersonByEmail(ctx, actor.NewSystem("cli"), "ben@ardoise.example")
	if err == nil {
		err = f.dir.Disable(ctx, actor.NewSystem("cli"), id.ID, time.Now())
	}
	if err != nil {
		t.Fatal(err)
	}
	f.is(f.lead)
	consoletest.Wants(t, f.get("/"), "have left", "What they confirmed still holds until it expires.", "Ben <Exemple> (has left)")
	consoletest.Wants(t, f.get("/measures?show=unowned"), "Ben <Exemple> (has left)")
}

func rawPage(f *firm) string {
	f.t.Helper()
	_, body := f.ask(http.MethodGet, "/measures?lang=en")
	return body
}

// More than a few things stand together.
func TestDueTogether(t *testing.T) {
	f := openFirm(t)
	reg := f.runner.Registry
	n := 0
	cat := *reg.Catalogue
	cat.Measures = append([]catalogue.Measure(nil), reg.Catalogue.Measures...)
	for i := range cat.Measures {
		if n < 9 && cat.Measures[i].Cadence > 0 && cat.Measures[i].Per == "" {
			cat.Measures[i].Attest = true
			n++
		}
	}
	reg.Catalogue = &cat
	for _, m := range cat.Measures {
		if m.Attest {
			f.post("/measures/"+m.ID+"/owner", http.StatusSeeOther, "seen", "0", "responsible", f.ben.ID)
		}
	}
	f.is(f.ben)
	page := f.get("/")
	consoletest.Wants(t, page, "measures wait for your answer", "and "+strconv.Itoa(count(cat.Measures)-5)+" more", "[/measures?show=mine]")
}

func count(list []catalogue.Measure) (n int) {
	for _, m := range list {
		if m.Attest {
			n++
		}
	}
	return n
}

func TestMeasureAddresses(t *testing.T) {
	f := openFirm(t)
	for target, code := range map[string]int{
		"/measures/XYZ-1": http.StatusNotFound, "/measures/XYZ-1/attestations.csv": http.StatusNotFound, "/measures?show=x": http.StatusUnprocessableEntity, "/measures.csv?show=x": http.StatusUnprocessableEntity,
		"/measures/" + whole + "?before=x": http.StatusNotFound, "/measures/" + whole + "/attestations/x/y": http.StatusNotFound,
		"/measures/" + whole + "/attestations/01890000-0000-7000-8000-000000000000/01890000-0000-7000-8000-000000000000": http.StatusNotFound,
	} {
		if w, body := f.ask(http.MethodGet, target); w.Code != code {
			t.Errorf("%s: %d, want %d %s", target, w.Code, code, body)
		}
	}
	f.is(actor.Actor{Kind: actor.Public, ID: "anonymous"})
	if w, _ := f.ask(http.MethodGet, "/measures"); w.Code != http.StatusSeeOther {
		t.Errorf("anybody reads the measures: %d", w.Code)
	}
}

func TestOwnerErrorsHaveWords(t *testing.T) {
	msgs, err := ui.NewMessages(console.Messages(), checks.Messages(), checks.OwnerMessages())
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"not_owner", "no_measure", "no_owner", "assignment_changed", "deputy_alone", "deputy_same", "deputy_until", "deputy_long", "attest_overruled", "attest_not_needed",
		"attest_statement", "attest_text", "attest_future", "attest_old", "attest_targets", "attest_no_target", "attest_note", "no_attestation", "date", "unowned", "owner_absent", "owners_unseen"} {
		if !msgs.Has("measure."+id) || !msgs.Has("measure."+id+".fix") {
			t.Errorf("measure.%s: no words, or no next step", id)
		}
	}
	var known *errs.Error
	if errors.As(err, &known) {
		t.Error(err)
	}
}
