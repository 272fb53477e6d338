package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/text/language"

	"github.com/garant-project/garant/internal/errs"
)

// PreferredLanguage picks from the languages of a site by an Accept-Language header
// (RFC 9110 §12.5.4).
func PreferredLanguage(header string, languages []string) string {
	tags := make([]language.Tag, len(languages))
	for i, l := range languages {
		tags[i] = language.Make(l)
	}
	wanted, _, err := language.ParseAcceptLanguage(header)
	if err != nil || len(wanted) == 0 {
		return languages[0]
	}
	_, i, confidence := language.NewMatcher(tags).Match(wanted...)
	if confidence == language.No {
		return languages[0]
	}
	return languages[i]
}

// WantsJSON reports whether the client is a program.
func WantsJSON(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/api/") || strings.HasSuffix(r.URL.Path, ".json") ||
		slices.ContainsFunc(strings.Split(r.Header.Get("Accept"), ","), func(part string) bool {
			kind, _, _ := strings.Cut(part, ";")
			return strings.TrimSpace(kind) == "application/json"
		})
}

// WriteJSON answers with a document.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // a reader who went away is nobody to tell
	return nil
}

// Problem is an error as JSON (RFC 9457).
type Problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"` // what to do
	Code   string `json:"code,omitempty"`   // message id, stable
}

// ProblemOf says of an error what may be said.
func ProblemOf(status int, err error) Problem {
	text, fix := errs.Sentence(err)
	p := Problem{Title: text, Status: status, Detail: fix}
	var known *errs.Error
	if errors.As(err, &known) {
		p.Code = known.ID
	}
	return p
}

// WriteProblem answers with an error as JSON.
func WriteProblem(w http.ResponseWriter, status int, err error) {
	b, _ := json.Marshal(ProblemOf(status, err)) // of strings and a number: cannot fail
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}

// SeeOther sends the reader to a page of the same site after a change (303).
func SeeOther(w http.ResponseWriter, r *Request, path string) error {
	http.Redirect(w, r.Request, path, http.StatusSeeOther)
	return nil
}

// LocalPath returns next when it is a path of this site, else fallback: a link must not send
// people elsewhere after signing in.
func LocalPath(next, fallback string) string {
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\x00\r\n\t") {
		return fallback
	}
	return next
}
