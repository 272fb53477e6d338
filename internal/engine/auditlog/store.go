package auditlog

import (
	"context"
	"crypto/hmac"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/audit/sequence"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/pg"
)

// Anomaly is something that does not fit together. Kinds are those of package sequence, and of verify.
type Anomaly struct {
	ID    int64
	At    time.Time
	Kind  string
	About string
	Words []Word // of who looked into it; none: it fails the checks
}

// Word is what somebody said of an anomaly.
type Word struct {
	At     time.Time
	By     string // "person:…"
	Reason string
}

// unanswered lists anomalies of which nobody has said what they were, the oldest first.
func unanswered(ctx context.Context, on pg.Querier, box *crypt.Box, most int) ([]Anomaly, error) {
	return anomalies(ctx, on, box, `a.id <> ALL ($1) ORDER BY a.id LIMIT $2`, most)
}

func anomalies(ctx context.Context, on pg.Querier, box *crypt.Box, which string, most int) ([]Anomaly, error) {
	said, err := sequence.Answered(ctx, on, box)
	if err != nil {
		return nil, err
	}
	rows, err := on.Query(ctx, `SELECT a.id, a.at, a.kind, a.about FROM audit.anomaly AS a WHERE `+which, slices.AppendSeq([]int64{}, maps.Keys(said)), most) //nolint:gosec // of this file
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, scanAnomaly)
	return list, pg.Wrap(err)
}

// answered lists the newest anomalies of which somebody has said what they were.
func answered(ctx context.Context, on pg.Querier, box *crypt.Box) (explained, error) {
	return anomalies(ctx, on, box, `a.id = ANY ($1) ORDER BY a.id DESC LIMIT $2`, 10_000)
}

func scanAnomaly(row pgx.CollectableRow) (a Anomaly, err error) {
	return a, row.Scan(&a.ID, &a.At, &a.Kind, &a.About)
}

func anomaly(ctx context.Context, on pg.Querier, id int64) (a Anomaly, err error) {
	err = on.QueryRow(ctx, `SELECT id, at, kind, about FROM audit.anomaly WHERE id = $1`, id).Scan(&a.ID, &a.At, &a.Kind, &a.About)
	return a, pg.Wrap(err)
}

// Anomalies lists what does not fit together, the newest first, with what was said of it and signed; before 0: from the newest.
func Anomalies(ctx context.Context, on pg.Querier, box *crypt.Box, before int64, most int) ([]Anomaly, error) {
	rows, err := on.Query(ctx, `SELECT id, at, kind, about FROM audit.anomaly WHERE $1 = 0 OR id < $1 ORDER BY id DESC LIMIT $2`, before, most)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, scanAnomaly)
	if err != nil || len(list) == 0 {
		return list, pg.Wrap(err)
	}
	at := map[int64]*Anomaly{}
	ids := make([]int64, len(list))
	for i := range list {
		ids[i], at[list[i].ID] = list[i].ID, &list[i]
	}
	if rows, err = on.Query(ctx, `SELECT anomaly, at, by, reason, mac FROM audit.anomaly_word WHERE anomaly = ANY ($1) ORDER BY at`, ids); err != nil {
		return nil, pg.Wrap(err)
	}
	var id int64
	var w Word
	var mac []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &w.At, &w.By, &w.Reason, &mac}, func() error {
		a := at[id]
		if hmac.Equal(mac, sequence.Word{Kind: a.Kind, About: a.About, By: w.By, Reason: w.Reason}.MAC(box)) {
			a.Words = append(a.Words, w)
		}
		return nil
	})
	return list, pg.Wrap(err)
}

func answer(ctx context.Context, tx pgx.Tx, id int64, w sequence.Word, mac []byte) (added bool, err error) {
	tag, err := tx.Exec(ctx, `INSERT INTO audit.anomaly_word (anomaly, by, reason, mac) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, id, w.By, w.Reason, mac)
	return tag.RowsAffected() == 1, pg.Wrap(err)
}

// unsettling is what of the catalogue lets somebody do to the record what nobody may.
type unsettling struct {
	what   string // "granted", "trigger", "rule", "policy", "owner", "detached", "member"
	actual string
}

// settled are the tables whose rows nobody changes or takes away; those among them to which only garant_checkpoint adds.
const settledSQL = `
WITH settled AS (
	SELECT c.oid, c.relname, c.relkind, c.relowner, c.relacl, c.relname IN ('leaf', 'root_leaf', 'tile', 'generation', 'checkpoint', 'dropped') AS ordered
	FROM pg_class AS c WHERE c.relnamespace = 'audit'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
		AND (c.relname ~ '^entry' OR c.relname IN ('leaf', 'root_leaf', 'tile', 'generation', 'anomaly', 'anomaly_word', 'cosignature', 'checkpoint', 'dropped', 'began', 'heartbeat', 'cursor', 'writer', 'tree'))
), given AS (
	SELECT s.relname, s.ordered, x.grantee, x.privilege_type FROM settled AS s CROSS JOIN aclexplode(coalesce(s.relacl, acldefault('r', s.relowner))) AS x WHERE x.grantee <> s.relowner
	UNION SELECT s.relname, s.ordered, x.grantee, x.privilege_type FROM settled AS s JOIN pg_attribute AS a ON a.attrelid = s.oid AND a.attacl IS NOT NULL CROSS JOIN aclexplode(a.attacl) AS x WHERE x.grantee <> s.relowner
)
SELECT 'granted', coalesce(r.rolname, 'PUBLIC') || ': ' || string_agg(DISTINCT g.privilege_type, ', ' ORDER BY g.privilege_type) || ' on audit.' || g.relname
FROM given AS g LEFT JOIN pg_roles AS r ON r.oid = g.grantee
WHERE g.privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER', 'REFERENCES') AND NOT (r.rolname = 'garant_checkpoint' AND (g.privilege_type = 'DELETE' AND g.relname IN ('heartbeat', 'checkpoint', 'writer') OR g.privilege_type = 'UPDATE' AND g.relname IN ('cursor', 'writer', 'tree')))
	OR g.privilege_type = 'INSERT' AND g.ordered AND r.rolname IS DISTINCT FROM 'garant_checkpoint'
	OR g.grantee = 0
GROUP BY r.rolname, g.relname
UNION ALL SELECT 'trigger', t.tgname || ' on audit.' || s.relname FROM settled AS s JOIN pg_trigger AS t ON t.tgrelid = s.oid WHERE NOT t.tgisinternal
UNION ALL SELECT 'rule', w.rulename || ' on audit.' || s.relname FROM settled AS s JOIN pg_rewrite AS w ON w.ev_class = s.oid
UNION ALL SELECT 'policy', p.polname || ' on audit.' || s.relname FROM settled AS s JOIN pg_policy AS p ON p.polrelid = s.oid
	WHERE p.polname NOT IN ('garant_owner', 'garant_declared', 'garant_select') OR NOT p.polpermissive
UNION ALL SELECT 'policy', 'row-level security is off on audit.' || s.relname FROM settled AS s JOIN pg_class AS c ON c.oid = s.oid WHERE s.relname ~ '^entry' AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
UNION ALL SELECT 'owner', r.rolname || ' owns audit.' || s.relname FROM settled AS s JOIN pg_roles AS r ON r.oid = s.relowner WHERE r.rolname <> 'garant_owner'
UNION ALL SELECT 'detached', 'audit.' || s.relname FROM settled AS s WHERE s.relname ~ '^entry_(rest|[0-9]{4}_[0-9]{2})$'
	AND NOT EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhrelid = s.oid AND i.inhparent = to_regclass('audit.entry') AND NOT i.inhdetachpending)
UNION ALL SELECT 'replaced', 'audit.' || n FROM unnest(ARRAY['entry', 'entry_rest', 'leaf', 'root_leaf', 'tile', 'generation', 'checkpoint', 'anomaly', 'heartbeat']) AS n
	WHERE NOT EXISTS (SELECT FROM settled AS s WHERE s.relname = n AND s.relkind = CASE n WHEN 'entry' THEN 'p' ELSE 'r' END)
UNION ALL SELECT 'member', m.rolname || ' may act as ' || g.rolname FROM pg_auth_members AS a JOIN pg_roles AS g ON g.oid = a.roleid JOIN pg_roles AS m ON m.oid = a.member
	WHERE g.rolname IN ('garant_owner', 'garant_checkpoint', 'garant_retention') AND m.rolname = ANY ($1)
UNION ALL SELECT 'member', r.rolname || ' has powers of its own' FROM pg_roles AS r
	WHERE r.rolname = ANY ($1) AND (r.rolsuper OR r.rolcreaterole OR r.rolbypassrls OR r.rolreplication)
ORDER BY 1, 2`

func unsettled(ctx context.Context, on pg.Querier) ([]unsettling, error) {
	rows, err := on.Query(ctx, settledSQL, pg.Roles())
	if err != nil {
		return nil, pg.Wrap(err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (u unsettling, err error) { return u, row.Scan(&u.what, &u.actual) })
	return list, pg.Wrap(err)
}

// signIns counts the sessions of staff that were opened since a moment, and names those that no entry tells of.
func signIns(ctx context.Context, on pg.Querier, since time.Time, most int) (all int, silent []string, err error) {
	rows, err := on.Query(ctx, `SELECT count(*) OVER (), s.id::text FROM directory.session AS s
WHERE s.opened_at >= $1 AND NOT EXISTS (SELECT FROM audit.entry AS e WHERE e.actor_id = s.person_id::text AND e.session = s.id::text AND e.at >= $1 - interval '1 minute')
ORDER BY s.opened_at LIMIT $2`, since, most)
	if err != nil {
		return 0, nil, pg.Wrap(err)
	}
	var hidden int
	var id string
	if _, err = pgx.ForEachRow(rows, []any{&hidden, &id}, func() error { silent = append(silent, id); return nil }); err != nil {
		return 0, nil, pg.Wrap(err)
	}
	err = on.QueryRow(ctx, `SELECT count(*) FROM directory.session WHERE opened_at >= $1`, since).Scan(&all)
	return all, silent, pg.Wrap(err)
}
