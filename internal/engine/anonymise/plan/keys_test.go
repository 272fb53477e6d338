package plan

import (
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
)

// tables makes a database out of lines: "member: id bigint key, email text unique, team_id bigint > team.id".
func tables(t *testing.T, text string) *catalog.Database {
	t.Helper()
	db := &catalog.Database{}
	for line := range strings.Lines(text) {
		name, columns, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			continue
		}
		table := catalog.Table{Name: catalog.Name{Schema: "public", Table: name}, Rows: -1}
		for part := range strings.SplitSeq(columns, ", ") {
			part, to, refers := strings.Cut(part, " > ")
			words := strings.Fields(part)
			c := catalog.Column{Name: words[0], Type: words[1], Declared: words[1]}
			for _, w := range words[2:] {
				c.Unique = c.Unique || w == "unique" || w == "key"
				if w == "key" {
					c.NotNull, table.Key = true, append(table.Key, c.Name)
				}
			}
			if refers {
				other, column, _ := strings.Cut(to, ".")
				table.Foreign = append(table.Foreign, catalog.Foreign{Columns: []string{c.Name}, To: catalog.Name{Schema: "public", Table: other}, ToColumns: []string{column}})
			}
			table.Columns = append(table.Columns, c)
		}
		db.Tables = append(db.Tables, table)
	}
	return db
}

func TestKeys(t *testing.T) {
	db := tables(t, `
		country: id integer key, label text, created_by bigint > member.id
		invoice: id bigint key, member_id bigint > member.id, country_id integer > country.id, product_id bigint
		item: id bigint key, invoice_id bigint, subject_id bigint, order_number text
		login: id smallint key, member_id bigint > member.id
		member: id bigint key, email text unique, birth_date date, country_id integer > country.id
		old_login: login_id smallint > login.id, x integer
		order_mail: id bigint key, mail text > member.email
		product: id bigint key, price numeric`)
	p := Propose(db, nil, Options{})
	for where, want := range map[string]string{
		"country.id":         "keep",  // a list, although somebody made its rows
		"country.created_by": "rekey", // by its foreign key
		"invoice.id":         "rekey",
		"invoice.member_id":  "rekey",
		"invoice.country_id": "keep",
		"invoice.product_id": "keep",  // no foreign key, but a table of that name
		"item.invoice_id":    "rekey", // the same
		"item.subject_id":    "rekey", // nobody knows of what: of persons, perhaps
		"login.id":           "keep",  // no other keys fit a smallint
		"old_login.login_id": "keep",
		"product.id":         "keep",
		"order_mail.mail":    "email", // as what it refers to
		"member.email":       "email",
	} {
		table, column, _ := strings.Cut(where, ".")
		if got := entryOf(t, &p, table, column).Transform.Name; got != want {
			t.Errorf("%s: %s, not %s", where, got, want)
		}
	}
	if e := entryOf(t, &p, "item", "subject_id"); e.Reason == "" {
		t.Error("no reason for a key that nobody knows")
	}
	if s := p.Table(catalog.Name{Schema: "public", Table: "invoice"}).Subject; s != "member_id" {
		t.Errorf("an invoice speaks of %q", s)
	}
	if len(p.Persons) != 1 || p.Persons[0].Quasi[0] != "birth_date" || p.Persons[0].K < 5 {
		t.Errorf("measured: %+v", p.Persons)
	}
	// What somebody decided leads the others.
	for _, c := range []string{"id", "email"} {
		entryOf(t, &p, "member", c).Transform = spec("hash")
	}
	db.Tables = append(db.Tables, tables(t, "visit: id bigint key, member_id bigint > member.id, mail text > member.email").Tables...)
	next, _ := Diff(&p, db, nil)
	for _, c := range []string{"member_id", "mail"} {
		if got := entryOf(t, &next, "visit", c).Transform.Name; got != "hash" {
			t.Errorf("visit.%s: %s", c, got)
		}
	}
}

func TestEmptyTables(t *testing.T) {
	db := tables(t, `
		api_tokens: id bigint key, user_id bigint > users.id, token text, note text
		delayed_jobs: id bigint key, handler text, run_at timestamptz, attempts integer, queue text
		jobs: id bigint key, title text, salary numeric, city text
		oauth_tokens: id bigint key, access_token text
		refreshes: id bigint key, oauth_token_id bigint > oauth_tokens.id, label text
		sessions: id bigint key, title text, speaker_id bigint > users.id
		user_sessions: id text key, data text, expires_at timestamptz
		user_secrets: user_id bigint > users.id, password_hash text
		users: id bigint key, email text unique, password_hash text`)
	p := Propose(db, nil, Options{})
	for table, want := range map[string]Rows{
		"api_tokens": NoRows, "delayed_jobs": NoRows, "user_sessions": NoRows, "user_secrets": NoRows,
		"jobs": AllRows, "sessions": AllRows, "users": AllRows, // work that is offered, talks, people
		"oauth_tokens": AllRows, // rows that are copied refer to it
	} {
		if got := p.Table(catalog.Name{Schema: "public", Table: table}); got.Rows != want || want == NoRows && (got.Reason == "" || got.Columns != nil) {
			t.Errorf("%s: %+v", table, got)
		}
	}
	if got := entryOf(t, &p, "oauth_tokens", "access_token").Transform.Name; got != "credential" {
		t.Errorf("a token becomes %s", got)
	}
}

func TestPathsCovered(t *testing.T) {
	known := map[string]any{
		"a.b": spec("keep"), "items[].name": spec("email"), "by.*": spec("keep"), `"x.y".z`: spec("email"), "gone": spec("suppress"), "$": spec("email"),
	}
	for path, want := range map[string]bool{
		"a.b": true, "a.b.c": true, "a.b[].c": true, "a": false, "a.c": false, "items[].name": true, "items[].name.first": false, "items[]": false, "by.*": true, "by.anybody": true, "by[]": false,
		`"x.y".z`: true, "x.y.z": false, "gone.with[].all": true, "$": true, "[]": false,
	} {
		if got := covered(known, path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}
