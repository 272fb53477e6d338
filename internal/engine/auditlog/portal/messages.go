package portal

import "embed"

//go:embed messages/*.yaml
var messageFiles embed.FS

//go:embed templates/*.html
var templateFiles embed.FS

// Messages are the words of the portal, by language, for ui.NewMessages.
func Messages() map[string][]byte {
	out := map[string][]byte{}
	for _, lang := range []string{"fr", "en"} {
		text, err := messageFiles.ReadFile("messages/pages." + lang + ".yaml")
		if err != nil {
			panic("portal: words are missing from the program: " + err.Error())
		}
		out[lang] = text
	}
	return out
}
