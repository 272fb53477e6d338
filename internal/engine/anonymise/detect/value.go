package detect

import (
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// Found is a piece of a value that is personal data.
type Found struct {
	Kind       personal.Kind
	Start, End int  // in bytes
	Sure       bool // proven by check digits or by a form that nothing else has; else a name from a list, or a form that other things may have
}

// DetectValue finds personal data in a value: the whole of a short one, or pieces of a sentence. What it gives stands in the order of the text and does
// not overlap. It takes time in proportion to the length, whatever the bytes are; they need not be valid UTF-8.
//
// It does not say that a value is free text, a birth date (unless words say so) or a special category: those are known from columns, not from values.
func DetectValue(s string) []Found { return AppendFound(nil, s) }

// AppendFound is DetectValue into a slice that the caller keeps; it does not allocate when the slice is large enough.
func AppendFound(dst []Found, s string) []Found {
	f := finder{s: s, found: dst, from: len(dst)}
	f.chunks()
	f.settle()
	f.numbers()
	f.settle()
	f.words()
	f.settle()
	return f.found
}

type finder struct {
	s     string
	found []Found
	from  int // what the caller had before
	at    int // where the pass is among what earlier passes found

	digital bool // there may be digits
}

func (f *finder) add(k personal.Kind, start, end int, sure bool) {
	f.found = append(f.found, Found{Kind: k, Start: start, End: end, Sure: sure})
}

// settle sorts what was found and keeps, of what overlaps, the sure one, then the longer one.
func (f *finder) settle() {
	own := f.found[f.from:]
	f.at = f.from
	if len(own) < 2 {
		return
	}
	slices.SortStableFunc(own, func(a, b Found) int { return a.Start - b.Start })
	kept := own[:1]
	for _, next := range own[1:] {
		last := &kept[len(kept)-1]
		switch {
		case next.Start >= last.End:
			kept = append(kept, next)
		case next.Sure && !last.Sure, next.Sure == last.Sure && next.End-next.Start > last.End-last.Start:
			*last = next
		}
	}
	f.found = f.found[:f.from+len(kept)]
}

// taken tells where the thing that an earlier pass found at i ends, or 0. Passes ask with growing i.
func (f *finder) taken(i, known int) int {
	for f.at < known && f.found[f.at].End <= i {
		f.at++
	}
	if f.at < known && f.found[f.at].Start <= i {
		return f.found[f.at].End
	}
	return 0
}

// free tells whether nothing that an earlier pass found lies between start and end, where start is not before the last i asked.
func (f *finder) free(start, end, known int) bool {
	for k := f.at; k < known && f.found[k].Start < end; k++ {
		if f.found[k].End > start {
			return false
		}
	}
	return true
}

// numbers finds what is written in digits: telephone numbers, IBANs, cards, national numbers, coordinates, dates after a word for birth.
func (f *finder) numbers() {
	if !f.digital {
		return
	}
	s, known := f.s, len(f.found)
	for i := 0; i < len(s); {
		if end := f.taken(i, known); end > 0 {
			i = end
			continue
		}
		c := s[i]
		switch {
		case 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z':
			if i+3 < len(s) && isDigit(s[i+2]) {
				if end := f.iban(i); end > 0 {
					f.add(personal.IBAN, i, end, true)
					i = end
					continue
				}
			}
			for i < len(s) && isWord(s[i]) {
				i++
			}
		case isDigit(c) || c == '+' || c == '(' || c == '-':
			i = f.digits(i)
		default:
			i++
		}
	}
}

// iban reads an IBAN, with or without blanks, that begins at i, and returns its end or 0.
func (f *finder) iban(i int) int {
	s := f.s
	if len(s)-i < 15 || !isLetter(s[i+1]) || s[i+1] >= 0x80 || !isDigit(s[i+2]) || !isDigit(s[i+3]) {
		return 0
	}
	var compact [34]byte
	compact[0], compact[1] = upper(s[i]), upper(s[i+1])
	want := ibanLength(string(compact[:2]))
	if want == 0 {
		return 0
	}
	n, j := 2, i+2
	for ; j < len(s) && n < want; j++ {
		switch c := s[j]; {
		case isDigit(c) || 'A' <= upper(c) && upper(c) <= 'Z':
			compact[n] = upper(c)
			n++
		case (c == ' ' || c == '-' || c == '.') && isWord(s[j-1]):
		default:
			return 0
		}
	}
	if n < want || j < len(s) && isWord(s[j]) || !isIBAN(compact[:n]) {
		return 0
	}
	return j
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}

const (
	longestRun = 40 // bytes of a number with its separators
	mostGroups = 10
)

// digits looks at the run of digits and separators that begins at i, and returns where to go on.
func (f *finder) digits(i int) int {
	s := f.s
	if !isDigit(s[i]) { // a sign: it counts only before a digit
		if i+1 >= len(s) || !isDigit(s[i+1]) || i > 0 && isWord(s[i-1]) {
			return i + 1
		}
	} else if i > 0 && (isWord(s[i-1]) || i > 1 && joins(s[i-1]) && isWord(s[i-2])) { // in the middle of a code
		return skipDigits(s, i)
	}
	if end := f.coordinates(i); end > 0 {
		f.add(personal.Coordinates, i, end, true)
		return end
	}
	var d [longestRun]byte
	var groups, ends [mostGroups]int // lengths; places in s after each group
	n, g, lead := 0, 0, byte(0)
	if !isDigit(s[i]) {
		lead = s[i]
	}
	j, gap := i, 0
	corsica := false
	for j < len(s) && j-i < longestRun {
		c := s[j]
		if isDigit(c) || (c == 'A' || c == 'B') && n >= 5 && n <= 6 && d[n-1] == '2' && !corsica && j+1 < len(s) && (isDigit(s[j+1]) || s[j+1] == ' ') {
			if gap > 0 || n == 0 {
				if g == mostGroups {
					break
				}
				g++
				groups[g-1] = 0
			}
			gap = 0
			corsica = corsica || !isDigit(c)
			d[n] = c
			n++
			groups[g-1]++
			j++
			ends[g-1] = j
			continue
		}
		if j == i && lead != 0 {
			j++
			continue
		}
		w := separator(s[j:])
		if w == 0 || gap == 2 || g == 0 {
			break
		}
		gap++
		j += w
	}
	if g == 0 {
		return i + 1
	}
	for last := g; last > 0; last-- { // the longest that means something
		end := ends[last-1]
		if end < len(s) && isWord(s[end]) {
			continue
		}
		total := sum(groups[:last])
		if total < 6 { // neither a day nor anything longer
			break
		}
		kind, sure := judge(d[:total], groups[:last], lead, s[i:end])
		if kind == personal.None {
			continue
		}
		if kind == personal.BirthDate && !f.born(i) {
			return end // some date
		}
		f.add(kind, i, end, sure)
		return end
	}
	return ends[0]
}

func sum(groups []int) int {
	n := 0
	for _, g := range groups {
		n += g
	}
	return n
}

// joins tells what binds the parts of a code together.
func joins(c byte) bool { return c == '-' || c == '.' || c == '/' || c == ':' || c == '#' }

// separator returns the width of what may stand between the digits of one number, or 0.
func separator(s string) int {
	switch s[0] {
	case ' ', '.', '-', '/', '(', ')':
		return 1
	}
	return wideBlank(s)
}

func skipDigits(s string, i int) int {
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return i
}

// judge tells what digits are. A date is told as a birth date, which the caller decides upon.
func judge(d []byte, groups []int, lead byte, text string) (kind personal.Kind, sure bool) {
	one := len(groups) == 1
	switch {
	case lead == '-':
		return personal.None, false
	case lead == 0 && isDate(d, groups, text):
		return personal.BirthDate, false
	case lead == 0 && isFrench(d):
		return personal.NationalNumber, true
	}
	for _, c := range d {
		if !isDigit(c) {
			return personal.None, false
		}
	}
	switch {
	case lead != 0:
	case isBelgian(d):
		return personal.NationalNumber, true
	case isSwiss(d):
		return personal.NationalNumber, true
	case len(groups) == 3 && groups[0] == 3 && groups[1] == 2 && groups[2] == 4 && strings.Count(text, "-") == 2 && isSocialSecurity(d):
		return personal.NationalNumber, true
	case isCard(d) && (one || len(groups) >= 3):
		return personal.Card, true
	}
	if isPhone(d, groups, lead) {
		return personal.Phone, lead == '+' || !one
	}
	return personal.None, false
}

// isDate tells whether groups of digits are a day: 1984-05-12, 12.5.1984, 12/05/84.
func isDate(d []byte, groups []int, text string) bool {
	if len(groups) != 3 || strings.ContainsAny(text, " ()") {
		return false
	}
	a, b, c := number(d[:groups[0]]), number(d[groups[0]:groups[0]+groups[1]]), number(d[groups[0]+groups[1]:])
	switch {
	case groups[0] == 4 && groups[1] <= 2 && groups[2] <= 2:
		return 1000 <= a && a <= 2999 && 1 <= b && b <= 12 && 1 <= c && c <= 31
	case groups[0] <= 2 && groups[1] <= 2 && (groups[2] == 4 || groups[2] == 2):
		return 1 <= a && a <= 31 && 1 <= b && b <= 31 && (a <= 12 || b <= 12) && (groups[2] == 2 || 1000 <= c && c <= 2999)
	}
	return false
}

// born tells whether a word for birth stands shortly before i.
func (f *finder) born(i int) bool {
	from := max(0, i-24)
	for from > 0 && isWord(f.s[from-1]) && i-from < 48 { // whole words
		from--
	}
	var buf [64]byte
	before := string(appendFolded(buf[:0], f.s[from:i]))
	for _, w := range []string{"ne le", "nee le", "ne(e) le", "naissance", "geboren", "geb.", "geburtsdatum", "geboortedatum", "born", "birth", "dob", "d.o.b", "o geb"} {
		if k := strings.LastIndex(before, w); k >= 0 && (k == 0 || !isLetter(before[k-1])) {
			return true
		}
	}
	return false
}

// coordinates reads a pair of decimal degrees with three decimals or more, and returns its end or 0.
func (f *finder) coordinates(i int) int {
	a, j := degrees(f.s, i)
	if j == 0 || a > 180 {
		return 0
	}
	k := j
	for k < len(f.s) && k-j < 3 && (f.s[k] == ',' || f.s[k] == ' ' || f.s[k] == ';') {
		k++
	}
	if k == j {
		return 0
	}
	b, end := degrees(f.s, k)
	if end == 0 || b > 180 || a > 90 && b > 90 {
		return 0
	}
	return end
}

// degrees reads a decimal number with three decimals or more, and returns its whole part without sign and its end, or 0.
func degrees(s string, i int) (whole, end int) {
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		i++
	}
	j := i
	for j < len(s) && j-i < 4 && isDigit(s[j]) {
		whole = whole*10 + int(s[j]-'0')
		j++
	}
	if j == i || j-i > 3 || j >= len(s) || s[j] != '.' {
		return 0, 0
	}
	k := skipDigits(s, j+1)
	if k-j <= 3 || k-j > 18 || k < len(s) && (isWord(s[k]) || s[k] == '.' && k+1 < len(s) && isDigit(s[k+1])) {
		return 0, 0
	}
	return whole, k
}
