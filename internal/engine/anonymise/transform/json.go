package transform

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// deepest is how many objects and arrays may stand in each other.
const deepest = 512

// jsonTransformer replaces values in documents by their path and copies everything else as it is written: order, blanks, the form of numbers. A path that
// the plan does not know is an error.
//
// A path is keys joined by points, with [] behind each array: contact.emails[].address. A key with a point, a bracket or a quote is written in quotes. * stands for any
// key, $ for the document itself when it is no object and no array.
type jsonTransformer struct {
	root    *node
	in      []byte
	at      int
	depth   int
	path    []byte
	text    []byte
	made    []byte
	row     Row
	closers []Transformer
}

// node is a place in a document.
type node struct {
	keys  map[string]*node
	any   *node
	items *node
	leaf  *leaf
	named Transformer // of the keys themselves; nil: they stay
}

// leaf is what replaces the values of a path: text, numbers and truth values by what fits each.
type leaf struct {
	spec    Spec
	text    Transformer
	number  Transformer
	boolean Transformer
	whole   *fixed // of what is an object or an array: suppress and its like
	keep    bool
	errs    [3]error // why there is none
}

func makeJSON(m *maker) (Transformer, error) {
	t := &jsonTransformer{root: &node{}}
	paths, err := specs(m, "paths")
	if err != nil {
		return nil, err
	}
	names, err := specs(m, "keys")
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, errors.New(`takes the argument "paths": a map of path to transformer`)
	}
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		n, err := t.root.find(path)
		if err == nil {
			n.leaf, err = t.leaf(m, path, paths[path])
		}
		if err != nil {
			_ = t.Close()
			return nil, fmt.Errorf("path %s: %w", path, err)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(names)) {
		n, err := t.root.find(path)
		if err == nil {
			n.named, err = make1(names[path], Column{Name: path, Type: "text", Unique: true}, m.env)
		}
		if err != nil {
			_ = t.Close()
			return nil, fmt.Errorf("keys of %s: %w", path, err)
		}
		t.closers = append(t.closers, n.named)
	}
	return t, nil
}

// specs reads a map of paths to transformers: each a name, or a map with the name under "transform" and its arguments beside it.
func specs(m *maker, argument string) (map[string]Spec, error) {
	v, ok := m.get(argument)
	if !ok {
		return nil, nil //nolint:nilnil // none given
	}
	all, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("argument %q must be a map of path to transformer", argument)
	}
	out := map[string]Spec{}
	for path, v := range all {
		switch v := v.(type) {
		case string:
			out[path] = Spec{Name: v}
		case Spec:
			out[path] = v
		case map[string]any:
			args := maps.Clone(v)
			name, ok := args["transform"].(string)
			if !ok {
				return nil, fmt.Errorf("path %s: there is no %q in the map", path, "transform")
			}
			delete(args, "transform")
			out[path] = Spec{Name: name, Args: args}
		default:
			return nil, fmt.Errorf("path %s: must be the name of a transformer, or a map with its name and arguments", path)
		}
	}
	return out, nil
}

// leaf makes what replaces the values of one path. It fits if it fits text, numbers or truth values; what it does not fit is an error when it comes.
func (t *jsonTransformer) leaf(m *maker, path string, spec Spec) (*leaf, error) {
	l := &leaf{spec: spec, keep: spec.Name == "keep"}
	column := m.column
	made := false
	for i, typ := range []string{"text", "numeric", "boolean"} {
		tr, err := make1(spec, Column{Name: column.Name + " " + path, Type: typ, Kind: column.Kind}, m.env)
		if err != nil && typ == "numeric" { // what takes whole numbers only
			tr, err = make1(spec, Column{Name: column.Name + " " + path, Type: "bigint", Kind: column.Kind}, m.env)
		}
		if err != nil {
			l.errs[i] = err
			continue
		}
		made = true
		t.closers = append(t.closers, tr)
		if f, ok := tr.(*fixed); ok && f.null {
			l.whole = f
		}
		switch i {
		case 0:
			l.text = tr
		case 1:
			l.number = tr
		case 2:
			l.boolean = tr
		}
	}
	if !made {
		return nil, l.errs[0]
	}
	return l, nil
}

// find returns the place of a path, made if it is not there.
func (n *node) find(path string) (*node, error) {
	if path == "$" {
		return n, nil
	}
	rest := path
	for first := true; rest != ""; first = false {
		switch {
		case strings.HasPrefix(rest, "[]"):
			if n.items == nil {
				n.items = &node{}
			}
			n, rest = n.items, rest[2:]
			continue
		case !first && rest[0] != '.':
			return nil, errors.New("is not written as a path; a key with a point or a bracket stands in quotes")
		case !first:
			rest = rest[1:]
		}
		key, quoted, err := cutKey(&rest)
		if err != nil {
			return nil, err
		}
		if key == "*" && !quoted {
			if n.any == nil {
				n.any = &node{}
			}
			n = n.any
			continue
		}
		if n.keys == nil {
			n.keys = map[string]*node{}
		}
		if n.keys[key] == nil {
			n.keys[key] = &node{}
		}
		n = n.keys[key]
	}
	return n, nil
}

// cutKey takes one key off the beginning of a path.
func cutKey(rest *string) (key string, quoted bool, err error) {
	if strings.HasPrefix(*rest, `"`) {
		var b strings.Builder
		for i := 1; i < len(*rest); i++ {
			switch c := (*rest)[i]; {
			case c == '\\' && i+1 < len(*rest):
				i++
				b.WriteByte((*rest)[i])
			case c == '"':
				*rest = (*rest)[i+1:]
				return b.String(), true, nil
			default:
				b.WriteByte(c)
			}
		}
		return "", false, errors.New("a quote is not closed")
	}
	end := strings.IndexAny(*rest, ".[")
	if end < 0 {
		end = len(*rest)
	}
	if key = (*rest)[:end]; key == "" {
		return "", false, errors.New("a key is missing")
	}
	*rest = (*rest)[end:]
	return key, false, nil
}

// appendKey writes a key as a path has it.
func appendKey(path []byte, key []byte) []byte {
	if len(path) > 0 {
		path = append(path, '.')
	}
	plain := len(key) > 0 && string(key) != "*" && string(key) != "$"
	for _, c := range key {
		plain = plain && c != '.' && c != '[' && c != ']' && c != '"' && c != '\\'
	}
	if plain {
		return append(path, key...)
	}
	path = append(path, '"')
	for _, c := range key {
		if c == '"' || c == '\\' {
			path = append(path, '\\')
		}
		path = append(path, c)
	}
	return append(path, '"')
}

var errNotJSON = errors.New("a document is not written as JSON")

// Append implements Transformer.
func (t *jsonTransformer) Append(dst, value []byte, row Row) ([]byte, error) {
	t.in, t.at, t.depth, t.path, t.row = value, 0, 0, t.path[:0], row
	dst, err := t.value(t.space(dst), t.root)
	if err == nil {
		if dst = t.space(dst); t.at < len(t.in) {
			err = errNotJSON
		}
	}
	return dst, err
}

// Close implements Transformer.
func (t *jsonTransformer) Close() error {
	var errs []error
	for _, c := range t.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// space copies blanks.
func (t *jsonTransformer) space(dst []byte) []byte {
	for t.at < len(t.in) {
		switch c := t.in[t.at]; c {
		case ' ', '\t', '\r', '\n':
			dst = append(dst, c)
			t.at++
		default:
			return dst
		}
	}
	return dst
}

// unknown is the error for what the plan does not know; the path is that of the document, with keys that a * stands for.
func (t *jsonTransformer) unknown() error {
	path := string(t.path)
	if path == "" {
		path = "$"
	}
	return &UnknownPathError{Path: path}
}

// UnknownPathError says that a document holds a path that the plan does not know. A key may itself be personal: whoever shows Path outside the run must be allowed
// to see the source.
type UnknownPathError struct{ Path string }

func (e *UnknownPathError) Error() string {
	return fmt.Sprintf("a document holds the path %s, which the plan does not know; add it under paths, with keep if it is harmless", e.Path)
}

func (t *jsonTransformer) value(dst []byte, n *node) ([]byte, error) {
	if t.at >= len(t.in) {
		return dst, errNotJSON
	}
	c := t.in[t.at]
	if n.leaf != nil && (c == '{' || c == '[') && n.keys == nil && n.any == nil && n.items == nil {
		return t.skipWhole(dst, n.leaf)
	}
	switch {
	case c == '{':
		return t.object(dst, n)
	case c == '[':
		return t.array(dst, n)
	case n.leaf == nil:
		return dst, t.unknown()
	case c == '"':
		return t.string(dst, n.leaf)
	case c == '-' || '0' <= c && c <= '9':
		return t.number(dst, n.leaf)
	}
	for _, word := range []string{"null", "true", "false"} {
		if strings.HasPrefix(string(t.in[t.at:min(t.at+5, len(t.in))]), word) {
			t.at += len(word)
			if word == "null" || n.leaf.keep {
				return append(dst, word...), nil
			}
			return t.boolean(dst, n.leaf, word)
		}
	}
	return dst, errNotJSON
}

// skipWhole replaces an object or an array of a path that has a transformer for all of it.
func (t *jsonTransformer) skipWhole(dst []byte, l *leaf) ([]byte, error) {
	start := t.at
	if err := t.skip(); err != nil {
		return dst, err
	}
	switch {
	case l.keep:
		return append(dst, t.in[start:t.at]...), nil
	case l.whole != nil:
		return append(dst, "null"...), nil
	}
	return dst, t.unknown()
}

// skip goes over an object or an array.
func (t *jsonTransformer) skip() error {
	depth := 0
	for t.at < len(t.in) {
		switch t.in[t.at] {
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				t.at++
				return nil
			}
		case '"':
			if _, err := t.quoted(nil); err != nil {
				return err
			}
			continue
		}
		t.at++
	}
	return errNotJSON
}

func (t *jsonTransformer) enter() error {
	if t.depth++; t.depth > deepest {
		return fmt.Errorf("a document is deeper than %d", deepest)
	}
	return nil
}

// comma goes on to the next item; false when there is none.
func (t *jsonTransformer) comma(dst []byte) ([]byte, bool) {
	if dst = t.space(dst); t.at >= len(t.in) || t.in[t.at] != ',' {
		return dst, false
	}
	t.at++
	return append(dst, ','), true
}

// leave closes an object or an array whose own path has before bytes.
func (t *jsonTransformer) leave(dst []byte, end byte, before int) ([]byte, error) {
	if t.at >= len(t.in) || t.in[t.at] != end {
		return dst, errNotJSON
	}
	t.at++
	t.depth--
	t.path = t.path[:before]
	return append(dst, end), nil
}

func (t *jsonTransformer) object(dst []byte, n *node) ([]byte, error) {
	if err := t.enter(); err != nil {
		return dst, err
	}
	before := len(t.path)
	if n.keys == nil && n.any == nil {
		return dst, t.unknown()
	}
	dst = append(dst, '{')
	t.at++
	for first := true; ; first = false {
		dst = t.space(dst)
		if t.at < len(t.in) && t.in[t.at] == '}' {
			if !first {
				return dst, errNotJSON
			}
			break
		}
		from := t.at
		var err error
		if t.text, err = t.quoted(t.text[:0]); err != nil {
			return dst, err
		}
		t.path = appendKey(t.path[:before], t.text)
		child := n.keys[string(t.text)]
		if child == nil {
			child = n.any
		}
		if child == nil {
			return dst, t.unknown()
		}
		if n.named == nil {
			dst = append(dst, t.in[from:t.at]...)
		} else {
			if t.made, err = n.named.Append(t.made[:0], t.text, t.row); err != nil {
				return dst, err
			}
			dst = appendQuoted(dst, t.made)
		}
		dst = t.space(dst)
		if t.at >= len(t.in) || t.in[t.at] != ':' {
			return dst, errNotJSON
		}
		t.at++
		dst = t.space(append(dst, ':'))
		if dst, err = t.value(dst, child); err != nil {
			return dst, err
		}
		var more bool
		if dst, more = t.comma(dst); !more {
			break
		}
	}
	return t.leave(dst, '}', before)
}

func (t *jsonTransformer) array(dst []byte, n *node) ([]byte, error) {
	if err := t.enter(); err != nil {
		return dst, err
	}
	before := len(t.path)
	t.path = append(t.path, "[]"...)
	if n.items == nil {
		return dst, t.unknown()
	}
	dst = append(dst, '[')
	t.at++
	for first := true; ; first = false {
		dst = t.space(dst)
		if t.at < len(t.in) && t.in[t.at] == ']' {
			if !first {
				return dst, errNotJSON
			}
			break
		}
		var err error
		if dst, err = t.value(dst, n.items); err != nil {
			return dst, err
		}
		var more bool
		if dst, more = t.comma(dst); !more {
			break
		}
	}
	return t.leave(dst, ']', before)
}

// misfit is the error for a value of a kind that the path's transformer does not take.
func (t *jsonTransformer) misfit(what string, why error) error {
	return fmt.Errorf("path %s holds %s: %w", t.path, what, why)
}

func (t *jsonTransformer) string(dst []byte, l *leaf) ([]byte, error) {
	from := t.at
	var err error
	if t.text, err = t.quoted(t.text[:0]); err != nil {
		return dst, err
	}
	if l.keep {
		return append(dst, t.in[from:t.at]...), nil
	}
	if l.text == nil {
		return dst, t.misfit("text", l.errs[0])
	}
	if t.made, err = l.text.Append(t.made[:0], t.text, t.row); errors.Is(err, ErrNull) {
		return append(dst, "null"...), nil
	} else if err != nil {
		return dst, err
	}
	return appendQuoted(dst, t.made), nil
}

func (t *jsonTransformer) number(dst []byte, l *leaf) ([]byte, error) {
	from := t.at
	for t.at < len(t.in) && strings.IndexByte("+-.eE0123456789", t.in[t.at]) >= 0 {
		t.at++
	}
	if l.keep {
		return append(dst, t.in[from:t.at]...), nil
	}
	if l.number == nil {
		return dst, t.misfit("a number", l.errs[1])
	}
	start := len(dst)
	dst, err := l.number.Append(dst, t.in[from:t.at], t.row)
	if errors.Is(err, ErrNull) {
		return append(dst[:start], "null"...), nil
	}
	if err == nil && !isNumber(dst[start:]) {
		err = t.misfit("a number", errors.New("its transformer makes something else of it"))
	}
	return dst, err
}

// isNumber reports whether b is a number of JSON.
func isNumber(b []byte) bool {
	if len(b) > 0 && b[0] == '-' {
		b = b[1:]
	}
	if len(b) == 0 || b[0] < '0' || b[0] > '9' || b[0] == '0' && len(b) > 1 && b[1] >= '0' && b[1] <= '9' {
		return false
	}
	point := false
	for i, c := range b {
		switch {
		case '0' <= c && c <= '9':
		case c == '.' && !point && i+1 < len(b):
			point = true
		default:
			return false
		}
	}
	return true
}

func (t *jsonTransformer) boolean(dst []byte, l *leaf, word string) ([]byte, error) {
	if l.boolean == nil {
		return dst, t.misfit("a truth value", l.errs[2])
	}
	var err error
	if t.made, err = l.boolean.Append(t.made[:0], []byte(word[:1]), t.row); errors.Is(err, ErrNull) {
		return append(dst, "null"...), nil
	}
	switch {
	case err != nil:
		return dst, err
	case len(t.made) > 0 && t.made[0] == 't':
		return append(dst, "true"...), nil
	}
	return append(dst, "false"...), nil
}

// quoted reads a string and appends what it says to dst.
func (t *jsonTransformer) quoted(dst []byte) ([]byte, error) {
	if t.at >= len(t.in) || t.in[t.at] != '"' {
		return dst, errNotJSON
	}
	for t.at++; t.at < len(t.in); {
		c := t.in[t.at]
		t.at++
		switch {
		case c == '"':
			return dst, nil
		case c != '\\':
			dst = append(dst, c)
			continue
		case t.at >= len(t.in):
			return dst, errNotJSON
		}
		c = t.in[t.at]
		t.at++
		if at := strings.IndexByte(`"\/bfnrt`, c); at >= 0 {
			dst = append(dst, "\"\\/\b\f\n\r\t"[at])
			continue
		}
		r, ok := t.hex4()
		if c != 'u' || !ok {
			return dst, errNotJSON
		}
		if utf16.IsSurrogate(r) {
			low := rune(-1)
			if t.at+1 < len(t.in) && t.in[t.at] == '\\' && t.in[t.at+1] == 'u' {
				back := t.at
				t.at += 2
				if low, ok = t.hex4(); !ok || utf16.DecodeRune(r, low) == utf8.RuneError {
					t.at = back
				}
			}
			r = utf16.DecodeRune(r, low)
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst, errNotJSON
}

func (t *jsonTransformer) hex4() (rune, bool) {
	if t.at+4 > len(t.in) {
		return 0, false
	}
	var r rune
	for _, c := range t.in[t.at : t.at+4] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	t.at += 4
	return r, true
}

// appendQuoted writes a string as PostgreSQL writes those of jsonb: letters beyond ASCII as they are.
func appendQuoted(dst, s []byte) []byte {
	dst = append(dst, '"')
	for _, c := range s {
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		case 0: // no text of PostgreSQL holds it
		default:
			if c < 0x20 {
				const hex = "0123456789abcdef"
				dst = append(append(dst, `\u00`...), hex[c>>4], hex[c&15])
				continue
			}
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
