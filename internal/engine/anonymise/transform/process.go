package transform

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
	"unicode/utf8"
)

// longestLine is how long an answer of a process may be.
const longestLine = 256 << 20

// process asks a program of the operator: each value is a line with one JSON string, and so is each answer, or null. The program is started once per worker,
// must answer each line before it gets the next, and is to end when its input ends.
type process struct {
	command []string
	within  time.Duration
	limit   int
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     io.ReadCloser
	answers chan answer
	timer   *time.Timer
	line    []byte
	failed  error
}

type answer struct {
	line []byte
	err  error
}

func makeProcess(m *maker) (Transformer, error) {
	v, _ := m.get("command")
	list, ok := v.([]any)
	if s, is := v.([]string); is {
		ok = true
		for _, word := range s {
			list = append(list, word)
		}
	}
	t := &process{within: time.Duration(m.integer("timeout_ms", 5000, 1, 600_000)) * time.Millisecond, limit: m.limit()}
	for _, word := range list {
		s, is := word.(string)
		ok = ok && is && s != ""
		t.command = append(t.command, s)
	}
	if !ok || len(t.command) == 0 {
		return nil, errors.New(`takes the argument "command": a list of the program and its arguments`)
	}
	if m.err != nil {
		return nil, m.err
	}
	if err := t.start(); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *process) start() error {
	t.cmd = exec.Command(t.command[0], t.command[1:]...) //nolint:gosec,noctx // the operator's own program; Close ends it
	t.cmd.WaitDelay = time.Second
	ownGroup(t.cmd)
	var err error
	if t.in, err = t.cmd.StdinPipe(); err != nil {
		return err
	}
	if t.out, err = t.cmd.StdoutPipe(); err != nil {
		return err
	}
	if err := t.cmd.Start(); err != nil {
		return fmt.Errorf("the program does not start: %w", err)
	}
	t.answers = make(chan answer, 1)
	t.timer = time.NewTimer(t.within)
	go read1(t.out, t.answers)
	return nil
}

// read1 reads lines until the program ends or says too much.
func read1(out io.Reader, answers chan<- answer) {
	defer close(answers)
	r := bufio.NewReaderSize(out, 64<<10)
	for {
		var line []byte
		for {
			part, err := r.ReadSlice('\n')
			if line = append(line, part...); errors.Is(err, bufio.ErrBufferFull) && len(line) <= longestLine {
				continue
			} else if err != nil {
				if len(line) > 0 && errors.Is(err, io.EOF) {
					answers <- answer{err: errors.New("the program ended in the middle of a line")}
				} else if !errors.Is(err, io.EOF) {
					answers <- answer{err: errors.New("the program's answer is too long, or cannot be read")}
				}
				_, _ = io.Copy(io.Discard, out)
				return
			}
			break
		}
		answers <- answer{line: line}
	}
}

// Append implements Transformer.
func (t *process) Append(dst, value []byte, _ Row) ([]byte, error) {
	if t.failed == nil {
		out, err := t.ask(dst, value)
		if err == nil || errors.Is(err, ErrNull) {
			return out, err
		}
		t.failed = err
		t.kill()
	}
	return dst, t.failed
}

func (t *process) ask(dst, value []byte) ([]byte, error) {
	if !utf8.Valid(value) {
		return dst, errors.New("a value is not valid UTF-8, and JSON holds nothing else")
	}
	select {
	case _, ok := <-t.answers:
		if !ok {
			return dst, errors.New("the program ended before its input did")
		}
		return dst, errors.New("the program answered more lines than it was asked")
	default:
	}
	t.line = append(appendQuoted(t.line[:0], value), '\n')
	t.timer.Reset(t.within)
	written := make(chan error, 1)
	go func(line []byte) {
		_, err := t.in.Write(line)
		written <- err
	}(t.line)
	var got answer
	var ok bool
	select {
	case got, ok = <-t.answers:
	case <-t.timer.C:
		return dst, fmt.Errorf("the program did not answer within %s", t.within)
	}
	switch {
	case !ok:
		return dst, errors.New("the program ended without an answer")
	case got.err != nil:
		return dst, got.err
	}
	select { // it may have answered without reading
	case err := <-written:
		if err != nil {
			return dst, errors.New("the program closed its input")
		}
	case <-t.timer.C:
		return dst, fmt.Errorf("the program did not read its line within %s", t.within)
	}
	var s *string
	if err := json.Unmarshal(got.line, &s); err != nil {
		return dst, errors.New("the program's answer is no JSON string on one line")
	}
	if s == nil {
		return dst, ErrNull
	}
	if t.limit < letters([]byte(*s)) {
		return dst, fmt.Errorf("the program's answer is longer than the %d letters of the column", t.limit)
	}
	return appendValid(dst, []byte(*s)), nil
}

func (t *process) kill() {
	_ = t.in.Close()
	endGroup(t.cmd)
	_ = t.out.Close() // which a child of the program may hold open
	for range t.answers {
	}
	_ = t.cmd.Wait()
	t.cmd = nil
}

// Close implements Transformer. The program has as long to end as it has to answer.
func (t *process) Close() error {
	if t.cmd == nil {
		return nil
	}
	_ = t.in.Close()
	t.timer.Reset(t.within)
	for more := false; ; more = true {
		select {
		case _, ok := <-t.answers:
			if ok {
				continue
			}
		case <-t.timer.C:
			t.kill()
			return fmt.Errorf("the program did not end within %s of the end of its input", t.within)
		}
		err := t.cmd.Wait()
		t.cmd = nil
		switch {
		case more:
			return errors.New("the program answered more lines than it was asked")
		case err != nil:
			return fmt.Errorf("the program ended in error: %w", err)
		}
		return nil
	}
}
