package run

import (
	"bytes"
	"encoding/json"
	"errors"
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

// documentPaths reads them from the arguments of the transformer of documents, and from what the plan notes of its paths; nil when there are none. Whether the paths are written
// rightly, transform says.
func documentPaths(p plan.Column) *paths {
	if p.Transform.Name != "json" {
		return nil
	}
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
			if !gathered(kind) {
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
	var name string
	switch v := v.(type) {
	case string:
		name = v
	case transform.Spec:
		name = v.Name
	case map[string]any:
		name, _ = v["transformer"].(string)
	}
	d, ok := transform.Describe(name)
	if !ok || len(d.DefaultOf) != 1 {
		return personal.None
	}
	return d.DefaultOf[0]
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

var errDocument = errors.New("a value is no JSON document")

// visit calls do with each value and key of a document that stands at a path.
func (p *paths) visit(document []byte, do func(personal.Kind, []byte)) error {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	if err := p.value(d, do); err != nil {
		return errDocument
	}
	return nil
}

func (p *paths) value(d *json.Decoder, do func(personal.Kind, []byte)) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	switch t := t.(type) {
	case json.Delim:
		for d.More() {
			var next *paths
			if t == '{' {
				key, err := d.Token()
				if err != nil {
					return err
				}
				name, _ := key.(string)
				if p != nil {
					if p.named != "" {
						do(p.named, []byte(name))
					}
					if next = p.keys[name]; next == nil {
						next = p.any
					}
				}
			} else if p != nil {
				next = p.items
			}
			if err := next.value(d, do); err != nil {
				return err
			}
		}
		_, err = d.Token()
		return err
	case string:
		if p != nil && p.kind != "" {
			do(p.kind, []byte(t))
		}
	case json.Number:
		if p != nil && p.kind != "" {
			do(p.kind, []byte(t))
		}
	}
	return nil
}

// gathered reports whether values of a kind go into the set against which the copy is scanned.
func gathered(k personal.Kind) bool {
	return k.Class() == personal.Identifier || slices.Contains([]personal.Kind{personal.Credential, personal.Town}, k)
}
