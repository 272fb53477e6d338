package estate

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

const someStreams = `
- name: siem
  kind: webhook
  url: https://siem.ardoise.example/garant
  secret: env:SIEM_SECRET
  previous_secret: env:SIEM_BEFORE
  private: true
  max_lag: 2m
- name: syslog
  kind: syslog
  address: logs.internal:6514
  format: ocsf
  enterprise: 60001
  max_message: 32768
- name: lake
  kind: s3
  endpoint: https://s3.example
  region: eu-west-3
  bucket: ardoise-lake
  prefix: audit/garant
  owner: "123456789012"
  access_key: env:A
  secret_key: file:/run/secrets/lake
  path_style: true
  keep: 1y
  values: true
`

func readStreams(t *testing.T, source string) ([]Stream, error) {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(source), &doc); err != nil {
		t.Fatal(err)
	}
	p := newParser(Files{"empty.pem": []byte("nothing")})
	list := p.streams(doc.Content[0], "audit.streams")
	return list, p.err()
}

func TestStreams(t *testing.T) {
	list, err := readStreams(t, someStreams)
	if err != nil {
		t.Fatal(err)
	}
	siem, syslog, lake := list[0], list[1], list[2]
	if siem.Format != StreamJSON || siem.MaxLag != 2*time.Minute || !siem.Private || siem.Values || siem.Secret.reference() != "env:SIEM_SECRET" || siem.Target() != "stream:siem" {
		t.Errorf("%+v", siem)
	}
	if syslog.Format != StreamOCSF || syslog.MaxLag != DefaultMaxLag || syslog.Enterprise != 60001 || syslog.MaxMessage != 32768 || syslog.Place() != "syslog+tls://logs.internal:6514" || syslog.Private {
		t.Errorf("%+v", syslog)
	}
	if lake.Prefix != "audit/garant/" || lake.Keep != 365*day || !lake.Values || !lake.PathStyle || lake.Place() != "s3://ardoise-lake/audit/garant/ at https://s3.example (eu-west-3)" {
		t.Errorf("%+v", lake)
	}
	if s := fmt.Sprintf("%+v %#v", list, list); strings.Contains(s, "SIEM_SECRET") {
		t.Error("the name of a secret is printed")
	}
	p := newParser(nil)
	if got := p.streams(nil, "audit.streams"); got != nil || p.err() != nil {
		t.Errorf("no streams: %v %v", got, p.err())
	}
}

func TestBadStreams(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"kind: webhook", "kind: webhok", "Did you mean webhook?"},
		{"  kind: webhook\n", "", "audit.streams[0].kind: The key is missing."},
		{"name: siem", "name: SIEM", "is not a name"},
		{"name: syslog", "name: siem", "is taken by the stream on line 2"},
		{"https://siem.ardoise.example/garant", "http://siem.ardoise.example/garant", "The address is plain HTTP."},
		{"https://siem.ardoise.example/garant", "https://u:p@siem.ardoise.example/garant", "user name or a password"},
		{"secret: env:SIEM_SECRET", "secret: whsec_aGk=", "A secret written in the file"},
		{"env:SIEM_BEFORE", "env:SIEM_SECRET", "Both secrets are the same one"},
		{"secret: env:SIEM_SECRET\n", "enterprise: 7\n", "There is no such key"},
		{"max_lag: 2m", "max_lag: 5s", "out of bounds"},
		{"address: logs.internal:6514", "address: logs.internal", "is not a host with a port"},
		{"enterprise: 60001", "enterprise: 32473", "kept for examples (RFC 5612)"},
		{"enterprise: 60001", "certificate: file:empty.pem", "no certificate"},
		{"enterprise: 60001", "key: env:K", "no certificate that this key belongs to"},
		{"max_message: 32768", "max_message: 100", "A whole number from 8192"},
		{"format: ocsf", "format: cef", "is not a format of streams"},
		{"bucket: ardoise-lake", "bucket: Lake", "cannot be used"},
		{"prefix: audit/garant", "prefix: /audit", "cannot be used"},
		{"owner: \"123456789012\"", "owner: 123456789012", "in quotes"},
		{"endpoint: https://s3.example", "endpoint: https://s3.example/b", "not the address of a store"},
		{"file:/run/secrets/lake", "file:lake", "does not start at the root"},
		{"  keep: 1y\n", "", "how long objects are kept"},
		{"values: true", "values: some", "True or false belongs here"},
	} {
		source := strings.Replace(someStreams, c.from, c.to, 1)
		if source == someStreams {
			t.Fatalf("%q is not in the example", c.from)
		}
		if _, err := readStreams(t, source); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.to, err)
		}
	}
	twice := someStreams + strings.Replace(someStreams[:strings.Index(someStreams, "- name: syslog")], "name: siem", "name: again", 1)
	if _, err := readStreams(t, twice); err == nil || !strings.Contains(err.Error(), "leads to the same place") {
		t.Errorf("one place twice: %v", err)
	}
	var many strings.Builder
	for i := range MaxStreams + 1 {
		fmt.Fprintf(&many, "- {name: s%d, kind: syslog, address: \"h%d.example:1\"}\n", i, i)
	}
	if _, err := readStreams(t, many.String()); err == nil || !strings.Contains(err.Error(), "More than 20") {
		t.Errorf("too many: %v", err)
	}
}

func TestStreamReductions(t *testing.T) {
	before, err := readStreams(t, someStreams)
	if err != nil {
		t.Fatal(err)
	}
	was := &Estate{Streams: before, Policy: DefaultPolicy()}
	for _, c := range []struct {
		change func([]Stream) []Stream
		key    string
		kind   ReductionKind
	}{
		{func(l []Stream) []Stream { return l[1:] }, "audit.streams.siem", TargetRemoved},
		{func(l []Stream) []Stream { l[0].URL = "https://elsewhere.example/"; return l }, "audit.streams.siem.place", Replaced},
		{func(l []Stream) []Stream { l[0].MaxLag = time.Hour; return l }, "audit.streams.siem.max_lag", Weakened},
		{func(l []Stream) []Stream { l[2].Keep = 30 * day; return l }, "audit.streams.lake.keep", Weakened},
		{func(l []Stream) []Stream { l[2].Owner = ""; return l }, "audit.streams.lake.owner", IdentityChanged},
		{func(l []Stream) []Stream { l[0].TrustPEM = []byte("another"); return l }, "audit.streams.siem.trust", TrustWidened},
		{func(l []Stream) []Stream {
			l[0].MaxLag, l[0].Values, l[0].Format = time.Minute, true, StreamOCSF
			return l
		}, "", ""},
		{func(l []Stream) []Stream {
			return append(l, Stream{Name: "more", Kind: WebhookStream, URL: "https://m.example"})
		}, "", ""},
	} {
		now := &Estate{Streams: c.change(slices.Clone(before)), Policy: DefaultPolicy()}
		got := Reductions(was, now)
		if c.key == "" {
			if len(got) != 0 {
				t.Errorf("no reduction: %+v", got)
			}
			continue
		}
		if len(got) != 1 || got[0].Key != c.key || got[0].Kind != c.kind || !slices.Equal(got[0].Measures, []string{"ACC-6"}) || !strings.HasPrefix(got[0].Target, "stream:") {
			t.Errorf("%s: %+v", c.key, got)
		}
		if left := Reductions(was, Expect(was, now)); len(left) != 0 {
			t.Errorf("%s: what is expected grew smaller: %+v", c.key, left)
		}
		if len(Diff(was, now)) == 0 {
			t.Errorf("%s: no difference is told", c.key)
		}
	}
}
