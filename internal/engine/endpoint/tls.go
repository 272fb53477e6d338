package endpoint

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/engine/endpoint/tlsscan"
	"github.com/garant-project/garant/internal/estate"
)

// allowedVersions translates the policy's "1.2" into versions. What it does not know allows
// nothing, and no policy allows a version older than TLS 1.2.
func allowedVersions(policy *estate.Policy) []tlsscan.Version {
	var versions []tlsscan.Version
	for _, v := range []tlsscan.Version{tlsscan.TLS12, tlsscan.TLS13} {
		if number, ok := strings.CutPrefix(v.String(), "TLS "); ok && slices.Contains(policy.TLSVersions, number) {
			versions = append(versions, v)
		}
	}
	return versions
}

func names(versions []tlsscan.Version) string {
	list := make([]string, 0, len(versions))
	for _, v := range versions {
		list = append(list, v.String())
	}
	return strings.Join(list, ", ")
}

func suiteNames(suites []tlsscan.Suite) string {
	list := make([]string, 0, len(suites))
	for _, s := range suites {
		list = append(list, s.Name)
	}
	return strings.Join(list, ", ")
}

// tls scans one endpoint, for ENC-1.
func (p *prober) tls(ctx context.Context, policy *estate.Policy, e *estate.Endpoint, now time.Time) *look {
	l := &look{}
	r := tlsscan.Scan(ctx, tlsscan.Target{Address: e.Address(), ServerName: e.Host, Postgres: e.Protocol == estate.Postgres},
		tlsscan.Options{Dial: p.dial, Connection: p.connection})
	l.raw = r
	switch {
	case !r.Reached:
		l.add(Unreachable, "an answer", r.Cause)
		return l
	case !r.Answered:
		l.add(Silent, "an answer", r.Cause)
		return l
	}
	if r.Plaintext == tlsscan.Accepted {
		l.add(PlaintextAccepted, "refused", r.PlainReason)
	}
	if r.NoTLS {
		l.add(NoTLS, names(allowedVersions(policy)), "no TLS")
		return l
	}
	l.versions, l.suites = r.Accepted(), r.Suites
	judgeScan(l, r, policy)
	if e.Protocol == estate.Postgres && r.Plaintext == tlsscan.Unknown {
		l.add(PlaintextUnknown, "refused", r.PlainReason)
	}
	if len(e.Identity) > 0 && len(l.versions) > 0 {
		// An impostor that scans well proves nothing about the endpoint that was declared. What
		// it does wrong stays: a client that asks for the declared name gets just that.
		if c := p.chain(ctx, e, now); !c.identified() {
			l.add(Impostor, "a certificate with the declared identity", c.subject())
		}
	}
	return l
}

func judgeScan(l *look, r *tlsscan.Report, policy *estate.Policy) {
	allowed := allowedVersions(policy)
	var old, good []tlsscan.Version
	for _, v := range l.versions {
		if slices.Contains(allowed, v) {
			good = append(good, v)
		} else {
			old = append(old, v)
		}
	}
	if len(old) > 0 {
		l.add(OldVersion, names(allowed), names(old))
	}
	undecided := r.Undecided()
	switch {
	case len(l.versions) > 0 && len(good) == 0 && !slices.ContainsFunc(undecided, func(v tlsscan.Version) bool { return slices.Contains(allowed, v) }):
		l.add(NoModernVersion, names(allowed), names(l.versions))
	case len(l.versions) == 0:
		l.add(TLSUnreadable, "a TLS handshake", undecidedReason(r))
		return
	}
	if len(undecided) > 0 {
		l.add(TLSUnreadable, "an answer to "+names(undecided), undecidedReason(r))
	}
	var weak, unsafe []tlsscan.Suite
	for _, s := range r.Suites {
		switch s.Class {
		case tlsscan.Weak:
			weak = append(weak, s)
		case tlsscan.NoForwardSecrecy:
			unsafe = append(unsafe, s)
		}
	}
	if len(weak) > 0 {
		l.add(WeakSuite, "none", suiteNames(weak))
	}
	if len(unsafe) > 0 {
		l.add(NoForwardSecrecy, "ECDHE or DHE", suiteNames(unsafe))
	}
	if !r.SuitesKnown && !slices.Contains(undecided, tlsscan.TLS12) {
		l.add(SuitesUnknown, "the whole list", "the server stopped answering")
	}
}

func undecidedReason(r *tlsscan.Report) string {
	var reasons []string
	for _, v := range r.Versions {
		if v.Verdict == tlsscan.Unknown && v.Reason != "" && !slices.Contains(reasons, v.Reason) {
			reasons = append(reasons, v.Reason)
		}
	}
	return strings.Join(reasons, ", ")
}
