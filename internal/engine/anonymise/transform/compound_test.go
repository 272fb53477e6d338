package transform

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

func TestJSON(t *testing.T) {
	e := env()
	paths := map[string]any{
		"id": "rekey", "name": "full_name", "contact.emails[].address": "email", `"odd.key[]"`: "phone", "age": map[string]any{"transform": "generalise", "band": 10}, "ok": "keep", "note": "suppress",
		"born": map[string]any{"transform": "generalise", "to": "year"}, "by_mail.*": "keep", "tags[]": "keep", "blob": "suppress", "ratio": "keep",
	}
	tr := must(t, "json", map[string]any{"paths": paths, "keys": map[string]any{"by_mail": "email"}}, Column{Name: "t.doc", Type: "jsonb"}, e)
	mail, name, phone, key := must(t, "email", nil, text(), e), must(t, "full_name", nil, text(), e), must(t, "phone", nil, text(), e), must(t, "rekey", nil, Column{Name: "t.c", Type: "bigint"}, e)
	in := `{"ok": true, "id": 12, "age": 47, "born": "1985-07-30", "name": "\u00c9ric \"Dupont\"", "note": "x", "blob": {"a": [1, {"b": "]}"}]}, "ratio": 1.50e3, "tags": ["a", null], "by_mail": {"a@firm.be": 1}, "contact": {"emails": [{"address": "a@firm.be"}, {"address": null}]}, "odd.key[]": "0470 12 34 56"}`
	q := func(s string) string { return string(appendQuoted(nil, []byte(s))) }
	want := `{"ok": true, "id": ` + apply(t, key, "12") + `, "age": 40, "born": "1985-01-01", "name": ` + q(apply(t, name, `Éric "Dupont"`)) + `, "note": null, "blob": null, "ratio": 1.50e3, "tags": ["a", null], "by_mail": {` +
		q(apply(t, mail, "a@firm.be")) + `: 1}, "contact": {"emails": [{"address": ` + q(apply(t, mail, "a@firm.be")) + `}, {"address": null}]}, "odd.key[]": ` + q(apply(t, phone, "0470 12 34 56")) + `}`
	if got := apply(t, tr, in); got != want {
		t.Errorf("\n%s\nnot\n%s", got, want)
	}
	for doc, path := range map[string]string{
		`{"id": 1, "new": 2}`: "new", `{"contact": {"phone": null}}`: "contact.phone", `{"contact": []}`: "contact[]", `{"contact": {"emails": [{"x.y": 1}]}}`: `contact.emails[]."x.y"`, `{"name": {"a": 1}}`: "name", `7`: "$", `[]`: "[]",
		`{"tags": {"a": 1}}`: "tags", `{"by_mail": []}`: "by_mail[]",
	} {
		_, err := tr.Append(nil, []byte(doc), Row{})
		var unknown *UnknownPathError
		if !errors.As(err, &unknown) || unknown.Path != path {
			t.Errorf("%s: %v, not the path %s", doc, err, path)
		}
	}
	for _, doc := range []string{``, `{`, `{"id"}`, `{"id":1,}`, `{"id": 1} x`, `{"id": tru}`, `{"name": "a}`, `{"name": "\u12"}`, `{"id": 01}x`, `{"name": "\q"}`, `[1,]`, `{"tags": ["a",]}`, strings.Repeat(`{"contact":`, 600), `{"age": "aged"}`} {
		if out, err := tr.Append(nil, []byte(doc), Row{}); err == nil {
			t.Errorf("%s becomes %s", doc, out)
		} else if strings.Contains(err.Error(), "aged") {
			t.Errorf("an error tells the value: %v", err)
		}
	}
	if !json.Valid([]byte(apply(t, tr, `{"name": "a\u0001b\ud83d\ude00\ud800c\t"}`))) {
		t.Error("not JSON")
	}
	for _, args := range []map[string]any{{}, {"paths": map[string]any{}}, {"paths": map[string]any{"a": "nothing"}}, {"paths": map[string]any{"a..b": "keep"}}, {"paths": map[string]any{`"a`: "keep"}}, {"paths": map[string]any{"a]": 1}}, {"paths": "a"}, {"paths": map[string]any{"a": map[string]any{"to": "year"}}}} {
		if _, err := New(Spec{"json", args}, Column{Name: "t.doc", Type: "jsonb"}, e); err == nil {
			t.Errorf("%v is a plan for a document", args)
		}
	}
	whole := must(t, "json", map[string]any{"paths": map[string]any{"$": "email", "[]": "email"}}, Column{Name: "t.doc", Type: "json"}, e)
	if got := apply(t, whole, ` [ "a@firm.be" ] `); got != ` [ `+q(apply(t, mail, "a@firm.be"))+` ] ` {
		t.Errorf("an array becomes %s", got)
	}
}

func FuzzJSON(f *testing.F) {
	tr, err := New(Spec{"json", map[string]any{"paths": map[string]any{"*": "full_name", "*[]": "email", "*.*": "suppress"}}}, Column{Name: "t.doc", Type: "jsonb"}, env())
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{`{"a": "b"}`, `{"a": ["b", null]}`, `{"a": {"b": true}}`, `"\ud800"`, `{"a": "\ud83d\ude00"}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out, err := tr.Append(nil, []byte(s), Row{})
		if err == nil && json.Valid([]byte(s)) && !json.Valid(out) {
			t.Errorf("%q becomes %q", s, out)
		}
	})
}

func TestArrays(t *testing.T) {
	e := env()
	family := must(t, "family_name", nil, text(), e)
	array := must(t, "family_name", nil, Column{Name: "t.c", Type: "text[]"}, e)
	f := func(s string) string { return string(appendElement(nil, []byte(apply(t, family, s)))) }
	for value, want := range map[string]string{
		`{}`: `{}`, `{Dupont,NULL,null}`: `{` + f("Dupont") + `,NULL,NULL}`, `{"Dupont","Van Damme"}`: `{` + f("Dupont") + `,` + f("Van Damme") + `}`, `{{Dupont},{Martin}}`: `{{` + f("Dupont") + `},{` + f("Martin") + `}}`,
		`[0:1]={Dupont,Martin}`: `[0:1]={` + f("Dupont") + `,` + f("Martin") + `}`, `{"NULL",""}`: `{` + f("NULL") + `,""}`, `{"a\"b"}`: `{` + f(`a"b`) + `}`,
	} {
		if got := apply(t, array, value); got != want {
			t.Errorf("%s becomes %s, not %s", value, got, want)
		}
	}
	for _, bad := range []string{``, `{`, `a`, `{a}}`, `{"a`, `{a},{b}`, `{"a\`} {
		if out, err := array.Append(nil, []byte(bad), Row{}); err == nil {
			t.Errorf("%s becomes %s", bad, out)
		}
	}
	if got := apply(t, must(t, "rekey", nil, Column{Name: "t.c", Type: "bigint[]"}, e), "{5,6}"); got != "{"+apply(t, must(t, "rekey", nil, Column{Name: "t.c", Type: "bigint"}, e), "5")+","+apply(t, must(t, "rekey", nil, Column{Name: "t.c", Type: "bigint"}, e), "6")+"}" {
		t.Errorf("keys become %s", got)
	}
}

// finder finds one word.
type finder struct {
	word string
	kind personal.Kind
}

func (f finder) Find(dst []Mention, text []byte) []Mention {
	if at := strings.Index(string(text), f.word); at >= 0 {
		dst = append(dst, Mention{at, at + len(f.word), f.kind})
	}
	return dst
}

// The same person is the same person in columns, documents and sentences.
func TestSamePersonEverywhere(t *testing.T) {
	e := env()
	held := set{}
	held.add(personal.FullName, "Éric Dupont", "Jean-Pierre Van den Berghe", "jean dupont")
	held.add(personal.FamilyName, "Dupont", "Petit")
	held.add(personal.GivenName, "Éric")
	held.add(personal.Username, "edupont42")
	held.add(personal.NationalNumber, "85.07.30-033.28")
	e.Taken, e.Finder = held, finder{"eric@firm.be", personal.Email}
	note := must(t, "free_text", nil, text(), e)
	full, family, given := must(t, "full_name", nil, text(), e), must(t, "family_name", nil, text(), e), must(t, "given_name", nil, text(), e)
	mail, user, national := must(t, "email", nil, text(), e), must(t, "username", nil, text(), e), must(t, "national_number", nil, text(), e)
	in := "Appelé ÉRIC DUPONT (eric@firm.be), dit edupont42 : « Éric, un petit mot de Dupont ? » N° 85.07.30-033.28, vu par Jean-Pierre Van den Berghe.\nEt jean dupont."
	want := "Appelé " + apply(t, full, "ÉRIC DUPONT") + " (" + apply(t, mail, "eric@firm.be") + "), dit " + apply(t, user, "edupont42") + " : « " + apply(t, given, "Éric") + ", un petit mot de " + apply(t, family, "Dupont") +
		" ? » N° " + apply(t, national, "85.07.30-033.28") + ", vu par " + apply(t, full, "Jean-Pierre Van den Berghe") + ".\nEt " + apply(t, full, "jean dupont") + "."
	if got := apply(t, note, in); got != want {
		t.Errorf("\n%s\nnot\n%s", got, want)
	}
	doc := must(t, "json", map[string]any{"paths": map[string]any{"n": "full_name", "t": "free_text"}}, Column{Name: "t.doc", Type: "jsonb"}, e)
	if got := apply(t, doc, `{"n": "Éric Dupont", "t": "vu Éric Dupont"}`); got != `{"n": "`+apply(t, full, "Éric Dupont")+`", "t": "vu `+apply(t, full, "Éric Dupont")+`"}` {
		t.Errorf("%s", got)
	}
	if _, err := New(Spec{Name: "free_text"}, text(), env()); err == nil {
		t.Error("mentions are replaced, and nothing finds them")
	}
	all := must(t, "free_text", map[string]any{"replace": "all", "language": "fr"}, text(), env())
	if got := apply(t, all, in); strings.Contains(got, "ric") || apply(t, all, in) != got {
		t.Errorf("becomes %q", got)
	}
	// Lengths stay in their band, and do not tell which of it they were.
	same := 0
	for n := 1; n <= 1500; n++ {
		got := letters([]byte(apply(t, all, strings.Repeat("é", n))))
		if bits.Len(uint(got)) != bits.Len(uint(n)) { //nolint:gosec // not negative
			t.Errorf("%d letters become %d", n, got)
		}
		if got == n {
			same++
		}
	}
	if same > 50 {
		t.Errorf("%d of 1500 values are as long as they were", same)
	}
	if got := apply(t, must(t, "free_text", map[string]any{"replace": "all", "language": "fr"}, Column{Name: "t.c", Type: "text", Length: 70}, env()), strings.Repeat("x", 70)); letters([]byte(got)) > 70 {
		t.Errorf("%q has no room", got)
	}
}

func TestDatesOfOnePersonMoveTogether(t *testing.T) {
	e := env()
	dates, moments := must(t, "date_shift", map[string]any{"max_days": 30}, Column{Name: "t.c", Type: "date"}, e), must(t, "date_shift", map[string]any{"max_days": 30}, Column{Name: "t.c", Type: "timestamp with time zone"}, e)
	parse := func(tr Transformer, layout, value, person string) time.Time {
		out, err := tr.Append(nil, []byte(value), Row{Subject: []byte(person)})
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(layout, string(out))
		if err != nil {
			t.Fatalf("%s becomes %s", value, out)
		}
		return at
	}
	const layout = "2006-01-02 15:04:05.999999-07"
	shifts := map[time.Duration]bool{}
	for i := range 100 {
		person := fmt.Sprint(i)
		a, b := parse(dates, "2006-01-02", "2024-02-28", person), parse(dates, "2006-01-02", "2024-03-01", person)
		c, d := parse(moments, layout, "2024-02-28 23:59:59.5+01", person), parse(moments, layout, "2024-02-29 10:00:00+01", person)
		shift := a.Sub(time.Date(2024, 2, 28, 0, 0, 0, 0, time.UTC))
		if b.Sub(a) != 48*time.Hour || shift == 0 || shift.Abs() > 30*24*time.Hour {
			t.Errorf("dates of one person become %s and %s", a, b)
		}
		if between := d.Sub(c); between < 35_999*time.Second || between > 36_002*time.Second {
			t.Errorf("moments of one person become %s and %s", c, d)
		}
		shifts[shift] = true
	}
	if len(shifts) < 30 {
		t.Errorf("a hundred persons have %d shifts", len(shifts))
	}
	past := must(t, "date_shift", map[string]any{"direction": "past"}, Column{Name: "t.c", Type: "date"}, e)
	for value, want := range map[string]string{"infinity": "infinity", "-infinity": "-infinity"} {
		if got := apply(t, past, value); got != want {
			t.Errorf("%s becomes %s", value, got)
		}
	}
	for i := range 50 {
		if got := apply(t, past, fmt.Sprintf("2024-01-%02d", i%28+1)); got >= "2024-01-28" {
			t.Errorf("into the future: %s", got)
		}
	}
	for n := civil(-10, 3, 1); n < civil(3000, 1, 1); n += 17 {
		if y, m, d := fromCivil(n); civil(y, m, d) != n {
			t.Fatalf("day %d is %d-%d-%d", n, y, m, d)
		}
	}
	if civil(1970, 1, 1)-civil(2000, 3, 1) != int64(time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC).Sub(time.Date(2000, 3, 1, 0, 0, 0, 0, time.UTC)).Hours()/24) {
		t.Error("days are counted badly")
	}
}

func TestGeneralise(t *testing.T) {
	for _, c := range []struct{ typ, argument, value, want string }{
		{"date", "to year", "1985-07-30", "1985-01-01"}, {"date", "to decade", "1985-07-30", "1980-01-01"}, {"date", "to quarter", "1985-08-30", "1985-07-01"}, {"date", "to month", "0044-03-15 BC", "0044-03-01 BC"},
		{"timestamp with time zone", "to day", "1985-07-30 12:34:56.789+02", "1985-07-30 00:00:00.000+02"}, {"integer", "band 10", "47", "40"}, {"integer", "band 10", "-47", "-50"}, {"numeric", "band 100", "-100.00", "-100"},
		{"numeric", "band 100", "-100.01", "-200"}, {"text", "first 2", "5000-Namur é", "5000-Xxxxx x"}, {"text", "first 2", "75011", "75000"}, {"text", "to year", "30/07/1985", "01/01/1985"}, {"text", "to year", "vers 1985", "xxxx 0000"},
		{"text", "constant none", "x", "none"}, {"numeric", "digits 2", "-1234.56", "-1200.00"}, {"numeric", "digits 2", "0.0409", "0.0400"}, {"integer", "digits 2", "7", "7"}, {"bigint", "digits 1", "10999", "10000"},
		{"double precision", "digits 2", "1.259e-07", "1.200e-07"}, {"numeric", "digits 3", "NaN", "NaN"}, {"numeric", "digits 2", "1050", "1000"},
	} {
		name, arg, _ := strings.Cut(c.argument, " ")
		args := map[string]any{name: arg}
		if name == "band" || name == "first" || name == "digits" {
			var n int
			_, _ = fmt.Sscan(arg, &n)
			args[name] = n
		}
		if got := apply(t, must(t, "generalise", args, Column{Name: "t.c", Type: c.typ}, env()), c.value); got != c.want {
			t.Errorf("%s, %s: %s becomes %s, not %s", c.typ, c.argument, c.value, got, c.want)
		}
	}
}

func TestSubprocess(t *testing.T) {
	sh := func(script string, args ...any) (Transformer, error) {
		a := map[string]any{"command": []any{"sh", "-c", script}}
		for i := 0; i < len(args); i += 2 {
			a[args[i].(string)] = args[i+1]
		}
		return New(Spec{"subprocess", a}, text(), env())
	}
	tr, err := sh(`while read -r l; do case "$l" in '"none"') echo null;; *) printf '%s\n' "$l" | sed 's/a/b/g';; esac; done`)
	if err != nil {
		t.Fatal(err)
	}
	if got := apply(t, tr, "a\"\\\n é"); got != "b\"\\\n é" {
		t.Errorf("%q", got)
	}
	if _, err := tr.Append(nil, []byte("none"), Row{}); !errors.Is(err, ErrNull) {
		t.Errorf("null is %v", err)
	}
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
	for what, c := range map[string]struct{ script, want string }{
		"silent":          {`cat > /dev/null`, "did not answer within"},
		"crashes":         {`read -r l; exit 3`, "ended"},
		"talks too much":  {`while read -r l; do echo '"x"'; echo '"y"'; done`, "more lines"},
		"no JSON":         {`while read -r l; do echo x; done`, "no JSON string"},
		"half a line":     {`read -r l; printf '"x'`, "middle of a line"},
		"ends in error":   {`while read -r l; do echo '"x"'; done; exit 4`, "exit status 4"},
		"does not end":    {`while read -r l; do echo '"x"'; done; sleep 60`, "did not end within"},
		"says a number":   {`while read -r l; do echo 7; done`, "no JSON string"},
		"answers at once": {`echo '"x"'; cat > /dev/null`, "more lines"},
	} {
		tr, err := sh(c.script, "timeout_ms", 400)
		if err != nil {
			t.Fatal(err)
		}
		if what == "answers at once" {
			time.Sleep(200 * time.Millisecond)
		}
		var all []error
		for range 3 {
			_, err := tr.Append(nil, []byte("secret value"), Row{})
			all = append(all, err)
		}
		all = append(all, tr.Close())
		if err := errors.Join(all...); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret value") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := New(Spec{"subprocess", map[string]any{"command": []any{"/nowhere/at/all"}}}, text(), env()); err == nil {
		t.Error("a program that is not there starts")
	}
}

// What does not fit is refused before anything is copied, with what to do instead.
func TestMisfitsAreRefused(t *testing.T) {
	for _, c := range []struct {
		spec   Spec
		column Column
		want   string
	}{
		{Spec{Name: "emial"}, text(), "there is none of this name"},
		{Spec{Name: "email"}, Column{Name: "t.c", Type: "integer"}, "does not fit type integer"},
		{Spec{Name: "email"}, Column{Name: "t.c", Type: "int4range"}, "does not fit type int4range"},
		{Spec{Name: "hash"}, Column{Name: "t.c", Type: "hstore"}, "does not fit type hstore"},
		{Spec{Name: "family_name"}, Column{Name: "t.c", Type: "text", Unique: true}, "the column is unique; take"},
		{Spec{"email", map[string]any{"lang": "fr"}}, text(), `has no argument "lang"`},
		{Spec{"card", map[string]any{"unique": "yes"}}, text(), "true or false"},
		{Spec{"keep", map[string]any{"x": 1}}, text(), "reason"},
		{Spec{"hash", map[string]any{"of": 1}}, text(), "must be text"},
		{Spec{"email", map[string]any{"language": "it"}}, text(), "no names for"},
		{Spec{"suppress", map[string]any{"as": "null"}}, Column{Name: "t.c", Type: "text", NotNull: true}, "takes no NULL"},
		{Spec{Name: "suppress"}, Column{Name: "t.c", Type: "text", NotNull: true, Unique: true}, "unique"},
		{Spec{Name: "suppress"}, Column{Name: "t.c", Type: "box3d", NotNull: true}, "no empty value"},
		{Spec{"constant", map[string]any{"value": "x"}}, Column{Name: "t.c", Type: "integer"}, "no value of type"},
		{Spec{"constant", map[string]any{"value": "x"}}, Column{Name: "t.c", Type: "mood", Labels: []string{"sad"}}, "none of the labels"},
		{Spec{Name: "constant"}, text(), `takes the argument "value"`},
		{Spec{Name: "generalise"}, text(), "takes one of"},
		{Spec{"generalise", map[string]any{"band": 10}}, Column{Name: "t.c", Type: "date"}, "does not fit"},
		{Spec{"date_shift", map[string]any{"max_days": 0}}, Column{Name: "t.c", Type: "date"}, "it may be 1 to"},
		{Spec{Name: "rekey"}, Column{Name: "t.c", Type: "smallint"}, "no room"},
		{Spec{Name: "phone"}, Column{Name: "t.c", Type: "integer"}, "bigint or text"},
		{Spec{Name: "sql"}, text(), "expression"},
		{Spec{Name: "subprocess"}, text(), "command"},
	} {
		_, err := New(c.spec, c.column, env())
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), c.column.Name) {
			t.Errorf("%v on %s: %v, not %q", c.spec, c.column.Type, err, c.want)
		}
	}
	if _, err := New(Spec{Name: "keep"}, text(), Env{}); err == nil {
		t.Error("made without a key")
	}
}

// Each kind has one transformer that serves it where a plan says nothing, and that protects.
func TestEveryKindIsServed(t *testing.T) {
	for _, k := range personal.Kinds() {
		var serve []string
		for _, d := range Descriptions() {
			for _, served := range d.DefaultOf {
				if served == k {
					serve = append(serve, d.Name)
				}
			}
		}
		wantOne := k != personal.Postcode && k != personal.Town || len(serve) == 1
		if len(serve) != 1 || !wantOne {
			t.Errorf("%s is served by %v", k, serve)
		}
	}
	for _, d := range Descriptions() {
		if d.Words.FR == "" || d.Words.EN == "" || len(d.Fits) == 0 {
			t.Errorf("%s says too little of itself", d.Name)
		}
		for _, a := range d.Args {
			if a.Words.FR == "" || a.Words.EN == "" {
				t.Errorf("%s: argument %s is not explained", d.Name, a.Name)
			}
		}
	}
	manual, err := os.ReadFile("../../../../docs/anonymise-transformers.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range Descriptions() { // the manual's table says the same
		at := strings.Index(string(manual), "\n| `"+d.Name+"` |")
		if at < 0 {
			t.Errorf("%s does not stand in the manual", d.Name)
			continue
		}
		cells := strings.Split(strings.SplitN(string(manual)[at+1:], "\n", 2)[0], " | ")
		var args []string
		for _, a := range d.Args {
			args = append(args, a.Name)
		}
		got := strings.FieldsFunc(cells[2], func(r rune) bool { return r == '`' || r == ',' || r == ' ' || r == '–' })
		got = slices.DeleteFunc(got, func(s string) bool { return s == "or" })
		if !slices.Equal(got, args) || cells[3] == "yes" != d.Unique {
			t.Errorf("the manual says of %s: arguments %q, unique %s; the program says %q, %v", d.Name, got, cells[3], args, d.Unique)
		}
	}
	if e, ok := Expression(Spec{"sql", map[string]any{"expression": "lower(c)"}}); !ok || e != "lower(c)" {
		t.Error("an expression is lost")
	}
}
