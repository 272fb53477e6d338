package tlsscan

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Verdict is what a scan holds for proven.
type Verdict string

// The verdicts. Unknown is the zero of knowledge: it is neither a refusal nor a pass.
const (
	Accepted Verdict = "accepted"
	Refused  Verdict = "refused"
	Unknown  Verdict = "unknown"
)

// Target is one server to scan.
type Target struct {
	Address    string // host:port to connect to
	ServerName string // for SNI; an IP address is not sent
	Postgres   bool   // ask for TLS by PostgreSQL's SSLRequest first
}

// Dialer opens the connections of a scan.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// Options bound a scan. The zero value has no dialer and is not usable.
type Options struct {
	Dial       Dialer
	Connection time.Duration // of each connection, from dialling to the end of the answer
}

// VersionResult is the verdict on one protocol version.
type VersionResult struct {
	Version Version `json:"-"`
	Name    string  `json:"version"`
	Verdict Verdict `json:"verdict"`
	Reason  string  `json:"reason,omitempty"` // why not accepted; the same at every run that saw the same
}

// Report is what a scan saw. It holds no time and no address, so that two scans of an
// unchanged server are equal.
type Report struct {
	Reached     bool            `json:"reached"`            // at least one connection was opened
	Answered    bool            `json:"answered"`           // at least one answer was read, of whatever kind
	Cause       string          `json:"cause,omitempty"`    // why nothing was reached or answered
	NoTLS       bool            `json:"no_tls,omitempty"`   // a PostgreSQL server that said it has no TLS
	Versions    []VersionResult `json:"versions,omitempty"` // oldest first
	Suites      []Suite         `json:"suites,omitempty"`   // accepted in TLS 1.2, by number
	SuitesKnown bool            `json:"suites_known"`       // the list of suites is whole
	Plaintext   Verdict         `json:"plaintext,omitempty"`
	PlainReason string          `json:"plaintext_reason,omitempty"`
}

// Accepted returns the versions that the server was seen to accept, oldest first.
func (r *Report) Accepted() []Version {
	var versions []Version
	for _, v := range r.Versions {
		if v.Verdict == Accepted {
			versions = append(versions, v.Version)
		}
	}
	return versions
}

// Undecided returns the versions of which nothing can be said, oldest first.
func (r *Report) Undecided() []Version {
	var versions []Version
	for _, v := range r.Versions {
		if v.Verdict == Unknown {
			versions = append(versions, v.Version)
		}
	}
	return versions
}

// Scan looks at one server. It opens at most five connections at once, never panics on what
// the server sends and returns when ctx ends, with Unknown for what it did not come to see.
func Scan(ctx context.Context, t Target, o Options) *Report {
	s := &scanner{target: t, options: o}
	report := &Report{}
	versions := Versions()
	answers := make([]answer, len(versions))
	var wg sync.WaitGroup
	for i, v := range versions {
		wg.Go(func() { answers[i] = s.try(ctx, v, allSuites(v)) })
	}
	wg.Wait()

	proven := slices.ContainsFunc(answers, func(a answer) bool { return a.kind == accepted })
	for i, a := range answers {
		report.Reached = report.Reached || a.kind != unreached
		report.Answered = report.Answered || a.kind != unreached && a.kind != silent
		report.NoTLS = report.NoTLS || a.kind == noTLS
		report.Versions = append(report.Versions, VersionResult{Version: versions[i], Name: versions[i].String(),
			Verdict: a.verdict(proven), Reason: a.reason})
	}
	if !report.Answered {
		report.Cause = answers[len(answers)-1].reason
	}
	if !report.Reached {
		report.Versions = nil
		return report
	}
	if report.NoTLS {
		report.Versions = nil
	}
	if tls12 := answers[slices.Index(versions, TLS12)]; tls12.kind == accepted {
		report.Suites, report.SuitesKnown = s.suites(ctx)
	} else {
		report.SuitesKnown = tls12.verdict(proven) == Refused
	}
	if t.Postgres {
		report.Plaintext, report.PlainReason = s.plaintext(ctx)
	}
	return report
}

// verdict judges an answer; proven says that another version was accepted by the same server.
func (a answer) verdict(proven bool) Verdict {
	switch a.kind {
	case accepted:
		return Accepted
	case lower, alerted, closed, reset:
		if proven {
			return Refused
		}
	}
	return Unknown
}

// allSuites is what a hello of the version offers. The TLS 1.3 hello also holds a few suites
// of TLS 1.2, as real clients' do: a server that knows only 1.2 then says so instead of
// complaining about the suites.
func allSuites(v Version) []uint16 {
	var ids []uint16
	if v == TLS13 {
		return append(suites13(), 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xC013, 0xC009, 0x009C, 0x002F)
	}
	for _, s := range KnownSuites() {
		ids = append(ids, s.ID)
	}
	return ids
}

type scanner struct {
	target  Target
	options Options
}

// try makes one offer. What may have been an accident, a connection that was refused or that
// ended without an answer, is tried a second time, and the second answer counts.
func (s *scanner) try(ctx context.Context, v Version, suites []uint16) answer {
	a := s.once(ctx, v, suites)
	if a.kind == closed || a.kind == reset || a.kind == unfinished || a.kind == unreached && a.reason == reasonRefused {
		return s.once(ctx, v, suites)
	}
	return a
}

// once makes one offer on a connection of its own, two if the server asks for another group.
func (s *scanner) once(ctx context.Context, v Version, suites []uint16) answer {
	o, err := newOffer(v, s.target.ServerName, suites)
	if err != nil {
		return answer{kind: silent, reason: "no random numbers"}
	}
	conn, bad := s.connect(ctx)
	if bad != nil {
		return *bad
	}
	defer conn.Close()
	if s.target.Postgres {
		if bad := requestTLS(conn); bad != nil {
			return *bad
		}
	}
	a := exchange(conn, o)
	if a.kind != retry {
		return a
	}
	share, ok, err := newKeyShare(a.group)
	if err != nil {
		return answer{kind: silent, reason: "no random numbers"}
	}
	if !ok {
		// We cannot make such a key, but asking for one is choosing TLS 1.3.
		return answer{kind: accepted, version: TLS13, suite: a.suite}
	}
	o.share, o.again, o.cookie = share, true, a.cookie
	a = exchange(conn, o)
	if a.kind == retry {
		return garbage("a second HelloRetryRequest")
	}
	return a
}

func exchange(conn net.Conn, o *offer) answer {
	record, err := o.record()
	if err != nil {
		return answer{kind: silent, reason: "the hello could not be written"}
	}
	if _, err := conn.Write(record); err != nil {
		return ended(err, nil)
	}
	return readAnswer(skipCompatibility(conn, o), o)
}

// skipCompatibility drops the ChangeCipherSpec that a server may have sent after its
// HelloRetryRequest (RFC 8446 §D.4), once, before the second ServerHello.
func skipCompatibility(r io.Reader, o *offer) io.Reader {
	if !o.again {
		return r
	}
	var head [6]byte
	n, err := io.ReadFull(r, head[:])
	if err == nil && string(head[:]) == "\x14\x03\x03\x00\x01\x01" {
		return r
	}
	return io.MultiReader(strings.NewReader(string(head[:n])), r)
}

const (
	reasonRefused  = "connection refused"
	reasonNoHost   = "no such host"
	reasonTimeout  = "no connection in time"
	reasonNetwork  = "network unreachable"
	reasonNoAnswer = "no connection"
)

// connect opens a connection whose every read and write ends by the deadline.
func (s *scanner) connect(ctx context.Context) (net.Conn, *answer) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Connection)
	defer cancel()
	conn, err := s.options.Dial(ctx, "tcp", s.target.Address)
	if err != nil {
		return nil, &answer{kind: unreached, reason: DialReason(err)}
	}
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		conn.Close()
		return nil, &answer{kind: unreached, reason: reasonNoAnswer}
	}
	return conn, nil
}

// DialReason names the cause of a failed connection in words that hold no address and do not
// change from run to run.
func DialReason(err error) string {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		return reasonNoHost
	case errors.Is(err, syscall.ECONNREFUSED):
		return reasonRefused
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return reasonNetwork
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		errors.As(err, &timeout) && timeout.Timeout():
		return reasonTimeout
	}
	return reasonNoAnswer
}

// suites finds every suite that the server accepts in TLS 1.2, by offering what is left until
// the server refuses. Each class is asked for on its own, all at once, so that one weak suite
// shows even where the server prefers the strong ones, and slow links cost less.
func (s *scanner) suites(ctx context.Context) (found []Suite, whole bool) {
	byClass := map[Class][]uint16{}
	for _, suite := range KnownSuites() {
		byClass[suite.Class] = append(byClass[suite.Class], suite.ID)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	whole = true
	for _, left := range byClass {
		wg.Go(func() {
			chosen, complete := s.peel(ctx, left)
			mu.Lock()
			defer mu.Unlock()
			whole = whole && complete
			for _, id := range chosen {
				found = append(found, SuiteByID(id))
			}
		})
	}
	wg.Wait()
	slices.SortFunc(found, func(a, b Suite) int { return int(a.ID) - int(b.ID) })
	return found, whole
}

func (s *scanner) peel(ctx context.Context, left []uint16) (chosen []uint16, complete bool) {
	for len(left) > 0 {
		a := s.try(ctx, TLS12, left)
		switch a.kind {
		case accepted:
			chosen = append(chosen, a.suite)
			left = slices.DeleteFunc(left, func(id uint16) bool { return id == a.suite })
		case lower, alerted, closed, reset:
			return chosen, true
		default:
			return chosen, false
		}
	}
	return chosen, true
}
