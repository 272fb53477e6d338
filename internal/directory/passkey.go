package directory

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/crypt"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

// passkeysMax is how many passkeys a person may have.
const passkeysMax = 20

// Passkey is a credential of a person, as the person sees it.
type Passkey struct {
	ID         uuid.UUID
	Name       string
	CreatedAt  time.Time
	LastUsedAt time.Time // zero: never
	SuspectAt  time.Time // when its counter went backwards; zero: never
}

// Ceremony is a WebAuthn ceremony that has begun. Options go to the browser's
// navigator.credentials as they are (W3C WebAuthn 3, §5.1.8–9); ID comes back with its answer.
type Ceremony struct {
	ID      string `json:"ceremony"`
	Options any    `json:"options"`
}

func errPasskey() *errs.Error {
	return errs.New(errs.Denied, "directory.passkey", "This passkey was not accepted.").
		WithFix("Try again. If it stays so, use a recovery code or ask the security lead for a recovery link.")
}

func errCeremony() error {
	return errs.New(errs.Denied, "directory.ceremony", "This attempt is over: it took too long or was finished already.").WithFix("Start again.")
}

func (d *Directory) relyingParty() (*webauthn.WebAuthn, error) {
	if d.rp == nil {
		return nil, errs.New(errs.Unavailable, "directory.no_site", "Passkeys are not set up on this server.")
	}
	return d.rp, nil
}

// user is a person as go-webauthn sees them.
type user struct {
	id          uuid.UUID
	email, name string
	credentials []webauthn.Credential
	rows        []uuid.UUID // ids of the credentials
}

func (u *user) WebAuthnID() []byte                         { return u.id[:] }
func (u *user) WebAuthnName() string                       { return u.email }
func (u *user) WebAuthnDisplayName() string                { return u.name }
func (u *user) WebAuthnCredentials() []webauthn.Credential { return u.credentials }

// loadUser reads an enabled person, whose seat is not over, with their credentials; names only when
// asked for.
func (d *Directory) loadUser(ctx context.Context, id uuid.UUID, names bool, now time.Time) (*user, error) {
	u := &user{id: id}
	var email, name []byte
	err := d.login.QueryRow(ctx, "SELECT p.email, p.name FROM directory.person p WHERE p.id = $1 AND p.disabled_at IS NULL AND "+seated("$2"), id, now).Scan(&email, &name)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, errNoPerson()
	}
	if err != nil {
		return nil, pg.Wrap(err)
	}
	if names {
		opened, err := d.box.OpenAll(ctx, d.login, []crypt.Sealed{{Subject: keySubject(id), Field: "email", Value: email}, {Subject: keySubject(id), Field: "name", Value: name}})
		if err != nil {
			return nil, err
		}
		if err := errors.Join(opened[0].Err, opened[1].Err); err != nil {
			return nil, err
		}
		u.email, u.name = string(opened[0].Plaintext), string(opened[1].Plaintext)
	}
	rows, err := d.login.Query(ctx, `SELECT id, credential_id, public_key, flags, sign_count, aaguid, transports
FROM directory.passkey WHERE person_id = $1 ORDER BY id`, id)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	defer rows.Close()
	for rows.Next() {
		var row, aaguid uuid.UUID
		var flags int16
		var count int64
		var transports []string
		c := webauthn.Credential{}
		if err := rows.Scan(&row, &c.ID, &c.PublicKey, &flags, &count, &aaguid, &transports); err != nil {
			return nil, pg.Wrap(err)
		}
		c.Flags = webauthn.NewCredentialFlags(protocol.AuthenticatorFlags(flags))             //nolint:gosec // a byte, as stored
		c.Authenticator = webauthn.Authenticator{AAGUID: aaguid[:], SignCount: uint32(count)} //nolint:gosec // 32 bits by WebAuthn
		for _, t := range transports {
			c.Transport = append(c.Transport, protocol.AuthenticatorTransport(t))
		}
		u.credentials, u.rows = append(u.credentials, c), append(u.rows, row)
	}
	return u, pg.Wrap(rows.Err())
}

// begin stores the server's half of a ceremony.
func (d *Directory) begin(ctx context.Context, kind string, session *uuid.UUID, data *webauthn.SessionData, now time.Time) (string, error) {
	state, err := json.Marshal(data)
	if err != nil {
		return "", errs.New(errs.Internal, "directory.state", "A ceremony could not be begun.").Wrap(err)
	}
	token, hash := secret()
	_, err = d.login.Exec(ctx, "INSERT INTO directory.ceremony (hash, kind, session_id, state, expires_at) VALUES ($1, $2, $3, $4, $5)",
		hash, kind, session, state, now.Add(d.policy.Ceremony))
	return token, pg.Wrap(err)
}

// take returns a ceremony and makes sure that nobody gets it again, whatever comes of it.
func (d *Directory) take(ctx context.Context, kind, token string, session *uuid.UUID, now time.Time) (webauthn.SessionData, error) {
	var state []byte
	var data webauthn.SessionData
	err := d.login.QueryRow(ctx, `DELETE FROM directory.ceremony
WHERE hash = $1 AND kind = $2 AND session_id IS NOT DISTINCT FROM $3 RETURNING CASE WHEN expires_at > $4 THEN state END`,
		hashOf(token), kind, session, now).Scan(&state)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && state == nil {
		return data, errCeremony()
	}
	if err != nil {
		return data, pg.Wrap(err)
	}
	if err := json.Unmarshal(state, &data); err != nil {
		return data, errs.New(errs.Internal, "directory.state", "A ceremony could not be read.").Wrap(err)
	}
	return data, nil
}

// BeginRegistration starts adding a passkey to the actor's own account. Needs EnrolPasskey and,
// when the session is whole, a passkey used not long ago.
func (d *Directory) BeginRegistration(ctx context.Context, by actor.Actor, now time.Time) (Ceremony, error) {
	rp, person, session, err := d.enrolling(ctx, by, now)
	if err != nil {
		return Ceremony{}, err
	}
	if err := d.throttled(ctx, by, "passkey_origin", by.Origin, d.policy.PasskeyOrigin, now); err != nil {
		return Ceremony{}, err
	}
	u, err := d.loadUser(ctx, person, true, now)
	if err != nil {
		return Ceremony{}, err
	}
	if len(u.credentials) >= passkeysMax {
		return Ceremony{}, errs.New(errs.Conflict, "directory.too_many", "You have as many passkeys as an account can hold.").WithFix("Delete one that you do not use.")
	}
	options, data, err := rp.BeginRegistration(u, webauthn.WithExclusions(webauthn.Credentials(u.credentials).CredentialDescriptors()))
	if err != nil {
		return Ceremony{}, errs.New(errs.Internal, "directory.state", "A ceremony could not be begun.").Wrap(err)
	}
	id, err := d.begin(ctx, "register", &session, data, now)
	return Ceremony{ID: id, Options: options.Response}, err
}

// enrolling checks who may register a passkey.
func (d *Directory) enrolling(ctx context.Context, by actor.Actor, now time.Time) (*webauthn.WebAuthn, uuid.UUID, uuid.UUID, error) {
	rp, err := d.relyingParty()
	if err != nil {
		return nil, uuid.Nil, uuid.Nil, err
	}
	if err := d.may(ctx, d.login, by, EnrolPasskey, "passkey.added", audit.Object{Kind: "person", ID: by.ID}); err != nil {
		return nil, uuid.Nil, uuid.Nil, err
	}
	person, err := personOf(by)
	if err != nil {
		return nil, uuid.Nil, uuid.Nil, err
	}
	session, err := uuid.Parse(by.Session)
	if err != nil {
		return nil, uuid.Nil, uuid.Nil, errs.New(errs.Denied, "directory.no_session", "Only a session can register a passkey.")
	}
	if by.May(actor.OwnAccount) {
		err = d.fresh(ctx, by, "passkey.added", now)
	}
	return rp, person, session, err
}

// FinishRegistration adds the passkey that the browser made. When the session could do nothing
// but this, it becomes whole and gets a new token, in Opened.Token, and unused links of the person
// become worthless; otherwise Token is empty. The error is errs.Denied when the answer does not
// fit: challenge, origin, host, user verification.
func (d *Directory) FinishRegistration(ctx context.Context, by actor.Actor, ceremony string, answer []byte, name string, now time.Time) (Opened, error) {
	rp, person, session, err := d.enrolling(ctx, by, now)
	if err != nil {
		return Opened{}, err
	}
	if name, err = plainName(name); err != nil {
		return Opened{}, err
	}
	data, err := d.take(ctx, "register", ceremony, &session, now)
	if err != nil {
		return Opened{}, err
	}
	u, err := d.loadUser(ctx, person, false, now)
	if err != nil {
		return Opened{}, err
	}
	credential, err := create(rp, u, data, answer)
	if err != nil {
		return Opened{}, errors.Join(err, audit.Refused(ctx, d.login, by, "passkey.added", audit.Object{Kind: "person", ID: by.ID}, map[string]any{"reason": "not_accepted"}))
	}
	var opened Opened
	id := newID()
	err = pg.InTx(ctx, d.login, func(tx pgx.Tx) error {
		sealed, err := d.box.Seal(ctx, tx, keySubject(person), "passkey:"+id.String(), []byte(name))
		if err != nil {
			return err
		}
		transports := []string{}
		for _, t := range credential.Transport {
			transports = append(transports, string(t))
		}
		if _, err := tx.Exec(ctx, `INSERT INTO directory.passkey (id, person_id, credential_id, public_key, flags, sign_count, aaguid, transports, name, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, id, person, credential.ID, credential.PublicKey, int16(credential.Flags.MsgpByte()),
			int64(credential.Authenticator.SignCount), uuid.UUID(credential.Authenticator.AAGUID), transports, sealed, now); err != nil {
			return err
		}
		detail := map[string]any{"passkey": id.String()}
		if !by.May(actor.OwnAccount) {
			if opened, err = d.complete(ctx, tx, session, now); err != nil {
				return err
			}
			void, err := voidLinks(ctx, tx, person, now)
			if err != nil {
				return err
			}
			detail["links_voided"] = void
		}
		if len(u.credentials) > 0 {
			if err := notify(ctx, tx, person, "passkey_added", now); err != nil {
				return err
			}
		}
		return audit.Record(ctx, tx, by, "passkey.added", audit.Object{Kind: "person", ID: by.ID}, detail)
	})
	if pg.Violates(err, "passkey_credential") {
		return Opened{}, errs.New(errs.Conflict, "directory.passkey_known", "This passkey is registered already.")
	}
	if err != nil {
		return Opened{}, err
	}
	return opened, nil
}

// create verifies an attestation. Whatever is wrong with it is one answer to the outside.
func create(rp *webauthn.WebAuthn, u *user, data webauthn.SessionData, answer []byte) (*webauthn.Credential, error) {
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return nil, errPasskey().Wrap(errors.New("registration: answer not understood"))
	}
	credential, err := rp.CreateCredential(u, data, parsed)
	if err != nil {
		return nil, errPasskey().Wrap(errors.New("registration: answer does not fit the ceremony"))
	}
	// The library verifies this as asked in data; a state that asked for less must not get by.
	if !credential.Flags.UserVerified || len(credential.Authenticator.AAGUID) != 16 {
		return nil, errPasskey().Wrap(errors.New("registration: user not verified"))
	}
	return credential, nil
}

// complete makes a session whole that could only enrol, under a new token: whoever saw the old
// one has nothing (ASVS 7.2.4).
func (d *Directory) complete(ctx context.Context, tx pgx.Tx, session uuid.UUID, now time.Time) (Opened, error) {
	token, hash := secret()
	o := Opened{Token: token}
	err := tx.QueryRow(ctx, `UPDATE directory.session SET hash = $2, enrolled = true, verified_at = $3, last_seen_at = $3, expires_at = $4
WHERE id = $1 AND NOT enrolled AND ended_at IS NULL
RETURNING id, person_id, method, enrolled, opened_at, verified_at, last_seen_at, expires_at, origin, agent`,
		session, hash, now, now.Add(d.policy.Absolute)).
		Scan(&o.ID, &o.PersonID, &o.Method, &o.Enrolled, &o.OpenedAt, &o.VerifiedAt, &o.LastSeenAt, &o.ExpiresAt, &o.Origin, &o.Agent)
	if errors.Is(err, pgx.ErrNoRows) {
		return o, errCeremony()
	}
	return o, pg.Wrap(err)
}

// BeginLogin starts signing in by whatever passkey the person chooses.
func (d *Directory) BeginLogin(ctx context.Context, from Visit, now time.Time) (Ceremony, error) {
	rp, err := d.relyingParty()
	if err != nil {
		return Ceremony{}, err
	}
	if err := d.throttled(ctx, actor.Anonymous(from.Origin), "passkey_origin", from.Origin, d.policy.PasskeyOrigin, now); err != nil {
		return Ceremony{}, err
	}
	options, data, err := rp.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return Ceremony{}, errs.New(errs.Internal, "directory.state", "A ceremony could not be begun.").Wrap(err)
	}
	id, err := d.begin(ctx, "login", nil, data, now)
	return Ceremony{ID: id, Options: options.Response}, err
}

// FinishLogin opens a whole session for the person whose passkey answered. replaces is the token
// of the session that the browser had, if any: it ends. The error is errs.Denied when the answer
// does not fit (challenge, origin, host, signature, user verification), the passkey is nobody's,
// the person is disabled or their seat over, or the passkey's counter went backwards.
func (d *Directory) FinishLogin(ctx context.Context, from Visit, ceremony string, answer []byte, replaces string, now time.Time) (Opened, error) {
	rp, err := d.relyingParty()
	if err != nil {
		return Opened{}, err
	}
	by := actor.Anonymous(from.Origin)
	data, err := d.take(ctx, "login", ceremony, nil, now)
	if err != nil {
		return Opened{}, err
	}
	refuse := func(cause string, failure error) error {
		return errors.Join(failure, audit.Refused(ctx, d.login, by, "sign_in.passkey", audit.Object{Kind: "passkey", ID: "unknown"}, map[string]any{"reason": cause}))
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return Opened{}, refuse("not_understood", errPasskey())
	}
	person, err := uuid.FromBytes(parsed.Response.UserHandle)
	if err != nil {
		return Opened{}, refuse("no_user_handle", errPasskey())
	}
	if err := d.throttled(ctx, by, "passkey_person", person.String(), d.policy.PasskeyAttempts, now); err != nil {
		return Opened{}, err
	}
	u, err := d.loadUser(ctx, person, false, now)
	if err != nil {
		if !errs.Is(err, errs.NotFound) {
			return Opened{}, err
		}
		if err := d.endSeats(ctx, now); err != nil {
			return Opened{}, err
		}
		return Opened{}, refuse("nobody", errPasskey())
	}
	_, credential, err := rp.ValidatePasskeyLogin(func(_, _ []byte) (webauthn.User, error) { return u, nil }, data, parsed)
	if err != nil || !parsed.Response.AuthenticatorData.Flags.HasUserVerified() {
		return Opened{}, refuse("not_accepted", errPasskey())
	}
	by = actor.Actor{Kind: actor.Person, ID: person.String(), Origin: from.Origin}
	var passkey uuid.UUID
	for i, c := range u.credentials {
		if string(c.ID) == string(credential.ID) {
			passkey = u.rows[i]
		}
	}
	var opened Opened
	err = pg.InTx(ctx, d.login, func(tx pgx.Tx) error {
		// The comparison of counters is made by the database: two copies of a passkey may arrive at
		// two servers at once.
		count := int64(parsed.Response.AuthenticatorData.Counter)
		tag, err := tx.Exec(ctx, `UPDATE directory.passkey SET sign_count = $3, flags = $4, last_used_at = $5
WHERE id = $1 AND person_id = $2 AND ($3 > sign_count OR ($3 = 0 AND sign_count = 0))`,
			passkey, person, count, int16(credential.Flags.MsgpByte()), now)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return errSuspect()
		}
		if opened, err = d.open(ctx, tx, person, "passkey", from, now); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "UPDATE directory.session SET ended_at = $2, ended_reason = 'replaced' WHERE hash = $1 AND ended_at IS NULL", hashOf(replaces), now); err != nil {
			return err
		}
		return audit.Record(ctx, tx, opened.actor(from), "sign_in.passkey", audit.Object{Kind: "person", ID: person.String()}, map[string]any{"passkey": passkey.String()})
	})
	if errors.Is(err, errCopied) {
		return Opened{}, errors.Join(err, d.suspect(ctx, by, person, passkey, now))
	}
	if err != nil {
		return Opened{}, err
	}
	return opened, d.unthrottle(ctx, "passkey_person", person.String())
}

// errCopied marks a counter that did not go up.
var errCopied = errors.New("signature counter did not go up")

func errSuspect() error {
	return errs.New(errs.Denied, "directory.passkey_suspect", "This passkey was refused: its counter went backwards, so a copy of it may be in use.").
		WithFix("Sign in with another passkey or a recovery code, delete this one, and tell the security lead.").Wrap(errCopied)
}

// suspect records that there may be a copy of a passkey.
func (d *Directory) suspect(ctx context.Context, by actor.Actor, person, passkey uuid.UUID, now time.Time) error {
	err := pg.InTx(ctx, d.login, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "UPDATE directory.passkey SET suspect_at = coalesce(suspect_at, $2) WHERE id = $1", passkey, now); err != nil {
			return err
		}
		return notify(ctx, tx, person, "passkey_suspect", now)
	})
	return errors.Join(err, audit.Refused(ctx, d.login, by, "sign_in.passkey", audit.Object{Kind: "person", ID: person.String()},
		map[string]any{"reason": "counter_went_back", "passkey": passkey.String()}))
}

// Passkeys returns the actor's own passkeys, the oldest first. Needs actor.OwnAccount.
func (d *Directory) Passkeys(ctx context.Context, by actor.Actor) ([]Passkey, error) {
	person, err := d.own(ctx, by, "passkey.listed")
	if err != nil {
		return nil, err
	}
	rows, err := d.login.Query(ctx, "SELECT id, name, created_at, last_used_at, suspect_at FROM directory.passkey WHERE person_id = $1 ORDER BY id", person)
	if err != nil {
		return nil, pg.Wrap(err)
	}
	var sealed []crypt.Sealed
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Passkey, err error) {
		var name []byte
		var used, suspect *time.Time
		err = row.Scan(&p.ID, &name, &p.CreatedAt, &used, &suspect)
		p.LastUsedAt, p.SuspectAt = orZero(used), orZero(suspect)
		sealed = append(sealed, crypt.Sealed{Subject: keySubject(person), Field: "passkey:" + p.ID.String(), Value: name})
		return p, err
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

// DeletePasskey deletes one of the actor's own passkeys. Needs actor.OwnAccount and a passkey
// used not long ago. The error is Conflict for the last passkey of who has no recovery code left.
func (d *Directory) DeletePasskey(ctx context.Context, by actor.Actor, id uuid.UUID, now time.Time) error {
	person, err := d.own(ctx, by, "passkey.deleted")
	if err != nil {
		return err
	}
	if err := d.fresh(ctx, by, "passkey.deleted", now); err != nil {
		return err
	}
	return pg.InTx(ctx, d.login, func(tx pgx.Tx) error {
		// All rows are locked, so that two tabs do not delete the last two at once.
		rows, err := tx.Query(ctx, "SELECT id FROM directory.passkey WHERE person_id = $1 ORDER BY id FOR UPDATE", person)
		if err != nil {
			return err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, "DELETE FROM directory.passkey WHERE id = $1 AND person_id = $2", id, person)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return errs.New(errs.NotFound, "directory.no_passkey", "There is no such passkey.")
		}
		if len(ids) == 1 {
			var codes int
			if err := tx.QueryRow(ctx, "SELECT count(*) FROM directory.recovery_code WHERE person_id = $1 AND used_at IS NULL", person).Scan(&codes); err != nil {
				return err
			}
			if codes == 0 {
				return errs.New(errs.Conflict, "directory.last_passkey", "This is your last passkey and you have no recovery codes: you could not sign in any more.").
					WithFix("Add another passkey or renew your recovery codes first.")
			}
		}
		if err := notify(ctx, tx, person, "passkey_deleted", now); err != nil {
			return err
		}
		return audit.Record(ctx, tx, by, "passkey.deleted", audit.Object{Kind: "person", ID: by.ID}, map[string]any{"passkey": id.String()})
	})
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
