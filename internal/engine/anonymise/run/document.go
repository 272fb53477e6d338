package run

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/plan"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
)

// paths are the places in a document at which a plan says that something identifying stands.
type paths struct {
	keys  map[string]*paths
	any   *paths
	items *paths
	kind  personal.Kind
	named personal.Kind // of the keys
}

// everywhere are all values of a document, as sentences.
func everywhere() *paths {
	p := &paths{kind: personal.Text}
	p.any, p.items = p, p
	return p
}

// documentPaths reads them from the arguments of the transformer of documents, and from what the plan notes of its paths, as far as want says of a kind and a transformer that the values are read; nil when there are none. Whether
// the paths are written rightly, transform says.
func documentPaths(p plan.Column, want func(kind personal.Kind, transformer string) bool) *paths {
	type place struct {
		path string
		keys bool
	}
	noted := map[place]personal.Kind{}
	for _, n := range p.Paths {
		if n.Kind != "" {
			noted[place{n.Path, n.Keys}] = n.Kind
		}
	}
	root := &paths{}
	found := false
	for _, argument := range []string{"paths", "keys"} {
		all, _ := p.Transform.Args[argument].(map[string]any)
		for path, v := range all {
			kind, ok := noted[place{path, argument == "keys"}]
			if !ok {
				kind = kindOf(v)
			}
			if !want(kind, transformerOf(v)) {
				continue
			}
			at := root.find(path)
			if found = true; argument == "keys" {
				at.named = kind
			} else {
				at.kind = kind
			}
		}
	}
	if !found {
		return nil
	}
	return root
}

// kindOf tells what stands where a transformer is said to replace it.
func kindOf(v any) personal.Kind {
	d, ok := transform.Describe(transformerOf(v))
	if !ok || len(d.DefaultOf) != 1 {
		return personal.None
	}
	return d.DefaultOf[0]
}

func transformerOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case transform.Spec:
		return v.Name
	case map[string]any:
		name, _ := v["transform"].(string)
		return name
	}
	return ""
}

// find goes to a path, whose form is described at transform's json.
func (p *paths) find(path string) *paths {
	if path == "$" {
		return p
	}
	for path != "" {
		switch {
		case strings.HasPrefix(path, "[]"):
			if p.items == nil {
				p.items = &paths{}
			}
			p, path = p.items, path[2:]
			continue
		case path[0] == '.':
			path = path[1:]
		}
		var key string
		quoted := strings.HasPrefix(path, `"`)
		if quoted {
			var b strings.Builder
			i := 1
			for ; i < len(path) && path[i] != '"'; i++ {
				if path[i] == '\\' && i+1 < len(path) {
					i++
				}
				b.WriteByte(path[i])
			}
			key, path = b.String(), path[min(i+1, len(path)):]
		} else {
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			key, path = path[:end], path[end:]
		}
		if key == "*" && !quoted {
			if p.any == nil {
				p.any = &paths{}
			}
			p = p.any
			continue
		}
		if p.keys == nil {
			p.keys = map[string]*paths{}
		}
		if p.keys[key] == nil {
			p.keys[key] = &paths{}
		}
		p = p.keys[key]
	}
	return p
}

// selected lists what reads the values of each path of a column of type jsonb out of it in the server, with the kind of each. It reports false where that takes more than
// following keys: then the document is read.
func (p *paths) selected(column string) (sql []string, kinds []personal.Kind, ok bool) {
	return p.selection(column, nil, nil, nil)
}

func (p *paths) selection(column string, keys, sql []string, kinds []personal.Kind) ([]string, []personal.Kind, bool) {
	if p.any != nil || p.items != nil || p.named != "" {
		return nil, nil, false
	}
	if p.kind != "" {
		path := `ARRAY[` + strings.Join(keys, ", ") + `]::text[]`
		sql = append(sql, `CASE WHEN jsonb_typeof(`+column+` #> `+path+`) IN ('string', 'number') THEN `+column+` #>> `+path+` END`)
		kinds = append(kinds, p.kind)
	}
	for _, key := range slices.Sorted(maps.Keys(p.keys)) {
		var ok bool
		if sql, kinds, ok = p.keys[key].selection(column, append(slices.Clone(keys), literal(key)), sql, kinds); !ok {
			return nil, nil, false
		}
	}
	return sql, kinds, true
}

var errDocument = errors.New("a value is no JSON document")

// visit calls do with each value and key of a document that stands at a path; they are good until do returns.
func (p *paths) visit(document []byte, do func(personal.Kind, []byte)) error {
	w := walker{in: document, do: do}
	return w.value(p)
}

// walker goes through a document. What stands at no path it steps over; whether that is well-formed, whoever replaces the document sees.
type walker struct {
	in []byte
	at int
	do func(personal.Kind, []byte)
}

// next tells the next character that is no blank, 0 at the end.
func (w *walker) next() byte {
	for ; w.at < len(w.in); w.at++ {
		switch c := w.in[w.at]; c {
		case ' ', '\t', '\r', '\n':
		default:
			return c
		}
	}
	return 0
}

func (w *walker) value(p *paths) error {
	switch c := w.next(); {
	case c == '{' && p != nil && (p.keys != nil || p.any != nil || p.named != ""):
		return w.object(p)
	case c == '[' && p != nil && p.items != nil:
		return w.items('[', ']', func() error { return w.value(p.items) })
	case c == '{' || c == '[':
		return w.skip()
	case c == '"':
		s, err := w.string()
		if err == nil && p != nil && p.kind != "" {
			w.do(p.kind, s)
		}
		return err
	}
	from := w.at
	for w.at < len(w.in) && strings.IndexByte(",]} \t\r\n", w.in[w.at]) < 0 {
		w.at++
	}
	if from == w.at {
		return errDocument
	}
	if c := w.in[from]; p != nil && p.kind != "" && (c == '-' || '0' <= c && c <= '9') {
		w.do(p.kind, w.in[from:w.at])
	}
	return nil
}

func (w *walker) object(p *paths) error {
	return w.items('{', '}', func() error {
		key, err := w.string()
		if err != nil {
			return err
		}
		if p.named != "" {
			w.do(p.named, key)
		}
		at := p.keys[string(key)]
		if at == nil {
			at = p.any
		}
		if w.next() != ':' {
			return errDocument
		}
		w.at++
		return w.value(at)
	})
}

// items calls item at each item between two brackets.
func (w *walker) items(open, end byte, item func() error) error {
	for sep := open; ; sep = ',' {
		switch c := w.next(); {
		case c == end && sep == ',':
			w.at++
			return nil
		case c != sep:
			return errDocument
		}
		w.at++
		if sep == open && w.next() == end {
			w.at++
			return nil
		}
		if err := item(); err != nil {
			return err
		}
	}
}

// string reads one, without its quotes and escapes.
func (w *walker) string() ([]byte, error) {
	if w.next() != '"' {
		return nil, errDocument
	}
	from, escaped := w.at, false
	for w.at++; w.at < len(w.in) && w.in[w.at] != '"'; w.at++ {
		if w.in[w.at] == '\\' {
			w.at++
			escaped = true
		}
	}
	if w.at >= len(w.in) {
		return nil, errDocument
	}
	w.at++
	if !escaped {
		return w.in[from+1 : w.at-1], nil
	}
	var s string
	if err := json.Unmarshal(w.in[from:w.at], &s); err != nil {
		return nil, errDocument
	}
	return []byte(s), nil
}

// skip steps over an object or an array.
func (w *walker) skip() error {
	for depth := 0; w.at < len(w.in); w.at++ {
		switch w.in[w.at] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				w.at++
				return nil
			}
		case '"':
			for w.at++; w.at < len(w.in) && w.in[w.at] != '"'; w.at++ {
				if w.in[w.at] == '\\' {
					w.at++
				}
			}
		}
	}
	return errDocument
}

// ofRow are the kinds that others bear too, so that only the copy of their own row must not hold them.
func ofRow(k personal.Kind) bool {
	return slices.Contains([]personal.Kind{personal.GivenName, personal.FamilyName, personal.Username, personal.Town}, k)
}

// gathered reports whether values of a kind go into the set against which the copy is scanned.
func gathered(k personal.Kind) bool {
	return k.Class() == personal.Identifier || slices.Contains([]personal.Kind{personal.Credential, personal.Town}, k)
}
