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
		parameters[name] = canonicalParameter(p)
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
		excluded := any(nil)
		if m.Excluded != nil {
			excluded = map[string]any{"reason": m.Excluded.Reason}
		}
		measures = append(measures, map[string]any{
			"id": m.ID, "attest": m.Attest, "per": m.Per, "excluded": excluded, "section": m.Section, "kind": string(m.Kind), "owner": m.Owner, "operator": m.Operator,
			"cadence_seconds": int64(m.Cadence.Seconds()), "facts": list(m.Facts), "words": words,
			"refs": map[string]any{"gdpr": list(m.Refs.GDPR), "iso": list(m.Refs.ISO), "cnil": list(m.Refs.CNIL), "clauses": list(m.Refs.Clauses)},
		})
	}
	whole := map[string]any{
		"sections": sections, "parameters": parameters, "teams": teams, "measures": measures,
		"clauses": c.canonicalClauses(langs), "also": c.canonicalTopics(langs),
	}
	if c.tailored != nil && !c.tailored.by.Empty() {
		whole["tailoring"] = c.tailored.declared()
	}
	c.announced = make(map[string]string, len(c.Measures))
	for _, m := range c.Measures {
		c.announced[m.ID] = c.sentenceHash(m.ID)
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

// SentenceHash returns the hexadecimal SHA-256 of what a measure announces: its sentence in every
// language with the figures that it quotes. Who attests a measure attests this and nothing else.
// "" for a measure that there is none of.
func (c *Catalogue) SentenceHash(id string) string { return c.announced[id] }

func (c *Catalogue) sentenceHash(id string) string {
	sentences, figures := map[string]string{}, map[string]any{}
	for _, l := range c.Languages() {
		sentence := c.Words(l, id).Sentence
		sentences[l] = sentence.String()
		for _, name := range sentence.Names() {
			figures[name] = canonicalParameter(c.Parameters[name])
		}
	}
	b, err := json.Marshal(map[string]any{"measure": id, "sentences": sentences, "figures": figures})
	if err != nil { // strings, numbers and maps of them always encode
		panic("catalogue: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func canonicalParameter(p Parameter) any {
	switch p.Kind {
	case CountKind:
		return map[string]any{"count": p.Count}
	case DurationKind:
		return map[string]any{"duration_seconds": int64(p.Duration.Seconds())}
	case TextKind:
		return map[string]any{"text": p.Text}
	case ListKind:
		return map[string]any{"list": list(p.List)}
	}
	return nil
}

func (c *Catalogue) canonicalClauses(langs []string) []any {
	out := []any{}
	for _, key := range c.Clauses {
		titles := map[string]string{}
		for _, l := range langs {
			titles[l] = c.ClauseTitle(l, key)
		}
		out = append(out, map[string]any{"key": key, "titles": titles})
	}
	return out
}

func (c *Catalogue) canonicalTopics(langs []string) []any {
	out := []any{}
	for _, t := range c.Topics {
		questions, answers := map[string]string{}, map[string]string{}
		for _, l := range langs {
			questions[l] = c.Question(l, t.Key)
		}
		for l, answer := range c.Answers[t.Key] {
			answers[l] = answer
		}
		out = append(out, map[string]any{"key": t.Key, "measures": list(t.Measures), "questions": questions, "answers": answers})
	}
	return out
}

// list writes "nothing" as [], never as null.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
