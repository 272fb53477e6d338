package scanner

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/measure"
)

// Status is what a scanner says of one thing.
type Status string

// The statuses. Only Passed and Failed decide.
const (
	Passed    Status = "passed"
	Failed    Status = "failed"
	Undecided Status = "undecided" // the tool could not tell: an error, a manual check, a status not known here
	Skipped   Status = "skipped"
)

// Result is one line of a report.
type Result struct {
	Check    string   // id of the scanner's check
	Also     []string // other names of it
	Scopes   []string // what it lies in, as the report names it, the narrowest last
	Item     string   // what was looked at
	Status   Status
	Muted    bool // the tool was told to overlook it
	Detail   string
	Severity string // in small letters; "": none

	// Of a vulnerability: when it became known; zero: not told.
	Vulnerability bool
	Published     time.Time
}

// Head is what a report says of itself.
type Head struct {
	Tool, Version string
	At            time.Time // the oldest time in it; zero: none
	NoZone        bool      // the times have no zone: At is the earliest moment that they can mean
}

// older keeps the oldest time.
func (h *Head) older(t time.Time) {
	if !t.IsZero() && (h.At.IsZero() || t.Before(h.At)) {
		h.At = t.UTC()
	}
}

// reader reads a report and hands on each result.
type reader func(source io.Reader, head *Head, each func(Result)) error

// readers by format of garant.yaml.
func readers() map[string]reader {
	return map[string]reader{"prowler": readProwler, "trivy": readTrivy, "steampipe": readSteampipe, "sarif": readSARIF, "json": readPlain}
}

var errShape = errors.New("it does not have the shape of this format")

// What a report may hold: one of this size that is sound has far fewer. A hollow one ("{},{},{}") would take a
// hundred times its size in memory.
const (
	maxNested = 3_000_000 // objects and lists
	maxCommas = 8_000_000
	maxHeld   = 500_000 // results that have to be held until the end of the report is known
)

// solid refuses a report that holds more things than one of its size can.
type solid struct {
	from           io.Reader
	nested, commas int
}

func (s *solid) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	s.nested += bytes.Count(p[:n], []byte{'{'}) + bytes.Count(p[:n], []byte{'['})
	s.commas += bytes.Count(p[:n], []byte{','})
	if s.nested > maxNested || s.commas > maxCommas {
		return 0, errShape
	}
	return n, err
}

// stream walks JSON without holding the whole of it.
type stream struct{ *json.Decoder }

func newStream(source io.Reader) stream { return stream{json.NewDecoder(source)} }

func (s stream) delim(want json.Delim) error {
	token, err := s.Token()
	if err != nil {
		return err
	}
	if d, ok := token.(json.Delim); !ok || d != want {
		return errShape
	}
	return nil
}

// object calls each with every key; each reads the value.
func (s stream) object(each func(key string) error) error {
	if err := s.delim('{'); err != nil {
		return err
	}
	for s.More() {
		token, err := s.Token()
		if err != nil {
			return err
		}
		key, ok := token.(string)
		if !ok {
			return errShape
		}
		if err := each(key); err != nil {
			return err
		}
	}
	return s.delim('}')
}

// array calls each before every element; each reads it. null is an empty one.
func (s stream) array(each func() error) error {
	token, err := s.Token()
	if err != nil {
		return err
	}
	if token == nil {
		return nil
	}
	if d, ok := token.(json.Delim); !ok || d != '[' {
		return errShape
	}
	for s.More() {
		if err := each(); err != nil {
			return err
		}
	}
	return s.delim(']')
}

// skip reads a value of no interest.
func (s stream) skip() error {
	for depth := 0; ; {
		token, err := s.Token()
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// end refuses whatever follows.
func (s stream) end() error {
	if _, err := s.Token(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = errShape
		}
		return err
	}
	return nil
}

// lenient reads a text or nothing: fields of tools change their type over versions.
type lenient string

// UnmarshalJSON takes a string or a number; anything else is "".
func (l *lenient) UnmarshalJSON(b []byte) error {
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	switch v := v.(type) {
	case string:
		*l = lenient(v)
	case float64:
		*l = lenient(b)
	default:
		*l = ""
	}
	return nil
}

const earliestZone = -14 * time.Hour // UTC+14 is the zone in which a time of day comes first

// moment reads a time as tools write it. noZone: it had none, and the earliest moment that it can mean is
// returned.
func moment(s string) (t time.Time, noZone bool, err error) {
	s = strings.TrimSpace(s)
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700", "2006-01-02 15:04:05.999999999-07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), false, nil
		}
	}
	for _, layout := range []string{"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, time.UTC); err == nil {
			return t.Add(earliestZone), true, nil
		}
	}
	return time.Time{}, false, fmt.Errorf("no time that can be read")
}

// unix reads seconds or milliseconds since 1970.
func unix(n int64) time.Time {
	if n > 100_000_000_000 { // the year 5138 in seconds, 1973 in milliseconds
		return time.UnixMilli(n).UTC()
	}
	return time.Unix(n, 0).UTC()
}

// scopes drops what is empty.
func scopes(names ...string) []string {
	var out []string
	for _, n := range names {
		if n = strings.TrimSpace(n); n != "" {
			out = append(out, n)
		}
	}
	return out
}

const maxShown = 160

// clean makes words of others fit to be shown.
func clean(s string) string { return measure.Shown(s, maxShown) }
