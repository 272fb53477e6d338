package tenant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// Event is what a user of the application did, as the audit log is to tell it. Who it was is not in it: the database knows by the token.
type Event struct {
	Action string // two or more words of a–z and _ with dots between them: "application.decided"; one that ends in ".read" is a read
	Kind   string // of what it was done to: "application"; may be empty
	ID     string // of it; needs a Kind

	// Detail is an object of ids, counts and names, 16 KiB at most: it stands open in the audit log, so that it holds nothing of a person.
	Detail map[string]any
	// Before and After are fields with personal data, 64 KiB at most each, which the audit log seals with the customer's key.
	Before, After map[string]any
	// User is what the application itself says of its user, such as a name: kept sealed, and apart from what is proven.
	User string
}

// What the database answers to an event.
var (
	ErrNotEntered = errors.New("tenant: nobody entered this transaction: an event is of somebody who did")
	ErrEvent      = errors.New("tenant: this is no event: what is wrong with it stands in the error of the database")
)

// Recorder is a transaction: a [pgx.Tx] of this package is one. For database/sql see package stdsql.
type Recorder interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// Record has an event kept with the transaction: when it is committed the event is, and when it is rolled back it never was. Under a
// token for reading it fails (SQLSTATE 25006), for nothing can be written there: reads that have to be recorded need a token for writing.
func Record(ctx context.Context, tx Recorder, e Event) error {
	args, err := e.Arguments()
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, RecordSQL, args...)
	return Explain(err)
}

// RecordSQL is the statement that records, and [Event.Arguments] are what it takes: for who speaks to the database otherwise.
const RecordSQL = `SELECT garant.record($1::text, $2::text, $3::text, $4::text::jsonb, $5::text::jsonb, $6::text::jsonb, $7::text)`

// Arguments are those of [RecordSQL].
func (e Event) Arguments() ([]any, error) {
	args := []any{e.Action, some(e.Kind), some(e.ID)}
	for _, part := range []struct {
		name string
		of   map[string]any
	}{{"detail", e.Detail}, {"before", e.Before}, {"after", e.After}} {
		if part.of == nil {
			args = append(args, (*string)(nil))
			continue
		}
		encoded, err := json.Marshal(part.of)
		if err != nil {
			return nil, fmt.Errorf("tenant: %s of an event cannot be written as JSON: %w", part.name, bare(err))
		}
		args = append(args, some(string(encoded)))
	}
	return append(args, some(e.User)), nil
}

// bare is an error of encoding/json without the value that it is about.
func bare(err error) error {
	var typ *json.UnsupportedTypeError
	if errors.As(err, &typ) {
		return typ
	}
	return errors.New("a value that JSON does not have")
}

// some is a text, nil where it is empty.
func some(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
