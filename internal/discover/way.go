package discover

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/errs"
)

// Way is how a source reaches the network; it has no other.
type Way interface {
	// Addresses asks the resolver. A name that does not exist gives no address and no error.
	// canonical is the name at the end of aliases, in small letters and without a final dot.
	Addresses(ctx context.Context, host string) (addresses []netip.Addr, canonical string, err error)
	// Servers asks the resolver for the mail and name servers of a name, which are only read:
	// sorted, in small letters, without a final dot.
	Servers(ctx context.Context, host string) ([]string, error)
	// Dial connects to an IP address with a port ("tcp"), or to a socket on this machine ("unix").
	Dial(ctx context.Context, network, address string) (net.Conn, error)
}

// Limits of one step, in time and number.
const (
	lookupWithin = 3 * time.Second
	dialWithin   = 2 * time.Second
	maxAddresses = 8 // of a name
	maxServers   = 20
)

// network is the real way.
type network struct{ resolver *net.Resolver }

// Network is the way through the machine's resolver, or through the one at resolver (host:port)
// when it is not empty.
func Network(resolver string) (Way, error) {
	address := ""
	if resolver != "" {
		at, err := netip.ParseAddrPort(resolver)
		if err != nil {
			var ip netip.Addr
			if ip, err = netip.ParseAddr(resolver); err == nil {
				at = netip.AddrPortFrom(ip, 53)
			}
		}
		if err != nil || at.Port() == 0 {
			return nil, errs.New(errs.Invalid, "discover.resolver", "The resolver is not an IP address.").
				WithFix("Write ADDRESS or ADDRESS:PORT, such as 10.0.0.2:53.")
		}
		address = at.String()
	}
	return network{&net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, configured string) (net.Conn, error) {
		conn, err := (&net.Dialer{Timeout: dialWithin}).DialContext(ctx, network, cmp.Or(address, configured))
		if err == nil {
			// The library waits for an answer although nobody does any more.
			context.AfterFunc(ctx, func() { _ = conn.Close() })
		}
		return conn, err
	}}}, nil
}

func (n network) Addresses(ctx context.Context, host string) ([]netip.Addr, string, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, host, nil
	}
	if host == "localhost" { // by RFC 6761, whatever a resolver says
		return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}, host, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupWithin)
	defer cancel()
	found, err := n.resolver.LookupNetIP(ctx, "ip", absolute(host))
	if err != nil {
		return nil, "", lookupFailure(err)
	}
	addresses := make([]netip.Addr, 0, len(found))
	for _, a := range found {
		addresses = append(addresses, a.Unmap())
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	addresses = slices.Compact(addresses)
	addresses = addresses[:min(len(addresses), maxAddresses)]
	canonical, err := n.resolver.LookupCNAME(ctx, absolute(host))
	if err != nil { // the addresses are there: an alias that cannot be told is none
		canonical = host
	}
	return addresses, plainName(canonical), nil
}

func (n network) Servers(ctx context.Context, host string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupWithin)
	defer cancel()
	var names []string
	mail, mailErr := n.resolver.LookupMX(ctx, absolute(host))
	for _, r := range mail {
		names = append(names, plainName(r.Host))
	}
	servers, nsErr := n.resolver.LookupNS(ctx, absolute(host))
	for _, r := range servers {
		names = append(names, plainName(r.Host))
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(len(names), maxServers)], errors.Join(lookupFailure(mailErr), lookupFailure(nsErr))
}

func (n network) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{Timeout: dialWithin}).DialContext(ctx, network, address)
}

// absolute ends a name with a dot, so that the machine's search list is not tried with it: the
// names that would make are not the user's. A name of one word is of that list or of nobody: the
// host "db" in a database URL.
func absolute(host string) string {
	if host = strings.TrimSuffix(host, "."); strings.Contains(host, ".") {
		host += "."
	}
	return host
}

func plainName(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// lookupFailure tells a name that does not exist, which is an answer, from a resolver that
// gave none.
func lookupFailure(err error) error {
	var dns *net.DNSError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &dns) && dns.IsNotFound:
		return nil
	case errors.As(err, &dns) && dns.IsTimeout, errors.Is(err, context.DeadlineExceeded):
		return errNoAnswer
	case errors.Is(err, context.Canceled):
		return err
	}
	return errLookup
}

var (
	errNoAnswer = errors.New("the resolver did not answer in time")
	errLookup   = errors.New("the resolver gave an answer that says nothing")
)

// guard is a Way that only leads to what was named.
type guard struct {
	way     Way
	domains []string
	hosts   []string // of database URLs: names, addresses and socket paths

	mu       sync.Mutex
	resolved map[netip.Addr]bool
}

// Guard lets through what an Ask names: lookups of names at or below its domains and of hosts of
// its databases, connections to the addresses these gave, and the sockets its databases name.
// Everything else is refused before anything is sent, with errs.Denied; so are the addresses that
// outgoing never calls, whatever resolved to them.
func Guard(way Way, ask Ask) Way {
	g := &guard{way: way, domains: ask.Domains, resolved: map[netip.Addr]bool{}}
	for _, d := range ask.Databases {
		g.hosts = append(g.hosts, d.Hosts()...)
	}
	return g
}

func (g *guard) allows(host string) bool {
	if slices.Contains(g.hosts, host) {
		return true
	}
	return slices.ContainsFunc(g.domains, func(d string) bool { return Below(host, d) })
}

func outside() error {
	return errs.New(errs.Denied, "discover.outside", "A source wanted to ask somebody whom you did not name.").
		WithFix("Report this: nothing was sent.")
}

func (g *guard) Addresses(ctx context.Context, host string) ([]netip.Addr, string, error) {
	if !g.allows(host) {
		return nil, "", outside()
	}
	addresses, canonical, err := g.way.Addresses(ctx, host)
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, a := range addresses {
		g.resolved[a] = true
	}
	return addresses, canonical, err
}

func (g *guard) Servers(ctx context.Context, host string) ([]string, error) {
	if !g.allows(host) {
		return nil, outside()
	}
	return g.way.Servers(ctx, host)
}

func (g *guard) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if !g.mayDial(network, address) {
		return nil, outside()
	}
	return g.way.Dial(ctx, network, address)
}

func (g *guard) mayDial(network, address string) bool {
	if network == "unix" {
		return slices.ContainsFunc(g.hosts, func(h string) bool { return strings.HasPrefix(h, "/") && strings.HasPrefix(address, h+"/.s.PGSQL.") })
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp" {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.resolved[to.Addr().Unmap()] && callable(to.Addr())
}
