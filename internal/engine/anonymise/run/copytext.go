package run

import (
	"bytes"
	"strings"
)

// PostgreSQL's text format of COPY: fields between tabs, a row on a line, \N for NULL, what would be mistaken for these behind a backslash.

const null = `\N`

func isNull(field []byte) bool { return len(field) == 2 && field[0] == '\\' && field[1] == 'N' }

// appendFields cuts a row, without the end of its line, into its fields, which stay as they are written.
func appendFields(dst [][]byte, row []byte) [][]byte {
	for {
		i := bytes.IndexByte(row, '\t')
		if i < 0 {
			return append(dst, row)
		}
		dst = append(dst, row[:i:i])
		row = row[i+1:]
	}
}

// appendPlain appends the value that a field stands for. Only what COPY TO writes is read.
func appendPlain(dst, field []byte) []byte {
	for {
		i := bytes.IndexByte(field, '\\')
		if i < 0 || i+1 == len(field) {
			return append(dst, field...)
		}
		dst = append(dst, field[:i]...)
		c := field[i+1]
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'v':
			c = '\v'
		}
		dst = append(dst, c)
		field = field[i+2:]
	}
}

// plain gives the value that a field stands for: the field itself when nothing in it is escaped, else what is in buf.
func plain(buf, field []byte) (value, buffer []byte) {
	if bytes.IndexByte(field, '\\') < 0 {
		return field, buf
	}
	buf = appendPlain(buf[:0], field)
	return buf, buf
}

// appendEscaped appends a value as a field.
func appendEscaped(dst, value []byte) []byte {
	from := 0
	for i, c := range value {
		var e byte
		switch c {
		case '\\':
			e = '\\'
		case '\b':
			e = 'b'
		case '\f':
			e = 'f'
		case '\n':
			e = 'n'
		case '\r':
			e = 'r'
		case '\t':
			e = 't'
		case '\v':
			e = 'v'
		default:
			continue
		}
		dst = append(append(dst, value[from:i]...), '\\', e)
		from = i + 1
	}
	return append(dst, value[from:]...)
}

// elements calls do with each element of an array as PostgreSQL writes it, without its quotes; NULL ones are left out. buf is kept for it.
func elements(buf, array []byte, do func([]byte)) []byte {
	if len(array) > 0 && array[0] == '[' { // bounds: [0:1]={…}
		i := bytes.IndexByte(array, '=')
		array = array[i+1:]
	}
	for i := 0; i < len(array); {
		switch c := array[i]; c {
		case '{', '}', ',':
			i++
			continue
		case '"':
			buf = buf[:0]
			for i++; i < len(array) && array[i] != '"'; i++ {
				if array[i] == '\\' && i+1 < len(array) {
					i++
				}
				buf = append(buf, array[i])
			}
			i++
			do(buf)
		default:
			from := i
			buf = buf[:0]
			for i < len(array) && array[i] != ',' && array[i] != '}' {
				if array[i] == '\\' && i+1 < len(array) {
					i++
				}
				buf = append(buf, array[i])
				i++
			}
			if !bytes.EqualFold(array[from:i], []byte("NULL")) {
				do(buf)
			}
		}
	}
	return buf
}

func isArray(typ string) bool { return strings.HasSuffix(typ, "[]") }
