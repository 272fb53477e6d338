package export

import (
	"bufio"
	"encoding/base64"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/audit"
	"github.com/garant-project/garant/internal/errs"
)

// Format is a way to write entries.
type Format string

// The formats.
const (
	CSV  Format = "csv"
	JSON Format = "json"
	OCSF Format = "ocsf"
)

// Formats lists the formats.
func Formats() []Format { return []Format{CSV, JSON, OCSF} }

// ContentType is what HTTP calls a format.
func (f Format) ContentType() string {
	if f == CSV {
		return "text/csv; charset=utf-8; header=present"
	}
	return "application/x-ndjson"
}

// Extension is what names of files in a format end with.
func (f Format) Extension() string {
	if f == CSV {
		return ".csv"
	}
	return "." + string(f) + "l"
}

// standIn acts in lines that stand in place of an entry that somebody took away or changed in the database.
const standIn = "stream"

// StandIn makes an entry that stands in place of one that cannot be handed out.
func StandIn(action string, id int64) audit.Entry {
	e := audit.Entry{ID: id, Actor: actor.NewSystem(standIn), Action: action, Object: audit.Object{Kind: "entry"}}
	e.Actor.Name = ""
	if id != 0 { // else its leaf is gone, too
		e.Object.ID = strconv.FormatInt(id, 10)
	}
	return e
}

// Tampered reports whether an entry stands in place of one that somebody took away or changed.
func Tampered(e audit.Entry) bool { return e.Actor.Kind == actor.System && e.Actor.ID == standIn }

// Place is where an entry stands in the record. The zero value: it is not sequenced yet.
type Place struct {
	Log      string // origin of the generation of the log; a restored database goes on under another
	Position int64  // in the order of sequencing over all trees, from 1
	Tree     string // the tree that the leaf is in
	Index    int64  // of the leaf, from 0
	Leaf     []byte // RFC 6962 hash of the leaf: 32 bytes
}

// Line is an entry as it leaves, with its place.
type Line struct {
	Entry      audit.Entry
	Place      Place
	Checkpoint string // signed note over this line and those before it in the batch; of the last line of a batch
}

// UID names the line for good: the receiver drops what it has already. A log that was restored to a moment
// before gives positions anew, under another origin.
func (l Line) UID() string {
	if l.Place.Position == 0 {
		return "entry/" + strconv.FormatInt(l.Entry.ID, 10)
	}
	position := strconv.FormatInt(l.Place.Position, 10)
	if l.Place.Log == "" {
		return position
	}
	return l.Place.Log + "/" + position
}

// Options say what is written besides.
type Options struct {
	Values bool   // the values before and after a change, where they can still be opened
	ASCII  bool   // JSON and OCSF: nothing but ASCII, which means the same
	Most   int    // JSON and OCSF: bytes of a line; a longer one is shortened, and says so. 0: no bound
	Build  string // version of Garant, for OCSF
}

// LeastMost is the least bound that Options.Most can have: a shortened line fits.
const LeastMost = 6 << 10

// Writer writes lines to what it was made for, through a buffer of fixed size.
type Writer struct {
	out    *bufio.Writer
	render func(Line) ([]byte, error)
	begun  bool
	header []byte
}

// New makes a writer. Of an unknown format it is an error of kind Invalid.
func New(f Format, to io.Writer, o Options) (*Writer, error) {
	w := &Writer{out: bufio.NewWriterSize(to, 32<<10)}
	switch f {
	case CSV:
		w.header = row(Columns()...)
		w.render = func(l Line) ([]byte, error) { return cells(l, o) }
	case JSON, OCSF:
		w.render = func(l Line) ([]byte, error) {
			line, err := Render(f, l, o)
			return append(line, '\n'), err
		}
	default:
		return nil, errs.New(errs.Invalid, "export.format", "There is no such format.").WithFix("Take csv, json or ocsf.")
	}
	return w, nil
}

// Write writes one line.
func (w *Writer) Write(l Line) error {
	w.begin()
	line, err := w.render(l)
	if err != nil {
		return err
	}
	_, err = w.out.Write(line)
	return err
}

// Close writes what is in the buffer, and the header when there was no line. It does not close what the writer was made for.
func (w *Writer) Close() error {
	w.begin()
	return w.out.Flush()
}

func (w *Writer) begin() {
	if !w.begun {
		w.begun = true
		_, _ = w.out.Write(w.header) // a failure stays: Flush and the next Write return it
	}
}

// Render writes one line as JSON or OCSF, without a line break.
func Render(f Format, l Line, o Options) ([]byte, error) {
	build := jsonLine
	if f == OCSF {
		build = event
	}
	line, err := encode(build(l, o, false), o.ASCII)
	if err != nil || o.Most == 0 || len(line) <= o.Most {
		return line, err
	}
	for _, most := range []int{40, 20, 8} { // characters of a text; each may take twelve bytes, and stand in an event three times
		if most == 8 {
			l.Checkpoint = ""
		}
		if line, err = encode(build(short(l, most), o, true), o.ASCII); err != nil || len(line) <= o.Most {
			break
		}
	}
	return line, err
}

// short takes away all that can be long of an entry. What is left leads to the whole: uid, tree, index and leaf.
func short(l Line, most int) Line {
	e := &l.Entry
	e.Detail, e.Changes = nil, nil
	for _, text := range []*string{&e.Actor.ID, &e.Actor.Session, &e.Actor.Origin, &e.Action, &e.Object.Kind, &e.Object.ID, &e.Tenant, &e.Reason, &e.Request} {
		if runes := []rune(*text); len(runes) > most {
			*text = string(runes[:most]) + "…"
		}
	}
	return l
}

// outcome is how the record calls what became of it.
func outcome(e audit.Entry) string {
	if e.Refused {
		return "refused"
	}
	return "permitted"
}

// stamp writes a moment for programs: UTC, RFC 3339, microseconds as the database keeps them; the zero time is empty.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000Z07:00")
}

func leaf(p Place) string {
	if len(p.Leaf) == 0 {
		return ""
	}
	return base64.StdEncoding.EncodeToString(p.Leaf)
}

// closed reports whether there are changes that whoever writes did not open.
func closed(e audit.Entry) bool { return e.Sealed && !e.Erased && len(e.Changes) == 0 }

// changes writes what changed: the names of fields, sorted as they are, with values only where they were asked for.
func changes(e audit.Entry, values bool) []changed {
	list := make([]changed, 0, len(e.Changes))
	for _, c := range e.Changes {
		if values {
			list = append(list, changed{Field: c.Field, Before: c.Before, After: c.After})
		} else {
			list = append(list, changed{Field: c.Field})
		}
	}
	return slices.Clip(list)
}

type changed struct {
	Field  string  `json:"field"`
	Before *string `json:"before,omitempty"`
	After  *string `json:"after,omitempty"`
}
