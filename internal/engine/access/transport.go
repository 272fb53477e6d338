package access

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/estate"
)

// transport holds the server to TLS on every connection that leaves its machine (ENC-1).
func transport(s *snapshot, _ *estate.Database, policy *estate.Policy) *look {
	l := &look{}
	least := "TLSv1.2"
	if len(policy.TLSVersions) > 0 {
		least = "TLSv" + slices.Min(policy.TLSVersions)
	}
	if len(s.listens()) > 0 {
		if s.settings["ssl"] != "on" {
			l.add(NoTLS, "ssl = on", "ssl = "+s.settings["ssl"])
		} else if set, seen := s.settings["ssl_min_protocol_version"]; !seen {
			l.add(SettingsHidden, "GRANT pg_read_all_settings", "ssl_min_protocol_version is hidden from "+s.me)
		} else if set < least { // "" < "TLSv1" < "TLSv1.1" < "TLSv1.2"
			l.add(OldTLS, "ssl_min_protocol_version = "+least, "ssl_min_protocol_version = "+set)
		}
	}
	// Without TLS every hostssl line is in error: what was seen of it is told first.
	if trouble := s.readable(); trouble != nil {
		l.items = append(l.items, *trouble)
		return l
	}
	for i, r := range s.rules {
		if r.admits() && r.ways()&plainText != 0 && !r.loopback() && !s.shut(i, "hostnossl") {
			l.add(PlainRule, "hostssl", r.String())
		}
	}
	if s.remote && !s.encrypted {
		l.add(PlainRule, "TLS", "Garant itself came in without TLS")
	}
	l.raw = map[string]any{"settings": s.settings, "rules": len(s.rules)}
	return l
}

// listens lists the addresses on which the server listens; none: its socket alone.
func (s *snapshot) listens() []string {
	var list []string
	for _, a := range strings.Split(s.settings["listen_addresses"], ",") {
		if a = strings.TrimSpace(a); a != "" {
			list = append(list, a)
		}
	}
	return list
}

// network looks for doors of the server that stand open to the whole internet (NET-1, in part:
// what the network itself lets through is seen from outside only).
func network(s *snapshot, _ *estate.Database, _ *estate.Policy) *look {
	l := &look{}
	for _, a := range s.listens() {
		if ip, err := netip.ParseAddr(a); err == nil && public(ip) {
			l.add(PublicAddress, "private addresses", "listen_addresses: "+a)
		}
	}
	if trouble := s.readable(); trouble != nil {
		l.items = append(l.items, *trouble)
		return l
	}
	for i, r := range s.rules {
		if r.admits() && r.ways() != 0 && r.wide() && !s.shut(i, r.kind) {
			l.add(WholeInternet, "private networks", r.String())
		}
	}
	l.raw = map[string]any{"listen": s.settings["listen_addresses"], "rules": len(s.rules)}
	return l
}

// public reports whether a route of the internet may lead to an address.
func public(ip netip.Addr) bool {
	return ip.IsGlobalUnicast() && !slices.ContainsFunc(privateNetworks(), func(n string) bool { return netip.MustParsePrefix(n).Contains(ip) })
}
