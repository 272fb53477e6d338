package estate

import (
	"net/mail"
	"net/netip"
	"net/url"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Mail is how this server sends mail; zero: it sends none. It is a Server, or an Outbox.
type Mail struct {
	From     mail.Address
	Host     string // empty: no server
	Port     int
	Implicit bool   // TLS from the first byte; otherwise STARTTLS, without which nothing is sent
	User     string // empty: the server asks nobody
	Password Secret
	TrustPEM []byte // authorities to trust; nil: the machine's
	Outbox   string // directory that gets one .eml file for each message
}

// Enabled reports whether mail is sent at all.
func (m Mail) Enabled() bool { return m.Host != "" || m.Outbox != "" }

func (p *settings) mail(n *yaml.Node) Mail {
	const at = "mail"
	values := p.fields(n, at, "from", "server", "password", "trust", "outbox")
	var m Mail
	m.From = p.sender(p.required(n, values, at, "from", "Write the address that messages come from, such as garant@company.example."))
	server, outbox := values["server"], values["outbox"]
	switch {
	case server == nil && outbox == nil:
		p.add(n, at, "There is nowhere to send messages.", "Write server: smtps://USER@HOST, or, for development, outbox: DIRECTORY.")
	case server != nil && outbox != nil:
		p.add(outbox, at+".outbox", "Messages go to a server or into a directory, not to both.", "Remove one of the two.")
	case server != nil:
		p.mailServer(server, &m)
	default:
		if name, ok := p.text(outbox, at+".outbox"); ok {
			m.Outbox = p.dir.resolve(name)
		}
	}
	if v := values["trust"]; v != nil {
		reader := &parser{problems: problems{}, files: p.dir, read: Files{}}
		m.TrustPEM = reader.trust(v, at+".trust")
		p.found = append(p.found, reader.found...)
	}
	password := values["password"]
	m.Password = p.secret(password, at+".password", p.dir)
	switch {
	case password == nil && m.User != "":
		p.add(server, at+".password", "The server is told a name without a password.", "Write password: env:NAME or file:PATH.")
	case password != nil && m.User == "" && m.Host != "":
		p.add(password, at+".password", "Nobody is named to whom this password belongs.", "Write the name into the address of the server: smtps://USER@HOST.")
	case password != nil && m.Outbox != "":
		p.add(password, at+".password", "A directory asks for no password.", "Remove it.")
	}
	return m
}

func (p *settings) sender(n *yaml.Node) mail.Address {
	const key = "mail.from"
	written, ok := p.text(n, key)
	if !ok {
		return mail.Address{}
	}
	address, err := mail.ParseAddress(written)
	if err != nil || strings.ContainsAny(written, "\r\n") {
		p.add(n, key, quote(written)+" is not an e-mail address.", "Write garant@company.example, or Name <garant@company.example>.")
		return mail.Address{}
	}
	return *address
}

// mailServer reads smtps://USER@HOST:PORT (RFC 8314, 3: implicit TLS) or smtp://USER@HOST:PORT
// (RFC 3207: STARTTLS, which must succeed).
func (p *settings) mailServer(n *yaml.Node, m *Mail) {
	const key, form = "mail.server", "Write smtps://USER@HOST:465, or smtp://USER@HOST:587 for a server that begins with STARTTLS."
	written, ok := p.text(n, key)
	if !ok {
		return
	}
	u, err := url.Parse(written)
	if err != nil {
		p.add(n, key, "This is not the address of a mail server.", form)
		return
	}
	if _, has := u.User.Password(); has {
		p.add(n, key, "A password in an address is read by everybody who reads the file.", "Remove it, and write password: env:NAME or file:PATH.")
		return
	}
	port, usual := u.Port(), map[string]int{"smtps": 465, "smtp": 587}[u.Scheme]
	number, valid := usual, true
	if port != "" {
		number, valid = portNumber(port)
	}
	host, named := hostName(u.Hostname())
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		host, named = u.Hostname(), true
	}
	if usual == 0 || !valid || !named || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(u.User.Username(), "\r\n\x00") {
		p.add(n, key, quote(written)+" is not the address of a mail server.", form)
		return
	}
	m.Host, m.Port, m.Implicit, m.User = host, number, u.Scheme == "smtps", u.User.Username()
}
