package discover_test

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/garant-project/garant/internal/discover"
	"github.com/garant-project/garant/internal/discover/discovertest"
	"github.com/garant-project/garant/internal/estate"
)

// proposal is an endpoint whose every part a stranger might have written.
func proposal(name, subject, saw, why, issuer, item string) discover.Proposal {
	return discover.Proposal{Section: discover.Endpoints, Name: name, Subject: "https://app.ardoise.example" + subject, Saw: saw + "-", Lines: []discover.Line{
		{Key: "url", Value: "https://app.ardoise.example/" + subject, Why: why + "-"},
		{Key: "environment", Value: "production", Why: why + "-"},
		{Key: "audience", Value: "public", Why: why + "-"},
		{Key: "issuer", Value: issuer, Why: why + "-"},
		{Key: "identity", Value: []discover.Item{{Text: item, Off: true, Why: why}}, Why: why + "-"},
	}}
}

// writes drafts and returns what is wrong with the result.
func writes(t *testing.T, p discover.Proposal, notes ...discover.Note) {
	t.Helper()
	good := discover.Proposal{Section: discover.Endpoints, Name: "good", Subject: "good", Saw: "x", Lines: []discover.Line{
		{Key: "url", Value: "https://good.ardoise.example", Why: "x"}, {Key: "environment", Value: "production", Why: "x"}, {Key: "audience", Value: "public", Why: "x"}}}
	r, err := discover.Draft(discovertest.Company(), discover.Found{Proposals: []discover.Proposal{p, good}, Notes: notes}, estate.Dir(t.TempDir()), time.Unix(1764000000, 0))
	if err != nil {
		t.Fatalf("one bad proposal takes the whole draft away: %v", err)
	}
	e, _, err := estate.Validate(r.Source, estate.Dir(t.TempDir()))
	if err != nil {
		t.Fatalf("the draft is not valid: %v\n%s", err, r.Source)
	}
	want := 2
	if len(e.Endpoints) == 1 {
		want = 1
		if len(r.Notes) == len(notes) {
			t.Fatalf("a proposal was left out silently\n%s", r.Source)
		}
	}
	if len(e.Endpoints) != want || len(e.Databases) != 0 || e.Company.Name != "Ardoise Mécénat" || len(e.Company.Languages) != 2 {
		t.Fatalf("the draft says something else than was meant: %+v\n%s", e, r.Source)
	}
	for _, endpoint := range e.Endpoints {
		if endpoint.Host != "app.ardoise.example" && endpoint.Host != "good.ardoise.example" {
			t.Fatalf("the draft declares %s\n%s", endpoint.Host, r.Source)
		}
	}
	if !utf8.Valid(r.Source) || strings.ContainsFunc(string(r.Source), func(c rune) bool {
		return c != '\n' && (!unicode.IsPrint(c) || unicode.Is(unicode.Bidi_Control, c)) && c != '\u00A0' && c != '\u202F'
	}) {
		t.Fatalf("a character that nobody can see stands in %q", r.Source)
	}
}

func FuzzDraft(f *testing.F) {
	for _, s := range []string{"app", evil, "'", "''", `"`, "# x", ": x", "a: b", "- x", "x # y", "{a: b}", "[x", "&a", "*a", "!t", "|", ">", "%YAML", "---", "...", "null", "yes", "1", "1.2", "0x1f", "2026-11-24", "~",
		"\u2028", "\u202E", "\uFEFF", "\x85", "\x00", "\xff", "a\r\nb", "a\n  - name: evil", "é", "日本語", " lead", "trail ", "", strings.Repeat("x", 300), "<<", "=", "`", "@", "x:", ":x", "http://x", "x, y", "x]"} {
		f.Add(s, s, s, s, s, s)
		f.Add("app", "x", "saw", "why", s, "sha256:x")
	}
	f.Fuzz(func(t *testing.T, name, subject, saw, why, issuer, item string) {
		if len(name)+len(subject)+len(saw)+len(why)+len(issuer)+len(item) > 4096 {
			return
		}
		writes(t, proposal(name, subject, saw, why, issuer, item), discover.Note{About: name, Text: saw})
	})
}

// A value is read back as the same text, whatever YAML would like to make of it.
func TestValuesStayTexts(t *testing.T) {
	for _, company := range []string{"true", "No", "null", "1", "1.0", "2026-11-24", "0x10", "~", "Yes & Co: 'x' # y", "[x]", "{x}", "- x", "a, b", "L’Été", "x\u00A0y", "@x", "!x", "*x", "&x", "|", ">", "%x", "`x", "<<", "=", "1:30", "12e3", ".inf", "x:", "é: è"} {
		a := discovertest.Company()
		a.Company, a.LegalName = company, company
		r, err := discover.Draft(a, discover.Found{}, estate.Dir(t.TempDir()), time.Now())
		if err != nil {
			t.Errorf("%q: %v", company, err)
			continue
		}
		if r.Estate.Company.Name != company || r.Estate.Company.LegalName != company {
			t.Errorf("%q became %q", company, r.Estate.Company.Name)
		}
	}
}

// What cannot stand in the file is left out and told, and the rest is written.
func TestDraftLeavesOutWhatIsNotValid(t *testing.T) {
	bad := proposal("bad", "", "saw", "why", "Let’s Encrypt\n  - name: evil", "x")
	without := discover.Proposal{Section: discover.Endpoints, Name: "w", Subject: "without reason", Saw: "x", Lines: []discover.Line{{Key: "url", Value: "https://w.ardoise.example"}}}
	unknown := discover.Proposal{Section: "policy", Name: "p", Subject: "p", Saw: "x"}
	good := proposal("Ünï app/1", "", "saw", "why", "Let’s Encrypt", "x")
	good.Subject = "good"
	again := good
	again.Subject = "again"
	again.Lines = append([]discover.Line{{Key: "url", Value: "https://two.ardoise.example", Why: "x"}}, again.Lines[1:]...)
	r, err := discover.Draft(discovertest.Company(), discover.Found{Proposals: []discover.Proposal{bad, without, unknown, good, again}}, estate.Dir(t.TempDir()), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Notes) != 3 || len(r.Estate.Endpoints) != 2 {
		t.Errorf("notes %+v, endpoints %+v\n%s", r.Notes, r.Estate.Endpoints, r.Source)
	}
	if r.Estate.Endpoints[0].Name == r.Estate.Endpoints[1].Name {
		t.Errorf("two of one name")
	}
	var doc map[string]any
	if err := yaml.Unmarshal(r.Source, &doc); err != nil || len(doc) != 2 {
		t.Errorf("%v %v", doc, err)
	}
}
