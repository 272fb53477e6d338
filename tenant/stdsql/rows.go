package stdsql

import (
	"database/sql/driver"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/garant-project/garant/tenant"
)

// rows are what database/sql reads, of what pgx reads.
type rows struct {
	found pgx.Rows
	ahead bool // the next row was read already
	more  bool // whether there was one
	names []string
}

// begun reads the first row, before which the columns are not known, and errors neither.
func begun(found pgx.Rows) (driver.Rows, error) {
	r := &rows{found: found, ahead: true, more: found.Next()}
	if err := found.Err(); err != nil {
		found.Close()
		return nil, tenant.Explain(err)
	}
	for _, f := range found.FieldDescriptions() {
		r.names = append(r.names, f.Name)
	}
	return r, nil
}

// Columns are the names.
func (r *rows) Columns() []string { return r.names }

// ColumnTypeDatabaseTypeName is the type's name, as PostgreSQL has it, in capitals.
func (r *rows) ColumnTypeDatabaseTypeName(i int) string {
	f := r.found.FieldDescriptions()[i]
	if t, ok := r.found.TypeMap().TypeForOID(f.DataTypeOID); ok {
		return strings.ToUpper(t.Name)
	}
	return fmt.Sprint(f.DataTypeOID)
}

// Next reads a row, each column as one of the types that database/sql knows.
func (r *rows) Next(into []driver.Value) error {
	if !r.ahead {
		r.more = r.found.Next()
	}
	r.ahead = false
	if !r.more {
		if err := r.found.Err(); err != nil {
			return tenant.Explain(err)
		}
		return io.EOF
	}
	types, fields := r.found.TypeMap(), r.found.FieldDescriptions()
	for i, raw := range r.found.RawValues() {
		var err error
		if into[i], err = value(types, fields[i].DataTypeOID, fields[i].Format, raw); err != nil {
			return fmt.Errorf("tenant: column %s: %w", r.names[i], err)
		}
	}
	return nil
}

// value is a column's value. What database/sql has no type for is the text that PostgreSQL prints.
func value(types *pgtype.Map, oid uint32, format int16, raw []byte) (driver.Value, error) {
	if raw == nil {
		return nil, nil
	}
	t, known := types.TypeForOID(oid)
	if !known {
		return string(raw), nil // text: the binary form is only asked for of known types
	}
	v, err := t.Codec.DecodeDatabaseSQLValue(types, oid, format, raw)
	if _, plain := v.([]byte); err != nil || !plain || format == pgx.TextFormatCode || oid == pgtype.ByteaOID {
		return v, err
	}
	decoded, err := t.Codec.DecodeValue(types, oid, format, raw)
	if err != nil {
		return nil, err
	}
	text, err := types.Encode(oid, pgx.TextFormatCode, decoded, nil)
	return string(text), err
}

// Close ends the query, and the transaction if it is one by itself.
func (r *rows) Close() error {
	r.found.Close()
	return tenant.Explain(r.found.Err())
}
