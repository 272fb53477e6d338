package tenancy

import (
	"embed"

	"github.com/garant-project/garant/internal/web/ui"
)

//go:embed messages/*.yaml
var messageFiles embed.FS

// CheckMessages are the words of this engine's checks and problems, by language.
func CheckMessages() map[string][]byte { return ui.Words(messageFiles, "checks") }

// Messages are all the words of this engine, by language, for ui.NewMessages.
func Messages() map[string][]byte { return ui.Words(messageFiles, "checks", "pages", "moves") }
