package collect

import _ "embed"

//go:embed messages/fr.yaml
var french []byte

//go:embed messages/en.yaml
var english []byte

// Messages are the words of this package's check and problems, by language, for ui.NewMessages.
func Messages() map[string][]byte { return map[string][]byte{"fr": french, "en": english} }
