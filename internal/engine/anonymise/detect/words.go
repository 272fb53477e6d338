package detect

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// A word is a run of letters and digits with the hyphens and apostrophes inside.
type word struct {
	start, end int
	gap        gap // what stands before it
	role       role
	capital    bool // begins with a capital
	digits     bool // begins with a digit
	letters    bool // has letters only
	apostrophe bool
}

// A gap is what stands between two words.
type gap uint8

const (
	gapBreak gap = iota // anything else: a new thought
	gapBlank
	gapComma
	gapPoint // a point, then blanks or nothing
	gapDash
)

// wideBlank returns the width of a blank that is no ASCII character at the beginning of s, or 0.
func wideBlank(s string) int {
	switch {
	case strings.HasPrefix(s, "\u00a0"):
		return len("\u00a0")
	case strings.HasPrefix(s, "\u202f"), strings.HasPrefix(s, "\u2009"):
		return len("\u202f")
	}
	return 0
}

// mark returns the width of a punctuation mark that is no ASCII character at the beginning of s, or 0; apostrophes are letters.
func mark(s string) int {
	switch {
	case s[0] == 0xc2 && len(s) > 1 && s[1] < 0xc0: // U+0080 to U+00BF
		return 2
	case s[0] == 0xe2 && len(s) > 2 && s[1] == 0x80 && s[2] != 0x99: // U+2000 to U+203F but ’
		return 3
	}
	return 0
}

// next reads the word after i; ok is false at the end of the text.
func (f *finder) next(i int) (w word, ok bool) {
	s := f.s
	w.gap = gapBlank
	if i == 0 {
		w.gap = gapBreak
	}
	for i < len(s) {
		c := s[i]
		if isDigit(c) || isLetter(c) {
			n := 0
			if c >= 0x80 {
				if n = wideBlank(s[i:]); n == 0 && strings.HasPrefix(s[i:], "’") { // no word begins with one
					n = len("’")
				} else if n == 0 {
					if n = mark(s[i:]); n > 0 {
						w.gap = gapBreak
					}
				}
			}
			if n == 0 {
				break
			}
			i += n
			continue
		}
		switch {
		case c == ' ' || c == '\t':
		case c == ',' && w.gap == gapBlank:
			w.gap = gapComma
		case c == '.' && w.gap == gapBlank:
			w.gap = gapPoint
		case (c == '-' || c == '/') && w.gap == gapBlank:
			w.gap = gapDash
		case (c == '\n' || c == '\r') && (w.gap == gapBlank || w.gap == gapComma):
			w.gap = gapComma
		default:
			w.gap = gapBreak
		}
		i++
	}
	if i >= len(s) {
		return w, false
	}
	w.start, w.digits, w.letters = i, isDigit(s[i]), true
	if s[i] < utf8.RuneSelf {
		w.capital = 'A' <= s[i] && s[i] <= 'Z'
	} else {
		r, _ := utf8.DecodeRuneInString(s[i:])
		w.capital = unicode.IsUpper(r)
	}
	for i < len(s) {
		c := s[i]
		switch {
		case c >= 0x80:
			if wideBlank(s[i:]) > 0 || mark(s[i:]) > 0 {
				w.end = i
				return w, true
			}
			if strings.HasPrefix(s[i:], "’") { // an apostrophe as it is set in print
				i += 2
				w.apostrophe = true
			}
		case isDigit(c) || c == '_':
			w.letters = false
		case isLetter(c):
		case (c == '\'' || c == '-') && i+1 < len(s) && (isLetter(s[i+1]) || isDigit(s[i+1])) && i > w.start:
			w.apostrophe = w.apostrophe || c == '\''
		default:
			w.end = i
			return w, true
		}
		i++
	}
	w.end = len(s)
	return w, true
}

// known reads the role of a word, which may go over several words or begin after an elision (d'Élodie), and returns it as one.
func (f *finder) known(w word) word {
	s := f.s
	if !w.letters || w.end-w.start < 2 && !w.capital {
		return w
	}
	w.role = look(s[w.start:w.end])
	if w.role&roleBegins != 0 {
		ends, n, last := [longestName]int{}, 0, w
		for n < longestName-1 {
			next, ok := f.next(last.end)
			if !ok || next.gap != gapBlank && next.gap != gapPoint || next.digits {
				break
			}
			ends[n], last = next.end, next
			if n++; n == 1 && sieves().pairs.lacks(s[w.start:next.end]) {
				return w // no name that goes on like this
			}
		}
		for ; n > 0; n-- {
			if r := look(s[w.start:ends[n-1]]); r&(roleGiven|roleFamily|roleTown) != 0 {
				w.end, w.role, w.capital = ends[n-1], r, true
				return w
			}
		}
	}
	if w.role != 0 || !w.apostrophe {
		return w
	}
	if k := strings.LastIndexAny(s[w.start:min(w.end, w.start+longestWord)], "'’"); k > 0 {
		at := w.start + k
		_, size := utf8.DecodeRuneInString(s[at:])
		if tail := s[at+size : w.end]; tail == "s" || tail == "S" {
			w.end = at
			w.role = look(s[w.start:at])
		} else if k <= 2 {
			w.start = at + size
			r, _ := utf8.DecodeRuneInString(s[w.start:])
			w.capital, w.role = unicode.IsUpper(r), look(s[w.start:w.end])
		}
	}
	return w
}

const roleName = roleGiven | roleFamily

// longestRunOfNames bounds how many words one name may have, particles and titles included.
const longestRunOfNames = 9

// words finds names of persons, towns and addresses.
func (f *finder) words() {
	s, known := f.s, len(f.found)
	small := short(s) && strings.ToLower(s) == s // a value in small letters only: names are not told by capitals
	var house word                               // a number that stands just before
	var before role
	for i := 0; ; {
		if house.end == 0 {
			i, before = f.plainly(i, before, known)
		}
		w, ok := f.next(i)
		if !ok {
			return
		}
		if end := f.taken(w.start, known); end > 0 {
			i, before = max(end, w.start+1), 0
			continue
		}
		if w.digits {
			if end := f.fromNumber(w, known); end > 0 {
				i, house, before = end, word{}, 0
				continue
			}
			if w.end-w.start <= 5 && w.gap != gapDash {
				house = w
			}
			i, before = w.end, 0
			continue
		}
		if !w.letters {
			if end := f.britishPostcode(w); end > 0 {
				i = end
				continue
			}
			i, before = w.end, 0
			continue
		}
		w = f.known(w)
		at := house
		if w.gap != gapBlank && w.gap != gapComma {
			at = word{}
		}
		if isRepeat(s[w.start:w.end]) && at.end > 0 { // 12 bis
			i = w.end
			continue
		}
		house = word{}
		end := 0
		switch {
		case w.role&roleStreet != 0:
			end = f.streetAfter(w, at)
		case w.end-w.start > 3 && (w.capital || f.digitFollows(w.end)):
			end = f.streetIn(w)
		}
		if end == 0 && w.role&roleUnit != 0 && w.start == skipBlanks(s, 0) {
			end = f.unit(w)
		}
		if end == 0 && w.role&roleTitle != 0 {
			end = f.titled(w, known)
		}
		if end == 0 && w.role&(roleName|roleTown) != 0 && (w.capital || small || w.role&roleAmbiguous == 0) {
			end = f.name(w, before, small, known)
		}
		if end == 0 && w.capital && short(s) && w.start == skipBlanks(s, 0) {
			end = f.whole(w, known)
		}
		if end == 0 {
			end = w.end
			before = w.role
		} else {
			before = 0
		}
		i = max(end, w.start+1)
	}
}

// plainly goes over the words after i that are surely nothing: of small letters, in no list or mere particles, with neither a number nor anything but blanks and plain marks behind them. It returns where the last ends
// and what it may be. No number of a house stands before the first.
func (f *finder) plainly(i int, before role, known int) (int, role) {
	s, words := f.s, &sieves().words
	for {
		start := i
		for start < len(s) && s[start] < utf8.RuneSelf && !isDigit(s[start]) && !isLetter(s[start]) {
			start++
		}
		if f.at < known && f.taken(start, known) > 0 {
			return i, before
		}
		k, h := start, uint32(hashBasis)
		for k < len(s) {
			c := s[k]
			if c == 0xc3 && k+1 < len(s) && s[k+1] >= 0xa0 { // small letters with accents
				k++
				if c = plain[s[k]&0x3f]; c == ' ' {
					return i, before
				}
			} else if c < 'a' || c > 'z' {
				break
			}
			h = (h ^ uint32(c)) * hashPrime
			k++
		}
		blank := k+1 < len(s) && s[k] == ' ' && isLetter(s[k+1])
		switch {
		case k == start:
			return i, before
		case k == len(s), blank:
		case isWord(s[k]), s[k] == '\'', s[k] == '-', f.digitFollows(k):
			return i, before
		}
		var r role
		if words.has(h) && k-start > 1 {
			r = look(s[start:k])
			if r&^(roleInfix|roleToward|roleBegins) != 0 {
				return i, before
			}
			if r&roleBegins != 0 {
				if next, ok := f.next(k); ok && !sieves().pairs.lacks(s[start:next.end]) {
					return i, before
				}
			}
		}
		i, before = k, r
	}
}

// short tells whether a value is no more than a name or an address may be.
func short(s string) bool { return len(s) <= 60 }

func skipBlanks(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t' || s[i] == '\n') {
		i++
	}
	return i
}

// atEnd tells whether nothing but blanks and marks follows i.
func (f *finder) atEnd(i int) bool { return strings.Trim(f.s[i:min(len(f.s), i+8)], " .,;\n\t") == "" }

// digitFollows tells whether a figure stands after i, but for a point and a blank.
func (f *finder) digitFollows(i int) bool {
	for k := i; k < len(f.s) && k < i+3; k++ {
		if isDigit(f.s[k]) {
			return true
		}
		if f.s[k] != ' ' && f.s[k] != '.' {
			return false
		}
	}
	return false
}

func isRepeat(s string) bool { return s == "bis" || s == "ter" || s == "quater" }

// name reads a run of words that are names, or a town, and returns its end, or 0 when the word proves nothing.
func (f *finder) name(w word, before role, small bool, known int) int {
	first, last := w, w
	given, family, sure, others, count := 0, 0, 0, 0, 0
	var both int
	for range longestRunOfNames {
		switch r := last.role; {
		case r&roleName == roleName:
			both++
		case r&roleGiven != 0:
			given++
		case r&roleFamily != 0:
			family++
		case last.end-last.start == 1 || f.initials(last): // an initial
		case r&roleInfix != 0:
			count--
		default:
			others++
		}
		if last.role&roleName != 0 && last.role&roleAmbiguous == 0 {
			sure++
		}
		if count++; count == 5 {
			break
		}
		next, ok := f.next(last.end)
		if !ok || next.digits || !next.letters || next.gap != gapBlank && !(next.gap == gapPoint && last.end-last.start <= 2) && !(next.gap == gapComma && count == 1 && family+both > 0 && short(f.s)) {
			break
		}
		next = f.known(next)
		if next.gap == gapComma && next.role&roleGiven == 0 || !f.free(next.start, next.end, known) {
			break
		}
		if next.role&roleInfix != 0 && next.role&roleName == 0 {
			after, ok := f.next(next.end)
			if !ok || !after.letters || after.gap != gapBlank || !after.capital && !small && f.known(after).role&roleInfix == 0 {
				break
			}
		} else if !next.capital && !(next.role&roleName != 0 && next.role&roleAmbiguous == 0 || small && next.role&roleName != 0) {
			break
		} else if next.role&(roleName|roleInfix) == 0 && (others > 0 || given+both == 0 || next.role&(roleStreetEnd|roleUnit|roleTitle) != 0 || !next.capital) {
			break
		}
		last = next
	}
	whole := first.start == skipBlanks(f.s, 0) && f.atEnd(last.end)
	names := given + family + both
	strict := !first.capital && !small // small letters within a sentence
	kind := personal.None
	switch {
	case names == 0:
		if first.role&roleTown == 0 {
			return 0
		}
	case names+others >= 2 && (given+both > 0 || whole) && (sure > 0 || whole || names >= 2 && given > 0):
		if strict && (others > 0 || sure < 2) {
			return 0
		}
		kind = personal.FullName
		if family == 0 && others == 0 && both == 0 {
			kind = personal.GivenName
		} else if given == 0 && both == 0 && others == 0 {
			kind = personal.FamilyName
		}
	case strict:
		return 0
	case first.role&roleTown != 0 && (before&roleToward != 0 || first.role&roleName == 0 || whole && first.role&roleAmbiguous != 0):
		kind = personal.Town
	case names == 1 && others == 0 && (sure == 1 || whole):
		kind = personal.GivenName
		if family == 1 {
			kind = personal.FamilyName
		}
	}
	if kind == personal.None && first.role&roleTown != 0 && !strict && (first.role&roleAmbiguous == 0 || whole || before&roleToward != 0) {
		kind = personal.Town
	}
	if kind == personal.None {
		return 0
	}
	if kind == personal.Town {
		last = first
	}
	f.add(kind, first.start, last.end, false)
	return last.end
}

// initials tells "J.-P." and "JP".
func (f *finder) initials(w word) bool {
	return w.end-w.start <= 3 && strings.ToUpper(f.s[w.start:w.end]) == f.s[w.start:w.end]
}

// titled reads a name after a title: Mme Lefèvre, Herr Dr. Weiß.
func (f *finder) titled(w word, known int) int {
	if w.end-w.start == 1 && !w.capital {
		return 0
	}
	last, n := w, 0
	for range longestRunOfNames {
		if n == 4 {
			break
		}
		next, ok := f.next(last.end)
		if !ok || !next.letters || next.gap != gapBlank && !(next.gap == gapPoint && (n == 0 || last.end-last.start <= 2)) || !f.free(next.start, next.end, known) {
			break
		}
		next = f.known(next)
		if n == 0 && next.role&roleTitle != 0 {
			w, last = next, next
			continue
		}
		if !next.capital && next.role&roleInfix == 0 {
			break
		}
		last = next
		n++
		if last.role&roleInfix != 0 && !last.capital {
			n--
		}
	}
	if n == 0 || last.role&roleInfix != 0 && last.role&roleName == 0 || w.end-w.start == 1 && last.role&roleName == 0 {
		return 0
	}
	first, _ := f.next(w.end)
	kind := personal.FamilyName
	if n > 1 {
		kind = personal.FullName
	}
	f.add(kind, first.start, last.end, false)
	return last.end
}

// whole takes a value of two or three capitalised words for the name of a person when one of them is a name that is no other word.
func (f *finder) whole(w word, known int) int {
	last, n, names := w, 1, 0
	for {
		next, ok := f.next(last.end)
		if !ok {
			break
		}
		if !next.letters || next.gap != gapBlank || !next.capital || n == 3 || !f.free(next.start, next.end, known) {
			return 0
		}
		next = f.known(next)
		if next.role&roleGiven != 0 && next.role&roleAmbiguous == 0 {
			names++
		}
		last = next
		n++
	}
	if names == 0 || w.role&(roleStreet|roleUnit|roleStreetEnd) != 0 || !f.atEnd(last.end) {
		return 0
	}
	f.add(personal.FullName, w.start, last.end, false)
	return last.end
}
