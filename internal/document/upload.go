package document

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/garant-project/garant/internal/errs"
)

const (
	// MaxSize is the largest document, in bytes.
	MaxSize = 20_000_000
	// MaxForm is the largest body of a form with documents: web.Route.MaxBody of its route. All
	// documents of one form together are at most [MaxSize] and a little.
	MaxForm = MaxSize + 1<<20

	maxName   = 120 // letters
	maxFields = 1 << 20
	maxFiles  = 10

	patience = 5 * time.Minute
)

// Upload is a document that was received whole, looked at, and not kept yet.
type Upload struct {
	Name    string // fit for every file system
	Type    string // media type, by the content
	SHA256  string // hex
	content []byte
}

// Size is the number of bytes.
func (u *Upload) Size() int64 { return int64(len(u.content)) }

// Receive reads a document and tells its type. It touches no database: a slow sender holds up
// nobody. The errors are Invalid: document.empty, document.too_large, document.refused.*,
// document.contradicts; or whatever r fails with.
func Receive(name string, r io.Reader) (*Upload, error) {
	content, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, err
	}
	switch {
	case len(content) == 0:
		return nil, errEmpty()
	case len(content) > MaxSize:
		return nil, errTooLarge()
	}
	k, err := sniff(content)
	if err != nil {
		return nil, err
	}
	k, name, err = agree(k, cleanName(name))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	return &Upload{Name: name, Type: k.media, SHA256: hex.EncodeToString(sum[:]), content: content}, nil
}

func errEmpty() *errs.Error {
	return errs.New(errs.Invalid, "document.empty", "This document is empty.").WithFix("Choose another one.")
}

func errTooLarge() *errs.Error {
	return errs.New(errs.Invalid, "document.too_large", "A document has at most 20 MB.").
		WithFix("Make it smaller, for instance with pictures of a lower resolution, or upload it in parts.")
}

// ParseForm reads a form that may hold documents, from first to last, without a temporary file on
// any disk. The values are there even when a document is refused, so that the form can be shown
// again: the error is then the first document's. File fields that were left empty are nothing.
// The error is Invalid (document.form) for what is no form, or *http.MaxBytesError. The sender has
// five minutes from now on, whatever the server grants others: 20 MB take three at 1 Mbit/s.
func ParseForm(w http.ResponseWriter, r *http.Request) (values url.Values, files map[string][]*Upload, err error) {
	values, files = url.Values{}, map[string][]*Upload{}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "multipart/form-data" {
		if err := r.ParseForm(); err != nil {
			return nil, nil, unreadable(err)
		}
		return r.PostForm, files, nil
	}
	c, until := http.NewResponseController(w), time.Now().Add(patience)
	_ = c.SetReadDeadline(until) // a writer that keeps no deadline has none to put off
	_ = c.SetWriteDeadline(until.Add(time.Minute))
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, nil, unreadable(err)
	}
	var first error
	room, count := int64(maxFields), 0
	for {
		part, err := parts.NextPart()
		if err == io.EOF { //nolint:errorlint // bare at the end; wrapped when the body was cut off
			return values, files, first
		}
		if err != nil {
			return nil, nil, unreadable(err)
		}
		if !isFile(part) {
			value, err := io.ReadAll(io.LimitReader(part, room+1))
			if room -= int64(len(value)) + 64; err != nil || room < 0 {
				return nil, nil, unreadable(err)
			}
			values.Add(part.FormName(), string(value))
			continue
		}
		upload, err := receivePart(part)
		switch {
		case err != nil && errs.Is(err, errs.Invalid):
			if first == nil {
				first = err
			}
		case err != nil:
			return nil, nil, unreadable(err)
		case upload != nil:
			if count++; count > maxFiles {
				return values, files, errs.New(errs.Invalid, "document.too_many", "That is more documents than a form takes at once.").WithFix("Upload at most ten at a time.")
			}
			files[part.FormName()] = append(files[part.FormName()], upload)
		}
	}
}

func isFile(part *multipart.Part) bool {
	_, parameters, err := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
	_, named := parameters["filename"]
	return err == nil && named
}

// receivePart reads a document; nil for a file field that was left empty, which browsers send
// without name and content.
func receivePart(part *multipart.Part) (*Upload, error) {
	upload, err := Receive(part.FileName(), part)
	if err == nil || part.FileName() != "" {
		return upload, err
	}
	var known *errs.Error
	if errors.As(err, &known) && known.ID == "document.empty" {
		return nil, nil //nolint:nilnil // nothing was sent
	}
	return nil, err
}

func unreadable(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return err
	}
	return errs.New(errs.Invalid, "document.form", "What was sent could not be read.").WithFix("Go back, reload the page and try again.")
}

// cleanName makes the name that a stranger gave fit to be shown and saved: the last part of a
// path, without letters that cannot be seen, that turn the writing around, or that a file system
// does not take.
func cleanName(name string) string {
	name = norm.NFC.String(strings.ToValidUTF8(name, ""))
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r):
			return -1
		case strings.ContainsRune(`<>:"|?*`, r):
			return '_'
		}
		return r
	}, name)
	name = strings.Trim(strings.Join(strings.Fields(name), " "), ". ")
	stem, extension := name, ""
	if i := strings.LastIndexByte(name, '.'); i > 0 && len(name)-i <= 10 {
		stem, extension = strings.TrimRight(name[:i], ". "), name[i:]
	}
	for utf8.RuneCountInString(stem) > maxName || len(stem) > 2*maxName { // 255 bytes are a name's limit on most file systems
		_, size := utf8.DecodeLastRuneInString(stem)
		stem = stem[:len(stem)-size]
	}
	if stem == "" {
		stem = "document"
	}
	if reserved(stem) {
		stem = "_" + stem
	}
	return stem + extension
}

// reserved reports whether Windows takes a name for a device.
func reserved(stem string) bool {
	device, _, _ := strings.Cut(strings.ToUpper(stem), ".")
	switch device {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	return len(device) == 4 && (strings.HasPrefix(device, "COM") || strings.HasPrefix(device, "LPT")) && device[3] >= '0' && device[3] <= '9'
}
