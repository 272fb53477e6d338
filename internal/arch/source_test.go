package arch

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const maxLines = 700

// drawers are names of packages that say nothing about what is in them.
var drawers = []string{"base", "common", "helper", "helpers", "lib", "misc", "model", "models", "shared", "types", "util", "utils"}

// tooLong reports whether a file of this name and content is more than one sitting's reading.
// What a program wrote, or somebody else, is not ours to read.
func tooLong(name string, content []byte) bool {
	switch filepath.Ext(name) {
	case ".go", ".sql", ".html", ".css", ".js":
	default:
		return false
	}
	if filepath.Base(name) == "schema.sql" || strings.Contains(filepath.ToSlash(name), "/vendor/") {
		return false
	}
	return bytes.Count(content, []byte("\n")) > maxLines
}

// hidden lists what a file does or keeps where no caller can see it: init functions, variables
// of the package that start empty (and are useful only once somebody assigns them), and lists of
// columns left to the database.
func hidden(name, src string) ([]string, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var found []string
	report := func(pos token.Pos, what string) {
		found = append(found, fmt.Sprintf("%s: %s", fset.Position(pos), what))
	}
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.Name == "init" {
				report(d.Pos(), "func init: let a constructor do it")
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				v, ok := spec.(*ast.ValueSpec)
				if !ok || d.Tok != token.VAR || len(v.Values) > 0 || embedded(d.Doc) || embedded(v.Doc) {
					continue
				}
				for _, id := range v.Names {
					// The linker sets the version of a program.
					if file.Name.Name == "main" && id.Name == "version" {
						continue
					}
					report(id.Pos(), "var "+id.Name+" of the package starts empty: keep state in a value that callers hold")
				}
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && selectStar.MatchString(lit.Value) {
			report(lit.Pos(), "SELECT *: name the columns")
		}
		return true
	})
	return found, nil
}

var selectStar = regexp.MustCompile(`(?i)\bselect\s+\*\s+from\b`)

func embedded(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool {
		return strings.HasPrefix(c.Text, "//go:embed ")
	})
}

func TestFilesAreReadInOneSitting(t *testing.T) {
	dir, seen := root(t), 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); path != dir && (strings.HasPrefix(name, ".") || name == "bin" || name == "node_modules" || name == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		seen++
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if tooLong("/"+rel, content) {
			t.Errorf("%s has more than %d lines: split it by subject", rel, maxLines)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 50 {
		t.Fatalf("only %d files seen", seen)
	}
}

func TestNothingHidden(t *testing.T) {
	for _, p := range goList(t) {
		if dir := filepath.Base(p.Dir); slices.Contains(drawers, p.Name) || slices.Contains(drawers, dir) {
			t.Errorf("%s: a package is named after what it is about", p.ImportPath)
		}
		if rel, ok := strings.CutPrefix(p.ImportPath, module+"/internal/engine/"); ok && !strings.Contains(rel, "/") &&
			!slices.Contains(p.GoFiles, "doc.go") {
			t.Errorf("%s has no doc.go: say what it guards, its invariants and what proves them", p.ImportPath)
		}
		files := p.GoFiles
		if p.madeForTests() {
			files = nil // a harness may hold what its TestMain started
		}
		for _, name := range files {
			path := filepath.Join(p.Dir, name)
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			found, err := hidden(path, string(src))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				t.Error(f)
			}
		}
	}
}

// The rules about source can fail too.
func TestRulesOfSource(t *testing.T) {
	long := bytes.Repeat([]byte("x\n"), maxLines+1)
	for name, want := range map[string]bool{
		"/internal/web/site.go":             true,
		"/internal/pg/migrations/1.sql":     true,
		"/internal/pg/schema.sql":           false,
		"/internal/web/vendor/htmx.min.js":  false,
		"/internal/measure/catalogue/x.txt": false,
	} {
		if got := tooLong(name, long); got != want {
			t.Errorf("tooLong(%s) = %t, want %t", name, got, want)
		}
	}
	if tooLong("/a.go", long[2:]) {
		t.Errorf("%d lines are one sitting", maxLines)
	}

	for src, want := range map[string]string{
		"package a\nfunc init() {}":                                   "func init",
		"package a\nvar cache map[string]int":                         "var cache",
		"package a\nimport \"sync\"\nvar (\n\tonce sync.Once\n)":      "var once",
		"package a\nvar version string":                               "var version",
		"package a\nconst q = `select *\nfrom t`":                     "SELECT *",
		"package main\nvar version string\nfunc main() {}":            "",
		"package a\nimport _ \"embed\"\n//go:embed x\nvar x string":   "",
		"package a\ntype s struct{}\nfunc (s) init() {}\nvar _ = s{}": "",
		"package a\nconst q = `select count(*) from t`":               "",
	} {
		found, err := hidden("a.go", src)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(found, "\n"); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("hidden(%q) = %q, want %q", src, got, want)
		}
	}
}
