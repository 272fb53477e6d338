package estate

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// Server is what one server needs to run. It is read at start and is no part of the estate:
// servers of one database may differ in it.
type Server struct {
	Database     DatabaseSettings
	Listen       Listen
	Hosts        Hosts
	TLS          TLS
	TrustedProxy []netip.Prefix // proxies that end TLS before Garant and whose X-Forwarded-* are believed
	Keys         Keys
	Mail         Mail
}

// DatabaseSettings says how each role reaches the database.
type DatabaseSettings struct {
	URLs map[pg.Role]Secret // every role, or empty: a private cluster in the data directory
}

// Listen is the addresses of the listeners, each host:port.
type Listen struct {
	Console string
	Annex   string
	Portal  string
	Metrics string // empty: none
}

// Hosts is the names under which browsers reach the listeners. A passkey is bound to its host.
type Hosts struct{ Console, Annex, Portal string }

// TLS is the certificate that the listeners show; zero: plain HTTP.
type TLS struct {
	Certificate string // path of a PEM chain
	Key         Secret
}

// Keys is where the keys that wrap data keys are kept.
type Keys struct {
	Provider string // "keyfile"
	Path     string // of the key file; empty: in the data directory
}

// DefaultServer returns what holds when garant.yaml says nothing: a private cluster, plain HTTP
// on loopback.
func DefaultServer() *Server {
	return &Server{
		Listen: Listen{Console: "127.0.0.1:8480", Annex: "127.0.0.1:8481", Portal: "127.0.0.1:8486"},
		Hosts:  Hosts{Console: "admin.localhost", Annex: "trust.localhost", Portal: "portal.localhost"},
		Keys:   Keys{Provider: "keyfile"},
	}
}

// Enabled reports whether the listeners speak TLS themselves.
func (t TLS) Enabled() bool { return t.Certificate != "" }

// Load reads the certificate and its key.
func (t TLS) Load() (tls.Certificate, error) {
	chain, _, err := readRegular(t.Certificate)
	if err != nil {
		return tls.Certificate{}, errs.New(errs.Invalid, "estate.tls", FileName+": tls.certificate: The file cannot be used: "+readFailure(err)+".").
			WithFix("The path is taken from the directory of " + FileName + ".")
	}
	key, err := t.Key.Reveal()
	if err != nil {
		return tls.Certificate{}, err
	}
	certificate, err := tls.X509KeyPair(chain, []byte(key))
	if err != nil {
		return tls.Certificate{}, errs.New(errs.Invalid, "estate.tls", FileName+": tls: The certificate and the key do not make a pair.").
			WithFix("Give the PEM chain, the server's own certificate first, and the PEM key of that certificate.")
	}
	return certificate, nil
}

// settings reads the sections of the server.
type settings struct {
	problems
	dir Dir
}

// ParseServer reads the server settings of garant.yaml. dir is where the file stands. The error
// is a *Problems.
//
// Plain HTTP is accepted on loopback under names of loopback, or behind a declared proxy.
func ParseServer(source []byte, dir Dir) (*Server, error) {
	p := &settings{dir: dir}
	s := p.server(source)
	if err := p.err(); err != nil {
		return nil, err
	}
	return s, nil
}

func (p *settings) server(source []byte) *Server {
	sections := p.document(source)
	if sections == nil {
		return nil
	}
	s := DefaultServer()
	if n, ok := sections["database"]; ok {
		s.Database = p.database(n)
	}
	if n, ok := sections["keys"]; ok {
		s.Keys = p.keys(n)
	}
	if n, ok := sections["mail"]; ok {
		s.Mail = p.mail(n)
	}
	if n, ok := sections["tls"]; ok {
		s.TLS = p.tls(n)
	}
	if n, ok := sections["trusted_proxy"]; ok {
		s.TrustedProxy = p.proxies(n)
	}
	protected := sections["tls"] != nil || sections["trusted_proxy"] != nil
	p.listen(sections["listen"], &s.Listen, protected)
	p.hosts(sections["hosts"], &s.Hosts, protected)
	return s
}

func (p *settings) database(n *yaml.Node) DatabaseSettings {
	const at = "database"
	var names []string
	for _, role := range pg.Roles() {
		names = append(names, strings.TrimPrefix(string(role), "garant_"))
	}
	values := p.fields(n, at, names...)
	d := DatabaseSettings{URLs: map[pg.Role]Secret{}}
	for i, role := range pg.Roles() {
		v := p.required(n, values, at, names[i], "Every role connects with credentials of its own; remove the section to use a private cluster.")
		d.URLs[role] = p.secret(v, path(at, names[i]), p.dir)
	}
	return d
}

func (p *settings) keys(n *yaml.Node) Keys {
	const at = "keys"
	values := p.fields(n, at, "provider", "path")
	k := Keys{}
	k.Provider, _ = p.oneOf(p.required(n, values, at, "provider", "Write keyfile."), at+".provider", "a key provider", "keyfile")
	if name, ok := p.text(values["path"], at+".path"); ok {
		k.Path = p.dir.resolve(name)
	}
	return k
}

func (p *settings) tls(n *yaml.Node) TLS {
	const at = "tls"
	values := p.fields(n, at, "certificate", "key")
	var t TLS
	certificate := p.required(n, values, at, "certificate", "Write file:PATH of the PEM chain.")
	if written, ok := p.text(certificate, at+".certificate"); ok {
		name, found := strings.CutPrefix(written, "file:")
		if name = strings.TrimSpace(name); !found || name == "" {
			p.add(certificate, at+".certificate", "The certificate stands in a file.", "Write file:PATH of the PEM chain.")
		} else {
			t.Certificate = p.dir.resolve(name)
		}
	}
	t.Key = p.secret(p.required(n, values, at, "key", "Write file:PATH or env:NAME of the PEM key."), at+".key", p.dir)
	return t
}

func (p *settings) proxies(n *yaml.Node) []netip.Prefix {
	const at, form = "trusted_proxy", "List the addresses of the proxies, such as 10.0.0.7 or 10.0.0.0/28."
	var prefixes []netip.Prefix
	for i, item := range p.list(n, at, form) {
		key := fmt.Sprintf("%s[%d]", at, i)
		written, ok := p.text(item, key)
		if !ok {
			continue
		}
		prefix, err := netip.ParsePrefix(written)
		if address, single := netip.ParseAddr(written); single == nil && address.Zone() == "" {
			prefix, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		switch {
		case err != nil:
			p.add(item, key, quote(written)+" is not an address or a range of them.", form)
		case prefix.Bits() < 8:
			p.add(item, key, quote(written)+" trusts most of the Internet to say who a visitor is.", form)
		case slices.Contains(prefixes, prefix.Masked()):
			p.add(item, key, quote(written)+" is listed twice.", "Keep one of them.")
		default:
			prefixes = append(prefixes, prefix.Masked())
		}
	}
	return prefixes
}

func (p *settings) listen(n *yaml.Node, l *Listen, protected bool) {
	const at = "listen"
	if n == nil {
		return
	}
	listeners := []struct {
		name string
		into *string
	}{{"console", &l.Console}, {"annex", &l.Annex}, {"portal", &l.Portal}, {"metrics", &l.Metrics}}
	values := p.fields(n, at, "console", "annex", "portal", "metrics")
	for _, listener := range listeners {
		v, ok := values[listener.name]
		if !ok {
			continue
		}
		key := path(at, listener.name)
		address, loopback, ok := p.listener(v, key)
		if !ok {
			continue
		}
		if !loopback && !protected {
			p.add(v, key, "Plain HTTP would be open to other machines.", "Listen on 127.0.0.1, declare tls, or name in trusted_proxy the proxy that ends TLS.")
			continue
		}
		*listener.into = address
	}
	for i, first := range listeners {
		for _, second := range listeners[i+1:] {
			if *first.into != *second.into {
				continue
			}
			v, key := values[second.name], path(at, second.name)
			if v == nil {
				v, key = values[first.name], path(at, first.name)
			}
			if v != nil {
				p.add(v, key, "The address is the one of "+first.name+" and "+second.name+" alike.", "Give each listener a port of its own.")
			}
		}
	}
}

// listener reads an address to listen on.
func (p *settings) listener(n *yaml.Node, key string) (address string, loopback, ok bool) {
	const form = "Write HOST:PORT, such as 127.0.0.1:8480."
	if n.Kind == yaml.ScalarNode && n.Tag == "!!int" {
		p.add(n, key, "A port alone would open it to every network.", form)
		return "", false, false
	}
	written, ok := p.text(n, key)
	if !ok {
		return "", false, false
	}
	host, port, err := net.SplitHostPort(written)
	number, valid := portNumber(port) // 0 would be any port: nobody could find it, and no passkey be bound to it
	if err != nil || !valid {
		p.add(n, key, quote(written)+" is not an address to listen on.", form)
		return "", false, false
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if host != "" {
		ip, err := netip.ParseAddr(host)
		if err != nil {
			p.add(n, key, quote(host)+" is not an address of this machine.", "Write the numeric address, such as 127.0.0.1:8480.")
			return "", false, false
		}
		loopback = ip.IsLoopback()
	}
	return net.JoinHostPort(host, strconv.Itoa(number)), loopback, true
}

func (p *settings) hosts(n *yaml.Node, h *Hosts, protected bool) {
	const at = "hosts"
	if n == nil {
		return
	}
	sites := []struct {
		name string
		into *string
	}{{"console", &h.Console}, {"annex", &h.Annex}, {"portal", &h.Portal}}
	values := p.fields(n, at, "console", "annex", "portal")
	for _, site := range sites {
		v, key := values[site.name], path(at, site.name)
		written, ok := p.text(v, key)
		if !ok {
			continue
		}
		host, ok := hostName(written)
		ip, err := netip.ParseAddr(host)
		switch {
		case !ok:
			p.add(v, key, quote(written)+" is not a host name.", "Write the name alone, without https:// and without a port, such as admin.company.example.")
		case err == nil:
			p.add(v, key, quote(ip.String())+" is a number, and passkeys are bound to names.", "Write a name, such as admin.localhost.")
		case !protected && host != "localhost" && !strings.HasSuffix(host, ".localhost"):
			p.add(v, key, "Browsers would reach this name over plain HTTP.", "Declare tls, or name in trusted_proxy the proxy that ends TLS; *.localhost needs neither.")
		default:
			*site.into = host
		}
	}
	for i, first := range sites {
		for _, second := range sites[i+1:] {
			if *first.into != *second.into {
				continue
			}
			v, key := values[second.name], path(at, second.name)
			if v == nil {
				v, key = values[first.name], path(at, first.name)
			}
			p.add(v, key, "The "+first.name+" and the "+second.name+" have the same name.", "Give each a name of its own: cookies of one must not reach the other.")
		}
	}
}
