package console

import "embed"

//go:embed messages/fr.yaml
var french []byte

//go:embed messages/en.yaml
var english []byte

//go:embed templates/*.html
var templates embed.FS

// Messages are the words of these pages and of the errors that pages of staff can show, by
// language, for ui.NewMessages.
func Messages() map[string][]byte { return map[string][]byte{"fr": french, "en": english} }
