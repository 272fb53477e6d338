package estate

import (
	"net"
	"strconv"
	"strings"
	"time"
)

// Environment says whether customers' data may be there.
type Environment string

// The environments.
const (
	Production    Environment = "production"
	NonProduction Environment = "non-production"
)

// Protocol is what an endpoint speaks before and under TLS.
type Protocol string

// The protocols.
const (
	HTTPS    Protocol = "https"
	Postgres Protocol = "postgres"
)

// Estate is what one version of garant.yaml declares. It is never changed after Parse.
type Estate struct {
	Company   Company
	Endpoints []Endpoint
	Databases []Database
	Checks    []OwnCheck
	Imports   []Import
	Witnesses []Witness
	Streams   []Stream // audit.streams
	Logs      []Log

	CloudLogs  []CloudLog
	Workspaces []Workspace

	AuditKeep   time.Duration // audit.keep: how long entries stay in the database
	AuditCopies []AuditCopy   // audit.copy: one, or none

	Policy Policy

	Hash  string // hex SHA-256 of what is declared and of Files; see the package comment
	Files Files  // what the declaration names by file:, as it was when it was read
}

// Company is whose annex it is.
type Company struct {
	Name      string
	LegalName string
	Country   string         // ISO 3166-1 alpha-2
	Languages []string       // of the annex, the reference first
	Zone      *time.Location // in which due dates and times of day are shown
	Contact   string         // address for questions about the annex
}

// Endpoint is an address where the company's software answers under TLS.
type Endpoint struct {
	Name        string
	Protocol    Protocol
	Host        string // the name a client asks for: SNI and certificate name
	Port        int
	Path        string // https only; "/" unless told
	Dial        string // host:port to connect to instead of Host:Port; empty: resolve Host
	PlainHTTP   string // host:port where plain HTTP would answer; empty: Host:80; https only
	Environment Environment
	Audience    string   // "public" or "admin"
	TrustPEM    []byte   // certificate authorities to trust; nil: the machine's
	Identity    []string // "sha256:<hex>" of the SubjectPublicKeyInfo of a certificate that the chain must hold
	Issuer      string   // organisation that must have issued the certificate; empty: any trusted
	Line        int      // in garant.yaml
}

// The audiences of an endpoint.
const (
	PublicAudience = "public"
	AdminAudience  = "admin"
)

// URL returns the address as a person would write it.
func (e Endpoint) URL() string {
	port := ""
	if e.Port != e.Protocol.port() {
		port = ":" + strconv.Itoa(e.Port)
	}
	host := e.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	path := e.Path
	if path == "/" {
		path = ""
	}
	return string(e.Protocol) + "://" + host + port + path
}

// Address returns the host:port to connect to.
func (e Endpoint) Address() string {
	if e.Dial != "" {
		return e.Dial
	}
	return net.JoinHostPort(e.Host, strconv.Itoa(e.Port))
}

func (p Protocol) port() int {
	if p == Postgres {
		return 5432
	}
	return 443
}

// Endpoint returns the endpoint of that name.
func (e *Estate) Endpoint(name string) (Endpoint, bool) {
	for _, endpoint := range e.Endpoints {
		if endpoint.Name == name {
			return endpoint, true
		}
	}
	return Endpoint{}, false
}

// Policy is the thresholds the checks hold the estate to.
type Policy struct {
	TLSVersions     []string      // accepted protocol versions: "1.2", "1.3"
	HSTSMaxAge      time.Duration // least max-age
	HSTSSubdomains  bool          // includeSubDomains demanded
	CertRemaining   time.Duration // least time until a certificate expires
	CertLifetimeMax time.Duration // longest lifetime of an automatically issued certificate
	Every           time.Duration // how often targets are looked at

	CustomerDataTeams []string // whose people may reach customers' personal data
}

// DefaultPolicy returns the figures of the annex, which hold unless garant.yaml says otherwise.
func DefaultPolicy() Policy {
	return Policy{
		TLSVersions:     []string{"1.2", "1.3"},
		HSTSMaxAge:      365 * day,
		HSTSSubdomains:  true,
		CertRemaining:   14 * day,
		CertLifetimeMax: 100 * day,
		Every:           time.Minute,

		CustomerDataTeams: []string{"Customer Success", "IT Operations"},
	}
}
