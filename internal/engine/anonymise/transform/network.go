package transform

import (
	"bytes"
	"net/netip"

	"github.com/garant-project/garant/internal/engine/anonymise/names"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// Ranges for documentation: RFC 5737 and RFC 3849. Nobody has an address in them.
var documentation4 = [][3]byte{{192, 0, 2}, {198, 51, 100}, {203, 0, 113}}

var documentation6 = [4]byte{0x20, 0x01, 0x0d, 0xb8}

// longestRoute is how long a list of addresses may be, as proxies write them. What is longer is none, and becomes one address.
const longestRoute = 2000

// ipTransformer replaces addresses of the internet, several in one text with their ports included.
type ipTransformer struct {
	standing
	mac   *mac
	taken func([]byte) bool
	wide  bool // all become IPv6
	cidr  bool // no bit right of the prefix
	key   []byte
}

// Append implements Transformer.
func (t *ipTransformer) Append(dst, value []byte, _ Row) ([]byte, error) {
	if len(value) > longestRoute {
		return t.appendOne(dst, value)
	}
	for i := 0; i < len(value); {
		end := i
		for end < len(value) && value[end] != ',' && value[end] != ' ' && value[end] != ';' {
			end++
		}
		var err error
		if end > i {
			if dst, err = t.appendOne(dst, value[i:end]); err != nil {
				return dst, err
			}
		}
		if i = end; i < len(value) {
			dst = append(dst, value[i])
			i++
		}
	}
	return dst, nil
}

// appendOne replaces one address; its prefix length and its port stay. What is no address becomes one.
func (t *ipTransformer) appendOne(dst, value []byte) ([]byte, error) {
	host, rest := value, []byte(nil)
	if at := bytes.IndexByte(host, '/'); at >= 0 {
		host, rest = host[:at], host[at:]
	}
	bracket := len(host) > 2 && host[0] == '['
	if at := bytes.LastIndexByte(host, ':'); bracket {
		if end := bytes.IndexByte(host, ']'); end > 0 {
			host, rest = host[1:end], host[end+1:]
		}
	} else if at > 0 && bytes.IndexByte(host, ':') == at {
		host, rest = host[:at], host[at:]
	}
	address, four := parse4(host)
	if !four {
		a, err := netip.ParseAddr(string(host))
		switch {
		case err != nil:
			four, rest = bytes.IndexByte(host, ':') < 0, nil
		case a.Unmap().Is4():
			b := a.Unmap().As4()
			address, four = b, true
		default:
			b := a.WithZone("").As16()
			t.key = append(t.key[:0], b[:]...)
		}
		if err != nil {
			t.key = append(t.key[:0], value...)
		} else if four {
			t.key = append(t.key[:0], address[:]...)
		}
	} else {
		t.key = append(t.key[:0], address[:]...)
	}
	for i, c := range rest { // a prefix length or a port, and nothing else
		if c < '0' && (i > 0 || c != '/') || c > '9' && (i > 0 || c != ':') {
			rest = nil
			break
		}
	}
	start := len(dst)
	for again := range tries {
		dst = t.appendDrawn(dst[:start], t.mac.draw(t.key, again), four && !t.wide, bracket, rest)
		if string(dst[start:]) != string(value) && !t.taken(dst[start:]) {
			return dst, nil
		}
	}
	return dst, errExhausted
}

func (t *ipTransformer) appendDrawn(dst []byte, d *draw, four, bracket bool, rest []byte) []byte {
	prefix := len(rest) > 1 && rest[0] == '/'
	bits := 128
	if prefix {
		bits = int(number(rest[1:min(len(rest), 4)])) //nolint:gosec // three digits
	}
	if four {
		net := documentation4[d.Below(3)]
		b := [4]byte{net[0], net[1], net[2], byte(d.Below(256))}
		if prefix && t.cidr && bits < 32 {
			if b[3] &= ^byte(0) << (32 - max(bits, 24)); bits < 24 { // wider than the range: the range itself
				rest = []byte("/24")
			}
		}
		return append(netip.AddrFrom4(b).AppendTo(dst), rest...)
	}
	var b [16]byte
	copy(b[:], documentation6[:])
	for i := 4; i < 16; i += 2 {
		v := d.Below(1 << 16)
		b[i], b[i+1] = byte(v>>8), byte(v) //nolint:gosec // 16 bits
	}
	a := netip.AddrFrom16(b)
	if prefix && t.wide && bits <= 32 && !t.cidr {
		prefix, rest = false, nil // an IPv4 prefix says nothing here
	}
	if prefix && t.cidr && bits < 128 {
		if bits < 32 || t.wide {
			bits, rest = max(bits, 32), nil
			if t.wide {
				bits = 128 // one address, so that two networks stay two
			} else {
				rest = []byte("/32")
			}
		}
		if bits < 128 {
			masked, _ := a.Prefix(bits)
			a = masked.Addr()
		}
	}
	if bracket {
		return append(append(a.AppendTo(append(dst, '[')), ']'), rest...)
	}
	if len(rest) > 0 && rest[0] == ':' { // a port behind what was an IPv4 address
		return append(append(a.AppendTo(append(dst, '[')), ']'), rest...)
	}
	return append(a.AppendTo(dst), rest...)
}

// parse4 reads four numbers with dots.
func parse4(b []byte) (a [4]byte, ok bool) {
	part, n, digits := 0, 0, 0
	for _, c := range b {
		switch {
		case '0' <= c && c <= '9' && digits < 3:
			n = n*10 + int(c-'0')
			digits++
		case c == '.' && digits > 0 && n < 256 && part < 3:
			a[part] = byte(n)
			part, n, digits = part+1, 0, 0
		default:
			return a, false
		}
	}
	if part != 3 || digits == 0 || n > 255 {
		return a, false
	}
	a[3] = byte(n)
	return a, true
}

func makeIP(m *maker) (Transformer, error) {
	return &ipTransformer{mac: m.env.Key.mac("ip"), taken: m.taken(personal.IP), wide: m.wide(), cidr: m.column.Type == "cidr"}, nil
}

// deviceTransformer replaces identifiers of devices: UUIDs, hardware addresses, and whatever else by its shape.
type deviceTransformer struct {
	standing
	*rekeyTransformer
	mac   *mac
	taken func([]byte) bool
	lower []byte
}

// Append implements Transformer.
func (t *deviceTransformer) Append(dst, value []byte, _ Row) ([]byte, error) {
	start := len(dst)
	if out, ok := t.appendUUID(dst, value); ok {
		return out, nil
	}
	t.lower = foldAddress(t.lower[:0], value)
	hardware := isHardware(value)
	for again := range tries {
		if hardware {
			dst = appendHardware(dst[:start], value, t.mac.draw(t.lower, again))
		} else {
			dst = t.other.append(dst[:start], value, again)
		}
		if len(t.lower) == 0 || !t.taken(dst[start:]) {
			return dst, nil
		}
	}
	return dst, errExhausted
}

// isHardware reports whether a value is 6 or 8 bytes with colons or hyphens.
func isHardware(value []byte) bool {
	if len(value) != 17 && len(value) != 23 || value[2] != ':' && value[2] != '-' {
		return false
	}
	for i, c := range value {
		hex := '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
		if i%3 == 2 && c != value[2] || i%3 != 2 && !hex {
			return false
		}
	}
	return true
}

// appendHardware draws an address that is administered locally and of one station (IEEE 802, second bit of the first byte set, first bit not): no maker
// gives it out.
func appendHardware(dst, value []byte, d *draw) []byte {
	digits := "0123456789abcdef"
	for _, c := range value {
		if 'A' <= c && c <= 'F' {
			digits = "0123456789ABCDEF"
		}
	}
	for i, c := range value {
		switch {
		case i%3 == 2:
			dst = append(dst, c)
		case i == 1:
			dst = append(dst, digits[d.Below(4)*4+2])
		default:
			dst = append(dst, digits[d.Below(16)])
		}
	}
	return dst
}

func makeDevice(m *maker) (Transformer, error) {
	return &deviceTransformer{rekeyTransformer: m.rekey("device"), mac: m.env.Key.mac("device"), taken: m.taken(personal.Device)}, nil
}

// urlTransformer replaces addresses of the web: the host by one of a reserved domain, each part of the path and of the query by letters. Scheme, depth and the ending that
// says of what kind a file is stay.
type urlTransformer struct {
	standing
	mac   *mac
	mail  *mailer // for domains
	taken func([]byte) bool
	limit int
	key   []byte
	host  []byte
}

// Append implements Transformer.
func (t *urlTransformer) Append(dst, value []byte, _ Row) ([]byte, error) {
	value = bytes.TrimSpace(value)
	if len(value) == 0 {
		return dst, nil
	}
	t.key = append(t.key[:0], value...)
	rest := value
	start := len(dst)
	for again := range tries {
		d := t.mac.draw(t.key, again)
		dst, rest = dst[:start], value
		if at := bytes.Index(rest, []byte("://")); at > 0 && at < 16 && isScheme(rest[:at]) {
			dst = append(dst, rest[:at+3]...)
			rest = rest[at+3:]
			host := rest
			if end := bytes.IndexAny(rest, "/?#"); end >= 0 {
				host, rest = rest[:end], rest[end:]
			} else {
				rest = nil
			}
			t.host = names.AppendFold(t.host[:0], host)
			dst = append(append(dst, "www."...), t.mail.domainOf(t.host)...)
		}
		dst = t.appendPath(dst, rest, d)
		if len(dst)-start > t.limit {
			if dst = append(dst[:start], "https://www.example.org/"...); len(dst)-start+loneSuffixLength > t.limit {
				dst = append(dst[:start], '/')
			}
			dst = appendSuffix(dst, d, min(loneSuffixLength, t.limit-(len(dst)-start)))
		}
		if !t.taken(dst[start:]) {
			return dst, nil
		}
	}
	return dst, errExhausted
}

// appendPath writes as many parts as a path has, and an ending of up to four letters.
func (t *urlTransformer) appendPath(dst, path []byte, d *draw) []byte {
	if end := bytes.IndexAny(path, "?#"); end >= 0 {
		path = path[:end] // what is asked may say anything
	}
	ending := []byte(nil)
	if dot := bytes.LastIndexByte(path, '.'); dot >= 0 && len(path)-dot <= 5 && len(path)-dot > 1 && isScheme(path[dot+1:]) {
		path, ending = path[:dot], path[dot:]
	}
	depth := min(bytes.Count(path, []byte("/")), 8)
	if depth == 0 && len(path) > 0 {
		return append(appendSuffix(dst, d, loneSuffixLength), ending...)
	}
	for i := 1; i < depth; i++ {
		dst = appendSuffix(append(dst, '/'), d, 4)
	}
	return append(appendSuffix(append(dst, '/'), d, loneSuffixLength), ending...)
}

// isScheme reports whether b is letters and digits that begin with a letter.
func isScheme(b []byte) bool {
	for i, c := range b {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			if i == 0 || c < '0' || c > '9' {
				return false
			}
		}
	}
	return len(b) > 0
}

func makeURL(m *maker) (Transformer, error) {
	if m.column.Unique && m.limit() < loneSuffixLength+1 {
		return nil, errShortURL
	}
	return &urlTransformer{mac: m.env.Key.mac("url"), mail: m.mailer("url", personal.PersonURL), taken: m.taken(personal.PersonURL), limit: m.limit()}, nil
}
