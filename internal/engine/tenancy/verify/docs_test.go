package verify

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

const (
	docs        = "../../../../docs/isolation-verify.md"
	listBegins  = "<!-- The list below is written by the program: GARANT_UPDATE=1 go test ./internal/engine/tenancy/verify -run TestDocs -->\n"
	listHeading = "\n| id | severity | what is wrong when it comes out false |\n| --- | --- | --- |\n"
)

// TestDocs holds the list of checks in the manual to the program's.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	head, _, found := strings.Cut(string(text), listBegins)
	if !found {
		t.Fatal("the manual has no place for the list")
	}
	var b strings.Builder
	area := ""
	for _, c := range Checks() {
		if a, _, _ := strings.Cut(c.ID, "."); a != area {
			area = a
			fmt.Fprintf(&b, "\n### %s\n%s", area, listHeading)
		}
		title := c.Title
		if c.Scratch {
			title += " (scratch copy)"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", c.ID, c.Severity, title)
	}
	want := head + listBegins + b.String()
	if os.Getenv("GARANT_UPDATE") == "1" {
		if err := os.WriteFile(docs, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(text) != want {
		t.Error("the list of checks in docs/isolation-verify.md is not the program's: GARANT_UPDATE=1 go test ./internal/engine/tenancy/verify -run TestDocs")
	}
}

// The table itself: ids are unique and of one form, titles and reasons are there, probes and checks do what
// their kind says.
func TestChecksAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Checks() {
		area, name, ok := strings.Cut(c.ID, ".")
		switch {
		case seen[c.ID]:
			t.Errorf("%s is there twice", c.ID)
		case !ok || area == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "":
			t.Errorf("%q is no id", c.ID)
		case (c.Kind == Probe) != (area == "probe"), (c.Kind == Probe) != (c.probe != nil), (c.Kind == Static) != (c.look != nil), c.Scratch && c.Kind != Probe:
			t.Errorf("%s is not of the kind that it says", c.ID)
		case c.Title == "" || strings.HasSuffix(c.Title, ".") || !strings.HasSuffix(c.Why, "."):
			t.Errorf("%s: %q %q", c.ID, c.Title, c.Why)
		case c.Severity.AtLeast(Critical) && !Critical.AtLeast(c.Severity), !c.Severity.AtLeast(Low):
			t.Errorf("%s is of severity %q", c.ID, c.Severity)
		}
		seen[c.ID] = true
	}
	if len(seen) < 100 {
		t.Errorf("%d checks", len(seen))
	}
}
