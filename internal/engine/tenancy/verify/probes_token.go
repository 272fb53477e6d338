package verify

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/internal/pg/sqlname"
	"github.com/garant-project/garant/tenant"
)

func tokenProbes() []Check {
	p := func(id, title, why string, probe func(*attempt)) Check {
		return Check{ID: "probe." + id, Kind: Probe, Severity: Critical, Title: title, Why: why, Scratch: true, probe: probe}
	}
	return []Check{
		p("enters", "A good token is refused", "The application does not work; and what refuses every token proves nothing by refusing bad ones.", enters),
		p("expired_token", "A token is accepted after it has ended", "A token found in an old log or dump is good for ever.", expiredToken),
		p("other_token", "A token of another key or database is accepted", "Whoever may mint for a copy or a test mints for this database.", otherToken),
		p("changed_token", "A token that was changed is accepted", "A tenant changes a bit and is another.", changedToken),
		p("revoked_token", "A token is accepted after its session was ended", "Signing somebody out does not keep them out.", revokedToken),
		p("reading_token", "A token for reading writes", "What was to look on changes rows.", readingToken),
		p("second_tenant", "A transaction serves two tenants", "What the first read is still open when the second comes: cursors, temporary results, deferred triggers.", secondTenant),
		p("savepoint", "After a savepoint a transaction has another tenant", "Rolling back to a savepoint brings back, or leaves, the wrong context.", savepoint),
		p("open_cursor", "A cursor of one tenant is open while another enters", "Fetching from it reads the first tenant’s rows.", openCursor),
		p("keys_in_messages", "The key shows in what the server answers", "With the right settings a session has the server print what it works with.", keysInMessages),
	}
}

// enter presents a token in a transaction of the copy and says how it was taken.
func (a *attempt) enter(token []byte) error {
	return a.as(how{}, func(tx pgx.Tx) error {
		_, err := a.count(tx, `SELECT garant.enter($1)`, token)
		return err
	})
}

// accepted expects a token to be refused with one of the codes.
func (a *attempt) accepted(token []byte, what string, codes ...string) {
	a.see()
	switch err := a.enter(token); {
	case err == nil:
		a.found(a.here("garant.enter(bytea)"), "It accepts "+what+".", a.reinstall())
	case !refusal(err, codes...):
		a.failed("A token cannot be presented", err)
	}
}

func enters(a *attempt) {
	for _, owner := range []string{ofA, ofB} {
		a.see()
		err := a.as(how{token: a.copy.token(owner)}, func(tx pgx.Tx) error {
			n, err := a.count(tx, a.tenantNow())
			if err == nil && n == 0 {
				a.found(a.here("garant.enter(bytea)"), "It accepts a good token, and the transaction has no tenant.", a.reinstall())
			}
			return err
		})
		if err != nil {
			a.found(a.here("garant.enter(bytea)"), "It refuses a good token (SQLSTATE "+code(err)+").", a.reinstall())
		}
	}
}

func expiredToken(a *attempt) {
	c := a.copy.claims(ofA)
	for _, ago := range []time.Duration{time.Second, 24 * time.Hour} {
		c.Expires = time.Now().Add(-ago)
		a.accepted(a.copy.mint(c), "a token that has ended", "GT002")
	}
}

func otherToken(a *attempt) {
	for what, change := range map[string]func(*tenant.Key){
		"a token of another key":            func(k *tenant.Key) { copy(k.Secret[:], random(32)) },
		"a token of an unknown key id":      func(k *tenant.Key) { k.ID = 200 },
		"a token for another database":      func(k *tenant.Key) { copy(k.Audience[:], random(16)) },
		"a token of an all-zero key":        func(k *tenant.Key) { k.Secret = [32]byte{} },
		"a token of another key and number": func(k *tenant.Key) { copy(k.Secret[:], random(32)); k.ID = 0 },
	} {
		k := a.copy.key
		change(&k)
		t, err := k.Mint(a.copy.claims(ofA))
		if err != nil {
			a.failed("A token cannot be minted", err)
			return
		}
		a.accepted(t.Bytes(), what, "GT001")
	}
}

func changedToken(a *attempt) {
	good := a.copy.token(ofA)
	for at := range good {
		bad := bytes.Clone(good)
		bad[at] ^= 1
		a.accepted(bad, "a token of which one bit was changed", "GT001")
	}
	for _, bad := range [][]byte{good[:131], append(bytes.Clone(good), 0), good[:100], append(bytes.Clone(good), good...)} {
		a.accepted(bad, "a token that was cut or lengthened", "GT001")
	}
}

func revokedToken(a *attempt) {
	c := a.copy.claims(ofA)
	a.see()
	tx, err := a.copy.root.Begin(a.ctx)
	if err != nil {
		a.failed("A session cannot be ended", err)
		return
	}
	defer func() { _ = tx.Rollback(a.ctx) }()
	for _, sql := range []string{`SELECT garant.revoke('` + hex.EncodeToString(c.Session[:]) + `'::uuid, now() + interval '1 hour')`, "SET LOCAL SESSION AUTHORIZATION " + a.app.role.printed} {
		if _, err := tx.Exec(a.ctx, sql); err != nil {
			a.failed("A session cannot be ended", err)
			return
		}
	}
	switch _, err := a.count(tx, `SELECT garant.enter($1)`, a.copy.mint(c)); {
	case err == nil:
		a.found(a.here("garant.enter(bytea)"), "It accepts a token whose session was ended.", a.reinstall())
	case !refusal(err, "GT003"):
		a.failed("A token cannot be presented", err)
	}
}

func readingToken(a *attempt) {
	c := a.copy.claims(ofA)
	c.Access = tenant.Read
	token := a.copy.mint(c)
	try := func(prepare string) {
		a.inside(how{token: token, quiet: true}, func(tx pgx.Tx) error {
			if prepare != "" { // not in a savepoint: its end would bring READ ONLY back
				if _, err := tx.Exec(a.ctx, prepare); refusal(err, "25001", denied) {
					return nil
				} else if err != nil {
					return err
				}
			}
			a.canaried("INSERT", func(t *target) {
				a.see()
				_, err := a.count(tx, a.copy.insert(t.rel, ofA, true, nil))
				a.wrote(t, "INSERT", err == nil, err)
			})
			a.canaried("UPDATE", func(t *target) {
				if c, ok := a.touchable(t); ok {
					a.see()
					n, err := a.count(tx, "UPDATE "+t.rel.printed+" SET "+c.printed+" = "+a.copy.fresh(c, ofA))
					a.wrote(t, "UPDATE", n > 0, err)
				}
			})
			a.canaried("DELETE", func(t *target) {
				a.see()
				n, err := a.count(tx, "DELETE FROM "+t.rel.printed)
				a.wrote(t, "DELETE", n > 0, err)
			})
			return nil
		})
	}
	try("")
	try(`RESET transaction_read_only`)
}

func (a *attempt) wrote(t *target, right string, did bool, err error) {
	switch {
	case did:
		a.found(a.here(t.rel.printed), "With a token for reading a tenant’s "+right+" went through.", a.policySQL(t, right))
	case err != nil && !refusal(err, "25006", denied, "23505"):
		a.failed("A write to "+t.rel.printed+" cannot be tried", err)
	case refusal(err, "23505"):
		a.found(a.here(t.rel.printed), "With a token for reading a tenant’s "+right+" reached the table.", a.policySQL(t, right))
	}
}

func secondTenant(a *attempt) {
	a.asTenant(func(tx pgx.Tx) error {
		a.see()
		switch _, err := a.count(tx, `SELECT garant.enter($1)`, a.copy.token(ofB)); {
		case err == nil:
			a.found(a.here("garant.enter(bytea)"), "A second tenant entered a transaction.", a.reinstall())
		case !refusal(err, "GT004"):
			a.failed("A second token cannot be presented", err)
		}
		c := a.copy.claims(ofA)
		c.Access = tenant.Read
		a.see()
		switch _, err := a.count(tx, `SELECT garant.enter($1)`, a.copy.mint(c)); {
		case err == nil:
			a.found(a.here("garant.enter(bytea)"), "A second session with other rights entered a transaction.", a.reinstall())
		case !refusal(err, "GT004"):
			a.failed("A second token cannot be presented", err)
		}
		return nil
	})
}

// isTenant counts one when the transaction's tenant is an owner.
func (a *attempt) isTenant(owner string) string {
	return "SELECT count(*) FROM (SELECT garant.tenant_" + a.m.Key.Type + "() AS t) AS x WHERE t = " + sqlname.Literal(a.copy.tenantValue(owner)) + "::" + a.m.Key.Type
}

func savepoint(a *attempt) {
	a.inside(how{}, func(tx pgx.Tx) error {
		inner, err := tx.Begin(a.ctx)
		if err != nil {
			return err
		}
		if _, err := inner.Exec(a.ctx, `SELECT garant.enter($1)`, a.copy.token(ofB)); err != nil {
			return err
		}
		if err := inner.Rollback(a.ctx); err != nil {
			return err
		}
		a.see()
		if n, err := a.count(tx, a.tenantNow()); err != nil || n > 0 {
			if err != nil {
				return err
			}
			a.found(a.here("garant.enter(bytea)"), "After ROLLBACK TO SAVEPOINT the tenant that entered inside is still there.", a.reinstall())
		}
		if _, err := tx.Exec(a.ctx, `SELECT garant.enter($1)`, a.copy.token(ofA)); err != nil {
			return err
		}
		if _, err := a.count(tx, `SELECT 1 / 0`); !refusal(err, "22012") {
			return err
		}
		a.see()
		n, err := a.count(tx, a.isTenant(ofA))
		if err == nil && n != 1 {
			a.found(a.here("garant.enter(bytea)"), "After an error in a savepoint the transaction has another tenant.", a.reinstall())
		}
		return err
	})
}

func openCursor(a *attempt) {
	a.signIn(func(conn *pgx.Conn) error {
		tx, err := conn.Begin(a.ctx)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback(a.ctx) }()
		if _, err := tx.Exec(a.ctx, `SELECT garant.enter($1)`, a.copy.token(ofA)); err != nil {
			return err
		}
		if _, err := tx.Exec(a.ctx, `DECLARE kept CURSOR WITH HOLD FOR SELECT 1`); err != nil {
			return err
		}
		if err := tx.Commit(a.ctx); err != nil {
			return err
		}
		next, err := conn.Begin(a.ctx)
		if err != nil {
			return err
		}
		defer func() { _ = next.Rollback(a.ctx) }()
		a.see()
		switch _, err := a.count(next, `SELECT garant.enter($1)`, a.copy.token(ofB)); {
		case err == nil:
			a.found(a.here("garant.enter(bytea)"), "A tenant entered while a cursor of another was open on the connection.", a.reinstall())
		case !refusal(err, "GT005"):
			return err
		}
		return nil
	})
}

// keysInMessages has the server say all that a session may ask it to, and looks for the key.
func keysInMessages(a *attempt) {
	var said strings.Builder
	if !plain(a.app.role.name) {
		a.cannot("The role’s name cannot sign in to the copy, so that this cannot be tried.")
		return
	}
	cfg, err := pgx.ParseConfig(a.copy.cluster.DSN(a.app.role.name, a.copy.name))
	if err != nil {
		a.failed("The application cannot sign in to the copy", err)
		return
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		said.WriteString(strings.Join([]string{n.Message, n.Detail, n.Hint, n.Where, n.InternalQuery}, "\n") + "\n")
	}
	c, err := pgx.ConnectConfig(a.ctx, cfg)
	if err != nil {
		a.failed("The application cannot sign in to the copy", err)
		return
	}
	defer func() { _ = c.Close(a.ctx) }()
	for _, sql := range []string{`SET client_min_messages = debug5`, `SET debug_print_parse = on`, `SET debug_print_rewritten = on`, `SET debug_print_plan = on`, `SET plpgsql.check_asserts = off`} {
		if _, err := c.Exec(a.ctx, sql); err != nil {
			a.failed("The application cannot ask for messages", err)
			return
		}
	}
	for _, token := range [][]byte{a.copy.token(ofA), random(132)} {
		a.see()
		_, err := c.Exec(a.ctx, `SELECT garant.enter($1)`, token)
		var answer *pgconn.PgError
		if errors.As(err, &answer) {
			said.WriteString(strings.Join([]string{answer.Message, answer.Detail, answer.Hint, answer.Where, answer.InternalQuery}, "\n"))
		}
	}
	inner, outer := a.copy.key.Pads()
	text := strings.ToLower(said.String())
	for _, pad := range [][]byte{inner[:32], outer[:32], a.copy.key.Secret[:]} {
		decimal := strings.Builder{}
		for _, b := range pad[:8] {
			decimal.WriteString(" " + number(int64(int8(b)))) //nolint:gosec // as nodes print bytes, with a sign
		}
		if strings.Contains(text, hex.EncodeToString(pad[:8])) || strings.Contains(text, decimal.String()) {
			a.found(a.here("garant.enter(bytea)"), "With debug_print_plan the server prints the key.", a.reinstall())
			return
		}
	}
	if said.Len() == 0 {
		a.cannot("The server said nothing, so that nothing can be said of what it says.")
	}
}
