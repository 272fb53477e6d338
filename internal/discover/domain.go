package discover

import (
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"github.com/garant-project/garant/internal/errs"
)

// ParseDomain reads a domain as people write it and returns it in ASCII and small letters. A
// domain under which strangers register names ("com", "co.uk", "github.io"; the list is
// publicsuffix.org's) is refused: what lies below is not the company's.
func ParseDomain(written string) (string, error) {
	s := strings.TrimSpace(written)
	invalid := func(text, fix string) (string, error) {
		return "", errs.New(errs.Invalid, "discover.domain", text).WithFix(fix)
	}
	const form = "Write the name alone, such as company.example."
	if strings.Contains(s, "/") || strings.Contains(s, "@") || strings.Contains(s, ":") {
		return invalid("A domain has no scheme, port, path or user.", form)
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return invalid("An address is not a domain.", form)
	}
	name, ok := hostName(strings.TrimSuffix(s, "."))
	if !ok {
		return invalid(quote(s)+" is not a domain.", form)
	}
	suffix, _ := publicsuffix.PublicSuffix(name)
	if suffix == name {
		return invalid("Below "+name+" anybody can have a name.", "Write the company's own domain, such as company."+name+".")
	}
	return name, nil
}

// Below reports whether a host is a domain or lies below it. Both are as ParseDomain returns them.
func Below(host, domain string) bool {
	return host == domain || strings.HasSuffix(host, "."+domain)
}

// hostName returns a name in its ASCII form, by the rules of IDNA 2008 (RFC 5891).
func hostName(s string) (string, bool) {
	ascii, err := idna.Lookup.ToASCII(s)
	if err != nil || ascii == "" || len(ascii) > 253 {
		return "", false
	}
	for label := range strings.SplitSeq(ascii, ".") {
		if !labelForm.MatchString(label) {
			return "", false
		}
	}
	return ascii, true
}
