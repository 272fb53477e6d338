package transform

import (
	"errors"
	"strings"
)

// arrayTransformer replaces each element of an array; NULL elements, nesting and bounds stay.
type arrayTransformer struct {
	each       Transformer
	item, made []byte
}

// array makes a transformer of arrays from one that fits their elements.
func (m *maker) array(spec Spec) (Transformer, error) {
	column := m.column
	column.Type = strings.TrimSuffix(column.Type, "[]")
	column.Unique, column.NotNull = false, false
	each, err := make1(spec, column, m.env)
	if err != nil {
		return nil, err
	}
	return &arrayTransformer{each: each}, nil
}

var errNotArray = errors.New("a value is not written as an array")

// Close implements Transformer.
func (t *arrayTransformer) Close() error { return t.each.Close() }

// Append implements Transformer.
func (t *arrayTransformer) Append(dst, value []byte, row Row) ([]byte, error) {
	i := 0
	if len(value) > 0 && value[0] == '[' { // bounds: [0:1]={…}
		for i < len(value) && value[i] != '=' {
			i++
		}
		i = min(i+1, len(value))
		dst = append(dst, value[:i]...)
	}
	depth := 0
	for i < len(value) {
		c := value[i]
		switch c {
		case '{':
			depth++
		case '}':
			depth--
		case ',':
		default:
			var err error
			if depth < 1 {
				return dst, errNotArray
			}
			if i, dst, err = t.element(dst, value, i, row); err != nil {
				return dst, err
			}
			continue
		}
		if depth < 0 || depth == 0 && i+1 < len(value) {
			return dst, errNotArray
		}
		dst = append(dst, c)
		i++
	}
	if depth != 0 || len(value) == 0 {
		return dst, errNotArray
	}
	return dst, nil
}

// element replaces the element that begins at i, and says where it ends.
func (t *arrayTransformer) element(dst, value []byte, i int, row Row) (int, []byte, error) {
	t.item = t.item[:0]
	if value[i] == '"' {
		for i++; ; i++ {
			if i >= len(value) {
				return i, dst, errNotArray
			}
			c := value[i]
			if c == '"' {
				i++
				break
			}
			if c == '\\' {
				if i++; i >= len(value) {
					return i, dst, errNotArray
				}
				c = value[i]
			}
			t.item = append(t.item, c)
		}
	} else {
		for i < len(value) && value[i] != ',' && value[i] != '}' && value[i] != '{' && value[i] != '"' {
			if value[i] == '\\' {
				if i++; i >= len(value) {
					return i, dst, errNotArray
				}
			}
			t.item = append(t.item, value[i])
			i++
		}
		if isNull(t.item) {
			return i, append(dst, "NULL"...), nil
		}
	}
	var err error
	if t.made, err = t.each.Append(t.made[:0], t.item, row); errors.Is(err, ErrNull) {
		return i, append(dst, "NULL"...), nil
	} else if err != nil {
		return i, dst, err
	}
	return i, appendElement(dst, t.made), nil
}

// isNull reports whether an element without quotes is NULL, in whatever case.
func isNull(item []byte) bool {
	return len(item) == 4 && item[0]|0x20 == 'n' && item[1]|0x20 == 'u' && item[2]|0x20 == 'l' && item[3]|0x20 == 'l'
}

// appendElement writes an element in quotes when it needs them.
func appendElement(dst, item []byte) []byte {
	quote := len(item) == 0 || isNull(item)
	for _, c := range item {
		quote = quote || c == '{' || c == '}' || c == ',' || c == '"' || c == '\\' || c == ' ' || '\t' <= c && c <= '\r'
	}
	if !quote {
		return append(dst, item...)
	}
	dst = append(dst, '"')
	for _, c := range item {
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}
