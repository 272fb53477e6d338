package estate_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/garant-project/garant/internal/estate"
)

const full = company + `endpoints:
  - name: application
    url: https://app.ardoise.example
    environment: production
    audience: public
    connect: 127.0.0.1:9443
    plain_http: 127.0.0.1:9080
    trust: file:two.pem
    identity: [sha256:` + hex64 + `]
    issuer: Let’s Encrypt
  - name: database
    url: postgres://db.ardoise.example
    environment: non-production
    audience: admin
policy:
  tls_versions: ["1.3"]
  hsts_max_age: 365d
  hsts_subdomains: true
  certificate_remaining: 14d
  certificate_lifetime_max: 90d
  every: 1m
`

func authorities(t testing.TB) estate.Files {
	one, two, three := authority(t, "one"), authority(t, "two"), authority(t, "three")
	return estate.Files{
		"two.pem":   append(append([]byte{}, one...), two...),
		"one.pem":   one,
		"twice.pem": append([]byte("# the same, in another order\n"), append(append([]byte{}, two...), one...)...),
		"three.pem": append(append([]byte{}, one...), three...),
	}
}

// brief shows a reduction without the digests that differ from run to run.
func brief(reductions []estate.Reduction) string {
	var b strings.Builder
	for _, r := range reductions {
		from, to := r.From, r.To
		if r.Kind == estate.TrustWidened {
			from, to = "…", "…"
		}
		fmt.Fprintf(&b, "%s %s [%s → %s] %s\n", r.Kind, r.Key, from, to, strings.Join(r.Measures, " "))
	}
	return b.String()
}

// TestReductions changes one line at a time and says what each takes away.
func TestReductions(t *testing.T) {
	files := authorities(t)
	before, err := estate.Parse([]byte(full), files)
	if err != nil {
		t.Fatal(err)
	}
	const other = "ffff456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	const all = "CRT-1 ENC-1 ENC-2\n"
	for _, c := range []struct{ name, from, to, want string }{
		{"nothing", "Ardoise Mécénat", "Ardoise", ""},
		{"endpoint added", "policy:", "  - {name: new, url: https://new.example, environment: production, audience: public}\npolicy:", ""},
		{"endpoint removed", "  - name: database\n    url: postgres://db.ardoise.example\n    environment: non-production\n    audience: admin\n", "",
			"removed endpoints.database [postgres://db.ardoise.example → ] CRT-2 ENC-1\n"},
		{"endpoint renamed", "name: application", "name: app", "removed endpoints.application [https://app.ardoise.example → ] " + all},
		{"host", "app.ardoise.example", "decoy.ardoise.example", "replaced endpoints.application.url [https://app.ardoise.example → https://decoy.ardoise.example] " + all},
		{"port", "db.ardoise.example", "db.ardoise.example:6432", "replaced endpoints.database.url [postgres://db.ardoise.example → postgres://db.ardoise.example:6432] CRT-2 ENC-1\n"},
		{"path", "app.ardoise.example", "app.ardoise.example/ok", "replaced endpoints.application.url [https://app.ardoise.example → https://app.ardoise.example/ok] " + all},
		{"connect", "127.0.0.1:9443", "127.0.0.1:1", "replaced endpoints.application.connect [127.0.0.1:9443 → 127.0.0.1:1] " + all},
		{"connect removed", "    connect: 127.0.0.1:9443\n", "", "replaced endpoints.application.connect [127.0.0.1:9443 → ] " + all},
		{"connect added", "    audience: admin\n", "    audience: admin\n    connect: 127.0.0.1:1\n", "replaced endpoints.database.connect [ → 127.0.0.1:1] CRT-2 ENC-1\n"},
		{"plain_http", "127.0.0.1:9080", "127.0.0.1:1", "replaced endpoints.application.plain_http [127.0.0.1:9080 → 127.0.0.1:1] ENC-1 ENC-2\n"},
		{"environment lowered", "environment: production", "environment: non-production", "environment endpoints.application.environment [production → non-production] CRT-1\n"},
		{"environment raised", "environment: non-production", "environment: production", "environment endpoints.database.environment [non-production → production] CRT-2\n"},
		{"audience", "audience: public", "audience: admin", "audience endpoints.application.audience [public → admin] ENC-1\n"},
		{"trust replaced", "two.pem", "three.pem", "trust endpoints.application.trust [… → …] " + all},
		{"trust removed", "    trust: file:two.pem\n", "", "trust endpoints.application.trust [… → …] " + all},
		{"trust added", "    audience: admin\n", "    audience: admin\n    trust: file:one.pem\n", "trust endpoints.database.trust [… → …] CRT-2 ENC-1\n"},
		{"trust narrowed", "two.pem", "one.pem", ""},
		{"trust written otherwise", "two.pem", "twice.pem", ""},
		{"pin replaced", hex64, other, "identity endpoints.application.identity [sha256:" + hex64 + " → sha256:" + other + "] " + all},
		{"pin removed", "    identity: [sha256:" + hex64 + "]\n", "", "identity endpoints.application.identity [sha256:" + hex64 + " → ] " + all},
		{"pin beside it", hex64, hex64 + ", sha256:" + other, "identity endpoints.application.identity [sha256:" + hex64 + " → sha256:" + hex64 + ", sha256:" + other + "] " + all},
		{"first pin", "    audience: admin\n", "    audience: admin\n    identity: [sha256:" + other + "]\n", ""},
		{"issuer", "Let’s Encrypt", "Anybody", "issuer endpoints.application.issuer [Let’s Encrypt → Anybody] CRT-1\n"},
		{"issuer removed", "    issuer: Let’s Encrypt\n", "", "issuer endpoints.application.issuer [Let’s Encrypt → ] CRT-1\n"},
		{"first issuer", "    audience: admin\n", "    audience: admin\n    issuer: X\n", ""},
		{"older TLS", `["1.3"]`, `["1.2", "1.3"]`, "weakened policy.tls_versions [1.3 → 1.2, 1.3] ENC-1\n"},
		{"shorter HSTS", "hsts_max_age: 365d", "hsts_max_age: 364d", "weakened policy.hsts_max_age [365d → 364d] ENC-2\n"},
		{"longer HSTS", "hsts_max_age: 365d", "hsts_max_age: 2y", ""},
		{"HSTS without subdomains", "subdomains: true", "subdomains: false", "weakened policy.hsts_subdomains [true → false] ENC-2\n"},
		{"fewer days left", "remaining: 14d", "remaining: 13d", "weakened policy.certificate_remaining [14d → 13d] CRT-1 CRT-2\n"},
		{"more days left", "remaining: 14d", "remaining: 15d", ""},
		{"longer lifetime", "max: 90d", "max: 91d", "weakened policy.certificate_lifetime_max [90d → 91d] CRT-1 CRT-2\n"},
		{"shorter lifetime", "max: 90d", "max: 89d", ""},
		{"slower", "every: 1m", "every: 2m", "slowed policy.every [1m → 2m] CRT-1 CRT-2 ENC-1 ENC-2\n"},
		{"faster", "every: 1m", "every: 30s", ""},
		{"back to the default", full[strings.Index(full, "policy:"):], "", "weakened policy.tls_versions [1.3 → 1.2, 1.3] ENC-1\nweakened policy.certificate_lifetime_max [90d → 100d] CRT-1 CRT-2\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			source := strings.Replace(full, c.from, c.to, 1)
			if source == full {
				t.Fatal("the case changes nothing")
			}
			after, err := estate.Parse([]byte(source), files)
			if err != nil {
				t.Fatal(err)
			}
			reductions := estate.Reductions(before, after)
			if diff := cmp.Diff(c.want, brief(reductions)); diff != "" {
				t.Error(diff)
			}
			for _, r := range reductions {
				if r.Target != "" && !strings.HasPrefix(r.Key, "endpoints."+r.Target) || r.Target == "" && !strings.HasPrefix(r.Key, "policy.") {
					t.Errorf("target %q of %s", r.Target, r.Key)
				}
			}
			if len(estate.Diff(before, after)) == 0 && c.name != "trust written otherwise" {
				t.Error("Diff sees no change")
			}
			// What is expected afterwards gives nothing up: neither against before nor
			// against what is new in after.
			expected := estate.Expect(before, after)
			if lost := estate.Reductions(before, expected); len(lost) > 0 {
				t.Errorf("expecting forgets %s", brief(lost))
			}
			if diff := cmp.Diff(brief(reductions), brief(estate.Reductions(expected, after))); diff != "" {
				t.Errorf("what is pending against the expectation: %s", diff)
			}
			// Put back, nothing is missing of what was before.
			if left := estate.Reductions(expected, expected); len(left) > 0 {
				t.Errorf("an estate against itself: %s", brief(left))
			}
		})
	}
}

// TestExpectDoesNotTouch: estates are shared and never changed.
func TestExpectDoesNotTouch(t *testing.T) {
	files := authorities(t)
	read := func(source string) *estate.Estate {
		e, err := estate.Parse([]byte(source), files)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	weak := strings.NewReplacer("127.0.0.1:9443", "127.0.0.1:1", "365d", "1d", "name: database", "name: other").Replace(full)
	before, after := read(full), read(weak)
	estate.Expect(before, after)
	if len(estate.Diff(before, read(full))) > 0 || len(estate.Diff(after, read(weak))) > 0 {
		t.Error("Expect changed an estate it was given")
	}
}

func TestDiff(t *testing.T) {
	before := parse(t, company+"endpoints:\n"+application+"    connect: 127.0.0.1:1\n"+strings.ReplaceAll(application, "app", "old-app"))
	after := parse(t, strings.Replace(company, "[fr, en]", "[en]", 1)+"endpoints:\n"+strings.ReplaceAll(application, "app", "new-app")+
		strings.Replace(application, "public", "admin", 1)+"    issuer: X\npolicy:\n  every: 90s\n")
	var got []string
	for _, c := range estate.Diff(before, after) {
		got = append(got, c.String())
	}
	want := []string{
		"~ company.languages: fr, en → en",
		"+ endpoints.new-application: https://new-app.ardoise.example",
		"- endpoints.application.connect: 127.0.0.1:1",
		"~ endpoints.application.audience: public → admin",
		"+ endpoints.application.issuer: X",
		"- endpoints.old-application: https://old-app.ardoise.example",
		"~ policy.every: 1m → 90s",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if same := estate.Diff(after, after); len(same) != 0 {
		t.Errorf("an estate against itself: %v", same)
	}
}
