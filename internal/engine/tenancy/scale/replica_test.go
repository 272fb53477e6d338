package scale

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
)

// A streaming standby takes the same tokens, shows each tenant its own rows and nobody any without
// one, writes nothing, and refuses an ended session as soon as the primary's row has come.
func TestReplica(t *testing.T) {
	ctx := context.Background()
	m := newMachine(t)
	primary, standby := filepath.Join(m.dir, "primary"), filepath.Join(m.dir, "standby")
	m.run("initdb", "-D", primary, "-U", "root_of_db", "-A", "trust", "--no-sync")
	m.start(primary)
	root := m.connect(primary, "root_of_db", "postgres")
	m.exec(root, "CREATE ROLE app LOGIN; CREATE ROLE keeper LOGIN")
	for _, d := range []token.Design{token.Pinned, token.Statement} {
		m.exec(root, "CREATE DATABASE "+string(d))
	}
	m.run("pg_basebackup", "-h", primary+".sock", "-U", "root_of_db", "-D", standby, "-R", "-X", "stream", "-c", "fast", "--no-sync")
	m.start(standby)
	for _, d := range []token.Design{token.Pinned, token.Statement} {
		t.Run(string(d), func(t *testing.T) {
			here := m.connect(primary, "root_of_db", string(d))
			if _, err := token.Install(ctx, here, d); err != nil {
				t.Fatal(err)
			}
			if err := token.Admit(ctx, here, "app"); err != nil {
				t.Fatal(err)
			}
			m.exec(here, "GRANT garant_keeper TO keeper")
			a, b := uuid.New(), uuid.New()
			m.exec(here, fmt.Sprintf(`CREATE TABLE item (tenant_id uuid NOT NULL, name text);
INSERT INTO item VALUES ('%s', 'a'), ('%s', 'b'), ('%[2]s', 'b2');
ALTER TABLE item ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; GRANT SELECT, INSERT ON item TO app;
CREATE POLICY s ON item FOR SELECT TO app USING (tenant_id = (SELECT garant.tenant_uuid()));
CREATE POLICY i ON item FOR INSERT TO app WITH CHECK (tenant_id = (SELECT garant.writer_uuid()))`, a, b))
			k := tenant.Key{ID: 1, Audience: token.Audience(uuid.New(), uuid.New())}
			_, _ = rand.Read(k.Secret[:]) // never fails
			if err := token.InstallKey(ctx, here, k, nil); err != nil {
				t.Fatal(err)
			}
			keeper := m.connect(primary, "keeper", string(d))
			there := m.connect(standby, "root_of_db", "postgres")
			m.follows(here, there)
			for _, access := range []tenant.Access{tenant.Read, tenant.Write} {
				for id, want := range map[uuid.UUID]int{a: 1, b: 2} {
					claims := tenant.Claims{Tenant: tenant.UUID(id), Session: uuid.New(), Kind: tenant.Login, Access: access, Expires: time.Now().Add(time.Minute)}
					tok, err := k.Mint(claims)
					if err != nil {
						t.Fatal(err)
					}
					app := m.connect(standby, "app", string(d))
					if n := rows(t, app); n != 0 {
						t.Errorf("without a token the replica shows %d rows", n)
					}
					tx, err := entered(app, tok)
					if err != nil {
						t.Fatalf("%c: %v", access, err)
					}
					if n := rows(t, tx); n != want {
						t.Errorf("%d rows, not %d", n, want)
					}
					if _, err := tx.Exec(ctx, "INSERT INTO item VALUES ($1, 'x')", id); err == nil {
						t.Error("a replica is written to")
					}
					_ = tx.Rollback(ctx)
					// The end of the session: on the primary, then here.
					if err := token.Revoke(ctx, keeper, claims.Session, claims.Expires); err != nil {
						t.Fatal(err)
					}
					t.Logf("the end of a session is at the replica after %v", m.follows(here, there))
					if tx, err = entered(app, tok); !errors.Is(err, tenant.ErrRevoked) {
						t.Errorf("an ended session at the replica: %v", err)
					}
					if tx != nil {
						_ = tx.Rollback(ctx)
					}
				}
			}
			// A sweep on the replica ends what is open of an ended session.
			claims := tenant.Claims{Tenant: tenant.UUID(a), Session: uuid.New(), Kind: tenant.Login, Access: tenant.Read, Expires: time.Now().Add(time.Minute)}
			tok, err := k.Mint(claims)
			if err != nil {
				t.Fatal(err)
			}
			tx, err := entered(m.connect(standby, "app", string(d)), tok)
			if err != nil {
				t.Fatal(err)
			}
			if err := token.Revoke(ctx, keeper, claims.Session, claims.Expires); err != nil {
				t.Fatal(err)
			}
			m.follows(here, there)
			if n, err := token.Sweep(ctx, m.connect(standby, "keeper", string(d))); err != nil || n != 1 {
				t.Errorf("the sweep on the replica ended %d, %v", n, err)
			}
			if _, err := tx.Exec(ctx, "SELECT 1"); err == nil {
				t.Error("a transaction of an ended session goes on at the replica")
			}
			// A tenant that moved away is refused here too.
			if err := pg.InTx(ctx, here, func(tx pgx.Tx) error { return token.Close(ctx, tx, tenant.UUID(b)) }); err != nil {
				t.Fatal(err)
			}
			m.follows(here, there)
			claims.Tenant, claims.Session = tenant.UUID(b), uuid.New()
			if tok, err = k.Mint(claims); err != nil {
				t.Fatal(err)
			}
			if _, err := entered(m.connect(standby, "app", string(d)), tok); !errors.Is(err, tenant.ErrMoved) {
				t.Errorf("a tenant that left, at the replica: %v", err)
			}
		})
	}
}

func rows(t *testing.T, on pg.Querier) (n int) {
	t.Helper()
	if err := on.QueryRow(context.Background(), "SELECT count(*) FROM item").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func entered(conn *pgx.Conn, tok tenant.Token) (pgx.Tx, error) {
	ctx := context.Background()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, "SELECT garant.enter($1)", tok.Bytes()); err != nil {
		_ = tx.Rollback(ctx)
		return nil, tenant.Explain(err)
	}
	return tx, nil
}
