package export

import (
	"strconv"
	"strings"

	"github.com/garant-project/garant/internal/web/console"
)

// Columns lists the columns of CSV, in their order. New ones are added at the end.
func Columns() []string {
	return []string{
		"uid", "position", "id", "at", "occurred", "actor_kind", "actor_id", "session", "origin", "tenant", "action", "object_kind", "object_id",
		"outcome", "reason", "request", "detail", "changes", "sealed", "erased", "log", "tree", "index", "leaf", "checkpoint",
	}
}

// cells writes an entry as a row. Detail and changes are JSON.
func cells(l Line, o Options) ([]byte, error) {
	e := l.Entry
	var detail, changed []byte
	var err error
	if len(e.Detail) > 0 {
		if detail, err = encode(e.Detail, false); err != nil {
			return nil, err
		}
	}
	if len(e.Changes) > 0 {
		if changed, err = encode(changes(e, o.Values), false); err != nil {
			return nil, err
		}
	}
	position, at, sealed, erased := "", "", "", ""
	if l.Place.Position != 0 {
		position = strconv.FormatInt(l.Place.Position, 10)
	}
	if i := index(l.Place); i != nil {
		at = strconv.FormatInt(*i, 10)
	}
	if closed(e) {
		sealed = "true"
	}
	if e.Erased {
		erased = "true"
	}
	return row(console.Guarded([]string{
		l.UID(), position, strconv.FormatInt(e.ID, 10), stamp(e.At), stamp(e.Occurred), string(e.Actor.Kind), e.Actor.ID, e.Actor.Session, e.Actor.Origin,
		e.Tenant, e.Action, e.Object.Kind, e.Object.ID, outcome(e), e.Reason, e.Request, string(detail), string(changed), sealed, erased,
		l.Place.Log, l.Place.Tree, at, leaf(l.Place), l.Checkpoint,
	})...), nil
}

// row writes a record of RFC 4180. Line breaks within a cell stay as they are, which encoding/csv would change; NUL, which its grammar does
// not know, and what is no UTF-8 become U+FFFD.
func row(cells ...string) []byte {
	var b strings.Builder
	for i, cell := range cells {
		if i > 0 {
			b.WriteByte(',')
		}
		cell = strings.ToValidUTF8(strings.ReplaceAll(cell, "\x00", "\uFFFD"), "\uFFFD")
		if !strings.ContainsAny(cell, ",\"\r\n") {
			b.WriteString(cell)
			continue
		}
		b.WriteByte('"')
		b.WriteString(strings.ReplaceAll(cell, `"`, `""`))
		b.WriteByte('"')
	}
	b.WriteString("\r\n")
	return []byte(b.String())
}
