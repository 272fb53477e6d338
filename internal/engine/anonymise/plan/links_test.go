package plan

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
)

const shop = `
CREATE TABLE member (id bigint PRIMARY KEY, email text UNIQUE, last_name text, remarks text, opened timestamptz NOT NULL DEFAULT now(), level smallint, seats integer, karma integer, profile jsonb, UNIQUE (level, last_name));
CREATE TABLE country (id integer PRIMARY KEY, label text, created_by bigint REFERENCES member, created_at timestamptz);
CREATE TABLE payment (id bigint NOT NULL, member_id bigint NOT NULL REFERENCES member, country_id integer REFERENCES country, paid_at timestamptz NOT NULL, amount numeric(8,2) CHECK (amount > 0),
	currency text, reference text, day date, provider_id text, PRIMARY KEY (id, paid_at)) PARTITION BY RANGE (paid_at);
CREATE TABLE payment_1 PARTITION OF payment FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE setting (id bigint PRIMARY KEY, label text, changed_at timestamptz, factor numeric);
INSERT INTO member SELECT i, 'm' || i || '@mail.example', 'Peeters' || i, 'She called about invoice ' || i, now(), 1, i % 3, i * 7, jsonb_build_object('amount', i * 1.37, 'paid_at', now(), 'id', i, 'theme', 'dark') FROM generate_series(1, 400) i;
INSERT INTO payment SELECT i, i, NULL, '2026-01-05 12:13:14.5+00'::timestamptz + i * interval '1 hour', 1234.56 + i, 'EUR', 'ABC-' || i * 7919, '2026-01-05', 'ch_' || md5(i::text) FROM generate_series(1, 400) i;
ANALYZE`

func linksOf(found []Link) map[string]LinkBy {
	out := map[string]LinkBy{}
	for _, l := range found {
		out[strings.TrimPrefix(l.Where(), "public.")] = l.By
	}
	return out
}

func TestLinkable(t *testing.T) {
	s := newSource(t, "linkable", shop)
	db := s.read()
	p := Propose(db, s.samples(db), Options{})
	got := linksOf(p.Linkable(db))
	for where, want := range map[string]LinkBy{
		"member.opened": ByTime, "member.remarks": ByText, "member.karma": ByUnique, "member.profile amount": ByAmount, "member.profile paid_at": ByTime, "member.profile id": ByKey,
		"payment.paid_at": ByTime, "payment.amount": ByAmount, "payment.reference": ByUnique, "payment.provider_id": ByKey, "country.created_by": ByReference,
		"member.id": "", "member.email": "", "member.seats": "", "payment.id": "", "payment.member_id": "", "payment.country_id": "", "payment.currency": "", "payment.day": "", "member.profile theme": "",
		"country.id": "", "country.created_at": "", "setting.id": "", "setting.changed_at": "", "setting.factor": "", // of nobody
	} {
		if got[where] != want {
			t.Errorf("%s: %q, not %q", where, got[where], want)
		}
	}
	before := p.Write()
	next, left := Unlink(&p, db)
	if len(left) > 0 || string(p.Write()) != string(before) {
		t.Errorf("left: %v, or the plan itself was changed", left)
	}
	for where, want := range map[string]string{
		"member.opened": "generalise, to: day", "member.remarks": "replace: all", "member.karma": "digits: 2", "payment.paid_at": `date_trunc('day', paid_at)`, "payment.amount": "digits: 2",
		"payment.reference": "hash text", "payment.provider_id": "hash text", "country.created_by": "suppress bigint", "member.profile": "paid_at: {kind: none, transform: generalise, to: day}", "payment.day": "keep date",
	} {
		table, column, _ := strings.Cut(where, ".")
		if got := lines(entryOf(t, &next, table, column)); !strings.Contains(strings.ReplaceAll(strings.ReplaceAll(got, "''", "'"), `"`, ""), want) {
			t.Errorf("%s: %s, not %s", where, got, want)
		}
	}
	loaded, err := Load(FileName, next.Write())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(withoutLines(loaded), next) {
		t.Errorf("not the same when read again: %+v\n%+v", withoutLines(loaded), next)
	}
	for _, f := range loaded.Check(db) {
		if f.Code != Unanswered {
			t.Errorf("%s %v", f.Code, f)
		}
	}
	// What takes nothing away is found.
	for what, c := range map[string]struct {
		table, column string
		change        func(*Column)
		by            LinkBy
	}{
		"moved together": {"member", "opened", func(c *Column) { c.Transform = spec("date_shift") }, ByInterval},
		"cents only":     {"payment", "amount", func(c *Column) { c.Transform = transform.Spec{Name: "generalise", Args: map[string]any{"band": 1}} }, ByAmount},
		"an expression": {"payment", "amount", func(c *Column) {
			c.Transform, c.Reason = transform.Spec{Name: "sql", Args: map[string]any{"expression": "amount"}}, ""
		}, ByUnjudged},
		"kept with a reason": {"member", "email", func(c *Column) {
			c.Transform, c.Reason = spec("keep"), "we like it"
		}, ByPersonal},
		"a key": {"payment", "id", func(c *Column) { c.Transform = spec("keep") }, ByKey},
		"a reference": {"payment", "member_id", func(c *Column) {
			c.Class, c.Kind, c.Transform = personal.Harmless, personal.None, spec("keep")
		}, ByKey},
		"a document": {"member", "profile", func(c *Column) {
			*c = Column{Name: c.Name, Type: c.Type, Class: personal.Harmless, Kind: personal.None, Transform: spec("keep")}
		}, ByDocument},
	} {
		other, _ := Load(FileName, next.Write())
		c.change(entryOf(t, &other, c.table, c.column))
		if got := linksOf(other.Linkable(db)); len(got) != 1 || got[c.table+"."+c.column] != c.by {
			t.Errorf("%s: %v", what, got)
		}
	}
	// Without statistics the type and the name decide, and a key with two parts is taken for one.
	bare := *db
	bare.Tables = slices.Clone(db.Tables)
	for i := range bare.Tables {
		bare.Tables[i].Columns = slices.Clone(bare.Tables[i].Columns)
		for j := range bare.Tables[i].Columns {
			bare.Tables[i].Columns[j].Distinct = 0
		}
	}
	if got := linksOf(p.Linkable(&bare)); got["member.karma"] != "" || got["member.level"] != ByKey || got["member.opened"] != ByTime {
		t.Errorf("without statistics: %v", got)
	}
}

// Keys that cannot be replaced are told, and left.
func TestUnlinkLeaves(t *testing.T) {
	db := tables(t, `
		member: id date key, email text unique
		visit: id bigint key, member_id date > member.id`)
	p := Propose(db, nil, Options{})
	_, left := Unlink(&p, db)
	if got := fmt.Sprint(linksOf(left)); got != "map[member.id:key visit.member_id:key]" {
		t.Error(got)
	}
	if d := hold(db, &p).by1(catalog.Name{Schema: "public", Table: "visit"}); !d.about {
		t.Error("a visit speaks of nobody")
	}
}
