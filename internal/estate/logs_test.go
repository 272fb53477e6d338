package estate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/estate"
)

const logs = company + `logs:
  - name: containers
    kind: system
    search: {url: 'https://logs.ardoise.example:9200', index: 'logs-containers-*', user: reader, password: env:LOGS_PASSWORD}
    within: 30s
    canary: {file: /var/log/canary.log, format: plain}
  - name: application
    kind: application
    search: {url: env:LOGS_URL, index: logs-app, api_key: file:/etc/garant/logs}
    field: log.original
    canary: {http: 'https://app.ardoise.example/log', token: env:TOKEN}
  - name: own
    kind: application
    search: {url: env:LOGS_URL, index: logs-garant, api_key: env:READ}
    canary: {shipper: true}
    ship:
      from: garant
      into: logs-garant
      api_key: env:WRITE
      spool_mib: 64
      redact: {fields: [applicant, iban], patterns: ['BE\d{10}']}
`

func TestLogs(t *testing.T) {
	e := parse(t, logs)
	if len(e.Logs) != 3 {
		t.Fatalf("%d logs", len(e.Logs))
	}
	c, a, o := e.Logs[0], e.Logs[1], e.Logs[2]
	if c.Measure() != "LOG-3" || a.Measure() != "LOG-4" || c.Target() != "logs:containers" || len(e.LogsOf(estate.ApplicationLog)) != 2 {
		t.Errorf("%+v", e.Logs)
	}
	if c.Within != 30*time.Second || a.Within != time.Minute || c.Field != "message" || a.Field != "log.original" || !c.Canary.Plain || c.Canary.File != "/var/log/canary.log" {
		t.Errorf("%+v %+v", c, a)
	}
	if o.Ship == nil || o.Ship.Spool != 64<<20 || o.Ship.Into != "logs-garant" || o.Ship.File != "" || len(o.Ship.Fields) != 2 || !o.Canary.Shipper || o.Ship.APIKey.IsZero() {
		t.Errorf("%+v", o.Ship)
	}
	t.Setenv("LOGS_URL", "https://logs.example")
	if where, err := a.Search.Where(); err != nil || where != "https://logs.example" {
		t.Errorf("%s %v", where, err)
	}
	if where, err := c.Search.Where(); err != nil || where != "https://logs.ardoise.example:9200" {
		t.Errorf("%s %v", where, err)
	}
	for _, l := range e.Logs {
		if e.Declared(l.Target()) == nil {
			t.Errorf("nothing is declared of %s", l.Target())
		}
	}
	if moved := parse(t, strings.Replace(logs, "logs:\n", "logs:\n\n", 1)); moved.Declared("logs:own") != e.Declared("logs:own") {
		t.Error("a line further down is another declaration")
	}
}

func TestReducedLogs(t *testing.T) {
	const app = "  - name: application\n    kind: application\n    search: {url: env:LOGS_URL, index: logs-app, api_key: file:/etc/garant/logs}\n    field: log.original\n    canary: {http: 'https://app.ardoise.example/log', token: env:TOKEN}\n"
	for _, c := range []struct{ old, now, want string }{
		{app, "", "removed logs.application [application → ] LOG-4\n"},
		{"kind: system", "kind: application", "replaced logs.containers.kind [system → application] LOG-3\n"},
		{"'logs-containers-*'", "'logs-*'", "replaced logs.containers.search "},
		{"env:LOGS_PASSWORD", "env:OTHER", "replaced logs.containers.search "},
		{"field: log.original", "field: message", "replaced logs.application.field [log.original → message] LOG-4\n"},
		{"within: 30s", "within: 31s", "weakened logs.containers.within [30s → 31s] LOG-3\n"},
		{"within: 30s", "within: 29s", ""},
		{"/var/log/canary.log", "/var/log/other.log", "replaced logs.containers.canary [plain file /var/log/canary.log → plain file /var/log/other.log] LOG-3\n"},
		{"token: env:TOKEN", "token: env:OTHER", "replaced logs.application.canary "},
		{"from: garant", "from: /var/log/a.log", "replaced logs.own.ship "},
		{"spool_mib: 64", "spool_mib: 63", "weakened logs.own.ship.spool_mib [64 MiB → 63 MiB] LOG-4\n"},
		{"spool_mib: 64", "spool_mib: 65", ""},
		{"[applicant, iban]", "[applicant]", "weakened logs.own.ship.redact "},
		{"[applicant, iban]", "[applicant, iban, phone]", ""},
		{`redact: {fields: [applicant, iban], patterns: ['BE\d{10}']}`, "", "weakened logs.own.ship.redact "},
	} {
		before, after := parse(t, logs), parse(t, strings.Replace(logs, c.old, c.now, 1))
		got := brief(estate.Reductions(before, after))
		if c.want == "" && got != "" || !strings.HasPrefix(got, c.want) || strings.Count(got, "\n") > 1 {
			t.Errorf("%s → %s:\n got %swant %s", c.old, c.now, got, c.want)
		}
		if len(estate.Diff(before, after)) == 0 || before.Hash == after.Hash {
			t.Errorf("%s: no difference is told", c.now)
		}
		if left := brief(estate.Reductions(before, estate.Expect(before, after))); left != "" {
			t.Errorf("%s: no longer expected: %s", c.now, left)
		}
	}
	if gone := estate.Reductions(parse(t, logs), parse(t, company)); len(gone) != 3 || gone[0].Target != "logs:application" {
		t.Errorf("all removed: %+v", gone)
	}
}

func TestBadLogs(t *testing.T) {
	const search = "{url: 'https://a.example', index: logs, api_key: env:K}"
	one := func(search, rest string) string {
		return company + "logs:\n  - name: a\n    kind: system\n    search: " + search + "\n" + rest
	}
	const file = "    canary: {file: /a.log}\n"
	for source, want := range map[string]string{
		one(search, ""):                 "canary: The key is missing",
		one(search, "    canary: {}\n"): "here are 0",
		one(search, "    canary: {file: /a.log, http: 'https://a.example'}\n"):                                         "here are 2",
		one(search, "    canary: {file: a.log}\n"):                                                                     "not named from the root",
		one(search, "    canary: {file: /a.log, format: xml}\n"):                                                       "is not a format of lines",
		one(search, "    canary: {http: 'https://a.example', format: json}\n"):                                         "No file is written here",
		one(search, "    canary: {file: /a.log, token: env:T}\n"):                                                      "No address is called here",
		one(search, "    canary: {http: 'http://app.example/log', token: env:T}\n"):                                    "reads the token",
		one(search, "    canary: {http: 'https://app.example/log', token: hunter2}\n"):                                 "written in the file",
		one(search, "    canary: {shipper: true}\n"):                                                                   "Garant does not ship this log",
		one(search, "    canary: {shipper: false}\n"):                                                                  "no line is written",
		one(search, "    canary: {command: [/bin/logger]}\n"):                                                          "no such key",
		one(search, file+"    within: 10m\n"):                                                                          "out of bounds",
		one(search, file+"    field: 'a b'\n"):                                                                         "not the name of a field",
		one("{url: 'http://logs.example', index: logs, api_key: env:K}", file):                                         "Over plain HTTP",
		one("{url: 'https://u:hunter2@a.example', index: logs, api_key: env:K}", file):                                 "by reference",
		one("{url: 'https://a.example', index: '*', api_key: env:K}", file):                                            "every index there is",
		one("{url: 'https://a.example', index: _all, api_key: env:K}", file):                                           "every index there is",
		one("{url: 'https://a.example', index: 'A b', api_key: env:K}", file):                                          "not the name of an index",
		one("{url: 'https://a.example', index: logs}", file):                                                           "Nobody signs in",
		one("{url: 'https://a.example', index: logs, user: a}", file):                                                  "belong together",
		one("{url: 'https://a.example', index: logs, user: a, password: env:P, api_key: env:K}", file):                 "two ways to sign in",
		one("{url: 'https://a.example', index: logs, api_key: 'file:rel'}", file):                                      "start at the root",
		one("{url: 'https://a.example', index: logs, api_key: hunter2}", file):                                         "written in the file",
		one(search, file+"    ship: {from: garant, into: 'logs-*'}\n"):                                                 "not the name of an index",
		one(search, file+"    ship: {from: a.log, into: logs}\n"):                                                      "not named from the root",
		one(search, file+"    ship: {from: garant, into: logs, spool_mib: 0}\n"):                                       "from 1 to",
		one(search, file+"    ship: {from: garant, into: logs, redact: {patterns: ['(']}}\n"):                          "not a regular expression",
		one(search, file+"    ship: {from: garant, into: logs, redact: {patterns: ['a*']}}\n"):                         "matches a text of nothing",
		one(search, file+"    ship: {from: garant, into: logs, redact: {fields: [a, a]}}\n"):                           "listed twice",
		one(search, file+"  - name: a\n    kind: system\n    search: "+search+"\n"+file):                               "is taken by the log",
		strings.Replace(logs, "token: env:TOKEN}\n", "token: env:TOKEN}\n    ship: {from: garant, into: logs-x}\n", 1): "ships the same",
		strings.Replace(one(search, file), "kind: system", "kind: audit", 1):                                           "not a kind of log",
	} {
		_, err := estate.Parse([]byte(source), estate.Files{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in %v of\n%s", want, err, source)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("shown: %v", err)
		}
	}
	for address, safe := range map[string]bool{"https://a.example": true, "http://127.0.0.1:9200": true, "http://[::1]:9200": true, "http://localhost": true, "http://a.example": false, "http://127.0.0.1.a.example": false, "ftp://127.0.0.1": false} {
		if estate.SafeAddress(address) != safe {
			t.Errorf("%s: safe %t", address, !safe)
		}
	}
}
