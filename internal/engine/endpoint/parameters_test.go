package endpoint

import (
	"slices"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/estate"
)

// The sentence of CRT-2 names who issues, so the check must hold every endpoint to that name.
func TestAcceptedIssuerIsTheAnnouncedOne(t *testing.T) {
	e := &estate.Estate{Policy: estate.DefaultPolicy(), Endpoints: []estate.Endpoint{
		{Name: "a", Environment: estate.NonProduction},
		{Name: "b", Environment: estate.NonProduction, Issuer: "Autre"},
		{Name: "c", Environment: estate.Production},
	}}
	announced := parameters(e)["endpoint.certificate.accepted_issuers"].List
	if !slices.Equal(announced, []string{"Autre", automaticIssuer}) {
		t.Errorf("announced %v", announced)
	}
	for _, ep := range e.Endpoints[:2] {
		if !slices.Contains(announced, acceptedIssuer(ep)) {
			t.Errorf("%s is held to %q, which is not announced", ep.Name, acceptedIssuer(ep))
		}
	}
	if acceptedIssuer(e.Endpoints[2]) != "" {
		t.Error("production is held to an issuer nobody named")
	}
	if !sameOrganisation("Let's Encrypt", automaticIssuer) || sameOrganisation("Lets Encrypt", automaticIssuer) {
		t.Error("names are compared wrongly")
	}
	if p := parameters(e); p["endpoint.certificate.remaining"].Duration != 14*24*time.Hour || !slices.Equal(p["endpoint.tls.accepted"].List, []string{"TLS 1.2", "TLS 1.3"}) {
		t.Errorf("%+v", p)
	}
}
