package discover_test

import (
	"context"
	"crypto/ecdsa"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/demo/servers"
	"github.com/garant-project/garant/internal/discover"
	"github.com/garant-project/garant/internal/discover/discovertest"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// A real PostgreSQL that is reached over the network, with TLS and a password: found from the
// domain and read by its URL, it is proposed once as an endpoint and once as a database.
func TestPostgresOverTheNetwork(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a PostgreSQL")
	}
	h := discovertest.NewHosts(t)
	dir, err := os.MkdirTemp("", "garant-discover-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // PostgreSQL's account passes through
		t.Fatal(err)
	}
	cert, err := h.CA.Issue("db."+domain, time.Now().Add(-time.Hour), time.Now().Add(90*24*time.Hour), "")
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	keyPEM, err := servers.EncodeKey(cert.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, content := range map[string][]byte{certFile: certPEM, keyFile: keyPEM} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	port := freePort(t)
	c, err := cluster.Open(t.Context(), cluster.Options{Name: "company", Dir: filepath.Join(dir, "pg"), TCP: &cluster.TCP{Port: port, CertFile: certFile, KeyFile: keyFile}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	super, err := pgx.Connect(t.Context(), c.DSN(cluster.SuperUser, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = super.Close(context.Background()) })
	for _, sql := range []string{"CREATE ROLE looker LOGIN PASSWORD '" + secret + "'", "CREATE DATABASE crm OWNER looker", "CREATE DATABASE empty"} {
		if _, err := super.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	h.Resolver.Name("db."+domain, "127.0.0.1")
	a := ask(h)
	a.Ports.Postgres = port
	look := func(url string, more ...discover.Source) (discover.Result, string) {
		t.Helper()
		a.Databases = []discover.Database{environment("CRM", url)}
		found, err := discover.Find(t.Context(), a, h.Resolver.Way(t), 0, append(more, &discover.Postgres{})...)
		if err != nil {
			t.Fatal(err)
		}
		r, err := discover.Draft(discovertest.Company(), found, estate.Dir(t.TempDir()), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(r.Source), secret) {
			t.Errorf("the password stands in\n%s", r.Source)
		}
		return r, string(r.Source)
	}
	at := func(user, password, parameters string) string {
		return fmt.Sprintf("postgres://%s:%s@db.%s:%d/crm?%s", user, password, domain, port, parameters)
	}
	r, text := look(at("looker", secret, "sslmode=require"), &discover.DNS{Now: time.Now})
	if len(r.Estate.Endpoints) != 1 || r.Estate.Endpoints[0].Protocol != estate.Postgres || len(r.Estate.Databases) != 1 || r.Estate.Databases[0].Database != "crm" {
		t.Errorf("%+v %+v\n%s", r.Estate.Endpoints, r.Estate.Databases, text)
	}
	has(t, text, "customer_data: false", "certificate from Autorité d’exemple", "“empty”")

	// What goes wrong is told in words, without the password.
	for url, want := range map[string]string{
		at("looker", "wrong-"+secret, "sslmode=require"):                                          "does not let this role in (SQLSTATE 28P01)",
		at("looker", secret, "sslmode=verify-full"):                                               "its certificate is not trusted, as sslmode demands",
		at("looker", secret, "sslmode=disable"):                                                   "does not let this role in (SQLSTATE 28000)",
		strings.Replace(at("looker", secret, "sslmode=require"), "crm", "no", 1):                  "the server has no such database",
		strings.Replace(at("looker", secret, "sslmode=require"), "db."+domain, "away."+domain, 1): "the resolver knows no address of its host",
	} {
		r, text := look(url)
		if !slices.ContainsFunc(r.Notes, func(n discover.Note) bool { return strings.Contains(n.Text, want) }) || !strings.Contains(text, "# databases:") {
			t.Errorf("want %q: %+v\n%s", want, r.Notes, text)
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
