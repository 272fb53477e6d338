package token

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/tenant"
)

//go:embed testdata/version_2.sql
var version2 string

// An outbox comes with the upgrade from version 2, and from 1 on the way through 2.
func TestUpgradeFromVersion2(t *testing.T) {
	w := newWorld(t, Pinned) // for its roles
	ctx := context.Background()
	for name, sql := range map[string]string{"two": version2, "one": version1} {
		root := w.connect(cluster.SuperUser, "postgres")
		w.exec(root, "CREATE DATABASE "+name)
		t.Cleanup(func() { w.exec(w.connect(cluster.SuperUser, "postgres"), "DROP DATABASE "+name+" WITH (FORCE)") })
		old := w.connect(cluster.SuperUser, name)
		w.exec(old, `CREATE SCHEMA garant AUTHORIZATION garant_sec; SET ROLE garant_sec`)
		w.exec(old, sql+rights+`; RESET ROLE; GRANT EXECUTE ON FUNCTION garant.enter(bytea) TO app`)
		w.must(InstallKey(ctx, w.connect("keeper", name), w.key, nil))
		if is, err := Install(ctx, old, Pinned); err != nil || is.Version != Version {
			t.Fatal(is, err)
		}
		if names, err := Drift(ctx, old, Pinned); err != nil || len(names) > 0 {
			t.Error("an upgrade ends elsewhere than an installation:", names, err)
		}
		tx := w.begin(w.connect("app", name))
		w.must(enter(tx, w.token(w.a).Bytes()))
		w.run(tx, `SELECT garant.record('item.seen', 'item', '1')`)
		w.must(tx.Commit(ctx))
		if got := taken(t, w.connect("keeper", name)); len(got) != 1 || got[0].Tenant != w.a.String() {
			t.Errorf("%+v", got)
		}
	}
}

// event is what a test looks at of an event.
type event struct {
	XID, ID                                   int64
	Mark                                      uuid.UUID
	Form, Tenant, Session, Kind, Action       string
	Object, Key, Before, After, Detail, Actor string
	Login, Acting                             string
}

func taken(t testing.TB, keeper *pgx.Conn) []event {
	t.Helper()
	rows, err := keeper.Query(context.Background(), `SELECT xid, id, mark, coalesce(form, ''), coalesce(tenant, ''), coalesce(session::text, ''), kind, action, coalesce(object_kind, ''), coalesce(object_id, ''),
	coalesce(before::jsonb::text, ''), coalesce(after::jsonb::text, ''), coalesce(detail::text, ''), coalesce(actor, ''), login, coalesce(acting, '') FROM garant.take_events(100000)`)
	if err != nil {
		t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[event])
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// drain takes all events and forgets them.
func (w *world) drain() []event {
	w.t.Helper()
	list := taken(w.t, w.keeper)
	if len(list) > 0 {
		marks := make([]uuid.UUID, len(list))
		for i, e := range list {
			marks[i] = e.Mark
		}
		last := list[len(list)-1]
		var n int
		w.must(w.keeper.QueryRow(context.Background(), `SELECT garant.forget_events($1, $2, $3)`, marks, last.XID, last.ID).Scan(&n))
		if n != len(list) {
			w.t.Errorf("%d events were forgotten of %d", n, len(list))
		}
	}
	return list
}

// capture puts the triggers on a table.
func (w *world) capture(c Capture) {
	w.t.Helper()
	if c.As == "" {
		c.As = c.Table
	}
	if c.Type == "" {
		c.Type = "uuid"
	}
	if c.Mode == "" {
		c.Mode = CaptureAll
	}
	for _, tr := range c.Triggers() {
		w.exec(w.super, tr.SQL)
	}
}

func (w *world) item() Capture {
	return Capture{Table: "shop.item", Tenant: "tenant_id", Keys: []string{"id"}}
}

// as runs statements of the application in one transaction under a login.
func (w *world) as(c tenant.Claims, sqls ...string) error {
	w.t.Helper()
	ctx := context.Background()
	tx := w.begin(w.app())
	defer func() { _ = tx.Rollback(ctx) }()
	if err := enter(tx, w.mint(c).Bytes()); err != nil {
		return err
	}
	for _, sql := range sqls {
		if _, err := tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return tx.Commit(ctx)
}

func code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return fmt.Sprint(err)
}

// What the application says is kept with who had entered, and goes with its transaction.
func TestRecord(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		c := w.claims(w.a)
		w.must(w.as(c, `SELECT garant.record('application.decided', 'application', '17', '{"grant": true}', '{"state": "open"}', '{"state": "granted"}', 'Ana, by telephone')`,
			`SELECT garant.record('applicant.read', 'applicant', '9')`))
		got := w.drain()
		if len(got) != 2 {
			t.Fatalf("%+v", got)
		}
		want := event{Form: "uuid", Tenant: w.a.String(), Session: uuid.UUID(c.Session).String(), Kind: "said", Action: "application.decided", Object: "application", Key: "17",
			Before: `{"state": "open"}`, After: `{"state": "granted"}`, Detail: `{"grant": true}`, Actor: "Ana, by telephone", Login: "app", XID: got[0].XID, ID: got[0].ID, Mark: got[0].Mark}
		if diff := cmp.Diff(want, got[0]); diff != "" {
			t.Error(diff)
		}
		if got[1].Kind != "read" || got[1].XID != got[0].XID || got[1].ID <= got[0].ID || got[1].Mark == got[0].Mark {
			t.Errorf("%+v", got)
		}
		for what, key := range map[string]tenant.ID{"bigint": tenant.Int(-5), "text": text(t, "été \"x\"")} {
			c := w.claims(w.a)
			c.Tenant = key
			w.must(w.as(c, `SELECT garant.record('a.b', NULL, NULL)`))
			if got := w.drain(); len(got) != 1 || got[0].Form != what || got[0].Tenant != key.String() {
				t.Errorf("%+v, want tenant %s", got, key)
			}
		}

		// Rolled back, whole or to a savepoint: nothing. What stays of the transaction is kept.
		tx := w.begin(w.app())
		w.must(enter(tx, w.mint(c).Bytes()))
		w.run(tx, `SELECT garant.record('a.b', NULL, NULL)`)
		w.must(tx.Rollback(ctx))
		w.must(w.as(c, `SELECT garant.record('kept.first', NULL, NULL)`, `SAVEPOINT s`, `SELECT garant.record('not.kept', NULL, NULL)`, `ROLLBACK TO s`,
			`DO $$ BEGIN PERFORM garant.record('not.kept', NULL, NULL); RAISE EXCEPTION 'x'; EXCEPTION WHEN others THEN NULL; END $$`,
			`SAVEPOINT r`, `SELECT garant.record('kept.second', NULL, NULL)`, `RELEASE r`))
		if got := actions(w.drain()); got != "kept.first kept.second" {
			t.Error(got)
		}

		// Without a context, and after one was thrown away.
		if _, err := w.app().Exec(ctx, `SELECT garant.record('a.b', NULL, NULL)`); code(err) != "GT008" {
			t.Error("nobody entered:", err)
		}
		if err := w.as(c, `RESET ALL`, map[Design]string{Pinned: `SELECT 1`, Statement: `SET LOCAL garant.context = ''`}[w.design], `SELECT garant.record('a.b', NULL, NULL)`); code(err) != "GT008" {
			t.Error("after RESET ALL:", err)
		}
		// A token for reading writes nothing, this neither.
		reads := c
		reads.Access = tenant.Read
		if err := w.as(reads, `SELECT garant.record('applicant.read', 'applicant', '1')`); code(err) != "25006" {
			t.Error("with a token for reading:", err)
		}
		if got := w.drain(); len(got) != 0 {
			t.Errorf("%+v", got)
		}
	})
}

func text(t *testing.T, s string) tenant.ID {
	id, err := tenant.Text(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func actions(list []event) string {
	all := make([]string, len(list))
	for i, e := range list {
		all[i] = e.Action
	}
	return strings.Join(all, " ")
}

// What is no event is refused, in words that quote nothing of it.
func TestRecordRefuses(t *testing.T) {
	w := newWorld(t, Pinned)
	c := w.claims(w.a)
	secret := "s3cr3tvalue"
	long := strings.Repeat(secret, 10000)
	quoted := func(s string) string { return "'" + s + "'" }
	object := func(s string) string { return `'{"a": "` + s + `"}'` }
	for what, args := range map[string]string{
		"one word":          quoted(secret),
		"capitals":          quoted("A.b" + secret),
		"no action":         `NULL`,
		"digits":            quoted("a.b3" + secret),
		"a long action":     quoted("a." + strings.Repeat("b", 99)),
		"a newline":         `E'a.b\n` + secret + `'`,
		"an id of nothing":  quoted("a.b") + `, NULL, ` + quoted(secret),
		"a long kind":       quoted("a.b") + `, ` + quoted(long),
		"a long id":         quoted("a.b") + `, 'x', ` + quoted(long),
		"control in id":     quoted("a.b") + `, 'x', E'\x1b` + secret + `'`,
		"detail no object":  quoted("a.b") + `, 'x', '1', '["` + secret + `"]'`,
		"before a text":     quoted("a.b") + `, 'x', '1', NULL, '"` + secret + `"'`,
		"detail too long":   quoted("a.b") + `, 'x', '1', ` + object(long),
		"after too long":    quoted("a.b") + `, 'x', '1', NULL, NULL, ` + object(long),
		"a long user":       quoted("a.b") + `, 'x', '1', NULL, NULL, NULL, ` + quoted(long),
		"control in a user": quoted("a.b") + `, 'x', '1', NULL, NULL, NULL, E'` + secret + `\r'`,
	} {
		args += strings.Repeat(", NULL", max(0, 2-strings.Count(args, ", ")))
		err := w.as(c, `SELECT garant.record(`+args+`)`)
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Code != "GT009" {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if all := fmt.Sprintf("%+v", *e); strings.Contains(all, secret) {
			t.Errorf("%s: the error quotes it: %s", what, all)
		}
	}
	if got := w.drain(); len(got) != 0 {
		t.Errorf("%d events", len(got))
	}
}

// Each change of a captured table becomes an event of the tenant whose row it is, with who had entered.
func TestCapture(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		w.capture(w.item())
		c := w.claims(w.a)
		session := uuid.UUID(c.Session).String()
		w.must(w.as(c, `INSERT INTO shop.item (name) VALUES ('first'), ('second')`, `UPDATE shop.item SET name = 'third' WHERE name = 'second'`,
			`UPDATE shop.item SET name = name`, `UPDATE shop.item SET name = 'x' WHERE false`, `DELETE FROM shop.item WHERE name = 'first'`))
		got := w.drain()
		if actions(got) != "row.inserted row.inserted row.updated row.deleted" {
			t.Fatal(actions(got))
		}
		for _, e := range got {
			if e.Tenant != w.a.String() || e.Form != "uuid" || e.Session != session || e.Login != "app" || e.Acting != "" || e.Object != "shop.item" || e.XID != got[0].XID || e.Key == "" {
				t.Errorf("%+v", e)
			}
		}
		var after map[string]any
		w.must(json.Unmarshal([]byte(got[1].After), &after))
		if after["name"] != "second" || after["tenant_id"] != w.a.String() || got[1].Before != "" {
			t.Errorf("%+v", got[1])
		}
		if got[2].Before != `{"name": "second"}` || got[2].After != `{"name": "third"}` || got[2].Key != got[1].Key || got[2].Detail != "" {
			t.Errorf("%+v", got[2])
		}
		if !strings.Contains(got[3].Before, `"first"`) || got[3].After != "" || got[3].Key != got[0].Key {
			t.Errorf("%+v", got[3])
		}

		// Who has not entered is the role that signed in; the tenant is that of the row.
		w.exec(w.super, `CREATE POLICY owner ON shop.item TO app_owner USING (true) WITH CHECK (true)`)
		w.exec(w.super, `SET ROLE app_owner; UPDATE shop.item SET name = 'by the owner' WHERE name IN ('item 1', 'item 5'); RESET ROLE; TRUNCATE shop.item`)
		got = w.drain()
		if actions(got) != "row.updated row.updated row.updated table.truncated" {
			t.Fatal(actions(got))
		}
		of := map[string]int{}
		for _, e := range got {
			of[e.Tenant]++
			if e.Session != "" || e.Login != cluster.SuperUser || (e.Kind == "update") != (e.Acting == "app_owner") {
				t.Errorf("%+v", e)
			}
		}
		if of[w.a.String()] != 1 || of[w.b.String()] != 2 || of[""] != 1 {
			t.Error(of)
		}
		owner := w.connect("app_owner", "shop")
		w.exec(owner, fmt.Sprintf(`INSERT INTO shop.item (tenant_id, name) VALUES ('%s', 'x')`, w.b))
		if got := w.drain(); len(got) != 1 || got[0].Login != "app_owner" || got[0].Tenant != w.b.String() {
			t.Errorf("%+v", got)
		}
		// From one tenant to another: each is told of its own side, and not of the other's.
		w.exec(owner, fmt.Sprintf(`UPDATE shop.item SET tenant_id = '%s', name = 'y'`, w.a))
		got = w.drain()
		if len(got) != 2 {
			t.Fatalf("%+v", got)
		}
		for _, e := range got {
			if (e.Tenant == w.b.String()) != (e.After == "") || (e.Tenant == w.a.String()) != (e.Before == "") {
				t.Errorf("%+v", e)
			}
		}
	})
}

// Values are recorded of the columns that were declared; of the others, that they changed.
func TestCaptureColumns(t *testing.T) {
	w := newWorld(t, Pinned)
	w.exec(w.super, `CREATE TABLE shop.person (id uuid, part int, tenant_id uuid, name text, iban text, "Odd ""c,\" text, note jsonb, twice int GENERATED ALWAYS AS (part * 2) STORED, PRIMARY KEY (id, part))`)
	for _, mode := range []string{CaptureOnly, CaptureBut} {
		w.capture(Capture{Table: "shop.person", Tenant: "tenant_id", Keys: []string{"id", "part"}, Mode: mode,
			Columns: map[string][]string{CaptureOnly: {"name", `Odd "c,\`}, CaptureBut: {"iban", "note", "id", "part", "tenant_id", "twice"}}[mode]})
		id := uuid.New()
		w.exec(w.super, fmt.Sprintf(`INSERT INTO shop.person VALUES ('%s', 3, '%s', 'Ana', 'FR76', 'odd', '{"a": 1}')`, id, w.a))
		w.exec(w.super, `UPDATE shop.person SET name = 'Eva', iban = 'FR77', note = '{"a": null}', "Odd ""c,\" = NULL, part = 4`)
		w.exec(w.super, `UPDATE shop.person SET iban = 'FR78'`)
		w.exec(w.super, `DELETE FROM shop.person`)
		got := w.drain()
		if len(got) != 4 {
			t.Fatalf("%+v", got)
		}
		want := []event{
			{Action: "row.inserted", Key: `["` + id.String() + `", 3]`, After: `{"name": "Ana", "Odd \"c,\\": "odd"}`},
			{Action: "row.updated", Key: `["` + id.String() + `", 4]`, Before: `{"name": "Ana", "Odd \"c,\\": "odd"}`, After: `{"name": "Eva", "Odd \"c,\\": null}`, Detail: `{"changed": ["iban", "note", "part", "twice"]}`},
			{Action: "row.updated", Key: `["` + id.String() + `", 4]`, Detail: `{"changed": ["iban"]}`},
			{Action: "row.deleted", Key: `["` + id.String() + `", 4]`, Before: `{"name": "Eva", "Odd \"c,\\": null}`},
		}
		for i, g := range got {
			if diff := cmp.Diff(want[i], event{Action: g.Action, Key: g.Key, Before: g.Before, After: g.After, Detail: g.Detail}); diff != "" {
				t.Error(mode, diff)
			}
			if g.Tenant != w.a.String() {
				t.Errorf("%+v", g)
			}
		}
		for _, name := range CaptureTriggers() {
			w.exec(w.super, `DROP TRIGGER `+name+` ON shop.person`)
		}
	}
}

// Whatever writes is captured: upserts, MERGE, COPY, cascades, partitions and what moves between them, updates that turn keys around.
func TestCaptureOfEveryWay(t *testing.T) {
	w := newWorld(t, Pinned)
	ctx := context.Background()
	w.exec(w.super, `CREATE TABLE shop.parent (id int PRIMARY KEY, tenant_id uuid, name text);
CREATE TABLE shop.child (id int PRIMARY KEY, parent int REFERENCES shop.parent ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE shop.other (id int PRIMARY KEY, parent int REFERENCES shop.parent ON DELETE SET NULL);
CREATE TABLE shop.part (id int, day int, name text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE shop.part_1 PARTITION OF shop.part FOR VALUES FROM (0) TO (10);
CREATE TABLE shop.part_2 PARTITION OF shop.part FOR VALUES FROM (10) TO (20);
CREATE TABLE shop.up (id int PRIMARY KEY, name text)`)
	w.capture(Capture{Table: "shop.parent", Tenant: "tenant_id", Keys: []string{"id"}})
	w.capture(Capture{Table: "shop.child", Keys: []string{"id"}})
	w.capture(Capture{Table: "shop.other", Keys: []string{"id"}})
	w.capture(Capture{Table: "shop.up", Keys: []string{"id"}})
	for _, p := range []string{"part", "part_1", "part_2"} {
		w.capture(Capture{Table: "shop." + p, Keys: []string{"id", "day"}, As: "shop.part"})
	}
	brief := func() string {
		var all []string
		for _, e := range w.drain() {
			all = append(all, strings.TrimPrefix(e.Object, "shop.")+" "+strings.TrimPrefix(e.Action, "row.")+" "+e.Key)
		}
		slices.Sort(all)
		return strings.Join(all, "; ")
	}
	for _, c := range []struct{ sql, want string }{
		{`INSERT INTO shop.up VALUES (1, 'a'), (2, 'b')`, "up inserted 1; up inserted 2"},
		{`INSERT INTO shop.up VALUES (1, 'c'), (3, 'd') ON CONFLICT (id) DO UPDATE SET name = excluded.name`, "up inserted 3; up updated 1"},
		{`INSERT INTO shop.up VALUES (1, 'e') ON CONFLICT DO NOTHING`, ""},
		{`MERGE INTO shop.up u USING (VALUES (1), (2), (9)) v (id) ON u.id = v.id WHEN MATCHED AND v.id = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET name = 'm' WHEN NOT MATCHED THEN INSERT VALUES (v.id, 'n')`, "up deleted 1; up inserted 9; up updated 2"},
		{`WITH d AS (DELETE FROM shop.up WHERE id = 9 RETURNING id) INSERT INTO shop.up SELECT id + 1, 'w' FROM d`, "up deleted 9; up inserted 10"},
		{`UPDATE shop.up SET id = id + 100`, "up updated 102; up updated 103; up updated 110"},
		{`INSERT INTO shop.parent VALUES (1, NULL, 'p'), (2, NULL, 'q'); INSERT INTO shop.child VALUES (1, 1), (2, 1), (3, 2); INSERT INTO shop.other VALUES (1, 1)`,
			"child inserted 1; child inserted 2; child inserted 3; other inserted 1; parent inserted 1; parent inserted 2"},
		{`UPDATE shop.parent SET id = 5 WHERE id = 2`, "child updated 3; parent updated 5"},
		{`DELETE FROM shop.parent WHERE id IN (1, 5)`, "child deleted 1; child deleted 2; child deleted 3; other updated 1; parent deleted 1; parent deleted 5"},
		{`INSERT INTO shop.part VALUES (1, 1, 'a'), (2, 11, 'b')`, `part inserted [1, 1]; part inserted [2, 11]`},
		{`UPDATE shop.part SET day = day + 10 WHERE id = 1`, `part updated [1, 11]`},
		{`DELETE FROM shop.part_2 WHERE id = 2`, `part deleted [2, 11]`},
		{`INSERT INTO shop.part_1 VALUES (7, 7, 'x')`, `part inserted [7, 7]`},
		{`TRUNCATE shop.part_1`, `part table.truncated `},
		{`TRUNCATE shop.part`, `part table.truncated ; part table.truncated ; part table.truncated `},
		{`TRUNCATE shop.parent CASCADE`, `child table.truncated ; other table.truncated ; parent table.truncated `},
	} {
		w.exec(w.super, c.sql)
		if got := brief(); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.sql, got, c.want)
		}
	}
	if n, err := w.super.CopyFrom(ctx, pgx.Identifier{"shop", "up"}, []string{"id", "name"}, pgx.CopyFromRows([][]any{{501, "a"}, {502, "b"}})); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	if got := brief(); got != "up inserted 501; up inserted 502" {
		t.Error("COPY:", got)
	}

	// What was to move and was thrown away on the way is gone, and the rest is told right.
	w.exec(w.super, `CREATE FUNCTION shop.drop_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.id = 2 THEN RETURN NULL; END IF; RETURN NEW; END $$;
INSERT INTO shop.part VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c'); CREATE TRIGGER drop_it BEFORE INSERT ON shop.part_2 FOR EACH ROW EXECUTE FUNCTION shop.drop_it()`)
	w.drain()
	w.exec(w.super, `UPDATE shop.part SET day = day + 10, name = name || 'x'`)
	for _, e := range w.drain() {
		if e.Kind != "update" || (e.Before != "" && e.After != "") {
			t.Errorf("%+v", e)
		}
	}
	// Rows told by their keys keep their sides together where the key stays.
	w.exec(w.super, `INSERT INTO shop.part VALUES (12, 12, 'a'); CREATE OR REPLACE FUNCTION shop.drop_it() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; INSERT INTO shop.part_1 VALUES (2, 2, 'z')`)
	w.drain()
	w.exec(w.super, `UPDATE shop.part SET day = 12, name = 'changed' WHERE id IN (2, 12)`)
	got := w.drain()
	if len(got) != 2 {
		t.Fatalf("%+v", got)
	}
	for _, e := range got {
		if kept := e.Key == "[12, 12]"; kept != (e.After == `{"name": "changed"}`) || kept != (e.Before == `{"name": "a"}`) {
			t.Errorf("%+v", e)
		}
	}
}

// Values that are long are cut, with their length and their hash; a key that is long is one text still.
func TestCaptureCuts(t *testing.T) {
	w := newWorld(t, Pinned)
	w.exec(w.super, `CREATE TABLE shop.doc (id text PRIMARY KEY, body text, bytes bytea, tree jsonb, small text)`)
	w.capture(Capture{Table: "shop.doc", Keys: []string{"id"}})
	w.exec(w.super, `INSERT INTO shop.doc VALUES (repeat('k', 2000), repeat('b', 1000000), decode(repeat('ab', 100000), 'hex'), jsonb_build_object('x', repeat('y', 5000)), 'small')`)
	w.exec(w.super, `UPDATE shop.doc SET body = body || 'c'`)
	got := w.drain()
	if len(got) != 2 || len(got[0].After) > 2000+4000 || len(got[1].After) > 1000 || len(got[0].Key) > 400 || got[0].Key != got[1].Key {
		t.Fatalf("%d events, %d and %d bytes", len(got), len(got[0].After), len(got[1].After))
	}
	var after map[string]struct {
		Begins, SHA256 string
		Bytes          int
	}
	w.must(json.Unmarshal([]byte(got[1].After), &after))
	var sum string
	w.must(w.super.QueryRow(context.Background(), `SELECT encode(sha256(body::bytea), 'hex') FROM shop.doc`).Scan(&sum))
	if after["body"].Bytes != 1000001 || after["body"].SHA256 != sum || after["body"].Begins != strings.Repeat("b", 200) {
		t.Errorf("%+v", after)
	}
	if !strings.Contains(got[0].After, `"small": "small"`) {
		t.Error("a short value beside a long one was cut")
	}
}

// The application, with tokens of its own, can neither see, change or lose what is recorded, nor record as somebody else.
func TestEventAttacks(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		w.capture(w.item())
		mine := w.claims(w.a)
		w.must(w.as(mine, `SELECT garant.record('mine.said', NULL, NULL)`))
		for _, role := range []string{"app", "snoop", "app_owner", "keeper"} {
			conn := w.connect(role, "shop")
			for _, sql := range []string{
				`DELETE FROM garant.event`, `UPDATE garant.event SET entered = 'x'`, `TRUNCATE garant.event`, `INSERT INTO garant.event (kind, action) VALUES ('said', 'a.b')`,
				`LOCK TABLE garant.event`, `ALTER TABLE garant.event DISABLE ROW LEVEL SECURITY`, `DROP TABLE garant.event`, `SELECT setval('garant.event_id_seq', 1)`, `SELECT nextval('garant.event_id_seq')`,
				`CREATE OR REPLACE FUNCTION garant.capture() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`, `ALTER FUNCTION garant.capture() SECURITY INVOKER`, `DROP FUNCTION garant.capture() CASCADE`,
				`ALTER FUNCTION garant.record(text, text, text, jsonb, jsonb, jsonb, text) SET search_path = public`, `SELECT garant.capture()`, `SELECT garant.pin()`, `SELECT garant.tenant_of('x')`,
				`SET session_replication_role = replica`, `CREATE TRIGGER t AFTER INSERT ON garant.event FOR EACH ROW EXECUTE FUNCTION garant.capture()`,
				`CREATE TEMP TABLE forged (id int); CREATE TRIGGER t AFTER INSERT ON forged REFERENCING NEW TABLE AS garant_new FOR EACH STATEMENT EXECUTE FUNCTION garant.capture('', 'uuid', '{id}', 'all', '{}', 'shop.item'); INSERT INTO forged VALUES (1)`,
			} {
				if _, err := conn.Exec(ctx, sql); err == nil {
					t.Errorf("%s may %s", role, sql)
				}
			}
			var n int
			if err := conn.QueryRow(ctx, `SELECT count(*) FROM garant.event`).Scan(&n); err == nil && n > 0 {
				t.Errorf("%s reads %d events", role, n)
			}
			if role != "keeper" {
				for _, sql := range []string{`SELECT garant.try_event()`, `SELECT garant.take_events(1)`, `SELECT garant.forget_events('{}', 1, 1)`, `SELECT garant.events_waiting()`} {
					if _, err := conn.Exec(ctx, sql); code(err) != "42501" {
						t.Errorf("%s: %s: %v", role, sql, err)
					}
				}
			}
		}
		app := w.app()
		for _, sql := range []string{`ALTER TABLE shop.item DISABLE TRIGGER ALL`, `ALTER TABLE shop.item DISABLE TRIGGER garant_capture_insert`, `DROP TRIGGER garant_capture_insert ON shop.item`, `TRUNCATE shop.item`} {
			if _, err := app.Exec(ctx, sql); code(err) != "42501" {
				t.Errorf("the application may %s: %v", sql, err)
			}
		}
		if got := w.drain(); actions(got) != "mine.said" {
			t.Errorf("%+v", got)
		}

		// Another tenant, or another session, cannot be had: neither by settings nor by names that stand before ours.
		w.exec(w.super, `CREATE SCHEMA evil; GRANT ALL ON SCHEMA evil TO app; GRANT TEMP ON DATABASE shop TO app`)
		theirs := w.pin(w.b)
		shadow := []string{
			`CREATE TEMP TABLE event (kind text, action text)`, `CREATE TEMP TABLE garant_new (id int, tenant_id uuid, name text)`, `CREATE TEMP TABLE pg_cast (oid oid)`,
			`CREATE FUNCTION pg_temp.to_jsonb(anyelement) RETURNS jsonb LANGUAGE sql AS $f$ SELECT '{"tenant_id": "` + w.b.String() + `"}'::jsonb $f$`,
			`CREATE FUNCTION evil.to_jsonb(anyelement) RETURNS jsonb LANGUAGE sql AS $f$ SELECT '{"tenant_id": "` + w.b.String() + `"}'::jsonb $f$`,
			`CREATE FUNCTION evil.pin() RETURNS text LANGUAGE sql AS $f$ SELECT '` + theirs + `' $f$`, `CREATE FUNCTION evil.session_user() RETURNS name LANGUAGE sql AS $f$ SELECT 'somebody'::name $f$`,
			`CREATE FUNCTION evil.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $f$ SELECT '2000-01-01'::timestamptz $f$`, `CREATE FUNCTION evil.jsonb_typeof(jsonb) RETURNS text LANGUAGE sql AS $f$ SELECT 'object' $f$`,
			`SET LOCAL search_path = evil, pg_temp, shop, garant, pg_catalog`, `SET LOCAL row_security = off`, `SET LOCAL enable_nestloop = on`,
		}
		tx := w.begin(w.app())
		w.must(enter(tx, w.mint(mine).Bytes()))
		for _, sql := range shadow {
			w.run(tx, sql)
		}
		w.run(tx, `SET LOCAL row_security = on`)
		w.run(tx, `INSERT INTO shop.item (name) VALUES ('shadowed')`)
		w.run(tx, `SET LOCAL row_security = off`)
		w.run(tx, `SELECT garant.record('shadowed.said', NULL, NULL)`)
		for _, setting := range []string{"backtrace_functions", "garant.context"} {
			w.run(tx, `SAVEPOINT s`)
			if _, err := tx.Exec(ctx, `SELECT set_config($1, $2, true)`, setting, theirs); err == nil {
				_, err = tx.Exec(ctx, `SELECT garant.record('forged.said', NULL, NULL)`)
				if err != nil && code(err) != "GT008" {
					t.Error(err)
				}
			}
			w.run(tx, `ROLLBACK TO s`)
		}
		w.must(tx.Commit(ctx))
		got := w.drain()
		if actions(got) != "row.inserted shadowed.said" {
			t.Error(actions(got))
		}
		for _, e := range got {
			if e.Tenant != w.a.String() || e.Session != uuid.UUID(mine.Session).String() || e.Login != "app" || e.Kind == "insert" && !strings.Contains(e.After, "shadowed") {
				t.Errorf("%+v", e)
			}
		}
		// Within the transaction of another login nothing is said for the first.
		if err := w.as(mine, fmt.Sprintf(`SELECT garant.enter('\x%x')`, w.token(w.b).Bytes()), `SELECT garant.record('other.said', NULL, NULL)`); code(err) != "GT004" {
			t.Error(err)
		}
		// A trigger that writes to the table whose trigger it is: each write is told, and it comes to an end.
		w.exec(w.super, `CREATE FUNCTION shop.again() RETURNS trigger LANGUAGE plpgsql AS $f$ BEGIN IF pg_trigger_depth() < 4 THEN UPDATE shop.item SET name = name || '+' WHERE id = NEW.id; END IF; RETURN NULL; END $f$;
CREATE TRIGGER again AFTER INSERT OR UPDATE ON shop.item FOR EACH ROW EXECUTE FUNCTION shop.again()`)
		w.must(w.as(mine, `INSERT INTO shop.item (name) VALUES ('loop')`))
		list := actions(w.drain())
		if strings.Count(list, "row.updated") != 3 || strings.Count(list, "row.inserted") != 1 {
			t.Error(list)
		}
	})
}

// A session that was ended cannot record afterwards, and what it had not committed is not kept.
func TestEndedSessionRecordsNothing(t *testing.T) {
	both(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		c := w.claims(w.a)
		tx := w.begin(w.app())
		w.must(enter(tx, w.mint(c).Bytes()))
		w.run(tx, `SELECT garant.record('before.end', NULL, NULL)`)
		w.must(Revoke(ctx, w.keeper, c.Session, c.Expires))
		if _, err := Sweep(ctx, w.keeper); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(ctx, `SELECT garant.record('after.end', NULL, NULL)`); err == nil {
			t.Error("recorded after its end")
		}
		if got := w.drain(); len(got) != 0 {
			t.Errorf("%+v", got)
		}
	})
}

// Whoever owns tables cannot run something as the owner of schema garant by a cast that capture would call: the write is refused until
// the cast is gone.
func TestCastOfOnesOwn(t *testing.T) {
	w := newWorld(t, Pinned)
	ctx := context.Background()
	owner := w.connect("app_owner", "shop")
	w.exec(owner, `CREATE TYPE shop.colour AS ENUM ('red'); CREATE TABLE shop.wall (id int PRIMARY KEY, colour shop.colour);
CREATE FUNCTION shop.stolen(shop.colour) RETURNS jsonb LANGUAGE plpgsql AS $f$ BEGIN RETURN (SELECT jsonb_agg(encode(k.inner_pad, 'hex')) FROM garant.key k); END $f$`)
	w.capture(Capture{Table: "shop.wall", Keys: []string{"id"}})
	w.exec(owner, `INSERT INTO shop.wall VALUES (1, 'red')`)
	if got := w.drain(); len(got) != 1 || !strings.Contains(got[0].After, `"red"`) {
		t.Errorf("%+v", got)
	}
	w.exec(owner, `CREATE CAST (shop.colour AS jsonb) WITH FUNCTION shop.stolen(shop.colour)`)
	if _, err := owner.Exec(ctx, `INSERT INTO shop.wall VALUES (2, 'red')`); code(err) != "GT010" {
		t.Error(err)
	}
	w.exec(owner, `DROP CAST (shop.colour AS jsonb)`)
	w.exec(owner, `INSERT INTO shop.wall VALUES (2, 'red')`)
	if got := w.drain(); len(got) != 1 {
		t.Errorf("%+v", got)
	}
}
