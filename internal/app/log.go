package app

import (
	"io"
	"log/slog"
)

// NewLogger writes JSON lines with the field names of the Elastic Common Schema.
func NewLogger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) > 0 {
			return a
		}
		switch a.Key {
		case slog.TimeKey:
			a.Key = "@timestamp"
		case slog.LevelKey:
			a.Key = "log.level"
		case slog.MessageKey:
			a.Key = "message"
		}
		return a
	}})).With("service.name", "garant")
}
