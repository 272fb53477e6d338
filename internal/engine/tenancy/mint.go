package tenancy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/pg"
	"github.com/garant-project/garant/tenant"
)

// Request asks for a token. Exactly one of IDToken, Job and Probe says by what right.
type Request struct {
	Database string // its name in the estate; NAME@garant for what Garant itself knows of its customer
	IDToken  string // of a login, as its issuer signed it
	Job      string // name of an accepted service job
	Tenant   string // key of the tenant, of a job or a probe; a login says its own
	ReadOnly bool
	Probe    bool // by a check of Garant's that tries the walls
}

// Minted is a token with its end.
type Minted struct {
	Token    tenant.Token
	Expires  time.Time
	Lifetime time.Duration
}

// right is what a token is minted by.
type right struct {
	kind    tenant.Kind
	tenant  tenant.ID
	session uuid.UUID
	job     uuid.UUID // of a service
	subject []byte    // of a login
	access  tenant.Access
	ends    time.Time // no token lives longer; zero: no matter
}

// Mint gives a token for one session of one tenant, when what it is asked by can be verified. It
// needs actor.MintTokens. The row that records it is committed before the token is returned.
//
// The errors: Denied (tenancy.denied, tenancy.bound… when the API token is for something else, and tenancy.id_token… and tenancy.job… when the proof does not hold),
// Invalid for a request that is none, NotFound for a database that is not guarded, Conflict when it has to be
// keyed anew or the tenant lives elsewhere (tenancy.elsewhere says where), Unavailable when it has no key yet or the issuer cannot be asked. Each refusal is recorded.
func (t *Tenancy) Mint(ctx context.Context, by actor.Actor, req Request) (Minted, error) {
	m, err := t.mint(ctx, by, req)
	if err == nil {
		return m, nil
	}
	var e *errs.Error
	if errors.As(err, &e) && e.ID != "tenancy.denied" && errs.KindOf(err) != errs.Internal {
		if recordErr := audit.Refused(ctx, t.DB.Pool(pg.Staff), by, actionRefused, object(clean(req.Database)), map[string]any{"reason": e.ID, "by": req.way()}); recordErr != nil {
			return Minted{}, recordErr
		}
	}
	return Minted{}, err
}

// The actions in the audit record.
const (
	actionMinted  = "tenant_token.minted"
	actionRefused = "tenant_token.refused"
)

// way is by what right a request asks, for the record.
func (r Request) way() string {
	switch {
	case r.Probe:
		return "probe"
	case r.Job != "":
		return "service"
	}
	return "login"
}

func (t *Tenancy) mint(ctx context.Context, by actor.Actor, req Request) (Minted, error) {
	if err := t.may(ctx, by, actor.MintTokens, actionMinted, object(clean(req.Database))); err != nil {
		return Minted{}, err
	}
	name, own := atOwn(req.Database)
	if err := within(by.Minting, name, req.Job); err != nil {
		return Minted{}, err
	}
	d, section, err := t.guarded(ctx, name)
	if err != nil {
		return Minted{}, err
	}
	if own && req.IDToken == "" {
		return Minted{}, errs.New(errs.Denied, "tenancy.own_login", "What Garant knows of a customer is shown to a login of that customer.").WithFix("Send an ID token.")
	}
	r, err := t.prove(ctx, by, &d, section, req)
	if err != nil {
		return Minted{}, err
	}
	of := d
	if own {
		if d, err = t.own(ctx); err != nil {
			return Minted{}, err
		}
	}
	var out Minted
	err = pg.InTx(ctx, t.DB.Pool(pg.Staff), func(tx pgx.Tx) error {
		m, err := minterOf(ctx, tx, d.Name)
		if err != nil {
			return err
		}
		if err := usable(m, &d); err != nil {
			return err
		}
		if err := t.livesHere(ctx, tx, &of, own, r); err != nil {
			return err
		}
		if err := goesOn(ctx, tx, &of, r); err != nil {
			return err
		}
		key, err := t.open(ctx, tx, m.place, m.key)
		if err != nil {
			return err
		}
		if own {
			if r, err = t.towardsOwn(ctx, tx, &of, r); err != nil {
				return err
			}
		}
		now := t.Now()
		expires := now.Add(section.Lifetime)
		if !r.ends.IsZero() && r.ends.Before(expires) {
			expires = r.ends
		}
		if life := expires.Sub(now); life > m.longest {
			if err := lengthen(ctx, tx, m.place.id, m.key.ID, max(life, section.Lifetime)); err != nil {
				return err
			}
		}
		out.Expires, out.Lifetime = expires, expires.Sub(now)
		out.Token, err = key.Mint(tenant.Claims{Tenant: r.tenant, Session: r.session, Kind: r.kind, Purpose: r.job, Access: r.access, Expires: expires})
		if err != nil {
			return errs.New(errs.Internal, "tenancy.mint", "A token could not be made.").Wrap(err)
		}
		id := uuid.Must(uuid.NewV7())
		if err := insertMinting(ctx, tx, id, &m, &d, r, expires, by); err != nil {
			return err
		}
		detail := map[string]any{"minting": id.String(), "kind": r.kind.Word(), "key": m.key.ID}
		if r.kind == tenant.Service {
			detail["job"] = r.job.String()
		}
		return audit.Record(ctx, tx, by, actionMinted, object(d.Name), detail)
	})
	if err != nil {
		return Minted{}, mintRefused(err)
	}
	return out, nil
}

// within refuses what the API token of who asks is not bound to.
func within(m *actor.Minting, home, job string) error {
	switch {
	case !m.In(home):
		return errs.New(errs.Denied, "tenancy.bound_database", "This API token is not for that database.").WithFix("Use one that names it; the account page says what each is bound to.")
	case !m.By(job):
		return errs.New(errs.Denied, "tenancy.bound_way", "This API token is not for that: it is bound to logins, or to service jobs by name.").WithFix("Use one that was made for it; the account page says what each is bound to.")
	}
	return nil
}

// usable says why a database gets no token, whoever asks.
func usable(m minter, d *estate.Database) error {
	switch {
	case m.key.sealed == nil || m.place.settledAt == nil:
		return errs.New(errs.Unavailable, "tenancy.not_keyed", "This database has no key of its own yet.").
			WithFix("Garant makes and puts it in by itself within seconds, when the keeper’s address leads there; see the page of the database.")
	case m.place.system != d.System || m.place.datname != d.Database || m.trouble.Stops():
		return errs.New(errs.Conflict, "tenancy.other_place", "This database is not the one that was given its key, or its keys are not ours.").
			WithFix("Find out why, then run garant token rekey "+d.Name+".").With("Database", d.Name)
	}
	return nil
}

// home is the database that the tenants of a database belong to.
func home(d *estate.Database) string {
	if d.Dedicated != nil {
		return d.Dedicated.Of
	}
	return d.Name
}

// livesHere refuses a token for a database that the tenant left, or never lived in. Probes try the walls of every one. What Garant
// knows of a tenant is asked for at home wherever it lives (own), but not by the login of another tenant's database.
func (t *Tenancy) livesHere(ctx context.Context, tx pgx.Tx, d *estate.Database, own bool, r right) error {
	if t.Residences == nil || r.kind == tenant.Probe || own && d.Dedicated == nil {
		return nil
	}
	place, told, err := t.Residences.Place(ctx, tx, home(d), r.tenant)
	if err != nil {
		return err
	}
	declared := d.Dedicated != nil && d.Dedicated.Tenant == r.tenant.String()
	if place == d.Name || !told && declared { // a move that Garant was not told of
		return nil
	}
	if own {
		place += Own
	}
	return errs.New(errs.Conflict, elsewhere, fmt.Sprintf("This tenant lives in another database: %s.", place)).
		WithFix("Ask for a token with audience="+place+", and go on there.").With("Place", place)
}

// goesOn refuses a login whose session was ended where its tenant belongs, or lived. Who ends it waits.
func goesOn(ctx context.Context, tx pgx.Tx, d *estate.Database, r right) error {
	if r.kind != tenant.Login {
		return nil // a session of its own each time
	}
	if _, err := tx.Exec(ctx, `SELECT pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.hashtextextended('tenancy session ' || $1::uuid::text, 0))`, r.session); err != nil {
		return err
	}
	var ended bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM tenancy.revocation AS r WHERE r.database IN ($1, $2) AND r.session = $4)
	OR EXISTS (SELECT FROM tenancy.session_end AS e WHERE e.customer = tenancy.customer_of($1, $3) AND e.session = $4 AND e.database <> $5)`, home(d), d.Name, r.tenant.String(), r.session, Own).Scan(&ended)
	if err == nil && ended {
		err = sessionEnded()
	}
	return err
}

// elsewhere is the refusal that says where to ask.
const elsewhere = "tenancy.elsewhere"

// prove verifies what a request asks by.
func (t *Tenancy) prove(ctx context.Context, by actor.Actor, d *estate.Database, section *estate.Tenancy, req Request) (right, error) {
	r := right{access: tenant.Write}
	if req.ReadOnly {
		r.access = tenant.Read
	}
	ways := 0
	for _, given := range []bool{req.IDToken != "", req.Job != "", req.Probe} {
		if given {
			ways++
		}
	}
	if ways != 1 || req.IDToken != "" && req.Tenant != "" {
		return r, errs.New(errs.Invalid, "tenancy.request", "A token is asked for by an ID token, or for a job and a tenant.").WithFix("Send one of the two; docs/tenancy.md shows both.")
	}
	if req.IDToken != "" {
		return t.proveLogin(ctx, d, section, req.IDToken, r)
	}
	id, err := tenant.ParseID(section.KeyType, req.Tenant)
	if err != nil {
		return r, errs.New(errs.Invalid, "tenancy.tenant", fmt.Sprintf("This is not the key of a tenant: here, one is a %s.", section.KeyType)).WithFix("Send it as the database prints it.").With("Type", section.KeyType)
	}
	r.tenant = id
	r.session = uuid.New() // of this run: the end of one is not the end of another
	if req.Probe {
		if by.Kind != actor.System {
			return r, errs.New(errs.Denied, "tenancy.probe", "Only a check of Garant’s own asks for tokens to probe with.")
		}
		r.kind = tenant.Probe
		return r, nil
	}
	return t.proveJob(ctx, d, req.Job, r)
}

// proveLogin verifies an ID token and reads its tenant and session.
func (t *Tenancy) proveLogin(ctx context.Context, d *estate.Database, section *estate.Tenancy, idToken string, r right) (right, error) {
	if section.Login == nil {
		if d.Tenancy.Login != nil {
			return r, errs.New(errs.Conflict, "tenancy.login_waits", "Whose logins are accepted was changed, and nobody has confirmed it yet.").WithFix("Let a second person confirm the reduction under Estate.")
		}
		return r, errs.New(errs.Denied, "tenancy.no_login", "No login is declared for this database.").WithFix("Write tenancy: login: in garant.yaml and apply it; docs/tenancy.md.")
	}
	login, err := t.issuers.verify(ctx, section.Login, idToken)
	if err != nil {
		return r, err
	}
	if r.tenant, err = tenantOf(login.tenant, section.KeyType); err != nil {
		return r, errs.New(errs.Denied, "tenancy.id_token_tenant", fmt.Sprintf("The claim %s of the ID token is missing, or is not the key of a tenant: here, one is a %s.", section.Login.TenantClaim, section.KeyType)).
			WithFix("Let the issuer put the key of the user’s tenant into that claim.").With("Claim", section.Login.TenantClaim).With("Type", section.KeyType)
	}
	r.kind, r.session = tenant.Login, login.session
	r.subject = t.Box.Index("tenancy.subject", []byte(section.Login.Issuer+"\x00"+login.subject))
	return r, nil
}

// sessionOf names the session of a login: by what the issuer calls it, else by who signed in when.
func sessionOf(parts ...string) uuid.UUID {
	h := sha256.New()
	h.Write([]byte("garant tenant session"))
	for _, p := range parts {
		_, _ = fmt.Fprintf(h, "\x00%d\x00%s", len(p), p)
	}
	id := uuid.UUID(h.Sum(nil)[:16])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // version 8, of one's own making (RFC 9562)
	return id
}

// insertMinting records a token. The database refuses it when its session was ended or its job does
// not allow it.
func insertMinting(ctx context.Context, tx pgx.Tx, id uuid.UUID, m *minter, d *estate.Database, r right, expires time.Time, by actor.Actor) error {
	var job *uuid.UUID
	if r.kind == tenant.Service {
		job = &r.job
	}
	_, err := tx.Exec(ctx, `INSERT INTO tenancy.minting (id, database, place, key_id, kind, tenant_type, tenant, session, job, access, expires_at, subject, actor_kind, actor_id, actor_session)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, nullif($15, ''))`,
		id, d.Name, m.place.id, int16(m.key.ID), r.kind.Word(), r.tenant.Type(), r.tenant.String(), r.session, job, string(rune(r.access)), expires, r.subject, by.Kind, by.ID, by.Session)
	return err
}

func sessionEnded() error {
	return errs.New(errs.Denied, "tenancy.session_ended", "This session was ended.").WithFix("Sign in again.")
}

// mintRefused gives a refusal of the database its words.
func mintRefused(err error) error {
	if pg.Violates(err, "minting_session_open") {
		return sessionEnded()
	}
	for _, c := range []struct{ constraint, id, text, fix string }{
		{"minting_job_accepted", "tenancy.job_not_accepted", "No job of this name is accepted for this database, or it is over.", "Ask for it in the console, and let a second person accept it."},
		{"minting_job_access", "tenancy.job_access", "This job was accepted for reading only.", "Ask for a token with scope=read."},
		{"minting_job_tenant", "tenancy.job_tenant", "This job was not accepted for that tenant.", "Ask for a job that names it."},
	} {
		if pg.Violates(err, c.constraint) {
			return errs.New(errs.Denied, c.id, c.text).WithFix(c.fix)
		}
	}
	return err
}
