package estate

import (
	"net/url"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Tenancy says that a database refuses every row without a token of its tenant, and who may ask
// for one. docs/tenancy.md.
type Tenancy struct {
	Keeper   Secret        // address of a login there that is a member of garant_keeper
	Design   string        // "pinned" or "statement"
	KeyType  string        // of what names a tenant: "uuid", "bigint" or "text"
	Lifetime time.Duration // of a token
	Rotate   time.Duration // age at which its key is replaced
	Job      time.Duration // longest time that a service job is accepted for
	Login    *OIDCLogin    // whose logins are exchanged; nil: nobody's
	// Manifest is the content of isolation.yaml, which the database is held to; nil: nobody says
	// which tables are whose.
	Manifest []byte
	// Application is the address as the application's role signs in, by which refusals are tried; empty: they are not.
	Application Secret
	// Copy is the address as a role that may copy the schema (pg_dump locks each table for reading),
	// for trying writes on a copy; empty: they are not tried.
	Copy Secret
}

// OIDCLogin is the login that the company already has: OpenID Connect.
type OIDCLogin struct {
	Issuer       string // as its tokens have it
	Audience     string // client id of the application
	TenantClaim  string // claim of an ID token that names the tenant
	SessionClaim string // claim that names the login
	TrustPEM     []byte // authorities to trust when asking the issuer for its keys; nil: the machine's
}

// What holds unless told, and the bounds.
const (
	DefaultTokenLifetime = 15 * time.Minute
	MaxTokenLifetime     = 24 * time.Hour
	DefaultKeyRotation   = 90 * day
	MaxKeyRotation       = 366 * day
	DefaultJobDuration   = 90 * day
	MaxJobDuration       = 366 * day
	DefaultSessionClaim  = "sid"
)

// The measures that lean on tenancy.
const (
	segApart = "SEG-1"
	segLogin = "SEG-2"
)

// Guarded lists the databases with tenancy.
func (e *Estate) Guarded() []Database {
	var list []Database
	for _, d := range e.Databases {
		if d.Tenancy != nil {
			list = append(list, d)
		}
	}
	return list
}

func (p *parser) tenancy(n *yaml.Node, at, database string) *Tenancy {
	if n == nil {
		return nil
	}
	values := p.fields(n, at, "keeper", "design", "key", "lifetime", "rotate", "jobs", "login", "manifest", "application", "copy")
	if values == nil {
		return nil
	}
	t := &Tenancy{Lifetime: DefaultTokenLifetime, Rotate: DefaultKeyRotation, Job: DefaultJobDuration}
	t.Keeper = p.connection(p.required(n, values, at, "keeper", "Write env:NAME or file:/PATH, with the address of a login there that is a member of garant_keeper."), at+".keeper")
	t.Design, _ = p.oneOf(p.required(n, values, at, "design", "Write pinned or statement, as isolation.yaml has it."), at+".design", "a design", "pinned", "statement")
	if key := p.required(n, values, at, "key", "Write {type: uuid}, {type: bigint} or {type: text}: what names a tenant there."); key != nil {
		if of := p.fields(key, at+".key", "type"); of != nil {
			t.KeyType, _ = p.oneOf(p.required(key, of, at+".key", "type", "Write uuid, bigint or text."), at+".key.type", "a type of keys", "uuid", "bigint", "text")
		}
	}
	if v := values["lifetime"]; v != nil {
		t.Lifetime = p.duration(v, at+".lifetime", time.Minute, MaxTokenLifetime)
	}
	if v := values["rotate"]; v != nil {
		t.Rotate = p.duration(v, at+".rotate", day, MaxKeyRotation)
	}
	if v := values["jobs"]; v != nil {
		if of := p.fields(v, at+".jobs", "longest"); of != nil {
			if longest := p.required(v, of, at+".jobs", "longest", "Write the longest time that a service job is accepted for, such as 90d."); longest != nil {
				t.Job = p.duration(longest, at+".jobs.longest", time.Hour, MaxJobDuration)
			}
		}
	}
	t.Login = p.login(values["login"], at+".login")
	if v := values["manifest"]; v != nil {
		t.Manifest = p.manifest(v, at+".manifest", database)
	}
	if v := values["application"]; v != nil {
		t.Application = p.connection(v, at+".application")
	}
	if v := values["copy"]; v != nil {
		t.Copy = p.connection(v, at+".copy")
	}
	return t
}

// connection reads where an address with its password stands.
func (p *parser) connection(n *yaml.Node, key string) Secret {
	s := p.secret(n, key, "")
	if strings.HasPrefix(s.reference(), "file:") && !strings.HasPrefix(s.name, "/") {
		p.add(n, key, "The path of the file does not start at the root.", "Write file:/PATH: the estate is kept apart from garant.yaml.")
	}
	return s
}

func (p *parser) login(n *yaml.Node, at string) *OIDCLogin {
	if n == nil {
		return nil
	}
	values := p.fields(n, at, "issuer", "audience", "tenant_claim", "session_claim", "trust")
	if values == nil {
		return nil
	}
	l := &OIDCLogin{SessionClaim: DefaultSessionClaim}
	issuer := p.required(n, values, at, "issuer", "Write the issuer as its tokens have it, such as https://login.company.example.")
	if v, ok := p.text(issuer, at+".issuer"); ok {
		u, err := url.Parse(v)
		if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(v, "#") {
			p.add(issuer, at+".issuer", "This is not an issuer of OpenID Connect.", "Write https://HOST or https://HOST/PATH, without a query: as the claim iss of its tokens has it.")
		} else {
			l.Issuer = v
		}
	}
	l.Audience, _ = p.text(p.required(n, values, at, "audience", "Write the client id of the application, as the claim aud of its tokens has it."), at+".audience")
	l.TenantClaim, _ = p.text(p.required(n, values, at, "tenant_claim", "Write the claim that names the tenant, such as org_id."), at+".tenant_claim")
	if v := values["session_claim"]; v != nil {
		l.SessionClaim, _ = p.text(v, at+".session_claim")
	}
	for _, reserved := range []string{"iss", "sub", "aud", "exp", "iat", "nonce"} {
		if l.TenantClaim == reserved {
			p.add(values["tenant_claim"], at+".tenant_claim", "The claim "+quote(reserved)+" names no tenant.", "Let the issuer put the tenant's key into a claim of its own, such as org_id.")
		}
	}
	l.TrustPEM = p.trust(values["trust"], at+".trust")
	return l
}

// shownTenancy is the section in a few words; empty: there is none.
func shownTenancy(d Database) string {
	if d.Tenancy == nil {
		return ""
	}
	return d.Tenancy.Design + ", " + d.Tenancy.KeyType
}

// tenancyFacets is what of the section is compared. An issuer decides who may be which tenant: to
// accept another, or one where there was none, waits for a second person.
func tenancyFacets() []databaseFacet {
	of := func(show func(*Tenancy) string) func(Database) string {
		return func(d Database) string {
			if d.Tenancy == nil {
				return ""
			}
			return show(d.Tenancy)
		}
	}
	both := func(reduced func(x, now *Tenancy) bool) func(x, now Database) bool {
		return func(x, now Database) bool {
			return x.Tenancy != nil && now.Tenancy != nil && reduced(x.Tenancy, now.Tenancy)
		}
	}
	differs := func(show func(*Tenancy) string) func(x, now Database) bool {
		return both(func(x, now *Tenancy) bool { return show(x) != show(now) })
	}
	on := func(measures ...string) func(Database) []string { return func(Database) []string { return measures } }
	keep := func(set func(to *Tenancy, x *Tenancy)) func(to *Database, x Database) {
		return func(to *Database, x Database) {
			copied := *to.Tenancy // an estate is never changed
			set(&copied, x.Tenancy)
			to.Tenancy = &copied
		}
	}
	keeper := func(t *Tenancy) string { return t.Keeper.reference() }
	application := func(t *Tenancy) string { return t.Application.reference() }
	copyOf := func(t *Tenancy) string { return t.Copy.reference() }
	design := func(t *Tenancy) string { return t.Design }
	keyType := func(t *Tenancy) string { return t.KeyType }
	lifetime := func(t *Tenancy) string { return FormatDuration(t.Lifetime) }
	rotate := func(t *Tenancy) string { return FormatDuration(t.Rotate) }
	longest := func(t *Tenancy) string { return FormatDuration(t.Job) }
	login := func(t *Tenancy) string {
		if t.Login == nil {
			return ""
		}
		l := t.Login
		return l.Issuer + ", audience " + l.Audience + ", tenant " + l.TenantClaim + ", session " + l.SessionClaim
	}
	trust := func(t *Tenancy) []byte {
		if t.Login == nil {
			return nil
		}
		return t.Login.TrustPEM
	}
	return []databaseFacet{
		{"tenancy", TargetRemoved, shownTenancy, func(x, now Database) bool { return x.Tenancy != nil && now.Tenancy == nil }, on(segApart, segLogin),
			func(to *Database, x Database) { to.Tenancy = x.Tenancy }},
		{"tenancy.keeper", Replaced, of(keeper), differs(keeper), on(segLogin),
			keep(func(to, x *Tenancy) { to.Keeper = x.Keeper })},
		{"tenancy.design", Weakened, of(design), both(func(x, now *Tenancy) bool { return x.Design == "pinned" && now.Design != "pinned" }), on(segApart, segLogin),
			keep(func(to, x *Tenancy) { to.Design = x.Design })},
		{"tenancy.key.type", Replaced, of(keyType), differs(keyType), on(segApart, segLogin),
			keep(func(to, x *Tenancy) { to.KeyType = x.KeyType })},
		{"tenancy.lifetime", Weakened, of(lifetime), both(func(x, now *Tenancy) bool { return now.Lifetime > x.Lifetime }), on(segLogin),
			keep(func(to, x *Tenancy) { to.Lifetime = x.Lifetime })},
		{"tenancy.rotate", Weakened, of(rotate), both(func(x, now *Tenancy) bool { return now.Rotate > x.Rotate }), on(segLogin),
			keep(func(to, x *Tenancy) { to.Rotate = x.Rotate })},
		{"tenancy.jobs.longest", Weakened, of(longest), both(func(x, now *Tenancy) bool { return now.Job > x.Job }), on(segLogin),
			keep(func(to, x *Tenancy) { to.Job = x.Job })},
		{"tenancy.login", IssuerChanged, of(login), both(func(x, now *Tenancy) bool { return now.Login != nil && login(x) != login(now) }), on(segLogin),
			keep(func(to, x *Tenancy) { to.Login = x.Login })},
		{"tenancy.manifest", Weakened, of(shownManifest), both(manifestNarrowed), on(segApart, segLogin),
			keep(func(to, x *Tenancy) { to.Manifest = x.Manifest })},
		{"tenancy.application", Replaced, of(application), both(func(x, now *Tenancy) bool { return application(x) != "" && application(x) != application(now) }), on(segApart, segLogin),
			keep(func(to, x *Tenancy) { to.Application = x.Application })},
		{"tenancy.copy", Replaced, of(copyOf), both(func(x, now *Tenancy) bool { return copyOf(x) != "" && copyOf(x) != copyOf(now) }), on(segApart, segLogin),
			keep(func(to, x *Tenancy) { to.Copy = x.Copy })},
		{"tenancy.login.trust", TrustWidened, of(func(t *Tenancy) string { return describePEM(trust(t)) }), both(func(x, now *Tenancy) bool {
			return now.Login != nil && login(x) == login(now) && !narrower(trust(x), trust(now))
		}), on(segLogin),
			keep(func(to, x *Tenancy) { to.Login = x.Login })},
	}
}

// Minting is what tokens may be minted by: the section as far as nobody else has to confirm it
// first. A shorter lifetime holds at once, a longer one when it is confirmed; whose logins are
// accepted is not widened by one person alone (Login is nil until then).
func (d Database) Minting(pending []Reduction) *Tenancy {
	if d.Tenancy == nil {
		return nil
	}
	t := *d.Tenancy
	for _, r := range pending {
		key, of := strings.CutPrefix(r.Key, "databases."+d.Name+".")
		if !of {
			continue
		}
		switch key {
		case "tenancy.lifetime":
			if was, ok := ParseDuration(r.From); ok {
				t.Lifetime = min(t.Lifetime, was)
			}
		case "tenancy.login", "tenancy.login.trust", "tenancy.key.type":
			t.Login = nil
		}
	}
	return &t
}
