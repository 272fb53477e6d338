package estate_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
)

func TestParse(t *testing.T) {
	ca := authority(t, "Ardoise")
	pin := strings.Repeat("AB", 32)
	source := company + `endpoints:
  - name: application
    url: https://App.Ardoise.example/login
    connect: localhost:9443
    plain_http: "[::1]:9080"
    environment: production
    audience: public
    trust: file:./tls/../ca.pem
    identity: [sha256:` + pin + `]
    issuer: Let’s Encrypt
  - {name: db, url: "postgres://[2001:db8::1]:6432", environment: non-production, audience: admin}
policy:
  tls_versions: ["1.3"]
  hsts_max_age: 2y
  hsts_subdomains: false
  certificate_remaining: 3w
  certificate_lifetime_max: 90d
  every: 30s
`
	got, err := estate.Parse([]byte(source), estate.Files{"ca.pem": ca})
	if err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation("Europe/Brussels")
	if err != nil {
		t.Fatal(err)
	}
	const day = 24 * time.Hour
	want := &estate.Estate{
		Company: estate.Company{Name: "Ardoise Mécénat", LegalName: "Ardoise Mécénat SRL", Country: "BE", Languages: []string{"fr", "en"}, Zone: zone, Contact: "dpo@ardoise.example"},
		Endpoints: []estate.Endpoint{
			{Name: "application", Protocol: estate.HTTPS, Host: "app.ardoise.example", Port: 443, Path: "/login", Dial: "localhost:9443", PlainHTTP: "[::1]:9080",
				Environment: estate.Production, Audience: "public", TrustPEM: ca, Identity: []string{"sha256:" + strings.ToLower(pin)}, Issuer: "Let’s Encrypt", Line: 9},
			{Name: "db", Protocol: estate.Postgres, Host: "2001:db8::1", Port: 6432, Environment: estate.NonProduction, Audience: "admin", Line: 18},
		},
		AuditKeep: estate.DefaultAuditKeep,
		Policy:    estate.Policy{TLSVersions: []string{"1.3"}, HSTSMaxAge: 730 * day, CertRemaining: 21 * day, CertLifetimeMax: 90 * day, Every: 30 * time.Second, CustomerDataTeams: []string{"Customer Success", "IT Operations"}},
		Hash:      got.Hash,
		Files:     estate.Files{"ca.pem": ca},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() })); diff != "" {
		t.Error(diff)
	}
	if u := got.Endpoints[1].URL(); u != "postgres://[2001:db8::1]:6432" {
		t.Errorf("URL of the database: %s", u)
	}
	if u := got.Endpoints[0].URL(); u != "https://app.ardoise.example/login" {
		t.Errorf("URL of the application: %s", u)
	}
}

func TestParseDefaults(t *testing.T) {
	e := parse(t, company)
	if len(e.Endpoints) != 0 || !equalPolicy(e.Policy, estate.DefaultPolicy()) {
		t.Errorf("a file with a company alone reads as %+v", e)
	}
	e = parse(t, strings.Replace(company, "  legal_name: Ardoise Mécénat SRL\n", "", 1)+"endpoints:\n"+application)
	if e.Company.LegalName != e.Company.Name || e.Endpoints[0].Path != "/" || e.Endpoints[0].Port != 443 {
		t.Errorf("defaults are missing in %+v", e)
	}
}

func TestDeclares(t *testing.T) {
	for source, want := range map[string]bool{
		company: true, "policy:\n  every: 1m\n": true, "listen:\n  console: 127.0.0.1:1\n": false, "": true, "a: [": true, "companny: {}\n": true,
	} {
		if got := estate.Declares([]byte(source)); got != want {
			t.Errorf("%q: %v", source, got)
		}
	}
}

// TestHash holds what the hash covers: what is declared and the files it names, nothing else.
func TestHash(t *testing.T) {
	base := company + "endpoints:\n" + application
	of := func(source string) string { return parse(t, source).Hash }
	if len(of(base)) != 64 {
		t.Fatalf("hash %q", of(base))
	}
	for name, same := range map[string]string{
		"comment":  "# as agreed\n" + base,
		"crlf":     strings.ReplaceAll(base, "\n", "\r\n"),
		"order":    "endpoints:\n" + application + company,
		"listen":   base + "listen:\n  console: 127.0.0.1:1\n",
		"quotes":   strings.Replace(base, "country: BE", `country: "BE"`, 1),
		"document": "---\n" + base + "...\n",
	} {
		if of(same) != of(base) {
			t.Errorf("%s changes the hash", name)
		}
	}
	for name, other := range map[string]string{
		"country":  strings.Replace(base, "BE", "FR", 1),
		"endpoint": base + strings.Replace(application, "application", "b", 1) + "    connect: 127.0.0.1:1\n",
		"default":  base + "policy:\n  every: 1m\n",
	} {
		if of(other) == of(base) {
			t.Errorf("%s does not change the hash", name)
		}
	}
	trusting := []byte(base + "    trust: file:ca.pem\n")
	a, err := estate.Parse(trusting, estate.Files{"ca.pem": authority(t, "one")})
	if err != nil {
		t.Fatal(err)
	}
	b, err := estate.Parse(trusting, estate.Files{"ca.pem": authority(t, "two")})
	if err != nil {
		t.Fatal(err)
	}
	if a.Hash == b.Hash {
		t.Error("another file under the same name does not change the hash")
	}
}

func TestProblemsAreInvalid(t *testing.T) {
	_, err := estate.Parse([]byte(company+"endpoint: []\npolicy: {evry: 1m}\n"), nil)
	if !errs.Is(err, errs.Invalid) {
		t.Fatalf("kind %v of %v", errs.KindOf(err), err)
	}
	text, fix := errs.Sentence(err)
	if text != "garant.yaml has 2 mistakes. The first: garant.yaml:8: endpoint: There is no such section. Did you mean endpoints?" || fix == "" {
		t.Errorf("for pages: %q, %q", text, fix)
	}
}

// TestManyProblems holds the limit and that what is left out is counted.
func TestManyProblems(t *testing.T) {
	source := company + "endpoints:\n" + strings.Repeat("  - {}\n", 30)
	_, err := estate.Parse([]byte(source), nil)
	var problems *estate.Problems
	if !errors.As(err, &problems) {
		t.Fatal(err)
	}
	if len(problems.List) != estate.MaxProblems || problems.More != 30*4-estate.MaxProblems {
		t.Errorf("%d told, %d more", len(problems.List), problems.More)
	}
	if !strings.HasSuffix(err.Error(), "\ngarant.yaml: and 100 more.") {
		t.Error(err)
	}
}

func TestDirRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ca := authority(t, "Ardoise")
	write("ca.pem", ca)
	write("big.pem", bytes.Repeat(ca, 1+estate.MaxFile/len(ca)))
	write("key.pem", []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	write("half.pem", ca[:len(ca)/2])
	write("text.pem", []byte("hello\n"))
	write("latin.pem", append([]byte("# caf\xe9\n"), ca...))
	write("crl.pem", []byte("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"))
	write("junk.pem", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	const form = " Give the certificates of the authorities, in PEM: -----BEGIN CERTIFICATE-----."
	const where = " The path is taken from the directory of garant.yaml."
	for name, want := range map[string]string{
		"file:ca.pem":      "",
		"file:big.pem":     "The file cannot be used: it is larger than 1 MiB." + where,
		"file:.":           "The file cannot be used: it is not a regular file." + where,
		"file:absent.pem":  "The file cannot be used: there is no such file." + where,
		"file:key.pem":     "The file holds a private key, which would be kept with the estate. Take the key out of it." + form,
		"file:half.pem":    "The file is not PEM: a block in it is damaged." + form,
		"file:text.pem":    "The file holds no certificate." + form,
		"file:latin.pem":   "The file is not PEM: byte 6 is no plain text." + form,
		"file:crl.pem":     "The file holds something else than certificates." + form,
		"file:junk.pem":    "Certificate 1 of the file cannot be read." + form,
		"ca.pem":           "The authorities to trust stand in a file. Write file:PATH, with a PEM file beside garant.yaml.",
		"env:CA":           "The authorities to trust stand in a file. Write file:PATH, with a PEM file beside garant.yaml.",
		`"file: ca.pem"`:   "",
		"file:../nowhere/": "The file cannot be used: there is no such file." + where,
	} {
		_, err := estate.Parse([]byte(company+"endpoints:\n"+application+"    trust: "+name+"\n"), estate.Dir(dir))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if want != "" {
			want = "garant.yaml:13: endpoints[0].trust: " + want
		}
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
}

func TestReadSource(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "garant.yaml")
	if _, _, err := estate.ReadSource(file); !errs.Is(err, errs.Invalid) || strings.Contains(err.Error(), dir) {
		t.Errorf("an absent file: %v", err)
	}
	if err := os.WriteFile(file, []byte(company), 0o600); err != nil {
		t.Fatal(err)
	}
	source, got, err := estate.ReadSource(file)
	if err != nil || string(source) != company || string(got) != dir {
		t.Errorf("%q, %q, %v", source, got, err)
	}
}

func TestDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{"90s": 90 * time.Second, "6h": 6 * time.Hour, "14d": 336 * time.Hour, "1y": 8760 * time.Hour, "2w": 336 * time.Hour, "100y": 876000 * time.Hour, "5m": 5 * time.Minute} {
		if got, ok := estate.ParseDuration(s); !ok || got != want {
			t.Errorf("%s: %v, %v", s, got, ok)
		}
		if again, ok := estate.ParseDuration(estate.FormatDuration(want)); !ok || again != want {
			t.Errorf("%v is written %s", want, estate.FormatDuration(want))
		}
	}
	for _, s := range []string{"", "d", "14", "1.5h", "-1d", "+1d", "01d", "14 d", "14D", "101y", "9999999999y", "99999999999s", "1h30m", "１d"} {
		if got, ok := estate.ParseDuration(s); ok {
			t.Errorf("%q is read as %v", s, got)
		}
	}
}

// FuzzParse: whatever the file, no panic, and every mistake points into it.
func FuzzParse(f *testing.F) {
	for _, c := range badFiles() {
		f.Add([]byte(c.source))
	}
	f.Add([]byte(company + "endpoints:\n" + application))
	f.Fuzz(func(t *testing.T, source []byte) {
		_, err := estate.Parse(source, estate.Files{})
		_, serverErr := estate.ParseServer(source, "/nowhere")
		last := bytes.Count(source, []byte("\n")) + 1
		for _, err := range []error{err, serverErr} {
			var problems *estate.Problems
			if err == nil {
				continue
			}
			if !errors.As(err, &problems) || len(problems.List) == 0 || len(problems.List) > estate.MaxProblems {
				t.Fatalf("%T %v", err, err)
			}
			for _, p := range problems.List {
				if p.Line < 1 || p.Line > last || p.Column < 0 || p.Text == "" {
					t.Errorf("of %d lines: %+v", last, p)
				}
			}
		}
	})
}
