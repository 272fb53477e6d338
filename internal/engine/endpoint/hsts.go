package endpoint

import (
	"errors"
	"math"
	"strings"
	"time"
)

// policyHSTS is what a Strict-Transport-Security header says.
type policyHSTS struct {
	maxAge     time.Duration
	subdomains bool
}

var (
	errNoMaxAge  = errors.New("no max-age")
	errDuplicate = errors.New("a directive that stands twice")
	errSyntax    = errors.New("not the syntax of RFC 6797")
)

// parseHSTS reads one header field by RFC 6797 §6.1. As §8.1 asks of browsers, a field that
// breaks the syntax counts for nothing as a whole, while a directive with an unknown name is
// skipped.
func parseHSTS(field string) (policyHSTS, error) {
	var p policyHSTS
	seen := map[string]bool{}
	for rest, more := field, true; more; {
		var directive string
		var err error
		directive, rest, more, err = cutDirective(rest)
		if err != nil {
			return policyHSTS{}, err
		}
		if directive = strings.Trim(directive, " \t"); directive == "" {
			continue
		}
		name, value, hasValue := strings.Cut(directive, "=")
		name, value = strings.ToLower(strings.TrimRight(name, " \t")), strings.TrimLeft(value, " \t")
		if !isToken(name) {
			return policyHSTS{}, errSyntax
		}
		if seen[name] {
			return policyHSTS{}, errDuplicate
		}
		seen[name] = true
		if hasValue {
			if value, err = unquote(value); err != nil {
				return policyHSTS{}, err
			}
		}
		switch name {
		case "max-age":
			if p.maxAge, err = deltaSeconds(value); err != nil || !hasValue {
				return policyHSTS{}, errSyntax
			}
		case "includesubdomains":
			if hasValue {
				return policyHSTS{}, errSyntax
			}
			p.subdomains = true
		}
	}
	if !seen["max-age"] {
		return policyHSTS{}, errNoMaxAge
	}
	return p, nil
}

// cutDirective cuts at the first semicolon outside quotes.
func cutDirective(s string) (directive, rest string, more bool, err error) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ';' && !quoted:
			return s[:i], s[i+1:], true, nil
		}
	}
	if quoted {
		return "", "", false, errSyntax
	}
	return s, "", false, nil
}

// unquote returns the value of a token or a quoted-string (RFC 2616 §2.2).
func unquote(s string) (string, error) {
	if !strings.HasPrefix(s, `"`) {
		if !isToken(s) {
			return "", errSyntax
		}
		return s, nil
	}
	if len(s) < 2 || !strings.HasSuffix(s, `"`) {
		return "", errSyntax
	}
	var b strings.Builder
	inner := s[1 : len(s)-1]
	for i := 0; i < len(inner); i++ {
		switch inner[i] {
		case '\\':
			if i++; i == len(inner) {
				return "", errSyntax
			}
		case '"':
			return "", errSyntax
		}
		b.WriteByte(inner[i])
	}
	return b.String(), nil
}

func isToken(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7F || strings.IndexByte(`()<>@,;:\"/[]?={}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// deltaSeconds reads 1*DIGIT. A number too large to hold means as long as can be.
func deltaSeconds(s string) (time.Duration, error) {
	if s == "" {
		return 0, errSyntax
	}
	const most = int64(math.MaxInt64 / int64(time.Second))
	var n int64
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, errSyntax
		}
		if n > (most-9)/10 {
			n = most / 10 // stays at the bound whatever digits follow
		}
		n = n*10 + int64(c-'0')
	}
	return time.Duration(min(n, most)) * time.Second, nil
}
