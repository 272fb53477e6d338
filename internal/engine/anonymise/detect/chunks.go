package detect

import (
	"net/netip"
	"strings"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// What a byte may say of a chunk.
const (
	byteLetter uint8 = iota // nothing
	byteSplit               // ends it
	byteAt
	byteDot
	byteColon
	byteDigit
	byteOther
)

var bytesOf = func() (t [256]uint8) {
	for i := range t {
		switch c := byte(i); { //nolint:gosec // below 256
		case splits(c):
			t[i] = byteSplit
		case c == '@':
			t[i] = byteAt
		case c == '.':
			t[i] = byteDot
		case c == ':':
			t[i] = byteColon
		case isDigit(c):
			t[i] = byteDigit
		case c == '$' || c == '_' || c == '-' || c == '/' || c == '%' || c == '=' || c == '\\':
			t[i] = byteOther
		}
	}
	return t
}()

// chunks finds what is written without blanks: e-mail addresses, network addresses, addresses of profiles, secrets, files. It notes whether there are any digits.
func (f *finder) chunks() {
	s := f.s
	for i := 0; i < len(s); {
		if bytesOf[s[i]] == byteSplit {
			i++
			continue
		}
		end := i + 1
		var at, dots, colons, digits, others int
	chunk:
		for ; end < len(s); end++ {
			switch bytesOf[s[end]] {
			case byteLetter:
			case byteSplit:
				break chunk
			case byteAt:
				at++
			case byteDot:
				dots++
			case byteColon:
				colons++
			case byteDigit:
				digits++
			case byteOther:
				others++
			}
		}
		first := s[i]
		if first == '@' {
			at++
		}
		if isDigit(first) {
			digits++
		}
		if at+colons+digits+others == 0 && (end-i < shortestSecret || dots == 0 && end-i < 40) {
			i = end
			continue // a word, perhaps at the end of a sentence
		}
		f.digital = f.digital || digits > 0
		i = f.chunk(i, end, at+strings.Count(s[i:end], "%40"), dots, colons)
		f.digital = f.digital || i > end
	}
}

// splits tells what never stands inside a chunk.
func splits(c byte) bool {
	switch c {
	case ' ', '\t', '\n', '\r', '"', '<', '>', ',', ';', '(', ')', '[', ']', '{', '}', '|', '`', '\'':
		return true
	}
	return c < ' '
}

// chunk looks at one chunk and returns where to go on.
func (f *finder) chunk(start, end, at, dots, colons int) int {
	s := f.s
	if kind, stop := f.opening(start, end); stop > 0 {
		f.add(kind, start, stop, true)
		return stop
	}
	after := end // the marks at its end belong to the sentence
	for end > start+1 && (s[end-1] == '.' || s[end-1] == ':' || s[end-1] == '!' || s[end-1] == '?') {
		end--
	}
	c := s[start:end]
	switch {
	case isSecret(c):
		f.add(personal.Credential, start, end, true)
		return after
	case strings.HasPrefix(c, "data:") && strings.HasPrefix(s[end:], ";base64,"):
		stop := end + len(";base64,")
		for stop < len(s) && isBase64(s[stop]) {
			stop++
		}
		f.add(personal.File, start, stop, true)
		return stop
	case isBlob(c):
		f.add(personal.File, start, end, true)
		return after
	case isMAC(c):
		f.add(personal.Device, start, end, true)
		return after
	case dots == 3 && isDigit(c[0]):
		if n := v4(c); n > 0 {
			f.add(personal.IP, start, start+n, true)
			return after
		}
	case colons >= 2 && len(c) <= 49 && (colons == 7 || strings.Contains(c, "::")):
		if v6(c) {
			f.add(personal.IP, start, end, true)
			return after
		}
	}
	secret := false
	if k := strings.Index(c, "://"); k > 0 {
		secret = f.url(start, end, k)
	}
	if at > 0 && !secret {
		f.mails(start, end)
	}
	return after
}

// opening reads what is known by its first letters and goes over blanks: private keys, browsers.
func (f *finder) opening(start, end int) (personal.Kind, int) {
	s := f.s
	c := s[start:end]
	switch {
	case strings.HasPrefix(c, "-----BEGIN"):
		head := s[start:min(len(s), start+64)]
		k := strings.Index(head, "PRIVATE KEY-----")
		if k < 0 {
			return "", 0
		}
		body := start + k + len("PRIVATE KEY-----")
		tail := strings.Index(s[body:], "-----END")
		if tail < 0 {
			return personal.Credential, len(s)
		}
		stop := body + tail + len("-----END")
		if k := strings.Index(s[stop:min(len(s), stop+64)], "-----"); k >= 0 {
			stop += k + 5
		}
		return personal.Credential, stop
	case isBrowser(c):
		stop := end
		for stop+1 < len(s) && s[stop] == ' ' { // (comments) and product/version, the grammar of RFC 9110 10.1.5
			next := stop + 1
			if s[next] == '(' {
				k := strings.IndexByte(s[next:min(len(s), next+256)], ')')
				if k < 0 {
					break
				}
				stop = next + k + 1
				continue
			}
			k := next
			for k < len(s) && !splits(s[k]) {
				k++
			}
			if !strings.Contains(s[next:k], "/") && s[next:k] != "Mobile" && s[next:k] != "Gecko" {
				break
			}
			stop = k
		}
		return personal.Device, stop
	}
	return "", 0
}

func isBrowser(c string) bool {
	name, version, ok := strings.Cut(c, "/")
	if !ok || version == "" || len(name) > 20 {
		return false
	}
	switch name {
	case "Mozilla", "Opera", "okhttp", "curl", "Wget", "Dalvik", "CFNetwork", "PostmanRuntime", "python-requests", "Go-http-client", "axios", "Java", "Apache-HttpClient", "WhatsApp", "node-fetch":
		return true
	}
	return false
}

const shortestSecret = 16

// isSecret tells passwords' hashes, tokens and keys by the form that their makers gave them.
func isSecret(c string) bool {
	if len(c) < shortestSecret {
		return false
	}
	switch c[0] {
	case '$':
		for _, p := range [...]string{"$2a$", "$2b$", "$2y$", "$2x$", "$argon2", "$scrypt$", "$pbkdf2", "$7$", "$1$", "$5$", "$6$", "$y$", "$apr1$", "$P$", "$H$", "$s0$", "$s2$"} {
			if strings.HasPrefix(c, p) {
				return true
			}
		}
		return false
	case 'e':
		if strings.HasPrefix(c, "eyJ") { // {" in base64: a JSON web token (RFC 7519)
			head, rest, _ := strings.Cut(c, ".")
			body, _, ok := strings.Cut(rest, ".")
			return ok && len(head) >= 10 && len(body) >= 2
		}
	}
	for _, p := range [...]string{
		"pbkdf2_", "pbkdf2:", "scrypt:", "bcrypt$", "bcrypt_sha256$", "argon2$", "SCRAM-SHA-256$", "SSHA}", "sha1$", "sha256$", "PBKDF2$",
		"sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "xoxa-", "xapp-",
		"SG.", "ya29.", "sk-ant-", "sk-proj-", "npm_", "dop_v1_", "hf_", "shpat_", "pypi-", "AGE-SECRET-KEY-",
	} {
		if strings.HasPrefix(c, p) {
			return true
		}
	}
	switch {
	case len(c) == 20 && (strings.HasPrefix(c, "AKIA") || strings.HasPrefix(c, "ASIA")):
		return strings.ToUpper(c) == c
	case len(c) == 39 && strings.HasPrefix(c, "AIza"):
		return true
	case len(c) == 35 && strings.HasPrefix(c, "md5"):
		return allHex(c[3:])
	}
	return false
}

func allHex(c string) bool {
	for i := range len(c) {
		if !isHex(c[i]) {
			return false
		}
	}
	return c != ""
}

func isBase64(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '+' || c == '/' || c == '=' || c == '-' || c == '_'
}

// isBlob tells bytes that are written as text: bytea (\x…) or 256 letters of base64 and more.
func isBlob(c string) bool {
	if strings.HasPrefix(c, `\x`) {
		return len(c) >= 66 && allHex(c[2:])
	}
	if len(c) < 256 {
		return false
	}
	for i := range len(c) {
		if !isBase64(c[i]) {
			return false
		}
	}
	return true
}

func isMAC(c string) bool {
	if len(c) != 17 || c[2] != ':' && c[2] != '-' {
		return false
	}
	for i := range len(c) {
		if i%3 == 2 && c[i] != c[2] || i%3 != 2 && !isHex(c[i]) {
			return false
		}
	}
	return true
}

// v4 reads an address of version 4, with a prefix length or a port or without, and returns how long it is. Loopback and the like say nothing of a person.
func v4(c string) int {
	part, value, digits, first := 0, 0, 0, 0
	i := 0
	for ; i < len(c); i++ {
		if isDigit(c[i]) {
			if value, digits = value*10+int(c[i]-'0'), digits+1; value > 255 || digits > 3 {
				return 0
			}
			continue
		}
		if c[i] != '.' || digits == 0 || part == 3 {
			break
		}
		if part == 0 {
			first = value
		}
		part, value, digits = part+1, 0, 0
	}
	if part != 3 || digits == 0 || first == 0 || first == 127 || first == 255 {
		return 0
	}
	if i == len(c) || c[i] == ':' {
		return i
	}
	if c[i] == '/' && len(c)-i <= 3 && len(c)-i > 1 && skipDigits(c, i+1) == len(c) {
		return len(c)
	}
	return 0
}

func v6(c string) bool {
	for i := range len(c) {
		if !isHex(c[i]) && c[i] != ':' && c[i] != '.' && c[i] != '/' {
			return false
		}
	}
	host, bits, cidr := strings.Cut(c, "/")
	if cidr && (bits == "" || len(bits) > 3 || skipDigits(bits, 0) != len(bits)) {
		return false
	}
	a, err := netip.ParseAddr(host)
	return err == nil && !a.IsLoopback() && !a.IsUnspecified()
}

// mails finds each address of e-mail around an @ (or %40) between start and end.
func (f *finder) mails(start, end int) {
	s := f.s
	for p := start; p < end; p++ {
		wide := 1
		if s[p] == '%' && strings.HasPrefix(s[p:], "%40") {
			wide = 3
		} else if s[p] != '@' {
			continue
		}
		from := p
		for from > start && p-from < 64 && isLocal(s[from-1]) {
			from--
		}
		for from < p && !isLetter(s[from]) && !isDigit(s[from]) && s[from] != '_' {
			from++
		}
		to, dot := p+wide, 0
		for to < end && to-p < 255 && (isWord(s[to]) || s[to] == '-' || s[to] == '.' && s[to-1] != '.') {
			if s[to] == '.' {
				dot = to
			}
			to++
		}
		for to > p && (s[to-1] == '.' || s[to-1] == '-') {
			to--
			if dot == to {
				dot = strings.LastIndexByte(s[p:to], '.') + p
			}
		}
		switch {
		case from < p && dot > p+wide && to-dot > 2 && isLetter(s[dot+1]):
			f.add(personal.Email, from, to, true)
			p = to - 1
		case p == start && wide == 1 && to-p > 3 && (to == end || s[to] == '@') && dot == 0 && isLetter(s[p+1]):
			f.add(personal.Username, p, to, false) // @handle
			p = to - 1
		}
	}
}

func isLocal(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '.' || c == '_' || c == '+' || c == '-'
}

// url finds the address that leads to one person, to a profile, a picture, an account with another service, and the one that carries a secret, of which it
// returns true.
func (f *finder) url(start, end, scheme int) (secret bool) {
	s := f.s
	rest := s[start+scheme+3 : end]
	host, path, _ := strings.Cut(rest, "/")
	if user, _, ok := strings.Cut(host, "@"); ok {
		if strings.Contains(user, ":") {
			f.add(personal.Credential, start+scheme+3, start+scheme+3+len(user), true)
			return true
		}
	}
	if len(rest) > 2048 { // nobody's profile is that long
		return false
	}
	_, query, _ := strings.Cut(path, "?")
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		name, value, ok := strings.Cut(pair, "=")
		if ok && len(value) >= 6 && isSecretParameter(name) {
			f.add(personal.Credential, start, end, true)
			return true
		}
	}
	path, _, _ = strings.Cut(path, "?")
	if personPage(host) && path != "" {
		f.add(personal.PersonURL, start, end, true)
		return false
	}
	for path != "" {
		var part string
		part, path, _ = strings.Cut(path, "/")
		if len(part) > 1 && (part[0] == '@' || part[0] == '~') || path != "" && len(part) < 24 && personPart(strings.ToLower(part)) {
			f.add(personal.PersonURL, start, end, true)
			return false
		}
	}
	return false
}

func isSecretParameter(name string) bool {
	switch strings.ToLower(name) {
	case "token", "access_token", "refresh_token", "id_token", "api_key", "apikey", "key", "secret", "client_secret", "password", "pass", "pwd", "sig", "signature",
		"x-amz-signature", "x-amz-security-token", "x-goog-signature", "auth", "jwt", "reset_token", "confirmation_token", "invitation_token", "reset_password_token", "hmac":
		return true
	}
	return false
}

func personPage(host string) bool {
	host = strings.TrimPrefix(strings.TrimPrefix(strings.ToLower(host), "www."), "m.")
	switch host {
	case "facebook.com", "instagram.com", "twitter.com", "x.com", "t.me", "wa.me", "github.com", "gitlab.com", "linkedin.com", "tiktok.com", "gravatar.com",
		"secure.gravatar.com", "orcid.org", "xing.com", "snapchat.com", "pinterest.com", "reddit.com", "medium.com", "avatars.githubusercontent.com",
		"lh3.googleusercontent.com", "graph.facebook.com", "platform-lookaside.fbsbx.com", "bsky.app":
		return true
	}
	return strings.HasSuffix(host, ".linkedin.com")
}

func personPart(part string) bool {
	switch part {
	case "avatar", "avatars", "profile", "profiles", "profil", "profile_picture", "profile_pictures", "profile-pictures", "profile_images", "profilepic", "user", "users", "u", "people",
		"person", "personnes", "member", "members", "membres", "author", "authors", "portraits", "patients", "utilisateurs", "gebruikers", "benutzer", "nutzer", "in", "channel", "headshots":
		return true
	}
	return false
}
