package run

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg/cluster"
)

// Code of a developer runs as the owner of a table where a foreign key cascades, and code of the source as that of a function. Who then acts must not be the copier, who could sign in, make
// databases and let others into those of other copies.
func TestDeveloperDoesNotBecomeTheCopier(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t, 12)
	w.exec(`CREATE TABLE shop.parent (id int PRIMARY KEY);
CREATE TABLE shop.child (id int PRIMARY KEY, parent_id int REFERENCES shop.parent ON DELETE CASCADE);
INSERT INTO shop.parent VALUES (1), (2); INSERT INTO shop.child VALUES (1, 1), (2, 2);
CREATE FUNCTION shop.trusted() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN whoami(); END $$`)
	w.plan = w.proposed()
	w.published()
	conn, err := pgx.Connect(t.Context(), developers.DSN("dev", w.name))
	w.must(err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	w.must(conn.PgConn().Exec(t.Context(), `CREATE TABLE shop.loot (way text, who text, copier boolean); GRANT ALL ON shop.loot TO PUBLIC; GRANT USAGE ON SCHEMA shop TO PUBLIC;
CREATE FUNCTION shop.whoami() RETURNS text LANGUAGE sql AS 'SELECT current_user::text';
CREATE FUNCTION shop.steal() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO shop.loot VALUES ('cascade', current_user, pg_has_role(current_user, 'copier', 'MEMBER')); RETURN OLD; END $$;
CREATE TRIGGER steal BEFORE DELETE ON shop.child FOR EACH ROW EXECUTE FUNCTION shop.steal();
DELETE FROM shop.parent;
SET search_path = shop;
INSERT INTO shop.loot SELECT 'definer', who, pg_has_role(who, 'copier', 'MEMBER') FROM shop.trusted() who`).Close())
	rows, err := conn.Query(t.Context(), `SELECT way, who, copier OR who IN (SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname <> 'dev') FROM shop.loot`)
	w.must(err)
	var way, who string
	var copier bool
	n := 0
	_, err = pgx.ForEachRow(rows, []any{&way, &who, &copier}, func() error {
		if n++; copier {
			t.Errorf("by %s code of the developer ran as %s", way, who)
		}
		return nil
	})
	w.must(err)
	if n != 3 {
		t.Errorf("code of the developer ran %d times, and not 3", n)
	}
	// Nor may whoever acts so let somebody in elsewhere, or say what the database is.
	for _, sql := range []string{
		`COMMENT ON DATABASE ` + w.name + ` IS 'forged'`, `GRANT CONNECT ON DATABASE ` + w.name + ` TO PUBLIC`, `CREATE SCHEMA mine`, `ALTER ROLE copier PASSWORD 'mine'`, `ALTER DATABASE ` + w.name + ` SET search_path = shop`,
		`ALTER ROLE pg_database_owner PASSWORD 'mine'`,
	} {
		super, err := pgx.Connect(t.Context(), developers.DSN(cluster.SuperUser, w.name))
		w.must(err)
		err = super.PgConn().Exec(t.Context(), `SET ROLE pg_database_owner; `+sql).Close()
		_ = super.Close(t.Context())
		if err == nil {
			t.Errorf("the owner of the tables may %s", sql)
		}
	}
}
