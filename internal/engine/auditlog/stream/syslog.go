package stream

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/garant-project/garant/internal/engine/auditlog/export"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/outgoing"
)

// syslog sends each line as a message of RFC 5424 over TLS with octet counting (RFC 5425). A batch is a connection, which we close
// for writing at its end; it is taken when the receiver closes in turn: TCP refuses the rest when it had not read to the end.
type syslog struct {
	*Streams
	d estate.Stream
}

// Facility 13 (log audit) with severity informational, warning for what was refused, or alert for an entry that somebody took away or changed (RFC 5424, section 6.2.1).
const (
	priPermitted = 13*8 + 6
	priRefused   = 13*8 + 4
	priTampered  = 13*8 + 1
)

func (g syslog) send(ctx context.Context, b batch) error {
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authorities(g.d.TrustPEM)}
	if g.d.Certificate != nil {
		key, err := g.d.Key.Reveal()
		if err != nil {
			return secretFailure("key", err)
		}
		pair, err := tls.X509KeyPair(g.d.Certificate, []byte(key))
		if err != nil {
			return &failure{problem: BadSecret, said: "key does not belong to certificate"}
		}
		config.Certificates = []tls.Certificate{pair}
	}
	host, _, err := net.SplitHostPort(g.d.Address)
	if err != nil {
		return &failure{problem: BadAddress, said: outgoing.ErrAddress.Error()}
	}
	config.ServerName = host
	dialer := &tls.Dialer{Config: config, NetDialer: &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		if !outgoing.Allowed(address, g.d.Private) {
			return outgoing.ErrAddress
		}
		return nil
	}}}
	conn, err := dialer.DialContext(ctx, "tcp", g.d.Address)
	if err != nil {
		return unspoken(err)
	}
	defer conn.Close() //nolint:errcheck // what counts was heard before
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	out := bufio.NewWriterSize(conn, 16<<10)
	for _, line := range b.lines {
		message, err := g.message(line)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%d %s", len(message), message); err != nil {
			return unspoken(lastWord(conn, err))
		}
	}
	if err := out.Flush(); err != nil {
		return unspoken(lastWord(conn, err))
	}
	if err := conn.(*tls.Conn).CloseWrite(); err != nil {
		return unspoken(lastWord(conn, err))
	}
	// Some receivers close without the alert that TLS has for it: io.ErrUnexpectedEOF. A reset is neither.
	switch _, err := io.Copy(io.Discard, io.LimitReader(conn, 64<<10)); {
	case err == nil, errors.Is(err, io.ErrUnexpectedEOF):
		return nil
	case ctx.Err() != nil:
		return &failure{problem: Unconfirmed, said: "the receiver did not close"}
	default:
		return unspoken(err)
	}
}

// message writes a line: in ASCII, which needs no byte order mark (RFC 5424, section 6.4).
func (g syslog) message(l export.Line) ([]byte, error) {
	pri := priPermitted
	switch {
	case export.Tampered(l.Entry):
		pri = priTampered
	case l.Entry.Refused:
		pri = priRefused
	}
	at := "-" // of what is not there any more it is not known
	if !l.Entry.At.IsZero() {
		at = l.Entry.At.UTC().Format("2006-01-02T15:04:05.000000Z")
	}
	head := fmt.Sprintf("<%d>1 %s %s garant - %s %s ", pri, at, word(g.Host, 255), word(l.Entry.Action, 32), g.structured(l))
	text, err := export.Render(export.Format(g.d.Format), l, export.Options{Values: g.d.Values, ASCII: true, Most: g.d.MaxMessage - len(head), Build: g.Build})
	if err != nil {
		return nil, &failure{problem: Unwritable, said: "entry at position " + strconv.FormatInt(l.Place.Position, 10)}
	}
	return append([]byte(head), text...), nil
}

// structured writes what receivers sort by. Names that IANA does not know need an enterprise number (RFC 5424, section 6.3.2); Garant has none,
// so they are sent under the company's, or not at all: the message says everything too.
func (g syslog) structured(l export.Line) string {
	if g.d.Enterprise == 0 {
		return "-"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "[garant@%d", g.d.Enterprise)
	param := func(name, value string) {
		const most = 200 // characters
		if value == "" {
			return
		}
		if runes := []rune(value); len(runes) > most {
			value = string(runes[:most]) + "…"
		}
		fmt.Fprintf(&b, ` %s="%s"`, name, strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`).Replace(printed(value)))
	}
	outcome := "permitted"
	if l.Entry.Refused {
		outcome = "refused"
	}
	param("uid", l.UID())
	param("outcome", outcome)
	param("tenant", l.Entry.Tenant)
	param("tree", l.Place.Tree)
	if l.Place.Tree != "" {
		param("index", strconv.FormatInt(l.Place.Index, 10))
	}
	return b.String() + "]"
}

// printed replaces what a line cannot hold.
func printed(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// word makes a field of the header, which has no spaces and nothing but ASCII.
func word(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f {
			return r
		}
		return -1
	}, s)
	if s == "" {
		return "-"
	}
	return s[:min(len(s), most)]
}

// lastWord is what a receiver said before it cut off what was written to it, if it said why: in TLS 1.3 it refuses a certificate only after we have
// begun to write (RFC 8446, section 4.4.2.4), and what it said of that is there to be read.
func lastWord(conn net.Conn, err error) error {
	_ = conn.SetReadDeadline(time.Now().Add(time.Second))
	var said *net.OpError
	if _, heard := io.Copy(io.Discard, io.LimitReader(conn, 64<<10)); errors.As(heard, &said) && said.Op == "remote error" {
		return heard
	}
	return err
}

// unspoken says why a receiver of syslog took nothing.
func unspoken(err error) error {
	var op *net.OpError
	var verification *tls.CertificateVerificationError
	switch {
	case errors.Is(err, outgoing.ErrAddress):
		return &failure{problem: BadAddress, said: outgoing.ErrAddress.Error()}
	case errors.As(err, &verification):
		return &failure{problem: Untrusted, said: outgoing.ErrUntrusted.Error()}
	case errors.As(err, &op) && op.Op == "remote error": // an alert of TLS
		return &failure{problem: Refused, said: "the receiver refused the connection"}
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF):
		return &failure{problem: NoAnswer, said: "cut off"}
	}
	return &failure{problem: NoAnswer, said: outgoing.Reason(err)}
}
