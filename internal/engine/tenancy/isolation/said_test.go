package isolation

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// shape is a text that is put together in the source, with a name in the place of what is not written there.
func shape(e ast.Expr, name string) (text string, written bool) {
	switch x := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(x.Value)
		return s, err == nil && x.Kind == token.STRING
	case *ast.BinaryExpr:
		left, a := shape(x.X, name)
		right, b := shape(x.Y, name)
		return left + right, (a || b) && x.Op == token.ADD
	case *ast.ParenExpr:
		return shape(x.X, name)
	case *ast.CallExpr:
		if f, ok := x.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Sprintf" && len(x.Args) > 0 {
			format, written := shape(x.Args[0], name)
			return strings.NewReplacer("%s", name, "%d", name).Replace(format), written
		}
	}
	return name, false
}

// texts are all that package verify puts together, but for what is no message: titles and reasons, errors of the whole, SQL by
// its first word.
func texts(t *testing.T, name string) []string {
	t.Helper()
	files, err := filepath.Glob("../verify/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	var all []string
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || filepath.Base(file) == "text.go" || filepath.Base(file) == "scratch.go" {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.CallExpr:
				if f, ok := x.Fun.(*ast.SelectorExpr); ok {
					if of, ok := f.X.(*ast.Ident); ok && (of.Name == "errs" || of.Name == "regexp") || f.Sel.Name == "WithFix" {
						return false
					}
				}
				if f, ok := x.Fun.(*ast.Ident); ok && (f.Name == "p" || f.Name == "panic") {
					return false
				}
			case *ast.KeyValueExpr:
				if key, ok := x.Key.(*ast.Ident); ok && (key.Name == "Title" || key.Name == "Why") {
					return false
				}
			}
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			s, written := shape(e, name)
			if written {
				all = append(all, strings.TrimSpace(s))
			}
			return !written
		})
	}
	return all
}

// Everything that verify says of a database has its French: what it found, what mends it besides SQL, why it could not look.
func TestWhatVerifySaysHasFrench(t *testing.T) {
	all, err := readSayings("fr", read("said.fr.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	// Sentences that go on in another one, which is said with them.
	parts := []string{"It may empty the table of every tenant’s rows.", "It may have code of its own run when others write.", "It may ask by a foreign key which keys exist.", "The application has rights on it.",
		"It reads x.y.", "It calls a function that reads tenants’ tables.", "What it does cannot be read: it is written in x.y.", "It names x.y.", "It puts statements together that cannot be read here.", "x.y. x.y", "x.y It runs with the rights of x.y.",
		"x.y has x.y. x.y", "x.y x.y, by x.y.", "x.yx.y, by x.y.", "It can become %s, a superuser.", "It can become %s, which has BYPASSRLS.", "It can become %s, which has CREATEROLE.",
		"x.y GRANT SELECT ON pg_file_settings TO it, and EXECUTE ON FUNCTION pg_show_all_file_settings()."}
	for _, text := range texts(t, "x.y") {
		_, words := mended(text)
		if before, _, choice := strings.Cut(words, ", or: "); choice {
			words = before
		}
		if words == "" || slices.Contains(parts, text) {
			continue
		}
		sentence := strings.HasSuffix(words, ".") && strings.Contains(words, " ") || strings.Contains(words, "cannot ") || strings.Contains(text, ", or: ") || words != text
		if !sentence || strings.ContainsAny(words, "\n\\") || strings.HasPrefix(words, "SET ") && strings.HasSuffix(words, ".y") {
			continue
		}
		if s, ok := all.say(words); !ok {
			t.Errorf("messages/said.fr.yaml has no words for %q", words)
		} else if strings.Contains(s, "{") {
			t.Errorf("%q leaves a gap", s)
		}
	}
}

// And the French says nothing that verify does not.
func TestFrenchSaysNothingElse(t *testing.T) {
	var pairs map[string]string
	if err := yaml.Unmarshal(read("said.fr.yaml"), &pairs); err != nil {
		t.Fatal(err)
	}
	source := strings.Join(texts(t, "\x00"), "\n")
	// What is put together in more than one place.
	source += "\n: SQLSTATE \n: out of time\n: it was let through\n: the connection was lost\n may make temporary tables, by \n may create schemas and trusted extensions, by "
	for english, french := range pairs {
		for _, part := range placeholder.Split(english, -1) {
			for _, sentence := range strings.SplitAfter(part, ". ") {
				if !strings.Contains(source, strings.TrimSpace(sentence)) {
					t.Errorf("verify does not say %q", sentence)
				}
			}
		}
		for _, letter := range placeholder.FindAllString(english, -1) {
			if !strings.Contains(french, letter) {
				t.Errorf("%q says nothing of %s", french, letter)
			}
		}
	}
}

// Names stay what they are, whatever stands in them.
func TestSay(t *testing.T) {
	all, err := readSayings("fr", read("said.fr.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for english, want := range map[string]string{
		`It is unique over the rows of all tenants of s."a and b", by "x, by y", z and an expression.`: `Elle est unique sur les lignes de tous les clients de s."a and b", par "x, by y", z et une expression.`,
		`It publishes s.t and 3 more without a row filter.`:                                            `Elle publie s.t et 3 de plus sans filtre de lignes.`,
		`It is no superuser. The manifest declares it as superuser.`:                                   `Ce n’est pas un superutilisateur. Le manifeste le déclare comme superuser.`,
		`s.t cannot be tried: it takes no row that verify can make up (SQLSTATE 22P02).`:               "L’essai sur s.t n’a pu être fait\u202f: aucune ligne inventée n’y entre (SQLSTATE 22P02).",
		`large objects of x reads them: by PUBLIC.`:                                                    "large objects of x les lit\u202f: par PUBLIC.",
		`app has TRUNCATE. It may empty the table of every tenant’s rows.`:                             `app a TRUNCATE. Il peut vider la table des lignes de tous les clients.`,
	} {
		if got, ok := all.say(english); !ok || got != want {
			t.Errorf("%q: %q, %t", english, got, ok)
		}
	}
	if got, ok := all.say("Something that nobody knows."); ok || got != "Something that nobody knows." {
		t.Errorf("%q, %t", got, ok)
	}
}
