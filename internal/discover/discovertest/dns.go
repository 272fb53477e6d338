package discovertest

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/garant-project/garant/internal/discover"
)

// Resolver is a DNS server on loopback that knows a few names.
type Resolver struct {
	conn net.PacketConn

	mu      sync.Mutex
	names   map[string][]netip.Addr // of a "*." name: of all below it
	aliases map[string]string
	mail    map[string][]string
	silent  map[string]bool // names it never answers for; "*": for any
	broken  map[string]bool // names it answers in nonsense for
	asked   []string
}

// NewResolver starts a resolver; it ends with the test.
func NewResolver(t testing.TB) *Resolver {
	t.Helper()
	conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Resolver{conn: conn, names: map[string][]netip.Addr{}, aliases: map[string]string{}, mail: map[string][]string{}, silent: map[string]bool{}, broken: map[string]bool{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.serve()
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return r
}

// Address is where the resolver answers.
func (r *Resolver) Address() string { return r.conn.LocalAddr().String() }

// Name makes a name resolve to addresses. "*.company.example" stands for all below.
func (r *Resolver) Name(name string, addresses ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range addresses {
		r.names[name] = append(r.names[name], netip.MustParseAddr(a))
	}
}

// Alias makes a name lead to another.
func (r *Resolver) Alias(name, to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.aliases[name] = to
}

// Mail names the mail servers of a domain.
func (r *Resolver) Mail(domain string, servers ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mail[domain] = servers
}

// Silent makes the resolver never answer for names; "*" for any.
func (r *Resolver) Silent(names ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range names {
		r.silent[n] = true
	}
}

// Broken makes the resolver answer in nonsense for names.
func (r *Resolver) Broken(names ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range names {
		r.broken[n] = true
	}
}

// Asked returns the names it was asked for, sorted.
func (r *Resolver) Asked() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Compact(slices.Sorted(slices.Values(r.asked)))
}

// Way is the product's own way to the network, through this resolver.
func (r *Resolver) Way(t testing.TB) discover.Way {
	t.Helper()
	way, err := discover.Network(r.Address())
	if err != nil {
		t.Fatal(err)
	}
	return way
}

func (r *Resolver) serve() {
	packet := make([]byte, 4096)
	for {
		n, from, err := r.conn.ReadFrom(packet)
		if err != nil {
			return
		}
		if answer := r.answer(packet[:n]); answer != nil {
			_, _ = r.conn.WriteTo(answer, from)
		}
	}
}

func (r *Resolver) answer(packet []byte) []byte {
	var p dnsmessage.Parser
	header, err := p.Start(packet)
	if err != nil {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, name)
	switch {
	case r.silent["*"] || r.silent[name]:
		return nil
	case r.broken[name]:
		return append(packet[:2:2], 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF)
	}
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: header.ID, Response: true, RecursionDesired: true, RecursionAvailable: true}, Questions: []dnsmessage.Question{q}}
	add := func(name string, body dnsmessage.ResourceBody) {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: dnsmessage.MustNewName(name + "."), Class: dnsmessage.ClassINET, TTL: 60}, Body: body})
	}
	target := name
	if to, ok := r.aliases[name]; ok {
		add(name, &dnsmessage.CNAMEResource{CNAME: dnsmessage.MustNewName(to + ".")})
		target = to
	}
	addresses, known := r.names[target]
	if _, parent, ok := strings.Cut(target, "."); !known && ok {
		addresses, known = r.names["*."+parent]
	}
	for _, a := range addresses {
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			add(target, &dnsmessage.AResource{A: a.As4()})
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			add(target, &dnsmessage.AAAAResource{AAAA: a.As16()})
		}
	}
	if q.Type == dnsmessage.TypeMX {
		for _, server := range r.mail[name] {
			add(name, &dnsmessage.MXResource{Pref: 10, MX: dnsmessage.MustNewName(server + ".")})
			known = true
		}
	}
	if _, alias := r.aliases[name]; !known && !alias {
		m.RCode = dnsmessage.RCodeNameError
	}
	packed, err := m.Pack()
	if err != nil {
		return nil
	}
	return packed
}
