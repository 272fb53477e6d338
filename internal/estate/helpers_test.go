package estate_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/estate"
)

// company is a section without mistakes, of seven lines.
const company = `company:
  name: Ardoise Mécénat
  legal_name: Ardoise Mécénat SRL
  country: BE
  languages: [fr, en]
  time_zone: Europe/Brussels
  contact: dpo@ardoise.example
`

// application is an endpoint without mistakes; it starts on line 9 after company and "endpoints:".
const application = `  - name: application
    url: https://app.ardoise.example
    environment: production
    audience: public
`

func authority(t testing.TB, name string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func parse(t testing.TB, source string) *estate.Estate {
	t.Helper()
	e, err := estate.Parse([]byte(source), estate.Files{})
	if err != nil {
		t.Fatalf("%v in\n%s", err, source)
	}
	return e
}

func equalPolicy(a, b estate.Policy) bool { return reflect.DeepEqual(a, b) }

func lines(s ...string) string { return strings.Join(s, "\n") }
