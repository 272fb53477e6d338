package arch

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	link      = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	elsewhere = regexp.MustCompile(`^[a-z]+:`)
	heading   = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	block     = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	notSlug   = regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	manual    = regexp.MustCompile(`\bdocs/[a-z0-9/-]+\.(?:md|yaml)\b`)
	testName  = regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z][A-Za-z0-9]*…?`)
	testFile  = regexp.MustCompile(`\b[a-z0-9_]+_test\.go\b`)
	example   = regexp.MustCompile(`func (?:Test|Fuzz)\w+\(`)
	testFunc  = regexp.MustCompile(`(?m)^func (?:\([^)]*\) )?((?:Test|Fuzz)[A-Z]\w*)\(`)
)

// sources are the files of the tree that people write, by path from its root.
func sources(t *testing.T) map[string]string {
	t.Helper()
	dir, files := root(t), map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if n := d.Name(); name != dir && (strings.HasPrefix(n, ".") || n == "bin" || n == "node_modules" || n == "vendor") {
				return fs.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		content := ""
		if d.Type().IsRegular() && slices.Contains([]string{".md", ".go", ".yaml", ".html", ".sql"}, filepath.Ext(name)) {
			b, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			content = string(b)
		}
		files[filepath.ToSlash(rel)] = content
		for up := path.Dir(filepath.ToSlash(rel)); up != "."; up = path.Dir(up) {
			files[up] = ""
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// deadLinks lists the links of a manual that lead to no file, or to no heading of one.
func deadLinks(files map[string]string, name string) (dead []string) {
	for _, m := range link.FindAllStringSubmatch(block.ReplaceAllString(files[name], ""), -1) {
		to, anchor, _ := strings.Cut(m[1], "#")
		if elsewhere.MatchString(m[1]) {
			continue
		}
		at := name
		if to != "" {
			at = path.Join(path.Dir(name), to)
		}
		text, there := files[at]
		if !there || anchor != "" && path.Ext(at) == ".md" && !slices.Contains(anchors(text), anchor) {
			dead = append(dead, m[1])
		}
	}
	return dead
}

// anchors are the names that GitHub gives the headings of a manual.
func anchors(text string) (list []string) {
	for _, m := range heading.FindAllStringSubmatch(block.ReplaceAllString(text, ""), -1) {
		h := link.ReplaceAllString(strings.NewReplacer("[", "", "`", "").Replace(m[1]), "")
		list = append(list, strings.ReplaceAll(notSlug.ReplaceAllString(strings.ToLower(strings.TrimSpace(h)), ""), " ", "-"))
	}
	return list
}

func TestLinksLeadSomewhere(t *testing.T) {
	files, links := sources(t), 0
	for name, text := range files {
		if path.Ext(name) == ".md" {
			links += len(link.FindAllString(text, -1))
			for _, to := range deadLinks(files, name) {
				t.Errorf("%s links to %s, which is not there", name, to)
			}
		}
		if !strings.HasSuffix(name, "_test.go") {
			for _, m := range manual.FindAllString(text, -1) {
				if _, there := files[m]; !there {
					t.Errorf("%s names %s, which is not there", name, m)
				}
			}
		}
	}
	if links < 100 {
		t.Errorf("only %d links seen", links)
	}
}

func TestNamedTestsAreThere(t *testing.T) {
	files, named := sources(t), 0
	var tests []string
	for name, text := range files {
		if path.Ext(name) == ".go" {
			for _, m := range testFunc.FindAllStringSubmatch(text, -1) {
				tests = append(tests, m[1])
			}
		}
	}
	for name, text := range files {
		if strings.HasSuffix(name, "_test.go") || path.Ext(name) != ".go" && path.Ext(name) != ".md" {
			continue
		}
		for _, want := range testName.FindAllString(example.ReplaceAllString(text, ""), -1) {
			named++
			start, several := strings.CutSuffix(want, "…")
			if !slices.ContainsFunc(tests, func(s string) bool { return s == start || several && strings.HasPrefix(s, start) }) {
				t.Errorf("%s names %s, which is not there", name, want)
			}
		}
		if path.Base(name) == "doc.go" {
			for _, want := range testFile.FindAllString(text, -1) {
				if _, there := files[path.Join(path.Dir(name), want)]; !there {
					t.Errorf("%s names %s, which is not there", name, want)
				}
			}
		}
	}
	if named < 100 {
		t.Errorf("only %d names of tests seen", named)
	}
}

// The rules about words can fail too.
func TestRulesOfWords(t *testing.T) {
	files := map[string]string{
		"docs/a.md": "# One `two`, [three](b.md)\n[b](b.md#so-it-is) [self](#one-two-three) [up](../go.mod) [out](https://x) ```\n[c](no.md)\n",
		"docs/b.md": "## So it is\n```\n# no heading\n[x](no.md)\n```\n[lost](c.md) [stale](a.md#two) [none](#no-heading)\n",
		"go.mod":    "",
	}
	if got := deadLinks(files, "docs/a.md"); len(got) != 1 || got[0] != "no.md" {
		t.Errorf("dead links of a.md: %q", got)
	}
	if got := strings.Join(deadLinks(files, "docs/b.md"), " "); got != "c.md a.md#two #no-heading" {
		t.Errorf("dead links of b.md: %q", got)
	}
}
