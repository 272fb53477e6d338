package estate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ChangeKind says what became of a key.
type ChangeKind string

// The kinds of changes.
const (
	Added   ChangeKind = "added"
	Removed ChangeKind = "removed"
	Changed ChangeKind = "changed"
)

// Change is one difference between two estates.
type Change struct {
	Kind ChangeKind
	Key  string // "company.contact", "endpoints.application.url", "databases.production.readers", "policy.every"
	From string // as garant.yaml would have it; empty: not there
	To   string
}

func (c Change) String() string {
	switch c.Kind {
	case Added:
		return "+ " + c.Key + ": " + c.To
	case Removed:
		return "- " + c.Key + ": " + c.From
	}
	return "~ " + c.Key + ": " + shown(c.From) + " → " + shown(c.To)
}

func shown(value string) string {
	if value == "" {
		return "(none)"
	}
	return value
}

// Diff tells what changed from one estate to another: the company, the endpoints and the
// databases, own checks, imports, witnesses and logs by name, the policy. The order of targets is no difference.
func Diff(before, after *Estate) []Change {
	var changes []Change
	compare := func(key, from, to string) {
		switch {
		case from == to:
		case from == "":
			changes = append(changes, Change{Added, key, from, to})
		case to == "":
			changes = append(changes, Change{Removed, key, from, to})
		default:
			changes = append(changes, Change{Changed, key, from, to})
		}
	}
	old, now := companyFields(before.Company), companyFields(after.Company)
	for i := range old {
		compare("company."+old[i][0], old[i][1], now[i][1])
	}
	for _, e := range after.Endpoints {
		was, ok := before.Endpoint(e.Name)
		if !ok {
			changes = append(changes, Change{Added, "endpoints." + e.Name, "", e.URL()})
			continue
		}
		for _, f := range facets() {
			compare("endpoints."+e.Name+"."+f.key, f.show(was), f.show(e))
		}
	}
	for _, e := range before.Endpoints {
		if _, ok := after.Endpoint(e.Name); !ok {
			changes = append(changes, Change{Removed, "endpoints." + e.Name, e.URL(), ""})
		}
	}
	for _, d := range after.Databases {
		was, ok := before.Database(d.Name)
		if !ok {
			changes = append(changes, Change{Added, "databases." + d.Name, "", d.Database})
			continue
		}
		for _, f := range databaseFacets() {
			compare("databases."+d.Name+"."+f.key, f.show(was), f.show(d))
		}
	}
	for _, d := range before.Databases {
		if _, ok := after.Database(d.Name); !ok {
			changes = append(changes, Change{Removed, "databases." + d.Name, d.Database, ""})
		}
	}
	for _, s := range comparableSections() {
		s.diff(before, after, compare)
	}
	for _, t := range thresholds() {
		compare("policy."+t.key, t.show(before.Policy), t.show(after.Policy))
	}
	return changes
}

func companyFields(c Company) [][2]string {
	zone := ""
	if c.Zone != nil {
		zone = c.Zone.String()
	}
	return [][2]string{
		{"name", c.Name}, {"legal_name", c.LegalName}, {"country", c.Country},
		{"languages", strings.Join(c.Languages, ", ")}, {"time_zone", zone}, {"contact", c.Contact},
	}
}

// facet is one thing that an endpoint declares, as far as expectations go.
type facet struct {
	key      string
	kind     ReductionKind
	show     func(Endpoint) string
	reduced  func(expected, now Endpoint) bool // looking at now proves less than was expected
	measures func(expected Endpoint) []string  // that lean on it
	keep     func(to *Endpoint, expected Endpoint)
}

// facets lists what an endpoint declares, in the order of garant.yaml.
func facets() []facet {
	differs := func(show func(Endpoint) string) func(a, b Endpoint) bool {
		return func(a, b Endpoint) bool { return show(a) != show(b) }
	}
	connect := func(e Endpoint) string { return e.Dial }
	plainHTTP := func(e Endpoint) string { return e.PlainHTTP }
	environment := func(e Endpoint) string { return string(e.Environment) }
	audience := func(e Endpoint) string { return e.Audience }
	identity := func(e Endpoint) string { return strings.Join(slices.Sorted(slices.Values(e.Identity)), ", ") }
	return []facet{
		{"url", Replaced, Endpoint.URL, differs(Endpoint.URL), measuresOf,
			func(to *Endpoint, x Endpoint) {
				to.Protocol, to.Host, to.Port, to.Path = x.Protocol, x.Host, x.Port, x.Path
			}},
		{"connect", Replaced, connect, differs(connect), measuresOf,
			func(to *Endpoint, x Endpoint) { to.Dial = x.Dial }},
		{"plain_http", Replaced, plainHTTP, differs(plainHTTP), func(Endpoint) []string { return []string{encTransport, encHSTS} },
			func(to *Endpoint, x Endpoint) { to.PlainHTTP = x.PlainHTTP }},
		// In either direction: what fails in one environment must not go unseen in the other.
		{"environment", EnvironmentChanged, environment, differs(environment),
			func(x Endpoint) []string { return []string{certificateMeasure(x)} },
			func(to *Endpoint, x Endpoint) { to.Environment = x.Environment }},
		{"audience", AudienceChanged, audience, differs(audience), func(Endpoint) []string { return []string{encTransport} },
			func(to *Endpoint, x Endpoint) { to.Audience = x.Audience }},
		{"trust", TrustWidened, func(e Endpoint) string { return describePEM(e.TrustPEM) },
			func(x, now Endpoint) bool { return !narrower(x.TrustPEM, now.TrustPEM) }, measuresOf,
			func(to *Endpoint, x Endpoint) { to.TrustPEM = x.TrustPEM }},
		{"identity", IdentityChanged, identity,
			func(x, now Endpoint) bool { return len(x.Identity) > 0 && identity(x) != identity(now) }, measuresOf,
			func(to *Endpoint, x Endpoint) { to.Identity = x.Identity }},
		{"issuer", IssuerChanged, func(e Endpoint) string { return e.Issuer },
			func(x, now Endpoint) bool { return x.Issuer != "" && x.Issuer != now.Issuer },
			func(x Endpoint) []string { return []string{certificateMeasure(x)} },
			func(to *Endpoint, x Endpoint) { to.Issuer = x.Issuer }},
	}
}

// threshold is one figure of the policy.
type threshold struct {
	key      string
	kind     ReductionKind
	show     func(Policy) string
	reduced  func(expected, now Policy) bool
	measures func(expected *Estate) []string
	keep     func(to *Policy, expected Policy)
}

// thresholds lists the figures of the policy, in the order of garant.yaml.
func thresholds() []threshold {
	on := func(measures ...string) func(*Estate) []string { return func(*Estate) []string { return measures } }
	certificates := on(crtProduction, crtOther)
	return []threshold{
		{"tls_versions", Weakened, func(p Policy) string { return strings.Join(p.TLSVersions, ", ") },
			func(x, now Policy) bool {
				return len(now.TLSVersions) == 0 || len(x.TLSVersions) > 0 && slices.Min(now.TLSVersions) < slices.Min(x.TLSVersions)
			},
			on(encTransport), func(to *Policy, x Policy) { to.TLSVersions = x.TLSVersions }},
		{"hsts_max_age", Weakened, func(p Policy) string { return FormatDuration(p.HSTSMaxAge) },
			func(x, now Policy) bool { return now.HSTSMaxAge < x.HSTSMaxAge },
			on(encHSTS), func(to *Policy, x Policy) { to.HSTSMaxAge = x.HSTSMaxAge }},
		{"hsts_subdomains", Weakened, func(p Policy) string { return strconv.FormatBool(p.HSTSSubdomains) },
			func(x, now Policy) bool { return x.HSTSSubdomains && !now.HSTSSubdomains },
			on(encHSTS), func(to *Policy, x Policy) { to.HSTSSubdomains = x.HSTSSubdomains }},
		{"certificate_remaining", Weakened, func(p Policy) string { return FormatDuration(p.CertRemaining) },
			func(x, now Policy) bool { return now.CertRemaining < x.CertRemaining },
			certificates, func(to *Policy, x Policy) { to.CertRemaining = x.CertRemaining }},
		{"certificate_lifetime_max", Weakened, func(p Policy) string { return FormatDuration(p.CertLifetimeMax) },
			func(x, now Policy) bool { return now.CertLifetimeMax > x.CertLifetimeMax },
			certificates, func(to *Policy, x Policy) { to.CertLifetimeMax = x.CertLifetimeMax }},
		{"customer_data_teams", Weakened, func(p Policy) string { return strings.Join(p.CustomerDataTeams, ", ") },
			func(x, now Policy) bool { return !within(now.CustomerDataTeams, x.CustomerDataTeams) },
			on(accTeams), func(to *Policy, x Policy) { to.CustomerDataTeams = x.CustomerDataTeams }},
		{"every", Slowed, func(p Policy) string { return FormatDuration(p.Every) },
			func(x, now Policy) bool { return now.Every > x.Every },
			everyMeasure, func(to *Policy, x Policy) { to.Every = x.Every }},
	}
}

// fingerprints returns the digests of the certificates in a PEM text.
func fingerprints(text []byte) map[[sha256.Size]byte]bool {
	set := map[[sha256.Size]byte]bool{}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		set[sha256.Sum256(block.Bytes)] = true
	}
	return set
}

// narrower reports whether now trusts nothing that was not trusted. What the machine trusts is
// not known here, so that leaving it for own authorities counts as trusting others.
func narrower(expected, now []byte) bool {
	if len(expected) == 0 || len(now) == 0 {
		return len(expected) == len(now)
	}
	old := fingerprints(expected)
	for f := range fingerprints(now) {
		if !old[f] {
			return false
		}
	}
	return true
}

// describePEM names a set of authorities by the digest of its certificates.
func describePEM(text []byte) string {
	if len(text) == 0 {
		return ""
	}
	set := fingerprints(text)
	digests := make([]string, 0, len(set))
	for f := range set {
		digests = append(digests, hex.EncodeToString(f[:]))
	}
	slices.Sort(digests)
	sum := sha256.Sum256([]byte(strings.Join(digests, "\n")))
	return fmt.Sprintf("sha256:%s… (certificates: %d)", hex.EncodeToString(sum[:8]), len(set))
}
