package tenancy

import (
	"bytes"
	"embed"
)

//go:embed messages/*.yaml
var messageFiles embed.FS

// CheckMessages are the words of this engine's checks and problems, by language.
func CheckMessages() map[string][]byte { return messagesOf("checks") }

// Messages are all the words of this engine, by language, for ui.NewMessages.
func Messages() map[string][]byte { return messagesOf("checks", "pages", "moves") }

func messagesOf(parts ...string) map[string][]byte {
	out := map[string][]byte{}
	for _, lang := range []string{"fr", "en"} {
		for _, part := range parts {
			text, err := messageFiles.ReadFile("messages/" + part + "." + lang + ".yaml")
			if err != nil {
				panic("tenancy: words are missing from the program: " + err.Error())
			}
			out[lang] = bytes.Join([][]byte{out[lang], text}, []byte("\n"))
		}
	}
	return out
}
