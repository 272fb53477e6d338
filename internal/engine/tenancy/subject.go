package tenancy

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
)

// Logins tells who sessions of guarded databases are, by the tokens that were minted for them: for package collect of engine auditlog.
type Logins struct{ DB *pg.DB }

// Subject is "login:" and what stands for the user (as the portal shows it), "job:" and the id of an accepted job, "probe:" and the session
// of a check; empty where no token was minted here for the session.
func (l Logins) Subject(ctx context.Context, _ string, session uuid.UUID) (subject string, err error) {
	err = l.DB.Pool(pg.Worker).QueryRow(ctx, `SELECT CASE kind WHEN 'login' THEN 'login:' || encode(subject, 'hex') WHEN 'service' THEN 'job:' || job::text ELSE kind || ':' || session::text END
FROM tenancy.minting WHERE session = $1 ORDER BY at DESC LIMIT 1`, session).Scan(&subject)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return subject, pg.Wrap(err)
}
