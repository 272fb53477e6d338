package stream

import "embed"

//go:embed messages/*.yaml
var messageFiles embed.FS

// Messages are the words of the check of streams and its problems, by language.
func Messages() map[string][]byte {
	out := map[string][]byte{}
	for _, lang := range []string{"fr", "en"} {
		text, err := messageFiles.ReadFile("messages/checks." + lang + ".yaml")
		if err != nil {
			panic("stream: words are missing from the program: " + err.Error())
		}
		out[lang] = text
	}
	return out
}
