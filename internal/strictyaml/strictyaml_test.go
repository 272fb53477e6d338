package strictyaml_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/strictyaml"
)

func read(source string) error {
	r := strictyaml.NewReader(strictyaml.Format{File: "house.yaml", Begin: "house: 1", Command: "garant house", MiB: 1, Depth: 3, Text: 20})
	if root := r.Document([]byte(source)); root != nil {
		f := r.Fields(root, "", "house", "colour", "rooms", "words")
		r.Version(root, f, "house")
		r.OneOf(f["colour"], "colour", "red", "blue", "green")
		r.Each(f["rooms"], "rooms", func(k, v *yaml.Node) { r.Fields(v, "rooms."+k.Value, "wide") })
		for _, n := range r.List(f["words"], "words", "Write [one].") {
			r.Short(n, "words", 3)
		}
	}
	return r.Err()
}

// Each mistake is told with its line, its key and what to write.
func TestMistakes(t *testing.T) {
	if err := read("house: 1\ncolour: red\nrooms: {hall: {wide: yes}}\nwords: [a, 'no']\n"); err != nil {
		t.Error(err)
	}
	for source, want := range map[string]string{
		"": "house.yaml:1: The file is empty. Let garant house write it.",
		"house: 1\n#" + strings.Repeat("x", 1<<20):    "house.yaml:1: The file is not UTF-8 text of at most 1 MiB. Let garant house write it anew.",
		"house: 1\n#\xff":                             "house.yaml:1: The file is not UTF-8 text of at most 1 MiB. Let garant house write it anew.",
		"- a\n":                                       "house.yaml:1: The file must be made of sections. Start with house: 1.",
		"house: 1\nrooms: {a: {b: {c: {}}}}\n":        "house.yaml:2: Anchors, repetitions, tags and deep nesting are not used here. Write the value out; put a text that begins with *, & or ! in quotes.",
		"colour: red\n":                               "house.yaml:1: house: The key is missing. Begin the file with house: 1.",
		"house: 2\n":                                  "house.yaml:1: house: This version of the house is not known. Write house: 1.",
		"house: 1\ncolour: red\ncolour: blue\n":       "house.yaml:3: colour: The key is written twice; the first is on line 2. Keep one of them.",
		"house: 1\ncolor: red\n":                      "house.yaml:2: color: There is no such key. The keys here are house, colour, rooms and words.",
		"house: 1\ncolour: pink\n":                    `house.yaml:2: colour: "pink" is not known here. Write red, blue or green.`,
		"house: 1\ncolour: \"\"\n":                    "house.yaml:2: colour: The value is empty. Write one, or remove the line.",
		"house: 1\ncolour: 5\n":                       "house.yaml:2: colour: A text belongs here, not a number, a date or true and false. Put it in quotes if it is meant as text.",
		"house: 1\ncolour: [red]\n":                   "house.yaml:2: colour: A text belongs here. Write it on one line.",
		"house: 1\ncolour: \"re\u202ed\"\n":           "house.yaml:2: colour: The text holds a character that changes the direction of writing and that nobody can see. Remove it.",
		"house: 1\ncolour: a very long sort of red\n": "house.yaml:2: colour: The text is longer than 20 characters. Shorten it.",
		"house: 1\nwords: [long]\n":                   "house.yaml:2: words: The text is longer than 3 characters. Shorten it.",
		"house: 1\nwords: long\n":                     "house.yaml:2: words: A list belongs here. Write [one].",
		"house: 1\nrooms: []\n":                       "house.yaml:2: rooms: Entries with a name, a colon and a value belong here. Write {} when there are none.",
		"house: 1\nrooms:\n  a: {}\n  a: {}\n":        `house.yaml:4: rooms."a": The entry is written twice; the first is on line 3. Keep one of them.`,
		"house: 1\nrooms: {\"a\\e[0m\": 1}\n":         `house.yaml:2: rooms.a\x1b[0m: Keys and values belong here. Write wide with a colon and the value.`,
	} {
		err := read(source)
		var all *estate.Problems
		if !errors.As(err, &all) || !errs.Is(err, errs.Invalid) || err.Error() != want {
			t.Errorf("%.60q\ngives %v\nnot   %s", source, err, want)
		}
	}
}

// The first mistakes by line are told, and how many there are.
func TestManyMistakes(t *testing.T) {
	err := read("rooms:\n" + strings.Repeat("  ? []\n  : []\n", estate.MaxProblems+2))
	var all *estate.Problems
	if !errors.As(err, &all) || len(all.List) != estate.MaxProblems || all.More != 3 || all.List[0].Key != "house" {
		t.Errorf("%v", err)
	}
}

// Whatever a text holds, YAML 1.2 reads it back, as a key and as a value, and no reader of version 1.1 takes it for true or false.
func FuzzScalar(f *testing.F) {
	for _, s := range []string{"a", "a b", "a-", "-", "true", "Null", "yes", "n", "1", "1e3", "0x1", "2020-01-01", "<<", "~", "a: b", "a #b", "'", `"`, `\`, " a ", "a\nb", "é\t", "\u2028", "\ufeff", "😀", "\x7f", "[x]", "a,b", "%", "@", "*a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) || len(s) > 500 {
			return
		}
		written := strictyaml.Scalar(s)
		var got []map[string][]string
		if err := yaml.Unmarshal([]byte("- {"+written+": "+strictyaml.Flow([]string{s, s})+"}\n- "+written+": ["+written+"]\n"), &got); err != nil {
			t.Fatalf("%q as %s: %v", s, written, err)
		}
		if len(got) != 2 || len(got[0][s]) != 2 || got[0][s][0] != s || got[0][s][1] != s || len(got[1][s]) != 1 || got[1][s][0] != s {
			t.Errorf("%q as %s: %q", s, written, got)
		}
		switch strings.ToLower(written) {
		case "y", "n", "yes", "no", "on", "off", "true", "false":
			t.Errorf("%q has no quotes", s)
		}
	})
}
