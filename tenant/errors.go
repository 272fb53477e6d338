package tenant

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/garant-project/garant/tenant/internal/wire"
)

// What the database answers to a token. Each stands for one SQLSTATE of garant.enter.
var (
	ErrInvalid  = errors.New("tenant: this is no valid token for this database: it was changed, signed by an unknown key, or made for another database")
	ErrExpired  = errors.New("tenant: the token has expired: ask for a new one")
	ErrRevoked  = errors.New("tenant: the session of this token was ended: sign in again")
	ErrOther    = errors.New("tenant: this transaction already belongs to another tenant or session: one transaction serves one login")
	ErrCursor   = errors.New("tenant: a cursor is still open on this connection: close it, and let the pooler reset connections")
	ErrSnapshot = errors.New("tenant: the snapshot of this transaction is too old: enter first, then read")
	ErrMoved    = errors.New("tenant: this tenant lives in another database: ask where, and go on there")
)

// What the SDK says before it asks the database.
var (
	ErrNoToken = errors.New("tenant: there is no token: nothing is asked of the database without one")
	// ErrSimple: parameters would travel within the text of the statement.
	ErrSimple = wire.ErrSimple
)

// Explain turns what garant.enter or garant.record raised into one of the errors above, which then wraps it; any other error is
// returned as it is.
func Explain(err error) error {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return err
	}
	var known error
	switch e.Code {
	case "GT001":
		known = ErrInvalid
	case "GT002":
		known = ErrExpired
	case "GT003":
		known = ErrRevoked
	case "GT004":
		known = ErrOther
	case "GT005":
		known = ErrCursor
	case "GT006":
		known = ErrSnapshot
	case "GT007":
		known = ErrMoved
	case "GT008":
		known = ErrNotEntered
	case "GT009":
		known = ErrEvent
	default:
		return err
	}
	return &refusal{known, e}
}

// refusal is a known answer of the database, with what it said.
type refusal struct {
	known error
	said  *pgconn.PgError
}

func (r *refusal) Error() string   { return r.known.Error() }
func (r *refusal) Unwrap() []error { return []error{r.known, r.said} }
