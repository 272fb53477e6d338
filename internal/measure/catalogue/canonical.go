package catalogue

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// seal computes the canonical form and the hash. Everything is built from maps, whose keys
// encoding/json sorts; names are ASCII, numbers are integers below 2^53 and texts hold none
// of the characters that encoding/json escapes beyond RFC 8785 (ParseText refuses them).
func (c *Catalogue) seal() error {
	langs := c.Languages()
	sections := []any{}
	for _, s := range c.Sections {
		titles := map[string]string{}
		for _, l := range langs {
			titles[l] = c.SectionTitle(l, s.ID)
		}
		sections = append(sections, map[string]any{"id": s.ID, "gdpr": list(s.GDPR), "titles": titles})
	}
	parameters := map[string]any{}
	for name, p := range c.Parameters {
		switch p.Kind {
		case CountKind:
			parameters[name] = map[string]any{"count": p.Count}
		case DurationKind:
			parameters[name] = map[string]any{"duration_seconds": int64(p.Duration.Seconds())}
		case TextKind:
			parameters[name] = map[string]any{"text": p.Text}
		case ListKind:
			parameters[name] = map[string]any{"list": list(p.List)}
		}
	}
	teams := map[string]any{}
	for _, l := range langs {
		teams[l] = c.languages[l].teams
	}
	measures := []any{}
	for _, m := range c.Measures {
		words := map[string]any{}
		for _, l := range langs {
			w := c.Words(l, m.ID)
			words[l] = map[string]any{"title": w.Title, "sentence": w.Sentence.String(), "method": w.Method.String()}
		}
		measures = append(measures, map[string]any{
			"id": m.ID, "section": m.Section, "kind": string(m.Kind), "owner": m.Owner, "operator": m.Operator,
			"cadence_seconds": int64(m.Cadence.Seconds()), "facts": list(m.Facts), "words": words,
			"refs": map[string]any{"gdpr": list(m.Refs.GDPR), "iso": list(m.Refs.ISO), "cnil": list(m.Refs.CNIL)},
		})
	}
	whole := map[string]any{"sections": sections, "parameters": parameters, "teams": teams, "measures": measures}
	if c.tailored != nil && !c.tailored.by.Empty() {
		whole["tailoring"] = c.tailored.declared()
	}
	var err error
	c.canonical, c.hash, err = canonical(whole)
	return err
}

// canonical writes a value made of maps, lists, texts and whole numbers, and its SHA-256.
func canonical(v any) (text []byte, hash string, err error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, "", err
	}
	text = bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	sum := sha256.Sum256(text)
	return text, hex.EncodeToString(sum[:]), nil
}

// list writes "nothing" as [], never as null.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
