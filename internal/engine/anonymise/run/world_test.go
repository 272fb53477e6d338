package run

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/plan"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

var production, developers *cluster.Cluster

func TestMain(m *testing.M) {
	if os.Getenv(asProcess) != "" {
		os.Exit(process())
	}
	os.Exit(pgtest.WithCluster(cluster.Options{Users: []string{"reader", "app"}}, func(c *cluster.Cluster) int {
		production = c
		return pgtest.WithCluster(cluster.Options{Users: []string{"copier", "dev"}}, func(c *cluster.Cluster) int {
			developers = c
			for _, x := range []struct {
				c   *cluster.Cluster
				sql string
			}{
				{production, `CREATE ROLE reader LOGIN BYPASSRLS IN ROLE pg_read_all_data; CREATE ROLE app LOGIN`},
				{developers, `CREATE ROLE copier LOGIN CREATEDB IN ROLE pg_signal_backend; CREATE ROLE dev LOGIN`},
			} {
				if err := execute(x.c.DSN(cluster.SuperUser, "postgres"), x.sql); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return 1
				}
			}
			return m.Run()
		})
	}))
}

func execute(dsn, sql string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	return conn.PgConn().Exec(ctx, sql).Close()
}

// world is a shop in production with customers who do not exist, and a place for its copies.
type world struct {
	t        *testing.T
	database string
	name     string
	source   *pgx.Conn // as the superuser
	plan     *plan.Plan
	say      func(Progress)
	values   []string // that identify somebody
	opt      func(*Options)
}

func newWorld(t *testing.T, customers int) *world {
	t.Helper()
	w := &world{t: t, database: "shop_" + newID(), name: "dev_" + newID()}
	super := production.DSN(cluster.SuperUser, "postgres")
	w.must(execute(super, `CREATE DATABASE `+w.database))
	t.Cleanup(func() {
		_ = execute(super, `DROP DATABASE IF EXISTS `+w.database+` WITH (FORCE)`)
		for _, d := range w.databases() {
			_ = execute(developers.DSN(cluster.SuperUser, "postgres"), `DROP DATABASE IF EXISTS `+d+` WITH (FORCE)`)
		}
	})
	var err error
	w.source, err = pgx.Connect(t.Context(), production.DSN(cluster.SuperUser, w.database))
	w.must(err)
	t.Cleanup(func() { _ = w.source.Close(context.Background()) })
	schema, err := os.ReadFile("testdata/shop.sql")
	w.must(err)
	w.exec(string(schema))
	w.fill(customers)
	w.plan = w.proposed()
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if len(args) == 0 {
		w.must(w.source.PgConn().Exec(context.Background(), sql).Close())
		return
	}
	_, err := w.source.Exec(context.Background(), sql, args...)
	w.must(err)
}

var (
	givens   = []string{"Élodie", "Mathilde", "Björn", "Aurélien", "Zoé", "Hannelore", "Wouter", "Ségolène"}
	families = []string{"Vandenbrempt", "Quatresols", "Lachapperie", "Montgolfière", "Oosterlynckx", "Grünewaldt", "D'Haeselaer", "Trémouillard"}
	towns    = []string{"Namèche", "Zwijnaarde", "Plougastelen", "Bettembach"}
)

// fill makes customers: of each the values are distinct, so that a hit proves a leak.
func (w *world) fill(n int) {
	w.t.Helper()
	ctx := context.Background()
	var rows [][]any
	for i := 1; i <= n; i++ {
		given, family := givens[i%len(givens)], fmt.Sprintf("%s%s", families[i%len(families)], letters(i))
		mail := fmt.Sprintf("%s.%d@firma-%d.example", strings.ToLower(fold(given)), 1000+i, i%7)
		second := fmt.Sprintf("prive.%d@kunde-%d.example", 7000+i, i%5)
		phone := fmt.Sprintf("+32 4%02d %02d %02d %02d", 70+i%20, i/100%100, i%100, (i*37)%100)
		iban := iban("BE", fmt.Sprintf("%012d", 539007500000+int64(i)*97))
		address := fmt.Sprintf("%d, rue de la %s%s", 1+i%90, families[(i+3)%len(families)], letters(i))
		profile, _ := json.Marshal(map[string]any{"contact": map[string]any{"email": mail, "phones": []string{phone}}, "locale": "fr", "points": i})
		var zipped bytes.Buffer
		z := gzip.NewWriter(&zipped)
		_, _ = fmt.Fprintf(z, "Carte de %s %s", given, family)
		_ = z.Close()
		note := fmt.Sprintf("Rappelé %s %s au %s,\tmail à %s\nle lendemain. \\ fin", given, family, phone, mail)
		rows = append(rows, []any{given, family, mail, phone, iban, fmt.Sprintf("%d-%02d-%02d", 1960+i%4*10, 1+i%12, 1+i%28), []string{"f", "m"}[i%2], towns[i%len(towns)], address, []string{mail, second}, string(profile), note, zipped.Bytes(), fmt.Sprintf(`("%s",%s)`, address, towns[i%len(towns)])})
		w.values = append(w.values, family, mail, second, phone, strings.ReplaceAll(phone, " ", ""), iban, address, given+" "+family)
	}
	w.exec(`SET session_replication_role = replica`)
	for _, r := range rows {
		if _, err := w.source.Exec(ctx, `INSERT INTO shop.customer (given_name, family_name, email, phone, iban, born, sex, town, address, other_emails, profile, note, photo, home, created)
VALUES ($1, $2, $3, $4, $5, $6::text::date, $7, $8, $9, $10, $11::text::jsonb, $12, $13, $14::text::shop.place, timestamptz '2025-03-01 10:00+00' + random() * interval '300 days')`, r...); err != nil {
			w.t.Fatal(err)
		}
	}
	w.exec(`SET session_replication_role = origin;
INSERT INTO shop.country SELECT c, l, c || ' in ' || l FROM unnest(ARRAY['BE', 'FR']) c, unnest(ARRAY['fr', 'nl']) l;
INSERT INTO shop.basket SELECT id, n, 'BE', 'fr', (ARRAY['open', 'paid', 'sent'])[1 + n % 3]::shop.state, NULL FROM shop.customer, generate_series(1, 2) n;
INSERT INTO shop.item (customer_id, basket_no, label, price, remark) SELECT customer_id, no, 'chaise', (no * 10)::numeric / 3, 'pour ' || c.given_name || ' ' || c.family_name FROM shop.basket b JOIN shop.customer c ON c.id = b.customer_id;
ALTER TABLE shop.customer DISABLE TRIGGER touch;
UPDATE shop.customer c SET favourite = (SELECT max(id) FROM shop.item i WHERE i.customer_id = c.id);
ALTER TABLE shop.customer ENABLE TRIGGER touch;
INSERT INTO shop.event SELECT id, timestamptz '2025-06-01 00:00+00' + (id % 500) * interval '1 day', ('81.240.' || id % 200 || '.' || 1 + id % 250)::inet, ('{"by": ' || to_json(email::text) || ', "what": ' || CASE id WHEN 1 THEN '"log\u0000in"' ELSE '"login"' END || '}')::json FROM shop.customer;
INSERT INTO shop.session SELECT md5(id::text || 'session'), id, '81.241.7.9' FROM shop.customer;
INSERT INTO shop."Odd ""Name" VALUES (E'tab\there', E'line\nbreak \\ and \\N', 1), (NULL, '', 2), ('\N', E'\b\f\v\r', 3);
INSERT INTO shop.nothing DEFAULT VALUES;
INSERT INTO shop.guarded VALUES (1, gen_random_uuid(), 'chaise');
INSERT INTO garant.key VALUES (1, 'geheim');
INSERT INTO garant_move.journal VALUES ('{geheim}');
REFRESH MATERIALIZED VIEW shop.spent; REFRESH MATERIALIZED VIEW shop.most;
ANALYZE;`)
}

func letters(i int) string {
	var b []byte
	for ; i > 0; i /= 26 {
		b = append(b, 'a'+byte(i%26))
	}
	return string(b)
}

func fold(s string) string {
	return strings.NewReplacer("É", "E", "é", "e", "è", "e", "ö", "o", "ü", "u", "à", "a").Replace(s)
}

func iban(country, account string) string {
	digits := account
	for _, c := range country + "00" {
		if c >= 'A' {
			digits += fmt.Sprint(int(c-'A') + 10)
		} else {
			digits += string(c)
		}
	}
	rest := 0
	for _, c := range digits {
		rest = (rest*10 + int(c-'0')) % 97
	}
	return fmt.Sprintf("%s%02d%s", country, 98-rest, account)
}

// rules are the columns of the plan that are not kept.
var rules = map[string]plan.Column{
	"shop.customer.id":           {Kind: personal.None, Transform: spec("rekey")},
	"shop.customer.favourite":    {Kind: personal.None, Transform: spec("rekey", "of", "item")},
	"shop.customer.given_name":   {Kind: personal.GivenName},
	"shop.customer.family_name":  {Kind: personal.FamilyName},
	"shop.customer.email":        {Kind: personal.Email},
	"shop.customer.phone":        {Kind: personal.Phone},
	"shop.customer.iban":         {Kind: personal.IBAN},
	"shop.customer.born":         {Kind: personal.BirthDate, Transform: spec("generalise", "to", "decade")},
	"shop.customer.sex":          {Kind: personal.Sex, Transform: spec("keep")},
	"shop.customer.town":         {Kind: personal.Town},
	"shop.customer.address":      {Kind: personal.Address},
	"shop.customer.other_emails": {Kind: personal.Email},
	"shop.customer.profile": {Kind: personal.Text, Transform: spec("json", "paths", map[string]any{
		"contact.email": "email", "contact.phones[]": "phone", "locale": "keep", "points": "keep",
	})},
	"shop.customer.note":      {Kind: personal.Text},
	"shop.customer.photo":     {Kind: personal.File},
	"shop.customer.home":      {Kind: personal.Address, Transform: spec("suppress")},
	"shop.basket.customer_id": {Kind: personal.None, Transform: spec("rekey")},
	"shop.item.customer_id":   {Kind: personal.None, Transform: spec("rekey")},
	"shop.item.id":            {Kind: personal.None, Transform: spec("rekey", "of", "item")},
	"shop.item.remark":        {Kind: personal.Text},
	"shop.event.id":           {Kind: personal.None, Transform: spec("rekey")},
	"shop.event.ip":           {Kind: personal.IP},
	"shop.event.payload":      {Kind: personal.Text, Transform: spec("json", "paths", map[string]any{"by": "email", "what": "keep"})},
	"shop.session.ip":         {Kind: personal.IP},
	"shop.session.token":      {Kind: personal.Credential},
}

func spec(name string, args ...any) transform.Spec {
	s := transform.Spec{Name: name}
	for i := 0; i+1 < len(args); i += 2 {
		if s.Args == nil {
			s.Args = map[string]any{}
		}
		if m, ok := args[i+1].(map[string]any); ok { // as plan.Load reads it
			for path, v := range m {
				if name, ok := v.(string); ok {
					m[path] = transform.Spec{Name: name}
				}
			}
		}
		s.Args[args[i].(string)] = args[i+1]
	}
	return s
}

// proposed makes a plan of the rules; what they do not name is harmless.
func (w *world) proposed() *plan.Plan {
	w.t.Helper()
	p := &plan.Plan{Language: "fr-BE", Country: "BE"}
	w.must(pgx.BeginFunc(context.Background(), w.source, func(tx pgx.Tx) error {
		db, err := catalog.Read(context.Background(), tx)
		if err != nil {
			return err
		}
		for _, t := range db.Planned() {
			pt := plan.Table{Name: t.Name, Rows: plan.AllRows, Line: 1}
			switch t.Name.Table {
			case "session":
				pt.Rows = plan.NoRows
			case "customer":
				pt.Subject = "id"
			}
			for _, c := range t.Columns {
				if c.Generated {
					continue
				}
				pc, ok := rules[t.Name.Schema+"."+t.Name.Table+"."+c.Name]
				if !ok {
					pc = plan.Column{Kind: personal.None, Class: personal.Harmless, Transform: spec("keep")}
				} else {
					pc.Class = pc.Kind.Class()
					if pc.Transform.Name == "" {
						pc.Transform = transform.For(pc.Kind)
					}
				}
				pc.Name, pc.Type, pc.Line, pc.Reason = c.Name, c.Declared, 1, "so says the test"
				pt.Columns = append(pt.Columns, pc)
			}
			p.Tables = append(p.Tables, pt)
		}
		return nil
	}))
	p.Persons = []plan.Identity{{Table: catalog.Name{Schema: "shop", Table: "customer"}, Quasi: []string{"born", "sex", "town"}, K: 2, Linked: 0.01, Line: 1}}
	return p
}

// column finds a column of the plan.
func (w *world) column(table, name string) *plan.Column {
	w.t.Helper()
	for i := range w.plan.Tables {
		t := &w.plan.Tables[i]
		for j := range t.Columns {
			if t.Name.Table == table && t.Columns[j].Name == name {
				return &t.Columns[j]
			}
		}
	}
	w.t.Fatalf("the plan has no %s.%s", table, name)
	return nil
}

func (w *world) options() Options {
	o := Options{
		Source: production.DSN("reader", w.database), Target: developers.DSN("copier", "postgres"), Name: w.name, Plan: w.plan, Workers: 2, BinDir: production.BinDir(), Developers: []string{"dev"}, Say: w.say,
	}
	if w.opt != nil {
		w.opt(&o)
	}
	return o
}

func (w *world) copy() (*Report, error) {
	w.t.Helper()
	r, err := Copy(w.t.Context(), w.options())
	w.t.Cleanup(r.Close)
	return r, err
}

func (w *world) publish(r *Report) *Published {
	w.t.Helper()
	p, err := Publish(w.t.Context(), PublishOptions{Target: developers.DSN("copier", "postgres"), Report: r, Developers: []string{"dev"}})
	w.must(err)
	return p
}

// published makes a copy that is served.
func (w *world) published() *Report {
	w.t.Helper()
	r, err := w.copy()
	w.must(err)
	if !r.Passed() {
		w.t.Fatalf("not proven: %s", strings.Join(r.Problems, "\n"))
	}
	w.publish(r)
	return r
}

// databases lists those of the copies.
func (w *world) databases() []string {
	w.t.Helper()
	conn, err := pgx.Connect(context.Background(), developers.DSN(cluster.SuperUser, "postgres"))
	w.must(err)
	defer func() { _ = conn.Close(context.Background()) }()
	out, err := collect[string](context.Background(), conn, `SELECT datname::text FROM pg_database WHERE starts_with(datname, $1) ORDER BY 1`, w.name)
	w.must(err)
	return out
}

func (w *world) only(names ...string) {
	w.t.Helper()
	if got := w.databases(); !slices.Equal(got, names) {
		w.t.Errorf("the target has %v, want %v", got, names)
	}
}

func ask[T any](w *world, sql string) T {
	w.t.Helper()
	conn, err := pgx.Connect(context.Background(), developers.DSN("dev", w.name))
	w.must(err)
	defer func() { _ = conn.Close(context.Background()) }()
	var v T
	w.must(conn.QueryRow(context.Background(), sql).Scan(&v))
	return v
}

// dumped is a database as pg_dump writes it.
func dumped(t *testing.T, c *cluster.Cluster, database string) string {
	t.Helper()
	var out, said bytes.Buffer
	cmd := exec.CommandContext(t.Context(), filepath.Join(c.BinDir(), "pg_dump"), "--create", "--dbname="+c.DSN(cluster.SuperUser, database)) //nolint:gosec // of the installation
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("pg_dump: %v: %s", err, &said)
	}
	return out.String()
}
