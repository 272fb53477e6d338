package transform

import (
	"bytes"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/garant-project/garant/internal/engine/anonymise/names"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// suffixLetters are 32 signs that are told apart when read aloud.
const suffixLetters = "abcdefghijkmnpqrstuvwxyz23456789"

// The suffix has 50 bits: of a million addresses with the same names in them, two meet with a chance of 1 in 2,000. Without names it has 60.
const (
	suffixLength     = 10
	loneSuffixLength = 12
)

// mailDomains are reserved for documentation (RFC 2606 and 6761); the words before keep the people of one domain together.
var (
	mailHosts = []string{"mail", "post", "courrier", "poste", "office", "bureau", "contact", "home", "maison", "team", "equipe", "studio", "atelier", "forum", "campus", "club", "works", "net"}
	mailRoots = []string{"example.org", "example.com", "example.net"}
)

const shortDomain = "a.test" // RFC 6761

// mailer replaces addresses of e-mail and user names.
type mailer struct {
	standing
	*namer
	address, domain *mac
	taken           func([]byte) bool
	leaks           func([]byte) bool // of names that do not come from the value's own
	limit           int
	key, local      []byte
	domains         map[string]string
}

func (m *maker) mailer(domain string, kind personal.Kind) *mailer {
	n := m.namer()
	return &mailer{
		namer: n, address: m.env.Key.mac(domain), domain: m.env.Key.mac("domain"), taken: m.taken(kind), leaks: m.leaks(kind), limit: m.limit(), domains: map[string]string{},
	}
}

// foldAddress makes small letters, and drops blanks around.
func foldAddress(dst, value []byte) []byte {
	value = bytes.TrimSpace(value)
	for len(value) > 0 && value[0] < utf8.RuneSelf {
		c := value[0]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst, value = append(dst, c), value[1:]
	}
	for _, r := range string(value) { // no copy: the compiler ranges over the bytes
		if r < utf8.RuneSelf {
			if 'A' <= r && r <= 'Z' {
				r += 'a' - 'A'
			}
			dst = append(dst, byte(r))
			continue
		}
		dst = utf8.AppendRune(dst, unicode.ToLower(r))
	}
	return dst
}

// appendLocal writes the names of a local part, replaced, in small letters, and reports whether there were at least a given and a family name. All that is no
// name is left out.
func (t *mailer) appendLocal(dst, local []byte) ([]byte, bool, error) {
	t.words = t.words[:0]
	for i := 0; i < len(local); {
		size, letter := letterAt(local[i:])
		if !letter {
			i += size
			continue
		}
		start := i
		for i < len(local) {
			if size, letter = letterAt(local[i:]); !letter {
				break
			}
			i += size
		}
		t.fold = names.AppendFold(t.fold[:0], local[start:i])
		t.words = append(t.words, word{start: start, end: i, role: roleFamily, style: lower, ascii: true, given: names.IsGiven(t.fold)})
	}
	// Two to four words of which no two are initials are names; everything else is a word such as info or jdupont.
	long := 0
	for _, w := range t.words {
		if w.end-w.start > 1 {
			long++
		}
	}
	if len(t.words) < 2 || len(t.words) > 4 || long == 0 {
		return dst, false, nil
	}
	t.assignLocal()
	var err error
	for i := 0; i < len(t.words); i++ {
		w := t.words[i]
		if i > 0 {
			dst = append(dst, local[t.words[i-1].end])
			if c := &dst[len(dst)-1]; *c != '_' && *c != '-' {
				*c = '.'
			}
		}
		if w.role == roleGiven {
			dst = t.appendGiven(dst, local[w.start:w.end], lower, true)
		} else if dst, err = t.appendFamily(dst, local[w.start:w.end], lower, true, 0); err != nil {
			return dst, false, err
		}
	}
	return dst, true, nil
}

// letterAt tells how long the character is that a text begins with, and whether it is a letter.
func letterAt(text []byte) (size int, letter bool) {
	if c := text[0]; c < utf8.RuneSelf {
		return 1, 'a' <= c|0x20 && c|0x20 <= 'z'
	}
	r, n := utf8.DecodeRune(text)
	return n, unicode.IsLetter(r)
}

// assignLocal says which words of a local part are given names: jean-pierre.dupont, dupont.jean, j.dupont.
func (t *mailer) assignLocal() {
	last := len(t.words) - 1
	if !t.words[0].given && t.words[last].given && t.words[0].end-t.words[0].start > 1 {
		t.words[last].role = roleGiven
		return
	}
	t.words[0].role = roleGiven
	for i := 1; i < last && (t.words[i].given || t.words[i].end-t.words[i].start == 1); i++ {
		t.words[i].role = roleGiven
	}
}

// appendSuffix draws what makes a replacement unique.
func appendSuffix(dst []byte, d *draw, n int) []byte {
	var v uint64
	for i := range n {
		if i%12 == 0 { // of five bits each
			v = d.uint64()
		}
		dst = append(dst, suffixLetters[v%32])
		v /= 32
	}
	return dst
}

// appendDrawn writes names that do not come from the value's own.
func (t *mailer) appendDrawn(dst []byte, d *draw) []byte {
	given := t.lists.Given(names.Female + names.Sex(d.Below(2))) //nolint:gosec // 0 or 1
	t.candidate = append(t.candidate[:0], given[d.Below(len(given))]...)
	dst = appendStyled(dst, t.candidate, lower, true)
	t.candidate = t.lists.AppendComposed(append(t.candidate[:0], '.'), d)
	return appendStyled(dst, t.candidate, lower, true)
}

// domainOf returns the domain that replaces another.
func (t *mailer) domainOf(domain []byte) string {
	if d, ok := t.domains[string(domain)]; ok {
		return d
	}
	d := t.domain.draw(domain, 0)
	out := mailHosts[d.Below(len(mailHosts))] + "." + mailRoots[d.Below(len(mailRoots))]
	if len(t.domains) < 4096 {
		t.domains[string(domain)] = out
	}
	return out
}

// appendAddress replaces one address. Whatever the column holds in place of one becomes one.
func (t *mailer) appendAddress(dst, value []byte) ([]byte, error) {
	t.key = foldAddress(t.key[:0], value)
	local, domain := t.key, []byte(nil)
	if at := bytes.LastIndexByte(t.key, '@'); at >= 0 {
		local, domain = t.key[:at], t.key[at+1:]
	}
	var named bool
	var err error
	if t.local, named, err = t.appendLocal(t.local[:0], local); err != nil {
		return dst, err
	}
	start := len(dst)
	for again := range tries {
		d := t.address.draw(t.key, again)
		if !named {
			t.local = t.appendDrawn(t.local[:0], d)
		}
		host := t.domainOf(domain)
		dst = append(append(dst[:start], t.local...), '.')
		dst = append(append(appendSuffix(dst, d, suffixLength), '@'), host...)
		if len(dst)-start > t.limit {
			n := min(loneSuffixLength, t.limit-len(shortDomain)-1)
			dst = append(append(appendSuffix(dst[:start], d, n), '@'), shortDomain...)
		}
		if s, _ := styleOf(value); s == upper {
			for i := start; i < len(dst); i++ {
				if c := &dst[i]; 'a' <= *c && *c <= 'z' {
					*c -= 'a' - 'A'
				}
			}
		}
		if !t.taken(dst[start:]) && (named || !t.leaks(dst[start:])) {
			return dst, nil
		}
	}
	return dst, errExhausted
}

// emailTransformer replaces addresses, several in one value and with names beside them included.
type emailTransformer struct {
	*mailer
	name *nameTransformer
}

// Append implements Transformer.
func (t *emailTransformer) Append(dst, value []byte, row Row) ([]byte, error) {
	trimmed := bytes.TrimSpace(value)
	switch {
	case len(trimmed) == 0:
		return append(dst, value...), nil
	case bytes.IndexByte(value, '@') < 0 || !bytes.ContainsAny(trimmed, " \t\r\n,;<>\""):
		return t.appendAddress(dst, value)
	}
	// "Éric Dupont" <eric@example.be>, others@example.be
	start := len(dst)
	var err error
	for i := 0; i < len(value); {
		n := bytes.IndexAny(value[i:], " \t\r\n,;<>\"")
		if n < 0 {
			n = len(value) - i
		}
		if part := value[i : i+n]; bytes.IndexByte(part, '@') >= 0 {
			if dst, err = t.appendAddress(dst, part); err != nil {
				return dst, err
			}
			i += n
		} else { // up to the word that holds the next address
			end := i + n
			for end < len(value) {
				stop := end + 1
				if n = bytes.IndexAny(value[stop:], " \t\r\n,;<>\""); n < 0 {
					n = len(value) - stop
				}
				if bytes.IndexByte(value[stop:stop+n], '@') >= 0 {
					end = stop
					break
				}
				end = stop + n
			}
			if dst, err = t.name.Append(dst, value[i:end], row); err != nil {
				return dst, err
			}
			i = end
		}
	}
	if len(dst)-start > t.limit {
		return t.appendAddress(dst[:start], value)
	}
	return dst, nil
}

func makeEmail(m *maker) (Transformer, error) {
	least := len(shortDomain) + 2
	if m.column.Unique {
		least = len(shortDomain) + 1 + loneSuffixLength
	}
	if m.limit() < least {
		return nil, fmt.Errorf("a length of %d has no room for an address; it takes %d", m.limit(), least)
	}
	t := m.mailer("email", personal.Email)
	return &emailTransformer{mailer: t, name: &nameTransformer{namer: t.namer, whole: m.taken(personal.FullName), limit: 1 << 20}}, nil
}

// usernameTransformer replaces names by which people sign in.
type usernameTransformer struct {
	*mailer
	email *emailTransformer // nil when the column has no room for one
}

// Append implements Transformer.
func (t *usernameTransformer) Append(dst, value []byte, row Row) ([]byte, error) {
	t.key = foldAddress(t.key[:0], value)
	if len(t.key) == 0 {
		return append(dst, value...), nil
	}
	if t.email != nil && bytes.IndexByte(t.key, '@') > 0 {
		return t.email.Append(dst, value, row)
	}
	s, _ := styleOf(value)
	start := len(dst)
	var named bool
	var err error
	if t.local, named, err = t.appendLocal(t.local[:0], t.key); err != nil {
		return dst, err
	}
	for again := range tries {
		d := t.address.draw(t.key, again)
		if !named {
			t.local = t.appendDrawn(t.local[:0], d)
		}
		dst = append(append(dst[:start], t.local...), '.')
		if dst = appendSuffix(dst, d, suffixLength); len(dst)-start > t.limit {
			dst = appendSuffix(dst[:start], d, min(loneSuffixLength, t.limit))
		}
		if s == upper {
			copy(dst[start:], bytes.ToUpper(dst[start:]))
		}
		if !t.taken(dst[start:]) && (named || !t.leaks(dst[start:])) {
			return dst, nil
		}
	}
	return dst, errExhausted
}

func makeUsername(m *maker) (Transformer, error) {
	if least := loneSuffixLength; m.column.Unique && m.limit() < least {
		return nil, fmt.Errorf("a length of %d is too short for names that are unique; it takes %d, or the transformer hash", m.limit(), least)
	}
	t := &usernameTransformer{mailer: m.mailer("username", personal.Username)}
	if m.limit() >= len(shortDomain)+1+loneSuffixLength {
		mail := m.mailer("email", personal.Email)
		t.email = &emailTransformer{mailer: mail, name: &nameTransformer{namer: mail.namer, whole: m.taken(personal.FullName), limit: 1 << 20}}
	}
	return t, nil
}
