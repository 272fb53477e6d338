package estate_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/estate"
)

const withCopies = company + `databases:
  - name: production
    url: env:A
    database: app
    system: "7312345678901234567"
    environment: production
    customer_data: true
    anonymised:
      plan: file:anonymise.yaml
      reader: env:R
      target: env:T
      issuer: env:I
      system: "7312345678901234568"
      name: app_dev
      developers: [dev, qa]
      every: 6h
      max_age: 12h
      pause_above: 20
`

const copyPlan = `anonymise: 1
language: fr-BE
tables:
  public.member:
    subject: id
    columns:
      id: rekey bigint
      email: {class: identifier, kind: email, transform: email, type: text}
      profile: {class: free_text, kind: text, transform: json, type: jsonb, paths: {contact.phone: phone, theme: keep}}
      answers: {class: free_text, kind: text, transform: json, type: jsonb, paths: {any.*: suppress, question: suppress}}
      reason: suppress text
      shoe: keep text
persons:
  public.member: {quasi: [born], k: 5}
`

func copies(source, plan string) (*estate.Estate, error) {
	return estate.Parse([]byte(source), estate.Files{"anonymise.yaml": []byte(plan)})
}

func TestAnonymised(t *testing.T) {
	e, err := copies(withCopies, copyPlan)
	if err != nil {
		t.Fatal(err)
	}
	if list := e.WithCopies(); len(list) != 1 {
		t.Fatalf("%d databases", len(list))
	}
	a := e.WithCopies()[0].Anonymised
	if a.Name != "app_dev" || a.Every != 6*time.Hour || a.MaxAge != 12*time.Hour || a.PauseAbove != 20 || len(a.Developers) != 2 || a.Plan == nil {
		t.Errorf("%+v", a)
	}
	if e, err := copies(strings.Replace(withCopies, "every: 6h", "every: back-to-back", 1), copyPlan); err != nil || e.WithCopies()[0].Anonymised.Every != 0 {
		t.Errorf("back to back: %v", err)
	}
	for _, c := range []struct{ from, to, want string }{
		{"      max_age: 12h\n", "", "how old the data in the copy may be"},
		{"max_age: 12h", "max_age: 6h", "too old before the next one is due"},
		{"target: env:T", "target: postgres://x", "target"},
		{"[dev, qa]", "[]", "Nobody may work in the copy"},
		{"name: app_dev", "name: " + strings.Repeat("x", 41), "The name is too long"},
		{"pause_above: 20", "pause_above: many", "pause_above"},
		{"      plan: file:anonymise.yaml\n", "", "as garant anonymise plan wrote it"},
	} {
		if _, err := copies(strings.Replace(withCopies, c.from, c.to, 1), copyPlan); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v", c.to, err)
		}
	}
	second := withCopies[strings.Index(withCopies, "  - name: production"):]
	for change, want := range map[string]string{"": "The role \"dev\" is of the developers of \"production\" already", "[dev, qa]": "The copy of \"production\" has the same name in the same cluster"} {
		other := strings.NewReplacer("name: production", "name: second", "database: app", "database: other").Replace(second)
		if change != "" {
			other = strings.Replace(other, change, "[dev2]", 1)
		}
		if _, err := copies(withCopies+other, copyPlan); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("two copies in one cluster: %v", err)
		}
	}
	if _, err := copies(withCopies+strings.NewReplacer("name: production", "name: second", "database: app", "database: other", "[dev, qa]", "[dev2]", "app_dev", "other_dev").Replace(second), copyPlan); err != nil {
		t.Errorf("two copies apart: %v", err)
	}
	if _, err := copies(withCopies, "- a list\n"); err == nil || !strings.Contains(err.Error(), "not a plan of a copy") {
		t.Errorf("no plan: %v", err)
	}
}

// What makes a copy protect less waits for a second person; what is only added, or speaks of what the plan no longer knows, does not.
func TestAnonymisedReduced(t *testing.T) {
	before, err := copies(withCopies, copyPlan)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ from, to, key string }{
		"section gone":         {withCopies[strings.Index(withCopies, "    anonymised:"):], "", "anonymised"},
		"another cluster":      {"7312345678901234568", "7312345678901234569", "anonymised.place"},
		"another reader":       {"env:R", "env:S", "anonymised.place"},
		"a role less":          {"[dev, qa]", "[dev]", "anonymised.developers"},
		"later":                {"every: 6h", "every: 7h", "anonymised.every"},
		"older":                {"max_age: 12h", "max_age: 13h", "anonymised.max_age"},
		"kept as it is":        {"transform: email", "transform: keep", "anonymised.plan"},
		"path kept":            {"contact.phone: phone", "contact.phone: keep", "anonymised.plan"},
		"k":                    {"k: 5", "k: 2", "anonymised.plan"},
		"not measured":         {"persons:\n  public.member: {quasi: [born], k: 5}\n", "", "anonymised.plan"},
		"key kept":             {"rekey bigint", "keep bigint", "anonymised.plan"},
		"no subject":           {"    subject: id\n", "", "anonymised.plan"},
		"sooner":               {"every: 6h", "every: 5h", ""},
		"column added":         {"      id: rekey", "      born: keep date\n      id: rekey", ""},
		"path added":           {"theme: keep", "theme: keep, tone: keep", ""},
		"column gone":          {"      email: {class: identifier, kind: email, transform: email, type: text}\n", "", "anonymised.plan"}, // to come again, kept
		"path gone":            {"contact.phone: phone, ", "", "anonymised.plan"},
		"kept path gone":       {", theme: keep", "", ""},
		"kept column gone":     {"      shoe: keep text\n", "", ""},
		"another spelling":     {"  public.member:\n    subject: id\n    columns:\n      id: rekey bigint", "  '\"public\".member':\n    subject: id\n    columns:\n      id: keep bigint", "anonymised.plan"},
		"twice, by two names":  {"persons:", "  'public.\"member\"': {columns: {id: keep bigint}}\npersons:", "anonymised.plan"},
		"rows that may miss":   {"k: 5}", "k: 5, small: 0.9}", "anonymised.plan"},
		"rows that lead back":  {"k: 5}", "k: 5, linked: 1}", "anonymised.plan"},
		"another argument":     {"transform: email,", "transform: email, tone: plain,", "anonymised.plan"},
		"column named reason":  {"      reason: suppress text", "      reason: keep text", "anonymised.plan"},
		"path named question":  {"question: suppress", "question: keep", "anonymised.plan"},
		"path any key covered": {"any.*: suppress", "any.*: suppress, any.mail: keep", "anonymised.plan"},
		"path under any key":   {"contact.phone: phone, ", "contact.*: keep, ", "anonymised.plan"},
		"no rows":              {"subject: id", "subject: id\n    rows: none", "anonymised.plan"},
		"a reason for keeping": {"transform: email,", "transform: email, reason: as agreed,", ""},
	} {
		after, err := copies(strings.Replace(withCopies, c.from, c.to, 1), strings.Replace(copyPlan, c.from, c.to, 1))
		if err != nil {
			t.Fatal(name, err)
		}
		got := estate.Reductions(before, after)
		found := slices.ContainsFunc(got, func(r estate.Reduction) bool { return r.Key == "databases.production."+c.key && len(r.Measures) > 0 })
		if found != (c.key != "") || c.key == "" && len(got) > 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// One person renames a database, whose plan then is a new one.
func TestCopyWaitsWhileAnotherIsTakenAway(t *testing.T) {
	before, err := copies(withCopies, copyPlan)
	if err != nil {
		t.Fatal(err)
	}
	after, err := copies(strings.Replace(withCopies, "name: production", "name: renamed", 1), strings.ReplaceAll(copyPlan, "transform: email", "transform: keep"))
	if err != nil {
		t.Fatal(err)
	}
	d, _ := after.Database("renamed")
	if !d.CopyWaits(estate.Reductions(before, after)) {
		t.Error("a copy is made by the plan of one person")
	}
	if d, _ := before.Database("production"); d.CopyWaits(nil) {
		t.Error("a copy waits for nothing")
	}
}
