package directory

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

const (
	// TokenPrefix begins every API token, for secret scanners and for people.
	TokenPrefix = "garant_"
	tokenMax    = 365 * 24 * time.Hour
	tokensMax   = 50 // of one person, open
)

// Token is an API token of a person, as the person sees it.
type Token struct {
	ID         uuid.UUID
	Name       string
	Scopes     []actor.Permission
	Minting    *actor.Minting // with actor.MintTokens; nil: made before it was asked
	CreatedAt  time.Time
	ExpiresAt  time.Time
	LastUsedAt time.Time // zero: never
}

// Grantable returns the permissions that a role can give to an API token: all but those on one's
// own account, which take a session.
func Grantable(role actor.Role) []actor.Permission {
	return slices.DeleteFunc(role.Permissions(), func(p actor.Permission) bool { return p == actor.OwnAccount || p == EnrolPasskey })
}

// CreateToken makes an API token with some of the actor's own permissions and returns its text,
// which nobody can show again. Needs actor.OwnAccount and a passkey used not long ago. The error
// is Invalid for a bad name, no or too many scopes, or an end that is past or over a year away. With
// actor.MintTokens minting says what for, and with no other.
func (d *Directory) CreateToken(ctx context.Context, by actor.Actor, name string, scopes []actor.Permission, minting *actor.Minting, expires, now time.Time) (string, error) {
	person, err := d.own(ctx, by, "token.created")
	if err != nil {
		return "", err
	}
	if err := d.fresh(ctx, by, "token.created", now); err != nil {
		return "", err
	}
	if name, err = plainName(name); err != nil {
		return "", err
	}
	if expires.Before(now.Add(time.Minute)) || expires.After(now.Add(tokenMax)) {
		return "", errs.New(errs.Invalid, "directory.token_expiry", "An API token ends between tomorrow and a year from now.")
	}
	grantable := Grantable(by.Role)
	names := []string{}
	for _, s := range scopes {
		if !slices.Contains(grantable, s) {
			return "", errors.Join(errs.New(errs.Invalid, "directory.token_scope", "An API token cannot do more than you can.").WithFix("Choose among the permissions that are offered."),
				audit.Refused(ctx, d.login, by, "token.created", audit.Object{Kind: "person", ID: by.ID}, map[string]any{"reason": "scope"}))
		}
		if !slices.Contains(names, string(s)) {
			names = append(names, string(s))
		}
	}
	if len(names) == 0 {
		return "", errs.New(errs.Invalid, "directory.token_no_scope", "An API token needs at least one permission.")
	}
	if minting, err = bound(slices.Contains(scopes, actor.MintTokens), minting); err != nil {
		return "", err
	}
	text, _ := secret()
	text = TokenPrefix + text
	id := newID()
	err = pg.InTx(ctx, d.login, func(tx pgx.Tx) error {
		var open int
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM directory.api_token WHERE person_id = $1 AND revoked_at IS NULL AND expires_at > $2", person, now).Scan(&open); err != nil {
			return err
		}
		if open >= tokensMax {
			return errs.New(errs.Conflict, "directory.too_many_tokens", "You have as many API tokens as an account can hold.").WithFix("Revoke one that you do not use.")
		}
		sealed, err := d.box.Seal(ctx, tx, keySubject(person), "token:"+id.String(), []byte(name))
		if err != nil {
			return err
		}
		detail := map[string]any{"scopes": names}
		var m struct {
			databases, jobs []string
			logins          *bool
		}
		if minting != nil {
			m.databases, m.logins, m.jobs = minting.Databases, &minting.Logins, minting.Jobs
			detail["databases"], detail["logins"], detail["jobs"] = minting.Databases, minting.Logins, minting.Jobs
		}
		if _, err := tx.Exec(ctx, `INSERT INTO directory.api_token (id, hash, person_id, name, scopes, created_at, expires_at, mint_databases, mint_logins, mint_jobs)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, id, hashOf(text), person, sealed, names, now, expires, m.databases, m.logins, m.jobs); err != nil {
			return err
		}
		if err := notify(ctx, tx, person, "token_created", now); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, "token.created", audit.Object{Kind: "token", ID: id.String()}, detail)
	})
	if err != nil {
		return "", err
	}
	return text, nil
}

// namesMax is how many databases, and how many jobs, a token may be bound to.
const namesMax = 20

// bound is what a token is bound to, each name once and in order.
func bound(mints bool, m *actor.Minting) (*actor.Minting, error) {
	if !mints {
		return nil, nil //nolint:nilnil // nothing to bind
	}
	refused := errs.New(errs.Invalid, "directory.token_minting", "A token that has tokens of customers minted is bound to databases, and to logins or service jobs.").
		WithFix("Name the databases as the estate does, and say by what right.")
	if m == nil {
		return nil, refused
	}
	out := &actor.Minting{Logins: m.Logins, Databases: unique(m.Databases), Jobs: unique(m.Jobs)}
	if len(out.Databases) == 0 || len(out.Databases) > namesMax || len(out.Jobs) > namesMax || !out.Logins && len(out.Jobs) == 0 {
		return nil, refused
	}
	for _, name := range slices.Concat(out.Databases, out.Jobs) {
		if _, err := plainName(name); err != nil {
			return nil, refused
		}
	}
	return out, nil
}

func unique(names []string) []string {
	names = slices.Clone(names)
	slices.Sort(names)
	return append([]string{}, slices.Compact(names)...)
}

// minted reads what a token is bound to.
func minted(databases []string, logins *bool, jobs []string) *actor.Minting {
	if logins == nil {
		return nil
	}
	return &actor.Minting{Databases: databases, Logins: *logins, Jobs: jobs}
}

// Tokens returns the actor's own API tokens that still work. Needs actor.OwnAccount.
func (d *Directory) Tokens(ctx context.Context, by actor.Actor, now time.Time) ([]Token, error) {
	person, err := d.own(ctx, by, "token.listed")
	if err != nil {
		return nil, err
	}
	rows, err := d.login.Query(ctx, `SELECT id, name, scopes, created_at, expires_at, last_used_at, mint_databases, mint_logins, mint_jobs FROM directory.api_token
WHERE person_id = $1 AND revoked_at IS NULL AND expires_at > $2 ORDER BY id`, person, now)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	var sealed []crypt.Sealed
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t Token, err error) {
		var name []byte
		var used *time.Time
		var databases, jobs []string
		var logins *bool
		err = row.Scan(&t.ID, &name, &t.Scopes, &t.CreatedAt, &t.ExpiresAt, &used, &databases, &logins, &jobs)
		t.LastUsedAt, t.Minting = orZero(used), minted(databases, logins, jobs)
		sealed = append(sealed, crypt.Sealed{Subject: keySubject(person), Field: "token:" + t.ID.String(), Value: name})
		return t, err
	})
	if err != nil {
		return nil, pg.Wrap(err)
	}
	names, err := d.box.OpenAll(ctx, d.login, sealed)
	if err != nil {
		return nil, err
	}
	for i := range out {
		out[i].Name = string(names[i].Plaintext)
	}
	return out, nil
}

// RevokeToken ends one of the actor's own API tokens. Needs actor.OwnAccount.
func (d *Directory) RevokeToken(ctx context.Context, by actor.Actor, id uuid.UUID, now time.Time) error {
	person, err := d.own(ctx, by, "token.revoked")
	if err != nil {
		return err
	}
	return pg.InTx(ctx, d.login, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, "UPDATE directory.api_token SET revoked_at = $3 WHERE id = $1 AND person_id = $2 AND revoked_at IS NULL", id, person, now)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return errs.New(errs.NotFound, "directory.no_token", "There is no such API token.")
		}
		return audit.Record(ctx, tx, by, "token.revoked", audit.Object{Kind: "token", ID: id.String()}, nil)
	})
}

// AuthenticateToken tells who an API token acts for: its person, with those of its scopes that
// the person's role still has. The error is errs.Denied when it does not work (any more).
func (d *Directory) AuthenticateToken(ctx context.Context, text, origin string, now time.Time) (Identity, error) {
	refused := errs.New(errs.Denied, "directory.token", "This API token does not work: it is unknown, expired or revoked.").WithFix("Make a new one on your account page.")
	if !strings.HasPrefix(text, TokenPrefix) {
		return Identity{}, refused
	}
	var id, person uuid.UUID
	var role actor.Role
	var name []byte
	var scopes []actor.Permission
	var used *time.Time
	var databases, jobs []string
	var logins *bool
	err := d.login.QueryRow(ctx, `SELECT t.id, t.person_id, t.scopes, t.last_used_at, p.role, p.name, t.mint_databases, t.mint_logins, t.mint_jobs
FROM directory.api_token t JOIN directory.person p ON p.id = t.person_id
WHERE t.hash = $1 AND t.revoked_at IS NULL AND t.expires_at > $2 AND t.created_at <= $3 AND p.disabled_at IS NULL AND `+seated("$2"),
		hashOf(text), now, now.Add(skew)).Scan(&id, &person, &scopes, &used, &role, &name, &databases, &logins, &jobs)
	if errors.Is(err, pgx.ErrNoRows) {
		if err := d.endSeats(ctx, now); err != nil {
			return Identity{}, err
		}
		return Identity{}, refused
	}
	if err != nil {
		return Identity{}, pg.Wrap(err)
	}
	if now.Sub(orZero(used)) >= touchEvery {
		if _, err := d.login.Exec(ctx, "UPDATE directory.api_token SET last_used_at = $2 WHERE id = $1", id, now); err != nil {
			return Identity{}, pg.Wrap(err)
		}
	}
	grantable := Grantable(role)
	return Identity{Actor: actor.Actor{
		Kind: actor.Person, ID: person.String(), Name: d.openName(ctx, person, name), Role: role,
		Session: "token:" + id.String(), Origin: origin, Minting: minted(databases, logins, jobs),
		Permissions: slices.DeleteFunc(scopes, func(p actor.Permission) bool { return !slices.Contains(grantable, p) }),
	}}, nil
}
