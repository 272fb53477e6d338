package estate

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // zones must be known on machines without them

	"go.yaml.in/yaml/v3"
	"golang.org/x/net/idna"
	"golang.org/x/text/language"
)

var (
	nameForm   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	pinForm    = regexp.MustCompile(`^sha256:[0-9a-fA-F]{64}$`)
	systemForm = regexp.MustCompile(`^[1-9][0-9]{0,19}$`)
	zoneForm   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$`)
)

// parser reads the sections of the estate.
type parser struct {
	problems
	files FileReader
	read  Files
	names map[string]string // of targets, to where each is declared
}

func newParser(files FileReader) *parser {
	return &parser{files: files, read: Files{}, names: map[string]string{}}
}

// Parse reads the estate that garant.yaml declares. files gives what it names by file:. The
// error is a *Problems.
func Parse(source []byte, files FileReader) (*Estate, error) {
	p := newParser(files)
	e := p.estate(source)
	if err := p.err(); err != nil {
		return nil, err
	}
	return e, nil
}

// Declares reports whether a garant.yaml has a section of the estate. One without, which holds
// server settings alone, is nothing to apply and nothing to compare; one that cannot be read is
// taken to have one, so that Parse tells why.
func Declares(source []byte) bool {
	var p problems
	sections := p.document(source)
	for _, section := range estateSections() {
		if _, ok := sections[section]; ok {
			return true
		}
	}
	return len(p.found) > 0
}

// Validate reads the whole of garant.yaml and tells every mistake of the estate and of the
// server settings together. dir is where garant.yaml stands.
func Validate(source []byte, dir Dir) (*Estate, *Server, error) {
	return validate(source, dir, dir)
}

func validate(source []byte, files FileReader, dir Dir) (*Estate, *Server, error) {
	p := newParser(files)
	e := p.estate(source)
	s := &settings{problems: p.problems, dir: dir}
	server := s.server(source)
	if err := s.err(); err != nil {
		return nil, nil, err
	}
	return e, server, nil
}

func (p *parser) estate(source []byte) *Estate {
	sections := p.document(source)
	if sections == nil {
		return nil
	}
	e := &Estate{Files: p.read, AuditKeep: DefaultAuditKeep}
	if company, ok := sections["company"]; ok {
		e.Company = p.company(company)
	} else {
		p.addAt(1, 0, "company", "The section is missing.", "Say whose annex it is: name, country, languages, time_zone and contact.")
	}
	if endpoints, ok := sections["endpoints"]; ok {
		e.Endpoints = p.endpoints(endpoints)
	}
	if databases, ok := sections["databases"]; ok {
		e.Databases = p.databases(databases)
	}
	if checks, ok := sections["checks"]; ok {
		e.Checks = p.checks(checks, e)
	}
	if imports, ok := sections["imports"]; ok {
		e.Imports = p.imports(imports)
	}
	if witnesses, ok := sections["witness"]; ok {
		e.Witnesses = p.witnesses(witnesses)
	}
	if audit, ok := sections["audit"]; ok {
		p.audit(audit, e)
	}
	if logs, ok := sections["logs"]; ok {
		e.Logs = p.logs(logs)
	}
	if logs, ok := sections["cloud_logs"]; ok {
		e.CloudLogs = p.cloudLogs(logs)
	}
	if workspaces, ok := sections["workspace"]; ok {
		e.Workspaces = p.workspaces(workspaces)
	}
	e.Policy = p.policy(sections["policy"])
	e.Hash = p.hash(sections)
	return e
}

// hash covers the sections of the estate as written and the files they name.
func (p *parser) hash(sections map[string]*yaml.Node) string {
	of := struct {
		Declared map[string]any    `json:"declared"`
		Files    map[string]string `json:"files"` // hex SHA-256 of each
	}{map[string]any{}, map[string]string{}}
	for _, section := range estateSections() {
		if n, ok := sections[section]; ok {
			of.Declared[section] = declared(n)
		}
	}
	for name, content := range p.read {
		sum := sha256.Sum256(content)
		of.Files[name] = hex.EncodeToString(sum[:])
	}
	encoded, err := json.Marshal(of)
	if err != nil { // strings, lists and maps of them always encode
		panic("estate: " + err.Error())
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:])
}

func (p *parser) company(n *yaml.Node) Company {
	const at = "company"
	values := p.fields(n, at, "name", "legal_name", "country", "languages", "time_zone", "contact")
	if values == nil {
		return Company{}
	}
	c := Company{Zone: time.UTC}
	c.Name, _ = p.text(p.required(n, values, at, "name", "Write the name customers know."), at+".name")
	c.LegalName = c.Name
	if legal, ok := p.text(values["legal_name"], at+".legal_name"); ok {
		c.LegalName = legal
	}
	c.Country = p.country(p.required(n, values, at, "country", "Write the two letters of the country, such as BE."), at+".country")
	languages := p.required(n, values, at, "languages", "List fr, en or both, the language of reference first.")
	for i, item := range p.list(languages, at+".languages", "List fr, en or both: [fr, en].") {
		key := fmt.Sprintf("%s.languages[%d]", at, i)
		code, ok := p.oneOf(item, key, "a language of the annex", "fr", "en")
		if ok && slices.Contains(c.Languages, code) {
			p.add(item, key, quote(code)+" is listed twice.", "Keep one of them.")
		} else if ok {
			c.Languages = append(c.Languages, code)
		}
	}
	zone := p.required(n, values, at, "time_zone", "Write the zone of your due dates, such as Europe/Brussels.")
	if name, ok := p.text(zone, at+".time_zone"); ok {
		loc, err := time.LoadLocation(name)
		if err != nil || !zoneForm.MatchString(name) || name == "Local" {
			p.add(zone, at+".time_zone", quote(name)+" is not a time zone.", "Write a name of the IANA list, such as Europe/Brussels.")
		} else {
			c.Zone = loc
		}
	}
	contact := p.required(n, values, at, "contact", "Write the mail address for questions about the annex.")
	c.Contact = p.mailAddress(contact, at+".contact")
	return c
}

// mailAddress reads the address of a mailbox, alone.
func (p *problems) mailAddress(n *yaml.Node, key string) string {
	address, ok := p.text(n, key)
	if !ok {
		return ""
	}
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Address != address {
		p.add(n, key, quote(address)+" is not a mail address.", "Write the address alone, such as dpo@company.example.")
		return ""
	}
	return address
}

// country reads an ISO 3166-1 alpha-2 code.
func (p *parser) country(n *yaml.Node, key string) string {
	code, ok := p.text(n, key)
	if !ok {
		return ""
	}
	region, err := language.ParseRegion(code)
	valid := err == nil && region.IsCountry() && len(code) == 2
	switch canonical := region.Canonicalize().String(); {
	case valid && canonical == code:
		return code
	case valid && len(canonical) == 2:
		p.add(n, key, quote(code)+" is not a country of ISO 3166-1.", "Write "+canonical+".")
	default:
		p.add(n, key, quote(code)+" is not a country of ISO 3166-1.", "Write its two letters, such as BE or FR.")
	}
	return ""
}

func (p *parser) endpoints(n *yaml.Node) []Endpoint {
	const at = "endpoints"
	items := p.list(n, at, "List each address with a name, a url, an environment and an audience, or remove the section.")
	endpoints := make([]Endpoint, 0, len(items))
	addresses := map[string]int{}
	for i, item := range items {
		key := fmt.Sprintf("%s[%d]", at, i)
		e, values := p.endpoint(item, key)
		p.taken(values["name"], key, e.Name, "endpoint", item.Line)
		if e.Host != "" {
			address := e.URL() + " " + e.Dial
			if first, seen := addresses[address]; seen {
				p.add(values["url"], key+".url", fmt.Sprintf("The same address is declared on line %d.", first), "Keep one of them: an address counts once.")
			}
			addresses[address] = item.Line
		}
		endpoints = append(endpoints, e)
	}
	return endpoints
}

func (p *parser) endpoint(n *yaml.Node, at string) (Endpoint, map[string]*yaml.Node) {
	e := Endpoint{Line: n.Line}
	values := p.fields(n, at, "name", "url", "connect", "plain_http", "environment", "audience", "trust", "identity", "issuer")
	if values == nil {
		return e, nil
	}
	name := p.required(n, values, at, "name", "Give the endpoint a short name that will not change, such as application.")
	if v, ok := p.text(name, at+".name"); ok {
		e.Name = p.targetName(name, at+".name", v)
	}
	p.address(p.required(n, values, at, "url", "Write the address, such as https://app.company.example."), at+".url", &e)
	e.Dial = p.hostPort(values["connect"], at+".connect")
	if v, ok := values["plain_http"]; ok {
		if e.Protocol == Postgres {
			p.add(v, at+".plain_http", "PostgreSQL has no plain HTTP.", "Remove the line.")
		} else {
			e.PlainHTTP = p.hostPort(v, at+".plain_http")
		}
	}
	environment := p.required(n, values, at, "environment", "Write production or non-production.")
	if v, ok := p.oneOf(environment, at+".environment", "an environment", string(Production), string(NonProduction)); ok {
		e.Environment = Environment(v)
	}
	audience := p.required(n, values, at, "audience", "Write public or admin.")
	e.Audience, _ = p.oneOf(audience, at+".audience", "an audience", PublicAudience, AdminAudience)
	e.TrustPEM = p.trust(values["trust"], at+".trust")
	if v, ok := values["identity"]; ok {
		e.Identity = p.identity(v, at+".identity")
	}
	e.Issuer, _ = p.text(values["issuer"], at+".issuer")
	return e, values
}

// address reads a URL into the endpoint. Nothing of a URL that holds a password is shown.
func (p *parser) address(n *yaml.Node, key string, e *Endpoint) {
	written, ok := p.text(n, key)
	if !ok {
		return
	}
	const form = "Write https://HOST, https://HOST:PORT/PATH or postgres://HOST:PORT."
	if strings.Contains(written, "@") {
		p.add(n, key, "The address holds a user name or a password.", "Write the host alone: the checks sign in nowhere.")
		return
	}
	u, err := url.Parse(written)
	if err != nil || u.Opaque != "" || (u.Host == "" && u.Scheme == "") {
		p.add(n, key, "This is not an address.", form)
		return
	}
	switch u.Scheme {
	case "https":
		e.Protocol = HTTPS
	case "postgres":
		e.Protocol = Postgres
	case "http":
		p.add(n, key, "The address is plain HTTP, which the annex rules out.", "Write the https:// address; plain_http names where plain HTTP would answer.")
		return
	default:
		p.add(n, key, quote(u.Scheme)+" is not a protocol that is checked.", form)
		return
	}
	host, ok := hostName(u.Hostname())
	if u.Hostname() == "" {
		p.add(n, key, "The address names no host.", form)
		return
	}
	if !ok {
		p.add(n, key, quote(u.Hostname())+" is not a host name.", form)
		return
	}
	port := e.Protocol.port()
	if _, rest, found := strings.Cut(strings.TrimPrefix(u.Host, "["+u.Hostname()+"]"), ":"); found {
		if port, ok = portNumber(rest); !ok {
			p.add(n, key, quote(rest)+" is not a port.", "Write a number from 1 to 65535, or leave it out.")
			return
		}
	}
	switch {
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(written, "#"):
		p.add(n, key, "The address holds a query or a fragment.", "Leave out what follows the path.")
		return
	case e.Protocol == Postgres && u.Path != "" && u.Path != "/":
		p.add(n, key, "The address names a database.", "Write postgres://HOST:PORT: no database is opened.")
		return
	}
	e.Host, e.Port = host, port
	if e.Protocol == HTTPS {
		e.Path = "/"
		if path := u.EscapedPath(); path != "" {
			e.Path = path
		}
	}
}

// hostName returns a host in its ASCII form, in small letters: an address, or a name by the
// rules of IDNA 2008 (RFC 5891).
func hostName(host string) (string, bool) {
	if address, err := netip.ParseAddr(host); err == nil {
		return address.String(), address.Zone() == ""
	}
	ascii, err := idna.Lookup.ToASCII(host)
	if err != nil || ascii == "" || len(ascii) > 253 {
		return "", false
	}
	labels := strings.Split(ascii, ".")
	for _, label := range labels {
		if !nameForm.MatchString(label) {
			return "", false
		}
	}
	// A last label of digits is an address gone wrong (RFC 3696, section 2).
	_, err = strconv.Atoi(labels[len(labels)-1])
	return ascii, err != nil
}

func portNumber(s string) (int, bool) {
	port, err := strconv.ParseUint(s, 10, 16)
	return int(port), err == nil && port > 0
}

// hostPort reads host:port.
func (p *problems) hostPort(n *yaml.Node, key string) string {
	written, ok := p.text(n, key)
	if !ok {
		return ""
	}
	host, port, err := net.SplitHostPort(written)
	if err == nil {
		if host, ok = hostName(host); ok {
			if number, ok := portNumber(port); ok {
				return net.JoinHostPort(host, strconv.Itoa(number))
			}
		}
	}
	shown := quote(written)
	if strings.Contains(written, "@") {
		shown = "This"
	}
	p.add(n, key, shown+" is not a host with a port.", "Write HOST:PORT, such as 127.0.0.1:9443.")
	return ""
}

// trust reads certificate authorities from a file.
func (p *parser) trust(n *yaml.Node, key string) []byte {
	return p.attached(n, key, "The authorities to trust stand in a file.", "Write file:PATH, with a PEM file beside garant.yaml.", authorities)
}

// attached reads a file that is part of the estate; text and fix say what is missing when none is named, wrong what
// is wrong with its content and what to do ("": nothing).
func (p *parser) attached(n *yaml.Node, key, text, fix string, wrong func([]byte) (text, fix string)) []byte {
	written, ok := p.text(n, key)
	if !ok {
		return nil
	}
	name, found := strings.CutPrefix(written, "file:")
	if name = strings.TrimSpace(name); !found || name == "" {
		p.add(n, key, text, fix)
		return nil
	}
	if p.files == nil {
		p.add(n, key, "The file is not at hand here.", "Apply "+FileName+" from the machine that has it.")
		return nil
	}
	name = filepath.ToSlash(filepath.Clean(name))
	content, err := p.files.ReadFile(name)
	if err != nil {
		p.add(n, key, "The file cannot be used: "+readFailure(err)+".", "The path is taken from the directory of garant.yaml.")
		return nil
	}
	if text, fix := wrong(content); text != "" {
		p.add(n, key, text, fix)
		return nil
	}
	p.read[name] = bytes.Clone(content)
	return p.read[name]
}

// authorities checks that content is PEM with certificates and nothing else; it returns what
// is wrong.
func authorities(content []byte) (text, fix string) {
	const form = "Give the certificates of the authorities, in PEM: -----BEGIN CERTIFICATE-----."
	if len(content) > MaxFile {
		return "The file cannot be used: " + errTooBig.Error() + ".", form
	}
	for i, c := range content {
		if c >= 0x7F || (c < ' ' && c != '\n' && c != '\r' && c != '\t') {
			return fmt.Sprintf("The file is not PEM: byte %d is no plain text.", i+1), form
		}
	}
	count := 0
	for rest := content; ; count++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			if bytes.Contains(rest, []byte("-----BEGIN ")) {
				return "The file is not PEM: a block in it is damaged.", form
			}
			break
		}
		if strings.Contains(block.Type, "PRIVATE KEY") {
			return "The file holds a private key, which would be kept with the estate.", "Take the key out of it. " + form
		}
		if block.Type != "CERTIFICATE" {
			return "The file holds something else than certificates.", form
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return fmt.Sprintf("Certificate %d of the file cannot be read.", count+1), form
		}
	}
	if count == 0 {
		return "The file holds no certificate.", form
	}
	return "", ""
}

func (p *parser) identity(n *yaml.Node, at string) []string {
	const form = "List sha256:HEX, 64 hexadecimal digits of the digest of a public key in the chain."
	var pins []string
	for i, item := range p.list(n, at, form) {
		key := fmt.Sprintf("%s[%d]", at, i)
		pin, ok := p.text(item, key)
		if !ok {
			continue
		}
		lower := strings.ToLower(pin)
		switch {
		case !pinForm.MatchString(pin):
			p.add(item, key, quote(pin)+" is not the digest of a key.", form)
		case slices.Contains(pins, lower):
			p.add(item, key, "The digest is listed twice.", "Keep one of them.")
		default:
			pins = append(pins, lower)
		}
	}
	return pins
}

func (p *parser) policy(n *yaml.Node) Policy {
	const at = "policy"
	policy := DefaultPolicy()
	if n == nil {
		return policy
	}
	values := p.fields(n, at, "tls_versions", "hsts_max_age", "hsts_subdomains", "certificate_remaining", "certificate_lifetime_max", "customer_data_teams", "every")
	if v, ok := values["tls_versions"]; ok {
		policy.TLSVersions = p.tlsVersions(v, at+".tls_versions")
	}
	span := func(key string, into *time.Duration, least, most time.Duration) {
		if v, ok := values[key]; ok {
			*into = p.duration(v, path(at, key), least, most)
		}
	}
	span("hsts_max_age", &policy.HSTSMaxAge, day, 3650*day)
	span("certificate_remaining", &policy.CertRemaining, time.Hour, 365*day)
	// No browser accepts longer lifetimes, of private authorities either (Apple HT210176).
	span("certificate_lifetime_max", &policy.CertLifetimeMax, day, 825*day)
	span("every", &policy.Every, time.Second, day)
	if v, ok := p.boolean(values["hsts_subdomains"], at+".hsts_subdomains"); ok {
		policy.HSTSSubdomains = v
	}
	if v, ok := values["customer_data_teams"]; ok {
		policy.CustomerDataTeams = p.teams(v, at+".customer_data_teams")
	}
	if policy.CertRemaining >= policy.CertLifetimeMax && policy.CertLifetimeMax > 0 {
		key := "certificate_remaining"
		if values[key] == nil {
			key = "certificate_lifetime_max"
		}
		p.add(values[key], path(at, key), fmt.Sprintf("No certificate can have %s left and a lifetime of %s at most.", FormatDuration(policy.CertRemaining), FormatDuration(policy.CertLifetimeMax)),
			"Make certificate_remaining shorter than certificate_lifetime_max.")
	}
	return policy
}

func (p *parser) tlsVersions(n *yaml.Node, at string) []string {
	const form = `List "1.2", "1.3" or both, in quotes.`
	var versions []string
	for i, item := range p.list(n, at, form) {
		key := fmt.Sprintf("%s[%d]", at, i)
		if item.Tag == "!!float" {
			p.add(item, key, "A version is a text, not a number.", form)
			continue
		}
		version, ok := p.text(item, key)
		if !ok {
			continue
		}
		switch version = strings.TrimPrefix(version, "TLS "); {
		case slices.Contains(versions, version):
			p.add(item, key, quote(version)+" is listed twice.", "Keep one of them.")
		case version == "1.2" || version == "1.3":
			versions = append(versions, version)
		case version == "1.0" || version == "1.1":
			p.add(item, key, "TLS "+version+" is withdrawn (RFC 8996) and cannot be accepted.", form)
		default:
			p.add(item, key, quote(version)+" is not a version of TLS.", form)
		}
	}
	slices.Sort(versions)
	return versions
}

// duration reads a span of time within bounds.
func (p *problems) duration(n *yaml.Node, key string, least, most time.Duration) time.Duration {
	const form = "Write a whole number with its unit, s, m, h, d, w or y, such as 14d."
	if n.Kind == yaml.ScalarNode && n.Tag == "!!int" {
		p.add(n, key, "The number has no unit.", form)
		return 0
	}
	written, ok := p.text(n, key)
	if !ok {
		return 0
	}
	d, ok := ParseDuration(written)
	switch {
	case !ok:
		p.add(n, key, quote(written)+" is not a span of time.", form)
	case d < least || d > most:
		p.add(n, key, quote(written)+" is out of bounds.", "Write at least "+FormatDuration(least)+" and at most "+FormatDuration(most)+".")
	default:
		return d
	}
	return 0
}
