package export

import (
	"bytes"
	"encoding/json"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/garant-project/garant/internal/errs"
)

// line is an entry as JSON lines have it. Names are stable.
type line struct {
	Version    int            `json:"version"` // of these fields: 1
	UID        string         `json:"uid"`
	Position   int64          `json:"position,omitempty"`
	ID         int64          `json:"id"`
	At         string         `json:"at"`
	Occurred   string         `json:"occurred,omitempty"`
	Actor      lineActor      `json:"actor"`
	Tenant     string         `json:"tenant,omitempty"`
	Action     string         `json:"action"`
	Object     lineObject     `json:"object"`
	Outcome    string         `json:"outcome"`
	Reason     string         `json:"reason,omitempty"`
	Request    string         `json:"request,omitempty"`
	Detail     map[string]any `json:"detail,omitempty"`
	Changes    []changed      `json:"changes,omitempty"`
	Sealed     bool           `json:"sealed,omitempty"`
	Erased     bool           `json:"erased,omitempty"`
	Shortened  bool           `json:"shortened,omitempty"`
	Log        string         `json:"log,omitempty"`
	Tree       string         `json:"tree,omitempty"`
	Index      *int64         `json:"index,omitempty"`
	Leaf       string         `json:"leaf,omitempty"`
	Checkpoint string         `json:"checkpoint,omitempty"`
}

type lineActor struct {
	Kind    string `json:"kind"`
	ID      string `json:"id"`
	Session string `json:"session,omitempty"`
	Origin  string `json:"origin,omitempty"`
}

type lineObject struct {
	Kind string `json:"kind"`
	ID   string `json:"id"`
}

func jsonLine(l Line, o Options, shortened bool) any {
	e := l.Entry
	return line{
		Version: 1, UID: l.UID(), Position: l.Place.Position, ID: e.ID, At: stamp(e.At), Occurred: stamp(e.Occurred),
		Actor:  lineActor{string(e.Actor.Kind), e.Actor.ID, e.Actor.Session, e.Actor.Origin},
		Tenant: e.Tenant, Action: e.Action, Object: lineObject{e.Object.Kind, e.Object.ID}, Outcome: outcome(e),
		Reason: e.Reason, Request: e.Request, Detail: e.Detail, Changes: changes(e, o.Values), Sealed: closed(e), Erased: e.Erased, Shortened: shortened,
		Log: l.Place.Log, Tree: l.Place.Tree, Index: index(l.Place), Leaf: leaf(l.Place), Checkpoint: l.Checkpoint,
	}
}

// index is that of the leaf; nil: it has none yet.
func index(p Place) *int64 {
	if p.Tree == "" {
		return nil
	}
	return &p.Index
}

// encode writes a value as one line of JSON. What is no UTF-8 becomes U+FFFD.
func encode(v any, ascii bool) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, errs.New(errs.Internal, "export.encode", "An entry cannot be written.").Wrap(err)
	}
	return escaped(bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), ascii), nil
}

// escaped writes characters that turn text around or that nobody sees by their numbers, and with ascii all that are not ASCII. They
// stand in strings only: the rest of JSON is ASCII.
func escaped(text []byte, ascii bool) []byte {
	bare := func(r rune) bool {
		return r < 0x7f || !ascii && r > 0x9f && !unicode.Is(unicode.Cf, r) && !unicode.Is(unicode.Co, r)
	}
	if bytes.IndexFunc(text, func(r rune) bool { return !bare(r) }) < 0 {
		return text
	}
	out := make([]byte, 0, len(text)+len(text)/8)
	for rest := text; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		switch high, low := utf16.EncodeRune(r); {
		case bare(r):
			out = append(out, rest[:size]...)
		case high != unicode.ReplacementChar:
			out = number(number(out, high), low)
		default:
			out = number(out, r)
		}
		rest = rest[size:]
	}
	return out
}

func number(out []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	return append(out, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}
