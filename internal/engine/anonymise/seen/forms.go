package seen

import (
	"bytes"
	"net/netip"
	"slices"
	"unicode/utf8"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// MaxWords is the most words that a name or an address has in the set.
const MaxWords = 8

// How much of a value makes it evidence, in bytes after folding.
const (
	minWord     = 4  // of a name that stands alone: "Léa" and "Ali" are in every text
	minFullName = 6  // of the significant words of a full name together
	minPhone    = 7  // digits within the country
	maxPhone    = 15 // E.164
	minPaper    = 6  // of which three digits
	minNumber   = 8  // of national numbers
	minCard     = 12 // ISO/IEC 7812
	maxCard     = 19
	minIBAN     = 15 // ISO 13616, Norway
	maxCode     = 34 // ISO 13616
	minAccount  = 10 // of the account number within an IBAN
	minSecret   = 8  // of devices, credentials, addresses of profiles
	minHandle   = 6  // of user names
	minDecimals = 3  // of coordinates, some hundred metres
)

// MaxCode is the longest number in the set, in bytes after folding.
const MaxCode = maxCode

// A Reason says why a value proves nothing wherever it is found.
type Reason uint8

// The reasons.
const (
	Usable    Reason = iota
	Empty            // nothing but blanks and punctuation
	Short            // too short to be told from other words and numbers
	Long             // longer than anything of its kind
	Malformed        // not what its kind says: an e-mail address without @
	Common           // many people's: a private IP address, a number of one repeated digit
	ByItself         // of a kind that says nothing of one person by itself: a date of birth, a postcode
	reasons
)

func (r Reason) String() string {
	return [...]string{"usable", "empty", "short", "long", "malformed", "common", "says nothing by itself"}[r]
}

// A form is one way in which a value may be written, or a word of it: that has no mark and goes into the filter.
type form struct {
	key    Key
	mark   mark
	filter uint64
	space  Space // of a number
	length int
}

// former makes the forms of values. It belongs to one goroutine.
type former struct {
	hasher
	titles, particles map[Key]bool

	out   []form
	words []Word
	buf   []byte
	alt   []byte
}

func newFormer(h hasher) former {
	f := former{hasher: h, titles: map[Key]bool{}, particles: map[Key]bool{}}
	for _, t := range titles {
		f.titles[h.sum(tagWord, []byte(t))] = true
	}
	for _, p := range particles {
		f.particles[h.sum(tagWord, []byte(p))] = true
	}
	return f
}

// titles stand before names and are no part of them; particles are a part, and none that says whose.
var (
	titles = []string{
		"m", "mr", "mme", "mlle", "mrs", "ms", "miss", "dr", "drs", "prof", "me", "monsieur", "madame", "mademoiselle", "docteur", "maitre", "professeur",
		"herr", "frau", "dhr", "mevr", "mevrouw", "meneer", "heer", "mw", "ir", "ing", "mister", "doctor", "professor",
	}
	particles = []string{
		"d", "de", "des", "du", "l", "la", "le", "les", "van", "von", "vom", "zu", "zum", "zur", "den", "der", "het", "t", "ten", "ter", "te", "op", "in", "aan",
		"s", "o", "di", "da", "das", "dos", "do", "del", "della", "dal", "dalla", "el", "al", "ben", "bin", "ibn", "y", "e", "i", "af", "av", "und", "et", "en", "and",
	}
)

func (f *former) emit(k Key, kind personal.Kind, m mark) {
	f.out = append(f.out, form{key: k, mark: numberOf[kind] | m})
}

// emitNumber emits a number, whose key is of a space of its own.
func (f *former) emitNumber(k Key, kind personal.Kind, m mark, space Space, length int) {
	f.out = append(f.out, form{key: k, mark: numberOf[kind] | m, space: space, length: length})
}

// forms fills f.out with the forms of a value.
func (f *former) forms(kind personal.Kind, value []byte) Reason {
	f.out = f.out[:0]
	switch kind {
	case personal.FullName:
		return f.variants(value, f.fullName)
	case personal.GivenName, personal.FamilyName, personal.Town:
		return f.variants(value, func(v []byte) Reason { return f.name(kind, v) })
	case personal.Address:
		return f.variants(value, f.address)
	case personal.Email:
		return f.emails(value)
	case personal.Phone:
		return f.phone(value)
	case personal.IBAN, personal.Card, personal.NationalNumber, personal.IdentityPaper:
		return f.number(kind, value)
	case personal.IP:
		return f.ip(value)
	case personal.Coordinates:
		return f.coordinates(value)
	case personal.Username, personal.Device, personal.Credential, personal.PersonURL:
		return f.token(kind, value)
	default:
		return ByItself
	}
}

// variants makes the forms of a name as it stands, with its umlauts spelled out, and with what hyphens and apostrophes join in one word.
func (f *former) variants(value []byte, forms func([]byte) Reason) Reason {
	r := forms(value)
	if r != Usable {
		return r
	}
	var changed bool
	if f.alt, changed = appendSpelled(f.alt[:0], value); changed {
		forms(f.alt)
	}
	if f.alt, changed = appendJoined(f.alt[:0], value); changed {
		forms(f.alt)
	}
	return Usable
}

// appendSpelled writes ä, ö, ü, å, ø as ae, oe, ue, aa, oe.
func appendSpelled(dst, s []byte) (out []byte, changed bool) {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRune(s[i:])
		if r < utf8.RuneSelf {
			dst = append(dst, s[i])
			i++
			switch next, size := utf8.DecodeRune(s[i:]); {
			case next == 0x308 && bytes.IndexByte([]byte("aouAOU"), s[i-1]) >= 0:
				dst, changed, i = append(dst, 'e'), true, i+size
			case next == 0x30a && (s[i-1] == 'a' || s[i-1] == 'A'):
				dst, changed, i = append(dst, 'a'), true, i+size
			}
			continue
		}
		spelled := ""
		switch r {
		case 'ä', 'Ä':
			spelled = "ae"
		case 'ö', 'Ö', 'ø', 'Ø':
			spelled = "oe"
		case 'ü', 'Ü':
			spelled = "ue"
		case 'å', 'Å':
			spelled = "aa"
		}
		if spelled != "" {
			dst, changed = append(dst, spelled...), true
		} else {
			dst = append(dst, s[i:i+n]...)
		}
		i += n
	}
	return dst, changed
}

// appendJoined leaves out single hyphens and apostrophes between letters.
func appendJoined(dst, s []byte) (out []byte, changed bool) {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRune(s[i:])
		switch r {
		case '-', '\'', '’', 'ʼ', '‐', '‑':
			if len(dst) > 0 && i+n < len(s) && foldsAt(s, i+n) && foldsBefore(s, i) {
				i, changed = i+n, true
				continue
			}
		}
		dst = append(dst, s[i:i+n]...)
		i += n
	}
	return dst, changed
}

// foldsAt and foldsBefore report whether a letter or a digit stands there.
func foldsAt(s []byte, i int) bool {
	if s[i] < utf8.RuneSelf {
		return ascii[s[i]] != 0
	}
	f, _ := foldAt(s, i)
	return f.len() > 0
}

func foldsBefore(s []byte, i int) bool {
	_, n := utf8.DecodeLastRune(s[:i])
	return foldsAt(s, i-n)
}

// split reads the words of a value.
func (f *former) split(value []byte) {
	f.words = f.words[:0]
	for i := 0; ; i = int(f.words[len(f.words)-1].End) {
		f.words = slices.Grow(f.words, 16)
		if f.words = f.hasher.words(f.words, value, i); len(f.words) < cap(f.words) {
			return
		}
	}
}

// together emits words as one form.
func (f *former) together(kind personal.Kind, words []Word, m mark) {
	filter := uint64(filterAmong)
	if len(words) == 1 {
		filter = filterAlone
	}
	var sum Key
	for _, w := range words {
		sum += w.Key
		f.out = append(f.out, form{key: w.Key, filter: filter}) // of the word itself only that it occurs
	}
	f.emit(sum, kind, m)
}

func length(words []Word) (n int) {
	for _, w := range words {
		n += int(w.Len)
	}
	return n
}

func (f *former) fullName(value []byte) Reason {
	f.split(value)
	words := f.words
	for len(words) > 2 && f.titles[words[0].Key] {
		words = words[1:]
	}
	var first, last Word
	significant, total := 0, 0
	for _, w := range words {
		if w.Len < 2 || f.particles[w.Key] {
			continue
		}
		if significant++; significant == 1 {
			first = w
		}
		last, total = w, total+int(w.Len)
	}
	switch {
	case len(words) == 0:
		return Empty
	case significant < 2 || total < minFullName:
		return f.weak(personal.FullName, words)
	}
	if len(words) <= MaxWords {
		f.together(personal.FullName, words, markStrict)
	}
	// Middle names and particles are left out as often as not.
	if (len(words) > 2 || len(words) > MaxWords) && first.Len+last.Len >= minFullName {
		f.together(personal.FullName, []Word{first, last}, markStrict)
	} else if len(words) > MaxWords {
		return Long
	}
	return Usable
}

func (f *former) name(kind personal.Kind, value []byte) Reason {
	f.split(value)
	return f.weak(kind, f.words)
}

// weak emits words that many people may bear.
func (f *former) weak(kind personal.Kind, words []Word) Reason {
	switch n := length(words); {
	case n == 0:
		return Empty
	case n < minWord:
		return Short
	case len(words) > MaxWords:
		return Long
	}
	f.together(kind, words, 0)
	return Usable
}

// address takes the whole when it is not too long, and the part that names the street: what stands before a comma, a new line or a postcode.
func (f *former) address(value []byte) Reason {
	f.split(value)
	all := f.words
	if len(all) == 0 {
		return Empty
	}
	if !street(all) {
		if len(all) < 2 || length(all) < 2*minWord {
			return Short
		}
		return f.weak(personal.Address, all)
	}
	usable := false
	if len(all) <= MaxWords {
		f.together(personal.Address, all, markStrict)
		usable = true
	}
	for from := 0; from < len(all); {
		to := from + 1
		for to < len(all) && !parted(value, all, from, to) && !postcode(all[from:], to-from) {
			to++
		}
		if part := all[from:to]; len(part) < len(all) && len(part) <= MaxWords && street(part) && !(postcode(part, 0) && len(part) <= 3) {
			f.together(personal.Address, part, markStrict)
			return Usable
		}
		from = to
	}
	if !usable {
		return Long
	}
	return Usable
}

// parted reports whether a comma or the end of a line parts words[from:to] from what follows. A house number belongs to its street on
// either side of a comma.
func parted(value []byte, words []Word, from, to int) bool {
	comma := func(i int) bool { return bytes.ContainsAny(value[words[i-1].End:words[i].Start], ",;\n\r") }
	number := func(i int) bool { return words[i].Digits > 0 && words[i].Len <= 4 }
	return comma(to) && !(to == from+1 && number(from)) && !(number(to) && (to+1 == len(words) || comma(to+1)))
}

// street reports whether words name a house in a street.
func street(words []Word) bool {
	number, name := false, false
	for _, w := range words {
		number = number || w.Digits > 0
		name = name || w.Digits == 0 && w.Len >= minWord
	}
	return number && name
}

// postcode reports whether the word at i, with a word behind it, looks like a postcode.
func postcode(words []Word, i int) bool {
	return i+1 < len(words) && (i == 0 || i > 1) && words[i].Digits == words[i].Len && (words[i].Len == 4 || words[i].Len == 5)
}

// number makes the forms of what is one string of digits and letters however it is grouped.
func (f *former) number(kind personal.Kind, value []byte) Reason {
	b := AppendGlued(f.buf[:0], value)
	f.buf = b
	figures := 0
	for _, c := range b {
		if '0' <= c && c <= '9' {
			figures++
		}
	}
	least, most := minNumber, maxCode
	switch kind {
	case personal.IBAN:
		least = minIBAN
	case personal.Card:
		least, most = minCard, maxCard
	case personal.IdentityPaper:
		least = minPaper
	}
	switch {
	case len(b) == 0:
		return Empty
	case len(b) < least:
		return Short
	case len(b) > most:
		return Long
	case figures < 3 || kind == personal.Card && figures < len(b):
		return Malformed
	case bytes.Count(b, b[:1]) == len(b):
		return Common
	}
	f.emitNumber(f.CodeKey(b), kind, markStrict, Codes, len(b))
	switch {
	case kind == personal.IBAN && figures >= len(b)-2 && len(b)-4 >= minAccount:
		f.emitNumber(f.CodeKey(b[4:]), kind, markStrict, Codes, len(b)-4) // the account number without country and check digits
	case kind == personal.NationalNumber && len(b) == 15 && figures >= 14:
		f.emitNumber(f.CodeKey(b[:13]), kind, markStrict, Codes, 13) // the French number without its key
	}
	return Usable
}

func (f *former) ip(value []byte) Reason {
	value = bytes.TrimSpace(value)
	if len(value) == 0 {
		return Empty
	}
	var a netip.Addr
	var err error
	if bytes.IndexByte(value, '/') < 0 {
		a, err = netip.ParseAddr(string(value))
	} else {
		var p netip.Prefix
		p, err = netip.ParsePrefix(string(value))
		a = p.Addr()
	}
	switch {
	case err != nil:
		return Malformed
	case Unspecific(a):
		return Common
	}
	f.emit(f.IPKey(a), personal.IP, markStrict)
	return Usable
}

// Unspecific reports whether an address is one of many networks'.
func Unspecific(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsPrivate() || a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast() || a.IsMulticast()
}

// coordinates takes the digits of both numbers, in both orders.
func (f *former) coordinates(value []byte) Reason {
	f.split(value)
	w := f.words
	switch {
	case len(w) == 0:
		return Empty
	case len(w) == 1 || len(w) == 2:
		return Short // one number, or two without decimals
	case len(w) == 5:
		w = w[1:] // POINT(4.35 50.85)
	}
	if len(w) != 4 || w[0].Digits != w[0].Len || w[2].Digits != w[2].Len {
		return Malformed
	}
	if w[1].Len < minDecimals || w[3].Len < minDecimals {
		return Short
	}
	if length(w) > maxCode {
		return Long
	}
	b := f.buf[:0]
	for _, x := range w {
		b = AppendGlued(b, value[x.Start:x.End])
	}
	half := int(w[0].Len + w[1].Len)
	f.emitNumber(f.CodeKey(b), personal.Coordinates, markStrict, Codes, len(b))
	n := len(b)
	b = append(append(b, b[half:n]...), b[:half]...)
	f.emitNumber(f.CodeKey(b[n:]), personal.Coordinates, markStrict, Codes, n)
	f.buf = b
	return Usable
}

// token takes what stands without blanks: the longest such piece of the value.
func (f *former) token(kind personal.Kind, value []byte) Reason {
	piece := longest(value)
	f.split(piece)
	least := minSecret
	if kind == personal.Username {
		least = minHandle
	}
	n, figures := length(f.words), 0
	for _, w := range f.words {
		figures += int(w.Digits)
	}
	switch {
	case n == 0:
		return Empty
	case len(f.words) == 1 && figures == 0:
		return f.weak(kind, f.words)
	case n < least:
		return Short
	}
	var sum Key
	for _, w := range f.words {
		sum += w.Key
	}
	f.emit(sum, kind, markStrict)
	if len(f.words) > 1 {
		f.buf = AppendGlued(f.buf[:0], piece)
		f.emit(f.WordKey(f.buf), kind, markStrict)
	}
	return Usable
}

// Breaks reports whether a character ends a piece of text that is written without blanks: a blank, a quotation mark, a comma or a bracket.
func Breaks(c byte) bool {
	switch c {
	case ' ', '\t', '\n', '\r', '\f', '\v', 0, '"', '\'', '`', ',', ';', '<', '>', '(', ')', '[', ']', '{', '}', '|':
		return true
	}
	return false
}

func longest(value []byte) []byte {
	var best []byte
	for from, i := 0, 0; i <= len(value); i++ {
		if i == len(value) || Breaks(value[i]) {
			if i-from > len(best) {
				best = value[from:i]
			}
			from = i + 1
		}
	}
	return best
}
