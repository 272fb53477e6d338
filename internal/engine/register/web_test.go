package register_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/document"
	"github.com/garant-project/garant/internal/engine/register"
	"github.com/garant-project/garant/internal/web"
	"github.com/garant-project/garant/internal/web/console"
	"github.com/garant-project/garant/internal/web/console/consoletest"
	"github.com/garant-project/garant/internal/web/signin"
	"github.com/garant-project/garant/internal/web/ui"
)

// auth signs everybody in as one actor.
type auth struct{ who actor.Actor }

func (a *auth) Authenticate(*http.Request) (actor.Actor, error) { return a.who, nil }

// site is the registers in the console.
type site struct {
	*world
	auth *auth
	site *web.Site
}

func (w *world) site() *site {
	w.t.Helper()
	msgs := must[*ui.Messages](w.t)(ui.NewMessages(console.Messages(), signin.Messages(), document.Messages(), register.Messages()))
	brussels := must[*time.Location](w.t)(time.LoadLocation("Europe/Brussels"))
	c := &console.Chrome{Messages: msgs, Company: func(context.Context) string { return "Ardoise Mécénat" }, Zone: func(context.Context) *time.Location { return brussels }}
	w.r.Documents = document.New(w.db, w.box)
	h := &site{world: w, auth: &auth{w.lead}}
	routes := must[[]web.Route](w.t)(register.Pages(c, w.r))
	house := must[[]web.Route](w.t)(console.Pages(c, console.Deps{DB: w.db, Directory: w.dir, LinkURL: func(token string) string { return token }}))
	api := web.NewAPI("Garant", "test")
	w.r.AddAPI(api)
	routes = append(routes, house...)
	routes = append(routes, api.Routes()...)
	routes = append(routes, web.Route{Pattern: "GET /due", Permission: web.Public, Handler: func(rw http.ResponseWriter, r *web.Request) error {
		p := c.Printer(r)
		list, err := c.Due(r, p)
		for _, d := range list {
			fmt.Fprintln(rw, d.Tag, d.What, d.Href, d.Lines, d.Why, d.Next, d.State)
		}
		return err
	}})
	h.site = must[*web.Site](w.t)(web.NewSite(web.Config{
		Name: "console", Hosts: []string{"admin.localhost"}, Routes: routes, Auth: h.auth, SignInPath: "/sign-in", ErrorPage: c.Error,
		Languages: []string{"fr", "en"}, Log: slog.New(slog.DiscardHandler), Metrics: web.NewMetrics(), Now: func() time.Time { return w.now },
	}))
	return h
}

func (h *site) ask(method, target, kind string, body io.Reader) (*httptest.ResponseRecorder, string) {
	h.t.Helper()
	r := httptest.NewRequest(method, target, body)
	r.Host = "admin.localhost:8480"
	if kind != "" {
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	w := httptest.NewRecorder()
	h.site.ServeHTTP(w, r)
	text := strings.ReplaceAll(w.Body.String(), "\u00a0", " ")
	if strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		consoletest.Sound(h.t, target, text)
		text = consoletest.Text(h.t, text)
	}
	return w, text
}

// raw asks for a page and looks at nothing of it but the status.
func (h *site) raw(target string) (int, string) {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Host = "admin.localhost:8480"
	w := httptest.NewRecorder()
	h.site.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// get expects a page in both languages and returns the English one.
func (h *site) get(target string) string {
	h.t.Helper()
	var page string
	for _, lang := range []string{"fr", "en"} {
		sep := "?"
		if strings.Contains(target, "?") {
			sep = "&"
		}
		w, text := h.ask(http.MethodGet, target+sep+"lang="+lang, "", nil)
		if w.Code != http.StatusOK {
			h.t.Fatalf("GET %s in %s: %d\n%s", target, lang, w.Code, text)
		}
		page = text
	}
	return page
}

// post sends a form in both languages, unless it is expected to change something.
func (h *site) post(target string, form url.Values, want int) (*httptest.ResponseRecorder, string) {
	h.t.Helper()
	langs := []string{"fr", "en"}
	if want == http.StatusSeeOther {
		langs = langs[1:]
	}
	var w *httptest.ResponseRecorder
	var text string
	for _, lang := range langs {
		w, text = h.ask(http.MethodPost, target+"?lang="+lang, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
		if w.Code != want {
			h.t.Fatalf("POST %s in %s: %d, want %d\n%s", target, lang, w.Code, want, text)
		}
	}
	return w, text
}

func (h *site) upload(target, name, content, do string, want int) string {
	h.t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	part := must[io.Writer](h.t)(m.CreateFormFile("file", name))
	_, _ = io.WriteString(part, content)
	if do != "" {
		_ = m.WriteField("do", do)
	}
	_ = m.Close()
	w, text := h.ask(http.MethodPost, target+"?lang=en", m.FormDataContentType(), &b)
	if w.Code != want {
		h.t.Fatalf("upload to %s: %d, want %d\n%s", target, w.Code, want, text)
	}
	return text
}

const hostile = `<script>alert(1)</script>" onload='x' & {{.}}`

func TestPagesOfARegister(t *testing.T) {
	w := open(t)
	h := w.site()
	consoletest.Wants(t, h.get("/registers"), "Registers", "Assets", "[/registers/assets]", "Whatever holds the company’s data")
	consoletest.Wants(t, h.get("/registers/assets"), "No asset is registered", "Add an asset", "Import CSV")

	_, page := h.post("/registers/assets", url.Values{"tag": {""}, "kind": {"boat"}, "name": {hostile}}, 422)
	consoletest.Wants(t, page, "The entry was not saved.", "is required.", "is none of the choices.")
	rw, _ := h.post("/registers/assets", url.Values{"tag": {"PC-1"}, "kind": {"laptop"}, "name": {hostile}, "note": {"line one\nline two"}, "encrypted": {"true"}}, 303)
	path := strings.TrimSuffix(rw.Header().Get("Location"), "?done=register_created")
	page = h.get(rw.Header().Get("Location"))
	consoletest.Wants(t, page, "The entry has been created.", "PC-1", hostile, "laptop", "in use", "Note as lent", "Dispose of", "created the entry", "Encrypted yes", "line two")
	consoletest.Wants(t, h.get("/registers/assets?kind=laptop&q=script"), "1 entry", "PC-1", "["+path+"]")
	consoletest.Wants(t, h.get("/registers/assets?kind=server"), "No entry matches.", "No entry matches.")
	consoletest.Wants(t, h.get(path+"/edit"), "Cancel", "Save", "["+path+"]")

	// Two people: the second sees both versions, and loses nothing.
	h.post(path, url.Values{"revision": {"1"}, "tag": {"PC-1"}, "kind": {"laptop"}, "name": {"First"}}, 303)
	_, page = h.post(path, url.Values{"revision": {"1"}, "tag": {"PC-1"}, "kind": {"phone"}, "name": {"Second"}}, 409)
	consoletest.Wants(t, page, "Somebody else saved this entry while you were editing it.", "nothing is lost", "Description Second First", "Kind phone laptop")
	rw, _ = h.ask(http.MethodPost, path+"?lang=en", "application/x-www-form-urlencoded", strings.NewReader(url.Values{"revision": {"1"}, "tag": {"PC-1"}, "kind": {"phone"}, "name": {"Second"}}.Encode()))
	if body := rw.Body.String(); !strings.Contains(body, `name="revision" value="2"`) || !strings.Contains(body, `value="Second"`) {
		t.Error("the form of a conflict does not keep what was written, or the revision")
	}
	h.post(path, url.Values{"revision": {"2"}, "tag": {"PC-1"}, "kind": {"phone"}, "name": {"Second"}}, 303)
	_, page = h.post(path, url.Values{"revision": {"3"}, "tag": {""}, "kind": {"phone"}, "name": {"Third"}}, 422)
	consoletest.Wants(t, page, "is required.")

	h.post(path+"/state", url.Values{"revision": {"3"}, "to": {"lost"}}, 303)
	_, page = h.post(path+"/state", url.Values{"revision": {"3"}, "to": {"in_use"}}, 409)
	consoletest.Wants(t, page, "Somebody else has changed this entry meanwhile.")
	_, page = h.post(path+"/state", url.Values{"revision": {"4"}, "to": {"lent"}}, 409)
	consoletest.Wants(t, page, "This state cannot follow the present one.")
	consoletest.Wants(t, h.get(path), "changed the state", "State: in use → lost", "Description: First → Second")
	consoletest.Wants(t, h.get("/registers/assets?state=lost"), "PC-1")

	// Documents.
	text := h.upload(path+"/files", "report.exe", "MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff", "", 422)
	consoletest.Wants(t, text, "PC-1")
	h.upload(path+"/files", "note.txt", "Disposal certificate", "", 303)
	page = h.get(path)
	consoletest.Wants(t, page, "note.txt", "attached a document")
	link := page[strings.Index(page, path+"/files/"):]
	rw, _ = h.ask(http.MethodGet, link[:strings.Index(link, "]")], "", nil)
	if rw.Code != 200 || rw.Body.String() != "Disposal certificate" || !strings.HasPrefix(rw.Header().Get("Content-Disposition"), "attachment") {
		t.Errorf("%d %q %v", rw.Code, rw.Body, rw.Header())
	}

	h.post(path+"/remove", url.Values{"revision": {"4"}}, 303)
	if rw, _ := h.ask(http.MethodGet, path, "", nil); rw.Code != 404 {
		t.Errorf("a removed entry: %d", rw.Code)
	}
	for _, target := range []string{"/registers/boats", "/registers/assets/1", "/registers/boats/new", path + "/files/x", "/tasks/acknowledge/x"} {
		if rw, text := h.ask(http.MethodGet, target, "", nil); rw.Code != 404 {
			t.Errorf("%s: %d %s", target, rw.Code, text)
		}
	}
	for _, target := range []string{"/registers/assets?state=x", "/registers/assets?after=@", "/registers/assets?due=tag", "/registers/assets?q=%00"} {
		if rw, _ := h.ask(http.MethodGet, target, "", nil); rw.Code != 422 {
			t.Errorf("%s: %d", target, rw.Code)
		}
	}
	consoletest.Wants(t, h.get("/record?action="), "created an entry", "removed an entry")
}

// Every register has all its pages, empty, with long and hostile values, in both languages.
func TestEveryRegisterHasItsPages(t *testing.T) {
	w := open(t)
	h := w.site()
	long := strings.Repeat("Œuvre très longue ", 5)
	for _, d := range w.r.Definitions() {
		list := "/registers/" + d.Key
		h.get(list)
		h.get(list + "/new")
		h.get(list + "/import")
		if rw, _ := h.ask(http.MethodGet, list+"/template.csv?lang=fr", "", nil); rw.Code != 200 || !strings.Contains(rw.Header().Get("Content-Type"), "text/csv") {
			t.Errorf("%s: template %d", d.Key, rw.Code)
		}
		h.post(list, url.Values{}, 422)
		v := url.Values{}
		for _, f := range d.Fields {
			switch f.Type {
			case register.Text, register.LongText:
				v.Set(f.Key, hostile+long)
				if f.Max > 0 && f.Max < 150 {
					v.Set(f.Key, hostile[:min(len(hostile), f.Max)])
				}
				if f.Pattern != nil {
					v.Set(f.Key, map[string]string{"country": "BE", "key": "security"}[f.Key])
				}
			case register.Date:
				v.Set(f.Key, "2024-02-29")
			case register.Bool:
				v.Set(f.Key, "true")
			case register.Choice:
				v.Set(f.Key, f.Options[0])
			case register.Email:
				v.Set(f.Key, "ana@ardoise.example")
			case register.URL:
				v.Set(f.Key, "https://ardoise.example/?a=1&b=<x>")
			case register.List:
				v.Set(f.Key, map[string]string{"measures": "TEL-1, PHY-8", "teams": "security"}[f.Key])
			}
		}
		rw, _ := h.post(list, v, 303)
		path, _, _ := strings.Cut(rw.Header().Get("Location"), "?")
		h.get(list)
		h.get(path)
		h.get(path + "/edit")
		h.get(list + "?q=zzz")
		for _, s := range d.States[0].To {
			if s != "published" {
				h.post(path+"/state", url.Values{"revision": {"1"}, "to": {s}}, 303)
				h.get(path)
				break
			}
		}
		h.auth.who = w.op // without the right to read persons
		h.get(list)
		h.get(path)
		h.get(path + "/edit")
		h.auth.who = person(actor.ReadRegisters)
		consoletest.Lacks(t, h.get(path), "Edit", "Remove")
		consoletest.Lacks(t, h.get(list), "Import CSV")
		for _, target := range []string{list + "/new", list + "/import", path + "/edit"} {
			if rw, _ := h.ask(http.MethodGet, target, "", nil); rw.Code != 403 {
				t.Errorf("a reader opens %s: %d", target, rw.Code)
			}
		}
		h.auth.who = w.lead
	}
}

func TestImportPage(t *testing.T) {
	w := open(t)
	h := w.site()
	const path = "/registers/assets/import"
	consoletest.Wants(t, h.get(path), "Import into “Assets”", "CSV template", "one of: laptop", "e-mail address in the register “Staff and contractors”", "serial")
	bad := "Number;Kind\nPC-1;boat\n;laptop\n"
	text := h.upload(path, "assets.csv", bad, "check", 422)
	consoletest.Wants(t, text, "2 lines are wrong; nothing has been saved.", "2 lines read, UTF-8, separated by ;", "2 Kind is none of the choices. boat", "3 Number is required.")
	good := "Number;Kind\nPC-1;laptop\nPC-2;phone\n"
	consoletest.Wants(t, h.upload(path, "assets.csv", good, "check", 200), "2 lines are ready; nothing has been saved.")
	consoletest.Wants(t, h.upload(path, "assets.csv", good, "", 200), "nothing has been saved") // a button that was not named only checks
	if w.count(register.Assets) != 0 {
		t.Fatal("a check saved something")
	}
	h.upload(path, "assets.csv", good, "import", 303)
	consoletest.Wants(t, h.get("/registers/assets?done=register_imported"), "The file has been imported.", "PC-2")
	consoletest.Wants(t, h.upload(path, "assets.csv", good, "import", 422), "is in the register already.")
	consoletest.Wants(t, h.upload(path, "x.csv", "", "check", 422), "Choose a file.")
	consoletest.Wants(t, h.upload(path, "x.csv", "Number;Kind\n", "check", 422), "The file is empty.")
	consoletest.Wants(t, h.upload(path, "x.csv", "\x89PNG\x00", "check", 422), "The encoding of the file is not recognised.")
	if rw, _ := h.ask(http.MethodPost, path, "application/x-www-form-urlencoded", strings.NewReader("a=b")); rw.Code != 422 {
		t.Errorf("no file form: %d", rw.Code)
	}
	h.auth.who = w.op
	rw, _ := h.ask(http.MethodGet, "/registers/assets/export.csv?kind=phone", "", nil)
	if body := rw.Body.String(); rw.Code != 200 || !strings.Contains(body, "PC-2") || strings.Contains(body, "PC-1") {
		t.Errorf("%d %s", rw.Code, body)
	}
}

// 1001 persons are too many to choose from: an owner is then written by their address.
func TestReferencesToMany(t *testing.T) {
	w := open(t)
	h := w.site()
	var b strings.Builder
	b.WriteString("name,email,kind,arrival\n")
	for i := range 1001 {
		fmt.Fprintf(&b, "P%d Exemple,p%d@ardoise.example,employee,2024-01-01\n", i, i)
	}
	if r := w.load(register.Persons, b.String(), false); r.Imported != 1001 {
		t.Fatalf("%+v", said(r))
	}
	consoletest.Wants(t, h.get("/registers/assets/new"), "Write their e-mail address")
	rw, _ := h.post("/registers/assets", url.Values{"tag": {"PC-1"}, "kind": {"laptop"}, "owner": {"p1000@ardoise.example"}}, 303)
	path, _, _ := strings.Cut(rw.Header().Get("Location"), "?")
	consoletest.Wants(t, h.get(path), "P1000 Exemple")
	rw, _ = h.ask(http.MethodGet, path+"/edit", "", nil)
	if !strings.Contains(rw.Body.String(), `value="p1000@ardoise.example"`) {
		t.Error("the form does not name the owner by their address")
	}
	page := h.get("/registers/persons")
	consoletest.Wants(t, page, "1,001 entries", "[/registers/persons?after=")
}

// Who may not read persons sees that colleagues are meant, not entries; other registers have their names.
func TestColleaguesWithoutNames(t *testing.T) {
	w := open(t)
	site := w.add(register.Sites, register.Values{"name": "Bureau (exemple)", "kind": "office"})
	owner := w.person("Ana", nil)
	asset := w.add(register.Assets, register.Values{"tag": "PC-1", "kind": "laptop", "owner": owner.ID.String(), "site": site.ID.String()})
	h := w.site()
	consoletest.Wants(t, h.get("/registers/assets"), "Ana")
	h.auth.who = w.op
	short := console.ShortID(owner.ID.String())
	for _, page := range []string{"/registers/assets", "/registers/assets/" + asset.ID.String(), "/registers/assets/" + asset.ID.String() + "/edit"} {
		text := h.get(page)
		consoletest.Wants(t, text, "colleague "+short, "Bureau (exemple)")
		consoletest.Lacks(t, text, "entry "+short, "Ana")
		_, text = h.ask(http.MethodGet, page+"?lang=fr", "", nil)
		consoletest.Wants(t, text, "collègue "+short)
	}
}
