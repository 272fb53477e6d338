package ship

import (
	"bytes"
	"context"
	"log/slog"
	"sync/atomic"
)

// What Garant's own log may hold in memory until it is in the spool.
const (
	tapLines = 8192
	tapBytes = 8 << 20
)

// Tap is a handler of log/slog that passes on what it is given, and keeps a copy for shipping. Handle waits for the handler below it and for nothing else: a copy for
// which there is no room is left out and counted.
type Tap struct {
	next, own slog.Handler
	queue     *queue
}

// queue holds lines on their way from whoever logs to the spool.
type queue struct {
	lines   chan []byte
	bytes   atomic.Int64
	dropped atomic.Int64
	off     atomic.Bool
}

// NewTap returns a handler that passes on to next.
func NewTap(next slog.Handler) *Tap {
	q := &queue{lines: make(chan []byte, tapLines)}
	return &Tap{next: next, queue: q, own: slog.NewJSONHandler(q, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: ECS})}
}

// ECS gives the fields of a record their names in the Elastic Common Schema.
func ECS(groups []string, a slog.Attr) slog.Attr {
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
}

// Write takes a line; it never waits.
func (q *queue) Write(line []byte) (int, error) {
	if q.off.Load() {
		return len(line), nil
	}
	if q.bytes.Add(int64(len(line))) > tapBytes {
		q.bytes.Add(-int64(len(line)))
		q.dropped.Add(1)
		return len(line), nil
	}
	select {
	case q.lines <- bytes.Clone(line):
		if q.off.Load() { // just now
			q.turn(false)
		}
	default:
		q.bytes.Add(-int64(len(line)))
		q.dropped.Add(1)
	}
	return len(line), nil
}

// taken is said of each line that was taken from the channel.
func (q *queue) taken(line []byte) { q.bytes.Add(-int64(len(line))) }

// turn lets lines in or not. What waits is left out when nobody ships it.
func (q *queue) turn(on bool) {
	if q.off.Store(!on); on {
		return
	}
	for {
		select {
		case line := <-q.lines:
			q.taken(line)
		default:
			q.dropped.Store(0)
			return
		}
	}
}

// Enabled asks the handler below.
func (t *Tap) Enabled(ctx context.Context, level slog.Level) bool { return t.next.Enabled(ctx, level) }

// Handle passes a record on.
func (t *Tap) Handle(ctx context.Context, r slog.Record) error {
	_ = t.own.Handle(ctx, r.Clone()) // cannot fail: it writes into memory
	return t.next.Handle(ctx, r)
}

// WithAttrs returns a handler of the same tap.
func (t *Tap) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Tap{t.next.WithAttrs(attrs), t.own.WithAttrs(attrs), t.queue}
}

// WithGroup returns a handler of the same tap.
func (t *Tap) WithGroup(name string) slog.Handler {
	return &Tap{t.next.WithGroup(name), t.own.WithGroup(name), t.queue}
}
