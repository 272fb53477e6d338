package console_test

import (
	"context"
	"testing"

	annexes "github.com/garant-project/garant/internal/measure/tailoring/console"
	"github.com/garant-project/garant/internal/web/browsertest"
)

// sample fills a house with something of everything, and returns the pages that show it.
func sample(t *testing.T) (h *house, pages map[string]string) {
	t.Helper()
	h = open(t, func(d *annexes.Deps) {
		d.Unowned = func(context.Context) (map[string]bool, error) {
			return map[string]bool{"PHY-7": true, "PWR-1": true}, nil
		}
	})
	h.look()
	bob := h.person("bob")
	h.send("/annex/company", "/annex/company", "company.legal_name", "Ardoise Mécénat SRL", "company.revision", "2027-11-12", "company.dpo.email", "dpo@ardoise.example", "also.training.fr", "Chacun est formé à l'arrivée.", "also.training.en", "Everybody is trained on arrival.")
	h.send("/annex/BAK-4", "/annex/BAK-4/exclude", "excluded.reason.fr", "Nous n'utilisons pas Redis.", "excluded.reason.en", "We do not use Redis.")
	h.send("/annex/review", "/annex/review", "note", "Première version")
	h.auth.who = bob
	h.publish()
	h.auth.who = h.alice
	h.send("/annex/parameters", "/annex/parameters", "p.backup.database.retention", "30d", "p.endpoint.tls.accepted", "TLS 1.3")
	h.send("/annex/ENC-1", "/annex/ENC-1", "sentence.fr", "Toutes les données circulent en HTTPS, partout, et seule la version {endpoint.tls.accepted} est acceptée.", "sentence.en", "All data travels over HTTPS, everywhere, and only {endpoint.tls.accepted} is accepted.", "owner", "security")
	h.send("/annex/LOG-3", "/annex/LOG-3", "attested", "1")
	h.send("/annex/own", "/annex/own", "title.fr", "Formation", "title.en", "Training", "sentence.fr", "Chacun est formé à l'arrivée.", "sentence.en", "Everybody is trained on arrival.", "method.fr", "On le confirme.", "method.en", "Somebody confirms it.", "section", "1.2")
	h.send("/annex/review", "/annex/review", "note", "Trente jours de rétention, comme au contrat")
	h.auth.who = bob
	return h, map[string]string{
		"list": "/annex", "list-narrowed": "/annex?state=unproven&kind=attested", "list-empty": "/annex?state=stale", "measure": "/annex/ENC-1", "measure-attested": "/annex/LOG-3", "measure-excluded": "/annex/BAK-4", "measure-own": "/annex/OWN-1",
		"own": "/annex/own", "parameters": "/annex/parameters", "company": "/annex/company", "text": "/annex/text", "review": "/annex/review", "versions": "/annex/versions", "version": "/annex/versions/1",
	}
}

// axe finds nothing to say, in either theme, on a wide window and on a phone; and no page is
// wider than its window (WCAG 2.2, 1.4.10).
func TestAccessibility(t *testing.T) {
	h, pages := sample(t)
	browsertest.Open(t, h.site).Accessible(pages, browsertest.Looks()...)
}
