package annex_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/annex"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/pg"
)

// renew lets two seconds go by, for which rendered pages are kept.
func (h *house) renew() {
	h.t.Helper()
	h.shift(3 * time.Second)
	if err := h.reader.Renew(context.Background()); err != nil {
		h.t.Fatal(err)
	}
}

// links are the addresses within a page.
func links(body string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`href="([^"#]*)`).FindAllStringSubmatch(body, -1) {
		out = append(out, strings.ReplaceAll(m[1], "&amp;", "&"))
	}
	return out
}

// Every order holds the same eighty measures, each in full once, and keeps day and language.
func TestOrders(t *testing.T) {
	h := newHouse(t)
	cat, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range []string{"fr", "en"} {
		for _, order := range []string{"", "clauses", "iso"} {
			status, body := h.get("/?lang=" + lang + "&order=" + order)
			if status != 200 {
				t.Fatalf("%s %q: %d", lang, order, status)
			}
			for _, m := range cat.Measures {
				if n := strings.Count(body, ` id="`+m.ID+`"`); n != 1 {
					t.Errorf("%s %q: %s stands there %d times", lang, order, m.ID, n)
				}
			}
			for _, to := range []string{"/", "/?order=clauses", "/?order=iso"} {
				if !slices.Contains(links(body), to) {
					t.Errorf("%s %q has no link to %s", lang, order, to)
				}
			}
			if !strings.Contains(body, `<link rel="canonical" href="http://trust.localhost/?lang=`+lang+`">`) {
				t.Errorf("%s %q names no canonical address", lang, order)
			}
		}
	}
	_, body := h.get("/?lang=en&order=clauses")
	headings := 0
	for i, key := range cat.Clauses {
		at := strings.Index(body, fmt.Sprintf(`id="s-%d"`, i+1))
		if at < 0 || !strings.Contains(body[at:at+400], cat.ClauseTitle("en", key)) {
			t.Errorf("the heading %s is missing", key)
			continue
		}
		headings++
		section, _, _ := strings.Cut(body[at:], "</section>")
		served := slices.ContainsFunc(cat.Measures, func(m catalogue.Measure) bool { return slices.Contains(m.Refs.Clauses, key) })
		if said := strings.Contains(section, "Not stated in our annex."); said == served {
			t.Errorf("%s: served %v, and the page says otherwise", key, served)
		}
	}
	if headings != 17 {
		t.Errorf("%d headings", headings)
	}
	_, body = h.get("/?lang=en&order=iso")
	for _, m := range cat.Measures {
		for _, number := range m.Refs.ISO {
			if !regexp.MustCompile(`<dt>` + regexp.QuoteMeta(strings.TrimPrefix(number, "clause ")) + `</dt><dd>[^\n]*#` + m.ID + `"`).MatchString(body) {
				t.Errorf("%s is not in the index below %s", m.ID, number)
			}
		}
	}
	if status, _ := h.get("/?order=alphabet"); status != http.StatusUnprocessableEntity {
		t.Errorf("an unknown order: %d", status)
	}
}

// edit makes another document: what the estate declares of the company and the systems.
func (h *house) edit(change func(*annex.Publisher)) {
	h.t.Helper()
	h.mu.Lock()
	e := *h.view.Estate
	h.view.Estate, h.view.Version = &e, h.view.Version+1
	h.mu.Unlock()
	change(h.publisher)
	h.publish()
	h.renew()
}

func (h *house) revisions() []annex.Revision {
	h.t.Helper()
	s, err := h.reader.Now()
	if err != nil {
		h.t.Fatal(err)
	}
	return s.Revisions
}

// A change of the text, the systems, the company or the sub-processors leaves a trace, once.
func TestRevisionsAreRecorded(t *testing.T) {
	h := newHouse(t)
	if got := h.revisions(); len(got) != 1 || got[0].Kind != annex.Published {
		t.Fatalf("first published: %+v", got)
	}
	h.edit(func(p *annex.Publisher) { h.view.Estate.Company.Contact = "privacy@exemple.example" })
	h.edit(func(p *annex.Publisher) {
		p.Subprocessors = func(context.Context) ([]annex.Subprocessor, error) {
			return []annex.Subprocessor{{ID: "1", Name: "Nuage Exemple SA", Country: "BE", Service: map[string]string{"fr": "Hébergement", "en": "Hosting"}, Places: []string{"BE", "IE"}}}, nil
		}
	})
	h.mu.Lock()
	h.view.Reduced = []string{"ENC-2"}
	h.mu.Unlock()
	h.publish()
	h.mu.Lock()
	h.view.Reduced = nil
	h.mu.Unlock()
	h.publish()
	h.publish()
	h.renew()
	var kinds []string
	for _, r := range h.revisions() {
		kinds = append(kinds, strings.TrimSuffix(string(r.Kind)+" "+r.Measure, " "))
	}
	want := []string{"confirmed ENC-2", "reduced ENC-2", "subprocessors", "estate", "estate", "company", "published"}
	if !slices.Equal(sortedCopy(kinds), sortedCopy(want)) || kinds[0] != "confirmed ENC-2" || kinds[len(kinds)-1] != "published" {
		t.Errorf("revisions %v, want %v", kinds, want)
	}
	for lang, words := range map[string][]string{
		"fr": {"Réduction close", "Périmètre réduit", "Ajouté\u202f: Nuage Exemple SA, Hébergement, Belgique", "Contact\u202f: privacy@exemple.example (auparavant\u202f: dpo@exemple.example)", "Annexe publiée"},
		"en": {"Reduction closed", "Scope reduced", "Added: Nuage Exemple SA, Hosting, Belgium", "Contact: privacy@exemple.example (previously: dpo@exemple.example)", "Annex published"},
	} {
		for _, path := range []string{"/changes", "/changes.atom"} {
			_, body := h.get(path + "?lang=" + lang)
			for _, w := range words {
				if !strings.Contains(body, w) {
					t.Errorf("%s in %s lacks %q", path, lang, w)
				}
			}
		}
	}
	if _, body := h.get("/subprocessors?lang=fr"); !strings.Contains(body, "Belgique et Irlande") {
		t.Error("the list of sub-processors does not show the places")
	}
}

func sortedCopy(s []string) []string { s = slices.Clone(s); slices.Sort(s); return s }

// A sentence whose words or figures change is shown with what went and what came.
func TestWordingIsCompared(t *testing.T) {
	h := newHouse(t)
	setWording(t, h, "Le stockage est chiffré.", "Le stockage est chiffré en AES-256.")
	_, body := h.get("/changes?lang=fr")
	for _, w := range []string{"Phrase modifiée", "<del>", "<ins>", "en AES-256."} {
		if !strings.Contains(body, w) {
			t.Errorf("the changes lack %q", w)
		}
	}
	if _, body = h.get("/m/ENC-3?lang=fr"); !strings.Contains(body, "Phrase modifiée") {
		t.Error("the proof page does not tell of the change")
	}
}

// setWording publishes two documents that differ in the sentence of ENC-3.
func setWording(t *testing.T, h *house, before, after string) {
	t.Helper()
	s, err := h.reader.Now()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{before, after} {
		d := s.Document
		d.Measures = slices.Clone(d.Measures)
		for i, m := range d.Measures {
			if m.ID == "ENC-3" {
				d.Measures[i].Sentence = map[string]string{"fr": text, "en": m.Sentence["en"]}
			}
		}
		if err := annex.PutDocument(context.Background(), h.db.Pool(pg.Worker), d); err != nil {
			t.Fatal(err)
		}
	}
	h.renew()
}

// A figure that promises less than before is shown as weakened to whoever reads the changes, the proof, the
// feed or the data; one that promises more as strengthened; words alone as a change of the sentence.
func TestWeakerIsCalledWeaker(t *testing.T) {
	h := newHouse(t)
	s, err := h.reader.Now()
	if err != nil {
		t.Fatal(err)
	}
	document := func(change func(d *annex.Document, m *annex.Measure)) {
		d := s.Document
		d.Measures, d.Parameters = slices.Clone(d.Measures), maps.Clone(d.Parameters)
		i := slices.IndexFunc(d.Measures, func(m annex.Measure) bool { return m.ID == "BAK-1" })
		d.Measures[i].Sentence = map[string]string{"fr": "Les copies sont gardées {backup.database.retention}.", "en": "Copies are kept for {backup.database.retention}."}
		change(&d, &d.Measures[i])
		if err := annex.PutDocument(context.Background(), h.db.Pool(pg.Worker), d); err != nil {
			t.Fatal(err)
		}
	}
	kept := func(days int) func(*annex.Document, *annex.Measure) {
		return func(d *annex.Document, _ *annex.Measure) {
			d.Parameters["backup.database.retention"] = measure.Span(time.Duration(days) * 24 * time.Hour)
		}
	}
	for _, c := range []struct {
		name   string
		before func(*annex.Document, *annex.Measure)
		after  func(*annex.Document, *annex.Measure)
		effect string
	}{
		{"fewer days", kept(365), kept(30), "weakened"},
		{"more days", kept(30), kept(90), "strengthened"},
		{"no figure any more", kept(90), func(_ *annex.Document, m *annex.Measure) {
			m.Sentence = map[string]string{"fr": "Les copies sont gardées.", "en": "Copies are kept."}
		}, "weakened"},
		{"other words", kept(90), func(d *annex.Document, m *annex.Measure) {
			kept(90)(d, m)
			m.Sentence = map[string]string{"fr": "Nous gardons les copies {backup.database.retention}.", "en": "We keep copies for {backup.database.retention}."}
		}, ""},
		{"excluded", kept(90), func(d *annex.Document, m *annex.Measure) {
			kept(90)(d, m)
			m.Exclusion = &annex.Exclusion{Reason: map[string]string{"fr": "Sans objet.", "en": "Not applicable."}}
		}, "weakened"},
	} {
		document(c.before)
		document(c.after)
		h.renew()
		last := h.revisions()[0]
		if last.Measure != "BAK-1" || string(last.Effect) != c.effect {
			t.Errorf("%s: %s of %s is called %q", c.name, last.Kind, last.Measure, last.Effect)
		}
		for lang, words := range map[string]map[string][2]string{
			"fr": {"weakened": {"Engagement affaibli", "promet moins"}, "strengthened": {"Engagement renforcé", "promet plus"}, "": {"Phrase modifiée", ""}},
			"en": {"weakened": {"Promise weakened", "promises less"}, "strengthened": {"Promise strengthened", "promises more"}, "": {"Sentence changed", ""}},
		} {
			for _, path := range []string{"/changes", "/m/BAK-1", "/changes.atom"} {
				_, body := h.get(path + "?lang=" + lang)
				for _, w := range words[c.effect] {
					if !strings.Contains(body, w) {
						t.Errorf("%s: %s in %s lacks %q", c.name, path, lang, w)
					}
				}
			}
		}
		_, body := h.get("/changes.json")
		var changes struct {
			Revisions []struct{ Measure, Effect string }
		}
		if err := json.Unmarshal([]byte(body), &changes); err != nil || len(changes.Revisions) == 0 || changes.Revisions[0].Effect != c.effect {
			t.Errorf("%s: the data tell %+v, %v", c.name, changes.Revisions, err)
		}
	}
}

// The page of a past moment has that moment's text, sub-processors and changes, and its links
// stay there.
func TestReplayHasTheTextOfThatMoment(t *testing.T) {
	h := newHouse(t)
	h.edit(func(p *annex.Publisher) {
		p.Subprocessors = func(context.Context) ([]annex.Subprocessor, error) {
			return []annex.Subprocessor{{ID: "1", Name: "Ancien Exemple SA"}}, nil
		}
	})
	setWording(t, h, "Première version de la phrase.", "Première version de la phrase.")
	time.Sleep(20 * time.Millisecond)
	then := time.Now().UTC()
	time.Sleep(20 * time.Millisecond)
	h.edit(func(p *annex.Publisher) {
		h.view.Estate.Company.LegalName = "Exemple Nouveau SA"
		p.Subprocessors = func(context.Context) ([]annex.Subprocessor, error) { return []annex.Subprocessor{}, nil }
	})
	at := "at=" + url.QueryEscape(then.Format(time.RFC3339Nano))
	for _, order := range []string{"", "&order=clauses", "&order=iso"} {
		status, body := h.get("/?lang=fr&" + at + order)
		if status != 200 || !strings.Contains(body, "Première version de la phrase.") || strings.Contains(body, "Exemple Nouveau") || !strings.Contains(body, "systèmes déclarés version") {
			t.Errorf("%q: %d, not the page of that moment", order, status)
		}
		for _, l := range links(body) {
			if strings.HasPrefix(l, "/m/") || strings.HasPrefix(l, "/changes?") || strings.HasPrefix(l, "/?order") || strings.HasPrefix(l, "/subprocessors") {
				if !strings.Contains(l, "at=") && !strings.Contains(l, "order=") && l != "/changes.atom?lang=fr" {
					t.Errorf("%q: %s leaves the moment", order, l)
				}
			}
		}
		if !strings.Contains(body, `<meta name="robots" content="noindex">`) || strings.Contains(body, "dcterms.valid") {
			t.Errorf("%q: a page of the past is told from one of today to no program", order)
		}
	}
	for path, want := range map[string]string{
		"/subprocessors": "Ancien Exemple SA", "/subprocessors.json": "Ancien Exemple SA", "/m/ENC-3": "Première version de la phrase.",
		"/document.json": "Première version", "/annex.json": "Ancien Exemple SA", "/verify": "document.json?at=",
	} {
		if status, body := h.get(path + "?lang=fr&" + at); status != 200 || !strings.Contains(body, want) || strings.Contains(body, "Exemple Nouveau") {
			t.Errorf("%s: %d, not of that moment", path, status)
		}
	}
	if _, body := h.get("/subprocessors?lang=en"); !strings.Contains(body, "No sub-processors") || !strings.Contains(body, "Removed: Ancien Exemple SA") {
		t.Error("today’s list still names who left, or does not tell that it did")
	}
}

// What is published as the digest of the document is the digest of what is served.
func TestDigestOfTheDocument(t *testing.T) {
	h := newHouse(t)
	_, body := h.get("/document.json")
	sum := sha256.Sum256([]byte(body))
	s, err := h.reader.Now()
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(sum[:]); got != s.Hash {
		t.Errorf("the document has the digest %s and is announced with %s", got, s.Hash)
	}
	if _, page := h.get("/verify?lang=en"); !strings.Contains(page, s.Hash) || !strings.Contains(page, "curl -s &#39;http://trust.localhost/document.json&#39; | sha256sum") {
		t.Error("the page does not say how to compute it again")
	}
}

// A page of the present says until when it speaks of it, to people and to programs.
func TestPageExpires(t *testing.T) {
	h := newHouse(t)
	_, body := h.get("/?lang=en")
	m := regexp.MustCompile(`<meta name="dcterms.valid" content="end=([^;]+); scheme=W3C-DTF">`).FindStringSubmatch(body)
	if m == nil || !strings.Contains(body, "valid until") {
		t.Fatal("the page does not say until when it is valid")
	}
	until, err := time.Parse(time.RFC3339, m[1])
	if left := until.Sub(h.now()); err != nil || left <= 0 || left > time.Minute {
		t.Errorf("valid for %s (%v)", left, err)
	}
	var v struct {
		Until time.Time `json:"valid_until"`
	}
	_, js := h.get("/annex.json")
	if err := json.Unmarshal([]byte(js), &v); err != nil || v.Until.Sub(h.now()) > time.Minute || v.Until.Before(h.now()) {
		t.Errorf("JSON is valid until %s (%v)", v.Until, err)
	}
}

// What readers ask besides is answered, or plainly not.
func TestAlsoAsked(t *testing.T) {
	h := newHouse(t)
	for lang, words := range map[string][2]string{"fr": {"Aussi demandé", "Non précisé dans notre annexe."}, "en": {"Also asked", "Not stated in our annex."}} {
		_, body := h.get("/?lang=" + lang)
		at := strings.Index(body, words[0])
		if at < 0 {
			t.Fatalf("%s: nothing was asked besides", lang)
		}
		block, _, _ := strings.Cut(body[at:], "</section>")
		if n := strings.Count(block, words[1]); n != 4 { // places, intrusion tests, training, AI
			t.Errorf("%s: %d questions are left open", lang, n)
		}
		if !strings.Contains(block, "mailto:dpo@exemple.example") || !strings.Contains(block, `href="#END-1"`) {
			t.Errorf("%s: the contact or a measure is missing", lang)
		}
	}
	// The company's own answer takes the place of silence.
	s, err := h.reader.Now()
	if err != nil {
		t.Fatal(err)
	}
	d := s.Document
	d.Topics = slices.Clone(d.Topics)
	for i := range d.Topics {
		if d.Topics[i].Key == "location" {
			d.Topics[i].Answer = map[string]string{"fr": "En Belgique & en Irlande.", "en": "In Belgium & Ireland."}
		}
	}
	if err := annex.PutDocument(context.Background(), h.db.Pool(pg.Worker), d); err != nil {
		t.Fatal(err)
	}
	h.renew()
	if _, body := h.get("/?lang=fr"); !strings.Contains(body, "En Belgique &amp; en Irlande.") {
		t.Error("the company’s answer is not shown")
	}
}

// feed is what RFC 4287 asks of a feed, as a reader of feeds sees it.
type feed struct {
	XMLName  xml.Name  `xml:"http://www.w3.org/2005/Atom feed"`
	Lang     string    `xml:"http://www.w3.org/XML/1998/namespace lang,attr"`
	IDs      []string  `xml:"id"`
	Titles   []string  `xml:"title"`
	Updated  []string  `xml:"updated"`
	Authors  []author  `xml:"author"`
	Links    []link    `xml:"link"`
	Entries  []entry   `xml:"entry"`
	Strange  []strange `xml:",any"`
	Subtitle string    `xml:"subtitle"`
	Made     string    `xml:"generator"`
}
type strange struct{ XMLName xml.Name }
type author struct {
	Names []string `xml:"name"`
}
type link struct {
	Rel  string `xml:"rel,attr"`
	Href string `xml:"href,attr"`
	Type string `xml:"type,attr"`
	Lang string `xml:"hreflang,attr"`
}
type entry struct {
	IDs       []string `xml:"id"`
	Titles    []string `xml:"title"`
	Updated   []string `xml:"updated"`
	Published []string `xml:"published"`
	Links     []link   `xml:"link"`
	Contents  []struct {
		Type string `xml:"type,attr"`
		Text string `xml:",chardata"`
	} `xml:"content"`
}

var tagURI = regexp.MustCompile(`^tag:[a-z0-9.-]+,\d{4}-\d\d-\d\d:(fr|en)/[a-z/0-9_]+$`) // RFC 4151

func readFeed(t *testing.T, body string) feed {
	t.Helper()
	var f feed
	if err := xml.Unmarshal([]byte(body), &f); err != nil {
		t.Fatal(err)
	}
	one := func(what string, list []string) string {
		if len(list) != 1 || strings.TrimSpace(list[0]) == "" {
			t.Errorf("%s: %q, want exactly one", what, list)
			return ""
		}
		return list[0]
	}
	date := func(what string, list []string) time.Time {
		at, err := time.Parse(time.RFC3339, one(what, list))
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		return at
	}
	// RFC 4287, 4.1.1: one id, title and updated; an author, or one in each entry; one alternate per type and language.
	if id := one("the id of the feed", f.IDs); !tagURI.MatchString(id) {
		t.Errorf("the id %q is no tag URI", id)
	}
	one("the title of the feed", f.Titles)
	updated := date("updated of the feed", f.Updated)
	if len(f.Authors) != 1 || len(f.Authors[0].Names) != 1 || f.Authors[0].Names[0] == "" {
		t.Errorf("authors %+v", f.Authors)
	}
	rels := map[string]int{}
	for _, l := range f.Links {
		rels[l.Rel+l.Type+l.Lang]++
		if u, err := url.Parse(l.Href); err != nil || !u.IsAbs() {
			t.Errorf("the link %q is not absolute", l.Href)
		}
	}
	for key, n := range rels {
		if n > 1 {
			t.Errorf("%d links %s", n, key)
		}
	}
	if !slices.ContainsFunc(f.Links, func(l link) bool { return l.Rel == "self" }) {
		t.Error("the feed does not link to itself")
	}
	if len(f.Strange) > 0 {
		t.Errorf("elements that RFC 4287 does not know: %v", f.Strange)
	}
	seen, last := map[string]bool{}, updated
	for _, e := range f.Entries {
		id := one("the id of an entry", e.IDs)
		if !tagURI.MatchString(id) || seen[id] {
			t.Errorf("the id %q is no tag URI, or comes twice", id)
		}
		seen[id] = true
		one("the title of "+id, e.Titles)
		at := date("updated of "+id, e.Updated)
		if at.After(last) {
			t.Errorf("%s is newer than what stands above it", id)
		}
		last = at
		if !date("published of "+id, e.Published).Equal(at) {
			t.Errorf("%s was changed after it was published", id)
		}
		if len(e.Contents) != 1 || e.Contents[0].Type != "text" || strings.TrimSpace(e.Contents[0].Text) == "" {
			t.Errorf("%s says %+v", id, e.Contents)
		}
		if len(e.Links) != 1 || e.Links[0].Rel != "alternate" || !strings.Contains(e.Links[0].Href, "at=") {
			t.Errorf("%s links to %+v", id, e.Links)
		}
	}
	return f
}

func TestFeed(t *testing.T) {
	h := newHouse(t)
	h.see(h.fail())
	h.see(h.pass())
	h.edit(func(*annex.Publisher) { h.view.Estate.Company.Contact = "<b>&\x01@exemple.example" })
	ids := map[string]bool{}
	for _, lang := range []string{"fr", "en"} {
		_, body := h.get("/changes.atom?lang=" + lang)
		f := readFeed(t, body)
		if f.Lang != lang || len(f.Entries) != 7 { // met, not met, met again, unproven for other systems; published, company, systems
			t.Errorf("%s: %d entries in %q", lang, len(f.Entries), f.Lang)
		}
		if strings.Contains(body, secretTarget) || strings.Contains(body, "secret-") {
			t.Error("the feed shows what is not public")
		}
		for _, e := range f.Entries {
			if ids[e.IDs[0]] {
				t.Errorf("%s is the id of two texts", e.IDs[0])
			}
			ids[e.IDs[0]] = true
		}
		if !strings.Contains(body, "ENC-2") || !strings.Contains(body, "&lt;b&gt;") {
			t.Errorf("%s: an entry is missing", lang)
		}
		for _, l := range []string{f.Entries[0].Links[0].Href, f.Entries[2].Links[0].Href} { // as of a second after the change
			h.shift(2 * time.Second)
			if status, _ := h.get(strings.TrimPrefix(l, "http://trust.localhost")); status != 200 {
				t.Errorf("%s: %d", l, status)
			}
			h.shift(-2 * time.Second)
		}
		// Later, with nothing new, the feed is the same to the letter.
		h.renew()
		if _, again := h.get("/changes.atom?lang=" + lang); again != body {
			t.Errorf("%s: the feed changed though nothing did", lang)
		}
	}
}

func TestFeedIsCached(t *testing.T) {
	h := newHouse(t)
	ask := func(name, value string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/changes.atom?lang=fr", nil)
		r.Host = "trust.localhost"
		if name != "" {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		h.site.ServeHTTP(w, r)
		return w
	}
	h.renew() // the second of the last change is over
	first := ask("", "")
	if got := first.Header().Get("Content-Type"); got != "application/atom+xml; charset=utf-8" {
		t.Errorf("type %q", got)
	}
	modified := first.Header().Get("Last-Modified")
	if _, err := http.ParseTime(modified); err != nil || first.Header().Get("ETag") == "" || !strings.Contains(first.Header().Get("Cache-Control"), "max-age=60") {
		t.Errorf("headers %v", first.Header())
	}
	if w := ask("If-None-Match", first.Header().Get("ETag")); w.Code != http.StatusNotModified {
		t.Errorf("by ETag: %d", w.Code)
	}
	if w := ask("If-Modified-Since", modified); w.Code != http.StatusNotModified {
		t.Errorf("by date: %d", w.Code)
	}
	h.see(h.fail())
	h.renew()
	if w := ask("If-None-Match", first.Header().Get("ETag")); w.Code != http.StatusOK {
		t.Errorf("after a change: %d", w.Code)
	}
}
