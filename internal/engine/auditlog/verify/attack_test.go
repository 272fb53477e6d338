package verify_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/engine/auditlog/verify"
	"github.com/garant-project/garant/internal/pg"
)

// attack is what somebody does with the rights of PostgreSQL's superuser, and what is found of it.
type attack struct {
	name  string
	sql   string
	do    func(*world)
	want  verify.Kind // the first finding against the second account
	entry int64       // that it names; 0: none, or whichever
	alone verify.Kind // the first finding without the second account; empty: the same; "-": nothing is found
}

const none verify.Kind = "-"

func attacks() []attack {
	const company = "(SELECT tree FROM audit.tree WHERE name = 'company')"
	return []attack{
		// Entries.
		{name: "field edited", sql: "UPDATE audit.entry SET object_id = 'x' WHERE id = 700", want: verify.Edited, entry: 700},
		{name: "detail edited by a blank", sql: `UPDATE audit.entry SET detail = (detail::text || ' ')::json WHERE id = 700`, want: verify.Edited, entry: 700},
		{name: "refused made permitted", sql: "UPDATE audit.entry SET outcome = 'refused' WHERE id = 3", want: verify.Edited, entry: 3},
		{name: "given to another customer", sql: "UPDATE audit.entry SET tenant = NULL WHERE id = 3", want: verify.Edited, entry: 3},
		{name: "signature edited", sql: "UPDATE audit.entry SET mac = sha256(mac) WHERE id = 900", want: verify.Edited, entry: 900},
		{name: "two edited, the first is named", sql: "UPDATE audit.entry SET reason = 'x' WHERE id IN (1200, 31)", want: verify.Edited, entry: 31},
		{name: "moved into another part", sql: "UPDATE audit.entry SET at = at + interval '40 days' WHERE id = 42", want: verify.Edited, entry: 42},
		{name: "one deleted", sql: "DELETE FROM audit.entry WHERE id = 700", want: verify.Deleted, entry: 700},
		{name: "the first deleted", sql: "DELETE FROM audit.entry WHERE id = 1", want: verify.Deleted, entry: 1},
		{name: "the last deleted", sql: "DELETE FROM audit.entry WHERE id = 1500", want: verify.Deleted, entry: 1500},
		{name: "the end deleted", sql: "DELETE FROM audit.entry WHERE id > 1490", want: verify.Truncated, entry: 1491},
		{name: "truncated", sql: "TRUNCATE audit.entry", want: verify.Truncated, entry: 1},
		{name: "number changed", sql: "UPDATE audit.entry SET id = 100000 WHERE id = 700", want: verify.Deleted, entry: 700},
		{name: "numbers swapped", sql: "UPDATE audit.entry SET id = CASE id WHEN 10 THEN 11 ELSE 10 END WHERE id IN (10, 11)", want: verify.Edited, entry: 10},
		{name: "put in, with an old transaction", sql: `INSERT INTO audit.entry (xid, actor_kind, actor_id, action, outcome, object_kind, object_id) VALUES ('5', 'person', 'p1', 'thing.changed', 'permitted', 'thing', '1')`,
			want: verify.Inserted, entry: 1501},
		{name: "put in, with a number that is there", sql: `INSERT INTO audit.entry (id, xid, actor_kind, actor_id, action, outcome, object_kind, object_id) VALUES (77, '5', 'person', 'p1', 'thing.changed', 'permitted', 'thing', '1')`,
			want: verify.Inserted, entry: 77},
		{name: "sealed changes of another", sql: "UPDATE audit.entry SET changes = (SELECT changes FROM audit.entry WHERE id = 41) WHERE id = 1", want: verify.Sealed, entry: 1},
		{name: "sealed changes damaged", sql: "UPDATE audit.entry SET changes = changes || 'x' WHERE id = 1", want: verify.Sealed, entry: 1},
		{name: "sealed changes taken away", sql: "UPDATE audit.entry SET changes = NULL WHERE id = 1", want: verify.Sealed, entry: 1},
		// Entries before they are in order.
		{name: "edited before it was in order", do: func(w *world) {
			w.write(3)
			w.exec("UPDATE audit.entry SET object_id = 'x' WHERE id = 1502")
			w.drain()
		}, want: verify.WrongMAC, entry: 1502},
		{name: "put in before it was in order", do: func(w *world) {
			w.exec(`INSERT INTO audit.entry (actor_kind, actor_id, action, outcome, object_kind, object_id) VALUES ('person', 'p1', 'thing.changed', 'permitted', 'thing', '1')`)
			w.drain()
		}, want: verify.WrongMAC, entry: 1501},
		{name: "a signed one again", do: func(w *world) { w.again(""); w.drain() }, want: verify.Inserted, entry: 1501},
		{name: "a signed one again, and what was noticed of it deleted", do: func(w *world) {
			w.again("")
			w.drain()
			w.exec("DELETE FROM audit.anomaly")
		}, want: verify.Inserted, entry: 1501},
		{name: "a signed one again, and its writer forgotten", do: func(w *world) {
			w.exec("DELETE FROM audit.writer")
			w.again("")
			w.drain()
			if w.count("SELECT count(*) FROM audit.anomaly WHERE kind = 'twice'") != 0 {
				w.t.Error("it was noticed: the sequencer remembers more than it did")
			}
		}, want: verify.Inserted, entry: 1501},
		{name: "a signed one again, in another part of the record", do: func(w *world) {
			w.exec("SELECT audit.add_month((now() + interval '1 month')::date)")
			w.again("date_trunc('month', now(), 'UTC') + interval '1 month 1 day'")
			w.drain()
			if w.count("SELECT count(DISTINCT tableoid) FROM audit.entry") != 2 {
				w.t.Error("it is in the part that the first is in")
			}
		}, want: verify.Inserted, entry: 1501},
		{name: "a signed one again, that waits", do: func(w *world) { w.again("") }, want: verify.Inserted, entry: 1501},
		{name: "a signed one that waits edited", do: func(w *world) {
			w.write(3)
			w.exec("UPDATE audit.entry SET object_id = 'x' WHERE id = 1502")
		}, want: verify.WrongMAC, entry: 1502},
		{name: "put in to wait for ever", sql: `INSERT INTO audit.entry (xid, at, actor_kind, actor_id, action, outcome, object_kind, object_id) VALUES ('9000000000000000000', now() + interval '1 year', 'person', 'p1', 'thing.changed', 'permitted', 'thing', '1')`,
			want: verify.Inserted, entry: 1501},
		{name: "a signed one made to wait for ever", do: func(w *world) {
			w.write(3)
			w.exec("UPDATE audit.entry SET xid = '9000000000000000000' WHERE id = 1502") // until a sequencer starts, which takes it in
		}, want: verify.LeftOut, entry: 1502},
		{name: "what a process said that it wrote edited", sql: "UPDATE audit.heartbeat SET below = below + 1 WHERE id = (SELECT min(id) FROM audit.heartbeat)", want: verify.WrongMAC},
		{name: "deleted before it was in order", do: func(w *world) {
			w.write(3)
			w.exec("DELETE FROM audit.entry WHERE id = 1502")
			w.must(w.pen.Speak(w.t.Context(), w.db.Pool(pg.Worker)))
			w.drain()
		}, want: verify.Unclaimed},
		{name: "and what was noticed of it deleted too", do: func(w *world) {
			w.write(3)
			w.exec("DELETE FROM audit.entry WHERE id = 1502")
			w.must(w.pen.Speak(w.t.Context(), w.db.Pool(pg.Worker)))
			w.drain()
			if w.count("SELECT count(*) FROM audit.anomaly") == 0 {
				w.t.Error("nothing was noticed")
			}
			w.exec("DELETE FROM audit.anomaly")
		}, want: verify.Unclaimed},
		{name: "put in under a number from before entries were signed", do: func(w *world) {
			w.exec(`INSERT INTO audit.entry (id, actor_kind, actor_id, action, outcome, object_kind, object_id) VALUES (-5, 'person', 'p1', 'thing.changed', 'permitted', 'thing', '1')`)
			w.drain()
		}, want: verify.WrongMAC, entry: -5},
		{name: "put in, and the beginning of signatures moved", do: func(w *world) {
			w.exec(`UPDATE audit.began SET signed = 1000000`)
			w.exec(`UPDATE audit.cursor SET signed = 1000000`)
			w.exec(`INSERT INTO audit.entry (actor_kind, actor_id, action, outcome, object_kind, object_id) VALUES ('person', 'p1', 'thing.changed', 'permitted', 'thing', '1')`)
			w.drain()
		}, want: verify.WrongMAC, entry: 1501},
		{name: "what was noticed explained as if before a time that was dropped", do: func(w *world) {
			w.write(3)
			w.exec("DELETE FROM audit.entry WHERE id = 1502")
			w.must(w.pen.Speak(w.t.Context(), w.db.Pool(pg.Worker)))
			w.drain()
			w.must(pg.InTx(w.t.Context(), w.db.Pool(pg.Staff), func(tx pgx.Tx) error {
				return audit.Record(w.t.Context(), tx, actor.NewSystem("retention"), "record.dropped", audit.Object{Kind: "record", ID: "2020-01"}, map[string]any{"entries": 5})
			}))
			w.drain()
			w.run(`INSERT INTO audit.dropped (part, before, seq, entries, tree, size) SELECT '2020-01', now() - interval '60 days', 0, 5, tree, size FROM audit.checkpoint ORDER BY size LIMIT 1;
UPDATE audit.anomaly SET at = now() - interval '91 days'; INSERT INTO audit.anomaly_word (anomaly, at, by, reason) SELECT id, now() - interval '90 days', 'person:p1', 'a test' FROM audit.anomaly; DELETE FROM audit.heartbeat`)
		}, want: verify.Noticed},
		{name: "what was noticed explained by nobody", do: func(w *world) {
			w.write(3)
			w.exec("DELETE FROM audit.entry WHERE id = 1502")
			w.must(w.pen.Speak(w.t.Context(), w.db.Pool(pg.Worker)))
			w.drain()
			w.exec("INSERT INTO audit.anomaly_word (anomaly, by, reason) SELECT id, 'person:p1', 'a test' FROM audit.anomaly")
			w.exec("DELETE FROM audit.heartbeat")
		}, want: verify.Noticed},
		{name: "deleted before it was in order, and what is known of its writer changed", do: func(w *world) {
			w.write(1)
			w.must(w.pen.Speak(w.t.Context(), w.db.Pool(pg.Worker)))
			w.drain()
			w.write(3)
			w.exec("DELETE FROM audit.entry WHERE id = 1502")
			w.exec("UPDATE audit.writer SET seen = '{[1,100)}'")
			w.must(w.pen.Speak(w.t.Context(), w.db.Pool(pg.Worker)))
			w.drain()
			w.exec("DELETE FROM audit.heartbeat")
		}, want: verify.Noticed},
		// Leaves.
		{name: "leaf's hash", sql: "UPDATE audit.leaf SET hash = sha256('x') WHERE entry = 700", want: verify.Edited, entry: 700},
		{name: "leaf deleted", sql: "DELETE FROM audit.leaf WHERE entry = 700", want: verify.Deleted, entry: 700, alone: verify.Deleted},
		{name: "entry and leaf deleted", sql: "DELETE FROM audit.leaf WHERE entry = 700; DELETE FROM audit.entry WHERE id = 700", want: verify.Deleted, entry: 700, alone: verify.Deleted},
		{name: "the last leaves deleted", sql: "DELETE FROM audit.leaf WHERE entry > 1490", want: verify.Truncated, entry: 1491, alone: verify.Truncated},
		{name: "leaves truncated", sql: "TRUNCATE audit.leaf", want: verify.Truncated},
		{name: "leaves swapped", sql: "UPDATE audit.leaf AS a SET entry = b.entry, hash = b.hash FROM audit.leaf AS b WHERE (a.entry, b.entry) IN ((4, 8), (8, 4))", want: verify.Reordered, entry: 4, alone: verify.Reordered},
		{name: "leaf put in", do: func(w *world) {
			w.exec(`INSERT INTO audit.leaf (seq, tree, index, entry, hash) SELECT (SELECT max(seq) + 1 FROM audit.leaf), t.tree, t.size, 1, l.hash FROM audit.tree AS t, audit.leaf AS l WHERE t.name = 'company' AND l.entry = 1`)
		}, want: verify.Inserted},
		{name: "entry edited, and its leaf", do: func(w *world) { w.exec("UPDATE audit.entry SET reason = 'x' WHERE id = 5"); w.leafAgain(5) }, want: verify.Edited, entry: 5, alone: verify.WrongMAC},
		{name: "entry edited, and its leaf, past all tiles", do: func(w *world) { w.exec("UPDATE audit.entry SET reason = 'x' WHERE id = 1485"); w.leafAgain(1485) }, want: verify.Edited, entry: 1485, alone: verify.WrongMAC},
		// The root log and its heads.
		{name: "line", sql: "UPDATE audit.root_leaf SET text = 'garant/time v1' WHERE index = 3", want: verify.RootLine},
		{name: "line and its hash", sql: `UPDATE audit.root_leaf SET text = 'x', hash = sha256('\x0078') WHERE index = 3`, want: verify.RootLine},
		{name: "line deleted", sql: "DELETE FROM audit.root_leaf WHERE index = 3", want: verify.RootLine},
		{name: "last line deleted", sql: "DELETE FROM audit.root_leaf WHERE index = (SELECT max(index) FROM audit.root_leaf)", want: verify.Truncated},
		{name: "root log truncated", sql: "TRUNCATE audit.root_leaf", want: verify.Truncated},
		{name: "head deleted", sql: "DELETE FROM audit.checkpoint WHERE size = (SELECT max(size) FROM audit.checkpoint)", want: verify.Head},
		{name: "heads deleted", sql: "TRUNCATE audit.checkpoint", want: verify.Head},
		{name: "head changed", sql: "UPDATE audit.checkpoint SET root = sha256('x') WHERE size = (SELECT max(size) FROM audit.checkpoint)", want: verify.Head},
		{name: "heads signed by another key", do: func(w *world) { w.resign(false) }, want: verify.ReSigned},
		{name: "and the log's key replaced", do: func(w *world) { w.resign(true) }, want: verify.ReSigned},
		{name: "generation deleted", sql: "TRUNCATE audit.generation CASCADE", want: verify.Truncated},
		// Trees and tiles.
		{name: "tile", sql: "UPDATE audit.tile SET hashes = overlay(hashes PLACING sha256('x') FROM 33) WHERE tree = " + company, want: verify.Tile},
		{name: "hash over a tile", sql: "UPDATE audit.tile SET root = sha256('x') WHERE tree = " + company, want: verify.Tile},
		{name: "tile deleted", sql: "DELETE FROM audit.tile WHERE tree = " + company, want: verify.Tile},
		{name: "tile put in", sql: "INSERT INTO audit.tile SELECT tree, level, n + 9, hashes, root FROM audit.tile WHERE tree = " + company, want: verify.Tile},
		{name: "size of a tree", sql: "UPDATE audit.tree SET size = size + 1 WHERE name = 'company'", want: verify.Truncated},
		{name: "edge of a tree", sql: "UPDATE audit.tree SET edge = overlay(edge PLACING sha256('x') FROM 1) WHERE name = 'company'", want: verify.Head},
		{name: "tree deleted", sql: "DELETE FROM audit.tree WHERE name = 'company'", want: verify.Deleted, entry: 1},
		// The cursor.
		{name: "cursor deleted", sql: "DELETE FROM audit.cursor", want: verify.Head},
		{name: "cursor moved over entries", do: func(w *world) {
			w.write(5)
			w.exec("UPDATE audit.cursor SET xid = pg_current_xact_id(), entry = 0")
			w.write(1) // a sequencer would notice, and pass nothing over
		}, want: verify.LeftOut, entry: 1501},
		// What we look through.
		{name: "a view in place of the table", sql: "ALTER TABLE audit.leaf RENAME TO leaf_; CREATE VIEW audit.leaf AS SELECT * FROM audit.leaf_; GRANT SELECT ON audit.leaf TO garant_staff", want: verify.Structure},
		{name: "a policy that hides", sql: "CREATE POLICY hides ON audit.entry AS RESTRICTIVE USING (id <> 700)", want: verify.Deleted, entry: 700},
		{name: "a policy that hides nothing yet", sql: "CREATE POLICY hides ON audit.entry AS RESTRICTIVE USING (id <> 100000)", want: verify.Structure},
		{name: "the policy narrowed", sql: "ALTER POLICY garant_declared ON audit.entry USING (id <> 700)", want: verify.Deleted, entry: 700},
		{name: "rows of leaves hidden", sql: "ALTER TABLE audit.leaf ENABLE ROW LEVEL SECURITY; CREATE POLICY hides ON audit.leaf USING (entry <> 700)", want: verify.Deleted, entry: 700, alone: verify.Deleted},
		{name: "a part taken out", sql: "ALTER TABLE audit.entry DETACH PARTITION audit.entry_rest", want: verify.Truncated, entry: 1},
		{name: "a part put in that is empty", sql: "CREATE TABLE public.mine (LIKE audit.entry INCLUDING ALL); ALTER TABLE audit.entry ATTACH PARTITION public.mine FOR VALUES FROM ('1999-01-01') TO ('1999-02-01')", want: verify.Structure},
		{name: "a trigger", sql: "CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER t BEFORE INSERT ON audit.leaf FOR EACH ROW EXECUTE FUNCTION public.f()", want: verify.Structure},
		{name: "a rule", sql: "CREATE RULE r AS ON INSERT TO audit.anomaly DO INSTEAD NOTHING", want: verify.Structure},
		{name: "as if dropped at the end of its time", sql: `DELETE FROM audit.entry WHERE id <= 20;
INSERT INTO audit.dropped (part, before, seq, entries, tree, size) SELECT 'entry_2020_01', now() - interval '1 day', 20, 20, tree, size FROM audit.checkpoint ORDER BY size LIMIT 1`, want: verify.Excused, entry: 1, alone: verify.Excused},
		{name: "as if dropped long ago", sql: `DELETE FROM audit.entry WHERE id <= 20;
INSERT INTO audit.dropped (part, before, seq, entries, tree, size) SELECT 'entry_2020_01', now() - interval '90 days', 20, 20, tree, size FROM audit.checkpoint ORDER BY size LIMIT 1; TRUNCATE audit.heartbeat`, want: verify.Excused, entry: 1, alone: verify.Excused},
		{name: "as if dropped at a time to come", sql: `DELETE FROM audit.entry WHERE id <= 20;
INSERT INTO audit.dropped (at, part, before, seq, entries, tree, size) SELECT now() + interval '1 year', 'entry_2020_01', now() - interval '1 day', 20, 20, tree, size FROM audit.checkpoint ORDER BY size LIMIT 1; TRUNCATE audit.heartbeat`, want: verify.Excused, entry: 1, alone: verify.Excused},
		// Everything at once, with all keys.
		{name: "all rewritten with stolen keys", do: func(w *world) { w.exec("UPDATE audit.entry SET object_id = 'x' WHERE id = 701"); w.forge() }, want: verify.Edited, entry: 701, alone: none},
		{name: "and said to be left behind by a restore", do: func(w *world) {
			w.exec("UPDATE audit.entry SET object_id = 'x' WHERE id = 701")
			w.exec(`UPDATE audit.generation SET before = '{"generation":1,"common":{"seq":0}}'`)
			w.forge()
		}, want: verify.Edited, entry: 701, alone: verify.Head},
		{name: "one taken out and all rewritten", do: func(w *world) {
			w.takeOut(700)
			w.forge()
		}, want: verify.Deleted, entry: 700, alone: none},
		{name: "two exchanged and all rewritten", do: func(w *world) {
			w.exec("UPDATE audit.leaf AS a SET entry = b.entry FROM audit.leaf AS b WHERE (a.entry, b.entry) IN ((4, 8), (8, 4))")
			w.forge()
		}, want: verify.Reordered, entry: 4, alone: none},
		{name: "another put in its place and all rewritten", do: func(w *world) {
			w.run("UPDATE audit.leaf SET entry = 100000 WHERE entry = 704; UPDATE audit.entry SET id = 100000, object_id = 'x' WHERE id = 704")
			w.forge()
		}, want: verify.Deleted, entry: 704, alone: none},
		{name: "the end cut off and all rewritten", do: func(w *world) {
			last := w.count("SELECT max(size) FROM audit.checkpoint WHERE seq <= 1200")
			w.run(fmt.Sprintf(`DELETE FROM audit.entry WHERE id > 1200; DELETE FROM audit.leaf WHERE seq > 1200; DELETE FROM audit.root_leaf WHERE index >= %d; UPDATE audit.cursor SET seq = 1200`, last))
			w.forge()
		}, want: verify.Truncated, entry: 1201, alone: none},
	}
}

// again writes what is signed of entry 9 a second time; at is when, empty: now.
func (w *world) again(at string) {
	w.t.Helper()
	if at == "" {
		at = "clock_timestamp()"
	}
	const signed = "actor_kind, actor_id, session, origin, action, outcome, object_kind, object_id, detail, tenant, reason, request, subject, promise, changes, occurred, writer, n, written, mac"
	w.exec("INSERT INTO audit.entry (at, " + signed + ") SELECT " + at + ", " + signed + " FROM audit.entry WHERE id = 9")
}

// leafAgain makes the leaf of an entry anew, as somebody does who has no key.
func (w *world) leafAgain(id int64) {
	w.t.Helper()
	h := w.leafOf(id)
	w.exec("UPDATE audit.leaf SET hash = $2 WHERE entry = $1", id, h[:])
}

func TestAttacks(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.write(300)
		w.must(w.pen.Speak(t.Context(), w.db.Pool(pg.Worker)))
		w.drain()
		w.copy()
	}
	if r := w.verify(w.options()); r.Outcome != verify.Intact {
		t.Fatalf("before: %+v", r)
	}
	options := w.options()
	backup := w.backup()
	for _, a := range attacks() {
		t.Run(a.name, func(t *testing.T) {
			w.t = t
			w.restore(backup, true)
			if a.sql != "" {
				if _, err := w.super.PgConn().Exec(t.Context(), a.sql).ReadAll(); err != nil {
					t.Fatal(err)
				}
			}
			if a.do != nil {
				a.do(w)
			}
			o := options
			o.Database, o.Box = w.db.Pool(pg.Staff), w.box
			check := func(o verify.Options, want verify.Kind, entry int64) {
				t.Helper()
				r, err := verify.Verify(t.Context(), o)
				switch {
				case want == none && (r.Found != 0 || r.Outcome != verify.Incomplete || err != nil):
					t.Errorf("%s: found %+v, %v", r.Against, r.Findings, err)
				case want == none:
				case r.Outcome != verify.Broken || r.First == nil || r.ExitCode() != 1:
					t.Errorf("%s: not found: %+v, %v", r.Against, r, err)
				case r.First.Kind != want || entry != 0 && r.First.Entry != entry || r.First.Text == "" || !strings.HasSuffix(r.First.Text, "."):
					t.Errorf("%s: wanted %s of %d, found %+v", r.Against, want, entry, r.Findings[:min(4, len(r.Findings))])
				}
			}
			check(o, a.want, a.entry)
			o.Bucket = nil
			switch a.alone {
			case "":
				check(o, a.want, a.entry)
			default:
				check(o, a.alone, 0)
			}
		})
	}
	w.t = t
}

// In place of the names of attacks in documents: each kind is wanted at least once.
func TestEveryKindIsTried(t *testing.T) {
	tried := map[verify.Kind]bool{}
	for _, a := range attacks() {
		tried[a.want] = true
	}
	for _, k := range []verify.Kind{verify.Edited, verify.Deleted, verify.Inserted, verify.Reordered, verify.Truncated, verify.ReSigned, verify.Tile, verify.RootLine, verify.Head, verify.WrongMAC, verify.LeftOut, verify.Unclaimed, verify.Noticed, verify.Structure, verify.Excused, verify.Sealed} {
		if !tried[k] {
			t.Errorf("%s is never tried", k)
		}
	}
	if names := attackNames(); len(slices.Compact(slices.Sorted(slices.Values(names)))) != len(names) {
		t.Error("two attacks have one name")
	}
}

func attackNames() (names []string) {
	for _, a := range attacks() {
		names = append(names, a.name)
	}
	return names
}
