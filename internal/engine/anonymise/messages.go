package anonymise

import (
	"embed"

	"github.com/garant-project/garant/internal/web/ui"
)

//go:embed messages/*.yaml
var messageFiles embed.FS

// Messages are the words of this engine's checks, problems and pages, by language, for ui.NewMessages.
func Messages() map[string][]byte { return ui.Words(messageFiles, "checks", "record", "pages") }

// CheckMessages are those of the checks and problems alone.
func CheckMessages() map[string][]byte { return ui.Words(messageFiles, "checks") }
