package endpoint

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/demo/servers"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/measuretest"
)

// faults is every way in which the systems of a world are broken, for each check. The literal
// has no keys: a check without faults does not compile. db may be nil.
func (w *world) faults(t testing.TB, db *postgres) Set[[]measuretest.Fault] {
	return Set[[]measuretest.Fault]{w.tlsFaults(t, db), w.plainHTTPFaults(), w.hstsFaults(t),
		append(w.certificateFaults(t, w.www), db.certificateFaults()...), append(w.certificateFaults(t, w.staging), w.lifetimeFaults(t)...)}
}

// TestFaults breaks real servers in every way that the checks claim to see. Each check has a
// world of its own, so that they need not wait for each other.
func TestFaults(t *testing.T) {
	for i, check := range Checks(deps()).All() {
		t.Run(check.ID, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var db *postgres
			if i == 0 || i == 3 { // the checks that look at databases, in the order of Set
				db = startPostgres(t, w)
				w.estate.Endpoints = append(w.estate.Endpoints, db.endpoint)
			}
			measuretest.Run(t, measuretest.Subject{Check: check, Estate: w.estate, Faults: w.faults(t, db).All()[i]})
		})
	}
}

// broken is a fault that the server itself knows.
func (s *system) broken(name, fault string, want measure.Outcome, problem Problem) measuretest.Fault {
	return measuretest.Fault{Name: name, Want: want, Item: measure.Item{Target: s.name, Problem: string(problem)},
		Break: func(t testing.TB) {
			if err := s.server.Break(fault); err != nil {
				t.Fatal(err)
			}
		},
		Mend: func(t testing.TB) {
			if err := s.server.Mend(); err != nil {
				t.Fatal(err)
			}
		}}
}

// fronted is a fault that a front plays.
func (s *system) fronted(name string, f *front, handle func(net.Conn), want measure.Outcome, problem Problem) measuretest.Fault {
	return measuretest.Fault{Name: name, Want: want, Break: f.become(handle), Mend: f.mend,
		Item: measure.Item{Target: s.name, Problem: string(problem)}}
}

// direct lets the check look at the server itself and not through the front, while fault is on:
// behind the front a refused connection would be an accepted one that ends.
func (w *world) direct(i int, s *system, fault measuretest.Fault) measuretest.Fault {
	e := &w.estate.Endpoints[i]
	dial, plain, doBreak, doMend := e.Dial, e.PlainHTTP, fault.Break, fault.Mend
	fault.Break = func(t testing.TB) {
		e.Dial, e.PlainHTTP = s.server.Addr(), s.server.PlainAddr()
		doBreak(t)
	}
	fault.Mend = func(t testing.TB) {
		e.Dial, e.PlainHTTP = dial, plain
		doMend(t)
	}
	return fault
}

func (w *world) tlsFaults(t testing.TB, db *postgres) []measuretest.Fault {
	s := w.www
	cert := s.valid(t)
	only := func(lowest, highest uint16, suites ...uint16) func(net.Conn) {
		c := config(cert)
		c.MinVersion, c.MaxVersion, c.CipherSuites = lowest, highest, suites
		return over(c, silent)
	}
	rsa := rsaCertificate(t, s)
	return append([]measuretest.Fault{
		s.broken("TLS 1.0 on", servers.FaultTLS10, measure.Fail, OldVersion),
		s.broken("TLS 1.1 on", servers.FaultTLS11, measure.Fail, OldVersion),
		s.fronted("SSL 3.0 answered", s.secure, ssl3, measure.Fail, OldVersion),
		s.fronted("no TLS 1.2 or 1.3", s.secure, only(tls.VersionTLS10, tls.VersionTLS11), measure.Fail, NoModernVersion),
		s.broken("RC4", servers.FaultWeakSuite, measure.Fail, WeakSuite),
		s.fronted("3DES", s.secure, over(rsa(tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA), silent), measure.Fail, WeakSuite),
		s.fronted("RSA key exchange", s.secure, over(rsa(tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_128_GCM_SHA256), silent), measure.Fail, NoForwardSecrecy),
		s.broken("a decoy that scans well", servers.FaultDecoy, measure.Error, Impostor),
		w.direct(0, s, s.broken("down", servers.FaultDown, measure.Error, Unreachable)),
		s.broken("silent", servers.FaultSilent, measure.Error, Silent),
		s.fronted("another protocol", s.secure, garbage, measure.Error, TLSUnreadable),
		s.fronted("closes every connection", s.secure, func(net.Conn) {}, measure.Error, TLSUnreadable),
	}, db.faults()...)
}

func (w *world) plainHTTPFaults() []measuretest.Fault {
	s := w.www
	says := func(name, text string, problem Problem) measuretest.Fault {
		return s.fronted(name, s.plain, answer(text), measure.Fail, problem)
	}
	redirect := func(status, location string) string {
		return "HTTP/1.1 " + status + "\r\nLocation: " + location + "\r\nContent-Length: 0\r\n\r\n"
	}
	return []measuretest.Fault{
		s.broken("the page in plain HTTP", servers.FaultPlainHTTP, measure.Fail, PlainContent),
		says("an error page in plain HTTP", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", PlainContent),
		says("HSTS over plain HTTP does not help", okay+"Strict-Transport-Security: "+hsts+"\r\n\r\n", PlainContent),
		says("a redirect without an address", "HTTP/1.1 301 Moved\r\nContent-Length: 0\r\n\r\n", PlainContent),
		says("a status that is no redirect", redirect("300 Multiple Choices", "https://"+s.name+"/"), PlainContent),
		says("a redirect to another host", redirect("301 Moved", "https://elsewhere.example.test/"), PlainOtherHost),
		says("a redirect to a host that begins alike", redirect("302 Found", "https://"+s.name+".evil.test/"), PlainOtherHost),
		says("a redirect to http", redirect("301 Moved", "http://"+s.name+"/login"), PlainInsecure),
		says("a redirect to a path", redirect("307 Temporary Redirect", "/login"), PlainInsecure),
		s.fronted("another protocol", s.plain, garbage, measure.Error, PlainUnreadable),
		s.fronted("a connection that ends", s.plain, func(net.Conn) {}, measure.Error, PlainUnreadable),
		s.fronted("silent", s.plain, silent, measure.Error, Silent),
		w.direct(0, s, s.broken("down on both sides", servers.FaultDown, measure.Error, Unreachable)),
	}
}

func (w *world) hstsFaults(t testing.TB) []measuretest.Fault {
	s := w.www
	cert := s.valid(t)
	says := func(name, header string, problem Problem) measuretest.Fault {
		return s.fronted(name, s.secure, page(cert, header), measure.Fail, problem)
	}
	const h = "Strict-Transport-Security: "
	return []measuretest.Fault{
		s.broken("absent", servers.FaultNoHSTS, measure.Fail, HSTSMissing),
		s.broken("too short", servers.FaultShortHSTS, measure.Fail, HSTSShort),
		says("a second too short", h+"max-age=31535999; includeSubDomains\r\n", HSTSShort),
		says("max-age=0", h+"max-age=0; includeSubDomains\r\n", HSTSDisabled),
		says("malformed", h+"max-age=31536000, includeSubDomains\r\n", HSTSMalformed),
		says("no max-age", h+"includeSubDomains\r\n", HSTSMalformed),
		says("a directive twice", h+"max-age=31536000; max-age=31536000; includeSubDomains\r\n", HSTSMalformed),
		says("the second field would be right", h+"max-age=0\r\n"+h+hsts+"\r\n", HSTSDisabled),
		says("without includeSubDomains", h+"max-age=31536000\r\n", HSTSSubdomains),
		{Name: "only on plain HTTP", Item: measure.Item{Target: s.name, Problem: string(HSTSMissing)},
			Break: func(t testing.TB) {
				s.secure.become(page(cert, ""))(t)
				s.plain.become(answer(okay + h + hsts + "\r\n\r\n"))(t)
			},
			Mend: func(t testing.TB) {
				s.secure.mend(t)
				s.plain.mend(t)
			}},
		s.fronted("a proxy whose server is away", s.secure, over(config(cert), answer("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")), measure.Error, HSTSUnreadable),
		s.broken("an expired certificate", servers.FaultExpired, measure.Error, HSTSUntrusted),
		s.broken("a certificate for another name", servers.FaultWrongName, measure.Error, HSTSUntrusted),
		s.broken("a decoy", servers.FaultDecoy, measure.Error, HSTSUntrusted),
		w.direct(0, s, s.broken("down", servers.FaultDown, measure.Error, Unreachable)),
		s.broken("silent", servers.FaultSilent, measure.Error, Silent),
		s.fronted("silent after the handshake", s.secure, over(config(cert), silent), measure.Error, Silent),
		s.fronted("another protocol", s.secure, garbage, measure.Error, HSTSUnreadable),
		s.fronted("another protocol within TLS", s.secure, over(config(cert), garbage), measure.Error, HSTSUnreadable),
	}
}

func (w *world) certificateFaults(t testing.TB, s *system) []measuretest.Fault {
	const day = 24 * time.Hour
	i := map[*system]int{w.www: 0, w.staging: 1}[s]
	shows := func(name string, cert tls.Certificate, problem Problem) measuretest.Fault {
		return s.fronted(name, s.secure, page(cert, ""), measure.Fail, problem)
	}
	incomplete := s.valid(t)
	incomplete.Certificate = incomplete.Certificate[:1]
	selfMade := must[*servers.CA](t)(servers.NewCA(organisation, time.Now())) // the same name, another key
	foreign := must[tls.Certificate](t)(s.issuer.Issue(s.name, time.Now().Add(-time.Hour), time.Now().Add(60*day), ""))
	return []measuretest.Fault{
		s.broken("expired", servers.FaultExpired, measure.Fail, CertificateExpired),
		s.broken("expiring", servers.FaultExpiring, measure.Fail, CertificateExpiring),
		shows("expiring an hour within the threshold", s.with(t, s.issuer, s.name, -time.Hour, 14*day-time.Hour), CertificateExpiring),
		shows("not yet valid", s.with(t, s.issuer, s.name, time.Hour, 60*day), CertificateEarly),
		s.broken("wrong name", servers.FaultWrongName, measure.Fail, CertificateName),
		shows("a name one level deeper", s.with(t, s.issuer, "*."+s.name, -time.Hour, 60*day), CertificateName),
		shows("an authority that is not trusted", s.with(t, w.stranger, s.name, -time.Hour, 60*day), CertificateTrust),
		shows("an authority that only bears a trusted name", s.with(t, selfMade, s.name, -time.Hour, 60*day), CertificateTrust),
		shows("an incomplete chain", incomplete, CertificateChain),
		shows("an expired certificate of an authority that is not trusted", s.with(t, w.stranger, s.name, -60*day, -time.Hour), CertificateTrust),
		shows("another issuer", s.with(t, w.other, s.name, -time.Hour, 60*day), CertificateIssuer),
		s.broken("a decoy", servers.FaultDecoy, measure.Fail, CertificateDecoy),
		shows("a decoy of the right issuer", foreign, CertificateDecoy),
		w.direct(i, s, s.broken("down", servers.FaultDown, measure.Error, Unreachable)),
		s.broken("silent", servers.FaultSilent, measure.Error, Silent),
		s.fronted("another protocol", s.secure, garbage, measure.Error, CertificateNotShown),
	}
}

func (w *world) lifetimeFaults(t testing.TB) []measuretest.Fault {
	const day = 24 * time.Hour
	s := w.staging
	return []measuretest.Fault{
		s.fronted("issued by hand for a year", s.secure, page(s.with(t, s.issuer, s.name, -time.Hour, 365*day), ""), measure.Fail, CertificateLifetime),
	}
}

// rsaCertificate returns a configuration that offers the suites with an RSA key.
func rsaCertificate(t testing.TB, s *system) func(suites ...uint16) *tls.Config {
	t.Helper()
	key := newRSAKey(t)
	now := time.Now()
	cert := must[tls.Certificate](t)(s.issuer.IssueFor(key, s.name, now.Add(-time.Hour), now.Add(60*24*time.Hour), ""))
	return func(suites ...uint16) *tls.Config {
		c := config(cert)
		c.CipherSuites = suites
		return c
	}
}

// ssl3 is a server of the nineties: it answers SSL 3.0, in SSL 3.0, whatever it is asked.
func ssl3(conn net.Conn) {
	header := make([]byte, 5)
	if _, err := conn.Read(header); err != nil {
		return
	}
	conn.Read(make([]byte, 4096))
	hello := append([]byte{3, 0}, make([]byte, 32)...)
	hello = append(hello, 0, 0, 5, 0) // no session, RSA_WITH_RC4_128_SHA, no compression
	body := append([]byte{2, 0, 0, byte(len(hello))}, hello...)
	body = append(body, 11, 0, 0, 3, 0, 0, 0, 14, 0, 0, 0)
	conn.Write(append([]byte{22, 3, 0, 0, byte(len(body))}, body...))
	silent(conn)
}
