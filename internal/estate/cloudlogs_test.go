package estate_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/estate"
)

const trail = `cloud_logs:
  - name: cloud
    trail: arn:aws:cloudtrail:eu-west-1:111122223333:trail/audit
    bucket: ardoise-trail
    reader: env:TRAIL
    since: 2026-01-01
    keep: 365d
    max_lag: 15m
    copy:
      bucket: ardoise-copy
      account: "444455556666"
      region: eu-central-1
      reader: env:COPY
`

const google = `workspace:
  - name: google
    customer: C03az79cb
    admin: audit@ardoise.example
    key: file:/etc/garant/key.json
    applications: {token: 6h, login: 1d}
`

func TestCloudLogs(t *testing.T) {
	e := parse(t, company+trail+google)
	if len(e.CloudLogs) != 1 || len(e.Workspaces) != 1 {
		t.Fatalf("read as %+v", e)
	}
	c, w := e.CloudLogs[0], e.Workspaces[0]
	if c.Home != "eu-west-1" || c.Account != "111122223333" || c.TrailName != "audit" || c.BucketRegion != "eu-west-1" || c.BucketAccount != c.Account || c.MaxLag != 15*time.Minute ||
		!c.Since.Equal(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) || c.Keep != 365*24*time.Hour || c.Reader.IsZero() || c.Copy.Reader.IsZero() || c.Copy.Region != "eu-central-1" || c.Line != 9 {
		t.Errorf("trail read as %+v", c)
	}
	if !reflect.DeepEqual(w.Names(), []string{"login", "token"}) || w.Applications["login"] != 24*time.Hour || w.Customer != "C03az79cb" || w.Line != 22 {
		t.Errorf("workspace read as %+v", w)
	}
	for _, endpoint := range []string{"https://s3.company.example", "http://127.0.0.1:7070", "http://[::1]:7070", "https://10.0.0.1:9000/"} {
		e := parse(t, company+strings.Replace(trail, "    copy:", "    endpoint: "+endpoint+"\n    copy:", 1))
		if e.CloudLogs[0].Endpoint != strings.TrimSuffix(endpoint, "/") {
			t.Errorf("%s read as %q", endpoint, e.CloudLogs[0].Endpoint)
		}
	}
}

func TestBadCloudLogs(t *testing.T) {
	for _, c := range []struct{ was, is, want string }{
		{"trail: arn:aws:cloudtrail:eu-west-1:111122223333:trail/audit", "trail: audit", `garant.yaml:10: cloud_logs[0].trail: "audit" is not the ARN of a trail.`},
		{"ardoise-trail\n", "s3://ardoise\n", `garant.yaml:11: cloud_logs[0].bucket: "s3://ardoise" is not the name of a bucket.`},
		{"reader: env:TRAIL", "reader: AKIAEXAMPLE:hunter2", `garant.yaml:12: cloud_logs[0].reader: A secret written in the file`},
		{"reader: env:TRAIL", "reader: file:keys", `garant.yaml:12: cloud_logs[0].reader: The path of the file does not start at the root.`},
		{"since: 2026-01-01", "since: 2026-02-30", `garant.yaml:13: cloud_logs[0].since: This is not a day of the calendar.`},
		{"since: 2026-01-01", "since: 2011-01-01", `garant.yaml:13: cloud_logs[0].since: CloudTrail was not there yet`},
		{"keep: 365d", "keep: 1d", `garant.yaml:14: cloud_logs[0].keep: "1d" is out of bounds.`},
		{"max_lag: 15m", "max_lag: 15", `garant.yaml:15: cloud_logs[0].max_lag: The number has no unit.`},
		{"max_lag: 15m", "max_lag: 2d", `garant.yaml:15: cloud_logs[0].max_lag: "2d" is out of bounds.`},
		{`"444455556666"`, "444455556666", `garant.yaml:18: cloud_logs[0].copy.account: The account is a text, not a number.`},
		{`"444455556666"`, `"4444"`, `garant.yaml:18: cloud_logs[0].copy.account: "4444" is not an account of AWS.`},
		{`"444455556666"`, `"111122223333"`, `garant.yaml:18: cloud_logs[0].copy.account: The copy is in the account that it is copied from.`},
		{"bucket: ardoise-copy", "bucket: ardoise-trail", `garant.yaml:17: cloud_logs[0].copy.bucket: The copy is the bucket that it is copied from.`},
		{"region: eu-central-1", "region: Frankfurt", `garant.yaml:19: cloud_logs[0].copy.region: "Frankfurt" is not a region of AWS.`},
		{"reader: env:COPY", "reader: env:TRAIL", `garant.yaml:20: cloud_logs[0].copy.reader: The copy is read with the credentials of the trail.`},
		{"reader: env:COPY", "reader: env:COPY\n      endpoint: http://10.0.0.1:9000", `garant.yaml:21: cloud_logs[0].copy.endpoint: The address is plain HTTP, and not on this machine.`},
		{"reader: env:COPY", "reader: env:COPY\n      endpoint: http://localhost.evil.example", `garant.yaml:21: cloud_logs[0].copy.endpoint: The address is plain HTTP, and not on this machine.`},
		{"reader: env:COPY", "reader: env:COPY\n      endpoint: https://user:hunter2@s3.example", `garant.yaml:21: cloud_logs[0].copy.endpoint: This is not the address of a store.`},
		{"reader: env:COPY", "reader: env:COPY\n      endpoint: ftp://s3.example", `garant.yaml:21: cloud_logs[0].copy.endpoint: "ftp" is not a protocol of stores.`},
		{"    max_lag: 15m\n", "", `garant.yaml:9: cloud_logs[0].max_lag: The key is missing.`},
		{"customer: C03az79cb", "customer: ardoise.example", `garant.yaml:23: workspace[0].customer: "ardoise.example" is not a customer id of Google.`},
		{"admin: audit@ardoise.example", "admin: audit", `garant.yaml:24: workspace[0].admin: "audit" is not a mail address.`},
		{"key: file:/etc/garant/key.json", "key: '{\"private_key\": \"hunter2\"}'", `garant.yaml:25: workspace[0].key: A secret written in the file`},
		{"token: 6h, login: 1d", "login: 1d", `garant.yaml:26: workspace[0].applications: The log token is not among them.`},
		{"token: 6h, login: 1d", "token: 6h, logins: 1d", `garant.yaml:26: workspace[0].applications.logins: There is no such key. Did you mean login?`},
		{"token: 6h, login: 1d", "token: 1m", `garant.yaml:26: workspace[0].applications.token: "1m" is out of bounds.`},
		{"name: google", "name: cloud", `garant.yaml:22: workspace[0].name: The name "cloud" is taken by the trail on line 9.`},
		{"workspace:", "workspaces:", `garant.yaml:21: workspaces: There is no such section. Did you mean workspace?`},
	} {
		source := company + trail + google
		if !strings.Contains(source, c.was) {
			t.Fatalf("%q is not there", c.was)
		}
		_, err := estate.Parse([]byte(strings.Replace(source, c.was, c.is, 1)), estate.Files{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", c.is, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a secret is shown: %v", err)
		}
	}
	twice := company + trail + strings.Replace(strings.TrimPrefix(trail, "cloud_logs:\n"), "name: cloud", "name: again", 1)
	if _, err := estate.Parse([]byte(twice), estate.Files{}); err == nil || !strings.Contains(err.Error(), "The same trail is declared on line 9.") {
		t.Errorf("a trail that is declared twice: %v", err)
	}
	twice = company + google + strings.Replace(strings.TrimPrefix(google, "workspace:\n"), "name: google", "name: again", 1)
	if _, err := estate.Parse([]byte(twice), estate.Files{}); err == nil || !strings.Contains(err.Error(), "The same customer is declared on line 9.") {
		t.Errorf("a customer that is declared twice: %v", err)
	}
}

// TestCloudLogReductions: whatever proves less, or proves it of something else, waits for a second person, and stays expected.
func TestCloudLogReductions(t *testing.T) {
	source := company + trail + google
	for _, c := range []struct {
		was, is string
		kind    estate.ReductionKind
		key     string
		measure string
	}{
		{trail, "", estate.TargetRemoved, "cloud_logs.cloud", "LOG-2"},
		{"trail/audit", "trail/decoy", estate.IdentityChanged, "cloud_logs.cloud.trail", "LOG-2"},
		{"bucket: ardoise-trail", "bucket: ardoise-other", estate.Replaced, "cloud_logs.cloud.bucket", "LOG-2"},
		{"reader: env:TRAIL", "reader: env:TRAIL\n    endpoint: https://s3.example", estate.Replaced, "cloud_logs.cloud.bucket", "LOG-2"},
		{"2026-01-01", "2026-05-01", estate.Weakened, "cloud_logs.cloud.since", "LOG-2"},
		{"keep: 365d", "keep: 90d", estate.Weakened, "cloud_logs.cloud.keep", "LOG-2"},
		{"max_lag: 15m", "max_lag: 1h", estate.Weakened, "cloud_logs.cloud.max_lag", "LOG-2"},
		{"bucket: ardoise-copy", "bucket: ardoise-other", estate.Replaced, "cloud_logs.cloud.copy", "LOG-2"},
		{"444455556666", "777788889999", estate.IdentityChanged, "cloud_logs.cloud.copy.account", "LOG-2"},
		{google, "", estate.TargetRemoved, "workspace.google", "LOG-6"},
		{"C03az79cb", "C03az79cc", estate.IdentityChanged, "workspace.google.customer", "LOG-6"},
		{"login: 1d", "login: 2d", estate.Weakened, "workspace.google.applications", "LOG-6"},
		{"token: 6h, login: 1d", "token: 6h", estate.Weakened, "workspace.google.applications", "LOG-6"},
	} {
		before, after := parse(t, source), parse(t, strings.Replace(source, c.was, c.is, 1))
		reductions := estate.Reductions(before, after)
		if len(reductions) != 1 || reductions[0].Kind != c.kind || reductions[0].Key != c.key || !reflect.DeepEqual(reductions[0].Measures, []string{c.measure}) {
			t.Errorf("%q: reductions %+v", c.is, reductions)
			continue
		}
		if changes := estate.Diff(before, after); len(changes) != 1 {
			t.Errorf("%q: differences %v", c.is, changes)
		}
		if again := estate.Reductions(before, estate.Expect(before, after)); len(again) != 0 {
			t.Errorf("%q: what was expected is so no longer: %+v", c.is, again)
		}
	}
	for was, is := range map[string]string{"2026-01-01": "2025-01-01", "keep: 365d": "keep: 730d", "max_lag: 15m": "max_lag: 5m", "login: 1d": "login: 12h, drive: 1d", "audit@ardoise": "logs@ardoise"} {
		if r := estate.Reductions(parse(t, source), parse(t, strings.Replace(source, was, is, 1))); len(r) != 0 {
			t.Errorf("%s → %s is held for a reduction: %+v", was, is, r)
		}
	}
}
