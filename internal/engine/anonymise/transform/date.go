package transform

import (
	"bytes"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/garant-project/garant/internal/engine/anonymise/names"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

const (
	day         = int64(24 * time.Hour / time.Microsecond)
	dateOutside = "a date is written in no form that is understood; set DateStyle to ISO"
)

// dateShift moves all dates of a person by the same time: their order and the days between them stay. Dates without a person are each moved by their own.
type dateShift struct {
	standing
	mac    *mac
	most   int64 // days
	past   bool
	family Family
	key    []byte
}

// Append implements Transformer.
func (t *dateShift) Append(dst, value []byte, row Row) ([]byte, error) {
	if string(value) == "infinity" || string(value) == "-infinity" || len(value) == 0 {
		return append(dst, value...), nil
	}
	d, ok := parseDate(value, t.family == Text)
	if !ok {
		if t.family == Text {
			t.key = names.AppendFold(t.key[:0], value)
			return appendShape(dst, value, t.mac.draw(t.key, 0)), nil // whatever somebody wrote in place of a date
		}
		return dst, errors.New(dateOutside)
	}
	subject := row.Subject
	if subject == nil {
		subject = value
	}
	draw := t.mac.draw(subject, 0)
	days := int64(1 + draw.Below(int(t.most)))
	if t.past || draw.Below(2) == 0 {
		days = -days
	}
	within := int64(draw.Below(86_400))*1_000_000 + int64(draw.Below(1_000_000))
	d.move(days, within)
	return d.append(dst), nil
}

func makeDateShift(m *maker) (Transformer, error) {
	t := &dateShift{mac: m.env.Key.mac("date"), most: m.integer("max_days", 90, 1, 36_500), past: m.text("direction", "both", "both", "past") == "past", family: m.family}
	return t, nil
}

// date is a date or a time of day on one, as PostgreSQL or people write it.
type date struct {
	year, month, day int
	micros           int64 // of the day
	form             byte  // y: 2006-01-02; d: 02/01/2006
	separator        byte
	width            int    // digits of the year
	timed            bool   // with a time of day
	seconds          bool   // with seconds
	fraction         int    // digits
	between          byte   // blank or T
	rest             []byte // zone, BC
}

// parseDate reads a date of DateStyle ISO, and with people also 31/12/2006 and its like.
func parseDate(value []byte, people bool) (d date, ok bool) {
	i := 0
	digits := func(least, most int) (n, count int) {
		for i < len(value) && count < most && '0' <= value[i] && value[i] <= '9' {
			n = n*10 + int(value[i]-'0')
			i, count = i+1, count+1
		}
		if count < least {
			return 0, 0
		}
		return n, count
	}
	first, count := digits(1, 7)
	if count == 0 || i >= len(value) {
		return d, false
	}
	d.separator = value[i]
	switch {
	case count >= 4 && (d.separator == '-' || people && (d.separator == '/' || d.separator == '.')):
		d.form, d.year, d.width = 'y', first, count
	case people && count <= 2 && bytes.IndexByte([]byte("/.-"), d.separator) >= 0:
		d.form, d.day = 'd', first
	default:
		return d, false
	}
	i++
	if d.month, count = digits(1, 2); count == 0 || i >= len(value) || value[i] != d.separator {
		return d, false
	}
	i++
	if d.form == 'y' {
		d.day, count = digits(1, 2)
	} else if d.year, count = digits(4, 4); count > 0 {
		d.width = count
	}
	if count == 0 || d.month < 1 || d.month > 12 || d.day < 1 || d.day > 31 {
		return d, false
	}
	if i+5 < len(value) && (value[i] == ' ' || value[i] == 'T') && '0' <= value[i+1] && value[i+1] <= '9' {
		d.timed, d.between = true, value[i]
		i++
		h, n := digits(2, 2)
		if n == 0 || i >= len(value) || value[i] != ':' {
			return d, false
		}
		i++
		m, n := digits(2, 2)
		if n == 0 {
			return d, false
		}
		d.micros = int64(h)*3600e6 + int64(m)*60e6
		if i < len(value) && value[i] == ':' {
			i++
			s, n := digits(2, 2)
			if n == 0 {
				return d, false
			}
			d.seconds = true
			d.micros += int64(s) * 1e6
			if i < len(value) && value[i] == '.' {
				i++
				f, n := digits(1, 6)
				if n == 0 {
					return d, false
				}
				d.fraction = n
				for ; n < 6; n++ {
					f *= 10
				}
				d.micros += int64(f)
			}
		}
	}
	d.rest = value[i:]
	for _, c := range d.rest { // a zone, or BC
		if (c < '0' || c > '9') && bytes.IndexByte([]byte("+-: BCZ"), c) < 0 {
			return d, false
		}
	}
	if bytes.HasSuffix(d.rest, []byte("BC")) {
		d.year = 1 - d.year
	}
	return d, d.micros < day
}

// move adds days, and to a time of day a part of one; what was written without a fraction stays without.
func (d *date) move(days, within int64) {
	if d.timed {
		d.micros += within
		if d.micros >= day {
			d.micros -= day
			days++
		}
	}
	n := civil(d.year, d.month, d.day) + days
	d.year, d.month, d.day = fromCivil(n)
}

func (d *date) append(dst []byte) []byte {
	year := d.year
	if year <= 0 {
		year = 1 - year
	}
	if d.form == 'y' {
		dst = appendPadded(dst, uint64(year), max(d.width, 4))           //nolint:gosec // positive
		dst = appendPadded(append(dst, d.separator), uint64(d.month), 2) //nolint:gosec // positive
		dst = appendPadded(append(dst, d.separator), uint64(d.day), 2)   //nolint:gosec // positive
	} else {
		dst = appendPadded(dst, uint64(d.day), 2)                           //nolint:gosec // positive
		dst = appendPadded(append(dst, d.separator), uint64(d.month), 2)    //nolint:gosec // positive
		dst = appendPadded(append(dst, d.separator), uint64(year), d.width) //nolint:gosec // positive
	}
	if d.timed {
		s := uint64(d.micros / 1e6) //nolint:gosec // positive
		dst = appendPadded(append(dst, d.between), s/3600, 2)
		dst = appendPadded(append(dst, ':'), s/60%60, 2)
		if d.seconds {
			dst = appendPadded(append(dst, ':'), s%60, 2)
		}
		if d.fraction > 0 {
			f := uint64(d.micros % 1e6) //nolint:gosec // positive
			for n := d.fraction; n < 6; n++ {
				f /= 10
			}
			dst = appendPadded(append(dst, '.'), f, d.fraction)
		}
	}
	return append(dst, d.rest...)
}

// civil counts days of the Gregorian calendar, years before 1 as 0 and less. fromCivil counts back (Hinnant, chrono-Compatible Low-Level Date Algorithms).
func civil(y, m, d int) int64 {
	if m <= 2 {
		y--
	}
	era := floorDiv(int64(y), 400)
	yoe := int64(y) - era*400
	doy := (153*((int64(m)+9)%12)+2)/5 + int64(d) - 1
	return era*146_097 + yoe*365 + yoe/4 - yoe/100 + doy
}

func fromCivil(n int64) (y, m, d int) {
	era := floorDiv(n, 146_097)
	doe := n - era*146_097
	yoe := (doe - doe/1460 + doe/36_524 - doe/146_096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d = int(doy - (153*mp+2)/5 + 1)
	m = int((mp+2)%12 + 1)
	y = int(yoe + era*400)
	if m <= 2 {
		y++
	}
	return y, m, d
}

func floorDiv(a, b int64) int64 {
	if a < 0 {
		return (a - b + 1) / b
	}
	return a / b
}

// generalise makes values coarser, so that many share one.
type generalise struct {
	standing
	family Family
	to     string
	band   int64
	first  int
	digits int
	text   string
}

// Append implements Transformer.
func (t *generalise) Append(dst, value []byte, _ Row) ([]byte, error) {
	switch {
	case t.text != "":
		return append(dst, t.text...), nil
	case t.band > 0:
		return t.appendBand(dst, value)
	case t.first > 0:
		return appendFirst(dst, value, t.first), nil
	case t.digits > 0:
		return t.appendDigits(dst, value)
	}
	if string(value) == "infinity" || string(value) == "-infinity" || len(value) == 0 {
		return append(dst, value...), nil
	}
	d, ok := parseDate(value, t.family == Text)
	switch {
	case !ok && t.family == Text:
		return appendFirst(dst, value, 0), nil // whatever somebody wrote in place of a date
	case !ok:
		return dst, errors.New(dateOutside)
	}
	switch t.to {
	case "decade":
		d.year -= int(int64(d.year) - floorDiv(int64(d.year), 10)*10)
		d.month = 1
	case "year":
		d.month = 1
	case "quarter":
		d.month -= (d.month - 1) % 3
	}
	if d.year == 0 { // there is no year 0
		d.year = 1
	}
	if t.to != "day" {
		d.day = 1
	}
	d.micros = 0
	return d.append(dst), nil
}

// appendBand writes the lower end of the band that a number lies in; what stands behind the point goes.
func (t *generalise) appendBand(dst, value []byte) ([]byte, error) {
	whole := value
	cut := false
	if at := bytes.IndexByte(value, '.'); at >= 0 {
		whole, cut = value[:at], true
	}
	n, negative, ok := parseInteger(whole)
	if !ok || n > 1<<62 {
		if t.family == Number && (string(value) == "NaN" || bytes.Contains(value, []byte("Infinity"))) {
			return append(dst, value...), nil
		}
		return dst, fmt.Errorf("a value is no number that has a band of %d", t.band)
	}
	v := int64(n)
	if negative {
		if v = -v; cut && !allZero(value[len(whole)+1:]) {
			v--
		}
	}
	if v = floorDiv(v, t.band) * t.band; v < 0 {
		return appendInteger(dst, uint64(-v), true), nil
	}
	return appendInteger(dst, uint64(v), false), nil
}

func allZero(b []byte) bool { return len(bytes.Trim(b, "0")) == 0 }

// appendDigits keeps the first digits of a number from the first one that is not 0 on; the others become 0. Its sign, its size and where its point stands
// stay, so that it has room wherever it had.
func (t *generalise) appendDigits(dst, value []byte) ([]byte, error) {
	if len(bytes.Trim(value, "0123456789+-.eE")) > 0 {
		switch {
		case t.family == Text:
			return appendFirst(dst, value, 0), nil // whatever somebody wrote in place of a number
		case string(value) == "NaN" || bytes.HasSuffix(value, []byte("Infinity")):
			return append(dst, value...), nil
		}
		return dst, errors.New("a value is no number")
	}
	n, begun := t.digits, false
	for i, c := range value {
		switch {
		case c == 'e' || c == 'E':
			return append(dst, value[i:]...), nil
		case c < '0' || c > '9':
		case n == 0:
			c = '0'
		case begun || c != '0':
			begun = true
			n--
		}
		dst = append(dst, c)
	}
	return dst, nil
}

// appendFirst keeps the first signs of a value; of the rest digits become 0 and letters X.
func appendFirst(dst, value []byte, n int) []byte {
	for i := 0; i < len(value); {
		size := 1
		r, v := radix(value[i])
		sign := rune(value[i])
		if sign >= utf8.RuneSelf {
			sign, size = utf8.DecodeRune(value[i:])
		}
		switch {
		case sign == 0:
		case sign == utf8.RuneError:
			dst = append(dst, 'x')
		case n > 0:
			dst = append(dst, value[i:i+size]...)
		case r > 0:
			dst = append(dst, value[i]-byte(v))
			if r == 26 {
				dst[len(dst)-1] += 'x' - 'a'
			}
		case size > 1:
			dst = append(dst, 'x')
		default:
			dst = append(dst, value[i])
		}
		i += size
		n--
	}
	return dst
}

func makeGeneralise(m *maker) (Transformer, error) {
	t := &generalise{family: m.family}
	t.text = m.text("constant", "")
	t.band = m.integer("band", 0, 1, 1<<40)
	t.first = int(m.integer("first", 0, 1, 64))
	t.digits = int(m.integer("digits", 0, 1, 17))
	dated := m.family == Date || m.family == Timestamp || m.family == Text
	otherwise := ""
	if dated && t.text == "" && t.band == 0 && t.first == 0 && t.digits == 0 && (m.family != Text || m.column.Kind == personal.BirthDate) {
		otherwise = "year"
	}
	t.to = m.text("to", otherwise, "day", "month", "quarter", "year", "decade")
	count := 0
	for _, given := range []bool{t.text != "", t.band > 0, t.first > 0, t.digits > 0, t.to != ""} {
		if given {
			count++
		}
	}
	switch {
	case m.err != nil:
		return nil, m.err
	case count != 1:
		return nil, errors.New(`takes one of "to" (day, month, quarter, year, decade) for dates, "band" and "digits" for numbers, "first" and "constant" for text`)
	case t.to != "" && !dated, t.digits > 0 && m.family != Integer && m.family != Number && m.family != Text, t.band > 0 && m.family != Integer && m.family != Number && m.family != Text, t.first > 0 && m.family != Text:
		return nil, fmt.Errorf("the argument does not fit type %s", m.column.Type)
	}
	if t.text != "" {
		if err := m.fitsColumn(t.text); err != nil {
			return nil, err
		}
	}
	return t, nil
}
