package endpoint

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/demo/servers"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
)

const life = 10 * 365 * 24 * time.Hour // of the authorities of package servers

// judge runs CRT-1 on the first endpoint while it shows cert.
func (w *world) judge(t *testing.T, cert tls.Certificate) measure.Finding {
	t.Helper()
	w.www.secure.become(page(cert, ""))(t)
	defer w.www.secure.mend(t)
	w.estate.Endpoints = w.estate.Endpoints[:1]
	return run(t, Checks(deps()).CertificateProduction, w.estate)
}

func expect(t *testing.T, f measure.Finding, want ...Problem) {
	t.Helper()
	var got []Problem
	for _, i := range f.Failed {
		got = append(got, Problem(i.Problem))
	}
	if !slices.Equal(got, want) {
		t.Errorf("problems %v, want %v: %+v", got, want, f.Failed)
	}
}

func TestExpiredAuthority(t *testing.T) {
	w := newWorld(t)
	old := must[*servers.CA](t)(w.root.Intermediate("Example Old Issuing", time.Now().Add(-life-time.Hour)))
	cert := w.www.with(t, old, w.www.name, -time.Hour, 60*24*time.Hour)
	f := w.judge(t, cert)
	expect(t, f, CertificateExpired)
	if !strings.Contains(f.Failed[0].Actual, "Example Old Issuing") {
		t.Errorf("the item does not name the authority: %+v", f.Failed[0])
	}
}

// TestChainEndsWithItsFirst has an intermediate that ends before the leaf.
func TestChainEndsWithItsFirst(t *testing.T) {
	w := newWorld(t)
	ending := must[*servers.CA](t)(w.root.Intermediate("Example Ending", time.Now().Add(-life+5*24*time.Hour)))
	f := w.judge(t, w.www.with(t, ending, w.www.name, -time.Hour, 60*24*time.Hour))
	expect(t, f, CertificateExpiring)
	if left := time.Until(f.Facts["endpoint.certificate.production.next_expiry"].Instant); left > 5*24*time.Hour {
		t.Errorf("next expiry in %v", left)
	}
}

// TestExpiredTellsTheRest: an old certificate is judged in full, at a time when it was valid.
func TestExpiredTellsTheRest(t *testing.T) {
	w := newWorld(t)
	expect(t, w.judge(t, w.www.with(t, w.www.issuer, w.www.name, -60*24*time.Hour, -time.Hour)), CertificateExpired)
	expect(t, w.judge(t, w.www.with(t, w.stranger, "elsewhere.example.test", -60*24*time.Hour, -time.Hour)),
		CertificateExpired, CertificateIssuer, CertificateTrust, CertificateName)
}

func TestIdentity(t *testing.T) {
	w := newWorld(t)
	own := w.estate.Endpoints[0].Identity[0]
	for name, test := range map[string]struct {
		pins []string
		want []Problem
	}{
		"the leaf":             {[]string{own}, nil},
		"the intermediate":     {[]string{w.www.issuer.Pin()}, nil},
		"the root":             {[]string{w.root.Pin()}, nil},
		"one of several":       {[]string{w.other.Pin(), own}, nil},
		"none declared":        {nil, nil},
		"another authority":    {[]string{w.other.Pin()}, []Problem{CertificateDecoy}},
		"not the right format": {[]string{strings.ToUpper(own), strings.TrimPrefix(own, "sha256:"), ""}, []Problem{CertificateDecoy}},
	} {
		t.Run(name, func(t *testing.T) {
			w.estate.Endpoints[0].Identity = test.pins
			expect(t, w.judge(t, w.www.valid(t)), test.want...)
		})
	}
	// A pinned certificate that is merely sent along, outside the verified chain, proves nothing.
	decoy := must[tls.Certificate](t)(w.www.issuer.Issue(w.www.name, time.Now().Add(-time.Hour), time.Now().Add(60*24*time.Hour), ""))
	decoy.Certificate = append(decoy.Certificate, w.www.valid(t).Certificate[0])
	w.estate.Endpoints[0].Identity = []string{own}
	expect(t, w.judge(t, decoy), CertificateDecoy)
}

func TestTrustWithoutCertificates(t *testing.T) {
	w := newWorld(t)
	for _, text := range []string{"", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		w.estate.Endpoints[0].TrustPEM = []byte(text)
		if f := w.judge(t, w.www.valid(t)); f.Outcome != measure.Fail {
			t.Errorf("trusting %q: %s", text, f.Outcome)
		}
	}
}

// TestMissingIntermediateOfPublicAuthority: without the estate's authorities to compare with,
// the address of the issuer's certificate in the leaf is what tells.
func TestMissingIntermediateOfPublicAuthority(t *testing.T) {
	key := must[*ecdsa.PrivateKey](t)(servers.NewKey())
	make := func(aia []string) *x509.Certificate {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "www.example.test"},
			NotAfter: time.Now().Add(time.Hour), IssuingCertificateURL: aia}
		parent := &x509.Certificate{Subject: pkix.Name{CommonName: "Public Issuing"}}
		der := must[[]byte](t)(x509.CreateCertificate(rand.Reader, template, parent, key.Public(), key))
		return must[*x509.Certificate](t)(x509.ParseCertificate(der))
	}
	for want, c := range map[Problem]*x509.Certificate{CertificateChain: make([]string{"http://ca.example.test/i.der"}), CertificateTrust: make(nil)} {
		s := &served{endpoint: &estate.Endpoint{}, now: time.Now(), chain: []*x509.Certificate{c}}
		s.verify()
		if s.err == nil {
			t.Fatal("verified")
		}
		if got, actual := s.distrust(); got != want {
			t.Errorf("%s (%s), want %s", got, actual, want)
		}
	}
}

// TestMachineRoots runs itself again with an authority of the test among the machine's, which a
// process reads once.
func TestMachineRoots(t *testing.T) {
	const address, host = "GARANT_TEST_ADDRESS", "GARANT_TEST_HOST"
	if os.Getenv(address) != "" {
		e := estate.Endpoint{Name: "www", Protocol: estate.HTTPS, Host: os.Getenv(host), Dial: os.Getenv(address), Environment: estate.Production}
		f := run(t, Checks(deps()).CertificateProduction, &estate.Estate{Endpoints: []estate.Endpoint{e}, Policy: testPolicy()})
		os.Stdout.WriteString("outcome=" + string(f.Outcome) + "\n")
		return
	}
	w := newWorld(t)
	roots := filepath.Join(t.TempDir(), "roots.pem")
	for authority, want := range map[*servers.CA]measure.Outcome{w.root: measure.Pass, w.stranger: measure.Fail} {
		if err := os.WriteFile(roots, authority.PEM(), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMachineRoots$", "-test.v")
		cmd.Env = append(os.Environ(), address+"="+w.www.server.Addr(), host+"="+w.www.name,
			"SSL_CERT_FILE="+roots, "SSL_CERT_DIR="+t.TempDir())
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "outcome="+string(want)+"\n") {
			t.Errorf("want %s: %v\n%s", want, err, out)
		}
	}
}
