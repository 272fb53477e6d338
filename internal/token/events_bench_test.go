package token

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// What capture costs the application's write: transactions of one row each, and one of many rows, on two tables of which one is
// captured, in turn so that the machine's moods reach both. It runs by itself only: GARANT_BENCH=1 go test ./internal/token -run TestCaptureCost -v.
func TestCaptureCost(t *testing.T) {
	if os.Getenv("GARANT_BENCH") == "" {
		t.Skip("measures, and is no test of what is so: set GARANT_BENCH")
	}
	for _, d := range []Design{Pinned, Statement} {
		t.Run(string(d), func(t *testing.T) {
			w := newWorld(t, d)
			ctx := context.Background()
			const columns = `(id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tenant_id uuid NOT NULL DEFAULT garant.tenant_uuid(), name text NOT NULL, email text, city text, born date, amount numeric)`
			for _, table := range []string{"bare", "told"} {
				w.exec(w.super, `CREATE TABLE shop.`+table+columns+`; GRANT SELECT, INSERT, UPDATE, DELETE ON shop.`+table+` TO app; ALTER TABLE shop.`+table+` ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY s ON shop.`+table+` FOR SELECT TO app USING (tenant_id = (SELECT garant.tenant_uuid())); CREATE POLICY w ON shop.`+table+` FOR ALL TO app USING (tenant_id = (SELECT garant.writer_uuid())) WITH CHECK (tenant_id = (SELECT garant.writer_uuid()))`)
			}
			w.capture(Capture{Table: "shop.told", Tenant: "tenant_id", Keys: []string{"id"}})
			conn := w.app()
			claims := w.claims(w.a)
			claims.Expires = time.Now().Add(time.Hour)
			minted := w.mint(claims).Bytes()
			run := func(table, sql string) time.Duration {
				begun := time.Now()
				b := &pgx.Batch{} // as the SDK: BEGIN, enter and the statement go together
				b.Queue(`BEGIN`)
				b.Queue(`SELECT garant.enter($1)`, minted)
				b.Queue(fmt.Sprintf(sql, table))
				b.Queue(`COMMIT`)
				if err := conn.SendBatch(ctx, b).Close(); err != nil {
					t.Fatal(err)
				}
				return time.Since(begun)
			}
			for _, c := range []struct {
				what, sql string
				times     int
			}{
				{"insert of one row", `INSERT INTO shop.%s (name, email, city, born, amount) VALUES ('Jean Dupont', 'jean@mail.example', 'Bruxelles', '1980-01-01', 12.5)`, 800},
				{"update of one row", `UPDATE shop.%s SET amount = amount + 1 WHERE id = 5`, 800},
				{"insert of 1,000 rows", `INSERT INTO shop.%s (name, email, city, born, amount) SELECT 'Jean ' || g, 'jean@mail.example', 'Bruxelles', '1980-01-01', g FROM generate_series(1, 1000) AS g`, 30},
			} {
				bare, told := make([]time.Duration, 0, c.times), make([]time.Duration, 0, c.times)
				for range c.times {
					bare, told = append(bare, run("bare", c.sql)), append(told, run("told", c.sql))
				}
				slices.Sort(bare)
				slices.Sort(told)
				b, x := bare[len(bare)/2], told[len(told)/2]
				t.Logf("%s, %s: %s bare, %s captured (median): %.2f×", d, c.what, b.Round(time.Microsecond), x.Round(time.Microsecond), float64(x)/float64(b))
			}
		})
	}
}
