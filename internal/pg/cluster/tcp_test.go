package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg/tcptest"
)

func certify(t *testing.T, dir string, serial int64) (cert, key string) {
	t.Helper()
	cert, key, err := tcptest.Certify(dir, serial)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// presented connects over TCP and returns the serial number of the certificate.
func presented(t *testing.T, dsn string) (int64, error) {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(within(t), cfg)
	if err != nil {
		return 0, err
	}
	defer conn.Close(context.Background())
	secured, ok := conn.PgConn().Conn().(*tls.Conn)
	if !ok {
		return 0, errors.New("no TLS")
	}
	return secured.ConnectionState().PeerCertificates[0].SerialNumber.Int64(), nil
}

func TestTCP(t *testing.T) {
	dir := base(t)
	secrets := filepath.Join(dir, "secrets")
	if err := os.Mkdir(secrets, 0o700); err != nil { // which the cluster's account cannot enter
		t.Fatal(err)
	}
	cert, key := certify(t, secrets, 1)
	o := options(filepath.Join(dir, "c"))
	port, err := tcptest.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	o.TCP = &TCP{Port: port, CertFile: cert, KeyFile: key}
	c := open(t, o)
	conn := admin(t, c)
	run(t, conn, `CREATE ROLE app LOGIN PASSWORD 'good'`)
	run(t, conn, `ALTER ROLE garant_superuser PASSWORD 'good'`)
	dsn := func(user, password, mode string) string {
		return fmt.Sprintf("host=127.0.0.1 port=%d user=%s password=%s dbname=postgres sslmode=%s", o.TCP.Port, user, password, mode)
	}
	if serial, err := presented(t, dsn("app", "good", "require")); err != nil || serial != 1 {
		t.Fatalf("serial %d, %v", serial, err)
	}
	for name, d := range map[string]string{
		"wrong password": dsn("app", "bad", "require"), "in clear": dsn("app", "good", "disable"), "superuser": dsn(SuperUser, "good", "require"),
	} {
		var refusal *pgconn.PgError
		if _, err := presented(t, d); !errors.As(err, &refusal) || !strings.HasPrefix(refusal.Code, "28") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Another address of this machine is not listened on.
	if l, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.2:%d", o.TCP.Port), time.Second); err == nil {
		l.Close()
		t.Error("listens beyond 127.0.0.1")
	}

	certify(t, secrets, 2)
	if err := c.Reload(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new certificate", func() bool {
		serial, err := presented(t, dsn("app", "good", "require"))
		return err == nil && serial == 2
	})
	guest := open(t, o)
	if guest.DSN("a", "b") != c.DSN("a", "b") || value[int](t, admin(t, guest), `SELECT 1`) != 1 {
		t.Error("a guest does not find the socket")
	}
	closeNow(t, guest)

	o2 := options(filepath.Join(dir, "second"))
	o2.TCP = o.TCP
	refused(t, o2, errs.Conflict, "port_taken")
	closeNow(t, c)

	if err := os.WriteFile(key, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, o, errs.Invalid, "bad_certificate")
	o.TCP.CertFile = filepath.Join(secrets, "absent")
	refused(t, o, errs.Invalid, "bad_certificate")
	o.TCP = nil
	open(t, o) // closed again
	if l, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", o2.TCP.Port), time.Second); err == nil {
		l.Close()
		t.Error("still listens")
	}
}
