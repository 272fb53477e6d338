package estate_test

import (
	"bytes"
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/estate"
)

const databaseSection = `databases:
  - name: production
    url: env:PRODUCTION_URL
    database: app
    system: "7300000000000000001"
    environment: production
    customer_data: true
`

const ownChecks = company + databaseSection + `checks:
  - name: orphans
    measures: [OWN-1, SEG-1]
    every: 1h
    valid: 3h
    title: {fr: Aucune ligne sans client, en: No row without a customer}
    facts: [rows]
    sql:
      database: production
      query: |
        SELECT id FROM invoice
        WHERE tenant_id IS NULL
      expect: {rows: 0}
  - name: status-page
    measures: [OWN-2]
    every: 5m
    valid: 20m
    title: {fr: La page d’état répond, en: The status page answers}
    http:
      url: https://status.ardoise.example/health
      connect: 10.0.0.4:8443
      headers: {Authorization: env:STATUS_TOKEN, Accept: application/json}
      redirects: 2
      expect:
        status: [200, 204]
        header: {Cache-Control: no-store}
        json: {"data.items[0].state": ok, load: "<= 0.9"}
        tls: "1.3"
  - name: disks
    measures: [END-1]
    every: 1d
    valid: 3d
    title: {fr: Disques chiffrés, en: Disks are encrypted}
    command:
      run: [/usr/local/bin/disks, --all]
      timeout: 20s
      env: {MDM_TOKEN: file:/etc/garant/mdm, LANG: C}
  - name: audit-firm
    measures: [OWN-3]
    title: {fr: Rapport de l’audit, en: Report of the audit}
    imported: {format: json, expect: [api, web], max_age: 30d}
`

var witnessKey = estate.FormatWitnessKey(ed25519.PublicKey(strings.Repeat("k", ed25519.PublicKeySize)))

// cosignerKey is a key with which a witness cosigns.
func cosignerKey(seed byte) string {
	_, vkey, err := merkle.NewWitnessKey("witness.example/vigie", bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	if err != nil {
		panic(err)
	}
	return vkey
}

// statementsKey is the same key as that of cosignerKey('c'), for statements.
var statementsKey = estate.FormatWitnessKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{'c'}, ed25519.SeedSize)).Public().(ed25519.PublicKey))

var imported = company + `imports:
  - name: cloud
    format: prowler
    measures: [ENC-3, BAK-6]
    expect: ["111122223333", "444455556666"]
    max_age: 2d
    mapping: {ENC-3: [custom_disk_encrypted]}
  - name: images
    format: trivy
    measures: [VUL-1]
    expect: [registry.ardoise.example/app]
    max_age: 2d
    deadlines: {critical: 3d, high: 14d}
witness:
  - name: vigie
    key: ` + witnessKey + `
    cosigner: ` + cosignerKey('c') + `
    every: 2m
    refused: [db.ardoise.example:5432, admin.ardoise.example:443]
`

func TestOwnChecks(t *testing.T) {
	e := parse(t, ownChecks)
	if len(e.Checks) != 4 {
		t.Fatalf("%d checks", len(e.Checks))
	}
	var kinds, ids, targets []string
	for _, c := range e.Checks {
		kinds, ids, targets = append(kinds, c.Kind()), append(ids, c.ID()), append(targets, c.Targets()...)
	}
	want := [][]string{
		{"sql", "http", "command", "imported"},
		{"own.orphans", "own.status_page", "own.disks", "own.audit_firm"},
		{"own:orphans", "own:status-page", "own:disks", "own:audit-firm/api", "own:audit-firm/web"},
	}
	if diff := cmp.Diff(want, [][]string{kinds, ids, targets}); diff != "" {
		t.Error(diff)
	}
	sql, web, command := e.Checks[0].SQL, e.Checks[1].HTTP, e.Checks[2].Command
	if sql.Query != "SELECT id FROM invoice\nWHERE tenant_id IS NULL" || *sql.Rows != (estate.Comparison{Op: "=", Than: "0"}) {
		t.Errorf("%+v", sql)
	}
	if web.Headers[0].Secret.IsZero() || web.Headers[1].Text != "application/json" || web.TLS != "1.3" || len(web.JSON) != 2 || web.JSON[1].Is.Op != "<=" {
		t.Errorf("%+v", web)
	}
	if command.Timeout != 20*time.Second || command.Env[0].Secret.IsZero() || command.Env[1].Text != "C" {
		t.Errorf("%+v", command)
	}
	for _, name := range targets {
		if e.Declared(name) == nil {
			t.Errorf("nothing is declared of %s", name)
		}
	}
	moved := parse(t, strings.Replace(ownChecks, "checks:\n", "checks:\n\n", 1))
	slower := parse(t, strings.Replace(ownChecks, "every: 1h", "every: 90m", 1))
	other := parse(t, strings.Replace(ownChecks, "IS NULL", "= 0", 1))
	was := e.Declared("own:orphans")
	if was != moved.Declared("own:orphans") || was != slower.Declared("own:orphans") || was == other.Declared("own:orphans") {
		t.Error("what is declared of a check is what it asks, and that alone")
	}
}

func TestImportsAndWitness(t *testing.T) {
	e := parse(t, imported)
	if got := e.Imports[0].CheckID("BAK-6"); got != "import.cloud.bak_6" {
		t.Error(got)
	}
	if diff := cmp.Diff([]string{"import:cloud/111122223333", "import:cloud/444455556666"}, e.Imports[0].Targets()); diff != "" {
		t.Error(diff)
	}
	if d := e.Imports[0].Deadlines["critical"]; d != 7*24*time.Hour {
		t.Errorf("the usual deadline: %v", d)
	}
	if d, ok := e.Imports[1].Deadlines["medium"]; ok {
		t.Errorf("a deadline that was not written: %v", d)
	}
	w := e.Witnesses[0]
	if w.Cosigner != cosignerKey('c') || e.Declared("cosigned:vigie") != w.Cosigner {
		t.Errorf("cosigner read as %s", w.Cosigner)
	}
	if w.KeyText() != witnessKey || w.Every != 2*time.Minute || len(w.Targets()) != 2 || w.Targets()[0] != "reach:vigie/admin.ardoise.example:443" {
		t.Errorf("%+v %v", w, w.Targets())
	}
	for _, name := range append(e.Imports[1].Targets(), w.Targets()...) {
		if e.Declared(name) == nil {
			t.Errorf("nothing is declared of %s", name)
		}
	}
}

// TestReductionsOfDeclaredChecks changes one thing at a time and says what each takes away.
func TestReductionsOfDeclaredChecks(t *testing.T) {
	for _, c := range []struct{ source, old, new, want string }{
		{ownChecks, "every: 1h", "every: 2h", ""}, // refused: valid is too short; see below
		{ownChecks, "valid: 3h", "valid: 2h", ""},
		{ownChecks, "valid: 3h", "valid: 1d", "slowed checks.orphans.valid [3h → 1d] OWN-1 SEG-1\n"},
		{ownChecks, "every: 5m", "every: 10m", "slowed checks.status-page.every [5m → 10m] OWN-2\n"},
		{ownChecks, "every: 5m", "every: 1m", ""},
		{ownChecks, "[OWN-1, SEG-1]", "[OWN-1]", "weakened checks.orphans.measures [OWN-1, SEG-1 → OWN-1] OWN-1 SEG-1\n"},
		{ownChecks, "[OWN-1, SEG-1]", "[OWN-1, OWN-9, SEG-1]", ""},
		{ownChecks, "facts: [rows]", "facts: [rows, more]", ""},
		{ownChecks, "No row without a customer", "No orphans", ""},
		{ownChecks, "max_age: 30d", "max_age: 60d", "slowed checks.audit-firm.valid [30d → 60d] OWN-3\n"},
		{imported, `["111122223333", "444455556666"]`, `["444455556666"]`, "removed imports.cloud.expect [111122223333, 444455556666 → 444455556666] BAK-6 ENC-3\n"},
		{imported, `["111122223333", "444455556666"]`, `["111122223333", "444455556666", "777788889999"]`, ""},
		{imported, "high: 14d", "high: 15d", "weakened imports.images.deadlines [critical 3d, high 14d → critical 3d, high 15d] VUL-1\n"},
		{imported, ", high: 14d", "", "weakened imports.images.deadlines [critical 3d, high 14d → critical 3d] VUL-1\n"},
		{imported, "format: trivy", "format: trivy\n    accept_muted: true", "weakened imports.images.accept_muted [false → true] VUL-1\n"},
		{imported, "format: trivy", "format: sarif", "replaced imports.images.format [trivy → sarif] VUL-1\n"},
		{imported, "[custom_disk_encrypted]", "[custom_disk_encrypted, more]", ""},
		{imported, "every: 2m", "every: 1h", "slowed witness.vigie.every [2m → 1h] ACC-6 CRT-1 CRT-2 ENC-1 ENC-2 LOG-1 NET-1\n"},
		{imported, "[db.ardoise.example:5432, admin.ardoise.example:443]", "[db.ardoise.example:5432]",
			"removed witness.vigie.refused [admin.ardoise.example:443, db.ardoise.example:5432 → db.ardoise.example:5432] ACC-6 CRT-1 CRT-2 ENC-1 ENC-2 LOG-1 NET-1\n"},
		{imported, cosignerKey('c'), cosignerKey('d'), "identity witness.vigie.cosigner [" + cosignerKey('c') + " → " + cosignerKey('d') + "] ACC-6 CRT-1 CRT-2 ENC-1 ENC-2 LOG-1 NET-1\n"},
		{imported, "    cosigner: " + cosignerKey('c') + "\n", "", "identity witness.vigie.cosigner [" + cosignerKey('c') + " → ] ACC-6 CRT-1 CRT-2 ENC-1 ENC-2 LOG-1 NET-1\n"},
		{strings.Replace(imported, "    cosigner: "+cosignerKey('c')+"\n", "", 1), "    every: 2m", "    cosigner: " + cosignerKey('c') + "\n    every: 2m", ""},
	} {
		after, err := estate.Parse([]byte(strings.Replace(c.source, c.old, c.new, 1)), estate.Files{})
		if err != nil {
			if c.old != "every: 1h" {
				t.Errorf("%s: %v", c.new, err)
			}
			continue
		}
		before := parse(t, c.source)
		if before.Hash == after.Hash {
			t.Errorf("%s: the hash is the same", c.new)
		}
		if len(estate.Diff(before, after)) == 0 {
			t.Errorf("%s: no difference is told", c.new)
		}
		if got := brief(estate.Reductions(before, after)); got != c.want {
			t.Errorf("%s:\n got %swant %s", c.new, got, c.want)
		}
		expected := estate.Expect(before, after)
		if left := brief(estate.Reductions(before, expected)); left != "" {
			t.Errorf("%s: no longer expected: %s", c.new, left)
		}
		if back := brief(estate.Reductions(expected, before)); c.want == "" && back != "" && !strings.Contains(back, "weakened") && !strings.Contains(back, "slowed") && !strings.Contains(back, "removed") && !strings.Contains(back, "cosigner") {
			t.Errorf("%s: what is new is not expected: %s", c.new, back)
		}
	}
}

// TestOtherQuestions: whatever changes in what a check asks or takes for right is a reduction.
func TestOtherQuestions(t *testing.T) {
	before := parse(t, ownChecks)
	for old, now := range map[string]string{
		"WHERE tenant_id IS NULL":      "WHERE false",
		"{rows: 0}":                    `{rows: "<= 10"}`,
		"/health":                      "/other",
		"10.0.0.4:8443":                "10.0.0.5:8443",
		"redirects: 2":                 "redirects: 3",
		"[200, 204]":                   "[200, 204, 500]",
		"no-store":                     "no-cache",
		`load: "<= 0.9"`:               `load: "<= 9"`,
		`tls: "1.3"`:                   `tls: "1.2"`,
		"env:STATUS_TOKEN":             "env:OTHER_TOKEN",
		"[/usr/local/bin/disks, --all": "[/usr/local/bin/disks, --none",
		"timeout: 20s":                 "timeout: 21s",
		"LANG: C":                      "LANG: D",
		"file:/etc/garant/mdm":         "file:/etc/garant/none",
		"expect: [api, web]":           "expect: [api]",
		"format: json":                 "format: sarif",
	} {
		after := parse(t, strings.Replace(ownChecks, old, now, 1))
		reductions := estate.Reductions(before, after)
		if len(reductions) != 1 || reductions[0].Kind != estate.Replaced || reductions[0].From == reductions[0].To {
			t.Errorf("%s → %s: %+v", old, now, reductions)
			continue
		}
		if left := estate.Reductions(before, estate.Expect(before, after)); len(left) != 0 {
			t.Errorf("%s: no longer expected: %+v", now, left)
		}
	}
	gone := estate.Reductions(before, parse(t, company+databaseSection))
	if len(gone) != 4 || gone[0].Kind != estate.TargetRemoved || gone[0].Target != "own:audit-firm" {
		t.Errorf("all checks removed: %+v", gone)
	}
	if left := estate.Reductions(before, estate.Expect(before, parse(t, company+databaseSection))); len(left) != 0 {
		t.Errorf("no longer expected: %+v", left)
	}
}

func TestBadChecks(t *testing.T) {
	one := func(rest string) string {
		return company + databaseSection + "checks:\n  - name: a\n    measures: [OWN-1]\n    every: 1h\n    valid: 3h\n    title: {fr: a, en: a}\n" + rest
	}
	sql := func(query, expect string) string {
		return one("    sql:\n      database: production\n      query: " + query + "\n      expect: " + expect + "\n")
	}
	for source, want := range map[string]string{
		one(""): "here are 0",
		one("    sql: {database: production, query: SELECT 1, expect: {rows: 0}}\n    command: {run: [/bin/true]}\n"): "here are 2",
		sql("SELECT 1; DROP TABLE a;", "{rows: 0}"): "ends with a semicolon",
		sql("DELETE FROM a", "{rows: 0}"):           "is no question",
		sql("COMMIT", "{rows: 0}"):                  "is no question",
		sql("SELECTED", "{rows: 0}"):                "is no question",
		sql("SELECT 1", "{}"):                       "one of rows and value",
		sql("SELECT 1", `{rows: 0, value: 1}`):      "one of rows and value",
		sql("SELECT 1", `{rows: many}`):             "only a number",
		sql("SELECT 1", `{value: "<= NaN"}`):        "only numbers have an order",
		sql("SELECT 1", `{value: "< high"}`):        "only numbers have an order",
		strings.Replace(sql("SELECT 1", "{rows: 0}"), "database: production", "database: other", 1):                                        "No database of the name",
		one("    http: {url: 'ftp://a.example', expect: {status: 200}}\n"):                                                                 "not an address of the web",
		one("    http: {url: 'https://u:secret@a.example', expect: {status: 200}}\n"):                                                      "by reference",
		one("    http: {url: 'https://a.example', method: POST, expect: {status: 200}}\n"):                                                 "changes nothing",
		one("    http: {url: 'https://a.example', expect: {}}\n"):                                                                          "expect.status: The key is missing",
		one("    http: {url: 'https://a.example', expect: {status: 20}}\n"):                                                                "from 100 to 599",
		one("    http: {url: 'https://a.example', headers: {Authorization: Basic abc}, expect: {status: 200}}\n"):                          "A secret written in the file",
		one("    http: {url: 'https://a.example', headers: {Host: b}, expect: {status: 200}}\n"):                                           "belongs to the connection",
		one("    http: {url: 'https://a.example', headers: {A: 'file:rel'}, expect: {status: 200}}\n"):                                     "start at the root",
		one("    http: {url: 'http://a.example', expect: {status: 200, tls: '1.3'}}\n"):                                                    "Plain HTTP has no TLS",
		one("    http: {url: 'https://a.example', method: HEAD, expect: {status: 200, body_contains: a}}\n"):                               "has no body",
		one("    http: {url: 'https://a.example', expect: {status: 200, json: {'a..b': 1}}}\n"):                                            "is not a path",
		one("    command: {run: [true]}\n"):                                                                                                "not named from the root",
		one("    command: {run: []}\n"):                                                                                                    "The list is empty",
		one("    command: {run: [/bin/true], timeout: 1h}\n"):                                                                              "out of bounds",
		one("    command: {run: [/bin/true], env: {'A B': c}}\n"):                                                                          "not the name of an environment variable",
		one("    command: {run: [/bin/true], shell: true}\n"):                                                                              "There is no such key",
		one("    imported: {format: json, max_age: 1d}\n"):                                                                                 "no cadence of ours",
		strings.Replace(sql("SELECT 1", "{rows: 0}"), "valid: 3h", "valid: 90m", 1):                                                        "before the second look",
		strings.Replace(sql("SELECT 1", "{rows: 0}"), "[OWN-1]", "[own]", 1):                                                               "not the id of a measure",
		strings.Replace(sql("SELECT 1", "{rows: 0}"), "{fr: a, en: a}", "{fr: a}", 1):                                                      "title.en: The key is missing",
		strings.Replace(imported, "prowler", "nessus", 1):                                                                                  "not a format of reports",
		strings.Replace(imported, `["111122223333", "444455556666"]`, `[111122223333]`, 1):                                                 "is a text, not a number",
		strings.Replace(imported, "{ENC-3: [custom", "{ENC-2: [custom", 1):                                                                 "not one of the measures",
		strings.Replace(imported, "critical: 3d", "grave: 3d", 1):                                                                          "There is no such key",
		strings.Replace(imported, witnessKey, "ed25519:AAAA", 1):                                                                           "not the public key of a witness",
		strings.Replace(imported, cosignerKey('c'), "witness.example/vigie+01234567+AAAA", 1):                                              "not the key with which a witness cosigns",
		strings.Replace(imported, witnessKey, statementsKey, 1):                                                                            "cosigner: The key is that of its statements",
		imported + "  - {name: guet, key: '" + strings.Replace(witnessKey, "a2tr", "a2ts", 1) + "', cosigner: " + cosignerKey('c') + "}\n": "The key is that of the witness on line",
		strings.Replace(imported, "db.ardoise.example:5432,", "db.ardoise.example,", 1):                                                    "is not a host with a port",
	} {
		_, err := estate.Parse([]byte(source), estate.Files{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in %v of\n%s", want, err, source)
		}
		if err != nil && strings.Contains(err.Error(), "u:secret") {
			t.Errorf("shown: %v", err)
		}
	}
}

func TestComparison(t *testing.T) {
	for _, c := range []struct {
		text, value string
		holds, ok   bool
	}{
		{"0", "0", true, true}, {"= 0", "0.00", true, true}, {"<= 5", "5", true, true}, {"<= 5", "5.0001", false, true},
		{"> 5", "5", false, true}, {">= -1.5", "-1.5", true, true}, {"!= 3", "4", true, true}, {"< 10", "9", true, true},
		{"on", "on", true, true}, {"= on", "off", false, true}, {"!= off", "on", true, true},
		{"<= 5", "NaN", false, false}, {"<= 5", "Infinity", false, false}, {"<= 5", "", false, false}, {"<= 5", "1e3", false, false}, {"= 5", "five", false, false},
	} {
		parsed, ok := estate.ParseComparison(c.text)
		if !ok {
			t.Errorf("%q is not read", c.text)
			continue
		}
		if holds, ok := parsed.Holds(c.value); holds != c.holds || ok != c.ok {
			t.Errorf("%q of %q: %t %t", c.text, c.value, holds, ok)
		}
	}
	for _, bad := range []string{"", "<", "< on", "<= NaN", ">= Infinity"} {
		if _, ok := estate.ParseComparison(bad); ok {
			t.Errorf("%q is read", bad)
		}
	}
}
