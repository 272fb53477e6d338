package tailoring

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure/catalogue"
)

// Edit sets one place of annex.yaml, or removes it.
type Edit struct {
	path  []string
	value *yaml.Node // nil: remove
}

// At names the place, for the record: "measures.ENC-1.owner".
func (e Edit) At() string { return strings.Join(e.path, ".") }

func text(s string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
}

func yes() *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: "true"} }

func inline(items ...string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle}
	for _, s := range items {
		n.Content = append(n.Content, text(s))
	}
	return n
}

func mapping(pairs ...any) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for i := 0; i+1 < len(pairs); i += 2 {
		if v, _ := pairs[i+1].(*yaml.Node); v != nil {
			n.Content = append(n.Content, text(pairs[i].(string)), v) //nolint:forcetypeassert // calls of this file
		}
	}
	return n
}

func byLanguage(words catalogue.ByLanguage) *yaml.Node {
	n := mapping()
	langs := make([]string, 0, len(words))
	for lang := range words {
		langs = append(langs, lang)
	}
	slices.SortFunc(langs, func(a, b string) int { // French first, as the seed is
		if (a == "fr") != (b == "fr") {
			if a == "fr" {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	for _, lang := range langs {
		n.Content = append(n.Content, text(lang), text(words[lang]))
	}
	return n
}

func set(value *yaml.Node, path ...string) Edit { return Edit{path: path, value: value} }

func setText(s string, path ...string) Edit {
	if s == "" {
		return set(nil, path...)
	}
	return set(text(s), path...)
}

// SetParameter gives a parameter of the catalogue a value, as annex.yaml has it: "30d", "TLS 1.2,
// TLS 1.3" for a list. Empty: the catalogue's.
func SetParameter(p catalogue.Parameter, value string) Edit {
	at := []string{"parameters", p.Name}
	value = strings.TrimSpace(value)
	if value == "" {
		return set(nil, at...)
	}
	n := text(value)
	if p.Kind == catalogue.ListKind {
		n = inline(names(value)...)
	}
	if strings.HasPrefix(p.Name, "own.") {
		n = mapping(p.Kind, n)
		n.Style = yaml.FlowStyle
	}
	return set(n, at...)
}

// names cuts a list as a person writes it.
func names(value string) []string {
	var out []string
	for s := range strings.SplitSeq(value, ",") {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// SetWords replaces the title, the sentence or the method of a measure; nil: the catalogue's.
func SetWords(measure, field string, words catalogue.ByLanguage) Edit {
	if len(words) == 0 {
		return set(nil, "measures", measure, field)
	}
	return set(byLanguage(words), "measures", measure, field)
}

// SetDrops says why the words of a measure no longer quote what the catalogue's do.
func SetDrops(measure string, reasons map[string]string) Edit {
	n := mapping()
	for _, name := range sorted(reasons) {
		n.Content = append(n.Content, text(name), text(reasons[name]))
	}
	if len(n.Content) == 0 {
		n = nil
	}
	return set(n, "measures", measure, "drops")
}

// SetOwner gives a measure another team; empty: the catalogue's.
func SetOwner(measure, team string) Edit { return setText(team, "measures", measure, "owner") }

// SetOperator says who performs a measure; empty: as the catalogue says.
func SetOperator(measure, operator string) Edit {
	return setText(operator, "measures", measure, "operator")
}

// SetCadence says how often a measure is confirmed, as annex.yaml has it: "180d". Empty: as the
// catalogue says.
func SetCadence(measure, every string) Edit {
	return setText(every, "measures", measure, "cadence")
}

// SetAttested makes a measure one that its owner confirms, or what the catalogue says.
func SetAttested(measure string, attested bool) Edit {
	if !attested {
		return set(nil, "measures", measure, "attested")
	}
	return set(yes(), "measures", measure, "attested")
}

// Exclude leaves a measure out of the annex, for a reason that readers see.
func Exclude(measure string, reason catalogue.ByLanguage) Edit {
	return set(mapping("reason", byLanguage(reason)), "measures", measure, "excluded")
}

// Include takes an excluded measure back.
func Include(measure string) Edit { return set(nil, "measures", measure, "excluded") }

// SetTeam names a team; nil: as the catalogue does.
func SetTeam(key string, names catalogue.ByLanguage) Edit {
	if len(names) == 0 {
		return set(nil, "teams", key)
	}
	return set(byLanguage(names), "teams", key)
}

// SetAnswer answers a topic that readers ask about besides; nil: says nothing on it.
func SetAnswer(topic string, words catalogue.ByLanguage) Edit {
	if len(words) == 0 {
		return set(nil, "also", topic)
	}
	return set(byLanguage(words), "also", topic)
}

// SetCompany says whose annex it is. Empty fields are left out.
func SetCompany(id catalogue.Identity) []Edit {
	return []Edit{
		setText(id.LegalName, "company", "legal_name"), setText(id.Address, "company", "address"), setText(id.Registration, "company", "registration"),
		setText(id.DPO.Email, "company", "dpo", "email"), setText(id.DPO.Phone, "company", "dpo", "phone"), setText(id.DPO.Address, "company", "dpo", "address"),
		setText(id.Revision, "company", "revision"),
	}
}

// SetOwn writes a measure of the company's own whole; every says how often it is confirmed, as
// annex.yaml has it.
func SetOwn(m catalogue.OwnMeasure, every string) Edit {
	n := mapping("section", text(m.Section), "kind", text(string(m.Kind)), "owner", text(m.Owner))
	add := func(key string, v *yaml.Node) { n.Content = append(n.Content, text(key), v) }
	if m.Operator != "" && m.Operator != catalogue.Own {
		add("operator", text(m.Operator))
	}
	if every != "" {
		add("cadence", text(every))
	}
	if m.Attest && m.Kind != catalogue.Attested {
		add("attest", yes())
	}
	if m.Per != "" {
		add("per", text(m.Per))
	}
	if len(m.Checks) > 0 {
		add("checks", inline(m.Checks...))
	}
	if len(m.Facts) > 0 {
		add("facts", inline(m.Facts...))
	}
	refs := mapping("gdpr", inline(m.Refs.GDPR...))
	if len(m.Refs.ISO) > 0 {
		refs.Content = append(refs.Content, text("iso"), inline(m.Refs.ISO...))
	}
	if len(m.Refs.CNIL) > 0 {
		refs.Content = append(refs.Content, text("cnil"), inline(m.Refs.CNIL...))
	}
	if len(m.Refs.Clauses) > 0 {
		refs.Content = append(refs.Content, text("clauses"), inline(m.Refs.Clauses...))
	}
	add("refs", refs)
	add("title", byLanguage(m.Title))
	add("sentence", byLanguage(m.Sentence))
	add("method", byLanguage(m.Method))
	return set(n, "own", m.ID)
}

// RemoveOwn takes a measure of the company's own out of the annex.
func RemoveOwn(id string) Edit { return set(nil, "own", id) }

// Span writes a duration as annex.yaml has it; "" for 0.
func Span(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	for _, u := range []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}} {
		if d%u.size == 0 {
			return strconv.FormatInt(int64(d/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(d/time.Second), 10) + "s"
}

// document reads a text that ParseTailoring has read, or that is about to be: only as YAML.
func document(source string) (*yaml.Node, error) {
	doc := &yaml.Node{}
	if err := yaml.Unmarshal([]byte(source), doc); err != nil {
		return nil, unreadable(err)
	}
	if doc.Kind == 0 {
		doc = &yaml.Node{Kind: yaml.DocumentNode, HeadComment: strings.TrimSpace(source), Content: []*yaml.Node{mapping()}}
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, unreadable(nil)
	}
	return doc, nil
}

func unreadable(cause error) error {
	return errs.New(errs.Conflict, "tailoring.draft_unreadable", "The draft is not one that this build can change in one place.").
		WithFix("Correct its text as a whole.").Wrap(cause)
}

// apply makes edits to a text and keeps its comments.
func apply(source string, edits []Edit) (string, error) {
	doc, err := document(source)
	if err != nil {
		return "", err
	}
	for _, e := range edits {
		if !put(doc.Content[0], e.path, e.value) {
			return "", unreadable(nil)
		}
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(doc); err != nil {
		return "", unreadable(err)
	}
	if err := enc.Close(); err != nil {
		return "", unreadable(err)
	}
	return b.String(), nil
}

// put sets a place below a mapping, and removes mappings that are left empty. It returns false
// when something else than a mapping stands on the way.
func put(n *yaml.Node, path []string, value *yaml.Node) bool {
	if n.Kind != yaml.MappingNode {
		return false
	}
	i := find(n, path[0])
	if len(path) > 1 {
		if i < 0 {
			if value == nil {
				return true
			}
			n.Content = append(n.Content, text(path[0]), mapping())
			i = len(n.Content) - 2
		}
		below := n.Content[i+1]
		if below.Kind == yaml.ScalarNode && below.Tag == "!!null" {
			below = mapping()
			n.Content[i+1] = below
		}
		if !put(below, path[1:], value) {
			return false
		}
		if len(below.Content) > 0 {
			n.Style &^= yaml.FlowStyle // a block inside needs one around
			return true
		}
		value = nil
		path = path[:1]
	}
	switch {
	case value == nil && i >= 0:
		n.Content = slices.Delete(n.Content, i, i+2)
	case value == nil:
	case i >= 0:
		value = keepComments(value, n.Content[i+1])
		n.Content[i+1] = value
	default:
		n.Content = append(n.Content, text(path[0]), value)
	}
	if value != nil && value.Kind == yaml.MappingNode && value.Style&yaml.FlowStyle == 0 {
		n.Style &^= yaml.FlowStyle
	}
	return true
}

// keepComments gives a new value the comments of the one that it replaces.
func keepComments(value, old *yaml.Node) *yaml.Node {
	value.HeadComment, value.LineComment, value.FootComment = old.HeadComment, old.LineComment, old.FootComment
	if value.Kind == yaml.MappingNode && value.Style&yaml.FlowStyle == 0 {
		value.LineComment = "" // would stand before the first key
	}
	return value
}

func find(n *yaml.Node, key string) int {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return i
		}
	}
	return -1
}

// at returns what stands at a place of a text, in one writing, so that two can be compared.
func at(source string, path []string) string {
	doc, err := document(source)
	if err != nil {
		return ""
	}
	n := doc.Content[0]
	for _, key := range path {
		i := -1
		if n.Kind == yaml.MappingNode {
			i = find(n, key)
		}
		if i < 0 {
			return ""
		}
		n = n.Content[i+1]
	}
	var b strings.Builder
	write(&b, n)
	return b.String()
}

func write(b *strings.Builder, n *yaml.Node) {
	switch n.Kind {
	case yaml.ScalarNode:
		b.WriteString(strconv.Quote(n.Value))
	case yaml.MappingNode:
		for _, key := range sorted(index(n)) {
			b.WriteString(strconv.Quote(key) + ":")
			write(b, n.Content[find(n, key)+1])
			b.WriteByte(';')
		}
	default:
		for _, c := range n.Content {
			write(b, c)
			b.WriteByte(',')
		}
	}
}

func index(n *yaml.Node) map[string]int {
	out := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		out[n.Content[i].Value] = i
	}
	return out
}
