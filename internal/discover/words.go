package discover

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// labelForm is a label of a host name in ASCII, and a name of garant.yaml.
var labelForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// maxShown is how many characters of a stranger's text are shown in one piece.
const maxShown = 80

// printable makes a stranger's text fit for one line of a comment or a terminal: what nobody
// can see, line breaks and marks that turn the direction of writing become "?", blanks are
// joined, and what is longer than most is cut.
func printable(s string, most int) string {
	var b strings.Builder
	blank, n := false, 0
	for _, r := range s {
		if n >= most {
			b.WriteString("…")
			break
		}
		switch {
		case r == ' ' || r == '\t' || r == '\u00A0':
			blank = n > 0
			continue
		case r == utf8.RuneError || !unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r):
			r = '?'
		}
		if blank {
			b.WriteByte(' ')
			blank = false
			n++
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}

// writable reports whether a name can stand in garant.yaml as it is.
func writable(s string) bool {
	return s != "" && len(s) <= 63 && utf8.ValidString(s) && strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || unicode.Is(unicode.Bidi_Control, r) })
}

func quote(s string) string { return "“" + printable(s, maxShown) + "”" }

// some joins the first few of a list and says how many more there are.
func some(items []string, most int) string {
	if len(items) <= most {
		return strings.Join(items, ", ")
	}
	return strings.Join(items[:most], ", ") + " and " + count(len(items)-most, "other")
}

// The usual labels. A resolver is asked for each below each domain.
func usualLabels() []string {
	return []string{
		"www", "app", "admin", "api", "portal", "login", "auth", "sso", "id", "account", "accounts", "my", "secure",
		"extranet", "intranet", "backoffice", "back-office", "manage", "console", "dashboard",
		"staging", "stage", "test", "dev", "preprod", "uat", "qa", "demo", "sandbox", "beta",
		"files", "static", "cdn", "assets", "media", "status", "docs", "help", "support",
		"mail", "webmail", "vpn", "git", "gitlab", "ci", "jenkins", "grafana", "kibana", "monitor",
		"db", "database", "postgres", "pg", "sql",
	}
}

// hasWord reports whether one of the words stands in a host name between dots, hyphens and
// digits: "staging2-app.company.example" has "staging".
func hasWord(host, domain string, words ...string) string {
	rest := strings.TrimSuffix(strings.TrimSuffix(host, domain), ".")
	for _, part := range strings.FieldsFunc(rest, func(r rune) bool { return r == '.' || r == '-' || (r >= '0' && r <= '9') }) {
		if slices.Contains(words, part) {
			return part
		}
	}
	return ""
}

func nonProductionWord(host, domain string) string {
	return hasWord(host, domain, "staging", "stage", "stg", "test", "tests", "testing", "dev", "development", "preprod", "pre", "preproduction",
		"uat", "qa", "demo", "sandbox", "beta", "int", "integration", "acc", "acceptance", "recette", "review", "preview", "canary")
}

func adminWord(host, domain string) string {
	return hasWord(host, domain, "admin", "administration", "backoffice", "back", "manage", "management", "internal", "intranet", "vpn", "git", "gitlab", "ci",
		"jenkins", "grafana", "kibana", "monitor", "monitoring", "prometheus", "argocd", "vault", "db", "database", "postgres", "pg", "sql", "ops", "staff")
}
