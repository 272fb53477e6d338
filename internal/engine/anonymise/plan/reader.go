package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/garant-project/garant/internal/strictyaml"
)

// reader reads the file and collects its mistakes.
type reader struct {
	*strictyaml.Reader
	specs map[string]string // transformers that were tried, with what is wrong
}

// list reads a list of texts.
func (r *reader) list(n *yaml.Node, key string) []string {
	const fix = "Write it in brackets: [one, two]."
	if n != nil && n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
		r.Add(n, key, "A list belongs here.", fix)
	}
	var out []string
	for _, c := range r.List(n, key, fix) {
		s := r.Text(c, key)
		if slices.Contains(out, s) {
			r.Add(c, key, strictyaml.Shown(s)+" is listed twice.", "Keep one of them.")
		}
		out = append(out, s)
	}
	return out
}

// count reads a whole number that is not below least.
func (r *reader) count(n *yaml.Node, key string, least int) int {
	if n == nil {
		return 0
	}
	v, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || err != nil || v < least || v > 1_000_000 {
		r.Add(n, key, fmt.Sprintf("A whole number of at least %d belongs here.", least), "Write it without quotes.")
	}
	return v
}

// part reads a share of the rows.
func (r *reader) part(n *yaml.Node, key string) float64 {
	if n == nil {
		return 0
	}
	v, err := strconv.ParseFloat(n.Value, 64)
	if n.Kind != yaml.ScalarNode || n.Tag != "!!float" || err != nil || v < 0 || v >= 1 {
		r.Add(n, key, "A part of the rows belongs here, from 0 to less than 1.", "Write it with a point: 0.01 is one row in a hundred.")
		return 0
	}
	return v
}

// value reads an argument of a transformer.
func (r *reader) value(n *yaml.Node, key string) any {
	switch n.Kind {
	case yaml.SequenceNode:
		list := []any{}
		for _, c := range n.Content {
			list = append(list, r.value(c, key))
		}
		return list
	case yaml.MappingNode:
		all := map[string]any{}
		r.Each(n, key, func(k, v *yaml.Node) { all[k.Value] = r.value(v, key+"."+k.Value) })
		return all
	}
	switch n.Tag {
	case "!!bool":
		if b, err := strconv.ParseBool(n.Value); err == nil {
			return b
		}
	case "!!int":
		if i, err := strconv.Atoi(n.Value); err == nil {
			return i
		}
	case "!!float":
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil && f-f == 0 {
			return f
		}
	case "!!str":
		if strings.TrimSpace(n.Value) == "" {
			return n.Value
		}
		return r.Text(n, key)
	}
	r.Add(n, key, "This is not a text, a whole number, a number with a point, true or false.", "Put it in quotes if it is meant as text.")
	return nil
}

func sortPaths(p []Path) {
	slices.SortFunc(p, func(a, b Path) int {
		if a.Keys != b.Keys {
			if b.Keys {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Path, b.Path)
	})
}
