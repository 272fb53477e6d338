// Package redact leaves out of log lines what must not be kept where many people search: secrets, and what names a person.
//
// It is a net below the rule that no such value is logged, not a replacement of it: a name in a sentence is not recognised. What is
// recognised: values of fields whose name says so; values that are known secrets; credentials, addresses of e-mail, bank account and
// card numbers by their form and check digits; what the estate adds. A value that is left out becomes "[redacted]", so that the line
// still says that there was one.
package redact

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// Mark stands where something was.
const Mark = "[redacted]"

// maxDepth is how deep a document may nest; what is deeper is left out as a whole.
const maxDepth = 20

// Redactor leaves out what it is told to. It is safe for use by several at once.
type Redactor struct {
	names   []string // normalised
	own     []*regexp.Regexp
	secrets []string // the longest first
	forms   []form
}

// New makes a redactor. fields are more names of fields, patterns more expressions (RE2), secrets values that never pass.
func New(fields, patterns, secrets []string) (*Redactor, error) {
	r := &Redactor{names: sensitive(), forms: forms()}
	for _, f := range fields {
		r.names = append(r.names, "="+normal(f))
	}
	for _, p := range patterns {
		expr, err := regexp.Compile(p)
		if err != nil {
			return nil, err
		}
		r.own = append(r.own, expr)
	}
	for _, s := range secrets {
		if len(s) >= 6 { // a shorter one would tear ordinary words apart
			r.secrets = append(r.secrets, s)
		}
	}
	slices.SortFunc(r.secrets, func(a, b string) int { return len(b) - len(a) })
	return r, nil
}

// sensitive lists parts of names that say what stands behind them; with =, whole names, and with $, their ends.
func sensitive() []string {
	return []string{
		"password", "passwd", "passphrase", "passcode", "secret", "apikey", "privatekey", "accesskey", "authorization", "credential", "cookie", "bearer", "sessionid",
		"$pwd", "=pass", "$token", "csrf", "=otp", "=totp", "=pin", "=cvv", "=cvc",
		"email", "=mail", "iban", "cardnumber", "creditcard", "phone", "=mobile", "birthdate", "dateofbirth", "=dob", "nationalnumber", "=ssn", "=nrn", "=niss",
		"firstname", "lastname", "fullname", "surname", "familyname", "givenname", "streetaddress", "postaladdress",
	}
}

// normal writes a name without what differs between ways to write one: API-Key, api_key, apiKey.
func normal(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'A' && c <= 'Z':
			return c + 'a' - 'A'
		case c == '_' || c == '-' || c == ' ' || c == '.':
			return -1
		}
		return c
	}, name)
}

// Named reports whether the values of a field are left out. Of a dotted name the last part counts too.
func (r *Redactor) Named(field string) bool {
	whole := normal(field)
	last := normal(field[strings.LastIndexByte(field, '.')+1:])
	return slices.ContainsFunc(r.names, func(n string) bool {
		if exact, ok := strings.CutPrefix(n, "="); ok {
			return whole == exact || last == exact
		}
		if end, ok := strings.CutPrefix(n, "$"); ok {
			return strings.HasSuffix(whole, end)
		}
		return strings.Contains(whole, n)
	})
}

// form is a way in which something is written that is left out. Most lines hold none of it: may tells so at a tenth of the cost.
type form struct {
	may   func(s, lower string) bool
	expr  *regexp.Regexp
	keep  bool                // the first group stays
	valid func(s string) bool // nil: always
}

func forms() []form {
	must := regexp.MustCompile
	has := func(any ...string) func(s, lower string) bool {
		return func(s, _ string) bool { return containsAny(s, any) }
	}
	hasLower := func(any ...string) func(s, lower string) bool {
		return func(_, lower string) bool { return containsAny(lower, any) }
	}
	return []form{
		{may: has("PRIVATE KEY"), expr: must(`(?s)` + keyBegins + `.*?(` + keyEnds + `|$)`)},
		{may: hasLower("authorization"), expr: must(`(?i)\b((?:proxy-)?authorization\\*["']?\s*[:=]\s*\\*["']?)(?:[a-z]+\s+)?[^\s"',;\\]+`), keep: true},
		{may: hasLower("bearer", "basic", "apikey"), expr: must(`(?i)\b((?:bearer|basic|apikey)\s+)[a-z0-9._~+/=-]{12,}`), keep: true},
		{may: has("eyJ"), expr: must(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`)}, // RFC 7519
		{may: has("AKIA", "ASIA"), expr: must(`\b(?:AKIA|ASIA)[A-Z0-9]{16}\b`)},
		{may: has("gh", "github_pat", "glpat", "xox", "sk-", "sk_"), expr: must(`\b(?:ghp|gho|ghu|ghs|github_pat|glpat|xox[abprs]|sk)[_-][A-Za-z0-9_-]{16,}`)},
		{may: func(s, _ string) bool { return strings.Contains(s, "://") && strings.Contains(s, "@") },
			expr: must(`([a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/@"']+@`), keep: true}, // RFC 3986, userinfo
		{may: func(_, lower string) bool {
			return strings.ContainsAny(lower, ":=") && containsAny(lower, []string{"passw", "pwd", "passphrase", "secret", "token", "key", "session", "cookie"})
		}, expr: must(`(?i)((?:passwords?|passwd|pwd|passphrase|secrets?|tokens?|api[_-]?key|access[_-]?key|private[_-]?key|client[_-]?secret|session[_-]?id|set-cookie|cookie)\\*["']?\s*[:=]\s*)(?:\[redacted\]|"(?:[^"\\]|\\.)*"?|\\+"[^"]*"?|\\*'[^']*'?|[^\s,;&"'}\]]+)`), keep: true}, // with backslashes: JSON within a quoted text
		{may: has("@", "%40"), expr: must(`[\pL\pN._%+'-]+(?:@|%40)[\pL\pN-]+(?:\.[\pL\pN-]+)*\.\pL{2,}`)},
		{may: mayIBAN, expr: must(`\b[A-Z]{2}[0-9]{2}(?:[ ]?[A-Z0-9]{2,4}){3,8}\b`), valid: iban},
		{may: mayCard, expr: must(`\b(?:[0-9][ -]?){12,18}[0-9]\b`), valid: card},
	}
}

func containsAny(s string, any []string) bool {
	return slices.ContainsFunc(any, func(one string) bool { return strings.Contains(s, one) })
}

func digit(c byte) bool { return c >= '0' && c <= '9' }
func upper(c byte) bool { return c >= 'A' && c <= 'Z' }

// mayIBAN looks for two capitals with two digits behind them.
func mayIBAN(s, _ string) bool {
	for i := 3; i < len(s); i++ {
		if digit(s[i]) && digit(s[i-1]) && upper(s[i-2]) && upper(s[i-3]) {
			return true
		}
	}
	return false
}

// mayCard looks for thirteen digits with at most a space or a hyphen between two.
func mayCard(s, _ string) bool {
	run, gap := 0, 0
	for i := range len(s) {
		switch {
		case digit(s[i]):
			gap = 0
			if run++; run >= 13 {
				return true
			}
		case (s[i] == ' ' || s[i] == '-') && gap == 0:
			gap = 1
		default:
			run, gap = 0, 0
		}
	}
	return false
}

// iban reports whether the check digits fit (ISO 13616, ISO 7064 MOD 97-10).
func iban(s string) bool {
	s = strings.ReplaceAll(s, " ", "")
	if len(s) < 15 || len(s) > 34 {
		return false
	}
	rest := 0
	for _, c := range s[4:] + s[:4] {
		if c >= 'A' {
			rest = (rest*100 + int(c-'A') + 10) % 97
		} else {
			rest = (rest*10 + int(c-'0')) % 97
		}
	}
	return rest == 1
}

// card reports whether the check digit fits (ISO/IEC 7812, Luhn).
func card(s string) bool {
	sum, n := 0, 0
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] < '0' || s[i] > '9' {
			continue
		}
		d := int(s[i] - '0')
		if n%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
		n++
	}
	return n >= 13 && n <= 19 && sum%10 == 0 && sum > 0
}

// Text leaves out of a text what it recognises.
func (r *Redactor) Text(s string) string {
	for _, secret := range r.secrets {
		s = strings.ReplaceAll(s, secret, Mark)
	}
	lower := strings.ToLower(s)
	for _, f := range r.forms {
		if !f.may(s, lower) {
			continue
		}
		if f.valid == nil {
			s = f.expr.ReplaceAllString(s, map[bool]string{true: "${1}" + Mark, false: Mark}[f.keep])
			continue
		}
		s = f.expr.ReplaceAllStringFunc(s, func(found string) string {
			if f.valid(found) {
				return Mark
			}
			return found
		})
	}
	for _, expr := range r.own {
		s = expr.ReplaceAllLiteralString(s, Mark)
	}
	return s
}

// Document leaves out of a decoded JSON object what it recognises. The object itself is changed.
func (r *Redactor) Document(doc map[string]any) { r.object(doc, 0) }

func (r *Redactor) object(doc map[string]any, depth int) {
	for name, v := range doc {
		if r.Named(name) {
			if v != nil {
				doc[name] = Mark
			}
			continue
		}
		shown := r.Text(name) // an address may be a key
		v = r.value(v, depth+1)
		if shown != name {
			delete(doc, name)
		}
		doc[shown] = v
	}
}

func (r *Redactor) value(v any, depth int) any {
	switch v := v.(type) {
	case string:
		return r.Text(v)
	case json.Number:
		if s := r.Text(v.String()); s != v.String() {
			return s
		}
		return v
	case map[string]any:
		if depth > maxDepth {
			return Mark
		}
		r.object(v, depth)
		return v
	case []any:
		if depth > maxDepth {
			return Mark
		}
		for i := range v {
			v[i] = r.value(v[i], depth+1)
		}
		return v
	}
	return v
}
