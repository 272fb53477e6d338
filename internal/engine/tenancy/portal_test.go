package tenancy

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/tenancy/verify"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/internal/pg/cluster"
	"github.com/garant-project/garant/internal/token"
	"github.com/garant-project/garant/tenant"
)

// guardOwn puts Garant's own database under guard, and gives it its key.
func (w *world) guardOwn() {
	w.t.Helper()
	super := w.connect(cluster.SuperUser, w.name)
	for range 2 { // again changes nothing
		if err := GuardOwn(context.Background(), super, ""); err != nil {
			w.t.Fatal(err)
		}
	}
	w.own = &OwnDatabase{Keeper: func() string { return running.cluster.DSN(string(pg.Worker), w.name) }}
	w.tenancy = w.server()
	w.tend()
	for range 2 {
		if err := w.tenancy.Tend(context.Background(), Own); err != nil {
			w.t.Fatal(err)
		}
	}
	if s, err := statusOf(context.Background(), w.db.Pool(pg.Staff), Own); err != nil || s.Trouble != "" || s.Design != "pinned" {
		w.t.Fatalf("%+v %v", s, err)
	}
}

// atGarant has a token minted by which a user of a tenant reads what Garant knows of it. A session is the user's.
func (w *world) atGarant(of uuid.UUID, session string) (Minted, error) {
	w.t.Helper()
	claims := w.idp.claims(of.String())
	claims["sid"] = session
	return w.tenancy.Mint(context.Background(), w.app, Request{Database: "shop" + Own, IDToken: w.idp.sign(claims)})
}

// asked is an answer of the portal.
type asked struct {
	code int
	body string
	json struct {
		Mintings []MintingSeen
		Sessions []SessionEnd
		Jobs     []JobSeen
		Next     string
		Code     string
		ResidenceSeen
	}
}

func askPortal(t testing.TB, h http.Handler, path, token string) (a asked) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://garant.test/api/v1/tenant/"+path, nil)
	if token != "" {
		r.Header.Set(portalHeader, token)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	a.code, a.body = rec.Code, rec.Body.String()
	if err := json.Unmarshal(rec.Body.Bytes(), &a.json); err != nil {
		t.Fatalf("%s: %v in %s", path, err, a.body)
	}
	return a
}

// A customer sees what Garant knows of it, and nothing of another; the database sees to it.
func TestPortal(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.guardOwn()
	for range 3 {
		w.mustLogin(w.a)
	}
	w.mustLogin(w.b)
	job := must(w.tenancy.AskJob(ctx, w.anna, w.ask(nil)))
	if err := w.tenancy.AcceptJob(ctx, w.bob, job, false); err != nil {
		t.Fatal(err)
	}
	whatever := must(w.tenancy.AskJob(ctx, w.anna, w.ask(func(a *Ask) { a.Name, a.Tenants, a.AnyTenant = "cleaning", nil, true })))
	if err := w.tenancy.AcceptJob(ctx, w.bob, whatever, true); err != nil {
		t.Fatal(err)
	}
	must(w.serve(w.a, true))
	must(w.tenancy.Mint(ctx, w.app, Request{Database: "shop", Job: "cleaning", Tenant: w.b.String(), ReadOnly: true}))
	ended := must(w.login(w.b))
	if _, err := w.tenancy.Revoke(ctx, w.anna, uuid.UUID(ended.Token.Claims().Session), "", "lost laptop"); err != nil {
		t.Fatal(err)
	}
	told := w.connect(string(pg.Staff), w.name)
	for i, place := range []string{"shop", "acme"} {
		exec(t, told, `INSERT INTO hosting.told (database, tenant_type, tenant, place, paused, move, step, told_by) VALUES ('shop', 'uuid', $1, $2, $3, gen_random_uuid(), 'x', 'system:test')`, w.a.String(), place, i == 0)
	}
	exec(t, told, `INSERT INTO hosting.residence (database, tenant_type, tenant, place, paused, move) VALUES ('shop', 'uuid', $1, 'acme', false, gen_random_uuid())`, w.a.String())

	a, b := must(w.atGarant(w.a, "one")), must(w.atGarant(w.b, "two"))
	if c := a.Token.Claims(); c.Access != tenant.Read || c.Kind != tenant.Login || c.Tenant.Type() != "uuid" || c.Tenant.String() == w.a.String() {
		t.Errorf("%+v", c)
	}
	h := w.api(bearers{})
	mine, theirs := askPortal(t, h, "mintings", a.Token.Encode()), askPortal(t, h, "mintings", b.Token.Encode())
	kinds := func(x asked) (said []string) {
		for _, m := range x.json.Mintings {
			said = append(said, strings.TrimSpace(m.Kind+" "+m.Database+" "+m.Access+" "+m.Purpose))
		}
		return said
	}
	if got, want := kinds(mine), []string{"login @garant read", "service shop read monthly-statement", "login shop write", "login shop write", "login shop write"}; mine.code != 200 || !slices.Equal(got, want) {
		t.Errorf("%d %q", mine.code, got)
	}
	if got, want := kinds(theirs), []string{"login @garant read", "login shop write", "service shop read cleaning", "login shop write"}; theirs.code != 200 || !slices.Equal(got, want) {
		t.Errorf("%d %q", theirs.code, got)
	}
	if theirs.json.Mintings[1].Ended == nil || theirs.json.Mintings[2].Ended != nil {
		t.Errorf("%+v", theirs.json.Mintings)
	}
	for _, m := range mine.json.Mintings {
		if slices.ContainsFunc(theirs.json.Mintings, func(o MintingSeen) bool { return o.ID == m.ID }) {
			t.Errorf("both see %s", m.ID)
		}
	}
	// Page by page they are the same.
	var paged []uuid.UUID
	for next := ""; ; {
		p := askPortal(t, h, "mintings?limit=2&before="+next, a.Token.Encode())
		for _, m := range p.json.Mintings {
			paged = append(paged, m.ID)
		}
		if next = p.json.Next; next == "" {
			break
		}
	}
	for i, m := range mine.json.Mintings {
		if i >= len(paged) || paged[i] != m.ID || len(paged) != len(mine.json.Mintings) {
			t.Fatalf("%v", paged)
		}
	}
	if got := askPortal(t, h, "jobs", a.Token.Encode()).json.Jobs; len(got) != 1 || got[0].ID != job || got[0].AnyTenant || got[0].WithdrawnAt != nil {
		t.Errorf("%+v", got)
	}
	if err := w.tenancy.WithdrawJob(ctx, w.anna, whatever, ""); err != nil {
		t.Fatal(err)
	}
	if got := askPortal(t, h, "jobs", b.Token.Encode()).json.Jobs; len(got) != 1 || got[0].ID != whatever || !got[0].AnyTenant || got[0].WithdrawnAt == nil {
		t.Errorf("%+v", got)
	}
	if got := askPortal(t, h, "ended-sessions", a.Token.Encode()).json.Sessions; len(got) != 0 {
		t.Errorf("%+v", got)
	}
	// The job's end ended the sessions of its tokens.
	if got := askPortal(t, h, "ended-sessions", b.Token.Encode()).json.Sessions; len(got) != 2 || got[1].Session != uuid.UUID(ended.Token.Claims().Session) || got[1].Database != "shop" {
		t.Errorf("%+v", got)
	}
	if got := askPortal(t, h, "residence", a.Token.Encode()).json.ResidenceSeen; got.Place != "acme" || got.Database != "shop" || got.Tenant != w.a.String() || got.Since == nil || len(got.Moves) != 2 || got.Moves[0].Place != "acme" || !got.Moves[1].Paused {
		t.Errorf("%+v", got)
	}
	if got := askPortal(t, h, "residence", b.Token.Encode()).json.ResidenceSeen; got.Place != "shop" || got.Tenant != w.b.String() || got.Since != nil || len(got.Moves) != 0 {
		t.Errorf("%+v", got)
	}
	if strings.Contains(mine.body+theirs.body, w.app.ID) || strings.Contains(mine.body, w.anna.ID) {
		t.Error("a customer sees who of the staff, or which API token")
	}

	// What is refused.
	forged := a.Token.Bytes()
	forged[20] ^= 1 // another customer
	elsewhere := w.mustLogin(w.a)
	for name, sent := range map[string]string{"none": "", "rubbish": "xyz", "another customer": base64.RawURLEncoding.EncodeToString(forged), "for another database": elsewhere.Token.Encode()} {
		for _, path := range []string{"mintings", "ended-sessions", "jobs", "residence"} {
			if got := askPortal(t, h, path, sent); got.code != http.StatusForbidden || got.json.Code != "tenancy.portal_token" {
				t.Errorf("%s, %s: %d %s", name, path, got.code, got.body)
			}
		}
	}
	if n, err := w.rows(a); !errors.Is(err, tenant.ErrInvalid) {
		t.Errorf("a token for Garant opens %d rows of the shop: %v", n, err)
	}
	for _, req := range []Request{{Database: "shop" + Own, Job: "monthly-statement", Tenant: w.a.String()}, {Database: Own, Job: "x", Tenant: w.a.String()}, {Database: "other" + Own, IDToken: "x"}, {Database: Own + Own, IDToken: "x"}} {
		if _, err := w.tenancy.Mint(ctx, w.app, req); err == nil || errs.KindOf(err) == errs.Internal {
			t.Errorf("%+v: %v", req, err)
		}
	}
	if _, err := w.tenancy.AskJob(ctx, w.anna, w.ask(func(a *Ask) { a.Database = Own })); errs.KindOf(err) != errs.Denied {
		t.Errorf("a job in Garant's own database: %v", err)
	}
	if got := askPortal(t, h, "mintings?before=x", a.Token.Encode()); got.code != http.StatusUnprocessableEntity {
		t.Errorf("%d %s", got.code, got.body)
	}
	// A session that was ended in the shop is ended here, and gets no token again.
	one := must(w.tenancy.Mint(ctx, w.app, Request{Database: "shop", IDToken: w.idp.sign(func() map[string]any { c := w.idp.claims(w.a.String()); c["sid"] = "one"; return c }())}))
	if _, err := w.tenancy.Revoke(ctx, w.anna, uuid.UUID(one.Token.Claims().Session), "", ""); err != nil {
		t.Fatal(err)
	}
	if got := askPortal(t, h, "mintings", a.Token.Encode()); got.code != http.StatusForbidden || got.json.Code != "tenancy.session_ended" {
		t.Errorf("%d %s", got.code, got.body)
	}
	var e *errs.Error
	if _, err := w.atGarant(w.a, "one"); !errors.As(err, &e) || e.ID != "tenancy.session_ended" {
		t.Errorf("%v", err)
	}
	only := must(w.tenancy.Mint(ctx, w.app, Request{Database: "shop", IDToken: w.idp.sign(func() map[string]any { c := w.idp.claims(w.a.String()); c["sid"] = "three"; return c }())}))
	if _, err := w.tenancy.Revoke(ctx, w.anna, uuid.UUID(only.Token.Claims().Session), "shop", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := w.atGarant(w.a, "three"); !errors.As(err, &e) || e.ID != "tenancy.session_ended" {
		t.Errorf("ended in the shop before it came here: %v", err)
	}
}

// Whoever holds garant_portal's connection and no token sees no row, and writes none with one.
func TestPortalRole(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.guardOwn()
	w.mustLogin(w.a)
	a := must(w.atGarant(w.a, "one"))
	portal := w.connect(string(pg.Portal), w.name)
	tables := map[string]string{"tenancy.minting": "id", "tenancy.customer": "tenant", "tenancy.session_end": "session", "tenancy.customer_job": "job", "hosting.residence": "place", "hosting.told": "place", "audit.entry": "action"}
	exec(t, w.connect(string(pg.Staff), w.name), `INSERT INTO tenancy.session_end (customer, database, session, ended_at) SELECT customer, database, session, now() FROM tenancy.minting`)
	for table, column := range tables {
		var n int
		if err := portal.QueryRow(ctx, `SELECT count(`+column+`) FROM `+table).Scan(&n); err != nil || n != 0 {
			t.Errorf("%s without a token: %d rows, %v", table, n, err)
		}
		for _, sql := range []string{`DELETE FROM ` + table, `TRUNCATE ` + table, `UPDATE ` + table + ` SET ` + column + ` = ` + column, `INSERT INTO ` + table + ` DEFAULT VALUES`} {
			err := pgx.BeginTxFunc(ctx, portal, pgx.TxOptions{AccessMode: pgx.ReadWrite}, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, sql)
				return err
			})
			if !errs.Is(pg.Wrap(err), errs.Denied) {
				t.Errorf("%s: %v", sql, err)
			}
		}
	}
	exec(t, w.connect(string(pg.Staff), w.name), `INSERT INTO audit.entry (actor_kind, actor_id, action, outcome, object_kind, object_id, tenant) SELECT 'user', 'u', 'thing.changed', 'permitted', 'thing', customer::text, customer FROM tenancy.minting UNION ALL SELECT 'system', 'x', 'thing.changed', 'permitted', 'thing', '1', NULL`)
	for _, sql := range []string{`SELECT sealed FROM tenancy.key`, `SELECT id FROM tenancy.place`, `SELECT reason FROM tenancy.revocation`, `SELECT tenants FROM tenancy.job`, `SELECT actor_id FROM tenancy.minting`, `SELECT inner_pad FROM garant.key`, `SELECT origin FROM audit.entry`, `SELECT mac FROM audit.entry`, `SELECT action FROM audit.entry_rest`, `SELECT hash FROM audit.leaf`, `SELECT hashes FROM audit.tile`, `SELECT name FROM audit.tree`, `SELECT key FROM audit.generation`, `SELECT nextval('audit.entry_number')`} {
		if _, err := portal.Exec(ctx, sql); !errs.Is(pg.Wrap(err), errs.Denied) {
			t.Errorf("%s: %v", sql, err)
		}
	}
	var n, all int
	pool := w.db.Pool(pg.Portal)
	if err := tenant.QueryRow(ctx, pool, a.Token, `SELECT count(id) FROM tenancy.minting`).Scan(&n); err != nil || n != 2 {
		t.Errorf("with a token: %d rows, %v", n, err)
	}
	if all = one[int](w, `SELECT count(*) FROM tenancy.minting`); all != 2 {
		t.Errorf("%d rows are there", all)
	}
	// What was minted has its customer from the database, whatever is said of it.
	exec(t, w.connect(cluster.SuperUser, w.name), `INSERT INTO tenancy.minting (id, database, place, key_id, kind, tenant_type, tenant, session, access, expires_at, actor_kind, actor_id, customer)
SELECT gen_random_uuid(), database, place, key_id, 'probe', tenant_type, $2, gen_random_uuid(), access, expires_at, 'system', 'x', $1 FROM tenancy.minting WHERE database = 'shop'`, uuid.MustParse(a.Token.Claims().Tenant.String()), w.b.String())
	if err := tenant.QueryRow(ctx, pool, a.Token, `SELECT count(id) FROM tenancy.minting`).Scan(&n); err != nil || n != 2 {
		t.Errorf("a row of another customer was given to this one: %d rows, %v", n, err)
	}
}

// Garant's own database is clean by the measure that it holds others to; and the checks see it when it is not.
func TestOwnIsApart(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.guardOwn()
	must(w.atGarant(w.a, "one"))
	super := w.connect(cluster.SuperUser, w.name)
	m, err := OwnManifest(ctx, super)
	if err != nil {
		t.Fatal(err)
	}
	look := func() (failed []string) {
		t.Helper()
		report, err := verify.Run(ctx, verify.Options{URL: running.cluster.DSN(cluster.SuperUser, w.name), AppURL: running.cluster.DSN(string(pg.Portal), w.name), Manifest: m})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range report.Results {
			if r.Outcome != verify.Pass {
				failed = append(failed, fmt.Sprintf("%s: %s %s %v", r.ID, r.Outcome, r.Error, r.Findings))
			}
		}
		return failed
	}
	if failed := look(); len(failed) > 0 {
		t.Errorf("%s", strings.Join(failed, "\n"))
	}
	exec(t, super, `CREATE POLICY open ON tenancy.session_end FOR SELECT TO garant_portal USING (true)`)
	if failed := look(); len(failed) == 0 {
		t.Error("a policy that shows every row is not seen")
	}
}

// The check of keys and the pages look at Garant's own database as at any other.
func TestOwnIsLookedAfter(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	w.guardOwn()
	check := w.tenancy.Checks().Keys
	run := func() measure.Finding { return check.Run(ctx, measure.In{Estate: w.estate, Now: w.now()}) }
	if scope := check.Scope(w.estate); !slices.Equal(scope, []string{Own, "shop"}) {
		t.Errorf("%v", scope)
	}
	if f := run(); f.Outcome != measure.Pass || !slices.Contains(f.Scope, Own) {
		t.Errorf("%+v", f)
	}
	list, err := w.tenancy.Databases(ctx, w.anna)
	if err != nil || len(list) != 2 || list[1].Name != Own || list[1].Trouble != "" {
		t.Errorf("%+v %v", list, err)
	}
	if err := w.tenancy.Rotate(ctx, w.anna, Own, true); err != nil {
		t.Error(err)
	}
	a := must(w.atGarant(w.a, "one"))
	h := w.api(bearers{})
	if got := askPortal(t, h, "mintings", a.Token.Encode()); got.code != 200 {
		t.Errorf("after a rotation: %d %s", got.code, got.body)
	}
	// A key that nobody here put in.
	key := tenant.Key{ID: 77, Audience: tenant.Audience(uuid.New()), Secret: [32]byte{1}}
	super := w.connect(cluster.SuperUser, w.name)
	if err := token.InstallKey(ctx, super, key, nil); err != nil {
		t.Fatal(err)
	}
	if f := run(); f.Outcome != measure.Fail || !slices.ContainsFunc(f.Failed, func(i measure.Item) bool { return i.Target == Own && i.Problem == string(ForeignKey) }) {
		t.Errorf("%+v", f)
	}
	if err := w.tenancy.Rekey(ctx, w.anna, Own); err != nil {
		t.Fatal(err)
	}
	if got := askPortal(t, h, "mintings", a.Token.Encode()); got.code != http.StatusForbidden {
		t.Errorf("a token of before: %d", got.code)
	}
	if f := run(); f.Outcome != measure.Pass {
		t.Errorf("%+v", f)
	}
	// Without schema garant.
	exec(t, super, `DROP SCHEMA garant CASCADE`)
	if f := run(); f.Outcome != measure.Fail || !slices.ContainsFunc(f.Failed, func(i measure.Item) bool { return i.Target == Own && i.Problem == string(Absent) }) {
		t.Errorf("%+v", f)
	}
	if list, err := w.tenancy.Databases(ctx, w.anna); err != nil || len(list) != 1 {
		t.Errorf("%+v %v", list, err)
	}
	var e *errs.Error
	if _, err := w.atGarant(w.a, "two"); !errors.As(err, &e) || e.ID != "tenancy.own_absent" {
		t.Errorf("%v", err)
	}
	if _, err := OwnManifest(ctx, super); !errors.As(err, &e) || e.ID != "tenancy.own_absent" {
		t.Errorf("a manifest of what is not under guard: %v", err)
	}
	// Whoever names the wrong database or the wrong role is told so, and leaves nothing behind.
	for id, conn := range map[string]*pgx.Conn{"tenancy.own_unmigrated": w.connect(cluster.SuperUser, "postgres"), "tenancy.own_rights": w.connect(string(pg.Staff), w.name)} {
		if err := GuardOwn(ctx, conn, ""); !errors.As(err, &e) || e.ID != id {
			t.Errorf("%s: %v", id, err)
		}
		if is, err := token.Look(ctx, conn); err != nil || is.Here() {
			t.Errorf("%+v %v", is, err)
		}
	}
	portal := w.connect(string(pg.Portal), w.name)
	var n int
	if err := portal.QueryRow(ctx, `SELECT count(id) FROM tenancy.minting`).Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows, %v", n, err)
	}
}
