package isolation

import (
	"bytes"
	"embed"
	"fmt"
	"slices"
	"strconv"

	"github.com/garant-project/garant/internal/engine/tenancy/verify"
)

//go:embed messages/*.yaml
var words embed.FS

func read(file string) []byte {
	text, err := words.ReadFile("messages/" + file)
	if err != nil {
		panic(err) // embedded by the line above
	}
	return text
}

// Messages are the words of the checks and problems, by language, for ui.NewMessages.
func Messages() map[string][]byte {
	return map[string][]byte{"fr": read("fr.yaml"), "en": read("en.yaml")}
}

// PageMessages are the words of the pages, with what each check of package verify says when it comes
// out false: in English as verify has it. What French lacks is said in English (TestWords finds it).
func PageMessages() map[string][]byte {
	french := read("verify.fr.yaml")
	var en, lacking bytes.Buffer
	en.WriteString("isolation.verify:\n")
	for _, c := range verify.Checks() {
		for _, m := range [][2]string{{c.ID, c.Title}, {c.ID + ".why", c.Why}} {
			line := fmt.Sprintf("  %s: %s\n", m[0], strconv.Quote(m[1]))
			en.WriteString(line)
			if !bytes.Contains(french, []byte("\n  "+m[0]+": ")) {
				lacking.WriteString(line)
			}
		}
	}
	known := keepKnown(french)
	return map[string][]byte{
		"fr": slices.Concat(read("pages.fr.yaml"), []byte("\n"), known, lacking.Bytes()),
		"en": slices.Concat(read("pages.en.yaml"), []byte("\n"), en.Bytes()),
	}
}

// keepKnown leaves the lines out that speak of checks which this build does not have.
func keepKnown(text []byte) []byte {
	var out bytes.Buffer
	checks := verify.Checks()
	for line := range bytes.Lines(text) {
		id, _, ok := bytes.Cut(bytes.TrimPrefix(line, []byte("  ")), []byte(": "))
		id = bytes.TrimSuffix(id, []byte(".why"))
		if ok && bytes.HasPrefix(line, []byte("  ")) && !slices.ContainsFunc(checks, func(c verify.Check) bool { return c.ID == string(id) }) {
			continue
		}
		out.Write(line)
	}
	return out.Bytes()
}
