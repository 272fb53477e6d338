package schema

import (
	"context"

	"github.com/garant-project/garant/internal/pg"
)

// Sees reports whether no policy hides a row of a table from whoever asks, nor with write keeps one from being put there: none
// applies, or one shows all rows and none restricts that. A role without BYPASSRLS, which managed databases do not give,
// sees by such a policy: isolation makes one for the owner, and one for the roles under around.
func Sees(ctx context.Context, q pg.Querier, qualified string, write bool) (all bool, err error) {
	err = q.QueryRow(ctx, `SELECT NOT row_security_active($1::regclass) OR coalesce(bool_or(p.polpermissive AND (p.polcmd = '*' OR p.polcmd = 'r' AND NOT $2)
		AND pg_get_expr(p.polqual, p.polrelid) = 'true' AND coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'true') = 'true') AND bool_and(p.polpermissive), false)
FROM pg_policy p WHERE p.polrelid = $1::regclass AND EXISTS (SELECT FROM unnest(p.polroles) r WHERE CASE r WHEN 0 THEN true ELSE pg_has_role(r, 'USAGE') END)`,
		qualified, write).Scan(&all)
	return all, pg.Wrap(err)
}

// ShownTo are the roles to whom a policy of a table shows all rows and lets them write; nil where none is needed.
func ShownTo(ctx context.Context, q pg.Querier, qualified string) (roles []string, needed bool, err error) {
	err = q.QueryRow(ctx, `SELECT c.relrowsecurity AND c.relforcerowsecurity, coalesce((SELECT array_agg(DISTINCT r.rolname::text) FROM pg_policy p JOIN pg_roles r ON r.oid = ANY (p.polroles)
	WHERE p.polrelid = c.oid AND p.polpermissive AND p.polcmd = '*' AND pg_get_expr(p.polqual, p.polrelid) = 'true' AND coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'true') = 'true'), '{}')
FROM pg_class c WHERE c.oid = $1::regclass`, qualified).Scan(&needed, &roles)
	return roles, needed, pg.Wrap(err)
}
