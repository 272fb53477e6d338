package directory

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/pg"
)

const (
	recoveryCodes = 10
	codeBytes     = 10 // 80 bits
	// codeAlphabet is Crockford's base 32: no I, L, O, U.
	codeAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)

// newCode returns 80 random bits as four groups of four letters.
func newCode() string {
	b := make([]byte, codeBytes)
	_, _ = rand.Read(b) // never fails (crypto/rand, Go 1.24)
	s := base32.NewEncoding(codeAlphabet).WithPadding(base32.NoPadding).EncodeToString(b)
	return s[0:4] + "-" + s[4:8] + "-" + s[8:12] + "-" + s[12:16]
}

// normalCode undoes what people do to codes when they copy them by hand.
func normalCode(code string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '-', ' ', '\t', '\u00a0', '\u202f', '–', '—':
			return -1
		case 'O':
			return '0'
		case 'I', 'L':
			return '1'
		}
		return r
	}, strings.ToUpper(strings.TrimSpace(code)))
}

// codeHash is what is stored of a code: bound to its person, so that one table of guesses does
// not serve for all.
func codeHash(person uuid.UUID, code string) []byte {
	return hashOf("recovery code\x00" + person.String() + "\x00" + normalCode(code))
}

// RenewRecoveryCodes gives the actor ten new recovery codes, which nobody can show again; the old
// ones stop working. Needs actor.OwnAccount and a passkey used not long ago.
func (d *Directory) RenewRecoveryCodes(ctx context.Context, by actor.Actor, now time.Time) ([]string, error) {
	person, err := d.own(ctx, by, "recovery.renewed")
	if err != nil {
		return nil, err
	}
	if err := d.fresh(ctx, by, "recovery.renewed", now); err != nil {
		return nil, err
	}
	codes := make([]string, recoveryCodes)
	err = pg.InTx(ctx, d.login, func(tx pgx.Tx) error {
		old, err := tx.Exec(ctx, "DELETE FROM directory.recovery_code WHERE person_id = $1", person)
		if err != nil {
			return err
		}
		for i := range codes {
			codes[i] = newCode()
			if _, err := tx.Exec(ctx, "INSERT INTO directory.recovery_code (person_id, hash, created_at) VALUES ($1, $2, $3)", person, codeHash(person, codes[i]), now); err != nil {
				return err
			}
		}
		if old.RowsAffected() > 0 {
			if err := notify(ctx, tx, person, "codes_renewed", now); err != nil {
				return err
			}
		}
		return audit.Record(ctx, tx, by, "recovery.renewed", audit.Object{Kind: "person", ID: by.ID}, map[string]any{"count": recoveryCodes})
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// RecoveryCodesLeft returns how many codes of the actor still work. Needs actor.OwnAccount.
func (d *Directory) RecoveryCodesLeft(ctx context.Context, by actor.Actor) (left int, err error) {
	person, err := d.own(ctx, by, "recovery.read")
	if err != nil {
		return 0, err
	}
	err = d.login.QueryRow(ctx, "SELECT count(*) FROM directory.recovery_code WHERE person_id = $1 AND used_at IS NULL", person).Scan(&left)
	return left, pg.Wrap(err)
}

// UseRecoveryCode opens a session that may register a passkey, and nothing else. The code is used
// up, unused links of the person become worthless, and a notice stays. The error is errs.Denied,
// the same for an unknown address, a wrong or used code, a disabled person and a seat that is over, after the same
// statements.
func (d *Directory) UseRecoveryCode(ctx context.Context, from Visit, email, code string, now time.Time) (Opened, error) {
	by := actor.Anonymous(from.Origin)
	normal, err := NormalEmail(email)
	if err != nil {
		normal = strings.ToLower(email[:min(len(email), 254)]) // belongs to nobody; goes the same way
	}
	if err := d.throttled(ctx, by, "code_origin", from.Origin, d.policy.CodeOrigin, now); err != nil {
		return Opened{}, err
	}
	if err := d.throttled(ctx, by, "code_person", normal, d.policy.CodeAttempts, now); err != nil {
		return Opened{}, err
	}
	var person uuid.UUID
	err = d.login.QueryRow(ctx, "SELECT p.id FROM directory.person p WHERE p.email_index = $1 AND p.disabled_at IS NULL AND "+seated("$2"), d.box.Index("email", []byte(normal)), now).Scan(&person)
	if errors.Is(err, pgx.ErrNoRows) {
		person, err = newID(), nil // nobody's: what follows finds nothing
	}
	if err != nil {
		return Opened{}, pg.Wrap(err)
	}
	var opened Opened
	err = pg.InTx(ctx, d.login, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE directory.recovery_code SET used_at = $3
WHERE person_id = $1 AND hash = $2 AND used_at IS NULL`, person, codeHash(person, code), now)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return errs.New(errs.Denied, "directory.code", "This address and recovery code do not work together.").
				WithFix("Check both. Each code works once; the security lead can send you a recovery link.")
		}
		void, err := voidLinks(ctx, tx, person, now)
		if err != nil {
			return err
		}
		if err := notify(ctx, tx, person, "recovery_used", now); err != nil {
			return err
		}
		if opened, err = d.open(ctx, tx, person, "recovery", from, now); err != nil {
			return err
		}
		return audit.Record(ctx, tx, opened.actor(from), "recovery.used", audit.Object{Kind: "person", ID: person.String()}, map[string]any{"links_voided": void})
	})
	if errs.Is(err, errs.Denied) {
		if err := d.endSeats(ctx, now); err != nil {
			return Opened{}, err
		}
		if err := audit.Refused(ctx, d.login, by, "recovery.used", audit.Object{Kind: "person", ID: "unknown"}, nil); err != nil {
			return Opened{}, err
		}
	}
	if err != nil {
		return Opened{}, err
	}
	return opened, d.unthrottle(ctx, "code_person", normal)
}
