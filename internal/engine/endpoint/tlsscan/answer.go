package tlsscan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"

	"golang.org/x/crypto/cryptobyte"
)

// kind is what came back on one connection.
type kind uint8

const (
	accepted   kind = iota // the offered version, and a whole first flight
	retry                  // TLS 1.3 HelloRetryRequest
	lower                  // a ServerHello of an older version
	alerted                // an alert
	closed                 // the connection ended before any answer
	reset                  // the connection was reset before any answer
	silent                 // nothing, or only a part of an answer, before the deadline
	garbled                // bytes that are no TLS, or TLS that breaks its own rules
	unreached              // no connection
	noTLS                  // the server said that it speaks no TLS (PostgreSQL's 'N')
	unfinished             // a ServerHello, and then the connection ended
)

// answer is what a server made of one offer.
type answer struct {
	kind    kind
	version Version // chosen, if there was a ServerHello
	suite   uint16
	alert   uint8
	group   uint16 // asked for by a HelloRetryRequest
	cookie  []byte
	reason  string // stable between runs: no times, no addresses
}

const (
	maxRecord  = 1<<14 + 2048 // RFC 5246 §6.2.3; more than any version allows
	maxFlight  = 256 << 10
	maxRecords = 512
)

// errGarbage is any breach of the protocol.
var errGarbage = errors.New("the answer is no TLS")

// flight reads the records of a server's first flight within fixed bounds.
type flight struct {
	r       io.Reader
	bytes   int
	records int
}

// next returns one record. io.EOF means that the stream ended between records.
func (f *flight) next() (contentType uint8, body []byte, err error) {
	var header [5]byte
	if _, err := io.ReadFull(f.r, header[:]); err != nil {
		return 0, nil, err // io.EOF between records; io.ErrUnexpectedEOF within the header
	}
	contentType = header[0]
	length := int(header[3])<<8 | int(header[4])
	if contentType < recordChangeCipherSpec || contentType > recordApplicationData || header[1] != 3 || header[2] > 4 ||
		length == 0 || length > maxRecord {
		return 0, nil, errGarbage
	}
	f.records++
	f.bytes += length
	if f.records > maxRecords || f.bytes > maxFlight {
		return 0, nil, errGarbage
	}
	body = make([]byte, length)
	if _, err := io.ReadFull(f.r, body); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, err
	}
	return contentType, body, nil
}

// readAnswer reads what answers o. It never returns an error: every way to answer is an answer.
func readAnswer(r io.Reader, o *offer) answer {
	f := &flight{r: r}
	var pending []byte
	var hello *answer
	for {
		contentType, body, err := f.next()
		if err != nil {
			return ended(err, hello)
		}
		switch contentType {
		case recordAlert:
			if len(body) != 2 {
				return garbage("an alert of wrong length")
			}
			if body[0] == 1 && body[1] != 0 {
				continue // a warning such as unrecognized_name; the handshake goes on
			}
			return answer{kind: alerted, alert: body[1], reason: "alert " + alertName(body[1])}
		case recordChangeCipherSpec:
			if hello == nil || hello.version != TLS13 {
				return garbage("ChangeCipherSpec out of place")
			}
		case recordApplicationData:
			if hello == nil || hello.version != TLS13 || len(pending) > 0 {
				return garbage("encrypted data out of place")
			}
			return *hello
		case recordHandshake:
			if hello != nil && hello.version == TLS13 {
				return garbage("a plain message after the ServerHello of TLS 1.3")
			}
			pending = append(pending, body...)
			var end *answer
			pending, end = readMessages(pending, o, &hello)
			if end != nil {
				return *end
			}
		}
	}
}

// readMessages takes whole messages off pending. It returns the rest, and the answer once it
// is known.
func readMessages(pending []byte, o *offer, hello **answer) (rest []byte, end *answer) {
	for len(pending) >= 4 {
		length := int(pending[1])<<16 | int(pending[2])<<8 | int(pending[3])
		if length > maxFlight {
			g := garbage("a message that is too long")
			return nil, &g
		}
		if len(pending) < 4+length {
			return pending, nil
		}
		messageType, body := pending[0], pending[4:4+length]
		pending = pending[4+length:]
		switch messageType {
		case messageServerHello:
			if *hello != nil {
				g := garbage("a second ServerHello")
				return nil, &g
			}
			a := parseServerHello(body, o)
			if a.kind != accepted {
				return nil, &a
			}
			if a.version == TLS13 && len(pending) > 0 {
				g := garbage("a plain message after the ServerHello of TLS 1.3")
				return nil, &g
			}
			*hello = &a
		case messageServerHelloDone:
			if *hello == nil || length != 0 {
				g := garbage("ServerHelloDone out of place")
				return nil, &g
			}
			return nil, *hello
		case messageCertificate, messageCertificateStatus, messageServerKeyExchange, messageCertificateRequest:
			if *hello == nil {
				g := garbage("a message before the ServerHello")
				return nil, &g
			}
		case messageHelloRequest: // may come at any time and says nothing, RFC 5246 §7.4.1.1
		default:
			g := garbage("an unexpected message")
			return nil, &g
		}
	}
	return pending, nil
}

// ended says what the end of the stream means, before or after a ServerHello.
func ended(err error, hello *answer) answer {
	var timeout net.Error
	switch {
	case errors.Is(err, errGarbage), errors.Is(err, io.ErrUnexpectedEOF):
		return garbage("the answer is cut or no TLS")
	case errors.As(err, &timeout) && timeout.Timeout():
		return answer{kind: silent, reason: "no answer in time"}
	case hello != nil:
		return answer{kind: unfinished, version: hello.version, reason: "ended in the middle of the handshake"}
	case errors.Is(err, io.EOF):
		return answer{kind: closed, reason: "closed"}
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return answer{kind: reset, reason: "reset"}
	}
	return answer{kind: silent, reason: "connection lost"}
}

func garbage(reason string) answer { return answer{kind: garbled, reason: reason} }

// retryRandom is the random of a HelloRetryRequest, RFC 8446 §4.1.3: SHA-256 of its name.
const retryRandom = "\xCF\x21\xAD\x74\xE5\x9A\x61\x11\xBE\x1D\x8C\x02\x1E\x65\xB8\x91" +
	"\xC2\xA2\x11\x16\x7A\xBB\x8C\x5E\x07\x9E\x09\xE2\xC8\xA8\x33\x9C"

// parseServerHello judges the body of a ServerHello against what was offered.
func parseServerHello(body []byte, o *offer) answer {
	s := cryptobyte.String(body)
	var legacy, suite uint16
	var random []byte
	var session, extensions cryptobyte.String
	var compression uint8
	if !s.ReadUint16(&legacy) || !s.ReadBytes(&random, 32) || !s.ReadUint8LengthPrefixed(&session) || len(session) > 32 ||
		!s.ReadUint16(&suite) || !s.ReadUint8(&compression) {
		return garbage("a ServerHello that is cut")
	}
	if !s.Empty() && (!s.ReadUint16LengthPrefixed(&extensions) || !s.Empty()) {
		return garbage("a ServerHello with bytes left over")
	}
	x, ok := readExtensions(extensions, string(random) == retryRandom)
	switch {
	case !ok:
		return garbage("extensions that cannot be read")
	case compression != 0 || !slices.Contains(o.suites, suite):
		return garbage("a choice that was not offered")
	}
	chosen := Version(legacy)
	if x.version != 0 {
		if o.version != TLS13 || x.version != TLS13 || legacy != uint16(TLS12) {
			return garbage("a version that was not offered")
		}
		chosen = TLS13
	}
	switch {
	case chosen < SSL30 || chosen > min(o.version, TLS12) && x.version == 0:
		return garbage("a version that was not offered")
	case chosen < o.version:
		return answer{kind: lower, version: chosen, suite: suite, reason: "answered " + chosen.String()}
	case chosen != TLS13:
		return answer{kind: accepted, version: chosen, suite: suite}
	}
	if !slices.Contains(suites13(), suite) || !bytes.Equal(session, o.session[:]) {
		return garbage("a choice that was not offered")
	}
	if string(random) == retryRandom {
		if !slices.Contains(groups13(), x.group) || x.group == o.share.group {
			return garbage("a group that was not offered")
		}
		return answer{kind: retry, version: TLS13, suite: suite, group: x.group, cookie: x.cookie}
	}
	if x.group != o.share.group || x.key == 0 {
		return garbage("a group that was not offered")
	}
	return answer{kind: accepted, version: TLS13, suite: suite}
}

// serverExtensions are those that say which version and group was chosen.
type serverExtensions struct {
	version Version
	group   uint16
	key     int // length of the server's key share
	cookie  []byte
}

func readExtensions(s cryptobyte.String, retry bool) (x serverExtensions, ok bool) {
	seen := map[uint16]bool{}
	for !s.Empty() {
		var id uint16
		var body cryptobyte.String
		if !s.ReadUint16(&id) || !s.ReadUint16LengthPrefixed(&body) || seen[id] {
			return x, false
		}
		seen[id] = true
		switch id {
		case extensionSupportedVersions:
			var v uint16
			if !body.ReadUint16(&v) || !body.Empty() || v == 0 {
				return x, false
			}
			x.version = Version(v)
		case extensionKeyShare:
			if !body.ReadUint16(&x.group) {
				return x, false
			}
			var key cryptobyte.String
			if !retry && (!body.ReadUint16LengthPrefixed(&key) || len(key) == 0) {
				return x, false
			}
			if !body.Empty() {
				return x, false
			}
			x.key = len(key)
		case extensionCookie:
			var cookie cryptobyte.String
			if !body.ReadUint16LengthPrefixed(&cookie) || !body.Empty() {
				return x, false
			}
			x.cookie = slices.Clone([]byte(cookie))
		}
	}
	return x, true
}

// alertName names the alerts by which servers refuse a hello, RFC 8446 §6.
func alertName(code uint8) string {
	switch code {
	case 0:
		return "close_notify"
	case 10:
		return "unexpected_message"
	case 40:
		return "handshake_failure"
	case 47:
		return "illegal_parameter"
	case 50:
		return "decode_error"
	case 70:
		return "protocol_version"
	case 71:
		return "insufficient_security"
	case 80:
		return "internal_error"
	case 86:
		return "inappropriate_fallback"
	case 109:
		return "missing_extension"
	case 112:
		return "unrecognized_name"
	case 116:
		return "certificate_required"
	case 120:
		return "no_application_protocol"
	}
	return fmt.Sprintf("%d", code)
}
