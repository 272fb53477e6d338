package transform

import (
	"errors"
	"unicode/utf8"

	"github.com/garant-project/garant/internal/engine/anonymise/names"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// tries is how often a value is drawn for which each replacement is a value of the source. With names composed of two a set of 10^8 names would have to be
// taken before one value in 10^9 fails.
const tries = 64

var (
	errExhausted = errors.New("every replacement drawn for a value is a value of the source; take another transformer, such as hash or suppress")
	errShortURL  = errors.New("the column is too short for addresses that are unique; take hash")
)

// namer replaces the words of names. The same word, however it is written, is replaced by the same name everywhere.
type namer struct {
	lists         *names.Lists
	given, family *mac
	taken         func([]byte) bool // family names of the source
	ascii         bool
	fold, other   []byte
	candidate     []byte
	words         []word
	*drawn
}

// Drawn remembers what was drawn, by language.
type Drawn map[*names.Lists]*drawn

// drawn is what was drawn for the folded names that came first; few names are many people's.
type drawn struct{ givens, families map[string]string }

func (d Drawn) of(l *names.Lists) *drawn {
	one := d[l]
	if one == nil {
		one = &drawn{givens: map[string]string{}, families: map[string]string{}}
		if d != nil {
			d[l] = one
		}
	}
	return one
}

// remembered is how many names are remembered of each sort.
const remembered = 1 << 14

func remember(all map[string]string, fold, drawn []byte) {
	if len(all) < remembered {
		all[string(fold)] = string(drawn)
	}
}

func (m *maker) namer() *namer {
	lists := m.language()
	return &namer{
		lists: lists, ascii: m.flag("ascii"), given: m.env.Key.mac("given name"), family: m.env.Key.mac("family name"), taken: m.taken(personal.FamilyName), drawn: m.env.Drawn.of(lists),
	}
}

// appendGiven replaces one word of a given name: Jean and Pierre of Jean-Pierre. The sex that the name says is kept.
func (n *namer) appendGiven(dst, unit []byte, s style, plain bool) []byte {
	n.fold = names.AppendFold(n.fold[:0], unit)
	if len(n.fold) == 0 {
		return dst
	}
	if drawn, ok := n.givens[string(n.fold)]; ok {
		n.candidate = append(n.candidate[:0], drawn...)
		return appendStyled(dst, n.candidate, s, plain)
	}
	d := n.given.draw(n.fold, 0)
	if utf8.RuneCount(n.fold) == 1 { // an initial
		c := byte('A' + d.Below(26))
		if c|0x20 == n.fold[0] {
			c = 'A' + (c-'A'+1)%26
		}
		n.candidate = append(n.candidate[:0], c)
		return appendStyled(dst, n.candidate, s, plain)
	}
	sex := names.SexOf(n.fold)
	if sex == names.Unknown {
		sex = names.Female + names.Sex(d.Below(2)) //nolint:gosec // 0 or 1
	}
	list := n.lists.Given(sex)
	at := d.Below(len(list))
	for range len(list) {
		n.candidate = append(n.candidate[:0], list[at]...)
		n.other = names.AppendFold(n.other[:0], n.candidate)
		if string(n.other) != string(n.fold) {
			break
		}
		at = (at + 1) % len(list)
	}
	remember(n.givens, n.fold, n.candidate)
	return appendStyled(dst, n.candidate, s, plain)
}

// appendFamily replaces one family name, its particles included: Van den Berghe is one, and the same as Vandenberghe. again counts what was drawn in vain for
// what the name is a part of.
func (n *namer) appendFamily(dst, unit []byte, s style, plain bool, again int) ([]byte, error) {
	n.fold = names.AppendFold(n.fold[:0], unit)
	if len(n.fold) == 0 {
		return dst, nil
	}
	if drawn, ok := n.families[string(n.fold)]; ok && again == 0 {
		n.candidate = append(n.candidate[:0], drawn...)
		return appendStyled(dst, n.candidate, s, plain), nil
	}
	for try := again * tries; try < (again+1)*tries; try++ {
		d := n.family.draw(n.fold, try)
		if utf8.RuneCount(n.fold) == 1 {
			n.candidate = append(n.candidate[:0], byte('A'+d.Below(26)))
			n.other = names.AppendFold(n.other[:0], n.candidate)
			if n.other[0] != n.fold[0] {
				return appendStyled(dst, n.candidate, s, plain), nil
			}
			continue
		}
		n.candidate = append(n.candidate[:0], n.lists.Family[d.Below(len(n.lists.Family))]...)
		for range 3 {
			n.other = names.AppendFold(n.other[:0], n.candidate)
			if string(n.other) != string(n.fold) && !n.taken(n.candidate) {
				if again == 0 {
					remember(n.families, n.fold, n.candidate)
				}
				return appendStyled(dst, n.candidate, s, plain), nil
			}
			n.candidate = n.lists.AppendComposed(n.candidate[:0], d)
			if try >= again*tries+4 {
				n.candidate = n.lists.AppendComposed(append(n.candidate, '-'), d)
			}
		}
	}
	return dst, errExhausted
}

// role is what a word of a name is.
type role uint8

const (
	roleNone     role = iota // separators
	roleKept                 // a title, "née", "Jr"
	roleParticle             // van, de la: part of the family name that follows
	roleGiven
	roleFamily
)

type word struct {
	start, end int
	role       role
	style      style
	ascii      bool
	given      bool // is a given name of one of the lists
	hyphen     bool // follows the word before with only a hyphen in between
	comma      bool // follows a comma
}

// particle reports whether a folded word goes with the family name behind it.
func particle(w string) bool {
	switch w {
	case "van", "von", "der", "den", "de", "del", "della", "di", "da", "du", "des", "dos", "la", "le", "les", "el", "al", "ben", "bin", "ten", "ter", "t", "zu", "zum", "zur", "vande",
		"vanden", "vander", "op", "het", "saint", "sainte", "st", "mac", "mc", "o", "d", "l":
		return true
	}
	return false
}

// kept reports whether a folded word says nothing of who somebody is.
func kept(w string) bool {
	switch w {
	case "m", "mm", "mme", "mmes", "mlle", "mr", "mrs", "ms", "miss", "mx", "dr", "dre", "pr", "prof", "me", "mtre", "maitre", "monsieur", "madame", "mademoiselle", "docteur", "professeur", "veuve", "vve",
		"dhr", "mevr", "mw", "mej", "heer", "mevrouw", "meneer", "dokter", "herr", "frau", "doktor", "sir", "lady", "lord", "rev", "ing", "ir", "drs", "mgr",
		"dit", "dite", "alias", "et", "and", "en", "und", "ou":
		return true
	}
	return marries(w) || follows(w)
}

// follows reports whether a kept word stands behind a name.
func follows(w string) bool {
	switch w {
	case "jr", "sr", "junior", "senior", "ii", "iii", "iv", "fils", "pere":
		return true
	}
	return false
}

// marries reports whether a kept word is followed by a family name.
func marries(w string) bool {
	switch w {
	case "nee", "ne", "epouse", "epoux", "ep", "geb", "geboren", "geborene", "born":
		return true
	}
	return false
}

// split finds the words of a name and says what each is, as far as a word alone tells.
func (n *namer) split(value []byte) {
	n.words = n.words[:0]
	hyphen, comma, last := false, false, -1
	for i := 0; i < len(value); {
		in, size := isWord(value[i:])
		if !in {
			hyphen = value[i] == '-' && last == i
			comma = comma || value[i] == ','
			i += size
			continue
		}
		start := i
		for i < len(value) {
			in, size := isWord(value[i:])
			if !in {
				break
			}
			i += size
		}
		w := word{start: start, end: i, role: roleFamily, hyphen: hyphen, comma: comma}
		n.fold = names.AppendFold(n.fold[:0], value[start:i])
		w.style, w.ascii = styleOf(value[start:i])
		switch dot := i < len(value) && value[i] == '.'; {
		case len(n.fold) == 0:
			w.role = roleNone
		case kept(string(n.fold)) && (len(n.fold) > 1 || len(n.words) == 0 && (dot || i < len(value))):
			w.role = roleKept
		case particle(string(n.fold)) && !hyphen && !dot:
			w.role = roleParticle
		case names.IsGiven(n.fold):
			w.given = true
		}
		n.words = append(n.words, w)
		hyphen, comma, last = false, false, i
	}
	// A title with nothing behind it, or alone, is a name: Jack Lord, Born. So is a particle: Monsieur Le.
	if end := len(n.words) - 1; end >= 0 && n.words[end].role == roleKept {
		w, alone := &n.words[end], true
		for _, other := range n.words[:end] {
			alone = alone && (other.role == roleKept || other.role == roleNone)
		}
		n.fold = names.AppendFold(n.fold[:0], value[w.start:w.end])
		if alone || !follows(string(n.fold)) && !w.comma {
			w.role, w.given = roleFamily, names.IsGiven(n.fold)
		}
	}
	for i := range n.words {
		if n.words[i].role == roleParticle && (i+1 == len(n.words) || n.words[i+1].role == roleKept || n.words[i+1].comma) {
			n.words[i].role = roleFamily
		}
	}
}

// assign says of each word whether it is a given or a family name.
func (n *namer) assign(value []byte) {
	first, last, count, capitals, commaAt := -1, -1, 0, 0, -1
	for i := range n.words {
		w := &n.words[i]
		if w.role != roleFamily && w.role != roleParticle {
			continue
		}
		if w.comma && commaAt < 0 && count > 0 {
			commaAt = i
		}
		if first < 0 {
			first = i
		}
		last = i
		count++
		if w.style == upper {
			capitals++
		}
	}
	switch count {
	case 0:
		return
	case 1:
		if n.words[first].given && first == 0 {
			n.words[first].role = roleGiven
		}
		return
	}
	set := func(from, to int, r role) {
		for i := from; i < to; i++ {
			if n.words[i].role == roleFamily {
				n.words[i].role = r
			}
		}
	}
	capital := func(i int) bool { return n.words[i].style == upper }
	switch {
	case commaAt >= 0: // DUPONT, Éric
		set(commaAt, len(n.words), roleGiven)
	case capitals > 0 && capitals < count && n.mixed(): // Éric DUPONT, DUPONT Éric
		for i := range n.words {
			if n.words[i].role == roleFamily && !capital(i) && (i == 0 || n.words[i-1].role != roleParticle) {
				n.words[i].role = roleGiven
			}
		}
	case !n.words[first].given && n.words[last].given && n.words[first].end-n.words[first].start > 2 && n.words[last].role == roleFamily && (last == 0 || n.words[last-1].role != roleParticle): // Dupont Éric
		n.words[last].role = roleGiven
		for i := last; i > first && n.words[i].hyphen; i-- {
			n.words[i-1].role = roleGiven
		}
	default: // Éric Dupont: as many given names as are known as such, one at least, and the last word is none
		i := first
		if n.words[i].role == roleParticle {
			return
		}
		for n.words[i].role = roleGiven; i+1 < last; i++ {
			next := &n.words[i+1]
			if next.role == roleKept {
				break
			}
			if next.role == roleParticle || !next.given && !next.hyphen && next.end-next.start > 1 {
				break
			}
			next.role = roleGiven
		}
		if i+1 == last && n.words[last].hyphen && n.words[i].role == roleGiven {
			n.words[i].role = roleFamily // Éric Dupont-Martin, and not Éric-Dupont Martin
			for j := i; j > first && n.words[j].hyphen; j-- {
				n.words[j-1].role = roleFamily
			}
		}
	}
	n.afterMarriage(value)
}

// mixed reports whether words in capitals are longer than initials.
func (n *namer) mixed() bool {
	for _, w := range n.words {
		if w.style == upper && w.role == roleFamily && w.end-w.start > 2 {
			return true
		}
	}
	return false
}

// afterMarriage makes family names of what follows "née" and its like.
func (n *namer) afterMarriage(value []byte) {
	behind := false
	for i := range n.words {
		w := &n.words[i]
		if w.role == roleKept {
			n.fold = names.AppendFold(n.fold[:0], value[w.start:w.end])
			behind = behind || marries(string(n.fold))
		} else if behind && w.role == roleGiven {
			w.role = roleFamily
		}
	}
}

// appendWords writes a name whose words have their roles, and everything that stands between them.
func (n *namer) appendWords(dst, value []byte, again int) ([]byte, error) {
	at := 0
	var err error
	for i := 0; i < len(n.words); i++ {
		w := n.words[i]
		dst = appendClean(dst, value[at:w.start])
		unit := value[w.start:w.end]
		at = w.end
		switch w.role {
		case roleNone, roleKept:
			dst = append(dst, unit...)
		case roleGiven:
			dst = n.appendGiven(dst, unit, w.style, n.plain(w))
		default:
			start := w.start
			for w.role == roleParticle && i+1 < len(n.words) { // the name and its particles are one
				i++
				w = n.words[i]
			}
			at = w.end
			if dst, err = n.appendFamily(dst, value[start:w.end], w.style, n.plain(w), again); err != nil {
				return dst, err
			}
		}
	}
	return appendClean(dst, value[at:]), nil
}

// plain reports whether a word is to be written without accents: always when the plan says so, and as in the source when in capitals.
func (n *namer) plain(w word) bool { return n.ascii || w.style == upper && w.ascii }

// appendClean copies what stands between words, without what no text of PostgreSQL may hold.
func appendClean(dst, between []byte) []byte {
	for _, c := range between {
		if c != 0 {
			dst = append(dst, c)
		}
	}
	return dst
}

// nameTransformer replaces given names, family names or both.
type nameTransformer struct {
	standing
	*namer
	whole func([]byte) bool // what of the source the whole must not be; nil: nothing
	limit int
	role  role // roleNone: as assign finds
}

// Append implements Transformer.
func (t *nameTransformer) Append(dst, value []byte, _ Row) ([]byte, error) {
	t.split(value)
	switch t.role {
	case roleNone:
		t.assign(value)
	case roleGiven:
		for i := range t.words {
			if r := &t.words[i].role; *r == roleFamily || *r == roleParticle {
				*r = roleGiven
			}
		}
	}
	start := len(dst)
	for again := range tries / 4 {
		out, err := t.appendWords(dst[:start], value, again)
		if err != nil {
			return dst, err
		}
		dst = cut(out, start, t.limit)
		if t.whole == nil || len(dst) == start || !t.whole(dst[start:]) {
			return dst, nil
		}
	}
	return dst, errExhausted
}
