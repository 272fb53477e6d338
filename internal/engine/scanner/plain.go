package scanner

import (
	"io"
	"strings"
	"time"
)

type plainResult struct {
	Check     string     `json:"check"`
	Scope     string     `json:"scope"`
	Item      string     `json:"item"`
	Status    string     `json:"status"`
	Muted     bool       `json:"muted"`
	Detail    string     `json:"detail"`
	Severity  string     `json:"severity"`
	Published *time.Time `json:"published"` // of a vulnerability
}

// readPlain reads the JSON described in docs/imports.md, for whatever has no format of its own.
func readPlain(source io.Reader, head *Head, each func(Result)) error {
	s := newStream(source)
	known := false
	err := s.object(func(key string) error {
		switch key {
		case "tool":
			return s.Decode(&head.Tool)
		case "version":
			return s.Decode(&head.Version)
		case "observed_at":
			var at time.Time
			err := s.Decode(&at)
			head.older(at)
			return err
		case "results":
			known = true
			return s.array(func() error {
				var r plainResult
				if err := s.Decode(&r); err != nil {
					return err
				}
				if r.Check == "" {
					return errShape
				}
				out := Result{Check: r.Check, Scopes: scopes(r.Scope), Item: r.Item, Muted: r.Muted, Detail: r.Detail, Severity: strings.ToLower(r.Severity)}
				switch r.Status {
				case "pass":
					out.Status = Passed
				case "fail":
					out.Status = Failed
				case "skip":
					out.Status = Skipped
				case "error":
					out.Status = Undecided
				default:
					return errShape
				}
				if r.Check == Vulnerabilities && out.Status == Failed {
					out.Vulnerability = true
					if r.Published != nil {
						out.Published = *r.Published
					}
				}
				each(out)
				return nil
			})
		}
		return errShape
	})
	if err == nil {
		err = s.end()
	}
	if err == nil && (!known || head.Tool == "") {
		err = errShape
	}
	return err
}
