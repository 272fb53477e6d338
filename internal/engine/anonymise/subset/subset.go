package subset

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/garant-project/garant/internal/engine/anonymise/catalog"
	"github.com/garant-project/garant/internal/engine/anonymise/run"
	"github.com/garant-project/garant/internal/errs"
)

// Kind says by what rows are chosen.
type Kind string

// The kinds.
const (
	All     Kind = "all" // of the copy
	Percent Kind = "percent"
	Tenants Kind = "tenants"
	Queries Kind = "queries"
)

// Subset says which rows are wanted. Whatever they refer to comes with them.
type Subset struct {
	Kind        Kind
	Percent     float64  // of the rows of tables that lead, or of tenants
	Tenants     []string // primary keys of rows of the table of tenants, as text
	Queries     []Query
	TenantTable string      // as catalog.Name is written; empty: the one table that is called tenant or tenants
	Whole       []string    // tables that come whole, whatever their size
	Small       int64       // rows up to which a table that depends on nothing comes whole; 0: DefaultSmall, or NoneSmall
	References  []Reference // beyond foreign keys and what is found by name
	Seed        string      // of the choice: the same seed and copy give the same rows
}

// DefaultSmall is how large a table may be that is taken whole.
const DefaultSmall = 1000

// NoneSmall in the place of a size: no table is taken whole for being small.
const NoneSmall = -1

// Query chooses rows of a table by a condition of SQL.
type Query struct {
	Table     catalog.Name
	Condition string
}

// Options say what to take from where, and where it goes.
type Options struct {
	Source    string // address of the copy
	Target    string // address of the database to make; empty: only Directory is wanted, and a private server makes it
	Directory string // to write as pg_dump does with --format=directory; empty: none
	Replace   bool   // what is there
	Subset    Subset
	Workers   int    // at once; 0: one for each processor, at most eight
	BinDir    string // of pg_dump and pg_restore; empty: searched for
	Say       func(Progress)
}

// Stage is a part of the work.
type Stage string

// The stages, in order.
const (
	StageSchema    Stage = "schema"    // of the copy
	StageChoose    Stage = "choose"    // rows
	StageCopy      Stage = "copy"      // them
	StageAfter     Stage = "after"     // keys, indexes, constraints, sequences, views
	StageDirectory Stage = "directory" // written by pg_dump
)

// Progress is how far the work is.
type Progress struct {
	Stage     Stage
	Rows, All int64 // chosen so far, or copied of all; All 0: not known
	Elapsed   time.Duration
}

// TableReport is what the subset has of a table.
type TableReport struct {
	Table string  `json:"table"`
	Rows  int64   `json:"rows"`
	Of    int64   `json:"of"` // in the copy
	Share float64 `json:"percent"`
	How   string  `json:"how"` // why rows came
}

// Report tells what was taken. It holds no value.
type Report struct {
	Run       string        `json:"run"`  // that made the copy
	Data      time.Time     `json:"data"` // how old the copy's data are
	Database  string        `json:"database,omitempty"`
	Directory string        `json:"directory,omitempty"`
	Rows      int64         `json:"rows"`
	Of        int64         `json:"of"`
	Share     float64       `json:"percent"`
	Tables    []TableReport `json:"tables"`
	Notes     []string      `json:"notes,omitempty"`
	LeftOut   []string      `json:"left_out,omitempty"`
	Seconds   float64       `json:"seconds"`
	Stages    []StageTime   `json:"stages"`
}

// StageTime is how long a stage took.
type StageTime struct {
	Stage   Stage   `json:"stage"`
	Seconds float64 `json:"seconds"`
}

// pull is one call of Take.
type pull struct {
	o        Options
	programs run.Programs
	source   *run.Server
	snapshot *run.Snapshot
	model    *model
	readers  *readers
	schema   *run.Schema
	place    *place
	part     *scratch // of the directory
	stage    Stage
	began    time.Time
	report   *Report
}

func (o Options) checked() (Options, error) {
	s := &o.Subset
	if s.Kind == "" {
		s.Kind = All
	}
	if s.Small == 0 {
		s.Small = DefaultSmall
	}
	if o.Workers <= 0 {
		o.Workers = min(8, runtime.GOMAXPROCS(0))
	}
	invalid := func(text, fix string) error { return errs.New(errs.Invalid, "anonymise.subset", text).WithFix(fix) }
	switch {
	case o.Target == "" && o.Directory == "":
		return o, invalid("It is not said where the subset goes.", "Name a database to make, a directory to write, or both.")
	case s.Kind == Percent && !(s.Percent >= 0 && s.Percent <= 100):
		return o, invalid("A subset has 0 to 100 per cent.", "Correct the percentage.")
	case s.Kind == Tenants && len(s.Tenants) == 0:
		return o, invalid("No tenant is named.", "Name at least one.")
	case s.Kind == Queries && len(s.Queries) == 0:
		return o, invalid("There is no condition.", "Give at least one.")
	case s.Kind != All && s.Kind != Percent && s.Kind != Tenants && s.Kind != Queries:
		return o, invalid("The kind of subset is not known.", "Take all, per cent, tenants or queries.")
	case s.Small < NoneSmall:
		return o, invalid("A number of rows cannot be negative.", "Correct the size up to which tables come whole.")
	}
	if s.Kind == Percent && s.Percent == 100 {
		s.Kind = All
	}
	return o, nil
}

func newID() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// do runs a stage.
func (p *pull) do(ctx context.Context, s Stage, fn func(context.Context) error) error {
	p.stage, p.began = s, time.Now()
	p.say(0, 0)
	err := fn(ctx)
	p.report.Stages = append(p.report.Stages, StageTime{s, time.Since(p.began).Seconds()})
	return err
}

func (p *pull) say(rows, all int64) {
	if p.o.Say != nil {
		p.o.Say(Progress{Stage: p.stage, Rows: rows, All: all, Elapsed: time.Since(p.began)})
	}
}

// Take makes a database, a directory or both of a part of a copy. Nothing stands under the name of either before it is whole: on an error, or when ctx ends, what stood there before stands there still.
func Take(ctx context.Context, o Options) (*Report, error) {
	began := time.Now()
	p := &pull{report: &Report{}}
	var err error
	if p.o, err = o.checked(); err != nil {
		return nil, err
	}
	if err := p.take(ctx); err != nil {
		return nil, err
	}
	p.report.Seconds = time.Since(began).Seconds()
	return p.report, nil
}

func (p *pull) take(ctx context.Context) (err error) {
	if p.source, err = run.ReadFrom(p.o.Source, "copy"); err != nil {
		return err
	}
	if p.programs, err = run.FindPrograms(ctx, p.o.BinDir); err != nil {
		return err
	}
	if p.o.Directory != "" {
		if err := p.freeDirectory(); err != nil {
			return err
		}
	}
	if p.snapshot, err = p.source.TakeSnapshot(ctx); err != nil {
		return err
	}
	defer p.snapshot.Release()
	if p.place, err = p.openPlace(ctx); err != nil {
		return err
	}
	defer p.place.close()
	defer func() {
		if p.schema != nil {
			p.schema.Close()
		}
		if p.readers != nil {
			p.readers.close()
		}
		p.part.remove()
	}()
	for _, s := range []struct {
		stage Stage
		fn    func(context.Context) error
	}{{StageSchema, p.make}, {StageChoose, p.choose}, {StageCopy, p.copy}, {StageAfter, p.after}} {
		if err := p.do(ctx, s.stage, s.fn); err != nil {
			return p.said(err)
		}
	}
	p.tell()
	if p.o.Directory != "" {
		if err := p.do(ctx, StageDirectory, p.write); err != nil {
			return err
		}
	}
	if err := p.place.finish(ctx); err != nil {
		return err
	}
	p.report.Database, p.report.Directory = p.place.name, p.o.Directory
	return p.placeDirectory()
}

// said puts errors of a run into the words of a pull.
func (p *pull) said(err error) error {
	e, ok := asError(err)
	if !ok {
		return err
	}
	if errs.KindOf(err) == errs.Unavailable && strings.HasPrefix(e.Fix, "Run again: the copy that is published") {
		e.Fix = "Pull again. A new copy may have taken the name meanwhile."
	}
	return err
}

// make reads what the copy is and makes its tables in the place.
func (p *pull) make(ctx context.Context) (err error) {
	of, err := run.CopyOf(ctx, p.snapshot.Tx())
	if err != nil {
		return p.source.Failed("Asking what the database is", err)
	}
	p.report.Run, p.report.Data = of.Run, of.Began
	if err := p.place.apart(ctx, p.snapshot.Tx(), of.Database); err != nil {
		return err
	}
	if err := p.readable(ctx); err != nil {
		return err
	}
	if p.model, err = readModel(ctx, p.source, p.snapshot.Tx(), &p.o.Subset); err != nil {
		return err
	}
	if err := p.lock(ctx); err != nil {
		return err
	}
	if p.readers, err = newReaders(ctx, p.source, p.snapshot, p.o.Workers); err != nil {
		return err
	}
	if p.schema, err = p.programs.Dump(ctx, p.source, p.snapshot); err != nil {
		return err
	}
	if err := p.place.create(ctx, p.snapshot.Tx(), p.report); err != nil {
		return err
	}
	return p.schema.Restore(ctx, p.place.server, p.place.database, "pre-data", 1)
}

// lock keeps the tables from being rewritten while rows are known by their places.
func (p *pull) lock(ctx context.Context) error {
	for chunk := range slices.Chunk(p.model.tables, 100) {
		names := make([]string, 0, len(chunk))
		for _, t := range chunk {
			names = append(names, t.only()+t.sql())
		}
		if _, err := p.snapshot.Tx().Exec(ctx, `LOCK TABLE `+strings.Join(names, ", ")+` IN ACCESS SHARE MODE`); err != nil {
			return p.source.Failed("Locking the tables against changes of their form", err)
		}
	}
	return nil
}

// tell writes the report.
func (p *pull) tell() {
	r := p.report
	for _, t := range p.model.tables {
		one := TableReport{Table: t.name.String(), Rows: t.chosen(), Of: t.rows, How: t.how}
		if p.o.Subset.Kind == All {
			one.Rows = t.rows
		}
		one.Share = share(one.Rows, one.Of)
		r.Tables = append(r.Tables, one)
		r.Rows, r.Of = r.Rows+one.Rows, r.Of+one.Of
	}
	r.Share = share(r.Rows, r.Of)
	r.Notes = append(r.Notes, p.model.notes...)
}

func share(part, all int64) float64 {
	if all == 0 {
		return 100
	}
	return float64(part) / float64(all) * 100
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
