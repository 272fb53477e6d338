package ui

import (
	"bytes"
	"errors"
	"html/template"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/net/html"
)

// everything is a page that uses every function of templates.
const everything = `{{define "main"}}{{$b := .Body}}{{if eq .Layout "public"}}<h1>{{.Title}}</h1>{{end}}
<h2>{{t $ "ui.nav.menu"}}</h2>
<p>{{number $ 1234}} {{count $ 0 "adresse" "adresses"}} {{duration $ $b.Every}} {{state $ "met"}} {{chip "chip"}} {{kind $ $b.Kind}}</p>
<p>{{day $ $b.At}} {{clock $ $b.At}} {{instant $ $b.At}} {{ago $ $b.At}} {{until $ $b.Due}} {{ago $ $b.Never}} {{day $ $b.Never}}</p>
<p>{{range $b.States}}{{pill $ .}} {{end}}{{pill $ "not_a_state"}}</p>
{{strip $ $b.Days}}{{bar $ $b.Counts}}
<p>Toutes les {{fact $ $b.Fact}}, puis {{fact $ $b.Linked}}, puis {{fact $ $b.Bare}}.</p>
{{alert $ "danger" "Attention"}}{{notice $ $b.Notice}}{{notice $ $b.NoNotice}}
<form method="post" action="/x" class="form">{{range $b.Fields}}{{field $ .}}{{end}}{{button $b.Button}}</form>
{{button $b.LinkButton}}{{action $b.Action}}
{{table $ $b.Table}}{{table $ $b.NoRows}}{{empty $b.Empty}}
{{details $ $b.Details}}{{progress $ $b.Progress}}{{progress $ $b.Waiting}}{{pager $ $b.Pager}}{{pager $ $b.NoPager}}
{{copy $ "Commande" $b.Nasty}}{{copy $ "" "x"}}{{code $b.Nasty}}{{digest "9f2c"}}
{{icon "link"}} {{with dict "A" 1}}{{.A}}{{end}} {{range list 1 2}}{{.}}{{end}} {{asset "garant.css"}}
{{end}}`

const nasty = `<script>alert('x')</script>"&`

func sample(now time.Time) map[string]any {
	var days []Day
	for i := range 90 {
		s := Met
		switch {
		case i > 82:
			s = Stale
		case i == 40 || i == 41:
			s = NotMet
		case i < 10:
			s = ""
		}
		days = append(days, Day{Date: now.AddDate(0, 0, i-89), State: s})
	}
	return map[string]any{
		"Every": 6 * time.Hour, "At": now.Add(-3 * time.Minute), "Due": now.Add(9 * day), "Never": time.Time{}, "Kind": Enforced, "States": States(),
		"Days": days, "Counts": map[State]int{Met: 46, NotMet: 1, Stale: 3, Unproven: 30},
		"Fact":   Fact{Text: "6 heures", Source: "anonymise.age", At: now, Value: "21600 s"},
		"Linked": Fact{Text: "14", Source: nasty, Href: "/m/ENC-1"},
		"Bare":   Fact{Text: "365 jours"},
		"Notice": &Notice{Tone: Success, Title: "Fait", Text: "La version est publiée.", Link: &Link{"La voir", "/annex"}, Live: true}, "NoNotice": (*Notice)(nil),
		"Fields": []Field{
			{Name: "name", Label: "Nom", Help: "Comme sur le contrat", Error: "Un nom est nécessaire.", Required: true, Autocomplete: "name", MaxLength: 80, Focus: true, Value: nasty},
			{Name: "mail", Label: "Adresse", Type: "email", InputMode: "email"},
			{Name: "day", Label: "Jour", Type: "date", Min: "2026-01-01", Max: "2026-12-31"},
			{Name: "why", Label: "Motif", Type: "textarea", Help: "Une phrase", Value: nasty},
			{Name: "role", Label: "Rôle", Type: "select", Options: []Option{{Value: "a", Label: "A"}, {Value: "b", Label: "B", Selected: true}}, Error: "Non"},
			{Name: "yes", Label: "J’ai lu", Type: "checkbox", Checked: true, Required: true},
		},
		"Button": Button{Label: "Enregistrer", Primary: true, Name: "do", Value: "save"}, "LinkButton": Button{Label: "Voir", Href: "/x", Icon: "external", Danger: true},
		"Action": Action{Button: Button{Label: "Relancer", About: "la vérification TLS", Icon: "play"}, Post: "/checks/tls/run", Hidden: []Hidden{{"next", "/"}}},
		"Table": Table{Caption: "Vérifications", Columns: []Column{{Label: "Quoi"}, {Label: "Durée", Numeric: true}, {Label: "Gestes", Quiet: true}}, Rows: [][]Cell{
			{{State: NotMet, Strong: "ENC-1", Text: "accepte TLS 1.1", Code: "files.example", Note: nasty}, {Text: "12"}, {Button: &Button{Label: "Corriger", Href: "/fix"}}},
			{{Link: &Link{"SEG-1", "/m/SEG-1"}, Kind: Checked, Time: now.Add(-time.Hour)}, {Due: now.Add(time.Hour)}, {Action: &Action{Button: Button{Label: "Classer"}, Post: "/c"}}},
			{{Chip: "supplier"}, {}, {}},
		}},
		"NoRows":   Table{Caption: "Rien", Columns: []Column{{Label: "a"}}, Empty: &Empty{Title: "Rien à faire", Text: "Tout est tenu.", Action: &Button{Label: "Voir l’annexe", Href: "/annex"}}},
		"Empty":    Empty{Title: "Vide", Icon: "key"},
		"Details":  []Detail{{Term: "État", State: Stale}, {Term: "Empreinte", Digest: "9f2c", Note: "SHA-256"}, {Term: "Vu", Time: now}, {Term: "Lien", Link: &Link{"x", "/x"}, Code: "y", Text: "z"}},
		"Progress": Progress{Label: "Sondes", Done: 3, Total: 14, Text: "3 sur 14"}, "Waiting": Progress{Label: "En attente"},
		"Pager": Pager{Newer: "/?after=1", Older: "/?before=9"}, "NoPager": Pager{}, "Nasty": nasty,
	}
}

func samplePage(p *Printer, now time.Time) *Page {
	return &Page{
		Title: "À faire", Path: "/checks?state=met", Printer: p, Site: "Garant", User: "Alix Verdier", Role: "Sécurité", Account: "/account", Now: now,
		Nav: []NavItem{
			{Href: "/", Label: "À faire", Icon: "inbox", Count: 7, Current: true}, {Href: "/annex", Label: "Annexe", Icon: "scroll"},
			{Href: "/people", Label: "Personnes", Icon: "users", Group: "Registres", Count: 2}, {Href: "/checks", Label: "Vérifications", Icon: "radar"},
		},
		Version: "Version du 12 novembre 2026", Printed: "trust.example · 9f2c", Lead: "Une annexe",
		Crumbs: []Link{{"Annexe", "/annex"}, {"ENC-1", ""}}, Footer: []Link{{"Mentions", "/legal"}},
		Notice: &Notice{Text: "Enregistré."}, Body: sample(now),
	}
}

func render(t *testing.T, layout string, p *Page) string {
	t.Helper()
	p.Layout = layout
	tmpl, err := Parse(layout, fstest.MapFS{"x.html": {Data: []byte(everything)}}, "x.html")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Render(&b, tmpl, p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPartsInEveryLayout(t *testing.T) {
	fr, en := printers(t)
	now := time.Date(2026, 11, 12, 20, 4, 0, 0, time.UTC)
	for _, layout := range layouts() {
		for _, p := range []*Printer{fr, en} {
			s := render(t, layout, samplePage(p, now))
			inspect(t, layout+" "+p.Lang(), s)
			if strings.Contains(s, "<script>alert") {
				t.Errorf("%s: what a stranger wrote is not escaped", layout)
			}
		}
	}
}

// inspect looks for what no page may have.
func inspect(t *testing.T, name, page string) {
	t.Helper()
	if strings.Contains(page, "⟦") {
		t.Errorf("%s: words are missing: %s", name, regexp.MustCompile(`⟦[^⟧]*⟧`).FindString(page))
	}
	if strings.Contains(page, "ZgotmplZ") {
		t.Errorf("%s: html/template refused a value", name)
	}
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	ids, described, labelled, h1 := map[string]bool{}, []string{}, []string{}, 0
	for n := range doc.Descendants() {
		if n.Type != html.ElementNode {
			continue
		}
		a := map[string]string{}
		for _, at := range n.Attr {
			a[at.Key] = at.Val
			if strings.HasPrefix(at.Key, "on") || at.Key == "style" {
				t.Errorf("%s: <%s %s> would be refused by the Content-Security-Policy", name, n.Data, at.Key)
			}
		}
		if n.Data == "style" || n.Data == "script" && a["src"] == "" {
			t.Errorf("%s: inline <%s>", name, n.Data)
		}
		if n.Data == "h1" {
			h1++
		}
		if id, ok := a["id"]; ok {
			if ids[id] {
				t.Errorf("%s: id %q comes twice", name, id)
			}
			ids[id] = true
		}
		described = append(described, strings.Fields(a["aria-describedby"]+" "+a["aria-labelledby"])...)
		if f := a["for"]; f != "" {
			labelled = append(labelled, f)
		}
		if n.Data == "svg" && a["aria-hidden"] == "" && a["aria-label"] == "" {
			t.Errorf("%s: a drawing has neither a text nor is it hidden", name)
		}
	}
	for _, id := range append(described, labelled...) {
		if !ids[id] {
			t.Errorf("%s: %q is referred to and not there", name, id)
		}
	}
	if h1 != 1 {
		t.Errorf("%s: %d <h1>", name, h1)
	}
	if !strings.HasPrefix(page, "<!doctype html>") {
		t.Errorf("%s does not begin with the document type: %.40q", name, page)
	}
}

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		layout string
		files  fstest.MapFS
		want   string
	}{
		"no such layout": {"other", nil, "no layout"},
		"no main":        {"public", fstest.MapFS{"x.html": {Data: []byte(`{{define "head"}}{{end}}`)}}, `no template "main"`},
		"bad template":   {"public", fstest.MapFS{"x.html": {Data: []byte(`{{define "main"}}{{nothing}}{{end}}`)}}, "nothing"},
		"no file":        {"public", fstest.MapFS{}, "x.html"},
	} {
		if _, err := Parse(c.layout, c.files, "x.html"); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Parse("card", fstest.MapFS{}); err == nil {
		t.Error("a page without files was made")
	}
}

// failing never takes anything.
type failing struct{ wrote bool }

func (f *failing) Write([]byte) (int, error) { f.wrote = true; return 0, errors.New("gone") }

func TestRenderWritesAllOrNothing(t *testing.T) {
	fr, _ := printers(t)
	parse := func(body string) *template.Template {
		tmpl, err := Parse("card", fstest.MapFS{"x.html": {Data: []byte(`{{define "main"}}` + body + `{{end}}`)}}, "x.html")
		if err != nil {
			t.Fatal(err)
		}
		return tmpl
	}
	for body, why := range map[string]string{
		`{{.Body.Missing}}`:            "a field that there is not",
		`{{icon "none"}}`:              "an icon that there is not",
		`{{asset "none.css"}}`:         "a file that there is not",
		`{{number $ "x"}}`:             "a number that is none",
		`{{count $ 1.5 "a" "b"}}`:      "a count that is none",
		`{{dict "a"}}`:                 "half a pair",
		`{{dict 1 2}}`:                 "a name that is none",
		`{{table $ .Body.NoEmpty}}`:    "an empty table that does not say so",
		`{{table $ .Body.WrongCells}}`: "a row with too few cells",
	} {
		var b bytes.Buffer
		data := struct{ NoEmpty, WrongCells Table }{WrongCells: Table{Columns: []Column{{}, {}}, Rows: [][]Cell{{{}}}}}
		if err := Render(&b, parse(body), &Page{Printer: fr, Body: data}); err == nil || b.Len() > 0 {
			t.Errorf("%s: error %v, %d bytes written", why, err, b.Len())
		}
	}
	f := &failing{}
	if err := Render(f, parse("x"), &Page{Printer: fr}); err == nil || !f.wrote {
		t.Error("a reader who went away is not told of")
	}
	if err := Render(f, parse("x"), &Page{}); err == nil {
		t.Error("a page without a printer was written")
	}
	p := &Page{Printer: fr, Path: "/a"}
	if err := Render(&bytes.Buffer{}, parse(`{{copy $ "" "x"}}`), p); err != nil || p.ids != 0 || p.Home != "" {
		t.Errorf("the caller's page was changed: %+v (%v)", p, err)
	}
}

func TestStrip(t *testing.T) {
	fr, en := printers(t)
	now := time.Date(2026, 11, 12, 12, 0, 0, 0, time.UTC)
	days := []Day{{now.AddDate(0, 0, -5), ""}, {now.AddDate(0, 0, -4), Met}, {now.AddDate(0, 0, -3), NotMet}, {now.AddDate(0, 0, -2), NotMet}, {now.AddDate(0, 0, -1), Met}, {now, Stale}}
	s := fr.Strip(days)
	want := "Sur les 6 derniers jours : tenu 2_jours, non tenu 2_jours et à reconfirmer 1_jour. À reconfirmer le 12_novembre 2026. Non tenu du 9_novembre au 10_novembre 2026."
	if got := strings.ReplaceAll(spaces(s.Label), "~:", " :"); got != want {
		t.Errorf("label %q, want %q", got, want)
	}
	var got []string
	for _, r := range s.Runs {
		got = append(got, r.Class+" "+r.Path)
	}
	if want := []string{"none M0 10h2", "met M3 10h2", "not_met M6 4.5h5M6 15.5h5", "met M12 10h2", "stale M15 10h2"}; !slices.Equal(got, want) {
		t.Errorf("runs %q, want %q", got, want)
	}
	if got := en.Strip(make([]Day, 90)).Label; got != "Nothing is known of the last 90 days." {
		t.Errorf("nothing known: %q", got)
	}
	if s := en.Strip(nil); len(s.Runs) != 0 || s.Width < 1 {
		t.Errorf("no days: %+v", s)
	}
}

func TestBar(t *testing.T) {
	_, en := printers(t)
	b := en.Bar(map[State]int{Met: 2, NotMet: 1, Unproven: -3})
	if spaces(b.Label) != "met_2 and not met_1" || !slices.Equal(b.Shares, []Share{{"met", 0, 666}, {"not_met", 666, 334}}) {
		t.Errorf("%+v", b)
	}
	if b := en.Bar(nil); len(b.Shares) != 0 {
		t.Errorf("of nothing: %+v", b)
	}
}

func TestPage(t *testing.T) {
	p := samplePage(nil, time.Time{})
	p.Lang = "en"
	var got []string
	for _, g := range p.Groups() {
		got = append(got, g.Title)
		for _, i := range g.Items {
			got = append(got, i.Href)
		}
	}
	if want := []string{"", "/", "/annex", "/checks", "Registres", "/people"}; !slices.Equal(got, want) {
		t.Errorf("groups %q", got)
	}
	if p.Waiting() != 9 {
		t.Errorf("%d wait", p.Waiting())
	}
	for path, want := range map[string]string{
		"/checks?state=met&lang=fr": "/checks?lang=en&state=met", "/": "/?lang=en", "": "/?lang=en", "//evil.example/x": "/?lang=en", "https://evil.example/x": "/x?lang=en",
		"javascript:alert(1)": "/?lang=en", "/a%2Fb": "/a%2Fb?lang=en",
	} {
		p.Path = path
		links := p.Switch()
		if len(links) != 2 || links[1].Href != want || !links[1].Current || links[0].Current {
			t.Errorf("%q: %+v, want %q", path, links, want)
		}
	}
}

// The page of this test uses every function there is, so that none is left untried.
func TestEverythingIsTried(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(functions())) {
		if name == "crumbs" || name == "options" { // in the layouts; within a field
			continue
		}
		if !regexp.MustCompile(`[{( ]` + name + `[ }]`).MatchString(everything) {
			t.Errorf("%s is not tried", name)
		}
	}
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil || len(names) != 6 {
		t.Errorf("templates %v (%v)", names, err)
	}
}
