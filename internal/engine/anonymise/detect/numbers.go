package detect

import "strings"

// ibanLength is the length of an IBAN by country (ISO 13616 registry).
func ibanLength(country string) int {
	i := strings.Index(ibanLengths, country)
	if i < 0 || i%5 != 0 {
		return 0
	}
	return int(ibanLengths[i+2]-'0')*10 + int(ibanLengths[i+3]-'0')
}

const ibanLengths = "AD24,AE23,AL28,AT20,AZ28,BA20,BE16,BG22,BH22,BR29,BY28,CH21,CR22,CY28,CZ24,DE22,DK18,DO28,EE20,EG29,ES24,FI18,FO18,FR27,GB22,GE22,GI23,GL18," +
	"GR27,GT28,HR21,HU28,IE22,IL23,IQ23,IS26,IT27,JO30,KW30,KZ20,LB28,LC32,LI21,LT20,LU20,LV21,LY25,MC27,MD24,ME22,MK19,MR27,MT31,MU30,NL18,NO15,PK24," +
	"PL28,PS29,PT25,QA29,RO24,RS22,SA24,SC31,SD18,SE24,SI19,SK24,SM27,ST25,SV28,TL23,TN24,TR26,UA29,VA22,VG24,XK20,"

// isIBAN tells whether compact (letters and digits only, capitals) is an IBAN: known country, its length, check digits by ISO 7064 mod 97-10.
func isIBAN(compact []byte) bool {
	if len(compact) < 15 || len(compact) > 34 || ibanLength(string(compact[:2])) != len(compact) || !isDigit(compact[2]) || !isDigit(compact[3]) {
		return false
	}
	rest := 0
	for i := range compact {
		c := compact[(i+4)%len(compact)]
		switch {
		case isDigit(c):
			rest = (rest*10 + int(c-'0')) % 97
		case 'A' <= c && c <= 'Z':
			rest = (rest*100 + int(c-'A') + 10) % 97
		default:
			return false
		}
	}
	return rest == 1
}

// isCard tells whether digits are the number of a payment card: a prefix and length of a known network, and Luhn's check digit (ISO/IEC 7812-1).
func isCard(d []byte) bool {
	n := len(d)
	if n < 13 || n > 19 {
		return false
	}
	two, three, four := number(d[:2]), number(d[:3]), number(d[:4])
	switch {
	case d[0] == '4' && (n == 13 || n == 16 || n == 19): // Visa
	case (51 <= two && two <= 55 || 2221 <= four && four <= 2720) && n == 16: // Mastercard
	case (two == 34 || two == 37) && n == 15: // American Express
	case (300 <= three && three <= 305 || two == 36 || two == 38) && n == 14: // Diners Club
	case (four == 6011 || two == 65 || 644 <= three && three <= 649) && n >= 16: // Discover
	case 3528 <= four && four <= 3589 && n >= 16: // JCB
	case two == 62 && n >= 16: // UnionPay
	case (two == 50 || 56 <= two && two <= 58 || two == 63 || two == 67) && n >= 13: // Maestro, Bancontact (67.03)
	default:
		return false
	}
	return luhn(d)
}

// luhn tells whether the last digit checks the others.
func luhn(d []byte) bool {
	sum, same := 0, true
	for i, c := range d {
		v := int(c - '0')
		if (len(d)-i)%2 == 0 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
		same = same && c == d[0]
	}
	return sum%10 == 0 && !same
}

// isBelgian tells whether digits are a Belgian national register or bis number: birth date, serial and 97 minus the rest of the division by 97, with a 2
// before it for who was born from 2000 (royal decree of 3 April 1984). Months of bis numbers are raised by 20 or 40; a month of 00 is a birth date that
// is not known.
func isBelgian(d []byte) bool {
	if len(d) != 11 {
		return false
	}
	month, day, serial := number(d[2:4])%20, number(d[4:6]), number(d[6:9])
	if number(d[2:4]) >= 60 || month > 12 || day > 31 || serial == 0 || serial == 999 {
		return false
	}
	base, check := number(d[:9]), number(d[9:])
	return 97-base%97 == check || 97-(2_000_000_000+base)%97 == check
}

// isFrench tells whether a compact value is a French NIR with its key: sex, year, month, department (2A and 2B are Corsica), commune, order, and 97 minus
// the rest of the division by 97 (INSEE).
func isFrench(d []byte) bool {
	if len(d) != 15 {
		return false
	}
	switch d[0] {
	case '1', '2', '3', '4', '7', '8':
	default:
		return false
	}
	var plain [15]byte
	copy(plain[:], d)
	if d[5] == '2' && (d[6] == 'A' || d[6] == 'B' || d[6] == 'a' || d[6] == 'b') {
		plain[5], plain[6] = '1', '9'
		if d[6] == 'B' || d[6] == 'b' {
			plain[6] = '8'
		}
	}
	for _, c := range plain {
		if !isDigit(c) {
			return false
		}
	}
	month := number(plain[3:5])
	if month == 0 || month > 12 && month < 20 || month > 42 && month < 50 {
		return false
	}
	return 97-number(plain[:13])%97 == number(plain[13:])
}

// isSwiss tells whether 13 digits are an AHV/AVS number: 756 and the check digit of an EAN-13.
func isSwiss(d []byte) bool {
	if len(d) != 13 || string(d[:3]) != "756" {
		return false
	}
	sum := 0
	for i, c := range d {
		sum += int(c-'0') * (1 + 2*(i%2))
	}
	return sum%10 == 0
}

// isSocialSecurity tells whether groups of 3, 2 and 4 digits may be a number of the United States: areas 000, 666 and 900 up were never issued.
func isSocialSecurity(d []byte) bool {
	area := number(d[:3])
	return len(d) == 9 && area != 0 && area != 666 && area < 900 && number(d[3:5]) != 0 && number(d[5:]) != 0
}

func number(d []byte) int {
	n := 0
	for _, c := range d {
		n = n*10 + int(c-'0')
	}
	return n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80 }

func isWord(c byte) bool { return isLetter(c) || isDigit(c) || c == '_' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

// isPhone tells whether digits are a telephone number: international, or in the national form of Belgium, France, the Netherlands, Germany, Luxembourg,
// Switzerland, the United Kingdom or North America. groups are the lengths of the digits between separators; lead is what stood before the first digit
// ("+", "(" or nothing).
func isPhone(d []byte, groups []int, lead byte) bool {
	n := len(d)
	switch {
	case lead == '+':
		return n >= 8 && n <= 15 && d[0] != '0'
	case n >= 2 && d[0] == '0' && d[1] == '0': // 0032 475…
		return n >= 11 && n <= 15 && d[2] != '0'
	case d[0] == '0':
		return n >= 9 && n <= 12 && d[1] != '0' && len(groups) <= 6 && (len(groups) == 1 || groups[0] >= 2)
	case n == 10 && len(groups) == 3 && groups[0] == 3 && groups[1] == 3: // North America
		return d[0] >= '2' && (lead == '(' || d[3] >= '2')
	case n == 11 && d[0] == '1' && len(groups) == 4 && groups[1] == 3 && groups[2] == 3:
		return d[1] >= '2'
	case n == 9 && len(groups) >= 2 && (string(d[:3]) == "621" || string(d[:3]) == "661" || string(d[:3]) == "691" || string(d[:3]) == "671"): // Luxembourg, mobile
		return groups[0] == 3
	}
	return false
}
