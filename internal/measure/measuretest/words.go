package measuretest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/garant-project/garant/internal/measure"
)

// Words holds the messages of an engine's checks to what holds of all: for every check a name and
// what it does, for every fact a name, for every problem a sentence and its next step; in both
// languages, and nothing besides.
func Words[P ~string](t *testing.T, messages map[string][]byte, problems []P, checks ...measure.Check) {
	t.Helper()
	words := map[string]map[string]string{}
	for language, text := range messages {
		m := map[string]string{}
		if err := yaml.Unmarshal(text, &m); err != nil {
			t.Fatalf("%s: %v", language, err)
		}
		words[language] = m
	}
	want := map[string]bool{}
	for _, p := range problems {
		want[string(p)], want[string(p)+".fix"] = true, true
	}
	for _, c := range checks {
		want["check."+c.ID], want["check."+c.ID+".about"] = true, true
		for _, f := range c.Facts {
			want["fact."+f] = true
		}
	}
	for _, language := range []string{"fr", "en"} {
		for id := range want {
			if words[language][id] == "" {
				t.Errorf("%s has no words for %s", language, id)
			}
		}
		for id, text := range words[language] {
			if !want[id] {
				t.Errorf("%s has words for %s, which nothing uses", language, id)
			}
			if strings.Contains(text, "{{") || strings.ContainsAny(text, "\n\t") || strings.TrimSpace(text) != text {
				t.Errorf("%s %s: %q", language, id, text)
			}
			if sentence := !strings.HasPrefix(id, "check.") && !strings.HasPrefix(id, "fact.") || strings.HasSuffix(id, ".about"); sentence != strings.HasSuffix(text, ".") {
				t.Errorf("%s %s: %q ends wrongly", language, id, text)
			}
			if words["fr"][id] == words["en"][id] {
				t.Errorf("%s reads the same in both languages", id)
			}
		}
	}
	for id, text := range words["fr"] {
		for i, r := range text { // ui.Typeset makes the space a narrow one
			if before, _ := utf8.DecodeLastRuneInString(text[:i]); r == ';' && before != ' ' && before != '\u202f' {
				t.Errorf("fr %s: no space before %q", id, r)
			}
		}
	}
}

// Listed reads the constants of the problems.go beside the test, so that a new problem cannot be
// left out of the list and thereby of the words.
func Listed[P ~string](t *testing.T, problems []P) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "problems.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		declared++
		id := strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`)
		if !slices.Contains(problems, P(id)) {
			t.Errorf("%s is not in Problems", id)
		}
		return true
	})
	if declared != len(problems) || declared == 0 {
		t.Errorf("%d problems declared, %d listed", declared, len(problems))
	}
}
