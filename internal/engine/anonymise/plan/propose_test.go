package plan

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/pg/pgtest"
)

var running *cluster.Cluster

func TestMain(m *testing.M) {
	os.Exit(pgtest.WithCluster(cluster.Options{Users: []string{"reader"}}, func(c *cluster.Cluster) int {
		running = c
		admin, err := pgx.Connect(context.Background(), c.DSN(cluster.SuperUser, "postgres"))
		if err == nil {
			_, err = admin.Exec(context.Background(), "CREATE ROLE reader LOGIN IN ROLE pg_read_all_data")
			_ = admin.Close(context.Background())
		}
		if err != nil {
			panic(err)
		}
		return m.Run()
	}))
}

// source is a database with a schema, an owner and a reader.
type source struct {
	t             testing.TB
	super, reader *pgx.Conn
}

func newSource(t testing.TB, name string, statements ...string) *source {
	t.Helper()
	s := &source{t: t}
	ctx := context.Background()
	connect := func(role, database string) *pgx.Conn {
		conn, err := pgx.Connect(ctx, running.DSN(role, database))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(ctx) })
		return conn
	}
	if _, err := connect(cluster.SuperUser, "postgres").Exec(ctx, "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	s.super, s.reader = connect(cluster.SuperUser, name), connect("reader", name)
	for _, sql := range statements {
		s.exec(sql)
	}
	return s
}

func (s *source) exec(sql string) {
	s.t.Helper()
	if _, err := s.super.Exec(context.Background(), sql); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
}

func (s *source) read() *catalog.Database {
	s.t.Helper()
	var db catalog.Database
	err := pgx.BeginTxFunc(context.Background(), s.reader, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) (err error) {
		db, err = catalog.Read(context.Background(), tx)
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return &db
}

func (s *source) samples(db *catalog.Database) Samples {
	s.t.Helper()
	samples, skipped, err := Sample(context.Background(), s.reader, db)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(skipped) > 0 {
		s.t.Errorf("skipped %v", skipped)
	}
	return samples
}

func odd(t testing.TB, name string, statements ...string) *source {
	t.Helper()
	schema, err := os.ReadFile("../catalog/testdata/odd.sql")
	if err != nil {
		t.Fatal(err)
	}
	return newSource(t, name, append([]string{string(schema)}, statements...)...)
}

const members = `INSERT INTO public.member (email, first_name, last_name, birth_date, sex, postcode, country, mobile, feeling, nick, emails, profile, remarks, password_hash, last_ip)
SELECT 'p' || i || '@mail.example', (ARRAY['Marie', 'Jean', 'Élodie'])[i % 3 + 1], (ARRAY['Dupont', 'Peeters', 'Janssens', 'Lambert'])[i % 4 + 1], date '1950-01-01' + i * 97, (ARRAY['M', 'F'])[i % 2 + 1], (1000 + i)::text, 'BE',
	'+32 470 12 34 ' || lpad(i::text, 2, '0'), 'glad', 'nick' || i, ARRAY['q' || i || '@mail.example'], jsonb_build_object('contact', jsonb_build_object('email', 'p' || i || '@mail.example'), 'theme', 'dark', 'seen', NULL,
		'friends', jsonb_build_array(jsonb_build_object('name', 'Marie Dupont')), 'a.b', 1, 'by', jsonb_build_object('p' || i || '@mail.example', true)), 'She called about the invoice and was not amused.', '$2a$10$' || repeat('a', 53), ('10.0.0.' || i)::inet
FROM generate_series(1, 60) i`

func entryOf(t *testing.T, p *Plan, table, column string) *Column {
	t.Helper()
	found := p.Table(catalog.Name{Schema: "public", Table: table})
	if found == nil || found.Column(column) == nil {
		t.Fatalf("no %s.%s", table, column)
	}
	return found.Column(column)
}

func TestProposeOdd(t *testing.T) {
	s := odd(t, "propose", members)
	db := s.read()
	p := Propose(db, s.samples(db), Options{Language: "fr-BE"})
	written := p.Write()
	if t.Failed() || testing.Verbose() {
		t.Logf("%s", written)
	}
	for where, want := range map[string]string{
		"member.id":            "rekey bigint",
		"member.email":         "{class: identifier, kind: email, transform: email, type: public.citext}",
		"member.first_name":    "{class: identifier, kind: given_name, transform: hash, type: character varying(40)}", // unique with others
		"member.birth_date":    "",
		"member.sex":           "{class: quasi_identifier, kind: sex, transform: suppress, type: character(1)}",
		"member.postcode":      "{class: quasi_identifier, kind: postcode, transform: postcode, by: subject, type: text}",
		"member.country":       "keep character(2)",
		"member.mobile":        "{class: identifier, kind: phone, transform: phone, type: text}",
		"member.feeling":       "keep public.mood",
		"member.emails":        "{class: identifier, kind: email, transform: email, type: 'text[]'}",
		"member.fee":           "keep public.price",
		"member.remarks":       "{class: free_text, kind: text, transform: free_text, type: text}",
		"member.password_hash": "{class: sensitive, kind: credential, transform: credential, type: text}",
		"member.last_ip":       "{class: identifier, kind: ip, transform: ip, type: inet}",
		"member.photo":         "{class: free_text, kind: file, transform: file, type: bytea}",
		"member.sponsor_id":    "rekey bigint",
		"member.created_at":    "keep timestamp with time zone",
		"visit.member_id":      "rekey bigint",
		"visit.nr":             "keep integer",
		"note.member_id":       "rekey bigint",
		"note.nr":              "keep integer",
		"note.id":              "rekey integer",
		"team.id":              "rekey uuid",
		"team.lead_id":         "rekey uuid",
		"person.team_id":       "rekey uuid",
		"event.member_id":      "rekey bigint",
		"country.code":         "keep character(2)",
	} {
		table, column, _ := strings.Cut(where, ".")
		e := entryOf(t, &p, table, column)
		if got := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(lines(e)), column+":")); want != "" && got != want {
			t.Errorf("%s: %s, not %s", where, got, want)
		}
	}
	if born := entryOf(t, &p, "member", "birth_date"); born.Question == "" || born.Kind != personal.BirthDate { // unique with others: nothing coarser fits
		t.Errorf("%+v", born)
	}
	profile := lines(entryOf(t, &p, "member", "profile"))
	for _, want := range []string{"        contact.email: email\n", "        theme: keep\n", "        'friends[].name': full_name\n", "        '\"a.b\"': keep\n", "      keys:\n", "by: email\n", "question: "} {
		want = strings.TrimLeft(want, " ")
		if !strings.Contains(profile, want) {
			t.Errorf("no %q in\n%s", want, profile)
		}
	}
	if sub := p.Table(catalog.Name{Schema: "public", Table: "member"}).Subject; sub != "id" {
		t.Errorf("subject %q", sub)
	}
	if session := p.Table(catalog.Name{Schema: "public", Table: "session"}); session.Rows != NoRows || session.Columns != nil || session.Reason == "" {
		t.Errorf("%+v", session)
	}
	if p.Table(catalog.Name{Schema: "public", Table: "event_2025"}) != nil || p.Table(catalog.Name{Schema: "public", Table: "event"}) == nil || p.Table(catalog.Name{Schema: "garant", Table: "key"}) != nil {
		t.Error("partitions or garant")
	}
	if strings.Contains(string(written), "initials") || strings.Contains(string(written), "mail.example") {
		t.Error("a generated column, or a value, is in the plan")
	}
	again := Propose(s.read(), s.samples(db), Options{Language: "fr-BE"})
	if string(again.Write()) != string(written) {
		t.Error("another plan the second time")
	}
	loaded, err := Load(FileName, written)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(withoutLines(loaded), p) {
		t.Error("not the same when read again")
	}
	// What is proposed has no problem but its questions.
	for _, problem := range p.CheckSamples(db, s.samples(db)) {
		if problem.Code != Unanswered {
			t.Errorf("%s %v", problem.Code, problem)
		}
	}
	if p.Questions() == 0 {
		t.Error("it knows everything")
	}
}

// answered is a plan of a database without questions.
func answered(t *testing.T, db *catalog.Database, samples Samples) *Plan {
	t.Helper()
	p := Propose(db, samples, Options{Language: "fr-BE"})
	for i := range p.Tables {
		for j := range p.Tables[i].Columns {
			c := &p.Tables[i].Columns[j]
			if c.Question != "" {
				c.Question, c.Reason = "", "looked at"
			}
			for k := range c.Paths {
				c.Paths[k].Question = ""
			}
		}
	}
	member := p.Table(catalog.Name{Schema: "public", Table: "member"})
	*member.Column("birth_date") = Column{Name: "birth_date", Type: "date", Class: personal.Quasi, Kind: personal.BirthDate, Transform: spec("keep"), Reason: "for this test"}
	p.Persons = propose(db, samples, &p).persons()
	loaded, err := Load(FileName, p.Write())
	if err != nil {
		t.Fatal(err)
	}
	return &loaded
}

func spec(name string) transform.Spec { return transform.Spec{Name: name} }

func TestMutations(t *testing.T) {
	s := odd(t, "mutations", members)
	db := s.read()
	samples := s.samples(db)
	good := answered(t, db, samples)
	if found := good.CheckSamples(db, samples); len(found) > 0 {
		t.Fatalf("before anything is changed: %v", found)
	}
	member := catalog.Name{Schema: "public", Table: "member"}
	for _, m := range []struct {
		name, do, undo string
		plan           func(*Plan) // what somebody writes into the plan
		code           Code
		where          string
		want           []string // in the sentence or in the lines to write
	}{
		{"new table", "CREATE TABLE public.loyalty (id int PRIMARY KEY, member_id bigint REFERENCES public.member, iban text)", "DROP TABLE public.loyalty", nil, NewTable, "public.loyalty",
			[]string{"  public.loyalty:\n    subject: member_id\n", "      member_id: rekey bigint\n", "iban: {class: identifier, kind: iban, transform: iban, type: text}"}},
		{"new column", "ALTER TABLE public.member ADD phone_private text", "ALTER TABLE public.member DROP phone_private", nil, NewColumn, "public.member.phone_private", []string{"      phone_private: {class: identifier, kind: phone, transform: phone, type: text}\n"}},
		{"new column of a partition", "ALTER TABLE public.event ADD email text", "ALTER TABLE public.event DROP email", nil, NewColumn, "public.event.email", []string{"email"}},
		{"new foreign key column", "ALTER TABLE public.team ADD owner_id bigint REFERENCES public.member", "ALTER TABLE public.team DROP owner_id", nil, NewColumn, "public.team.owner_id", []string{"      owner_id: rekey bigint\n"}},
		{"type", "ALTER TABLE public.note ALTER said TYPE jsonb USING NULL", "ALTER TABLE public.note ALTER said TYPE text", nil, TypeChanged, "public.note.said", []string{"The type was text and is jsonb", "type: jsonb"}},
		{"length", "ALTER TABLE public.booking ALTER guest TYPE varchar(50)", "ALTER TABLE public.booking ALTER guest TYPE text", nil, TypeChanged, "public.booking.guest", []string{"type: character varying(50)", "transform: full_name"}},
		{"gone column", "ALTER TABLE public.team RENAME name TO label", "ALTER TABLE public.team RENAME label TO name", nil, GoneColumn, "public.team.name", []string{"remove the entry"}},
		{"gone table", "ALTER TABLE public.dropped RENAME TO other", "ALTER TABLE public.other RENAME TO dropped", nil, GoneTable, "public.dropped", []string{"remove the entry"}},
		{"unique", "CREATE UNIQUE INDEX more ON public.contact (phone, id)", "DROP INDEX public.more", func(p *Plan) {}, "", "", nil},
		{"unique of a name", "CREATE UNIQUE INDEX more ON public.person (family_name)", "DROP INDEX public.more", nil, Misfit, "public.person.family_name", []string{"column is unique", "transform: hash"}},
		{"not null", "ALTER TABLE public.member ALTER sex SET NOT NULL", "ALTER TABLE public.member ALTER sex DROP NOT NULL", func(p *Plan) {
			p.Table(member).Column("sex").Transform.Args = map[string]any{"as": "null"}
		}, Misfit, "public.member.sex", []string{"takes no NULL", "transform: constant, value: 'M'"}},
		{"exclusion", "ALTER TABLE public.visit ADD CONSTRAINT e EXCLUDE USING gist (place WITH =)", "ALTER TABLE public.visit DROP CONSTRAINT e", func(p *Plan) {
			c := p.Table(catalog.Name{Schema: "public", Table: "visit"}).Column("place")
			*c = Column{Name: c.Name, Type: c.Type, Class: personal.Quasi, Kind: personal.Town, Transform: spec("town"), Line: c.Line}
		}, Misfit, "public.visit.place", []string{"exclusion constraint"}},
		{"path", `UPDATE public.member SET profile = profile || '{"home": {"phone": "+32 470 99 88 77"}}'`, `UPDATE public.member SET profile = profile - 'home'`, nil, NewPath, "public.member.profile home.phone", []string{"        home.phone: phone\n"}},
		{"wrong transformer", "", "", func(p *Plan) { p.Table(member).Column("email").Transform = spec("ip") }, "", "", nil},
		{"transformer for another type", "", "", func(p *Plan) { p.Table(member).Column("last_ip").Transform = spec("email") }, Misfit, "public.member.last_ip", []string{"does not fit type inet", "transform: ip"}},
		{"identity", "", "", func(p *Plan) { p.Table(member).Column("email").Transform = spec("keep") }, Kept, "public.member.email", []string{"stays as it is", "transform: email"}},
		{"class", "", "", func(p *Plan) {
			*p.Table(member).Column("email") = Column{Name: "email", Type: "public.citext", Class: personal.Harmless, Kind: personal.None, Transform: spec("keep"), Line: 7}
		}, Contradicts, "public.member.email", []string{"line 7", "looks like email", "transform: email"}},
		{"class with a reason", "", "", func(p *Plan) {
			*p.Table(member).Column("email") = Column{Name: "email", Type: "public.citext", Class: personal.Harmless, Kind: personal.None, Transform: spec("keep"), Reason: "addresses of machines", Line: 7}
		}, "", "", nil},
		{"question", "", "", func(p *Plan) { p.Table(member).Column("email").Question = "what is it?" }, Unanswered, "public.member.email", []string{"what is it?"}},
		{"question of a path", "", "", func(p *Plan) {
			p.Table(member).Column("profile").Paths = []Path{{Path: "theme", Question: "what is it?"}}
		}, Unanswered, "public.member.profile theme", []string{"what is it?"}},
		{"one side of a key", "", "", func(p *Plan) {
			p.Table(catalog.Name{Schema: "public", Table: "visit"}).Column("member_id").Transform = spec("keep")
		}, KeyParts, "public.visit.member_id", []string{"public.member.id", "      member_id: rekey bigint\n"}},
		{"rows of what others refer to", "", "", func(p *Plan) { p.Table(catalog.Name{Schema: "public", Table: "team"}).Rows = NoRows }, KeyParts, "public.person.team_id", []string{"of which no row is copied"}},
		{"not measured", "", "", func(p *Plan) { p.Persons = nil }, Unmeasured, "public.member", []string{"  public.member: {quasi: [birth_date], k: 5}"}},
	} {
		t.Run(m.name, func(t *testing.T) {
			if m.do != "" {
				s.exec(m.do)
				defer s.exec(m.undo)
			}
			p, err := Load(FileName, good.Write())
			if err != nil {
				t.Fatal(err)
			}
			if m.plan != nil {
				m.plan(&p)
			}
			db := s.read()
			samples := s.samples(db)
			found := p.CheckSamples(db, samples)
			if m.code == "" {
				if len(found) > 0 {
					t.Errorf("%v", found)
				}
				return
			}
			i := slices.IndexFunc(found, func(f Problem) bool { return f.Code == m.code && f.Where() == m.where })
			if i < 0 {
				t.Fatalf("not found, but %v", found)
			}
			for _, w := range m.want {
				if text := found[i].String() + "\n" + found[i].YAML; !strings.Contains(text, w) {
					t.Errorf("no %q in %s", w, text)
				}
			}
			// The plan that Diff writes has nothing left but questions, and of entries that stand not a letter is changed.
			if m.plan != nil {
				return
			}
			next, _ := Diff(&p, db, samples)
			for _, f := range next.CheckSamples(db, samples) {
				if f.Code != Unanswered && f.Code != Misfit {
					t.Errorf("after Diff: %v", f)
				}
			}
			for _, before := range p.Tables {
				after := next.Table(before.Name)
				if after == nil {
					continue
				}
				for _, c := range before.Columns {
					if now := after.Column(c.Name); now != nil && db.Table(before.Name).Column(c.Name).Declared == c.Type && m.code != NewPath && !reflect.DeepEqual(*now, c) {
						t.Errorf("%s.%s is %+v", before.Name, c.Name, now)
					}
				}
			}
		})
	}
}

// Without a role that reads rows there is a plan too, with more questions.
func TestNoSamples(t *testing.T) {
	s := odd(t, "nosamples")
	db := s.read()
	p := Propose(db, nil, Options{})
	if p.Language != "fr-FR" || entryOf(t, &p, "member", "profile").Question == "" || entryOf(t, &p, "member", "email").Kind != personal.Email {
		t.Errorf("%s", p.Write())
	}
	for _, problem := range p.Check(db) {
		if problem.Code != Unanswered {
			t.Errorf("%s %v", problem.Code, problem)
		}
	}
}

func TestPlanOfManyTables(t *testing.T) {
	db := &catalog.Database{}
	var kinds = []string{"email", "first_name", "label", "description", "status", "total", "created_at", "phone", "notes", "birth_date", "iban", "data"}
	types := map[string]string{"total": "numeric", "created_at": "timestamp with time zone", "birth_date": "date", "data": "jsonb"}
	samples := Samples{}
	tables := 100
	if n, err := strconv.Atoi(os.Getenv("GARANT_TABLES")); err == nil {
		tables = n
	}
	for i := range tables {
		t := catalog.Table{Name: catalog.Name{Schema: "public", Table: fmt.Sprintf("t%04d", i)}, Key: []string{"id"}, Unique: [][]string{{"id"}}}
		t.Columns = append(t.Columns, catalog.Column{Name: "id", Type: "bigint", Declared: "bigint", NotNull: true, Unique: true})
		of := map[string][]string{}
		for j := range 20 {
			k := kinds[(i+j)%len(kinds)]
			typ, ok := types[k]
			if !ok {
				typ = "text"
			}
			name := fmt.Sprintf("%s_%d", k, j)
			t.Columns = append(t.Columns, catalog.Column{Name: name, Type: typ, Declared: typ})
			for n := range 50 {
				of[name] = append(of[name], map[string]string{"text": fmt.Sprintf("some words about %d and Marie Dupont", n), "jsonb": `{"email":"a@b.example","n":1}`, "date": "1980-01-02"}[typ])
			}
		}
		if i > 0 {
			t.Columns = append(t.Columns, catalog.Column{Name: "up_id", Type: "bigint", Declared: "bigint"})
			t.Foreign = []catalog.Foreign{{Columns: []string{"up_id"}, To: catalog.Name{Schema: "public", Table: fmt.Sprintf("t%04d", i-1)}, ToColumns: []string{"id"}}}
		}
		samples[t.Name] = of
		db.Tables = append(db.Tables, t)
	}
	began := time.Now()
	p := Propose(db, samples, Options{})
	proposed := time.Since(began)
	loaded, err := Load(FileName, p.Write())
	if err != nil {
		t.Fatal(err)
	}
	found := loaded.Check(db)
	t.Logf("proposed in %s, all in %s, %d questions", proposed, time.Since(began), len(found))
	if len(p.Tables) != tables {
		t.Error(len(p.Tables))
	}
}

// TestPlanSpeed reads, samples, proposes and checks a database of GARANT_TABLES tables.
func TestPlanSpeed(t *testing.T) {
	tables, err := strconv.Atoi(os.Getenv("GARANT_TABLES"))
	if err != nil {
		t.Skip("GARANT_TABLES says nothing")
	}
	s := newSource(t, "speed", fmt.Sprintf(`DO $$ BEGIN FOR i IN 1..%d LOOP
	EXECUTE format('CREATE TABLE t%%1$s (id bigint PRIMARY KEY, up_id bigint, email text UNIQUE, first_name text, last_name text, phone text, label text, description text, status text NOT NULL, total numeric(9,2), created_at timestamptz, updated_at timestamptz,
		birth_date date, iban text, data jsonb, kind_id integer, token text, url text, position integer, active boolean)', i);
	EXECUTE format('INSERT INTO t%%1$s SELECT g, g, ''p'' || g || ''@mail.example'', ''Marie'', ''Dupont'', ''+32 470 12 34 '' || g, ''label '' || g, ''A green ladder for the garden.'', ''open'', g * 1.5, now(), now(), date ''1970-01-01'' + g, NULL,
		jsonb_build_object(''contact'', jsonb_build_object(''email'', ''a@b.example'', ''phones'', ARRAY[''+32 470 11 22 33'']), ''n'', g), g, md5(g::text), ''https://app.example/'' || g, g, true FROM generate_series(10, 99) g', i);
	IF i > 1 THEN EXECUTE format('ALTER TABLE t%%s ADD FOREIGN KEY (up_id) REFERENCES t%%s (id)', i, i - 1); END IF;
	IF i %% 100 = 0 THEN COMMIT; END IF;
	END LOOP; END $$`, tables), "ANALYZE")
	cpu := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	began, used := time.Now(), cpu()
	step := func(what string) {
		t.Logf("%s after %s, %s of CPU", what, time.Since(began).Round(time.Millisecond), (cpu() - used).Round(time.Millisecond))
	}
	db := s.read()
	step("read")
	samples := s.samples(db)
	step("sampled")
	p := Propose(db, samples, Options{})
	step("proposed")
	loaded, err := Load(FileName, p.Write())
	if err != nil {
		t.Fatal(err)
	}
	step("written and loaded")
	loaded.CheckSamples(db, samples)
	step("checked")
	loaded.Linked(db)
	step("links told")
	if took := cpu() - used; took > 10*time.Second*time.Duration(tables)/1000 {
		t.Errorf("%s of CPU for %d tables", took, tables)
	}
}
