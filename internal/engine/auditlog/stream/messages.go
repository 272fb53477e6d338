package stream

import (
	"embed"

	"github.com/garant-project/garant/internal/web/ui"
)

//go:embed messages/*.yaml
var messageFiles embed.FS

// Messages are the words of the check of streams and its problems, by language.
func Messages() map[string][]byte { return ui.Words(messageFiles, "checks") }
