package token

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/tenant"
)

// standsFor names a tenant in garant.revocation, where a row of it refuses every token of the
// tenant: its token's field of 40 bytes, hashed. who is what stands in the field, in hex, by whose hash its transactions are found.
func standsFor(id tenant.ID) (stands [16]byte, who string) {
	var value []byte
	switch id.Type() {
	case "uuid":
		value, _ = hex.DecodeString(strings.ReplaceAll(id.String(), "-", "")) // it was printed by us
	case "bigint":
		n, _ := strconv.ParseInt(id.String(), 10, 64)
		value = binary.BigEndian.AppendUint64(nil, uint64(n)) //nolint:gosec // two's complement, as the token has it
	default:
		value = []byte(id.String())
	}
	form := map[string]byte{"uuid": 'u', "bigint": 'i', "text": 't'}[id.Type()]
	field := append([]byte{form, byte(len(value))}, value...) //nolint:gosec // at most 38
	who = hex.EncodeToString(field)
	sum := sha256.Sum256(append(append([]byte("tenant "), field...), make([]byte, 40-len(field))...))
	return [16]byte(sum[:16]), who
}

// Close lets no token of a tenant in any more: its rows live in another database. It holds when
// tx commits; [Sweep] then ends the transactions that were open. conn of tx signs in as for [Install].
func Close(ctx context.Context, tx pgx.Tx, id tenant.ID) error {
	stands, who := standsFor(id)
	return noting(ctx, tx, `INSERT INTO garant.revocation (session, hash, until) VALUES ($1, pg_catalog.hashtext($2), 'infinity')
ON CONFLICT ON CONSTRAINT revocation_pkey DO UPDATE SET until = 'infinity', hash = excluded.hash`, stands, who)
}

// Open takes back what [Close] did, when tx commits.
func Open(ctx context.Context, tx pgx.Tx, id tenant.ID) error {
	stands, _ := standsFor(id)
	return noting(ctx, tx, `DELETE FROM garant.revocation WHERE session = $1`, stands)
}

func noting(ctx context.Context, tx pgx.Tx, sql string, args ...any) error {
	return asOwner(ctx, tx, func() error {
		_, err := tx.Exec(ctx, `UPDATE garant.installed SET ends = ends + 1`)
		if err == nil {
			_, err = tx.Exec(ctx, sql, args...)
		}
		if err == nil {
			_, err = tx.Exec(ctx, `SELECT garant.note()`)
		}
		return err
	})
}

// asOwner runs fn within tx as the owner of schema garant.
func asOwner(ctx context.Context, tx pgx.Tx, fn func() error) error {
	is, err := begin(ctx, tx)
	if err != nil {
		return err
	}
	if is.Version != Version {
		return errs.New(errs.Conflict, "token.absent", "This database has no schema garant of this program's version.").WithFix("Install it first: garant isolation apply does.")
	}
	member, err := become(ctx, tx)
	if err != nil {
		return err
	}
	if err := fn(); err != nil {
		return err
	}
	return leave(ctx, tx, member)
}
