package portal

import (
	"embed"

	"github.com/garant-project/garant/internal/web/ui"
)

//go:embed messages/*.yaml
var messageFiles embed.FS

//go:embed templates/*.html
var templateFiles embed.FS

// Messages are the words of the portal, by language, for ui.NewMessages.
func Messages() map[string][]byte { return ui.Words(messageFiles, "pages") }
