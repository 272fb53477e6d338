package estate_test

import (
	"os"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/estate"
)

// TestExampleParses holds docs/garant.yaml to what this build reads.
func TestExampleParses(t *testing.T) {
	source, err := os.ReadFile("../../docs/garant.yaml")
	if err != nil {
		t.Fatal(err)
	}
	e, err := estate.Parse(source, estate.Files{
		"ca.pem":         authority(t, "Ardoise"),
		"isolation.yaml": []byte("isolation: 1\ndatabase: ardoise\ntables: {customer.applicant: {class: tenant, column: organisation_id}}\n"),
		"anonymise.yaml": []byte("anonymise: 1\ntables: {customer.applicant: {columns: {id: rekey bigint}}}\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Endpoints) != 4 || e.Endpoints[1].Address() != "10.20.0.4:8443" || e.Endpoints[2].Port != 5432 || e.Company.Zone.String() != "Europe/Brussels" {
		t.Errorf("read as %+v", e)
	}
	if d, ok := e.Database("production"); !ok || len(d.Readers) != 2 || len(d.Privileged) != 2 || len(d.Developers) != 2 || !d.Labels[0].Covers("customer", "applicant", "email") {
		t.Errorf("databases read as %+v", e.Databases)
	}
	if d, _ := e.Database("production"); d.Tenancy == nil || d.Tenancy.Manifest == nil || d.Tenancy.Application.IsZero() || d.Tenancy.Copy.IsZero() || d.Tenancy.Login.TrustPEM == nil {
		t.Errorf("tenancy read as %+v", d.Tenancy)
	}
	if d, _ := e.Database("production"); d.Anonymised == nil || d.Anonymised.Name != "ardoise_dev" || d.Anonymised.MaxAge != 36*time.Hour {
		t.Errorf("anonymised copies read as %+v", d.Anonymised)
	}
	if d, _ := e.Database("dedicated"); d.Dedicated == nil || d.Dedicated.Of != "production" {
		t.Errorf("dedicated hosting read as %+v", d.Dedicated)
	}
	if len(e.Checks) != 4 || len(e.Imports) != 2 || len(e.Witnesses) != 1 || e.Witnesses[0].Cosigner == "" || e.Checks[2].Command.Env[0].Secret.IsZero() {
		t.Errorf("checks, imports and witnesses read as %+v %+v %+v", e.Checks, e.Imports, e.Witnesses)
	}
	if len(e.Logs) != 3 || e.Logs[0].Search.TrustPEM == nil || e.Logs[1].Canary.Token.IsZero() || e.Logs[2].Ship == nil || !e.Logs[2].Canary.Shipper {
		t.Errorf("logs read as %+v", e.Logs)
	}
	if len(e.CloudLogs) != 1 || e.CloudLogs[0].Home != "eu-west-1" || e.CloudLogs[0].Copy.Account != "444455556666" || len(e.Workspaces) != 1 || e.Workspaces[0].Applications["token"] != 6*time.Hour {
		t.Errorf("cloud logs and workspaces read as %+v %+v", e.CloudLogs, e.Workspaces)
	}
	if got, want := e.Policy, estate.DefaultPolicy(); !equalPolicy(got, want) {
		t.Errorf("the example's policy is %+v; it says it shows the default, %+v", got, want)
	}
	server, err := estate.ParseServer(source, "/etc/garant")
	if err != nil {
		t.Fatal(err)
	}
	if server.Listen.Metrics != "127.0.0.1:9480" || server.Hosts.Annex != "trust.localhost" {
		t.Errorf("server read as %+v", server)
	}
}
