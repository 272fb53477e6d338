package console

import (
	"encoding/csv"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// CSV sends a table as CSV (RFC 4180), a batch at a time, until next returns none. An error of
// the first batch is returned and nothing is sent; later ones end the connection, so that what
// was received is not taken for the whole.
func CSV(w http.ResponseWriter, name string, header []string, next func() ([][]string, error)) error {
	batch, err := next()
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	out := csv.NewWriter(w)
	out.UseCRLF = true
	write := func(row []string) error { return out.Write(Guarded(row)) }
	if err := write(header); err != nil {
		panic(http.ErrAbortHandler)
	}
	for len(batch) > 0 {
		for _, row := range batch {
			if err := write(row); err != nil {
				panic(http.ErrAbortHandler)
			}
		}
		if batch, err = next(); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
	if out.Flush(); out.Error() != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}

// Once gives CSV a table that is at hand.
func Once(rows [][]string) func() ([][]string, error) {
	return func() ([][]string, error) {
		batch := rows
		rows = nil
		return batch, nil
	}
}

// Guarded makes a row harmless in a spreadsheet: no cell of it is a formula.
func Guarded(row []string) []string {
	out := make([]string, len(row))
	for i, cell := range row {
		out[i] = guard(cell)
	}
	return out
}

// guard makes of a cell what no spreadsheet takes for a formula, by an apostrophe before it
// (OWASP, CSV Injection; the full-width signs are read as formulas where Japanese is set up).
func guard(cell string) string {
	first, _ := utf8.DecodeRuneInString(strings.TrimLeft(cell, " \u00a0"))
	if strings.ContainsRune("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20", first) {
		return "'" + cell
	}
	return cell
}

// Stamp writes a moment for programs: UTC, RFC 3339, microseconds as the database keeps them.
// The zero time is empty.
func Stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.999999Z07:00")
}
