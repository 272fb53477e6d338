package transform

import "github.com/garant-project/garant/internal/engine/anonymise/personal"

// Spans of the numbers of persons, in and out, for unique columns: what is written without a checksum is numbered, permuted, and written again where no number
// is ever given out.
const (
	belgianIn  = 2 * 100 * 39 * 32 * 1000 // century, year, month as it is used, day, counter
	belgianOut = 100 * 40 * 100 * 1000    // year, month 53 to 92, day, counter
	frenchIn   = 100 * 12 * 102 * 1000000 // year, month, department, commune and act
	frenchOut  = 100 * 14 * 100 * 1000000 // year, month 13 to 19 or 43 to 49, the same
)

// nationals replaces numbers of persons; which country's, each number tells by its form.
type nationals struct {
	wide            bool
	belgian, french *permutation
	dutch           *permutation
	home            string
}

func makeNational(m *maker) (Transformer, error) {
	k := m.env.Key
	n := &nationals{
		wide: m.wide(), home: m.country(), belgian: k.permutation("Belgian number", belgianOut), french: k.permutation("French number", frenchOut), dutch: k.permutation("Dutch number", 1e8),
	}
	t := &codeTransformer{mac: k.mac("national number"), taken: m.leaks(personal.NationalNumber), number: m.family == Integer, build: n.build}
	if n.home == "BE" {
		t.pad = 11
	}
	return t, nil
}

func (n *nationals) build(new, old []byte, d *draw, again int) []byte {
	switch {
	case len(old) == 11 && allDigits(old) && (n.home == "BE" || belgianCentury(old) >= 0):
		return n.appendBelgian(new, old, d, again)
	case (len(old) == 13 || len(old) == 15) && french(old):
		return n.appendFrench(new, old, d, again)
	case len(old) == 9 && n.home == "NL" && allDigits(old):
		return n.appendDutch(new, old, d)
	}
	return appendShape(new, old, d)
}

// belgianCentury tells in which century the holder was born: 0 for the twentieth, 1 for the twenty-first; -1 when the checksum is wrong. The check digits are
// 97 less the remainder of the nine digits before, with a 2 ahead of them since 2000 (royal decree of 3 April 1984, art. 3, and programme of 2000).
func belgianCentury(digits []byte) int {
	nine, check := number(digits[:9]), number(digits[9:11])
	switch check {
	case 97 - nine%97:
		return 0
	case 97 - (2e9+nine)%97:
		return 1
	}
	return -1
}

func (n *nationals) appendBelgian(new, old []byte, d *draw, again int) []byte {
	century := belgianCentury(old)
	if n.wide && century >= 0 && again == 0 {
		year, month, day, counter := number(old[:2]), number(old[2:4]), number(old[4:6]), number(old[6:9])
		if month <= 52 && month%20 <= 12 && day <= 31 {
			v := n.belgian.of((((uint64(century)*100+year)*39+month/20*13+month%20)*32+day)*1000 + counter)
			new = appendPadded(new, v/4_000_000, 2)
			new = appendPadded(new, 53+v/100_000%40, 2)
			new = appendPadded(new, v%100_000, 5)
			return appendPadded(new, 97-number(new)%97, 2)
		}
	}
	if n.wide {
		new = appendPadded(new, uint64(d.Below(100)), 2)
		new = appendPadded(new, uint64(93+d.Below(7)), 2)
		new = d.digits(new, 5)
		return appendPadded(new, 97-number(new)%97, 2)
	}
	// Somebody who will be born after 2050: formally valid, given to nobody. The parity of the counter, which tells the sex, stays.
	new = appendPadded(new, uint64(50+d.Below(50)), 2)
	new = appendPadded(new, uint64(1+d.Below(12)), 2)
	new = appendPadded(new, uint64(1+d.Below(28)), 2)
	new = appendPadded(new, uint64(2+2*d.Below(498))-uint64(old[8]-'0')%2, 3)
	return appendPadded(new, 97-(2e9+number(new))%97, 2)
}

// french reports whether signs are a NIR, with or without its key: digits, but for the departments 2A and 2B.
func french(s []byte) bool {
	return allDigits(s[:5]) && (allDigits(s[5:7]) || s[5] == '2' && (s[6] == 'A' || s[6] == 'B')) && allDigits(s[7:])
}

func (n *nationals) appendFrench(new, old []byte, d *draw, again int) []byte {
	new = append(new, old[0]) // the sex stays
	year, month := number(old[1:3]), number(old[3:5])
	switch {
	case n.wide && month >= 1 && month <= 12 && again == 0:
		department := uint64(100) // 2A
		switch {
		case old[6] == 'B':
			department = 101
		case old[6] != 'A':
			department = number(old[5:7])
		}
		v := n.french.of((year*12+month-1)*102_000_000 + department*1_000_000 + number(old[7:13]))
		new = appendPadded(new, v/1_400_000_000, 2)
		month = 13 + v/100_000_000%14
		if month > 19 {
			month += 23
		}
		new = appendPadded(new, month, 2)
		new = appendPadded(new, v%100_000_000, 8)
	default: // department 00, which there is not
		new = appendPadded(new, uint64(d.Below(100)), 2)
		new = appendPadded(new, uint64(1+d.Below(12)), 2)
		new = append(new, '0', '0')
		new = d.digits(new, 6)
	}
	if len(old) == 15 {
		new = appendPadded(new, 97-number(new)%97, 2)
	}
	return new
}

// appendDutch writes a test number (9999…) that passes the eleven test or, in the large range, any number that fails it, which none given out does.
func (n *nationals) appendDutch(new, old []byte, d *draw) []byte {
	if n.wide {
		new = appendPadded(new, n.dutch.of(number(old[:8])), 8)
		return append(new, byte('0'+(elevens(new)+1)%10))
	}
	for {
		new = d.digits(append(new[:0], "9999"...), 4)
		if last := elevens(new); last < 10 {
			return append(new, byte('0'+last))
		}
	}
}

// elevens is the last digit with which eight others pass the eleven test; 10 when there is none.
func elevens(digits []byte) int {
	sum := 0
	for i, c := range digits {
		sum += (9 - i) * int(c-'0')
	}
	return sum % 11
}
