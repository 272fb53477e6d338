package access

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

func TestMessages(t *testing.T) {
	words := map[string]map[string]string{}
	for language, text := range Messages() {
		m := map[string]string{}
		if err := yaml.Unmarshal(text, &m); err != nil {
			t.Fatalf("%s: %v", language, err)
		}
		words[language] = m
	}
	want := map[string]bool{}
	for _, p := range Problems() {
		want[string(p)], want[string(p)+".fix"] = true, true
	}
	for _, c := range Checks(Deps{}).All() {
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
		for _, mark := range []string{" ;", " :", " !", " ?", " »", "« ", "'"} {
			if strings.Contains(text, mark) {
				t.Errorf("fr %s: %q is not French typography", id, mark)
			}
		}
		for i, r := range text {
			if before, _ := utf8.DecodeLastRuneInString(text[:i]); r == ';' && before != '\u202f' {
				t.Errorf("fr %s: no narrow space before %q", id, r)
			}
		}
	}
}

// TestEveryProblemIsListed reads the constants from the source, so that a new one cannot be
// left out of Problems and thereby of the words.
func TestEveryProblemIsListed(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "problems.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	listed := Problems()
	declared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		declared++
		id := strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`)
		if !slices.Contains(listed, Problem(id)) {
			t.Errorf("%s is not in Problems", id)
		}
		return true
	})
	if declared != len(listed) || declared == 0 {
		t.Errorf("%d problems declared, %d listed", declared, len(listed))
	}
}
