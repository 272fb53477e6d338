package estate_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/garant-project/garant/internal/estate"
)

// guarded is a database with tenancy; its section starts on line 24.
const guarded = production + `    tenancy:
      keeper: env:GARANT_KEEPER_URL
      design: pinned
      key: {type: uuid}
      lifetime: 10m
      rotate: 30d
      jobs: {longest: 60d}
      login:
        issuer: https://login.ardoise.example/realms/app
        audience: sponsorship
        tenant_claim: org_id
`

func TestParseTenancy(t *testing.T) {
	e := parse(t, company+"databases:\n"+guarded)
	got := e.Databases[0].Tenancy
	want := &estate.Tenancy{
		Keeper: got.Keeper, Design: "pinned", KeyType: "uuid", Lifetime: 10 * time.Minute, Rotate: 30 * 24 * time.Hour, Job: 60 * 24 * time.Hour,
		Login: &estate.OIDCLogin{Issuer: "https://login.ardoise.example/realms/app", Audience: "sponsorship", TenantClaim: "org_id", SessionClaim: "sid"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	t.Setenv("GARANT_KEEPER_URL", "postgres://keeper:hunter2@db.example/ardoise")
	if url, err := got.Keeper.Reveal(); err != nil || !strings.HasSuffix(url, "/ardoise") {
		t.Errorf("the address: %v", err)
	}
	if shown := fmt.Sprintf("%v %+v %#v", *got, e, e.Databases); strings.Contains(shown, "hunter2") {
		t.Error("the address is shown")
	}
	least := parse(t, company+"databases:\n"+production+"    tenancy: {keeper: file:/etc/garant/keeper, design: statement, key: {type: text}}\n").Databases[0].Tenancy
	if least.Lifetime != 15*time.Minute || least.Rotate != 90*24*time.Hour || least.Job != 90*24*time.Hour || least.Login != nil {
		t.Errorf("unless told: %+v", least)
	}
	if n := len(e.Guarded()); n != 1 {
		t.Errorf("%d databases are guarded", n)
	}
	// Where it stands in the file is no part of what is declared.
	a, b := parse(t, company+"databases:\n"+guarded), parse(t, "\n\n"+company+"databases:\n"+guarded)
	if !reflect.DeepEqual(a.Declared("production"), b.Declared("production")) {
		t.Error("moved, it is declared otherwise")
	}
}

func TestBadTenancy(t *testing.T) {
	with := func(from, to string) string { return company + "databases:\n" + strings.Replace(guarded, from, to, 1) }
	for _, c := range []struct{ name, source, want string }{
		{"lacks all", company + "databases:\n" + production + "    tenancy: {}\n", lines(
			`garant.yaml:24: databases[0].tenancy.keeper: The key is missing. Write env:NAME or file:/PATH, with the address of a login there that is a member of garant_keeper.`,
			`garant.yaml:24: databases[0].tenancy.design: The key is missing. Write pinned or statement, as isolation.yaml has it.`,
			`garant.yaml:24: databases[0].tenancy.key: The key is missing. Write {type: uuid}, {type: bigint} or {type: text}: what names a tenant there.`)},
		{"a secret in the file", with("env:GARANT_KEEPER_URL", "postgres://keeper:hunter2@db/x"),
			`garant.yaml:25: databases[0].tenancy.keeper: A secret written in the file is read by everybody who reads the file, and stays in its history. Write env:NAME or file:PATH, and keep the secret there.`},
		{"a relative file", with("env:GARANT_KEEPER_URL", "file:keeper"),
			`garant.yaml:25: databases[0].tenancy.keeper: The path of the file does not start at the root. Write file:/PATH: the estate is kept apart from garant.yaml.`},
		{"a design that is none", with("design: pinned", "design: magic"), `garant.yaml:26: databases[0].tenancy.design: "magic" is not a design. Write pinned or statement.`},
		{"a type that is none", with("{type: uuid}", "{type: serial}"), `garant.yaml:27: databases[0].tenancy.key.type: "serial" is not a type of keys. Write uuid, bigint or text.`},
		{"a day and a minute", with("lifetime: 10m", "lifetime: 2d"), `garant.yaml:28: databases[0].tenancy.lifetime: "2d" is out of bounds. Write at least 1m and at most 1d.`},
		{"an issuer without TLS", with("https://login", "http://login"),
			`garant.yaml:32: databases[0].tenancy.login.issuer: This is not an issuer of OpenID Connect. Write https://HOST or https://HOST/PATH, without a query: as the claim iss of its tokens has it.`},
		{"an issuer with a password", with("https://login", "https://a:hunter2@login"),
			`garant.yaml:32: databases[0].tenancy.login.issuer: This is not an issuer of OpenID Connect. Write https://HOST or https://HOST/PATH, without a query: as the claim iss of its tokens has it.`},
		{"the subject as tenant", with("tenant_claim: org_id", "tenant_claim: sub"),
			`garant.yaml:34: databases[0].tenancy.login.tenant_claim: The claim "sub" names no tenant. Let the issuer put the tenant's key into a claim of its own, such as org_id.`},
		{"an unknown key", with("audience: sponsorship", "audience: sponsorship\n        secret: x"),
			`garant.yaml:34: databases[0].tenancy.login.secret: There is no such key. The keys here are issuer, audience, tenant_claim, session_claim and trust.`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := estate.Parse([]byte(c.source), estate.Files{})
			if err == nil {
				t.Fatal("no mistake is seen")
			}
			if diff := cmp.Diff(strings.TrimSpace(c.want), strings.TrimSpace(err.Error())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTenancyReductions(t *testing.T) {
	const whole = company + "databases:\n" + guarded
	_, section, _ := strings.Cut(guarded, "    tenancy:\n")
	login := "      login:\n        issuer: https://login.ardoise.example/realms/app\n        audience: sponsorship\n        tenant_claim: org_id\n"
	const said = "https://login.ardoise.example/realms/app, audience sponsorship, tenant org_id, session sid"
	for _, c := range []struct{ name, from, to, want string }{
		{"section removed", "    tenancy:\n" + section, "", "removed databases.production.tenancy [pinned, uuid → ] SEG-1 SEG-2\n"},
		{"keeper", "GARANT_KEEPER_URL", "OTHER", "replaced databases.production.tenancy.keeper [env:GARANT_KEEPER_URL → env:OTHER] SEG-2\n"},
		{"design", "pinned", "statement", "weakened databases.production.tenancy.design [pinned → statement] SEG-1 SEG-2\n"},
		{"type", "{type: uuid}", "{type: text}", "replaced databases.production.tenancy.key.type [uuid → text] SEG-1 SEG-2\n"},
		{"longer", "lifetime: 10m", "lifetime: 1h", "weakened databases.production.tenancy.lifetime [10m → 1h] SEG-2\n"},
		{"shorter", "lifetime: 10m", "lifetime: 5m", ""},
		{"rotated later", "rotate: 30d", "rotate: 60d", "weakened databases.production.tenancy.rotate [30d → 60d] SEG-2\n"},
		{"longer jobs", "longest: 60d", "longest: 90d", "weakened databases.production.tenancy.jobs.longest [60d → 90d] SEG-2\n"},
		{"another issuer", "login.ardoise", "evil.ardoise", "issuer databases.production.tenancy.login [" + said + " → " + strings.Replace(said, "login.ardoise", "evil.ardoise", 1) + "] SEG-2\n"},
		{"another claim", "org_id", "wish", "issuer databases.production.tenancy.login [" + said + " → " + strings.Replace(said, "org_id", "wish", 1) + "] SEG-2\n"},
		{"no login", login, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) { reduces(t, whole, c.from, c.to, c.want) })
	}
	// By steps: no login, then another's. And the section away and back with another issuer.
	without := parse(t, strings.Replace(whole, login, "", 1))
	other := parse(t, strings.Replace(whole, "login.ardoise", "evil.ardoise", 1))
	for name, step := range map[string]*estate.Estate{"without a login": without, "without the section": parse(t, company+"databases:\n"+production)} {
		expected := estate.Expect(parse(t, whole), step)
		if got := estate.Reductions(expected, other); len(got) == 0 {
			t.Errorf("%s first, another issuer is no reduction", name)
		}
	}
}

// held is a manifest as garant isolation plan writes it, in short.
const held = `isolation: 1
database: ardoise
design: pinned
key: {table: customer.organisation, column: id, type: bigint}
app: [app, worker]
around: [{role: dba, kind: superuser, why: Runs the cluster}]
tables:
  customer.applicant: {class: tenant, column: organisation_id, reason: It has the key}
  customer.application: {class: tenant, column: organisation_id, add: true, reason: By its applicant}
  ref.country: {class: shared, reason: The same for all}
  ops.job: {class: private, reason: Not the application's}
`

// A manifest that promises less waits for a second person; one that promises more does not.
func TestManifestReductions(t *testing.T) {
	source := company + "databases:\n" + guarded + "      manifest: file:isolation.yaml\n      application: env:GARANT_APP_URL\n      copy: env:GARANT_COPY_URL\n"
	read := func(t *testing.T, source, manifest string) *estate.Estate {
		t.Helper()
		e, err := estate.Parse([]byte(source), estate.Files{"isolation.yaml": []byte(manifest)})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	const was = "2 of tenants, 1 shared, 1 private; ways around: 1"
	weaker := func(now string) string {
		return "weakened databases.production.tenancy.manifest [" + was + " → " + now + "] SEG-1 SEG-2\n"
	}
	for _, c := range []struct{ name, from, to, want string }{
		{"a table of tenants is shared now", "customer.applicant: {class: tenant, column: organisation_id,", "customer.applicant: {class: shared,", weaker("1 of tenants, 2 shared, 1 private; ways around: 1")},
		{"a table of tenants is gone", "  customer.applicant: {class: tenant, column: organisation_id, reason: It has the key}\n", "", weaker("1 of tenants, 1 shared, 1 private; ways around: 1")},
		{"told by another column", "customer.applicant: {class: tenant, column: organisation_id", "customer.applicant: {class: tenant, column: id", weaker(was)},
		{"a private table is shared now", "ops.job: {class: private", "ops.job: {class: shared", weaker("2 of tenants, 2 shared, 0 private; ways around: 1")},
		{"one way around more", "around: [", "around: [{role: bi, kind: bypass, why: x}, ", weaker("2 of tenants, 1 shared, 1 private; ways around: 2")},
		{"a role of the application less", "app: [app, worker]", "app: [app]", weaker(was)},
		{"a table of tenants is private now", "customer.applicant: {class: tenant, column: organisation_id,", "customer.applicant: {class: private,", ""},
		{"a shared table is of tenants now", "ref.country: {class: shared", "ref.country: {class: tenant, column: id", ""},
		{"a new table", "tables:\n", "tables:\n  customer.note: {class: tenant, column: organisation_id, reason: x}\n", ""},
		{"another reason", "It has the key", "It bears the key", ""},
		{"a way around less", "around: [{role: dba, kind: superuser, why: Runs the cluster}]\n", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			manifest := strings.Replace(held, c.from, c.to, 1)
			if manifest == held {
				t.Fatal("the case changes nothing")
			}
			before, after := read(t, source, held), read(t, source, manifest)
			if diff := cmp.Diff(c.want, brief(estate.Reductions(before, after))); diff != "" {
				t.Error(diff)
			}
			expected := estate.Expect(before, after)
			if lost := estate.Reductions(before, expected); len(lost) > 0 {
				t.Errorf("expecting forgets %s", brief(lost))
			}
		})
	}
	without := read(t, strings.Replace(source, "      manifest: file:isolation.yaml\n", "", 1), held)
	if got := estate.Reductions(read(t, source, held), without); len(got) != 1 {
		t.Errorf("without the manifest: %s", brief(got))
	}
	for _, key := range []string{"application", "copy"} {
		changed := read(t, strings.Replace(source, "      "+key+": env:GARANT_", "      "+key+": env:OTHER_", 1), held)
		if got := brief(estate.Reductions(read(t, source, held), changed)); !strings.HasPrefix(got, "replaced databases.production.tenancy."+key+" [") {
			t.Errorf("%s replaced: %q", key, got)
		}
	}
	for manifest, want := range map[string]string{
		"isolation: 2\ndatabase: ardoise\ntables: {a.b: {class: tenant}}\n": "is not a manifest",
		"tables: [\n":                       "is not a manifest",
		"isolation: 1\ndatabase: ardoise\n": "is not a manifest",
		strings.Replace(held, "database: ardoise", "database: other", 1): `The manifest is of the database "other"`,
	} {
		_, err := estate.Parse([]byte(source), estate.Files{"isolation.yaml": []byte(manifest)})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "garant.yaml:35:") {
			t.Errorf("%q: %v", manifest, err)
		}
	}
	if _, err := estate.Parse([]byte(source), estate.Files{}); err == nil || !strings.Contains(err.Error(), "there is no such file") {
		t.Errorf("without the file: %v", err)
	}
}

// What waits for a second person does not widen what tokens are minted by.
func TestMintingWaits(t *testing.T) {
	const whole = company + "databases:\n" + guarded
	before := parse(t, whole)
	for _, c := range []struct {
		from, to string
		lifetime time.Duration
		login    bool
	}{
		{"lifetime: 10m", "lifetime: 1h", 10 * time.Minute, true},
		{"lifetime: 10m", "lifetime: 5m", 5 * time.Minute, true},
		{"login.ardoise", "evil.ardoise", 10 * time.Minute, false},
		{"{type: uuid}", "{type: text}", 10 * time.Minute, false},
	} {
		after := parse(t, strings.Replace(whole, c.from, c.to, 1))
		d, _ := after.Database("production")
		m := d.Minting(estate.Reductions(before, after))
		if m.Lifetime != c.lifetime || (m.Login != nil) != c.login {
			t.Errorf("%s: %s, login %v", c.to, m.Lifetime, m.Login)
		}
		if m := d.Minting(nil); m.Login == nil {
			t.Errorf("%s, confirmed: no login", c.to)
		}
	}
}
