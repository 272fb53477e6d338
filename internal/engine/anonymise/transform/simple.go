package transform

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// fitsColumn says whether a text that a plan gives is a value of the column, as far as can be told without asking PostgreSQL.
func (m *maker) fitsColumn(s string) error {
	bad := fmt.Errorf("%q is no value of type %s", s, m.column.Type)
	switch m.family {
	case Text:
		if m.column.Length > 0 && letters([]byte(s)) > m.column.Length {
			return fmt.Errorf("%q is longer than the %d letters of the column", s, m.column.Length)
		}
	case Integer:
		if n, _, ok := parseInteger([]byte(s)); !ok || n > mostOf(m.column.Type) {
			return bad
		}
	case Number:
		digits := strings.TrimPrefix(s, "-")
		if strings.Count(digits, ".") > 1 || !allDigits([]byte(strings.Replace(digits, ".", "", 1))) {
			return bad
		}
	case Boolean:
		if !slices.Contains([]string{"t", "f", "true", "false"}, s) {
			return bad
		}
	case Date, Timestamp:
		if d, ok := parseDate([]byte(s), false); !ok || d.form != 'y' {
			return bad
		}
	case UUID:
		if b, _ := readUUID(nil, []byte(s)); b == nil {
			return bad
		}
	case Enum:
		if !slices.Contains(m.column.Labels, s) {
			return fmt.Errorf("%q is none of the labels %s", s, strings.Join(m.column.Labels, ", "))
		}
	}
	return nil
}

// fixed gives the same for every value.
type fixed struct {
	standing
	text []byte
	null bool
}

// Append implements Transformer.
func (t *fixed) Append(dst, _ []byte, _ Row) ([]byte, error) {
	if t.null {
		return dst, ErrNull
	}
	return append(dst, t.text...), nil
}

// emptyOf is the value that says least of a type; false when there is none.
func (m *maker) emptyOf() (string, bool) {
	switch m.family {
	case Text:
		return "", m.column.Type != "xml"
	case Integer, Number:
		return "0", true
	case Boolean:
		return "f", true
	case Bytes:
		return `\x`, true
	case Array:
		return "{}", true
	case JSON:
		return "{}", true
	case UUID:
		return "00000000-0000-0000-0000-000000000000", true
	case Hardware:
		return "00:00:00:00:00:00", m.column.Type == "macaddr"
	case Network:
		return "192.0.2.0", true
	case Date:
		return "1970-01-01", true
	case Timestamp:
		return "1970-01-01 00:00:00", true
	case Point:
		return "(0,0)", true
	case Enum:
		return m.column.Labels[0], true
	}
	switch m.column.Type {
	case "interval":
		return "00:00:00", true
	case "time without time zone", "time with time zone":
		return "00:00:00", true
	case "hstore", "public.hstore", "tsvector", "bit varying":
		return "", true
	case "money":
		return "0", true
	}
	if strings.HasSuffix(m.column.Type, "range") {
		return "empty", true
	}
	return "", false
}

// suppress leaves nothing of a value: NULL, or where that may not be the value that says least.
func makeSuppress(m *maker) (Transformer, error) {
	as := m.text("as", "")
	if as == "" {
		if as = "null"; m.column.NotNull {
			as = "empty"
		}
	}
	switch as {
	case "null":
		if m.column.NotNull {
			return nil, errors.New("the column takes no NULL; leave out the argument, or write as: empty")
		}
		return &fixed{null: true}, nil
	case "empty":
		if m.column.Unique {
			return nil, errors.New("the column is unique and takes no NULL; take hash, rekey or credential")
		}
		text, ok := m.emptyOf()
		if !ok {
			return nil, fmt.Errorf("type %s has no empty value that is known; take constant with a value of it", m.column.Type)
		}
		return &fixed{text: []byte(text)}, nil
	}
	return nil, fmt.Errorf(`argument "as" is %q; it may be null, empty`, as)
}

func makeConstant(m *maker) (Transformer, error) {
	v, ok := m.get("value")
	if !ok {
		return nil, errors.New(`takes the argument "value"`)
	}
	var s string
	switch v := v.(type) {
	case string:
		s = v
	case int, int64, float64, bool:
		s = fmt.Sprint(v)
	default:
		return nil, errors.New(`argument "value" must be text, a number, true or false`)
	}
	if strings.ContainsRune(s, 0) {
		return nil, errors.New(`argument "value" holds a NUL, which no value of PostgreSQL does`)
	}
	if m.column.Unique {
		return nil, errors.New("gives the same for every row, and the column is unique")
	}
	if err := m.fitsColumn(s); err != nil {
		return nil, err
	}
	return &fixed{text: []byte(s)}, nil
}

// same gives back what it is given.
type same struct{ standing }

// Append implements Transformer.
func (same) Append(dst, value []byte, _ Row) ([]byte, error) { return append(dst, value...), nil }

func makeKeep(m *maker) (Transformer, error) {
	m.text("reason", "")
	return same{}, nil
}

// sql gives back what it is given too: the source has put the expression in the column's place.
func makeSQL(m *maker) (Transformer, error) {
	if m.text("expression", "") == "" {
		return nil, errors.New(`takes the argument "expression", SQL over the columns of the row`)
	}
	return same{}, nil
}

// Expression is what the source is to select in place of the column, for a spec that is one of SQL.
func Expression(s Spec) (string, bool) {
	if s.Name != "sql" {
		return "", false
	}
	e, ok := s.Args["expression"].(string)
	return e, ok && e != ""
}

// credential makes a secret that opens nothing. A hash of a password keeps the form of its scheme and is that of no password; anything else is emptied, or drawn
// anew where it must be unique.
type credential struct {
	standing
	empty bool
	bytes bool
	limit int
	mac   *mac
	taken func([]byte) bool
}

// bcrypt is written with $2…$cost$, 22 letters of salt and 31 of the hash. The last letter of the salt and of the hash carry bits that are not used; a
// dot is right for both.
const bcryptRest = "....................................................."

// Append implements Transformer.
func (t *credential) Append(dst, value []byte, _ Row) ([]byte, error) {
	switch {
	case t.bytes && t.empty:
		return append(dst, `\x`...), nil
	case t.bytes:
		d := t.mac.draw(value, 0)
		dst = append(dst, `\x`...)
		for range 4 {
			for range 8 {
				const hex = "0123456789abcdef"
				dst = append(dst, hex[d.Below(16)], hex[d.Below(16)])
			}
		}
		return dst, nil
	case !t.empty:
		return t.appendUnique(dst, value)
	}
	start := len(dst)
	if len(value) == 60 && value[0] == '$' && value[1] == '2' && value[6] == '$' {
		dst = append(append(dst, value[:7]...), bcryptRest...)
	} else if n := bytes.LastIndexByte(value, '$'); n > 0 && value[0] == '$' && len(value) > 20 { // $argon2id$…, $6$…: the scheme, and no hash
		end := bytes.IndexByte(value[1:], '$') + 1
		dst = append(append(dst, value[:end+1]...), '!')
	}
	return cut(dst, start, t.limit), nil
}

// appendUnique draws 24 letters, or as many as there is room for: a secret of the copy, which opens nothing elsewhere.
func (t *credential) appendUnique(dst, value []byte) ([]byte, error) {
	start := len(dst)
	for again := range tries {
		dst = appendSuffix(dst[:start], t.mac.draw(value, again), min(24, t.limit))
		if !t.taken(dst[start:]) {
			return dst, nil
		}
	}
	return dst, errExhausted
}

func makeCredential(m *maker) (Transformer, error) {
	unique := m.wide()
	if unique && m.limit() < loneSuffixLength {
		return nil, fmt.Errorf("a length of %d is too short for secrets that are unique; it takes %d", m.limit(), loneSuffixLength)
	}
	return &credential{empty: !unique, bytes: m.family == Bytes, limit: m.limit(), mac: m.env.Key.mac("credential"), taken: m.taken(personal.Credential)}, nil
}

// file drops the content of documents.
func makeFile(m *maker) (Transformer, error) {
	if m.column.Unique {
		return nil, errors.New("empties every row, and the column is unique; take credential")
	}
	if !m.column.NotNull {
		return &fixed{null: true}, nil
	}
	text, _ := m.emptyOf()
	return &fixed{text: []byte(text)}, nil
}
