package directory

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// EnrolPasskey is the permission to register a passkey of one's own. It is all that a session
// has which was opened by a link or a recovery code; whole sessions have it beside their role's.
const EnrolPasskey actor.Permission = "account:enrol" //nolint:gosec // a permission, not a secret

// Policy is how long things last and how often they may be tried.
type Policy struct {
	Idle     time.Duration // a session ends when nothing was asked of it for so long
	Absolute time.Duration // a session ends at last
	Enrol    time.Duration // a session that may only register a passkey ends
	Link     time.Duration // a link lasts, at most a day
	Ceremony time.Duration // a WebAuthn ceremony lasts
	Fresh    time.Duration // how long after using a passkey one may change what outlives the session

	Window          time.Duration // over which attempts are counted
	LinkAttempts    int           // per origin
	CodeAttempts    int           // per person
	CodeOrigin      int           // codes per origin
	PasskeyAttempts int           // failed, per person
	PasskeyOrigin   int           // ceremonies begun, per origin
}

// DefaultPolicy is what holds unless the configuration says otherwise.
func DefaultPolicy() Policy {
	return Policy{
		Idle: 30 * time.Minute, Absolute: 12 * time.Hour, Enrol: 30 * time.Minute,
		Link: 15 * time.Minute, Ceremony: 5 * time.Minute, Fresh: 10 * time.Minute,
		Window: 15 * time.Minute, LinkAttempts: 20, CodeAttempts: 10, CodeOrigin: 30, PasskeyAttempts: 20, PasskeyOrigin: 120,
	}
}

// Site is the origin that passkeys are bound to.
type Site struct {
	Host   string // the full host name, without port: "admin.example.org", "admin.localhost"
	Origin string // as browsers write it: "https://admin.example.org", "http://admin.localhost:8080"
	Name   string // shown by the authenticator
}

// Config is what a Directory works with.
type Config struct {
	Staff, Login *pgxpool.Pool // pools of pg.Staff and pg.Login
	Box          *crypt.Box
	Policy       Policy
	Site         Site // may be empty where nobody signs in, as in commands: passkeys are then refused
}

// Directory is the persons and their credentials.
type Directory struct {
	staff, login *pgxpool.Pool
	box          *crypt.Box
	policy       Policy
	rp           *webauthn.WebAuthn // nil without a site
}

// New checks the configuration.
func New(cfg Config) (*Directory, error) {
	p := cfg.Policy
	for _, d := range []time.Duration{p.Idle, p.Absolute, p.Enrol, p.Link, p.Ceremony, p.Fresh, p.Window} {
		if d <= 0 {
			return nil, errs.New(errs.Invalid, "directory.policy", "A duration of the sign-in policy is not positive.")
		}
	}
	for _, n := range []int{p.LinkAttempts, p.CodeAttempts, p.CodeOrigin, p.PasskeyAttempts, p.PasskeyOrigin} {
		if n <= 0 {
			return nil, errs.New(errs.Invalid, "directory.policy", "A number of attempts in the sign-in policy is not positive.")
		}
	}
	d := &Directory{staff: cfg.Staff, login: cfg.Login, box: cfg.Box, policy: p}
	if cfg.Site == (Site{}) {
		return d, nil
	}
	origin, err := url.Parse(cfg.Site.Origin)
	if err != nil || origin.Scheme != "https" && origin.Scheme != "http" || origin.Hostname() != cfg.Site.Host || origin.Path != "" || net.ParseIP(cfg.Site.Host) != nil {
		return nil, errSite(cfg.Site)
	}
	rp, err := webauthn.New(&webauthn.Config{
		RPID: cfg.Site.Host, RPDisplayName: cfg.Site.Name, RPOrigins: []string{cfg.Site.Origin},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		},
		// Password managers answer with extensions that nobody asked for; none is read here.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		return nil, errSite(cfg.Site).Wrap(err)
	}
	d.rp = rp
	return d, nil
}

func errSite(s Site) *errs.Error {
	return errs.New(errs.Invalid, "directory.site", fmt.Sprintf("Passkeys cannot be bound to the host %q at %q.", s.Host, s.Origin)).
		WithFix("Passkeys need a host name, not an address, and an origin on that host: set hosts in garant.yaml.")
}

// Policy returns the policy in force.
func (d *Directory) Policy() Policy { return d.policy }

// may checks a permission, and records the attempt when it is missing.
func (d *Directory) may(ctx context.Context, on *pgxpool.Pool, by actor.Actor, p actor.Permission, action string, object audit.Object) error {
	if by.May(p) {
		return nil
	}
	if err := audit.Refused(ctx, on, by, action, object, map[string]any{"permission": string(p)}); err != nil {
		return err
	}
	return errs.New(errs.Denied, "directory.denied", "You are not allowed to do this.").
		WithFix("Ask the security lead for the permission.").With("Permission", string(p))
}

// own returns the person who asks for their own account.
func (d *Directory) own(ctx context.Context, by actor.Actor, action string) (uuid.UUID, error) {
	if err := d.may(ctx, d.login, by, actor.OwnAccount, action, audit.Object{Kind: "person", ID: by.ID}); err != nil {
		return uuid.Nil, err
	}
	return personOf(by)
}

func personOf(by actor.Actor) (uuid.UUID, error) {
	id, err := uuid.Parse(by.ID)
	if by.Kind != actor.Person || err != nil {
		return uuid.Nil, errs.New(errs.Denied, "directory.not_a_person", "Only a person has an account of their own.")
	}
	return id, nil
}

// fresh refuses when the session has not seen its passkey for a while: what outlives a session
// is not for whoever found it open (OWASP ASVS 7.5.1).
func (d *Directory) fresh(ctx context.Context, by actor.Actor, action string, now time.Time) error {
	id, err := uuid.Parse(by.Session)
	if err != nil {
		return errVerifyAgain()
	}
	var ok bool
	err = d.login.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM directory.session
WHERE id = $1 AND enrolled AND ended_at IS NULL AND verified_at > $2 AND verified_at <= $3)`,
		id, now.Add(-d.policy.Fresh), now.Add(skew)).Scan(&ok)
	if err != nil {
		return pg.Wrap(err)
	}
	if ok {
		return nil
	}
	if err := audit.Refused(ctx, d.login, by, action, audit.Object{Kind: "person", ID: by.ID}, map[string]any{"reason": "not_fresh"}); err != nil {
		return err
	}
	return errVerifyAgain()
}

func errVerifyAgain() error {
	return errs.New(errs.Denied, "directory.verify_again", "This needs your passkey once more: it was last used too long ago.").
		WithFix("Sign in again with your passkey, then repeat what you were doing.")
}

// skew is how far the clocks of two servers may be apart.
const skew = 2 * time.Minute

// secret is 256 random bits as text, and what is stored of it.
func secret() (text string, hash []byte) {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails (crypto/rand, Go 1.24)
	text = base64.RawURLEncoding.EncodeToString(b)
	return text, hashOf(text)
}

// hashOf is what is stored of a secret. Looking up by the hash is what makes the comparison safe:
// how long it takes depends on the hash of a guess, which tells nothing about any secret.
func hashOf(text string) []byte {
	h := sha256.Sum256([]byte(text))
	return h[:]
}

func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }

// keySubject is the subject of a person's key.
func keySubject(id uuid.UUID) string { return "person:" + id.String() }

// notify leaves something for a person to read, in the transaction that it tells of.
func notify(ctx context.Context, tx pgx.Tx, person uuid.UUID, kind string, now time.Time) error {
	_, err := tx.Exec(ctx, "INSERT INTO directory.notice (id, person_id, kind, at) VALUES ($1, $2, $3, $4)", newID(), person, kind, now)
	return pg.Wrap(err)
}

// Notice is something a person must be told about their own account. Kind is one of link_used,
// recovery_used, passkey_added, passkey_deleted, passkey_suspect, codes_renewed, token_created.
type Notice struct {
	ID   uuid.UUID
	Kind string
	At   time.Time
}

// Notices returns what the actor has not dismissed yet, the newest first, at most 20.
func (d *Directory) Notices(ctx context.Context, by actor.Actor) ([]Notice, error) {
	person, err := d.own(ctx, by, "notice.read")
	if err != nil {
		return nil, err
	}
	rows, err := d.login.Query(ctx, `SELECT id, kind, at FROM directory.notice
WHERE person_id = $1 AND seen_at IS NULL ORDER BY at DESC, id DESC LIMIT 20`, person)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Notice])
	return out, pg.Wrap(err)
}

// DismissNotices marks the notices up to a moment as read.
func (d *Directory) DismissNotices(ctx context.Context, by actor.Actor, upTo, now time.Time) error {
	person, err := d.own(ctx, by, "notice.dismissed")
	if err != nil {
		return err
	}
	return pg.InTx(ctx, d.login, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "UPDATE directory.notice SET seen_at = $3 WHERE person_id = $1 AND seen_at IS NULL AND at <= $2", person, upTo, now)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		return audit.Record(ctx, tx, by, "notice.dismissed", audit.Object{Kind: "person", ID: by.ID}, map[string]any{"count": tag.RowsAffected()})
	})
}

// Sweep ends what is open of seats that are over, and deletes what is over: ceremonies and counts
// at once, links after 30 days, sessions, read notices and API tokens after 90. It may run on
// several servers at a time.
func (d *Directory) Sweep(ctx context.Context, now time.Time) error {
	if err := d.endSeats(ctx, now); err != nil {
		return err
	}
	for _, s := range []struct {
		sql    string
		before time.Time
	}{
		{"DELETE FROM directory.ceremony WHERE expires_at < $1", now},
		{"DELETE FROM directory.throttle WHERE started_at < $1", now.Add(-2 * d.policy.Window)},
		{"DELETE FROM directory.link WHERE expires_at < $1", now.AddDate(0, 0, -30)},
		{"DELETE FROM directory.session WHERE least(expires_at, ended_at) < $1", now.AddDate(0, 0, -90)},
		{"DELETE FROM directory.notice WHERE seen_at < $1", now.AddDate(0, 0, -90)},
		{"DELETE FROM directory.api_token WHERE least(expires_at, revoked_at) < $1", now.AddDate(0, 0, -90)},
	} {
		if _, err := d.login.Exec(ctx, s.sql, s.before); err != nil {
			return pg.Wrap(err)
		}
	}
	return nil
}
