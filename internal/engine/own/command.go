package own

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
)

const (
	maxOutput = 64 << 10
	maxItems  = 50
)

// output is what a command may say on its standard output, as one JSON object.
type output struct {
	Failed []struct {
		Item     string `json:"item"`
		Problem  string `json:"problem"`
		Expected string `json:"expected"`
		Actual   string `json:"actual"`
	} `json:"failed"`
	Facts      map[string]any `json:"facts"`
	ObservedAt *time.Time     `json:"observed_at"`
}

type rawCommand struct {
	Exit   int    `json:"exit"`
	JSON   bool   `json:"json"`
	Output string `json:"output,omitempty"` // the first line of plain output
	Failed int    `json:"failed,omitempty"`
}

// runCommand runs the declared program: exit code 0 is right, 1 is wrong, anything else is no answer.
func runCommand(ctx context.Context, c estate.OwnCheck, in measure.In, s *seen) {
	raw := &rawCommand{Exit: -1}
	s.raw = raw
	env, ok := environment(c.Command, s)
	if !ok {
		return
	}
	text, exit, err := run(ctx, c.Command, env)
	switch {
	case errors.Is(err, errTooMuch):
		s.add(CommandTooLarge, "at most "+strconv.Itoa(maxOutput)+" bytes of output", "more")
		return
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		s.add(CommandTimeout, "an end within "+estate.FormatDuration(c.Command.Timeout), "none")
		return
	case err != nil:
		s.add(CommandStart, "a program that starts", "none")
		return
	}
	raw.Exit = exit
	if exit != 0 && exit != 1 {
		s.add(CommandExit, "exit code 0 or 1", exitWords(exit))
		return
	}
	text = bytes.TrimSpace(text)
	if bytes.HasPrefix(text, []byte("{")) {
		structured(text, exit, in.Now, s, raw)
		return
	}
	line, _, _ := strings.Cut(s.without(string(text)), "\n") // a secret may have several lines
	raw.Output = clean(line)
	if exit == 1 {
		s.add(CommandFailed, "exit code 0", cmp.Or(raw.Output, "exit code 1"))
	}
}

func exitWords(code int) string {
	if code < 0 {
		return "ended by a signal"
	}
	return "exit code " + strconv.Itoa(code)
}

// environment is all that the program gets.
func environment(c *estate.CommandCheck, s *seen) (env []string, ok bool) {
	for _, v := range c.Env {
		value := v.Text
		if !v.Secret.IsZero() {
			secret, err := v.Secret.Reveal()
			if err != nil {
				s.add(SecretMissing, "the value of "+v.Name, "not to be had")
				return nil, false
			}
			value = secret
			s.given(secret)
		}
		env = append(env, v.Name+"="+value)
	}
	return env, true
}

var errTooMuch = errors.New("too much output")

// run starts the program in a process group of its own, reads what it says and ends the group when
// its time is over or it says too much. exit is -1 when a signal ended it.
func run(ctx context.Context, c *estate.CommandCheck, env []string) (text []byte, exit int, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	out := &bounded{end: func() { end(errTooMuch) }}
	cmd := exec.CommandContext(ctx, c.Run[0], c.Run[1:]...) //nolint:gosec // declared by the operator, see doc.go
	cmd.Env, cmd.Dir = append([]string{}, env...), cmp.Or(c.Dir, string(os.PathSeparator))
	cmd.Stdout, cmd.Stderr = out, io.Discard
	cmd.WaitDelay = time.Second // what left the group may still hold the pipe
	ownGroup(cmd)
	err = cmd.Run()
	endGroup(cmd) // whatever it left behind
	var left *exec.ExitError
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errTooMuch):
		return nil, -1, errTooMuch
	case cause != nil:
		return nil, -1, cause
	case errors.As(err, &left):
		return out.text(), left.ExitCode(), nil
	case errors.Is(err, exec.ErrWaitDelay):
		return out.text(), cmd.ProcessState.ExitCode(), nil
	case err != nil:
		return nil, -1, err
	}
	return out.text(), 0, nil
}

// bounded keeps what is written up to maxOutput, and ends the program when there is more.
type bounded struct {
	mu  sync.Mutex
	buf bytes.Buffer
	end func()
}

func (b *bounded) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buf.Len()+len(p) > maxOutput {
		b.end()
		return 0, errTooMuch
	}
	return b.buf.Write(p)
}

func (b *bounded) text() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.buf.Bytes())
}

// structured reads the JSON of a command. What it does not understand is no answer.
func structured(text []byte, exit int, now time.Time, s *seen, raw *rawCommand) {
	raw.JSON = true
	if _, err := decode(text); err != nil {
		s.add(CommandOutput, "one JSON object of the documented shape", "something else")
		return
	}
	var o output
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	if err := decoder.Decode(&o); err != nil {
		s.add(CommandOutput, "one JSON object of the documented shape", "something else")
		return
	}
	if o.ObservedAt != nil {
		switch age := now.Sub(*o.ObservedAt); {
		case age < -measure.Skew:
			s.add(CommandObserved, "an observation of the past", "one of the future")
			return
		case age > s.check.Every:
			s.add(CommandObserved, "an observation of the last "+estate.FormatDuration(s.check.Every), "an older one")
			return
		}
	}
	raw.Failed = len(o.Failed)
	for i, f := range o.Failed {
		if i == maxItems {
			s.add(CommandItem, "", strconv.Itoa(len(o.Failed)-maxItems)+" more")
			break
		}
		actual := f.Item
		for _, more := range []string{f.Problem, f.Actual} {
			if more != "" {
				actual = strings.TrimPrefix(actual+": "+more, ": ")
			}
		}
		s.add(CommandItem, f.Expected, cmp.Or(actual, "an item without a name"))
	}
	if exit == 1 && len(o.Failed) == 0 {
		s.add(CommandFailed, "exit code 0", "exit code 1")
	}
	for name, value := range o.Facts {
		switch v := value.(type) {
		case json.Number:
			if n, err := v.Int64(); err == nil {
				s.fact(name, measure.Fact{Kind: measure.CountFact, Count: n})
			} else {
				s.fact(name, measure.Text(clean(v.String())))
			}
		case string:
			s.fact(name, measure.Text(clean(v)))
		default:
			s.add(CommandOutput, "facts that are numbers or texts", "another one")
		}
	}
}
