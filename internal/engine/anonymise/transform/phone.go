package transform

import (
	"fmt"
	"strings"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// numbering is how a country writes its numbers and which of them belong to nobody. A block is the beginning of a national number, with an x for each digit
// that is drawn.
type numbering struct {
	country, code string
	trunk         bool   // national notation has a 0 before the number
	mobile        string // first digits of mobile numbers
	least         int    // digits of a national number
	fixed, moving []string
}

// Sources: docs/anonymise-transformers.md, "Telephone numbers". Checked in November 2026.
var numberings = []numbering{
	{"FR", "33", true, "67", 9, []string{"19900xxxx", "26191xxxx", "35301xxxx", "46571xxxx", "53649xxxx"}, []string{"63998xxxx"}},
	{"BE", "32", true, "4", 8, []string{"17xxxxxx", "18xxxxxx", "62xxxxxx", "66xxxxxx"}, []string{"452xxxxxx", "453xxxxxx", "454xxxxxx"}},
	{"NL", "31", true, "6", 9, []string{"12xxxxxxx"}, []string{"60xxxxxxx"}},
	{"DE", "49", true, "1", 6, []string{"3023125xxx", "6990009xxx", "4066969xxx", "2214710xxx", "8999998xxx"}, []string{"17139200xx", "176040690xx"}},
	{"GB", "44", true, "7", 9, []string{"2079460xxx", "1632960xxx", "1134960xxx", "1144960xxx", "1154960xxx", "1164960xxx", "1174960xxx", "1184960xxx", "1214960xxx", "1314960xxx", "1414960xxx", "1514960xxx", "1614960xxx", "1914980xxx", "2896496xxx", "2920180xxx"}, []string{"7700900xxx"}},
	{"US", "1", false, "", 10, []string{
		"20255501xx", "21255501xx", "21355501xx", "21455501xx", "21555501xx", "30355501xx", "30555501xx", "31255501xx", "40455501xx", "41255501xx", "41555501xx", "50355501xx", "50455501xx", "50555501xx",
		"51255501xx", "60255501xx", "60355501xx", "61255501xx", "61555501xx", "61755501xx", "70255501xx", "70355501xx", "71355501xx", "80255501xx", "80855501xx", "90155501xx", "90255501xx", "90755501xx",
	}, nil},
	{"IE", "353", true, "8", 7, []string{"2091xxxxx"}, nil},
}

// twoDigitCodes begin the country codes that have three digits no more (ITU-T E.164, list of assigned codes).
const twoDigitCodes = "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98 "

// reservedCode is kept free by the ITU for a service to come (Operational Bulletin, list of E.164 country codes): a number under it reaches nobody. What
// follows has at most 12 digits.
const (
	reservedCode   = "999"
	reservedDigits = 12
	reservedSpan   = 1_000_000_000_000
)

type phoneTransformer struct {
	standing
	home     *numbering // of numbers without country code; nil: a country without blocks
	homeCode string
	mac      *mac
	wide     *permutation // nil: the small range
	taken    func([]byte) bool
	limit    int
	number   bool // the column is an integer
	key, new []byte
	prefix   int // digits of value before the national number
	national bool
}

func makePhone(m *maker) (Transformer, error) {
	t := &phoneTransformer{mac: m.env.Key.mac("phone"), taken: m.taken(personal.Phone), limit: m.limit(), number: m.family == Integer}
	country := m.country()
	for i := range numberings {
		if numberings[i].country == country {
			t.home, t.homeCode = &numberings[i], numberings[i].code
		}
	}
	if t.home == nil {
		t.homeCode = country // tells numbers of two countries apart, no more
	}
	if m.wide() {
		t.wide = m.env.Key.permutation("phone", reservedSpan)
	}
	least := 4
	if t.wide != nil {
		least = 2 + len(reservedCode) + reservedDigits
	}
	if m.limit() < least {
		return nil, fmt.Errorf("a length of %d has no room for a number; it takes %d", m.limit(), least)
	}
	if t.number && (m.column.Type == "smallint" || m.column.Type == "integer" || m.column.Type == "oid") {
		return nil, fmt.Errorf("type %s has no room for a number; it takes bigint or text", m.column.Type)
	}
	return t, nil
}

// read finds the digits of a number as E.164 has them, and where in value the national number begins.
func (t *phoneTransformer) read(value []byte) *numbering {
	t.key, t.prefix, t.national = t.key[:0], 0, false
	plus := false
	for _, c := range value {
		if '0' <= c && c <= '9' {
			t.key = append(t.key, c)
		} else if c == '+' && len(t.key) == 0 {
			plus = true
		} else if len(t.key) >= 6 && (c|0x20 == 'x' || c|0x20 == 'e') { // an extension
			break
		}
	}
	if !plus && len(t.key) > 6 && t.key[0] == '0' && t.key[1] == '0' {
		plus, t.prefix = true, 2
		t.key = append(t.key[:0], t.key[2:]...)
	}
	plan := t.home
	if !plus && plan != nil && len(t.key) > len(plan.code)+plan.least-1 && t.key[0] != '0' && strings.HasPrefix(string(t.key), plan.code) && (t.number || !plan.trunk || len(t.key) > plan.least+1) {
		plus = true // 32470123456, without a sign before it
	}
	if plus {
		plan = nil
		n := 3
		for i := range numberings {
			if strings.HasPrefix(string(t.key), numberings[i].code) {
				plan, n = &numberings[i], len(numberings[i].code)
				break
			}
		}
		if plan == nil && len(t.key) >= 2 && strings.Contains(twoDigitCodes, string(t.key[:2])+" ") {
			n = 2
		} else if plan == nil && len(t.key) > 0 && (t.key[0] == '1' || t.key[0] == '7') {
			n = 1
		}
		n = min(n, len(t.key))
		t.prefix += n
		if plan != nil && plan.trunk && len(t.key) > n && t.key[n] == '0' { // +32 (0)470
			t.prefix++
			t.key = append(t.key[:n], t.key[n+1:]...)
		}
		return plan
	}
	t.national = true
	if plan != nil && plan.trunk && len(t.key) > 0 && t.key[0] == '0' {
		t.prefix = 1
		t.key = append(t.key[:0], t.key[1:]...)
	} else if plan != nil && !plan.trunk && len(t.key) == plan.least+1 && t.key[0] == '1' {
		t.prefix = 1
		t.key = append(t.key[:0], t.key[1:]...)
	}
	n := len(t.key) // the key has the country code, as if it had been written
	t.key = append(t.key, t.homeCode...)
	rotate(t.key, n)
	return plan
}

// rotate brings what stands behind n to the front.
func rotate(b []byte, n int) {
	for range len(b) - n {
		last := b[len(b)-1]
		copy(b[1:], b)
		b[0] = last
	}
}

// Append implements Transformer.
func (t *phoneTransformer) Append(dst, value []byte, _ Row) ([]byte, error) {
	if len(value) == 0 {
		return dst, nil
	}
	plan := t.read(value)
	if len(t.key) > 64 { // no number; what it is instead must not decide how long this takes
		t.key = t.key[:64]
	}
	if len(t.key) == 0 || t.national && len(t.key) == len(t.homeCode) {
		t.key = append(t.key[:0], value...) // whatever is written in place of a number
		plan, t.prefix = t.home, -1
	}
	if t.wide != nil {
		return t.appendWide(dst, value), nil
	}
	start := len(dst)
	for again := range tries {
		d := t.mac.draw(t.key, again)
		t.draw(d, plan)
		dst = cut(t.fill(dst[:start], value, plan), start, t.limit)
		if string(dst[start:]) != string(value) && !t.taken(dst[start:]) {
			return dst, nil
		}
	}
	return dst, errExhausted
}

// draw makes the new national number; under the reserved code when the country has no block.
func (t *phoneTransformer) draw(d *draw, plan *numbering) {
	t.new = t.new[:0]
	if plan == nil {
		t.new = d.digits(append(t.new, reservedCode...), 8)
		return
	}
	blocks, first := plan.fixed, byte(0)
	if t.prefix >= 0 && len(t.key) > len(plan.code) {
		first = t.key[len(plan.code)]
	}
	switch {
	case plan.moving != nil && first != 0 && strings.IndexByte(plan.mobile, first) >= 0 && (plan.country != "BE" || len(t.key) == 11):
		blocks = plan.moving
	case plan.country == "FR" && '1' <= first && first <= '5': // the region stays
		blocks = plan.fixed[first-'1' : first-'0']
	}
	for _, c := range []byte(blocks[d.Below(len(blocks))]) {
		if c == 'x' {
			c = byte('0' + d.Below(10))
		}
		t.new = append(t.new, c)
	}
}

// fill writes the new number in the notation of the old one.
func (t *phoneTransformer) fill(dst, value []byte, plan *numbering) []byte {
	if t.prefix < 0 || plan == nil {
		switch {
		case plan == nil && t.number:
		case plan == nil && value[0] == '+':
			dst = append(dst, '+')
		case plan == nil:
			dst = append(dst, "00"...)
		case plan.trunk && !t.number:
			dst = append(dst, '0')
		}
		return append(dst, t.new...)
	}
	seen, at := 0, 0
	total := 0
	for _, c := range value {
		if '0' <= c && c <= '9' {
			total++
		}
	}
	start := len(dst)
	for _, c := range value {
		switch {
		case c < '0' || c > '9':
			if c == '+' || c == ' ' || c == '.' || c == '-' || c == '/' || c == '(' || c == ')' {
				dst = append(dst, c)
			}
			continue
		case seen < t.prefix:
			dst = append(dst, c)
		case at < len(t.new):
			dst = append(dst, t.new[at])
			at++
		}
		seen++
		if seen == total {
			dst = append(dst, t.new[at:]...)
			break
		}
	}
	for len(dst) > start && strings.IndexByte(" .-/(", dst[len(dst)-1]) >= 0 {
		dst = dst[:len(dst)-1]
	}
	return dst
}

// appendWide writes a number under the reserved code. Numbers of up to 12 digits, country code included, are permuted.
func (t *phoneTransformer) appendWide(dst, value []byte) []byte {
	var n uint64
	fits := t.prefix >= 0 && len(t.key) <= reservedDigits && t.key[0] != '0'
	for _, c := range t.key {
		if !fits || c < '0' || c > '9' {
			fits = false
			break
		}
		n = n*10 + uint64(c-'0')
	}
	if !fits {
		n = t.mac.draw(t.key, 0).uint64() % reservedSpan
	}
	n = t.wide.of(n)
	switch {
	case t.number:
	case value[0] == '+':
		dst = append(dst, '+')
	default:
		dst = append(dst, "00"...)
	}
	dst = append(dst, reservedCode...)
	return appendPadded(dst, n, reservedDigits)
}

// appendPadded writes a number with as many digits as are asked for.
func appendPadded(dst []byte, n uint64, digits int) []byte {
	start := len(dst)
	for range digits {
		dst = append(dst, '0')
	}
	for i := len(dst) - 1; i >= start; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return dst
}
