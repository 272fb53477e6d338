// Package registertest fills registers with a company that does not exist, for benchmarks and for
// tests that need many entries.
package registertest

import (
	"context"
	"encoding/csv"
	"fmt"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/engine/register"
)

// Seed adds teams, sites, so many persons and assets, suppliers, and published documents that
// nobody has read. The same numbers give the same company.
func Seed(ctx context.Context, r *register.Registers, by actor.Actor, persons, assets int, now time.Time) error {
	tables := map[string][][]string{
		register.Teams:     {{"name", "key"}, {"Sécurité", "security"}, {"IT Operations", "operations"}, {"Développement", "development"}, {"Ressources humaines", "people"}},
		register.Sites:     {{"name", "kind", "review"}, {"Siège", "office", "2027-06-01"}, {"Centre A (exemple)", "datacentre", "2027-06-01"}, {"Centre B (exemple)", "datacentre", "2027-06-01"}},
		register.Persons:   {{"name", "email", "kind", "team", "arrival", "nda", "leaving"}},
		register.Assets:    {{"tag", "name", "kind", "owner", "site", "class", "serial", "encrypted"}},
		register.Suppliers: {{"name", "country", "subprocessor", "review"}},
	}
	teams := []string{"Sécurité", "IT Operations", "Développement", "Ressources humaines"}
	for i := range persons {
		leaving := ""
		if i%25 == 24 {
			leaving = now.AddDate(0, -1, 0).Format(time.DateOnly)
		}
		tables[register.Persons] = append(tables[register.Persons], []string{fmt.Sprintf("Personne %d (exemple)", i), address(i), []string{"employee", "contractor"}[i%8/7], teams[i%len(teams)], "2024-02-29", "2024-03-01", leaving})
	}
	kinds := []string{"laptop", "phone", "laptop", "workstation", "printer", "network", "service", "server"}
	for i := range assets {
		owner := i % max(1, persons)
		if owner%25 == 24 { // who has left owns nothing
			owner--
		}
		kind := kinds[i%len(kinds)]
		site := "Siège"
		if kind == "server" {
			site = "Centre A (exemple)"
		}
		tables[register.Assets] = append(tables[register.Assets], []string{fmt.Sprintf("A-%05d", i), fmt.Sprintf("Matériel n° %d", i), kind, address(owner), site, []string{"internal", "confidential"}[i%2], fmt.Sprintf("SN%07d", i), "true"})
	}
	for i := range 40 {
		tables[register.Suppliers] = append(tables[register.Suppliers], []string{fmt.Sprintf("Fournisseur %d (exemple)", i), "BE", "false", "2027-09-01"})
	}
	for _, key := range []string{register.Teams, register.Sites, register.Persons, register.Assets, register.Suppliers} {
		var b strings.Builder
		if err := csv.NewWriter(&b).WriteAll(tables[key]); err != nil {
			return err
		}
		report, err := r.Import(ctx, by, key, []byte(b.String()), false, now)
		if err != nil {
			return err
		}
		if report.Bad > 0 {
			return fmt.Errorf("registertest: %s: %d lines are wrong: %+v", key, report.Bad, report.Faults[0])
		}
	}
	for title, measures := range map[string]string{"Bureau propre": "PHY-7", "Télétravail": "PHY-8, TEL-1", "Supports et papiers": "PHY-9", "Plan de continuité": "BCP-1"} {
		e, err := r.Create(ctx, by, register.Documents, register.Values{"title": title, "kind": "policy", "measures": measures, "acknowledge": "true", "class": "internal",
			"owner": address(0), "review": "2027-06-01", "text": strings.Repeat("Une règle simple, dite en une phrase.\n", 30)}, now)
		if err != nil {
			return err
		}
		if _, err := r.Move(ctx, by, register.Documents, e.ID, e.Revision, "published", now); err != nil {
			return err
		}
	}
	return nil
}

func address(i int) string { return fmt.Sprintf("p%d@ardoise.example", i) }
