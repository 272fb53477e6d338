package endpoint

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/engine/endpoint/tlsscan"
	"github.com/garant-project/garant/internal/estate"
)

// served is the chain as an endpoint sent it, and what came of verifying it.
type served struct {
	endpoint *estate.Endpoint
	now      time.Time
	problem  Problem             // why there is no chain: Unreachable, Silent, NoTLS, CertificateNotShown; else empty
	cause    string              // in words, if there is no chain
	chain    []*x509.Certificate // as sent, the endpoint's own first
	trusted  []*x509.Certificate // authorities given in the estate; nil if the machine's are used
	verified [][]*x509.Certificate
	at       time.Time // of verification: now, or the nearest moment when the leaf was valid
	err      error     // of verification
}

// chain fetches and verifies an endpoint's certificates. The handshake accepts any certificate
// and any version of TLS, because it is the judge and not a client: nothing is sent or read
// after it.
func (p *prober) chain(ctx context.Context, e *estate.Endpoint, now time.Time) *served {
	s := &served{endpoint: e, now: now}
	conn, err := p.connect(ctx, e.Address())
	if err != nil {
		s.problem, s.cause = Unreachable, tlsscan.DialReason(err)
		return s
	}
	defer conn.Close()
	if e.Protocol == estate.Postgres {
		ok, err := tlsscan.RequestTLS(conn)
		if err != nil {
			s.problem, s.cause = silence(err)
			return s
		}
		if !ok {
			s.problem, s.cause = NoTLS, "no TLS"
			return s
		}
	}
	client := tls.Client(conn, &tls.Config{
		ServerName:         e.Host,
		InsecureSkipVerify: true, //nolint:gosec // verify below says why, and with the estate's authorities
		MinVersion:         tls.VersionTLS10,
		CipherSuites:       everySuite(),
		// The chain is taken here and not after the handshake, so that a server that then asks
		// for a client's certificate is judged all the same.
		VerifyConnection: func(state tls.ConnectionState) error {
			s.chain = state.PeerCertificates
			return nil
		},
	})
	err = client.HandshakeContext(ctx)
	if len(s.chain) == 0 {
		if err == nil {
			err = errors.New("no certificate")
		}
		s.problem, s.cause = silence(err)
		return s
	}
	s.verify()
	return s
}

// connect opens a connection that ends with the time of one connection, dialling included.
func (p *prober) connect(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, p.connection)
	defer cancel()
	conn, err := p.dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// silence tells a server that says nothing from one that says something else.
func silence(err error) (Problem, string) {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return Silent, "no answer in time"
	}
	return CertificateNotShown, "the handshake failed"
}

func everySuite() []uint16 {
	var ids []uint16
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		ids = append(ids, s.ID)
	}
	return ids
}

// verify builds chains from the leaf to a trusted authority. Validity in time is judged apart,
// so chains are built at a moment when the leaf was valid: an expired certificate of a foreign
// authority is then known to be both.
func (s *served) verify() {
	var roots *x509.CertPool // nil: the machine's
	if s.endpoint.TrustPEM != nil {
		roots = x509.NewCertPool()
		s.trusted = parsePEM(s.endpoint.TrustPEM)
		for _, c := range s.trusted {
			roots.AddCert(c)
		}
	}
	intermediates := x509.NewCertPool()
	for _, c := range s.chain[1:] {
		intermediates.AddCert(c)
	}
	leaf := s.chain[0]
	s.at = s.now
	if s.at.Before(leaf.NotBefore) {
		s.at = leaf.NotBefore
	}
	if s.at.After(leaf.NotAfter) {
		s.at = leaf.NotAfter
	}
	s.verified, s.err = leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: s.at})
}

func parsePEM(text []byte) []*x509.Certificate {
	var list []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return list
		}
		if c, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == "CERTIFICATE" {
			list = append(list, c)
		}
	}
}

// pin is how garant.yaml names a key: the SHA-256 of its SubjectPublicKeyInfo.
func pin(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// identified reports whether a verified chain holds a key that the estate names. Without
// names, any verified chain will do for the caller to go on.
func (s *served) identified() bool {
	for _, chain := range s.verified {
		for _, c := range chain {
			if slices.Contains(s.endpoint.Identity, pin(c)) {
				return true
			}
		}
	}
	return len(s.endpoint.Identity) == 0 && len(s.verified) > 0
}

func (s *served) subject() string {
	if len(s.chain) == 0 {
		return s.cause
	}
	return "certificate of " + s.chain[0].Subject.String()
}

// expiry is when a client stops accepting the chain: the longest lived of the verified chains,
// of which each ends with its first certificate to expire. The root's own end is not counted.
func (s *served) expiry() time.Time {
	latest := time.Time{}
	for _, chain := range s.verified {
		end := chain[0].NotAfter
		for _, c := range chain[:max(1, len(chain)-1)] {
			if c.NotAfter.Before(end) {
				end = c.NotAfter
			}
		}
		if end.After(latest) {
			latest = end
		}
	}
	if latest.IsZero() {
		latest = s.chain[0].NotAfter
	}
	return latest
}

// rawCertificate is what evidence keeps of a certificate.
type rawCertificate struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Serial    string    `json:"serial"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Pin       string    `json:"spki"`
	SHA256    string    `json:"sha256"`
}

// maxKept is how many certificates of a chain evidence keeps; real chains have two to four.
const maxKept = 6

func (s *served) raw() any {
	kept := []rawCertificate{}
	for _, c := range s.chain[:min(maxKept, len(s.chain))] {
		sum := sha256.Sum256(c.Raw)
		kept = append(kept, rawCertificate{Subject: clean(c.Subject.String()), Issuer: clean(c.Issuer.String()), Serial: clean(c.SerialNumber.Text(16)),
			NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(), Pin: pin(c), SHA256: hex.EncodeToString(sum[:])})
	}
	return struct {
		Cause    string           `json:"cause,omitempty"`
		Chain    []rawCertificate `json:"chain"`
		Served   int              `json:"served"`
		Verified bool             `json:"verified"`
	}{s.cause, kept, len(s.chain), len(s.verified) > 0}
}

// minute is how moments are written in items.
const minute = "2006-01-02 15:04 UTC"

// certificate judges the certificate of one endpoint, for CRT-1 and CRT-2.
func (p *prober) certificate(ctx context.Context, policy *estate.Policy, e *estate.Endpoint, now time.Time) *look {
	l := &look{}
	s := p.chain(ctx, e, now)
	l.raw = s.raw()
	if s.problem != "" {
		l.add(s.problem, "a certificate", s.cause)
		return l
	}
	leaf := s.chain[0]
	l.expiry, l.issuer = s.expiry(), clean(strings.Join(leaf.Issuer.Organization, ", "))
	until := "valid until " + leaf.NotAfter.UTC().Format(minute)
	switch {
	case now.Before(leaf.NotBefore):
		l.add(CertificateEarly, "valid now", "valid from "+leaf.NotBefore.UTC().Format(minute))
	case now.After(leaf.NotAfter):
		l.add(CertificateExpired, "valid now", until)
	case len(s.verified) > 0 && l.expiry.Sub(now) < policy.CertRemaining:
		l.add(CertificateExpiring, "at least "+days(policy.CertRemaining)+" left", "valid until "+l.expiry.UTC().Format(minute))
	}
	if leaf.VerifyHostname(e.Host) != nil {
		l.add(CertificateName, e.Host, certificateNames(leaf))
	}
	if s.err != nil {
		problem, actual := s.distrust()
		l.add(problem, "a chain to a trusted authority", actual)
	} else if !s.identified() {
		l.add(CertificateDecoy, "a certificate with the declared identity", s.subject()+", "+pin(leaf))
	}
	if accepted := acceptedIssuer(*e); accepted != "" && !slices.ContainsFunc(leaf.Issuer.Organization, func(o string) bool { return sameOrganisation(o, accepted) }) {
		l.add(CertificateIssuer, accepted, leaf.Issuer.String())
	}
	if lifetime := leaf.NotAfter.Sub(leaf.NotBefore); e.Environment == estate.NonProduction && lifetime > policy.CertLifetimeMax {
		l.add(CertificateLifetime, "at most "+days(policy.CertLifetimeMax), days(lifetime))
	}
	return l
}

func certificateNames(c *x509.Certificate) string {
	all := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		all = append(all, ip.String())
	}
	if len(all) == 0 {
		return "no name"
	}
	return strings.Join(all, ", ")
}

// distrust says why no chain leads to a trusted authority. Whether an intermediate is missing
// or the authority is foreign cannot be told for certain without asking the authority; it is
// taken to be missing if the last certificate that was sent says where its issuer's can be had
// (AIA, as public authorities do), or if its issuer is of the same organisation as a trusted
// authority without being one.
func (s *served) distrust() (Problem, string) {
	last := s.last()
	if c := s.expiredAuthority(); c != nil {
		return CertificateExpired, "an authority of the chain, " + c.Subject.String() + ", valid until " + c.NotAfter.UTC().Format(minute)
	}
	actual := "issued by " + last.Issuer.String()
	if bytes.Equal(last.RawIssuer, last.RawSubject) {
		return CertificateTrust, actual + " itself"
	}
	var unknown x509.UnknownAuthorityError
	if !errors.As(s.err, &unknown) {
		return CertificateTrust, actual
	}
	for _, root := range s.trusted {
		if bytes.Equal(root.RawSubject, last.RawIssuer) {
			return CertificateTrust, actual + ", signed with another key"
		}
	}
	for _, root := range s.trusted {
		if len(root.Subject.Organization) > 0 && slices.Equal(root.Subject.Organization, last.Issuer.Organization) {
			return CertificateChain, actual + ", which was not sent"
		}
	}
	if s.trusted == nil && len(last.IssuingCertificateURL) > 0 && len(s.chain) == 1 {
		return CertificateChain, actual + ", which was not sent"
	}
	return CertificateTrust, actual
}

// expiredAuthority finds an authority on the way from the leaf, sent or trusted, whose time is
// over. The x509 package would only say that the authority is unknown.
func (s *served) expiredAuthority() *x509.Certificate {
	for _, c := range slices.Concat(s.chain[1:], s.trusted) {
		above := slices.ContainsFunc(s.chain, func(below *x509.Certificate) bool {
			return bytes.Equal(c.RawSubject, below.RawIssuer) && below.CheckSignatureFrom(c) == nil
		})
		if above && s.at.After(c.NotAfter) {
			return c
		}
	}
	return nil
}

// last follows the issuers through what was sent and returns where the way ends.
func (s *served) last() *x509.Certificate {
	at := s.chain[0]
	for range s.chain {
		i := slices.IndexFunc(s.chain, func(c *x509.Certificate) bool {
			return bytes.Equal(c.RawSubject, at.RawIssuer) && !c.Equal(at)
		})
		if i < 0 {
			break
		}
		at = s.chain[i]
	}
	return at
}
