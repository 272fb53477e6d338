package leak

import (
	"net/netip"

	"github.com/garant-project/garant/internal/engine/anonymise/seen"
)

const (
	minCode  = 6
	minPhone = 7
	groups   = 16
	// maxGap is the widest that groups of a number may stand apart: ") - ", or two blanks of three bytes.
	maxGap = 6
)

// series is a row of groups of digits, some with letters, that may be one number or several.
type series struct {
	n    int
	buf  [groups * seen.MaxCode]byte // the groups, folded, one behind the other
	off  [groups + 1]int             // where each begins in buf
	at   [groups]int                 // where each begins in the text
	figs [groups]int                 // digits in each
	plus [groups]bool                // a plus sign stands before it
	dot  [groups]bool                // a dot and nothing else stands before it
}

func (r *series) reset() { r.n = 0 }

// push adds a group; the oldest goes when there are too many.
func (r *series) push(text []byte, w *seen.Word, gap int) {
	if r.n == groups {
		first := r.off[1]
		copy(r.buf[:], r.buf[first:r.off[groups]])
		for i := range groups {
			r.off[i] = r.off[i+1] - first
		}
		copy(r.at[:], r.at[1:])
		copy(r.figs[:], r.figs[1:])
		copy(r.plus[:], r.plus[1:])
		copy(r.dot[:], r.dot[1:])
		r.n--
	}
	start, from := int(w.Start), r.off[r.n]
	r.at[r.n], r.figs[r.n] = start, int(w.Digits)
	r.plus[r.n] = start > 0 && text[start-1] == '+' || start > 1 && text[start-1] == '(' && text[start-2] == '+' || start > 2 && string(text[start-3:start]) == "＋"
	r.dot[r.n] = gap == 1 && text[start-1] == '.'
	if word := text[start:w.End]; int(w.Len) == len(word) && isASCII(word) {
		for i, c := range word {
			r.buf[from+i] = c | 0x20 // small letters, and digits as they are
		}
		r.off[r.n+1] = from + len(word)
	} else {
		r.off[r.n+1] = from + len(seen.AppendGlued(r.buf[from:from:len(r.buf)], word))
	}
	r.n++
}

func isASCII(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// near reports whether what stands between two groups may stand within a number.
func near(text []byte, from, to int) bool {
	if to-from > maxGap {
		return false
	}
	for _, b := range text[from:to] {
		switch b {
		case ' ', '.', '-', '/', '(', ')', '_', ',', '\n', '\r', '\t', '+':
		default:
			if b < 0x80 {
				return false
			}
		}
	}
	return true
}

// group takes a word with digits: numbers end with it that begin with it or with a group before it. before is the word before it, which ends at prev.
func (s *Scanner) group(text []byte, before, w *seen.Word, prev int, c *context) {
	r := &s.levels[c.depth].series
	if r.n > 0 && !near(text, prev, int(w.Start)) {
		r.reset()
	}
	if w.Len > seen.MaxCode {
		r.reset()
		return
	}
	if r.n == 0 && before.Len > 0 && before.Digits == 0 && before.Len <= 4 && near(text, prev, int(w.Start)) {
		r.push(text, before, 0) // the letters of a passport's number
	}
	r.push(text, w, int(w.Start)-prev)
	s.ends(c, int(w.End))
	if w.Digits >= minPhone && w.Digits < w.Len {
		s.within(r.buf[r.off[r.n-1]:r.off[r.n]], int(w.Start), int(w.End), c)
	}
	if r.n >= 4 && r.dot[r.n-1] && r.dot[r.n-2] && r.dot[r.n-3] {
		s.dotted(r, int(w.End), c)
	}
}

// letters takes a word without digits behind a group: a part of the number when it is short.
func (s *Scanner) letters(text []byte, w *seen.Word, prev int, c *context) {
	r := &s.levels[c.depth].series
	if w.Len > 4 || !near(text, prev, int(w.Start)) || r.figs[r.n-1] == 0 && (r.n < 2 || r.figs[r.n-2] == 0) {
		r.reset()
		return
	}
	r.push(text, w, int(w.Start)-prev)
	s.ends(c, int(w.End))
}

// ends looks up the numbers that end with the last group.
func (s *Scanner) ends(c *context, end int) {
	r := &s.levels[c.depth].series
	figures := 0
	for i := r.n - 1; i >= 0; i-- {
		b := r.buf[r.off[i]:r.off[r.n]]
		figures += r.figs[i]
		if len(b) > seen.MaxCode {
			return
		}
		if figures >= 3 && len(b) >= minCode {
			s.code(b, r.at[i], end, c)
			if figures == len(b) {
				s.phone(b, r.plus[i], r.at[i], end, c)
			} else if b[0] > '9' && i < r.n-1 {
				s.behind(b, figures, r.at[i], end, c)
			}
		}
	}
}

// behind looks at a number that stands behind letters that touch it: tel0475 12 34 56.
func (s *Scanner) behind(b []byte, figures, from, to int, c *context) {
	n := 0
	for n < len(b) && b[n] > '9' {
		n++
	}
	if len(b)-n == figures {
		s.code(b[n:], from, to, c)
		s.phone(b[n:], false, from, to, c)
	}
}

// within looks at the digits that stand together with letters in one word: tel0475123456.
func (s *Scanner) within(b []byte, start, end int, c *context) {
	for i := 0; i < len(b); {
		if b[i] > '9' {
			i++
			continue
		}
		from := i
		for i < len(b) && b[i] <= '9' {
			i++
		}
		if n := b[from:i]; len(n) >= minPhone {
			s.code(n, start, end, c)
			s.phone(n, false, start, end, c)
		}
	}
}

// code looks a number up, when the source has any of this length.
func (s *Scanner) code(b []byte, from, to int, c *context) {
	if s.set.Lengths(seen.Codes)>>len(b)&1 != 0 {
		s.find(c, s.set.CodeKey(b), from, to)
	}
}

// phone looks a phone number up in all the ways in which it may be dialled. What has no prefix is as good as any other number, so that it counts only
// where the source writes it so, too, or where it holds the country's code.
func (s *Scanner) phone(digits []byte, plus bool, from, to int, c *context) {
	if len(digits) < minPhone || len(digits) > 18 {
		return
	}
	how, code, national := seen.Dial(digits, plus)
	if how == seen.Bare {
		if code, national := seen.SplitCode(digits); len(code) > 0 && s.set.Lengths(seen.InternationalNumbers)>>(len(code)+len(national))&1 != 0 {
			s.find(c, s.set.InternationalKey(code, national), from, to)
		}
	}
	if s.set.Lengths(seen.NationalNumbers)>>len(national)&1 == 0 {
		return
	}
	k := s.set.NationalKey(national)
	if e, ok := s.set.Find(k); ok {
		s.judge(c, k, e, how != seen.Bare || e.Bare && len(code) == 0, from, to)
	}
}

// dotted looks up an IP address of version 4.
func (s *Scanner) dotted(r *series, end int, c *context) {
	var a [4]byte
	for i := range a {
		b := r.buf[r.off[r.n-4+i]:r.off[r.n-3+i]]
		n := 0
		for _, d := range b {
			if d > '9' || len(b) > 3 {
				return
			}
			n = n*10 + int(d-'0')
		}
		if n > 255 {
			return
		}
		a[i] = byte(n)
	}
	s.find(c, s.set.IPKey(netip.AddrFrom4(a)), r.at[r.n-4], end)
}
