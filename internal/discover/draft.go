package discover

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/estate"
)

const (
	commentColumn = 42  // where the reason of a line starts, when the line is short enough
	width         = 110 // of comments that stand alone
	maxNotes      = 200
)

// Draft writes what was answered and found as a garant.yaml that explains itself, and reads it
// back. dir is where the file will stand. A proposal that would not be valid is left out with a
// note; a text that does not say exactly what was meant is refused.
func Draft(a Answers, found Found, dir estate.Dir, now time.Time) (Result, error) {
	r := Result{Sites: a.Sites, Notes: slices.Clone(found.Notes)}
	proposals, more := sound(a, found.Proposals, dir)
	r.Notes = append(r.Notes, more...)
	for _, p := range proposals {
		if p.Off == "" {
			r.Proposals++
		} else {
			r.Off++
		}
	}
	r.Source = []byte(render(a, proposals, r.Notes, now))
	if err := same(r.Source, meant(a, proposals)); err != nil {
		return Result{}, notOurs(err)
	}
	var err error
	if r.Estate, _, err = estate.Validate(r.Source, dir); err != nil {
		return Result{}, notOurs(err)
	}
	return r, nil
}

func notOurs(err error) error {
	return errs.New(errs.Internal, "discover.draft", "What was found could not be written as a valid garant.yaml; nothing was written.").
		WithFix("Report this, and write the file by hand from docs/garant.yaml until it is mended.").Wrap(err)
}

// sound gives each proposal a name of its own and leaves out what garant.yaml cannot hold.
func sound(a Answers, proposals []Proposal, dir estate.Dir) ([]Proposal, []Note) {
	proposals = slices.Clone(proposals)
	slices.SortStableFunc(proposals, func(x, y Proposal) int {
		return cmp.Or(cmp.Compare(y.Section, x.Section), cmp.Compare(x.Subject, y.Subject)) // endpoints, then databases
	})
	var kept []Proposal
	var notes []Note
	names, subjects := map[string]bool{}, map[string]bool{}
	for _, p := range proposals {
		if subjects[p.Section+" "+p.Subject] {
			continue // two sources saw the same thing
		}
		p.Name = unique(p, names)
		if why := p.unfit(a, dir); why != "" {
			notes = append(notes, Note{About: printable(p.Subject, maxShown), Text: "Left out of the draft: " + why})
			continue
		}
		names[p.Name], subjects[p.Section+" "+p.Subject] = true, true
		kept = append(kept, p)
	}
	return kept, notes
}

var notName = regexp.MustCompile(`[^a-z0-9]+`)

// unique makes the name that a proposal would like one that garant.yaml takes and nothing else has.
func unique(p Proposal, taken map[string]bool) string {
	base := strings.Trim(notName.ReplaceAllString(strings.ToLower(p.Name), "-"), "-")
	if base == "" {
		base = strings.TrimSuffix(p.Section, "s")
	}
	base = strings.Trim(base[:min(len(base), 55)], "-")
	name := base
	for n := 2; taken[name]; n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	return name
}

// unfit says why a proposal cannot stand in garant.yaml, tried alone and in force; empty: it can.
func (p Proposal) unfit(a Answers, dir estate.Dir) string {
	if p.Section == "" || p.Subject == "" || p.Saw == "" || slices.ContainsFunc(p.Lines, func(l Line) bool { return l.Why == "" || l.Key == "" }) {
		return "a line of it has no reason."
	}
	p.Off = ""
	alone := []Proposal{p}
	source := []byte(render(a, alone, nil, time.Time{}))
	if err := same(source, meant(a, alone)); err != nil {
		return "a value of it cannot be written."
	}
	_, _, err := estate.Validate(source, dir)
	var problems *estate.Problems
	if errors.As(err, &problems) {
		return printable(problems.List[0].Text+" "+problems.List[0].Fix, 200)
	} else if err != nil {
		return "it is not valid."
	}
	return ""
}

// meant is what a reader of the file must find in it.
func meant(a Answers, proposals []Proposal) map[string]any {
	company := map[string]any{}
	for _, l := range a.lines() {
		company[l.Key], _ = l.value()
	}
	doc := map[string]any{"company": company}
	for _, p := range proposals {
		if p.Off != "" {
			continue
		}
		item := map[string]any{"name": p.Name}
		for _, l := range p.Lines {
			if v, ok := l.value(); ok {
				item[l.Key] = v
			}
		}
		list, _ := doc[p.Section].([]any)
		doc[p.Section] = append(list, item)
	}
	return doc
}

// value is what a reader of the line finds; ok is false when it finds nothing, because all of it
// is written as comments.
func (l Line) value() (v any, ok bool) {
	if l.Off {
		return nil, false
	}
	items, ok := l.Value.([]Item)
	if !ok {
		return l.Value, true
	}
	list := []any{}
	for _, i := range items {
		switch {
		case i.Off:
		case i.Pairs == nil:
			list = append(list, i.Text)
		default:
			pairs := map[string]any{}
			for _, p := range i.Pairs {
				pairs[p.Key] = p.Text
			}
			list = append(list, pairs)
		}
	}
	return list, len(list) > 0 || len(items) == 0
}

// same compares a text with what was meant, as plain values: every scalar must read as text.
func same(source []byte, want map[string]any) error {
	var got map[string]any
	if err := yaml.Unmarshal(source, &got); err != nil {
		return err
	}
	if !reflect.DeepEqual(got, want) {
		return errors.New("the text does not say what was meant")
	}
	return nil
}

// writer writes YAML line by line.
type writer struct{ strings.Builder }

func (w *writer) line(text, why string) {
	if why == "" {
		w.WriteString(text + "\n")
		return
	}
	pad := max(commentColumn-utf8.RuneCountInString(text), 1)
	w.WriteString(text + strings.Repeat(" ", pad) + "# " + printable(why, 300) + "\n")
}

// comment writes a text as comment lines.
func (w *writer) comment(indent, text string) {
	start := indent + "#"
	column := 0
	for word := range strings.FieldsSeq(printable(text, 2000)) {
		n := utf8.RuneCountInString(word)
		if column == 0 || column+1+n > width-len(start) {
			if column > 0 {
				w.WriteByte('\n')
			}
			w.WriteString(start)
			column = 0
		}
		w.WriteString(" " + word)
		column += 1 + n
	}
	w.WriteByte('\n')
}

func (w *writer) heading(text string) {
	rule := max(width-16-utf8.RuneCountInString(text), 3)
	w.WriteString("\n# " + text + " " + strings.Repeat("-", rule) + "\n")
}

func render(a Answers, proposals []Proposal, notes []Note, now time.Time) string {
	w := &writer{}
	w.comment("", estate.FileName+": a draft that garant init wrote on "+day(now)+" from your answers and from what it saw. Nothing of it is public, and nothing changes until you apply it.")
	w.comment("", "Each line says why it is there or what to decide. Read them, then: garant estate validate, garant estate apply. Every key is explained in docs/garant.yaml.")

	w.heading("Whose annex it is.")
	w.WriteString("company:\n")
	for _, l := range a.lines() {
		w.field("  ", l)
	}
	if len(a.Sites) > 0 {
		w.comment("  ", "Sites you named: "+strings.Join(a.Sites, ", ")+". They belong in the register of sites (console, Registers → Sites), not here.")
	}
	for _, section := range []struct{ key, heading, empty string }{
		{Endpoints, "Where the software answers.", "None is declared yet: the sentences on transport and certificates stay “not proven yet” until you declare one."},
		{Databases, "Where the data lies.", "None is declared yet: the sentences on who reaches data stay “not proven yet” until you declare one (garant init --database env:NAME)."},
	} {
		w.heading(section.heading)
		w.section(section.key, section.empty, proposals)
	}
	w.heading("What the endpoints are held to.")
	w.comment("", "No policy section: the figures of the annex hold (TLS 1.2 and 1.3, HSTS of a year, certificates renewed in time). docs/garant.yaml shows how to set your own.")
	if len(notes) > 0 {
		w.heading("What is not above, and why.")
		for _, n := range notes[:min(len(notes), maxNotes)] {
			w.comment("", "- "+n.About+": "+n.Text)
		}
		if more := len(notes) - maxNotes; more > 0 {
			w.comment("", fmt.Sprintf("- and %s", count(more, "more note")))
		}
	}
	return w.String()
}

func (w *writer) section(key, empty string, proposals []Proposal) {
	var on, off []Proposal
	for _, p := range proposals {
		switch {
		case p.Section != key:
		case p.Off == "":
			on = append(on, p)
		default:
			off = append(off, p)
		}
	}
	if len(on) > 0 {
		w.line(key+":", "")
	} else {
		w.comment("", empty)
		if len(off) > 0 {
			w.line("# "+key+":", "")
		}
	}
	for i, p := range append(on, off...) {
		if i > 0 {
			w.WriteByte('\n')
		}
		about := p.Subject + ": " + p.Saw + "."
		if p.Off != "" {
			about += " Not in force: " + p.Off
		}
		w.comment("  ", about)
		lead, rest := "  - ", "    "
		if p.Off != "" {
			lead, rest = "  # - ", "  #   "
		}
		w.field(lead, Line{Key: "name", Value: p.Name, Why: "keep it: evidence is filed under it"})
		for _, l := range p.Lines {
			w.field(rest, l)
		}
	}
}

// field writes one key. What is Off is a comment that reads as the rest once its # is gone.
func (w *writer) field(indent string, l Line) {
	out := strings.Contains(indent, "#") // the whole item is
	_, present := l.value()
	if !present && !out {
		indent += "# "
	}
	items, isList := l.Value.([]Item)
	switch value := l.Value.(type) {
	case bool:
		w.line(fmt.Sprintf("%s%s: %t", indent, l.Key, value), l.Why)
	case string:
		w.line(indent+l.Key+": "+scalar(value), l.Why)
	}
	if !isList {
		return
	}
	if !slices.ContainsFunc(items, func(i Item) bool { return i.Why != "" || i.Pairs != nil || i.Off }) {
		list := make([]string, 0, len(items))
		for _, i := range items {
			list = append(list, flow(i.Text))
		}
		w.line(indent+l.Key+": ["+strings.Join(list, ", ")+"]", l.Why)
		return
	}
	w.line(indent+l.Key+":", l.Why)
	for _, i := range items {
		at := indent + "  "
		if i.Off && present && !out {
			at = indent + "  # "
		}
		if i.Pairs == nil {
			w.line(at+"- "+scalar(i.Text), i.Why)
			continue
		}
		pairs := make([]string, 0, len(i.Pairs))
		for _, p := range i.Pairs {
			pairs = append(pairs, p.Key+": "+flow(p.Text))
		}
		w.line(at+"- {"+strings.Join(pairs, ", ")+"}", i.Why)
	}
}

// plainForm is text that YAML reads as that text, whatever the place and the version of YAML,
// unless it is one of the words below.
var plainForm = regexp.MustCompile(`^[\p{L}_/][\p{L}\p{M}\p{N} _./@+-]*$`)

// scalar writes a value of one line so that it is read back as the same text.
func scalar(s string) string {
	if plainForm.MatchString(s) && !strings.HasSuffix(s, " ") && !reservedWord(s) {
		return s
	}
	if plainURL.MatchString(s) {
		return s
	}
	// Single quotes know one escape, and no character that nobody can see gets this far:
	// the draft is read back and compared.
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

// plainURL is an address or reference: its colons are followed by no space.
var plainURL = regexp.MustCompile(`^[a-z]+:[A-Za-z0-9_./:\[\]%-]*[A-Za-z0-9_/\]]$`)

// flow is scalar for a list in brackets, whose commas and brackets must be quoted.
func flow(s string) string {
	if v := scalar(s); !strings.ContainsAny(v, ",[]{}") || strings.HasPrefix(v, "'") {
		return v
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'"
}

func reservedWord(s string) bool {
	switch strings.ToLower(s) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf":
		return true
	}
	return false
}
