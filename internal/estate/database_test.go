package estate_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/garant-project/garant/internal/estate"
)

// production is a database without mistakes; it starts on line 9 after company and "databases:".
const production = `  - name: production
    url: env:GARANT_PRODUCTION_URL
    database: ardoise
    system: "7312345678901234567"
    environment: production
    customer_data: true
    readers:
      - {role: app, service: Application}
      - {role: cs_reader, team: Customer Success}
    privileged:
      - {role: postgres, holder: IT Operations, why: Runs the cluster}
    developers: [dev_anna, developers]
    labels:
      - {columns: customer.applicant.email, class: Confidential}
      - {columns: billing.*.*, class: Internal}
`

func TestParseDatabase(t *testing.T) {
	e := parse(t, company+"databases:\n"+production)
	want := estate.Database{
		Name: "production", URL: e.Databases[0].URL, Database: "ardoise", System: "7312345678901234567", Environment: estate.Production, CustomerData: true,
		Readers:    []estate.Reader{{Role: "app", Service: "Application"}, {Role: "cs_reader", Team: "Customer Success"}},
		Privileged: []estate.Privilege{{Role: "postgres", Holder: "IT Operations", Why: "Runs the cluster"}},
		Developers: []string{"dev_anna", "developers"},
		Labels:     []estate.Label{{Columns: "customer.applicant.email", Class: "Confidential"}, {Columns: "billing.*.*", Class: "Internal"}},
		Line:       9,
	}
	if diff := cmp.Diff([]estate.Database{want}, e.Databases); diff != "" {
		t.Error(diff)
	}
	t.Setenv("GARANT_PRODUCTION_URL", "postgres://garant_reader:hunter2@db.example/ardoise")
	if url, err := e.Databases[0].URL.Reveal(); err != nil || !strings.HasSuffix(url, "/ardoise") {
		t.Errorf("the address: %v", err)
	}
	if shown := fmt.Sprintf("%v %+v %#v", e.Databases[0], e, e.Databases); strings.Contains(shown, "hunter2") {
		t.Error("the address is shown")
	}
	if parse(t, company+"databases:\n"+production).Hash == parse(t, company).Hash {
		t.Error("a database is no part of the hash")
	}
	for column, covered := range map[[3]string]bool{
		{"customer", "applicant", "email"}: true, {"customer", "applicant", "name"}: false, {"customer", "user", "email"}: false,
		{"billing", "invoice", "iban"}: true, {"sales", "applicant", "email"}: false,
	} {
		if got := want.Labels[0].Covers(column[0], column[1], column[2]) || want.Labels[1].Covers(column[0], column[1], column[2]); got != covered {
			t.Errorf("%v: covered %v", column, got)
		}
	}
}

// TestDeclared: evidence speaks of a target as long as its declaration is the same, wherever
// it stands in the file.
func TestDeclared(t *testing.T) {
	a := parse(t, company+"endpoints:\n"+application+"databases:\n"+production)
	other := strings.NewReplacer("name: production", "name: archive", "database: ardoise", "database: archive").Replace(production)
	b := parse(t, company+"databases:\n"+other+production+"endpoints:\n"+application)
	for _, name := range []string{"application", "production"} {
		if a.Declared(name) == nil || !reflect.DeepEqual(a.Declared(name), b.Declared(name)) {
			t.Errorf("%s: %v, moved %v", name, a.Declared(name), b.Declared(name))
		}
	}
	if a.Declared("archive") != nil {
		t.Error("declared without being there")
	}
	c := parse(t, company+"databases:\n"+strings.Replace(production, "7312345678901234567", "7312345678901234568", 1))
	if reflect.DeepEqual(a.Declared("production"), c.Declared("production")) {
		t.Error("another system is the same declaration")
	}
}

// reduces applies an estate in which one text stands for another, and holds the reductions, and what is expected after
// them, to want (see brief).
func reduces(t *testing.T, whole, from, to, want string) {
	t.Helper()
	source := strings.Replace(whole, from, to, 1)
	if source == whole {
		t.Fatal("the case changes nothing")
	}
	before, after := parse(t, whole), parse(t, source)
	reductions := estate.Reductions(before, after)
	if diff := cmp.Diff(want, brief(reductions)); diff != "" {
		t.Error(diff)
	}
	if len(estate.Diff(before, after)) == 0 {
		t.Error("Diff sees no change")
	}
	expected := estate.Expect(before, after)
	if lost := estate.Reductions(before, expected); len(lost) > 0 {
		t.Errorf("expecting forgets %s", brief(lost))
	}
	if diff := cmp.Diff(brief(reductions), brief(estate.Reductions(expected, after))); diff != "" {
		t.Errorf("what is pending against the expectation: %s", diff)
	}
	if changed := estate.Diff(before, parse(t, whole)); len(changed) > 0 {
		t.Errorf("an estate was changed: %v", changed)
	}
}

func TestDatabaseReductions(t *testing.T) {
	const all = " ACC-2 ACC-5 CLS-1 ENC-1 NET-1 SEG-5\n"
	const whole = company + "endpoints:\n" + application + "databases:\n" + production + "policy:\n  customer_data_teams: [Customer Success]\n  every: 1m\n"
	const readers = "app (service Application), cs_reader (team Customer Success)"
	for _, c := range []struct{ name, from, to, want string }{
		{"database removed", "databases:\n" + production, "", "removed databases.production [ardoise → ]" + all},
		{"renamed", "name: production", "name: prod", "removed databases.production [ardoise → ]" + all},
		{"added", "policy:", strings.NewReplacer("name: production", "name: archive", "database: ardoise", "database: archive").Replace(production) + "policy:", ""},
		{"url", "GARANT_PRODUCTION_URL", "OTHER_URL", "replaced databases.production.url [env:GARANT_PRODUCTION_URL → env:OTHER_URL]" + all},
		{"neighbour", "database: ardoise", "database: empty", "replaced databases.production.database [ardoise → empty]" + all},
		{"system", "7312345678901234567", "7312345678901234568", "identity databases.production.system [7312345678901234567 → 7312345678901234568]" + all},
		{"environment", "system: \"7312345678901234567\"\n    environment: production", "system: \"7312345678901234567\"\n    environment: non-production", "environment databases.production.environment [production → non-production] SEG-5\n"},
		{"customer data", "customer_data: true", "customer_data: false", "weakened databases.production.customer_data [true → false] ACC-2 CLS-1\n"},
		{"reader added", "team: Customer Success}\n", "team: Customer Success}\n      - {role: sales, team: Customer Success}\n",
			"weakened databases.production.readers [" + readers + " → " + readers + ", sales (team Customer Success)] ACC-2\n"},
		{"reader removed", "      - {role: app, service: Application}\n", "", ""},
		{"reader of another team", "team: Customer Success}", "team: Sales}", "weakened databases.production.readers [" + readers + " → app (service Application), cs_reader (team Sales)] ACC-2\n"},
		{"privilege added", "Runs the cluster}\n", "Runs the cluster}\n      - {role: backup, holder: IT Operations, why: Backups}\n",
			"weakened databases.production.privileged [postgres (IT Operations: Runs the cluster) → backup (IT Operations: Backups), postgres (IT Operations: Runs the cluster)] ACC-2 ACC-5\n"},
		{"privilege removed", "    privileged:\n      - {role: postgres, holder: IT Operations, why: Runs the cluster}\n", "", ""},
		{"developer removed", "[dev_anna, developers]", "[developers]", "weakened databases.production.developers [dev_anna, developers → developers] SEG-5\n"},
		{"developer added", "[dev_anna, developers]", "[dev_anna, dev_bo, developers]", ""},
		{"label removed", "      - {columns: billing.*.*, class: Internal}\n", "", ""},
		{"label says not personal", "class: Internal}", "class: Internal, personal: false}",
			"weakened databases.production.labels [billing.*.*: Internal, customer.applicant.email: Confidential → billing.*.*: Internal (not personal), customer.applicant.email: Confidential] ACC-2 CLS-1\n"},
		{"label says personal", "class: Internal}", "class: Internal, personal: true}", ""},
		{"team added", "[Customer Success]", "[Customer Success, Sales]", "weakened policy.customer_data_teams [Customer Success → Customer Success, Sales] ACC-2\n"},
		{"slower", "every: 1m", "every: 2m", "slowed policy.every [1m → 2m] ACC-2 ACC-5 CLS-1 CRT-1 CRT-2 ENC-1 ENC-2 NET-1 SEG-5\n"},
	} {
		t.Run(c.name, func(t *testing.T) { reduces(t, whole, c.from, c.to, c.want) })
	}
}

func TestBadDatabases(t *testing.T) {
	const at = company + "databases:\n"
	with := func(from, to string) string { return at + strings.Replace(production, from, to, 1) }
	for _, c := range []struct{ name, source, want string }{
		{"a map", at + "  production: {}\n",
			`garant.yaml:9: databases: A list belongs here, not keys and values. List each database with a name, a url, a database, a system, an environment and customer_data, or remove the section.`},
		{"lacks all", at + "  - {}\n", lines(
			`garant.yaml:9: databases[0].name: The key is missing. Give the database a short name that will not change, such as production.`,
			`garant.yaml:9: databases[0].url: The key is missing. Write env:NAME or file:/PATH; the address holds a password, so that it stands elsewhere.`,
			`garant.yaml:9: databases[0].database: The key is missing. Write its name within the cluster, as SELECT current_database() gives it.`,
			`garant.yaml:9: databases[0].system: The key is missing. Write what SELECT system_identifier FROM pg_control_system() gives, in quotes.`,
			`garant.yaml:9: databases[0].environment: The key is missing. Write production or non-production.`,
			`garant.yaml:9: databases[0].customer_data: The key is missing. Write true when it holds personal data of customers, else false.`,
		)},
		{"password in the file", with("env:GARANT_PRODUCTION_URL", "postgres://reader:hunter2@db.example/ardoise"),
			`garant.yaml:10: databases[0].url: A secret written in the file is read by everybody who reads the file, and stays in its history. Write env:NAME or file:PATH, and keep the secret there.`},
		{"relative file", with("env:GARANT_PRODUCTION_URL", "file:db.url"),
			`garant.yaml:10: databases[0].url: The path of the file does not start at the root. Write file:/PATH: the estate is kept apart from garant.yaml.`},
		{"system without quotes", with(`"7312345678901234567"`, "7312345678901234567"),
			`garant.yaml:12: databases[0].system: The identifier is a text, not a number. Put it in quotes.`},
		{"system", with("7312345678901234567", "main"),
			`garant.yaml:12: databases[0].system: "main" is not the identifier of a PostgreSQL system. Write what SELECT system_identifier FROM pg_control_system() gives, in quotes.`},
		{"customer data", with("customer_data: true", "customer_data: yes"),
			`garant.yaml:14: databases[0].customer_data: True or false belongs here, not a text. Write true or false.`},
		{"reader of nobody", with(", service: Application", ""),
			`garant.yaml:16: databases[0].readers[0]: Who stands behind the role is told by a team or by a service. Write team: for people, or service: for a program.`},
		{"reader of both", with("service: Application", "service: Application, team: Sales"),
			`garant.yaml:16: databases[0].readers[0]: Who stands behind the role is told by a team or by a service. Write team: for people, or service: for a program.`},
		{"reader twice", with("role: cs_reader", "role: app"),
			`garant.yaml:17: databases[0].readers[1].role: The role "app" is listed twice. Keep one of them.`},
		{"long role", with("role: cs_reader", "role: "+strings.Repeat("r", 64)),
			`garant.yaml:17: databases[0].readers[1].role: The name is longer than PostgreSQL has them. Write it as the database has it, at most 63 bytes.`},
		{"privilege without reason", with(", why: Runs the cluster", ""),
			`garant.yaml:19: databases[0].privileged[0].why: The key is missing. Write what the rights are needed for.`},
		{"privilege of nobody", with("holder: IT Operations, ", ""),
			`garant.yaml:19: databases[0].privileged[0]: Who holds the role is told by a team or by a service. Write holder: for a team of people, or service: for a program.`},
		{"developer with rights", with("[dev_anna, developers]", "[dev_anna, app]"),
			`garant.yaml:20: databases[0].developers: The role "app" is of a development team, and has rights in this database. Take it out of one of the lists.`},
		{"developer twice", with("[dev_anna, developers]", "[dev_anna, dev_anna]"),
			`garant.yaml:20: databases[0].developers[1]: The role "dev_anna" is listed twice. Keep one of them.`},
		{"label of all", with("billing.*.*", `"*.*.*"`),
			`garant.yaml:23: databases[0].labels[1].columns: "*.*.*" names no columns. Write SCHEMA.TABLE.COLUMN, SCHEMA.TABLE.* or SCHEMA.*.*.`},
		{"label of a column everywhere", with("billing.*.*", "billing.*.email"),
			`garant.yaml:23: databases[0].labels[1].columns: "billing.*.email" names no columns. Write SCHEMA.TABLE.COLUMN, SCHEMA.TABLE.* or SCHEMA.*.*.`},
		{"label of a part", with("billing.*.*", "billing.inv*.*"),
			`garant.yaml:23: databases[0].labels[1].columns: "billing.inv*.*" names no columns. Write SCHEMA.TABLE.COLUMN, SCHEMA.TABLE.* or SCHEMA.*.*.`},
		{"label judged by a word", with("class: Internal}", "class: Internal, personal: maybe}"),
			`garant.yaml:23: databases[0].labels[1].personal: True or false belongs here, not a text. Write true or false.`},
		{"label twice", with("billing.*.*", "customer.applicant.email"),
			`garant.yaml:23: databases[0].labels[1].columns: "customer.applicant.email" is listed twice. Keep one of them.`},
		{"label of no class", with(", class: Internal", ""),
			`garant.yaml:23: databases[0].labels[1].class: The key is missing. Write the class, a word of your classification scale.`},
		{"same database", at + production + strings.Replace(production, "name: production", "name: archive", 1),
			`garant.yaml:26: databases[1].database: The same database of the same system is declared on line 9. Keep one of them: a database counts once.`},
		{"name of an endpoint", company + "endpoints:\n" + application + "databases:\n" + strings.Replace(production, "name: production", "name: application", 1),
			`garant.yaml:14: databases[0].name: The name "application" is taken by the endpoint on line 9. Names are unique: evidence is filed under them.`},
		{"teams", company + "policy:\n  customer_data_teams: [Sales, Sales, 3]\n", lines(
			`garant.yaml:9: policy.customer_data_teams[1]: "Sales" is listed twice. Keep one of them.`,
			`garant.yaml:9: policy.customer_data_teams[2]: A text belongs here, not a number. Put it in quotes if it is meant as text.`,
		)},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := estate.Parse([]byte(c.source), nil)
			if err == nil {
				t.Fatal("no mistake seen")
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the message shows the secret")
			}
			if diff := cmp.Diff(c.want, err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
