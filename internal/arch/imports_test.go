package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/garant-project/garant"

// layers is the house from the roof down. Units on one line do not import each other. "engine"
// stands for each engine by itself.
var layers = [][]string{
	{"cmd", "bench", "internal/arch", "internal/journey"},
	{"internal/app"},
	{"internal/annex", "internal/demo", "internal/discover", "internal/engine", "internal/witness"},
	{"internal/measure"},
	{"internal/mail"},
	{"internal/web", "internal/job", "internal/strictyaml"},
	{"internal/directory", "internal/document", "internal/estate"},
	{"internal/audit"},
	{"internal/token"},
	{"internal/crypt"},
	{"internal/pg"},
	{"internal/demo/servers", "internal/outgoing"}, // the example's endpoints, which tests of engines break
	{"internal/actor", "internal/errs", "internal/calendar", "examples/sponsorship"},
	{"tenant"}, // the SDK's module, on which the example application lives
}

// place returns the layer of a package of the module, counted from the roof, and its unit: the
// package with all below it, one engine with all below it.
func place(pkg string) (layer int, unit string, err error) {
	rel, ok := strings.CutPrefix(pkg, module+"/")
	if !ok {
		return 0, "", fmt.Errorf("%s is not in this module", pkg)
	}
	for i, units := range layers {
		for _, u := range units {
			if (rel == u || strings.HasPrefix(rel, u+"/")) && len(u) > len(unit) { // the nearest place
				layer, unit = i, u
			}
		}
	}
	if unit == "" {
		return 0, "", fmt.Errorf("%s has no place in the house: give it one in the table of layers", pkg)
	}
	if unit == "internal/engine" {
		rooms := strings.Split(rel, "/")
		if len(rooms) < 3 {
			return 0, "", fmt.Errorf("%s: an engine is a directory below internal/engine", pkg)
		}
		unit = strings.Join(rooms[:3], "/")
	}
	return layer, unit, nil
}

// judge says what is wrong with pkg importing dep, nil when nothing is. forTests tells of each
// package of the module whether it is made for tests; inTest whether the import stands in a
// _test.go file.
func judge(pkg, dep string, forTests map[string]bool, inTest bool) error {
	if forTests[dep] && !inTest && !forTests[pkg] {
		return fmt.Errorf("%s imports %s, which is made for tests", pkg, dep)
	}
	if dep != module && !strings.HasPrefix(dep, module+"/") {
		return nil
	}
	from, unit, err := place(pkg)
	if err != nil {
		return err
	}
	to, depUnit, err := place(dep)
	switch {
	case err != nil:
		return err
	case unit == depUnit:
		return nil
	case to == from:
		return fmt.Errorf("%s imports %s, which is beside it: declare an interface, and let app join them", pkg, dep)
	case to < from:
		return fmt.Errorf("%s imports %s, which is above it", pkg, dep)
	}
	return nil
}

// goPackage is what these tests read of go list's answer.
type goPackage struct {
	Dir          string
	ImportPath   string
	Name         string
	ForTest      string
	GoFiles      []string
	TestGoFiles  []string
	XTestGoFiles []string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Module       *struct{ Path string }
}

// madeForTests reports whether the package's ordinary files use the testing packages.
func (p *goPackage) madeForTests() bool {
	return slices.ContainsFunc(p.Imports, func(i string) bool {
		return i == "testing" || strings.HasPrefix(i, "testing/") || i == "net/http/httptest"
	})
}

// goList asks for the packages of the module and, with deps, for all they are built and tested with.
func goList(t *testing.T, args ...string) []*goPackage {
	t.Helper()
	fields := "-json=Dir,ImportPath,Name,ForTest,GoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports,Module"
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", fields}, append(args, "./...")...)...)
	cmd.Dir = root(t)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var all []*goPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(goPackage)
		if err := dec.Decode(p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// root is the directory of the module.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil || !bytes.HasPrefix(b, []byte("module "+module+"\n")) {
		t.Fatalf("%s does not hold the module %s (%v)", dir, module, err)
	}
	return dir
}

func TestImportsGoDownward(t *testing.T) {
	all := goList(t)
	if len(all) < 10 {
		t.Fatalf("go list knows %d packages: it has not seen the house", len(all))
	}
	forTests := map[string]bool{}
	for _, p := range all {
		forTests[p.ImportPath] = p.madeForTests()
	}
	for _, p := range all {
		if _, _, err := place(p.ImportPath); err != nil {
			t.Error(err)
			continue
		}
		for _, dep := range p.Imports {
			if err := judge(p.ImportPath, dep, forTests, false); err != nil {
				t.Error(err)
			}
		}
		for _, dep := range append(p.TestImports, p.XTestImports...) {
			if err := judge(p.ImportPath, dep, forTests, true); err != nil {
				t.Errorf("in a test: %v", err)
			}
		}
	}
}

// The rule itself can fail, and allows what it should.
func TestRuleOfImports(t *testing.T) {
	in := func(rel string) string { return module + "/" + rel }
	forTests := map[string]bool{in("internal/pg/pgtest"): true, in("internal/measure/measuretest"): true}
	for _, c := range []struct {
		pkg, dep string
		inTest   bool
		wrong    string // part of the complaint; empty when all is well
	}{
		{in("cmd/garant"), in("internal/app"), false, ""},
		{in("internal/app"), in("internal/engine/endpoint"), false, ""},
		{in("internal/app"), in("internal/errs"), false, ""},
		{in("internal/engine/endpoint"), in("internal/engine/endpoint/tlsscan"), false, ""},
		{in("internal/engine/endpoint/tlsscan"), in("internal/engine/endpoint"), false, ""},
		{in("internal/annex"), in("internal/annex/page"), false, ""},
		{in("internal/annex"), in("internal/web/ui"), false, ""},
		{in("internal/pg/pgtest"), in("internal/pg/cluster"), false, ""},
		{in("internal/measure/measuretest"), in("internal/pg/pgtest"), false, ""},
		{in("internal/audit"), in("internal/pg/pgtest"), true, ""},
		{in("internal/pg"), "github.com/jackc/pgx/v5", false, ""},

		{in("internal/app"), in("cmd/garant"), false, "above"},
		{in("internal/errs"), in("internal/pg"), false, "above"},
		{in("internal/measure"), in("internal/engine/endpoint"), false, "above"},
		{in("internal/pg"), in("internal/measure/measuretest"), true, "above"},
		{in("internal/engine/endpoint"), in("internal/engine/backup"), false, "beside"},
		{in("internal/engine/endpoint/tlsscan"), in("internal/engine/backup"), true, "beside"},
		{in("internal/demo"), in("internal/engine/endpoint"), false, "beside"},
		{in("internal/engine/endpoint"), in("internal/annex"), false, "beside"},
		{in("internal/web"), in("internal/job"), false, "beside"},
		{in("internal/actor"), in("internal/errs"), false, "beside"},
		{in("internal/audit"), in("internal/pg/pgtest"), false, "made for tests"},
		{in("internal/app"), in("internal/measure/measuretest"), false, "made for tests"},
		{in("internal/app"), in("internal/helpers"), false, "no place"},
		{in("internal/webhooks"), in("internal/errs"), false, "no place"},
		{in("internal/engine"), in("internal/errs"), false, "an engine is a directory"},
	} {
		err := judge(c.pkg, c.dep, forTests, c.inTest)
		switch {
		case c.wrong == "" && err != nil:
			t.Errorf("%s → %s: %v; it is allowed", c.pkg, c.dep, err)
		case c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)):
			t.Errorf("%s → %s: %v; want a complaint with %q", c.pkg, c.dep, err, c.wrong)
		}
	}
}
