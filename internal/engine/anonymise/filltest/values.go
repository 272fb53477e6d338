package filltest

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
)

// cell is a value in the making: SQL, and what of it leads to somebody.
type cell struct {
	sql     string
	planted []Planted
}

func null() cell { return cell{sql: "NULL"} }

func text(s string) cell { return cell{sql: "'" + strings.ReplaceAll(s, "'", "''") + "'"} }

// try is one attempt at a row.
type try struct {
	*filler
	table   *catalog.Table
	row     int // from 1 on
	attempt int // from 0 on: the further, the more is tried
	who     *person
	bounds  []string // of the partition that the row goes to
}

var quoted = regexp.MustCompile(`'((?:[^']|'')*)'`)

// allowed lists what checks of a column allow, when they list it.
func allowed(c *catalog.Column) (out []string) {
	for _, check := range c.Checks {
		if strings.Contains(check, "ANY (") || strings.Contains(check, " = '") {
			for _, m := range quoted.FindAllStringSubmatch(check, -1) {
				out = append(out, strings.ReplaceAll(m[1], "''", "'"))
			}
		}
	}
	return out
}

// value makes one of a column.
func (t *try) value(c *catalog.Column) cell {
	if !c.NotNull && t.attempt > 0 && t.rnd.IntN(2) == 0 {
		return null()
	}
	if c.Default != "" && !c.Unique && (t.attempt > 0 && len(c.Checks) > 0 || t.attempt > 2) {
		return cell{sql: "DEFAULT"}
	}
	if list := allowed(c); len(list) > 0 && !strings.HasSuffix(c.Type, "[]") {
		return text(list[t.rnd.IntN(len(list))])
	}
	if element, ok := strings.CutSuffix(c.Type, "[]"); ok {
		one := *c
		one.Type, one.Checks, one.NotNull = element, nil, true
		v := t.scalar(&one)
		if v.sql == "NULL" {
			return text("{}")
		}
		inside := strings.ReplaceAll(strings.Trim(v.sql, "'"), "''", "'")
		return cell{text(`{"` + strings.ReplaceAll(strings.ReplaceAll(inside, `\`, `\\`), `"`, `\"`) + `"}`).sql, v.planted}
	}
	return t.scalar(c)
}

func (t *try) scalar(c *catalog.Column) cell {
	if len(c.Labels) > 0 {
		return text(c.Labels[t.rnd.IntN(len(c.Labels))])
	}
	if len(c.Fields) > 0 {
		var parts []string
		var planted []Planted
		for _, f := range c.Fields {
			v := t.scalar(&catalog.Column{Name: f.Name, Type: strings.Split(f.Type, "(")[0], NotNull: true})
			for _, p := range v.planted {
				p.Column, p.Kind = c.Name, personal.Text
				planted = append(planted, p)
			}
			parts = append(parts, `"`+strings.ReplaceAll(strings.ReplaceAll(strings.Trim(v.sql, "'"), "''", "'"), `"`, `""`)+`"`)
		}
		return cell{text("(" + strings.Join(parts, ",") + ")").sql, planted}
	}
	kind := t.meaning(t.table.Name.Table, c.Name)
	if kind == personal.None && t.row%2 == 0 && t.attempt == 0 && t.hidden(c) {
		kind = personal.Text
	}
	switch transform.FamilyOf(c.Type) {
	case transform.Text:
		return t.text(c, kind)
	case transform.Integer:
		return t.integer(c, kind)
	case transform.Number:
		whole := 3
		if c.Precision > 0 {
			whole = min(whole, c.Precision-c.Scale)
		}
		n := strconv.Itoa(t.rnd.IntN(max(pow10(whole), 1)))
		if c.Scale > 0 || c.Precision == 0 {
			n += "." + strconv.Itoa(t.rnd.IntN(10))
		}
		if t.attempt > 1 {
			n = []string{"0", "1", "0.5"}[t.rnd.IntN(3)]
		}
		return cell{sql: n}
	case transform.Boolean:
		return cell{sql: []string{"true", "false"}[t.rnd.IntN(2)]}
	case transform.Date, transform.Timestamp:
		if kind == personal.BirthDate {
			return cell{text(t.who.born).sql, []Planted{t.plant(c, kind, "")}}
		}
		return text(t.time(c).Format("2006-01-02 15:04:05.000000Z07:00"))
	case transform.UUID:
		return text(fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", t.rnd.Uint32(), t.rnd.IntN(1<<16), t.rnd.IntN(1<<12), t.rnd.IntN(1<<12), t.rnd.Int64N(1<<48)))
	case transform.Network:
		return cell{text(t.who.ip).sql, []Planted{t.plant(c, personal.IP, t.who.ip)}}
	case transform.Hardware:
		return text(fmt.Sprintf("00:1b:%02x:%02x:%02x:%02x", t.rnd.IntN(256), t.rnd.IntN(256), t.rnd.IntN(256), t.rnd.IntN(256)))
	case transform.JSON:
		return t.document(c)
	case transform.Bytes:
		inside := "EXIF " + t.who.full + " " + t.who.email
		return cell{text(`\x` + hex.EncodeToString([]byte(inside))).sql, []Planted{t.plant(c, personal.File, hex.EncodeToString([]byte(t.who.full)))}}
	case transform.Point:
		return text(fmt.Sprintf("(%d.%04d,%d.%04d)", 2+t.rnd.IntN(4), t.rnd.IntN(10_000), 48+t.rnd.IntN(4), t.rnd.IntN(10_000)))
	}
	return t.other(c)
}

// hidden chooses columns that speak of somebody although their names do not say so.
func (t *try) hidden(c *catalog.Column) bool {
	if t.o.Hide == 0 || transform.FamilyOf(c.Type) != transform.Text || c.Length > 0 && c.Length < 100 || len(c.Checks) > 0 || c.Unique || c.Default != "" || slices.Contains(t.table.Key, c.Name) {
		return false
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(t.table.Name.String() + c.Name))
	return h.Sum32()%uint32(t.o.Hide) == 0 //nolint:gosec // small
}

// time runs with the rows, and within a row with its columns, so that what begins ends later.
func (t *try) time(c *catalog.Column) time.Time {
	at := time.Date(2026, 9, 1, 6, 0, 0, 0, time.UTC)
	for _, b := range t.bounds {
		for _, form := range []string{"2006-01-02 15:04:05-07", "2006-01-02 15:04:05", time.DateOnly} {
			if d, err := time.Parse(form, b); err == nil {
				return d.Add(time.Duration(t.row%1400) * time.Minute)
			}
		}
	}
	at = at.Add(time.Duration(t.row*97+t.rnd.IntN(90)) * time.Minute)
	index := slices.IndexFunc(t.table.Columns, func(o catalog.Column) bool { return o.Name == c.Name })
	return at.Add(time.Duration(index)*25*time.Hour + time.Duration(t.rnd.IntN(1e9))*time.Microsecond/1000)
}

func pow10(n int) int {
	out := 1
	for range n {
		out *= 10
	}
	return out
}

func (t *try) integer(c *catalog.Column, kind personal.Kind) cell {
	if kind == personal.Phone && c.Type == "bigint" {
		digits := strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, t.who.phone)
		return cell{digits, []Planted{t.plant(c, kind, digits)}}
	}
	if slices.Contains(t.table.Key, c.Name) || c.Unique || c.Identity {
		n := t.row
		if t.attempt > 0 {
			n = t.row + t.rnd.IntN(3000)
		}
		if t.attempt > 0 && len(t.bounds) > 0 {
			if b, err := strconv.Atoi(t.bounds[0]); err == nil {
				n = b
			}
		}
		return cell{sql: strconv.Itoa(n)}
	}
	most := 400
	if t.attempt > 0 {
		most = []int{1, 2, 3, 10, 1000}[t.rnd.IntN(5)]
	}
	return cell{sql: strconv.Itoa(t.rnd.IntN(most))}
}

func (t *try) plant(c *catalog.Column, k personal.Kind, value string) Planted {
	return Planted{Table: t.table.Name, Column: c.Name, Kind: k, Value: value}
}

// text makes a value of a column of text; what has no room for somebody holds a few letters.
func (t *try) text(c *catalog.Column, kind personal.Kind) cell {
	p := t.who
	var s string
	var values []string
	one := func(v string) { s, values = v, []string{v} }
	switch kind {
	case personal.Email:
		one(p.email)
		if t.attempt > 0 || strings.Contains(c.Name, "second") || strings.Contains(c.Name, "unconfirmed") {
			one(p.private)
		}
	case personal.GivenName:
		s, values = p.given, []string{""}
	case personal.FamilyName:
		one(p.family)
	case personal.FullName:
		one(p.full)
	case personal.Username:
		one(p.user)
	case personal.Phone:
		one(p.phone)
	case personal.IBAN:
		one(p.iban)
	case personal.Card:
		one(p.card)
	case personal.NationalNumber:
		one(p.national)
	case personal.Address:
		one(p.street)
	case personal.Postcode:
		s, values = p.postcode, []string{""}
	case personal.Town:
		s, values = p.town, []string{""}
	case personal.IP:
		one(p.ip)
	case personal.BirthDate:
		s, values = p.born, []string{""}
	case personal.Sex:
		s, values = p.sex, []string{""}
	case personal.PersonURL:
		one(p.url)
	case personal.Credential:
		one(fmt.Sprintf("%016x%016x%08x", t.rnd.Uint64(), t.rnd.Uint64(), t.row))
	case personal.Text:
		s, values = p.note, append(t.mentioned(p), "")
	default:
		s = t.harmless(c)
	}
	room := c.Length == 0 || len([]rune(s)) <= c.Length
	if kind != personal.None && room {
		v := text(s)
		for _, value := range values {
			v.planted = append(v.planted, t.plant(c, kind, value))
		}
		return v
	}
	if !room {
		s = t.harmless(c)
	}
	if c.Type == "xml" {
		s = "<a>" + s + "</a>"
	}
	if c.Length > 0 && len(s) > c.Length {
		s = s[len(s)-c.Length:]
	}
	return text(s)
}

// mentioned lists what a person's note names.
func (t *try) mentioned(p *person) (out []string) {
	for _, v := range []string{p.full, p.phone, p.email, p.street, p.iban} {
		if strings.Contains(p.note, v) {
			out = append(out, v)
		}
	}
	return out
}

// harmless is a text that speaks of nobody.
func (t *try) harmless(c *catalog.Column) string {
	some := strings.Fields("blue green large small copper linen harbour meadow window ladder kettle marble timber basket lantern pepper")
	w := words(c.Name)
	word := some[t.rnd.IntN(len(some))] + w[len(w)-1:] + strconv.Itoa(len(w)) // what one column holds another one does not
	switch {
	case t.attempt > 3:
		return []string{"a", "A", "0", "1", word, "{}", "/" + word, "https://app.example/" + word, "en", "EUR", "#ff0000"}[t.rnd.IntN(11)]
	case c.Unique:
		return fmt.Sprintf("%s-%d-%d", word, t.row, t.rnd.IntN(1000*(t.attempt+1)))
	case strings.Contains(w, "url"), strings.Contains(w, "uri"):
		return "https://app.example/" + word
	case strings.Contains(w, "description"), strings.Contains(w, "summary"), strings.Contains(w, "text"):
		return "A " + word + " " + some[t.rnd.IntN(len(some))] + " for the garden, delivered within the week."
	case strings.Contains(w, "country"):
		return t.who.country
	case strings.Contains(w, "locale"), strings.Contains(w, "language"):
		return "fr"
	case strings.Contains(w, "user_agent"):
		return "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	case strings.Contains(w, "zone"):
		return "Europe/Brussels"
	}
	return word
}

// document is a JSON document: settings by the column's name, else with somebody in it.
func (t *try) document(c *catalog.Column) cell {
	w := words(c.Name)
	p := t.who
	if t.attempt > 3 {
		return text([]string{"{}", "[]", `"a"`, "null"}[t.rnd.IntN(4)])
	}
	var doc any
	var planted []Planted
	for _, setting := range []string{"setting", "config", "option", "styl", "limit", "feature", "schema", "permission", "theme", "rule", "filter", "logic", "definition", "integration", "segment", "card", "question", "ending", "block", "hidden", "variable", "language"} {
		if strings.Contains(w, setting) {
			doc = map[string]any{"enabled": t.rnd.IntN(2) == 0, "theme": "dark", "limit": t.rnd.IntN(100)}
		}
	}
	if doc == nil {
		doc = map[string]any{
			"status": "open", "contact": map[string]any{"email": p.email, "name": p.full, "phones": []string{p.phone}}, "note": p.note, "items": []any{map[string]any{"label": "linen", "price": t.rnd.IntN(100)}},
		}
		at := func(path string, k personal.Kind, values ...string) {
			for _, v := range values {
				planted = append(planted, Planted{Table: t.table.Name, Column: c.Name, Path: path, Kind: k, Value: v})
			}
		}
		at("contact.email", personal.Email, p.email)
		at("contact.name", personal.FullName, p.full)
		at("contact.phones[]", personal.Phone, p.phone)
		at("note", personal.Text, t.mentioned(p)...)
	}
	if t.attempt > 1 {
		doc = []any{doc}
		for i := range planted {
			planted[i].Path = "[]." + planted[i].Path
		}
	}
	b, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return cell{text(string(b)).sql, planted}
}

// other makes values of types that are rare.
func (t *try) other(c *catalog.Column) cell {
	n := strconv.Itoa(t.row)
	day := t.time(c).Format(time.DateOnly)
	next := t.time(c).AddDate(0, 0, 1).Format(time.DateOnly)
	for typ, v := range map[string]string{
		"interval": n + " minutes", "time without time zone": "08:30", "time with time zone": "08:30+00", "tsvector": strings.ToLower(t.who.family) + " 'linen'", "hstore": `"colour"=>"blue"`, "xml": "<a/>", "money": n,
		"int4range": "[" + n + "," + n + "]", "int8range": "[" + n + "," + n + "]", "numrange": "[" + n + "," + n + "]", "daterange": "[" + day + "," + day + "]", "tsrange": "[" + day + "," + next + ")", "tstzrange": "[" + day + "," + next + ")",
		"ltree": "top.n" + n, "box": "(1,1),(0,0)", "circle": "<(0,0),1>", "line": "{1,2,3}", "lseg": "[(0,0),(1,1)]", "path": "[(0,0),(1,1)]", "polygon": "((0,0),(1,1),(1,0))", "pg_lsn": "0/" + n, "\"char\"": "a",
		"bit": "1", "bit varying": "101", "tsquery": "linen", "int4multirange": "{[1,2)}", "datemultirange": "{}", "jsonpath": "$.a", "regclass": "pg_class", "cube": "(1,2)",
	} {
		if c.Type == typ || strings.HasSuffix(c.Type, "."+typ) {
			v := text(v)
			if typ == "tsvector" {
				v.planted = []Planted{t.plant(c, personal.Text, strings.ToLower(t.who.family))}
			}
			return v
		}
	}
	switch {
	case c.Default != "":
		return cell{sql: "DEFAULT"}
	case !c.NotNull:
		return null()
	}
	return text([]string{"0", "", "a", "{}", "()"}[t.attempt%5])
}
