package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/app"
	"github.com/garant-project/garant/internal/demo"
	"github.com/garant-project/garant/internal/directory"
	"github.com/garant-project/garant/internal/engine/register"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/cluster"
)

// size is how large the generated company is.
type size struct {
	persons, assets, documents, suppliers, sites int
	days                                         int // of its past
	entries                                      int // of the record
}

// company is the size of a company of 500 persons with two years behind it.
func company() size {
	return size{persons: 500, assets: 5000, documents: 60, suppliers: 40, sites: 20, days: 730, entries: 200_000}
}

// part is a company of a fraction of the size, for who tries something out.
func (s size) part(n int) size {
	n = max(1, n)
	return size{persons: max(50, s.persons/n), assets: s.assets / n, documents: max(4, s.documents/n), suppliers: max(4, s.suppliers/n), sites: max(4, s.sites/n), days: max(90, s.days/n), entries: s.entries / n}
}

// grown is the example company grown to a size.
type grown struct {
	*app.Demo
	size
	super *pgx.Conn // superuser: what no operation may write, such as the past
	lead  actor.Actor
	other actor.Actor // a second lead
	now   time.Time
	guest *cluster.Cluster
}

func (g *grown) close(ctx context.Context) {
	if g.super != nil {
		_ = g.super.Close(ctx)
	}
	if g.guest != nil {
		_ = g.guest.Close(ctx)
	}
	g.Close(ctx)
}

// grow opens the example in a directory and lets it grow: what people keep by the operations that
// they use, what only time makes by SQL.
func grow(ctx context.Context, o app.Options, s size, said func(format string, args ...any)) (*grown, error) {
	example, err := app.OpenDemo(ctx, o, 10*time.Minute, false)
	if err != nil {
		return nil, err
	}
	g := &grown{Demo: example, size: s, now: o.Now()}
	grownUp := false
	for _, step := range []struct {
		what string
		do   func(context.Context) error
		once bool
	}{
		{"join", func(ctx context.Context) (err error) { grownUp, err = g.join(ctx); return err }, false},
		{"people and registers", g.keepRegisters, true}, {"versions", g.publishVersions, true}, {"documents", g.publishDocuments, true},
		{"looks", func(ctx context.Context) error { return g.Look(ctx, actor.NewSystem("bench")) }, false}, {"past", g.past, true},
	} {
		if step.once && grownUp { // in a directory that was kept
			continue
		}
		began := time.Now()
		if err := step.do(ctx); err != nil {
			g.close(ctx)
			return nil, fmt.Errorf("%s: %w", step.what, err)
		}
		said("  %s: %s", step.what, time.Since(began).Round(100*time.Millisecond))
	}
	return g, nil
}

// join connects as superuser, finds the leads, and reports whether the company has grown already.
func (g *grown) join(ctx context.Context) (grownUp bool, err error) {
	var users []string
	for _, r := range pg.Roles() {
		users = append(users, string(r))
	}
	g.guest, err = cluster.OpenNear(ctx, cluster.Options{
		Name: "garant", Dir: filepath.Join(g.DataDir, "pg"), Users: users, Settings: map[string]string{"shared_buffers": "64MB", "max_connections": "80"},
	})
	if err != nil {
		return false, err
	}
	if g.super, err = pgx.Connect(ctx, g.guest.DSN(g.guest.SuperUser(), "garant")); err != nil {
		return false, err
	}
	// The past is written at once and may be lost with the directory; this connection alone waits for no disk.
	if _, err = g.super.Exec(ctx, "SET synchronous_commit = off; SET session_replication_role = replica; SET work_mem = '64MB'"); err != nil {
		return false, err
	}
	dir, err := g.Directory("", "")
	if err != nil {
		return false, err
	}
	for i, who := range []*actor.Actor{&g.lead, &g.other} {
		p, err := dir.PersonByEmail(ctx, actor.NewSystem("bench"), demo.Staff()[i].Email)
		if err != nil {
			return false, err
		}
		*who = actor.Actor{Kind: actor.Person, ID: p.ID.String(), Name: p.Name, Role: p.Role, Origin: "bench", Permissions: p.Role.Permissions()}
	}
	n, err := g.text(ctx, "SELECT count(*)::text FROM annex.pulse WHERE minute < now() - interval '30 days'")
	return n != "0", err
}

// day is a date so many days from now.
func (g *grown) day(days int) string { return g.now.AddDate(0, 0, days).Format(time.DateOnly) }

func personEmail(i int) string { return fmt.Sprintf("personne-%04d@ardoise.example", i) }

func siteName(i int) string { return fmt.Sprintf("Site %02d (exemple)", i) }

// keepRegisters fills the registers by importing files, and gives everybody an account.
func (g *grown) keepRegisters(ctx context.Context) error {
	teams := []string{"security", "management", "operations", "development", "facilities", "people", "legal", "customer_success"}
	classes := []string{"confidential", "internal", "internal", "internal", "public"}
	kinds := []string{"laptop", "laptop", "laptop", "phone", "workstation", "server", "storage", "network", "printer", "service", "data", "removable_media"}
	sites := [][]string{{"name", "kind", "address", "zones", "review"}}
	for i := range g.sites {
		kind := []string{"office", "office", "office", "datacentre"}[i%4]
		sites = append(sites, []string{siteName(i), kind, fmt.Sprintf("Rue de l’Exemple %d, 1000 Bruxelles", i+10), "Accueil\nEspace de travail", g.day(60 + 10*i)})
	}
	persons := [][]string{{"name", "email", "kind", "team", "site", "arrival", "leaving", "nda"}}
	for i := range g.persons {
		arrival, leaving := -30-(i*7)%1400, ""
		if i%50 == 49 { // one in fifty has left
			leaving = g.day(-5 - i%20)
			arrival = -1500
		}
		persons = append(persons, []string{fmt.Sprintf("Personne %04d (exemple)", i), personEmail(i), "employee", teams[i%len(teams)], siteName(i % g.sites), g.day(arrival), leaving, g.day(arrival + 2)})
	}
	assets := [][]string{{"tag", "name", "kind", "owner", "site", "class", "serial", "encrypted", "keeper", "place", "acquired"}}
	for i := range g.assets {
		kind, site, class := kinds[i%len(kinds)], siteName(i%g.sites), classes[i%len(classes)]
		if kind == "server" || kind == "storage" {
			site = siteName(4*(i%(g.sites/4)) + 3)
		}
		if i%100 == 99 { // one in a hundred has no label yet
			class = ""
		}
		row := []string{fmt.Sprintf("EX-%05d", i), fmt.Sprintf("Appareil %d", i), kind, personEmail(i % g.persons), site, class, fmt.Sprintf("SN%08d", i), "true", "", "", g.day(-10 - i%1200)}
		if kind == "removable_media" {
			row[8], row[9] = personEmail(i%g.persons), "Armoire à clé"
		}
		assets = append(assets, row)
	}
	suppliers := [][]string{{"name", "country", "subprocessor", "purpose_fr", "purpose_en", "data_fr", "data_en", "safeguard", "owner", "contract", "dpa", "assessed", "review", "public_since"}}
	for i := range g.suppliers {
		sub, since := "false", ""
		if i%3 == 0 {
			sub, since = "true", g.day(-400)
		}
		suppliers = append(suppliers, []string{fmt.Sprintf("Fournisseur %02d (exemple)", i), "BE", sub, "Hébergement d’un service", "Hosting of a service", "Données saisies", "Data entered", "eea",
			personEmail(i), g.day(-700), g.day(-700), g.day(-100), g.day(50 + 7*i), since})
	}
	for _, file := range []struct {
		register string
		rows     [][]string
	}{{register.Sites, sites}, {register.Persons, persons}, {register.Assets, assets}, {register.Suppliers, suppliers}} {
		var b bytes.Buffer
		if err := csv.NewWriter(&b).WriteAll(file.rows); err != nil {
			return err
		}
		report, err := g.Registers.Import(ctx, g.lead, file.register, b.Bytes(), false, g.now)
		if err != nil {
			return err
		}
		if report.Imported != len(file.rows)-1 {
			return fmt.Errorf("%s: %d of %d lines imported: %v", file.register, report.Imported, len(file.rows)-1, report.Faults)
		}
	}
	return g.accounts(ctx)
}

// accounts adds a person to the directory for each of the register, who has signed in now and then.
func (g *grown) accounts(ctx context.Context) error {
	dir, err := g.Directory("", "")
	if err != nil {
		return err
	}
	entries := map[string]uuid.UUID{}
	for after := ""; ; {
		list, err := g.Registers.List(ctx, g.lead, register.Persons, register.Query{Limit: 500, After: after}, g.now)
		if err != nil {
			return err
		}
		for _, e := range list.Entries {
			entries[e.Values["email"]] = e.ID
		}
		if after = list.Next; after == "" {
			break
		}
	}
	var accounts, of []uuid.UUID
	for i := range g.persons {
		p, err := dir.AddPerson(ctx, g.lead, personEmail(i), fmt.Sprintf("Personne %04d (exemple)", i), actor.Member, g.now)
		if err != nil {
			return err
		}
		accounts, of = append(accounts, p.ID), append(of, entries[personEmail(i)])
	}
	return g.batch(ctx, []any{accounts, of, g.now},
		`UPDATE register.entry e SET fields = e.fields || jsonb_build_object('account', a.account::text) FROM unnest($1::uuid[], $2::uuid[]) AS a (account, entry) WHERE e.id = a.entry AND $3::timestamptz IS NOT NULL`,
		`INSERT INTO register.unique_value (register, field, value, entry_id) SELECT 'persons', 'account', convert_to(a.account::text, 'UTF8'), a.entry FROM unnest($1::uuid[], $2::uuid[]) AS a (account, entry) WHERE $3::timestamptz IS NOT NULL`,
		`INSERT INTO directory.passkey (id, person_id, credential_id, public_key, flags, sign_count, aaguid, transports, name, created_at, last_used_at)
SELECT gen_random_uuid(), a.account, convert_to(a.account::text, 'UTF8'), '\x00', 5, 0, '00000000-0000-0000-0000-000000000000', '{}', '\x00', $3, $3
FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS a (account, entry, n) WHERE a.n % 50 <> 0`,
		`INSERT INTO directory.session (id, hash, person_id, method, enrolled, opened_at, verified_at, last_seen_at, expires_at, ended_at, ended_reason, origin, agent)
SELECT gen_random_uuid(), sha256(convert_to(a.account::text || n, 'UTF8')), a.account, 'passkey', true, t, t, t, t + interval '12 hours', t + interval '1 hour', 'signed_out', '127.0.0.1', 'Firefox, Linux'
FROM unnest($1::uuid[], $2::uuid[]) AS a (account, entry) CROSS JOIN generate_series(1, 10) AS n CROSS JOIN LATERAL (SELECT $3::timestamptz - n * interval '9 days' AS t) AS x`)
}

// batch runs statements with the same arguments, as superuser.
func (g *grown) batch(ctx context.Context, args []any, statements ...string) error {
	for _, sql := range statements {
		if _, err := g.super.Exec(ctx, sql, args...); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(strings.Fields(sql[:min(len(sql), 80)]), " "), err)
		}
	}
	return nil
}

// versionsOf is how often the company has published its annex.
const versionsOf = 12

// publishVersions edits, reviews and publishes the annex a few times more, each time with the
// document that the public reads.
func (g *grown) publishVersions(ctx context.Context) error {
	if err := g.Publisher.Publish(ctx); err != nil {
		return err
	}
	for n := range versionsOf {
		draft, err := g.Book.Draft(ctx)
		if err != nil {
			return err
		}
		before, after := "en: Data-protection training", "en: Training in data protection"
		if n%2 == 1 {
			before, after = after, before
		}
		text := strings.Replace(draft.Text, before, after, 1)
		if draft, err = g.Book.Edit(ctx, g.lead, draft.Revision, text); err != nil {
			return err
		}
		proposal, err := g.Book.Propose(ctx, g.lead, draft.Revision, "Revue (exemple)")
		if err != nil {
			return err
		}
		if _, err := g.Book.Publish(ctx, g.other, proposal.ID, ""); err != nil {
			return err
		}
		time.Sleep(300 * time.Millisecond) // what is in force is held for a moment
		if err := g.Publisher.Publish(ctx); err != nil {
			return err
		}
	}
	return nil
}

// publishDocuments adds documents in two versions each, which nearly everybody has acknowledged.
func (g *grown) publishDocuments(ctx context.Context) error {
	var ids []uuid.UUID
	for i := range g.documents {
		values := register.Values{
			"title": fmt.Sprintf("Procédure %02d (exemple)", i), "kind": "procedure", "class": "internal", "review": g.day(40 + 5*i), "acknowledge": "true",
			"text": strings.Repeat("Verrouillez l’écran en quittant votre poste.\n", 40),
		}
		e, err := g.Registers.Create(ctx, g.lead, register.Documents, values, g.now)
		for range 2 {
			if err == nil {
				e, err = g.Registers.Move(ctx, g.lead, register.Documents, e.ID, e.Revision, "published", g.now)
			}
		}
		if err != nil {
			return err
		}
		ids = append(ids, e.ID)
	}
	return g.batch(ctx, []any{ids, g.now},
		`UPDATE register.publication p SET at = $2::timestamptz - (3 - p.version) * interval '200 days' WHERE p.entry_id = ANY ($1)`,
		`INSERT INTO register.acknowledgement (document_id, version, person_id, account_id, digest, at)
SELECT p.entry_id, p.version, e.id, (e.fields ->> 'account')::uuid, p.digest, p.at + interval '10 days'
FROM register.publication p CROSS JOIN register.entry e
WHERE p.entry_id = ANY ($1) AND e.register = 'persons' AND e.fields ->> 'account' IS NOT NULL AND hashtext(p.entry_id::text || e.id::text) % 40 <> 0 AND $2::timestamptz IS NOT NULL
ON CONFLICT DO NOTHING`)
}

// session signs the lead in: a row like the one that a passkey leaves, and the token of it.
func (g *grown) session(ctx context.Context) (token string, err error) {
	token = "bench-" + uuid.NewString()
	_, err = g.super.Exec(ctx, `INSERT INTO directory.session (id, hash, person_id, method, enrolled, opened_at, verified_at, last_seen_at, expires_at, origin, agent)
VALUES ($1, sha256(convert_to($2, 'UTF8')), $3, 'passkey', true, now(), now(), now(), now() + $4::interval, '127.0.0.1', 'bench')`,
		uuid.Must(uuid.NewV7()), token, g.lead.ID, directory.DefaultPolicy().Absolute)
	return token, pg.Wrap(err)
}

// text asks the superuser for one value as text; empty when there is none.
func (g *grown) text(ctx context.Context, sql string, args ...any) (s string, err error) {
	err = pg.Wrap(g.super.QueryRow(ctx, sql, args...).Scan(&s))
	if errs.Is(err, errs.NotFound) {
		return "", nil
	}
	return s, err
}
