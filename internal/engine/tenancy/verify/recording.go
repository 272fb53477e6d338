package verify

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/tenancy/manifest"
	"github.com/garant-project/garant/internal/pg"
)

// Recording holds a database to what a manifest says is recorded of its changes, and the functions that record to those of this
// program. Any role that may connect will do. tables is how many the manifest asks for; the results are of the checks events.… and
// token.function_changed. It changes nothing there.
func Recording(ctx context.Context, conn *pgx.Conn, m *manifest.Manifest) (tables int, results []Result, err error) {
	c, err := catalogueOf(ctx, conn)
	if err != nil {
		return 0, nil, pg.Wrap(err)
	}
	for i := range m.Tables {
		if m.Tables[i].Record != nil {
			tables++
		}
	}
	j := newJudge(c, m, time.Now(), DefaultMaxKeyAge)
	checks := slices.DeleteFunc(Checks(), func(c Check) bool {
		return c.Kind != Static || !strings.HasPrefix(c.ID, "events.") && !slices.Contains([]string{"token.missing", "token.version", "token.function_changed"}, c.ID)
	})
	return tables, j.static(checks), nil
}
