package endpoint

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/demo/servers"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/measuretest"
)

// postgres is a real PostgreSQL server with TLS, on loopback.
type postgres struct {
	system   // name, key, issuer, secure: the front; no demo server, no plain side
	endpoint estate.Endpoint
	bin, dir string
	id       *syscall.Credential // nil: the one who runs the tests
	owner    [2]int
}

const (
	databaseName = "db.example.test"
	hbaSecure    = "hostnossl all all all reject\nhostssl all all 127.0.0.1/32 scram-sha-256\n"
	confSecure   = "ssl = on\nssl_ciphers = 'HIGH:!aNULL:!kRSA'\nssl_min_protocol_version = 'TLSv1.2'\n"
)

func startPostgres(t testing.TB, w *world) *postgres {
	t.Helper()
	db := &postgres{bin: postgresBin(t), owner: [2]int{os.Getuid(), os.Getgid()}}
	db.name, db.issuer, db.key = databaseName, w.www.issuer, w.www.key
	dir := t.TempDir()
	if os.Getuid() == 0 { // PostgreSQL refuses to run as root
		account, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		db.owner[0], _ = strconv.Atoi(account.Uid)
		db.owner[1], _ = strconv.Atoi(account.Gid)
		db.id = &syscall.Credential{Uid: uint32(db.owner[0]), Gid: uint32(db.owner[1])}
		for _, d := range []string{dir, filepath.Dir(dir)} {
			if err := os.Chmod(d, 0o755); err != nil { //nolint:gosec // the other account must get through
				t.Fatal(err)
			}
		}
		if err := os.Chown(dir, db.owner[0], db.owner[1]); err != nil {
			t.Fatal(err)
		}
	}
	db.dir = filepath.Join(dir, "data")
	db.run(t, "initdb", "-D", db.dir, "-A", "reject", "-N", "--no-locale", "-E", "UTF8")

	port := freePort(t)
	db.write(t, "extra.conf", fmt.Sprintf("listen_addresses = '127.0.0.1'\nport = %d\nunix_socket_directories = ''\nfsync = off\nmax_connections = 60\n", port))
	db.write(t, "security.conf", confSecure)
	db.write(t, "pg_hba.conf", hbaSecure)
	cert := db.valid(t)
	db.write(t, "server.crt", string(encodeChain(cert)))
	db.write(t, "server.key", string(must[[]byte](t)(servers.EncodeKey(db.key))))
	f, err := os.OpenFile(filepath.Join(db.dir, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString("\ninclude 'extra.conf'\ninclude 'security.conf'\n")
	if err := cmpErr(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	db.run(t, "pg_ctl", "-D", db.dir, "-w", "-t", "30", "-l", filepath.Join(dir, "log"), "start")
	t.Cleanup(func() { db.run(t, "pg_ctl", "-D", db.dir, "-m", "immediate", "-w", "stop") })

	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	db.secure = newFront(t, forward(address))
	db.endpoint = estate.Endpoint{Name: databaseName, Protocol: estate.Postgres, Host: databaseName, Port: port, Dial: db.secure.address,
		Environment: estate.Production, Audience: "admin", Issuer: organisation, TrustPEM: w.root.PEM(),
		Identity: []string{must[string](t)(servers.KeyPin(db.key.Public()))}}
	return db
}

func postgresBin(t testing.TB) string {
	t.Helper()
	if dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin"); len(dirs) > 0 {
		return dirs[len(dirs)-1]
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		t.Fatal("PostgreSQL's programs are needed: make test installs them")
	}
	return filepath.Dir(path)
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (db *postgres) run(t testing.TB, program string, arguments ...string) {
	t.Helper()
	cmd := exec.Command(filepath.Join(db.bin, program), arguments...)
	cmd.Dir = "/"
	cmd.Env = []string{"LC_ALL=C", "PATH=" + db.bin}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: db.id}
	// The server must not inherit a pipe, or waiting for the command would be waiting for it.
	out := must[*os.File](t)(os.Create(filepath.Join(t.TempDir(), "out")))
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(out.Name())
		t.Fatalf("%s: %v\n%s", program, err, text)
	}
}

func (db *postgres) write(t testing.TB, name, text string) {
	t.Helper()
	path := filepath.Join(db.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, db.owner[0], db.owner[1]); err != nil {
		t.Fatal(err)
	}
}

// settle rewrites a configuration file, reloads, and waits until the server follows it.
func (db *postgres) settle(t testing.TB, name, text string) {
	t.Helper()
	log := filepath.Join(filepath.Dir(db.dir), "log")
	before := strings.Count(string(must[[]byte](t)(os.ReadFile(log))), "received SIGHUP")
	db.write(t, name, text)
	db.run(t, "pg_ctl", "-D", db.dir, "reload")
	for range 200 {
		if strings.Count(string(must[[]byte](t)(os.ReadFile(log))), "received SIGHUP") > before {
			// The postmaster has read its files before it accepts the next connection.
			time.Sleep(50 * time.Millisecond)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("PostgreSQL did not reload")
}

func (db *postgres) configured(name, file, text, usual string, want measure.Outcome, problem Problem) measuretest.Fault {
	return measuretest.Fault{Name: "PostgreSQL: " + name, Want: want, Item: measure.Item{Target: databaseName, Problem: string(problem)},
		Break: func(t testing.TB) { db.settle(t, file, text) },
		Mend:  func(t testing.TB) { db.settle(t, file, usual) }}
}

func (db *postgres) certificateFaults() []measuretest.Fault {
	if db == nil {
		return nil
	}
	return []measuretest.Fault{
		db.configured("ssl off", "security.conf", "ssl = off\n", confSecure, measure.Fail, NoTLS),
		db.fronted("PostgreSQL: a server that says S and nothing else", db.secure, sayByte('S'), measure.Error, Silent),
		db.fronted("PostgreSQL: another protocol", db.secure, garbage, measure.Error, CertificateNotShown),
	}
}

func (db *postgres) faults() []measuretest.Fault {
	if db == nil {
		return nil
	}
	hba := func(name, text string, want measure.Outcome, problem Problem) measuretest.Fault {
		return db.configured(name, "pg_hba.conf", text, hbaSecure, want, problem)
	}
	conf := func(name, text string, problem Problem) measuretest.Fault {
		return db.configured(name, "security.conf", text, confSecure, measure.Fail, problem)
	}
	played := func(name string, handle func(net.Conn), want measure.Outcome, problem Problem) measuretest.Fault {
		return db.fronted("PostgreSQL: "+name, db.secure, handle, want, problem)
	}
	return []measuretest.Fault{
		hba("plain text with a password", "host all all 127.0.0.1/32 scram-sha-256\n", measure.Fail, PlaintextAccepted),
		hba("plain text without a password", "hostssl all all all scram-sha-256\nhostnossl all all all trust\n", measure.Fail, PlaintextAccepted),
		hba("a rule that the probe cannot see", "hostssl app app all scram-sha-256\nhostnossl app app all scram-sha-256\n", measure.Error, PlaintextUnknown),
		conf("ssl off", "ssl = off\n", NoTLS),
		conf("TLS 1.0 on", "ssl = on\nssl_ciphers = 'ALL:!aNULL:!kRSA:@SECLEVEL=0'\nssl_min_protocol_version = 'TLSv1'\n", OldVersion),
		conf("anonymous suites", "ssl = on\nssl_ciphers = 'ALL:@SECLEVEL=0'\nssl_min_protocol_version = 'TLSv1.2'\n", WeakSuite),
		played("a server that says N", sayByte('N'), measure.Fail, NoTLS),
		played("a server that says S and nothing else", sayByte('S'), measure.Error, Silent),
		played("another protocol", garbage, measure.Error, TLSUnreadable),
	}
}

// sayByte answers PostgreSQL's SSLRequest.
func sayByte(b byte) func(net.Conn) {
	return func(conn net.Conn) {
		if _, err := io.ReadFull(conn, make([]byte, 8)); err == nil {
			conn.Write([]byte{b})
			silent(conn)
		}
	}
}

// TestPostgresRefusals shows which ways to refuse plain text are believed.
func TestPostgresRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	db := startPostgres(t, w)
	w.estate.Endpoints = []estate.Endpoint{db.endpoint}
	check := Checks(deps()).TLS
	for hba, want := range map[string]measure.Outcome{
		hbaSecure:                             measure.Pass,
		"hostssl all all all scram-sha-256\n": measure.Pass, // no entry without TLS
		"hostnossl all all all reject\nhostssl app app all scram-sha-256\n": measure.Pass, // refused for two reasons
		"hostssl app app all scram-sha-256\n":                               measure.Error,
		"host app app all scram-sha-256\nhost all all all reject\n":         measure.Error,
		"host all all all trust\n":                                          measure.Fail,
	} {
		db.settle(t, "pg_hba.conf", hba)
		if f := check.Run(t.Context(), measure.In{Estate: w.estate, Now: time.Now()}); f.Outcome != want {
			t.Errorf("%q: %s, want %s; %+v", hba, f.Outcome, want, f.Failed)
		}
	}
}

// TestPostgresWithHandMadeServer speaks PostgreSQL's first words by hand and then TLS.
func TestPostgresWithHandMadeServer(t *testing.T) {
	w := newWorld(t)
	cert := w.www.valid(t)
	plain := "E\x00\x00\x00\x2bSFATAL\x00C28000\x00Mno entry, no encryption\x00\x00" // without a place, as poolers send it
	plain = plain[:4] + string(rune(len(plain)-1)) + plain[5:]
	f := newFront(t, func(conn net.Conn) {
		head := make([]byte, 8)
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		if head[3] != 8 {
			io.WriteString(conn, plain)
			return
		}
		conn.Write([]byte{'S'})
		over(config(cert), func(conn net.Conn) {
			io.ReadFull(conn, make([]byte, 8))
			io.WriteString(conn, "R\x00\x00\x00\x08\x00\x00\x00\x03")
			silent(conn)
		})(conn)
	})
	e := w.estate.Endpoints[0]
	e.Protocol, e.Dial = estate.Postgres, f.address
	w.estate.Endpoints = []estate.Endpoint{e}
	in := measure.In{Estate: w.estate, Now: time.Now()}
	for _, check := range []measure.Check{Checks(deps()).TLS, Checks(deps()).CertificateProduction} {
		if got := check.Run(t.Context(), in); got.Outcome != measure.Pass {
			t.Errorf("%s: %s %+v", check.ID, got.Outcome, got.Failed)
		}
	}
	plain = strings.Replace(plain, "28000", "53300", 1) // too many connections: says nothing about TLS
	if got := Checks(deps()).TLS.Run(t.Context(), in); got.Outcome != measure.Error {
		t.Errorf("a server that is full: %s %+v", got.Outcome, got.Failed)
	}
}

func newRSAKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	return must[*rsa.PrivateKey](t)(rsa.GenerateKey(rand.Reader, 2048))
}
