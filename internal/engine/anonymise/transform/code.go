package transform

import (
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// signs gathers the letters and digits of a value, letters as capitals, and tells how many there are.
func signs(dst, value []byte) []byte {
	for _, c := range value {
		switch {
		case '0' <= c && c <= '9', 'A' <= c && c <= 'Z':
			dst = append(dst, c)
		case 'a' <= c && c <= 'z':
			dst = append(dst, c-'a'+'A')
		}
	}
	return dst
}

// refill writes new signs where value has its own; what stands between them stays. Letters follow the case of value's first letter when there are as many.
func refill(dst, value, old, new []byte) []byte {
	var small bool
	for _, c := range value {
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' {
			small = c >= 'a' && len(old) == len(new)
			break
		}
	}
	at := 0
	for _, c := range value {
		if r, _ := radix(c); r == 0 {
			if c == ' ' || c == '-' || c == '.' || c == '/' {
				dst = append(dst, c)
			}
			continue
		}
		if at < len(new) {
			c = new[at]
			if small && c >= 'A' {
				c |= 0x20
			}
			dst = append(dst, c)
			at++
		}
	}
	return append(dst, new[min(at, len(new)):]...)
}

// mod97 is the remainder of the number that signs stand for, with A as 10 and Z as 35 (ISO/IEC 7064, as ISO 13616 uses it).
func mod97(rem int, signs []byte) int {
	for _, c := range signs {
		if c >= 'A' {
			rem = (rem*100 + int(c-'A') + 10) % 97
		} else {
			rem = (rem*10 + int(c-'0')) % 97
		}
	}
	return rem
}

func number(digits []byte) uint64 {
	var n uint64
	for _, c := range digits {
		n = n*10 + uint64(c-'0')
	}
	return n
}

func allDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}

// codeTransformer replaces numbers that carry a checksum. make1 writes the new signs for the old ones; old is never empty.
type codeTransformer struct {
	standing
	mac      *mac
	build    func(new, old []byte, d *draw, again int) []byte
	taken    func([]byte) bool
	number   bool
	pad      int // digits that an integer column has lost at its beginning are given back
	old, new []byte
}

// Append implements Transformer.
func (t *codeTransformer) Append(dst, value []byte, _ Row) ([]byte, error) {
	if len(value) == 0 {
		return dst, nil
	}
	t.old = t.old[:0]
	if t.number {
		for n := len(value); n < t.pad; n++ {
			t.old = append(t.old, '0')
		}
	}
	t.old = signs(t.old, value)
	if len(t.old) > 64 || len(t.old) == 0 { // no number of any kind
		d := t.mac.draw(value, 0)
		t.old = d.digits(t.old[:0], 16)
	}
	start := len(dst)
	for again := range tries {
		t.new = t.build(t.new[:0], t.old, t.mac.draw(t.old, again), again)
		if dst = refill(dst[:start], value, t.old, t.new); t.number {
			dst = append(dst[:start], t.new...)
		}
		if !t.taken(dst[start:]) && string(t.new) != string(t.old) {
			return dst, nil
		}
	}
	return dst, errExhausted
}

// iban replaces the account and keeps country and length. The new one is of no bank: see bankless.
func makeIBAN(m *maker) (Transformer, error) {
	home := m.country()
	belgian := m.env.Key.permutation("Belgian account", 1e10)
	t := &codeTransformer{mac: m.env.Key.mac("iban"), taken: m.leaks(personal.IBAN)}
	t.build = func(new, old []byte, d *draw, again int) []byte {
		if len(old) < 14 || len(old) > 34 || allDigits(old[:1]) || allDigits(old[1:2]) {
			old = append(append(append([]byte(nil), home...), "00"...), d.digits(nil, bbanLength(home))...) // no IBAN: one of the home country
		}
		new = append(append(new, old[:2]...), "00"...)
		new = bankless(new, old[4:], d, belgian, again)
		check := 98 - mod97(mod97(0, new[4:]), new[:4])
		new[2], new[3] = byte('0'+check/10), byte('0'+check%10)
		return new
	}
	return t, nil
}

// bbanLength is the length of an account number without country and check digits, where numbers are written in place of IBANs.
func bbanLength(country string) int {
	switch country {
	case "BE":
		return 12
	case "NL":
		return 14
	case "FR":
		return 23
	case "GB":
		return 18
	}
	return 18
}

// bankless writes an account that no bank can have given out.
//
//	BE  national check digits 98, which the division by 97 never gives; the ten digits before are permuted
//	FR  bank 99999, with its own key (clé RIB)
//	DE  bank code beginning with 9: clearing areas are 1 to 8
//	NL  bank code beginning with X or Q: no bank has one
//	GB  bank code beginning with X, sort code beginning with 00
//	    elsewhere the first four signs are 9, or X where a letter stands
func bankless(new, old []byte, d *draw, belgian *permutation, again int) []byte {
	start := len(new)
	if country := string(new[start-4 : start-2]); country == "BE" && len(old) == 12 && allDigits(old) && again == 0 {
		return append(appendPadded(new, belgian.moved(number(old[:10])), 10), "98"...)
	}
	new = appendShape(new, old, d)
	bban := new[start:]
	switch country := string(new[start-4 : start-2]); {
	case country == "BE" && len(bban) == 12:
		copy(bban[10:], "98")
	case (country == "FR" || country == "MC") && len(bban) == 23:
		copy(bban, "99999")
		for i := 5; i < 21; i++ { // digits only: the key of letters has rules of its own
			bban[i] = byte('0' + d.Below(10))
		}
		key := 97 - int((89*(number(bban[:5])%97)+15*(number(bban[5:10])%97)+3*(number(bban[10:21])%97))%97) //nolint:gosec // below 97
		bban[21], bban[22] = byte('0'+key/10), byte('0'+key%10)
	case country == "DE":
		bban[0] = '9'
	case country == "NL" && bban[0] >= 'A':
		bban[0] = "XQ"[d.Below(2)]
	case country == "GB" && bban[0] >= 'A' && len(bban) > 6:
		bban[0] = 'X'
		copy(bban[4:], "00")
	default:
		for i := range min(4, len(bban)) {
			if bban[i] >= 'A' {
				bban[i] = 'X'
			} else {
				bban[i] = '9'
			}
		}
	}
	return new
}

// card replaces the number of a payment card by one that begins as test numbers do, or, in the large range, with the 9 of national schemes (ISO/IEC 7812-1).
func makeCard(m *maker) (Transformer, error) {
	wide := m.wide()
	t := &codeTransformer{mac: m.env.Key.mac("card"), taken: m.leaks(personal.Card), number: m.family == Integer}
	t.build = func(new, old []byte, d *draw, _ int) []byte {
		n := len(old)
		if n < 12 || n > 19 || !allDigits(old) {
			n = 16
		}
		switch {
		case wide:
			new = append(new, '9')
		case old[0] == '4':
			new = append(new, "400000"...)
		case old[0] == '2':
			new = append(new, "222300"...)
		case old[0] == '5':
			new = append(new, "555555"...)
		case old[0] == '6':
			new = append(new, "601111"...)
		case old[0] == '3' && n == 15:
			new = append(new, "378282"...)
		case old[0] == '3':
			new = append(new, "353011"...)
		default:
			new = append(new, "999999"...)
		}
		new = d.digits(new, n-1-len(new))
		return append(new, luhn(new))
	}
	return t, nil
}

// luhn is the check digit of ISO/IEC 7812-1.
func luhn(digits []byte) byte {
	sum := 0
	for i := len(digits) - 1; i >= 0; i-- {
		v := int(digits[i] - '0')
		if (len(digits)-1-i)%2 == 0 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return byte('0' + (10-sum%10)%10)
}
