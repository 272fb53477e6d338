package stream

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/garant-project/garant/internal/engine/auditlog/export"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
)

// The bounds of a batch.
const (
	maxLines   = 500
	maxBatch   = 1 << 20   // bytes; one line is sent whatever it has
	maxLine    = 256 << 10 // a longer one is shortened, and says so
	maxChecked = 64 << 10  // of a checkpoint
)

// batch is what a receiver takes or refuses as a whole.
type batch struct {
	id    string // the same for the same lines
	lines []export.Line
	body  []byte // JSON lines
}

func (b batch) first() int64 { return b.lines[0].Place.Position }
func (b batch) last() int64  { return b.lines[len(b.lines)-1].Place.Position }

// target takes batches. Its errors are *failure.
type target interface {
	send(ctx context.Context, b batch) error
}

// failure is why a batch was not taken.
type failure struct {
	problem  Problem
	said     string        // in a few words, none of them the receiver's
	wait     time.Duration // that the receiver asked for
	tooLarge bool          // it may take half of it
}

func (f *failure) Error() string { return string(f.problem) + ": " + f.said }

// step sends the next batch of a stream; more: there was one, and there may be another.
func (s *Streams) step(ctx context.Context, l *leader, d estate.Stream) (more bool, err error) {
	st, err := l.state(ctx, d.Name)
	if err != nil {
		return false, err
	}
	b, err := s.compose(ctx, d, st)
	if err == nil && b == nil {
		if st.Problem != "" {
			err = l.clear(ctx, st)
		}
		return false, err
	}
	for err == nil {
		if st.Sending != b.last() {
			if err := l.begin(ctx, st, b.last()); err != nil {
				return false, err
			}
			st.Sending = b.last()
		}
		err = s.deliver(ctx, d, *b)
		var f *failure
		if err == nil || !errors.As(err, &f) || !f.tooLarge || len(b.lines) == 1 {
			break
		}
		b, err = s.batch(ctx, d, b.lines[:len(b.lines)/2])
	}
	if ctx.Err() != nil && err != nil { // stopped by us
		return false, err
	}
	if err != nil {
		return false, s.note(ctx, l, st, err)
	}
	if err := l.taken(ctx, st, b.last(), len(b.lines), s.Now()); err != nil {
		return false, err
	}
	if st.Problem != "" {
		s.Log.Info("a stream of the record goes on", "stream.name", d.Name)
	}
	return true, nil
}

// note keeps what an attempt met with, and tells the log of the first of a kind.
func (s *Streams) note(ctx context.Context, l *leader, st State, err error) error {
	var f *failure
	if !errors.As(err, &f) {
		f = &failure{problem: Unknown, said: "the record cannot be read"}
	}
	if st.Problem != f.problem {
		s.Log.Error("a stream of the record does not go on", "stream.name", st.Name, "error.code", string(f.problem), "error.message", f.said)
	}
	if kept := l.failed(ctx, st, f.problem, f.said, s.Now()); kept != nil {
		return kept
	}
	return f
}

// compose reads the next batch; nil: there is nothing to send. One that was under way is made of the same lines again.
func (s *Streams) compose(ctx context.Context, d estate.Stream, st State) (*batch, error) {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	lines, err := s.Source.After(ctx, st.Position, maxLines)
	if err != nil {
		return nil, err
	}
	position := st.Position
	for i, line := range lines {
		if line.Place.Position <= position {
			return nil, &failure{problem: Disorder, said: "the positions of entries do not rise"}
		}
		position = line.Place.Position
		if st.Sending != 0 && position == st.Sending {
			lines = lines[:i+1]
			break
		}
	}
	if len(lines) == 0 {
		return nil, nil
	}
	return s.batch(ctx, d, lines)
}

// batch writes lines, as many of them as there is room for.
func (s *Streams) batch(ctx context.Context, d estate.Stream, lines []export.Line) (*batch, error) {
	checkpoint, err := s.Source.Checkpoint(ctx, lines[len(lines)-1].Place.Position)
	if err != nil {
		return nil, err
	}
	if len(checkpoint) > maxChecked {
		return nil, &failure{problem: Disorder, said: "the checkpoint is too large"}
	}
	o := export.Options{Values: d.Values, Most: maxLine, Build: s.Build}
	b := &batch{}
	write := func(l export.Line) ([]byte, error) {
		line, err := export.Render(export.Format(d.Format), l, o)
		if err != nil {
			return nil, &failure{problem: Unwritable, said: "entry at position " + fmt.Sprint(l.Place.Position)}
		}
		return append(line, '\n'), nil
	}
	var body bytes.Buffer
	before := 0 // where the last line begins
	for _, l := range lines {
		line, err := write(l)
		if err != nil {
			if len(b.lines) > 0 { // what is before it can be sent
				break
			}
			return nil, err
		}
		if len(b.lines) > 0 && body.Len()+len(line)+len(checkpoint) > maxBatch {
			break
		}
		before = body.Len()
		body.Write(line)
		b.lines = append(b.lines, l)
	}
	if checkpoint != "" {
		last := &b.lines[len(b.lines)-1]
		last.Checkpoint = checkpoint
		line, err := write(*last)
		if err != nil {
			return nil, err
		}
		body.Truncate(before)
		body.Write(line)
	}
	b.body = body.Bytes()
	b.id = batchID(d.Name, b.lines)
	return b, nil
}

// batchID names a batch by the lines it begins and ends with: it stays the same when the batch is sent again.
func batchID(name string, lines []export.Line) string {
	h := sha256.New()
	for _, l := range []export.Line{lines[0], lines[len(lines)-1]} {
		h.Write(append(append([]byte(l.UID()), 0), l.Place.Leaf...))
	}
	return fmt.Sprintf("garant_%s_%d_%d_%s", name, lines[0].Place.Position, lines[len(lines)-1].Place.Position, hex.EncodeToString(h.Sum(nil)[:8]))
}

// deliver sends a batch to where its stream leads.
func (s *Streams) deliver(ctx context.Context, d estate.Stream, b batch) error {
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	var t target
	switch d.Kind {
	case estate.WebhookStream:
		t = webhook{s, d}
	case estate.SyslogStream:
		t = syslog{s, d}
	case estate.S3Stream:
		t = objects{s, d}
	default:
		return &failure{problem: Unwritable, said: "this build knows no stream of this kind"}
	}
	return t.send(ctx, b)
}

// secretFailure says that what a stream needs cannot be read. Nothing of it is told.
func secretFailure(key string, err error) error {
	if errs.KindOf(err) == errs.Invalid {
		return &failure{problem: BadSecret, said: key}
	}
	return &failure{problem: BadSecret, said: key + " cannot be read"}
}
