package run

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
)

// object is something of a schema, with what defines it.
type object struct{ Kind, Name, Definition string }

// schemaQuery lists all that a copy takes over of a schema, in words that two servers of one version write alike.
const schemaQuery = `
WITH own AS (SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'garant', 'garant_move')),
brought AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
rel AS (SELECT c.*, quote_ident(o.nspname) || '.' || quote_ident(c.relname) AS name FROM pg_class c JOIN own o ON o.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'c', 'i', 'I') AND c.relpersistence <> 't' AND NOT EXISTS (SELECT FROM brought b WHERE b.classid = 'pg_class'::regclass AND b.objid = c.oid))
SELECT 'schema', nspname::text, '' FROM own
UNION ALL SELECT 'relation', name, concat_ws(' ', relkind, relpersistence, pg_get_partkeydef(oid), pg_get_expr(relpartbound, oid), array_to_string(reloptions, ',')) FROM rel WHERE relkind NOT IN ('i', 'I')
UNION ALL SELECT 'row security', name, relrowsecurity::text FROM rel WHERE relkind IN ('r', 'p')
UNION ALL SELECT 'column', r.name || '.' || quote_ident(a.attname), concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated, (SELECT collname FROM pg_collation WHERE oid = a.attcollation), pg_get_expr(d.adbin, d.adrelid))
	FROM rel r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum WHERE r.relkind IN ('r', 'p', 'v', 'm', 'c')
UNION ALL SELECT 'constraint', coalesce(r.name, format_type(k.contypid, NULL)) || '.' || quote_ident(k.conname), concat_ws(' ', pg_get_constraintdef(k.oid), k.convalidated)
	FROM pg_constraint k JOIN own o ON o.oid = k.connamespace LEFT JOIN rel r ON r.oid = k.conrelid WHERE k.contype IN ('c', 'f', 'p', 'u', 'x') AND (r.oid IS NOT NULL OR k.contypid <> 0)
UNION ALL SELECT 'index', r.name, concat_ws(' ', pg_get_indexdef(r.oid), x.indisvalid, x.indisclustered, x.indisreplident) FROM rel r JOIN pg_index x ON x.indexrelid = r.oid
UNION ALL SELECT 'trigger', r.name || '.' || quote_ident(t.tgname), concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled) FROM rel r JOIN pg_trigger t ON t.tgrelid = r.oid AND NOT t.tgisinternal
UNION ALL SELECT 'view', name, pg_get_viewdef(oid) FROM rel WHERE relkind IN ('v', 'm')
UNION ALL SELECT 'rule', r.name || '.' || quote_ident(w.rulename), pg_get_ruledef(w.oid) FROM rel r JOIN pg_rewrite w ON w.ev_class = r.oid AND w.rulename <> '_RETURN'
UNION ALL SELECT 'policy', r.name || '.' || quote_ident(p.polname), concat_ws(' ', p.polcmd, p.polpermissive, pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) FROM rel r JOIN pg_policy p ON p.polrelid = r.oid
UNION ALL SELECT 'sequence', r.name, concat_ws(' ', format_type(s.seqtypid, NULL), s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle) FROM rel r JOIN pg_sequence s ON s.seqrelid = r.oid
UNION ALL SELECT 'function', p.oid::regprocedure::text, CASE WHEN p.prokind = 'a' THEN (SELECT concat_ws(' ', g.aggtransfn::regproc, g.agginitval, g.aggminitval) FROM pg_aggregate g WHERE g.aggfnoid = p.oid) ELSE pg_get_functiondef(p.oid) END
	FROM pg_proc p JOIN own o ON o.oid = p.pronamespace WHERE NOT EXISTS (SELECT FROM brought b WHERE b.classid = 'pg_proc'::regclass AND b.objid = p.oid)
UNION ALL SELECT 'type', format_type(t.oid, NULL), concat_ws(' ', t.typtype, t.typnotnull, t.typdefault, CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
	(SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid))
	FROM pg_type t JOIN own o ON o.oid = t.typnamespace WHERE t.typtype IN ('d', 'e', 'r') AND NOT EXISTS (SELECT FROM brought b WHERE b.classid = 'pg_type'::regclass AND b.objid = t.oid)
UNION ALL SELECT 'statistics', quote_ident(o.nspname) || '.' || quote_ident(s.stxname), pg_get_statisticsobjdef(s.oid) FROM pg_statistic_ext s JOIN own o ON o.oid = s.stxnamespace
UNION ALL SELECT 'extension', extname::text, '' FROM pg_extension WHERE extname <> ALL ($1)
UNION ALL SELECT 'comment', d.classoid::regclass::text || ' ' || pg_describe_object(d.classoid, d.objoid, d.objsubid), d.description
	FROM pg_description d JOIN rel r ON d.classoid = 'pg_class'::regclass AND r.oid = d.objoid
UNION ALL SELECT 'comment', d.classoid::regclass::text || ' ' || pg_describe_object(d.classoid, d.objoid, d.objsubid), d.description
	FROM pg_description d WHERE d.classoid NOT IN ('pg_class'::regclass, 'pg_namespace'::regclass, 'pg_extension'::regclass, 'pg_event_trigger'::regclass, 'pg_publication'::regclass, 'pg_foreign_server'::regclass, 'pg_foreign_data_wrapper'::regclass, 'pg_largeobject'::regclass)
	AND d.objoid >= 16384 AND NOT EXISTS (SELECT FROM brought b WHERE b.classid = d.classoid AND b.objid = d.objoid)
UNION ALL SELECT 'comment', 'pg_namespace ' || o.nspname, d.description FROM pg_description d JOIN own o ON d.classoid = 'pg_namespace'::regclass AND d.objoid = o.oid WHERE o.nspname <> 'public'`

// described reads the source's schema under the snapshot.
func (r *run) described(ctx context.Context) ([]object, error) {
	out, err := describe(ctx, r.snapshot.tx)
	return out, failed(atSource, "Reading the schema", err)
}

func describe(ctx context.Context, q pg.Querier) ([]object, error) {
	rows, err := q.Query(ctx, schemaQuery, ofTheServer)
	if err != nil {
		return nil, err
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[object])
	slices.SortFunc(out, func(a, b object) int { return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name)) })
	return out, err
}

// differences compares what the copy has with what the source had. What names the schemas garant and garant_move stays behind, with the switches of row-level security when there
// was such a schema; of two versions of PostgreSQL only names are compared where the definitions are printed by it.
func differences(source, copied []object, guarded, versions bool) (problems, left []string) {
	type key struct{ kind, name string }
	have := map[key]string{}
	for _, o := range copied {
		have[key{o.Kind, o.Name}] = o.Definition
	}
	for _, o := range source {
		k := key{o.Kind, o.Name}
		d, ok := have[k]
		delete(have, k)
		printed := slices.Contains([]string{"view", "rule", "function", "index", "trigger", "constraint", "column", "policy"}, o.Kind)
		switch {
		case ok && (d == o.Definition || versions && printed):
		case guarded && (strings.Contains(o.Definition, "garant.") || strings.Contains(o.Definition, "garant_move.") || o.Kind == "row security" || o.Kind == "comment" && !ok):
			if o.Kind != "row security" {
				left = append(left, o.Kind+" "+o.Name)
			}
		case !ok:
			problems = append(problems, "the copy lacks the "+o.Kind+" "+o.Name)
		default:
			problems = append(problems, "the "+o.Kind+" "+o.Name+" differs")
		}
	}
	for k := range have {
		problems = append(problems, "the copy has a "+k.kind+" "+k.name+" more")
	}
	slices.Sort(problems)
	return problems, left
}
