package endpoint

import (
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
)

// parameters are the figures of the annex that the policy of an estate sets.
func parameters(e *estate.Estate) map[string]measure.Fact {
	versions := make([]string, len(e.Policy.TLSVersions))
	for i, v := range e.Policy.TLSVersions {
		versions[i] = "TLS " + v
	}
	return map[string]measure.Fact{
		"endpoint.tls.accepted":          measure.List(versions...),
		"endpoint.hsts.required_max_age": measure.Span(e.Policy.HSTSMaxAge),
		"endpoint.certificate.remaining": measure.Span(e.Policy.CertRemaining),
	}
}
