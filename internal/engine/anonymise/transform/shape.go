package transform

import (
	"math/bits"
	"unicode"
	"unicode/utf8"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// shaper replaces letters by letters and digits by digits. Values of one shape whose signs are of ASCII are permuted, as long as there are fewer than 2^63 of the
// shape; longer ones are drawn. Letters beyond ASCII are drawn as letters of ASCII and are told apart by all the signs of the value.
type shaper struct {
	key    *Key
	domain string
	mac    *mac
	of     map[uint64]*permutation // by how many values the shape has
}

func newShaper(k *Key, domain string) *shaper {
	return &shaper{key: k, domain: domain, mac: k.mac(domain), of: map[uint64]*permutation{}}
}

// radix tells how many signs may stand in place of one, and its number among them; 0 for what stays.
func radix(c byte) (uint64, uint64) {
	switch {
	case '0' <= c && c <= '9':
		return 10, uint64(c - '0')
	case 'a' <= c && c <= 'z':
		return 26, uint64(c - 'a')
	case 'A' <= c && c <= 'Z':
		return 26, uint64(c - 'A')
	}
	return 0, 0
}

// rank numbers a value among those of its shape; false when they are too many, or not of ASCII.
func rank(value []byte) (n, size uint64, ok bool) {
	size = 1
	for _, c := range value {
		if c >= utf8.RuneSelf || c == 0 {
			return 0, 0, false
		}
		r, v := radix(c)
		if r == 0 {
			continue
		}
		hi, lo := bits.Mul64(size, r)
		if hi > 0 || lo >= 1<<63 {
			return 0, 0, false
		}
		size, n = lo, n*r+v
	}
	return n, size, true
}

// append writes what replaces a value; again counts what was drawn in vain, and leaves the permutation.
func (s *shaper) append(dst, value []byte, again int) []byte {
	n, size, ok := rank(value)
	if !ok || again > 0 {
		return appendShape(dst, value, s.mac.draw(value, again))
	}
	if size == 1 {
		return append(dst, value...) // no letter, no digit
	}
	p := s.of[size]
	if p == nil {
		p = s.key.permutation("shape of "+s.domain, size)
		if len(s.of) < 256 {
			s.of[size] = p
		}
	}
	n = p.moved(n)
	start := len(dst)
	dst = append(dst, value...)
	for i := len(dst) - 1; i >= start; i-- {
		r, v := radix(dst[i])
		if r == 0 {
			continue
		}
		dst[i] += byte(n%r) - byte(v)
		n /= r
	}
	return dst
}

// appendShape draws letters for letters and digits for digits.
func appendShape(dst, value []byte, d *draw) []byte {
	for i := 0; i < len(value); {
		c := value[i]
		if c < utf8.RuneSelf {
			r, v := radix(c)
			if c != 0 {
				dst = append(dst, c)
			}
			if r > 0 {
				dst[len(dst)-1] += byte(d.Below(int(r))) - byte(v) //nolint:gosec // 10 or 26
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(value[i:])
		i += n
		switch {
		case unicode.IsUpper(r):
			dst = append(dst, byte('A'+d.Below(26)))
		case unicode.IsLetter(r), r == utf8.RuneError:
			dst = append(dst, byte('a'+d.Below(26)))
		case unicode.IsDigit(r):
			dst = append(dst, byte('0'+d.Below(10)))
		default:
			dst = append(dst, value[i-n:i]...)
		}
	}
	return dst
}

// shapeTransformer is hash, and identity_paper with the values of the source in view.
type shapeTransformer struct {
	standing
	*shaper
	taken   func([]byte) bool // nil: not looked up, since the same value must become the same in unique columns and in those that refer to them
	integer bool
	most    uint64
}

// Append implements Transformer.
func (t *shapeTransformer) Append(dst, value []byte, _ Row) ([]byte, error) {
	if t.integer {
		return t.appendInteger(dst, value)
	}
	start := len(dst)
	if t.taken == nil {
		return t.append(dst, value, 0), nil
	}
	for again := range tries {
		dst = t.append(dst[:start], value, again)
		if len(value) == 0 || !t.taken(dst[start:]) {
			return dst, nil
		}
	}
	return dst, errExhausted
}

// appendInteger permutes the numbers of as many digits, so that none begins with a 0 and each fits where the old one did.
func (t *shapeTransformer) appendInteger(dst, value []byte) ([]byte, error) {
	n, negative, ok := parseInteger(value)
	if !ok {
		return dst, errNotWhole
	}
	if n < 10 {
		return append(dst, value...), nil
	}
	least := uint64(10)
	for n/10 >= least {
		least *= 10
	}
	size := min(least*9, t.most-least+1)
	p := t.of[size]
	if p == nil {
		p = t.key.permutation("integers of "+t.domain, size)
		t.of[size] = p
	}
	return appendInteger(dst, least+p.moved(n-least), negative), nil
}

func makeShape(domain string, kinds ...personal.Kind) func(*maker) (Transformer, error) {
	return func(m *maker) (Transformer, error) {
		of := m.text("of", "")
		t := &shapeTransformer{shaper: newShaper(m.env.Key, domain+" "+of), integer: m.family == Integer, most: mostOf(m.column.Type)}
		if len(kinds) > 0 {
			t.taken = m.taken(kinds...)
		}
		return t, nil
	}
}
