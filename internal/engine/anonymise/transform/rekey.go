package transform

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
)

var errNotWhole = errors.New("a value is no whole number")

// mostOf is the largest number of an integer type.
func mostOf(typ string) uint64 {
	switch typ {
	case "smallint":
		return math.MaxInt16
	case "integer":
		return math.MaxInt32
	case "oid":
		return math.MaxUint32
	}
	return math.MaxInt64
}

func parseInteger(value []byte) (n uint64, negative, ok bool) {
	if len(value) > 0 && value[0] == '-' {
		negative, value = true, value[1:]
	}
	if len(value) == 0 || len(value) > 19 {
		return 0, false, false
	}
	for _, c := range value {
		if c < '0' || c > '9' {
			return 0, false, false
		}
		n = n*10 + uint64(c-'0')
	}
	return n, negative, true
}

func appendInteger(dst []byte, n uint64, negative bool) []byte {
	if negative {
		dst = append(dst, '-')
	}
	digits := 1
	for v := n; v >= 10; v /= 10 {
		digits++
	}
	return appendPadded(dst, n, digits)
}

// Whole numbers are permuted within three spans, so that a bigint fits an integer column that refers to it, and a program that reads numbers as doubles.
var spans = []uint64{math.MaxInt32, 1 << 53, math.MaxInt64}

// rekeyTransformer gives rows other keys. One domain serves a whole database, so that references need no declaration.
type rekeyTransformer struct {
	standing
	family Family
	most   uint64
	spans  []*permutation
	uuid   *mac
	other  *shaper
	raw    []byte
}

// Append implements Transformer.
func (t *rekeyTransformer) Append(dst, value []byte, _ Row) ([]byte, error) {
	switch t.family {
	case Integer, Number:
		out, ok := t.appendNumber(dst, value)
		if !ok {
			return dst, errNotWhole
		}
		return out, nil
	case UUID:
		out, ok := t.appendUUID(dst, value)
		if !ok {
			return dst, errors.New("a value is no UUID")
		}
		return out, nil
	}
	if len(value) > 0 && value[0] != '0' {
		if out, ok := t.appendNumber(dst, value); ok { // as the bigint that it may refer to
			return out, nil
		}
	}
	if out, ok := t.appendUUID(dst, value); ok {
		return out, nil
	}
	return t.other.append(dst, value, 0), nil
}

func (t *rekeyTransformer) appendNumber(dst, value []byte) ([]byte, bool) {
	n, negative, ok := parseInteger(value)
	if !ok || n > t.most {
		return dst, false
	}
	if n == 0 {
		return append(dst, '0'), true
	}
	from := uint64(0)
	for i, to := range spans {
		if n <= to {
			return appendInteger(dst, from+1+t.spans[i].moved(n-from-1), negative), true
		}
		from = to
	}
	return dst, false
}

// appendUUID draws the random bits of a UUID; version and variant stay (RFC 9562), the time in one does not.
func (t *rekeyTransformer) appendUUID(dst, value []byte) ([]byte, bool) {
	var bare bool
	if t.raw, bare = readUUID(t.raw, value); t.raw == nil {
		return dst, false
	}
	version, variant := t.raw[6]&0xf0, t.raw[8]&0xc0
	d := t.uuid.draw(t.raw, 0)
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], d.uint64())
	binary.BigEndian.PutUint64(b[8:], d.uint64())
	b[6], b[8] = b[6]&0x0f|version, b[8]&0x3f|variant
	return appendUUID(dst, b, bare), true
}

// readUUID reads 32 digits, with or without the four hyphens; nil when value is nothing of the kind.
func readUUID(dst, value []byte) (out []byte, bare bool) {
	bare = len(value) == 32
	if !bare && (len(value) != 36 || value[8] != '-' || value[13] != '-' || value[18] != '-' || value[23] != '-') {
		return nil, false
	}
	dst = dst[:0]
	var b byte
	digits := 0
	for _, c := range value {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		case c == '-' && !bare:
			continue
		default:
			return nil, false
		}
		b = b<<4 | c
		if digits++; digits%2 == 0 {
			dst = append(dst, b)
		}
	}
	if len(dst) != 16 {
		return nil, false
	}
	return dst, bare
}

func appendUUID(dst []byte, b [16]byte, bare bool) []byte {
	for i, n := range []int{4, 6, 8, 10, 16} {
		from := []int{0, 4, 6, 8, 10}[i]
		if i > 0 && !bare {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, b[from:n])
	}
	return dst
}

func (m *maker) rekey(domain string) *rekeyTransformer {
	t := &rekeyTransformer{family: m.family, most: mostOf(m.column.Type), uuid: m.env.Key.mac("uuid " + domain), other: newShaper(m.env.Key, "key "+domain)}
	from := uint64(0)
	for _, to := range spans {
		t.spans = append(t.spans, m.env.Key.permutation("key "+domain, to-from))
		from = to
	}
	return t
}

func makeRekey(m *maker) (Transformer, error) {
	if m.column.Type == "smallint" || m.family == Number && (m.column.Type != "numeric" || m.column.Scale > 0 || m.column.Precision > 0 && m.column.Precision < 19) {
		return nil, errors.New("the type has no room for other keys; it takes integer, bigint, numeric without a smaller precision, uuid or text")
	}
	if m.family == Text && m.column.Length > 0 && m.column.Length < 19 {
		return nil, errors.New("a key that is a number may get up to 19 digits, more than the column has room for; take hash")
	}
	return m.rekey(m.text("of", "")), nil
}
