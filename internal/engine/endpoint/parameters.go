package endpoint

import (
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
)

// parameters are the figures of the annex that the policy of an estate sets.
func parameters(e *estate.Estate) map[string]measure.Fact {
	versions := make([]string, len(e.Policy.TLSVersions))
	for i, v := range e.Policy.TLSVersions {
		versions[i] = "TLS " + v
	}
	issuers := []string{}
	for _, ep := range e.Endpoints {
		if ep.Environment == estate.NonProduction {
			issuers = append(issuers, acceptedIssuer(ep))
		}
	}
	slices.Sort(issuers)
	if issuers = slices.Compact(issuers); len(issuers) == 0 {
		issuers = []string{automaticIssuer}
	}
	return map[string]measure.Fact{
		"endpoint.tls.accepted":          measure.List(versions...),
		"endpoint.hsts.required_max_age": measure.Span(e.Policy.HSTSMaxAge),
		"endpoint.certificate.remaining": measure.Span(e.Policy.CertRemaining),

		"endpoint.certificate.accepted_issuers": measure.List(issuers...),
	}
}

// automaticIssuer issues the certificates outside production unless the estate names another.
const automaticIssuer = "Let’s Encrypt"

// acceptedIssuer is the organisation that must have issued an endpoint's certificate; empty: any
// that is trusted. Outside production the annex always names one.
func acceptedIssuer(e estate.Endpoint) string {
	if e.Issuer == "" && e.Environment == estate.NonProduction {
		return automaticIssuer
	}
	return e.Issuer
}

// sameOrganisation compares names of organisations, whatever apostrophe and case they have.
func sameOrganisation(a, b string) bool {
	plain := strings.NewReplacer("’", "'", "‘", "'")
	return strings.EqualFold(plain.Replace(a), plain.Replace(b))
}
