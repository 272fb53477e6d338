package console

import (
	"embed"
	"fmt"
)

//go:embed messages/fr.yaml messages/en.yaml
var messages embed.FS

//go:embed templates/*.html
var templates embed.FS

// Messages returns the words of these pages and of the errors that pages of staff can show, by
// language.
func Messages() map[string][]byte {
	words := map[string][]byte{}
	for _, lang := range []string{"fr", "en"} {
		text, err := messages.ReadFile("messages/" + lang + ".yaml")
		if err != nil {
			panic(fmt.Sprintf("console: the program lacks its own words: %v", err)) // embedded above: cannot be
		}
		words[lang] = text
	}
	return words
}
