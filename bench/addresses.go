package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// address is a page to ask for.
type address struct {
	path   string
	label  string // in place of the path, where that has an id
	public bool
}

func (a address) name() string {
	n := a.label
	if n == "" {
		n = a.path
	}
	if a.public {
		n = "annex " + n
	}
	return n
}

func (a address) goal() time.Duration {
	if strings.Contains(a.path, "at=") {
		return pastGoal
	}
	return pageGoal
}

// ids are the things of the company that pages are asked for by.
type ids struct{ asset, person, document, supplier, account, site, check, evidence, run, sample string }

func (g *grown) ids(ctx context.Context, m *meter) (i ids, err error) {
	entry := "SELECT id::text FROM register.entry WHERE register = '%s' AND deleted_at IS NULL ORDER BY sort_key DESC LIMIT 1"
	for _, q := range []struct {
		into *string
		sql  string
	}{
		{&i.asset, fmt.Sprintf(entry, "assets")}, {&i.person, "SELECT id::text FROM register.entry WHERE register = 'persons' ORDER BY id DESC LIMIT 1"}, {&i.document, fmt.Sprintf(entry, "documents")},
		{&i.supplier, fmt.Sprintf(entry, "suppliers")}, {&i.site, fmt.Sprintf(entry, "sites")},
		{&i.account, "SELECT id::text FROM directory.person ORDER BY id DESC LIMIT 1"},
		{&i.check, "SELECT check_id FROM measure.evidence GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"},
		{&i.evidence, "SELECT id::text FROM measure.evidence ORDER BY id DESC LIMIT 1 OFFSET 500"},
		{&i.run, "SELECT id::text FROM measure.run ORDER BY id DESC LIMIT 1"},
	} {
		if *q.into, err = g.text(ctx, q.sql); err != nil {
			return i, err
		}
	}
	res, body, err := m.do(ctx, http.MethodPost, m.staff.URL, "/audit", url.Values{
		"population": {"evidence:" + i.check}, "from": {g.day(-300)}, "until": {g.day(-1)}, "method": {"random"}, "size": {"40"}, "purpose": {"Revue (exemple)"},
	})
	if err != nil {
		return i, err
	}
	if i.sample, _, _ = strings.Cut(res.Header.Get("Location"), "?"); i.sample == "" {
		return i, fmt.Errorf("no sample was drawn: %s %s", res.Status, body[:min(len(body), 500)])
	}
	return i, nil
}

// pages lists every page that is measured.
func (g *grown) pages(ctx context.Context, m *meter) ([]address, error) {
	i, err := g.ids(ctx, m)
	if err != nil {
		return nil, err
	}
	var list []address
	staff := func(paths ...string) {
		for _, p := range paths {
			label := p
			for _, id := range []string{i.asset, i.person, i.document, i.supplier, i.account, i.site, i.evidence, i.run} {
				label = strings.Replace(label, id, "{id}", 1)
			}
			label = strings.Replace(label, i.sample, "/audit/{id}", 1)
			list = append(list, address{path: p, label: label})
		}
	}
	staff("/", "/?whose=mine", "/?team=operations",
		"/annex", "/annex?state=met", "/annex/ENC-1", "/annex/PHY-2", "/annex/OWN-1", "/annex/company", "/annex/parameters", "/annex/text", "/annex/review", "/annex/versions", "/annex/versions/7",
		"/measures", "/measures?show=due", "/measures/ENC-1", "/measures/PHY-2",
		"/checks", "/checks?state=met", "/checks/"+i.check, "/checks/register.owners", "/evidence/"+i.evidence, "/runs/"+i.run,
		"/registers",
		"/registers/assets", "/registers/assets?state=*&kind=laptop&class=internal", "/registers/assets?q=appareil+49", "/registers/assets?owner="+i.person, "/registers/assets/new", "/registers/assets/import",
		"/registers/assets/"+i.asset, "/registers/assets/"+i.asset+"/edit",
		"/registers/persons", "/registers/persons?team=-", "/registers/persons?q="+url.QueryEscape(personEmail(77)), "/registers/persons/new", "/registers/persons/"+i.person, "/registers/persons/"+i.person+"/edit",
		"/registers/documents", "/registers/documents/"+i.document, "/registers/documents/"+i.document+"/edit",
		"/registers/suppliers", "/registers/suppliers/"+i.supplier, "/registers/sites", "/registers/sites/"+i.site, "/registers/teams",
		"/tasks/acknowledge/"+i.document,
		"/people", "/people/"+i.account, "/account", "/mail/preferences", "/mail",
		"/record", "/record?action=*", "/record?action=person.role_changed", "/record?object="+url.QueryEscape("person:"+i.account), "/record?actor="+i.account, "/record?action=estate.applied",
		"/audit", i.sample, i.sample+"/items/1",
		"/estate", "/estate/1",
		"/api/v1/measures", "/api/v1/measures/ENC-1", "/api/v1/checks", "/api/v1/tasks", "/api/v1/measures/PHY-2/attestations",
		"/api/v1/registers/assets?limit=50", "/api/v1/registers/assets?limit=500", "/api/v1/registers/persons?limit=50", "/api/v1/registers/assets/"+i.asset)
	then := g.day(-g.days / 2)
	for _, p := range []string{
		"/", "/?order=clauses", "/?order=iso", "/m/ENC-1", "/m/PHY-2", "/changes", "/changes.atom", "/subprocessors", "/verify", "/annex.json", "/changes.json", "/m/ENC-1/proof.json", "/document.json",
		"/?at=" + then, "/?order=iso&at=" + then, "/m/ENC-1?at=" + then, "/changes?at=" + then, "/subprocessors?at=" + then, "/annex.json?at=" + then, "/?at=" + g.day(-g.days+60), "/?at=" + g.day(-3),
	} {
		list = append(list, address{path: p, public: true, label: strings.NewReplacer(then, "a year ago", g.day(-g.days+60), "two years ago", g.day(-3), "3 days ago").Replace(p)})
	}
	return list, nil
}
