package page

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/garant-project/garant/internal/web/ui"
)

// The sample is the real catalogue, of a fictitious company, as it looks in its first weeks: few
// measures are proven, one was and is no more.

var sampleNow = time.Date(2026, 11, 24, 20, 4, 0, 0, time.UTC)

func samplePages(t testing.TB) (*Pages, *ui.Messages) {
	t.Helper()
	words, err := ui.NewMessages(Messages(), checkNames())
	if err != nil {
		t.Fatal(err)
	}
	pages, err := New(words)
	if err != nil {
		t.Fatal(err)
	}
	return pages, words
}

// checkNames are words that an engine would bring.
func checkNames() map[string][]byte {
	return map[string][]byte{
		"fr": []byte("check.endpoint.tls: Chiffrement des échanges\n"),
		"en": []byte("check.endpoint.tls: Encryption of connections\n"),
	}
}

func brussels(t testing.TB) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Brussels")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func samplePage(t testing.TB, words *ui.Messages, lang, path string) *ui.Page {
	t.Helper()
	return &ui.Page{Printer: words.For(lang, brussels(t)), Path: path, Now: sampleNow}
}

type sampleCatalogue struct {
	Sections []struct {
		ID   string   `yaml:"id"`
		GDPR []string `yaml:"gdpr"`
	} `yaml:"sections"`
	Measures []struct {
		ID, Section, Kind, Owner, Operator string
		Refs                               struct{ GDPR, ISO, CNIL, Clauses []string }
	} `yaml:"measures"`
	Clauses []string
	Also    []struct {
		Key      string
		Measures []string
	}
}

type sampleWords struct {
	Sections map[string]string
	Teams    map[string]string
	Measures map[string]struct{ Title, Sentence, Method string }
	Clauses  map[string]string
	Also     map[string]string
}

func readYAML(t testing.TB, name string, into any) {
	t.Helper()
	b, err := os.ReadFile("../../measure/catalogue/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(b, into); err != nil {
		t.Fatal(name, err)
	}
}

var company = Company{
	Name: "Ardoise Mécénat", LegalName: "Ardoise Mécénat SRL", Country: "Belgique", Contact: "contact@ardoise.example", DPO: "dpo@ardoise.example",
	Revised: time.Date(2026, 11, 12, 9, 0, 0, 0, time.UTC),
}

const documentHash = "3fa9c1d2e4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f"

func sampleAnnex(t testing.TB, words *ui.Messages, lang string) Annex {
	t.Helper()
	var cat sampleCatalogue
	var texts sampleWords
	readYAML(t, "measures.yaml", &cat)
	readYAML(t, lang+".yaml", &texts)
	p := words.For(lang, brussels(t))
	v := Annex{
		Company: company, Hash: documentHash, Version: 3, Since: sampleNow.AddDate(0, 0, -12), Last: sampleNow.Add(-40 * time.Second),
		JSON: "/annex.json", Address: "https://trust.ardoise.example/", Until: sampleNow.Add(time.Minute),
		Estate: 2, Catalogue: documentHash, Build: "0.2.0",
	}
	for _, s := range cat.Sections {
		section := Section{ID: s.ID, Title: texts.Sections[s.ID], GDPR: s.GDPR}
		for _, m := range cat.Measures {
			if m.Section != s.ID {
				continue
			}
			w := texts.Measures[m.ID]
			section.Measures = append(section.Measures, settle(Measure{
				ID: m.ID, Title: w.Title, Kind: ui.Kind(m.Kind), Owner: texts.Teams[m.Owner], Supplier: m.Operator == "supplier",
				Refs:     References{GDPR: m.Refs.GDPR, ISO: m.Refs.ISO, CNIL: m.Refs.CNIL},
				Sentence: fill(p, w.Sentence), Method: fill(p, w.Method), State: ui.Unproven, Reason: "reason.no_check",
			}))
		}
		v.Sections = append(v.Sections, section)
	}
	for _, a := range cat.Also {
		topic := Topic{Question: ui.Typeset(lang, strings.ReplaceAll(texts.Also[a.Key], "\u202f", " "))}
		for _, id := range a.Measures {
			_, m := find(t, v, id)
			topic.Measures = append(topic.Measures, Ref{ID: id, Title: m.Title, State: m.State})
		}
		switch a.Key {
		case "contact":
			topic.Mail = company.DPO
		case "subprocessors":
			topic.Link = &ui.Link{Label: p.T("annex.also.list"), Href: SubprocessorsPath}
		case "location":
			topic.Answer = map[string]string{"fr": "Toutes les données sont traitées en Belgique et en Irlande.", "en": "All data are processed in Belgium and Ireland."}[lang]
		}
		v.Topics = append(v.Topics, topic)
	}
	return v
}

// sampleOrder is the sample in another order, with a section of every sort.
func sampleOrder(t testing.TB, words *ui.Messages, lang string, o Order) Annex {
	t.Helper()
	v := sampleAnnex(t, words, lang)
	v.Order = o
	var all []Measure
	for _, s := range v.Sections {
		all = append(all, s.Measures...)
	}
	ref := func(m Measure) Ref { return Ref{ID: m.ID, Title: m.Title, State: m.State} }
	if o == ClausesOrder {
		v.Sections = []Section{
			{ID: "1", Title: "Pseudonymisation", Measures: all[:40], Others: []Ref{ref(all[40]), ref(all[41])}},
			{ID: "2", Title: "Certification", Others: []Ref{ref(all[42])}},
			{ID: "3", Title: "Minimisation", Measures: all[40:]},
			{ID: "4", Title: "Transparence", Silent: true},
		}
		return v
	}
	v.Sections = []Section{
		{ID: "5", Title: "Organisation", Measures: all[:40], Index: []Entry{{"5.1", []Ref{ref(all[3]), ref(all[45])}}, {"5.14", []Ref{ref(all[4])}}}},
		{Title: "Exigences", Anchor: "standard", Measures: all[40:]},
	}
	return v
}

var placeholder = regexp.MustCompile(`\{([a-z_.]+)(?:\|([^|}]+)\|([^}]+))?\}`)

// fill puts values of a sample into a text of the catalogue.
func fill(p *ui.Printer, text string) []Span {
	text = strings.Join(strings.Fields(strings.ReplaceAll(text, "\u202f", "\x00")), " ")
	text = ui.Typeset(p.Lang(), strings.ReplaceAll(text, "\x00", "\u202f"))
	var out []Span
	for {
		at := placeholder.FindStringSubmatchIndex(text)
		if at == nil {
			return append(out, Span{Text: text})
		}
		name := text[at[2]:at[3]]
		s := Span{Fact: true}
		switch {
		case at[4] > 0:
			s.Text = p.CountOf(4, text[at[4]:at[5]], text[at[6]:at[7]])
		case strings.HasPrefix(name, "endpoint.tls"):
			s.Text = p.List([]string{"TLS 1.2", "TLS 1.3"})
		case strings.Contains(name, "encryption"):
			s.Text = "AES-256"
		case strings.Contains(name, "teams"):
			s.Text = p.List([]string{"Customer Success", "IT Operations"})
		default:
			s.Text = p.Duration(365 * 24 * time.Hour)
		}
		if strings.HasPrefix(name, "endpoint.") && name != "endpoint.tls.accepted" {
			s.Source, s.At = "endpoint.tls", sampleNow.Add(-40*time.Second)
		}
		if at[0] > 0 {
			out = append(out, Span{Text: text[:at[0]]})
		}
		out, text = append(out, s), text[at[1]:]
	}
}

// settle gives some measures a state.
func settle(m Measure) Measure {
	sum := sha256.Sum256([]byte(m.ID))
	looked := func(state ui.State, reason string, since time.Duration, strip func(i int) ui.State) Measure {
		m.State, m.Reason, m.Since = state, reason, sampleNow.Add(-since)
		m.LastLook, m.NextLook, m.ValidUntil = sampleNow.Add(-40*time.Second), sampleNow.Add(20*time.Second), sampleNow.Add(9*time.Minute)
		m.Examined, m.Expected = 4, 4
		m.Digests = []Digest{
			{Check: "endpoint.tls", SHA256: hex.EncodeToString(sum[:]), FirstAt: m.Since, Passed: state == ui.Met},
			{Check: "endpoint.plainhttp", SHA256: hex.EncodeToString(sum[:]), FirstAt: m.Since, Passed: true},
		}
		for i := range 90 {
			m.Strip = append(m.Strip, ui.Day{Date: sampleNow.AddDate(0, 0, i-89), State: strip(i)})
		}
		return m
	}
	day := 24 * time.Hour
	switch m.ID {
	case "PHY-2":
		m = looked(ui.Met, "reason.attested", 9*day, func(i int) ui.State {
			if i < 80 {
				return ui.Unproven
			}
			return ui.Met
		})
		m.Examined, m.Expected, m.NextLook = 0, 0, time.Time{}
		m.LastLook, m.ValidUntil = m.Since, m.Since.AddDate(1, 0, 0)
		m.Digests, m.ByPeople = nil, true
		m.Confirmed = &Confirmation{At: m.Since, Until: m.Since.AddDate(1, 0, 0), Digest: hex.EncodeToString(sum[:])}
	case "ENC-1":
		m.Outside = true
		m.Witness = &Witness{Name: "Cabinet Exemple", At: sampleNow.Add(-3 * time.Minute), Key: "4f2a 9b1c 77de"}
		return looked(ui.Met, "reason.pass", 38*day, func(i int) ui.State {
			switch {
			case i < 20:
				return ""
			case i > 48 && i < 52:
				return ui.NotMet
			}
			return ui.Met
		})
	case "ENC-2":
		return looked(ui.NotMet, "reason.fail", 3*day, func(i int) ui.State {
			if i > 86 {
				return ui.NotMet
			}
			return ui.Met
		})
	case "CRT-1":
		return looked(ui.Met, "reason.pass", 30*time.Minute, func(i int) ui.State { return ui.Met })
	case "CRT-2":
		m.Outside = true
		m = looked(ui.Stale, "reason.blind", 26*time.Minute, func(i int) ui.State {
			if i == 89 {
				return ui.Stale
			}
			return ui.Met
		})
		m.Reduced = true
	case "LOG-6":
		m = looked(ui.Unproven, "reason.new_scope", 2*day, func(i int) ui.State {
			if i > 87 {
				return ui.Unproven
			}
			return ui.Met
		})
	case "BAK-4":
		m.State, m.Reason, m.Since = ui.Excluded, "", sampleNow.AddDate(0, -2, 0)
		m.Exclusion = "Redis ne garde aucune donnée de nos clients."
	}
	return m
}

func find(t testing.TB, v Annex, id string) (Section, Measure) {
	t.Helper()
	for _, s := range v.Sections {
		for _, m := range s.Measures {
			if m.ID == id {
				return s, m
			}
		}
	}
	t.Fatal("the sample has no", id)
	return Section{}, Measure{}
}

func sampleProof(t testing.TB, words *ui.Messages, lang, id string) Proof {
	t.Helper()
	a := sampleAnnex(t, words, lang)
	s, m := find(t, a, id)
	v := Proof{
		Company: company, Section: s, Measure: m, Every: time.Minute, Hash: a.Hash, Since: a.Since,
		JSON: "/m/" + id + "/proof.json", Address: "https://trust.ardoise.example/m/" + id,
	}
	for _, c := range sampleChanges(t, words, lang).List {
		if c.ID == id {
			v.History = append(v.History, c)
		}
	}
	if id == "ENC-1" {
		for _, tls := range []string{"1", "1_1", "1_2", "1_3"} {
			v.Commands = append(v.Commands, Command{"annex.try.tls" + tls, fmt.Sprintf("openssl s_client -connect HOST:443 -servername HOST -tls%s -cipher 'ALL:@SECLEVEL=0' </dev/null", tls)})
		}
	}
	return v
}

func sampleChanges(t testing.TB, words *ui.Messages, lang string) Changes {
	t.Helper()
	a := sampleAnnex(t, words, lang)
	title := func(id string) string { _, m := find(t, a, id); return m.Title }
	recent, whole := sampleDays(a, 90, 1), sampleDays(a, 120, 2)
	_, enc := find(t, a, "ENC-1")
	before, after := "", ""
	for _, s := range enc.Sentence {
		before += strings.ReplaceAll(s.Text, "1.2", "1.1")
		after += s.Text
	}
	return Changes{
		Recent: recent, Whole: whole, Published: whole[0].Date, Feed: FeedPath + "?lang=" + lang,
		Revisions: []Revision{
			{Key: "wording/7", Kind: "wording", ID: "ENC-1", Title: title("ENC-1"), At: sampleNow.Add(-20 * time.Minute), Before: before, After: after},
			{Key: "reduced/6", Kind: "reduced", ID: "CRT-2", Title: title("CRT-2"), At: sampleNow.AddDate(0, 0, -1)},
			{Key: "scope/5", Kind: "scope", ID: "CRT-2", Title: title("CRT-2"), At: sampleNow.AddDate(0, 0, -1).Add(-time.Second), From: 5, To: 4},
			{Key: "estate/4", Kind: "estate", At: sampleNow.AddDate(0, 0, -1).Add(-2 * time.Second), From: 1, To: 2},
			{Key: "subprocessors/3", Kind: "subprocessors", At: sampleNow.AddDate(0, 0, -9), Joined: sampleSub(lang)[:1], Left: []Subprocessor{{Name: "Ancien Hôte (exemple)"}}},
			{Key: "company/2", Kind: "company", At: sampleNow.AddDate(0, 0, -12), Fields: []Field{{"annex.company.dpo", "", "dpo@ardoise.example"}, {"annex.company.contact", "info@ardoise.example", "contact@ardoise.example"}}},
			{Key: "published/1", Kind: "published", At: whole[0].Date},
		},
		Company: company, From: sampleNow.AddDate(0, 0, -90), JSON: "/changes.json", Address: "https://trust.ardoise.example/changes",
		List: []Change{
			{"state/1", "CRT-2", title("CRT-2"), sampleNow.Add(-26 * time.Minute), ui.Met, ui.Stale, "reason.blind"},
			{"state/2", "CRT-1", title("CRT-1"), sampleNow.Add(-30 * time.Minute), ui.NotMet, ui.Met, "reason.pass"},
			{"state/3", "ENC-2", title("ENC-2"), sampleNow.AddDate(0, 0, -3), ui.Met, ui.NotMet, "reason.fail"},
			{"state/4", "ENC-1", title("ENC-1"), sampleNow.AddDate(0, 0, -38), ui.NotMet, ui.Met, "reason.pass"},
			{"state/5", "ENC-1", title("ENC-1"), sampleNow.AddDate(0, 0, -41), ui.Met, ui.NotMet, "reason.fail"},
			{"state/6", "ENC-1", title("ENC-1"), sampleNow.AddDate(0, 0, -70), "", ui.Met, "reason.pass"},
		},
	}
}

// sampleDays counts the measures of the sample, fewer of them met the longer ago.
func sampleDays(a Annex, n, step int) []Day {
	var out []Day
	for i := range n {
		d := Day{Date: sampleNow.AddDate(0, 0, (i-n+1)*step), Count: map[ui.Kind]map[ui.State]int{}}
		k := 0
		for _, s := range a.Sections {
			for _, m := range s.Measures {
				state := m.State
				switch k++; {
				case i == n-1:
				case k%80 < i*50/n:
					state = ui.Met
				case k%17 == 0 && i > n/2:
					state = ui.NotMet
				case k%13 == 0 && i%9 == 0:
					state = ui.Stale
				}
				if d.Count[m.Kind] == nil {
					d.Count[m.Kind] = map[ui.State]int{}
				}
				d.Count[m.Kind][state]++
			}
		}
		out = append(out, d)
	}
	return out
}

func sampleSub(lang string) []Subprocessor {
	list := map[string][]Subprocessor{
		"fr": {
			{Name: "Nuage Exemple SA", Country: "Belgique", Service: "Hébergement de la production", Data: "Toutes les données confiées, chiffrées", Places: []string{"Belgique", "Irlande"}, Since: sampleNow.AddDate(-2, 0, 0)},
			{Name: "Courrier Exemple Inc.", Country: "États-Unis", Service: "Envoi de courriels", Data: "Adresses, objet et texte des messages", Places: []string{"États-Unis"}, Safeguard: "Clauses contractuelles types de 2021", Since: sampleNow.AddDate(0, 1, 0)},
			{Name: "Support Exemple SRL"},
		},
		"en": {
			{Name: "Nuage Exemple SA", Country: "Belgium", Service: "Hosting of production", Data: "All entrusted data, encrypted", Places: []string{"Belgium", "Ireland"}, Since: sampleNow.AddDate(-2, 0, 0)},
			{Name: "Courrier Exemple Inc.", Country: "United States", Service: "Sending of mail", Data: "Addresses, subjects and texts of messages", Places: []string{"United States"}, Safeguard: "Standard contractual clauses of 2021", Since: sampleNow.AddDate(0, 1, 0)},
			{Name: "Support Exemple SRL"},
		},
	}
	return list[lang]
}

func sampleSubprocessors(t testing.TB, words *ui.Messages, lang string) Subprocessors {
	t.Helper()
	v := Subprocessors{Company: company, Declared: true, List: sampleSub(lang), JSON: "/subprocessors.json", Address: "https://trust.ardoise.example/subprocessors", Hash: documentHash, Since: sampleNow.AddDate(0, 0, -12)}
	for _, r := range sampleChanges(t, words, lang).Revisions {
		if r.Kind == "subprocessors" {
			v.Changes = append(v.Changes, r)
		}
	}
	return v
}

func sampleVerify(t testing.TB, words *ui.Messages, lang string) Verify {
	t.Helper()
	v := Verify{
		Company: company, Hash: documentHash, Since: sampleNow.AddDate(0, 0, -12), Address: "https://trust.ardoise.example/verify",
		Document: "curl -s https://trust.ardoise.example/document.json | sha256sum",
	}
	a := sampleAnnex(t, words, lang)
	for _, id := range []string{"ENC-1", "ENC-2"} {
		_, m := find(t, a, id)
		v.Items = append(v.Items, Outside{Measure: m, Commands: []Command{{"annex.try.hsts", "curl -sI https://HOST/ | grep -i strict-transport-security"}}})
	}
	return v
}
