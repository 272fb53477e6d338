package estate

import "time"

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
	Policy    Policy
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

// Policy is the thresholds the checks hold the estate to.
type Policy struct {
	TLSVersions     []string      // accepted protocol versions: "1.2", "1.3"
	HSTSMaxAge      time.Duration // least max-age
	HSTSSubdomains  bool          // includeSubDomains demanded
	CertRemaining   time.Duration // least time until a certificate expires
	CertLifetimeMax time.Duration // longest lifetime of an automatically issued certificate
	Every           time.Duration // how often endpoints are looked at
}
