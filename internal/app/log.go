package app

import (
	"io"
	"log/slog"

	"github.com/garant-project/garant/internal/engine/auditlog/ship"
)

// NewLogger writes JSON lines with the field names of the Elastic Common Schema.
func NewLogger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: ship.ECS})).With("service.name", "garant")
}
