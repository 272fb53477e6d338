package tenancy

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/tenant"
)

// inside is a transaction that has entered with a token and stays open.
func (w *world) inside(m Minted) pgx.Tx {
	w.t.Helper()
	tx, err := w.connect("app", "shop").Begin(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	if _, err := tx.Exec(context.Background(), `SELECT garant.enter($1)`, m.Token.Bytes()); err != nil {
		w.t.Fatal(err)
	}
	return tx
}

func alive(tx pgx.Tx) bool {
	var n int
	return tx.QueryRow(context.Background(), `SELECT count(*) FROM shop.item`).Scan(&n) == nil
}

// A session that was ended: its tokens are refused, its transactions are over, and it is given no
// token again. Other sessions go on.
func TestRevocation(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.tend()
	claims := w.idp.claims(w.a.String())
	m, err := w.tenancy.Mint(ctx, w.app, Request{Database: "shop", IDToken: w.idp.sign(claims)})
	if err != nil {
		t.Fatal(err)
	}
	other := w.mustLogin(w.a)
	open, goes := w.inside(m), w.inside(other)
	session := uuid.UUID(m.Token.Claims().Session)
	if _, err := w.tenancy.Revoke(ctx, actor.Actor{Kind: actor.Person, ID: "x", Permissions: actor.Reader.Permissions()}, session, "", ""); !errs.Is(err, errs.Denied) {
		t.Errorf("by who may not: %v", err)
	}
	r, err := w.tenancy.Revoke(ctx, w.anna, session, "", "a lost laptop")
	if err != nil || r.Ended != 1 || len(r.Databases) != 1 || len(r.Waiting) != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if alive(open) || !alive(goes) {
		t.Errorf("the session goes on: %v, another: %v", alive(open), alive(goes))
	}
	if _, err := w.rows(m); !errors.Is(err, tenant.ErrRevoked) {
		t.Errorf("its token: %v", err)
	}
	var e *errs.Error
	if _, err := w.tenancy.Mint(ctx, w.app, Request{Database: "shop", IDToken: w.idp.sign(claims)}); !errors.As(err, &e) || e.ID != "tenancy.session_ended" {
		t.Errorf("another token: %v", err)
	}
	if n := one[int](w, `SELECT count(*) FROM tenancy.revocation WHERE delivered_at IS NOT NULL AND settled_at IS NOT NULL AND reason = 'a lost laptop'`); n != 1 {
		t.Error("it is not settled")
	}
	if _, err := w.tenancy.Revoke(ctx, w.anna, session, "", ""); err != nil {
		t.Errorf("again: %v", err)
	}
	if got := w.actions(); strings.Count(got, "tenant_session.revoked permitted") != 1 || strings.Count(got, "tenant_session.revoked refused") != 1 {
		t.Errorf("the record: %s", got)
	}
	if _, err := w.tenancy.Revoke(ctx, w.anna, uuid.New(), "", ""); !errs.Is(err, errs.NotFound) {
		t.Errorf("of nobody: %v", err)
	}
}

// What cannot be delivered at once is, as soon as the database can be reached; and sessions are ended by
// who looks after it, without anybody's hand, when their token expires.
func TestRevocationWaits(t *testing.T) {
	if testing.Short() {
		t.Skip("takes more than a few seconds")
	}
	ctx := context.Background()
	w := newWorld(t)
	w.tend()
	m := w.mustLogin(w.a)
	open := w.inside(m)
	reachable := running.cluster.DSN("keeper", "shop")
	t.Setenv("GARANT_TEST_KEEPER", running.cluster.DSN("keeper", "gone"))
	r, err := w.tenancy.Revoke(ctx, w.anna, m.Token.Claims().Session, "", "")
	if err != nil || len(r.Waiting) != 1 || !alive(open) {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := w.login(w.b); err != nil {
		t.Errorf("while the keeper is shut out, others sign in: %v", err)
	}
	w.tend()
	if got := w.trouble(); got != Refused {
		t.Errorf("seen: %q", got)
	}
	if !strings.Contains(w.log.String(), string(Refused)) {
		t.Error("nobody is told in the log")
	}
	t.Setenv("GARANT_TEST_KEEPER", reachable)
	w.tend()
	if alive(open) {
		t.Error("the session goes on")
	}
	time.Sleep(1300 * time.Millisecond)
	w.tend()
	if n := one[int](w, `SELECT count(*) FROM tenancy.revocation WHERE settled_at IS NULL`); n != 0 {
		t.Error("it is not settled")
	}
	// By expiry.
	w.estate = w.parse(strings.Replace(w.source(running.cluster), "design: pinned", "design: pinned\n      lifetime: 1m", 1))
	w.ahead = -58 * time.Second // Garant's clock lags: its tokens end in 2 s
	c := w.idp.claims(w.b.String())
	c["iat"], c["exp"] = w.now().Unix(), w.now().Unix()+300
	short, err := w.tenancy.Mint(ctx, w.app, Request{Database: "shop", IDToken: w.idp.sign(c)})
	if err != nil {
		t.Fatal(err)
	}
	open = w.inside(short)
	time.Sleep(time.Until(short.Expires) + 1200*time.Millisecond)
	w.tend()
	if alive(open) {
		t.Error("a transaction outlives its token")
	}
	if n := one[int64](w, `SELECT ended FROM tenancy.status`); n != 2 {
		t.Errorf("%d transactions were counted", n)
	}
}

// Whoever mints while a session is ended is either seen or refused.
func TestRevocationRace(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.tend()
	claims := w.idp.claims(w.a.String())
	token := w.idp.sign(claims)
	first, err := w.tenancy.Mint(ctx, w.app, Request{Database: "shop", IDToken: token})
	if err != nil {
		t.Fatal(err)
	}
	minted := make(chan time.Time, 1)
	go func() {
		var last time.Time
		for {
			m, err := w.tenancy.Mint(ctx, w.app, Request{Database: "shop", IDToken: token})
			if err != nil {
				minted <- last
				return
			}
			last = m.Expires
		}
	}()
	time.Sleep(50 * time.Millisecond)
	if _, err := w.tenancy.Revoke(ctx, w.anna, first.Token.Claims().Session, "", ""); err != nil {
		t.Fatal(err)
	}
	last := <-minted
	if until := one[time.Time](w, `SELECT until FROM tenancy.revocation`); until.Before(last.Truncate(time.Microsecond)) {
		t.Errorf("a token ends at %s, its revocation at %s", last, until)
	}
}

// Months have partitions, and nothing is lost where one is missing.
func TestPartitions(t *testing.T) {
	w := newWorld(t)
	w.tend()
	w.mustLogin(w.a)
	work := func() {
		t.Helper()
		for _, k := range w.tenancy.jobs() {
			if k.Name == jobPartition {
				if err := k.Work(context.Background(), nil); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	work()
	work()
	if n := one[int](w, `SELECT count(*) FROM pg_inherits WHERE inhparent = 'tenancy.minting'::regclass`); n != 3 { // this month is begun elsewhere
		t.Errorf("%d partitions", n)
	}
	w.mustLogin(w.b)
	if n := one[int](w, `SELECT count(*) FROM tenancy.minting`); n != 2 {
		t.Errorf("%d rows", n)
	}
	// Rows are only added, whoever serves.
	for _, role := range []string{"garant_staff", "garant_worker", "garant_checker", "garant_login", "garant_public"} {
		conn := w.connect(role, w.name)
		for _, sql := range []string{`DELETE FROM tenancy.minting`, `UPDATE tenancy.minting SET tenant = 'x'`, `TRUNCATE tenancy.minting`, `INSERT INTO tenancy.minting (at) VALUES (now())`, `DELETE FROM tenancy.revocation`, `UPDATE tenancy.revocation SET until = now()`} {
			if _, err := conn.Exec(context.Background(), sql); err == nil || !strings.Contains(err.Error(), "42501") && !strings.Contains(err.Error(), "25006") {
				t.Errorf("%s may: %s: %v", role, sql, err)
			}
		}
	}
	if _, err := w.connect("garant_checker", w.name).Exec(context.Background(), `SELECT sealed FROM tenancy.key`); err == nil {
		t.Error("the checker reads keys")
	}
}
