package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/names"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
	"github.com/garant-project/garant/internal/engine/anonymise/plan"
	"github.com/garant-project/garant/internal/engine/anonymise/transform"
	"github.com/garant-project/garant/internal/errs"
)

// Question is what the plan leaves open, so that no copy is made.
type Question struct {
	Code   plan.Code `json:"code"`
	Table  string    `json:"table"`
	Column string    `json:"column,omitempty"`
	Path   string    `json:"path,omitempty"` // of a document
	Line   int       `json:"line,omitempty"` // of the plan's file, where something stands there
	Text   string    `json:"text"`           // a sentence
	YAML   string    `json:"yaml,omitempty"` // the lines to add to the plan, or to put in the place of those that stand there; empty: lines are to be removed, or a person must know
}

const notShown = "(not shown: a key of it may be a value)"

// questions holds the plan against the source and samples of its rows, as garant anonymise plan --diff does, before a snapshot holds anything up. What it says of paths of documents waits
// until it is known which keys are values.
func (r *run) questions(ctx context.Context) error {
	conn, err := r.source.connect(ctx, "")
	if err != nil {
		return err
	}
	defer hangUp(conn)
	if err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		r.database, err = catalog.Read(ctx, tx)
		return err
	}); err != nil {
		return failed(atSource, "Reading the catalogue", err)
	}
	var skipped []plan.Skipped
	if r.samples, skipped, err = plan.Sample(ctx, conn, &r.database); err != nil {
		return failed(atSource, "Looking at samples", err)
	}
	for _, s := range skipped {
		r.report.NotSampled = append(r.report.NotSampled, s.Table.String()+": "+s.Why)
	}
	return r.check()
}

// again holds the plan against the schema that the snapshot shows, if that is another one.
func (r *run) again(db *catalog.Database) error {
	before, now := shape(&r.database), shape(db)
	r.database = *db
	if reflect.DeepEqual(before, now) {
		return nil
	}
	return r.check()
}

// shape is a catalogue without what changes as rows do.
func shape(db *catalog.Database) []catalog.Table {
	out := slices.Concat(db.Tables, db.Partitioned)
	for i := range out {
		out[i].Rows, out[i].Bytes = 0, 0
	}
	return out
}

func (r *run) check() error {
	r.report.Questions, r.paths = nil, nil
	for _, p := range r.o.Plan.CheckSamples(&r.database, r.samples) {
		if p.Code == plan.NewPath {
			r.paths = append(r.paths, p)
		} else {
			r.ask(p)
		}
	}
	return r.asked()
}

// newPaths asks about paths of documents that the plan does not know, once the set tells which keys may be shown.
func (r *run) newPaths(known transform.Taken) error {
	for _, p := range r.paths {
		r.askPath(p, known)
	}
	return r.asked()
}

// unknownPath asks about a path that turned up in a document.
func (r *run) unknownPath(t *table, c *column, path string, document []byte, known transform.Taken) error {
	r.asking.Lock()
	defer r.asking.Unlock()
	if len(r.report.Questions) == 0 {
		for _, p := range r.o.Plan.CheckSamples(&r.database, plan.Samples{t.name: {c.name: {string(document)}}}) {
			if p.Code == plan.NewPath && p.Table == t.name && p.Column == c.name {
				r.askPath(p, known)
			}
		}
		if len(r.report.Questions) == 0 { // of a document that is too large to be looked at whole
			r.askPath(plan.Problem{Code: plan.NewPath, Table: t.name, Column: c.name, Path: path, Line: c.plan.Line, Text: "The plan does not know the path."}, known)
		}
	}
	return r.asked()
}

func (r *run) askPath(p plan.Problem, known transform.Taken) {
	if !tellable(p.Path, known) {
		p.Path, p.YAML = notShown, ""
	}
	r.ask(p)
}

// ask notes a problem. Of what is said of a column with documents, whatever may repeat their keys is left out.
func (r *run) ask(p plan.Problem) {
	q := Question{Code: p.Code, Table: p.Table.String(), Column: p.Column, Path: p.Path, Line: p.Line, Text: p.Text, YAML: p.YAML}
	if p.YAML != "" && p.Column != "" {
		q.YAML = plan.Heading(p.Table) + p.YAML
		if p.Code == plan.NewPath {
			q.YAML = plan.Heading(p.Table) + plan.PathHeading(p.Column) + p.YAML
		}
	}
	if p.Code != plan.NewPath && r.keysMayBeValues(p) {
		if q.YAML = ""; p.Code == plan.Contradicts {
			q.Text = "Samples of the documents hold what needs more care than the plan takes. Correct the entry, or say in reason why it is right."
		}
	}
	r.report.Questions = append(r.report.Questions, q)
}

// keysMayBeValues reports whether a problem is about documents of which a key looks as if it were somebody's.
func (r *run) keysMayBeValues(p plan.Problem) bool {
	t := r.database.Table(p.Table)
	if t == nil {
		return false
	}
	for i := range t.Columns {
		c := &t.Columns[i]
		if (p.Column != "" && c.Name != p.Column) || transform.FamilyOf(c.Type) != transform.JSON {
			continue
		}
		for _, s := range r.samples[p.Table][c.Name] {
			fine := true
			if err := everyKey([]byte(s), func(key string) { fine = fine && tellable(key, nil) }); err != nil || !fine {
				return true
			}
		}
	}
	return false
}

// everyKey calls do with each key of a document.
func everyKey(document []byte, do func(string)) error {
	var v any
	if err := json.Unmarshal(document, &v); err != nil {
		return errDocument
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				do(k)
				walk(e)
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(v)
	return nil
}

// asked is the error of open questions, nil when there are none.
func (r *run) asked() error {
	if len(r.report.Questions) == 0 {
		return nil
	}
	q := r.report.Questions[0]
	where := q.Table
	if q.Column != "" {
		where += "." + catalog.Quote(q.Column)
	}
	if q.Path != "" {
		where += " " + q.Path
	}
	if q.Line > 0 {
		where = fmt.Sprintf("line %d: %s", q.Line, where)
	}
	text := fmt.Sprintf("The plan does not fit the source: %s: %s", where, q.Text)
	if more := len(r.report.Questions) - 1; more > 0 {
		text += fmt.Sprintf(" And %d more.", more)
	}
	fix := "Run garant anonymise plan --diff, and correct the plan as it says."
	if q.YAML != "" {
		fix = "Read these lines, and put them into the plan:\n" + q.YAML
	}
	return errs.New(errs.Invalid, "anonymise.questions", text).WithFix(fix)
}

// tellable reports whether a path of a document may be repeated: its keys look like names that an application gives, and are nobody's.
func tellable(path string, known transform.Taken) bool {
	if len(path) > 120 || !utf8.ValidString(path) {
		return false
	}
	for _, part := range strings.FieldsFunc(path, func(c rune) bool { return c == '.' || c == '[' || c == ']' || c == '*' || c == '$' }) {
		for _, c := range part {
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' && c != '-' {
				return false
			}
		}
		if names.IsGiven(names.AppendFold(nil, []byte(part))) {
			return false
		}
		for _, k := range []personal.Kind{personal.FamilyName, personal.FullName, personal.Username} {
			if known != nil && known.Taken(k, []byte(part)) {
				return false
			}
		}
	}
	return true
}

// refused says why a value cannot be replaced. Of a document's path only what looks like a name of the application's is told.
func (w *copier) refused(c *column, value []byte, err error) error {
	var path *transform.UnknownPathError
	if errors.As(err, &path) {
		return w.run.unknownPath(w.table, c, path.Path, value, w.env.Taken)
	}
	return errs.New(errs.Invalid, "anonymise.value", fmt.Sprintf("The transformer %s cannot replace a value of %s (line %d): %v.", c.plan.Transform.Name, c.shape.Name, c.plan.Line, err)).
		WithFix("Take another transformer for it.")
}
