package detect

import (
	_ "embed"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

//go:embed lists/given.txt
var givenNames string

//go:embed lists/family.txt
var familyNames string

//go:embed lists/towns.txt
var townNames string

//go:embed lists/ambiguous.txt
var ambiguousNames string

// A role is what a word may be; a word may be several.
type role uint16

const (
	roleGiven role = 1 << iota
	roleFamily
	roleTown
	roleAmbiguous // an everyday word as well
	roleBegins    // more words may follow: "Van" of "Van den Berg", "La" of "La Louvière"
	roleInfix     // van, de, von: between or before names
	roleTitle     // Mr, Mme, Herr, Dr: a name follows
	roleStreet    // rue, avenue: the name of a street follows
	roleStreetEnd // Street, Road: the name of a street stands before
	roleUnit      // bus, bte, Apt: a part of a house follows
	roleToward    // à, in, te, from: a town may follow
)

// longestName bounds how many words a name in the lists has, longestWord how many bytes of a word are compared.
const (
	longestName = 4
	longestWord = 64
)

// dictionary is read once: some four thousand names by their folded form.
var dictionary = sync.OnceValue(func() map[string]role {
	words := make(map[string]role, 6000)
	add := func(text string, r role) {
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, "#") {
				continue
			}
			for name := range strings.FieldsSeq(line) {
				key := fold(strings.ReplaceAll(name, "_", " "))
				words[key] |= r
				if head, _, more := strings.Cut(key, " "); more {
					words[head] |= roleBegins
				}
			}
		}
	}
	add(givenNames, roleGiven)
	add(familyNames, roleFamily)
	add(townNames, roleTown)
	add(ambiguousNames, roleAmbiguous)
	add("van von vom zu zum zur de den der des du di da d' le la les ten ter te 't op bin ibn al el ben ould Mac Mc O' San St Saint Sainte", roleInfix)
	add("m mm mr mrs ms miss mme mmes mlle monsieur madame mademoiselle me maitre dr docteur doctor prof professeur professor hr herr herrn frau dhr mevr mevrouw meneer heer dame sir lady docteure dokter", roleTitle)
	add("rue avenue av ave boulevard bd blvd chemin ch allee allees impasse quai chaussee chee ruelle sentier venelle faubourg place pl route rte square passage cours clos rond-point residence lotissement hameau esplanade promenade voie dreve cite montee traverse galerie via calle", roleStreet)
	add("street st road rd avenue ave lane ln drive dr court ct close way boulevard blvd terrace crescent cres gardens square sq grove hill place pl parkway pkwy highway hwy row mews walk green", roleStreetEnd)
	add("place pl route rte square passage cours clos residence hameau esplanade promenade voie cite montee traverse galerie via calle ch av ave", roleAmbiguous)
	add("bus bte boite box bt apt appt appartement apartment app bat batiment etage unit suite ste flat floor wohnung stock stiege verdieping bp postbus postfach escalier esc po", roleUnit)
	add("a in te aus nach from near of at bij uit naar zu habite woont wohnt lives ville commune gemeente stadt city town", roleToward)
	return words
})

const sieveBits = 17

// sieve has a bit for the hash of each of some words, so that most words of a sentence need not be looked up: 3 of 100 pass that are not there.
type sieve [1 << sieveBits / 64]uint64

func (s *sieve) add(word string) {
	h := uint32(hashBasis)
	for i := range len(word) {
		h = (h ^ uint32(word[i])) * hashPrime
	}
	h >>= 32 - sieveBits
	s[h/64] |= 1 << (h % 64)
}

func (s *sieve) has(hash uint32) bool {
	hash >>= 32 - sieveBits
	return s[hash/64]>>(hash%64)&1 != 0
}

// sieves are of the words of the dictionary, and of the first two of its names that have more than one.
var sieves = sync.OnceValue(func() *struct{ words, pairs sieve } {
	s := new(struct{ words, pairs sieve })
	for word := range dictionary() {
		s.words.add(word)
		f := finder{s: word}
		first, _ := f.next(0)
		if second, more := f.next(first.end); more {
			s.pairs.add(word[first.start:second.end])
		}
	}
	return s
})

// FNV-1a.
const (
	hashBasis = 2166136261
	hashPrime = 16777619
)

// lacks reports whether a word, and each of its parts, is certainly not among those of the sieve.
func (s *sieve) lacks(word string) bool {
	h := uint32(hashBasis)
	for i := 0; i < len(word); i++ {
		c := word[i]
		switch {
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		case c == 0xc3 && i+1 < len(word): // U+00C0 to U+00FF: nearly all accents
			i++
			if c = plain[word[i]&0x3f]; c == ' ' {
				return false
			}
		case c == ' ' && i > 0 && word[i-1] > ' ': // between two words; of more blanks one would count
		case c >= utf8.RuneSelf || c == '-' || c <= ' ':
			return false
		}
		h = (h ^ uint32(c)) * hashPrime
	}
	return !s.has(h)
}

// fold brings a word to the form in which it is compared: small letters, no accents, ligatures apart, one blank for any run of blanks.
func fold(s string) string {
	return string(appendFolded(make([]byte, 0, len(s)), s))
}

func appendFolded(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			i++
			switch {
			case 'A' <= c && c <= 'Z':
				c += 'a' - 'A'
			case c == '\t' || c == '\n' || c == '\r':
				c = ' '
			}
			if c == ' ' && len(dst) > 0 && dst[len(dst)-1] == ' ' {
				continue
			}
			dst = append(dst, c)
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		dst = appendPlain(dst, r)
	}
	return dst
}

// appendPlain appends a letter without its accent.
func appendPlain(dst []byte, r rune) []byte {
	switch {
	case 0x300 <= r && r <= 0x36f: // combining marks of a decomposed letter
		return dst
	case r == 'ß' || r == 'ẞ':
		return append(dst, 's', 's')
	case r == 'æ' || r == 'Æ':
		return append(dst, 'a', 'e')
	case r == 'œ' || r == 'Œ':
		return append(dst, 'o', 'e')
	case r == '’' || r == 'ʼ' || r == '‘':
		return append(dst, '\'')
	case r == '\u00a0' || r == '\u202f' || r == '\u2009':
		return append(dst, ' ')
	case 0xc0 <= r && r < 0x180:
		if p := plain[r-0xc0]; p != ' ' {
			return append(dst, p)
		}
	case r == 'ș' || r == 'Ș':
		return append(dst, 's')
	case r == 'ț' || r == 'Ț':
		return append(dst, 't')
	}
	return utf8.AppendRune(dst, unicode.ToLower(r))
}

// plain holds the letters U+00C0 to U+017F without their accents; a blank stands for those that have none.
const plain = "aaaaaa ceeeeiiiidnooooo ouuuuy  aaaaaa ceeeeiiiidnooooo ouuuuy y" +
	"aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiii  jjkkklllllll" +
	"lllnnnnnnnnnoooooo  rrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs"

// look tells what a word may be, without allocating.
func look(word string) role {
	if len(word) > longestWord || sieves().words.lacks(word) {
		return 0
	}
	var buf [longestWord + utf8.UTFMax]byte
	r := dictionary()[string(appendFolded(buf[:0], word))]
	if r == 0 {
		return lookParts(word)
	}
	return r
}

// lookParts tells what a word with hyphens is by its parts: Marie-Claude, Dupont-Moreau.
func lookParts(word string) role {
	a, b, two := strings.Cut(word, "-")
	if !two || a == "" || b == "" {
		return 0
	}
	var bufA, bufB [longestWord + utf8.UTFMax]byte
	d := dictionary()
	return d[string(appendFolded(bufA[:0], a))] & d[string(appendFolded(bufB[:0], b))] & (roleGiven | roleFamily)
}
