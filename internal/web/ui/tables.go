package ui

import (
	"fmt"
	"html/template"
	"time"
)

// cellView is a cell with its words chosen.
type cellView struct {
	Pill                       *Pill
	Strong, Text, Code, Digest string
	Lang                       string
	Link                       *Link
	Chip                       string
	Time                       *timeText
	Button                     *Button
	Action                     *Action
	Note                       string
}

// placed is a cell in its column.
type placed struct {
	Column Column
	Cell   cellView
}

// tableView is a table with its words chosen.
type tableView struct {
	Table
	Rows [][]placed
}

func (p *Page) cell(c Cell) cellView {
	v := cellView{
		Strong: c.Strong, Text: c.Text, Lang: c.Lang, Code: c.Code, Link: c.Link, Chip: c.Chip,
		Button: c.Button, Action: c.Action, Note: c.Note,
	}
	if c.State != "" {
		pill := p.Printer.Pill(c.State)
		v.Pill = &pill
	}
	if c.Pill.Label != "" {
		v.Pill = &c.Pill
	}
	if c.Kind != "" {
		v.Chip = p.Printer.KindName(c.Kind)
	}
	switch {
	case !c.Time.IsZero():
		v.Time = p.when(c.Time, p.Printer.Ago(c.Time, p.now()))
	case !c.Due.IsZero():
		v.Time = p.when(c.Due, p.Printer.Until(c.Due, p.now()))
	}
	return v
}

func (p *Page) when(t time.Time, text string) *timeText {
	return &timeText{ISO: p.Printer.ISO(t), Title: p.Printer.Instant(t), Text: text}
}

func table(p *Page, t Table) (template.HTML, error) {
	if len(t.Rows) == 0 {
		if t.Empty == nil {
			return "", fmt.Errorf("ui: the table %q is empty and does not say so", t.Caption)
		}
		return part("ui/empty", *t.Empty)
	}
	v := tableView{Table: t}
	for i, row := range t.Rows {
		if len(row) != len(t.Columns) {
			return "", fmt.Errorf("ui: row %d of the table %q has %d cells for %d columns", i, t.Caption, len(row), len(t.Columns))
		}
		out := make([]placed, len(row))
		for j, c := range row {
			out[j] = placed{Column: t.Columns[j], Cell: p.cell(c)}
		}
		v.Rows = append(v.Rows, out)
	}
	return part("ui/table", v)
}

// detailView is a line of a definition list with its words chosen.
type detailView struct {
	Term string
	Cell cellView
}

func details(p *Page, list []Detail) (template.HTML, error) {
	out := make([]detailView, len(list))
	for i, d := range list {
		c := p.cell(Cell{State: d.State, Text: d.Text, Code: d.Code, Link: d.Link, Note: d.Note})
		c.Digest = d.Digest
		if !d.Time.IsZero() {
			c.Time = &timeText{ISO: p.Printer.ISO(d.Time), Title: p.Printer.Ago(d.Time, p.now()), Text: p.Printer.Instant(d.Time)}
		}
		out[i] = detailView{Term: d.Term, Cell: c}
	}
	return on(p, "ui/details", out, len(out) == 0)
}

// factView is a fact with its time written.
type factView struct {
	Fact
	Seen string
}

// fact writes a figure with its source. Without a source it is plain text.
func fact(p *Page, f Fact) (template.HTML, error) {
	v := factView{Fact: f}
	if !f.At.IsZero() {
		v.Seen = p.Printer.Instant(f.At)
	}
	return part("ui/fact", onPage{Page: p, Part: v, ID: p.nextID("fact")})
}
