package auditlog

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/garant-project/garant/internal/web/ui"
)

// Whatever stops the copy in the second account has words in both languages, and a next step: pages of other languages than English would show English.
func TestReasonsHaveWords(t *testing.T) {
	messages, err := ui.NewMessages(Messages())
	if err != nil {
		t.Fatal(err)
	}
	id := regexp.MustCompile(`"((?:worm|replica)\.[a-z_]+)"`)
	seen := 0
	for _, dir := range []string{"worm", "replica"} {
		files, err := filepath.Glob(dir + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range id.FindAllStringSubmatch(string(text), -1) {
				seen++
				if !messages.Has(m[1]) || !messages.Has(m[1]+".fix") && m[1] != "replica.moved" { // another server copies: nothing is to be done
					t.Errorf("%s has no words: %s", m[1], file)
				}
			}
		}
	}
	if seen < 25 {
		t.Errorf("%d ids were found", seen)
	}
}
