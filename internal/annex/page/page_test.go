package page

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/web/ui"
)

// written is every page of the site with sample data, by name, in one language.
func written(t testing.TB, lang string) map[string][]byte {
	t.Helper()
	pages, words := samplePages(t)
	out := map[string][]byte{}
	add := func(name string, write func(io.Writer) error) {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(name, err)
		}
		out[name] = b.Bytes()
	}
	page := func(path string) *ui.Page { return samplePage(t, words, lang, path) }
	annex := sampleAnnex(t, words, lang)
	add("annex", func(w io.Writer) error { return pages.Annex(w, page("/"), annex) })
	past := annex
	past.At, past.Last = sampleNow.AddDate(0, -3, 0), time.Time{}
	add("replay", func(w io.Writer) error { return pages.Annex(w, page("/?at=2026-08-24"), past) })
	none := annex
	none.Sections, none.Last, none.Company.Contact, none.JSON = nil, time.Time{}, "", ""
	add("nothing", func(w io.Writer) error { return pages.Annex(w, page("/"), none) })
	for _, o := range []Order{ClausesOrder, ISOOrder} {
		other := sampleOrder(t, words, lang, o)
		add("order-"+string(o), func(w io.Writer) error { return pages.Annex(w, page("/?order="+string(o)), other) })
	}
	sub := sampleSubprocessors(t, words, lang)
	add("subprocessors", func(w io.Writer) error { return pages.Subprocessors(w, page("/subprocessors"), sub) })
	add("subprocessors-none", func(w io.Writer) error {
		return pages.Subprocessors(w, page("/subprocessors"), Subprocessors{Company: company, Declared: true})
	})
	add("subprocessors-undeclared", func(w io.Writer) error {
		return pages.Subprocessors(w, page("/subprocessors?at=2026-08-24"), Subprocessors{Company: company, At: past.At})
	})
	add("verify", func(w io.Writer) error { return pages.Verify(w, page("/verify"), sampleVerify(t, words, lang)) })
	add("verify-none", func(w io.Writer) error {
		return pages.Verify(w, page("/verify"), Verify{Company: company, At: past.At})
	})
	for _, id := range []string{"ENC-1", "ENC-2", "PHY-2", "CRT-2", "LOG-6", "PHY-6", "RSK-1", "BAK-4", "ANO-1"} {
		proof := sampleProof(t, words, lang, id)
		add("proof-"+id, func(w io.Writer) error { return pages.Proof(w, page("/m/"+id), proof) })
	}
	old := sampleProof(t, words, lang, "ENC-1")
	old.At = past.At
	add("proof-replay", func(w io.Writer) error { return pages.Proof(w, page("/m/ENC-1?at=2026-08-24"), old) })
	changes := sampleChanges(t, words, lang)
	add("changes", func(w io.Writer) error { return pages.Changes(w, page("/changes"), changes) })
	oldChanges := changes
	oldChanges.At = past.At
	add("changes-replay", func(w io.Writer) error { return pages.Changes(w, page("/changes?at=2026-08-24"), oldChanges) })
	add("changes-none", func(w io.Writer) error { return pages.Changes(w, page("/changes"), Changes{Company: company}) })
	add("unavailable", func(w io.Writer) error {
		return pages.Unavailable(w, page("/m/ENC-1"), Unavailable{Company: company, Since: sampleNow.Add(-4 * time.Minute)})
	})
	add("unknown-company", func(w io.Writer) error { return pages.Unavailable(w, page("/"), Unavailable{}) })
	future := errs.New(errs.Invalid, "annex.future", "That day has not come yet.").WithFix("Choose a day up to today.")
	add("error", func(w io.Writer) error {
		return pages.Error(w, page("/?at=2031-01-01"), Failure{Company: company, Status: 422, Err: future, Request: "0193"})
	})
	return out
}

func parse(t *testing.T, b []byte) *html.Node {
	t.Helper()
	doc, err := html.Parse(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func attr(n *html.Node, name string) (string, bool) {
	i := slices.IndexFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
	if i < 0 {
		return "", false
	}
	return n.Attr[i].Val, true
}

func elements(doc *html.Node) []*html.Node {
	var out []*html.Node
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode {
			out = append(out, n)
		}
	}
	return out
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.FieldsFunc(b.String(), func(r rune) bool { return r == ' ' || r == '\n' || r == '\t' }), " ")
}

func hasClass(n *html.Node, class string) bool {
	v, _ := attr(n, "class")
	return slices.Contains(strings.Fields(v), class)
}

// within returns the element with an id.
func within(t *testing.T, b []byte, id string) *html.Node {
	t.Helper()
	for _, n := range elements(parse(t, b)) {
		if v, ok := attr(n, "id"); ok && v == id {
			return n
		}
	}
	t.Fatalf("no element has the id %q", id)
	return nil
}

// Every page is whole: it holds no id without words, nothing inline that the policy of the site
// forbids, no id twice, no reference into the void, and headings that go down one step at a time.
func TestPagesAreWhole(t *testing.T) {
	for _, lang := range []string{"fr", "en"} {
		for name, b := range written(t, lang) {
			t.Run(lang+"/"+name, func(t *testing.T) {
				if i := bytes.IndexAny(b, "⟦⟧"); i >= 0 {
					t.Errorf("a message is missing near %q", b[max(0, i-80):min(len(b), i+40)])
				}
				for _, mark := range []string{"<no value>", "%!", "ZgotmplZ", "0001"} {
					if bytes.Contains(b, []byte(mark)) {
						t.Errorf("holds %q", mark)
					}
				}
				ids, level, main, titles := map[string]bool{}, 0, 0, 0
				var references []string
				for _, n := range elements(parse(t, b)) {
					if id, ok := attr(n, "id"); ok {
						if ids[id] || id == "" {
							t.Errorf("the id %q comes twice or is empty", id)
						}
						ids[id] = true
					}
					for _, name := range []string{"aria-labelledby", "aria-describedby", "for"} {
						if v, ok := attr(n, name); ok {
							references = append(references, strings.Fields(v)...)
						}
					}
					for _, a := range n.Attr {
						if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
							t.Errorf("<%s> has an inline %s", n.Data, a.Key)
						}
					}
					switch n.Data {
					case "style":
						t.Error("a style is inline")
					case "script":
						if _, ok := attr(n, "src"); !ok || n.FirstChild != nil {
							t.Error("a script is inline")
						}
					case "main":
						main++
					case "title":
						titles++
					case "h1", "h2", "h3", "h4":
						now := int(n.Data[1] - '0')
						if now > level+1 {
							t.Errorf("<%s> %q follows a heading of level %d", n.Data, textOf(n), level)
						}
						if textOf(n) == "" {
							t.Errorf("an empty <%s>", n.Data)
						}
						level = now
					}
				}
				for _, id := range references {
					if !ids[id] {
						t.Errorf("%q is referred to and is not there", id)
					}
				}
				if main != 1 || titles < 1 || level == 0 {
					t.Errorf("%d main, %d titles, last heading of level %d", main, titles, level)
				}
				if !bytes.Contains(b, []byte(`<html lang="`+lang+`">`)) {
					t.Error("the language is not said")
				}
			})
		}
	}
}

var (
	badFrench  = regexp.MustCompile(`[^\s\x{202f}][;:!?»](\s|$)|[ \x{00a0}][;:!?»]|«[^\x{202f}]|\pL'\pL|"`)
	badEnglish = regexp.MustCompile(`[«»\x{202f}]|\pL'\pL|"|\s[;:!?,.](\s|$)`)
)

// The text of every page is set as its language asks.
func TestTypography(t *testing.T) {
	for lang, bad := range map[string]*regexp.Regexp{"fr": badFrench, "en": badEnglish} {
		for name, b := range written(t, lang) {
			for n := range parse(t, b).Descendants() {
				switch {
				case n.Type != html.TextNode, n.Parent.Data == "code", n.Parent.Data == "script":
					continue
				}
				if at := bad.FindString(n.Data); at != "" {
					t.Errorf("%s/%s: %q in %q", lang, name, at, strings.TrimSpace(n.Data))
				}
			}
		}
	}
}

// Only what is met is asserted. Anything else is quoted, or listed as not proven, and carries no
// fact, no method and no look that would make it sound proven.
func TestOnlyMetIsAsserted(t *testing.T) {
	for _, lang := range []string{"fr", "en"} {
		_, words := samplePages(t)
		annex := sampleAnnex(t, words, lang)
		b := written(t, lang)["annex"]
		announced := words.For(lang, nil).T("annex.announced")
		for _, s := range annex.Sections {
			for _, m := range s.Measures {
				n := within(t, b, m.ID)
				facts, quoted, folded := 0, false, n.Data == "li"
				for _, e := range elements(n) {
					if hasClass(e, "fact") {
						facts++
					}
					quoted = quoted || e.Data == "q"
				}
				switch {
				case m.State == ui.Met:
					if quoted || folded || strings.Contains(textOf(n), announced) {
						t.Errorf("%s %s is met and not plainly asserted", lang, m.ID)
					}
				case m.State == ui.NotMet, m.State == ui.Stale, m.ID == "LOG-6":
					if !quoted || folded || !strings.Contains(textOf(n), announced) {
						t.Errorf("%s %s is withdrawn and reads %q", lang, m.ID, textOf(n))
					}
				case !folded:
					t.Errorf("%s %s is %s and stands among the proven", lang, m.ID, m.State)
				}
				if m.State != ui.Met && facts > 0 {
					t.Errorf("%s %s is %s and shows facts", lang, m.ID, m.State)
				}
			}
		}
		if !strings.Contains(textOf(within(t, b, "ENC-1")), "TLS\u00a01.2") {
			t.Error("the fact of ENC-1 is not shown")
		}
	}
}

// A withdrawn sentence says since when and what brings it back, and not what failed.
func TestWithdrawal(t *testing.T) {
	want := map[string][]string{
		"fr": {"Nous annoncions :", "« Par la règle HSTS", "Phrase retirée depuis le 21 novembre 2026 : une vérification ne la confirme plus. Elle reviendra quand une vérification la confirmera de nouveau."},
		"en": {"We announced:", "“Through HSTS", "Sentence withdrawn since 21 November 2026: a check no longer confirms it. It returns once a check confirms it again."},
	}
	plain := strings.NewReplacer("\u202f", " ", "\u00a0", " ")
	for lang, parts := range want {
		text := plain.Replace(textOf(within(t, written(t, lang)["annex"], "ENC-2")))
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("%s: %q lacks %q", lang, text, part)
			}
		}
	}
}

// A time of day after "since" cannot be read as a span: "depuis 1 h 39" would be.
func TestSinceToday(t *testing.T) {
	_, words := samplePages(t)
	at := time.Date(2026, 11, 27, 1, 39, 0, 0, time.UTC)
	for lang, want := range map[string]string{"fr": "depuis le 27 novembre 2026 à 1\u00a0h\u00a039", "en": "since 01:39"} {
		got := teller{Printer: words.For(lang, nil), now: at.Add(4 * time.Minute)}.sinceWhen(at)
		if strings.ReplaceAll(got, "27\u00a0", "27 ") != want {
			t.Errorf("%s: %q", lang, got)
		}
	}
}

// What the pages do not know is not proven: a state of tomorrow, or a sentence without words.
func TestUnknownIsNotProven(t *testing.T) {
	pages, words := samplePages(t)
	p := samplePage(t, words, "en", "/")
	for name, m := range map[string]Measure{
		"state":    {ID: "X-1", Title: "New", State: "splendid", Kind: ui.Checked, Sentence: []Span{{Text: "All is well."}}},
		"sentence": {ID: "X-1", Title: "New", State: ui.Met, Kind: ui.Checked},
		"nothing":  {ID: "X-1"},
	} {
		t.Run(name, func(t *testing.T) {
			var annex, proof bytes.Buffer
			if err := pages.Annex(&annex, p, Annex{Company: company, Sections: []Section{{ID: "1", Title: "One", Measures: []Measure{m}}}}); err != nil {
				t.Fatal(err)
			}
			if n := within(t, annex.Bytes(), "X-1"); n.Data != "li" {
				t.Errorf("shown among the proven: %q", textOf(n))
			}
			if err := pages.Proof(&proof, p, Proof{Company: company, Measure: m}); err != nil {
				t.Fatal(err)
			}
			for _, b := range [][]byte{annex.Bytes(), proof.Bytes()} {
				for _, n := range elements(within(t, b, "content")) {
					if hasClass(n, "annex-key") {
						break
					}
					if hasClass(n, "pill-met") {
						t.Error("a page says met")
					}
				}
			}
		})
	}
}

// Text that comes from outside is text.
func TestEscaping(t *testing.T) {
	pages, words := samplePages(t)
	evil := `"><script src=x onerror=alert(1)>`
	v := Annex{
		Company: Company{Name: evil, LegalName: evil, Contact: "javascript:alert(1)"}, Hash: evil, JSON: "javascript:alert(1)", Address: evil,
		Sections: []Section{{ID: evil, Title: evil, GDPR: []string{evil}, Measures: []Measure{{
			ID: evil, Title: evil, State: ui.Met, Kind: ui.Kind("checked"), Owner: evil, Refs: References{ISO: []string{evil}, CNIL: []string{evil}},
			Sentence: []Span{{Text: evil}, {Text: evil, Fact: true, Source: evil, Value: evil}}, Digests: []Digest{{Check: evil, SHA256: evil}},
		}}}},
	}
	var annex, proof bytes.Buffer
	if err := pages.Annex(&annex, samplePage(t, words, "fr", "/"), v); err != nil {
		t.Fatal(err)
	}
	p := Proof{Company: v.Company, Section: v.Sections[0], Measure: v.Sections[0].Measures[0], Commands: []Command{{evil, evil}}, JSON: "javascript:alert(1)"}
	if err := pages.Proof(&proof, samplePage(t, words, "fr", evil), p); err != nil {
		t.Fatal(err)
	}
	all := [][]byte{annex.Bytes(), proof.Bytes()}
	for _, lang := range []string{"fr", "en"} {
		all = append(all, hostile(t, pages, words, lang, evil)...)
	}
	for _, b := range all {
		for _, n := range elements(parse(t, b)) {
			if src, _ := attr(n, "src"); src == "x" {
				t.Error("markup of a stranger became markup of the page")
			}
			if href, _ := attr(n, "href"); strings.HasPrefix(href, "javascript:") {
				t.Error("a stranger's script became a link")
			}
			if _, ok := attr(n, "onerror"); ok {
				t.Error("a stranger's handler became an attribute")
			}
		}
	}
}

// hostile is every page with a stranger's words wherever there are words of others.
func hostile(t *testing.T, pages *Pages, words *ui.Messages, lang, evil string) [][]byte {
	t.Helper()
	m := Measure{
		ID: evil, Title: evil, State: ui.Met, Kind: ui.Kind(evil), Owner: evil, Sentence: []Span{{Text: evil}}, ByPeople: true, Outside: true, Reduced: true,
		Confirmed: &Confirmation{At: sampleNow, Until: sampleNow, Digest: evil}, Witness: &Witness{Name: evil, At: sampleNow, Key: evil}, Exclusion: evil,
	}
	out := m
	out.State, out.ID = ui.Excluded, evil+"2"
	ref := []Ref{{ID: evil, Title: evil, State: ui.State(evil)}}
	who := Company{Name: evil, LegalName: evil, Country: evil, Contact: evil, DPO: "javascript:alert(1)", Revised: sampleNow}
	sub := []Subprocessor{{Name: evil, Country: evil, Service: evil, Data: evil, Places: []string{evil, evil}, Safeguard: evil, Since: sampleNow}}
	revision := Revision{
		Key: evil, Kind: evil, ID: evil, Title: evil, At: sampleNow, Before: evil, After: evil + " " + evil, Fields: []Field{{evil, evil, evil}, {evil, "", evil}, {evil, evil, ""}},
		Joined: sub, Left: sub, Altered: sub,
	}
	changes := Changes{
		Company: who, List: []Change{{Key: evil, ID: evil, Title: evil, At: sampleNow, From: ui.State(evil), To: ui.State(evil), Reason: evil}}, Revisions: []Revision{revision},
		JSON: "javascript:alert(1)", Feed: "javascript:alert(1)", Address: evil,
		Recent: []Day{{Date: sampleNow, Count: map[ui.Kind]map[ui.State]int{ui.Kind(evil): {ui.State(evil): 3}}}},
	}
	var written [][]byte
	page := func(write func(io.Writer, *ui.Page) error) {
		var b bytes.Buffer
		if err := write(&b, samplePage(t, words, lang, "/")); err != nil {
			t.Fatal(err)
		}
		written = append(written, b.Bytes())
	}
	page(func(w io.Writer, p *ui.Page) error {
		return pages.Annex(w, p, Annex{
			Company: who, Order: Order(evil), At: sampleNow, Moment: evil, Catalogue: evil, Build: evil, Estate: 1, Version: 1, Address: evil,
			Sections: []Section{{ID: evil, Anchor: evil, Title: evil, Measures: []Measure{m, out}, Index: []Entry{{evil, ref}}, Others: ref, Silent: true}},
			Topics:   []Topic{{Question: evil, Answer: evil, Measures: ref, Mail: evil, Link: &ui.Link{Label: evil, Href: "javascript:alert(1)"}}},
		})
	})
	page(func(w io.Writer, p *ui.Page) error {
		return pages.Proof(w, p, Proof{Company: who, Measure: m, History: changes.List, Revisions: []Revision{revision}, Moment: evil, At: sampleNow, Commands: []Command{{evil, evil}}})
	})
	page(func(w io.Writer, p *ui.Page) error { return pages.Changes(w, p, changes) })
	page(func(w io.Writer, p *ui.Page) error {
		return pages.Subprocessors(w, p, Subprocessors{Company: who, Declared: true, List: sub, Changes: []Revision{revision}, JSON: "javascript:alert(1)", Address: evil})
	})
	page(func(w io.Writer, p *ui.Page) error {
		return pages.Verify(w, p, Verify{Company: who, Items: []Outside{{Measure: m, Commands: []Command{{evil, evil}}}}, Document: evil, Hash: evil, Address: evil})
	})
	// A feed is XML: what a stranger wrote is text in it, whatever it was.
	var b bytes.Buffer
	if err := pages.Feed(&b, words.For(lang, nil), Feed{Changes: changes, Origin: "https://trust.ardoise.example", Authority: "trust.ardoise.example", Begun: sampleNow, Self: FeedPath}); err != nil {
		t.Fatal(err)
	}
	for dec := xml.NewDecoder(&b); ; {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return written
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok && !slices.Contains(strings.Fields("feed id title subtitle updated author name link generator entry published content"), start.Name.Local) {
			t.Errorf("the feed holds a stranger's <%s>", start.Name.Local)
		}
	}
}

// A replayed page says so, leads back, keeps the day in its links, and speaks of no time after it.
func TestReplay(t *testing.T) {
	b := written(t, "fr")["replay"]
	text := textOf(within(t, b, "content"))
	if !strings.Contains(text, "Vous lisez l’annexe telle qu’elle était publiée le 24\u00a0août 2026") {
		t.Errorf("the banner is missing: %q", text[:300])
	}
	for _, later := range []string{"prochaine vérification", "dernière vérification"} {
		if strings.Contains(text, later) {
			t.Errorf("a page of the past tells of the %s", later)
		}
	}
	for _, n := range elements(within(t, b, "content")) {
		if href, _ := attr(n, "href"); strings.HasPrefix(href, ProofPath) && !strings.Contains(href, "?at=2026-08-24") {
			t.Errorf("%s leaves the day", href)
		}
		if id, _ := attr(n, "id"); id == "at" {
			if v, _ := attr(n, "value"); v != "2026-08-24" {
				t.Errorf("the form holds %q", v)
			}
			if v, _ := attr(n, "max"); v != "2026-11-24" {
				t.Errorf("the form allows up to %q", v)
			}
		}
	}
}

// Every reason and every label that the annex gives has words.
func TestEveryReasonHasWords(t *testing.T) {
	_, words := samplePages(t)
	for _, reason := range []string{"pass", "fail", "blind", "expired", "future", "no_check", "no_scope", "no_evidence", "new_scope",
		"attested", "unattested", "refused", "attestation_expired", "text_changed", "excluded"} {
		if !words.Has("annex.reason." + reason) {
			t.Errorf("annex.reason.%s has no words", reason)
		}
	}
	tell := teller{Printer: words.For("en", nil), now: sampleNow}
	for reason, want := range map[string]string{
		"reason.expired": "its proof has expired", "reason.unheard_of": "no proof supports it", "": "no proof supports it", "reason.": "no proof supports it",
		"reason.pass": "no proof supports it", "reason.since": "no proof supports it",
	} {
		if got := tell.withdrawal(Measure{State: ui.Stale, Reason: reason}); !strings.Contains(got, want) {
			t.Errorf("%q: %q lacks %q", reason, got, want)
		}
	}
	// What a person says is not told as a check's finding, and the other way round.
	for reason, want := range map[string]string{"reason.refused": "the person who answers for it has said", "reason.fail": "check", "": "check"} {
		m := Measure{State: ui.NotMet, Reason: reason}
		if got, why := tell.withdrawal(m), tell.why(m); !strings.Contains(got, want) || !strings.Contains(strings.ToLower(why), want) {
			t.Errorf("%q: %q, %q lack %q", reason, got, why, want)
		}
	}
}

// References read as the language cites them.
func TestReferences(t *testing.T) {
	_, words := samplePages(t)
	r := References{GDPR: []string{"32(1)(a)", "recital 26"}, ISO: []string{"clause 6.1.2", "clause 8.2", "8.24"}, CNIL: []string{"9", "10"}}
	want := map[string][]string{
		"fr": {"considérant 26", "ISO/IEC 27001:2022, mesure 8.24 de l’annexe A", "ISO/IEC 27001:2022, articles 6.1.2 et 8.2", "Guide de la CNIL (2024), fiches 9 et 10"},
		"en": {"recital 26", "ISO/IEC 27001:2022 Annex A, control 8.24", "ISO/IEC 27001:2022, clauses 6.1.2 and 8.2", "CNIL guide (2024), sheets 9 and 10"},
	}
	for lang, parts := range want {
		got := teller{Printer: words.For(lang, nil)}.references(r)
		for _, part := range parts {
			if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(strings.ReplaceAll(s, "\u00a0", " "), part) }) {
				t.Errorf("%s: %q lacks %q", lang, got, part)
			}
		}
	}
}

// Nothing is written when a page cannot be made, and New refuses to work without its words.
func TestFailures(t *testing.T) {
	pages, _ := samplePages(t)
	var b bytes.Buffer
	if err := pages.Annex(&b, &ui.Page{Printer: nil}, Annex{}); err == nil || b.Len() > 0 {
		t.Errorf("a page without a printer: %v, %d bytes", err, b.Len())
	}
	bare, err := ui.NewMessages()
	if err != nil {
		t.Fatal(err)
	}
	var known *errs.Error
	if _, err := New(bare); !errors.As(err, &known) {
		t.Errorf("New without words: %v", err)
	}
}

// The caller's page may be shared between requests.
func TestPageIsNotChanged(t *testing.T) {
	pages, words := samplePages(t)
	p := samplePage(t, words, "fr", "/")
	if err := pages.Annex(io.Discard, p, sampleAnnex(t, words, "fr")); err != nil {
		t.Fatal(err)
	}
	if p.Title != "" || p.Nav != nil || p.Body != nil || p.Printed != "" {
		t.Errorf("the page was changed: %+v", p)
	}
}

// Many measures that went one way in one minute are told at once, each of them named; others are
// told one by one.
func TestChangesAreGrouped(t *testing.T) {
	pages, words := samplePages(t)
	v := Changes{Company: company}
	for i := range 30 {
		c := Change{Key: "state/" + strconv.Itoa(i), ID: "X-" + strconv.Itoa(i+1), Title: "X", At: sampleNow.Add(-time.Duration(i) * time.Millisecond).Add(30 * time.Second), From: ui.Met, To: ui.Unproven, Reason: "reason.new_scope"}
		switch i {
		case 7:
			c.To = ui.NotMet
		case 8:
			c.Reason = "reason.blind"
		case 9:
			c.At = c.At.Add(-time.Hour)
		}
		v.List = append(v.List, c)
	}
	var b bytes.Buffer
	if err := pages.Changes(&b, samplePage(t, words, "en", "/changes"), v); err != nil {
		t.Fatal(err)
	}
	items, named := 0, map[string]int{}
	for _, n := range elements(within(t, b.Bytes(), "content")) {
		if n.Data == "li" {
			items++
		}
		if href, _ := attr(n, "href"); strings.HasPrefix(href, ProofPath) {
			named[href]++
		}
	}
	if items != 4 || !strings.Contains(b.String(), "27 measures") {
		t.Errorf("%d entries", items)
	}
	if len(named) != 30 {
		t.Errorf("%d measures are named", len(named))
	}
}
