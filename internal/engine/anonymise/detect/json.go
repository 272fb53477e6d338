package detect

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// Path is a place in JSON documents: contact.email, items[].name. The document itself is "". A key that is data (an identifier, an address) stands as *;
// a key with a point, a bracket, a star or a quote in it stands in double quotes, with a backslash before a quote and a backslash.
type Path struct {
	Path   string
	Keys   bool // what the keys at this path are; the path ends with *
	Result      // without Paths
}

const (
	deepest        = 64   // levels of a document; what lies below is a question
	mostPaths      = 5000 // of all samples of a column
	mostLeaves     = 64   // samples of one path
	mostSiblings   = 200
	longestJSONKey = 200
	longestJSON    = 4 << 20 // bytes of one document
)

type leaf struct {
	parent, name string // the words that stand for table and column
	inArray      bool
	types        map[string]bool
	samples      []string
	siblings     map[string]bool
	keys         bool
	malformed    bool
}

// DetectJSON gives each path of JSON documents with what it holds, sorted. A sample that is no JSON, a document that is too long or too deep and a path that has only
// ever been null are questions.
func DetectJSON(samples []string) []Path {
	w := walker{leaves: map[string]*leaf{}}
	for _, s := range samples {
		if len(s) > longestJSON {
			w.at("", "", "", false).malformed = true
			continue
		}
		d := json.NewDecoder(strings.NewReader(s))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil || d.More() {
			w.at("", "", "", false).malformed = true
			continue
		}
		w.walk(v, "", "", "", false, nil, 0)
	}
	out := make([]Path, 0, len(w.leaves))
	for _, p := range slices.Sorted(maps.Keys(w.leaves)) {
		out = append(out, Path{Path: strings.TrimSuffix(p, "\x00keys"), Keys: w.leaves[p].keys, Result: w.leaves[p].judge()})
	}
	return out
}

type walker struct{ leaves map[string]*leaf }

// at returns the leaf of a path; beyond the bound all paths share one that is a question.
func (w *walker) at(path, parent, name string, array bool) *leaf {
	l, ok := w.leaves[path]
	if !ok {
		if len(w.leaves) >= mostPaths {
			path = ""
			if l = w.leaves[path]; l != nil {
				l.malformed = true
				return l
			}
		}
		l = &leaf{parent: parent, name: name, inArray: array, types: map[string]bool{}, siblings: map[string]bool{}}
		w.leaves[path] = l
	}
	return l
}

func (w *walker) walk(v any, path, parent, name string, array bool, siblings []string, depth int) {
	if depth > deepest {
		w.at(path, parent, name, array).malformed = true
		return
	}
	switch v := v.(type) {
	case map[string]any:
		keys := slices.Sorted(maps.Keys(v))
		if len(keys) == 0 {
			return
		}
		named := make([]string, 0, min(len(keys), mostSiblings))
		for _, k := range keys {
			if !isData(k) && len(named) < mostSiblings {
				named = append(named, k)
			}
		}
		for _, k := range keys {
			if isData(k) {
				l := w.at(join(path, "*")+"\x00keys", parent, name, false)
				l.keys = true
				l.add("text", k)
				w.walk(v[k], join(path, "*"), parent, name, false, nil, depth+1)
				continue
			}
			w.walk(v[k], join(path, quoteKey(k)), name, k, false, named, depth+1)
		}
	case []any:
		for _, e := range v {
			w.walk(e, path+"[]", parent, name, true, siblings, depth+1)
		}
	default:
		l := w.at(path, parent, name, array)
		for _, s := range siblings {
			l.siblings[s] = true
		}
		switch v := v.(type) {
		case string:
			l.add("text", v)
		case json.Number:
			l.add("numeric", v.String())
		case bool:
			l.add("boolean", "")
		default:
			l.add("", "")
		}
	}
}

func (l *leaf) add(kind, sample string) {
	l.types[kind] = true
	if sample != "" && len(l.samples) < mostLeaves {
		l.samples = append(l.samples, sample)
	}
}

// judge looks at a path as if it were a column.
func (l *leaf) judge() Result {
	if l.malformed {
		return Result{Kind: personal.Text, Class: personal.Text.Class(), Confidence: Unknown, Because: because(reasonMalformed, ""), Alternatives: []personal.Kind{personal.None}}
	}
	kind := "text"
	for _, k := range [...]string{"text", "numeric", "boolean"} {
		if l.types[k] {
			kind = k
			break
		}
	}
	c := Column{Table: l.parent, Name: l.name, Type: kind, TableColumns: slices.Sorted(maps.Keys(l.siblings)), Samples: l.samples}
	if l.keys {
		c.Name = ""
	}
	r := Detect(c)
	if l.keys {
		r.Because = append(r.Because, Reason{Code: reasonKeys})
		if r.Kind == personal.None && !looksCoded(l.samples) {
			r.Kind, r.Class, r.Confidence = personal.Username, personal.Username.Class(), Unknown
		}
	}
	return r
}

// looksCoded tells keys that are figures only.
func looksCoded(keys []string) bool {
	for _, k := range keys {
		if len(k) > 8 || skipDigits(k, 0) != len(k) {
			return false
		}
	}
	return true
}

// isData tells a key that is a value: a number, an identifier, an address, something with personal data in it.
func isData(key string) bool {
	if key == "" || len(key) > longestJSONKey || skipDigits(key, 0) == len(key) || looksUUID(key) || len(key) >= 20 && shapeOf(key) == secret {
		return true
	}
	for _, f := range DetectValue(key) {
		if f.Sure || f.Kind == personal.FullName {
			return true
		}
	}
	return false
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func quoteKey(key string) string {
	if key == "*" || strings.ContainsAny(key, `.[]"*`+"\x00") {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(key) + `"`
	}
	return key
}
