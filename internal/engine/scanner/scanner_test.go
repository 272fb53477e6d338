package scanner

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
	"github.com/garant-project/garant/internal/web"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

const header = `company: {name: Ardoise, country: BE, languages: [fr, en], time_zone: Europe/Brussels, contact: dpo@ardoise.example}
imports:
`

const twoAccounts = "    expect: ['111122223333', '444455556666']\n    max_age: 366d\n"

const declared = header + `  - name: cloud
    format: prowler
    measures: [ENC-3, BAK-6]
` + twoAccounts + `  - name: pipe
    format: steampipe
    measures: [ENC-3]
` + twoAccounts + `  - name: image
    format: trivy
    measures: [VUL-1]
    expect: [registry.example/app]
    max_age: 366d
  - name: code
    format: sarif
    measures: [CHG-1]
    mapping: {CHG-1: [no-plain-secrets]}
    expect: [https://code.example/app]
    max_age: 366d
checks:
  - name: office
    measures: [OWN-1]
    title: {fr: Armoires fermées, en: Cabinets are locked}
    imported: {format: json, expect: [brussels, lille], max_age: 366d}
`

var (
	lead = actor.Actor{Kind: actor.Person, ID: "019b0000-0000-7000-8000-000000000001", Role: actor.Lead, Permissions: actor.Lead.Permissions()}
	// now is after the reports of testdata were made.
	now = time.Date(2026, 1, 3, 0, 0, 0, 0, time.UTC)
)

// world is an importer over a real database, with its clock at now.
type world struct {
	*Importer
	runner  *measure.Runner
	version int64
	estate  *estate.Estate
}

func newWorld(t testing.TB, source string) *world {
	t.Helper()
	e, err := estate.Parse([]byte(source), nil)
	if err != nil {
		t.Fatal(err)
	}
	cat, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	reg, err := measure.NewRegistry(cat, New())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{estate: e, version: 1}
	w.runner = &measure.Runner{Registry: reg, DB: pgtest.New(t), Build: "test", Now: time.Now, Log: slog.New(slog.DiscardHandler),
		View: func(context.Context) (measure.View, error) {
			effective, err := reg.For(cat, w.estate)
			return measure.View{Estate: w.estate, Version: w.version, Registry: effective}, err
		}}
	w.Importer = &Importer{Receiver: w.runner, Now: func() time.Time { return now }}
	return w
}

func testdata(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (w *world) take(t testing.TB, name string, report []byte, given time.Time) map[string]measure.Finding {
	t.Helper()
	results, err := w.Import(context.Background(), lead, name, bytes.NewReader(report), given)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	findings := map[string]measure.Finding{}
	for _, r := range results {
		findings[r.Check.ID] = r.Finding
	}
	return findings
}

// TestSoundReports: every format, over a scope that is whole, passes with its own age and source.
func TestSoundReports(t *testing.T) {
	given := now.Add(-time.Hour)
	for _, c := range []struct {
		name, file, check, tool string
		given, at               time.Time
		scope                   int
	}{
		{"cloud", "prowler-ocsf.json", "import.cloud.enc_3", "Prowler 5.2.0, sha256:", time.Time{}, time.Unix(1767312000, 0), 2},
		{"cloud", "prowler-ocsf.json", "import.cloud.bak_6", "Prowler 5.2.0, sha256:", time.Time{}, time.Unix(1767312000, 0), 2},
		{"cloud", "prowler.csv", "import.cloud.enc_3", "Prowler 5.2.0, sha256:", time.Time{}, time.Date(2026, 1, 1, 10, 0, 0, 123456000, time.UTC), 2},
		{"cloud", "prowler3.json", "import.cloud.bak_6", "Prowler, sha256:", time.Time{}, time.Date(2026, 1, 1, 10, 0, 0, 123456000, time.UTC), 2},
		{"image", "trivy.json", "import.image.vul_1", "Trivy, sha256:", time.Time{}, time.Date(2026, 1, 1, 23, 0, 0, 500000000, time.UTC), 1},
		{"pipe", "powerpipe.json", "import.pipe.enc_3", "Powerpipe, sha256:", given, given, 2},
		{"code", "scan.sarif", "import.code.chg_1", "Linter (example) 3.1.0, sha256:", time.Time{}, time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), 1},
		{"office", "plain.json", "own.office", "Audit of the office (example) 7, sha256:", time.Time{}, time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), 2},
	} {
		t.Run(c.file+" "+c.check, func(t *testing.T) {
			w := newWorld(t, declared)
			report := testdata(t, c.file)
			f := w.take(t, c.name, report, c.given)[c.check]
			if f.Outcome != measure.Pass || len(f.Scope) != c.scope || len(f.Failed) != 0 {
				t.Fatalf("%s %v %+v %s", f.Outcome, f.Scope, f.Failed, f.Raw)
			}
			sum := sha256.Sum256(report)
			if !strings.HasPrefix(f.Source, c.tool) || !strings.Contains(f.Source, hex.EncodeToString(sum[:])) {
				t.Errorf("source %q", f.Source)
			}
			current, err := measure.LoadCurrent(context.Background(), w.runner.DB.Pool(pg.Staff))
			if err != nil {
				t.Fatal(err)
			}
			if got := current[c.check].ObservedAt; !got.Equal(c.at) {
				t.Errorf("observed at %v, want %v", got, c.at)
			}
			if marked := strings.Contains(f.Source, "(time: given)"); marked == c.given.IsZero() {
				t.Errorf("source %q", f.Source)
			}
			if zoneless := strings.Contains(f.Source, "without zone"); zoneless != (strings.HasSuffix(c.file, ".csv") || c.file == "prowler3.json") {
				t.Errorf("source %q", f.Source)
			}
		})
	}
}

// TestFaults breaks one thing of a sound report at a time.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		fault, name, file, check string
		old, now                 string
		want                     measure.Outcome
		item                     measure.Item // target and problem
	}{
		{"a volume in the open", "cloud", "prowler-ocsf.json", "import.cloud.enc_3", `"status_code": "PASS"`, `"status_code": "FAIL"`, measure.Fail,
			measure.Item{Target: "import:cloud/111122223333", Problem: ProblemFailed}},
		{"a snapshot in the open", "cloud", "prowler.csv", "import.cloud.bak_6", `ec2_ebs_snapshots_encrypted;PASS`, `ec2_ebs_snapshots_encrypted;FAIL`, measure.Fail,
			measure.Item{Target: "import:cloud/111122223333", Problem: ProblemFailed}},
		{"a failure in an account that is not declared", "cloud", "prowler.csv", "import.cloud.bak_6", "profile;2026-01-02 00:00:06.123456;111122223333;ec2_ebs_snapshots_encrypted;PASS",
			"profile;2026-01-02 00:00:06.123456;999;ec2_ebs_snapshots_encrypted;FAIL;x;False;low;s;r;5\nprofile;2026-01-02 00:00:06.123456;111122223333;ec2_ebs_snapshots_encrypted;PASS", measure.Fail,
			measure.Item{Target: "import:cloud/999", Problem: ProblemFailed}},
		{"an account is missing", "cloud", "prowler-ocsf.json", "import.cloud.enc_3", `"uid": "444455556666"`, `"uid": "777788889999"`, measure.Error,
			measure.Item{Target: "import:cloud/444455556666", Problem: ProblemNoResults}},
		{"only skipped results in an account", "pipe", "powerpipe.json", "import.pipe.enc_3", `"resource": "arn:aws:ec2:eu-west-1:444455556666:volume/vol-2", "status": "ok"`, `"resource": "arn:aws:ec2:eu-west-1:444455556666:volume/vol-2", "status": "skip"`, measure.Error,
			measure.Item{Target: "import:pipe/444455556666", Problem: ProblemNoResults}},
		{"the tool could not tell", "cloud", "prowler-ocsf.json", "import.cloud.enc_3", `"status_code": "PASS"`, `"status_code": "MANUAL"`, measure.Error,
			measure.Item{Target: "import:cloud/111122223333", Problem: ProblemUndecided}},
		{"an unknown status", "cloud", "prowler.csv", "import.cloud.enc_3", `ec2_ebs_volume_encryption;PASS`, `ec2_ebs_volume_encryption;GREEN`, measure.Error,
			measure.Item{Target: "import:cloud/111122223333", Problem: ProblemUndecided}},
		{"a failure that was muted", "cloud", "prowler-ocsf.json", "import.cloud.enc_3", `"status": "New", "status_id": 1, "status_code": "PASS"`, `"status": "Suppressed", "status_id": 3, "status_code": "FAIL"`, measure.Error,
			measure.Item{Target: "import:cloud/111122223333", Problem: ProblemMuted}},
		{"a failure that was muted, in CSV", "cloud", "prowler.csv", "import.cloud.enc_3", "ec2_ebs_volume_encryption;PASS;Volume vol-1 is encrypted.;False", "ec2_ebs_volume_encryption;FAIL;Volume vol-1 is not.;True", measure.Error,
			measure.Item{Target: "import:cloud/111122223333", Problem: ProblemMuted}},
		{"a pass that was muted is no pass", "cloud", "prowler-ocsf.json", "import.cloud.enc_3", `"status": "New", "status_id": 1, "status_code": "PASS"`, `"status": "Suppressed", "status_id": 3, "status_code": "PASS"`, measure.Error,
			measure.Item{Target: "import:cloud/111122223333", Problem: ProblemNoResults}},
		{"a control that broke", "pipe", "powerpipe.json", "import.pipe.enc_3", `"run_status": 4, "run_error": ""`, `"run_status": 8, "run_error": "no credentials"`, measure.Error,
			measure.Item{Target: "import:pipe", Problem: ProblemUndecided}},
		{"an alarm", "pipe", "powerpipe.json", "import.pipe.enc_3", `"status": "ok"`, `"status": "alarm"`, measure.Fail,
			measure.Item{Target: "import:pipe/111122223333", Problem: ProblemFailed}},
		{"a vulnerability past its deadline", "image", "trivy.json", "import.image.vul_1", "2025-12-20T10:00:00Z", "2025-11-20T10:00:00Z", measure.Fail,
			measure.Item{Target: "import:image/registry.example/app", Problem: ProblemOverdue}},
		{"a grave one past its deadline", "image", "trivy.json", "import.image.vul_1", `"HIGH"`, `"CRITICAL"`, measure.Fail,
			measure.Item{Target: "import:image/registry.example/app", Problem: ProblemOverdue}},
		{"one of unknown severity", "image", "trivy.json", "import.image.vul_1", `"HIGH"`, `"UNKNOWN"`, measure.Fail,
			measure.Item{Target: "import:image/registry.example/app", Problem: ProblemOverdue}},
		{"one without a date", "image", "trivy.json", "import.image.vul_1", `, "PublishedDate": "2025-12-20T10:00:00Z"`, ``, measure.Fail,
			measure.Item{Target: "import:image/registry.example/app", Problem: ProblemUndated}},
		{"one that was overlooked on purpose", "image", "trivy.json", "import.image.vul_1", `"Type": "npm"`,
			`"Type": "npm", "ExperimentalModifiedFindings": [{"Type": "vulnerability", "Status": "ignored", "Finding": {"VulnerabilityID": "CVE-0000-0009", "PkgName": "x", "Severity": "HIGH"}}]`, measure.Error,
			measure.Item{Target: "import:image/registry.example/app", Problem: ProblemMuted}},
		{"another image", "image", "trivy.json", "import.image.vul_1", "registry.example/app", "registry.example/other", measure.Error,
			measure.Item{Target: "import:image/registry.example/app", Problem: ProblemNoResults}},
		{"no packages were looked through", "image", "trivy.json", "import.image.vul_1", `"Results": [`, `"Other": [`, measure.Error,
			measure.Item{Target: "import:image/registry.example/app", Problem: ProblemNoResults}},
		{"a rule that found something", "code", "scan.sarif", "import.code.chg_1", `"ruleId": "no-eval"`, `"ruleId": "no-plain-secrets"`, measure.Fail,
			measure.Item{Target: "import:code/https://code.example/app", Problem: ProblemFailed}},
		{"a rule named by its index", "code", "scan.sarif", "import.code.chg_1", `"ruleId": "no-eval"`, `"ruleIndex": 0`, measure.Fail,
			measure.Item{Target: "import:code/https://code.example/app", Problem: ProblemFailed}},
		{"a run that did not end well", "code", "scan.sarif", "import.code.chg_1", `"executionSuccessful": true`, `"executionSuccessful": false`, measure.Error,
			measure.Item{Target: "import:code/https://code.example/app", Problem: ProblemUndecided}},
		{"a rule that did not run", "code", "scan.sarif", "import.code.chg_1", `{"id": "no-plain-secrets"}`, `{"id": "other"}`, measure.Error,
			measure.Item{Target: "import:code/https://code.example/app", Problem: ProblemNoResults}},
		{"a tool that did not look", "code", "scan.sarif", "import.code.chg_1", `"results": [`, `"taxonomies": [`, measure.Error,
			measure.Item{Target: "import:code/https://code.example/app", Problem: ProblemUndecided}},
		{"a suppressed result", "code", "scan.sarif", "import.code.chg_1", `"ruleId": "no-eval",`, `"ruleId": "no-plain-secrets", "suppressions": [{"kind": "external"}],`, measure.Error,
			measure.Item{Target: "import:code/https://code.example/app", Problem: ProblemMuted}},
		{"a suppression that was not accepted", "code", "scan.sarif", "import.code.chg_1", `"ruleId": "no-eval",`, `"ruleId": "no-plain-secrets", "suppressions": [{"kind": "external", "status": "underReview"}],`, measure.Fail,
			measure.Item{Target: "import:code/https://code.example/app", Problem: ProblemFailed}},
		{"a cabinet that is open", "office", "plain.json", "own.office", `"item": "cabinet 2", "status": "pass"`, `"item": "cabinet 2", "status": "fail"`, measure.Fail,
			measure.Item{Target: "own:office/lille", Problem: ProblemFailed}},
		{"an error", "office", "plain.json", "own.office", `"item": "cabinet 2", "status": "pass"`, `"item": "cabinet 2", "status": "error"`, measure.Error,
			measure.Item{Target: "own:office/lille", Problem: ProblemUndecided}},
		{"an overdue vulnerability", "office", "plain.json", "own.office", "2025-12-31T00:00:00Z", "2025-01-31T00:00:00Z", measure.Fail,
			measure.Item{Target: "own:office/brussels", Problem: ProblemOverdue}},
	} {
		t.Run(c.fault, func(t *testing.T) {
			w := newWorld(t, declared)
			sound := string(testdata(t, c.file))
			report := strings.Replace(sound, c.old, c.now, 1)
			if c.old == "registry.example/app" {
				report = strings.ReplaceAll(sound, c.old, c.now)
			}
			if report == sound {
				t.Fatal("nothing is broken")
			}
			given := time.Time{}
			if c.name == "pipe" {
				given = now.Add(-2 * time.Hour)
			}
			f := w.take(t, c.name, []byte(report), given)[c.check]
			if f.Outcome != c.want {
				t.Errorf("outcome %s, want %s: %+v %s", f.Outcome, c.want, f.Failed, f.Raw)
			}
			if !slices.ContainsFunc(f.Failed, func(i measure.Item) bool { return i.Target == c.item.Target && i.Problem == c.item.Problem }) {
				t.Errorf("no item names %s: %s; %+v", c.item.Target, c.item.Problem, f.Failed)
			}
		})
	}
}

func TestNoRelevantResults(t *testing.T) {
	w := newWorld(t, declared)
	for id, f := range w.take(t, "cloud", []byte(`[]`), now) {
		if f.Outcome != measure.Error || len(f.Scope) != 0 || len(f.Failed) != 2 {
			t.Errorf("%s of an empty report: %+v", id, f)
		}
	}
}

func TestAcceptMuted(t *testing.T) {
	report := []byte(strings.Replace(string(testdata(t, "prowler-ocsf.json")), `"status": "New", "status_id": 1, "status_code": "PASS"`, `"status": "Suppressed", "status_id": 3, "status_code": "FAIL"`, 1))
	more := strings.Replace(string(testdata(t, "prowler-ocsf.json")), "[\n", "", 1)
	report = append(report[:bytes.LastIndexByte(report, ']')], []byte(","+more)...)
	w := newWorld(t, strings.Replace(declared, "format: prowler", "format: prowler\n    accept_muted: true", 1))
	f := w.take(t, "cloud", report, time.Time{})["import.cloud.enc_3"]
	if f.Outcome != measure.Pass || !strings.Contains(string(f.Raw), `"muted":1`) {
		t.Errorf("%s %+v %s", f.Outcome, f.Failed, f.Raw)
	}
	f = newWorld(t, declared).take(t, "cloud", report, time.Time{})["import.cloud.enc_3"]
	if f.Outcome != measure.Error {
		t.Errorf("without leave: %+v", f)
	}
}

func TestTimes(t *testing.T) {
	w := newWorld(t, declared)
	ctx := context.Background()
	report := testdata(t, "prowler-ocsf.json")
	refused := func(what, name string, report []byte, given time.Time, id string) {
		t.Helper()
		before, err := measure.LoadCurrent(ctx, w.runner.DB.Pool(pg.Staff))
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Import(ctx, lead, name, bytes.NewReader(report), given)
		var e *errs.Error
		if !errors.As(err, &e) || e.ID != id {
			t.Errorf("%s: %v, want %s", what, err, id)
		}
		after, err := measure.LoadCurrent(ctx, w.runner.DB.Pool(pg.Staff))
		if err != nil || len(after) != len(before) {
			t.Errorf("%s: something was stored (%v)", what, err)
		}
	}
	refused("no time", "pipe", testdata(t, "powerpipe.json"), time.Time{}, "scanner.no_time")
	refused("two times", "cloud", report, now, "scanner.two_times")
	future := bytes.ReplaceAll(report, []byte(`"time": 17673`), []byte(`"time": 97673`))
	refused("the future", "cloud", future, time.Time{}, "measure.future")
	refused("another name", "nothing", report, time.Time{}, "scanner.no_import")
	w.take(t, "cloud", report, time.Time{})
	refused("the same again", "cloud", report, time.Time{}, "measure.not_newer")
	older := bytes.ReplaceAll(report, []byte(`"time": 1767312000`), []byte(`"time": 1767311000`))
	refused("an older one", "cloud", older, time.Time{}, "measure.not_newer")
	w.version++ // another estate: the same report may be held to it
	w.take(t, "cloud", report, time.Time{})
	millis := bytes.ReplaceAll(report, []byte(`"time": 17673120`), []byte(`"time": 17673120000`))
	millis = bytes.ReplaceAll(millis, []byte(`"time": 1767312000000,`), []byte(`"time": 1767312005000,`))
	w.take(t, "cloud", bytes.ReplaceAll(millis, []byte(`"time": 17673120000`), []byte(`"time": 17673120050`)), time.Time{})
}

// TestBrokenOff: a report of which one measure was stored when the server was killed is sent again for the others.
func TestBrokenOff(t *testing.T) {
	w := newWorld(t, declared)
	ctx, report := context.Background(), testdata(t, "prowler-ocsf.json")
	w.Receiver = &killed{Receiver: w.runner, after: 1}
	if _, err := w.Import(ctx, lead, "cloud", bytes.NewReader(report), time.Time{}); err == nil {
		t.Fatal("it was not killed")
	}
	w.Receiver = w.runner
	if f := w.take(t, "cloud", report, time.Time{}); len(f) != 1 || f["import.cloud.enc_3"].Outcome != measure.Pass {
		t.Errorf("%+v", f)
	}
	if _, err := w.Import(ctx, lead, "cloud", bytes.NewReader(report), time.Time{}); !errs.Is(err, errs.Conflict) {
		t.Errorf("the same again: %v", err)
	}
}

// killed stores some findings and no more.
type killed struct {
	Receiver
	after int
}

func (k *killed) Receive(ctx context.Context, by actor.Actor, id string, f measure.Finding, at time.Time) (measure.Result, error) {
	if k.after--; k.after < 0 {
		return measure.Result{}, context.Canceled
	}
	return k.Receiver.Receive(ctx, by, id, f, at)
}

func TestWhoMayNot(t *testing.T) {
	w := newWorld(t, declared)
	reader := actor.Actor{Kind: actor.Person, ID: "019b0000-0000-7000-8000-000000000002", Role: actor.Reader, Permissions: actor.Reader.Permissions()}
	unread := io.MultiReader(readFails{t})
	if _, err := w.Import(context.Background(), reader, "cloud", unread, time.Time{}); !errs.Is(err, errs.Denied) {
		t.Errorf("%v", err)
	}
	var rows int
	if err := w.runner.DB.Pool(pg.Staff).QueryRow(context.Background(), "SELECT count(*) FROM audit.entry WHERE action = 'evidence.received'").Scan(&rows); err != nil || rows != 1 {
		t.Errorf("%d refusals in the record (%v)", rows, err)
	}
}

type readFails struct{ t testing.TB }

func (r readFails) Read([]byte) (int, error) { r.t.Error("the report was read"); return 0, io.EOF }

// TestHostileReports: what cannot be read to its end stores nothing.
func TestHostileReports(t *testing.T) {
	w := newWorld(t, declared)
	deep := strings.Repeat(`{"groups": [`, 5000)
	for what, c := range map[string]struct{ name, text string }{
		"nothing":                  {"cloud", ""},
		"half of it":               {"cloud", string(testdata(t, "prowler-ocsf.json")[:900])},
		"more behind it":           {"cloud", string(testdata(t, "prowler-ocsf.json")) + "[]"},
		"a page":                   {"cloud", "<html></html>"},
		"another array":            {"cloud", `[{"a": 1}]`},
		"another format":           {"cloud", string(testdata(t, "trivy.json"))},
		"a CSV without columns":    {"cloud", "A;B\n1;2\n"},
		"a CSV with a short row":   {"cloud", "CHECK_ID;STATUS\n1\n"},
		"an object":                {"pipe", `{}`},
		"groups without end":       {"pipe", deep},
		"an old schema":            {"image", strings.Replace(string(testdata(t, "trivy.json")), `"SchemaVersion": 2`, `"SchemaVersion": 1`, 1)},
		"SARIF of another version": {"code", strings.Replace(string(testdata(t, "scan.sarif")), `"version": "2.1.0"`, `"version": "1.0.0"`, 1)},
		"an unknown status":        {"office", strings.Replace(string(testdata(t, "plain.json")), `"status": "pass"`, `"status": "ok"`, 1)},
		"an unknown member":        {"office", strings.Replace(string(testdata(t, "plain.json")), `"tool"`, `"tools"`, 1)},
		"a number that is none":    {"office", strings.Replace(string(testdata(t, "plain.json")), `"published": "2025-12-31T00:00:00Z"`, `"published": NaN`, 1)},
		"a date that is none":      {"office", strings.Replace(string(testdata(t, "plain.json")), `2026-01-02T00:00:00Z`, `yesterday`, 1)},
	} {
		_, err := w.Import(context.Background(), lead, c.name, strings.NewReader(c.text), time.Time{})
		var e *errs.Error
		if !errors.As(err, &e) || e.ID != "scanner.unreadable" {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := w.Import(context.Background(), lead, "cloud", io.MultiReader(strings.NewReader("["), breaks{}), time.Time{})
	if !errs.Is(err, errs.Unavailable) {
		t.Errorf("a report that breaks off: %v", err)
	}
	current, err := measure.LoadCurrent(context.Background(), w.runner.DB.Pool(pg.Staff))
	if err != nil || len(current) != 0 {
		t.Errorf("something was stored: %v %v", current, err)
	}
}

// TestSARIFNamesOfRules: a failed result counts against the rule that it is of, however it is named: by a part of the
// rule (SARIF 2.1.0 §3.27.5, §3.52.4), or by its place in an extension (§3.52.5 to §3.52.7). One that names no rule of
// the report makes it unreadable: nobody could tell what it is of.
func TestSARIFNamesOfRules(t *testing.T) {
	report := func(result string) string {
		return `{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "Linter", "rules": [{"id": "other"}]},
			"extensions": [{"name": "Pack", "guid": "5e1f0000-0000-4000-8000-000000000000", "rules": [{"id": "first"}, {"id": "no-plain-secrets"}]}]},
			"invocations": [{"executionSuccessful": true, "startTimeUtc": "2026-01-02T00:00:00Z"}], "versionControlProvenance": [{"repositoryUri": "https://code.example/app"}],
			"results": [` + result + `]}]}`
	}
	for what, c := range map[string]struct {
		result string
		want   measure.Outcome // "": unreadable
	}{
		"nothing found":             {``, measure.Pass},
		"another rule":              {`{"ruleId": "first"}`, measure.Pass},
		"by its id":                 {`{"ruleId": "no-plain-secrets"}`, measure.Fail},
		"a part of it":              {`{"ruleId": "no-plain-secrets/tokens"}`, measure.Fail},
		"by its place":              {`{"rule": {"index": 1, "toolComponent": {"index": 0}}}`, measure.Fail},
		"by its place, and a part":  {`{"ruleId": "no-plain-secrets/tokens", "rule": {"index": 1, "toolComponent": {"index": 0}}}`, measure.Fail},
		"by the name of the pack":   {`{"rule": {"index": 1, "toolComponent": {"name": "Pack"}}}`, measure.Fail},
		"by the guid of the pack":   {`{"rule": {"index": 1, "toolComponent": {"guid": "5E1F0000-0000-4000-8000-000000000000"}}}`, measure.Fail},
		"a place that is not there": {`{"ruleIndex": 7}`, ""},
		"a pack that is not there":  {`{"rule": {"index": 1, "toolComponent": {"index": 3}}}`, ""},
		"nothing at all":            {`{"message": {"text": "a token"}}`, ""},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t, declared)
			results, err := w.Import(context.Background(), lead, "code", strings.NewReader(report(c.result)), time.Time{})
			if c.want == "" {
				var e *errs.Error
				if !errors.As(err, &e) || e.ID != "scanner.unreadable" {
					t.Errorf("%v, %+v", err, results)
				}
				return
			}
			if err != nil || results[0].Finding.Outcome != c.want {
				t.Errorf("%v, %+v", err, results)
			}
		})
	}
}

// TestVulnerabilityOfTheFuture: one that is said to be published in the future is not in time until then.
func TestVulnerabilityOfTheFuture(t *testing.T) {
	w := newWorld(t, declared)
	report := strings.ReplaceAll(string(testdata(t, "trivy.json")), `"PublishedDate": "2025-`, `"PublishedDate": "2099-`)
	if f := w.take(t, "image", []byte(report), time.Time{})["import.image.vul_1"]; f.Outcome != measure.Fail {
		t.Errorf("%s %+v", f.Outcome, f.Failed)
	}
}

// TestHollowReports: a report of millions of results that hold nothing is refused before it fills the memory.
func TestHollowReports(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const size = 60 << 20
	for what, c := range map[string]struct{ name, head, each string }{
		"SARIF":          {"code", `{"version": "2.1.0", "runs": [{"results": [`, "{},"},
		"rules of SARIF": {"code", `{"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "x", "rules": [`, "{},"},
		"Trivy":          {"image", `{"SchemaVersion": 2, "ArtifactName": "a", "Results": [{"Class": "os-pkgs", "Vulnerabilities": [`, "{},"},
		"tags of Trivy":  {"image", `{"SchemaVersion": 2, "ArtifactName": "a", "Metadata": {"RepoTags": [`, `"",`},
		"Powerpipe":      {"pipe", `{"controls": [{"control_id": "a", "results": [`, "{},"},
		"Prowler":        {"cloud", `[{"resources": [`, "{},"},
		"lists in lists": {"code", `{"version": "2.1.0", "x": `, "["},
	} {
		var e *errs.Error
		w := newWorld(t, declared)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := w.Import(context.Background(), lead, c.name, io.MultiReader(strings.NewReader(c.head), &repeat{text: c.each, left: size}), now)
		runtime.ReadMemStats(&after)
		if !errors.As(err, &e) || e.ID != "scanner.unreadable" {
			t.Errorf("%s: %v", what, err)
		}
		if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 1500 { // 7,000 and more without the bounds
			t.Errorf("%s: %d MiB were allocated", what, used)
		} else {
			t.Logf("%s: %d MiB", what, used)
		}
	}
}

type breaks struct{}

func (breaks) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestLargeReports: as many results as a large company has are weighed, the finding stays small, and what
// is larger than the limit is refused.
func TestLargeReports(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, declared)
	row := strings.Split(string(testdata(t, "prowler.csv")), "\n")
	var b bytes.Buffer
	b.WriteString(row[0] + "\n")
	for i := range 200_000 {
		fmt.Fprintf(&b, "profile;2026-01-02 00:00:01;%012d;ec2_ebs_volume_encryption;FAIL;Volume vol-%d is not encrypted;False;medium;vol-%d;eu-west-1;5.2.0\n", i%5000, i, i)
	}
	f := w.take(t, "cloud", b.Bytes(), time.Time{})["import.cloud.enc_3"]
	if f.Outcome != measure.Fail || len(f.Failed) > maxItems+10 || len(f.Raw) > maxRaw || !strings.Contains(string(f.Raw), `"failed":200000`) {
		t.Errorf("%s %d items %d bytes", f.Outcome, len(f.Failed), len(f.Raw))
	}
	endless := io.MultiReader(strings.NewReader(row[0]+"\n"), &repeat{text: row[1] + "\n", left: MaxReport + 1000})
	_, err := w.Import(context.Background(), lead, "cloud", endless, time.Time{})
	var e *errs.Error
	if !errors.As(err, &e) || e.ID != "scanner.too_large" {
		t.Errorf("%v", err)
	}
}

type repeat struct {
	text string
	left int
	at   int
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, io.EOF
	}
	n := copy(p, r.text[r.at:])
	r.at = (r.at + n) % len(r.text)
	r.left -= n
	return n, nil
}

func FuzzReports(f *testing.F) {
	for _, name := range []string{"prowler-ocsf.json", "prowler.csv", "prowler3.json", "trivy.json", "powerpipe.json", "scan.sarif", "plain.json"} {
		f.Add(testdata(f, name))
	}
	all := readers()
	f.Fuzz(func(_ *testing.T, report []byte) {
		for _, read := range all {
			_ = read(bytes.NewReader(report), &Head{}, func(Result) {})
		}
	})
}

func TestMappingAndMessages(t *testing.T) {
	m, err := loadMapping()
	if err != nil {
		t.Fatal(err)
	}
	cat, err := catalogue.Load()
	if err != nil {
		t.Fatal(err)
	}
	for id, formats := range m {
		if _, ok := cat.Measure(id); !ok {
			t.Errorf("the catalogue has no measure %s", id)
		}
		for format, ids := range formats {
			if readers()[format] == nil || len(ids) == 0 {
				t.Errorf("%s: nothing reads %s, or nothing is mapped", id, format)
			}
		}
	}
	for _, format := range estate.ReportFormats() {
		if readers()[format] == nil {
			t.Errorf("nothing reads %s", format)
		}
	}
	for _, lang := range []string{"fr", "en"} {
		words := map[string]string{}
		if err := yaml.Unmarshal(Messages()[lang], &words); err != nil {
			t.Fatal(err)
		}
		for _, p := range Problems() {
			if words[p] == "" || words[p+".fix"] == "" {
				t.Errorf("%s has no words for %s", lang, p)
			}
		}
		for id, text := range words {
			if !strings.HasSuffix(text, ".") || strings.Contains(text, "'") {
				t.Errorf("%s %s: %q", lang, id, text)
			}
		}
	}
}

// bearer lets in who has a token.
type bearer map[string]actor.Actor

func (b bearer) Authenticate(r *http.Request) (actor.Actor, error) {
	if who, ok := b[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]; ok {
		return who, nil
	}
	return actor.Anonymous(""), nil
}

// TestAPI sends reports as programs do.
func TestAPI(t *testing.T) {
	w := newWorld(t, declared)
	api := web.NewAPI("Garant", "test")
	w.AddAPI(api)
	site, err := web.NewSite(web.Config{Name: "console", Hosts: []string{"127.0.0.1"}, Routes: api.Routes(), Languages: []string{"en"}, Now: time.Now,
		Log: slog.New(slog.DiscardHandler), Metrics: web.NewMetrics(), Auth: bearer{"lead": lead, "reader": {Kind: actor.Person, ID: "x", Permissions: actor.Reader.Permissions()}}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(site)
	defer server.Close()
	send := func(token, path string, body io.Reader) (int, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/api/v1/evidence/"+path, body)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(text)
	}
	for _, c := range []struct {
		token, path, report string
		status              int
		has                 string
	}{
		{"nobody", "cloud", "prowler-ocsf.json", 403, "web.denied"},
		{"reader", "cloud", "prowler-ocsf.json", 403, "web.denied"},
		{"lead", "nothing", "prowler-ocsf.json", 404, "scanner.no_import"},
		{"lead", "cloud", "trivy.json", 422, "scanner.unreadable"},
		{"lead", "pipe", "powerpipe.json", 422, "scanner.no_time"},
		{"lead", "pipe?observed_at=yesterday", "powerpipe.json", 422, "scanner.bad_time"},
		{"lead", "pipe?observed_at=2026-01-02T00:00:00Z", "powerpipe.json", 201, `"outcome":"pass"`},
		{"lead", "cloud", "prowler-ocsf.json", 201, `"check":"import.cloud.bak_6","outcome":"pass"`},
		{"lead", "import.cloud", "prowler-ocsf.json", 409, "measure.not_newer"},
	} {
		if status, text := send(c.token, c.path, bytes.NewReader(testdata(t, c.report))); status != c.status || !strings.Contains(text, c.has) {
			t.Errorf("%s %s: %d %s", c.token, c.path, status, text)
		}
	}
	// Larger than pages may be, and within the bound of reports.
	var b bytes.Buffer
	rows := strings.Split(strings.TrimSpace(string(testdata(t, "prowler.csv"))), "\n")
	b.WriteString(rows[0] + "\n")
	for range 20_000 {
		b.WriteString(strings.ReplaceAll(rows[1], "2026-01-02", "2026-01-03") + "\n")
	}
	if status, text := send("lead", "cloud", &b); status != 201 {
		t.Errorf("%d %s", status, text)
	}
}
