package auditlog

import (
	"bytes"
	"embed"
)

//go:embed messages/*.yaml
var messageFiles embed.FS

// Messages are the words of this engine's checks, problems and pages, by language, for ui.NewMessages.
func Messages() map[string][]byte { return parts("checks", "record", "pages") }

// CheckMessages are those of the checks and problems alone.
func CheckMessages() map[string][]byte { return parts("checks") }

func parts(names ...string) map[string][]byte {
	out := map[string][]byte{}
	for _, lang := range []string{"fr", "en"} {
		for _, part := range names {
			text, err := messageFiles.ReadFile("messages/" + part + "." + lang + ".yaml")
			if err != nil {
				panic("auditlog: words are missing from the program: " + err.Error())
			}
			out[lang] = bytes.Join([][]byte{out[lang], text}, []byte("\n"))
		}
	}
	return out
}
