package detect

import (
	"strconv"
	"strings"
	"sync"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// mostSamples bounds how many samples are looked at, longestSample how much of one.
const (
	mostSamples   = 200
	longestSample = 4096
)

// A content is what samples look like together.
type content struct {
	n         int                   // samples that are not empty
	kind      personal.Kind         // of most of them as whole values, or none
	whole     float64               // share of that kind
	sure      bool                  // by check digits or form
	within    personal.Kind         // found among other words: the most careful
	held      int                   // samples that hold something sure among other words
	sentences int                   // samples of five words and more
	codes     int                   // codes, figures, dates, addresses of pages
	opaque    int                   // like secrets or digests
	hits      map[personal.Kind]int // whole values by kind
	names     int                   // whole values that are names of any sort
	distinct  int
}

func (c *content) reason() Reason {
	return Reason{Code: reasonSamples, Word: string(c.kind), Hit: c.hits[c.kind], Of: c.n}
}

func (c *content) share(n int) float64 {
	if c.n == 0 {
		return 0
	}
	return float64(n) / float64(c.n)
}

// contentOf looks at the samples of a column.
func contentOf(col *Column) *content {
	c := &content{kind: personal.None, within: personal.None, hits: map[personal.Kind]int{}}
	array := strings.Contains(col.Type, "[]") || strings.HasPrefix(col.Type, "_")
	seen := map[string]bool{}
	sureBy := map[personal.Kind]int{}
	var all []string
	var found []Found
	for _, sample := range col.Samples {
		values := []string{sample}
		if array {
			values = elements(sample)
		}
		for _, v := range values {
			if v = strings.TrimSpace(v); v == "" || c.n >= mostSamples {
				continue
			}
			if len(v) > longestSample {
				v = v[:longestSample]
			}
			c.n++
			seen[v] = true
			all = append(all, v)
			found = AppendFound(found[:0], v)
			kind, sure := wholeKind(v, found)
			if kind != personal.None {
				c.hits[kind]++
				if sure {
					sureBy[kind]++
				}
				if isName(kind) {
					c.names++
				}
				continue
			}
			if k := within(found); k != personal.None {
				c.within = careful(c.within, k)
				c.held++
			}
			switch shapeOf(v) {
			case sentence:
				c.sentences++
			case code:
				c.codes++
			case secret:
				c.opaque++
			}
		}
	}
	c.distinct = len(seen)
	for _, k := range personal.Kinds() { // those that need more care first, where two are as frequent
		if c.hits[k] > c.hits[c.kind] {
			c.kind = k
		}
	}
	if c.kind == personal.None {
		switch {
		case areSexes(all):
			c.set(personal.Sex)
		case c.n >= 2 && areSpecial(all):
			c.set(personal.Special)
		}
		return c
	}
	if isName(c.kind) { // lists do not hold every name, and one name may be both
		c.whole = c.share(c.names)
		c.hits[c.kind] = c.names
		if c.hits[personal.FullName] > 0 {
			c.kind = personal.FullName
			c.hits[c.kind] = c.names
		}
	} else {
		c.whole = c.share(c.hits[c.kind])
	}
	c.sure = sureBy[c.kind]*2 > c.hits[c.kind]
	return c
}

func (c *content) set(k personal.Kind) { c.kind, c.whole, c.hits[k] = k, 1, c.n }

func isName(k personal.Kind) bool {
	return k == personal.GivenName || k == personal.FamilyName || k == personal.FullName
}

func isPlace(k personal.Kind) bool {
	return k == personal.Address || k == personal.Town || k == personal.Postcode
}

// careful returns the one of two kinds that needs more care.
func careful(a, b personal.Kind) personal.Kind {
	for _, k := range personal.Kinds() {
		if k == a || k == b {
			return k
		}
	}
	return personal.None
}

// wholeKind tells what a value is as a whole: what was found covers nearly all of it.
func wholeKind(v string, found []Found) (personal.Kind, bool) {
	covered, kind, sure := 0, personal.None, false
	for _, f := range found {
		covered += lettersIn(v[f.Start:f.End])
		switch {
		case kind == personal.None:
			kind, sure = f.Kind, f.Sure
		case kind == f.Kind:
			sure = sure && f.Sure
		case isName(kind) && isName(f.Kind):
			kind, sure = personal.FullName, false
		case isPlace(kind) && isPlace(f.Kind):
			kind, sure = personal.Address, false
		default:
			kind, sure = careful(kind, f.Kind), false
		}
	}
	if covered*10 < lettersIn(v)*8 {
		return personal.None, false
	}
	return kind, sure
}

// lettersIn counts letters and figures.
func lettersIn(s string) int {
	n := 0
	for i := range len(s) {
		if isLetter(s[i]) || isDigit(s[i]) {
			n++
		}
	}
	return n
}

// within returns the most careful kind that a value holds among other words and that is more than a name or a place.
func within(found []Found) personal.Kind {
	k := personal.None
	for _, f := range found {
		if f.Sure || f.Kind == personal.FullName || f.Kind == personal.Address {
			k = careful(k, f.Kind)
		}
	}
	return k
}

// A shape is what a value that is no personal data looks like.
type shape uint8

const (
	phrase shape = iota
	sentence
	code
	secret
)

func shapeOf(v string) shape {
	words, digits, upper, lower, marks := len(strings.Fields(v)), 0, 0, 0, 0
	for i := range len(v) {
		switch c := v[i]; {
		case isDigit(c):
			digits++
		case 'A' <= c && c <= 'Z':
			upper++
		case 'a' <= c && c <= 'z':
			lower++
		case c == '_' || c == '-' || c == '.' || c == ':' || c == '/' || c == '+' || c == '#' || c == '*' || c == '=':
			marks++
		}
	}
	plain := digits + upper + lower + marks
	switch {
	case strings.HasPrefix(v, "-----BEGIN"):
		return secret
	case strings.HasPrefix(v, "<") && strings.HasSuffix(v, ">") && words > 2:
		return sentence
	case words >= 5 && upper+lower > digits+marks && upper+lower > len(v)/2:
		return sentence
	case words > 1:
		if digits+marks+words >= len(v)-upper && digits > 0 || digits+marks >= lower+upper {
			return code // a time, a cron line
		}
		return phrase
	case strings.Contains(v, "://"):
		return code
	case looksUUID(v):
		return code
	case len(v) >= 20 && plain == len(v) && (allHex(v) && len(v)%2 == 0 || digits > 2 && upper > 2 && lower > 2 && !strings.Contains(v, "/") && !strings.Contains(v, ".")):
		return secret
	case len(v) >= 20 && strings.HasSuffix(v, "=") && plain == len(v):
		return secret
	case plain != len(v):
		return phrase
	case upper == 0 || lower == 0 && (digits > 0 || len(v) <= 4) || digits > 0:
		return code // small letters, or with figures
	}
	return phrase
}

func looksUUID(v string) bool {
	if len(v) != 36 {
		return false
	}
	for i := range len(v) {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (v[i] == '-') || !dash && !isHex(v[i]) {
			return false
		}
	}
	return true
}

// elements reads an array in PostgreSQL's text form, one level of it and those below.
func elements(v string) []string {
	if !strings.HasPrefix(v, "{") {
		return []string{v}
	}
	var out []string
	var b []byte
	quoted, any := false, false
	flush := func() {
		if any && (len(b) > 0) && !strings.EqualFold(string(b), "null") {
			out = append(out, string(b))
		}
		b, any = b[:0], false
	}
	for i := 1; i < len(v); i++ {
		switch c := v[i]; {
		case c == '\\' && i+1 < len(v):
			i++
			b, any = append(b, v[i]), true
		case c == '"':
			quoted = !quoted
			any = true
		case !quoted && (c == ',' || c == '}' || c == '{'):
			flush()
		default:
			b, any = append(b, c), true
		}
	}
	return out
}

// areSexes tells whether values are words for sex or forms of address only, at least one of them clearly.
func areSexes(values []string) bool {
	clear := map[string]bool{}
	for _, v := range values {
		switch w := strings.TrimSuffix(fold(strings.TrimSpace(v)), "."); w {
		case "male", "female", "homme", "femme", "man", "vrouw", "woman", "mannlich", "weiblich", "mannelijk", "vrouwelijk", "masculin", "feminin", "divers", "non-binary", "nonbinary",
			"herr", "frau", "dhr", "mevr", "mme", "mlle", "mrs", "miss", "monsieur", "madame", "mr", "ms", "mx", "dr", "meneer", "mevrouw":
			clear[w] = true
			clear["-"] = true
		case "m", "f", "v", "w", "h", "x", "d", "o", "u":
			clear[w] = true
		case "other", "unknown", "autre", "inconnu", "anders", "onbekend", "unbekannt", "":
		default:
			return false
		}
	}
	return clear["-"] && len(clear) > 1 || clear["m"] && (clear["f"] || clear["v"] || clear["w"]) || clear["h"] && clear["f"]
}

// areSpecial tells whether most values are words of a special category: faiths, unions, blood groups, illnesses.
func areSpecial(values []string) bool {
	n := 0
	for _, v := range values {
		if specialValues()[fold(strings.TrimSpace(v))] {
			n++
		}
	}
	return n > 0 && n*2 > len(values)
}

var specialValues = sync.OnceValue(func() map[string]bool {
	m := map[string]bool{}
	for w := range strings.SplitSeq("catholic|catholique|katholiek|katholisch|protestant|protestants|evangelisch|protestantse kerk|orthodox|orthodoxe|muslim|musulman|musulmane|islam|moslim|"+
		"muslimisch|jewish|juif|juive|joods|judisch|hindu|hindou|buddhist|bouddhiste|atheist|athee|agnostic|sikh|roman catholic|rooms-katholiek|a+|a-|b+|b-|ab+|ab-|o+|o-|"+
		"fgtb|csc|cgslb|abvv|acv|aclvb|cfdt|cgt|cftc|cfe-cgc|sud|unsa|fnv|cnv|ver.di|ig metall|gay|lesbian|bisexual|heterosexual|homosexual|hetero|homo|"+
		"asthma|asthme|astma|diabetes|diabete|epilepsy|epilepsie|depression|depressie|cancer|kanker|krebs|hiv|sida|autism|autisme|adhd|tdah|bipolar|schizophrenia|dyslexie|dyslexia", "|") {
		m[w] = true
	}
	return m
})

// birthYears tells whether days are spread over years in which living people are born, most of them before 2007.
func birthYears(samples []string) bool {
	n, old, low, high := 0, 0, 9999, 0
	for _, s := range samples {
		if len(s) < 10 || s[4] != '-' {
			continue
		}
		y, err := strconv.Atoi(s[:4])
		if err != nil {
			continue
		}
		n++
		if 1900 <= y && y < 2007 {
			old++
		}
		low, high = min(low, y), max(high, y)
	}
	return n >= 3 && old*10 >= n*6 && high-low >= 10 && low >= 1900
}
