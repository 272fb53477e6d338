package ui

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// At is an address with a query, to which names and values in turn are added.
func At(path string, query url.Values, add ...string) string {
	q := url.Values{}
	maps.Copy(q, query)
	for i := 0; i+1 < len(add); i += 2 {
		q.Set(add[i], add[i+1])
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// Words reads messages/NAME.LANGUAGE.yaml of each name, for NewMessages. Files that are missing are a fault of the program.
func Words(files fs.FS, names ...string) map[string][]byte {
	out := map[string][]byte{}
	for _, lang := range languages() {
		for _, name := range names {
			text, err := fs.ReadFile(files, "messages/"+name+"."+lang+".yaml")
			if err != nil {
				panic("ui: words are missing from the program: " + err.Error())
			}
			out[lang] = bytes.Join([][]byte{out[lang], text}, []byte("\n"))
		}
	}
	return out
}

// Word is the text of the first of the ids that has words.
func (p *Printer) Word(ids ...string) (string, bool) {
	for _, id := range ids {
		if p.Has(id) {
			return p.T(id), true
		}
	}
	return "", false
}

// Reason is what was written in English, in the words of its id where the page has another language. lang says that there are none: it stands in
// English then.
func (p *Printer) Reason(id, english string) (text, lang string) {
	switch {
	case p.lang == "en" && english != "":
		return english, ""
	case p.Has(id):
		return p.T(id), ""
	}
	return english, "en"
}

// longValue is how much of a value one line shows.
const longValue = 200

// Values writes named values on one line, as lists show the detail of entries: ids by their end, digests and long texts by
// their beginning. A name has the words of SCOPE.detail in the first scope that has any. A value has those of SCOPE.value in the first
// scope alone: what an application wrote is not taken for a word of Garant.
func (p *Printer) Values(values map[string]any, scopes ...string) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if values[key] == "" {
			continue
		}
		name := key
		for _, scope := range scopes {
			if word, ok := p.Word(scope + ".detail." + key); ok {
				name = word
				break
			}
		}
		parts = append(parts, name+nbsp+Cut(p.inShort(values[key], scopes[0]), longValue))
	}
	return strings.Join(parts, " · ")
}

func (p *Printer) inShort(v any, scope string) string {
	switch v := v.(type) {
	case bool:
		return p.T("ui.value." + fmt.Sprint(v))
	case string:
		if word, ok := p.Word(scope + ".value." + v); ok {
			return word
		}
		if _, err := uuid.Parse(v); err == nil {
			return "…\u2060" + v[len(v)-8:] // the line does not break between
		}
		if len(v) == 64 && strings.Trim(v, "0123456789abcdef") == "" {
			return v[:12] + "…"
		}
		return v
	case float64:
		return p.Decimal(v, -1)
	case map[string]any:
		items := make([]string, 0, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			items = append(items, key+nbsp+p.inShort(v[key], scope))
		}
		return strings.Join(items, ", ")
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = p.inShort(item, scope)
		}
		if len(items) == 0 {
			return p.T("ui.value.none")
		}
		return strings.Join(items, ", ")
	}
	return fmt.Sprint(v)
}

// Cut is the beginning of a text that is longer than most letters.
func Cut(s string, most int) string {
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}
