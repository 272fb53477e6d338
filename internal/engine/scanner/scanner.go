package scanner

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/actor"
	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
	"github.com/garant-project/garant/internal/measure"
)

//go:embed messages/fr.yaml
var french []byte

//go:embed messages/en.yaml
var english []byte

// Messages are the words of this engine's problems, by language.
func Messages() map[string][]byte { return map[string][]byte{"fr": french, "en": english} }

// MaxReport is the greatest size of a report, in bytes.
const MaxReport = 100 << 20

// How the time of a finding came to be known.
const (
	timedByReport = "report"
	timedNoZone   = "report without zone"
	timedGiven    = "given"
)

// New returns the engine.
func New() measure.Engine {
	return measure.Engine{Name: "scanner", CheckFor: CheckFor, Messages: Messages()}
}

// CheckFor makes a check of each measure of each import, and of each own check that is imported.
func CheckFor(e *estate.Estate) []measure.Check {
	var checks []measure.Check
	for _, i := range e.Imports {
		for _, id := range i.Measures {
			checks = append(checks, pushed(i.CheckID(id), []string{id}, i.MaxAge, nil, func(e *estate.Estate) []string {
				if now, ok := declaredImport(e, i.Name); ok {
					return now.Targets()
				}
				return nil
			}))
		}
	}
	for _, c := range e.Checks {
		if c.Imported == nil {
			continue
		}
		checks = append(checks, pushed(c.ID(), c.Measures, c.Imported.MaxAge, c.Title, func(e *estate.Estate) []string {
			if now, ok := declaredCheck(e, c.Name); ok {
				return now.Targets()
			}
			return nil
		}))
	}
	return checks
}

func pushed(id string, measures []string, maxAge time.Duration, title map[string]string, scope func(*estate.Estate) []string) measure.Check {
	return measure.Check{ID: id, Measures: measures, Every: maxAge, Valid: maxAge, Pushed: true, OwnPace: true, Title: title, Scope: scope}
}

func declaredImport(e *estate.Estate, name string) (estate.Import, bool) {
	for _, i := range e.Imports {
		if i.Name == name {
			return i, true
		}
	}
	return estate.Import{}, false
}

func declaredCheck(e *estate.Estate, name string) (estate.OwnCheck, bool) {
	for _, c := range e.Checks {
		if c.Name == name && c.Imported != nil {
			return c, true
		}
	}
	return estate.OwnCheck{}, false
}

// Receiver stores findings that were made elsewhere, and says what is declared: *measure.Runner.
type Receiver interface {
	Effective(ctx context.Context) (measure.View, error)
	Receive(ctx context.Context, by actor.Actor, id string, f measure.Finding, observedAt time.Time) (measure.Result, error)
}

// Importer takes reports.
type Importer struct {
	Receiver Receiver
	Now      func() time.Time
}

// Import reads a report for the import, or the imported own check, of a name, and stores what it says
// of each measure. given is when it was made, for a report that does not say so; zero otherwise. It
// needs actor.ImportEvidence. The errors: NotFound for a name that the estate does not declare; Invalid
// for a report that cannot be read, is too large, or whose time is not known or told twice; those of
// Receiver. Measures that know the report already are left out; it is Conflict when all of them do.
func (im *Importer) Import(ctx context.Context, by actor.Actor, name string, report io.Reader, given time.Time) ([]measure.Result, error) {
	view, err := im.Receiver.Effective(ctx)
	if err != nil {
		return nil, err
	}
	if view.Estate == nil {
		return nil, errs.New(errs.Conflict, "measure.no_estate", "No estate has been applied, so there is nothing to import for.").
			WithFix("Write garant.yaml and run garant estate apply.")
	}
	targets, format, err := im.targets(view.Estate, name)
	if err != nil {
		return nil, err
	}
	if !by.May(actor.ImportEvidence) { // said, and recorded, before anything is read
		_, err := im.Receiver.Receive(ctx, by, targets[0].check, measure.Finding{}, im.Now())
		return nil, err
	}
	head, sum, err := read(report, format, targets)
	if err != nil {
		return nil, err
	}
	at, timed, err := observed(head, given)
	if err != nil {
		return nil, err
	}
	results := make([]measure.Result, 0, len(targets))
	var known error
	for _, t := range targets {
		result, err := im.Receiver.Receive(ctx, by, t.check, t.judge.finding(head, sum, timed), at)
		var e *errs.Error
		switch {
		case errors.As(err, &e) && e.ID == "measure.not_newer": // it broke off before; the others may lack it
			known = err
			continue
		case err != nil:
			return results, err
		}
		results = append(results, result)
	}
	if len(results) == 0 {
		return results, known
	}
	return results, nil
}

// target is a check that a report is weighed for.
type target struct {
	check string
	judge *judge
}

func (im *Importer) targets(e *estate.Estate, name string) ([]target, string, error) {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "import."), "own.")
	fresh := func(j judge) *judge {
		j.counts, j.scopes, j.now = map[string]int{}, map[string]map[string]int{}, im.Now()
		return &j
	}
	if i, ok := declaredImport(e, name); ok {
		known, err := loadMapping()
		if err != nil {
			return nil, "", errs.New(errs.Internal, "scanner.mapping", "The mapping of checks to measures cannot be read.").Wrap(err)
		}
		var out []target
		for _, id := range i.Measures {
			ids := known.of(i, id)
			out = append(out, target{i.CheckID(id), fresh(judge{
				relevant: func(r Result) bool {
					return ids[r.Check] || slices.ContainsFunc(r.Also, func(name string) bool { return ids[name] })
				}, expect: i.Expect, target: i.Target, whole: "import:" + i.Name,
				deadlines: i.Deadlines, acceptMuted: i.AcceptMuted,
			})})
		}
		return out, i.Format, nil
	}
	if c, ok := declaredCheck(e, name); ok {
		return []target{{c.ID(), fresh(judge{
			relevant: func(Result) bool { return true }, expect: c.Imported.Expect, whole: c.Target(),
			target: func(s string) string { return c.Target() + "/" + s }, deadlines: estate.DefaultDeadlines(),
		})}}, c.Imported.Format, nil
	}
	return nil, "", errs.New(errs.NotFound, "scanner.no_import", fmt.Sprintf("The estate declares no import called %q.", clean(name))).
		WithFix("Declare it under imports in garant.yaml, and apply that.")
}

// read reads a report in one pass.
func read(report io.Reader, format string, targets []target) (Head, string, error) {
	hash := sha256.New()
	counted := &counter{from: io.LimitReader(report, MaxReport+1)}
	var head Head
	err := readers()[format](&solid{from: io.TeeReader(counted, hash)}, &head, func(r Result) {
		for _, t := range targets {
			t.judge.take(r)
		}
	})
	if err == nil { // whatever stands behind the report belongs to the file
		_, err = io.Copy(hash, counted)
	}
	if counted.n > MaxReport {
		return head, "", errs.New(errs.Invalid, "scanner.too_large", "The report is larger than "+strconv.Itoa(MaxReport>>20)+" MiB, so nothing of it was taken.").
			WithFix("Make one for each account or image.")
	}
	if counted.err != nil && !errors.Is(counted.err, io.EOF) {
		return head, "", errs.New(errs.Unavailable, "scanner.broken_off", "The report broke off while it was read, so nothing of it was taken.").
			WithFix("Send it again.").Wrap(counted.err)
	}
	if err != nil {
		return head, "", errs.New(errs.Invalid, "scanner.unreadable", fmt.Sprintf("This is no report of the format %s that can be read to its end, so nothing of it was taken.", format)).
			WithFix("Check the format that garant.yaml declares, and that the file is whole.").Wrap(err)
	}
	return head, hex.EncodeToString(hash.Sum(nil)), nil
}

// counter counts what is read, and keeps the error.
type counter struct {
	from io.Reader
	n    int64
	err  error
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n += int64(n)
	if err != nil {
		c.err = err
	}
	return n, err
}

// observed says of when the findings are.
func observed(head Head, given time.Time) (time.Time, string, error) {
	switch {
	case head.At.IsZero() && given.IsZero():
		return given, "", errs.New(errs.Invalid, "scanner.no_time", "The report does not say when it was made, so nothing of it was taken.").
			WithFix("Say it with --observed-at, such as --observed-at 2026-03-01T04:00:00Z.")
	case !head.At.IsZero() && !given.IsZero():
		return given, "", errs.New(errs.Invalid, "scanner.two_times", "The report says itself when it was made, so that no other time is taken.").
			WithFix("Import it without --observed-at.")
	case head.At.IsZero():
		return given, timedGiven, nil
	case head.NoZone:
		return head.At, timedNoZone, nil
	}
	return head.At, timedByReport, nil
}
