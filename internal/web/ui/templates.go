package ui

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed templates/*.html
var templateFiles embed.FS

// layouts are the frames that a page may stand in.
func layouts() []string { return []string{"public", "console", "card"} }

// Parse makes a page of a layout ("public", "console" or "card"), the shared parts, and the
// files of fsys that match the patterns. These define "main", and may define "head" (after the
// title), "actions" (console: buttons beside the heading) and templates of their own.
//
// The layouts write the page's heading from Page.Title, except "public", whose pages write
// their own <h1>.
func Parse(layout string, fsys fs.FS, patterns ...string) (*template.Template, error) {
	if !slices.Contains(layouts(), layout) {
		return nil, fmt.Errorf("ui: there is no layout %q", layout)
	}
	t, err := template.New("layout.html").Option("missingkey=error").Funcs(functions()).
		ParseFS(templateFiles, "templates/layout.html", "templates/"+layout+".html", "templates/parts.html")
	if err != nil {
		return nil, fmt.Errorf("ui: layout %s: %w", layout, err)
	}
	if len(patterns) > 0 {
		if t, err = t.ParseFS(fsys, patterns...); err != nil {
			return nil, fmt.Errorf("ui: %v: %w", patterns, err)
		}
	}
	if t.Lookup("main") == nil {
		return nil, fmt.Errorf("ui: %v define no template \"main\"", patterns)
	}
	return t, nil
}

// parts are the components alone, for the functions that write them.
var parts = sync.OnceValues(func() (*template.Template, error) {
	return template.New("parts").Option("missingkey=error").Funcs(plainFunctions()).ParseFS(templateFiles, "templates/parts.html")
})

// errorTemplates are the error page in each layout.
var errorTemplates = sync.OnceValues(func() (map[string]*template.Template, error) {
	out := map[string]*template.Template{}
	for _, layout := range layouts() {
		t, err := Parse(layout, templateFiles, "templates/error.html")
		if err != nil {
			return nil, err
		}
		out[layout] = t
	}
	return out, nil
})

// part writes one component.
func part(name string, data any) (template.HTML, error) {
	t, err := parts()
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, name, data); err != nil {
		return "", err
	}
	return template.HTML(b.String()), nil //nolint:gosec // escaped by html/template
}

// plainFunctions need no page.
func plainFunctions() template.FuncMap {
	return template.FuncMap{
		"asset": assetPath,
		"icon":  icon,
		"dict":  dict,
		"list":  func(v ...any) []any { return v },

		"options": options,
	}
}

// options writes the choices of a field. There may be hundreds of them, of which a template makes a
// page of its own each.
func options(list []Option) template.HTML {
	var b strings.Builder
	group := ""
	for _, o := range list {
		if o.Group != group {
			if group != "" {
				b.WriteString("</optgroup>")
			}
			if group = o.Group; group != "" {
				b.WriteString(`<optgroup label="` + template.HTMLEscapeString(group) + `">`)
			}
		}
		b.WriteString(`<option value="`)
		b.WriteString(template.HTMLEscapeString(o.Value))
		b.WriteByte('"')
		if o.Selected {
			b.WriteString(" selected")
		}
		b.WriteByte('>')
		b.WriteString(template.HTMLEscapeString(o.Label))
		b.WriteString("</option>")
	}
	if group != "" {
		b.WriteString("</optgroup>")
	}
	return template.HTML(b.String()) //nolint:gosec // escaped above
}

// functions are what templates may call; $ is the page. See the package's documentation.
func functions() template.FuncMap {
	f := plainFunctions()
	add := template.FuncMap{
		"t": func(p *Page, id string, args ...any) string { return p.Printer.T(id, args...) },

		"number":   func(p *Page, n any) (string, error) { return numberOf(p.Printer, n) },
		"count":    func(p *Page, n any, one, many string) (string, error) { return countOf(p.Printer, n, one, many) },
		"duration": func(p *Page, d time.Duration) string { return p.Printer.Duration(d) },
		"day":      func(p *Page, t time.Time) (template.HTML, error) { return moment(p, t, p.Printer.Day) },
		"clock":    func(p *Page, t time.Time) (template.HTML, error) { return moment(p, t, p.Printer.Clock) },
		"instant":  func(p *Page, t time.Time) (template.HTML, error) { return moment(p, t, p.Printer.Instant) },
		"ago":      ago,
		"until":    until,

		"state": func(p *Page, s any) string { return p.Printer.StateName(State(fmt.Sprint(s))) },
		"pill": func(p *Page, s any) (template.HTML, error) {
			return part("ui/pill", p.Printer.Pill(State(fmt.Sprint(s))))
		},
		"kind": func(p *Page, k any) (template.HTML, error) {
			return part("ui/chip", p.Printer.KindName(Kind(fmt.Sprint(k))))
		},
		"chip":  func(s string) (template.HTML, error) { return part("ui/chip", s) },
		"strip": func(p *Page, days []Day) (template.HTML, error) { return part("ui/strip", p.Printer.Strip(days)) },
		"bar": func(p *Page, counts map[State]int) (template.HTML, error) {
			return part("ui/bar", p.Printer.Bar(counts))
		},
		"fact": fact,

		"notice": func(p *Page, n *Notice) (template.HTML, error) { return on(p, "ui/notice", n, n == nil) },
		"alert": func(p *Page, tone, text string) (template.HTML, error) {
			return on(p, "ui/notice", &Notice{Tone: Tone(tone), Text: text}, false)
		},
		"field":    func(p *Page, f Field) (template.HTML, error) { return on(p, "ui/field", f, false) },
		"button":   func(b Button) (template.HTML, error) { return part("ui/button", b) },
		"action":   func(a Action) (template.HTML, error) { return part("ui/action", a) },
		"table":    table,
		"empty":    func(e Empty) (template.HTML, error) { return part("ui/empty", e) },
		"crumbs":   func(p *Page, c []Link) (template.HTML, error) { return on(p, "ui/crumbs", c, len(c) == 0) },
		"details":  details,
		"progress": func(p *Page, b Progress) (template.HTML, error) { return on(p, "ui/progress", b, false) },
		"pager":    func(p *Page, g Pager) (template.HTML, error) { return on(p, "ui/pager", g, g == Pager{}) },
		"copy": func(p *Page, label, text string) (template.HTML, error) {
			return on(p, "ui/copy", Code{Label: label, Text: text}, false)
		},
		"code":   func(s string) (template.HTML, error) { return part("ui/code", s) },
		"digest": func(s string) (template.HTML, error) { return part("ui/digest", s) },
	}
	for name, fn := range add {
		f[name] = fn
	}
	return f
}

// onPage is what a component gets that needs words or ids of its page.
type onPage struct {
	Page *Page
	Part any
	ID   string
}

// T is for templates.
func (o onPage) T(id string, args ...any) string { return o.Page.Printer.T(id, args...) }

func on(p *Page, name string, data any, nothing bool) (template.HTML, error) {
	if nothing {
		return "", nil
	}
	return part(name, onPage{Page: p, Part: data, ID: p.nextID("u")})
}

// dict makes a map of names and values in turn.
func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, errors.New("ui: dict takes names and values in turn")
	}
	m := make(map[string]any, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		name, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("ui: dict: %v is no name", pairs[i])
		}
		m[name] = pairs[i+1]
	}
	return m, nil
}

func numberOf(p *Printer, v any) (string, error) {
	n, ok := whole(v)
	if !ok {
		return "", fmt.Errorf("ui: %T is no whole number", v)
	}
	return p.Number(n), nil
}

func countOf(p *Printer, v any, one, many string) (string, error) {
	n, ok := whole(v)
	if !ok {
		return "", fmt.Errorf("ui: %T is no whole number", v)
	}
	return p.CountOf(n, one, many), nil
}

// timeText is a moment as an element of its own.
type timeText struct{ ISO, Title, Text string }

func moment(p *Page, t time.Time, write func(time.Time) string) (template.HTML, error) {
	if t.IsZero() {
		return part("ui/time", timeText{Text: "–"})
	}
	return part("ui/time", timeText{ISO: p.Printer.ISO(t), Text: write(t)})
}

func ago(p *Page, t time.Time) (template.HTML, error) {
	if t.IsZero() {
		return part("ui/time", timeText{Text: p.Printer.T("ui.never")})
	}
	return part("ui/time", timeText{ISO: p.Printer.ISO(t), Title: p.Printer.Instant(t), Text: p.Printer.Ago(t, p.now())})
}

func until(p *Page, t time.Time) (template.HTML, error) {
	if t.IsZero() {
		return part("ui/time", timeText{Text: "–"})
	}
	return part("ui/time", timeText{ISO: p.Printer.ISO(t), Title: p.Printer.Instant(t), Text: p.Printer.Until(t, p.now())})
}

// now is the moment that ages are counted from.
func (p *Page) now() time.Time {
	if p.Now.IsZero() {
		return time.Now()
	}
	return p.Now
}
