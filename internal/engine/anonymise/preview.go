package anonymise

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/garant-project/garant/internal/engine/anonymise/detect"
	"github.com/garant-project/garant/internal/engine/anonymise/names"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/plan"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
)

// Sample is an invented value, and what a run would make of it.
type Sample struct {
	Before, After string
	Null          bool // NULL takes its place
}

// previewer shows what the transformers of a plan do, on values that nobody has, with a key that is thrown away.
type previewer struct {
	env  transform.Env
	made *invented
}

func newPreviewer(p *plan.Plan) *previewer {
	language, err := names.Parse(p.Language)
	if err != nil {
		language = names.FrenchFrance
	}
	country := p.Country
	if country == "" {
		country = string(language[len(language)-2:])
	}
	made := &invented{lists: names.Of(language), country: strings.ToUpper(country), known: map[string]bool{}}
	return &previewer{made: made, env: transform.Env{Key: transform.NewKey(), Taken: made, Finder: &looks{}, Language: language, Country: country}}
}

// close forgets the key.
func (v *previewer) close() { v.env.Key.Erase() }

// column shows what becomes of values of a column; nothing where only the server or a program of the run could tell, or where the plan does not fit the type.
func (v *previewer) column(c *plan.Column) []Sample {
	column := columnOf(c.Type)
	column.Name, column.Kind = c.Name, c.Kind
	return v.samples(c.Transform, column, v.made.of(c.Kind, c.Transform, column))
}

// path shows what becomes of values at a path of documents, each as the only one of its document.
func (v *previewer) path(c *plan.Column, path string, kind personal.Kind, spec transform.Spec) (out []Sample) {
	column := columnOf(c.Type)
	column.Name, column.Kind = c.Name, c.Kind
	whole := transform.Spec{Name: "json", Args: map[string]any{"paths": map[string]any{path: spec}}}
	var documents []string
	for _, value := range v.made.of(kind, spec, transform.Column{Type: "text", Kind: kind}) {
		if d, ok := documentWith(path, value); ok {
			documents = append(documents, d)
		}
	}
	for _, s := range v.samples(whole, column, documents) {
		before, _ := only(s.Before)
		after, null := only(s.After)
		out = append(out, Sample{before, after, null})
	}
	return out
}

func (v *previewer) samples(spec transform.Spec, column transform.Column, values []string) (out []Sample) {
	if spec.Name == "sql" || spec.Name == "subprocess" || len(values) == 0 {
		return nil
	}
	t, err := transform.New(spec, column, v.env)
	if err != nil {
		return nil
	}
	defer func() { _ = t.Close() }()
	for i, value := range values {
		after, err := t.Append(nil, []byte(value), transform.Row{Subject: strconv.AppendInt(nil, int64(i+1), 10)})
		if errors.Is(err, transform.ErrNull) {
			out = append(out, Sample{Before: value, Null: true})
		} else if err == nil {
			out = append(out, Sample{Before: value, After: string(after)})
		}
	}
	return out
}

// columnOf reads a type as a plan has it: format_type with its modifier.
func columnOf(declared string) transform.Column {
	c := transform.Column{Type: declared}
	open, end := strings.IndexByte(declared, '('), strings.IndexByte(declared, ')')
	if open < 0 || end < open || strings.HasPrefix(declared, `"`) {
		return c
	}
	c.Type = declared[:open] + declared[end+1:]
	first, second, _ := strings.Cut(declared[open+1:end], ",")
	n, _ := strconv.Atoi(strings.TrimSpace(first))
	m, _ := strconv.Atoi(strings.TrimSpace(second))
	switch strings.TrimSuffix(c.Type, "[]") {
	case "character varying", "character":
		c.Length = n
	case "numeric":
		c.Precision, c.Scale = n, m
	}
	return c
}

// looks finds values in sentences by how they look, as a run does.
type looks struct{ found []detect.Found }

// Find implements transform.Finder.
func (l *looks) Find(dst []transform.Mention, text []byte) []transform.Mention {
	l.found = detect.AppendFound(l.found[:0], string(text))
	for _, m := range l.found {
		dst = append(dst, transform.Mention{Start: m.Start, End: m.End, Kind: m.Kind})
	}
	return dst
}

// invented makes values that nobody has, and stands for the set of what a source holds: it knows those that it made.
type invented struct {
	lists   *names.Lists
	country string
	known   map[string]bool
}

// Taken implements transform.Taken.
func (m *invented) Taken(kind personal.Kind, value []byte) bool {
	return m.known[string(kind)+"\x00"+strings.ToLower(string(value))]
}

func (m *invented) know(kind personal.Kind, values ...string) []string {
	for _, v := range values {
		m.known[string(kind)+"\x00"+strings.ToLower(v)] = true
	}
	return values
}

// pick takes the n-th of a list, whatever its length.
func pick(list []string, n int) string { return list[n%len(list)] }

func (m *invented) given(n int) string {
	if n%2 == 0 {
		return pick(m.lists.Female, 7+n)
	}
	return pick(m.lists.Male, 11+n)
}

func (m *invented) family(n int) string { return pick(m.lists.Family, 5+3*n) }

func (m *invented) person(n int) string { return m.given(n) + " " + m.family(n) }

// login is a name as people sign in with it.
func (m *invented) login(n int) string {
	return string(names.AppendFold(nil, []byte(m.given(n)))) + "." + strings.ReplaceAll(string(names.AppendFold(nil, []byte(m.family(n)))), " ", "")
}

// fixed draws always the same.
type fixed int

// Below implements names.Picker.
func (f fixed) Below(n int) int { return int(f) % n }

// numbers are telephone numbers, accounts and national numbers by country: those of manuals where there are any.
func (m *invented) numbers(kind personal.Kind) []string {
	of := map[personal.Kind]map[string][]string{
		personal.Phone:          {"FR": {"06 39 98 12 34", "+33 1 99 00 56 78"}, "BE": {"0470 12 34 56", "+32 2 555 12 12"}, "NL": {"06 12345678", "+31 20 555 1212"}, "DE": {"0151 23456789", "+49 30 23125 123"}, "GB": {"07700 900123", "+44 20 7946 0123"}},
		personal.IBAN:           {"FR": {"FR14 2004 1010 0505 0001 3M02 606"}, "BE": {"BE68 5390 0754 7034"}, "NL": {"NL91 ABNA 0417 1643 00"}, "DE": {"DE89 3704 0044 0532 0130 00"}, "GB": {"GB29 NWBK 6016 1331 9268 19"}},
		personal.NationalNumber: {"FR": {"2 55 08 14 168 025 38"}, "BE": {"85.07.30-033.28"}},
	}[kind]
	if list := of[m.country]; list != nil {
		return list
	}
	return of["FR"]
}

// of are values of a kind as a column of that type holds them; nothing where none can be thought of.
func (m *invented) of(kind personal.Kind, spec transform.Spec, c transform.Column) []string {
	element, array := strings.CutSuffix(c.Type, "[]")
	family := transform.FamilyOf(element)
	values := m.typed(kind, spec, family, element)
	if family == transform.Text {
		values = m.text(kind, spec)
	}
	var out []string
	for _, v := range values {
		if c.Length > 0 && len([]rune(v)) > c.Length {
			v = strings.TrimSpace(string([]rune(v)[:c.Length]))
		}
		if !array {
			out = append(out, v)
		}
	}
	if array && len(values) > 0 {
		quoted := make([]string, len(values))
		for i, v := range values {
			quoted[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
		}
		out = []string{"{" + strings.Join(quoted, ",") + "}"}
	}
	return out
}

// text are values of a kind in a column of text.
func (m *invented) text(kind personal.Kind, spec transform.Spec) []string {
	switch kind {
	case personal.GivenName:
		return m.know(kind, m.given(0), m.given(1))
	case personal.FamilyName:
		return m.know(kind, m.family(0), m.family(1))
	case personal.FullName:
		return m.know(kind, m.person(0), m.person(1))
	case personal.Username:
		return m.know(kind, m.login(0), m.login(1))
	case personal.Email:
		return m.know(kind, m.login(0)+"@mail.example", m.login(1)+"@mail.example")
	case personal.Phone, personal.IBAN, personal.NationalNumber:
		return m.know(kind, m.numbers(kind)...)
	case personal.Card:
		return []string{"4111 1111 1111 1111", "5500 0000 0000 0004"}
	case personal.IdentityPaper:
		return []string{"EJ123456", "1-ABC-234"}
	case personal.Address:
		return []string{string(m.lists.AppendStreet(nil, fixed(3))), string(m.lists.AppendStreet(nil, fixed(11)))}
	case personal.Postcode:
		return []string{m.lists.Towns[2].Postcode, m.lists.Towns[9%len(m.lists.Towns)].Postcode}
	case personal.Town:
		return []string{m.lists.Towns[2].Name, m.lists.Towns[9%len(m.lists.Towns)].Name}
	case personal.Coordinates:
		return []string{"50.8466, 4.3528"}
	case personal.IP:
		return []string{"10.21.4.7", "fd00:21::7"}
	case personal.Device:
		return []string{"a1b2c3d4e5f60718"}
	case personal.BirthDate:
		return []string{"1984-03-17", "1991-11-02"}
	case personal.Sex:
		return []string{"F", "M"}
	case personal.Special:
		return []string{map[bool]string{true: "asthme", false: "asthma"}[m.french()]}
	case personal.Credential:
		return []string{"$2b$12$eImiTXuWVxfM37uY4JANjQ", "9f86d081884c7d659a2feaa0c55ad015"}
	case personal.PersonURL:
		return []string{"https://social.example/" + m.login(0)}
	case personal.File:
		return []string{"passeport.pdf"}
	}
	if kind == personal.Text || spec.Name == "free_text" {
		return m.sentences()
	}
	switch spec.Name {
	case "rekey":
		return []string{"4711", "4712"}
	case "date_shift":
		return []string{"2026-03-14"}
	case "generalise":
		if spec.Args["to"] != nil {
			return []string{"2026-03-14"}
		}
	}
	return []string{map[bool]string{true: "actif", false: "active"}[m.french()]}
}

func (m *invented) french() bool { return strings.HasPrefix(string(m.lists.Language), "fr") }

// sentences mention somebody whom the source would know, and a way to reach them.
func (m *invented) sentences() []string {
	who := m.know(personal.FullName, m.person(0))[0]
	phone := m.know(personal.Phone, m.numbers(personal.Phone)...)[0]
	if m.french() {
		return []string{"Rappeler " + who + " au " + phone + " avant vendredi."}
	}
	return []string{"Call " + who + " back on " + phone + " before Friday."}
}

// typed are values in columns of other types than text.
func (m *invented) typed(kind personal.Kind, spec transform.Spec, family transform.Family, typ string) []string {
	switch family {
	case transform.Integer:
		switch {
		case kind == personal.Phone:
			return []string{"32470123456"}
		case kind == personal.Card:
			return []string{"4111111111111111"}
		case kind == personal.Postcode:
			return []string{"1000", "4020"}
		case kind == personal.NationalNumber:
			return []string{"85073003328"}
		case typ == "smallint":
			return []string{"471", "472"}
		}
		return []string{"4711", "4712"}
	case transform.Number:
		if kind == personal.Coordinates {
			return []string{"50.8466"}
		}
		return []string{"1249.90", "87.35"}
	case transform.Boolean:
		return []string{"t"}
	case transform.Date:
		return []string{"1984-03-17", "1991-11-02"}
	case transform.Timestamp:
		if strings.Contains(typ, "without") {
			return []string{"2026-03-14 09:26:53.589"}
		}
		return []string{"2026-03-14 09:26:53.589+00"}
	case transform.UUID:
		return []string{"0b6f1c2e-5d7a-4e0b-9c1d-2f3a4b5c6d7e"}
	case transform.Network:
		return []string{"10.21.4.7"}
	case transform.Hardware:
		return []string{"08:00:2b:01:02:03"}
	case transform.Point:
		return []string{"(4.3528,50.8466)"}
	case transform.Bytes:
		return []string{`\x89504e470d0a`}
	case transform.JSON:
		if spec.Name != "json" { // those are shown path by path
			return []string{`{"theme": "dark"}`}
		}
	}
	return nil
}

// documentWith makes a document of one value at a path: contact.emails[].address.
func documentWith(path, value string) (string, bool) {
	steps, ok := stepsOf(path)
	if !ok {
		return "", false
	}
	var v any = value
	for _, s := range slices.Backward(steps) {
		if s == "[]" {
			v = []any{v}
		} else {
			v = map[string]any{strings.TrimPrefix(s, "."): v}
		}
	}
	b, err := json.Marshal(v)
	return string(b), err == nil
}

// stepsOf splits a path into keys, each with a point before it, and arrays.
func stepsOf(path string) (steps []string, ok bool) {
	if path == "$" {
		return nil, true
	}
	for rest := path; rest != ""; {
		switch {
		case strings.HasPrefix(rest, "[]"):
			steps, rest = append(steps, "[]"), rest[2:]
		case strings.HasPrefix(rest, `"`) || strings.HasPrefix(rest, `."`):
			rest = strings.TrimPrefix(rest, ".")[1:]
			var key strings.Builder
			for rest != "" && rest[0] != '"' {
				if rest[0] == '\\' && len(rest) > 1 {
					rest = rest[1:]
				}
				key.WriteByte(rest[0])
				rest = rest[1:]
			}
			if rest == "" {
				return nil, false
			}
			steps, rest = append(steps, "."+key.String()), rest[1:]
		default:
			rest = strings.TrimPrefix(rest, ".")
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			if end == 0 {
				return nil, false
			}
			key := rest[:end]
			if key == "*" {
				key = "a"
			}
			steps, rest = append(steps, "."+key), rest[end:]
		}
	}
	return steps, true
}

// only is the one value of a document; null when it is gone.
func only(document string) (value string, null bool) {
	var v any
	d := json.NewDecoder(strings.NewReader(document))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return document, false
	}
	for {
		switch x := v.(type) {
		case map[string]any:
			if len(x) == 0 {
				return "{}", false
			}
			for _, one := range x {
				v = one
			}
			continue
		case []any:
			if len(x) == 0 {
				return "[]", false
			}
			v = x[0]
			continue
		case nil:
			return "", true
		case string:
			return x, false
		case json.Number:
			return x.String(), false
		case bool:
			return strconv.FormatBool(x), false
		}
		return document, false
	}
}
