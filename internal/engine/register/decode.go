package register

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"github.com/garant-project/garant/internal/errs"
)

// The bounds of a CSV file.
const (
	MaxImport      = 20_000_000 // bytes
	maxImportLines = 50_000
	maxColumns     = 200 // of which a register has a fraction
)

// decodeText finds out how a text is encoded and brings it to UTF-8. A byte order mark decides;
// without one, what is valid UTF-8 is UTF-8, and anything else is the Windows code page that
// spreadsheets of Western Europe write, of which Latin-1 is the part without curly quotes. Text with
// NUL is none of these.
func decodeText(content []byte) (text []byte, name string, err error) {
	var from encoding.Encoding
	switch {
	case bytes.HasPrefix(content, []byte{0xef, 0xbb, 0xbf}):
		content, name = content[3:], "UTF-8"
		if !utf8.Valid(content) {
			return nil, "", errEncoding()
		}
	case bytes.HasPrefix(content, []byte{0xff, 0xfe}):
		content, name, from = content[2:], "UTF-16 LE", unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	case bytes.HasPrefix(content, []byte{0xfe, 0xff}):
		content, name, from = content[2:], "UTF-16 BE", unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	case bytes.IndexByte(content, 0) >= 0:
		return nil, "", errEncoding()
	case utf8.Valid(content):
		name = "UTF-8"
	case !slices.ContainsFunc(content, func(b byte) bool { return b >= 0x80 && b < 0xa0 }):
		name, from = "Latin-1", charmap.ISO8859_1
	case !slices.ContainsFunc(content, func(b byte) bool { return bytes.IndexByte([]byte{0x81, 0x8d, 0x8f, 0x90, 0x9d}, b) >= 0 }):
		name, from = "Windows-1252", charmap.Windows1252
	default: // bytes that Windows-1252 does not have
		return nil, "", errEncoding()
	}
	if from != nil {
		if strings.HasPrefix(name, "UTF-16") && len(content)%2 != 0 {
			return nil, "", errEncoding()
		}
		if content, err = from.NewDecoder().Bytes(content); err != nil {
			return nil, "", errEncoding()
		}
		if bytes.IndexByte(content, 0) >= 0 || strings.HasPrefix(name, "UTF-16") && bytes.ContainsRune(content, utf8.RuneError) {
			return nil, "", errEncoding()
		}
	}
	return content, name, nil
}

func errEncoding() error {
	return errs.New(errs.Invalid, "register.import.encoding", "The encoding of the file is not recognised.").WithFix("Save it from the spreadsheet as CSV UTF-8.")
}

// table reads the lines of a CSV text.
type table struct {
	csv       *csv.Reader
	header    []string
	separator rune
	offset    int // lines before the first one that csv sees
}

// openTable reads the first line. The separator is the one of ; , and tab that makes the most known
// columns of it; "sep=;" on a line of its own, as spreadsheets write it, decides.
func openTable(text []byte, known func(header string) bool) (*table, error) {
	t := &table{}
	candidates := []rune{';', ',', '\t'}
	if rest, ok := bytes.CutPrefix(text, []byte("sep=")); ok && len(rest) > 1 && slices.Contains(candidates, rune(rest[0])) {
		if line, after, found := bytes.Cut(rest, []byte("\n")); found && len(bytes.TrimSpace(line[1:])) == 0 {
			candidates, text, t.offset = []rune{rune(rest[0])}, after, 1
		}
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, errs.New(errs.Invalid, "register.import.empty", "The file is empty.").WithFix("Put the names of the columns on the first line, then one entry a line.")
	}
	best := -1
	for _, c := range candidates {
		header, err := newCSV(text, c).Read()
		if err != nil {
			continue
		}
		n := 0
		for _, h := range header[:min(len(header), maxColumns)] {
			if known(h) {
				n++
			}
		}
		if n > best {
			best, t.separator = n, c
		}
	}
	if best < 0 {
		return nil, errQuotes(1 + t.offset)
	}
	if best == 0 {
		return nil, errs.New(errs.Invalid, "register.import.header", "No column of the file is recognised.").WithFix("Put the column names of the template on the first line.")
	}
	t.csv = newCSV(text, t.separator)
	header, err := t.csv.Read()
	if err != nil {
		return nil, t.wrong(err)
	}
	if len(header) > maxColumns { // each line would take as much memory as all of them
		return nil, errs.New(errs.Invalid, "register.import.wide", "The file has more than 200 columns.").WithFix("Remove those that the register does not have.")
	}
	t.header = slices.Clone(header)
	t.csv.ReuseRecord = true
	return t, nil
}

func newCSV(text []byte, separator rune) *csv.Reader {
	r := csv.NewReader(bytes.NewReader(text))
	r.Comma, r.FieldsPerRecord = separator, -1
	return r
}

// next reads a line with its number in the file; io.EOF after the last. Lines without anything
// in their cells are passed over. The cells hold until the next call.
func (t *table) next() (cells []string, line int, err error) {
	for {
		cells, err = t.csv.Read()
		if err == io.EOF { //nolint:errorlint // returned bare
			return nil, 0, io.EOF
		}
		if err != nil {
			return nil, 0, t.wrong(err)
		}
		line, _ = t.csv.FieldPos(0)
		if slices.ContainsFunc(cells, func(c string) bool { return strings.TrimSpace(c) != "" }) {
			return cells, line + t.offset, nil
		}
	}
}

func (t *table) wrong(err error) error {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return errQuotes(parse.StartLine + t.offset)
	}
	return err
}

func errQuotes(line int) error {
	return errs.New(errs.Invalid, "register.import.quotes", "A line of the file cannot be read as CSV.").With("Line", line).WithFix("Look for a quotation mark that is not closed.")
}

// unguard takes away the apostrophe that an export puts before what a spreadsheet would take for a
// formula, so that what was exported comes in as it was.
func unguard(cell string) string {
	rest, ok := strings.CutPrefix(cell, "'")
	if !ok {
		return cell
	}
	first, _ := utf8.DecodeRuneInString(strings.TrimLeft(rest, " \u00a0"))
	if strings.ContainsRune("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20", first) {
		return rest
	}
	return cell
}
