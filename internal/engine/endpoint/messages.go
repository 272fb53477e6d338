package endpoint

import (
	"embed"
	"fmt"

	"github.com/garant-project/garant/internal/measure"
)

//go:embed messages/fr.yaml messages/en.yaml
var messages embed.FS

// Messages returns the words of this engine's checks and problems, flat YAML of id and text,
// by language.
func Messages() (map[string][]byte, error) {
	words := map[string][]byte{}
	for _, language := range []string{"fr", "en"} {
		text, err := messages.ReadFile("messages/" + language + ".yaml")
		if err != nil {
			return nil, fmt.Errorf("endpoint: words in %s: %w", language, err)
		}
		words[language] = text
	}
	return words, nil
}

// New returns the engine.
func New(deps Deps) (measure.Engine, error) {
	words, err := Messages()
	if err != nil {
		return measure.Engine{}, err
	}
	return measure.Engine{Name: "endpoint", Checks: Checks(deps).All(), Messages: words, Parameters: parameters}, nil
}
