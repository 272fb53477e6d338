package access

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// rule is a line of pg_hba.conf as pg_hba_file_rules shows it.
type rule struct {
	line      int
	kind      string // local, host, hostssl, hostnossl, hostgssenc, hostnogssenc
	databases []string
	users     []string
	address   string // a number, all, samehost, samenet or a name; empty for local
	mask      string
	method    string
	broken    bool // the line is in error: what the server goes by is not this file
}

func (r rule) String() string {
	where := ""
	if r.address != "" {
		where = " " + r.address
		if bits, ok := r.network(); ok {
			where = " " + bits.String()
		}
	}
	return fmt.Sprintf("pg_hba.conf line %d: %s %s %s%s %s", r.line, r.kind, strings.Join(r.databases, ","), strings.Join(r.users, ","), where, r.method)
}

// The ways a connection can come in over the network.
const (
	underTLS = 1 << iota
	plainText
	underGSS
)

// ways returns by which ways a rule lets in over the network; 0 for local.
func (r rule) ways() int {
	switch r.kind {
	case "host":
		return underTLS | plainText | underGSS
	case "hostssl":
		return underTLS
	case "hostnossl":
		return plainText | underGSS
	case "hostgssenc":
		return underGSS
	case "hostnogssenc":
		return underTLS | plainText
	}
	return 0
}

func (r rule) admits() bool { return r.method != "reject" }

// network returns the addresses of a rule; all is 0.0.0.0/0 together with ::/0, told by everywhere.
func (r rule) network() (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(r.address); err == nil {
		return p.Masked(), true
	}
	address, err := netip.ParseAddr(r.address)
	if err != nil {
		return netip.Prefix{}, false
	}
	bits := address.BitLen()
	if mask, err := netip.ParseAddr(r.mask); err == nil {
		bits = 0
		for _, b := range mask.AsSlice() {
			for ; b&0x80 != 0; b <<= 1 {
				bits++
			}
			if b != 0 {
				return netip.Prefix{}, false // a mask with holes
			}
		}
	}
	p, err := address.Prefix(bits)
	return p, err == nil
}

func (r rule) everywhere() bool { return r.address == "all" }

// loopback reports whether a rule lets in from this machine alone.
func (r rule) loopback() bool {
	p, ok := r.network()
	return ok && (netip.MustParsePrefix("127.0.0.0/8").Contains(p.Addr()) && p.Bits() >= 8 || p.Addr() == netip.IPv6Loopback() && p.Bits() == 128)
}

// wide reports whether a rule lets in from a great part of the internet.
func (r rule) wide() bool {
	if r.everywhere() {
		return true
	}
	p, ok := r.network()
	if !ok || slices.ContainsFunc(privateNetworks(), func(n string) bool {
		private := netip.MustParsePrefix(n)
		return private.Bits() <= p.Bits() && private.Contains(p.Addr())
	}) {
		return false
	}
	if p.Addr().Is4() {
		return p.Bits() <= 8
	}
	return p.Bits() <= 16
}

// privateNetworks are those to which no route of the internet leads: RFC 1918, 4193, 6598, 3927
// and 4291, and loopback.
func privateNetworks() []string {
	return []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "100.64.0.0/10", "169.254.0.0/16", "fe80::/10", "127.0.0.0/8", "::1/128"}
}

// covers reports whether every connection over the network to which other applies is one to which
// r applies, as far as ways and addresses go.
func (r rule) covers(other rule) bool {
	if other.ways()&^r.ways() != 0 || (r.ways() == 0) != (other.ways() == 0) {
		return false
	}
	if r.ways() == 0 || r.everywhere() {
		return true
	}
	mine, ok := r.network()
	if !ok {
		return r.address == other.address && r.mask == other.mask && r.address != ""
	}
	theirs, ok := other.network()
	return ok && mine.Bits() <= theirs.Bits() && mine.Contains(theirs.Addr())
}

// match is whether a rule applies to something: no, perhaps, or for certain.
type match int

const (
	no match = iota
	perhaps
	certain
)

// pattern compares a word of a rule with a name. From version 16 on a word with a slash is a
// regular expression, of another dialect than Go's.
func pattern(written, name string) match {
	if expression, ok := strings.CutPrefix(written, "/"); ok {
		re, err := regexp.Compile(expression)
		if err != nil || re.MatchString(name) {
			return perhaps
		}
		return no
	}
	if written == name {
		return certain
	}
	return no
}

// appliesTo tells whether a rule is for a role and a database.
func (s *snapshot) appliesTo(r rule, who *role) match {
	user, database, member := no, no, s.membership(who)
	for _, u := range r.users {
		switch group, isGroup := strings.CutPrefix(u, "+"); {
		case u == "all":
			user = certain
		case isGroup:
			if g := s.byName[group]; g != nil && member[g.oid] {
				user = certain
			}
		default:
			user = max(user, pattern(u, who.name))
		}
	}
	for _, d := range r.databases {
		switch d {
		case "all":
			database = certain
		case "sameuser":
			if who.name == s.name {
				database = certain
			}
		case "samerole", "samegroup":
			if g := s.byName[s.name]; g != nil && member[g.oid] {
				database = certain
			}
		case "replication": // matches no database
		default:
			database = max(database, pattern(d, s.name))
		}
	}
	return min(user, database)
}

// entry returns the first rule that may let a role into the database, and that no earlier rule
// which rejects stands before.
func (s *snapshot) entry(who *role) (rule, bool) {
	for i, r := range s.rules {
		if !r.admits() || s.appliesTo(r, who) == no {
			continue
		}
		if !slices.ContainsFunc(s.rules[:i], func(before rule) bool {
			return !before.admits() && before.covers(r) && s.appliesTo(before, who) == certain
		}) {
			return r, true
		}
	}
	return rule{}, false
}

// shut reports whether earlier rules reject everybody whom rule i would let in, as a rule of that
// kind would: those without TLS for hostnossl.
func (s *snapshot) shut(i int, kind string) bool {
	r := s.rules[i]
	r.kind = kind
	return slices.ContainsFunc(s.rules[:i], func(before rule) bool {
		return !before.admits() && before.covers(r) && sameOrAll(before.users, r.users) && sameOrAll(before.databases, r.databases)
	})
}

// sameOrAll reports whether before names everything that after names. The word all does not
// stand for replication.
func sameOrAll(before, after []string) bool {
	return !slices.ContainsFunc(after, func(name string) bool {
		return !slices.Contains(before, name) && (name == "replication" || !slices.Contains(before, "all"))
	})
}

// readable says why the rules cannot be judged; nil: they can.
func (s *snapshot) readable() *item {
	if !s.rulesSeen {
		return &item{RulesHidden, "GRANT SELECT ON pg_hba_file_rules; GRANT EXECUTE ON FUNCTION pg_hba_file_rules()", "permission denied to " + clean(s.me)}
	}
	for _, r := range s.rules {
		if r.broken {
			return &item{RulesBroken, "a file that the server can read", fmt.Sprintf("pg_hba.conf line %d", r.line)}
		}
	}
	return nil
}
