package discover

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// proposals turns what hosts answered into items of endpoints, in the order of their names.
func (s *search) proposals() []Proposal {
	var list []Proposal
	slices.SortFunc(s.hosts, func(a, b *host) int { return cmp.Compare(a.name, b.name) })
	for _, h := range s.hosts {
		switch {
		case s.hidden(h):
		case h.secure.tls != nil:
			list = append(list, s.https(h))
		case h.plain.web != nil:
			list = append(list, s.plainOnly(h))
		}
	}
	for _, h := range s.databaseHosts() {
		list = append(list, s.postgres(h))
	}
	return list
}

// wish is the name that an endpoint would like to have.
func wish(h *host) string {
	if rest, ok := strings.CutSuffix(h.name, "."+h.domain); ok {
		return strings.ReplaceAll(rest, ".", "-")
	}
	label, _, _ := strings.Cut(h.domain, ".")
	return label
}

func (s *search) https(h *host) Proposal {
	p := Proposal{Section: Endpoints, Name: wish(h), Subject: "https://" + hostHeader(h.name, s.ask.Ports.HTTPS, 443)}
	p.Lines = append(p.Lines, Line{Key: "url", Value: p.Subject, Why: h.from + "; it answered there"})
	p.Lines = append(p.Lines, s.kind(h, "")...)
	if s.ask.Ports.HTTP != 80 {
		p.Lines = append(p.Lines, Line{Key: "plain_http", Value: net.JoinHostPort(h.name, strconv.Itoa(s.ask.Ports.HTTP)), Why: "where you said that plain HTTP would answer"})
	}
	p.Lines = append(p.Lines, s.certificateLines(h, h.secure.tls)...)

	saw := []string{"speaks " + h.secure.tls.version, certificateSaw(h.secure.tls)}
	var expect []string
	if web := h.secure.web; web == nil {
		saw = append(saw, "HTTP under it "+strings.TrimPrefix(h.secure.failed, "speaks TLS, but HTTP under it "))
	} else {
		saw = append(saw, "answers "+strconv.Itoa(web.status)+s.leads(h, web))
		if age, ok := hstsAge(web.hsts); !ok {
			expect = append(expect, "ENC-2 not met: no Strict-Transport-Security")
		} else if age < 365*24*time.Hour {
			expect = append(expect, fmt.Sprintf("ENC-2 not met: HSTS of %d days only", int(age.Hours()/24)))
		} else {
			saw = append(saw, fmt.Sprintf("HSTS of %d days", int(age.Hours()/24)))
		}
	}
	switch h.secure.tls.version {
	case "TLS 1.2", "TLS 1.3":
	default:
		expect = append(expect, "ENC-1 not met: nothing newer than "+h.secure.tls.version)
	}
	switch web := h.plain.web; {
	case web == nil:
		saw = append(saw, fmt.Sprintf("port %d %s", s.ask.Ports.HTTP, cmp.Or(h.plain.failed, "gives nothing")))
	case redirectsToHTTPS(web):
		saw = append(saw, fmt.Sprintf("port %d sends to HTTPS", s.ask.Ports.HTTP))
	default:
		expect = append(expect, fmt.Sprintf("ENC-1 not met: port %d answers %d without TLS", s.ask.Ports.HTTP, web.status))
	}
	if trouble := h.secure.tls.trouble; trouble != "" {
		expect = append(expect, certificateMeasure(h)+" not met: of the certificate, "+trouble)
	}
	p.Saw = told(h, saw, expect)
	return p
}

// plainOnly is for a host that answers without TLS alone: what the annex promises cannot hold
// there, and no check can look at it until it has TLS.
func (s *search) plainOnly(h *host) Proposal {
	p := Proposal{Section: Endpoints, Name: wish(h), Subject: "https://" + hostHeader(h.name, s.ask.Ports.HTTPS, 443),
		Off: "Take the # away once it has TLS, or end the plain server."}
	p.Lines = append(p.Lines, Line{Key: "url", Value: p.Subject, Why: h.from + "; nothing answers there yet"})
	p.Lines = append(p.Lines, s.kind(h, "")...)
	p.Saw = fmt.Sprintf("answers %d without TLS on port %d%s, and port %d %s", h.plain.web.status, s.ask.Ports.HTTP, s.leads(h, h.plain.web), s.ask.Ports.HTTPS, h.secure.failed)
	return p
}

// databaseHosts returns the hosts where PostgreSQL answers, one for each set of addresses: the
// one whose name says so, else the shortest.
func (s *search) databaseHosts() []*host {
	best := map[string]*host{}
	var order []string
	for _, h := range s.hosts {
		if !speaksPostgres(h.postgres) || s.hidden(h) {
			continue
		}
		key := fmt.Sprint(h.addresses)
		was, ok := best[key]
		if !ok {
			order = append(order, key)
		}
		if !ok || databaseRank(h) < databaseRank(was) {
			best[key] = h
		}
	}
	var list []*host
	for _, key := range order {
		list = append(list, best[key])
	}
	slices.SortFunc(list, func(a, b *host) int { return cmp.Compare(a.name, b.name) })
	return list
}

func databaseRank(h *host) string {
	if databaseWord(h) {
		return "0" + h.name
	}
	return fmt.Sprintf("1%03d%s", len(h.name), h.name)
}

func databaseWord(h *host) bool {
	return hasWord(h.name, h.domain, "db", "database", "postgres", "postgresql", "pg", "sql") != ""
}

func (s *search) postgres(h *host) Proposal {
	p := Proposal{Section: Endpoints, Name: wish(h), Subject: "postgres://" + hostHeader(h.name, s.ask.Ports.Postgres, 5432)}
	if !databaseWord(h) {
		p.Name += "-postgres"
	}
	p.Lines = append(p.Lines, Line{Key: "url", Value: p.Subject, Why: h.from + "; PostgreSQL answered there"})
	p.Lines = append(p.Lines, s.kind(h, "admin")...)
	saw := []string{"speaks PostgreSQL to whoever sits where this ran (should it? NET-1)"}
	var expect []string
	if shown := h.postgres.tls; shown != nil {
		p.Lines = append(p.Lines, s.certificateLines(h, shown)...)
		saw = append(saw, shown.version, certificateSaw(shown))
		if shown.trouble != "" {
			expect = append(expect, certificateMeasure(h)+" not met: of the certificate, "+shown.trouble)
		}
	} else {
		expect = append(expect, "ENC-1 not met: it has no TLS")
	}
	p.Saw = told(h, saw, expect)
	return p
}

func told(h *host, saw, expect []string) string {
	text := strings.Join(saw, ", ")
	if h.alias != "" {
		text += "; its name leads to " + h.alias + ": is it yours to guard?"
	}
	if len(expect) > 0 {
		text += ". Expect: " + strings.Join(expect, "; ")
	}
	return text
}

// kind are the lines that a name suggests and a person decides.
func (s *search) kind(h *host, audience string) []Line {
	environment, why := "production", "nothing in its name says otherwise; write non-production if no customer's data may be there"
	if word := nonProductionWord(h.name, h.domain); word != "" {
		environment, why = "non-production", "“"+word+"” in its name; write production if customers' data may be there"
	}
	lines := []Line{{Key: "environment", Value: environment, Why: why}}
	switch word := adminWord(h.name, h.domain); {
	case audience != "":
		lines = append(lines, Line{Key: "audience", Value: audience, Why: "a database is nobody's front door; write public if customers connect to it"})
	case word != "":
		lines = append(lines, Line{Key: "audience", Value: "admin", Why: "“" + word + "” in its name; write public if customers use it"})
	default:
		lines = append(lines, Line{Key: "audience", Value: "public", Why: "write admin if only staff use it"})
	}
	return lines
}

func certificateMeasure(h *host) string {
	if nonProductionWord(h.name, h.domain) != "" {
		return "CRT-2"
	}
	return "CRT-1"
}

func certificateSaw(t *handshake) string {
	return "certificate from " + printable(cmp.Or(issuer(t.leaf), "nobody named"), maxShown) + " until " + day(t.leaf.NotAfter)
}

// usualIssuer is whom the catalogue expects outside production, in CRT-2.
const usualIssuer = "Let's Encrypt"

// certificateLines are what the certificate suggests.
func (s *search) certificateLines(h *host, t *handshake) []Line {
	var lines []Line
	if t.private && s.ask.TrustFile != "" {
		lines = append(lines, Line{Key: "trust", Value: s.ask.TrustFile, Why: "the authorities you gave issued its certificate; this machine's did not"})
	}
	if name := issuer(t.leaf); name != "" && name == printable(name, maxShown) && t.trouble == "" {
		line := Line{Key: "issuer", Value: name, Off: true, Why: "as seen; take the # away if no other issuer is right"}
		if certificateMeasure(h) == "CRT-2" && len(t.leaf.Issuer.Organization) > 0 && !strings.EqualFold(strings.ReplaceAll(name, "’", "'"), usualIssuer) {
			line.Off, line.Why = false, "as seen; CRT-2 names it in the annex, and without this line says Let’s Encrypt: correct it if another is right"
		}
		lines = append(lines, line)
	}
	return lines
}

// hstsAge reads max-age of Strict-Transport-Security; the check reads it by the letter of RFC 6797.
func hstsAge(header string) (time.Duration, bool) {
	for directive := range strings.SplitSeq(header, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if !strings.EqualFold(strings.TrimSpace(key), "max-age") {
			continue
		}
		seconds, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31)
		return time.Duration(seconds) * time.Second, err == nil
	}
	return 0, false
}

func redirectsToHTTPS(w *webAnswer) bool {
	to, err := url.Parse(w.location)
	return err == nil && w.status >= 300 && w.status < 400 && to.Scheme == "https"
}

// leads says where a redirect goes, when that is another host.
func (s *search) leads(h *host, w *webAnswer) string {
	to, err := url.Parse(w.location)
	if err != nil || w.status < 300 || w.status > 399 || to.Hostname() == "" || plainName(to.Hostname()) == h.name {
		return ""
	}
	return " and sends to " + printable(to.Hostname(), maxShown)
}
