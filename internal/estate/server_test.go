package estate_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
)

func TestParseServerDefaults(t *testing.T) {
	got, err := estate.ParseServer([]byte(company), "/etc/garant")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(estate.DefaultServer(), got, cmp.AllowUnexported(estate.Secret{})); diff != "" {
		t.Error(diff)
	}
}

func TestParseServer(t *testing.T) {
	t.Setenv("GARANT_TEST_URL", "postgres://secret")
	got, err := estate.ParseServer([]byte(company+`database:
  owner: env:GARANT_TEST_URL
  staff: env:GARANT_TEST_URL
  login: env:GARANT_TEST_URL
  public: env:GARANT_TEST_URL
  portal: env:GARANT_TEST_URL
  worker: env:GARANT_TEST_URL
  checker: env:GARANT_TEST_URL
  checkpoint: env:GARANT_TEST_URL
  retention: env:GARANT_TEST_URL
listen:
  console: 0.0.0.0:443
  annex: "[::]:444"
  portal: 0.0.0.0:445
  metrics: localhost:9480
hosts:
  console: Admin.ardoise.example
  annex: trust.ardoise.example
  portal: portal.ardoise.example
tls:
  certificate: file:tls/garant.pem
  key: file:/etc/ssl/garant.key
trusted_proxy: [10.0.0.7, 10.1.2.3/16, "fd00::/8"]
keys:
  provider: keyfile
  path: keys.json
`), "/etc/garant")
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range pg.Roles() {
		if v, err := got.Database.URLs[role].Reveal(); v != "postgres://secret" || err != nil {
			t.Errorf("%s: %q, %v", role, v, err)
		}
	}
	if want := (estate.Listen{Console: "0.0.0.0:443", Annex: "[::]:444", Portal: "0.0.0.0:445", Metrics: "127.0.0.1:9480"}); got.Listen != want {
		t.Errorf("listen %+v", got.Listen)
	}
	if want := (estate.Hosts{Console: "admin.ardoise.example", Annex: "trust.ardoise.example", Portal: "portal.ardoise.example"}); got.Hosts != want {
		t.Errorf("hosts %+v", got.Hosts)
	}
	if got.TLS.Certificate != "/etc/garant/tls/garant.pem" || got.TLS.Key.IsZero() || !got.TLS.Enabled() {
		t.Errorf("tls %+v", got.TLS)
	}
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.7/32"), netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")}
	if diff := cmp.Diff(proxies, got.TrustedProxy, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if want := (estate.Keys{Provider: "keyfile", Path: "/etc/garant/keys.json"}); got.Keys != want {
		t.Errorf("keys %+v", got.Keys)
	}
}

// TestServerMistakesLeaveEstate: a stored version replays whatever its server settings say.
func TestServerMistakesLeaveEstate(t *testing.T) {
	source := []byte(company + "listen:\n  console: 0.0.0.0:80\n")
	if _, err := estate.Parse(source, nil); err != nil {
		t.Error(err)
	}
	if _, err := estate.ParseServer(source, ""); !errs.Is(err, errs.Invalid) {
		t.Errorf("plain HTTP on every network: %v", err)
	}
	source = []byte("company: {}\n")
	if _, err := estate.ParseServer(source, ""); err != nil {
		t.Errorf("the estate's mistakes are told by ParseServer: %v", err)
	}
}

// TestSecretHides prints a secret in every way there is.
func TestSecretHides(t *testing.T) {
	t.Setenv("GARANT_TEST_KEY", "hunter2")
	source := []byte(company + "tls:\n  certificate: file:a.pem\n  key: env:GARANT_TEST_KEY\n")
	server, err := estate.ParseServer(source, "/etc/garant")
	if err != nil {
		t.Fatal(err)
	}
	secret := server.TLS.Key
	if v, err := secret.Reveal(); v != "hunter2" || err != nil {
		t.Fatalf("%q, %v", v, err)
	}
	encoded, err := json.Marshal(map[string]any{"a": secret, "b": server, "c": map[estate.Secret]int{secret: 1}})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", secret, "server", server)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", secret, "server", server)
	for _, shown := range []string{
		string(encoded), log.String(), secret.String(), secret.GoString(),
		fmt.Sprintf("%v %+v %#v %s %q %x %d %v %+v %#v", secret, secret, secret, secret, secret, secret, secret, &secret, server, server),
	} {
		for _, bad := range []string{"hunter2", "GARANT_TEST_KEY", "68756e74657232"} {
			if strings.Contains(shown, bad) {
				t.Errorf("%s shows in %s", bad, shown)
			}
		}
		if !strings.Contains(shown, "[secret]") {
			t.Errorf("no [secret] in %s", shown)
		}
	}
}

func TestSecretReveal(t *testing.T) {
	dir := t.TempDir()
	for name, file := range map[string]struct {
		content string
		mode    os.FileMode
	}{
		"good": {"hunter2\r\n", 0o600}, "group": {"hunter2", 0o640}, "spaces": {" hunter2 \n\n", 0o600},
		"open": {"hunter2", 0o644}, "writable": {"hunter2", 0o602}, "empty": {"\n", 0o600}, "binary": {"a\x00b", 0o600},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(file.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, file.mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GARANT_TEST_EMPTY", "")
	for ref, want := range map[string]struct{ value, mistake string }{
		"file:good":             {"hunter2", ""},
		"file:group":            {"hunter2", ""},
		"file:spaces":           {" hunter2 \n", ""},
		"file:open":             {"", "garant.yaml: tls.key: Everybody on this machine may read or write the file."},
		"file:writable":         {"", "garant.yaml: tls.key: Everybody on this machine may read or write the file."},
		"file:empty":            {"", "garant.yaml: tls.key: The file is empty or is not text."},
		"file:binary":           {"", "garant.yaml: tls.key: The file is empty or is not text."},
		"file:absent":           {"", "garant.yaml: tls.key: The file cannot be used: there is no such file."},
		"file:.":                {"", "garant.yaml: tls.key: The file cannot be used: it is not a regular file."},
		"env:GARANT_TEST_EMPTY": {"", "garant.yaml: tls.key: The environment variable GARANT_TEST_EMPTY is not set."},
	} {
		server, err := estate.ParseServer([]byte(company+"tls:\n  certificate: file:a.pem\n  key: "+ref+"\n"), estate.Dir(dir))
		if err != nil {
			t.Fatal(err)
		}
		got, err := server.TLS.Key.Reveal()
		mistake := ""
		if err != nil {
			mistake = err.Error()
			if _, fix := errs.Sentence(err); !errs.Is(err, errs.Invalid) || fix == "" {
				t.Errorf("%s: kind %v, fix %q", ref, errs.KindOf(err), fix)
			}
		}
		if got != want.value || mistake != want.mistake {
			t.Errorf("%s: %q, %q", ref, got, mistake)
		}
	}
	if _, err := (estate.Secret{}).Reveal(); !errs.Is(err, errs.Invalid) {
		t.Errorf("no secret at all: %v", err)
	}
}

func TestTLSLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, content []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"admin.localhost"}, NotAfter: time.Now().Add(time.Hour)}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	write("garant.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}))
	write("garant.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	write("other.pem", authority(t, "other"))
	for name, mistake := range map[string]string{
		"garant.pem": "",
		"other.pem":  "garant.yaml: tls: The certificate and the key do not make a pair.",
		"absent.pem": "garant.yaml: tls.certificate: The file cannot be used: there is no such file.",
	} {
		server, err := estate.ParseServer([]byte(company+"tls: {certificate: \"file:"+name+"\", key: \"file:garant.key\"}\n"), estate.Dir(dir))
		if err != nil {
			t.Fatal(err)
		}
		pair, err := server.TLS.Load()
		switch {
		case mistake == "" && (err != nil || len(pair.Certificate) != 1):
			t.Errorf("%s: %v", name, err)
		case mistake != "" && (err == nil || err.Error() != mistake):
			t.Errorf("%s: %v", name, err)
		}
	}
}
