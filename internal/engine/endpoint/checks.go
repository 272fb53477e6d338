package endpoint

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/garant-project/garant/internal/engine/endpoint/tlsscan"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
)

// Set holds one T for each check of this engine. Its literals are written without keys, so
// that a new check does not compile until it has a T everywhere one is due, fault injections
// included.
type Set[T any] struct {
	TLS                      T
	PlainHTTP                T
	HSTS                     T
	CertificateProduction    T
	CertificateNonProduction T
}

// All returns the set's members in the order of its fields.
func (s Set[T]) All() []T {
	return []T{s.TLS, s.PlainHTTP, s.HSTS, s.CertificateProduction, s.CertificateNonProduction}
}

// Checks returns the checks of this engine.
func Checks(deps Deps) Set[measure.Check] {
	p := newProber(deps)
	return Set[measure.Check]{p.tlsCheck(), p.plainHTTPCheck(), p.hstsCheck(),
		p.certificateCheck("endpoint.certificate.production", "CRT-1", estate.Production),
		p.certificateCheck("endpoint.certificate.nonproduction", "CRT-2", estate.NonProduction)}
}

// check fills in what all checks of this engine share. policy is that of the run's estate.
func (p *prober) check(id, proves string, in func(*estate.Endpoint) bool,
	probe func(context.Context, *estate.Policy, *estate.Endpoint, time.Time) *look,
	facts func([]*look) map[string]measure.Fact, names ...string) measure.Check {
	return measure.Check{ID: id, Measures: []string{proves}, Every: every, Valid: valid, Timeout: timeout, Facts: names,
		Scope: func(e *estate.Estate) []string {
			var scope []string
			for _, t := range targets(e, in) {
				scope = append(scope, t.Name)
			}
			slices.Sort(scope)
			return scope
		},
		Run: func(ctx context.Context, run measure.In) measure.Finding {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			return p.run(ctx, run, targets(run.Estate, in), func(ctx context.Context, e *estate.Endpoint, now time.Time) *look {
				return probe(ctx, &run.Estate.Policy, e, now)
			}, facts)
		},
	}
}

func targets(e *estate.Estate, in func(*estate.Endpoint) bool) []*estate.Endpoint {
	var list []*estate.Endpoint
	for i := range e.Endpoints {
		if in(&e.Endpoints[i]) {
			list = append(list, &e.Endpoints[i])
		}
	}
	return list
}

func anyEndpoint(*estate.Endpoint) bool     { return true }
func httpsEndpoint(e *estate.Endpoint) bool { return e.Protocol == estate.HTTPS }
func examined(looks []*look) measure.Fact   { return measure.Count(len(looks)) }
func factName(check, fact string) string    { return check + "." + fact }
func days(d time.Duration) string {
	if d%(24*time.Hour) == 0 {
		return fmt.Sprintf("%d d", d/(24*time.Hour))
	}
	return fmt.Sprintf("%.1f d", d.Hours()/24)
}

func (p *prober) tlsCheck() measure.Check {
	const id = "endpoint.tls"
	return p.check(id, "ENC-1", anyEndpoint, p.tls, func(looks []*look) map[string]measure.Fact {
		var versions []tlsscan.Version
		var suites []uint16
		for _, l := range looks {
			versions = append(versions, l.versions...)
			for _, s := range l.suites {
				suites = append(suites, s.ID)
			}
		}
		slices.Sort(versions)
		slices.Sort(suites)
		var list []string
		for _, v := range slices.Compact(versions) {
			list = append(list, v.String())
		}
		return map[string]measure.Fact{
			factName(id, "examined"): examined(looks),
			factName(id, "versions"): measure.List(list...),
			factName(id, "suites"):   measure.Count(len(slices.Compact(suites))),
		}
	}, factName(id, "examined"), factName(id, "versions"), factName(id, "suites"))
}

func (p *prober) plainHTTPCheck() measure.Check {
	const id = "endpoint.plainhttp"
	probe := func(ctx context.Context, _ *estate.Policy, e *estate.Endpoint, now time.Time) *look {
		return p.plainHTTP(ctx, e, now)
	}
	return p.check(id, "ENC-1", httpsEndpoint, probe, func(looks []*look) map[string]measure.Fact {
		return map[string]measure.Fact{factName(id, "examined"): examined(looks)}
	}, factName(id, "examined"))
}

func (p *prober) hstsCheck() measure.Check {
	const id = "endpoint.hsts"
	return p.check(id, "ENC-2", httpsEndpoint, p.hsts, func(looks []*look) map[string]measure.Fact {
		least := looks[0].maxAge // an endpoint without a valid header counts as zero
		for _, l := range looks {
			least = min(least, l.maxAge)
		}
		return map[string]measure.Fact{
			factName(id, "examined"): examined(looks),
			factName(id, "max_age"):  measure.Span(least),
		}
	}, factName(id, "examined"), factName(id, "max_age"))
}

func (p *prober) certificateCheck(id, proves string, environment estate.Environment) measure.Check {
	in := func(e *estate.Endpoint) bool { return e.Environment == environment }
	names := []string{factName(id, "examined"), factName(id, "next_expiry")}
	if environment == estate.NonProduction {
		names = append(names, factName(id, "issuers"))
	}
	return p.check(id, proves, in, p.certificate, func(looks []*look) map[string]measure.Fact {
		facts := map[string]measure.Fact{factName(id, "examined"): examined(looks)}
		var next time.Time
		var issuers []string
		for _, l := range looks {
			if !l.expiry.IsZero() && (next.IsZero() || l.expiry.Before(next)) {
				next = l.expiry
			}
			if l.issuer != "" {
				issuers = append(issuers, l.issuer)
			}
		}
		if !next.IsZero() {
			facts[factName(id, "next_expiry")] = measure.At(next)
		}
		if slices.Sort(issuers); environment == estate.NonProduction {
			facts[factName(id, "issuers")] = measure.List(slices.Compact(issuers)...)
		}
		return facts
	}, names...)
}
