// Package errs gives every failure that a person may see one of a few kinds, a sentence
// that is safe to show, and the next step.
//
// The sentence (Text) and the next step (Fix) are written for the reader: no value of a
// customer, no path, no SQL, no stack. The wrapped cause (Err) is for the log only and is
// itself cut down by packages that talk to the database (see pg.Describe).
package errs

import (
	"context"
	"errors"
	"net/http"
)

// Kind says what a failure means to whoever asked.
type Kind uint8

// The kinds, with their HTTP status and the exit code of the command line.
const (
	Internal    Kind = iota // our fault: 500, exit 1
	NotFound                // 404, exit 4
	Denied                  // 403, exit 5
	Invalid                 // 422, exit 2
	Conflict                // 409, exit 6
	Unavailable             // 503, exit 7
)

// Error is a failure with a kind and words for the reader.
type Error struct {
	Kind Kind
	ID   string         // message id, by which pages find the words in the reader's language
	Args map[string]any // what the message's words refer to; never a secret
	Text string         // one English sentence, for the command line and the log
	Fix  string         // what to do, in English; may be empty
	Err  error          // cause, for the log; may be nil
}

// New returns an error of the given kind. id names the message that pages show; text is the
// same in English.
func New(kind Kind, id, text string) *Error { return &Error{Kind: kind, ID: id, Text: text} }

// WithFix adds the next step.
func (e *Error) WithFix(fix string) *Error { e.Fix = fix; return e }

// With adds an argument of the message.
func (e *Error) With(name string, value any) *Error {
	if e.Args == nil {
		e.Args = map[string]any{}
	}
	e.Args[name] = value
	return e
}

// Wrap adds the cause.
func (e *Error) Wrap(err error) *Error { e.Err = err; return e }

func (e *Error) Error() string {
	s := e.Text
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the first Error in err's chain; a context that ended counts as
// Unavailable, anything else as Internal.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return Unavailable
	}
	return Internal
}

// Is reports whether err is of the given kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }

// Sentence returns what may be shown of err: the words of the first Error in its chain and
// the next step, or a neutral sentence that gives nothing away.
func Sentence(err error) (text, fix string) {
	var e *Error
	if errors.As(err, &e) {
		return e.Text, e.Fix
	}
	if KindOf(err) == Unavailable {
		return "The operation took too long and was stopped.", "Try again."
	}
	return "Something went wrong on our side.", "Read the server's log, then try again."
}

// HTTPStatus maps err to the status of a response.
func HTTPStatus(err error) int {
	if err == nil {
		return http.StatusOK
	}
	switch KindOf(err) {
	case NotFound:
		return http.StatusNotFound
	case Denied:
		return http.StatusForbidden
	case Invalid:
		return http.StatusUnprocessableEntity
	case Conflict:
		return http.StatusConflict
	case Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// ExitCode maps err to the exit code of a command.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	switch KindOf(err) {
	case Invalid:
		return 2
	case NotFound:
		return 4
	case Denied:
		return 5
	case Conflict:
		return 6
	case Unavailable:
		return 7
	}
	return 1
}
