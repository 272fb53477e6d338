package tlsscan

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// counting counts what is read.
type counting struct {
	r io.Reader
	n int
}

func (c *counting) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += n
	return n, err
}

func FuzzServerHello(f *testing.F) {
	session := bytes.Repeat([]byte{7}, 32)
	share := append([]byte{0, extensionKeyShare, 0, 36, 0, groupX25519, 0, 32}, make([]byte, 32)...)
	supported := []byte{0, extensionSupportedVersions, 0, 2, 3, 4}
	tls13 := record(recordHandshake, serverHello(TLS12, 0x1301, session, slices.Concat(supported, share)...)...)
	again := bytes.Replace(tls13, make([]byte, 32), []byte(retryRandom), 1)
	for _, seed := range [][]byte{
		wholeFlight(SSL30, 0x0005), wholeFlight(TLS10, 0xC009), wholeFlight(TLS12, 0xC02B),
		slices.Concat(tls13, record(recordChangeCipherSpec, 1), record(recordApplicationData, 1, 2, 3)),
		again, tls13, record(recordAlert, 2, 70), record(recordAlert, 1, 112), record(recordAlert, 1),
		[]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), nil,
		record(recordHandshake, message(messageServerHello)...), {22, 3, 1, 0xFF, 0xFF},
		record(recordHandshake, messageServerHello, 0xFF, 0xFF, 0xFF),
	} {
		for v := range Versions() {
			f.Add(seed, uint8(v))
		}
	}
	f.Fuzz(func(t *testing.T, input []byte, which uint8) {
		v := Versions()[int(which)%len(Versions())]
		o := &offer{version: v, suites: allSuites(v), share: keyShare{group: groupX25519}}
		copy(o.session[:], session)
		source := &counting{r: bytes.NewReader(input)}
		a := readAnswer(source, o)
		if source.n > maxFlight+maxRecord+5*(maxRecords+1) {
			t.Errorf("read %d bytes", source.n)
		}
		if b := readAnswer(iotest.OneByteReader(bytes.NewReader(input)), o); b.kind != a.kind || b.version != a.version || b.suite != a.suite {
			t.Errorf("the answer depends on how it arrives: %+v, %+v", a, b)
		}
		switch a.kind {
		case accepted:
			if a.version != v || !slices.Contains(o.suites, a.suite) {
				t.Errorf("accepted %v %04x for an offer of %v", a.version, a.suite, v)
			}
		case lower:
			if a.version >= v || a.version < SSL30 {
				t.Errorf("lower %v for an offer of %v", a.version, v)
			}
		case retry:
			if v != TLS13 || a.group == groupX25519 {
				t.Errorf("retry of %v for group %x", v, a.group)
			}
		case silent, reset, unreached, noTLS:
			t.Errorf("kind %d of bytes that all arrived", a.kind)
		}
		if a.kind != accepted && a.verdict(false) == Accepted || a.kind == garbled && a.verdict(true) != Unknown {
			t.Errorf("kind %d counts as %s", a.kind, a.verdict(true))
		}
	})
}

func FuzzStartup(f *testing.F) {
	f.Add([]byte("R\x00\x00\x00\x08\x00\x00\x00\x00"))
	f.Add([]byte("E\x00\x00\x00\x20SFATAL\x00C28000\x00Mno entry\x00Lx\x00\x00"))
	f.Add([]byte("E\xff\xff\xff\xff"))
	f.Add([]byte("HTTP/1.1 400\r\n"))
	f.Fuzz(func(t *testing.T, input []byte) {
		source := &counting{r: bytes.NewReader(input)}
		s := readStartup(source)
		if source.n > maxErrorResponse+5 {
			t.Errorf("read %d bytes", source.n)
		}
		if s.kind == startupAuthentication && !strings.HasPrefix(string(input), "R") {
			t.Error("entry without an answer that says so")
		}
		if s.kind == startupError && len(s.code) != 5 {
			t.Errorf("SQLSTATE %q", s.code)
		}
	})
}
