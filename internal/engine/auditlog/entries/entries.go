// Package entries reads rows of the record as fast as they come, and makes their leaves again.
//
// Values are taken from the wire in PostgreSQL's binary format, without a conversion for each column: whoever verifies a
// record of years reads every row of it. Proven by TestIntact of package verify: leaves made from such rows are those that the sequencer made.
package entries

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/audit/leaf"
)

// Columns are what Decode reads, in its order, of audit.entry AS e.
const Columns = `e.id, e.at, e.actor_kind, e.actor_id, e.session, e.origin, e.tenant, e.action, e.outcome, e.object_kind, e.object_id,
e.reason, e.request, e.detail, e.subject, e.promise, e.occurred, e.written, e.writer, e.n, e.mac, e.changes`

// Width is how many columns that are.
const Width = 22

// Binary asks for results in the format that Decode reads: the first argument of a query.
var Binary = pgx.QueryResultFormats{pgx.BinaryFormatCode} //nolint:gochecknoglobals // a constant that Go has no form for

// Row is an entry, and what is sealed beside it.
type Row struct {
	leaf.Entry
	Changes []byte

	text []byte
}

var errFormat = errors.New("a row of the record is not in the format that was asked for")

// epoch is PostgreSQL's, in microseconds of Unix.
const epoch = 946_684_800_000_000

// Decode reads a row. Of byte slices it keeps copies only where keep is set; otherwise they are good until the next row. All its texts are one string: to make one
// costs a fraction of fourteen.
func (r *Row) Decode(raw [][]byte, keep bool) (err error) {
	if len(raw) < Width || len(raw[0]) != 8 || len(raw[1]) != 8 {
		return errFormat
	}
	text := r.text[:0]
	for _, i := range [...]int{3, 4, 5, 7, 9, 10, 11, 12, 14} {
		text = append(text, raw[i]...)
	}
	if text, err = appendUUID(text, raw[6]); err != nil {
		return err
	}
	if text, err = appendUUID(text, raw[18]); err != nil {
		return err
	}
	*r = Row{text: text}
	rest := string(text)
	take := func(n int) (one string) {
		one, rest = rest[:n], rest[n:]
		return one
	}
	s := &r.Said
	r.ID = Int(raw[0])
	if r.At, err = moment(raw[1]); err != nil {
		return err
	}
	s.ActorKind, s.Outcome = known(raw[2]), known(raw[8])
	s.ActorID, s.Session, s.Origin, s.Action = take(len(raw[3])), take(len(raw[4])), take(len(raw[5])), take(len(raw[7]))
	s.ObjectKind, s.ObjectID, s.Reason, s.Request, s.Subject = take(len(raw[9])), take(len(raw[10])), take(len(raw[11])), take(len(raw[12])), take(len(raw[14]))
	if raw[6] != nil {
		s.Tenant = take(uuidLength)
	}
	s.Writer = rest
	s.Detail, s.Promise, r.MAC, r.Changes = raw[13], raw[15], raw[20], raw[21]
	if keep {
		for _, b := range []*[]byte{&s.Detail, &s.Promise, &r.MAC, &r.Changes} {
			if *b != nil {
				*b = append([]byte{}, *b...)
			}
		}
	}
	if s.Occurred, err = moment(raw[16]); err != nil {
		return err
	}
	if s.Written, err = moment(raw[17]); err != nil {
		return err
	}
	if raw[19] != nil {
		if len(raw[19]) != 8 {
			return errFormat
		}
		s.N = Int(raw[19])
	}
	return nil
}

// known gives the few texts that most rows have without a copy of each.
func known(b []byte) string {
	switch string(b) {
	case "person":
		return "person"
	case "system":
		return "system"
	case "public":
		return "public"
	case "user":
		return "user"
	case "permitted":
		return "permitted"
	case "refused":
		return "refused"
	}
	return string(b)
}

// Int reads a bigint.
func Int(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) } //nolint:gosec // as PostgreSQL writes it

func moment(b []byte) (time.Time, error) {
	if b == nil {
		return time.Time{}, nil
	}
	if len(b) != 8 {
		return time.Time{}, errFormat
	}
	return time.UnixMicro(Int(b) + epoch).UTC(), nil
}

const uuidLength = 36

func appendUUID(text, b []byte) ([]byte, error) {
	if b == nil {
		return text, nil
	}
	if len(b) != 16 {
		return nil, errFormat
	}
	for i, c := range b {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			text = append(text, '-')
		}
		const digits = "0123456789abcdef"
		text = append(text, digits[c>>4], digits[c&15])
	}
	return text, nil
}
