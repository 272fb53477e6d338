package tlsscan

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
)

// PostgreSQL's protocol 3.0, chapters "Message Flow" and "Message Formats".
const (
	sslRequestCode  = 80877103
	protocolVersion = 196608 // 3.0

	// probeUser need not exist: the server decides by address, encryption and pg_hba.conf
	// before it looks the role up.
	probeUser = "garant_probe"

	maxErrorResponse = 8 << 10
)

// RequestTLS asks a PostgreSQL server for TLS on a fresh connection. ok is false if the server
// has none; an error means that it answered neither yes nor no.
func RequestTLS(conn net.Conn) (ok bool, err error) {
	var request [8]byte
	binary.BigEndian.PutUint32(request[0:], 8)
	binary.BigEndian.PutUint32(request[4:], sslRequestCode)
	if _, err := conn.Write(request[:]); err != nil {
		return false, err
	}
	var reply [1]byte
	if _, err := io.ReadFull(conn, reply[:]); err != nil {
		return false, err
	}
	switch reply[0] {
	case 'S':
		return true, nil
	case 'N':
		return false, nil
	}
	return false, errGarbage
}

func requestTLS(conn net.Conn) *answer {
	ok, err := RequestTLS(conn)
	switch {
	case err != nil:
		a := ended(err, nil)
		if a.kind == closed || a.kind == reset {
			// Not an answer to a hello: none was sent.
			a = answer{kind: silent, reason: "ended before TLS"}
		}
		return &a
	case !ok:
		return &answer{kind: noTLS, reason: "no TLS"}
	}
	return nil
}

// startup is what a server answers to a StartupMessage.
type startup struct {
	kind  startupKind
	code  string // SQLSTATE of an ErrorResponse
	place string // file, line and routine of an ErrorResponse; empty behind some poolers
}

type startupKind uint8

const (
	startupUnknown startupKind = iota
	startupAuthentication
	startupError
)

// plaintext says whether the server lets a client log in without TLS.
//
// A server that asks for authentication, or gives entry, in plain text accepts it. An
// ErrorResponse is a refusal of plain text only if the same client under TLS fares otherwise:
// it is let through to authentication, or refused for another reason. Else the refusal says
// only that this probe's user has no entry in pg_hba.conf, and other users may well have one.
func (s *scanner) plaintext(ctx context.Context) (Verdict, string) {
	plain := s.startup(ctx, false)
	switch {
	case plain.kind == startupAuthentication:
		return Accepted, "asked for authentication without TLS"
	case plain.kind == startupUnknown:
		return Unknown, "no readable answer without TLS"
	case !strings.HasPrefix(plain.code, "28") && plain.code != "08P01":
		// Too many connections, starting up, … say nothing about TLS.
		return Unknown, "SQLSTATE " + plain.code
	}
	secured := s.startup(ctx, true)
	switch {
	case secured.kind == startupAuthentication:
		return Refused, "SQLSTATE " + plain.code
	case secured.kind == startupError && strings.HasPrefix(secured.code, "28") && secured.differs(plain):
		return Refused, "SQLSTATE " + plain.code
	}
	return Unknown, "the probe is refused with TLS as without"
}

// differs says whether two refusals have different reasons. The place in the server's source
// tells them apart in every language of the messages.
func (a startup) differs(b startup) bool {
	if a.place != "" && b.place != "" {
		return a.place != b.place
	}
	return a.code != b.code
}

// startup sends a StartupMessage and reads the first message of the answer.
func (s *scanner) startup(ctx context.Context, secured bool) startup {
	conn, bad := s.connect(ctx)
	if bad != nil {
		return startup{}
	}
	defer conn.Close()
	if secured {
		if bad := requestTLS(conn); bad != nil {
			return startup{}
		}
		// Only the server's decision about an unknown user is wanted here, and nothing secret
		// is sent: who the server is, is judged by the certificate check.
		conn = tls.Client(conn, &tls.Config{
			InsecureSkipVerify: true,             //nolint:gosec // see above
			MinVersion:         tls.VersionTLS10, //nolint:gosec // see above
			ServerName:         s.target.ServerName,
		})
	}
	body := binary.BigEndian.AppendUint32(nil, protocolVersion)
	body = append(body, "user\x00"+probeUser+"\x00database\x00"+probeUser+"\x00\x00"...)
	message := binary.BigEndian.AppendUint32(nil, uint32(len(body)+4))
	if _, err := conn.Write(append(message, body...)); err != nil {
		return startup{}
	}
	return readStartup(conn)
}

func readStartup(r io.Reader) startup {
	var header [5]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return startup{}
	}
	length := binary.BigEndian.Uint32(header[1:])
	if length < 4 || length > maxErrorResponse {
		return startup{}
	}
	body := make([]byte, length-4)
	if _, err := io.ReadFull(r, body); err != nil {
		return startup{}
	}
	switch header[0] {
	case 'R':
		if len(body) < 4 {
			return startup{}
		}
		return startup{kind: startupAuthentication}
	case 'E':
		e := startup{kind: startupError}
		fields := map[byte]string{}
		for field := range strings.SplitSeq(string(body), "\x00") {
			if field != "" {
				fields[field[0]] = field[1:]
			}
		}
		e.code = cleanCode(fields['C'])
		if fields['L'] != "" {
			e.place = fields['F'] + ":" + fields['L'] + ":" + fields['R']
		}
		return e
	}
	return startup{}
}

// cleanCode keeps a SQLSTATE, five letters or digits, and nothing else that a stranger sends.
func cleanCode(code string) string {
	if len(code) != 5 {
		return "?????"
	}
	for _, c := range []byte(code) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return "?????"
		}
	}
	return code
}
