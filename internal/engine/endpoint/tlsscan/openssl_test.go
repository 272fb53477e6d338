package tlsscan

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The tests of this file hold the scanner against OpenSSL, as a client and as a server. They
// need the openssl command, which every build machine has from its distribution.

func openssl(t *testing.T, arguments ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Fatalf("the openssl command is needed: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), path, arguments...)
	// Without the distribution's configuration, which forbids old versions to client and server.
	cmd.Env = append(os.Environ(), "OPENSSL_CONF="+os.DevNull)
	return cmd
}

// TestAgreesWithSClient asks the same servers the same questions through openssl s_client.
func TestAgreesWithSClient(t *testing.T) {
	cert := ecdsaCertificate(t)
	flags := map[Version]string{TLS10: "-tls1", TLS11: "-tls1_1", TLS12: "-tls1_2", TLS13: "-tls1_3"}
	for lowest := tls.VersionTLS10; lowest <= tls.VersionTLS13; lowest++ {
		for highest := lowest; highest <= tls.VersionTLS13; highest++ {
			address := serve(t, func(conn net.Conn) {
				server := tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{cert},
					MinVersion: uint16(lowest), MaxVersion: uint16(highest)})
				io.Copy(io.Discard, server)
			})
			r := scan(t, address)
			for _, v := range r.Versions {
				if v.Version == SSL30 {
					continue // openssl is built without it
				}
				cmd := openssl(t, "s_client", "-connect", address, flags[v.Version], "-cipher", "ALL:COMPLEMENTOFALL:@SECLEVEL=0", "-servername", "www.example.test")
				err := cmd.Run() // its input is empty, so it ends after the handshake
				if took := v.Verdict == Accepted; took != (err == nil) || v.Verdict == Unknown {
					t.Errorf("server of %x to %x: %s is %s here, and s_client says %v", lowest, highest, v.Name, v.Verdict, err)
				}
			}
		}
	}
}

// sServer starts openssl s_server and returns its address.
func sServer(t *testing.T, cert tls.Certificate, arguments ...string) string {
	t.Helper()
	dir := t.TempDir()
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "server.pem")
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	cmd := openssl(t, append([]string{"s_server", "-accept", address, "-cert", file, "-key", file, "-quiet"}, arguments...)...)
	var log bytes.Buffer
	cmd.Stderr = &log
	input, err := cmd.StdinPipe() // s_server ends when its input does
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		input.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // ended by us
	})
	for range 200 {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return address
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("s_server does not answer: %s", log.String())
	return ""
}

// patient scans a server that serves one connection after the other.
func patient(t *testing.T, address string) *Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return Scan(ctx, Target{Address: address, ServerName: "www.example.test"},
		Options{Dial: (&net.Dialer{}).DialContext, Connection: 20 * time.Second})
}

// TestReadsSServer scans OpenSSL's own server in every version, with every cipher suite that
// it has: the scan must find just those.
func TestReadsSServer(t *testing.T) {
	const every = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
	for _, test := range []struct {
		name  string
		cert  tls.Certificate
		usual string // what the suites that fit the certificate have in their names
	}{{"ECDSA", ecdsaCertificate(t), "ECDHE_ECDSA"}, {"RSA", rsaCertificate(t), "RSA"}} {
		t.Run(test.name, func(t *testing.T) {
			list, err := openssl(t, "ciphers", "-V", "-stdname", "-s", "-tls1_2", every).Output()
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for line := range strings.Lines(string(list)) {
				fields := strings.Fields(line) // 0xC0,0x2C - TLS_… - …
				if len(fields) < 3 {
					continue
				}
				name := fields[2]
				if strings.Contains(name, "PSK") || strings.Contains(name, "SRP") || !strings.Contains(name, "anon") && !strings.Contains(name, "_"+test.usual+"_") {
					continue
				}
				want = append(want, name)
				number := strings.NewReplacer("0x", "", ",", "").Replace(fields[0])
				if id, err := strconv.ParseUint(number, 16, 16); err != nil || SuiteByID(uint16(id)).Name != name {
					t.Errorf("%s %s is %s here", fields[0], name, SuiteByID(uint16(id)).Name)
				}
			}
			r := patient(t, sServer(t, test.cert, "-cipher", every))
			if got := verdicts(r); got != "RAAAA" {
				t.Errorf("verdicts %s", got)
			}
			var got []string
			for _, s := range r.Suites {
				got = append(got, s.Name)
			}
			slices.Sort(want)
			slices.Sort(got)
			if len(want) < 5 || !slices.Equal(got, want) || !r.SuitesKnown {
				t.Errorf("%d suites, want %d\n got %v\nwant %v", len(got), len(want), got, want)
			}
		})
	}
	for flag, want := range map[string]string{"-tls1": "RARRR", "-tls1_1": "RRARR", "-tls1_2": "RRRAR", "-tls1_3": "RRRRA"} {
		r := patient(t, sServer(t, ecdsaCertificate(t), flag, "-cipher", every))
		if got := verdicts(r); got != want {
			t.Errorf("s_server %s: %s, want %s", flag, got, want)
		}
	}
	r := patient(t, sServer(t, ecdsaCertificate(t), "-groups", "P-521"))
	if got := verdicts(r); !strings.HasSuffix(got, "AA") {
		t.Errorf("s_server that wants P-521: %s", got)
	}
	r = patient(t, sServer(t, ecdsaCertificate(t), "-tls1_3", "-groups", "X448"))
	if got := verdicts(r); got != "RRRRA" {
		t.Errorf("s_server that wants X448: %s", got)
	}
}
