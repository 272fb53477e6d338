package estate

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

const someAudit = `keep: 3y
copy:
  endpoint: https://s3.second.example
  region: eu-west-3
  bucket: ardoise-audit
  prefix: garant
  owner: "444455556666"
  path_style: true
  writer: {access_key: env:W, secret_key: env:WS}
  reader: {access_key: env:R, secret_key: env:RS}
  keep: 2y
  max_lag: 1m

`

func readAudit(t *testing.T, source string) (*Estate, error) {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(source), &doc); err != nil {
		t.Fatal(err)
	}
	p := newParser(Files{"empty.pem": []byte("nothing")})
	e := &Estate{AuditKeep: DefaultAuditKeep}
	p.audit(doc.Content[0], e)
	return e, p.err()
}

func TestAudit(t *testing.T) {
	e, err := readAudit(t, someAudit)
	if err != nil {
		t.Fatal(err)
	}
	c, ok := e.AuditCopy()
	if !ok || e.AuditKeep < 3*365*day || c.Prefix != "garant/" || !c.PathStyle || c.Keep < 2*365*day || c.MaxLag != time.Minute || c.Owner != "444455556666" ||
		c.Place() != "s3://ardoise-audit/garant/ at https://s3.second.example (eu-west-3)" || c.Writer.AccessKey.reference() != "env:W" || c.Reader.SecretKey.reference() != "env:RS" {
		t.Errorf("%+v", c)
	}
	if s := fmt.Sprintf("%+v %#v", e, e); strings.Contains(s, "env:WS") {
		t.Error("the name of a secret is printed")
	}
	e, err = readAudit(t, "copy: {region: eu-west-3, bucket: ardoise-audit, writer: {access_key: env:W, secret_key: env:WS}, reader: {access_key: env:R, secret_key: env:RS}}\n")
	if c, ok := e.AuditCopy(); err != nil || !ok || e.AuditKeep != 1096*day || c.Keep != 400*day || c.MaxLag != 30*time.Second || c.Prefix != "" {
		t.Errorf("%+v %v", c, err)
	}
	if e, err := readAudit(t, "keep: 30d\n"); err != nil || e.AuditKeep != 30*day || len(e.AuditCopies) != 0 {
		t.Errorf("%+v %v", e, err)
	}
}

func TestBadAudit(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"keep: 3y", "keep: 29d", "audit.keep"},
		{"keep: 2y", "keep: 1h", "audit.copy.keep"},
		{"max_lag: 1m", "max_lag: 1s", "audit.copy.max_lag"},
		{"region: eu-west-3", "region: Eu", "audit.copy.region"},
		{"bucket: ardoise-audit", "bucket: A", "audit.copy.bucket"},
		{"  bucket: ardoise-audit\n", "", "audit.copy.bucket: The key is missing."},
		{"prefix: garant", "prefix: /garant//x", "audit.copy.prefix"},
		{`owner: "444455556666"`, "owner: 444455556666", "The account is a text, not a number."},
		{"https://s3.second.example", "http://s3.second.example", "The address is plain HTTP."},
		{"https://s3.second.example", "https://s3.second.example/x", "This is not the address of a store."},
		{"access_key: env:R,", "access_key: env:W,", "The reader has the credentials of the writer."},
		{"  reader: {access_key: env:R, secret_key: env:RS}\n", "", "audit.copy.reader: The key is missing."},
		{"secret_key: env:WS", "secret_key: hunter2", "audit.copy.writer.secret_key"},
		{"secret_key: env:WS", "secret: env:WS", "audit.copy.writer"},
		{"  path_style: true\n", "", ""},
		{"keep: 3y", "kept: 3y", "kept"},
	} {
		_, err := readAudit(t, strings.Replace(someAudit, c.from, c.to, 1))
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", c.to, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s in place of %s: %v", c.to, c.from, err)
		}
	}
}

func TestAuditReductions(t *testing.T) {
	before, err := readAudit(t, someAudit)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ from, to, key string }{
		{"keep: 3y", "keep: 1y", "audit.keep"},
		{"keep: 3y", "keep: 4y", ""},
		{"keep: 2y", "keep: 1y", "audit.copy.keep"},
		{"keep: 2y", "keep: 3y", ""},
		{"max_lag: 1m", "max_lag: 2m", "audit.copy.max_lag"},
		{"max_lag: 1m", "max_lag: 30s", ""},
		{"bucket: ardoise-audit", "bucket: ardoise-other", "audit.copy.place"},
		{"https://s3.second.example", "https://s3.third.example", "audit.copy.place"},
		{"prefix: garant", "prefix: other", "audit.copy.place"},
		{"  owner: \"444455556666\"\n", "", "audit.copy.owner"},
		{"env:WS", "env:WT", ""},
		{someAudit[strings.Index(someAudit, "copy:"):strings.Index(someAudit, "streams:")], "", "audit.copy"},
	} {
		after, err := readAudit(t, strings.Replace(someAudit, c.from, c.to, 1))
		if err != nil {
			t.Fatal(err)
		}
		found := Reductions(before, after)
		if c.key == "" {
			if len(found) != 0 {
				t.Errorf("%s: %+v", c.to, found)
			}
		} else if len(found) != 1 || found[0].Key != c.key || len(found[0].Measures) != 3 {
			t.Errorf("%s: %+v", c.to, found)
		}
		if len(Diff(before, after)) == 0 {
			t.Errorf("%s is no difference", c.to)
		}
		if c.key == "" {
			continue
		}
		if grown := Reductions(before, Expect(before, after)); len(grown) != 0 {
			t.Errorf("%s: the expectation lacks %+v", c.to, grown)
		}
	}
}
