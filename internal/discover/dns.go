package discover

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/garant-project/garant/internal/outgoing"
)

// DNS finds endpoints from domains: it looks up the usual names below them, and the names that
// DNS, certificates and redirects show, and asks each host that exists on three ports.
type DNS struct {
	Now func() time.Time // for the validity of certificates
}

// Bounds of the source.
const (
	lookupsAtOnce = 16
	hostsAtOnce   = 24
	rounds        = 3   // names found in one are looked at in the next
	maxFoundNames = 60  // below one domain, that were not usual ones
	maxHosts      = 200 // asked in all
	// anyName is looked up to learn whether every name below a domain resolves.
	anyName = "garant-asks-whether-any-name-resolves"
)

// Name is the source's name.
func (*DNS) Name() string { return "dns" }

// Asks says whom the source asks.
func (*DNS) Asks(a Ask) string {
	if len(a.Domains) == 0 {
		return ""
	}
	return fmt.Sprintf("your resolver for the usual names below %s, and the hosts it finds there on ports %d, %d and %d",
		some(a.Domains, 5), a.Ports.HTTPS, a.Ports.HTTP, a.Ports.Postgres)
}

// host is a name that exists.
type host struct {
	name      string
	domain    string // of the Ask, the nearest
	from      string // how it came to be asked
	addresses []netip.Addr
	alias     string // where its name leads, when that is outside the domains
	secure    *contact
	plain     *contact
	postgres  *contact
}

// search is one Find of DNS.
type search struct {
	*DNS
	ask Ask
	way Way

	mu       sync.Mutex
	known    map[string]bool // names taken up
	hosts    []*host
	any      map[string][]netip.Addr // by domain: where every name leads; none: it does not
	deaf     map[string]bool         // domains for which the resolver does not answer
	unasked  []string                // names whose lookup failed
	left     map[string]int          // by domain: names found beyond the bound
	foreign  map[string]bool         // names outside, as certificates and redirects show them
	notes    []Note
	progress int
}

// Find looks at the domains of the Ask.
func (d *DNS) Find(ctx context.Context, a Ask, way Way) (Found, error) {
	a.Domains = slices.Sorted(slices.Values(a.Domains))
	a.Domains = slices.Compact(a.Domains)
	s := &search{DNS: d, ask: a, way: way, known: map[string]bool{}, any: map[string][]netip.Addr{}, deaf: map[string]bool{},
		left: map[string]int{}, foreign: map[string]bool{}}
	wanted := s.begin(ctx)
	for round := 0; round < rounds && len(wanted) > 0; round++ {
		fresh := s.resolve(ctx, wanted)
		s.look(ctx, fresh)
		wanted = s.shown(fresh)
	}
	for name := range wanted {
		s.left[s.domainOf(name)]++
	}
	s.remarks(ctx)
	return Found{Proposals: s.proposals(), Notes: s.notes}, nil
}

// begin learns what each domain is like and returns the names to look up, with why.
func (s *search) begin(ctx context.Context) map[string]string {
	wanted := map[string]string{}
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(lookupsAtOnce)
	for _, domain := range s.ask.Domains {
		g.Go(func() error {
			s.ask.progress("Looking up " + domain)
			_, _, err := s.way.Addresses(ctx, domain)
			spread, _, anyErr := s.way.Addresses(ctx, anyName+"."+domain)
			if err != nil && anyErr != nil {
				s.mu.Lock()
				s.deaf[domain] = true
				s.note(domain, "Nothing below it could be looked up: "+reason(err)+". Check the resolver, then run this again.")
				s.mu.Unlock()
				return nil
			}
			servers, serversErr := s.way.Servers(ctx, domain)
			s.mu.Lock()
			if len(spread) > 0 {
				s.any[domain] = spread
				s.note(domain, "Every name below it resolves (a wildcard). Usual names are taken up only when a certificate bears them or their address differs; name others with --domain.")
			}
			if serversErr != nil {
				s.note(domain, "Its mail and name servers could not be looked up: "+reason(serversErr)+".")
			}
			s.mu.Unlock()
			mu.Lock()
			defer mu.Unlock()
			wanted[domain] = "a domain you named"
			for _, label := range usualLabels() {
				if name := label + "." + domain; wanted[name] == "" && len(name) <= 253 {
					wanted[name] = "a usual name, which your resolver knows"
				}
			}
			for _, name := range servers {
				if _, ok := hostName(name); ok && Below(name, domain) && wanted[name] == "" {
					wanted[name] = "a mail or name server of " + domain
				}
			}
			return nil
		})
	}
	_ = g.Wait()                           // no function gives an error
	for _, domain := range s.ask.Domains { // whatever came first
		if wanted[domain] != "" {
			wanted[domain] = "a domain you named"
		}
	}
	return wanted
}

func reason(err error) string {
	switch {
	case errors.Is(err, errNoAnswer), errors.Is(err, errLookup):
		return strings.ReplaceAll(err.Error(), "\n", ", ")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "the time was over"
	}
	return "the lookup failed"
}

// domainOf returns the longest domain of the Ask that a name lies below, or "".
func (s *search) domainOf(name string) string {
	best := ""
	for _, d := range s.ask.Domains {
		if Below(name, d) && len(d) > len(best) {
			best = d
		}
	}
	return best
}

// note is called with mu held, or after all work has ended.
func (s *search) note(about, text string) {
	s.notes = append(s.notes, Note{About: about, Text: text})
}

// resolve looks names up and returns the hosts that are new, in order.
func (s *search) resolve(ctx context.Context, wanted map[string]string) []*host {
	var fresh []*host
	var g errgroup.Group
	g.SetLimit(lookupsAtOnce)
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		domain := s.domainOf(name)
		if domain == "" || s.known[name] || s.deaf[domain] {
			continue
		}
		s.known[name] = true
		g.Go(func() error {
			addresses, canonical, err := s.way.Addresses(ctx, name)
			s.mu.Lock()
			defer s.mu.Unlock()
			switch {
			case err != nil:
				s.unasked = append(s.unasked, name)
			case len(addresses) > 0:
				if addresses = reachable(addresses); len(addresses) == 0 {
					s.note(name, "It resolves to addresses that no server of yours can have (link-local, a cloud's own, or none at all): not asked.")
					return nil
				}
				h := &host{name: name, domain: domain, from: wanted[name], addresses: addresses}
				if canonical != name && s.domainOf(canonical) == "" {
					h.alias = canonical
				}
				fresh = append(fresh, h)
			case name == domain:
				s.note(name, "Your resolver knows no address of the domain itself.")
			}
			return nil
		})
	}
	_ = g.Wait() // no function gives an error
	slices.SortFunc(fresh, func(a, b *host) int { return cmp.Compare(a.name, b.name) })
	if room := maxHosts - len(s.hosts); len(fresh) > room {
		for _, h := range fresh[room:] {
			s.left[h.domain]++
		}
		fresh = fresh[:room]
	}
	s.hosts = append(s.hosts, fresh...)
	return fresh
}

// reachable leaves out the addresses that lead to nobody in particular, or to where clouds answer
// with credentials of the machine.
func reachable(addresses []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(addresses), func(a netip.Addr) bool { return !callable(a) })
}

func callable(a netip.Addr) bool {
	return outgoing.Allowed(netip.AddrPortFrom(a, 443).String(), true)
}

// look asks hosts on their ports.
func (s *search) look(ctx context.Context, hosts []*host) {
	var g errgroup.Group
	g.SetLimit(hostsAtOnce)
	for _, h := range hosts {
		g.Go(func() error {
			var three sync.WaitGroup
			three.Go(func() { h.secure = s.lookHTTPS(ctx, s.way, s.ask, h.name, h.addresses) })
			three.Go(func() { h.plain = s.lookHTTP(ctx, s.way, s.ask, h.name, h.addresses) })
			three.Go(func() { h.postgres = s.lookPostgres(ctx, s.way, s.ask, h.name, h.addresses) })
			three.Wait()
			s.mu.Lock()
			s.progress++
			line := fmt.Sprintf("%s: %s (%s so far)", h.name, h.summary(), count(s.progress, "host"))
			s.mu.Unlock()
			s.ask.progress(line)
			return nil
		})
	}
	_ = g.Wait() // no function gives an error
}

func (h *host) summary() string {
	var answers []string
	for _, c := range []struct {
		what string
		*contact
	}{{"HTTPS", h.secure}, {"HTTP", h.plain}, {"PostgreSQL", h.postgres}} {
		if c.opened && (c.failed == "" || c.tls != nil) {
			answers = append(answers, c.what)
		}
	}
	if len(answers) == 0 {
		return "no answer"
	}
	return strings.Join(answers, ", ")
}

// shown returns names that certificates and redirects of hosts show, with why. Those outside the
// domains are remembered, never asked.
func (s *search) shown(hosts []*host) map[string]string {
	names := map[string]string{}
	perDomain := map[string]int{}
	take := func(name, why string) {
		name = plainName(strings.TrimPrefix(name, "*."))
		ascii, ok := hostName(name)
		if !ok {
			return
		}
		domain := s.domainOf(ascii)
		switch {
		case domain == "":
			s.foreign[ascii] = true
		case s.known[ascii] || names[ascii] != "":
		case perDomain[domain] >= maxFoundNames:
			s.left[domain]++
		default:
			perDomain[domain]++
			names[ascii] = why
		}
	}
	for _, h := range hosts {
		for _, c := range []*contact{h.secure, h.postgres} {
			if c.tls == nil {
				continue
			}
			bears := slices.Sorted(slices.Values(c.tls.leaf.DNSNames))
			for _, name := range bears {
				take(name, "the certificate at "+h.name+" bears it")
			}
		}
		for _, c := range []*contact{h.secure, h.plain} {
			if c.web == nil {
				continue
			}
			if to, err := url.Parse(c.web.location); err == nil && to.Hostname() != "" {
				take(to.Hostname(), h.name+" redirects to it")
			}
		}
	}
	return names
}

// remarks tells what was not seen or left out.
func (s *search) remarks(ctx context.Context) {
	if len(s.unasked) > 0 {
		slices.Sort(s.unasked)
		s.note("dns", fmt.Sprintf("%s could not be looked up: %s.", count(len(s.unasked), "name"), some(s.unasked, 5)))
	}
	for _, domain := range slices.Sorted(maps.Keys(s.left)) {
		s.note(domain, fmt.Sprintf("%s below it were shown and not looked at: more than a first draft needs. Name those that matter with --domain.", count(s.left[domain], "name")))
	}
	if len(s.foreign) > 0 {
		names := slices.Sorted(maps.Keys(s.foreign))
		s.note("dns", fmt.Sprintf("Certificates or redirects show %s outside the domains you named, which were not asked: %s. If one is yours, give it with --domain.",
			count(len(names), "name"), some(names, 5)))
	}
	if ctx.Err() != nil {
		s.note("dns", "The time was over before everything was looked at: what is missing here may exist.")
	}
	for _, h := range s.hosts {
		s.silent(h)
	}
	slices.SortStableFunc(s.notes, func(a, b Note) int {
		return cmp.Or(cmp.Compare(a.About, b.About), cmp.Compare(a.Text, b.Text))
	})
}

// silent tells of a host that exists and gives no line of the estate.
func (s *search) silent(h *host) {
	if s.hidden(h) || h.secure.tls == nil && h.plain.web != nil && !speaksPostgres(h.postgres) { // told with its lines
		return
	}
	if h.secure.tls == nil && !speaksPostgres(h.postgres) {
		var parts []string
		for _, p := range []struct {
			port int
			*contact
		}{{s.ask.Ports.HTTPS, h.secure}, {s.ask.Ports.HTTP, h.plain}, {s.ask.Ports.Postgres, h.postgres}} {
			if p.failed != "" {
				parts = append(parts, fmt.Sprintf("%d %s", p.port, p.failed))
			}
		}
		text := "It exists and gives no line here"
		if len(parts) > 0 {
			text += ": port " + strings.Join(parts, "; ")
		}
		s.note(h.name, text+".")
	} else if h.secure.opened && h.secure.failed != "" {
		s.note(h.name, fmt.Sprintf("Port %d %s.", s.ask.Ports.HTTPS, h.secure.failed))
	}
}

func speaksPostgres(c *contact) bool { return c.opened && (c.failed == "" || c.tls != nil) }

// hidden reports whether a name exists only because every name below its domain does.
func (s *search) hidden(h *host) bool {
	everywhere, ok := s.any[h.domain]
	if !ok || h.name == h.domain || !strings.HasPrefix(h.from, "a usual name") || !slices.Equal(everywhere, h.addresses) {
		return false
	}
	return h.secure.tls == nil || !slices.ContainsFunc(h.secure.tls.leaf.DNSNames, func(n string) bool { return plainName(n) == h.name })
}
