package servers

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net"
	"time"

	"github.com/garant-project/garant/internal/errs"
)

// authorityLife is how long an authority is valid; backdate makes up for clocks that differ.
const (
	authorityLife = 10 * 365 * 24 * time.Hour
	backdate      = time.Hour
)

// CA is a certificate authority (ECDSA P-256).
type CA struct {
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey
	above []*x509.Certificate // authorities to send with a leaf: this one if it is not a root
}

// NewCA makes a root authority in the name of an organisation, valid from an hour before now.
func NewCA(organisation string, now time.Time) (*CA, error) {
	key, err := NewKey()
	if err != nil {
		return nil, err
	}
	template, err := authority(organisation, organisation+" Root", now)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, cannot("make the authority", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, cannot("read the new authority", err)
	}
	return &CA{cert: cert, key: key}, nil
}

// LoadCA takes up an authority that was kept as PEM: the certificate of [CA.PEM] and the key of
// [CA.KeyPEM].
func LoadCA(certificate, key []byte) (*CA, error) {
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, cannot("read the kept authority", err)
	}
	private, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return nil, cannot("read the kept authority", nil)
	}
	return &CA{cert: pair.Leaf, key: private}, nil
}

// Intermediate makes an authority below this one. Its leaves are sent with its certificate.
func (ca *CA) Intermediate(name string, now time.Time) (*CA, error) {
	key, err := NewKey()
	if err != nil {
		return nil, err
	}
	template, err := authority(ca.cert.Subject.Organization[0], name, now)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	if err != nil {
		return nil, cannot("make the authority", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, cannot("read the new authority", err)
	}
	return &CA{cert: cert, key: key, above: append([]*x509.Certificate{cert}, ca.above...)}, nil
}

func authority(organisation, name string, now time.Time) (*x509.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{Organization: []string{organisation}, CommonName: name},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}, nil
}

// PEM returns the authority's certificate, to be trusted.
func (ca *CA) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw})
}

// KeyPEM returns the authority's private key, to be kept by the caller and taken up by LoadCA.
func (ca *CA) KeyPEM() ([]byte, error) { return EncodeKey(ca.key) }

// Pin names the authority's key as garant.yaml does: "sha256:" and the SHA-256 of its
// SubjectPublicKeyInfo in hexadecimal.
func (ca *CA) Pin() string { return pinOf(ca.cert) }

// Issue returns a certificate for name (a DNS name or an IP address) with a key of its own.
// organisation, which may be empty, is that of the certificate's holder.
func (ca *CA) Issue(name string, notBefore, notAfter time.Time, organisation string) (tls.Certificate, error) {
	key, err := NewKey()
	if err != nil {
		return tls.Certificate{}, err
	}
	return ca.IssueFor(key, name, notBefore, notAfter, organisation)
}

// IssueFor is Issue for a key that exists.
func (ca *CA) IssueFor(key crypto.Signer, name string, notBefore, notAfter time.Time, organisation string) (tls.Certificate, error) {
	serial, err := newSerial()
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    notBefore,
		NotAfter:     notAfter,
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if organisation != "" {
		template.Subject.Organization = []string{organisation}
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	if err != nil {
		return tls.Certificate{}, cannot("issue the certificate", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, cannot("read the new certificate", err)
	}
	chain := [][]byte{der}
	for _, c := range ca.above {
		chain = append(chain, c.Raw)
	}
	return tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: leaf}, nil
}

// NewKey makes an ECDSA P-256 key.
func NewKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, cannot("make a key", err)
	}
	return key, nil
}

// EncodeKey writes a private key as PKCS #8 in PEM, and ParseKey reads it back.
func EncodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, cannot("write a key", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// ParseKey reads a private key that EncodeKey wrote.
func ParseKey(text []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, cannot("read a key", nil)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, cannot("read a key", err)
	}
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, cannot("read a key", nil)
	}
	return private, nil
}

// KeyPin names a public key as [CA.Pin] does.
func KeyPin(key crypto.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", cannot("name a key", err)
	}
	sum := sha256.Sum256(der)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

func pinOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func newSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, cannot("draw a serial number", err)
	}
	return serial.Add(serial, big.NewInt(1)), nil
}

func cannot(what string, err error) error {
	return errs.New(errs.Internal, "demo.certificate", "The example's servers could not "+what+".").
		WithFix("Remove the example's directory and start it again.").Wrap(err)
}
