package register_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/engine/register"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/measure/measuretest"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

// sound is a company whose registers are as they should be.
type sound struct {
	*world
	ana, ben                     actor.Actor
	anaEntry, benEntry           register.Entry
	office, centre               register.Entry
	laptop, server, stick        register.Entry
	desk, telework, papers, plan register.Entry
	supplier, sub                register.Entry
}

func (w *world) company() *estate.Estate {
	brussels := must[*time.Location](w.t)(time.LoadLocation("Europe/Brussels"))
	return &estate.Estate{Company: estate.Company{Name: "Ardoise Mécénat", Country: "BE", Zone: brussels}, Policy: estate.DefaultPolicy()}
}

func newSound(t *testing.T) *sound {
	s := &sound{world: open(t)}
	signed := register.Values{"nda": "2024-03-01"}
	s.ana, s.anaEntry = s.signedIn("Ana", signed)
	s.ben, s.benEntry = s.signedIn("Ben", signed)
	owner := s.anaEntry.ID.String()
	s.office = s.add(register.Sites, register.Values{"name": "Siège", "kind": "office"})
	s.centre = s.add(register.Sites, register.Values{"name": "Salle (exemple)", "kind": "datacentre"})
	s.laptop = s.add(register.Assets, register.Values{"tag": "PC-1", "kind": "laptop", "owner": owner, "class": "internal", "site": s.office.ID.String()})
	s.server = s.add(register.Assets, register.Values{"tag": "SRV-1", "kind": "server", "owner": owner, "class": "confidential", "site": s.centre.ID.String()})
	s.stick = s.add(register.Assets, register.Values{"tag": "USB-1", "kind": "removable_media", "owner": owner, "class": "confidential", "encrypted": "true", "keeper": s.benEntry.ID.String(), "place": "Coffre 2"})
	more := func(title, measures string) register.Entry {
		e := s.move(s.policy(title, register.Values{"owner": owner, "measures": measures, "class": "internal"}), "published")
		s.read(s.ana, e)
		s.read(s.ben, e)
		return e
	}
	s.desk, s.telework, s.papers, s.plan = more("Clear desk", "PHY-7"), more("Telework", "PHY-8, TEL-1"), more("Papers", "PHY-9"), more("Continuity", "BCP-1")
	s.supplier = s.add(register.Suppliers, register.Values{"name": "Papetier (exemple)", "country": "BE", "subprocessor": "false", "review": "2027-01-01"})
	s.sub = s.add(register.Suppliers, register.Values{"name": "Hébergeur (exemple)", "country": "FR", "subprocessor": "true", "review": "2027-01-01", "assessed": "2024-01-01", "dpa": "2024-01-02",
		"safeguard": "eea", "public_since": "2024-01-03", "purpose_fr": "Hébergement", "purpose_en": "Hosting"})
	return s
}

// read acknowledges the version in force.
func (s *sound) read(by actor.Actor, e register.Entry) {
	s.t.Helper()
	r := must[register.Reading](s.t)(s.r.Read(s.ctx, by, e.ID, s.now))
	if err := s.r.Acknowledge(s.ctx, by, e.ID, r.Version, r.Digest, s.now); err != nil {
		s.t.Fatal(err)
	}
}

// wrong breaks an entry by a value and mends it again.
func (s *sound) wrong(name string, e register.Entry, field, value, key, problem string) measuretest.Fault {
	before := s.get(e).Values[field]
	return measuretest.Fault{Name: name,
		Break: func(testing.TB) { s.set(e, register.Values{field: value}) },
		Mend:  func(testing.TB) { s.set(e, register.Values{field: before}) },
		Item:  measure.Item{Target: "register:" + key, Problem: "register." + problem}}
}

// gone breaks the database for the role of the checks.
func (s *sound) gone(target string) measuretest.Fault {
	super := pgtest.Superuser(s.t, s.db.Pool(pg.Staff).Config().ConnConfig.Database)
	do := func(sql string) func(testing.TB) {
		return func(t testing.TB) {
			if _, err := super.Exec(context.Background(), sql); err != nil {
				t.Fatal(err)
			}
		}
	}
	return measuretest.Fault{Name: "the database does not answer", Want: measure.Error,
		Break: do("REVOKE USAGE ON SCHEMA register FROM garant_checker"), Mend: do("GRANT USAGE ON SCHEMA register TO garant_checker"),
		Item: measure.Item{Target: target, Problem: "register.unreachable"}}
}

// policyFaults are the ways in which a document stops to prove what it serves.
func (s *sound) policyFaults(e register.Entry) []measuretest.Fault {
	const docs = register.Documents
	item := func(key, problem string) measure.Item {
		return measure.Item{Target: "register:" + key, Problem: "register.policy." + problem}
	}
	lea := register.Entry{}
	return []measuretest.Fault{
		s.wrong("no owner", e, "owner", "", docs, "policy.no_owner"),
		s.wrong("no date of review", e, "review", "", docs, "policy.no_review"),
		s.wrong("review overdue", e, "review", "2026-11-25", docs, "policy.overdue"),
		s.wrong("nobody is asked", e, "acknowledge", "false", docs, "policy.not_asked"),
		s.wrong("serves another measure", e, "measures", "PHY-1", docs, "policy.none"),
		s.wrong("asks a team without people", e, "teams", "nobody", register.Persons, "policy.nobody"),
		{Name: "withdrawn", Item: item(docs, "none"), Break: func(testing.TB) { s.move(e, "withdrawn") },
			Mend: func(testing.TB) { s.move(e, "published"); s.read(s.ana, e); s.read(s.ben, e) }},
		{Name: "somebody has not read it in time", Item: item(register.Persons, "unread"),
			Break: func(testing.TB) {
				lea = s.person("Lea", register.Values{"arrival": "2026-10-01", "nda": "2026-10-02"})
				s.older(e, 40)
			},
			Mend: func(testing.TB) { s.set(lea, register.Values{"leaving": "2026-11-01"}); s.older(e, 0); s.remove(lea) }},
		s.gone("register:documents"),
	}
}

// older makes the latest publication of a document so many days old.
func (s *sound) older(e register.Entry, days int) {
	s.t.Helper()
	super := pgtest.Superuser(s.t, s.db.Pool(pg.Staff).Config().ConnConfig.Database)
	if _, err := super.Exec(s.ctx, "UPDATE register.publication SET at = $2 WHERE entry_id = $1", e.ID, s.now.AddDate(0, 0, -days)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sound) remove(e register.Entry) {
	s.t.Helper()
	if err := s.r.Remove(s.ctx, s.lead, e.Register, e.ID, s.get(e).Revision, s.now); err != nil {
		s.t.Fatal(err)
	}
}

// leaves lets the owner of the assets leave and come back.
func (s *sound) leaves(name string, e register.Entry, key, problem string) measuretest.Fault {
	return s.wrong(name, e, "leaving", "2026-11-25", key, problem)
}

func TestFaults(t *testing.T) {
	s := newSound(t)
	checks := register.Checks(s.r)
	// Unkeyed: a check without faults does not compile.
	faults := register.Set[[]measuretest.Fault]{
		[]measuretest.Fault{ // office
			s.wrong("a server in the office", s.server, "site", s.office.ID.String(), register.Assets, "office.found"),
			s.wrong("a server somewhere", s.server, "site", "", register.Assets, "office.unplaced"),
			s.wrong("a disk in the office", s.laptop, "kind", "storage", register.Assets, "office.found"),
			s.gone("register:assets"),
		},
		[]measuretest.Fault{ // owners
			s.wrong("no owner", s.laptop, "owner", "", register.Assets, "owners.missing"),
			s.leaves("the owner has left", s.anaEntry, register.Assets, "owners.absent"),
			s.wrong("the owner comes tomorrow", s.anaEntry, "arrival", "2026-11-27", register.Assets, "owners.absent"),
			s.gone("register:persons"),
		},
		[]measuretest.Fault{ // labels
			s.wrong("an asset without a class", s.stick, "class", "", register.Assets, "labels.assets"),
			s.wrong("a document without a class", s.plan, "class", "", register.Documents, "labels.documents"),
			s.gone("register:assets"),
		},
		[]measuretest.Fault{ // media
			s.wrong("not encrypted", s.stick, "encrypted", "false", register.Assets, "media.unencrypted"),
			s.wrong("encryption unknown", s.stick, "encrypted", "", register.Assets, "media.unencrypted"),
			s.wrong("no keeper", s.stick, "keeper", "", register.Assets, "media.no_keeper"),
			s.leaves("the keeper has left", s.benEntry, register.Assets, "media.no_keeper"),
			s.wrong("no place", s.stick, "place", "", register.Assets, "media.no_place"),
			s.gone("register:assets"),
		},
		s.policyFaults(s.desk),
		append(s.policyFaults(s.telework), s.wrong("serves one of two", s.telework, "measures", "PHY-8", register.Documents, "policy.none")),
		s.policyFaults(s.papers),
		s.policyFaults(s.plan),
		[]measuretest.Fault{ // nda
			s.wrong("not signed", s.benEntry, "nda", "", register.Persons, "nda.unsigned"),
			s.wrong("to be signed tomorrow", s.benEntry, "nda", "2026-11-27", register.Persons, "nda.unsigned"),
			s.gone("register:persons"),
		},
		[]measuretest.Fault{ // suppliers
			s.wrong("no date of review", s.supplier, "review", "", register.Suppliers, "suppliers.no_review"),
			s.wrong("review overdue", s.supplier, "review", "2026-11-25", register.Suppliers, "suppliers.overdue"),
			s.wrong("not assessed", s.sub, "assessed", "", register.Suppliers, "suppliers.unassessed"),
			s.wrong("no agreement", s.sub, "dpa", "", register.Suppliers, "suppliers.no_dpa"),
			s.wrong("agreement to come", s.sub, "dpa", "2026-12-24", register.Suppliers, "suppliers.no_dpa"),
			s.wrong("no safeguard", s.sub, "safeguard", "", register.Suppliers, "suppliers.no_safeguard"),
			s.wrong("not on the list", s.sub, "public_since", "", register.Suppliers, "suppliers.not_public"),
			s.wrong("taken off the list", s.sub, "public_until", "2026-11-01", register.Suppliers, "suppliers.not_public"),
			s.gone("register:suppliers"),
		},
	}
	all := faults.All()
	for i, c := range checks.All() {
		t.Run(c.ID, func(t *testing.T) {
			s.t = t
			measuretest.Run(t, measuretest.Subject{Check: c, Estate: s.company(), Faults: all[i], Now: func() time.Time { return s.now }})
		})
	}
}

func (s *sound) look(c measure.Check, now time.Time) measure.Finding {
	return measure.Observe(s.ctx, c, measure.In{Estate: s.company(), Now: now}, slog.New(slog.DiscardHandler))
}

// An empty register proves nothing: never a pass, never a failure.
func TestEmptyRegistersProveNothing(t *testing.T) {
	w := open(t)
	s := &sound{world: w}
	for _, c := range register.Checks(w.r).All() {
		if f := s.look(c, w.now); f.Outcome != measure.NotApplicable {
			t.Errorf("%s of empty registers: %s %+v", c.ID, f.Outcome, f.Failed)
		}
	}
}

// A person has thirty days, from the publication or from their arrival; one day more is too late.
func TestGrace(t *testing.T) {
	s := newSound(t)
	desk := register.Checks(s.r).ClearDesk
	s.person("Lea", register.Values{"arrival": "2026-11-27"})
	for days, want := range map[int]measure.Outcome{1: measure.Pass, 31: measure.Pass, 32: measure.Fail} {
		if f := s.look(desk, s.now.AddDate(0, 0, days)); f.Outcome != want {
			t.Errorf("%d days after the publication, the arrival a day later: %s %+v", days, f.Outcome, f.Failed)
		}
	}
	// The figure that the annex announces is the one that counts.
	in := measure.In{Estate: s.company(), Now: s.now.AddDate(0, 0, 10), Figures: map[string]measure.Fact{"register.acknowledgement.grace": measure.Span(5 * 24 * time.Hour)}}
	if f := measure.Observe(s.ctx, desk, in, slog.New(slog.DiscardHandler)); f.Outcome != measure.Fail {
		t.Errorf("with five days: %s", f.Outcome)
	}
}

// What the checks store holds no personal value.
func TestFindingsHoldNoPerson(t *testing.T) {
	s := newSound(t)
	s.set(s.benEntry, register.Values{"nda": "", "leaving": ""})
	s.set(s.anaEntry, register.Values{"leaving": "2026-11-01"})
	for _, c := range register.Checks(s.r).All() {
		f := s.look(c, s.now)
		text := string(f.Raw)
		for _, i := range f.Failed {
			text += i.Expected + i.Actual
		}
		for _, name := range []string{"Ana", "Ben", "@"} {
			if strings.Contains(text, name) {
				t.Errorf("%s holds %q: %s", c.ID, name, text)
			}
		}
	}
}

// Every check and problem has words, and the catalogue knows what they bind.
func TestChecksAreKnown(t *testing.T) {
	w := open(t)
	reg, err := measure.NewRegistry(must[*catalogue.Catalogue](t)(catalogue.Load()), register.New(w.r))
	if err != nil {
		t.Fatal(err)
	}
	problems := []string{"unreachable", "office.found", "office.unplaced", "owners.missing", "owners.absent", "labels.assets", "labels.documents", "media.unencrypted", "media.no_keeper", "media.no_place",
		"policy.none", "policy.draft", "policy.no_owner", "policy.no_review", "policy.overdue", "policy.not_asked", "policy.nobody", "policy.unread", "nda.unsigned",
		"suppliers.no_review", "suppliers.overdue", "suppliers.unassessed", "suppliers.no_dpa", "suppliers.no_safeguard", "suppliers.not_public"}
	for _, lang := range []string{"fr", "en"} {
		p := w.r.Words.For(lang, nil)
		for _, c := range reg.Checks() {
			for _, id := range []string{"check." + c.ID, "check." + c.ID + ".about"} {
				if !p.Has(id) {
					t.Errorf("%s: no words for %s", lang, id)
				}
			}
			for _, f := range c.Facts {
				if !p.Has("fact." + f) {
					t.Errorf("%s: no words for the fact %s", lang, f)
				}
			}
		}
		for _, problem := range problems {
			for _, id := range []string{"register." + problem, "register." + problem + ".fix"} {
				if !p.Has(id) {
					t.Errorf("%s: no words for %s", lang, id)
				}
			}
		}
	}
}

func TestPurge(t *testing.T) {
	w := open(t)
	h := w.site()
	old := w.person("Old", register.Values{"arrival": "2010-01-01", "leaving": "2020-02-29"})
	h.upload("/registers/persons/"+old.ID.String()+"/files", "nda.txt", "Signed", "", 303)
	kept := w.person("Gus", register.Values{"leaving": "2024-11-01"})
	here := w.person("Ana", nil)
	w.add(register.Assets, register.Values{"tag": "PC-1", "kind": "laptop", "owner": old.ID.String()})
	if got := w.all("SELECT purge_on::text FROM register.entry WHERE id = $1", old.ID)[0]; got != "2025-02-28" {
		t.Errorf("five years after 29 February 2020 is %s", got)
	}
	if n := must[int](t)(w.r.Purge(w.ctx, w.now)); n != 1 {
		t.Errorf("%d purged", n)
	}
	if n := must[int](t)(w.r.Purge(w.ctx, w.now)); n != 0 {
		t.Errorf("%d purged a second time", n)
	}
	if got := strings.Join(w.all("SELECT subject FROM crypt.key WHERE subject LIKE 'register:%' OR subject LIKE 'document:%'"), " "); strings.Contains(got, old.ID.String()) || strings.Contains(got, "document:") || !strings.Contains(got, kept.ID.String()) || !strings.Contains(got, here.ID.String()) {
		t.Errorf("keys left: %s", got)
	}
	if got := w.all("SELECT fields::text || coalesce(sealed::text, '') FROM register.entry WHERE id = $1", old.ID)[0]; got != "{}" {
		t.Errorf("left of the entry: %s", got)
	}
	if got := strings.Join(w.all("SELECT action FROM register.change WHERE entry_id = $1", old.ID), " "); got != "purged" {
		t.Errorf("history: %s", got)
	}
	if got := w.all("SELECT actor_id FROM audit.entry WHERE action = 'register.entry_purged' AND object_id = $1", old.ID.String()); len(got) != 1 || got[0] != "retention" {
		t.Errorf("audit: %q", got)
	}
	w.person("Old", nil) // the address is free again
	// The worker erases nothing whose time has not come, whatever day it says it is.
	var done bool
	if err := w.db.Pool(pg.Worker).QueryRow(w.ctx, "SELECT register.purge($1, '2199-01-01', now())", kept.ID).Scan(&done); err != nil || done {
		t.Errorf("erased before its time: %t, %v", done, err)
	}
	if err := w.db.Pool(pg.Worker).QueryRow(w.ctx, "SELECT register.purge($1, '2199-01-01', now())", here.ID).Scan(&done); err != nil || done {
		t.Errorf("erased without a term: %t, %v", done, err)
	}
	h.get("/registers/assets") // the owner is gone, the page is not
}

func TestSubprocessors(t *testing.T) {
	s := newSound(t)
	s.add(register.Suppliers, register.Values{"name": "Pas publié (exemple)", "country": "BE", "subprocessor": "true"})
	list := must[[]register.Subprocessor](t)(s.r.Subprocessors(s.ctx))
	if len(list) != 1 || list[0].Name != "Hébergeur (exemple)" || list[0].Purpose["en"] != "Hosting" || list[0].Since.String() != "2024-01-03" || !list[0].Until.IsZero() {
		t.Fatalf("%+v", list)
	}
	if list[0].On(list[0].Since.AddDays(-1)) || !list[0].On(list[0].Since) {
		t.Error("the day from which it is on the list")
	}
}
