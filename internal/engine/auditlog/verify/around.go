package verify

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/audit/leaf"
	"github.com/garant-project/garant/internal/audit/merkle"
	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/engine/auditlog/entries"
	"github.com/garant-project/garant/internal/engine/auditlog/replica"
	"github.com/garant-project/garant/internal/pg"
)

// structure holds the tables against those that Garant makes: whoever puts a view, a policy, a rule or a trigger between us and them
// decides what we see.
func (e *examiner) structure(ctx context.Context) error {
	rows, err := e.main.Query(ctx, `WITH tables AS (SELECT unnest($1::text[]) AS name, unnest($2::text[]) AS kind)
SELECT t.name, 'is not there' FROM tables AS t WHERE to_regclass('audit.' || t.name) IS NULL
UNION ALL SELECT t.name, 'is not a table as Garant makes it: something stands in its place' FROM tables AS t JOIN pg_class AS c ON c.oid = to_regclass('audit.' || t.name) WHERE c.relkind::text <> t.kind
UNION ALL SELECT t.name, 'belongs to another role than garant_owner' FROM tables AS t JOIN pg_class AS c ON c.oid = to_regclass('audit.' || t.name) WHERE pg_get_userbyid(c.relowner) <> 'garant_owner'
UNION ALL SELECT c.relname, 'has a trigger: ' || g.tgname FROM pg_trigger AS g JOIN pg_class AS c ON c.oid = g.tgrelid WHERE c.relnamespace = 'audit'::regnamespace AND NOT g.tgisinternal
UNION ALL SELECT c.relname, 'has a rule: ' || r.rulename FROM pg_rewrite AS r JOIN pg_class AS c ON c.oid = r.ev_class WHERE c.relnamespace = 'audit'::regnamespace AND c.relkind IN ('r', 'p')
UNION ALL SELECT c.relname, 'is a part of the record that was taken out of it' FROM pg_class AS c WHERE c.relnamespace = 'audit'::regnamespace AND c.relkind = 'r' AND c.relname ~ '^entry_'
	AND NOT EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhrelid = c.oid AND i.inhparent = to_regclass('audit.entry'))
UNION ALL SELECT c.relname, 'is a part of the record that Garant has not made' FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = to_regclass('audit.entry')
	AND (c.relnamespace <> 'audit'::regnamespace OR c.relkind <> 'r' OR c.relname !~ '^entry_([0-9]{4}_[0-9]{2}|rest)$')
UNION ALL SELECT c.relname, 'has row-level security, which hides rows' FROM pg_class AS c WHERE c.relnamespace = 'audit'::regnamespace AND c.relrowsecurity AND c.relname !~ '^entry'
UNION ALL SELECT c.relname, 'has a policy that hides rows: ' || p.polname FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid WHERE c.relnamespace = 'audit'::regnamespace AND NOT p.polpermissive
UNION ALL SELECT 'entry', 'has no policy by which the verifier sees all rows' WHERE EXISTS (SELECT FROM pg_class AS c WHERE c.oid = to_regclass('audit.entry') AND c.relrowsecurity)
	AND NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = current_user AND (r.rolsuper OR r.rolbypassrls))
	AND NOT EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = to_regclass('audit.entry') AND p.polpermissive AND p.polcmd IN ('*', 'r') AND pg_get_expr(p.polqual, p.polrelid) = 'true'
		AND (p.polroles = '{0}' OR EXISTS (SELECT FROM unnest(p.polroles) AS o WHERE pg_has_role(current_user, o, 'USAGE'))))`,
		[]string{"entry", "leaf", "root_leaf", "tile", "tree", "checkpoint", "generation", "cursor", "anomaly", "anomaly_word", "dropped", "heartbeat", "writer", "cosignature", "began"},
		[]string{"p", "r", "r", "r", "r", "r", "r", "r", "r", "r", "r", "r", "r", "r", "r"})
	if err != nil {
		return pg.Wrap(err)
	}
	var table, what string
	_, err = pgx.ForEachRow(rows, []any{&table, &what}, func() error {
		e.r.find(Finding{Kind: Structure, Index: -1, Text: fmt.Sprintf("The table audit.%s %s.", table, what)})
		return nil
	})
	if err != nil {
		return pg.Wrap(err)
	}
	e.r.examined("tables", 15)
	return nil
}

// mostOutside is how many entries outside all trees are looked at one by one.
const mostOutside = 10_000

// outside looks at entries that are in no tree.
func (e *examiner) outside(ctx context.Context, matched int64) error {
	var many int64
	if err := e.main.QueryRow(ctx, `SELECT count(*) FROM audit.entry`).Scan(&many); err != nil {
		return pg.Wrap(err)
	}
	e.r.examined("entries in the database", many)
	if many == matched && len(e.generations) == 1 {
		return nil
	}
	// A number of a transaction that is still to come is none that PostgreSQL gave. In another cluster than the cursor's the numbers say nothing.
	rows, err := e.main.Query(ctx, `SELECT CASE WHEN coalesce((e.xid, e.id) > (c.xid, c.entry), true) THEN 1::bigint ELSE 0::bigint END,
	CASE WHEN e.xid >= pg_snapshot_xmax(pg_current_snapshot()) AND c.system = (SELECT s.system_identifier::text || '/' || d.oid FROM pg_control_system() AS s, pg_database AS d WHERE d.datname = current_database()) THEN 1::bigint ELSE 0::bigint END,
	`+entries.Columns+` FROM audit.entry AS e LEFT JOIN audit.cursor AS c ON true
WHERE NOT EXISTS (SELECT FROM audit.leaf AS l WHERE l.entry = e.id) ORDER BY e.id LIMIT $1`, entries.Binary, mostOutside)
	if err != nil {
		return pg.Wrap(err)
	}
	defer rows.Close()
	r := &reader{e: e, keys: map[string]*leaf.Signer{}}
	var one entries.Row
	waiting, looked := int64(0), 0
	var oldest time.Time
	for rows.Next() {
		looked++
		raw := rows.RawValues()
		if err := one.Decode(raw[2:], false); err != nil {
			return err
		}
		f := Finding{Kind: Inserted, Index: -1, Entry: one.ID}
		signed := e.Box != nil && one.Said.Writer != "" && r.signed(&one.Entry, one.Said.Append(nil))
		switch writer := one.Said.Writer; {
		case writer != "" && e.numbered(uuid.UUID(raw[2+18]), one.Said.N, math.MaxInt):
			f.Text = fmt.Sprintf("Entry %d is in no tree, and has the number of another of its process: it was copied, and put in.", one.ID)
		case entries.Int(raw[0]) == 0 && signed:
			f.Kind, f.Text = LeftOut, fmt.Sprintf("Entry %d is in no tree, though its writer signed it and what came after it is: somebody made the sequencer pass it over.", one.ID)
		case entries.Int(raw[0]) == 0:
			f.Text = fmt.Sprintf("Entry %d is in no tree, though what came after it is: it was put in.", one.ID)
		case entries.Int(raw[1]) == 1 && signed:
			f.Kind, f.Text = LeftOut, fmt.Sprintf("Entry %d carries the number of a transaction that was not yet: somebody has the sequencer pass it over.", one.ID)
		case entries.Int(raw[1]) == 1:
			f.Text = fmt.Sprintf("Entry %d carries the number of a transaction that was not yet: it was put in.", one.ID)
		case writer == "" && (e.signing || one.ID > e.began || one.ID <= 0):
			f.Kind, f.Text = WrongMAC, fmt.Sprintf("Entry %d is signed by no process: it was not written by Garant.", one.ID)
		case writer != "" && e.Box != nil && !signed:
			f.Kind, f.Text = WrongMAC, fmt.Sprintf("Entry %d, which waits to be put in order, is not signed by the process that it names.", one.ID)
		default:
			waiting++
			at := one.At // which nobody signs before it is in order
			if w := one.Said.Written; !w.IsZero() && w.Before(at) {
				at = w
			}
			if oldest.IsZero() || at.Before(oldest) {
				oldest = at
			}
			continue
		}
		e.find(f)
	}
	if err := rows.Err(); err != nil {
		return pg.Wrap(err)
	}
	switch {
	case looked == mostOutside:
		e.r.skipped("More than %d entries are in no tree.", mostOutside)
	case waiting > 0 && e.Now().Sub(oldest) > settled:
		e.r.skipped("%d entries that wait to be put in order, the oldest since %s: garant audit status says what holds them up.", waiting, e.Now().Sub(oldest).Round(time.Second))
	case waiting > 0:
		e.r.remains("%d entries of the last seconds are in no tree yet: who changes them now is found by their signatures, who deletes them by their writers’ heartbeats.", waiting)
	}
	return nil
}

// told is what the root log says that was noticed.
type told struct {
	generation  int
	line        int64
	kind, about string
	after       time.Time // it was noticed
}

// noticed lists what the sequencer and the replicator noticed and nobody has explained.
func (e *examiner) noticed(ctx context.Context) error {
	// Somebody's word counts when the record has it: who puts a row there by hand signs no entry. What was dropped since may have told of it.
	var answered map[int64]bool
	if e.Box != nil { // then a word counts by its own signature, and by nothing else
		var err error
		if answered, err = sequence.Answered(ctx, e.main, e.Box); err != nil {
			return err
		}
	}
	rows, err := e.main.Query(ctx, `SELECT a.id, a.kind, a.about, EXISTS (SELECT FROM audit.anomaly_word AS w WHERE w.anomaly = a.id)
	AND EXISTS (SELECT FROM audit.entry AS e WHERE e.action = 'anomaly.answered' AND e.actor_kind = 'person' AND e.tenant IS NULL AND e.object_kind = 'anomaly' AND e.object_id = a.kind || ': ' || a.about AND e.outcome = 'permitted' AND e.writer IS NOT NULL),
	(SELECT max(d.before) FROM audit.anomaly_word AS w, audit.dropped AS d WHERE w.anomaly = a.id AND w.at >= a.at AND w.at < d.before) FROM audit.anomaly AS a ORDER BY a.id`)
	if err != nil {
		return pg.Wrap(err)
	}
	after := map[string]time.Time{} // when it was noticed, as the root log says
	for _, t := range e.told {
		after[t.kind+"\n"+t.about] = t.after
	}
	var id int64
	var kind, about string
	var explained bool
	var before *time.Time
	all, open := int64(0), 0
	there := map[string]bool{}
	if _, err = pgx.ForEachRow(rows, []any{&id, &kind, &about, &explained, &before}, func() error {
		all++
		if e.Box != nil {
			explained, before = answered[id], nil
		}
		key := kind + "\n" + about
		there[key] = true
		switch {
		case explained || before != nil && after[key].Before(*before):
			return nil
		case slices.Contains([]string{"unsigned", "forged", "twice", "missing", "missing_heartbeat", "forged_heartbeat", "writer_changed", "cursor_changed", "set_back", "forged_drop", "altered", "entry_missing", "tile_changed"}, kind):
			e.unsure = append(e.unsure, Finding{Kind: Noticed, Index: -1, Text: fmt.Sprintf("It was noticed at the time, and nobody has explained it: %s, %s.", about, kind)})
		default:
			open++
		}
		return nil
	}); err != nil {
		return pg.Wrap(err)
	}
	for _, t := range e.told {
		if key := t.kind + "\n" + t.about; !there[key] {
			there[key] = true
			e.unsure = append(e.unsure, Finding{Kind: Noticed, Generation: t.generation, Tree: "root", Index: t.line, Text: fmt.Sprintf("The root log says that it was noticed at the time, and the row that told of it was deleted: %s, %s.", t.about, t.kind)})
		}
	}
	e.r.examined("anomalies", all)
	if open > 0 {
		e.r.note("%d anomalies that are no sign of a change wait for an explanation: garant audit status lists them.", open)
	}
	return nil
}

// cosigned verifies what witnesses put under heads.
func (e *examiner) cosigned(ctx context.Context) error {
	rows, err := e.main.Query(ctx, `SELECT s.size, s.witness, s.line, c.note FROM audit.cosignature AS s LEFT JOIN audit.checkpoint AS c ON c.tree = s.tree AND c.size = s.size ORDER BY s.tree, s.size`)
	if err != nil {
		return pg.Wrap(err)
	}
	witnesses := make([]*merkle.Witness, 0, len(e.Witnesses))
	for _, k := range e.Witnesses {
		w, err := merkle.NewWitness(k)
		if err != nil {
			rows.Close()
			return err
		}
		witnesses = append(witnesses, w)
	}
	var size int64
	var name, line string
	var signed *string
	verified, unknown := int64(0), 0
	if _, err = pgx.ForEachRow(rows, []any{&size, &name, &line, &signed}, func() error {
		if signed == nil {
			e.r.find(Finding{Kind: Head, Tree: "root", Index: -1, Text: fmt.Sprintf("The head at %d lines, which witness %s signed, is gone.", size, name)})
			return nil
		}
		sig, err := merkle.ParseSignature(line)
		text, _, err2 := merkle.SplitNote(*signed)
		if err == nil && err2 == nil {
			i := slices.IndexFunc(witnesses, func(w *merkle.Witness) bool { return w.Name() == sig.Name && w.KeyHash() == sig.Hash })
			if i < 0 {
				unknown++
				return nil
			}
			if _, err := witnesses[i].Cosigned(text, line); err == nil {
				verified++
				return nil
			}
		}
		e.r.find(Finding{Kind: Witness, Tree: "root", Index: -1, Text: fmt.Sprintf("What witness %s put under the head at %d lines is not its signature of that head.", name, size)})
		return nil
	}); err != nil {
		return pg.Wrap(err)
	}
	e.r.examined("cosignatures of witnesses", verified)
	if unknown > 0 {
		e.r.skipped("%d cosignatures: the keys of their witnesses are not pinned.", unknown)
	}
	if verified == 0 && unknown == 0 {
		e.r.remains("No witness has signed a head: who holds the log’s key, the database and the second account together can rewrite everything.")
	}
	return nil
}

// leastKept is how long entries are kept at least: audit.drop_before takes away nothing younger.
const leastKept = 30 * 24 * time.Hour

// drops holds what is said to have been dropped at the end of its time against the heads that hold it.
func (e *examiner) drops(ctx context.Context) error {
	rows, err := e.main.Query(ctx, `SELECT d.id, d.at, d.before, d.seq, d.entries, coalesce(c.seq, -1), coalesce(c.note, ''), coalesce(t.generation, 0),
	EXISTS (SELECT FROM audit.dropped AS later WHERE later.before > d.at) OR EXISTS (SELECT FROM audit.entry AS e WHERE e.action = 'record.dropped' AND e.actor_kind = 'system' AND e.tenant IS NULL AND e.object_kind = 'record' AND e.object_id = d.part
		AND e.outcome = 'permitted' AND e.writer IS NOT NULL AND e.detail ->> 'entries' = d.entries::text) FROM audit.dropped AS d
LEFT JOIN audit.checkpoint AS c ON c.tree = d.tree AND c.size = d.size LEFT JOIN audit.tree AS t ON t.tree = d.tree ORDER BY d.id`)
	if err != nil {
		return pg.Wrap(err)
	}
	var id, seq, many, covered int64
	var at, before time.Time
	var signed string
	var number int
	var recorded bool
	if _, err = pgx.ForEachRow(rows, []any{&id, &at, &before, &seq, &many, &covered, &signed, &number, &recorded}, func() error {
		wrong := ""
		recorded = recorded && (e.Box == nil || seq <= e.dropped)
		if now := e.Now(); at.After(now) {
			at = now
		}
		i := slices.IndexFunc(e.generations, func(g *generation) bool { return g.number == number })
		switch {
		case before.After(at.Add(-leastKept + time.Hour)):
			wrong = "they were too young to be dropped"
		case !recorded:
			wrong = "no entry of the record tells of it"
		case covered < seq:
			wrong = "the head that should hold them is gone, or older than they are"
		case i < 0 || e.generations[i].verifier == nil:
			wrong = "the log that should hold them is not there"
		default:
			if _, err := merkle.Open(signed, e.generations[i].verifier); err != nil {
				wrong = "the head that should hold them is not signed by the log’s key"
			}
		}
		if wrong != "" {
			e.r.find(Finding{Kind: Excused, Generation: number, Index: -1, Text: fmt.Sprintf("It is said that %d entries from before %s were dropped at the end of their time, but %s.", many, before.UTC().Format(time.DateOnly), wrong)})
		}
		e.r.note("%d entries from before %s were dropped at the end of their time; their hashes are held by a signed head.", many, before.UTC().Format(time.DateOnly))
		return nil
	}); err != nil {
		return pg.Wrap(err)
	}
	if e.dropped > 0 && e.Bucket == nil {
		e.r.remains("What was dropped cannot be read here any more: that each of those entries was at the end of its time is shown by the second account only.")
	}
	return nil
}

// restored reads what is kept of generations that ended with a restore, whose last leaves only the second account has. It counts where the log that came after says the same
// in its first line, and has all that the database still had.
func (e *examiner) restored(ctx context.Context) error {
	for i, g := range e.generations {
		if g.before == nil {
			continue
		}
		var b replica.Before
		err := json.Unmarshal(g.before, &b)
		at := slices.IndexFunc(e.generations[:i], func(old *generation) bool { return old.number == b.Generation })
		if err != nil || at < 0 || g.begins != sequence.RestoredLine(e.generations[at].origin, b.There.Size, base64.StdEncoding.EncodeToString(b.There.Root), g.reason) {
			e.r.find(Finding{Kind: Head, Generation: g.number, Tree: "root", Index: 0, Text: fmt.Sprintf("What is kept of the restore that generation %d of the log began with is not what its first line says.", g.number)})
			continue
		}
		e.left[b.Generation] = b.Common.Seq
		rows, err := e.main.Query(ctx, `SELECT l.seq, t.name, l.index, l.entry FROM audit.leaf AS l JOIN audit.tree AS t ON t.tree = l.tree WHERE t.generation = $1 AND l.seq > $2 AND l.seq > $3
	AND NOT EXISTS (SELECT FROM audit.leaf AS m JOIN audit.tree AS u ON u.tree = m.tree WHERE m.entry = l.entry AND u.generation > $1) ORDER BY l.seq LIMIT $4`, b.Generation, b.Common.Seq, e.dropped, MostFindings)
		if err != nil {
			return pg.Wrap(err)
		}
		f := Finding{Kind: Excused, Generation: b.Generation}
		if _, err := pgx.ForEachRow(rows, []any{&f.seq, &f.Tree, &f.Index, &f.Entry}, func() error {
			f.Text = fmt.Sprintf("Entry %d is said to be of what a restore left behind, and was not put in order again after it.", f.Entry)
			e.find(f)
			return nil
		}); err != nil {
			return pg.Wrap(err)
		}
	}
	return nil
}
