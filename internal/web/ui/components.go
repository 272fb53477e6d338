package ui

import (
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// Pill is a state as icon, word and colour.
type Pill struct{ Class, Icon, Label string }

// Pill makes the pill of a state.
func (p *Printer) Pill(s State) Pill {
	return Pill{Class: s.Class(), Icon: s.Icon(), Label: p.StateName(s)}
}

// Fact is a figure within a sentence: underlined with dots, and on hover or focus where it
// comes from.
type Fact struct {
	Text   string    // "6 heures"
	Source string    // "Vérification backup.age"; empty: plain text
	At     time.Time // when it was seen; zero: not said
	Value  string    // the exact value behind the words, "21600 s"; may be empty
	Href   string    // where it is explained; may be empty
}

// Notice is a message set apart.
type Notice struct {
	Tone  Tone // empty: Info
	Title string
	Text  string
	Link  *Link
	Live  bool // read aloud at once: the answer to what the reader has just done
}

// Tone is what a notice means.
type Tone string

// The tones.
const (
	Info    Tone = "info"
	Success Tone = "success"
	Warning Tone = "warning"
	Danger  Tone = "danger"
)

// Class is the tone as part of a CSS class.
func (n Notice) Class() string {
	switch n.Tone {
	case Success, Warning, Danger:
		return string(n.Tone)
	}
	return string(Info)
}

// Icon is the name of the tone's icon.
func (n Notice) Icon() string {
	switch n.Tone {
	case Success:
		return "check-circle"
	case Warning:
		return "alert"
	case Danger:
		return "x-circle"
	}
	return "info"
}

// Button is a button, or a link that looks like one when Href is set.
type Button struct {
	Label   string
	Icon    string
	Href    string
	Primary bool
	Danger  bool
	Name    string // of the field that it sends
	Value   string
	About   string // said after the label to those who do not see the row that it stands in
}

// Action is a form of a single button, for tables.
type Action struct {
	Button
	Post   string // where it posts to
	Hidden []Hidden
}

// Hidden is a hidden field.
type Hidden struct{ Name, Value string }

// Field is a labelled field of a form.
type Field struct {
	Name         string
	Label        string
	Help         string
	Error        string
	Type         string // "text" when empty; also "email", "date", "number", "textarea", "select", "checkbox", …
	Value        string
	Required     bool
	Autocomplete string // as in HTML: "one-time-code", "name", "off"
	InputMode    string
	Min, Max     string
	MaxLength    int
	Rows         int // of a textarea; 0: 4
	Checked      bool
	Options      []Option
	Focus        bool
}

// Option is a choice of a select field. Neighbours of one group stand together under its name.
type Option struct {
	Value, Label string
	Selected     bool
	Group        string
}

// InputType is the type attribute.
func (f Field) InputType() string {
	if f.Type == "" {
		return "text"
	}
	return f.Type
}

// Lines is the height of a textarea.
func (f Field) Lines() int {
	if f.Rows == 0 {
		return 4
	}
	return f.Rows
}

// DescribedBy names what describes the field.
func (f Field) DescribedBy() string {
	switch {
	case f.Help != "" && f.Error != "":
		return f.Name + "-error " + f.Name + "-help"
	case f.Error != "":
		return f.Name + "-error"
	case f.Help != "":
		return f.Name + "-help"
	}
	return ""
}

// Empty says that there is nothing, why, and the next step.
type Empty struct {
	Icon   string // empty: "inbox"
	Title  string
	Text   string
	Action *Button
}

// Symbol is the name of the icon.
func (e Empty) Symbol() string {
	if e.Icon == "" {
		return "inbox"
	}
	return e.Icon
}

// Code is text to be run or copied.
type Code struct{ Label, Text string }

// Detail is a line of a definition list: everything that is set is shown.
type Detail struct {
	Term   string
	Text   string
	State  State
	Code   string
	Digest string
	Time   time.Time
	Link   *Link
	Note   string
}

// Progress shows how far something is.
type Progress struct {
	Label string
	Done  int
	Total int    // 0: not known yet
	Text  string // "3 sur 14"
}

// Pager leads through a list by key.
type Pager struct {
	Newer string // address, empty at the start
	Older string // address, empty at the end
}

// Table is a table whose cells are made of components. Lists that need more write their own
// <table class="table table-stack"> within
// <div class="table-frame">.
type Table struct {
	Caption string
	Shown   bool // the caption is shown; else it is for those who do not see the heading above
	Columns []Column
	Rows    [][]Cell
	Empty   *Empty // shown in place of a table without rows
}

// Column is a column of a table.
type Column struct {
	Label   string
	Numeric bool
	Quiet   bool // the label is for those who do not see the column: buttons
}

// Cell is a cell of a table: everything that is set is shown, in the order of the fields.
type Cell struct {
	State  State
	Pill   Pill // a state in words of the page's own
	Strong string
	Text   string
	Lang   string // of Text, where it is not the page's
	Code   string
	Link   *Link
	Kind   Kind
	Chip   string
	Time   time.Time // as an age
	Due    time.Time // as a date to come
	Note   string    // quiet, on a line of its own
	Button *Button
	Action *Action
}

// Day is one bar of a history strip.
type Day struct {
	Date  time.Time
	State State // empty: nothing is known of it
}

// Strip is a history strip, a day a bar, with its text equivalent.
type Strip struct {
	Runs  []StripRun
	Width int
	Label string
}

// StripRun is a stretch of days of one state.
type StripRun struct {
	Class       string
	Path        string // of an SVG path
	start, days int
}

// stripPitch is the width of a day in units of the drawing: a bar of 2 and a gap of 1.
const stripPitch = 3

// maxPeriods is how many periods of trouble the text equivalent names.
const maxPeriods = 4

// Strip makes the history strip of days, oldest first.
func (p *Printer) Strip(days []Day) Strip {
	s := Strip{Width: max(1, len(days)*stripPitch-1)}
	count := map[State]int{}
	for i, d := range days {
		class := "none"
		if d.State != "" {
			class = d.State.Class()
			count[d.State.known()]++
		}
		last := len(s.Runs) - 1
		if last < 0 || s.Runs[last].Class != class {
			s.Runs = append(s.Runs, StripRun{Class: class, start: i})
			last++
		}
		s.Runs[last].days++
	}
	for i, run := range s.Runs {
		s.Runs[i].Path = run.path()
	}
	var named []string
	for _, state := range States() {
		if n := count[state]; n > 0 {
			named = append(named, p.T("ui.strip.part", "State", p.StateName(state), "Days", p.T("ui.unit.day", "Count", n)))
		}
	}
	if len(named) == 0 {
		s.Label = p.T("ui.strip.nothing", "Count", len(days))
		return s
	}
	s.Label = p.T("ui.strip.label", "Count", len(days), "Parts", named)
	periods := 0
	for i := len(s.Runs) - 1; i >= 0 && periods < maxPeriods; i-- {
		run := s.Runs[i]
		if run.Class != string(NotMet) && run.Class != string(Stale) {
			continue
		}
		periods++
		when := p.OnDay(days[run.start].Date)
		if run.days > 1 {
			when = p.T("ui.strip.range", "From", p.DayMonth(days[run.start].Date), "To", p.Day(days[run.start+run.days-1].Date))
		}
		s.Label += " " + p.T("ui.strip.period", "State", capital(p.StateName(State(run.Class))), "When", when)
	}
	return s
}

// path draws a run as one line, which the style sheet dashes into bars. Without colour, too, one
// sees the days that were not met: they are two lines with a gap between.
func (r StripRun) path() string {
	x, w := strconv.Itoa(r.start*stripPitch), strconv.Itoa(r.days*stripPitch-1)
	if r.Class == string(NotMet) {
		return "M" + x + " 4.5h" + w + "M" + x + " 15.5h" + w
	}
	return "M" + x + " 10h" + w
}

// Bar is a proportion bar with its text equivalent.
type Bar struct {
	Shares []Share
	Label  string
}

// Share is a part of a proportion bar.
type Share struct {
	Class string
	X, W  int // in thousandths of the whole
}

// Bar makes a proportion bar of counts by state; states without members take no room.
func (p *Printer) Bar(count map[State]int) Bar {
	var b Bar
	total, before := 0, 0
	for _, s := range States() {
		total += max(0, count[s])
	}
	var parts []string
	for _, s := range States() {
		if count[s] <= 0 {
			continue
		}
		x := before * 1000 / total
		before += count[s]
		b.Shares = append(b.Shares, Share{Class: s.Class(), X: x, W: before*1000/total - x})
		parts = append(parts, p.StateName(s)+nbsp+p.Number(int64(count[s])))
	}
	b.Label = p.List(parts)
	return b
}

// capital writes the first letter large.
func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}
