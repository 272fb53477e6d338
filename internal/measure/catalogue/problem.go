package catalogue

import (
	"errors"

	"github.com/garant-project/garant/internal/errs"
)

// Problems lists the problems that Parse, ParseTailoring and Tailor found, in the order of the
// lines. Of each, the arguments "line" and "at" say where it is and what it is about. Errors of
// other kinds are left out.
func Problems(err error) []*errs.Error {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // the chain is walked here
		var out []*errs.Error
		for _, e := range many.Unwrap() {
			out = append(out, Problems(e)...)
		}
		return out
	}
	var e *errs.Error
	if errors.As(err, &e) && e.Kind == errs.Invalid {
		return []*errs.Error{e}
	}
	return nil
}

// Place returns where a problem is and what it is about, as far as it says so.
func Place(problem *errs.Error) (line int, at string) {
	line, _ = problem.Args["line"].(int)
	at, _ = problem.Args["at"].(string)
	return line, at
}
