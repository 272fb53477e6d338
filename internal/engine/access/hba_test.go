package access

import "testing"

func TestRuleNetworks(t *testing.T) {
	for _, c := range []struct {
		address, mask  string
		wide, loopback bool
	}{
		{"all", "", true, false}, {"0.0.0.0", "0.0.0.0", true, false}, {"0.0.0.0/0", "", true, false}, {"::", "::", true, false}, {"128.0.0.0/1", "", true, false},
		{"11.0.0.0", "255.0.0.0", true, false}, {"10.0.0.0", "254.0.0.0", true, false}, {"10.0.0.0", "255.0.0.0", false, false}, {"172.16.0.0", "255.240.0.0", false, false},
		{"172.0.0.0", "255.0.0.0", true, false}, {"198.51.100.0", "255.255.255.0", false, false}, {"127.0.0.1", "255.255.255.255", false, true}, {"127.0.0.0/8", "", false, true},
		{"::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false, true}, {"::", "ffff::", true, false}, {"fd00::", "ff00::", false, false}, {"2001:db8::", "ffff:ffff::", false, false},
		{"samenet", "", false, false}, {"samehost", "", false, false}, {".ardoise.example", "", false, false}, {"10.0.0.0", "255.0.255.0", false, false}, {"nonsense", "nonsense", false, false},
	} {
		r := rule{kind: "hostssl", address: c.address, mask: c.mask}
		if r.wide() != c.wide || r.loopback() != c.loopback {
			t.Errorf("%s %s: wide %v, loopback %v", c.address, c.mask, r.wide(), r.loopback())
		}
	}
}

// TestCovers: a rejection counts only when nobody whom the later rule lets in escapes it.
func TestCovers(t *testing.T) {
	at := func(kind, address string) rule { return rule{kind: kind, address: address} }
	for _, c := range []struct {
		before, after rule
		want          bool
	}{
		{at("host", "all"), at("hostssl", "10.0.0.0/8"), true},
		{at("host", "all"), at("host", "all"), true},
		{at("hostssl", "all"), at("host", "10.0.0.0/8"), false},
		{at("hostnossl", "all"), at("hostgssenc", "10.0.0.0/8"), true},
		{at("hostnogssenc", "all"), at("hostnossl", "all"), false},
		{at("host", "10.0.0.0/8"), at("host", "10.1.0.0/16"), true},
		{at("host", "10.1.0.0/16"), at("host", "10.0.0.0/8"), false},
		{at("host", "10.0.0.0/8"), at("host", "all"), false},
		{at("host", "0.0.0.0/0"), at("host", "all"), false}, // IPv6 escapes
		{at("host", "samenet"), at("host", "samenet"), true},
		{at("host", "samenet"), at("host", "10.0.0.0/8"), false},
		{at("host", "10.0.0.0/8"), at("host", "samenet"), false},
		{at("local", ""), at("local", ""), true},
		{at("local", ""), at("host", "127.0.0.1/32"), false},
		{at("host", "all"), at("local", ""), false},
	} {
		if got := c.before.covers(c.after); got != c.want {
			t.Errorf("%v before %v: %v", c.before, c.after, got)
		}
	}
}

func TestAppliesTo(t *testing.T) {
	s := newSnapshot()
	s.name = "shop"
	anna, group, shop := &role{oid: 20000, name: "anna", login: true}, &role{oid: 20001, name: "devs"}, &role{oid: 20002, name: "shop"}
	for _, r := range []*role{anna, group, shop} {
		s.roles[r.oid], s.byName[r.name] = r, r
	}
	s.memberOf[anna.oid] = []uint32{group.oid}
	for _, c := range []struct {
		users, databases []string
		want             match
	}{
		{[]string{"all"}, []string{"all"}, certain}, {[]string{"anna"}, []string{"shop"}, certain}, {[]string{"bob", "+devs"}, []string{"other", "shop"}, certain},
		{[]string{"+shop"}, []string{"all"}, no}, {[]string{"+gone"}, []string{"all"}, no}, {[]string{"devs"}, []string{"all"}, no},
		{[]string{"all"}, []string{"sameuser"}, no}, {[]string{"all"}, []string{"samerole"}, no}, {[]string{"all"}, []string{"replication"}, no},
		{[]string{"/^an"}, []string{"all"}, perhaps}, {[]string{"/^bo"}, []string{"all"}, no}, {[]string{"/(("}, []string{"all"}, perhaps}, {[]string{"all"}, []string{"/sh.p"}, perhaps},
		{nil, nil, no},
	} {
		if got := s.appliesTo(rule{kind: "host", users: c.users, databases: c.databases}, anna); got != c.want {
			t.Errorf("%q %q: %v, want %v", c.users, c.databases, got, c.want)
		}
	}
	s.memberOf[group.oid] = []uint32{shop.oid}
	if s.appliesTo(rule{kind: "host", users: []string{"all"}, databases: []string{"samerole"}}, anna) != certain {
		t.Error("a member of the role that is named like the database")
	}
	// A rejection that only perhaps applies shuts nobody out.
	s.rules = []rule{{kind: "host", users: []string{"/^an"}, databases: []string{"all"}, address: "all", method: "reject"}, {kind: "host", users: []string{"all"}, databases: []string{"all"}, address: "all", method: "md5"}}
	if _, in := s.entry(anna); !in {
		t.Error("shut out by a pattern of another dialect")
	}
}

// TestCreateRole: before version 16 CREATEROLE may become anybody but a superuser.
func TestCreateRole(t *testing.T) {
	s := newSnapshot()
	boss, target, super := &role{oid: 20000, name: "boss", createRole: true}, &role{oid: 20001, name: "target"}, &role{oid: 10, name: "postgres", super: true}
	for _, r := range []*role{boss, target, super} {
		s.roles[r.oid], s.byName[r.name] = r, r
	}
	for version, becomes := range map[int]bool{150000: true, 160000: false, 170002: false} {
		s.version = version
		if c := s.become(boss); c.set[target.oid] != becomes || c.set[super.oid] {
			t.Errorf("version %d: %v", version, c.set)
		}
	}
}
