package document

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"path"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/garant-project/garant/internal/errs"
)

// kind is a type of document that is kept.
type kind struct {
	media      string
	extensions []string // the first is given to a document without one
}

// The types that are kept. The list is short on purpose: what people attach as proof.
var (
	pdf  = kind{"application/pdf", []string{"pdf"}}
	png  = kind{"image/png", []string{"png"}}
	jpeg = kind{"image/jpeg", []string{"jpg", "jpeg"}}
	webp = kind{"image/webp", []string{"webp"}}
	text = kind{"text/plain", []string{"txt", "text", "md", "log"}}
	csv  = kind{"text/csv", []string{"csv"}}
	odt  = kind{"application/vnd.oasis.opendocument.text", []string{"odt"}}
	ods  = kind{"application/vnd.oasis.opendocument.spreadsheet", []string{"ods"}}
	odp  = kind{"application/vnd.oasis.opendocument.presentation", []string{"odp"}}
	docx = kind{"application/vnd.openxmlformats-officedocument.wordprocessingml.document", []string{"docx"}}
	xlsx = kind{"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", []string{"xlsx"}}
	pptx = kind{"application/vnd.openxmlformats-officedocument.presentationml.presentation", []string{"pptx"}}
)

// Accept is what a file field of a form offers to choose from.
const Accept = ".pdf,.png,.jpg,.jpeg,.webp,.txt,.md,.log,.csv,.odt,.ods,.odp,.docx,.xlsx,.pptx"

// What is recognised in order to be refused by name, as the end of a message id.
const (
	isMarkup     = "markup"     // HTML, SVG, XML
	isScript     = "script"     // a line that names an interpreter
	isProgram    = "program"    // an executable of some system
	isArchive    = "archive"    // a container whose content nobody looked at
	isMacros     = "macros"     // an office document that runs
	isOldOffice  = "old_office" // the office formats before 2007, which may run
	isIncomplete = "incomplete" // begins like a kept type and does not end like one
	isUnknown    = "unknown"
)

// sniff tells the type of a content. The error is Invalid: document.refused.
func sniff(content []byte) (kind, error) {
	has := func(prefix string) bool { return bytes.HasPrefix(content, []byte(prefix)) }
	switch {
	case has("%PDF-"):
		// ISO 32000-1, 7.5.5: the last line is %%EOF; programs append a little after it.
		return complete(pdf, bytes.Contains(tail(content, 4096), []byte("%%EOF")))
	case has("\x89PNG\r\n\x1a\n"):
		return complete(png, len(content) > 32 && string(content[12:16]) == "IHDR" && bytes.Contains(tail(content, 64), []byte("IEND")))
	case has("\xff\xd8\xff"):
		return complete(jpeg, bytes.Contains(content[2:], []byte("\xff\xd9")))
	case has("RIFF") && len(content) > 15 && string(content[8:12]) == "WEBP":
		return complete(webp, uint64(binary.LittleEndian.Uint32(content[4:8]))+8 <= uint64(len(content)))
	case has("PK\x03\x04"):
		return office(content)
	case has("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
		return kind{}, refused(isOldOffice)
	case runs(content):
		return kind{}, refused(isProgram)
	case packed(content):
		return kind{}, refused(isArchive)
	case has("#!"):
		return kind{}, refused(isScript)
	}
	written, ok := plain(content)
	if !ok {
		return kind{}, refused(isUnknown)
	}
	switch written = strings.TrimSpace(written); {
	case strings.HasPrefix(written, "<"):
		return kind{}, refused(isMarkup)
	case strings.HasPrefix(written, "#!"):
		return kind{}, refused(isScript)
	case strings.HasPrefix(written, "{\\rtf"), strings.HasPrefix(written, "%!"):
		return kind{}, refused(isUnknown)
	case written == "":
		return kind{}, errEmpty()
	}
	return text, nil
}

func complete(k kind, whole bool) (kind, error) {
	if !whole {
		return kind{}, refused(isIncomplete)
	}
	return k, nil
}

func tail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

// runs reports whether the content begins like a program: PE and DOS, ELF, Mach-O and Java
// classes, WebAssembly, Windows shortcuts.
func runs(content []byte) bool {
	return slices.ContainsFunc([]string{
		"MZ", "\x7fELF", "\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf", "\xce\xfa\xed\xfe", "\xcf\xfa\xed\xfe", "\xca\xfe\xba\xbe", "\x00asm", "L\x00\x00\x00\x01\x14\x02\x00",
	}, func(magic string) bool { return bytes.HasPrefix(content, []byte(magic)) })
}

func packed(content []byte) bool {
	return slices.ContainsFunc([]string{"PK", "\x1f\x8b", "BZh", "\xfd7zXZ\x00", "7z\xbc\xaf\x27\x1c", "Rar!", "\x28\xb5\x2f\xfd"},
		func(magic string) bool { return bytes.HasPrefix(content, []byte(magic)) })
}

// office tells the office documents by the list of their parts; no part is unpacked, but for
// ODF's first, which is stored as it is (OpenDocument 1.3 part 2, 3.3).
func office(content []byte) (kind, error) {
	r, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return kind{}, refused(isIncomplete)
	}
	if len(r.File) > 20_000 {
		return kind{}, refused(isArchive)
	}
	parts := map[string]bool{}
	for _, f := range r.File {
		name := strings.ToLower(f.Name)
		parts[name] = true
		base := path.Base(name)
		if strings.HasPrefix(base, "vbaproject") || strings.HasPrefix(name, "basic/") || strings.HasPrefix(name, "scripts/") || strings.Contains(name, "/activex/") || strings.HasSuffix(name, "macrosheets") || strings.Contains(name, "/macrosheets/") {
			return kind{}, refused(isMacros)
		}
	}
	for _, k := range []kind{odt, ods, odp} {
		if bytes.HasPrefix(content[30:], append([]byte("mimetype"), k.media...)) && parts["content.xml"] {
			return k, nil
		}
	}
	if parts["[content_types].xml"] {
		for part, k := range map[string]kind{"word/document.xml": docx, "xl/workbook.xml": xlsx, "ppt/presentation.xml": pptx} {
			if parts[part] {
				return k, nil
			}
		}
	}
	return kind{}, refused(isArchive)
}

// plain reads a text: UTF-8, UTF-16 with its mark, or one byte for a letter. A control character
// that no text holds makes it something else.
func plain(content []byte) (string, bool) {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(content, []byte("\xff\xfe")):
		order = binary.LittleEndian
	case bytes.HasPrefix(content, []byte("\xfe\xff")):
		order = binary.BigEndian
	}
	if order == nil {
		content = bytes.TrimPrefix(content, []byte("\xef\xbb\xbf"))
		ok := !slices.ContainsFunc(content, func(b byte) bool { return control(rune(b)) })
		return string(content), ok
	}
	if len(content)%2 != 0 {
		return "", false
	}
	units := make([]uint16, 0, len(content)/2)
	for i := 2; i < len(content); i += 2 {
		units = append(units, order.Uint16(content[i:]))
	}
	s := string(utf16.Decode(units))
	return s, !strings.ContainsFunc(s, control)
}

func control(r rune) bool {
	return r < 0x20 && r != '\t' && r != '\n' && r != '\r' && r != '\f' || r == 0x7f
}

// agree holds the type that was sniffed against the name, and returns the type and the name to
// keep.
func agree(k kind, name string) (kind, string, error) {
	extension := strings.ToLower(strings.TrimPrefix(path.Ext(name), "."))
	if extension == "" {
		return k, name + "." + k.extensions[0], nil
	}
	if k.media == text.media && slices.Contains(csv.extensions, extension) {
		return csv, name, nil // by its content a table is a text
	}
	if slices.Contains(k.extensions, extension) {
		return k, name, nil
	}
	return kind{}, "", errs.New(errs.Invalid, "document.contradicts",
		"The name of this document ends in ."+extension+", but by its content it is "+article(k)+".").
		With("Extension", extension).With("Actual", k.extensions[0]).
		WithFix("Give it the name that its content asks for, or save it anew in the program that made it.")
}

func article(k kind) string { return "a ." + k.extensions[0] }

func refused(why string) *errs.Error {
	texts := map[string]string{
		isMarkup:     "This is a web page, a drawing in SVG or other markup, which a browser could run.",
		isScript:     "This is a script.",
		isProgram:    "This is a program.",
		isArchive:    "This is an archive, and nobody would know what is in it.",
		isMacros:     "This document holds macros, which run when somebody opens it.",
		isOldOffice:  "This is in an office format from before 2007, which may hold macros.",
		isIncomplete: "This document is damaged or not whole.",
		isUnknown:    "The type of this document cannot be told from its content.",
	}
	return errs.New(errs.Invalid, "document.refused."+why, texts[why]).WithFix("Save it as a PDF, and upload that.")
}
