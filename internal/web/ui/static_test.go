package ui

import (
	"bytes"
	"fmt"
	"io/fs"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/garant-project/garant/internal/web/browsertest"
)

// Every class that a template writes has a rule, so that a renamed one is found.
func TestClassesHaveRules(t *testing.T) {
	sheet := stylesheet(t)
	bare := map[string]bool{"topbar-menu": true, "public": true} // names for pages, unstyled
	for _, name := range templateNames(t) {
		text, err := templateFiles.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`class="([^"]*)"`).FindAllStringSubmatch(string(text), -1) {
			words := regexp.MustCompile(`[\w-]*\{\{[^}]*\}\}`).ReplaceAllString(m[1], " ")
			for _, class := range strings.Fields(words) {
				if !bare[class] && !regexp.MustCompile(`\.`+regexp.QuoteMeta(class)+`[^\w-]`).MatchString(sheet) {
					t.Errorf("%s: no rule for .%s", name, class)
				}
			}
		}
	}
}

func templateNames(t *testing.T) []string {
	t.Helper()
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil || len(names) < 5 {
		t.Fatalf("templates: %v (%v)", names, err)
	}
	return names
}

func stylesheet(t *testing.T) string {
	t.Helper()
	w := httptest.NewRecorder()
	Static().ServeHTTP(w, httptest.NewRequest(http.MethodGet, Asset("garant.css"), nil))
	return w.Body.String()
}

// The pairs of text and ground that the style sheet uses, in both themes (WCAG 2.2, 1.4.3 and
// 1.4.11 for borders of controls).
func TestContrast(t *testing.T) {
	blocks := regexp.MustCompile(`(?s):root \{(.*?)\n\s*\}`).FindAllStringSubmatch(stylesheet(t), 2)
	if len(blocks) != 2 {
		t.Fatal("two themes are expected")
	}
	colours := map[string]string{}
	for i, theme := range []string{"light", "dark"} {
		for _, m := range regexp.MustCompile(`--([\w-]+): (#[0-9a-f]{3,6});`).FindAllStringSubmatch(blocks[i][1], -1) {
			colours[m[1]] = m[2]
		}
		for _, c := range []struct {
			text, ground string
			least        float64
		}{
			{"ink", "paper", 7}, {"ink", "card", 7}, {"ink", "sunk", 7}, {"ink", "hover", 7},
			{"soft", "paper", 4.5}, {"soft", "card", 4.5}, {"soft", "sunk", 4.5}, {"soft", "hover", 4.5},
			{"accent", "paper", 4.5}, {"accent", "card", 4.5}, {"on-accent", "accent", 4.5}, {"on-accent", "accent-strong", 4.5},
			{"met", "met-ground", 4.5}, {"not-met", "not-met-ground", 4.5}, {"stale", "stale-ground", 4.5},
			{"unproven", "unproven-ground", 4.5}, {"excluded", "excluded-ground", 4.5}, {"ink", "unproven-ground", 4.5},
			{"soft", "unproven-ground", 4.5}, {"not-met", "card", 4.5}, {"not-met", "paper", 4.5},
			{"edge", "card", 3}, {"edge", "paper", 3}, {"met-mark", "paper", 3}, {"not-met-mark", "paper", 3}, {"stale-mark", "paper", 3},
		} {
			if got := contrast(t, colours[c.text], colours[c.ground]); got < c.least {
				t.Errorf("%s: %s on %s is %.2f:1, want %.1f", theme, c.text, c.ground, got, c.least)
			}
		}
	}
	if got := contrast(t, "#000", "#ffffff"); math.Abs(got-21) > 0.01 {
		t.Errorf("black on white is %.2f:1", got)
	}
}

// contrast is the ratio of WCAG 2.2.
func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	luminance := func(hex string) float64 {
		hex = strings.TrimPrefix(hex, "#")
		if len(hex) == 3 {
			hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
		}
		v, err := strconv.ParseUint(hex, 16, 32)
		if err != nil || len(hex) != 6 {
			t.Fatalf("no colour: %q", hex)
		}
		channel := func(n uint64) float64 {
			c := float64(n&0xff) / 255
			if c <= 0.04045 {
				return c / 12.92
			}
			return math.Pow((c+0.055)/1.055, 2.4)
		}
		return 0.2126*channel(v>>16) + 0.7152*channel(v>>8) + 0.0722*channel(v)
	}
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// samples are pages of each layout, in the words of the language.
func samples(t *testing.T, lang string) map[string][]byte {
	t.Helper()
	type measure struct {
		ID, Before, After string
		Fact              *Fact
		State             State
		Kind              Kind
		Days              []Day
	}
	now := time.Date(2026, 11, 23, 21, 4, 0, 0, time.UTC)
	days := func(end State, last int) []Day {
		list := make([]Day, 90)
		for i := range list {
			list[i] = Day{Date: now.AddDate(0, 0, i-89), State: Met}
			if i >= 90-last {
				list[i].State = end
			}
		}
		return list
	}
	say := func(fr, en string) string {
		if lang == "fr" {
			return strings.ReplaceAll(strings.ReplaceAll(fr, " :", "\u202f:"), " ;", "\u202f;")
		}
		return en
	}
	p := messages(t).For(lang, time.UTC)
	nav := []NavItem{
		{Href: "/", Label: say("À faire", "Desk"), Icon: "inbox", Current: true, Count: 7}, {Href: "/annex", Label: say("Annexe", "Annex"), Icon: "scroll"},
		{Href: "/checks", Label: say("Vérifications", "Checks"), Icon: "radar"}, {Href: "/people", Label: say("Personnes", "People"), Icon: "users", Count: 2},
	}
	tabs := []NavItem{{Href: "/", Label: say("Mesures", "Measures"), Current: true}, {Href: "/changes", Label: say("Changements", "Changes")}}
	body := map[string]any{
		"Lead": say("Chaque phrase de cette annexe repose sur une vérification qui peut échouer ou sur une confirmation datée qui expire.",
			"Every sentence of this annex rests on a check that can fail or on a dated confirmation that expires."),
		"States": map[State]int{Met: 1, NotMet: 1, Stale: 1, Unproven: 76, Excluded: 1},
		"Long":   make([]int, 4), // so that it takes several printed pages
		"Measures": []measure{
			{ID: "ENC-2", Before: say("Nos sites imposent HTTPS pour une durée d’au moins ", "Our sites make browsers use HTTPS for at least "),
				Fact: &Fact{Text: p.Duration(365 * 24 * time.Hour), Source: say("Vérification HSTS", "HSTS check"), At: now, Href: "#content"}, After: ".", State: Met, Kind: Enforced, Days: days(Met, 0)},
			{ID: "ENC-1", Before: p.Quote(say("Toute version autre que TLS 1.2 et TLS 1.3 est refusée.", "Every version but TLS 1.2 and TLS 1.3 is refused.")), State: NotMet, Kind: Checked, Days: days(NotMet, 3)},
			{ID: "BCP-2", Before: p.Quote(say("Le plan de reprise est essayé chaque année.", "The recovery plan is tried every year.")), State: Stale, Kind: Attested, Days: days(Stale, 20)},
			{ID: "PHY-5", Before: say("Chaque visiteur est inscrit.", "Every visitor is registered."), State: Unproven, Kind: Run, Days: days("", 90)},
			{ID: "PWR-1", Before: say("Sans objet.", "Of no concern."), State: Excluded, Kind: Attested, Days: days(Excluded, 30)},
		},
		"Buttons":  []Button{{Label: say("Tout revérifier", "Check all again"), Icon: "refresh"}, {Label: say("Publier", "Publish"), Primary: true}},
		"Progress": Progress{Label: say("Vérification", "Check"), Done: 3, Total: 14, Text: "3 / 14"},
		"Details":  []Detail{{Term: say("État", "State"), State: NotMet}, {Term: "SHA-256", Digest: strings.Repeat("3fa9", 16)}},
		"Empty":    Empty{Title: say("Rien n’attend", "Nothing waits"), Text: say("Les points à traiter apparaissent ici.", "What is due appears here.")},
		"Pager":    Pager{Newer: "?newer=1", Older: "?older=1"},
		"Fields": []Field{
			{Name: "name", Label: say("Nom", "Name"), Required: true, Help: say("Tel qu’il est affiché.", "As it is shown.")},
			{Name: "mail", Label: say("Courriel", "E-mail"), Type: "email", Value: "x", Error: say("Cette adresse est incomplète.", "This address is incomplete.")},
			{Name: "role", Label: say("Rôle", "Role"), Type: "select", Options: []Option{{Value: "a", Label: "A"}}},
			{Name: "keep", Label: say("Se souvenir", "Remember"), Type: "checkbox"},
		},
		"Table": Table{Caption: say("À faire", "To do"), Columns: []Column{{Label: say("Quoi", "What")}, {Label: say("Pourquoi", "Why")}, {Label: say("Nombre", "Number"), Numeric: true}, {Label: "Action", Quiet: true}},
			Rows: [][]Cell{
				{{State: NotMet, Strong: "ENC-1", Code: "files.ardoise.example"}, {Text: say("Phrase retirée de l’annexe publique", "Sentence withdrawn from the public annex")}, {Text: "14"}, {Action: &Action{Post: "/x", Button: Button{Label: say("Corriger", "Mend"), Primary: true, About: "ENC-1"}}}},
				{{State: Stale, Strong: "BCP-2"}, {Text: say("Confirmation expirée", "Confirmation expired"), Note: say("attestée par la direction", "attested by the management")}, {Text: "1"}, {Action: &Action{Post: "/x", Button: Button{Label: say("Confirmer", "Confirm"), About: "BCP-2"}}}},
			}},
	}
	out := map[string][]byte{}
	for _, s := range []struct{ name, layout, title string }{
		{"annex", "public", say("Mesures techniques et organisationnelles", "Technical and organisational measures")},
		{"desk", "console", say("À faire", "Desk")}, {"card", "card", say("Se connecter", "Sign in")},
	} {
		tmpl, err := Parse(s.layout, os.DirFS("testdata"), s.name+".html")
		if err != nil {
			t.Fatal(err)
		}
		pg := &Page{Title: s.title, Path: "/?a=b", Printer: p, Site: "Garant", Nav: nav, User: "Ada Lovelace", Role: "lead", Account: "/account", Now: now, Body: body}
		if s.layout == "public" {
			pg.Site, pg.Nav, pg.Version, pg.Printed = "Ardoise Mécénat", tabs, say("Version du 12 novembre 2026", "Version of 12 November 2026"), "https://trust.ardoise.example/ · sha256:3fa93fa93fa9"
		}
		if s.layout == "console" {
			pg.Notice = &Notice{Tone: Success, Text: say("La vérification est terminée.", "The check has finished.")}
			pg.Crumbs = []Link{{Label: "Garant", Href: "/"}, {Label: s.title}}
		}
		var b bytes.Buffer
		if err := Render(&b, tmpl, pg); err != nil {
			t.Fatal(err)
		}
		out[s.name] = b.Bytes()
	}
	return out
}

// TestInBrowser reads each layout in a real browser, in both languages and themes, wide and at
// 360 px: axe finds nothing, nothing reaches beyond the screen, nothing breaks the policy. With
// GARANT_PREVIEW_DIR it leaves the pictures and a printed page there.
func TestInBrowser(t *testing.T) {
	pages := map[string][]byte{}
	for _, lang := range languages() {
		for name, page := range samples(t, lang) {
			pages["/"+lang+"/"+name] = page
		}
		for _, layout := range layouts() {
			pages["/"+lang+"/parts-"+layout] = []byte(render(t, layout, samplePage(messages(t).For(lang, time.UTC), time.Date(2026, 11, 12, 20, 4, 0, 0, time.UTC))))
		}
	}
	tab := browsertest.Open(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		if page, ok := pages[r.URL.Path]; ok {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write(page)
			return
		}
		Static().ServeHTTP(w, r)
	}))
	previews := os.Getenv(browsertest.PreviewVariable)
	for path := range pages {
		tab.Visit(path, browsertest.Look{Theme: "light", Width: 1280})
		for _, theme := range []string{"light", "dark"} {
			for _, width := range []int64{1280, 360} {
				name := fmt.Sprintf("%s %s %d", path, theme, width)
				tab.Dress(browsertest.Look{Theme: theme, Width: width})
				tab.Holds(name)
				if previews != "" {
					save(tab, filepath.Join(previews, strings.ReplaceAll(strings.Trim(strings.ReplaceAll(name, "/", "-"), "-"), " ", "-")), theme == "light" && width == 1280)
				}
			}
		}
	}
}

// save leaves a picture of a page, and the page as it is printed.
func save(tab *browsertest.Tab, file string, printed bool) {
	tab.Helper()
	tab.Picture(file + ".png")
	if !printed {
		return
	}
	pdf, err := chromedp.Run(tab.Ctx, chromedp.PrintToPDF(chromedp.PDFPreferCSSPageSize()))
	if err == nil {
		err = os.WriteFile(file+".pdf", pdf, 0o600)
	}
	if err != nil {
		tab.Fatal(err)
	}
}
