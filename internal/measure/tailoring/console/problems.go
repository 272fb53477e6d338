package console

import (
	"strconv"
	"strings"

	"github.com/garant-project/garant/internal/errs"
	"github.com/garant-project/garant/internal/measure/catalogue"
	"github.com/garant-project/garant/internal/web/ui"
)

// problem is what is wrong with a text, for a reader.
type problem struct {
	Where string // "ligne 12 · ENC-1, phrase, français"
	Text  string
	Fix   string
	at    string
}

// problemsOf says what is wrong, in the reader's language.
func problemsOf(p *ui.Printer, err error) []problem {
	var out []problem
	for _, e := range catalogue.Problems(err) {
		line, at := catalogue.Place(e)
		text, fix := said(p, e)
		out = append(out, problem{Where: where(p, line, at), Text: text, Fix: fix, at: at})
	}
	return out
}

// said is a problem in words: those of the page, or its own English ones without the line.
func said(p *ui.Printer, e *errs.Error) (text, fix string) {
	if id := "annexes.problem." + strings.ReplaceAll(e.ID, ".", "_"); p.Has(id) {
		args := map[string]any{"Name": "", "Kind": "", "Language": ""}
		for k, v := range e.Args {
			args[k] = v
		}
		if lang, ok := args["Language"].(string); ok && p.Has("annexes.language."+lang) {
			args["Language"] = p.T("annexes.language." + lang)
		}
		if kind, ok := args["Kind"].(string); ok && p.Has("annexes.value."+kind) {
			args["Kind"] = p.T("annexes.value." + kind)
		}
		if p.Has(id + ".fix") {
			fix = p.T(id+".fix", args)
		}
		return p.T(id, args), fix
	}
	text = e.Text
	if _, after, ok := strings.Cut(text, ": "); ok && strings.HasPrefix(text, catalogue.TailoringFile) {
		text = after
	}
	return text, e.Fix
}

// where says which place of annex.yaml a problem is about.
func where(p *ui.Printer, line int, at string) string {
	var parts []string
	if line > 0 {
		parts = append(parts, p.T("annexes.line", "Line", strconv.Itoa(line)))
	}
	if what := place(p, at); what != "" {
		parts = append(parts, what)
	}
	return strings.Join(parts, " · ")
}

// place names a place of annex.yaml in words.
func place(p *ui.Printer, at string) string {
	section, rest, _ := strings.Cut(at, ".")
	switch section {
	case "measures", "own":
		id, field, _ := strings.Cut(rest, ".")
		return strings.TrimSuffix(id+" · "+fieldName(p, field), " · ")
	case "parameters":
		return rest
	case "company":
		return fieldName(p, "company."+rest)
	case "teams", "also":
		name, lang, _ := strings.Cut(rest, ".")
		return strings.TrimSuffix(p.T("annexes.section."+section)+" "+name+" · "+language(p, lang), " · ")
	}
	return at
}

// fieldName is the word for a field of a measure or of the company, with its language.
func fieldName(p *ui.Printer, field string) string {
	if id := "annexes.field." + field; p.Has(id) {
		return p.T(id)
	}
	name, rest, _ := strings.Cut(field, ".")
	rest = strings.TrimPrefix(rest, "reason.")
	if id := "annexes.field." + name; p.Has(id) {
		if word := language(p, rest); word != "" && rest != "" {
			return p.T(id) + " · " + word
		}
		return p.T(id)
	}
	return field
}

func language(p *ui.Printer, lang string) string {
	if id := "annexes.language." + lang; p.Has(id) {
		return p.T(id)
	}
	return lang
}

// beside puts each problem beside the field that it is about, by the end of its place; what is
// about none is returned. fields are looked up by name.
func beside(problems []problem, prefix string, fields ...*ui.Field) (others []problem) {
	focused := false
	for _, pr := range problems {
		name, ok := strings.CutPrefix(pr.at, prefix)
		found := false
		for _, f := range fields {
			if !ok || f.Name != name && !strings.HasPrefix(f.Name, name+".") {
				continue
			}
			found = true
			if f.Error == "" {
				f.Error = strings.TrimSpace(pr.Text + " " + pr.Fix)
				f.Focus = !focused
				focused = true
			}
			break
		}
		if !found {
			others = append(others, pr)
		}
	}
	return others
}
