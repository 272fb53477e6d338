// Package entries reads rows of the record as fast as they come, and makes their leaves again.
//
// Values are taken from the wire in PostgreSQL's binary format, without a conversion for each column: whoever verifies a
// record of years reads every row of it. Proven by TestIntact of package verify: leaves made from such rows are those that the sequencer made.
package entries

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/audit/leaf"
)

// Columns are what Decode reads, in its order, of audit.entry AS e.
const Columns = `e.id, e.at, e.actor_kind, e.actor_id, e.session, e.origin, e.tenant, e.action, e.outcome, e.object_kind, e.object_id,
e.reason, e.request, e.detail::text, e.subject, e.promise, e.occurred, e.written, e.writer, e.n, e.mac, e.changes`

// Width is how many columns that are.
const Width = 22

// Binary asks for results in the format that Decode reads: the first argument of a query.
var Binary = pgx.QueryResultFormats{pgx.BinaryFormatCode} //nolint:gochecknoglobals // a constant that Go has no form for

// Row is an entry, and what is sealed beside it.
type Row struct {
	leaf.Entry
	Changes []byte
}

var errFormat = errors.New("a row of the record is not in the format that was asked for")

// epoch is PostgreSQL's, in microseconds of Unix.
const epoch = 946_684_800_000_000

// Decode reads a row. Of byte slices it keeps copies only where keep is set; otherwise they are good until the next row.
func (r *Row) Decode(raw [][]byte, keep bool) (err error) {
	if len(raw) < Width || len(raw[0]) != 8 || len(raw[1]) != 8 {
		return errFormat
	}
	*r = Row{}
	s := &r.Said
	r.ID = Int(raw[0])
	if r.At, err = moment(raw[1]); err != nil {
		return err
	}
	s.ActorKind, s.ActorID, s.Session, s.Origin = known(raw[2]), string(raw[3]), string(raw[4]), string(raw[5])
	if s.Tenant, err = uuidText(raw[6]); err != nil {
		return err
	}
	s.Action, s.Outcome, s.ObjectKind, s.ObjectID = string(raw[7]), known(raw[8]), string(raw[9]), string(raw[10])
	s.Reason, s.Request, s.Subject = string(raw[11]), string(raw[12]), string(raw[14])
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
	if s.Writer, err = uuidText(raw[18]); err != nil {
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

func uuidText(b []byte) (string, error) {
	if b == nil {
		return "", nil
	}
	if len(b) != 16 {
		return "", errFormat
	}
	var out [36]byte
	hex.Encode(out[:8], b[:4])
	hex.Encode(out[9:13], b[4:6])
	hex.Encode(out[14:18], b[6:8])
	hex.Encode(out[19:23], b[8:10])
	hex.Encode(out[24:], b[10:])
	out[8], out[13], out[18], out[23] = '-', '-', '-', '-'
	return string(out[:]), nil
}
