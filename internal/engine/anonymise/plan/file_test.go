package plan

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
)

// withoutLines takes the lines out, which a plan that was not read has none of.
func withoutLines(p Plan) Plan {
	for i := range p.Tables {
		t := &p.Tables[i]
		t.Line = 0
		for j := range t.Columns {
			t.Columns[j].Line = 0
			for k := range t.Columns[j].Paths {
				t.Columns[j].Paths[k].Line = 0
			}
		}
	}
	for i := range p.Persons {
		p.Persons[i].Line = 0
	}
	return p
}

// strange are names that YAML or PostgreSQL would read as something else if they were not quoted.
var strange = []string{"a", "T.x", "Odd Name", "true", "null", "~", "123", "1e3", "0x1F", "2020-01-01", "=", "<<", "a: b", "a #b", "- x", "? x", "'", `"`, `\`, "{", "[", "&a", "*a", "!t", "%", "@", "`", "|", ">",
	"é", "日本", "🙂", "a\nb", "a\tb", "\x01", "\u2028", "\ufeff", " a ", "a,b", "yes", "on", "keep", strings.Repeat("n", 63)}

func everything() Plan {
	p := Plan{Language: "fr-BE", Country: "BE", LargeObjects: AllRows}
	t := Table{Name: catalog.Name{Schema: "public", Table: "member"}, Rows: AllRows, Subject: "id", Reason: "it is: so", Columns: []Column{
		{Name: "id", Type: "bigint", Class: personal.Harmless, Kind: personal.None, Transform: transform.Spec{Name: "rekey"}},
		{Name: "email", Type: "text", Class: personal.Identifier, Kind: personal.Email, Transform: transform.Spec{Name: "email"}},
		{Name: "born", Type: "date", Class: personal.Quasi, Kind: personal.BirthDate, Transform: transform.Spec{Name: "generalise", Args: map[string]any{"to": "year"}}, Question: "is this a day of birth?"},
		{Name: "height", Type: "numeric(5,2)", Class: personal.Harmless, Kind: personal.None, Transform: transform.Spec{Name: "constant", Args: map[string]any{"value": 1.0}}, Reason: strings.Repeat("long ", 60) + "words"},
		{Name: "own", Type: "text", Class: personal.FreeText, Kind: personal.Text, Transform: transform.Spec{Name: "subprocess", Args: map[string]any{"command": []any{"/usr/bin/env", "a b", "1"}, "timeout_ms": 100}}},
		{Name: "document", Type: "jsonb", Class: personal.FreeText, Kind: personal.Text, Transform: transform.Spec{Name: "json", Args: map[string]any{
			"paths": map[string]any{
				"contact.email": transform.Spec{Name: "email"}, "items[].name": transform.Spec{Name: "full_name", Args: map[string]any{"language": "nl-BE"}},
				"sex": transform.Spec{Name: "suppress"}, `"odd.key"`: transform.Spec{Name: "keep"}, "what": transform.Spec{Name: "suppress"},
				"inner": transform.Spec{Name: "json", Args: map[string]any{"paths": map[string]any{"a": transform.Spec{Name: "email"}, "b": transform.Spec{Name: "constant", Args: map[string]any{"value": "x"}}}}},
			},
			"keys": map[string]any{"contacts": transform.Spec{Name: "username"}, "$": transform.Spec{Name: "hash"}},
		}}, Paths: []Path{
			{Path: "sex", Kind: personal.Sex}, {Path: "what", Kind: personal.Text, Question: "what is this?"}, {Path: "$", Keys: true, Kind: personal.Username, Reason: "handles"},
		}},
	}}
	for _, s := range strange {
		t.Columns = append(t.Columns, Column{Name: s, Type: s + ".", Class: personal.Harmless, Kind: personal.None, Transform: transform.Spec{Name: "keep"}, Reason: s + "."})
		p.Tables = append(p.Tables, Table{Name: catalog.Name{Schema: s, Table: s}, Rows: NoRows, Question: "?" + s})
	}
	p.Tables = append(p.Tables, t)
	p.Persons = []Identity{{Table: t.Name, Quasi: []string{"born", "id"}, Sensitive: []string{"height"}, K: 5, L: 2, Small: 0.25, Linked: 0.001}}
	p.sort()
	for i := range p.Tables {
		for j := range p.Tables[i].Columns {
			sortPaths(p.Tables[i].Columns[j].Paths)
		}
	}
	return p
}

// Nothing is lost on the way through the file, and the same plan is the same bytes.
func TestRoundTrip(t *testing.T) {
	want := everything()
	written := want.Write()
	got, err := Load("anonymise.yaml", written)
	if err != nil {
		t.Fatalf("%v\n%s", err, written)
	}
	if !strings.Contains(string(written), "\n      id: rekey bigint\n      email: {class: identifier, kind: email, transform: email, type: text}\n") {
		t.Errorf("not short:\n%s", written)
	}
	lines := strings.Split(string(written), "\n")
	for _, table := range got.Tables {
		for _, c := range table.Columns {
			if c.Line < 1 || !strings.Contains(lines[c.Line-1], ":") {
				t.Errorf("line %d of %s", c.Line, c.Name)
			}
		}
	}
	again := got.Write()
	if string(again) != string(written) {
		t.Errorf("written again:\n%s\nnot\n%s", again, written)
	}
	if got = withoutLines(got); !reflect.DeepEqual(got, want) {
		for i := range want.Tables {
			if !reflect.DeepEqual(got.Tables[i], want.Tables[i]) {
				t.Errorf("got\n%#v\nwant\n%#v", got.Tables[i], want.Tables[i])
			}
		}
		t.Errorf("%#v %#v", got.Persons, want.Persons)
	}
}

// Each mistake is told with its line and what to write.
func TestMistakes(t *testing.T) {
	const begin = "anonymise: 1\nlanguage: fr-BE\n"
	column := func(entry string) string {
		return begin + "tables:\n  public.t:\n    columns:\n      c: " + entry + "\n"
	}
	for _, m := range []struct{ source, want string }{
		{"", ":1: The file is empty. Let garant anonymise plan write it."},
		{"a\n", ":1: The file must be made of sections."},
		{begin + "tables: {}\n---\na: b\n", ":4: A second document starts here."},
		{"anonymise: 1\n  x: y\n", "This is not YAML that can be read."},
		{"anonymise: 2\nlanguage: fr-BE\ntables: {}\n", ":1: anonymise: This version of the plan is not known. Write anonymise: 1."},
		{"anonymise: 1\ntables: {}\n", ":1: language: The key is missing. Write fr-BE, fr-FR, nl-BE, nl-NL, de-DE or en-GB."},
		{"anonymise: 1\nlanguage: it\ntables: {}\n", `:2: language: "it" is not known here.`},
		{begin + "country: belgium\ntables: {}\n", ":3: country: This is not a country. Write two capitals, such as BE."},
		{begin + "large_objects: some\ntables: {}\n", ":3: large_objects: "},
		{begin + "colour: red\ntables: {}\n", ":3: colour: There is no such key. The keys here are "},
		{begin + "tables: []\n", ":3: tables: Entries with a name, a colon and a value belong here."},
		{begin + "tables:\n  t: {rows: none}\n", `:4: tables: "t" is not the name of a table with its schema.`},
		{begin + "tables:\n  public.User: {rows: none}\n", `write 'public."User"'.`},
		{begin + "tables:\n  1: {rows: none}\n", ":4: tables: The name of an entry is a text. Put it in quotes."},
		{begin + "tables:\n  public.t: {rows: none}\n  public.t: {rows: none}\n", ":5: tables.\"public.t\": The entry is written twice; the first is on line 4. Keep one of them."},
		{begin + "tables:\n  public.t: {rows: few}\n", ":4: tables.public.t.rows: "},
		{begin + "tables:\n  public.t: {subject: id}\n", `:4: tables.public.t.subject: The table's entry has no column "id".`},
		{begin + "tables:\n  public.t: &a {rows: none}\n", ":4: Anchors, "},
		{column("keep text") + "      c: keep text\n", ":7: tables.public.t.columns.\"c\": The entry is written twice; the first is on line 6."},
		{column("kep text"), `:6: tables.public.t.c: There is no transformer "kep". Write given_name, `},
		{column("5"), ":6: tables.public.t.c: A text belongs here"},
		{column("{class: harmles, transform: keep}"), ":6: tables.public.t.c.class: There is no such class. Write identifier, "},
		{column("{kind: mail, transform: keep}"), ":6: tables.public.t.c.kind: There is no such kind of personal data. Write credential, "},
		{column("{transform: keep}"), ":6: tables.public.t.c.class: The key is missing."},
		{column("{class: harmless}"), ":6: tables.public.t.c.transform: The key is missing."},
		{column("{class: harmless, transform: keep, reason: }"), ":6: tables.public.t.c.reason: The value is empty."},
		{column("{class: harmless, transform: keep, reason: \"a\u202eb\"}"), "changes the direction of writing"},
		{column("{kind: email, transform: email, colour: red}"), ":6: tables.public.t.c.colour: There is no such key here. The arguments of email are language and ascii."},
		{column("{kind: none, transform: keep, colour: red}"), "Remove it: keep takes no arguments."},
		{column("{kind: birth_date, transform: generalise, to: yaer, type: date}"), `:6: tables.public.t.c: The transformer cannot be made: argument "to" is "yaer"`},
		{column("{kind: email, transform: email, language: it}"), `The transformer cannot be made: argument "language"`},
		{column("{kind: none, transform: constant}"), `The transformer cannot be made: takes the argument "value"`},
		{column("{kind: none, transform: constant, value: 2020-01-01}"), ":6: tables.public.t.c.value: This is not a text"},
		{column("{kind: none, transform: constant, value: }"), ":6: tables.public.t.c.value: This is not a text"},
		{column("{kind: text, transform: subprocess, command: cat}"), `takes the argument "command": a list`},
		{column("{kind: text, transform: subprocess, command: [/nowhere/at/all], timeout_ms: 0}"), `argument "timeout_ms" is a whole number`},
		{column("{kind: text, transform: json, paths: {a: emale}}"), `:6: tables.public.t.c."a": There is no transformer "emale".`},
		{column("{kind: text, transform: json, paths: {a: {transform: email, kind: mail}}}"), "There is no such kind of personal data."},
		{column("{kind: text, transform: json, paths: {a: {transform: email, paths: {}}}}"), "There is no such key here."},
		{column("{kind: text, transform: json, paths: {a..b: email}}"), "The transformer cannot be made: path a..b: a key is missing"},
		{column("{kind: text, transform: json}"), `takes the argument "paths"`},
		{column("{kind: text, transform: json, paths: {a: {transform: json, paths: {b: {transform: keep, reason: x}}}}}"), "A document within a document has no kinds"},
		{begin + "tables: {}\npersons:\n  public.t: {quasi: [a], k: 5}\n", ":5: persons.public.t: The table is not among the tables."},
		{column("keep text") + "persons:\n  public.t: {quasi: [a], k: 5}\n", `:8: persons.public.t: The table's entry has no column "a".`},
		{column("keep text") + "persons:\n  public.t: {quasi: [c, c], k: 5}\n", `"c" is listed twice`},
		{column("keep text") + "persons:\n  public.t: {quasi: [], k: 5}\n", ":8: persons.public.t.quasi: A list belongs here."},
		{column("keep text") + "persons:\n  public.t: {quasi: [c], k: 1}\n", ":8: persons.public.t.k: A whole number of at least 2 belongs here."},
		{column("keep text") + "persons:\n  public.t: {quasi: [c], k: 5, small: 5}\n", ":8: persons.public.t.small: A part of the rows belongs here"},
	} {
		_, err := Load("anonymise.yaml", []byte(m.source))
		var all *estate.Problems
		if !errors.As(err, &all) || errs.KindOf(err) != errs.Invalid {
			t.Errorf("%q: %v", m.source, err)
			continue
		}
		if !strings.Contains(err.Error(), m.want) || !strings.HasPrefix(err.Error(), "anonymise.yaml:") {
			t.Errorf("%s\ngives %q\nnot   %q", m.source, err.Error(), m.want)
		}
	}
}

// A program that a plan names is not started when the plan is read.
func TestLoadStartsNoProgram(t *testing.T) {
	mark := t.TempDir() + "/started"
	source := "anonymise: 1\nlanguage: fr-BE\ntables:\n  public.t:\n    columns:\n      c: {kind: text, transform: subprocess, command: [touch, " + mark + "]}\n"
	if _, err := Load(FileName, []byte(source)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("it ran")
	}
}

func FuzzLoad(f *testing.F) {
	p := everything()
	f.Add(p.Write())
	f.Add([]byte("anonymise: 1\nlanguage: de\ntables:\n  a.b: {columns: {c: keep text}}\n"))
	f.Fuzz(func(t *testing.T, source []byte) {
		p, err := Load("x", source)
		if err != nil {
			return
		}
		again, err := Load("x", p.Write())
		if err != nil {
			t.Fatalf("%v\n%s", err, p.Write())
		}
		if !reflect.DeepEqual(withoutLines(again), withoutLines(p)) {
			t.Errorf("%s", fmt.Sprintf("%#v\n%#v", again, p))
		}
	})
}
