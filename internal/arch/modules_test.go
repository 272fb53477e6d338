package arch

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const maxModules = 32

// listing is what docs/dependencies.md says: the modules with a row of their own, and of those
// the ones under the heading for tests.
type listing struct{ product, tests map[string]bool }

var moduleRow = regexp.MustCompile("^\\| `([^`]+)` \\|")

func readListing(text string) listing {
	l := listing{product: map[string]bool{}, tests: map[string]bool{}}
	into := l.product
	for line := range strings.Lines(text) {
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			into = map[string]bool{} // rows under other headings are about something else
			switch strings.TrimSpace(heading) {
			case "Linked into the product":
				into = l.product
			case "In tests only":
				into = l.tests
			}
		}
		if m := moduleRow.FindStringSubmatch(line); m != nil {
			into[m[1]] = true
		}
	}
	return l
}

// use is what the source says: modules that packages of ours import, from the product's code
// and from code made for tests.
type use struct{ product, tests map[string]bool }

// complaints compares the two.
func complaints(u use, l listing) []string {
	var out []string
	for _, m := range slices.Sorted(maps.Keys(u.product)) {
		if !l.product[m] {
			out = append(out, m+" is linked into the product, but docs/dependencies.md does not justify it there")
		}
	}
	for _, m := range slices.Sorted(maps.Keys(u.tests)) {
		if !l.product[m] && !l.tests[m] {
			out = append(out, m+" is used by tests, but docs/dependencies.md does not mention it")
		}
	}
	for _, m := range slices.Sorted(maps.Keys(l.product)) {
		if !u.product[m] {
			out = append(out, m+" stands in docs/dependencies.md as linked into the product, but no code imports it")
		}
	}
	for _, m := range slices.Sorted(maps.Keys(l.tests)) {
		if !u.tests[m] {
			out = append(out, m+" stands in docs/dependencies.md for tests, but no test imports it")
		}
	}
	return out
}

func TestEveryModuleIsJustified(t *testing.T) {
	all := goList(t, "-deps", "-test")
	moduleOf := map[string]string{}
	for _, p := range all {
		if p.Module != nil && p.ForTest == "" {
			moduleOf[p.ImportPath] = p.Module.Path
		}
	}
	u := use{product: map[string]bool{}, tests: map[string]bool{}}
	note := func(into map[string]bool, imports []string) {
		for _, i := range imports {
			if m := moduleOf[i]; m != "" && m != module && !strings.HasPrefix(m, module+"/") { // ours need no reason
				into[m] = true
			}
		}
	}
	for _, p := range all {
		if p.Module == nil || p.Module.Path != module || p.ForTest != "" || strings.HasSuffix(p.ImportPath, ".test") {
			continue
		}
		if p.madeForTests() {
			note(u.tests, p.Imports)
		} else {
			note(u.product, p.Imports)
		}
		note(u.tests, p.TestImports)
		note(u.tests, p.XTestImports)
	}
	if len(u.product) == 0 {
		t.Fatal("no module seen at all: this test is blind")
	}
	text, err := os.ReadFile(filepath.Join(root(t), "docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range complaints(u, readListing(string(text))) {
		t.Error(c)
	}
	direct := maps.Clone(u.product)
	maps.Copy(direct, u.tests)
	if len(direct) > maxModules {
		t.Errorf("%d direct modules; at most %d: %v", len(direct), maxModules, slices.Sorted(maps.Keys(direct)))
	}
}

func TestRuleOfModules(t *testing.T) {
	l := readListing("## Linked into the product\n| `a.example/a` | x |\n| `a.example/unused` | x |\n" +
		"## In tests only\n| `t.example/t` | x |\n## Rejected\n| `r.example/r` | x |\n")
	set := func(names ...string) map[string]bool {
		m := map[string]bool{}
		for _, n := range names {
			m[n] = true
		}
		return m
	}
	got := strings.Join(complaints(use{
		product: set("a.example/a", "t.example/t", "r.example/r"),
		tests:   set("a.example/a", "n.example/n"),
	}, l), "\n")
	for _, want := range []string{
		"t.example/t is linked into the product",
		"r.example/r is linked into the product",
		"n.example/n is used by tests",
		"a.example/unused stands in docs/dependencies.md as linked",
		"t.example/t stands in docs/dependencies.md for tests",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no complaint %q in:\n%s", want, got)
		}
	}
	if n := strings.Count(got, "\n") + 1; n != 5 {
		t.Errorf("%d complaints, want 5:\n%s", n, got)
	}
}
